"""Alibaba Cloud's IPv6 gateways through its own SDK: addresses with bandwidth speak with the world, egress-only rules keep it out, and a
guest whose packets say so."""

import contextlib
import uuid

import pytest

import alibaba_vpc
from test_ecs import Refused, Tenant
from test_ipv6 import greeter, greets_by_ssh
from test_vpcs import remove_instances, remove_vpc

SSH6 = {"IpProtocol": "tcp", "PortRange": "22/22", "Ipv6SourceCidrIp": "::/0"}


def network(tenant, range="10.70.0.0/16"):
    """A VPC of both versions of IP with a vSwitch and a group that lets SSH in; their ids."""
    vpc = alibaba_vpc.call(tenant, "CreateVpc", CidrBlock=range)["VpcId"]
    zone = tenant.call("DescribeZones")["Zones"]["Zone"][0]["ZoneId"]
    alibaba_vpc.call(tenant, "AssociateVpcCidrBlock", VpcId=vpc, IpVersion="IPV6")
    switch = {"VpcId": vpc, "ZoneId": zone, "CidrBlock": range.replace("0.0/16", "1.0/24"), "Ipv6CidrBlock": 7}
    subnet = alibaba_vpc.call(tenant, "CreateVSwitch", **switch)["VSwitchId"]
    group = tenant.call("CreateSecurityGroup", VpcId=vpc)["SecurityGroupId"]
    rules = (SSH6, {"IpProtocol": "tcp", "PortRange": "22/22", "SourceCidrIp": "0.0.0.0/0"})
    for rule in rules:
        tenant.call("AuthorizeSecurityGroup", SecurityGroupId=group, **rule)
    return vpc, subnet, group


def addresses(tenant, **asked):
    return alibaba_vpc.call(tenant, "DescribeIpv6Addresses", **asked)["Ipv6Addresses"]["Ipv6Address"]


def refused(tenant, action, **asked):
    with pytest.raises(Refused) as caught:
        alibaba_vpc.call(tenant, action, **asked)
    return caught.value.code


