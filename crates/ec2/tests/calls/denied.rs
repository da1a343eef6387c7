//! A policy against every action.

use std::collections::HashMap;
use std::sync::Arc;

use control::Principal;
use pileus_ec2 as ec2;
use wire::{Reply, Shape};

use crate::world::{World, elements};

/// Calls that no policy forbids: who asks is told who he is, and gets keys that can do what he can.
const ALWAYS_ALLOWED: [&str; 2] = ["GetCallerIdentity", "GetSessionToken"];
/// Codes of refusals by policy, each of one form of replies.
const DENIED: [&str; 3] = ["UnauthorizedOperation", "AccessDenied", "AccessDeniedException"];
/// Tries of one call while it asks for more parameters.
const TRIES: usize = 8;

/// Values for parameters of these names, of things that are there.
struct Seeds(HashMap<&'static str, String>);

impl Seeds {
    /// Makes one of each thing.
    async fn of(world: &World) -> Seeds {
        let mut seeds: HashMap<&'static str, String> = HashMap::new();
        let image = world.image("pileus-linux").await;
        let instance = world.run("MinCount=1&MaxCount=1").await.remove(0);
        world.settle().await;
        for (name, service, form, element) in [
            ("VpcId", "ec2", "Action=DescribeVpcs", "vpcId"),
            ("SubnetId", "ec2", "Action=DescribeSubnets", "subnetId"),
            ("GroupId", "ec2", "Action=DescribeSecurityGroups", "groupId"),
            ("RouteTableId", "ec2", "Action=DescribeRouteTables", "routeTableId"),
            ("TableTie", "ec2", "Action=DescribeRouteTables", "routeTableAssociationId"),
            ("AclTie", "ec2", "Action=DescribeNetworkAcls", "networkAclAssociationId"),
            ("NetworkAclId", "ec2", "Action=DescribeNetworkAcls", "networkAclId"),
            ("InternetGatewayId", "ec2", "Action=DescribeInternetGateways", "internetGatewayId"),
            ("AttachmentId", "ec2", "Action=DescribeNetworkInterfaces", "attachmentId"),
            ("VolumeId", "ec2", "Action=CreateVolume&AvailabilityZone=test-1a&Size=1", "volumeId"),
            ("AllocationId", "ec2", "Action=AllocateAddress", "allocationId"),
            (
                "LaunchTemplateId",
                "ec2",
                "Action=CreateLaunchTemplate&LaunchTemplateName=tpl&LaunchTemplateData.InstanceType=t3.nano",
                "launchTemplateId",
            ),
            ("UserName", "iam", "Action=CreateUser&UserName=ann", "UserName"),
            ("GroupName", "iam", "Action=CreateGroup&GroupName=team", "GroupName"),
            ("RoleName", "iam", TRUSTING, "RoleName"),
            ("InstanceProfileName", "iam", "Action=CreateInstanceProfile&InstanceProfileName=box", "InstanceProfileName"),
            ("PolicyArn", "iam", ALLOWING, "Arn"),
            ("", "iam", "Action=AddRoleToInstanceProfile&InstanceProfileName=box&RoleName=worker", ""),
            ("AccessKeyId", "iam", "Action=CreateAccessKey&UserName=ann", "AccessKeyId"),
        ] {
            let reply = world.call_as(&world.owner, service, form).await;
            assert_eq!(reply.status, 200, "{form}\n{}", reply.body);
            if !name.is_empty() {
                seeds.insert(name, elements(&reply.body, element).remove(0));
            }
        }
        world.settle().await;
        for (name, form, element) in [
            ("SnapshotId", "Action=CreateSnapshot&VolumeId=VOLUME", "snapshotId"),
            ("AddressTie", "Action=AssociateAddress&AllocationId=ADDRESS&InstanceId=INSTANCE", "associationId"),
            ("ProfileTie", "Action=AssociateIamInstanceProfile&InstanceId=INSTANCE&IamInstanceProfile.Name=box", "associationId"),
            ("NetworkInterfaceId", "Action=CreateNetworkInterface&SubnetId=SUBNET", "networkInterfaceId"),
            (
                "CapacityReservationId",
                "Action=CreateCapacityReservation&InstanceType=t3.nano&InstancePlatform=Linux/UNIX&AvailabilityZone=test-1a&InstanceCount=1",
                "capacityReservationId",
            ),
            ("", "Action=CreatePlacementGroup&GroupName=apart&Strategy=spread", ""),
            ("PrefixListId", "Action=CreateManagedPrefixList&PrefixListName=l&MaxEntries=2&AddressFamily=IPv4", "prefixListId"),
            (
                "DhcpOptionsId",
                "Action=CreateDhcpOptions&DhcpConfiguration.1.Key=domain-name&DhcpConfiguration.1.Value.1=a.b",
                "dhcpOptionsId",
            ),
            ("FlowLogId", "Action=CreateFlowLogs&ResourceType=Subnet&ResourceId.1=SUBNET&TrafficType=ALL&LogGroupName=flows", "item"),
            (
                "RuleInId",
                "Action=AuthorizeSecurityGroupIngress&GroupId=GROUP&IpPermissions.1.IpProtocol=-1&IpPermissions.1.IpRanges.1.CidrIp=10.7.0.0/16",
                "securityGroupRuleId",
            ),
            (
                "RuleId",
                "Action=AuthorizeSecurityGroupEgress&GroupId=GROUP&IpPermissions.1.IpProtocol=-1&IpPermissions.1.IpRanges.1.CidrIp=10.7.0.0/16",
                "securityGroupRuleId",
            ),
            ("EgressOnlyInternetGatewayId", "Action=CreateEgressOnlyInternetGateway&VpcId=VPC", "egressOnlyInternetGatewayId"),
            ("NatGatewayId", "Action=CreateNatGateway&SubnetId=SUBNET&ConnectivityType=private", "natGatewayId"),
            (
                "NetworkInsightsPathId",
                "Action=CreateNetworkInsightsPath&Source=INSTANCE&Destination=INSTANCE&Protocol=tcp&ClientToken=a",
                "networkInsightsPathId",
            ),
        ] {
            let form = form.replace("VOLUME", &seeds["VolumeId"]).replace("SUBNET", &seeds["SubnetId"]).replace("INSTANCE", &instance);
            let form = form.replace("ADDRESS", &seeds["AllocationId"]).replace("GROUP", &seeds["GroupId"]).replace("VPC", &seeds["VpcId"]);
            let reply = world.call(&form).await;
            assert_eq!(reply.status, 200, "{form}\n{}", reply.body);
            if !name.is_empty() {
                seeds.insert(name, elements(&reply.body, element).remove(0));
            }
        }
        let key = world.call_as(&world.owner, "kms", "Action=CreateKey").await;
        let id = key.body.split("\"KeyId\":\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a key has an id");
        seeds.insert("KeyId", id.to_owned());
        seeds.insert("SerialNumber", format!("arn:aws:iam::{}:mfa/phone", world.owner.account));
        seeds.insert("PolicySourceArn", format!("arn:aws:iam::{}:user/ann", world.owner.account));
        seeds.insert("InstanceId", instance);
        seeds.insert("ImageId", image);
        Seeds(seeds)
    }

    /// A value for a parameter, by the last part of its name that is no number.
    fn value(&self, action: &str, name: &str, shape: Shape) -> String {
        let word = name.rsplit('.').find(|part| part.parse::<u32>().is_err()).unwrap_or(name);
        let known = match (action, word) {
            (_, "ResourceId" | "Source" | "Destination") => self.0.get("InstanceId"),
            (_, "SourceSnapshotId" | "SecondSnapshotId") => self.0.get("SnapshotId"),
            (_, "SourceImageId") => self.0.get("ImageId"),
            (_, "TargetKeyId" | "KmsKeyId") => self.0.get("KeyId"),
            (_, "SecurityGroupId" | "GroupIds") => self.0.get("GroupId"),
            (_, other) => self.0.get(other),
        };
        let usual = match word {
            "Name" | "KeyName" => "name",
            "Key" | "TagKeys" | "ContextId" => "a",
            "CidrBlock" | "DestinationCidrBlock" => "10.9.0.0/16",
            "Ipv6CidrBlock" => "fd00::/64",
            "AvailabilityZone" => "test-1a",
            "SourceRegion" => "test-1",
            "InstanceType" => "t3.nano",
            "RuleNumber" => "77",
            "Protocol" => "6",
            "PolicyDocument" | "AssumeRolePolicyDocument" => "%7B%22Version%22%3A%222012-10-17%22%2C%22Statement%22%3A%5B%5D%7D",
            "RoleArn" => "arn:aws:iam::111122223333:role/worker",
            "ActionNames" => "ec2:DescribeVpcs",
            "AuthenticationCode1" | "AuthenticationCode2" => "000000",
            "RoleSessionName" | "Description" | "GroupDescription" => "words",
            "VpcPeeringConnectionId" => "pcx-00000000000000001",
            "PeerVpcId" => "vpc-00000000000000001",
            "AliasName" => "alias/name",
            "ServiceCode" => "ec2",
            "QuotaCode" => "L-0263D0A3",
            "DesiredValue" => "9",
            "VersionId" => "v1",
            "PermissionsBoundary" => "arn:aws:iam::aws:policy/ReadOnlyAccess",
            "PublicKeyMaterial" => PUBLIC_KEY,
            _ => "",
        };
        match (known, shape) {
            (Some(known), _) => known.clone(),
            (None, _) if !usual.is_empty() => usual.to_owned(),
            (None, Shape::Word(words)) => words.first().copied().unwrap_or("x").to_owned(),
            (None, Shape::Number) => "1".to_owned(),
            (None, Shape::Boolean) => "true".to_owned(),
            (None, Shape::Base64) => "YQ==".to_owned(),
            (None, Shape::Time) => "2026-11-20T12:00:00Z".to_owned(),
            (None, Shape::Json) => "%7B%7D".to_owned(),
            (None, Shape::Text | Shape::CommaList | Shape::List | Shape::Map | Shape::Structure) => "x".to_owned(),
        }
    }
}

const TRUSTING: &str = "Action=CreateRole&RoleName=worker&AssumeRolePolicyDocument=%7B%22Version%22%3A%222012-10-17%22%2C%22Statement%22%3A%5B%7B%22Effect%22%3A%22Allow%22%2C%22Principal%22%3A%7B%22Service%22%3A%22ec2.amazonaws.com%22%7D%2C%22Action%22%3A%22sts%3AAssumeRole%22%7D%5D%7D";
const ALLOWING: &str = "Action=CreatePolicy&PolicyName=p&PolicyDocument=%7B%22Version%22%3A%222012-10-17%22%2C%22Statement%22%3A%5B%7B%22Effect%22%3A%22Allow%22%2C%22Action%22%3A%22ec2%3ADescribeVpcs%22%2C%22Resource%22%3A%22%2A%22%7D%5D%7D";
const PUBLIC_KEY: &str =
    "c3NoLWVkMjU1MTkgQUFBQUMzTnphQzFsWkRJMU5URTVBQUFBSUdSbW1qbnNQdG1ObjNNUEF6MGxndEJvVHFwSDB4NTdtdkxiTWdWbWpTTGUgYQ%3D%3D";

/// What is sent of an action whose parameters a table does not tell well enough: words after `$` name seeds.
fn form_of(action: &str) -> Option<&'static str> {
    Some(match action {
        "ListPoliciesGrantingServiceAccess" => "Arn=$PolicySourceArn&ServiceNamespaces.member.1=ec2",
        "DeleteLaunchTemplateVersions" => "LaunchTemplateId=$LaunchTemplateId&LaunchTemplateVersion.1=2",
        "DescribeVolumeAttribute" => "VolumeId=$VolumeId&Attribute=autoEnableIO",
        "ModifyVolumeAttribute" => "VolumeId=$VolumeId&AutoEnableIO.Value=true",
        "CreateAccountAlias" | "DeleteAccountAlias" => "AccountAlias=acme",
        "ModifyInstanceEventStartTime" => {
            "InstanceId=$InstanceId&InstanceEventId=instance-event-00000000000000001&NotBefore=2026-11-20T13:00:00Z"
        }
        "ModifyInstanceAttribute" => "InstanceId=$InstanceId&DisableApiTermination.Value=true",
        "AssociateIamInstanceProfile" => "InstanceId=$InstanceId&IamInstanceProfile.Name=box",
        "DisassociateIamInstanceProfile" => "AssociationId=$ProfileTie",
        "ReplaceIamInstanceProfileAssociation" => "AssociationId=$ProfileTie&IamInstanceProfile.Name=box",
        "ModifyVolume" => "VolumeId=$VolumeId&Size=2",
        "RegisterImage" => {
            "Name=name&RootDeviceName=/dev/sda1&BlockDeviceMapping.1.DeviceName=/dev/sda1&BlockDeviceMapping.1.Ebs.SnapshotId=$SnapshotId"
        }
        "ImportImage" => "DiskContainer.1.Format=raw&DiskContainer.1.UserBucket.S3Bucket=disks&DiskContainer.1.UserBucket.S3Key=a.raw",
        "ImportSnapshot" => "DiskContainer.Format=raw&DiskContainer.UserBucket.S3Bucket=disks&DiskContainer.UserBucket.S3Key=a.raw",
        "CancelImportTask" => "ImportTaskId=import-ami-00000000000000001",
        "CancelExportTask" => "ExportTaskId=export-ami-00000000000000001",
        "ModifyImageAttribute" => "ImageId=$ImageId&Description.Value=words",
        "ResetImageAttribute" => "ImageId=$ImageId&Attribute=launchPermission",
        "ModifySnapshotAttribute" => "SnapshotId=$SnapshotId&Attribute=createVolumePermission&OperationType=add&UserId.1=111122223333",
        "DescribeSnapshotAttribute" | "ResetSnapshotAttribute" => "SnapshotId=$SnapshotId&Attribute=createVolumePermission",
        "EnableImageDeprecation" => "ImageId=$ImageId&DeprecateAt=2027-01-01T00:00:00Z",
        "ModifyInstanceCreditSpecification" => {
            "InstanceCreditSpecification.1.InstanceId=$InstanceId&InstanceCreditSpecification.1.CpuCredits=unlimited"
        }
        "ModifySecurityGroupRules" => {
            "GroupId=$GroupId&SecurityGroupRule.1.SecurityGroupRuleId=$RuleId&SecurityGroupRule.1.SecurityGroupRule.IpProtocol=-1&SecurityGroupRule.1.SecurityGroupRule.CidrIpv4=10.0.0.0/8"
        }
        "UpdateSecurityGroupRuleDescriptionsEgress" => "GroupId=$GroupId&SecurityGroupRuleDescription.1.SecurityGroupRuleId=$RuleId",
        "UpdateSecurityGroupRuleDescriptionsIngress" => "GroupId=$GroupId&SecurityGroupRuleDescription.1.SecurityGroupRuleId=$RuleInId",
        "AuthorizeSecurityGroupIngress" | "AuthorizeSecurityGroupEgress" | "RevokeSecurityGroupIngress" | "RevokeSecurityGroupEgress" => {
            "GroupId=$GroupId&IpPermissions.1.IpProtocol=tcp&IpPermissions.1.FromPort=22&IpPermissions.1.ToPort=22&IpPermissions.1.IpRanges.1.CidrIp=10.0.0.0/8"
        }
        "CreateRoute" | "ReplaceRoute" => "RouteTableId=$RouteTableId&DestinationCidrBlock=0.0.0.0/0&GatewayId=$InternetGatewayId",
        "DisassociateVpcCidrBlock" => "AssociationId=vpc-cidr-assoc-00000000000000001",
        "DisassociateSubnetCidrBlock" => "AssociationId=subnet-cidr-assoc-00000000000000001",
        "DisassociateRouteTable" => "AssociationId=$TableTie",
        "ReplaceRouteTableAssociation" => "AssociationId=$TableTie&RouteTableId=$RouteTableId",
        "ModifyNetworkInterfaceAttribute" => "NetworkInterfaceId=$NetworkInterfaceId&Description.Value=words",
        "AssignPrivateIpAddresses" => "NetworkInterfaceId=$NetworkInterfaceId&SecondaryPrivateIpAddressCount=1",
        "DisassociateAddress" => "AssociationId=$AddressTie",
        "DisassociateNatGatewayAddress" => "NatGatewayId=$NatGatewayId&AssociationId.1=$AddressTie",
        "CreateNetworkAclEntry" | "ReplaceNetworkAclEntry" => {
            "NetworkAclId=$NetworkAclId&RuleNumber=77&Protocol=-1&RuleAction=allow&Egress=true&CidrBlock=10.9.0.0/16"
        }
        "CreateNetworkInsightsPath" => "Source=$InstanceId&Destination=$InstanceId&Protocol=tcp&ClientToken=b",
        "DeleteNetworkInsightsAnalysis" => "NetworkInsightsAnalysisId=nia-00000000000000001",
        "GetRequestedServiceQuotaChange" => "RequestId=qr-00000000000000001",
        "ReplaceNetworkAclAssociation" => "AssociationId=$AclTie&NetworkAclId=$NetworkAclId",
        "ModifyManagedPrefixList" => "PrefixListId=$PrefixListId&PrefixListName=other",
        "CreateManagedPrefixList" => "PrefixListName=more&MaxEntries=1&AddressFamily=IPv4",
        "CreateDhcpOptions" => "DhcpConfiguration.1.Key=domain-name&DhcpConfiguration.1.Value.1=a.b",
        "CreateFlowLogs" => "ResourceType=VPC&ResourceId.1=$VpcId&TrafficType=ALL&LogGroupName=flows",
        "DeleteFlowLogs" => "FlowLogId.1=$FlowLogId",
        "DescribeLogStreams" | "FilterLogEvents" | "DeleteLogGroup" | "DeleteRetentionPolicy" => "logGroupName=flows",
        "GetLogEvents" => "logGroupName=flows&logStreamName=none",
        "PutRetentionPolicy" => "logGroupName=flows&retentionInDays=7",
        "CreateCapacityReservation" => "InstanceType=t3.nano&InstancePlatform=Linux/UNIX&AvailabilityZone=test-1a&InstanceCount=1",
        "ModifyCapacityReservation" => "CapacityReservationId=$CapacityReservationId&InstanceCount=2",
        "ModifyInstanceCapacityReservationAttributes" => {
            "InstanceId=$InstanceId&CapacityReservationSpecification.CapacityReservationPreference=none"
        }
        "CreateFleet" => {
            "TargetCapacitySpecification.TotalTargetCapacity=1&LaunchTemplateConfigs.1.LaunchTemplateSpecification.LaunchTemplateId=$LaunchTemplateId"
        }
        "DeleteFleets" => "FleetId.1=fleet-00000000000000001&TerminateInstances=true",
        "DescribeFleetHistory" => "FleetId=fleet-00000000000000001&StartTime=2026-11-20T00:00:00Z",
        "DescribeFleetInstances" | "ModifyFleet" => "FleetId=fleet-00000000000000001",
        "CreateLifecyclePolicy" => {
            "ExecutionRoleArn=arn:aws:iam::111122223333:role/worker&Description=d&State=ENABLED&PolicyDetails.ResourceTypes.1=VOLUME&PolicyDetails.TargetTags.1.Key=a&PolicyDetails.TargetTags.1.Value=b&PolicyDetails.Schedules.1.CreateRule.Interval=24&PolicyDetails.Schedules.1.RetainRule.Count=1"
        }
        "GetLifecyclePolicy" | "DeleteLifecyclePolicy" => "PolicyId=policy-00000000000000001",
        "UpdateLifecyclePolicy" => "PolicyId=policy-00000000000000001&State=DISABLED",
        "ListTagsForResource" => "ResourceArn=policy-00000000000000001",
        "TagResource" => "ResourceArn=policy-00000000000000001&Tags.1.Key=a&Tags.1.Value=b",
        "UntagResource" => "ResourceArn=policy-00000000000000001&TagKeys.1=a",
        "DeletePlacementGroup" => "GroupName=apart",
        "ModifyInstancePlacement" => "InstanceId=$InstanceId&GroupName=",
        _ => return None,
    })
}

