"""Rules that change while they are used: through EC2, ECS and Tencent's VPC, felt by the packets of a guest at once."""

import subprocess

import pytest
from botocore.exceptions import ClientError

from test_cvm import Tenant as Tencent
from test_ecs import Tenant as Alibaba

SOON = {"Delay": 1, "MaxAttempts": 90}
HERE, NOWHERE = "198.18.0.0/15", "203.0.113.0/24"


@pytest.fixture(scope="module")
def clouds(cloud):
    """One account through the three clouds' clients."""
    ecs = Alibaba(cloud, "changed-rules")
    cvm = Tencent(cloud, "changed-rules", ecs.key, ecs.secret)
    return cloud.client("ec2", key=ecs.key, secret=ecs.secret), ecs, cvm


@pytest.fixture(scope="module")
def group(clouds):
    """A group that lets nothing in."""
    ec2, _, _ = clouds
    return ec2.create_security_group(GroupName="changed", Description="Its rules change")["GroupId"]


@pytest.fixture(scope="module")
def answers(cloud, clouds, group, until):
    """Waits until a guest in the group answers pings, or until it does not."""
    ec2, _, _ = clouds
    nic = {"DeviceIndex": 0, "AssociatePublicIpAddress": True, "Groups": [group]}
    made = ec2.run_instances(ImageId=cloud.image(), InstanceType="t2.nano", MinCount=1, MaxCount=1, NetworkInterfaces=[nic])
    id = made["Instances"][0]["InstanceId"]
    try:
        ec2.get_waiter("instance_running").wait(InstanceIds=[id], WaiterConfig=SOON)
        address = ec2.describe_instances(InstanceIds=[id])["Reservations"][0]["Instances"][0]["PublicIpAddress"]
        ping = lambda: subprocess.run(["ping", "-c", "1", "-W", "1", address], capture_output=True).returncode == 0
        yield lambda wanted: until(lambda: ping() == wanted, 60, "an answer of the guest" if wanted else "the guest's silence")
    finally:
        ec2.terminate_instances(InstanceIds=[id])
        ec2.get_waiter("instance_terminated").wait(InstanceIds=[id], WaiterConfig=SOON)


def test_a_rule_of_ec2_is_changed_and_described(clouds, group, answers):
    ec2, _, _ = clouds
    permission = {"IpProtocol": "icmp", "FromPort": -1, "ToPort": -1}
    added = ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[{**permission, "IpRanges": [{"CidrIp": HERE}]}])
    rule = added["SecurityGroupRules"][0]["SecurityGroupRuleId"]
    answers(True)

    def change(**says):
        update = {"SecurityGroupRuleId": rule, "SecurityGroupRule": {**permission, **says}}
        return ec2.modify_security_group_rules(GroupId=group, SecurityGroupRules=[update])

    assert change(CidrIpv4=NOWHERE, Description="nobody")["Return"] is True
    answers(False)
    with pytest.raises(ClientError) as refused:
        change(CidrIpv6="::/0")
    assert refused.value.response["Error"]["Code"] == "InvalidParameterCombination"
    ranges = [{"CidrIp": NOWHERE, "Description": "by what it says"}]
    ec2.update_security_group_rule_descriptions_ingress(GroupId=group, IpPermissions=[{**permission, "IpRanges": ranges}])
    shown = ec2.describe_security_group_rules(SecurityGroupRuleIds=[rule])["SecurityGroupRules"][0]
    assert (shown["CidrIpv4"], shown["Description"]) == (NOWHERE, "by what it says")
    of_group = {"Name": "group-id", "Values": [group]}
    out = next(one for one in ec2.describe_security_group_rules(Filters=[of_group])["SecurityGroupRules"] if one["IsEgress"])
    told = [{"SecurityGroupRuleId": out["SecurityGroupRuleId"], "Description": "everywhere"}]
    ec2.update_security_group_rule_descriptions_egress(GroupId=group, SecurityGroupRuleDescriptions=told)
    change(CidrIpv4=HERE)
    answers(True)
    ec2.revoke_security_group_ingress(GroupId=group, SecurityGroupRuleIds=[rule])
    answers(False)


