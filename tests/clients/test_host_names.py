"""Guests that are named by their ids: what they call themselves, and what their VPC's name server answers."""

import pytest

from conftest import private_key, ssh_group

SOON = {"Delay": 1, "MaxAttempts": 90}


@pytest.fixture(scope="module")
def ec2(cloud):
    key, secret, _ = cloud.account("host-names")
    return cloud.client("ec2", key=key, secret=secret)


@pytest.fixture(scope="module")
def key(ec2, tmp_path_factory):
    return private_key(ec2, "host-names", tmp_path_factory.mktemp("keys"))


def instance(ec2, id):
    return ec2.describe_instances(InstanceIds=[id])["Reservations"][0]["Instances"][0]


def test_a_guest_is_named_by_its_id_and_found_by_it(cloud, ec2, key, shell, until):
    group = ssh_group(ec2, "host-names")
    subnet = ec2.describe_subnets(Filters=[{"Name": "default-for-az", "Values": ["true"]}])["Subnets"][0]["SubnetId"]
    ec2.modify_subnet_attribute(SubnetId=subnet, PrivateDnsHostnameTypeOnLaunch="resource-name")
    ec2.modify_subnet_attribute(SubnetId=subnet, EnableResourceNameDnsARecordOnLaunch={"Value": True})
    told = ec2.describe_subnets(SubnetIds=[subnet])["Subnets"][0]["PrivateDnsNameOptionsOnLaunch"]
    assert told == {"HostnameType": "resource-name", "EnableResourceNameDnsARecord": True, "EnableResourceNameDnsAAAARecord": False}
    asked = {"ImageId": cloud.image(), "InstanceType": "t2.nano", "MinCount": 1, "MaxCount": 1, "KeyName": "host-names"}
    launch = lambda **more: ec2.run_instances(SubnetId=subnet, SecurityGroupIds=[group], **asked, **more)["Instances"][0]["InstanceId"]
    named = launch()
    plain = launch(PrivateDnsNameOptions={"HostnameType": "ip-name", "EnableResourceNameDnsARecord": False})
    try:
        ec2.get_waiter("instance_running").wait(InstanceIds=[named, plain], WaiterConfig=SOON)
        facts, other = instance(ec2, named), instance(ec2, plain)
        assert facts["PrivateDnsName"].split(".")[0] == named
        assert facts["PrivateDnsNameOptions"] == told
        assert other["PrivateDnsName"].startswith("ip-")
        domain = facts["PrivateDnsName"].split(".", 1)[1]
        at = lambda text: shell(facts["PublicIpAddress"], key, text)
        until(lambda: at("true").returncode == 0, 120, "the guest to answer")
        assert at("hostname").stdout.strip().split(".")[0] == named
        finds = lambda name: facts["PrivateIpAddress"] in at(f"nslookup {name}").stdout
        assert finds(named) and finds(facts["PrivateDnsName"])
        assert at(f"nslookup {plain}.{domain}").returncode != 0
        # A record comes and goes while the guest runs; what a host name is made of waits for a stop.
        ec2.modify_private_dns_name_options(InstanceId=plain, EnableResourceNameDnsARecord=True)
        until(lambda: other["PrivateIpAddress"] in at(f"nslookup {plain}.{domain}").stdout, 30, "the record")
        ec2.modify_private_dns_name_options(InstanceId=named, EnableResourceNameDnsARecord=False)
        until(lambda: at(f"nslookup {named}.{domain}").returncode != 0, 30, "the record to go")
        ec2.stop_instances(InstanceIds=[named], Force=True)
        ec2.get_waiter("instance_stopped").wait(InstanceIds=[named], WaiterConfig=SOON)
        ec2.modify_private_dns_name_options(InstanceId=named, PrivateDnsHostnameType="ip-name")
        assert instance(ec2, named)["PrivateDnsName"].startswith("ip-")
    finally:
        ec2.terminate_instances(InstanceIds=[named, plain])
        ec2.get_waiter("instance_terminated").wait(InstanceIds=[named, plain], WaiterConfig=SOON)
