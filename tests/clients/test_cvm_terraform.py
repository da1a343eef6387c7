"""What Terraform's provider for Tencent Cloud sends for its resources, in its order, and what it reads back: a second plan is empty.

The calls are those of the public tencentcloudstack/terraform-provider-tencentcloud: each resource's Create, Read, Update and Delete. Every attribute
that was written is read back as the provider reads it and compared, after the first apply and after a change.
"""

import base64
import time

import pytest

from test_cvm import TYPE, Tenant

ZONE = "local-1a"
# The provider's page of tags.
TAGS = 20
WITHIN = 60


@pytest.fixture(scope="module")
def tenant(simulated):
    return Tenant(simulated, "terraform-tencent")


class Provider:
    """The provider's calls, and its state: what each resource was told to be, and how it is read."""

    def __init__(self, tenant):
        self.call = tenant.call
        self.region = tenant.cloud.region
        self.state = {}

    def wrote(self, resource, attributes, read):
        self.state[resource] = (attributes, read)

    def change(self, resource, **attributes):
        before, read = self.state[resource]
        self.state[resource] = (before | attributes, read)

    def plan(self):
        """What a plan would change: of each resource, what was written and what was read."""
        changes = {}
        for resource, (wrote, read) in self.state.items():
            found = read()
            differs = {name: (value, found.get(name)) for name, value in wrote.items() if found.get(name) != value}
            if differs:
                changes[resource] = differs
        return changes

    def filtered(self, action, members, name, value):
        """A read by a filter, with the limits as the texts that the provider writes; one thing must answer."""
        (found,) = self.call(action, Filters=[{"Name": name, "Values": [value]}], Limit="100", Offset="0")[members]
        return found

    def tags(self, service, prefix, id):
        where = {"ServiceType": service, "ResourcePrefix": prefix, "ResourceRegion": self.region, "ResourceIds": [id]}
        told = self.call("DescribeResourceTagsByResourceIds", Limit=TAGS, Offset=0, **where)["Tags"]
        return {one["TagKey"]: one["TagValue"] for one in told if one["ResourceId"] == id}

    def modify_tags(self, service, prefix, id, replaced, deleted=()):
        resource = f"qcs::{service}:{self.region}:uin/:{prefix}/{id}"
        more = {"DeleteTags": [{"TagKey": key} for key in deleted]} if deleted else {}
        self.call("ModifyResourceTags", Resource=resource, ReplaceTags=[{"TagKey": key, "TagValue": value} for key, value in replaced.items()], **more)

    def until(self, done, what):
        end = time.monotonic() + WITHIN
        while not done():
            assert time.monotonic() < end, what
            time.sleep(0.1)


def listed(tags):
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def vpc(cloud, **wrote):
    ask = {"VpcName": wrote["name"], "CidrBlock": wrote["cidr_block"], "EnableMulticast": "false", "DnsServers": wrote["dns_servers"]}
    ask |= {"Tags": listed(wrote["tags"]), "EnableRouteVpcPublish": False, "EnableRouteVpcPublishIpv6": False}
    id = cloud.call("CreateVpc", **ask)["Vpc"]["VpcId"]
    if wrote.get("assistant_cidrs"):
        cloud.call("CreateAssistantCidr", VpcId=id, CidrBlocks=wrote["assistant_cidrs"])

    def read():
        info = cloud.filtered("DescribeVpcs", "VpcSet", "vpc-id", id)
        return {
            "name": info["VpcName"],
            "cidr_block": info["CidrBlock"],
            "dns_servers": info["DnsServerSet"],
            "is_multicast": info["EnableMulticast"],
            "assistant_cidrs": [range["CidrBlock"] for range in info["AssistantCidrSet"] if range["AssistantType"] == 0],
            "enable_route_vpc_publish": info["EnableRouteVpcPublish"],
            "tags": {tag["Key"]: tag["Value"] for tag in info["TagSet"]},
        }

    usual = {"is_multicast": False, "assistant_cidrs": [], "enable_route_vpc_publish": False}
    cloud.wrote("vpc", usual | wrote, read)
    return id


