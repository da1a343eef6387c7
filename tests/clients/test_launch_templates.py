"""Launch templates through the SDKs of three clouds: what one makes, the others launch."""

import base64
import uuid

import pytest
from botocore.exceptions import ClientError

import strict_ec2
from test_cvm import Tenant as Tencent
from test_ecs import Tenant as Alibaba

SOON = {"Delay": 1, "MaxAttempts": 60}
ABSENT = "lt-00000000000000001"


class Clouds:
    """One account, spoken for in three dialects."""

    def __init__(self, cloud, name):
        self.ecs = Alibaba(cloud, name)
        self.cvm = Tencent(cloud, name, key=self.ecs.key, secret=self.ecs.secret)
        self.ec2 = cloud.client("ec2", key=self.ecs.key, secret=self.ecs.secret)
        self.problems = []
        strict_ec2.watch(self.ec2, self.problems)
        self.image = cloud.image()

    def instance(self, id):
        return self.ec2.describe_instances(InstanceIds=[id])["Reservations"][0]["Instances"][0]

    def code(self, call, **asked):
        """The code with which EC2's call is refused."""
        with pytest.raises(ClientError) as refused:
            call(**asked)
        return refused.value.response["Error"]["Code"]


@pytest.fixture(scope="module")
def clouds(simulated):
    clouds = Clouds(simulated, f"lt-{uuid.uuid4().hex[:8]}")
    yield clouds
    left = [i["InstanceId"] for r in clouds.ec2.describe_instances()["Reservations"] for i in r["Instances"]]
    if left:
        clouds.ec2.terminate_instances(InstanceIds=left)
    assert clouds.problems == []


@pytest.fixture
def template(clouds):
    """A template of EC2's that says most of what there is to say."""
    clouds.ec2.import_key_pair(KeyName="lt", PublicKeyMaterial=KEY) if not clouds.ec2.describe_key_pairs()["KeyPairs"] else None
    data = {
        "ImageId": clouds.image,
        "InstanceType": "t3.nano",
        "KeyName": "lt",
        "UserData": base64.b64encode(b"#!/bin/sh\n").decode(),
        "DisableApiStop": True,
        "BlockDeviceMappings": [{"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 3}}, {"DeviceName": "/dev/sdf", "Ebs": {"VolumeSize": 2}}],
        "MetadataOptions": {"HttpTokens": "required"},
        "CreditSpecification": {"CpuCredits": "unlimited"},
        "TagSpecifications": [{"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": "from-template"}]}],
    }
    name = f"web-{uuid.uuid4().hex[:8]}"
    tags = [{"ResourceType": "launch-template", "Tags": [{"Key": "team", "Value": "a"}]}]
    made = clouds.ec2.create_launch_template(LaunchTemplateName=name, LaunchTemplateData=data, VersionDescription="first", TagSpecifications=tags)
    yield made["LaunchTemplate"]
    clouds.ec2.delete_launch_template(LaunchTemplateName=name)


KEY = b"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/7YmBHOmQ5FdRBt somebody"


