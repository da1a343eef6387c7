//! Further IPv4 ranges of VPCs: assistant CIDRs.

use serde_json::{Value, json};

use crate::world::World;

#[tokio::test]
async fn a_vpc_gets_assistant_ranges_and_gives_them_up() {
    let world = World::new().await;
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let vpc = text(&world.json("CreateVpc", r#"{"VpcName": "own", "CidrBlock": "10.1.0.0/16"}"#).await["Vpc"]["VpcId"]);
    let of = |more: Value| {
        let mut all = json!({ "VpcId": vpc });
        all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        all.to_string()
    };
    let ranges = |ranges: &[&str]| of(json!({ "CidrBlocks": ranges }));
    let exchange = |old: &[&str], new: &[&str]| of(json!({ "OldCidrBlocks": old, "NewCidrBlocks": new }));
    world.golden("CreateAssistantCidr.json", "CreateAssistantCidr", &ranges(&["10.2.0.0/16", "172.16.0.0/24"])).await;
    let new = of(json!({"SubnetName": "s", "CidrBlock": "10.2.1.0/24", "Zone": "test-1a"}));
    let subnet = text(&world.json("CreateSubnet", &new).await["Subnet"]["SubnetId"]);
    let listed = world.golden("DescribeAssistantCidr.json", "DescribeAssistantCidr", &json!({"VpcIds": [vpc]}).to_string()).await;
    assert_eq!((&listed["TotalCount"], &listed["AssistantCidrSet"][0]["SubnetSet"][0]["SubnetId"]), (&json!(2), &json!(subnet)));
    let by = |name: &str, value: &str| json!({"Filters": [{"Name": name, "Values": [value]}], "Limit": 1}).to_string();
    assert_eq!(world.json("DescribeAssistantCidr", &by("vpc-id", &vpc)).await["AssistantCidrSet"].as_array().unwrap().len(), 1);
    world.refused("DescribeAssistantCidr", &by("cidr-block", "10.2.0.0/16"), "InvalidFilter").await;
    let shown = world.json("DescribeVpcs", &json!({"VpcIds": [vpc]}).to_string()).await;
    assert_eq!(shown["VpcSet"][0]["AssistantCidrSet"][1]["CidrBlock"], "172.16.0.0/24");

    let found = world.golden("CheckAssistantCidr.json", "CheckAssistantCidr", &exchange(&["10.2.0.0/16"], &["10.1.5.0/24"])).await;
    let found: Vec<(String, String)> = found["ConflictSourceSet"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (text(&one["SourceItem"]), text(&one["ConflictItemSet"][0]["DestinationItem"])))
        .collect();
    let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
    assert_eq!(found, [pair("10.2.0.0/16", "10.2.1.0/24"), pair("10.1.5.0/24", "10.1.0.0/16")]);
    let free = world.json("CheckAssistantCidr", &exchange(&["172.16.0.0/24"], &["172.16.0.0/20"])).await;
    assert_eq!(free["ConflictSourceSet"], json!([]), "what goes makes room");

    for (action, body, code) in [
        ("CreateAssistantCidr", ranges(&["10.2.128.0/20"]), "InvalidParameterValue.CidrConflict"),
        ("CreateAssistantCidr", ranges(&["10.9.0.0/16", "10.9.8.0/24"]), "InvalidParameterValue.CidrConflict"),
        ("CreateAssistantCidr", ranges(&["10.9.0.0/29"]), "InvalidParameterValue"),
        ("CreateAssistantCidr", ranges(&["ten"]), "InvalidParameterValue"),
        ("CreateAssistantCidr", ranges(&[]), "MissingParameter"),
        ("CreateAssistantCidr", ranges(&["10.3.0.0/16", "10.4.0.0/16", "10.5.0.0/16"]), "LimitExceeded.CidrBlock"),
        ("DeleteAssistantCidr", ranges(&["10.2.0.0/16"]), "ResourceInUse"),
        ("DeleteAssistantCidr", ranges(&["10.1.0.0/16"]), "UnsupportedOperation"),
        ("DeleteAssistantCidr", ranges(&["10.7.0.0/16"]), "ResourceNotFound"),
        ("ModifyAssistantCidr", of(json!({})), "MissingParameter"),
        ("CheckAssistantCidr", of(json!({})), "MissingParameter"),
    ] {
        world.refused(action, &body, code).await;
    }
    world.golden("ModifyAssistantCidr.json", "ModifyAssistantCidr", &exchange(&["172.16.0.0/24"], &["172.16.0.0/20"])).await;
    world.json("DeleteSubnet", &json!({"SubnetId": subnet}).to_string()).await;
    world.golden("DeleteAssistantCidr.json", "DeleteAssistantCidr", &ranges(&["10.2.0.0/16", "172.16.0.0/20"])).await;
    assert_eq!(world.json("DescribeAssistantCidr", "{}").await["TotalCount"], 0);
}