def route_table(cloud, **wrote):
    id = cloud.call("CreateRouteTable", VpcId=wrote["vpc_id"], RouteTableName=wrote["name"], Tags=listed(wrote["tags"]))["RouteTable"]["RouteTableId"]
    cloud.modify_tags("vpc", "rtb", id, wrote["tags"])

    def read():
        info = cloud.filtered("DescribeRouteTables", "RouteTableSet", "route-table-id", id)
        return {"vpc_id": info["VpcId"], "name": info["RouteTableName"], "is_default": info["Main"], "tags": cloud.tags("vpc", "rtb", id)}

    cloud.wrote("route_table", {"is_default": False} | wrote, read)
    return id


def subnet(cloud, **wrote):
    ask = {"VpcId": wrote["vpc_id"], "SubnetName": wrote["name"], "CidrBlock": wrote["cidr_block"], "Zone": wrote["availability_zone"]}
    table = wrote["route_table_id"]
    named = [{"Name": "route-table-id", "Values": [table]}, {"Name": "vpc-id", "Values": [wrote["vpc_id"]]}]
    assert cloud.call("DescribeRouteTables", Filters=named, Limit="100", Offset="0")["TotalCount"] == 1
    id = cloud.call("CreateSubnet", Tags=listed(wrote["tags"]), **ask)["Subnet"]["SubnetId"]
    cloud.call("ModifySubnetAttribute", SubnetId=id, SubnetName=wrote["name"], EnableBroadcast="false")
    cloud.call("ReplaceRouteTableAssociation", SubnetId=id, RouteTableId=table)
    cloud.modify_tags("vpc", "subnet", id, wrote["tags"])

    def read():
        info = cloud.filtered("DescribeSubnets", "SubnetSet", "subnet-id", id)
        return {
            "vpc_id": info["VpcId"],
            "availability_zone": info["Zone"],
            "name": info["SubnetName"],
            "cidr_block": info["CidrBlock"],
            "is_multicast": info["EnableBroadcast"],
            "route_table_id": info["RouteTableId"],
            "cdc_id": info["CdcId"],
            "tags": cloud.tags("vpc", "subnet", id),
        }

    cloud.wrote("subnet", {"is_multicast": False, "cdc_id": ""} | wrote, read)
    return id


def security_group(cloud, **wrote):
    id = cloud.call("CreateSecurityGroup", GroupName=wrote["name"], GroupDescription=wrote["description"], Tags=listed(wrote["tags"]))
    id = id["SecurityGroup"]["SecurityGroupId"]
    cloud.modify_tags("cvm", "sg", id, wrote["tags"])

    def read():
        (info,) = cloud.call("DescribeSecurityGroups", SecurityGroupIds=[id])["SecurityGroupSet"]
        about = {"name": info["SecurityGroupName"], "description": info["SecurityGroupDesc"], "project_id": int(info["ProjectId"])}
        return about | {"tags": cloud.tags("cvm", "sg", id)}

    cloud.wrote("security_group", {"project_id": 0} | wrote, read)
    return id


RULE = {"cidr_block": "CidrBlock", "ipv6_cidr_block": "Ipv6CidrBlock", "source_security_id": "SecurityGroupId", "protocol": "Protocol", "port": "Port"}
RULE |= {"action": "Action", "description": "PolicyDescription"}


def rule_set(cloud, group, **wrote):
    def sent(rules):
        return [{RULE[name]: value for name, value in rule.items()} for rule in rules]

    policies = {"Ingress": sent(wrote["ingress"]), "Egress": sent(wrote["egress"])}
    cloud.call("ModifySecurityGroupPolicies", SecurityGroupId=group, SecurityGroupPolicySet=policies)

    def read():
        told = cloud.call("DescribeSecurityGroupPolicies", SecurityGroupId=group)["SecurityGroupPolicySet"]

        def rules(policies):
            shown = [{name: policy[member] for name, member in RULE.items()} for policy in policies]
            return [{name: value for name, value in (rule | {"protocol": rule["protocol"].upper()}).items() if value} for rule in shown]

        return {"ingress": rules(told["Ingress"]), "egress": rules(told["Egress"])}

    cloud.wrote("security_group_rule_set", wrote, read)


