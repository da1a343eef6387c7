"""The CVM dialect with the vendor's SDK and CLI: on simulated hosts, and once from a launch to an SSH login and away on a real guest.

Every reply is checked strictly against the vendor's model: see strict_cvm.
"""

import base64
import json
import os
import subprocess
import sys
import time
import urllib.request
import uuid
import warnings
from pathlib import Path

import pytest
from tencentcloud.cam.v20190116 import cam_client, models as cam
from tencentcloud.cbs.v20170312 import cbs_client, models as cbs
from tencentcloud.common import credential
from tencentcloud.common.exception.tencent_cloud_sdk_exception import TencentCloudSDKException
from tencentcloud.common.profile.client_profile import ClientProfile
from tencentcloud.common.profile.http_profile import HttpProfile
from tencentcloud.cvm.v20170312 import cvm_client, models as cvm
from tencentcloud.cloudaudit.v20190319 import cloudaudit_client, models as cloudaudit
from tencentcloud.sts.v20180813 import models as sts, sts_client
from tencentcloud.tag.v20180813 import models as tags, tag_client
from tencentcloud.vpc.v20170312 import models as vpc, vpc_client

import strict_cvm

TYPE = "B1.SMALL512M"
ABSENT = "ins-00000000000000001"
SERVICES = {
    "cvm": (cvm_client.CvmClient, cvm),
    "vpc": (vpc_client.VpcClient, vpc),
    "cbs": (cbs_client.CbsClient, cbs),
    "sts": (sts_client.StsClient, sts),
    "cam": (cam_client.CamClient, cam),
    "tag": (tag_client.TagClient, tags),
    "cloudaudit": (cloudaudit_client.CloudauditClient, cloudaudit),
}


class Tenant:
    """An account of its own, and clients that speak for it."""

    def __init__(self, cloud, name, key=None, secret=None):
        self.cloud = cloud
        if key:
            self.key, self.secret = key, secret
        else:
            self.key, self.secret, self.account = cloud.account(name)

    def client(self, service="cvm", method="TC3-HMAC-SHA256", verb="POST", region=None, token=None):
        """A client that notes the text of its last reply."""
        http = HttpProfile(protocol="http", endpoint=self.cloud.endpoint.removeprefix("http://"), reqMethod=verb, reqTimeout=60)
        profile = ClientProfile(signMethod=method, httpProfile=http)
        who = credential.Credential(self.key, self.secret, token)
        client = SERVICES[service][0](who, region or self.cloud.region, profile)
        call = client.call

        def noted(*arguments, **options):
            client.text = call(*arguments, **options)
            return client.text

        client.call = noted
        return client

    def call(self, action, *, client=None, **parameters):
        """A call by the SDK, which reads the reply into its own classes; the reply as a dictionary."""
        service = strict_cvm.service_of(action)
        client = client or self.client(service)
        request = getattr(SERVICES[service][1], f"{action}Request")()
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            request.from_json_string(json.dumps(parameters))
            getattr(client, action)(request)
        reply = json.loads(client.text)["Response"]
        assert strict_cvm.problems(action, reply) == []
        return reply

    def refused(self, action, **parameters):
        """The code with which a call is refused."""
        with pytest.raises(TencentCloudSDKException) as refused:
            self.call(action, **parameters)
        return refused.value.get_code()

    def image(self):
        found = self.call("DescribeImages", Filters=[{"Name": "image-name", "Values": ["pileus-linux"]}])
        return found["ImageSet"][0]["ImageId"]

    def run(self, **more):
        """Launches small instances; the ids."""
        usual = {"Placement": {"Zone": "local-1a"}, "ImageId": self.image(), "InstanceType": TYPE}
        return self.call("RunInstances", **{**usual, **more})["InstanceIdSet"]

    def instance(self, id):
        (found,) = self.call("DescribeInstances", InstanceIds=[id])["InstanceSet"]
        return found

    def wait(self, ids, state, within=60):
        """Waits until all of these are in a state; gone when it is none."""
        deadline = time.monotonic() + within
        while True:
            found = self.call("DescribeInstances", InstanceIds=ids, Limit=100)["InstanceSet"]
            if [one["InstanceState"] for one in found] == [state] * (0 if state is None else len(ids)):
                return
            assert time.monotonic() < deadline, [one["InstanceState"] for one in found]
            time.sleep(0.1)

    def tccli(self, *words):
        """A call by the CLI; its output."""
        environment = {**os.environ, "TENCENTCLOUD_SECRET_ID": self.key, "TENCENTCLOUD_SECRET_KEY": self.secret, "TENCENTCLOUD_REGION": self.cloud.region}
        program = Path(sys.executable).parent / "tccli"
        return subprocess.run([program, *words, "--endpoint", self.cloud.endpoint], env=environment, capture_output=True, text=True, timeout=120)


@pytest.fixture(scope="module")
def tenant(simulated):
    tenant = Tenant(simulated, f"cvm-{uuid.uuid4().hex[:8]}")
    yield tenant
    left = [one["InstanceId"] for one in tenant.call("DescribeInstances", Limit=100)["InstanceSet"] if one["InstanceState"] != "TERMINATING"]
    if left:
        tenant.call("TerminateInstances", InstanceIds=left)


def test_the_region_its_zones_types_and_images_are_listed(tenant):
    assert [one["Region"] for one in tenant.call("DescribeRegions")["RegionSet"]] == [tenant.cloud.region]
    assert [one["Zone"] for one in tenant.call("DescribeZones")["ZoneSet"]] == ["local-1a", "local-1b"]
    wide = tenant.call("DescribeInstanceTypeConfigs", Filters=[{"Name": "instance-type", "Values": ["S6.MEDIUM4"]}])["InstanceTypeConfigSet"]
    assert [(one["CPU"], one["Memory"], one["Zone"]) for one in wide] == [(2, 4, "local-1a"), (2, 4, "local-1b")]
    families = [one["InstanceFamily"] for one in tenant.call("DescribeInstanceFamilyConfigs")["InstanceFamilyConfigSet"]]
    assert {"S6", "SA2", "M6"} <= set(families)
    offered = tenant.call("DescribeZoneInstanceConfigInfos", Filters=[{"Name": "zone", "Values": ["local-1a"]}])["InstanceTypeQuotaSet"]
    assert {"Status": "SELL", "InstanceType": TYPE}.items() <= next(one for one in offered if one["InstanceType"] == TYPE).items()
    names = [one["ImageName"] for one in tenant.call("DescribeImages", Filters=[{"Name": "image-type", "Values": ["PUBLIC_IMAGE"]}])["ImageSet"]]
    assert {"pileus-linux", "debian-12"} <= set(names)
    assert tenant.call("DescribeImageQuota")["ImageNumQuota"] > 0
    assert tenant.call("GetCallerIdentity")["AccountId"] == tenant.account


