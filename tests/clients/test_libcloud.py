"""Apache Libcloud's drivers, which speak XML to both dialects: a node's life as its users write it."""

import subprocess

import pytest
from libcloud.common.exceptions import BaseHTTPError
from libcloud.compute.base import NodeAuthPassword
from libcloud.compute.providers import get_driver
from libcloud.compute.types import NodeState, Provider

from conftest import IMAGES, running


@pytest.fixture(scope="module")
def cloud():
    """A cloud under a region's name that the EC2 driver knows."""
    yield from running("--images", IMAGES, "--region", "us-east-1", "--zones", "us-east-1a,us-east-1b")


@pytest.fixture
def ec2(cloud):
    driver = get_driver(Provider.EC2)
    return driver(cloud.access_key, cloud.secret_key, secure=False, host=cloud.host, port=cloud.port, region=cloud.region)


@pytest.fixture
def ecs(cloud):
    driver = get_driver(Provider.ALIYUN_ECS)
    return driver(cloud.access_key, cloud.secret_key, secure=False, host=cloud.host, port=cloud.port, region=cloud.region)


def one(found, **wanted):
    (match,) = [thing for thing in found if all(getattr(thing, name) == value for name, value in wanted.items())]
    return match


def deleted(driver, group):
    """Deletes a group as soon as no interface is in it any more."""
    try:
        return driver.ex_delete_security_group_by_id(group)
    except BaseHTTPError as refused:
        assert "DependencyViolation" in str(refused)
        return False


def test_an_ec2_node_lives_and_is_logged_in_to(ec2, until, shell, tmp_path):
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    pair = ec2.import_key_pair_from_string("libcloud", key.with_suffix(".pub").read_text())
    group = ec2.ex_create_security_group("libcloud", "for libcloud")["group_id"]
    ec2.ex_authorize_security_group_ingress(group, 22, 22, cidr_ips=["0.0.0.0/0"])
    size = one(ec2.list_sizes(), id="t2.nano")
    image = one(ec2.list_images(), name="pileus-linux")
    assert "us-east-1b" in [location.availability_zone.name for location in ec2.list_locations()]
    subnet = ec2.ex_list_subnets()[0]
    secured = {"ex_keyname": pair.name, "ex_security_group_ids": [group], "ex_subnet": subnet}
    node = ec2.create_node(name="first", size=size, image=image, ex_metadata={"team": "blue"}, **secured)
    ((node, addresses),) = ec2.wait_until_running([node], wait_period=1, timeout=90)
    assert node.name == "first" and ec2.ex_describe_tags(node)["team"] == "blue"
    assert shell(addresses[0], key, "hostname").stdout.startswith("ip-")
    until(lambda: "user space up" in (ec2.ex_get_console_output(node)["output"] or ""), 30, "the console")
    assert ec2.reboot_node(node) and ec2.stop_node(node)
    until(lambda: one(ec2.list_nodes(), id=node.id).state == NodeState.STOPPED, 90, "the stop")
    assert ec2.start_node(node)
    until(lambda: one(ec2.list_nodes(), id=node.id).state == NodeState.RUNNING, 90, "the start")
    assert ec2.destroy_node(node)
    until(lambda: not [n for n in ec2.list_nodes() if n.id == node.id and n.state != NodeState.TERMINATED], 90, "the end")
    until(lambda: deleted(ec2, group), 30, "the group without members")
    assert ec2.delete_key_pair(pair)


def test_an_ecs_node_lives(ecs, until):
    assert one(ecs.list_locations(), id="us-east-1")
    assert [zone.id for zone in ecs.ex_list_zones()] == ["us-east-1a", "us-east-1b"]
    size = one(ecs.list_sizes(), id="ecs.t5-lc1m1.small")
    image = one(ecs.list_images(), name="pileus-linux")
    group = ecs.ex_create_security_group(description="for libcloud")
    node = ecs.create_node("second", size, image, auth=NodeAuthPassword("Pileus-2026!"), ex_security_group_id=group)
    assert node.name == "second" and one(ecs.list_nodes(), id=node.id).state == NodeState.RUNNING
    assert one(ecs.list_volumes(), size=1)
    assert ecs.reboot_node(node) and ecs.stop_node(node, ex_force_stop=True)
    until(lambda: one(ecs.list_nodes(), id=node.id).state == NodeState.STOPPED, 90, "the stop")
    assert ecs.destroy_node(node)
    until(lambda: not ecs.list_nodes(), 90, "the end")
    until(lambda: deleted(ecs, group), 30, "the group without members")
