"""Peerings of VPCs of two accounts: guests meet as far as routes and groups of both sides let them; and network ACLs at the borders of
their subnets through Alibaba Cloud's and Tencent's VPC."""

import socket

import botocore.exceptions
import pytest
from Tea.exceptions import TeaException

from alibabacloud_tea_openapi import models as open_api
from alibabacloud_vpcpeer20220101 import models as peer
from alibabacloud_vpcpeer20220101.client import Client as PeerClient

import alibaba_vpc
import test_cvm
import test_ecs
from test_ecs import Refused
from test_vpcs import SOON, main_table, make_public, public_ip, remove_vpc

ABSENT = "pcx-00000000000000001"


class Side:
    """An account with a VPC and a guest in it that the machine reaches."""

    def __init__(self, cloud, folder, name, octet):
        key, secret, self.account = cloud.account(name)
        self.ec2 = cloud.client("ec2", key=key, secret=secret)
        self.alibaba = test_ecs.Tenant(cloud, "", key, secret)
        self.tencent = test_cvm.Tenant(cloud, "", key, secret)
        host = cloud.endpoint.removeprefix("http://")
        config = open_api.Config(access_key_id=key, access_key_secret=secret, endpoint=host, region_id=cloud.region, protocol="http")
        self.peer, self.region = PeerClient(config), cloud.region
        self.key = folder / f"{name}.pem"
        self.key.write_text(self.ec2.create_key_pair(KeyName=name, KeyType="ed25519")["KeyMaterial"])
        self.key.chmod(0o600)
        self.range = f"10.{octet}.0.0/16"
        self.ip = f"10.{octet}.1.10"
        self.vpc = self.ec2.create_vpc(CidrBlock=self.range)["Vpc"]["VpcId"]
        self.subnet = self.ec2.create_subnet(VpcId=self.vpc, CidrBlock=f"10.{octet}.1.0/24")["Subnet"]["SubnetId"]
        make_public(self.ec2, self.vpc)
        self.group = self.ec2.create_security_group(GroupName=name, Description=name, VpcId=self.vpc)["GroupId"]
        self.permit("0.0.0.0/0", "tcp", 22)
        nic = {"DeviceIndex": 0, "SubnetId": self.subnet, "PrivateIpAddress": self.ip, "AssociatePublicIpAddress": True, "Groups": [self.group]}
        launched = self.ec2.run_instances(
            ImageId=cloud.image(), InstanceType="t2.nano", MinCount=1, MaxCount=1, KeyName=name, NetworkInterfaces=[nic]
        )
        self.guest = launched["Instances"][0]["InstanceId"]

    def permit(self, cidr, protocol, port):
        rule = {"IpProtocol": protocol, "FromPort": port, "ToPort": port, "IpRanges": [{"CidrIp": cidr}]}
        self.ec2.authorize_security_group_ingress(GroupId=self.group, IpPermissions=[rule])

    def let_in(self, other):
        """Lets in SSH from the other's range, if it is not let in already."""
        try:
            self.permit(other.range, "tcp", 22)
        except botocore.exceptions.ClientError as refused:
            assert refused.response["Error"]["Code"] == "InvalidPermission.Duplicate"

    def forget_route(self, other):
        """Deletes the route to the other's range, if a test has left one."""
        table = main_table(self.ec2, self.vpc)
        (found,) = self.ec2.describe_route_tables(RouteTableIds=[table])["RouteTables"]
        if any(route["DestinationCidrBlock"] == other.range for route in found["Routes"]):
            self.ec2.delete_route(RouteTableId=table, DestinationCidrBlock=other.range)

    def route(self, other, peering):
        self.ec2.create_route(RouteTableId=main_table(self.ec2, self.vpc), DestinationCidrBlock=other.range, VpcPeeringConnectionId=peering)

    def state(self, peering):
        (found,) = self.ec2.describe_vpc_peering_connections(VpcPeeringConnectionIds=[peering])["VpcPeeringConnections"]
        return found["Status"]["Code"]

    def vpc_call(self, action, **parameters):
        return alibaba_vpc.call(self.alibaba, action, **parameters)

    def answers(self):
        """Whether the guest's SSH answers the machine, on a connection of its own."""
        try:
            with socket.create_connection((public_ip(self.ec2, self.guest), 22), timeout=2) as connection:
                return connection.recv(4) == b"SSH-"
        except OSError:
            return False

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


