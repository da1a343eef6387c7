//! IPv6 gateways: made, addresses with bandwidth, egress-only rules, deleted.

use crate::world::{World, texts};

const VPC: &str = "Version=2016-04-28";
/// What addresses of the vSwitch begin with, which is the fourth /64 of the first VPC's range.
const SUBNET: &str = "fd12:3456:789a:3:";
/// Of a bandwidth that no address can have.
const WRONG: &str = "InvalidBandwidth.ValueNotSupported";

async fn text(world: &World, call: &str, member: &str) -> String {
    world.json(call).await[member].as_str().unwrap().to_owned()
}

/// A VPC with IPv6, its system route table, and an interface with two addresses.
struct Network {
    vpc: String,
    table: String,
    nic: String,
    ips: [String; 2],
}

async fn network(world: &World) -> Network {
    let made = world.json(&format!("Action=CreateVpc&{VPC}&CidrBlock=192.168.0.0/16")).await;
    let [vpc, table] = ["VpcId", "RouteTableId"].map(|member| made[member].as_str().unwrap().to_owned());
    world.json(&format!("Action=AssociateVpcCidrBlock&{VPC}&VpcId={vpc}&IpVersion=IPV6")).await;
    let switch = format!("Action=CreateVSwitch&{VPC}&VpcId={vpc}&ZoneId=test-1a&CidrBlock=192.168.1.0/24&Ipv6CidrBlock=3");
    let switch = text(world, &switch, "VSwitchId").await;
    let group = text(world, &format!("Action=CreateSecurityGroup&VpcId={vpc}"), "SecurityGroupId").await;
    let nic = format!("Action=CreateNetworkInterface&VSwitchId={switch}&SecurityGroupId={group}");
    let nic = text(world, &nic, "NetworkInterfaceId").await;
    let ips = [0x60, 0x61].map(|last| format!("{SUBNET}:{last:x}"));
    let assign = format!("Action=AssignIpv6Addresses&NetworkInterfaceId={nic}&Ipv6Address.1={}&Ipv6Address.2={}", ips[0], ips[1]);
    world.json(&assign).await;
    Network { vpc, table, nic, ips }
}

