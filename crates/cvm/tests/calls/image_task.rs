//! Images that come from files and go into them. The keeper of buckets is played by the test.

use model::ImageTaskSeen;

use crate::world::World;

const IMPORT: &str = r#"{"Architecture": "x86_64", "OsType": "Debian", "OsVersion": "12", "ImageName": "brought", "ImageUrl": "URL"}"#;

async fn hear(world: &World, seen: ImageTaskSeen) {
    let task = world.cloud.image_tasks_active().await.unwrap().remove(0);
    world.cloud.image_task_hear(task.id, seen).await.unwrap();
}

#[tokio::test]
async fn an_image_is_brought_from_a_bucket_and_taken_out() {
    let world = World::new().await;
    let import = |url: &str| IMPORT.replace("URL", url);
    let url = "https://disks-1250000000.cos.test-1.myqcloud.com/folder/disk.qcow2";
    world.refused("ImportImage", &import(url), "UnsupportedOperation").await;
    world.cloud.buckets_offer();
    for (bad, code) in [
        ("https://example.com/disk.qcow2", "InvalidParameterValue"),
        ("cos://disks/../../etc/passwd.raw", "InvalidParameterValue"),
        ("cos://disks/disk", "InvalidParameterValue"),
        ("cos://disks/disk.ova", "InvalidParameterValue"),
    ] {
        world.refused("ImportImage", &import(bad), code).await;
    }
    let id = world.golden("ImportImage.json", "ImportImage", &import(url)).await["ImageId"].as_str().unwrap().to_owned();
    let task = world.cloud.image_tasks_active().await.unwrap().remove(0);
    assert_eq!((task.object.bucket.as_str(), task.object.key.as_str()), ("disks-1250000000", "folder/disk.qcow2"));
    let only = format!(r#"{{"ImageIds": ["{id}"]}}"#);
    assert_eq!(world.json("DescribeImages", &only).await["ImageSet"][0]["ImageState"], "IMPORTING");
    hear(&world, ImageTaskSeen::Imported { object_bytes: 9, manifest: "cd".repeat(32), size_bytes: 1 << 30, stored_bytes: 1 }).await;
    let shown = world.json("DescribeImages", &only).await["ImageSet"][0].clone();
    assert_eq!((&shown["ImageState"], &shown["ImageSource"]), (&"NORMAL".into(), &"EXTERNAL_IMPORT".into()));
    let export = format!(r#"{{"BucketName": "disks", "ImageIds": ["{id}"], "ExportFormat": "VMDK", "FileNamePrefixList": ["out"]}}"#);
    let path = world.golden("ExportImages.json", "ExportImages", &export).await["CosPaths"][0].as_str().unwrap().to_owned();
    assert!(path.starts_with(&format!("out_{id}_system_")) && path.ends_with(".vmdk"), "{path}");
    world.refused("ExportImages", &export.replace("VMDK", "QCOW2"), "UnsupportedOperation").await;
    let failed = world.json("ImportImage", &import("cos://disks/b.raw").replace("brought", "bad")).await["ImageId"].clone();
    hear(&world, ImageTaskSeen::Exported { object_bytes: 1 }).await;
    hear(&world, ImageTaskSeen::Failed { reason: "no".into() }).await;
    let only = format!(r#"{{"ImageIds": [{failed}]}}"#);
    assert_eq!(world.json("DescribeImages", &only).await["ImageSet"][0]["ImageState"], "IMPORTFAILED");
}
