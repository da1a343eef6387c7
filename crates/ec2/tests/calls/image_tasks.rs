//! Images and snapshots that come from files and go into them: whole replies, and the codes of what is refused. The keeper of buckets is
//! played here: what it says of a task is said by the test.

use model::{ImageTaskId, ImageTaskSeen};

use crate::world::{World, elements};

const IMPORT: &str = "Action=ImportImage&Description=brought&Architecture=x86_64&Platform=Linux&LicenseType=BYOL&DiskContainer.1.Format=vmdk\
    &DiskContainer.1.UserBucket.S3Bucket=disks&DiskContainer.1.UserBucket.S3Key=a/b.vmdk";
const TAGS: &str = "TagSpecification.1.ResourceType=import-image-task&TagSpecification.1.Tag.1.Key=a&TagSpecification.1.Tag.1.Value=b\
    &TagSpecification.2.ResourceType=image&TagSpecification.2.Tag.1.Key=of&TagSpecification.2.Tag.1.Value=image";

async fn hear(world: &World, id: &str, seen: ImageTaskSeen) -> bool {
    let digits = id.rsplit('-').next().unwrap();
    let task: ImageTaskId = format!("t-{digits}").parse().unwrap();
    world.cloud.image_task_hear(task, seen).await.unwrap()
}

fn imported() -> ImageTaskSeen {
    ImageTaskSeen::Imported { object_bytes: 9, manifest: "cd".repeat(32), size_bytes: (3 << 30) + 1, stored_bytes: 77 }
}

#[tokio::test]
async fn an_image_is_brought_and_shown_on_its_way() {
    let world = World::new().await;
    world.refused(IMPORT, 400, "UnsupportedOperation").await;
    world.cloud.buckets_offer();
    world.refused(&format!("{IMPORT}&DryRun=true"), 412, "DryRunOperation").await;
    let made = world.golden("ImportImage", &format!("{IMPORT}&{TAGS}&ClientToken=once")).await;
    let id = elements(&made, "importTaskId").remove(0);
    let again = world.call(&format!("{IMPORT}&{TAGS}&ClientToken=once")).await;
    assert_eq!(elements(&again.body, "importTaskId"), std::slice::from_ref(&id));
    assert!(hear(&world, &id, ImageTaskSeen::Begun).await);
    assert!(hear(&world, &id, ImageTaskSeen::Moving { object_bytes: Some(1_000), percent: 40 }).await);
    let of = format!("Action=DescribeImportImageTasks&ImportTaskId.1={id}&Filters.1.Name=task-state&Filters.1.Value.1=active");
    world.golden("DescribeImportImageTasks.active", &of).await;
    let pending = world.call("Action=DescribeImages&Owner.1=self").await.body;
    let image = elements(&pending, "imageId").remove(0);
    assert_eq!(elements(&pending, "imageState"), ["pending"]);
    let run = format!("Action=RunInstances&MinCount=1&MaxCount=1&InstanceType=t3.nano&ImageId={image}");
    assert_ne!(world.call(&run).await.status, 200);
    assert_eq!(elements(&world.call("Action=DescribeSnapshots&Owner.1=self").await.body, "snapshotId"), Vec::<String>::new());
    assert!(!hear(&world, &id, imported()).await);
    world.golden("DescribeImportImageTasks", &format!("Action=DescribeImportImageTasks&ImportTaskId.1={id}")).await;
    let shown = world.call(&format!("Action=DescribeImages&ImageId.1={image}")).await.body;
    assert_eq!((elements(&shown, "imageState"), elements(&shown, "volumeSize")), (vec!["available".into()], vec!["4".into()]));
    assert_eq!(world.call(&run).await.status, 200);
    world.refused(&format!("Action=CancelImportTask&ImportTaskId={id}"), 400, "IncorrectState").await;
}

