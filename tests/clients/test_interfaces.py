"""Network interfaces as things of their own, on guests that run: plugged in, given addresses, moved, through boto3."""

import concurrent.futures
import urllib.error
import urllib.request
import uuid

import botocore.exceptions
import pytest

import alibaba_vpc
import test_cvm
from conftest import IMAGES, private_key, running
from test_ecs import Tenant

SOON = {"Delay": 1, "MaxAttempts": 90}
PLUGGED_WITHIN = 30  # seconds for a guest under emulation to see a card come or go; it takes one on an idle machine


@pytest.fixture(scope="module")
def ec2(cloud):
    """An account of its own."""
    key, secret, _ = cloud.account("interfaces")
    return cloud.client("ec2", key=key, secret=secret)


@pytest.fixture(scope="module")
def key(ec2, tmp_path_factory):
    return private_key(ec2, "interfaces", tmp_path_factory.mktemp("keys"))


@pytest.fixture(scope="module")
def subnet(ec2):
    """The default subnet of the first zone."""
    (found,) = ec2.describe_subnets(Filters=[{"Name": "availability-zone", "Values": ["local-1a"]}])["Subnets"]
    return found


@pytest.fixture(scope="module")
def guests(ec2, cloud, key, subnet):
    """Two running instances with public addresses; SSH, ping and web pages are let in."""
    group = ec2.describe_security_groups(Filters=[{"Name": "group-name", "Values": ["default"]}])["SecurityGroups"][0]["GroupId"]
    world = [{"CidrIp": "0.0.0.0/0"}]
    ports = [{"IpProtocol": "tcp", "FromPort": port, "ToPort": port, "IpRanges": world} for port in (22, 80)]
    ec2.authorize_security_group_ingress(
        GroupId=group, IpPermissions=[*ports, {"IpProtocol": "icmp", "FromPort": -1, "ToPort": -1, "IpRanges": world}]
    )
    nic = {"DeviceIndex": 0, "AssociatePublicIpAddress": True, "SubnetId": subnet["SubnetId"]}
    made = ec2.run_instances(
        ImageId=cloud.image(), InstanceType="t2.nano", MinCount=2, MaxCount=2, KeyName="interfaces", NetworkInterfaces=[nic]
    )
    ids = [one["InstanceId"] for one in made["Instances"]]
    try:
        ec2.get_waiter("instance_running").wait(InstanceIds=ids, WaiterConfig=SOON)
        yield ids
    finally:
        ec2.terminate_instances(InstanceIds=ids)
        ec2.get_waiter("instance_terminated").wait(InstanceIds=ids, WaiterConfig=SOON)


@pytest.fixture
def nic(ec2, subnet):
    """An interface with two private addresses, plugged into nothing; removed at the end, wherever it is."""
    made = ec2.create_network_interface(SubnetId=subnet["SubnetId"], Description="floating", SecondaryPrivateIpAddressCount=1)
    id = made["NetworkInterface"]["NetworkInterfaceId"]
    yield id
    attachment = shown(ec2, id).get("Attachment")
    if attachment:
        ec2.detach_network_interface(AttachmentId=attachment["AttachmentId"], Force=True)
    ec2.delete_network_interface(NetworkInterfaceId=id)


@pytest.fixture
def addresses(ec2):
    """Two elastic addresses, released at the end."""
    made = [ec2.allocate_address() for _ in range(2)]
    yield made
    for one in made:
        tied = ec2.describe_addresses(AllocationIds=[one["AllocationId"]])["Addresses"][0].get("AssociationId")
        if tied:
            ec2.disassociate_address(AssociationId=tied)
        ec2.release_address(AllocationId=one["AllocationId"])


def shown(ec2, id):
    return ec2.describe_network_interfaces(NetworkInterfaceIds=[id])["NetworkInterfaces"][0]


def instance(ec2, id):
    return ec2.describe_instances(InstanceIds=[id])["Reservations"][0]["Instances"][0]


def public(ec2, id):
    return instance(ec2, id)["PublicIpAddress"]


def private(ec2, id):
    return instance(ec2, id)["PrivateIpAddress"]


