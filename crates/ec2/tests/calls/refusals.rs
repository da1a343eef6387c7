//! What EC2's clients are told when something is wrong: the code, which they act on.

use crate::world::{World, elements};
use pileus_ec2 as ec2;

const RUN: &str = "Action=RunInstances&MinCount=1&MaxCount=1";

#[tokio::test]
async fn bad_input_is_refused_with_ec2s_codes() {
    let world = World::new().await;
    let image = world.image("pileus-linux").await;
    let run = format!("{RUN}&ImageId={image}&InstanceType=t3.nano");
    let long = "QUJD".repeat(5_500);
    let volume = "vol-00000000000000001";
    let absent = "i-00000000000000001";
    for (form, status, code) in [
        ("", 400, "MissingAction"),
        ("Action=Nonsense", 400, "InvalidAction"),
        ("Action=RequestSpotInstances", 400, "UnsupportedOperation"),
        ("Action=DescribeInstances&Action=RunInstances", 400, "InvalidParameterValue"),
        ("Action=DescribeInstances&Foo=1", 400, "UnknownParameter"),
        ("Action=DescribeInstances&InstanceId.1=x", 400, "InvalidInstanceID.Malformed"),
        (&format!("Action=DescribeInstances&InstanceId.1={volume}"), 400, "InvalidInstanceID.Malformed"),
        (&format!("Action=DescribeInstances&InstanceId.1={absent}"), 400, "InvalidInstanceID.NotFound"),
        (&format!("Action=DescribeInstances&InstanceId.1={absent}&MaxResults=5"), 400, "InvalidParameterCombination"),
        ("Action=DescribeInstances&MaxResults=4", 400, "InvalidParameterValue"),
        ("Action=DescribeInstances&MaxResults=many", 400, "InvalidParameterValue"),
        ("Action=DescribeInstances&NextToken=x", 400, "InvalidNextToken"),
        ("Action=DescribeInstances&Filter.1.Name=nonsense&Filter.1.Value.1=x", 400, "InvalidParameterValue"),
        ("Action=DescribeInstances&Filter.1.Value.1=x", 400, "MissingParameter"),
        ("Action=DescribeInstanceTypes&InstanceType.1=x.y", 400, "InvalidInstanceType"),
        ("Action=DescribeInstanceTypes&MaxResults=101", 400, "InvalidParameterValue"),
        ("Action=DescribeAvailabilityZones&ZoneName.1=mars", 400, "InvalidParameterValue"),
        ("Action=DescribeImages&ImageId.1=ami-00000000000000001", 400, "InvalidAMIID.NotFound"),
        ("Action=DescribeImages&ImageId.1=ami-1", 400, "InvalidAMIID.Malformed"),
        (&format!("Action=DescribeVolumes&VolumeId.1={volume}"), 400, "InvalidVolume.NotFound"),
        ("Action=DescribeVpcs&VpcId.1=vpc-00000000000000001", 400, "InvalidVpcID.NotFound"),
        ("Action=DescribeSubnets&SubnetId.1=subnet-00000000000000001", 400, "InvalidSubnetID.NotFound"),
        ("Action=DescribeSecurityGroups&GroupId.1=sg-00000000000000001", 400, "InvalidGroup.NotFound"),
        ("Action=DescribeSecurityGroups&GroupName.1=nobody", 400, "InvalidGroup.NotFound"),
        ("Action=DescribeNetworkInterfaces&NetworkInterfaceId.1=eni-00000000000000001", 400, "InvalidNetworkInterfaceID.NotFound"),
        ("Action=DescribeKeyPairs&KeyName.1=none", 400, "InvalidKeyPair.NotFound"),
        ("Action=CreateKeyPair", 400, "MissingParameter"),
        ("Action=CreateKeyPair&KeyName=a&KeyFormat=jwk", 400, "InvalidParameterValue"),
        ("Action=CreateKeyPair&KeyName=a&KeyType=dsa", 400, "InvalidParameterValue"),
        ("Action=ImportKeyPair&KeyName=a&PublicKeyMaterial=%21", 400, "InvalidKey.Format"),
        ("Action=ImportKeyPair&KeyName=a&PublicKeyMaterial=aGVsbG8%3D", 400, "InvalidKey.Format"),
        ("Action=DeleteKeyPair", 400, "MissingParameter"),
        (RUN, 400, "MissingParameter"),
        (&format!("{RUN}&ImageId=ami-00000000000000001&InstanceType=t3.nano"), 400, "InvalidAMIID.NotFound"),
        (&format!("{RUN}&ImageId={image}&InstanceType=t9.vast"), 400, "InvalidParameterValue"),
        (&format!("{run}&KeyName=none"), 400, "InvalidKeyPair.NotFound"),
        (&format!("{run}&SubnetId=subnet-00000000000000001"), 400, "InvalidSubnetID.NotFound"),
        (&format!("{run}&SecurityGroupId.1=sg-00000000000000001"), 400, "InvalidGroup.NotFound"),
        (&format!("{run}&SecurityGroup.1=none"), 400, "InvalidGroup.NotFound"),
        (&format!("{run}&Placement.AvailabilityZone=mars"), 400, "InvalidParameterValue"),
        (&format!("{run}&Placement.Tenancy=dedicated"), 400, "UnsupportedOperation"),
        (&format!("{run}&UserData=%21%21"), 400, "InvalidUserData.Malformed"),
        (&format!("{run}&UserData={}", long), 400, "InvalidParameterValue"),
        (&format!("{run}&PrivateIpAddress=10.0.0.1"), 400, "InvalidParameterValue"),
        (&format!("{run}&PrivateIpAddress=nowhere"), 400, "InvalidParameterValue"),
        (&format!("{run}&BlockDeviceMapping.1.DeviceName=/dev/sdb"), 400, "MissingParameter"),
        (&format!("{run}&BlockDeviceMapping.1.DeviceName=/dev/sdb&BlockDeviceMapping.1.Ebs.VolumeSize=0"), 400, "InvalidParameterValue"),
        (&format!("{run}&BlockDeviceMapping.1.DeviceName=/dev/xvda&BlockDeviceMapping.1.NoDevice="), 400, "UnsupportedOperation"),
        (
            &format!(
                "{run}&BlockDeviceMapping.1.DeviceName=/dev/sdb&BlockDeviceMapping.1.Ebs.VolumeSize=1\
                 &BlockDeviceMapping.2.DeviceName=/dev/sdb&BlockDeviceMapping.2.Ebs.VolumeSize=1"
            ),
            400,
            "InvalidParameterValue",
        ),
        ("Action=CreateVolume&Size=1", 400, "MissingParameter"),
        ("Action=CreateVolume&AvailabilityZone=test-1a", 400, "MissingParameter"),
        ("Action=CreateVolume&AvailabilityZone=mars&Size=1", 400, "InvalidParameterValue"),
        ("Action=CreateVolume&AvailabilityZone=test-1a&Size=0", 400, "InvalidParameterValue"),
        ("Action=CreateVolume&AvailabilityZone=test-1a&Size=-1", 400, "InvalidParameterValue"),
        ("Action=CreateVolume&AvailabilityZone=test-1a&Size=16385", 400, "InvalidParameterValue"),
        ("Action=CreateVolume&AvailabilityZone=test-1a&Size=1&VolumeType=io2", 400, "MissingParameter"),
        ("Action=CreateVolume&AvailabilityZone=test-1a&Size=1&VolumeType=tape", 400, "InvalidParameterValue"),
        ("Action=CreateVolume&AvailabilityZone=test-1a&Size=1&KmsKeyId=alias/none", 400, "InvalidParameterCombination"),
        ("Action=CreateVolume&AvailabilityZone=test-1a&Size=1&Encrypted=true&KmsKeyId=alias/none", 400, "InvalidKMSKey.NotFound"),
        ("Action=ModifyEbsDefaultKmsKeyId&KmsKeyId=00000000-0000-4000-8000-000000000000", 400, "InvalidKMSKey.NotFound"),
        ("Action=CreateVolume&AvailabilityZone=test-1a&Size=1&Iops=3000", 400, "InvalidParameterCombination"),
        ("Action=CreateVolume&AvailabilityZone=test-1a&SnapshotId=snap-00000000000000001&Size=1", 400, "InvalidSnapshot.NotFound"),
        ("Action=CreateVolume&AvailabilityZone=test-1a&Size=1&DryRun=true", 412, "DryRunOperation"),
        (&format!("Action=AttachVolume&VolumeId={volume}&InstanceId={absent}"), 400, "MissingParameter"),
        (&format!("Action=AttachVolume&VolumeId={volume}&InstanceId={absent}&Device=/dev/sdf"), 400, "InvalidVolume.NotFound"),
        (&format!("Action=AttachVolume&VolumeId=vol-1&InstanceId={absent}&Device=/dev/sdf"), 400, "InvalidVolumeID.Malformed"),
        (&format!("Action=DetachVolume&VolumeId={volume}"), 400, "InvalidVolume.NotFound"),
        (&format!("Action=DeleteVolume&VolumeId={volume}"), 400, "InvalidVolume.NotFound"),
        (&format!("Action=ModifyVolume&VolumeId={volume}&Size=2"), 400, "InvalidVolume.NotFound"),
        (&format!("Action=ModifyVolume&VolumeId={volume}"), 400, "InvalidParameterCombination"),
        (&format!("Action=ModifyVolume&VolumeId={volume}&Throughput=500"), 400, "InvalidVolume.NotFound"),
        (&format!("Action=DescribeVolumesModifications&VolumeId.1={volume}"), 400, "InvalidVolume.NotFound"),
        (
            &format!("{run}&BlockDeviceMapping.1.DeviceName=/dev/xvda&BlockDeviceMapping.1.Ebs.VolumeSize=20000"),
            400,
            "InvalidBlockDeviceMapping",
        ),
        (&format!("{run}&BlockDeviceMapping.1.DeviceName=/dev/xvda&BlockDeviceMapping.1.Ebs.VolumeType=io2"), 400, "MissingParameter"),
        (&format!("{run}&LaunchTemplate.LaunchTemplateName=nobody"), 400, "InvalidLaunchTemplateName.NotFoundException"),
        (&format!("{run}&NetworkInterface.1.DeviceIndex=0&SubnetId=subnet-00000000000000001"), 400, "InvalidParameterCombination"),
        (&format!("{run}&NetworkInterface.1.DeviceIndex=1"), 400, "InvalidParameterValue"),
        (&format!("{run}&NetworkInterface.1.DeviceIndex=0&NetworkInterface.1.Ipv6AddressCount=1"), 400, "InvalidParameterCombination"),
        (&format!("{run}&NetworkInterface.1.DeviceIndex=0&NetworkInterface.1.Ipv6PrefixCount=1"), 400, "UnsupportedOperation"),
        (&format!("{run}&TagSpecification.1.ResourceType=vpc"), 400, "UnsupportedOperation"),
        (&format!("{run}&TagSpecification.1.ResourceType=instance&TagSpecification.1.Tag.1.Key=aws:x"), 400, "InvalidParameterValue"),
        (&format!("{run}&MinCount=1"), 400, "InvalidParameterValue"),
        (&format!("Action=RunInstances&MinCount=2&MaxCount=1&ImageId={image}&InstanceType=t3.nano"), 400, "InvalidParameterValue"),
        (&format!("Action=RunInstances&MinCount=1&MaxCount=101&ImageId={image}&InstanceType=t3.nano"), 400, "InvalidParameterValue"),
        (&format!("Action=RunInstances&MinCount=-1&MaxCount=1&ImageId={image}&InstanceType=t3.nano"), 400, "InvalidParameterValue"),
        (&format!("{run}&InstanceType=r6i.16xlarge").replace("&InstanceType=t3.nano", ""), 500, "InsufficientInstanceCapacity"),
        (&format!("{run}&DryRun=true"), 412, "DryRunOperation"),
        ("Action=DescribeInstances&DryRun=true", 412, "DryRunOperation"),
        ("Action=StartInstances", 400, "MissingParameter"),
        (&format!("Action=StartInstances&InstanceId.1={absent}"), 400, "InvalidInstanceID.NotFound"),
        (&format!("Action=StopInstances&InstanceId.1={absent}&Hibernate=true"), 400, "UnsupportedOperation"),
        (&format!("Action=TerminateInstances&InstanceId.1={absent}"), 400, "InvalidInstanceID.NotFound"),
        (&format!("Action=GetConsoleOutput&InstanceId={absent}"), 400, "InvalidInstanceID.NotFound"),
        (&format!("Action=DescribeInstanceAttribute&InstanceId={absent}&Attribute=colour"), 400, "InvalidParameterValue"),
        (&format!("Action=ModifyInstanceAttribute&InstanceId={absent}"), 400, "MissingParameter"),
        (&format!("Action=ModifyInstanceAttribute&InstanceId={absent}&InstanceType.Value=t3.micro"), 400, "InvalidInstanceID.NotFound"),
        (&format!("Action=ModifyInstanceAttribute&InstanceId={absent}&InstanceType.Value=t9.vast"), 400, "InvalidInstanceAttributeValue"),
        ("Action=CreateTags&ResourceId.1=x&Tag.1.Key=a", 400, "InvalidInstanceID.Malformed"),
        ("Action=CreateTags&Tag.1.Key=a", 400, "MissingParameter"),
        ("Action=DescribeTags&Filter.1.Name=colour&Filter.1.Value.1=x", 400, "InvalidParameterValue"),
    ] {
        world.refused(form, status, code).await;
    }
    assert!(elements(&world.call("Action=DescribeInstances").await.body, "instanceId").is_empty(), "nothing refused left anything");
}

