//! Auto provisioning groups: made at once and in the background, listed, changed and deleted.

use crate::world::{TYPE, World, texts};

#[tokio::test]
async fn an_auto_provisioning_group_is_made_filled_changed_and_deleted() {
    let world = World::new().await;
    let image = world.image("pileus-linux").await;
    let template = format!("Action=CreateLaunchTemplate&LaunchTemplateName=web&ImageId={image}&InstanceType={TYPE}");
    let template = texts(&world.call(&template).await.body, "LaunchTemplateId").remove(0);
    let create = format!("Action=CreateAutoProvisioningGroup&LaunchTemplateId={template}&DefaultTargetCapacityType=PayAsYouGo");
    let overrides = format!(
        "LaunchTemplateConfig.1.InstanceType=ecs.g7.16xlarge&LaunchTemplateConfig.1.Priority=1&LaunchTemplateConfig.2.InstanceType={TYPE}\
         &LaunchTemplateConfig.2.Priority=2&LaunchTemplateConfig.2.WeightedCapacity=1.5&PayAsYouGoAllocationStrategy=prioritized"
    );
    let instant = format!("{create}&AutoProvisioningGroupType=instant&TotalTargetCapacity=3&{overrides}");
    let made = world.golden("CreateAutoProvisioningGroup.instant.json", &instant).await;
    assert_eq!(texts(&made, "ErrorCode").iter().filter(|code| !code.is_empty()).count(), 1, "{made}");
    let instant = texts(&made, "AutoProvisioningGroupId").remove(0);
    let kept = format!("{create}&AutoProvisioningGroupName=web-group&TotalTargetCapacity=2&Tag.1.Key=a&Tag.1.Value=b");
    let kept = world.golden("CreateAutoProvisioningGroup.json", &kept).await;
    let kept = texts(&kept, "AutoProvisioningGroupId").remove(0);
    let configuration = "LaunchConfiguration.SystemDiskCategory=cloud_essd&LaunchConfiguration.SystemDiskSize=20\
        &LaunchConfiguration.InstanceName=plain&LaunchConfiguration.Tag.1.Key=k&LaunchConfiguration.Tag.1.Value=v";
    let plain = format!(
        "Action=CreateAutoProvisioningGroup&AutoProvisioningGroupType=request&TotalTargetCapacity=1&LaunchConfiguration.ImageId={image}\
         &{configuration}&LaunchTemplateConfig.1.InstanceType={TYPE}"
    );
    let plain = texts(&world.call(&plain).await.body, "AutoProvisioningGroupId").remove(0);
    world.settle().await;
    world.golden("DescribeAutoProvisioningGroups.json", "Action=DescribeAutoProvisioningGroups").await;
    world.golden("DescribeAutoProvisioningGroups.xml", "Action=DescribeAutoProvisioningGroups&Format=XML&PageSize=1").await;
    let instances = format!("Action=DescribeAutoProvisioningGroupInstances&AutoProvisioningGroupId={kept}");
    world.golden("DescribeAutoProvisioningGroupInstances.json", &instances).await;
    let history = format!("Action=DescribeAutoProvisioningGroupHistory&AutoProvisioningGroupId={kept}");
    world.golden("DescribeAutoProvisioningGroupHistory.json", &history).await;
    for (form, found) in [
        ("AutoProvisioningGroupTypes.1=instant".to_owned(), vec![instant.clone()]),
        ("AutoProvisioningGroupName=web-group".to_owned(), vec![kept.clone()]),
        (format!("AutoProvisioningGroupId.1={plain}"), vec![plain.clone()]),
        ("AutoProvisioningGroupStatus.1=deleted".to_owned(), vec![]),
        ("Tag.1.Key=a&Tag.1.Value=b".to_owned(), vec![kept.clone()]),
    ] {
        let reply = world.call(&format!("Action=DescribeAutoProvisioningGroups&{form}")).await;
        assert_eq!(texts(&reply.body, "AutoProvisioningGroupId"), found, "{form}");
    }
    let listed = world.call("Action=DescribeInstances&InstanceName=plain").await;
    assert_eq!((texts(&listed.body, "InstanceName"), texts(&listed.body, "TagKey")), (vec!["plain".to_owned()], vec!["k".to_owned()]));
    let modify = format!("Action=ModifyAutoProvisioningGroup&AutoProvisioningGroupId={kept}");
    for (form, status, code) in [
        (create.clone(), 400, "MissingParameter"),
        (format!("{create}&TotalTargetCapacity=2&SpotTargetCapacity=1"), 400, "UnsupportedParameter"),
        (format!("{create}&TotalTargetCapacity=2&LaunchTemplateConfig.1.WeightedCapacity=0"), 400, "InvalidParameter"),
        ("Action=CreateAutoProvisioningGroup&TotalTargetCapacity=2".to_owned(), 400, "MissingParameter"),
        (format!("{modify}&SpotTargetCapacity=1"), 400, "UnsupportedParameter"),
        (
            "Action=DescribeAutoProvisioningGroupInstances&AutoProvisioningGroupId=apg-1".to_owned(),
            404,
            "InvalidAutoProvisioningGroupId.NotFound",
        ),
    ] {
        world.refused(&form, status, code).await;
    }
    let shrink = format!("{modify}&TotalTargetCapacity=1&PayAsYouGoTargetCapacity=1&ExcessCapacityTerminationPolicy=termination");
    world.golden("ModifyAutoProvisioningGroup.json", &shrink).await;
    world.settle().await;
    assert_eq!(texts(&world.call(&instances).await.body, "InstanceId").len(), 1);
    let delete = format!("Action=DeleteAutoProvisioningGroup&TerminateInstances=true&AutoProvisioningGroupId={kept}");
    world.golden("DeleteAutoProvisioningGroup.json", &delete).await;
    world.settle().await;
    let gone = world.call(&format!("Action=DescribeAutoProvisioningGroups&AutoProvisioningGroupId.1={kept}")).await;
    assert_eq!(texts(&gone.body, "Status"), ["deleted"]);
}
