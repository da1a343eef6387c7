//! What ECS's clients are told of instances when something is wrong: the code, which they act on.

use crate::world::{TYPE, World, texts};

#[tokio::test]
async fn bad_launches_are_refused_with_ecs_codes() {
    let world = World::new().await;
    let image = world.image("pileus-linux").await;
    let long = "QUJD".repeat(11_000);
    for (parameters, status, code) in [
        ("ImageId=", 400, "MissingParameter"),
        ("ImageId=ami-00000000000000001", 404, "InvalidImageId.NotFound"),
        ("ImageId=i-00000000000000001", 404, "InvalidImageId.NotFound"),
        ("InstanceType=ecs.vast", 404, "InvalidInstanceType.ValueNotSupported"),
        ("InstanceType=ecs.r7.16xlarge", 403, "OperationDenied.NoStock"),
        ("ZoneId=mars", 404, "InvalidZoneId.NotFound"),
        ("ZoneId=test-1b", 403, "OperationDenied.NoStock"),
        ("RegionId=cn-hangzhou", 404, "InvalidRegionId.NotFound"),
        ("VSwitchId=subnet-00000000000000001", 404, "InvalidVSwitchId.NotFound"),
        ("VSwitchId=vpc-00000000000000001", 404, "InvalidVSwitchId.NotFound"),
        ("SecurityGroupId=sg-00000000000000001", 404, "InvalidSecurityGroupId.NotFound"),
        ("SecurityGroupId=a&SecurityGroupIds.1=b", 400, "InvalidParameter.Conflict"),
        ("KeyPairName=none", 404, "InvalidKeyPair.NotFound"),
        ("Password=weak", 400, "InvalidPassword.Malformed"),
        ("PrivateIpAddress=10.0.0.1", 400, "InvalidPrivateIpAddress.Malformed"),
        ("PrivateIpAddress=nowhere", 400, "InvalidParameter"),
        ("UserData=%21%21", 400, "InvalidUserData.Base64FormatInvalid"),
        (&format!("UserData={long}"), 400, "InvalidUserData.SizeExceeded"),
        ("HostName=a_b", 400, "InvalidHostName.Malformed"),
        ("HostNames.1=a&HostNames.2=b", 400, "InvalidParameter.Conflict"),
        (&format!("InstanceName={}", "n".repeat(129)), 400, "InvalidInstanceName.Malformed"),
        ("Amount=0", 400, "InvalidParameter"),
        ("Amount=101", 400, "InvalidParameter"),
        ("Amount=many", 400, "InvalidParameter"),
        ("Amount=1&MinAmount=2", 400, "InvalidParameter"),
        ("Amount=1&Amount=1", 400, "InvalidParameter"),
        ("InternetMaxBandwidthOut=101", 400, "InvalidParameter"),
        ("InternetMaxBandwidthOut=-1", 400, "InvalidParameter"),
        ("SystemDisk.Size=20000", 400, "InvalidSystemDiskSize"),
        ("SystemDisk.Category=tape", 400, "InvalidParameter"),
        ("SystemDisk.PerformanceLevel=PL3", 400, "InvalidDiskSize.NotSupported"),
        ("SystemDisk.Encrypted=true&SystemDisk.KMSKeyId=none", 404, "InvalidKMSKeyId.NotFound"),
        ("SystemDisk.StorageClusterId=x", 400, "UnsupportedParameter"),
        ("DataDisk.1.Size=20&DataDisk.1.Encrypted=true&DataDisk.1.KMSKeyId=alias/none", 404, "InvalidKMSKeyId.NotFound"),
        ("SpotStrategy=SpotAsPriceGo", 400, "UnsupportedParameter"),
        ("InstanceChargeType=PrePaid", 400, "UnsupportedParameter"),
        ("LaunchTemplateName=nobody", 404, "InvalidLaunchTemplate.NotFound"),
        ("Tag.1.Key=a&Tag.2.Key=a", 400, "Duplicate.TagKey"),
        ("HttpTokens=maybe", 400, "InvalidParameter"),
        ("DeletionProtection=perhaps", 400, "InvalidParameter"),
        ("Nonsense=1", 400, "UnsupportedParameter"),
        ("DryRun=true", 400, "DryRunOperation"),
        ("ClientToken=%C3%A9", 400, "InvalidParameter"),
    ] {
        let mut usual = String::new();
        for (name, value) in [("ImageId", image.as_str()), ("InstanceType", TYPE)] {
            if !parameters.contains(&format!("{name}=")) {
                usual.push_str(&format!("&{name}={value}"));
            }
        }
        world.refused(&format!("Action=RunInstances&{parameters}{usual}"), status, code).await;
    }
    world.refused(&format!("Action=RunInstances&ImageId={image}"), 400, "MissingParameter").await;
    world.refused(&format!("Action=RunInstances&InstanceType={TYPE}"), 400, "MissingParameter").await;
    assert_eq!(world.json("Action=DescribeInstances").await["TotalCount"], 0, "nothing was launched");
}

