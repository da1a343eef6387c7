//! A policy against every action.

use std::collections::HashMap;
use std::sync::Arc;

use control::Principal;
use pileus_ecs as ecs;
use wire::{Reply, Shape};

use crate::world::{TYPE, World, texts};

/// A call that no policy forbids, and one that tells clients where to call.
const ALWAYS_ALLOWED: [&str; 2] = ["GetCallerIdentity", "DescribeEndpoints"];
/// Codes of refusals by policy.
const DENIED: [&str; 2] = ["Forbidden.RAM", "NoPermission"];
/// Tries of one call while it asks for more parameters.
const TRIES: usize = 8;
const RAM: &str = "Version=2015-05-01";
const TRUST: &str = "%7B%22Version%22%3A%221%22%2C%22Statement%22%3A%5B%7B%22Effect%22%3A%22Allow%22%2C%22Principal%22%3A%7B%22Service%22%3A%5B%22ecs.aliyuncs.com%22%5D%7D%2C%22Action%22%3A%22sts%3AAssumeRole%22%7D%5D%7D";
const ALLOW: &str = "%7B%22Version%22%3A%221%22%2C%22Statement%22%3A%5B%7B%22Effect%22%3A%22Allow%22%2C%22Action%22%3A%22ecs%3ADescribeVpcs%22%2C%22Resource%22%3A%22%2A%22%7D%5D%7D";

/// Makes one of each thing, for parameters of these names.
async fn seeds(world: &World) -> HashMap<&'static str, String> {
    let mut seeds = HashMap::from([("ImageId", world.image("pileus-linux").await), ("InstanceId", world.run("").await.remove(0))]);
    world.settle().await;
    for (name, form, member) in [
        ("VpcId", "Action=CreateVpc&CidrBlock=10.8.0.0/16".to_owned(), "VpcId"),
        ("VSwitchId", "Action=CreateVSwitch&VpcId=VPC&ZoneId=test-1a&CidrBlock=10.8.1.0/24".to_owned(), "VSwitchId"),
        ("SecurityGroupId", "Action=CreateSecurityGroup&VpcId=VPC".to_owned(), "SecurityGroupId"),
        ("NetworkInterfaceId", "Action=CreateNetworkInterface&VSwitchId=SWITCH&SecurityGroupId=GROUP".to_owned(), "NetworkInterfaceId"),
        ("RouteTableId", "Action=CreateRouteTable&VpcId=VPC&Version=2016-04-28".to_owned(), "RouteTableId"),
        ("DiskId", "Action=CreateDisk&ZoneId=test-1a&Size=20&DiskCategory=cloud_essd".to_owned(), "DiskId"),
        ("AllocationId", "Action=AllocateEipAddress".to_owned(), "AllocationId"),
        ("DhcpOptionsSetId", "Action=CreateDhcpOptionsSet&Version=2016-04-28".to_owned(), "DhcpOptionsSetId"),
        ("BandwidthPackageId", "Action=CreateCommonBandwidthPackage&Bandwidth=10&Version=2016-04-28".to_owned(), "BandwidthPackageId"),
        ("NatGatewayId", "Action=CreateNatGateway&VpcId=VPC&VSwitchId=SWITCH&Version=2016-04-28".to_owned(), "NatGatewayId"),
        ("NetworkAclId", "Action=CreateNetworkAcl&VpcId=VPC&Version=2016-04-28".to_owned(), "NetworkAclId"),
        ("LaunchTemplateId", format!("Action=CreateLaunchTemplate&LaunchTemplateName=tpl&InstanceType={TYPE}"), "LaunchTemplateId"),
        ("PrefixListId", "Action=CreatePrefixList&PrefixListName=offices&AddressFamily=IPv4&MaxEntries=2".to_owned(), "PrefixListId"),
        (
            "PoolId",
            format!("Action=CreateCapacityReservation&ZoneId.1=test-1a&InstanceAmount=1&InstanceType={TYPE}"),
            "PrivatePoolOptionsId",
        ),
        ("DeploymentSetId", "Action=CreateDeploymentSet".to_owned(), "DeploymentSetId"),
        ("UserName", format!("Action=CreateUser&UserName=ann&{RAM}"), "UserName"),
        ("UserAccessKeyId", format!("Action=CreateAccessKey&UserName=ann&{RAM}"), "AccessKeyId"),
        ("GroupName", format!("Action=CreateGroup&GroupName=team&{RAM}"), "GroupName"),
        ("RoleName", format!("Action=CreateRole&RoleName=worker&AssumeRolePolicyDocument={TRUST}&{RAM}"), "RoleName"),
        ("PolicyName", format!("Action=CreatePolicy&PolicyName=seen&PolicyDocument={ALLOW}&{RAM}"), "PolicyName"),
    ] {
        let named = |word: &str| seeds.get(word).cloned().unwrap_or_default();
        let form = form.replace("VPC", &named("VpcId")).replace("SWITCH", &named("VSwitchId")).replace("GROUP", &named("SecurityGroupId"));
        let reply = world.call(&form).await;
        assert_eq!(reply.status, 200, "{form}\n{}", reply.body);
        seeds.insert(name, texts(&reply.body, member).remove(0));
        world.settle().await;
    }
    let snapshot = world.call(&format!("Action=CreateSnapshot&DiskId={}", seeds["DiskId"])).await;
    let hours = "timePoints=%5B%221%22%5D&repeatWeekdays=%5B%221%22%5D&retentionDays=1";
    let policy = world.call(&format!("Action=CreateAutoSnapshotPolicy&{hours}")).await;
    let group = world.call(&format!("Action=CreateSnapshotGroup&InstanceId={}", seeds["InstanceId"])).await;
    seeds.insert("SnapshotGroupId", texts(&group.body, "SnapshotGroupId").remove(0));
    seeds.insert("SerialNumber", format!("acs:ram::{}:mfa/phone", world.owner.account));
    seeds.insert("AutoSnapshotPolicyId", texts(&policy.body, "AutoSnapshotPolicyId").remove(0));
    seeds.insert("SnapshotId", texts(&snapshot.body, "SnapshotId").remove(0));
    seeds
}

