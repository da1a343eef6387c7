//! Policies for snapshots at certain hours. CBS says hours in Beijing's time, and days of the week from 0 for Sunday.

use std::collections::BTreeSet;

use control::{
    CreateSnapshotPolicy, DeleteSnapshotPolicy, Field, Listed, Many, ModifySnapshotPolicy, Options, OrderKey, PolicyTie, Query,
    TieSnapshotPolicy,
};
use model::{Error, Schedule, SnapshotPolicy, SnapshotPolicyId, Tags, VolumeId};
use wire::{FromArg, Show};

use crate::error::Fault;
use crate::filter::{By, FILTERS_MAX, FilterArg, Filters, not_both};
use crate::order::{self, DiskOrder, OrderDirection};
use crate::page::{Cut, LIMIT_MAX};
use crate::tag::{self, TagReply};
use crate::{Cx, id, time};

/// Hours that Beijing is ahead of UTC.
const AHEAD: i8 = 8;
/// Days that a snapshot is kept when nothing is said, as CBS documents it.
const RETENTION_USUAL: u32 = 7;
/// The name of a policy that is given none.
const UNNAMED: &str = "unnamed";
/// Disks that one call names, as CBS documents it.
const DISKS_PER_CALL: usize = 80;
/// Ways of saying days that the vendor has and this cloud has not.
pub(crate) const ABSENT: &[&str] = &["Policy.DayOfMonth", "Policy.IntervalDays"];

/// Hours of days of the week.
#[derive(FromArg)]
struct Hours {
    hour: Vec<u8>,
    day_of_week: Vec<u8>,
}

/// The same in a reply, with the ways of saying days that there are not.
#[derive(Show)]
#[reply(list = "")]
struct HoursReply {
    hour: Vec<u8>,
    day_of_week: Vec<u8>,
    day_of_month: Vec<u8>,
    interval_days: u32,
}

/// A retention that nothing has here.
#[derive(Show)]
struct Advanced {
    days: u32,
    weeks: u32,
    months: u32,
    years: u32,
}

impl Hours {
    fn schedule(policies: &[Hours]) -> Result<Schedule, Fault> {
        // A policy without hours is refused when it is known who asks.
        let Some(one) = policies.first() else { return Ok(Schedule { days: [].into(), hours: [].into(), minute: 0, ahead: AHEAD }) };
        let day = |day: &u8| match day {
            0 => Ok(7),
            1..=6 => Ok(*day),
            _ => Err(Error::invalid("DayOfWeek", "must be 0 to 6")),
        };
        let days = one.day_of_week.iter().map(day).collect::<Result<_, _>>()?;
        Ok(Schedule { days, hours: one.hour.iter().copied().collect(), minute: 0, ahead: AHEAD })
    }
}

fn hours(schedule: &Schedule) -> HoursReply {
    let days: BTreeSet<u8> = schedule.days.iter().map(|day| day % 7).collect();
    let hour = schedule.hours.iter().copied().collect();
    HoursReply { hour, day_of_week: days.into_iter().collect(), day_of_month: vec![], interval_days: 0 }
}

fn retention(is_permanent: Option<bool>, days: Option<u32>) -> Result<Option<Option<u32>>, Fault> {
    match (is_permanent, days) {
        (Some(true), Some(_)) => Err(Fault::conflict("`IsPermanent` and `RetentionDays` exclude each other")),
        (Some(true), None) => Ok(Some(None)),
        (Some(false) | None, Some(days)) => Ok(Some(Some(days))),
        (Some(false), None) => Ok(Some(Some(RETENTION_USUAL))),
        (None, None) => Ok(None),
    }
}

/// `CreateAutoSnapshotPolicy`.
#[derive(FromArg)]
pub(crate) struct CreatePolicy {
    #[arg(max_items = 1)]
    policy: Vec<Hours>,
    #[arg(default)]
    dry_run: bool,
    #[arg(default = true)]
    is_activated: bool,
    auto_snapshot_policy_name: Option<String>,
    is_permanent: Option<bool>,
    retention_days: Option<u32>,
}

#[derive(Show)]
pub(crate) struct Created {
    auto_snapshot_policy_id: String,
    next_trigger_time: String,
}

