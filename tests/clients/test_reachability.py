"""Whether one thing reaches another, asked of the cloud and tried by packets: both say the same, and the cloud says why."""

import ipaddress
import socket

import botocore.exceptions
import pytest

from conftest import private_key
from test_vpcs import SOON, main_table, make_public, public_ip, remove_instances, remove_vpc

RANGE, SUBNET = "10.30.0.0/16", "10.30.1.0/24"
FRONT, BACK = "10.30.1.10", "10.30.1.20"


@pytest.fixture(scope="module")
def ec2(cloud):
    key, secret, _ = cloud.account("reach")
    return cloud.client("ec2", key=key, secret=secret)


class Net:
    """A VPC with a public guest in front and a private one behind it, each in a group of its own."""

    def __init__(self, cloud, ec2, key, shell):
        self.cloud, self.ec2, self.key, self.shell = cloud, ec2, key, shell
        made = ec2.create_vpc(CidrBlock=RANGE, AmazonProvidedIpv6CidrBlock=True)["Vpc"]
        self.vpc, self.range6 = made["VpcId"], made["Ipv6CidrBlockAssociationSet"][0]["Ipv6CidrBlock"]

    def fill(self):
        ec2 = self.ec2
        (range6, *_) = ipaddress.ip_network(self.range6).subnets(new_prefix=64)
        subnet = ec2.create_subnet(VpcId=self.vpc, CidrBlock=SUBNET, Ipv6CidrBlock=str(range6))["Subnet"]["SubnetId"]
        self.gateway = make_public(ec2, self.vpc)
        self.groups = {name: self.group(name) for name in ("front", "back")}
        self.allow("front", 22, CidrIp="0.0.0.0/0")
        self.front = self.launch(subnet, FRONT, "front", True)
        self.back = self.launch(subnet, BACK, "back", False)
        ec2.get_waiter("instance_running").wait(InstanceIds=[self.front, self.back], WaiterConfig=SOON)
        self.public = public_ip(ec2, self.front)

    def group(self, name):
        return self.ec2.create_security_group(GroupName=name, Description=name, VpcId=self.vpc)["GroupId"]

    def launch(self, subnet, ip, group, public):
        nic = {"DeviceIndex": 0, "SubnetId": subnet, "PrivateIpAddress": ip, "Groups": [self.groups[group]], "Ipv6AddressCount": 1}
        nic["AssociatePublicIpAddress"] = public
        asked = dict(ImageId=self.cloud.image(), InstanceType="t2.nano", MinCount=1, MaxCount=1, KeyName="reach", NetworkInterfaces=[nic])
        return self.ec2.run_instances(**asked)["Instances"][0]["InstanceId"]

    def allow(self, group, port, **peer):
        self.ec2.authorize_security_group_ingress(GroupId=self.groups[group], IpProtocol="tcp", FromPort=port, ToPort=port, **peer)

    def ipv6(self, instance):
        """The address of IPv6 of a guest."""
        (reservation,) = self.ec2.describe_instances(InstanceIds=[instance])["Reservations"]
        return reservation["Instances"][0]["NetworkInterfaces"][0]["Ipv6Addresses"][0]["Ipv6Address"]

    def asked(self, source, destination, port, **addresses):
        """What the cloud says: nothing when there is a path, else the explanation."""
        asked = dict(Source=source, Destination=destination, Protocol="tcp", DestinationPort=port, **addresses)
        path = self.ec2.create_network_insights_path(**asked)
        path = path["NetworkInsightsPath"]["NetworkInsightsPathId"]
        started = self.ec2.start_network_insights_analysis(NetworkInsightsPathId=path)["NetworkInsightsAnalysis"]
        id = started["NetworkInsightsAnalysisId"]
        (found,) = self.ec2.describe_network_insights_analyses(NetworkInsightsAnalysisIds=[id])["NetworkInsightsAnalyses"]
        assert (found["Status"], found["NetworkInsightsPathId"]) == ("succeeded", path)
        self.ec2.delete_network_insights_analysis(NetworkInsightsAnalysisId=id)
        self.ec2.delete_network_insights_path(NetworkInsightsPathId=path)
        assert self.ec2.describe_network_insights_paths()["NetworkInsightsPaths"] == []
        if found["NetworkPathFound"]:
            self.components = [part["Component"]["Id"] for part in found["ForwardPathComponents"] if "Component" in part]
            return None
        (why,) = found["Explanations"]
        return why

    def reaches_back(self):
        """Whether a connection from the front guest to SSH of the back one really comes about."""
        return self.greets_front(BACK)

    def greets_front(self, address):
        """Whether SSH at this address answers the front guest."""
        return self.shell(self.public, self.key, f"nc -w 2 {address} 22 < /dev/null | head -c 4").stdout.startswith("SSH-")

    def answers(self, address=None):
        """Whether the machine reaches SSH of the front guest."""
        try:
            with socket.create_connection((address or self.public, 22), timeout=2) as connection:
                return connection.recv(4) == b"SSH-"
        except OSError:
            return False


