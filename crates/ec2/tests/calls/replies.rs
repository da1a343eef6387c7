//! What EC2's clients read: whole replies against kept texts.

use crate::world::{World, elements};

const LAUNCH: &str = "MinCount=1&MaxCount=1&ClientToken=t1&KeyName=k&UserData=aGVsbG8%3D&DisableApiStop=false\
    &InstanceInitiatedShutdownBehavior=terminate&Monitoring.Enabled=true&MetadataOptions.HttpTokens=required\
    &Placement.AvailabilityZone=test-1a&BlockDeviceMapping.1.DeviceName=/dev/xvda&BlockDeviceMapping.1.Ebs.VolumeSize=3\
    &TagSpecification.1.ResourceType=instance&TagSpecification.1.Tag.1.Key=Name&TagSpecification.1.Tag.1.Value=web\
    &TagSpecification.2.ResourceType=volume&TagSpecification.2.Tag.1.Key=disk&TagSpecification.2.Tag.1.Value=root\
    &TagSpecification.3.ResourceType=network-interface&TagSpecification.3.Tag.1.Key=nic&TagSpecification.3.Tag.1.Value=eth0";

#[tokio::test]
async fn the_region_is_described() {
    let world = World::new().await;
    world.golden("DescribeRegions", "Action=DescribeRegions").await;
    world.golden("DescribeAvailabilityZones", "Action=DescribeAvailabilityZones").await;
    world.golden("DescribeAccountAttributes", "Action=DescribeAccountAttributes").await;
    world.golden("DescribeInstanceTypes", "Action=DescribeInstanceTypes&InstanceType.1=t3.nano&InstanceType.2=m5.large").await;
    let offerings =
        "Action=DescribeInstanceTypeOfferings&LocationType=availability-zone&Filter.1.Name=instance-type&Filter.1.Value.1=t3.n*";
    world.golden("DescribeInstanceTypeOfferings", offerings).await;
    world.golden("DescribeImages", "Action=DescribeImages&Owner.1=amazon").await;
    world.golden_as("sts", "GetCallerIdentity", "Action=GetCallerIdentity&Version=2011-06-15").await;
}

#[tokio::test]
async fn the_default_network_is_described() {
    let world = World::new().await;
    let vpcs = world.golden("DescribeVpcs", "Action=DescribeVpcs").await;
    let vpc = &elements(&vpcs, "vpcId")[0];
    world.golden("DescribeVpcAttribute", &format!("Action=DescribeVpcAttribute&VpcId={vpc}&Attribute=enableDnsSupport")).await;
    world.golden("DescribeSubnets", "Action=DescribeSubnets").await;
    world.golden("DescribeSecurityGroups", "Action=DescribeSecurityGroups").await;
    world.golden("DescribeSecurityGroupRules", "Action=DescribeSecurityGroupRules").await;
    world.golden("DescribeAddresses", "Action=DescribeAddresses").await;
}

#[tokio::test]
async fn rules_are_added_and_taken() {
    let world = World::new().await;
    let group = elements(&world.call("Action=DescribeSecurityGroups").await.body, "groupId").remove(0);
    let ssh = "IpPermissions.1.IpProtocol=tcp&IpPermissions.1.FromPort=22&IpPermissions.1.ToPort=22\
        &IpPermissions.1.IpRanges.1.CidrIp=192.0.2.0/24&IpPermissions.1.IpRanges.1.Description=office";
    let ping = "IpPermissions.2.IpProtocol=icmp&IpPermissions.2.FromPort=8&IpPermissions.2.ToPort=-1\
        &IpPermissions.2.IpRanges.1.CidrIp=0.0.0.0/0";
    let rules = format!("GroupId={group}&{ssh}&{ping}");
    world.golden("AuthorizeSecurityGroupIngress", &format!("Action=AuthorizeSecurityGroupIngress&{rules}")).await;
    world.refused(&format!("Action=AuthorizeSecurityGroupIngress&{rules}"), 400, "InvalidPermission.Duplicate").await;
    world.golden("DescribeSecurityGroups.rules", &format!("Action=DescribeSecurityGroups&GroupId.1={group}")).await;
    world.golden("RevokeSecurityGroupIngress", &format!("Action=RevokeSecurityGroupIngress&GroupId={group}&{ssh}")).await;
    let left = world.call(&format!("Action=DescribeSecurityGroupRules&Filter.1.Name=group-id&Filter.1.Value.1={group}")).await;
    assert_eq!(elements(&left.body, "ipProtocol"), ["-1", "-1", "icmp"]);
    world.refused(&format!("Action=RevokeSecurityGroupIngress&GroupId={group}&{ssh}"), 400, "InvalidPermission.NotFound").await;
}

