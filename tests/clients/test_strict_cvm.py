"""The replies, codes and parameters of the CVM dialect against the vendor's own model. Needs no cloud."""

import json

import pytest

import strict_cvm

KEPT = strict_cvm.kept_replies()
# Parameters with one value that asks for nothing special, which are let pass.
PLAIN = {"ProjectId", "EnhancedService", "EnableJumboFrame", "ReleasePrepaidDataDisks", "ReturnBindAutoSnapshotPolicy"}


@pytest.mark.parametrize("path, action", KEPT, ids=[path.stem for path, _ in KEPT])
def test_a_kept_reply_fits_the_model(path, action):
    assert strict_cvm.problems(action, json.loads(path.read_text())["Response"]) == []


def test_there_are_kept_replies_of_every_call_that_is_served():
    served = {action for action, state, _, _ in strict_cvm.documented() if state != "unsupported"}
    assert len(served) > 30
    assert served == {action for _, action in KEPT}


def test_every_code_is_one_of_the_vendors():
    ours = strict_cvm.our_codes()
    assert len(ours) > 60
    assert sorted(ours - strict_cvm.vendors_codes()) == []


@pytest.mark.parametrize("row", [row for row in strict_cvm.documented() if row[1] != "unsupported"], ids=lambda row: row[0])
def test_every_parameter_of_the_vendors_is_understood_or_refused(row):
    action, _, understood, refused = row
    vendors = strict_cvm.inputs(action)
    assert understood - vendors == set(), "a parameter that the vendor has not"
    assert refused - vendors == set(), "refused as the vendor's, which it is not"
    assert vendors - understood - refused <= PLAIN


@pytest.mark.parametrize(
    "change, problem",
    [
        (lambda reply: reply.update(Colour="red"), "unknown member"),
        (lambda reply: reply.pop("TotalCount"), "missing"),
        (lambda reply: reply.update(TotalCount="1"), "instead of int"),
        (lambda reply: reply["RegionSet"][0].update(Region=None), "null"),
        (lambda reply: reply.update(RegionSet={}), "instead of list"),
    ],
)
def test_the_checker_sees_what_the_sdk_forgives(change, problem):
    reply = {"TotalCount": 1, "RegionSet": [{"Region": "a", "RegionName": "a", "RegionState": "AVAILABLE"}], "RequestId": "r"}
    assert strict_cvm.problems("DescribeRegions", reply) == []
    change(reply)
    found = strict_cvm.problems("DescribeRegions", reply)
    assert len(found) == 1 and problem in found[0], found
