//! System events of instances: what is planned, what was, and rehearsals of them.

use std::collections::HashMap;

use control::{AcceptInstanceEvent, CancelRehearsedEvents, Query, RehearseInstanceEvents, RescheduleInstanceEvent};
use jiff::Timestamp;
use model::{EventCause, EventEnd, EventImpact, EventState, InstanceEvent, InstanceEventId, InstanceId, Millis, Noun, Phase, Seen};
use wire::{FromArg, Show};

use crate::Cx;
use crate::error::Fault;
use crate::filter::{self, Filters};
use crate::instance::{INSTANCES_PER_CALL, Status, ids, in_state};
use crate::page::{Numbered, Numbers, PAGE_SIZE, PAGE_SIZE_MAX, Paging, read_token, write_token};

/// Events that one call may name (ECS documents 100).
const EVENTS_PER_CALL: usize = 100;
/// Types and states that one call may name (ECS documents 30 and 7).
const WORDS_PER_CALL: usize = 30;
/// How long a guest may take until it uses the network, in milliseconds, before it counts as impaired.
const GUEST_WITHIN_MS: i64 = 10 * 60 * 1000;

/// The types of events that there are here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromArg)]
enum EventType {
    #[arg(name = "SystemMaintenance.Reboot")]
    MaintenanceReboot,
    #[arg(name = "SystemMaintenance.Stop")]
    MaintenanceStop,
    #[arg(name = "SystemMaintenance.Redeploy")]
    MaintenanceRedeploy,
    #[arg(name = "SystemFailure.Reboot")]
    FailureReboot,
    #[arg(name = "SystemFailure.Stop")]
    FailureStop,
    #[arg(name = "SystemFailure.Redeploy")]
    FailureRedeploy,
    #[arg(name = "InstanceFailure.Reboot")]
    InstanceReboot,
}

impl EventType {
    const fn parts(self) -> (EventCause, EventImpact) {
        match self {
            EventType::MaintenanceReboot => (EventCause::SystemMaintenance, EventImpact::Reboot),
            EventType::MaintenanceStop => (EventCause::SystemMaintenance, EventImpact::Stop),
            EventType::MaintenanceRedeploy => (EventCause::SystemMaintenance, EventImpact::Redeploy),
            EventType::FailureReboot => (EventCause::SystemFailure, EventImpact::Reboot),
            EventType::FailureStop => (EventCause::SystemFailure, EventImpact::Stop),
            EventType::FailureRedeploy => (EventCause::SystemFailure, EventImpact::Redeploy),
            EventType::InstanceReboot => (EventCause::InstanceFailure, EventImpact::Reboot),
        }
    }
}

/// ECS's number and name of an event's type. The numbers are a list's of ours: clients go by the names.
fn type_of(event: &InstanceEvent) -> Coded {
    let (code, cause) = match event.cause {
        EventCause::SystemMaintenance => (0, "SystemMaintenance"),
        EventCause::SystemFailure => (10, "SystemFailure"),
        EventCause::InstanceFailure => (20, "InstanceFailure"),
    };
    let (more, impact) = match event.impact {
        EventImpact::Reboot => (1, "Reboot"),
        EventImpact::Stop => (2, "Stop"),
        EventImpact::Redeploy => (3, "Redeploy"),
    };
    Coded { code: code + more, name: format!("{cause}.{impact}") }
}

/// The same of its state.
fn cycle_status(event: &InstanceEvent) -> Coded {
    let (code, name) = match event.state {
        EventState::Scheduled => (24, "Scheduled"),
        EventState::Executing { .. } => (26, "Executing"),
        EventState::Ended { how: EventEnd::Executed, .. } => (28, "Executed"),
        EventState::Ended { how: EventEnd::Avoided, .. } => (30, "Avoided"),
        EventState::Ended { how: EventEnd::Cancelled, .. } => (32, "Canceled"),
        EventState::Ended { how: EventEnd::Failed, .. } => (34, "Failed"),
    };
    Coded { code, name: name.to_owned() }
}

#[derive(Debug, Clone, PartialEq, Eq, Show)]
struct Coded {
    code: u32,
    name: String,
}

