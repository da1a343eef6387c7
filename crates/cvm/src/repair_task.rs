//! Repair tasks: maintenance of instances that is planned, under way or over, and the leave that their owner gives to it.

use control::{AcceptInstanceEvent, InstanceView, Query};
use model::{EventEnd, EventImpact, EventState, InstanceEvent, InstanceEventId, InstanceId, Millis, Noun};
use wire::{FromArg, Show};

use crate::error::Fault;
use crate::instance::{INSTANCES_PER_CALL, ids};
use crate::page::Cut;
use crate::time::{by_beijing, read_beijing};
use crate::{Cx, id};

/// The number of "maintenance or upgrade of an instance" among the types of tasks.
const MAINTENANCE: u32 = 107;
/// The product whose tasks there are here.
const PRODUCT: &str = "CVM";
/// How far ahead leave may be given, in milliseconds: five minutes to 48 hours, as CVM documents it.
const ORDER_MS: std::ops::RangeInclusive<i64> = 5 * 60_000..=48 * 3_600_000;

/// `DescribeTaskInfo`.
#[derive(FromArg)]
pub(crate) struct DescribeTaskInfo {
    #[arg(flatten)]
    cut: Cut,
    product: Option<String>,
    #[arg(max_items = INSTANCES_PER_CALL)]
    task_status: Vec<u32>,
    #[arg(max_items = INSTANCES_PER_CALL)]
    task_type_ids: Vec<u32>,
    #[arg(max_items = INSTANCES_PER_CALL)]
    task_ids: Vec<String>,
    #[arg(max_items = INSTANCES_PER_CALL)]
    instance_ids: Vec<String>,
    #[arg(max_items = INSTANCES_PER_CALL)]
    aliases: Vec<String>,
    start_date: Option<String>,
    end_date: Option<String>,
    order_field: Option<OrderField>,
    #[arg(range = 0..=1)]
    order: Option<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, FromArg)]
enum OrderField {
    #[arg(name = "CreateTime")]
    Made,
    #[arg(name = "AuthTime")]
    Allowed,
    #[arg(name = "EndTime")]
    Ended,
}

#[derive(Show)]
#[reply(list = "")]
pub(crate) struct Tasks {
    total_count: usize,
    repair_task_info_set: Vec<TaskReply>,
}

#[derive(Show)]
struct TaskReply {
    task_id: String,
    instance_id: String,
    alias: String,
    task_type_id: u32,
    task_type_name: &'static str,
    task_status: u32,
    device_status: u32,
    operate_status: u32,
    create_time: String,
    auth_time: String,
    end_time: String,
    task_detail: String,
    zone: String,
    region: String,
    vpc_id: String,
    vpc_name: &'static str,
    subnet_id: String,
    subnet_name: &'static str,
    wan_ip: String,
    lan_ip: String,
    product: &'static str,
    task_sub_type: &'static str,
    auth_type: u32,
    auth_source: &'static str,
}

/// Lists tasks: those of today, unless another time is asked for.
pub(crate) async fn describe(cx: &Cx<'_>, asked: DescribeTaskInfo) -> Result<Tasks, Fault> {
    let now = cx.cloud.clock().now();
    let from = asked.start_date.as_deref().map(|text| date("StartDate", text)).transpose()?.unwrap_or(start_of_day(now));
    let until = asked.end_date.as_deref().map(|text| date("EndDate", text)).transpose()?.unwrap_or(now);
    let tasks: Vec<InstanceEventId> = id::read_all(&asked.task_ids)?;
    let instances: Vec<InstanceId> = id::read_all(&asked.instance_ids)?;
    let mut events = cx.cloud.list::<InstanceEvent>(&cx.caller, all()).await?.rows;
    let is_elsewhere = asked.product.as_deref().is_some_and(|product| !product.is_empty() && product != PRODUCT);
    events.retain(|event| {
        event.is_real()
            && !is_elsewhere
            && (from..=until).contains(&event.published_at)
            && (tasks.is_empty() || tasks.contains(&event.id))
            && (instances.is_empty() || instances.contains(&event.instance))
            && (asked.task_status.is_empty() || asked.task_status.contains(&status(event)))
            && (asked.task_type_ids.is_empty() || asked.task_type_ids.contains(&MAINTENANCE))
    });
    let mut views = vec![];
    let mut known: Vec<InstanceId> = events.iter().map(|event| event.instance).collect();
    known.sort();
    known.dedup();
    for instance in known {
        views.extend(cx.cloud.instance_view(&cx.caller, instance).await.ok());
    }
    let view_of = |event: &InstanceEvent| views.iter().find(|view| view.instance.id == event.instance);
    events.retain(|event| asked.aliases.is_empty() || view_of(event).is_some_and(|view| asked.aliases.contains(&view.instance.name)));
    events.sort_by_key(|event| match asked.order_field.unwrap_or(OrderField::Made) {
        OrderField::Made => Some(event.published_at),
        OrderField::Allowed => event.accepted_at,
        OrderField::Ended => event.ended_at(),
    });
    if asked.order == Some(1) {
        events.reverse();
    }
    let (total_count, events) = asked.cut.of(events);
    let region = cx.cloud.region().name.as_str();
    Ok(Tasks { total_count, repair_task_info_set: events.iter().map(|event| reply(event, view_of(event), region)).collect() })
}

fn all() -> Query<InstanceEventId> {
    Query { page: control::Page::First(control::PAGE_MAX), ..Query::default() }
}

/// Midnight by Beijing's clock, which the vendor's dates go by.
fn start_of_day(now: Millis) -> Millis {
    const DAY_MS: i64 = 86_400_000;
    const AHEAD_MS: i64 = 8 * 3_600_000;
    Millis((now.0 + AHEAD_MS).div_euclid(DAY_MS) * DAY_MS - AHEAD_MS)
}

