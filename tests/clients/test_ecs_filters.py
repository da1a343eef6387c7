"""Each member of a list's request that Alibaba's SDKs know is taken by the list, or refused with the reason that the table of calls has.

The models are those of alibabacloud_ecs20140526 and alibabacloud_vpcpeer20220101, and the requests of aliyun_python_sdk_vpc. What is
taken also filters: the members that need rows to choose between are tested by themselves. On simulated hosts.
"""

import datetime
import inspect
import json
import pathlib
import re
import time
import uuid

import aliyunsdkvpc
import alibabacloud_vpcpeer20220101.models as peer
import pytest
from aliyunsdkcore.acs_exception.exceptions import ServerException
from aliyunsdkcore.client import AcsClient
from aliyunsdkcore.request import CommonRequest
from alibabacloud_ecs20140526 import models as ecs
from conftest import wait_until

ACTIONS = pathlib.Path(__file__).parents[2] / "docs" / "actions.md"
VPC = pathlib.Path(aliyunsdkvpc.__file__).parent / "request" / "v20160428"
VERSIONS = {"ecs": "2014-05-26", "vpc": "2016-04-28", "peer": "2022-01-01"}
# Members of every request, of which no action's structure knows.
OF_ALL = {"OwnerId", "OwnerAccount", "ResourceOwnerId", "ResourceOwnerAccount", "RegionId", "AcceptLanguage", "DryRun", "ClientToken"}
TYPE = "ecs.t5-lc2m1.nano"


def of_model(module, name):
    request = getattr(module, f"{name}Request", None)
    return set(re.findall(r"result\['([^']+)'\]", inspect.getsource(request.to_map))) if request else set()


def of_vpc(name):
    path = VPC / f"{name}Request.py"
    if not path.exists():
        return set()
    # `Tag.1.Key` and `Filter.1.Key` are of the members `Tag` and `Filter`.
    return {name.split(".")[0] for name in re.findall(r"add_query_param\('([\w.]+)'", path.read_text())}


def table():
    """Each served list and what the table of calls says that it takes and refuses."""
    text = ACTIONS.read_text().split("## ECS")[1].split("\n## ")[0]
    for name, taken, refused in re.findall(r"^\| ((?:Describe|List|Get)\w+) \| works \| (.*?) \| (.*?) \|$", text, re.MULTILINE):
        # `Tag.N` is the list `Tag`; `NotBefore.Start` lies below `NotBefore`.
        taken = {parameter.split(".")[0].lower() for parameter in re.findall(r"`([^`]+)`", taken)}
        yield name, taken, dict(re.findall(r"`(\w+)` \((.*?)\)(?:;|$)", refused))


TABLE = {name: (taken, refused) for name, taken, refused in table()}
LISTS = [
    (name, product, sorted(members - OF_ALL))
    for name in TABLE
    for product, members in (("ecs", of_model(ecs, name)), ("vpc", of_vpc(name)), ("peer", of_model(peer, name)))
    if members
]


class Tenant:
    def __init__(self, cloud):
        key, secret, self.account = cloud.account("filters")
        self.cloud, self.client = cloud, AcsClient(key, secret, cloud.region, auto_retry=False, timeout=60)

    def call(self, action, product="ecs", **parameters):
        request = CommonRequest(domain=self.cloud.endpoint.removeprefix("http://"), version=VERSIONS[product], action_name=action)
        request.set_method("POST")
        request.set_protocol_type("http")
        for name, value in parameters.items():
            request.add_query_param(name.replace("__", "."), str(value))
        return json.loads(self.client.do_action_with_exception(request))

    def disk(self, **parameters):
        """A new disk that can be used: a fresh one is shown as creating for a moment."""
        made = self.call("CreateDisk", ZoneId="local-1a", **parameters)["DiskId"]
        wait_until(lambda: self.ids("DescribeDisks", "Disks.Disk.DiskId", DiskIds=json.dumps([made]), Status="Available"), 60, "the new disk")
        return made

    def refusal(self, action, product, **parameters):
        """Code and message of a refusal; nothing where the call is answered."""
        try:
            self.call(action, product, **parameters)
        except ServerException as refused:
            return refused.get_error_code(), refused.get_error_msg()
        return None, ""

    def ids(self, action, path, product="ecs", **parameters):
        """The ids that a list has."""
        found = self.call(action, product, **{"PageSize": 50, **parameters})
        *way, id = path.split(".")
        for step in way:
            found = found[step]
        return {row[id] for row in found}


