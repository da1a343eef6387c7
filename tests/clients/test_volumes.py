"""Disks in real guests: what is written stays, whoever attaches, grows, stops, kills. With boto3 and with Alibaba Cloud's SDK."""

import json

import botocore.exceptions
import pytest

from conftest import private_key, ssh_group, wait_until
from test_cvm import Tenant as Tencent
from test_ecs import Tenant

TYPE = "t2.nano"
ZONE = "local-1a"
SOON = {"Delay": 1, "MaxAttempts": 90}
GIB = 1 << 30


class Guest:
    """A running instance and a shell in it."""

    def __init__(self, ec2, key_file, shell, id):
        self.ec2, self.key_file, self.shell, self.id = ec2, key_file, shell, id

    @property
    def address(self):
        return self.ec2.describe_instances(InstanceIds=[self.id])["Reservations"][0]["Instances"][0]["PublicIpAddress"]

    def run(self, command):
        """What a command prints in the guest."""
        done = self.shell(self.address, self.key_file, command)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout

    def disks(self):
        """The guest's disks by their serial number: kernel's name and size in bytes."""
        listed = self.run("cd /sys/block; for d in vd*; do echo $d $(cat $d/serial) $(cat $d/size); done")
        return {serial: (name, int(sectors) * 512) for name, serial, sectors in map(str.split, listed.splitlines())}

    def device(self, volume):
        """The disk's device, as soon as the guest's kernel has seen it: QEMU has plugged it in a moment before."""
        return f"/dev/{wait_until(lambda: self.disks().get(serial(volume)), 30, f'{volume} in the guest')[0]}"


def serial(volume):
    return volume.replace("-", "")


@pytest.fixture(scope="module")
def key(ec2, tmp_path_factory):
    path = private_key(ec2, "volumes", tmp_path_factory.mktemp("keys"))
    yield path
    ec2.delete_key_pair(KeyName="volumes")


@pytest.fixture(scope="module")
def group(ec2):
    group = ssh_group(ec2, "volumes")
    yield group
    ec2.delete_security_group(GroupId=group)


@pytest.fixture(scope="module")
def guests(cloud, ec2, key, group, shell):
    """Two instances; the first is launched with a data disk."""
    launch = dict(ImageId=cloud.image(), InstanceType=TYPE, MinCount=1, MaxCount=1, KeyName="volumes", SecurityGroupIds=[group])
    place = {"Placement": {"AvailabilityZone": ZONE}}
    data = [{"DeviceName": "/dev/sdf", "Ebs": {"VolumeSize": 3, "VolumeType": "gp2", "DeleteOnTermination": True}}]
    ids = [ec2.run_instances(**launch, **place, **more)["Instances"][0]["InstanceId"] for more in ({"BlockDeviceMappings": data}, {})]
    try:
        ec2.get_waiter("instance_running").wait(InstanceIds=ids, WaiterConfig=SOON)
        yield [Guest(ec2, key, shell, id) for id in ids]
    finally:
        ec2.terminate_instances(InstanceIds=ids)
        ec2.get_waiter("instance_terminated").wait(InstanceIds=ids, WaiterConfig=SOON)


@pytest.fixture(scope="module")
def ecs(cloud):
    """The same account through Alibaba Cloud's SDK."""
    return Tenant(cloud, "", cloud.access_key, cloud.secret_key)


@pytest.fixture
def volume(ec2):
    """An available volume, which is gone afterwards wherever it is then."""
    id = ec2.create_volume(AvailabilityZone=ZONE, Size=1, VolumeType="gp3")["VolumeId"]
    ec2.get_waiter("volume_available").wait(VolumeIds=[id], WaiterConfig=SOON)
    yield id
    remove(ec2, id)


def remove(ec2, id):
    found = ec2.describe_volumes(Filters=[{"Name": "volume-id", "Values": [id]}])["Volumes"]
    if found and found[0]["Attachments"]:
        detach(ec2, id, Force=True)
    if found and found[0]["State"] != "deleting":
        ec2.delete_volume(VolumeId=id)
        ec2.get_waiter("volume_deleted").wait(VolumeIds=[id], WaiterConfig=SOON)


def attach(ec2, guest, volume, device="/dev/sdg"):
    ec2.attach_volume(VolumeId=volume, InstanceId=guest.id, Device=device)
    ec2.get_waiter("volume_in_use").wait(VolumeIds=[volume], WaiterConfig=SOON)


