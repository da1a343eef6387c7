//! Capacity reservations: made, listed, launched into, changed and cancelled.

use crate::world::{World, elements};

#[tokio::test]
async fn a_capacity_reservation_is_made_used_changed_and_cancelled() {
    let world = World::new().await;
    let create = "Action=CreateCapacityReservation&InstanceType=t3.nano&InstancePlatform=Linux/UNIX";
    let tags = "TagSpecifications.1.ResourceType=capacity-reservation&TagSpecifications.1.Tag.1.Key=a&TagSpecifications.1.Tag.1.Value=b";
    let made = world
        .golden(
            "CreateCapacityReservation",
            &format!("{create}&AvailabilityZone=test-1a&InstanceCount=2&InstanceMatchCriteria=targeted&{tags}"),
        )
        .await;
    let id = elements(&made, "capacityReservationId").remove(0);
    let target = format!("CapacityReservationSpecification.CapacityReservationTarget.CapacityReservationId={id}");
    let inside = world.run(&format!("MinCount=1&MaxCount=1&{target}")).await.remove(0);
    let zone = elements(&made, "availabilityZoneId").remove(0);
    let limited = format!("{create}&AvailabilityZoneId={zone}&InstanceCount=1&EndDateType=limited&EndDate=2026-11-21T00:00:00Z");
    let open = elements(&world.golden("CreateCapacityReservation.limited", &limited).await, "capacityReservationId").remove(0);
    world.golden("DescribeCapacityReservations", "Action=DescribeCapacityReservations").await;
    for (filter, found) in [
        ("instance-match-criteria&Filter.1.Value.1=open", &[open.clone()][..]),
        ("state&Filter.1.Value.1=active", &[id.clone(), open.clone()]),
        ("instance-type&Filter.1.Value.1=t3.nano", &[id.clone(), open.clone()]),
        ("availability-zone&Filter.1.Value.1=test-1b", &[]),
        ("instance-platform&Filter.1.Value.1=Windows", &[]),
        ("tag:a&Filter.1.Value.1=b", std::slice::from_ref(&id)),
    ] {
        let reply = world.call(&format!("Action=DescribeCapacityReservations&Filter.1.Name={filter}")).await;
        assert_eq!(elements(&reply.body, "capacityReservationId"), found, "{filter}");
    }
    world.golden("GetCapacityReservationUsage", &format!("Action=GetCapacityReservationUsage&CapacityReservationId={id}")).await;
    let found = world.call(&format!("Action=DescribeInstances&Filter.1.Name=capacity-reservation-id&Filter.1.Value.1={id}")).await;
    assert_eq!(elements(&found.body, "instanceId"), std::slice::from_ref(&inside));
    world.golden("DescribeInstances.reserved", &format!("Action=DescribeInstances&InstanceId.1={inside}")).await;
    let image = world.image("pileus-linux").await;
    let launch = format!("Action=RunInstances&ImageId={image}&InstanceType=t3.nano");
    let only = "CapacityReservationSpecification.CapacityReservationPreference=capacity-reservations-only";
    let template = "Action=CreateLaunchTemplate&LaunchTemplateName=tpl&LaunchTemplateData.CapacityReservationSpecification";
    world.call(&format!("{template}.CapacityReservationPreference=none")).await;
    world.golden("DescribeLaunchTemplateVersions.capacity", "Action=DescribeLaunchTemplateVersions&LaunchTemplateName=tpl").await;
    let outside = world.run("MinCount=1&MaxCount=1&LaunchTemplate.LaunchTemplateName=tpl").await.remove(0);
    let shown = world.call(&format!("Action=DescribeInstances&InstanceId.1={outside}")).await;
    assert_eq!(elements(&shown.body, "capacityReservationPreference"), ["none"]);
    let modify = format!("Action=ModifyCapacityReservation&CapacityReservationId={id}");
    let attributes = format!("Action=ModifyInstanceCapacityReservationAttributes&InstanceId={inside}&CapacityReservationSpecification");
    for (form, status, code) in [
        (format!("{launch}&MinCount=2&MaxCount=2&{target}"), 400, "ReservationCapacityExceeded"),
        (format!("{launch}&MinCount=2&MaxCount=2&{only}"), 400, "ReservationCapacityExceeded"),
        (
            format!("{launch}&MinCount=1&MaxCount=1&{target}&CapacityReservationSpecification.CapacityReservationPreference=open"),
            400,
            "InvalidParameterCombination",
        ),
        (
            format!("{launch}&MinCount=1&MaxCount=1&{}", target.replace(&id, "cr-00000000000000001")),
            400,
            "InvalidCapacityReservationId.NotFound",
        ),
        (format!("{create}&AvailabilityZone=test-1a&InstanceCount=500"), 500, "InsufficientInstanceCapacity"),
        (format!("{create}&AvailabilityZone=test-1a&InstanceCount=0"), 400, "InvalidParameterValue"),
        (format!("{create}&InstanceCount=1"), 400, "MissingParameter"),
        (format!("{create}&AvailabilityZone=test-1a&InstanceCount=1&Tenancy=dedicated"), 400, "UnsupportedOperation"),
        (format!("{create}&AvailabilityZone=test-1a&InstanceCount=1&EndDateType=limited"), 400, "InvalidParameterCombination"),
        (
            format!("{create}&AvailabilityZone=test-1a&InstanceCount=1&EndDateType=limited&EndDate=2020-01-01T00:00:00Z"),
            400,
            "InvalidParameterValue",
        ),
        (format!("{create}&AvailabilityZone=test-1a&InstanceCount=1&StartDate=2027-01-01T00:00:00Z"), 400, "UnsupportedOperation"),
        (modify.clone(), 400, "MissingParameter"),
        ("Action=CancelCapacityReservation&CapacityReservationId=cr-1".to_owned(), 400, "InvalidCapacityReservationId.Malformed"),
        (format!("{attributes}.CapacityReservationPreference=none"), 400, "IncorrectInstanceState"),
    ] {
        world.refused(&form, status, code).await;
    }
    world.golden("ModifyCapacityReservation", &format!("{modify}&InstanceCount=3&EndDateType=unlimited")).await;
    world.settle().await;
    world.call(&format!("Action=StopInstances&InstanceId.1={inside}&Force=true")).await;
    world.settle().await;
    let usage = world.call(&format!("Action=GetCapacityReservationUsage&CapacityReservationId={id}")).await;
    assert_eq!(elements(&usage.body, "availableInstanceCount"), ["3"], "a stop gives its room back to the reservation");
    let name = "ModifyInstanceCapacityReservationAttributes";
    world.golden(name, &format!("{attributes}.CapacityReservationPreference=none")).await;
    world.golden("CancelCapacityReservation", &format!("Action=CancelCapacityReservation&CapacityReservationId={id}")).await;
    world.refused(&format!("Action=CancelCapacityReservation&CapacityReservationId={id}"), 400, "InvalidCapacityReservationState").await;
    let usage = world.call(&format!("Action=GetCapacityReservationUsage&CapacityReservationId={id}")).await;
    assert_eq!(
        (elements(&usage.body, "state"), elements(&usage.body, "availableInstanceCount")),
        (vec!["cancelled".into()], vec!["0".into()])
    );
}
