//! Automatic snapshot policies as ECS's clients see them: whole replies against kept texts, and the codes of what is refused.

use crate::world::{World, texts};

#[tokio::test]
async fn a_policy_is_made_applied_shown_changed_and_deleted() {
    let world = World::new().await;
    let disk = texts(&world.call("Action=CreateDisk&ZoneId=test-1a&Size=20&DiskCategory=cloud_ssd").await.body, "DiskId").remove(0);
    world.settle().await;
    let create = "Action=CreateAutoSnapshotPolicy&regionId=test-1&autoSnapshotPolicyName=nightly&Tag.1.Key=a&Tag.1.Value=b";
    let when = "timePoints=%5B%220%22,%2212%22%5D&repeatWeekdays=%5B%221%22,%227%22%5D";
    for (more, code) in [
        ("timePoints=%5B%2224%22%5D&repeatWeekdays=%5B%221%22%5D&retentionDays=1", "InvalidParameter"),
        ("timePoints=%5B%221%22%5D&repeatWeekdays=%5B%220%22%5D&retentionDays=1", "InvalidParameter"),
        ("timePoints=%5B%5D&repeatWeekdays=%5B%221%22%5D&retentionDays=1", "InvalidParameter"),
        ("timePoints=%5B%22x%22%5D&repeatWeekdays=%5B%221%22%5D&retentionDays=1", "InvalidParameter"),
        ("timePoints=%5B%221%22%5D&repeatWeekdays=%5B%221%22%5D&retentionDays=0", "InvalidParameter"),
        ("timePoints=%5B%221%22%5D&repeatWeekdays=%5B%221%22%5D&retentionDays=-2", "InvalidParameter"),
        ("timePoints=%5B%221%22%5D&repeatWeekdays=%5B%221%22%5D&retentionDays=1&EnableCrossRegionCopy=true", "UnsupportedParameter"),
    ] {
        world.refused(&format!("{create}&{more}"), 400, code).await;
    }
    let made = world.golden("CreateAutoSnapshotPolicy.json", &format!("{create}&{when}&retentionDays=-1")).await;
    let id = texts(&made, "AutoSnapshotPolicyId").remove(0);
    let apply = format!("Action=ApplyAutoSnapshotPolicy&regionId=test-1&autoSnapshotPolicyId={id}&diskIds=%5B%22{disk}%22%5D");
    world.golden("ApplyAutoSnapshotPolicy.json", &apply).await;
    world.refused(&apply.replace(&disk, "vol-00000000000000001"), 404, "InvalidDiskId.NotFound").await;
    let unknown = apply.replace(&id, "sp-00000000000000001");
    world.refused(&unknown, 404, "InvalidAutoSnapshotPolicyId.NotFound").await;
    let described = "Action=DescribeAutoSnapshotPolicyEx&AutoSnapshotPolicyName=night*&Tag.1.Key=a";
    world.golden("DescribeAutoSnapshotPolicyEx.json", described).await;
    world
        .golden("DescribeAutoSnapshotPolicyAssociations.json", &format!("Action=DescribeAutoSnapshotPolicyAssociations&DiskId={disk}"))
        .await;
    let modify =
        format!("Action=ModifyAutoSnapshotPolicyEx&autoSnapshotPolicyId={id}&regionId=test-1&retentionDays=30&timePoints=%5B%223%22%5D");
    world.golden("ModifyAutoSnapshotPolicyEx.json", &modify).await;
    let shown = world.json(&format!("Action=DescribeAutoSnapshotPolicyEx&AutoSnapshotPolicyId={id}")).await;
    let shown = &shown["AutoSnapshotPolicies"]["AutoSnapshotPolicy"][0];
    assert_eq!(
        (&shown["RetentionDays"], &shown["TimePoints"], &shown["RepeatWeekdays"]),
        (&30.into(), &"[\"3\"]".into(), &"[\"1\",\"7\"]".into())
    );
    world
        .golden("CancelAutoSnapshotPolicy.json", &format!("Action=CancelAutoSnapshotPolicy&regionId=test-1&diskIds=%5B%22{disk}%22%5D"))
        .await;
    let ties = world.json("Action=DescribeAutoSnapshotPolicyAssociations").await;
    assert_eq!(ties["AutoSnapshotPolicyAssociations"]["AutoSnapshotPolicyAssociation"], serde_json::json!([]));
    let delete = format!("Action=DeleteAutoSnapshotPolicy&regionId=test-1&autoSnapshotPolicyId={id}");
    world.golden("DeleteAutoSnapshotPolicy.json", &delete).await;
    world.refused(&delete, 404, "InvalidAutoSnapshotPolicyId.NotFound").await;
}
