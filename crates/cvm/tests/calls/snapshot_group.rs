//! Snapshots of an instance's disks at one instant.

use crate::world::World;

/// An instance with a data disk, and its disks, the system disk first.
async fn instance(world: &World) -> (String, Vec<String>) {
    let id = world.run(r#""DataDisks": [{"DiskSize": 20, "DiskType": "CLOUD_PREMIUM"}]"#).await.remove(0);
    world.settle().await;
    let shown = world.instance(&id).await;
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    (id, vec![text(&shown["SystemDisk"]["DiskId"]), text(&shown["DataDisks"][0]["DiskId"])])
}

#[tokio::test]
async fn a_group_lives_from_its_making_to_its_end() {
    let world = World::new().await;
    let (id, disks) = instance(&world).await;
    let (_, others) = instance(&world).await;
    let of = |disks: &[&String]| format!(r#"{{"DiskIds": {disks:?}, "SnapshotGroupName": "night"}}"#);
    world.refused("CreateSnapshotGroup", &of(&[]), "MissingParameter").await;
    let multi = "UnsupportedOperation.SnapshotGroupDiskAttachMultiInstance";
    world.refused("CreateSnapshotGroup", &of(&[&disks[0], &others[0]]), multi).await;
    let made = world.golden("CreateSnapshotGroup.json", "CreateSnapshotGroup", &of(&[&disks[1], &disks[0]])).await;
    let group = made["SnapshotGroupId"].as_str().unwrap().to_owned();
    let creating = r#"{"Filters": [{"Name": "snapshot-group-state", "Values": ["CREATING"]}]}"#;
    assert_eq!(world.json("DescribeSnapshotGroups", creating).await["TotalCount"], 1);
    world.settle().await;
    assert_eq!(world.json("DescribeSnapshotGroups", creating).await["TotalCount"], 0);
    let shown = world.golden("DescribeSnapshotGroups.json", "DescribeSnapshotGroups", "{}").await["SnapshotGroupSet"][0].clone();
    let snapshots: Vec<&str> = shown["SnapshotIdSet"].as_array().unwrap().iter().map(|id| id.as_str().unwrap()).collect();
    for (filter, value, found) in [
        ("snapshot-group-id", group.as_str(), 1),
        ("snapshot-group-name", "night", 1),
        ("snapshot-id", snapshots[1], 1),
        ("snapshot-group-name", "day", 0),
        ("snapshot-group-state", "NORMAL", 1),
    ] {
        let asked = format!(r#"{{"Filters": [{{"Name": "{filter}", "Values": ["{value}"]}}]}}"#);
        assert_eq!(world.json("DescribeSnapshotGroups", &asked).await["TotalCount"], found, "{filter}");
    }
    let names = world.json("DescribeSnapshots", &format!(r#"{{"SnapshotIds": {snapshots:?}}}"#)).await;
    assert_eq!(
        (&names["SnapshotSet"][0]["SnapshotName"], &names["SnapshotSet"][0]["DiskId"]),
        (&"night_0".into(), &disks[0].as_str().into())
    );
    let apply = |disk: &str, snapshot: &str| {
        format!(r#"{{"SnapshotGroupId": "{group}", "ApplyDisks": [{{"DiskId": "{disk}", "SnapshotId": "{snapshot}"}}]}}"#)
    };
    world.refused("ApplySnapshotGroup", &apply(&disks[1], snapshots[1]), "UnsupportedOperation.InstanceStateRunning").await;
    world.json("StopInstances", &format!(r#"{{"InstanceIds": ["{id}"]}}"#)).await;
    world.settle().await;
    let alone = world.json("CreateSnapshot", &format!(r#"{{"DiskId": "{}"}}"#, disks[1])).await["SnapshotId"].as_str().unwrap().to_owned();
    world.settle().await;
    world.refused("ApplySnapshotGroup", &apply(&disks[1], &alone), "InvalidParameterValue").await;
    world.golden("ApplySnapshotGroup.json", "ApplySnapshotGroup", &apply(&disks[1], snapshots[1])).await;
    world.settle().await;
    let delete = format!(r#"{{"SnapshotGroupIds": ["{group}"]}}"#);
    world.golden("DeleteSnapshotGroup.json", "DeleteSnapshotGroup", &delete).await;
    world.refused("DeleteSnapshotGroup", &delete, "InvalidParameterValue").await;
    assert_eq!(world.json("DescribeSnapshots", "{}").await["TotalCount"], 1, "only the snapshot beside the group is left");
}

#[tokio::test]
async fn a_running_instance_is_stopped_for_its_disks_and_started_again() {
    let world = World::new().await;
    let (id, disks) = instance(&world).await;
    let made = world.json("CreateSnapshotGroup", &format!(r#"{{"DiskIds": {disks:?}}}"#)).await;
    let group = made["SnapshotGroupId"].as_str().unwrap().to_owned();
    world.json("ModifyDiskBackupQuota", &format!(r#"{{"DiskId": "{}", "DiskBackupQuota": 1}}"#, disks[1])).await;
    let backup = world.json("CreateDiskBackup", &format!(r#"{{"DiskId": "{}"}}"#, disks[1])).await["DiskBackupId"].clone();
    world.settle().await;
    let found = world.json("DescribeSnapshots", &format!(r#"{{"Filters": [{{"Name": "disk-id", "Values": ["{}"]}}]}}"#, disks[1])).await;
    let snapshot = found["SnapshotSet"][0]["SnapshotId"].as_str().unwrap().to_owned();
    let around = r#""AutoStopInstance": true, "AutoStartInstance": true"#;
    let disk = &disks[1];
    let pairs = format!(r#"[{{"DiskId": "{disk}", "SnapshotId": "{snapshot}"}}]"#);
    let calls = [
        ("ApplySnapshot", format!(r#"{{"DiskId": "{disk}", "SnapshotId": "{snapshot}", {around}}}"#)),
        ("ApplySnapshotGroup", format!(r#"{{"SnapshotGroupId": "{group}", "ApplyDisks": {pairs}, {around}}}"#)),
        ("ApplyDiskBackup", format!(r#"{{"DiskId": "{disk}", "DiskBackupId": {backup}, {around}}}"#)),
    ];
    for (action, asked) in calls {
        world.json(action, &asked).await;
        let shown = world.json("DescribeDisks", &format!(r#"{{"DiskIds": ["{disk}"]}}"#)).await["DiskSet"][0].clone();
        assert_eq!((&shown["Rollbacking"], &shown["RollbackPercent"]), (&true.into(), &0.into()), "{action}");
        assert_eq!(world.instance(&id).await["InstanceState"], "STOPPING", "{action}");
        world.refused(action, &asked, "UnsupportedOperation.InstanceStateStopping").await;
        world.settle().await;
        let shown = world.json("DescribeDisks", &format!(r#"{{"DiskIds": ["{disk}"]}}"#)).await["DiskSet"][0].clone();
        assert_eq!((&shown["Rollbacking"], &shown["RollbackPercent"]), (&false.into(), &100.into()), "{action}");
        assert_eq!(world.instance(&id).await["InstanceState"], "RUNNING", "{action}");
    }
}
