//! Network ACLs and their entries.

use crate::world::World;

#[tokio::test]
async fn a_network_acl_comes_guards_and_goes() {
    let world = World::new().await;
    let vpc = world.json("CreateVpc", r#"{"VpcName": "own", "CidrBlock": "10.1.0.0/16"}"#).await;
    let vpc = vpc["Vpc"]["VpcId"].as_str().unwrap().to_owned();
    let subnet = format!(r#"{{"VpcId": "{vpc}", "SubnetName": "s", "CidrBlock": "10.1.1.0/24", "Zone": "test-1a"}}"#);
    let subnet = world.json("CreateSubnet", &subnet).await["Subnet"]["SubnetId"].as_str().unwrap().to_owned();
    let new = |name: &str| format!(r#"{{"VpcId": "{vpc}", "NetworkAclName": "{name}", "Tags": [{{"Key": "a", "Value": "b"}}]}}"#);
    let made = world.golden("CreateNetworkAcl.json", "CreateNetworkAcl", &new("guard")).await;
    let id = made["NetworkAcl"]["NetworkAclId"].as_str().unwrap().to_owned();
    let of = |rest: &str| format!(r#"{{"NetworkAclId": "{id}"{rest}}}"#);
    let entry = |rest: &str| format!(r#"{{"Action": "ACCEPT", "CidrBlock": "10.0.0.0/8", {rest}}}"#);
    let set = |ingress: &str| of(&format!(r#", "NetworkAclEntrySet": {{"Ingress": [{ingress}]}}"#));
    let (web, ping) = (entry(r#""Protocol": "TCP", "Port": "80-443", "Description": "web""#), entry(r#""Protocol": "ICMP""#));
    world.golden("ModifyNetworkAclEntries.json", "ModifyNetworkAclEntries", &set(&format!("{web}, {ping}"))).await;
    world.golden("ModifyNetworkAclAttribute.json", "ModifyNetworkAclAttribute", &of(r#", "NetworkAclName": "border""#)).await;
    let tie = of(&format!(r#", "SubnetIds": ["{subnet}"]"#));
    world.golden("AssociateNetworkAclSubnets.json", "AssociateNetworkAclSubnets", &tie).await;
    let mine = format!(r#"{{"Filters": [{{"Name": "vpc-id", "Values": ["{vpc}"]}}]}}"#);
    world.golden("DescribeNetworkAcls.json", "DescribeNetworkAcls", &mine).await;
    let shown = world.json("DescribeSubnets", &format!(r#"{{"SubnetIds": ["{subnet}"]}}"#)).await;
    assert_eq!(shown["SubnetSet"][0]["NetworkAclId"], id.as_str());
    world.refused("DeleteNetworkAcl", &of(""), "ResourceInUse").await;

    // Another one takes the place of the first, and only it can be taken away then.
    let other = world.json("CreateNetworkAcl", &new("other")).await["NetworkAcl"]["NetworkAclId"].as_str().unwrap().to_owned();
    let moved = format!(r#"{{"NetworkAclId": "{other}", "SubnetIds": ["{subnet}"]}}"#);
    world.json("AssociateNetworkAclSubnets", &moved).await;
    world.refused("DisassociateNetworkAclSubnets", &tie, "ResourceNotFound").await;
    world.golden("DisassociateNetworkAclSubnets.json", "DisassociateNetworkAclSubnets", &moved).await;
    world.golden("DeleteNetworkAcl.json", "DeleteNetworkAcl", &of("")).await;
    world.refused("DeleteNetworkAcl", &of(""), "ResourceNotFound").await;
}

#[tokio::test]
async fn what_an_entry_cannot_be_is_refused() {
    let world = World::new().await;
    let vpc = world.json("CreateVpc", r#"{"VpcName": "own", "CidrBlock": "10.1.0.0/16"}"#).await;
    let vpc = vpc["Vpc"]["VpcId"].as_str().unwrap();
    let new = |rest: &str| format!(r#"{{"VpcId": "{vpc}", "NetworkAclName": "x"{rest}}}"#);
    world.refused("CreateNetworkAcl", &new(r#", "NetworkAclType": "QUINTUPLE""#), "UnsupportedOperation").await;
    let made = world.json("CreateNetworkAcl", &new("")).await;
    let id = made["NetworkAcl"]["NetworkAclId"].as_str().unwrap();
    for (entry, code) in [
        (r#"{"Protocol": "TCP", "Port": "80", "Action": "ACCEPT"}"#, "MissingParameter"),
        (r#"{"Protocol": "TCP", "Port": "80,443", "CidrBlock": "10.0.0.0/8", "Action": "ACCEPT"}"#, "InvalidParameterValue"),
        (r#"{"Protocol": "TCP", "Port": "443-80", "CidrBlock": "10.0.0.0/8", "Action": "ACCEPT"}"#, "InvalidParameterValue"),
        (r#"{"Protocol": "TCP", "Port": "80", "CidrBlock": "10.0.0.0/8", "Action": "MAYBE"}"#, "InvalidParameterValue"),
        (r#"{"Protocol": "ALL", "CidrBlock": "10.0.0.0/8", "Ipv6CidrBlock": "::/0", "Action": "ACCEPT"}"#, "InvalidParameterValue"),
        (r#"{"Protocol": "ALL", "Ipv6CidrBlock": "10.0.0.0/8", "Action": "ACCEPT"}"#, "InvalidParameterValue"),
        (r#"{"Protocol": "ICMPv6", "CidrBlock": "10.0.0.0/8", "Action": "ACCEPT"}"#, "InvalidParameterValue"),
    ] {
        let set = format!(r#"{{"NetworkAclId": "{id}", "NetworkAclEntrySet": {{"Egress": [{entry}]}}}}"#);
        world.refused("ModifyNetworkAclEntries", &set, code).await;
    }
    let none = format!(r#"{{"NetworkAclId": "{id}", "NetworkAclEntrySet": {{}}}}"#);
    world.refused("ModifyNetworkAclEntries", &none, "MissingParameter").await;
}

#[tokio::test]
async fn an_entry_is_about_ipv6() {
    let world = World::new().await;
    let vpc = world.json("CreateVpc", r#"{"VpcName": "own", "CidrBlock": "10.1.0.0/16"}"#).await;
    let new = format!(r#"{{"VpcId": "{}", "NetworkAclName": "x"}}"#, vpc["Vpc"]["VpcId"].as_str().unwrap());
    let made = world.json("CreateNetworkAcl", &new).await["NetworkAcl"]["NetworkAclId"].as_str().unwrap().to_owned();
    let entry = r#"{"Protocol": "ICMPv6", "Ipv6CidrBlock": "2001:db8::/32", "CidrBlock": "", "Action": "DROP"}"#;
    let set = format!(r#"{{"NetworkAclId": "{made}", "NetworkAclEntrySet": {{"Ingress": [{entry}]}}}}"#);
    world.json("ModifyNetworkAclEntries", &set).await;
    let shown = world.json("DescribeNetworkAcls", &format!(r#"{{"NetworkAclIds": ["{made}"]}}"#)).await;
    let kept = &shown["NetworkAclSet"][0]["IngressEntries"][0];
    assert_eq!((&kept["Protocol"], &kept["Ipv6CidrBlock"], &kept["CidrBlock"]), (&"icmpv6".into(), &"2001:db8::/32".into(), &"".into()));
    assert!(kept["NetworkAclIpv6EntryId"].as_str().unwrap().starts_with("acli6-") && kept["NetworkAclIpv4EntryId"] == "");
}
