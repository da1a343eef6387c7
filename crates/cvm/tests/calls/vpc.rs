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

#[tokio::test]
async fn routes_are_described_disabled_enabled_and_replaced() {
    let world = World::new().await;
    let instance = world.run("").await.remove(0);
    world.settle().await;
    let shown = world.instance(&instance).await;
    let (ip, vpc) = (shown["PrivateIpAddresses"][0].as_str().unwrap(), shown["VirtualPrivateCloud"]["VpcId"].as_str().unwrap());
    let new = format!(r#"{{"VpcId": "{vpc}", "RouteTableName": "own"}}"#);
    let table = world.json("CreateRouteTable", &new).await["RouteTable"]["RouteTableId"].as_str().unwrap().to_owned();
    let renamed = format!(r#"{{"RouteTableId": "{table}", "RouteTableName": "mine"}}"#);
    world.golden("ModifyRouteTableAttribute.json", "ModifyRouteTableAttribute", &renamed).await;
    let route = |destination: &str, more: &str| {
        let to = format!(r#""GatewayType": "NORMAL_CVM", "GatewayId": "{ip}""#);
        format!(r#"{{"DestinationCidrBlock": "{destination}", {to}{more}}}"#)
    };
    let call = |routes: &[String]| format!(r#"{{"RouteTableId": "{table}", "Routes": [{}]}}"#, routes.join(", "));
    let described = call(&[
        route("192.0.2.0/24", r#", "RouteDescription": "first", "Enabled": true"#),
        route("198.51.100.0/24", r#", "Enabled": false, "RouteType": "USER", "PublishedToVbc": false"#),
    ]);
    world.json("CreateRoutes", &described).await;
    let routes = async || {
        let listed = world.json("DescribeRouteTables", &format!(r#"{{"RouteTableIds": ["{table}"]}}"#)).await;
        let table = listed["RouteTableSet"][0].clone();
        assert_eq!(table["RouteTableName"], "mine");
        table["RouteSet"].as_array().unwrap().clone()
    };
    let told = |route: &serde_json::Value| {
        let text = |name: &str| route[name].as_str().unwrap().to_owned();
        (text("DestinationCidrBlock"), text("RouteDescription"), route["Enabled"].as_bool().unwrap())
    };
    let both = |first: bool, second: bool| {
        vec![("192.0.2.0/24".to_owned(), "first".to_owned(), first), ("198.51.100.0/24".to_owned(), String::new(), second)]
    };
    let before = routes().await;
    assert_eq!(before.iter().map(told).collect::<Vec<_>>(), both(true, false));
    let by_item = |at: usize| format!(r#"{{"RouteTableId": "{table}", "RouteItemIds": [{}]}}"#, before[at]["RouteItemId"]);
    let by_number = |at: usize| format!(r#"{{"RouteTableId": "{table}", "RouteIds": [{}]}}"#, before[at]["RouteId"]);
    world.golden("DisableRoutes.json", "DisableRoutes", &by_item(0)).await;
    world.golden("EnableRoutes.json", "EnableRoutes", &by_number(1)).await;
    assert_eq!(routes().await.iter().map(told).collect::<Vec<_>>(), both(false, true));
    world.refused("EnableRoutes", &format!(r#"{{"RouteTableId": "{table}"}}"#), "MissingParameter").await;
    let neither = format!(r#"{{"RouteTableId": "{table}", "RouteItemIds": ["rti-000a09000018"]}}"#);
    world.refused("DisableRoutes", &neither, "InvalidRouteId.NotFound").await;
    // Two routes change places, and keep what is not said.
    let item = |at: usize| format!(r#", "RouteItemId": {}"#, before[at]["RouteItemId"]);
    let swap = call(&[route("198.51.100.0/24", &item(0)), route("192.0.2.0/24", &item(1))]);
    let replaced = world.golden("ReplaceRoutes.json", "ReplaceRoutes", &swap).await;
    assert_eq!((&replaced["OldRouteSet"][0]["Enabled"], &replaced["NewRouteSet"][0]["RouteDescription"]), (&false.into(), &"first".into()));
    world.refused("ReplaceRoutes", &call(&[route("192.0.2.0/24", "")]), "MissingParameter").await;
    let netd = call(&[route("203.0.113.0/24", r#", "RouteType": "NETD""#)]);
    world.refused("CreateRoutes", &netd, "UnsupportedOperation.SystemRoute").await;
    let hop = |kind: &str| format!(r#"{{"Filters": [{{"Name": "next-hop-type", "Values": ["{kind}"]}}]}}"#);
    assert_eq!(world.json("DescribeRouteTables", &hop("NORMAL_CVM")).await["TotalCount"], 1);
    assert_eq!(world.json("DescribeRouteTables", &hop("VPN")).await["TotalCount"], 0);
}

#[tokio::test]
async fn subnets_are_made_together_or_not_at_all() {
    let world = World::new().await;
    let made = world.json("CreateVpc", r#"{"VpcName": "own", "CidrBlock": "10.1.0.0/16"}"#).await;
    let vpc = made["Vpc"]["VpcId"].as_str().unwrap().to_owned();
    let new = format!(r#"{{"VpcId": "{vpc}", "RouteTableName": "own"}}"#);
    let table = world.json("CreateRouteTable", &new).await["RouteTable"]["RouteTableId"].as_str().unwrap().to_owned();
    let subnets = |ranges: &[(&str, &str)]| {
        let one = |(range, more): &(&str, &str)| format!(r#"{{"SubnetName": "s", "CidrBlock": "{range}", "Zone": "test-1a"{more}}}"#);
        let all: Vec<String> = ranges.iter().map(one).collect();
        format!(r#"{{"VpcId": "{vpc}", "Subnets": [{}], "Tags": [{{"Key": "a", "Value": "b"}}]}}"#, all.join(", "))
    };
    let overlap = subnets(&[("10.1.1.0/24", ""), ("10.1.1.128/25", "")]);
    world.refused("CreateSubnets", &overlap, "InvalidParameterValue.Duplicate").await;
    let of_vpc = format!(r#"{{"Filters": [{{"Name": "vpc-id", "Values": ["{vpc}"]}}]}}"#);
    assert_eq!(world.json("DescribeSubnets", &of_vpc).await["TotalCount"], 0);
    let tied = format!(r#", "RouteTableId": "{table}""#);
    let made = world.golden("CreateSubnets.json", "CreateSubnets", &subnets(&[("10.1.1.0/24", ""), ("10.1.2.0/24", &tied)])).await;
    assert_eq!(made["SubnetSet"][1]["RouteTableId"], table.as_str());
    let listed = world.json("DescribeSubnets", &of_vpc).await;
    let tables: Vec<_> = listed["SubnetSet"].as_array().unwrap().iter().map(|subnet| subnet["RouteTableId"].clone()).collect();
    assert_eq!((tables.len(), tables.contains(&table.as_str().into())), (2, true));
    assert!(tables.iter().all(|table| table.as_str().unwrap().starts_with("rtb-")), "{tables:?}");
    world.refused("CreateSubnets", &format!(r#"{{"VpcId": "{vpc}"}}"#), "MissingParameter").await;
}

#[tokio::test]
async fn what_is_missing_of_the_default_network_is_made() {
    let world = World::new().await;
    let default = world.json("DescribeVpcs", r#"{"Filters": [{"Name": "is-default", "Values": ["TRUE"]}]}"#).await;
    let vpc = default["VpcSet"][0]["VpcId"].clone();
    let zone = r#"{"Zone": "test-1a"}"#;
    let can = async |body: &str| world.json("CheckDefaultSubnet", body).await["Result"].clone();
    assert_eq!((can(zone).await, can("{}").await), (false.into(), false.into()));
    let held = world.json("CreateDefaultVpc", zone).await["Vpc"].clone();
    assert_eq!(held["VpcId"], vpc, "what is there is given");
    let one = format!(r#"{{"SubnetId": {}}}"#, held["SubnetId"]);
    world.json("DeleteSubnet", &one).await;
    world.golden("CheckDefaultSubnet.json", "CheckDefaultSubnet", zone).await;
    assert_eq!((can(zone).await, can("{}").await), (true.into(), true.into()));
    world.refused("CheckDefaultSubnet", r#"{"Zone": "moon-1"}"#, "InvalidZone.MismatchRegion").await;
    let made = world.golden("CreateDefaultVpc.json", "CreateDefaultVpc", zone).await["Vpc"].clone();
    assert_eq!((&made["VpcId"], &made["CidrBlock"]), (&vpc, &held["CidrBlock"]));
    assert_ne!(made["SubnetId"], held["SubnetId"]);
    let shown = world.json("DescribeSubnets", &format!(r#"{{"SubnetIds": [{}]}}"#, made["SubnetId"])).await;
    assert_eq!(shown["SubnetSet"][0]["IsDefault"], true);
    let group = world.golden("CreateDefaultSecurityGroup.json", "CreateDefaultSecurityGroup", "{}").await;
    assert_eq!(group["SecurityGroup"]["IsDefault"], true);
    world.golden("DescribeAccountAttributes.json", "DescribeAccountAttributes", "{}").await;
}

#[tokio::test]
async fn instances_are_listed_by_their_vpc() {
    let world = World::new().await;
    let instance = world.run(r#""InstanceName": "web", "UserData": "aGVsbG8=""#).await.remove(0);
    world.settle().await;
    let by = |name: &str, value: &str| format!(r#"{{"Filters": [{{"Name": "{name}", "Values": ["{value}"]}}]}}"#);
    let found = world.golden("DescribeVpcInstances.json", "DescribeVpcInstances", &by("instance-id", &instance)).await;
    let vpc = found["InstanceSet"][0]["VpcId"].as_str().unwrap();
    assert_eq!(world.json("DescribeVpcInstances", &by("vpc-id", vpc)).await["TotalCount"], 1);
    assert_eq!(world.json("DescribeVpcInstances", &by("instance-name", "db")).await["TotalCount"], 0);
    world.refused("DescribeVpcInstances", &by("zone", "test-1a"), "InvalidFilter").await;
    let asked = format!(r#"{{"InstanceIds": ["{instance}"], "Attributes": ["UserData"]}}"#);
    let told = world.golden("DescribeInstancesAttributes.json", "DescribeInstancesAttributes", &asked).await;
    assert_eq!(told["InstanceSet"][0]["Attributes"]["UserData"], "aGVsbG8=");
    world.refused("DescribeInstancesAttributes", &asked.replace("UserData", "Colour"), "InvalidParameterValue").await;
}

#[tokio::test]
async fn calls_on_addresses_have_ended_when_they_are_answered() {
    let world = World::new().await;
    let made = world.json("AllocateAddresses", r#"{"AddressType": "EIP", "InternetServiceProvider": "BGP"}"#).await;
    let asked = format!(r#"{{"TaskId": {}}}"#, made["TaskId"].as_str().unwrap());
    world.golden("DescribeTaskResult.json", "DescribeTaskResult", &asked).await;
    world.refused("DescribeTaskResult", r#"{"TaskId": 7}"#, "ResourceNotFound").await;
    world.refused("AllocateAddresses", r#"{"AddressType": "AnycastEIP"}"#, "UnsupportedOperation").await;
}
