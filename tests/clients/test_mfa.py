"""MFA devices through IAM and RAM with the vendors' SDKs: codes, and policies that ask for them. On simulated hosts."""

import base64
import hashlib
import hmac
import json
import struct
import time

import boto3
import pytest
from botocore.exceptions import ClientError

from test_cvm import Tenant as Tencent
from test_ram import Tenant as Alibaba

STEP = 30


def code(seed, ahead=0):
    """What a telephone shows (RFC 6238)."""
    counter = struct.pack(">Q", int(time.time()) // STEP + ahead)
    digest = hmac.new(base64.b32decode(seed), counter, hashlib.sha1).digest()
    at = digest[-1] & 15
    return f"{(int.from_bytes(digest[at : at + 4], 'big') & 0x7FFFFFFF) % 1_000_000:06}"


class Account:
    def __init__(self, cloud, key, secret, token=None):
        self.options = {
            "endpoint_url": cloud.endpoint,
            "region_name": cloud.region,
            "aws_access_key_id": key,
            "aws_secret_access_key": secret,
            "aws_session_token": token,
        }
        self.iam, self.sts, self.ec2 = (boto3.client(service, **self.options) for service in ("iam", "sts", "ec2"))

    def user(self, cloud, name):
        self.iam.create_user(UserName=name)
        key = self.iam.create_access_key(UserName=name)["AccessKey"]
        return Account(cloud, key["AccessKeyId"], key["SecretAccessKey"])

    def device(self, name, user):
        made = self.iam.create_virtual_mfa_device(VirtualMFADeviceName=name, Tags=[{"Key": "of", "Value": user}])["VirtualMFADevice"]
        seed = made["Base32StringSeed"].decode()
        assert len(seed) == 64
        serial = made["SerialNumber"]
        used = code(seed)
        self.iam.enable_mfa_device(UserName=user, SerialNumber=serial, AuthenticationCode1=code(seed, -1), AuthenticationCode2=used)
        return serial, seed, used


def refused(call, **parameters):
    with pytest.raises(ClientError) as error:
        call(**parameters)
    return error.value.response["Error"]["Code"]


@pytest.fixture(scope="module")
def root(simulated):
    key, secret, number = simulated.account("mfa-tests")
    account = Account(simulated, key, secret)
    account.key, account.secret, account.number = key, secret, number
    return account


def allowing(action, **condition):
    statement = {"Effect": "Allow", "Action": action, "Resource": "*"}
    return json.dumps({"Version": "2012-10-17", "Statement": [{**statement, "Condition": condition} if condition else statement]})


def test_a_session_with_a_code_may_what_one_without_may_not(simulated, root):
    ann = root.user(simulated, "ann")
    with_mfa = allowing("ec2:DescribeVpcs", Bool={"aws:MultiFactorAuthPresent": "true"}, NumericLessThan={"aws:MultiFactorAuthAge": "3600"})
    root.iam.put_user_policy(UserName="ann", PolicyName="with-mfa", PolicyDocument=with_mfa)
    serial, seed, used = root.device("anns-phone", "ann")
    assert serial == f"arn:aws:iam::{root.number}:mfa/anns-phone"
    (shown,) = root.iam.list_mfa_devices(UserName="ann")["MFADevices"]
    assert (shown["UserName"], shown["SerialNumber"]) == ("ann", serial)
    assert root.iam.get_mfa_device(SerialNumber=serial, UserName="ann")["UserName"] == "ann"
    (device,) = root.iam.list_virtual_mfa_devices(AssignmentStatus="Assigned")["VirtualMFADevices"]
    assert device["User"]["UserName"] == "ann" and "Base32StringSeed" not in device
    assert root.iam.list_mfa_device_tags(SerialNumber=serial)["Tags"] == [{"Key": "of", "Value": "ann"}]
    root.iam.tag_mfa_device(SerialNumber=serial, Tags=[{"Key": "more", "Value": "1"}])
    root.iam.untag_mfa_device(SerialNumber=serial, TagKeys=["of"])
    assert root.iam.list_mfa_device_tags(SerialNumber=serial)["Tags"] == [{"Key": "more", "Value": "1"}]

    assert refused(ann.ec2.describe_vpcs) == "UnauthorizedOperation", "a key that never ends knows no MFA"
    plain = ann.sts.get_session_token()["Credentials"]
    plain = Account(simulated, plain["AccessKeyId"], plain["SecretAccessKey"], plain["SessionToken"])
    assert refused(plain.ec2.describe_vpcs) == "UnauthorizedOperation"
    assert refused(ann.sts.get_session_token, SerialNumber=serial, TokenCode=used) == "AccessDenied", "it was used to enable the device"
    fresh = code(seed, 1)
    given = ann.sts.get_session_token(SerialNumber=serial, TokenCode=fresh)["Credentials"]
    strong = Account(simulated, given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"])
    assert len(strong.ec2.describe_vpcs()["Vpcs"]) == 1
    assert refused(ann.sts.get_session_token, SerialNumber=serial, TokenCode=fresh) == "AccessDenied", "a code counts once"
    other = serial.replace(root.number, "000000000001")
    assert refused(ann.sts.get_session_token, SerialNumber=other, TokenCode=code(seed, 1)) == "AccessDenied"
    assert refused(root.iam.delete_virtual_mfa_device, SerialNumber=serial) == "DeleteConflict"
    wrong = {"AuthenticationCode1": "000000", "AuthenticationCode2": "000001"}
    assert refused(root.iam.resync_mfa_device, UserName="ann", SerialNumber=serial, **wrong) == "InvalidAuthenticationCode"
    later = {"AuthenticationCode1": code(seed, 3), "AuthenticationCode2": code(seed, 4)}
    root.iam.resync_mfa_device(UserName="ann", SerialNumber=serial, **later)
    ann.sts.get_session_token(SerialNumber=serial, TokenCode=code(seed, 5))
    root.iam.deactivate_mfa_device(UserName="ann", SerialNumber=serial)
    assert refused(ann.sts.get_session_token, SerialNumber=serial, TokenCode=code(seed, 6)) == "AccessDenied"
    root.iam.delete_virtual_mfa_device(SerialNumber=serial)
    assert refused(root.iam.deactivate_mfa_device, UserName="ann", SerialNumber=serial) == "NoSuchEntity"


def test_a_role_may_ask_for_a_code(simulated, root):
    ben = root.user(simulated, "ben")
    serial, seed, _ = root.device("bens-phone", "ben")
    principal = {"AWS": f"arn:aws:iam::{root.number}:user/ben"}
    asking = {"Bool": {"aws:MultiFactorAuthPresent": "true"}, "StringEquals": {"sts:ExternalId": "night"}}
    trust = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole", "Condition": asking}}
    arn = root.iam.create_role(RoleName="strong", AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    root.iam.put_role_policy(RoleName="strong", PolicyName="p", PolicyDocument=allowing("ec2:DescribeVpcs", Bool={"aws:MultiFactorAuthPresent": "true"}))
    role = {"RoleArn": arn, "RoleSessionName": "night"}
    assert refused(ben.sts.assume_role, **role, ExternalId="night") == "AccessDenied"
    assert refused(ben.sts.assume_role, **role, ExternalId="day", SerialNumber=serial, TokenCode="000000") == "AccessDenied"
    given = ben.sts.assume_role(**role, ExternalId="night", SerialNumber=serial, TokenCode=code(seed, 1))["Credentials"]
    strong = Account(simulated, given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"])
    assert len(strong.ec2.describe_vpcs()["Vpcs"]) == 1


def test_tencents_sts_takes_a_code_of_the_callers_device(simulated, root):
    cao = root.user(simulated, "cao")
    _, seed, used = root.device("caos-phone", "cao")
    asking = {"Bool": {"aws:MultiFactorAuthPresent": "true"}}
    principal = {"AWS": f"arn:aws:iam::{root.number}:user/cao"}
    trust = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole", "Condition": asking}}
    root.iam.create_role(RoleName="soft", AssumeRolePolicyDocument=json.dumps(trust))
    root.iam.put_role_policy(RoleName="soft", PolicyName="p", PolicyDocument=allowing("ec2:DescribeVpcs", **asking))
    tenant = Tencent(simulated, "", cao.options["aws_access_key_id"], cao.options["aws_secret_access_key"])
    role = {"RoleArn": f"qcs::cam::uin/{root.number}:roleName/soft", "RoleSessionName": "night"}
    serial = f"qcs::cam:uin/{root.number}::mfa/softToken"
    assert tenant.refused("AssumeRole", **role) == "UnauthorizedOperation"
    assert tenant.refused("AssumeRole", **role, SerialNumber=serial, TokenCode=used) == "FailedOperation.CheckMFAError", "it was used to enable the device"
    other = serial.replace(root.number, "000000000001")
    assert tenant.refused("AssumeRole", **role, SerialNumber=other, TokenCode=code(seed, 1)) == "FailedOperation.CheckMFAError"
    given = tenant.call("AssumeRole", **role, SerialNumber=serial, TokenCode=code(seed, 1))["Credentials"]
    strong = Tencent(simulated, "", given["TmpSecretId"], given["TmpSecretKey"]).client("vpc", token=given["Token"])
    assert tenant.call("DescribeVpcs", client=strong)["TotalCount"] == 1


def test_rams_devices_are_iams(simulated, root):
    root.iam.create_user(UserName="li")
    ram = Alibaba(simulated, root.key, root.secret)
    made = ram.ram("CreateVirtualMFADevice", VirtualMFADeviceName="lis-phone")["VirtualMFADevice"]
    serial, seed = made["SerialNumber"], made["Base32StringSeed"]
    assert serial == f"acs:ram::{root.number}:mfa/lis-phone"
    codes = {"AuthenticationCode1": code(seed, -1), "AuthenticationCode2": code(seed)}
    assert ram.refused("ram", "BindMFADevice", UserName="li", SerialNumber=serial, AuthenticationCode1="000000", AuthenticationCode2="000000") == "InvalidParameter.AuthenticationCode"
    ram.ram("BindMFADevice", UserName="li", SerialNumber=serial, **codes)
    assert ram.ram("GetUserMFAInfo", UserName="li")["MFADevice"] == {"SerialNumber": serial, "Type": "VMFA"}
    listed = {one["SerialNumber"]: one for one in ram.ram("ListVirtualMFADevices")["VirtualMFADevices"]["VirtualMFADevice"]}
    assert listed[serial]["User"]["UserName"] == "li" and listed[serial]["ActivateDate"]
    assert root.iam.list_mfa_devices(UserName="li")["MFADevices"][0]["SerialNumber"].endswith(":mfa/lis-phone")
    assert ram.refused("ram", "DeleteVirtualMFADevice", SerialNumber=serial) == "DeleteConflict.MFADevice"
    assert ram.refused("ram", "DeleteUser", UserName="li") == "DeleteConflict.User"
    assert ram.ram("UnbindMFADevice", UserName="li")["MFADevice"]["SerialNumber"] == serial
    assert ram.refused("ram", "GetUserMFAInfo", UserName="li") == "EntityNotExist.MFADevice"
    ram.ram("DeleteVirtualMFADevice", SerialNumber=serial)
    ram.ram("UpdateUser", UserName="li", NewComments="looks", NewMobilePhone="86-13800000000")
    shown = ram.ram("GetUser", UserName="li")["User"]
    assert (shown["Comments"], shown["MobilePhone"]) == ("looks", "86-13800000000")
    ram.ram("DeleteUser", UserName="li")
    ram.ram("CreateGroup", GroupName="watch")
    assert ram.ram("UpdateGroup", GroupName="watch", NewGroupName="watchers", NewComments="they look")["Group"]["Comments"] == "they look"
    root.iam.update_group(GroupName="watchers", NewGroupName="watch")
    ram.ram("DeleteGroup", GroupName="watch")
