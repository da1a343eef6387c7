"""Images of tenants: made of a running instance, launched with its data disk, copied, shared, taken back."""

import botocore.exceptions
import pytest

from conftest import private_key, ssh_group, wait_until
from test_cvm import Tenant as Tencent
from test_ecs import Tenant as Alibaba
from test_snapshots import code, completed, fill, letters
from test_volumes import SOON, TYPE, ZONE, Guest

PLACE = {"AvailabilityZone": ZONE}


@pytest.fixture(scope="module")
def key(ec2, tmp_path_factory):
    path = private_key(ec2, "images", tmp_path_factory.mktemp("keys"))
    yield path
    ec2.delete_key_pair(KeyName="images")


@pytest.fixture(scope="module")
def group(ec2):
    group = ssh_group(ec2, "images")
    yield group
    ec2.delete_security_group(GroupId=group)


@pytest.fixture(scope="module")
def launch(ec2, key, group, shell):
    """Launches an instance and waits until it runs; all of them are gone afterwards."""
    ids = []

    def launch(image, **more):
        usual = dict(ImageId=image, InstanceType=TYPE, MinCount=1, MaxCount=1, KeyName="images", SecurityGroupIds=[group], Placement=PLACE)
        ids.append(ec2.run_instances(**usual, **more)["Instances"][0]["InstanceId"])
        ec2.get_waiter("instance_running").wait(InstanceIds=ids[-1:], WaiterConfig=SOON)
        return Guest(ec2, key, shell, ids[-1])

    yield launch
    if ids:
        ec2.terminate_instances(InstanceIds=ids)
        ec2.get_waiter("instance_terminated").wait(InstanceIds=ids, WaiterConfig=SOON)


@pytest.fixture(scope="module")
def source(cloud, launch):
    """An instance with a file on its system disk and letters on its data disk."""
    guest = launch(cloud.image(), BlockDeviceMappings=[{"DeviceName": "/dev/sdf", "Ebs": {"VolumeSize": 1, "VolumeType": "gp2"}}])
    guest.run("echo golden > /root/golden; sync")
    fill(guest, volume_at(guest, "/dev/sdf"), "g")
    return guest


@pytest.fixture(scope="module")
def image(ec2, source):
    tags = [{"ResourceType": kind, "Tags": [{"Key": "of", "Value": kind}]} for kind in ("image", "snapshot")]
    made = ec2.create_image(InstanceId=source.id, Name="golden", Description="made of a running one", NoReboot=True, TagSpecifications=tags)["ImageId"]
    ec2.get_waiter("image_available").wait(ImageIds=[made], WaiterConfig=SOON)
    yield made
    snapshots = snapshots_of(ec2, made)
    ec2.deregister_image(ImageId=made)
    for snapshot in snapshots:
        ec2.delete_snapshot(SnapshotId=snapshot)


def volume_at(guest, device):
    mapped = guest.ec2.describe_instances(InstanceIds=[guest.id])["Reservations"][0]["Instances"][0]["BlockDeviceMappings"]
    return next(disk["Ebs"]["VolumeId"] for disk in mapped if disk["DeviceName"] == device)


def shown(ec2, image):
    return ec2.describe_images(ImageIds=[image])["Images"][0]


def snapshots_of(ec2, image):
    return [device["Ebs"]["SnapshotId"] for device in shown(ec2, image)["BlockDeviceMappings"]]