@pytest.mark.parametrize("verb", ["GET", "POST"])
@pytest.mark.parametrize("method", ["TC3-HMAC-SHA256", "HmacSHA1", "HmacSHA256"])
def test_every_signature_is_good_by_either_verb(tenant, method, verb):
    client = tenant.client("cvm", method, verb)
    asked = {"Filters": [{"Name": "image-name", "Values": ["pileus-linux"]}], "Limit": 5}
    for _ in range(3):
        assert tenant.call("DescribeImages", client=client, **asked)["TotalCount"] == 1
    groups = tenant.client("vpc", method, verb)
    made = tenant.call("CreateSecurityGroup", client=groups, GroupName="odd a+b=c", GroupDescription="ü 云 a b+c*d~e/f=g&h?")
    shown = made["SecurityGroup"]
    assert (shown["SecurityGroupName"], shown["SecurityGroupDesc"]) == ("odd a+b=c", "ü 云 a b+c*d~e/f=g&h?")
    tenant.call("DeleteSecurityGroup", client=groups, SecurityGroupId=shown["SecurityGroupId"])


@pytest.mark.parametrize("method", ["TC3-HMAC-SHA256", "HmacSHA1", "HmacSHA256"])
def test_wrong_keys_are_refused_in_the_vendors_words(simulated, tenant, method):
    def code(key, secret, **options):
        other = Tenant(simulated, "", key, secret)
        return other.refused("DescribeRegions", client=other.client("cvm", method, **options))

    assert code("AKIDabsentabsentabsent", "x") == "AuthFailure.SecretIdNotFound"
    assert code(tenant.key, "wrong") == "AuthFailure.SignatureFailure"
    assert code(tenant.key, tenant.secret, token="made-up") == "AuthFailure.TokenFailure"
    assert code(tenant.key, tenant.secret, region="ap-elsewhere") == "InvalidRegion.NotFound"


def test_a_request_counts_once_unchanged_and_in_time(tenant, monkeypatch):
    """Replayed, tampered with and stale requests, signed as the SDK does."""

    def code_of(request):
        reply = urllib.request.urlopen(request)
        assert (reply.status, reply.headers["Content-Type"]) == (200, "application/json")
        return json.loads(reply.read())["Response"].get("Error", {}).get("Code")

    sent = {}

    def note(client):
        send = client.request.conn.request

        def noted(method, url, body=None, headers=None):
            sent.update(method=method, url=url, data=body.encode() if isinstance(body, str) else body, headers=dict(headers))
            return send(method, url, body, headers)

        client.request.conn.request = noted
        return client

    def again(old=b"", new=b""):
        return urllib.request.Request(**{**sent, "data": sent["data"].replace(old, new)})

    tenant.call("DescribeZones", client=note(tenant.client("cvm", "HmacSHA256")))
    assert code_of(again()) == "AuthFailure.SignatureFailure", "a request counts once"
    assert code_of(again(b"DescribeZones", b"DescribeRegions")) == "AuthFailure.SignatureFailure"
    tenant.call("DescribeInstances", client=note(tenant.client()), Limit=1)
    assert code_of(again()) is None, "the newer signature has nothing that counts once"
    assert code_of(again(b"1", b"2")) == "AuthFailure.SignatureFailure"
    hour_ago = int(time.time()) - 3600
    with monkeypatch.context() as earlier:
        earlier.setattr(time, "time", lambda: hour_ago)
        for method in ("TC3-HMAC-SHA256", "HmacSHA1"):
            assert tenant.refused("DescribeZones", client=tenant.client("cvm", method)) == "AuthFailure.SignatureExpire"


@pytest.mark.parametrize("method", ["TC3-HMAC-SHA256", "HmacSHA1"])
def test_a_role_gives_keys_for_a_while(simulated, tenant, method):
    iam = simulated.client("iam", key=tenant.key, secret=tenant.secret)
    name = f"looker-{uuid.uuid4().hex[:8]}"
    iam.create_user(UserName=name)
    ann = iam.create_access_key(UserName=name)["AccessKey"]
    ann = Tenant(simulated, "", ann["AccessKeyId"], ann["SecretAccessKey"])
    trust = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{tenant.account}:user/{name}"}, "Action": "sts:AssumeRole"}
    look = {"Effect": "Allow", "Action": "cvm:Describe*", "Resource": "*"}
    document = [json.dumps({"Version": "2012-10-17", "Statement": [statement]}) for statement in (trust, look)]
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=document[0])
    iam.put_role_policy(RoleName=name, PolicyName="look", PolicyDocument=document[1])
    arn = f"qcs::cam::uin/{tenant.account}:roleName/{name}"
    given = ann.call("AssumeRole", RoleArn=arn, RoleSessionName="session", DurationSeconds=900)
    assert 0 < given["ExpiredTime"] - time.time() <= 901
    key = given["Credentials"]
    bearer = Tenant(simulated, "", key["TmpSecretId"], key["TmpSecretKey"])
    client = bearer.client("cvm", method, token=key["Token"])
    assert bearer.call("DescribeInstances", client=client)["TotalCount"] >= 0
    assert bearer.refused("StopInstances", client=client, InstanceIds=[ABSENT]) == "UnauthorizedOperation"
    who = bearer.call("GetCallerIdentity", client=bearer.client("sts", method, token=key["Token"]))
    assert (who["Type"], who["AccountId"]) == ("CAMRole", tenant.account) and name in who["Arn"]
    assert bearer.refused("DescribeInstances", client=bearer.client("cvm", method, token="made-up")) == "AuthFailure.TokenFailure"
    assert ann.refused("AssumeRole", RoleArn=arn + "x", RoleSessionName="session") == "UnauthorizedOperation"
    iam.delete_role_policy(RoleName=name, PolicyName="look")
    iam.delete_role(RoleName=name)
    iam.delete_access_key(UserName=name, AccessKeyId=ann.key)
    iam.delete_user(UserName=name)


def test_a_key_pair_is_made_imported_listed_and_deleted(tenant):
    made = tenant.call("CreateKeyPair", KeyName="made", ProjectId=0)["KeyPair"]
    assert made["PrivateKey"].startswith("-----BEGIN RSA PRIVATE KEY-----")
    public = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/7YmBHOmQ5FdRBt somebody"
    brought = tenant.call("ImportKeyPair", KeyName="brought", ProjectId=0, PublicKey=public)["KeyId"]
    listed = tenant.call("DescribeKeyPairs")["KeyPairSet"]
    assert sorted(key["KeyName"] for key in listed) == ["brought", "made"]
    assert tenant.refused("CreateKeyPair", KeyName="made", ProjectId=0) == "InvalidKeyPairName.Duplicate"
    tenant.call("DeleteKeyPairs", KeyIds=[made["KeyId"], brought])
    assert tenant.call("DescribeKeyPairs")["TotalCount"] == 0