fn value(seeds: &HashMap<&'static str, String>, action: &str, name: &str, shape: Shape) -> String {
    let word = name.rsplit('.').find(|part| part.parse::<u32>().is_err()).unwrap_or(name);
    let known = match (action, word) {
        ("TagResources" | "UntagResources" | "UnTagResources" | "AddTags" | "RemoveTags", "ResourceId") => seeds.get("InstanceId"),
        ("AssociateNetworkAcl" | "UnassociateNetworkAcl", "ResourceId") => seeds.get("VSwitchId"),
        ("AssociateNetworkAcl" | "UnassociateNetworkAcl", "ResourceType") => return "VSwitch".to_owned(),
        (action, "InstanceId") if action.contains("VpcPeer") => return "pcx-00000000000000001".to_owned(),
        ("CreateVpcPeerConnection", "AcceptingVpcId") => seeds.get("VpcId"),
        ("CreateVpcPeerConnection", "AcceptingRegionId") => return "test-1".to_owned(),
        ("CreateVpcPeerConnection", "AcceptingAliUid") => return "111122223333".to_owned(),
        ("CreateFlowLog", "ResourceType") => return "NetworkInterface".to_owned(),
        ("CreateFlowLog", "ResourceId") => seeds.get("NetworkInterfaceId"),
        ("DescribeResourcesModification", "DestinationResource") => return "InstanceType".to_owned(),
        ("DescribeResourcesModification", "ResourceId") => seeds.get("InstanceId"),
        (action, "InstanceId") if action.contains("System") => seeds.get("InstanceId"),
        ("AssociateVpcCidrBlock", "IpVersion") => return "IPV6".to_owned(),
        ("CreateIpv6EgressOnlyRule", "InstanceId") => return format!("ipv6-{}", "0".repeat(32)),
        (_, "Ipv6AddressId") => return format!("ipv6-{}", "0".repeat(32)),
        (_, "Ipv6Address") => return "fd00::9".to_owned(),
        (_, "EventId") => return "e-00000000000000001".to_owned(),
        ("CreateSimulatedSystemEvents", "EventType") => return "SystemMaintenance.Reboot".to_owned(),
        (_, "NotBefore") => return "2026-12-24T00:00:00Z".to_owned(),
        (_, "InstanceIds" | "ResourceIds") => return format!("%5B%22{}%22%5D", seeds["InstanceId"]),
        (_, "DiskIds" | "diskIds") => return format!("%5B%22{}%22%5D", seeds["DiskId"]),
        (_, "IpInstanceId") | ("DeletionProtection", "InstanceId") => seeds.get("AllocationId"),
        ("ModifyCapacityReservation" | "ReleaseCapacityReservation", "Id") => seeds.get("PoolId"),
        (_, "autoSnapshotPolicyId") => seeds.get("AutoSnapshotPolicyId"),
        (_, other) => seeds.get(other),
    };
    let usual = match word {
        "RegionId" => "test-1",
        "ZoneId" => "test-1a",
        "DestinationRegionId" => "test-1",
        "ResourceType" => "instance",
        "DestinationResource" => "Zone",
        "InstanceType" => TYPE,
        "CidrBlock" | "DestinationCidrBlock" | "SourceCIDR" => "10.8.7.0/24",
        "PolicyDocument" | "NewAssumeRolePolicyDocument" => ALLOW,
        "AssumeRolePolicyDocument" => TRUST,
        "InnerAccessPolicy" => "Drop",
        "PolicyType" => "Custom",
        "VersionId" => "v1",
        "StartTime" => "2026-01-01T00:00Z",
        "EndTime" => "2026-01-01T01:00Z",
        "RoleArn" => "acs:ram::111122223333:role/worker",
        "AuthenticationCode1" | "AuthenticationCode2" => "000000",
        "ProductCode" => "vpc",
        "QuotaActionCode" => "q_vpcs",
        "DesireValue" => "50",
        "KeyPairNames" => "%5B%22a%22%5D",
        "AddressFamily" => "IPv4",
        "PortRange" => "22/22",
        "IpProtocol" => "tcp",
        "SourceCidrIp" | "DestCidrIp" => "10.0.0.0/8",
        "NewSize" => "40",
        "DeleteVersion" => "2",
        "NextHopType" => "Ipv4Gateway",
        "SnatTableId" => return seeds["NatGatewayId"].replace("nat-", "stb-"),
        "ForwardTableId" => return seeds["NatGatewayId"].replace("nat-", "ftb-"),
        "SnatEntryId" => "snat-00000000000000001",
        "ForwardEntryId" => "fwd-00000000000000001",
        "SnatIp" | "ExternalIp" | "InternalIp" => "10.8.1.9",
        "ExternalPort" | "InternalPort" => "80",
        "FlowLogId" => "fl-00000000000000001",
        "KMSKeyId" => "alias/a",
        "Ipv4GatewayId" => "igw-00000000000000001",
        "Ipv6GatewayId" => "eigw-00000000000000001",
        "Ipv6EgressOnlyRuleId" => "ipv6py-00000000000000001",
        "IPv6CidrBlock" | "Ipv6CidrBlock" => "fd00::/56",
        "NextHopId" => "igw-00000000000000001",
        "OSSBucket" => "disks",
        "OSSObject" => "a.raw",
        "Format" => "raw",
        "TaskId" => "t-00000000000000001",
        "AutoProvisioningGroupId" => "fleet-00000000000000001",
        "PublicKeyBody" => "ssh-ed25519%20AAAAC3NzaC1lZDI1NTE5AAAAIGRmmjnsPtmNn3MPAz0lgtBoTqpH0x57mvLbMgVmjSLe%20a",
        _ => "",
    };
    match (known, shape) {
        (Some(known), _) => known.clone(),
        (None, _) if !usual.is_empty() => usual.to_owned(),
        (None, Shape::Word(words)) => words.first().copied().unwrap_or("words").to_owned(),
        (None, Shape::Number) => "1".to_owned(),
        (None, Shape::Boolean) => "true".to_owned(),
        (None, _) => "words".to_owned(),
    }
}

