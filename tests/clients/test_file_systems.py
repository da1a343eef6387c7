"""Snapshots of guests that hold their file systems for them, of guests that cannot, and of guests that only say so."""

import json
import re
import socket
import threading
import time

import botocore.exceptions
import pytest

from conftest import private_key, ssh_group, wait_until
from test_native import Native
from test_volumes import SOON, TYPE, ZONE, Guest, attach, detach, remove, serial

# What the agent of the host gives a guest to answer at all, to have its file systems held, and to say that it let them go.
LIMITS = 2 + 10 + 3
SERVES = "for p in /sys/class/virtio-ports/*/name; do [ $(cat $p) != org.qemu.guest_agent.0 ] || echo /dev/$(basename $(dirname $p)); done"


@pytest.fixture(scope="module")
def key(ec2, tmp_path_factory):
    path = private_key(ec2, "file-systems", tmp_path_factory.mktemp("keys"))
    yield path
    ec2.delete_key_pair(KeyName="file-systems")


@pytest.fixture(scope="module")
def group(ec2):
    group = ssh_group(ec2, "file-systems")
    yield group
    ec2.delete_security_group(GroupId=group)


@pytest.fixture(scope="module")
def guests(cloud, ec2, key, group, shell):
    """A guest that writes into a file system of a data disk, again and again and without asking that it be on the disk, and one that
    looks at others' disks."""
    launch = dict(ImageId=cloud.image(), InstanceType=TYPE, MinCount=1, MaxCount=1, KeyName="file-systems", SecurityGroupIds=[group])
    place = {"Placement": {"AvailabilityZone": ZONE}}
    data = [{"DeviceName": "/dev/sdf", "Ebs": {"VolumeSize": 2, "DeleteOnTermination": True}}]
    ids = [ec2.run_instances(**launch, **place, **more)["Instances"][0]["InstanceId"] for more in ({"BlockDeviceMappings": data}, {})]
    try:
        ec2.get_waiter("instance_running").wait(InstanceIds=ids, WaiterConfig=SOON)
        writer, reader = [Guest(ec2, key, shell, id) for id in ids]
        writer.data, writer.root = disks(ec2, writer)
        writer.run(f"mkfs.ext4 -q {writer.device(writer.data)} && mkdir /data && mount {writer.device(writer.data)} /data")
        writer.run("(trap '' HUP; i=0; while :; do i=$((i+1)); echo $i > /data/$((i%500)); done) >/dev/null 2>&1 </dev/null & echo $! > /tmp/writer")
        wait_until(lambda: writer.run("pidof qemu-ga; true").strip(), 60, "the guest's agent")
        yield writer, reader
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


def disks(ec2, guest):
    mapped = ec2.describe_instances(InstanceIds=[guest.id])["Reservations"][0]["Instances"][0]["BlockDeviceMappings"]
    of = {disk["DeviceName"]: disk["Ebs"]["VolumeId"] for disk in mapped}
    return of["/dev/sdf"], next(volume for name, volume in of.items() if name != "/dev/sdf")


def completed(ec2, made, ids):
    made.extend(ids)
    ec2.get_waiter("snapshot_completed").wait(SnapshotIds=ids, WaiterConfig=SOON)


def kinds(cloud, ids):
    """What the cloud says of snapshots."""
    native = Native(cloud)
    return {id: native.ok("GET", "/v1/snapshots", id=id)["items"][0]["consistency"] for id in ids}


def snapshot(cloud, ec2, made, volume):
    """Takes a snapshot; its id, and what the cloud says of it."""
    id = ec2.create_snapshot(VolumeId=volume)["SnapshotId"]
    completed(ec2, made, [id])
    return id, kinds(cloud, [id])[id]


def is_clean(ec2, made, reader, id, partition=""):
    """Whether the file system in a snapshot is whole without its journal: what another guest finds in the superblock."""
    volume = ec2.create_volume(AvailabilityZone=ZONE, SnapshotId=id)["VolumeId"]
    made.append(volume)
    ec2.get_waiter("volume_available").wait(VolumeIds=[volume], WaiterConfig=SOON)
    attach(ec2, reader, volume)
    try:
        wait_until(lambda: serial(volume) in reader.disks(), 60, "the disk in the guest")
        device = reader.device(volume) + partition
        features = re.search("Filesystem features:(.*)", reader.run(f"dumpe2fs -h {device} 2>&1"))[1].split()
        clean = "needs_recovery" not in features
        # A check that changes nothing: of a journal that is to be replayed it says so.
        checked = reader.run(f"e2fsck -fn {device} 2>&1; echo ended with $?")
        assert (checked.rstrip().endswith("ended with 0") and "skipping journal recovery" not in checked) or not clean, checked
        return clean
    finally:
        detach(ec2, volume)


