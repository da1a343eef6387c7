//! Backups of disks: as many as were bought, and gone with the disk.

use crate::world::World;

async fn disk(world: &World) -> String {
    let new = r#"{"Placement": {"Zone": "test-1a"}, "DiskType": "CLOUD_SSD", "DiskSize": 20}"#;
    let disk = world.json("CreateDisks", new).await["DiskIdSet"][0].as_str().unwrap().to_owned();
    world.settle().await;
    disk
}

async fn backup(world: &World, disk: &str) -> String {
    let made = world.json("CreateDiskBackup", &format!(r#"{{"DiskId": "{disk}"}}"#)).await;
    world.settle().await;
    made["DiskBackupId"].as_str().unwrap().to_owned()
}

async fn quota(world: &World, disk: &str, quota: u32) {
    world.json("ModifyDiskBackupQuota", &format!(r#"{{"DiskId": "{disk}", "DiskBackupQuota": {quota}}}"#)).await;
}

#[tokio::test]
async fn a_backup_lives_from_its_making_to_its_end() {
    let world = World::new().await;
    let disk = disk(&world).await;
    let new = format!(r#"{{"DiskId": "{disk}", "DiskBackupName": "night"}}"#);
    world.refused("CreateDiskBackup", &new, "LimitExceeded").await;
    let of = |quota: u32| format!(r#"{{"DiskId": "{disk}", "DiskBackupQuota": {quota}}}"#);
    world.refused("ModifyDiskBackupQuota", &of(0), "InvalidParameterValue").await;
    world.refused("ModifyDiskBackupQuota", &of(1_025), "InvalidParameterValue").await;
    world.golden("ModifyDiskBackupQuota.json", "ModifyDiskBackupQuota", &of(2)).await;
    let id = world.golden("CreateDiskBackup.json", "CreateDiskBackup", &new).await["DiskBackupId"].as_str().unwrap().to_owned();
    world.settle().await;
    let second = backup(&world, &disk).await;
    world.refused("CreateDiskBackup", &new, "LimitExceeded").await;
    world.refused("ModifyDiskBackupQuota", &of(1), "InvalidParameterValue").await;
    world.golden("DescribeDiskBackups.json", "DescribeDiskBackups", &format!(r#"{{"DiskBackupIds": ["{id}"]}}"#)).await;
    for (filter, value, found) in [
        ("disk-backup-id", id.as_str(), 1),
        ("disk-id", disk.as_str(), 2),
        ("disk-usage", "DATA_DISK", 2),
        ("disk-usage", "SYSTEM_DISK", 0),
        ("disk-backup-id", "dbp-1", 0),
    ] {
        let asked = format!(r#"{{"Filters": [{{"Name": "{filter}", "Values": ["{value}"]}}]}}"#);
        assert_eq!(world.json("DescribeDiskBackups", &asked).await["TotalCount"], found, "{filter} {value}");
    }
    for (asked, first) in [
        (r#"{"OrderField": "CREATE_TIME"}"#, &id),
        (r#"{"OrderField": "CREATE_TIME", "Order": "DESC"}"#, &second),
        (r#"{"Order": "DESC"}"#, &second),
    ] {
        assert_eq!(world.json("DescribeDiskBackups", asked).await["DiskBackupSet"][0]["DiskBackupId"], first.as_str(), "{asked}");
    }
    world.refused("DescribeDiskBackups", r#"{"OrderField": "NAME"}"#, "InvalidParameterValue").await;
    assert_eq!(world.json("DescribeSnapshots", "{}").await["TotalCount"], 0, "a backup is none of CBS's snapshots");
    let shown = world.json("DescribeDisks", &format!(r#"{{"DiskIds": ["{disk}"]}}"#)).await["DiskSet"][0].clone();
    assert_eq!((&shown["DiskBackupQuota"], &shown["DiskBackupCount"], &shown["SnapshotCount"]), (&2.into(), &2.into(), &0.into()));
    let back = |id: &str| format!(r#"{{"DiskId": "{disk}", "DiskBackupId": "{id}"}}"#);
    world.golden("ApplyDiskBackup.json", "ApplyDiskBackup", &back(&id)).await;
    let snapshot = world.json("CreateSnapshot", &format!(r#"{{"DiskId": "{disk}"}}"#)).await["SnapshotId"].as_str().unwrap().to_owned();
    world.settle().await;
    world.refused("ApplyDiskBackup", &back(&snapshot.replace("snap-", "dbp-")), "InvalidParameterValue").await;
    let both = format!(r#"{{"DiskBackupIds": ["{id}", "{second}"]}}"#);
    world.golden("DeleteDiskBackups.json", "DeleteDiskBackups", &both).await;
    world.refused("DeleteDiskBackups", &both, "InvalidParameterValue").await;
    world
        .refused(
            "DeleteDiskBackups",
            &format!(r#"{{"DiskBackupIds": ["{}"]}}"#, snapshot.replace("snap-", "dbp-")),
            "InvalidParameterValue",
        )
        .await;
    assert_eq!(world.json("DescribeSnapshots", "{}").await["TotalCount"], 1);
}

#[tokio::test]
async fn backups_go_with_their_disk_and_snapshots_stay() {
    let world = World::new().await;
    let disk = disk(&world).await;
    quota(&world, &disk, 3).await;
    backup(&world, &disk).await;
    backup(&world, &disk).await;
    world.json("CreateSnapshot", &format!(r#"{{"DiskId": "{disk}"}}"#)).await;
    world.settle().await;
    world.json("TerminateDisks", &format!(r#"{{"DiskIds": ["{disk}"]}}"#)).await;
    world.settle().await;
    assert_eq!(world.json("DescribeDiskBackups", "{}").await["TotalCount"], 0);
    assert_eq!(world.json("DescribeSnapshots", "{}").await["TotalCount"], 1);
}
