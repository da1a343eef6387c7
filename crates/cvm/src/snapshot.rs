//! Snapshots of disks.

use control::{AroundRollBack, DeleteSnapshot, Field, Many, ModifySnapshot, OrderKey, Query, RollBackVolume, SnapshotOf, TakeSnapshots};
use model::{AccountId, Error, Snapshot, SnapshotId, SnapshotPhase, VolumeId};
use wire::{FromArg, Show};

use crate::error::Fault;
use crate::filter::{By, FILTERS_MAX, FilterArg, Filters, not_both};
use crate::order::{self, DiskOrder, OrderDirection};
use crate::page::{Cut, LIMIT_MAX};
use crate::snapshot_image::{ImageOfSnapshot, ImagesOf};
use crate::tag::{self, TagArg, TagReply};
use crate::volume::Placement;
use crate::{Cx, id, time};

/// `CreateSnapshot`.
#[derive(FromArg)]
pub(crate) struct CreateSnapshot {
    disk_id: String,
    #[arg(default)]
    snapshot_name: String,
    #[arg(max_items = tag::TAGS_PER_CALL)]
    tags: Vec<TagArg>,
}

#[derive(Show)]
#[reply(list = "")]
pub(crate) struct Created {
    snapshot_id: String,
}

/// Takes a snapshot of a disk, attached or not; the guest goes on.
pub(crate) async fn create(cx: &Cx<'_>, asked: CreateSnapshot) -> Result<Created, Fault> {
    let command = TakeSnapshots {
        of: SnapshotOf::Volumes(vec![id::read(&asked.disk_id)?]),
        name: asked.snapshot_name,
        description: String::new(),
        tags: tag::tags_of(asked.tags)?,
        copy_tags: false,
    };
    let taken = cx.cloud.run(&cx.caller, command, cx.options()).await?;
    let snapshot = taken.first().ok_or(Error::Internal)?;
    Ok(Created { snapshot_id: id::shown(snapshot.id) })
}

/// `DeleteSnapshots`.
#[derive(FromArg)]
pub(crate) struct DeleteSnapshots {
    #[arg(max_items = LIMIT_MAX)]
    snapshot_ids: Vec<String>,
}

/// Deletes snapshots: all of them or none.
pub(crate) async fn delete(cx: &Cx<'_>, asked: DeleteSnapshots) -> Result<(), Fault> {
    let delete = |snapshot| DeleteSnapshot { snapshot };
    let commands = id::read_some("SnapshotIds", &asked.snapshot_ids)?.into_iter().map(delete).collect();
    Ok(cx.cloud.run(&cx.caller, Many(commands), cx.options()).await.map(drop)?)
}

/// `ModifySnapshotAttribute`.
#[derive(FromArg)]
pub(crate) struct ModifySnapshotAttribute {
    snapshot_id: String,
    snapshot_name: Option<String>,
}

/// Names a snapshot.
pub(crate) async fn modify(cx: &Cx<'_>, asked: ModifySnapshotAttribute) -> Result<(), Fault> {
    let command = ModifySnapshot { snapshot: id::read(&asked.snapshot_id)?, name: asked.snapshot_name, description: None };
    Ok(cx.cloud.run(&cx.caller, command, cx.options()).await?)
}

/// What becomes of the instance of disks that are rolled back, for calls that say it.
#[derive(FromArg)]
pub(crate) struct Around {
    #[arg(default)]
    auto_stop_instance: bool,
    #[arg(default)]
    auto_start_instance: bool,
}

impl Around {
    /// The same for the control plane.
    pub(crate) const fn read(&self) -> AroundRollBack {
        AroundRollBack { stops: self.auto_stop_instance, starts: self.auto_start_instance }
    }
}

/// `ApplySnapshot`.
#[derive(FromArg)]
pub(crate) struct ApplySnapshot {
    snapshot_id: String,
    disk_id: String,
    #[arg(flatten)]
    around: Around,
}

/// Makes a disk what it was at a snapshot of it. Its instance has to be stopped, or is for it.
pub(crate) async fn apply(cx: &Cx<'_>, asked: ApplySnapshot) -> Result<(), Fault> {
    let (volume, snapshot) = (id::read(&asked.disk_id)?, id::read(&asked.snapshot_id)?);
    let command = RollBackVolume { volume, snapshot, around: asked.around.read() };
    Ok(cx.cloud.run(&cx.caller, command, cx.options()).await.map(drop)?)
}

/// `DescribeSnapshots`.
#[derive(FromArg)]
pub(crate) struct DescribeSnapshots {
    #[arg(max_items = LIMIT_MAX)]
    snapshot_ids: Vec<String>,
    #[arg(max_items = FILTERS_MAX)]
    filters: Vec<FilterArg>,
    #[arg(flatten)]
    cut: Cut,
    order_field: Option<DiskOrder>,
    order: Option<OrderDirection>,
}

#[derive(Show)]
#[reply(list = "")]
pub(crate) struct Snapshots {
    total_count: usize,
    snapshot_set: Vec<SnapshotReply>,
}

#[derive(Show)]
#[reply(list = "")]
struct SnapshotReply {
    snapshot_id: String,
    snapshot_name: String,
    snapshot_state: &'static str,
    snapshot_type: &'static str,
    percent: u8,
    disk_id: String,
    disk_size: u32,
    disk_usage: &'static str,
    placement: Placement,
    encrypt: bool,
    is_permanent: bool,
    copying_to_regions: Vec<String>,
    copy_from_remote: bool,
    image_count: usize,
    images: Vec<ImageOfSnapshot>,
    share_reference: usize,
    time_start_share: &'static str,
    is_locked: bool,
    auto_snapshot_policy_id: String,
    snapshot_mode: &'static str,
    latest_modify_time: String,
    deadline_time: String,
    create_time: String,
    tags: Vec<TagReply>,
}

