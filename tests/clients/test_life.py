"""One instance from an SDK call to an SSH login and away again, on a real machine in a real network."""

import base64
import re
import subprocess

import botocore.exceptions
import pytest

from conftest import private_key
from test_ecs import Tenant

TYPE = "t2.nano"


@pytest.fixture(scope="module")
def key(ec2, tmp_path_factory):
    """A key pair and the file with its private half."""
    yield "life", private_key(ec2, "life", tmp_path_factory.mktemp("keys"))
    ec2.delete_key_pair(KeyName="life")


@pytest.fixture(scope="module")
def open_group(ec2):
    """The default security group, with SSH and ping let in."""
    group = ec2.describe_security_groups(Filters=[{"Name": "group-name", "Values": ["default"]}])["SecurityGroups"][0]
    permissions = [
        {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]},
        {"IpProtocol": "icmp", "FromPort": -1, "ToPort": -1, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]},
    ]
    ec2.authorize_security_group_ingress(GroupId=group["GroupId"], IpPermissions=permissions)
    yield group["GroupId"]
    ec2.revoke_security_group_ingress(GroupId=group["GroupId"], IpPermissions=permissions)


@pytest.fixture(scope="module")
def instance(cloud, ec2, key, open_group):
    """A running instance with user data that leaves a trace."""
    script = "#!/bin/sh\necho from-user-data > /root/trace\n"
    made = ec2.run_instances(
        ImageId=cloud.image(),
        InstanceType=TYPE,
        MinCount=1,
        MaxCount=1,
        KeyName=key[0],
        UserData=script,
        SecurityGroupIds=[open_group],
        TagSpecifications=[{"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": "life"}]}],
    )["Instances"][0]
    ec2.get_waiter("instance_running").wait(InstanceIds=[made["InstanceId"]], WaiterConfig={"Delay": 1, "MaxAttempts": 60})
    yield ec2.describe_instances(InstanceIds=[made["InstanceId"]])["Reservations"][0]["Instances"][0]
    ec2.terminate_instances(InstanceIds=[made["InstanceId"]])
    ec2.get_waiter("instance_terminated").wait(InstanceIds=[made["InstanceId"]], WaiterConfig={"Delay": 1, "MaxAttempts": 60})


def test_a_guest_is_what_its_launch_asked_for(instance, key, shell):
    # The login may be there before the script of the user data has run.
    written = "until [ -e /root/trace ]; do sleep 0.1; done"
    done = shell(instance["PublicIpAddress"], key[1], f"{written}; hostname; cat /root/trace; cat /sys/class/net/eth0/address; df -m / | tail -1")
    hostname, trace, mac, disk = done.stdout.splitlines()
    assert hostname == "ip-" + instance["PrivateIpAddress"].replace(".", "-")
    assert trace == "from-user-data"
    assert mac == instance["NetworkInterfaces"][0]["MacAddress"]
    assert int(disk.split()[1]) > 800, "the root file system grew to its disk"


def test_the_metadata_service_knows_its_guest(instance, key, shell):
    ask = (
        "wget -q -O - http://169.254.169.254/latest/meta-data/instance-id; echo;"
        "wget -q -O - http://100.100.100.200/latest/meta-data/instance-id; echo"
    )
    done = shell(instance["PublicIpAddress"], key[1], ask)
    assert done.stdout.split() == [instance["InstanceId"]] * 2


def test_a_running_guest_reads_its_tags_as_they_are_now(ec2, instance, key, shell, until):
    id, address = instance["InstanceId"], instance["PublicIpAddress"]
    ec2.modify_instance_metadata_options(InstanceId=id, InstanceMetadataTags="enabled")
    read = "wget -qO- http://169.254.169.254/latest/meta-data/tags/instance/team"
    for team in ["red", "blue"]:
        ec2.create_tags(Resources=[id], Tags=[{"Key": "team", "Value": team}])
        until(lambda: shell(address, key[1], read).stdout == team, 20, f"team {team}")


def test_the_console_shows_what_the_guest_wrote(ec2, instance, until):
    def output():
        text = ec2.get_console_output(InstanceId=instance["InstanceId"]).get("Output", "")
        return "user space up" in text and text

    assert until(output, 60, "console output")


