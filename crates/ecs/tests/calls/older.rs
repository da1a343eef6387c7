//! Calls of ECS that tell of what others made, and older ones on tags.

use crate::world::{World, texts};

#[tokio::test]
async fn snapshots_are_counted_copied_and_chained() {
    let world = World::new().await;
    let disk = async |size: u32| {
        let made = world.json(&format!("Action=CreateDisk&ZoneId=test-1a&Size={size}&DiskCategory=cloud_ssd&DiskName=d{size}")).await;
        world.settle().await;
        made["DiskId"].as_str().unwrap().to_owned()
    };
    let (first, second) = (disk(20).await, disk(30).await);
    for id in [&first, &first, &second] {
        world.json(&format!("Action=CreateSnapshot&DiskId={id}&SnapshotName=kept")).await;
    }
    world.settle().await;
    assert_eq!(world.json("Action=DescribeSnapshotsUsage").await["SnapshotCount"], 3);
    world.golden("DescribeSnapshotsUsage.json", "Action=DescribeSnapshotsUsage").await;
    world.golden("DescribeSnapshotLinks.json", "Action=DescribeSnapshotLinks").await;
    let links = async |more: &str| {
        let found = world.json(&format!("Action=DescribeSnapshotLinks{more}")).await;
        let counts = found["SnapshotLinks"]["SnapshotLink"].as_array().unwrap().iter().map(|link| link["TotalCount"].as_u64().unwrap());
        (counts.collect::<Vec<_>>(), found["NextToken"].as_str().unwrap().to_owned())
    };
    assert_eq!(links("").await.0, [2, 1]);
    assert_eq!(links(&format!("&DiskIds=%5B%22{second}%22%5D")).await.0, [1]);
    assert_eq!(links(&format!("&SnapshotLinkIds=%5B%22{}%22%5D", first.replace("vol-", "sl-"))).await.0, [2]);
    assert_eq!(links("&InstanceId=i-00000000000000001").await.0, Vec::<u64>::new());
    let of = async |more: &str| world.json(&format!("Action=DescribeSnapshots{more}")).await["TotalCount"].as_u64().unwrap();
    assert_eq!(of(&format!("&SnapshotLinkId={}", first.replace("vol-", "sl-"))).await, 2);
    assert_eq!((of("&SnapshotLinkId=vol").await, of("&InstanceId=i-00000000000000001").await), (0, 0));
    let instance = world.run("").await.remove(0);
    world.settle().await;
    world.json(&format!("Action=AttachDisk&DiskId={second}&InstanceId={instance}")).await;
    assert_eq!(of(&format!("&InstanceId={instance}")).await, 1);
    let (page, token) = links("&MaxResults=1").await;
    assert_eq!(page, [2]);
    assert_eq!(links(&format!("&MaxResults=1&NextToken={token}")).await, (vec![1], String::new()));
    let of = texts(&world.call("Action=DescribeSnapshots").await.body, "SnapshotId").remove(0);
    let copy = |more: &str| format!("Action=CopySnapshot&SnapshotId={of}&DestinationRegionId=test-1{more}");
    let made = world.golden("CopySnapshot.json", &copy("&DestinationSnapshotName=copy&Tag.1.Key=a")).await;
    let id = texts(&made, "SnapshotId").remove(0);
    let shown = world.json(&format!("Action=DescribeSnapshots&SnapshotIds=%5B%22{id}%22%5D")).await;
    let shown = &shown["Snapshots"]["Snapshot"][0];
    assert_eq!((&shown["SnapshotName"], &shown["Status"]), (&"copy".into(), &"accomplished".into()));
    world.refused(&copy("").replace("test-1", "elsewhere"), 400, "UnsupportedParameter").await;
}

#[tokio::test]
async fn new_disks_are_encrypted_by_default_once_that_is_said() {
    let world = World::new().await;
    let status = async || world.json("Action=DescribeDiskEncryptionByDefaultStatus").await["Encrypted"].as_bool().unwrap();
    let disk = async || {
        let made = world.json("Action=CreateDisk&ZoneId=test-1a&Size=20&DiskCategory=cloud_ssd").await;
        let listed = world.json(&format!("Action=DescribeDisks&DiskIds=%5B%22{}%22%5D", made["DiskId"].as_str().unwrap())).await;
        listed["Disks"]["Disk"][0].clone()
    };
    assert!(!status().await);
    assert_eq!(disk().await["Encrypted"], false);
    world.json("Action=EnableDiskEncryptionByDefault").await;
    assert!(status().await);
    let encrypted = disk().await;
    assert_eq!(encrypted["Encrypted"], true);
    let key = world.json("Action=DescribeDiskDefaultKMSKeyId").await["KMSKeyId"].as_str().unwrap().to_owned();
    assert_eq!(encrypted["KMSKeyId"], key.as_str());
    world.json(&format!("Action=ModifyDiskDefaultKMSKeyId&KMSKeyId={key}")).await;
    world.refused("Action=ModifyDiskDefaultKMSKeyId&KMSKeyId=none", 404, "InvalidKMSKeyId.NotFound").await;
    world.json("Action=ResetDiskDefaultKMSKeyId").await;
    world.json("Action=DisableDiskEncryptionByDefault").await;
    assert!(!status().await);
}