@pytest.fixture
def apart(sides):
    """Both, without routes to each other; the far one lets in SSH of the near one."""
    near, far = sides
    near.forget_route(far)
    far.forget_route(near)
    far.let_in(near)
    return near, far


def meets(near, far, shell):
    """Whether the near guest reaches SSH of the far one by its private address."""
    return shell(public_ip(near.ec2, near.guest), near.key, f"nc -w 2 {far.ip} 22 < /dev/null | head -c 4").stdout == "SSH-"


def code(call, **parameters):
    with pytest.raises(botocore.exceptions.ClientError) as refused:
        call(**parameters)
    return refused.value.response["Error"]["Code"]


def test_guests_of_two_accounts_meet_over_a_peering(apart, shell, until):
    near, far = apart
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

    until(far.answers, 60, "SSH")
    assert not meets(near, far, shell), "no route leads there"
    near.route(far, peering)
    assert not meets(near, far, shell), "no route leads back"
    far.route(near, peering)
    until(lambda: meets(near, far, shell), 20, "SSH of the other account's guest")
    tables = near.ec2.describe_route_tables(Filters=[{"Name": "route.vpc-peering-connection-id", "Values": [peering]}])["RouteTables"]
    (route,) = [route for table in tables for route in table["Routes"] if route.get("VpcPeeringConnectionId") == peering]
    assert route["State"] == "active"

    # Only members of a group of the other VPC are let in, and at once.
    ssh = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22}
    world = far.ec2.describe_security_groups(GroupIds=[far.group])["SecurityGroups"][0]["IpPermissions"]
    far.ec2.revoke_security_group_ingress(GroupId=far.group, IpPermissions=world)
    until(lambda: not meets(near, far, shell), 20, "silence without a rule")
    added = far.ec2.authorize_security_group_ingress(
        GroupId=far.group, IpPermissions=[{**ssh, "UserIdGroupPairs": [{"GroupId": near.group, "UserId": near.account}]}]
    )
    assert added["SecurityGroupRules"][0]["ReferencedGroupInfo"]["UserId"] == near.account
    (shown,) = far.ec2.describe_security_groups(GroupIds=[far.group])["SecurityGroups"][0]["IpPermissions"]
    assert shown["UserIdGroupPairs"] == [{"GroupId": near.group, "UserId": near.account}], "its owner, not who asks"
    until(lambda: meets(near, far, shell), 20, "SSH by a rule that names the other VPC's group")
    (reference,) = near.ec2.describe_security_group_references(GroupId=[near.group])["SecurityGroupReferenceSet"]
    assert (reference["ReferencingVpcId"], reference["VpcPeeringConnectionId"]) == (far.vpc, peering)
    (reference,) = near.alibaba.call("DescribeSecurityGroupReferences", SecurityGroupId__1=near.group)["SecurityGroupReferences"]["SecurityGroupReference"]
    assert reference["ReferencingSecurityGroups"]["ReferencingSecurityGroup"] == [{"AliUid": far.account, "SecurityGroupId": far.group}]
    assert far.ec2.describe_stale_security_groups(VpcId=far.vpc)["StaleSecurityGroupSet"] == []

    far.ec2.delete_vpc_peering_connection(**named)
    near.ec2.get_waiter("vpc_peering_connection_deleted").wait(VpcPeeringConnectionIds=[peering], WaiterConfig=SOON)
    until(lambda: not meets(near, far, shell), 20, "silence without the peering")
    (table,) = near.ec2.describe_route_tables(RouteTableIds=[main_table(near.ec2, near.vpc)])["RouteTables"]
    assert [route["State"] for route in table["Routes"] if route["DestinationCidrBlock"] == far.range] == ["blackhole"]
    (stale,) = far.ec2.describe_stale_security_groups(VpcId=far.vpc)["StaleSecurityGroupSet"]
    (permission,) = stale["StaleIpPermissions"]
    assert (stale["GroupId"], permission["UserIdGroupPairs"][0]["GroupId"]) == (far.group, near.group)


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