def test_everything_asked_at_launch_is_shown(tenant):
    key = tenant.call("CreateKeyPair", KeyName="launch", ProjectId=0)["KeyPair"]["KeyId"]
    asked = {
        "InstanceCount": 2,
        "InstanceName": "web-{R:1,F:3}",
        "HostName": "host-{R:1}",
        "Placement": {"Zone": "local-1b", "ProjectId": 0},
        "LoginSettings": {"KeyIds": [key]},
        "SystemDisk": {"DiskSize": 30, "DiskType": "CLOUD_PREMIUM"},
        "DataDisks": [{"DiskSize": 7, "DiskType": "CLOUD_SSD"}],
        "UserData": base64.b64encode(b"#!/bin/sh\n").decode(),
        "InternetAccessible": {"InternetMaxBandwidthOut": 5, "PublicIpAssigned": True},
        "DisableApiTermination": True,
        "TagSpecification": [{"ResourceType": "instance", "Tags": [{"Key": "role", "Value": "web"}]}],
    }
    ids = tenant.run(**asked)
    tenant.wait(ids, "RUNNING")
    shown = [tenant.instance(id) for id in ids]
    assert sorted(one["InstanceName"] for one in shown) == ["web-001", "web-002"]
    assert sorted(one["HostName"] for one in shown) == ["host-1", "host-2"]
    for one in shown:
        assert (one["Placement"]["Zone"], one["InstanceType"], one["LoginSettings"]["KeyIds"]) == ("local-1b", TYPE, [key])
        assert one["Tags"] == [{"Key": "role", "Value": "web"}] and len(one["PublicIpAddresses"]) == 1
        disks = tenant.call("DescribeDisks", Filters=[{"Name": "instance-id", "Values": [one["InstanceId"]]}])["DiskSet"]
        found = sorted((disk["DiskSize"], disk["DiskUsage"], disk["DiskType"]) for disk in disks)
        assert found == [(7, "DATA_DISK", "CLOUD_SSD"), (30, "SYSTEM_DISK", "CLOUD_PREMIUM")]
        nics = tenant.call("DescribeNetworkInterfaces", Filters=[{"Name": "attachment.instance-id", "Values": [one["InstanceId"]]}])
        assert nics["NetworkInterfaceSet"][0]["PrivateIpAddressSet"][0]["PrivateIpAddress"] == one["PrivateIpAddresses"][0]
    assert tenant.refused("TerminateInstances", InstanceIds=ids) == "UnsupportedOperation.InstancesProtected"
    tenant.call("ModifyInstancesAttribute", InstanceIds=ids, DisableApiTermination=False)
    tenant.call("TerminateInstances", InstanceIds=ids)
    tenant.wait(ids, None)


def test_a_client_token_launches_once_and_a_dry_run_not_at_all(tenant):
    token = uuid.uuid4().hex
    first = tenant.run(ClientToken=token)
    assert tenant.run(ClientToken=token) == first
    before = tenant.call("DescribeInstances")["TotalCount"]
    usual = {"Placement": {"Zone": "local-1a"}, "ImageId": tenant.image(), "InstanceType": TYPE}
    client = tenant.client()
    request = cvm.RunInstancesRequest()
    request.from_json_string(json.dumps({**usual, "DryRun": True}))
    assert client.RunInstances(request).InstanceIdSet is None, "a dry run is answered with nothing"
    assert tenant.refused("RunInstances", **usual, DryRun=True, SystemDisk={"DiskSize": 99999}) == "InvalidParameterValue.Range"
    assert tenant.refused("RunInstances", **usual, DataDisks=[{"DiskSize": 10, "SnapshotId": "snap-1"}]) == "InvalidParameterValue.SnapshotIdMalformed"
    assert tenant.call("DescribeInstances")["TotalCount"] == before
    tenant.call("TerminateInstances", InstanceIds=first)


def test_filters_and_pages_find_instances(tenant):
    ids = sorted(tenant.run(InstanceCount=7, TagSpecification=[{"ResourceType": "instance", "Tags": [{"Key": "page", "Value": "yes"}]}]))
    tenant.wait(ids, "RUNNING")
    tagged = [{"Name": "tag:page", "Values": ["yes"]}, {"Name": "instance-state", "Values": ["RUNNING", "STOPPED"]}]
    found = []
    for offset in (0, 2, 4, 6):
        page = tenant.call("DescribeInstances", Offset=offset, Limit=2, Filters=tagged)
        assert page["TotalCount"] == 7
        found += [one["InstanceId"] for one in page["InstanceSet"]]
    assert sorted(found) == ids
    states = tenant.call("DescribeInstancesStatus", InstanceIds=ids)["InstanceStatusSet"]
    assert [one["InstanceState"] for one in states] == ["RUNNING"] * 7
    assert tenant.refused("DescribeInstances", Filters=[{"Name": "colour", "Values": ["red"]}]) == "InvalidFilter"
    tenant.call("TerminateInstances", InstanceIds=ids)


@pytest.mark.parametrize("mode", ["KEEP_CHARGING", "STOP_CHARGING"])
def test_an_instance_stops_both_ways_starts_reboots_and_goes(tenant, mode):
    ids = tenant.run()
    tenant.wait(ids, "RUNNING")
    tenant.call("StopInstances", InstanceIds=ids, StopType="SOFT_FIRST", StoppedMode=mode)
    tenant.wait(ids, "STOPPED")
    assert tenant.instance(ids[0])["StopChargingMode"] == mode
    assert tenant.refused("StopInstances", InstanceIds=ids) == "UnsupportedOperation.InstanceStateStopped"
    tenant.call("ResetInstancesPassword", InstanceIds=ids, Password="Other-horse-8")
    key = tenant.call("CreateKeyPair", KeyName="later", ProjectId=0)["KeyPair"]["KeyId"]
    tenant.call("AssociateInstancesKeyPairs", InstanceIds=ids, KeyIds=[key])
    assert tenant.instance(ids[0])["LoginSettings"]["KeyIds"] == [key]
    tenant.call("DisassociateInstancesKeyPairs", InstanceIds=ids, KeyIds=[key])
    tenant.call("DeleteKeyPairs", KeyIds=[key])
    tenant.call("StartInstances", InstanceIds=ids)
    tenant.wait(ids, "RUNNING")
    tenant.call("RebootInstances", InstanceIds=ids, StopType="HARD")
    tenant.wait(ids, "RUNNING")
    tenant.call("TerminateInstances", InstanceIds=ids)
    tenant.wait(ids, None)