def attach(ec2, until, nic, instance_id, index=1):
    ec2.attach_network_interface(NetworkInterfaceId=nic, InstanceId=instance_id, DeviceIndex=index)
    until(lambda: shown(ec2, nic)["Attachment"]["Status"] == "attached", PLUGGED_WITHIN, "the interface in its instance")


def detach(ec2, until, nic):
    ec2.detach_network_interface(AttachmentId=shown(ec2, nic)["Attachment"]["AttachmentId"])
    until(lambda: shown(ec2, nic)["Status"] == "available", PLUGGED_WITHIN, "the interface out of its instance")


def bring_up(shell, at, key, nic, gateway):
    """Has the guest use the card by DHCP, with its further addresses, and answer by the card that was asked."""
    mac, ips = nic["MacAddress"], [one["PrivateIpAddress"] for one in nic["PrivateIpAddresses"]]
    lines = [
        f"for n in $(seq 100); do card=$(grep -l {mac} /sys/class/net/*/address | cut -d/ -f5); [ -n \"$card\" ] && break; usleep 100000; done",
        "ip link set $card up",
        "udhcpc -i $card -n -q -t 10 -T 1 -O mtu -s /etc/udhcpc/default.script >/dev/null 2>&1",
        f"ip route replace default via {gateway} dev $card table 101",
        *[f"ip addr add {ip}/32 dev $card 2>/dev/null" for ip in ips[1:]],
        *[f"ip rule add from {ip} lookup 101" for ip in ips],
        "ip -4 addr show dev $card",
    ]
    done = shell(at, key, "\n".join(lines))
    assert all(ip in done.stdout for ip in ips), done
    return done


def pings(shell, at, key, ip):
    return shell(at, key, f"ping -c 1 -W 2 {ip}").returncode == 0


def gateway_of(subnet):
    network = subnet["CidrBlock"].split("/")[0].split(".")
    return ".".join([*network[:3], str(int(network[3]) + 1)])


def page(ip):
    try:
        with urllib.request.urlopen(f"http://{ip}/", timeout=2) as got:
            return got.read().decode().strip()
    except (urllib.error.URLError, OSError):
        return None


def test_an_interface_comes_to_a_running_guest_and_serves_two_sites(ec2, guests, key, nic, addresses, subnet, shell, until):
    first, second = guests
    attach(ec2, until, nic, first)
    told = shown(ec2, nic)
    assert (told["Attachment"]["InstanceId"], told["Attachment"]["DeviceIndex"], told["Status"]) == (first, 1, "in-use")
    assert [one["NetworkInterfaceId"] for one in instance(ec2, first)["NetworkInterfaces"]][1:] == [nic]
    at = public(ec2, first)
    bring_up(shell, at, key, told, gateway_of(subnet))
    ips = [one["PrivateIpAddress"] for one in told["PrivateIpAddresses"]]
    for ip in ips:
        assert pings(shell, public(ec2, second), key, ip), f"no answer from {ip}"
    received = int(shell(at, key, f"cat $(dirname $(grep -l {told['MacAddress']} /sys/class/net/*/address))/statistics/rx_packets").stdout)
    assert received > 0
    for ip, address, site in zip(ips, addresses, ("one", "two")):
        shell(at, key, f"mkdir -p /tmp/{site}; echo {site} >/tmp/{site}/index.html; httpd -p {ip}:80 -h /tmp/{site}")
        ec2.associate_address(AllocationId=address["AllocationId"], NetworkInterfaceId=nic, PrivateIpAddress=ip)
    for address, site in zip(addresses, ("one", "two")):
        until(lambda: page(address["PublicIp"]) == site, 20, f"the page of site {site}")
    told = shown(ec2, nic)
    assert [one["Association"]["PublicIp"] for one in told["PrivateIpAddresses"]] == [one["PublicIp"] for one in addresses]
    metadata = "/latest/meta-data/network/interfaces/macs/"
    listed = shell(at, key, f"pileus-metadata {metadata}").stdout.split()
    assert f"{told['MacAddress']}/" in listed and len(listed) == 2
    both = shell(at, key, f"pileus-metadata {metadata}{told['MacAddress']}/local-ipv4s").stdout.split()
    assert both == ips
    assert shell(at, key, f"pileus-metadata {metadata}{told['MacAddress']}/device-number").stdout.strip() == "1"


