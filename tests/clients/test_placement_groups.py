"""Placement groups through the SDKs of three clouds, on simulated hosts: each zone has five racks of ten."""

import concurrent.futures
import json
import uuid

import pytest
from botocore.exceptions import ClientError

from test_launch_templates import SOON, Clouds

ZONE = "local-1a"
RACKS = 5
TYPE = "t3.nano"


@pytest.fixture(scope="module")
def clouds(simulated):
    clouds = Clouds(simulated, f"pg-{uuid.uuid4().hex[:8]}")
    yield clouds
    left = [i["InstanceId"] for r in clouds.ec2.describe_instances()["Reservations"] for i in r["Instances"]]
    end(clouds, left)
    for group in clouds.ec2.describe_placement_groups()["PlacementGroups"]:
        clouds.ec2.delete_placement_group(GroupName=group["GroupName"])
    assert clouds.problems == []


def end(clouds, ids):
    if ids:
        clouds.ec2.terminate_instances(InstanceIds=ids)
        clouds.ec2.get_waiter("instance_terminated").wait(InstanceIds=ids, WaiterConfig=SOON)


def run(clouds, least=1, most=1, **placement):
    wanted = {"ImageId": clouds.image, "InstanceType": TYPE, "Placement": {"AvailabilityZone": ZONE, **placement}}
    return [i["InstanceId"] for i in clouds.ec2.run_instances(MinCount=least, MaxCount=most, **wanted)["Instances"]]


def test_a_spread_group_has_one_instance_a_rack_whoever_asks_at_the_same_time(clouds):
    group = clouds.ec2.create_placement_group(GroupName="apart", Strategy="spread", SpreadLevel="rack")["PlacementGroup"]
    assert (group["State"], group["Strategy"], group["SpreadLevel"]) == ("available", "spread", "rack")

    def launch(_):
        try:
            return run(clouds, GroupName="apart")
        except ClientError as refused:
            return refused.response["Error"]

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(launch, range(RACKS + 4)))
    made = [answer[0] for answer in answers if isinstance(answer, list)]
    assert len(made) == RACKS
    for refused in (answer for answer in answers if isinstance(answer, dict)):
        assert refused["Code"] == "InsufficientInstanceCapacity"
        assert "closed by the placement group" in refused["Message"]
    placement = clouds.instance(made[0])["Placement"]
    assert (placement["GroupName"], placement["GroupId"]) == ("apart", group["GroupId"])
    filters = [{"Name": "placement-group-name", "Values": ["apart"]}, {"Name": "instance-state-name", "Values": ["pending", "running"]}]
    found = clouds.ec2.describe_instances(Filters=filters)["Reservations"]
    assert sorted(i["InstanceId"] for r in found for i in r["Instances"]) == sorted(made)
    assert clouds.code(clouds.ec2.delete_placement_group, GroupName="apart") == "InvalidPlacementGroup.InUse"
    end(clouds, made)
    clouds.ec2.delete_placement_group(GroupName="apart")
    assert clouds.code(clouds.ec2.describe_placement_groups, GroupNames=["apart"]) == "InvalidPlacementGroup.Unknown"


def test_partitions_share_no_rack_and_a_stopped_instance_moves_between_them(clouds):
    clouds.ec2.create_placement_group(GroupName="parts", Strategy="partition", PartitionCount=3)
    made = run(clouds, 6, 6, GroupName="parts")
    numbers = [clouds.instance(id)["Placement"]["PartitionNumber"] for id in made]
    assert sorted(numbers) == [1, 1, 2, 2, 3, 3]
    by_number = [{"Name": "placement-partition-number", "Values": ["2"]}]
    assert len([i for r in clouds.ec2.describe_instances(Filters=by_number)["Reservations"] for i in r["Instances"]]) == 2
    moved = made[0]
    clouds.ec2.get_waiter("instance_running").wait(InstanceIds=[moved], WaiterConfig=SOON)
    assert clouds.code(clouds.ec2.modify_instance_placement, InstanceId=moved, GroupName="") == "IncorrectInstanceState"
    clouds.ec2.stop_instances(InstanceIds=[moved], Force=True)
    clouds.ec2.get_waiter("instance_stopped").wait(InstanceIds=[moved], WaiterConfig=SOON)
    clouds.ec2.modify_instance_placement(InstanceId=moved, GroupName="")
    assert clouds.instance(moved)["Placement"]["GroupName"] == ""
    clouds.ec2.modify_instance_placement(InstanceId=moved, GroupName="parts", PartitionNumber=numbers[0])
    assert clouds.instance(moved)["Placement"]["PartitionNumber"] == numbers[0]
    end(clouds, made)


