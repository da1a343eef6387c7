"""The ECS dialect with the vendor's old and new SDK, on simulated hosts.

Replies are checked strictly against the models inside the new SDK: see strict_ecs. What needs a real guest is in test_debian.
"""

import base64
import json
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid

import pytest
from aliyunsdkcore.acs_exception.exceptions import ServerException
from aliyunsdkcore.client import AcsClient
from aliyunsdkcore.request import CommonRequest
from alibabacloud_ecs20140526 import models
from alibabacloud_ecs20140526.client import Client
from alibabacloud_tea_openapi import models as open_api

import strict_ecs

TYPE = "ecs.t5-lc2m1.nano"
ABSENT = "i-00000000000000001"
VERSIONS = {"DescribeVpcs": "2014-05-26", "DescribeVpcAttribute": "2016-04-28", "DescribeVSwitchAttributes": "2016-04-28", "CreateVpc": "2016-04-28", "CreateVSwitch": "2016-04-28"}
# Replies of services whose models the ECS SDK does not have, or has in an older form.
OF_OTHER_SERVICES = {"CreateVpc", "CreateVSwitch", "DescribeVpcs", "DescribeVSwitches", "DescribeVpcAttribute", "DescribeVSwitchAttributes", "GetCallerIdentity", "DescribeEndpoints"}


class Refused(Exception):
    """A refusal, by whichever SDK."""

    def __init__(self, code, status, message):
        super().__init__(f"{status} {code}: {message}")
        self.code, self.status, self.message = code, status, message


class Tenant:
    """An account of its own, and a client that speaks for it."""

    def __init__(self, cloud, name, key=None, secret=None):
        self.cloud = cloud
        if key:
            self.key, self.secret = key, secret
        else:
            self.key, self.secret, self.account = cloud.account(name)
        self.old = AcsClient(self.key, self.secret, cloud.region, auto_retry=False, timeout=60)
        host = cloud.endpoint.removeprefix("http://")
        config = open_api.Config(access_key_id=self.key, access_key_secret=self.secret, endpoint=host, region_id=cloud.region, protocol="http")
        self.new = Client(config)

    def call(self, action, **parameters):
        """A call by the old SDK (RPC signature); the reply as a dictionary."""
        request = CommonRequest(domain=self.cloud.endpoint.removeprefix("http://"), version=VERSIONS.get(action, "2014-05-26"), action_name=action)
        request.set_method("POST")
        request.set_protocol_type("http")
        for name, value in parameters.items():
            request.add_query_param(name.replace("__", "."), value)
        try:
            reply = json.loads(self.old.do_action_with_exception(request))
        except ServerException as refused:
            raise Refused(refused.get_error_code(), refused.get_http_status(), refused.get_error_msg()) from refused
        if action not in OF_OTHER_SERVICES:
            assert strict_ecs.problems(action, reply) == []
        return reply

    def refused(self, action, **parameters):
        """The code with which a call is refused."""
        with pytest.raises(Refused) as refused:
            self.call(action, **parameters)
        return refused.value.code

    def image(self):
        images = self.call("DescribeImages", ImageName="pileus-linux")["Images"]["Image"]
        return images[0]["ImageId"]

    def run(self, **more):
        """Launches small instances; the ids."""
        reply = self.call("RunInstances", **{"RegionId": self.cloud.region, "ImageId": self.image(), "InstanceType": TYPE, **more})
        return reply["InstanceIdSets"]["InstanceIdSet"]

    def instance(self, id):
        (found,) = self.call("DescribeInstances", InstanceIds=json.dumps([id]))["Instances"]["Instance"]
        return found

    def wait(self, ids, status):
        """Waits for a state, or for their end: an instance is shown no more as soon as it is released, a moment before its interfaces go."""
        nics = lambda id: self.call("DescribeNetworkInterfaces", InstanceId=id)["NetworkInterfaceSets"]["NetworkInterfaceSet"]
        deadline = time.monotonic() + 60
        while True:
            found = self.call("DescribeInstances", InstanceIds=json.dumps(ids), PageSize=100)["Instances"]["Instance"]
            if status is None and not found and not any(nics(id) for id in ids):
                return
            if status is not None and [i["Status"] for i in found] == [status] * len(ids):
                return
            assert time.monotonic() < deadline, [i["Status"] for i in found]
            time.sleep(0.1)


