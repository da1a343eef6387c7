"""Accounts' own administration through RAM and STS with the vendor's SDK, and that the other dialects obey it too."""

import datetime
import json

import boto3
import pytest
from aliyunsdkcore.acs_exception.exceptions import ServerException
from aliyunsdkcore.auth.credentials import StsTokenCredential
from aliyunsdkcore.client import AcsClient
from aliyunsdkcore.request import CommonRequest

VERSIONS = {"ecs": "2014-05-26", "ram": "2015-05-01", "sts": "2015-04-01"}


class Tenant:
    """A client of the old SDK."""

    def __init__(self, cloud, key=None, secret=None, credential=None):
        self.host = cloud.endpoint.removeprefix("http://")
        options = {"region_id": cloud.region, "auto_retry": False, "timeout": 60}
        self.client = AcsClient(credential=credential, **options) if credential else AcsClient(key, secret, **options)

    def call(self, service, action, **parameters):
        request = CommonRequest(domain=self.host, version=VERSIONS[service], action_name=action)
        request.set_method("POST")
        request.set_protocol_type("http")
        for name, value in parameters.items():
            request.add_query_param(name, value)
        return json.loads(self.client.do_action_with_exception(request))

    def ram(self, action, **parameters):
        return self.call("ram", action, **parameters)

    def refused(self, service, action, **parameters):
        with pytest.raises(ServerException) as refused:
            self.call(service, action, **parameters)
        return refused.value.get_error_code()


def document(effect, *actions, resource="*"):
    return json.dumps({"Version": "1", "Statement": [{"Effect": effect, "Action": list(actions), "Resource": resource}]})


def is_recent(date):
    """Whether a time is of the last minutes."""
    at = datetime.datetime.strptime(date, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=datetime.timezone.utc)
    return datetime.timedelta(0) <= datetime.datetime.now(datetime.timezone.utc) - at < datetime.timedelta(minutes=10)


@pytest.fixture(scope="module")
def root(simulated):
    key, secret, number = simulated.account("ram-tests")
    tenant = Tenant(simulated, key, secret)
    tenant.number = number
    return tenant


