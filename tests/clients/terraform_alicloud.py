"""The calls of Terraform's provider for Alibaba Cloud, resource by resource, in its order and with its parameters.

Each function below makes a resource as the provider does and gives back what the provider would keep of it: the attributes of the
configuration, and a way to read the state anew. A plan is what differs between the two; after an apply it has to be empty, or Terraform
would change the resource again at every run. The names of attributes are the provider's.
"""

import json
import time

from aliyunsdkcore.acs_exception.exceptions import ServerException
from aliyunsdkcore.request import CommonRequest

from test_ecs import Refused

VERSIONS = {"ecs": "2014-05-26", "vpc": "2016-04-28"}
WAIT_SECONDS = 60


def flat(value, name=""):
    """Nested parameters as the provider's client writes them: Name.1.Member, from 1 in lists."""
    if isinstance(value, dict):
        pairs = value.items()
    elif isinstance(value, list):
        pairs = enumerate(value, 1)
    else:
        text = str(value).lower() if isinstance(value, bool) else str(value)
        return {name: text}
    merged = {}
    for key, member in pairs:
        merged.update(flat(member, f"{name}.{key}" if name else str(key)))
    return merged


class Provider:
    """A provider block: an account and a region."""

    def __init__(self, tenant):
        self.tenant, self.region = tenant, tenant.cloud.region

    def post(self, product, action, query=None, **request):
        call = CommonRequest(domain=self.tenant.cloud.endpoint.removeprefix("http://"), version=VERSIONS[product], action_name=action)
        call.set_method("POST")
        call.set_protocol_type("http")
        for name, value in flat(query or {}).items():
            call.add_query_param(name, value)
        for name, value in flat(request).items():
            call.add_body_params(name, value)
        try:
            return json.loads(self.tenant.old.do_action_with_exception(call))
        except ServerException as refused:
            raise Refused(refused.get_error_code(), refused.get_http_status(), refused.get_error_msg()) from refused

    def ecs(self, action, query=None, **request):
        return self.post("ecs", action, query, **request)

    def vpc(self, action, query=None, **request):
        return self.post("vpc", action, query, **request)

    def token(self):
        return f"TF-{time.monotonic_ns()}"

    def listed(self, product, action, path, query=None, **request):
        """What is at a path of a reply; the path has to be there, as the provider takes it for granted."""
        reply = self.post(product, action, query, **request)
        for name in path.split("."):
            reply = reply[name]
        return reply

    def tag(self, product, kind, id, tags):
        numbered = [{"Key": key, "Value": value} for key, value in tags.items()]
        self.post(product, "TagResources", ResourceType=kind, ResourceId=[id], Tag=numbered)

    def untag(self, product, kind, id, keys):
        action = "UnTagResources" if product == "vpc" else "UntagResources"
        self.post(product, action, ResourceType=kind, ResourceId=[id], TagKey=keys)

    def tags_listed(self, product, kind, id):
        found = self.listed(product, "ListTagResources", "TagResources.TagResource", ResourceType=kind, ResourceId=[id])
        return {tag["TagKey"]: tag["TagValue"] for tag in found}

    def until(self, ready, what):
        deadline = time.monotonic() + WAIT_SECONDS
        while not ready():
            assert time.monotonic() < deadline, what
            time.sleep(0.1)


def protect(tf, kind, id, enable):
    """The call that the provider makes when `deletion_protection` changes."""
    tf.vpc("DeletionProtection", ClientToken=tf.token(), InstanceId=id, ProtectionEnable=enable, Type=kind)


def unprotected(tf, kind, id, wanted, delete):
    """Deletes a thing; one that is protected stays until its protection has ended."""
    if wanted.get("deletion_protection"):
        try:
            delete()
        except Refused as refused:
            assert refused.code == "InvalidOperation.DeletionProtection", refused
        else:
            raise AssertionError(f"{id} was protected and is gone")
        protect(tf, kind, id, False)
    delete()


def tag_map(tags):
    """Tags of a reply as a map, in either of the two forms that there are."""
    return {tag.get("TagKey", tag.get("Key")): tag.get("TagValue", tag.get("Value")) for tag in tags}


class Resource:
    """A resource of a configuration: its id, what was written, how it is read, how it is destroyed."""

    def __init__(self, kind, id, wanted, read, destroy):
        self.kind, self.id, self.wanted, self.read, self.destroy = kind, id, wanted, read, destroy

    def plan(self):
        """What Terraform would change: attributes with what they are to be and what they are."""
        state = self.read()
        assert state is not None, f"{self.kind} is gone"
        return {name: (value, state.get(name)) for name, value in self.wanted.items() if state.get(name) != value}

    def __repr__(self):
        return f"alicloud_{self.kind} {self.id}"


