"""What an operator meets when something is wrong: a clear sentence, an exit status, and nothing left behind."""

import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile

import pytest

from conftest import IMAGES, PILEUS, guests, running

SOON = {"Delay": 1, "MaxAttempts": 60}


@pytest.fixture
def folder():
    path = pathlib.Path(tempfile.mkdtemp(prefix="pileus-fault-"))
    os.chmod(path, 0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)


def up(folder, *arguments, prefix=(), listen="127.0.0.1:0"):
    """Runs `pileus up` that is expected to fail; its exit status and words."""
    line = [*prefix, PILEUS, "up", "--state", folder / "state", "--listen", listen, *arguments]
    done = subprocess.run(line, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout + done.stderr


def test_a_port_that_is_taken_is_named(folder):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        status, words = up(folder, "--simulate", "1", listen=address)
    assert status != 0 and address in words, words


def test_a_state_folder_that_cannot_be_written_is_named(folder):
    subprocess.run(["mount", "-t", "tmpfs", "-o", "ro,size=1m", "tmpfs", folder], check=True)
    try:
        status, words = up(folder, "--simulate", "1")
    finally:
        subprocess.run(["umount", folder], check=True)
    assert status != 0 and str(folder) in words, words


def test_without_root_it_says_so_and_what_to_do_instead(folder):
    os.chmod(folder, 0o777)
    program = shutil.copy(PILEUS, folder / "pileus")
    line = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", program, "up", "--state", folder / "state", "--listen", "127.0.0.1:0"]
    done = subprocess.run(line, capture_output=True, text=True, timeout=60)
    words = done.stdout + done.stderr
    assert done.returncode != 0 and "root" in words and "--simulate" in words, words


def test_what_the_machine_lacks_is_named_with_its_remedy(folder):
    """A machine without taps, as this one process alone sees it."""
    hide = "mount -t tmpfs tmpfs /dev/net && exec \"$@\""
    status, words = up(folder, prefix=("unshare", "--mount", "--propagation", "private", "sh", "-c", hide, "sh"))
    assert status != 0 and "/dev/net/tun is missing" in words and "modprobe tun" in words, words


def test_another_region_on_the_same_folder_is_refused_and_a_second_up_too(simulated):
    line = [PILEUS, "up", "--state", simulated.folder, "--listen", "127.0.0.1:0", "--simulate", "100"]
    done = subprocess.run(line, capture_output=True, text=True, timeout=60)
    assert done.returncode != 0 and "another pileus runs" in done.stdout + done.stderr


def test_sigterm_says_which_instances_go_on_and_down_stops_them(until):
    """An end in order: guests go on, are found again, and stop when they are told to."""
    clouds = running("--images", IMAGES)
    cloud = next(clouds)
    try:
        ec2 = cloud.client()
        made = ec2.run_instances(ImageId=cloud.image(), InstanceType="t2.nano", MinCount=1, MaxCount=1)["Instances"][0]
        ec2.get_waiter("instance_running").wait(InstanceIds=[made["InstanceId"]], WaiterConfig=SOON)
        assert cloud.terminate() == 0
        assert made["InstanceId"] in cloud.log_text()
        assert guests(cloud), "the guest goes on"
        cloud.command("down")
        assert not guests(cloud), "the guest is stopped"
        # What should run comes back with the cloud.
        cloud.start()
        cloud.client().get_waiter("instance_running").wait(InstanceIds=[made["InstanceId"]], WaiterConfig=SOON)
        until(lambda: guests(cloud), 60, "the guest")
    finally:
        clouds.close()
    assert not guests(cloud), "nothing is left after a purge"


def test_after_a_power_cut_what_should_run_comes_back(until):
    clouds = running("--images", IMAGES)
    cloud = next(clouds)
    try:
        ec2 = cloud.client()
        made = ec2.run_instances(ImageId=cloud.image(), InstanceType="t2.nano", MinCount=2, MaxCount=2)["Instances"]
        ids = [instance["InstanceId"] for instance in made]
        ec2.get_waiter("instance_running").wait(InstanceIds=ids, WaiterConfig=SOON)
        ec2.stop_instances(InstanceIds=ids[1:])
        ec2.get_waiter("instance_stopped").wait(InstanceIds=ids[1:], WaiterConfig={"Delay": 1, "MaxAttempts": 120})
        cloud.kill()
        for pid in guests(cloud):
            os.kill(pid, signal.SIGKILL)
        until(lambda: not guests(cloud), 30, "the end of the guests")
        cloud.start()
        until(lambda: len(guests(cloud)) == 1, 60, "the guest that should run")
        states = {i["InstanceId"]: i["State"]["Name"] for r in cloud.client().describe_instances()["Reservations"] for i in r["Instances"]}
        assert states == {ids[0]: "running", ids[1]: "stopped"}
    finally:
        clouds.close()


def test_an_instance_whose_qemu_hangs_can_be_terminated(until):
    clouds = running("--images", IMAGES)
    cloud = next(clouds)
    try:
        ec2 = cloud.client()
        id = ec2.run_instances(ImageId=cloud.image(), InstanceType="t2.nano", MinCount=1, MaxCount=1)["Instances"][0]["InstanceId"]
        ec2.get_waiter("instance_running").wait(InstanceIds=[id], WaiterConfig=SOON)
        (pid,) = guests(cloud)
        os.kill(pid, signal.SIGSTOP)
        ec2.terminate_instances(InstanceIds=[id])
        ec2.get_waiter("instance_terminated").wait(InstanceIds=[id], WaiterConfig={"Delay": 1, "MaxAttempts": 180})
        ec2.terminate_instances(InstanceIds=[id])
        assert not guests(cloud)
    finally:
        clouds.close()
