"""Accounts' own administration through IAM and STS: what a policy says is what every dialect obeys, at once."""

import json

import boto3
import botocore.exceptions
import pytest

RUN = {"InstanceType": "t3.nano", "MinCount": 1, "MaxCount": 1}


@pytest.fixture(scope="module")
def account(simulated):
    """An account of its own, so that nothing of it is in other tests' way."""
    key, secret, number = simulated.account("iam-tests")
    return {"key": key, "secret": secret, "number": number}


@pytest.fixture
def iam(simulated, account):
    return simulated.client("iam", account["key"], account["secret"])


@pytest.fixture
def ann(iam):
    """A user without rights, removed with all that she has."""
    iam.create_user(UserName="ann")
    key = iam.create_access_key(UserName="ann")["AccessKey"]
    yield key
    for key in iam.list_access_keys(UserName="ann")["AccessKeyMetadata"]:
        iam.delete_access_key(UserName="ann", AccessKeyId=key["AccessKeyId"])
    for name in iam.list_user_policies(UserName="ann")["PolicyNames"]:
        iam.delete_user_policy(UserName="ann", PolicyName=name)
    for policy in iam.list_attached_user_policies(UserName="ann")["AttachedPolicies"]:
        iam.detach_user_policy(UserName="ann", PolicyArn=policy["PolicyArn"])
    for group in iam.list_groups_for_user(UserName="ann")["Groups"]:
        iam.remove_user_from_group(UserName="ann", GroupName=group["GroupName"])
    iam.delete_user(UserName="ann")


def document(*statements):
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allow(*actions, **more):
    return {"Effect": "Allow", "Action": list(actions), "Resource": "*", **more}


def code_of(call, **arguments):
    with pytest.raises(botocore.exceptions.ClientError) as refused:
        call(**arguments)
    return refused.value.response["Error"]["Code"]


def session(cloud, credentials, service="ec2"):
    """A client with temporary credentials."""
    return boto3.client(
        service,
        endpoint_url=cloud.endpoint,
        region_name=cloud.region,
        aws_access_key_id=credentials["AccessKeyId"],
        aws_secret_access_key=credentials["SecretAccessKey"],
        aws_session_token=credentials["SessionToken"],
    )


def test_a_new_user_may_do_nothing_and_what_it_is_given_holds_at_once(simulated, iam, ann, account):
    ec2 = simulated.client("ec2", ann["AccessKeyId"], ann["SecretAccessKey"])
    sts = simulated.client("sts", ann["AccessKeyId"], ann["SecretAccessKey"])
    assert sts.get_caller_identity()["Arn"] == f"arn:aws:iam::{account['number']}:user/ann"
    assert code_of(ec2.describe_instances) == "UnauthorizedOperation"
    iam.attach_user_policy(UserName="ann", PolicyArn="arn:aws:iam::aws:policy/AmazonEC2ReadOnlyAccess")
    assert ec2.describe_instances()["Reservations"] == []
    launch = {"ImageId": simulated.image(), **RUN}
    assert code_of(ec2.run_instances, **launch) == "UnauthorizedOperation"
    iam.put_user_policy(UserName="ann", PolicyName="launch", PolicyDocument=document(allow("ec2:RunInstances")))
    id = ec2.run_instances(**launch)["Instances"][0]["InstanceId"]
    iam.put_user_policy(UserName="ann", PolicyName="stop", PolicyDocument=document({**allow("ec2:*"), "Effect": "Deny"}))
    assert code_of(ec2.describe_instances) == "UnauthorizedOperation", "a denial is above every permission"
    iam.delete_user_policy(UserName="ann", PolicyName="stop")
    iam.detach_user_policy(UserName="ann", PolicyArn="arn:aws:iam::aws:policy/AmazonEC2ReadOnlyAccess")
    assert code_of(ec2.describe_instances) == "UnauthorizedOperation"
    simulated.client("ec2", account["key"], account["secret"]).terminate_instances(InstanceIds=[id])


