"""Accounts' own administration through CAM with the vendor's SDK, and that the other dialects obey it too. On simulated hosts."""

import datetime
import json

import boto3
import pytest
from botocore.exceptions import ClientError

from test_cvm import Tenant
from test_ram import Tenant as Alibaba


@pytest.fixture(scope="module")
def root(simulated):
    return Tenant(simulated, "cam-tests")


def document(effect, *actions, resource="*"):
    return json.dumps({"version": "2.0", "statement": [{"effect": effect, "action": list(actions), "resource": resource}]})


def is_recent(time):
    """Whether a time, which CAM tells in Beijing's zone, is of the last minutes."""
    beijing = datetime.timezone(datetime.timedelta(hours=8))
    at = datetime.datetime.strptime(time, "%Y-%m-%d %H:%M:%S").replace(tzinfo=beijing)
    return datetime.timedelta(0) <= datetime.datetime.now(beijing) - at < datetime.timedelta(minutes=10)


def ec2_of(cloud, key, secret):
    options = {"aws_access_key_id": key, "aws_secret_access_key": secret}
    return boto3.client("ec2", endpoint_url=cloud.endpoint, region_name=cloud.region, **options)


def refused(call, **parameters):
    with pytest.raises(ClientError) as error:
        call(**parameters)
    return error.value.response["Error"]["Code"]


