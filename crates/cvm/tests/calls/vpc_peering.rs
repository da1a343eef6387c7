//! Peering connections of VPCs, within an account.

use crate::world::World;

#[tokio::test]
async fn a_peering_is_active_at_once_and_goes_with_its_routes() {
    let world = World::new().await;
    let vpc = async |name: &str, range: &str| {
        let made = world.json("CreateVpc", &format!(r#"{{"VpcName": "{name}", "CidrBlock": "{range}"}}"#)).await;
        made["Vpc"]["VpcId"].as_str().unwrap().to_owned()
    };
    let (here, there, same) = (vpc("here", "10.1.0.0/16").await, vpc("there", "10.2.0.0/16").await, vpc("same", "10.1.0.0/17").await);
    let new = |peer: &str, rest: &str| {
        format!(r#"{{"SourceVpcId": "{here}", "DestinationVpcId": "{peer}", "PeeringConnectionName": "bridge"{rest}}}"#)
    };
    let action = "CreateVpcPeeringConnection";
    for (peer, rest, code) in [
        (&same, "", "InvalidParameterCombination"),
        (&there, r#", "Type": "VPC_BM_PEER""#, "UnsupportedOperation"),
        (&there, r#", "DestinationRegion": "far-1""#, "UnsupportedOperation"),
        (&there, r#", "DestinationUin": "7""#, "InvalidVpcId.NotFound"),
        (&there, r#", "DestinationUin": "222233334444""#, "InvalidVpcId.NotFound"),
    ] {
        world.refused(action, &new(peer, rest), code).await;
    }
    let tagged = new(&there, r#", "Type": "VPC_PEER", "Tags": [{"Key": "a", "Value": "b"}]"#);
    let made = world.golden("CreateVpcPeeringConnection.json", action, &tagged).await;
    let id = made["PeeringConnectionId"].as_str().unwrap().to_owned();
    world.refused(action, &tagged, "InvalidParameterValue.Duplicate").await;
    let of = |rest: &str| format!(r#"{{"PeeringConnectionId": "{id}"{rest}}}"#);
    for answer in ["AcceptVpcPeeringConnection", "RejectVpcPeeringConnection"] {
        world.refused(answer, &of(""), "UnsupportedOperation.InvalidState").await;
    }
    let renamed = of(r#", "PeeringConnectionName": "span""#);
    world.golden("ModifyVpcPeeringConnection.json", "ModifyVpcPeeringConnection", &renamed).await;
    let by_state = r#"{"Filters": [{"Name": "state", "Values": ["ACTIVE"]}, {"Name": "peering-connection-name", "Values": ["span"]}]}"#;
    world.golden("DescribeVpcPeeringConnections.json", "DescribeVpcPeeringConnections", by_state).await;
    let by_vpc = format!(r#"{{"Filters": [{{"Name": "vpc-id", "Values": ["{there}"]}}]}}"#);
    assert_eq!(world.json("DescribeVpcPeeringConnections", &by_vpc).await["TotalCount"], 1);

    let new = format!(r#"{{"VpcId": "{here}", "RouteTableName": "own"}}"#);
    let table = world.json("CreateRouteTable", &new).await["RouteTable"]["RouteTableId"].as_str().unwrap().to_owned();
    let route = format!(r#"{{"DestinationCidrBlock": "10.2.0.0/16", "GatewayType": "PEERCONNECTION", "GatewayId": "{id}"}}"#);
    let made = world.json("CreateRoutes", &format!(r#"{{"RouteTableId": "{table}", "Routes": [{route}]}}"#)).await;
    let shown = &made["RouteTableSet"][0]["RouteSet"][0];
    assert_eq!((&shown["GatewayType"], &shown["GatewayId"]), (&"PEERCONNECTION".into(), &id.as_str().into()));
    world.golden("DeleteVpcPeeringConnection.json", "DeleteVpcPeeringConnection", &of("")).await;
    let left = world.json("DescribeRouteTables", &format!(r#"{{"RouteTableIds": ["{table}"]}}"#)).await;
    assert_eq!(left["RouteTableSet"][0]["RouteSet"], serde_json::json!([]));
    world.refused("DeleteVpcPeeringConnection", &of(""), "ResourceNotFound").await;
}

#[tokio::test]
async fn another_account_answers() {
    let world = World::new().await;
    let asks = async |action: &str, body: &str| {
        let reply = world.call_as(&world.stranger, action, body).await;
        serde_json::from_str::<serde_json::Value>(&reply.body).unwrap()["Response"].take()
    };
    let made = asks("CreateVpc", r#"{"VpcName": "near", "CidrBlock": "10.1.0.0/16"}"#).await;
    let near = made["Vpc"]["VpcId"].as_str().unwrap().to_owned();
    for (answer, range) in [("AcceptVpcPeeringConnection", "10.2.0.0/16"), ("RejectVpcPeeringConnection", "10.3.0.0/16")] {
        let mine = world.json("CreateVpc", &format!(r#"{{"VpcName": "far", "CidrBlock": "{range}"}}"#)).await;
        let far = mine["Vpc"]["VpcId"].as_str().unwrap().to_owned();
        let ends = format!(r#""SourceVpcId": "{near}", "DestinationVpcId": "{far}", "DestinationUin": "{}""#, world.owner.account);
        let new = format!(r#"{{{ends}, "PeeringConnectionName": "asked"}}"#);
        let made = asks("CreateVpcPeeringConnection", &new).await;
        let named = format!(r#"{{"PeeringConnectionId": {}}}"#, made["PeeringConnectionId"]);
        world.refused("DeleteVpcPeeringConnection", &named, "UnsupportedOperation.InvalidState").await;
        world.golden(&format!("{answer}.json"), answer, &named).await;
        world.refused(answer, &named, "UnsupportedOperation.InvalidState").await;
    }
}
