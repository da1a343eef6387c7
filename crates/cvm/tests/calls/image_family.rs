//! Families of images, and images that are to be used no longer.

use crate::world::World;

#[tokio::test]
async fn a_family_tells_its_newest_image_that_is_not_deprecated() {
    let world = World::new().await;
    let instance = world.run("").await.remove(0);
    world.settle().await;
    let make = async |name: &str| {
        let body = format!(r#"{{"InstanceId": "{instance}", "ImageName": "{name}", "ImageFamily": "web"}}"#);
        let made = world.json("CreateImage", &body).await;
        world.settle().await;
        made["ImageId"].as_str().unwrap().to_owned()
    };
    let (first, second) = (make("one").await, make("two").await);
    let newest = async || world.json("DescribeImageFromFamily", r#"{"ImageFamily": "web"}"#).await["Image"].clone();
    assert_eq!(newest().await["ImageId"], second.as_str());
    let filter = r#"{"Filters": [{"Name": "image-family", "Values": ["web"]}]}"#;
    assert_eq!(world.json("DescribeImages", filter).await["TotalCount"], 2);
    let change = |image: &str, what: &str| format!(r#"{{"ImageId": "{image}", {what}}}"#);
    world.json("ModifyImageAttribute", &change(&second, r#""ImageDeprecated": true"#)).await;
    let shown = world.json("DescribeImages", &format!(r#"{{"ImageIds": ["{second}"]}}"#)).await["ImageSet"][0].clone();
    assert_eq!((&shown["ImageDeprecated"], &shown["ImageFamily"]), (&true.into(), &"web".into()));
    assert_eq!(newest().await["ImageId"], first.as_str());
    world.golden("DescribeImageFromFamily.json", "DescribeImageFromFamily", r#"{"ImageFamily": "web"}"#).await;
    world.json("ModifyImageAttribute", &change(&first, r#""ImageFamily": """#)).await;
    assert!(newest().await.is_null());
    world.refused("ModifyImageAttribute", &change(&first, r#""ImageFamily": "9""#), "InvalidParameterValue").await;
}
