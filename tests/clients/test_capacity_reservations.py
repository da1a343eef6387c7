"""Capacity reservations through EC2's SDK: who gets reserved room on simulated hosts, and a guest that runs in it."""

import concurrent.futures
import datetime
import uuid

import pytest
from botocore.exceptions import ClientError

import strict_ec2
from test_ecs import Tenant as Alibaba

ZONE = "local-1a"
# A simulated host has 512 GiB of memory: one instance takes it all.
WHOLE_HOST = "r7i.16xlarge"
ABSENT = "cr-00000000000000001"
SOON = {"Delay": 1, "MaxAttempts": 60}
TARGET = "CapacityReservationTarget"
NANO = "ecs.t5-lc2m1.nano"


class Tenant:
    def __init__(self, cloud):
        self.cloud = cloud
        key, secret, self.account = cloud.account("cr")
        self.problems = []
        self.ec2 = cloud.client(key=key, secret=secret)
        strict_ec2.watch(self.ec2, self.problems)

    def reserve(self, type, count, **more):
        asked = {"InstanceType": type, "InstancePlatform": "Linux/UNIX", "AvailabilityZone": ZONE, "InstanceCount": count, **more}
        return self.ec2.create_capacity_reservation(**asked)["CapacityReservation"]

    def run(self, type, least=1, most=1, **capacity):
        asked = {"CapacityReservationSpecification": capacity} if capacity else {}
        wanted = {"ImageId": self.cloud.image(), "InstanceType": type, "Placement": {"AvailabilityZone": ZONE}, **asked}
        return [i["InstanceId"] for i in self.ec2.run_instances(MinCount=least, MaxCount=most, **wanted)["Instances"]]

    def instance(self, id):
        return self.ec2.describe_instances(InstanceIds=[id])["Reservations"][0]["Instances"][0]

    def left(self, id):
        usage = self.ec2.get_capacity_reservation_usage(CapacityReservationId=id)
        used = sum(of["UsedInstanceCount"] for of in usage["InstanceUsages"])
        assert used + usage["AvailableInstanceCount"] in (usage["TotalInstanceCount"], 0)
        return usage["AvailableInstanceCount"]

    def clean(self):
        for reservation in self.ec2.describe_capacity_reservations()["CapacityReservations"]:
            if reservation["State"] == "active":
                self.ec2.cancel_capacity_reservation(CapacityReservationId=reservation["CapacityReservationId"])
        states = [{"Name": "instance-state-name", "Values": ["pending", "running", "stopping", "stopped"]}]
        ids = [i["InstanceId"] for r in self.ec2.describe_instances(Filters=states)["Reservations"] for i in r["Instances"]]
        if ids:
            self.ec2.terminate_instances(InstanceIds=ids)
            self.ec2.get_waiter("instance_terminated").wait(InstanceIds=ids, WaiterConfig=SOON)
        assert self.problems == []


def refusal(call, *arguments, **named):
    with pytest.raises(ClientError) as refused:
        call(*arguments, **named)
    return refused.value.response["Error"]


@pytest.fixture
def tenant(simulated):
    tenant = Tenant(simulated)
    yield tenant
    tenant.clean()


@pytest.fixture
def real(cloud):
    tenant = Tenant(cloud)
    yield tenant
    tenant.clean()


