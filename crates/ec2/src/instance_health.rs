//! How instances are: status checks, and what their guests wrote to the serial console.
//!
//! EC2 has two checks. The system's passes while the host reports; the instance's passes once the guest has used the network, and
//! fails when it has not done so in time.

use std::collections::HashMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use control::{Field, Filter, InstanceView, PAGE_MAX, Page, Query};
use jiff::Timestamp;
use model::{Instance, InstanceId, Noun, Phase, Seen, matches_pattern};
use wire::{FromArg, Show};

use crate::Cx;
use crate::error::Refusal;
use crate::filter::{self, AskedFilter};
use crate::instance::{InstanceState, state};
use crate::instance_event::EventItem;
use crate::page::{Paging, USUAL};
use crate::region::zone_id;
use crate::tag;

/// The newest console output that is shown, in bytes: EC2 documents 64 KB.
const CONSOLE_MAX: usize = 64 * 1024;

/// How long a guest may take from the instance's start until it uses the network, in milliseconds. A stock image that is booted
/// without hardware acceleration takes two minutes.
const GUEST_WITHIN_MS: i64 = 10 * 60 * 1000;

/// The parameters of `DescribeInstanceStatus`.
#[derive(FromArg)]
pub(crate) struct DescribeInstanceStatus {
    #[arg(name = "InstanceId")]
    ids: Vec<String>,
    #[arg(name = "Filter")]
    filters: Vec<AskedFilter>,
    #[arg(default)]
    include_all_instances: bool,
    #[arg(flatten)]
    paging: Paging,
}

/// The reply of `DescribeInstanceStatus`.
#[derive(Show)]
#[reply(rename = "camelCase")]
pub(crate) struct Statuses {
    instance_status_set: Vec<Status>,
    next_token: Option<String>,
}

#[derive(Show)]
#[reply(rename = "camelCase")]
struct Status {
    instance_id: String,
    availability_zone: String,
    availability_zone_id: String,
    instance_state: InstanceState,
    system_status: Check,
    instance_status: Check,
    #[reply(skip_empty)]
    events_set: Vec<EventItem>,
}

#[derive(Debug, PartialEq, Eq, Show)]
#[reply(rename = "camelCase")]
struct Check {
    status: &'static str,
    #[reply(skip_empty)]
    details: Vec<Detail>,
}

#[derive(Debug, PartialEq, Eq, Show)]
#[reply(rename = "camelCase")]
struct Detail {
    name: &'static str,
    status: &'static str,
}

impl Check {
    /// A check of which the summary and the reachability are these.
    fn of(status: &'static str, reachability: &'static str) -> Check {
        Check { status, details: vec![Detail { name: "reachability", status: reachability }] }
    }

    fn ok() -> Check {
        Check::of("ok", "passed")
    }

    fn initializing() -> Check {
        Check::of("initializing", "initializing")
    }

    fn not_applicable() -> Check {
        Check { status: "not-applicable", details: vec![] }
    }
}

/// Tells the checks and the events of instances: of running ones, unless all are asked for.
pub(crate) async fn describe_status(cx: Cx, asked: DescribeInstanceStatus) -> Result<Statuses, Refusal> {
    asked.paging.not_with_ids(&asked.ids)?;
    let pages = asked.paging.pages(&cx, USUAL, &asked.filters)?;
    let ids = tag::ids(Noun::Instance, &asked.ids)?;
    let (of_status, of_rows): (Vec<_>, Vec<_>) = asked.filters.iter().cloned().partition(|filter| is_of_status(&filter.name));
    let mut filters = filter::filters(&cx, filter::INSTANCE_STATUS, &of_rows)?;
    if !asked.include_all_instances {
        filters.push(Filter { field: Field::State, values: vec!["running".to_owned()] });
    }
    let mut events: HashMap<InstanceId, Vec<EventItem>> = HashMap::new();
    let now = cx.cloud.clock().now();
    for event in cx.cloud.events_of_instances(&cx.caller).await? {
        events.entry(event.instance).or_default().extend(EventItem::of(&event, now));
    }
    if of_status.is_empty() {
        let listed = cx.cloud.list_instances(&cx.caller, Query { ids, filters, page: pages.of_ids()? }).await?;
        let next_token = pages.after(listed.next);
        return Ok(Statuses { instance_status_set: statuses(&cx, listed.rows, &mut events).await?, next_token });
    }
    // What is told beside the rows can only be looked at row by row.
    let (mut all, mut page) = (vec![], Page::First(PAGE_MAX));
    loop {
        let listed = cx.cloud.list_instances(&cx.caller, Query { ids: ids.clone(), filters: filters.clone(), page }).await?;
        all.extend(statuses(&cx, listed.rows, &mut events).await?);
        match listed.next {
            Some(last) => page = Page::After { last, size: PAGE_MAX },
            None => break,
        }
    }
    all.retain(|status| of_status.iter().all(|filter| status.fits(filter)));
    let (instance_status_set, next_token) = pages.cut(all, |status| status.instance_id.clone());
    Ok(Statuses { instance_status_set, next_token })
}