def detach(ec2, volume, **more):
    ec2.detach_volume(VolumeId=volume, **more)
    ec2.get_waiter("volume_available").wait(VolumeIds=[volume], WaiterConfig=SOON)


def shown(ec2, volume):
    return ec2.describe_volumes(VolumeIds=[volume])["Volumes"][0]


def attached(ec2, volume):
    states = [attachment["State"] for attachment in shown(ec2, volume)["Attachments"]]
    return states == ["attached"]


def refused(call, **parameters):
    with pytest.raises(botocore.exceptions.ClientError) as error:
        call(**parameters)
    return error.value.response["Error"]["Code"]


def write(guest, device, text):
    """Writes a text to the start and near the end of the first GiB of a disk."""
    guest.run(f"printf %s '{text}' | dd of={device} bs=512 conv=sync 2>/dev/null; printf %s '{text}' | dd of={device} bs=1M seek=1023 conv=sync 2>/dev/null; sync")


def read(guest, device, length):
    guest.run("echo 3 > /proc/sys/vm/drop_caches")
    return [guest.run(f"dd if={device} bs={size} skip={at} count=1 2>/dev/null | head -c {length}") for size, at in (("512", 0), ("1M", 1023))]


def test_a_launch_brings_its_data_disk(ec2, guests):
    instance = ec2.describe_instances(InstanceIds=[guests[0].id])["Reservations"][0]["Instances"][0]
    devices = {device["DeviceName"]: device["Ebs"] for device in instance["BlockDeviceMappings"]}
    assert set(devices) == {"/dev/xvda", "/dev/sdf"}
    data = devices["/dev/sdf"]["VolumeId"]
    assert guests[0].disks()[serial(data)][1] == 3 * GIB
    assert (shown(ec2, data)["VolumeType"], devices["/dev/sdf"]["DeleteOnTermination"]) == ("gp2", True)


def test_data_survives_detaching_and_attaching_elsewhere(ec2, guests, volume, until):
    first, second = guests
    assert refused(ec2.detach_volume, VolumeId=volume) == "IncorrectState"
    attach(ec2, first, volume)
    until(lambda: attached(ec2, volume), 30, "the attachment")
    until(lambda: serial(volume) in first.disks(), 30, "the disk in the guest")
    write(first, first.device(volume), "written by the first")
    assert refused(ec2.attach_volume, VolumeId=volume, InstanceId=second.id, Device="/dev/sdg") == "VolumeInUse"
    assert refused(ec2.delete_volume, VolumeId=volume) == "VolumeInUse"
    detach(ec2, volume, InstanceId=first.id, Device="/dev/sdg")
    assert serial(volume) not in first.disks()
    attach(ec2, second, volume)
    until(lambda: serial(volume) in second.disks(), 30, "the disk in the other guest")
    assert read(second, second.device(volume), 20) == ["written by the first"] * 2
    detach(ec2, volume)


def test_a_stopped_instance_gets_a_disk_and_keeps_it_through_stop_and_start(ec2, guests, volume, until):
    guest = guests[1]
    ec2.stop_instances(InstanceIds=[guest.id])
    ec2.get_waiter("instance_stopped").wait(InstanceIds=[guest.id], WaiterConfig=SOON)
    attach(ec2, guest, volume)
    until(lambda: attached(ec2, volume), 30, "the attachment")
    ec2.start_instances(InstanceIds=[guest.id])
    ec2.get_waiter("instance_running").wait(InstanceIds=[guest.id], WaiterConfig=SOON)
    write(guest, guest.device(volume), "kept")
    ec2.stop_instances(InstanceIds=[guest.id])
    ec2.get_waiter("instance_stopped").wait(InstanceIds=[guest.id], WaiterConfig=SOON)
    ec2.start_instances(InstanceIds=[guest.id])
    ec2.get_waiter("instance_running").wait(InstanceIds=[guest.id], WaiterConfig=SOON)
    assert read(guest, guest.device(volume), 4) == ["kept"] * 2
    detach(ec2, volume)


def test_killing_pileus_loses_neither_disk_nor_data_nor_wishes(cloud, ec2, guests, volume, until):
    guest = guests[0]
    attach(ec2, guest, volume)
    until(lambda: attached(ec2, volume), 30, "the attachment")
    write(guest, guest.device(volume), "before the kill")
    cloud.kill()
    cloud.start()
    fresh = cloud.client()
    assert read(guest, guest.device(volume), 15) == ["before the kill"] * 2
    assert attached(fresh, volume)
    fresh.detach_volume(VolumeId=volume)
    cloud.kill()
    cloud.start()
    cloud.client().get_waiter("volume_available").wait(VolumeIds=[volume], WaiterConfig=SOON)
    assert serial(volume) not in guest.disks()