@pytest.fixture(scope="module")
def tenant(simulated):
    tenant = Tenant(simulated)
    yield tenant
    for id in tenant.ids("DescribeInstances", "Instances.Instance.InstanceId"):
        tenant.call("DeleteInstance", InstanceId=id, Force="true")


def test_there_are_lists_with_members():
    assert len(LISTS) > 60 and sum(len(members) for _, _, members in LISTS) > 500


@pytest.mark.parametrize("name, product, members", LISTS, ids=[f"{product}-{name}" for name, product, _ in LISTS])
def test_each_member_is_taken_or_refused_with_a_reason(tenant, name, product, members):
    if tenant.refusal(name, product)[0] == "InvalidAction.NotFound":
        pytest.skip("the other service's call of this name is not served")
    taken, refused = TABLE[name]
    unknown = [member for member in members if member.lower() not in taken and member not in refused]
    assert unknown == []
    for member, reason in refused.items():
        if member in members:
            code, message = tenant.refusal(name, product, **{member: "no-such-value", f"{member}.1": "no-such-value"})
            assert code not in (None, "InvalidAction.NotFound") and (member in message or code.startswith("Missing")), (member, message)
    # What is taken is not refused as unsupported, whatever else is wrong with it.
    for member in set(members) - set(refused):
        code, message = tenant.refusal(name, product, **{member: "no-such-value"})
        assert code != "UnsupportedParameter", (member, message)


def stamp(moment):
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.fixture(scope="module")
def rows(tenant):
    """An early and a late one of each thing that lists choose between by time and by what it is."""
    rows = {}
    image = tenant.call("DescribeImages", ImageName="pileus-linux")["Images"]["Image"][0]["ImageId"]
    launch = {"ImageId": image, "InstanceType": TYPE}

    def make(which, **more):
        (instance,) = tenant.call("RunInstances", **launch, **more)["InstanceIdSets"]["InstanceIdSet"]
        disk = tenant.disk(Size=20, DiskCategory="cloud_essd", PerformanceLevel="PL0" if which == "late" else "PL1", DeleteAutoSnapshot=str(which == "late").lower())
        address = tenant.call("AllocateEipAddress", "vpc")["AllocationId"]
        snapshot = tenant.call("CreateSnapshot", DiskId=disk)["SnapshotId"]
        return {"instance": instance, "disk": disk, "address": address, "snapshot": snapshot}

    rows["early"] = make("early", HttpTokens="optional", HttpEndpoint="enabled")
    time.sleep(2.1)
    rows["between"] = datetime.datetime.now(datetime.timezone.utc)
    time.sleep(1.1)
    rows["late"] = make("late", HttpTokens="required", HttpEndpoint="enabled")
    rows["image"] = image
    deadline = time.monotonic() + 60
    while tenant.ids("DescribeSnapshots", "Snapshots.Snapshot.SnapshotId", Status="accomplished") != {rows[age]["snapshot"] for age in ("early", "late")}:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    return rows


@pytest.mark.parametrize(
    "action, path, kind, product",
    [
        ("DescribeInstances", "Instances.Instance.InstanceId", "instance", "ecs"),
        ("DescribeDisks", "Disks.Disk.DiskId", "disk", "ecs"),
        ("DescribeSnapshots", "Snapshots.Snapshot.SnapshotId", "snapshot", "ecs"),
        ("DescribeEipAddresses", "EipAddresses.EipAddress.AllocationId", "address", "vpc"),
    ],
)
def test_a_time_parts_what_was_made_before_and_after(tenant, rows, action, path, kind, product):
    between, early, late = stamp(rows["between"]), rows["early"][kind], rows["late"][kind]
    since = tenant.ids(action, path, product, **{"Filter.1.Key": "CreationStartTime", "Filter.1.Value": between})
    until = tenant.ids(action, path, product, **{"Filter.1.Key": "CreationEndTime", "Filter.1.Value": between})
    assert late in since and early not in since and early in until and late not in until
    both = {"Filter.1.Key": "CreationStartTime", "Filter.1.Value": between, "Filter.2.Key": "CreationEndTime", "Filter.2.Value": between}
    assert tenant.ids(action, path, product, **both) == set()
    code, message = tenant.refusal(action, product, **{"Filter.1.Key": "ColourOfTheBox", "Filter.1.Value": "blue"})
    assert (code, "Filter.1.Value" in message or "Filter.N" in message) == ("InvalidParameter", True)
    code, message = tenant.refusal(action, product, **{"Filter.1.Key": "ColourOfTheBox", "Filter.1.Value": between})
    assert code == "UnsupportedParameter" and "ColourOfTheBox" in message


