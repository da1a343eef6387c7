//! Disaster recover groups: made, listed, launched into, left and deleted.

use crate::world::World;

#[tokio::test]
async fn a_disaster_recover_group_is_made_filled_and_deleted() {
    let world = World::new().await;
    let tags = r#""TagSpecification": [{"ResourceType": "ps", "Tags": [{"Key": "a", "Value": "1"}]}]"#;
    let new = format!(r#"{{"Name": "apart", "Type": "HOST", "Affinity": 1, {tags}}}"#);
    let made = world.golden("CreateDisasterRecoverGroup.json", "CreateDisasterRecoverGroup", &new).await;
    let group = made["DisasterRecoverGroupId"].as_str().unwrap().to_owned();
    let image = world.json("DescribeImages", "{}").await["ImageSet"][0]["ImageId"].as_str().unwrap().to_owned();
    let launch =
        |more: &str| format!(r#"{{"ImageId": "{image}", "InstanceType": "S5.MEDIUM4", "Placement": {{"Zone": "test-1a"}}, {more}}}"#);
    let into = launch(&format!(r#""DisasterRecoverGroupIds": ["{group}"]"#));
    let instance = world.json("RunInstances", &into).await["InstanceIdSet"][0].as_str().unwrap().to_owned();
    world.settle().await;
    world.golden("DescribeDisasterRecoverGroups.json", "DescribeDisasterRecoverGroups", "{}").await;
    world.golden("DescribeDisasterRecoverGroupQuota.json", "DescribeDisasterRecoverGroupQuota", "{}").await;
    let found = |of: &str| format!(r#"{{"Filters": [{{"Name": "disaster-recover-group-id", "Values": ["{of}"]}}]}}"#);
    let shown = world.json("DescribeInstances", &found(&group)).await;
    assert_eq!((&shown["TotalCount"], &shown["InstanceSet"][0]["DisasterRecoverGroupId"]), (&1.into(), &group.clone().into()));
    for (action, body, code) in [
        ("RunInstances", into.clone(), "LimitExceeded.DisasterRecoverGroup"),
        ("RunInstances", launch(r#""DisasterRecoverGroupIds": ["ps-00000000000000001"]"#), "FailedOperation.DisasterRecoverGroupNotFound"),
        ("RunInstances", launch(r#""DisasterRecoverGroupIds": ["x"]"#), "InvalidParameterValue.DisasterRecoverGroupIdMalformed"),
        ("RunInstances", launch(r#""PartitionNumber": 1"#), "InvalidParameterConflict"),
        ("CreateDisasterRecoverGroup", r#"{"Name": "x", "Type": "HOST", "Affinity": 11}"#.to_owned(), "InvalidParameterValue"),
        ("CreateDisasterRecoverGroup", r#"{"Name": "", "Type": "HOST"}"#.to_owned(), "InvalidParameterValue"),
        ("CreateDisasterRecoverGroup", r#"{"Name": "x", "Type": "RACK", "Strategy": "PARTITION"}"#.to_owned(), "MissingParameter"),
        ("DeleteDisasterRecoverGroups", format!(r#"{{"DisasterRecoverGroupIds": ["{group}"]}}"#), "ResourceInUse"),
    ] {
        world.refused(action, &body, code).await;
    }
    let change = format!(r#"{{"DisasterRecoverGroupId": "{group}", "Name": "pairs", "Affinity": 2}}"#);
    world.golden("ModifyDisasterRecoverGroupAttribute.json", "ModifyDisasterRecoverGroupAttribute", &change).await;
    let second = world.json("RunInstances", &into).await["InstanceIdSet"][0].as_str().unwrap().to_owned();
    let out = format!(r#"{{"InstanceIds": ["{instance}", "{second}"]}}"#);
    world.golden("ModifyInstancesDisasterRecoverGroup.json", "ModifyInstancesDisasterRecoverGroup", &out).await;
    let named = format!(r#"{{"DisasterRecoverGroupIds": ["{group}"]}}"#);
    assert_eq!(world.json("DescribeDisasterRecoverGroups", &named).await["DisasterRecoverGroupSet"][0]["CurrentNum"], 0);
    world.golden("DeleteDisasterRecoverGroups.json", "DeleteDisasterRecoverGroups", &named).await;
    world.refused("DescribeDisasterRecoverGroups", &named, "FailedOperation.DisasterRecoverGroupNotFound").await;
}