#[tokio::test]
async fn bad_calls_on_instances_are_refused_with_ecs_codes() {
    let world = World::new().await;
    let id = world.run("").await.remove(0);
    world.settle().await;
    let absent = "i-00000000000000001";
    let many: String = (1..=101).map(|at| format!("&InstanceId.{at}={id}")).collect();
    let listed: String = vec![format!("%22{id}%22"); 101].join(",");
    for (parameters, status, code) in [
        ("", 400, "MissingAction"),
        ("Action=DescribeInstances&Version=2000-01-01", 400, "InvalidVersion"),
        ("Action=Nonsense", 404, "InvalidAction.NotFound"),
        ("Action=ReActivateInstances", 400, "UnsupportedOperation"),
        ("Action=DescribePrice", 400, "UnsupportedOperation"),
        (&format!("Action=ModifyInstanceSpec&InstanceId={id}"), 400, "MissingParameter"),
        (&format!("Action=ModifyInstanceSpec&InstanceId={id}&InstanceType=ecs.g7.large"), 403, "IncorrectInstanceStatus"),
        (&format!("Action=ModifyInstanceSpec&InstanceId={id}&InstanceType=ecs.none.large"), 404, "InvalidInstanceType.ValueNotSupported"),
        (&format!("Action=ModifyInstanceSpec&InstanceId={id}&InstanceType=ecs.g7.large&Async=true"), 400, "UnsupportedParameter"),
        (
            &format!("Action=ModifyInstanceSpec&InstanceId={id}&InstanceType=ecs.g7.large&InternetMaxBandwidthOut=5"),
            400,
            "InvalidParameter.Conflict",
        ),
        (
            &format!("Action=DescribeResourcesModification&ResourceId={absent}&DestinationResource=InstanceType"),
            404,
            "InvalidInstanceId.NotFound",
        ),
        ("Action=DescribeInstances&PageSize=101", 400, "InvalidParameter"),
        ("Action=DescribeInstances&PageNumber=0", 400, "InvalidParameter"),
        ("Action=DescribeInstances&MaxResults=0", 400, "InvalidParameter"),
        ("Action=DescribeInstances&NextToken=x", 400, "InvalidParameter"),
        ("Action=DescribeInstances&InstanceIds=x", 400, "InvalidParameter"),
        (&format!("Action=DescribeInstances&InstanceIds=%5B{listed}%5D"), 400, "InvalidParameter"),
        ("Action=DescribeInstances&Status=Happy", 400, "InvalidParameter"),
        ("Action=DescribeInstances&Foo=1", 400, "UnsupportedParameter"),
        ("Action=DescribeInstances&DryRun=true", 400, "DryRunOperation"),
        ("Action=DescribeInstanceStatus&PageSize=51", 400, "InvalidParameter"),
        (&format!("Action=DescribeInstanceStatus&InstanceId.1={absent}"), 404, "InvalidInstanceId.NotFound"),
        ("Action=DescribeInstanceAttribute", 400, "MissingParameter"),
        ("Action=DescribeInstanceAttribute&InstanceId=x", 404, "InvalidInstanceId.NotFound"),
        ("Action=DescribeInstanceAttribute&InstanceId=vol-00000000000000001", 404, "InvalidInstanceId.NotFound"),
        (&format!("Action=DescribeUserData&InstanceId={absent}"), 404, "InvalidInstanceId.NotFound"),
        (&format!("Action=GetInstanceConsoleOutput&InstanceId={absent}"), 404, "InvalidInstanceId.NotFound"),
        ("Action=StartInstances", 400, "MissingParameter"),
        ("Action=DeleteInstances", 400, "MissingParameter"),
        (&format!("Action=StopInstances{many}"), 400, "InvalidParameter"),
        (&format!("Action=StartInstances&InstanceId={id}"), 400, "InvalidParameter"),
        (&format!("Action=StartInstance&InstanceId={id}"), 403, "IncorrectInstanceStatus"),
        (&format!("Action=StartInstance&InstanceId={absent}"), 404, "InvalidInstanceId.NotFound"),
        (&format!("Action=StopInstance&InstanceId={id}&StoppedMode=Sometimes"), 400, "InvalidParameter"),
        (&format!("Action=StopInstance&InstanceId={id}&Hibernate=true"), 400, "UnsupportedParameter"),
        (&format!("Action=StopInstance&InstanceId={id}&DryRun=true"), 400, "DryRunOperation"),
        (&format!("Action=StopInstances&InstanceId.1={id}&BatchOptimization=SuccessFirst&DryRun=true"), 400, "DryRunOperation"),
        (&format!("Action=RebootInstance&InstanceId={absent}"), 404, "InvalidInstanceId.NotFound"),
        (&format!("Action=DeleteInstance&InstanceId={id}"), 403, "IncorrectInstanceStatus"),
        (&format!("Action=DeleteInstances&InstanceId.1={id}&InstanceId.2={absent}&Force=true"), 404, "InvalidInstanceId.NotFound"),
        (&format!("Action=ModifyInstanceAttribute&InstanceId={absent}&InstanceName=x"), 404, "InvalidInstanceId.NotFound"),
        (&format!("Action=ModifyInstanceAttribute&InstanceId={id}&Password=weak"), 400, "InvalidPassword.Malformed"),
        (&format!("Action=ModifyInstanceAttribute&InstanceId={id}&SecurityGroupIds.1=sg-1"), 404, "InvalidSecurityGroupId.NotFound"),
        (&format!("Action=ModifyInstanceMetadataOptions&InstanceId={id}&HttpPutResponseHopLimit=65"), 400, "InvalidParameter"),
    ] {
        world.refused(parameters, status, code).await;
    }
    let running = world.json("Action=DescribeInstances&Status=Running").await;
    assert_eq!(running["TotalCount"], 1, "none of these calls did anything");
}