def test_an_interface_moves_to_another_running_guest_with_its_addresses(ec2, guests, key, nic, addresses, subnet, shell, until):
    first, second = guests
    attach(ec2, until, nic, first)
    told = shown(ec2, nic)
    bring_up(shell, public(ec2, first), key, told, gateway_of(subnet))
    ec2.associate_address(AllocationId=addresses[0]["AllocationId"], NetworkInterfaceId=nic)
    login = addresses[0]["PublicIp"]
    assert shell(login, key, "hostname").stdout.strip() == "ip-" + private(ec2, first).replace(".", "-")
    detach(ec2, until, nic)
    gone = f"! grep -q {told['MacAddress']} /sys/class/net/*/address"
    until(lambda: shell(public(ec2, first), key, gone).returncode == 0, PLUGGED_WITHIN, "the card gone from the first guest")
    attach(ec2, until, nic, second)
    moved = shown(ec2, nic)
    assert (moved["MacAddress"], moved["PrivateIpAddress"]) == (told["MacAddress"], told["PrivateIpAddress"])
    bring_up(shell, public(ec2, second), key, moved, gateway_of(subnet))
    assert shell(login, key, "hostname").stdout.strip() == "ip-" + private(ec2, second).replace(".", "-")
    assert pings(shell, public(ec2, first), key, told["PrivateIpAddress"])


def test_a_guest_cannot_use_an_address_that_was_taken_from_its_interface(ec2, guests, key, nic, subnet, shell, until):
    first, second = guests
    attach(ec2, until, nic, first)
    told = shown(ec2, nic)
    bring_up(shell, public(ec2, first), key, told, gateway_of(subnet))
    further = told["PrivateIpAddresses"][1]["PrivateIpAddress"]
    assert pings(shell, public(ec2, second), key, further)
    ec2.unassign_private_ip_addresses(NetworkInterfaceId=nic, PrivateIpAddresses=[further])
    until(lambda: not pings(shell, public(ec2, second), key, further), 20, "silence at the address that was taken away")
    assert shell(public(ec2, first), key, f"ping -c 1 -W 2 -I {further} {gateway_of(subnet)}").returncode != 0
    got = ec2.assign_private_ip_addresses(NetworkInterfaceId=nic, PrivateIpAddresses=[further])
    assert [one["PrivateIpAddress"] for one in got["AssignedPrivateIpAddresses"]] == [further]
    until(lambda: pings(shell, public(ec2, second), key, further), 20, "an answer at the address that came back")


def test_interfaces_come_with_a_launch_and_with_a_stopped_instance(ec2, cloud, key, subnet, nic, shell, until):
    nics = [
        {"DeviceIndex": 0, "SubnetId": subnet["SubnetId"]},
        {"DeviceIndex": 1, "SubnetId": subnet["SubnetId"], "Description": "beside", "DeleteOnTermination": True},
    ]
    made = ec2.run_instances(ImageId=cloud.image(), InstanceType="t3.small", MinCount=1, MaxCount=1, KeyName="interfaces", NetworkInterfaces=nics)
    id = made["Instances"][0]["InstanceId"]
    address = ec2.allocate_address()
    try:
        ec2.get_waiter("instance_running").wait(InstanceIds=[id], WaiterConfig=SOON)
        both = instance(ec2, id)["NetworkInterfaces"]
        assert [one["Attachment"]["DeviceIndex"] for one in both] == [0, 1]
        ec2.associate_address(AllocationId=address["AllocationId"], NetworkInterfaceId=both[0]["NetworkInterfaceId"])
        ec2.stop_instances(InstanceIds=[id], Force=True)
        ec2.get_waiter("instance_stopped").wait(InstanceIds=[id], WaiterConfig=SOON)
        ec2.attach_network_interface(NetworkInterfaceId=nic, InstanceId=id, DeviceIndex=2)
        assert shown(ec2, nic)["Attachment"]["Status"] == "attached"
        ec2.start_instances(InstanceIds=[id])
        ec2.get_waiter("instance_running").wait(InstanceIds=[id], WaiterConfig=SOON)
        cards = shell(address["PublicIp"], key, "sleep 5; ip -4 addr").stdout
        for one in instance(ec2, id)["NetworkInterfaces"]:
            assert one["PrivateIpAddress"] in cards, cards
    finally:
        ec2.terminate_instances(InstanceIds=[id])
        ec2.get_waiter("instance_terminated").wait(InstanceIds=[id], WaiterConfig=SOON)
        ec2.release_address(AllocationId=address["AllocationId"])
    assert shown(ec2, nic)["Status"] == "available", "what was not to go with the instance stays"
    left = {one["NetworkInterfaceId"] for one in ec2.describe_network_interfaces()["NetworkInterfaces"]}
    assert not left & {one["NetworkInterfaceId"] for one in both}