def test_instances_are_found_by_what_their_metadata_service_asks_and_when_they_expire(tenant, rows):
    early, late = rows["early"]["instance"], rows["late"]["instance"]
    found = lambda **by: tenant.ids("DescribeInstances", "Instances.Instance.InstanceId", **by)
    assert found(HttpTokens="required") == {late} and found(HttpTokens="optional") == {early}
    assert found(HttpEndpoint="enabled") == {early, late} and found(HttpEndpoint="disabled") == set()
    assert found(HttpPutResponseHopLimit=1) == {early, late} and found(HttpPutResponseHopLimit=64) == set()
    assert found(**{"Filter.1.Key": "ExpiredStartTime", "Filter.1.Value": "2050-01-01T00:00Z"}) == {early, late}
    assert found(**{"Filter.1.Key": "ExpiredEndTime", "Filter.1.Value": "2050-01-01T00:00Z"}) == set()
    assert found(HpcClusterId="hpc-1") == found(RdmaIpAddresses='["10.0.0.1"]') == found(**{"Ipv6Address.1": "2001:db8::1"}) == set()
    pages, token = [], None
    while token != "":
        page = tenant.call("DescribeInstances", MaxResults=1, **({"NextToken": token} if token else {}))
        pages.append([row["InstanceId"] for row in page["Instances"]["Instance"]])
        token = page["NextToken"]
    assert sorted(map(tuple, pages)) == sorted([(early,), (late,)])


def test_disks_are_found_by_level_policy_and_what_goes_with_them(tenant, rows):
    early, late = rows["early"]["disk"], rows["late"]["disk"]
    found = lambda **by: tenant.ids("DescribeDisks", "Disks.Disk.DiskId", DiskType="data", **by)
    assert found(PerformanceLevel="PL0") == {late} and found(PerformanceLevel="PL1") == {early} and found(PerformanceLevel="PL3") == set()
    assert found(DeleteAutoSnapshot="true") == {late} and found(DeleteAutoSnapshot="false") == {early}
    tenant.call("ModifyDiskAttribute", DiskId=early, DeleteAutoSnapshot="true")
    assert found(DeleteAutoSnapshot="true") == {early, late}
    assert found(MultiAttach="Disabled") == found(EnableShared="false") == {early, late} and found(MultiAttach="Enabled") == set()
    policy = tenant.call("CreateAutoSnapshotPolicy", autoSnapshotPolicyName="nightly", timePoints='["3"]', repeatWeekdays='["1"]', retentionDays=-1)["AutoSnapshotPolicyId"]
    tenant.call("ApplyAutoSnapshotPolicy", autoSnapshotPolicyId=policy, diskIds=json.dumps([late]))
    assert found(AutoSnapshotPolicyId=policy) == found(EnableAutomatedSnapshotPolicy="true") == {late}
    assert found(EnableAutomatedSnapshotPolicy="false") == {early}
    (shown,) = tenant.call("DescribeDisks", DiskIds=json.dumps([late]))["Disks"]["Disk"]
    assert (shown["AutoSnapshotPolicyId"], shown["EnableAutomatedSnapshotPolicy"]) == (policy, True)
    tenant.call("DeleteAutoSnapshotPolicy", autoSnapshotPolicyId=policy)
    sealed = tenant.disk(Size=20, Encrypted="true")
    (shown,) = tenant.call("DescribeDisks", DiskIds=json.dumps([sealed]))["Disks"]["Disk"]
    assert found(KMSKeyId=shown["KMSKeyId"]) == {sealed} and found(KMSKeyId="no-such-key") == set()
    tenant.call("DeleteDisk", DiskId=sealed)


