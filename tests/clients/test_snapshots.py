"""Snapshots of disks in real guests: what was there at an instant is there again, whoever makes a disk of it."""

import botocore.exceptions
import pytest

from conftest import private_key, ssh_group, wait_until
from test_cvm import Tenant as Tencent
from test_ecs import Tenant as Alibaba
from test_native import Native
from test_volumes import SOON, TYPE, ZONE, Guest, detach, remove, serial
from test_volumes import attach as begin_to_attach

MIB = 1 << 20


@pytest.fixture(scope="module")
def key(ec2, tmp_path_factory):
    path = private_key(ec2, "snapshots", tmp_path_factory.mktemp("keys"))
    yield path
    ec2.delete_key_pair(KeyName="snapshots")


@pytest.fixture(scope="module")
def group(ec2):
    group = ssh_group(ec2, "snapshots")
    yield group
    ec2.delete_security_group(GroupId=group)


@pytest.fixture(scope="module")
def guests(cloud, ec2, key, group, shell):
    """Two instances; the first is launched with a data disk."""
    launch = dict(ImageId=cloud.image(), InstanceType=TYPE, MinCount=1, MaxCount=1, KeyName="snapshots", SecurityGroupIds=[group])
    place = {"Placement": {"AvailabilityZone": ZONE}}
    data = [{"DeviceName": "/dev/sdf", "Ebs": {"VolumeSize": 2, "DeleteOnTermination": True}}]
    ids = [ec2.run_instances(**launch, **place, **more)["Instances"][0]["InstanceId"] for more in ({"BlockDeviceMappings": data}, {})]
    try:
        ec2.get_waiter("instance_running").wait(InstanceIds=ids, WaiterConfig=SOON)
        yield [Guest(ec2, key, shell, id) for id in ids]
    finally:
        ec2.terminate_instances(InstanceIds=ids)
        ec2.get_waiter("instance_terminated").wait(InstanceIds=ids, WaiterConfig=SOON)


@pytest.fixture
def made(ec2):
    """Snapshots and volumes of a test, which are gone afterwards."""
    ids = []
    yield ids
    for id in reversed(ids):
        if id.startswith("vol-"):
            remove(ec2, id)
        elif ec2.describe_snapshots(Filters=[{"Name": "snapshot-id", "Values": [id]}])["Snapshots"]:
            ec2.delete_snapshot(SnapshotId=id)


def completed(ec2, *ids):
    ec2.get_waiter("snapshot_completed").wait(SnapshotIds=list(ids), WaiterConfig=SOON)
    return ec2.describe_snapshots(SnapshotIds=list(ids))["Snapshots"]


def data_volume(ec2, guest):
    mapped = ec2.describe_instances(InstanceIds=[guest.id])["Reservations"][0]["Instances"][0]["BlockDeviceMappings"]
    return next(disk["Ebs"]["VolumeId"] for disk in mapped if disk["DeviceName"] == "/dev/sdf")


def attach(ec2, guest, volume, device="/dev/sdg"):
    """Attaches a disk and waits until the guest has it."""
    begin_to_attach(ec2, guest, volume, device)
    wait_until(lambda: serial(volume) in guest.disks(), 60, "the disk in the guest")


def stop(ec2, guest):
    ec2.stop_instances(InstanceIds=[guest.id])
    ec2.get_waiter("instance_stopped").wait(InstanceIds=[guest.id], WaiterConfig=SOON)


def start(ec2, guest):
    ec2.start_instances(InstanceIds=[guest.id])
    ec2.get_waiter("instance_running").wait(InstanceIds=[guest.id], WaiterConfig=SOON)


def code(call, **arguments):
    with pytest.raises(botocore.exceptions.ClientError) as refused:
        call(**arguments)
    return refused.value.response["Error"]["Code"]


def fill(guest, volume, letter, mib=4, at=0):
    """Writes one letter over some MiB of a disk, down to the disk."""
    device = guest.device(volume)
    guest.run(f"head -c {mib * MIB} /dev/zero | tr '\\0' {letter} | dd of={device} bs=1M seek={at} conv=notrunc,fsync 2>&1")


