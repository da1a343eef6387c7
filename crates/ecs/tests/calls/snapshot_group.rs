//! Snapshots of an instance's disks at one instant.

use crate::world::{World, texts};

/// An instance with two data disks, stopped if it is asked for, and its disks, the system disk first.
async fn instance(world: &World) -> (String, Vec<String>) {
    let id = world.run("DataDisk.1.Size=20&DataDisk.2.Size=30").await.remove(0);
    world.settle().await;
    let listed = world.json(&format!("Action=DescribeDisks&InstanceId={id}")).await;
    let disks = listed["Disks"]["Disk"].as_array().unwrap();
    let of = |kind: &str| -> Vec<String> {
        disks.iter().filter(|disk| disk["Type"] == *kind).map(|disk| disk["DiskId"].as_str().unwrap().to_owned()).collect()
    };
    (id, [of("system"), of("data")].concat())
}

async fn groups(world: &World, more: &str) -> Vec<serde_json::Value> {
    let listed = world.json(&format!("Action=DescribeSnapshotGroups{more}")).await;
    listed["SnapshotGroups"]["SnapshotGroup"].as_array().unwrap().clone()
}

#[tokio::test]
async fn a_group_lives_from_its_making_to_its_end() {
    let world = World::new().await;
    let (id, disks) = instance(&world).await;
    let create =
        format!("Action=CreateSnapshotGroup&InstanceId={id}&Name=night&Description=before&Tag.1.Key=a&Tag.1.Value=b&ClientToken=g1");
    let group = texts(&world.golden("CreateSnapshotGroup.json", &create).await, "SnapshotGroupId").remove(0);
    assert_eq!(world.json(&create).await["SnapshotGroupId"], group.as_str(), "a repeated call makes no second group");
    assert_eq!(groups(&world, "&Status.1=progressing").await.len(), 1);
    world.settle().await;
    world.golden("DescribeSnapshotGroups.json", "Action=DescribeSnapshotGroups").await;
    let shown = groups(&world, &format!("&SnapshotGroupId.1={group}&Status.1=accomplished&InstanceId={id}&Name=night&Tag.1.Key=a")).await;
    let members = shown[0]["Snapshots"]["Snapshot"].as_array().unwrap();
    assert_eq!(members.iter().map(|member| member["SourceDiskId"].as_str().unwrap()).collect::<Vec<_>>(), disks);
    assert_eq!(members[0]["SourceDiskType"], "system");
    for none in ["&Status.1=failed", "&Name=other", "&InstanceId=i-00000000000000001", "&Tag.1.Key=c"] {
        assert_eq!(groups(&world, none).await.len(), 0, "{none}");
    }
    world.golden("ModifySnapshotGroup.json", &format!("Action=ModifySnapshotGroup&SnapshotGroupId={group}&Name=day")).await;
    assert_eq!(groups(&world, "&Name=day").await[0]["Description"], "before");
    let reset = |disk: &str, snapshot: &str| format!("Action=ResetDisks&Disk.1.DiskId={disk}&Disk.1.SnapshotId={snapshot}");
    let snapshots: Vec<String> = members.iter().map(|member| member["SnapshotId"].as_str().unwrap().to_owned()).collect();
    world.refused(&reset(&disks[1], &snapshots[1]), 403, "IncorrectInstanceStatus").await;
    world.json(&format!("Action=StopInstance&InstanceId={id}")).await;
    world.settle().await;
    world.refused(&reset(&disks[1], &snapshots[2]), 400, "InvalidSnapshotId.NotFound").await;
    world.refused(&format!("{}&DryRun=true", reset(&disks[1], &snapshots[1])), 400, "DryRunOperation").await;
    let both = format!("{}&Disk.2.DiskId={}&Disk.2.SnapshotId={}", reset(&disks[1], &snapshots[1]), disks[2], snapshots[2]);
    let done = world.golden("ResetDisks.json", &both).await;
    assert_eq!(texts(&done, "Value"), disks[1..]);
    world.settle().await;
    world.golden("DeleteSnapshotGroup.json", &format!("Action=DeleteSnapshotGroup&SnapshotGroupId={group}")).await;
    world.refused(&format!("Action=DeleteSnapshotGroup&SnapshotGroupId={group}"), 404, "InvalidSnapshotGroupId.NotFound").await;
    assert_eq!(world.json("Action=DescribeSnapshots").await["TotalCount"], 0, "its snapshots went with it");
}

