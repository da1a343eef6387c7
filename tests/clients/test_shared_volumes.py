"""A disk that two real guests have at once: each reads what the other wrote, whoever leaves, stops or is killed. With boto3, Alibaba Cloud's
SDK and Tencent Cloud's."""

import json

import pytest

from conftest import private_key, ssh_group
from test_cvm import Tenant as Tencent
from test_ecs import Tenant
from test_volumes import GIB, SOON, TYPE, ZONE, Guest, attached, detach, refused, remove, serial, shown


@pytest.fixture(scope="module")
def key(ec2, tmp_path_factory):
    path = private_key(ec2, "shared-volumes", tmp_path_factory.mktemp("keys"))
    yield path
    ec2.delete_key_pair(KeyName="shared-volumes")


@pytest.fixture(scope="module")
def group(ec2):
    group = ssh_group(ec2, "shared-volumes")
    yield group
    ec2.delete_security_group(GroupId=group)


@pytest.fixture(scope="module")
def guests(cloud, ec2, key, group, shell):
    launch = dict(ImageId=cloud.image(), InstanceType=TYPE, MinCount=2, MaxCount=2, KeyName="shared-volumes", SecurityGroupIds=[group])
    launched = ec2.run_instances(**launch, Placement={"AvailabilityZone": ZONE})["Instances"]
    ids = [instance["InstanceId"] for instance in launched]
    try:
        ec2.get_waiter("instance_running").wait(InstanceIds=ids, WaiterConfig=SOON)
        yield [Guest(ec2, key, shell, id) for id in ids]
    finally:
        ec2.terminate_instances(InstanceIds=ids)
        ec2.get_waiter("instance_terminated").wait(InstanceIds=ids, WaiterConfig=SOON)


@pytest.fixture
def volume(ec2):
    """An available volume that several instances may have, which is gone afterwards wherever it is then."""
    id = ec2.create_volume(AvailabilityZone=ZONE, Size=4, VolumeType="io2", Iops=1000, MultiAttachEnabled=True)["VolumeId"]
    ec2.get_waiter("volume_available").wait(VolumeIds=[id], WaiterConfig=SOON)
    yield id
    give_back(ec2, id)


def give_back(ec2, id):
    found = ec2.describe_volumes(Filters=[{"Name": "volume-id", "Values": [id]}])["Volumes"]
    for attachment in found[0]["Attachments"] if found else []:
        ec2.detach_volume(VolumeId=id, InstanceId=attachment["InstanceId"], Force=True)
    if found and found[0]["Attachments"]:
        ec2.get_waiter("volume_available").wait(VolumeIds=[id], WaiterConfig=SOON)
    remove(ec2, id)


def states(ec2, volume):
    return {attachment["InstanceId"]: attachment["State"] for attachment in shown(ec2, volume)["Attachments"]}


def attach_to(ec2, guests, volume, until):
    for guest in guests:
        ec2.attach_volume(VolumeId=volume, InstanceId=guest.id, Device="/dev/sdg")
    until(lambda: states(ec2, volume) == {guest.id: "attached" for guest in guests}, 60, "the attachments")
    return [guest.device(volume) for guest in guests]


def write(guest, device, text, mib):
    """Writes a text to a place of a disk and has the guest's kernel flush it."""
    guest.run(f"printf %s '{text}' | dd of={device} bs=1M seek={mib} conv=sync,fsync 2>/dev/null")


def read(guest, device, length, mib):
    """What a guest reads at a place when it has forgotten all that it read before."""
    guest.run("echo 3 > /proc/sys/vm/drop_caches")
    return guest.run(f"dd if={device} bs=1M skip={mib} count=1 2>/dev/null | head -c {length}")


def test_two_guests_read_what_the_other_wrote(ec2, guests, volume, until):
    first, second = guests
    one, other = attach_to(ec2, guests, volume, until)
    row = shown(ec2, volume)
    assert (row["MultiAttachEnabled"], row["State"], len(row["Attachments"])) == (True, "in-use", 2)
    found = ec2.describe_volumes(Filters=[{"Name": "multi-attach-enabled", "Values": ["true"]}])["Volumes"]
    assert [item["VolumeId"] for item in found] == [volume]
    for guest in guests:
        instance = ec2.describe_instances(InstanceIds=[guest.id])["Reservations"][0]["Instances"][0]
        assert volume in [device["Ebs"]["VolumeId"] for device in instance["BlockDeviceMappings"]]
    write(first, one, "of the first", 0)
    write(second, other, "of the second", 3000)
    assert read(second, other, 12, 0) == "of the first"
    assert read(first, one, 13, 3000) == "of the second"
    # In the same place, one after the other, and back.
    for turn in range(3):
        write(first, one, f"turn {turn} here", 7)
        assert read(second, other, 11, 7) == f"turn {turn} here"
        write(second, other, f"turn {turn} back", 7)
        assert read(first, one, 11, 7) == f"turn {turn} back"
    # Many blocks: what one wrote has the same sum with the other.
    first.run(f"dd if=/dev/urandom of={one} bs=1M seek=100 count=16 conv=fsync 2>/dev/null")
    total = "dd if={} bs=1M skip=100 count=16 2>/dev/null | md5sum"
    second.run("echo 3 > /proc/sys/vm/drop_caches")
    first.run("echo 3 > /proc/sys/vm/drop_caches")
    assert second.run(total.format(other)) == first.run(total.format(one))