def key_pair(cloud, **wrote):
    id = cloud.call("ImportKeyPair", KeyName=wrote["key_name"], ProjectId=0, PublicKey=wrote["public_key"])["KeyId"]
    cloud.modify_tags("cvm", "keypair", id, wrote["tags"])

    def read():
        (info,) = cloud.call("DescribeKeyPairs", KeyIds=[id])["KeyPairSet"]
        public = " ".join(info["PublicKey"].split(" ")[:2])
        return {"key_name": info["KeyName"], "project_id": info["ProjectId"], "public_key": public, "tags": cloud.tags("cvm", "keypair", id)}

    cloud.wrote("key_pair", {"project_id": 0} | wrote, read)
    return id


def instance(cloud, **wrote):
    disks = wrote["data_disks"]
    ask = {
        "ImageId": wrote["image_id"],
        "Placement": {"Zone": wrote["availability_zone"], "ProjectId": 0},
        "InstanceName": wrote["instance_name"],
        "InstanceType": wrote["instance_type"],
        "HostName": wrote["hostname"],
        "InstanceChargeType": "POSTPAID_BY_HOUR",
        "InternetAccessible": {
            "InternetChargeType": wrote["internet_charge_type"],
            "InternetMaxBandwidthOut": wrote["internet_max_bandwidth_out"],
            "PublicIpAssigned": wrote["allocate_public_ip"],
        },
        "VirtualPrivateCloud": {"VpcId": wrote["vpc_id"], "SubnetId": wrote["subnet_id"], "PrivateIpAddresses": [wrote["private_ip"]]},
        "SecurityGroupIds": wrote["orderly_security_groups"],
        "SystemDisk": {
            "DiskType": wrote["system_disk_type"],
            "DiskSize": wrote["system_disk_size"],
            "DiskName": wrote["system_disk_name"],
            "Encrypt": wrote["system_disk_encrypt"],
        },
        "DataDisks": [
            {
                "DiskType": disk["data_disk_type"],
                "DiskSize": disk["data_disk_size"],
                "ThroughputPerformance": disk["throughput_performance"],
                "DiskName": disk["data_disk_name"],
                "DeleteWithInstance": disk["delete_with_instance"],
                "Encrypt": disk["encrypt"],
            }
            for disk in disks
        ],
        "EnhancedService": {"SecurityService": {"Enabled": True}, "MonitorService": {"Enabled": True}, "AutomationService": {"Enabled": True}},
        "LoginSettings": {"KeyIds": wrote["key_ids"]},
        "UserData": wrote["user_data"],
        "DisableApiTermination": wrote["disable_api_termination"],
        "TagSpecification": [{"ResourceType": "instance", "Tags": listed(wrote["tags"])}],
        "ClientToken": f"terraform-{time.time_ns()}",
    }
    (id,) = cloud.call("RunInstances", **ask)["InstanceIdSet"]

    def info():
        return cloud.call("DescribeInstances", InstanceIds=[id])["InstanceSet"][0]

    def disk_names(ids):
        told = cloud.call("DescribeDisks", DiskIds=ids)["DiskSet"]
        return {disk["DiskId"]: disk for disk in told}

    cloud.until(lambda: info()["InstanceState"] == "RUNNING", "the instance")
    cloud.until(lambda: cloud.tags("cvm", "instance", id) == wrote["tags"], "the tags of the instance")

    def read():
        seen = info()
        assert seen["LatestOperationState"] != "OPERATING"
        images = {image["ImageId"] for image in cloud.call("DescribeImages")["ImageSet"]}
        data = disk_names([disk["DiskId"] for disk in seen["DataDisks"]])
        (user_data,) = cloud.call("DescribeInstancesAttributes", InstanceIds=[id], Attributes=["UserData"])["InstanceSet"]
        return {
            "image_id": seen["ImageId"] if seen["ImageId"] in images else None,
            "availability_zone": seen["Placement"]["Zone"],
            "project_id": seen["Placement"]["ProjectId"],
            "instance_name": seen["InstanceName"],
            "instance_type": seen["InstanceType"],
            "instance_charge_type": seen["InstanceChargeType"],
            "hostname": seen["HostName"],
            "internet_charge_type": seen["InternetAccessible"]["InternetChargeType"],
            "internet_max_bandwidth_out": seen["InternetAccessible"]["InternetMaxBandwidthOut"],
            "allocate_public_ip": len(seen["PublicIpAddresses"]) > 0,
            "vpc_id": seen["VirtualPrivateCloud"]["VpcId"],
            "subnet_id": seen["VirtualPrivateCloud"]["SubnetId"],
            "private_ip": seen["PrivateIpAddresses"][0],
            "orderly_security_groups": seen["SecurityGroupIds"],
            "system_disk_type": seen["SystemDisk"]["DiskType"],
            "system_disk_size": seen["SystemDisk"]["DiskSize"],
            "system_disk_encrypt": seen["SystemDisk"]["Encrypt"],
            "system_disk_name": disk_names([seen["SystemDisk"]["DiskId"]])[seen["SystemDisk"]["DiskId"]]["DiskName"],
            "data_disks": [
                {
                    "data_disk_type": disk["DiskType"],
                    "data_disk_size": data[disk["DiskId"]]["DiskSize"],
                    "data_disk_name": data[disk["DiskId"]]["DiskName"],
                    "delete_with_instance": disk["DeleteWithInstance"],
                    "encrypt": disk["Encrypt"],
                    "throughput_performance": disk["ThroughputPerformance"],
                }
                for disk in seen["DataDisks"]
            ],
            "key_ids": seen["LoginSettings"]["KeyIds"],
            "user_data": user_data["Attributes"]["UserData"],
            "cam_role_name": seen["CamRoleName"],
            "placement_group_id": seen["DisasterRecoverGroupId"],
            "disable_api_termination": seen["DisableApiTermination"],
            "instance_status": seen["InstanceState"],
            "tags": cloud.tags("cvm", "instance", id),
        }

    usual = {"project_id": 0, "instance_charge_type": "POSTPAID_BY_HOUR", "cam_role_name": "", "placement_group_id": "", "instance_status": "RUNNING"}
    cloud.wrote("instance", usual | wrote, read)
    return id