def vpc(tf, **wanted):
    made = tf.vpc("CreateVpc", ClientToken=tf.token(), CidrBlock=wanted["cidr_block"], VpcName=wanted["vpc_name"], Description=wanted["description"])
    id = made["VpcId"]
    tf.until(lambda: tf.vpc("DescribeVpcAttribute", VpcId=id)["Status"] == "Available", id)
    tf.tag("vpc", "VPC", id, wanted["tags"])
    for range in wanted.get("secondary_cidr_blocks", []):
        tf.vpc("AssociateVpcCidrBlock", VpcId=id, SecondaryCidrBlock=range, IpVersion="IPV4")

    def read():
        raw = tf.vpc("DescribeVpcAttribute", VpcId=id)
        if not raw["VpcId"]:
            return None
        tables = tf.listed("vpc", "DescribeRouteTableList", "RouterTableList.RouterTableListType", VpcId=id)
        (system,) = [table for table in tables if table["RouteTableType"] == "System" and table["VpcId"] == id]
        return {
            "cidr_block": raw["CidrBlock"],
            "description": raw["Description"],
            "enable_ipv6": raw["EnabledIpv6"],
            "is_default": raw["IsDefault"],
            "router_id": raw["VRouterId"],
            "status": raw["Status"],
            "vpc_name": raw["VpcName"],
            "secondary_cidr_blocks": raw["SecondaryCidrBlocks"]["SecondaryCidrBlock"],
            "user_cidrs": raw["UserCidrs"]["UserCidr"],
            "tags": tag_map(raw["Tags"]["Tag"]),
            "route_table_id": system["RouteTableId"],
            "router": system["RouterId"],
        }

    return Resource("vpc", id, wanted, read, lambda: tf.vpc("DeleteVpc", ClientToken=tf.token(), VpcId=id))


def vswitch(tf, **wanted):
    made = tf.vpc(
        "CreateVSwitch",
        ClientToken=tf.token(),
        CidrBlock=wanted["cidr_block"],
        VpcId=wanted["vpc_id"],
        VSwitchName=wanted["vswitch_name"],
        Description=wanted["description"],
        ZoneId=wanted["zone_id"],
    )
    id = made["VSwitchId"]
    tf.until(lambda: tf.vpc("DescribeVSwitchAttributes", VSwitchId=id)["Status"] == "Available", id)
    tf.tag("vpc", "VSWITCH", id, wanted["tags"])

    def read():
        raw = tf.vpc("DescribeVSwitchAttributes", VSwitchId=id)
        return {
            "cidr_block": raw["CidrBlock"],
            "description": raw["Description"],
            "ipv6_cidr_block": raw["Ipv6CidrBlock"],
            "is_default": raw["IsDefault"],
            "status": raw["Status"],
            "vswitch_name": raw["VSwitchName"],
            "vpc_id": raw["VpcId"],
            "zone_id": raw["ZoneId"],
            "tags": tag_map(raw["Tags"]["Tag"]),
        }

    return Resource("vswitch", id, wanted, read, lambda: tf.vpc("DeleteVSwitch", VSwitchId=id))


def security_group(tf, **wanted):
    tags = [{"Key": key, "Value": value} for key, value in wanted["tags"].items()]
    made = tf.ecs(
        "CreateSecurityGroup",
        ClientToken=tf.token(),
        SecurityGroupType=wanted["security_group_type"],
        Description=wanted["description"],
        VpcId=wanted["vpc_id"],
        SecurityGroupName=wanted["security_group_name"],
        Tag=tags,
    )
    id = made["SecurityGroupId"]

    def read():
        found = tf.listed("ecs", "DescribeSecurityGroups", "SecurityGroups.SecurityGroup", SecurityGroupId=id)
        if not found:
            return None
        (raw,) = found
        attribute = tf.ecs("DescribeSecurityGroupAttribute", SecurityGroupId=id)
        return {
            "description": raw["Description"],
            "security_group_name": raw["SecurityGroupName"],
            "security_group_type": raw["SecurityGroupType"],
            "vpc_id": raw["VpcId"],
            "tags": tag_map(raw["Tags"]["Tag"]),
            "inner_access_policy": attribute["InnerAccessPolicy"],
        }

    def is_gone():
        # The card of an instance that was just released goes a moment after it: the provider tries again on this error.
        try:
            tf.ecs("DeleteSecurityGroup", SecurityGroupId=id)
        except Refused as refused:
            assert "DependencyViolation" in str(refused)
            return False
        return True

    return Resource("security_group", id, wanted, read, lambda: tf.until(is_gone, f"the end of {id}"))


def security_group_rule(tf, **wanted):
    is_in, group = wanted["type"] == "ingress", wanted["security_group_id"]
    end = "Source" if is_in else "Dest"
    permission = {
        "IpProtocol": wanted["ip_protocol"],
        "Policy": wanted["policy"],
        "Priority": wanted["priority"],
        "PortRange": wanted["port_range"],
        "NicType": wanted["nic_type"],
        "Description": wanted["description"],
    }
    if "cidr_ip" in wanted:
        permission[f"{end}CidrIp"] = other = wanted["cidr_ip"]
    else:
        permission[f"{end}GroupId"] = other = wanted["source_security_group_id"]
    tf.ecs("DescribeSecurityGroupAttribute", SecurityGroupId=group)
    tf.ecs("AuthorizeSecurityGroup" if is_in else "AuthorizeSecurityGroupEgress", SecurityGroupId=group, Permissions=[permission])

    def read():
        asked = {"SecurityGroupId": group, "Direction": wanted["type"], "NicType": wanted["nic_type"]}
        for rule in tf.listed("ecs", "DescribeSecurityGroupAttribute", "Permissions.Permission", **asked):
            found = rule[f"{end}CidrIp"] or rule[f"{end}GroupId"]
            same = rule["IpProtocol"].lower() == wanted["ip_protocol"] and rule["PortRange"] == wanted["port_range"]
            if same and found == other and rule["Policy"].lower() == wanted["policy"] and rule["Priority"] == str(wanted["priority"]):
                return {
                    "type": rule["Direction"],
                    "ip_protocol": rule["IpProtocol"].lower(),
                    "nic_type": rule["NicType"],
                    "policy": rule["Policy"].lower(),
                    "port_range": rule["PortRange"],
                    "description": rule["Description"],
                    "priority": int(rule["Priority"]),
                    "security_group_id": group,
                    "cidr_ip": rule[f"{end}CidrIp"],
                    "source_security_group_id": rule[f"{end}GroupId"],
                }
        return None

    def destroy():
        flat_rule = {name: value for name, value in permission.items()}
        tf.ecs("RevokeSecurityGroup" if is_in else "RevokeSecurityGroupEgress", SecurityGroupId=group, **flat_rule)

    return Resource("security_group_rule", f"{group}:{wanted['type']}:{other}", wanted, read, destroy)


