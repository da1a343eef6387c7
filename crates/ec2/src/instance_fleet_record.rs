//! Who is in a fleet, and what happened to it.

use jiff::Timestamp;
use model::{FleetEvent, FleetHappening, InstanceFleet, Noun, Phase};
use wire::{FromArg, Show};

use crate::error::{Refusal, coded};
use crate::filter::{self, AskedFilter};
use crate::instance_fleet::PAGES;
use crate::page::Paging;
use crate::tag;
use crate::{Cx, instance_type};

/// The parameters of `DescribeFleetInstances`.
#[derive(FromArg)]
pub(crate) struct DescribeFleetInstances {
    fleet_id: String,
    #[arg(name = "Filter")]
    filters: Vec<AskedFilter>,
    #[arg(flatten)]
    paging: Paging,
}

/// The reply of `DescribeFleetInstances`.
#[derive(Show)]
#[reply(rename = "camelCase")]
pub(crate) struct FleetInstances {
    active_instance_set: Vec<ActiveInstance>,
    next_token: Option<String>,
    fleet_id: String,
}

#[derive(Show)]
#[reply(rename = "camelCase")]
struct ActiveInstance {
    instance_id: String,
    instance_type: String,
    instance_health: &'static str,
}

/// Lists the instances of a fleet.
pub(crate) async fn describe_instances(cx: Cx, asked: DescribeFleetInstances) -> Result<FleetInstances, Refusal> {
    let pages = asked.paging.pages(&cx, PAGES, &asked.filters)?;
    let id = tag::id(Noun::InstanceFleet, &asked.fleet_id)?;
    let mut rows = cx.cloud.fleet_members(&cx.caller, id).await?;
    let value = |row: &control::FleetMemberView, _: &str| Some(vec![instance_type::shown(&row.instance.instance_type)]);
    filter::retain(&mut rows, &asked.filters, value, &["instance-type"])?;
    let (rows, next_token) = pages.cut(rows, |row| row.instance.id.to_string());
    let heard = cx.cloud.hosts_heard(rows.iter().map(|row| row.instance.host).collect()).await?;
    let active = |row: &control::FleetMemberView| {
        let runs = matches!(row.instance.phase, Phase::Launching { .. } | Phase::Starting { .. } | Phase::Running);
        ActiveInstance {
            instance_id: row.instance.id.to_string(),
            instance_type: instance_type::shown(&row.instance.instance_type),
            instance_health: if runs && heard.contains(&row.instance.host) { "healthy" } else { "unhealthy" },
        }
    };
    Ok(FleetInstances { active_instance_set: rows.iter().map(active).collect(), next_token, fleet_id: id.to_string() })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, FromArg)]
#[arg(rename = "kebab-case")]
enum EventType {
    InstanceChange,
    FleetChange,
    ServiceError,
}

impl EventType {
    const fn word(self) -> &'static str {
        match self {
            EventType::InstanceChange => "instance-change",
            EventType::FleetChange => "fleet-change",
            EventType::ServiceError => "service-error",
        }
    }
}

/// The parameters of `DescribeFleetHistory`.
#[derive(FromArg)]
pub(crate) struct DescribeFleetHistory {
    fleet_id: String,
    start_time: Timestamp,
    event_type: Option<EventType>,
    #[arg(flatten)]
    paging: Paging,
}

/// The reply of `DescribeFleetHistory`.
#[derive(Show)]
#[reply(rename = "camelCase")]
pub(crate) struct History {
    history_record_set: Vec<Record>,
    last_evaluated_time: Timestamp,
    next_token: Option<String>,
    fleet_id: String,
    start_time: Timestamp,
}

#[derive(Show)]
#[reply(rename = "camelCase")]
struct Record {
    event_information: Information,
    event_type: &'static str,
    timestamp: Timestamp,
}

#[derive(Show)]
#[reply(rename = "camelCase")]
struct Information {
    event_description: Option<String>,
    event_sub_type: String,
    instance_id: Option<String>,
}

/// Tells what happened to a fleet.
pub(crate) async fn history(cx: Cx, asked: DescribeFleetHistory) -> Result<History, Refusal> {
    let pages = asked.paging.pages(&cx, PAGES, &[])?;
    let id = tag::id(Noun::InstanceFleet, &asked.fleet_id)?;
    let (fleet, events) = cx.cloud.fleet_history(&cx.caller, id).await?;
    let wanted = |event: &FleetEvent| {
        let since = event.at.timestamp() >= asked.start_time;
        since && asked.event_type.is_none_or(|kind| kind == told(&fleet, event).0)
    };
    let (rows, next_token) = pages.cut(events.into_iter().filter(wanted).collect(), |event| event.id.to_string());
    let record = |event: &FleetEvent| {
        let (kind, event_information) = told(&fleet, event);
        Record { event_information, event_type: kind.word(), timestamp: event.at.timestamp() }
    };
    Ok(History {
        last_evaluated_time: rows.last().map_or(asked.start_time, |event| event.at.timestamp()),
        history_record_set: rows.iter().map(record).collect(),
        next_token,
        fleet_id: id.to_string(),
        start_time: asked.start_time,
    })
}

fn told(fleet: &InstanceFleet, event: &FleetEvent) -> (EventType, Information) {
    match &event.what {
        FleetHappening::Became { state, text } => {
            let event_description = Some(text.clone()).filter(|text| !text.is_empty());
            (EventType::FleetChange, Information { event_description, event_sub_type: state.clone(), instance_id: None })
        }
        FleetHappening::Launched { instance, instance_type, zone } => {
            let event_description = Some(format!("{} in {zone}", crate::instance_type::shown(instance_type)));
            let information =
                Information { event_description, event_sub_type: "launched".to_owned(), instance_id: Some(instance.to_string()) };
            (EventType::InstanceChange, information)
        }
        FleetHappening::Ended { instance, why } => {
            let event_description = Some(why.clone()).filter(|why| why != "terminated");
            let information =
                Information { event_description, event_sub_type: "terminated".to_owned(), instance_id: Some(instance.to_string()) };
            (EventType::InstanceChange, information)
        }
        FleetHappening::Refused { pool, why } => {
            let (code, message) = coded(&why.error());
            let config = fleet.configs.get(pool.config);
            let own = config.and_then(|config| config.overrides.get(pool.pool?));
            let kind = own.and_then(|own| own.instance_type.as_deref()).or_else(|| config?.launch.instance_type.as_deref());
            let event_description = Some(format!("{}: {code}: {message}", kind.unwrap_or_default()));
            (EventType::ServiceError, Information { event_description, event_sub_type: "launchError".to_owned(), instance_id: None })
        }
    }
}
