"""Prefix lists through EC2 and ECS: a change of a list is a change of every rule that names it, at once, for packets of a guest."""

import subprocess

import pytest
from botocore.exceptions import ClientError

from test_ecs import Tenant as Alibaba

SOON = {"Delay": 1, "MaxAttempts": 90}
EVERYWHERE = ["0.0.0.0/1", "128.0.0.0/1"]
NOWHERE = "203.0.113.0/24"


@pytest.fixture(scope="module")
def both(cloud):
    """One account through EC2 and ECS."""
    ecs = Alibaba(cloud, "prefix-lists")
    return cloud.client("ec2", key=ecs.key, secret=ecs.secret), ecs


@pytest.fixture(scope="module")
def group(both):
    ec2, _ = both
    return ec2.create_security_group(GroupName="listed", Description="Lets in whom lists name")["GroupId"]


@pytest.fixture(scope="module")
def ping(cloud, both, group):
    """Whether a guest in the group answers a ping now."""
    ec2, _ = both
    nic = {"DeviceIndex": 0, "AssociatePublicIpAddress": True, "Groups": [group]}
    made = ec2.run_instances(ImageId=cloud.image(), InstanceType="t2.nano", MinCount=1, MaxCount=1, NetworkInterfaces=[nic])
    id = made["Instances"][0]["InstanceId"]
    try:
        ec2.get_waiter("instance_running").wait(InstanceIds=[id], WaiterConfig=SOON)
        address = ec2.describe_instances(InstanceIds=[id])["Reservations"][0]["Instances"][0]["PublicIpAddress"]
        yield lambda: subprocess.run(["ping", "-c", "1", "-W", "1", address], capture_output=True).returncode == 0
    finally:
        ec2.terminate_instances(InstanceIds=[id])
        ec2.get_waiter("instance_terminated").wait(InstanceIds=[id], WaiterConfig=SOON)


def code(call, **asked):
    with pytest.raises(ClientError) as refused:
        call(**asked)
    return refused.value.response["Error"]["Code"]


def test_a_managed_prefix_list_decides_at_once_and_goes_back_to_a_version(both, group, ping, until):
    ec2, _ = both
    entries = [{"Cidr": range} for range in EVERYWHERE]
    made = ec2.create_managed_prefix_list(PrefixListName="who", MaxEntries=3, AddressFamily="IPv4", Entries=entries)["PrefixList"]
    list = made["PrefixListId"]
    assert (made["State"], made["Version"], made["MaxEntries"]) == ("create-complete", 1, 3)
    permission = [{"IpProtocol": "icmp", "FromPort": -1, "ToPort": -1, "PrefixListIds": [{"PrefixListId": list, "Description": "ours"}]}]
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=permission)
    until(ping, 60, "an answer from a guest that a list opens")
    swap = {"AddEntries": [{"Cidr": NOWHERE}], "RemoveEntries": entries}
    changed = ec2.modify_managed_prefix_list(PrefixListId=list, CurrentVersion=1, **swap)["PrefixList"]
    assert (changed["State"], changed["Version"]) == ("modify-complete", 2)
    until(lambda: not ping(), 10, "silence after the list changed")
    assert [e["Cidr"] for e in ec2.get_managed_prefix_list_entries(PrefixListId=list)["Entries"]] == [NOWHERE]
    assert [e["Cidr"] for e in ec2.get_managed_prefix_list_entries(PrefixListId=list, TargetVersion=1)["Entries"]] == EVERYWHERE
    assert code(ec2.modify_managed_prefix_list, PrefixListId=list, CurrentVersion=1, **swap) == "PrefixListVersionMismatch"
    ec2.restore_managed_prefix_list_version(PrefixListId=list, PreviousVersion=1, CurrentVersion=2)
    until(ping, 10, "an answer after the older version was taken up again")
    (shown,) = ec2.describe_managed_prefix_lists(PrefixListIds=[list])["PrefixLists"]
    assert (shown["State"], shown["Version"]) == ("restore-complete", 3)
    rules = ec2.describe_security_group_rules(Filters=[{"Name": "group-id", "Values": [group]}])["SecurityGroupRules"]
    assert [rule["PrefixListId"] for rule in rules if "PrefixListId" in rule] == [list]
    used = ec2.get_managed_prefix_list_associations(PrefixListId=list)["PrefixListAssociations"]
    assert [association["ResourceId"] for association in used] == [group]
    assert code(ec2.delete_managed_prefix_list, PrefixListId=list) == "DependencyViolation"
    ec2.revoke_security_group_ingress(GroupId=group, IpPermissions=permission)
    until(lambda: not ping(), 10, "silence after the rule went")
    ec2.delete_managed_prefix_list(PrefixListId=list)
    assert code(ec2.describe_managed_prefix_lists, PrefixListIds=[list]) == "InvalidPrefixListID.NotFound"


