//! Instances through their lives, as ECS's clients read them.

use crate::world::{TYPE, World};

/// What can be said of a launch, beside image and type.
const LAUNCH: &str = "InstanceName=web&Description=front&HostName=web-1&Password=Correct-horse-7&UserData=aGVsbG8%3D\
    &InternetMaxBandwidthOut=5&ZoneId=test-1a&SystemDisk.Size=3&SystemDisk.Category=cloud_efficiency&SystemDisk.PerformanceLevel=PL1\
    &HttpTokens=required&HttpPutResponseHopLimit=2&Tag.1.Key=role&Tag.1.Value=web&ClientToken=t1&InstanceChargeType=PostPaid\
    &IoOptimized=optimized&RegionId=test-1";

#[tokio::test]
async fn an_instance_is_shown_in_each_state_of_its_life() {
    let world = World::new().await;
    let image = world.image("pileus-linux").await;
    world.golden("RunInstances.json", &format!("Action=RunInstances&ImageId={image}&InstanceType={TYPE}&{LAUNCH}")).await;
    let launched = world.json("Action=DescribeInstances").await;
    let instance = &launched["Instances"]["Instance"][0];
    assert_eq!(instance["Status"], "Pending");
    let id = instance["InstanceId"].as_str().unwrap();
    world.settle().await;
    world.golden("DescribeInstances.json", "Action=DescribeInstances").await;
    world.golden("DescribeInstances.xml", "Action=DescribeInstances&Format=XML").await;
    world.golden("DescribeInstanceStatus.json", &format!("Action=DescribeInstanceStatus&InstanceId.1={id}")).await;
    world.golden("DescribeInstanceAttribute.json", &format!("Action=DescribeInstanceAttribute&InstanceId={id}")).await;
    world.golden("DescribeUserData.json", &format!("Action=DescribeUserData&InstanceId={id}")).await;
    world.golden("RebootInstance.json", &format!("Action=RebootInstance&InstanceId={id}")).await;
    let stop = format!("Action=StopInstances&InstanceId.1={id}&StoppedMode=StopCharging");
    world.golden("StopInstances.json", &stop).await;
    world.settle().await;
    let stopped = world.json("Action=DescribeInstances&Status=Stopped").await;
    let stopped = &stopped["Instances"]["Instance"][0];
    assert_eq!((&stopped["StoppedMode"], &stopped["PublicIpAddress"]["IpAddress"]), (&"StopCharging".into(), &serde_json::json!([])));
    world.golden("StartInstances.json", &format!("Action=StartInstances&InstanceId.1={id}")).await;
    world.settle().await;
    world.golden("StopInstance.xml", &format!("Action=StopInstance&InstanceId={id}&ForceStop=True&Format=XML")).await;
    world.settle().await;
    world.golden("DeleteInstance.json", &format!("Action=DeleteInstance&InstanceId={id}")).await;
    world.golden("DescribeInstances.released.json", &format!("Action=DescribeInstances&InstanceIds=%5B%22{id}%22%5D")).await;
}

#[tokio::test]
async fn a_stopped_instance_keeps_its_capacity_unless_it_is_told_not_to() {
    let world = World::new().await;
    let id = world.run("").await.remove(0);
    world.settle().await;
    world.json(&format!("Action=StopInstance&InstanceId={id}&ForceStop=true")).await;
    world.settle().await;
    let stopped = world.json("Action=DescribeInstances").await;
    assert_eq!(stopped["Instances"]["Instance"][0]["StoppedMode"], "KeepCharging");
    world.json(&format!("Action=StartInstance&InstanceId={id}")).await;
    world.settle().await;
    world.json(&format!("Action=StopInstance&InstanceId={id}&ForceStop=true&StoppedMode=StopCharging")).await;
    world.settle().await;
    let stopped = world.json("Action=DescribeInstances").await;
    assert_eq!(stopped["Instances"]["Instance"][0]["StoppedMode"], "StopCharging");
}

