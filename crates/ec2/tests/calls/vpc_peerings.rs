//! VPC peering connections.

use crate::world::{World, elements};

#[tokio::test]
async fn a_peering_is_asked_for_accepted_and_ended() {
    let world = World::new().await;
    let one = world.first("Action=CreateVpc&CidrBlock=10.1.0.0/16", "vpcId").await;
    let two = world.first("Action=CreateVpc&CidrBlock=10.2.0.0/16", "vpcId").await;
    let new = format!("Action=CreateVpcPeeringConnection&VpcId={one}&PeerVpcId={two}");
    let tags = "TagSpecification.1.ResourceType=vpc-peering-connection&TagSpecification.1.Tag.1.Key=a&TagSpecification.1.Tag.1.Value=b";
    let made = world.golden("CreateVpcPeeringConnection", &format!("{new}&{tags}")).await;
    let id = elements(&made, "vpcPeeringConnectionId").remove(0);
    let named = format!("VpcPeeringConnectionId={id}");
    world.golden("AcceptVpcPeeringConnection", &format!("Action=AcceptVpcPeeringConnection&{named}")).await;
    let by_state = "Action=DescribeVpcPeeringConnections&Filter.1.Name=status-code&Filter.1.Value.1=active";
    world.golden("DescribeVpcPeeringConnections", by_state).await;
    world.refused(&format!("Action=RejectVpcPeeringConnection&{named}"), 400, "IncorrectState").await;
    world.refused(&format!("{new}&PeerRegion=elsewhere"), 400, "UnsupportedOperation").await;
    world.refused(&format!("{new}&PeerOwnerId=12"), 400, "InvalidParameterValue").await;
    world.refused("Action=AcceptVpcPeeringConnection&VpcPeeringConnectionId=pcx-1", 400, "InvalidVpcPeeringConnectionId.Malformed").await;
    // A VPC takes its peerings along.
    world.ok(&format!("Action=DeleteVpc&VpcId={two}")).await;
    world.refused(&format!("Action=DeleteVpcPeeringConnection&{named}"), 400, "InvalidVpcPeeringConnectionID.NotFound").await;
    let by_state = "Action=DescribeVpcPeeringConnections&Filter.1.Name=status-code&Filter.1.Value.1=deleted";
    world.golden("DescribeVpcPeeringConnections.deleted", by_state).await;
    world.later(2 * 3_600 * 1_000).await;
    assert!(elements(&world.ok(by_state).await, "vpcPeeringConnectionId").is_empty());
}

#[tokio::test]
async fn what_nobody_answers_expires_and_is_forgotten() {
    let world = World::new().await;
    let one = world.first("Action=CreateVpc&CidrBlock=10.1.0.0/16", "vpcId").await;
    let two = world.first("Action=CreateVpc&CidrBlock=10.2.0.0/16", "vpcId").await;
    world.ok(&format!("Action=CreateVpcPeeringConnection&VpcId={one}&PeerVpcId={two}")).await;
    let states = async |wanted: &str| {
        let asked = format!("Action=DescribeVpcPeeringConnections&Filter.1.Name=status-code&Filter.1.Value.1={wanted}");
        elements(&world.ok(&asked).await, "code")
    };
    let day = 24 * 3_600 * 1_000;
    world.later(7 * day - 1_000).await;
    assert_eq!(states("pending-acceptance").await, ["pending-acceptance"]);
    world.later(2_000).await;
    assert_eq!((states("expired").await, states("pending-acceptance").await), (vec!["expired".to_owned()], vec![]));
    world.later(2 * day).await;
    assert!(elements(&world.ok("Action=DescribeVpcPeeringConnections").await, "code").is_empty());
}

