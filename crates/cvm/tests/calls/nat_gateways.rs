//! NAT gateways with their rules.

use crate::world::World;

#[tokio::test]
async fn a_nat_gateway_and_its_rules_come_and_go() {
    let world = World::new().await;
    let made = world.json("CreateVpc", r#"{"VpcName": "own", "CidrBlock": "10.1.0.0/16"}"#).await;
    let vpc = made["Vpc"]["VpcId"].as_str().unwrap().to_owned();
    let subnet = format!(r#"{{"VpcId": "{vpc}", "SubnetName": "s", "CidrBlock": "10.1.1.0/24", "Zone": "test-1a"}}"#);
    let subnet = world.json("CreateSubnet", &subnet).await["Subnet"]["SubnetId"].as_str().unwrap().to_owned();
    let new = format!(r#"{{"VpcId": "{vpc}", "NatGatewayName": "gate", "AddressCount": 2, "Tags": [{{"Key": "a", "Value": "b"}}]}}"#);
    let made = world.golden("CreateNatGateway.json", "CreateNatGateway", &new).await["NatGatewaySet"][0].clone();
    let id = made["NatGatewayId"].as_str().unwrap().to_owned();
    let ip = |at: usize| made["PublicIpAddressSet"][at]["PublicIpAddress"].as_str().unwrap().to_owned();
    let (one, other) = (ip(0), ip(1));
    let of = |rest: &str| format!(r#"{{"NatGatewayId": "{id}"{rest}}}"#);

    let forward = |port: u16| {
        format!(
            r#"{{"IpProtocol": "TCP", "PublicIpAddress": "{one}", "PublicPort": {port}, "PrivateIpAddress": "10.1.1.9", "PrivatePort": 22}}"#
        )
    };
    let forwards = |port: u16| of(&format!(r#", "DestinationIpPortTranslationNatRules": [{}]"#, forward(port)));
    let name = |verb: &str| format!("{verb}NatGatewayDestinationIpPortTranslationNatRule");
    world.golden(&format!("{}.json", name("Create")), &name("Create"), &forwards(2022)).await;
    world.refused(&name("Create"), &forwards(2022), "InvalidParameterValue.NatGatewayDnatRuleExisted").await;
    world.refused(&name("Create"), &forwards(0), "InvalidParameterValue.Range").await;
    let change = of(&format!(r#", "SourceNatRule": {}, "DestinationNatRule": {}"#, forward(2022), forward(3022)));
    world.golden(&format!("{}.json", name("Modify")), &name("Modify"), &change).await;
    let all = format!("{}s", name("Describe"));
    world.golden(&format!("{all}.json"), &all, "{}").await;

    let source =
        format!(r#"{{"ResourceType": "SUBNET", "ResourceId": "{subnet}", "PublicIpAddresses": ["{other}"], "Description": "out"}}"#);
    let sources = of(&format!(r#", "SourceIpTranslationNatRules": [{source}]"#));
    let name_of = |verb: &str| format!("{verb}NatGatewaySourceIpTranslationNatRule");
    world.golden(&format!("{}.json", name_of("Create")), &name_of("Create"), &sources).await;
    world.refused(&name_of("Create"), &sources, "InvalidParameterValue.NatSnatRuleExists").await;
    let all = format!("{}s", name_of("Describe"));
    let listed = world.golden(&format!("{all}.json"), &all, &of("")).await;
    let rule = listed["SourceIpTranslationNatRuleSet"][0]["NatGatewaySnatId"].as_str().unwrap().to_owned();
    let change = of(&format!(r#", "SourceIpTranslationNatRule": {{"NatGatewaySnatId": "{rule}", "PublicIpAddresses": ["{one}"]}}"#));
    world.golden(&format!("{}.json", name_of("Modify")), &name_of("Modify"), &change).await;
    world.golden("DescribeNatGateways.json", "DescribeNatGateways", &format!(r#"{{"NatGatewayIds": ["{id}"]}}"#)).await;

    world.refused("DisassociateNatGatewayAddress", &of(&format!(r#", "PublicIpAddresses": ["{one}"]"#)), "UnsupportedOperation").await;
    world.golden(&format!("{}.json", name("Delete")), &name("Delete"), &forwards(3022)).await;
    world.refused(&name("Delete"), &forwards(3022), "InvalidParameterValue.NatGatewayDnatRuleNotExists").await;
    world.golden(&format!("{}.json", name_of("Delete")), &name_of("Delete"), &of(&format!(r#", "NatGatewaySnatIds": ["{rule}"]"#))).await;
    let both = of(&format!(r#", "PublicIpAddresses": ["{one}"]"#));
    world.golden("DisassociateNatGatewayAddress.json", "DisassociateNatGatewayAddress", &both).await;
    world.golden("AssociateNatGatewayAddress.json", "AssociateNatGatewayAddress", &both).await;
    world.golden("ModifyNatGatewayAttribute.json", "ModifyNatGatewayAttribute", &of(r#", "NatGatewayName": "other""#)).await;
    world.golden("DeleteNatGateway.json", "DeleteNatGateway", &of("")).await;
    world.refused("DeleteNatGateway", &of(""), "ResourceNotFound").await;
    let free = world.json("DescribeAddresses", "{}").await;
    assert_eq!((&free["TotalCount"], &free["AddressSet"][0]["AddressStatus"]), (&2.into(), &"UNBIND".into()));
}

#[tokio::test]
async fn a_gateway_needs_addresses_that_are_free_and_ones_own() {
    let world = World::new().await;
    let vpc =
        world.json("CreateVpc", r#"{"VpcName": "own", "CidrBlock": "10.1.0.0/16"}"#).await["Vpc"]["VpcId"].as_str().unwrap().to_owned();
    let new = |rest: &str| format!(r#"{{"VpcId": "{vpc}", "NatGatewayName": "gate"{rest}}}"#);
    world.refused("CreateNatGateway", &new(""), "MissingParameter").await;
    world.refused("CreateNatGateway", &new(r#", "PublicIpAddresses": ["192.0.2.1"]"#), "InvalidAddressId.NotFound").await;
    world.refused("CreateNatGateway", &new(r#", "AddressCount": 9"#), "AddressQuotaLimitExceeded").await;
    world.refused("CreateNatGateway", &new(r#", "AddressCount": 1, "InternetMaxBandwidthOut": 7"#), "InvalidParameterValue").await;
    let made = world.json("CreateNatGateway", &new(r#", "AddressCount": 1"#)).await;
    let ip = made["NatGatewaySet"][0]["PublicIpAddressSet"][0]["PublicIpAddress"].as_str().unwrap().to_owned();
    let taken = new(&format!(r#", "PublicIpAddresses": ["{ip}"]"#));
    world.refused("CreateNatGateway", &taken, "UnsupportedOperation.InvalidState").await;
    let refused = world.call("DeleteVpc", &format!(r#"{{"VpcId": "{vpc}"}}"#)).await;
    assert_eq!(crate::world::code_of(&refused).as_deref(), Some("ResourceInUse"));
}

#[tokio::test]
async fn a_protected_gateway_stays_until_its_protection_ends() {
    let world = World::new().await;
    let made = world.json("CreateVpc", r#"{"VpcName": "own", "CidrBlock": "10.1.0.0/16"}"#).await;
    let vpc = made["Vpc"]["VpcId"].as_str().unwrap().to_owned();
    let new = format!(r#"{{"VpcId": "{vpc}", "NatGatewayName": "gate", "AddressCount": 1, "DeletionProtectionEnabled": true}}"#);
    let made = world.json("CreateNatGateway", &new).await["NatGatewaySet"][0].clone();
    assert_eq!(made["DeletionProtectionEnabled"], true);
    let id = made["NatGatewayId"].as_str().unwrap().to_owned();
    let of = |rest: &str| format!(r#"{{"NatGatewayId": "{id}"{rest}}}"#);
    world.refused("DeleteNatGateway", &of(""), "UnsupportedOperation.DeletionProtectionEnabled").await;
    world.json("ModifyNatGatewayAttribute", &of(r#", "NatGatewayName": "renamed""#)).await;
    world.refused("DeleteNatGateway", &of(""), "UnsupportedOperation.DeletionProtectionEnabled").await;
    world.json("ModifyNatGatewayAttribute", &of(r#", "DeletionProtectionEnabled": false"#)).await;
    let shown = world.json("DescribeNatGateways", &format!(r#"{{"NatGatewayIds": ["{id}"]}}"#)).await;
    assert_eq!(shown["NatGatewaySet"][0]["DeletionProtectionEnabled"], false);
    world.json("DeleteNatGateway", &of("")).await;
}
