//! Disks as ECS's clients see them: whole replies against kept texts, and the codes of what is refused.

use crate::world::{World, texts};

async fn disk(world: &World, id: &str) -> serde_json::Value {
    let listed = world.json(&format!("Action=DescribeDisks&DiskIds=%5B%22{id}%22%5D")).await;
    listed["Disks"]["Disk"][0].clone()
}

#[tokio::test]
async fn a_disk_is_shown_in_each_state_of_its_life() {
    let world = World::new().await;
    let instance = world.run("").await.remove(0);
    world.settle().await;
    let create = "Action=CreateDisk&ZoneId=test-1a&Size=20&DiskCategory=cloud_ssd&DiskName=data&Description=of%20the%20test&ClientToken=d1\
        &Tag.1.Key=use&Tag.1.Value=test";
    let made = world.golden("CreateDisk.json", create).await;
    let id = texts(&made, "DiskId").remove(0);
    assert_eq!(disk(&world, &id).await["Status"], "Creating");
    world.settle().await;
    assert_eq!(disk(&world, &id).await["Status"], "Available");
    world.golden("AttachDisk.json", &format!("Action=AttachDisk&DiskId={id}&InstanceId={instance}&DeleteWithInstance=true")).await;
    assert_eq!(disk(&world, &id).await["Status"], "Attaching");
    world.settle().await;
    world.golden("DescribeDisks.data.json", "Action=DescribeDisks&DiskType=data&Portable=true&DeleteWithInstance=true&Status=In_use").await;
    world.refused(&format!("Action=AttachDisk&DiskId={id}&InstanceId={instance}"), 403, "IncorrectDiskStatus").await;
    world.refused(&format!("Action=DeleteDisk&DiskId={id}"), 403, "IncorrectDiskStatus").await;
    world.golden("ResizeDisk.json", &format!("Action=ResizeDisk&DiskId={id}&NewSize=30&Type=online")).await;
    world.settle().await;
    world.refused(&format!("Action=ResizeDisk&DiskId={id}&NewSize=10"), 400, "InvalidDiskSize.NotSupported").await;
    let modify = format!("Action=ModifyDiskAttribute&DiskId={id}&DiskName=renamed&Description=changed&DeleteWithInstance=false");
    world.golden("ModifyDiskAttribute.json", &modify).await;
    let shown = disk(&world, &id).await;
    assert_eq!((&shown["DiskName"], &shown["Description"]), (&"renamed".into(), &"changed".into()));
    assert_eq!((&shown["Size"], &shown["DeleteWithInstance"]), (&30.into(), &false.into()));
    world.refused(&format!("Action=DetachDisk&DiskId={id}&InstanceId=i-00000000000000001"), 403, "DependencyViolation").await;
    world.golden("DetachDisk.json", &format!("Action=DetachDisk&DiskId={id}&InstanceId={instance}")).await;
    assert_eq!(disk(&world, &id).await["Status"], "Detaching");
    world.settle().await;
    world.refused(&format!("Action=DetachDisk&DiskId={id}&InstanceId={instance}"), 403, "IncorrectDiskStatus").await;
    world.golden("DeleteDisk.json", &format!("Action=DeleteDisk&DiskId={id}")).await;
    assert_eq!(disk(&world, &id).await, serde_json::Value::Null, "a released disk is shown no more");
    let system = texts(&world.call("Action=DescribeDisks").await.body, "DiskId").remove(0);
    world.refused(&format!("Action=DetachDisk&DiskId={system}&InstanceId={instance}"), 403, "DiskNotPortable").await;
}

