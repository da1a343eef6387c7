//! Calls for instances that are refused, and with which code.

use crate::world::World;

const ABSENT: &str = "ins-00000000000000001";

#[tokio::test]
async fn a_launch_that_cannot_be_is_refused() {
    let world = World::new().await;
    for (more, code) in [
        (r#""InstanceCount": 0"#, "InvalidParameterValue.Range"),
        (r#""InstanceCount": 101"#, "InvalidParameterValue.Range"),
        (r#""InstanceCount": 1, "MinCount": 2"#, "InvalidParameterValue.Range"),
        (r#""InstanceCount": "one""#, "InvalidParameter"),
        (r#""LoginSettings": {"Password": "weak"}"#, "InvalidPassword"),
        (r#""LoginSettings": {"KeyIds": ["skey-00000000000000001"]}"#, "InvalidKeyPairId.NotFound"),
        (r#""LoginSettings": {"Password": "Correct-horse-7", "KeepImageLogin": "TRUE"}"#, "InvalidParameterConflict"),
        (r#""UserData": "!""#, "InvalidParameterValue.InvalidUserDataFormat"),
        (r#""HostName": "a_b""#, "InvalidParameterValue.IllegalHostName"),
        (r#""HostName": "a-{IP}""#, "UnsupportedOperation"),
        (r#""SecurityGroupIds": ["sg-00000000000000001"]"#, "InvalidSecurityGroupId.NotFound"),
        (r#""SecurityGroupIds": ["web"]"#, "InvalidSecurityGroupID.Malformed"),
        (r#""SystemDisk": {"DiskType": "LOCAL_BASIC"}"#, "InvalidParameterValue"),
        (r#""SystemDisk": {"DiskSize": 20000}"#, "InvalidParameterValue.Range"),
        (r#""SystemDisk": {"Encrypt": true, "KmsKeyId": "none"}"#, "InvalidParameter.InvalidKmsKeyId"),
        (r#""DataDisks": [{"DiskSize": 10, "Encrypt": true, "KmsKeyId": "none"}]"#, "InvalidParameter.InvalidKmsKeyId"),
        (r#""DataDisks": [{"DiskSize": 10, "KmsKeyId": "alias/none"}]"#, "InvalidParameterCombination"),
        (r#""DataDisks": [{"DiskSize": 10, "SnapshotId": "snap-1"}]"#, "InvalidParameterValue.SnapshotIdMalformed"),
        (r#""DataDisks": [{"DiskType": "CLOUD_SSD"}]"#, "MissingParameter"),
        (r#""InstanceChargeType": "PREPAID""#, "UnsupportedOperation"),
        (r#""CamRoleName": "r""#, "ResourceNotFound.RoleNotFound"),
        (r#""Colour": "red""#, "UnknownParameter"),
        (r#""InternetAccessible": {"PublicIpAssigned": true}"#, "InvalidParameterCombination"),
        (r#""VirtualPrivateCloud": {"VpcId": "vpc-00000000000000001"}"#, "MissingParameter"),
        (
            r#""VirtualPrivateCloud": {"VpcId": "vpc-00000000000000001", "SubnetId": "subnet-00000000000000001"}"#,
            "InvalidParameterValue.SubnetNotExist",
        ),
        (
            r#""VirtualPrivateCloud": {"VpcId": "DEFAULT", "SubnetId": "DEFAULT", "PrivateIpAddresses": ["172.31.0.9", "172.31.0.8"]}"#,
            "InvalidParameterValue.AmountNotEqual",
        ),
        (r#""VirtualPrivateCloud": {"VpcId": "DEFAULT", "SubnetId": "DEFAULT", "PrivateIpAddresses": ["10.9.9.9"]}"#, "VpcAddrNotInSubNet"),
        (r#""TagSpecification": [{"ResourceType": "host", "Tags": []}]"#, "InvalidParameterValue"),
        (
            r#""TagSpecification": [{"ResourceType": "instance", "Tags": [{"Key": "a"}, {"Key": "a"}]}]"#,
            "InvalidParameterValue.DuplicateTags",
        ),
    ] {
        let body = world.launch(more).await;
        world.refused("RunInstances", &body, code).await;
    }
    let image = world.image("pileus-linux").await;
    for (body, code) in [
        (format!(r#"{{"ImageId": "{image}", "InstanceType": "S5.MEDIUM4"}}"#), "MissingParameter"),
        (
            format!(r#"{{"Placement": {{"Zone": "away-1a"}}, "ImageId": "{image}", "InstanceType": "S5.MEDIUM4"}}"#),
            "InvalidZone.MismatchRegion",
        ),
        (
            format!(r#"{{"Placement": {{"Zone": "test-1a"}}, "ImageId": "{image}", "InstanceType": "S5.NONE"}}"#),
            "InvalidParameterValue.InstanceTypeNotFound",
        ),
        (
            r#"{"Placement": {"Zone": "test-1a"}, "ImageId": "img-00000000000000001", "InstanceType": "S5.MEDIUM4"}"#.to_owned(),
            "InvalidImageId.NotFound",
        ),
        (
            format!(r#"{{"Placement": {{"Zone": "test-1b"}}, "ImageId": "{image}", "InstanceType": "S5.MEDIUM4"}}"#),
            "ResourceInsufficient.SpecifiedInstanceType",
        ),
    ] {
        world.refused("RunInstances", &body, code).await;
    }
    assert_eq!(world.json("DescribeInstances", "{}").await["TotalCount"], 0);
}

#[tokio::test]
async fn a_subnet_belongs_to_its_vpc() {
    let world = World::new().await;
    let subnet = world.json("DescribeSubnets", "{}").await["SubnetSet"][0]["SubnetId"].as_str().unwrap().to_owned();
    let place = format!(r#""VirtualPrivateCloud": {{"VpcId": "vpc-00000000000000001", "SubnetId": "{subnet}"}}"#);
    let body = world.launch(&place).await;
    world.refused("RunInstances", &body, "InvalidParameterValue.VpcIdSubnetIdNotMatch").await;
}

#[tokio::test]
async fn what_is_so_already_is_refused_and_with_it_the_whole_call() {
    let world = World::new().await;
    let ids = world.run(r#""InstanceCount": 2"#).await;
    world.settle().await;
    let both = format!(r#"{{"InstanceIds": ["{}", "{}"]}}"#, ids[0], ids[1]);
    world.refused("StartInstances", &both, "UnsupportedOperation.InstanceStateRunning").await;
    world.json("StopInstances", &format!(r#"{{"InstanceIds": ["{}"], "StopType": "HARD"}}"#, ids[0])).await;
    world.settle().await;
    world.refused("StopInstances", &both, "UnsupportedOperation.InstanceStateStopped").await;
    world.refused("RebootInstances", &both, "UnsupportedOperation.InstanceStateStopped").await;
    assert_eq!(world.instance(&ids[1]).await["InstanceState"], "RUNNING");
    let twice = format!(r#"{{"InstanceIds": ["{}"], "StopType": "HARD", "ForceStop": true}}"#, ids[1]);
    world.refused("StopInstances", &twice, "InvalidParameterConflict").await;
    for action in ["StartInstances", "StopInstances", "RebootInstances", "TerminateInstances", "ModifyInstancesAttribute"] {
        world.refused(action, r#"{"InstanceIds": []}"#, "MissingParameter").await;
        let absent = format!(r#"{{"InstanceIds": ["{ABSENT}"]}}"#);
        let code = if action == "ModifyInstancesAttribute" { "MissingParameter.AtLeastOne" } else { "InvalidInstanceId.NotFound" };
        world.refused(action, &absent, code).await;
        world.refused(action, r#"{"InstanceIds": ["i-00000000000000001"]}"#, "InvalidInstanceId.Malformed").await;
    }
}

#[tokio::test]
async fn anothers_things_look_like_none() {
    let world = World::new().await;
    let id = world.run("").await.remove(0);
    let body = format!(r#"{{"InstanceIds": ["{id}"]}}"#);
    for action in ["StopInstances", "TerminateInstances", "DescribeInstances", "DescribeInstancesStatus"] {
        world.refused_as(&world.stranger, action, &body, "InvalidInstanceId.NotFound").await;
    }
}

#[tokio::test]
async fn an_action_that_is_not_served_says_so() {
    let world = World::new().await;
    for action in ["InquiryPriceRunInstances", "ModifyInstancesProject", "ModifyInstanceDiskType", "RenewInstances"] {
        world.refused(action, "{}", "UnsupportedOperation").await;
    }
    world.refused("DescribeEverything", "{}", "InvalidAction").await;
}
