"""Fleets through EC2's SDK and auto provisioning groups through Alibaba Cloud's: simulated hosts, and real guests that are replaced."""

import datetime
import uuid

import pytest
from botocore.exceptions import ClientError

import strict_ec2
from test_ecs import Tenant as Alibaba

SOON = {"Delay": 1, "MaxAttempts": 60}
ABSENT = "fleet-00000000000000001"
ON_DEMAND = "on-demand"
NANO = "ecs.t5-lc2m1.nano"


def target(total, **more):
    return {"TotalTargetCapacity": total, "DefaultTargetCapacityType": ON_DEMAND, **more}


class Tenant:
    def __init__(self, cloud):
        self.cloud = cloud
        self.key, self.secret, self.account = cloud.account("fl")
        self.problems = []
        self.ec2 = cloud.client(key=self.key, secret=self.secret)
        strict_ec2.watch(self.ec2, self.problems)
        data = {"ImageId": cloud.image(), "InstanceType": "t3.nano", "TagSpecifications": [{"ResourceType": "instance", "Tags": [{"Key": "of", "Value": "fleet"}]}]}
        self.template = self.ec2.create_launch_template(LaunchTemplateName="fleet", LaunchTemplateData=data)["LaunchTemplate"]["LaunchTemplateId"]

    def config(self, *overrides):
        specification = {"LaunchTemplateId": self.template, "Version": "$Latest"}
        return [{"LaunchTemplateSpecification": specification, "Overrides": list(overrides)}]

    def make(self, type, total, *overrides, **more):
        asked = {"Type": type, "TargetCapacitySpecification": target(total), "LaunchTemplateConfigs": self.config(*overrides), **more}
        return self.ec2.create_fleet(**asked)

    def fleet(self, id):
        return self.ec2.describe_fleets(FleetIds=[id])["Fleets"][0]

    def instances(self, id):
        return [i["InstanceId"] for i in self.ec2.describe_fleet_instances(FleetId=id)["ActiveInstances"]]

    def history(self, id, type=None):
        asked = {"EventType": type} if type else {}
        start = datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone.utc)
        return self.ec2.describe_fleet_history(FleetId=id, StartTime=start, **asked)["HistoryRecords"]

    def states(self, ids):
        found = self.ec2.describe_instances(InstanceIds=ids)["Reservations"]
        return {i["InstanceId"]: i["State"]["Name"] for r in found for i in r["Instances"]}

    def clean(self):
        fleets = [f["FleetId"] for f in self.ec2.describe_fleets()["Fleets"] if f["FleetState"] in ("submitted", "active", "deleted_running")]
        if fleets:
            self.ec2.delete_fleets(FleetIds=fleets, TerminateInstances=True)
        states = [{"Name": "instance-state-name", "Values": ["pending", "running", "stopping", "stopped"]}]
        ids = [i["InstanceId"] for r in self.ec2.describe_instances(Filters=states)["Reservations"] for i in r["Instances"]]
        if ids:
            self.ec2.terminate_instances(InstanceIds=ids)
            self.ec2.get_waiter("instance_terminated").wait(InstanceIds=ids, WaiterConfig=SOON)
        assert self.problems == []


@pytest.fixture(scope="module")
def tenant(simulated):
    tenant = Tenant(simulated)
    yield tenant
    tenant.clean()


@pytest.fixture
def real(cloud):
    tenant = Tenant(cloud)
    yield tenant
    tenant.clean()


def code(call, **named):
    with pytest.raises(ClientError) as refused:
        call(**named)
    return refused.value.response["Error"]["Code"]


def found_by(tenant, name, value):
    return {f["FleetId"] for f in tenant.ec2.describe_fleets(Filters=[{"Name": name, "Values": [value]}])["Fleets"]}


