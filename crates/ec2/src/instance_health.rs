//! How instances are: status checks, and what their guests wrote to the serial console.
//!
//! EC2 has two checks. The system's passes while the host reports; the instance's passes once the guest has used the network.

use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use control::{Field, Filter, InstanceView, Query};
use jiff::Timestamp;
use model::{HostId, InstanceId, Noun, Phase};
use wire::{FromArg, IntoDoc};

use crate::Cx;
use crate::error::Refusal;
use crate::filter::{self, AskedFilter};
use crate::instance::{InstanceState, state};
use crate::page::{Paging, USUAL};
use crate::region::zone_id;
use crate::tag;

/// The newest console output that is shown, in bytes: EC2 documents 64 KB.
const CONSOLE_MAX: usize = 64 * 1024;

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
#[derive(IntoDoc)]
#[reply(rename = "camelCase")]
pub(crate) struct Statuses {
    instance_status_set: Vec<Status>,
    next_token: Option<String>,
}

#[derive(IntoDoc)]
#[reply(rename = "camelCase")]
struct Status {
    instance_id: String,
    availability_zone: String,
    availability_zone_id: String,
    instance_state: InstanceState,
    system_status: Check,
    instance_status: Check,
}

#[derive(IntoDoc)]
#[reply(rename = "camelCase")]
struct Check {
    status: &'static str,
    #[reply(skip_empty)]
    details: Vec<Detail>,
}

#[derive(IntoDoc)]
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

/// Tells the checks of instances: of running ones, unless all are asked for.
pub(crate) async fn describe_status(cx: Cx, asked: DescribeInstanceStatus) -> Result<Statuses, Refusal> {
    asked.paging.not_with_ids(&asked.ids)?;
    let pages = asked.paging.pages(&cx, USUAL, &asked.filters)?;
    let ids = tag::ids(Noun::Instance, &asked.ids)?;
    let mut filters = filter::filters(&cx, filter::INSTANCE_STATUS, &asked.filters)?;
    if !asked.include_all_instances {
        filters.push(Filter { field: Field::State, values: vec!["running".to_owned()] });
    }
    let listed = cx.cloud.list_instances(&cx.caller, Query { ids, filters, page: pages.of_ids()? }).await?;
    let heard = cx.cloud.hosts_heard(listed.rows.iter().map(|view| view.instance.host).collect()).await?;
    let statuses = listed.rows.iter().map(|view| status(&cx, view, &heard)).collect();
    Ok(Statuses { instance_status_set: statuses, next_token: pages.after(listed.next) })
}

fn status(cx: &Cx, view: &InstanceView, heard: &BTreeSet<HostId>) -> Status {
    let instance = &view.instance;
    let guest_up = instance.seen.as_ref().is_some_and(|seen| seen.guest_up);
    let faulty = instance.seen.as_ref().is_some_and(|seen| seen.fault.is_some());
    let (system, guest) = match instance.phase {
        Phase::Running if !heard.contains(&instance.host) => {
            (Check::of("impaired", "failed"), Check::of("insufficient-data", "insufficient-data"))
        }
        Phase::Running if faulty => (Check::ok(), Check::of("impaired", "failed")),
        Phase::Running if guest_up => (Check::ok(), Check::ok()),
        Phase::Running => (Check::ok(), Check::initializing()),
        Phase::Launching { .. } | Phase::Starting { .. } => (Check::initializing(), Check::initializing()),
        Phase::Stopping { .. } | Phase::Stopped | Phase::Terminating { .. } | Phase::Terminated => {
            (Check::not_applicable(), Check::not_applicable())
        }
    };
    Status {
        instance_id: instance.id.to_string(),
        availability_zone: instance.zone.clone(),
        availability_zone_id: zone_id(cx, &instance.zone),
        instance_state: state(instance.phase),
        system_status: system,
        instance_status: guest,
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
#[derive(IntoDoc)]
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