def key_pair(tf, **wanted):
    made = tf.ecs("ImportKeyPair", KeyPairName=wanted["key_pair_name"], PublicKeyBody=wanted["public_key"])
    id = made["KeyPairName"]
    tf.tag("ecs", "keypair", id, wanted["tags"])
    kept = {name: value for name, value in wanted.items() if name != "public_key"}

    def read():
        found = tf.listed("ecs", "DescribeKeyPairs", "KeyPairs.KeyPair", KeyPairName=id)
        if not found:
            return None
        (raw,) = found
        assert raw["KeyPairFingerPrint"]
        return {"key_pair_name": raw["KeyPairName"], "tags": tag_map(raw["Tags"]["Tag"])}

    return Resource("ecs_key_pair", id, kept, read, lambda: tf.ecs("DeleteKeyPairs", KeyPairNames=json.dumps([id])))


def instance(tf, **wanted):
    request = {
        "InstanceType": wanted["instance_type"],
        "ImageId": wanted["image_id"],
        "ZoneId": wanted["availability_zone"],
        "SystemDisk.DiskName": wanted["system_disk_name"],
        "SystemDisk.Description": wanted["system_disk_description"],
        "SystemDisk.PerformanceLevel": wanted["system_disk_performance_level"],
        "SystemDisk.Category": wanted["system_disk_category"],
        "SystemDisk.Size": wanted["system_disk_size"],
        "InstanceName": wanted["instance_name"],
        "Description": wanted["description"],
        "InternetChargeType": wanted["internet_charge_type"],
        "InternetMaxBandwidthOut": wanted["internet_max_bandwidth_out"],
        "HostName": wanted["host_name"],
        "InstanceChargeType": wanted["instance_charge_type"],
        "SpotStrategy": wanted["spot_strategy"],
        "UserData": wanted["user_data"],
        "KeyPairName": wanted["key_name"],
        "DryRun": False,
        "DeletionProtection": wanted["deletion_protection"],
        "VSwitchId": wanted["vswitch_id"],
        "PrivateIpAddress": wanted["private_ip"],
        "SecurityGroupIds": wanted["security_groups"],
        "HttpTokens": wanted["http_tokens"],
        "HttpEndpoint": wanted["http_endpoint"],
        "Tag": [{"Key": key, "Value": value} for key, value in wanted["tags"].items()],
        "DataDisk": [
            {"DeleteWithInstance": True, "Encrypted": False, "Size": 20, "Category": "cloud_essd", "DiskName": "data", "Description": "of data", "PerformanceLevel": "PL0"}
        ],
    }
    id = tf.ecs("RunInstances", ClientToken=tf.token(), **request)["InstanceIdSets"]["InstanceIdSet"][0]
    ids = json.dumps([id])
    more = ["META_OPTIONS", "NETWORK_PRIMARY_ENI_IP", "LOGIN_AS_NON_ROOT", "DISK_HIGH_DENSITY_MODE"]

    def described(extra=()):
        return tf.listed("ecs", "DescribeInstances", "Instances.Instance", InstanceIds=ids, AdditionalAttributes=[*more, *extra])

    tf.until(lambda: [row["Status"] for row in described()] == ["Running"], id)

    def read():
        found = described()
        if not found:
            return None
        (raw,) = found
        (disk,) = tf.listed("ecs", "DescribeDisks", "Disks.Disk", InstanceId=id, DiskType="system")
        user_data = tf.ecs("DescribeUserData", InstanceId=id)["UserData"]
        roles = tf.listed("ecs", "DescribeInstanceRamRole", "InstanceRamRoleSets.InstanceRamRoleSet", InstanceIds=ids)
        secondary = None
        for nic in raw["NetworkInterfaces"]["NetworkInterface"]:
            (shown,) = tf.listed("ecs", "DescribeNetworkInterfaces", "NetworkInterfaceSets.NetworkInterfaceSet", NetworkInterfaceId=[nic["NetworkInterfaceId"]])
            if nic["Type"] == "Primary":
                secondary = [ip["PrivateIpAddress"] for ip in shown["PrivateIpSets"]["PrivateIpSet"] if not ip["Primary"]]
                assert shown["Ipv6Sets"]["Ipv6Set"] == []
        (maintenance,) = tf.listed("ecs", "DescribeInstanceMaintenanceAttributes", "MaintenanceAttributes.MaintenanceAttribute", InstanceId=[id])
        assert tf.ecs("DescribeInstanceAttribute", InstanceId=id)["InstanceId"] == id
        (pool,) = tf.listed("ecs", "DescribeInstanceAttachmentAttributes", "Instances.Instance", InstanceIds=ids)
        (again,) = described(["CPU_OPTIONS_TOPOLOGY_TYPE"])
        assert again["InstanceId"] == id
        return {
            "system_disk_category": disk["Category"],
            "system_disk_name": disk["DiskName"],
            "system_disk_description": disk["Description"],
            "system_disk_size": disk["Size"],
            "system_disk_encrypted": disk["Encrypted"],
            "system_disk_performance_level": disk["PerformanceLevel"],
            "instance_name": raw["InstanceName"],
            "description": raw["Description"],
            "status": raw["Status"],
            "availability_zone": raw["ZoneId"],
            "host_name": raw["HostName"],
            "image_id": raw["ImageId"],
            "instance_type": raw["InstanceType"],
            "internet_max_bandwidth_out": raw["InternetMaxBandwidthOut"],
            "instance_charge_type": raw["InstanceChargeType"],
            "key_name": raw["KeyPairName"],
            "spot_strategy": raw["SpotStrategy"],
            "internet_charge_type": raw["InternetChargeType"],
            "deletion_protection": raw["DeletionProtection"],
            "auto_release_time": raw["AutoReleaseTime"],
            "tags": tag_map(raw["Tags"]["Tag"]),
            "public_ips": len(raw["PublicIpAddress"]["IpAddress"]),
            "vswitch_id": raw["VpcAttributes"]["VSwitchId"],
            "http_tokens": raw["MetadataOptions"]["HttpTokens"],
            "http_endpoint": raw["MetadataOptions"]["HttpEndpoint"],
            "private_ip": raw["VpcAttributes"]["PrivateIpAddress"]["IpAddress"][0],
            "security_groups": raw["SecurityGroupIds"]["SecurityGroupId"],
            "user_data": user_data,
            "role_name": roles[0]["RamRoleName"] if roles else "",
            "secondary_private_ips": secondary,
            "maintenance_action": maintenance["ActionOnMaintenance"]["Value"],
            "maintenance_notify": maintenance["NotifyOnMaintenance"],
            "private_pool_options_match_criteria": pool["PrivatePoolOptionsMatchCriteria"],
        }

    def destroy():
        tf.ecs("DeleteInstance", InstanceId=id, Force=True)
        tf.until(lambda: not described(), f"the end of {id}")

    return Resource("instance", id, wanted, read, destroy)


