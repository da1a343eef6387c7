"""One instance through two dialects: what either makes, the other sees, changes and ends."""

import json
import uuid

import pytest

from test_ecs import Tenant

SOON = {"Delay": 1, "MaxAttempts": 60}


@pytest.fixture(scope="module")
def both(simulated):
    """The same account through ECS and through EC2."""
    ecs = Tenant(simulated, f"both-{uuid.uuid4().hex[:8]}")
    return ecs, simulated.client("ec2", key=ecs.key, secret=ecs.secret)


def shown(ec2, id):
    return ec2.describe_instances(InstanceIds=[id])["Reservations"][0]["Instances"][0]


def test_what_ecs_launches_ec2_sees_stops_and_terminates(both):
    ecs, ec2 = both
    (id,) = ecs.run(InstanceName="from-ecs", **{"Tag.1.Key": "made", "Tag.1.Value": "by ECS"})
    ecs.wait([id], "Running")
    seen = shown(ec2, id)
    assert seen["Tags"] == [{"Key": "made", "Value": "by ECS"}]
    assert seen["InstanceType"] == "t2.nano", "its type under the name that EC2 has for it"
    assert seen["PrivateIpAddress"] == ecs.instance(id)["VpcAttributes"]["PrivateIpAddress"]["IpAddress"][0]
    ec2.stop_instances(InstanceIds=[id])
    ec2.get_waiter("instance_stopped").wait(InstanceIds=[id], WaiterConfig=SOON)
    assert ecs.instance(id)["Status"] == "Stopped"
    ec2.terminate_instances(InstanceIds=[id])
    ec2.get_waiter("instance_terminated").wait(InstanceIds=[id], WaiterConfig=SOON)
    assert ecs.call("DescribeInstances", InstanceIds=json.dumps([id]))["TotalCount"] == 0, "ECS shows no released instance"


def test_what_ec2_launches_ecs_sees_renames_tags_and_deletes(both):
    ecs, ec2 = both
    image = ec2.describe_images(Filters=[{"Name": "name", "Values": ["pileus-linux"]}])["Images"][0]["ImageId"]
    id = ec2.run_instances(ImageId=image, InstanceType="t2.nano", MinCount=1, MaxCount=1)["Instances"][0]["InstanceId"]
    ec2.get_waiter("instance_running").wait(InstanceIds=[id], WaiterConfig=SOON)
    kind = ecs.instance(id)["InstanceType"]
    assert kind.startswith("ecs.")
    assert ecs.call("DescribeInstances", InstanceType=kind, InstanceIds=json.dumps([id]))["TotalCount"] == 1
    ecs.call("TagResources", ResourceType="instance", **{"ResourceId.1": id, "Tag.1.Key": "seen", "Tag.1.Value": "by ECS"})
    ecs.call("ModifyInstanceAttribute", InstanceId=id, DeletionProtection="true")
    assert shown(ec2, id)["Tags"] == [{"Key": "seen", "Value": "by ECS"}]
    assert ec2.describe_instance_attribute(InstanceId=id, Attribute="disableApiTermination")["DisableApiTermination"]["Value"] is True
    ecs.call("ModifyInstanceAttribute", InstanceId=id, DeletionProtection="false")
    ecs.call("DeleteInstance", InstanceId=id, Force="true")
    ec2.get_waiter("instance_terminated").wait(InstanceIds=[id], WaiterConfig=SOON)


def test_a_group_of_one_is_a_group_of_the_other(both):
    ecs, ec2 = both
    group = ec2.create_security_group(GroupName="shared", Description="Made by EC2")["GroupId"]
    ecs.call("AuthorizeSecurityGroup", SecurityGroupId=group, IpProtocol="tcp", PortRange="443/443", SourceCidrIp="0.0.0.0/0")
    rules = ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"][0]["IpPermissions"]
    assert [(rule["IpProtocol"], rule["FromPort"], rule["ToPort"]) for rule in rules] == [("tcp", 443, 443)]
    ecs.call("DeleteSecurityGroup", SecurityGroupId=group)
    assert group not in [g["GroupId"] for g in ec2.describe_security_groups()["SecurityGroups"]]
