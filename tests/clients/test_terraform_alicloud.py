"""What Terraform's provider for Alibaba Cloud writes, it reads back: a second plan is empty."""

import base64
import uuid

import pytest

import terraform_alicloud as alicloud
from test_ecs import TYPE, Refused, Tenant

PUBLIC_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/7YmBHOmQ5FdRBt somebody"
TAGS = {"Created": "TF", "For": "a plan"}
USER_DATA = base64.b64encode(b"#!/bin/sh\necho hello\n").decode()


class Configuration:
    """The resources of a configuration in the order in which they were made."""

    def __init__(self, tf):
        self.tf, self.resources = tf, []

    def add(self, make, **wanted):
        resource = make(self.tf, **wanted)
        self.resources.append(resource)
        return resource

    def plan(self):
        """What Terraform would change now, resource by resource."""
        plans = {repr(resource): resource.plan() for resource in self.resources}
        return {name: plan for name, plan in plans.items() if plan}

    def destroy(self):
        while self.resources:
            self.resources.pop().destroy()


@pytest.fixture
def configuration(simulated):
    configuration = Configuration(alicloud.Provider(Tenant(simulated, f"terraform-{uuid.uuid4().hex[:8]}")))
    yield configuration
    configuration.destroy()


def network(made):
    """A VPC with a vSwitch and a security group."""
    vpc = made.add(alicloud.vpc, cidr_block="10.50.0.0/16", secondary_cidr_blocks=["172.21.0.0/20"], vpc_name="plan", description="a network", tags=TAGS, is_default=False, enable_ipv6=False)
    switch = made.add(
        alicloud.vswitch, cidr_block="10.50.1.0/24", vpc_id=vpc.id, zone_id=f"{made.tf.region}a", vswitch_name="plan", description="a part of it", tags=TAGS
    )
    group = made.add(
        alicloud.security_group, vpc_id=vpc.id, security_group_name="plan", description="a group", security_group_type="normal", tags=TAGS, inner_access_policy="Accept"
    )
    return vpc, switch, group


def machine(made, switch, group, **more):
    """An instance of which everything usual is said."""
    key = made.add(alicloud.key_pair, key_pair_name=f"plan-{uuid.uuid4().hex[:6]}", public_key=PUBLIC_KEY, tags=TAGS)
    wanted = {
        "instance_type": TYPE,
        "image_id": made.tf.tenant.image(),
        "availability_zone": f"{made.tf.region}a",
        "security_groups": [group.id],
        "vswitch_id": switch.id,
        "private_ip": "10.50.1.20",
        "instance_name": "plan",
        "description": "a machine",
        "host_name": "plan",
        "key_name": key.id,
        "internet_charge_type": "PayByTraffic",
        "internet_max_bandwidth_out": 0,
        "instance_charge_type": "PostPaid",
        "spot_strategy": "NoSpot",
        "deletion_protection": False,
        "system_disk_category": "cloud_essd",
        "system_disk_performance_level": "PL0",
        "system_disk_size": 25,
        "system_disk_name": "system",
        "system_disk_description": "of the system",
        "user_data": USER_DATA,
        "http_tokens": "required",
        "http_endpoint": "enabled",
        "tags": TAGS,
        "status": "Running",
        **more,
    }
    return key, made.add(alicloud.instance, **wanted)


def test_a_network_and_its_rules_read_back(configuration):
    vpc, switch, group = network(configuration)
    rule = {"security_group_id": group.id, "nic_type": "intranet", "policy": "accept", "priority": 1, "description": "let in"}
    configuration.add(alicloud.security_group_rule, type="ingress", ip_protocol="tcp", port_range="22/22", cidr_ip="0.0.0.0/0", **rule)
    configuration.add(alicloud.security_group_rule, type="ingress", ip_protocol="icmp", port_range="-1/-1", cidr_ip="10.0.0.0/8", **rule)
    configuration.add(alicloud.security_group_rule, type="ingress", ip_protocol="tcp", port_range="80/81", source_security_group_id=group.id, **rule)
    closed = {**rule, "policy": "drop", "priority": 7}
    configuration.add(alicloud.security_group_rule, type="egress", ip_protocol="udp", port_range="53/60", cidr_ip="8.8.0.0/16", **closed)
    assert configuration.plan() == {}
    # A changed tag is a difference, and none once it is written; so the comparison compares.
    vpc.wanted["tags"] = {"Created": "TF", "Now": "more"}
    assert list(configuration.plan()) == [repr(vpc)]
    configuration.tf.untag("vpc", "VPC", vpc.id, ["For"])
    configuration.tf.tag("vpc", "VPC", vpc.id, {"Now": "more"})
    switch.wanted["vswitch_name"] = "renamed"
    configuration.tf.vpc("ModifyVSwitchAttribute", VSwitchId=switch.id, VSwitchName="renamed")
    assert configuration.plan() == {}


