//! Bandwidth that several addresses share, and by what addresses are paid for.

use crate::world::World;

#[tokio::test]
async fn addresses_come_into_a_package_and_leave_it() {
    let world = World::new().await;
    let new = r#"{"BandwidthPackageName": "front", "InternetMaxBandwidth": 10, "ChargeType": "TOP5_POSTPAID_BY_MONTH"}"#;
    let made = world.golden("CreateBandwidthPackage.json", "CreateBandwidthPackage", new).await;
    let package = made["BandwidthPackageId"].as_str().unwrap().to_owned();
    let with = |more: &str| format!(r#"{{"BandwidthPackageId": "{package}"{more}}}"#);
    let allocate = format!(r#"{{"InternetChargeType": "BANDWIDTH_PACKAGE", "BandwidthPackageId": "{package}"}}"#);
    let first = world.json("AllocateAddresses", &allocate).await["AddressSet"][0].as_str().unwrap().to_owned();
    let second = world.json("AllocateAddresses", "{}").await["AddressSet"][0].as_str().unwrap().to_owned();
    let these = |address: &str| with(&format!(r#", "ResourceIds": ["{address}"], "ResourceType": "Address""#));
    world.golden("AddBandwidthPackageResources.json", "AddBandwidthPackageResources", &these(&second)).await;
    world.refused("AddBandwidthPackageResources", &these(&second), "UnsupportedOperation.InvalidState").await;
    world.refused("AddBandwidthPackageResources", &these("lb-1"), "InvalidParameterValue.AddressIdMalformed").await;
    let by = |name: &str, value: &str| format!(r#"{{"Filters": [{{"Name": "{name}", "Values": ["{value}"]}}]}}"#);
    let found = world.golden("DescribeBandwidthPackages.json", "DescribeBandwidthPackages", &by("resource.resource-id", &first)).await;
    let shown = &found["BandwidthPackageSet"][0];
    assert_eq!((&shown["ChargeType"], &shown["Bandwidth"]), (&"TOP5_POSTPAID_BY_MONTH".into(), &10.into()));
    for (name, value, count) in [
        ("bandwidth-package-id", package.as_str(), 1),
        ("bandwidth-package-name", "front", 1),
        ("network-type", "BGP", 1),
        ("charge-type", "ENHANCED95_POSTPAID_BY_MONTH", 0),
        ("resource.resource-type", "Address", 1),
        ("resource.resource-type", "LoadBalance", 0),
    ] {
        assert_eq!(world.json("DescribeBandwidthPackages", &by(name, value)).await["TotalCount"], count, "{name} {value}");
    }
    let inside = with(&format!(r#", "Filters": [{{"Name": "resource-id", "Values": ["{second}"]}}]"#));
    let resources = world.golden("DescribeBandwidthPackageResources.json", "DescribeBandwidthPackageResources", &inside).await;
    assert_eq!((&resources["TotalCount"], &resources["ResourceSet"][0]["ResourceId"]), (&1.into(), &second.as_str().into()));
    let address =
        async |id: &str| world.json("DescribeAddresses", &format!(r#"{{"AddressIds": ["{id}"]}}"#)).await["AddressSet"][0].clone();
    let shown = address(&first).await;
    assert_eq!((&shown["InternetChargeType"], &shown["BandwidthPackageId"]), (&"BANDWIDTH_PACKAGE".into(), &package.as_str().into()));
    world.golden("DescribeBandwidthPackageQuota.json", "DescribeBandwidthPackageQuota", "{}").await;

    let renamed = with(r#", "BandwidthPackageName": "back", "ChargeType": "BANDWIDTH_POSTPAID_BY_DAY""#);
    world.golden("ModifyBandwidthPackageAttribute.json", "ModifyBandwidthPackageAttribute", &renamed).await;
    world.golden("ModifyBandwidthPackageBandwidth.json", "ModifyBandwidthPackageBandwidth", &with(r#", "InternetMaxBandwidth": -1"#)).await;
    world.refused("ModifyBandwidthPackageBandwidth", &with(r#", "InternetMaxBandwidth": 1001"#), "InvalidParameterValue").await;
    world.refused("ModifyBandwidthPackageBandwidth", &with(r#", "InternetMaxBandwidth": -2"#), "InvalidParameterValue").await;
    let shown = world.json("DescribeBandwidthPackages", "{}").await["BandwidthPackageSet"][0].clone();
    let told = (&shown["BandwidthPackageName"], &shown["Bandwidth"], &shown["ChargeType"]);
    assert_eq!(told, (&"back".into(), &(-1).into(), &"BANDWIDTH_POSTPAID_BY_DAY".into()));

    world.refused("DeleteBandwidthPackage", &with(""), "InvalidParameterValue.BandwidthPackageInUse").await;
    let both = with(&format!(r#", "ResourceIds": ["{first}", "{second}"]"#));
    world.golden("RemoveBandwidthPackageResources.json", "RemoveBandwidthPackageResources", &both).await;
    assert_eq!(address(&first).await["BandwidthPackageId"], "");
    world.golden("DeleteBandwidthPackage.json", "DeleteBandwidthPackage", &with("")).await;
    world.refused("DeleteBandwidthPackage", &with(""), "InvalidParameterValue.BandwidthPackageNotFound").await;
}

#[tokio::test]
async fn packages_are_bounded_and_of_one_kind() {
    let world = World::new().await;
    world.refused("CreateBandwidthPackage", r#"{"BandwidthPackageCount": 6}"#, "LimitExceeded.BandwidthPackageQuota").await;
    assert_eq!(world.json("DescribeBandwidthPackages", "{}").await["TotalCount"], 0, "all of them or none");
    let made = world.json("CreateBandwidthPackage", r#"{"BandwidthPackageCount": 5, "Tags": [{"Key": "a", "Value": "b"}]}"#).await;
    assert_eq!(made["BandwidthPackageIds"].as_array().unwrap().len(), 5);
    world.refused("CreateBandwidthPackage", "{}", "LimitExceeded.BandwidthPackageQuota").await;
    let tagged = r#"{"Filters": [{"Name": "tag:a", "Values": ["b"]}]}"#;
    assert_eq!(world.json("DescribeBandwidthPackages", tagged).await["TotalCount"], 5);
    for other in [r#""NetworkType": "ANYCAST""#, r#""ChargeType": "FIXED_PREPAID_BY_MONTH""#, r#""Protocol": "ipv6""#, r#""TimeSpan": 1"#] {
        world.refused("CreateBandwidthPackage", &format!("{{{other}}}"), "UnsupportedOperation").await;
    }
}

#[tokio::test]
async fn what_an_address_is_paid_for_is_told_again() {
    let world = World::new().await;
    let by_bandwidth = r#"{"InternetChargeType": "BANDWIDTH_POSTPAID_BY_HOUR"}"#;
    let made = world.json("AllocateAddresses", by_bandwidth).await["AddressSet"][0].as_str().unwrap().to_owned();
    let shown = async || world.json("DescribeAddresses", &format!(r#"{{"AddressIds": ["{made}"]}}"#)).await["AddressSet"][0].clone();
    assert_eq!(shown().await["InternetChargeType"], "BANDWIDTH_POSTPAID_BY_HOUR");
    let change = |charge: &str| format!(r#"{{"AddressId": "{made}", "InternetChargeType": "{charge}", "InternetMaxBandwidthOut": 4}}"#);
    let file = "ModifyAddressInternetChargeType.json";
    world.golden(file, "ModifyAddressInternetChargeType", &change("TRAFFIC_POSTPAID_BY_HOUR")).await;
    let told = shown().await;
    assert_eq!((&told["InternetChargeType"], &told["Bandwidth"]), (&"TRAFFIC_POSTPAID_BY_HOUR".into(), &4.into()));
    world.refused("ModifyAddressInternetChargeType", &change("BANDWIDTH_PREPAID_BY_MONTH"), "UnsupportedOperation").await;
    world.refused("AllocateAddresses", r#"{"InternetChargeType": "BANDWIDTH_PACKAGE"}"#, "MissingParameter").await;
    let internet = r#""InternetAccessible": {"InternetMaxBandwidthOut": 3, "InternetChargeType": "BANDWIDTH_POSTPAID_BY_HOUR"}"#;
    let instance = world.run(internet).await.remove(0);
    assert_eq!(world.instance(&instance).await["InternetAccessible"]["InternetChargeType"], "BANDWIDTH_POSTPAID_BY_HOUR");
    world.golden("DescribeInternetChargeTypeConfigs.json", "DescribeInternetChargeTypeConfigs", "{}").await;
}
