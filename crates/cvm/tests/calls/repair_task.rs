//! Repair tasks, as CVM's clients read them and give leave to them.

use control::{EventTarget, NewInstanceEvent};
use model::{EventCause, EventImpact, Millis};
use serde_json::json;

use crate::world::{NOON, World};

#[tokio::test]
async fn maintenance_is_listed_and_given_leave() {
    let world = World::new().await;
    let id = world.run("").await.remove(0);
    world.settle().await;
    let plan = NewInstanceEvent {
        cause: EventCause::SystemMaintenance,
        impact: EventImpact::Reboot,
        not_before: NOON.after(24 * 3_600_000),
        not_after: None,
        deadline: None,
        reason: "new memory".to_owned(),
    };
    let instance = id.replace("ins-", "i-").parse().unwrap();
    let planned = world.cloud.instance_event_plan(EventTarget::Instance(instance), plan).await.unwrap();
    let waiting = world.golden("DescribeTaskInfo.json", "DescribeTaskInfo", r#"{"TaskStatus": [1]}"#).await;
    let task = waiting["RepairTaskInfoSet"][0]["TaskId"].as_str().unwrap().to_owned();
    assert_eq!(task, planned[0].id.to_string().replace("e-", "rep-"));
    for (filter, found) in [
        (json!({"TaskIds": [task]}), 1),
        (json!({"TaskTypeIds": [101]}), 0),
        (json!({"Product": "CDH"}), 0),
        (json!({"Aliases": ["nobody"]}), 0),
        (json!({"StartDate": "2026-11-20 20:00:01"}), 0),
        (json!({"EndDate": "2026-11-20 20:00:00", "StartDate": "2026-11-20 20:00:00", "Order": 1, "OrderField": "AuthTime"}), 1),
    ] {
        let listed = world.json("DescribeTaskInfo", &filter.to_string()).await;
        assert_eq!(listed["TotalCount"], found, "{filter}");
    }
    let control =
        |more: &str| format!(r#"{{"Product": "CVM", "InstanceIds": ["{id}"], "TaskId": "{task}", "Operate": "AuthorizeRepair"{more}}}"#);
    for wrong in ["2026-11-20 20:01:00", "2026-11-23 20:00:00", "soon"] {
        let body = control(&format!(r#", "OrderAuthTime": "{wrong}""#));
        world.refused("RepairTaskControl", &body, "InvalidParameterValue").await;
    }
    world.refused("RepairTaskControl", &control("").replace(&id, "ins-00000000000000001"), "ResourceNotFound").await;
    world.json("RepairTaskControl", &control(r#", "OrderAuthTime": "2026-11-20 21:00:00""#)).await;
    let ordered = world.json("DescribeTaskInfo", r#"{"TaskStatus": [4]}"#).await;
    assert_eq!(ordered["RepairTaskInfoSet"][0]["AuthSource"], "Customer_auth");
    world.golden("RepairTaskControl.json", "RepairTaskControl", &control("")).await;
    world.settle().await;
    let row = world.cloud.store().get::<model::Instance>(instance).await.unwrap().unwrap();
    assert_eq!(row.boot, 2, "it was restarted");
    world.cloud.clock().set(Millis(NOON.0 + model::INSTANCE_EVENT_LOOK_MS));
    world.settle().await;
    let over = world.json("DescribeTaskInfo", "{}").await;
    assert_eq!(over["RepairTaskInfoSet"][0]["TaskStatus"], 3, "{over}");
    world.refused("RepairTaskControl", &control(""), "UnsupportedOperation.InvalidState").await;
}
