"""Policies of snapshots through boto3's `dlm` client: volumes by their tags, at the next minute, with real guests."""

import json
import time

import botocore.exceptions
import pytest

from conftest import private_key, ssh_group, wait_until
from test_ecs import Tenant as Alibaba
from test_snapshots import begin_to_attach, completed
from test_volumes import SOON, TYPE, ZONE, Guest, remove, serial

TRUST = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}]}
TARGET = {"Key": "backup", "Value": "each hour"}


@pytest.fixture(scope="module")
def dlm(cloud):
    return cloud.client("dlm")


@pytest.fixture(scope="module")
def role(cloud):
    iam = cloud.client("iam")
    yield iam.create_role(RoleName="lifecycle", AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]["Arn"]
    iam.delete_role(RoleName="lifecycle")


@pytest.fixture(scope="module")
def guest(cloud, ec2, shell, tmp_path_factory):
    key = private_key(ec2, "lifecycle", tmp_path_factory.mktemp("keys"))
    group = ssh_group(ec2, "lifecycle")
    launch = dict(ImageId=cloud.image(), InstanceType=TYPE, MinCount=1, MaxCount=1, KeyName="lifecycle", SecurityGroupIds=[group])
    id = ec2.run_instances(**launch, Placement={"AvailabilityZone": ZONE})["Instances"][0]["InstanceId"]
    try:
        ec2.get_waiter("instance_running").wait(InstanceIds=[id], WaiterConfig=SOON)
        yield Guest(ec2, key, shell, id)
    finally:
        ec2.terminate_instances(InstanceIds=[id])
        ec2.get_waiter("instance_terminated").wait(InstanceIds=[id], WaiterConfig=SOON)
        ec2.delete_security_group(GroupId=group)
        ec2.delete_key_pair(KeyName="lifecycle")


@pytest.fixture
def made(ec2, dlm):
    """Policies, snapshots and volumes of a test, which are gone afterwards."""
    ids = []
    yield ids
    for id in reversed(ids):
        if id.startswith("policy-"):
            if id in {policy["PolicyId"] for policy in dlm.get_lifecycle_policies()["Policies"]}:
                dlm.delete_lifecycle_policy(PolicyId=id)
        elif id.startswith("vol-"):
            for snapshot in ec2.describe_snapshots(Filters=[{"Name": "volume-id", "Values": [id]}])["Snapshots"]:
                ec2.delete_snapshot(SnapshotId=snapshot["SnapshotId"])
            remove(ec2, id)


def details(target=TARGET, create=None, retain=None, **more):
    plan = {
        "Name": "hourly",
        "CreateRule": create or {"Interval": 12, "IntervalUnit": "HOURS", "Times": ["09:30"]},
        "RetainRule": retain or {"Count": 2},
        "CopyTags": True,
        "TagsToAdd": [{"Key": "by", "Value": "policy"}],
        **more,
    }
    return {"PolicyType": "EBS_SNAPSHOT_MANAGEMENT", "ResourceTypes": ["VOLUME"], "TargetTags": [target], "Schedules": [plan]}


def refused(call, **parameters):
    with pytest.raises(botocore.exceptions.ClientError) as error:
        call(**parameters)
    return error.value.response["Error"]["Code"], error.value.response["ResponseMetadata"]["HTTPStatusCode"]


def test_a_policy_is_made_shown_changed_tagged_and_deleted(cloud, dlm, role, made):
    asked = dict(ExecutionRoleArn=role, Description="each night", PolicyDetails=details())
    id = dlm.create_lifecycle_policy(**asked, State="DISABLED", Tags={"team": "blue"})["PolicyId"]
    made.append(id)
    shown = dlm.get_lifecycle_policy(PolicyId=id)["Policy"]
    assert (shown["Description"], shown["State"], shown["ExecutionRoleArn"]) == ("each night", "DISABLED", role)
    assert shown["Tags"] == {"team": "blue"} and shown["DateCreated"] <= shown["DateModified"]
    said = shown["PolicyDetails"]
    assert said == {**details(), "ResourceLocations": ["CLOUD"], "PolicyLanguage": "STANDARD"}
    listed = lambda **by: [policy["PolicyId"] for policy in dlm.get_lifecycle_policies(**by)["Policies"]]
    assert id in listed() and listed(PolicyIds=[id]) == [id] and id in listed(State="DISABLED") and id not in listed(State="ENABLED")
    assert id in listed(TargetTags=["backup=each hour"]) and id not in listed(TargetTags=["backup=never"])
    assert id in listed(TagsToAdd=["by=policy"], ResourceTypes=["VOLUME"]) and id not in listed(ResourceTypes=["INSTANCE"])
    cron = details(create={"CronExpression": "cron(15 0/6 ? * MON-FRI *)"}, retain={"Interval": 2, "IntervalUnit": "WEEKS"})
    dlm.update_lifecycle_policy(PolicyId=id, State="ENABLED", Description="weekdays", PolicyDetails=cron)
    now = dlm.get_lifecycle_policy(PolicyId=id)["Policy"]
    assert (now["Description"], now["State"], now["ExecutionRoleArn"]) == ("weekdays", "ENABLED", role)
    assert now["PolicyDetails"]["Schedules"] == cron["Schedules"]
    # The same policy in another cloud's words.
    ecs = Alibaba(cloud, "", cloud.access_key, cloud.secret_key)
    other = ecs.call("DescribeAutoSnapshotPolicyEx", AutoSnapshotPolicyId=id.replace("policy-", "sp-"))["AutoSnapshotPolicies"]["AutoSnapshotPolicy"]
    assert [(policy["TimePoints"], policy["RetentionDays"]) for policy in other] == [('["0","6","12","18"]', 14)]
    arn = now["PolicyArn"]
    dlm.tag_resource(ResourceArn=arn, Tags={"floor": "3", "team": "red"})
    assert dlm.list_tags_for_resource(ResourceArn=arn)["Tags"] == {"floor": "3", "team": "red"}
    dlm.untag_resource(ResourceArn=arn, TagKeys=["team", "floor"])
    assert dlm.list_tags_for_resource(ResourceArn=arn)["Tags"] == {}
    dlm.delete_lifecycle_policy(PolicyId=id)
    assert refused(dlm.get_lifecycle_policy, PolicyId=id) == ("ResourceNotFoundException", 404)
    assert refused(dlm.delete_lifecycle_policy, PolicyId="policy-xyz") == ("ResourceNotFoundException", 404)