def disk(tf, **wanted):
    made = tf.ecs(
        "CreateDisk",
        ClientToken=tf.token(),
        Description=wanted["description"],
        Encrypted=wanted["encrypted"],
        DiskCategory=wanted["category"],
        Size=wanted["size"],
        DiskName=wanted["disk_name"],
        PerformanceLevel=wanted["performance_level"],
        ZoneId=wanted["zone_id"],
        Tag=[{"Key": key, "Value": value} for key, value in wanted["tags"].items()],
    )
    id = made["DiskId"]

    def described():
        return tf.listed("ecs", "DescribeDisks", "Disks.Disk", DiskIds=json.dumps([id]))

    tf.until(lambda: [row["Status"] for row in described()] == ["Available"], id)
    if described()[0]["DeleteWithInstance"] != wanted["delete_with_instance"]:
        tf.ecs("ModifyDiskAttribute", DiskId=id, DeleteWithInstance=wanted["delete_with_instance"])

    def read():
        found = described()
        if not found:
            return None
        (raw,) = found
        return {
            "bursting_enabled": raw["BurstingEnabled"],
            "category": raw["Category"],
            "delete_auto_snapshot": raw["DeleteAutoSnapshot"],
            "delete_with_instance": raw["DeleteWithInstance"],
            "description": raw["Description"],
            "disk_name": raw["DiskName"],
            "enable_auto_snapshot": raw["EnableAutoSnapshot"],
            "encrypted": raw["Encrypted"],
            "instance_id": raw["InstanceId"],
            "payment_type": {"PostPaid": "PayAsYouGo"}[raw["DiskChargeType"]],
            "performance_level": raw["PerformanceLevel"],
            "size": raw["Size"],
            "snapshot_id": raw["SourceSnapshotId"],
            "status": raw["Status"],
            "zone_id": raw["ZoneId"],
            "tags": tag_map(raw["Tags"]["Tag"]),
        }

    return Resource("ecs_disk", id, wanted, read, lambda: tf.ecs("DeleteDisk", DiskId=id))


def disk_attachment(tf, **wanted):
    disk, instance = wanted["disk_id"], wanted["instance_id"]

    def described():
        (raw,) = tf.listed("ecs", "DescribeDisks", "Disks.Disk", DiskIds=json.dumps([disk]))
        return raw

    described()
    tf.ecs("AttachDisk", DiskId=disk, InstanceId=instance, DeleteWithInstance=wanted["delete_with_instance"])
    tf.until(lambda: described()["Status"] == "In_use", disk)

    def read():
        raw = described()
        if raw["InstanceId"] != instance and raw["Status"] != "In_use":
            return None
        return {"instance_id": raw["InstanceId"], "disk_id": raw["DiskId"], "device": raw["Device"], "delete_with_instance": raw["DeleteWithInstance"]}

    def destroy():
        tf.ecs("DetachDisk", DiskId=disk, InstanceId=instance)
        tf.until(lambda: described()["Status"] == "Available", disk)

    return Resource("ecs_disk_attachment", f"{disk}:{instance}", wanted, read, destroy)