def refused(call, request):
    """The code with which a call of the VpcPeer service is refused."""
    with pytest.raises(TeaException) as refusal:
        call(request)
    return refusal.value.code


def test_guests_meet_over_alibabas_peering(apart, shell, until):
    near, far = apart
    ends = {"vpc_id": near.vpc, "accepting_vpc_id": far.vpc, "accepting_ali_uid": int(far.account), "accepting_region_id": near.region}
    tag = peer.CreateVpcPeerConnectionRequestTag(key="a", value="b")
    asked = peer.CreateVpcPeerConnectionRequest(**ends, region_id=near.region, name="bridge", description="by a test", client_token="once", tag=[tag])
    peering = near.peer.create_vpc_peer_connection(asked).body.instance_id
    assert near.peer.create_vpc_peer_connection(asked).body.instance_id == peering, "a client token makes one"
    route = {"RouteTableId": main_table(near.ec2, near.vpc), "DestinationCidrBlock": far.range, "NextHopType": "VpcPeer", "NextHopId": peering}
    with pytest.raises(Refused, match="InvalidParameter"):
        near.vpc_call("CreateRouteEntry", **route)
    accept = peer.AcceptVpcPeerConnectionRequest(instance_id=peering)
    assert refused(near.peer.accept_vpc_peer_connection, accept) == "ResourceNotFound.InstanceId", "who asks does not answer"
    (listed,) = far.peer.list_vpc_peer_connections(peer.ListVpcPeerConnectionsRequest(region_id=far.region, vpc_id=[far.vpc])).body.vpc_peer_connects
    assert (listed.status, listed.name, listed.vpc.ipv_4cidrs, listed.tags[0].key) == ("Accepting", "bridge", [near.range], "a")
    far.peer.accept_vpc_peer_connection(accept)
    assert not meets(near, far, shell), "no route leads there"
    near.vpc_call("CreateRouteEntry", **route)
    back = {**route, "RouteTableId": main_table(far.ec2, far.vpc), "DestinationCidrBlock": near.range}
    far.vpc_call("CreateRouteEntry", **back)
    until(lambda: meets(near, far, shell), 20, "SSH of the other account's guest")
    near.peer.modify_vpc_peer_connection(peer.ModifyVpcPeerConnectionRequest(instance_id=peering, name="span"))
    got = near.peer.get_vpc_peer_connection_attribute(peer.GetVpcPeerConnectionAttributeRequest(instance_id=peering)).body
    assert (got.status, got.name, got.accepting_vpc.vpc_id, got.bandwidth) == ("Activated", "span", far.vpc, -1)
    delete = peer.DeleteVpcPeerConnectionRequest(instance_id=peering)
    assert refused(far.peer.delete_vpc_peer_connection, delete) == "OperationDenied.RouteEntryExist"
    delete.force = True
    far.peer.delete_vpc_peer_connection(delete)
    until(lambda: not meets(near, far, shell), 20, "silence without the peering")
    hops = near.vpc_call("DescribeRouteEntryList", RouteTableId=route["RouteTableId"], NextHopType="VpcPeer")["RouteEntrys"]["RouteEntry"]
    assert hops == [], "its routes went with it"
    again = near.peer.create_vpc_peer_connection(peer.CreateVpcPeerConnectionRequest(**ends, region_id=near.region)).body.instance_id
    far.peer.reject_vpc_peer_connection(peer.RejectVpcPeerConnectionRequest(instance_id=again))
    assert refused(far.peer.accept_vpc_peer_connection, peer.AcceptVpcPeerConnectionRequest(instance_id=again)) == "IncorrectStatus.VpcPeer"
    near.peer.delete_vpc_peer_connection(peer.DeleteVpcPeerConnectionRequest(instance_id=again))


