"""The EC2 dialect with the vendor's own SDK and command line, on simulated hosts.

Every successful reply is checked against the SDK's models as well: see strict_ec2. What needs a real guest is in test_life.
"""

import base64
import concurrent.futures
import datetime
import hashlib
import hmac
import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
import uuid

import botocore.auth
import botocore.awsrequest
import botocore.credentials
import botocore.exceptions
import pytest

import strict_ec2

TYPE = "t2.nano"
ABSENT = "i-00000000000000001"
SOON = {"Delay": 1, "MaxAttempts": 60}


class Tenant:
    """An account of its own, and strict clients for it."""

    def __init__(self, cloud, name):
        self.cloud, self.name = cloud, name
        self.key, self.secret, self.account = cloud.account(name)
        self.problems = []
        self.ec2 = self.client("ec2")

    def client(self, service):
        client = self.cloud.client(service, key=self.key, secret=self.secret)
        strict_ec2.watch(client, self.problems)
        return client

    def launch(self, count=1, **more):
        """Launches small instances; the ids."""
        made = self.ec2.run_instances(**{"ImageId": self.cloud.image(), "InstanceType": TYPE, "MinCount": count, "MaxCount": count, **more})
        return [instance["InstanceId"] for instance in made["Instances"]]

    def running(self, count=1, **more):
        """The same, and waits until they run."""
        ids = self.launch(count, **more)
        self.ec2.get_waiter("instance_running").wait(InstanceIds=ids, WaiterConfig=SOON)
        return ids

    def instance(self, id):
        return self.ec2.describe_instances(InstanceIds=[id])["Reservations"][0]["Instances"][0]

    def filtered(self, **filters):
        """Ids of instances by filters; underscores stand for hyphens."""
        asked = [{"Name": name.replace("_", "-"), "Values": values} for name, values in filters.items()]
        pages = self.ec2.get_paginator("describe_instances").paginate(Filters=asked)
        return {i["InstanceId"] for page in pages for r in page["Reservations"] for i in r["Instances"]}


@pytest.fixture(scope="module")
def tenant(simulated):
    tenant = Tenant(simulated, f"ec2-{uuid.uuid4().hex[:8]}")
    yield tenant
    left = tenant.filtered(**{"instance-state-name": ["pending", "running", "stopping", "stopped"]})
    if left:
        tenant.ec2.terminate_instances(InstanceIds=sorted(left))


@pytest.fixture(autouse=True)
def strictly(tenant):
    """Fails a test in which a reply did not fit the vendor's models."""
    tenant.problems.clear()
    yield
    assert tenant.problems == []


@pytest.fixture
def ec2(tenant):
    return tenant.ec2


def code_of(call, *arguments, **named):
    """The code and HTTP status with which a call is refused."""
    with pytest.raises(botocore.exceptions.ClientError) as refused:
        call(*arguments, **named)
    response = refused.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]


# Lists


def test_the_region_and_its_zones_are_listed(tenant, ec2):
    assert [r["RegionName"] for r in ec2.describe_regions()["Regions"]] == [tenant.cloud.region]
    zones = ec2.describe_availability_zones()["AvailabilityZones"]
    assert [(z["ZoneName"], z["State"]) for z in zones] == [("local-1a", "available"), ("local-1b", "available")]
    by_id = ec2.describe_availability_zones(ZoneIds=[zones[1]["ZoneId"]])["AvailabilityZones"]
    assert [z["ZoneName"] for z in by_id] == ["local-1b"]


def test_the_account_says_what_it_has(ec2):
    attributes = {a["AttributeName"]: a["AttributeValues"][0]["AttributeValue"] for a in ec2.describe_account_attributes()["AccountAttributes"]}
    assert attributes["supported-platforms"] == "VPC"
    assert attributes["default-vpc"] == ec2.describe_vpcs()["Vpcs"][0]["VpcId"]


def test_a_hundred_types_come_in_pages(ec2):
    pages = list(ec2.get_paginator("describe_instance_types").paginate(PaginationConfig={"PageSize": 20}))
    names = [t["InstanceType"] for page in pages for t in page["InstanceTypes"]]
    assert len(names) >= 100 and len(names) == len(set(names)) and len(pages) > 4
    small = [{"Name": "memory-info.size-in-mib", "Values": ["512"]}, {"Name": "instance-type", "Values": ["t3.*"]}]
    assert [t["InstanceType"] for t in ec2.describe_instance_types(Filters=small)["InstanceTypes"]] == ["t3.nano"]
    nano = ec2.describe_instance_types(InstanceTypes=["t3.nano"])["InstanceTypes"][0]
    assert (nano["VCpuInfo"]["DefaultVCpus"], nano["MemoryInfo"]["SizeInMiB"]) == (2, 512)


def test_types_are_offered_in_each_zone(ec2):
    asked = [{"Name": "instance-type", "Values": [TYPE]}]
    offered = ec2.describe_instance_type_offerings(LocationType="availability-zone", Filters=asked)["InstanceTypeOfferings"]
    assert {(o["InstanceType"], o["Location"]) for o in offered} == {(TYPE, "local-1a"), (TYPE, "local-1b")}


