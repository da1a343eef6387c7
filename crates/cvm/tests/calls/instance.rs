//! Instances through their lives, as CVM's clients read them.

use serde_json::{Value, json};

use crate::world::World;

/// What can be said of a launch, beside zone, image and type.
const LAUNCH: &str = r#""InstanceCount": 1, "MinCount": 1, "InstanceName": "web", "HostName": "web-1", "ClientToken": "t1",
    "InstanceChargeType": "POSTPAID_BY_HOUR", "SystemDisk": {"DiskType": "CLOUD_PREMIUM", "DiskSize": 3, "DiskName": "root"},
    "DataDisks": [{"DiskType": "CLOUD_SSD", "DiskSize": 5, "DiskName": "data", "DeleteWithInstance": false}],
    "InternetAccessible": {"InternetChargeType": "TRAFFIC_POSTPAID_BY_HOUR", "InternetMaxBandwidthOut": 5, "PublicIpAssigned": true},
    "LoginSettings": {"Password": "Correct-horse-7"}, "UserData": "aGVsbG8=",
    "TagSpecification": [{"ResourceType": "instance", "Tags": [{"Key": "role", "Value": "web"}]}],
    "EnhancedService": {"SecurityService": {"Enabled": true}, "MonitorService": {"Enabled": false}},
    "VirtualPrivateCloud": {"VpcId": "DEFAULT", "SubnetId": "DEFAULT"}"#;

