//! Filters and pages of the list of instances.

use crate::world::{TYPE, World};

/// Checks which instances some parameters find: positions of those launched.
async fn check(world: &World, ids: &[String], parameters: &str, expected: &[usize]) {
    let listed = world.json(&format!("Action=DescribeInstances&{parameters}")).await;
    let found: Vec<&str> =
        listed["Instances"]["Instance"].as_array().unwrap().iter().map(|instance| instance["InstanceId"].as_str().unwrap()).collect();
    let wanted: Vec<&str> = expected.iter().map(|at| ids[*at].as_str()).collect();
    assert_eq!(found, wanted, "{parameters}");
    assert_eq!(listed["TotalCount"], expected.len(), "{parameters}");
}

#[tokio::test]
async fn instances_are_found_by_their_fields() {
    let world = World::new().await;
    let mut ids = world.run("Amount=2&InstanceName=web-1&Tag.1.Key=role&Tag.1.Value=web").await;
    world.settle().await;
    ids.extend(world.run("InstanceName=w*b&PrivateIpAddress=172.31.0.77&Tag.1.Key=role&Tag.1.Value=db&InternetMaxBandwidthOut=1").await);
    let last = world.json("Action=DescribeInstances&Status=Pending").await["Instances"]["Instance"][0].clone();
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let (vpc, subnet) = (text(&last["VpcAttributes"]["VpcId"]), text(&last["VpcAttributes"]["VSwitchId"]));
    let group = text(&last["SecurityGroupIds"]["SecurityGroupId"][0]);
    let public = text(&last["PublicIpAddress"]["IpAddress"][0]);
    let image = text(&last["ImageId"]);
    for (parameters, expected) in [
        ("", &[0, 1, 2][..]),
        ("InstanceIds=%5B%5D", &[]),
        (&format!("InstanceIds=%5B%22{}%22,%22{}%22%5D", ids[1], ids[2]), &[1, 2]),
        ("InstanceIds=%5B%22i-00000000000000001%22%5D", &[]),
        ("InstanceIds=%5B%22*%22%5D", &[]),
        ("InstanceName=web-1", &[0, 1]),
        ("InstanceName=w*", &[0, 1, 2]),
        ("InstanceName=web-?", &[]),
        ("Status=Running", &[0, 1]),
        ("Status=Pending", &[2]),
        ("Status=Stopped", &[]),
        ("ZoneId=test-1a", &[0, 1, 2]),
        ("ZoneId=test-1*", &[]),
        (&format!("VpcId={vpc}&VSwitchId={subnet}&SecurityGroupId={group}&ImageId={image}"), &[0, 1, 2]),
        ("VpcId=vpc-00000000000000001", &[]),
        ("SecurityGroupId=sg-00000000000000001", &[]),
        (&format!("InstanceType={TYPE}"), &[0, 1, 2]),
        ("InstanceType=ecs.g7.large", &[]),
        ("InstanceTypeFamily=ecs.t5-lc2m1", &[0, 1, 2]),
        ("InstanceTypeFamily=ecs.t5", &[]),
        ("PrivateIpAddresses=%5B%22172.31.0.77%22%5D", &[2]),
        (&format!("PublicIpAddresses=%5B%22{public}%22%5D"), &[2]),
        ("InnerIpAddresses=%5B%2210.0.0.1%22%5D", &[]),
        ("Tag.1.Key=role", &[0, 1, 2]),
        ("Tag.1.Key=role&Tag.1.Value=db", &[2]),
        ("Tag.1.Key=role&Tag.1.Value=w*", &[]),
        ("Tag.1.Key=role&Tag.1.Value=web&Tag.2.Key=none", &[]),
        ("KeyPairName=none", &[]),
        ("InstanceNetworkType=vpc&InstanceChargeType=PostPaid&IoOptimized=true&DeviceAvailable=true&LockReason=", &[0, 1, 2]),
        ("InstanceNetworkType=classic", &[]),
        ("InstanceChargeType=PrePaid", &[]),
        ("LockReason=security", &[]),
        ("ResourceGroupId=rg-1", &[]),
        ("DeviceAvailable=false", &[]),
        ("AdditionalAttributes.1=META_OPTIONS", &[0, 1, 2]),
    ] {
        check(&world, &ids, parameters, expected).await;
    }
}

#[tokio::test]
async fn pages_meet_in_both_styles() {
    let world = World::new().await;
    let ids = world.run("Amount=12").await;
    let mut numbered = Vec::new();
    for number in 1..=4 {
        let page = world.json(&format!("Action=DescribeInstances&PageSize=5&PageNumber={number}")).await;
        assert_eq!((&page["PageSize"], &page["PageNumber"], &page["TotalCount"]), (&5.into(), &number.into(), &12.into()));
        numbered.extend(page["Instances"]["Instance"].as_array().unwrap().clone());
    }
    let (mut marked, mut token, mut pages) = (Vec::new(), String::new(), 0);
    loop {
        let page = world.json(&format!("Action=DescribeInstances&MaxResults=5&NextToken={token}")).await;
        marked.extend(page["Instances"]["Instance"].as_array().unwrap().clone());
        token = page["NextToken"].as_str().unwrap().to_owned();
        pages += 1;
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(pages, 3);
    for found in [numbered, marked] {
        let found: Vec<&str> = found.iter().map(|instance| instance["InstanceId"].as_str().unwrap()).collect();
        assert_eq!(found, ids);
    }
    let statuses = world.json("Action=DescribeInstanceStatus&PageSize=50&ZoneId=test-1a").await;
    assert_eq!((&statuses["TotalCount"], &statuses["PageSize"]), (&12.into(), &50.into()));
    assert_eq!(statuses["InstanceStatuses"]["InstanceStatus"].as_array().unwrap().len(), 12);
}

#[tokio::test]
async fn released_instances_and_those_of_others_are_not_shown() {
    let world = World::new().await;
    let ids = world.run("Amount=2").await;
    world.settle().await;
    world.json(&format!("Action=DeleteInstance&InstanceId={}&Force=true", ids[0])).await;
    check(&world, &ids, "", &[1]).await;
    world.settle().await;
    check(&world, &ids, "", &[1]).await;
    check(&world, &ids, &format!("InstanceIds=%5B%22{}%22%5D", ids[0]), &[]).await;
    let stranger = world.call_as(&world.stranger, "Action=DescribeInstances").await;
    assert!(stranger.status == 200 && stranger.body.contains(r#""TotalCount":0"#), "{}", stranger.body);
}