def test_rights_over_machines_are_none_over_users(simulated, iam, ann):
    iam.attach_user_policy(UserName="ann", PolicyArn="arn:aws:iam::aws:policy/AmazonEC2FullAccess")
    as_ann = simulated.client("iam", ann["AccessKeyId"], ann["SecretAccessKey"])
    assert code_of(as_ann.list_users) == "AccessDenied"
    assert code_of(as_ann.create_access_key, UserName="ann") == "AccessDenied"
    own = allow("iam:CreateAccessKey", Resource="arn:aws:iam::*:user/${aws:username}")
    iam.put_user_policy(UserName="ann", PolicyName="own", PolicyDocument=document(own))
    as_ann.create_access_key()
    assert code_of(as_ann.create_access_key) == "LimitExceeded", "two keys a user"
    iam.create_user(UserName="bob")
    assert code_of(as_ann.create_access_key, UserName="bob") == "AccessDenied"
    iam.delete_user(UserName="bob")


def test_a_key_that_is_turned_off_or_deleted_acts_no_more(simulated, iam, ann):
    sts = simulated.client("sts", ann["AccessKeyId"], ann["SecretAccessKey"])
    assert sts.get_caller_identity()["UserId"].startswith("AIDA")
    iam.update_access_key(UserName="ann", AccessKeyId=ann["AccessKeyId"], Status="Inactive")
    assert code_of(sts.get_caller_identity) == "InvalidClientTokenId"
    (key,) = iam.list_access_keys(UserName="ann")["AccessKeyMetadata"]
    assert (key["AccessKeyId"], key["Status"]) == (ann["AccessKeyId"], "Inactive")
    iam.update_access_key(UserName="ann", AccessKeyId=ann["AccessKeyId"], Status="Active")
    sts.get_caller_identity()
    iam.delete_access_key(UserName="ann", AccessKeyId=ann["AccessKeyId"])
    assert code_of(sts.get_caller_identity) == "InvalidClientTokenId"


def test_a_group_gives_its_members_what_it_has(simulated, iam, ann):
    ec2 = simulated.client("ec2", ann["AccessKeyId"], ann["SecretAccessKey"])
    iam.create_group(GroupName="readers")
    iam.put_group_policy(GroupName="readers", PolicyName="look", PolicyDocument=document(allow("ec2:Describe*")))
    iam.add_user_to_group(GroupName="readers", UserName="ann")
    assert [user["UserName"] for user in iam.get_group(GroupName="readers")["Users"]] == ["ann"]
    assert [group["GroupName"] for group in iam.list_groups()["Groups"]] == ["readers"]
    ec2.describe_instances()
    assert code_of(iam.delete_group, GroupName="readers") == "DeleteConflict"
    iam.remove_user_from_group(GroupName="readers", UserName="ann")
    assert code_of(ec2.describe_instances) == "UnauthorizedOperation"
    look = iam.get_group_policy(GroupName="readers", PolicyName="look")
    assert look["PolicyDocument"]["Statement"][0]["Action"] == ["ec2:Describe*"]
    assert iam.list_group_policies(GroupName="readers")["PolicyNames"] == ["look"]
    iam.delete_group_policy(GroupName="readers", PolicyName="look")
    iam.attach_group_policy(GroupName="readers", PolicyArn="arn:aws:iam::aws:policy/ReadOnlyAccess")
    assert iam.list_attached_group_policies(GroupName="readers")["AttachedPolicies"][0]["PolicyName"] == "ReadOnlyAccess"
    iam.detach_group_policy(GroupName="readers", PolicyArn="arn:aws:iam::aws:policy/ReadOnlyAccess")
    iam.delete_group(GroupName="readers")


def test_a_managed_policy_has_versions_of_which_one_counts(simulated, iam, ann):
    ec2 = simulated.client("ec2", ann["AccessKeyId"], ann["SecretAccessKey"])
    policy = iam.create_policy(PolicyName="look", PolicyDocument=document(allow("ec2:Describe*")), Description="looks")["Policy"]
    arn = policy["Arn"]
    iam.attach_user_policy(UserName="ann", PolicyArn=arn)
    ec2.describe_instances()
    made = iam.create_policy_version(PolicyArn=arn, PolicyDocument=document(allow("ec2:Get*")), SetAsDefault=True)
    assert made["PolicyVersion"]["VersionId"] == "v2"
    assert code_of(ec2.describe_instances) == "UnauthorizedOperation"
    iam.set_default_policy_version(PolicyArn=arn, VersionId="v1")
    ec2.describe_instances()
    assert code_of(iam.delete_policy_version, PolicyArn=arn, VersionId="v1") == "DeleteConflict"
    iam.delete_policy_version(PolicyArn=arn, VersionId="v2")
    assert [version["VersionId"] for version in iam.list_policy_versions(PolicyArn=arn)["Versions"]] == ["v1"]
    shown = iam.get_policy_version(PolicyArn=arn, VersionId="v1")["PolicyVersion"]
    assert shown["IsDefaultVersion"] and shown["Document"]["Statement"][0]["Effect"] == "Allow"
    assert iam.get_policy(PolicyArn=arn)["Policy"]["AttachmentCount"] == 1
    assert iam.list_entities_for_policy(PolicyArn=arn)["PolicyUsers"][0]["UserName"] == "ann"
    assert code_of(iam.delete_policy, PolicyArn=arn) == "DeleteConflict"
    iam.detach_user_policy(UserName="ann", PolicyArn=arn)
    iam.delete_policy(PolicyArn=arn)
    assert code_of(iam.get_policy, PolicyArn=arn) == "NoSuchEntity"
    listed = iam.get_paginator("list_policies").paginate(Scope="AWS", PaginationConfig={"PageSize": 2}).build_full_result()
    assert "AdministratorAccess" in [policy["PolicyName"] for policy in listed["Policies"]]