def test_the_console_is_the_same_through_ecs(cloud, instance):
    tenant = Tenant(cloud, "", cloud.access_key, cloud.secret_key)
    output = tenant.call("GetInstanceConsoleOutput", InstanceId=instance["InstanceId"])["ConsoleOutput"]
    assert b"user space up" in base64.b64decode(output)


def test_a_rule_that_goes_closes_the_door(ec2, instance, open_group, until):
    """Rules act at once on instances that run."""
    address = instance["PublicIpAddress"]
    ping = ["ping", "-c", "1", "-W", "1", address]
    until(lambda: subprocess.run(ping, capture_output=True).returncode == 0, 20, "an answer to a ping")
    permission = [{"IpProtocol": "icmp", "FromPort": -1, "ToPort": -1, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]
    ec2.revoke_security_group_ingress(GroupId=open_group, IpPermissions=permission)
    until(lambda: subprocess.run(ping, capture_output=True).returncode != 0, 10, "silence after the rule went")
    ec2.authorize_security_group_ingress(GroupId=open_group, IpPermissions=permission)
    until(lambda: subprocess.run(ping, capture_output=True).returncode == 0, 10, "an answer after the rule came back")


def test_an_instance_moves_to_another_group_while_it_runs(ec2, instance, open_group, until):
    """The rules of the group that it is in hold, at once; those of the one that it left do not."""
    ping = ["ping", "-c", "1", "-W", "1", instance["PublicIpAddress"]]
    closed = ec2.create_security_group(GroupName="closed", Description="Lets nobody in")["GroupId"]
    until(lambda: subprocess.run(ping, capture_output=True).returncode == 0, 20, "an answer to a ping")
    ec2.modify_instance_attribute(InstanceId=instance["InstanceId"], Groups=[closed])
    until(lambda: subprocess.run(ping, capture_output=True).returncode != 0, 10, "silence in the closed group")
    ec2.modify_instance_attribute(InstanceId=instance["InstanceId"], Groups=[closed, open_group])
    until(lambda: subprocess.run(ping, capture_output=True).returncode == 0, 10, "an answer in both groups")
    ec2.modify_instance_attribute(InstanceId=instance["InstanceId"], Groups=[open_group])
    ec2.delete_security_group(GroupId=closed)


def test_a_rule_for_the_way_out_holds_the_guest_back(ec2, instance, key, open_group, shell, until):
    """Without a rule that lets it out a guest answers who came in, and begins nothing itself."""
    everything = [{"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]

    def reaches_the_machine():
        machine = shell(instance["PublicIpAddress"], key[1], "echo $SSH_CLIENT").stdout.split()[0]
        return shell(instance["PublicIpAddress"], key[1], f"ping -c 1 -W 1 {machine}").returncode == 0

    until(reaches_the_machine, 20, "a way out")
    ec2.revoke_security_group_egress(GroupId=open_group, IpPermissions=everything)
    until(lambda: not reaches_the_machine(), 20, "silence after the rule went")
    ec2.authorize_security_group_egress(GroupId=open_group, IpPermissions=everything)
    until(reaches_the_machine, 20, "a way out after the rule came back")


def test_a_reboot_keeps_the_disk(ec2, instance, key, shell, until):
    address = instance["PublicIpAddress"]
    boot_id = shell(address, key[1], "touch /root/kept; sync; cat /proc/sys/kernel/random/boot_id").stdout
    ec2.reboot_instances(InstanceIds=[instance["InstanceId"]])
    until(lambda: shell(address, key[1], "cat /proc/sys/kernel/random/boot_id").stdout not in ("", boot_id), 120, "another boot")
    assert shell(address, key[1], "ls /root/kept").returncode == 0


def test_killing_pileus_leaves_the_guest_running_and_finds_it_again(cloud, ec2, instance, key, shell):
    address = instance["PublicIpAddress"]
    before = shell(address, key[1], "cat /proc/sys/kernel/random/boot_id").stdout
    cloud.kill()
    during = shell(address, key[1], "cat /proc/sys/kernel/random/boot_id").stdout
    cloud.start()
    after = shell(address, key[1], "cat /proc/sys/kernel/random/boot_id").stdout
    assert before == during == after
    fresh = cloud.client()
    state = fresh.describe_instances(InstanceIds=[instance["InstanceId"]])["Reservations"][0]["Instances"][0]["State"]["Name"]
    assert state == "running"