def test_a_user_lives_with_keys_policies_and_groups(simulated, root):
    user = root.ram("CreateUser", UserName="li")["User"]
    assert user["UserName"] == "li" and root.ram("GetUser", UserName="li")["User"] == user
    assert root.refused("ram", "CreateUser", UserName="li") == "EntityAlreadyExists.User"
    made = root.ram("CreateAccessKey", UserName="li")["AccessKey"]
    li = Tenant(simulated, made["AccessKeyId"], made["AccessKeySecret"])
    assert li.call("sts", "GetCallerIdentity")["Arn"] == f"acs:ram::{root.number}:user/li"
    assert li.refused("ecs", "DescribeInstances", RegionId=simulated.region) == "Forbidden.RAM"
    assert li.refused("ram", "ListUsers") == "NoPermission"

    root.ram("AttachPolicyToUser", UserName="li", PolicyType="System", PolicyName="AliyunECSReadOnlyAccess")
    assert li.call("ecs", "DescribeInstances", RegionId=simulated.region)["TotalCount"] == 0
    ec2 = boto3.client(
        "ec2",
        endpoint_url=simulated.endpoint,
        region_name=simulated.region,
        aws_access_key_id=made["AccessKeyId"],
        aws_secret_access_key=made["AccessKeySecret"],
    )
    assert ec2.describe_instances()["Reservations"] == [], "a right is a right in every dialect"
    (held,) = root.ram("ListPoliciesForUser", UserName="li")["Policies"]["Policy"]
    assert (held["PolicyName"], is_recent(held["AttachDate"])) == ("AliyunECSReadOnlyAccess", True)
    root.ram("DetachPolicyFromUser", UserName="li", PolicyType="System", PolicyName="AliyunECSReadOnlyAccess")
    assert li.refused("ecs", "DescribeInstances", RegionId=simulated.region) == "Forbidden.RAM"

    root.ram("CreateGroup", GroupName="watch", Comments="who looks")
    assert root.ram("GetGroup", GroupName="watch")["Group"]["Comments"] == "who looks"
    root.ram("CreatePolicy", PolicyName="look", PolicyDocument=document("Allow", "ecs:Describe*"), Description="looks")
    root.ram("AttachPolicyToGroup", GroupName="watch", PolicyType="Custom", PolicyName="look")
    root.ram("AddUserToGroup", GroupName="watch", UserName="li")
    li.call("ecs", "DescribeInstances", RegionId=simulated.region)
    assert root.ram("ListUsersForGroup", GroupName="watch")["Users"]["User"][0]["UserName"] == "li"
    assert root.ram("ListGroupsForUser", UserName="li")["Groups"]["Group"][0]["GroupName"] == "watch"
    assert root.ram("ListGroups")["Groups"]["Group"][0]["GroupName"] == "watch"
    (held,) = root.ram("ListPoliciesForGroup", GroupName="watch")["Policies"]["Policy"]
    assert (held["PolicyType"], is_recent(held["AttachDate"])) == ("Custom", True)
    version = root.ram("CreatePolicyVersion", PolicyName="look", PolicyDocument=document("Deny", "ecs:*"), SetAsDefault="true")
    assert version["PolicyVersion"]["VersionId"] == "v2"
    assert li.refused("ecs", "DescribeInstances", RegionId=simulated.region) == "Forbidden.RAM"
    shown = root.ram("GetPolicy", PolicyName="look", PolicyType="Custom")
    assert shown["Policy"]["AttachmentCount"] == 1 and "Deny" in shown["DefaultPolicyVersion"]["PolicyDocument"]
    versions = root.ram("ListPolicyVersions", PolicyName="look", PolicyType="Custom")["PolicyVersions"]["PolicyVersion"]
    assert [(one["VersionId"], one["IsDefaultVersion"]) for one in versions] == [("v1", False), ("v2", True)]
    root.ram("SetDefaultPolicyVersion", PolicyName="look", VersionId="v1")
    li.call("ecs", "DescribeInstances", RegionId=simulated.region)
    assert root.refused("ram", "DeletePolicyVersion", PolicyName="look", VersionId="v1") == "DeleteConflict.Policy.Version"
    rotating = {"PolicyName": "look", "PolicyDocument": document("Allow", "ecs:*"), "RotateStrategy": "DeleteOldestNonDefaultVersionWhenLimitExceeded"}
    for _ in range(3):
        root.ram("CreatePolicyVersion", **rotating)
    assert root.refused("ram", "CreatePolicyVersion", **{**rotating, "RotateStrategy": "None"}) == "LimitExceeded"
    assert root.ram("CreatePolicyVersion", **rotating)["PolicyVersion"]["VersionId"] == "v6"
    one = {"PolicyName": "look", "VersionId": "v2"}
    assert root.refused("ram", "GetPolicyVersion", PolicyType="Custom", **one) == "EntityNotExist.Policy.Version"
    kept = root.ram("GetPolicyVersion", PolicyType="Custom", PolicyName="look", VersionId="v1")["PolicyVersion"]
    assert kept["IsDefaultVersion"] and "ecs:Describe*" in kept["PolicyDocument"]
    root.ram("DeletePolicyVersion", PolicyName="look", VersionId="v3")
    system = {"PolicyType": "System", "PolicyName": "AliyunECSReadOnlyAccess"}
    assert [one["VersionId"] for one in root.ram("ListPolicyVersions", **system)["PolicyVersions"]["PolicyVersion"]] == ["v1"]
    assert root.refused("ram", "DeletePolicy", PolicyName="look") == "DeleteConflict.Policy"
    assert root.refused("ram", "DeleteGroup", GroupName="watch") == "DeleteConflict.Group"
    assert "AdministratorAccess" in [policy["PolicyName"] for policy in root.ram("ListPolicies", PolicyType="System")["Policies"]["Policy"]]

    root.ram("UpdateAccessKey", UserName="li", UserAccessKeyId=made["AccessKeyId"], Status="Inactive")
    assert root.ram("ListAccessKeys", UserName="li")["AccessKeys"]["AccessKey"][0]["Status"] == "Inactive"
    assert li.refused("sts", "GetCallerIdentity") == "InvalidAccessKeyId.NotFound"
    assert root.refused("ram", "DeleteUser", UserName="li") == "DeleteConflict.User"
    root.ram("DeleteAccessKey", UserName="li", UserAccessKeyId=made["AccessKeyId"])
    root.ram("RemoveUserFromGroup", GroupName="watch", UserName="li")
    root.ram("DetachPolicyFromGroup", GroupName="watch", PolicyType="Custom", PolicyName="look")
    root.ram("DeletePolicy", PolicyName="look")
    root.ram("DeleteGroup", GroupName="watch")
    root.ram("UpdateUser", UserName="li", NewUserName="lily")
    assert [user["UserName"] for user in root.ram("ListUsers")["Users"]["User"]] == ["lily"]
    root.ram("DeleteUser", UserName="lily")
    assert root.refused("ram", "GetUser", UserName="lily") == "EntityNotExist.User"


