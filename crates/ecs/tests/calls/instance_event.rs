//! System events of instances, as ECS's clients rehearse and read them.

use crate::world::{NOON, World};

#[tokio::test]
async fn events_are_rehearsed_listed_moved_and_called_off() {
    let world = World::new().await;
    let ids = world.run("Amount=2").await;
    world.settle().await;
    let at = NOON.after(3_600_000).timestamp().to_string();
    let asked = format!("InstanceId.1={}&InstanceId.2={}&EventType=SystemMaintenance.Reboot&NotBefore={at}", ids[0], ids[1]);
    let made = world.golden("CreateSimulatedSystemEvents.json", &format!("Action=CreateSimulatedSystemEvents&{asked}")).await;
    let made: serde_json::Value = serde_json::from_str(&made).unwrap();
    let events: Vec<String> = made["EventIdSet"]["EventId"].as_array().unwrap().iter().map(|id| id.as_str().unwrap().to_owned()).collect();
    assert_eq!(events.len(), 2, "{made}");
    world.golden("DescribeInstancesFullStatus.json", &format!("Action=DescribeInstancesFullStatus&EventId.1={}", events[0])).await;
    let none = world.json("Action=DescribeInstanceHistoryEvents").await;
    assert_eq!(none["TotalCount"], 0, "what has not ended is shown when it is asked for");
    let moved = NOON.after(1_800_000).timestamp().to_string();
    let change = format!("Action=ModifySystemEventAttribute&EventId={}&InstanceId={}&NotBefore={moved}", events[0], ids[0]);
    world.golden("ModifySystemEventAttribute.json", &change).await;
    world.refused(&change.replace(&ids[0], &ids[1]), 404, "InvalidEventId.NotFound").await;
    world.golden("CancelSimulatedSystemEvents.json", &format!("Action=CancelSimulatedSystemEvents&EventId.1={}", events[1])).await;
    let listed =
        "Action=DescribeInstanceHistoryEvents&InstanceEventCycleStatus.1=Scheduled&InstanceEventCycleStatus.2=Canceled&MaxResults=10";
    world.golden("DescribeInstanceHistoryEvents.json", listed).await;
    let accepted = format!("Action=AcceptInquiredSystemEvent&EventId={}", events[0]);
    world.golden("AcceptInquiredSystemEvent.json", &accepted).await;
    world.settle().await;
    let executing = world.json("Action=DescribeInstanceHistoryEvents&EventCycleStatus=Executing").await;
    assert_eq!(executing["InstanceSystemEventSet"]["InstanceSystemEventType"][0]["EventId"], events[0].as_str());
    for (parameters, status, code) in [
        (format!("Action=CreateSimulatedSystemEvents&{asked}&TriggerRealOps=true"), 400, "UnsupportedParameter"),
        (format!("Action=CreateSimulatedSystemEvents&{asked}").replace("2026", "2020"), 400, "InvalidParameter"),
        (format!("Action=CreateSimulatedSystemEvents&{asked}").replace("Maintenance.Reboot", "Maintenance.Dance"), 400, "InvalidParameter"),
        (accepted, 403, "InvalidOperation.EventStatus"),
        (format!("Action=CancelSimulatedSystemEvents&EventId.1={}", events[1]), 403, "InvalidOperation.EventStatus"),
        ("Action=CancelSimulatedSystemEvents&EventId.1=e-00000000000000001".to_owned(), 404, "InvalidEventId.NotFound"),
        ("Action=CancelSimulatedSystemEvents".to_owned(), 400, "MissingParameter"),
    ] {
        world.refused(&parameters, status, code).await;
    }
}
