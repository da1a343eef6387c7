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

#[tokio::test]
async fn a_snapshot_is_shared_and_taken_back() {
    let world = World::new().await;
    let new = r#"{"Placement": {"Zone": "test-1a"}, "DiskType": "CLOUD_SSD", "DiskSize": 10}"#;
    let disk = world.json("CreateDisks", new).await["DiskIdSet"][0].as_str().unwrap().to_owned();
    world.settle().await;
    let taken = format!(r#"{{"DiskId": "{disk}", "Tags": [{{"Key": "a", "Value": "b"}}]}}"#);
    let id = world.json("CreateSnapshot", &taken).await["SnapshotId"].as_str().unwrap().to_owned();
    world.settle().await;
    let stranger = world.stranger.account;
    let change = |what: &str| format!(r#"{{"SnapshotIds": ["{id}"], "AccountIds": ["{stranger}"], "Permission": "{what}"}}"#);
    let restored = new.replace("10}", &format!(r#"10, "SnapshotId": "{id}"}}"#));
    world.refused_as(&world.stranger, "CreateDisks", &restored, "InvalidSnapshotId.NotFound").await;
    world.golden("ModifySnapshotsSharePermission.json", "ModifySnapshotsSharePermission", &change("SHARE")).await;
    let asked = format!(r#"{{"SnapshotId": "{id}"}}"#);
    let told = world.golden("DescribeSnapshotSharePermission.json", "DescribeSnapshotSharePermission", &asked).await;
    assert_eq!(told["SharePermissionSet"][0]["AccountId"], stranger.to_string());
    world.refused_as(&world.stranger, "DescribeSnapshotSharePermission", &asked, "InvalidSnapshotId.NotFound").await;
    let listed = async |kind: &str| {
        let body = format!(r#"{{"Filters": [{{"Name": "snapshot-type", "Values": ["{kind}"]}}]}}"#);
        let reply = world.call_as(&world.stranger, "DescribeSnapshots", &body).await;
        let answer: serde_json::Value = serde_json::from_str(&reply.body).unwrap();
        answer["Response"]["SnapshotSet"].as_array().unwrap().clone()
    };
    let shown = listed("SHARED_SNAPSHOT").await;
    assert_eq!((shown.len(), &shown[0]["SnapshotType"], &shown[0]["Tags"]), (1, &"SHARED_SNAPSHOT".into(), &serde_json::json!([])));
    assert_eq!((listed("PRIVATE_SNAPSHOT").await.len(), listed("OTHER").await.len()), (0, 0));
    let own = world.json("DescribeSnapshots", "{}").await["SnapshotSet"][0].clone();
    assert_eq!((&own["ShareReference"], &own["SnapshotType"]), (&1.into(), &"PRIVATE_SNAPSHOT".into()));
    let made = world.call_as(&world.stranger, "CreateDisks", &restored).await;
    assert!(crate::world::code_of(&made).is_none(), "{}", made.body);
    world.refused_as(&world.stranger, "ModifySnapshotsSharePermission", &change("SHARE"), "InvalidSnapshotId.NotFound").await;
    world.json("ModifySnapshotsSharePermission", &change("CANCEL")).await;
    world.refused_as(&world.stranger, "CreateDisks", &restored, "InvalidSnapshotId.NotFound").await;
    assert_eq!(listed("SHARED_SNAPSHOT").await.len(), 0);
    world.refused("ModifySnapshotsSharePermission", &change("LEND"), "InvalidParameterValue").await;
}