def test_a_role_is_assumed_with_a_token_that_ends(simulated, root):
    root.ram("CreateUser", UserName="wang")
    made = root.ram("CreateAccessKey", UserName="wang")["AccessKey"]
    wang = Tenant(simulated, made["AccessKeyId"], made["AccessKeySecret"])
    principal = {"RAM": [f"acs:ram::{root.number}:user/wang"]}
    trust = json.dumps({"Version": "1", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": principal}]})
    role = root.ram("CreateRole", RoleName="Watcher", AssumeRolePolicyDocument=trust, Description="looks")["Role"]
    root.ram("AttachPolicyToRole", RoleName="Watcher", PolicyType="System", PolicyName="AliyunECSReadOnlyAccess")
    (held,) = root.ram("ListPoliciesForRole", RoleName="Watcher")["Policies"]["Policy"]
    assert (held["PolicyName"], is_recent(held["AttachDate"])) == ("AliyunECSReadOnlyAccess", True)
    assumed = wang.call("sts", "AssumeRole", RoleArn=role["Arn"], RoleSessionName="night", DurationSeconds=900)
    temporary = assumed["Credentials"]
    credential = StsTokenCredential(temporary["AccessKeyId"], temporary["AccessKeySecret"], temporary["SecurityToken"])
    session = Tenant(simulated, credential=credential)
    assert session.call("sts", "GetCallerIdentity")["IdentityType"] == "AssumedRoleUser"
    session.call("ecs", "DescribeInstances", RegionId=simulated.region)
    assert session.refused("ecs", "CreateKeyPair", KeyPairName="k", RegionId=simulated.region) == "Forbidden.RAM"
    forged = StsTokenCredential(made["AccessKeyId"], made["AccessKeySecret"], temporary["SecurityToken"])
    assert Tenant(simulated, credential=forged).refused("sts", "GetCallerIdentity") == "InvalidSecurityToken.Malformed"
    assert root.refused("sts", "AssumeRole", RoleArn=role["Arn"], RoleSessionName="night") == "NoPermission"

    # Who may change a role's description may not say who assumes it.
    root.ram("CreatePolicy", PolicyName="words", PolicyDocument=document("Allow", "ram:UpdateRole"))
    root.ram("AttachPolicyToUser", UserName="wang", PolicyType="Custom", PolicyName="words")
    wang.ram("UpdateRole", RoleName="Watcher", NewDescription="still looks")
    assert wang.refused("ram", "UpdateRole", RoleName="Watcher", NewAssumeRolePolicyDocument=trust) == "NoPermission"
    root.ram("DetachPolicyFromUser", UserName="wang", PolicyType="Custom", PolicyName="words")
    root.ram("DeletePolicy", PolicyName="words")
    root.ram("UpdateRole", RoleName="Watcher", NewAssumeRolePolicyDocument=trust)
    assert root.ram("UpdateRole", RoleName="Watcher", NewMaxSessionDuration=7200)["Role"]["MaxSessionDuration"] == 7200
    assert root.ram("GetRole", RoleName="Watcher")["Role"]["MaxSessionDuration"] == 7200
    assert [role["RoleName"] for role in root.ram("ListRoles")["Roles"]["Role"]] == ["Watcher"]
    assert root.refused("ram", "DeleteRole", RoleName="Watcher") == "DeleteConflict.Role"
    root.ram("DetachPolicyFromRole", RoleName="Watcher", PolicyType="System", PolicyName="AliyunECSReadOnlyAccess")
    root.ram("DeleteRole", RoleName="Watcher")
    assert session.refused("sts", "GetCallerIdentity") == "InvalidSecurityToken.Malformed", "with the role its sessions end"
    root.ram("DeleteAccessKey", UserName="wang", UserAccessKeyId=made["AccessKeyId"])
    root.ram("DeleteUser", UserName="wang")


def test_what_is_denied_under_one_clouds_name_is_denied_under_anothers(simulated, root):
    root.ram("CreateUser", UserName="zhao")
    made = root.ram("CreateAccessKey", UserName="zhao")["AccessKey"]
    zhao = Tenant(simulated, made["AccessKeyId"], made["AccessKeySecret"])
    root.ram("AttachPolicyToUser", UserName="zhao", PolicyType="System", PolicyName="AliyunECSFullAccess")
    image = zhao.call("ecs", "DescribeImages", ImageName="pileus-linux", RegionId=simulated.region)["Images"]["Image"][0]["ImageId"]
    launch = {"ImageId": image, "InstanceType": "ecs.t5-lc2m1.nano", "RegionId": simulated.region}
    (id,) = zhao.call("ecs", "RunInstances", **launch)["InstanceIdSets"]["InstanceIdSet"]
    statement = {"Effect": "Deny", "Action": ["ec2:TerminateInstances", "ec2:CreateVolume"], "Resource": "*"}
    text = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    root.ram("CreatePolicy", PolicyName="keep", PolicyDocument=text)
    root.ram("AttachPolicyToUser", UserName="zhao", PolicyType="Custom", PolicyName="keep")
    assert zhao.refused("ecs", "DeleteInstance", InstanceId=id, Force="true", RegionId=simulated.region) == "Forbidden.RAM"
    disk = {"ZoneId": "local-1a", "Size": "20", "RegionId": simulated.region}
    assert zhao.refused("ecs", "CreateDisk", **disk) == "Forbidden.RAM"
    root.call("ecs", "DeleteInstance", InstanceId=id, Force="true", RegionId=simulated.region)
    for kind, name in [("System", "AliyunECSFullAccess"), ("Custom", "keep")]:
        root.ram("DetachPolicyFromUser", UserName="zhao", PolicyType=kind, PolicyName=name)
    root.ram("DeletePolicy", PolicyName="keep")
    root.ram("DeleteAccessKey", UserName="zhao", UserAccessKeyId=made["AccessKeyId"])
    root.ram("DeleteUser", UserName="zhao")
