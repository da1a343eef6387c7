//! Groups of snapshots: disks of an instance at one instant.

use control::{DeleteSnapshotGroup as Delete, Field, Many, Query, RollBackToGroup, SnapshotGroupView};
use jiff::Timestamp;
use model::{Snapshot, SnapshotGroup, SnapshotGroupId, SnapshotId, VolumeId};
use wire::{FromArg, Show};

use crate::error::Fault;
use crate::filter::{By, FILTERS_MAX, FilterArg, Filters};
use crate::page::{Cut, LIMIT_MAX};
use crate::snapshot::Around;
use crate::snapshot_image::{ImageOfSnapshot, ImagesOf};
use crate::tag::{self, TagArg};
use crate::{Cx, id};

/// `CreateSnapshotGroup`.
#[derive(FromArg)]
pub(crate) struct CreateSnapshotGroup {
    #[arg(max_items = LIMIT_MAX)]
    disk_ids: Vec<String>,
    #[arg(default)]
    snapshot_group_name: String,
    #[arg(max_items = tag::TAGS_PER_CALL)]
    tags: Vec<TagArg>,
}

#[derive(Show)]
#[reply(list = "")]
pub(crate) struct Created {
    snapshot_group_id: String,
}

/// Takes snapshots of disks of one instance at one instant; the guest goes on.
pub(crate) async fn create(cx: &Cx<'_>, asked: CreateSnapshotGroup) -> Result<Created, Fault> {
    let command = control::CreateSnapshotGroup {
        instance: None,
        volumes: id::read_some("DiskIds", &asked.disk_ids)?,
        without: vec![],
        name: asked.snapshot_group_name,
        description: String::new(),
        tags: tag::tags_of(asked.tags)?,
    };
    let group = cx.cloud.run(&cx.caller, command, cx.options()).await?;
    Ok(Created { snapshot_group_id: id::shown(group.id) })
}

/// `DeleteSnapshotGroup`.
#[derive(FromArg)]
pub(crate) struct DeleteSnapshotGroup {
    snapshot_group_id: Option<String>,
    #[arg(max_items = LIMIT_MAX)]
    snapshot_group_ids: Vec<String>,
}

/// Deletes groups with their snapshots: all of them or none.
pub(crate) async fn delete(cx: &Cx<'_>, asked: DeleteSnapshotGroup) -> Result<(), Fault> {
    let mut named: Vec<String> = asked.snapshot_group_id.into_iter().filter(|id| !id.is_empty()).chain(asked.snapshot_group_ids).collect();
    named.sort();
    named.dedup();
    let commands = id::read_some("SnapshotGroupId", &named)?.into_iter().map(|group| Delete { group }).collect();
    Ok(cx.cloud.run(&cx.caller, Many(commands), cx.options()).await.map(drop)?)
}

/// `ApplySnapshotGroup`.
#[derive(FromArg)]
pub(crate) struct ApplySnapshotGroup {
    snapshot_group_id: String,
    #[arg(max_items = LIMIT_MAX)]
    apply_disks: Vec<ApplyDisk>,
    #[arg(flatten)]
    around: Around,
}

/// A disk and the snapshot of the group that it becomes.
#[derive(FromArg)]
struct ApplyDisk {
    snapshot_id: String,
    disk_id: String,
}

/// Makes disks what they were at snapshots of a group: all of them or none. Their instance has to be stopped, or is for it.
pub(crate) async fn apply(cx: &Cx<'_>, asked: ApplySnapshotGroup) -> Result<(), Fault> {
    if asked.apply_disks.is_empty() {
        return Err(Fault::missing("ApplyDisks"));
    }
    let one = |disk: &ApplyDisk| Ok((id::read::<VolumeId>(&disk.disk_id)?, id::read::<SnapshotId>(&disk.snapshot_id)?));
    let volumes = asked.apply_disks.iter().map(one).collect::<Result<Vec<_>, Fault>>()?;
    let command = RollBackToGroup { group: id::read(&asked.snapshot_group_id)?, volumes, around: asked.around.read() };
    Ok(cx.cloud.run(&cx.caller, command, cx.options()).await?)
}

