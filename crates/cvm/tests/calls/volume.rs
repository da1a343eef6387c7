//! Disks: made, attached, grown, detached and deleted.

use crate::world::World;

#[tokio::test]
async fn a_disk_lives_from_its_making_to_its_end() {
    let world = World::new().await;
    let instance = world.run("").await.remove(0);
    let new = r#"{"Placement": {"Zone": "test-1a"}, "DiskType": "CLOUD_SSD", "DiskSize": 10, "DiskName": "data", "ClientToken": "one"}"#;
    let made = world.golden("CreateDisks.json", "CreateDisks", new).await;
    let disk = made["DiskIdSet"][0].as_str().unwrap().to_owned();
    assert_eq!(world.json("CreateDisks", new).await["DiskIdSet"][0], disk.as_str(), "the token makes it once");
    world.settle().await;
    world.refused("TerminateDisks", r#"{"DiskIds": []}"#, "MissingParameter").await;
    let absent = "disk-00000000000000001";
    let some = format!(r#"{{"InstanceId": "{instance}", "DiskIds": ["{disk}", "{absent}"]}}"#);
    world.refused("AttachDisks", &some, "InvalidDiskId.NotFound").await;
    let all = world.json("DescribeDisks", &format!(r#"{{"DiskIds": ["{disk}"]}}"#)).await;
    assert_eq!(all["DiskSet"][0]["DiskState"], "UNATTACHED", "all of them or none");
    let on = format!(r#"{{"InstanceId": "{instance}", "DiskIds": ["{disk}"]}}"#);
    world.golden("AttachDisks.json", "AttachDisks", &on).await;
    world.settle().await;
    world.refused("TerminateDisks", &format!(r#"{{"DiskIds": ["{disk}"]}}"#), "InvalidDisk.Busy").await;
    world.golden("ResizeDisk.json", "ResizeDisk", &format!(r#"{{"DiskId": "{disk}", "DiskSize": 20}}"#)).await;
    let changed = format!(r#"{{"DiskIds": ["{disk}"], "DiskName": "more", "DeleteWithInstance": true}}"#);
    world.golden("ModifyDiskAttributes.json", "ModifyDiskAttributes", &changed).await;
    world.settle().await;
    let shown = world.json("DescribeDisks", &format!(r#"{{"DiskIds": ["{disk}"]}}"#)).await["DiskSet"][0].clone();
    assert_eq!((&shown["DiskState"], &shown["DiskSize"], &shown["DiskName"]), (&"ATTACHED".into(), &20.into(), &"more".into()));
    world.golden("ResizeDisk.json", "ResizeDisk", &format!(r#"{{"DiskId": "{disk}", "DiskSize": 500}}"#)).await;
    world.settle().await;
    let faster = format!(r#"{{"DiskIds": ["{disk}"], "DiskType": "CLOUD_HSSD"}}"#);
    world.json("ModifyDiskAttributes", &faster).await;
    world.settle().await;
    let extra = format!(r#"{{"DiskId": "{disk}", "ThroughputPerformance": 50}}"#);
    world.golden("ModifyDiskExtraPerformance.json", "ModifyDiskExtraPerformance", &extra).await;
    world.settle().await;
    world.golden("DetachDisks.json", "DetachDisks", &format!(r#"{{"DiskIds": ["{disk}"]}}"#)).await;
    world.settle().await;
    world.golden("TerminateDisks.json", "TerminateDisks", &format!(r#"{{"DiskIds": ["{disk}"]}}"#)).await;
    world.settle().await;
    assert_eq!(
        world.json("DescribeDisks", &format!(r#"{{"Filters": [{{"Name": "disk-id", "Values": ["{disk}"]}}]}}"#)).await["TotalCount"],
        0
    );
}

#[tokio::test]
async fn a_shareable_disk_is_in_several_instances() {
    let world = World::new().await;
    let (first, second) = (world.run("").await.remove(0), world.run("").await.remove(0));
    let new = |more: &str| format!(r#"{{"Placement": {{"Zone": "test-1a"}}, "DiskSize": 10, "Shareable": true{more}}}"#);
    world.refused("CreateDisks", &new(r#", "DiskType": "CLOUD_SSD", "Encrypt": "ENCRYPT""#), "InvalidParameterConflict").await;
    world.refused("CreateDisks", &new(r#", "DiskType": "CLOUD_BASIC""#), "InvalidParameterCombination").await;
    let made = world.json("CreateDisks", &new(r#", "DiskType": "CLOUD_SSD""#)).await;
    let disk = made["DiskIdSet"][0].as_str().unwrap().to_owned();
    world.settle().await;
    for instance in [&first, &second] {
        world.json("AttachDisks", &format!(r#"{{"InstanceId": "{instance}", "DiskIds": ["{disk}"]}}"#)).await;
    }
    world.settle().await;
    let of = format!(r#"{{"DiskIds": ["{disk}"]}}"#);
    world.golden("DescribeDisks.shareable.json", "DescribeDisks", &of).await;
    world.refused("DetachDisks", &of, "MissingParameter").await;
    world.refused("TerminateDisks", &of, "InvalidDisk.Busy").await;
    world.refused("CreateSnapshot", &format!(r#"{{"DiskId": "{disk}"}}"#), "UnsupportedOperation").await;
    world.json("DetachDisks", &format!(r#"{{"InstanceId": "{first}", "DiskIds": ["{disk}"]}}"#)).await;
    world.settle().await;
    let shown = world.json("DescribeDisks", &of).await["DiskSet"][0].clone();
    assert_eq!((&shown["InstanceIdList"], &shown["DiskState"]), (&serde_json::json!([second]), &"ATTACHED".into()));
    world.json("DetachDisks", &of).await;
    world.settle().await;
    assert_eq!(world.json("DescribeDisks", &of).await["DiskSet"][0]["DiskState"], "UNATTACHED");
}

#[tokio::test]
async fn an_instance_is_made_anew_and_data_disks_become_what_they_were() {
    let world = World::new().await;
    let instance = world.run("").await.remove(0);
    let reset = |more: &str| format!(r#"{{"InstanceId": "{instance}"{more}}}"#);
    world.refused("ResetInstance", &reset(""), "UnsupportedOperation.InstanceStatePending").await;
    world.settle().await;
    let image = world.image("pileus-linux").await;
    world.refused("ResetInstance", &reset(r#", "ImageId": "img-00000000000000001""#), "InvalidImageId.NotFound").await;
    world.refused("ResetInstance", &reset(r#", "SystemDisk": {"DiskSize": 0}"#), "InvalidParameterValue.Range").await;
    let login = r#"{"Password": "Secret-word-9"}"#;
    let more = format!(r#", "ImageId": "{image}", "LoginSettings": {login}, "HostName": "anew", "SystemDisk": {{"DiskSize": 60}}"#);
    world.golden("ResetInstance.json", "ResetInstance", &reset(&more)).await;
    world.settle().await;
    let of_instance = format!(r#"{{"Filters": [{{"Name": "instance-id", "Values": ["{instance}"]}}]}}"#);
    let disks = world.json("DescribeDisks", &of_instance).await;
    assert_eq!((&disks["TotalCount"], &disks["DiskSet"][0]["DiskSize"]), (&1.into(), &60.into()));
    let system = disks["DiskSet"][0]["DiskId"].as_str().unwrap().to_owned();
    world.refused("InitializeDisks", &format!(r#"{{"DiskIds": ["{system}"]}}"#), "InvalidDisk.Busy").await;
    let new = r#"{"Placement": {"Zone": "test-1a"}, "DiskType": "CLOUD_SSD", "DiskSize": 10}"#;
    let disk = world.json("CreateDisks", new).await["DiskIdSet"][0].as_str().unwrap().to_owned();
    world.settle().await;
    world.golden("InitializeDisks.json", "InitializeDisks", &format!(r#"{{"DiskIds": ["{disk}"]}}"#)).await;
    let unknown = format!(r#"{{"DiskIds": ["{disk}", "disk-00000000000000001"]}}"#);
    world.refused("InitializeDisks", &unknown, "InvalidDiskId.NotFound").await;
}
