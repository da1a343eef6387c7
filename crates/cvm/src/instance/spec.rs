//! The type of an instance, and what it can be changed to.

use control::{ChangeInstanceType, InstanceView, TypeChoice, WhileRunning};
use model::InstanceId;
use wire::{FromArg, Show};

use crate::error::Fault;
use crate::filter::{FILTERS_MAX, FilterArg};
use crate::instance::{INSTANCES_PER_CALL, ids, views_of};
use crate::instance_type::{TypeConfig, config};
use crate::{Cx, id};

/// Instances of one call that changes their type, as CVM documents it.
const CHANGED_PER_CALL: usize = 1;
/// Instances of one call that asks what they can become, as CVM documents it.
const ASKED_PER_CALL: usize = 20;

/// `ResetInstancesType`.
#[derive(FromArg)]
pub(crate) struct ResetInstancesType {
    #[arg(max_items = CHANGED_PER_CALL)]
    instance_ids: Vec<String>,
    instance_type: String,
    #[expect(dead_code, reason = "a guest that does not shut down is powered off after a minute also when it is asked softly")]
    force_stop: Option<bool>,
}

/// Gives an instance another type; one that runs is stopped for it and started again.
pub(crate) async fn reset_type(cx: &Cx<'_>, asked: ResetInstancesType) -> Result<(), Fault> {
    for id in ids(&asked.instance_ids)? {
        let instance_type = asked.instance_type.clone();
        let command = ChangeInstanceType { id, instance_type, running: WhileRunning::Restarted };
        cx.cloud.run(&cx.caller, command, cx.options()).await?;
    }
    Ok(())
}

/// `DescribeInstancesModification`.
#[derive(FromArg)]
pub(crate) struct DescribeInstancesModification {
    #[arg(max_items = ASKED_PER_CALL)]
    instance_ids: Vec<String>,
    #[arg(max_items = FILTERS_MAX)]
    filters: Vec<FilterArg>,
}

#[derive(Show)]
#[reply(list = "")]
pub(crate) struct Modifications {
    total_count: usize,
    instance_type_config_status_set: Vec<Modification>,
}

#[derive(Show)]
struct Modification {
    status: &'static str,
    message: String,
    instance_type_config: TypeConfig,
}

/// Tells what instances can be changed to, and what is against it: for several, what all of them can become.
pub(crate) async fn describe_modification(cx: &Cx<'_>, asked: DescribeInstancesModification) -> Result<Modifications, Fault> {
    if let Some(other) = asked.filters.iter().find(|filter| filter.name != "status") {
        return Err(Fault::unknown_filter(&other.name));
    }
    let wanted: Vec<InstanceId> = ids(&asked.instance_ids)?;
    let views = views_of(cx, wanted.clone()).await?;
    let zone = views.first().map(|view| view.instance.zone.clone()).unwrap_or_default();
    let mut all: Option<Vec<TypeChoice>> = None;
    for id in wanted {
        let choices = cx.cloud.instance_type_choices(&cx.caller, id).await?;
        all = Some(match all {
            None => choices,
            Some(before) => before.into_iter().filter_map(|choice| both(choice, &choices)).collect(),
        });
    }
    let modification = |choice: TypeChoice| Modification {
        status: if choice.refusal.is_none() { "SELL" } else { "UNAVAILABLE" },
        message: choice.refusal.map(|error| Fault::from(error).message).unwrap_or_default(),
        instance_type_config: config(&zone, choice.kind),
    };
    let mut set: Vec<Modification> = all.unwrap_or_default().into_iter().map(modification).collect();
    set.retain(|one| asked.filters.iter().all(|filter| filter.values.iter().any(|value| value == one.status)));
    Ok(Modifications { total_count: set.len(), instance_type_config_status_set: set })
}

/// What one instance can become, with what is against it for another; none when that has this type already.
fn both(choice: TypeChoice, others: &[TypeChoice]) -> Option<TypeChoice> {
    let other = others.iter().find(|other| other.kind.name == choice.kind.name)?;
    Some(TypeChoice { kind: choice.kind, refusal: choice.refusal.or_else(|| other.refusal.clone()) })
}

/// What is limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromArg)]
#[arg(rename = "UPPER_SNAKE_CASE")]
enum Limited {
    InstanceDegrade,
    InternetChargeTypeChange,
}

/// `DescribeInstancesOperationLimit`.
#[derive(FromArg)]
pub(crate) struct DescribeInstancesOperationLimit {
    #[arg(max_items = INSTANCES_PER_CALL)]
    instance_ids: Vec<String>,
    operation: Limited,
}

#[derive(Show)]
#[reply(list = "")]
pub(crate) struct OperationLimits {
    instance_operation_limit_set: Vec<OperationLimit>,
}

#[derive(Show)]
struct OperationLimit {
    operation: &'static str,
    instance_id: String,
    current_count: i64,
    limit_count: i64,
}

/// No limit, in CVM's number.
const UNLIMITED: i64 = -1;
/// Never, in CVM's number.
const NEVER: i64 = 0;

/// Tells how often an instance may be made smaller, which is always, or be charged otherwise for traffic, of which there is one way.
pub(crate) async fn operation_limit(cx: &Cx<'_>, asked: DescribeInstancesOperationLimit) -> Result<OperationLimits, Fault> {
    let (operation, count) = match asked.operation {
        Limited::InstanceDegrade => ("INSTANCE_DEGRADE", UNLIMITED),
        Limited::InternetChargeTypeChange => ("INTERNET_CHARGE_TYPE_CHANGE", NEVER),
    };
    let limit = |view: &InstanceView| OperationLimit {
        operation,
        instance_id: id::shown(view.instance.id),
        current_count: if count == UNLIMITED { UNLIMITED } else { 0 },
        limit_count: count,
    };
    Ok(OperationLimits { instance_operation_limit_set: views_of(cx, ids(&asked.instance_ids)?).await?.iter().map(limit).collect() })
}