/// The shape of a parameter by its full name.
fn shape_of(parameters: &[wire::Parameter], name: &str) -> Option<Shape> {
    let word = name.rsplit('.').find(|part| part.parse::<u32>().is_err()).unwrap_or(name);
    parameters.iter().find_map(|parameter| if parameter.name == word { Some(parameter.shape) } else { shape_of(parameter.members, word) })
}

/// Names of the leaves that must be there, with 1 for each number.
fn required(parameters: &[wire::Parameter], prefix: &str) -> Vec<String> {
    let mut names = Vec::new();
    for parameter in parameters.iter().filter(|parameter| parameter.required || parameter.name.is_empty()) {
        let number = if parameter.shape == Shape::List { ".1" } else { "" };
        let name = format!("{prefix}{}{number}", parameter.name);
        match (parameter.name.is_empty(), parameter.members.is_empty()) {
            (true, _) => names.extend(required(parameter.members, prefix)),
            (false, true) => names.push(name),
            (false, false) => names.extend(required(parameter.members, &format!("{name}."))),
        }
    }
    names
}

/// What an action needs beside its required parameters before it comes to the policies.
fn besides(action: &str) -> &'static [&'static str] {
    match action {
        "RunInstances" | "CreateInstance" => &["ImageId", "InstanceType", "VSwitchId", "SecurityGroupId"],
        "ModifySecurityGroupRule" | "ModifySecurityGroupEgressRule" => &["SecurityGroupRuleId"],
        "AuthorizeSecurityGroup" | "RevokeSecurityGroup" => &["IpProtocol", "PortRange", "SourceCidrIp"],
        "AuthorizeSecurityGroupEgress" | "RevokeSecurityGroupEgress" => &["IpProtocol", "PortRange", "DestCidrIp"],
        "JoinSecurityGroup" | "LeaveSecurityGroup" | "CreateImage" => &["InstanceId"],
        "CreateDisk" => &["ZoneId", "Size"],
        "CreateCapacityReservation" => &["ZoneId.1"],
        "CreateAutoProvisioningGroup" => &["TotalTargetCapacity", "LaunchTemplateId"],
        "ImportImage" => &["DiskDeviceMapping.1.OSSBucket", "DiskDeviceMapping.1.OSSObject", "DiskDeviceMapping.1.Format"],
        "ModifyInstanceDeployment" => &["DeploymentSetId"],
        "CreateSnapshotGroup" => &["InstanceId"],
        "AddTags" | "RemoveTags" | "DescribeResourceByTags" => &["Tag.1.Key"],
        "ResetDisks" => &["Disk.1.DiskId", "Disk.1.SnapshotId"],
        "DeleteKeyPairs" => &["KeyPairNames"],
        "DeleteLaunchTemplateVersion" => &["LaunchTemplateId"],
        "CreateRouteEntry" => &["NextHopType"],
        "AssociateVpcCidrBlock" => &["IpVersion"],
        "AssignIpv6Addresses" => &["Ipv6AddressCount"],
        "UnassignIpv6Addresses" => &["Ipv6Address.1"],
        "ModifyIpv6InternetBandwidth" | "DeleteIpv6InternetBandwidth" => &["Ipv6AddressId"],
        "CreateSnatEntry" => &["SourceCIDR"],
        "AssociateNetworkAcl" | "UnassociateNetworkAcl" => &["Resource.1.ResourceId", "Resource.1.ResourceType"],
        _ => &[],
    }
}