def test_groups_and_their_policies_come_and_go(tenant):
    group = tenant.call("CreateSecurityGroup", GroupName="web", GroupDescription="Web servers")["SecurityGroup"]["SecurityGroupId"]

    def policies(way, *said):
        named = [dict(zip(("Protocol", "Port", "CidrBlock", "Action"), one)) for one in said]
        return {"SecurityGroupId": group, "SecurityGroupPolicySet": {way: named}}

    tenant.call("CreateSecurityGroupPolicies", **policies("Ingress", ("TCP", "22", "0.0.0.0/0", "ACCEPT"), ("TCP", "1-1024", "0.0.0.0/0", "DROP")))
    tenant.call("CreateSecurityGroupPolicies", **policies("Egress", ("ALL", "all", "0.0.0.0/0", "ACCEPT")))
    shown = tenant.call("DescribeSecurityGroupPolicies", SecurityGroupId=group)["SecurityGroupPolicySet"]
    assert [(one["Port"], one["Action"]) for one in shown["Ingress"]] == [("22", "ACCEPT"), ("1-1024", "DROP")]
    ids = tenant.run(SecurityGroupIds=[group])
    assert tenant.refused("DeleteSecurityGroup", SecurityGroupId=group) == "ResourceInUse"
    default = next(one for one in tenant.call("DescribeSecurityGroups", Limit="100")["SecurityGroupSet"] if one["IsDefault"])["SecurityGroupId"]
    tenant.call("AssociateSecurityGroups", InstanceIds=ids, SecurityGroupIds=[default])
    tenant.call("DisassociateSecurityGroups", InstanceIds=ids, SecurityGroupIds=[group])
    assert tenant.instance(ids[0])["SecurityGroupIds"] == [default]
    tenant.call("DeleteSecurityGroupPolicies", **policies("Ingress", ("TCP", "22", "0.0.0.0/0", "ACCEPT")))
    tenant.call("DeleteSecurityGroup", SecurityGroupId=group)
    tenant.call("TerminateInstances", InstanceIds=ids)


def test_networks_and_tags(tenant):
    (net,) = tenant.call("DescribeVpcs", Filters=[{"Name": "is-default", "Values": ["true"]}])["VpcSet"]
    subnets = tenant.call("DescribeSubnets", Filters=[{"Name": "vpc-id", "Values": [net["VpcId"]]}])["SubnetSet"]
    assert sorted(one["Zone"] for one in subnets) == ["local-1a", "local-1b"]
    subnet = next(one for one in subnets if one["Zone"] == "local-1b")
    place = {"VpcId": net["VpcId"], "SubnetId": subnet["SubnetId"]}
    (id,) = tenant.run(Placement={"Zone": "local-1b"}, VirtualPrivateCloud=place)
    assert tenant.instance(id)["VirtualPrivateCloud"]["SubnetId"] == subnet["SubnetId"]
    assert tenant.call("DescribeAddresses")["TotalCount"] == 0
    resource = f"qcs::cvm:{tenant.cloud.region}:uin/{tenant.account}:instance/{id}"
    tenant.call("TagResources", ResourceList=[resource], Tags=[{"TagKey": "a", "TagValue": "1"}])
    assert tenant.instance(id)["Tags"] == [{"Key": "a", "Value": "1"}]
    where = {"ServiceType": "cvm", "ResourcePrefix": "instance", "ResourceRegion": tenant.cloud.region}
    listed = tenant.call("DescribeResourceTagsByResourceIds", ResourceIds=[id], **where)["Tags"]
    assert [(one["ResourceId"], one["TagKey"], one["TagValue"]) for one in listed] == [(id, "a", "1")]
    tenant.call("UnTagResources", ResourceList=[resource], TagKeys=["a"])
    assert tenant.instance(id)["Tags"] == []
    tenant.call("TerminateInstances", InstanceIds=[id])


def test_networks_addresses_and_disks_of_ones_own(tenant, until):
    vpc = tenant.call("CreateVpc", VpcName="own", CidrBlock="10.1.0.0/16")["Vpc"]["VpcId"]
    subnet = tenant.call("CreateSubnet", VpcId=vpc, SubnetName="a", CidrBlock="10.1.1.0/24", Zone="local-1a")["Subnet"]["SubnetId"]
    tenant.call("ModifyVpcAttribute", VpcId=vpc, VpcName="mine")
    tenant.call("ModifySubnetAttribute", SubnetId=subnet, SubnetName="one")
    (id,) = tenant.run(VirtualPrivateCloud={"VpcId": vpc, "SubnetId": subnet})
    tenant.wait([id], "RUNNING")
    assert tenant.instance(id)["PrivateIpAddresses"][0].startswith("10.1.1.")

    (address,) = tenant.call("AllocateAddresses", AddressName="web")["AddressSet"]
    tenant.call("AssociateAddress", AddressId=address, InstanceId=id)
    (shown,) = tenant.call("DescribeAddresses", AddressIds=[address])["AddressSet"]
    assert (shown["InstanceId"], shown["AddressStatus"]) == (id, "BIND")
    assert tenant.instance(id)["PublicIpAddresses"] == [shown["AddressIp"]]
    tenant.call("ModifyAddressesBandwidth", AddressIds=[address], InternetMaxBandwidthOut=8)
    tenant.call("ModifyAddressAttribute", AddressId=address, AddressName="front")
    (shown,) = tenant.call("DescribeAddresses", AddressIds=[address])["AddressSet"]
    assert (shown["Bandwidth"], shown["AddressName"]) == (8, "front")
    tenant.call("DisassociateAddress", AddressId=address)
    tenant.call("ReleaseAddresses", AddressIds=[address])

    def disk():
        return tenant.call("DescribeDisks", DiskIds=[made])["DiskSet"][0]

    (made,) = tenant.call("CreateDisks", Placement={"Zone": "local-1a"}, DiskType="CLOUD_HSSD", DiskSize=10)["DiskIdSet"]
    until(lambda: disk()["DiskState"] == "UNATTACHED", 30, "the disk")
    tenant.call("AttachDisks", InstanceId=id, DiskIds=[made])
    until(lambda: disk()["DiskState"] == "ATTACHED", 30, "the attachment")
    assert tenant.refused("TerminateDisks", DiskIds=[made]) == "InvalidDisk.Busy"
    tenant.call("ResizeDisk", DiskId=made, DiskSize=20)
    tenant.call("ModifyDiskAttributes", DiskIds=[made], DiskName="data")
    assert (disk()["DiskSize"], disk()["DiskName"]) == (20, "data")
    tenant.call("DetachDisks", DiskIds=[made], InstanceId=id)
    until(lambda: disk()["DiskState"] == "UNATTACHED", 30, "the detachment")
    tenant.call("TerminateDisks", DiskIds=[made])

    tenant.call("TerminateInstances", InstanceIds=[id])
    tenant.wait([id], None)
    until(lambda: not tenant.call("DescribeNetworkInterfaces", Filters=[{"Name": "vpc-id", "Values": [vpc]}])["TotalCount"], 30, "the end")
    tenant.call("DeleteSubnet", SubnetId=subnet)
    tenant.call("DeleteVpc", VpcId=vpc)


