//! Further IPv4 ranges of VPCs.

use crate::world::World;

const VPC: &str = "Version=2016-04-28";

#[tokio::test]
async fn a_vpc_gets_further_ranges_and_gives_them_up() {
    let world = World::new().await;
    let text = async |call: String, member: &str| world.json(&call).await[member].as_str().unwrap().to_owned();
    let vpc = text(format!("Action=CreateVpc&{VPC}&CidrBlock=192.168.0.0/16"), "VpcId").await;
    let associate = |range: &str| format!("Action=AssociateVpcCidrBlock&{VPC}&VpcId={vpc}&SecondaryCidrBlock={range}");
    let take = |range: &str| format!("Action=UnassociateVpcCidrBlock&{VPC}&VpcId={vpc}&SecondaryCidrBlock={range}");
    // Private ranges of any kind are together here.
    world.json(&format!("{}&IpVersion=IPV4", associate("10.0.0.0/8"))).await;
    world.json(&associate("172.16.0.0/12")).await;
    let shown = world.golden("DescribeVpcAttribute.ranges.json", &format!("Action=DescribeVpcAttribute&{VPC}&VpcId={vpc}")).await;
    let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(shown["SecondaryCidrBlocks"]["SecondaryCidrBlock"], serde_json::json!(["10.0.0.0/8", "172.16.0.0/12"]));
    let table = shown["RouterTableIds"]["RouterTableIds"][0].as_str().unwrap();
    let routes = world.json(&format!("Action=DescribeRouteEntryList&{VPC}&RouteTableId={table}")).await;
    let routes = routes["RouteEntrys"]["RouteEntry"].as_array().unwrap().clone();
    let system: Vec<&str> =
        routes.iter().filter(|route| route["Type"] == "System").map(|route| route["DestinationCidrBlock"].as_str().unwrap()).collect();
    assert_eq!(system, ["192.168.0.0/16", "10.0.0.0/8", "172.16.0.0/12"]);
    let switch = |range: &str| format!("Action=CreateVSwitch&{VPC}&VpcId={vpc}&ZoneId=test-1a&CidrBlock={range}");
    let inside = text(switch("10.64.0.0/24"), "VSwitchId").await;
    world.refused(&switch("11.0.0.0/24"), 400, "InvalidCidrBlock").await;
    for (call, status, code) in [
        (associate("10.1.0.0/16"), 400, "InvalidCidrBlock.Overlapped"),
        (associate("192.168.9.0/24"), 400, "InvalidCidrBlock.Overlapped"),
        (associate("169.254.0.0/16"), 400, "InvalidCidrBlock"),
        (associate("11.0.0.0/29"), 400, "InvalidCidrBlock"),
        (associate("eleven"), 400, "InvalidCidrBlock"),
        (format!("{}&IpVersion=IPV6", associate("11.0.0.0/16")), 400, "InvalidParameter.Conflict"),
        (take("10.0.0.0/8"), 403, "DependencyViolation"),
        (take("192.168.0.0/16"), 403, "OperationDenied"),
        (take("11.0.0.0/16"), 404, "InvalidSecondaryCidrBlock.NotFound"),
    ] {
        world.refused(&call, status, code).await;
    }
    world.json(&format!("Action=DeleteVSwitch&VSwitchId={inside}")).await;
    world.json(&take("10.0.0.0/8")).await;
    let shown = world.json(&format!("Action=DescribeVpcs&{VPC}&VpcId={vpc}")).await;
    assert_eq!(shown["Vpcs"]["Vpc"][0]["SecondaryCidrBlocks"]["SecondaryCidrBlock"], serde_json::json!(["172.16.0.0/12"]));
}
