"""Packets between hosts: guests by address and by name, groups, equal ranges, public addresses, and what goes on when things break."""

import contextlib
import hashlib
import json
import os
import socket
import subprocess
import threading
import time

import conftest
import pytest

from hosts import hosted
from test_hosts import SOON, TYPE

PING = {"IpProtocol": "icmp", "FromPort": -1, "ToPort": -1, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
WORD = {"IpProtocol": "tcp", "FromPort": 7777, "ToPort": 7777, "IpRanges": [{"CidrIp": "10.7.0.0/16"}, {"CidrIp": "10.8.0.0/16"}]}
SSH = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}


@pytest.fixture(scope="module")
def cloud():
    if os.geteuid() != 0:
        pytest.fail("these tests run real machines and need root")
    with hosted(2, "--zones", "local-1a", "--cpu-overcommit", "1") as cloud:
        yield cloud


@pytest.fixture(scope="module")
def ec2(cloud):
    return cloud.client()


@pytest.fixture(scope="module")
def key(ec2, tmp_path_factory):
    return "hosts", conftest.private_key(ec2, "hosts", tmp_path_factory.mktemp("keys"))


class Network:
    """A VPC of two ranges that is open to the machines of the cloud, with a group that lets in SSH and ping."""

    def __init__(self, ec2):
        self.vpc = ec2.create_vpc(CidrBlock="10.7.0.0/16")["Vpc"]["VpcId"]
        ec2.modify_vpc_attribute(VpcId=self.vpc, EnableDnsHostnames={"Value": True})
        ec2.associate_vpc_cidr_block(VpcId=self.vpc, CidrBlock="10.8.0.0/16")
        subnet = lambda range: ec2.create_subnet(VpcId=self.vpc, CidrBlock=range)["Subnet"]["SubnetId"]
        self.subnets = {range: subnet(f"{range}.0/24") for range in ("10.7.1", "10.8.1")}
        gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
        ec2.attach_internet_gateway(VpcId=self.vpc, InternetGatewayId=gateway)
        tables = ec2.describe_route_tables(Filters=[{"Name": "vpc-id", "Values": [self.vpc]}])["RouteTables"]
        ec2.create_route(RouteTableId=tables[0]["RouteTableId"], DestinationCidrBlock="0.0.0.0/0", GatewayId=gateway)
        self.group = ec2.create_security_group(GroupName="open", Description="SSH and ping", VpcId=self.vpc)["GroupId"]
        ec2.authorize_security_group_ingress(GroupId=self.group, IpPermissions=[PING, SSH, WORD])

    def launch(self, cloud, ec2, key, ip):
        subnet = self.subnets[ip.rpartition(".")[0]]
        wanted = {"DeviceIndex": 0, "SubnetId": subnet, "Groups": [self.group], "PrivateIpAddress": ip, "AssociatePublicIpAddress": True}
        made = ec2.run_instances(
            ImageId=cloud.image(), InstanceType=TYPE, MinCount=1, MaxCount=1, KeyName=key[0], NetworkInterfaces=[wanted]
        )
        return made["Instances"][0]["InstanceId"]


class Guest:
    """A running instance and the host that it is on."""

    def __init__(self, cloud, ec2, id, key):
        self.facts = ec2.describe_instances(InstanceIds=[id])["Reservations"][0]["Instances"][0]
        self.id, self.key = id, key[1]
        self.private, self.public = self.facts["PrivateIpAddress"], self.facts["PublicIpAddress"]
        self.name = self.facts["PrivateDnsName"]
        self.host = next(host for host in cloud.hosts if host.has(id))

    def shell(self, command, within=180):
        return conftest.ssh(self.public, self.key, command, within=within)

    def pings(self, to):
        return self.shell(f"ping -c 1 -W 2 {to}").returncode == 0


@pytest.fixture(scope="module")
def red_and_blue(cloud, ec2, key):
    """Two VPCs with the same ranges, each with a guest on either host at the same two addresses, one in each range."""
    networks = [Network(ec2), Network(ec2)]
    # A host has room for two, and one is filled before the other.
    ids = [network.launch(cloud, ec2, key, ip) for ip in ("10.7.1.11", "10.8.1.12") for network in networks]
    ec2.get_waiter("instance_running").wait(InstanceIds=ids, WaiterConfig=SOON)
    guests = [Guest(cloud, ec2, id, key) for id in ids]
    assert [guest.host.name for guest in guests[:2]] == [guests[0].host.name] * 2
    assert guests[0].host.name != guests[2].host.name
    for guest in guests:
        assert guest.shell("true").returncode == 0, "it has started"
    yield networks, (guests[0], guests[2]), (guests[1], guests[3])
    ec2.terminate_instances(InstanceIds=ids)
    ec2.get_waiter("instance_terminated").wait(InstanceIds=ids, WaiterConfig=SOON)