/// Calls until the action asks for no more parameters; the last answer, and what was sent.
async fn call(world: &World, principal: &Arc<Principal>, seeds: &HashMap<&'static str, String>, action: &ecs::Action) -> (Reply, String) {
    let mut names = required(action.parameters, "");
    names.extend(besides(action.name).iter().map(|name| (*name).to_owned()));
    names.sort();
    names.dedup();
    let known = wire::parameter_names(action.parameters);
    for tried in 1.. {
        let said = |name: &String| {
            format!("&{name}={}", value(seeds, action.name, name, shape_of(action.parameters, name).unwrap_or(Shape::Text)))
        };
        let said: String = names.iter().map(said).collect();
        let form = format!("Action={}&Version={}{said}", action.name, action.products[0].version());
        let reply = world.call_as(principal, &form).await;
        let asked = reply.body.split("The input parameter \\\"").nth(1).and_then(|rest| rest.split('\\').next());
        match asked {
            Some(asked) if tried < TRIES => {
                let full = known.iter().find(|name| *name == asked || name.starts_with(&format!("{asked}.")));
                names.push(full.map_or_else(|| asked.to_owned(), |name| name.replace(".N", ".1")));
            }
            Some(_) | None => return (reply, form),
        }
    }
    unreachable!("the last try returns")
}

#[tokio::test]
async fn a_policy_against_an_action_stops_it() {
    let world = World::new().await;
    let seeds = seeds(&world).await;
    let (mut passed, mut calls) = (Vec::new(), 0);
    let works = |action: &&ecs::Action| matches!(action.state, ecs::State::Works(_)) && !ALWAYS_ALLOWED.contains(&action.name);
    for action in ecs::actions().filter(works) {
        let name = action.policy_name;
        let document = format!(
            r#"{{"Version": "1", "Statement": [{{"Effect": "Allow", "Action": "*", "Resource": "*"}}, {{"Effect": "Deny", "Action": "{name}", "Resource": "*"}}]}}"#
        );
        let user = format!("not-{}-{calls}", action.name.chars().take(40).collect::<String>());
        let key = world.cloud.user_create(world.owner.account, &user, vec![document]).await.unwrap();
        let principal = world.cloud.principal(&key.id).await.unwrap().unwrap();
        let (reply, form) = call(&world, &principal, &seeds, action).await;
        let code = texts(&reply.body, "Code").pop().unwrap_or_default();
        if !DENIED.contains(&code.as_str()) {
            passed.push(format!("{name}: {form}\n    {} {}", reply.status, reply.body.chars().take(400).collect::<String>()));
        }
        calls += 1;
    }
    assert!(calls > 100, "{calls}");
    assert!(passed.is_empty(), "{} calls were not denied:\n{}", passed.len(), passed.join("\n"));
}