def test_a_route_leads_through_a_guest_that_may_forward(ec2, cloud, guests, key, subnet, shell, until):
    """One guest has a network behind it; the other reaches it by the route, as long as the first may speak for it."""
    who = ec2._request_signer._credentials  # noqa: SLF001
    tenant, tencent = (kind(cloud, "", who.access_key, who.secret_key) for kind in (Tenant, test_cvm.Tenant))
    first, second = guests
    nic = instance(ec2, first)["NetworkInterfaces"][0]["NetworkInterfaceId"]
    shell(public(ec2, first), key, "ip addr add 192.0.2.1/32 dev lo; echo 1 >/proc/sys/net/ipv4/ip_forward")
    (table,) = ec2.describe_route_tables(Filters=[{"Name": "vpc-id", "Values": [subnet["VpcId"]]}, {"Name": "association.main", "Values": ["true"]}])["RouteTables"]
    route = {"RouteTableId": table["RouteTableId"], "DestinationCidrBlock": "192.0.2.0/24"}

    def shown():
        (found,) = ec2.describe_route_tables(RouteTableIds=[table["RouteTableId"]])["RouteTables"]
        return next(one for one in found["Routes"] if one["DestinationCidrBlock"] == "192.0.2.0/24")

    def reached():
        return pings(shell, public(ec2, second), key, "192.0.2.1")

    assert not reached()
    ec2.create_route(**route, NetworkInterfaceId=nic)
    try:
        assert (shown()["State"], shown()["NetworkInterfaceId"], shown()["InstanceId"]) == ("active", nic, first)
        assert not reached(), "its interface takes packets of its own addresses only"
        ec2.modify_network_interface_attribute(NetworkInterfaceId=nic, SourceDestCheck={"Value": False})
        until(reached, 20, "an answer from behind the guest")
        assert shell(public(ec2, first), key, "true").returncode == 0, "its own connections go on"
        ec2.reset_network_interface_attribute(NetworkInterfaceId=nic, SourceDestCheck="true")
        until(lambda: not reached(), 20, "silence after the check is on again")
        ec2.modify_instance_attribute(InstanceId=first, SourceDestCheck={"Value": False})
        until(reached, 20, "an answer by the instance's own words")
        # Another dialect's routes lead there too.
        ec2.delete_route(**route)
        until(lambda: not reached(), 20, "silence without the route")
        entry = {"RouteTableId": table["RouteTableId"], "DestinationCidrBlock": "192.0.2.0/24", "NextHopId": first}
        alibaba_vpc.call(tenant, "CreateRouteEntry", NextHopType="Instance", **entry)
        until(reached, 20, "an answer by Alibaba's route")
        listed = alibaba_vpc.call(tenant, "DescribeRouteEntryList", RouteTableId=table["RouteTableId"], DestinationCidrBlock="192.0.2.0/24")
        (hop,) = listed["RouteEntrys"]["RouteEntry"][0]["NextHops"]["NextHop"]
        assert (hop["NextHopType"], hop["NextHopId"]) == ("Instance", first)
        alibaba_vpc.call(tenant, "DeleteRouteEntry", **entry)
        until(lambda: not reached(), 20, "silence without the route")
        theirs = {"RouteTableId": table["RouteTableId"], "Routes": [{"DestinationCidrBlock": "192.0.2.0/24", "GatewayType": "NORMAL_CVM", "GatewayId": private(ec2, first)}]}
        (made,) = tencent.call("CreateRoutes", **theirs)["RouteTableSet"]
        until(reached, 20, "an answer by Tencent's route")
        item = next(one["RouteItemId"] for one in made["RouteSet"] if one["GatewayType"] == "NORMAL_CVM")
        tencent.call("DisableRoutes", RouteTableId=table["RouteTableId"], RouteItemIds=[item])
        until(lambda: not reached(), 20, "silence while the route is disabled")
        assert shown()["State"] == "blackhole"
        tencent.call("EnableRoutes", RouteTableId=table["RouteTableId"], RouteItemIds=[item])
        until(reached, 20, "an answer by the route that is enabled again")
        gone = tencent.call("DeleteRoutes", RouteTableId=table["RouteTableId"], Routes=[{"RouteItemId": item, "GatewayType": "", "GatewayId": ""}])
        assert gone["RouteSet"][0]["GatewayId"] == private(ec2, first)
        ec2.create_route(**route, InstanceId=first)
        ec2.stop_instances(InstanceIds=[first], Force=True)
        ec2.get_waiter("instance_stopped").wait(InstanceIds=[first], WaiterConfig=SOON)
        assert shown()["State"] == "blackhole"
        ec2.start_instances(InstanceIds=[first])
        ec2.get_waiter("instance_running").wait(InstanceIds=[first], WaiterConfig=SOON)
        assert shown()["State"] == "active"
    finally:
        ec2.delete_route(**route)
        ec2.modify_instance_attribute(InstanceId=first, SourceDestCheck={"Value": True})


