"""NAT gateways of Alibaba Cloud's and Tencent's VPC: one private guest, reached by ports of gateways and going out with their addresses."""

import pytest

import alibaba_vpc
import test_cvm
import test_ecs
from conftest import tried
from test_ecs import Refused
from test_vpcs import let_in, remove_vpc, visitors

assert visitors  # a fixture, by its name

RANGE, SUBNET, GUEST = "10.30.0.0/16", "10.30.1.0/24", "10.30.1.10"


class Owner:
    """An account of its own with a VPC, a vSwitch and a guest in it that has no public address."""

    def __init__(self, cloud, folder):
        access, secret, _ = cloud.account("nat")
        self.ec2 = cloud.client("ec2", key=access, secret=secret)
        self.alibaba = test_ecs.Tenant(cloud, "", access, secret)
        self.tencent = test_cvm.Tenant(cloud, "", access, secret)
        self.key = folder / "nat.pem"
        self.key.write_text(self.ec2.create_key_pair(KeyName="nat", KeyType="ed25519")["KeyMaterial"])
        self.key.chmod(0o600)
        self.vpc = self.vpc_call("CreateVpc", CidrBlock=RANGE)["VpcId"]
        self.subnet = self.vpc_call("CreateVSwitch", VpcId=self.vpc, ZoneId="local-1a", CidrBlock=SUBNET)["VSwitchId"]
        let_in(self.ec2, self.vpc)

    def vpc_call(self, action, **parameters):
        return alibaba_vpc.call(self.alibaba, action, **parameters)

    def refused(self, action, **parameters):
        with pytest.raises(Refused) as refused:
            self.vpc_call(action, **parameters)
        return refused.value.code

    def eip(self):
        made = self.vpc_call("AllocateEipAddress")
        return made["AllocationId"], made["EipAddress"]

    def shown(self, gateway):
        (found,) = self.vpc_call("DescribeNatGateways", NatGatewayId=gateway)["NatGateways"]["NatGateway"]
        return found

    def remove(self):
        for gateway in self.vpc_call("DescribeNatGateways")["NatGateways"]["NatGateway"]:
            self.vpc_call("DeleteNatGateway", NatGatewayId=gateway["NatGatewayId"], Force=True)
        for address in self.ec2.describe_addresses()["Addresses"]:
            self.ec2.release_address(AllocationId=address["AllocationId"])
        remove_vpc(self.ec2, self.vpc)


@pytest.fixture(scope="module")
def owner(cloud, tmp_path_factory):
    owner = Owner(cloud, tmp_path_factory.mktemp("keys"))
    try:
        (owner.guest,) = owner.alibaba.run(VSwitchId=owner.subnet, PrivateIpAddress=GUEST, KeyPairName="nat")
        owner.alibaba.wait([owner.guest], "Running")
        yield owner
    finally:
        owner.remove()


def at(owner, ip, port, command):
    """Runs a command on the guest by way of a port of an address."""
    options = ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR", "-o", "BatchMode=yes"]
    line = ["ssh", "-i", str(owner.key), "-p", str(port), *options, "-o", "ConnectTimeout=3", f"root@{ip}", command]
    return tried(line)


def seen_from(owner, ip, port, visitors):
    """Which addresses the machine sees a page of the guest's be asked for from."""
    page, seen = visitors
    seen.clear()
    machine = at(owner, ip, port, "echo $SSH_CLIENT").stdout.split()[0]
    done = at(owner, ip, port, f"printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 2 {machine} {page}")
    return (done.stdout.endswith("hello"), set(seen))