#[tokio::test]
async fn states_and_protections_refuse_calls() {
    let world = World::new().await;
    let id = world.run("MinCount=1&MaxCount=1&DisableApiTermination=true").await.remove(0);
    let named = format!("InstanceId.1={id}");
    world.refused(&format!("Action=StopInstances&{named}"), 400, "IncorrectInstanceState").await;
    world.settle().await;
    world.refused(&format!("Action=TerminateInstances&{named}"), 400, "OperationNotPermitted").await;
    world.refused(&format!("Action=ModifyInstanceAttribute&InstanceId={id}&UserData.Value=eA"), 400, "IncorrectInstanceState").await;
    let both = "DisableApiTermination.Value=false&DisableApiStop.Value=true";
    world.refused(&format!("Action=ModifyInstanceAttribute&InstanceId={id}&{both}"), 400, "InvalidParameterCombination").await;
    let lift = "Attribute=disableApiTermination&Value=false";
    assert_eq!(world.call(&format!("Action=ModifyInstanceAttribute&InstanceId={id}&{lift}")).await.status, 200);
    assert_eq!(world.call(&format!("Action=ModifyInstanceAttribute&InstanceId={id}&DisableApiStop.Value=true")).await.status, 200);
    world.refused(&format!("Action=StopInstances&{named}"), 400, "OperationNotPermitted").await;
    assert_eq!(world.call(&format!("Action=TerminateInstances&{named}")).await.status, 200);
    world.refused(&format!("Action=StartInstances&{named}"), 400, "IncorrectInstanceState").await;
}

