//! Images that come from files and go into them, and the tasks that do so. The keeper of buckets is played by the test.

use model::ImageTaskSeen;

use crate::world::{World, texts};

const IMPORT: &str = "Action=ImportImage&ImageName=brought&Platform=Debian&OSType=linux&Architecture=x86_64&DiskDeviceMapping.1.Format=VMDK\
    &DiskDeviceMapping.1.OSSBucket=disks&DiskDeviceMapping.1.OSSObject=a/b.vmdk";

async fn hear(world: &World, id: &str, seen: ImageTaskSeen) {
    world.cloud.image_task_hear(id.parse().unwrap(), seen).await.unwrap();
}

#[tokio::test]
async fn an_image_is_brought_shown_taken_out_and_given_up() {
    let world = World::new().await;
    assert_eq!(world.call(IMPORT).await.status, 400);
    world.cloud.buckets_offer();
    for (wrong, right) in [
        ("Format=VMDK", "Format=ova"),
        ("a/b.vmdk", "../b.vmdk"),
        ("OSSBucket=disks", "OSSBucket=.."),
        ("x86_64", "arm64"),
        ("linux", "windows"),
        ("&DiskDeviceMapping.1.OSSObject=a/b.vmdk", ""),
    ] {
        assert_eq!(world.call(&IMPORT.replace(wrong, right)).await.status, 400, "{right}");
    }
    let made = world.golden("ImportImage.json", IMPORT).await;
    let (task, image) = (texts(&made, "TaskId").remove(0), texts(&made, "ImageId").remove(0));
    hear(&world, &task, ImageTaskSeen::Moving { object_bytes: Some(5), percent: 40 }).await;
    let shown = world.json("Action=DescribeImages&Status=Creating").await["Images"]["Image"][0].clone();
    assert_eq!((&shown["ImageId"], &shown["Progress"]), (&image.as_str().into(), &"40%".into()));
    world.golden("DescribeTasks.json", "Action=DescribeTasks&TaskAction=ImportImage&TaskStatus=Processing").await;
    hear(&world, &task, ImageTaskSeen::Imported { object_bytes: 9, manifest: "cd".repeat(32), size_bytes: 3 << 30, stored_bytes: 1 }).await;
    world.golden("DescribeTaskAttribute.json", &format!("Action=DescribeTaskAttribute&TaskId={task}")).await;
    let shown = world.json(&format!("Action=DescribeImages&ImageId={image}")).await["Images"]["Image"][0].clone();
    assert_eq!((&shown["Status"], &shown["Size"], &shown["Platform"]), (&"Available".into(), &3.into(), &"Debian".into()));
    let export = format!("Action=ExportImage&ImageId={image}&OSSBucket=disks&OSSPrefix=out&ImageFormat=vhd");
    let out = texts(&world.golden("ExportImage.json", &export).await, "TaskId").remove(0);
    hear(&world, &out, ImageTaskSeen::Exported { object_bytes: 5 }).await;
    let told = world.json(&format!("Action=DescribeTaskAttribute&TaskId={out}")).await;
    let items = &told["OperationProgressSet"]["OperationProgress"][0]["RelatedItemSet"]["RelatedItem"];
    let object = items[2]["Value"].as_str().unwrap();
    assert!(object.starts_with(&format!("out_{image}_system_")) && object.ends_with(".vhd"), "{told}");
    assert_eq!(world.call(&export.replace("vhd", "qcow2")).await.status, 400);
    let second = world.call(&IMPORT.replace("brought", "second")).await.body;
    let (task, image) = (texts(&second, "TaskId").remove(0), texts(&second, "ImageId").remove(0));
    world.golden("CancelTask.json", &format!("Action=CancelTask&TaskId={task}")).await;
    assert_eq!(world.json(&format!("Action=DescribeImages&ImageId={image}")).await["TotalCount"], 0);
    let third = world.call(&IMPORT.replace("brought", "third")).await.body;
    hear(&world, &texts(&third, "TaskId").remove(0), ImageTaskSeen::Failed { reason: "the image is encrypted".into() }).await;
    let told = world.json(&format!("Action=DescribeTaskAttribute&TaskId={}", texts(&third, "TaskId").remove(0))).await;
    assert_eq!(told["OperationProgressSet"]["OperationProgress"][0]["ErrorMsg"], "the image is encrypted");
    assert_eq!(world.json("Action=DescribeImages&Status=CreateFailed").await["TotalCount"], 1);
    world.refused("Action=CancelTask&TaskId=t-00000000000000001", 404, "InvalidTaskId.NotFound").await;
}