def test_alibabas_gateway_leads_out_and_in(owner, until, visitors):
    made = owner.vpc_call("CreateNatGateway", VpcId=owner.vpc, VSwitchId=owner.subnet, NatType="Enhanced", Name="gate")
    gateway, snat, dnat = made["NatGatewayId"], made["SnatTableIds"]["SnatTableId"][0], made["ForwardTableIds"]["ForwardTableId"][0]
    hops = [entry for entry in owner.vpc_call("DescribeRouteEntryList", RouteTableId=main_table(owner))["RouteEntrys"]["RouteEntry"] if entry["DestinationCidrBlock"] == "0.0.0.0/0"]
    assert [hop["NextHops"]["NextHop"][0]["NextHopId"] for hop in hops] == [gateway], "the system table sends everything to it"
    (first, one), (second, other) = owner.eip(), owner.eip()
    for allocation in (first, second):
        owner.vpc_call("AssociateEipAddress", AllocationId=allocation, InstanceId=gateway, InstanceType="Nat")
    assert owner.refused("AssociateEipAddress", AllocationId=first, InstanceId=gateway, InstanceType="Nat") == "IncorrectEipStatus"
    (tied,) = owner.vpc_call("DescribeEipAddresses", AllocationId=first)["EipAddresses"]["EipAddress"]
    assert (tied["Status"], tied["InstanceType"], tied["InstanceId"]) == ("InUse", "Nat", gateway)

    entry = {"ForwardTableId": dnat, "ExternalIp": one, "InternalIp": GUEST, "IpProtocol": "TCP"}
    forward = owner.vpc_call("CreateForwardEntry", **entry, ExternalPort="2022", InternalPort="22", ForwardEntryName="ssh")["ForwardEntryId"]
    until(lambda: at(owner, one, 2022, "true").returncode == 0, 90, "SSH by a port of the gateway")
    assert at(owner, one, 2022, "wget -q -O - http://100.100.100.200/latest/meta-data/instance-id").stdout == owner.guest
    assert seen_from(owner, one, 2022, visitors) == (False, set()), "no SNAT entry, no way out"
    source = owner.vpc_call("CreateSnatEntry", SnatTableId=snat, SourceVSwitchId=owner.subnet, SnatIp=other)["SnatEntryId"]
    until(lambda: seen_from(owner, one, 2022, visitors) == (True, {other}), 20, "a page with the entry's address")
    owner.vpc_call("ModifySnatEntry", SnatTableId=snat, SnatEntryId=source, SnatIp=one, SnatEntryName="out")
    until(lambda: seen_from(owner, one, 2022, visitors) == (True, {one}), 20, "a page with the changed address")
    (listed,) = owner.vpc_call("DescribeSnatTableEntries", NatGatewayId=gateway)["SnatTableEntries"]["SnatTableEntry"]
    assert (listed["SnatIp"], listed["SourceCIDR"], listed["SnatEntryName"]) == (one, SUBNET, "out")

    owner.vpc_call("ModifyForwardEntry", ForwardTableId=dnat, ForwardEntryId=forward, ExternalPort="3020/3022", InternalPort="20/22")
    until(lambda: at(owner, one, 3022, "true").returncode == 0, 20, "SSH by a range of ports")
    assert at(owner, one, 2022, "true").returncode != 0
    (listed,) = owner.vpc_call("DescribeForwardTableEntries", ForwardTableId=dnat)["ForwardTableEntries"]["ForwardTableEntry"]
    assert (listed["ExternalPort"], listed["InternalPort"], listed["IpProtocol"], listed["Status"]) == ("3020/3022", "20/22", "tcp", "Available")
    refusals(owner, gateway, snat, dnat, entry, first)

    whole = owner.vpc_call("CreateForwardEntry", ForwardTableId=dnat, ExternalIp=other, InternalIp=GUEST, IpProtocol="Any", ExternalPort="Any", InternalPort="Any")
    until(lambda: at(owner, other, 22, "true").returncode == 0, 20, "SSH by an address that is the guest's as a whole")
    assert seen_from(owner, other, 22, visitors) == (True, {other}), "it leaves with the address that is wholly its own"
    owner.vpc_call("DeleteForwardEntry", ForwardTableId=dnat, ForwardEntryId=whole["ForwardEntryId"])
    assert at(owner, other, 22, "true").returncode != 0

    assert owner.refused("DeleteNatGateway", NatGatewayId=gateway) == "DependencyViolation.ForwardEntry"
    owner.vpc_call("DeleteForwardEntry", ForwardTableId=dnat, ForwardEntryId=forward)
    assert owner.refused("DeleteNatGateway", NatGatewayId=gateway) == "DependencyViolation.SnatEntry"
    owner.vpc_call("DeleteSnatEntry", SnatTableId=snat, SnatEntryId=source)
    assert owner.refused("DeleteNatGateway", NatGatewayId=gateway) == "DependencyViolation.EIPS"
    owner.vpc_call("ModifyNatGatewayAttribute", NatGatewayId=gateway, Name="gone", Description="soon")
    assert (owner.shown(gateway)["Name"], len(owner.shown(gateway)["IpLists"]["IpList"])) == ("gone", 2)
    owner.vpc_call("UnassociateEipAddress", AllocationId=first, InstanceId=gateway, InstanceType="Nat")
    owner.vpc_call("UnassociateEipAddress", AllocationId=second)
    owner.vpc_call("DeleteNatGateway", NatGatewayId=gateway)
    for allocation in (first, second):
        owner.vpc_call("ReleaseEipAddress", AllocationId=allocation)
    assert owner.vpc_call("DescribeNatGateways", NatGatewayId=gateway)["TotalCount"] == 0