def test_one_leaves_while_the_other_writes_on(ec2, guests, volume, until):
    first, second = guests
    one, other = attach_to(ec2, guests, volume, until)
    write(first, one, "left by the first", 1)
    count = f"n=0; while [ ! -e /tmp/enough ]; do n=$((n+1)); printf %08d $n | dd of={other} bs=512 conv=sync,fsync 2>/dev/null || break; echo $n > /tmp/new; mv /tmp/new /tmp/written; done"
    second.run(f"rm -f /tmp/enough /tmp/written; ({count}) > /dev/null 2>&1 &")
    written = lambda: int(second.run("cat /tmp/written 2>/dev/null || echo 0"))
    until(lambda: written() > 0, 30, "the first write")
    assert refused(ec2.detach_volume, VolumeId=volume) == "MissingParameter"
    ec2.detach_volume(VolumeId=volume, InstanceId=first.id)
    until(lambda: states(ec2, volume) == {second.id: "attached"}, 60, "the release")
    assert serial(volume) not in first.disks()
    before = written()
    until(lambda: written() > before, 30, "a write after the other left")
    second.run("touch /tmp/enough")
    assert read(second, other, 17, 1) == "left by the first"
    # It comes back and reads the last that was written meanwhile.
    last = f"{written():08d}"
    ec2.attach_volume(VolumeId=volume, InstanceId=first.id, Device="/dev/sdg")
    until(lambda: len(states(ec2, volume)) == 2, 60, "the attachment")
    assert int(read(first, first.device(volume), 8, 0)) >= int(last)


def test_killing_pileus_leaves_both_guests_their_disk(cloud, ec2, guests, volume, until):
    first, second = guests
    one, other = attach_to(ec2, guests, volume, until)
    write(first, one, "before the kill", 0)
    # A guest writes on while nobody but the guests is there.
    count = f"n=0; while [ $n -lt 100000 ] && [ ! -e /tmp/enough ]; do n=$((n+1)); printf %08d $n | dd of={other} bs=512 seek=8192 conv=sync,fsync 2>/dev/null || break; echo $n > /tmp/new; mv /tmp/new /tmp/written; done"
    second.run(f"rm -f /tmp/enough /tmp/written; ({count}) > /dev/null 2>&1 &")
    until(lambda: second.run("cat /tmp/written 2>/dev/null || echo 0") != "0\n", 30, "the first write")
    cloud.kill()
    cloud.start()
    fresh = cloud.client()
    before = int(second.run("cat /tmp/written"))
    until(lambda: int(second.run("cat /tmp/written")) > before, 30, "a write after the kill")
    second.run("touch /tmp/enough")
    assert states(fresh, volume) == {guest.id: "attached" for guest in guests}
    assert read(second, other, 15, 0) == "before the kill"
    write(second, other, "after the kill!", 0)
    assert read(first, one, 15, 0) == "after the kill!"
    fresh.detach_volume(VolumeId=volume, InstanceId=second.id)
    cloud.kill()
    cloud.start()
    until(lambda: states(cloud.client(), volume) == {first.id: "attached"}, 60, "the release")
    assert serial(volume) not in second.disks() and read(first, one, 15, 0) == "after the kill!"


def test_a_guest_that_stops_comes_back_with_its_shared_disk(ec2, guests, volume, until):
    first, second = guests
    one, other = attach_to(ec2, guests, volume, until)
    ec2.stop_instances(InstanceIds=[second.id])
    ec2.get_waiter("instance_stopped").wait(InstanceIds=[second.id], WaiterConfig=SOON)
    write(first, one, "while it was off", 0)
    ec2.start_instances(InstanceIds=[second.id])
    ec2.get_waiter("instance_running").wait(InstanceIds=[second.id], WaiterConfig=SOON)
    assert read(second, second.device(volume), 16, 0) == "while it was off"
    write(second, second.device(volume), "since it is back", 0)
    assert read(first, one, 16, 0) == "since it is back"


