//! How lists are ordered, cut and chosen from: the parameters of the Describe calls that change nothing.

use serde_json::{Value, json};

use crate::world::World;

/// One member of the items of a list.
fn column(listed: &Value, items: &str, member: &str) -> Vec<String> {
    let text = |item: &Value| item[member].as_str().map_or_else(|| item[member].to_string(), str::to_owned);
    listed[items].as_array().unwrap().iter().map(text).collect()
}

fn by(name: &str, values: &[&str]) -> Value {
    json!({"Filters": [{"Name": name, "Values": values}]})
}

fn text<'a>(made: &'a Value, pointer: &str) -> &'a str {
    made.pointer(pointer).and_then(Value::as_str).unwrap()
}

#[tokio::test]
async fn lists_rise_and_fall() {
    let world = World::new().await;
    for name in ["b", "a", "c"] {
        let new = json!({"Placement": {"Zone": "test-1a"}, "DiskType": "CLOUD_PREMIUM", "DiskSize": 10, "DiskName": name});
        world.json("CreateDisks", &new.to_string()).await;
        world.json("CreateSecurityGroup", &json!({"GroupName": name, "GroupDescription": name}).to_string()).await;
    }
    let disks = async |asked: Value| column(&world.json("DescribeDisks", &asked.to_string()).await, "DiskSet", "DiskName");
    assert_eq!(disks(json!({})).await, ["b", "a", "c"]);
    assert_eq!(disks(json!({"Order": "DESC"})).await, ["c", "a", "b"]);
    assert_eq!(disks(json!({"OrderField": "CREATE_TIME", "Order": "ASC"})).await, ["b", "a", "c"]);
    assert_eq!(disks(json!({"OrderField": "DEADLINE", "Order": "DESC", "Offset": 1, "Limit": 1})).await, ["a"]);
    world.refused("DescribeDisks", r#"{"Order": "UP"}"#, "InvalidParameterValue").await;
    world.refused("DescribeDisks", r#"{"OrderField": "SIZE"}"#, "InvalidParameterValue").await;
    let groups = async |asked: Value| {
        let listed = world.json("DescribeSecurityGroups", &asked.to_string()).await;
        column(&listed, "SecurityGroupSet", "SecurityGroupName")
    };
    assert_eq!(groups(json!({"OrderField": "CreatedTime", "OrderDirection": "DESC", "Limit": "2"})).await, ["c", "a"]);
    world.refused("DescribeSecurityGroups", r#"{"OrderField": "UpdateTime"}"#, "InvalidParameterValue").await;
    world.settle().await;
    let disk = text(&world.json("DescribeDisks", "{}").await, "/DiskSet/0/DiskId").to_owned();
    for name in ["first", "second"] {
        world.json("CreateSnapshot", &json!({"DiskId": disk, "SnapshotName": name}).to_string()).await;
        let policy = json!({"Policy": [{"Hour": [1], "DayOfWeek": [1]}], "AutoSnapshotPolicyName": name});
        world.json("CreateAutoSnapshotPolicy", &policy.to_string()).await;
    }
    for (action, items, member) in [
        ("DescribeSnapshots", "SnapshotSet", "SnapshotName"),
        ("DescribeAutoSnapshotPolicies", "AutoSnapshotPolicySet", "AutoSnapshotPolicyName"),
    ] {
        assert_eq!(column(&world.json(action, r#"{"OrderField": "CREATE_TIME"}"#).await, items, member), ["first", "second"]);
        assert_eq!(column(&world.json(action, r#"{"Order": "DESC"}"#).await, items, member), ["second", "first"]);
    }
}

#[tokio::test]
async fn acls_and_peerings_are_ordered_by_name() {
    let world = World::new().await;
    let mut vpcs = vec![];
    for at in 1..4 {
        let made = world.json("CreateVpc", &json!({"VpcName": "v", "CidrBlock": format!("10.{at}.0.0/16")}).to_string()).await;
        vpcs.push(text(&made, "/Vpc/VpcId").to_owned());
    }
    for (name, peer) in [("b", &vpcs[1]), ("a", &vpcs[2])] {
        world.json("CreateNetworkAcl", &json!({"VpcId": vpcs[0], "NetworkAclName": name}).to_string()).await;
        let peering = json!({"SourceVpcId": vpcs[0], "DestinationVpcId": peer, "PeeringConnectionName": name});
        world.json("CreateVpcPeeringConnection", &peering.to_string()).await;
    }
    for (action, items, member) in [
        ("DescribeNetworkAcls", "NetworkAclSet", "NetworkAclName"),
        ("DescribeVpcPeeringConnections", "PeerConnectionSet", "PeeringConnectionName"),
    ] {
        let listed = async |asked: Value| column(&world.json(action, &asked.to_string()).await, items, member);
        assert_eq!(listed(json!({})).await, ["b", "a"]);
        assert_eq!(listed(json!({"OrderField": member})).await, ["a", "b"]);
        assert_eq!(listed(json!({"OrderField": member, "OrderDirection": "DESC"})).await, ["b", "a"]);
        assert_eq!(listed(json!({"OrderField": "CreatedTime", "OrderDirection": "DESC"})).await, ["a", "b"]);
        world.refused(action, r#"{"OrderField": "ModifyTime"}"#, "InvalidParameterValue").await;
    }
    let ids = column(&world.json("DescribeNetworkAcls", r#"{"OrderField": "NetworkAclId"}"#).await, "NetworkAclSet", "NetworkAclId");
    assert!(ids.is_sorted(), "{ids:?}");
}

#[tokio::test]
async fn subnets_are_read_page_by_page() {
    let world = World::new().await;
    let vpc = world.json("CreateVpc", r#"{"VpcName": "own", "CidrBlock": "10.1.0.0/16"}"#).await;
    let vpc = text(&vpc, "/Vpc/VpcId");
    for at in 0..5 {
        let new = json!({"VpcId": vpc, "SubnetName": at.to_string(), "CidrBlock": format!("10.1.{at}.0/24"), "Zone": "test-1a"});
        world.json("CreateSubnet", &new.to_string()).await;
    }
    let mut asked = by("vpc-id", &[vpc]);
    asked["MaxResults"] = 2.into();
    let mut pages = vec![];
    loop {
        let page = world.json("DescribeSubnets", &asked.to_string()).await;
        assert_eq!(page["TotalCount"], 5);
        pages.push(column(&page, "SubnetSet", "SubnetName").concat());
        asked["NextToken"] = page["NextToken"].clone();
        if page["NextToken"] == "" {
            break;
        }
    }
    assert_eq!(pages, ["01", "23", "4"]);
    world.refused("DescribeSubnets", r#"{"NextToken": "next"}"#, "InvalidParameterValue").await;
    world.refused("DescribeSubnets", r#"{"NextToken": "7", "Offset": 1}"#, "InvalidParameterConflict").await;
    world.refused("DescribeSubnets", r#"{"MaxResults": 101}"#, "InvalidParameterValue.Range").await;
    assert_eq!(world.json("DescribeSubnets", r#"{"Limit": "2"}"#).await["NextToken"], "", "a counted page has no token");
}

#[tokio::test]
async fn instances_and_what_they_have_are_found_by_what_they_are() {
    let world = World::new().await;
    let id = world
        .run(r#""InstanceName": "web", "InternetAccessible": {"InternetMaxBandwidthOut": 5, "PublicIpAssigned": true}"#)
        .await
        .remove(0);
    world.run(r#""InstanceName": "other""#).await;
    world.settle().await;
    let shown = world.instance(&id).await;
    let count =
        async |action: &str, name: &str, values: &[&str]| world.json(action, &by(name, values).to_string()).await["TotalCount"].clone();
    let (private, public) = (text(&shown, "/PrivateIpAddresses/0"), text(&shown, "/PublicIpAddresses/0"));
    let uuid = text(&shown, "/Uuid");
    for (name, value, found) in [
        ("uuid", uuid, 1),
        ("uuid", "ec2ffff0-0000-4000-8000-000000000000", 0),
        ("uuid", "no uuid", 0),
        ("creation-start-time", "2000-01-01 00:00:00", 2),
        ("creation-end-time", "2000-01-01 00:00:00", 0),
        ("creation-end-time", "2999-01-01 00:00:00", 2),
    ] {
        assert_eq!(count("DescribeInstances", name, &[value]).await, found, "{name}={value}");
    }
    world.refused("DescribeInstances", &by("creation-end-time", &["soon"]).to_string(), "InvalidParameterValue").await;
    let mut one = by("creation-start-time", &["2000-01-01 00:00:00"]);
    one["Limit"] = 1.into();
    let page = world.json("DescribeInstances", &one.to_string()).await;
    assert_eq!((&page["TotalCount"], page["InstanceSet"].as_array().unwrap().len()), (&2.into(), 1));
    for (name, value, found) in [
        ("instance-name", "web", 1),
        ("instance-name", "w*", 0),
        ("instance-ip-address", private, 1),
        ("instance-ip-address", public, 1),
        ("instance-ip-address", "192.0.2.1", 0),
        ("cluster-group-id", "c", 0),
    ] {
        assert_eq!(count("DescribeDisks", name, &[value]).await, found, "{name}={value}");
    }
    let (begins, _) = private.rsplit_once('.').unwrap();
    for (name, values, found) in [
        ("address-ip", &[begins][..], 2),
        ("address-ip", &[private], 1),
        ("address-ip", &[begins, begins], 0),
        ("public-address-ip", &[public], 1),
        ("eni-type", &["1"], 2),
        ("eni-type", &["0"], 0),
        ("eni-qos", &["DEFAULT"], 2),
        ("termination-protection", &["true"], 0),
    ] {
        assert_eq!(count("DescribeNetworkInterfaces", name, values).await, found, "{name}={values:?}");
    }
    let exact = json!({"Filters": [{"Name": "address-ip", "Values": [begins]}, {"Name": "ip-exact-match", "Values": ["true"]}]});
    assert_eq!(world.json("DescribeNetworkInterfaces", &exact.to_string()).await["TotalCount"], 0);
}

#[tokio::test]
async fn addresses_images_and_types_are_found_by_their_kinds() {
    let world = World::new().await;
    let id = world.run("").await.remove(0);
    world.settle().await;
    let made = world.json("AllocateAddresses", r#"{"AddressCount": 3}"#).await;
    let subnet = world.json("DescribeSubnets", "{}").await["SubnetSet"][0].clone();
    let new = json!({"VpcId": subnet["VpcId"], "SubnetId": subnet["SubnetId"], "NetworkInterfaceName": "free"});
    let nic = world.json("CreateNetworkInterface", &new.to_string()).await["NetworkInterface"]["NetworkInterfaceId"].clone();
    let tie = |at: usize, name: &str, id: &Value| json!({"AddressId": made["AddressSet"][at], name: id}).to_string();
    world.json("AssociateAddress", &tie(0, "InstanceId", &id.as_str().into())).await;
    world.json("AssociateAddress", &tie(1, "NetworkInterfaceId", &nic)).await;
    let found = async |name: &str, value: &str| {
        let listed = world.json("DescribeAddresses", &by(name, &[value]).to_string()).await;
        column(&listed, "AddressSet", "AddressId")
    };
    let at = |at: usize| vec![made["AddressSet"][at].as_str().unwrap().to_owned()];
    for (name, value, expected) in [
        ("instance-type", "CVM", at(0)),
        ("instance-type", "ENI", at(1)),
        ("instance-type", "NAT", vec![]),
        ("instance-type", "CLB", vec![]),
        ("address-status", "BIND", at(0)),
        ("address-status", "BIND_ENI", at(1)),
        ("address-status", "UNBIND", at(2)),
    ] {
        assert_eq!(found(name, value).await, expected, "{name}={value}");
    }
    let images = async |name: &str, values: &[&str]| {
        let listed = world.json("DescribeImages", &by(name, values).to_string()).await;
        (listed["TotalCount"].as_u64().unwrap(), column(&listed, "ImageSet", "ImageType"))
    };
    let all = world.json("DescribeImages", "{}").await;
    let (total, platform) = (all["TotalCount"].as_u64().unwrap(), text(&all, "/ImageSet/0/Platform"));
    let same = column(&all, "ImageSet", "Platform").iter().filter(|one| *one == platform).count() as u64;
    assert_eq!(images("platform", &[&platform.to_uppercase()[1..]]).await.0, same, "a part, in any letters");
    assert_eq!(images("platform", &["plan9"]).await.0, 0);
    let (found, types) = images("image-type", &["PUBLIC_IMAGE", "SHARED_IMAGE"]).await;
    assert!(found == total && types.iter().all(|one| one == "PUBLIC_IMAGE"), "{types:?}");
    assert_eq!(images("image-type", &["SHARED_IMAGE", "PRIVATE_IMAGE"]).await.0, 0);
    let cpus = async |keys: &[&str]| {
        let listed = world.json("DescribeZoneInstanceConfigInfos", &by("sort-keys", keys).to_string()).await;
        let column = |member: &str| column(&listed, "InstanceTypeQuotaSet", member).iter().map(|text| text.parse().unwrap()).collect();
        let (cpus, memory): (Vec<u64>, Vec<u64>) = (column("Cpu"), column("Memory"));
        cpus.into_iter().zip(memory).collect::<Vec<_>>()
    };
    let falling = cpus(&["cpu:desc", "mem:asc"]).await;
    assert!(falling.len() > 2 && falling.is_sorted_by_key(|(cpu, memory)| (std::cmp::Reverse(*cpu), *memory)), "{falling:?}");
    for wrong in ["disk:asc", "cpu:up"] {
        world.refused("DescribeZoneInstanceConfigInfos", &by("sort-keys", &[wrong]).to_string(), "InvalidParameterValue").await;
    }
}

#[tokio::test]
async fn policies_are_found_by_what_they_say() {
    let world = World::new().await;
    let made = world.json("CreateSecurityGroup", r#"{"GroupName": "web", "GroupDescription": "Web"}"#).await;
    let group = text(&made, "/SecurityGroup/SecurityGroupId").to_owned();
    let all = json!({"SecurityGroupId": group, "SecurityGroupPolicySet": {
        "Ingress": [
            {"Protocol": "TCP", "Port": "80", "CidrBlock": "10.1.0.0/16", "Action": "ACCEPT", "PolicyDescription": "front door"},
            {"Protocol": "UDP", "Port": "8000-8080", "Ipv6CidrBlock": "fd00::/8", "Action": "DROP"},
            {"Protocol": "ALL", "Port": "ALL", "SecurityGroupId": group, "Action": "ACCEPT"},
        ],
        "Egress": [{"Protocol": "ICMP", "CidrBlock": "0.0.0.0/0", "Action": "ACCEPT"}],
    }});
    world.json("ModifySecurityGroupPolicies", &all.to_string()).await;
    for (name, value, ingress, egress) in [
        ("security-group-id", group.as_str(), &["2"][..], &[][..]),
        ("ip", "10.1", &["0"], &[]),
        ("ip", "fd00", &["1"], &[]),
        ("address-module", "ipm-1", &[], &[]),
        ("service-module", "ppm-1", &[], &[]),
        ("protocol-type", "ICMP", &[], &["0"]),
        ("port", "80", &["0", "1"], &[]),
        ("port", "ALL", &["0", "1", "2"], &["0"]),
        ("poly", "DROP", &["1"], &[]),
        ("poly", "ALL", &["0", "1", "2"], &["0"]),
        ("direction", "OUTBOUND", &[], &["0"]),
        ("direction", "INBOUND", &["0", "1", "2"], &[]),
        ("description", "door", &["0"], &[]),
    ] {
        let mut asked = by(name, &[value]);
        asked["SecurityGroupId"] = group.as_str().into();
        let set = world.json("DescribeSecurityGroupPolicies", &asked.to_string()).await["SecurityGroupPolicySet"].clone();
        let found = (column(&set, "Ingress", "PolicyIndex"), column(&set, "Egress", "PolicyIndex"));
        let expected = [ingress, egress].map(|some| some.iter().map(|at| (*at).to_owned()).collect::<Vec<_>>());
        assert_eq!([found.0, found.1], expected, "{name}={value}");
        assert_eq!(set["PolicyStatistics"]["IngressIPv4TotalCount"], 2, "the group's, whatever is looked for");
    }
    let mut wrong = by("colour", &["red"]);
    wrong["SecurityGroupId"] = group.as_str().into();
    world.refused("DescribeSecurityGroupPolicies", &wrong.to_string(), "InvalidFilter").await;
}

#[tokio::test]
async fn a_vpc_is_made_with_name_servers_and_a_domain() {
    let world = World::new().await;
    let new = |more: &str| format!(r#"{{"VpcName": "own", "CidrBlock": "10.1.0.0/16", "EnableMulticast": "false"{more}}}"#);
    let made = world.json("CreateVpc", &new(r#", "DnsServers": ["10.1.0.53"], "DomainName": "corp.example""#)).await["Vpc"].clone();
    assert_eq!((&made["DnsServerSet"], &made["DomainName"]), (&json!(["10.1.0.53"]), &"corp.example".into()));
    let own = world.json("CreateVpc", &new(r#", "DnsServers": ["183.60.83.19", "183.60.82.98"]"#)).await["Vpc"].clone();
    assert_eq!((&own["DnsServerSet"], &own["DomainName"]), (&json!([]), &"internal.test".into()));
    for wrong in [r#", "DomainName": "a..b""#, r#", "DnsServers": ["224.0.0.1"]"#, r#", "DnsServers": ["name"]"#] {
        let reply = world.call("CreateVpc", &new(wrong)).await;
        assert!(crate::world::code_of(&reply).is_some_and(|code| code.starts_with("InvalidParameter")), "{wrong}\n{}", reply.body);
    }
    world
        .refused("CreateVpc", r#"{"VpcName": "own", "CidrBlock": "10.1.0.0/16", "EnableMulticast": "true"}"#, "UnsupportedOperation")
        .await;
}
