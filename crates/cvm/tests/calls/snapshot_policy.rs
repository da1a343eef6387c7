//! Policies for snapshots at certain hours: made, bound, shown, changed, deleted.

use crate::world::World;

#[tokio::test]
async fn a_policy_lives_from_its_making_to_its_end() {
    let world = World::new().await;
    let new = r#"{"Placement": {"Zone": "test-1a"}, "DiskType": "CLOUD_SSD", "DiskSize": 10}"#;
    let disk = world.json("CreateDisks", new).await["DiskIdSet"][0].as_str().unwrap().to_owned();
    world.settle().await;
    let hours = |hour: &str, day: &str| format!(r#"[{{"Hour": {hour}, "DayOfWeek": {day}}}]"#);
    let create = |policy: &str, more: &str| format!(r#"{{"Policy": {policy}, "AutoSnapshotPolicyName": "nightly"{more}}}"#);
    for (policy, more, code) in [
        (hours("[24]", "[0]"), "", "InvalidParameterValue"),
        (hours("[1]", "[7]"), "", "InvalidParameterValue"),
        (hours("[]", "[0]"), "", "InvalidParameterValue"),
        (hours("[1]", "[0]"), r#", "RetentionDays": 0"#, "InvalidParameterValue"),
        (r#"[{"Hour": [1], "DayOfMonth": [1]}]"#.to_owned(), "", "UnsupportedOperation"),
    ] {
        world.refused("CreateAutoSnapshotPolicy", &create(&policy, more), code).await;
    }
    let good = hours("[0, 12]", "[0, 1]");
    let tried = world.json("CreateAutoSnapshotPolicy", &create(&good, r#", "DryRun": true"#)).await;
    assert_eq!((&tried["AutoSnapshotPolicyId"], &tried["NextTriggerTime"]), (&"".into(), &"2026-11-22 00:00:00".into()));
    let made = world.golden("CreateAutoSnapshotPolicy.json", "CreateAutoSnapshotPolicy", &create(&good, "")).await;
    let id = made["AutoSnapshotPolicyId"].as_str().unwrap().to_owned();
    let ends = format!(r#"{{"AutoSnapshotPolicyId": "{id}", "DiskIds": ["{disk}"]}}"#);
    world.golden("BindAutoSnapshotPolicy.json", "BindAutoSnapshotPolicy", &ends).await;
    world.refused("BindAutoSnapshotPolicy", &ends.replace(&disk, "disk-00000000000000001"), "InvalidDiskId.NotFound").await;
    let modify = format!(r#"{{"AutoSnapshotPolicyId": "{id}", "IsPermanent": true, "IsActivated": false}}"#);
    world.golden("ModifyAutoSnapshotPolicyAttribute.json", "ModifyAutoSnapshotPolicyAttribute", &modify).await;
    let listed = r#"{"Filters": [{"Name": "auto-snapshot-policy-name", "Values": ["nightly"]}]}"#;
    world.golden("DescribeAutoSnapshotPolicies.json", "DescribeAutoSnapshotPolicies", listed).await;
    let of_disk = format!(r#"{{"DiskId": "{disk}"}}"#);
    world.golden("DescribeDiskAssociatedAutoSnapshotPolicy.json", "DescribeDiskAssociatedAutoSnapshotPolicy", &of_disk).await;
    world.golden("UnbindAutoSnapshotPolicy.json", "UnbindAutoSnapshotPolicy", &ends).await;
    assert_eq!(world.json("DescribeDiskAssociatedAutoSnapshotPolicy", &of_disk).await["TotalCount"], 0);
    let delete = format!(r#"{{"AutoSnapshotPolicyIds": ["{id}"]}}"#);
    world.golden("DeleteAutoSnapshotPolicies.json", "DeleteAutoSnapshotPolicies", &delete).await;
    world.refused("BindAutoSnapshotPolicy", &ends, "InvalidAutoSnapshotPolicyId.NotFound").await;
}
