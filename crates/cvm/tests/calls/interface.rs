//! Network interfaces as things of their own.

use crate::world::World;

#[tokio::test]
async fn an_interface_comes_to_an_instance_moves_and_goes() {
    let world = World::new().await;
    let instances = [world.run("").await.remove(0), world.run("").await.remove(0)];
    world.settle().await;
    let subnet = world.json("DescribeSubnets", "{}").await["SubnetSet"][0].clone();
    let (vpc, subnet) = (subnet["VpcId"].as_str().unwrap().to_owned(), subnet["SubnetId"].as_str().unwrap().to_owned());
    let new = format!(
        r#"{{"VpcId": "{vpc}", "SubnetId": "{subnet}", "NetworkInterfaceName": "floating", "SecondaryPrivateIpAddressCount": 1,
            "Tags": [{{"Key": "role", "Value": "front"}}]}}"#
    );
    let made = world.golden("CreateNetworkInterface.json", "CreateNetworkInterface", &new).await;
    let id = made["NetworkInterface"]["NetworkInterfaceId"].as_str().unwrap().to_owned();
    let with = |instance: &str| format!(r#"{{"NetworkInterfaceId": "{id}", "InstanceId": "{instance}"}}"#);
    world.golden("AttachNetworkInterface.json", "AttachNetworkInterface", &with(&instances[0])).await;
    world.settle().await;
    let shown = || async { world.json("DescribeNetworkInterfaces", &format!(r#"{{"NetworkInterfaceIds": ["{id}"]}}"#)).await };
    let row = shown().await["NetworkInterfaceSet"][0].clone();
    assert_eq!((&row["State"], &row["Attachment"]["InstanceId"]), (&"AVAILABLE".into(), &instances[0].as_str().into()));
    assert_eq!((&row["Primary"], &row["Attachment"]["DeviceIndex"]), (&false.into(), &1.into()));
    let moved =
        format!(r#"{{"NetworkInterfaceId": "{id}", "SourceInstanceId": "{}", "DestinationInstanceId": "{}"}}"#, instances[0], instances[1]);
    world.golden("MigrateNetworkInterface.json", "MigrateNetworkInterface", &moved).await;
    world.settle().await;
    assert_eq!(shown().await["NetworkInterfaceSet"][0]["Attachment"]["InstanceId"], instances[1]);
    world.refused("DeleteNetworkInterface", &format!(r#"{{"NetworkInterfaceId": "{id}"}}"#), "ResourceInUse").await;
    world.golden("DetachNetworkInterface.json", "DetachNetworkInterface", &with(&instances[1])).await;
    world.settle().await;
    assert_eq!(shown().await["NetworkInterfaceSet"][0]["NetworkInterfaceState"], "AVAILABLE");
    world.golden("DeleteNetworkInterface.json", "DeleteNetworkInterface", &format!(r#"{{"NetworkInterfaceId": "{id}"}}"#)).await;
    assert_eq!(world.json("DescribeNetworkInterfaces", "{}").await["TotalCount"], 2);
}

#[tokio::test]
async fn addresses_and_groups_of_an_interface_change() {
    let world = World::new().await;
    world.run("").await;
    let nic = world.json("DescribeNetworkInterfaces", "{}").await["NetworkInterfaceSet"][0].clone();
    let id = nic["NetworkInterfaceId"].as_str().unwrap();
    let more = format!(r#"{{"NetworkInterfaceId": "{id}", "SecondaryPrivateIpAddressCount": 1}}"#);
    let added = world.golden("AssignPrivateIpAddresses.json", "AssignPrivateIpAddresses", &more).await;
    let ip = added["PrivateIpAddressSet"][0]["PrivateIpAddress"].as_str().unwrap();
    let less = format!(r#"{{"NetworkInterfaceId": "{id}", "PrivateIpAddresses": [{{"PrivateIpAddress": "{ip}"}}]}}"#);
    world.golden("UnassignPrivateIpAddresses.json", "UnassignPrivateIpAddresses", &less).await;
    let group = world.json("CreateSecurityGroup", r#"{"GroupName": "beside", "GroupDescription": "-"}"#).await;
    let group = group["SecurityGroup"]["SecurityGroupId"].as_str().unwrap().to_owned();
    let both = format!(r#"{{"NetworkInterfaceIds": ["{id}"], "SecurityGroupIds": ["{group}"]}}"#);
    world.golden("AssociateNetworkInterfaceSecurityGroups.json", "AssociateNetworkInterfaceSecurityGroups", &both).await;
    let row = world.json("DescribeNetworkInterfaces", "{}").await["NetworkInterfaceSet"][0].clone();
    assert_eq!(row["GroupSet"].as_array().unwrap().len(), 2);
    world.golden("DisassociateNetworkInterfaceSecurityGroups.json", "DisassociateNetworkInterfaceSecurityGroups", &both).await;
    let named = format!(r#"{{"NetworkInterfaceId": "{id}", "NetworkInterfaceName": "first"}}"#);
    world.golden("ModifyNetworkInterfaceAttribute.json", "ModifyNetworkInterfaceAttribute", &named).await;
    let row = world.json("DescribeNetworkInterfaces", "{}").await["NetworkInterfaceSet"][0].clone();
    assert_eq!((row["NetworkInterfaceName"].as_str(), row["GroupSet"].as_array().unwrap().len()), (Some("first"), 1));
}