def test_a_boundary_bounds_and_gives_nothing(simulated, iam, ann, account):
    ec2 = simulated.client("ec2", ann["AccessKeyId"], ann["SecretAccessKey"])
    bound = iam.create_policy(PolicyName="bound", PolicyDocument=document(allow("ec2:Describe*", "iam:*", "sts:*")))["Policy"]["Arn"]
    iam.put_user_permissions_boundary(UserName="ann", PermissionsBoundary=bound)
    assert code_of(ec2.describe_instances) == "UnauthorizedOperation", "a boundary gives nothing"
    iam.put_user_policy(UserName="ann", PolicyName="all", PolicyDocument=document(allow("*")))
    ec2.describe_instances()
    assert code_of(ec2.create_key_pair, KeyName="beyond") == "UnauthorizedOperation"
    shown = {"PermissionsBoundaryType": "PermissionsBoundaryPolicy", "PermissionsBoundaryArn": bound}
    assert iam.get_user(UserName="ann")["User"]["PermissionsBoundary"] == shown
    asked = {"PolicySourceArn": f"arn:aws:iam::{account['number']}:user/ann", "ActionNames": ["ec2:DescribeInstances", "ec2:CreateKeyPair"]}
    told = [(one["EvalDecision"], one["PermissionsBoundaryDecisionDetail"]["AllowedByPermissionsBoundary"]) for one in iam.simulate_principal_policy(**asked)["EvaluationResults"]]
    assert told == [("allowed", True), ("implicitDeny", False)], "a simulation says what the call is told"
    wider = {"PermissionsBoundaryPolicyInputList": [document(allow("*"))]}
    assert [one["EvalDecision"] for one in iam.simulate_principal_policy(**asked, **wider)["EvaluationResults"]] == ["allowed"] * 2

    # It is used as long as it bounds somebody, and not counted among what they have.
    assert code_of(iam.delete_policy, PolicyArn=bound) == "DeleteConflict"
    counted = iam.get_policy(PolicyArn=bound)["Policy"]
    assert (counted["AttachmentCount"], counted["PermissionsBoundaryUsageCount"]) == (0, 1)
    (bounding,) = iam.list_policies(PolicyUsageFilter="PermissionsBoundary")["Policies"]
    assert bounding["Arn"] == bound
    used = iam.list_entities_for_policy(PolicyArn=bound, PolicyUsageFilter="PermissionsBoundary")
    assert [user["UserName"] for user in used["PolicyUsers"]] == ["ann"]

    # A role has one too, from the start, and it holds for its sessions.
    root = f"arn:aws:iam::{account['number']}:root"
    trust = document({"Effect": "Allow", "Principal": {"AWS": root}, "Action": "sts:AssumeRole"})
    role = iam.create_role(RoleName="bounded", AssumeRolePolicyDocument=trust, PermissionsBoundary=bound)["Role"]
    assert role["PermissionsBoundary"] == shown
    iam.put_role_policy(RoleName="bounded", PolicyName="all", PolicyDocument=document(allow("*")))
    sts = simulated.client("sts", ann["AccessKeyId"], ann["SecretAccessKey"])
    temporary = session(simulated, sts.assume_role(RoleArn=role["Arn"], RoleSessionName="night")["Credentials"])
    temporary.describe_instances()
    assert code_of(temporary.create_key_pair, KeyName="beyond") == "UnauthorizedOperation"
    iam.put_role_permissions_boundary(RoleName="bounded", PermissionsBoundary="arn:aws:iam::aws:policy/ReadOnlyAccess")
    temporary.describe_instances()
    iam.delete_role_permissions_boundary(RoleName="bounded")
    assert "PermissionsBoundary" not in iam.get_role(RoleName="bounded")["Role"]
    temporary.create_key_pair(KeyName="beyond")
    temporary.delete_key_pair(KeyName="beyond")
    iam.delete_role_policy(RoleName="bounded", PolicyName="all")
    iam.delete_role(RoleName="bounded")

    # Who may make users only within a boundary cannot make others, nor free them.
    only_bounded = {"Condition": {"StringEquals": {"iam:PermissionsBoundary": bound}}}
    iam.put_user_policy(UserName="ann", PolicyName="all", PolicyDocument=document(allow("iam:CreateUser", "iam:PutUserPermissionsBoundary", **only_bounded)))
    hers = simulated.client("iam", ann["AccessKeyId"], ann["SecretAccessKey"])
    assert code_of(hers.create_user, UserName="free") == "AccessDenied"
    hers.create_user(UserName="bob", PermissionsBoundary=bound)
    admin = "arn:aws:iam::aws:policy/AdministratorAccess"
    assert code_of(hers.put_user_permissions_boundary, UserName="bob", PermissionsBoundary=admin) == "AccessDenied"
    assert code_of(hers.delete_user_permissions_boundary, UserName="bob") == "AccessDenied"
    iam.delete_user(UserName="bob")
    assert code_of(iam.create_user, UserName="carl", PermissionsBoundary=f"{bound}-not") == "NoSuchEntity"
    iam.delete_user_permissions_boundary(UserName="ann")
    assert code_of(iam.delete_user_permissions_boundary, UserName="ann") == "NoSuchEntity"
    iam.delete_policy(PolicyArn=bound)