def writes_on(writer):
    """The guest writes on, into both of its file systems."""
    count = lambda: int(writer.run("cat /proc/loadavg > /root/alive; cat /data/* | sort -n | tail -n 1"))
    before = count()
    wait_until(lambda: count() > before, 30, "the guest writes on")


def test_a_guest_with_an_agent_holds_its_file_systems_and_one_without_does_not(cloud, ec2, guests, made):
    writer, reader = guests
    held, kind = snapshot(cloud, ec2, made, writer.data)
    assert kind == "file_system"
    writes_on(writer)
    writer.run("kill -STOP $(ps | awk '/pileus-guest-agen[t]/ {print $1}'); kill $(pidof qemu-ga)")
    try:
        begun = time.monotonic()
        crashed, kind = snapshot(cloud, ec2, made, writer.data)
        took = time.monotonic() - begun
        assert kind == "crash"
    finally:
        writer.run("kill -CONT $(ps | awk '/pileus-guest-agen[t]/ {print $1}')")
    assert is_clean(ec2, made, reader, held)
    assert not is_clean(ec2, made, reader, crashed)
    print(f"the snapshot without an agent took {took:.1f} s")
    print([line for line in cloud.log_text().splitlines() if "held its file systems" in line])


def test_all_disks_of_a_guest_are_held_at_one_instant(cloud, ec2, guests, made):
    writer, reader = guests
    wait_until(lambda: writer.run("pidof qemu-ga; true").strip(), 30, "the guest's agent")
    writer.run("dd if=/dev/zero of=/root/unwritten bs=1M count=32 2>/dev/null")
    taken = ec2.create_snapshots(InstanceSpecification={"InstanceId": writer.id})["Snapshots"]
    of = {one["VolumeId"]: one["SnapshotId"] for one in taken}
    completed(ec2, made, list(of.values()))
    assert kinds(cloud, list(of.values())) == {of[writer.data]: "file_system", of[writer.root]: "file_system"}
    assert is_clean(ec2, made, reader, of[writer.data]) and is_clean(ec2, made, reader, of[writer.root], "1")
    writes_on(writer)


def test_an_image_of_a_running_guest_is_of_held_file_systems(cloud, ec2, guests, made):
    writer, _ = guests
    image = ec2.create_image(InstanceId=writer.id, Name="held", NoReboot=True)["ImageId"]
    ec2.get_waiter("image_available").wait(ImageIds=[image], WaiterConfig=SOON)
    mapped = ec2.describe_images(ImageIds=[image])["Images"][0]["BlockDeviceMappings"]
    ids = [disk["Ebs"]["SnapshotId"] for disk in mapped]
    assert set(kinds(cloud, ids).values()) == {"file_system"}
    ec2.deregister_image(ImageId=image)
    made.extend(ids)


def test_an_agent_that_hangs_costs_its_limit_and_no_more(cloud, ec2, guests, made):
    writer, _ = guests
    writer.run("kill -STOP $(pidof qemu-ga)")
    begun = time.monotonic()
    _, kind = snapshot(cloud, ec2, made, writer.data)
    took = time.monotonic() - begun
    writer.run("kill -CONT $(pidof qemu-ga)")
    assert kind == "crash" and took < LIMITS
    # What it was asked meanwhile it answers now; that is passed over.
    assert snapshot(cloud, ec2, made, writer.data)[1] == "file_system"
    writes_on(writer)


def test_file_systems_grow_with_their_disks_while_the_guest_runs(ec2, guests, until):
    writer, _ = guests
    booted = writer.run("cat /proc/sys/kernel/random/boot_id")
    for volume, place in ((writer.data, "/data"), (writer.root, "/")):
        size = ec2.describe_volumes(VolumeIds=[volume])["Volumes"][0]["Size"] + 1
        ec2.modify_volume(VolumeId=volume, Size=size)
        mib = lambda: int(writer.run(f"df -m {place} | awk 'END {{ print $2 }}'"))
        until(lambda: mib() > size * 1024 * 0.9, 60, f"the file system at {place} to be as large as its disk")
    assert writer.run("cat /proc/sys/kernel/random/boot_id") == booted
    writes_on(writer)


