//! Instances that move to another subnet.

use serde_json::{Value, json};

use crate::world::{World, code_of};

/// A subnet of a VPC in a zone; both ids.
async fn subnet(world: &World, vpc: &str, range: &str, zone: &str) -> String {
    let new = json!({"VpcId": vpc, "SubnetName": "s", "CidrBlock": range, "Zone": zone});
    world.json("CreateSubnet", &new.to_string()).await["Subnet"]["SubnetId"].as_str().unwrap().to_owned()
}

async fn vpc(world: &World, range: &str) -> String {
    let made = world.json("CreateVpc", &json!({"VpcName": "own", "CidrBlock": range}).to_string()).await;
    made["Vpc"]["VpcId"].as_str().unwrap().to_owned()
}

fn to(instances: &[&str], vpc: &str, subnet: &str, ips: &[&str]) -> String {
    let mut place = json!({"VpcId": vpc, "SubnetId": subnet});
    if !ips.is_empty() {
        place["PrivateIpAddresses"] = json!(ips);
    }
    json!({"InstanceIds": instances, "VirtualPrivateCloud": place}).to_string()
}

const ACTION: &str = "ModifyInstancesVpcAttribute";

/// Where an instance is: VPC, subnet and private address.
async fn place(world: &World, id: &str) -> [Value; 3] {
    let shown = world.instance(id).await;
    let place = &shown["VirtualPrivateCloud"];
    [place["VpcId"].clone(), place["SubnetId"].clone(), shown["PrivateIpAddresses"][0].clone()]
}

async fn stopped(world: &World, more: &str) -> String {
    let id = world.run(more).await.remove(0);
    world.settle().await;
    world.json("StopInstances", &json!({"InstanceIds": [id], "StopType": "HARD"}).to_string()).await;
    world.settle().await;
    id
}