def test_a_role_is_assumed_by_those_that_it_trusts_and_ends_with_its_time(simulated, iam, ann, account):
    number = account["number"]
    ann_arn = f"arn:aws:iam::{number}:user/ann"
    trust = document({"Effect": "Allow", "Principal": {"AWS": ann_arn}, "Action": "sts:AssumeRole"})
    role = iam.create_role(RoleName="reader", AssumeRolePolicyDocument=trust, Description="looks")["Role"]
    iam.attach_role_policy(RoleName="reader", PolicyArn="arn:aws:iam::aws:policy/AmazonEC2ReadOnlyAccess")
    sts = simulated.client("sts", ann["AccessKeyId"], ann["SecretAccessKey"])
    assumed = sts.assume_role(RoleArn=role["Arn"], RoleSessionName="night", DurationSeconds=900)
    assert assumed["AssumedRoleUser"]["Arn"] == f"arn:aws:sts::{number}:assumed-role/reader/night"
    who = session(simulated, assumed["Credentials"], "sts").get_caller_identity()
    assert who["Arn"] == assumed["AssumedRoleUser"]["Arn"]
    ec2 = session(simulated, assumed["Credentials"])
    ec2.describe_instances()
    assert code_of(ec2.run_instances, ImageId=simulated.image(), **RUN) == "UnauthorizedOperation"
    narrow = sts.assume_role(RoleArn=role["Arn"], RoleSessionName="n2", Policy=document(allow("ec2:DescribeVpcs")))["Credentials"]
    session(simulated, narrow).describe_vpcs()
    assert code_of(session(simulated, narrow).describe_instances) == "UnauthorizedOperation"
    forged = {**narrow, "AccessKeyId": assumed["Credentials"]["AccessKeyId"]}
    assert code_of(session(simulated, forged).describe_vpcs) == "AuthFailure"
    bare = simulated.client("ec2", narrow["AccessKeyId"], narrow["SecretAccessKey"])
    assert code_of(bare.describe_vpcs) == "AuthFailure", "a temporary key needs its token"
    # Others are not trusted, nor is the root, which may assume no role.
    assert code_of(simulated.client("sts", account["key"], account["secret"]).assume_role, RoleArn=role["Arn"], RoleSessionName="xx") == "AccessDenied"
    iam.update_assume_role_policy(RoleName="reader", PolicyDocument=trust.replace("user/ann", "user/bob"))
    assert code_of(sts.assume_role, RoleArn=role["Arn"], RoleSessionName="night") == "AccessDenied"
    iam.update_role(RoleName="reader", Description="still looks", MaxSessionDuration=7200)
    assert iam.get_role(RoleName="reader")["Role"]["MaxSessionDuration"] == 7200
    assert [r["RoleName"] for r in iam.list_roles()["Roles"]] == ["reader"]
    assert iam.list_attached_role_policies(RoleName="reader")["AttachedPolicies"][0]["PolicyName"] == "AmazonEC2ReadOnlyAccess"
    assert code_of(iam.delete_role, RoleName="reader") == "DeleteConflict"
    iam.detach_role_policy(RoleName="reader", PolicyArn="arn:aws:iam::aws:policy/AmazonEC2ReadOnlyAccess")
    assert code_of(ec2.describe_instances) == "UnauthorizedOperation", "a session may do what its role may now"
    iam.put_role_policy(RoleName="reader", PolicyName="look", PolicyDocument=document(allow("ec2:Describe*")))
    assert iam.list_role_policies(RoleName="reader")["PolicyNames"] == ["look"]
    assert iam.get_role_policy(RoleName="reader", PolicyName="look")["RoleName"] == "reader"
    ec2.describe_instances()
    iam.delete_role_policy(RoleName="reader", PolicyName="look")
    iam.delete_role(RoleName="reader")
    assert code_of(ec2.describe_instances) == "AuthFailure", "with the role its sessions end"


