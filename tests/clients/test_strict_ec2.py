"""The replies that the EC2 dialect's own tests keep, against the vendor's models. Needs no cloud."""

import pytest

import strict_ec2

KEPT = strict_ec2.kept_replies()


@pytest.mark.parametrize("path, operation", KEPT, ids=[path.stem for path, _ in KEPT])
def test_a_kept_reply_fits_the_model(path, operation):
    service = "sts" if operation == "GetCallerIdentity" else "ec2"
    assert strict_ec2.problems(service, operation, path.read_bytes()) == []


@pytest.mark.parametrize(
    "inside, problem",
    [
        ("<colour>red</colour>", "unknown element"),
        ("<vpcSet><member/></vpcSet>", "an item is called member"),
        ("<vpcSet><item><isDefault>True</isDefault></item></vpcSet>", "neither true nor false"),
        ("<vpcSet><item><state>ready</state></item></vpcSet>", "is none of"),
        ("<vpcSet/><vpcSet/>", "stands twice"),
    ],
)
def test_the_checker_sees_what_botocore_forgives(inside, problem):
    body = f'<DescribeVpcsResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><requestId>r</requestId>{inside}</DescribeVpcsResponse>'
    found = strict_ec2.problems("ec2", "DescribeVpcs", body)
    assert len(found) == 1 and problem in found[0], found


def test_there_are_kept_replies():
    assert len(KEPT) > 30