def test_a_rule_of_ecs_is_changed(clouds, group, answers):
    _, ecs, _ = clouds
    ecs.call("AuthorizeSecurityGroup", SecurityGroupId=group, IpProtocol="icmp", PortRange="-1/-1", SourceCidrIp=HERE)
    answers(True)
    ecs.call("AuthorizeSecurityGroupEgress", SecurityGroupId=group, IpProtocol="icmpv6", PortRange="-1/-1", Ipv6DestCidrIp="fd00::/8")
    rules = ecs.call("DescribeSecurityGroupAttribute", SecurityGroupId=group)["Permissions"]["Permission"]
    rule = next(one["SecurityGroupRuleId"] for one in rules if one["IpProtocol"] == "ICMP")
    ecs.call("ModifySecurityGroupRule", SecurityGroupId=group, SecurityGroupRuleId=rule, Policy="drop", Description="shut")
    answers(False)
    six = next(one for one in rules if one["IpProtocol"] == "ICMPv6")
    assert six["Ipv6DestCidrIp"] == "fd00::/8"
    ecs.call("ModifySecurityGroupEgressRule", SecurityGroupId=group, SecurityGroupRuleId=six["SecurityGroupRuleId"], Description="pings")
    ecs.call("ModifySecurityGroupRule", SecurityGroupId=group, SecurityGroupRuleId=rule, Policy="accept", SourceCidrIp=HERE)
    answers(True)
    ecs.call("RevokeSecurityGroup", SecurityGroupId=group, **{"SecurityGroupRuleId.1": rule})
    answers(False)


def test_a_line_of_policies_is_replaced(clouds, group, answers):
    _, _, cvm = clouds
    policy = {"Protocol": "ICMP", "CidrBlock": HERE, "Action": "ACCEPT"}
    everything = {"Protocol": "ALL", "CidrBlock": "0.0.0.0/0", "Action": "ACCEPT"}
    sixth = {"Protocol": "ICMPV6", "Ipv6CidrBlock": "fd00::/8", "Action": "ACCEPT"}

    def reset(**both):
        cvm.call("ModifySecurityGroupPolicies", SecurityGroupId=group, SecurityGroupPolicySet=both)

    def replace(**says):
        one = {**policy, **says, "PolicyIndex": 0}
        cvm.call("ReplaceSecurityGroupPolicy", SecurityGroupId=group, SecurityGroupPolicySet={"Ingress": [one]})

    reset(Ingress=[policy, sixth], Egress=[everything])
    answers(True)
    replace(Action="DROP")
    answers(False)
    replace(Action="ACCEPT", PolicyDescription="again")
    answers(True)
    shown = cvm.call("DescribeSecurityGroupPolicies", SecurityGroupId=group)["SecurityGroupPolicySet"]
    assert [one["Protocol"] for one in shown["Ingress"]] == ["ICMP", "ICMPv6"]
    stale = {"Version": "1", "Ingress": [policy]}
    assert cvm.refused("ModifySecurityGroupPolicies", SecurityGroupId=group, SecurityGroupPolicySet=stale) == "UnsupportedOperation.VersionMismatch"
    told = cvm.call("DescribeSecurityGroupAssociationStatistics", SecurityGroupIds=[group])["SecurityGroupAssociationStatisticsSet"][0]
    assert (told["CVM"], told["TotalCount"]) == (1, 1)
    cvm.call("ModifySecurityGroupAttribute", SecurityGroupId=group, GroupName="renamed", GroupDescription="Had another name")
    reset(Version="0")
    answers(False)


