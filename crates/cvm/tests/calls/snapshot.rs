//! Snapshots and images of the account: made, named, shared, rolled back to, deleted.

use crate::world::World;

#[tokio::test]
async fn a_snapshot_lives_from_its_making_to_its_end() {
    let world = World::new().await;
    let new = r#"{"Placement": {"Zone": "test-1a"}, "DiskType": "CLOUD_SSD", "DiskSize": 10}"#;
    let disk = world.json("CreateDisks", new).await["DiskIdSet"][0].as_str().unwrap().to_owned();
    world.settle().await;
    world.refused("CreateSnapshot", r#"{"DiskId": "disk-00000000000000001"}"#, "InvalidDiskId.NotFound").await;
    let taken = format!(r#"{{"DiskId": "{disk}", "SnapshotName": "before", "Tags": [{{"Key": "a", "Value": "b"}}]}}"#);
    let id = world.golden("CreateSnapshot.json", "CreateSnapshot", &taken).await["SnapshotId"].as_str().unwrap().to_owned();
    world.settle().await;
    world.golden("DescribeSnapshots.json", "DescribeSnapshots", &format!(r#"{{"SnapshotIds": ["{id}"]}}"#)).await;
    let named = format!(r#"{{"SnapshotId": "{id}", "SnapshotName": "after"}}"#);
    world.golden("ModifySnapshotAttribute.json", "ModifySnapshotAttribute", &named).await;
    let filtered = r#"{"Filters": [{"Name": "snapshot-name", "Values": ["after"]}, {"Name": "snapshot-state", "Values": ["NORMAL"]}]}"#;
    assert_eq!(world.json("DescribeSnapshots", filtered).await["TotalCount"], 1);
    let back = format!(r#"{{"SnapshotId": "{id}", "DiskId": "{disk}"}}"#);
    world.golden("ApplySnapshot.json", "ApplySnapshot", &back).await;
    world.golden("DeleteSnapshots.json", "DeleteSnapshots", &format!(r#"{{"SnapshotIds": ["{id}"]}}"#)).await;
    world.refused("ApplySnapshot", &back, "InvalidSnapshotId.NotFound").await;
}

#[tokio::test]
async fn an_image_lives_from_its_making_to_its_end() {
    let world = World::new().await;
    let instance = world.run("").await.remove(0);
    world.settle().await;
    let made = format!(r#"{{"ImageName": "own", "InstanceId": "{instance}"}}"#);
    let id = world.golden("CreateImage.json", "CreateImage", &made).await["ImageId"].as_str().unwrap().to_owned();
    world.settle().await;
    let named = format!(r#"{{"ImageId": "{id}", "ImageName": "renamed"}}"#);
    world.golden("ModifyImageAttribute.json", "ModifyImageAttribute", &named).await;
    let shared = format!(r#"{{"ImageId": "{id}", "AccountIds": ["000000000042"], "Permission": "SHARE"}}"#);
    world.golden("ModifyImageSharePermission.json", "ModifyImageSharePermission", &shared).await;
    let asked = format!(r#"{{"ImageId": "{id}"}}"#);
    world.golden("DescribeImageSharePermission.json", "DescribeImageSharePermission", &asked).await;
    let found = world
        .json(
            "DescribeImages",
            r#"{"Filters": [{"Name": "image-state", "Values": ["NORMAL"]}, {"Name": "image-name", "Values": ["renamed"]}]}"#,
        )
        .await;
    assert_eq!(found["TotalCount"], 1);
    world.golden("DeleteImages.json", "DeleteImages", &format!(r#"{{"ImageIds": ["{id}"], "DeleteBindedSnap": true}}"#)).await;
    assert_eq!(world.json("DescribeSnapshots", "{}").await["TotalCount"], 0);
}
