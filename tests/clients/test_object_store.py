"""Images and snapshots in an object store: `pileus up --object-store` before moto's S3, which checks every signature, and real guests."""

import itertools
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request

import boto3
import botocore.exceptions
import pytest

from conftest import IMAGES, ROOT, Cloud, free_port, private_key, running, ssh, ssh_group, wait_until
from test_snapshots import attach, completed, fill, letters
from test_volumes import SOON, TYPE, Guest, remove

# The version that `xtask bench api` uses too.
MOTO = "moto[server]==5.1.18"
ZONE = "local-1a"


def moto():
    """The interpreter of an environment of its own under `target`."""
    venv = pathlib.Path(os.environ.get("PILEUS_MOTO", ROOT / "target" / "moto"))
    if not (venv / "bin" / "moto_server").exists():
        subprocess.run([sys.executable, "-m", "venv", venv], check=True)
        subprocess.run([venv / "bin" / "pip", "install", "--quiet", MOTO], check=True)
    return venv / "bin" / "python"


class Store:
    """A running S3 server with one bucket, and a key that it checks."""

    def __init__(self):
        self.port = free_port()
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self.process = subprocess.Popen([moto(), pathlib.Path(__file__).with_name("checked_moto.py"), "-p", str(self.port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until(self.answers, 60, "moto")
        iam = self.client("iam", "any", "any")
        iam.create_user(UserName="pileus")
        allow = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
        iam.put_user_policy(UserName="pileus", PolicyName="s3", PolicyDocument=json.dumps(allow))
        made = iam.create_access_key(UserName="pileus")["AccessKey"]
        self.key, self.secret = made["AccessKeyId"], made["SecretAccessKey"]
        self.s3 = self.client("s3", self.key, self.secret)
        self.s3.create_bucket(Bucket="disks")
        # From here on every request has to be signed by that key.
        from_now = urllib.request.Request(f"{self.endpoint}/moto-api/reset-auth", data=b"0", headers={"Content-Type": "text/plain"})
        urllib.request.urlopen(from_now).read()

    def client(self, service, key, secret):
        return boto3.client(service, endpoint_url=self.endpoint, region_name="us-east-1", aws_access_key_id=key, aws_secret_access_key=secret)

    def answers(self):
        try:
            return urllib.request.urlopen(f"{self.endpoint}/moto-api/data.json", timeout=2).status == 200
        except OSError:
            return False

    def settings(self, path, **changed):
        """Writes what `--object-store` reads."""
        path = pathlib.Path(path)
        said = {"endpoint": self.endpoint, "bucket": "disks", "prefix": "clouds/one", "access_key_id": self.key, "secret_access_key": self.secret}
        path.write_text(json.dumps(said | changed))
        path.chmod(0o600)
        return path

    def names(self, prefix="clouds/one/"):
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket="disks", Prefix=prefix)
        return {found["Key"] for page in pages for found in page.get("Contents", [])}

    def silent(self):
        """Takes connections and says nothing, as a server does whose disk hangs."""
        self.process.send_signal(signal.SIGSTOP)

    def back(self):
        self.process.send_signal(signal.SIGCONT)


@pytest.fixture(scope="module")
def store():
    store = Store()
    yield store
    store.back()
    store.process.kill()
    store.process.wait()


@pytest.fixture(scope="module")
def cloud(store, tmp_path_factory):
    if os.geteuid() != 0:
        pytest.fail("these tests run real machines and need root")
    settings = store.settings(tmp_path_factory.mktemp("store") / "store.json")
    yield from running("--images", IMAGES, "--zones", ZONE, "--object-store", settings)


@pytest.fixture(scope="module")
def ec2(cloud):
    return cloud.client()


@pytest.fixture(scope="module")
def guest(cloud, ec2, tmp_path_factory):
    path = private_key(ec2, "store", tmp_path_factory.mktemp("keys"))
    group = ssh_group(ec2, "store")
    data = [{"DeviceName": "/dev/sdf", "Ebs": {"VolumeSize": 1, "DeleteOnTermination": True}}]
    launched = ec2.run_instances(ImageId=cloud.image(), InstanceType=TYPE, MinCount=1, MaxCount=1, KeyName="store", SecurityGroupIds=[group], BlockDeviceMappings=data)
    id = launched["Instances"][0]["InstanceId"]
    ec2.get_waiter("instance_running").wait(InstanceIds=[id], WaiterConfig=SOON)
    yield Guest(ec2, path, ssh, id)
    ec2.terminate_instances(InstanceIds=[id])
    ec2.get_waiter("instance_terminated").wait(InstanceIds=[id], WaiterConfig=SOON)


def data_volume(ec2, guest):
    mapped = ec2.describe_instances(InstanceIds=[guest.id])["Reservations"][0]["Instances"][0]["BlockDeviceMappings"]
    return next(disk["Ebs"]["VolumeId"] for disk in mapped if disk["DeviceName"] == "/dev/sdf")


def forget_chunks(cloud):
    """What an operator may do at any moment: the chunks here are a cache."""
    removed = 0
    for chunk in (cloud.folder / "repository" / "chunks").glob("??/*"):
        chunk.unlink()
        removed += 1
    return removed


def from_snapshot(ec2, snapshot):
    volume = ec2.create_volume(SnapshotId=snapshot, AvailabilityZone=ZONE)["VolumeId"]
    ec2.get_waiter("volume_available").wait(VolumeIds=[volume], WaiterConfig=SOON)
    return volume


def test_a_disk_of_a_snapshot_comes_from_the_store_when_nothing_of_it_is_here(cloud, store, ec2, guest):
    volume = data_volume(ec2, guest)
    before = store.names()
    fill(guest, volume, "a")
    taken = ec2.create_snapshot(VolumeId=volume)["SnapshotId"]
    completed(ec2, taken)
    came = {name.split("/")[2] for name in store.names() - before}
    assert came == {"chunks", "manifests"}
    assert forget_chunks(cloud) > 0
    copy = from_snapshot(ec2, taken)
    try:
        attach(ec2, guest, copy)
        assert letters(guest, copy) == "a"
    finally:
        remove(ec2, copy)
        ec2.delete_snapshot(SnapshotId=taken)


def test_a_guest_waits_for_a_store_that_says_nothing_and_then_reads_on(cloud, store, ec2, guest):
    volume = data_volume(ec2, guest)
    # Bytes that are not the same twice: each chunk is its own.
    written = guest.run(f"head -c 33554432 /dev/urandom > /tmp/bytes; dd if=/tmp/bytes of={guest.device(volume)} bs=1M conv=notrunc,fsync 2>/dev/null; sha256sum < /tmp/bytes; rm /tmp/bytes")
    taken = ec2.create_snapshot(VolumeId=volume)["SnapshotId"]
    completed(ec2, taken)
    copy = from_snapshot(ec2, taken)
    try:
        attach(ec2, guest, copy)
        device = guest.device(copy)
        forget_chunks(cloud)
        store.silent()
        guest.run(f"(dd if={device} bs=1M count=32 2>/dev/null | sha256sum > /tmp/read; echo done >> /tmp/read) >/dev/null 2>&1 </dev/null &")
        time.sleep(5)
        assert "done" not in guest.run("cat /tmp/read"), "the guest lives, and its read waits"
        store.back()
        assert wait_until(lambda: "done" in (said := guest.run("cat /tmp/read")) and said, 120, "the read") == f"{written}done\n"
    finally:
        store.back()
        remove(ec2, copy)
        ec2.delete_snapshot(SnapshotId=taken)


def test_a_snapshot_is_completed_after_the_store_was_away_and_pileus_was_killed(cloud, store, ec2, guest):
    volume = data_volume(ec2, guest)
    fill(guest, volume, "c")
    store.silent()
    try:
        taken = ec2.create_snapshot(VolumeId=volume)["SnapshotId"]
        time.sleep(2)
        # The guest was never held: it writes on.
        fill(guest, volume, "d", at=100)
        assert ec2.describe_snapshots(SnapshotIds=[taken])["Snapshots"][0]["State"] == "pending"
        cloud.kill()
    finally:
        store.back()
    cloud.start()
    completed(ec2, taken)
    forget_chunks(cloud)
    copy = from_snapshot(ec2, taken)
    try:
        attach(ec2, guest, copy)
        assert (letters(guest, copy), letters(guest, copy, at=100)) == ("c", ".")
    finally:
        remove(ec2, copy)
        ec2.delete_snapshot(SnapshotId=taken)


def scrub(cloud, check=True):
    return cloud.command("repository", "scrub", check=check)


def test_a_scrub_mends_the_store_from_the_folder_and_names_what_is_right_nowhere(cloud, store, ec2, guest):
    assert "damaged" not in scrub(cloud).stdout
    volume = data_volume(ec2, guest)
    before = store.names("clouds/one/chunks/")
    fill(guest, volume, "e", mib=1)
    taken = ec2.create_snapshot(VolumeId=volume)["SnapshotId"]
    completed(ec2, taken)
    chunk = min(store.names("clouds/one/chunks/") - before)
    here = cloud.folder / "repository" / chunk.removeprefix("clouds/one/")
    try:
        sound = store.s3.get_object(Bucket="disks", Key=chunk)["Body"].read()
        flipped = sound[:-1] + bytes([sound[-1] ^ 1])
        store.s3.put_object(Bucket="disks", Key=chunk, Body=flipped)
        assert f"mended: chunk {here.name} in the object store, from the folder" in scrub(cloud).stdout
        assert store.s3.get_object(Bucket="disks", Key=chunk)["Body"].read() == sound
        # Now it is right nowhere.
        store.s3.put_object(Bucket="disks", Key=chunk, Body=flipped)
        here.unlink()
        found = scrub(cloud, check=False)
        assert found.returncode == 1 and f"damaged: chunk {here.name} does not match its checksum; needed by" in found.stdout
        assert f"snapshot {taken}" in found.stdout
        doctor = cloud.command("doctor", check=False)
        assert doctor.returncode == 1 and f"snapshot {taken}" in doctor.stdout
        assert "1 DAMAGED" in cloud.command("status").stdout
        copy = from_snapshot(ec2, taken)
        try:
            attach(ec2, guest, copy)
            # An error, never the flipped bytes.
            assert guest.run(f"dd if={guest.device(copy)} of=/dev/null bs=1M count=128 2>/dev/null || echo refused") == "refused\n"
        finally:
            remove(ec2, copy)
        store.s3.put_object(Bucket="disks", Key=chunk, Body=sound)
        assert "damaged" not in scrub(cloud).stdout
        assert "none damaged" in cloud.command("status").stdout
    finally:
        ec2.delete_snapshot(SnapshotId=taken)


def test_the_secret_of_the_store_is_in_no_command_line_file_or_log(cloud, store, guest):
    for line in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        try:
            assert store.secret.encode() not in line.read_bytes()
        except OSError:
            continue
    held = itertools.chain(cloud.folder.glob("*"), (cloud.folder / "repository").glob("*"), (cloud.folder / "host").rglob("*.log"))
    for path in held:
        if path.is_file() and path.stat().st_size < 1 << 26:
            assert store.secret.encode() not in path.read_bytes(), path
    assert store.secret not in cloud.log_text()


def refused_start(settings):
    """What a cloud says that does not start."""
    folder = tempfile.mkdtemp(prefix="pileus-test-")
    other = Cloud(folder, "--simulate", "1", "--zones", ZONE, "--object-store", settings)
    try:
        with pytest.raises(RuntimeError) as said:
            other.start()
        return str(said.value)
    finally:
        other.purge()
        pathlib.Path(f"{folder}.log").unlink(missing_ok=True)


def test_a_start_says_what_is_wrong_with_the_store(cloud, store, tmp_path):
    said = refused_start(store.settings(tmp_path / "wrong.json", secret_access_key="wrong", prefix="clouds/two"))
    assert "the object store" in said and "403" in said
    assert "is the repository's" in refused_start(store.settings(tmp_path / "taken.json"))
    nowhere = store.settings(tmp_path / "nowhere.json", endpoint=f"http://127.0.0.1:{free_port()}")
    assert "the object store" in refused_start(nowhere)
    open_to_all = store.settings(tmp_path / "open.json", prefix="clouds/three")
    open_to_all.chmod(0o644)
    assert "others than its owner may read it" in refused_start(open_to_all)
    assert store.names("clouds/two/") == set()
