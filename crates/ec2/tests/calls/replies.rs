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
async fn rules_are_changed_and_described_and_keep_their_ids() {
    let world = World::new().await;
    let group = world.first("Action=CreateSecurityGroup&GroupName=g&GroupDescription=words", "groupId").await;
    let ssh = "IpPermissions.1.IpProtocol=tcp&IpPermissions.1.FromPort=22&IpPermissions.1.ToPort=22&IpPermissions.1.IpRanges.1.CidrIp=192.0.2.0/24";
    let add = format!("Action=AuthorizeSecurityGroupIngress&GroupId={group}&{ssh}");
    let rule = world.first(&add, "securityGroupRuleId").await;
    let change = |rule: &str, says: &str| {
        let says: String = says.split('&').map(|word| format!("&SecurityGroupRule.1.SecurityGroupRule.{word}")).collect();
        format!("Action=ModifySecurityGroupRules&GroupId={group}&SecurityGroupRule.1.SecurityGroupRuleId={rule}{says}")
    };
    let web = "IpProtocol=tcp&FromPort=80&ToPort=81&CidrIpv4=198.51.100.0/24&Description=web";
    world.golden("ModifySecurityGroupRules", &change(&rule, web)).await;
    let shown = async || world.ok(&format!("Action=DescribeSecurityGroupRules&SecurityGroupRuleId.1={rule}")).await;
    let told = shown().await;
    for (name, expected) in [("fromPort", "80"), ("toPort", "81"), ("cidrIpv4", "198.51.100.0/24"), ("description", "web")] {
        assert_eq!(elements(&told, name), [expected]);
    }
    world.refused(&change(&rule, "IpProtocol=-1&CidrIpv6=::/0"), 400, "InvalidParameterCombination").await;
    world.refused(&change(&rule, "IpProtocol=-1&CidrIpv4=0.0.0.0/0&CidrIpv6=::/0"), 400, "InvalidParameterCombination").await;
    world.refused(&change(&rule, "CidrIpv4=0.0.0.0/0"), 400, "MissingParameter").await;
    world.refused(&change("sgr-00000000000000099", web), 400, "InvalidSecurityGroupRuleId.NotFound").await;
    let second = world.first(&add, "securityGroupRuleId").await;
    world.refused(&change(&second, web), 400, "InvalidPermission.Duplicate").await;
    let by_id = format!(
        "GroupId={group}&SecurityGroupRuleDescription.1.SecurityGroupRuleId={rule}&SecurityGroupRuleDescription.1.Description=site"
    );
    let ingress = "Action=UpdateSecurityGroupRuleDescriptionsIngress";
    world.golden("UpdateSecurityGroupRuleDescriptionsIngress", &format!("{ingress}&{by_id}")).await;
    assert_eq!(elements(&shown().await, "description"), ["site"]);
    world.ok(&format!("{ingress}&GroupId={group}&{ssh}&IpPermissions.1.IpRanges.1.Description=office")).await;
    let told = world.ok(&format!("Action=DescribeSecurityGroupRules&SecurityGroupRuleId.1={second}")).await;
    assert_eq!(elements(&told, "description"), ["office"]);
    let egress = "Action=UpdateSecurityGroupRuleDescriptionsEgress";
    world.refused(&format!("{egress}&{by_id}"), 400, "InvalidSecurityGroupRuleId.NotFound").await;
    let everywhere = "IpPermissions.1.IpProtocol=-1&IpPermissions.1.IpRanges.1.CidrIp=0.0.0.0/0&IpPermissions.1.IpRanges.1.Description=out";
    world.golden("UpdateSecurityGroupRuleDescriptionsEgress", &format!("{egress}&GroupId={group}&{everywhere}")).await;
    world.refused(&format!("{ingress}&GroupId={group}"), 400, "MissingParameter").await;
}

