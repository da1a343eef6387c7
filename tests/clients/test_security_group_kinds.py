"""Basic and enterprise groups of ECS: who meets whom, on guests that run, through Alibaba Cloud's SDK."""

import subprocess

import pytest

from test_ecs import Tenant


@pytest.fixture(scope="module")
def tenant(cloud):
    return Tenant(cloud, "group-kinds")


@pytest.fixture(scope="module")
def key(tenant, tmp_path_factory):
    path = tmp_path_factory.mktemp("keys") / "kinds.pem"
    path.write_text(tenant.call("CreateKeyPair", KeyPairName="kinds")["PrivateKeyBody"])
    path.chmod(0o600)
    return path


def group_of(tenant, name, **more):
    """A new group that lets SSH in."""
    group = tenant.call("CreateSecurityGroup", SecurityGroupName=name, **more)["SecurityGroupId"]
    tenant.call("AuthorizeSecurityGroup", SecurityGroupId=group, IpProtocol="tcp", PortRange="22/22", SourceCidrIp="0.0.0.0/0")
    return group


def pair_in(tenant, group):
    """Two running guests in a group: their ids, the public address of the first, and the private one of the second."""
    ids = [tenant.run(SecurityGroupId=group, InternetMaxBandwidthOut="10", KeyPairName="kinds")[0] for _ in range(2)]
    tenant.wait(ids, "Running")
    one, two = (tenant.instance(id) for id in ids)
    (public,) = one["PublicIpAddress"]["IpAddress"]
    return ids, public, two["VpcAttributes"]["PrivateIpAddress"]["IpAddress"][0]


def test_members_of_a_basic_group_meet_as_long_as_its_policy_says_so(tenant, key, shell, until):
    group = group_of(tenant, "basic")
    ids, public, other = pair_in(tenant, group)
    reaches = lambda to=other: shell(public, key, f"ping -c 1 -W 1 {to}").returncode == 0
    outside = lambda: subprocess.run(["ping", "-c", "1", "-W", "1", public], capture_output=True).returncode == 0
    drop = {"SecurityGroupId": group, "IpProtocol": "icmp", "PortRange": "-1/-1", "SourceCidrIp": "0.0.0.0/0", "Policy": "drop"}
    try:
        until(reaches, 60, "an answer of a member")
        assert not outside(), "who is no member is not let in"
        tenant.call("AuthorizeSecurityGroup", **drop)
        assert reaches(), "the policy goes before the rules"
        tenant.call("ModifySecurityGroupPolicy", SecurityGroupId=group, InnerAccessPolicy="Drop")
        until(lambda: not reaches(), 10, "silence among members")
        assert shell(public, key, "true").returncode == 0, "rules hold as they did"
        tenant.call("RevokeSecurityGroup", **drop)
        tenant.call("AuthorizeSecurityGroup", **drop | {"Policy": "accept", "SourceCidrIp": other})
        assert not reaches(), "the rule is about another member"
        within = {"SecurityGroupId": group, "IpProtocol": "icmp", "PortRange": "-1/-1", "SourceGroupId": group}
        tenant.call("AuthorizeSecurityGroup", **within)
        until(reaches, 10, "an answer by a rule of the owner's")
        tenant.call("RevokeSecurityGroup", **within)
        until(lambda: not reaches(), 10, "silence without it")
        tenant.call("ModifySecurityGroupPolicy", SecurityGroupId=group, InnerAccessPolicy="Accept")
        until(reaches, 10, "an answer of a member again")
    finally:
        tenant.call("DeleteInstances", Force="true", **{f"InstanceId.{place}": id for place, id in enumerate(ids, 1)})


def test_an_enterprise_group_does_what_its_rules_say_and_nothing_else(tenant, key, shell, until):
    group = group_of(tenant, "enterprise", SecurityGroupType="enterprise")
    ids, public, other = pair_in(tenant, group)
    reaches = lambda: shell(public, key, f"ping -c 1 -W 1 {other}").returncode == 0
    ping = {"SecurityGroupId": group, "IpProtocol": "icmp", "PortRange": "-1/-1"}
    try:
        assert not reaches()
        tenant.call("AuthorizeSecurityGroup", SourceCidrIp="172.31.0.0/16", **ping)
        assert not reaches(), "nothing is let out"
        tenant.call("AuthorizeSecurityGroupEgress", DestCidrIp=other, **ping)
        until(reaches, 10, "an answer of a member that rules let through")
        assert tenant.refused("ModifySecurityGroupPolicy", SecurityGroupId=group, InnerAccessPolicy="Accept") == "OperationDenied"
    finally:
        tenant.call("DeleteInstances", Force="true", **{f"InstanceId.{place}": id for place, id in enumerate(ids, 1)})