#[tokio::test]
async fn anothers_instance_looks_like_none() {
    let world = World::new().await;
    let id = world.run("MinCount=1&MaxCount=1").await.remove(0);
    for form in [
        format!("Action=DescribeInstances&InstanceId.1={id}"),
        format!("Action=TerminateInstances&InstanceId.1={id}"),
        format!("Action=CreateTags&ResourceId.1={id}&Tag.1.Key=a"),
    ] {
        let absent = world.call_as(&world.stranger, "ec2", &form.replace(&id, "i-00000000000000001")).await;
        let anothers = world.call_as(&world.stranger, "ec2", &form).await;
        assert_eq!(anothers.body, absent.body.replace("i-00000000000000001", &id), "{form}");
        assert_eq!(elements(&anothers.body, "Code"), ["InvalidInstanceID.NotFound"], "{form}");
    }
    let listed = world.call_as(&world.stranger, "ec2", "Action=DescribeInstances").await;
    assert!(!listed.body.contains(&id));
}

#[tokio::test]
async fn a_client_token_answers_as_the_first_call_did() {
    let world = World::new().await;
    let first = world.run("MinCount=1&MaxCount=2&ClientToken=once").await;
    assert_eq!(first, world.run("MinCount=1&MaxCount=2&ClientToken=once").await);
    let image = world.image("pileus-linux").await;
    let other = format!("{RUN}&ImageId={image}&InstanceType=t3.nano&ClientToken=once");
    world.refused(&other, 400, "IdempotentParameterMismatch").await;
}