def test_what_one_reserves_nobody_else_gets_whoever_asks_at_the_same_time(tenant, simulated):
    other = Tenant(simulated)
    # Whatever others left free of whole hosts in the zone is reserved, one by one.
    mine = []
    while True:
        try:
            mine.append(tenant.reserve(WHOLE_HOST, 1, InstanceMatchCriteria="targeted")["CapacityReservationId"])
        except ClientError as full:
            assert full.response["Error"]["Code"] == "InsufficientInstanceCapacity"
            break
    assert mine
    refused = refusal(other.run, WHOLE_HOST)
    assert refused["Code"] == "InsufficientInstanceCapacity" and "of 100 hosts" in refused["Message"]
    refused = refusal(tenant.run, WHOLE_HOST)
    assert f"not for it: {len(mine)}" in refused["Message"], "its owner is told why"

    def launch(_):
        try:
            return tenant.run(WHOLE_HOST, **{TARGET: {"CapacityReservationId": mine[0]}})[0]
        except ClientError as full:
            return full.response["Error"]["Code"]

    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(launch, range(6)))
    made = [answer for answer in answers if answer.startswith("i-")]
    assert len(made) == 1 and set(answers) - set(made) == {"ReservationCapacityExceeded"}
    assert tenant.instance(made[0])["CapacityReservationId"] == mine[0]
    assert tenant.left(mine[0]) == 0
    stolen = refusal(other.run, WHOLE_HOST, **{TARGET: {"CapacityReservationId": mine[-1]}})
    assert stolen["Code"] == "InvalidCapacityReservationId.NotFound"
    tenant.ec2.cancel_capacity_reservation(CapacityReservationId=mine.pop())
    ids = other.run(WHOLE_HOST)
    other.ec2.terminate_instances(InstanceIds=ids)
    other.clean()


def test_a_reservation_is_changed_listed_and_ends(tenant):
    tomorrow = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0) + datetime.timedelta(days=1)
    tags = [{"ResourceType": "capacity-reservation", "Tags": [{"Key": "for", "Value": "tests"}]}]
    made = tenant.reserve("t3.nano", 2, EndDateType="limited", EndDate=tomorrow, TagSpecifications=tags)
    assert (made["State"], made["EndDate"], made["AvailableInstanceCount"]) == ("active", tomorrow, 2)
    id = made["CapacityReservationId"]
    tenant.ec2.create_tags(Resources=[id], Tags=[{"Key": "more", "Value": "yes"}])
    found = tenant.ec2.describe_capacity_reservations(Filters=[{"Name": "tag:more", "Values": ["yes"]}])["CapacityReservations"]
    assert [(r["CapacityReservationId"], len(r["Tags"])) for r in found] == [(id, 2)]
    open_one = tenant.run("t3.nano")[0]
    assert tenant.instance(open_one)["CapacityReservationId"] == id, "it is open"
    tenant.ec2.modify_capacity_reservation(CapacityReservationId=id, InstanceCount=4, EndDateType="unlimited")
    after = tenant.ec2.describe_capacity_reservations(CapacityReservationIds=[id])["CapacityReservations"][0]
    assert (after["TotalInstanceCount"], after["AvailableInstanceCount"], after["EndDateType"]) == (4, 3, "unlimited")
    tenant.ec2.cancel_capacity_reservation(CapacityReservationId=id)
    gone = tenant.instance(open_one)
    assert "CapacityReservationId" not in gone and gone["State"]["Name"] in ("pending", "running"), "it runs on without"
    again = refusal(tenant.ec2.cancel_capacity_reservation, CapacityReservationId=id)
    assert again["Code"] == "InvalidCapacityReservationState"
    absent = refusal(tenant.ec2.describe_capacity_reservations, CapacityReservationIds=[ABSENT])
    assert absent["Code"] == "InvalidCapacityReservationId.NotFound"


def test_a_launch_template_says_which_reservation(tenant):
    id = tenant.reserve("t3.nano", 1, InstanceMatchCriteria="targeted")["CapacityReservationId"]
    data = {"ImageId": tenant.cloud.image(), "InstanceType": "t3.nano", "CapacityReservationSpecification": {TARGET: {"CapacityReservationId": id}}}
    template = tenant.ec2.create_launch_template(LaunchTemplateName="in-reservation", LaunchTemplateData=data)["LaunchTemplate"]
    launch = {"LaunchTemplate": {"LaunchTemplateId": template["LaunchTemplateId"]}, "MinCount": 1, "MaxCount": 1}
    made = tenant.ec2.run_instances(**launch)["Instances"][0]
    assert made["CapacityReservationId"] == id and made["Placement"]["AvailabilityZone"] == ZONE, "its zone is meant"
    assert refusal(tenant.ec2.run_instances, **launch)["Code"] == "ReservationCapacityExceeded"
    outside = {"CapacityReservationSpecification": {"CapacityReservationPreference": "none"}}
    assert "CapacityReservationId" not in tenant.ec2.run_instances(**launch, **outside)["Instances"][0]