def test_disks_grow_under_a_running_guest(ec2, guests, volume, until):
    guest = guests[0]
    attach(ec2, guest, volume)
    until(lambda: attached(ec2, volume), 30, "the attachment")
    write(guest, guest.device(volume), "small")
    instance = ec2.describe_instances(InstanceIds=[guest.id])["Reservations"][0]["Instances"][0]
    root = next(d["Ebs"]["VolumeId"] for d in instance["BlockDeviceMappings"] if d["DeviceName"] == "/dev/xvda")
    for id, size in ((volume, 2), (root, 6)):
        modification = ec2.modify_volume(VolumeId=id, Size=size)["VolumeModification"]
        assert modification["TargetSize"] == size
        done = lambda: ec2.describe_volumes_modifications(VolumeIds=[id])["VolumesModifications"][0]["ModificationState"] == "completed"
        until(done, 30, "the growth")
        until(lambda: guest.disks()[serial(id)][1] == size * GIB, 30, "the new size in the guest")
    assert read(guest, guest.device(volume), 5) == ["small"] * 2
    assert refused(ec2.modify_volume, VolumeId=volume, Size=1) == "InvalidParameterValue"
    detach(ec2, volume)


def test_force_frees_a_disk_that_is_in_use_in_the_guest(ec2, guests, volume, until):
    first, second = guests
    attach(ec2, first, volume)
    until(lambda: attached(ec2, volume), 30, "the attachment")
    write(first, first.device(volume), "taken")
    detach(ec2, volume, Force=True)
    attach(ec2, second, volume)
    until(lambda: serial(volume) in second.disks(), 30, "the disk in the other guest")
    assert read(second, second.device(volume), 5) == ["taken"] * 2
    assert first.run("echo alive") == "alive\n"
    detach(ec2, volume)


def test_sixteen_disks_at_once(ec2, guests, until):
    guest = guests[0]
    volumes = [ec2.create_volume(AvailabilityZone=ZONE, Size=1, VolumeType="gp3")["VolumeId"] for _ in range(16)]
    try:
        ec2.get_waiter("volume_available").wait(VolumeIds=volumes, WaiterConfig=SOON)
        for at, id in enumerate(volumes):
            ec2.attach_volume(VolumeId=id, InstanceId=guest.id, Device=f"/dev/sd{chr(ord('h') + at)}")
        until(lambda: {serial(id) for id in volumes} <= set(guest.disks()), 60, "sixteen disks in the guest")
        page = ec2.describe_volumes(Filters=[{"Name": "attachment.instance-id", "Values": [guest.id]}], MaxResults=10)
        assert len(page["Volumes"]) == 10 and page["NextToken"]
        for id in volumes:
            ec2.detach_volume(VolumeId=id)
        ec2.get_waiter("volume_available").wait(VolumeIds=volumes, WaiterConfig=SOON)
        assert not {serial(id) for id in volumes} & set(guest.disks())
    finally:
        for id in volumes:
            remove(ec2, id)


