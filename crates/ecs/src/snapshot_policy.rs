//! Automatic snapshot policies. ECS says hours in the time of Peking, eight ahead of UTC, whatever the region.

use std::collections::BTreeSet;

use control::{CreateSnapshotPolicy, DeleteSnapshotPolicy, Field, ModifySnapshotPolicy, PolicyTie, Query, TieSnapshotPolicy};
use jiff::Timestamp;
use model::{Error, Noun, Schedule, SnapshotPolicy};
use wire::{FromArg, Json, JsonList, Show};

use crate::Cx;
use crate::error::Fault;
use crate::filter::{self, Filters, TAGS_PER_CALL, TagArg, tags_of};
use crate::page::{PAGE_SIZE_MAX, Paged, Paging};
use crate::tag::{TagReply, tag_replies};

/// Hours that the time of ECS's schedules is ahead of UTC.
const AHEAD: i8 = 8;
/// What ECS says for snapshots that are kept for ever.
const FOR_EVER: i64 = -1;
/// Disks that one call names (ECS documents 500).
const DISKS_PER_CALL: usize = model::POLICY_VOLUMES_MAX;

/// `CreateAutoSnapshotPolicy`.
#[derive(FromArg)]
pub(crate) struct CreatePolicy {
    #[arg(name = "autoSnapshotPolicyName", default)]
    name: String,
    #[arg(name = "timePoints", max_items = 24)]
    hours: JsonList<String>,
    #[arg(name = "repeatWeekdays", max_items = 7)]
    days: JsonList<String>,
    #[arg(name = "retentionDays")]
    retention_days: i64,
    #[arg(default)]
    enable_cross_region_copy: bool,
    #[arg(name = "Tag", max_items = TAGS_PER_CALL)]
    tags: Vec<TagArg>,
}

#[derive(Show)]
pub(crate) struct Created {
    auto_snapshot_policy_id: String,
}

/// Makes a policy, which is for no disk yet.
pub(crate) async fn create(cx: &Cx<'_>, asked: CreatePolicy) -> Result<Created, Fault> {
    if asked.enable_cross_region_copy {
        return Err(Fault::unsupported_parameter("Copying snapshots to another region"));
    }
    let (Json(hours), Json(days)) = (asked.hours, asked.days);
    let schedule = Schedule { days: numbers("repeatWeekdays", &days)?, hours: numbers("timePoints", &hours)?, minute: 0, ahead: AHEAD };
    let retention_days = retention(asked.retention_days)?;
    let command = CreateSnapshotPolicy { name: asked.name, schedule, retention_days, active: true, tags: tags_of(asked.tags)? };
    let id = cx.cloud.run(&cx.caller, command, cx.options()?).await?;
    Ok(Created { auto_snapshot_policy_id: id.to_string() })
}

/// `ModifyAutoSnapshotPolicyEx`. What is absent stays.
#[derive(FromArg)]
pub(crate) struct ModifyPolicy {
    #[arg(name = "autoSnapshotPolicyId")]
    id: String,
    #[arg(name = "autoSnapshotPolicyName")]
    name: Option<String>,
    #[arg(name = "timePoints", max_items = 24)]
    hours: Option<JsonList<String>>,
    #[arg(name = "repeatWeekdays", max_items = 7)]
    days: Option<JsonList<String>>,
    #[arg(name = "retentionDays")]
    retention_days: Option<i64>,
    #[arg(default)]
    enable_cross_region_copy: bool,
}

/// Changes a policy. Snapshots that are there go when it was said that they would.
pub(crate) async fn modify(cx: &Cx<'_>, asked: ModifyPolicy) -> Result<(), Fault> {
    if asked.enable_cross_region_copy {
        return Err(Fault::unsupported_parameter("Copying snapshots to another region"));
    }
    let set = |name, list: Option<JsonList<String>>| list.map(|Json(list)| numbers(name, &list)).transpose();
    let command = ModifySnapshotPolicy {
        policy: filter::id(Noun::SnapshotPolicy, &asked.id)?,
        name: asked.name,
        days: set("repeatWeekdays", asked.days)?,
        hours: set("timePoints", asked.hours)?,
        retention_days: asked.retention_days.map(retention).transpose()?,
        active: None,
    };
    Ok(cx.cloud.run(&cx.caller, command, cx.options()?).await?)
}

