"""IPv6 in VPCs through boto3: ranges, addresses, rules, two guests that meet by it, and routes that lead out and through a guest;
ranges and addresses through Alibaba Cloud's and Tencent's SDKs."""

import contextlib
import ipaddress
import socket
import threading
import uuid

import botocore.exceptions
import pytest

import alibaba_vpc
from test_cvm import Tenant as Tencent
from test_ecs import Tenant
from test_vpcs import SOON, main_table, make_public, public_ip, remove_vpc

ABSENT = "cidr-assoc-00000000000000001"
ICMP6 = {"IpProtocol": "icmpv6", "FromPort": 128, "ToPort": -1}
SSH = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22}


class Network:
    """A VPC of both versions of IP with two guests, of which the first is reached from outside by IPv4."""

    def __init__(self, cloud, folder):
        self.ec2 = cloud.client("ec2")
        self.key = folder / "key.pem"
        self.key.write_text(self.ec2.create_key_pair(KeyName="v6", KeyType="ed25519")["KeyMaterial"])
        self.key.chmod(0o600)
        self.made = self.ec2.create_vpc(CidrBlock="10.60.0.0/16", AmazonProvidedIpv6CidrBlock=True)["Vpc"]
        self.vpc = self.made["VpcId"]
        self.range = ipaddress.ip_network(self.made["Ipv6CidrBlockAssociationSet"][0]["Ipv6CidrBlock"])
        nets = list(self.range.subnets(new_prefix=64))
        self.net = nets[7]
        subnet = self.ec2.create_subnet(VpcId=self.vpc, CidrBlock="10.60.1.0/24", Ipv6CidrBlock=str(self.net))["Subnet"]
        self.subnet, self.tie = subnet["SubnetId"], subnet["Ipv6CidrBlockAssociationSet"][0]
        self.ec2.modify_subnet_attribute(SubnetId=self.subnet, AssignIpv6AddressOnCreation={"Value": True})
        self.gateway = make_public(self.ec2, self.vpc)
        self.open = self.group("open", [{**SSH, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}])
        self.guarded = self.group("guarded", [])
        self.chosen = str(self.net[0x60])
        first = {"DeviceIndex": 0, "SubnetId": self.subnet, "AssociatePublicIpAddress": True, "Groups": [self.open]}
        second = {"DeviceIndex": 0, "SubnetId": self.subnet, "Ipv6Addresses": [{"Ipv6Address": self.chosen}], "Groups": [self.guarded]}
        self.guests = [self.launch(cloud, nic) for nic in (first, second)]

    def group(self, name, rules):
        group = self.ec2.create_security_group(GroupName=name, Description=name, VpcId=self.vpc)["GroupId"]
        if rules:
            self.ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=rules)
        return group

    def launch(self, cloud, nic):
        launched = self.ec2.run_instances(
            ImageId=cloud.image(), InstanceType="t2.micro", MinCount=1, MaxCount=1, KeyName="v6", NetworkInterfaces=[nic]
        )
        return launched["Instances"][0]["InstanceId"]

    def nic(self, guest):
        (found,) = self.ec2.describe_network_interfaces(Filters=[{"Name": "attachment.instance-id", "Values": [guest]}])["NetworkInterfaces"]
        return found

    def addresses(self, guest):
        return [shown["Ipv6Address"] for shown in self.nic(guest).get("Ipv6Addresses", [])]

    def remove(self):
        self.ec2.terminate_instances(InstanceIds=self.guests)
        self.ec2.get_waiter("instance_terminated").wait(InstanceIds=self.guests, WaiterConfig=SOON)
        for group in (self.open, self.guarded):
            rules = self.ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"][0]["IpPermissions"]
            if rules:
                self.ec2.revoke_security_group_ingress(GroupId=group, IpPermissions=rules)
        for group in (self.guarded, self.open):
            self.ec2.delete_security_group(GroupId=group)
        remove_vpc(self.ec2, self.vpc)