@pytest.fixture(scope="module")
def fleet(simulated):
    """A client on simulated hosts, in an account of its own."""
    key, secret, _ = simulated.account("interfaces-simulated")
    return simulated.client("ec2", key=key, secret=secret)


def refused(call, **parameters):
    with pytest.raises(botocore.exceptions.ClientError) as raised:
        call(**parameters)
    return raised.value.response["Error"]["Code"]


AT_ONCE = 500


@pytest.fixture
def wide():
    """A client of a cloud of its own on simulated hosts, with public addresses enough for a crowd."""
    for cloud in running("--images", IMAGES, "--simulate", "100", "--zones", "local-1a", "--public-pool", "198.18.0.0/20"):
        key, secret, _ = cloud.account("crowd")
        cloud.command("quota", "set", "crowd", "addresses", str(AT_ONCE))
        yield cloud, cloud.client("ec2", key=key, secret=secret)


def test_five_hundred_of_each_at_once_share_no_address(wide):
    cloud, ec2 = wide
    subnet, image = ec2.describe_subnets()["Subnets"][0]["SubnetId"], cloud.image()
    public = {"DeviceIndex": 0, "SubnetId": subnet, "AssociatePublicIpAddress": True}
    makers = {
        "instance": lambda: ec2.run_instances(ImageId=image, InstanceType="t2.nano", MinCount=1, MaxCount=1, NetworkInterfaces=[public]),
        "interface": lambda: ec2.create_network_interface(SubnetId=subnet, SecondaryPrivateIpAddressCount=1),
        "address": lambda: ec2.allocate_address(Domain="vpc"),
    }

    def make(kind):
        reply = makers[kind]()
        assert reply["ResponseMetadata"]["RetryAttempts"] == 0, f"{kind}: the client had to try again"
        return reply

    # As many threads as the pool of connections has places; a refusal of any kind ends the test.
    with concurrent.futures.ThreadPoolExecutor(64) as pool:
        made = list(pool.map(make, list(makers) * AT_ONCE))
    assert len(made) == 3 * AT_ONCE
    pages = ec2.get_paginator("describe_network_interfaces").paginate(PaginationConfig={"PageSize": 1000})
    nics = [nic for page in pages for nic in page["NetworkInterfaces"]]
    assert len(nics) == 2 * AT_ONCE
    private = [one["PrivateIpAddress"] for nic in nics for one in nic["PrivateIpAddresses"]]
    assert (len(private), len(set(private))) == (3 * AT_ONCE, 3 * AT_ONCE)
    assert len({nic["MacAddress"] for nic in nics}) == 2 * AT_ONCE
    elastic = [address["PublicIp"] for address in ec2.describe_addresses()["Addresses"]]
    pages = ec2.get_paginator("describe_instances").paginate(PaginationConfig={"PageSize": 1000})
    instances = [instance for page in pages for made_at_once in page["Reservations"] for instance in made_at_once["Instances"]]
    automatic = [instance["PublicIpAddress"] for instance in instances]
    assert (len(elastic), len(automatic)) == (AT_ONCE, AT_ONCE)
    assert len({*elastic, *automatic}) == 2 * AT_ONCE
    told = {reply["NetworkInterface"]["PrivateIpAddress"] for reply in made if "NetworkInterface" in reply}
    assert told <= set(private), "what each call was told is what is kept"