def test_guests_meet_over_tencents_peering(apart, shell, until):
    near, far = apart
    new = {"SourceVpcId": near.vpc, "DestinationVpcId": far.vpc, "DestinationUin": far.account, "PeeringConnectionName": "bridge", "Type": "VPC_PEER"}
    named = near.tencent.call("CreateVpcPeeringConnection", **new)
    named.pop("RequestId")
    (listed,) = far.tencent.call("DescribeVpcPeeringConnections", Filters=[{"Name": "state", "Values": ["PENDING"]}])["PeerConnectionSet"]
    assert (listed["PeeringConnectionName"], listed["SourceVpcId"], listed["DestinationUin"]) == ("bridge", near.vpc, int(far.account))
    assert near.tencent.refused("AcceptVpcPeeringConnection", **named) == "ResourceNotFound", "who asks does not answer"
    far.tencent.call("AcceptVpcPeeringConnection", **named)
    assert near.tencent.refused("CreateVpcPeeringConnection", **new) == "InvalidParameterValue.Duplicate"
    for side, other in ((near, far), (far, near)):
        assert not meets(near, far, shell), "a route is missing"
        route = {"DestinationCidrBlock": other.range, "GatewayType": "PEERCONNECTION", "GatewayId": named["PeeringConnectionId"]}
        side.tencent.call("CreateRoutes", RouteTableId=main_table(side.ec2, side.vpc), Routes=[route])
    until(lambda: meets(near, far, shell), 20, "SSH of the other account's guest")
    near.tencent.call("ModifyVpcPeeringConnection", **named, PeeringConnectionName="span")
    (listed,) = far.tencent.call("DescribeVpcPeeringConnections", PeeringConnectionIds=[named["PeeringConnectionId"]])["PeerConnectionSet"]
    assert (listed["State"], listed["PeeringConnectionName"]) == ("ACTIVE", "span")
    done = far.tencent.tccli("vpc", "DeleteVpcPeeringConnection", "--PeeringConnectionId", named["PeeringConnectionId"])
    assert done.returncode == 0, done
    until(lambda: not meets(near, far, shell), 20, "silence without the peering")
    (table,) = near.tencent.call("DescribeRouteTables", RouteTableIds=[main_table(near.ec2, near.vpc)])["RouteTableSet"]
    assert [route["GatewayType"] for route in table["RouteSet"]] == ["EIP"], "its routes went with it"
    again = near.tencent.call("CreateVpcPeeringConnection", **new)["PeeringConnectionId"]
    far.tencent.call("RejectVpcPeeringConnection", PeeringConnectionId=again)
    near.tencent.call("DeleteVpcPeeringConnection", PeeringConnectionId=again)


