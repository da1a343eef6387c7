//! System disks replaced under running instances: whole replies, and the codes of what is refused.

use crate::world::{World, elements};

#[tokio::test]
async fn a_replacement_is_shown_from_its_beginning_to_its_end() {
    let world = World::new().await;
    let instance = world.run("MinCount=1&MaxCount=1").await.remove(0);
    let create = format!("Action=CreateReplaceRootVolumeTask&InstanceId={instance}");
    world.refused(&create, 400, "IncorrectInstanceState").await;
    world.settle().await;
    let both = format!("{create}&ImageId=ami-00000000000000001&SnapshotId=snap-00000000000000001");
    world.refused(&both, 400, "InvalidParameterCombination").await;
    world.refused(&format!("{create}&ImageId=ami-00000000000000001"), 400, "InvalidAMIID.NotFound").await;
    world.refused(&format!("{create}&SnapshotId=snap-00000000000000001"), 400, "InvalidSnapshot.NotFound").await;
    world.refused(&format!("{create}&VolumeInitializationRate=100"), 400, "UnsupportedOperation").await;
    world.refused(&format!("{create}&DryRun=true"), 412, "DryRunOperation").await;
    let tags = "TagSpecification.1.ResourceType=replace-root-volume-task&TagSpecification.1.Tag.1.Key=a&TagSpecification.1.Tag.1.Value=b";
    let made = world.golden("CreateReplaceRootVolumeTask", &format!("{create}&DeleteReplacedRootVolume=true&{tags}")).await;
    let id = elements(&made, "replaceRootVolumeTaskId").remove(0);
    world.refused(&create, 400, "IncorrectInstanceState").await;
    world.settle().await;
    let of = format!(
        "Action=DescribeReplaceRootVolumeTasks&ReplaceRootVolumeTaskId.1={id}&Filter.1.Name=instance-id&Filter.1.Value.1={instance}"
    );
    world.golden("DescribeReplaceRootVolumeTasks", &of).await;
    let unknown = "Action=DescribeReplaceRootVolumeTasks&ReplaceRootVolumeTaskId.1=replacevol-00000000000000001";
    world.refused(unknown, 400, "InvalidParameterValue").await;
    assert_eq!(elements(&world.call("Action=DescribeVolumes").await.body, "volumeId").len(), 2, "one disk, and its attachment");
}