#[tokio::test]
async fn a_disk_with_multi_attach_is_in_several_instances() {
    let world = World::new().await;
    let (first, second) = (world.run("").await.remove(0), world.run("").await.remove(0));
    let create = "Action=CreateDisk&ZoneId=test-1a&Size=20&DiskCategory=cloud_essd&MultiAttach=Enabled";
    let id = texts(&world.call(create).await.body, "DiskId").remove(0);
    world.settle().await;
    for instance in [&first, &second] {
        world.json(&format!("Action=AttachDisk&DiskId={id}&InstanceId={instance}")).await;
    }
    world.settle().await;
    world.golden("DescribeDisks.shared.json", "Action=DescribeDisks&MultiAttach=Enabled").await;
    assert_eq!(world.json(&format!("Action=DescribeDisks&InstanceId={second}&DiskType=data")).await["TotalCount"], 1);
    world.refused(&format!("Action=AttachDisk&DiskId={id}&InstanceId={first}"), 403, "IncorrectDiskStatus").await;
    world.refused(&format!("Action=CreateSnapshot&DiskId={id}"), 400, "UnsupportedOperation").await;
    world.refused(&format!("Action=ResizeDisk&DiskId={id}&NewSize=30"), 400, "UnsupportedOperation").await;
    world.refused(&format!("Action=DeleteDisk&DiskId={id}"), 403, "IncorrectDiskStatus").await;
    world.json(&format!("Action=DetachDisk&DiskId={id}&InstanceId={first}")).await;
    world.settle().await;
    let shown = disk(&world, &id).await;
    assert_eq!((&shown["Status"], &shown["InstanceId"]), (&"In_use".into(), &second.as_str().into()));
    assert_eq!(shown["Attachments"]["Attachment"].as_array().unwrap().len(), 1);
    world.json(&format!("Action=DetachDisk&DiskId={id}&InstanceId={second}")).await;
    world.settle().await;
    assert_eq!(disk(&world, &id).await["Status"], "Available");
}

#[tokio::test]
async fn a_launch_brings_data_disks() {
    let world = World::new().await;
    let disks =
        "DataDisk.1.Size=20&DataDisk.1.DiskName=one&DataDisk.2.Size=30&DataDisk.2.DeleteWithInstance=false&DataDisk.2.Category=cloud";
    let id = world.run(disks).await.remove(0);
    world.settle().await;
    let listed = world.json(&format!("Action=DescribeDisks&InstanceId={id}&DiskType=data")).await;
    assert_eq!(listed["TotalCount"], 2);
    assert_eq!(world.json("Action=DescribeDisks&DiskName=on*").await["TotalCount"], 1);
    world.json(&format!("Action=DeleteInstance&InstanceId={id}&Force=true")).await;
    world.settle().await;
    let left = world.json("Action=DescribeDisks").await;
    assert_eq!((&left["TotalCount"], &left["Disks"]["Disk"][0]["Category"]), (&1.into(), &"cloud".into()));
}