def test_limits_states_and_attributes(fleet, simulated, until):
    zones = {one["AvailabilityZone"]: one["SubnetId"] for one in fleet.describe_subnets()["Subnets"]}
    here, there = zones["local-1a"], zones["local-1b"]
    made = fleet.run_instances(ImageId=simulated.image(), InstanceType="t2.nano", MinCount=1, MaxCount=1, SubnetId=here)
    id = made["Instances"][0]["InstanceId"]
    fleet.get_waiter("instance_running").wait(InstanceIds=[id], WaiterConfig=SOON)
    primary = instance(fleet, id)["NetworkInterfaces"][0]
    nics = [fleet.create_network_interface(SubnetId=subnet)["NetworkInterface"] for subnet in (here, here, there)]
    one, two, far = [nic["NetworkInterfaceId"] for nic in nics]
    plug = fleet.attach_network_interface
    try:
        assert refused(plug, NetworkInterfaceId=far, InstanceId=id, DeviceIndex=1) == "InvalidParameterCombination"
        assert refused(plug, NetworkInterfaceId=one, InstanceId=id, DeviceIndex=0) == "InvalidParameterValue"
        attached = plug(NetworkInterfaceId=one, InstanceId=id, DeviceIndex=1)["AttachmentId"]
        until(lambda: shown(fleet, one)["Attachment"]["Status"] == "attached", 20, "the interface in its instance")
        assert refused(plug, NetworkInterfaceId=two, InstanceId=id, DeviceIndex=1) == "AttachmentLimitExceeded", "t2.nano has two"
        assert refused(plug, NetworkInterfaceId=one, InstanceId=id, DeviceIndex=1) == "InvalidNetworkInterface.InUse"
        detach_primary = primary["Attachment"]["AttachmentId"]
        assert refused(fleet.detach_network_interface, AttachmentId=detach_primary) == "OperationNotPermitted"
        assert refused(fleet.delete_network_interface, NetworkInterfaceId=one) == "InvalidNetworkInterface.InUse"
        more = fleet.assign_private_ip_addresses
        assert refused(more, NetworkInterfaceId=one, SecondaryPrivateIpAddressCount=2) == "PrivateIpAddressLimitExceeded"
        taken = nics[1]["PrivateIpAddress"]
        assert refused(more, NetworkInterfaceId=one, PrivateIpAddresses=[taken]) == "InvalidIPAddress.InUse"
        assert refused(more, NetworkInterfaceId=one, PrivateIpAddresses=["192.0.2.1"]) == "InvalidParameterValue"

        modify = fleet.modify_network_interface_attribute
        modify(NetworkInterfaceId=one, Description={"Value": "changed"})
        modify(NetworkInterfaceId=one, Attachment={"AttachmentId": attached, "DeleteOnTermination": True})
        group = fleet.create_security_group(GroupName="beside", Description="of one interface")["GroupId"]
        modify(NetworkInterfaceId=one, Groups=[group])
        read = fleet.describe_network_interface_attribute
        assert read(NetworkInterfaceId=one, Attribute="description")["Description"]["Value"] == "changed"
        assert read(NetworkInterfaceId=one, Attribute="attachment")["Attachment"]["DeleteOnTermination"] is True
        assert [one["GroupId"] for one in read(NetworkInterfaceId=one, Attribute="groupSet")["Groups"]] == [group]
        fleet.reset_network_interface_attribute(NetworkInterfaceId=one, SourceDestCheck="true")
        for name, value in (
            ("attachment.attachment-id", attached),
            ("attachment.status", "attached"),
            ("mac-address", shown(fleet, one)["MacAddress"]),
            ("description", "chang*"),
            ("group-id", group),
        ):
            found = fleet.describe_network_interfaces(Filters=[{"Name": name, "Values": [value]}])["NetworkInterfaces"]
            assert one in [nic["NetworkInterfaceId"] for nic in found], name
        fleet.detach_network_interface(AttachmentId=attached, Force=True)
        assert shown(fleet, one)["Status"] == "available"
        assert refused(fleet.detach_network_interface, AttachmentId=attached) == "InvalidAttachmentID.NotFound"
        assert refused(fleet.delete_security_group, GroupId=group) == "DependencyViolation"
    finally:
        fleet.terminate_instances(InstanceIds=[id])
        fleet.get_waiter("instance_terminated").wait(InstanceIds=[id], WaiterConfig=SOON)
        for nic in (one, two, far):
            fleet.delete_network_interface(NetworkInterfaceId=nic)


