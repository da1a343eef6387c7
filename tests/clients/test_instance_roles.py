"""Roles of instances: a real guest reads keys from its metadata service, and the vendors' SDKs work with them."""

import json
import uuid

import boto3
import botocore.exceptions
import pytest
from tencentcloud.common.exception.tencent_cloud_sdk_exception import TencentCloudSDKException

from test_cvm import Tenant as Tencent
from test_ecs import Tenant as Alibaba
from test_iam import allow, code_of, document

SOON = {"Delay": 1, "MaxAttempts": 60}
TRUST = document({"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"})
EC2 = "http://169.254.169.254/latest/meta-data/iam/"
ALIBABA = "http://100.100.100.200/latest/meta-data/ram/"
TENCENT = "http://169.254.0.23/latest/meta-data/cam/"


@pytest.fixture(scope="module")
def guest(cloud, ec2, tmp_path_factory):
    """A real instance with a profile whose role may look at instances, and a way in."""
    name = f"reader-{uuid.uuid4().hex[:6]}"
    iam = cloud.client("iam")
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=TRUST)
    iam.put_role_policy(RoleName=name, PolicyName="look", PolicyDocument=document(allow("ec2:DescribeInstances")))
    made = iam.create_instance_profile(InstanceProfileName=f"{name}-p")["InstanceProfile"]
    iam.add_role_to_instance_profile(InstanceProfileName=f"{name}-p", RoleName=name)
    key = ec2.create_key_pair(KeyName=name, KeyType="ed25519")
    path = tmp_path_factory.mktemp("keys") / "key.pem"
    path.write_text(key["KeyMaterial"])
    path.chmod(0o600)
    vpc = ec2.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"][0]["VpcId"]
    group = ec2.create_security_group(GroupName=name, Description="ssh", VpcId=vpc)["GroupId"]
    ec2.authorize_security_group_ingress(GroupId=group, IpProtocol="tcp", FromPort=22, ToPort=22, CidrIp="0.0.0.0/0")
    launch = {"ImageId": cloud.image(), "InstanceType": "t2.nano", "MinCount": 1, "MaxCount": 1, "KeyName": name, "SecurityGroupIds": [group]}
    id = ec2.run_instances(IamInstanceProfile={"Arn": made["Arn"]}, **launch)["Instances"][0]["InstanceId"]
    ec2.get_waiter("instance_running").wait(InstanceIds=[id], WaiterConfig=SOON)
    shown = ec2.describe_instances(InstanceIds=[id])["Reservations"][0]["Instances"][0]
    assert shown["IamInstanceProfile"]["Arn"] == made["Arn"]
    yield {"id": id, "address": shown["PublicIpAddress"], "file": path, "role": name}
    ec2.terminate_instances(InstanceIds=[id])
    ec2.get_waiter("instance_terminated").wait(InstanceIds=[id], WaiterConfig=SOON)
    ec2.delete_security_group(GroupId=group)
    ec2.delete_key_pair(KeyName=name)
    iam.remove_role_from_instance_profile(InstanceProfileName=f"{name}-p", RoleName=name)
    iam.delete_instance_profile(InstanceProfileName=f"{name}-p")
    iam.delete_role_policy(RoleName=name, PolicyName="look")
    iam.delete_role(RoleName=name)


@pytest.fixture
def read(guest, shell):
    """Reads metadata in the guest; none when there is nothing."""

    def read(url):
        done = shell(guest["address"], guest["file"], f"wget -q -O - {url}")
        return done.stdout if done.returncode == 0 else None

    return read


def session(cloud, key, service="ec2"):
    return boto3.client(
        service,
        endpoint_url=cloud.endpoint,
        region_name=cloud.region,
        aws_access_key_id=key["AccessKeyId"],
        aws_secret_access_key=key["SecretAccessKey"],
        aws_session_token=key["Token"],
    )


