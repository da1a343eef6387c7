//! Types that are recommended.

use serde_json::Value;

use crate::world::World;

const CALL: &str = "Action=DescribeRecommendInstanceType&NetworkType=vpc";

async fn recommended(world: &World, more: &str) -> Vec<Value> {
    let reply = world.json(&format!("{CALL}&{more}")).await;
    reply["Data"]["RecommendInstanceType"].as_array().unwrap().clone()
}

fn names(found: &[Value]) -> Vec<&str> {
    found.iter().map(|one| one["InstanceType"]["InstanceType"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn types_of_a_size_are_recommended_where_there_is_room_for_them() {
    let world = World::new().await;
    world.golden("DescribeRecommendInstanceType.json", &format!("{CALL}&InstanceType=ecs.c7.large&InstanceTypeFamily.1=ecs.c7")).await;
    let sized = recommended(&world, "Cores=2&Memory=4").await;
    assert!(names(&sized).contains(&"ecs.c7.large"), "{sized:?}");
    assert_eq!(names(&sized), names(&recommended(&world, "InstanceType=ecs.c7.large").await));
    for (at, one) in sized.iter().enumerate() {
        assert_eq!((&one["InstanceType"]["Cores"], &one["InstanceType"]["Memory"]), (&2.into(), &4096.into()));
        assert_eq!(one["Priority"], at + 1);
        assert_eq!(one["Zones"]["zone"][0]["ZoneNo"], "test-1a");
    }
    // Hosts are in the first zone only.
    assert_eq!(names(&recommended(&world, "Cores=2&Memory=4&ZoneId=test-1a").await), names(&sized));
    assert_eq!(names(&recommended(&world, "Cores=2&Memory=4&ZoneId=test-1b").await), [""; 0]);
    assert_eq!(recommended(&world, "Cores=2&Memory=4&ZoneId=test-1b&ZoneMatchMode=Include").await, sized);
    world.refused(&format!("{CALL}&ZoneId=mars"), 404, "InvalidZoneId.NotFound").await;
    let newest = recommended(&world, "Cores=2&PriorityStrategy=NewProductFirst&InstanceFamilyLevel=EnterpriseLevel").await;
    let age = |name: &str| name.chars().find(char::is_ascii_digit).unwrap();
    assert!(names(&newest).is_sorted_by_key(|name| std::cmp::Reverse(age(name))), "{:?}", names(&newest));
    let cheapest = recommended(&world, "Cores=2&PriorityStrategy=PriceFirst").await;
    assert!(cheapest.is_sorted_by_key(|one| one["InstanceType"]["Memory"].as_u64().unwrap()), "{:?}", names(&cheapest));
    assert!(recommended(&world, "Scene=UPGRADE&Cores=2&Memory=4").await.iter().all(|one| one["Scene"] == "UPGRADE"));
}

#[tokio::test]
async fn what_nobody_can_have_is_not_recommended() {
    let world = World::new().await;
    for more in
        ["Cores=3", "InstanceChargeType=PrePaid", "SpotStrategy=SpotAsPriceGo", "IoOptimized=none", "SystemDiskCategory=ephemeral_ssd"]
    {
        assert_eq!(names(&recommended(&world, more).await), [""; 0], "{more}");
    }
    assert_eq!(
        world.json("Action=DescribeRecommendInstanceType&NetworkType=classic").await["Data"]["RecommendInstanceType"],
        Value::Array(vec![])
    );
    world.refused("Action=DescribeRecommendInstanceType", 400, "MissingParameter").await;
    world.refused(&format!("{CALL}&InstanceType=ecs.c7.large&Cores=2"), 400, "InvalidParameter.Conflict").await;
    world.refused(&format!("{CALL}&InstanceType=ecs.none.large"), 404, "InvalidInstanceType.ValueNotSupported").await;
    world.refused(&format!("{CALL}&MaxPrice=1"), 400, "UnsupportedParameter").await;
}