def test_guests_on_two_hosts_reach_each_other_by_address_and_by_name(red_and_blue):
    _, (one, two), _ = red_and_blue
    for here, there in ((one, two), (two, one)):
        assert here.pings(there.private)
        assert here.pings(there.name), there.name
    greeting = one.shell(f"nc -w 5 {two.private} 22 < /dev/null | head -c 4").stdout
    assert greeting == "SSH-", greeting
    assert "1450" in one.shell("cat /sys/class/net/eth0/mtu").stdout


def test_vpcs_with_the_same_range_never_meet_across_hosts(red_and_blue):
    _, red, blue = red_and_blue
    assert [guest.private for guest in red] == [guest.private for guest in blue]
    for one, two in (red, blue):
        two.shell(f"(while :; do echo {two.id} | nc -l -p 7777; done) > /dev/null 2>&1 &")
    for one, two in (red, blue):
        answer = lambda: one.shell(f"nc -w 5 {two.private} 7777 < /dev/null").stdout.strip()
        assert conftest.wait_until(answer, 30, "an answer") == two.id


def test_groups_hold_between_hosts_at_once(ec2, red_and_blue):
    networks, (one, two), _ = red_and_blue
    ec2.revoke_security_group_ingress(GroupId=networks[0].group, IpPermissions=[PING])
    try:
        assert not one.pings(two.private)
        only_members = {"IpProtocol": "icmp", "FromPort": -1, "ToPort": -1, "UserIdGroupPairs": [{"GroupId": networks[0].group}]}
        ec2.authorize_security_group_ingress(GroupId=networks[0].group, IpPermissions=[only_members])
        began = time.monotonic()
        conftest.wait_until(lambda: one.pings(two.private), 10, "a ping among members")
        assert time.monotonic() - began < 5
        assert subprocess.run(["ping", "-c", "1", "-W", "1", one.public], capture_output=True).returncode != 0, "no member"
        ec2.revoke_security_group_ingress(GroupId=networks[0].group, IpPermissions=[only_members])
    finally:
        ec2.authorize_security_group_ingress(GroupId=networks[0].group, IpPermissions=[PING])
    conftest.wait_until(lambda: one.pings(two.private), 10, "a ping")


def answers(address, port):
    """Whether somebody takes a connection."""
    try:
        socket.create_connection((address, port), timeout=2).close()
        return True
    except TimeoutError:
        return False


def session(cloud, *arguments, key=None, secret=None, text=None):
    """Runs `pileus tunnel` or `pileus ssh` as somebody who has nothing but an access key and the API's address."""
    names = {"AWS_ACCESS_KEY_ID": key or cloud.access_key, "AWS_SECRET_ACCESS_KEY": secret or cloud.secret_key}
    environment = {"PATH": os.environ["PATH"], "AWS_ENDPOINT_URL": cloud.endpoint, "AWS_REGION": cloud.region, **names}
    return subprocess.run([conftest.PILEUS, *arguments], capture_output=True, text=True, errors="replace", env=environment, input=text, timeout=120)


def test_sessions_reach_guests_on_every_host_that_no_rule_opens(cloud, ec2, red_and_blue):
    networks, _, blue = red_and_blue
    quiet = ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR", "-i", blue[0].key]
    for guest in blue:
        guest.shell("true")
    ec2.revoke_security_group_ingress(GroupId=networks[1].group, IpPermissions=[SSH])
    try:
        for guest in blue:
            conftest.wait_until(lambda: not answers(guest.public, 22), 10, "a closed group")
            done = session(cloud, "ssh", guest.id, *quiet, "cat /sys/class/net/eth0/address; head -c 300000 /dev/zero | wc -c; cat", text="said\n" * 9999)
            assert done.returncode == 0, done.stderr
            mac, count, said = done.stdout.split("\n", 2)
            assert (mac, int(count)) == (guest.facts["NetworkInterfaces"][0]["MacAddress"], 300_000), done.stderr
            assert said == "said\n" * 9999, "every byte comes, in both directions"
        # Nobody answers at a port: it is told at once, and no session was begun.
        done = session(cloud, "tunnel", blue[1].id, "--port", "81")
        assert (done.returncode, done.stdout) == (1, "") and "Unavailable" in done.stderr, done.stderr
    finally:
        ec2.authorize_security_group_ingress(GroupId=networks[1].group, IpPermissions=[SSH])