def test_images_are_found_by_name_and_owner(tenant, ec2):
    image = ec2.describe_images(Filters=[{"Name": "name", "Values": ["pileus-*"]}])["Images"][0]
    assert image["Name"] == "pileus-linux" and image["State"] == "available" and image["Public"]
    assert image["ImageId"] in {i["ImageId"] for i in ec2.describe_images(Owners=["amazon"])["Images"]}
    assert image["ImageId"] in {i["ImageId"] for i in ec2.describe_images(Owners=[image["OwnerId"]])["Images"]}
    assert ec2.describe_images(Owners=["self"])["Images"] == []


def test_the_default_network_is_there(ec2):
    vpc = ec2.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"][0]
    of_vpc = [{"Name": "vpc-id", "Values": [vpc["VpcId"]]}]
    subnets = ec2.describe_subnets(Filters=of_vpc)["Subnets"]
    assert {s["AvailabilityZone"] for s in subnets} == {"local-1a", "local-1b"}
    group = ec2.describe_security_groups(Filters=of_vpc)["SecurityGroups"][0]
    assert group["GroupName"] == "default"
    assert group["IpPermissions"][0]["UserIdGroupPairs"][0]["GroupId"] == group["GroupId"]
    rules = ec2.describe_security_group_rules(Filters=[{"Name": "group-id", "Values": [group["GroupId"]]}])["SecurityGroupRules"]
    assert {r["IsEgress"] for r in rules} == {True, False}
    assert ec2.describe_vpc_attribute(VpcId=vpc["VpcId"], Attribute="enableDnsSupport")["EnableDnsSupport"]["Value"]
    assert ec2.describe_addresses()["Addresses"] == []


def test_rules_come_and_go(ec2):
    group = ec2.describe_security_groups(GroupNames=["default"])["SecurityGroups"][0]["GroupId"]
    permission = {"IpProtocol": "tcp", "FromPort": 80, "ToPort": 81, "IpRanges": [{"CidrIp": "192.0.2.0/24", "Description": "office"}]}
    added = ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[permission])["SecurityGroupRules"]
    shown = ec2.describe_security_group_rules(SecurityGroupRuleIds=[added[0]["SecurityGroupRuleId"]])["SecurityGroupRules"][0]
    assert (shown["IpProtocol"], shown["FromPort"], shown["ToPort"], shown["CidrIpv4"]) == ("tcp", 80, 81, "192.0.2.0/24")
    again = code_of(ec2.authorize_security_group_ingress, GroupId=group, IpPermissions=[permission])
    assert again == ("InvalidPermission.Duplicate", 400)
    ec2.revoke_security_group_ingress(GroupId=group, SecurityGroupRuleIds=[added[0]["SecurityGroupRuleId"]])
    gone = code_of(ec2.revoke_security_group_ingress, GroupId=group, IpPermissions=[permission])
    assert gone == ("InvalidPermission.NotFound", 400)


def test_groups_come_and_go(tenant, ec2):
    vpc = ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
    tags = [{"ResourceType": "security-group", "Tags": [{"Key": "role", "Value": "web"}]}]
    web = ec2.create_security_group(GroupName="web", Description="Web servers", VpcId=vpc, TagSpecifications=tags)["GroupId"]
    shown = ec2.describe_security_groups(GroupIds=[web])["SecurityGroups"][0]
    assert (shown["GroupName"], shown["Description"], shown["VpcId"]) == ("web", "Web servers", vpc)
    assert shown["Tags"] == [{"Key": "role", "Value": "web"}]
    assert shown["IpPermissions"] == []
    assert [p["IpProtocol"] for p in shown["IpPermissionsEgress"]] == ["-1"]
    assert code_of(ec2.create_security_group, GroupName="web", Description="again") == ("InvalidGroup.Duplicate", 400)
    assert code_of(ec2.create_security_group, GroupName="sg-web", Description="like an id")[0] == "InvalidParameterValue"
    backend = ec2.create_security_group(GroupName="backend", Description="Only the web servers")["GroupId"]
    from_web = [{"IpProtocol": "tcp", "FromPort": 8080, "ToPort": 8080, "UserIdGroupPairs": [{"GroupId": web}]}]
    ec2.authorize_security_group_ingress(GroupId=backend, IpPermissions=from_web)
    (id,) = tenant.launch(SecurityGroupIds=[backend])
    assert code_of(ec2.delete_security_group, GroupId=web)[0] == "DependencyViolation"
    assert code_of(ec2.delete_security_group, GroupId=backend)[0] == "DependencyViolation"
    ec2.modify_instance_attribute(InstanceId=id, Groups=[web])
    assert [group["GroupId"] for group in tenant.instance(id)["SecurityGroups"]] == [web]
    ec2.delete_security_group(GroupId=backend)
    tenant.ec2.terminate_instances(InstanceIds=[id])
    ec2.get_waiter("instance_terminated").wait(InstanceIds=[id], WaiterConfig=SOON)
    ec2.delete_security_group(GroupName="web")
    assert code_of(ec2.delete_security_group, GroupId=web) == ("InvalidGroup.NotFound", 400)
    assert code_of(ec2.delete_security_group, GroupName="default")[0] == "CannotDelete"


