"""Each filter that Tencent documents of a list, and each member of the list's request, is taken by the list or refused with a reason.

The documents are those in the api.json of tccli's models, in which filters stand in the text of the member `Filters`. On simulated hosts.
"""

import json
import pathlib
import re
import uuid

import pytest
import tccli
from tencentcloud.common.exception.tencent_cloud_sdk_exception import TencentCloudSDKException

from test_cvm import SERVICES, Tenant

ACTIONS = pathlib.Path(__file__).parents[2] / "docs" / "actions.md"
SERVICE_FOLDERS = pathlib.Path(tccli.__file__).parent / "services"
MODELS = {"cvm": "v20170312", "cbs": "v20170312", "vpc": "v20170312", "tag": "v20180813", "cam": "v20190116"}
# Filters that say how others are read, or how the list is ordered, with a value that they take.
VALUES = {"ip-exact-match": "true", "sort-keys": "cpu:asc", "creation-start-time": "2000-01-01 00:00:00", "creation-end-time": "2000-01-01 00:00:00"}
# Filters that need others beside them, and those.
BESIDE = {"ip-exact-match": [{"Name": "address-ip", "Values": ["10.0.0.1"]}]}
# What a list must be told beside its filters.
NEEDED = {"DescribeBandwidthPackageResources", "DescribeSecurityGroupPolicies", "DescribeInstancesModification", "DescribeNatGatewaySourceIpTranslationNatRules"}


def table():
    text = ACTIONS.read_text().split("## CVM")[1]
    for name, state, taken, refused in re.findall(r"^\| (\w+) \| (.*?) \| (.*?) \| (.*?) \|$", text, re.MULTILINE):
        if state != "unsupported":
            yield name, {parameter.split(".")[0] for parameter in re.findall(r"`([^`]+)`", f"{taken} {refused}")}


def documented():
    served = dict(table())
    for service, version in MODELS.items():
        model = json.loads((SERVICE_FOLDERS / service / version / "api.json").read_text())
        for name, action in model["actions"].items():
            if name not in served or not re.match("Describe|List|Get", name):
                continue
            members = model["objects"][action["input"]]["members"]
            member = next((member for member in members if member["name"] in ("Filters", "Filter")), {})
            said = member.get("document", "")
            filters = re.findall(r"<li>\s*(?:<strong>\s*)?([A-Za-z][A-Za-z0-9_.:-]*[A-Za-z0-9])", said)
            filters = sorted({"tag:a" if filter.startswith("tag:") else filter for filter in filters})
            # The request of one list has one filter, whatever its name says.
            yield service, name, [member["name"] for member in members], served[name], (filters, member.get("type") == "object")


LISTS = list(documented())
FILTERED = [(service, name, filters, is_one) for service, name, _, _, (filters, is_one) in LISTS if filters]


@pytest.fixture(scope="module")
def tenant(simulated):
    return Tenant(simulated, f"filters-{uuid.uuid4().hex[:8]}")


@pytest.fixture(scope="module")
def needed(tenant):
    package = tenant.call("CreateBandwidthPackage", BandwidthPackageName="filters")["BandwidthPackageId"]
    group = tenant.call("CreateSecurityGroup", GroupName="filters", GroupDescription="of filters")["SecurityGroup"]["SecurityGroupId"]
    network = tenant.call("CreateVpc", VpcName="filters", CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnet = tenant.call("CreateSubnet", VpcId=network, SubnetName="filters", CidrBlock="10.0.0.0/24", Zone="local-1a")["Subnet"]["SubnetId"]
    (instance,) = tenant.call("RunInstances", Placement={"Zone": "local-1a"}, ImageId=tenant.image(), InstanceType="B1.SMALL512M", VirtualPrivateCloud={"VpcId": network, "SubnetId": subnet})["InstanceIdSet"]
    gateway = tenant.call("CreateNatGateway", NatGatewayName="filters", VpcId=network, AddressCount=1)["NatGatewaySet"][0]["NatGatewayId"]
    needed = {
        "DescribeBandwidthPackageResources": {"BandwidthPackageId": package},
        "DescribeSecurityGroupPolicies": {"SecurityGroupId": group},
        "DescribeInstancesModification": {"InstanceIds": [instance]},
        "DescribeNatGatewaySourceIpTranslationNatRules": {"NatGatewayId": gateway},
    }
    assert set(needed) == NEEDED
    yield needed
    tenant.call("TerminateInstances", InstanceIds=[instance])


def test_there_are_lists_with_filters():
    assert len(FILTERED) >= 29 and sum(len(filters) for _, _, filters, _ in FILTERED) > 180, (len(FILTERED), sum(len(filters) for _, _, filters, _ in FILTERED))


@pytest.mark.parametrize("service, name, members, known", [row[:4] for row in LISTS], ids=[row[1] for row in LISTS])
def test_each_member_of_a_request_is_known(service, name, members, known):
    assert [member for member in members if member not in known] == []


def asked(tenant, service, name, parameters):
    """The code and words with which a list is refused; nothing where it is answered."""
    client = tenant.client(service)
    request = getattr(SERVICES[service][1], f"{name}Request")()
    request.from_json_string(json.dumps(parameters))
    try:
        getattr(client, name)(request)
    except TencentCloudSDKException as refused:
        return refused.get_code(), refused.get_message()
    return None


@pytest.mark.parametrize("service, name, filters, is_one", FILTERED, ids=[row[1] for row in FILTERED])
def test_each_documented_filter_is_taken(tenant, needed, service, name, filters, is_one):
    refused = {}
    spelled = lambda wanted: {**needed.get(name, {}), "Filters": wanted[0] if is_one else wanted}
    for filter in filters:
        value = VALUES.get(filter, "no-such-value")
        wanted = [{"Name": filter, "Values": [value]}, *BESIDE.get(filter, [])]
        why = asked(tenant, service, name, spelled(wanted))
        if why:
            refused[filter] = why
    assert refused == {}
    why = asked(tenant, service, name, spelled([{"Name": "no-such-filter", "Values": ["a"]}]))
    assert why and "no-such-filter" in why[1], why


def test_a_disk_tells_its_policy_where_it_is_asked_for(tenant):
    (disk,) = tenant.call("CreateDisks", Placement={"Zone": "local-1a"}, DiskType="CLOUD_PREMIUM", DiskSize=10, DiskChargeType="POSTPAID_BY_HOUR")["DiskIdSet"]
    policy = tenant.call("CreateAutoSnapshotPolicy", Policy=[{"Hour": [3], "DayOfWeek": [1]}])["AutoSnapshotPolicyId"]
    tenant.call("BindAutoSnapshotPolicy", AutoSnapshotPolicyId=policy, DiskIds=[disk])
    shown = lambda **more: tenant.call("DescribeDisks", DiskIds=[disk], **more)["DiskSet"][0]["AutoSnapshotPolicyIds"]
    assert shown(ReturnBindAutoSnapshotPolicy=True) == [policy] and shown() == shown(ReturnBindAutoSnapshotPolicy=False) == []
    tenant.call("DeleteAutoSnapshotPolicies", AutoSnapshotPolicyIds=[policy])
    assert shown(ReturnBindAutoSnapshotPolicy=True) == []
