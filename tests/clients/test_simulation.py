"""What policies would say, asked through IAM: the same as what they say when the call is made. On simulated hosts."""

import json

import pytest
from botocore.exceptions import ClientError

READ_ONLY = "arn:aws:iam::aws:policy/AmazonEC2ReadOnlyAccess"


@pytest.fixture(scope="module")
def account(simulated):
    key, secret, number = simulated.account("simulation-tests")
    return {"key": key, "secret": secret, "number": number, "iam": simulated.client("iam", key, secret)}


def document(*statements):
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def decisions(reply):
    return [(one["EvalActionName"], one["EvalResourceName"], one["EvalDecision"]) for one in reply["EvaluationResults"]]


def test_policies_are_listed_by_the_service_that_they_grant(simulated, account):
    iam, number = account["iam"], account["number"]
    iam.create_user(UserName="noa")
    iam.create_group(GroupName="keepers")
    iam.add_user_to_group(GroupName="keepers", UserName="noa")
    iam.attach_group_policy(GroupName="keepers", PolicyArn=READ_ONLY)
    iam.put_group_policy(GroupName="keepers", PolicyName="keys", PolicyDocument=document({"Effect": "Allow", "Action": "kms:*", "Resource": "*"}))
    beside = document({"Effect": "Allow", "NotAction": ["ec2:*", "kms:*", "ecs:*", "cvm:*", "vpc:*", "cbs:*"], "Resource": "*"})
    iam.put_user_policy(UserName="noa", PolicyName="beside", PolicyDocument=beside)
    arn = f"arn:aws:iam::{number}:user/noa"
    asked = ["ec2", "kms", "iam", "logs"]
    found = iam.list_policies_granting_service_access(Arn=arn, ServiceNamespaces=asked)
    entries = found["PoliciesGrantingServiceAccess"]
    assert ([entry["ServiceNamespace"] for entry in entries], found["IsTruncated"]) == (asked, False)
    read_only = {"PolicyName": "AmazonEC2ReadOnlyAccess", "PolicyType": "MANAGED", "PolicyArn": READ_ONLY}
    keys = {"PolicyName": "keys", "PolicyType": "INLINE", "EntityType": "GROUP", "EntityName": "keepers"}
    own = {"PolicyName": "beside", "PolicyType": "INLINE", "EntityType": "USER", "EntityName": "noa"}
    assert [entry["Policies"] for entry in entries] == [[read_only], [keys], [own], [own]]
    group = iam.list_policies_granting_service_access(Arn=arn.replace("user/noa", "group/keepers"), ServiceNamespaces=["ec2", "iam"])
    assert [entry.get("Policies", []) for entry in group["PoliciesGrantingServiceAccess"]] == [[read_only], []]
    many = [f"service-{number}" for number in range(150)]
    first = iam.list_policies_granting_service_access(Arn=arn, ServiceNamespaces=many)
    rest = iam.list_policies_granting_service_access(Arn=arn, ServiceNamespaces=many, Marker=first["Marker"])
    seen = [entry["ServiceNamespace"] for page in (first, rest) for entry in page["PoliciesGrantingServiceAccess"]]
    assert (seen, first["IsTruncated"], rest["IsTruncated"]) == (many, True, False)
    for wrong, code in [(f"arn:aws:iam::{number}:user/nobody", "NoSuchEntity"), ("arn:aws:iam::1:user/noa", "ValidationError")]:
        with pytest.raises(ClientError) as refused:
            iam.list_policies_granting_service_access(Arn=wrong, ServiceNamespaces=["ec2"])
        assert refused.value.response["Error"]["Code"] == code