@pytest.fixture(scope="module")
def tenant(simulated):
    tenant = Tenant(simulated, f"ecs-{uuid.uuid4().hex[:8]}")
    yield tenant
    left = [i["InstanceId"] for i in tenant.call("DescribeInstances", PageSize=100)["Instances"]["Instance"]]
    for id in left:
        tenant.call("DeleteInstance", InstanceId=id, Force="true")


def test_the_region_its_zones_types_and_images_are_listed(tenant):
    regions = tenant.call("DescribeRegions")["Regions"]["Region"]
    assert [region["RegionId"] for region in regions] == [tenant.cloud.region]
    zones = tenant.call("DescribeZones")["Zones"]["Zone"]
    assert [zone["ZoneId"] for zone in zones] == ["local-1a", "local-1b"]
    types = tenant.call("DescribeInstanceTypes", MaxResults=100)
    assert len(types["InstanceTypes"]["InstanceType"]) == 100 and types["NextToken"]
    assert tenant.call("DescribeInstanceTypeFamilies")["InstanceTypeFamilies"]["InstanceTypeFamily"]
    offered = tenant.call("DescribeAvailableResource", DestinationResource="InstanceType", ZoneId="local-1a", IoOptimized="optimized")
    assert TYPE in json.dumps(offered)
    names = [image["ImageName"] for image in tenant.call("DescribeImages", ImageOwnerAlias="system")["Images"]["Image"]]
    assert {"pileus-linux", "debian-12"} <= set(names)


def test_a_key_pair_is_made_imported_listed_and_deleted(tenant):
    made = tenant.call("CreateKeyPair", KeyPairName="made")
    assert made["PrivateKeyBody"].startswith("-----BEGIN RSA PRIVATE KEY-----")
    public = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/7YmBHOmQ5FdRBt somebody"
    tenant.call("ImportKeyPair", KeyPairName="brought", PublicKeyBody=public)
    listed = tenant.call("DescribeKeyPairs")["KeyPairs"]["KeyPair"]
    assert sorted(key["KeyPairName"] for key in listed) == ["brought", "made"]
    assert tenant.refused("CreateKeyPair", KeyPairName="made") == "KeyPair.AlreadyExist"
    (instance,) = tenant.run(Amount=1)
    attached = tenant.call("AttachKeyPair", KeyPairName="brought", InstanceIds=json.dumps([instance]))
    assert attached["FailCount"] == "0" and attached["Results"]["Result"][0]["InstanceId"] == instance
    assert tenant.call("DescribeInstances", KeyPairName="brought")["TotalCount"] == 1
    tenant.call("DetachKeyPair", KeyPairName="brought", InstanceIds=json.dumps([instance]))
    assert tenant.call("DescribeInstances", KeyPairName="brought")["TotalCount"] == 0
    tenant.call("DeleteKeyPairs", KeyPairNames=json.dumps(["made", "brought"]))
    assert tenant.call("DescribeKeyPairs")["TotalCount"] == 0


def test_everything_asked_at_launch_is_shown(tenant):
    tenant.call("CreateKeyPair", KeyPairName="launch")
    asked = {
        "Amount": 2,
        "InstanceName": "web-[1,3]",
        "HostName": "host-[1,3]",
        "Description": "two web servers",
        "ZoneId": "local-1b",
        "KeyPairName": "launch",
        "SystemDisk.Size": 30,
        "SystemDisk.Category": "cloud_essd",
        "UserData": base64.b64encode(b"#!/bin/sh\n").decode(),
        "DeletionProtection": "true",
        "Tag.1.Key": "role",
        "Tag.1.Value": "web",
    }
    ids = tenant.run(**asked)
    tenant.wait(ids, "Running")
    shown = [tenant.instance(id) for id in ids]
    assert sorted(i["InstanceName"] for i in shown) == ["web-001", "web-002"]
    assert sorted(i["HostName"] for i in shown) == ["host-001", "host-002"]
    for instance in shown:
        assert (instance["ZoneId"], instance["InstanceType"], instance["KeyPairName"]) == ("local-1b", TYPE, "launch")
        assert instance["Tags"]["Tag"] == [{"TagKey": "role", "TagValue": "web"}]
        assert instance["DeletionProtection"] is True
        disks = tenant.call("DescribeDisks", InstanceId=instance["InstanceId"])["Disks"]["Disk"]
        assert [(disk["Size"], disk["Type"]) for disk in disks] == [(30, "system")]
        data = tenant.call("DescribeUserData", InstanceId=instance["InstanceId"])
        assert base64.b64decode(data["UserData"]) == b"#!/bin/sh\n"
        assert tenant.refused("DeleteInstance", InstanceId=instance["InstanceId"], Force="true") == "InvalidOperation.DeletionProtection"
        tenant.call("ModifyInstanceAttribute", InstanceId=instance["InstanceId"], DeletionProtection="false")
    tenant.call("DeleteInstances", **{"InstanceId.1": ids[0], "InstanceId.2": ids[1], "Force": "true"})
    tenant.wait(ids, None)


