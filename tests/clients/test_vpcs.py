"""Networks of one's own, with guests that run in them: what may meet meets, what may not does not."""

import http.server
import subprocess
import threading
import uuid

import botocore.exceptions
import pytest

import alibaba_vpc
from conftest import private_key, tried
from test_cvm import Tenant as Tencent
from test_ecs import Refused, Tenant

SOON = {"Delay": 1, "MaxAttempts": 90}
RANGE, SUBNET = "10.20.0.0/16", "10.20.1.0/24"
WORLD = [{"CidrIp": "0.0.0.0/0"}]


@pytest.fixture(scope="module")
def owner(cloud):
    """An account of its own, by both SDKs."""
    key, secret, _ = cloud.account("vpcs")
    return cloud.client("ec2", key=key, secret=secret), Tenant(cloud, "", key, secret)


@pytest.fixture(scope="module")
def key(owner, tmp_path_factory):
    return private_key(owner[0], "vpcs", tmp_path_factory.mktemp("keys"))


def let_in(ec2, vpc):
    """Lets SSH and ping into the default group of a VPC."""
    filters = [{"Name": "vpc-id", "Values": [vpc]}, {"Name": "group-name", "Values": ["default"]}]
    (group,) = ec2.describe_security_groups(Filters=filters)["SecurityGroups"]
    ssh = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": WORLD}
    ping = {"IpProtocol": "icmp", "FromPort": -1, "ToPort": -1, "IpRanges": WORLD}
    ec2.authorize_security_group_ingress(GroupId=group["GroupId"], IpPermissions=[ssh, ping])


def main_table(ec2, vpc):
    filters = [{"Name": "vpc-id", "Values": [vpc]}, {"Name": "association.main", "Values": ["true"]}]
    return ec2.describe_route_tables(Filters=filters)["RouteTables"][0]["RouteTableId"]


def make_public(ec2, vpc):
    """Gives a VPC an internet gateway and a route to it; the gateway's id."""
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    ec2.create_route(RouteTableId=main_table(ec2, vpc), DestinationCidrBlock="0.0.0.0/0", GatewayId=gateway)
    return gateway


def launch(cloud, ec2, subnet, ip, public):
    nic = {"DeviceIndex": 0, "SubnetId": subnet, "PrivateIpAddress": ip, "AssociatePublicIpAddress": public}
    made = ec2.run_instances(ImageId=cloud.image(), InstanceType="t2.nano", MinCount=1, MaxCount=1, KeyName="vpcs", NetworkInterfaces=[nic])
    return made["Instances"][0]["InstanceId"]