/// A span of time, either end of which may be absent.
#[derive(FromArg)]
struct Span {
    start: Option<Timestamp>,
    end: Option<Timestamp>,
}

impl Span {
    fn holds(span: Option<&Span>, at: Millis) -> bool {
        let at = at.timestamp();
        span.is_none_or(|span| span.start.is_none_or(|start| at >= start) && span.end.is_none_or(|end| at <= end))
    }
}

/// `DescribeInstanceHistoryEvents`.
#[derive(FromArg)]
pub(crate) struct DescribeInstanceHistoryEvents {
    instance_id: Option<String>,
    #[arg(name = "EventId", max_items = EVENTS_PER_CALL)]
    event_ids: Vec<String>,
    event_cycle_status: Option<String>,
    #[arg(name = "InstanceEventCycleStatus", max_items = WORDS_PER_CALL)]
    cycle_statuses: Vec<String>,
    event_type: Option<String>,
    #[arg(name = "InstanceEventType", max_items = WORDS_PER_CALL)]
    event_types: Vec<String>,
    #[arg(name = "ResourceId", max_items = EVENTS_PER_CALL)]
    resource_ids: Vec<String>,
    resource_type: Option<String>,
    resource_group_id: Option<String>,
    not_before: Option<Span>,
    event_publish_time: Option<Span>,
    #[arg(flatten)]
    numbered: Numbered,
    #[arg(range = 1..=1_000)]
    max_results: Option<usize>,
    next_token: Option<String>,
}

#[derive(Show)]
pub(crate) struct HistoryEvents {
    #[reply(list = "InstanceSystemEventType")]
    instance_system_event_set: Vec<HistoryEvent>,
    #[reply(flatten)]
    paging: Paging,
}

#[derive(Show)]
struct HistoryEvent {
    event_id: String,
    instance_id: String,
    resource_type: &'static str,
    event_type: Coded,
    event_cycle_status: Coded,
    event_publish_time: Timestamp,
    not_before: Timestamp,
    event_finish_time: Option<Timestamp>,
    impact_level: &'static str,
    reason: String,
    reason_code: &'static str,
    extended_attribute: Extended,
}

#[derive(Show)]
struct Extended {
    can_accept: Option<&'static str>,
    initial_not_before: Option<String>,
}

/// Names of states in which an event is shown when no state is asked for.
const HISTORY: [&str; 4] = ["Executed", "Avoided", "Canceled", "Failed"];

/// Lists events: those that are over, unless others are asked for.
pub(crate) async fn describe_history(cx: &Cx<'_>, asked: DescribeInstanceHistoryEvents) -> Result<HistoryEvents, Fault> {
    let wanted = one_or_many(&asked.event_cycle_status, &asked.cycle_statuses);
    let states: Vec<&str> = if wanted.is_empty() { HISTORY.to_vec() } else { wanted };
    let types = one_or_many(&asked.event_type, &asked.event_types);
    let is_elsewhere = asked.resource_type.as_deref().is_some_and(|kind| !kind.is_empty() && kind != "instance")
        || asked.resource_group_id.as_deref().is_some_and(|group| !group.is_empty());
    let instances = one_or_many(&asked.instance_id, &asked.resource_ids);
    for id in &instances {
        filter::id::<InstanceId>(Noun::Instance, id)?;
    }
    let query = Query { page: control::Page::First(control::PAGE_MAX), ..Query::default() };
    let mut all = cx.cloud.list::<InstanceEvent>(&cx.caller, query).await?.rows;
    all.retain(|event| {
        let has = |list: &[&str], text: &str| list.is_empty() || list.contains(&text);
        !is_elsewhere
            && has(&instances, &event.instance.to_string())
            && (asked.event_ids.is_empty() || asked.event_ids.contains(&event.id.to_string()))
            && has(&states, &cycle_status(event).name)
            && has(&types, &type_of(event).name)
            && Span::holds(asked.not_before.as_ref(), event.not_before)
            && Span::holds(asked.event_publish_time.as_ref(), event.published_at)
    });
    let total_count = all.len();
    let token = asked.next_token.as_deref().filter(|token| !token.is_empty());
    if token.is_none() && asked.max_results.is_none() {
        let (rows, Numbers { total_count, page_number, page_size }) = asked.numbered.cut(all, PAGE_SIZE_MAX)?;
        let paging = Paging { total_count, page_number: Some(page_number), page_size: Some(page_size), next_token: String::new() };
        return Ok(HistoryEvents { instance_system_event_set: rows.iter().map(history_event).collect(), paging });
    }
    let start = usize::try_from(token.map(read_token).transpose()?.unwrap_or(0)).unwrap_or(usize::MAX).min(total_count);
    let end = start.saturating_add(asked.max_results.unwrap_or(PAGE_SIZE).clamp(PAGE_SIZE, PAGE_SIZE_MAX)).min(total_count);
    let next_token = if end < total_count { write_token(end as u64) } else { String::new() };
    let paging = Paging { total_count, page_number: None, page_size: None, next_token };
    Ok(HistoryEvents { instance_system_event_set: all[start..end].iter().map(history_event).collect(), paging })
}