def test_a_guest_reads_keys_that_work_as_its_role_and_end_with_it(cloud, ec2, guest, read, until):
    role = guest["role"]
    assert read(EC2 + "security-credentials/") == role
    assert json.loads(read(EC2 + "info"))["InstanceProfileArn"].endswith(f":instance-profile/{role}-p")
    key = json.loads(read(EC2 + f"security-credentials/{role}"))
    assert (key["Code"], key["Type"]) == ("Success", "AWS-HMAC")
    who = session(cloud, key, "sts").get_caller_identity()["Arn"]
    assert who.endswith(f":assumed-role/{role}/{guest['id']}")
    client = session(cloud, key)
    assert client.describe_instances(InstanceIds=[guest["id"]])["Reservations"]
    assert code_of(client.describe_volumes) == "UnauthorizedOperation", "the role may look at instances only"

    ali = json.loads(read(ALIBABA + f"security-credentials/{role}"))
    assert {ali["AccessKeyId"], ali["AccessKeySecret"], ali["SecurityToken"]} == {key["AccessKeyId"], key["SecretAccessKey"], key["Token"]}
    ten = json.loads(read(TENCENT + f"security-credentials/{role}"))
    tencent = Tencent(cloud, None, key=ten["TmpSecretId"], secret=ten["TmpSecretKey"])
    by_token = tencent.client(token=ten["Token"])
    assert tencent.call("DescribeInstances", client=by_token)["TotalCount"] >= 1

    log = cloud.log_text()
    assert key["SecretAccessKey"] not in log and key["Token"] not in log

    (tie,) = ec2.describe_iam_instance_profile_associations(Filters=[{"Name": "instance-id", "Values": [guest["id"]]}])["IamInstanceProfileAssociations"]
    assert tie["State"] == "associated"
    gone = ec2.disassociate_iam_instance_profile(AssociationId=tie["AssociationId"])["IamInstanceProfileAssociation"]
    assert gone["State"] == "disassociating"
    assert code_of(client.describe_instances) == "AuthFailure", "the key ended at once"
    with pytest.raises(TencentCloudSDKException):
        tencent.call("DescribeInstances", client=by_token)
    until(lambda: read(EC2 + "security-credentials/") is None, what="a guest without a role")

    ec2.associate_iam_instance_profile(InstanceId=guest["id"], IamInstanceProfile={"Name": f"{role}-p"})
    until(lambda: read(EC2 + "security-credentials/") == role, what="the new role")
    fresh = json.loads(read(EC2 + f"security-credentials/{role}"))
    assert fresh["AccessKeyId"] != key["AccessKeyId"]
    assert session(cloud, fresh).describe_instances(InstanceIds=[guest["id"]])["Reservations"]
    again = {"InstanceId": guest["id"], "IamInstanceProfile": {"Name": f"{role}-p"}}
    assert code_of(ec2.associate_iam_instance_profile, **again) == "IncorrectState", "it has one"