def test_the_same_through_alibabas_sdk(simulated, until):
    tenant = Tenant(simulated, f"interfaces-{uuid.uuid4().hex[:8]}")
    switch = tenant.call("DescribeVSwitches", ZoneId="local-1a")["VSwitches"]["VSwitch"][0]
    group = tenant.call("DescribeSecurityGroups")["SecurityGroups"]["SecurityGroup"][0]["SecurityGroupId"]
    beside = {"NetworkInterface__1__VSwitchId": switch["VSwitchId"], "NetworkInterface__1__SecurityGroupId": group}
    (id,) = tenant.run(VSwitchId=switch["VSwitchId"], SecurityGroupId=group, InstanceType="ecs.g6.large", **beside)
    tenant.wait([id], "Running")
    both = tenant.instance(id)["NetworkInterfaces"]["NetworkInterface"]
    assert [one["Type"] for one in both] == ["Primary", "Secondary"]
    made = tenant.call("CreateNetworkInterface", VSwitchId=switch["VSwitchId"], SecurityGroupId=group, NetworkInterfaceName="floating")
    nic = made["NetworkInterfaceId"]
    assert (made["Status"], made["VpcId"], made["NetworkInterfaceName"]) == ("Available", switch["VpcId"], "floating")

    def found(**filters):
        return tenant.call("DescribeNetworkInterfaces", **filters)["NetworkInterfaceSets"]["NetworkInterfaceSet"]

    tenant.call("AttachNetworkInterface", NetworkInterfaceId=nic, InstanceId=id)
    until(lambda: [one["NetworkInterfaceId"] for one in found(Status="InUse", Type="Secondary", NetworkInterfaceName="floating")] == [nic])
    assert tenant.refused("DeleteNetworkInterface", NetworkInterfaceId=nic) == "InvalidOperation.InvalidEniState"
    assert tenant.refused("DetachNetworkInterface", NetworkInterfaceId=both[0]["NetworkInterfaceId"], InstanceId=id) == "InvalidOperation.InvalidEniType"
    added = tenant.call("AssignPrivateIpAddresses", NetworkInterfaceId=nic, SecondaryPrivateIpAddressCount=2)
    ips = added["AssignedPrivateIpAddressesSet"]["PrivateIpSet"]["PrivateIpAddress"]
    shown = found(NetworkInterfaceId__1=nic)[0]["PrivateIpSets"]["PrivateIpSet"]
    assert [one["PrivateIpAddress"] for one in shown] == [made["PrivateIpAddress"], *ips]
    tenant.call("UnassignPrivateIpAddresses", NetworkInterfaceId=nic, PrivateIpAddress__1=ips[0])
    tenant.call("ModifyNetworkInterfaceAttribute", NetworkInterfaceId=nic, Description="changed", DeleteOnRelease="false")
    assert found(NetworkInterfaceId__1=nic)[0]["Description"] == "changed"
    tenant.call("DeleteInstance", InstanceId=id, Force="true")
    until(lambda: [one["NetworkInterfaceId"] for one in found()] == [nic], 30, "the interface that was to stay, alone")
    assert found()[0]["Status"] == "Available"
    tenant.call("DeleteNetworkInterface", NetworkInterfaceId=nic)