/// `DeleteAutoSnapshotPolicy`.
#[derive(FromArg)]
pub(crate) struct DeletePolicy {
    #[arg(name = "autoSnapshotPolicyId")]
    id: String,
}

/// Deletes a policy; its snapshots stay until their time.
pub(crate) async fn delete(cx: &Cx<'_>, asked: DeletePolicy) -> Result<(), Fault> {
    let command = DeleteSnapshotPolicy { policy: filter::id(Noun::SnapshotPolicy, &asked.id)? };
    Ok(cx.cloud.run(&cx.caller, command, cx.options()?).await?)
}

/// `ApplyAutoSnapshotPolicy`.
#[derive(FromArg)]
pub(crate) struct ApplyPolicy {
    #[arg(name = "autoSnapshotPolicyId")]
    id: String,
    #[arg(name = "diskIds", max_items = DISKS_PER_CALL)]
    disks: JsonList<String>,
}

/// Has a policy take snapshots of disks, in place of the policy that each had.
pub(crate) async fn apply(cx: &Cx<'_>, asked: ApplyPolicy) -> Result<(), Fault> {
    tie(cx, PolicyTie::To(filter::id(Noun::SnapshotPolicy, &asked.id)?), &asked.disks.0).await
}

/// `CancelAutoSnapshotPolicy`.
#[derive(FromArg)]
pub(crate) struct CancelPolicy {
    #[arg(name = "autoSnapshotPolicyId")]
    id: Option<String>,
    #[arg(name = "diskIds", max_items = DISKS_PER_CALL)]
    disks: JsonList<String>,
}

/// Has a policy, or whichever they have, take no more snapshots of disks.
pub(crate) async fn cancel(cx: &Cx<'_>, asked: CancelPolicy) -> Result<(), Fault> {
    let policy = filter::optional_id(Noun::SnapshotPolicy, asked.id.filter(|id| !id.is_empty()).as_ref())?;
    tie(cx, policy.map_or(PolicyTie::FromAny, PolicyTie::From), &asked.disks.0).await
}

async fn tie(cx: &Cx<'_>, tie: PolicyTie, disks: &[String]) -> Result<(), Fault> {
    let volumes = disks.iter().map(|id| filter::id(Noun::Volume, id)).collect::<Result<_, _>>()?;
    Ok(cx.cloud.run(&cx.caller, TieSnapshotPolicy { tie, volumes }, cx.options()?).await?)
}

/// `DescribeAutoSnapshotPolicyEx`.
#[derive(FromArg)]
pub(crate) struct DescribePolicies {
    auto_snapshot_policy_id: Option<String>,
    auto_snapshot_policy_name: Option<String>,
    resource_group_id: Option<String>,
    #[arg(name = "Tag", max_items = TAGS_PER_CALL)]
    tags: Vec<TagArg>,
    #[arg(flatten)]
    paged: Paged,
}

#[derive(Show)]
pub(crate) struct Policies {
    #[reply(list = "AutoSnapshotPolicy")]
    auto_snapshot_policies: Vec<PolicyReply>,
    #[reply(flatten)]
    paging: Paging,
}

#[derive(Show)]
struct PolicyReply {
    auto_snapshot_policy_id: String,
    auto_snapshot_policy_name: String,
    region_id: String,
    time_points: String,
    repeat_weekdays: String,
    retention_days: i64,
    disk_nums: usize,
    volume_nums: usize,
    enable_cross_region_copy: bool,
    status: &'static str,
    resource_group_id: &'static str,
    creation_time: Timestamp,
    #[reply(list = "Tag")]
    tags: Vec<TagReply>,
}

/// Lists policies.
pub(crate) async fn describe(cx: &Cx<'_>, asked: DescribePolicies) -> Result<Policies, Fault> {
    let mut filters = Filters::new();
    filters
        .exact(Field::Id, asked.auto_snapshot_policy_id.as_ref())
        .wildcard(Field::Name, asked.auto_snapshot_policy_name.as_ref())
        .always(asked.resource_group_id.as_ref(), &[])
        .tags(&asked.tags);
    let query = Query { ids: vec![], filters: filters.into_vec(), page: asked.paged.page(PAGE_SIZE_MAX)? };
    let listed = cx.cloud.list::<SnapshotPolicy>(&cx.caller, query).await?;
    let paging = asked.paged.paging(&listed);
    Ok(Policies { auto_snapshot_policies: listed.rows.iter().map(|policy| reply(cx, policy)).collect(), paging })
}

