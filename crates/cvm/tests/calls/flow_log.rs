//! Flow logs.

use serde_json::json;

use crate::world::World;

#[tokio::test]
async fn a_flow_log_is_made_changed_turned_off_and_deleted() {
    let world = World::new().await;
    let new = r#"{"VpcName": "v", "CidrBlock": "10.8.0.0/16"}"#;
    let vpc = world.json("CreateVpc", new).await["Vpc"]["VpcId"].as_str().unwrap().to_owned();
    let elsewhere = world.json("CreateVpc", new).await["Vpc"]["VpcId"].as_str().unwrap().to_owned();
    let new = json!({"VpcId": vpc, "SubnetName": "s", "CidrBlock": "10.8.1.0/24", "Zone": "test-1a"}).to_string();
    let subnet = world.json("CreateSubnet", &new).await["Subnet"]["SubnetId"].as_str().unwrap().to_owned();
    let new = |changes: serde_json::Value| {
        let mut asked = json!({
            "FlowLogName": "seen", "ResourceType": "SUBNET", "ResourceId": subnet, "TrafficType": "ALL", "VpcId": vpc,
            "FlowLogDescription": "d", "CloudLogId": "dfb8f1a2-8522-47c1-8571-67905167ab3f", "StorageType": "cls",
            "Tags": [{"Key": "a", "Value": "b"}],
        });
        for (name, value) in changes.as_object().unwrap() {
            asked[name] = value.clone();
        }
        asked.to_string()
    };
    let made = world.golden("CreateFlowLog.json", "CreateFlowLog", &new(json!({}))).await;
    let id = made["FlowLog"][0]["FlowLogId"].as_str().unwrap().to_owned();
    let second = json!({"FlowLogName": "drops", "ResourceType": "VPC", "ResourceId": vpc, "TrafficType": "REJECT"});
    let second = world.json("CreateFlowLog", &new(second)).await["FlowLog"][0]["FlowLogId"].as_str().unwrap().to_owned();
    let named = |rest: serde_json::Value| {
        let mut asked = json!({"VpcId": vpc, "FlowLogId": id});
        for (name, value) in rest.as_object().unwrap() {
            asked[name] = value.clone();
        }
        asked.to_string()
    };
    world.golden("DescribeFlowLog.json", "DescribeFlowLog", &named(json!({}))).await;
    let by_name = json!({"OrderField": "flowLogName", "OrderDirection": "ASC"}).to_string();
    let listed = world.golden("DescribeFlowLogs.json", "DescribeFlowLogs", &by_name).await;
    assert_eq!((&listed["FlowLog"][0]["FlowLogId"], &listed["TotalNum"]), (&second.as_str().into(), &2.into()));
    let found = async |asked: serde_json::Value| {
        let reply = world.json("DescribeFlowLogs", &asked.to_string()).await;
        reply["FlowLog"].as_array().unwrap().iter().map(|log| log["FlowLogId"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    for asked in [
        json!({"FlowLogId": id}),
        json!({"FlowLogName": "seen"}),
        json!({"ResourceType": "SUBNET"}),
        json!({"ResourceId": subnet}),
        json!({"TrafficType": "ALL"}),
    ] {
        assert_eq!(found(asked.clone()).await, [id.as_str()], "{asked}");
    }
    for asked in [
        json!({}),
        json!({"VpcId": vpc, "CloudLogId": "dfb8f1a2-8522-47c1-8571-67905167ab3f"}),
        json!({"CloudLogState": "SUCCESS", "CloudLogRegion": "test-1"}),
        json!({"Filters": {"Name": "tag:a", "Values": ["b"]}}),
    ] {
        let mut ids = found(asked.clone()).await;
        ids.sort();
        assert_eq!(ids, [id.as_str(), second.as_str()], "{asked}");
    }
    assert_eq!(found(json!({"OrderDirection": "ASC", "Offset": 1, "Limit": 1})).await, [second.as_str()]);
    for asked in [
        json!({"VpcId": elsewhere}),
        json!({"ResourceType": "CCN"}),
        json!({"CloudLogState": "DELETED"}),
        json!({"CloudLogRegion": "far-1"}),
        json!({"FlowLogId": "fl-1"}),
    ] {
        assert!(found(asked.clone()).await.is_empty(), "{asked}");
    }
    let several = json!({"FlowLogIds": [id]}).to_string();
    world.golden("DisableFlowLogs.json", "DisableFlowLogs", &several).await;
    let is_on = async || world.json("DescribeFlowLog", &named(json!({}))).await["FlowLog"][0]["Enable"].as_bool().unwrap();
    assert!(!is_on().await);
    world.golden("EnableFlowLogs.json", "EnableFlowLogs", &several).await;
    assert!(is_on().await);
    let renamed = named(json!({"FlowLogName": "known", "FlowLogDescription": "more"}));
    world.golden("ModifyFlowLogAttribute.json", "ModifyFlowLogAttribute", &renamed).await;
    assert_eq!(found(json!({"FlowLogName": "known"})).await, [id.as_str()]);
    for (action, body, code) in [
        ("CreateFlowLog", new(json!({})), "InvalidParameterValue.Duplicate"),
        ("CreateFlowLog", new(json!({"StorageType": "ckafka"})), "UnsupportedOperation"),
        ("CreateFlowLog", new(json!({"ResourceType": "CCN"})), "UnsupportedOperation"),
        ("CreateFlowLog", new(json!({"CloudLogRegion": "far-1"})), "UnsupportedOperation"),
        ("CreateFlowLog", new(json!({"Period": 60})), "UnsupportedOperation"),
        ("CreateFlowLog", new(json!({"CloudLogId": ""})), "MissingParameter"),
        ("CreateFlowLog", new(json!({"CloudLogId": "a b"})), "InvalidParameterValue"),
        ("CreateFlowLog", new(json!({"VpcId": elsewhere})), "InvalidParameterValue.SubnetNotExist"),
        ("CreateFlowLog", new(json!({"ResourceId": vpc})), "InvalidParameterValue.SubnetIdMalformed"),
        ("CreateFlowLog", new(json!({"TrafficType": "SOME"})), "InvalidParameterValue"),
        ("CreateFlowLog", new(json!({"FlowLogName": "a".repeat(61)})), "InvalidParameterValue.TooLong"),
        ("ModifyFlowLogAttribute", named(json!({"VpcId": elsewhere, "FlowLogName": "x"})), "ResourceNotFound"),
        ("DeleteFlowLog", named(json!({"VpcId": elsewhere})), "ResourceNotFound"),
        ("DescribeFlowLog", named(json!({"VpcId": elsewhere})), "ResourceNotFound"),
        ("DeleteFlowLog", named(json!({"FlowLogId": "nonsense"})), "InvalidParameterValue.Malformed"),
        ("EnableFlowLogs", json!({"FlowLogIds": []}).to_string(), "MissingParameter"),
        ("DescribeFlowLogs", json!({"Limit": 101}).to_string(), "InvalidParameterValue.Range"),
    ] {
        world.refused(action, &body, code).await;
    }
    world.refused_as(&world.stranger, "DisableFlowLogs", &several, "ResourceNotFound").await;
    world.golden("DeleteFlowLog.json", "DeleteFlowLog", &named(json!({}))).await;
    assert_eq!(found(json!({})).await, [second.as_str()]);
}