/// Makes a policy, which is for no disk yet. A dry run tells when it would begin.
pub(crate) async fn create(cx: &Cx<'_>, asked: CreatePolicy) -> Result<Created, Fault> {
    let schedule = Hours::schedule(&asked.policy)?;
    let next = schedule.next(cx.cloud.clock().now());
    let command = CreateSnapshotPolicy {
        name: asked.auto_snapshot_policy_name.filter(|name| !name.is_empty()).unwrap_or_else(|| UNNAMED.to_owned()),
        schedule,
        retention_days: retention(asked.is_permanent, asked.retention_days)?.unwrap_or(Some(RETENTION_USUAL)),
        active: asked.is_activated,
        tags: Tags::new(),
    };
    let made = match cx.cloud.run(&cx.caller, command, Options { client_token: None, dry_run: asked.dry_run }).await {
        Ok(policy) => id::shown(policy),
        Err(Error::DryRun) => String::new(),
        Err(error) => return Err(error.into()),
    };
    Ok(Created { auto_snapshot_policy_id: made, next_trigger_time: time::by_beijing(next.timestamp()) })
}

/// `ModifyAutoSnapshotPolicyAttribute`. What is absent stays.
#[derive(FromArg)]
pub(crate) struct ModifyPolicy {
    auto_snapshot_policy_id: String,
    #[arg(max_items = 1)]
    policy: Vec<Hours>,
    is_activated: Option<bool>,
    is_permanent: Option<bool>,
    auto_snapshot_policy_name: Option<String>,
    retention_days: Option<u32>,
}

/// Changes a policy. Snapshots that are there go when it was said that they would.
pub(crate) async fn modify(cx: &Cx<'_>, asked: ModifyPolicy) -> Result<(), Fault> {
    let schedule = if asked.policy.is_empty() { None } else { Some(Hours::schedule(&asked.policy)?) };
    let command = ModifySnapshotPolicy {
        policy: id::read(&asked.auto_snapshot_policy_id)?,
        name: asked.auto_snapshot_policy_name,
        days: schedule.as_ref().map(|schedule| schedule.days.clone()),
        hours: schedule.map(|schedule| schedule.hours),
        retention_days: retention(asked.is_permanent, asked.retention_days)?,
        active: asked.is_activated,
    };
    Ok(cx.cloud.run(&cx.caller, command, cx.options()).await?)
}

/// `DeleteAutoSnapshotPolicies`.
#[derive(FromArg)]
pub(crate) struct DeletePolicies {
    #[arg(max_items = LIMIT_MAX)]
    auto_snapshot_policy_ids: Vec<String>,
}

/// Deletes policies, all of them or none; their snapshots stay until their time.
pub(crate) async fn delete(cx: &Cx<'_>, asked: DeletePolicies) -> Result<(), Fault> {
    let policies = id::read_some("AutoSnapshotPolicyIds", &asked.auto_snapshot_policy_ids)?;
    let commands = policies.into_iter().map(|policy| DeleteSnapshotPolicy { policy }).collect();
    Ok(cx.cloud.run(&cx.caller, Many(commands), cx.options()).await.map(drop)?)
}

/// `BindAutoSnapshotPolicy` and `UnbindAutoSnapshotPolicy`.
#[derive(FromArg)]
pub(crate) struct Ends {
    auto_snapshot_policy_id: String,
    #[arg(max_items = DISKS_PER_CALL)]
    disk_ids: Vec<String>,
}

/// Has a policy take snapshots of disks, in place of the policy that each had.
pub(crate) async fn bind(cx: &Cx<'_>, asked: Ends) -> Result<(), Fault> {
    let tie = PolicyTie::To(id::read(&asked.auto_snapshot_policy_id)?);
    change(cx, tie, &asked.disk_ids).await
}

/// Has a policy take no more snapshots of disks.
pub(crate) async fn unbind(cx: &Cx<'_>, asked: Ends) -> Result<(), Fault> {
    let tie = PolicyTie::From(id::read(&asked.auto_snapshot_policy_id)?);
    change(cx, tie, &asked.disk_ids).await
}

async fn change(cx: &Cx<'_>, tie: PolicyTie, disks: &[String]) -> Result<(), Fault> {
    let command = TieSnapshotPolicy { tie, volumes: id::read_some("DiskIds", disks)? };
    Ok(cx.cloud.run(&cx.caller, command, cx.options()).await?)
}