def letters(guest, volume, mib=4, at=0):
    """The different bytes of some MiB of a disk."""
    return guest.run(f"dd if={guest.device(volume)} bs=1M skip={at} count={mib} 2>/dev/null | tr '\\0' . | fold -w 4096 | sort -u | cut -c 1 | tr -d '\\n'")


def test_a_disk_of_a_snapshot_has_what_was_there_at_the_instant(ec2, guests, made):
    first, second = guests
    volume = data_volume(ec2, first)
    fill(first, volume, "a")
    # Something writes on while the snapshot is taken, elsewhere on the disk.
    device = first.device(volume)
    write = f"head -c 1048576 /dev/urandom | dd of={device} bs=1M seek=100 conv=notrunc,fsync"
    first.run(f"(trap '' HUP; while true; do {write}; done) >/dev/null 2>&1 </dev/null & echo $! > /tmp/writer")
    try:
        taken = ec2.create_snapshot(VolumeId=volume, Description="at a", TagSpecifications=[{"ResourceType": "snapshot", "Tags": [{"Key": "k", "Value": "v"}]}])
        made.append(taken["SnapshotId"])
        assert (taken["VolumeId"], taken["VolumeSize"], taken["State"], taken["Description"]) == (volume, 2, "pending", "at a")
        (snapshot,) = completed(ec2, taken["SnapshotId"])
        assert (snapshot["Progress"], snapshot["Tags"], snapshot["Encrypted"]) == ("100%", [{"Key": "k", "Value": "v"}], False)
    finally:
        first.run("kill $(cat /tmp/writer)")
    fill(first, volume, "b")
    larger = ec2.create_volume(AvailabilityZone=ZONE, SnapshotId=taken["SnapshotId"], Size=3)
    made.append(larger["VolumeId"])
    assert (larger["SnapshotId"], larger["Size"]) == (taken["SnapshotId"], 3)
    ec2.get_waiter("volume_available").wait(VolumeIds=[larger["VolumeId"]], WaiterConfig=SOON)
    attach(ec2, second, larger["VolumeId"])
    assert second.disks()[serial(larger["VolumeId"])][1] == 3 << 30
    assert (letters(second, larger["VolumeId"]), letters(first, volume)) == ("a", "b")
    # A new disk is written without a trace in the snapshot.
    fill(second, larger["VolumeId"], "c")
    same = ec2.create_volume(AvailabilityZone=ZONE, SnapshotId=taken["SnapshotId"])["VolumeId"]
    made.append(same)
    ec2.get_waiter("volume_available").wait(VolumeIds=[same], WaiterConfig=SOON)
    attach(ec2, second, same, "/dev/sdh")
    assert (letters(second, same), letters(second, larger["VolumeId"])) == ("a", "c")


def test_a_disk_that_is_tagged_so_is_copied_and_stays_one_file(cloud, ec2, guests, made):
    first, second = guests
    tag = {"Key": "pileus/snapshot-mode", "Value": "copy"}
    words = [{"ResourceType": "volume", "Tags": [{**tag, "Value": "both"}]}]
    refused = code(ec2.create_volume, AvailabilityZone=ZONE, Size=1, TagSpecifications=words)
    assert refused == "InvalidParameterValue"
    volume = ec2.create_volume(AvailabilityZone=ZONE, Size=1, TagSpecifications=[{"ResourceType": "volume", "Tags": [tag]}])["VolumeId"]
    made.append(volume)
    ec2.get_waiter("volume_available").wait(VolumeIds=[volume], WaiterConfig=SOON)
    attach(ec2, first, volume)
    native = Native(cloud)
    for letter in "pq":
        fill(first, volume, letter)
        # Something writes on while the snapshot is taken, over other parts of the disk.
        write = f"head -c 1048576 /dev/urandom | dd of={first.device(volume)} bs=1M seek=100 conv=notrunc,fsync"
        first.run(f"(trap '' HUP; while true; do {write}; done) >/dev/null 2>&1 </dev/null & echo $! > /tmp/writer")
        try:
            taken = ec2.create_snapshot(VolumeId=volume)["SnapshotId"]
            made.append(taken)
            completed(ec2, taken)
        finally:
            first.run("kill $(cat /tmp/writer)")
        assert native.ok("GET", "/v1/snapshots", id=taken)["items"][0]["mode"] == "copy"
        fill(first, volume, "r")
        same = ec2.create_volume(AvailabilityZone=ZONE, SnapshotId=taken)["VolumeId"]
        made.append(same)
        ec2.get_waiter("volume_available").wait(VolumeIds=[same], WaiterConfig=SOON)
        attach(ec2, second, same)
        assert (letters(second, same), letters(first, volume)) == (letter, "r")
        detach(ec2, same)
    files = lambda: sorted(path.name for path in (cloud.folder / "host" / "volumes").glob(f"{volume}*"))
    wait_until(lambda: files() == [f"{volume}.g1.qcow2"], 30, "the disk in one file")
    detach(ec2, volume)


