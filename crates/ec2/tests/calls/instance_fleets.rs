//! Fleets: made at once and in the background, listed, changed and deleted.

use crate::world::{World, elements};

const ABSENT: &str = "fleet-00000000000000001";

#[tokio::test]
async fn a_fleet_is_made_filled_changed_and_deleted() {
    let world = World::new().await;
    let image = world.image("pileus-linux").await;
    let template = format!(
        "Action=CreateLaunchTemplate&LaunchTemplateName=web&LaunchTemplateData.ImageId={image}&LaunchTemplateData.InstanceType=t3.nano"
    );
    let template = elements(&world.call(&template).await.body, "launchTemplateId").remove(0);
    let config = format!("LaunchTemplateConfigs.1.LaunchTemplateSpecification.LaunchTemplateId={template}");
    let version = "LaunchTemplateConfigs.1.LaunchTemplateSpecification.Version=$Latest";
    let target = "TargetCapacitySpecification.TotalTargetCapacity=3&TargetCapacitySpecification.DefaultTargetCapacityType=on-demand";
    let overrides = "LaunchTemplateConfigs.1.Overrides.1.InstanceType=t3.micro&LaunchTemplateConfigs.1.Overrides.1.WeightedCapacity=1.5\
        &LaunchTemplateConfigs.1.Overrides.1.Priority=2&LaunchTemplateConfigs.1.Overrides.2.InstanceType=m7i.16xlarge\
        &LaunchTemplateConfigs.1.Overrides.2.Priority=1&OnDemandOptions.AllocationStrategy=prioritized";
    let instant = format!("Action=CreateFleet&Type=instant&{config}&{version}&{target}&{overrides}");
    let made = world.golden("CreateFleet.instant", &instant).await;
    assert_eq!(elements(&made, "errorCode"), ["InsufficientInstanceCapacity"]);
    let instant = elements(&made, "fleetId").remove(0);
    let listed = world.golden("DescribeFleets.instant", &format!("Action=DescribeFleets&FleetId.1={instant}")).await;
    assert_eq!(elements(&listed, "fulfilledCapacity"), ["3.0"]);
    let tags = "TagSpecification.1.ResourceType=fleet&TagSpecification.1.Tag.1.Key=a&TagSpecification.1.Tag.1.Value=b";
    let kept = world.golden("CreateFleet", &format!("Action=CreateFleet&{config}&{target}&{tags}&ReplaceUnhealthyInstances=true")).await;
    let kept = elements(&kept, "fleetId").remove(0);
    for value in ["pending-fulfillment", "pending_fulfillment"] {
        let reply = world.call(&format!("Action=DescribeFleets&Filter.1.Name=activity-status&Filter.1.Value.1={value}")).await;
        assert_eq!(
            (elements(&reply.body, "fleetId"), elements(&reply.body, "activityStatus")),
            (vec![kept.clone()], vec!["pending_fulfillment".to_owned()])
        );
    }
    world.settle().await;
    world.golden("DescribeFleets", "Action=DescribeFleets").await;
    world.golden("DescribeFleetInstances", &format!("Action=DescribeFleetInstances&FleetId={kept}")).await;
    let history = format!("Action=DescribeFleetHistory&FleetId={kept}&StartTime=2026-11-20T00:00:00Z");
    world.golden("DescribeFleetHistory", &history).await;
    let changes = world.call(&format!("{history}&EventType=fleet-change")).await;
    assert_eq!(elements(&changes.body, "eventSubType"), ["submitted", "active", "progress"]);
    for (filter, found) in [
        ("type&Filter.1.Value.1=maintain", std::slice::from_ref(&kept)),
        ("fleet-state&Filter.1.Value.1=deleted*", &[]),
        ("activity-status&Filter.1.Value.1=fulfilled", std::slice::from_ref(&kept)),
        ("activity-status&Filter.1.Value.1=pending*", &[]),
        ("tag:a&Filter.1.Value.1=b", std::slice::from_ref(&kept)),
    ] {
        let reply = world.call(&format!("Action=DescribeFleets&Filter.1.Name={filter}")).await;
        assert_eq!(elements(&reply.body, "fleetId"), found, "{filter}");
    }
    let spot = "TargetCapacitySpecification.TotalTargetCapacity=3&TargetCapacitySpecification";
    let create = format!("Action=CreateFleet&{config}");
    for (form, status, code) in [
        (format!("{create}&{spot}.DefaultTargetCapacityType=spot"), 400, "UnsupportedOperation"),
        (format!("{create}&{spot}.SpotTargetCapacity=1"), 400, "UnsupportedOperation"),
        (format!("{create}&{target}&SpotOptions.AllocationStrategy=diversified"), 400, "UnsupportedOperation"),
        (format!("{create}&{target}&LaunchTemplateConfigs.1.Overrides.1.WeightedCapacity=-1"), 400, "InvalidParameterValue"),
        (format!("{create}&{target}&LaunchTemplateConfigs.1.Overrides.1.WeightedCapacity=0"), 400, "InvalidParameterValue"),
        (format!("{create}&{target}&OnDemandOptions.SingleInstanceType=true"), 400, "InvalidParameterCombination"),
        (format!("{create}&{target}&ValidUntil=2020-01-01T00:00:00Z"), 400, "InvalidParameterValue"),
        (format!("Action=CreateFleet&{target}"), 400, "MissingParameter"),
        (create.clone(), 400, "MissingParameter"),
        (format!("{create}&{target}&DryRun=true"), 412, "DryRunOperation"),
        (format!("Action=DescribeFleets&FleetId.1={ABSENT}"), 400, "InvalidFleetId.NotFound"),
        ("Action=DescribeFleetInstances&FleetId=fleet-1".to_owned(), 400, "InvalidFleetId.Malformed"),
        (format!("Action=ModifyFleet&FleetId={instant}&TargetCapacitySpecification.TotalTargetCapacity=9"), 400, "UnsupportedOperation"),
    ] {
        world.refused(&form, status, code).await;
    }
    let modify = format!("Action=ModifyFleet&FleetId={kept}&TargetCapacitySpecification.TotalTargetCapacity=1");
    world.golden("ModifyFleet", &modify).await;
    world.settle().await;
    let left = world.call(&format!("Action=DescribeFleetInstances&FleetId={kept}")).await;
    assert_eq!(elements(&left.body, "instanceId").len(), 1);
    let delete = |terminate: bool| {
        format!("Action=DeleteFleets&FleetId.1={kept}&FleetId.2={instant}&FleetId.3={ABSENT}&FleetId.4=x&TerminateInstances={terminate}")
    };
    let some = world.golden("DeleteFleets", &delete(false)).await;
    assert_eq!(elements(&some, "code"), ["fleetNotInDeletableState", "fleetIdDoesNotExist", "fleetIdMalformed"]);
    let all = world.call(&delete(true)).await;
    assert_eq!(elements(&all.body, "currentFleetState"), ["deleted_terminating", "deleted_terminating"]);
    world.settle().await;
    let states = world.call(&format!("Action=DescribeFleets&FleetId.1={kept}&FleetId.2={instant}")).await;
    assert_eq!(elements(&states.body, "fleetState"), ["deleted", "deleted"]);
}
