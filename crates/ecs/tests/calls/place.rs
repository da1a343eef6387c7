//! Instances that move to another vSwitch.

use serde_json::Value;

use crate::world::World;

async fn text(world: &World, call: String, member: &str) -> String {
    world.json(&call).await[member].as_str().unwrap().to_owned()
}

async fn vpc(world: &World, range: &str) -> String {
    text(world, format!("Action=CreateVpc&Version=2016-04-28&CidrBlock={range}"), "VpcId").await
}

async fn switch(world: &World, vpc: &str, range: &str, zone: &str) -> String {
    let call = format!("Action=CreateVSwitch&Version=2016-04-28&VpcId={vpc}&ZoneId={zone}&CidrBlock={range}");
    text(world, call, "VSwitchId").await
}

async fn group(world: &World, vpc: &str, name: &str) -> String {
    text(world, format!("Action=CreateSecurityGroup&VpcId={vpc}&SecurityGroupName={name}"), "SecurityGroupId").await
}

/// Where an instance is: VPC, vSwitch, private address and security group.
async fn place(world: &World, id: &str) -> [Value; 4] {
    let shown = world.json(&format!("Action=DescribeInstanceAttribute&InstanceId={id}")).await;
    let vpc = &shown["VpcAttributes"];
    let ip = vpc["PrivateIpAddress"]["IpAddress"][0].clone();
    [vpc["VpcId"].clone(), vpc["VSwitchId"].clone(), ip, shown["SecurityGroupIds"]["SecurityGroupId"][0].clone()]
}

fn to(id: &str, switch: &str, more: &str) -> String {
    format!("Action=ModifyInstanceVpcAttribute&InstanceId={id}&VSwitchId={switch}{more}")
}

#[tokio::test]
async fn a_stopped_instance_moves_within_its_vpc_and_to_another_with_groups_of_that() {
    let world = World::new().await;
    let (first, second) = (vpc(&world, "10.1.0.0/16").await, vpc(&world, "10.2.0.0/16").await);
    let here = switch(&world, &first, "10.1.1.0/24", "test-1a").await;
    let beside = switch(&world, &first, "10.1.2.0/24", "test-1a").await;
    let there = switch(&world, &second, "10.2.1.0/24", "test-1a").await;
    let far = switch(&world, &first, "10.1.3.0/24", "test-1b").await;
    let (ours, other) = (group(&world, &first, "ours").await, group(&world, &second, "other").await);
    let id = world.run(&format!("VSwitchId={here}&SecurityGroupId={ours}")).await.remove(0);
    world.settle().await;
    world.refused(&to(&id, &beside, ""), 403, "IncorrectInstanceStatus").await;
    world.json(&format!("Action=StopInstance&InstanceId={id}")).await;
    world.settle().await;
    world.golden("ModifyInstanceVpcAttribute.json", &to(&id, &beside, "&PrivateIpAddress=10.1.2.77")).await;
    assert_eq!(place(&world, &id).await, [&first, &beside, "10.1.2.77", &ours].map(Value::from));
    let of_there = format!("&VpcId={second}&SecurityGroupId.1={other}");
    for (call, status, code) in [
        (to(&id, &there, ""), 400, "InvalidParameter.Conflict"),
        (to(&id, &there, &format!("&VpcId={second}")), 400, "MissingParameter"),
        (to(&id, &beside, &format!("&SecurityGroupId.1={ours}")), 400, "InvalidParameter.Conflict"),
        (to(&id, &there, &format!("&VpcId={second}&SecurityGroupId.1={ours}")), 400, "InvalidParameter.Conflict"),
        (to(&id, &here, &of_there), 400, "InvalidParameter.Conflict"),
        (to(&id, "vsw-00000000000000001", ""), 404, "InvalidVSwitchId.NotFound"),
    ] {
        world.refused(&call, status, code).await;
        assert_eq!(place(&world, &id).await[1], beside.as_str(), "{call}");
    }
    assert_ne!(world.call(&to(&id, &far, "")).await.status, 200, "another zone");
    assert_ne!(world.call(&to(&id, &here, "&PrivateIpAddress=10.1.2.9")).await.status, 200, "not of the vSwitch");
    world.json(&to(&id, &there, &format!("{of_there}&PrivateIpAddress=10.2.1.9"))).await;
    assert_eq!(place(&world, &id).await, [&second, &there, "10.2.1.9", &other].map(Value::from));
    // Where it is, only its groups change.
    let another = group(&world, &second, "another").await;
    world.json(&to(&id, &there, &format!("&VpcId={second}&SecurityGroupId.1={another}"))).await;
    assert_eq!(place(&world, &id).await, [&second, &there, "10.2.1.9", &another].map(Value::from));
    world.json(&format!("Action=StartInstance&InstanceId={id}")).await;
    world.settle().await;
    assert_eq!(world.json(&format!("Action=DescribeInstanceAttribute&InstanceId={id}")).await["Status"], "Running");
}