def test_routes_and_subnets_as_terraform_asks_for_them(tenant):
    """What the vendor's provider sends and reads back: each field is what was written."""
    vpc = tenant.call("CreateVpc", VpcName="plan", CidrBlock="10.2.0.0/16")["Vpc"]["VpcId"]
    inputs = [{"SubnetName": name, "CidrBlock": f"10.2.{at}.0/24", "Zone": "local-1a"} for at, name in enumerate(("a", "b"))]
    made = tenant.call("CreateSubnets", VpcId=vpc, Subnets=inputs, Tags=[{"Key": "k", "Value": "v"}])["SubnetSet"]
    assert [one["SubnetName"] for one in made] == ["a", "b"] and all(one["TagSet"] == [{"Key": "k", "Value": "v"}] for one in made)
    (main,) = tenant.call("DescribeRouteTables", Filters=[{"Name": "vpc-id", "Values": [vpc]}])["RouteTableSet"]
    assert {one["RouteTableId"] for one in made} == {main["RouteTableId"]}
    table = tenant.call("CreateRouteTable", VpcId=vpc, RouteTableName="own")["RouteTable"]["RouteTableId"]
    tenant.call("ModifyRouteTableAttribute", RouteTableId=table, RouteTableName="mine")
    tenant.call("ReplaceRouteTableAssociation", RouteTableId=table, SubnetId=made[0]["SubnetId"])
    (shown,) = tenant.call("DescribeSubnets", SubnetIds=[made[0]["SubnetId"]])["SubnetSet"]
    assert shown["RouteTableId"] == table
    data = base64.b64encode(b"#!/bin/sh").decode()
    (id,) = tenant.run(VirtualPrivateCloud={"VpcId": vpc, "SubnetId": made[0]["SubnetId"]}, UserData=data)
    tenant.wait([id], "RUNNING")
    (told,) = tenant.call("DescribeInstancesAttributes", InstanceIds=[id], Attributes=["UserData"])["InstanceSet"]
    assert told == {"InstanceId": id, "Attributes": {"UserData": data}}
    (seen,) = tenant.call("DescribeVpcInstances", Filters=[{"Name": "vpc-id", "Values": [vpc]}])["InstanceSet"]
    assert (seen["InstanceId"], seen["InstanceState"], seen["InstanceEniCount"]) == (id, "RUNNING", 1)
    hop = {"GatewayType": "NORMAL_CVM", "GatewayId": tenant.instance(id)["PrivateIpAddresses"][0]}
    route = {"DestinationCidrBlock": "192.0.2.0/24", "RouteDescription": "lab", "Enabled": True} | hop

    def entry():
        (found,) = tenant.call("DescribeRouteTables", RouteTableIds=[table])["RouteTableSet"][0]["RouteSet"]
        return found

    tenant.call("CreateRoutes", RouteTableId=table, Routes=[route])
    number = entry()["RouteId"]
    assert {name: entry()[name] for name in route} == route
    tenant.call("DisableRoutes", RouteTableId=table, RouteIds=[number])
    assert entry()["Enabled"] is False
    tenant.call("EnableRoutes", RouteTableId=table, RouteIds=[number])
    changed = tenant.call("ReplaceRoutes", RouteTableId=table, Routes=[route | {"RouteId": number, "RouteDescription": "office"}])
    assert [changed[of][0]["RouteDescription"] for of in ("OldRouteSet", "NewRouteSet")] == ["lab", "office"]
    assert (entry()["RouteDescription"], entry()["RouteId"], entry()["Enabled"]) == ("office", number, True)
    tenant.call("DeleteRoutes", RouteTableId=table, Routes=[{"RouteId": number, "GatewayType": "", "GatewayId": ""}])
    resource = f"qcs::vpc:{tenant.cloud.region}:uin/:rtb/{table}"
    tenant.call("ModifyResourceTags", Resource=resource, ReplaceTags=[{"TagKey": "a", "TagValue": "1"}, {"TagKey": "b", "TagValue": "2"}])
    tenant.call("ModifyResourceTags", Resource=resource, DeleteTags=[{"TagKey": "a"}])
    tenant.call("AddResourceTag", Resource=resource, TagKey="c", TagValue="3")
    tenant.call("UpdateResourceTagValue", Resource=resource, TagKey="b", TagValue="4")
    tenant.call("DeleteResourceTag", Resource=resource, TagKey="c")
    where = {"ServiceType": "vpc", "ResourcePrefix": "rtb", "ResourceRegion": tenant.cloud.region, "ResourceIds": [table]}
    assert [(one["TagKey"], one["TagValue"]) for one in tenant.call("DescribeResourceTagsByResourceIds", **where)["Tags"]] == [("b", "4")]
    assert tenant.call("CheckDefaultSubnet", Zone="local-1a")["Result"] is False
    default = tenant.call("CreateDefaultVpc", Zone="local-1b")["Vpc"]
    assert tenant.call("DescribeSubnets", SubnetIds=[default["SubnetId"]])["SubnetSet"][0]["Zone"] == "local-1b"
    assert tenant.call("CreateDefaultSecurityGroup")["SecurityGroup"]["IsDefault"]
    tenant.call("TerminateInstances", InstanceIds=[id])


def test_addresses_share_a_package_and_are_told_as_they_were_asked_for(tenant):
    package = tenant.call("CreateBandwidthPackage", BandwidthPackageName="front", ChargeType="TOP5_POSTPAID_BY_MONTH", InternetMaxBandwidth=20)["BandwidthPackageId"]
    asked = {"AddressType": "EIP", "InternetChargeType": "BANDWIDTH_PACKAGE", "BandwidthPackageId": package, "InternetMaxBandwidthOut": 5}
    made = tenant.call("AllocateAddresses", **asked)
    assert tenant.call("DescribeTaskResult", TaskId=int(made["TaskId"]))["Result"] == "SUCCESS"
    (inside,) = made["AddressSet"]
    (own,) = tenant.call("AllocateAddresses", InternetChargeType="BANDWIDTH_POSTPAID_BY_HOUR", InternetMaxBandwidthOut=3)["AddressSet"]

    def shown(address):
        (found,) = tenant.call("DescribeAddresses", AddressIds=[address])["AddressSet"]
        return {name: found[name] for name in ("InternetChargeType", "BandwidthPackageId", "Bandwidth")}

    assert shown(inside) == {"InternetChargeType": "BANDWIDTH_PACKAGE", "BandwidthPackageId": package, "Bandwidth": 5}
    assert shown(own) == {"InternetChargeType": "BANDWIDTH_POSTPAID_BY_HOUR", "BandwidthPackageId": "", "Bandwidth": 3}
    tenant.call("AddBandwidthPackageResources", BandwidthPackageId=package, ResourceIds=[own], ResourceType="Address", NetworkType="BGP")
    (listed,) = tenant.call("DescribeBandwidthPackages", Filters=[{"Name": "resource.resource-id", "Values": [own]}])["BandwidthPackageSet"]
    assert {one["ResourceId"] for one in listed["ResourceSet"]} == {inside, own}
    assert (listed["Bandwidth"], listed["ChargeType"], listed["Status"]) == (20, "TOP5_POSTPAID_BY_MONTH", "CREATED")
    assert tenant.call("DescribeBandwidthPackageResources", BandwidthPackageId=package)["TotalCount"] == 2
    tenant.call("ModifyBandwidthPackageBandwidth", BandwidthPackageId=package, InternetMaxBandwidth=-1)
    tenant.call("ModifyBandwidthPackageAttribute", BandwidthPackageId=package, BandwidthPackageName="back")
    assert tenant.call("DescribeBandwidthPackageQuota")["QuotaSet"][0]["QuotaCurrent"] == 1
    assert tenant.refused("DeleteBandwidthPackage", BandwidthPackageId=package) == "InvalidParameterValue.BandwidthPackageInUse"
    tenant.call("RemoveBandwidthPackageResources", BandwidthPackageId=package, ResourceIds=[inside, own])
    tenant.call("ModifyAddressInternetChargeType", AddressId=inside, InternetChargeType="TRAFFIC_POSTPAID_BY_HOUR", InternetMaxBandwidthOut=6)
    assert shown(inside) == {"InternetChargeType": "TRAFFIC_POSTPAID_BY_HOUR", "BandwidthPackageId": "", "Bandwidth": 6}
    types = tenant.call("DescribeInternetChargeTypeConfigs")["InternetChargeTypeConfigSet"]
    assert {one["InternetChargeType"] for one in types} >= {shown(own)["InternetChargeType"], "BANDWIDTH_PACKAGE"}
    assert shown(own)["InternetChargeType"] == "BANDWIDTH_POSTPAID_BY_HOUR"
    tenant.call("DeleteBandwidthPackage", BandwidthPackageId=package)
    tenant.call("ReleaseAddresses", AddressIds=[inside, own])