def test_gateways_bandwidths_and_rules_live_and_go(simulated):
    tenant = Tenant(simulated, f"six-{uuid.uuid4().hex[:8]}")
    vpc, subnet, group = network(tenant)
    made = alibaba_vpc.call(tenant, "CreateIpv6Gateway", VpcId=vpc, Name="six", Description="way", Tags=[{"Key": "a", "Value": "b"}])
    gateway = made["Ipv6GatewayId"]
    assert refused(tenant, "CreateIpv6Gateway", VpcId=vpc) == "InvalidParameter.Duplicate", "a VPC has one"
    alibaba_vpc.call(tenant, "ModifyIpv6GatewayAttribute", Ipv6GatewayId=gateway, Name="seven")
    shown = alibaba_vpc.call(tenant, "DescribeIpv6GatewayAttribute", Ipv6GatewayId=gateway)
    assert (shown["Name"], shown["Description"], shown["VpcId"], shown["Status"]) == ("seven", "way", vpc, "Available")
    (listed,) = alibaba_vpc.call(tenant, "DescribeIpv6Gateways", VpcId=vpc, Tagss=[{"Key": "a", "Value": "b"}])["Ipv6Gateways"]["Ipv6Gateway"]
    assert listed["Ipv6GatewayId"] == gateway and listed["Tags"]["Tag"] == [{"Key": "a", "Value": "b"}]
    nic = tenant.call("CreateNetworkInterface", VSwitchId=subnet, SecurityGroupId=group)["NetworkInterfaceId"]
    (ip,) = tenant.call("AssignIpv6Addresses", NetworkInterfaceId=nic, Ipv6AddressCount=1)["Ipv6Sets"]["Ipv6Address"]
    (shown,) = addresses(tenant, Ipv6Address=ip)
    id = shown["Ipv6AddressId"]
    assert (shown["NetworkType"], shown["RealBandwidth"], shown["Ipv6GatewayId"]) == ("Private", 0, gateway)
    assert (shown["AssociatedInstanceId"], shown["AssociatedInstanceType"]) == (nic, "NetworkInterface")
    rule = {"Ipv6GatewayId": gateway, "InstanceId": id, "InstanceType": "Ipv6Address"}
    assert refused(tenant, "CreateIpv6EgressOnlyRule", **rule) == "OperationDenied", "the address has no bandwidth"
    bandwidth = {"Ipv6GatewayId": gateway, "Ipv6AddressId": id, "InternetChargeType": "PayByTraffic"}
    assert refused(tenant, "AllocateIpv6InternetBandwidth", Bandwidth=1001, **bandwidth) == "InvalidBandwidth.ValueNotSupported"
    given = alibaba_vpc.call(tenant, "AllocateIpv6InternetBandwidth", Bandwidth=10, **bandwidth)
    assert given["Ipv6AddressId"] == id
    which = given["InternetBandwidthId"]
    assert refused(tenant, "AllocateIpv6InternetBandwidth", Bandwidth=10, **bandwidth) == "InvalidParameter.Duplicate"
    alibaba_vpc.call(tenant, "ModifyIpv6InternetBandwidth", Ipv6InternetBandwidthId=which, Bandwidth=20)
    (shown,) = addresses(tenant, Ipv6InternetBandwidthId=which, NetworkType="Public")
    assert (shown["Ipv6InternetBandwidth"]["Bandwidth"], shown["RealBandwidth"]) == (20, 20)
    only = alibaba_vpc.call(tenant, "CreateIpv6EgressOnlyRule", Name="only", **rule)["Ipv6EgressRuleId"]
    (shown,) = alibaba_vpc.call(tenant, "DescribeIpv6EgressOnlyRules", Ipv6GatewayId=gateway)["Ipv6EgressOnlyRules"]["Ipv6EgressOnlyRule"]
    assert (shown["Ipv6EgressOnlyRuleId"], shown["InstanceId"], shown["Name"]) == (only, id, "only")
    assert refused(tenant, "DeleteIpv6Gateway", Ipv6GatewayId=gateway) == "DependencyViolation"
    alibaba_vpc.call(tenant, "DeleteIpv6EgressOnlyRule", Ipv6EgressOnlyRuleId=only)
    alibaba_vpc.call(tenant, "DeleteIpv6InternetBandwidth", Ipv6InternetBandwidthId=which)
    alibaba_vpc.call(tenant, "DeleteIpv6Gateway", Ipv6GatewayId=gateway)
    assert refused(tenant, "DescribeIpv6GatewayAttribute", Ipv6GatewayId=gateway) == "InvalidGatewayId.NotFound"
    other = Tenant(simulated, f"other-{uuid.uuid4().hex[:8]}")
    assert addresses(other, Ipv6AddressId=id) == [], "another account's address is none"