@pytest.fixture(scope="module")
def network(cloud, tmp_path_factory):
    made = Network(cloud, tmp_path_factory.mktemp("key"))
    try:
        made.ec2.get_waiter("instance_running").wait(InstanceIds=made.guests, WaiterConfig=SOON)
        yield made
    finally:
        made.remove()


def code(call, **parameters):
    with pytest.raises(botocore.exceptions.ClientError) as refused:
        call(**parameters)
    return refused.value.response["Error"]["Code"]


def test_two_guests_meet_over_ipv6_as_far_as_rules_let_them(network, shell, until):
    ec2, (first, second) = network.ec2, network.guests
    (given,) = network.addresses(first)
    assert ipaddress.ip_address(given) in network.net and network.addresses(second) == [network.chosen]
    (reservation,) = ec2.describe_instances(InstanceIds=[first])["Reservations"]
    (nic,) = reservation["Instances"][0]["NetworkInterfaces"]
    assert [shown["Ipv6Address"] for shown in nic["Ipv6Addresses"]] == [given]
    here = public_ip(ec2, first)

    def says(command):
        return shell(here, network.key, command).stdout

    until(lambda: given in says("ip -6 addr show dev eth0 scope global"), 30, "the address in the guest")
    assert "via fe80::1" in says("ip -6 route show default")

    def pings():
        return "bytes from" in says(f"ping -6 -c 1 -W 2 {network.chosen}")

    def greets():
        return says(f"nc -w 2 {network.chosen} 22 < /dev/null | head -c 4") == "SSH-"

    assert not pings() and not greets(), "the other group lets nobody in"
    member = {**SSH, "UserIdGroupPairs": [{"GroupId": network.open}]}
    ec2.authorize_security_group_ingress(GroupId=network.guarded, IpPermissions=[{**ICMP6, "Ipv6Ranges": [{"CidrIpv6": f"{given}/128"}]}])
    until(pings, 40, "an echo by a rule of IPv6")
    assert not greets(), "the rule is about echoes"
    ec2.authorize_security_group_ingress(GroupId=network.guarded, IpPermissions=[member])
    until(greets, 20, "SSH by a rule that names the first guest's group")
    ec2.revoke_security_group_ingress(GroupId=network.guarded, IpPermissions=[member])
    until(lambda: not greets(), 20, "silence without the rule")
    ec2.authorize_security_group_ingress(GroupId=network.guarded, IpPermissions=[{**SSH, "Ipv6Ranges": [{"CidrIpv6": str(network.range)}]}])
    until(greets, 20, "SSH by a rule about the VPC's range")
    rules = ec2.describe_security_group_rules(Filters=[{"Name": "group-id", "Values": [network.guarded]}])["SecurityGroupRules"]
    assert {rule["CidrIpv6"] for rule in rules if "CidrIpv6" in rule} == {f"{given}/128", str(network.range), "::/0"}
    shown = ec2.describe_security_groups(GroupIds=[network.guarded])["SecurityGroups"][0]
    assert {"CidrIpv6": str(network.range)} in [peer for rule in shown["IpPermissions"] for peer in rule["Ipv6Ranges"]]


def greets_by_ssh(address):
    """Whether somebody at this address answers SSH."""
    try:
        with socket.create_connection((address, 22), timeout=2) as connection:
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False


@contextlib.contextmanager
def greeter(address):
    """A server on the machine that says hello; its port."""
    with socket.create_server((address, 0), family=socket.AF_INET6) as server:

        def answer():
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    with connection:
                        connection.sendall(b"hello")

        threading.Thread(target=answer, daemon=True).start()
        try:
            yield server.getsockname()[1]
        finally:
            server.shutdown(socket.SHUT_RDWR)


def allow(ec2, group, permission):
    """Adds a rule that may be there already."""
    try:
        ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[permission])
    except botocore.exceptions.ClientError as refused:
        assert refused.response["Error"]["Code"] == "InvalidPermission.Duplicate"


