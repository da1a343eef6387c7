//! IPv4 gateways: made, activated, led to by routes, deleted.

use crate::world::{World, texts};

const VPC: &str = "Version=2016-04-28";

async fn text(world: &World, call: &str, member: &str) -> String {
    world.json(call).await[member].as_str().unwrap().to_owned()
}

/// A VPC of its own, with its system route table.
async fn vpc(world: &World) -> (String, String) {
    let made = world.json(&format!("Action=CreateVpc&{VPC}&CidrBlock=192.168.0.0/16")).await;
    (made["VpcId"].as_str().unwrap().to_owned(), made["RouteTableId"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn a_gateway_lives_from_its_making_to_its_end() {
    let world = World::new().await;
    let (vpc, table) = vpc(&world).await;
    let create =
        format!("Action=CreateIpv4Gateway&{VPC}&VpcId={vpc}&Ipv4GatewayName=out&Ipv4GatewayDescription=way&Tag.1.Key=a&Tag.1.Value=b");
    let gateway = texts(&world.golden("CreateIpv4Gateway.json", &create).await, "Ipv4GatewayId").remove(0);
    world.refused(&create, 400, "InvalidParameter.Duplicate").await;
    let call = |action: &str, more: &str| format!("Action={action}&{VPC}&Ipv4GatewayId={gateway}{more}");
    let shown = world.golden("GetIpv4GatewayAttribute.json", &call("GetIpv4GatewayAttribute", "")).await;
    assert!(shown.contains(r#""Enabled":false"#), "{shown}");
    world.json(&call("UpdateIpv4GatewayAttribute", "&Ipv4GatewayName=away")).await;
    world.golden("ListIpv4Gateways.json", &format!("Action=ListIpv4Gateways&{VPC}&VpcId={vpc}&Ipv4GatewayName=away&Tags.1.Key=a")).await;
    assert_eq!(text(&world, &format!("Action=ListIpv4Gateways&{VPC}&Ipv4GatewayName=out"), "TotalCount").await, "0");
    world.refused(&call("EnableVpcIpv4Gateway", "&RouteTableList.1=rtb-00000000000000001"), 404, "InvalidRouteTableId.NotFound").await;
    assert_eq!(world.json(&call("GetIpv4GatewayAttribute", "")).await["Enabled"], false, "a refused call activates nothing");
    world.golden("EnableVpcIpv4Gateway.json", &call("EnableVpcIpv4Gateway", &format!("&RouteTableList.1={table}"))).await;
    assert_eq!(world.json(&call("GetIpv4GatewayAttribute", "")).await["Enabled"], true);
    world.refused(&call("EnableVpcIpv4Gateway", ""), 403, "OperationDenied").await;
    world.refused(&call("DeleteIpv4Gateway", ""), 403, "DependencyViolation").await;
    world.json(&format!("Action=DeleteRouteEntry&{VPC}&RouteTableId={table}&DestinationCidrBlock=0.0.0.0/0&NextHopId={gateway}")).await;
    let tags = format!("Action=TagResources&{VPC}&ResourceType=IPV4GATEWAY&ResourceId.1={gateway}&Tag.1.Key=c&Tag.1.Value=d");
    world.json(&tags).await;
    let listed = world.call(&format!("Action=ListTagResources&{VPC}&ResourceType=IPV4GATEWAY&ResourceId.1={gateway}")).await;
    assert_eq!(texts(&listed.body, "TagKey"), ["a", "c"]);
    world.golden("DeleteIpv4Gateway.json", &call("DeleteIpv4Gateway", "&InternetMode=private")).await;
    world.refused(&call("GetIpv4GatewayAttribute", ""), 404, "InvalidGatewayId.NotFound").await;
}

#[tokio::test]
async fn a_vpc_without_a_gateway_is_open_or_closed_as_it_was_said() {
    let world = World::new().await;
    let (vpc, _) = vpc(&world).await;
    let made = format!("Action=CreateVSwitch&VpcId={vpc}&ZoneId=test-1a&CidrBlock=192.168.1.0/24");
    let switch = text(&world, &made, "VSwitchId").await;
    let group = text(&world, &format!("Action=CreateSecurityGroup&VpcId={vpc}"), "SecurityGroupId").await;
    let nic = format!("Action=CreateNetworkInterface&VSwitchId={switch}&SecurityGroupId={group}");
    let nic = text(&world, &nic, "NetworkInterfaceId").await;
    let address = text(&world, "Action=AllocateEipAddress", "AllocationId").await;
    let tie = format!("Action=AssociateEipAddress&AllocationId={address}&InstanceId={nic}&InstanceType=NetworkInterface");
    let untie = format!("Action=UnassociateEipAddress&AllocationId={address}&InstanceId={nic}&InstanceType=NetworkInterface");
    let gateway = async || text(&world, &format!("Action=CreateIpv4Gateway&{VPC}&VpcId={vpc}"), "Ipv4GatewayId").await;
    let delete = |id: &str, mode: &str| format!("Action=DeleteIpv4Gateway&{VPC}&Ipv4GatewayId={id}&InternetMode={mode}");
    let enable = |id: &str| format!("Action=EnableVpcIpv4Gateway&{VPC}&Ipv4GatewayId={id}");
    // One that was never activated leaves no trace.
    world.json(&delete(&gateway().await, "private")).await;
    world.json(&tie).await;
    let first = gateway().await;
    world.json(&enable(&first)).await;
    world.refused(&delete(&first, "private"), 403, "DependencyViolation").await;
    world.json(&delete(&first, "public")).await;
    world.json(&untie).await;
    let second = gateway().await;
    world.json(&enable(&second)).await;
    world.json(&delete(&second, "private")).await;
    world.refused(&tie, 403, "OperationDenied").await;
    // A gateway that is only made is no way out yet.
    let third = gateway().await;
    world.refused(&tie, 403, "OperationDenied").await;
    world.json(&enable(&third)).await;
    world.json(&tie).await;
}
