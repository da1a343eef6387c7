"""boto3's resources: objects that load themselves, follow their references and wait, on top of the same calls."""

import boto3
import pytest


@pytest.fixture(scope="module")
def ec2(simulated):
    """The EC2 resource of an account of its own."""
    key, secret, _ = simulated.account("resources")
    return boto3.resource(
        "ec2", endpoint_url=simulated.endpoint, region_name=simulated.region, aws_access_key_id=key, aws_secret_access_key=secret
    )


@pytest.fixture(scope="module")
def network(ec2):
    """A VPC with a subnet and a group, made and removed by resources."""
    vpc = ec2.create_vpc(CidrBlock="10.77.0.0/16")
    vpc.wait_until_available()
    vpc.create_tags(Tags=[{"Key": "Name", "Value": "resources"}])
    subnet = vpc.create_subnet(CidrBlock="10.77.1.0/24")
    group = vpc.create_security_group(GroupName="resources", Description="of a test")
    yield vpc, subnet, group
    group.delete()
    subnet.delete()
    vpc.delete()


@pytest.fixture(scope="module")
def machine(ec2, simulated, network):
    """A running instance."""
    _, subnet, group = network
    tags = [{"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": "resources"}]}]
    [made] = ec2.create_instances(
        ImageId=simulated.image(), InstanceType="t3.nano", MinCount=1, MaxCount=1, SubnetId=subnet.id, SecurityGroupIds=[group.id],
        TagSpecifications=tags,
    )
    made.wait_until_running()
    made.load()
    yield made
    made.terminate()
    made.wait_until_terminated()


def test_an_instance_knows_what_it_refers_to(ec2, network, machine):
    vpc, subnet, group = network
    assert machine.state["Name"] == "running" and machine.vpc == vpc and machine.subnet == subnet
    assert machine.vpc.cidr_block == "10.77.0.0/16" and machine.subnet.availability_zone == machine.placement["AvailabilityZone"]
    assert [one["GroupId"] for one in machine.security_groups] == [group.id]
    assert machine.image.name == "pileus-linux" and machine.image.state == "available"
    [nic] = machine.network_interfaces
    assert nic.private_ip_address == machine.private_ip_address and nic.subnet == subnet
    [volume] = machine.volumes.all()
    assert volume.state == "in-use" and volume.attachments[0]["InstanceId"] == machine.id
    assert machine.describe_attribute(Attribute="instanceType")["InstanceType"] == {"Value": "t3.nano"}


def test_collections_filter_page_and_act(ec2, network, machine):
    vpc, _, group = network
    named = [{"Name": "tag:Name", "Values": ["resources"]}]
    assert [one.id for one in ec2.instances.filter(Filters=named)] == [machine.id]
    assert [one.id for one in vpc.instances.all()] == [machine.id]
    assert machine.id in {one.id for one in ec2.instances.page_size(5).limit(50)}
    assert group.id in {one.id for one in vpc.security_groups.all()}
    assert [table.vpc for table in vpc.route_tables.all()] == [vpc]
    group.authorize_ingress(IpProtocol="tcp", FromPort=80, ToPort=80, CidrIp="10.0.0.0/8")
    group.reload()
    assert group.ip_permissions[0]["FromPort"] == 80
    group.revoke_ingress(IpPermissions=group.ip_permissions)
    ec2.instances.filter(Filters=named).create_tags(Tags=[{"Key": "by", "Value": "collection"}])
    machine.reload()
    assert {"Key": "by", "Value": "collection"} in machine.tags
    [tag] = ec2.create_tags(Resources=[machine.id], Tags=[{"Key": "one", "Value": "tag"}])
    tag.delete()
    machine.reload()
    assert "one" not in {tag["Key"] for tag in machine.tags}


def test_an_instance_stops_and_starts(machine):
    machine.stop()
    machine.wait_until_stopped()
    machine.start()
    machine.wait_until_running()
    machine.reload()
    assert machine.state["Name"] == "running"


def test_volumes_addresses_and_keys(ec2, machine):
    volume = ec2.create_volume(AvailabilityZone=machine.placement["AvailabilityZone"], Size=1, VolumeType="gp3")
    ec2.meta.client.get_waiter("volume_available").wait(VolumeIds=[volume.id], WaiterConfig={"Delay": 1})
    volume.attach_to_instance(InstanceId=machine.id, Device="/dev/sdf")
    ec2.meta.client.get_waiter("volume_in_use").wait(VolumeIds=[volume.id], WaiterConfig={"Delay": 1})
    volume.reload()
    assert volume.attachments[0]["Device"] == "/dev/sdf"
    volume.detach_from_instance()
    ec2.meta.client.get_waiter("volume_available").wait(VolumeIds=[volume.id], WaiterConfig={"Delay": 1})
    volume.delete()
    address = ec2.VpcAddress(ec2.meta.client.allocate_address()["AllocationId"])
    address.load()
    assert address.public_ip and address.domain == "vpc"
    address.release()
    pair = ec2.create_key_pair(KeyName="resources")
    assert "PRIVATE KEY" in pair.key_material
    pair.delete()
    assert "resources" not in {one.name for one in ec2.key_pairs.all()}
