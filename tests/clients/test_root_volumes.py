"""System disks replaced under instances that keep id, addresses and data disks: with boto3, Alibaba Cloud's SDK and Tencent Cloud's."""

import base64

import pytest

from conftest import private_key, ssh_group, wait_until
from test_cvm import Tenant as Tencent
from test_ecs import Tenant as Alibaba
from test_snapshots import completed, fill, letters, start, stop
from test_volumes import SOON, TYPE, ZONE, Guest, attach, detach, refused, remove, serial


@pytest.fixture(scope="module")
def key(ec2, tmp_path_factory):
    path = private_key(ec2, "roots", tmp_path_factory.mktemp("keys"))
    yield path
    ec2.delete_key_pair(KeyName="roots")


@pytest.fixture(scope="module")
def guest(cloud, ec2, key, shell):
    """An instance with a data disk and an elastic address."""
    group = ssh_group(ec2, "roots")
    data = [{"DeviceName": "/dev/sdf", "Ebs": {"VolumeSize": 1, "DeleteOnTermination": True}}]
    launch = dict(ImageId=cloud.image(), InstanceType=TYPE, MinCount=1, MaxCount=1, KeyName="roots", SecurityGroupIds=[group])
    launched = ec2.run_instances(**launch, Placement={"AvailabilityZone": ZONE}, BlockDeviceMappings=data)["Instances"][0]
    ids = [launched["InstanceId"]]
    ec2.get_waiter("instance_running").wait(InstanceIds=ids, WaiterConfig=SOON)
    address = ec2.allocate_address()["AllocationId"]
    ec2.associate_address(AllocationId=address, InstanceId=ids[0])
    guest = Guest(ec2, key, shell, ids[0])
    fill(guest, disks(guest)["/dev/sdf"], "d")
    yield guest
    ec2.terminate_instances(InstanceIds=ids)
    ec2.get_waiter("instance_terminated").wait(InstanceIds=ids, WaiterConfig=SOON)
    ec2.release_address(AllocationId=address)
    ec2.delete_security_group(GroupId=group)


@pytest.fixture
def image(ec2, guest):
    """An image of the instance as it is, with a file that tells it from others."""
    guest.run("echo golden > /root/golden; sync")
    made = ec2.create_image(InstanceId=guest.id, Name="roots", NoReboot=True)["ImageId"]
    ec2.get_waiter("image_available").wait(ImageIds=[made], WaiterConfig=SOON)
    snapshots = [device["Ebs"]["SnapshotId"] for device in ec2.describe_images(ImageIds=[made])["Images"][0]["BlockDeviceMappings"]]
    yield made
    ec2.deregister_image(ImageId=made)
    for snapshot in snapshots:
        ec2.delete_snapshot(SnapshotId=snapshot)


def instance(guest):
    return guest.ec2.describe_instances(InstanceIds=[guest.id])["Reservations"][0]["Instances"][0]


def disks(guest):
    return {disk["DeviceName"]: disk["Ebs"]["VolumeId"] for disk in instance(guest)["BlockDeviceMappings"]}


def lasting(guest):
    """What stays whatever the system disk is, the bytes of the data disk included."""
    now = instance(guest)
    names = ("InstanceId", "PrivateIpAddress", "PublicIpAddress", "VpcId", "SubnetId")
    interfaces = [(one["NetworkInterfaceId"], one["MacAddress"]) for one in now["NetworkInterfaces"]]
    data = disks(guest)["/dev/sdf"]
    return [now[name] for name in names], interfaces, data, letters(guest, data)


def host_key(guest):
    return guest.run("cat /run/pileus/host-key | grep ^ssh-")


def has(guest, path):
    return guest.run(f"test -e {path} && echo yes || echo no") == "yes\n"


def mark(guest, path):
    guest.run(f"touch {path}; sync")


def replaced(ec2, guest, **how):
    """Replaces the system disk of the running guest and waits for the end of the task."""
    task = ec2.create_replace_root_volume_task(InstanceId=guest.id, **how)["ReplaceRootVolumeTask"]
    assert task["TaskState"] in ("pending", "in-progress"), task
    return ended(ec2, task["ReplaceRootVolumeTaskId"])


def ended(ec2, id):
    def state():
        return ec2.describe_replace_root_volume_tasks(ReplaceRootVolumeTaskIds=[id])["ReplaceRootVolumeTasks"][0]

    wait_until(lambda: state()["TaskState"] not in ("pending", "in-progress"), 90, "the end of the task")
    assert state()["TaskState"] == "succeeded", state()
    return state()