def test_a_guest_speaks_with_the_world_as_far_as_its_address_may(cloud, tmp_path, shell, until):
    name = f"six-{uuid.uuid4().hex[:8]}"
    tenant = Tenant(cloud, name)
    ec2 = cloud.client("ec2", key=tenant.key, secret=tenant.secret)
    key = tmp_path / "key.pem"
    key.write_text(tenant.call("CreateKeyPair", KeyPairName="six")["PrivateKeyBody"])
    key.chmod(0o600)
    vpc, subnet, group = network(tenant)
    (table,) = alibaba_vpc.call(tenant, "DescribeRouteTableList", VpcId=vpc)["RouterTableList"]["RouterTableListType"]
    table = table["RouteTableId"]
    eip = alibaba_vpc.call(tenant, "AllocateEipAddress")
    id = None
    try:
        (id,) = tenant.run(VSwitchId=subnet, SecurityGroupId=group, KeyPairName="six")
        tenant.wait([id], "Running")
        alibaba_vpc.call(tenant, "AssociateEipAddress", AllocationId=eip["AllocationId"], InstanceId=id)
        here = eip["EipAddress"]
        (nic,) = tenant.call("DescribeNetworkInterfaces", InstanceId=id)["NetworkInterfaceSets"]["NetworkInterfaceSet"]
        given = tenant.call("AssignIpv6Addresses", NetworkInterfaceId=nic["NetworkInterfaceId"], Ipv6AddressCount=1)
        (ip,) = given["Ipv6Sets"]["Ipv6Address"]
        until(lambda: ip in shell(here, key, "ip -6 addr show dev eth0 scope global").stdout, 90, "the address in the guest")
        (shown,) = addresses(tenant, VpcId=vpc)
        assert (shown["AssociatedInstanceId"], shown["AssociatedInstanceType"]) == (id, "EcsInstance")
        address = shown["Ipv6AddressId"]
        assert not greets_by_ssh(ip), "the VPC has no gateway"
        gateway = alibaba_vpc.call(tenant, "CreateIpv6Gateway", VpcId=vpc)["Ipv6GatewayId"]
        asked = {"RouteTableId": table, "IpVersion": "ipv6", "RouteEntryType": "Custom"}
        (route,) = alibaba_vpc.call(tenant, "DescribeRouteEntryList", **asked)["RouteEntrys"]["RouteEntry"]
        hop = {"NextHopId": gateway, "NextHopType": "IPv6Gateway", "Enabled": 1, "Weight": 0}
        assert (route["DestinationCidrBlock"], route["NextHops"]["NextHop"]) == ("::/0", [hop])
        assert not greets_by_ssh(ip), "a gateway alone is for private communication"
        bandwidth = {"Ipv6GatewayId": gateway, "Ipv6AddressId": address, "Bandwidth": 10}
        alibaba_vpc.call(tenant, "AllocateIpv6InternetBandwidth", **bandwidth)
        until(lambda: greets_by_ssh(ip), 30, "SSH by an address with bandwidth")
        machine, _, seen, _ = shell(ip, key, "echo $SSH_CONNECTION").stdout.split()
        assert seen == ip, "nothing is translated"
        with greeter(machine) as port:

            def reaches_out():
                return shell(here, key, f"nc -w 2 {machine} {port} < /dev/null").stdout == "hello"

            assert reaches_out()
            rule = alibaba_vpc.call(tenant, "CreateIpv6EgressOnlyRule", Ipv6GatewayId=gateway, InstanceId=address)["Ipv6EgressRuleId"]
            until(lambda: not greets_by_ssh(ip), 30, "silence from outside by the rule")
            assert reaches_out(), "outward and back"
            alibaba_vpc.call(tenant, "DeleteIpv6EgressOnlyRule", Ipv6EgressOnlyRuleId=rule)
            until(lambda: greets_by_ssh(ip), 30, "SSH without the rule")
            entry = {"RouteTableId": table, "DestinationCidrBlock": "::/0", "NextHopId": gateway}
            alibaba_vpc.call(tenant, "DeleteRouteEntry", **entry)
            until(lambda: not greets_by_ssh(ip) and not reaches_out(), 30, "silence without a route")
            alibaba_vpc.call(tenant, "CreateRouteEntry", NextHopType="IPv6Gateway", **entry)
            until(lambda: greets_by_ssh(ip), 30, "SSH by the route again")
            alibaba_vpc.call(tenant, "DeleteIpv6InternetBandwidth", Ipv6AddressId=address)
            until(lambda: not greets_by_ssh(ip) and not reaches_out(), 30, "silence without bandwidth")
        alibaba_vpc.call(tenant, "DeleteIpv6Gateway", Ipv6GatewayId=gateway)
        assert alibaba_vpc.call(tenant, "DescribeRouteEntryList", **asked)["RouteEntrys"]["RouteEntry"] == []
    finally:
        with contextlib.suppress(Refused):
            alibaba_vpc.call(tenant, "UnassociateEipAddress", AllocationId=eip["AllocationId"], InstanceId=id)
        alibaba_vpc.call(tenant, "ReleaseEipAddress", AllocationId=eip["AllocationId"])
        for left in alibaba_vpc.call(tenant, "DescribeIpv6Gateways", VpcId=vpc)["Ipv6Gateways"]["Ipv6Gateway"]:
            for shown in addresses(tenant, VpcId=vpc, NetworkType="Public"):
                alibaba_vpc.call(tenant, "DeleteIpv6InternetBandwidth", Ipv6AddressId=shown["Ipv6AddressId"])
            alibaba_vpc.call(tenant, "DeleteIpv6Gateway", Ipv6GatewayId=left["Ipv6GatewayId"])
        remove_instances(ec2, vpc)
        tenant.call("DeleteSecurityGroup", SecurityGroupId=group)
        remove_vpc(ec2, vpc)
