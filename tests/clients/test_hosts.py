"""A cloud on two hosts: joining, images over the line, what goes on when the server or an agent is away."""

import json
import os
import shutil
import subprocess
import tempfile

import botocore.exceptions
import conftest
import pytest

from hosts import hosted

TYPE = "t2.nano"
SOON = {"Delay": 1, "MaxAttempts": 90}


@pytest.fixture(scope="module")
def cloud():
    """Two hosts with four virtual processors each, in two zones; the second host is in the first zone."""
    if os.geteuid() != 0:
        pytest.fail("these tests run real machines and need root")
    with hosted(2, "--zones", "local-1a,local-1b", "--cpu-overcommit", "1") as cloud:
        yield cloud


@pytest.fixture(scope="module")
def ec2(cloud):
    return cloud.client()


@pytest.fixture(scope="module")
def key(ec2, tmp_path_factory):
    """A key pair and the file with its private half."""
    return "hosts", conftest.private_key(ec2, "hosts", tmp_path_factory.mktemp("keys"))


def subnet_of_first_zone(ec2):
    return next(s["SubnetId"] for s in ec2.describe_subnets()["Subnets"] if s["AvailabilityZone"] == "local-1a")


def launched(cloud, ec2, **more):
    """Launches an instance of one processor; its id."""
    wanted = {"ImageId": cloud.image(), "InstanceType": TYPE, "MinCount": 1, "MaxCount": 1, **more}
    return ec2.run_instances(**wanted)["Instances"][0]["InstanceId"]


def described(ec2, id):
    return ec2.describe_instances(InstanceIds=[id])["Reservations"][0]["Instances"][0]


@pytest.fixture(scope="module")
def pairs(cloud, ec2, key):
    """Two instances on each host, as lists of ids: the placement packs, and a host has room for two."""
    made = [launched(cloud, ec2, SubnetId=subnet_of_first_zone(ec2), KeyName=key[0]) for _ in range(4)]
    ec2.get_waiter("instance_running").wait(InstanceIds=made, WaiterConfig=SOON)
    yield [[id for id in made if host.has(id)] for host in cloud.hosts]
    ec2.terminate_instances(InstanceIds=made)
    ec2.get_waiter("instance_terminated").wait(InstanceIds=made, WaiterConfig=SOON)


def processes(host):
    """What is noted of the process of each machine of a host."""
    return {path.parent.name: path.read_text() for path in host.state.glob("host/vms/*/pid.json")}


def ends_with_words(host, *arguments, stdin=""):
    """Runs `pileus agent` where it must not come to work; what it said."""
    done = host.run(conftest.PILEUS, "agent", *arguments, check=False, timeout=30, input=stdin)
    assert done.returncode != 0, done.stdout
    return done.stderr


@pytest.fixture
def folder():
    path = tempfile.mkdtemp(prefix="pileus-test-")
    yield path
    shutil.rmtree(path)


def test_hosts_are_listed_with_what_they_are(cloud):
    hosts = cloud.host_list()
    assert set(hosts) == {"local", "host-2"}
    assert hosts["host-2"][1:3] == ["up", "local-1a"]
    assert cloud.hosts[1].address in hosts["host-2"]
    status = cloud.command("status").stdout
    assert "host-2: up" in status, status
    assert cloud.command("doctor").stdout == "Nothing belongs to nobody.\n"


def test_a_spread_group_puts_guests_on_hosts_of_their_own(cloud, ec2):
    ec2.create_placement_group(GroupName="apart", Strategy="spread", SpreadLevel="host")
    wanted = {"SubnetId": subnet_of_first_zone(ec2), "Placement": {"GroupName": "apart"}}
    made = [launched(cloud, ec2, **wanted) for _ in range(2)]
    ec2.get_waiter("instance_running").wait(InstanceIds=made, WaiterConfig=SOON)
    assert sorted([host.has(id) for host in cloud.hosts] for id in made) == [[False, True], [True, False]]
    with pytest.raises(ec2.exceptions.ClientError) as full:
        launched(cloud, ec2, **wanted)
    assert full.value.response["Error"]["Code"] == "InsufficientInstanceCapacity"
    assert "closed by the placement group" in full.value.response["Error"]["Message"]
    ec2.terminate_instances(InstanceIds=made)
    ec2.get_waiter("instance_terminated").wait(InstanceIds=made, WaiterConfig=SOON)
    ec2.delete_placement_group(GroupName="apart")


def test_a_full_host_is_followed_by_another_and_its_guests_boot_from_images_over_the_line(cloud, ec2, pairs):
    assert [len(pair) for pair in pairs] == [2, 2], pairs
    with pytest.raises(ec2.exceptions.ClientError) as full:
        launched(cloud, ec2, SubnetId=subnet_of_first_zone(ec2))
    assert full.value.response["Error"]["Code"] == "InsufficientInstanceCapacity"
    for id in pairs[1]:
        conftest.wait_until(lambda id=id: "ready after" in ec2.get_console_output(InstanceId=id).get("Output", ""), 180, "a boot")
    cached = cloud.hosts[1].state / "repository" / "manifests"
    assert len(list(cached.iterdir())) == 1, "only the image that is used"


