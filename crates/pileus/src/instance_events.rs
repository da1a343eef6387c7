//! `pileus event`: maintenance of instances, planned, listed and called off.

use anyhow::{Context, Result};
use control::{Cloud, EventTarget, NewInstanceEvent};
use model::{EventCause, EventImpact, InstanceEvent, InstanceEventId, InstanceId, Millis};
use serde_json::{Value, json};

use crate::arguments::{EventAction, EventCode, Events};
use crate::client::{ask, block_on};
use crate::operator::word;
use crate::state::StateFolder;

/// `pileus event`.
pub fn command(events: &Events) -> Result<()> {
    let folder = StateFolder::at(&events.state.folder)?;
    let ask = |path: &str, arguments: Value| block_on(ask(&folder, path, &arguments));
    match &events.action {
        EventAction::Plan(plan) => {
            let arguments = json!({
                "instance": plan.instance, "host": plan.host, "not_before": plan.not_before, "not_after": plan.not_after,
                "deadline": plan.deadline, "reason": plan.reason,
                "code": match plan.code { EventCode::InstanceReboot => "instance-reboot", EventCode::InstanceStop => "instance-stop" },
            });
            print(&ask("/event/plan", arguments)?);
        }
        EventAction::List => print(&ask("/event/list", Value::Null)?),
        EventAction::Cancel { event } => {
            ask("/event/cancel", json!({ "event": event }))?;
            println!("Called off.");
        }
    }
    Ok(())
}

fn print(rows: &Value) {
    println!("{:<19} {:<19} {:<15} {:<9} {:<20} description", "event", "instance", "code", "state", "not before");
    for row in rows.as_array().into_iter().flatten() {
        let text = |name: &str| row[name].as_str().unwrap_or_default();
        let (event, instance, code, state) = (text("id"), text("instance"), text("code"), text("state"));
        println!("{event:<19} {instance:<19} {code:<15} {state:<9} {:<20} {}", text("not_before"), text("reason"));
    }
}

/// Answers the command in the cloud that runs; `what` is what follows `/event/` in the path.
pub async fn answer(cloud: &Cloud, what: &str, arguments: &Value) -> Result<Value> {
    match what {
        "plan" => {
            let target = match (arguments["instance"].as_str(), arguments["host"].as_str()) {
                (Some(id), None) => EventTarget::Instance(id.parse::<InstanceId>().context("that is no instance's id")?),
                (None, Some(name)) => EventTarget::Host(name.to_owned()),
                (Some(_), Some(_)) | (None, None) => anyhow::bail!("an event is for one instance, or for one host"),
            };
            let impact = match word(arguments, "code")? {
                "instance-reboot" => EventImpact::Reboot,
                "instance-stop" => EventImpact::Stop,
                other => anyhow::bail!("there is no code '{other}'"),
            };
            let plan = NewInstanceEvent {
                cause: EventCause::SystemMaintenance,
                impact,
                not_before: moment(arguments, "not_before")?.context("the time is missing")?,
                not_after: moment(arguments, "not_after")?,
                deadline: moment(arguments, "deadline")?,
                reason: word(arguments, "reason")?.to_owned(),
            };
            Ok(rows(&cloud.instance_event_plan(target, plan).await?))
        }
        "list" => Ok(rows(&cloud.instance_events().await?)),
        "cancel" => {
            let id: InstanceEventId =
                word(arguments, "event")?.parse().context("that is no event's id; `pileus event list` prints them")?;
            cloud.instance_event_cancel(id).await?;
            Ok(Value::Null)
        }
        _ => anyhow::bail!("there is no such question about events"),
    }
}

fn moment(arguments: &Value, name: &str) -> Result<Option<Millis>> {
    let Some(text) = arguments[name].as_str() else { return Ok(None) };
    let read = wire::time::parse(text).with_context(|| format!("'{text}' is no time; write it as 2026-11-22T12:00:00Z"))?;
    Ok(Some(Millis(read.as_millisecond())))
}

fn rows(events: &[InstanceEvent]) -> Value {
    let row = |event: &InstanceEvent| {
        let code = match event.impact {
            EventImpact::Reboot | EventImpact::Redeploy => "instance-reboot",
            EventImpact::Stop => "instance-stop",
        };
        json!({
            "id": event.id.to_string(), "instance": event.instance.to_string(), "code": code, "state": event.state.word(),
            "not_before": wire::time::to_second(event.not_before.timestamp()), "reason": event.reason,
        })
    };
    Value::Array(events.iter().map(row).collect())
}