def test_what_a_shared_disk_cannot_be_is_refused(ec2, guests, volume, until):
    first, second = guests
    make = dict(AvailabilityZone=ZONE, Size=4, MultiAttachEnabled=True)
    assert refused(ec2.create_volume, VolumeType="gp3", **make) == "InvalidParameterCombination"
    assert refused(ec2.create_volume, VolumeType="io1", Iops=100, Encrypted=True, **make) == "UnsupportedOperation"
    attach_to(ec2, guests, volume, until)
    assert refused(ec2.attach_volume, VolumeId=volume, InstanceId=first.id, Device="/dev/sdh") == "VolumeInUse"
    assert refused(ec2.delete_volume, VolumeId=volume) == "VolumeInUse"
    assert refused(ec2.create_snapshot, VolumeId=volume) == "UnsupportedOperation"
    assert refused(ec2.create_snapshots, InstanceSpecification={"InstanceId": first.id}) == "UnsupportedOperation"
    assert refused(ec2.create_image, InstanceId=first.id, Name="with-it", NoReboot=True) == "UnsupportedOperation"
    assert refused(ec2.modify_volume, VolumeId=volume, MultiAttachEnabled=False) == "UnsupportedOperation"
    assert refused(ec2.modify_volume, VolumeId=volume, VolumeType="gp3") == "InvalidParameterCombination"
    assert refused(ec2.modify_volume, VolumeId=volume, Size=5) == "UnsupportedOperation"
    ec2.detach_volume(VolumeId=volume, InstanceId=first.id)
    until(lambda: states(ec2, volume) == {second.id: "attached"}, 60, "the release")
    # The last that has it need not be named.
    detach(ec2, volume)
    ec2.modify_volume(VolumeId=volume, Size=5)
    done = lambda: ec2.describe_volumes_modifications(VolumeIds=[volume])["VolumesModifications"][0]["ModificationState"] == "completed"
    until(done, 30, "the growth")
    ec2.attach_volume(VolumeId=volume, InstanceId=first.id, Device="/dev/sdg")
    until(lambda: attached(ec2, volume), 60, "the attachment")
    first.device(volume)
    assert first.disks()[serial(volume)][1] == 5 * GIB


def test_the_same_through_alibaba_clouds_and_tencent_clouds_sdks(cloud, ec2, guests, until):
    first, second = guests
    ecs, cvm = Tenant(cloud, "", cloud.access_key, cloud.secret_key), Tencent(cloud, "", cloud.access_key, cloud.secret_key)
    assert ecs.refused("CreateDisk", ZoneId=ZONE, Size=20, DiskCategory="cloud_ssd", MultiAttach="Enabled") == "InvalidParameter.Conflict"
    id = ecs.call("CreateDisk", ZoneId=ZONE, Size=20, DiskCategory="cloud_essd", MultiAttach="Enabled")["DiskId"]
    theirs = cvm.call("CreateDisks", Placement={"Zone": ZONE}, DiskType="CLOUD_HSSD", DiskSize=20, Shareable=True)["DiskIdSet"][0]
    ours = theirs.replace("disk-", "vol-")

    def disk(**filters):
        found = ecs.call("DescribeDisks", DiskIds=json.dumps([id]), **filters)["Disks"]["Disk"]
        return found[0] if found else None

    try:
        until(lambda: disk(Status="Available"), 30, "the disk")
        until(lambda: shown(ec2, ours)["State"] == "available", 30, "the other disk")
        for guest in guests:
            ecs.call("AttachDisk", DiskId=id, InstanceId=guest.id)
            cvm.call("AttachDisks", InstanceId=guest.id.replace("i-", "ins-"), DiskIds=[theirs])
        both = {guest.id: "attached" for guest in guests}
        until(lambda: states(ec2, id) == states(ec2, ours) == both, 60, "the attachments")
        row = disk(MultiAttach="Enabled")
        assert {attachment["InstanceId"] for attachment in row["Attachments"]["Attachment"]} == set(both)
        assert (row["MultiAttach"], row["Status"]) == ("Enabled", "In_use")
        (shareable,) = cvm.call("DescribeDisks", DiskIds=[theirs])["DiskSet"]
        assert (shareable["Shareable"], shareable["DiskState"], len(shareable["InstanceIdList"])) == (True, "ATTACHED", 2)
        for each in (id, ours):
            write(first, first.device(each), f"written to {each}", 5)
            assert read(second, second.device(each), len(f"written to {each}"), 5) == f"written to {each}"
        assert ecs.refused("CreateSnapshot", DiskId=id) == "UnsupportedOperation"
        assert cvm.refused("DetachDisks", DiskIds=[theirs]) == "MissingParameter"
        ecs.call("DetachDisk", DiskId=id, InstanceId=first.id)
        cvm.call("DetachDisks", DiskIds=[theirs], InstanceId=first.id.replace("i-", "ins-"))
        until(lambda: states(ec2, id) == states(ec2, ours) == {second.id: "attached"}, 60, "the releases")
        assert read(second, second.device(id), len(f"written to {id}"), 5) == f"written to {id}"
    finally:
        give_back(ec2, id)
        give_back(ec2, ours)