#[tokio::test]
async fn what_fails_or_is_cancelled_leaves_nothing_that_can_be_used() {
    let world = World::new().await;
    world.cloud.buckets_offer();
    let failed = elements(&world.call(IMPORT).await.body, "importTaskId").remove(0);
    assert!(!hear(&world, &failed, ImageTaskSeen::Failed { reason: "the image needs a backing file".into() }).await);
    world.golden("DescribeImportImageTasks.failed", &format!("Action=DescribeImportImageTasks&ImportTaskId.1={failed}")).await;
    assert_eq!(elements(&world.call("Action=DescribeImages&Owner.1=self").await.body, "imageState"), ["failed"]);
    let cancelled = elements(&world.call(IMPORT).await.body, "importTaskId").remove(0);
    world.golden("CancelImportTask", &format!("Action=CancelImportTask&ImportTaskId={cancelled}&CancelReason=enough")).await;
    assert!(!hear(&world, &cancelled, imported()).await, "the keeper comes too late");
    let shown = world.call(&format!("Action=DescribeImportImageTasks&ImportTaskId.1={cancelled}")).await.body;
    assert!(elements(&shown, "status").iter().all(|status| status == "deleted"), "{shown}");
    assert_eq!(elements(&world.call("Action=DescribeImages&Owner.1=self").await.body, "imageState"), ["failed"]);
    // An image that is taken back while it comes ends its task.
    let orphan = elements(&world.call(IMPORT).await.body, "importTaskId").remove(0);
    let images = world.call("Action=DescribeImages&Owner.1=self&Filter.1.Name=state&Filter.1.Value.1=pending").await.body;
    let image = elements(&images, "imageId").remove(0);
    assert_eq!(world.call(&format!("Action=DeregisterImage&ImageId={image}")).await.status, 200);
    assert!(!hear(&world, &orphan, ImageTaskSeen::Moving { object_bytes: None, percent: 1 }).await);
    assert_eq!(elements(&world.call("Action=DescribeSnapshots&Owner.1=self").await.body, "snapshotId"), Vec::<String>::new());
}

#[tokio::test]
async fn a_snapshot_is_brought_and_an_image_is_taken_out() {
    let world = World::new().await;
    world.cloud.buckets_offer();
    let import = "Action=ImportSnapshot&Description=disk&DiskContainer.Format=RAW&DiskContainer.Url=s3://disks/data.raw\
        &TagSpecification.1.ResourceType=snapshot&TagSpecification.1.Tag.1.Key=a&TagSpecification.1.Tag.1.Value=b";
    let made = world.golden("ImportSnapshot", import).await;
    let id = elements(&made, "importTaskId").remove(0);
    hear(&world, &id, imported()).await;
    world.golden("DescribeImportSnapshotTasks", &format!("Action=DescribeImportSnapshotTasks&ImportTaskId.1={id}")).await;
    let snapshots = world.call("Action=DescribeSnapshots&Owner.1=self").await.body;
    assert_eq!((elements(&snapshots, "status"), elements(&snapshots, "volumeSize")), (vec!["completed".into()], vec!["4".into()]));
    assert_eq!(elements(&snapshots, "key"), ["a"]);
    let (image, copied) = (world.image("pileus-linux").await, "Action=CopyImage&Name=own&SourceRegion=test-1&SourceImageId=");
    let export = |image: &str| {
        format!(
            "Action=ExportImage&ImageId={image}&DiskImageFormat=VMDK&S3ExportLocation.S3Bucket=disks&S3ExportLocation.S3Prefix=out/&Description=d"
        )
    };
    world.refused(&export(&image), 400, "InvalidAMIID.NotFound").await;
    let own = elements(&world.call(&format!("{copied}{image}")).await.body, "imageId").remove(0);
    let begun = world.golden("ExportImage", &export(&own)).await;
    let id = elements(&begun, "exportImageTaskId").remove(0);
    hear(&world, &id, ImageTaskSeen::Exported { object_bytes: 9 }).await;
    world.golden("DescribeExportImageTasks", &format!("Action=DescribeExportImageTasks&ExportImageTaskId.1={id}")).await;
    let second = elements(&world.call(&export(&own)).await.body, "exportImageTaskId").remove(0);
    world.golden("CancelExportTask", &format!("Action=CancelExportTask&ExportTaskId={second}")).await;
    let cancelled = world.call("Action=DescribeExportImageTasks&Filter.1.Name=task-state&Filter.1.Value.1=deleted").await.body;
    assert_eq!(elements(&cancelled, "exportImageTaskId"), [second]);
}

