"""Peerings of VPCs of two accounts through boto3: guests meet as far as routes and groups of both sides let them."""

import botocore.exceptions
import pytest

from test_vpcs import SOON, main_table, make_public, public_ip, remove_vpc

ABSENT = "pcx-00000000000000001"


class Side:
    """An account with a VPC and a guest in it that the machine reaches."""

    def __init__(self, cloud, folder, name, octet):
        key, secret, self.account = cloud.account(name)
        self.ec2 = cloud.client("ec2", key=key, secret=secret)
        self.key = folder / f"{name}.pem"
        self.key.write_text(self.ec2.create_key_pair(KeyName=name, KeyType="ed25519")["KeyMaterial"])
        self.key.chmod(0o600)
        self.range = f"10.{octet}.0.0/16"
        self.ip = f"10.{octet}.1.10"
        self.vpc = self.ec2.create_vpc(CidrBlock=self.range)["Vpc"]["VpcId"]
        subnet = self.ec2.create_subnet(VpcId=self.vpc, CidrBlock=f"10.{octet}.1.0/24")["Subnet"]["SubnetId"]
        make_public(self.ec2, self.vpc)
        self.group = self.ec2.create_security_group(GroupName=name, Description=name, VpcId=self.vpc)["GroupId"]
        self.permit("0.0.0.0/0", "tcp", 22)
        nic = {"DeviceIndex": 0, "SubnetId": subnet, "PrivateIpAddress": self.ip, "AssociatePublicIpAddress": True, "Groups": [self.group]}
        launched = self.ec2.run_instances(
            ImageId=cloud.image(), InstanceType="t3.nano", MinCount=1, MaxCount=1, KeyName=name, NetworkInterfaces=[nic]
        )
        self.guest = launched["Instances"][0]["InstanceId"]

    def permit(self, cidr, protocol, port):
        rule = {"IpProtocol": protocol, "FromPort": port, "ToPort": port, "IpRanges": [{"CidrIp": cidr}]}
        self.ec2.authorize_security_group_ingress(GroupId=self.group, IpPermissions=[rule])

    def route(self, other, peering):
        self.ec2.create_route(RouteTableId=main_table(self.ec2, self.vpc), DestinationCidrBlock=other.range, VpcPeeringConnectionId=peering)

    def state(self, peering):
        (found,) = self.ec2.describe_vpc_peering_connections(VpcPeeringConnectionIds=[peering])["VpcPeeringConnections"]
        return found["Status"]["Code"]

    def remove(self):
        self.ec2.terminate_instances(InstanceIds=[self.guest])
        self.ec2.get_waiter("instance_terminated").wait(InstanceIds=[self.guest], WaiterConfig=SOON)
        self.ec2.revoke_security_group_ingress(
            GroupId=self.group, IpPermissions=self.ec2.describe_security_groups(GroupIds=[self.group])["SecurityGroups"][0]["IpPermissions"]
        )
        self.ec2.delete_security_group(GroupId=self.group)
        remove_vpc(self.ec2, self.vpc)


@pytest.fixture(scope="module")
def sides(cloud, tmp_path_factory):
    made = []
    try:
        for name, octet in (("near", 40), ("far", 41)):
            made.append(Side(cloud, tmp_path_factory.mktemp("keys"), name, octet))
        for side in made:
            side.ec2.get_waiter("instance_running").wait(InstanceIds=[side.guest], WaiterConfig=SOON)
        yield made
    finally:
        for side in made:
            side.remove()


def code(call, **parameters):
    with pytest.raises(botocore.exceptions.ClientError) as refused:
        call(**parameters)
    return refused.value.response["Error"]["Code"]