#[tokio::test]
async fn a_stopped_instance_moves_with_its_interface_and_its_public_address() {
    let world = World::new().await;
    let (first, second) = (vpc(&world, "10.1.0.0/16").await, vpc(&world, "10.2.0.0/16").await);
    let here = subnet(&world, &first, "10.1.1.0/24", "test-1a").await;
    let beside = subnet(&world, &first, "10.1.2.0/24", "test-1a").await;
    let there = subnet(&world, &second, "10.2.1.0/24", "test-1a").await;
    let network = format!(r#""VirtualPrivateCloud": {{"VpcId": "{first}", "SubnetId": "{here}"}}"#);
    let id = stopped(&world, &network).await;
    let nic = async || {
        let of = json!({"Filters": [{"Name": "attachment.instance-id", "Values": [id]}]});
        world.json("DescribeNetworkInterfaces", &of.to_string()).await["NetworkInterfaceSet"][0].clone()
    };
    let before = nic().await;
    let address = world.json("AllocateAddresses", "{}").await["AddressSet"][0].clone();
    world.json("AssociateAddress", &json!({"AddressId": address, "InstanceId": id}).to_string()).await;
    world.golden("ModifyInstancesVpcAttribute.json", ACTION, &to(&[&id], &first, &beside, &["10.1.2.77"])).await;
    assert_eq!(place(&world, &id).await, [first.as_str(), beside.as_str(), "10.1.2.77"]);
    world.json(ACTION, &to(&[&id], &second, &there, &[])).await;
    let [vpc, subnet, ip] = place(&world, &id).await;
    assert_eq!((vpc, subnet), (second.as_str().into(), there.as_str().into()));
    assert!(ip.as_str().unwrap().starts_with("10.2.1."));
    let after = nic().await;
    assert_eq!((&after["NetworkInterfaceId"], &after["MacAddress"]), (&before["NetworkInterfaceId"], &before["MacAddress"]));
    assert_ne!(after["GroupSet"], before["GroupSet"], "the default group is the other VPC's");
    let tied = world.json("DescribeAddresses", &json!({"AddressIds": [address]}).to_string()).await["AddressSet"][0].clone();
    assert_eq!((&tied["InstanceId"], &tied["PrivateAddressIp"]), (&id.as_str().into(), &ip));
    // The place that it left is free, to its last address.
    for subnet in [&here, &beside] {
        world.json("DeleteSubnet", &json!({"SubnetId": subnet}).to_string()).await;
    }
    world.json("DeleteVpc", &json!({"VpcId": first}).to_string()).await;
    world.json("StartInstances", &json!({"InstanceIds": [id]}).to_string()).await;
    world.settle().await;
    assert_eq!(world.instance(&id).await["InstanceState"], "RUNNING");
}

#[tokio::test]
async fn what_cannot_move_stays_where_it_is() {
    let world = World::new().await;
    let (first, second) = (vpc(&world, "10.1.0.0/16").await, vpc(&world, "10.2.0.0/16").await);
    let here = subnet(&world, &first, "10.1.1.0/24", "test-1a").await;
    let there = subnet(&world, &second, "10.2.1.0/24", "test-1a").await;
    let far = subnet(&world, &second, "10.2.2.0/24", "test-1b").await;
    let network = format!(r#""VirtualPrivateCloud": {{"VpcId": "{first}", "SubnetId": "{here}"}}"#);
    let running = world.run(&network).await.remove(0);
    let id = stopped(&world, &network).await;
    let was = place(&world, &id).await;
    let absent = "subnet-00000000000000001";
    for (asked, code) in [
        (to(&[&running], &second, &there, &[]), "UnsupportedOperation.InstanceStateRunning"),
        (to(&[&id, &running], &second, &there, &[]), "UnsupportedOperation.InstanceStateRunning"),
        (to(&[&id], &first, &there, &[]), "InvalidParameterCombination"),
        (to(&[&id], &second, absent, &[]), "InvalidParameterValue.SubnetNotExist"),
        (to(&[&id], &second, &there, &["10.2.1.9", "10.2.1.10"]), "InvalidParameterConflict"),
        (to(&[], &second, &there, &[]), "MissingParameter"),
    ] {
        world.refused(ACTION, &asked, code).await;
        assert_eq!(place(&world, &id).await, was, "{asked}");
    }
    for asked in [
        to(&[&id], &second, &there, &["10.1.1.9"]),
        to(&[&id], &second, &there, &["10.2.1.0"]),
        to(&[&id], &second, &far, &[]),
        to(&[&id], &first, &here, &[place(&world, &running).await[2].as_str().unwrap()]),
    ] {
        let reply = world.call(ACTION, &asked).await;
        assert!(code_of(&reply).is_some(), "another zone, another's address: {asked}");
    }
    // Routes of the VPC lead to it: it moves within the VPC only.
    let table = world.json("CreateRouteTable", &json!({"VpcId": first, "RouteTableName": "t"}).to_string()).await;
    let hop = json!([{"DestinationCidrBlock": "192.0.2.0/24", "GatewayType": "NORMAL_CVM", "GatewayId": was[2]}]);
    let table = table["RouteTable"]["RouteTableId"].clone();
    let routes = json!({"RouteTableId": table, "Routes": hop}).to_string();
    world.json("CreateRoutes", &routes).await;
    assert!(code_of(&world.call(ACTION, &to(&[&id], &second, &there, &[])).await).is_some());
    world.json(ACTION, &to(&[&id], &first, &here, &["10.1.1.200"])).await;
    world.json("DeleteRouteTable", &json!({"RouteTableId": table}).to_string()).await;
    // A further address belongs to the subnet.
    let of = json!({"Filters": [{"Name": "attachment.instance-id", "Values": [id]}]});
    let nic = world.json("DescribeNetworkInterfaces", &of.to_string()).await["NetworkInterfaceSet"][0]["NetworkInterfaceId"].clone();
    let more = json!({"NetworkInterfaceId": nic, "SecondaryPrivateIpAddressCount": 1});
    world.json("AssignPrivateIpAddresses", &more.to_string()).await;
    world.refused(ACTION, &to(&[&id], &second, &there, &[]), "InvalidParameterCombination").await;
    let mut renamed: Value = serde_json::from_str(&to(&[&id], &second, &there, &[])).unwrap();
    renamed["ReserveHostName"] = false.into();
    world.refused(ACTION, &renamed.to_string(), "UnsupportedOperation").await;
}