def test_an_instance_its_disks_and_its_interface_read_back(configuration):
    _, switch, group = network(configuration)
    _, instance = machine(configuration, switch, group)
    disk = configuration.add(
        alicloud.disk,
        disk_name="more",
        description="room",
        category="cloud_essd",
        performance_level="PL1",
        size=30,
        encrypted=False,
        zone_id=f"{configuration.tf.region}a",
        delete_with_instance=False,
        delete_auto_snapshot=False,
        enable_auto_snapshot=False,
        payment_type="PayAsYouGo",
        tags=TAGS,
    )
    configuration.add(alicloud.disk_attachment, disk_id=disk.id, instance_id=instance.id, delete_with_instance=False)
    nic = configuration.add(
        alicloud.network_interface,
        network_interface_name="more",
        description="a card",
        primary_ip_address="10.50.1.30",
        private_ip_addresses=["10.50.1.31"],
        security_group_ids=[group.id],
        vswitch_id=switch.id,
        network_interface_traffic_mode="Standard",
        instance_type="Secondary",
        tags=TAGS,
    )
    configuration.add(alicloud.network_interface_attachment, network_interface_id=nic.id, instance_id=instance.id)
    configuration.add(
        alicloud.image,
        image_name="plan",
        description="an image",
        image_family="plans",
        architecture="x86_64",
        instance_id=instance.id,
        status="Available",
        tags=TAGS,
    )
    assert configuration.plan() == {}


def test_a_public_address_of_an_instance_reads_back(configuration):
    _, switch, group = network(configuration)
    machine(configuration, switch, group, internet_max_bandwidth_out=10, public_ips=1)
    assert configuration.plan() == {}


def test_a_launch_template_reads_back(configuration):
    vpc, switch, group = network(configuration)
    key = configuration.add(alicloud.key_pair, key_pair_name=f"plan-{uuid.uuid4().hex[:6]}", public_key=PUBLIC_KEY, tags=TAGS)
    configuration.add(
        alicloud.launch_template,
        launch_template_name=f"plan-{uuid.uuid4().hex[:6]}",
        description="machines",
        host_name="plan",
        image_id=configuration.tf.tenant.image(),
        instance_charge_type="PostPaid",
        instance_name="plan",
        instance_type=TYPE,
        internet_charge_type="PayByTraffic",
        internet_max_bandwidth_out=5,
        io_optimized="optimized",
        key_pair_name=key.id,
        network_type="vpc",
        security_group_id=group.id,
        spot_duration="1",
        spot_strategy="NoSpot",
        system_disk={"Category": "cloud_essd", "DeleteWithInstance": True, "Description": "of the system", "Encrypted": False, "DiskName": "system", "PerformanceLevel": "PL0", "Size": 40},
        data_disks=[{"Category": "cloud_essd", "DeleteWithInstance": True, "Description": "of data", "Encrypted": "false", "DiskName": "data", "PerformanceLevel": "PL1", "Size": 20}],
        template_tags=TAGS,
        user_data=USER_DATA,
        version_description="the first",
        vpc_id=vpc.id,
        vswitch_id=switch.id,
        zone_id=f"{configuration.tf.region}a",
        http_endpoint="enabled",
        http_tokens="required",
        http_put_response_hop_limit=2,
    )
    assert configuration.plan() == {}


def test_addresses_gateways_and_routes_read_back(configuration):
    vpc, switch, group = network(configuration)
    _, instance = machine(configuration, switch, group)
    address = {"bandwidth": "5", "description": "an address", "netmode": "public", "isp": "BGP", "internet_charge_type": "PayByTraffic", "payment_type": "PayAsYouGo", "tags": TAGS}
    first = configuration.add(alicloud.eip_address, address_name="of the machine", **address)
    second = configuration.add(alicloud.eip_address, address_name="of the gateway", deletion_protection=True, **address)
    configuration.add(alicloud.eip_association, allocation_id=first.id, instance_id=instance.id, instance_type="EcsInstance")
    gateway = configuration.add(
        alicloud.nat_gateway,
        vpc_id=vpc.id,
        vswitch_id=switch.id,
        nat_gateway_name="plan",
        description="a gateway",
        nat_type="Enhanced",
        network_type="internet",
        internet_charge_type="PayByLcu",
        payment_type="PayAsYouGo",
        eip_bind_mode="MULTI_BINDED",
        deletion_protection=True,
        tags=TAGS,
    )
    configuration.add(alicloud.eip_association, allocation_id=second.id, instance_id=gateway.id, instance_type="Nat")
    state, ip = gateway.read(), second.read()["ip_address"]
    configuration.add(alicloud.snat_entry, snat_table_id=state["snat_table_ids"], source_vswitch_id=switch.id, snat_ip=ip, snat_entry_name="out")
    configuration.add(
        alicloud.forward_entry,
        forward_table_id=state["forward_table_ids"],
        external_ip=ip,
        external_port="8080",
        ip_protocol="tcp",
        internal_ip="10.50.1.20",
        internal_port="80",
        forward_entry_name="in",
    )
    package = configuration.add(
        alicloud.common_bandwidth_package,
        bandwidth="50",
        bandwidth_package_name="plan",
        description="together",
        internet_charge_type="PayByTraffic",
        isp="BGP",
        ratio=100,
        payment_type="PayAsYouGo",
        deletion_protection=True,
        tags=TAGS,
    )
    configuration.add(alicloud.common_bandwidth_package_attachment, bandwidth_package_id=package.id, instance_id=first.id)
    configuration.add(
        alicloud.route_entry,
        route_table_id=vpc.read()["route_table_id"],
        destination_cidrblock="172.20.0.0/16",
        nexthop_type="Instance",
        nexthop_id=instance.id,
        name="away",
        description="through the machine",
    )
    assert configuration.plan() == {}


def test_what_was_destroyed_is_gone(configuration):
    network(configuration)
    resources = list(configuration.resources)
    configuration.destroy()
    vpc, switch, group = resources
    assert group.read() is None
    # The provider knows these two by an error or by an empty reply.
    for resource in (vpc, switch):
        try:
            assert resource.read() is None
        except Refused as refused:
            assert refused.status == 404 or "NotFound" in refused.code
