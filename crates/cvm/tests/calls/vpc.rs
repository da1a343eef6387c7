//! Networks and addresses of one's own.

use crate::world::World;

#[tokio::test]
async fn a_vpc_and_its_subnet_come_and_go() {
    let world = World::new().await;
    let made = world.golden("CreateVpc.json", "CreateVpc", r#"{"VpcName": "own", "CidrBlock": "10.1.0.0/16"}"#).await;
    let vpc = made["Vpc"]["VpcId"].as_str().unwrap().to_owned();
    let inside = |range: &str| format!(r#"{{"VpcId": "{vpc}", "SubnetName": "first", "CidrBlock": "{range}", "Zone": "test-1a"}}"#);
    let made = world.golden("CreateSubnet.json", "CreateSubnet", &inside("10.1.1.0/24")).await;
    let subnet = made["Subnet"]["SubnetId"].as_str().unwrap().to_owned();
    let refusal = world.call("CreateSubnet", &inside("10.1.1.128/25")).await;
    assert!(crate::world::code_of(&refusal).is_some(), "two subnets do not share addresses");
    world.golden("ModifyVpcAttribute.json", "ModifyVpcAttribute", &format!(r#"{{"VpcId": "{vpc}", "VpcName": "mine"}}"#)).await;
    let renamed = format!(r#"{{"SubnetId": "{subnet}", "SubnetName": "one"}}"#);
    world.golden("ModifySubnetAttribute.json", "ModifySubnetAttribute", &renamed).await;
    assert_eq!(world.json("DescribeVpcs", &format!(r#"{{"VpcIds": ["{vpc}"]}}"#)).await["VpcSet"][0]["VpcName"], "mine");
    assert_eq!(world.json("DescribeSubnets", &format!(r#"{{"SubnetIds": ["{subnet}"]}}"#)).await["SubnetSet"][0]["SubnetName"], "one");
    let refusal = world.call("DeleteVpc", &format!(r#"{{"VpcId": "{vpc}"}}"#)).await;
    assert!(crate::world::code_of(&refusal).is_some(), "a subnet is in it");
    world.golden("DeleteSubnet.json", "DeleteSubnet", &format!(r#"{{"SubnetId": "{subnet}"}}"#)).await;
    world.golden("DeleteVpc.json", "DeleteVpc", &format!(r#"{{"VpcId": "{vpc}"}}"#)).await;
}

#[tokio::test]
async fn a_vpc_tells_name_servers_and_a_domain_of_its_own() {
    let world = World::new().await;
    let made = world.json("CreateVpc", r#"{"VpcName": "own", "CidrBlock": "10.1.0.0/16"}"#).await;
    let vpc = made["Vpc"]["VpcId"].as_str().unwrap().to_owned();
    let change = |rest: &str| format!(r#"{{"VpcId": "{vpc}", {rest}}}"#);
    let shown = async || {
        let listed = world.json("DescribeVpcs", &format!(r#"{{"VpcIds": ["{vpc}"]}}"#)).await["VpcSet"][0].clone();
        (listed["DnsServerSet"].to_string(), listed["DomainName"].as_str().unwrap().to_owned())
    };
    world.json("ModifyVpcAttribute", &change(r#""DnsServers": ["10.1.0.53"], "DomainName": "corp.example""#)).await;
    assert_eq!(shown().await, (r#"["10.1.0.53"]"#.to_owned(), "corp.example".to_owned()));
    for wrong in [
        r#""DomainName": "a..b""#,
        r#""DnsServers": ["224.0.0.1"]"#,
        r#""DnsServers": ["name"]"#,
        r#""DnsServers": ["10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5"]"#,
    ] {
        let reply = world.call("ModifyVpcAttribute", &change(wrong)).await;
        assert!(crate::world::code_of(&reply).is_some_and(|code| code.starts_with("InvalidParameter")), "{wrong}\n{}", reply.body);
    }
    world.json("ModifyVpcAttribute", &change(r#""VpcName": "other""#)).await;
    assert_eq!(shown().await.1, "corp.example", "what is not named stays");
    world.json("ModifyVpcAttribute", &change(r#""DnsServers": ["183.60.83.19"], "DomainName": """#)).await;
    assert_eq!(shown().await, ("[]".to_owned(), "internal.test".to_owned()));
}

#[tokio::test]
async fn an_address_is_taken_tied_untied_and_given_back() {
    let world = World::new().await;
    let instance = world.run("").await.remove(0);
    let new = r#"{"AddressCount": 2, "AddressName": "web", "InternetMaxBandwidthOut": 5}"#;
    let made = world.golden("AllocateAddresses.json", "AllocateAddresses", new).await;
    let address = made["AddressSet"][0].as_str().unwrap().to_owned();
    let tied = format!(r#"{{"AddressId": "{address}", "InstanceId": "{instance}"}}"#);
    world.golden("AssociateAddress.json", "AssociateAddress", &tied).await;
    let shown = world.json("DescribeAddresses", &format!(r#"{{"AddressIds": ["{address}"]}}"#)).await["AddressSet"][0].clone();
    assert_eq!((&shown["AddressStatus"], &shown["InstanceId"]), (&"BIND".into(), &instance.as_str().into()));
    let one = format!(r#"{{"AddressId": "{address}"}}"#);
    world.golden("DisassociateAddress.json", "DisassociateAddress", &one).await;
    let all = format!(r#"{{"AddressIds": {}}}"#, made["AddressSet"]);
    world.golden("ReleaseAddresses.json", "ReleaseAddresses", &all).await;
    // A call that asks for more than the quota leaves none of them behind.
    let refusal = world.call("AllocateAddresses", r#"{"AddressCount": 6}"#).await;
    assert!(crate::world::code_of(&refusal).is_some());
    assert_eq!(world.json("DescribeAddresses", "{}").await["TotalCount"], 0);
}

#[tokio::test]
async fn a_route_leads_to_an_instance_by_its_private_address() {
    let world = World::new().await;
    let instance = world.run("").await.remove(0);
    world.settle().await;
    let shown = world.instance(&instance).await;
    let (ip, vpc) = (shown["PrivateIpAddresses"][0].as_str().unwrap(), shown["VirtualPrivateCloud"]["VpcId"].as_str().unwrap());
    let subnet = shown["VirtualPrivateCloud"]["SubnetId"].as_str().unwrap();
    let new = format!(r#"{{"VpcId": "{vpc}", "RouteTableName": "own"}}"#);
    let table = world.golden("CreateRouteTable.json", "CreateRouteTable", &new).await["RouteTable"]["RouteTableId"].clone();
    let table = table.as_str().unwrap();
    let route = |rest: &str| format!(r#"{{"RouteTableId": "{table}", "Routes": [{{"DestinationCidrBlock": "192.0.2.0/24"{rest}}}]}}"#);
    let to = format!(r#", "GatewayType": "NORMAL_CVM", "GatewayId": "{ip}""#);
    world.golden("CreateRoutes.json", "CreateRoutes", &route(&to)).await;
    world.refused("CreateRoutes", &route(&to), "InvalidParameterValue.Duplicate").await;
    for (kind, gateway, code) in [("NORMAL_CVM", "10.9.9.9", "InvalidParameterValue"), ("VPN", "vpngw-1", "UnsupportedOperation")] {
        let body = route(&format!(r#", "GatewayType": "{kind}", "GatewayId": "{gateway}""#));
        world.refused("CreateRoutes", &body, code).await;
    }
    let tie = format!(r#"{{"RouteTableId": "{table}", "SubnetId": "{subnet}"}}"#);
    world.golden("ReplaceRouteTableAssociation.json", "ReplaceRouteTableAssociation", &tie).await;
    let listed = world.golden("DescribeRouteTables.json", "DescribeRouteTables", "{}").await;
    assert_eq!(listed["TotalCount"], 2);
    let one = format!(r#"{{"RouteTableId": "{table}"}}"#);
    world.refused("DeleteRouteTable", &one, "ResourceInUse").await;
    let mut item = listed["RouteTableSet"].as_array().unwrap().iter().flat_map(|table| table["RouteSet"].as_array().unwrap());
    let item = item.find(|route| route["GatewayType"] == "NORMAL_CVM").unwrap()["RouteItemId"].clone();
    let gone = format!(r#"{{"RouteTableId": "{table}", "Routes": [{{"GatewayType": "", "GatewayId": "", "RouteItemId": {item}}}]}}"#);
    world.golden("DeleteRoutes.json", "DeleteRoutes", &gone).await;
    world.refused("DeleteRoutes", &gone, "InvalidRouteId.NotFound").await;
    let main = listed["RouteTableSet"].as_array().unwrap().iter().find(|table| table["Main"] == true).unwrap();
    let back = format!(r#"{{"RouteTableId": {}, "SubnetId": "{subnet}"}}"#, main["RouteTableId"]);
    world.json("ReplaceRouteTableAssociation", &back).await;
    world.golden("DeleteRouteTable.json", "DeleteRouteTable", &one).await;
}
