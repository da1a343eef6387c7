"""Families of images and images that are to be used no longer, through the clients of three clouds; credits of burstable instances."""

import pytest

from test_cvm import Tenant as Tencent
from test_ecs import Tenant as Alibaba

SOON = {"Delay": 1, "MaxAttempts": 60}


@pytest.fixture(scope="module")
def clouds(simulated):
    """One account through the three clouds' clients, and another through EC2."""
    ecs = Alibaba(simulated, "families")
    cvm = Tencent(simulated, "families", ecs.key, ecs.secret)
    other_key, other_secret, other = simulated.account("families-other")
    stranger = simulated.client("ec2", key=other_key, secret=other_secret)
    return simulated.client("ec2", key=ecs.key, secret=ecs.secret), ecs, cvm, stranger, other


@pytest.fixture(scope="module")
def instance(simulated, clouds):
    """A running burstable instance."""
    ec2 = clouds[0]
    made = ec2.run_instances(ImageId=simulated.image(), InstanceType="t3.nano", MinCount=1, MaxCount=1)
    id = made["Instances"][0]["InstanceId"]
    ec2.get_waiter("instance_running").wait(InstanceIds=[id], WaiterConfig=SOON)
    return id


def test_a_family_leads_to_its_newest_image_that_is_not_deprecated(clouds, instance):
    ec2, ecs, cvm, stranger, other = clouds
    one = ecs.call("CreateImage", InstanceId=instance, ImageName="one", ImageFamily="web")["ImageId"]
    ec2.get_waiter("image_available").wait(ImageIds=[one], WaiterConfig=SOON)
    two = cvm.call("CreateImage", InstanceId=cvm.call("DescribeInstances")["InstanceSet"][0]["InstanceId"], ImageName="two", ImageFamily="web")
    two = ec2.describe_images(Owners=["self"], Filters=[{"Name": "name", "Values": ["two"]}])["Images"][0]["ImageId"]
    ec2.get_waiter("image_available").wait(ImageIds=[two], WaiterConfig=SOON)
    assert ecs.call("DescribeImageFromFamily", ImageFamily="web")["Image"]["ImageId"] == two
    assert cvm.call("DescribeImageFromFamily", ImageFamily="web")["Image"]["ImageName"] == "two"
    share = {"Add": [{"UserId": other}]}
    for image in (one, two):
        ec2.modify_image_attribute(ImageId=image, LaunchPermission=share)

    def seen(**more):
        return {image["ImageId"] for image in stranger.describe_images(ExecutableUsers=["self"], **more)["Images"]}

    assert {one, two} <= seen()
    ecs.call("ModifyImageAttribute", ImageId=two, Status="Deprecated")
    assert seen() == {one} and {one, two} <= seen(IncludeDeprecated=True)
    assert stranger.describe_images(ImageIds=[two])["Images"][0]["DeprecationTime"]
    assert two in {image["ImageId"] for image in ec2.describe_images(Owners=["self"])["Images"]}
    assert ecs.call("DescribeImageFromFamily", ImageFamily="web")["Image"]["ImageId"] == one
    launched = ecs.call("RunInstances", RegionId=ecs.cloud.region, ImageFamily="web", InstanceType="ecs.t6-c4m1.large", Amount=1)
    launched = launched["InstanceIdSets"]["InstanceIdSet"][0]
    assert ec2.describe_instances(InstanceIds=[launched])["Reservations"][0]["Instances"][0]["ImageId"] == one
    assert ec2.disable_image_deprecation(ImageId=two)["Return"] is True
    assert ec2.enable_image_deprecation(ImageId=two, DeprecateAt="2030-01-01T00:00:30Z")["Return"] is True
    shown = ec2.describe_images(ImageIds=[two])["Images"][0]
    assert shown["DeprecationTime"] == "2030-01-01T00:00:00.000Z"
    assert two in seen(), "it is not deprecated before its time"


def test_burstable_instances_are_unlimited(clouds, instance):
    ec2 = clouds[0]
    told = ec2.describe_instance_credit_specifications(InstanceIds=[instance])["InstanceCreditSpecifications"]
    assert told == [{"InstanceId": instance, "CpuCredits": "unlimited"}]
    asked = [{"InstanceId": instance, "CpuCredits": "unlimited"}]
    done = ec2.modify_instance_credit_specification(InstanceCreditSpecifications=asked)
    assert done["SuccessfulInstanceCreditSpecifications"] == [{"InstanceId": instance}]