def routes6(ec2, table):
    (shown,) = ec2.describe_route_tables(RouteTableIds=[table])["RouteTables"]
    return {route["DestinationIpv6CidrBlock"]: route for route in shown["Routes"] if "DestinationIpv6CidrBlock" in route}


def test_a_guests_own_address_is_reached_as_far_as_routes_lead(network, shell, until):
    ec2, first = network.ec2, network.guests[0]
    (given,) = network.addresses(first)[:1]
    table = main_table(ec2, network.vpc)
    here = public_ip(ec2, first)
    until(lambda: given in shell(here, network.key, "ip -6 addr show dev eth0 scope global").stdout, 60, "the address in the guest")
    world = {"RouteTableId": table, "DestinationIpv6CidrBlock": "::/0"}
    (own,) = routes6(ec2, table).values()
    assert (own["DestinationIpv6CidrBlock"], own["GatewayId"], own["State"]) == (str(network.range), "local", "active")
    ec2.authorize_security_group_ingress(GroupId=network.open, IpPermissions=[{**SSH, "Ipv6Ranges": [{"CidrIpv6": "::/0"}]}])
    assert not greets_by_ssh(given), "no route leads out"
    ec2.create_route(**world, GatewayId=network.gateway)
    assert code(ec2.create_route, **world, GatewayId=network.gateway) == "RouteAlreadyExists"
    until(lambda: greets_by_ssh(given), 30, "SSH by the guest's own address")
    ec2.revoke_security_group_ingress(GroupId=network.open, IpPermissions=[{**SSH, "Ipv6Ranges": [{"CidrIpv6": "::/0"}]}])
    until(lambda: not greets_by_ssh(given), 30, "silence without the rule")
    ec2.authorize_security_group_ingress(GroupId=network.open, IpPermissions=[{**SSH, "Ipv6Ranges": [{"CidrIpv6": "::/0"}]}])
    until(lambda: greets_by_ssh(given), 30, "SSH with the rule")
    machine, _, seen, _ = shell(given, network.key, "echo $SSH_CONNECTION").stdout.split()
    assert seen == given, "nothing is translated"
    with greeter(machine) as port:

        def reaches_out():
            return shell(here, network.key, f"nc -w 2 {machine} {port} < /dev/null").stdout == "hello"

        assert reaches_out()
        tags = [{"ResourceType": "egress-only-internet-gateway", "Tags": [{"Key": "a", "Value": "b"}]}]
        made = ec2.create_egress_only_internet_gateway(VpcId=network.vpc, TagSpecifications=tags)["EgressOnlyInternetGateway"]
        only = made["EgressOnlyInternetGatewayId"]
        try:
            assert made["Attachments"] == [{"State": "attached", "VpcId": network.vpc}]
            listed = ec2.describe_egress_only_internet_gateways(Filters=[{"Name": "tag:a", "Values": ["b"]}])
            assert [row["EgressOnlyInternetGatewayId"] for row in listed["EgressOnlyInternetGateways"]] == [only]
            ec2.replace_route(**world, EgressOnlyInternetGatewayId=only)
            until(lambda: not greets_by_ssh(given), 30, "silence from outside")
            assert reaches_out(), "outward and back"
            assert routes6(ec2, table)["::/0"]["EgressOnlyInternetGatewayId"] == only
        finally:
            assert ec2.delete_egress_only_internet_gateway(EgressOnlyInternetGatewayId=only)["ReturnCode"]
        assert routes6(ec2, table)["::/0"]["State"] == "blackhole"
        until(lambda: not reaches_out(), 30, "silence without the gateway")
        ec2.replace_route(**world, GatewayId=network.gateway)
        until(lambda: greets_by_ssh(given), 30, "SSH by the first gateway again")
        ec2.delete_route(**world)
        until(lambda: not greets_by_ssh(given), 30, "silence without a route")
    assert code(ec2.delete_route, **world) == "InvalidRoute.NotFound"