def test_what_a_policy_cannot_be_is_refused(cloud, dlm, role):
    def code(role=role, **changed):
        asked = {"ExecutionRoleArn": role, "Description": "d", "State": "ENABLED", "PolicyDetails": details(), **changed}
        return refused(dlm.create_lifecycle_policy, **asked)

    two = {**details(), "Schedules": details()["Schedules"] * 2}
    for wrong in (
        {"role": role + "-gone"},
        {"role": "arn:aws:iam::999999999999:role/lifecycle"},
        {"Description": "no! marks"},
        {"State": "ERROR"},
        {"Tags": {"aws:own": "x"}},
        {"DefaultPolicy": "VOLUME"},
        {"PolicyDetails": {**details(), "ResourceTypes": ["INSTANCE"]}},
        {"PolicyDetails": {**details(), "PolicyType": "IMAGE_MANAGEMENT"}},
        {"PolicyDetails": two},
        {"PolicyDetails": details(create={"Interval": 5, "IntervalUnit": "HOURS"})},
        {"PolicyDetails": details(create={"Interval": 12, "IntervalUnit": "HOURS", "Times": ["24:00"]})},
        {"PolicyDetails": details(create={"CronExpression": "cron(0,30 * ? * * *)"})},
        {"PolicyDetails": details(create={"CronExpression": "cron(0 0 1 * ? *)"})},
        {"PolicyDetails": details(create={"CronExpression": "cron(0 0 * ? * 8 *)"})},
        {"PolicyDetails": details(retain={"Count": 0})},
        {"PolicyDetails": details(retain={"Count": 1001})},
        {"PolicyDetails": details(retain={"Count": 1, "Interval": 1, "IntervalUnit": "DAYS"})},
        {"PolicyDetails": details(retain={"Interval": 101, "IntervalUnit": "YEARS"})},
        {"PolicyDetails": details(FastRestoreRule={"Count": 1, "AvailabilityZones": [ZONE]})},
        {"PolicyDetails": details(VariableTags=[{"Key": "i", "Value": "$(instance-id)"}])},
    ):
        assert code(**wrong) == ("InvalidRequestException", 400), wrong
    assert dlm.get_lifecycle_policies()["Policies"] == []
    key, secret, _ = cloud.account("lifecycle-stranger")
    stranger = cloud.client("dlm", key=key, secret=secret)
    assert stranger.get_lifecycle_policies()["Policies"] == []


def test_volumes_with_the_tag_are_kept_at_the_next_minute(ec2, dlm, role, guest, made):
    tags = lambda *these: [{"ResourceType": "volume", "Tags": [*these]}]
    new = dict(AvailabilityZone=ZONE, Size=1)
    wanted = ec2.create_volume(**new, TagSpecifications=tags(TARGET, {"Key": "Name", "Value": "data"}))["VolumeId"]
    other = ec2.create_volume(**new, TagSpecifications=tags({"Key": "backup", "Value": "never"}))["VolumeId"]
    made += [wanted, other]
    ec2.get_waiter("volume_available").wait(VolumeIds=[wanted, other], WaiterConfig=SOON)
    begin_to_attach(ec2, guest, wanted)
    device = guest.device(wanted)
    guest.run(f"echo kept by its tag | dd of={device} conv=fsync 2>/dev/null")
    minute = time.gmtime(time.time() + 75).tm_min
    policy = dlm.create_lifecycle_policy(
        ExecutionRoleArn=role, Description="soon", State="ENABLED", PolicyDetails=details(create={"CronExpression": f"cron({minute} * ? * * *)"})
    )["PolicyId"]
    made.append(policy)
    of = lambda volume: ec2.describe_snapshots(Filters=[{"Name": "volume-id", "Values": [volume]}])["Snapshots"]
    taken = wait_until(lambda: of(wanted), 150, "the snapshot of the policy")
    shown = completed(ec2, taken[0]["SnapshotId"])[0]
    assert {tag["Key"]: tag["Value"] for tag in shown["Tags"]} == {"backup": "each hour", "Name": "data", "by": "policy"}
    assert of(other) == []
    # What was written is in it.
    dlm.delete_lifecycle_policy(PolicyId=policy)
    copy = ec2.create_volume(AvailabilityZone=ZONE, SnapshotId=shown["SnapshotId"])["VolumeId"]
    made.append(copy)
    ec2.get_waiter("volume_available").wait(VolumeIds=[copy], WaiterConfig=SOON)
    begin_to_attach(ec2, guest, copy, "/dev/sdh")
    assert guest.run(f"head -c 15 {guest.device(copy)}") == "kept by its tag"
    assert serial(copy) in guest.disks()
