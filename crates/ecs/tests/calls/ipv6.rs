//! IPv6 of VPCs, vSwitches and interfaces.

use crate::world::World;

const VPC: &str = "Version=2016-04-28";

#[tokio::test]
async fn a_network_gets_ipv6_and_gives_it_back() {
    let world = World::new().await;
    let text = async |call: String, member: &str| world.json(&call).await[member].as_str().unwrap().to_owned();
    let vpc = text(format!("Action=CreateVpc&{VPC}&CidrBlock=192.168.0.0/16"), "VpcId").await;
    let switch = |more: &str| format!("Action=CreateVSwitch&{VPC}&VpcId={vpc}&ZoneId=test-1a&CidrBlock=192.168.1.0/24{more}");
    world.refused(&switch("&Ipv6CidrBlock=3"), 400, "InvalidParameter").await;
    let associate = |version: &str| format!("Action=AssociateVpcCidrBlock&{VPC}&VpcId={vpc}{version}");
    world.refused(&associate(""), 400, "MissingParameter").await;
    world.refused(&associate("&IpVersion=IPV6&SecondaryCidrBlock=10.0.0.0/8"), 400, "InvalidParameter.Conflict").await;
    world.json(&associate("&IpVersion=IPV6")).await;
    world.refused(&associate("&IpVersion=IPV6"), 409, "LimitExceeded").await;
    let range = text(format!("Action=DescribeVpcAttribute&{VPC}&VpcId={vpc}"), "Ipv6CidrBlock").await;
    assert!(range.ends_with("/56"), "{range}");
    let id = text(switch("&Ipv6CidrBlock=3"), "VSwitchId").await;
    let part = text(format!("Action=DescribeVSwitchAttributes&{VPC}&VSwitchId={id}"), "Ipv6CidrBlock").await;
    assert_eq!(part, range.replace("::/56", ":3::/64"));
    let group = text(format!("Action=CreateSecurityGroup&VpcId={vpc}"), "SecurityGroupId").await;
    let nic = text(format!("Action=CreateNetworkInterface&VSwitchId={id}&SecurityGroupId={group}"), "NetworkInterfaceId").await;
    let assign = |more: &str| format!("Action=AssignIpv6Addresses&NetworkInterfaceId={nic}{more}");
    world.refused(&assign(""), 400, "MissingParameter").await;
    let given = world.json(&assign("&Ipv6AddressCount=2")).await;
    let given: Vec<&str> = given["Ipv6Sets"]["Ipv6Address"].as_array().unwrap().iter().map(|ip| ip.as_str().unwrap()).collect();
    assert!(given.len() == 2 && given.iter().all(|ip| ip.starts_with(&part.replace("::/64", ":"))), "{given:?} in {part}");
    let shown = world.json(&format!("Action=DescribeNetworkInterfaces&NetworkInterfaceId.1={nic}")).await;
    let sets = &shown["NetworkInterfaceSets"]["NetworkInterfaceSet"][0]["Ipv6Sets"]["Ipv6Set"];
    assert_eq!(sets.as_array().unwrap().len(), 2);
    let take = format!("Action=UnassociateVpcCidrBlock&{VPC}&VpcId={vpc}&IPv6CidrBlock={range}");
    world.refused(&take, 403, "DependencyViolation").await;
    let unassign = format!("Action=UnassignIpv6Addresses&NetworkInterfaceId={nic}&Ipv6Address.1={}&Ipv6Address.2={}", given[0], given[1]);
    world.json(&unassign).await;
    world.json(&format!("Action=DeleteNetworkInterface&NetworkInterfaceId={nic}")).await;
    world.json(&format!("Action=DeleteVSwitch&VSwitchId={id}")).await;
    world.json(&take).await;
    world.refused(&take, 404, "InvalidIpv6CidrBlock.NotFound").await;
}