def test_sessions_are_for_those_who_may_and_are_in_the_trail(cloud, ec2, red_and_blue):
    _, (guest, _), _ = red_and_blue
    iam = cloud.client("iam")
    iam.create_user(UserName="opener")
    made = iam.create_access_key(UserName="opener")["AccessKey"]
    mine = dict(key=made["AccessKeyId"], secret=made["SecretAccessKey"])

    def may(*actions):
        allowed = {"Effect": "Allow", "Action": list(actions), "Resource": f"arn:aws:ec2:*:*:instance/{guest.id}"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
        iam.put_user_policy(UserName="opener", PolicyName="sessions", PolicyDocument=document)

    try:
        may("ec2:DescribeInstances")
        assert "UnauthorizedOperation" in session(cloud, "tunnel", guest.id, **mine, text="").stderr
        may("ec2-instance-connect:OpenTunnel")
        done = session(cloud, "tunnel", guest.id, **mine, text="SSH-2.0-nobody\r\nrubbish\r\n\r\n")
        assert done.stdout.startswith("SSH-2.0-"), done.stderr
        assert "SignatureDoesNotMatch" in session(cloud, "tunnel", guest.id, key=mine["key"], secret="wrong").stderr
        stranger = cloud.account("stranger")
        assert "InvalidInstanceID.NotFound" in session(cloud, "tunnel", guest.id, key=stranger[0], secret=stranger[1]).stderr
        trail = cloud.client("cloudtrail")
        (opened,) = [
            event
            for event in trail.lookup_events(LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": "OpenTunnel"}])["Events"]
            if event["Username"] == "opener" and not json.loads(event["CloudTrailEvent"]).get("errorCode")
        ]
        assert {"ResourceType": "AWS::EC2::Instance", "ResourceName": guest.id} in opened["Resources"]
    finally:
        iam.delete_user_policy(UserName="opener", PolicyName="sessions")
        iam.delete_access_key(UserName="opener", AccessKeyId=made["AccessKeyId"])
        iam.delete_user(UserName="opener")


def test_public_addresses_are_reached_from_every_host_and_metadata_is_served_on_each(cloud, red_and_blue):
    _, red, blue = red_and_blue
    for guest in (*red, *blue):
        for host in cloud.hosts:
            assert host.run("ping", "-c", "1", "-W", "2", guest.public, check=False).returncode == 0, (host.name, guest.public)
        told = guest.shell("wget -q -O - http://169.254.169.254/latest/meta-data/public-ipv4 || echo none").stdout
        assert told in (guest.public, f"{guest.public}\n") or "none" in told
    # By their public addresses guests of two VPCs meet, from one host to the other.
    assert red[0].pings(blue[1].public)


@contextlib.contextmanager
def pinging(address):
    """Pings every ten milliseconds meanwhile; then gives the longest silence in seconds."""
    stop, longest = threading.Event(), [0.0]
    namespace = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    process = subprocess.Popen(["ping", "-D", "-i", "0.01", "-W", "1", "-n", address], stdout=subprocess.PIPE, text=True)

    def read():
        last = None
        for line in process.stdout:
            if "bytes from" in line:
                now = float(line[1 : line.index("]")])
                longest[0] = max(longest[0], now - last if last else 0.0)
                last = now
            if stop.is_set():
                return

    reader = threading.Thread(target=read)
    reader.start()
    try:
        yield longest
    finally:
        time.sleep(0.5)  # The silence at the end counts too.
        stop.set()
        process.terminate()
        process.wait()
        reader.join()
        os.close(namespace)


def test_an_elastic_address_moves_between_guests_on_two_hosts(ec2, red_and_blue):
    _, red, _ = red_and_blue
    made = ec2.allocate_address(Domain="vpc")
    try:
        for turn in range(2):
            guest = red[turn]
            ec2.associate_address(AllocationId=made["AllocationId"], InstanceId=guest.id, AllowReassociation=True)
            answered = lambda: subprocess.run(["ping", "-c", "1", "-W", "1", made["PublicIp"]], capture_output=True).returncode == 0
            conftest.wait_until(answered, 5, "the address")
            name = lambda: conftest.ssh(made["PublicIp"], guest.key, "hostname").stdout.strip()
            # The one before may have answered to the first ping.
            conftest.wait_until(lambda: guest.name.startswith(name() or "nobody"), 10, f"the address at {guest.name}")
        with pinging(made["PublicIp"]) as silence:
            ec2.associate_address(AllocationId=made["AllocationId"], InstanceId=red[0].id, AllowReassociation=True)
            time.sleep(1)
        assert 0 < silence[0] < 1, f"silent for {silence[0]} s"
    finally:
        for address in ec2.describe_addresses(AllocationIds=[made["AllocationId"]])["Addresses"]:
            if "AssociationId" in address:
                ec2.disassociate_address(AssociationId=address["AssociationId"])
        ec2.release_address(AllocationId=made["AllocationId"])
        # Each takes its own public address again, or none; the next tests ask.
        for guest in red:
            facts = ec2.describe_instances(InstanceIds=[guest.id])["Reservations"][0]["Instances"][0]
            guest.public = facts.get("PublicIpAddress", guest.public)


def between(one, two, count=5):
    """A ping inside a VPC's namespace on the host of the first guest would be the host's own, so the guest itself pings."""
    return one.shell(f"ping -c {count} -W 2 {two.private} > /dev/null").returncode == 0


def test_what_somebody_changes_by_hand_is_put_right_within_ten_seconds_and_told_of(cloud, red_and_blue):
    networks, _, (one, two) = red_and_blue
    far = two.host
    prefix = "p" + hashlib.sha256(os.fsencode(far.state / "host")).hexdigest()[:7]
    namespace = f"{prefix}-{networks[1].vpc}"
    damages = [
        f"nft delete table inet {prefix}-vpc",
        f"nft flush chain inet {prefix}-vpc entry",
        "ip link delete overlay",
        f"ip route delete {one.private}",
        "ip route flush table main",
    ]
    for damage in damages:
        subprocess.run(["ip", "netns", "exec", namespace, *damage.split()], check=True)
        began = time.monotonic()
        answered = lambda: subprocess.run(["ping", "-c", "1", "-W", "1", two.public], capture_output=True).returncode == 0
        intact = lambda: answered() and f"{prefix}-vpc" in in_namespace(namespace, "nft", "list", "chain", "inet", f"{prefix}-vpc", "entry")
        conftest.wait_until(lambda: intact() and one.private in in_namespace(namespace, "ip", "route"), 12, f"the repair of {damage}")
        assert time.monotonic() - began < 11, damage
        assert between(one, two, 1), damage
    conftest.wait_until(lambda: "put right" in cloud.command("status").stdout, 15, "word of it")


def in_namespace(namespace, *line):
    return subprocess.run(["ip", "netns", "exec", namespace, *line], capture_output=True, text=True).stdout


def test_packets_go_on_while_server_and_agents_are_away(cloud, red_and_blue):
    _, _, (one, two) = red_and_blue
    assert between(one, two)
    with pinging(two.public) as silence:
        for host in cloud.hosts:
            host.kill()
        assert between(one, two)
        time.sleep(2)
        cloud.hosts[1].start("agent")
        cloud.start_server()
        conftest.wait_until(lambda: cloud.command("doctor", check=False).returncode == 0, 90, "the hosts' return")
        assert between(one, two)
    assert silence[0] < 2, f"silent for {silence[0]} s"


# Seconds for which the control plane is away; the ten minutes that the requirement names are for whoever has them.
AWAY = int(os.environ.get("PILEUS_AWAY_SECONDS", "40"))
# In the guest: an address by DHCP, a name, and what the cloud says of it, each asked anew.
SERVICES = (
    "udhcpc -n -q -f -i eth0 -t 3 -T 2 -s /bin/true >/dev/null 2>&1 && echo lease; "
    "nslookup {name} >/dev/null && echo name; "
    "wget -q -O - http://169.254.169.254/latest/meta-data/local-ipv4 | grep -q '^{private}$' && echo metadata"
)


def test_packets_leases_names_and_metadata_go_on_without_the_control_plane(cloud, red_and_blue):
    _, (red_one, red_two), (one, two) = red_and_blue
    near, far = cloud.hosts
    guest, other = (two, one) if two.host is far else (one, two)
    ask = SERVICES.format(name=other.name, private=guest.private)
    assert guest.shell(ask).stdout.split() == ["lease", "name", "metadata"], "with the control plane"
    # The first host's agent lives in the server's process; guests on the other one have theirs.
    with pinging(guest.public) as silence:
        near.kill()
        try:
            until = time.monotonic() + AWAY
            while time.monotonic() < until:
                assert guest.shell(ask).stdout.split() == ["lease", "name", "metadata"]
                assert between(guest, other, 1) and between(other, guest, 1)
                time.sleep(5)
        finally:
            cloud.start_server()
        conftest.wait_until(lambda: cloud.command("doctor", check=False).returncode == 0, 90, "the hosts' return")
    assert silence[0] < 2, f"silent for {silence[0]} s"
    assert red_one.pings(red_two.private) and guest.shell(ask).stdout.split() == ["lease", "name", "metadata"]


def test_an_underlay_that_was_cut_carries_packets_again_when_it_is_healed(cloud, red_and_blue):
    _, _, (one, two) = red_and_blue
    near = one if one.host is cloud.hosts[0] else two
    far = two if near is one else one
    cut = ["ip", "-n", cloud.hub, "link", "set", "port2"]
    subprocess.run([*cut, "down"], check=True)
    try:
        assert not between(near, far, 1)
        time.sleep(20)  # Long enough for both ends of the line to give it up.
    finally:
        subprocess.run([*cut, "up"], check=True)
    conftest.wait_until(lambda: between(near, far, 1), 30, "packets between hosts")
    conftest.wait_until(lambda: cloud.command("doctor", check=False).returncode == 0, 60, "the host's return")