def test_a_guest_runs_in_reserved_room_and_gives_it_back(real):
    id = real.reserve("t3.nano", 1, InstanceMatchCriteria="targeted")["CapacityReservationId"]
    guest = real.run("t3.nano", **{TARGET: {"CapacityReservationId": id}})[0]
    real.ec2.get_waiter("instance_running").wait(InstanceIds=[guest], WaiterConfig=SOON)
    assert real.left(id) == 0
    real.ec2.stop_instances(InstanceIds=[guest], Force=True)
    real.ec2.get_waiter("instance_stopped").wait(InstanceIds=[guest], WaiterConfig=SOON)
    assert real.left(id) == 1
    real.ec2.start_instances(InstanceIds=[guest])
    real.ec2.get_waiter("instance_running").wait(InstanceIds=[guest], WaiterConfig=SOON)
    assert real.left(id) == 0
    real.ec2.stop_instances(InstanceIds=[guest], Force=True)
    real.ec2.get_waiter("instance_stopped").wait(InstanceIds=[guest], WaiterConfig=SOON)
    leave = {"CapacityReservationSpecification": {"CapacityReservationPreference": "none"}}
    real.ec2.modify_instance_capacity_reservation_attributes(InstanceId=guest, **leave)
    real.ec2.start_instances(InstanceIds=[guest])
    real.ec2.get_waiter("instance_running").wait(InstanceIds=[guest], WaiterConfig=SOON)
    assert real.left(id) == 1, "it runs outside now"


def test_a_private_pool_of_alibaba_cloud_is_the_same_reservation(simulated):
    alibaba = Alibaba(simulated, f"pool-{uuid.uuid4().hex[:8]}")
    pool = {"PrivatePoolOptions__Name": "pool", "PrivatePoolOptions__MatchCriteria": "Target"}
    asked = {"InstanceType": NANO, "ZoneId__1": ZONE, "InstanceAmount": 2, **pool}
    id = alibaba.call("CreateCapacityReservation", **asked)["PrivatePoolOptionsId"]

    def resource():
        (found,) = alibaba.call("DescribeCapacityReservations")["CapacityReservationSet"]["CapacityReservationItem"]
        (one,) = found["AllocatedResources"]["AllocatedResource"]
        return one["TotalAmount"], one["UsedAmount"], one["AvailableAmount"]

    instances = alibaba.run(ZoneId=ZONE, PrivatePoolOptions__Id=id, PrivatePoolOptions__MatchCriteria="Target")
    assert resource() == (2, 1, 1)
    refused = {"RegionId": simulated.region, "ImageId": alibaba.image(), "InstanceType": NANO, "Amount": 2, "PrivatePoolOptions__Id": id}
    assert alibaba.refused("RunInstances", **refused) == "OperationDenied.NoStock"
    alibaba.call("ModifyCapacityReservation", PrivatePoolOptions__Id=id, InstanceAmount=3)
    assert resource() == (3, 1, 2)
    ec2 = simulated.client(key=alibaba.key, secret=alibaba.secret)
    (seen,) = ec2.describe_capacity_reservations()["CapacityReservations"]
    assert (seen["CapacityReservationId"], seen["AvailableInstanceCount"], seen["InstanceMatchCriteria"]) == (id, 2, "targeted")
    alibaba.call("ReleaseCapacityReservation", PrivatePoolOptions__Id=id)
    assert alibaba.call("DescribeCapacityReservations")["CapacityReservationSet"]["CapacityReservationItem"] == []
    alibaba.call("DeleteInstance", InstanceId=instances[0], Force="true")