/// The shape of a parameter by its full name.
fn shape_of(parameters: &[wire::Parameter], name: &str) -> Shape {
    let word = name.rsplit('.').find(|part| part.parse::<u32>().is_err()).unwrap_or(name);
    let found = parameters.iter().find_map(|parameter| match parameter.name == word {
        true => Some(parameter.shape),
        false => Some(shape_of(parameter.members, word)).filter(|shape| *shape != Shape::Map),
    });
    found.unwrap_or(Shape::Map)
}

/// Names of the leaves that must be there, with 1 for each number.
fn required(parameters: &[wire::Parameter], prefix: &str) -> Vec<String> {
    let mut names = Vec::new();
    for parameter in parameters.iter().filter(|parameter| parameter.required || parameter.name.is_empty()) {
        let name = match parameter.shape {
            Shape::List => format!("{prefix}{}.1", parameter.name),
            _ => format!("{prefix}{}", parameter.name),
        };
        match (parameter.name.is_empty(), parameter.members.is_empty()) {
            (true, _) => names.extend(required(parameter.members, prefix)),
            (false, true) => names.push(name),
            (false, false) => names.extend(required(parameter.members, &format!("{name}."))),
        }
    }
    names
}

fn code(reply: &Reply) -> String {
    let json = reply.body.split("\"__type\":\"").nth(1).and_then(|rest| rest.split('"').next());
    elements(&reply.body, "Code").pop().or(json.map(str::to_owned)).unwrap_or_default()
}