def test_an_instant_fleet_answers_with_what_there_is_and_why_not_more(tenant):
    # The first type takes the whole memory of a host, of which the zone has fifty.
    overrides = [
        {"InstanceType": "r7i.16xlarge", "Priority": 1.0, "AvailabilityZone": "local-1a"},
        {"InstanceType": "t3.micro", "Priority": 2.0, "WeightedCapacity": 2.0, "AvailabilityZone": "local-1b"},
    ]
    made = tenant.make("instant", 56, *overrides, OnDemandOptions={"AllocationStrategy": "prioritized"})
    [error] = made["Errors"]
    assert error["ErrorCode"] == "InsufficientInstanceCapacity"
    assert error["LaunchTemplateAndOverrides"]["Overrides"]["InstanceType"] == "r7i.16xlarge"
    large, small = made["Instances"]
    assert (large["InstanceType"], small["InstanceType"], small["Lifecycle"]) == ("r7i.16xlarge", "t3.micro", ON_DEMAND)
    assert len(large["InstanceIds"]) <= 50 and len(small["InstanceIds"]) == -(-(56 - len(large["InstanceIds"])) // 2)
    found = tenant.ec2.describe_instances(InstanceIds=small["InstanceIds"])["Reservations"]
    placed = {(i["Placement"]["AvailabilityZone"], tag["Value"]) for r in found for i in r["Instances"] for tag in i["Tags"] if tag["Key"] == "of"}
    assert placed == {("local-1b", "fleet")}
    fleet = tenant.fleet(made["FleetId"])
    assert (fleet["FulfilledCapacity"] in (56.0, 57.0), fleet["Type"], fleet["FleetState"]) == (True, "instant", "active")
    assert made["FleetId"] not in [f["FleetId"] for f in tenant.ec2.describe_fleets()["Fleets"]], "only where it is named"
    deleted = tenant.ec2.delete_fleets(FleetIds=[made["FleetId"], ABSENT], TerminateInstances=True)
    assert [f["FleetId"] for f in deleted["SuccessfulFleetDeletions"]] == [made["FleetId"]]
    assert [f["Error"]["Code"] for f in deleted["UnsuccessfulFleetDeletions"]] == ["fleetIdDoesNotExist"]


def test_the_same_token_makes_one_fleet_and_a_dry_run_none(tenant):
    token = str(uuid.uuid4())
    twice = [tenant.make("instant", 2, ClientToken=token) for _ in range(2)]
    assert twice[0]["FleetId"] == twice[1]["FleetId"] and twice[0]["Instances"] == twice[1]["Instances"]
    assert len(tenant.instances(twice[0]["FleetId"])) == 2
    assert code(tenant.make, type="instant", total=1, DryRun=True) == "DryRunOperation"
    spot = {"TotalTargetCapacity": 1, "DefaultTargetCapacityType": "spot"}
    assert code(tenant.ec2.create_fleet, TargetCapacitySpecification=spot, LaunchTemplateConfigs=tenant.config()) == "UnsupportedOperation"


def test_what_takes_least_of_a_host_comes_first_and_one_zone_is_kept(tenant):
    overrides = [{"InstanceType": "t3.small"}, {"InstanceType": "t3.nano"}]
    alone = {"SingleInstanceType": True, "SingleAvailabilityZone": True, "MinTargetCapacity": 3}
    made = tenant.make("instant", 3, *overrides, OnDemandOptions={"AllocationStrategy": "lowest-price", **alone})
    [launched] = made["Instances"]
    assert launched["InstanceType"] == "t3.nano"
    found = tenant.ec2.describe_instances(InstanceIds=launched["InstanceIds"])["Reservations"]
    assert len({i["Placement"]["AvailabilityZone"] for r in found for i in r["Instances"]}) == 1


def test_a_request_is_filled_once_and_a_maintained_fleet_again_and_again(tenant, until):
    once, kept = (tenant.make(type, 3)["FleetId"] for type in ("request", "maintain"))
    for id in (once, kept):
        until(lambda id=id: tenant.fleet(id)["ActivityStatus"] == "fulfilled", what=f"{id} has its target")
    assert found_by(tenant, "activity-status", "fulfilled") >= {once, kept}
    gone = [tenant.instances(id)[0] for id in (once, kept)]
    tenant.ec2.terminate_instances(InstanceIds=gone)
    until(lambda: len(tenant.instances(kept)) == 3 and gone[1] not in tenant.instances(kept), what="the third is replaced")
    until(lambda: len(tenant.instances(once)) == 2, what="the other is not")
    changes = [(r["EventInformation"]["EventSubType"], r["EventInformation"]["InstanceId"]) for r in tenant.history(kept, "instance-change")]
    assert changes.count(("terminated", gone[1])) == 1 and len([1 for kind, _ in changes if kind == "launched"]) == 4
    assert tenant.history(kept, "fleet-change")[0]["EventInformation"]["EventSubType"] == "submitted"
    tenant.ec2.modify_fleet(FleetId=kept, TargetCapacitySpecification=target(5))
    until(lambda: len(tenant.instances(kept)) == 5, what="it grows")
    tenant.ec2.modify_fleet(FleetId=kept, TargetCapacitySpecification=target(1), ExcessCapacityTerminationPolicy="termination")
    until(lambda: len(tenant.instances(kept)) == 1, what="it shrinks")
    assert code(tenant.ec2.modify_fleet, FleetId=once, TargetCapacitySpecification=target(5)) == "UnsupportedOperation"
    [last] = tenant.instances(kept)
    tenant.ec2.delete_fleets(FleetIds=[kept], TerminateInstances=False)
    until(lambda: tenant.fleet(kept)["FleetState"] == "deleted_running", what="its instance stays")
    assert found_by(tenant, "fleet-state", "deleted-running") == {kept} and not found_by(tenant, "activity-status", "pending-termination")
    tenant.ec2.terminate_instances(InstanceIds=[last])
    until(lambda: tenant.fleet(kept)["FleetState"] == "deleted", what="nothing is left of it")


def test_a_fleet_ends_with_its_instances_when_it_was_said(tenant, until):
    soon = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=8)
    id = tenant.make("maintain", 2, ValidUntil=soon, TerminateInstancesWithExpiration=True)["FleetId"]
    until(lambda: len(tenant.instances(id)) == 2, what="it has its target")
    ids = tenant.instances(id)
    until(lambda: tenant.fleet(id)["FleetState"] == "deleted", what="its end came")
    until(lambda: set(tenant.states(ids).values()) == {"terminated"}, what="its instances went with it")


