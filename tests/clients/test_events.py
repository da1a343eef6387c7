"""Maintenance that the operator plans and tenants see, move, agree to and rehearse: on a real guest, through the SDKs of three clouds."""

import datetime
import json
import subprocess

import pytest

from conftest import PILEUS, private_key, ssh_group, wait_until
from test_cvm import Tenant as Tencent
from test_ecs import Tenant as Alibaba
from test_volumes import SOON, ZONE, Guest, refused


@pytest.fixture(scope="module")
def key(ec2, tmp_path_factory):
    path = private_key(ec2, "events", tmp_path_factory.mktemp("keys"))
    yield path
    ec2.delete_key_pair(KeyName="events")


@pytest.fixture(scope="module")
def guest(cloud, ec2, key, shell):
    group = ssh_group(ec2, "events")
    launch = dict(ImageId=cloud.image(), InstanceType="t2.nano", MinCount=1, MaxCount=1, KeyName="events", SecurityGroupIds=[group])
    ids = [ec2.run_instances(**launch, Placement={"AvailabilityZone": ZONE})["Instances"][0]["InstanceId"]]
    try:
        ec2.get_waiter("instance_running").wait(InstanceIds=ids, WaiterConfig=SOON)
        yield Guest(ec2, key, shell, ids[0])
    finally:
        ec2.terminate_instances(InstanceIds=ids)
        ec2.get_waiter("instance_terminated").wait(InstanceIds=ids, WaiterConfig=SOON)
        ec2.delete_security_group(GroupId=group)


def in_seconds(seconds):
    return datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0) + datetime.timedelta(seconds=seconds)


