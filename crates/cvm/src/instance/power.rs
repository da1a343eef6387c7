//! Starting, stopping, restarting and releasing instances: all that are named or none.
//!
//! CVM refuses what is so already: a running instance is not started again.

use control::{RebootInstances as Reboot, StartInstances as Start, StopInstances as Stop, Strictly, TerminateInstances as Terminate};
use wire::FromArg;

use crate::Cx;
use crate::error::Fault;
use crate::instance::{INSTANCES_PER_CALL, ids};

/// How a guest is brought down. A guest that does not shut down is powered off after a minute also when it is asked softly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromArg)]
#[arg(rename = "UPPER_SNAKE_CASE")]
enum StopType {
    Soft,
    SoftFirst,
    Hard,
}

impl StopType {
    const fn is_forced(self) -> bool {
        match self {
            StopType::Soft | StopType::SoftFirst => false,
            StopType::Hard => true,
        }
    }
}

/// Whether a stopped instance keeps its processors and memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromArg)]
#[arg(rename = "UPPER_SNAKE_CASE")]
enum StoppedMode {
    KeepCharging,
    StopCharging,
}

/// How a call says that guests are brought down: in the old way or in the new one.
fn is_forced(old: Option<bool>, new: Option<StopType>) -> Result<bool, Fault> {
    match (old, new) {
        (Some(_), Some(_)) => Err(Fault::conflict("`StopType` replaces the older parameter; give one of them")),
        (Some(forced), None) => Ok(forced),
        (None, kind) => Ok(kind.unwrap_or(StopType::Soft).is_forced()),
    }
}

/// `StartInstances`.
#[derive(FromArg)]
pub(crate) struct StartInstances {
    #[arg(max_items = INSTANCES_PER_CALL)]
    instance_ids: Vec<String>,
}

/// Starts stopped instances.
pub(crate) async fn start(cx: &Cx<'_>, asked: StartInstances) -> Result<(), Fault> {
    cx.cloud.run(&cx.caller, Strictly(Start { ids: ids(&asked.instance_ids)? }), cx.options()).await?;
    Ok(())
}

/// `StopInstances`.
#[derive(FromArg)]
pub(crate) struct StopInstances {
    #[arg(max_items = INSTANCES_PER_CALL)]
    instance_ids: Vec<String>,
    force_stop: Option<bool>,
    stop_type: Option<StopType>,
    #[arg(default = StoppedMode::KeepCharging)]
    stopped_mode: StoppedMode,
}

/// Stops running instances.
pub(crate) async fn stop(cx: &Cx<'_>, asked: StopInstances) -> Result<(), Fault> {
    let keep_capacity = match asked.stopped_mode {
        StoppedMode::KeepCharging => true,
        StoppedMode::StopCharging => false,
    };
    let command = Stop { ids: ids(&asked.instance_ids)?, force: is_forced(asked.force_stop, asked.stop_type)?, keep_capacity };
    cx.cloud.run(&cx.caller, Strictly(command), cx.options()).await?;
    Ok(())
}

/// `RebootInstances`.
#[derive(FromArg)]
pub(crate) struct RebootInstances {
    #[arg(max_items = INSTANCES_PER_CALL)]
    instance_ids: Vec<String>,
    force_reboot: Option<bool>,
    stop_type: Option<StopType>,
}

/// Restarts running instances.
pub(crate) async fn reboot(cx: &Cx<'_>, asked: RebootInstances) -> Result<(), Fault> {
    let command = Reboot { ids: ids(&asked.instance_ids)?, force: is_forced(asked.force_reboot, asked.stop_type)? };
    cx.cloud.run(&cx.caller, command, cx.options()).await?;
    Ok(())
}

/// `TerminateInstances`.
#[derive(FromArg)]
pub(crate) struct TerminateInstances {
    #[arg(max_items = INSTANCES_PER_CALL)]
    instance_ids: Vec<String>,
}

/// Releases instances, running or not.
pub(crate) async fn terminate(cx: &Cx<'_>, asked: TerminateInstances) -> Result<(), Fault> {
    cx.cloud.run(&cx.caller, Strictly(Terminate { ids: ids(&asked.instance_ids)?, only_stopped: false }), cx.options()).await?;
    Ok(())
}