def test_a_client_token_launches_once(tenant):
    token = uuid.uuid4().hex
    first = tenant.run(ClientToken=token)
    assert tenant.run(ClientToken=token) == first
    assert tenant.refused("RunInstances", ImageId=tenant.image(), InstanceType=TYPE, ClientToken=token, Amount=2) == "IdempotentParameterMismatch"
    tenant.call("DeleteInstance", InstanceId=first[0], Force="true")


def test_a_dry_run_does_nothing(tenant):
    before = tenant.call("DescribeInstances")["TotalCount"]
    assert tenant.refused("RunInstances", ImageId=tenant.image(), InstanceType=TYPE, DryRun="true") == "DryRunOperation"
    assert tenant.call("DescribeInstances")["TotalCount"] == before


def test_filters_and_both_kinds_of_pages_find_instances(tenant):
    ids = sorted(tenant.run(Amount=7, **{"Tag.1.Key": "page", "Tag.1.Value": "yes", "InstanceName": "paged"}))
    tenant.wait(ids, "Running")
    tagged = {"Tag.1.Key": "page", "Tag.1.Value": "yes"}
    numbered = []
    for number in (1, 2, 3):
        page = tenant.call("DescribeInstances", PageSize=3, PageNumber=number, Status="Running", **tagged)
        assert page["TotalCount"] == 7
        numbered += [i["InstanceId"] for i in page["Instances"]["Instance"]]
    assert sorted(numbered) == ids
    found, token = [], None
    while token != "":
        more = {"NextToken": token} if token else {}
        page = tenant.call("DescribeInstances", MaxResults=3, **tagged, **more)
        found += [i["InstanceId"] for i in page["Instances"]["Instance"]]
        token = page["NextToken"]
    assert sorted(found) == ids
    for filters, count in [({"InstanceName": "pag*"}, 7), ({"InstanceName": "other"}, 0), ({"InstanceType": TYPE}, 7), ({"ZoneId": "local-1a"}, None)]:
        total = tenant.call("DescribeInstances", **filters, **tagged)["TotalCount"]
        assert total == count if count is not None else 0 < total <= 7
    states = tenant.call("DescribeInstanceStatus", PageSize=50)["InstanceStatuses"]["InstanceStatus"]
    assert {s["InstanceId"] for s in states if s["Status"] == "Running"} >= set(ids)
    for id in ids:
        tenant.call("DeleteInstance", InstanceId=id, Force="true")


@pytest.mark.parametrize("mode", ["KeepCharging", "StopCharging"])
def test_an_instance_stops_both_ways_starts_reboots_and_goes(tenant, mode):
    (id,) = tenant.run()
    tenant.wait([id], "Running")
    tenant.call("StopInstance", InstanceId=id, StoppedMode=mode)
    tenant.wait([id], "Stopped")
    assert tenant.instance(id)["StoppedMode"] == mode
    assert tenant.refused("StopInstance", InstanceId=id) == "IncorrectInstanceStatus"
    tenant.call("StartInstance", InstanceId=id)
    tenant.wait([id], "Running")
    tenant.call("RebootInstance", InstanceId=id, ForceStop="true")
    tenant.wait([id], "Running")
    tenant.call("StopInstance", InstanceId=id, ForceStop="true")
    tenant.wait([id], "Stopped")
    tenant.call("DeleteInstance", InstanceId=id)
    tenant.wait([id], None)