def test_ec2_launches_from_a_template_and_what_the_call_says_wins(clouds, template):
    ec2, name = clouds.ec2, template["LaunchTemplateName"]
    assert (template["DefaultVersionNumber"], template["LatestVersionNumber"]) == (1, 1)
    assert template["Tags"] == [{"Key": "team", "Value": "a"}]
    (version,) = ec2.describe_launch_template_versions(LaunchTemplateName=name)["LaunchTemplateVersions"]
    assert version["LaunchTemplateData"]["CreditSpecification"] == {"CpuCredits": "unlimited"}
    made = ec2.run_instances(LaunchTemplate={"LaunchTemplateName": name}, MinCount=1, MaxCount=1, ClientToken=f"of-{name}")["Instances"][0]
    (found,) = ec2.describe_instances(Filters=[{"Name": "client-token", "Values": [f"of-{name}"]}])["Reservations"]
    assert [(one["InstanceId"], one["ClientToken"]) for one in found["Instances"]] == [(made["InstanceId"], f"of-{name}")]
    assert (made["InstanceType"], made["KeyName"], made["MetadataOptions"]["HttpTokens"]) == ("t3.nano", "lt", "required")
    tags = {tag["Key"]: tag["Value"] for tag in made["Tags"]}
    ties = {"aws:ec2launchtemplate:id": template["LaunchTemplateId"], "aws:ec2launchtemplate:version": "1"}
    assert tags == ties | {"Name": "from-template"}
    with pytest.raises(ClientError, match="reserved prefix"):
        ec2.delete_tags(Resources=[made["InstanceId"]], Tags=[{"Key": "aws:ec2launchtemplate:id"}])
    ec2.delete_tags(Resources=[made["InstanceId"]])
    kept = ec2.describe_tags(Filters=[{"Name": "resource-id", "Values": [made["InstanceId"]]}])["Tags"]
    assert {tag["Key"]: tag["Value"] for tag in kept} == ties, "these are the cloud's own"
    assert "TagSpecifications" not in ec2.get_launch_template_data(InstanceId=made["InstanceId"])["LaunchTemplateData"]
    ec2.get_waiter("instance_running").wait(InstanceIds=[made["InstanceId"]], WaiterConfig=SOON)
    devices = {d["DeviceName"]: d["Ebs"]["VolumeId"] for d in clouds.instance(made["InstanceId"])["BlockDeviceMappings"]}
    sizes = {v["VolumeId"]: v["Size"] for v in ec2.describe_volumes(VolumeIds=list(devices.values()))["Volumes"]}
    assert {name: sizes[id] for name, id in devices.items()} == {"/dev/xvda": 3, "/dev/sdf": 2}
    said = [{"DeviceName": "/dev/sdf", "Ebs": {"VolumeSize": 4}}]
    by_id = {"LaunchTemplateId": template["LaunchTemplateId"], "Version": "$Latest"}
    other = ec2.run_instances(LaunchTemplate=by_id, InstanceType="t3.micro", BlockDeviceMappings=said, MinCount=2, MaxCount=2)["Instances"]
    assert [i["InstanceType"] for i in other] == ["t3.micro"] * 2
    volumes = ec2.describe_volumes(Filters=[{"Name": "attachment.instance-id", "Values": [other[0]["InstanceId"]]}])["Volumes"]
    assert sorted(v["Size"] for v in volumes) == [3, 4], "a device that the call names stands for the template's"
    data = ec2.get_launch_template_data(InstanceId=other[0]["InstanceId"])["LaunchTemplateData"]
    assert (data["InstanceType"], data["DisableApiStop"]) == ("t3.micro", True)


def test_versions_are_made_of_one_another_listed_chosen_and_deleted(clouds, template):
    ec2, id = clouds.ec2, template["LaunchTemplateId"]
    second = ec2.create_launch_template_version(LaunchTemplateId=id, SourceVersion="1", LaunchTemplateData={"InstanceType": "t3.small"})
    data = second["LaunchTemplateVersion"]["LaunchTemplateData"]
    assert (data["InstanceType"], data["ImageId"], data["KeyName"]) == ("t3.small", clouds.image, "lt")
    third = ec2.create_launch_template_version(LaunchTemplateId=id, LaunchTemplateData={"InstanceType": "t3.large"})
    assert third["LaunchTemplateVersion"]["LaunchTemplateData"] == {"InstanceType": "t3.large"}, "without a source nothing is taken"

    def numbers(**asked):
        return [v["VersionNumber"] for v in ec2.describe_launch_template_versions(LaunchTemplateId=id, **asked)["LaunchTemplateVersions"]]

    assert numbers() == [3, 2, 1]
    assert numbers(Versions=["$Default"]) == [1] and numbers(Versions=["$Latest"]) == [3]
    assert numbers(MinVersion="2") == [3, 2]
    assert numbers(Filters=[{"Name": "instance-type", "Values": ["t3.small"]}]) == [2]
    assert ec2.modify_launch_template(LaunchTemplateId=id, DefaultVersion="2")["LaunchTemplate"]["DefaultVersionNumber"] == 2
    assert numbers(Versions=["$Default"]) == [2]
    gone = ec2.delete_launch_template_versions(LaunchTemplateId=id, Versions=["3", "2", "7"])
    assert [v["VersionNumber"] for v in gone["SuccessfullyDeletedLaunchTemplateVersions"]] == [3]
    kept = {v["VersionNumber"]: v["ResponseError"]["Code"] for v in gone["UnsuccessfullyDeletedLaunchTemplateVersions"]}
    assert kept == {2: "unexpectedError", 7: "launchTemplateVersionDoesNotExist"}
    fourth = ec2.create_launch_template_version(LaunchTemplateId=id, LaunchTemplateData={"InstanceType": "t3.large"})
    assert fourth["LaunchTemplateVersion"]["VersionNumber"] == 4, "numbers are not used again"
    every = ec2.describe_launch_template_versions(Versions=["$Default"])["LaunchTemplateVersions"]
    assert [v["VersionNumber"] for v in every if v["LaunchTemplateId"] == id] == [2]
    listed = ec2.describe_launch_templates(LaunchTemplateNames=[template["LaunchTemplateName"]])["LaunchTemplates"]
    assert [(t["DefaultVersionNumber"], t["LatestVersionNumber"]) for t in listed] == [(2, 4)]