#[tokio::test]
async fn rules_that_name_groups_across_a_peering_are_listed_and_stale_without_it() {
    let world = World::new().await;
    let one = world.first("Action=CreateVpc&CidrBlock=10.1.0.0/16", "vpcId").await;
    let two = world.first("Action=CreateVpc&CidrBlock=10.2.0.0/16", "vpcId").await;
    let group = async |vpc: &str, name: &str| {
        let form = format!("Action=CreateSecurityGroup&VpcId={vpc}&GroupName={name}&GroupDescription=words");
        world.first(&form, "groupId").await
    };
    let (near, far) = (group(&one, "near").await, group(&two, "far").await);
    let asked = format!("Action=CreateVpcPeeringConnection&VpcId={one}&PeerVpcId={two}");
    let peering = world.first(&asked, "vpcPeeringConnectionId").await;
    world.ok(&format!("Action=AcceptVpcPeeringConnection&VpcPeeringConnectionId={peering}")).await;
    let rule = "IpPermissions.1.IpProtocol=tcp&IpPermissions.1.FromPort=22&IpPermissions.1.ToPort=23";
    world.ok(&format!("Action=AuthorizeSecurityGroupIngress&GroupId={near}&{rule}&IpPermissions.1.Groups.1.GroupId={far}")).await;
    world.golden("DescribeSecurityGroupReferences", &format!("Action=DescribeSecurityGroupReferences&GroupId.1={far}")).await;
    let of_near = world.ok(&format!("Action=DescribeSecurityGroupReferences&GroupId.1={near}")).await;
    assert!(elements(&of_near, "groupId").is_empty(), "{of_near}");
    let stale = format!("Action=DescribeStaleSecurityGroups&VpcId={one}");
    assert!(elements(&world.ok(&stale).await, "groupId").is_empty());
    world.ok(&format!("Action=DeleteVpcPeeringConnection&VpcPeeringConnectionId={peering}")).await;
    world.golden("DescribeStaleSecurityGroups", &stale).await;
    assert!(elements(&world.ok(&stale.replace(&one, &two)).await, "groupId").is_empty());
    world.refused("Action=DescribeSecurityGroupReferences", 400, "MissingParameter").await;
    world.refused("Action=DescribeSecurityGroupReferences&GroupId.1=sg-00000000000000099", 400, "InvalidGroup.NotFound").await;
    world.refused("Action=DescribeStaleSecurityGroups&VpcId=vpc-00000000000000099", 400, "InvalidVpcID.NotFound").await;
}

#[tokio::test]
async fn a_peering_knows_the_ranges_of_ipv6_and_routes_lead_to_it() {
    let world = World::new().await;
    let one = world.first("Action=CreateVpc&CidrBlock=10.1.0.0/16&AmazonProvidedIpv6CidrBlock=true", "vpcId").await;
    let two = world.first("Action=CreateVpc&CidrBlock=10.2.0.0/16", "vpcId").await;
    let asked = format!("Action=CreateVpcPeeringConnection&VpcId={one}&PeerVpcId={two}");
    let peering = world.first(&asked, "vpcPeeringConnectionId").await;
    let tables = format!("Action=DescribeRouteTables&Filter.1.Name=vpc-id&Filter.1.Value.1={one}");
    let table = world.first(&tables, "routeTableId").await;
    let route = format!("RouteTableId={table}&DestinationIpv6CidrBlock=fd12:3456:789a:100::/56");
    let create = format!("Action=CreateRoute&{route}&VpcPeeringConnectionId={peering}");
    world.refused(&create, 400, "InvalidParameterValue").await;
    world.ok(&format!("Action=AcceptVpcPeeringConnection&VpcPeeringConnectionId={peering}")).await;
    let ranges = async || elements(&world.ok("Action=DescribeVpcPeeringConnections").await, "ipv6CidrBlock");
    assert_eq!(ranges().await, ["fd12:3456:789a::/56"]);
    let given = world.ok(&format!("Action=AssociateVpcCidrBlock&VpcId={two}&AmazonProvidedIpv6CidrBlock=true")).await;
    let tie = elements(&given, "associationId").remove(0);
    world.golden("DescribeVpcPeeringConnections.ipv6", "Action=DescribeVpcPeeringConnections").await;
    world.ok(&create).await;
    let by_peering = format!("{tables}&Filter.2.Name=route.vpc-peering-connection-id&Filter.2.Value.1={peering}");
    let shown = world.ok(&by_peering).await;
    assert_eq!(
        (elements(&shown, "vpcPeeringConnectionId"), elements(&shown, "state")[..3].concat()),
        (vec![peering.clone()], "active".repeat(3))
    );
    world.ok(&format!("Action=DisassociateVpcCidrBlock&AssociationId={tie}")).await;
    assert_eq!(ranges().await, ["fd12:3456:789a::/56"]);
    world.ok(&format!("Action=DeleteVpcPeeringConnection&VpcPeeringConnectionId={peering}")).await;
    let shown = world.ok(&tables).await;
    assert!(elements(&shown, "state").contains(&"blackhole".to_owned()), "{shown}");
}