def written(moment):
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def operator(cloud, *arguments):
    """What `pileus event` prints, a list of words a line."""
    done = subprocess.run([PILEUS, "event", "--state", cloud.folder, *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return [line.split() for line in done.stdout.splitlines()]


def plan(cloud, guest, code, at, *more):
    """Plans an event; its digits, which are the same in every cloud's id."""
    printed = operator(cloud, "plan", "--instance", guest.id, "--code", code, "--not-before", written(at), *more)
    return printed[1][0].removeprefix("e-")


def boot(guest):
    return guest.run("cat /proc/sys/kernel/random/boot_id")


def events(ec2, guest, **more):
    statuses = ec2.describe_instance_status(IncludeAllInstances=True, **more)["InstanceStatuses"]
    return [event for status in statuses if status["InstanceId"] == guest.id for event in status.get("Events", [])]


def scheduled(guest):
    return json.loads(guest.run("wget -qO- http://169.254.169.254/latest/meta-data/events/maintenance/scheduled"))


def test_a_planned_restart_is_told_moved_and_comes_at_its_time(cloud, ec2, guest):
    before, at = boot(guest), in_seconds(3600)
    assert scheduled(guest) == []
    digits = plan(cloud, guest, "instance-reboot", at, "--deadline", written(in_seconds(7200)), "--reason", "new memory")
    (event,) = events(ec2, guest)
    assert (event["InstanceEventId"], event["Code"]) == (f"instance-event-{digits}", "instance-reboot")
    assert (event["Description"], event["NotBefore"]) == ("new memory", at)
    told = wait_until(lambda: scheduled(guest), 20, "the event in the metadata")
    assert (told[0]["EventId"], told[0]["NotBefore"]) == (event["InstanceEventId"], f"{at.day} {at:%b %Y %H:%M:%S} GMT")
    assert events(ec2, guest, Filters=[{"Name": "event.code", "Values": ["instance-stop"]}]) == []
    which = dict(InstanceId=guest.id, InstanceEventId=event["InstanceEventId"])
    assert refused(ec2.modify_instance_event_start_time, **which, NotBefore=in_seconds(7300)) == "InvalidParameterValue"
    soon = in_seconds(5)
    moved = ec2.modify_instance_event_start_time(**which, NotBefore=soon)["Event"]
    assert moved["NotBefore"] == soon
    wait_until(lambda: boot(guest) != before, 180, "the restart")
    assert datetime.datetime.now(datetime.timezone.utc) >= soon
    wait_until(lambda: events(ec2, guest)[0]["Description"] == "[Completed] new memory", 60, "the end of the event")
    assert wait_until(lambda: scheduled(guest) == [], 20, "no event in the metadata")
    assert [row[3] for row in operator(cloud, "list")[1:]] == ["executed"]


def test_a_restart_that_is_given_leave_comes_at_once(cloud, ec2, guest):
    tencent = Tencent(cloud, "", cloud.access_key, cloud.secret_key)
    before = boot(guest)
    digits = plan(cloud, guest, "instance-reboot", in_seconds(24 * 3600))
    (task,) = tencent.call("DescribeTaskInfo", TaskStatus=[1])["RepairTaskInfoSet"]
    assert (task["TaskId"], task["AuthSource"]) == (f"rep-{digits}", "Waiting_auth")
    leave = dict(Product="CVM", InstanceIds=[task["InstanceId"]], TaskId=task["TaskId"], Operate="AuthorizeRepair")
    assert tencent.call("RepairTaskControl", **leave)["TaskId"] == task["TaskId"]
    wait_until(lambda: boot(guest) != before, 180, "the restart")

    def over():
        (task,) = tencent.call("DescribeTaskInfo", TaskIds=[f"rep-{digits}"])["RepairTaskInfoSet"]
        return task["TaskStatus"] == 3 and task

    assert wait_until(over, 60, "the end of the task")["AuthSource"] == "Customer_auth"


def test_rehearsed_events_take_their_states_and_leave_the_guest_alone(cloud, ec2, guest):
    alibaba = Alibaba(cloud, "", cloud.access_key, cloud.secret_key)
    before, region = boot(guest), dict(RegionId=cloud.region)
    asked = {"InstanceId.1": guest.id, "EventType": "SystemMaintenance.Reboot", "NotBefore": written(in_seconds(3600))}
    (id,) = alibaba.call("CreateSimulatedSystemEvents", **region, **asked)["EventIdSet"]["EventId"]
    full = alibaba.call("DescribeInstancesFullStatus", **region, **{"InstanceId.1": guest.id})
    (status,) = full["InstanceFullStatusSet"]["InstanceFullStatusType"]
    (event,) = status["ScheduledSystemEventSet"]["ScheduledSystemEventType"]
    assert (event["EventId"], event["EventType"]["Name"], event["EventCycleStatus"]["Name"]) == (id, asked["EventType"], "Scheduled")
    assert not [event for event in events(ec2, guest) if event["InstanceEventId"].endswith(id[2:])], "it is not a real one"
    soon = written(in_seconds(3))
    alibaba.call("ModifySystemEventAttribute", **region, EventId=id, InstanceId=guest.id, NotBefore=soon)

    def named(state):
        wanted = {"EventId.1": id, "InstanceEventCycleStatus.1": state}
        return alibaba.call("DescribeInstanceHistoryEvents", **region, **wanted)["InstanceSystemEventSet"]["InstanceSystemEventType"]

    assert wait_until(lambda: named("Executing"), 30, "the event to be under way")[0]["NotBefore"] == soon
    alibaba.call("CancelSimulatedSystemEvents", **region, **{"EventId.1": id})
    assert named("Canceled")[0]["EventFinishTime"]
    assert boot(guest) == before
    assert alibaba.refused("AcceptInquiredSystemEvent", **region, EventId=id) == "InvalidOperation.EventStatus"


def test_a_planned_stop_stops_and_one_that_is_called_off_does_not(cloud, ec2, guest):
    digits = plan(cloud, guest, "instance-stop", in_seconds(3600))
    operator(cloud, "cancel", f"e-{digits}")
    assert [event["Description"] for event in events(ec2, guest) if event["InstanceEventId"].endswith(digits)] == ["[Canceled] scheduled maintenance"]
    plan(cloud, guest, "instance-stop", in_seconds(3))
    ec2.get_waiter("instance_stopped").wait(InstanceIds=[guest.id], WaiterConfig=SOON)
    instance = ec2.describe_instances(InstanceIds=[guest.id])["Reservations"][0]["Instances"][0]
    assert instance["StateReason"]["Code"] == "Server.ScheduledStop"
    ec2.start_instances(InstanceIds=[guest.id])
    ec2.get_waiter("instance_running").wait(InstanceIds=[guest.id], WaiterConfig=SOON)
