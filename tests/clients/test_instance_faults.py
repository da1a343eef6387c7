"""Instances that something happens to: each ends in a state that says what it is, in time, and leaves nothing."""

import hashlib
import json
import os
import pathlib
import signal
import subprocess
import tempfile

import botocore.exceptions
import pytest

from conftest import IMAGES, guests, running

SOON = {"Delay": 1, "MaxAttempts": 120}
BLANK_BYTES = 1 << 20


def write_blank_image(folder):
    """An image without anything to boot."""
    folder.mkdir()
    disk = folder / "disk.raw"
    disk.write_bytes(b"\0" * BLANK_BYTES)
    facts = {
        "name": folder.name,
        "title": folder.name,
        "description": "nothing",
        "platform": "linux",
        "architecture": "x86_64",
        "default_user": "nobody",
        "min_disk_gib": 1,
        "virtual_bytes": BLANK_BYTES,
        "disk": {"file": disk.name, "format": "raw", "firmware": "bios"},
        "files": {disk.name: {"bytes": BLANK_BYTES, "sha256": hashlib.sha256(disk.read_bytes()).hexdigest()}},
    }
    (folder / "image.json").write_text(json.dumps(facts))


@pytest.fixture(scope="module")
def images():
    """An image that boots, and one that does not."""
    with tempfile.TemporaryDirectory(prefix="pileus-images-") as images:
        images = pathlib.Path(images)
        (images / "pileus-linux").symlink_to(IMAGES / "pileus-linux")
        write_blank_image(images / "blank")
        yield images


@pytest.fixture(scope="module")
def cloud(images):
    """A cloud of its own: its repository comes to harm."""
    yield from running("--images", images)


@pytest.fixture
def ec2(cloud):
    client = cloud.client()
    yield client
    states = [{"Name": "instance-state-name", "Values": ["pending", "running", "stopping", "stopped"]}]
    ids = [i["InstanceId"] for r in client.describe_instances(Filters=states)["Reservations"] for i in r["Instances"]]
    if ids:
        client.terminate_instances(InstanceIds=ids)
        client.get_waiter("instance_terminated").wait(InstanceIds=ids, WaiterConfig=SOON)


def launched(cloud, ec2, image="pileus-linux", wait=True):
    made = ec2.run_instances(ImageId=cloud.image(image), InstanceType="t2.nano", MinCount=1, MaxCount=1)["Instances"][0]
    if wait:
        ec2.get_waiter("instance_running").wait(InstanceIds=[made["InstanceId"]], WaiterConfig=SOON)
    return made["InstanceId"]


def instance(ec2, id):
    return ec2.describe_instances(InstanceIds=[id])["Reservations"][0]["Instances"][0]


def checks(ec2, id):
    status = ec2.describe_instance_status(InstanceIds=[id])["InstanceStatuses"][0]
    return status["SystemStatus"]["Status"], status["InstanceStatus"]["Status"]


def test_a_qemu_that_is_killed_starts_again_as_the_same_instance(cloud, ec2, until):
    id = launched(cloud, ec2)
    until(lambda: checks(ec2, id) == ("ok", "ok"), 90, "the guest")
    before = instance(ec2, id)
    (pid,) = guests(cloud)
    os.kill(pid, signal.SIGKILL)
    until(lambda: guests(cloud) and guests(cloud) != [pid], 60, "another QEMU")
    until(lambda: checks(ec2, id) == ("ok", "ok"), 90, "the guest again")
    after = instance(ec2, id)
    assert [after[name] for name in ("State", "PrivateIpAddress", "PublicIpAddress")] == [
        before[name] for name in ("State", "PrivateIpAddress", "PublicIpAddress")
    ]


def test_a_guest_that_never_boots_is_never_ok_and_can_be_stopped_and_terminated(cloud, ec2):
    id = launched(cloud, ec2, "blank")
    assert checks(ec2, id) == ("ok", "initializing")
    # It does not listen to the power button; the time it is given ends.
    ec2.stop_instances(InstanceIds=[id], Force=True)
    ec2.get_waiter("instance_stopped").wait(InstanceIds=[id], WaiterConfig=SOON)
    assert not guests(cloud)