def test_a_user_lives_with_keys_policies_and_groups(simulated, root):
    made = root.call("AddUser", Name="li", Remark="looks", UseApi=1, PhoneNum="13800000000", CountryCode="86", Email="li@example.org")
    uin = made["Uin"]
    li = Tenant(simulated, None, made["SecretId"], made["SecretKey"])
    assert root.refused("AddUser", Name="li") == "InvalidParameter.SubUserNameInUse"
    shown = root.call("GetUser", Name="li")
    assert (shown["Uin"], shown["Remark"], shown["Email"]) == (uin, "looks", "li@example.org")
    assert [user["Uin"] for user in root.call("ListUsers")["Data"]] == [uin]
    assert root.call("DescribeSubAccounts", FilterSubAccountUin=[uin])["SubAccounts"][0]["Name"] == "li"
    root.call("UpdateUser", Name="li", Remark="still looks")
    assert root.call("GetUser", Name="li")["Remark"] == "still looks"
    assert li.call("GetCallerIdentity")["UserId"] == str(uin)
    root_app, own = root.call("GetUserAppId"), root.call("GetCallerIdentity")["AccountId"]
    assert (root_app["OwnerUin"], root_app["Uin"]) == (own, own)

    # A right in CAM's words holds in all three dialects, for what only another cloud calls so too.
    ec2, ecs = ec2_of(simulated, made["SecretId"], made["SecretKey"]), Alibaba(simulated, made["SecretId"], made["SecretKey"])
    assert li.refused("DescribeVpcs") == "UnauthorizedOperation"
    policy = root.call("CreatePolicy", PolicyName="networks", PolicyDocument=document("allow", "name/vpc:DescribeVpcs", "name/vpc:CreateVpc"))["PolicyId"]
    root.call("AttachUserPolicy", PolicyId=policy, AttachUin=uin)
    assert li.call("DescribeVpcs")["TotalCount"] == 1
    assert len(ec2.describe_vpcs()["Vpcs"]) == 1
    vpc = ec2.create_vpc(CidrBlock="10.77.0.0/16")["Vpc"]["VpcId"]
    assert refused(ec2.delete_vpc, VpcId=vpc) == "UnauthorizedOperation"
    assert ecs.refused("ecs", "DescribeInstances", RegionId=simulated.region) == "Forbidden.RAM"
    root.call("DeleteVpc", VpcId=vpc)
    listed = root.call("ListAttachedUserPolicies", TargetUin=uin)
    assert [(one["PolicyId"], one["PolicyType"]) for one in listed["List"]] == [(policy, "User")]
    # One in IAM's words holds for CAM's calls.
    helping = json.dumps({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "iam:CreateUser", "Resource": "*"}})
    root.call("UpdatePolicy", PolicyId=policy, PolicyDocument=helping, Description="makes users")
    assert "iam:CreateUser" in root.call("GetPolicy", PolicyId=policy)["PolicyDocument"]
    assert li.refused("DescribeVpcs") == "UnauthorizedOperation"
    assert li.call("AddUser", Name="made-by-li")["SecretId"] == ""
    assert li.refused("AddUser", Name="with-key", UseApi=1) == "UnauthorizedOperation"
    assert li.refused("ListUsers") == "UnauthorizedOperation"
    root.call("DeleteUser", Name="made-by-li")
    root.call("DetachUserPolicy", PolicyId=policy, DetachUin=uin)
    assert root.call("ListAttachedUserPolicies", TargetUin=uin)["TotalNum"] == 0

    # A version that counts holds at once, and again when another one counts.
    closed = root.call("CreatePolicyVersion", PolicyId=policy, PolicyDocument=document("deny", "name/cam:*"), SetAsDefault=True)["VersionId"]
    root.call("AttachUserPolicy", PolicyId=policy, AttachUin=uin)
    assert li.refused("AddUser", Name="denied") == "UnauthorizedOperation"
    root.call("SetDefaultPolicyVersion", PolicyId=policy, VersionId=1)
    li.call("AddUser", Name="made-by-li")
    root.call("DeleteUser", Name="made-by-li")
    listed = {one["VersionId"]: one["IsDefaultVersion"] for one in root.call("ListPolicyVersions", PolicyId=policy)["Versions"]}
    assert listed == {1: 1, closed: 0}
    assert "deny" in root.call("GetPolicyVersion", PolicyId=policy, VersionId=closed)["PolicyVersion"]["Document"]
    assert root.refused("DeletePolicyVersion", PolicyId=policy, VersionId=[1]) == "FailedOperation.PolicyVersionAlreadyDefault"
    root.call("DeletePolicyVersion", PolicyId=policy, VersionId=[closed])
    assert root.refused("GetPolicyVersion", PolicyId=policy, VersionId=closed) == "InvalidParameter.PolicyVersionNotExists"
    root.call("DetachUserPolicy", PolicyId=policy, DetachUin=uin)

    # What a boundary does not allow is not allowed, whatever else says so.
    root.call("AttachUserPolicy", PolicyId=policy, AttachUin=uin)
    bound = root.call("CreatePolicy", PolicyName="bound", PolicyDocument=document("allow", "name/vpc:*"))["PolicyId"]
    root.call("PutUserPermissionsBoundary", TargetUin=uin, PolicyId=bound)
    assert li.refused("AddUser", Name="beyond") == "UnauthorizedOperation"
    assert root.call("GetUserPermissionBoundary", TargetUin=uin)["PolicyName"] == "bound"
    assert root.refused("DeletePolicy", PolicyId=[bound]) == "ResourceInUse"
    root.call("DeleteUserPermissionsBoundary", TargetUin=uin)
    li.call("AddUser", Name="made-by-li")
    root.call("DeleteUser", Name="made-by-li")
    root.call("DeletePolicy", PolicyId=[bound])
    root.call("DetachUserPolicy", PolicyId=policy, DetachUin=uin)

    group = root.call("CreateGroup", GroupName="watch", Remark="who looks")["GroupId"]
    (preset,) = root.call("ListPolicies", Scope="QCS", Keyword="QcloudCVMReadOnlyAccess")["List"]
    root.call("AttachGroupPolicy", PolicyId=preset["PolicyId"], AttachGroupId=group)
    root.call("AddUserToGroup", Info=[{"GroupId": group, "Uin": uin}])
    assert li.call("DescribeInstances")["TotalCount"] == 0
    assert ec2.describe_instances()["Reservations"] == [] and len(ec2.describe_volumes()["Volumes"]) == 0
    assert ecs.call("ecs", "DescribeInstances", RegionId=simulated.region)["TotalCount"] == 0
    assert [user["Uin"] for user in root.call("ListUsersForGroup", GroupId=group)["UserInfo"]] == [uin]
    assert root.call("GetGroup", GroupId=group)["GroupNum"] == 1
    assert [one["GroupId"] for one in root.call("ListGroupsForUser", SubUin=uin)["GroupInfo"]] == [group]
    root.call("UpdateGroup", GroupId=group, GroupName="watchers", Remark="they look")
    assert root.call("ListGroups", Keyword="watch")["GroupInfo"][0]["Remark"] == "they look"
    (held,) = root.call("ListAttachedGroupPolicies", TargetGroupId=group)["List"]
    assert (held["PolicyName"], is_recent(held["AddTime"])) == ("QcloudCVMReadOnlyAccess", True)
    (by_group,) = root.call("ListAttachedUserAllPolicies", TargetUin=uin, AttachType=2, Page=1, Rp=20)["PolicyList"]
    assert (by_group["PolicyName"], by_group["Groups"]) == ("QcloudCVMReadOnlyAccess", [{"GroupId": group, "GroupName": "watchers"}])
    root.call("DetachGroupPolicy", PolicyId=preset["PolicyId"], DetachGroupId=group)
    assert li.refused("DescribeInstances") == "UnauthorizedOperation"
    root.call("RemoveUserFromGroup", Info=[{"GroupId": group, "Uin": uin}])
    root.call("DeleteGroup", GroupId=group)
    assert root.refused("GetGroup", GroupId=group) == "ResourceNotFound.GroupNotExist"

    key = root.call("CreateAccessKey", TargetUin=uin, Description="second")["AccessKey"]
    second = Tenant(simulated, None, key["AccessKeyId"], key["SecretAccessKey"])
    assert second.call("GetCallerIdentity")["UserId"] == str(uin)
    root.call("UpdateAccessKey", TargetUin=uin, AccessKeyId=key["AccessKeyId"], Status="Inactive")
    assert second.refused("GetCallerIdentity") == "AuthFailure.SecretIdNotFound"
    shown = {one["AccessKeyId"]: one for one in root.call("ListAccessKeys", TargetUin=uin)["AccessKeys"]}
    assert (shown[key["AccessKeyId"]]["Status"], shown[key["AccessKeyId"]]["Description"]) == ("Inactive", "second")
    root.call("DeleteAccessKey", TargetUin=uin, AccessKeyId=key["AccessKeyId"])
    assert root.refused("DeleteUser", Name="li") == "OperationDenied.HaveKeys"
    root.call("DeleteUser", Name="li", Force=1)
    assert li.refused("GetCallerIdentity") == "AuthFailure.SecretIdNotFound"
    root.call("DeletePolicy", PolicyId=[policy])
    assert root.refused("GetPolicy", PolicyId=policy) == "ResourceNotFound.PolicyIdNotFound"