def test_an_instance_can_be_made_stopped(tenant):
    made = tenant.call("CreateInstance", ImageId=tenant.image(), InstanceType=TYPE, InstanceName="made")
    id = made["InstanceId"]
    tenant.wait([id], "Stopped")
    tenant.call("StartInstance", InstanceId=id)
    tenant.wait([id], "Running")
    tenant.call("DeleteInstance", InstanceId=id, Force="true")


def test_a_stopped_instance_moves_to_another_vswitch_and_vpc(tenant):
    def network(number):
        """A VPC with a vSwitch in the first zone and a security group; their ids."""
        vpc = tenant.call("CreateVpc", CidrBlock=f"10.{number}.0.0/16")["VpcId"]
        switch = tenant.call("CreateVSwitch", VpcId=vpc, ZoneId="local-1a", CidrBlock=f"10.{number}.1.0/24")["VSwitchId"]
        return vpc, switch, tenant.call("CreateSecurityGroup", VpcId=vpc, SecurityGroupName=f"moved-{number}")["SecurityGroupId"]

    (first, here, ours), (second, there, theirs) = network(31), network(32)
    beside = tenant.call("CreateVSwitch", VpcId=first, ZoneId="local-1a", CidrBlock="10.31.2.0/24")["VSwitchId"]
    (id,) = tenant.run(VSwitchId=here, SecurityGroupId=ours)
    tenant.wait([id], "Running")
    move = lambda switch, **more: tenant.call("ModifyInstanceVpcAttribute", InstanceId=id, VSwitchId=switch, **more)
    assert tenant.refused("ModifyInstanceVpcAttribute", InstanceId=id, VSwitchId=beside) == "IncorrectInstanceStatus"
    tenant.call("StopInstance", InstanceId=id)
    tenant.wait([id], "Stopped")
    move(beside, PrivateIpAddress="10.31.2.50")
    place = tenant.instance(id)["VpcAttributes"]
    assert (place["VpcId"], place["VSwitchId"], place["PrivateIpAddress"]["IpAddress"]) == (first, beside, ["10.31.2.50"])
    move(there, **{"VpcId": second, "SecurityGroupId.1": theirs})
    moved = tenant.instance(id)
    assert (moved["VpcAttributes"]["VpcId"], moved["SecurityGroupIds"]["SecurityGroupId"]) == (second, [theirs])
    tenant.call("StartInstance", InstanceId=id)
    tenant.wait([id], "Running")
    tenant.call("DeleteInstance", InstanceId=id, Force="true")
    tenant.wait([id], None)
    for group in (ours, theirs):
        tenant.call("DeleteSecurityGroup", SecurityGroupId=group)
    for switch in (here, beside, there):
        tenant.call("DeleteVSwitch", VSwitchId=switch)
    for vpc in (first, second):
        tenant.call("DeleteVpc", VpcId=vpc)


def test_types_are_recommended(tenant):
    asked = {"NetworkType": "vpc", "InstanceType": TYPE, "ZoneId": "local-1a", "PriorityStrategy": "PriceFirst"}
    found = tenant.call("DescribeRecommendInstanceType", **asked)["Data"]["RecommendInstanceType"]
    assert TYPE in [one["InstanceType"]["InstanceType"] for one in found]
    assert {one["ZoneId"] for one in found} == {"local-1a"}
    assert len({(one["InstanceType"]["Cores"], one["InstanceType"]["Memory"]) for one in found}) == 1
    assert tenant.refused("DescribeRecommendInstanceType", **asked, Cores=2) == "InvalidParameter.Conflict"