def test_images_and_snapshots_are_found_by_their_use(tenant, rows):
    images = lambda **by: tenant.ids("DescribeImages", "Images.Image.ImageId", **by)
    assert rows["image"] in images(Usage="instance") and rows["image"] not in images(Usage="none")
    assert images() == images(Usage="none") | images(Usage="instance")
    early, late = rows["early"]["snapshot"], rows["late"]["snapshot"]
    snapshots = lambda **by: tenant.ids("DescribeSnapshots", "Snapshots.Snapshot.SnapshotId", **by)
    assert snapshots(Usage="none") == {early, late}
    disk = tenant.disk(SnapshotId=early)
    assert snapshots(Usage="disk") == {early} and snapshots(Usage="none") == {late}
    (shown,) = tenant.call("DescribeSnapshots", SnapshotIds=json.dumps([early]))["Snapshots"]["Snapshot"]
    assert shown["Usage"] == "disk"
    tenant.call("DeleteDisk", DiskId=disk)
    deadline = time.monotonic() + 60
    while snapshots(Usage="none") != {early, late}:
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_images_are_shown_by_state_and_those_that_can_be_used_alone_when_nothing_is_said(tenant, rows):
    images = lambda **by: tenant.ids("DescribeImages", "Images.Image.ImageId", **by)
    system = rows["early"]["instance"]
    made = tenant.call("CreateImage", InstanceId=system, ImageName=f"own-{uuid.uuid4().hex[:6]}")["ImageId"]
    deadline = time.monotonic() + 60
    while made not in images():
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert made in images(Usable="true") and made not in images(Usable="false") and made not in images(Status="Deprecated,UnAvailable")
    early = {"Filter.1.Key": "CreationEndTime", "Filter.1.Value": stamp(rows["between"])}
    assert made not in images(**early) and rows["image"] in images(**early)
    tenant.call("DeleteImage", ImageId=made)
    assert made not in images(Status="ALL")


def test_instance_types_are_found_by_their_limits(tenant):
    types = lambda **by: tenant.call("DescribeInstanceTypes", **by)["InstanceTypes"]["InstanceType"]
    everything = types()
    ids = lambda rows: {row["InstanceTypeId"] for row in rows}
    assert ids(types(**{"InstanceFamilyLevel": "EnterpriseLevel"})) == {row["InstanceTypeId"] for row in everything if row["InstanceFamilyLevel"] == "EnterpriseLevel"} != set()
    both = types(**{"InstanceCategories.1": "Compute-optimized", "InstanceCategories.2": "Memory-optimized"})
    assert {row["InstanceCategory"] for row in both} == {"Compute-optimized", "Memory-optimized"}
    assert ids(types(**{"CpuArchitectures.1": "X86"})) and {row["CpuArchitecture"] for row in types(**{"CpuArchitectures.1": "ARM"})} <= {"ARM"}
    credited = types(MinimumBaselineCredit=20)
    assert credited and ids(credited) == {row["InstanceTypeId"] for row in everything if row.get("BaselineCredit", 0) >= 20}
    assert ids(types(MinimumEniIpv6AddressQuantity=10)) == {row["InstanceTypeId"] for row in everything if row["EniIpv6AddressQuantity"] >= 10}
    for nothing in ({"GPUSpec": "NVIDIA"}, {"GpuSpecs.1": "NVIDIA"}, {"MinimumGPUAmount": 1}, {"LocalStorageCategory": "local_ssd_pro"}, {"MinimumLocalStorageAmount": 1}, {"MinimumEriQuantity": 1}, {"MinimumPrimaryEniQueueNumber": 2}, {"NvmeSupport": "required"}):
        assert types(**nothing) == [], nothing
    assert ids(types(NvmeSupport="unsupported", MaximumGPUAmount=4, MinimumGPUAmount=0)) == ids(everything)


def test_what_can_be_had_is_asked_by_disk_and_by_how_it_is_paid(tenant):
    zones = lambda **by: tenant.call("DescribeAvailableResource", DestinationResource="DataDisk", InstanceType=TYPE, **by)["AvailableZones"]["AvailableZone"]
    values = lambda zone: [row["Value"] for row in zone["AvailableResources"]["AvailableResource"][0]["SupportedResources"]["SupportedResource"]]
    assert values(zones(DataDiskCategory="cloud_ssd")[0]) == ["cloud_ssd"] and len(values(zones()[0])) > 3
    for nothing in ({"InstanceChargeType": "PrePaid"}, {"SpotStrategy": "SpotAsPriceGo"}, {"NetworkCategory": "classic"}, {"IoOptimized": "none"}, {"ResourceType": "reservedinstance"}, {"DedicatedHostId": "dh-1"}):
        assert zones(**nothing) == [], nothing