def eip_address(tf, **wanted):
    made = tf.vpc(
        "AllocateEipAddress",
        {"InstanceId": ""},
        ClientToken=tf.token(),
        Bandwidth=wanted["bandwidth"],
        Description=wanted["description"],
        Name=wanted["address_name"],
        Netmode=wanted["netmode"],
        ISP=wanted["isp"],
        InstanceChargeType="PostPaid",
        InternetChargeType=wanted["internet_charge_type"],
    )
    id = made["AllocationId"]
    tf.tag("vpc", "EIP", id, wanted["tags"])
    if wanted.get("deletion_protection"):
        protect(tf, "EIP", id, True)

    def read():
        found = tf.listed("vpc", "DescribeEipAddresses", "EipAddresses.EipAddress", {"AllocationId": id})
        if not found:
            return None
        (raw,) = found
        return {
            "address_name": raw["Name"],
            "bandwidth": raw.get("EipBandwidth") or raw["Bandwidth"],
            # The name of the member in which VPC tells it.
            "description": raw["Descritpion"],
            "deletion_protection": raw["DeletionProtection"],
            "internet_charge_type": raw["InternetChargeType"],
            "ip_address": raw["IpAddress"],
            "isp": raw["ISP"],
            "netmode": raw["Netmode"],
            "payment_type": {"PostPaid": "PayAsYouGo"}[raw["ChargeType"]],
            "status": raw["Status"],
            "tags": tag_map(raw["Tags"]["Tag"]),
        }

    release = lambda: tf.vpc("ReleaseEipAddress", {"AllocationId": id})
    return Resource("eip_address", id, wanted, read, lambda: unprotected(tf, "EIP", id, wanted, release))


def eip_association(tf, **wanted):
    query = {"InstanceId": wanted["instance_id"], "AllocationId": wanted["allocation_id"]}
    tf.vpc("AssociateEipAddress", query, ClientToken=tf.token(), InstanceType=wanted["instance_type"])

    def read():
        found = tf.listed("vpc", "DescribeEipAddresses", "EipAddresses.EipAddress", {"AllocationId": wanted["allocation_id"]})
        for raw in found:
            if raw["InstanceId"] == wanted["instance_id"]:
                return {"instance_type": raw["InstanceType"], "instance_id": raw["InstanceId"], "allocation_id": raw["AllocationId"]}
        return None

    def destroy():
        tf.vpc("UnassociateEipAddress", query, ClientToken=tf.token(), InstanceType=wanted["instance_type"], Force=False)
        tf.until(lambda: read() is None, "the association")

    return Resource("eip_association", f"{wanted['allocation_id']}:{wanted['instance_id']}", wanted, read, destroy)


def image(tf, **wanted):
    made = tf.ecs(
        "CreateImage",
        ClientToken=tf.token(),
        Description=wanted["description"],
        Architecture=wanted["architecture"],
        ImageName=wanted["image_name"],
        ImageFamily=wanted["image_family"],
        InstanceId=wanted["instance_id"],
        Tag=[{"Key": key, "Value": value} for key, value in wanted["tags"].items()],
    )
    id = made["ImageId"]

    def described():
        return tf.listed("ecs", "DescribeImages", "Images.Image", {"ImageId": id, "Status": "ALL"})

    tf.until(lambda: [row["Usable"] for row in described()] == [True], id)
    tf.ecs("ModifyImageAttribute", {"ImageId": id}, Description=wanted["description"], ImageName=wanted["image_name"], ImageFamily=wanted["image_family"])
    kept = {name: value for name, value in wanted.items() if name != "instance_id"}

    def read():
        found = described()
        if not found:
            return None
        (raw,) = found
        (device,) = raw["DiskDeviceMappings"]["DiskDeviceMapping"][:1]
        assert device["SnapshotId"] and device["Type"] == "system" and int(device["Size"]) > 0
        return {
            "architecture": raw["Architecture"],
            "boot_mode": raw["BootMode"],
            "description": raw["Description"],
            "image_family": raw["ImageFamily"],
            "image_name": raw["ImageName"],
            "platform": raw["Platform"],
            "status": raw["Status"],
            "tags": tag_map(raw["Tags"]["Tag"]),
        }

    def destroy():
        snapshots = [device["SnapshotId"] for device in described()[0]["DiskDeviceMappings"]["DiskDeviceMapping"]]
        tf.ecs("DeleteImage", {"ImageId": id}, Force=False)
        tf.until(lambda: not described(), id)
        for snapshot in snapshots:
            tf.ecs("DeleteSnapshot", SnapshotId=snapshot, Force=True)

    return Resource("image", id, kept, read, destroy)