# A guest that answers to who asks whether it is there, and to the rest with what ANSWER prints.
LIAR = r"""
until (exec 3<>$1) 2>/dev/null; do usleep 50000; done  # The port is open to one at a time.
exec 3<>$1
echo $$ > /tmp/pid-of-it
while :; do
    read -r line <&3 || { usleep 50000; continue; }  # Nobody is at the other end.
    case $line in
    *guest-sync-delimited*) number=${line##*\"id\":}; printf '\377{"return": %s}\n' "${number%%\}*}" >&3 ;;
    *) $ANSWER >&3 ;;
    esac
done
"""


@pytest.mark.parametrize("answer, kind, told", [
    ("true", "crash", "no answer within 10s"),
    ('echo {"return":0}', "crash", "no file system to hold"),
    ("yes x", "crash", "more than 262144 bytes came"),
    ('echo {"error":{"class":"CommandNotFound","desc":"never"}}', "crash", "CommandNotFound: never"),
    ('echo {"return":1}', "file_system", ""),
])
def test_a_guest_harms_nobody_but_itself_by_what_it_says(cloud, ec2, guests, made, answer, kind, told):
    writer, _ = guests
    port = writer.run(SERVES).strip()
    writer.run("kill -STOP $(ps | awk '/pileus-guest-agen[t]/ {print $1}'); kill $(pidof qemu-ga); rm -f /tmp/pid-of-it")
    logged = len(cloud.log_text())
    try:
        writer.run(f"cat > /tmp/liar <<'END'\n{LIAR}\nEND\n(trap '' HUP; ANSWER='{answer}' sh /tmp/liar {port}) >/dev/null 2>&1 </dev/null & echo")
        wait_until(lambda: writer.run("cat /tmp/pid-of-it 2>/dev/null; true").strip(), 30, "the one that speaks in its place")
        begun = time.monotonic()
        assert snapshot(cloud, ec2, made, writer.data)[1] == kind
        assert time.monotonic() - begun < LIMITS + 10
        assert told in cloud.log_text()[logged:]
    finally:
        writer.run("kill -9 $(cat /tmp/pid-of-it); killall yes 2>/dev/null; kill -CONT $(ps | awk '/pileus-guest-agen[t]/ {print $1}')")
        wait_until(lambda: writer.run("pidof qemu-ga; true").strip(), 30, "the guest's agent")
    # Its own agent is heard again.
    wait_until(lambda: snapshot(cloud, ec2, made, writer.data)[1] == "file_system", 60, "the guest's own agent")


def folder_of(cloud, guest):
    return next(cloud.folder.rglob(f"vms/{guest.id}"))


def ask(cloud, guest, command):
    """Asks a guest's agent, as nobody else may while pileus runs."""
    # The path of a socket may have 107 bytes.
    with socket.socket(socket.AF_UNIX) as channel:
        channel.settimeout(20)
        channel.connect(str(folder_of(cloud, guest) / "guest-agent.sock"))
        lines = channel.makefile("rwb")
        number = time.monotonic_ns() % 10**9
        said = {"execute": "guest-sync-delimited", "arguments": {"id": number}}
        lines.write(b"\xff" + json.dumps(said).encode() + b"\n" + json.dumps({"execute": command}).encode() + b"\n")
        lines.flush()
        while json.loads(lines.readline().split(b"\xff")[-1] or b"{}").get("return") != number:
            pass
        return json.loads(lines.readline())["return"]


def test_what_a_killed_pileus_had_frozen_the_next_one_thaws(cloud, ec2, guests):
    writer, _ = guests
    cloud.kill()
    # What it leaves when it is killed between a freeze and its thaw.
    path = folder_of(cloud, writer) / "record.json"
    record = json.loads(path.read_text())
    assert record["held"] is False
    path.write_text(json.dumps(record | {"held": True}))
    assert ask(cloud, writer, "guest-fsfreeze-freeze") == 2
    assert ask(cloud, writer, "guest-fsfreeze-status") == "frozen"
    cloud.start()
    wait_until(lambda: json.loads(path.read_text())["held"] is False, 20, "a thawed guest")
    writes_on(writer)


def test_snapshots_and_guests_outlive_kills_at_any_moment(cloud, ec2, guests, made):
    writer, reader = guests
    for delay in (0.05, 0.1, 0.2, 0.3, 0.45):
        taken = []

        def take():
            try:
                taken.append(ec2.create_snapshot(VolumeId=writer.data)["SnapshotId"])
            except botocore.exceptions.BotoCoreError:
                pass  # It was killed before it could answer.

        asking = threading.Thread(target=take)
        asking.start()
        time.sleep(delay)
        cloud.kill()
        asking.join()
        cloud.start()
        writes_on(writer)
        for id in taken:
            completed(ec2, made, [id])
            if kinds(cloud, [id])[id] == "file_system":
                assert is_clean(ec2, made, reader, id)
