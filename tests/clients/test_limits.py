"""Request limits, quotas and the last use of access keys through three clouds' own clients, and the operator's side of them."""

import json
import time
import uuid

import boto3
import botocore.config
import pytest
from botocore.exceptions import ClientError
from tencentcloud.common.exception.tencent_cloud_sdk_exception import TencentCloudSDKException

import test_ram
from test_cvm import Tenant as Tencent
from test_ecs import Refused, Tenant as Alibaba
from test_iam import allow, code_of, document

test_ram.VERSIONS["quotas"] = "2020-05-10"
BURST = 10


class Account:
    """An account of its own, and clients of three clouds that speak for it."""

    def __init__(self, cloud):
        self.cloud = cloud
        self.name = f"limits-{uuid.uuid4().hex[:6]}"
        self.alibaba = Alibaba(cloud, self.name)
        self.key, self.secret = self.alibaba.key, self.alibaba.secret
        self.tencent = Tencent(cloud, None, key=self.key, secret=self.secret)
        self.ram = test_ram.Tenant(cloud, self.key, self.secret)

    def aws(self, service="ec2"):
        return self.cloud.client(service, self.key, self.secret)

    def quota(self, name, limit):
        self.cloud.command("quota", "set", self.name, name, str(limit))


@pytest.fixture(scope="module")
def account(simulated):
    return Account(simulated)


def until_refused(call, refusals):
    """Calls until it is refused, which it is within what a bucket holds and gets meanwhile."""
    for _ in range(8 * BURST):
        try:
            call()
        except refusals as refused:
            return refused
    raise AssertionError("never refused")


def test_each_cloud_has_its_own_words_for_too_many_requests(simulated):
    account = Account(simulated)
    account.quota("read-requests", 1)
    account.quota("change-requests", 1)
    refused = until_refused(account.aws().describe_key_pairs, ClientError).response
    assert (refused["Error"]["Code"], refused["ResponseMetadata"]["HTTPStatusCode"]) == ("RequestLimitExceeded", 503)
    assert account.alibaba.call("DescribeZones")["Zones"]["Zone"], "another action has a bucket of its own"
    refused = until_refused(account.aws("iam").list_users, ClientError).response
    assert (refused["Error"]["Code"], refused["ResponseMetadata"]["HTTPStatusCode"]) == ("Throttling", 400)
    quotas = account.aws("service-quotas")
    assert until_refused(quotas.list_services, ClientError).response["Error"]["Code"] == "TooManyRequestsException"
    refused = until_refused(lambda: account.alibaba.call("DescribeKeyPairs"), Refused)
    assert (refused.code, refused.status) == ("Throttling.User", 400)
    refused = until_refused(lambda: account.tencent.call("DescribeKeyPairs"), TencentCloudSDKException)
    assert refused.code == "RequestLimitExceeded"
    delete = lambda: account.aws().delete_key_pair(KeyName="none")
    assert until_refused(delete, ClientError).response["Error"]["Code"] == "RequestLimitExceeded"
    assert Account(simulated).aws().describe_key_pairs()["KeyPairs"] == [], "another account is not held back"


def test_a_launch_takes_a_token_for_each_instance(simulated):
    account = Account(simulated)
    account.quota("instance-launches", 1)
    ec2, image = account.aws(), simulated.image()
    launch = {"ImageId": image, "InstanceType": "t3.nano"}
    made = ec2.run_instances(**launch, MinCount=BURST, MaxCount=BURST)["Instances"]
    assert code_of(ec2.run_instances, **launch, MinCount=BURST, MaxCount=BURST) == "RequestLimitExceeded"
    assert len([i for r in ec2.describe_instances()["Reservations"] for i in r["Instances"]]) == BURST
    ec2.terminate_instances(InstanceIds=[one["InstanceId"] for one in made])