#[tokio::test]
async fn disks_are_named_or_left_out() {
    let world = World::new().await;
    let (id, disks) = instance(&world).await;
    let (other, others) = instance(&world).await;
    let members = async |more: &str| -> usize {
        let made = world.json(&format!("Action=CreateSnapshotGroup{more}")).await;
        let group = made["SnapshotGroupId"].as_str().unwrap();
        groups(&world, &format!("&SnapshotGroupId.1={group}")).await[0]["Snapshots"]["Snapshot"].as_array().unwrap().len()
    };
    assert_eq!(members(&format!("&InstanceId={id}&ExcludeDiskId.1={}", disks[0])).await, 2);
    assert_eq!(members(&format!("&InstanceId={id}&DiskId.1={}", disks[1])).await, 1);
    assert_eq!(members(&format!("&DiskId.1={}&DiskId.2={}", disks[1], disks[0])).await, 2, "of the instance that has them");
    let create = |more: String| format!("Action=CreateSnapshotGroup{more}");
    world.refused(&create(String::new()), 400, "MissingParameter").await;
    world.refused(&create(format!("&DiskId.1={}&DiskId.2={}", disks[1], others[1])), 400, "InvalidParameter").await;
    world.refused(&create(format!("&InstanceId={other}&DiskId.1={}", disks[1])), 400, "InvalidParameter").await;
    world.refused(&create(format!("&InstanceId={id}&DiskId.1=vol-00000000000000001")), 404, "InvalidDiskId.NotFound").await;
    world.refused(&create("&InstanceId=i-00000000000000001".to_owned()), 404, "InvalidInstanceId.NotFound").await;
    let excluding = format!("&InstanceId={id}&DiskId.1={}&ExcludeDiskId.1={}", disks[1], disks[0]);
    world.refused(&create(excluding), 400, "InvalidParameter.Conflict").await;
    let free = texts(&world.call("Action=CreateDisk&ZoneId=test-1a&Size=20&DiskCategory=cloud_ssd").await.body, "DiskId").remove(0);
    world.settle().await;
    world.refused(&create(format!("&DiskId.1={free}")), 403, "IncorrectDiskStatus").await;
}

#[tokio::test]
async fn a_group_goes_with_the_last_of_its_snapshots() {
    let world = World::new().await;
    let (id, disks) = instance(&world).await;
    world.json(&format!("Action=CreateSnapshotGroup&InstanceId={id}&ExcludeDiskId.1={}", disks[0])).await;
    world.settle().await;
    let snapshots = texts(&world.call("Action=DescribeSnapshots").await.body, "SnapshotId");
    assert_eq!(snapshots.len(), 2);
    world.json(&format!("Action=DeleteSnapshot&SnapshotId={}", snapshots[0])).await;
    assert_eq!(groups(&world, "").await[0]["Snapshots"]["Snapshot"].as_array().unwrap().len(), 1);
    world.json(&format!("Action=DeleteSnapshot&SnapshotId={}", snapshots[1])).await;
    assert_eq!(groups(&world, "").await.len(), 0);
}

#[tokio::test]
async fn a_group_of_which_an_image_is_made_stays_whole() {
    let world = World::new().await;
    let (id, _) = instance(&world).await;
    let group = world.json(&format!("Action=CreateSnapshotGroup&InstanceId={id}")).await["SnapshotGroupId"].as_str().unwrap().to_owned();
    world.settle().await;
    let system = world.json("Action=DescribeSnapshots&SourceDiskType=system").await;
    let system = system["Snapshots"]["Snapshot"][0]["SnapshotId"].as_str().unwrap();
    let image = texts(&world.call(&format!("Action=CreateImage&SnapshotId={system}&ImageName=own")).await.body, "ImageId").remove(0);
    let delete = format!("Action=DeleteSnapshotGroup&SnapshotGroupId={group}");
    world.refused(&delete, 403, "SnapshotCreatedImage").await;
    assert_eq!(world.json("Action=DescribeSnapshots").await["TotalCount"], 3);
    world.json(&format!("Action=DeleteImage&ImageId={image}")).await;
    world.json(&delete).await;
    assert_eq!(world.json("Action=DescribeSnapshots").await["TotalCount"], 0);
}

#[tokio::test]
async fn another_account_sees_no_group() {
    let world = World::new().await;
    let (id, _) = instance(&world).await;
    let group = world.json(&format!("Action=CreateSnapshotGroup&InstanceId={id}")).await["SnapshotGroupId"].as_str().unwrap().to_owned();
    let listed = world.call_as(&world.stranger, "Action=DescribeSnapshotGroups").await;
    assert_eq!(texts(&listed.body, "SnapshotGroupId"), Vec::<String>::new());
    for call in [format!("DeleteSnapshotGroup&SnapshotGroupId={group}"), format!("ModifySnapshotGroup&SnapshotGroupId={group}&Name=x")] {
        world.refused_as(&world.stranger, &format!("Action={call}"), 404, "InvalidSnapshotGroupId.NotFound").await;
    }
}