/// The id of an address.
async fn address(world: &World, ip: &str) -> String {
    let shown = world.json(&format!("Action=DescribeIpv6Addresses&{VPC}&Ipv6Address={ip}")).await;
    shown["Ipv6Addresses"]["Ipv6Address"][0]["Ipv6AddressId"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_gateway_lives_from_its_making_to_its_end() {
    let world = World::new().await;
    let Network { vpc, table, .. } = network(&world).await;
    let create = format!("Action=CreateIpv6Gateway&{VPC}&VpcId={vpc}&Name=six&Description=way&Tag.1.Key=a&Tag.1.Value=b");
    let gateway = texts(&world.golden("CreateIpv6Gateway.json", &create).await, "Ipv6GatewayId").remove(0);
    world.refused(&create, 400, "InvalidParameter.Duplicate").await;
    let call = |action: &str, more: &str| format!("Action={action}&{VPC}&Ipv6GatewayId={gateway}{more}");
    world.golden("DescribeIpv6GatewayAttribute.json", &call("DescribeIpv6GatewayAttribute", "")).await;
    world.json(&call("ModifyIpv6GatewayAttribute", "&Name=seven&Description=out")).await;
    world.golden("DescribeIpv6Gateways.json", &format!("Action=DescribeIpv6Gateways&{VPC}&VpcId={vpc}&Name=seven&Tags.1.Key=a")).await;
    let none = world.json(&format!("Action=DescribeIpv6Gateways&{VPC}&Name=six")).await;
    assert_eq!(none["TotalCount"], 0);
    let routes = format!("Action=DescribeRouteEntryList&{VPC}&RouteTableId={table}&IpVersion=ipv6");
    world.golden("DescribeRouteEntryList.ipv6.json", &routes).await;
    let delete = format!("Action=DeleteRouteEntry&{VPC}&RouteTableId={table}&DestinationCidrBlock=::/0&NextHopId={gateway}");
    world.json(&delete).await;
    world.refused(&delete, 404, "InvalidRouteEntry.NotFound").await;
    let route = |more: &str| {
        let route = format!("Action=CreateRouteEntry&{VPC}&RouteTableId={table}&NextHopType=IPv6Gateway&NextHopId={gateway}");
        format!("{route}&DestinationCidrBlock={more}")
    };
    world.refused(&route("::/0&RouteEntryName=six"), 400, "UnsupportedParameter").await;
    world.refused(&route("10.0.0.0/8"), 400, "InvalidParameter").await;
    world.json(&route("::/0")).await;
    world.refused(&route("::/0"), 400, "InvalidCidrBlock.Duplicate").await;
    let tags = format!("Action=TagResources&{VPC}&ResourceType=IPV6GATEWAY&ResourceId.1={gateway}&Tag.1.Key=c&Tag.1.Value=d");
    world.json(&tags).await;
    let listed = world.call(&format!("Action=ListTagResources&{VPC}&ResourceType=IPV6GATEWAY&ResourceId.1={gateway}")).await;
    assert_eq!(texts(&listed.body, "TagKey"), ["a", "c"]);
    world.refused(&format!("Action=DeleteVpc&{VPC}&VpcId={vpc}"), 403, "DependencyViolation").await;
    world.golden("DeleteIpv6Gateway.json", &call("DeleteIpv6Gateway", "")).await;
    world.refused(&call("DescribeIpv6GatewayAttribute", ""), 404, "InvalidGatewayId.NotFound").await;
    let left = world.call(&routes).await;
    assert!(!left.body.contains(&gateway), "its routes go with it: {}", left.body);
}

#[tokio::test]
async fn an_address_gets_bandwidth_and_a_rule_and_loses_them() {
    let world = World::new().await;
    let Network { vpc, nic, ips: [ip, other], .. } = network(&world).await;
    let gateway = text(&world, &format!("Action=CreateIpv6Gateway&{VPC}&VpcId={vpc}"), "Ipv6GatewayId").await;
    let (one, two) = (address(&world, &ip).await, address(&world, &other).await);
    let of = |action: &str, more: &str| format!("Action={action}&{VPC}&Ipv6GatewayId={gateway}{more}");
    let allocate = |id: &str, more: &str| of("AllocateIpv6InternetBandwidth", &format!("&Ipv6AddressId={id}{more}"));
    let rule = |id: &str| of("CreateIpv6EgressOnlyRule", &format!("&InstanceId={id}&InstanceType=Ipv6Address&Name=only&Description=out"));
    world.refused(&rule(&one), 403, "OperationDenied").await;
    for (more, code) in [("", "MissingParameter"), ("&Bandwidth=0", WRONG), ("&Bandwidth=2001", WRONG)] {
        world.refused(&allocate(&one, more), 400, code).await;
    }
    world.refused(&allocate(&one, "&Bandwidth=1001&InternetChargeType=PayByTraffic"), 400, WRONG).await;
    world.refused(&allocate("ipv6-1", "&Bandwidth=5"), 404, "InvalidIpv6AddressId.NotFound").await;
    world.refused(&allocate(&format!("ipv6-{}", "0".repeat(32)), "&Bandwidth=5"), 404, "InvalidIpv6AddressId.NotFound").await;
    world.golden("AllocateIpv6InternetBandwidth.json", &allocate(&one, "&Bandwidth=5")).await;
    world.refused(&allocate(&one, "&Bandwidth=5"), 400, "InvalidParameter.Duplicate").await;
    let list = |more: &str| format!("Action=DescribeIpv6Addresses&{VPC}&VpcId={vpc}{more}");
    world.golden("DescribeIpv6Addresses.json", &list("&NetworkType=Public")).await;
    let shown = world.json(&list(&format!("&Ipv6AddressId={one},{two}&PageSize=1&PageNumber=2"))).await;
    assert_eq!((shown["TotalCount"].as_u64(), shown["Ipv6Addresses"]["Ipv6Address"].as_array().map(Vec::len)), (Some(2), Some(1)));
    for (more, count) in [
        (format!("&NetworkType=Private&Ipv6Address={other}"), 1),
        (format!("&AssociatedInstanceId={nic}&AssociatedInstanceType=NetworkInterface"), 2),
        ("&AssociatedInstanceType=EcsInstance".to_owned(), 0),
        ("&AddressType=IPv6Prefix".to_owned(), 0),
        ("&Name=none".to_owned(), 0),
        ("&Ipv6AddressId=ipv6-1".to_owned(), 0),
    ] {
        assert_eq!(world.json(&list(&more)).await["TotalCount"], count, "{more}");
    }
    let change = |action: &str, more: &str| format!("Action={action}&{VPC}{more}");
    world.json(&change("ModifyIpv6InternetBandwidth", &format!("&Ipv6AddressId={one}&Bandwidth=50"))).await;
    assert!(world.call(&list("")).await.body.contains(r#""Bandwidth":50"#));
    let made = world.golden("CreateIpv6EgressOnlyRule.json", &rule(&one)).await;
    world.refused(&rule(&one), 400, "InvalidParameter.Duplicate").await;
    let made = texts(&made, "Ipv6EgressRuleId").remove(0);
    world.golden("DescribeIpv6EgressOnlyRules.json", &of("DescribeIpv6EgressOnlyRules", &format!("&InstanceId={one}&Name=only"))).await;
    world.refused(&of("DeleteIpv6Gateway", ""), 403, "DependencyViolation").await;
    let unrule = change("DeleteIpv6EgressOnlyRule", &format!("&Ipv6EgressOnlyRuleId={made}"));
    world.json(&unrule).await;
    world.refused(&unrule, 404, "InvalidIpv6EgressOnlyRuleId.NotFound").await;
    assert_eq!(world.json(&of("DescribeIpv6EgressOnlyRules", "")).await["TotalCount"], 0);
    world.refused(&change("DeleteIpv6InternetBandwidth", ""), 400, "MissingParameter").await;
    let both = format!("&Ipv6AddressId={one}&Ipv6InternetBandwidthId=ipv6bw-00000000000000001");
    world.refused(&change("DeleteIpv6InternetBandwidth", &both), 400, "InvalidParameter.Conflict").await;
    world.json(&change("DeleteIpv6InternetBandwidth", &format!("&Ipv6AddressId={one}"))).await;
    // Bandwidth goes with its address.
    let second = text(&world, &allocate(&two, "&Bandwidth=5"), "InternetBandwidthId").await;
    world.json(&format!("Action=UnassignIpv6Addresses&NetworkInterfaceId={nic}&Ipv6Address.1={other}")).await;
    let gone = change("ModifyIpv6InternetBandwidth", &format!("&Ipv6InternetBandwidthId={second}&Bandwidth=6"));
    world.refused(&gone, 404, "InvalidIpv6InternetBandwidthId.NotFound").await;
    world.json(&of("DeleteIpv6Gateway", "")).await;
}
