"""Instances that become other machines: real guests that see other processors and another memory, through the SDKs of three clouds."""

import pytest

from conftest import private_key, ssh_group, wait_until
from test_cvm import Tenant as Tencent
from test_ecs import Refused
from test_ecs import Tenant as Alibaba
from test_volumes import SOON, ZONE, Guest, refused


@pytest.fixture(scope="module")
def key(ec2, tmp_path_factory):
    path = private_key(ec2, "types", tmp_path_factory.mktemp("keys"))
    yield path
    ec2.delete_key_pair(KeyName="types")


@pytest.fixture(scope="module")
def guest(cloud, ec2, key, shell):
    """A running instance of one processor and 512 MiB."""
    group = ssh_group(ec2, "types")
    launch = dict(ImageId=cloud.image(), InstanceType="t2.nano", MinCount=1, MaxCount=1, KeyName="types", SecurityGroupIds=[group])
    ids = [ec2.run_instances(**launch, Placement={"AvailabilityZone": ZONE})["Instances"][0]["InstanceId"]]
    try:
        ec2.get_waiter("instance_running").wait(InstanceIds=ids, WaiterConfig=SOON)
        yield Guest(ec2, key, shell, ids[0])
    finally:
        ec2.terminate_instances(InstanceIds=ids)
        ec2.get_waiter("instance_terminated").wait(InstanceIds=ids, WaiterConfig=SOON)
        ec2.delete_security_group(GroupId=group)


def machine(guest):
    """Processors, and memory in steps of 256 MiB, as the guest's kernel counts them."""
    processors, memory, kind = guest.run(
        "nproc; grep MemTotal /proc/meminfo; wget -qO- http://169.254.169.254/latest/meta-data/instance-type"
    ).splitlines()
    return int(processors), -(-int(memory.split()[1]) // (256 << 10)) * 256, kind


def instance(guest):
    return guest.ec2.describe_instances(InstanceIds=[guest.id])["Reservations"][0]["Instances"][0]


def test_a_stopped_instance_starts_with_the_processors_and_memory_of_its_new_type(ec2, guest):
    assert machine(guest) == (1, 512, "t2.nano")
    guest.run("echo kept > /root/kept; sync")
    change = dict(InstanceId=guest.id, InstanceType={"Value": "t3.micro"})
    assert refused(ec2.modify_instance_attribute, **change) == "IncorrectInstanceState"
    ec2.stop_instances(InstanceIds=[guest.id])
    ec2.get_waiter("instance_stopped").wait(InstanceIds=[guest.id], WaiterConfig=SOON)
    assert refused(ec2.modify_instance_attribute, InstanceId=guest.id, InstanceType={"Value": "t9.vast"}) == "InvalidInstanceAttributeValue"
    huge = refused(ec2.modify_instance_attribute, InstanceId=guest.id, InstanceType={"Value": "m6i.16xlarge"})
    assert huge == "InsufficientInstanceCapacity"
    ec2.modify_instance_attribute(**change)
    assert instance(guest)["InstanceType"] == "t3.micro"
    assert ec2.describe_instance_attribute(InstanceId=guest.id, Attribute="instanceType")["InstanceType"] == {"Value": "t3.micro"}
    ec2.start_instances(InstanceIds=[guest.id])
    ec2.get_waiter("instance_running").wait(InstanceIds=[guest.id], WaiterConfig=SOON)
    assert machine(guest) == (2, 1024, "t3.micro")
    assert guest.run("cat /root/kept") == "kept\n"


def test_a_running_instance_is_stopped_changed_and_started_by_tencents_call(cloud, ec2, guest):
    tencent = Tencent(cloud, "", cloud.access_key, cloud.secret_key)
    id, address = guest.id.replace("i-", "ins-"), guest.address
    booted = guest.run("cat /proc/sys/kernel/random/boot_id")
    sold = tencent.call("DescribeInstancesModification", InstanceIds=[id], Filters=[{"Name": "status", "Values": ["SELL"]}])
    assert "B1.SMALL1" in [one["InstanceTypeConfig"]["InstanceType"] for one in sold["InstanceTypeConfigStatusSet"]]
    tencent.call("ResetInstancesType", InstanceIds=[id], InstanceType="B1.SMALL1", ForceStop=True)

    def shown():
        return tencent.call("DescribeInstances", InstanceIds=[id])["InstanceSet"][0]

    assert shown()["LatestOperation"] == "ResetInstancesType"
    wait_until(lambda: shown()["InstanceState"] == "RUNNING", 120, "the instance to run again")
    assert (shown()["InstanceType"], shown()["CPU"], shown()["Memory"]) == ("B1.SMALL1", 1, 1)
    assert guest.address == address, "it keeps its public address"
    assert machine(guest)[:2] == (1, 1024)
    assert guest.run("cat /proc/sys/kernel/random/boot_id") != booted


def test_alibabas_call_changes_stopped_instances(cloud, ec2, guest):
    alibaba = Alibaba(cloud, "", cloud.access_key, cloud.secret_key)
    with pytest.raises(Refused) as error:
        alibaba.call("ModifyInstanceSpec", InstanceId=guest.id, InstanceType="ecs.t6-c4m1.large")
    assert error.value.code == "IncorrectInstanceStatus"
    alibaba.call("StopInstance", InstanceId=guest.id)
    wait_until(lambda: instance(guest)["State"]["Name"] == "stopped", 120, "the stop")
    asked = dict(RegionId=cloud.region, ResourceId=guest.id, DestinationResource="InstanceType", Cores="2", Memory="0.5")
    zone = alibaba.call("DescribeResourcesModification", **asked)["AvailableZones"]["AvailableZone"][0]
    offered = zone["AvailableResources"]["AvailableResource"][0]["SupportedResources"]["SupportedResource"]
    assert {"Value": "ecs.t6-c4m1.large", "Status": "Available", "StatusCategory": "WithStock"} in offered
    alibaba.call("ModifyInstanceSpec", InstanceId=guest.id, InstanceType="ecs.t6-c4m1.large")
    alibaba.call("StartInstance", InstanceId=guest.id)
    wait_until(lambda: instance(guest)["State"]["Name"] == "running", 120, "the start")
    shown = alibaba.call("DescribeInstances", InstanceIds=f'["{guest.id}"]')["Instances"]["Instance"][0]
    assert (shown["InstanceType"], shown["Cpu"], shown["Memory"]) == ("ecs.t6-c4m1.large", 2, 512)
    assert machine(guest)[:2] == (2, 512)