def test_an_image_of_a_running_instance_boots_with_its_data_disk(ec2, source, image, launch):
    described = shown(ec2, image)
    assert (described["Name"], described["State"], described["Public"], described["SourceInstanceId"]) == ("golden", "available", False, source.id)
    assert [device["DeviceName"] for device in described["BlockDeviceMappings"]] == ["/dev/xvda", "/dev/sdf"]
    assert described["Tags"] == [{"Key": "of", "Value": "image"}]
    assert {tag["Value"] for snapshot in completed(ec2, *snapshots_of(ec2, image)) for tag in snapshot["Tags"]} == {"snapshot"}
    # The source never stopped.
    assert source.run("cat /root/golden") == "golden\n"
    copy = launch(image)
    assert copy.run("cat /root/golden") == "golden\n"
    assert copy.run("hostname") != source.run("hostname")
    assert letters(copy, volume_at(copy, "/dev/sdf")) == "g"
    # What the image brings can be larger, or left out.
    larger = launch(image, BlockDeviceMappings=[{"DeviceName": "/dev/sdf", "Ebs": {"VolumeSize": 2}}])
    assert letters(larger, volume_at(larger, "/dev/sdf")) == "g"
    bare = launch(image, BlockDeviceMappings=[{"DeviceName": "/dev/sdf", "NoDevice": ""}])
    mapped = ec2.describe_instances(InstanceIds=[bare.id])["Reservations"][0]["Instances"][0]["BlockDeviceMappings"]
    assert [device["DeviceName"] for device in mapped] == ["/dev/xvda"]


def test_an_image_that_may_reboot_has_what_the_guest_had_not_written_yet(cloud, ec2, launch):
    source = launch(cloud.image())
    address, boot = source.address, source.run("cat /proc/sys/kernel/random/boot_id")
    # The file systems are whole when the guest has shut down; until then this is in its memory alone.
    source.run("echo late > /root/late")
    made = ec2.create_image(InstanceId=source.id, Name="rebooted")["ImageId"]
    try:
        ec2.get_waiter("image_available").wait(ImageIds=[made], WaiterConfig=SOON)
        assert wait_until(lambda: source.run("cat /proc/sys/kernel/random/boot_id") != boot, 90, "the restart")
        assert (source.address, source.run("cat /root/late")) == (address, "late\n")
        copy = launch(made)
        assert copy.run("cat /root/late") == "late\n"
        assert copy.run("dmesg | grep -c 'recovery complete' || true") == "0\n", "its file system was left in order"
    finally:
        snapshots = snapshots_of(ec2, made)
        ec2.deregister_image(ImageId=made)
        for snapshot in snapshots:
            ec2.delete_snapshot(SnapshotId=snapshot)


def test_a_snapshot_is_registered_and_an_image_is_copied_and_taken_back(ec2, image, launch):
    root, data = snapshots_of(ec2, image)
    devices = [{"DeviceName": "/dev/xvda", "Ebs": {"SnapshotId": root}}, {"DeviceName": "/dev/sdg", "Ebs": {"SnapshotId": data, "VolumeSize": 2}}]
    registered = ec2.register_image(Name="registered", Architecture="x86_64", RootDeviceName="/dev/xvda", VirtualizationType="hvm", BlockDeviceMappings=devices)["ImageId"]
    try:
        assert code(ec2.register_image, Name="registered", RootDeviceName="/dev/xvda", BlockDeviceMappings=devices) == "InvalidAMIName.Duplicate"
        guest = launch(registered)
        assert guest.run("cat /root/golden") == "golden\n"
        assert letters(guest, volume_at(guest, "/dev/sdg")) == "g"
        assert code(ec2.delete_snapshot, SnapshotId=root) == "InvalidSnapshot.InUse"
        copied = ec2.copy_image(SourceImageId=registered, SourceRegion=ec2.meta.region_name, Name="copied")["ImageId"]
    finally:
        ec2.deregister_image(ImageId=registered)
    assert code(ec2.describe_images, ImageIds=[registered]) == "InvalidAMIID.NotFound"
    assert guest.run("cat /root/golden") == "golden\n"
    assert launch(copied).run("cat /root/golden") == "golden\n"
    ec2.deregister_image(ImageId=copied, DeleteAssociatedSnapshots=True)
    # The name of one that was taken back is free.
    again = ec2.register_image(Name="registered", RootDeviceName="/dev/xvda", BlockDeviceMappings=devices[:1])["ImageId"]
    ec2.deregister_image(ImageId=again)


