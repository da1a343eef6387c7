//! VPCs, vSwitches and the route tables that they use.

use crate::world::World;

const VPC: &str = "Version=2016-04-28";

async fn text(world: &World, call: &str, member: &str) -> String {
    world.json(call).await[member].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_network_is_made_and_taken_away() {
    let world = World::new().await;
    let create = "CidrBlock=192.168.0.0/16&VpcName=lab&Description=For%20tests&Tag.1.Key=a&Tag.1.Value=b&ClientToken=once";
    let body = world.golden("CreateVpc.json", &format!("Action=CreateVpc&{VPC}&{create}")).await;
    let made: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(world.json(&format!("Action=CreateVpc&{VPC}&{create}")).await["VpcId"], made["VpcId"]);
    let (vpc, table) = (made["VpcId"].as_str().unwrap(), made["RouteTableId"].as_str().unwrap());
    let create = format!("VpcId={vpc}&ZoneId=test-1a&CidrBlock=192.168.1.0/24&VSwitchName=one");
    let subnet = text(&world, &format!("Action=CreateVSwitch&{VPC}&{create}"), "VSwitchId").await;
    world.golden("DescribeVpcs.custom.json", &format!("Action=DescribeVpcs&{VPC}&VpcId={vpc}")).await;
    world.golden("DescribeVSwitches.custom.json", &format!("Action=DescribeVSwitches&{VPC}&VpcId={vpc}")).await;
    world.golden("DescribeRouteTableList.json", &format!("Action=DescribeRouteTableList&{VPC}&VpcId={vpc}")).await;
    world.golden("DescribeRouteTables.json", &format!("Action=DescribeRouteTables&{VPC}&RouteTableId={table}")).await;
    world.golden("DescribeRouteEntryList.json", &format!("Action=DescribeRouteEntryList&{VPC}&RouteTableId={table}")).await;
    world.json(&format!("Action=ModifyVpcAttribute&{VPC}&VpcId={vpc}&VpcName=renamed")).await;
    world.json(&format!("Action=ModifyVSwitchAttribute&{VPC}&VSwitchId={subnet}&VSwitchName=two&Description=x")).await;
    assert_eq!(world.json("Action=DescribeVpcs&VpcName=renamed").await["TotalCount"], 1);
    assert_eq!(world.json(&format!("Action=DescribeVSwitches&VSwitchName=two&RouteTableId={table}")).await["TotalCount"], 1);
    assert_eq!(world.json(&format!("Action=DescribeVSwitches&ZoneId=test-1b&RouteTableId={table}")).await["TotalCount"], 0);
    world.refused(&format!("Action=DeleteVpc&VpcId={vpc}"), 403, "DependencyViolation").await;
    world.json(&format!("Action=DeleteVSwitch&VSwitchId={subnet}")).await;
    world.json(&format!("Action=DeleteVpc&VpcId={vpc}&ForceDelete=false")).await;
    world.refused(&format!("Action=DeleteVpc&VpcId={vpc}"), 404, "InvalidVpcId.NotFound").await;
    assert_eq!(world.json(&format!("Action=DescribeRouteTableList&{VPC}&RouteTableId={table}")).await["TotalCount"], 0);
}

#[tokio::test]
async fn routes_of_the_default_vpc_are_shown_in_the_vendors_words() {
    let world = World::new().await;
    let tables = world.json(&format!("Action=DescribeRouteTableList&{VPC}&RouteTableType=System&RouterType=VRouter")).await;
    let table = &tables["RouterTableList"]["RouterTableListType"][0];
    assert_eq!(table["VSwitchIds"]["VSwitchId"].as_array().unwrap().len(), 2);
    let id = table["RouteTableId"].as_str().unwrap();
    let entries = format!("Action=DescribeRouteEntryList&{VPC}&RouteTableId={id}");
    let all = world.json(&entries).await;
    let hops: Vec<&str> = all["RouteEntrys"]["RouteEntry"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|e| e["NextHops"]["NextHop"][0]["NextHopType"].as_str())
        .collect();
    assert_eq!(hops, ["local", "Ipv4Gateway"]);
    let first = world.json(&format!("{entries}&MaxResult=1")).await;
    let token = first["NextToken"].as_str().unwrap();
    let second = world.json(&format!("{entries}&MaxResult=1&NextToken={token}")).await;
    assert_eq!((&second["RouteEntrys"]["RouteEntry"][0]["DestinationCidrBlock"], &second["NextToken"]), (&"0.0.0.0/0".into(), &"".into()));
    for (filter, count) in [("RouteEntryType=Custom", 1), ("RouteEntryType=System", 1), ("RouteEntryType=BGP", 0), ("NextHopType=local", 1)]
    {
        let found = world.json(&format!("{entries}&{filter}")).await;
        assert_eq!(found["RouteEntrys"]["RouteEntry"].as_array().unwrap().len(), count, "{filter}");
    }
    let router = table["RouterId"].as_str().unwrap();
    assert_eq!(world.json(&format!("Action=DescribeRouteTables&VRouterId={router}")).await["TotalCount"], 1);
}

#[tokio::test]
async fn a_vswitch_moves_to_a_table_of_its_own_and_back() {
    let world = World::new().await;
    let subnet = world.json("Action=DescribeVSwitches&ZoneId=test-1a").await;
    let subnet = &subnet["VSwitches"]["VSwitch"][0];
    let (vpc, id) = (subnet["VpcId"].as_str().unwrap(), subnet["VSwitchId"].as_str().unwrap());
    let create = format!("Action=CreateRouteTable&{VPC}&VpcId={vpc}&RouteTableName=mine&Tag.1.Key=a&Tag.1.Value=b");
    let table = text(&world, &create, "RouteTableId").await;
    let ends = format!("{VPC}&RouteTableId={table}&VSwitchId={id}");
    world.json(&format!("Action=AssociateRouteTable&{ends}")).await;
    let used = async || {
        let shown = world.json(&format!("Action=DescribeVSwitchAttributes&{VPC}&VSwitchId={id}")).await;
        shown["RouteTable"]["RouteTableType"].as_str().unwrap().to_owned()
    };
    assert_eq!(used().await, "Custom");
    let other = text(&world, &create.replace("mine", "other"), "RouteTableId").await;
    let second = format!("Action=AssociateRouteTable&{VPC}&RouteTableId={other}&VSwitchId={id}");
    world.refused(&second, 400, "InvalidVSwitchId.AlreadyAssociated").await;
    world.refused(&format!("Action=DeleteRouteTable&{VPC}&RouteTableId={table}"), 403, "DependencyViolation").await;
    let system = world.json(&format!("Action=DescribeRouteTables&{VPC}&RouteTableName=")).await;
    let entries = system["RouteTables"]["RouteTable"][0]["RouteEntrys"]["RouteEntry"].as_array().unwrap();
    let gateway = entries[1]["InstanceId"].as_str().unwrap();
    let entry = format!("{VPC}&RouteTableId={table}&DestinationCidrBlock=192.0.2.0/24&NextHopId={gateway}");
    world.json(&format!("Action=CreateRouteEntry&{entry}&NextHopType=Ipv4Gateway")).await;
    world.refused(&format!("Action=CreateRouteEntry&{entry}&NextHopType=Ipv4Gateway"), 400, "InvalidCidrBlock.Duplicate").await;
    // Where nothing is said a route leads to an instance.
    world.refused(&format!("Action=CreateRouteEntry&{entry}"), 404, "InvalidInstanceId.NotFound").await;
    world.json(&format!("Action=DeleteRouteEntry&{entry}")).await;
    world.refused(&format!("Action=DeleteRouteEntry&{entry}"), 404, "InvalidRouteEntry.NotFound").await;
    world.json(&format!("Action=UnassociateRouteTable&{ends}")).await;
    assert_eq!(used().await, "System");
    world.json(&format!("Action=DeleteRouteTable&{VPC}&RouteTableId={table}")).await;
}

#[tokio::test]
async fn networks_are_refused_with_the_vendors_codes() {
    let world = World::new().await;
    let vpc = text(&world, "Action=CreateVpc", "VpcId").await;
    let in_vpc = |range: &str| format!("Action=CreateVSwitch&VpcId={vpc}&ZoneId=test-1a&CidrBlock={range}");
    world.json(&in_vpc("172.16.1.0/24")).await;
    for (call, status, code) in [
        ("Action=CreateVpc&CidrBlock=here", 400, "InvalidCidrBlock"),
        ("Action=CreateVpc&CidrBlock=10.0.0.0/7", 400, "InvalidCidrBlock"),
        ("Action=CreateVpc&CidrBlock=169.254.0.0/16", 400, "InvalidCidrBlock"),
        ("Action=CreateVpc&Ipv6CidrBlock=fd00::/56", 400, "UnsupportedParameter"),
        ("Action=DeleteVpc&VpcId=vpc-1", 404, "InvalidVpcId.NotFound"),
        (&in_vpc("10.0.0.0/24"), 400, "InvalidCidrBlock"),
        (&in_vpc("172.16.2.0/30"), 400, "InvalidCidrBlock"),
        (&in_vpc("172.16.1.64/26"), 400, "InvalidCidrBlock.Overlapped"),
        (&in_vpc("172.16.2.0/24").replace("test-1a", "mars"), 404, "InvalidZoneId.NotFound"),
        ("Action=DeleteVSwitch&VSwitchId=x", 404, "InvalidVSwitchId.NotFound"),
        (&format!("Action=DescribeRouteEntryList&{VPC}&RouteTableId=rtb-00000000000000001"), 404, "InvalidRouteTableId.NotFound"),
        (&format!("Action=DescribeRouteEntryList&{VPC}&RouteTableId=x"), 404, "InvalidRouteTableId.NotFound"),
    ] {
        world.refused(call, status, code).await;
    }
    for _ in 2..10 {
        world.json("Action=CreateVpc").await;
    }
    world.refused("Action=CreateVpc", 403, "QuotaExceeded.Vpc").await;
}