def test_attributes_and_tags(tenant):
    (id,) = tenant.run()
    tenant.wait([id], "Running")
    tenant.call("ModifyInstanceAttribute", InstanceId=id, InstanceName="renamed", Description="described")
    shown = tenant.call("DescribeInstanceAttribute", InstanceId=id)
    assert (shown["InstanceName"], shown["Description"]) == ("renamed", "described")
    tenant.call("ModifyInstanceMetadataOptions", InstanceId=id, HttpEndpoint="enabled", HttpTokens="required")
    assert tenant.instance(id)["MetadataOptions"]["HttpTokens"] == "required"
    tenant.call("TagResources", ResourceType="instance", **{"ResourceId.1": id, "Tag.1.Key": "a", "Tag.1.Value": "1"})
    listed = tenant.call("ListTagResources", ResourceType="instance", **{"ResourceId.1": id})["TagResources"]["TagResource"]
    assert [(tag["TagKey"], tag["TagValue"]) for tag in listed] == [("a", "1")]
    tenant.call("UntagResources", ResourceType="instance", **{"ResourceId.1": id, "TagKey.1": "a"})
    assert tenant.instance(id)["Tags"]["Tag"] == []
    tenant.call("DeleteInstance", InstanceId=id, Force="true")


def test_groups_and_rules_come_and_go(tenant):
    vpc = tenant.call("DescribeVpcs")["Vpcs"]["Vpc"][0]["VpcId"]
    group = tenant.call("CreateSecurityGroup", VpcId=vpc, SecurityGroupName="web", Description="Web servers")["SecurityGroupId"]
    tenant.call("AuthorizeSecurityGroup", SecurityGroupId=group, IpProtocol="tcp", PortRange="22/22", SourceCidrIp="0.0.0.0/0")
    tenant.call("AuthorizeSecurityGroupEgress", SecurityGroupId=group, **{
        "Permissions.1.IpProtocol": "UDP", "Permissions.1.PortRange": "53/53", "Permissions.1.DestCidrIp": "10.0.0.0/8", "Permissions.1.Policy": "drop",
    })
    shown = tenant.call("DescribeSecurityGroupAttribute", SecurityGroupId=group)["Permissions"]["Permission"]
    assert ("ingress", "TCP", "22/22", "Accept") in [(r["Direction"], r["IpProtocol"], r["PortRange"], r["Policy"]) for r in shown]
    assert ("egress", "UDP", "53/53", "Drop") in [(r["Direction"], r["IpProtocol"], r["PortRange"], r["Policy"]) for r in shown]
    (id,) = tenant.run(SecurityGroupId=group)
    default = next(g["SecurityGroupId"] for g in tenant.call("DescribeSecurityGroups")["SecurityGroups"]["SecurityGroup"] if g["SecurityGroupName"] == "default")
    assert tenant.refused("DeleteSecurityGroup", SecurityGroupId=group) == "DependencyViolation"
    tenant.call("JoinSecurityGroup", SecurityGroupId=default, InstanceId=id)
    tenant.call("LeaveSecurityGroup", SecurityGroupId=group, InstanceId=id)
    assert tenant.instance(id)["SecurityGroupIds"]["SecurityGroupId"] == [default]
    tenant.call("RevokeSecurityGroup", SecurityGroupId=group, IpProtocol="tcp", PortRange="22/22", SourceCidrIp="0.0.0.0/0")
    rule = next(r["SecurityGroupRuleId"] for r in shown if r["Policy"] == "Drop")
    tenant.call("RevokeSecurityGroupEgress", SecurityGroupId=group, **{"SecurityGroupRuleId.1": rule})
    tenant.call("DeleteSecurityGroup", SecurityGroupId=group)
    nics = tenant.call("DescribeNetworkInterfaces", InstanceId=id)["NetworkInterfaceSets"]["NetworkInterfaceSet"]
    assert [nic["InstanceId"] for nic in nics] == [id]
    tenant.call("DeleteInstance", InstanceId=id, Force="true")


def test_networks_are_listed(tenant):
    vpc = tenant.call("DescribeVpcs")["Vpcs"]["Vpc"][0]
    assert tenant.call("DescribeVpcAttribute", VpcId=vpc["VpcId"])["CidrBlock"] == vpc["CidrBlock"]
    switches = tenant.call("DescribeVSwitches", VpcId=vpc["VpcId"])["VSwitches"]["VSwitch"]
    assert sorted(switch["ZoneId"] for switch in switches) == ["local-1a", "local-1b"]
    one = tenant.call("DescribeVSwitchAttributes", VSwitchId=switches[0]["VSwitchId"])
    assert one["CidrBlock"] == switches[0]["CidrBlock"]
    assert tenant.call("DescribeEipAddresses")["TotalCount"] == 0


