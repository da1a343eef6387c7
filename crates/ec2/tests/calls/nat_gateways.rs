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
    world.golden("DescribeNatGateways.deleted", "Action=DescribeNatGateways&Filter.1.Name=state&Filter.1.Value.1=deleted").await;
    world.golden("DescribeRouteTables.lost", "Action=DescribeRouteTables").await;
    world.golden("ReleaseAddress", &format!("Action=ReleaseAddress&AllocationId={address}")).await;
}

#[tokio::test]
async fn a_nat_gateway_gets_further_addresses_and_gives_them_up() {
    let world = World::new().await;
    let subnet = made(&world, "Action=DescribeSubnets", "subnetId").await;
    let mut addresses = Vec::new();
    for _ in 0..4 {
        addresses.push(made(&world, "Action=AllocateAddress", "allocationId").await);
    }
    let new = format!("Action=CreateNatGateway&SubnetId={subnet}&PrivateIpAddress=172.31.1.9");
    let both = format!("AllocationId={}&SecondaryAllocationId.1={}", addresses[0], addresses[1]);
    let created = world.call(&format!("{new}&{both}&SecondaryPrivateIpAddress.1=172.31.1.10")).await.body;
    let gateway = elements(&created, "natGatewayId").remove(0);
    assert_eq!(elements(&created, "privateIp"), ["172.31.1.9", "172.31.1.10"]);
    assert_eq!(
        (elements(&created, "state"), elements(&created, "isPrimary")),
        (vec!["pending".to_owned()], vec!["true".to_owned(), "false".to_owned()])
    );
    let associate = |rest: &str| format!("Action=AssociateNatGatewayAddress&NatGatewayId={gateway}{rest}");
    let third = format!("&AllocationId.1={}&PrivateIpAddress.1=172.31.1.11", addresses[2]);
    let tied = world.golden("AssociateNatGatewayAddress", &associate(&third)).await;
    let tie = elements(&tied, "associationId").remove(0);
    let free = world.call(&associate(&format!("&AllocationId.1={}", addresses[3]))).await.body;
    assert_eq!(elements(&free, "privateIp").len(), 1, "a free one");
    let shown = world.golden("DescribeNatGateways.several", &format!("Action=DescribeNatGateways&NatGatewayId.1={gateway}")).await;
    let first = elements(&shown, "associationId").remove(0);
    let disassociate = |tie: &str| format!("Action=DisassociateNatGatewayAddress&NatGatewayId={gateway}&AssociationId.1={tie}");
    for (form, code) in [
        (associate(""), "MissingParameter"),
        (associate(&third), "InvalidIPAddress.InUse"),
        (
            associate(&format!("&AllocationId.1={}&PrivateIpAddress.1=10.0.0.1&PrivateIpAddress.2=10.0.0.2", addresses[2])),
            "InvalidParameterCombination",
        ),
        (format!("{new}&ConnectivityType=private&SecondaryAllocationId.1={}", addresses[2]), "InvalidParameterCombination"),
        (disassociate(&first), "OperationNotPermitted"),
        (disassociate("eipassoc-00000000000000001"), "InvalidAssociationID.NotFound"),
    ] {
        world.refused(&form, 400, code).await;
    }
    world.golden("DisassociateNatGatewayAddress", &disassociate(&tie)).await;
    // Both of its addresses are free again.
    made(&world, &associate(&third), "natGatewayId").await;
}

#[tokio::test]
async fn a_deleted_gateway_is_shown_for_an_hour() {
    let world = World::new().await;
    let subnet = made(&world, "Action=DescribeSubnets", "subnetId").await;
    let gateway = made(&world, &format!("Action=CreateNatGateway&SubnetId={subnet}&ConnectivityType=private"), "natGatewayId").await;
    made(&world, &format!("Action=DeleteNatGateway&NatGatewayId={gateway}"), "natGatewayId").await;
    let describe = format!("Action=DescribeNatGateways&NatGatewayId.1={gateway}");
    world.later(59 * 60 * 1_000).await;
    assert_eq!(elements(&world.call(&describe).await.body, "state"), ["deleted"]);
    world.later(2 * 60 * 1_000).await;
    world.refused(&describe, 400, "NatGatewayNotFound").await;
}