def test_the_caller_learns_who_it_is(tenant):
    identity = tenant.client("sts").get_caller_identity()
    assert identity["Account"] == tenant.account
    assert identity["Arn"] == f"arn:aws:iam::{identity['Account']}:root"


# Key pairs


@pytest.mark.parametrize("kind, begins", [("rsa", "-----BEGIN RSA PRIVATE KEY-----"), ("ed25519", "-----BEGIN OPENSSH PRIVATE KEY-----")])
def test_a_made_key_fits_its_public_half(ec2, tmp_path, kind, begins):
    name = f"made-{kind}"
    made = ec2.create_key_pair(KeyName=name, KeyType=kind)
    assert made["KeyMaterial"].startswith(begins)
    private = tmp_path / "key.pem"
    private.write_text(made["KeyMaterial"])
    private.chmod(0o600)
    public = subprocess.run(["ssh-keygen", "-y", "-f", str(private)], capture_output=True, text=True, check=True).stdout.split()[:2]
    shown = ec2.describe_key_pairs(KeyNames=[name], IncludePublicKey=True)["KeyPairs"][0]
    assert shown["PublicKey"].split()[:2] == public
    assert (shown["KeyType"], shown["KeyFingerprint"], shown["KeyPairId"]) == (kind, made["KeyFingerprint"], made["KeyPairId"])
    ec2.delete_key_pair(KeyPairId=made["KeyPairId"])
    assert code_of(ec2.describe_key_pairs, KeyNames=[name]) == ("InvalidKeyPair.NotFound", 400)


@pytest.mark.parametrize("kind", ["rsa", "ed25519"])
def test_a_key_is_made_for_putty(ec2, kind):
    made = ec2.create_key_pair(KeyName=f"putty {kind}", KeyType=kind, KeyFormat="ppk")
    lines = made["KeyMaterial"].splitlines()
    assert lines[:3] == [f"PuTTY-User-Key-File-2: ssh-{kind}", "Encryption: none", f"Comment: putty {kind}"]
    count = int(lines[3].removeprefix("Public-Lines: "))
    public, rest = "".join(lines[4 : 4 + count]), lines[4 + count :]
    private, mac = "".join(rest[1:-1]), rest[-1]
    assert rest[0] == f"Private-Lines: {len(rest) - 2}"
    shown = ec2.describe_key_pairs(KeyNames=[f"putty {kind}"], IncludePublicKey=True)["KeyPairs"][0]
    assert shown["PublicKey"].split()[:2] == [f"ssh-{kind}", public]
    # PuTTY's manual, C.3: what the code covers, and its key of an empty passphrase.
    parts = [f"ssh-{kind}".encode(), b"none", f"putty {kind}".encode(), base64.b64decode(public), base64.b64decode(private)]
    covered = b"".join(len(part).to_bytes(4, "big") + part for part in parts)
    key = hashlib.sha1(b"putty-private-key-file-mac-key").digest()
    assert mac == "Private-MAC: " + hmac.new(key, covered, hashlib.sha1).hexdigest()
    ec2.delete_key_pair(KeyPairId=made["KeyPairId"])


def test_a_key_is_imported_with_tags(ec2, tmp_path):
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "own")], check=True)
    public = (tmp_path / "own.pub").read_bytes()
    tags = [{"ResourceType": "key-pair", "Tags": [{"Key": "whose", "Value": "mine"}]}]
    made = ec2.import_key_pair(KeyName="own", PublicKeyMaterial=public, TagSpecifications=tags)
    assert made["Tags"] == tags[0]["Tags"]
    by_tag = ec2.describe_key_pairs(Filters=[{"Name": "tag:whose", "Values": ["mine"]}])["KeyPairs"]
    assert [key["KeyName"] for key in by_tag] == ["own"]
    assert code_of(ec2.import_key_pair, KeyName="own", PublicKeyMaterial=public) == ("InvalidKeyPair.Duplicate", 400)
    ec2.delete_key_pair(KeyName="own")
    ec2.delete_key_pair(KeyName="own")


# Launching