#[tokio::test]
async fn key_pairs_are_made_imported_described_and_deleted() {
    let world = World::new().await;
    let tags = "TagSpecification.1.ResourceType=key-pair&TagSpecification.1.Tag.1.Key=a&TagSpecification.1.Tag.1.Value=b";
    let made = world.golden("CreateKeyPair", &format!("Action=CreateKeyPair&KeyName=made&KeyType=ed25519&{tags}")).await;
    assert!(elements(&made, "keyMaterial")[0].starts_with("-----BEGIN OPENSSH PRIVATE KEY-----"));
    world.golden("ImportKeyPair", &format!("Action=ImportKeyPair&KeyName=brought&PublicKeyMaterial={}", public_key())).await;
    world.golden("DescribeKeyPairs", "Action=DescribeKeyPairs&KeyName.1=brought&IncludePublicKey=true").await;
    world.golden("DeleteKeyPair", "Action=DeleteKeyPair&KeyName=brought").await;
    world.refused("Action=DescribeKeyPairs&KeyName.1=brought", 400, "InvalidKeyPair.NotFound").await;
}

#[tokio::test]
async fn an_instance_is_shown_in_each_state_of_its_life() {
    let world = World::new().await;
    world.call(&format!("Action=ImportKeyPair&KeyName=k&PublicKeyMaterial={}", public_key())).await;
    let image = world.image("pileus-linux").await;
    let body = world.golden("RunInstances", &format!("Action=RunInstances&ImageId={image}&InstanceType=t3.nano&{LAUNCH}")).await;
    let id = elements(&body, "instanceId").remove(0);
    world.golden("DescribeInstanceStatus.pending", "Action=DescribeInstanceStatus&IncludeAllInstances=true").await;
    world.settle().await;
    world.golden("DescribeInstances.running", "Action=DescribeInstances").await;
    world.golden("DescribeInstanceStatus.running", "Action=DescribeInstanceStatus").await;
    world.golden("DescribeVolumes", "Action=DescribeVolumes").await;
    world.golden("DescribeVolumeStatus", "Action=DescribeVolumeStatus").await;
    world.golden("DescribeNetworkInterfaces", "Action=DescribeNetworkInterfaces").await;
    world.golden("DescribeTags", "Action=DescribeTags").await;
    world.golden("MonitorInstances", &format!("Action=MonitorInstances&InstanceId.1={id}")).await;
    world.golden("RebootInstances", &format!("Action=RebootInstances&InstanceId.1={id}")).await;
    world.golden("StopInstances", &format!("Action=StopInstances&InstanceId.1={id}")).await;
    world.settle().await;
    world.golden("DescribeInstances.stopped", &format!("Action=DescribeInstances&InstanceId.1={id}")).await;
    world.golden("StartInstances", &format!("Action=StartInstances&InstanceId.1={id}")).await;
    world.settle().await;
    world.golden("TerminateInstances", &format!("Action=TerminateInstances&InstanceId.1={id}")).await;
    world.settle().await;
    world.golden("DescribeInstances.terminated", &format!("Action=DescribeInstances&InstanceId.1={id}")).await;
    world.golden("DescribeVolumes.none", "Action=DescribeVolumes").await;
}

#[tokio::test]
async fn every_attribute_is_described() {
    let world = World::new().await;
    let id = world.run("MinCount=1&MaxCount=1&UserData=aGVsbG8").await.remove(0);
    for attribute in [
        "instanceType",
        "kernel",
        "userData",
        "disableApiTermination",
        "instanceInitiatedShutdownBehavior",
        "rootDeviceName",
        "blockDeviceMapping",
        "productCodes",
        "sourceDestCheck",
        "groupSet",
        "ebsOptimized",
        "enaSupport",
        "enclaveOptions",
        "disableApiStop",
    ] {
        let name = format!("DescribeInstanceAttribute.{attribute}");
        world.golden(&name, &format!("Action=DescribeInstanceAttribute&InstanceId={id}&Attribute={attribute}")).await;
    }
    let metadata = format!("Action=ModifyInstanceMetadataOptions&InstanceId={id}&HttpTokens=required&HttpPutResponseHopLimit=2");
    world.golden("ModifyInstanceMetadataOptions", &metadata).await;
    world.golden("ResetInstanceAttribute", &format!("Action=ResetInstanceAttribute&InstanceId={id}&Attribute=sourceDestCheck")).await;
}

/// An Ed25519 public key in OpenSSH form, base64 of it, percent-encoded.
fn public_key() -> String {
    use base64::Engine;
    let text = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJfEHZu1SJ5Sx1cwBnQhTEfe+c4gl0Pjyu2ynhvUQD8i me@here";
    base64::engine::general_purpose::STANDARD.encode(text).replace('+', "%2B").replace('/', "%2F").replace('=', "%3D")
}