def test_a_template_of_ec2s_launches_through_the_other_clouds(clouds, template):
    id = template["LaunchTemplateId"]
    reply = clouds.ecs.call("RunInstances", RegionId=clouds.ecs.cloud.region, LaunchTemplateId=id, InstanceName="by-ecs")
    (made,) = reply["InstanceIdSets"]["InstanceIdSet"]
    shown = clouds.instance(made)
    assert (shown["KeyName"], shown["ImageId"]) == ("lt", clouds.image)
    assert clouds.ecs.instance(made)["InstanceName"] == "by-ecs"
    (made,) = clouds.cvm.call(
        "RunInstances", LaunchTemplate={"LaunchTemplateId": id, "LaunchTemplateVersion": 1}, Placement={"Zone": "local-1b"}
    )["InstanceIdSet"]
    shown = clouds.instance("i-" + made.removeprefix("ins-"))
    assert (shown["KeyName"], shown["Placement"]["AvailabilityZone"]) == ("lt", "local-1b")
    assert shown["Tags"] == [{"Key": "Name", "Value": "from-template"}]


def test_templates_of_alibabas_and_tencents_launch_through_ec2(clouds):
    ecs, cvm, ec2 = clouds.ecs, clouds.cvm, clouds.ec2
    made = ecs.call("CreateLaunchTemplate", LaunchTemplateName="ali", ImageId=clouds.image, InstanceType="ecs.t5-lc2m1.nano", InstanceName="a")
    id = made["LaunchTemplateId"]
    second = ecs.call("CreateLaunchTemplateVersion", LaunchTemplateName="ali", ImageId=clouds.image, InstanceType="ecs.t5-lc1m1.small", InstanceName="b")
    assert second["LaunchTemplateVersionNumber"] == 2
    ecs.call("ModifyLaunchTemplateDefaultVersion", LaunchTemplateId=id, DefaultVersionNumber="2")
    (listed,) = ecs.call("DescribeLaunchTemplates", **{"LaunchTemplateName.1": "ali"})["LaunchTemplateSets"]["LaunchTemplateSet"]
    assert (listed["DefaultVersionNumber"], listed["LatestVersionNumber"]) == (2, 2)
    versions = ecs.call("DescribeLaunchTemplateVersions", LaunchTemplateId=id)["LaunchTemplateVersionSets"]["LaunchTemplateVersionSet"]
    assert [(v["VersionNumber"], v["DefaultVersion"], v["LaunchTemplateData"]["InstanceName"]) for v in versions] == [(1, False, "a"), (2, True, "b")]
    started = ec2.run_instances(LaunchTemplate={"LaunchTemplateId": id}, MinCount=1, MaxCount=1)["Instances"][0]["InstanceId"]
    assert ecs.instance(started)["InstanceName"] == "b"
    assert ecs.refused("DeleteLaunchTemplateVersion", LaunchTemplateId=id, **{"DeleteVersion.1": "1", "DeleteVersion.2": "2"}) == "InvalidParameter.DefaultVersion"
    ecs.call("DeleteLaunchTemplateVersion", LaunchTemplateId=id, **{"DeleteVersion.1": "1"})
    assert ecs.call("DeleteLaunchTemplate", LaunchTemplateId=id)["LaunchTemplateId"] == id
    assert ecs.refused("RunInstances", LaunchTemplateId=id) == "InvalidLaunchTemplate.NotFound"

    usual = {"Placement": {"Zone": "local-1a"}, "ImageId": "img-" + clouds.image.removeprefix("ami-"), "InstanceType": "B1.SMALL512M"}
    id = cvm.call("CreateLaunchTemplate", LaunchTemplateName="ten", InstanceName="c", InstanceCount=2, **usual)["LaunchTemplateId"]
    more = cvm.call("CreateLaunchTemplateVersion", LaunchTemplateId=id, LaunchTemplateVersion=1, **{**usual, "Placement": {"Zone": "local-1b"}})
    assert more["LaunchTemplateVersionNumber"] == 2
    cvm.call("ModifyLaunchTemplateDefaultVersion", LaunchTemplateId=id, DefaultVersion=2)
    (listed,) = cvm.call("DescribeLaunchTemplates", LaunchTemplateIds=[id])["LaunchTemplateSet"]
    assert (listed["DefaultVersionNumber"], listed["LaunchTemplateVersionCount"]) == (2, 2)
    versions = cvm.call("DescribeLaunchTemplateVersions", LaunchTemplateId=id)["LaunchTemplateVersionSet"]
    zones = [v["LaunchTemplateVersionData"]["Placement"]["Zone"] for v in versions]
    assert zones == ["local-1a", "local-1b"] and versions[1]["LaunchTemplateVersionData"]["InstanceCount"] == 2
    assert len(cvm.call("RunInstances", LaunchTemplate={"LaunchTemplateId": id})["InstanceIdSet"]) == 2, "the template says how many"
    started = ec2.run_instances(LaunchTemplate={"LaunchTemplateId": id, "Version": "1"}, MinCount=1, MaxCount=1)["Instances"][0]
    assert started["Placement"]["AvailabilityZone"] == "local-1a"
    cvm.call("DeleteLaunchTemplateVersions", LaunchTemplateId=id, LaunchTemplateVersions=[1])
    assert cvm.refused("DeleteLaunchTemplateVersions", LaunchTemplateId=id, LaunchTemplateVersions=[2]) == "InvalidParameterValue.LaunchTemplateDefaultVersion"
    cvm.call("DeleteLaunchTemplate", LaunchTemplateId=id)
    assert cvm.refused("DescribeLaunchTemplates", LaunchTemplateIds=[id]) == "InvalidParameterValue.LaunchTemplateIdNotExisted"