def test_a_snapshot_is_shared_with_another_account(simulated, tenant, until):
    other = Tenant(simulated, "borrower")
    new = {"Placement": {"Zone": "local-1a"}, "DiskType": "CLOUD_SSD", "DiskSize": 10}
    (disk,) = tenant.call("CreateDisks", **new)["DiskIdSet"]
    until(lambda: tenant.call("DescribeDisks", DiskIds=[disk])["DiskSet"][0]["DiskState"] == "UNATTACHED", 30, "the disk")
    snapshot = tenant.call("CreateSnapshot", DiskId=disk)["SnapshotId"]
    until(lambda: tenant.call("DescribeSnapshots", SnapshotIds=[snapshot])["SnapshotSet"][0]["SnapshotState"] == "NORMAL", 30, "the snapshot")
    assert other.refused("CreateDisks", SnapshotId=snapshot, **new) == "InvalidSnapshotId.NotFound"
    share = {"SnapshotIds": [snapshot], "AccountIds": [str(other.account)]}
    tenant.call("ModifySnapshotsSharePermission", Permission="SHARE", **share)
    (told,) = tenant.call("DescribeSnapshotSharePermission", SnapshotId=snapshot)["SharePermissionSet"]
    assert told["AccountId"] == str(other.account)
    (seen,) = other.call("DescribeSnapshots", Filters=[{"Name": "snapshot-type", "Values": ["SHARED_SNAPSHOT"]}])["SnapshotSet"]
    assert (seen["SnapshotId"], seen["SnapshotType"]) == (snapshot, "SHARED_SNAPSHOT")
    (made,) = other.call("CreateDisks", SnapshotId=snapshot, **new)["DiskIdSet"]
    tenant.call("ModifySnapshotsSharePermission", Permission="CANCEL", **share)
    assert other.refused("CreateDisks", SnapshotId=snapshot, **new) == "InvalidSnapshotId.NotFound"
    until(lambda: other.call("DescribeDisks", DiskIds=[made])["DiskSet"][0]["DiskState"] == "UNATTACHED", 30, "the disk of the other account")


def test_the_cli_launches_looks_and_ends(tenant):
    place = json.dumps({"Zone": "local-1a"})
    done = tenant.tccli("cvm", "RunInstances", "--Placement", place, "--ImageId", tenant.image(), "--InstanceType", TYPE, "--InstanceName", "by-cli")
    assert done.returncode == 0, done.stdout + done.stderr
    ids = json.loads(done.stdout)["InstanceIdSet"]
    tenant.wait(ids, "RUNNING")
    listed = tenant.tccli("cvm", "DescribeInstances", "--InstanceIds", json.dumps(ids), "--filter", "InstanceSet[0].InstanceName")
    assert json.loads(listed.stdout) == "by-cli"
    groups = tenant.tccli("vpc", "DescribeSecurityGroups")
    assert json.loads(groups.stdout)["TotalCount"] >= 1
    refused = tenant.tccli("cvm", "DescribeInstances", "--InstanceIds", json.dumps([ABSENT]))
    assert "InvalidInstanceId.NotFound" in refused.stdout + refused.stderr and refused.returncode != 0
    assert tenant.tccli("cvm", "TerminateInstances", "--InstanceIds", json.dumps(ids)).returncode == 0


def test_what_is_not_served_says_so(tenant):
    usual = {"Placement": {"Zone": "local-1a"}, "ImageId": tenant.image(), "InstanceType": TYPE}
    assert tenant.refused("InquiryPriceRunInstances", **usual) == "UnsupportedOperation"
    assert tenant.refused("ModifyInstancesProject", InstanceIds=[ABSENT], ProjectId=7) == "UnsupportedOperation"


def test_one_instance_through_two_dialects(tenant):
    ec2 = tenant.cloud.client("ec2", key=tenant.key, secret=tenant.secret)
    (id,) = tenant.run(InstanceName="from-cvm", TagSpecification=[{"ResourceType": "instance", "Tags": [{"Key": "made", "Value": "by CVM"}]}])
    tenant.wait([id], "RUNNING")
    theirs = "i-" + id.removeprefix("ins-")
    seen = ec2.describe_instances(InstanceIds=[theirs])["Reservations"][0]["Instances"][0]
    assert (seen["Tags"], seen["InstanceType"]) == ([{"Key": "made", "Value": "by CVM"}], "t2.nano")
    assert seen["PrivateIpAddress"] == tenant.instance(id)["PrivateIpAddresses"][0]
    ec2.stop_instances(InstanceIds=[theirs])
    tenant.wait([id], "STOPPED")
    tenant.call("ModifyInstancesAttribute", InstanceIds=[id], DisableApiTermination=True)
    assert ec2.describe_instance_attribute(InstanceId=theirs, Attribute="disableApiTermination")["DisableApiTermination"]["Value"] is True
    tenant.call("ModifyInstancesAttribute", InstanceIds=[id], DisableApiTermination=False)
    ec2.terminate_instances(InstanceIds=[theirs])
    tenant.wait([id], None)


def test_anothers_instance_looks_like_none(simulated, tenant):
    (id,) = tenant.run()
    stranger = Tenant(simulated, f"stranger-{uuid.uuid4().hex[:8]}")
    assert stranger.refused("StopInstances", InstanceIds=[id]) == "InvalidInstanceId.NotFound"
    assert stranger.call("DescribeInstances")["TotalCount"] == 0
    tenant.call("TerminateInstances", InstanceIds=[id])