def test_boto3_waits_and_tries_again(simulated):
    account = Account(simulated)
    account.quota("read-requests", 2)
    config = botocore.config.Config(retries={"max_attempts": 8, "mode": "standard"})
    keys = {"aws_access_key_id": account.key, "aws_secret_access_key": account.secret}
    patient = boto3.client("ec2", endpoint_url=simulated.endpoint, region_name=simulated.region, config=config, **keys)
    until_refused(account.aws().describe_key_pairs, ClientError)
    replies = [patient.describe_key_pairs() for _ in range(4)]
    assert any(reply["ResponseMetadata"]["RetryAttempts"] for reply in replies)


def test_service_quotas_are_listed_and_asked_for(account):
    quotas, cloud = account.aws("service-quotas"), account.cloud
    assert {service["ServiceCode"] for service in quotas.list_services()["Services"]} == {"ec2", "vpc", "ebs"}
    pages = quotas.get_paginator("list_service_quotas").paginate(ServiceCode="vpc", PaginationConfig={"PageSize": 3})
    listed = {quota["QuotaCode"]: quota for page in pages for quota in page["Quotas"]}
    assert listed["L-F678F1CE"]["Value"] == 10.0 and listed["L-F678F1CE"]["Adjustable"]
    defaults = quotas.list_aws_default_service_quotas(ServiceCode="ec2")["Quotas"]
    assert {"L-0263D0A3": 5.0} == {quota["QuotaCode"]: quota["Value"] for quota in defaults if "Elastic" in quota["QuotaName"]}
    addresses = {"ServiceCode": "ec2", "QuotaCode": "L-0263D0A3"}
    assert quotas.get_service_quota(**addresses)["Quota"]["Value"] == 5.0
    asked = quotas.request_service_quota_increase(**addresses, DesiredValue=7)["RequestedQuota"]
    assert (asked["Status"], asked["DesiredValue"]) == ("PENDING", 7.0)
    assert code_of(quotas.request_service_quota_increase, **addresses, DesiredValue=8) == "ResourceAlreadyExistsException"
    assert code_of(quotas.request_service_quota_increase, ServiceCode="vpc", QuotaCode="L-F678F1CE", DesiredValue=3) == "IllegalArgumentException"
    assert code_of(quotas.get_service_quota, ServiceCode="ec2", QuotaCode="L-00000000") == "NoSuchResourceException"
    assert f"{account.name} addresses: 7 instead of 5" in cloud.command("quota", "requests").stdout
    account.quota("addresses", 7)
    assert quotas.get_requested_service_quota_change(RequestId=asked["Id"])["RequestedQuota"]["Status"] == "APPROVED"
    assert quotas.get_service_quota(**addresses)["Quota"]["Value"] == 7.0
    assert quotas.get_aws_default_service_quota(**addresses)["Quota"]["Value"] == 5.0
    history = quotas.list_requested_service_quota_change_history(ServiceCode="ec2")["RequestedQuotas"]
    assert [change["Id"] for change in history] == [asked["Id"]]
    by_quota = quotas.list_requested_service_quota_change_history_by_quota(**addresses, Status="PENDING")
    assert by_quota["RequestedQuotas"] == []
    shown = account.aws().describe_account_attributes(AttributeNames=["vpc-max-elastic-ips"])["AccountAttributes"]
    assert shown[0]["AttributeValues"] == [{"AttributeValue": "7"}]