def main_table(owner):
    filters = [{"Name": "vpc-id", "Values": [owner.vpc]}, {"Name": "association.main", "Values": ["true"]}]
    return owner.ec2.describe_route_tables(Filters=filters)["RouteTables"][0]["RouteTableId"]


def refusals(owner, gateway, snat, dnat, entry, first):
    """What stands in another's way, or leads nowhere, is refused in VPC's words."""
    for code, action, parameters in [
        ("Forbidden.ForwardEntry.Duplicated", "CreateForwardEntry", {**entry, "ExternalPort": "3021", "InternalPort": "80"}),
        ("Forbidden.InternalIpOutOfVpcCIDR", "CreateForwardEntry", {**entry, "ExternalPort": "80", "InternalPort": "80", "InternalIp": "10.31.0.5"}),
        ("InvalidInternalPort.Malformed", "CreateForwardEntry", {**entry, "ExternalPort": "80/90", "InternalPort": "80"}),
        ("InvalidExternalPort.Malformed", "CreateForwardEntry", {**entry, "ExternalPort": "http", "InternalPort": "80"}),
        ("InvalidAllocationId.NotFound", "CreateForwardEntry", {**entry, "ExternalPort": "80", "InternalPort": "80", "ExternalIp": "192.0.2.1"}),
        ("InvalidForwardTableId.NotFound", "CreateForwardEntry", {**entry, "ExternalPort": "80", "InternalPort": "80", "ForwardTableId": "ftb-1"}),
        ("Forbidden.SourceVSwitchId.Duplicated", "CreateSnatEntry", {"SnatTableId": snat, "SourceVSwitchId": owner.subnet, "SnatIp": entry["ExternalIp"]}),
        ("InvalidSnatEntryId.NotFound", "DeleteSnatEntry", {"SnatTableId": snat, "SnatEntryId": "snat-00000000000000001"}),
        ("Forbidden.IpUsedInSnatTable", "UnassociateEipAddress", {"AllocationId": first, "InstanceId": gateway, "InstanceType": "Nat"}),
        ("IncorrectEipStatus", "ReleaseEipAddress", {"AllocationId": first}),
    ]:
        assert owner.refused(action, **parameters) == code, (action, parameters)