def test_a_running_guest_starts_anew_from_its_launch_state(ec2, guest):
    before, old_key, old = lasting(guest), host_key(guest), disks(guest)["/dev/xvda"]
    mark(guest, "/root/mine")
    task = replaced(ec2, guest, TagSpecifications=[{"ResourceType": "replace-root-volume-task", "Tags": [{"Key": "why", "Value": "trial"}]}])
    assert task["Tags"] == [{"Key": "why", "Value": "trial"}] and task["CompleteTime"] >= task["StartTime"]
    assert lasting(guest) == before
    assert host_key(guest) != old_key and not has(guest, "/root/mine")
    new = disks(guest)["/dev/xvda"]
    assert new != old and serial(new) in guest.disks() and serial(old) not in guest.disks()
    # The old one is there with what was on it.
    kept = ec2.describe_volumes(VolumeIds=[old])["Volumes"][0]
    assert (kept["State"], kept["Attachments"]) == ("available", [])
    attach(ec2, guest, old, "/dev/sdp")
    wait_until(lambda: serial(old) in guest.disks(), 60, "the old disk in the guest")
    part = guest.device(old)
    assert guest.run(f"mkdir -p /mnt/old; for d in {part}1 {part}; do mount -o ro $d /mnt/old 2>/dev/null && break; done; ls /mnt/old/root/mine; umount /mnt/old") == "/mnt/old/root/mine\n"
    detach(ec2, old)
    remove(ec2, old)


def test_a_snapshot_and_an_image_take_the_place_too_and_the_old_disk_goes(cloud, ec2, guest, image):
    before = lasting(guest)
    first = disks(guest)["/dev/xvda"]
    mark(guest, "/root/at-snapshot")
    snapshot = ec2.create_snapshot(VolumeId=first)["SnapshotId"]
    other = ec2.create_snapshot(VolumeId=disks(guest)["/dev/sdf"])["SnapshotId"]
    try:
        completed(ec2, snapshot, other)
        mark(guest, "/root/after-snapshot")
        assert refused(ec2.create_replace_root_volume_task, InstanceId=guest.id, SnapshotId=other) == "InvalidParameterValue"
        assert refused(ec2.create_replace_root_volume_task, InstanceId=guest.id, DryRun=True) == "DryRunOperation"
        replaced(ec2, guest, SnapshotId=snapshot, DeleteReplacedRootVolume=True)
        assert has(guest, "/root/at-snapshot") and not has(guest, "/root/after-snapshot")
        assert lasting(guest) == before
        ec2.get_waiter("volume_deleted").wait(VolumeIds=[first], WaiterConfig=SOON)
        token = "roots-once"
        again = dict(InstanceId=guest.id, ImageId=image, DeleteReplacedRootVolume=True, ClientToken=token)
        task = ec2.create_replace_root_volume_task(**again)["ReplaceRootVolumeTask"]["ReplaceRootVolumeTaskId"]
        assert ec2.create_replace_root_volume_task(**again)["ReplaceRootVolumeTask"]["ReplaceRootVolumeTaskId"] == task
        # A second one waits for the first.
        assert refused(ec2.create_replace_root_volume_task, InstanceId=guest.id) == "IncorrectInstanceState"
        ended(ec2, task)
        assert has(guest, "/root/golden") and lasting(guest) == before
        assert instance(guest)["ImageId"] == image
        # A disk that was replaced is still the instance's past.
        replaced(ec2, guest, SnapshotId=snapshot, DeleteReplacedRootVolume=True)
        replaced(ec2, guest, ImageId=cloud.image(), DeleteReplacedRootVolume=True)
        assert not has(guest, "/root/golden") and lasting(guest) == before
    finally:
        for id in (snapshot, other):
            ec2.delete_snapshot(SnapshotId=id)


def test_a_killed_pileus_goes_on_where_it_was(cloud, ec2, guest):
    before, old = lasting(guest), disks(guest)["/dev/xvda"]
    mark(guest, "/root/mine")
    task = ec2.create_replace_root_volume_task(InstanceId=guest.id, DeleteReplacedRootVolume=True)["ReplaceRootVolumeTask"]
    cloud.kill()
    cloud.start()
    ended(ec2, task["ReplaceRootVolumeTaskId"])
    assert lasting(guest) == before and not has(guest, "/root/mine")
    ec2.get_waiter("volume_deleted").wait(VolumeIds=[old], WaiterConfig=SOON)