fn only(id: &str) -> String {
    format!(r#"{{"InstanceIds": ["{id}"]}}"#)
}

#[tokio::test]
async fn an_instance_is_shown_in_each_state_of_its_life() {
    let world = World::new().await;
    let launch = world.launch(LAUNCH).await;
    let id = world.golden("RunInstances.json", "RunInstances", &launch).await["InstanceIdSet"][0].as_str().unwrap().to_owned();
    let launched = world.instance(&id).await;
    assert_eq!((&launched["InstanceState"], &launched["LatestOperationState"]), (&json!("PENDING"), &json!("OPERATING")));
    world.settle().await;
    world.golden("DescribeInstances.json", "DescribeInstances", "{}").await;
    world.golden("DescribeInstancesStatus.json", "DescribeInstancesStatus", &only(&id)).await;
    world.golden("DescribeDisks.json", "DescribeDisks", "{}").await;
    world.golden("DescribeNetworkInterfaces.json", "DescribeNetworkInterfaces", "{}").await;
    world.golden("RebootInstances.json", "RebootInstances", &only(&id)).await;
    let stop = format!(r#"{{"InstanceIds": ["{id}"], "StopType": "SOFT", "StoppedMode": "STOP_CHARGING"}}"#);
    world.golden("StopInstances.json", "StopInstances", &stop).await;
    assert_eq!(world.instance(&id).await["InstanceState"], "STOPPING");
    world.settle().await;
    let stopped = world.instance(&id).await;
    assert_eq!((&stopped["InstanceState"], &stopped["StopChargingMode"]), (&json!("STOPPED"), &json!("STOP_CHARGING")));
    assert_eq!(stopped["PublicIpAddresses"], json!([]));
    world.golden("StartInstances.json", "StartInstances", &only(&id)).await;
    world.settle().await;
    let forced = format!(r#"{{"InstanceIds": ["{id}"], "StopType": "HARD"}}"#);
    world.json("StopInstances", &forced).await;
    world.settle().await;
    assert_eq!(world.instance(&id).await["StopChargingMode"], "KEEP_CHARGING");
    world.golden("TerminateInstances.json", "TerminateInstances", &only(&id)).await;
    world.settle().await;
    assert_eq!(world.json("DescribeInstances", &only(&id)).await["TotalCount"], 0, "what is gone is not shown");
}

#[tokio::test]
async fn several_are_launched_under_numbered_names() {
    let world = World::new().await;
    let ids = world.run(r#""InstanceCount": 3, "MinCount": 2, "InstanceName": "web_{R:8,F:3}-x", "HostName": "node""#).await;
    assert_eq!(ids.len(), 3);
    let listed = world.json("DescribeInstances", "{}").await;
    let names = |member: &str| -> Vec<Value> {
        let all = listed["InstanceSet"].as_array().unwrap().iter();
        all.map(|instance| instance[member].clone()).collect()
    };
    assert_eq!(names("InstanceName"), ["web_008-x", "web_009-x", "web_010-x"]);
    assert_eq!(names("HostName"), ["node1", "node2", "node3"]);
    let unnamed = world.run("").await.remove(0);
    assert_eq!(world.instance(&unnamed).await["InstanceName"], "Unnamed");
}

#[tokio::test]
async fn a_client_token_launches_once_and_a_dry_run_not_at_all() {
    let world = World::new().await;
    let token = r#""ClientToken": "once""#;
    assert_eq!(world.run(token).await, world.run(token).await);
    let other = world.launch(r#""ClientToken": "once", "InstanceCount": 2"#).await;
    world.refused("RunInstances", &other, "UnsupportedOperation.IdempotentParameterMismatch").await;
    let dry = world.launch(r#""DryRun": true"#).await;
    assert_eq!(world.json("RunInstances", &dry).await, json!({"RequestId": "req-1"}));
    let wrong = world.launch(r#""DryRun": true, "SystemDisk": {"DiskSize": 99999}"#).await;
    world.refused("RunInstances", &wrong, "InvalidParameterValue.Range").await;
    assert_eq!(world.json("DescribeInstances", "{}").await["TotalCount"], 1);
}

#[tokio::test]
async fn an_address_comes_with_bandwidth_unless_it_is_declined() {
    let world = World::new().await;
    for (internet, expected) in [
        (r#"{"InternetMaxBandwidthOut": 0}"#, 0),
        (r#"{"InternetMaxBandwidthOut": 1}"#, 1),
        (r#"{"InternetMaxBandwidthOut": 1, "PublicIpAssigned": false}"#, 0),
    ] {
        let id = world.run(&format!(r#""InternetAccessible": {internet}"#)).await.remove(0);
        let shown = world.instance(&id).await;
        assert_eq!(shown["PublicIpAddresses"].as_array().unwrap().len(), expected, "{internet}");
    }
    let bare = world.run("").await.remove(0);
    assert_eq!(world.instance(&bare).await["PublicIpAddresses"], json!([]));
    let addresses = world.json("DescribeAddresses", "{}").await;
    assert_eq!(addresses["TotalCount"], 0, "elastic ones are listed");
    let wan = r#"{"Filters": [{"Name": "address-type", "Values": ["WanIP"]}]}"#;
    world.golden("DescribeAddresses.json", "DescribeAddresses", wan).await;
}

#[tokio::test]
async fn instances_are_found_by_filters_and_in_pages() {
    let world = World::new().await;
    let tagged = r#""TagSpecification": [{"ResourceType": "instance", "Tags": [{"Key": "role", "Value": "web"}]}]"#;
    let ids = world.run(&format!(r#""InstanceCount": 5, "InstanceName": "a", {tagged}"#)).await;
    world.run(r#""InstanceName": "b""#).await;
    world.settle().await;
    let first = world.instance(&ids[0]).await;
    let text = |pointer: &str| first.pointer(pointer).unwrap().as_str().unwrap().to_owned();
    for (name, value, expected) in [
        ("instance-id", ids[0].clone(), 1),
        ("instance-name", "a1".to_owned(), 1),
        ("instance-name", "a*".to_owned(), 0),
        ("instance-state", "RUNNING".to_owned(), 6),
        ("instance-state", "STOPPED".to_owned(), 0),
        ("instance-type", "B1.SMALL512M".to_owned(), 6),
        ("zone", "test-1a".to_owned(), 6),
        ("zone", "test-1b".to_owned(), 0),
        ("vpc-id", text("/VirtualPrivateCloud/VpcId"), 6),
        ("subnet-id", text("/VirtualPrivateCloud/SubnetId"), 6),
        ("security-group-id", text("/SecurityGroupIds/0"), 6),
        ("private-ip-address", text("/PrivateIpAddresses/0"), 1),
        ("image-id", text("/ImageId"), 6),
        ("tag:role", "web".to_owned(), 5),
        ("tag-key", "role".to_owned(), 5),
        ("instance-charge-type", "PREPAID".to_owned(), 0),
        ("project-id", "0".to_owned(), 6),
    ] {
        let body = format!(r#"{{"Filters": [{{"Name": "{name}", "Values": ["{value}"]}}], "Limit": 1}}"#);
        let found = world.json("DescribeInstances", &body).await;
        assert_eq!(found["TotalCount"], expected, "{name}={value}");
    }
    let mut paged = vec![];
    for offset in [0, 2, 5, 6, 60] {
        let page = world.json("DescribeInstances", &format!(r#"{{"Offset": {offset}, "Limit": 3}}"#)).await;
        assert_eq!(page["TotalCount"], 6);
        paged.push(page["InstanceSet"].as_array().unwrap().len());
    }
    assert_eq!(paged, [3, 3, 1, 0, 0]);
    let named = format!(r#"{{"InstanceIds": ["{}"], "Filters": [{{"Name": "zone", "Values": ["a"]}}]}}"#, ids[0]);
    world.refused("DescribeInstances", &named, "InvalidParameterConflict").await;
}

#[tokio::test]
async fn attributes_are_changed_and_read_back() {
    let world = World::new().await;
    let id = world.run(r#""InstanceName": "old""#).await.remove(0);
    world.settle().await;
    let with = |more: &str| format!(r#"{{"InstanceIds": ["{id}"], {more}}}"#);
    let named = with(r#""InstanceName": "new", "HostName": "renamed", "DisableApiTermination": true"#);
    world.golden("ModifyInstancesAttribute.json", "ModifyInstancesAttribute", &named).await;
    let shown = world.instance(&id).await;
    assert_eq!((&shown["InstanceName"], &shown["HostName"]), (&json!("new"), &json!("renamed")));
    world.refused("TerminateInstances", &only(&id), "UnsupportedOperation.InstancesProtected").await;
    world.json("ModifyInstancesAttribute", &with(r#""DisableApiTermination": false"#)).await;
    let group = world.json("CreateSecurityGroup", r#"{"GroupName": "web", "GroupDescription": "Web servers"}"#).await;
    let group = group["SecurityGroup"]["SecurityGroupId"].as_str().unwrap().to_owned();
    let change = format!(r#"{{"InstanceIds": ["{id}"], "SecurityGroupIds": ["{group}"]}}"#);
    for _ in 0..2 {
        world.golden("AssociateSecurityGroups.json", "AssociateSecurityGroups", &change).await;
        assert_eq!(world.instance(&id).await["SecurityGroupIds"].as_array().unwrap().len(), 2, "a second time changes nothing");
    }
    world.golden("DisassociateSecurityGroups.json", "DisassociateSecurityGroups", &change).await;
    assert!(!world.instance(&id).await["SecurityGroupIds"].as_array().unwrap().contains(&json!(group)));
    world.json("ModifyInstancesAttribute", &with(&format!(r#""SecurityGroups": ["{group}"]"#))).await;
    assert_eq!(world.instance(&id).await["SecurityGroupIds"], json!([group]));
    world.golden("ResetInstancesPassword.json", "ResetInstancesPassword", &with(r#""Password": "Other-horse-8", "ForceStop": true"#)).await;
    world.refused("ModifyInstancesAttribute", &only(&id), "MissingParameter.AtLeastOne").await;
    world.refused("ModifyInstancesAttribute", &with(r#""UserData": "bmV3""#), "UnsupportedOperation.InstanceStateRunning").await;
}

#[tokio::test]
async fn tags_come_and_go_through_the_tag_service() {
    let world = World::new().await;
    let id = world.run("").await.remove(0);
    let resource = format!("qcs::cvm:test-1:uin/{}:instance/{id}", world.owner.account);
    let tag = |resource: &str| format!(r#"{{"ResourceList": ["{resource}"], "Tags": [{{"TagKey": "a", "TagValue": "1"}}]}}"#);
    world.golden("TagResources.json", "TagResources", &tag(&resource)).await;
    assert_eq!(world.instance(&id).await["Tags"], json!([{"Key": "a", "Value": "1"}]));
    let vpc = world.json("DescribeVpcs", "{}").await["VpcSet"][0]["VpcId"].as_str().unwrap().to_owned();
    let look = |region: &str| {
        let named = format!(r#""ServiceType": "cvm", "ResourcePrefix": "instance", "ResourceRegion": "{region}""#);
        format!(r#"{{{named}, "ResourceIds": ["{id}", "{vpc}", "ins-00000000000000001", "x"]}}"#)
    };
    world.golden("DescribeResourceTagsByResourceIds.json", "DescribeResourceTagsByResourceIds", &look("test-1")).await;
    assert_eq!(world.json("DescribeResourceTagsByResourceIds", &look("away-1")).await["TotalCount"], 0);
    let absent = "qcs::cvm:test-1:uin/:instance/ins-00000000000000001";
    let failed = world.json("TagResources", &tag(absent)).await;
    assert_eq!(failed["FailedResources"][0]["Code"], "InvalidInstanceId.NotFound");
    for wrong in ["i-1", "qcs::cvm:away-1:uin/:instance/ins-00000000000000001", "qcs::cvm:test-1:uin/7:instance/x"] {
        let failed = world.json("TagResources", &tag(wrong)).await;
        assert_eq!(failed["FailedResources"][0]["Code"], "InvalidParameterValue.TagResourceFormatError", "{wrong}");
    }
    let untag = format!(r#"{{"ResourceList": ["{resource}"], "TagKeys": ["a"]}}"#);
    world.golden("UnTagResources.json", "UnTagResources", &untag).await;
    assert_eq!(world.instance(&id).await["Tags"], json!([]));
}

#[tokio::test]
async fn a_running_instance_is_given_another_type() {
    let world = World::new().await;
    let id = world.run("").await.remove(0);
    world.settle().await;
    let sold = format!(r#"{{"InstanceIds": ["{id}"], "Filters": [{{"Name": "status", "Values": ["SELL"]}}]}}"#);
    let choices = world.golden("DescribeInstancesModification.json", "DescribeInstancesModification", &sold).await;
    let sold_out = world.json("DescribeInstancesModification", &sold.replace("SELL", "UNAVAILABLE")).await;
    assert!(choices["TotalCount"].as_u64() > Some(10) && sold_out["TotalCount"].as_u64() > Some(1), "{choices}");
    assert!(sold_out["InstanceTypeConfigStatusSet"][0]["Message"].as_str().is_some_and(|text| text.contains("host")), "{sold_out}");
    let change = |name: &str| format!(r#"{{"InstanceIds": ["{id}"], "InstanceType": "{name}", "ForceStop": true}}"#);
    world.refused("ResetInstancesType", &change("M8.16XLARGE512"), "ResourceInsufficient.SpecifiedInstanceType").await;
    world.refused("ResetInstancesType", &change("S6.NONE"), "InvalidParameterValue.InstanceTypeNotFound").await;
    world.golden("ResetInstancesType.json", "ResetInstancesType", &change("S5.MEDIUM4")).await;
    let changing = world.instance(&id).await;
    let operation = (&changing["InstanceState"], &changing["LatestOperation"], &changing["LatestOperationState"]);
    assert_eq!(operation, (&json!("STOPPING"), &json!("ResetInstancesType"), &json!("OPERATING")));
    world.refused("ResetInstancesType", &change("S5.MEDIUM8"), "UnsupportedOperation.InstanceStateStopping").await;
    world.settle().await;
    let changed = world.instance(&id).await;
    let shape = (&changed["InstanceState"], &changed["InstanceType"], &changed["CPU"], &changed["Memory"]);
    assert_eq!(shape, (&json!("RUNNING"), &json!("S5.MEDIUM4"), &json!(2), &json!(4)));
}
