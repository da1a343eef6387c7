"""Fixtures for the vendors' own clients against a real `pileus up`.

A cloud runs for the whole session, in a state folder of its own. By default it runs real machines, which takes root; tests that
need thousands of instances ask for `simulated`. Everything is removed at the end, also after a failure.
"""

import collections
import json
import os
import pathlib
import random
import shlex
import shutil
import signal
import socket
import subprocess
import tempfile
import time

import boto3
import botocore.config
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PILEUS = pathlib.Path(os.environ.get("PILEUS_BIN", ROOT / "target" / "debug" / "pileus"))
IMAGES = pathlib.Path(os.environ.get("PILEUS_IMAGES", ROOT / "images" / "out"))
READY_WITHIN = 120  # seconds; importing both images takes some of them


def free_port():
    """A port that nobody has, below those that the kernel gives to outgoing connections: one of them might take it until it is used."""
    while True:
        port = random.randrange(16_384, 32_768)
        with socket.socket() as listener:
            try:
                listener.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


class Cloud:
    """A running cloud and what is needed to talk to it."""

    def __init__(self, folder, *arguments):
        self.folder = pathlib.Path(folder)
        # What an operator lends to accounts: ACCOUNT/BUCKET/KEY.
        self.buckets = pathlib.Path(f"{folder}-buckets")
        self.arguments = arguments
        self.port = free_port()
        self.process = None
        self.names = collections.Counter()

    def start(self):
        command = [PILEUS, "up", "--state", self.folder, "--listen", f"127.0.0.1:{self.port}", "--metrics", f"127.0.0.1:{free_port()}", "--buckets", self.buckets]
        self.buckets.mkdir(exist_ok=True)
        self.log = open(f"{self.folder}.log", "ab")
        self.process = subprocess.Popen([*command, *self.arguments], stdout=self.log, stderr=self.log)
        deadline = time.monotonic() + READY_WITHIN
        while True:
            done = subprocess.run([PILEUS, "env", "--state", self.folder], capture_output=True, text=True)
            if done.returncode == 0:
                break
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"pileus is not ready: {done.stderr}\n{self.log_text()[-4000:]}")
            time.sleep(0.1)
        return self.read_environment()

    def read_environment(self):
        """Takes what `pileus env` prints."""
        done = self.command("env")
        lines = [line.removeprefix("export ").split("=", 1) for line in done.stdout.splitlines()]
        self.environment = {name: shlex.split(value)[0] for name, value in lines}
        self.endpoint = self.environment["AWS_ENDPOINT_URL"]
        self.host = "127.0.0.1"
        self.access_key = self.environment["AWS_ACCESS_KEY_ID"]
        self.secret_key = self.environment["AWS_SECRET_ACCESS_KEY"]
        self.region = self.environment["AWS_REGION"]
        return self

    def log_text(self):
        return pathlib.Path(f"{self.folder}.log").read_text(errors="replace")

    def command(self, *arguments, check=True, timeout=300):
        """Runs an operator's command on this cloud."""
        line = [PILEUS, *arguments[:1], "--state", self.folder, *arguments[1:]]
        done = subprocess.run(line, capture_output=True, text=True, timeout=timeout)
        if check and done.returncode != 0:
            raise RuntimeError(f"{arguments}: {done.stdout}{done.stderr}")
        return done

    def kill(self):
        """Ends pileus as a crash does."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def terminate(self):
        """Ends pileus as an operator does."""
        self.process.terminate()
        return self.process.wait(timeout=60)

    def purge(self):
        self.command("down", "--purge", check=False)
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.log.close()
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.rmtree(self.buckets, ignore_errors=True)

    def client(self, service="ec2", key=None, secret=None, **options):
        """A boto3 client; each has a connection pool of its own."""
        return boto3.client(
            service,
            endpoint_url=self.endpoint,
            region_name=self.region,
            aws_access_key_id=key or self.access_key,
            aws_secret_access_key=secret or self.secret_key,
            config=botocore.config.Config(retries={"max_attempts": 1}, max_pool_connections=64, **options),
        )

    def image(self, name="pileus-linux"):
        """The id of an image by its name."""
        found = self.client().describe_images(Filters=[{"Name": "name", "Values": [name]}])["Images"]
        assert found, f"no image {name}"
        return found[0]["ImageId"]

    def account(self, name):
        """Makes an account; its access key, secret and number. A name that another test has taken already is given a number."""
        self.names[name] += 1
        name = name if self.names[name] == 1 else f"{name}-{self.names[name]}"
        made = json.loads(self.command("account", "create", name).stdout)
        return made["id"], made["secret"], made["account"]


def running(*arguments):
    """Starts a cloud, gives it out, and removes it whatever happens."""
    folder = tempfile.mkdtemp(prefix="pileus-test-")
    cloud = Cloud(folder, *arguments)
    try:
        yield cloud.start()
    finally:
        cloud.purge()
        log = pathlib.Path(f"{folder}.log")
        if os.environ.get("PILEUS_KEEP_LOGS"):
            print(f"log kept: {log}")
        else:
            log.unlink(missing_ok=True)


@pytest.fixture(scope="session")
def cloud():
    """A cloud with real machines."""
    if os.geteuid() != 0:
        pytest.fail("these tests run real machines and need root")
    yield from running("--images", IMAGES, "--zones", "local-1a,local-1b")


@pytest.fixture(scope="session")
def simulated():
    """A cloud with a hundred simulated hosts in two zones."""
    yield from running("--images", IMAGES, "--simulate", "100", "--zones", "local-1a,local-1b", "--vpc-range", "10.0.0.0/8")


@pytest.fixture(scope="session")
def ec2(cloud):
    """A boto3 client of the cloud with real machines."""
    return cloud.client()


def guests(cloud):
    """Processes of QEMU that belong to a cloud: those whose log lies in its state folder."""
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and "qemu" in (entry / "comm").read_text() and str(cloud.folder) in os.readlink(entry / "fd/2"):
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def wait_until(condition, within=60, what="the condition"):
    """Looks until the condition gives something true, and gives that."""
    deadline = time.monotonic() + within
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} was not met within {within} s")
        time.sleep(0.2)


def ssh(address, key_file, command, user="root", within=90):
    """Runs a command in a guest, waiting until it lets us in."""
    options = ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "ConnectTimeout=5", "-o", "BatchMode=yes"]
    # A connection to a guest whose address moves away meanwhile would hang.
    options += ["-o", "ServerAliveInterval=10", "-o", "ServerAliveCountMax=3"]
    line = ["ssh", "-i", str(key_file), *options, "-o", "LogLevel=ERROR", f"{user}@{address}", command]

    def attempt():
        done = subprocess.run(line, capture_output=True, text=True, timeout=60)
        return done if done.returncode != 255 else None

    return wait_until(attempt, within, f"an SSH login to {address}")


def tried(line, within=60):
    """Runs a command; one that takes longer has failed as one that SSH could not connect for: its way may go while it is made."""
    try:
        return subprocess.run(line, capture_output=True, text=True, timeout=within)
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(line, 255, "", "")


def private_key(ec2, name, folder):
    """Makes a key pair; the file with its private half."""
    path = folder / f"{name}.pem"
    path.write_text(ec2.create_key_pair(KeyName=name, KeyType="ed25519")["KeyMaterial"])
    path.chmod(0o600)
    return path


def ssh_group(ec2, name):
    """Makes a security group of the default VPC that lets everybody in by SSH; its id."""
    group = ec2.create_security_group(GroupName=name, Description="SSH")["GroupId"]
    ssh = [{"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=ssh)
    return group


@pytest.fixture(scope="session")
def shell():
    """`ssh` as a fixture."""
    return ssh


@pytest.fixture(scope="session")
def until():
    """`wait_until` as a fixture."""
    return wait_until