def test_any_of_a_chain_may_be_deleted(ec2, guests, made):
    first, second = guests
    volume = data_volume(ec2, first)
    chain = []
    for letter in "xyz":
        fill(first, volume, letter, mib=1, at="xyz".index(letter))
        chain.append(ec2.create_snapshot(VolumeId=volume)["SnapshotId"])
        made.append(chain[-1])
        completed(ec2, chain[-1])
    ec2.delete_snapshot(SnapshotId=chain[1])
    assert code(ec2.describe_snapshots, SnapshotIds=[chain[1]]) == "InvalidSnapshot.NotFound"
    for snapshot, expected in ((chain[0], "x"), (chain[2], "xyz")):
        copy = ec2.create_volume(AvailabilityZone=ZONE, SnapshotId=snapshot)["VolumeId"]
        made.append(copy)
        ec2.get_waiter("volume_available").wait(VolumeIds=[copy], WaiterConfig=SOON)
        attach(ec2, second, copy)
        for at, letter in enumerate(expected):
            assert letters(second, copy, mib=1, at=at) == letter
        detach(ec2, copy)


def test_the_disks_of_an_instance_are_frozen_together(ec2, guests, made):
    first, _ = guests
    volume = data_volume(ec2, first)
    specification = {"InstanceId": first.id}
    taken = ec2.create_snapshots(InstanceSpecification=specification, Description="both")["Snapshots"]
    made.extend(item["SnapshotId"] for item in taken)
    assert len(taken) == 2 and volume in {item["VolumeId"] for item in taken}
    assert all(item["State"] == "completed" for item in completed(ec2, *[item["SnapshotId"] for item in taken]))
    data = ec2.create_snapshots(InstanceSpecification={**specification, "ExcludeBootVolume": True})["Snapshots"]
    made.extend(item["SnapshotId"] for item in data)
    assert [item["VolumeId"] for item in data] == [volume]
    completed(ec2, data[0]["SnapshotId"])


def test_a_stopped_instance_and_a_detached_disk_have_snapshots_too(ec2, guests, made):
    _, second = guests
    volume = ec2.create_volume(AvailabilityZone=ZONE, Size=1)["VolumeId"]
    made.append(volume)
    ec2.get_waiter("volume_available").wait(VolumeIds=[volume], WaiterConfig=SOON)
    attach(ec2, second, volume)
    fill(second, volume, "d")
    detach(ec2, volume)
    detached = ec2.create_snapshot(VolumeId=volume)["SnapshotId"]
    made.append(detached)
    completed(ec2, detached)
    copy = ec2.create_volume(AvailabilityZone=ZONE, SnapshotId=detached)["VolumeId"]
    made.append(copy)
    ec2.get_waiter("volume_available").wait(VolumeIds=[copy], WaiterConfig=SOON)
    attach(ec2, second, copy)
    assert letters(second, copy) == "d"
    detach(ec2, copy)
    ec2.stop_instances(InstanceIds=[second.id])
    ec2.get_waiter("instance_stopped").wait(InstanceIds=[second.id], WaiterConfig=SOON)
    root = ec2.describe_instances(InstanceIds=[second.id])["Reservations"][0]["Instances"][0]["BlockDeviceMappings"][0]["Ebs"]["VolumeId"]
    stopped = ec2.create_snapshot(VolumeId=root)["SnapshotId"]
    made.append(stopped)
    ec2.start_instances(InstanceIds=[second.id])
    completed(ec2, stopped)
    ec2.get_waiter("instance_running").wait(InstanceIds=[second.id], WaiterConfig=SOON)
    assert second.run("uname") == "Linux\n"