def test_an_image_is_shared_with_another_account(cloud, ec2, image):
    key, secret, number = cloud.account("images-other")
    other = cloud.client(key=key, secret=secret)
    assert code(other.describe_images, ImageIds=[image]) == "InvalidAMIID.NotFound"
    ec2.modify_image_attribute(ImageId=image, LaunchPermission={"Add": [{"UserId": number}]})
    assert ec2.describe_image_attribute(ImageId=image, Attribute="launchPermission")["LaunchPermissions"] == [{"UserId": number}]
    assert [found["ImageId"] for found in other.describe_images(ExecutableUsers=["self"])["Images"]] == [image]
    launched = other.run_instances(ImageId=image, InstanceType=TYPE, MinCount=1, MaxCount=1)["Instances"][0]["InstanceId"]
    other.get_waiter("instance_running").wait(InstanceIds=[launched], WaiterConfig=SOON)
    other.terminate_instances(InstanceIds=[launched])
    other.get_waiter("instance_terminated").wait(InstanceIds=[launched], WaiterConfig=SOON)
    assert code(other.deregister_image, ImageId=image) == "InvalidAMIID.NotFound"
    ec2.reset_image_attribute(ImageId=image, Attribute="launchPermission")
    assert code(other.run_instances, ImageId=image, InstanceType=TYPE, MinCount=1, MaxCount=1) == "InvalidAMIID.NotFound"
    ec2.modify_image_attribute(ImageId=image, Description={"Value": "other words"})
    assert ec2.describe_image_attribute(ImageId=image, Attribute="description")["Description"] == {"Value": "other words"}


def test_a_disabled_image_is_its_owners_alone_and_starts_nothing(cloud, ec2, image):
    key, secret, number = cloud.account("images-disabled")
    other = cloud.client(key=key, secret=secret)
    copied = ec2.copy_image(SourceImageId=image, SourceRegion=ec2.meta.region_name, Name="disabled")["ImageId"]
    try:
        ec2.modify_image_attribute(ImageId=copied, LaunchPermission={"Add": [{"UserId": number}]})
        assert code(ec2.enable_image, ImageId=copied) == "InvalidAMIID.Unavailable"
        assert ec2.disable_image(ImageId=copied)["Return"] is True
        assert code(other.describe_images, ImageIds=[copied], IncludeDisabled=True) == "InvalidAMIID.NotFound"
        assert ec2.describe_images(ImageIds=[copied])["Images"] == []
        (seen,) = ec2.describe_images(ImageIds=[copied], IncludeDisabled=True)["Images"]
        assert seen["State"] == "disabled"
        assert code(ec2.run_instances, ImageId=copied, InstanceType=TYPE, MinCount=1, MaxCount=1) == "InvalidAMIID.Unavailable"
        share = {"ImageId": copied, "LaunchPermission": {"Add": [{"UserId": number}]}}
        assert code(ec2.modify_image_attribute, **share) == "InvalidAMIID.Unavailable"
        assert code(ec2.delete_snapshot, SnapshotId=snapshots_of(ec2, image)[0]) == "InvalidSnapshot.InUse"
        assert ec2.enable_image(ImageId=copied)["Return"] is True
        assert code(ec2.run_instances, ImageId=copied, InstanceType=TYPE, MinCount=1, MaxCount=1, DryRun=True) == "DryRunOperation"
    finally:
        ec2.deregister_image(ImageId=copied)


def test_refusals(ec2, source, image):
    assert code(ec2.create_image, InstanceId=source.id, Name="golden") == "InvalidAMIName.Duplicate"
    assert code(ec2.create_image, InstanceId="i-00000000000000001", Name="other-x") == "InvalidInstanceID.NotFound"
    assert code(ec2.create_image, InstanceId=source.id, Name="other-y", DryRun=True) == "DryRunOperation"
    assert code(ec2.copy_image, SourceImageId=image, SourceRegion="elsewhere", Name="other-z") == "UnsupportedOperation"
    before = len(ec2.describe_snapshots(OwnerIds=["self"])["Snapshots"])
    with pytest.raises(botocore.exceptions.ClientError):
        ec2.create_image(InstanceId=source.id, Name="golden")
    assert len(ec2.describe_snapshots(OwnerIds=["self"])["Snapshots"]) == before
    wait_until(lambda: shown(ec2, image)["State"] == "available", 5, "the image as it was")