def test_the_quota_centre_lists_quotas_and_takes_applications(account):
    ask = lambda action, **parameters: account.ram.call("quotas", action, **parameters)
    assert {product["ProductCode"] for product in ask("ListProducts")["ProductInfo"]} == {"ecs", "vpc"}
    listed = ask("ListProductQuotas", ProductCode="vpc")
    assert listed["TotalCount"] == len(listed["Quotas"]) > 5
    quota = ask("GetProductQuota", ProductCode="vpc", QuotaActionCode="q_vpcs")["Quota"]
    assert (quota["TotalQuota"], quota["TotalUsage"], quota["Adjustable"]) == (10, 1, True)
    asked = ask("CreateQuotaApplication", ProductCode="vpc", QuotaActionCode="q_vpcs", DesireValue=12, Reason="two more teams")
    assert asked["Status"] == "Process"
    account.cloud.command("quota", "deny", account.name, "vpcs")
    one = ask("GetQuotaApplication", ApplicationId=asked["ApplicationId"])["QuotaApplication"]
    assert (one["Status"], one["Reason"]) == ("Disagree", "two more teams")
    assert len(ask("ListQuotaApplications", ProductCode="vpc", Status="Disagree")["QuotaApplications"]) == 1
    assert account.ram.refused("quotas", "GetProductQuota", ProductCode="vpc", QuotaActionCode="q_moons") == "QUOTA.NOT.FOUND"
    told = account.alibaba.call("DescribeAccountAttributes", AttributeName__1="max-security-groups")
    assert told["AccountAttributeItems"]["AccountAttributeItem"][0]["AttributeValues"]["ValueItem"][0]["Value"] == "2500"


def test_cvm_tells_quotas_and_their_use(account):
    account.quota("instances", 40)
    overview = account.tencent.call("DescribeAccountQuota")["AccountQuotaOverview"]["AccountQuota"]
    for zone in overview["PostPaidQuotaSet"]:
        assert (zone["TotalQuota"], zone["UsedQuota"], zone["RemainingQuota"]) == (40, 0, 40)
    (total,) = account.tencent.call("DescribeAddressQuota")["QuotaSet"]
    assert (total["QuotaId"], total["QuotaCurrent"]) == ("TOTAL_EIP_QUOTA", 0)
    assert account.tencent.call("DescribeImageQuota")["ImageNumQuota"] == 1000
    listed = account.cloud.command("quota", "list", account.name).stdout
    assert any(line.split() == ["instances", "40", "1000", "0"] for line in listed.splitlines()), listed
    wrong = account.cloud.command("quota", "set", account.name, "moons", "1", check=False)
    assert wrong.returncode != 0 and "there is no quota 'moons'" in wrong.stderr


def test_the_last_use_of_a_key_is_told(account):
    iam = account.aws("iam")
    iam.create_user(UserName="ann")
    ann = iam.create_access_key(UserName="ann")["AccessKey"]
    never = iam.get_access_key_last_used(AccessKeyId=ann["AccessKeyId"])
    assert (never["UserName"], never["AccessKeyLastUsed"]["ServiceName"]) == ("ann", "N/A")
    before = time.time() - 1
    assert code_of(account.cloud.client("ec2", ann["AccessKeyId"], ann["SecretAccessKey"]).describe_vpcs) == "UnauthorizedOperation"
    used = iam.get_access_key_last_used(AccessKeyId=ann["AccessKeyId"])["AccessKeyLastUsed"]
    assert (used["ServiceName"], used["Region"]) == ("ec2", account.cloud.region)
    assert before <= used["LastUsedDate"].timestamp() + 1 and used["LastUsedDate"].timestamp() <= time.time() + 1
    told = account.ram.ram("GetAccessKeyLastUsed", UserAccessKeyId=ann["AccessKeyId"], UserName="ann")["AccessKeyLastUsed"]
    assert told["ServiceName"] == "ec2" and told["LastUsedDate"]
    other = Account(account.cloud)
    assert code_of(other.aws("iam").get_access_key_last_used, AccessKeyId=ann["AccessKeyId"]) == "NoSuchEntity"
    iam.put_user_policy(UserName="ann", PolicyName="p", PolicyDocument=document(allow("ec2:*")))
    refused = account.cloud.client("service-quotas", ann["AccessKeyId"], ann["SecretAccessKey"])
    assert code_of(refused.list_service_quotas, ServiceCode="ec2") == "AccessDeniedException"
