//! Network interfaces: what is said of them, and what is refused rather than kept without effect.

use crate::world::World;

#[tokio::test]
async fn an_interface_checks_its_addresses_until_it_is_told_not_to() {
    let world = World::new().await;
    let text = async |call: String, member: &str| world.json(&call).await[member].as_str().unwrap().to_owned();
    let vpc = text("Action=CreateVpc&Version=2016-04-28&CidrBlock=192.168.0.0/16".to_owned(), "VpcId").await;
    let switch = format!("Action=CreateVSwitch&Version=2016-04-28&VpcId={vpc}&ZoneId=test-1a&CidrBlock=192.168.1.0/24");
    let switch = text(switch, "VSwitchId").await;
    let group = text(format!("Action=CreateSecurityGroup&VpcId={vpc}"), "SecurityGroupId").await;
    let nic = text(format!("Action=CreateNetworkInterface&VSwitchId={switch}&SecurityGroupId={group}"), "NetworkInterfaceId").await;
    let shown = async || {
        let one = world.json(&format!("Action=DescribeNetworkInterfaceAttribute&NetworkInterfaceId={nic}")).await;
        let listed = world.json(&format!("Action=DescribeNetworkInterfaces&NetworkInterfaceId.1={nic}")).await;
        assert_eq!(one["SourceDestCheck"], listed["NetworkInterfaceSets"]["NetworkInterfaceSet"][0]["SourceDestCheck"]);
        one["SourceDestCheck"].clone()
    };
    let modify = |checked: bool| format!("Action=ModifyNetworkInterfaceAttribute&NetworkInterfaceId={nic}&SourceDestCheck={checked}");
    assert_eq!(shown().await, true);
    let forwards = format!("Action=CreateNetworkInterface&VSwitchId={switch}&SecurityGroupId={group}&SourceDestCheck=false");
    assert_eq!(world.json(&forwards).await["SourceDestCheck"], false);
    world.json(&modify(false)).await;
    assert_eq!(shown().await, false);
    world.json(&modify(true)).await;
    assert_eq!(shown().await, true);
}