def test_networks_are_found_by_their_options_and_ipv6(tenant):
    vpc = lambda **by: tenant.ids("DescribeVpcs", "Vpcs.Vpc.VpcId", "vpc", **by)
    with_ipv6 = tenant.call("CreateVpc", "vpc", CidrBlock="10.9.0.0/16", EnableIpv6="true")["VpcId"]
    assert with_ipv6 in vpc(EnableIpv6="true") and with_ipv6 not in vpc(EnableIpv6="false")
    options = tenant.call("CreateDhcpOptionsSet", "vpc", DomainName="example.com")["DhcpOptionsSetId"]
    tenant.call("AttachDhcpOptionsSetToVpc", "vpc", DhcpOptionsSetId=options, VpcId=with_ipv6)
    assert vpc(DhcpOptionsSetId=options) == {with_ipv6}
    subnet = tenant.call("CreateVSwitch", "vpc", VpcId=with_ipv6, CidrBlock="10.9.1.0/24", ZoneId="local-1a", Ipv6CidrBlock=1)["VSwitchId"]
    switches = lambda **by: tenant.ids("DescribeVSwitches", "VSwitches.VSwitch.VSwitchId", "vpc", **by)
    assert switches(EnableIpv6="true") == {subnet} and subnet not in switches(EnableIpv6="false")
    table = tenant.call("DescribeRouteTableList", "vpc", VpcId=with_ipv6)["RouterTableList"]["RouterTableListType"][0]["RouteTableId"]
    entries = lambda **by: {row["DestinationCidrBlock"] for row in tenant.call("DescribeRouteEntryList", "vpc", RouteTableId=table, **by)["RouteEntrys"]["RouteEntry"]}
    assert entries(**{"DestCidrBlockList.1": "10.9.0.0/16"}) == {"10.9.0.0/16"} and entries(**{"DestCidrBlockList.1": "10.8.0.0/16"}) == set()
    own = tenant.call("DescribeVpcAttribute", "vpc", VpcId=with_ipv6)["Ipv6CidrBlock"]
    assert entries(IpVersion="ipv6") == {own} and entries(IpVersion="ipv4") and own not in entries(IpVersion="ipv4")
    assert entries(ServiceType="TR") == entries(RouteEntryName="no-such-name") == set()
    (entry,) = tenant.call("DescribeRouteEntryList", "vpc", RouteTableId=table)["RouteEntrys"]["RouteEntry"][:1]
    assert entries(RouteEntryId=entry["RouteEntryId"]) == {entry["DestinationCidrBlock"]}


def test_rules_of_a_group_come_in_pages(tenant):
    network = tenant.call("CreateVpc", "vpc", CidrBlock="10.10.0.0/16")["VpcId"]
    group = tenant.call("CreateSecurityGroup", VpcId=network)["SecurityGroupId"]
    for port in range(1, 13):
        tenant.call("AuthorizeSecurityGroup", SecurityGroupId=group, IpProtocol="tcp", PortRange=f"{port}/{port}", SourceCidrIp="10.0.0.0/8")
    ports, token, pages = [], None, 0
    while token != "":
        page = tenant.call("DescribeSecurityGroupAttribute", SecurityGroupId=group, MaxResults=10, NicType="intranet", **({"NextToken": token} if token else {}))
        ports += [rule["PortRange"] for rule in page["Permissions"]["Permission"]]
        token, pages = page["NextToken"], pages + 1
    assert (pages, sorted(ports)) == (2, sorted(f"{port}/{port}" for port in range(1, 13)))


def test_tags_are_found_by_parts_of_keys_and_values(tenant, rows):
    early, late = rows["early"]["instance"], rows["late"]["instance"]
    tenant.call("TagResources", ResourceType="instance", **{"ResourceId.1": early, "Tag.1.Key": "environment", "Tag.1.Value": "production"})
    tenant.call("TagResources", ResourceType="instance", **{"ResourceId.1": late, "Tag.1.Key": "environment", "Tag.1.Value": "staging"})

    def found(**by):
        listed = tenant.call("ListTagResources", ResourceType="instance", **{f"TagFilter.1.{name}": value for name, value in by.items()})
        return {row["ResourceId"] for row in listed["TagResources"]["TagResource"]}

    assert found(TagKey="env*") == found(TagKey="*iron*") == {early, late} and found(TagKey="env") == set()
    assert found(**{"TagKey": "environment", "TagValues.1": "prod*"}) == {early}
    assert found(**{"TagKey": "environment", "TagValues.1": "prod*", "TagValues.2": "*ing"}) == {early, late}
