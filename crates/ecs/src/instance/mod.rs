//! Instances: what their states are called, and which ones exist for ECS's clients.
//!
//! A released instance is gone at once there, so those that go or are gone are left out everywhere.

mod attribute;
mod describe;
mod event;
mod launch;
mod maintenance;
mod name;
mod place;
mod power;
mod release;
mod spec;

use std::borrow::Cow;

use control::{Field, InstanceView};
use model::{Goal, Instance, InstanceId, Noun, Phase};
use wire::{FromArg, Show};

use crate::error::Fault;
use crate::filter::{self, Filters};
use crate::{Cx, instance_type};

pub(crate) use attribute::{
    DescribeInstanceAttribute, DescribeUserData, GetInstanceConsoleOutput, ModifyInstanceAttribute, ModifyInstanceMetadataOptions,
    console_output, describe_attribute, modify_attribute, modify_metadata, user_data,
};
pub(crate) use describe::{DescribeInstanceStatus, DescribeInstances, describe, describe_status};
pub(crate) use event::{
    AcceptInquiredSystemEvent, CancelSimulatedSystemEvents, CreateSimulatedSystemEvents, DescribeInstanceHistoryEvents,
    DescribeInstancesFullStatus, ModifySystemEventAttribute, accept, cancel, describe_full_status, describe_history, modify_event,
    simulate,
};
pub(crate) use launch::{CreateInstance, Machine, RunInstances, create, password_hash, run};
pub(crate) use maintenance::{DescribeInstanceMaintenanceAttributes, describe_maintenance};
pub(crate) use place::{ModifyInstanceVpcAttribute, modify_vpc};
pub(crate) use power::{
    DeleteInstance, DeleteInstances, RebootInstance, RebootInstances, StartInstance, StartInstances, StopInstance, StopInstances,
    delete_many, delete_one, reboot_many, reboot_one, start_many, start_one, stop_many, stop_one,
};
pub(crate) use release::{ModifyInstanceAutoReleaseTime, modify_release};
pub(crate) use spec::{ModifyInstanceSpec, modify_spec};

/// Most instances that one call may name (ECS documents 100).
const INSTANCES_PER_CALL: usize = 100;

/// The states of an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromArg, Show)]
pub(crate) enum Status {
    Pending,
    Running,
    Starting,
    Stopping,
    Stopped,
}

impl Status {
    /// The phase's word in the control plane's filters.
    const fn word(self) -> &'static str {
        match self {
            Status::Pending => "launching",
            Status::Running => "running",
            Status::Starting => "starting",
            Status::Stopping => "stopping",
            Status::Stopped => "stopped",
        }
    }
}

/// ECS's word for a phase. One that is released is seen only in the moment of its release, as stopping.
pub(crate) const fn status(phase: Phase) -> Status {
    match phase {
        Phase::Launching { .. } => Status::Pending,
        Phase::Running => Status::Running,
        Phase::Starting { .. } => Status::Starting,
        Phase::Stopping { .. } | Phase::Terminating { .. } => Status::Stopping,
        Phase::Stopped | Phase::Terminated => Status::Stopped,
    }
}

/// Whether a stopped instance keeps its processors and memory.
const fn stopped_mode(instance: &Instance) -> &'static str {
    match (instance.phase, instance.goal) {
        (Phase::Stopped, Goal::Stopped { keep_capacity: false, .. }) => "StopCharging",
        (Phase::Stopped, Goal::Stopped { keep_capacity: true, .. } | Goal::Running | Goal::Gone) => "KeepCharging",
        (
            Phase::Launching { .. }
            | Phase::Running
            | Phase::Stopping { .. }
            | Phase::Starting { .. }
            | Phase::Terminating { .. }
            | Phase::Terminated,
            _,
        ) => "Not-applicable",
    }
}

/// The name that is shown: ECS calls an instance by its id when it was given none.
fn shown_name(instance: &Instance) -> Cow<'_, str> {
    if instance.name.is_empty() { instance.id.to_string().into() } else { instance.name.as_str().into() }
}

/// The name of the instance's type.
fn type_name(instance: &Instance) -> &str {
    instance_type::shown(&instance.instance_type)
}

/// Leaves out released instances, and those of another state when one is given.
pub(crate) fn in_state(filters: &mut Filters, wanted: Option<Status>) {
    let all = [Status::Pending, Status::Running, Status::Starting, Status::Stopping, Status::Stopped];
    let states = wanted.as_ref().map_or(&all[..], std::slice::from_ref);
    filters.push(Field::State, states.iter().map(|status| status.word().to_owned()).collect());
}

/// Reads ids of instances.
fn ids(texts: &[String]) -> Result<Vec<InstanceId>, Fault> {
    texts.iter().map(|text| filter::id(Noun::Instance, text)).collect()
}

/// One instance that is not released.
async fn view_of(cx: &Cx<'_>, id: &str) -> Result<InstanceView, Fault> {
    let view = cx.cloud.instance_view(&cx.caller, filter::id(Noun::Instance, id)?).await?;
    if view.instance.is_on_host() { Ok(view) } else { Err(Fault::not_found(Noun::Instance, id)) }
}
