//! Security groups and their policies, which stand in a line.

use serde_json::{Value, json};

use crate::world::World;

/// A policy of a call.
fn policy(action: &str, port: &str) -> Value {
    json!({"Protocol": "TCP", "Port": port, "CidrBlock": "0.0.0.0/0", "Action": action, "PolicyDescription": port})
}

async fn group(world: &World) -> String {
    let made = world.golden("CreateSecurityGroup.json", "CreateSecurityGroup", r#"{"GroupName": "web", "GroupDescription": "Web"}"#).await;
    made["SecurityGroup"]["SecurityGroupId"].as_str().unwrap().to_owned()
}

/// The ports of the policies for the way in, in their order, each with what it does.
async fn line(world: &World, group: &str) -> Vec<String> {
    let set = world.json("DescribeSecurityGroupPolicies", &json!({"SecurityGroupId": group}).to_string()).await;
    let ingress = set["SecurityGroupPolicySet"]["Ingress"].as_array().unwrap().iter();
    ingress.map(|one| format!("{} {}", one["Action"].as_str().unwrap(), one["Port"].as_str().unwrap())).collect()
}

fn change(group: &str, policies: Value) -> String {
    json!({"SecurityGroupId": group, "SecurityGroupPolicySet": {"Ingress": policies}}).to_string()
}

#[tokio::test]
async fn a_group_comes_and_goes_with_its_policies() {
    let world = World::new().await;
    let group = group(&world).await;
    world.golden("DescribeSecurityGroups.json", "DescribeSecurityGroups", "{}").await;
    assert_eq!(line(&world, &group).await, Vec::<String>::new(), "a new group lets nothing in");
    let many = json!([policy("ACCEPT", "22"), policy("ACCEPT", "80,443"), policy("DROP", "8000-8080")]);
    world.golden("CreateSecurityGroupPolicies.json", "CreateSecurityGroupPolicies", &change(&group, many)).await;
    let out = json!({"Protocol": "ALL", "Port": "all", "SecurityGroupId": group, "Action": "ACCEPT"});
    let out = json!({"SecurityGroupId": group, "SecurityGroupPolicySet": {"Egress": [out]}});
    world.json("CreateSecurityGroupPolicies", &out.to_string()).await;
    let described = json!({"SecurityGroupId": group}).to_string();
    let set = world.golden("DescribeSecurityGroupPolicies.json", "DescribeSecurityGroupPolicies", &described).await;
    assert_eq!(line(&world, &group).await, ["ACCEPT 22", "ACCEPT 443", "ACCEPT 80", "DROP 8000-8080"]);
    let version = set["SecurityGroupPolicySet"]["Version"].as_str().unwrap();
    let first = json!({"SecurityGroupId": group, "SecurityGroupPolicySet": {"Version": version, "Ingress": [{"PolicyIndex": 0}]}});
    world.json("DeleteSecurityGroupPolicies", &first.to_string()).await;
    world.refused("DeleteSecurityGroupPolicies", &first.to_string(), "UnsupportedOperation.VersionMismatch").await;
    world
        .golden("DeleteSecurityGroupPolicies.json", "DeleteSecurityGroupPolicies", &change(&group, json!([policy("ACCEPT", "80,443")])))
        .await;
    assert_eq!(line(&world, &group).await, ["DROP 8000-8080"]);
    world.golden("DeleteSecurityGroup.json", "DeleteSecurityGroup", &described).await;
    world.refused("DescribeSecurityGroupPolicies", &described, "InvalidSecurityGroupId.NotFound").await;
}

#[tokio::test]
async fn the_first_policy_that_fits_decides() {
    let world = World::new().await;
    let group = group(&world).await;
    for (action, port) in [("DROP", "all"), ("ACCEPT", "22"), ("DROP", "22")] {
        world.json("CreateSecurityGroupPolicies", &change(&group, json!([policy(action, port)]))).await;
    }
    assert_eq!(line(&world, &group).await, ["DROP 22", "ACCEPT 22", "DROP ALL"]);
    let between = json!([{"PolicyIndex": 2, "Protocol": "UDP", "Port": "53", "CidrBlock": "10.0.0.0/8", "Action": "ACCEPT"}]);
    world.json("CreateSecurityGroupPolicies", &change(&group, between)).await;
    let line = line(&world, &group).await;
    assert_eq!(line.last().map(String::as_str), Some("DROP ALL"));
    assert_eq!(line.iter().filter(|one| one.starts_with("ACCEPT")).count(), 2);
}

#[tokio::test]
async fn a_policy_takes_the_place_of_another_and_a_line_that_of_all() {
    let world = World::new().await;
    let group = group(&world).await;
    let set = |name: &str, policies: Value| json!({"SecurityGroupId": group, "SecurityGroupPolicySet": {name: policies}}).to_string();
    let three = json!([policy("ACCEPT", "22"), policy("DROP", "80"), policy("ACCEPT", "443")]);
    world.json("CreateSecurityGroupPolicies", &set("Ingress", three)).await;
    let at = |place: usize, action: &str, port: &str| {
        let mut one = policy(action, port);
        one["PolicyIndex"] = place.into();
        set("Ingress", json!([one]))
    };
    world.golden("ReplaceSecurityGroupPolicy.json", "ReplaceSecurityGroupPolicy", &at(1, "ACCEPT", "81")).await;
    assert_eq!(line(&world, &group).await, ["ACCEPT 22", "ACCEPT 81", "ACCEPT 443"]);
    world.json("ReplaceSecurityGroupPolicy", &at(2, "DROP", "443")).await;
    assert_eq!(line(&world, &group).await, ["ACCEPT 22", "ACCEPT 81", "DROP 443"]);
    world.refused("ReplaceSecurityGroupPolicy", &at(3, "DROP", "9"), "ResourceNotFound").await;
    world.refused("ReplaceSecurityGroupPolicy", &at(0, "ACCEPT", "81"), "UnsupportedOperation.DuplicatePolicy").await;
    world.refused("ReplaceSecurityGroupPolicy", &set("Ingress", json!([policy("ACCEPT", "1")])), "MissingParameter").await;
    let sixth = json!({"Protocol": "ICMPv6", "Ipv6CidrBlock": "fd00::/8", "Action": "ACCEPT"});
    let all = |set: Value| json!({"SecurityGroupId": group, "SecurityGroupPolicySet": set, "SortPolicys": true}).to_string();
    let wanted =
        all(json!({"Ingress": [policy("DROP", "8080"), policy("ACCEPT", "8000-9000"), sixth], "Egress": [policy("ACCEPT", "all")]}));
    world.golden("ModifySecurityGroupPolicies.json", "ModifySecurityGroupPolicies", &wanted).await;
    assert_eq!(line(&world, &group).await, ["DROP 8080", "ACCEPT 8000-9000", "ACCEPT ALL"]);
    world.refused("ModifySecurityGroupPolicies", &all(json!({})), "MissingParameter").await;
    world.refused("ModifySecurityGroupPolicies", &at(0, "DROP", "1"), "InvalidParameterConflict").await;
    world
        .refused("ModifySecurityGroupPolicies", &all(json!({"Version": "7", "Ingress": []})), "UnsupportedOperation.VersionMismatch")
        .await;
    assert_eq!(line(&world, &group).await.len(), 3, "what is refused changes nothing");
    world.json("ModifySecurityGroupPolicies", &all(json!({"Version": "0"}))).await;
    assert_eq!(line(&world, &group).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_group_tells_who_uses_it_and_gets_another_name() {
    let world = World::new().await;
    let group = group(&world).await;
    let asked = json!({"SecurityGroupIds": [group]}).to_string();
    let count = async |name: &str| {
        let told = world.json("DescribeSecurityGroupAssociationStatistics", &asked).await;
        told["SecurityGroupAssociationStatisticsSet"][0][name].as_u64().unwrap()
    };
    assert_eq!((count("CVM").await, count("SG").await, count("TotalCount").await), (0, 0, 0));
    world.run(&format!(r#""SecurityGroupIds": ["{group}"]"#)).await;
    let other = world.json("CreateSecurityGroup", r#"{"GroupName": "other", "GroupDescription": "d"}"#).await;
    let other = other["SecurityGroup"]["SecurityGroupId"].as_str().unwrap();
    let named = json!([{"Protocol": "ALL", "SecurityGroupId": group, "Action": "ACCEPT"}]);
    world.json("CreateSecurityGroupPolicies", &change(other, named)).await;
    world.golden("DescribeSecurityGroupAssociationStatistics.json", "DescribeSecurityGroupAssociationStatistics", &asked).await;
    assert_eq!((count("CVM").await, count("SG").await, count("TotalCount").await), (1, 1, 1));
    world.refused("DescribeSecurityGroupAssociationStatistics", r#"{"SecurityGroupIds": []}"#, "MissingParameter").await;
    let renamed = json!({"SecurityGroupId": group, "GroupName": "front", "GroupDescription": "Front"}).to_string();
    world.golden("ModifySecurityGroupAttribute.json", "ModifySecurityGroupAttribute", &renamed).await;
    let shown = world.json("DescribeSecurityGroups", &asked).await;
    assert_eq!(shown["SecurityGroupSet"][0]["SecurityGroupName"], "front");
}

#[tokio::test]
async fn policies_that_cannot_be_are_refused() {
    let world = World::new().await;
    let group = group(&world).await;
    world.json("CreateSecurityGroupPolicies", &change(&group, json!([policy("ACCEPT", "22")]))).await;
    for (policies, code) in [
        (json!([policy("ACCEPT", "22")]), "UnsupportedOperation.DuplicatePolicy"),
        (json!([policy("ACCEPT", "22/22")]), "InvalidParameterValue"),
        (json!([policy("ACCEPT", "90-80")]), "InvalidParameterValue"),
        (json!([policy("MAYBE", "22")]), "InvalidParameterValue"),
        (json!([{"Protocol": "TCP", "Port": "1", "Action": "ACCEPT"}]), "MissingParameter"),
        (json!([{"Protocol": "TCP", "Port": "1", "CidrBlock": "10.0.0.0/8"}]), "MissingParameter"),
        (json!([{"Protocol": "TCP", "Port": "1", "CidrBlock": "10.0.0.1/8", "Action": "ACCEPT"}]), "InvalidParameterValue"),
        (json!([{"Protocol": "ICMPv6", "CidrBlock": "10.0.0.0/8", "Action": "ACCEPT"}]), "InvalidParameterConflict"),
        (json!([{"Protocol": "ALL", "Ipv6CidrBlock": "::/0/0", "Action": "ACCEPT"}]), "InvalidParameterValue"),
        (json!([{"Protocol": "ALL", "Ipv6CidrBlock": "::/0", "CidrBlock": "10.0.0.0/8", "Action": "ACCEPT"}]), "InvalidParameterConflict"),
        (json!([{"PolicyIndex": 9, "Protocol": "ALL", "CidrBlock": "10.0.0.0/8", "Action": "ACCEPT"}]), "InvalidParameterValue"),
        (json!([]), "MissingParameter"),
    ] {
        world.refused("CreateSecurityGroupPolicies", &change(&group, policies), code).await;
    }
    let both = json!({"SecurityGroupId": group, "SecurityGroupPolicySet": {"Ingress": [policy("ACCEPT", "1")], "Egress": [policy("ACCEPT", "1")]}});
    world.refused("CreateSecurityGroupPolicies", &both.to_string(), "InvalidParameterConflict").await;
    world.refused("DeleteSecurityGroupPolicies", &change(&group, json!([{"PolicyIndex": 4}])), "ResourceNotFound").await;
    world.refused("DeleteSecurityGroupPolicies", &change(&group, json!([policy("ACCEPT", "23")])), "ResourceNotFound").await;
    world.refused("CreateSecurityGroup", r#"{"GroupName": "web", "GroupDescription": "again"}"#, "InvalidParameterValue.Duplicate").await;
    world.run(&format!(r#""SecurityGroupIds": ["{group}"]"#)).await;
    world.refused("DeleteSecurityGroup", &json!({"SecurityGroupId": group}).to_string(), "ResourceInUse").await;
}

#[tokio::test]
async fn a_group_serves_interfaces_of_every_network() {
    let world = World::new().await;
    let made = world.json("CreateVpc", r#"{"VpcName": "own", "CidrBlock": "10.1.0.0/16"}"#).await;
    let vpc = made["Vpc"]["VpcId"].as_str().unwrap();
    let subnet = format!(r#"{{"VpcId": "{vpc}", "SubnetName": "own", "CidrBlock": "10.1.1.0/24", "Zone": "test-1a"}}"#);
    let made = world.json("CreateSubnet", &subnet).await;
    let place = format!(r#""VirtualPrivateCloud": {{"VpcId": "{vpc}", "SubnetId": {}}}"#, made["Subnet"]["SubnetId"]);
    let group = group(&world).await;
    let here = world.run(&format!(r#""SecurityGroupIds": ["{group}"]"#)).await.remove(0);
    let there = world.run(&format!(r#""SecurityGroupIds": ["{group}"], {place}"#)).await.remove(0);
    let listed =
        world.json("DescribeInstances", &format!(r#"{{"Filters": [{{"Name": "security-group-id", "Values": ["{group}"]}}]}}"#)).await;
    let ids = listed["InstanceSet"].as_array().unwrap().iter().map(|one| one["InstanceId"].as_str().unwrap());
    assert!(ids.eq([here.as_str(), there.as_str()]), "{listed}");
    // Members in another network than its own keep it, too.
    world.json("TerminateInstances", &format!(r#"{{"InstanceIds": ["{here}"]}}"#)).await;
    world.settle().await;
    world.refused("DeleteSecurityGroup", &format!(r#"{{"SecurityGroupId": "{group}"}}"#), "ResourceInUse").await;
    world.json("TerminateInstances", &format!(r#"{{"InstanceIds": ["{there}"]}}"#)).await;
    world.settle().await;
    world.json("DeleteSecurityGroup", &format!(r#"{{"SecurityGroupId": "{group}"}}"#)).await;
}
