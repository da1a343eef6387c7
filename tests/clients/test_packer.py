"""Packer's builders for the three clouds: each makes an image of a real guest that it logs in to over SSH."""

import json
import os
import subprocess

import pytest

from conftest import IMAGES, running
from terminator import Terminator

REGION = "ap-guangzhou"  # Tencent's builder asks for a region of its list
BUILT_WITHIN = 300  # seconds; most of it is Packer's own waiting
NOWHERE = "http://127.0.0.1:1"  # a port that nobody listens on, so that nothing leaves the machine


@pytest.fixture(scope="module")
def cloud():
    yield from running("--images", IMAGES, "--region", REGION, "--zones", f"{REGION}-3")


def build(cloud, folder, builder, **environment):
    """Builds an image with Packer; what it says of the image, `region:id`."""
    script = {"type": "shell", "inline": ["echo by packer > /root/packed", "sync"]}
    template = folder / "template.json"
    template.write_text(json.dumps({"builders": [builder], "provisioners": [script]}))
    quiet = {"HOME": str(folder), "CHECKPOINT_DISABLE": "1", "AWS_POLL_DELAY_SECONDS": "1"}
    done = subprocess.run(
        ["packer", "build", "-machine-readable", template],
        env={**os.environ, **cloud.environment, **quiet, **environment},
        capture_output=True,
        text=True,
        timeout=BUILT_WITHIN,
    )
    said = [line.split(",") for line in done.stdout.splitlines()]
    (made,) = [line[5] for line in said if line[2:5] == ["artifact", "0", "id"]] or [done.stdout + done.stderr]
    assert done.returncode == 0, made
    return made


def left(ec2):
    """What a build makes for itself and has to take away."""
    live = [{"Name": "instance-state-name", "Values": ["pending", "running", "stopping", "stopped"]}]
    return {
        "instances": [r["Instances"][0]["InstanceId"] for r in ec2.describe_instances(Filters=live)["Reservations"]],
        "keys": [key["KeyName"] for key in ec2.describe_key_pairs()["KeyPairs"]],
        "groups": [group["GroupName"] for group in ec2.describe_security_groups()["SecurityGroups"] if group["GroupName"] != "default"],
        "vpcs": [vpc["VpcId"] for vpc in ec2.describe_vpcs()["Vpcs"] if not vpc["IsDefault"]],
        "addresses": ec2.describe_addresses()["Addresses"],
    }


NOTHING = {"instances": [], "keys": [], "groups": [], "vpcs": [], "addresses": []}


def test_amazon_ebs_makes_an_image_that_boots(cloud, tmp_path, shell):
    ec2 = cloud.client()
    builder = {
        "type": "amazon-ebs",
        "region": REGION,
        "custom_endpoint_ec2": cloud.endpoint,
        "skip_region_validation": True,
        "skip_metadata_api_check": True,
        "skip_credential_validation": True,
        "instance_type": "t2.nano",
        "source_ami_filter": {"filters": {"name": "pileus-linux"}, "owners": ["pileus"], "most_recent": True},
        "ssh_username": "root",
        "ami_name": "by-packer",
        "ami_description": "of {{.SourceAMI}}",
        "tags": {"team": "blue"},
    }
    region, id = build(cloud, tmp_path, builder).split(":")
    assert region == REGION and left(ec2) == NOTHING
    (image,) = ec2.describe_images(Owners=["self"])["Images"]
    assert (image["ImageId"], image["Name"]) == (id, "by-packer")
    assert image["Description"] == f"of {cloud.image()}" and image["Tags"] == [{"Key": "team", "Value": "blue"}]

    key = tmp_path / "key.pem"
    key.write_text(ec2.create_key_pair(KeyName="mine", KeyType="ed25519")["KeyMaterial"])
    key.chmod(0o600)
    group = ec2.describe_security_groups(GroupNames=["default"])["SecurityGroups"][0]["GroupId"]
    ec2.authorize_security_group_ingress(GroupId=group, IpProtocol="tcp", FromPort=22, ToPort=22, CidrIp="0.0.0.0/0")
    (made,) = ec2.run_instances(ImageId=id, InstanceType="t2.nano", KeyName="mine", MinCount=1, MaxCount=1)["Instances"]
    ec2.get_waiter("instance_running").wait(InstanceIds=[made["InstanceId"]], WaiterConfig={"Delay": 1})
    (guest,) = ec2.describe_instances(InstanceIds=[made["InstanceId"]])["Reservations"][0]["Instances"]
    assert shell(guest["PublicIpAddress"], key, "cat /root/packed").stdout == "by packer\n"
    ec2.terminate_instances(InstanceIds=[made["InstanceId"]])
    ec2.get_waiter("instance_terminated").wait(InstanceIds=[made["InstanceId"]], WaiterConfig={"Delay": 1})
    ec2.delete_key_pair(KeyName="mine")


def test_alicloud_ecs_makes_an_image_in_a_network_of_its_own(cloud, tmp_path):
    builder = {
        "type": "alicloud-ecs",
        "access_key": cloud.access_key,
        "secret_key": cloud.secret_key,
        "region": REGION,
        "skip_region_validation": True,
        "image_name": "by-packer-too",
        "source_image": cloud.image(),
        "ssh_username": "root",
        "instance_type": "ecs.t5-lc1m1.small",
        "internet_charge_type": "PayByTraffic",
        "io_optimized": True,
    }
    # This version has no option for the endpoint: as its proxy, the cloud is asked by the vendor's host names.
    made = build(cloud, tmp_path, builder, HTTP_PROXY=cloud.endpoint, HTTPS_PROXY=NOWHERE, NO_PROXY="")
    ec2 = cloud.client()
    assert left(ec2) == NOTHING
    (image,) = ec2.describe_images(Owners=["self"], Filters=[{"Name": "name", "Values": ["by-packer-too"]}])["Images"]
    assert made == f"{REGION}:{image['ImageId']}"


def test_tencentcloud_cvm_makes_an_image_over_tls(cloud, tmp_path):
    builder = {
        "type": "tencentcloud-cvm",
        "secret_id": cloud.access_key,
        "secret_key": cloud.secret_key,
        "region": REGION,
        "skip_region_validation": True,
        "zone": f"{REGION}-3",
        "image_name": "by-packer-3",
        "source_image_name": "pileus-linux",  # it takes ids of eight characters only
        "instance_type": "S5.SMALL1",
        "disk_type": "CLOUD_PREMIUM",
        "ssh_username": "root",
        "associate_public_ip_address": True,
        "internet_max_bandwidth_out": 10,
        "vpc_name": "packer",
        "cidr_block": "10.9.0.0/16",
        "subnet_name": "packer",
        "subnect_cidr_block": "10.9.1.0/24",
    }
    hosts = [f"{service}.tencentcloudapi.com" for service in ("cvm", "vpc", "cbs")]
    with Terminator(tmp_path, (cloud.host, cloud.port), *hosts).serving() as proxy:
        made = build(cloud, tmp_path, builder, HTTPS_PROXY=proxy.url, NO_PROXY="", SSL_CERT_FILE=str(proxy.certificate))
    ec2 = cloud.client()
    assert left(ec2) == NOTHING
    (image,) = ec2.describe_images(Owners=["self"], Filters=[{"Name": "name", "Values": ["by-packer-3"]}])["Images"]
    assert made.split(":")[1].removeprefix("img-") == image["ImageId"].removeprefix("ami-")