def test_the_same_through_alibaba_clouds_sdk(ec2, ecs, guests, until):
    guest = guests[1]
    named = {"DiskName": "scratch", "Description": "of the test", "Tag.1.Key": "use", "Tag.1.Value": "test"}
    id = ecs.call("CreateDisk", ZoneId=ZONE, Size=1, DiskCategory="cloud_efficiency", ClientToken="once", **named)["DiskId"]
    assert ecs.call("CreateDisk", ZoneId=ZONE, Size=1, DiskCategory="cloud_efficiency", ClientToken="once", **named)["DiskId"] == id

    def disk(**filters):
        found = ecs.call("DescribeDisks", DiskIds=json.dumps([id]), **filters)["Disks"]["Disk"]
        return found[0] if found else None

    try:
        until(lambda: disk(Status="Available"), 30, "the disk")
        assert (disk()["DiskName"], disk()["Category"], disk()["Type"], disk()["Portable"]) == ("scratch", "cloud_efficiency", "data", True)
        assert ecs.refused("AttachDisk", DiskId=id, InstanceId="i-00000000000000001") == "InvalidInstanceId.NotFound"
        ecs.call("AttachDisk", DiskId=id, InstanceId=guest.id, DeleteWithInstance="true")
        until(lambda: disk(Status="In_use"), 30, "the attachment")
        assert (disk()["InstanceId"], disk()["DeleteWithInstance"]) == (guest.id, True)
        assert disk()["SerialNumber"] in guest.disks()
        write(guest, guest.device(id), "through ECS")
        assert ecs.refused("DeleteDisk", DiskId=id) == "IncorrectDiskStatus"
        ecs.call("ResizeDisk", DiskId=id, NewSize=2, Type="online")
        until(lambda: guest.disks()[serial(id)][1] == 2 * GIB, 30, "the new size in the guest")
        ecs.call("ModifyDiskAttribute", DiskId=id, DiskName="renamed", DeleteWithInstance="false")
        assert (disk()["DiskName"], disk()["DeleteWithInstance"]) == ("renamed", False)
        assert shown(ec2, id)["Attachments"][0]["DeleteOnTermination"] is False, "EC2 sees the same"
        assert read(guest, guest.device(id), 11) == ["through ECS"] * 2
        ecs.call("DetachDisk", DiskId=id, InstanceId=guest.id)
        until(lambda: disk(Status="Available"), 60, "the release")
        assert ecs.refused("DetachDisk", DiskId=id, InstanceId=guest.id) == "IncorrectDiskStatus"
        ecs.call("DeleteDisk", DiskId=id)
        until(lambda: disk() is None, 30, "the end of the disk")
        assert ecs.refused("DeleteDisk", DiskId=id) == "InvalidDiskId.NotFound"
    finally:
        remove(ec2, id)


def test_disks_of_other_zones_and_accounts_are_out_of_reach(cloud, ec2, guests, volume):
    elsewhere = ec2.create_volume(AvailabilityZone="local-1b", Size=1)["VolumeId"]
    try:
        ec2.get_waiter("volume_available").wait(VolumeIds=[elsewhere], WaiterConfig=SOON)
        assert refused(ec2.attach_volume, VolumeId=elsewhere, InstanceId=guests[0].id, Device="/dev/sdg") == "InvalidVolume.ZoneMismatch"
    finally:
        remove(ec2, elsewhere)
    key, secret, _ = cloud.account("volume-stranger")
    stranger = cloud.client(key=key, secret=secret)
    for call, more in ((stranger.delete_volume, {}), (stranger.detach_volume, {}), (stranger.modify_volume, {"Size": 2})):
        assert refused(call, VolumeId=volume, **more) == "InvalidVolume.NotFound"
    assert stranger.describe_volumes()["Volumes"] == []


def pace(guest, device, reads=150):
    """How many reads of 4 KiB a guest does in a second, one after the other and past its cache."""
    took = guest.run(f"s=$(cut -d' ' -f1 /proc/uptime); dd if={device} of=/dev/null bs=4k count={reads} iflag=direct 2>/dev/null; e=$(cut -d' ' -f1 /proc/uptime); echo $s $e")
    start, end = map(float, took.split())
    return reads / max(end - start, 0.01)


def test_a_disk_is_as_fast_as_it_is_sold_and_another_speed_counts_at_once(ec2, ecs, guests, until):
    """A guest under emulation does more than 400 reads a second when nothing holds it; 100 and 30,000 tell apart what is sold."""
    guest = guests[0]
    id = ec2.create_volume(AvailabilityZone=ZONE, Size=4, VolumeType="io1", Iops=100)["VolumeId"]
    try:
        ec2.get_waiter("volume_available").wait(VolumeIds=[id], WaiterConfig=SOON)
        assert shown(ec2, id)["Iops"] == 100
        attach(ec2, guest, id)
        until(lambda: attached(ec2, id), 30, "the attachment")
        device = guest.device(id)
        assert 60 < pace(guest, device) < 180
        change = ec2.modify_volume(VolumeId=id, VolumeType="gp3", Iops=4000, Throughput=200, Size=8)["VolumeModification"]
        assert (change["OriginalIops"], change["TargetIops"], change["TargetThroughput"], change["TargetSize"]) == (100, 4000, 200, 8)
        state = lambda: ec2.describe_volumes_modifications(VolumeIds=[id])["VolumesModifications"][0]["ModificationState"]
        until(lambda: state() == "completed", 30, "the change")
        assert pace(guest, device, 600) > 250
        until(lambda: guest.disks()[serial(id)][1] == 8 * GIB, 30, "the new size in the guest")
        ecs.call("ModifyDiskSpec", DiskId=id, DiskCategory="cloud_auto", ProvisionedIops=100)
        until(lambda: state() == "completed", 30, "the change")
        disk = ecs.call("DescribeDisks", DiskIds=json.dumps([id]))["Disks"]["Disk"][0]
        assert (disk["Category"], disk["ProvisionedIops"], disk["IOPS"]) == ("cloud_auto", 100, 1800 + 50 * 8 + 100)
        assert ecs.refused("ModifyDiskSpec", DiskId=id, DiskCategory="cloud_essd", PerformanceLevel="PL3") == "InvalidDiskSize.NotSupported"
        assert refused(ec2.modify_volume, VolumeId=id, VolumeType="st1") == "InvalidParameterValue"
        assert refused(ec2.modify_volume, VolumeId=id, VolumeType="gp2", Iops=200) == "InvalidParameterCombination"
    finally:
        remove(ec2, id)


