"""Trial restores: snapshots of system disks are proved by a start, and the verdict is a tag that every client reads."""

import botocore.exceptions
import pytest

from conftest import private_key, ssh_group, wait_until
from test_ecs import Tenant as Alibaba
from test_volumes import SOON, TYPE, ZONE, Guest

ASK = {"Key": "pileus/trial-restore", "Value": "true"}
# Firmware, kernel and prompt of a guest under emulation, after a wait for room and before a report.
BOOTS_WITHIN = 240


@pytest.fixture(scope="module")
def guest(cloud, ec2, shell, tmp_path_factory):
    path = private_key(ec2, "trials", tmp_path_factory.mktemp("keys"))
    group = ssh_group(ec2, "trials")
    made = ec2.run_instances(ImageId=cloud.image(), InstanceType=TYPE, MinCount=1, MaxCount=1, KeyName="trials", SecurityGroupIds=[group], Placement={"AvailabilityZone": ZONE})
    id = made["Instances"][0]["InstanceId"]
    try:
        ec2.get_waiter("instance_running").wait(InstanceIds=[id], WaiterConfig=SOON)
        yield Guest(ec2, path, shell, id)
    finally:
        ec2.terminate_instances(InstanceIds=[id])
        ec2.get_waiter("instance_terminated").wait(InstanceIds=[id], WaiterConfig=SOON)
        ec2.delete_security_group(GroupId=group)
        ec2.delete_key_pair(KeyName="trials")


@pytest.fixture
def take(ec2, guest):
    """Takes completed snapshots of the guest's system disk, which are gone afterwards."""
    ids = []

    def take(*tags):
        (mapped,) = ec2.describe_instances(InstanceIds=[guest.id])["Reservations"][0]["Instances"][0]["BlockDeviceMappings"]
        specified = {"TagSpecifications": [{"ResourceType": "snapshot", "Tags": list(tags)}]} if tags else {}
        ids.append(ec2.create_snapshot(VolumeId=mapped["Ebs"]["VolumeId"], **specified)["SnapshotId"])
        ec2.get_waiter("snapshot_completed").wait(SnapshotIds=ids[-1:], WaiterConfig=SOON)
        return ids[-1]

    yield take
    for id in ids:
        ec2.delete_snapshot(SnapshotId=id)


def tags(ec2, id):
    return {tag["Key"]: tag["Value"] for tag in ec2.describe_snapshots(SnapshotIds=[id])["Snapshots"][0].get("Tags", [])}


def verdict(ec2, id):
    wait_until(lambda: "pileus:trial-verdict" in tags(ec2, id), BOOTS_WITHIN, "the verdict")
    return tags(ec2, id)


def test_a_snapshot_boots_also_when_everything_is_killed_and_nothing_is_left(cloud, ec2, guest, take):
    guest.run("true")
    before = ec2.describe_volumes()["Volumes"], ec2.describe_instances()["Reservations"]
    id = take(ASK)
    cloud.kill()
    cloud.start()
    found = verdict(ec2, id)
    assert found["pileus:trial-verdict"] == "boots", found
    assert found["pileus:trial-at"].startswith("20") and "login prompt" in found["pileus:trial-reason"]
    assert [volume["VolumeId"] for volume in ec2.describe_volumes()["Volumes"]] == [volume["VolumeId"] for volume in before[0]]
    assert len(ec2.describe_instances()["Reservations"]) == len(before[1])
    filtered = ec2.describe_snapshots(Filters=[{"Name": "tag:pileus:trial-verdict", "Values": ["boots"]}])["Snapshots"]
    assert [snapshot["SnapshotId"] for snapshot in filtered] == [id]
    with pytest.raises(botocore.exceptions.ClientError) as refused:
        ec2.create_tags(Resources=[id], Tags=[{"Key": "pileus:trial-verdict", "Value": "boots"}])
    assert refused.value.response["Error"]["Code"] == "InvalidParameterValue"
    machines = next(cloud.folder.rglob(f"vms/{guest.id}")).parent
    wait_until(lambda: [machine.name for machine in machines.iterdir()] == [guest.id], 60, "the machine of the trial to go")


def test_a_snapshot_without_its_file_system_does_not_boot_as_alibaba_reads(cloud, ec2, guest, take):
    alibaba = Alibaba(cloud, "trials", cloud.access_key, cloud.secret_key)
    guest.run("dd if=/dev/zero of=/dev/vda bs=1M count=256 conv=notrunc,fsync 2>/dev/null; true")
    id = take()
    alibaba.call("TagResources", ResourceType="snapshot", ResourceId__1=id, Tag__1__Key=ASK["Key"], Tag__1__Value=ASK["Value"])
    found = verdict(ec2, id)
    assert found["pileus:trial-verdict"] == "does-not-boot", found
    (shown,) = alibaba.call("DescribeSnapshots", SnapshotIds=f'["{id}"]')["Snapshots"]["Snapshot"]
    told = {tag["TagKey"]: tag["TagValue"] for tag in shown["Tags"]["Tag"]}
    assert told["pileus:trial-verdict"] == "does-not-boot" and "no root file system" in told["pileus:trial-reason"]
