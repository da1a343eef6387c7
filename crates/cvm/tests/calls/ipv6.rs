//! IPv6 of VPCs, subnets and interfaces.

use serde_json::Value;

use crate::world::World;

#[tokio::test]
async fn a_network_gets_ipv6_and_gives_it_back() {
    let world = World::new().await;
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let vpc = text(&world.json("CreateVpc", r#"{"VpcName": "own", "CidrBlock": "10.1.0.0/16"}"#).await["Vpc"]["VpcId"]);
    let of_vpc = format!(r#"{{"VpcId": "{vpc}"}}"#);
    let made = world.golden("AssignIpv6CidrBlock.json", "AssignIpv6CidrBlock", &of_vpc).await;
    let range = text(&made["Ipv6CidrBlock"]);
    assert!(range.ends_with("/56") && made["AddressType"] == "ULA", "{made}");
    world.refused("AssignIpv6CidrBlock", &of_vpc, "LimitExceeded").await;
    let shown = world.json("DescribeVpcs", &format!(r#"{{"VpcIds": ["{vpc}"]}}"#)).await;
    assert_eq!(shown["VpcSet"][0]["Ipv6CidrBlock"], range.as_str());

    let new = format!(r#"{{"VpcId": "{vpc}", "SubnetName": "s", "CidrBlock": "10.1.1.0/24", "Zone": "test-1a"}}"#);
    let subnet = text(&world.json("CreateSubnet", &new).await["Subnet"]["SubnetId"]);
    let part = range.replace("::/56", ":1::/64");
    let of_subnet = |subnet: &str, range: &str| {
        format!(r#"{{"VpcId": "{vpc}", "Ipv6SubnetCidrBlocks": [{{"SubnetId": "{subnet}", "Ipv6CidrBlock": "{range}"}}]}}"#)
    };
    let interface = |more: &str| format!(r#"{{"VpcId": "{vpc}", "SubnetId": "{subnet}", "NetworkInterfaceName": "n"{more}}}"#);
    world.refused("CreateNetworkInterface", &interface(r#", "Ipv6AddressCount": 1"#), "InvalidParameterCombination").await;
    for (range, code) in [("10.1.1.0/24", "InvalidParameterValue"), ("2001:db8::/64", "InvalidParameterValue")] {
        world.refused("AssignIpv6SubnetCidrBlock", &of_subnet(&subnet, range), code).await;
    }
    world.refused("AssignIpv6SubnetCidrBlock", &of_vpc, "MissingParameter").await;
    world.golden("AssignIpv6SubnetCidrBlock.json", "AssignIpv6SubnetCidrBlock", &of_subnet(&subnet, &part)).await;
    let shown = world.json("DescribeSubnets", &format!(r#"{{"SubnetIds": ["{subnet}"]}}"#)).await;
    assert_eq!(shown["SubnetSet"][0]["Ipv6CidrBlock"], part.as_str());

    let own = part.replace("/64", "60");
    let named = format!(r#", "Ipv6Addresses": [{{"Address": "{own}"}}]"#);
    let nic = text(&world.json("CreateNetworkInterface", &interface(&named)).await["NetworkInterface"]["NetworkInterfaceId"]);
    let of = |rest: &str| format!(r#"{{"NetworkInterfaceId": "{nic}"{rest}}}"#);
    world.refused("AssignIpv6Addresses", &of(&named), "VpcIpIsUsed").await;
    world.refused("AssignIpv6Addresses", &of(""), "MissingParameter").await;
    world.refused("AssignIpv6Addresses", &of(&format!(r#"{named}, "Ipv6AddressCount": 1"#)), "InvalidParameterValue").await;
    let given = world.golden("AssignIpv6Addresses.json", "AssignIpv6Addresses", &of(r#", "Ipv6AddressCount": 1"#)).await;
    let drawn = text(&given["Ipv6AddressSet"][0]["Address"]);
    let shown = world.json("DescribeNetworkInterfaces", &format!(r#"{{"NetworkInterfaceIds": ["{nic}"]}}"#)).await;
    let set = shown["NetworkInterfaceSet"][0]["Ipv6AddressSet"].as_array().unwrap();
    assert_eq!(set.iter().map(|one| text(&one["Address"])).collect::<Vec<_>>(), [own.clone(), drawn.clone()]);

    world.refused("UnassignIpv6SubnetCidrBlock", &of_subnet(&subnet, &part), "ResourceInUse").await;
    let both = format!(r#", "Ipv6Addresses": [{{"Address": "{own}"}}, {{"Address": "{drawn}"}}]"#);
    world.golden("UnassignIpv6Addresses.json", "UnassignIpv6Addresses", &of(&both)).await;
    world.refused("UnassignIpv6Addresses", &of(&both), "InvalidParameterValue").await;
    let of_range = format!(r#"{{"VpcId": "{vpc}", "Ipv6CidrBlock": "{range}"}}"#);
    world.refused("UnassignIpv6CidrBlock", &of_range, "ResourceInUse").await;
    world.golden("UnassignIpv6SubnetCidrBlock.json", "UnassignIpv6SubnetCidrBlock", &of_subnet(&subnet, &part)).await;
    world.refused("UnassignIpv6SubnetCidrBlock", &of_subnet(&subnet, &part), "ResourceNotFound").await;
    world.golden("UnassignIpv6CidrBlock.json", "UnassignIpv6CidrBlock", &of_range).await;
    world.refused("UnassignIpv6CidrBlock", &of_range, "ResourceNotFound").await;
}