def test_tencents_gateway_leads_out_and_in(owner, until, visitors):
    tencent = owner.tencent
    vpc, subnet = owner.vpc, owner.subnet
    new = {"NatGatewayName": "gate", "VpcId": vpc, "InternetMaxBandwidthOut": 100, "MaxConcurrentConnection": 1000000}
    (made,) = tencent.call("CreateNatGateway", **new, AddressCount=2)["NatGatewaySet"]
    gateway = {"NatGatewayId": made["NatGatewayId"]}
    one, other = (address["PublicIpAddress"] for address in made["PublicIpAddressSet"])
    rule = {"IpProtocol": "TCP", "PublicIpAddress": one, "PublicPort": 2022, "PrivateIpAddress": GUEST, "PrivatePort": 22}
    forwards = "DestinationIpPortTranslationNatRule"
    tencent.call("CreateNatGatewayDestinationIpPortTranslationNatRule", **gateway, **{f"{forwards}s": [{**rule, "Description": "ssh"}]})
    until(lambda: at(owner, one, 2022, "true").returncode == 0, 60, "SSH by a port of the gateway")
    assert seen_from(owner, one, 2022, visitors) == (False, set()), "no route leads out"
    route = {"DestinationCidrBlock": "0.0.0.0/0", "GatewayType": "NAT", "GatewayId": made["NatGatewayId"]}
    tencent.call("CreateRoutes", RouteTableId=main_table(owner), Routes=[route])
    found, seen = until(lambda: (got := seen_from(owner, one, 2022, visitors))[0] and got, 20, "a page by the route")
    assert found and seen < {one, other} and len(seen) == 1, "one of the gateway's addresses"

    sources = "SourceIpTranslationNatRule"
    for kind, address in ((("SUBNET", subnet, SUBNET), one), (("NETWORKINTERFACE", owner.guest.replace("i-", "ins-"), GUEST), other)):
        said = {"ResourceType": kind[0], "ResourceId": kind[1], "PrivateIpAddress": kind[2], "PublicIpAddresses": [address]}
        tencent.call("CreateNatGatewaySourceIpTranslationNatRule", **gateway, **{f"{sources}s": [said]})
        until(lambda: seen_from(owner, one, 2022, visitors) == (True, {address}), 20, f"a page with the address of a {kind[0]}")
    listed = tencent.call("DescribeNatGatewaySourceIpTranslationNatRules", **gateway)[f"{sources}Set"]
    assert [row["ResourceType"] for row in listed] == ["SUBNET", "NETWORKINTERFACE"]
    assert listed[1]["ResourceId"] == owner.guest.replace("i-", "ins-")
    changed = {key: listed[1][key] for key in ("ResourceId", "ResourceType", "PrivateIpAddress", "NatGatewaySnatId")}
    tencent.call("ModifyNatGatewaySourceIpTranslationNatRule", **gateway, **{sources: {**changed, "PublicIpAddresses": [one]}})
    until(lambda: seen_from(owner, one, 2022, visitors) == (True, {one}), 20, "a page with the changed address")

    assert tencent.refused("CreateNatGatewayDestinationIpPortTranslationNatRule", **gateway, **{f"{forwards}s": [rule]}) == "InvalidParameterValue.NatGatewayDnatRuleExisted"
    outside = {**rule, "PublicPort": 80, "PrivateIpAddress": "10.31.0.1"}
    assert tencent.refused("CreateNatGatewayDestinationIpPortTranslationNatRule", **gateway, **{f"{forwards}s": [outside]}) == "InvalidParameterValue.NatGatewayDnatRulePipNeedVm"
    tencent.call("ModifyNatGatewayDestinationIpPortTranslationNatRule", **gateway, SourceNatRule=rule, DestinationNatRule={**rule, "PublicPort": 3022, "PublicIpAddress": other})
    until(lambda: at(owner, other, 3022, "true").returncode == 0, 20, "SSH by the other address and port")
    assert at(owner, one, 2022, "true").returncode != 0
    (shown,) = tencent.call("DescribeNatGatewayDestinationIpPortTranslationNatRules", Filters=[{"Name": "public-port", "Values": ["3022"]}])[f"NatGateway{forwards}Set"]
    assert (shown["PublicIpAddress"], shown["NatGatewayId"]) == (other, made["NatGatewayId"])
    assert tencent.refused("DisassociateNatGatewayAddress", **gateway, PublicIpAddresses=[other]) == "UnsupportedOperation"

    done = tencent.tccli("vpc", "ModifyNatGatewayAttribute", "--NatGatewayId", made["NatGatewayId"], "--NatGatewayName", "renamed")
    assert done.returncode == 0, done
    (shown,) = tencent.call("DescribeNatGateways", Filters=[{"Name": "vpc-id", "Values": [vpc]}])["NatGatewaySet"]
    assert (shown["NatGatewayName"], shown["State"], len(shown["PublicIpAddressSet"])) == ("renamed", "AVAILABLE", 2)
    at_one = {**rule, "PublicPort": 3022, "PublicIpAddress": other}
    tencent.call("DeleteNatGatewayDestinationIpPortTranslationNatRule", **gateway, **{f"{forwards}s": [at_one]})
    tencent.call("DeleteNatGatewaySourceIpTranslationNatRule", **gateway, NatGatewaySnatIds=[row["NatGatewaySnatId"] for row in listed])
    tencent.call("DisassociateNatGatewayAddress", **gateway, PublicIpAddresses=[other])
    tencent.call("AssociateNatGatewayAddress", **gateway, PublicIpAddresses=[other])
    tencent.call("DeleteNatGateway", **gateway)
    assert tencent.refused("DescribeNatGateways", NatGatewayIds=[made["NatGatewayId"]]) == "ResourceNotFound"
    (main,) = tencent.call("DescribeRouteTables", RouteTableIds=[main_table(owner)])["RouteTableSet"]
    assert main["RouteSet"] == [], "its routes went with it"
    free = tencent.call("DescribeAddresses")["AddressSet"]
    assert {row["AddressIp"] for row in free if row["AddressStatus"] == "UNBIND"} >= {one, other}
    tencent.call("ReleaseAddresses", AddressIds=[row["AddressId"] for row in free])
