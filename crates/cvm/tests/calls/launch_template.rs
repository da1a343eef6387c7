//! Launch templates.

use crate::world::World;

#[tokio::test]
async fn templates_are_made_versioned_listed_and_deleted() {
    let world = World::new().await;
    let image = world.json("DescribeImages", "{}").await["ImageSet"][0]["ImageId"].as_str().unwrap().to_owned();
    let data = format!(
        r#""Placement": {{"Zone": "test-1a"}}, "ImageId": "{image}", "InstanceType": "S5.MEDIUM4", "InstanceCount": 2, "InstanceName": "web",
           "SystemDisk": {{"DiskType": "CLOUD_SSD", "DiskSize": 20}}, "DataDisks": [{{"DiskSize": 10, "DiskName": "data"}}], "UserData": "aGk=",
           "InternetAccessible": {{"InternetMaxBandwidthOut": 5}}, "DisableApiTermination": true,
           "TagSpecification": [{{"ResourceType": "instance", "Tags": [{{"Key": "a", "Value": "1"}}]}}]"#
    );
    let make = format!(r#"{{"LaunchTemplateName": "web", "LaunchTemplateVersionDescription": "first", {data}}}"#);
    let id =
        world.golden("CreateLaunchTemplate.json", "CreateLaunchTemplate", &make).await["LaunchTemplateId"].as_str().unwrap().to_owned();
    let version =
        format!(r#"{{"LaunchTemplateId": "{id}", "LaunchTemplateVersion": 1, "ImageId": "{image}", "Placement": {{"Zone": "test-1b"}}}}"#);
    world.golden("CreateLaunchTemplateVersion.json", "CreateLaunchTemplateVersion", &version).await;
    let default = format!(r#"{{"LaunchTemplateId": "{id}", "DefaultVersion": 2}}"#);
    world.golden("ModifyLaunchTemplateDefaultVersion.json", "ModifyLaunchTemplateDefaultVersion", &default).await;
    world.golden("DescribeLaunchTemplates.json", "DescribeLaunchTemplates", "{}").await;
    let of = format!(r#"{{"LaunchTemplateId": "{id}"}}"#);
    world.golden("DescribeLaunchTemplateVersions.json", "DescribeLaunchTemplateVersions", &of).await;
    let bare =
        world.json("CreateLaunchTemplate", r#"{"LaunchTemplateName": "bare"}"#).await["LaunchTemplateId"].as_str().unwrap().to_owned();
    let bare = format!(r#"{{"LaunchTemplateId": "{bare}"}}"#);
    world.golden("DescribeLaunchTemplateVersions.bare.json", "DescribeLaunchTemplateVersions", &bare).await;
    world.json("DeleteLaunchTemplate", &bare).await;
    let all = world.json("DescribeLaunchTemplateVersions", r#"{"DefaultVersion": true}"#).await;
    assert_eq!(all["LaunchTemplateVersionSet"][0]["LaunchTemplateVersion"], 2);
    let first = format!(r#"{{"LaunchTemplateId": "{id}", "LaunchTemplateVersions": [1]}}"#);
    world.golden("DeleteLaunchTemplateVersions.json", "DeleteLaunchTemplateVersions", &first).await;
    world.refused("DeleteLaunchTemplateVersions", &first, "InvalidParameterValue.LaunchTemplateIdVerNotExisted").await;
    world.refused("CreateLaunchTemplate", &make, "InvalidParameterValue.InvalidLaunchTemplateName").await;
    world.golden("DeleteLaunchTemplate.json", "DeleteLaunchTemplate", &of).await;
    world.refused("DeleteLaunchTemplate", &of, "InvalidParameterValue.LaunchTemplateIdNotExisted").await;
    world.refused("DeleteLaunchTemplate", r#"{"LaunchTemplateId": "web"}"#, "InvalidParameterValue.LaunchTemplateIdMalformed").await;
    let elsewhere = format!(r#"{{"LaunchTemplate": {{"LaunchTemplateId": "{id}"}}}}"#);
    world.refused("RunInstances", &elsewhere, "InvalidParameterValue.LaunchTemplateIdNotExisted").await;
}