/// Whether a filter is about what is told beside the rows of instances.
fn is_of_status(name: &str) -> bool {
    matches!(
        name,
        "event.code"
            | "event.description"
            | "event.instance-event-id"
            | "event.not-after"
            | "event.not-before"
            | "event.not-before-deadline"
            | "instance-status.reachability"
            | "instance-status.status"
            | "system-status.reachability"
            | "system-status.status"
    )
}

impl Status {
    fn fits(&self, filter: &AskedFilter) -> bool {
        let of_events = |value: fn(&EventItem) -> Option<String>| self.events_set.iter().filter_map(value).collect();
        let moment = |at: Option<Timestamp>| at.map(wire::time::to_millisecond);
        let has: Vec<String> = match filter.name.as_str() {
            "event.code" => of_events(|event| Some(event.code.to_owned())),
            "event.description" => of_events(|event| Some(event.description.clone())),
            "event.instance-event-id" => of_events(|event| Some(event.instance_event_id.clone())),
            "event.not-after" => self.events_set.iter().filter_map(|event| moment(event.not_after)).collect(),
            "event.not-before" => self.events_set.iter().filter_map(|event| moment(Some(event.not_before))).collect(),
            "event.not-before-deadline" => self.events_set.iter().filter_map(|event| moment(event.not_before_deadline)).collect(),
            "instance-status.reachability" => self.instance_status.details.iter().map(|detail| detail.status.to_owned()).collect(),
            "instance-status.status" => vec![self.instance_status.status.to_owned()],
            "system-status.reachability" => self.system_status.details.iter().map(|detail| detail.status.to_owned()).collect(),
            "system-status.status" => vec![self.system_status.status.to_owned()],
            _ => vec![],
        };
        filter.values.iter().any(|pattern| has.iter().any(|value| matches_pattern(pattern, value)))
    }
}

async fn statuses(cx: &Cx, views: Vec<InstanceView>, events: &mut HashMap<InstanceId, Vec<EventItem>>) -> Result<Vec<Status>, Refusal> {
    let heard = cx.cloud.hosts_heard(views.iter().map(|view| view.instance.host).collect()).await?;
    let now = cx.cloud.clock().now();
    let mut told = Vec::with_capacity(views.len());
    for view in views {
        let instance = view.instance;
        let checks = checks(instance.phase, instance.seen.as_ref(), heard.contains(&instance.host), now.since(instance.started_at));
        told.push(status(cx, &instance, checks, events.remove(&instance.id).unwrap_or_default()));
    }
    Ok(told)
}