def test_guests_of_two_accounts_meet_over_a_peering(sides, shell, until):
    near, far = sides
    asked = near.ec2.create_vpc_peering_connection(
        VpcId=near.vpc,
        PeerVpcId=far.vpc,
        PeerOwnerId=far.account,
        TagSpecifications=[{"ResourceType": "vpc-peering-connection", "Tags": [{"Key": "a", "Value": "b"}]}],
    )["VpcPeeringConnection"]
    peering = asked["VpcPeeringConnectionId"]
    assert (asked["Status"]["Code"], asked["AccepterVpcInfo"]["OwnerId"]) == ("pending-acceptance", far.account)
    named = {"VpcPeeringConnectionId": peering}
    assert code(near.ec2.create_vpc_peering_connection, VpcId=near.vpc, PeerVpcId=far.vpc, PeerOwnerId=far.account) == "VpcPeeringConnectionAlreadyExists"
    assert code(near.ec2.accept_vpc_peering_connection, **named) == "InvalidVpcPeeringConnectionID.NotFound", "who asks does not answer"
    assert code(near.ec2.create_route, RouteTableId=main_table(near.ec2, near.vpc), DestinationCidrBlock=far.range, **named) == "InvalidParameterValue"
    far.ec2.accept_vpc_peering_connection(**named)
    near.ec2.get_waiter("vpc_peering_connection_exists").wait(VpcPeeringConnectionIds=[peering], WaiterConfig=SOON)
    assert (near.state(peering), far.state(peering)) == ("active", "active")

    def meets():
        return shell(public_ip(near.ec2, near.guest), near.key, f"nc -w 2 {far.ip} 22 < /dev/null | head -c 4").stdout == "SSH-"

    shell(public_ip(far.ec2, far.guest), far.key, "true")
    assert not meets(), "no route leads there"
    near.route(far, peering)
    assert not meets(), "no route leads back"
    far.route(near, peering)
    until(meets, 20, "SSH of the other account's guest")
    tables = near.ec2.describe_route_tables(Filters=[{"Name": "route.vpc-peering-connection-id", "Values": [peering]}])["RouteTables"]
    (route,) = [route for table in tables for route in table["Routes"] if route.get("VpcPeeringConnectionId") == peering]
    assert route["State"] == "active"

    # Only members of a group of the other VPC are let in, and at once.
    ssh = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22}
    world = far.ec2.describe_security_groups(GroupIds=[far.group])["SecurityGroups"][0]["IpPermissions"]
    far.ec2.revoke_security_group_ingress(GroupId=far.group, IpPermissions=world)
    until(lambda: not meets(), 20, "silence without a rule")
    far.ec2.authorize_security_group_ingress(
        GroupId=far.group, IpPermissions=[{**ssh, "UserIdGroupPairs": [{"GroupId": near.group, "UserId": near.account}]}]
    )
    until(meets, 20, "SSH by a rule that names the other VPC's group")

    far.ec2.delete_vpc_peering_connection(**named)
    near.ec2.get_waiter("vpc_peering_connection_deleted").wait(VpcPeeringConnectionIds=[peering], WaiterConfig=SOON)
    until(lambda: not meets(), 20, "silence without the peering")
    (table,) = near.ec2.describe_route_tables(RouteTableIds=[main_table(near.ec2, near.vpc)])["RouteTables"]
    assert [route["State"] for route in table["Routes"] if route["DestinationCidrBlock"] == far.range] == ["blackhole"]


def test_a_peering_is_rejected_or_fails_where_ranges_overlap(sides):
    near, far = sides
    second = near.ec2.create_vpc(CidrBlock="10.42.0.0/16")["Vpc"]["VpcId"]
    same = near.ec2.create_vpc(CidrBlock="10.41.128.0/20")["Vpc"]["VpcId"]
    try:
        asked = near.ec2.create_vpc_peering_connection(VpcId=second, PeerVpcId=far.vpc, PeerOwnerId=far.account)["VpcPeeringConnection"]
        far.ec2.reject_vpc_peering_connection(VpcPeeringConnectionId=asked["VpcPeeringConnectionId"])
        assert near.state(asked["VpcPeeringConnectionId"]) == "rejected"
        failed = near.ec2.create_vpc_peering_connection(VpcId=same, PeerVpcId=far.vpc, PeerOwnerId=far.account)["VpcPeeringConnection"]
        assert failed["Status"]["Code"] == "failed"
        for wrong, call, parameters in [
            ("IncorrectState", far.ec2.accept_vpc_peering_connection, {"VpcPeeringConnectionId": failed["VpcPeeringConnectionId"]}),
            ("InvalidVpcPeeringConnectionID.NotFound", far.ec2.accept_vpc_peering_connection, {"VpcPeeringConnectionId": ABSENT}),
            ("InvalidVpcID.NotFound", near.ec2.create_vpc_peering_connection, {"VpcId": second, "PeerVpcId": far.vpc}),
            ("InvalidParameterValue", near.ec2.create_vpc_peering_connection, {"VpcId": second, "PeerVpcId": second}),
        ]:
            assert code(call, **parameters) == wrong
        for peering in (asked, failed):
            near.ec2.delete_vpc_peering_connection(VpcPeeringConnectionId=peering["VpcPeeringConnectionId"])
    finally:
        for vpc in (second, same):
            near.ec2.delete_vpc(VpcId=vpc)