def remove_acls(ec2, vpc):
    """Removes what a failed test has left."""
    acls = ec2.describe_network_acls(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["NetworkAcls"]
    default = next(acl["NetworkAclId"] for acl in acls if acl["IsDefault"])
    for acl in acls:
        if not acl["IsDefault"]:
            for tie in acl["Associations"]:
                ec2.replace_network_acl_association(AssociationId=tie["NetworkAclAssociationId"], NetworkAclId=default)
            ec2.delete_network_acl(NetworkAclId=acl["NetworkAclId"])


@pytest.fixture(scope="module")
def net(cloud, ec2, shell, tmp_path_factory):
    key = private_key(ec2, "reach", tmp_path_factory.mktemp("keys"))
    net = Net(cloud, ec2, key, shell)
    try:
        net.fill()
        yield net
    finally:
        remove_instances(ec2, net.vpc)
        for group in reversed(getattr(net, "groups", {}).values()):  # rules of the second name the first
            ec2.delete_security_group(GroupId=group)
        remove_acls(ec2, net.vpc)
        remove_vpc(ec2, net.vpc)


def test_the_world_reaches_what_a_rule_and_a_route_open(net, until):
    until(net.answers)
    assert net.asked(net.gateway, net.front, 22) is None
    assert net.gateway in net.components and net.groups["front"] in net.components
    why = net.asked(net.gateway, net.front, 80)
    assert (why["ExplanationCode"], why["Direction"]) == ("ENI_SG_RULES_MISMATCH", "ingress")
    assert [group["Id"] for group in why["SecurityGroups"]] == [net.groups["front"]]
    table = main_table(net.ec2, net.vpc)
    net.ec2.delete_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0")
    why = net.asked(net.gateway, net.front, 22)
    assert (why["ExplanationCode"], why["RouteTable"]["Id"]) == ("NO_ROUTE_TO_DESTINATION", table)
    until(lambda: not net.answers())
    net.ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", GatewayId=net.gateway)
    until(net.answers)


def test_a_network_acl_stops_answers_too(net, until):
    ec2, of_vpc = net.ec2, [{"Name": "vpc-id", "Values": [net.vpc]}]
    (default,) = ec2.describe_network_acls(Filters=of_vpc)["NetworkAcls"]
    (tie,) = default["Associations"]
    acl = ec2.create_network_acl(VpcId=net.vpc)["NetworkAcl"]["NetworkAclId"]
    tie = ec2.replace_network_acl_association(AssociationId=tie["NetworkAclAssociationId"], NetworkAclId=acl)["NewAssociationId"]

    def why():
        found = net.asked(net.gateway, net.front, 22)
        return found and (found["ExplanationCode"], found["Acl"]["Id"], found["Direction"], found.get("AclRule", {}).get("RuleNumber"))

    def entry(number, egress, action, ports, change=ec2.create_network_acl_entry):
        ports = {"From": ports[0], "To": ports[1]}
        entry = {"RuleNumber": number, "Egress": egress, "RuleAction": action, "PortRange": ports}
        change(NetworkAclId=acl, Protocol="6", CidrBlock="0.0.0.0/0", **entry)

    assert why() == ("SUBNET_ACL_RESTRICTION", acl, "ingress", None)
    until(lambda: not net.answers())
    entry(100, False, "allow", (22, 22))
    assert why() == ("SUBNET_ACL_RESTRICTION", acl, "egress", None)
    assert not net.answers(), "the answer is stopped"
    entry(100, True, "deny", (1024, 65535))
    assert why() == ("SUBNET_ACL_RESTRICTION", acl, "egress", 100)
    entry(100, True, "allow", (1024, 65535), change=ec2.replace_network_acl_entry)
    assert why() is None
    until(net.answers)
    ec2.delete_network_acl_entry(NetworkAclId=acl, RuleNumber=100, Egress=True)
    until(lambda: not net.answers())
    ec2.replace_network_acl_association(AssociationId=tie, NetworkAclId=default["NetworkAclId"])
    ec2.delete_network_acl(NetworkAclId=acl)
    until(net.answers)


def test_inside_the_group_of_the_receiver_decides(net):
    why = net.asked(net.front, net.back, 22)
    assert (why["ExplanationCode"], why["SecurityGroups"][0]["Id"]) == ("ENI_SG_RULES_MISMATCH", net.groups["back"])
    assert not net.reaches_back()
    net.ec2.authorize_security_group_ingress(
        GroupId=net.groups["back"],
        IpPermissions=[{"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "UserIdGroupPairs": [{"GroupId": net.groups["front"]}]}],
    )
    assert net.asked(net.front, net.back, 22) is None
    assert net.reaches_back()


def test_a_guest_without_a_public_address_does_not_get_out(net):
    assert net.asked(net.front, net.gateway, 443) is None
    why = net.asked(net.back, net.gateway, 443)
    assert why["ExplanationCode"] == "IGW_PUBLIC_IP_ASSOCIATION_FOR_EGRESS"


def test_the_operator_asks_about_rules_that_are_not_there_yet(net, cloud):
    def reach(*more):
        return cloud.command("reach", net.gateway, net.front, "--account", "reach", "--tcp", "8080", *more, check=False)

    now = reach()
    assert now.returncode == 1 and f"no rule of {net.groups['front']} accepts it inward" in now.stderr, now
    rule = f"{net.groups['front']},ingress,tcp:8080,0.0.0.0/0"
    thought = reach("--with", rule)
    assert thought.returncode == 0 and f"{net.gateway} reaches {net.front}." in thought.stdout, thought
    assert reach().returncode == 1, "nothing was changed"


def test_ipv6_is_asked_for_by_its_addresses_and_fares_as_it_is_judged(net, cloud, until):
    ec2, table, world = net.ec2, main_table(net.ec2, net.vpc), "2001:db8::9"
    front, back = net.ipv6(net.front), net.ipv6(net.back)
    until(lambda: front in net.shell(net.public, net.key, "ip -6 addr show dev eth0 scope global").stdout, 60, "the address in the guest")

    def inward():
        why = net.asked(net.gateway, net.front, 22, SourceIp=world, DestinationIp=front)
        return why and why["ExplanationCode"]

    why = net.asked(net.gateway, net.front, 22, SourceIp=world)
    assert (why["ExplanationCode"], why["RouteTable"]["Id"], why["Address"]) == ("NO_ROUTE_TO_DESTINATION", table, world)
    route = {"RouteTableId": table, "DestinationIpv6CidrBlock": "::/0"}
    ec2.create_route(**route, GatewayId=net.gateway)
    why = net.asked(net.gateway, net.front, 22, DestinationIp=front)
    assert (why["ExplanationCode"], why["SecurityGroups"][0]["Id"]) == ("ENI_SG_RULES_MISMATCH", net.groups["front"])
    assert not net.answers(front), "the rule is of IPv4"
    rule = f"{net.groups['front']},ingress,tcp:22,::/0"
    thought = cloud.command("reach", net.gateway, net.front, "--ipv6", "--account", "reach", "--tcp", "22", "--with", rule)
    assert f"{net.gateway} reaches {net.front}." in thought.stdout and "::/0" in thought.stdout, thought
    ssh = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "Ipv6Ranges": [{"CidrIpv6": "::/0"}]}
    ec2.authorize_security_group_ingress(GroupId=net.groups["front"], IpPermissions=[ssh])
    assert inward() is None and net.gateway in net.components
    until(lambda: net.answers(front), 30, "SSH by the guest's own address")
    only = ec2.create_egress_only_internet_gateway(VpcId=net.vpc)["EgressOnlyInternetGateway"]["EgressOnlyInternetGatewayId"]
    try:
        ec2.replace_route(**route, EgressOnlyInternetGatewayId=only)
        why = net.asked(net.gateway, net.front, 22, SourceIp=world)
        assert (why["ExplanationCode"], why["Component"]["Id"]) == ("NO_ROUTE_TO_DESTINATION", only)
        assert why["RouteTableRoute"]["EgressOnlyInternetGatewayId"] == only
        until(lambda: not net.answers(front), 30, "silence from outside")
        assert net.asked(net.front, net.gateway, 443, DestinationIp=world) is None and only in net.components
    finally:
        ec2.delete_egress_only_internet_gateway(EgressOnlyInternetGatewayId=only)
    assert net.asked(net.front, net.gateway, 443, DestinationIp=world)["ExplanationCode"] == "BAD_STATE_ROUTE"
    ec2.delete_route(**route)
    # Inside it is the other group's to decide, by whatever another test has left, and an address must be the sender's own.
    left = ec2.describe_security_groups(GroupIds=[net.groups["back"]])["SecurityGroups"][0]["IpPermissions"]
    if left:
        ec2.revoke_security_group_ingress(GroupId=net.groups["back"], IpPermissions=left)
    assert net.asked(net.front, net.back, 22, DestinationIp=back)["SecurityGroups"][0]["Id"] == net.groups["back"]
    until(lambda: not net.greets_front(back), 30, "silence inside")
    member = {**ssh, "Ipv6Ranges": [{"CidrIpv6": f"{front}/128"}]}
    ec2.authorize_security_group_ingress(GroupId=net.groups["back"], IpPermissions=[member])
    assert net.asked(net.front, net.back, 22, DestinationIp=back) is None
    until(lambda: net.greets_front(back), 30, "SSH by a rule of IPv6")
    why = net.asked(net.front, net.back, 22, SourceIp=world, DestinationIp=back)
    assert (why["ExplanationCode"], why["Address"]) == ("ENI_SOURCE_DEST_CHECK_RESTRICTION", world)
    with pytest.raises(botocore.exceptions.ClientError) as refused:
        net.asked(net.front, net.back, 22, SourceIp=FRONT, DestinationIp=back)
    assert refused.value.response["Error"]["Code"] == "InvalidParameterCombination"


def test_a_prefix_list_of_ipv6_decides_in_rules_and_routes_for_packets_and_for_the_answer(net, until):
    ec2, table, world = net.ec2, main_table(net.ec2, net.vpc), "2001:db8::9"
    front, group = net.ipv6(net.front), net.groups["front"]
    until(lambda: front in net.shell(net.public, net.key, "ip -6 addr show dev eth0 scope global").stdout, 60, "the address in the guest")
    everywhere, nowhere = [{"Cidr": "::/1"}, {"Cidr": "8000::/1"}], [{"Cidr": "2001:db8:ffff::/48"}]

    def made(name):
        return ec2.create_managed_prefix_list(PrefixListName=name, MaxEntries=3, AddressFamily="IPv6", Entries=everywhere)["PrefixList"]

    def inward():
        why = net.asked(net.gateway, net.front, 22, SourceIp=world, DestinationIp=front)
        return why and why["ExplanationCode"]

    def swapped(list):
        """Has a list name nobody, and then whom it named before."""
        ec2.modify_managed_prefix_list(PrefixListId=list, CurrentVersion=1, AddEntries=nowhere, RemoveEntries=everywhere)
        yield
        ec2.restore_managed_prefix_list_version(PrefixListId=list, PreviousVersion=1, CurrentVersion=2)
        yield

    left = ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"][0]["IpPermissions"]
    left = [{**rule, "IpRanges": [], "UserIdGroupPairs": []} for rule in left if rule["Ipv6Ranges"]]
    if left:
        ec2.revoke_security_group_ingress(GroupId=group, IpPermissions=left)
    who, ways = made("who"), made("ways")
    assert (who["AddressFamily"], who["Version"]) == ("IPv6", 1)
    who, ways = who["PrefixListId"], ways["PrefixListId"]
    rule = [{"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "PrefixListIds": [{"PrefixListId": who}]}]
    route = {"RouteTableId": table, "DestinationPrefixListId": ways}
    only = ec2.create_egress_only_internet_gateway(VpcId=net.vpc)["EgressOnlyInternetGateway"]["EgressOnlyInternetGatewayId"]
    try:
        assert inward() == "NO_ROUTE_TO_DESTINATION"
        ec2.create_route(**route, GatewayId=net.gateway)
        assert inward() == "ENI_SG_RULES_MISMATCH" and not net.answers(front)
        ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=rule)
        assert inward() is None
        until(lambda: net.answers(front), 30, "SSH by two lists")
        for list, code in ((who, "ENI_SG_RULES_MISMATCH"), (ways, "NO_ROUTE_TO_DESTINATION")):
            change = swapped(list)
            next(change)
            assert inward() == code
            until(lambda: not net.answers(front), 30, "silence after a list changed")
            next(change)
            assert inward() is None
            until(lambda: net.answers(front), 30, "SSH after the older version was taken up again")
        ec2.replace_route(**route, EgressOnlyInternetGatewayId=only)
        (shown,) = ec2.describe_route_tables(RouteTableIds=[table])["RouteTables"]
        (shown,) = [route for route in shown["Routes"] if "DestinationPrefixListId" in route]
        assert (shown["DestinationPrefixListId"], shown["EgressOnlyInternetGatewayId"], shown["State"]) == (ways, only, "active")
        assert inward() == "NO_ROUTE_TO_DESTINATION"
        assert net.asked(net.front, net.gateway, 443, DestinationIp=world) is None
        until(lambda: not net.answers(front), 30, "silence from outside")
        ec2.delete_route(**route)
        ec2.revoke_security_group_ingress(GroupId=group, IpPermissions=rule)
        for list in (who, ways):
            assert ec2.delete_managed_prefix_list(PrefixListId=list)["PrefixList"]["State"] == "delete-complete"
    finally:
        ec2.delete_egress_only_internet_gateway(EgressOnlyInternetGatewayId=only)


def test_a_question_of_another_account_finds_nothing(net, cloud):
    key, secret, _ = cloud.account("reach-stranger")
    stranger = cloud.client("ec2", key=key, secret=secret)
    with pytest.raises(botocore.exceptions.ClientError) as refused:
        stranger.create_network_insights_path(Source=net.front, Destination=net.back, Protocol="tcp")
    assert refused.value.response["Error"]["Code"] == "InvalidInstanceID.NotFound"
