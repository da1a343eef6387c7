//! How fast public addresses are.

use crate::world::World;

#[tokio::test]
async fn the_bandwidth_of_an_elastic_address_is_changed_and_shown() {
    let world = World::new().await;
    let made = world.json("AllocateAddresses", r#"{"AddressCount": 2}"#).await;
    let (ids, first) = (&made["AddressSet"], made["AddressSet"][0].as_str().unwrap());
    let shown = || async { world.json("DescribeAddresses", &format!(r#"{{"AddressIds": ["{first}"]}}"#)).await["AddressSet"][0].clone() };
    assert_eq!(shown().await["Bandwidth"], 1, "what VPC gives to one that asks for nothing");
    let change = |mbit: u32| format!(r#"{{"AddressIds": {ids}, "InternetMaxBandwidthOut": {mbit}}}"#);
    world.golden("ModifyAddressesBandwidth.json", "ModifyAddressesBandwidth", &change(7)).await;
    assert_eq!(shown().await["Bandwidth"], 7);
    world.refused("ModifyAddressesBandwidth", &change(0), "InvalidParameterValue").await;
    world.refused("ModifyAddressesBandwidth", &change(501), "InvalidParameterValue").await;
    let malformed = r#"{"AddressIds": ["eip-0"], "InternetMaxBandwidthOut": 7}"#;
    world.refused("ModifyAddressesBandwidth", malformed, "InvalidParameterValue.AddressIdMalformed").await;
    let named = format!(r#"{{"AddressId": "{first}", "AddressName": "front"}}"#);
    world.golden("ModifyAddressAttribute.json", "ModifyAddressAttribute", &named).await;
    assert_eq!((&shown().await["AddressName"], &shown().await["Bandwidth"]), (&"front".into(), &7.into()));
}

#[tokio::test]
async fn the_bandwidth_of_an_instances_own_address_is_changed_and_shown() {
    let world = World::new().await;
    let instance = world.run(r#""InternetAccessible": {"InternetMaxBandwidthOut": 3}"#).await.remove(0);
    let shown = || async { world.instance(&instance).await["InternetAccessible"]["InternetMaxBandwidthOut"].clone() };
    assert_eq!(shown().await, 3);
    let change = |mbit: u32| format!(r#"{{"InstanceIds": ["{instance}"], "InternetAccessible": {{"InternetMaxBandwidthOut": {mbit}}}}}"#);
    world.golden("ResetInstancesInternetMaxBandwidth.json", "ResetInstancesInternetMaxBandwidth", &change(20)).await;
    assert_eq!(shown().await, 20);
    world.refused("ResetInstancesInternetMaxBandwidth", &change(0), "InvalidParameterValue").await;
    world.refused("ResetInstancesInternetMaxBandwidth", &change(501), "InvalidParameterValue").await;
    let priced = change(5).replace(": 5}", r#": 5, "InternetChargeType": "BANDWIDTH_PACKAGE"}"#);
    world.refused("ResetInstancesInternetMaxBandwidth", &priced, "UnsupportedOperation").await;
    assert_eq!(shown().await, 20);
}
