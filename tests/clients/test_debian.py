"""The stock Debian image, with nothing of ours in it, set up by cloud-init's own data sources: EC2's and Alibaba Cloud's.

Under emulation such a guest takes a minute or two to boot, so each cloud's has one, and several tests look at it.
"""

import base64
import json
import os
import subprocess

import pytest

from conftest import private_key, ssh_group
from test_ecs import Tenant
from test_native import Native

BOOT = 600  # seconds
PASSWORD = "Stock-Pa55word"
SCRIPT = "#!/bin/sh\necho from-user-data > /var/tmp/trace\n"


@pytest.fixture(scope="module")
def key(ec2, tmp_path_factory):
    path = private_key(ec2, "debian", tmp_path_factory.mktemp("keys"))
    yield path
    ec2.delete_key_pair(KeyName="debian")


@pytest.fixture(scope="module")
def group(ec2):
    group = ssh_group(ec2, "debian")
    yield group
    ec2.delete_security_group(GroupId=group)


def ended(ec2, id):
    ec2.terminate_instances(InstanceIds=[id])
    ec2.get_waiter("instance_terminated").wait(InstanceIds=[id], WaiterConfig={"Delay": 1, "MaxAttempts": 120})


def address(ec2, id):
    ec2.get_waiter("instance_running").wait(InstanceIds=[id], WaiterConfig={"Delay": 1, "MaxAttempts": 120})
    return ec2.describe_instances(InstanceIds=[id])["Reservations"][0]["Instances"][0]["PublicIpAddress"]


@pytest.fixture(scope="module")
def launched(cloud, ec2, key, group):
    """One instance through each cloud's API, so that both boot at the same time: EC2's launch, and the id of ECS's."""
    disk = [{"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 6}}]
    asked = {"KeyName": "debian", "UserData": SCRIPT, "SecurityGroupIds": [group], "BlockDeviceMappings": disk}
    made = ec2.run_instances(ImageId=cloud.image("debian-12"), InstanceType="t2.small", MinCount=1, MaxCount=1, **asked)
    tenant = Tenant(cloud, "", cloud.access_key, cloud.secret_key)
    asked = {
        "ImageId": cloud.image("debian-12"),
        "InstanceType": tenant_type(tenant),
        "SecurityGroupId": group,
        "HostName": "stock",
        "Password": PASSWORD,
        "UserData": base64.b64encode(SCRIPT.encode()).decode(),
        "InternetMaxBandwidthOut": 10,
    }
    (other,) = tenant.call("RunInstances", **asked)["InstanceIdSets"]["InstanceIdSet"]
    yield made["Instances"][0], other
    for id in (made["Instances"][0]["InstanceId"], other):
        ended(ec2, id)


@pytest.fixture(scope="module")
def of_ec2(ec2, key, launched, shell, until):
    """Launched through EC2; cloud-init has finished."""
    instance = launched[0]
    ip = address(ec2, instance["InstanceId"])

    def ask(command):
        return shell(ip, key, command, user="debian", within=BOOT)

    until(lambda: ask("cat /run/cloud-init/result.json 2>/dev/null").stdout, BOOT, "the end of cloud-init")
    return instance, ask


def test_a_stock_guest_finds_everything_through_ec2s_data_source(of_ec2):
    instance, ask = of_ec2
    assert json.loads(ask("cat /run/cloud-init/result.json").stdout)["v1"]["datasource"].startswith("DataSourceEc2")
    assert ask("hostname").stdout.strip() == "ip-" + instance["PrivateIpAddress"].replace(".", "-")
    assert ask("cat /var/tmp/trace").stdout == "from-user-data\n"
    assert ask("cloud-init query instance_id").stdout.strip() == instance["InstanceId"]
    # 6 GiB of disk, of which the file system's own tables take a part.
    assert int(ask("stat -f -c %b /").stdout) * 4096 > 5.5 * 2**30


@pytest.fixture(scope="module")
def of_ecs(ec2, launched, tmp_path_factory, until):
    """Launched through ECS with a password; cloud-init has finished."""
    id = launched[1]
    ip = address(ec2, id)
    script = tmp_path_factory.mktemp("ask") / "askpass"
    script.write_text(f"#!/bin/sh\necho '{PASSWORD}'\n")
    script.chmod(0o700)
    environment = {**os.environ, "SSH_ASKPASS": str(script), "SSH_ASKPASS_REQUIRE": "force", "DISPLAY": "none"}
    options = ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "ConnectTimeout=5", "-o", "LogLevel=ERROR"]
    options += ["-o", "PubkeyAuthentication=no", "-o", "NumberOfPasswordPrompts=1"]

    def ask(command):
        def attempt():
            done = subprocess.run(["ssh", *options, f"debian@{ip}", command], capture_output=True, text=True, timeout=300, env=environment)
            return done if done.returncode != 255 else None

        return until(attempt, BOOT, f"a login to {ip} by password")

    until(lambda: ask("cat /run/cloud-init/result.json 2>/dev/null").stdout, BOOT, "the end of cloud-init")
    return id, ask


def tenant_type(tenant):
    """The smallest type of one processor and 2 GiB under its ECS name."""
    types = tenant.call("DescribeInstanceTypes", MaxResults=100)["InstanceTypes"]["InstanceType"]
    fits = [kind for kind in types if kind["CpuCoreCount"] == 1 and kind["MemorySize"] == 2.0]
    return fits[0]["InstanceTypeId"]


def test_a_stock_guest_finds_everything_through_alibabas_data_source(cloud, of_ecs):
    id, ask = of_ecs
    tenant = Tenant(cloud, "", cloud.access_key, cloud.secret_key)
    console = base64.b64decode(tenant.call("GetInstanceConsoleOutput", InstanceId=id)["ConsoleOutput"])
    assert b"cloud-init" in console
    assert json.loads(ask("cat /run/cloud-init/result.json").stdout)["v1"]["datasource"].startswith("DataSourceAliYun")
    assert ask("hostname").stdout.strip() == "stock"
    assert ask("cat /var/tmp/trace").stdout == "from-user-data\n"
    assert ask("cloud-init query instance_id").stdout.strip() == id


def test_a_stock_guest_holds_its_file_systems_for_a_snapshot(cloud, ec2, of_ec2, until):
    instance, ask = of_ec2
    until(lambda: ask("systemctl is-active qemu-guest-agent").stdout.strip() == "active", 60, "the guest's agent")
    root = ec2.describe_instances(InstanceIds=[instance["InstanceId"]])["Reservations"][0]["Instances"][0]["BlockDeviceMappings"][0]
    taken = ec2.create_snapshot(VolumeId=root["Ebs"]["VolumeId"])["SnapshotId"]
    try:
        ec2.get_waiter("snapshot_completed").wait(SnapshotIds=[taken], WaiterConfig={"Delay": 1, "MaxAttempts": 120})
        assert Native(cloud).ok("GET", "/v1/snapshots", id=taken)["items"][0]["consistency"] == "file_system"
    finally:
        ec2.delete_snapshot(SnapshotId=taken)