def test_the_new_sdk_launches_describes_and_deletes(tenant):
    """ACS3 signatures and the SDK's own models, from launch to nothing."""
    region = tenant.cloud.region
    tags = [models.RunInstancesRequestTag(key="sdk", value="new")]
    launch = models.RunInstancesRequest(region_id=region, image_id=tenant.image(), instance_type=TYPE, amount=2, tag=tags, password="Secret-Pa55word")
    ids = tenant.new.run_instances(launch).body.instance_id_sets.instance_id_set
    assert len(ids) == 2
    tenant.wait(ids, "Running")
    found = tenant.new.describe_instances(models.DescribeInstancesRequest(region_id=region, instance_ids=json.dumps(ids))).body
    assert {i.instance_id for i in found.instances.instance} == set(ids)
    assert found.instances.instance[0].tags.tag[0].tag_value == "new"
    tenant.new.stop_instances(models.StopInstancesRequest(region_id=region, instance_id=ids, force_stop=True))
    tenant.wait(ids, "Stopped")
    tenant.new.start_instances(models.StartInstancesRequest(region_id=region, instance_id=ids))
    tenant.wait(ids, "Running")
    tenant.new.reboot_instances(models.RebootInstancesRequest(region_id=region, instance_id=ids))
    tenant.new.delete_instances(models.DeleteInstancesRequest(region_id=region, instance_id=ids, force=True))
    tenant.wait(ids, None)


@pytest.mark.parametrize(
    ("action", "parameters", "code"),
    [
        ("DescribeNothing", {}, "InvalidAction.NotFound"),
        ("DescribeInstances", {"RegionId": "elsewhere"}, "InvalidRegionId.NotFound"),
        ("DescribeInstances", {"PageSize": "many"}, "InvalidParameter"),
        ("DescribeInstances", {"InstanceIds": "not json"}, "InvalidParameter"),
        ("DescribeInstances", {"NoSuchParameter": "1"}, "UnsupportedParameter"),
        ("StopInstance", {}, "MissingParameter"),
        ("StopInstance", {"InstanceId": ABSENT}, "InvalidInstanceId.NotFound"),
        ("StopInstance", {"InstanceId": "vol-00000000000000001"}, "InvalidInstanceId.NotFound"),
        ("RunInstances", {"InstanceType": TYPE}, "MissingParameter"),
        ("RunInstances", {"InstanceType": TYPE, "ImageId": "ami-00000000000000001"}, "InvalidImageId.NotFound"),
        ("RenewInstance", {"InstanceId": ABSENT}, "UnsupportedOperation"),
    ],
)
def test_bad_calls_are_refused(tenant, action, parameters, code):
    assert tenant.refused(action, **parameters).startswith(code)


def test_anothers_instance_looks_like_none(simulated, tenant):
    (id,) = tenant.run()
    stranger = Tenant(simulated, f"stranger-{uuid.uuid4().hex[:8]}")
    assert stranger.refused("StopInstance", InstanceId=id) == "InvalidInstanceId.NotFound"
    assert stranger.call("DescribeInstances", InstanceIds=json.dumps([id]))["TotalCount"] == 0
    tenant.call("DeleteInstance", InstanceId=id, Force="true")


def test_wrong_keys_are_refused(simulated, tenant):
    assert Tenant(simulated, "", "AKIAABSENTABSENTABSE", "x").refused("DescribeRegions") == "InvalidAccessKeyId.NotFound"
    assert Tenant(simulated, "", tenant.key, "wrong").refused("DescribeRegions") in ("InvalidAccessKeySecret", "SignatureDoesNotMatch")


