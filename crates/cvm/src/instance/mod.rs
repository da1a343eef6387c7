//! Instances: what their states are called, and which ones exist for CVM's clients.
//!
//! One that goes is shown as TERMINATING until its host has let go of it; one that is gone is left out of every list.

mod attribute;
mod describe;
mod launch;
mod launch_data;
mod name;
mod place;
mod power;
mod spec;

use control::InstanceView;
use model::{Goal, Instance, InstanceId, Phase};

use crate::error::Fault;
use crate::page::LIMIT_MAX;
use crate::{Cx, id};

pub(crate) use attribute::{
    AssociateSecurityGroups, InstancesKeyPairs, ModifyInstancesAttribute, ResetInstancesPassword, associate_groups, associate_key,
    disassociate_groups, disassociate_key, modify, reset_password,
};
pub(crate) use describe::{
    DescribeInstances, DescribeInstancesAttributes, DescribeInstancesStatus, DescribeVpcInstances, describe, describe_attributes,
    describe_in_vpc, describe_status,
};
pub(crate) use launch::{ABSENT as LAUNCH_ABSENT, Login, LoginSettings, Machine, RunInstances, host_name, run, user_data};
pub(crate) use launch_data::LaunchData;
pub(crate) use place::{ModifyInstancesVpcAttribute, modify_vpc};
pub(crate) use power::{RebootInstances, StartInstances, StopInstances, TerminateInstances, reboot, start, stop, terminate};
pub(crate) use spec::{
    DescribeInstancesModification, DescribeInstancesOperationLimit, ResetInstancesType, describe_modification, operation_limit, reset_type,
};

/// Most instances that one call may name (CVM documents 100).
pub(crate) const INSTANCES_PER_CALL: usize = LIMIT_MAX;

/// The words of the control plane's filters for the phases in which an instance is shown, each with CVM's.
const STATES: [(&str, &str); 6] = [
    ("launching", "PENDING"),
    ("running", "RUNNING"),
    ("starting", "STARTING"),
    ("stopping", "STOPPING"),
    ("stopped", "STOPPED"),
    ("terminating", "TERMINATING"),
];

/// CVM's word for a phase.
const fn state(phase: Phase) -> &'static str {
    match phase {
        Phase::Launching { .. } => "PENDING",
        Phase::Running => "RUNNING",
        Phase::Starting { .. } => "STARTING",
        Phase::Stopping { .. } => "STOPPING",
        Phase::Stopped => "STOPPED",
        Phase::Terminating { .. } | Phase::Terminated => "TERMINATING",
    }
}

/// Whether a stopped instance keeps its processors and memory.
const fn stop_charging_mode(instance: &Instance) -> &'static str {
    match (instance.phase, instance.goal) {
        (Phase::Stopped, Goal::Stopped { keep_capacity: false, .. }) => "STOP_CHARGING",
        (Phase::Stopped, Goal::Stopped { keep_capacity: true, .. } | Goal::Running | Goal::Gone) => "KEEP_CHARGING",
        (
            Phase::Launching { .. }
            | Phase::Running
            | Phase::Stopping { .. }
            | Phase::Starting { .. }
            | Phase::Terminating { .. }
            | Phase::Terminated,
            _,
        ) => "NOT_APPLICABLE",
    }
}

/// The latest call that brought an instance where it is, and how far that is.
fn latest_operation(instance: &Instance) -> (&'static str, &'static str) {
    let is_first_run = instance.started_at == instance.created_at;
    if instance.type_change.is_some() {
        return ("ResetInstancesType", "OPERATING");
    }
    match instance.phase {
        Phase::Launching { .. } => ("RunInstances", "OPERATING"),
        Phase::Running if is_first_run => ("RunInstances", "SUCCESS"),
        Phase::Running => ("StartInstances", "SUCCESS"),
        Phase::Starting { .. } => ("StartInstances", "OPERATING"),
        Phase::Stopping { .. } => ("StopInstances", "OPERATING"),
        Phase::Stopped => ("StopInstances", "SUCCESS"),
        Phase::Terminating { .. } => ("TerminateInstances", "OPERATING"),
        Phase::Terminated => ("TerminateInstances", "SUCCESS"),
    }
}

/// Reads the ids of a call that names one instance at least.
pub(crate) fn ids(texts: &[String]) -> Result<Vec<InstanceId>, Fault> {
    if texts.is_empty() {
        return Err(Fault::missing("InstanceIds"));
    }
    id::read_all(texts)
}

/// Instances by their ids, each of which must be there.
async fn views_of(cx: &Cx<'_>, ids: Vec<InstanceId>) -> Result<Vec<InstanceView>, Fault> {
    Ok(cx.cloud.list_instances(&cx.caller, control::Query { ids, ..control::Query::default() }).await?.rows)
}