/// The system's check and the instance's, of an instance that was started so many milliseconds ago.
fn checks(phase: Phase, seen: Option<&Seen>, host_heard: bool, started_ms: i64) -> [Check; 2] {
    let guest_up = seen.is_some_and(|seen| seen.guest_up);
    let faulty = seen.is_some_and(|seen| seen.fault.is_some()) || (!guest_up && started_ms > GUEST_WITHIN_MS);
    match phase {
        Phase::Running if !host_heard => [Check::of("impaired", "failed"), Check::of("insufficient-data", "insufficient-data")],
        Phase::Running if faulty => [Check::ok(), Check::of("impaired", "failed")],
        Phase::Running if guest_up => [Check::ok(), Check::ok()],
        Phase::Running => [Check::ok(), Check::initializing()],
        Phase::Launching { .. } | Phase::Starting { .. } => [Check::initializing(), Check::initializing()],
        Phase::Stopping { .. } | Phase::Stopped | Phase::Terminating { .. } | Phase::Terminated => {
            [Check::not_applicable(), Check::not_applicable()]
        }
    }
}

fn status(cx: &Cx, instance: &Instance, [system, guest]: [Check; 2], events_set: Vec<EventItem>) -> Status {
    Status {
        instance_id: instance.id.to_string(),
        availability_zone: instance.zone.clone(),
        availability_zone_id: zone_id(cx, &instance.zone),
        instance_state: state(instance.phase),
        system_status: system,
        instance_status: guest,
        events_set,
    }
}

/// The parameters of `GetConsoleOutput`.
#[derive(FromArg)]
pub(crate) struct GetConsoleOutput {
    instance_id: String,
    #[expect(dead_code, reason = "the output is always the latest")]
    latest: Option<bool>,
}

/// The reply of `GetConsoleOutput`.
#[derive(Show)]
#[reply(rename = "camelCase")]
pub(crate) struct ConsoleOutput {
    instance_id: String,
    timestamp: Timestamp,
    #[reply(skip_empty)]
    output: String,
}

/// Tells what the guest of an instance wrote to its serial console.
pub(crate) async fn console_output(cx: Cx, asked: GetConsoleOutput) -> Result<ConsoleOutput, Refusal> {
    let id: InstanceId = tag::id(Noun::Instance, &asked.instance_id)?;
    let written = cx.cloud.console_output(&cx.caller, id).await?;
    let newest = &written.bytes[written.bytes.len().saturating_sub(CONSOLE_MAX)..];
    Ok(ConsoleOutput { instance_id: asked.instance_id, timestamp: written.at.timestamp(), output: STANDARD.encode(newest) })
}

/// The parameters of `GetPasswordData`.
#[derive(FromArg)]
pub(crate) struct GetPasswordData {
    instance_id: String,
}

/// The reply of `GetPasswordData`.
#[derive(Show)]
#[reply(rename = "camelCase")]
pub(crate) struct PasswordData {
    instance_id: String,
    timestamp: Timestamp,
    password_data: &'static str,
}

/// Tells the administrator's password that a guest with Windows made up; guests with Linux have none, and EC2 tells it as empty.
pub(crate) async fn password_data(cx: Cx, asked: GetPasswordData) -> Result<PasswordData, Refusal> {
    let view = cx.cloud.instance_view(&cx.caller, tag::id(Noun::Instance, &asked.instance_id)?).await?;
    let timestamp = view.instance.created_at.timestamp();
    Ok(PasswordData { instance_id: asked.instance_id, timestamp, password_data: "" })
}

#[cfg(test)]
mod tests {
    use model::SeenState;

    use super::*;

    #[test]
    fn a_guest_that_says_nothing_in_time_is_impaired() {
        let silent =
            Seen { state: SeenState::Running, boot: 0, guest_up: false, disks: Default::default(), nics: Default::default(), fault: None };
        let speaking = Seen { guest_up: true, ..silent.clone() };
        let guest = |seen, started_ms| {
            let [_, guest] = checks(Phase::Running, Some(seen), true, started_ms);
            guest.status
        };
        assert_eq!(guest(&silent, GUEST_WITHIN_MS), "initializing");
        assert_eq!(guest(&silent, GUEST_WITHIN_MS + 1), "impaired");
        assert_eq!(guest(&speaking, GUEST_WITHIN_MS + 1), "ok");
        let [system, guest] = checks(Phase::Running, Some(&speaking), false, 0);
        assert_eq!((system.status, guest.status), ("impaired", "insufficient-data"), "what a silent host has is not known");
    }
}
