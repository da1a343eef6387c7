"""Ansible's collection for AWS: a playbook of a small site changes nothing the second time, and leaves nothing when it is taken away."""

import json
import os
import pathlib
import subprocess
import sys

import pytest

from conftest import IMAGES, running

PLAYBOOKS = pathlib.Path(__file__).parent / "playbooks"
REGION = "us-east-1"
PLAYED_WITHIN = 300  # seconds


@pytest.fixture(scope="module")
def cloud():
    yield from running("--images", IMAGES, "--region", REGION, "--zones", f"{REGION}a,{REGION}b")


@pytest.fixture(scope="module")
def key(tmp_path_factory):
    file = tmp_path_factory.mktemp("ansible") / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", file], check=True)
    return file


def play(cloud, key, playbook):
    """Plays a playbook; the tasks that changed something."""
    told = {
        "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json",
        "ANSIBLE_HOME": str(key.parent),
        "ANSIBLE_LOCALHOST_WARNING": "false",
        "ANSIBLE_INVENTORY_UNPARSED_WARNING": "false",
        "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
    }
    variables = {"endpoint": cloud.endpoint, "region": REGION, "public_key": f"{key}.pub"}
    done = subprocess.run(
        [pathlib.Path(sys.executable).parent / "ansible-playbook", PLAYBOOKS / playbook, "-e", json.dumps(variables)],
        env={**os.environ, **cloud.environment, **told},
        capture_output=True,
        text=True,
        timeout=PLAYED_WITHIN,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr
    tasks = [task for played in json.loads(done.stdout)["plays"] for task in played["tasks"]]
    return [task["task"]["name"] for task in tasks if task["hosts"]["localhost"]["changed"]]


def test_a_site_is_made_once_and_taken_away(cloud, key, shell):
    ec2 = cloud.client()
    assert len(play(cloud, key, "site.yml")) == 12
    assert play(cloud, key, "site.yml") == []

    (address,) = ec2.describe_addresses()["Addresses"]
    assert shell(address["PublicIp"], key, "hostname").stdout.startswith("ip-10-20-1-")

    assert len(play(cloud, key, "away.yml")) == 11
    assert [vpc["IsDefault"] for vpc in ec2.describe_vpcs()["Vpcs"]] == [True]
    assert not ec2.describe_addresses()["Addresses"] and not ec2.describe_key_pairs()["KeyPairs"]
    assert not ec2.describe_network_interfaces()["NetworkInterfaces"] and not ec2.describe_launch_templates()["LaunchTemplates"]