def test_a_guest_hears_of_its_vpcs_name_servers_and_domain(sides, shell, until):
    side, other = sides
    vpc = {"VpcId": side.vpc}

    def resolv():
        """What the guest says of names after it has asked again, which else it does twice a day."""
        return shell(public_ip(side.ec2, side.guest), side.key, "killall -USR1 udhcpc; cat /etc/resolv.conf").stdout.splitlines()

    usual = [f"search {side.tencent.call('DescribeVpcs', VpcIds=[side.vpc])['VpcSet'][0]['DomainName']}", f"nameserver {side.ip[:-2]}1"]
    until(lambda: resolv() == usual, 60, "the VPC's own server")
    side.tencent.call("ModifyVpcAttribute", **vpc, DnsServers=[other.ip, "10.9.9.9"], DomainName="corp.example")
    until(lambda: resolv() == ["search corp.example", f"nameserver {other.ip}", "nameserver 10.9.9.9"], 30, "what was said")
    (shown,) = side.tencent.call("DescribeVpcs", VpcIds=[side.vpc])["VpcSet"]
    assert (shown["DnsServerSet"], shown["DomainName"]) == ([other.ip, "10.9.9.9"], "corp.example")
    assert side.tencent.refused("ModifyVpcAttribute", **vpc, DomainName="no domain") == "InvalidParameterValue"
    assert other.tencent.refused("ModifyVpcAttribute", **vpc, DomainName="corp.example") == "InvalidVpcId.NotFound"
    side.tencent.call("ModifyVpcAttribute", **vpc, DnsServers=["183.60.83.19", "183.60.82.98"], DomainName="")
    until(lambda: resolv() == usual, 30, "the VPC's own server again")
    # A set made through EC2 takes the place of options of the VPC's own, and is changed through Alibaba's VPC.
    options = [{"Key": "domain-name", "Values": ["ec2.example"]}, {"Key": "domain-name-servers", "Values": [other.ip]}, {"Key": "ntp-servers", "Values": ["10.9.9.8"]}]
    made = side.ec2.create_dhcp_options(DhcpConfigurations=options)["DhcpOptions"]["DhcpOptionsId"]
    side.ec2.associate_dhcp_options(VpcId=side.vpc, DhcpOptionsId=made)
    until(lambda: resolv() == ["search ec2.example", f"nameserver {other.ip}"], 30, "what the set says")
    assert side.ec2.describe_vpcs(VpcIds=[side.vpc])["Vpcs"][0]["DhcpOptionsId"] == made
    (told,) = side.ec2.describe_dhcp_options(DhcpOptionsIds=[made])["DhcpOptions"]
    assert sorted(told["DhcpConfigurations"], key=lambda one: one["Key"])[2]["Values"] == [{"Value": "10.9.9.8"}]
    side.vpc_call("UpdateDhcpOptionsSetAttribute", DhcpOptionsSetId=made, DomainName="ali.example", DomainNameServers="10.9.9.9")
    until(lambda: resolv() == ["search ali.example", "nameserver 10.9.9.9"], 30, "the set's change")
    shown = side.vpc_call("GetDhcpOptionsSet", DhcpOptionsSetId=made)
    assert shown["AssociateVpcs"] == [{"VpcId": side.vpc, "AssociateStatus": "InUse"}]
    with pytest.raises(botocore.exceptions.ClientError, match="DependencyViolation"):
        side.ec2.delete_dhcp_options(DhcpOptionsId=made)
    with pytest.raises(botocore.exceptions.ClientError, match="InvalidDhcpOptionID.NotFound"):
        other.ec2.associate_dhcp_options(VpcId=other.vpc, DhcpOptionsId=made)
    (named,) = side.vpc_call("ListDhcpOptionsSets", DomainName="ali.example")["DhcpOptionsSets"]
    assert (named["DhcpOptionsSetId"], named["AssociateVpcCount"], named["Status"]) == (made, 1, "InUse")
    second = side.vpc_call("CreateDhcpOptionsSet", DhcpOptionsSetName="second", DomainName="second.example")["DhcpOptionsSetId"]
    side.vpc_call("ReplaceVpcDhcpOptionsSet", VpcId=side.vpc, DhcpOptionsSetId=second)
    until(lambda: resolv() == ["search second.example", usual[1]], 30, "another set, and the VPC's own server")
    side.vpc_call("DetachDhcpOptionsSetFromVpc", VpcId=side.vpc, DhcpOptionsSetId=second)
    side.vpc_call("AttachDhcpOptionsSetToVpc", VpcId=side.vpc, DhcpOptionsSetId=second)
    with pytest.raises(Refused, match="OperationDenied"):
        side.vpc_call("AttachDhcpOptionsSetToVpc", VpcId=side.vpc, DhcpOptionsSetId=made)
    side.ec2.associate_dhcp_options(VpcId=side.vpc, DhcpOptionsId="default")
    for unused in (made, second):
        side.vpc_call("DeleteDhcpOptionsSet", DhcpOptionsSetId=unused)
    until(lambda: resolv() == usual, 30, "the VPC's own server at last")


