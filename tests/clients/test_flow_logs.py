"""Flow logs: what real guests send is told as it was, what is dropped is told with the reason, and it is read with the vendor's client. They
are made through EC2, Alibaba Cloud's VPC and Tencent's, and each sees what the others made."""

import time

import pytest

import alibaba_vpc
import test_cvm
import test_ecs
from test_vpcs import SOON, make_public, public_ip, remove_instances, remove_vpc

RANGE, SUBNET = "10.40.0.0/16", "10.40.1.0/24"
FRONT, BACK = "10.40.1.10", "10.40.1.20"
GROUP = "/vpc/flows"
PROJECT, STORE = "flows-project", "flows_store"
TOPIC = "dfb8f1a2-8522-47c1-8571-67905167ab3f"
FORMAT = "${interface-id} ${srcaddr} ${dstaddr} ${srcport} ${dstport} ${protocol} ${packets} ${bytes} ${action} ${log-status} ${flow-direction} ${reject-reason}"
# A span of 34 seconds has to end, and the host and the server look every 5 and 10 seconds.
TOLD = 75


@pytest.fixture(scope="module")
def account(cloud):
    key, secret, _ = cloud.account("flows")
    return key, secret


@pytest.fixture(scope="module")
def ec2(cloud, account):
    return cloud.client("ec2", key=account[0], secret=account[1])


@pytest.fixture(scope="module")
def logs(cloud, account):
    return cloud.client("logs", key=account[0], secret=account[1])