#[tokio::test]
async fn a_quota_stops_launches() {
    let world = World::new().await;
    world.cloud.quota_set(world.owner.account, model::QuotaName::Instances, 3).await.unwrap();
    assert_eq!(world.run("MinCount=1&MaxCount=5").await.len(), 3);
    let image = world.image("pileus-linux").await;
    world.refused(&format!("{RUN}&ImageId={image}&InstanceType=t3.nano"), 400, "InstanceLimitExceeded").await;
}

#[tokio::test]
async fn a_user_may_do_what_policies_allow() {
    let world = World::new().await;
    let policy = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"ec2:Describe*","Resource":"*"}]}"#;
    let key = world.cloud.user_create(world.owner.account, "reader", vec![policy.to_owned()]).await.unwrap();
    let reader = world.cloud.principal(&key.id).await.unwrap().unwrap();
    let id = world.run("MinCount=1&MaxCount=1").await.remove(0);
    let read = world.call_as(&reader, "ec2", "Action=DescribeInstances").await;
    assert_eq!(elements(&read.body, "instanceId"), [id.as_str()]);
    for form in [format!("Action=TerminateInstances&InstanceId.1={id}"), format!("Action=TerminateInstances&InstanceId.1={id}&DryRun=true")]
    {
        let refused = world.call_as(&reader, "ec2", &form).await;
        assert_eq!((refused.status, elements(&refused.body, "Code")), (403, vec!["UnauthorizedOperation".to_owned()]), "{form}");
    }
    let who = world.call_as(&reader, "sts", "Action=GetCallerIdentity&Version=2011-06-15").await;
    assert!(elements(&who.body, "Arn")[0].ends_with(":user/reader"), "{}", who.body);
}

