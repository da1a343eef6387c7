"""The stock Debian image, with nothing of ours in it, set up by cloud-init's own data source for EC2.

Under emulation such a guest takes a minute or two to boot.
"""

import json

import pytest

BOOT = 600  # seconds
SCRIPT = "#!/bin/sh\necho from-user-data > /var/tmp/trace\n"


@pytest.fixture(scope="module")
def key(ec2, tmp_path_factory):
    made = ec2.create_key_pair(KeyName="debian", KeyType="ed25519")
    path = tmp_path_factory.mktemp("keys") / "debian.pem"
    path.write_text(made["KeyMaterial"])
    path.chmod(0o600)
    yield path
    ec2.delete_key_pair(KeyName="debian")


@pytest.fixture(scope="module")
def group(ec2):
    group = ec2.create_security_group(GroupName="debian", Description="SSH for all")["GroupId"]
    ec2.authorize_security_group_ingress(GroupId=group, IpProtocol="tcp", FromPort=22, ToPort=22, CidrIp="0.0.0.0/0")
    yield group
    ec2.delete_security_group(GroupId=group)


def ended(ec2, id):
    ec2.terminate_instances(InstanceIds=[id])
    ec2.get_waiter("instance_terminated").wait(InstanceIds=[id], WaiterConfig={"Delay": 1, "MaxAttempts": 120})


def address(ec2, id):
    ec2.get_waiter("instance_running").wait(InstanceIds=[id], WaiterConfig={"Delay": 1, "MaxAttempts": 120})
    return ec2.describe_instances(InstanceIds=[id])["Reservations"][0]["Instances"][0]["PublicIpAddress"]


@pytest.fixture(scope="module")
def of_ec2(cloud, ec2, key, group, shell, until):
    """Launched through EC2; cloud-init has finished."""
    disk = [{"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 6}}]
    asked = {"KeyName": "debian", "UserData": SCRIPT, "SecurityGroupIds": [group], "BlockDeviceMappings": disk}
    made = ec2.run_instances(ImageId=cloud.image("debian-12"), InstanceType="t3.small", MinCount=1, MaxCount=1, **asked)
    instance = made["Instances"][0]
    ip = address(ec2, instance["InstanceId"])

    def ask(command):
        return shell(ip, key, command, user="debian", within=BOOT)

    until(lambda: ask("cat /run/cloud-init/result.json 2>/dev/null").stdout, BOOT, "the end of cloud-init")
    yield instance, ask
    ended(ec2, instance["InstanceId"])


def test_a_stock_guest_finds_everything_through_ec2s_data_source(of_ec2):
    instance, ask = of_ec2
    assert json.loads(ask("cat /run/cloud-init/result.json").stdout)["v1"]["datasource"].startswith("DataSourceEc2")
    assert ask("hostname").stdout.strip() == "ip-" + instance["PrivateIpAddress"].replace(".", "-")
    assert ask("cat /var/tmp/trace").stdout == "from-user-data\n"
    assert ask("cloud-init query instance_id").stdout.strip() == instance["InstanceId"]
    # 6 GiB of disk, of which the file system's own tables take a part.
    assert int(ask("stat -f -c %b /").stdout) * 4096 > 5.5 * 2**30
