"""Each filter that EC2 documents of a list, as botocore's model has it, is taken by the list. On simulated hosts."""

import gzip
import json
import pathlib
import re

import botocore
import pytest
from botocore import xform_name
from botocore.exceptions import ClientError

ACTIONS = pathlib.Path(__file__).parents[2] / "docs" / "actions.md"
MODEL = pathlib.Path(botocore.__file__).parent / "data" / "ec2" / "2016-11-15" / "service-2.json.gz"
# Words that the documentation of other filters lists as their values.
VALUES = {
    "DescribeCapacityReservations": {"active", "cancelled", "dedicated", "default", "expired", "failed", "limited", "open", "pending", "targeted", "unlimited"},
    "DescribeImages": {"informational", "low", "medium", "high", "critical"},
}


def documented():
    """Each served list of EC2 and the filters that its documentation names."""
    model = json.loads(gzip.decompress(MODEL.read_bytes()))
    table = ACTIONS.read_text().split("## EC2")[1].split("\n## ")[0]
    for name in re.findall(r"^\| (\w+) \| (?:works|partly)", table, re.MULTILINE):
        operation = model["operations"].get(name)
        if not operation or "input" not in operation:
            continue
        members = model["shapes"][operation["input"]["shape"]]["members"]
        said = next((members[member].get("documentation", "") for member in ("Filters", "Filter") if member in members), "")
        filters = set(re.findall(r"<li> ?<p> ?<code>([a-zA-Z0-9.-]+)</code>", said)) - VALUES.get(name, set())
        filters = {"tag:a" if filter == "tag" else filter for filter in filters}
        if filters:
            yield name, "Filter" if "Filter" in members else "Filters", sorted(filters)


LISTS = list(documented())


def test_there_are_lists_with_filters():
    assert len(LISTS) > 30 and sum(len(filters) for _, _, filters in LISTS) > 400


@pytest.fixture(scope="module")
def ec2(simulated):
    key, secret, _ = simulated.account("filters")
    return simulated.client(key=key, secret=secret)


@pytest.fixture(scope="module")
def needed(simulated, ec2):
    """What a list must be told beside its filters."""
    data = {"ImageId": simulated.image(), "InstanceType": "t3.nano"}
    template = {"LaunchTemplateId": ec2.create_launch_template(LaunchTemplateName="filters", LaunchTemplateData=data)["LaunchTemplate"]["LaunchTemplateId"]}
    target = {"TotalTargetCapacity": 1, "DefaultTargetCapacityType": "on-demand"}
    configs = [{"LaunchTemplateSpecification": {**template, "Version": "$Latest"}}]
    fleet = {"FleetId": ec2.create_fleet(Type="request", TargetCapacitySpecification=target, LaunchTemplateConfigs=configs)["FleetId"]}
    yield {"DescribeLaunchTemplateVersions": template, "DescribeFleetInstances": fleet}
    ec2.delete_fleets(FleetIds=[fleet["FleetId"]], TerminateInstances=True)


@pytest.mark.parametrize("name, member, filters", LISTS, ids=[name for name, _, _ in LISTS])
def test_each_documented_filter_is_taken(ec2, needed, name, member, filters):
    call, refused = getattr(ec2, xform_name(name)), {}
    for filter in filters:
        try:
            call(**needed.get(name, {}), **{member: [{"Name": filter, "Values": ["no-such-value"]}]})
        except ClientError as error:
            refused[filter] = error.response["Error"]["Message"]
    assert refused == {}
    with pytest.raises(ClientError) as error:
        call(**needed.get(name, {}), **{member: [{"Name": "no-such-filter", "Values": ["a"]}]})
    assert "no-such-filter" in error.value.response["Error"]["Message"]