fn one_or_many<'a>(one: &'a Option<String>, many: &'a [String]) -> Vec<&'a str> {
    if many.is_empty() {
        one.iter().map(String::as_str).filter(|text| !text.is_empty()).collect()
    } else {
        many.iter().map(String::as_str).collect()
    }
}

fn history_event(event: &InstanceEvent) -> HistoryEvent {
    let can_accept = event.is_real() && event.state == EventState::Scheduled;
    HistoryEvent {
        event_id: event.id.to_string(),
        instance_id: event.instance.to_string(),
        resource_type: "instance",
        event_type: type_of(event),
        event_cycle_status: cycle_status(event),
        event_publish_time: event.published_at.timestamp(),
        not_before: event.not_before.timestamp(),
        event_finish_time: event.ended_at().map(Millis::timestamp),
        impact_level: impact_level(event),
        reason: event.reason.clone(),
        reason_code: "",
        extended_attribute: Extended {
            can_accept: can_accept.then_some("true"),
            initial_not_before: (event.planned_for != event.not_before).then(|| wire::time::to_second(event.planned_for.timestamp())),
        },
    }
}

/// ECS counts how bad an event is for its instance from 0 to 100.
const fn impact_level(event: &InstanceEvent) -> &'static str {
    match event.impact {
        EventImpact::Reboot => "50",
        EventImpact::Stop | EventImpact::Redeploy => "100",
    }
}

/// `DescribeInstancesFullStatus`.
#[derive(FromArg)]
pub(crate) struct DescribeInstancesFullStatus {
    #[arg(name = "InstanceId", max_items = INSTANCES_PER_CALL)]
    instance_ids: Vec<String>,
    #[arg(name = "EventId", max_items = EVENTS_PER_CALL)]
    event_ids: Vec<String>,
    event_type: Option<String>,
    #[arg(name = "InstanceEventType", max_items = WORDS_PER_CALL)]
    event_types: Vec<String>,
    status: Option<Status>,
    health_status: Option<Health>,
    not_before: Option<Span>,
    event_publish_time: Option<Span>,
    #[arg(flatten)]
    numbered: Numbered,
}

/// How an instance is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromArg)]
enum Health {
    #[arg(name = "OK")]
    Ok,
    Warning,
    Maintaining,
    Impaired,
    Initializing,
    InsufficientData,
    NotApplicable,
}

impl Health {
    fn coded(self) -> Coded {
        let (code, name) = match self {
            Health::Ok => (0, "OK"),
            Health::Warning => (4, "Warning"),
            Health::Maintaining => (8, "Maintaining"),
            Health::Impaired => (16, "Impaired"),
            Health::InsufficientData => (32, "InsufficientData"),
            Health::Initializing => (48, "Initializing"),
            Health::NotApplicable => (64, "NotApplicable"),
        };
        Coded { code, name: name.to_owned() }
    }
}

#[derive(Show)]
pub(crate) struct FullStatuses {
    #[reply(list = "InstanceFullStatusType")]
    instance_full_status_set: Vec<FullStatus>,
    #[reply(flatten)]
    numbers: Numbers,
}

#[derive(Show)]
struct FullStatus {
    instance_id: String,
    status: Coded,
    health_status: Coded,
    #[reply(list = "ScheduledSystemEventType")]
    scheduled_system_event_set: Vec<ScheduledEvent>,
}

