//! Scheduled events and checks of instances, as EC2's clients read and filter them.

use control::{EventTarget, NewInstanceEvent};
use model::{EventCause, EventImpact};

use crate::world::{World, elements};

#[tokio::test]
async fn events_are_told_moved_and_filtered_by() {
    let world = World::new().await;
    let ids = world.run("MinCount=2&MaxCount=2").await;
    world.settle().await;
    let at = testcloud::NOON.after(3_600_000);
    let plan = NewInstanceEvent {
        cause: EventCause::SystemMaintenance,
        impact: EventImpact::Reboot,
        not_before: at,
        not_after: Some(at.after(600_000)),
        deadline: Some(at.after(7_200_000)),
        reason: "new memory".to_owned(),
    };
    world.cloud.instance_event_plan(EventTarget::Instance(ids[0].parse().unwrap()), plan).await.unwrap();
    let told = world.golden("DescribeInstanceStatus.events", &format!("Action=DescribeInstanceStatus&InstanceId.1={}", ids[0])).await;
    let event = elements(&told, "instanceEventId").remove(0);
    for (name, value, found) in [
        ("event.code", "instance-reboot", &ids[..1]),
        ("event.code", "instance-stop", &[]),
        ("event.description", "new*", &ids[..1]),
        ("event.instance-event-id", event.as_str(), &ids[..1]),
        ("event.not-before", "2026-11-20T13:00:00.000Z", &ids[..1]),
        ("event.not-before-deadline", "2026-11-20T15:*", &ids[..1]),
        ("event.not-after", "2026-11-20T13:10:00.000Z", &ids[..1]),
        ("instance-status.status", "ok", &ids[..]),
        ("instance-status.reachability", "passed", &ids[..]),
        ("instance-status.status", "impaired", &[]),
        ("system-status.status", "ok", &ids[..]),
        ("system-status.reachability", "failed", &[]),
    ] {
        let reply = world.call(&format!("Action=DescribeInstanceStatus&Filter.1.Name={name}&Filter.1.Value.1={value}")).await;
        assert_eq!(reply.status, 200, "{}", reply.body);
        assert_eq!(elements(&reply.body, "instanceId"), found, "{name}={value}");
    }
    let modify = |instance: &str, at: &str| {
        format!("Action=ModifyInstanceEventStartTime&InstanceId={instance}&InstanceEventId={event}&NotBefore={at}")
    };
    world.golden("ModifyInstanceEventStartTime", &modify(&ids[0], "2026-11-20T14:00:00Z")).await;
    world.refused(&modify(&ids[0], "2026-11-20T15:00:01Z"), 400, "InvalidParameterValue").await;
    world.refused(&modify(&ids[0], "2026-11-20T11:00:00Z"), 400, "InvalidParameterValue").await;
    world.refused(&modify(&ids[1], "2026-11-20T14:00:00Z"), 400, "InvalidInstanceEventIDNotFound").await;
    world.refused(&modify(&ids[0], "2026-11-20T14:00:00Z").replace("instance-event-", "e-"), 400, "InvalidParameterValue").await;
}