def test_what_a_template_cannot_do_is_refused(clouds, template):
    ec2, id, name = clouds.ec2, template["LaunchTemplateId"], template["LaunchTemplateName"]

    def launch(**template):
        return clouds.code(ec2.run_instances, LaunchTemplate=template, MinCount=1, MaxCount=1)

    assert launch(LaunchTemplateId=ABSENT) == "InvalidLaunchTemplateId.NotFound"
    assert launch(LaunchTemplateId="nonsense") == "InvalidLaunchTemplateId.Malformed"
    assert launch(LaunchTemplateName="nobody") == "InvalidLaunchTemplateName.NotFoundException"
    assert launch(LaunchTemplateId=id, Version="9") == "InvalidLaunchTemplateId.VersionNotFound"
    assert launch(LaunchTemplateId=id, LaunchTemplateName=name) == "InvalidParameterCombination"
    assert clouds.code(ec2.create_launch_template, LaunchTemplateName=name, LaunchTemplateData={"InstanceType": "t3.nano"}) == "InvalidLaunchTemplateName.AlreadyExistsException"
    assert clouds.code(ec2.create_launch_template, LaunchTemplateName="a b c", LaunchTemplateData={"InstanceType": "t3.nano"}) == "InvalidParameterValue"
    bare = ec2.create_launch_template(LaunchTemplateName="bare", LaunchTemplateData={"InstanceType": "t3.nano"})["LaunchTemplate"]
    assert launch(LaunchTemplateId=bare["LaunchTemplateId"]) == "MissingParameter", "neither says an image"
    standard = {"InstanceType": "t3.nano", "CreditSpecification": {"CpuCredits": "standard"}}
    assert clouds.code(ec2.create_launch_template, LaunchTemplateName="standard", LaunchTemplateData=standard) == "UnsupportedOperation"
    dry = {"LaunchTemplateName": "bare", "DryRun": True}
    assert clouds.code(ec2.delete_launch_template, **dry) == "DryRunOperation"
    ec2.delete_launch_template(LaunchTemplateName="bare")
    stranger = Clouds(clouds.ecs.cloud, f"lt-{uuid.uuid4().hex[:8]}")
    assert stranger.code(stranger.ec2.run_instances, LaunchTemplate={"LaunchTemplateId": id}, MinCount=1, MaxCount=1) == "InvalidLaunchTemplateId.NotFound"