def test_a_role_is_assumed_and_is_the_same_one_in_every_dialect(simulated, root):
    made = root.call("AddUser", Name="wang", UseApi=1)
    wang = Tenant(simulated, None, made["SecretId"], made["SecretKey"])
    account = root.call("GetCallerIdentity")["AccountId"]

    def trust(uin):
        principal = {"qcs": [f"qcs::cam::uin/{account}:uin/{uin}"]}
        return json.dumps({"version": "2.0", "statement": [{"effect": "allow", "action": "name/sts:AssumeRole", "principal": principal}]})

    role = root.call("CreateRole", RoleName="watcher", PolicyDocument=trust(made["Uin"]), Description="looks", SessionDuration=3600)["RoleId"]
    shown = root.call("GetRole", RoleId=role)["RoleInfo"]
    assert (shown["RoleName"], shown["SessionDuration"]) == ("watcher", 3600)
    root.call("AttachRolePolicy", AttachRoleName="watcher", PolicyName="QcloudCVMReadOnlyAccess")
    root.call("PutRolePermissionsBoundary", RoleName="watcher", PolicyId=root.call("ListPolicies", Scope="QCS", Keyword="AdministratorAccess")["List"][0]["PolicyId"])
    assert root.call("GetRolePermissionBoundary", RoleId=role)["PolicyType"] == 2
    root.call("DeleteRolePermissionsBoundary", RoleId=role)
    attached = root.call("ListAttachedRolePolicies", RoleName="watcher", Page=1, Rp=20)
    assert [(one["PolicyName"], is_recent(one["AddTime"])) for one in attached["List"]] == [("QcloudCVMReadOnlyAccess", True)]
    entities = root.call("ListEntitiesForPolicy", PolicyId=attached["List"][0]["PolicyId"], EntityFilter="Role")["List"]
    assert [(one["Name"], is_recent(one["AttachmentTime"])) for one in entities] == [("watcher", True)]
    options = {"aws_access_key_id": root.key, "aws_secret_access_key": root.secret, "region_name": simulated.region}
    iam = boto3.client("iam", endpoint_url=simulated.endpoint, **options)
    assert iam.list_attached_role_policies(RoleName="watcher")["AttachedPolicies"][0]["PolicyName"] == "QcloudCVMReadOnlyAccess"
    for arn in (f"qcs::cam::uin/{account}:roleName/watcher", f"qcs::cam::uin/{account}:role/{role}"):
        given = wang.call("AssumeRole", RoleArn=arn, RoleSessionName="night", DurationSeconds=900)["Credentials"]
        client = Tenant(simulated, None, given["TmpSecretId"], given["TmpSecretKey"]).client("cvm", token=given["Token"])
        assert root.call("DescribeInstances", client=client)["TotalCount"] == 0
    root.call("UpdateAssumeRolePolicy", RoleId=role, PolicyDocument=trust(7))
    assert wang.refused("AssumeRole", RoleArn=arn, RoleSessionName="night") == "UnauthorizedOperation"
    root.call("UpdateRoleDescription", RoleName="watcher", Description="looked")
    assert [one["Description"] for one in root.call("DescribeRoleList", Page=1, Rp=20)["List"]] == ["looked"]
    root.call("TagRole", RoleId=role, Tags=[{"Key": "team", "Value": "night"}, {"Key": "more", "Value": ""}])
    root.call("UntagRole", RoleName="watcher", TagKeys=["more"])
    root.call("UpdateRoleSessionDuration", RoleId=int(role), SessionDuration=7200)
    shown = root.call("GetRole", RoleId=role)["RoleInfo"]
    assert (shown["Tags"], shown["SessionDuration"]) == ([{"Key": "team", "Value": "night"}], 7200)
    assert iam.list_role_tags(RoleName="watcher")["Tags"] == [{"Key": "team", "Value": "night"}]
    preset = root.call("ListPolicies", Scope="QCS", Keyword="QcloudCVMReadOnlyAccess")["List"][0]["PolicyId"]
    assert [(one["Id"], one["RelatedType"]) for one in root.call("ListEntitiesForPolicy", PolicyId=preset)["List"]] == [(role, 3)]
    assert root.call("GetAccountSummary")["Roles"] == 1
    root.call("DetachRolePolicy", DetachRoleId=role, PolicyName="QcloudCVMReadOnlyAccess")
    root.call("DeleteRole", RoleName="watcher")
    assert root.refused("GetRole", RoleId=role) == "InvalidParameter.RoleNotExist"
    root.call("DeleteUser", Name="wang", Force=1)