#[tokio::test]
async fn released_instances_and_those_of_others_do_not_exist() {
    let world = World::new().await;
    let id = world.run("UserData=aGVsbG8%3D").await.remove(0);
    world.settle().await;
    let calls = [
        format!("DescribeInstanceAttribute&InstanceId={id}"),
        format!("DescribeUserData&InstanceId={id}"),
        format!("GetInstanceConsoleOutput&InstanceId={id}"),
        format!("ModifyInstanceAttribute&InstanceId={id}&InstanceName=x"),
        format!("ModifyInstanceMetadataOptions&InstanceId={id}&HttpTokens=required"),
        format!("StartInstance&InstanceId={id}"),
        format!("StopInstances&InstanceId.1={id}"),
        format!("RebootInstance&InstanceId={id}"),
        format!("DeleteInstance&InstanceId={id}&Force=true"),
    ];
    for call in &calls {
        world.refused_as(&world.stranger, &format!("Action={call}"), 404, "InvalidInstanceId.NotFound").await;
    }
    world.json(&format!("Action=DeleteInstances&InstanceId.1={id}&Force=true")).await;
    for gone in [false, true] {
        for call in &calls {
            world.refused(&format!("Action={call}"), 404, "InvalidInstanceId.NotFound").await;
        }
        assert!(!gone || world.json("Action=DescribeInstances").await["TotalCount"] == 0);
        world.settle().await;
    }
}

#[tokio::test]
async fn a_repeated_launch_answers_as_the_first() {
    let world = World::new().await;
    let first = world.run("Amount=2&ClientToken=t&Password=Correct-horse-7").await;
    assert_eq!(world.run("Amount=2&ClientToken=t&Password=Correct-horse-7").await, first);
    let image = world.image("pileus-linux").await;
    let other = format!("Action=RunInstances&ImageId={image}&InstanceType={TYPE}&Amount=3&ClientToken=t");
    world.refused(&other, 400, "IdempotentParameterMismatch").await;
    assert_eq!(world.json("Action=DescribeInstances").await["TotalCount"], 2);
}

#[tokio::test]
async fn errors_come_in_the_format_that_was_asked_for() {
    let world = World::new().await;
    for (format, starts) in [("", "{\"RequestId\":\"req-1\",\"HostId\":\"cloud.test\",\"Code\""), ("&Format=xml", "<?xml")] {
        let reply = world.call(&format!("Action=StartInstance&InstanceId=i-00000000000000001{format}")).await;
        assert!(reply.status == 404 && reply.body.starts_with(starts), "{}", reply.body);
        assert_eq!(texts(&reply.body, "Code"), ["InvalidInstanceId.NotFound"]);
    }
}