/// The type of an account's own snapshots, and of those that another shares with it.
const PRIVATE: &str = "PRIVATE_SNAPSHOT";
const SHARED: &str = "SHARED_SNAPSHOT";

/// Lists the caller's snapshots, or those that others share with it.
pub(crate) async fn describe(cx: &Cx<'_>, asked: DescribeSnapshots) -> Result<Snapshots, Fault> {
    not_both("SnapshotIds", &asked.snapshot_ids, &asked.filters)?;
    let (kinds, others): (Vec<_>, Vec<_>) = asked.filters.into_iter().partition(|filter| filter.name == "snapshot-type");
    let mut filters = Filters::read(&others, filter)?.into_vec();
    let account = cx.caller.account();
    let field = if kinds.iter().any(|kind| kind.values.iter().any(|value| value == SHARED)) { Field::SharedWith } else { Field::Owner };
    let values = match kinds.iter().all(|kind| kind.values.iter().any(|value| value == SHARED || value == PRIVATE)) {
        true => vec![account.to_string()],
        false => vec![],
    };
    filters.push(control::Filter { field, values });
    filters.push(control::Filter { field: Field::IsBackup, values: vec!["false".to_owned()] });
    let query = Query { ids: id::read_all(&asked.snapshot_ids)?, filters, page: asked.cut.page() };
    let made: fn(&Snapshot) -> OrderKey = |snapshot| OrderKey::At(snapshot.created_at);
    let by = asked.order_field.map(|field| match field {
        DiskOrder::CreateTime => made,
        DiskOrder::Deadline => |_: &Snapshot| OrderKey::Alike,
    });
    let listed = order::list::<Snapshot>(cx, query, by, asked.order, made).await?;
    let zone = cx.cloud.region().zones.first().cloned().unwrap_or_default();
    let images = ImagesOf::all(cx, listed.rows.iter()).await?;
    let snapshot_set = listed.rows.iter().map(|row| reply(row, account, &zone, images.of(row.id))).collect();
    Ok(Snapshots { total_count: listed.total, snapshot_set })
}

fn filter(name: &str) -> Option<By> {
    Some(match name {
        "snapshot-id" => By::id::<SnapshotId>(Field::Id),
        "snapshot-name" => By::Is(Field::Name),
        "snapshot-state" => By::Word(Field::State, states),
        "disk-usage" => By::Word(Field::IsRoot, is_root),
        "disk-id" => By::id::<VolumeId>(Field::Volume),
        "project-id" => By::Always(&["0"]),
        "encrypt" => By::Word(Field::IsEncrypted, is_encrypted),
        _ => return None,
    })
}

fn states(word: &str) -> Vec<String> {
    let state = match word {
        "NORMAL" => "completed",
        "CREATING" => "pending",
        _ => return vec![],
    };
    vec![state.to_owned()]
}

fn is_encrypted(word: &str) -> Vec<String> {
    match word {
        "TRUE" => vec!["true".to_owned()],
        "FALSE" => vec!["false".to_owned()],
        _ => vec![],
    }
}

fn is_root(usage: &str) -> Vec<String> {
    match usage {
        "SYSTEM_DISK" => vec!["true".to_owned()],
        "DATA_DISK" => vec!["false".to_owned()],
        _ => vec![],
    }
}

fn reply(snapshot: &Snapshot, caller: AccountId, zone: &str, images: &[ImageOfSnapshot]) -> SnapshotReply {
    let is_own = snapshot.account == caller;
    SnapshotReply {
        snapshot_id: id::shown(snapshot.id),
        snapshot_name: snapshot.shown_name().to_owned(),
        snapshot_state: match snapshot.phase {
            SnapshotPhase::Completed => "NORMAL",
            SnapshotPhase::Pending { .. } => "CREATING",
            SnapshotPhase::Failed => "TORECYCLE",
        },
        snapshot_type: if is_own { PRIVATE } else { SHARED },
        percent: snapshot.percent(),
        disk_id: id::shown(snapshot.volume),
        disk_size: snapshot.size.0,
        disk_usage: if snapshot.of_root { "SYSTEM_DISK" } else { "DATA_DISK" },
        placement: Placement::in_zone(zone),
        encrypt: snapshot.encryption.is_some(),
        is_permanent: snapshot.expires_at.is_none(),
        copying_to_regions: vec![],
        copy_from_remote: false,
        image_count: images.len(),
        images: images.to_vec(),
        share_reference: if is_own { snapshot.shares.accounts.len() } else { 0 },
        time_start_share: "",
        is_locked: false,
        auto_snapshot_policy_id: id::shown_or_empty(snapshot.policy),
        snapshot_mode: "STANDARD",
        latest_modify_time: time::by_beijing(snapshot.ended_at.unwrap_or(snapshot.created_at).timestamp()),
        deadline_time: snapshot.expires_at.map(|at| time::by_beijing(at.timestamp())).unwrap_or_default(),
        create_time: time::by_beijing(snapshot.created_at.timestamp()),
        tags: if is_own { tag::replies(&snapshot.tags) } else { vec![] },
    }
}