def test_the_same_through_alibaba_clouds_sdk(cloud, ec2, guest, image):
    tenant = Alibaba(cloud, "", cloud.access_key, cloud.secret_key)
    before, old = lasting(guest), disks(guest)["/dev/xvda"]
    assert tenant.refused("ReplaceSystemDisk", InstanceId=guest.id, ImageId=image) == "IncorrectInstanceStatus"
    assert tenant.refused("ReInitDisk", DiskId=old) == "IncorrectInstanceStatus"
    stop(ec2, guest)
    assert tenant.refused("ReplaceSystemDisk", InstanceId=guest.id, ImageId="ami-00000000000000001") == "InvalidImageId.NotFound"
    size = ec2.describe_volumes(VolumeIds=[old])["Volumes"][0]["Size"]
    new = tenant.call("ReplaceSystemDisk", InstanceId=guest.id, ImageId=image, SystemDisk__Size=size + 2, Password="Another-pass1")["DiskId"]
    assert new != old and disks(guest)["/dev/xvda"] == new
    ec2.get_waiter("volume_deleted").wait(VolumeIds=[old], WaiterConfig=SOON)
    start(ec2, guest)
    assert has(guest, "/root/golden") and lasting(guest) == before
    assert guest.disks()[serial(new)][1] == (size + 2) << 30
    assert guest.run("grep -c '^root:\\$' /etc/shadow") == "1\n"
    # Both disks as they were at first; the data disk of nothing is empty.
    mark(guest, "/root/mine")
    stop(ec2, guest)
    tenant.call("ReInitDisk", DiskId=disks(guest)["/dev/sdf"])
    tenant.call("ReInitDisk", DiskId=new, KeyPairName="roots", AutoStartInstance=True)
    ec2.get_waiter("instance_running").wait(InstanceIds=[guest.id], WaiterConfig=SOON)
    assert disks(guest)["/dev/xvda"] == new and has(guest, "/root/golden") and not has(guest, "/root/mine")
    assert guest.run(f"head -c 4 {guest.device(before[2])} | od -An -tx1").split() == ["00"] * 4
    fill(guest, before[2], "d")
    assert lasting(guest) == before


def test_the_same_through_tencent_clouds_sdk(cloud, ec2, guest, image):
    tenant = Tencent(cloud, "", cloud.access_key, cloud.secret_key)
    id = "ins-" + guest.id.removeprefix("i-")
    before, root, old_key = lasting(guest), disks(guest)["/dev/xvda"], host_key(guest)
    mark(guest, "/root/mine")
    script = base64.b64encode(b"#!/bin/sh\necho anew > /root/user-data-ran\n").decode()
    tenant.call("ResetInstance", InstanceId=id, ImageId="img-" + cloud.image().removeprefix("ami-"), HostName="anew", UserData=script)
    wait_until(lambda: not has(guest, "/root/mine"), 90, "the new system")
    assert lasting(guest) == before and disks(guest)["/dev/xvda"] == root
    assert host_key(guest) != old_key and guest.run("hostname") == "anew\n"
    wait_until(lambda: has(guest, "/root/user-data-ran"), 60, "the user data")
    # A stopped one stays so, and starts from the other image.
    stop(ec2, guest)
    assert tenant.refused("ResetInstance", InstanceId=id, SystemDisk={"DiskSize": 0}) == "InvalidParameterValue.Range"
    size = ec2.describe_volumes(VolumeIds=[root])["Volumes"][0]["Size"] + 1
    tenant.call("ResetInstance", InstanceId=id, ImageId="img-" + image.removeprefix("ami-"), SystemDisk={"DiskSize": size})
    start(ec2, guest)
    assert has(guest, "/root/golden") and guest.disks()[serial(root)][1] == size << 30 and lasting(guest) == before


def test_data_disks_become_what_they_were_at_first(cloud, ec2, guest):
    tenant = Tencent(cloud, "", cloud.access_key, cloud.secret_key)
    data = disks(guest)["/dev/sdf"]
    snapshot = ec2.create_snapshot(VolumeId=data)["SnapshotId"]
    completed(ec2, snapshot)
    made = [ec2.create_volume(AvailabilityZone=ZONE, **of)["VolumeId"] for of in ({"Size": 1}, {"SnapshotId": snapshot})]
    ids = ["disk-" + id.removeprefix("vol-") for id in made]
    try:
        ec2.get_waiter("volume_available").wait(VolumeIds=made, WaiterConfig=SOON)
        for id, device in zip(made, ("/dev/sdg", "/dev/sdh")):
            attach(ec2, guest, id, device)
            wait_until(lambda: serial(id) in guest.disks(), 60, "the disk in the guest")
            fill(guest, id, "w")
        assert tenant.refused("InitializeDisks", DiskIds=ids) == "InvalidDisk.Busy"
        for id in made:
            detach(ec2, id)
        tenant.call("InitializeDisks", DiskIds=ids)
        for id, device in zip(made, ("/dev/sdg", "/dev/sdh")):
            attach(ec2, guest, id, device)
            wait_until(lambda: serial(id) in guest.disks(), 60, "the disk in the guest")
        assert guest.run(f"head -c 4 {guest.device(made[0])} | od -An -tx1").split() == ["00"] * 4
        assert letters(guest, made[1]) == "d"
    finally:
        for id in made:
            remove(ec2, id)
        ec2.delete_snapshot(SnapshotId=snapshot)