#[tokio::test]
async fn older_calls_give_find_and_take_tags() {
    let world = World::new().await;
    let id = world.run("").await.remove(0);
    world.settle().await;
    let disk = texts(&world.call("Action=DescribeDisks").await.body, "DiskId").remove(0);
    let one = |action: &str, kind: &str, id: &str, tag: &str| format!("Action={action}&ResourceType={kind}&ResourceId={id}&{tag}");
    world.json(&one("AddTags", "instance", &id, "Tag.1.Key=use&Tag.1.Value=test&Tag.2.Key=own")).await;
    world.json(&one("AddTags", "disk", &disk, "Tag.1.Key=use&Tag.1.Value=test")).await;
    world.refused(&one("AddTags", "disk", &id, "Tag.1.Key=use"), 404, "InvalidDiskId.NotFound").await;
    world.golden("DescribeTags.json", "Action=DescribeTags").await;
    let tags = async |more: &str| world.json(&format!("Action=DescribeTags{more}")).await["TotalCount"].as_u64().unwrap();
    assert_eq!((tags("").await, tags("&ResourceType=disk").await, tags("&Tag.1.Key=own").await), (2, 1, 1));
    assert_eq!(tags(&format!("&ResourceType=instance&ResourceId={id}&Tag.1.Key=use&Tag.1.Value=other")).await, 0);
    world.golden("DescribeResourceByTags.json", "Action=DescribeResourceByTags&Tag.1.Key=use&Tag.1.Value=test").await;
    let found = async |more: &str| world.json(&format!("Action=DescribeResourceByTags{more}")).await["TotalCount"].as_u64().unwrap();
    assert_eq!((found("&Tag.1.Key=use").await, found("&ResourceType=disk&Tag.1.Key=use").await, found("&Tag.1.Key=no").await), (2, 1, 0));
    world.json(&one("RemoveTags", "disk", &disk, "Tag.1.Key=use&Tag.1.Value=other")).await;
    assert_eq!(found("&Tag.1.Key=use").await, 2, "a tag with another value stays");
    world.json(&one("RemoveTags", "disk", &disk, "Tag.1.Key=use")).await;
    assert_eq!(found("&Tag.1.Key=use").await, 1);
}

#[tokio::test]
async fn routers_and_single_interfaces_are_told() {
    let world = World::new().await;
    let vpc = world.json("Action=DescribeVpcs").await["Vpcs"]["Vpc"][0].clone();
    let routers = world.json(&format!("Action=DescribeVRouters&VRouterId={}", vpc["VRouterId"].as_str().unwrap())).await;
    let router = &routers["VRouters"]["VRouter"][0];
    assert_eq!((&routers["TotalCount"], &router["VpcId"]), (&1.into(), &vpc["VpcId"]));
    world.golden("DescribeVRouters.json", "Action=DescribeVRouters").await;
    world.run("").await;
    world.settle().await;
    let nic = texts(&world.call("Action=DescribeNetworkInterfaces").await.body, "NetworkInterfaceId").remove(0);
    let one = |id: &str| format!("Action=DescribeNetworkInterfaceAttribute&NetworkInterfaceId={id}");
    world.golden("DescribeNetworkInterfaceAttribute.json", &one(&nic)).await;
    world.refused(&one("eni-00000000000000001"), 404, "InvalidEniId.NotFound").await;
    let table = router["RouteTableIds"]["RouteTableId"][0].as_str().unwrap();
    let tag = format!("Version=2016-04-28&ResourceType=ROUTETABLE&ResourceId.1={table}");
    world.json(&format!("Action=TagResources&{tag}&Tag.1.Key=a&Tag.1.Value=b")).await;
    assert_eq!(texts(&world.call(&format!("Action=ListTagResources&{tag}")).await.body, "TagKey"), ["a"]);
}
