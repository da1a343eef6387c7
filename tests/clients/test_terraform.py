"""The calls of Terraform's AWS provider in its order: what is read back is what was written, so that a second plan changes nothing.

Each class writes a resource, reads it and removes it by the calls that the provider makes for it (hashicorp/terraform-provider-aws,
internal/service/ec2). On simulated hosts.
"""

import base64
import time
import uuid

import pytest
from botocore.exceptions import ClientError

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGRmmjnsPtmNn3MPAz0lgtBoTqpH0x57mvLbMgVmjSLe"


def token():
    return f"terraform-{uuid.uuid4().hex[:26]}"


def tags_of(row):
    return {tag["Key"]: tag["Value"] for tag in row.get("Tags", []) if not tag["Key"].startswith("aws:")}


def tagged(kind, tags):
    return [{"ResourceType": kind, "Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}]


def only(rows):
    (row,) = rows
    return row


def until(look, is_there, seconds=60):
    end = time.time() + seconds
    while not is_there(found := look()):
        assert time.time() < end, found
        time.sleep(0.1)
    return found


def gone(code, call, **parameters):
    with pytest.raises(ClientError) as error:
        call(**parameters)
    return error.value.response["Error"]["Code"] == code


class Resource:
    """One resource: what is written, under the names of the provider's arguments."""

    def __init__(self, ec2, **written):
        self.ec2, self.written = ec2, written
        self.id = self.create(written)

    def check(self):
        """What is read has all that was written, and is the same when it is read again."""
        state = self.read()
        assert {name: state.get(name) for name in self.written} == self.written, type(self).__name__
        assert self.read() == state, type(self).__name__
        return state


class Vpc(Resource):
    def create(self, w):
        made = self.ec2.create_vpc(CidrBlock=w["cidr_block"], InstanceTenancy="default", TagSpecifications=tagged("vpc", w["tags"]))["Vpc"]
        id = made["VpcId"]
        until(lambda: self.ec2.describe_vpcs(VpcIds=[id])["Vpcs"][0]["State"], lambda state: state == "available")
        for argument, name in [("enable_dns_hostnames", "EnableDnsHostnames"), ("enable_dns_support", "EnableDnsSupport")]:
            self.ec2.modify_vpc_attribute(VpcId=id, **{name: {"Value": w[argument]}})
        return id

    def read(self):
        row = only(self.ec2.describe_vpcs(VpcIds=[self.id])["Vpcs"])
        flag = lambda name: self.ec2.describe_vpc_attribute(VpcId=self.id, Attribute=name)[name[0].upper() + name[1:]]["Value"]
        here = {"Name": "vpc-id", "Values": [self.id]}
        default = only(self.ec2.describe_network_acls(Filters=[{"Name": "default", "Values": ["true"]}, here])["NetworkAcls"])
        main = only(self.ec2.describe_route_tables(Filters=[{"Name": "association.main", "Values": ["true"]}, here])["RouteTables"])
        group = only(self.ec2.describe_security_groups(Filters=[{"Name": "group-name", "Values": ["default"]}, here])["SecurityGroups"])
        return {
            "cidr_block": row["CidrBlock"],
            "instance_tenancy": row["InstanceTenancy"],
            "dhcp_options_id": row["DhcpOptionsId"],
            "enable_dns_hostnames": flag("enableDnsHostnames"),
            "enable_dns_support": flag("enableDnsSupport"),
            "enable_network_address_usage_metrics": flag("enableNetworkAddressUsageMetrics"),
            "default_network_acl_id": default["NetworkAclId"],
            "main_route_table_id": main["RouteTableId"],
            "default_security_group_id": group["GroupId"],
            "ipv6": row.get("Ipv6CidrBlockAssociationSet", []),
            "tags": tags_of(row),
        }

    def delete(self):
        self.ec2.delete_vpc(VpcId=self.id)
        assert gone("InvalidVpcID.NotFound", self.ec2.describe_vpcs, VpcIds=[self.id])


class VpcRange(Resource):
    """`aws_vpc_ipv4_cidr_block_association`."""

    def create(self, w):
        made = self.ec2.associate_vpc_cidr_block(VpcId=w["vpc_id"], CidrBlock=w["cidr_block"])["CidrBlockAssociation"]
        return made["AssociationId"]

    def read(self):
        found = self.ec2.describe_vpcs(Filters=[{"Name": "cidr-block-association.association-id", "Values": [self.id]}])["Vpcs"]
        (row,) = found
        (tie,) = [tie for tie in row["CidrBlockAssociationSet"] if tie["AssociationId"] == self.id]
        assert tie["CidrBlockState"]["State"] == "associated"
        return {"vpc_id": row["VpcId"], "cidr_block": tie["CidrBlock"]}

    def delete(self):
        self.ec2.disassociate_vpc_cidr_block(AssociationId=self.id)
        assert gone("InvalidVpcCidrBlockAssociationID.NotFound", self.ec2.disassociate_vpc_cidr_block, AssociationId=self.id)


class Subnet(Resource):
    def create(self, w):
        made = self.ec2.create_subnet(
            VpcId=w["vpc_id"], CidrBlock=w["cidr_block"], AvailabilityZone=w["availability_zone"], TagSpecifications=tagged("subnet", w["tags"])
        )["Subnet"]
        if w["map_public_ip_on_launch"]:
            self.ec2.modify_subnet_attribute(SubnetId=made["SubnetId"], MapPublicIpOnLaunch={"Value": True})
        return made["SubnetId"]

    def read(self):
        row = only(self.ec2.describe_subnets(SubnetIds=[self.id])["Subnets"])
        return {
            "vpc_id": row["VpcId"],
            "cidr_block": row["CidrBlock"],
            "availability_zone": row["AvailabilityZone"],
            "availability_zone_id": row["AvailabilityZoneId"],
            "assign_ipv6_address_on_creation": row["AssignIpv6AddressOnCreation"],
            "enable_dns64": row["EnableDns64"],
            "ipv6_native": row["Ipv6Native"],
            "map_public_ip_on_launch": row["MapPublicIpOnLaunch"],
            "arn": row["SubnetArn"],
            "owner_id": row["OwnerId"],
            "tags": tags_of(row),
        }

    def delete(self):
        self.ec2.delete_subnet(SubnetId=self.id)
        assert gone("InvalidSubnetID.NotFound", self.ec2.describe_subnets, SubnetIds=[self.id])


class InternetGateway(Resource):
    def create(self, w):
        id = self.ec2.create_internet_gateway(TagSpecifications=tagged("internet-gateway", w["tags"]))["InternetGateway"]["InternetGatewayId"]
        self.ec2.attach_internet_gateway(InternetGatewayId=id, VpcId=w["vpc_id"])
        return id

    def read(self):
        row = only(self.ec2.describe_internet_gateways(InternetGatewayIds=[self.id])["InternetGateways"])
        tie = only(row["Attachments"])
        assert tie["State"] == "available"
        return {"vpc_id": tie["VpcId"], "owner_id": row["OwnerId"], "tags": tags_of(row)}

    def delete(self):
        self.ec2.detach_internet_gateway(InternetGatewayId=self.id, VpcId=self.written["vpc_id"])
        self.ec2.delete_internet_gateway(InternetGatewayId=self.id)


class SecurityGroup(Resource):
    def create(self, w):
        made = self.ec2.create_security_group(
            GroupName=w["name"], Description=w["description"], VpcId=w["vpc_id"], TagSpecifications=tagged("security-group", w["tags"])
        )
        id = made["GroupId"]
        everywhere = {"IpProtocol": "-1", "FromPort": 0, "ToPort": 0}
        self.ec2.revoke_security_group_egress(GroupId=id, IpPermissions=[{**everywhere, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}])
        with pytest.raises(ClientError, match="InvalidPermission.NotFound"):
            self.ec2.revoke_security_group_egress(GroupId=id, IpPermissions=[{**everywhere, "Ipv6Ranges": [{"CidrIpv6": "::/0"}]}])
        for rules, authorize in [
            (w["ingress"], self.ec2.authorize_security_group_ingress),
            (w["egress"], self.ec2.authorize_security_group_egress),
        ]:
            permissions = [
                {"IpProtocol": protocol, "FromPort": first, "ToPort": last, "IpRanges": [{"CidrIp": cidr, "Description": words}]}
                for protocol, first, last, cidr, words in rules
            ]
            authorize(GroupId=id, IpPermissions=permissions)
        return id

    def read(self):
        row = only(self.ec2.describe_security_groups(GroupIds=[self.id])["SecurityGroups"])

        def rules(permissions):
            return [
                (one["IpProtocol"], one.get("FromPort", 0), one.get("ToPort", 0), peer["CidrIp"], peer.get("Description", ""))
                for one in permissions
                for peer in one["IpRanges"]
            ]

        return {
            "name": row["GroupName"],
            "description": row["Description"],
            "vpc_id": row["VpcId"],
            "ingress": rules(row["IpPermissions"]),
            "egress": rules(row["IpPermissionsEgress"]),
            "owner_id": row["OwnerId"],
            "tags": tags_of(row),
        }

    def delete(self):
        lambdas = [{"Name": "group-id", "Values": [self.id]}, {"Name": "description", "Values": ["AWS Lambda VPC ENI*"]}]
        assert self.ec2.describe_network_interfaces(Filters=lambdas)["NetworkInterfaces"] == []
        self.ec2.delete_security_group(GroupId=self.id)
        assert gone("InvalidGroup.NotFound", self.ec2.describe_security_groups, GroupIds=[self.id])


class IngressRule(Resource):
    def create(self, w):
        permission = {"IpProtocol": w["ip_protocol"], "FromPort": w["from_port"], "ToPort": w["to_port"]}
        if "cidr_ipv4" in w:
            permission["IpRanges"] = [{"CidrIp": w["cidr_ipv4"], "Description": w["description"]}]
        else:
            permission["UserIdGroupPairs"] = [{"GroupId": w["referenced_security_group_id"], "Description": w["description"]}]
        made = self.ec2.authorize_security_group_ingress(GroupId=w["security_group_id"], IpPermissions=[permission])
        id = only(made["SecurityGroupRules"])["SecurityGroupRuleId"]
        self.ec2.create_tags(Resources=[id], Tags=[{"Key": key, "Value": value} for key, value in w["tags"].items()])
        return id

    def read(self):
        row = only(self.ec2.describe_security_group_rules(SecurityGroupRuleIds=[self.id])["SecurityGroupRules"])
        assert not row["IsEgress"]
        state = {
            "ip_protocol": row["IpProtocol"],
            "from_port": row["FromPort"],
            "to_port": row["ToPort"],
            "description": row["Description"],
            "security_group_id": row["GroupId"],
            "cidr_ipv4": row.get("CidrIpv4"),
            "referenced_security_group_id": row.get("ReferencedGroupInfo", {}).get("GroupId"),
            "arn": row["SecurityGroupRuleArn"],
            "tags": tags_of(row),
        }
        return {name: value for name, value in state.items() if value is not None}

    def delete(self):
        self.ec2.revoke_security_group_ingress(GroupId=self.written["security_group_id"], SecurityGroupRuleIds=[self.id])
        assert gone("InvalidSecurityGroupRuleId.NotFound", self.ec2.describe_security_group_rules, SecurityGroupRuleIds=[self.id])


class KeyPair(Resource):
    def create(self, w):
        self.ec2.import_key_pair(
            KeyName=w["key_name"], PublicKeyMaterial=w["public_key"].encode(), TagSpecifications=tagged("key-pair", w["tags"])
        )
        return w["key_name"]

    def read(self):
        row = only(self.ec2.describe_key_pairs(KeyNames=[self.id], IncludePublicKey=True)["KeyPairs"])
        return {
            "key_name": row["KeyName"],
            "public_key": " ".join(row["PublicKey"].split()[:2]),
            "key_type": row["KeyType"],
            "key_pair_id": row["KeyPairId"],
            "fingerprint": row["KeyFingerprint"],
            "tags": tags_of(row),
        }

    def delete(self):
        self.ec2.delete_key_pair(KeyName=self.id)
        assert gone("InvalidKeyPair.NotFound", self.ec2.describe_key_pairs, KeyNames=[self.id])


class NetworkInterface(Resource):
    def create(self, w):
        made = self.ec2.create_network_interface(
            ClientToken=token(),
            SubnetId=w["subnet_id"],
            Description=w["description"],
            Groups=w["security_groups"],
            PrivateIpAddresses=[{"PrivateIpAddress": ip, "Primary": place == 0} for place, ip in enumerate(w["private_ip_list"])],
            TagSpecifications=tagged("network-interface", w["tags"]),
        )["NetworkInterface"]
        id = made["NetworkInterfaceId"]
        look = lambda: self.ec2.describe_network_interfaces(NetworkInterfaceIds=[id])["NetworkInterfaces"][0]["Status"]
        until(look, lambda status: status == "available")
        if not w["source_dest_check"]:
            self.ec2.modify_network_interface_attribute(NetworkInterfaceId=id, SourceDestCheck={"Value": False})
        return id

    def read(self):
        row = only(self.ec2.describe_network_interfaces(NetworkInterfaceIds=[self.id])["NetworkInterfaces"])
        return {
            "subnet_id": row["SubnetId"],
            "description": row["Description"],
            "security_groups": [group["GroupId"] for group in row["Groups"]],
            "private_ip": row["PrivateIpAddress"],
            "private_ip_list": [one["PrivateIpAddress"] for one in row["PrivateIpAddresses"]],
            "source_dest_check": row["SourceDestCheck"],
            "interface_type": row["InterfaceType"],
            "mac_address": row["MacAddress"],
            "owner_id": row["OwnerId"],
            "private_dns_name": row["PrivateDnsName"],
            "tags": tags_of({"Tags": row["TagSet"]}),
        }

    def delete(self):
        self.ec2.delete_network_interface(NetworkInterfaceId=self.id)
        assert gone("InvalidNetworkInterfaceID.NotFound", self.ec2.describe_network_interfaces, NetworkInterfaceIds=[self.id])


class Instance(Resource):
    def create(self, w):
        root = only(self.ec2.describe_images(ImageIds=[w["ami"]])["Images"])["RootDeviceName"]
        disk = {**w["root_block_device"]}
        disk = {"VolumeSize": disk["volume_size"], "VolumeType": disk["volume_type"], "DeleteOnTermination": disk["delete_on_termination"]}
        made = self.ec2.run_instances(
            ClientToken=token(),
            MinCount=1,
            MaxCount=1,
            ImageId=w["ami"],
            InstanceType=w["instance_type"],
            KeyName=w["key_name"],
            BlockDeviceMappings=[{"DeviceName": root, "Ebs": disk}],
            DisableApiTermination=False,
            DisableApiStop=False,
            EbsOptimized=w["ebs_optimized"],
            InstanceInitiatedShutdownBehavior=w["instance_initiated_shutdown_behavior"],
            MetadataOptions={
                "HttpEndpoint": "enabled",
                "HttpTokens": w["metadata_options"]["http_tokens"],
                "HttpPutResponseHopLimit": w["metadata_options"]["http_put_response_hop_limit"],
                "InstanceMetadataTags": "disabled",
            },
            Monitoring={"Enabled": w["monitoring"]},
            Placement={"AvailabilityZone": w["availability_zone"]},
            NetworkInterfaces=[{"DeviceIndex": 0, "AssociatePublicIpAddress": False, "SubnetId": w["subnet_id"], "Groups": w["vpc_security_group_ids"]}],
            UserData=w["user_data"],
            TagSpecifications=tagged("instance", w["tags"]),
        )["Instances"]
        id = only(made)["InstanceId"]
        until(lambda: self.row(id)["State"]["Name"], lambda state: state == "running")
        return id

    def row(self, id):
        return only(only(self.ec2.describe_instances(InstanceIds=[id])["Reservations"])["Instances"])

    def attribute(self, name):
        found = self.ec2.describe_instance_attribute(InstanceId=self.id, Attribute=name)
        return found[name[0].upper() + name[1:]].get("Value")

    def read(self):
        row = self.row(self.id)
        kind = only(self.ec2.describe_instance_types(InstanceTypes=[row["InstanceType"]])["InstanceTypes"])
        assert kind["BurstablePerformanceSupported"]
        credit = only(self.ec2.describe_instance_credit_specifications(InstanceIds=[self.id])["InstanceCreditSpecifications"])
        primary = only(nic for nic in row["NetworkInterfaces"] if nic["Attachment"]["DeviceIndex"] == 0)
        template = self.ec2.describe_tags(
            Filters=[{"Name": "resource-id", "Values": [self.id]}, {"Name": "key", "Values": ["aws:ec2launchtemplate:id"]}]
        )["Tags"]
        root = only(disk for disk in row["BlockDeviceMappings"] if disk["DeviceName"] == row["RootDeviceName"])
        volume = only(self.ec2.describe_volumes(VolumeIds=[root["Ebs"]["VolumeId"]])["Volumes"])
        options = row["MetadataOptions"]
        return {
            "ami": row["ImageId"],
            "instance_type": row["InstanceType"],
            "key_name": row["KeyName"],
            "availability_zone": row["Placement"]["AvailabilityZone"],
            "tenancy": row["Placement"]["Tenancy"],
            "subnet_id": primary["SubnetId"],
            "source_dest_check": row["SourceDestCheck"],
            "private_ip": row["PrivateIpAddress"],
            "private_dns": row["PrivateDnsName"],
            "associate_public_ip_address": "Association" in primary,
            "vpc_security_group_ids": [group["GroupId"] for group in row["SecurityGroups"]],
            "monitoring": row["Monitoring"]["State"] in ("enabled", "pending"),
            "ebs_optimized": row["EbsOptimized"],
            "cpu_options": row["CpuOptions"],
            "hibernation": row["HibernationOptions"]["Configured"],
            "enclave_options": row["EnclaveOptions"]["Enabled"],
            "capacity_reservation_specification": row["CapacityReservationSpecification"],
            "metadata_options": {
                "http_tokens": options["HttpTokens"],
                "http_put_response_hop_limit": options["HttpPutResponseHopLimit"],
            },
            "metadata_options_usual": (options["HttpEndpoint"], options["InstanceMetadataTags"]),
            "launch_template": [tag["Value"] for tag in template],
            "credit_specification": credit["CpuCredits"],
            "instance_initiated_shutdown_behavior": self.attribute("instanceInitiatedShutdownBehavior"),
            "disable_api_stop": self.attribute("disableApiStop"),
            "disable_api_termination": self.attribute("disableApiTermination"),
            "user_data": base64.b64decode(self.attribute("userData") or "").decode(),
            "root_block_device": {
                "volume_size": volume["Size"],
                "volume_type": volume["VolumeType"],
                "delete_on_termination": root["Ebs"]["DeleteOnTermination"],
            },
            "password_data": self.ec2.get_password_data(InstanceId=self.id)["PasswordData"],
            "tags": tags_of(row),
        }

    def update(self):
        """Changes in place what the provider changes in place."""
        self.ec2.modify_instance_attribute(InstanceId=self.id, DisableApiTermination={"Value": True})
        self.ec2.modify_instance_attribute(InstanceId=self.id, InstanceInitiatedShutdownBehavior={"Value": "terminate"})
        self.ec2.monitor_instances(InstanceIds=[self.id])
        self.ec2.modify_instance_metadata_options(InstanceId=self.id, HttpEndpoint="enabled", HttpTokens="optional", HttpPutResponseHopLimit=1)
        self.ec2.modify_network_interface_attribute(
            NetworkInterfaceId=self.row(self.id)["NetworkInterfaces"][0]["NetworkInterfaceId"], SourceDestCheck={"Value": False}
        )
        self.written.update(
            disable_api_termination=True,
            instance_initiated_shutdown_behavior="terminate",
            monitoring=True,
            metadata_options={"http_tokens": "optional", "http_put_response_hop_limit": 1},
            source_dest_check=False,
        )

    def delete(self):
        self.ec2.modify_instance_attribute(InstanceId=self.id, DisableApiTermination={"Value": False})
        self.ec2.modify_instance_attribute(InstanceId=self.id, DisableApiStop={"Value": False})
        self.ec2.terminate_instances(InstanceIds=[self.id])
        until(lambda: self.row(self.id)["State"]["Name"], lambda state: state == "terminated")


class Volume(Resource):
    def create(self, w):
        made = self.ec2.create_volume(
            ClientToken=token(),
            AvailabilityZone=w["availability_zone"],
            Size=w["size"],
            VolumeType=w["type"],
            Iops=w["iops"],
            Throughput=w["throughput"],
            Encrypted=w["encrypted"],
            TagSpecifications=tagged("volume", w["tags"]),
        )
        until(lambda: self.ec2.describe_volumes(VolumeIds=[made["VolumeId"]])["Volumes"][0]["State"], lambda state: state == "available")
        return made["VolumeId"]

    def read(self):
        row = only(self.ec2.describe_volumes(VolumeIds=[self.id])["Volumes"])
        return {
            "availability_zone": row["AvailabilityZone"],
            "size": row["Size"],
            "type": row["VolumeType"],
            "iops": row["Iops"],
            "throughput": row["Throughput"],
            "encrypted": row["Encrypted"],
            "kms_key_id": row.get("KmsKeyId"),
            "multi_attach_enabled": row["MultiAttachEnabled"],
            "snapshot_id": row["SnapshotId"],
            "create_time": row["CreateTime"],
            "tags": tags_of(row),
        }

    def delete(self):
        self.ec2.delete_volume(VolumeId=self.id)
        look = lambda: self.ec2.describe_volumes(Filters=[{"Name": "volume-id", "Values": [self.id]}])["Volumes"]
        until(look, lambda rows: rows == [])


class VolumeAttachment(Resource):
    def tie(self, w):
        names = [("attachment.device", w["device_name"]), ("attachment.instance-id", w["instance_id"])]
        filters = [{"Name": name, "Values": [value]} for name, value in names]
        return self.ec2.describe_volumes(VolumeIds=[w["volume_id"]], Filters=filters)["Volumes"]

    def create(self, w):
        assert self.tie(w) == []
        self.ec2.attach_volume(Device=w["device_name"], InstanceId=w["instance_id"], VolumeId=w["volume_id"])
        until(lambda: self.tie(w), lambda rows: rows and rows[0]["Attachments"][0]["State"] == "attached")
        return w["volume_id"]

    def read(self):
        tie = only(only(self.tie(self.written))["Attachments"])
        return {"device_name": tie["Device"], "instance_id": tie["InstanceId"], "volume_id": tie["VolumeId"]}

    def delete(self):
        self.ec2.detach_volume(Device=self.written["device_name"], InstanceId=self.written["instance_id"], VolumeId=self.id)
        until(lambda: self.tie(self.written), lambda rows: rows == [])


class Eip(Resource):
    def create(self, w):
        made = self.ec2.allocate_address(Domain=w["domain"], TagSpecifications=tagged("elastic-ip", w["tags"]))
        id = made["AllocationId"]
        if w.get("instance"):
            tie = self.ec2.associate_address(AllocationId=id, InstanceId=w["instance"])["AssociationId"]
            only(self.ec2.describe_addresses(Filters=[{"Name": "association-id", "Values": [tie]}])["Addresses"])
        return id

    def read(self):
        row = only(self.ec2.describe_addresses(AllocationIds=[self.id])["Addresses"])
        attribute = self.ec2.describe_addresses_attribute(AllocationIds=[self.id], Attribute="domain-name")["Addresses"]
        return {
            "domain": row["Domain"],
            "instance": row.get("InstanceId", ""),
            "association_id": row.get("AssociationId", ""),
            "network_interface": row.get("NetworkInterfaceId", ""),
            "network_border_group": row["NetworkBorderGroup"],
            "public_ip": row["PublicIp"],
            "public_ipv4_pool": row["PublicIpv4Pool"],
            "ptr_record": [one.get("PtrRecord") for one in attribute],
            "tags": tags_of(row),
        }

    def delete(self):
        state = self.read()
        if state["association_id"]:
            self.ec2.disassociate_address(AssociationId=state["association_id"])
        self.ec2.release_address(AllocationId=self.id, NetworkBorderGroup=state["network_border_group"])
        assert gone("InvalidAllocationID.NotFound", self.ec2.describe_addresses, AllocationIds=[self.id])


class NatGateway(Resource):
    def create(self, w):
        id = self.ec2.create_nat_gateway(
            ClientToken=token(),
            AllocationId=w["allocation_id"],
            SubnetId=w["subnet_id"],
            ConnectivityType=w["connectivity_type"],
            TagSpecifications=tagged("natgateway", w["tags"]),
        )["NatGateway"]["NatGatewayId"]
        look = lambda: self.ec2.describe_nat_gateways(NatGatewayIds=[id])["NatGateways"][0]["State"]
        until(look, lambda state: state == "available")
        return id

    def read(self):
        row = only(self.ec2.describe_nat_gateways(NatGatewayIds=[self.id])["NatGateways"])
        primary = only(one for one in row["NatGatewayAddresses"] if one["IsPrimary"])
        return {
            "allocation_id": primary["AllocationId"],
            "association_id": primary["AssociationId"],
            "network_interface_id": primary["NetworkInterfaceId"],
            "private_ip": primary["PrivateIp"],
            "public_ip": primary["PublicIp"],
            "subnet_id": row["SubnetId"],
            "connectivity_type": row["ConnectivityType"],
            "tags": tags_of(row),
        }

    def delete(self):
        self.ec2.delete_nat_gateway(NatGatewayId=self.id)

        def state():
            try:
                return self.ec2.describe_nat_gateways(NatGatewayIds=[self.id])["NatGateways"][0]["State"]
            except ClientError as error:
                return error.response["Error"]["Code"]

        until(state, lambda state: state in ("deleted", "NatGatewayNotFound"))


class RouteTable(Resource):
    def create(self, w):
        made = self.ec2.create_route_table(VpcId=w["vpc_id"], ClientToken=token(), TagSpecifications=tagged("route-table", w["tags"]))
        id = made["RouteTable"]["RouteTableId"]
        for cidr, argument, target in w["route"]:
            name = {"gateway_id": "GatewayId", "nat_gateway_id": "NatGatewayId", "network_interface_id": "NetworkInterfaceId"}[argument]
            self.ec2.create_route(RouteTableId=id, DestinationCidrBlock=cidr, **{name: target})
        return id

    def read(self):
        row = only(self.ec2.describe_route_tables(RouteTableIds=[self.id])["RouteTables"])
        routes = []
        for route in row["Routes"]:
            assert route["State"] == "active", route
            if route.get("GatewayId") == "local" or route["Origin"] == "EnableVgwRoutePropagation":
                continue
            for argument, name in [("gateway_id", "GatewayId"), ("nat_gateway_id", "NatGatewayId"), ("network_interface_id", "NetworkInterfaceId")]:
                if name in route:
                    routes.append((route["DestinationCidrBlock"], argument, route[name]))
        return {"vpc_id": row["VpcId"], "route": sorted(routes), "propagating_vgws": row["PropagatingVgws"], "tags": tags_of(row)}

    def delete(self):
        self.ec2.delete_route_table(RouteTableId=self.id)
        assert gone("InvalidRouteTableID.NotFound", self.ec2.describe_route_tables, RouteTableIds=[self.id])


class RouteTableAssociation(Resource):
    def create(self, w):
        return self.ec2.associate_route_table(RouteTableId=w["route_table_id"], SubnetId=w["subnet_id"])["AssociationId"]

    def read(self):
        here = [{"Name": "association.route-table-association-id", "Values": [self.id]}]
        row = only(self.ec2.describe_route_tables(Filters=here)["RouteTables"])
        tie = only(tie for tie in row["Associations"] if tie["RouteTableAssociationId"] == self.id)
        assert tie["AssociationState"]["State"] == "associated" and not tie["Main"]
        return {"route_table_id": tie["RouteTableId"], "subnet_id": tie["SubnetId"]}

    def delete(self):
        self.ec2.disassociate_route_table(AssociationId=self.id)


class LaunchTemplate(Resource):
    def data(self, w):
        return {
            "ImageId": w["image_id"],
            "InstanceType": w["instance_type"],
            "KeyName": w["key_name"],
            "EbsOptimized": w["ebs_optimized"],
            "InstanceInitiatedShutdownBehavior": "terminate",
            "MetadataOptions": {"HttpTokens": "required", "HttpEndpoint": "enabled", "HttpPutResponseHopLimit": 2},
            "BlockDeviceMappings": [{"DeviceName": "/dev/sdf", "Ebs": {"VolumeSize": 9, "VolumeType": "gp3", "DeleteOnTermination": True}}],
            "NetworkInterfaces": [{"DeviceIndex": 0, "SubnetId": w["subnet_id"], "Groups": w["security_groups"], "DeleteOnTermination": True}],
            "TagSpecifications": tagged("instance", w["tags"]),
            "UserData": base64.b64encode(w["user_data"].encode()).decode(),
            "Monitoring": {"Enabled": True},
        }

    def create(self, w):
        made = self.ec2.create_launch_template(
            ClientToken=token(),
            LaunchTemplateName=w["name"],
            VersionDescription=w["description"],
            LaunchTemplateData=self.data(w),
            TagSpecifications=tagged("launch-template", w["tags"]),
        )["LaunchTemplate"]
        return made["LaunchTemplateId"]

    def read(self):
        row = only(self.ec2.describe_launch_templates(LaunchTemplateIds=[self.id])["LaunchTemplates"])
        latest = str(row["LatestVersionNumber"])
        version = only(self.ec2.describe_launch_template_versions(LaunchTemplateId=self.id, Versions=[latest])["LaunchTemplateVersions"])
        data = version["LaunchTemplateData"]
        data["MetadataOptions"].pop("State")
        asked = self.data(self.written)
        assert {name: data.get(name) for name in asked} == asked
        return {
            "name": row["LaunchTemplateName"],
            "description": version["VersionDescription"],
            "default_version": row["DefaultVersionNumber"],
            "latest_version": row["LatestVersionNumber"],
            "image_id": data["ImageId"],
            "instance_type": data["InstanceType"],
            "key_name": data["KeyName"],
            "ebs_optimized": data["EbsOptimized"],
            "subnet_id": data["NetworkInterfaces"][0]["SubnetId"],
            "security_groups": data["NetworkInterfaces"][0]["Groups"],
            "user_data": base64.b64decode(data["UserData"]).decode(),
            "tags": tags_of(row),
        }

    def delete(self):
        self.ec2.delete_launch_template(LaunchTemplateId=self.id)
        assert gone("InvalidLaunchTemplateId.NotFound", self.ec2.describe_launch_templates, LaunchTemplateIds=[self.id])


class AmiFromInstance(Resource):
    def create(self, w):
        id = self.ec2.create_image(
            Name=w["name"],
            Description=w["description"],
            InstanceId=w["source_instance_id"],
            NoReboot=True,
            TagSpecifications=tagged("image", w["tags"]) + tagged("snapshot", w["tags"]),
        )["ImageId"]
        until(lambda: self.ec2.describe_images(ImageIds=[id])["Images"][0]["State"], lambda state: state == "available", 120)
        return id

    def read(self):
        row = only(self.ec2.describe_images(ImageIds=[self.id])["Images"])
        return {
            "name": row["Name"],
            "description": row["Description"],
            "source_instance_id": row["SourceInstanceId"],
            "architecture": row["Architecture"],
            "root_device_name": row["RootDeviceName"],
            "virtualization_type": row["VirtualizationType"],
            "ena_support": row["EnaSupport"],
            "image_location": row["ImageLocation"],
            "block_devices": [(disk["DeviceName"], disk["Ebs"]["SnapshotId"], disk["Ebs"]["VolumeSize"]) for disk in row["BlockDeviceMappings"]],
            "tags": tags_of(row),
        }

    def delete(self):
        snapshots = [snapshot for _, snapshot, _ in self.read()["block_devices"]]
        self.ec2.deregister_image(ImageId=self.id)
        for snapshot in snapshots:
            self.ec2.delete_snapshot(SnapshotId=snapshot)


def test_what_terraform_reads_is_what_it_wrote(simulated):
    key, secret, _ = simulated.account("terraform-aws")
    ec2 = simulated.client("ec2", key, secret)
    tags = {"Name": "plan", "env": "test"}
    zone = ec2.describe_availability_zones(Filters=[{"Name": "opt-in-status", "Values": ["opt-in-not-required"]}])["AvailabilityZones"][0]["ZoneName"]
    ami = ec2.describe_images(Owners=["self", "amazon"], Filters=[{"Name": "name", "Values": ["pileus-linux*"]}])["Images"][0]["ImageId"]
    made = []

    def apply(kind, **written):
        made.append(kind(ec2, **written, tags=tags) if kind not in (VolumeAttachment, RouteTableAssociation, VpcRange) else kind(ec2, **written))
        made[-1].check()
        return made[-1]

    vpc = apply(Vpc, cidr_block="10.77.0.0/16", enable_dns_hostnames=True, enable_dns_support=True)
    gateway = apply(InternetGateway, vpc_id=vpc.id)
    further = apply(VpcRange, vpc_id=vpc.id, cidr_block="10.78.0.0/20")
    apply(Subnet, vpc_id=vpc.id, cidr_block="10.78.1.0/24", availability_zone=zone, map_public_ip_on_launch=False)
    assert gone("InvalidCidrBlock.InUse", ec2.disassociate_vpc_cidr_block, AssociationId=further.id)
    subnet = apply(Subnet, vpc_id=vpc.id, cidr_block="10.77.1.0/24", availability_zone=zone, map_public_ip_on_launch=True)
    inner = apply(Subnet, vpc_id=vpc.id, cidr_block="10.77.2.0/24", availability_zone=zone, map_public_ip_on_launch=False)
    group = apply(
        SecurityGroup,
        name="web",
        description="Managed by Terraform",
        vpc_id=vpc.id,
        ingress=[("tcp", 80, 80, "0.0.0.0/0", "web"), ("tcp", 8000, 8080, "10.0.0.0/8", "")],
        egress=[("-1", 0, 0, "0.0.0.0/0", "")],
    )
    bare = apply(SecurityGroup, name="bare", description="rules apart", vpc_id=vpc.id, ingress=[("icmp", -1, -1, "10.0.0.0/8", "ping")], egress=[("udp", 53, 53, "10.0.0.0/8", "")])
    apply(IngressRule, security_group_id=bare.id, ip_protocol="tcp", from_port=22, to_port=22, cidr_ipv4="10.0.0.0/8", description="ssh")
    peer = {"referenced_security_group_id": group.id, "description": "web"}
    apply(IngressRule, security_group_id=bare.id, ip_protocol="tcp", from_port=5432, to_port=5432, **peer)
    pair = apply(KeyPair, key_name="terraform", public_key=KEY)
    apply(
        NetworkInterface,
        subnet_id=inner.id,
        description="second",
        security_groups=[bare.id],
        private_ip_list=["10.77.2.20", "10.77.2.21"],
        source_dest_check=False,
    )
    instance = apply(
        Instance,
        ami=ami,
        instance_type="t3.small",
        key_name=pair.id,
        availability_zone=zone,
        subnet_id=inner.id,
        vpc_security_group_ids=[group.id],
        associate_public_ip_address=False,
        source_dest_check=True,
        monitoring=False,
        ebs_optimized=True,
        metadata_options={"http_tokens": "required", "http_put_response_hop_limit": 2},
        instance_initiated_shutdown_behavior="stop",
        disable_api_stop=False,
        disable_api_termination=False,
        user_data="#!/bin/sh\ntrue\n",
        root_block_device={"volume_size": 10, "volume_type": "gp3", "delete_on_termination": True},
        launch_template=[],
        password_data="",
    )
    instance.update()
    instance.check()
    volume = apply(Volume, availability_zone=zone, size=8, type="gp3", iops=3000, throughput=125, encrypted=False)
    apply(VolumeAttachment, device_name="/dev/sdh", instance_id=instance.id, volume_id=volume.id)
    apply(Eip, domain="vpc", instance=instance.id)
    outer = apply(Eip, domain="vpc", instance="")
    nat = apply(NatGateway, allocation_id=outer.id, subnet_id=subnet.id, connectivity_type="public")
    table = apply(RouteTable, vpc_id=vpc.id, route=[("0.0.0.0/0", "gateway_id", gateway.id)])
    private = apply(RouteTable, vpc_id=vpc.id, route=[("0.0.0.0/0", "nat_gateway_id", nat.id)])
    apply(RouteTableAssociation, route_table_id=table.id, subnet_id=subnet.id)
    apply(RouteTableAssociation, route_table_id=private.id, subnet_id=inner.id)
    apply(
        LaunchTemplate,
        name="workers",
        description="first",
        image_id=ami,
        instance_type="t3.small",
        key_name=pair.id,
        ebs_optimized=True,
        subnet_id=inner.id,
        security_groups=[group.id],
        user_data="#!/bin/sh\ntrue\n",
    )
    apply(AmiFromInstance, name="golden", description="of the instance", source_instance_id=instance.id)

    for resource in made:
        if isinstance(resource, (Eip, NatGateway)) or resource in (instance, bare):
            # These are tied to what came later, or have rules that are resources of their own: no change of theirs.
            resource.read()
        else:
            resource.check()
    for resource in reversed(made):
        resource.delete()


def test_lists_are_filtered_by_all_that_they_show(simulated):
    key, secret, _ = simulated.account("filters")
    ec2 = simulated.client("ec2", key, secret)
    group = ec2.describe_security_groups()["SecurityGroups"][0]["GroupId"]
    for port, cidr in [(22, "10.1.0.0/16"), (443, "0.0.0.0/0")]:
        rule = {"IpProtocol": "tcp", "FromPort": port, "ToPort": port, "IpRanges": [{"CidrIp": cidr}]}
        ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[rule])
    run = {"ImageId": simulated.image(), "InstanceType": "t3.nano"}
    first = ec2.run_instances(**run, MinCount=2, MaxCount=2, MetadataOptions={"HttpTokens": "required"})["Instances"]
    second = ec2.run_instances(**run, MinCount=1, MaxCount=1, Monitoring={"Enabled": True})["Instances"]
    ids = sorted(one["InstanceId"] for one in first)
    everyone = ids + [second[0]["InstanceId"]]
    until(lambda: [state for _, state in instances(ec2)], lambda states: states == ["running"] * 3)

    def found(name, *values):
        return [id for id, _ in instances(ec2, Filters=[{"Name": name, "Values": list(values)}])]

    row = ec2.describe_instances(InstanceIds=[ids[0]])["Reservations"][0]["Instances"][0]
    assert sorted(found("metadata-options.http-tokens", "required")) == ids
    assert found("monitoring-state", "enabled", "pending") == [second[0]["InstanceId"]]
    indexes = {one["InstanceId"]: one["AmiLaunchIndex"] for one in first}
    assert sorted(found("launch-index", "0")) == sorted([*(id for id, index in indexes.items() if index == 0), second[0]["InstanceId"]])
    assert found("network-interface.mac-address", row["NetworkInterfaces"][0]["MacAddress"]) == [ids[0]]
    assert found("network-interface.attachment.attachment-id", row["NetworkInterfaces"][0]["Attachment"]["AttachmentId"]) == [ids[0]]
    assert set(found("launch-time", f"{row['LaunchTime']:%Y-%m-%dT}*")) >= {ids[0]}
    assert found("launch-time", "2001-*") == [] and found("instance-lifecycle", "spot") == []
    pages = ec2.get_paginator("describe_instances").paginate(
        Filters=[{"Name": "monitoring-state", "Values": ["enabled"]}], PaginationConfig={"PageSize": 5}
    )
    assert [one["InstanceId"] for page in pages for of in page["Reservations"] for one in of["Instances"]] == [second[0]["InstanceId"]]

    groups = lambda name, value: len(ec2.describe_security_groups(Filters=[{"Name": name, "Values": [value]}])["SecurityGroups"])
    assert (groups("ip-permission.to-port", "443"), groups("ip-permission.to-port", "80")) == (1, 0)
    assert (groups("ip-permission.cidr", "10.1.*"), groups("egress.ip-permission.cidr", "10.1.*")) == (1, 0)
    status = lambda value: ec2.describe_volume_status(Filters=[{"Name": "volume-status.status", "Values": [value]}])["VolumeStatuses"]
    assert len(until(lambda: status("ok"), lambda rows: len(rows) == 3)) == 3 and status("impaired") == []
    rules = lambda value: ec2.describe_network_acls(Filters=[{"Name": "entry.rule-action", "Values": [value]}])["NetworkAcls"]
    assert rules("allow") and rules("maybe") == []
    volume = ec2.describe_volumes()["Volumes"][0]
    made = lambda pattern: [one["VolumeId"] for one in ec2.describe_volumes(Filters=[{"Name": "create-time", "Values": [pattern]}])["Volumes"]]
    assert volume["VolumeId"] in made(f"{volume['CreateTime']:%Y-%m-%dT}*") and made("2001-*") == []
    subnets = lambda value: ec2.describe_subnets(Filters=[{"Name": "map-public-ip-on-launch", "Values": [value]}])["Subnets"]
    assert sorted(map(len, [subnets("true"), subnets("false")])) == [0, len(ec2.describe_subnets()["Subnets"])]
    with pytest.raises(ClientError, match="The filter 'no-such' is invalid"):
        ec2.describe_instances(Filters=[{"Name": "no-such", "Values": ["x"]}])
    ec2.terminate_instances(InstanceIds=everyone)


def instances(ec2, **parameters):
    reply = ec2.describe_instances(**parameters)
    return [(one["InstanceId"], one["State"]["Name"]) for of in reply["Reservations"] for one in of["Instances"]]