fn reply(cx: &Cx<'_>, policy: &SnapshotPolicy) -> PolicyReply {
    let list = |numbers: &BTreeSet<u8>| {
        let words: Vec<String> = numbers.iter().map(|number| format!("\"{number}\"")).collect();
        format!("[{}]", words.join(","))
    };
    // What another dialect has said in its own time is told in that time's hours.
    PolicyReply {
        auto_snapshot_policy_id: policy.id.to_string(),
        auto_snapshot_policy_name: policy.name.clone(),
        region_id: cx.region(),
        time_points: list(&policy.schedule.hours),
        repeat_weekdays: list(&policy.schedule.days),
        retention_days: policy.retention_days.map_or(FOR_EVER, i64::from),
        disk_nums: policy.volumes.len(),
        volume_nums: 0,
        enable_cross_region_copy: false,
        status: if policy.active { "Normal" } else { "Expire" },
        resource_group_id: "",
        creation_time: policy.created_at.timestamp(),
        tags: tag_replies(&policy.tags),
    }
}

/// `DescribeAutoSnapshotPolicyAssociations`.
#[derive(FromArg)]
pub(crate) struct DescribeTies {
    auto_snapshot_policy_id: Option<String>,
    disk_id: Option<String>,
    next_token: Option<String>,
    #[arg(range = 1..=100)]
    max_results: Option<usize>,
}

#[derive(Show)]
pub(crate) struct Ties {
    #[reply(list = "AutoSnapshotPolicyAssociation")]
    auto_snapshot_policy_associations: Vec<TieReply>,
    next_token: String,
}

#[derive(Show)]
struct TieReply {
    auto_snapshot_policy_id: String,
    disk_id: String,
}

/// Ties that one page shows when nothing is said (ECS: 50).
const TIES_USUAL: usize = 50;

/// Lists which policy is for which disk.
pub(crate) async fn describe_ties(cx: &Cx<'_>, asked: DescribeTies) -> Result<Ties, Fault> {
    let mut filters = Filters::new();
    filters.exact(Field::Id, asked.auto_snapshot_policy_id.as_ref()).exact(Field::Volume, asked.disk_id.as_ref());
    let query = Query { ids: vec![], filters: filters.into_vec(), page: control::Page::default() };
    let policies = cx.cloud.list::<SnapshotPolicy>(&cx.caller, query).await?.rows;
    let start = match asked.next_token.as_deref().filter(|token| !token.is_empty()) {
        Some(token) => token.parse().map_err(|_| Error::invalid("NextToken", "is not one of this list"))?,
        None => 0_usize,
    };
    let ties = policies.iter().flat_map(|policy| policy.volumes.iter().map(move |volume| (policy.id.to_string(), volume.to_string())));
    let ties: Vec<_> = ties.filter(|(_, disk)| asked.disk_id.as_ref().is_none_or(|wanted| wanted == disk)).collect();
    let end = start.saturating_add(asked.max_results.unwrap_or(TIES_USUAL)).min(ties.len());
    let page = ties.get(start..end).unwrap_or_default().iter();
    let shown = page.map(|(policy, disk)| TieReply { auto_snapshot_policy_id: policy.clone(), disk_id: disk.clone() }).collect();
    Ok(Ties { auto_snapshot_policy_associations: shown, next_token: if end < ties.len() { end.to_string() } else { String::new() } })
}

fn numbers(name: &'static str, list: &[String]) -> Result<BTreeSet<u8>, Fault> {
    let number = |text: &String| text.trim().parse().map_err(|_| Error::invalid(name, "must be a list of numbers in quotes").into());
    list.iter().map(number).collect()
}

fn retention(days: i64) -> Result<Option<u32>, Fault> {
    match days {
        FOR_EVER => Ok(None),
        _ => Ok(Some(u32::try_from(days).map_err(|_| Error::invalid("RetentionDays", "must be -1, or 1 to 65536"))?)),
    }
}
