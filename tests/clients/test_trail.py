"""The audit trail through three clouds' own calls: who did what, when and from where, also what was refused."""

import datetime
import json
import uuid

import pytest

from test_cvm import Tenant as Tencent
from test_ecs import Tenant as Alibaba
from test_iam import allow, code_of, document


@pytest.fixture(scope="module")
def clouds(simulated):
    """An account in which a key pair was made, and a user was refused one."""
    ecs = Alibaba(simulated, f"trail-{uuid.uuid4().hex[:6]}")
    clouds = {"ecs": ecs, "cvm": Tencent(simulated, None, key=ecs.key, secret=ecs.secret)}
    for service in ("ec2", "iam", "cloudtrail"):
        clouds[service] = simulated.client(service, ecs.key, ecs.secret)
    clouds["ec2"].create_key_pair(KeyName="seen")
    clouds["iam"].create_user(UserName="ann")
    ann = clouds["iam"].create_access_key(UserName="ann")["AccessKey"]
    clouds["iam"].put_user_policy(UserName="ann", PolicyName="p", PolicyDocument=document(allow("ec2:DescribeInstances")))
    clouds["ann"] = ann["AccessKeyId"]
    refused = simulated.client("ec2", ann["AccessKeyId"], ann["SecretAccessKey"])
    assert code_of(refused.create_key_pair, KeyName="no") == "UnauthorizedOperation"
    return clouds


def test_cloudtrail_finds_calls_by_attribute_time_and_page(clouds):
    trail = clouds["cloudtrail"]

    def events(key=None, value=None, **more):
        asked = {"LookupAttributes": [{"AttributeKey": key, "AttributeValue": value}]} if key else {}
        return trail.lookup_events(**asked, **more)["Events"]

    (made,) = [event for event in events("EventName", "CreateKeyPair") if event["Username"] == "root"]
    assert (made["EventSource"], made["ReadOnly"]) == ("ec2.amazonaws.com", "false")
    assert {"ResourceType": "AWS::EC2::KeyPair", "ResourceName": "seen"} in made["Resources"]
    whole = json.loads(made["CloudTrailEvent"])
    assert whole["sourceIPAddress"] == "127.0.0.1" and whole["requestID"] and whole["errorCode"] is None
    (refused,) = events("Username", "ann")
    assert json.loads(refused["CloudTrailEvent"])["errorCode"] == "Client.UnauthorizedOperation"
    assert refused["AccessKeyId"] == clouds["ann"]
    assert [event["EventId"] for event in events("EventId", made["EventId"])] == [made["EventId"]]
    assert [event["EventId"] for event in events("ResourceName", "seen")] == [made["EventId"]]
    now = datetime.datetime.now(datetime.timezone.utc)
    assert events(StartTime=now + datetime.timedelta(hours=1)) == []
    everything = events(StartTime=now - datetime.timedelta(hours=1), EndTime=now + datetime.timedelta(minutes=1))
    pages = trail.get_paginator("lookup_events").paginate(PaginationConfig={"PageSize": 2})
    paged = [event["EventId"] for page in pages for event in page["Events"]]
    assert paged == [event["EventId"] for event in everything] and len(paged) >= 5
    assert code_of(trail.lookup_events, EventCategory="insight") == "UnsupportedOperation"


def test_actiontrail_and_cloudaudit_tell_the_same(clouds, monkeypatch):
    monkeypatch.setitem(__import__("test_ecs").VERSIONS, "LookupEvents", "2020-07-06")
    monkeypatch.setattr("test_ecs.OF_OTHER_SERVICES", {"LookupEvents"})
    ecs, cvm = clouds["ecs"], clouds["cvm"]
    asked = {"LookupAttribute.1.Key": "EventName", "LookupAttribute.1.Value": "CreateKeyPair"}
    found = ecs.call("LookupEvents", **asked)["Events"]
    assert sorted((event["userIdentity"]["userName"], event.get("errorCode")) for event in found) == [("ann", "Forbidden.RAM"), ("root", None)]
    first = ecs.call("LookupEvents", MaxResults=1)
    second = ecs.call("LookupEvents", MaxResults=1, NextToken=first["NextToken"])
    assert first["Events"][0]["eventId"] > second["Events"][0]["eventId"], "newest first"
    now = int(datetime.datetime.now().timestamp())
    by_name = [{"AttributeKey": "EventName", "AttributeValue": "CreateKeyPair"}]
    events = cvm.call("DescribeEvents", StartTime=now - 3600, EndTime=now + 60, LookupAttributes=by_name)["Events"]
    assert sorted((event["Username"], event["ErrorCode"]) for event in events) == [("ann", 1), ("root", 0)]
    page = cvm.call("DescribeEvents", StartTime=now - 3600, EndTime=now + 60, MaxResults=2)
    assert not page["ListOver"] and page["NextToken"]
    rest = cvm.call("DescribeEvents", StartTime=now - 3600, EndTime=now + 60, MaxResults=50, NextToken=page["NextToken"])
    assert rest["ListOver"] and not {e["EventId"] for e in page["Events"]} & {e["EventId"] for e in rest["Events"]}


def test_the_operator_checks_the_seals(simulated):
    said = simulated.command("audit", "verify").stdout
    assert "are as they were written" in said


def test_a_stranger_sees_nothing_of_it(simulated, clouds):
    key, secret, _ = simulated.account("trail")
    assert simulated.client("cloudtrail", key, secret).lookup_events()["Events"] == []
