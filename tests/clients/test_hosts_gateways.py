"""Peerings and NAT gateways on two hosts: guests of two VPCs meet across, and one without a public address leaves and is reached by
a gateway whose home is the other host."""

import http.server
import threading

import botocore.exceptions
import conftest
import pytest

import alibaba_vpc
import test_ecs
from hosts import hosted, inside
from test_hosts import SOON, TYPE
from test_vpcs import by_way_of, main_table, make_public, public_ip, remove_vpc

PRIVATE = "10.8.2.10"


@pytest.fixture(scope="module")
def cloud():
    with hosted(2, "--zones", "local-1a", "--cpu-overcommit", "1") as cloud:
        yield cloud


@pytest.fixture(scope="module")
def ec2(cloud):
    return cloud.client()


def rule(protocol, port, **peer):
    return {"IpProtocol": protocol, "FromPort": port, "ToPort": port, **peer}


class Side:
    """A VPC with an internet gateway, a group that lets in SSH and ping, and guests in it."""

    def __init__(self, cloud, ec2, key, octet):
        self.cloud, self.ec2, self.key = cloud, ec2, key
        self.range, self.octet = f"10.{octet}.0.0/16", octet
        self.vpc = ec2.create_vpc(CidrBlock=self.range)["Vpc"]["VpcId"]
        make_public(ec2, self.vpc)
        self.tables = [main_table(ec2, self.vpc)]
        self.subnet = self.make_subnet(1)
        self.group = ec2.create_security_group(GroupName="side", Description="a side", VpcId=self.vpc)["GroupId"]
        self.world = [rule("tcp", 22, IpRanges=[{"CidrIp": "0.0.0.0/0"}]), rule("icmp", -1, IpRanges=[{"CidrIp": "0.0.0.0/0"}])]
        ec2.authorize_security_group_ingress(GroupId=self.group, IpPermissions=self.world)

    def make_subnet(self, number):
        return self.ec2.create_subnet(VpcId=self.vpc, CidrBlock=f"10.{self.octet}.{number}.0/24")["Subnet"]["SubnetId"]

    def launch(self, subnet, ip, public):
        nic = {"DeviceIndex": 0, "SubnetId": subnet, "Groups": [self.group], "PrivateIpAddress": ip, "AssociatePublicIpAddress": public}
        made = self.ec2.run_instances(
            ImageId=self.cloud.image(), InstanceType=TYPE, MinCount=1, MaxCount=1, KeyName="gateways", NetworkInterfaces=[nic]
        )
        return Guest(self, made["Instances"][0]["InstanceId"], ip)

    def route(self, other, peering):
        for table in self.tables:
            self.ec2.create_route(RouteTableId=table, DestinationCidrBlock=other.range, VpcPeeringConnectionId=peering)


class Guest:
    """An instance with its private address."""

    def __init__(self, side, id, ip):
        self.side, self.id, self.ip = side, id, ip

    @property
    def host(self):
        (host,) = [host for host in self.side.cloud.hosts if host.has(self.id)]
        return host

    @property
    def public(self):
        return public_ip(self.side.ec2, self.id)

    def greets(self, other):
        """Whether the SSH server of another guest greets this one by its private address."""
        asked = f"nc -w 3 {other.ip} 22 < /dev/null | head -c 4"
        return conftest.ssh(self.public, self.side.key, asked, within=180).stdout == "SSH-"