#[tokio::test]
async fn each_service_is_refused_in_its_own_form() {
    let world = World::new().await;
    for (service, begins) in [
        ("ec2", "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Response><Errors><Error><Code>InvalidAction</Code>"),
        ("sts", "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">"),
        ("autoscaling", "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ErrorResponse xmlns=\"http://autoscaling.amazonaws.com/"),
        ("ssm", "{\"__type\":\"UnknownOperationException\","),
    ] {
        let reply = world.call_as(&world.owner, service, "Action=Nonsense").await;
        assert_eq!(reply.status, 400, "{service}");
        assert!(reply.body.starts_with(begins), "{service}: {}", reply.body);
    }
}

#[test]
fn signatures_are_refused_with_each_services_codes() {
    use wire::{Scheme, SignatureError};
    let scheme = Scheme::AwsV4;
    let at = "2026-11-20T12:00:00Z".parse().unwrap();
    for (refusal, ec2_says, sts_says) in [
        (ec2::Refusal::UnknownKey, (401, "AuthFailure"), (403, "InvalidClientTokenId")),
        (
            ec2::Refusal::Cloud(model::Error::TooManyRequests { action: "ec2:DescribeVpcs".to_owned() }),
            (503, "RequestLimitExceeded"),
            (400, "Throttling"),
        ),
        (ec2::Refusal::Signature(SignatureError::Mismatch { scheme }), (403, "SignatureDoesNotMatch"), (403, "SignatureDoesNotMatch")),
        (ec2::Refusal::Signature(SignatureError::Expired { scheme, at }), (400, "RequestExpired"), (403, "SignatureDoesNotMatch")),
        (ec2::Refusal::Signature(SignatureError::Missing), (403, "MissingAuthenticationToken"), (403, "MissingAuthenticationToken")),
        (
            ec2::Refusal::Signature(SignatureError::Incomplete { scheme, part: "Signature" }),
            (400, "IncompleteSignature"),
            (400, "IncompleteSignature"),
        ),
    ] {
        for (service, (status, code)) in [("ec2", ec2_says), ("sts", sts_says)] {
            let reply = ec2::refuse(&refusal, Some(service), "req-1");
            assert_eq!((reply.status, elements(&reply.body, "Code")), (status, vec![code.to_owned()]), "{service} {refusal:?}");
        }
    }
}

#[test]
fn a_message_repeats_no_megabyte() {
    let refusal = ec2::Refusal::UnknownAction { name: "x".repeat(1_000_000) };
    assert!(ec2::refuse(&refusal, Some("ec2"), "req-1").body.len() < 2_000);
}

#[tokio::test]
async fn no_value_of_any_parameter_is_a_fault_of_the_cloud() {
    let world = World::new().await;
    let id = world.run("MinCount=1&MaxCount=1").await.remove(0);
    world.settle().await;
    let long = "x".repeat(70_000);
    let hostile =
        ["", "x", "-1", "99999999999999999999", "%00", "%C3%BC%2A%3F%5C", "true", "i-0ffffffffffffffff", "*", id.as_str(), long.as_str()];
    let mut calls = 0;
    for action in ec2::actions() {
        for name in wire::parameter_names(action.parameters) {
            let name = name.replace(".N", ".1");
            for value in hostile {
                let form = format!("Action={}&{name}={value}", action.name);
                let reply = world.call_as(&world.owner, action.service.as_str(), &form).await;
                let code = elements(&reply.body, "Code").pop().unwrap_or_default();
                let is_fault = reply.status >= 500 && code != "Unavailable";
                assert!(!is_fault, "{}&{name}={}: {}", action.name, &value[..value.len().min(40)], reply.body);
                calls += 1;
            }
        }
    }
    assert!(calls > 1_000, "{calls}");
}