def test_whoever_gives_a_role_must_be_allowed_to_pass_it(simulated):
    key, secret, account = simulated.account("pass")
    iam = simulated.client("iam", key, secret)
    iam.create_role(RoleName="strong", AssumeRolePolicyDocument=TRUST)
    iam.create_instance_profile(InstanceProfileName="strong-p")
    iam.add_role_to_instance_profile(InstanceProfileName="strong-p", RoleName="strong")
    assert [p["InstanceProfileName"] for p in iam.list_instance_profiles()["InstanceProfiles"]] == ["strong-p"]
    assert iam.list_instance_profiles_for_role(RoleName="strong")["InstanceProfiles"][0]["Roles"][0]["RoleName"] == "strong"
    assert iam.get_instance_profile(InstanceProfileName="strong-p")["InstanceProfile"]["Roles"][0]["RoleName"] == "strong"
    assert code_of(iam.delete_role, RoleName="strong") == "DeleteConflict"
    assert code_of(iam.delete_instance_profile, InstanceProfileName="strong-p") == "DeleteConflict"
    iam.create_user(UserName="ann")
    ann = iam.create_access_key(UserName="ann")["AccessKey"]
    iam.put_user_policy(UserName="ann", PolicyName="p", PolicyDocument=document(allow("ec2:*")))
    ec2 = simulated.client("ec2", ann["AccessKeyId"], ann["SecretAccessKey"])
    launch = {"ImageId": simulated.image(), "InstanceType": "t2.nano", "MinCount": 1, "MaxCount": 1}
    with_role = {**launch, "IamInstanceProfile": {"Name": "strong-p"}}
    assert code_of(ec2.run_instances, **with_role) == "UnauthorizedOperation"
    bare = ec2.run_instances(**launch)["Instances"][0]["InstanceId"]
    give = {"InstanceId": bare, "IamInstanceProfile": {"Name": "strong-p"}}
    assert code_of(ec2.associate_iam_instance_profile, **give) == "UnauthorizedOperation"
    template = ec2.create_launch_template(LaunchTemplateName="roled", LaunchTemplateData={"IamInstanceProfile": {"Name": "strong-p"}})
    by_template = {**launch, "LaunchTemplate": {"LaunchTemplateId": template["LaunchTemplate"]["LaunchTemplateId"]}}
    assert code_of(ec2.run_instances, **by_template) == "UnauthorizedOperation", "a template does not get around it"
    passing = allow("iam:PassRole", Resource=f"arn:aws:iam::{account}:role/strong")
    iam.put_user_policy(UserName="ann", PolicyName="q", PolicyDocument=document(passing))
    assert ec2.run_instances(**by_template)["Instances"][0]["IamInstanceProfile"]["Arn"].endswith("/strong-p")
    assert ec2.associate_iam_instance_profile(**give)["IamInstanceProfileAssociation"]["InstanceId"] == bare
    (tie,) = ec2.describe_iam_instance_profile_associations(Filters=[{"Name": "instance-id", "Values": [bare]}])["IamInstanceProfileAssociations"]
    new = ec2.replace_iam_instance_profile_association(AssociationId=tie["AssociationId"], IamInstanceProfile={"Name": "strong-p"})
    assert new["IamInstanceProfileAssociation"]["AssociationId"] != tie["AssociationId"]
    assert code_of(ec2.disassociate_iam_instance_profile, AssociationId=tie["AssociationId"]) == "InvalidAssociationID.NotFound"
    assert code_of(ec2.run_instances, **{**launch, "IamInstanceProfile": {"Name": "nobody"}}) == "InvalidParameterValue"
    ec2.terminate_instances(InstanceIds=[i["InstanceId"] for r in ec2.describe_instances()["Reservations"] for i in r["Instances"]])


def test_the_other_clouds_give_take_and_show_roles(simulated):
    ecs = Alibaba(simulated, f"role-{uuid.uuid4().hex[:6]}")
    cvm = Tencent(simulated, None, key=ecs.key, secret=ecs.secret)
    trust = json.dumps({"Version": "1", "Statement": [{"Effect": "Allow", "Principal": {"Service": ["ecs.aliyuncs.com"]}, "Action": "sts:AssumeRole"}]})
    simulated.client("iam", ecs.key, ecs.secret).create_role(RoleName="worker", AssumeRolePolicyDocument=trust.replace('"1"', '"2012-10-17"'))
    (first,) = ecs.run(RamRoleName="worker")
    (second,) = ecs.run()

    def shown(**asked):
        sets = ecs.call("DescribeInstanceRamRole", **asked)["InstanceRamRoleSets"]["InstanceRamRoleSet"]
        return {held["InstanceId"]: held["RamRoleName"] for held in sets}

    assert shown() == {first: "worker"}
    results = ecs.call("AttachInstanceRamRole", InstanceIds=json.dumps([first, second]), RamRoleName="worker")
    assert (results["TotalCount"], results["FailCount"]) == (2, 1), "the first has one"
    assert shown(RamRoleName="worker") == {first: "worker", second: "worker"}
    assert ecs.refused("AttachInstanceRamRole", InstanceIds=json.dumps([second]), RamRoleName="nobody") == "EntityNotExist.Role"
    assert ecs.call("DetachInstanceRamRole", InstanceIds=json.dumps([second]), RamRoleName="worker")["FailCount"] == 0
    assert shown(InstanceIds=json.dumps([second])) == {}
    theirs = "ins-" + second.removeprefix("i-")
    cvm.call("ModifyInstancesAttribute", InstanceIds=[theirs], CamRoleName="worker")
    assert cvm.instance(theirs)["CamRoleName"] == "worker" and shown()[second] == "worker"
    cvm.call("ModifyInstancesAttribute", InstanceIds=[theirs], CamRoleName="")
    assert cvm.instance(theirs)["CamRoleName"] == ""
    (third,) = cvm.run(CamRoleName="worker")
    assert cvm.instance(third)["CamRoleName"] == "worker"
    ecs.call("DeleteInstances", Force="true", **{f"InstanceId.{at}": id for at, id in enumerate([first, second, "i-" + third.removeprefix("ins-")], 1)})