def test_lists_and_refusals(ec2, guests, made):
    first, _ = guests
    volume = data_volume(ec2, first)
    snapshot = ec2.create_snapshot(VolumeId=volume, Description="listed")["SnapshotId"]
    made.append(snapshot)
    completed(ec2, snapshot)
    found = ec2.describe_snapshots(OwnerIds=["self"], Filters=[{"Name": "volume-id", "Values": [volume]}, {"Name": "description", "Values": ["lis*"]}])
    assert [item["SnapshotId"] for item in found["Snapshots"]] == [snapshot]
    assert ec2.describe_snapshots(OwnerIds=["self"], Filters=[{"Name": "status", "Values": ["pending"]}])["Snapshots"] == []
    copy = ec2.create_volume(AvailabilityZone=ZONE, SnapshotId=snapshot)["VolumeId"]
    made.append(copy)
    ec2.get_waiter("volume_available").wait(VolumeIds=[copy], WaiterConfig=SOON)
    listed = ec2.describe_volumes(Filters=[{"Name": "snapshot-id", "Values": [snapshot]}])["Volumes"]
    assert [item["VolumeId"] for item in listed] == [copy]
    assert code(ec2.create_volume, AvailabilityZone=ZONE, SnapshotId=snapshot, Size=1) == "InvalidParameterValue"
    assert code(ec2.create_volume, AvailabilityZone=ZONE, SnapshotId="snap-00000000000000001") == "InvalidSnapshot.NotFound"
    assert code(ec2.create_snapshot, VolumeId="vol-00000000000000001") == "InvalidVolume.NotFound"
    assert code(ec2.create_snapshot, VolumeId=volume, DryRun=True) == "DryRunOperation"
    assert code(ec2.delete_snapshot, SnapshotId="snap-00000000000000001") == "InvalidSnapshot.NotFound"


def test_a_snapshot_is_shared_with_another_account(cloud, ec2, guests, made):
    first, _ = guests
    key, secret, number = cloud.account("snapshots-other")
    other = cloud.client(key=key, secret=secret)
    snapshot = ec2.create_snapshot(VolumeId=data_volume(ec2, first))["SnapshotId"]
    made.append(snapshot)
    completed(ec2, snapshot)
    assert code(other.create_volume, AvailabilityZone=ZONE, SnapshotId=snapshot) == "InvalidSnapshot.NotFound"
    permission = {"Attribute": "createVolumePermission", "SnapshotId": snapshot}
    ec2.modify_snapshot_attribute(**permission, OperationType="add", UserIds=[number])
    assert ec2.describe_snapshot_attribute(**permission)["CreateVolumePermissions"] == [{"UserId": number}]
    assert [item["SnapshotId"] for item in other.describe_snapshots(SnapshotIds=[snapshot])["Snapshots"]] == [snapshot]
    theirs = other.create_volume(AvailabilityZone=ZONE, SnapshotId=snapshot)["VolumeId"]
    other.get_waiter("volume_available").wait(VolumeIds=[theirs], WaiterConfig=SOON)
    other.delete_volume(VolumeId=theirs)
    assert code(other.delete_snapshot, SnapshotId=snapshot) == "InvalidSnapshot.NotFound"
    ec2.reset_snapshot_attribute(**permission)
    assert ec2.describe_snapshot_attribute(**permission)["CreateVolumePermissions"] == []
    assert code(other.describe_snapshots, SnapshotIds=[snapshot]) == "InvalidSnapshot.NotFound"


