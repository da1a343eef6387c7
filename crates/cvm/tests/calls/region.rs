//! What there is before anything is made: regions, zones, types, images, the caller.

use crate::world::{World, code_of};

#[tokio::test]
async fn what_the_cloud_offers_is_listed() {
    let world = World::new().await;
    world.golden("DescribeRegions.json", "DescribeRegions", "{}").await;
    world.golden("DescribeZones.json", "DescribeZones", "{}").await;
    world.golden("DescribeImages.json", "DescribeImages", "{}").await;
    world.golden("DescribeImageQuota.json", "DescribeImageQuota", "{}").await;
    world.golden("DescribeAccountQuota.json", "DescribeAccountQuota", "{}").await;
    world.golden("DescribeAddressQuota.json", "DescribeAddressQuota", "{}").await;
    world.golden("DescribeInstanceFamilyConfigs.json", "DescribeInstanceFamilyConfigs", "{}").await;
    let one = r#"{"Filters": [{"Name": "instance-type", "Values": ["S5.MEDIUM4"]}, {"Name": "zone", "Values": ["test-1a"]}]}"#;
    world.golden("DescribeInstanceTypeConfigs.json", "DescribeInstanceTypeConfigs", one).await;
    world.golden("DescribeZoneInstanceConfigInfos.json", "DescribeZoneInstanceConfigInfos", one).await;
    world.golden("GetCallerIdentity.json", "GetCallerIdentity", "{}").await;
}

#[tokio::test]
async fn types_are_found_by_family_zone_and_room() {
    let world = World::new().await;
    let count = |reply: serde_json::Value, set: &str| reply[set].as_array().unwrap().len();
    let all = count(world.json("DescribeInstanceTypeConfigs", "{}").await, "InstanceTypeConfigSet");
    let here = r#"{"Filters": [{"Name": "zone", "Values": ["test-1a"]}]}"#;
    assert_eq!(count(world.json("DescribeInstanceTypeConfigs", here).await, "InstanceTypeConfigSet") * 2, all);
    let family = r#"{"Filters": [{"Name": "instance-family", "Values": ["SA2"]}]}"#;
    let found = world.json("DescribeInstanceTypeConfigs", family).await;
    assert!(found["InstanceTypeConfigSet"].as_array().unwrap().iter().all(|kind| kind["InstanceFamily"] == "SA2"), "{found}");
    let empty_zone = r#"{"Filters": [{"Name": "zone", "Values": ["test-1b"]}, {"Name": "instance-type", "Values": ["S5.MEDIUM4"]}]}"#;
    let sold_out = world.json("DescribeZoneInstanceConfigInfos", empty_zone).await;
    assert_eq!(sold_out["InstanceTypeQuotaSet"][0]["Status"], "SOLD_OUT", "no host is in that zone");
    let other = r#"{"Filters": [{"Name": "instance-charge-type", "Values": ["PREPAID"]}]}"#;
    assert_eq!(count(world.json("DescribeZoneInstanceConfigInfos", other).await, "InstanceTypeQuotaSet"), 0);
    world.refused("DescribeInstanceTypeConfigs", r#"{"Filters": [{"Name": "colour", "Values": ["red"]}]}"#, "InvalidFilter").await;
}

#[tokio::test]
async fn images_are_found_by_owner_name_and_id() {
    let world = World::new().await;
    let total = |reply: serde_json::Value| reply["TotalCount"].as_u64().unwrap();
    for (name, value, expected) in [
        ("image-type", "PUBLIC_IMAGE", 2),
        ("image-type", "PRIVATE_IMAGE", 0),
        ("image-name", "linux", 1),
        ("image-name", "*", 0),
        ("image-state", "NORMAL", 2),
    ] {
        let body = format!(r#"{{"Filters": [{{"Name": "{name}", "Values": ["{value}"]}}]}}"#);
        assert_eq!(total(world.json("DescribeImages", &body).await), expected, "{name}={value}");
    }
    let id = world.image("debian-12").await;
    let by_id = world.json("DescribeImages", &format!(r#"{{"ImageIds": ["{id}"]}}"#)).await;
    assert_eq!(by_id["ImageSet"][0]["ImageName"], "debian-12");
    world.refused("DescribeImages", r#"{"ImageIds": ["img-00000000000000001"]}"#, "InvalidImageId.NotFound").await;
    world.refused("DescribeImages", r#"{"ImageIds": ["ami-00000000000000001"]}"#, "InvalidImageId.Malformed").await;
}

#[tokio::test]
async fn the_older_way_of_calling_has_everything_among_the_parameters() {
    let world = World::new().await;
    let zones = "Action=DescribeZones&Version=2017-03-12";
    assert_eq!(code_of(&world.query(zones).await), None);
    assert_eq!(code_of(&world.query(&format!("{zones}&Region=test-1&Language=en-US&RequestClient=SDK")).await), None);
    assert_eq!(code_of(&world.query(&format!("{zones}&Region=away-1")).await).as_deref(), Some("InvalidRegion.NotFound"));
    assert_eq!(code_of(&world.query("Action=DescribeZones").await).as_deref(), Some("MissingParameter"));
    let filtered = "Action=DescribeImages&Version=2017-03-12&Filters.0.Name=image-name&Filters.0.Values.0=debian-12&Limit=5";
    let reply: serde_json::Value = serde_json::from_str(&world.query(filtered).await.body).unwrap();
    assert_eq!(reply["Response"]["TotalCount"], 1, "{reply}");
}

#[tokio::test]
async fn quotas_are_shown_by_zone_and_kind() {
    let world = World::new().await;
    let asked = r#"{"Filters": [{"Name": "zone", "Values": ["test-1b"]}, {"Name": "quota-type", "Values": ["PostPaidQuotaSet"]}]}"#;
    let quota = world.json("DescribeAccountQuota", asked).await["AccountQuotaOverview"]["AccountQuota"].clone();
    assert_eq!(quota["PostPaidQuotaSet"].as_array().map(Vec::len), Some(1), "{quota}");
    assert_eq!(quota["ImageQuotaSet"].as_array().map(Vec::len), Some(0), "{quota}");
    world.refused("DescribeAccountQuota", r#"{"Filters": [{"Name": "colour", "Values": ["red"]}]}"#, "InvalidFilter").await;
}
