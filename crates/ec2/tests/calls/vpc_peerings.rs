//! VPC peering connections.

use crate::world::{World, elements};

#[tokio::test]
async fn a_peering_is_asked_for_accepted_and_ended() {
    let world = World::new().await;
    let first = |xml: &str, name: &str| elements(xml, name).remove(0);
    let call = async |form: String| {
        let reply = world.call(&form).await;
        assert_eq!(reply.status, 200, "{form}\n{}", reply.body);
        reply.body
    };
    let one = first(&call("Action=CreateVpc&CidrBlock=10.1.0.0/16".to_owned()).await, "vpcId");
    let two = first(&call("Action=CreateVpc&CidrBlock=10.2.0.0/16".to_owned()).await, "vpcId");
    let new = format!("Action=CreateVpcPeeringConnection&VpcId={one}&PeerVpcId={two}");
    let tags = "TagSpecification.1.ResourceType=vpc-peering-connection&TagSpecification.1.Tag.1.Key=a&TagSpecification.1.Tag.1.Value=b";
    let made = world.golden("CreateVpcPeeringConnection", &format!("{new}&{tags}")).await;
    let id = first(&made, "vpcPeeringConnectionId");
    let named = format!("VpcPeeringConnectionId={id}");
    world.golden("AcceptVpcPeeringConnection", &format!("Action=AcceptVpcPeeringConnection&{named}")).await;
    let by_state = "Action=DescribeVpcPeeringConnections&Filter.1.Name=status-code&Filter.1.Value.1=active";
    world.golden("DescribeVpcPeeringConnections", by_state).await;
    world.refused(&format!("Action=RejectVpcPeeringConnection&{named}"), 400, "IncorrectState").await;
    world.refused(&format!("{new}&PeerRegion=elsewhere"), 400, "UnsupportedOperation").await;
    world.refused(&format!("{new}&PeerOwnerId=12"), 400, "InvalidParameterValue").await;
    world.refused("Action=AcceptVpcPeeringConnection&VpcPeeringConnectionId=pcx-1", 400, "InvalidVpcPeeringConnectionId.Malformed").await;
    // A VPC takes its peerings along.
    call(format!("Action=DeleteVpc&VpcId={two}")).await;
    world.refused(&format!("Action=DeleteVpcPeeringConnection&{named}"), 400, "InvalidVpcPeeringConnectionID.NotFound").await;
}