@pytest.fixture(scope="module")
def world(cloud, ec2, tmp_path_factory):
    """Two VPCs with a guest on either host each; the second guest of the first VPC has no public address, and its NAT gateway is at
    home where the first one is."""
    key = tmp_path_factory.mktemp("keys") / "gateways.pem"
    key.write_text(ec2.create_key_pair(KeyName="gateways", KeyType="ed25519")["KeyMaterial"])
    key.chmod(0o600)
    near, far = Side(cloud, ec2, key, 8), Side(cloud, ec2, key, 9)
    inner = near.make_subnet(2)
    near.tables.append(ec2.create_route_table(VpcId=near.vpc)["RouteTable"]["RouteTableId"])
    ec2.associate_route_table(RouteTableId=near.tables[1], SubnetId=inner)
    address = ec2.allocate_address()
    gateway = None
    try:
        # A host has room for two, and one is filled before the other.
        first = [near.launch(near.subnet, "10.8.1.10", True), far.launch(far.subnet, "10.9.1.10", True)]
        ec2.get_waiter("instance_running").wait(InstanceIds=[guest.id for guest in first], WaiterConfig=SOON)
        gateway = ec2.create_nat_gateway(SubnetId=near.subnet, AllocationId=address["AllocationId"])["NatGateway"]["NatGatewayId"]
        ec2.get_waiter("nat_gateway_available").wait(NatGatewayIds=[gateway], WaiterConfig=SOON)
        ec2.create_route(RouteTableId=near.tables[1], DestinationCidrBlock="0.0.0.0/0", NatGatewayId=gateway)
        second = [near.launch(inner, PRIVATE, False), far.launch(far.subnet, "10.9.1.11", True)]
        ec2.get_waiter("instance_running").wait(InstanceIds=[guest.id for guest in second], WaiterConfig=SOON)
        assert [guest.host.name for guest in (*first, *second)] == [first[0].host.name] * 2 + [second[0].host.name] * 2
        assert first[0].host.name != second[0].host.name
        yield near, far, first, second, gateway, address["PublicIp"]
    finally:
        if gateway:
            ec2.delete_nat_gateway(NatGatewayId=gateway)
        ec2.release_address(AllocationId=address["AllocationId"])
        for side in (near, far):
            ids = [
                instance["InstanceId"]
                for found in ec2.describe_instances(Filters=[{"Name": "vpc-id", "Values": [side.vpc]}])["Reservations"]
                for instance in found["Instances"]
            ]
            if ids:
                ec2.terminate_instances(InstanceIds=ids)
                ec2.get_waiter("instance_terminated").wait(InstanceIds=ids, WaiterConfig=SOON)
        for side in (near, far):
            rules = ec2.describe_security_groups(GroupIds=[side.group])["SecurityGroups"][0]["IpPermissions"]
            if rules:
                ec2.revoke_security_group_ingress(GroupId=side.group, IpPermissions=rules)
        for side in (near, far):
            ec2.delete_security_group(GroupId=side.group)
            remove_vpc(ec2, side.vpc)


def test_guests_of_peered_vpcs_meet_from_host_to_host(ec2, world, until):
    near, far, (a, _), (_, b), *_ = world
    assert not a.greets(b), "no peering"
    peering = ec2.create_vpc_peering_connection(VpcId=near.vpc, PeerVpcId=far.vpc)["VpcPeeringConnection"]["VpcPeeringConnectionId"]
    ec2.accept_vpc_peering_connection(VpcPeeringConnectionId=peering)
    near.route(far, peering)
    assert not a.greets(b), "no route leads back"
    far.route(near, peering)
    until(lambda: a.greets(b), 20, "SSH of the guest on the other host")
    assert b.greets(a)
    # The four of them, in each direction: some on one host, some not.
    for guest in (world[2][0], world[2][1], world[3][1]):
        for other in (*world[2], *world[3]):
            if guest.side is not other.side:
                assert guest.greets(other), (guest.ip, other.ip)
    # Only members of a group of the other VPC are let in, and at once.
    ec2.revoke_security_group_ingress(GroupId=far.group, IpPermissions=far.world[:1])
    try:
        ec2.authorize_security_group_ingress(GroupId=far.group, IpPermissions=[rule("tcp", 22, UserIdGroupPairs=[{"GroupId": near.group}])])
        until(lambda: a.greets(b), 20, "SSH by a rule that names the other VPC's group")
        ec2.revoke_security_group_ingress(GroupId=far.group, IpPermissions=[rule("tcp", 22, UserIdGroupPairs=[{"GroupId": near.group}])])
        until(lambda: not a.greets(b), 20, "silence without the rule")
    finally:
        ec2.authorize_security_group_ingress(GroupId=far.group, IpPermissions=far.world[:1])
    until(lambda: a.greets(b), 20, "SSH again")
    ec2.delete_vpc_peering_connection(VpcPeeringConnectionId=peering)
    until(lambda: not a.greets(b), 20, "silence without the peering")


