//! Bandwidth that several addresses share.

use crate::world::World;

const VPC: &str = "Version=2016-04-28";

#[tokio::test]
async fn addresses_come_into_a_package_and_leave_it() {
    let world = World::new().await;
    let first = world.json("Action=AllocateEipAddress").await["AllocationId"].as_str().unwrap().to_owned();
    let second = world.json("Action=AllocateEipAddress").await["AllocationId"].as_str().unwrap().to_owned();
    let create = format!("Action=CreateCommonBandwidthPackage&{VPC}&Bandwidth=10&Name=front");
    let body = world.golden("CreateCommonBandwidthPackage.json", &create).await;
    let made: serde_json::Value = serde_json::from_str(&body).unwrap();
    let package = made["BandwidthPackageId"].as_str().unwrap();
    let call = |action: &str, more: &str| format!("Action={action}&{VPC}&BandwidthPackageId={package}{more}");
    for address in [&first, &second] {
        world.json(&call("AddCommonBandwidthPackageIp", &format!("&IpInstanceId={address}&IpType=EIP"))).await;
    }
    world.refused(&call("AddCommonBandwidthPackageIp", &format!("&IpInstanceId={first}")), 403, "IncorrectEipStatus").await;
    world.golden("DescribeCommonBandwidthPackages.json", &call("DescribeCommonBandwidthPackages", "")).await;
    let shown = world.json(&format!("Action=DescribeEipAddresses&AllocationId={first}")).await;
    assert_eq!(shown["EipAddresses"]["EipAddress"][0]["BandwidthPackageId"], package);
    world.json(&call("ModifyCommonBandwidthPackageSpec", "&Bandwidth=20")).await;
    world.refused(&call("ModifyCommonBandwidthPackageSpec", "&Bandwidth=1001"), 400, "InvalidBandwidth.ValueNotSupported").await;
    world.json(&call("ModifyCommonBandwidthPackageAttribute", "&Name=back&Description=shared")).await;
    let named = world.json("Action=DescribeCommonBandwidthPackages&Name=back").await;
    assert_eq!(named["CommonBandwidthPackages"]["CommonBandwidthPackage"][0]["Bandwidth"], "20");
    world.json(&call("RemoveCommonBandwidthPackageIp", &format!("&IpInstanceId={first}"))).await;
    world.refused(&call("RemoveCommonBandwidthPackageIp", &format!("&IpInstanceId={first}")), 403, "IncorrectEipStatus").await;
    world.refused(&call("DeleteCommonBandwidthPackage", ""), 400, "DependencyViolation.EIPS").await;
    world.json(&call("DeleteCommonBandwidthPackage", "&Force=true")).await;
    let shown = world.json(&format!("Action=DescribeEipAddresses&AllocationId={second}")).await;
    assert_eq!(shown["EipAddresses"]["EipAddress"][0]["BandwidthPackageId"], "");
    world.refused(&call("DeleteCommonBandwidthPackage", ""), 404, "InvalidBandwidthPackageId.NotFound").await;
}

#[tokio::test]
async fn an_account_has_five_packages() {
    let world = World::new().await;
    let create = format!("Action=CreateCommonBandwidthPackage&{VPC}&Bandwidth=10");
    for _ in 0..5 {
        world.json(&create).await;
    }
    world.refused(&create, 409, "LimitExceeded").await;
}