/// `DescribeSnapshotGroups`.
#[derive(FromArg)]
pub(crate) struct DescribeSnapshotGroups {
    #[arg(max_items = FILTERS_MAX)]
    filters: Vec<FilterArg>,
    #[arg(flatten)]
    cut: Cut,
}

#[derive(Show)]
#[reply(list = "")]
pub(crate) struct SnapshotGroups {
    total_count: usize,
    snapshot_group_set: Vec<GroupReply>,
}

#[derive(Show)]
#[reply(list = "")]
struct GroupReply {
    snapshot_group_id: String,
    snapshot_group_name: String,
    snapshot_group_type: &'static str,
    snapshot_group_state: &'static str,
    percent: u8,
    contain_root_snapshot: bool,
    snapshot_id_set: Vec<String>,
    image_count: usize,
    images: Vec<ImageOfSnapshot>,
    is_permanent: bool,
    deadline_time: &'static str,
    auto_snapshot_policy_id: &'static str,
    create_time: Timestamp,
    modify_time: Timestamp,
}

/// Lists groups.
pub(crate) async fn describe(cx: &Cx<'_>, asked: DescribeSnapshotGroups) -> Result<SnapshotGroups, Fault> {
    let filters = Filters::read(&asked.filters, filter)?.into_vec();
    let listed = cx.cloud.list::<SnapshotGroupView>(&cx.caller, Query { ids: vec![], filters, page: asked.cut.page() }).await?;
    let images = ImagesOf::all(cx, listed.rows.iter().flat_map(|view| &view.snapshots)).await?;
    Ok(SnapshotGroups { total_count: listed.total, snapshot_group_set: listed.rows.iter().map(|row| reply(row, &images)).collect() })
}

fn filter(name: &str) -> Option<By> {
    Some(match name {
        "snapshot-group-id" => By::id::<SnapshotGroupId>(Field::Id),
        "snapshot-group-state" => By::Word(Field::State, states),
        "snapshot-group-name" => By::Is(Field::Name),
        "snapshot-id" => By::id::<SnapshotId>(Field::Snapshot),
        _ => return None,
    })
}

/// CBS has no word for a group of which a snapshot failed; it is as good as there.
fn states(word: &str) -> Vec<String> {
    let states = match word {
        "NORMAL" => &["completed", "error"][..],
        "CREATING" => &["pending"],
        _ => &[],
    };
    states.iter().map(|state| (*state).to_owned()).collect()
}

fn reply(view: &SnapshotGroupView, images: &ImagesOf) -> GroupReply {
    let SnapshotGroupView { group, snapshots } = view;
    // An image of a system disk and data disks is made of several of them.
    let mut images: Vec<ImageOfSnapshot> = snapshots.iter().flat_map(|snapshot| images.of(snapshot.id)).cloned().collect();
    images.sort();
    images.dedup();
    GroupReply {
        snapshot_group_id: id::shown(group.id),
        snapshot_group_name: group.name.clone(),
        snapshot_group_type: "NORMAL",
        snapshot_group_state: if SnapshotGroup::word(snapshots) == "pending" { "CREATING" } else { "NORMAL" },
        percent: SnapshotGroup::percent(snapshots),
        contain_root_snapshot: snapshots.iter().any(|snapshot| snapshot.of_root),
        snapshot_id_set: snapshots.iter().map(|snapshot: &Snapshot| id::shown(snapshot.id)).collect(),
        image_count: images.len(),
        images,
        is_permanent: true,
        deadline_time: "",
        auto_snapshot_policy_id: "",
        create_time: group.created_at.timestamp(),
        modify_time: group.changed_at.timestamp(),
    }
}