def test_a_session_brings_tags_and_an_identity_that_policies_ask_for(simulated, root):
    made = root.call("AddUser", Name="zhao", UseApi=1)
    zhao = Tenant(simulated, None, made["SecretId"], made["SecretKey"])
    account, uin = root.call("GetCallerIdentity")["AccountId"], str(made["Uin"])

    def trust(*actions):
        principal = {"qcs": [f"qcs::cam::uin/{account}:uin/{uin}"]}
        statement = {"effect": "allow", "action": [f"name/sts:{action}" for action in actions], "principal": principal}
        return json.dumps({"version": "2.0", "statement": [statement]})

    role = root.call("CreateRole", RoleName="tagged", PolicyDocument=trust("AssumeRole"))["RoleId"]
    looks = {"effect": "allow", "action": ["name/cvm:DescribeInstances"], "resource": ["*"]}
    looks["condition"] = {"string_equal": {"qcs:principal_tag/team": ["red"], "qcs:source_identity": [uin]}}
    text = json.dumps({"version": "2.0", "statement": [looks]})
    policy = root.call("CreatePolicy", PolicyName="red-looks", PolicyDocument=text)["PolicyId"]
    root.call("AttachRolePolicy", AttachRoleName="tagged", PolicyId=policy)
    asked = {"RoleArn": f"qcs::cam::uin/{account}:roleName/tagged", "RoleSessionName": "day", "DurationSeconds": 900}
    said = {"Tags": [{"Key": "team", "Value": "red"}], "SourceIdentity": uin}
    for one in said:
        assert zhao.refused("AssumeRole", **asked, **{one: said[one]}) == "UnauthorizedOperation", "the role does not trust him with it"
    root.call("UpdateAssumeRolePolicy", RoleId=role, PolicyDocument=trust("AssumeRole", "TagSession", "SetSourceIdentity"))

    def looks_with(**said):
        given = zhao.call("AssumeRole", **asked, **said)["Credentials"]
        client = Tenant(simulated, None, given["TmpSecretId"], given["TmpSecretKey"]).client("cvm", token=given["Token"])
        return client

    assert root.call("DescribeInstances", client=looks_with(**said))["TotalCount"] == 0
    for less in ({}, {"Tags": said["Tags"]}, {**said, "SourceIdentity": "somebody"}):
        assert root.refused("DescribeInstances", client=looks_with(**less)) == "UnauthorizedOperation", less
    many = [{"Key": f"k{number}", "Value": ""} for number in range(51)]
    for wrong in ({"SourceIdentity": "a b"}, {"Tags": said["Tags"] * 2}, {"Tags": many}, {"Tags": [{"Key": "k" * 129, "Value": ""}]}):
        assert zhao.refused("AssumeRole", **asked, **wrong).startswith("InvalidParameter"), wrong
    root.call("DetachRolePolicy", DetachRoleName="tagged", PolicyId=policy)
    root.call("DeleteRole", RoleName="tagged")
    root.call("DeletePolicy", PolicyId=[policy])
    root.call("DeleteUser", Name="zhao", Force=1)