fn date(name: &str, text: &str) -> Result<Millis, Fault> {
    let read = read_beijing(text).ok_or_else(|| Fault::invalid(name, "must be a time as 2026-11-22 12:00:00"))?;
    Ok(Millis(read.as_millisecond()))
}

/// 1 waits for leave, 2 under way, 3 over, 4 leave given for a time, 5 called off, 6 avoided.
fn status(event: &InstanceEvent) -> u32 {
    match event.state {
        EventState::Scheduled if event.accepted_at.is_some() => 4,
        EventState::Scheduled => 1,
        EventState::Executing { .. } => 2,
        EventState::Ended { how: EventEnd::Executed | EventEnd::Failed, .. } => 3,
        EventState::Ended { how: EventEnd::Cancelled, .. } => 5,
        EventState::Ended { how: EventEnd::Avoided, .. } => 6,
    }
}

fn reply(event: &InstanceEvent, view: Option<&InstanceView>, region: &str) -> TaskReply {
    let instance = view.map(|view| &view.instance);
    let status = status(event);
    let moment = |at: Option<Millis>| at.map_or(String::new(), |at| by_beijing(at.timestamp()));
    let does = match event.impact {
        EventImpact::Reboot | EventImpact::Redeploy => "the instance is restarted",
        EventImpact::Stop => "the instance is stopped",
    };
    TaskReply {
        task_id: id::shown(event.id),
        instance_id: id::shown(event.instance),
        alias: instance.map(|instance| instance.name.clone()).unwrap_or_default(),
        task_type_id: MAINTENANCE,
        task_type_name: "Instance maintenance upgrade",
        task_status: status,
        // A machine with a task that waits is as ill as the task says, and well when the task is over.
        device_status: status,
        operate_status: status,
        create_time: moment(Some(event.published_at)),
        auth_time: moment(event.accepted_at),
        end_time: moment(event.ended_at()),
        task_detail: format!("{}: {does} at {}", event.reason, by_beijing(event.not_before.timestamp())),
        zone: instance.map(|instance| instance.zone.clone()).unwrap_or_default(),
        region: region.to_owned(),
        vpc_id: id::shown_or_empty(instance.map(|instance| instance.vpc)),
        vpc_name: "",
        subnet_id: id::shown_or_empty(instance.map(|instance| instance.subnet)),
        subnet_name: "",
        wan_ip: view.and_then(|view| view.address().map(|address| address.ip.to_string())).unwrap_or_default(),
        lan_ip: instance.map(|instance| instance.private_ip.to_string()).unwrap_or_default(),
        product: PRODUCT,
        task_sub_type: "",
        // Leave is given to power the instance off.
        auth_type: 2,
        auth_source: match (event.accepted_at, event.state) {
            (Some(_), _) => "Customer_auth",
            (None, EventState::Scheduled) => "Waiting_auth",
            (None, EventState::Executing { .. } | EventState::Ended { .. }) => "System_mandatory_auth",
        },
    }
}

/// `RepairTaskControl`.
#[derive(FromArg)]
pub(crate) struct RepairTaskControl {
    product: Product,
    #[arg(max_items = INSTANCES_PER_CALL)]
    instance_ids: Vec<String>,
    task_id: String,
    #[expect(dead_code, reason = "the vendor has one word for it")]
    operate: Operate,
    order_auth_time: Option<String>,
    #[expect(dead_code, reason = "it allows local disks to be given up; there are none")]
    task_sub_method: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, FromArg)]
enum Product {
    #[arg(name = "CVM")]
    Cvm,
    #[arg(name = "CDH")]
    DedicatedHost,
    #[arg(name = "CPM2.0")]
    BareMetal,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, FromArg)]
enum Operate {
    AuthorizeRepair,
}

#[derive(Show)]
pub(crate) struct Controlled {
    task_id: String,
}

/// Gives leave to a task: it is carried out at once, or when it is said.
pub(crate) async fn control(cx: &Cx<'_>, asked: RepairTaskControl) -> Result<Controlled, Fault> {
    let instances = ids(&asked.instance_ids)?;
    let event: InstanceEventId = id::read(&asked.task_id)?;
    let known = cx.cloud.list::<InstanceEvent>(&cx.caller, Query { ids: vec![event], ..Query::default() }).await?;
    if asked.product != Product::Cvm || !known.rows.iter().any(InstanceEvent::is_real) {
        return Err(Fault::not_found(Noun::InstanceEvent, &asked.task_id));
    }
    let ordered: Option<Millis> =
        asked.order_auth_time.as_deref().filter(|text| !text.is_empty()).map(|text| date("OrderAuthTime", text)).transpose()?;
    if ordered.is_some_and(|at| !ORDER_MS.contains(&at.since(cx.cloud.clock().now()))) {
        return Err(Fault::invalid("OrderAuthTime", "must be five minutes to 48 hours ahead"));
    }
    let done = cx.cloud.run(&cx.caller, AcceptInstanceEvent { event, instances, at: ordered }, cx.options()).await?;
    Ok(Controlled { task_id: id::shown(done.id) })
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    #[test]
    fn a_day_begins_at_midnight_in_beijing() {
        let millis = |text: &str| Millis(text.parse::<Timestamp>().unwrap().as_millisecond());
        assert_eq!(start_of_day(millis("2026-11-22T15:59:59Z")), millis("2026-11-21T16:00:00Z"));
        assert_eq!(start_of_day(millis("2026-11-22T16:00:00Z")), millis("2026-11-22T16:00:00Z"));
    }
}