def test_alibabas_network_acl_stops_a_guest_and_lets_it_go_on(sides, until):
    side, other = sides
    until(side.answers, 60, "SSH")
    acl = side.vpc_call("CreateNetworkAcl", VpcId=side.vpc, NetworkAclName="border", Tags=[{"Key": "a", "Value": "b"}])["NetworkAclId"]
    vswitch = [{"ResourceType": "VSwitch", "ResourceId": side.subnet}]
    side.vpc_call("AssociateNetworkAcl", NetworkAclId=acl, Resources=vswitch)
    assert side.answers(), "a new one lets everything pass"
    ssh = {"Policy": "accept", "Protocol": "tcp", "Port": "22/22", "NetworkAclEntryName": "ssh"}
    closed = {"Policy": "drop", "Protocol": "all", "Port": "-1/-1", "SourceCidrIp": "0.0.0.0/0"}

    def update(ingress=None, egress=None):
        said = {"IngressAclEntriess": ingress, "UpdateIngressAclEntries": True} if ingress is not None else {}
        said |= {"EgressAclEntriess": egress, "UpdateEgressAclEntries": True} if egress is not None else {}
        side.vpc_call("UpdateNetworkAclEntries", NetworkAclId=acl, **said)

    update(ingress=[closed, {**ssh, "SourceCidrIp": "0.0.0.0/0"}])
    until(lambda: not side.answers(), 20, "silence: the first entry decides")
    update(ingress=[{**ssh, "SourceCidrIp": "0.0.0.0/0"}, closed])
    until(side.answers, 20, "SSH by the entry that comes first now")
    update(egress=[{**ssh, "DestinationCidrIp": "0.0.0.0/0"}])
    until(lambda: not side.answers(), 20, "silence: answers need an entry, too")
    update(egress=[{**ssh, "Port": "1024/65535", "DestinationCidrIp": "0.0.0.0/0", "Description": "answers"}])
    until(side.answers, 20, "SSH by the entry for answers")
    shown = side.vpc_call("DescribeNetworkAclAttributes", NetworkAclId=acl)["NetworkAclAttribute"]
    entries = shown["IngressAclEntries"]["IngressAclEntry"] + shown["EgressAclEntries"]["EgressAclEntry"]
    assert [(entry["Policy"], entry["Port"], entry["NetworkAclEntryName"]) for entry in entries] == [
        ("accept", "22/22", "ssh"), ("drop", "-1/-1", ""), ("accept", "1024/65535", "ssh"),
    ]  # fmt: skip
    (seen,) = [one for one in side.ec2.describe_network_acls(NetworkAclIds=[acl])["NetworkAcls"]]
    assert sorted(entry["RuleNumber"] for entry in seen["Entries"] if not entry["Egress"]) == [100, 200, 32767], "EC2 shows their places"
    side.vpc_call("ModifyNetworkAclAttributes", NetworkAclId=acl, NetworkAclName="renamed", Description="by a test")
    (listed,) = side.vpc_call("DescribeNetworkAcls", VpcId=side.vpc)["NetworkAcls"]["NetworkAcl"]
    assert (listed["NetworkAclName"], listed["Resources"]["Resource"][0]["ResourceId"]) == ("renamed", side.subnet)
    for asker, code, action, parameters in [
        (side, "DependencyViolation", "DeleteNetworkAcl", {}),
        (side, "InvalidVSwitchId.AlreadyAssociated", "AssociateNetworkAcl", {"Resources": vswitch}),
        (other, "InvalidNetworkAcl.NotFound", "DescribeNetworkAclAttributes", {}),
        (other, "InvalidNetworkAcl.NotFound", "DeleteNetworkAcl", {}),
    ]:
        with pytest.raises(Refused, match=code):
            asker.vpc_call(action, NetworkAclId=acl, **parameters)
    side.vpc_call("UnassociateNetworkAcl", NetworkAclId=acl, Resources=vswitch)
    side.vpc_call("DeleteNetworkAcl", NetworkAclId=acl)
    assert side.vpc_call("DescribeNetworkAcls", VpcId=side.vpc)["TotalCount"] == "0", "the default one is not shown"