def test_a_request_counts_once_unchanged_and_in_time(tenant):
    """Replayed, tampered with and stale requests, signed as the old SDK does."""
    request = CommonRequest(domain=tenant.cloud.endpoint.removeprefix("http://"), version="2014-05-26", action_name="DescribeRegions")
    request.set_protocol_type("http")
    request.set_method("GET")
    request.trans_to_acs_request()
    signed = request.get_url(tenant.cloud.region, tenant.key, tenant.secret)
    url = tenant.cloud.endpoint + signed
    urllib.request.urlopen(url).read()

    def code_of(url):
        try:
            return json.loads(urllib.request.urlopen(url).read())
        except urllib.error.HTTPError as refused:
            return json.loads(refused.read())["Code"]

    assert code_of(url) == "SignatureNonceUsed"
    assert code_of(url.replace("DescribeRegions", "DescribeZones")) == "SignatureDoesNotMatch"
    stale = urllib.parse.quote(time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 3600)), safe="")
    changed = "&".join(f"Timestamp={stale}" if part.startswith("Timestamp=") else part for part in url.split("&"))
    assert code_of(changed) in ("InvalidTimeStamp.Expired", "SignatureDoesNotMatch")


def test_a_policy_for_snapshots_is_applied_changed_and_deleted(tenant):
    disk = tenant.call("CreateDisk", ZoneId="local-1a", Size=20, DiskCategory="cloud_essd")["DiskId"]
    made = dict(regionId=tenant.cloud.region, timePoints='["1"]', repeatWeekdays='["1","7"]', retentionDays=30)
    policy = tenant.call("CreateAutoSnapshotPolicy", autoSnapshotPolicyName="nightly", **made)["AutoSnapshotPolicyId"]
    which = dict(regionId=tenant.cloud.region, autoSnapshotPolicyId=policy)
    tenant.call("ApplyAutoSnapshotPolicy", diskIds=json.dumps([disk]), **which)
    ties = tenant.call("DescribeAutoSnapshotPolicyAssociations", DiskId=disk)["AutoSnapshotPolicyAssociations"]
    assert ties["AutoSnapshotPolicyAssociation"] == [{"AutoSnapshotPolicyId": policy, "DiskId": disk}]
    tenant.call("ModifyAutoSnapshotPolicyEx", retentionDays=-1, **which)
    (shown,) = tenant.call("DescribeAutoSnapshotPolicyEx", AutoSnapshotPolicyId=policy)["AutoSnapshotPolicies"]["AutoSnapshotPolicy"]
    assert (shown["DiskNums"], shown["RetentionDays"], shown["RepeatWeekdays"], shown["Status"]) == (1, -1, '["1","7"]', "Normal")
    tenant.call("CancelAutoSnapshotPolicy", diskIds=json.dumps([disk]), **which)
    tenant.call("DeleteAutoSnapshotPolicy", **which)
    assert tenant.refused("DeleteAutoSnapshotPolicy", **which) == "InvalidAutoSnapshotPolicyId.NotFound"
    tenant.call("DeleteDisk", DiskId=disk)


def test_an_instance_has_a_time_at_which_it_is_released(tenant):
    (id,) = tenant.run(AutoReleaseTime=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 7200)))
    assert tenant.instance(id)["AutoReleaseTime"] == time.strftime("%Y-%m-%dT%H:%MZ", time.gmtime(time.time() + 7200))
    later = time.strftime("%Y-%m-%dT%H:%M:00Z", time.gmtime(time.time() + 9000))
    tenant.call("ModifyInstanceAutoReleaseTime", InstanceId=id, AutoReleaseTime=later)
    assert tenant.instance(id)["AutoReleaseTime"] == later.replace(":00Z", "Z")
    soon = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 60))
    assert tenant.refused("ModifyInstanceAutoReleaseTime", InstanceId=id, AutoReleaseTime=soon) == "InvalidAutoReleaseTime.Malformed"
    tenant.call("ModifyInstanceAutoReleaseTime", InstanceId=id)
    assert tenant.instance(id)["AutoReleaseTime"] == ""
    tenant.wait([id], "Running")
    tenant.call("DeleteInstance", InstanceId=id, Force="true")


