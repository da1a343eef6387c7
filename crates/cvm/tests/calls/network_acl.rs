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

#[tokio::test]
async fn entries_come_and_go_one_by_one() {
    let world = World::new().await;
    let vpc = world.json("CreateVpc", r#"{"VpcName": "own", "CidrBlock": "10.1.0.0/16"}"#).await;
    let new = format!(r#"{{"VpcId": "{}", "NetworkAclName": "x"}}"#, vpc["Vpc"]["VpcId"].as_str().unwrap());
    let id = world.json("CreateNetworkAcl", &new).await["NetworkAcl"]["NetworkAclId"].as_str().unwrap().to_owned();
    let call = |more: &str, set: &str| format!(r#"{{"NetworkAclId": "{id}"{more}, "NetworkAclEntrySet": {{{set}}}}}"#);
    let entry = |port: u16, more: &str| {
        format!(r#"{{"Protocol": "TCP", "Port": "{port}", "CidrBlock": "0.0.0.0/0", "Action": "ACCEPT", "Description": "{port}"{more}}}"#)
    };
    let shown = async |direction: &str| {
        let all = world.json("DescribeNetworkAcls", &format!(r#"{{"NetworkAclIds": ["{id}"]}}"#)).await;
        all["NetworkAclSet"][0][direction].as_array().unwrap().clone()
    };
    let ports = |entries: &[serde_json::Value]| {
        entries.iter().map(|entry| entry["Port"].as_str().unwrap().to_owned()).collect::<Vec<_>>().join(" ")
    };
    let two = format!(r#""Ingress": [{}, {}], "Egress": [{}]"#, entry(22, ""), entry(80, ""), entry(1024, ""));
    world.golden("CreateNetworkAclEntries.json", "CreateNetworkAclEntries", &call("", &two)).await;
    let first = shown("IngressEntries").await;
    let between = format!(r#""Ingress": [{}, {}]"#, entry(443, r#", "Priority": 2"#), entry(8080, r#", "Priority": 40"#));
    world.json("CreateNetworkAclEntries", &call("", &between)).await;
    let ingress = shown("IngressEntries").await;
    assert_eq!(ports(&ingress), "22 443 80 8080");
    assert_eq!(ingress[2]["NetworkAclIpv4EntryId"], first[1]["NetworkAclIpv4EntryId"], "one that is there keeps its id");

    // What is not said of an entry stays.
    let named = |at: usize, more: &str| format!(r#"{{"NetworkAclIpv4EntryId": {}{more}}}"#, ingress[at]["NetworkAclIpv4EntryId"]);
    let update = |set: &str| call(r#", "EnableUpdateAclEntries": true"#, set);
    let change = format!(r#""Ingress": [{}, {}]"#, named(0, r#", "Action": "DROP""#), named(1, r#", "Port": "444", "Priority": 2"#));
    world.json("ModifyNetworkAclEntries", &update(&change)).await;
    let changed = shown("IngressEntries").await;
    assert_eq!((ports(&changed).as_str(), &changed[0]["Action"]), ("22 444 80 8080", &"Drop".into()));
    assert_eq!((&changed[0]["Description"], &changed[1]["CidrBlock"]), (&"22".into(), &"0.0.0.0/0".into()));
    let moved = format!(r#""Ingress": [{}]"#, named(0, r#", "Priority": 2"#));
    world.refused("ModifyNetworkAclEntries", &update(&moved), "InvalidParameterValue").await;
    world.refused("ModifyNetworkAclEntries", &update(r#""Ingress": [{"Action": "DROP"}]"#), "MissingParameter").await;

    let wrong = format!(r#""Ingress": [{}], "Egress": [{}]"#, named(0, ""), named(1, ""));
    world.refused("DeleteNetworkAclEntries", &call("", &wrong), "ResourceNotFound").await;
    assert_eq!(shown("IngressEntries").await.len(), 4, "all of them or none");
    let both = format!(r#""Ingress": [{}, {}]"#, named(0, ""), named(2, ""));
    world.golden("DeleteNetworkAclEntries.json", "DeleteNetworkAclEntries", &call("", &both)).await;
    assert_eq!((ports(&shown("IngressEntries").await).as_str(), shown("EgressEntries").await.len()), ("444 8080", 1));
    world.refused("DeleteNetworkAclEntries", &call("", &both), "ResourceNotFound").await;
    world.refused("CreateNetworkAclEntries", &call("", ""), "MissingParameter").await;
    let many = (0..39).map(|port| entry(port, "")).collect::<Vec<_>>().join(", ");
    world.refused("CreateNetworkAclEntries", &call("", &format!(r#""Ingress": [{many}]"#)), "LimitExceeded").await;
}
