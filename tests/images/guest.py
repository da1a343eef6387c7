"""One real guest under QEMU's emulator, watched through its serial console."""

import json
import os
import select
import socket
import subprocess
import time

import cloud

# The image directory that `cargo xtask image` fills.
IMAGES = os.environ.get("PILEUS_IMAGES") or os.path.join(os.path.dirname(__file__), "..", "..", "images", "out")


def image(name):
    """The manifest of a built image, with its folder as `folder`."""
    folder = os.path.abspath(os.path.join(IMAGES, name))
    with open(os.path.join(folder, "image.json")) as manifest:
        return {"folder": folder, **json.load(manifest)}


def overlay(manifest, path, gib):
    """A writable disk of this size over the image's."""
    base = os.path.join(manifest["folder"], manifest["disk"]["file"])
    cloud.run("qemu-img", "create", "-q", "-f", "qcow2", "-b", base, "-F", manifest["disk"]["format"], path, f"{gib}G")


class Guest:
    """A running guest; `own_boot` makes it boot from its disk by BIOS."""

    def __init__(self, namespace, manifest, disk, own_boot=False, machine="q35", memory_mib=512, extra=()):
        self.namespace = namespace
        self.qmp_path = disk + ".qmp"
        command = ["qemu-system-x86_64", "-accel", "tcg", "-machine", machine, "-m", str(memory_mib), "-nodefaults"]
        command += ["-display", "none", "-serial", "stdio", "-qmp", f"unix:{self.qmp_path},server=on,wait=off"]
        command += ["-drive", f"if=virtio,file={disk},format=qcow2,cache=unsafe", "-device", "virtio-rng-pci", *extra]
        if namespace:
            command += ["-nic", f"tap,ifname={cloud.TAP},script=no,downscript=no,model=virtio-net-pci"]
        boot = manifest.get("boot")
        if boot and not own_boot:
            for option in ("kernel", "initrd"):
                command += ["-" + option, os.path.join(manifest["folder"], boot[option])]
            command += ["-append", boot["cmdline"]]
        self.started = time.monotonic()
        self.output = b""
        self.process = subprocess.Popen(
            namespace.inside(*command) if namespace else command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def wait_for(self, text, limit, after=0):
        """Waits for text on the console; returns the seconds since start and where it ended."""
        wanted = text.encode()
        end = time.monotonic() + limit
        while wanted not in self.output[after:]:
            left = end - time.monotonic()
            readable, _, _ = select.select([self.process.stdout], [], [], max(left, 0))
            data = os.read(self.process.stdout.fileno(), 65536) if readable else b""
            if not data:
                raise AssertionError(f"no {text!r} within {limit} s; the console ends:\n{self.console()[-3000:]}")
            self.output += data
        return time.monotonic() - self.started, self.output.index(wanted, after) + len(wanted)

    def wait_for_end(self, limit):
        """Waits for QEMU to exit by itself, and returns the seconds it took."""
        began = time.monotonic()
        while time.monotonic() - began < limit:
            readable, _, _ = select.select([self.process.stdout], [], [], 0.05)
            if readable:
                data = os.read(self.process.stdout.fileno(), 65536)
                if not data:
                    self.process.wait(timeout=5)
                    return time.monotonic() - began
                self.output += data
        raise AssertionError(f"still running after {limit} s; the console ends:\n{self.console()[-3000:]}")

    def console(self):
        return self.output.decode(errors="replace")

    def press_power_button(self):
        with socket.socket(socket.AF_UNIX) as qmp:
            qmp.settimeout(5)
            qmp.connect(self.qmp_path)
            stream = qmp.makefile("rw")
            stream.readline()
            for command in ("qmp_capabilities", "system_powerdown"):
                stream.write(json.dumps({"execute": command}) + "\n")
                stream.flush()
                while "return" not in json.loads(stream.readline()):
                    pass

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdout.close()
