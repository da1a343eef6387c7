"""Clouds beside each other on one machine, and what is left of them after a purge: nothing."""

import hashlib
import os
import pathlib
import subprocess
import tempfile
import uuid

import conftest
from conftest import IMAGES, Cloud, running

SOON = {"Delay": 1, "MaxAttempts": 60}
MARK = 7  # digits of the hash that names have


def output(*line):
    return subprocess.run(line, capture_output=True, text=True, check=True).stdout


def traces(*clouds):
    """What clouds have on this machine: processes, namespaces, links, tables, mounts, control groups.

    Whatever a cloud makes has the first digits of a hash of its state folder in its name, so others' things are not counted.
    """
    marks = [hashlib.sha256(os.fsencode(cloud.folder / "host")).hexdigest()[:MARK] for cloud in clouds]
    marks += [str(cloud.folder) for cloud in clouds]
    found = {f"link {line}" for line in output("ip", "-o", "link").splitlines()}
    found |= {f"namespace {line}" for line in output("ip", "netns", "list").splitlines()}
    found |= set(output("nft", "list", "tables").splitlines())
    found |= {f"mount {line}" for line in pathlib.Path("/proc/self/mounts").read_text().splitlines()}
    found |= {f"group {path}" for path in pathlib.Path("/sys/fs/cgroup").glob("**/pileus-*")}
    for entry in pathlib.Path("/proc").iterdir():
        try:
            if entry.name.isdigit():
                found.add(f"process {entry.name} {(entry / 'cmdline').read_text()}")
        except OSError:
            continue
    return {trace for trace in found if any(mark in trace for mark in marks)}


def kinds(traces):
    return {trace.split()[0] for trace in traces}


def launched(cloud):
    ec2 = cloud.client()
    id = ec2.run_instances(ImageId=cloud.image(), InstanceType="t2.nano", MinCount=1, MaxCount=1)["Instances"][0]["InstanceId"]
    ec2.get_waiter("instance_running").wait(InstanceIds=[id], WaiterConfig=SOON)
    return id


def test_two_clouds_live_beside_each_other_and_leave_nothing():
    both = [running("--images", IMAGES), running("--images", IMAGES)]
    first, second = (next(clouds) for clouds in both)
    try:
        ids = [launched(first), launched(second)]
        assert [r["Instances"][0]["InstanceId"] for r in first.client().describe_instances()["Reservations"]] == ids[:1]
        assert [r["Instances"][0]["InstanceId"] for r in second.client().describe_instances()["Reservations"]] == ids[1:]
        assert kinds(traces(first)) == kinds(traces(second)) >= {"process", "namespace", "link", "table", "group"}
        both[0].close()
        assert traces(first) == set()
        # The end of one is nothing to the other.
        second.client().reboot_instances(InstanceIds=ids[1:])
        states = second.client().describe_instances()["Reservations"][0]["Instances"][0]["State"]["Name"]
        assert states == "running"
    finally:
        for clouds in both:
            clouds.close()
    assert traces(second) == set()


class Inside(Cloud):
    """A cloud whose pileus runs in a network namespace, as do the calls to it."""

    def __init__(self, folder, namespace):
        super().__init__(folder, "--images", str(IMAGES))
        self.namespace = namespace

    def start(self):
        original, conftest.subprocess.Popen = conftest.subprocess.Popen, self.popen
        try:
            return super().start()
        finally:
            conftest.subprocess.Popen = original

    def popen(self, line, **more):
        return POPEN([*entering(self.namespace), *line], **more)


POPEN = subprocess.Popen


def entering(namespace):
    """What runs a command in a network namespace. `ip netns exec` would hide the control groups (ip-netns(8))."""
    return ["nsenter", f"--net=/run/netns/{namespace}"]


def test_a_cloud_lives_in_a_network_namespace_of_its_own():
    namespace = f"site-{uuid.uuid4().hex[:6]}"
    output("ip", "netns", "add", namespace)
    folder = tempfile.mkdtemp(prefix="pileus-test-")
    cloud = Inside(folder, namespace)
    inside = entering(namespace)
    try:
        output(*inside, "ip", "link", "set", "lo", "up")
        cloud.start()
        launch = [*inside, conftest.PILEUS, "launch", "--state", folder]
        words = subprocess.run(launch, capture_output=True, text=True, timeout=300)
        assert words.returncode == 0 and "ssh -i" in words.stdout, words.stdout + words.stderr
        line = next(line for line in words.stdout.splitlines() if line.strip().startswith("ssh -i")).split()
        done = subprocess.run([*inside, *line, "hostname"], capture_output=True, text=True, timeout=60)
        assert done.stdout.startswith("ip-"), done.stderr
        assert not kinds(traces(cloud)) & {"link", "table"}, "these are in its namespace"
    finally:
        subprocess.run([*inside, conftest.PILEUS, "down", "--purge", "--state", folder], capture_output=True, timeout=120)
        cloud.purge()
        output("ip", "netns", "delete", namespace)
        os.unlink(f"{folder}.log")
    assert traces(cloud) == set()