def test_rules_carry_tags(simulated):
    """As Terraform's default_tags send them: with the rule, and afterwards by its id."""
    key, secret, account = simulated.account("rule-tags")
    ec2 = simulated.client("ec2", key=key, secret=secret)
    group = ec2.create_security_group(GroupName="tagged", Description="Its rules have tags")["GroupId"]

    def said(*pairs):
        return [{"ResourceType": "security-group-rule", "Tags": [{"Key": key, "Value": value} for key, value in pairs]}]

    def tags(rule):
        shown = ec2.describe_security_group_rules(SecurityGroupRuleIds=[rule])["SecurityGroupRules"][0]
        return {tag["Key"]: tag["Value"] for tag in shown.get("Tags", [])}

    ranges = [{"CidrIp": HERE}, {"CidrIp": NOWHERE}]
    permission = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": ranges}
    made = ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[permission], TagSpecifications=said(("team", "a"), ("x", "y")))
    first, second = (rule["SecurityGroupRuleId"] for rule in made["SecurityGroupRules"])
    for rule in made["SecurityGroupRules"]:
        assert {tag["Key"]: tag["Value"] for tag in rule["Tags"]} == {"team": "a", "x": "y"}
        assert rule["SecurityGroupRuleArn"] == f"arn:aws:ec2:{simulated.region}:{account}:security-group-rule/{rule['SecurityGroupRuleId']}"
    out = {"IpProtocol": "udp", "FromPort": 53, "ToPort": 53, "IpRanges": [{"CidrIp": HERE}]}
    third = ec2.authorize_security_group_egress(GroupId=group, IpPermissions=[out], TagSpecifications=said(("team", "b")))
    third = third["SecurityGroupRules"][0]["SecurityGroupRuleId"]
    ec2.create_tags(Resources=[second, third], Tags=[{"Key": "team", "Value": "c"}])
    ec2.delete_tags(Resources=[second], Tags=[{"Key": "x"}])
    assert (tags(first), tags(second), tags(third)) == ({"team": "a", "x": "y"}, {"team": "c"}, {"team": "c"})

    def found(*filters):
        named = [{"Name": name, "Values": values} for name, values in filters]
        return {rule["SecurityGroupRuleId"] for rule in ec2.describe_security_group_rules(Filters=named)["SecurityGroupRules"]}

    assert found(("tag:team", ["c"])) == {second, third}
    assert found(("tag-key", ["x"])) == {first}
    assert found(("tag:team", ["*"]), ("group-id", [group]), ("security-group-rule-id", [first, third])) == {first, third}
    of_rules = [{"Name": "resource-type", "Values": ["security-group-rule"]}]
    pages = ec2.get_paginator("describe_tags").paginate(Filters=of_rules, PaginationConfig={"PageSize": 5})
    listed = {(tag["ResourceId"], tag["Key"], tag["Value"]) for page in pages for tag in page["Tags"]}
    assert listed == {(first, "team", "a"), (first, "x", "y"), (second, "team", "c"), (third, "team", "c")}
    # A change of what the rule says leaves its tags, and so does a description.
    ec2.modify_security_group_rules(
        GroupId=group,
        SecurityGroupRules=[{"SecurityGroupRuleId": first, "SecurityGroupRule": {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 23, "CidrIpv4": HERE}}],
    )
    assert tags(first) == {"team": "a", "x": "y"}
    with pytest.raises(ClientError) as refused:
        ec2.create_tags(Resources=["sgr-00000000000000001"], Tags=[{"Key": "a", "Value": "b"}])
    assert refused.value.response["Error"]["Code"] == "InvalidSecurityGroupRuleId.NotFound"
    taken = ec2.revoke_security_group_ingress(GroupId=group, SecurityGroupRuleIds=[first])["RevokedSecurityGroupRules"]
    assert [(rule["SecurityGroupRuleId"], rule["ToPort"], rule["CidrIpv4"]) for rule in taken] == [(first, 23, HERE)]
    ec2.delete_security_group(GroupId=group)
    assert ec2.describe_tags(Filters=of_rules)["Tags"] == []
