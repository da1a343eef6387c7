//! Starting, stopping, restarting, terminating and monitoring instances.

use control::{
    MonitorInstances as Monitor, RebootInstances as Reboot, StartInstances as Start, StateChange, StopInstances as Stop,
    TerminateInstances as Terminate,
};
use model::Noun;
use wire::{FromArg, Show};

use crate::Cx;
use crate::error::{Refusal, unsupported};
use crate::instance::{InstanceState, Monitoring, monitoring, state};
use crate::tag;

/// The reply of calls that change states.
#[derive(Show)]
#[reply(rename = "camelCase")]
pub(crate) struct StateChanges {
    instances_set: Vec<StateChangeItem>,
}

#[derive(Show)]
#[reply(rename = "camelCase")]
struct StateChangeItem {
    instance_id: String,
    current_state: InstanceState,
    previous_state: InstanceState,
}

fn changes(done: &[StateChange]) -> StateChanges {
    let item = |change: &StateChange| StateChangeItem {
        instance_id: change.after.id.to_string(),
        current_state: state(change.after.phase),
        previous_state: state(change.before.phase),
    };
    StateChanges { instances_set: done.iter().map(item).collect() }
}

/// The parameters of `StartInstances`.
#[derive(FromArg)]
pub(crate) struct StartInstances {
    #[arg(name = "InstanceId")]
    ids: Vec<String>,
}

/// Starts stopped instances.
pub(crate) async fn start(cx: Cx, asked: StartInstances) -> Result<StateChanges, Refusal> {
    let command = Start { ids: tag::ids(Noun::Instance, &asked.ids)? };
    Ok(changes(&cx.cloud.run(&cx.caller, command, cx.options(None)).await?))
}

/// The parameters of `StopInstances`.
#[derive(FromArg)]
pub(crate) struct StopInstances {
    #[arg(name = "InstanceId")]
    ids: Vec<String>,
    #[arg(default)]
    force: bool,
    #[arg(default)]
    hibernate: bool,
    #[arg(default)]
    skip_os_shutdown: bool,
}

/// Stops running instances. A stopped instance gives its processors and memory to others, as EC2's do.
pub(crate) async fn stop(cx: Cx, asked: StopInstances) -> Result<StateChanges, Refusal> {
    if asked.hibernate {
        return Err(unsupported("Hibernation"));
    }
    let force = asked.force || asked.skip_os_shutdown;
    let command = Stop { ids: tag::ids(Noun::Instance, &asked.ids)?, force, keep_capacity: false };
    Ok(changes(&cx.cloud.run(&cx.caller, command, cx.options(None)).await?))
}

/// The parameters of `RebootInstances`.
#[derive(FromArg)]
pub(crate) struct RebootInstances {
    #[arg(name = "InstanceId")]
    ids: Vec<String>,
}

/// Restarts running instances.
pub(crate) async fn reboot(cx: Cx, asked: RebootInstances) -> Result<(), Refusal> {
    let command = Reboot { ids: tag::ids(Noun::Instance, &asked.ids)?, force: false };
    cx.cloud.run(&cx.caller, command, cx.options(None)).await?;
    Ok(())
}

/// The parameters of `TerminateInstances`.
#[derive(FromArg)]
pub(crate) struct TerminateInstances {
    #[arg(name = "InstanceId")]
    ids: Vec<String>,
    #[expect(dead_code, reason = "a terminated guest is never waited for")]
    force: Option<bool>,
    #[expect(dead_code, reason = "a terminated guest is never waited for")]
    skip_os_shutdown: Option<bool>,
}

/// Terminates instances in whatever state they are.
pub(crate) async fn terminate(cx: Cx, asked: TerminateInstances) -> Result<StateChanges, Refusal> {
    let command = Terminate { ids: tag::ids(Noun::Instance, &asked.ids)?, only_stopped: false };
    Ok(changes(&cx.cloud.run(&cx.caller, command, cx.options(None)).await?))
}

/// The parameters of `MonitorInstances` and `UnmonitorInstances`.
#[derive(FromArg)]
pub(crate) struct MonitorInstances {
    #[arg(name = "InstanceId")]
    ids: Vec<String>,
}

/// The reply of both.
#[derive(Show)]
#[reply(rename = "camelCase")]
pub(crate) struct Monitored {
    instances_set: Vec<MonitoredItem>,
}

#[derive(Show)]
#[reply(rename = "camelCase")]
struct MonitoredItem {
    instance_id: String,
    monitoring: Monitoring,
}

/// Turns detailed monitoring on.
pub(crate) async fn monitor(cx: Cx, asked: MonitorInstances) -> Result<Monitored, Refusal> {
    set_monitoring(cx, asked, true).await
}

/// Turns detailed monitoring off.
pub(crate) async fn unmonitor(cx: Cx, asked: MonitorInstances) -> Result<Monitored, Refusal> {
    set_monitoring(cx, asked, false).await
}

async fn set_monitoring(cx: Cx, asked: MonitorInstances, detailed: bool) -> Result<Monitored, Refusal> {
    let command = Monitor { ids: tag::ids(Noun::Instance, &asked.ids)?, detailed };
    let done = cx.cloud.run(&cx.caller, command, cx.options(None)).await?;
    let item = |change: &StateChange| MonitoredItem { instance_id: change.after.id.to_string(), monitoring: monitoring(&change.after) };
    Ok(Monitored { instances_set: done.iter().map(item).collect() })
}