def test_the_speed_survives_a_stop_and_a_killed_pileus(cloud, ec2, guests, until):
    guest = guests[0]
    id = ec2.create_volume(AvailabilityZone=ZONE, Size=4, VolumeType="io2", Iops=100)["VolumeId"]
    try:
        ec2.get_waiter("volume_available").wait(VolumeIds=[id], WaiterConfig=SOON)
        attach(ec2, guest, id)
        until(lambda: attached(ec2, id), 30, "the attachment")
        cloud.kill()
        cloud.start()
        assert 60 < pace(guest, guest.device(id)) < 180
        ec2.stop_instances(InstanceIds=[guest.id], Force=True)
        ec2.get_waiter("instance_stopped").wait(InstanceIds=[guest.id], WaiterConfig=SOON)
        ec2.start_instances(InstanceIds=[guest.id])
        ec2.get_waiter("instance_running").wait(InstanceIds=[guest.id], WaiterConfig=SOON)
        assert 60 < pace(guest, guest.device(id)) < 180
    finally:
        remove(ec2, id)


def test_the_speed_is_chosen_through_tencent_clouds_sdk(cloud, ec2, ecs, until):
    tencent = Tencent(cloud, "", cloud.access_key, cloud.secret_key)
    made = tencent.call("CreateDisks", Placement={"Zone": ZONE}, DiskType="CLOUD_SSD", DiskSize=20, DiskChargeType="POSTPAID_BY_HOUR")
    [id] = made["DiskIdSet"]
    volume = "vol-" + id.removeprefix("disk-")
    disk = lambda: tencent.call("DescribeDisks", DiskIds=[id])["DiskSet"][0]
    figures = lambda: [ecs.call("DescribeDisks", DiskIds=json.dumps([volume]))["Disks"]["Disk"][0][name] for name in ("IOPS", "Throughput")]
    try:
        until(lambda: disk()["DiskState"] == "UNATTACHED", 30, "the disk")
        assert (disk()["DiskType"], figures()) == ("CLOUD_SSD", [1800 + 30 * 20, 124])
        tencent.call("ModifyDiskAttributes", DiskIds=[id], DiskType="CLOUD_HSSD")
        assert (disk()["DiskType"], figures()) == ("CLOUD_HSSD", [1800 + 50 * 20, 130])
        assert tencent.refused("ModifyDiskExtraPerformance", DiskId=id, ThroughputPerformance=100).startswith("InvalidParameter")
        tencent.call("ResizeDisk", DiskId=id, DiskSize=500)
        until(lambda: ec2.describe_volumes_modifications(VolumeIds=[volume])["VolumesModifications"][0]["ModificationState"] == "completed", 30, "the growth")
        tencent.call("ModifyDiskExtraPerformance", DiskId=id, ThroughputPerformance=100)
        assert (disk()["ThroughputPerformance"], figures()) == (100, [1800 + 50 * 500 + 128 * 100, 450])
    finally:
        remove(ec2, volume)


def test_what_is_not_sold_is_refused(ec2):
    new = {"AvailabilityZone": ZONE, "Size": 10}
    assert refused(ec2.create_volume, **new, VolumeType="io1") == "MissingParameter"
    assert refused(ec2.create_volume, **new, VolumeType="io1", Iops=501) == "InvalidParameterValue"
    assert refused(ec2.create_volume, **new, VolumeType="st1") == "InvalidParameterValue"
    assert refused(ec2.create_volume, **new, VolumeType="gp2", Iops=300) == "InvalidParameterCombination"
    assert refused(ec2.create_volume, **new, VolumeType="gp3", Throughput=751) == "InvalidParameterValue"
    assert refused(ec2.create_volume, AvailabilityZone=ZONE, Size=16384) in ("InsufficientVolumeCapacity", "VolumeLimitExceeded")
