//! VPC peering connections within an account and between two.

use crate::world::World;

const VPC: &str = "Version=2016-04-28";
const PEER: &str = "Version=2022-01-01";

async fn vpc_of(world: &World, who: &std::sync::Arc<control::Principal>, range: &str) -> (String, String) {
    let reply = world.call_as(who, &format!("Action=CreateVpc&{VPC}&CidrBlock={range}")).await;
    let made: serde_json::Value = serde_json::from_str(&reply.body).unwrap();
    (made["VpcId"].as_str().unwrap().to_owned(), made["RouteTableId"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn a_peering_within_an_account_is_active_at_once_and_goes_with_its_routes_by_force() {
    let world = World::new().await;
    let (here, table) = vpc_of(&world, &world.owner, "10.1.0.0/16").await;
    let (there, _) = vpc_of(&world, &world.owner, "10.2.0.0/16").await;
    let (same, _) = vpc_of(&world, &world.owner, "10.1.128.0/20").await;
    let new = |peer: &str| {
        let ends = format!("VpcId={here}&AcceptingVpcId={peer}&AcceptingAliUid={}&AcceptingRegionId=test-1", world.owner.account);
        format!("Action=CreateVpcPeerConnection&{PEER}&{ends}&Name=bridge&Description=d&Tag.1.Key=a&Tag.1.Value=b")
    };
    world.refused(&new(&same), 400, "InvalidParameter.Conflict").await;
    world.refused(&new(&here), 400, "InvalidParameter").await;
    let once = format!("{}&ClientToken=once", new(&there));
    let made: serde_json::Value = serde_json::from_str(&world.golden("CreateVpcPeerConnection.json", &once).await).unwrap();
    let id = made["InstanceId"].as_str().unwrap();
    assert_eq!(world.json(&once).await["InstanceId"], id);
    world.refused(&new(&there), 400, "ResourceAlreadyExist.VpcPeer").await;
    let of = |action: &str, rest: &str| format!("Action={action}&{PEER}&InstanceId={id}{rest}");
    world.refused(&of("AcceptVpcPeerConnection", ""), 403, "IncorrectStatus.VpcPeer").await;
    world.json(&of("ModifyVpcPeerConnection", "&Name=span")).await;
    world.golden("GetVpcPeerConnectionAttribute.json", &of("GetVpcPeerConnectionAttribute", "")).await;
    world.golden("ListVpcPeerConnections.json", &format!("Action=ListVpcPeerConnections&{PEER}&VpcId={there},{same}&Name=span")).await;

    let route = format!("RouteTableId={table}&DestinationCidrBlock=10.2.0.0/16&NextHopType=VpcPeer&NextHopId={id}");
    world.json(&format!("Action=CreateRouteEntry&{VPC}&{route}")).await;
    world.refused(&of("DeleteVpcPeerConnection", ""), 400, "OperationDenied.RouteEntryExist").await;
    let entries = format!("Action=DescribeRouteEntryList&{VPC}&RouteTableId={table}&NextHopType=VpcPeer");
    let count = async || world.json(&entries).await["RouteEntrys"]["RouteEntry"].as_array().unwrap().len();
    assert_eq!(count().await, 1);
    world.json(&of("DeleteVpcPeerConnection", "&Force=true")).await;
    assert_eq!(count().await, 0, "its routes went with it");
    world.refused(&of("GetVpcPeerConnectionAttribute", ""), 404, "ResourceNotFound.InstanceId").await;
}

#[tokio::test]
async fn another_account_answers() {
    let world = World::new().await;
    let (here, _) = vpc_of(&world, &world.owner, "10.1.0.0/16").await;
    let (there, _) = vpc_of(&world, &world.stranger, "10.2.0.0/16").await;
    let new = |account: &str| {
        let ends = format!("VpcId={here}&AcceptingVpcId={there}&AcceptingAliUid={account}&AcceptingRegionId=test-1");
        format!("Action=CreateVpcPeerConnection&{PEER}&{ends}")
    };
    world.refused(&new(&world.owner.account.to_string()), 404, "InvalidVpcId.NotFound").await;
    world.refused(&new("7"), 404, "InvalidVpcId.NotFound").await;
    world.refused(&new("7").replace("AcceptingRegionId=test-1", "AcceptingRegionId=far-1"), 400, "UnsupportedParameter").await;
    let made = world.json(&new(&world.stranger.account.to_string())).await;
    let of = |action: &str| format!("Action={action}&{PEER}&InstanceId={}", made["InstanceId"].as_str().unwrap());
    let status = async || world.json(&of("GetVpcPeerConnectionAttribute")).await["Status"].as_str().unwrap().to_owned();
    assert_eq!(status().await, "Accepting");
    world.refused(&of("AcceptVpcPeerConnection"), 404, "ResourceNotFound.InstanceId").await;
    world.refused_as(&world.stranger, &format!("{}&Name=mine", of("ModifyVpcPeerConnection")), 404, "ResourceNotFound.InstanceId").await;
    assert_eq!(world.call_as(&world.stranger, &of("RejectVpcPeerConnection")).await.status, 200);
    assert_eq!(status().await, "Rejected");
    world.json(&of("DeleteVpcPeerConnection")).await;
}
