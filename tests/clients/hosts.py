"""Several hosts on one machine, made and removed by `cargo xtask hosts`, and this process inside the server's network namespace."""

import contextlib
import ctypes
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time

import conftest
from conftest import IMAGES, PILEUS, ROOT, Cloud

XTASK = pathlib.Path(os.environ.get("PILEUS_XTASK", ROOT / "target" / "debug" / "xtask"))
READY_WITHIN = 180  # seconds
CLONE_NEWNET = 0x4000_0000  # linux/sched.h


def enter(namespace):
    """Moves this thread into a network namespace; `/proc/1/ns/net` is home."""
    with open(namespace) as fd:
        if ctypes.CDLL(None, use_errno=True).setns(fd.fileno(), CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), f"setns {namespace}")


@contextlib.contextmanager
def inside(namespace):
    """Has this thread, and what it starts, inside a network namespace."""
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    enter(f"/run/netns/{namespace}")
    try:
        yield
    finally:
        enter(f"/proc/self/fd/{home}")
        os.close(home)


class Host:
    """One host: its namespace, its state folder, and the agent or server that runs on it."""

    def __init__(self, facts):
        self.name, self.namespace, self.address = facts["name"], facts["namespace"], facts["address"]
        self.state, self.pid, self.log = pathlib.Path(facts["state"]), facts["pid"], facts["log"]
        self.process = None

    def run(self, *line, check=True, timeout=60, **more):
        """Runs a command in the host's namespace; what it printed."""
        line = ["nsenter", f"--net=/run/netns/{self.namespace}", *map(str, line)]
        return subprocess.run(line, capture_output=True, text=True, check=check, timeout=timeout, **more)

    def start(self, *arguments):
        """Starts the agent or the server again after `kill`."""
        line = ["nsenter", f"--net=/run/netns/{self.namespace}", PILEUS, arguments[0], "--state", self.state, *arguments[1:]]
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(line, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.pid = self.process.pid

    def kill(self):
        """Ends the agent or the server as a crash does."""
        os.kill(self.pid, signal.SIGKILL)
        if self.process:
            self.process.wait()
        else:  # The child of `xtask hosts`, which collects it only at the end.
            conftest.wait_until(lambda: " Z " in pathlib.Path(f"/proc/{self.pid}/stat").read_text(), 10, "the end of a process")

    def has(self, instance):
        """Whether an instance's machine is here."""
        return (self.state / "host" / "vms" / instance).exists()

    def text(self):
        return pathlib.Path(self.log).read_text(errors="replace")


class HostedCloud(Cloud):
    """A cloud on several hosts."""

    def __init__(self, count, *arguments):
        super().__init__(tempfile.mkdtemp(prefix="pileus-test-"))
        line = [XTASK, "hosts", str(count), "--folder", self.folder, "--images", IMAGES, "--pileus", PILEUS, "--", *arguments]
        self.xtask_log = open(self.folder / "xtask.log", "wb")
        self.xtask = subprocess.Popen(list(map(str, line)), stdout=self.xtask_log, stderr=self.xtask_log)
        self.arguments = arguments

    def wait(self):
        """Waits until every host is connected."""
        facts = self.folder / "hosts.json"
        deadline = time.monotonic() + READY_WITHIN
        while not facts.exists():
            if self.xtask.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the hosts are not ready: {(self.folder / 'xtask.log').read_text()}")
            time.sleep(0.1)
        facts = json.loads(facts.read_text())
        self.hub, self.hosts = facts["hub"], [Host(host) for host in facts["hosts"]]
        self.folder_of_all, self.folder = self.folder, self.hosts[0].state
        self.read_environment()
        return self

    def start_server(self):
        """Starts the server again after it was killed."""
        self.hosts[0].start("up", "--hosts-listen", f"{self.hosts[0].address}:7710", "--images", IMAGES, *self.arguments)
        conftest.wait_until(lambda: self.command("env", check=False).returncode == 0, 60, "the server")

    def host_list(self):
        """What `pileus host list` says: the columns of each host, by name."""
        rows = [line.split() for line in self.command("host", "list").stdout.splitlines()[1:]]
        return {row[0]: row for row in rows}

    def end(self):
        folder = getattr(self, "folder_of_all", self.folder)
        for host in getattr(self, "hosts", []):
            if host.process and host.process.poll() is None:
                host.process.terminate()
                host.process.wait(timeout=60)
        self.xtask.terminate()
        self.xtask.wait(timeout=180)
        self.xtask_log.close()
        if os.environ.get("PILEUS_KEEP_LOGS"):
            print(f"logs kept: {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def hosted(count, *arguments):
    """A cloud on several hosts, with this process in the server's namespace; removed whatever happens."""
    cloud = HostedCloud(count, *arguments)
    try:
        cloud.wait()
        with inside(cloud.hosts[0].namespace):
            yield cloud
    finally:
        cloud.end()
