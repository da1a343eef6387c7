//! Sets of DHCP options: made, changed, taken up by VPCs, deleted.

use crate::world::{World, texts};

const VPC: &str = "Version=2016-04-28";

#[tokio::test]
async fn a_vpc_takes_up_a_set_another_one_and_none() {
    let world = World::new().await;
    let new = format!("Action=CreateDhcpOptionsSet&{VPC}");
    let said = "DhcpOptionsSetName=corp&DhcpOptionsSetDescription=words&DomainName=corp.example&DomainNameServers=10.0.0.53,10.0.0.54";
    let made = world.golden("CreateDhcpOptionsSet.json", &format!("{new}&{said}")).await;
    let set = texts(&made, "DhcpOptionsSetId").remove(0);
    let other = texts(&world.call(&new).await.body, "DhcpOptionsSetId").remove(0);
    let vpc = texts(&world.call(&format!("Action=DescribeVpcs&{VPC}")).await.body, "VpcId").remove(0);
    let call = |action: &str, set: &str| format!("Action={action}&{VPC}&DhcpOptionsSetId={set}&VpcId={vpc}");
    world.refused(&call("ReplaceVpcDhcpOptionsSet", &set), 403, "OperationDenied").await;
    world.json(&call("AttachDhcpOptionsSetToVpc", &set)).await;
    world.refused(&call("AttachDhcpOptionsSetToVpc", &other), 403, "OperationDenied").await;
    let get = format!("Action=GetDhcpOptionsSet&{VPC}&DhcpOptionsSetId={set}");
    world.golden("GetDhcpOptionsSet.json", &get).await;
    world.golden("ListDhcpOptionsSets.json", &format!("Action=ListDhcpOptionsSets&{VPC}&DomainName=corp.example")).await;
    let shown = world.json(&format!("Action=DescribeVpcAttribute&{VPC}&VpcId={vpc}")).await;
    assert_eq!(shown["DhcpOptionsSetId"], set.as_str());
    let change = format!("Action=UpdateDhcpOptionsSetAttribute&{VPC}&DhcpOptionsSetId={set}");
    world.json(&format!("{change}&DomainName=other.example&DomainNameServers=100.100.2.136,100.100.2.138")).await;
    let changed = world.json(&get).await;
    assert_eq!(
        (&changed["DhcpOptions"]["DomainName"], &changed["DhcpOptions"]["DomainNameServers"]),
        (&"other.example".into(), &"".into())
    );
    world.json(&call("ReplaceVpcDhcpOptionsSet", &other)).await;
    world.refused(&call("DetachDhcpOptionsSetFromVpc", &set), 403, "OperationDenied").await;
    let delete = |set: &str| format!("Action=DeleteDhcpOptionsSet&{VPC}&DhcpOptionsSetId={set}");
    world.refused(&delete(&other), 400, "DependencyViolation.VPC").await;
    world.json(&call("DetachDhcpOptionsSetFromVpc", &other)).await;
    world.json(&delete(&other)).await;
    world.refused(&delete(&other), 404, "ResourceNotFound.DhcpOptionsSet").await;
    for wrong in ["DomainName=a..b", "DomainNameServers=words", "DomainNameServers=10.0.0.1,10.0.0.2,10.0.0.3,10.0.0.4,10.0.0.5"] {
        world.refused(&format!("{new}&{wrong}"), 400, "InvalidParameter").await;
    }
}
