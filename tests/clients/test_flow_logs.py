"""Flow logs: what real guests send is told as it was, what is dropped is told with the reason, and it is read with the vendor's client."""

import time

import pytest

from test_vpcs import SOON, make_public, public_ip, remove_instances, remove_vpc

RANGE, SUBNET = "10.40.0.0/16", "10.40.1.0/24"
FRONT, BACK = "10.40.1.10", "10.40.1.20"
GROUP = "/vpc/flows"
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
        asked = dict(ImageId=cloud.image(), InstanceType="t3.nano", MinCount=1, MaxCount=1, KeyName="flows", NetworkInterfaces=[nic])
        return ec2.run_instances(**asked)["Instances"][0]

    try:
        guests = launch(FRONT, True), launch(BACK, False)
        ids = [guest["InstanceId"] for guest in guests]
        ec2.get_waiter("instance_running").wait(InstanceIds=ids, WaiterConfig=SOON)
        nics = [guest["NetworkInterfaces"][0]["NetworkInterfaceId"] for guest in guests]
        yield {"vpc": vpc, "key": path, "public": public_ip(ec2, ids[0]), "nics": nics}
    finally:
        remove_instances(ec2, vpc)
        ec2.delete_security_group(GroupId=group)
        remove_vpc(ec2, vpc)


def records(logs, **asked):
    """Messages of the log group, page by page."""
    pages = logs.get_paginator("filter_log_events").paginate(logGroupName=GROUP, **asked)
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