def test_a_route_of_ipv6_leads_through_a_guest(network, shell, until):
    ec2, (first, second) = network.ec2, network.guests
    table, behind = main_table(ec2, network.vpc), "2001:db8:77::9"
    here = public_ip(ec2, first)
    for permission in ({**SSH, "Ipv6Ranges": [{"CidrIpv6": "::/0"}]}, {**ICMP6, "Ipv6Ranges": [{"CidrIpv6": str(network.range)}]}):
        allow(ec2, network.guarded, permission)
    world = {"RouteTableId": table, "DestinationIpv6CidrBlock": "::/0"}
    ec2.create_route(**world, GatewayId=network.gateway)
    until(lambda: greets_by_ssh(network.chosen), 60, "SSH by the second guest's own address")
    shell(network.chosen, network.key, f"ip -6 addr add {behind}/128 dev lo")
    ec2.delete_route(**world)

    def pings():
        return "bytes from" in shell(here, network.key, f"ping -6 -c 1 -W 2 {behind}").stdout

    assert not pings()
    route = {"RouteTableId": table, "DestinationIpv6CidrBlock": "2001:db8:77::/64"}
    ec2.create_route(**route, InstanceId=second)
    nic = network.nic(second)["NetworkInterfaceId"]
    shown = routes6(ec2, table)["2001:db8:77::/64"]
    assert (shown["InstanceId"], shown["NetworkInterfaceId"], shown["State"]) == (second, nic, "active")
    assert not pings(), "the guest may not forward yet"
    ec2.modify_network_interface_attribute(NetworkInterfaceId=nic, SourceDestCheck={"Value": False})
    until(pings, 40, "an echo of what is behind the guest")
    ec2.delete_route(**route)
    until(lambda: not pings(), 40, "silence without the route")