#[derive(Show)]
struct ScheduledEvent {
    event_id: String,
    event_type: Coded,
    event_cycle_status: Coded,
    event_publish_time: Timestamp,
    not_before: Timestamp,
    impact_level: &'static str,
    reason: String,
}

/// Tells the states of instances, how they are, and the events that have not ended.
pub(crate) async fn describe_full_status(cx: &Cx<'_>, asked: DescribeInstancesFullStatus) -> Result<FullStatuses, Fault> {
    let types = one_or_many(&asked.event_type, &asked.event_types);
    let by_event = !asked.event_ids.is_empty() || !types.is_empty() || asked.not_before.is_some() || asked.event_publish_time.is_some();
    let mut filters = Filters::new();
    in_state(&mut filters, asked.status);
    let (filters, wanted) = (filters.into_vec(), ids(&asked.instance_ids)?);
    let mut views = vec![];
    let mut page = control::Page::First(control::PAGE_MAX);
    loop {
        let listed = cx.cloud.list_instances(&cx.caller, Query { ids: wanted.clone(), filters: filters.clone(), page }).await?;
        views.extend(listed.rows);
        match listed.next {
            Some(last) => page = control::Page::After { last, size: control::PAGE_MAX },
            None => break,
        }
    }
    let mut events: HashMap<InstanceId, Vec<InstanceEvent>> = HashMap::new();
    for event in cx.cloud.events_of_instances(&cx.caller).await? {
        let fits = event.ended_at().is_none()
            && (asked.event_ids.is_empty() || asked.event_ids.contains(&event.id.to_string()))
            && (types.is_empty() || types.contains(&type_of(&event).name.as_str()))
            && Span::holds(asked.not_before.as_ref(), event.not_before)
            && Span::holds(asked.event_publish_time.as_ref(), event.published_at);
        if fits {
            events.entry(event.instance).or_default().push(event);
        }
    }
    let heard = cx.cloud.hosts_heard(views.iter().map(|view| view.instance.host).collect()).await?;
    let now = cx.cloud.clock().now();
    let mut statuses = vec![];
    for view in &views {
        let instance = &view.instance;
        let of_instance = events.remove(&instance.id).unwrap_or_default();
        if by_event && of_instance.is_empty() {
            continue;
        }
        let started_ms = now.since(instance.started_at);
        let health = health(instance.phase, instance.seen.as_ref(), heard.contains(&instance.host), started_ms, &of_instance);
        if asked.health_status.is_some_and(|wanted| wanted != health) {
            continue;
        }
        statuses.push(FullStatus {
            instance_id: instance.id.to_string(),
            status: status(instance.phase),
            health_status: health.coded(),
            scheduled_system_event_set: of_instance.iter().map(scheduled_event).collect(),
        });
    }
    let (instance_full_status_set, numbers) = asked.numbered.cut(statuses, PAGE_SIZE_MAX)?;
    Ok(FullStatuses { instance_full_status_set, numbers })
}

/// ECS's number and name of a state of an instance.
fn status(phase: Phase) -> Coded {
    let (code, name) = match phase {
        Phase::Launching { .. } => (0, "Pending"),
        Phase::Running => (1, "Running"),
        Phase::Starting { .. } => (2, "Starting"),
        Phase::Stopping { .. } | Phase::Terminating { .. } => (3, "Stopping"),
        Phase::Stopped | Phase::Terminated => (4, "Stopped"),
    };
    Coded { code, name: name.to_owned() }
}

fn health(phase: Phase, seen: Option<&Seen>, host_heard: bool, started_ms: i64, events: &[InstanceEvent]) -> Health {
    let guest_up = seen.is_some_and(|seen| seen.guest_up);
    let faulty = seen.is_some_and(|seen| seen.fault.is_some()) || (!guest_up && started_ms > GUEST_WITHIN_MS);
    let executing = events.iter().any(|event| event.is_real() && matches!(event.state, EventState::Executing { .. }));
    match phase {
        _ if executing => Health::Maintaining,
        Phase::Running if !host_heard => Health::InsufficientData,
        Phase::Running if faulty => Health::Impaired,
        Phase::Running if guest_up => Health::Ok,
        Phase::Running | Phase::Launching { .. } | Phase::Starting { .. } => Health::Initializing,
        Phase::Stopping { .. } | Phase::Stopped | Phase::Terminating { .. } | Phase::Terminated => Health::NotApplicable,
    }
}

