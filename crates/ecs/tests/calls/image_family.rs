//! Families of images, and images that are to be used no longer.

use crate::world::{World, texts};

#[tokio::test]
async fn the_newest_image_of_a_family_is_launched_until_it_is_deprecated() {
    let world = World::new().await;
    let instance = world.run("").await.remove(0);
    world.settle().await;
    let make = async |name: &str, family: &str| {
        let made = world.call(&format!("Action=CreateImage&InstanceId={instance}&ImageName={name}&ImageFamily={family}")).await;
        assert_eq!(made.status, 200, "{}", made.body);
        world.settle().await;
        texts(&made.body, "ImageId").remove(0)
    };
    let (first, second) = (make("one", "web").await, make("two", "web").await);
    let newest = async || {
        let told = world.json("Action=DescribeImageFromFamily&ImageFamily=web").await;
        told["Image"]["ImageId"].as_str().map(str::to_owned)
    };
    assert_eq!(newest().await, Some(second.clone()));
    let listed = world.json("Action=DescribeImages&ImageFamily=web").await;
    assert_eq!(listed["TotalCount"], 2);
    let status = |image: &str, status: &str| format!("Action=ModifyImageAttribute&ImageId={image}&Status={status}");
    world.json(&status(&second, "Deprecated")).await;
    let usual = world.json("Action=DescribeImages&ImageFamily=web").await;
    assert_eq!(usual["TotalCount"], 1, "without a state those are listed that are available");
    let shown = world.json(&format!("Action=DescribeImages&Status=Deprecated&ImageId={second}")).await["Images"]["Image"][0].clone();
    assert_eq!((&shown["Status"], &shown["ImageFamily"]), (&"Deprecated".into(), &"web".into()));
    assert_eq!(newest().await, Some(first.clone()));
    let launched = world.json("Action=RunInstances&InstanceType=ecs.t6-c4m1.large&ImageFamily=web&Amount=1").await;
    let launched = launched["InstanceIdSets"]["InstanceIdSet"][0].as_str().unwrap().to_owned();
    let told = world.json(&format!("Action=DescribeInstances&InstanceIds=%5B%22{launched}%22%5D")).await;
    assert_eq!(told["Instances"]["Instance"][0]["ImageId"], first.as_str());
    world.json(&status(&second, "Available")).await;
    assert_eq!(newest().await, Some(second.clone()));
    world.json(&format!("Action=ModifyImageAttribute&ImageId={second}&ImageFamily=")).await;
    assert_eq!(newest().await, Some(first));
    let run = "Action=RunInstances&InstanceType=ecs.t6-c4m1.large&Amount=1&ImageFamily";
    world.refused(&format!("{run}=none"), 404, "InvalidImageId.NotFound").await;
    world.refused(&format!("{run}=web&ImageId={second}"), 400, "InvalidParameter.Conflict").await;
    for wrong in ["9a", "a", "aliyun-x", "a.b"] {
        world.refused(&format!("Action=ModifyImageAttribute&ImageId={second}&ImageFamily={wrong}"), 400, "InvalidParameter").await;
    }
    world.golden("DescribeImageFromFamily.json", "Action=DescribeImageFromFamily&ImageFamily=web").await;
}