def route_entry(cloud, table, **wrote):
    route = {"DestinationCidrBlock": wrote["destination_cidr_block"], "RouteDescription": wrote["description"], "Enabled": True}
    route |= {"GatewayType": wrote["next_type"], "GatewayId": wrote["next_hub"]}
    (made,) = cloud.call("CreateRoutes", RouteTableId=table, Routes=[route])["RouteTableSet"]
    (entry,) = made["RouteSet"]
    id = entry["RouteId"]
    if wrote["disabled"]:
        cloud.call("DisableRoutes", RouteTableId=table, RouteIds=[id])

    def read():
        found = cloud.filtered("DescribeRouteTables", "RouteTableSet", "route-table-id", table)
        (v,) = [v for v in found["RouteSet"] if v["RouteId"] == id]
        about = {"description": v["RouteDescription"], "destination_cidr_block": v["DestinationCidrBlock"], "disabled": not v["Enabled"]}
        return about | {"next_type": v["GatewayType"], "next_hub": v["GatewayId"]}

    cloud.wrote("route_table_entry", wrote, read)
    return id


def storage(cloud, **wrote):
    ask = {"DiskName": wrote["storage_name"], "DiskType": wrote["storage_type"], "DiskSize": wrote["storage_size"]}
    ask |= {"Placement": {"Zone": wrote["availability_zone"], "ProjectId": 0}, "DiskChargeType": "POSTPAID_BY_HOUR", "Tags": listed(wrote["tags"])}
    ask |= {"ThroughputPerformance": wrote["throughput_performance"], "BurstPerformance": False}
    (id,) = cloud.call("CreateDisks", **ask)["DiskIdSet"]

    def info():
        return cloud.call("DescribeDisks", DiskIds=[id], Limit=100)["DiskSet"][0]

    def read():
        disk = info()
        return {
            "storage_type": disk["DiskType"],
            "storage_size": disk["DiskSize"],
            "availability_zone": disk["Placement"]["Zone"],
            "storage_name": disk["DiskName"],
            "project_id": disk["Placement"]["ProjectId"],
            "encrypt": disk["Encrypt"],
            "charge_type": disk["DiskChargeType"],
            "throughput_performance": disk["ThroughputPerformance"],
            "burst_performance": disk["BurstPerformance"],
            "tags": cloud.tags("cvm", "volume", id),
        }

    usual = {"project_id": 0, "encrypt": False, "charge_type": "POSTPAID_BY_HOUR", "burst_performance": False}
    cloud.wrote("cbs_storage", usual | wrote, read)
    cloud.until(lambda: info()["DiskState"] == "UNATTACHED", "the disk")
    return id