fn scheduled_event(event: &InstanceEvent) -> ScheduledEvent {
    ScheduledEvent {
        event_id: event.id.to_string(),
        event_type: type_of(event),
        event_cycle_status: cycle_status(event),
        event_publish_time: event.published_at.timestamp(),
        not_before: event.not_before.timestamp(),
        impact_level: impact_level(event),
        reason: event.reason.clone(),
    }
}

/// `CreateSimulatedSystemEvents`.
#[derive(FromArg)]
pub(crate) struct CreateSimulatedSystemEvents {
    #[arg(name = "InstanceId", max_items = INSTANCES_PER_CALL)]
    instance_ids: Vec<String>,
    event_type: EventType,
    not_before: Timestamp,
    #[arg(default)]
    trigger_real_ops: bool,
}

#[derive(Show)]
pub(crate) struct CreatedEvents {
    #[reply(list = "EventId")]
    event_id_set: Vec<String>,
}

/// Rehearses events, which do nothing to the instances.
pub(crate) async fn simulate(cx: &Cx<'_>, asked: CreateSimulatedSystemEvents) -> Result<CreatedEvents, Fault> {
    if asked.trigger_real_ops {
        return Err(Fault::unsupported_parameter("TriggerRealOps=true"));
    }
    if asked.instance_ids.is_empty() {
        return Err(Fault::missing("InstanceId"));
    }
    let (cause, impact) = asked.event_type.parts();
    let not_before = Millis(asked.not_before.as_millisecond());
    let command = RehearseInstanceEvents { instances: ids(&asked.instance_ids)?, cause, impact, not_before };
    let made = cx.cloud.run(&cx.caller, command, cx.options()?).await?;
    Ok(CreatedEvents { event_id_set: made.iter().map(ToString::to_string).collect() })
}

/// `CancelSimulatedSystemEvents`.
#[derive(FromArg)]
pub(crate) struct CancelSimulatedSystemEvents {
    #[arg(name = "EventId", max_items = EVENTS_PER_CALL)]
    event_ids: Vec<String>,
}

/// Calls rehearsed events off.
pub(crate) async fn cancel(cx: &Cx<'_>, asked: CancelSimulatedSystemEvents) -> Result<(), Fault> {
    if asked.event_ids.is_empty() {
        return Err(Fault::missing("EventId"));
    }
    let events = asked.event_ids.iter().map(|id| event_id(id)).collect::<Result<Vec<_>, _>>()?;
    Ok(cx.cloud.run(&cx.caller, CancelRehearsedEvents { events }, cx.options()?).await?)
}

/// `AcceptInquiredSystemEvent`.
#[derive(FromArg)]
pub(crate) struct AcceptInquiredSystemEvent {
    event_id: String,
}

/// Agrees to a planned event, which comes at once then.
pub(crate) async fn accept(cx: &Cx<'_>, asked: AcceptInquiredSystemEvent) -> Result<(), Fault> {
    let command = AcceptInstanceEvent { event: event_id(&asked.event_id)?, instances: vec![], at: None };
    cx.cloud.run(&cx.caller, command, cx.options()?).await?;
    Ok(())
}

/// `ModifySystemEventAttribute`.
#[derive(FromArg)]
pub(crate) struct ModifySystemEventAttribute {
    event_id: String,
    instance_id: String,
    not_before: Timestamp,
}

/// Moves a planned event to another time.
pub(crate) async fn modify_event(cx: &Cx<'_>, asked: ModifySystemEventAttribute) -> Result<(), Fault> {
    let instance = filter::id(Noun::Instance, &asked.instance_id)?;
    let not_before = Millis(asked.not_before.as_millisecond());
    let command = RescheduleInstanceEvent { event: event_id(&asked.event_id)?, instance: Some(instance), not_before };
    cx.cloud.run(&cx.caller, command, cx.options()?).await?;
    Ok(())
}

fn event_id(text: &str) -> Result<InstanceEventId, Fault> {
    filter::id(Noun::InstanceEvent, text)
}