def test_images_through_ecs(cloud, ec2, source, launch):
    tenant = Alibaba(cloud, "", cloud.access_key, cloud.secret_key)
    _, _, number = cloud.account("images-ecs-other")

    def images(**parameters):
        return tenant.call("DescribeImages", **parameters)["Images"]["Image"]

    made = tenant.call("CreateImage", InstanceId=source.id, ImageName="by-ecs", Description="d")["ImageId"]
    wait_until(lambda: images(ImageId=made, Status="Available"), 90, "the image")
    (shown,) = images(ImageId=made, ImageOwnerAlias="self", Status="Creating,Available")
    assert (shown["ImageName"], shown["Description"], shown["Progress"], shown["IsPublic"]) == ("by-ecs", "d", "100%", False)
    assert {mapping["Type"] for mapping in shown["DiskDeviceMappings"]["DiskDeviceMapping"]} == {"system", "data"}
    assert launch(made).run("cat /root/golden") == "golden\n"
    tenant.call("ModifyImageAttribute", ImageId=made, ImageName="renamed", Description="e")
    tenant.call("ModifyImageSharePermission", ImageId=made, AddAccount__1=number)
    permissions = tenant.call("DescribeImageSharePermission", ImageId=made)
    assert [account["AliyunId"] for account in permissions["Accounts"]["Account"]] == [number]
    tenant.call("ModifyImageSharePermission", ImageId=made, RemoveAccount__1=number)
    copied = tenant.call("CopyImage", ImageId=made, DestinationImageName="copy", DestinationRegionId=cloud.region)["ImageId"]
    assert images(ImageId=copied)[0]["ImageName"] == "copy"
    root = snapshots_of(ec2, made)[0]
    assert tenant.refused("DeleteSnapshot", SnapshotId=root) == "SnapshotCreatedImage"
    again = tenant.call("CreateImage", SnapshotId=root, ImageName="of-snapshot")["ImageId"]
    snapshots = {snapshot for image in (made, copied) for snapshot in snapshots_of(ec2, image)}
    for image in (made, copied, again):
        tenant.call("DeleteImage", ImageId=image)
        assert images(ImageId=image) == []
    for snapshot in snapshots:
        tenant.call("DeleteSnapshot", SnapshotId=snapshot)


def test_images_through_cvm(cloud, ec2, source):
    tenant = Tencent(cloud, "", cloud.access_key, cloud.secret_key)
    _, _, number = cloud.account("images-cvm-other")
    data = "disk-" + volume_at(source, "/dev/sdf").removeprefix("vol-")
    instance = "ins-" + source.id.removeprefix("i-")
    made = tenant.call("CreateImage", ImageName="by-cvm", InstanceId=instance, DataDiskIds=[data], ImageDescription="d")["ImageId"]

    def state():
        return tenant.call("DescribeImages", ImageIds=[made])["ImageSet"][0]["ImageState"]

    assert state() in ("CREATING", "NORMAL")
    wait_until(lambda: state() == "NORMAL", 90, "the image")
    own = tenant.call("DescribeImages", Filters=[{"Name": "image-type", "Values": ["PRIVATE_IMAGE"]}, {"Name": "image-name", "Values": ["by-cvm"]}])
    assert [image["ImageId"] for image in own["ImageSet"]] == [made]
    parts = snapshots_of(ec2, "ami-" + made.removeprefix("img-"))
    shown = tenant.call("DescribeSnapshots", SnapshotIds=parts)["SnapshotSet"]
    assert len(shown) == 2 and all(one["ImageCount"] == 1 and one["Images"] == [{"ImageId": made, "ImageName": "by-cvm"}] for one in shown)
    tenant.call("ModifyImageAttribute", ImageId=made, ImageName="renamed", ImageDescription="e")
    tenant.call("ModifyImageSharePermission", ImageId=made, AccountIds=[number], Permission="SHARE")
    assert [entry["AccountId"] for entry in tenant.call("DescribeImageSharePermission", ImageId=made)["SharePermissionSet"]] == [number]
    tenant.call("ModifyImageSharePermission", ImageId=made, AccountIds=[number], Permission="CANCEL")
    tenant.call("DeleteImages", ImageIds=[made], DeleteBindedSnap=True)
    assert tenant.refused("DeleteImages", ImageIds=[made]) == "InvalidImageId.NotFound"