@pytest.mark.parametrize("harm", ["missing", "corrupt"])
def test_an_image_whose_bytes_are_gone_ends_the_launch_with_the_reason(cloud, ec2, until, harm):
    blobs = [path for path in (cloud.folder / "repository" / "blobs").rglob("*") if path.is_file()]
    kernel = max(blobs, key=lambda path: path.stat().st_size)
    whole = kernel.read_bytes()
    mode = kernel.stat().st_mode
    kernel.unlink()
    if harm == "corrupt":
        kernel.write_bytes(whole[:5000] + bytes([whole[5000] ^ 1]) + whole[5001:])
    try:
        id = launched(cloud, ec2, wait=False)
        until(lambda: instance(ec2, id)["State"]["Name"] == "terminated", 90, "the end of the launch")
        reason = instance(ec2, id)["StateReason"]
        assert reason["Code"] == "Server.InternalError" and "image" in reason["Message"].lower(), reason
    finally:
        kernel.unlink(missing_ok=True)
        kernel.write_bytes(whole)
        kernel.chmod(mode)
    launched(cloud, ec2)


def test_terminate_holds_in_every_phase_and_twice(cloud, ec2):
    ids = {"launching": launched(cloud, ec2, wait=False)}
    ec2.terminate_instances(InstanceIds=[ids["launching"]])
    for phase in ["running", "rebooting", "stopping", "stopped", "starting"]:
        ids[phase] = launched(cloud, ec2)
        one = {"InstanceIds": [ids[phase]]}
        if phase == "rebooting":
            ec2.reboot_instances(**one)
        if phase in ("stopping", "stopped", "starting"):
            ec2.stop_instances(**one, Force=phase != "stopping")
        if phase in ("stopped", "starting"):
            ec2.get_waiter("instance_stopped").wait(**one, WaiterConfig=SOON)
        if phase == "starting":
            ec2.start_instances(**one)
        assert ec2.terminate_instances(**one)["TerminatingInstances"][0]["CurrentState"]["Name"] in ("shutting-down", "terminated")
        ec2.terminate_instances(**one)
    ec2.get_waiter("instance_terminated").wait(InstanceIds=list(ids.values()), WaiterConfig=SOON)
    assert not guests(cloud)
    assert not ec2.describe_volumes()["Volumes"] and not ec2.describe_network_interfaces()["NetworkInterfaces"]
    found = cloud.command("doctor").stdout
    assert "orphan" not in found.lower() or "no orphan" in found.lower(), found


def test_a_control_plane_on_a_full_disk_says_so_and_goes_on_when_there_is_room(images, until):
    with tempfile.TemporaryDirectory(prefix="pileus-full-") as folder:
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=160m", "tmpfs", folder], check=True)
        temporary, tempfile.tempdir = tempfile.tempdir, folder
        clouds = running("--simulate", "2", "--images", images)
        try:
            cloud = next(clouds)
            tempfile.tempdir = temporary
            ec2, image = cloud.client(), cloud.image()
            launch = {"ImageId": image, "InstanceType": "t2.nano", "MinCount": 1, "MaxCount": 1}
            first = ec2.run_instances(**launch)["Instances"][0]["InstanceId"]
            filler = pathlib.Path(folder, "filler")
            fill(filler)
            with pytest.raises(botocore.exceptions.ClientError) as refused:
                for _ in range(2000):
                    ec2.run_instances(**launch)
            assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] in (500, 503)
            assert instance(ec2, first)["InstanceId"] == first, "what there was is still told"
            filler.unlink()
            until(lambda: instance(ec2, ec2.run_instances(**launch)["Instances"][0]["InstanceId"]), 30, "a launch")
        finally:
            tempfile.tempdir = temporary
            clouds.close()
            subprocess.run(["umount", folder], check=True)


def fill(path):
    """Writes until the disk is full."""
    with open(path, "wb", buffering=0) as file:
        try:
            while True:
                file.write(b"\0" * 65536)
        except OSError:
            pass