#[tokio::test]
async fn what_cannot_be_served_is_refused_by_name() {
    let world = World::new().await;
    world.cloud.buckets_offer();
    let disk = "Action=ImportImage&DiskContainer.1.Format=raw";
    let bucket = "DiskContainer.1.UserBucket.S3Bucket=disks&DiskContainer.1.UserBucket.S3Key";
    for (form, code) in [
        ("Action=ImportImage".to_owned(), "MissingParameter"),
        (disk.to_owned(), "MissingParameter"),
        (format!("Action=ImportImage&{bucket}=a.raw"), "MissingParameter"),
        (format!("{disk}&{bucket}=../a.raw"), "InvalidParameterValue"),
        (format!("{disk}&{bucket}=a/../../b"), "InvalidParameterValue"),
        (format!("{disk}&{bucket}=/etc/passwd"), "InvalidParameterValue"),
        (format!("{disk}&DiskContainer.1.UserBucket.S3Bucket=..&DiskContainer.1.UserBucket.S3Key=a"), "InvalidParameterValue"),
        (format!("{disk}&DiskContainer.1.Url=https://example.com/disk.raw"), "UnsupportedOperation"),
        (format!("{disk}&DiskContainer.1.Url=file:///etc/passwd"), "UnsupportedOperation"),
        (format!("{disk}&DiskContainer.1.Url=s3://disks"), "InvalidParameterValue"),
        (format!("{disk}&DiskContainer.1.Url=s3://disks/a&{bucket}=a"), "InvalidParameterCombination"),
        (format!("Action=ImportImage&DiskContainer.1.Format=ova&{bucket}=a.ova"), "UnsupportedOperation"),
        (format!("{disk}&{bucket}=a.raw&Architecture=arm64"), "UnsupportedOperation"),
        (format!("{disk}&{bucket}=a.raw&Platform=Windows"), "UnsupportedOperation"),
        (format!("{disk}&{bucket}=a.raw&Encrypted=true"), "UnsupportedOperation"),
        (format!("{disk}&{bucket}=a.raw&DiskContainer.2.Format=raw&DiskContainer.2.Url=s3://disks/b"), "UnsupportedOperation"),
        ("Action=DescribeImportImageTasks&ImportTaskId.1=x".to_owned(), "InvalidConversionTaskId.Malformed"),
        ("Action=DescribeImportImageTasks&ImportTaskId.1=import-snap-00000000000000001".to_owned(), "InvalidConversionTaskId.Malformed"),
        ("Action=DescribeImportImageTasks&ImportTaskId.1=import-ami-00000000000000001".to_owned(), "InvalidConversionTaskId"),
        ("Action=DescribeExportImageTasks&ExportImageTaskId.1=export-ami-00000000000000001".to_owned(), "InvalidExportTaskID.NotFound"),
        ("Action=CancelImportTask&ImportTaskId=import-ami-00000000000000001".to_owned(), "InvalidConversionTaskId"),
    ] {
        world.refused(&form, 400, code).await;
    }
    for _ in 0..model::IMAGE_TASKS_ACTIVE_MAX {
        assert_eq!(world.call(IMPORT).await.status, 200);
    }
    assert_ne!(world.call(IMPORT).await.status, 200, "one more at once");
}
