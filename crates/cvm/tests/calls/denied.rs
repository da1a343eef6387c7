//! A policy against every action.

use std::collections::HashMap;

use pileus_cvm as cvm;
use wire::Shape;

use crate::world::{TYPE, World, code_of};

/// A call that no policy forbids.
const ALWAYS_ALLOWED: [&str; 1] = ["GetCallerIdentity"];
/// Tries of one call while it asks for more parameters.
const TRIES: usize = 8;

/// Makes one of each thing, for parameters of these names.
async fn seeds(world: &World) -> HashMap<&'static str, String> {
    let mut seeds = HashMap::from([
        ("Account", world.owner.account.to_string()),
        ("ImageId", world.image("pileus-linux").await),
        ("InstanceId", world.run("").await.remove(0)),
    ]);
    world.settle().await;
    for (name, action, body, pointer) in [
        ("VpcId", "CreateVpc", r#"{"VpcName": "v", "CidrBlock": "10.8.0.0/16"}"#, "/Vpc/VpcId"),
        ("RouteTableId", "CreateRouteTable", r#"{"VpcId": "VPC", "RouteTableName": "r"}"#, "/RouteTable/RouteTableId"),
        (
            "SubnetId",
            "CreateSubnet",
            r#"{"VpcId": "VPC", "SubnetName": "s", "CidrBlock": "10.8.1.0/24", "Zone": "test-1a"}"#,
            "/Subnet/SubnetId",
        ),
        ("SecurityGroupId", "CreateSecurityGroup", r#"{"GroupName": "g", "GroupDescription": "d"}"#, "/SecurityGroup/SecurityGroupId"),
        (
            "NetworkInterfaceId",
            "CreateNetworkInterface",
            r#"{"VpcId": "VPC", "SubnetId": "SUBNET", "NetworkInterfaceName": "n"}"#,
            "/NetworkInterface/NetworkInterfaceId",
        ),
        (
            "DiskId",
            "CreateDisks",
            r#"{"Placement": {"Zone": "test-1a"}, "DiskType": "CLOUD_PREMIUM", "DiskChargeType": "POSTPAID_BY_HOUR", "DiskSize": 10, "DiskCount": 1}"#,
            "/DiskIdSet/0",
        ),
        ("AddressId", "AllocateAddresses", "{}", "/AddressSet/0"),
        ("BandwidthPackageId", "CreateBandwidthPackage", "{}", "/BandwidthPackageId"),
        ("DisasterRecoverGroupId", "CreateDisasterRecoverGroup", r#"{"Name": "g", "Type": "HOST"}"#, "/DisasterRecoverGroupId"),
        ("KeyId", "CreateKeyPair", r#"{"KeyName": "k", "ProjectId": 0}"#, "/KeyPair/KeyId"),
        (
            "LaunchTemplateId",
            "CreateLaunchTemplate",
            r#"{"LaunchTemplateName": "tpl", "Placement": {"Zone": "test-1a"}, "ImageId": "IMAGE"}"#,
            "/LaunchTemplateId",
        ),
        ("AutoSnapshotPolicyId", "CreateAutoSnapshotPolicy", r#"{"Policy": [{"Hour": [1], "DayOfWeek": [1]}]}"#, "/AutoSnapshotPolicyId"),
        ("SnapshotId", "CreateSnapshot", r#"{"DiskId": "DISK"}"#, "/SnapshotId"),
        ("NetworkAclId", "CreateNetworkAcl", r#"{"VpcId": "VPC", "NetworkAclName": "n"}"#, "/NetworkAcl/NetworkAclId"),
        ("Uin", "AddUser", r#"{"Name": "ann"}"#, "/Uin"),
        ("GroupId", "CreateGroup", r#"{"GroupName": "team"}"#, "/GroupId"),
        (
            "PolicyId",
            "CreatePolicy",
            r#"{"PolicyName": "p", "PolicyDocument": "{\"version\": \"2.0\", \"statement\": {\"effect\": \"allow\", \"action\": \"cvm:*\", \"resource\": \"*\"}}"}"#,
            "/PolicyId",
        ),
        (
            "NatGatewayId",
            "CreateNatGateway",
            r#"{"VpcId": "VPC", "NatGatewayName": "n", "AddressCount": 1}"#,
            "/NatGatewaySet/0/NatGatewayId",
        ),
    ] {
        let named = |word: &str| seeds.get(word).cloned().unwrap_or_default();
        let body = [("VPC", "VpcId"), ("SUBNET", "SubnetId"), ("IMAGE", "ImageId"), ("DISK", "DiskId")]
            .iter()
            .fold(body.to_owned(), |body, (word, name)| body.replace(&format!("\"{word}\""), &format!("\"{}\"", named(name))));
        let reply = world.json(action, &body).await;
        let text = |id: &serde_json::Value| id.as_str().map_or_else(|| id.to_string(), str::to_owned);
        seeds.insert(name, reply.pointer(pointer).map(text).unwrap_or_else(|| panic!("{action}: {reply}")));
        world.settle().await;
    }
    seeds
}

fn value(seeds: &HashMap<&'static str, String>, name: &str, shape: Shape) -> String {
    let word = name.rsplit('.').find(|part| part.parse::<u32>().is_err()).unwrap_or(name);
    let singular = word.strip_suffix('s').unwrap_or(word);
    let usual = match word {
        "Zone" => "test-1a",
        "InstanceType" => TYPE,
        "CidrBlock" | "DestinationCidrBlock" | "CidrBlocks" | "NewCidrBlocks" => "10.8.9.0/24",
        "Ipv6CidrBlock" => "fd12:3456:789a:101::/64",
        "Address" | "Ipv6Addresses" => "fd12:3456:789a:101::9",
        "GatewayType" => "NORMAL_CVM",
        "GatewayId" => "10.8.1.9",
        "Resource" | "ResourceList" => return format!("qcs::cvm:test-1:uin/{}:instance/{}", seeds["Account"], seeds["InstanceId"]),
        "ResourceIds" => return seeds["AddressId"].clone(),
        "RouteItemId" | "RouteItemIds" => "rti-0a08090018",
        "ServiceType" => "cvm",
        "ResourceId" => return seeds["SubnetId"].clone(),
        word if word.ends_with("Uin") => return seeds["Uin"].clone(),
        "AttachGroupId" | "DetachGroupId" | "TargetGroupId" => return seeds["GroupId"].clone(),
        "IpProtocol" | "Protocol" => "TCP",
        "Action" => "ACCEPT",
        "NatGatewaySnatId" | "NatGatewaySnatIds" => "snat-00000000000000001",
        "PublicIpAddress" | "PublicIpAddresses" => "192.0.2.9",
        "PrivateIpAddress" => "10.8.1.9",
        "ResourcePrefix" => "instance",
        "ResourceRegion" => "test-1",
        "RoleArn" => "qcs::cam::uin/111122223333:roleName/worker",
        "Password" => "Secret-word-9",
        "StartTime" => "1795175000",
        "EndTime" => "1795176000",
        "DiskSize" => "100",
        "LaunchTemplateVersions" => "2",
        "AccountIds" => "111122223333",
        "SourceVpcId" | "DestinationVpcId" => return seeds["VpcId"].clone(),
        "FlowLogId" | "FlowLogIds" => "fl-00000000000000001",
        "PeeringConnectionId" => "pcx-00000000000000001",
        "SourceInstanceId" | "DestinationInstanceId" => return seeds["InstanceId"].clone(),
        "Architecture" => "x86_64",
        "Attributes" => "UserData",
        "ImageUrl" => "cos://disks/a.raw",
        "BucketName" => "disks",
        "ActionTimerId" | "ActionTimerIds" => return seeds["InstanceId"].replace("ins-", "timer-"),
        "ActionTime" => "2026-12-24T00:00:00Z",
        "Operation" => "INSTANCE_DEGRADE",
        "NetworkAclIpv4EntryId" => return format!("acli4-{}i00100", seeds["NetworkAclId"].trim_start_matches("acl-")),
        "TagKeys" => "a",
        "VersionId" => "1",
        "RoleId" => "77",
        "SnapshotGroupId" | "SnapshotGroupIds" => "csnap-00000000000000001",
        "DiskBackupId" | "DiskBackupIds" => "dbp-00000000000000001",
        "TaskId" | "TaskIds" if shape != Shape::Number => "rep-00000000000000001",
        "Product" => "CVM",
        "PublicKey" => "ssh-ed25519%20AAAAC3NzaC1lZDI1NTE5AAAAIGRmmjnsPtmNn3MPAz0lgtBoTqpH0x57mvLbMgVmjSLe%20a",
        _ => "",
    };
    match (seeds.get(word).or_else(|| seeds.get(singular)), shape) {
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

/// Names of the leaves that must be there, with 0 for each number.
fn required(parameters: &[wire::Parameter], prefix: &str) -> Vec<String> {
    let mut names = Vec::new();
    for parameter in parameters.iter().filter(|parameter| parameter.required || parameter.name.is_empty()) {
        let number = if parameter.shape == Shape::List { ".0" } else { "" };
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
        "RunInstances" => &["Placement.Zone", "ImageId"],
        "ModifyInstancesAttribute" => &["InstanceIds.0", "InstanceName"],
        "CreateDisks" => &["DiskSize"],
        "ApplySnapshotGroup" => &["ApplyDisks.0.SnapshotId", "ApplyDisks.0.DiskId"],
        "DeleteSnapshotGroup" => &["SnapshotGroupIds.0"],
        "CreateNatGatewaySourceIpTranslationNatRule" => &[
            "SourceIpTranslationNatRules.0.ResourceType",
            "SourceIpTranslationNatRules.0.ResourceId",
            "SourceIpTranslationNatRules.0.PublicIpAddresses.0",
        ],
        "ModifyNatGatewaySourceIpTranslationNatRule" => &["SourceIpTranslationNatRule.NatGatewaySnatId"],
        "CreateNatGatewayDestinationIpPortTranslationNatRule" | "DeleteNatGatewayDestinationIpPortTranslationNatRule" => &[
            "DestinationIpPortTranslationNatRules.0.IpProtocol",
            "DestinationIpPortTranslationNatRules.0.PublicIpAddress",
            "DestinationIpPortTranslationNatRules.0.PublicPort",
            "DestinationIpPortTranslationNatRules.0.PrivateIpAddress",
            "DestinationIpPortTranslationNatRules.0.PrivatePort",
        ],
        "ReplaceSecurityGroupPolicy" => &[
            "SecurityGroupPolicySet.Ingress.0.PolicyIndex",
            "SecurityGroupPolicySet.Ingress.0.Action",
            "SecurityGroupPolicySet.Ingress.0.CidrBlock",
        ],
        "ModifySecurityGroupPolicies" => &["SecurityGroupPolicySet.Ingress.0.Action", "SecurityGroupPolicySet.Ingress.0.CidrBlock"],
        "AddUserToGroup" | "RemoveUserFromGroup" => &["Info.0.Uin"],
        "AttachRolePolicy" => &["AttachRoleName", "PolicyId"],
        "DetachRolePolicy" => &["DetachRoleName", "PolicyId"],
        "UpdatePolicy" => &["PolicyId"],
        "TagRole" => &["RoleName", "Tags.0.Key"],
        "UntagRole" => &["RoleName", "TagKeys.0"],
        "AssociateAddress" => &["InstanceId"],
        "RepairTaskControl" => &["InstanceIds.0"],
        "ResizeInstanceDisks" => &["SystemDisk.DiskSize", "ForceStop"],
        "DeleteNetworkAclEntries" => &["NetworkAclEntrySet.Ingress.0.NetworkAclIpv4EntryId"],
        "CreateNetworkAclEntries" | "ModifyNetworkAclEntries" => {
            &["NetworkAclEntrySet.Ingress.0.Protocol", "NetworkAclEntrySet.Ingress.0.Action", "NetworkAclEntrySet.Ingress.0.CidrBlock"]
        }
        "CreateRoutes" => &["Routes.0.DestinationCidrBlock", "Routes.0.GatewayType", "Routes.0.GatewayId"],
        "DeleteRoutes" => &["Routes.0.DestinationCidrBlock"],
        "ReplaceRoutes" => &["Routes.0.RouteItemId", "Routes.0.GatewayType", "Routes.0.GatewayId"],
        "ModifyResourceTags" => &["ReplaceTags.0.TagKey"],
        _ => &[],
    }
}

#[tokio::test]
async fn a_policy_against_an_action_stops_it() {
    let world = World::new().await;
    let seeds = seeds(&world).await;
    let (mut passed, mut calls) = (Vec::new(), 0);
    for action in cvm::actions().filter(|action| action.state != cvm::State::NotYet && !ALWAYS_ALLOWED.contains(&action.name)) {
        let name = action.policy_name;
        let document = format!(
            r#"{{"version": "2.0", "statement": [{{"effect": "allow", "action": "*", "resource": "*"}}, {{"effect": "deny", "action": "{name}", "resource": "*"}}]}}"#
        );
        let user = format!("not-{}-{calls}", action.name.chars().take(40).collect::<String>());
        let key = world.cloud.user_create(world.owner.account, &user, vec![document]).await.unwrap();
        let principal = world.cloud.principal(&key.id).await.unwrap().unwrap();
        let mut names = required(action.parameters, "");
        names.extend(besides(action.name).iter().map(|name| (*name).to_owned()));
        names.sort();
        names.dedup();
        let known = wire::parameter_names(action.parameters);
        for tried in 1.. {
            let said = |name: &String| format!("&{name}={}", value(&seeds, name, shape_of(action.parameters, name).unwrap_or(Shape::Text)));
            let said: String = names.iter().map(said).collect();
            let form = format!("Action={}&Version={}{said}", action.name, action.product.version());
            let reply = world.query_as(&principal, &form).await;
            let asked = reply.body.split("is missing the parameter `").nth(1).and_then(|rest| rest.split('`').next());
            match asked {
                Some(asked) if tried < TRIES => {
                    let full = known.iter().find(|name| *name == asked || name.starts_with(&format!("{asked}.")));
                    names.push(full.map_or_else(|| asked.to_owned(), |name| name.replace(".N", ".0")));
                }
                Some(_) | None => {
                    if !code_of(&reply).is_some_and(|code| code.ends_with("UnauthorizedOperation")) {
                        passed.push(format!("{name}: {form}\n    {}", reply.body.chars().take(400).collect::<String>()));
                    }
                    break;
                }
            }
        }
        calls += 1;
    }
    assert!(calls > 80, "{calls}");
    assert!(passed.is_empty(), "{} calls were not denied:\n{}", passed.len(), passed.join("\n"));
}