def launch_template(tf, **wanted):
    (switch,) = [tf.vpc("DescribeVSwitchAttributes", VSwitchId=wanted["vswitch_id"])]
    request = {
        "LaunchTemplateName": wanted["launch_template_name"],
        "Description": wanted["description"],
        "HostName": wanted["host_name"],
        "ImageId": wanted["image_id"],
        "InstanceChargeType": wanted["instance_charge_type"],
        "InstanceName": wanted["instance_name"],
        "InstanceType": wanted["instance_type"],
        "InternetChargeType": wanted["internet_charge_type"],
        "InternetMaxBandwidthOut": wanted["internet_max_bandwidth_out"],
        "IoOptimized": wanted["io_optimized"],
        "KeyPairName": wanted["key_pair_name"],
        "NetworkType": wanted["network_type"],
        "SecurityGroupId": wanted["security_group_id"],
        "SpotDuration": wanted["spot_duration"],
        "SpotStrategy": wanted["spot_strategy"],
        "SystemDisk": {
            "Category": "cloud_essd",
            "DeleteWithInstance": True,
            "Description": "of the system",
            "Iops": "",
            "DiskName": "system",
            "PerformanceLevel": "PL0",
            "Size": 40,
            "Encrypted": False,
            "KMSKeyId": "",
        },
        "DataDisk": [{"Category": "cloud_essd", "Description": "of data", "DiskName": "data", "PerformanceLevel": "PL1", "DeleteWithInstance": True, "Encrypted": "false", "Size": 20}],
        "Tag": [{"Key": "made", "Value": "by a template"}],
        "TemplateTag": [{"Key": key, "Value": value} for key, value in wanted["template_tags"].items()],
        "UserData": wanted["user_data"],
        "VersionDescription": wanted["version_description"],
        "VpcId": switch["VpcId"],
        "VSwitchId": wanted["vswitch_id"],
        "ZoneId": switch["ZoneId"],
        "HttpEndpoint": wanted["http_endpoint"],
        "HttpTokens": wanted["http_tokens"],
        "HttpPutResponseHopLimit": wanted["http_put_response_hop_limit"],
    }
    id = tf.ecs("CreateLaunchTemplate", **request)["LaunchTemplateId"]

    def read():
        found = tf.listed("ecs", "DescribeLaunchTemplates", "LaunchTemplateSets.LaunchTemplateSet", LaunchTemplateId=[id])
        if not found:
            return None
        (raw,) = found
        asked = {"LaunchTemplateId": id, "LaunchTemplateVersion": [raw["LatestVersionNumber"]]}
        (version,) = tf.listed("ecs", "DescribeLaunchTemplateVersions", "LaunchTemplateVersionSets.LaunchTemplateVersionSet", **asked)
        data = version["LaunchTemplateData"]
        assert data["NetworkInterfaces"]["NetworkInterface"] == []
        names = ("Category", "DeleteWithInstance", "Description", "Encrypted", "DiskName", "PerformanceLevel", "Size")
        plain = {
            "description": "Description",
            "host_name": "HostName",
            "image_id": "ImageId",
            "instance_charge_type": "InstanceChargeType",
            "instance_name": "InstanceName",
            "instance_type": "InstanceType",
            "internet_charge_type": "InternetChargeType",
            "internet_max_bandwidth_out": "InternetMaxBandwidthOut",
            "io_optimized": "IoOptimized",
            "key_pair_name": "KeyPairName",
            "network_type": "NetworkType",
            "security_group_id": "SecurityGroupId",
            "spot_strategy": "SpotStrategy",
            "user_data": "UserData",
            "vswitch_id": "VSwitchId",
            "vpc_id": "VpcId",
            "zone_id": "ZoneId",
            "http_endpoint": "HttpEndpoint",
            "http_tokens": "HttpTokens",
            "http_put_response_hop_limit": "HttpPutResponseHopLimit",
        }
        return {
            **{name: data.get(member) for name, member in plain.items()},
            "launch_template_name": raw["LaunchTemplateName"],
            "template_tags": tag_map(raw["Tags"]["Tag"]),
            "version_description": version["VersionDescription"],
            "spot_duration": str(data.get("SpotDuration", 0)),
            "system_disk": {name: data.get(f"SystemDisk.{name}") for name in names},
            "data_disks": [{name: disk.get(name) for name in names} for disk in data["DataDisks"]["DataDisk"]],
        }

    return Resource("ecs_launch_template", id, wanted, read, lambda: tf.ecs("DeleteLaunchTemplate", LaunchTemplateId=id))


def network_interface(tf, **wanted):
    made = tf.ecs(
        "CreateNetworkInterface",
        ClientToken=tf.token(),
        Description=wanted["description"],
        NetworkInterfaceName=wanted["network_interface_name"],
        PrimaryIpAddress=wanted["primary_ip_address"],
        PrivateIpAddress=wanted["private_ip_addresses"],
        SecurityGroupIds=wanted["security_group_ids"],
        VSwitchId=wanted["vswitch_id"],
        NetworkInterfaceTrafficMode=wanted["network_interface_traffic_mode"],
        Tag=[{"Key": key, "Value": value} for key, value in wanted["tags"].items()],
    )
    id = made["NetworkInterfaceId"]

    def described():
        return tf.listed("ecs", "DescribeNetworkInterfaces", "NetworkInterfaceSets.NetworkInterfaceSet", NetworkInterfaceId=[id])

    tf.until(lambda: [row["Status"] for row in described()] == ["Available"], id)

    def read():
        found = described()
        if not found:
            return None
        (raw,) = found
        assert raw["Ipv4PrefixSets"]["Ipv4PrefixSet"] == [] and raw["Ipv6Sets"]["Ipv6Set"] == []
        return {
            "description": raw["Description"],
            "mac": raw["MacAddress"],
            "network_interface_name": raw["NetworkInterfaceName"],
            "primary_ip_address": raw["PrivateIpAddress"],
            "private_ip_addresses": [ip["PrivateIpAddress"] for ip in raw["PrivateIpSets"]["PrivateIpSet"] if not ip["Primary"]],
            "queue_number": raw["QueueNumber"],
            "security_group_ids": raw["SecurityGroupIds"]["SecurityGroupId"],
            "tags": tf.tags_listed("ecs", "eni", id),
            "vswitch_id": raw["VSwitchId"],
            "instance_type": raw["Type"],
            "network_interface_traffic_mode": raw["NetworkInterfaceTrafficMode"],
        }

    return Resource("ecs_network_interface", id, wanted, read, lambda: tf.ecs("DeleteNetworkInterface", NetworkInterfaceId=id))


