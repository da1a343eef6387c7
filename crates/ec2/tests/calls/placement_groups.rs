//! Placement groups: made, listed, launched into, left and deleted.

use crate::world::{World, elements};

#[tokio::test]
async fn a_placement_group_is_made_filled_and_deleted() {
    let world = World::new().await;
    let tags = "TagSpecification.1.ResourceType=placement-group&TagSpecification.1.Tag.1.Key=a&TagSpecification.1.Tag.1.Value=b";
    let spread = "Action=CreatePlacementGroup&GroupName=apart&Strategy=spread&SpreadLevel=host";
    let made = world.golden("CreatePlacementGroup", &format!("{spread}&{tags}")).await;
    let group = elements(&made, "groupId").remove(0);
    world.call("Action=CreatePlacementGroup&GroupName=parts&Strategy=partition&PartitionCount=3").await;
    world.call("Action=CreatePlacementGroup&GroupName=near&Strategy=cluster").await;
    world.golden("DescribePlacementGroups", "Action=DescribePlacementGroups").await;
    for (form, found) in [
        ("GroupName.1=near", &["near"][..]),
        (&format!("GroupId.1={group}"), &["apart"]),
        ("Filter.1.Name=strategy&Filter.1.Value.1=partition", &["parts"]),
        ("Filter.1.Name=spread-level&Filter.1.Value.1=host", &["apart"]),
        ("Filter.1.Name=tag:a&Filter.1.Value.1=b", &["apart"]),
        ("Filter.1.Name=group-name&Filter.1.Value.1=*a*", &["apart", "parts", "near"]),
        ("Filter.1.Name=state&Filter.1.Value.1=deleted", &[]),
    ] {
        let reply = world.call(&format!("Action=DescribePlacementGroups&{form}")).await;
        assert_eq!(elements(&reply.body, "groupName"), found, "{form}");
    }
    let apart = world.run("MinCount=1&MaxCount=1&Placement.GroupName=apart").await.remove(0);
    let part = world.run("MinCount=1&MaxCount=1&Placement.GroupName=parts&Placement.PartitionNumber=2").await.remove(0);
    for (filter, found) in
        [("placement-group-name&Filter.1.Value.1=apart", &apart), ("placement-partition-number&Filter.1.Value.1=2", &part)]
    {
        let reply = world.call(&format!("Action=DescribeInstances&Filter.1.Name={filter}")).await;
        assert_eq!(elements(&reply.body, "instanceId"), std::slice::from_ref(found), "{filter}");
    }
    let image = world.image("pileus-linux").await;
    let launch = format!("Action=RunInstances&ImageId={image}&InstanceType=t3.nano&MinCount=1&MaxCount=1");
    for (form, status, code) in [
        // The one host has a member, and partition 2 the one rack.
        (format!("{launch}&Placement.GroupId={group}"), 500, "InsufficientInstanceCapacity"),
        (format!("{launch}&Placement.GroupName=parts&Placement.PartitionNumber=1"), 500, "InsufficientInstanceCapacity"),
        (format!("{launch}&Placement.GroupName=parts&Placement.PartitionNumber=4"), 400, "InvalidParameterValue"),
        (format!("{launch}&Placement.GroupName=near&Placement.PartitionNumber=1"), 400, "InvalidParameterCombination"),
        (format!("{launch}&Placement.PartitionNumber=1"), 400, "InvalidParameterCombination"),
        (format!("{launch}&Placement.GroupName=near&Placement.GroupId={group}"), 400, "InvalidParameterCombination"),
        (format!("{launch}&Placement.GroupName=none"), 400, "InvalidPlacementGroup.Unknown"),
        (format!("{launch}&Placement.GroupId=pg-1"), 400, "InvalidPlacementGroupId.Malformed"),
        (spread.to_owned(), 400, "InvalidPlacementGroup.Duplicate"),
        ("Action=CreatePlacementGroup&GroupName=x".to_owned(), 400, "MissingParameter"),
        ("Action=CreatePlacementGroup&Strategy=spread".to_owned(), 400, "MissingParameter"),
        ("Action=CreatePlacementGroup&GroupName=x&Strategy=spread&PartitionCount=2".to_owned(), 400, "InvalidParameterCombination"),
        ("Action=CreatePlacementGroup&GroupName=x&Strategy=cluster&SpreadLevel=rack".to_owned(), 400, "InvalidParameterCombination"),
        ("Action=CreatePlacementGroup&GroupName=x&Strategy=partition&PartitionCount=8".to_owned(), 400, "InvalidParameterValue"),
        ("Action=DescribePlacementGroups&GroupName.1=none".to_owned(), 400, "InvalidPlacementGroup.Unknown"),
        ("Action=DeletePlacementGroup&GroupName=none".to_owned(), 400, "InvalidPlacementGroup.Unknown"),
        ("Action=DeletePlacementGroup&GroupName=apart".to_owned(), 400, "InvalidPlacementGroup.InUse"),
        (format!("Action=ModifyInstancePlacement&InstanceId={apart}&GroupName="), 400, "IncorrectInstanceState"),
        (format!("Action=ModifyInstancePlacement&InstanceId={apart}"), 400, "MissingParameter"),
        (format!("Action=ModifyInstancePlacement&InstanceId={apart}&Tenancy=host"), 400, "UnsupportedOperation"),
    ] {
        world.refused(&form, status, code).await;
    }
    for id in [&apart, &part] {
        world.settle().await;
        world.call(&format!("Action=StopInstances&InstanceId.1={id}&Force=true")).await;
    }
    world.settle().await;
    world.golden("ModifyInstancePlacement", &format!("Action=ModifyInstancePlacement&InstanceId={apart}&GroupName=")).await;
    let alone = world.call(&format!("Action=ModifyInstancePlacement&InstanceId={part}&PartitionNumber=1")).await;
    assert_eq!(alone.status, 200, "a partition of one member may be another: {}", alone.body);
    world.golden("DescribeInstances.placed", &format!("Action=DescribeInstances&InstanceId.1={part}")).await;
    world.golden("DeletePlacementGroup", "Action=DeletePlacementGroup&GroupName=apart").await;
    world.refused("Action=DeletePlacementGroup&GroupName=apart", 400, "InvalidPlacementGroup.Unknown").await;
}