def test_a_real_guest_lets_in_stops_starts_and_goes(cloud, shell, until, tmp_path):
    """From a launch by the SDK to an SSH login and away, with what EC2 says of it."""
    tenant = Tenant(cloud, "", cloud.access_key, cloud.secret_key)
    keys, paths = [], []
    for name in ("cvm_life", "cvm_other", "cvm_later"):
        keys.append(tenant.call("CreateKeyPair", KeyName=name, ProjectId=0)["KeyPair"])
        paths.append(tmp_path / f"{name}.pem")
        paths[-1].write_text(keys[-1]["PrivateKey"])
        paths[-1].chmod(0o600)
    path = paths[0]
    key_ids = [key["KeyId"] for key in keys]
    group = tenant.call("CreateSecurityGroup", GroupName="cvm-ssh", GroupDescription="SSH")["SecurityGroup"]["SecurityGroupId"]
    ids = []
    try:
        for way, protocol, port in (("Ingress", "TCP", "22"), ("Egress", "ALL", "all")):
            said = {"Protocol": protocol, "Port": port, "CidrBlock": "0.0.0.0/0", "Action": "ACCEPT"}
            tenant.call("CreateSecurityGroupPolicies", SecurityGroupId=group, SecurityGroupPolicySet={way: [said]})
        script = "#!/bin/sh\necho from-user-data > /root/trace\n"
        ids = tenant.run(
            LoginSettings={"KeyIds": key_ids[:2]},
            SecurityGroupIds=[group],
            InternetAccessible={"InternetMaxBandwidthOut": 10},
            HostName="cvm-guest",
            UserData=base64.b64encode(script.encode()).decode(),
        )
        tenant.wait(ids, "RUNNING")
        shown = tenant.instance(ids[0])
        address = shown["PublicIpAddresses"][0]
        assert [shell(address, each, "hostname").stdout.split() for each in paths[:2]] == [["cvm-guest"]] * 2
        tenant.call("ResetInstancesInternetMaxBandwidth", InstanceIds=ids, InternetAccessible={"InternetMaxBandwidthOut": 20})
        assert tenant.instance(ids[0])["InternetAccessible"]["InternetMaxBandwidthOut"] == 20
        # The guest lets in before it has run what it was given.
        trace = until(lambda: shell(address, path, "cat /root/trace").stdout.split(), 60, "the user data's trace")
        assert trace == ["from-user-data"]
        told = shell(address, path, "wget -q -O - http://metadata.tencentyun.com/latest/meta-data/instance-id")
        assert (told.stdout, told.stderr) == (ids[0], "")
        seen = cloud.client().describe_instances(InstanceIds=["i-" + ids[0].removeprefix("ins-")])["Reservations"][0]["Instances"][0]
        assert (seen["State"]["Name"], seen["PublicIpAddress"]) == ("running", shown["PublicIpAddresses"][0])
        tenant.call("StopInstances", InstanceIds=ids, StopType="SOFT")
        tenant.wait(ids, "STOPPED", within=90)
        tenant.call("StartInstances", InstanceIds=ids)
        tenant.wait(ids, "RUNNING")
        again = tenant.instance(ids[0])["PublicIpAddresses"][0]
        assert shell(again, path, "cat /root/trace").stdout.split() == ["from-user-data"], "the disk stays over a stop"
        tenant.call("AssociateInstancesKeyPairs", InstanceIds=ids, KeyIds=key_ids[2:], ForceStop=True)
        tenant.call("DisassociateInstancesKeyPairs", InstanceIds=ids, KeyIds=key_ids[:1], ForceStop=True)
        assert tenant.instance(ids[0])["LoginSettings"]["KeyIds"] == key_ids[1:]
        assert [shell(again, each, "hostname").stdout.split() for each in (paths[2], paths[1])] == [["cvm-guest"]] * 2
        options = ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "ConnectTimeout=5", "-o", "BatchMode=yes"]
        tried = subprocess.run(["ssh", "-i", path, *options, f"root@{again}", "true"], capture_output=True, text=True, timeout=60)
        assert "Permission denied" in tried.stderr, "the key that was taken"
    finally:
        if ids:
            tenant.call("TerminateInstances", InstanceIds=ids)
            tenant.wait(ids, None)
        tenant.call("DeleteSecurityGroup", SecurityGroupId=group)
        tenant.call("DeleteKeyPairs", KeyIds=key_ids)


def test_a_real_guest_moves_to_another_vpc(cloud, shell, until, tmp_path):
    """Stopped, moved and started again, it is itself: its disk, its host keys, its public address; only its private address is another."""
    tenant = Tenant(cloud, "", cloud.access_key, cloud.secret_key)
    key = tenant.call("CreateKeyPair", KeyName="cvm_move", ProjectId=0)["KeyPair"]
    path = tmp_path / "key.pem"
    path.write_text(key["PrivateKey"])
    path.chmod(0o600)
    group = tenant.call("CreateSecurityGroup", GroupName="cvm-move", GroupDescription="SSH")["SecurityGroup"]["SecurityGroupId"]
    (address,) = tenant.call("AllocateAddresses", InternetMaxBandwidthOut=50)["AddressSet"]
    places, ids = [], []
    try:
        for way, protocol, port in (("Ingress", "TCP", "22"), ("Egress", "ALL", "all")):
            said = {"Protocol": protocol, "Port": port, "CidrBlock": "0.0.0.0/0", "Action": "ACCEPT"}
            tenant.call("CreateSecurityGroupPolicies", SecurityGroupId=group, SecurityGroupPolicySet={way: [said]})
        for at in (21, 22):
            vpc = tenant.call("CreateVpc", VpcName=f"move-{at}", CidrBlock=f"10.{at}.0.0/16")["Vpc"]["VpcId"]
            new = tenant.call("CreateSubnet", VpcId=vpc, SubnetName="a", CidrBlock=f"10.{at}.1.0/24", Zone="local-1a")["Subnet"]
            places.append({"VpcId": vpc, "SubnetId": new["SubnetId"]})
        ids = tenant.run(LoginSettings={"KeyIds": [key["KeyId"]]}, SecurityGroupIds=[group], VirtualPrivateCloud=places[0])
        tenant.wait(ids, "RUNNING")
        tenant.call("AssociateAddress", AddressId=address, InstanceId=ids[0])
        ip = tenant.call("DescribeAddresses", AddressIds=[address])["AddressSet"][0]["AddressIp"]
        assert shell(ip, path, "echo kept > /root/kept; sync; ip -4 addr show").stdout.count("10.21.1.") == 1
        assert tenant.refused("ModifyInstancesVpcAttribute", InstanceIds=ids, VirtualPrivateCloud=places[1]) == "UnsupportedOperation.InstanceStateRunning"
        tenant.call("StopInstances", InstanceIds=ids, StopType="SOFT_FIRST")
        tenant.wait(ids, "STOPPED", within=90)
        tenant.call("ModifyInstancesVpcAttribute", InstanceIds=ids, VirtualPrivateCloud=places[1] | {"PrivateIpAddresses": ["10.22.1.50"]})
        # The VPC that it left holds nothing of it any more.
        tenant.call("DeleteSubnet", SubnetId=places[0]["SubnetId"])
        tenant.call("DeleteVpc", VpcId=places[0]["VpcId"])
        places = places[1:]
        tenant.call("StartInstances", InstanceIds=ids)
        tenant.wait(ids, "RUNNING")
        assert tenant.call("DescribeAddresses", AddressIds=[address])["AddressSet"][0]["PrivateAddressIp"] == "10.22.1.50"
        told = shell(ip, path, "cat /root/kept; ip -4 addr show; wget -q -O - http://metadata.tencentyun.com/latest/meta-data/local-ipv4").stdout
        assert told.startswith("kept") and "10.22.1.50/" in told and told.endswith("10.22.1.50") and "10.21." not in told
    finally:
        if ids:
            tenant.call("TerminateInstances", InstanceIds=ids)
            tenant.wait(ids, None)
        tenant.call("ReleaseAddresses", AddressIds=[address])
        until(lambda: tenant.call("DescribeSecurityGroupAssociationStatistics", SecurityGroupIds=[group])["SecurityGroupAssociationStatisticsSet"][0]["TotalCount"] == 0, 30, "the group")
        for place in places:
            tenant.call("DeleteSubnet", SubnetId=place["SubnetId"])
            tenant.call("DeleteVpc", VpcId=place["VpcId"])
        tenant.call("DeleteSecurityGroup", SecurityGroupId=group)
        tenant.call("DeleteKeyPairs", KeyIds=[key["KeyId"]])