def network_interface_attachment(tf, **wanted):
    nic, instance = wanted["network_interface_id"], wanted["instance_id"]
    tf.ecs("AttachNetworkInterface", NetworkInterfaceId=nic, InstanceId=instance)

    def described():
        (raw,) = tf.listed("ecs", "DescribeNetworkInterfaces", "NetworkInterfaceSets.NetworkInterfaceSet", NetworkInterfaceId=[nic])
        return raw

    tf.until(lambda: described()["Status"] == "InUse", nic)

    def read():
        raw = described()
        return None if raw["Status"] == "Available" else {"network_interface_id": raw["NetworkInterfaceId"], "instance_id": raw["InstanceId"]}

    def destroy():
        tf.ecs("DetachNetworkInterface", NetworkInterfaceId=nic, InstanceId=instance)
        tf.until(lambda: described()["Status"] == "Available", nic)

    return Resource("ecs_network_interface_attachment", f"{nic}:{instance}", wanted, read, destroy)


def route_entry(tf, **wanted):
    table = wanted["route_table_id"]

    def tables():
        return tf.listed("vpc", "DescribeRouteTables", "RouteTables.RouteTable", RouteTableId=table)

    router = tables()[0]["VRouterId"]
    tf.vpc(
        "CreateRouteEntry",
        ClientToken=tf.token(),
        RouteTableId=table,
        DestinationCidrBlock=wanted["destination_cidrblock"],
        NextHopType=wanted["nexthop_type"],
        NextHopId=wanted["nexthop_id"],
        RouteEntryName=wanted["name"],
        Description=wanted["description"],
    )

    def read():
        for raw in tables():
            for entry in raw["RouteEntrys"]["RouteEntry"]:
                same = entry["DestinationCidrBlock"] == wanted["destination_cidrblock"] and entry["NextHopType"] == wanted["nexthop_type"]
                if same and entry["InstanceId"] == wanted["nexthop_id"]:
                    return {
                        "route_table_id": entry["RouteTableId"],
                        "destination_cidrblock": entry["DestinationCidrBlock"],
                        "nexthop_type": entry["NextHopType"],
                        "nexthop_id": entry["InstanceId"],
                        "name": entry["RouteEntryName"],
                        "description": entry["Description"],
                    }
        return None

    def destroy():
        tf.vpc("DeleteRouteEntry", RouteTableId=table, DestinationCidrBlock=wanted["destination_cidrblock"], NextHopId=wanted["nexthop_id"])
        tf.until(lambda: read() is None, "the route")

    id = f"{table}:{router}:{wanted['destination_cidrblock']}:{wanted['nexthop_type']}:{wanted['nexthop_id']}"
    return Resource("route_entry", id, wanted, read, destroy)


def nat_gateway(tf, **wanted):
    made = tf.vpc(
        "CreateNatGateway",
        ClientToken=tf.token(),
        Description=wanted["description"],
        InternetChargeType=wanted["internet_charge_type"],
        Name=wanted["nat_gateway_name"],
        NatType=wanted["nat_type"],
        InstanceChargeType="PostPaid",
        VSwitchId=wanted["vswitch_id"],
        NetworkType=wanted["network_type"],
        VpcId=wanted["vpc_id"],
        EipBindMode=wanted["eip_bind_mode"],
    )
    id = made["NatGatewayId"]

    def described():
        return tf.listed("vpc", "DescribeNatGateways", "NatGateways.NatGateway", NatGatewayId=id)

    tf.until(lambda: [row["Status"] for row in described()] == ["Available"], id)
    tf.tag("vpc", "NATGATEWAY", id, wanted["tags"])
    if wanted.get("deletion_protection"):
        protect(tf, "NATGW", id, True)

    def read():
        found = described()
        if not found:
            return None
        (raw,) = found
        return {
            "description": raw["Description"],
            "forward_table_ids": ",".join(raw["ForwardTableIds"]["ForwardTableId"]),
            "internet_charge_type": raw["InternetChargeType"],
            "nat_gateway_name": raw["Name"],
            "nat_type": raw["NatType"],
            "payment_type": {"PostPaid": "PayAsYouGo"}[raw["InstanceChargeType"]],
            "network_type": raw["NetworkType"],
            "eip_bind_mode": raw["EipBindMode"],
            "snat_table_ids": ",".join(raw["SnatTableIds"]["SnatTableId"]),
            "specification": raw["Spec"],
            "status": raw["Status"],
            "vswitch_id": raw["NatGatewayPrivateInfo"]["VswitchId"],
            "vpc_id": raw["VpcId"],
            "tags": tf.tags_listed("vpc", "NATGATEWAY", id),
            "deletion_protection": raw["DeletionProtection"],
            "icmp_reply_enabled": raw["IcmpReplyEnabled"],
            "private_link_enabled": raw["PrivateLinkEnabled"],
        }

    def destroy():
        unprotected(tf, "NATGW", id, wanted, lambda: tf.vpc("DeleteNatGateway", NatGatewayId=id))
        tf.until(lambda: not described(), id)

    return Resource("nat_gateway", id, wanted, read, destroy)