def tags_of(**tags):
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def test_a_session_brings_tags_and_an_identity_that_policies_ask_for(simulated, iam, ann, account):
    number = account["number"]
    hers = {"Principal": {"AWS": f"arn:aws:iam::{number}:user/ann"}, "Effect": "Allow"}
    assume = {**hers, "Action": "sts:AssumeRole"}
    role = iam.create_role(RoleName="tagged", AssumeRolePolicyDocument=document(assume), Tags=tags_of(team="blue", floor="3"))["Role"]["Arn"]
    red = {"Condition": {"StringEquals": {"aws:PrincipalTag/team": "red"}}}
    known = {"Condition": {"StringEquals": {"aws:SourceIdentity": "ann"}}}
    upstairs = {"Condition": {"StringEquals": {"aws:PrincipalTag/floor": "3"}}}
    policy = document(allow("ec2:CreateKeyPair", "ec2:DeleteKeyPair", **red), allow("ec2:DescribeVpcs", **known), allow("ec2:DescribeInstances", **upstairs))
    iam.put_role_policy(RoleName="tagged", PolicyName="p", PolicyDocument=policy)
    sts = simulated.client("sts", ann["AccessKeyId"], ann["SecretAccessKey"])
    asked = {"RoleArn": role, "RoleSessionName": "day"}
    assert code_of(sts.assume_role, Tags=tags_of(team="red"), **asked) == "AccessDenied", "the role does not trust her with tags"
    assert code_of(sts.assume_role, SourceIdentity="ann", **asked) == "AccessDenied"
    tagging = {"StringEquals": {"aws:RequestTag/team": "red"}, "ForAllValues:StringEquals": {"sts:TransitiveTagKeys": ["team"]}}
    naming = {"StringEquals": {"sts:SourceIdentity": "${aws:username}"}}
    trust = [assume, {**hers, "Action": "sts:TagSession", "Condition": tagging}, {**hers, "Action": "sts:SetSourceIdentity", "Condition": naming}]
    iam.update_assume_role_policy(RoleName="tagged", PolicyDocument=document(*trust))
    for wrong in ({"Tags": tags_of(team="green")}, {"Tags": tags_of(team="red", floor="4"), "TransitiveTagKeys": ["floor"]}, {"SourceIdentity": "bob"}):
        assert code_of(sts.assume_role, **asked, **wrong) == "AccessDenied", wrong
    given = sts.assume_role(Tags=tags_of(team="red"), TransitiveTagKeys=["team"], SourceIdentity="ann", **asked)
    assert given["SourceIdentity"] == "ann"
    ec2 = session(simulated, given["Credentials"])
    ec2.create_key_pair(KeyName="of-a-session")
    ec2.delete_key_pair(KeyName="of-a-session")
    ec2.describe_vpcs()
    ec2.describe_instances()
    plain = session(simulated, sts.assume_role(**asked)["Credentials"])
    assert code_of(plain.create_key_pair, KeyName="no") == "UnauthorizedOperation", "the role itself is blue"
    assert code_of(plain.describe_vpcs) == "UnauthorizedOperation", "nobody said who is behind it"
    plain.describe_instances()

    # The next role has the tag that goes on, and the identity, and neither can be changed on the way.
    theirs = {"Principal": {"AWS": role}, "Effect": "Allow", "Action": ["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"]}
    further = iam.create_role(RoleName="further", AssumeRolePolicyDocument=document(theirs))["Role"]["Arn"]
    iam.put_role_policy(RoleName="further", PolicyName="p", PolicyDocument=policy)
    chained = session(simulated, given["Credentials"], "sts")
    again = chained.assume_role(RoleArn=further, RoleSessionName="next", Tags=tags_of(floor="3"))
    assert again["SourceIdentity"] == "ann"
    ec2 = session(simulated, again["Credentials"])
    ec2.create_key_pair(KeyName="of-the-next")
    ec2.delete_key_pair(KeyName="of-the-next")
    ec2.describe_vpcs()
    ec2.describe_instances()
    for wrong in ({"Tags": tags_of(Team="blue")}, {"SourceIdentity": "bob"}):
        assert code_of(chained.assume_role, RoleArn=further, RoleSessionName="next", **wrong) == "AccessDenied", wrong

    for wrong, code in [
        ({"Tags": tags_of(**{f"k{number}": "" for number in range(51)})}, "ValidationError"),
        ({"Tags": tags_of(team="red", Team="red")}, "ValidationError"),
        ({"Tags": tags_of(team="red") * 2}, "ValidationError"),
        ({"Tags": tags_of(team="red"), "TransitiveTagKeys": ["floor"]}, "ValidationError"),
        ({"Tags": tags_of(**{f"k{number}": "x" * 250 for number in range(20)})}, "PackedPolicyTooLarge"),
        ({"SourceIdentity": "aws:ann"}, "ValidationError"),
    ]:
        assert code_of(sts.assume_role, **asked, **wrong) == code, wrong

    trail = simulated.client("cloudtrail", account["key"], account["secret"])

    def calls(name):
        found = trail.lookup_events(LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": name}])["Events"]
        return [json.loads(event["CloudTrailEvent"]) for event in found]

    (made,) = [call for call in calls("CreateKeyPair") if call["userIdentity"]["userName"] == "tagged/day" and not call["errorCode"]]
    assert made["userIdentity"]["sessionContext"] == {"sourceIdentity": "ann"}
    opened = [call["requestParameters"] for call in calls("AssumeRole") if call["userIdentity"]["userName"] == "ann" and "requestParameters" in call]
    assert opened == [{"principalTags": {"team": "red"}, "transitiveTagKeys": ["team"], "sourceIdentity": "ann"}]
    for name in ("tagged", "further"):
        iam.delete_role_policy(RoleName=name, PolicyName="p")
        iam.delete_role(RoleName=name)


def test_a_role_is_assumed_from_another_account_when_both_agree(simulated, iam, ann, account):
    key, secret, other = simulated.account("iam-tests-other")
    theirs = simulated.client("iam", key, secret)
    trust = document({"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{account['number']}:root"}, "Action": "sts:AssumeRole"})
    role = theirs.create_role(RoleName="guest", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    theirs.attach_role_policy(RoleName="guest", PolicyArn="arn:aws:iam::aws:policy/AmazonEC2ReadOnlyAccess")
    sts = simulated.client("sts", ann["AccessKeyId"], ann["SecretAccessKey"])
    assert code_of(sts.assume_role, RoleArn=role, RoleSessionName="visit") == "AccessDenied", "ann's own account has not said yes"
    iam.put_user_policy(UserName="ann", PolicyName="visit", PolicyDocument=document(allow("sts:AssumeRole", Resource=role)))
    visit = sts.assume_role(RoleArn=role, RoleSessionName="visit")["Credentials"]
    vpcs = session(simulated, visit).describe_vpcs()["Vpcs"]
    assert vpcs and all(vpc["OwnerId"] == other for vpc in vpcs)
    assert code_of(sts.assume_role, RoleArn=role.replace("guest", "absent"), RoleSessionName="visit") == "AccessDenied"


def test_a_users_own_session_may_what_the_user_may(simulated, iam, ann, account):
    iam.put_user_policy(UserName="ann", PolicyName="look", PolicyDocument=document(allow("ec2:Describe*")))
    sts = simulated.client("sts", ann["AccessKeyId"], ann["SecretAccessKey"])
    credentials = sts.get_session_token(DurationSeconds=900)["Credentials"]
    session(simulated, credentials).describe_instances()
    assert session(simulated, credentials, "sts").get_caller_identity()["Arn"].endswith(":user/ann")
    root = simulated.client("sts", account["key"], account["secret"])
    assert code_of(root.get_session_token, DurationSeconds=7200) == "ValidationError", "a root's session lives an hour"
    session(simulated, root.get_session_token()["Credentials"]).describe_vpcs()


def test_conditions_hold_on_address_tag_and_region(simulated, iam, ann, account):
    ec2 = simulated.client("ec2", ann["AccessKeyId"], ann["SecretAccessKey"])
    for key, value, allowed in [
        ("IpAddress", {"aws:SourceIp": "127.0.0.0/8"}, True),
        ("IpAddress", {"aws:SourceIp": "192.0.2.0/24"}, False),
        ("StringEquals", {"aws:RequestedRegion": simulated.region}, True),
        ("StringEquals", {"aws:RequestedRegion": "elsewhere-1"}, False),
        ("DateLessThan", {"aws:CurrentTime": "2020-01-01T00:00:00Z"}, False),
    ]:
        text = document(allow("ec2:Describe*", Condition={key: value}))
        iam.put_user_policy(UserName="ann", PolicyName="look", PolicyDocument=text)
        if allowed:
            ec2.describe_instances()
        else:
            assert code_of(ec2.describe_instances) == "UnauthorizedOperation", value
    root = simulated.client("ec2", account["key"], account["secret"])
    red, blue = [
        root.run_instances(
            ImageId=simulated.image(),
            **RUN,
            TagSpecifications=[{"ResourceType": "instance", "Tags": [{"Key": "team", "Value": team}]}],
        )["Instances"][0]["InstanceId"]
        for team in ["red", "blue"]
    ]
    text = document(allow("ec2:TerminateInstances", Condition={"StringEquals": {"aws:ResourceTag/team": "red"}}))
    iam.put_user_policy(UserName="ann", PolicyName="look", PolicyDocument=text)
    assert code_of(ec2.terminate_instances, InstanceIds=[blue]) == "UnauthorizedOperation"
    ec2.terminate_instances(InstanceIds=[red])
    root.terminate_instances(InstanceIds=[blue])


def test_what_cannot_be_is_refused_in_iams_words(iam, ann):
    assert code_of(iam.create_user, UserName="ann") == "EntityAlreadyExists"
    assert code_of(iam.get_user, UserName="nobody") == "NoSuchEntity"
    assert code_of(iam.create_user, UserName="a b") == "ValidationError"
    assert code_of(iam.put_user_policy, UserName="ann", PolicyName="p", PolicyDocument="{}") == "MalformedPolicyDocument"
    assert code_of(iam.attach_user_policy, UserName="ann", PolicyArn="arn:aws:iam::aws:policy/Absent") == "NoSuchEntity"
    assert code_of(iam.delete_user_policy, UserName="ann", PolicyName="absent") == "NoSuchEntity"
    assert code_of(iam.delete_user, UserName="ann") == "DeleteConflict", "she has a key"
    assert code_of(iam.create_user, UserName="c", Path="/team/") == "InvalidInput"
    iam.put_user_policy(UserName="ann", PolicyName="p", PolicyDocument=document(allow("ec2:*")))
    assert iam.get_user_policy(UserName="ann", PolicyName="p")["PolicyDocument"]["Statement"][0]["Action"] == ["ec2:*"]
    iam.update_user(UserName="ann", NewUserName="anne")
    assert [user["UserName"] for user in iam.list_users()["Users"]] == ["anne"]
    iam.update_user(UserName="anne", NewUserName="ann")


def test_an_alias_is_one_accounts_alone(simulated, iam):
    iam.create_account_alias(AccountAlias="acme-clients")
    assert iam.list_account_aliases()["AccountAliases"] == ["acme-clients"]
    key, secret, _ = simulated.account("iam-alias")
    other = simulated.client("iam", key, secret)
    assert code_of(other.create_account_alias, AccountAlias="acme-clients") == "EntityAlreadyExists"
    assert code_of(other.delete_account_alias, AccountAlias="acme-clients") == "NoSuchEntity"
    iam.delete_account_alias(AccountAlias="acme-clients")
    assert iam.list_account_aliases()["AccountAliases"] == []