/// Calls until the action asks for no more parameters; the last answer, and what was sent.
async fn call(world: &World, principal: &Arc<Principal>, seeds: &Seeds, action: &ec2::ActionInfo) -> (Reply, String) {
    if let Some(said) = form_of(action.name) {
        let form =
            seeds.0.iter().fold(format!("Action={}&{said}", action.name), |form, (name, value)| form.replace(&format!("${name}"), value));
        return (world.call_as(principal, action.service.as_str(), &form).await, form);
    }
    let mut names = required(action.parameters, "");
    let known = wire::parameter_names(action.parameters);
    for tried in 1.. {
        let value = |name: &String| seeds.value(action.name, name, shape_of(action.parameters, name));
        let said: String = names.iter().map(|name| format!("&{name}={}", value(name))).collect();
        let form = format!("Action={}{said}", action.name);
        let reply = world.call_as(principal, action.service.as_str(), &form).await;
        let asked = reply.body.split("must contain the parameter ").nth(1).and_then(|rest| rest.split(['<', '"', ' ']).next());
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
    let seeds = Seeds::of(&world).await;
    let (mut passed, mut calls) = (Vec::new(), 0);
    for action in ec2::actions().filter(|action| !ALWAYS_ALLOWED.contains(&action.name)) {
        let name = format!("{}:{}", action.service.as_str(), action.name);
        let document = format!(
            r#"{{"Version": "2012-10-17", "Statement": [{{"Effect": "Allow", "Action": "*", "Resource": "*"}}, {{"Effect": "Deny", "Action": "{name}", "Resource": "*"}}]}}"#
        );
        let user = format!("not-{}-{calls}", action.name.chars().take(40).collect::<String>());
        let key = world.cloud.user_create(world.owner.account, &user, vec![document]).await.unwrap();
        let principal = world.cloud.principal(&key.id).await.unwrap().unwrap();
        let (reply, form) = call(&world, &principal, &seeds, &action).await;
        if !DENIED.contains(&code(&reply).as_str()) {
            passed.push(format!("{name}: {form}\n    {} {}", reply.status, reply.body.chars().take(400).collect::<String>()));
        }
        calls += 1;
    }
    assert!(calls > 150, "{calls}");
    assert!(passed.is_empty(), "{} calls were not denied:\n{}", passed.len(), passed.join("\n"));
}