def test_real_guests_of_a_fleet_are_replaced(real, until):
    id = real.make("maintain", 2)["FleetId"]
    until(lambda: len(real.instances(id)) == 2, what="it has its target")
    before = real.instances(id)
    real.ec2.get_waiter("instance_running").wait(InstanceIds=before, WaiterConfig=SOON)
    real.ec2.terminate_instances(InstanceIds=before[:1])
    until(lambda: len(real.instances(id)) == 2 and before[0] not in real.instances(id), what="a guest is replaced")
    real.ec2.get_waiter("instance_running").wait(InstanceIds=real.instances(id), WaiterConfig=SOON)
    health = {i["InstanceHealth"] for i in real.ec2.describe_fleet_instances(FleetId=id)["ActiveInstances"]}
    assert health == {"healthy"}
    ids = real.instances(id)
    real.ec2.delete_fleets(FleetIds=[id], TerminateInstances=True)
    real.ec2.get_waiter("instance_terminated").wait(InstanceIds=ids, WaiterConfig=SOON)


# Alibaba Cloud


@pytest.fixture(scope="module")
def alibaba(simulated):
    tenant = Alibaba(simulated, f"apg-{uuid.uuid4().hex[:8]}")
    image = tenant.image()
    tenant.template = tenant.call("CreateLaunchTemplate", LaunchTemplateName="web", ImageId=image, InstanceType=NANO)["LaunchTemplateId"]
    return tenant


def group(alibaba, id):
    (found,) = alibaba.call("DescribeAutoProvisioningGroups", AutoProvisioningGroupId__1=id)["AutoProvisioningGroups"]["AutoProvisioningGroup"]
    return found


def of_group(alibaba, id):
    found = alibaba.call("DescribeAutoProvisioningGroupInstances", AutoProvisioningGroupId=id, PageSize=100)
    return [instance["InstanceId"] for instance in found["Instances"]["Instance"]]


def test_an_auto_provisioning_group_is_filled_at_once_or_kept(alibaba, until):
    asked = {"LaunchTemplateId": alibaba.template, "DefaultTargetCapacityType": "PayAsYouGo"}
    pools = {
        "LaunchTemplateConfig__1__InstanceType": "ecs.g7.none",
        "LaunchTemplateConfig__1__Priority": 0,
        "LaunchTemplateConfig__2__InstanceType": NANO,
        "LaunchTemplateConfig__2__Priority": 1,
        "LaunchTemplateConfig__2__WeightedCapacity": 2.0,
        "PayAsYouGoAllocationStrategy": "prioritized",
    }
    target = {"TotalTargetCapacity": "4", "PayAsYouGoTargetCapacity": "4"}
    made = alibaba.call("CreateAutoProvisioningGroup", AutoProvisioningGroupType="instant", **target, **pools, **asked)
    results = made["LaunchResults"]["LaunchResult"]
    assert [r["Amount"] for r in results if not r["ErrorCode"]] == [2]
    assert [r["ErrorCode"] for r in results if r["ErrorCode"]] == ["InvalidInstanceType.ValueNotSupported"]
    instant = made["AutoProvisioningGroupId"]
    assert group(alibaba, instant)["CapacitySpecification"]["TotalCapacity"] == 4.0
    kept = alibaba.call("CreateAutoProvisioningGroup", TotalTargetCapacity="3", AutoProvisioningGroupName="kept", **asked)["AutoProvisioningGroupId"]
    until(lambda: group(alibaba, kept)["State"] == "fulfilled", what="it has its target")
    gone = of_group(alibaba, kept)[0]
    alibaba.call("DeleteInstance", InstanceId=gone, Force="true")
    until(lambda: gone not in of_group(alibaba, kept) and len(of_group(alibaba, kept)) == 3, what="one is replaced")
    history = alibaba.call("DescribeAutoProvisioningGroupHistory", AutoProvisioningGroupId=kept, PageSize=100)
    histories = history["AutoProvisioningGroupHistories"]["AutoProvisioningGroupHistory"]
    details = [d["Detail"] for h in histories for d in h["ActivityDetails"]["ActivityDetail"]]
    assert sum(detail.startswith("Created") for detail in details) == 4 and f"Released {gone}: terminated." in details
    shrink = {"TotalTargetCapacity": "1", "ExcessCapacityTerminationPolicy": "termination"}
    alibaba.call("ModifyAutoProvisioningGroup", AutoProvisioningGroupId=kept, **shrink)
    until(lambda: len(of_group(alibaba, kept)) == 1, what="it shrinks")
    assert alibaba.refused("CreateAutoProvisioningGroup", TotalTargetCapacity="3", SpotTargetCapacity="3", **asked) == "UnsupportedParameter"
    for id in (kept, instant):
        alibaba.call("DeleteAutoProvisioningGroup", AutoProvisioningGroupId=id, TerminateInstances="true")
        until(lambda id=id: group(alibaba, id)["Status"] == "deleted", what="nothing is left of it")