def test_a_token_is_good_for_one_machine_once(cloud, folder):
    far = cloud.hosts[1]
    used = (cloud.folder.parent / "2.token").read_text()
    assert "the token was used" in ends_with_words(far, "--state", folder, "--token", "-", stdin=used)
    older = cloud.command("host", "add", "host-3", "--zone", "local-1b").stdout
    newer = cloud.command("host", "add", "host-3", "--zone", "local-1b").stdout
    assert older != newer
    assert "replaced by a newer one" in ends_with_words(far, "--state", folder, "--token", "-", stdin=older)
    # A wrong guess voids nothing but is not let in; the address is host-2's already.
    assert "another host has this address" in ends_with_words(far, "--state", folder, "--token", "-", stdin=newer)
    assert "no token" in ends_with_words(far, "--state", folder, "--token", "-", stdin="pileus-host-eyJ9")
    assert cloud.host_list()["host-3"][1] == "invited"
    cloud.command("host", "remove", "host-3")
    assert "host-3" not in cloud.host_list()


def test_a_host_speaks_only_for_itself(cloud, folder):
    """A copy of a host's identity that says it is another host gets nowhere."""
    far, local = cloud.hosts[1], cloud.hosts[0]
    spec = json.loads((local.state / "host" / "spec.json").read_text())
    identity = json.loads((far.state / "identity.json").read_text())
    log = len(local.text())
    with open(f"{folder}/identity.json", "w") as file:
        json.dump({**identity, "host": spec["host"]}, file)
    agent = subprocess.Popen(
        ["nsenter", f"--net=/run/netns/{far.namespace}", conftest.PILEUS, "agent", "--state", folder],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        conftest.wait_until(lambda: f"it reports for {spec['host']}" in local.text()[log:], 30, "the refusal")
    finally:
        agent.kill()
        agent.wait()
    # The true one comes back, since it dials again.
    conftest.wait_until(lambda: cloud.command("doctor", check=False).returncode == 0, 60, "the true host")
    subprocess.run([conftest.PILEUS, "down", "--purge", "--state", folder], check=True, timeout=60)
    os.makedirs(folder)


def test_a_used_host_is_not_removed(cloud, pairs):
    assert pairs[1]
    refused = cloud.command("host", "remove", "host-2", check=False)
    assert refused.returncode != 0 and "used by" in refused.stderr, refused.stderr


def test_a_host_without_the_repository_stores_no_snapshot_and_says_so(ec2, pairs):
    def root(id):
        return described(ec2, id)["BlockDeviceMappings"][0]["Ebs"]["VolumeId"]

    near, far = (root(pair[0]) for pair in pairs)
    snapshot = ec2.create_snapshot(VolumeId=near)["SnapshotId"]
    with pytest.raises(botocore.exceptions.ClientError) as refused:
        ec2.create_snapshot(VolumeId=far)
    assert refused.value.response["Error"]["Code"] == "UnsupportedOperation"
    ec2.get_waiter("snapshot_completed").wait(SnapshotIds=[snapshot], WaiterConfig=SOON)
    ec2.delete_snapshot(SnapshotId=snapshot)


def test_an_agent_that_is_killed_finds_its_guests_again(cloud, ec2, pairs):
    far = cloud.hosts[1]
    before = processes(far)
    far.kill()
    far.start("agent")
    conftest.wait_until(lambda: cloud.command("doctor", check=False).returncode == 0, 60, "the host's return")
    assert processes(far) == before and len(before) == 2


def test_guests_and_agents_go_on_without_the_server(cloud, ec2, pairs):
    far, server = cloud.hosts[1], cloud.hosts[0]
    server.kill()
    # The agent starts from its kept document although there is nobody to ask.
    far.kill()
    log = len(far.text())
    far.start("agent")
    conftest.wait_until(lambda: "the server is not reached" in far.text()[log:], 30, "an agent that says so")
    assert "guest started" not in far.text()[log:]
    cloud.start_server()
    conftest.wait_until(lambda: cloud.host_list()["host-2"][1] == "up", 60, "the host's return")
    conftest.wait_until(lambda: cloud.command("doctor", check=False).returncode == 0, 60, "the host's return")
    assert [described(ec2, id)["State"]["Name"] for id in pairs[1]] == ["running"] * 2


def test_instances_of_a_host_that_is_away_are_impaired_and_none_is_placed_there(cloud, ec2, pairs):
    far = cloud.hosts[1]

    def status():
        found = ec2.describe_instance_status(InstanceIds=[pairs[1][0]])["InstanceStatuses"][0]
        return found["SystemStatus"]["Status"]

    far.kill()
    try:
        # Thirty-five seconds of silence; the list says so at the next look, five seconds later at most.
        conftest.wait_until(lambda: status() == "impaired", 50, "an impaired instance")
        conftest.wait_until(lambda: cloud.host_list()["host-2"][1] == "silent", 10, "a silent host")
        assert "its agent is away" in cloud.command("doctor", check=False).stdout
    finally:
        far.start("agent")
    conftest.wait_until(lambda: status() != "impaired", 60, "the host's return")