class Pages:
    """A web server on the machine of a host, and the addresses that its visitors came from."""

    def __init__(self, host):
        seen = self.seen = []

        class Page(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                seen.append(self.client_address[0])
                self.send_response(200)
                self.end_headers()
                self.wfile.write(b"hello")

            def log_message(self, *_):
                pass

        with inside(host.namespace):
            self.server = http.server.ThreadingHTTPServer(("0.0.0.0", 0), Page)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        words = host.run("ip", "-o", "-4", "address").stdout.split()
        # How guests on other hosts know the machine, and those on its own.
        (self.ip,) = [word.split("/")[0] for word in words if word.startswith("100.127.")]
        self.port = self.server.server_port

    def end(self):
        self.server.shutdown()
        self.server.server_close()


def test_a_guest_leaves_by_a_nat_gateway_whose_home_is_the_other_host(cloud, world, until):
    near, _, (jump, _), (private, _), _, address = world
    run = lambda command: by_way_of(jump.public, private.ip, near.key, command)
    until(lambda: run("true").returncode == 0, 120, "SSH of the private guest")
    pages = [Pages(host) for host in cloud.hosts]
    try:
        for page in pages:
            fetched = lambda: run(f"printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 3 {page.ip} {page.port}").stdout.endswith("hello")
            until(fetched, 20, "a page of a host's machine")
            assert set(page.seen) == {address}
    finally:
        for page in pages:
            page.end()


def test_a_port_of_the_gateway_leads_to_the_guest_on_the_other_host_from_every_host(cloud, world, until):
    near, _, _, (private, _), gateway, address = world
    owner = test_ecs.Tenant(cloud, "", cloud.access_key, cloud.secret_key)
    (shown,) = alibaba_vpc.call(owner, "DescribeNatGateways", NatGatewayId=gateway)["NatGateways"]["NatGateway"]
    table = shown["ForwardTableIds"]["ForwardTableId"][0]
    entry = {"ForwardTableId": table, "ExternalIp": address, "InternalIp": private.ip, "IpProtocol": "TCP"}
    made = alibaba_vpc.call(owner, "CreateForwardEntry", **entry, ExternalPort="2022", InternalPort="22")["ForwardEntryId"]
    options = ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR", "-o", "BatchMode=yes"]
    # One that is cut right after it was made would say nothing until the test's limit.
    line = ["timeout", "15", "ssh", "-i", near.key, "-p", "2022", *options, "-o", "ConnectTimeout=3", f"root@{address}", "head -c 300000 /dev/zero | wc -c; echo $SSH_CLIENT"]
    try:
        for host in cloud.hosts:
            done = until(lambda: (got := host.run(*line, check=False)).returncode == 0 and got, 30, f"SSH from {host.name}")
            count, client = done.stdout.split("\n")[:2]
            # The guest hears from whom it comes, not from the gateway.
            known = host.run("ip", "-o", "-4", "address").stdout
            assert int(count) == 300_000 and f" {client.split()[0]}/" in known, (done.stdout, known)
        near.ec2.revoke_security_group_ingress(GroupId=near.group, IpPermissions=near.world[:1])
        until(lambda: all(host.run(*line, check=False).returncode != 0 for host in cloud.hosts), 30, "silence without the rule")
    finally:
        try:
            near.ec2.authorize_security_group_ingress(GroupId=near.group, IpPermissions=near.world[:1])
        except botocore.exceptions.ClientError as refused:
            assert refused.response["Error"]["Code"] == "InvalidPermission.Duplicate"
        alibaba_vpc.call(owner, "DeleteForwardEntry", ForwardTableId=table, ForwardEntryId=made)
    until(lambda: all(host.run(*line, check=False).returncode != 0 for host in cloud.hosts), 30, "silence without the entry")
