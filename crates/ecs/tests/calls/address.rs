//! Elastic addresses: taken, tied, untied, given back.

use crate::world::World;

const VPC: &str = "Version=2016-04-28";

async fn allocate(world: &World) -> (String, String) {
    let made = world.json("Action=AllocateEipAddress").await;
    (made["AllocationId"].as_str().unwrap().to_owned(), made["EipAddress"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn an_address_is_taken_tied_untied_and_given_back() {
    let world = World::new().await;
    let instance = world.run("").await.remove(0);
    world.settle().await;
    let more = "Bandwidth=20&InternetChargeType=PayByTraffic&Name=front&Tag.1.Key=a&Tag.1.Value=b&ClientToken=once";
    let body = world.golden("AllocateEipAddress.json", &format!("Action=AllocateEipAddress&{VPC}&{more}")).await;
    let made: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(world.json(&format!("Action=AllocateEipAddress&{VPC}&{more}")).await["AllocationId"], made["AllocationId"]);
    let id = made["AllocationId"].as_str().unwrap();
    let tie = format!("AllocationId={id}&InstanceId={instance}");
    world.json(&format!("Action=AssociateEipAddress&{VPC}&{tie}&InstanceType=EcsInstance")).await;
    world.refused(&format!("Action=AssociateEipAddress&{tie}"), 403, "IncorrectEipStatus").await;
    world.golden("DescribeEipAddresses.tied.json", "Action=DescribeEipAddresses&EipName=fr*").await;
    let shown = world.json(&format!("Action=DescribeInstances&InstanceIds=[\"{instance}\"]")).await;
    let shown = &shown["Instances"]["Instance"][0];
    assert_eq!(shown["EipAddress"]["AllocationId"], made["AllocationId"]);
    assert_eq!(shown["EipAddress"]["Bandwidth"], 20);
    world.json(&format!("Action=ModifyEipAddressAttribute&AllocationId={id}&Name=back&Bandwidth=30")).await;
    for (filter, count) in [
        ("Status=InUse", 1),
        ("Status=Available", 0),
        ("Status=Associating", 0),
        (&format!("AssociatedInstanceType=EcsInstance&AssociatedInstanceId={instance}"), 1),
        ("AssociatedInstanceType=EcsInstance", 1),
        ("AssociatedInstanceType=Nat", 0),
        ("EipName=back", 1),
        ("EipName=front", 0),
        (&format!("AllocationId={id},eipalloc-00000000000000001"), 1),
    ] {
        assert_eq!(world.json(&format!("Action=DescribeEipAddresses&{filter}")).await["TotalCount"], count, "{filter}");
    }
    world.refused(&format!("Action=ReleaseEipAddress&AllocationId={id}"), 403, "IncorrectEipStatus").await;
    let other = world.run("").await.remove(0);
    let wrong = format!("Action=UnassociateEipAddress&AllocationId={id}&InstanceId={other}");
    world.refused(&wrong, 404, "InvalidAssociation.NotFound").await;
    world.json(&format!("Action=UnassociateEipAddress&{tie}")).await;
    world.refused(&format!("Action=UnassociateEipAddress&{tie}"), 403, "IncorrectEipStatus").await;
    world.json(&format!("Action=ReleaseEipAddress&AllocationId={id}")).await;
    world.refused(&format!("Action=ReleaseEipAddress&AllocationId={id}"), 404, "InvalidAllocationId.NotFound").await;
}

#[tokio::test]
async fn a_running_instance_gets_a_public_address_of_its_own() {
    let world = World::new().await;
    let instance = world.run("").await.remove(0);
    let give = format!("Action=AllocatePublicIpAddress&InstanceId={instance}");
    world.refused(&give, 403, "IncorrectInstanceStatus").await;
    world.settle().await;
    let given = world.json(&give).await["IpAddress"].as_str().unwrap().to_owned();
    world.refused(&give, 400, "InvalidAssociation.Duplicated").await;
    let shown = world.json(&format!("Action=DescribeInstances&InstanceIds=[\"{instance}\"]")).await;
    assert_eq!(shown["Instances"]["Instance"][0]["PublicIpAddress"]["IpAddress"][0], given.as_str());
}

#[tokio::test]
async fn the_bandwidth_of_an_instances_own_address_is_changed_and_shown() {
    let world = World::new().await;
    let instance = world.run("InternetMaxBandwidthOut=5").await.remove(0);
    let without = world.run("").await.remove(0);
    world.settle().await;
    let shown = |id: String| {
        let world = &world;
        async move {
            let shown = world.json(&format!("Action=DescribeInstances&InstanceIds=[\"{id}\"]")).await;
            let shown = &shown["Instances"]["Instance"][0];
            (shown["InternetMaxBandwidthOut"].clone(), shown["InternetMaxBandwidthIn"].clone())
        }
    };
    assert_eq!(shown(instance.clone()).await, (5.into(), 10.into()));
    let change = |id: &str, more: &str| format!("Action=ModifyInstanceNetworkSpec&InstanceId={id}&InternetMaxBandwidthOut={more}");
    world.golden("ModifyInstanceNetworkSpec.json", &change(&instance, "40")).await;
    assert_eq!(shown(instance.clone()).await, (40.into(), 40.into()));
    world.refused(&change(&instance, "0"), 400, "InvalidParameter").await;
    world.refused(&change(&instance, "101"), 400, "InvalidParameter").await;
    world.refused(&change("i-1", "5"), 404, "InvalidInstanceId.NotFound").await;
    world.json(&change(&without, "8&AllocatePublicIp=true")).await;
    assert_eq!(shown(without.clone()).await, (8.into(), 10.into()));
}

#[tokio::test]
async fn what_an_address_carried_is_asked_for_by_period() {
    let world = World::new().await;
    let (id, _) = allocate(&world).await;
    let now = world.cloud.clock().now().timestamp();
    let minute = |ago: i64| now.checked_sub(jiff::SignedDuration::from_mins(ago)).unwrap().strftime("%Y-%m-%dT%H:%M:00Z").to_string();
    let ask = |from: i64, more: &str| {
        format!("Action=DescribeEipMonitorData&{VPC}&AllocationId={id}&StartTime={}&EndTime={}{more}", minute(from), minute(0))
    };
    let shown = world.json(&ask(10, "&Period=300")).await["EipMonitorDatas"]["EipMonitorData"].clone();
    assert_eq!((shown.as_array().unwrap().len(), &shown[0]["EipFlow"]), (2, &0.into()));
    assert_eq!(shown[1]["Timestamp"], minute(5));
    world.refused(&ask(10, "&Period=61"), 400, "InvalidPeriod.ValueNotSupported").await;
    world.refused(&ask(401, ""), 400, "InvalidParameter.TooManyDataQueried").await;
    world.refused(&ask(31 * 24 * 60, "&Period=3600"), 400, "InvalidStartTime.TooEarly").await;
    world.refused(&ask(0, ""), 400, "InvalidEndTime.Mismatch").await;
    let foreign = ask(5, "").replace(&id, "eipalloc-00000000000000001");
    world.refused(&foreign, 404, "InvalidAllocationId.NotFound").await;
}

#[tokio::test]
async fn nothing_gives_way_to_an_address() {
    let world = World::new().await;
    let with_public_ip = world.run("InternetMaxBandwidthOut=5").await.remove(0);
    let without = world.run("").await.remove(0);
    let ((id, _), (second, _)) = (allocate(&world).await, allocate(&world).await);
    let tie = |address: &str, instance: &str| format!("Action=AssociateEipAddress&AllocationId={address}&InstanceId={instance}");
    world.refused(&tie(&id, &with_public_ip), 400, "InvalidAssociation.Duplicated").await;
    world.json(&tie(&id, &without)).await;
    world.refused(&tie(&second, &without), 400, "InvalidAssociation.Duplicated").await;
}

#[tokio::test]
async fn addresses_are_refused_with_the_vendors_codes() {
    let world = World::new().await;
    let instance = world.run("").await.remove(0);
    let (id, _) = allocate(&world).await;
    let absent = "eipalloc-00000000000000001";
    for (call, status, code) in [
        ("Action=AllocateEipAddress&Bandwidth=501", 400, "InvalidBandwidth.ValueNotSupported"),
        ("Action=AllocateEipAddress&InternetChargeType=PayByBandwidth", 400, "UnsupportedParameter"),
        ("Action=AssociateEipAddress", 400, "MissingParameter"),
        (&format!("Action=AssociateEipAddress&AllocationId={absent}&InstanceId={instance}"), 404, "InvalidAllocationId.NotFound"),
        (&format!("Action=AssociateEipAddress&AllocationId={id}&InstanceId=i-1"), 404, "InvalidInstanceId.NotFound"),
        (&format!("Action=AssociateEipAddress&AllocationId={id}&InstanceId=ngw-1&InstanceType=Nat"), 404, "InvalidNatGatewayId.NotFound"),
        ("Action=ReleaseEipAddress&AllocationId=x", 404, "InvalidAllocationId.NotFound"),
    ] {
        world.refused(call, status, code).await;
    }
    for _ in 1..5 {
        allocate(&world).await;
    }
    world.refused("Action=AllocateEipAddress", 403, "QuotaExceeded.Eip").await;
}