def test_tencents_network_acl_stops_a_guest_and_lets_it_go_on(sides, until):
    side, other = sides
    tencent = side.tencent
    until(side.answers, 60, "SSH")
    assert tencent.call("DescribeNetworkAcls")["TotalCount"] == 0, "the default one is not shown"
    made = tencent.call("CreateNetworkAcl", VpcId=side.vpc, NetworkAclName="border")["NetworkAcl"]
    named = {"NetworkAclId": made["NetworkAclId"]}
    tencent.call("AssociateNetworkAclSubnets", **named, SubnetIds=[side.subnet])
    until(lambda: not side.answers(), 20, "silence: a new one lets nothing pass")
    anyone = {"Protocol": "TCP", "CidrBlock": "0.0.0.0/0", "Action": "ACCEPT"}
    tencent.call("ModifyNetworkAclEntries", **named, NetworkAclEntrySet={"Ingress": [{**anyone, "Port": "22", "Description": "ssh"}]})
    assert not side.answers(), "answers need an entry, too"
    tencent.call("ModifyNetworkAclEntries", **named, NetworkAclEntrySet={"Egress": [{**anyone, "Port": "1024-65535"}]})
    until(side.answers, 20, "SSH by an entry for each way")
    closed = {"Protocol": "ALL", "CidrBlock": "0.0.0.0/0", "Action": "DROP"}
    listed = dict(Filters=[{"Name": "vpc-id", "Values": [side.vpc]}])
    (shown,) = tencent.call("DescribeNetworkAcls", **listed)["NetworkAclSet"]
    assert [(entry["Protocol"], entry["Port"], entry["Priority"]) for entry in shown["IngressEntries"]] == [("tcp", "22", 1)]
    assert [subnet["SubnetId"] for subnet in shown["SubnetSet"]] == [side.subnet]
    tencent.call("ModifyNetworkAclEntries", **named, NetworkAclEntrySet={"Ingress": [closed, *shown["IngressEntries"]]})
    until(lambda: not side.answers(), 20, "silence: the first entry decides")
    closed_id = {"NetworkAclIpv4EntryId": tencent.call("DescribeNetworkAcls", **listed)["NetworkAclSet"][0]["IngressEntries"][0]["NetworkAclIpv4EntryId"]}
    tencent.call("DeleteNetworkAclEntries", **named, NetworkAclEntrySet={"Ingress": [closed_id]})
    until(side.answers, 20, "SSH without the entry that closed it")
    tencent.call("CreateNetworkAclEntries", **named, NetworkAclEntrySet={"Ingress": [{**closed, "Priority": 1}]})
    until(lambda: not side.answers(), 20, "silence: it was put before the others")
    closed_id = {"NetworkAclIpv4EntryId": tencent.call("DescribeNetworkAcls", **listed)["NetworkAclSet"][0]["IngressEntries"][0]["NetworkAclIpv4EntryId"]}
    tencent.call("ModifyNetworkAclEntries", **named, NetworkAclEntrySet={"Ingress": [{**closed_id, "CidrBlock": "192.0.2.0/24"}]}, EnableUpdateAclEntries=True)
    until(side.answers, 20, "SSH: the entry is about others now")
    tencent.call("ModifyNetworkAclAttribute", **named, NetworkAclName="renamed")
    assert tencent.refused("DeleteNetworkAcl", **named) == "ResourceInUse"
    assert other.tencent.refused("DeleteNetworkAcl", **named) == "ResourceNotFound"
    tencent.call("DisassociateNetworkAclSubnets", **named, SubnetIds=[side.subnet])
    until(side.answers, 20, "SSH without the ACL")
    done = tencent.tccli("vpc", "DeleteNetworkAcl", "--NetworkAclId", made["NetworkAclId"])
    assert done.returncode == 0, done