def test_a_prefix_list_of_ecs_decides_at_once_and_its_size_counts_as_rules(both, group, ping, until):
    _, ecs = both
    entries = {f"Entry.{n}.Cidr": range for n, range in enumerate(EVERYWHERE, 1)}
    list = ecs.call("CreatePrefixList", PrefixListName="who", AddressFamily="IPv4", MaxEntries="200", **entries)["PrefixListId"]
    rule = {"SecurityGroupId": group, "IpProtocol": "icmp", "PortRange": "-1/-1", "SourcePrefixListId": list}
    ecs.call("AuthorizeSecurityGroup", **rule)
    until(ping, 60, "an answer from a guest that a list opens")
    removed = {f"RemoveEntry.{n}.Cidr": range for n, range in enumerate(EVERYWHERE, 1)}
    ecs.call("ModifyPrefixList", PrefixListId=list, **{"AddEntry.1.Cidr": NOWHERE}, **removed)
    until(lambda: not ping(), 10, "silence after the list changed")
    told = ecs.call("DescribePrefixListAttributes", PrefixListId=list)["Entries"]["Entry"]
    assert [entry["Cidr"] for entry in told] == [NOWHERE]
    (shown,) = ecs.call("DescribePrefixLists", PrefixListName="who")["PrefixLists"]["PrefixList"]
    assert (shown["PrefixListId"], shown["AssociationCount"], shown["MaxEntries"]) == (list, 1, 200)
    (used,) = ecs.call("DescribePrefixListAssociations", PrefixListId=list)["PrefixListAssociations"]["PrefixListAssociation"]
    assert used == {"ResourceId": group, "ResourceType": "securitygroup"}
    assert ecs.refused("DeletePrefixList", PrefixListId=list) == "DependencyViolation.PrefixListAssociation"
    for port in range(1, 5):
        more = {"IpProtocol": "tcp", "PortRange": f"{port}/{port}", "SecurityGroupId": group, "SourcePrefixListId": list}
        if port < 4:
            ecs.call("AuthorizeSecurityGroup", **more)
        else:
            # With the rule that every group has for the way out, five lists of two hundred are more than a thousand rules.
            assert ecs.refused("AuthorizeSecurityGroup", **more) == "AuthorizationLimitExceed"
    for port in range(1, 4):
        ecs.call("RevokeSecurityGroup", IpProtocol="tcp", PortRange=f"{port}/{port}", SecurityGroupId=group, SourcePrefixListId=list)
    ecs.call("RevokeSecurityGroup", **rule)
    ecs.call("DeletePrefixList", PrefixListId=list)


def test_a_prefix_list_of_ipv6_is_made_through_ecs_and_seen_through_ec2(both, group):
    ec2, ecs = both
    new = {"PrefixListName": "six", "AddressFamily": "IPv6", "MaxEntries": "3", "Entry.1.Cidr": "2001:db8::/32"}
    list = ecs.call("CreatePrefixList", **new)["PrefixListId"]
    rule = {"SecurityGroupId": group, "IpProtocol": "tcp", "PortRange": "443/443", "SourcePrefixListId": list}
    ecs.call("AuthorizeSecurityGroup", **rule)
    ecs.call("ModifyPrefixList", PrefixListId=list, **{"AddEntry.1.Cidr": "fd00::/8"})
    (shown,) = ec2.describe_managed_prefix_lists(PrefixListIds=[list])["PrefixLists"]
    assert (shown["AddressFamily"], shown["Version"]) == ("IPv6", 2)
    assert [e["Cidr"] for e in ec2.get_managed_prefix_list_entries(PrefixListId=list)["Entries"]] == ["2001:db8::/32", "fd00::/8"]
    (found,) = ecs.call("DescribePrefixLists", AddressFamily="IPv6")["PrefixLists"]["PrefixList"]
    assert (found["PrefixListId"], found["AddressFamily"], found["AssociationCount"]) == (list, "IPv6", 1)
    assert ecs.refused("ModifyPrefixList", PrefixListId=list, **{"AddEntry.1.Cidr": NOWHERE}) == "InvalidParameter"
    ecs.call("RevokeSecurityGroup", **rule)
    ecs.call("DeletePrefixList", PrefixListId=list)


def test_routes_follow_a_list_at_once(both, group, ping, until):
    """The guest's answers go out by the subnet's table: to whom the list names, and to nobody else."""
    ec2, _ = both
    world = [{"IpProtocol": "icmp", "FromPort": -1, "ToPort": -1, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=world)
    (vpc,) = ec2.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"]
    of_vpc = [{"Name": "vpc-id", "Values": [vpc["VpcId"]]}, {"Name": "association.main", "Values": ["true"]}]
    (table,) = ec2.describe_route_tables(Filters=of_vpc)["RouteTables"]
    default = {"RouteTableId": table["RouteTableId"], "DestinationCidrBlock": "0.0.0.0/0"}
    gateway = next(route["GatewayId"] for route in table["Routes"] if route["DestinationCidrBlock"] == "0.0.0.0/0")
    entries = [{"Cidr": range} for range in EVERYWHERE]
    list = ec2.create_managed_prefix_list(PrefixListName="beyond", MaxEntries=3, AddressFamily="IPv4", Entries=entries)["PrefixList"]["PrefixListId"]
    to_list = {"RouteTableId": table["RouteTableId"], "DestinationPrefixListId": list}
    until(ping, 60, "an answer by the default route")
    try:
        ec2.delete_route(**default)
        until(lambda: not ping(), 10, "silence without a route")
        ec2.create_route(GatewayId=gateway, **to_list)
        until(ping, 10, "an answer by the list")
        swap = {"AddEntries": [{"Cidr": NOWHERE}], "RemoveEntries": entries}
        ec2.modify_managed_prefix_list(PrefixListId=list, CurrentVersion=1, **swap)
        until(lambda: not ping(), 10, "silence after the list changed")
        ec2.restore_managed_prefix_list_version(PrefixListId=list, PreviousVersion=1, CurrentVersion=2)
        until(ping, 10, "an answer after the older version was taken up again")
        (shown,) = ec2.describe_route_tables(Filters=of_vpc)["RouteTables"]
        assert [(route["DestinationPrefixListId"], route["State"]) for route in shown["Routes"] if "DestinationPrefixListId" in route] == [(list, "active")]
        ec2.delete_route(**to_list)
        until(lambda: not ping(), 10, "silence after the route went")
    finally:
        ec2.create_route(GatewayId=gateway, **default)
    until(ping, 10, "an answer by the default route again")
    ec2.delete_managed_prefix_list(PrefixListId=list)
    ec2.revoke_security_group_ingress(GroupId=group, IpPermissions=world)