def test_a_disk_is_rolled_back_by_ecs_and_by_cbs(cloud, ec2, guests, made, until):
    _, guest = guests
    alibaba = Alibaba(cloud, "", cloud.access_key, cloud.secret_key)
    tencent = Tencent(cloud, "", cloud.access_key, cloud.secret_key)
    disk = alibaba.call("CreateDisk", ZoneId=ZONE, Size=20, DiskCategory="cloud_essd")["DiskId"]
    made.append(disk)
    ec2.get_waiter("volume_available").wait(VolumeIds=[disk], WaiterConfig=SOON)
    attach(ec2, guest, disk)
    fill(guest, disk, "p")
    first = alibaba.call("CreateSnapshot", DiskId=disk, SnapshotName="first", Description="p", Tag__1__Key="a", Tag__1__Value="b")["SnapshotId"]
    made.append(first)

    def alone(**parameters):
        listed = alibaba.call("DescribeSnapshots", **parameters)["Snapshots"]["Snapshot"]
        return listed[0] if len(listed) == 1 else None

    until(lambda: alone(SnapshotIds=f'["{first}"]', Status="accomplished"), 60, "the snapshot")
    shown = alone(DiskId=disk)
    assert (shown["SnapshotName"], shown["SourceDiskSize"], shown["Progress"], shown["SourceDiskType"]) == ("first", "20", "100%", "data")
    alibaba.call("ModifySnapshotAttribute", SnapshotId=first, SnapshotName="renamed")
    assert alone(DiskId=disk)["SnapshotName"] == "renamed"
    fill(guest, disk, "q")
    tencent_disk = "disk-" + disk.removeprefix("vol-")
    second = tencent.call("CreateSnapshot", DiskId=tencent_disk, SnapshotName="second")["SnapshotId"]
    made.append(second)

    def normal():
        found = tencent.call("DescribeSnapshots", SnapshotIds=[second])["SnapshotSet"][0]
        return found["SnapshotState"] == "NORMAL" and found["Percent"] == 100

    until(normal, 60, "the second snapshot")
    fill(guest, disk, "r")
    assert alibaba.refused("ResetDisk", DiskId=disk, SnapshotId=first) == "IncorrectInstanceStatus"
    detach(ec2, disk)
    tencent.call("ApplySnapshot", DiskId=tencent_disk, SnapshotId=second)
    attach(ec2, guest, disk)
    assert letters(guest, disk) == "q"
    detach(ec2, disk)
    alibaba.call("ResetDisk", DiskId=disk, SnapshotId=first)
    attach(ec2, guest, disk)
    assert letters(guest, disk) == "p"
    fill(guest, disk, "s", mib=1)
    detach(ec2, disk)
    copy = tencent.call("CreateDisks", Placement={"Zone": ZONE}, DiskType="CLOUD_PREMIUM", SnapshotId=second, DiskChargeType="POSTPAID_BY_HOUR")["DiskIdSet"][0]
    copy = "vol-" + copy.removeprefix("disk-")
    made.append(copy)
    other = alibaba.call("CreateDisk", ZoneId=ZONE, SnapshotId=first)["DiskId"]
    made.append(other)
    ec2.get_waiter("volume_available").wait(VolumeIds=[copy, other], WaiterConfig=SOON)
    for volume, letter in ((copy, "q"), (other, "p")):
        attach(ec2, guest, volume)
        assert letters(guest, volume) == letter
        detach(ec2, volume)
    assert alibaba.call("DescribeDisks", DiskIds=f'["{other}"]')["Disks"]["Disk"][0]["SourceSnapshotId"] == first
    tencent.call("ModifySnapshotAttribute", SnapshotId=second, SnapshotName="third")
    tencent.call("DeleteSnapshots", SnapshotIds=[second])
    alibaba.call("DeleteSnapshot", SnapshotId=first)
    assert alibaba.refused("DeleteSnapshot", SnapshotId=first) == "InvalidSnapshotId.NotFound"


