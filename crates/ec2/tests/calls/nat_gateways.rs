//! NAT gateways: made, failed, listed, routed to, deleted.

use crate::world::{World, elements};

async fn made(world: &World, form: &str, id: &str) -> String {
    let reply = world.call(form).await;
    assert_eq!(reply.status, 200, "{form}\n{}", reply.body);
    elements(&reply.body, id).remove(0)
}

#[tokio::test]
async fn a_nat_gateway_is_made_routed_to_and_deleted() {
    let world = World::new().await;
    let subnet = made(&world, "Action=DescribeSubnets", "subnetId").await;
    let address = made(&world, "Action=AllocateAddress", "allocationId").await;
    let table = made(&world, "Action=DescribeRouteTables", "routeTableId").await;
    let new = format!("Action=CreateNatGateway&SubnetId={subnet}");
    let tags = "TagSpecification.1.ResourceType=natgateway&TagSpecification.1.Tag.1.Key=a&TagSpecification.1.Tag.1.Value=b";
    let created = world.golden("CreateNatGateway", &format!("{new}&AllocationId={address}&{tags}")).await;
    let gateway = elements(&created, "natGatewayId").remove(0);
    world.golden("DescribeNatGateways", "Action=DescribeNatGateways&Filter.1.Name=state&Filter.1.Value.1=available").await;
    let route = format!("RouteTableId={table}&DestinationCidrBlock=192.0.2.0/24");
    made(&world, &format!("Action=CreateRoute&{route}&NatGatewayId={gateway}"), "return").await;
    world.golden("DescribeRouteTables.nat", "Action=DescribeRouteTables").await;
    for (form, code) in [
        (new.clone(), "MissingParameter"),
        (format!("{new}&ConnectivityType=private&AllocationId={address}"), "InvalidParameterCombination"),
        (format!("{new}&AllocationId=eipalloc-00000000000000001"), "InvalidAllocationID.NotFound"),
        (format!("{new}&ConnectivityType=private&PrivateIpAddress=10.9.9.9"), "InvalidParameterValue"),
        (
            format!("Action=CreateRoute&RouteTableId={table}&DestinationCidrBlock=198.51.100.0/24&NatGatewayId=nat-00000000000000001"),
            "NatGatewayNotFound",
        ),
        ("Action=DescribeNatGateways&NatGatewayId.1=nat-00000000000000001".to_owned(), "NatGatewayNotFound"),
        ("Action=DeleteNatGateway&NatGatewayId=nat-1".to_owned(), "NatGatewayMalformed"),
    ] {
        world.refused(&form, 400, code).await;
    }
    let private = made(&world, &format!("{new}&ConnectivityType=private&PrivateIpAddress=172.31.1.9"), "natGatewayId").await;
    for id in [&gateway, &private] {
        made(&world, &format!("Action=DeleteNatGateway&NatGatewayId={id}"), "natGatewayId").await;
    }
    world.refused(&format!("Action=DeleteNatGateway&NatGatewayId={gateway}"), 400, "NatGatewayNotFound").await;
    world.golden("DescribeRouteTables.lost", "Action=DescribeRouteTables").await;
    world.golden("ReleaseAddress", &format!("Action=ReleaseAddress&AllocationId={address}")).await;
}