def test_peered_guests_meet_over_ipv6(cloud, network, shell, until):
    ec2, first = network.ec2, network.guests[0]
    other = ec2.create_vpc(CidrBlock="10.62.0.0/16", AmazonProvidedIpv6CidrBlock=True)["Vpc"]
    vpc, range = other["VpcId"], other["Ipv6CidrBlockAssociationSet"][0]["Ipv6CidrBlock"]
    peering, routes = None, []
    try:
        net = str(next(ipaddress.ip_network(range).subnets(new_prefix=64)))
        subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.62.1.0/24", Ipv6CidrBlock=net)["Subnet"]["SubnetId"]
        (group,) = ec2.describe_security_groups(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["SecurityGroups"]
        allow(ec2, group["GroupId"], {**ICMP6, "Ipv6Ranges": [{"CidrIpv6": str(network.range)}]})
        guest = network.launch(cloud, {"DeviceIndex": 0, "SubnetId": subnet, "Ipv6AddressCount": 1})
        peering = ec2.create_vpc_peering_connection(VpcId=network.vpc, PeerVpcId=vpc)["VpcPeeringConnection"]["VpcPeeringConnectionId"]
        ec2.accept_vpc_peering_connection(VpcPeeringConnectionId=peering)
        (shown,) = ec2.describe_vpc_peering_connections(VpcPeeringConnectionIds=[peering])["VpcPeeringConnections"]
        ends = [shown[end]["Ipv6CidrBlockSet"] for end in ("RequesterVpcInfo", "AccepterVpcInfo")]
        assert ends == [[{"Ipv6CidrBlock": str(network.range)}], [{"Ipv6CidrBlock": range}]]
        for at, to in ((network.vpc, range), (vpc, str(network.range))):
            routes.append({"RouteTableId": main_table(ec2, at), "DestinationIpv6CidrBlock": to})
            ec2.create_route(**routes[-1], VpcPeeringConnectionId=peering)
        shown = routes6(ec2, routes[0]["RouteTableId"])[range]
        assert (shown["VpcPeeringConnectionId"], shown["State"]) == (peering, "active")
        ec2.get_waiter("instance_running").wait(InstanceIds=[guest], WaiterConfig=SOON)
        (given,) = network.addresses(guest)
        here = public_ip(ec2, first)

        def pings():
            return "bytes from" in shell(here, network.key, f"ping -6 -c 1 -W 2 {given}").stdout

        until(pings, 90, "an echo across the peering")
        ec2.delete_route(**routes.pop())
        until(lambda: not pings(), 30, "silence without a way back")
    finally:
        for route in routes:
            ec2.delete_route(**route)
        if peering:
            ec2.delete_vpc_peering_connection(VpcPeeringConnectionId=peering)
        remove_vpc(ec2, vpc)


def test_a_running_guest_is_given_addresses_and_loses_them(network, shell, until):
    ec2, first = network.ec2, network.guests[0]
    nic = network.nic(first)["NetworkInterfaceId"]
    further = str(network.net[0x61])
    assert code(ec2.assign_ipv6_addresses, NetworkInterfaceId=nic, Ipv6Addresses=[network.chosen]) == "InvalidIPAddress.InUse"
    assert code(ec2.assign_ipv6_addresses, NetworkInterfaceId=nic, Ipv6Addresses=[str(network.net[2])]) == "InvalidParameterValue"
    reply = ec2.assign_ipv6_addresses(NetworkInterfaceId=nic, Ipv6Addresses=[further])
    assert reply["AssignedIpv6Addresses"] == [further] and further in network.addresses(first)
    assert code(ec2.assign_ipv6_addresses, NetworkInterfaceId=nic, Ipv6AddressCount=1) == "ResourceLimitExceeded", "a t2.micro has two"
    here = public_ip(ec2, first)
    until(lambda: further in shell(here, network.key, "ip -6 addr show dev eth0").stdout, 90, "the further address in the guest")
    assert ec2.unassign_ipv6_addresses(NetworkInterfaceId=nic, Ipv6Addresses=[further])["UnassignedIpv6Addresses"] == [further]
    assert further not in network.addresses(first)
    assert code(ec2.unassign_ipv6_addresses, NetworkInterfaceId=nic, Ipv6Addresses=[further]) == "InvalidParameterValue"


def test_ranges_come_and_go_and_no_two_vpcs_share_one(network):
    ec2 = network.ec2
    assert network.range.prefixlen == 56 and network.tie["Ipv6CidrBlockState"] == {"State": "associated"}
    vpc = ec2.create_vpc(CidrBlock="10.60.0.0/16")["Vpc"]
    subnet = ec2.create_subnet(VpcId=vpc["VpcId"], CidrBlock="10.60.1.0/24")["Subnet"]["SubnetId"]
    try:
        assert "Ipv6CidrBlockAssociationSet" not in vpc
        tied = ec2.associate_vpc_cidr_block(VpcId=vpc["VpcId"], AmazonProvidedIpv6CidrBlock=True)["Ipv6CidrBlockAssociation"]
        other = ipaddress.ip_network(tied["Ipv6CidrBlock"])
        assert not other.overlaps(network.range)
        assert code(ec2.associate_vpc_cidr_block, VpcId=vpc["VpcId"], AmazonProvidedIpv6CidrBlock=True) == "CidrLimitExceeded"
        (group,) = ec2.describe_security_groups(Filters=[{"Name": "vpc-id", "Values": [vpc["VpcId"]]}])["SecurityGroups"]
        assert group["IpPermissionsEgress"][0]["Ipv6Ranges"] == [{"CidrIpv6": "::/0"}], "as EC2 documents it"
        refused = [(f"{other.network_address}/56", "InvalidParameterValue"), (str(network.net), "InvalidParameterValue")]
        for wrong, why in refused:
            assert code(ec2.associate_subnet_cidr_block, SubnetId=subnet, Ipv6CidrBlock=wrong) == why
        net = str(next(other.subnets(new_prefix=64)))
        tie = ec2.associate_subnet_cidr_block(SubnetId=subnet, Ipv6CidrBlock=net)["Ipv6CidrBlockAssociation"]
        (shown,) = ec2.describe_subnets(SubnetIds=[subnet])["Subnets"]
        assert [own["Ipv6CidrBlock"] for own in shown["Ipv6CidrBlockAssociationSet"]] == [net]
        assert code(ec2.disassociate_vpc_cidr_block, AssociationId=tied["AssociationId"]) == "InvalidCidrBlock.InUse"
        nic = ec2.create_network_interface(SubnetId=subnet, Ipv6AddressCount=2)["NetworkInterface"]
        assert len({shown["Ipv6Address"] for shown in nic["Ipv6Addresses"]}) == 2
        assert code(ec2.disassociate_subnet_cidr_block, AssociationId=tie["AssociationId"]) == "InvalidCidrBlock.InUse"
        ec2.delete_network_interface(NetworkInterfaceId=nic["NetworkInterfaceId"])
        gone = ec2.disassociate_subnet_cidr_block(AssociationId=tie["AssociationId"])
        assert gone["Ipv6CidrBlockAssociation"]["Ipv6CidrBlockState"]["State"] == "disassociated"
        assert ec2.disassociate_vpc_cidr_block(AssociationId=tied["AssociationId"])["VpcId"] == vpc["VpcId"]
        assert code(ec2.disassociate_vpc_cidr_block, AssociationId=tied["AssociationId"]) == "InvalidVpcCidrBlockAssociationID.NotFound"
        assert code(ec2.disassociate_subnet_cidr_block, AssociationId="subnet-" + ABSENT) == "InvalidSubnetCidrBlockAssociationID.NotFound"
        assert code(ec2.create_network_interface, SubnetId=subnet, Ipv6AddressCount=1) == "InvalidParameterCombination"
    finally:
        ec2.delete_subnet(SubnetId=subnet)
        ec2.delete_vpc(VpcId=vpc["VpcId"])


def test_ranges_and_addresses_through_alibabas_sdk(simulated):
    tenant = Tenant(simulated, f"v6-{uuid.uuid4().hex[:8]}")
    vpc = alibaba_vpc.call(tenant, "CreateVpc", CidrBlock="192.168.0.0/16")["VpcId"]
    zone = tenant.call("DescribeZones")["Zones"]["Zone"][0]["ZoneId"]
    alibaba_vpc.call(tenant, "AssociateVpcCidrBlock", VpcId=vpc, IpVersion="IPV6")
    (shown,) = alibaba_vpc.call(tenant, "DescribeVpcs", VpcId=vpc)["Vpcs"]["Vpc"]
    net = list(ipaddress.ip_network(shown["Ipv6CidrBlock"]).subnets(new_prefix=64))[7]
    switch = {"VpcId": vpc, "ZoneId": zone, "CidrBlock": "192.168.1.0/24"}
    subnet = alibaba_vpc.call(tenant, "CreateVSwitch", Ipv6CidrBlock=7, **switch)["VSwitchId"]
    assert alibaba_vpc.call(tenant, "DescribeVSwitchAttributes", VSwitchId=subnet)["Ipv6CidrBlock"] == str(net)
    group = tenant.call("CreateSecurityGroup", VpcId=vpc)["SecurityGroupId"]
    nic = tenant.call("CreateNetworkInterface", VSwitchId=subnet, SecurityGroupId=group)["NetworkInterfaceId"]
    chosen = str(net[0x60])
    assert tenant.call("AssignIpv6Addresses", NetworkInterfaceId=nic, Ipv6Address__1=chosen)["Ipv6Sets"]["Ipv6Address"] == [chosen]
    (shown,) = tenant.call("DescribeNetworkInterfaces", NetworkInterfaceId__1=nic)["NetworkInterfaceSets"]["NetworkInterfaceSet"]
    assert shown["Ipv6Sets"]["Ipv6Set"] == [{"Ipv6Address": chosen}]
    tenant.call("UnassignIpv6Addresses", NetworkInterfaceId=nic, Ipv6Address__1=chosen)
    tenant.call("DeleteNetworkInterface", NetworkInterfaceId=nic)
    alibaba_vpc.call(tenant, "DeleteVSwitch", VSwitchId=subnet)
    range = alibaba_vpc.call(tenant, "DescribeVpcAttribute", VpcId=vpc)["Ipv6CidrBlock"]
    alibaba_vpc.call(tenant, "UnassociateVpcCidrBlock", VpcId=vpc, IPv6CidrBlock=range)
    assert alibaba_vpc.call(tenant, "DescribeVpcAttribute", VpcId=vpc)["Ipv6CidrBlock"] == ""


def test_ranges_and_addresses_through_tencents_sdk(simulated):
    tenant = Tencent(simulated, f"v6-{uuid.uuid4().hex[:8]}")
    vpc = tenant.call("CreateVpc", VpcName="six", CidrBlock="10.61.0.0/16")["Vpc"]["VpcId"]
    made = tenant.call("AssignIpv6CidrBlock", VpcId=vpc)
    range = ipaddress.ip_network(made["Ipv6CidrBlock"])
    assert range.prefixlen == 56 and made["AddressType"] == "ULA"
    zone = tenant.call("DescribeZones")["ZoneSet"][0]["Zone"]
    subnet = tenant.call("CreateSubnet", VpcId=vpc, SubnetName="six", CidrBlock="10.61.1.0/24", Zone=zone)["Subnet"]["SubnetId"]
    net = list(range.subnets(new_prefix=64))[7]
    block = {"VpcId": vpc, "Ipv6SubnetCidrBlocks": [{"SubnetId": subnet, "Ipv6CidrBlock": str(net)}]}
    assert tenant.call("AssignIpv6SubnetCidrBlock", **block)["Ipv6SubnetCidrBlockSet"] == block["Ipv6SubnetCidrBlocks"]
    chosen = str(net[0x60])
    new = {"VpcId": vpc, "SubnetId": subnet, "NetworkInterfaceName": "six", "Ipv6Addresses": [{"Address": chosen}]}
    nic = tenant.call("CreateNetworkInterface", **new)["NetworkInterface"]["NetworkInterfaceId"]
    (drawn,) = tenant.call("AssignIpv6Addresses", NetworkInterfaceId=nic, Ipv6AddressCount=1)["Ipv6AddressSet"]
    assert ipaddress.ip_address(drawn["Address"]) in net
    (shown,) = tenant.call("DescribeNetworkInterfaces", NetworkInterfaceIds=[nic])["NetworkInterfaceSet"]
    assert [one["Address"] for one in shown["Ipv6AddressSet"]] == [chosen, drawn["Address"]]
    assert tenant.refused("UnassignIpv6SubnetCidrBlock", **block) == "ResourceInUse"
    tenant.call("UnassignIpv6Addresses", NetworkInterfaceId=nic, Ipv6Addresses=[{"Address": chosen}, {"Address": drawn["Address"]}])
    tenant.call("DeleteNetworkInterface", NetworkInterfaceId=nic)
    tenant.call("UnassignIpv6SubnetCidrBlock", **block)
    tenant.call("UnassignIpv6CidrBlock", VpcId=vpc, Ipv6CidrBlock=str(range))
    (shown,) = tenant.call("DescribeVpcs", VpcIds=[vpc])["VpcSet"]
    assert shown["Ipv6CidrBlock"] == ""
    tenant.call("DeleteSubnet", SubnetId=subnet)
    tenant.call("DeleteVpc", VpcId=vpc)