def test_disks_go_back_together_by_ecs_and_by_cbs(cloud, ec2, guests, made, until):
    """Two data disks of a guest at one instant, twice; each time both are again what they were, or none is."""
    guest, _ = guests
    alibaba = Alibaba(cloud, "", cloud.access_key, cloud.secret_key)
    tencent = Tencent(cloud, "", cloud.access_key, cloud.secret_key)
    first = data_volume(ec2, guest)
    second = alibaba.call("CreateDisk", ZoneId=ZONE, Size=20, DiskCategory="cloud_essd")["DiskId"]
    made.append(second)
    ec2.get_waiter("volume_available").wait(VolumeIds=[second], WaiterConfig=SOON)
    attach(ec2, guest, second)

    def both(letter):
        for volume in (first, second):
            fill(guest, volume, letter)

    def shown():
        return letters(guest, first) + letters(guest, second)

    both("m")
    named = {"DiskId__1": first, "DiskId__2": second}
    group = alibaba.call("CreateSnapshotGroup", InstanceId=guest.id, Name="together", **named)["SnapshotGroupId"]

    def members(**parameters):
        (found,) = alibaba.call("DescribeSnapshotGroups", SnapshotGroupId__1=group, **parameters)["SnapshotGroups"]["SnapshotGroup"] or [None]
        return found and {snapshot["SourceDiskId"]: snapshot["SnapshotId"] for snapshot in found["Snapshots"]["Snapshot"]}

    of_ecs = until(lambda: members(Status__1="accomplished"), 60, "the group")
    assert set(of_ecs) == {first, second}
    alibaba.call("ModifySnapshotGroup", SnapshotGroupId=group, Description="before n")
    both("n")
    cbs = {volume: "disk-" + volume.removeprefix("vol-") for volume in (first, second)}
    grouped = tencent.call("CreateSnapshotGroup", DiskIds=list(cbs.values()), SnapshotGroupName="cbs")["SnapshotGroupId"]

    def normal():
        filters = [{"Name": "snapshot-group-id", "Values": [grouped]}, {"Name": "snapshot-group-state", "Values": ["NORMAL"]}]
        return (tencent.call("DescribeSnapshotGroups", Filters=filters)["SnapshotGroupSet"] or [None])[0]

    ids = until(normal, 60, "the group of CBS")["SnapshotIdSet"]
    of_cbs = {snapshot["DiskId"]: snapshot["SnapshotId"] for snapshot in tencent.call("DescribeSnapshots", SnapshotIds=ids)["SnapshotSet"]}
    both("o")
    tencent.call("ModifyDiskBackupQuota", DiskId=cbs[second], DiskBackupQuota=1)
    backup = tencent.call("CreateDiskBackup", DiskId=cbs[second], DiskBackupName="o")["DiskBackupId"]
    until(lambda: tencent.call("DescribeDiskBackups", DiskBackupIds=[backup])["DiskBackupSet"][0]["Percent"] == 100, 60, "the backup")
    both("p")
    back = {f"Disk__{number}__{name}": value for number, pair in enumerate(of_ecs.items(), 1) for name, value in zip(("DiskId", "SnapshotId"), pair)}
    assert alibaba.refused("ResetDisks", **back) == "IncorrectInstanceStatus"
    stop(ec2, guest)
    alibaba.call("ResetDisks", **back)
    start(ec2, guest)
    assert shown() == "mm"
    stop(ec2, guest)
    pairs = [{"DiskId": cbs[volume], "SnapshotId": of_cbs[cbs[volume]]} for volume in (first, second)]
    tencent.call("ApplySnapshotGroup", SnapshotGroupId=grouped, ApplyDisks=pairs)
    start(ec2, guest)
    assert shown() == "nn"
    stop(ec2, guest)
    tencent.call("ApplyDiskBackup", DiskId=cbs[second], DiskBackupId=backup)
    start(ec2, guest)
    assert shown() == "no"
    tencent.call("DeleteSnapshotGroup", SnapshotGroupId=grouped)
    alibaba.call("DeleteSnapshotGroup", SnapshotGroupId=group)
    left = {snapshot["SnapshotId"] for snapshot in ec2.describe_snapshots(OwnerIds=["self"])["Snapshots"]}
    assert left.isdisjoint([*of_ecs.values(), *of_cbs.values()]) and backup.replace("dbp-", "snap-") in left
    tencent.call("DeleteDiskBackups", DiskBackupIds=[backup])
    backup = tencent.call("CreateDiskBackup", DiskId=cbs[second])["DiskBackupId"]
    detach(ec2, second)
    ec2.delete_volume(VolumeId=second)
    made.remove(second)
    until(lambda: backup.replace("dbp-", "snap-") not in {s["SnapshotId"] for s in ec2.describe_snapshots(OwnerIds=["self"])["Snapshots"]}, 60, "the backup gone with its disk")