def test_a_policy_for_snapshots_is_bound_shown_and_deleted(tenant, until):
    (disk,) = tenant.call("CreateDisks", Placement={"Zone": "local-1a"}, DiskType="CLOUD_SSD", DiskSize=10, DiskChargeType="POSTPAID_BY_HOUR")["DiskIdSet"]
    hours = [{"Hour": [3], "DayOfWeek": [0, 6]}]
    policy = tenant.call("CreateAutoSnapshotPolicy", Policy=hours, AutoSnapshotPolicyName="weekend", RetentionDays=5)["AutoSnapshotPolicyId"]
    ends = dict(AutoSnapshotPolicyId=policy, DiskIds=[disk])
    tenant.call("BindAutoSnapshotPolicy", **ends)
    (shown,) = tenant.call("DescribeDiskAssociatedAutoSnapshotPolicy", DiskId=disk)["AutoSnapshotPolicySet"]
    assert [{"Hour": [3], "DayOfWeek": [0, 6]}] == [{name: hours[name] for name in ("Hour", "DayOfWeek")} for hours in shown["Policy"]]
    assert (shown["DiskIdSet"], shown["RetentionDays"], shown["NextTriggerTime"][11:]) == ([disk], 5, "03:00:00")
    tenant.call("ModifyAutoSnapshotPolicyAttribute", AutoSnapshotPolicyId=policy, IsActivated=False)
    assert not tenant.call("DescribeAutoSnapshotPolicies", AutoSnapshotPolicyIds=[policy])["AutoSnapshotPolicySet"][0]["IsActivated"]
    tenant.call("UnbindAutoSnapshotPolicy", **ends)
    tenant.call("DeleteAutoSnapshotPolicies", AutoSnapshotPolicyIds=[policy])
    assert tenant.call("DescribeAutoSnapshotPolicies")["TotalCount"] == 0
    until(lambda: tenant.call("DescribeDisks", DiskIds=[disk])["DiskSet"][0]["DiskState"] == "UNATTACHED", 30, "the disk")
    tenant.call("TerminateDisks", DiskIds=[disk])


def test_a_timer_stands_until_it_is_deleted(tenant):
    (id,) = tenant.run()
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3600))
    timer = {"TimerAction": "TerminateInstances", "ActionTime": at}
    (made,) = tenant.call("ImportInstancesActionTimer", InstanceIds=[id], ActionTimer=timer)["ActionTimerIds"]
    assert tenant.refused("ImportInstancesActionTimer", InstanceIds=[id], ActionTimer=timer) == "FailedOperation.MutActionTimerExist"
    (shown,) = tenant.call("DescribeInstancesActionTimer", InstanceIds=[id], StatusList=["UNDO"])["ActionTimers"]
    assert (shown["ActionTimerId"], shown["ActionTime"], shown["InstanceId"]) == (made, at, id)
    tenant.call("DeleteInstancesActionTimer", ActionTimerIds=[made])
    assert tenant.call("DescribeInstancesActionTimer", InstanceIds=[id])["ActionTimers"] == []
    tenant.call("TerminateInstances", InstanceIds=[id])


def test_key_pairs_disks_limits_and_tags_are_changed_and_told(tenant):
    key = tenant.call("CreateKeyPair", KeyName="before", ProjectId=0)["KeyPair"]["KeyId"]
    (id,) = tenant.run(LoginSettings={"KeyIds": [key]}, TagSpecification=[{"ResourceType": "instance", "Tags": [{"Key": "looked", "Value": "at"}]}])
    tenant.call("ModifyKeyPairAttribute", KeyId=key, KeyName="after", Description="of the team")
    (shown,) = tenant.call("DescribeKeyPairs", KeyIds=[key])["KeyPairSet"]
    assert (shown["KeyName"], shown["Description"], shown["AssociatedInstanceIds"]) == ("after", "of the team", [id])
    tenant.wait([id], "RUNNING")
    grown = tenant.instance(id)["SystemDisk"]["DiskSize"] + 10
    tenant.call("ResizeInstanceDisks", InstanceId=id, SystemDisk={"DiskSize": grown}, ResizeOnline=True)
    assert tenant.instance(id)["SystemDisk"]["DiskSize"] == grown
    (limit,) = tenant.call("DescribeInstancesOperationLimit", InstanceIds=[id], Operation="INSTANCE_DEGRADE")["InstanceOperationLimitSet"]
    assert (limit["InstanceId"], limit["LimitCount"]) == (id, -1)
    asked = {"InquiryType": "INQUIRY_CBS_CONFIG", "DiskTypes": ["CLOUD_SSD"], "DiskUsage": "DATA_DISK", "Zones": ["local-1a"]}
    (config,) = tenant.call("DescribeDiskConfigQuota", **asked)["DiskConfigSet"]
    assert config["Available"] and config["MinDiskSize"] < config["MaxDiskSize"]
    found = tenant.call("GetResources", TagFilters=[{"TagKey": "looked", "TagValue": ["at"]}])["ResourceTagMappingList"]
    assert f"qcs::cvm:{tenant.cloud.region}:uin/{tenant.account}:instance/{id}" in [one["Resource"] for one in found]
    assert "looked" in tenant.call("GetTagKeys")["TagKeys"]
    assert [one["TagValue"] for one in tenant.call("GetTagValues", TagKeys=["looked"])["Tags"]] == ["at"]
    tenant.call("TerminateInstances", InstanceIds=[id])