def storage_attachment(cloud, **wrote):
    cloud.call("AttachDisks", DiskIds=[wrote["storage_id"]], InstanceId=wrote["instance_id"])

    def info():
        return cloud.call("DescribeDisks", DiskIds=[wrote["storage_id"]], Limit=100)["DiskSet"][0]

    cloud.until(lambda: info()["DiskState"] == "ATTACHED", "the attachment")

    def read():
        disk = info()
        return {"storage_id": disk["DiskId"], "instance_id": disk["InstanceId"], "attached": disk["Attached"]}

    cloud.wrote("cbs_storage_attachment", {"attached": True} | wrote, read)


def eip(cloud, **wrote):
    ask = {"AddressType": "EIP", "InternetServiceProvider": "BGP", "InternetChargeType": wrote["internet_charge_type"]}
    ask |= {"InternetMaxBandwidthOut": wrote["internet_max_bandwidth_out"], "AddressName": wrote["name"], "Tags": listed(wrote["tags"])}
    made = cloud.call("AllocateAddresses", **ask)
    (id,) = made["AddressSet"]
    cloud.until(lambda: cloud.call("DescribeTaskResult", TaskId=int(made["TaskId"]))["Result"] != "RUNNING", "the address")

    def read():
        (told,) = cloud.call("DescribeAddresses", AddressIds=[id])["AddressSet"]
        named = [{"Name": "resource.resource-id", "Values": [id]}]
        assert cloud.call("DescribeBandwidthPackages", Filters=named)["BandwidthPackageSet"] == []
        about = {"name": told["AddressName"], "type": told["AddressType"], "internet_charge_type": told["InternetChargeType"], "egress": told["Egress"]}
        return about | {"internet_max_bandwidth_out": told["Bandwidth"], "tags": cloud.tags("vpc", "eip", id)}

    cloud.wrote("eip", {"type": "EIP", "egress": ""} | wrote, read)
    return id


def eip_association(cloud, **wrote):
    def info():
        return cloud.call("DescribeAddresses", AddressIds=[wrote["eip_id"]])["AddressSet"][0]

    assert info()["AddressStatus"] == "UNBIND"
    cloud.call("AssociateAddress", AddressId=wrote["eip_id"], InstanceId=wrote["instance_id"])
    cloud.until(lambda: info()["AddressStatus"] == "BIND", "the association")
    cloud.wrote("eip_association", wrote, lambda: {"eip_id": info()["AddressId"], "instance_id": info()["InstanceId"]})


def image(cloud, **wrote):
    ask = {"ImageName": wrote["image_name"], "ForcePoweroff": "TRUE", "ImageDescription": wrote["image_description"], "Sysprep": "FALSE"}
    ask |= {"InstanceId": wrote["instance_id"], "ImageFamily": wrote["image_family"]}
    id = cloud.call("CreateImage", TagSpecification=[{"ResourceType": "image", "Tags": listed(wrote["tags"])}], **ask)["ImageId"]
    cloud.modify_tags("cvm", "image", id, wrote["tags"])

    def info():
        return cloud.call("DescribeImages", ImageIds=[id])["ImageSet"][0]

    cloud.until(lambda: info()["ImageState"] == "NORMAL", "the image")

    def read():
        told = info()
        about = {"image_name": told["ImageName"], "image_description": told["ImageDescription"], "image_family": told["ImageFamily"]}
        return about | {"instance_id": wrote["instance_id"], "tags": cloud.tags("cvm", "image", id)}

    cloud.wrote("image", wrote, read)
    return id


