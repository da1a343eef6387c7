//! Snapshot-consistent groups: the disks of an instance at one instant.

use control::{AroundRollBack, Field, Many, Query, RollBackVolume, SnapshotGroupView};
use jiff::Timestamp;
use model::{Noun, Snapshot, SnapshotGroup, SnapshotGroupId};
use wire::{FromArg, Show};

use crate::Cx;
use crate::error::Fault;
use crate::filter::{self, Filters, TAGS_PER_CALL, TagArg, tags_of};
use crate::page::{PAGE_SIZE, PAGE_SIZE_MAX, Paged};
use crate::tag::{TagReply, tag_replies};

/// Most disks that a call names (ECS documents 128 for a group).
const DISKS_PER_CALL: usize = 128;
/// Most groups that a call names (ECS documents 10).
const GROUPS_PER_CALL: usize = 10;
/// Most states that a call names (ECS documents 3).
const STATES_PER_CALL: usize = 3;
/// Most disks that are rolled back together (ECS documents 10).
const RESET_PER_CALL: usize = 10;

/// `CreateSnapshotGroup`.
#[derive(FromArg)]
pub(crate) struct CreateSnapshotGroup {
    instance_id: Option<String>,
    #[arg(name = "DiskId", max_items = DISKS_PER_CALL)]
    disk_ids: Vec<String>,
    #[arg(name = "ExcludeDiskId", max_items = DISKS_PER_CALL)]
    exclude_disk_ids: Vec<String>,
    name: Option<String>,
    description: Option<String>,
    #[expect(dead_code, reason = "disks are made of a snapshot at once, whatever is said")]
    instant_access: Option<bool>,
    #[expect(dead_code, reason = "disks are made of a snapshot at once as long as it is there")]
    instant_access_retention_days: Option<u32>,
    #[arg(name = "Tag", max_items = TAGS_PER_CALL)]
    tags: Vec<TagArg>,
}

#[derive(Show)]
pub(crate) struct Created {
    snapshot_group_id: String,
}

/// Takes snapshots of an instance's disks at one instant; the guest goes on.
pub(crate) async fn create(cx: &Cx<'_>, asked: CreateSnapshotGroup) -> Result<Created, Fault> {
    if !asked.disk_ids.is_empty() && !asked.exclude_disk_ids.is_empty() {
        return Err(Fault::new(400, "InvalidParameter.Conflict", "The parameters DiskId.N and ExcludeDiskId.N exclude each other."));
    }
    let disks = |ids: &[String]| ids.iter().map(|id| filter::id(Noun::Volume, id)).collect::<Result<Vec<_>, _>>();
    let command = control::CreateSnapshotGroup {
        instance: filter::optional_id(Noun::Instance, asked.instance_id.as_ref())?,
        volumes: disks(&asked.disk_ids)?,
        without: disks(&asked.exclude_disk_ids)?,
        name: asked.name.unwrap_or_default(),
        description: asked.description.unwrap_or_default(),
        tags: tags_of(asked.tags)?,
    };
    let group = cx.cloud.run(&cx.caller, command, cx.options()?).await?;
    Ok(Created { snapshot_group_id: group.id.to_string() })
}

/// `ModifySnapshotGroup`.
#[derive(FromArg)]
pub(crate) struct ModifySnapshotGroup {
    snapshot_group_id: String,
    name: Option<String>,
    description: Option<String>,
}

/// Changes what is said of a group.
pub(crate) async fn modify(cx: &Cx<'_>, asked: ModifySnapshotGroup) -> Result<(), Fault> {
    let group = group_id(&asked.snapshot_group_id)?;
    let command = control::ModifySnapshotGroup { group, name: asked.name, description: asked.description };
    Ok(cx.cloud.run(&cx.caller, command, cx.options()?).await?)
}

/// What became of each part of a call.
#[derive(Show)]
pub(crate) struct Progress {
    #[reply(list = "OperationProgress")]
    operation_progress_set: Vec<OperationProgress>,
}

#[derive(Show)]
struct OperationProgress {
    operation_status: &'static str,
    error_code: &'static str,
    error_msg: &'static str,
    #[reply(list = "RelatedItem")]
    related_item_set: Vec<RelatedItem>,
}

#[derive(Show)]
struct RelatedItem {
    name: &'static str,
    value: String,
}

impl Progress {
    /// All of it happened; where a part cannot, the call is refused and nothing does.
    fn done(name: &'static str, values: impl Iterator<Item = String>) -> Progress {
        let done = |value| OperationProgress {
            operation_status: "Success",
            error_code: "",
            error_msg: "",
            related_item_set: vec![RelatedItem { name, value }],
        };
        Progress { operation_progress_set: values.map(done).collect() }
    }
}

/// `DeleteSnapshotGroup`.
#[derive(FromArg)]
pub(crate) struct DeleteSnapshotGroup {
    snapshot_group_id: String,
}

/// Deletes a group with its snapshots.
pub(crate) async fn delete(cx: &Cx<'_>, asked: DeleteSnapshotGroup) -> Result<Progress, Fault> {
    let command = control::DeleteSnapshotGroup { group: group_id(&asked.snapshot_group_id)? };
    let deleted = cx.cloud.run(&cx.caller, command, cx.options()?).await?;
    Ok(Progress::done("SnapshotId", deleted.iter().map(ToString::to_string)))
}

/// `ResetDisks`.
#[derive(FromArg)]
pub(crate) struct ResetDisks {
    #[arg(name = "Disk", max_items = RESET_PER_CALL)]
    disks: Vec<ResetDisk>,
}

