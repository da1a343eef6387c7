"""The stock Debian 12 image finds the cloud by itself, as cloud-init's Ec2 data source does."""

import pytest

import cloud
import guest
from test_pileus_linux import HOST_MASK, key, namespace, ssh  # noqa: F401 (fixtures)

# cloud-init's ds-identify takes a machine for EC2's where the system UUID
# starts with "ec2" and the serial number is the same.
EC2_UUID = "ec2f3a01-5f3c-4d4e-9b1f-0c8c7e6f1a10"
BOOT_LIMIT = 600


@pytest.fixture
def machine(namespace, tmp_path):
    manifest = guest.image("debian-12")
    disk = str(tmp_path / "disk.qcow2")
    guest.overlay(manifest, disk, 6)
    extra = ["-smbios", f"type=1,uuid={EC2_UUID},serial={EC2_UUID}"]
    started = []

    def start():
        started.append(guest.Guest(namespace, manifest, disk, memory_mib=1024, extra=extra))
        return started[-1]

    yield start
    for each in started:
        each.close()


def answers(key, user_data):
    base = "/latest/meta-data/"
    return {
        base: b"hostname\ninstance-id\nlocal-hostname\npublic-keys/",
        base + "hostname": b"web-1.example.internal",
        base + "instance-id": b"i-00000000000000001",
        base + "local-hostname": b"web-1.example.internal",
        base + "public-keys/": b"0=tenant",
        base + "public-keys/0/openssh-key": key[1].encode() + b"\n",
        "/latest/user-data": user_data,
        # Without it cloud-init asks again, six times a second apart, whenever
        # anything wants to know the region: five minutes in all.
        "/latest/dynamic/instance-identity": b"document",
        "/latest/dynamic/instance-identity/document": b'{"region": "lab-1", "availabilityZone": "lab-1a"}',
    }


def test_cloud_init_applies_what_the_cloud_says(namespace, machine, key):
    namespace.serve(answers(key, b"#!/bin/sh\necho ran >/var/tmp/user-data-ran\n"), HOST_MASK)
    one = machine()
    first, _ = one.wait_for("Welcome to", BOOT_LIMIT)
    _, at = one.wait_for("END SSH HOST KEY KEYS", BOOT_LIMIT)
    done, _ = one.wait_for("finished at", BOOT_LIMIT, after=at)
    print(f"\nuser space after {first:.1f} s, cloud-init finished after {done:.1f} s")

    def ask(command):
        return ssh(namespace, key, command, user="debian")

    assert ask("id -un; hostname") == "debian\nweb-1\n"
    assert ask("cat /var/tmp/user-data-ran") == "ran\n"
    assert "DataSourceEc2Local" in ask("cat /run/cloud-init/result.json")
    assert f"inet {cloud.GUEST}/32" in ask("ip addr")
    # 6 GiB of disk, of which the file system's own tables take a part.
    assert int(ask("stat -f -c %b /")) * 4096 > 5.5 * 2**30
    failed = ask("systemctl list-units --failed --no-legend")
    assert failed == ""
    one.press_power_button()
    print(f"gone {one.wait_for_end(120):.1f} s after the power button")