#[tokio::test]
async fn several_are_launched_under_numbered_names() {
    let world = World::new().await;
    let ids = world.run("Amount=3&MinAmount=2&InstanceName=web%5B8,3%5D-x&HostName=node&UniqueSuffix=true").await;
    assert_eq!(ids.len(), 3);
    let listed = world.json("Action=DescribeInstances").await;
    let names = |member: &str| -> Vec<String> {
        let all = listed["Instances"]["Instance"].as_array().unwrap().iter();
        all.map(|instance| instance[member].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names("InstanceName"), ["web008-x001", "web009-x002", "web010-x003"]);
    assert_eq!(names("HostName"), ["node001", "node002", "node003"]);
    let ids = world.run("Amount=2&HostNames.1=alpha&HostNames.2=beta").await;
    let listed = world.json(&format!("Action=DescribeInstances&InstanceIds=%5B%22{}%22%5D", ids[1])).await;
    let second = &listed["Instances"]["Instance"][0];
    assert_eq!(
        (&second["HostName"], &second["InstanceName"]),
        (&"beta".into(), &ids[1].as_str().into()),
        "without a name, the id is shown"
    );
}

#[tokio::test]
async fn a_created_instance_waits_to_be_started() {
    let world = World::new().await;
    let image = world.image("pileus-linux").await;
    let create = format!("Action=CreateInstance&ImageId={image}&InstanceType={TYPE}&InstanceName=web&InternetMaxBandwidthOut=5");
    world.golden("CreateInstance.json", &create).await;
    for _ in 0..2 {
        let listed = world.json("Action=DescribeInstances").await;
        let instance = &listed["Instances"]["Instance"][0];
        assert_eq!((&instance["Status"], &instance["StoppedMode"]), (&"Stopped".into(), &"KeepCharging".into()));
        assert_eq!(instance["PublicIpAddress"]["IpAddress"], serde_json::json!([]));
        world.settle().await;
    }
    let listed = world.json("Action=DescribeInstances").await;
    let id = listed["Instances"]["Instance"][0]["InstanceId"].as_str().unwrap();
    world.json(&format!("Action=StartInstance&InstanceId={id}")).await;
    world.settle().await;
    assert_eq!(world.json("Action=DescribeInstances&Status=Running").await["TotalCount"], 1);
    let unused = world.json(&create).await["InstanceId"].clone();
    world.json(&format!("Action=DeleteInstance&InstanceId={}", unused.as_str().unwrap())).await;
    world.settle().await;
    assert_eq!(world.json("Action=DescribeInstances").await["TotalCount"], 1);
    world.refused(&format!("{create}&Amount=2"), 400, "UnsupportedParameter").await;
    world.refused(&format!("{create}&DryRun=true"), 400, "DryRunOperation").await;
}

#[tokio::test]
async fn an_address_comes_with_bandwidth_only() {
    let world = World::new().await;
    world.run("").await;
    world.run("InternetMaxBandwidthOut=1").await;
    let listed = world.json("Action=DescribeInstances").await;
    let addresses = |at: usize| listed["Instances"]["Instance"][at]["PublicIpAddress"]["IpAddress"].as_array().unwrap().len();
    assert_eq!((addresses(0), addresses(1)), (0, 1));
}

#[tokio::test]
async fn attributes_are_changed_and_read_back() {
    let world = World::new().await;
    let id = world.run("InstanceName=old&UserData=b2xk").await.remove(0);
    world.settle().await;
    let named = format!("Action=ModifyInstanceAttribute&InstanceId={id}&InstanceName=new&Description=changed&HostName=renamed");
    world.golden("ModifyInstanceAttribute.json", &format!("{named}&Password=Correct-horse-7&DeletionProtection=true")).await;
    world.refused(&format!("Action=ModifyInstanceAttribute&InstanceId={id}&UserData=bmV3"), 403, "IncorrectInstanceStatus").await;
    let metadata = format!("Action=ModifyInstanceMetadataOptions&InstanceId={id}&HttpEndpoint=disabled&InstanceMetadataTags=enabled");
    world.json(&metadata).await;
    let listed = world.json("Action=DescribeInstances").await;
    let instance = &listed["Instances"]["Instance"][0];
    for (member, expected) in [("InstanceName", "new"), ("Description", "changed"), ("HostName", "renamed")] {
        assert_eq!(instance[member], expected);
    }
    assert_eq!(instance["DeletionProtection"], true);
    let options = serde_json::json!({
        "HttpEndpoint": "disabled", "HttpTokens": "optional", "HttpPutResponseHopLimit": 1, "InstanceMetadataTags": "enabled"
    });
    assert_eq!(instance["MetadataOptions"], options);
    world.json(&format!("Action=StopInstance&InstanceId={id}")).await;
    world.settle().await;
    world.json(&format!("Action=ModifyInstanceAttribute&InstanceId={id}&UserData=bmV3")).await;
    assert_eq!(world.json(&format!("Action=DescribeUserData&InstanceId={id}")).await["UserData"], "bmV3");
    world.refused(&format!("Action=DeleteInstance&InstanceId={id}&Force=true"), 403, "InvalidOperation.DeletionProtection").await;
    world.json(&format!("Action=ModifyInstanceAttribute&InstanceId={id}&DeletionProtection=false")).await;
    world.json(&format!("Action=DeleteInstance&InstanceId={id}")).await;
}

#[tokio::test]
async fn an_instance_moves_between_security_groups_with_the_rest_or_not_at_all() {
    let world = World::new().await;
    let id = world.run("InstanceName=old").await.remove(0);
    let groups = |listed: &serde_json::Value| listed["Instances"]["Instance"][0]["SecurityGroupIds"]["SecurityGroupId"].clone();
    let before = groups(&world.json("Action=DescribeInstances").await);
    let command = control::CreateSecurityGroup {
        regional: false,
        vpc: None,
        name: "web".to_owned(),
        description: String::new(),
        rules: vec![],
        nature: control::GroupNature::Plain,
        tags: model::Tags::new(),
    };
    let group = world.cloud.run(&world.caller(), command, control::Options::default()).await.unwrap().id;
    let change = format!("Action=ModifyInstanceAttribute&InstanceId={id}&InstanceName=new&SecurityGroupIds.1={group}");
    world.refused(&format!("{change}&SecurityGroupIds.2=sg-00000000000000001"), 404, "InvalidSecurityGroupId.NotFound").await;
    let listed = world.json("Action=DescribeInstances").await;
    assert_eq!((groups(&listed), &listed["Instances"]["Instance"][0]["InstanceName"]), (before, &"old".into()));
    world.json(&change).await;
    let listed = world.json("Action=DescribeInstances").await;
    let after = (groups(&listed), &listed["Instances"]["Instance"][0]["InstanceName"]);
    assert_eq!(after, (serde_json::json!([group.to_string()]), &"new".into()));
}

#[tokio::test]
async fn the_newest_of_a_console_is_shown() {
    let world = World::new().await;
    let id = world.run("").await.remove(0);
    world.settle().await;
    world.refused(&format!("Action=GetInstanceConsoleOutput&InstanceId={id}"), 503, "ServiceUnavailable").await;
    let written = control::ConsoleOutput { bytes: b"login: ".to_vec(), at: crate::world::NOON };
    let lend = move |_| {
        let written = written.clone();
        Box::pin(async move { Some(written) }) as std::pin::Pin<Box<dyn Future<Output = Option<control::ConsoleOutput>> + Send>>
    };
    world.cloud.console_lend(world.host, std::sync::Arc::new(lend));
    world.golden("GetInstanceConsoleOutput.json", &format!("Action=GetInstanceConsoleOutput&InstanceId={id}")).await;
}

#[tokio::test]
async fn a_batch_fails_whole_unless_each_stands_for_itself() {
    let world = World::new().await;
    let ids = world.run("Amount=2").await;
    world.settle().await;
    world.json(&format!("Action=StopInstance&InstanceId={}&ForceStop=true", ids[0])).await;
    world.settle().await;
    let both = format!("Action=StartInstances&InstanceId.1={}&InstanceId.2={}", ids[0], ids[1]);
    world.refused(&both, 403, "IncorrectInstanceStatus").await;
    assert_eq!(world.json("Action=DescribeInstances&Status=Stopped").await["TotalCount"], 1, "neither was started");
    world.golden("StartInstances.each.json", &format!("{both}&BatchOptimization=SuccessFirst")).await;
}

#[tokio::test]
async fn a_stopped_instance_is_given_another_type() {
    let world = World::new().await;
    let id = world.run("").await.remove(0);
    world.settle().await;
    world.json(&format!("Action=StopInstance&InstanceId={id}")).await;
    world.settle().await;
    let asked = format!("Action=DescribeResourcesModification&ResourceId={id}&DestinationResource=InstanceType&Cores=2&Memory=4");
    let choices = world.golden("DescribeResourcesModification.json", &asked).await;
    assert!(choices.contains("ecs.c7.large"), "{choices}");
    world.golden("ModifyInstanceSpec.json", &format!("Action=ModifyInstanceSpec&InstanceId={id}&InstanceType=ecs.c6.large")).await;
    let listed = world.json("Action=DescribeInstances").await;
    let instance = &listed["Instances"]["Instance"][0];
    assert_eq!((&instance["InstanceType"], &instance["Cpu"], &instance["Memory"]), (&"ecs.c6.large".into(), &2.into(), &4096.into()));
}

#[tokio::test]
async fn an_instance_is_released_in_the_minute_that_was_set() {
    let world = World::new().await;
    let mut ids = world.run("AutoReleaseTime=2026-11-20T12:45:59Z").await;
    ids.extend(world.run("").await);
    world.settle().await;
    let listed = world.json(&format!("Action=DescribeInstances&InstanceIds=%5B%22{}%22%5D", ids[0])).await;
    assert_eq!(listed["Instances"]["Instance"][0]["AutoReleaseTime"], "2026-11-20T12:45Z");
    let set = |id: &str, time: &str| format!("Action=ModifyInstanceAutoReleaseTime&InstanceId={id}&AutoReleaseTime={time}");
    world.golden("ModifyInstanceAutoReleaseTime.json", &set(&ids[1], "2026-11-20T12:31:00Z")).await;
    world.refused(&set(&ids[1], "2026-11-20T12:29:59Z"), 400, "InvalidAutoReleaseTime.Malformed").await;
    world.refused(&set(&ids[1], "2031-11-20T12:29:59Z"), 400, "InvalidAutoReleaseTime.Malformed").await;
    world.refused(&set(&ids[1], "soon"), 400, "InvalidAutoReleaseTime.Malformed").await;
    world.json(&format!("Action=ModifyInstanceAutoReleaseTime&InstanceId={}", ids[1])).await;
    world.cloud.clock().set(crate::world::NOON.after(45 * 60_000));
    world.settle().await;
    let left = world.json("Action=DescribeInstances").await;
    let instance = &left["Instances"]["Instance"][0];
    assert_eq!(
        (&left["TotalCount"], &instance["InstanceId"], &instance["AutoReleaseTime"]),
        (&1.into(), &ids[1].as_str().into(), &"".into())
    );
}