def test_everything_asked_at_launch_is_shown(tenant, ec2):
    ec2.create_key_pair(KeyName="launch", KeyType="ed25519")
    subnet = ec2.describe_subnets(Filters=[{"Name": "availability-zone", "Values": ["local-1b"]}])["Subnets"][0]
    group = ec2.describe_security_groups(GroupNames=["default"])["SecurityGroups"][0]["GroupId"]
    kinds = ["instance", "volume", "network-interface"]
    id = tenant.running(
        KeyName="launch",
        UserData="#!/bin/sh\ntrue\n",
        NetworkInterfaces=[
            {"DeviceIndex": 0, "SubnetId": subnet["SubnetId"], "Groups": [group], "AssociatePublicIpAddress": False, "DeleteOnTermination": True}
        ],
        BlockDeviceMappings=[{"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 9, "VolumeType": "gp3", "DeleteOnTermination": True}}],
        TagSpecifications=[{"ResourceType": kind, "Tags": [{"Key": "kind", "Value": kind}]} for kind in kinds],
        Monitoring={"Enabled": True},
        MetadataOptions={"HttpTokens": "required", "HttpPutResponseHopLimit": 2},
        InstanceInitiatedShutdownBehavior="terminate",
    )[0]
    shown = tenant.instance(id)
    assert shown["KeyName"] == "launch" and shown["SubnetId"] == subnet["SubnetId"]
    assert shown["Placement"]["AvailabilityZone"] == "local-1b"
    assert "PublicIpAddress" not in shown
    assert shown["Monitoring"]["State"] == "enabled"
    assert (shown["MetadataOptions"]["HttpTokens"], shown["MetadataOptions"]["HttpPutResponseHopLimit"]) == ("required", 2)
    assert shown["Tags"] == [{"Key": "kind", "Value": "instance"}]
    volume = ec2.describe_volumes(VolumeIds=[shown["BlockDeviceMappings"][0]["Ebs"]["VolumeId"]])["Volumes"][0]
    assert (volume["Size"], volume["State"], volume["Tags"]) == (9, "in-use", [{"Key": "kind", "Value": "volume"}])
    assert volume["Attachments"][0]["InstanceId"] == id
    nic = ec2.describe_network_interfaces(Filters=[{"Name": "attachment.instance-id", "Values": [id]}])["NetworkInterfaces"][0]
    assert nic["PrivateIpAddress"] == shown["PrivateIpAddress"] and nic["TagSet"] == [{"Key": "kind", "Value": "network-interface"}]
    data = ec2.describe_instance_attribute(InstanceId=id, Attribute="userData")["UserData"]["Value"]
    assert base64.b64decode(data) == b"#!/bin/sh\ntrue\n"
    behavior = ec2.describe_instance_attribute(InstanceId=id, Attribute="instanceInitiatedShutdownBehavior")
    assert behavior["InstanceInitiatedShutdownBehavior"]["Value"] == "terminate"


def test_an_address_can_be_chosen_once(tenant, ec2):
    subnet = ec2.describe_subnets(Filters=[{"Name": "availability-zone", "Values": ["local-1a"]}])["Subnets"][0]
    chosen = subnet["CidrBlock"].split("/")[0].rsplit(".", 1)[0] + ".200"
    before = subnet["AvailableIpAddressCount"]
    id = tenant.launch(SubnetId=subnet["SubnetId"], PrivateIpAddress=chosen)[0]
    assert tenant.instance(id)["PrivateIpAddress"] == chosen
    taken = code_of(tenant.launch, SubnetId=subnet["SubnetId"], PrivateIpAddress=chosen)
    assert taken == ("InvalidIPAddress.InUse", 400)
    assert ec2.describe_subnets(SubnetIds=[subnet["SubnetId"]])["Subnets"][0]["AvailableIpAddressCount"] == before - 1


def test_a_hundred_instances_are_one_reservation(tenant, ec2):
    ids = tenant.launch(100)
    assert len(set(ids)) == 100
    reservations = ec2.describe_instances(InstanceIds=ids)["Reservations"]
    assert len(reservations) == 1
    assert [i["AmiLaunchIndex"] for i in reservations[0]["Instances"]] == list(range(100))
    ec2.terminate_instances(InstanceIds=ids)


def test_a_client_token_launches_once(tenant):
    token = uuid.uuid4().hex
    first = tenant.launch(ClientToken=token)
    assert tenant.launch(ClientToken=token) == first
    assert code_of(tenant.launch, 2, ClientToken=token) == ("IdempotentParameterMismatch", 400)


def test_a_dry_run_says_what_would_be_and_does_nothing(tenant, ec2):
    before = tenant.filtered()
    assert code_of(tenant.launch, DryRun=True) == ("DryRunOperation", 412)
    assert code_of(tenant.launch, DryRun=True, KeyName="nobody's") == ("InvalidKeyPair.NotFound", 400)
    id = tenant.launch()[0]
    assert code_of(ec2.terminate_instances, InstanceIds=[id], DryRun=True) == ("DryRunOperation", 412)
    assert tenant.filtered() == before | {id}


# Filters and pages


def test_filters_find_instances_by_tags_states_and_types(tenant, ec2):
    mark = uuid.uuid4().hex
    tag = lambda value: [{"ResourceType": "instance", "Tags": [{"Key": "mark", "Value": mark}, {"Key": "role", "Value": value}]}]
    web = set(tenant.running(2, TagSpecifications=tag("web")))
    db = set(tenant.running(1, TagSpecifications=tag("db"), InstanceType="t3.micro"))
    ec2.stop_instances(InstanceIds=list(db))
    ec2.get_waiter("instance_stopped").wait(InstanceIds=list(db), WaiterConfig=SOON)
    mine = {"tag:mark": [mark]}
    for filters, expected in [
        ({}, web | db),
        ({"tag:role": ["w*"]}, web),
        ({"tag:role": ["web", "db"]}, web | db),
        ({"instance-state-name": ["running"]}, web),
        ({"instance-state-name": ["stop*"]}, db),
        ({"instance-state-code": ["80"]}, db),
        ({"instance-type": ["t3.micro"]}, db),
        ({"instance-type": ["t2.*"], "instance-state-name": ["running"]}, web),
        ({"vpc-id": ["vpc-00000000000000001"]}, set()),
        ({"instance-id": sorted(web)[:1]}, set(sorted(web)[:1])),
        ({"root-device-type": ["instance-store"]}, set()),
    ]:
        assert tenant.filtered(**mine, **filters) == expected, filters


def test_a_type_is_shown_by_the_name_it_was_launched_with(tenant):
    """Tools that keep a state compare it with what they asked for; another name of the same machine would be a change to them."""
    (id,) = tenant.launch(InstanceType="m5.large")
    assert tenant.instance(id)["InstanceType"] == "m5.large"
    assert tenant.filtered(instance_type=["m5.*"]) == {id}
    assert id not in tenant.filtered(instance_type=["m6i.large"])
    tenant.ec2.terminate_instances(InstanceIds=[id])


def test_pages_hold_every_instance_once(tenant, ec2):
    mark = uuid.uuid4().hex
    ids = tenant.launch(23, TagSpecifications=[{"ResourceType": "instance", "Tags": [{"Key": "mark", "Value": mark}]}])
    paginator = ec2.get_paginator("describe_instances")
    pages = list(paginator.paginate(Filters=[{"Name": "tag:mark", "Values": [mark]}], PaginationConfig={"PageSize": 5}))
    seen = [i["InstanceId"] for page in pages for r in page["Reservations"] for i in r["Instances"]]
    assert seen == ids and len(pages) == 5
    token = pages[0]["NextToken"]
    assert code_of(ec2.describe_instances, NextToken=token) == ("InvalidNextToken", 400)
    both = code_of(ec2.describe_instances, InstanceIds=ids[:1], MaxResults=5)
    assert both == ("InvalidParameterCombination", 400)
    ec2.terminate_instances(InstanceIds=ids)


def test_tags_are_made_listed_and_deleted_over_all_nouns(tenant, ec2):
    id = tenant.running()[0]
    shown = tenant.instance(id)
    resources = [id, shown["VpcId"], shown["SubnetId"], shown["SecurityGroups"][0]["GroupId"], shown["BlockDeviceMappings"][0]["Ebs"]["VolumeId"]]
    ec2.create_tags(Resources=resources, Tags=[{"Key": "all", "Value": "x"}])
    listed = ec2.describe_tags(Filters=[{"Name": "key", "Values": ["all"]}])["Tags"]
    assert {t["ResourceId"] for t in listed} == set(resources)
    assert {t["ResourceType"] for t in listed} == {"instance", "vpc", "subnet", "security-group", "volume"}
    ec2.delete_tags(Resources=resources, Tags=[{"Key": "all", "Value": "other"}])
    assert len(ec2.describe_tags(Filters=[{"Name": "key", "Values": ["all"]}])["Tags"]) == len(resources)
    ec2.delete_tags(Resources=resources, Tags=[{"Key": "all"}])
    assert ec2.describe_tags(Filters=[{"Name": "key", "Values": ["all"]}])["Tags"] == []
    half = code_of(ec2.create_tags, Resources=[id, ABSENT], Tags=[{"Key": "half", "Value": ""}])
    assert half == ("InvalidInstanceID.NotFound", 400) and "Tags" not in tenant.instance(id)


# A life


def test_an_instance_stops_starts_reboots_and_terminates(tenant, ec2):
    id = tenant.launch()[0]
    assert tenant.instance(id)["State"]["Name"] in ("pending", "running")
    ec2.get_waiter("instance_exists").wait(InstanceIds=[id], WaiterConfig=SOON)
    ec2.get_waiter("instance_running").wait(InstanceIds=[id], WaiterConfig=SOON)
    ec2.get_waiter("instance_status_ok").wait(InstanceIds=[id], WaiterConfig=SOON)
    public = tenant.instance(id).get("PublicIpAddress")
    started = tenant.instance(id)["LaunchTime"]
    assert datetime.datetime.now(datetime.timezone.utc) - started < datetime.timedelta(minutes=5)
    for force in (False, True):
        change = ec2.stop_instances(InstanceIds=[id], Force=force)["StoppingInstances"][0]
        assert (change["PreviousState"]["Name"], change["CurrentState"]["Code"]) == ("running", 64)
        ec2.get_waiter("instance_stopped").wait(InstanceIds=[id], WaiterConfig=SOON)
        stopped = tenant.instance(id)
        assert stopped["StateReason"]["Code"] == "Client.UserInitiatedShutdown"
        assert stopped["StateTransitionReason"].startswith("User initiated (")
        assert "PublicIpAddress" not in stopped
        assert code_of(ec2.reboot_instances, InstanceIds=[id]) == ("IncorrectInstanceState", 400)
        change = ec2.start_instances(InstanceIds=[id])["StartingInstances"][0]
        assert (change["PreviousState"]["Name"], change["CurrentState"]["Name"]) == ("stopped", "pending")
        ec2.get_waiter("instance_running").wait(InstanceIds=[id], WaiterConfig=SOON)
    if public:
        assert "PublicIpAddress" in tenant.instance(id)
    ec2.reboot_instances(InstanceIds=[id])
    change = ec2.terminate_instances(InstanceIds=[id])["TerminatingInstances"][0]
    assert change["CurrentState"]["Name"] in ("shutting-down", "terminated")
    ec2.get_waiter("instance_terminated").wait(InstanceIds=[id], WaiterConfig=SOON)
    assert tenant.instance(id)["NetworkInterfaces"] == []
    assert code_of(ec2.start_instances, InstanceIds=[id]) == ("IncorrectInstanceState", 400)
    ec2.terminate_instances(InstanceIds=[id])


def test_attributes_change_in_both_spellings(tenant, ec2):
    id = tenant.running()[0]
    value = lambda name, member: ec2.describe_instance_attribute(InstanceId=id, Attribute=name)[member]["Value"]
    ec2.modify_instance_attribute(InstanceId=id, DisableApiTermination={"Value": True})
    assert value("disableApiTermination", "DisableApiTermination")
    assert code_of(ec2.terminate_instances, InstanceIds=[id]) == ("OperationNotPermitted", 400)
    ec2.modify_instance_attribute(InstanceId=id, Attribute="disableApiTermination", Value="false")
    assert not value("disableApiTermination", "DisableApiTermination")
    ec2.modify_instance_attribute(InstanceId=id, DisableApiStop={"Value": True})
    assert code_of(ec2.stop_instances, InstanceIds=[id]) == ("OperationNotPermitted", 400)
    ec2.modify_instance_attribute(InstanceId=id, DisableApiStop={"Value": False})
    ec2.modify_instance_attribute(InstanceId=id, InstanceInitiatedShutdownBehavior={"Value": "terminate"})
    assert value("instanceInitiatedShutdownBehavior", "InstanceInitiatedShutdownBehavior") == "terminate"
    early = code_of(ec2.modify_instance_attribute, InstanceId=id, UserData={"Value": b"new"})
    assert early == ("IncorrectInstanceState", 400)
    ec2.stop_instances(InstanceIds=[id])
    ec2.get_waiter("instance_stopped").wait(InstanceIds=[id], WaiterConfig=SOON)
    ec2.modify_instance_attribute(InstanceId=id, UserData={"Value": b"new"})
    assert base64.b64decode(value("userData", "UserData")) == b"new"
    options = ec2.modify_instance_metadata_options(InstanceId=id, HttpTokens="required")["InstanceMetadataOptions"]
    assert (options["HttpTokens"], options["HttpEndpoint"]) == ("required", "enabled")
    assert ec2.monitor_instances(InstanceIds=[id])["InstanceMonitorings"][0]["Monitoring"]["State"] == "enabled"
    assert ec2.unmonitor_instances(InstanceIds=[id])["InstanceMonitorings"][0]["Monitoring"]["State"] == "disabled"
    ec2.reset_instance_attribute(InstanceId=id, Attribute="sourceDestCheck")


def test_status_checks_cover_running_instances_unless_all_are_asked_for(tenant, ec2):
    id = tenant.running()[0]
    ec2.get_waiter("system_status_ok").wait(InstanceIds=[id], WaiterConfig=SOON)
    volume = tenant.instance(id)["BlockDeviceMappings"][0]["Ebs"]["VolumeId"]
    assert ec2.describe_volume_status(VolumeIds=[volume])["VolumeStatuses"][0]["VolumeStatus"]["Status"] == "ok"
    ec2.stop_instances(InstanceIds=[id])
    ec2.get_waiter("instance_stopped").wait(InstanceIds=[id], WaiterConfig=SOON)
    assert ec2.describe_instance_status(InstanceIds=[id])["InstanceStatuses"] == []
    every = ec2.describe_instance_status(InstanceIds=[id], IncludeAllInstances=True)["InstanceStatuses"][0]
    assert every["InstanceStatus"]["Status"] == "not-applicable"


# Refusals


@pytest.mark.parametrize(
    "action, parameters, expected",
    [
        ("describe_instances", {"InstanceIds": [ABSENT]}, ("InvalidInstanceID.NotFound", 400)),
        ("describe_instances", {"InstanceIds": ["vol-00000000000000001"]}, ("InvalidInstanceID.Malformed", 400)),
        ("describe_instances", {"InstanceIds": ["rubbish"]}, ("InvalidInstanceID.Malformed", 400)),
        ("describe_instances", {"MaxResults": 5000}, ("InvalidParameterValue", 400)),
        ("describe_instances", {"Filters": [{"Name": "colour", "Values": ["red"]}]}, ("InvalidParameterValue", 400)),
        ("describe_instances", {"NextToken": "rubbish"}, ("InvalidNextToken", 400)),
        ("describe_instance_types", {"InstanceTypes": ["t9.vast"]}, ("InvalidInstanceType", 400)),
        ("describe_images", {"ImageIds": ["ami-00000000000000001"]}, ("InvalidAMIID.NotFound", 400)),
        ("describe_volumes", {"VolumeIds": ["vol-00000000000000001"]}, ("InvalidVolume.NotFound", 400)),
        ("describe_key_pairs", {"KeyNames": ["none"]}, ("InvalidKeyPair.NotFound", 400)),
        ("describe_security_groups", {"GroupNames": ["none"]}, ("InvalidGroup.NotFound", 400)),
        ("describe_subnets", {"SubnetIds": ["subnet-00000000000000001"]}, ("InvalidSubnetID.NotFound", 400)),
        ("describe_vpcs", {"VpcIds": ["vpc-00000000000000001"]}, ("InvalidVpcID.NotFound", 400)),
        ("start_instances", {"InstanceIds": [ABSENT]}, ("InvalidInstanceID.NotFound", 400)),
        ("terminate_instances", {"InstanceIds": [ABSENT]}, ("InvalidInstanceID.NotFound", 400)),
        ("stop_instances", {"InstanceIds": [ABSENT], "Hibernate": True}, ("UnsupportedOperation", 400)),
        ("get_console_output", {"InstanceId": ABSENT}, ("InvalidInstanceID.NotFound", 400)),
        ("create_key_pair", {"KeyName": "jwk", "KeyFormat": "jwk"}, ("InvalidParameterValue", 400)),
        ("import_key_pair", {"KeyName": "bad", "PublicKeyMaterial": b"rubbish"}, ("InvalidKey.Format", 400)),
        ("describe_elastic_gpus", {}, ("InvalidAction", 400)),
        ("describe_hosts", {}, ("UnsupportedOperation", 400)),
    ],
)
def test_bad_calls_are_refused(ec2, action, parameters, expected):
    assert code_of(getattr(ec2, action), **parameters) == expected


@pytest.mark.parametrize(
    "parameters, expected",
    [
        ({"ImageId": "ami-00000000000000001"}, ("InvalidAMIID.NotFound", 400)),
        ({"ImageId": "i-00000000000000001"}, ("InvalidAMIID.Malformed", 400)),
        ({"InstanceType": "t9.vast"}, ("InvalidParameterValue", 400)),
        ({"KeyName": "none"}, ("InvalidKeyPair.NotFound", 400)),
        ({"SubnetId": "subnet-00000000000000001"}, ("InvalidSubnetID.NotFound", 400)),
        ({"SecurityGroupIds": ["sg-00000000000000001"]}, ("InvalidGroup.NotFound", 400)),
        ({"Placement": {"AvailabilityZone": "mars"}}, ("InvalidParameterValue", 400)),
        ({"UserData": "x" * 16_385}, ("InvalidParameterValue", 400)),
        ({"MaxCount": 101}, ("InvalidParameterValue", 400)),
        ({"MinCount": 2, "MaxCount": 1}, ("InvalidParameterValue", 400)),
        ({"PrivateIpAddress": "203.0.113.9"}, ("InvalidParameterValue", 400)),
        ({"BlockDeviceMappings": [{"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 20_000}}]}, ("InvalidBlockDeviceMapping", 400)),
        ({"InstanceMarketOptions": {"MarketType": "spot"}}, ("UnsupportedOperation", 400)),
        ({"LaunchTemplate": {"LaunchTemplateName": "x"}}, ("InvalidLaunchTemplateName.NotFoundException", 400)),
    ],
)
def test_bad_launches_are_refused_and_leave_nothing(tenant, parameters, expected):
    before = tenant.filtered()
    assert code_of(tenant.launch, **parameters) == expected
    assert tenant.filtered() == before


def test_anothers_instance_looks_like_none(simulated, tenant):
    id = tenant.launch()[0]
    stranger = Tenant(simulated, f"stranger-{uuid.uuid4().hex[:8]}")
    for action in ("describe_instances", "terminate_instances", "stop_instances"):
        with pytest.raises(botocore.exceptions.ClientError) as real:
            getattr(stranger.ec2, action)(InstanceIds=[id])
        with pytest.raises(botocore.exceptions.ClientError) as absent:
            getattr(stranger.ec2, action)(InstanceIds=[ABSENT])
        assert real.value.response["Error"]["Code"] == absent.value.response["Error"]["Code"] == "InvalidInstanceID.NotFound"
        assert str(real.value).replace(id, ABSENT) == str(absent.value)
    assert stranger.filtered() == set()


def test_of_200_parallel_launches_on_a_quota_of_10_exactly_10_win(simulated):
    crowd = Tenant(simulated, f"crowd-{uuid.uuid4().hex[:8]}")
    simulated.command("quota", "set", crowd.name, "instances", "10")
    image = simulated.image()

    def attempt(_):
        try:
            made = crowd.ec2.run_instances(ImageId=image, InstanceType=TYPE, MinCount=1, MaxCount=1)
            return made["Instances"][0]["InstanceId"]
        except botocore.exceptions.ClientError as refused:
            return refused.response["Error"]["Code"]

    with concurrent.futures.ThreadPoolExecutor(64) as pool:
        answers = list(pool.map(attempt, range(200)))
    won = {answer for answer in answers if answer.startswith("i-")}
    assert len(won) == 10
    assert [answer for answer in answers if answer not in won] == ["InstanceLimitExceeded"] * 190
    assert crowd.filtered() == won
    crowd.ec2.terminate_instances(InstanceIds=sorted(won))
    assert crowd.problems == []


# Signatures


def signed(tenant, body, when=None, secret=None, tamper=None):
    """Sends a form signed by botocore's own signer, perhaps wrongly, and gives status and body."""
    request = botocore.awsrequest.AWSRequest(
        "POST", tenant.cloud.endpoint, headers={"Content-Type": "application/x-www-form-urlencoded"}, data=body
    )
    credentials = botocore.credentials.Credentials(tenant.key, secret or tenant.secret)
    signer = botocore.auth.SigV4Auth(credentials, "ec2", tenant.cloud.region)
    if when:
        real = botocore.auth.get_current_datetime
        botocore.auth.get_current_datetime = lambda *_, **__: when
        try:
            signer.add_auth(request)
        finally:
            botocore.auth.get_current_datetime = real
    else:
        signer.add_auth(request)
    data = (tamper or body).encode()
    sent = urllib.request.Request(tenant.cloud.endpoint, data=data, headers=dict(request.headers), method="POST")
    try:
        with urllib.request.urlopen(sent, timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as refused:
        return refused.code, refused.read().decode()


DESCRIBE = "Action=DescribeRegions&Version=2016-11-15"


def test_signatures_are_checked(tenant):
    now = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)
    hours = datetime.timedelta(hours=1)
    for arguments, status, code in [
        ({}, 200, "<regionInfo>"),
        ({"secret": "x" * 40}, 403, "<Code>SignatureDoesNotMatch</Code>"),
        ({"tamper": DESCRIBE + "&RegionName.1=x"}, 403, "<Code>SignatureDoesNotMatch</Code>"),
        ({"when": now - hours}, 400, "<Code>RequestExpired</Code>"),
        ({"when": now + hours}, 400, "<Code>RequestExpired</Code>"),
    ]:
        found = signed(tenant, DESCRIBE, **arguments)
        assert found[0] == status and code in found[1], (arguments, found)


def test_an_unknown_key_is_refused(simulated):
    stranger = simulated.client(key="AKIAAAAAAAAAAAAAAAAA", secret="s" * 40)
    assert code_of(stranger.describe_regions) == ("AuthFailure", 401)
    sts = simulated.client("sts", key="AKIAAAAAAAAAAAAAAAAA", secret="s" * 40)
    assert code_of(sts.get_caller_identity) == ("InvalidClientTokenId", 403)


def test_services_that_are_not_offered_say_so(tenant):
    scaling = tenant.cloud.client("autoscaling", key=tenant.key, secret=tenant.secret)
    assert code_of(scaling.describe_auto_scaling_groups) == ("InvalidAction", 400)
    ssm = tenant.cloud.client("ssm", key=tenant.key, secret=tenant.secret)
    assert code_of(ssm.list_commands) == ("UnknownOperationException", 400)


# The command line


def test_the_command_line_lists_launches_and_terminates(tenant):
    program = os.path.join(os.path.dirname(sys.executable), "aws")
    if not os.path.exists(program):
        pytest.skip("aws-cli is not installed beside this Python")
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": "/nonexistent",
        "AWS_ENDPOINT_URL": tenant.cloud.endpoint,
        "AWS_ACCESS_KEY_ID": tenant.key,
        "AWS_SECRET_ACCESS_KEY": tenant.secret,
        "AWS_REGION": tenant.cloud.region,
        "AWS_DEFAULT_REGION": tenant.cloud.region,
    }

    def aws(*arguments):
        done = subprocess.run([program, *arguments, "--output", "json"], env=environment, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout) if done.stdout.strip() else None

    assert aws("sts", "get-caller-identity")["Arn"].endswith(":root")
    tags = "ResourceType=instance,Tags=[{Key=Name,Value=cli}]"
    made = aws("ec2", "run-instances", "--image-id", tenant.cloud.image(), "--instance-type", TYPE, "--count", "2", "--tag-specifications", tags)
    ids = [instance["InstanceId"] for instance in made["Instances"]]
    found = aws("ec2", "describe-instances", "--filters", "Name=tag:Name,Values=cli", "--page-size", "5")
    assert [i["InstanceId"] for r in found["Reservations"] for i in r["Instances"]] == ids
    aws("ec2", "terminate-instances", "--instance-ids", *ids)


def test_an_attribute_of_a_volume_is_kept(ec2):
    id = ec2.create_volume(AvailabilityZone="local-1a", Size=1)["VolumeId"]
    assert ec2.describe_volume_attribute(VolumeId=id, Attribute="autoEnableIO")["AutoEnableIO"] == {"Value": False}
    ec2.modify_volume_attribute(VolumeId=id, AutoEnableIO={"Value": True})
    assert ec2.describe_volume_attribute(VolumeId=id, Attribute="autoEnableIO")["AutoEnableIO"] == {"Value": True}
    assert ec2.describe_volume_attribute(VolumeId=id, Attribute="productCodes")["ProductCodes"] == []
    ec2.get_waiter("volume_available").wait(VolumeIds=[id], WaiterConfig={"Delay": 1, "MaxAttempts": 30})
    ec2.delete_volume(VolumeId=id)