def test_a_launch_template_names_a_group_of_one_cloud_to_all(clouds):
    clouds.ec2.create_placement_group(GroupName="near", Strategy="cluster")
    data = {"ImageId": clouds.image, "InstanceType": TYPE, "Placement": {"AvailabilityZone": ZONE, "GroupName": "near"}}
    template = clouds.ec2.create_launch_template(LaunchTemplateName="near", LaunchTemplateData=data)["LaunchTemplate"]["LaunchTemplateId"]
    kept = clouds.ec2.describe_launch_template_versions(LaunchTemplateId=template)["LaunchTemplateVersions"][0]["LaunchTemplateData"]
    assert kept["Placement"] == {"AvailabilityZone": ZONE, "GroupName": "near"}
    made = clouds.ec2.run_instances(MinCount=2, MaxCount=2, LaunchTemplate={"LaunchTemplateId": template})["Instances"]
    assert {instance["Placement"]["GroupName"] for instance in made} == {"near"}
    end(clouds, [instance["InstanceId"] for instance in made])
    clouds.ec2.delete_launch_template(LaunchTemplateId=template)


def test_a_deployment_set_takes_one_instance_a_rack_and_lets_it_go(clouds):
    ecs = clouds.ecs
    set = ecs.call("CreateDeploymentSet", DeploymentSetName="sparse", Strategy="Availability", Type="rack")["DeploymentSetId"]
    made = ecs.run(Amount=str(RACKS), DeploymentSetId=set, ZoneId=ZONE)
    assert len(made) == RACKS and {ecs.instance(id)["DeploymentSetId"] for id in made} == {set}
    shown = ecs.call("DescribeDeploymentSets", DeploymentSetIds=json.dumps([set]))["DeploymentSets"]["DeploymentSet"][0]
    assert (shown["InstanceAmount"], sorted(shown["InstanceIds"]["InstanceId"])) == (RACKS, sorted(made))
    assert shown["Capacities"]["Capacity"] == [{"ZoneId": ZONE, "UsedAmount": RACKS, "AvailableAmount": 20 - RACKS}]
    full = {"Amount": "1", "ImageId": clouds.image, "InstanceType": ecs.instance(made[0])["InstanceType"], "ZoneId": ZONE}
    assert ecs.refused("RunInstances", DeploymentSetId=set, **full) == "DeploymentSet.NoRoom"
    assert ecs.refused("DeleteDeploymentSet", DeploymentSetId=set) == "DependencyViolation.DeploymentSet"
    ecs.call("ModifyDeploymentSetAttribute", DeploymentSetId=set, DeploymentSetName="denser", Affinity="2")
    more = ecs.run(DeploymentSetId=set, ZoneId=ZONE)
    ecs.call("ModifyInstanceDeployment", InstanceId=made[0], RemoveFromDeploymentSet="true")
    assert "DeploymentSetId" not in ecs.instance(made[0])
    end(clouds, made + more)
    ecs.call("DeleteDeploymentSet", DeploymentSetId=set)


def test_a_disaster_recover_group_takes_one_instance_a_rack_and_lets_it_go(clouds):
    cvm = clouds.cvm
    quota = cvm.call("DescribeDisasterRecoverGroupQuota")
    group = cvm.call("CreateDisasterRecoverGroup", Name="sparse", Type="RACK", Affinity=1)["DisasterRecoverGroupId"]
    wanted = {"ImageId": clouds.image.replace("ami-", "img-"), "InstanceType": "S5.MEDIUM2", "Placement": {"Zone": ZONE}}
    wanted |= {"DisasterRecoverGroupIds": [group]}
    made = cvm.call("RunInstances", InstanceCount=RACKS, **wanted)["InstanceIdSet"]
    assert cvm.refused("RunInstances", **wanted) == "LimitExceeded.DisasterRecoverGroup"
    shown = cvm.call("DescribeDisasterRecoverGroups", DisasterRecoverGroupIds=[group])["DisasterRecoverGroupSet"][0]
    assert (shown["Type"], shown["CurrentNum"], shown["CvmQuotaTotal"]) == ("RACK", RACKS, quota["CvmInRackGroupQuota"])
    assert cvm.refused("DeleteDisasterRecoverGroups", DisasterRecoverGroupIds=[group]) == "ResourceInUse"
    cvm.call("ModifyDisasterRecoverGroupAttribute", DisasterRecoverGroupId=group, Name="denser", Affinity=2)
    made += cvm.call("RunInstances", **wanted)["InstanceIdSet"]
    cvm.call("ModifyInstancesDisasterRecoverGroup", InstanceIds=made)
    assert cvm.call("DescribeInstances", InstanceIds=made[:1])["InstanceSet"][0]["DisasterRecoverGroupId"] == ""
    assert cvm.call("DescribeDisasterRecoverGroupQuota")["CurrentNum"] == quota["CurrentNum"] + 1
    cvm.call("DeleteDisasterRecoverGroups", DisasterRecoverGroupIds=[group])
    end(clouds, [id.replace("ins-", "i-") for id in made])
