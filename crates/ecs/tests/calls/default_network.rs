//! The default VPC and its vSwitches made again, and elastic addresses of one's own choice.

use crate::world::World;

const VPC: &str = "Version=2016-04-28";

#[tokio::test]
async fn the_default_network_is_made_again() {
    let world = World::new().await;
    let create = format!("Action=CreateDefaultVSwitch&{VPC}&ZoneId=test-1a");
    world.refused(&create, 400, "InvalidCidrBlock.Overlapped").await;
    world.refused(&format!("Action=CreateDefaultVSwitch&{VPC}&ZoneId=test-1z"), 404, "InvalidZoneId.NotFound").await;
    let switches = world.json(&format!("Action=DescribeVSwitches&{VPC}&ZoneId=test-1a")).await;
    let first = &switches["VSwitches"]["VSwitch"][0];
    let (id, range) = (first["VSwitchId"].as_str().unwrap(), first["CidrBlock"].as_str().unwrap());
    world.json(&format!("Action=DeleteVSwitch&VSwitchId={id}")).await;
    let again = world.json(&create).await["VSwitchId"].as_str().unwrap().to_owned();
    let shown = world.json(&format!("Action=DescribeVSwitchAttributes&{VPC}&VSwitchId={again}")).await;
    assert_eq!((&shown["CidrBlock"], &shown["IsDefault"]), (&range.into(), &true.into()));
    world.refused(&format!("Action=CreateDefaultVpc&{VPC}"), 400, "InvalidParameter.Duplicate").await;
}

#[tokio::test]
async fn an_address_of_ones_own_choice_is_taken_if_it_is_free() {
    let world = World::new().await;
    let first = world.json("Action=AllocateEipAddress").await["EipAddress"].as_str().unwrap().to_owned();
    let next = std::net::Ipv4Addr::from_bits(first.parse::<std::net::Ipv4Addr>().unwrap().to_bits() + 5);
    let take = |ip: &str| format!("Action=AllocateEipAddressPro&{VPC}&IpAddress={ip}&Bandwidth=3");
    let taken = world.json(&take(&next.to_string())).await;
    assert_eq!(taken["EipAddress"], next.to_string());
    for none in [first.as_str(), &next.to_string(), "8.8.8.8", "0.0.0.0", "255.255.255.255"] {
        world.refused(&take(none), 403, "OperationDenied.NoStock").await;
    }
    let any = world.json(&format!("Action=AllocateEipAddressPro&{VPC}")).await;
    assert_ne!(any["EipAddress"], next.to_string());
    world.json(&format!("Action=ReleaseEipAddress&AllocationId={}", taken["AllocationId"].as_str().unwrap())).await;
    world.json(&take(&next.to_string())).await;
}