def test_snapshots_are_counted_copied_and_chained(tenant, until):
    disk = tenant.call("CreateDisk", ZoneId=f"{tenant.cloud.region}a", Size=20, DiskCategory="cloud_essd", DiskName="counted")["DiskId"]
    until(lambda: tenant.call("DescribeDisks", DiskIds=json.dumps([disk]), Status="Available")["TotalCount"], 30, "the disk")
    snapshot = tenant.call("CreateSnapshot", DiskId=disk)["SnapshotId"]
    until(lambda: tenant.call("DescribeSnapshots", SnapshotIds=json.dumps([snapshot]), Status="accomplished")["TotalCount"], 30, "it")
    copy = tenant.call("CopySnapshot", SnapshotId=snapshot, DestinationRegionId=tenant.cloud.region, DestinationSnapshotName="copy")["SnapshotId"]
    (shown,) = tenant.call("DescribeSnapshots", SnapshotIds=json.dumps([copy]))["Snapshots"]["Snapshot"]
    assert (shown["SnapshotName"], shown["Status"]) == ("copy", "accomplished")
    assert tenant.call("DescribeSnapshotsUsage")["SnapshotCount"] == 2
    (link,) = tenant.call("DescribeSnapshotLinks", DiskIds=json.dumps([disk]))["SnapshotLinks"]["SnapshotLink"]
    assert (link["TotalCount"], link["SourceDiskName"]) == (1, "counted")
    for id in (snapshot, copy):
        tenant.call("DeleteSnapshot", SnapshotId=id)
    assert tenant.call("DescribeSnapshotsUsage")["SnapshotCount"] == 0
    tenant.call("DeleteDisk", DiskId=disk)


def test_new_disks_are_encrypted_by_default(tenant):
    def encrypted():
        disk = tenant.call("CreateDisk", ZoneId=f"{tenant.cloud.region}a", Size=20, DiskCategory="cloud_essd")["DiskId"]
        (shown,) = tenant.call("DescribeDisks", DiskIds=json.dumps([disk]))["Disks"]["Disk"]
        return shown["Encrypted"], shown["KMSKeyId"]

    assert encrypted() == (False, "")
    tenant.call("EnableDiskEncryptionByDefault")
    assert tenant.call("DescribeDiskEncryptionByDefaultStatus")["Encrypted"] is True
    is_encrypted, key = encrypted()
    assert is_encrypted and tenant.call("DescribeDiskDefaultKMSKeyId")["KMSKeyId"] == key
    tenant.call("ModifyDiskDefaultKMSKeyId", KMSKeyId=key)
    tenant.call("ResetDiskDefaultKMSKeyId")
    tenant.call("DisableDiskEncryptionByDefault")
    assert encrypted() == (False, "")


def test_older_calls_on_tags_and_what_tools_look_up(tenant):
    (id,) = tenant.run()
    tenant.wait([id], "Running")
    tenant.call("AddTags", ResourceType="instance", ResourceId=id, Tag__1__Key="older", Tag__1__Value="yes")
    (tag,) = tenant.call("DescribeTags", ResourceType="instance", Tag__1__Key="older")["Tags"]["Tag"]
    assert (tag["TagValue"], tag["ResourceTypeCount"]["Instance"]) == ("yes", 1)
    (found,) = tenant.call("DescribeResourceByTags", Tag__1__Key="older", Tag__1__Value="yes")["Resources"]["Resource"]
    assert (found["ResourceId"], found["ResourceType"]) == (id, "instance")
    tenant.call("RemoveTags", ResourceType="instance", ResourceId=id, Tag__1__Key="older")
    assert tenant.call("DescribeResourceByTags", Tag__1__Key="older")["TotalCount"] == 0
    (kept,) = tenant.call("DescribeInstanceMaintenanceAttributes", InstanceId__1=id)["MaintenanceAttributes"]["MaintenanceAttribute"]
    assert (kept["InstanceId"], kept["ActionOnMaintenance"]["Value"]) == (id, "AutoRecover")
    (nic,) = tenant.call("DescribeNetworkInterfaces", InstanceId=id)["NetworkInterfaceSets"]["NetworkInterfaceSet"]
    one = tenant.call("DescribeNetworkInterfaceAttribute", NetworkInterfaceId=nic["NetworkInterfaceId"])
    assert (one["InstanceId"], one["Status"], one["Type"]) == (id, "InUse", "Primary")
    (vpc,) = tenant.call("DescribeVpcs")["Vpcs"]["Vpc"]
    (router,) = tenant.call("DescribeVRouters", VRouterId=vpc["VRouterId"])["VRouters"]["VRouter"]
    assert router["VpcId"] == vpc["VpcId"]
    tenant.call("DeleteInstance", InstanceId=id, Force="true")