# What a template's version tells of what was written, as the provider's Create and Read know it.
def launch_template(cloud, **wrote):
    ask = {"LaunchTemplateName": wrote["launch_template_name"], "LaunchTemplateVersionDescription": wrote["launch_template_version_description"]}
    ask |= {"Placement": wrote["placement"], "ImageId": wrote["image_id"], "InstanceType": wrote["instance_type"], "SystemDisk": wrote["system_disk"]}
    ask |= {"DataDisks": wrote["data_disks"], "VirtualPrivateCloud": wrote["virtual_private_cloud"], "InstanceCount": wrote["instance_count"]}
    ask |= {"InternetAccessible": wrote["internet_accessible"], "InstanceName": wrote["instance_name"], "LoginSettings": wrote["login_settings"]}
    ask |= {"SecurityGroupIds": wrote["security_group_ids"], "HostName": wrote["host_name"], "UserData": wrote["user_data"], "DryRun": False}
    ask |= {"InstanceChargeType": wrote["instance_charge_type"], "DisableApiTermination": False}
    id = cloud.call("CreateLaunchTemplate", **ask)["LaunchTemplateId"]

    def read():
        (template,) = cloud.call("DescribeLaunchTemplates", LaunchTemplateIds=[id])["LaunchTemplateSet"]
        version = cloud.call("DescribeLaunchTemplateVersions", LaunchTemplateId=id)["LaunchTemplateVersionSet"][0]
        data = version["LaunchTemplateVersionData"]

        def like(part, told):
            return {name: told.get(name) for name in part}

        return {
            "launch_template_name": template["LaunchTemplateName"],
            "launch_template_version_description": version["LaunchTemplateVersionDescription"],
            "placement": like(wrote["placement"], data["Placement"]),
            "image_id": data["ImageId"],
            "instance_type": data["InstanceType"],
            "system_disk": like(wrote["system_disk"], data["SystemDisk"]),
            "data_disks": [like(disk, told) for disk, told in zip(wrote["data_disks"], data["DataDisks"], strict=True)],
            "virtual_private_cloud": like(wrote["virtual_private_cloud"], data["VirtualPrivateCloud"]),
            "internet_accessible": like(wrote["internet_accessible"], data["InternetAccessible"]),
            "instance_count": data["InstanceCount"],
            "instance_name": data["InstanceName"],
            "login_settings": like(wrote["login_settings"], data["LoginSettings"]),
            "security_group_ids": data["SecurityGroupIds"],
            "host_name": data["HostName"],
            "user_data": data["UserData"],
            "instance_charge_type": data["InstanceChargeType"],
        }

    cloud.wrote("cvm_launch_template", wrote, read)
    return id


PUBLIC_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ0x0cEZ2tZ1oZ0mD2s7nC1r6d8iS4w9b0yq1kz3v5xY"