def snat_entry(tf, **wanted):
    table = wanted["snat_table_id"]
    made = tf.vpc(
        "CreateSnatEntry",
        ClientToken=tf.token(),
        SnatTableId=table,
        SnatIp=wanted["snat_ip"],
        SourceVSwitchId=wanted["source_vswitch_id"],
        SnatEntryName=wanted["snat_entry_name"],
    )
    id = made["SnatEntryId"]

    def described():
        return tf.listed("vpc", "DescribeSnatTableEntries", "SnatTableEntries.SnatTableEntry", SnatEntryId=id, SnatTableId=table)

    tf.until(lambda: [row["Status"] for row in described()] == ["Available"], id)

    def read():
        found = described()
        if not found:
            return None
        (raw,) = found
        return {
            "snat_entry_name": raw["SnatEntryName"],
            "snat_ip": raw["SnatIp"],
            "source_cidr": raw["SourceCIDR"],
            "source_vswitch_id": raw["SourceVSwitchId"],
            "status": raw["Status"],
            "snat_table_id": raw["SnatTableId"],
        }

    def destroy():
        tf.vpc("DeleteSnatEntry", ClientToken=tf.token(), SnatTableId=table, SnatEntryId=id)
        tf.until(lambda: read() is None, id)

    return Resource("snat_entry", f"{table}:{id}", wanted, read, destroy)


def forward_entry(tf, **wanted):
    table = wanted["forward_table_id"]
    made = tf.vpc(
        "CreateForwardEntry",
        ClientToken=tf.token(),
        ForwardTableId=table,
        InternalIp=wanted["internal_ip"],
        IpProtocol=wanted["ip_protocol"],
        ExternalIp=wanted["external_ip"],
        InternalPort=wanted["internal_port"],
        ForwardEntryName=wanted["forward_entry_name"],
        ExternalPort=wanted["external_port"],
    )
    id = made["ForwardEntryId"]

    def described():
        return tf.listed("vpc", "DescribeForwardTableEntries", "ForwardTableEntries.ForwardTableEntry", ForwardEntryId=id, ForwardTableId=table)

    tf.until(lambda: [row["Status"] for row in described()] == ["Available"], id)

    def read():
        found = described()
        if not found:
            return None
        (raw,) = found
        return {
            "external_ip": raw["ExternalIp"],
            "external_port": raw["ExternalPort"],
            "forward_entry_name": raw["ForwardEntryName"],
            "internal_ip": raw["InternalIp"],
            "internal_port": raw["InternalPort"],
            "ip_protocol": raw["IpProtocol"],
            "status": raw["Status"],
            "forward_table_id": raw["ForwardTableId"],
        }

    def destroy():
        tf.vpc("DeleteForwardEntry", ClientToken=tf.token(), ForwardTableId=table, ForwardEntryId=id)
        tf.until(lambda: read() is None, id)

    return Resource("forward_entry", f"{table}:{id}", wanted, read, destroy)


def common_bandwidth_package(tf, **wanted):
    made = tf.vpc(
        "CreateCommonBandwidthPackage",
        ClientToken=tf.token(),
        Description=wanted["description"],
        Bandwidth=wanted["bandwidth"],
        ISP=wanted["isp"],
        InternetChargeType=wanted["internet_charge_type"],
        Name=wanted["bandwidth_package_name"],
    )
    id = made["BandwidthPackageId"]

    def described():
        return tf.listed("vpc", "DescribeCommonBandwidthPackages", "CommonBandwidthPackages.CommonBandwidthPackage", BandwidthPackageId=id)

    tf.until(lambda: [row["Status"] for row in described()] == ["Available"], id)
    tf.tag("vpc", "COMMONBANDWIDTHPACKAGE", id, wanted["tags"])
    if wanted["deletion_protection"]:
        protect(tf, "CBWP", id, True)

    def read():
        found = described()
        if not found:
            return None
        (raw,) = found
        return {
            "bandwidth": raw["Bandwidth"],
            "bandwidth_package_name": raw["Name"],
            "deletion_protection": raw["DeletionProtection"],
            "description": raw["Description"],
            "internet_charge_type": raw["InternetChargeType"],
            "isp": raw["ISP"],
            "ratio": raw["Ratio"],
            "status": raw["Status"],
            "payment_type": {"PostPaid": "PayAsYouGo"}[raw["InstanceChargeType"]],
            "tags": tf.tags_listed("vpc", "COMMONBANDWIDTHPACKAGE", id),
        }

    def destroy():
        unprotected(tf, "CBWP", id, wanted, lambda: tf.vpc("DeleteCommonBandwidthPackage", BandwidthPackageId=id))
        tf.until(lambda: not described(), id)

    return Resource("common_bandwidth_package", id, wanted, read, destroy)


def common_bandwidth_package_attachment(tf, **wanted):
    package, address = wanted["bandwidth_package_id"], wanted["instance_id"]
    tf.vpc("AddCommonBandwidthPackageIp", ClientToken=tf.token(), BandwidthPackageId=package, IpInstanceId=address)

    def read():
        found = tf.listed("vpc", "DescribeCommonBandwidthPackages", "CommonBandwidthPackages.CommonBandwidthPackage", BandwidthPackageId=package)
        held = [ip for row in found for ip in row["PublicIpAddresses"]["PublicIpAddresse"] if ip["AllocationId"] == address]
        if not held:
            return None
        (eip,) = tf.listed("vpc", "DescribeEipAddresses", "EipAddresses.EipAddress", AllocationId=address)
        return {"bandwidth_package_id": eip["BandwidthPackageId"], "instance_id": eip["AllocationId"]}

    def destroy():
        tf.vpc("RemoveCommonBandwidthPackageIp", ClientToken=tf.token(), BandwidthPackageId=package, IpInstanceId=address)
        tf.until(lambda: read() is None, "the attachment")

    return Resource("common_bandwidth_package_attachment", f"{package}:{address}", wanted, read, destroy)