#[tokio::test]
async fn key_pairs_are_made_imported_described_and_deleted() {
    let world = World::new().await;
    let tags = "TagSpecification.1.ResourceType=key-pair&TagSpecification.1.Tag.1.Key=a&TagSpecification.1.Tag.1.Value=b";
    let made = world.golden("CreateKeyPair", &format!("Action=CreateKeyPair&KeyName=made&KeyType=ed25519&{tags}")).await;
    assert!(elements(&made, "keyMaterial")[0].starts_with("-----BEGIN OPENSSH PRIVATE KEY-----"));
    for kind in ["rsa", "ed25519"] {
        let putty = world.call(&format!("Action=CreateKeyPair&KeyName=putty-{kind}&KeyType={kind}&KeyFormat=ppk")).await;
        let start = format!("PuTTY-User-Key-File-2: ssh-{kind}\nEncryption: none\nComment: putty-{kind}\n");
        assert!(elements(&putty.body, "keyMaterial")[0].starts_with(&start), "{}", putty.body);
    }
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
async fn a_volume_with_multi_attach_is_in_several_instances() {
    let world = World::new().await;
    let instances = world.run("MinCount=2&MaxCount=2").await;
    let create = "Action=CreateVolume&AvailabilityZone=test-1a&Size=8&MultiAttachEnabled=true";
    world.refused(&format!("{create}&VolumeType=gp3"), 400, "InvalidParameterCombination").await;
    world.refused(&format!("{create}&VolumeType=io2&Iops=200&Encrypted=true"), 400, "UnsupportedOperation").await;
    let id = world.first(&format!("{create}&VolumeType=io2&Iops=200"), "volumeId").await;
    world.settle().await;
    for instance in &instances {
        world.ok(&format!("Action=AttachVolume&VolumeId={id}&InstanceId={instance}&Device=/dev/sdf")).await;
    }
    world.settle().await;
    let shared = "Action=DescribeVolumes&Filter.1.Name=multi-attach-enabled&Filter.1.Value.1=true";
    world.golden("DescribeVolumes.shared", shared).await;
    for instance in &instances {
        let of = format!("{shared}&Filter.2.Name=attachment.instance-id&Filter.2.Value.1={instance}");
        assert!(elements(&world.ok(&of).await, "volumeId").contains(&id));
        let devices = world.ok(&format!("Action=DescribeInstances&InstanceId.1={instance}")).await;
        assert!(elements(&devices, "deviceName").contains(&"/dev/sdf".to_owned()));
    }
    let attach = format!("Action=AttachVolume&VolumeId={id}&InstanceId={}&Device=/dev/sdg", instances[0]);
    world.refused(&attach, 400, "VolumeInUse").await;
    world.refused(&format!("Action=DetachVolume&VolumeId={id}"), 400, "MissingParameter").await;
    world.refused(&format!("Action=DeleteVolume&VolumeId={id}"), 400, "VolumeInUse").await;
    world.refused(&format!("Action=CreateSnapshot&VolumeId={id}"), 400, "UnsupportedOperation").await;
    let all = format!("Action=CreateSnapshots&InstanceSpecification.InstanceId={}", instances[0]);
    world.refused(&all, 400, "UnsupportedOperation").await;
    world.refused(&format!("Action=CreateImage&InstanceId={}&Name=with-it", instances[0]), 400, "UnsupportedOperation").await;
    let modify = format!("Action=ModifyVolume&VolumeId={id}");
    world.refused(&format!("{modify}&MultiAttachEnabled=false"), 400, "UnsupportedOperation").await;
    world.refused(&format!("{modify}&VolumeType=gp3"), 400, "InvalidParameterCombination").await;
    world.refused(&format!("{modify}&Size=9"), 400, "UnsupportedOperation").await;
    let faster = world.ok(&format!("{modify}&Iops=300&MultiAttachEnabled=true")).await;
    assert_eq!(elements(&faster, "targetMultiAttachEnabled"), ["true"]);
    world.settle().await;
    world.ok(&format!("Action=DetachVolume&VolumeId={id}&InstanceId={}", instances[0])).await;
    world.settle().await;
    let shown = world.ok(&format!("Action=DescribeVolumes&VolumeId.1={id}")).await;
    assert_eq!(
        (elements(&shown, "instanceId"), elements(&shown, "status")),
        (vec![instances[1].clone()], vec!["in-use".to_owned(), "attached".to_owned()])
    );
}

#[tokio::test]
async fn a_volume_is_shown_in_each_state_of_its_life() {
    let world = World::new().await;
    let instance = world.run("MinCount=1&MaxCount=1").await.remove(0);
    let tags = "TagSpecification.1.ResourceType=volume&TagSpecification.1.Tag.1.Key=Name&TagSpecification.1.Tag.1.Value=data";
    let create = format!("Action=CreateVolume&AvailabilityZone=test-1a&Size=5&VolumeType=gp2&ClientToken=v1&{tags}");
    let made = world.golden("CreateVolume", &create).await;
    assert_eq!(world.call(&create).await.body, made, "the token makes one volume");
    let id = elements(&made, "volumeId").remove(0);
    world.refused(&format!("Action=DeleteVolume&VolumeId={id}"), 400, "IncorrectState").await;
    world.settle().await;
    world.refused(&format!("Action=DetachVolume&VolumeId={id}"), 400, "IncorrectState").await;
    let attach = format!("Action=AttachVolume&VolumeId={id}&InstanceId={instance}");
    world.refused(&format!("{attach}&Device=/dev/xvda"), 400, "InvalidParameterValue").await;
    world.refused(&format!("{attach}&Device=/dev/../x"), 400, "InvalidParameterValue").await;
    world.golden("AttachVolume", &format!("{attach}&Device=sdf")).await;
    world.settle().await;
    world.golden("DescribeVolumes.attached", &format!("Action=DescribeVolumes&VolumeId.1={id}")).await;
    world.refused(&format!("{attach}&Device=/dev/sdg"), 400, "VolumeInUse").await;
    world.refused(&format!("Action=DeleteVolume&VolumeId={id}"), 400, "VolumeInUse").await;
    world.golden("ModifyVolume", &format!("Action=ModifyVolume&VolumeId={id}&Size=8&VolumeType=gp3")).await;
    world.refused(&format!("Action=ModifyVolume&VolumeId={id}&Size=9"), 400, "IncorrectModificationState").await;
    world.settle().await;
    world.golden("DescribeVolumesModifications", "Action=DescribeVolumesModifications").await;
    let flag = "BlockDeviceMapping.1.DeviceName=/dev/sdf&BlockDeviceMapping.1.Ebs.DeleteOnTermination=true";
    assert_eq!(world.call(&format!("Action=ModifyInstanceAttribute&InstanceId={instance}&{flag}")).await.status, 200);
    let two = format!("Action=ModifyInstanceAttribute&InstanceId={instance}&{flag}&DisableApiStop.Value=true");
    world.refused(&two, 400, "InvalidParameterCombination").await;
    let going = "Action=DescribeVolumes&Filter.1.Name=attachment.delete-on-termination&Filter.1.Value.1=true\
        &Filter.2.Name=attachment.device&Filter.2.Value.1=/dev/sdf&Filter.3.Name=volume-type&Filter.3.Value.1=gp3\
        &Filter.4.Name=size&Filter.4.Value.1=8&Filter.5.Name=attachment.status&Filter.5.Value.1=attached";
    assert_eq!(elements(&world.call(going).await.body, "volumeId"), [id.as_str(), id.as_str()]);
    let detach = format!("Action=DetachVolume&VolumeId={id}");
    world.refused(&format!("{detach}&Device=/dev/sdz"), 400, "InvalidAttachment.NotFound").await;
    world.refused(&format!("{detach}&InstanceId=i-00000000000000001"), 400, "InvalidAttachment.NotFound").await;
    world.golden("DetachVolume", &format!("{detach}&Device=/dev/sdf&InstanceId={instance}")).await;
    world.refused(&detach, 400, "IncorrectState").await;
    world.settle().await;
    world.golden("DescribeVolumes.available", &format!("Action=DescribeVolumes&VolumeId.1={id}")).await;
    world.golden("DeleteVolume", &format!("Action=DeleteVolume&VolumeId={id}")).await;
    world.settle().await;
    world.refused(&format!("Action=DeleteVolume&VolumeId={id}"), 400, "InvalidVolume.NotFound").await;
    let root = elements(&world.call("Action=DescribeVolumes").await.body, "volumeId").remove(0);
    world.refused(&format!("Action=DetachVolume&VolumeId={root}"), 400, "OperationNotPermitted").await;
}

#[tokio::test]
async fn a_launch_brings_data_disks() {
    let world = World::new().await;
    let disks = "BlockDeviceMapping.1.DeviceName=/dev/sdf&BlockDeviceMapping.1.Ebs.VolumeSize=2&BlockDeviceMapping.2.DeviceName=/dev/sdg\
        &BlockDeviceMapping.2.Ebs.VolumeSize=3&BlockDeviceMapping.2.Ebs.DeleteOnTermination=false";
    let id = world.run(&format!("MinCount=1&MaxCount=1&{disks}")).await.remove(0);
    world.settle().await;
    let shown = world.call(&format!("Action=DescribeInstances&InstanceId.1={id}")).await.body;
    let mut devices = elements(&shown, "deviceName");
    devices.sort();
    assert_eq!(devices, ["/dev/sdf", "/dev/sdg", "/dev/xvda"]);
    world.call(&format!("Action=TerminateInstances&InstanceId.1={id}")).await;
    world.settle().await;
    let left = world.call("Action=DescribeVolumes").await.body;
    assert_eq!((elements(&left, "size"), elements(&left, "status")), (vec!["3".to_owned()], vec!["available".to_owned()]));
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
