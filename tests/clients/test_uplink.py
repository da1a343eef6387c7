"""Public addresses beyond the cloud: a machine of the LAN on an uplink and a real guest reach each other."""

import pathlib
import subprocess
import uuid

import pytest

from conftest import IMAGES, private_key, running, ssh_group, wait_until

POOL = "203.0.113.128/26"
SOON = {"Delay": 1, "MaxAttempts": 60}
SSH = ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "ConnectTimeout=5", "-o", "BatchMode=yes", "-o", "LogLevel=ERROR"]


def output(*line):
    return subprocess.run([str(word) for word in line], capture_output=True, text=True, check=True).stdout


class Lan:
    """A link of this machine, and a machine at its other end."""

    HERE, NEIGHBOUR = "198.51.100.1", "198.51.100.2"

    def __init__(self):
        mark = uuid.uuid4().hex[:6]
        self.link, self.namespace = f"up{mark}", f"lan-{mark}"
        output("ip", "netns", "add", self.namespace)
        output("ip", "link", "add", self.link, "type", "veth", "peer", "name", "lan", "netns", self.namespace)
        output("ip", "address", "add", f"{self.HERE}/24", "dev", self.link)
        output("ip", "link", "set", self.link, "up")
        self.run("ip", "address", "add", f"{self.NEIGHBOUR}/24", "dev", "lan")
        self.run("ip", "link", "set", "lan", "up")
        self.run("ip", "route", "add", POOL, "dev", "lan")

    def run(self, *line, check=True, timeout=60):
        """Runs a command on the machine at the other end."""
        inside = ["nsenter", f"--net=/run/netns/{self.namespace}", *(str(word) for word in line)]
        return subprocess.run(inside, capture_output=True, text=True, check=check, timeout=timeout)

    def pings(self, address):
        return self.run("ping", "-c", "1", "-W", "1", address, check=False).returncode == 0

    def changed(self):
        """What is different on this machine while public addresses are reached by the link."""
        forwarding = pathlib.Path(f"/proc/sys/net/ipv4/conf/{self.link}/forwarding").read_text().strip()
        return forwarding, output("ip", "neigh", "show", "proxy", "dev", self.link)

    def remove(self):
        output("ip", "link", "delete", self.link)
        output("ip", "netns", "delete", self.namespace)


@pytest.fixture
def lan():
    lan = Lan()
    try:
        yield lan
    finally:
        lan.remove()


def test_a_machine_of_the_lan_and_a_guest_reach_each_other_and_nothing_stays(lan, tmp_path):
    before = lan.changed()
    clouds = running("--images", IMAGES, "--public-pool", POOL, "--uplink", lan.link)
    cloud = next(clouds)
    try:
        ec2 = cloud.client()
        key, group = private_key(ec2, "lan", tmp_path), ssh_group(ec2, "lan")
        ping = [{"IpProtocol": "icmp", "FromPort": -1, "ToPort": -1, "IpRanges": [{"CidrIp": f"{lan.NEIGHBOUR}/32"}]}]
        ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=ping)
        nic = {"DeviceIndex": 0, "AssociatePublicIpAddress": True, "Groups": [group]}
        made = ec2.run_instances(
            ImageId=cloud.image(), InstanceType="t2.nano", MinCount=1, MaxCount=1, KeyName="lan", NetworkInterfaces=[nic]
        )
        id = made["Instances"][0]["InstanceId"]
        ec2.get_waiter("instance_running").wait(InstanceIds=[id], WaiterConfig=SOON)
        address = ec2.describe_instances(InstanceIds=[id])["Reservations"][0]["Instances"][0]["PublicIpAddress"]
        wait_until(lambda: lan.pings(address), what="an answer from the guest")

        def login(command):
            done = lan.run("ssh", "-i", key, *SSH, f"root@{address}", command, check=False)
            return done if done.returncode != 255 else None

        # Each knows the other by the address that it has.
        told = wait_until(lambda: login("echo $SSH_CLIENT"), within=90, what="an SSH login from the LAN").stdout
        assert told.split()[0] == lan.NEIGHBOUR, told
        assert login(f"ping -c 1 -W 5 {lan.NEIGHBOUR}").returncode == 0
        assert address in lan.changed()[1]

        moved = ec2.allocate_address()
        ec2.associate_address(AllocationId=moved["AllocationId"], InstanceId=id)
        wait_until(lambda: lan.pings(moved["PublicIp"]) and not lan.pings(address), what="the address that took the other's place")
        assert lan.changed() != before
        ec2.terminate_instances(InstanceIds=[id])
        wait_until(lambda: lan.changed() == before, what="a link as it was before")
    finally:
        clouds.close()
    assert lan.changed() == before