def test_a_running_guest_is_stopped_rolled_back_and_started_again_though_pileus_is_killed(cloud, ec2, guests, made, until):
    """Its system disk and a data disk, with one call each time; what was written after the snapshots is gone, and SSH works again."""
    guest, _ = guests
    tencent = Tencent(cloud, "", cloud.access_key, cloud.secret_key)
    data = data_volume(ec2, guest)
    mapped = ec2.describe_instances(InstanceIds=[guest.id])["Reservations"][0]["Instances"][0]["BlockDeviceMappings"]
    root = next(disk["Ebs"]["VolumeId"] for disk in mapped if disk["DeviceName"] == "/dev/xvda")
    cbs = {volume: "disk-" + volume.removeprefix("vol-") for volume in (root, data)}
    machine = "ins-" + guest.id.removeprefix("i-")
    boot = lambda: guest.run("cat /proc/sys/kernel/random/boot_id")

    def state():
        return tencent.call("DescribeInstances", InstanceIds=[machine])["InstanceSet"][0]["InstanceState"]

    def rolling():
        return {disk["DiskId"]: disk["Rollbacking"] for disk in tencent.call("DescribeDisks", DiskIds=list(cbs.values()))["DiskSet"]}

    guest.run("echo before > /root/when; sync")
    fill(guest, data, "t")
    grouped = tencent.call("CreateSnapshotGroup", DiskIds=list(cbs.values()), SnapshotGroupName="running")["SnapshotGroupId"]
    named = [{"Name": "snapshot-group-id", "Values": [grouped]}, {"Name": "snapshot-group-state", "Values": ["NORMAL"]}]
    ids = until(lambda: tencent.call("DescribeSnapshotGroups", Filters=named)["SnapshotGroupSet"], 60, "the group")[0]["SnapshotIdSet"]
    of = {snapshot["DiskId"]: snapshot["SnapshotId"] for snapshot in tencent.call("DescribeSnapshots", SnapshotIds=ids)["SnapshotSet"]}
    parts = [{"DeviceName": name, "Ebs": {"SnapshotId": of[cbs[volume]]}} for name, volume in (("/dev/xvda", root), ("/dev/sdf", data))]
    image = ec2.register_image(Name="of-the-group", RootDeviceName="/dev/xvda", BlockDeviceMappings=parts)["ImageId"]
    (group,) = tencent.call("DescribeSnapshotGroups", Filters=named)["SnapshotGroupSet"]
    assert group["ImageCount"] == 1 and group["Images"] == [{"ImageId": image.replace("ami-", "img-"), "ImageName": "of-the-group"}]
    ec2.deregister_image(ImageId=image)

    def rolled_back(apply, crashes):
        guest.run("echo after > /root/when; sync")
        fill(guest, data, "u")
        first = boot()
        apply()
        assert state() in ("STOPPING", "STOPPED", "STARTING")
        if crashes:
            cloud.kill()
            cloud.start()
        until(lambda: state() == "RUNNING" and not any(rolling().values()), 180, "the guest running again")
        assert until(boot, 120, "SSH to the guest") != first

    try:
        pairs = [{"DiskId": disk, "SnapshotId": of[disk]} for disk in cbs.values()]
        around = dict(AutoStopInstance=True, AutoStartInstance=True)
        assert tencent.refused("ApplySnapshotGroup", SnapshotGroupId=grouped, ApplyDisks=pairs).startswith("UnsupportedOperation")
        rolled_back(lambda: tencent.call("ApplySnapshotGroup", SnapshotGroupId=grouped, ApplyDisks=pairs, **around), True)
        assert guest.run("cat /root/when").strip() == "before" and letters(guest, data) == "t"
        rolled_back(lambda: tencent.call("ApplySnapshot", DiskId=cbs[root], SnapshotId=of[cbs[root]], **around), False)
        assert guest.run("cat /root/when").strip() == "before" and letters(guest, data) == "u"
        # Without a start it stays where it was stopped.
        tencent.call("ApplySnapshot", DiskId=cbs[data], SnapshotId=of[cbs[data]], AutoStopInstance=True)
        until(lambda: state() == "STOPPED", 120, "the stop")
        start(ec2, guest)
        assert letters(guest, data) == "t"
    finally:
        tencent.call("DeleteSnapshotGroup", SnapshotGroupId=grouped)