@pytest.fixture(scope="module")
def net(cloud, ec2, tmp_path_factory):
    """A VPC with a public guest and one behind it that takes in SSH alone."""
    key = ec2.create_key_pair(KeyName="flows", KeyType="ed25519")
    path = tmp_path_factory.mktemp("key") / "key.pem"
    path.write_text(key["KeyMaterial"])
    path.chmod(0o600)
    vpc = ec2.create_vpc(CidrBlock=RANGE)["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock=SUBNET)["Subnet"]["SubnetId"]
    make_public(ec2, vpc)
    group = ec2.create_security_group(GroupName="ssh", Description="ssh", VpcId=vpc)["GroupId"]
    ec2.authorize_security_group_ingress(GroupId=group, IpProtocol="tcp", FromPort=22, ToPort=22, CidrIp="0.0.0.0/0")

    def launch(ip, public):
        nic = {"DeviceIndex": 0, "SubnetId": subnet, "PrivateIpAddress": ip, "Groups": [group], "AssociatePublicIpAddress": public}
        asked = dict(ImageId=cloud.image(), InstanceType="t2.nano", MinCount=1, MaxCount=1, KeyName="flows", NetworkInterfaces=[nic])
        return ec2.run_instances(**asked)["Instances"][0]

    try:
        guests = launch(FRONT, True), launch(BACK, False)
        ids = [guest["InstanceId"] for guest in guests]
        ec2.get_waiter("instance_running").wait(InstanceIds=ids, WaiterConfig=SOON)
        nics = [guest["NetworkInterfaces"][0]["NetworkInterfaceId"] for guest in guests]
        yield {"vpc": vpc, "subnet": subnet, "guests": ids, "key": path, "public": public_ip(ec2, ids[0]), "nics": nics}
    finally:
        remove_instances(ec2, vpc)
        ec2.delete_security_group(GroupId=group)
        remove_vpc(ec2, vpc)


def records(logs, group=GROUP, **asked):
    """Messages of a log group, page by page."""
    pages = logs.get_paginator("filter_log_events").paginate(logGroupName=group, **asked)
    return [event["message"] for page in pages for event in page["events"]]


def test_what_guests_send_and_what_is_dropped_is_told(ec2, logs, net, shell, until):
    front, back = net["nics"]
    until(lambda: shell(net["public"], net["key"], "true").returncode == 0, 60, "SSH of the guest in front")
    made = ec2.create_flow_logs(
        ResourceIds=[net["vpc"]], ResourceType="VPC", TrafficType="ALL", LogGroupName=GROUP, LogFormat=FORMAT, MaxAggregationInterval=60,
        DeliverLogsPermissionArn="arn:aws:iam::111122223333:role/flows",
    )
    assert made["Unsuccessful"] == []
    (log,) = ec2.describe_flow_logs(Filter=[{"Name": "resource-id", "Values": [net["vpc"]]}])["FlowLogs"]
    assert (log["FlowLogId"], log["FlowLogStatus"], log["LogFormat"]) == (made["FlowLogIds"][0], "ACTIVE", FORMAT)

    def tried():
        """One connection that is let in and one that is not, and an echo that is dropped, with real packets."""
        commands = f"nc -w 2 {BACK} 22 < /dev/null | head -c 4; nc -w 1 {BACK} 81 < /dev/null; ping -c 3 -W 1 {BACK} > /dev/null; true"
        return shell(net["public"], net["key"], commands).stdout

    # The host hears of the log within a moment; what it has not heard of is not counted.
    started = time.time()
    until(lambda: tried() == "SSH-" and records(logs, filterPattern=f'"{BACK}" REJECT'), TOLD, "records of what was dropped")
    assert time.time() - started < TOLD
    dropped = records(logs, filterPattern="[eni, src, dst, sport, dport = 81, proto = 6, ...]")
    refused = [line.split() for line in dropped if line.startswith(back)]
    assert refused and all(line[8:] == ["REJECT", "OK", "ingress", "security-group"] for line in refused), dropped
    # Who sent it was let out.
    assert any(line.startswith(front) and " ACCEPT OK egress -" in line for line in dropped), dropped
    echoes = [line.split() for line in records(logs, filterPattern=f"[eni = {back}, src = {FRONT}, dst, sport, dport, proto = 1, ...]")]
    assert echoes and all(line[8] == "REJECT" and line[3:5] == ["0", "0"] for line in echoes), echoes
    # An echo request is 84 bytes, and there were three each time.
    assert all(int(line[7]) == 84 * int(line[6]) for line in echoes), echoes
    let_in = [line.split() for line in records(logs, filterPattern=f"[eni = {back}, src = {FRONT}, dst, sport, dport = 22, proto = 6, ...]")]
    assert let_in and all(line[8] == "ACCEPT" and line[10] == "ingress" and int(line[7]) > 40 * int(line[6]) - 1 for line in let_in), let_in


def test_streams_are_read_like_the_vendors(logs, net):
    names = [stream["logStreamName"] for stream in logs.describe_log_streams(logGroupName=GROUP)["logStreams"]]
    assert set(names) == {f"{nic}-all" for nic in net["nics"]}
    (group,) = logs.describe_log_groups(logGroupNamePrefix="/vpc")["logGroups"]
    assert group["logGroupName"] == GROUP and group["storedBytes"] > 0
    newest = logs.get_log_events(logGroupName=GROUP, logStreamName=names[0], limit=2)
    assert len(newest["events"]) == 2
    before = logs.get_log_events(logGroupName=GROUP, logStreamName=names[0], limit=2, nextToken=newest["nextBackwardToken"])
    assert before["events"][-1]["timestamp"] <= newest["events"][0]["timestamp"]
    seen = []
    page = logs.get_log_events(logGroupName=GROUP, logStreamName=names[0], startFromHead=True, limit=3)
    while page["events"]:
        seen += page["events"]
        page = logs.get_log_events(logGroupName=GROUP, logStreamName=names[0], limit=3, nextToken=page["nextForwardToken"])
    whole = records(logs, logStreamNames=[names[0]])
    assert len(seen) >= len(whole) - 20 and [event["message"] for event in seen[: len(whole)]] == whole[: len(seen)]
    logs.put_retention_policy(logGroupName=GROUP, retentionInDays=7)
    assert logs.describe_log_groups()["logGroups"][0]["retentionInDays"] == 7
    logs.delete_retention_policy(logGroupName=GROUP)
    assert "retentionInDays" not in logs.describe_log_groups()["logGroups"][0]
    with pytest.raises(logs.exceptions.ResourceNotFoundException):
        logs.get_log_events(logGroupName=GROUP, logStreamName="none")


def test_logs_of_alibaba_and_tencent_tell_the_same_packets_and_are_seen_by_each(cloud, account, ec2, logs, net, shell, until):
    key, secret = account
    alibaba, tencent = test_ecs.Tenant(cloud, "", key, secret), test_cvm.Tenant(cloud, "", key, secret)
    front, back = net["nics"]
    ids = [made["FlowLogId"] for made in ec2.describe_flow_logs()["FlowLogs"]]

    def vpc(action, **parameters):
        return alibaba_vpc.call(alibaba, action, **parameters)

    created = vpc(
        "CreateFlowLog", ResourceType="VSwitch", ResourceId=net["subnet"], TrafficType="All", ProjectName=PROJECT, LogStoreName=STORE,
        FlowLogName="of-alibaba", Description="d", AggregationInterval=1, TrafficPaths=["all"], Tags=[{"Key": "by", "Value": "alibaba"}],
    )
    assert created["Success"] == "true"
    of_alibaba = created["FlowLogId"]
    (made,) = tencent.call(
        "CreateFlowLog", FlowLogName="of-tencent", ResourceType="NETWORKINTERFACE", ResourceId=back, TrafficType="REJECT", VpcId=net["vpc"],
        FlowLogDescription="d", CloudLogId=TOPIC, Tags=[{"Key": "by", "Value": "tencent"}],
    )["FlowLog"]
    of_tencent = made["FlowLogId"]
    assert (made["Enable"], made["StorageType"], made["TagSet"]) == (True, "cls", [{"Key": "by", "Value": "tencent"}])
    ids += [of_alibaba, of_tencent]

    # Each dialect lists all of them in its own words.
    shown = {log["FlowLogId"]: log for log in ec2.describe_flow_logs()["FlowLogs"]}
    assert sorted(shown) == sorted(ids)
    assert (shown[of_alibaba]["LogGroupName"], shown[of_alibaba]["ResourceId"]) == (f"{PROJECT}/{STORE}", net["subnet"])
    assert (shown[of_tencent]["LogGroupName"], shown[of_tencent]["TrafficType"], shown[of_tencent]["ResourceId"]) == (TOPIC, "REJECT", back)
    listed = vpc("DescribeFlowLogs", VpcId=net["vpc"], PageSize=50)
    shown = {log["FlowLogId"]: log for log in listed["FlowLogs"]["FlowLog"]}
    assert (sorted(shown), listed["TotalCount"]) == (sorted(ids), str(len(ids)))
    assert (shown[of_tencent]["TrafficType"], shown[of_tencent]["ResourceType"]) == ("Drop", "NetworkInterface")
    assert (shown[ids[0]]["ProjectName"], shown[ids[0]]["LogStoreName"]) == ("/vpc", "flows")
    shown = {log["FlowLogId"]: log for log in tencent.call("DescribeFlowLogs", VpcId=net["vpc"])["FlowLog"]}
    assert sorted(shown) == sorted(ids)
    assert (shown[of_alibaba]["ResourceType"], shown[of_alibaba]["CloudLogId"]) == ("SUBNET", f"{PROJECT}/{STORE}")
    assert shown[ids[0]]["CloudLogId"] == GROUP

    # Tags of either are read and changed through the tag services of both.
    vpc("TagResources", ResourceType="FlowLog", ResourceIds=[of_tencent], Tags=[{"Key": "seen", "Value": "yes"}])
    found = vpc("ListTagResources", ResourceType="FLOWLOG", ResourceIds=[of_tencent, of_alibaba])["TagResources"]["TagResource"]
    told = {(tag["ResourceId"], tag["TagKey"], tag["TagValue"]) for tag in found}
    assert told == {(of_tencent, "by", "tencent"), (of_tencent, "seen", "yes"), (of_alibaba, "by", "alibaba")}
    vpc("UnTagResources", ResourceType="FlowLog", ResourceIds=[of_tencent], TagKeys=["seen"])
    named = f"qcs::vpc:{cloud.region}::fl/{of_alibaba}"
    assert tencent.call("TagResources", ResourceList=[named], Tags=[{"TagKey": "by", "TagValue": "both"}])["FailedResources"] == []
    where = {"ServiceType": "vpc", "ResourcePrefix": "fl", "ResourceRegion": cloud.region}
    found = tencent.call("DescribeResourceTagsByResourceIds", ResourceIds=[of_alibaba, of_tencent], **where)["Tags"]
    told = {(tag["ResourceId"], tag["TagKey"], tag["TagValue"]) for tag in found}
    assert told == {(of_alibaba, "by", "both"), (of_tencent, "by", "tencent")}

    def tries(port):
        commands = f"nc -w 2 {BACK} 22 < /dev/null | head -c 4; nc -w 1 {BACK} {port} < /dev/null; true"
        return shell(net["public"], net["key"], commands).stdout == "SSH-"

    def dropped(group, port):
        try:
            lines = [line.split() for line in records(logs, group, filterPattern=f'"{BACK}" "{port}" REJECT')]
            # A pattern finds its words anywhere, also in the port that a packet is from.
            return [line for line in lines if str(port) in line]
        except logs.exceptions.ResourceNotFoundException:
            return []

    # Fields in the order that each vendor documents.
    until(lambda: tries(10083) and dropped(f"{PROJECT}/{STORE}", 10083) and dropped(TOPIC, 10083), TOLD, "records of what was dropped")
    (line, *_) = dropped(f"{PROJECT}/{STORE}", 10083)
    version, switch, vm, within, owner, eni, source, sport, to, dport, protocol, direction, packets, size, start, end, status, action = line
    assert (version, switch, vm, within, eni) == ("1", net["subnet"], net["guests"][1], net["vpc"], back)
    assert (source, to, dport, protocol, direction, status, action) == (FRONT, BACK, "10083", "6", "in", "OK", "REJECT")
    assert int(sport) > 1023 and int(packets) > 0 and int(size) >= 40 * int(packets) and int(end) - int(start) in (34, 35)
    (line, *_) = dropped(TOPIC, 10083)
    assert (line[1:7], line[7], line[12:]) == ([owner, back, FRONT, BACK, line[5], "10083"], "6", ["REJECT", "OK"])
    accepted = [line.split() for line in records(logs, f"{PROJECT}/{STORE}", filterPattern=f'"{FRONT}" "{BACK}" ACCEPT')]
    assert {(line[5], line[11]) for line in accepted if line[9] == "22"} == {(front, "out"), (back, "in")}
    assert not [line for line in records(logs, TOPIC) if "ACCEPT" in line], "it tells of what is dropped alone"

    # One that is turned off tells nothing more, while the other goes on.
    tencent.call("DisableFlowLogs", FlowLogIds=[of_tencent])
    assert tencent.call("DescribeFlowLog", VpcId=net["vpc"], FlowLogId=of_tencent)["FlowLog"][0]["Enable"] is False
    assert [log["FlowLogId"] for log in vpc("DescribeFlowLogs", Status="Inactive")["FlowLogs"]["FlowLog"]] == [of_tencent]
    until(lambda: tries(10084) and dropped(f"{PROJECT}/{STORE}", 10084), TOLD, "records of what was dropped")
    assert dropped(TOPIC, 10084) == []
    assert vpc("DeactiveFlowLog", FlowLogId=of_alibaba)["Success"] == "true"
    tencent.call("EnableFlowLogs", FlowLogIds=[of_tencent])
    until(lambda: tries(10085) and dropped(TOPIC, 10085), TOLD, "records of what was dropped")
    assert dropped(f"{PROJECT}/{STORE}", 10085) == []
    vpc("ActiveFlowLog", FlowLogId=of_alibaba)
    assert vpc("DescribeFlowLogs", Status="Inactive")["FlowLogs"]["FlowLog"] == []

    vpc("ModifyFlowLogAttribute", FlowLogId=of_tencent, FlowLogName="renamed", AggregationInterval=5)
    tencent.call("ModifyFlowLogAttribute", VpcId=net["vpc"], FlowLogId=of_alibaba, FlowLogName="renamed too")
    names = {log["FlowLogId"]: log["FlowLogName"] for log in tencent.call("DescribeFlowLogs", VpcId=net["vpc"])["FlowLog"]}
    assert (names[of_tencent], names[of_alibaba]) == ("renamed", "renamed too")
    tencent.call("DeleteFlowLog", VpcId=net["vpc"], FlowLogId=of_alibaba)
    assert vpc("DeleteFlowLog", FlowLogId=of_tencent)["Success"] == "true"
    for refused in [
        lambda: vpc("DeleteFlowLog", FlowLogId=of_alibaba),
        lambda: vpc("CreateFlowLog", ResourceType="VPC", ResourceId=net["subnet"], TrafficType="All", ProjectName=PROJECT, LogStoreName=STORE),
    ]:
        with pytest.raises(test_ecs.Refused) as error:
            refused()
        assert error.value.code in ("InvalidFlowLogId.NotFound", "InvalidVpcId.NotFound")
    for group in (f"{PROJECT}/{STORE}", TOPIC):
        logs.delete_log_group(logGroupName=group)


def test_others_see_nothing_and_what_is_deleted_is_gone(cloud, ec2, logs, net):
    key, secret, _ = cloud.account("curious")
    stranger = cloud.client("logs", key=key, secret=secret)
    assert stranger.describe_log_groups()["logGroups"] == []
    with pytest.raises(stranger.exceptions.ResourceNotFoundException):
        stranger.filter_log_events(logGroupName=GROUP)
    ids = [log["FlowLogId"] for log in ec2.describe_flow_logs()["FlowLogs"]]
    assert ec2.delete_flow_logs(FlowLogIds=ids)["Unsuccessful"] == []
    assert ec2.describe_flow_logs()["FlowLogs"] == []
    logs.delete_log_group(logGroupName=GROUP)
    with pytest.raises(logs.exceptions.ResourceNotFoundException):
        logs.filter_log_events(logGroupName=GROUP)