#[tokio::test]
async fn bad_calls_on_disks_are_refused_with_ecs_codes() {
    let world = World::new().await;
    let absent = "vol-00000000000000001";
    for (parameters, status, code) in [
        ("Action=CreateDisk&Size=20", 400, "MissingParameter"),
        ("Action=CreateDisk&ZoneId=test-1a", 400, "MissingParameter"),
        ("Action=CreateDisk&ZoneId=mars&Size=20", 404, "InvalidZoneId.NotFound"),
        ("Action=CreateDisk&ZoneId=test-1a&Size=0", 400, "InvalidDiskSize.NotSupported"),
        ("Action=CreateDisk&ZoneId=test-1a&Size=-1", 400, "InvalidParameter"),
        ("Action=CreateDisk&ZoneId=test-1a&Size=99999999999", 400, "InvalidParameter"),
        ("Action=CreateDisk&ZoneId=test-1a&Size=20&DiskCategory=tape", 400, "InvalidParameter"),
        ("Action=CreateDisk&ZoneId=test-1a&Size=20&PerformanceLevel=PL3", 400, "InvalidParameter"),
        ("Action=CreateDisk&ZoneId=test-1a&Size=20&Encrypted=true&KMSKeyId=none", 404, "InvalidKMSKeyId.NotFound"),
        ("Action=CreateDisk&ZoneId=test-1a&Size=20&MultiAttach=Enabled", 400, "InvalidParameter.Conflict"),
        (
            "Action=CreateDisk&ZoneId=test-1a&Size=20&DiskCategory=cloud_essd&MultiAttach=Enabled&Encrypted=true",
            400,
            "UnsupportedOperation",
        ),
        ("Action=CreateDisk&ZoneId=test-1a&Size=20&DiskCategory=cloud_essd&MultiAttach=LegacyDisabled", 400, "InvalidParameter"),
        ("Action=CreateDisk&ZoneId=test-1a&Size=20&SnapshotId=s-1", 404, "InvalidSnapshotId.NotFound"),
        ("Action=CreateDisk&ZoneId=test-1a&Size=2000", 403, "OperationDenied.NoStock"),
        (&format!("Action=AttachDisk&DiskId={absent}&InstanceId=i-00000000000000001"), 404, "InvalidDiskId.NotFound"),
        ("Action=AttachDisk&DiskId=d-1&InstanceId=i-00000000000000001", 404, "InvalidDiskId.NotFound"),
        (&format!("Action=DetachDisk&DiskId={absent}"), 400, "MissingParameter"),
        (&format!("Action=DeleteDisk&DiskId={absent}"), 404, "InvalidDiskId.NotFound"),
        (&format!("Action=ResizeDisk&DiskId={absent}&NewSize=20"), 404, "InvalidDiskId.NotFound"),
        (&format!("Action=ResizeDisk&DiskId={absent}"), 400, "MissingParameter"),
        ("Action=ModifyDiskAttribute&DiskName=x", 400, "MissingParameter"),
        (&format!("Action=ModifyDiskAttribute&DiskId={absent}&DiskName=x"), 404, "InvalidDiskId.NotFound"),
    ] {
        world.refused(parameters, status, code).await;
    }
    assert_eq!(world.json("Action=DescribeDisks").await["TotalCount"], 0, "nothing was made");
}

#[tokio::test]
async fn a_stopped_instance_gets_another_system_disk_and_disks_become_what_they_were() {
    let world = World::new().await;
    let instance = world.run("DataDisk.1.Size=20").await.remove(0);
    world.settle().await;
    let of = |kind: &str| format!("Action=DescribeDisks&InstanceId={instance}&DiskType={kind}");
    let disk = async |kind: &str| texts(&world.call(&of(kind)).await.body, "DiskId").remove(0);
    let (system, data) = (disk("system").await, disk("data").await);
    let replace = format!("Action=ReplaceSystemDisk&InstanceId={instance}&ImageId={}", world.image("pileus-linux").await);
    world.refused(&replace, 403, "IncorrectInstanceStatus").await;
    world.refused(&format!("Action=ReInitDisk&DiskId={data}"), 403, "IncorrectInstanceStatus").await;
    world.json(&format!("Action=StopInstance&InstanceId={instance}")).await;
    world.settle().await;
    world.refused(&format!("{replace}&SystemDisk.Size=0"), 400, "InvalidSystemDiskSize").await;
    world.refused(&format!("{replace}&KeyPairName=nobody"), 404, "InvalidKeyPair.NotFound").await;
    world.refused(&format!("{replace}&Password=short"), 400, "InvalidPassword.Malformed").await;
    world.refused(&format!("{replace}&Encrypted=true"), 400, "UnsupportedParameter").await;
    let made = world.golden("ReplaceSystemDisk.json", &format!("{replace}&SystemDisk.Size=60&ClientToken=r1")).await;
    assert_eq!(disk("system").await, texts(&made, "DiskId").remove(0));
    world.settle().await;
    assert!(!world.call("Action=DescribeDisks").await.body.contains(&system), "the old disk is gone");
    world.golden("ReInitDisk.json", &format!("Action=ReInitDisk&DiskId={data}")).await;
    world.settle().await;
    world.json(&format!("Action=ReInitDisk&DiskId={}&AutoStartInstance=true", disk("system").await)).await;
    world.settle().await;
    assert_eq!(world.json(&format!("Action=DescribeInstanceAttribute&InstanceId={instance}")).await["Status"], "Running");
}