def tencent_table(tenant, subnet):
    """Makes a route table, has a subnet use it and the main one again, and deletes it; its id."""
    made = tenant.call("CreateRouteTable", VpcId=subnet["VpcId"], RouteTableName="own")["RouteTable"]["RouteTableId"]
    by_vpc = [{"Name": "vpc-id", "Values": [subnet["VpcId"]]}, {"Name": "association.main", "Values": ["true"]}]
    (main,) = tenant.call("DescribeRouteTables", Filters=by_vpc)["RouteTableSet"]
    tenant.call("ReplaceRouteTableAssociation", RouteTableId=made, SubnetId=subnet["SubnetId"])
    (shown,) = tenant.call("DescribeRouteTables", RouteTableIds=[made])["RouteTableSet"]
    assert [tie["SubnetId"] for tie in shown["AssociationSet"]] == [subnet["SubnetId"]]
    assert tenant.refused("DeleteRouteTable", RouteTableId=made) == "ResourceInUse"
    tenant.call("ReplaceRouteTableAssociation", RouteTableId=main["RouteTableId"], SubnetId=subnet["SubnetId"])
    tenant.call("DeleteRouteTable", RouteTableId=made)
    return made


def test_the_same_through_tencents_sdk(simulated, until):
    tenant = test_cvm.Tenant(simulated, f"interfaces-{uuid.uuid4().hex[:8]}")
    ids = tenant.run(InstanceCount=2)
    tenant.wait(ids, "RUNNING")
    subnet = tenant.call("DescribeSubnets", Filters=[{"Name": "zone", "Values": ["local-1a"]}])["SubnetSet"][0]
    where = {"VpcId": subnet["VpcId"], "SubnetId": subnet["SubnetId"]}
    made = tenant.call("CreateNetworkInterface", NetworkInterfaceName="floating", **where)["NetworkInterface"]
    nic = made["NetworkInterfaceId"]

    def shown():
        return tenant.call("DescribeNetworkInterfaces", NetworkInterfaceIds=[nic])["NetworkInterfaceSet"][0]

    first, second = ids
    tenant.call("AttachNetworkInterface", NetworkInterfaceId=nic, InstanceId=first)
    until(lambda: shown()["State"] == "AVAILABLE" and shown()["Attachment"]["InstanceId"] == first)
    tenant.call("MigrateNetworkInterface", NetworkInterfaceId=nic, SourceInstanceId=first, DestinationInstanceId=second)
    until(lambda: shown()["State"] == "AVAILABLE" and shown()["Attachment"]["InstanceId"] == second)
    assert shown()["MacAddress"] == made["MacAddress"]
    added = tenant.call("AssignPrivateIpAddresses", NetworkInterfaceId=nic, SecondaryPrivateIpAddressCount=1)["PrivateIpAddressSet"]
    tenant.call("UnassignPrivateIpAddresses", NetworkInterfaceId=nic, PrivateIpAddresses=[{"PrivateIpAddress": added[0]["PrivateIpAddress"]}])
    group = tenant.call("CreateSecurityGroup", GroupName="beside", GroupDescription="-")["SecurityGroup"]["SecurityGroupId"]
    groups = {"NetworkInterfaceIds": [nic], "SecurityGroupIds": [group]}
    tenant.call("AssociateNetworkInterfaceSecurityGroups", **groups)
    assert group in shown()["GroupSet"] and len(shown()["GroupSet"]) == 2
    own = tencent_table(tenant, subnet)
    assert own not in {table["RouteTableId"] for table in tenant.call("DescribeRouteTables")["RouteTableSet"]}
    tenant.call("DisassociateNetworkInterfaceSecurityGroups", **groups)
    tenant.call("ModifyNetworkInterfaceAttribute", NetworkInterfaceId=nic, NetworkInterfaceDescription="changed")
    assert shown()["NetworkInterfaceDescription"] == "changed"
    tenant.call("DetachNetworkInterface", NetworkInterfaceId=nic, InstanceId=second)
    until(lambda: shown()["NetworkInterfaceState"] == "AVAILABLE")
    tenant.call("DeleteNetworkInterface", NetworkInterfaceId=nic)
    tenant.call("TerminateInstances", InstanceIds=ids)