/// A disk and the snapshot that it becomes.
#[derive(FromArg)]
struct ResetDisk {
    disk_id: String,
    snapshot_id: String,
}

/// Makes disks what they were at snapshots of them: all of them or none. Their instance has to be stopped.
pub(crate) async fn reset(cx: &Cx<'_>, asked: ResetDisks) -> Result<Progress, Fault> {
    if asked.disks.is_empty() {
        return Err(Fault::missing("Disk.1.DiskId"));
    }
    let command = |disk: &ResetDisk| {
        let (volume, snapshot) = (filter::id(Noun::Volume, &disk.disk_id)?, filter::id(Noun::Snapshot, &disk.snapshot_id)?);
        Ok(RollBackVolume { volume, snapshot, around: AroundRollBack::default() })
    };
    let commands = asked.disks.iter().map(command).collect::<Result<Vec<_>, Fault>>()?;
    let disks = cx.cloud.run(&cx.caller, Many(commands), cx.options()?).await?;
    Ok(Progress::done("DiskId", disks.iter().map(|volume| volume.id.to_string())))
}

/// `DescribeSnapshotGroups`.
#[derive(FromArg)]
pub(crate) struct DescribeSnapshotGroups {
    #[arg(name = "SnapshotGroupId", max_items = GROUPS_PER_CALL)]
    snapshot_group_ids: Vec<String>,
    instance_id: Option<String>,
    name: Option<String>,
    #[arg(max_items = STATES_PER_CALL)]
    status: Vec<Status>,
    resource_group_id: Option<String>,
    #[arg(name = "Tag", max_items = TAGS_PER_CALL)]
    tags: Vec<TagArg>,
    #[arg(flatten)]
    paged: Paged,
}

/// States to look for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromArg)]
#[arg(rename = "lowercase")]
enum Status {
    Progressing,
    Accomplished,
    Failed,
}

impl Status {
    const fn word(self) -> &'static str {
        match self {
            Status::Progressing => "pending",
            Status::Accomplished => "completed",
            Status::Failed => "error",
        }
    }
}

#[derive(Show)]
pub(crate) struct SnapshotGroups {
    #[reply(list = "SnapshotGroup")]
    snapshot_groups: Vec<GroupReply>,
    next_token: String,
}

#[derive(Show)]
struct GroupReply {
    snapshot_group_id: String,
    name: String,
    description: String,
    instance_id: String,
    status: &'static str,
    progress_status: &'static str,
    creation_time: Timestamp,
    resource_group_id: &'static str,
    #[reply(list = "Snapshot")]
    snapshots: Vec<MemberReply>,
    #[reply(list = "Tag")]
    tags: Vec<TagReply>,
}

#[derive(Show)]
struct MemberReply {
    snapshot_id: String,
    source_disk_id: String,
    source_disk_type: &'static str,
    progress: String,
    available: bool,
    instant_access: bool,
    instant_access_retention_days: u32,
    #[reply(list = "Tag")]
    tags: Vec<TagReply>,
}

/// Lists groups with their snapshots.
pub(crate) async fn describe(cx: &Cx<'_>, asked: DescribeSnapshotGroups) -> Result<SnapshotGroups, Fault> {
    let mut filters = Filters::new();
    let states: Vec<String> = asked.status.iter().map(|status| status.word().to_owned()).collect();
    filters
        .one_of(Field::Id, &asked.snapshot_group_ids)
        .exact(Field::Instance, asked.instance_id.as_ref())
        .exact(Field::Name, asked.name.as_ref())
        .one_of(Field::State, &states)
        .always(asked.resource_group_id.as_ref(), &[])
        .tags(&asked.tags);
    // The list has tokens only.
    let paged = Paged { max_results: asked.paged.max_results.or(Some(PAGE_SIZE)), ..asked.paged };
    let query = Query { ids: vec![], filters: filters.into_vec(), page: paged.page(PAGE_SIZE_MAX)? };
    let listed = cx.cloud.list::<SnapshotGroupView>(&cx.caller, query).await?;
    let next_token = paged.paging(&listed).next_token;
    Ok(SnapshotGroups { snapshot_groups: listed.rows.iter().map(reply).collect(), next_token })
}

fn group_id(text: &str) -> Result<SnapshotGroupId, Fault> {
    filter::id(Noun::SnapshotGroup, text)
}

fn reply(view: &SnapshotGroupView) -> GroupReply {
    let SnapshotGroupView { group, snapshots } = view;
    let status = match SnapshotGroup::word(snapshots) {
        "pending" => "progressing",
        "completed" => "accomplished",
        _ => "failed",
    };
    GroupReply {
        snapshot_group_id: group.id.to_string(),
        name: group.name.clone(),
        description: group.description.clone(),
        instance_id: group.instance.to_string(),
        status,
        progress_status: "",
        creation_time: group.created_at.timestamp(),
        resource_group_id: "",
        snapshots: snapshots.iter().map(member).collect(),
        tags: tag_replies(&group.tags),
    }
}

fn member(snapshot: &Snapshot) -> MemberReply {
    MemberReply {
        snapshot_id: snapshot.id.to_string(),
        source_disk_id: snapshot.volume.to_string(),
        source_disk_type: if snapshot.of_root { "system" } else { "data" },
        progress: format!("{}%", snapshot.percent()),
        available: snapshot.contents().is_ok(),
        instant_access: false,
        instant_access_retention_days: 0,
        tags: tag_replies(&snapshot.tags),
    }
}