/// `DescribeAutoSnapshotPolicies`.
#[derive(FromArg)]
pub(crate) struct DescribePolicies {
    #[arg(max_items = LIMIT_MAX)]
    auto_snapshot_policy_ids: Vec<String>,
    #[arg(max_items = FILTERS_MAX)]
    filters: Vec<FilterArg>,
    #[arg(flatten)]
    cut: Cut,
    order_field: Option<DiskOrder>,
    order: Option<OrderDirection>,
}

/// `DescribeDiskAssociatedAutoSnapshotPolicy`.
#[derive(FromArg)]
pub(crate) struct DescribeOfDisk {
    disk_id: String,
}

#[derive(Show)]
#[reply(list = "")]
pub(crate) struct Policies {
    total_count: usize,
    auto_snapshot_policy_set: Vec<PolicyReply>,
}

#[derive(Show)]
#[reply(list = "")]
struct PolicyReply {
    auto_snapshot_policy_id: String,
    auto_snapshot_policy_name: String,
    auto_snapshot_policy_state: &'static str,
    is_activated: bool,
    is_permanent: bool,
    is_copy_to_remote: u32,
    retention_days: u32,
    retention_months: u32,
    retention_amount: u32,
    advanced_retention_policy: Advanced,
    policy: Vec<HoursReply>,
    disk_id_set: Vec<String>,
    instance_id_set: Vec<String>,
    next_trigger_time: String,
    create_time: String,
    copy_to_account_uin: &'static str,
    copy_from_account_uin: &'static str,
    tags: Vec<TagReply>,
}

/// Lists policies.
pub(crate) async fn describe(cx: &Cx<'_>, asked: DescribePolicies) -> Result<Policies, Fault> {
    not_both("AutoSnapshotPolicyIds", &asked.auto_snapshot_policy_ids, &asked.filters)?;
    let filters = Filters::read(&asked.filters, filter)?.into_vec();
    let query = Query { ids: id::read_all(&asked.auto_snapshot_policy_ids)?, filters, page: asked.cut.page() };
    let made: fn(&SnapshotPolicy) -> OrderKey = |policy| OrderKey::At(policy.created_at);
    let by = asked.order_field.map(|field| match field {
        DiskOrder::CreateTime => made,
        DiskOrder::Deadline => |_: &SnapshotPolicy| OrderKey::Alike,
    });
    Ok(replies(order::list::<SnapshotPolicy>(cx, query, by, asked.order, made).await?))
}

/// Lists the policies of a disk: one at most.
pub(crate) async fn describe_of_disk(cx: &Cx<'_>, asked: DescribeOfDisk) -> Result<Policies, Fault> {
    let disk: VolumeId = id::read(&asked.disk_id)?;
    let filter = control::Filter { field: Field::Volume, values: vec![disk.to_string()] };
    let query = Query { filters: vec![filter], ..Query::default() };
    Ok(replies(cx.cloud.list::<SnapshotPolicy>(&cx.caller, query).await?))
}

fn replies(listed: Listed<SnapshotPolicy>) -> Policies {
    Policies { total_count: listed.total, auto_snapshot_policy_set: listed.rows.iter().map(reply).collect() }
}

fn filter(name: &str) -> Option<By> {
    Some(match name {
        "auto-snapshot-policy-id" => By::id::<SnapshotPolicyId>(Field::Id),
        "auto-snapshot-policy-name" => By::Is(Field::Name),
        "auto-snapshot-policy-state" => By::Always(&["NORMAL"]),
        _ => return None,
    })
}

fn reply(policy: &SnapshotPolicy) -> PolicyReply {
    PolicyReply {
        auto_snapshot_policy_id: id::shown(policy.id),
        auto_snapshot_policy_name: policy.name.clone(),
        auto_snapshot_policy_state: "NORMAL",
        is_activated: policy.active,
        is_permanent: policy.retention_days.is_none(),
        is_copy_to_remote: 0,
        retention_days: policy.retention_days.unwrap_or(0),
        retention_months: 0,
        retention_amount: 0,
        advanced_retention_policy: Advanced { days: 0, weeks: 0, months: 0, years: 0 },
        policy: vec![hours(&policy.schedule)],
        disk_id_set: policy.volumes.iter().map(|volume| id::shown(*volume)).collect(),
        instance_id_set: vec![],
        next_trigger_time: time::by_beijing(policy.next.timestamp()),
        create_time: time::by_beijing(policy.created_at.timestamp()),
        copy_to_account_uin: "",
        copy_from_account_uin: "",
        tags: tag::replies(&policy.tags),
    }
}