def remove_instances(ec2, vpc):
    found = ec2.describe_instances(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["Reservations"]
    ids = [instance["InstanceId"] for reservation in found for instance in reservation["Instances"]]
    if ids:
        ec2.terminate_instances(InstanceIds=ids)
        ec2.get_waiter("instance_terminated").wait(InstanceIds=ids, WaiterConfig=SOON)


def remove_vpc(ec2, vpc):
    """Removes a VPC with everything in it, whatever a failed test has left."""
    of_vpc = [{"Name": "vpc-id", "Values": [vpc]}]
    remove_instances(ec2, vpc)
    for subnet in ec2.describe_subnets(Filters=of_vpc)["Subnets"]:
        ec2.delete_subnet(SubnetId=subnet["SubnetId"])
    for gateway in ec2.describe_internet_gateways(Filters=[{"Name": "attachment.vpc-id", "Values": [vpc]}])["InternetGateways"]:
        ec2.detach_internet_gateway(InternetGatewayId=gateway["InternetGatewayId"], VpcId=vpc)
        ec2.delete_internet_gateway(InternetGatewayId=gateway["InternetGatewayId"])
    for table in ec2.describe_route_tables(Filters=of_vpc)["RouteTables"]:
        if not any(tie["Main"] for tie in table["Associations"]):
            ec2.delete_route_table(RouteTableId=table["RouteTableId"])
    ec2.delete_vpc(VpcId=vpc)


def public_ip(ec2, id):
    return ec2.describe_instances(InstanceIds=[id])["Reservations"][0]["Instances"][0]["PublicIpAddress"]


def code_of(call, **asked):
    """The code with which a call is refused."""
    with pytest.raises(botocore.exceptions.ClientError) as refused:
        call(**asked)
    return refused.value.response["Error"]["Code"]


def answers(ip):
    return subprocess.run(["ping", "-c", "1", "-W", "1", ip], capture_output=True).returncode == 0


@pytest.fixture(scope="module")
def twins(owner, cloud, key):
    """Two VPCs with the same range, each with a public guest at the same private address; the first has a second guest."""
    ec2, _ = owner
    vpcs, guests = [], []
    try:
        for _ in range(2):
            vpc = ec2.create_vpc(CidrBlock=RANGE)["Vpc"]["VpcId"]
            vpcs.append(vpc)
            ec2.get_waiter("vpc_available").wait(VpcIds=[vpc])
            subnet = ec2.create_subnet(VpcId=vpc, CidrBlock=SUBNET)["Subnet"]["SubnetId"]
            ec2.get_waiter("subnet_available").wait(SubnetIds=[subnet])
            make_public(ec2, vpc)
            let_in(ec2, vpc)
            guests.append(launch(cloud, ec2, subnet, "10.20.1.10", True))
            if len(vpcs) == 1:
                guests.append(launch(cloud, ec2, subnet, "10.20.1.20", False))
        ec2.get_waiter("instance_running").wait(InstanceIds=guests, WaiterConfig=SOON)
        yield vpcs, guests
    finally:
        for vpc in vpcs:
            remove_vpc(ec2, vpc)


def test_two_vpcs_with_the_same_range_never_meet(owner, twins, key, shell, until):
    ec2, _ = owner
    _, (first, neighbour, second) = twins
    who = "wget -q -O - http://169.254.169.254/latest/meta-data/instance-id"
    for guest in (first, second):
        assert shell(public_ip(ec2, guest), key, who).stdout == guest
    # Once the neighbour answers in its own VPC, silence in the other one means something.
    ping = "ping -c 1 -W 1 10.20.1.20"
    until(lambda: shell(public_ip(ec2, first), key, ping).returncode == 0, 60, "an answer of the neighbour")
    assert shell(public_ip(ec2, second), key, ping).returncode != 0
    with pytest.raises(botocore.exceptions.ClientError, match="InvalidIPAddress.InUse"):
        launch_at = {"DeviceIndex": 0, "PrivateIpAddress": "10.20.1.20"}
        subnet = ec2.describe_instances(InstanceIds=[neighbour])["Reservations"][0]["Instances"][0]["SubnetId"]
        image = ec2.describe_images(Filters=[{"Name": "name", "Values": ["pileus-linux"]}])["Images"][0]["ImageId"]
        ec2.run_instances(
            ImageId=image, InstanceType="t2.nano", MinCount=1, MaxCount=1, NetworkInterfaces=[{**launch_at, "SubnetId": subnet}]
        )


def test_routes_decide_who_is_reached(owner, twins, key, shell, until):
    """Each change of a route, a tie or a table is heard by the next packet."""
    ec2, tenant = owner
    (vpc, other), (guest, _, elsewhere) = twins
    ip = public_ip(ec2, guest)
    table = main_table(ec2, vpc)
    (gateway,) = ec2.describe_internet_gateways(Filters=[{"Name": "attachment.vpc-id", "Values": [vpc]}])["InternetGateways"]
    to_world = {"RouteTableId": table, "DestinationCidrBlock": "0.0.0.0/0"}
    until(lambda: answers(ip), 60, "an answer by the first route")
    ec2.delete_route(**to_world)
    until(lambda: not answers(ip), 10, "silence without a route")
    assert answers(public_ip(ec2, elsewhere)), "the other VPC has its own routes"
    ec2.create_route(**to_world, GatewayId=gateway["InternetGatewayId"])
    until(lambda: answers(ip), 10, "an answer by the route")
    entry = {"RouteTableId": table, "DestinationCidrBlock": "0.0.0.0/0", "NextHopId": gateway["InternetGatewayId"]}
    alibaba_vpc.call(tenant, "DeleteRouteEntry", **entry)
    until(lambda: not answers(ip), 10, "silence without a route")
    alibaba_vpc.call(tenant, "CreateRouteEntry", NextHopType="Ipv4Gateway", **entry)
    until(lambda: answers(ip), 10, "an answer by the route")
    # A table of its own without a route cuts the subnet off; the main table brings it back.
    private = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
    (subnet,) = ec2.describe_subnets(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["Subnets"]
    tie = ec2.associate_route_table(RouteTableId=private, SubnetId=subnet["SubnetId"])["AssociationId"]
    until(lambda: not answers(ip), 10, "silence by the table without a route")
    tie = ec2.replace_route_table_association(AssociationId=tie, RouteTableId=table)["NewAssociationId"]
    until(lambda: answers(ip), 10, "an answer by the table with a route")
    ec2.replace_route(**to_world, GatewayId=gateway["InternetGatewayId"])
    ec2.disassociate_route_table(AssociationId=tie)
    assert answers(ip)
    with pytest.raises(botocore.exceptions.ClientError, match="DependencyViolation"):
        ec2.detach_internet_gateway(InternetGatewayId=gateway["InternetGatewayId"], VpcId=vpc)
    with pytest.raises(botocore.exceptions.ClientError, match="DependencyViolation.*subnet-"):
        ec2.delete_vpc(VpcId=vpc)
    with pytest.raises(botocore.exceptions.ClientError, match="DependencyViolation.*eni-"):
        ec2.delete_subnet(SubnetId=subnet["SubnetId"])
    with pytest.raises(botocore.exceptions.ClientError, match="Resource.AlreadyAssociated"):
        ec2.attach_internet_gateway(InternetGatewayId=gateway["InternetGatewayId"], VpcId=other)


def test_attributes_of_networks_are_kept(owner, twins, key, shell, until):
    ec2, _ = owner
    (vpc, _), (guest, _, _) = twins
    ask = "nslookup $(hostname) 2>&1"
    ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsHostnames={"Value": True})
    assert ec2.describe_vpc_attribute(VpcId=vpc, Attribute="enableDnsHostnames")["EnableDnsHostnames"]["Value"] is True
    until(lambda: shell(public_ip(ec2, guest), key, ask).returncode == 0, 20, "an answer of the resolver")
    ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsSupport={"Value": False})
    until(lambda: shell(public_ip(ec2, guest), key, ask).returncode != 0, 60, "no answer of the resolver")
    ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsSupport={"Value": True})
    until(lambda: shell(public_ip(ec2, guest), key, ask).returncode == 0, 20, "an answer of the resolver")
    (subnet,) = ec2.describe_subnets(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["Subnets"]
    assert subnet["MapPublicIpOnLaunch"] is False
    ec2.modify_subnet_attribute(SubnetId=subnet["SubnetId"], MapPublicIpOnLaunch={"Value": True})
    assert ec2.describe_subnets(SubnetIds=[subnet["SubnetId"]])["Subnets"][0]["MapPublicIpOnLaunch"] is True


def reached(ec2, source, destination):
    """Whether the cloud says that a connection to SSH comes about, and the ranges of the local routes that it follows."""
    path = ec2.create_network_insights_path(Source=source, Destination=destination, Protocol="tcp", DestinationPort=22)
    path = path["NetworkInsightsPath"]["NetworkInsightsPathId"]
    started = ec2.start_network_insights_analysis(NetworkInsightsPathId=path)["NetworkInsightsAnalysis"]["NetworkInsightsAnalysisId"]
    (found,) = ec2.describe_network_insights_analyses(NetworkInsightsAnalysisIds=[started])["NetworkInsightsAnalyses"]
    ec2.delete_network_insights_analysis(NetworkInsightsAnalysisId=started)
    ec2.delete_network_insights_path(NetworkInsightsPathId=path)
    routes = [step["RouteTableRoute"]["DestinationCidr"] for step in found.get("ForwardPathComponents", []) if "RouteTableRoute" in step]
    return found["NetworkPathFound"], routes


def test_guests_in_two_ranges_of_a_vpc_meet(owner, cloud, key, shell, until):
    """The second range comes while the first guest runs, and goes when nothing is in it any more."""
    ec2, tenant = owner
    vpc = ec2.create_vpc(CidrBlock="10.30.0.0/16")["Vpc"]["VpcId"]
    refused = lambda code, call, **asked: code_of(call, **asked) == code
    try:
        make_public(ec2, vpc)
        let_in(ec2, vpc)
        first = ec2.create_subnet(VpcId=vpc, CidrBlock="10.30.1.0/24")["Subnet"]["SubnetId"]
        one = launch(cloud, ec2, first, "10.30.1.10", True)
        ec2.get_waiter("instance_running").wait(InstanceIds=[one], WaiterConfig=SOON)
        assert refused("InvalidSubnet.Range", ec2.create_subnet, VpcId=vpc, CidrBlock="10.31.1.0/24")
        tied = ec2.associate_vpc_cidr_block(VpcId=vpc, CidrBlock="10.31.0.0/16")["CidrBlockAssociation"]
        by_tie = [{"Name": "cidr-block-association.association-id", "Values": [tied["AssociationId"]]}]
        (shown,) = ec2.describe_vpcs(Filters=by_tie)["Vpcs"]
        ties = [(tie["CidrBlock"], tie["CidrBlockState"]["State"]) for tie in shown["CidrBlockAssociationSet"]]
        assert (shown["VpcId"], ties) == (vpc, [("10.30.0.0/16", "associated"), ("10.31.0.0/16", "associated")])
        (seen,) = alibaba_vpc.call(tenant, "DescribeVpcs", VpcId=vpc)["Vpcs"]["Vpc"]
        assert seen["SecondaryCidrBlocks"]["SecondaryCidrBlock"] == ["10.31.0.0/16"]
        (table,) = ec2.describe_route_tables(RouteTableIds=[main_table(ec2, vpc)])["RouteTables"]
        local = [route["DestinationCidrBlock"] for route in table["Routes"] if route.get("GatewayId") == "local"]
        assert local == ["10.30.0.0/16", "10.31.0.0/16"]
        second = ec2.create_subnet(VpcId=vpc, CidrBlock="10.31.1.0/24")["Subnet"]["SubnetId"]
        two = launch(cloud, ec2, second, "10.31.1.20", True)
        ec2.get_waiter("instance_running").wait(InstanceIds=[two], WaiterConfig=SOON)
        here, there = public_ip(ec2, one), public_ip(ec2, two)
        ping = lambda ip: f"ping -c 1 -W 1 {ip}"
        until(lambda: shell(here, key, ping("10.31.1.20")).returncode == 0, 60, "an answer from the second range")
        assert shell(there, key, ping("10.30.1.10")).returncode == 0
        # Who is spoken to sees the private address, and each finds the other by its name.
        assert shell(here, key, "nc -w 5 10.31.1.20 22 < /dev/null | head -c 4").stdout == "SSH-"
        assert shell(here, key, ping("ip-10-31-1-20")).returncode == 0
        assert shell(there, key, ping("ip-10-30-1-10")).returncode == 0
        blocks = "mac=$(cat /sys/class/net/eth0/address); wget -q -O - http://169.254.169.254/latest/meta-data/network/interfaces/macs/$mac/vpc-ipv4-cidr-blocks"
        assert shell(there, key, blocks).stdout.split() == ["10.30.0.0/16", "10.31.0.0/16"]
        assert reached(ec2, one, two) == (True, ["10.31.0.0/16"])
        assert reached(ec2, two, one) == (True, ["10.30.0.0/16"])
        tie = {"AssociationId": tied["AssociationId"]}
        assert refused("InvalidCidrBlock.InUse", ec2.disassociate_vpc_cidr_block, **tie)
        main = shown["CidrBlockAssociationSet"][0]["AssociationId"]
        assert refused("OperationNotPermitted", ec2.disassociate_vpc_cidr_block, AssociationId=main)
        remove_instances(ec2, vpc)
        ec2.delete_subnet(SubnetId=second)
        assert ec2.disassociate_vpc_cidr_block(**tie)["CidrBlockAssociation"]["CidrBlock"] == "10.31.0.0/16"
        assert not ec2.describe_vpcs(Filters=by_tie)["Vpcs"]
        assert refused("InvalidVpcCidrBlockAssociationID.NotFound", ec2.disassociate_vpc_cidr_block, **tie)
    finally:
        remove_vpc(ec2, vpc)


def test_the_default_vpc_can_be_deleted_and_made_again(owner):
    ec2, tenant = owner
    zone = ec2.describe_availability_zones()["AvailabilityZones"][0]["ZoneName"]
    (vpc,) = ec2.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"]
    with pytest.raises(botocore.exceptions.ClientError, match="DefaultVpcAlreadyExists"):
        ec2.create_default_vpc()
    remove_vpc(ec2, vpc["VpcId"])
    with pytest.raises(botocore.exceptions.ClientError, match="InvalidVpcID.NotFound"):
        ec2.create_default_subnet(AvailabilityZone=zone)
    made = ec2.create_default_vpc()["Vpc"]
    assert (made["IsDefault"], made["CidrBlock"]) == (True, vpc["CidrBlock"])
    subnets = ec2.describe_subnets(Filters=[{"Name": "vpc-id", "Values": [made["VpcId"]]}])["Subnets"]
    assert len(subnets) == 2
    (first,) = [subnet for subnet in subnets if subnet["AvailabilityZone"] == zone]
    ec2.delete_subnet(SubnetId=first["SubnetId"])
    again = ec2.create_default_subnet(AvailabilityZone=zone)["Subnet"]
    assert (again["CidrBlock"], again["DefaultForAz"], again["VpcId"]) == (first["CidrBlock"], True, made["VpcId"])
    alibaba_vpc.call(tenant, "DeleteVSwitch", VSwitchId=again["SubnetId"])
    assert alibaba_vpc.call(tenant, "CreateDefaultVSwitch", ZoneId=zone)["VSwitchId"].startswith("subnet-")


def test_a_network_through_alibabas_sdk_carries_a_guest(owner, cloud, key, shell, until):
    """A VPC made so needs no gateway: an elastic address is enough, as in Alibaba Cloud."""
    ec2, tenant = owner
    made = alibaba_vpc.call(tenant, "CreateVpc", CidrBlock="192.168.0.0/16", VpcName="lab")
    vpc, table = made["VpcId"], made["RouteTableId"]
    try:
        (shown,) = alibaba_vpc.call(tenant, "DescribeVpcs", VpcId=vpc)["Vpcs"]["Vpc"]
        assert (shown["Status"], shown["CidrBlock"], shown["VpcName"]) == ("Available", "192.168.0.0/16", "lab")
        zone = tenant.call("DescribeZones")["Zones"]["Zone"][0]["ZoneId"]
        create = {"VpcId": vpc, "ZoneId": zone, "VSwitchName": "one"}
        subnet = alibaba_vpc.call(tenant, "CreateVSwitch", CidrBlock="192.168.7.0/24", **create)["VSwitchId"]
        with pytest.raises(Refused, match="InvalidCidrBlock.Overlapped"):
            alibaba_vpc.call(tenant, "CreateVSwitch", CidrBlock="192.168.7.128/25", **create)
        (shown,) = alibaba_vpc.call(tenant, "DescribeVSwitches", VpcId=vpc, RouteTableId=table)["VSwitches"]["VSwitch"]
        assert (shown["VSwitchId"], shown["Status"], shown["AvailableIpAddressCount"]) == (subnet, "Available", 251)
        (listed,) = alibaba_vpc.call(tenant, "DescribeRouteTableList", VpcId=vpc)["RouterTableList"]["RouterTableListType"]
        assert (listed["RouteTableId"], listed["VSwitchIds"]["VSwitchId"]) == (table, [subnet])
        (route,) = alibaba_vpc.call(tenant, "DescribeRouteEntryList", RouteTableId=table)["RouteEntrys"]["RouteEntry"]
        assert (route["DestinationCidrBlock"], route["Type"]) == ("192.168.0.0/16", "System")
        (old,) = alibaba_vpc.call(tenant, "DescribeRouteTables", RouteTableId=table)["RouteTables"]["RouteTable"]
        assert old["RouteEntrys"]["RouteEntry"][0]["NextHopType"] == "local"
        own = alibaba_vpc.call(tenant, "CreateRouteTable", VpcId=vpc, RouteTableName="own")["RouteTableId"]
        alibaba_vpc.call(tenant, "AssociateRouteTable", RouteTableId=own, VSwitchId=subnet)
        with pytest.raises(Refused, match="DependencyViolation"):
            alibaba_vpc.call(tenant, "DeleteRouteTable", RouteTableId=own)
        alibaba_vpc.call(tenant, "UnassociateRouteTable", RouteTableId=own, VSwitchId=subnet)
        alibaba_vpc.call(tenant, "DeleteRouteTable", RouteTableId=own)
        alibaba_vpc.call(tenant, "ModifyVpcAttribute", VpcId=vpc, VpcName="renamed", Description="by a test")
        alibaba_vpc.call(tenant, "ModifyVSwitchAttribute", VSwitchId=subnet, VSwitchName="two")
        let_in(ec2, vpc)
        (id,) = tenant.run(VSwitchId=subnet, KeyPairName="vpcs")
        tenant.wait([id], "Running")
        eip = alibaba_vpc.call(tenant, "AllocateEipAddress")
        alibaba_vpc.call(tenant, "AssociateEipAddress", AllocationId=eip["AllocationId"], InstanceId=id)
        name = shell(eip["EipAddress"], key, "hostname").stdout.strip()
        assert name == "ip-" + tenant.instance(id)["VpcAttributes"]["PrivateIpAddress"]["IpAddress"][0].replace(".", "-")
        gateway = alibaba_vpc.call(tenant, "CreateIpv4Gateway", VpcId=vpc, Ipv4GatewayName="out")["Ipv4GatewayId"]
        (shown,) = alibaba_vpc.call(tenant, "ListIpv4Gateways", VpcId=vpc)["Ipv4GatewayModels"]
        assert (shown["Ipv4GatewayId"], shown["Enabled"], shown["Status"]) == (gateway, False, "Created")
        alibaba_vpc.call(tenant, "UpdateIpv4GatewayAttribute", Ipv4GatewayId=gateway, Ipv4GatewayDescription="way out")
        assert alibaba_vpc.call(tenant, "GetIpv4GatewayAttribute", Ipv4GatewayId=gateway)["Ipv4GatewayDescription"] == "way out"
        assert answers(eip["EipAddress"]), "a gateway that is not activated changes nothing"
        alibaba_vpc.call(tenant, "EnableVpcIpv4Gateway", Ipv4GatewayId=gateway)
        until(lambda: not answers(eip["EipAddress"]), 10, "silence without a route to the gateway")
        entry = {"RouteTableId": table, "DestinationCidrBlock": "0.0.0.0/0", "NextHopId": gateway}
        alibaba_vpc.call(tenant, "CreateRouteEntry", NextHopType="Ipv4Gateway", **entry)
        until(lambda: answers(eip["EipAddress"]), 10, "an answer by the route")
        with pytest.raises(Refused, match="DependencyViolation"):
            alibaba_vpc.call(tenant, "DeleteIpv4Gateway", Ipv4GatewayId=gateway, InternetMode="public")
        alibaba_vpc.call(tenant, "DeleteRouteEntry", **entry)
        alibaba_vpc.call(tenant, "DeleteIpv4Gateway", Ipv4GatewayId=gateway, InternetMode="public")
        until(lambda: answers(eip["EipAddress"]), 10, "an answer of the open VPC")
        with pytest.raises(Refused, match="DependencyViolation"):
            alibaba_vpc.call(tenant, "DeleteVSwitch", VSwitchId=subnet)
        alibaba_vpc.call(tenant, "UnassociateEipAddress", AllocationId=eip["AllocationId"], InstanceId=id)
        alibaba_vpc.call(tenant, "ReleaseEipAddress", AllocationId=eip["AllocationId"])
        tenant.call("DeleteInstance", InstanceId=id, Force="true")
        until(lambda: not ec2.describe_network_interfaces(Filters=[{"Name": "subnet-id", "Values": [subnet]}])["NetworkInterfaces"])
        alibaba_vpc.call(tenant, "DeleteVSwitch", VSwitchId=subnet)
    finally:
        left = ec2.describe_subnets(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["Subnets"]
        if left:
            remove_vpc(ec2, vpc)
        else:
            alibaba_vpc.call(tenant, "DeleteVpc", VpcId=vpc)
    with pytest.raises(Refused, match="InvalidVpcId.NotFound"):
        alibaba_vpc.call(tenant, "DeleteVpc", VpcId=vpc)


@pytest.fixture
def visitors():
    """A web server on the machine's side, as its port and the addresses that its visitors came from."""
    seen = []

    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            seen.append(self.client_address[0])
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"hello")

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("0.0.0.0", 0), Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port, seen
    server.shutdown()
    server.server_close()


def by_way_of(jump, ip, key, command):
    """Runs a command on a guest that only another one reaches."""
    options = ["-i", str(key), "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR"]
    options += ["-o", "BatchMode=yes", "-o", "ConnectTimeout=5"]
    through = " ".join(["ssh", *options, "-W", "%h:%p", f"root@{jump}"])
    whole = ["ssh", *options, "-o", f"ProxyCommand={through}", f"root@{ip}", command]
    return tried(whole)


def test_a_guest_without_a_public_address_leaves_by_a_nat_gateway(owner, cloud, twins, key, shell, until, visitors):
    ec2, _ = owner
    (vpc, _), (first, *_) = twins
    port, seen = visitors
    jump = public_ip(ec2, first)
    machine = shell(jump, key, "echo $SSH_CLIENT").stdout.split()[0]
    (outer,) = ec2.describe_subnets(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["Subnets"]
    inner = ec2.create_subnet(VpcId=vpc, CidrBlock="10.20.9.0/24")["Subnet"]["SubnetId"]
    table = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
    ec2.associate_route_table(RouteTableId=table, SubnetId=inner)
    address = ec2.allocate_address()
    gateway = None
    try:
        guest = launch(cloud, ec2, inner, "10.20.9.11", False)
        made = ec2.create_nat_gateway(SubnetId=outer["SubnetId"], AllocationId=address["AllocationId"], ClientToken="once")["NatGateway"]
        gateway = made["NatGatewayId"]
        assert ec2.create_nat_gateway(SubnetId=outer["SubnetId"], AllocationId=address["AllocationId"], ClientToken="once")["NatGateway"]["NatGatewayId"] == gateway
        ec2.get_waiter("nat_gateway_available").wait(NatGatewayIds=[gateway], WaiterConfig=SOON)
        (shown,) = ec2.describe_nat_gateways(Filters=[{"Name": "subnet-id", "Values": [outer["SubnetId"]]}, {"Name": "state", "Values": ["available"]}])["NatGateways"]
        (carried,) = shown["NatGatewayAddresses"]
        assert (carried["PublicIp"], carried["AllocationId"]) == (address["PublicIp"], address["AllocationId"])
        ec2.get_waiter("instance_running").wait(InstanceIds=[guest], WaiterConfig=SOON)
        until(lambda: by_way_of(jump, "10.20.9.11", key, "true").returncode == 0, 60, "SSH of the private guest")

        def fetched():
            asked = f"printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 2 {machine} {port}"
            return by_way_of(jump, "10.20.9.11", key, asked).stdout.endswith("hello")

        assert not fetched() and not seen, "no route leads out"
        route = {"RouteTableId": table, "DestinationCidrBlock": "0.0.0.0/0"}
        ec2.create_route(**route, NatGatewayId=gateway)
        until(fetched, 20, "a page from beyond the gateway")
        assert set(seen) == {address["PublicIp"]}
        (state,) = [one["State"] for one in ec2.describe_route_tables(RouteTableIds=[table])["RouteTables"][0]["Routes"] if one.get("NatGatewayId") == gateway]
        assert state == "active"
        assert not answers(address["PublicIp"]), "nobody comes in by it"
        share(ec2, gateway, address, fetched, seen, until)
        explain(ec2, guest, vpc, gateway, machine)
        guard(ec2, carried, address, outer["SubnetId"])
        ec2.delete_nat_gateway(NatGatewayId=gateway)
        ec2.get_waiter("nat_gateway_deleted").wait(NatGatewayIds=[gateway], WaiterConfig=SOON)
        (gone,) = ec2.describe_nat_gateways(NatGatewayIds=[gateway])["NatGateways"]
        assert (gone["State"], gone["NatGatewayAddresses"][0]["PublicIp"]) == ("deleted", address["PublicIp"]) and gone["DeleteTime"]
        gateway = None
        until(lambda: not fetched(), 20, "silence without the gateway")
        assert ec2.describe_addresses(AllocationIds=[address["AllocationId"]])["Addresses"][0].get("AssociationId") is None
    finally:
        if gateway:
            ec2.delete_nat_gateway(NatGatewayId=gateway)
        for lost in ec2.describe_nat_gateways(Filters=[{"Name": "state", "Values": ["available", "failed"]}])["NatGateways"]:
            ec2.delete_nat_gateway(NatGatewayId=lost["NatGatewayId"])
        ec2.release_address(AllocationId=address["AllocationId"])
        ec2.terminate_instances(InstanceIds=[guest])
        ec2.get_waiter("instance_terminated").wait(InstanceIds=[guest], WaiterConfig=SOON)
        ec2.delete_subnet(SubnetId=inner)
        ec2.delete_route_table(RouteTableId=table)


def share(ec2, gateway, address, fetched, seen, until):
    """With a second address every other guest leaves with that, this one among them."""
    second = ec2.allocate_address()
    try:
        tied = ec2.associate_nat_gateway_address(NatGatewayId=gateway, AllocationIds=[second["AllocationId"]])["NatGatewayAddresses"][0]
        assert (tied["PublicIp"], tied["IsPrimary"]) == (second["PublicIp"], False)
        until(lambda: fetched() and seen[-1] == second["PublicIp"], 20, "a page by the second address")
        (shown,) = ec2.describe_nat_gateways(NatGatewayIds=[gateway])["NatGateways"]
        primary, further = shown["NatGatewayAddresses"]
        assert primary["IsPrimary"] and not further["IsPrimary"] and primary["PrivateIp"] != further["PrivateIp"]
        one = {"NatGatewayId": gateway, "AssociationIds": [primary["AssociationId"]]}
        assert code_of(ec2.disassociate_nat_gateway_address, **one) == "OperationNotPermitted"
        ec2.disassociate_nat_gateway_address(NatGatewayId=gateway, AssociationIds=[further["AssociationId"]])
        until(lambda: fetched() and seen[-1] == address["PublicIp"], 20, "a page by the first address again")
    finally:
        ec2.release_address(AllocationId=second["AllocationId"])


def explain(ec2, guest, vpc, gateway, machine):
    """The way out is explained by the gateway."""
    (internet,) = ec2.describe_internet_gateways(Filters=[{"Name": "attachment.vpc-id", "Values": [vpc]}])["InternetGateways"]
    path = ec2.create_network_insights_path(
        Source=guest, Destination=internet["InternetGatewayId"], DestinationIp=machine, Protocol="tcp", DestinationPort=80
    )["NetworkInsightsPath"]["NetworkInsightsPathId"]
    found = ec2.start_network_insights_analysis(NetworkInsightsPathId=path)["NetworkInsightsAnalysis"]
    assert found["NetworkPathFound"], found
    assert gateway in [one.get("Component", {}).get("Id") for one in found["ForwardPathComponents"]]
    ec2.delete_network_insights_analysis(NetworkInsightsAnalysisId=found["NetworkInsightsAnalysisId"])
    ec2.delete_network_insights_path(NetworkInsightsPathId=path)


def guard(ec2, carried, address, subnet):
    """What is a gateway's is nobody else's, and a second gateway with the same address fails as EC2 has it."""
    for call, parameters in [
        (ec2.delete_network_interface, {"NetworkInterfaceId": carried["NetworkInterfaceId"]}),
        (ec2.disassociate_address, {"AssociationId": carried["AssociationId"]}),
        (ec2.release_address, {"AllocationId": address["AllocationId"]}),
    ]:
        with pytest.raises(botocore.exceptions.ClientError):
            call(**parameters)
    failed = ec2.create_nat_gateway(SubnetId=subnet, AllocationId=address["AllocationId"])["NatGateway"]
    assert (failed["State"], failed["FailureCode"]) == ("failed", "Resource.AlreadyAssociated")
    with pytest.raises(botocore.exceptions.WaiterError):
        ec2.get_waiter("nat_gateway_available").wait(NatGatewayIds=[failed["NatGatewayId"]], WaiterConfig=SOON)
    ec2.delete_nat_gateway(NatGatewayId=failed["NatGatewayId"])


def test_assistant_ranges_through_tencents_sdk(simulated):
    tenant = Tencent(simulated, f"ranges-{uuid.uuid4().hex[:8]}")
    vpc = tenant.call("CreateVpc", VpcName="wide", CidrBlock="10.62.0.0/16")["Vpc"]["VpcId"]
    given = tenant.call("CreateAssistantCidr", VpcId=vpc, CidrBlocks=["10.63.0.0/16", "172.16.0.0/24"])["AssistantCidrSet"]
    assert [(one["VpcId"], one["CidrBlock"], one["AssistantType"]) for one in given] == [(vpc, "10.63.0.0/16", 0), (vpc, "172.16.0.0/24", 0)]
    zone = tenant.call("DescribeZones")["ZoneSet"][0]["Zone"]
    subnet = tenant.call("CreateSubnet", VpcId=vpc, SubnetName="far", CidrBlock="10.63.1.0/24", Zone=zone)["Subnet"]["SubnetId"]
    listed = tenant.call("DescribeAssistantCidr", Filters=[{"Name": "vpc-id", "Values": [vpc]}])
    assert listed["TotalCount"] == 2 and [one["SubnetId"] for one in listed["AssistantCidrSet"][0]["SubnetSet"]] == [subnet]
    found = tenant.call("CheckAssistantCidr", VpcId=vpc, OldCidrBlocks=["10.63.0.0/16"], NewCidrBlocks=["10.62.9.0/24"])["ConflictSourceSet"]
    assert [one["ConflictSourceId"] for one in found] == [subnet, vpc]
    assert tenant.refused("DeleteAssistantCidr", VpcId=vpc, CidrBlocks=["10.63.0.0/16"]) == "ResourceInUse"
    assert tenant.refused("CreateAssistantCidr", VpcId=vpc, CidrBlocks=["10.62.9.0/24"]) == "InvalidParameterValue.CidrConflict"
    changed = tenant.call("ModifyAssistantCidr", VpcId=vpc, OldCidrBlocks=["172.16.0.0/24"], NewCidrBlocks=["172.16.0.0/20"])["AssistantCidrSet"]
    assert [one["CidrBlock"] for one in changed] == ["10.63.0.0/16", "172.16.0.0/20"]
    tenant.call("DeleteSubnet", SubnetId=subnet)
    tenant.call("DeleteAssistantCidr", VpcId=vpc, CidrBlocks=["10.63.0.0/16", "172.16.0.0/20"])
    (shown,) = tenant.call("DescribeVpcs", VpcIds=[vpc])["VpcSet"]
    assert shown["AssistantCidrSet"] == []
    tenant.call("DeleteVpc", VpcId=vpc)