def test_a_simulation_says_what_the_call_is_told(simulated, account):
    iam, number = account["iam"], account["number"]
    iam.create_user(UserName="kim", Tags=[{"Key": "team", "Value": "red"}])
    iam.create_group(GroupName="readers")
    iam.add_user_to_group(GroupName="readers", UserName="kim")
    iam.attach_group_policy(GroupName="readers", PolicyArn=READ_ONLY)
    mine = f"arn:aws:ec2:{simulated.region}:{number}:volume/vol-00000000000000001"
    allowed = {"Effect": "Allow", "Action": "ec2:DeleteVolume", "Resource": mine, "Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}}
    denied = {"Effect": "Deny", "Action": "ec2:DescribeVpcs", "Resource": "*"}
    iam.put_user_policy(UserName="kim", PolicyName="volumes", PolicyDocument=document(allowed, denied))
    arn = f"arn:aws:iam::{number}:user/kim"

    def ask(*actions, **more):
        return iam.simulate_principal_policy(PolicySourceArn=arn, ActionNames=list(actions), **more)

    found = ask("ec2:DescribeInstances", "ec2:DescribeVpcs", "ec2:RunInstances", "s3:GetObject")
    assert [decision for _, _, decision in decisions(found)] == ["allowed", "explicitDeny", "implicitDeny", "implicitDeny"]
    first, second = found["EvaluationResults"][:2]
    assert first["MatchedStatements"][0]["SourcePolicyId"] == "AmazonEC2ReadOnlyAccess"
    assert second["MatchedStatements"][0]["SourcePolicyId"] == "user_kim_volumes"
    assert first["MissingContextValues"] == ["aws:SourceIp"]
    other = mine.replace("0001", "0002")
    home = [{"ContextKeyName": "aws:SourceIp", "ContextKeyType": "ip", "ContextKeyValues": ["10.1.2.3"]}]
    found = ask("ec2:DeleteVolume", ResourceArns=[mine, other], ContextEntries=home)
    assert decisions(found) == [("ec2:DeleteVolume", mine, "allowed"), ("ec2:DeleteVolume", other, "implicitDeny")]
    assert found["EvaluationResults"][0].get("MissingContextValues", []) == []
    assert decisions(ask("ec2:DeleteVolume", ResourceArns=[mine]))[0][2] == "implicitDeny", "an unknown address is not in the range"
    more = document({"Effect": "Allow", "Action": "ec2:RunInstances", "Resource": "*"})
    assert decisions(ask("ec2:RunInstances", PolicyInputList=[more]))[0][2] == "allowed"
    assert decisions(iam.simulate_custom_policy(PolicyInputList=[more], ActionNames=["ec2:RunInstances", "s3:RunInstances"])) == [
        ("ec2:RunInstances", "*", "allowed"),
        ("s3:RunInstances", "*", "implicitDeny"),
    ]

    key = iam.create_access_key(UserName="kim")["AccessKey"]
    ec2 = simulated.client("ec2", key["AccessKeyId"], key["SecretAccessKey"])
    ec2.describe_instances()
    for call, parameters in [(ec2.describe_vpcs, {}), (ec2.create_vpc, {"CidrBlock": "10.0.0.0/16"})]:
        with pytest.raises(ClientError, match="UnauthorizedOperation"):
            call(**parameters)
    as_kim = simulated.client("iam", key["AccessKeyId"], key["SecretAccessKey"])
    with pytest.raises(ClientError, match="AccessDenied"):
        as_kim.simulate_principal_policy(PolicySourceArn=arn, ActionNames=["ec2:DescribeInstances"])
    with pytest.raises(ClientError, match="AccessDenied"):
        as_kim.get_account_authorization_details()
    with pytest.raises(ClientError, match="NoSuchEntity"):
        iam.simulate_principal_policy(PolicySourceArn=arn.replace("kim", "nobody"), ActionNames=["ec2:DescribeInstances"])


def test_an_account_is_shown_whole(account):
    iam = account["iam"]
    before = iam.get_account_summary()["SummaryMap"]
    iam.create_user(UserName="lee")
    trust = document({"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"})
    iam.create_role(RoleName="box", AssumeRolePolicyDocument=trust)
    iam.create_instance_profile(InstanceProfileName="box")
    iam.add_role_to_instance_profile(InstanceProfileName="box", RoleName="box")
    own = document({"Effect": "Allow", "Action": "ec2:DescribeVpcs", "Resource": "*"})
    policy = iam.create_policy(PolicyName="seeing", PolicyDocument=own)["Policy"]["Arn"]
    iam.attach_user_policy(UserName="lee", PolicyArn=policy)
    iam.attach_role_policy(RoleName="box", PolicyArn=policy)
    after = iam.get_account_summary()["SummaryMap"]
    for counted, more in [("Users", 1), ("Roles", 1), ("InstanceProfiles", 1), ("Policies", 1), ("PolicyVersionsInUse", 1), ("Groups", 0)]:
        assert after[counted] == before[counted] + more, counted
    assert after["AccountAccessKeysPresent"] == 1 and after["AccountMFAEnabled"] == 0

    def all_of(**parameters):
        pages = iam.get_paginator("get_account_authorization_details").paginate(**parameters)
        found = pages.build_full_result()
        return {kind: found.get(kind, []) for kind in ("UserDetailList", "GroupDetailList", "RoleDetailList", "Policies")}

    whole = all_of()
    (lee,) = (user for user in whole["UserDetailList"] if user["UserName"] == "lee")
    assert lee["AttachedManagedPolicies"] == [{"PolicyName": "seeing", "PolicyArn": policy}]
    (box,) = whole["RoleDetailList"]
    assert box["InstanceProfileList"][0]["InstanceProfileName"] == "box" and box["AssumeRolePolicyDocument"] == json.loads(trust)
    (seeing,) = (found for found in whole["Policies"] if found["Arn"] == policy)
    assert seeing["AttachmentCount"] == 2 and seeing["PolicyVersionList"][0]["Document"] == json.loads(own)
    assert all_of(PaginationConfig={"PageSize": 1}) == whole
    only = all_of(Filter=["Role"])
    assert only["RoleDetailList"] == whole["RoleDetailList"] and not only["UserDetailList"] and not only["Policies"]

    entities = iam.list_entities_for_policy(PolicyArn=policy)
    assert [one["UserName"] for one in entities["PolicyUsers"]] == ["lee"]
    assert [one["RoleName"] for one in entities["PolicyRoles"]] == ["box"]
    assert iam.list_entities_for_policy(PolicyArn=policy, EntityFilter="Role").get("PolicyUsers", []) == []
    assert iam.list_entities_for_policy(PolicyArn=policy, PolicyUsageFilter="PermissionsBoundary").get("PolicyRoles", []) == []


def test_users_roles_and_policies_carry_tags(account):
    iam = account["iam"]
    trust = document({"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"})
    own = document({"Effect": "Allow", "Action": "ec2:DescribeVpcs", "Resource": "*"})
    first = [{"Key": "a", "Value": "1"}]
    iam.create_user(UserName="tagged", Tags=first)
    iam.create_role(RoleName="tagged", AssumeRolePolicyDocument=trust, Tags=first)
    arn = iam.create_policy(PolicyName="tagged", PolicyDocument=own, Tags=first)["Policy"]["Arn"]
    for name, tag, untag, listed in [
        ({"UserName": "tagged"}, iam.tag_user, iam.untag_user, iam.list_user_tags),
        ({"RoleName": "tagged"}, iam.tag_role, iam.untag_role, iam.list_role_tags),
        ({"PolicyArn": arn}, iam.tag_policy, iam.untag_policy, iam.list_policy_tags),
    ]:
        tag(**name, Tags=[{"Key": "b", "Value": "2"}, {"Key": "a", "Value": "3"}])
        assert listed(**name)["Tags"] == [{"Key": "a", "Value": "3"}, {"Key": "b", "Value": "2"}]
        untag(**name, TagKeys=["a", "none"])
        assert listed(**name)["Tags"] == [{"Key": "b", "Value": "2"}]
    assert iam.get_user(UserName="tagged")["User"]["Tags"] == [{"Key": "b", "Value": "2"}]