def test_a_second_plan_is_empty(tenant):
    cloud = Provider(tenant)
    tags = {"team": "net", "stage": "test"}
    network = vpc(cloud, name="plan", cidr_block="10.7.0.0/16", assistant_cidrs=["10.9.0.0/16"], dns_servers=["10.7.0.53", "10.7.0.54"], tags=tags)
    table = route_table(cloud, name="plan-table", vpc_id=network, tags=tags)
    place = subnet(cloud, name="plan-a", vpc_id=network, cidr_block="10.7.1.0/24", availability_zone=ZONE, route_table_id=table, tags=tags)
    group = security_group(cloud, name="plan-group", description="Of the plan", tags=tags)
    ingress = [
        {"action": "ACCEPT", "cidr_block": "10.0.0.0/8", "protocol": "TCP", "port": "22", "description": "SSH"},
        {"action": "DROP", "cidr_block": "10.9.0.0/16", "protocol": "UDP", "port": "53-54", "description": "names"},
        {"action": "ACCEPT", "ipv6_cidr_block": "fd00::/8", "protocol": "ICMPV6", "port": "ALL", "description": "echo"},
        {"action": "ACCEPT", "source_security_id": group, "protocol": "ALL", "port": "ALL", "description": "members"},
    ]
    rule_set(cloud, group, ingress=ingress, egress=[{"action": "ACCEPT", "cidr_block": "0.0.0.0/0", "protocol": "ALL", "port": "ALL", "description": "out"}])
    key = key_pair(cloud, key_name="plan_key", public_key=PUBLIC_KEY, tags=tags)
    usual = {"throughput_performance": 0, "delete_with_instance": True, "encrypt": False}
    machine = instance(
        cloud,
        image_id=tenant.image(),
        availability_zone=ZONE,
        instance_name="plan-web",
        instance_type=TYPE,
        hostname="plan-web",
        internet_charge_type="TRAFFIC_POSTPAID_BY_HOUR",
        internet_max_bandwidth_out=0,
        allocate_public_ip=False,
        vpc_id=network,
        subnet_id=place,
        private_ip="10.7.1.20",
        orderly_security_groups=[group],
        system_disk_type="CLOUD_PREMIUM",
        system_disk_size=50,
        system_disk_name="plan-root",
        system_disk_encrypt=False,
        data_disks=[
            usual | {"data_disk_type": "CLOUD_SSD", "data_disk_size": 20, "data_disk_name": "plan_0"},
            usual | {"data_disk_type": "CLOUD_HSSD", "data_disk_size": 500, "data_disk_name": "plan_1", "throughput_performance": 20},
        ],
        key_ids=[key],
        user_data=base64.b64encode(b"#!/bin/sh\n").decode(),
        disable_api_termination=False,
        tags=tags,
    )
    route_entry(cloud, table, destination_cidr_block="192.0.2.0/24", next_type="NORMAL_CVM", next_hub="10.7.1.20", description="lab", disabled=True)
    disk = storage(cloud, storage_name="plan-disk", storage_type="CLOUD_HSSD", storage_size=500, availability_zone=ZONE, throughput_performance=30, tags=tags)
    storage_attachment(cloud, storage_id=disk, instance_id=machine)
    # The instance's Read takes the disk that another resource attached for one of its own: the provider leaves it out by its own list.
    address = eip(cloud, name="plan-eip", internet_charge_type="BANDWIDTH_POSTPAID_BY_HOUR", internet_max_bandwidth_out=3, tags=tags)
    plan = cloud.plan()
    attached = plan.get("instance", {}).pop("data_disks", None)
    assert attached and [one["data_disk_name"] for one in attached[1]] == ["plan_0", "plan_1", "plan-disk"]
    assert plan == {"instance": {}}
    template = launch_template(
        cloud,
        launch_template_name="plan-template",
        launch_template_version_description="first",
        placement={"Zone": ZONE, "ProjectId": 0},
        image_id=tenant.image(),
        instance_type=TYPE,
        system_disk={"DiskType": "CLOUD_PREMIUM", "DiskSize": 50},
        data_disks=[{"DiskType": "CLOUD_SSD", "DiskSize": 20, "DeleteWithInstance": True, "Encrypt": False, "ThroughputPerformance": 0}],
        virtual_private_cloud={"VpcId": network, "SubnetId": place, "AsVpcGateway": False},
        internet_accessible={"InternetChargeType": "TRAFFIC_POSTPAID_BY_HOUR", "InternetMaxBandwidthOut": 5, "PublicIpAssigned": True},
        instance_count=1,
        instance_name="of-template",
        login_settings={"KeyIds": [key]},
        security_group_ids=[group],
        host_name="of-template",
        user_data=base64.b64encode(b"#!/bin/sh\n").decode(),
        instance_charge_type="POSTPAID_BY_HOUR",
    )
    assert cloud.plan().keys() == {"instance"}

    # A change of what can be changed in place, by the calls of each resource's Update.
    changed = {"team": "ops"}
    cloud.call("ModifyVpcAttribute", VpcId=network, VpcName="mine", DnsServers=["10.7.0.55"], EnableMulticast="false", EnableRouteVpcPublish=False, EnableRouteVpcPublishIpv6=False)
    cloud.modify_tags("vpc", "vpc", network, changed, ["stage"])
    cloud.change("vpc", name="mine", dns_servers=["10.7.0.55"], tags=changed)
    cloud.call("ModifyRouteTableAttribute", RouteTableId=table, RouteTableName="table-2")
    cloud.modify_tags("vpc", "rtb", table, changed, ["stage"])
    cloud.change("route_table", name="table-2", tags=changed)
    cloud.call("ModifySecurityGroupAttribute", SecurityGroupId=group, GroupName="group-2", GroupDescription="Changed")
    cloud.change("security_group", name="group-2", description="Changed")
    cloud.call("ModifyInstancesAttribute", InstanceIds=[machine], InstanceName="web-2")
    cloud.modify_tags("cvm", "instance", machine, changed, ["stage"])
    cloud.change("instance", instance_name="web-2", tags=changed)
    cloud.call("ModifyDiskAttributes", DiskIds=[disk], DiskName="disk-2")
    cloud.call("ResizeDisk", DiskId=disk, DiskSize=520)
    cloud.change("cbs_storage", storage_name="disk-2", storage_size=520)
    cloud.call("ModifyAddressAttribute", AddressId=address, AddressName="eip-2")
    cloud.call("ModifyAddressesBandwidth", AddressIds=[address], InternetMaxBandwidthOut=6)
    cloud.change("eip", name="eip-2", internet_max_bandwidth_out=6)
    cloud.until(lambda: cloud.plan().keys() == {"instance"}, cloud.plan())
    assert cloud.plan()["instance"].keys() == {"data_disks"}

    # The address makes the bandwidth of the instance its own, as it does at Tencent Cloud.
    eip_association(cloud, eip_id=address, instance_id=machine)
    cloud.change("instance", internet_max_bandwidth_out=6, allocate_public_ip=True, internet_charge_type="BANDWIDTH_POSTPAID_BY_HOUR")
    assert cloud.plan().keys() == {"instance"} and cloud.plan()["instance"].keys() == {"data_disks"}
    copy = image(cloud, image_name="plan-image", image_description="Of the plan", instance_id=machine, image_family="plan", tags=tags)
    assert cloud.plan().keys() == {"instance"}

    # Destroyed in the order of dependence, until nothing is left that the provider would find.
    cloud.call("DeleteImages", ImageIds=[copy])
    cloud.call("DeleteLaunchTemplate", LaunchTemplateId=template)
    cloud.call("DisassociateAddress", AddressId=address)
    cloud.call("ReleaseAddresses", AddressIds=[address])
    cloud.call("DetachDisks", DiskIds=[disk], InstanceId=machine)
    cloud.until(lambda: cloud.call("DescribeDisks", DiskIds=[disk])["DiskSet"][0]["DiskState"] == "UNATTACHED", "the detachment")
    cloud.call("TerminateDisks", DiskIds=[disk])
    routes = cloud.filtered("DescribeRouteTables", "RouteTableSet", "route-table-id", table)["RouteSet"]
    cloud.call("DeleteRoutes", RouteTableId=table, Routes=[{"RouteId": route["RouteId"], "GatewayType": "", "GatewayId": ""} for route in routes])
    cloud.call("TerminateInstances", InstanceIds=[machine])
    tenant.wait([machine], None)
    cloud.call("DeleteKeyPairs", KeyIds=[key])
    inside = [{"Name": "vpc-id", "Values": [network]}]
    cloud.until(lambda: cloud.call("DescribeNetworkInterfaces", Filters=inside)["TotalCount"] == 0, "the end of the interface")
    cloud.call("ModifySecurityGroupPolicies", SecurityGroupId=group, SecurityGroupPolicySet={"Version": "0"})
    cloud.call("DeleteSecurityGroup", SecurityGroupId=group)
    cloud.call("DeleteSubnet", SubnetId=place)
    cloud.call("DeleteRouteTable", RouteTableId=table)
    cloud.call("DeleteVpc", VpcId=network)
    named = [{"Name": "vpc-id", "Values": [network]}]
    assert cloud.call("DescribeVpcs", Filters=named)["TotalCount"] == cloud.call("DescribeSubnets", Filters=named)["TotalCount"] == 0
