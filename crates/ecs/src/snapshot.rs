//! Snapshots of disks.

use control::{
    AroundRollBack, DeleteSnapshot as Delete, Field, ModifySnapshot, Query, RollBackVolume, SnapshotOf, TakeSnapshots, UsedSnapshot,
};
use jiff::Timestamp;
use model::{Error, Noun, Volume};
use wire::{FromArg, JsonList, Show};

use crate::Cx;
use crate::error::Fault;
use crate::filter::{self, CONDITIONS_PER_CALL, Condition, Filters, TAGS_PER_CALL, TagArg, tags_of};
use crate::page::{PAGE_SIZE_MAX, Paged, Paging};
use crate::snapshot_use;
use crate::tag::{TagReply, tag_replies};

/// Most snapshots that one call names (ECS documents 100).
const SNAPSHOTS_PER_CALL: usize = 100;

/// Milliseconds of a day.
const DAY_MS: i64 = 24 * 3_600_000;

/// `CreateSnapshot`.
#[derive(FromArg)]
pub(crate) struct CreateSnapshot {
    disk_id: String,
    snapshot_name: Option<String>,
    description: Option<String>,
    category: Option<Category>,
    #[arg(name = "Tag", max_items = TAGS_PER_CALL)]
    tags: Vec<TagArg>,
}

/// Where a snapshot is kept.
#[derive(Clone, Copy, FromArg)]
#[arg(rename = "lowercase")]
pub(crate) enum Category {
    Standard,
    Flash,
    Archive,
}

#[derive(Show)]
pub(crate) struct Created {
    snapshot_id: String,
}

/// Takes a snapshot of a disk, attached or not; the guest goes on.
pub(crate) async fn create(cx: &Cx<'_>, asked: CreateSnapshot) -> Result<Created, Fault> {
    match asked.category {
        None | Some(Category::Standard) => {}
        Some(Category::Flash | Category::Archive) => return Err(Fault::unsupported_parameter("A category of snapshots")),
    }
    let command = TakeSnapshots {
        of: SnapshotOf::Volumes(vec![filter::id(Noun::Volume, &asked.disk_id)?]),
        name: asked.snapshot_name.unwrap_or_default(),
        description: asked.description.unwrap_or_default(),
        tags: tags_of(asked.tags)?,
        copy_tags: false,
    };
    let taken = cx.cloud.run(&cx.caller, command, cx.options()?).await?;
    let snapshot = taken.first().ok_or(Error::Internal)?;
    Ok(Created { snapshot_id: snapshot.id.to_string() })
}

/// `DeleteSnapshot`.
#[derive(FromArg)]
pub(crate) struct DeleteSnapshot {
    snapshot_id: String,
    #[arg(default)]
    #[expect(dead_code, reason = "a disk that was made of a snapshot does not hinder its deletion; an image does, by force too")]
    force: bool,
}

/// Deletes a snapshot; others of the same disk stay whole.
pub(crate) async fn delete(cx: &Cx<'_>, asked: DeleteSnapshot) -> Result<(), Fault> {
    let command = Delete { snapshot: filter::id(Noun::Snapshot, &asked.snapshot_id)? };
    Ok(cx.cloud.run(&cx.caller, command, cx.options()?).await?)
}

/// `ModifySnapshotAttribute`.
#[derive(FromArg)]
pub(crate) struct ModifySnapshotAttribute {
    snapshot_id: String,
    snapshot_name: Option<String>,
    description: Option<String>,
}

/// Changes what is said of a snapshot.
pub(crate) async fn modify(cx: &Cx<'_>, asked: ModifySnapshotAttribute) -> Result<(), Fault> {
    let command = ModifySnapshot {
        snapshot: filter::id(Noun::Snapshot, &asked.snapshot_id)?,
        name: asked.snapshot_name,
        description: asked.description,
    };
    Ok(cx.cloud.run(&cx.caller, command, cx.options()?).await?)
}

/// `ResetDisk`.
#[derive(FromArg)]
pub(crate) struct ResetDisk {
    disk_id: String,
    snapshot_id: String,
}

/// Makes a disk what it was at a snapshot of it. Its instance has to be stopped.
pub(crate) async fn reset(cx: &Cx<'_>, asked: ResetDisk) -> Result<(), Fault> {
    let (volume, snapshot) = (filter::id(Noun::Volume, &asked.disk_id)?, filter::id(Noun::Snapshot, &asked.snapshot_id)?);
    let command = RollBackVolume { volume, snapshot, around: AroundRollBack::default() };
    Ok(cx.cloud.run(&cx.caller, command, cx.options()?).await.map(drop)?)
}

/// `DescribeSnapshots`.
#[derive(FromArg)]
pub(crate) struct DescribeSnapshots {
    #[arg(max_items = SNAPSHOTS_PER_CALL)]
    snapshot_ids: Option<JsonList<String>>,
    disk_id: Option<String>,
    instance_id: Option<String>,
    snapshot_link_id: Option<String>,
    snapshot_name: Option<String>,
    status: Option<Status>,
    snapshot_type: Option<SnapshotType>,
    source_disk_type: Option<SourceDiskType>,
    encrypted: Option<bool>,
    category: Option<String>,
    usage: Option<Usage>,
    #[arg(name = "KMSKeyId")]
    kms_key_id: Option<String>,
    #[arg(name = "Filter", max_items = CONDITIONS_PER_CALL)]
    conditions: Vec<Condition>,
    resource_group_id: Option<String>,
    #[arg(name = "Tag", max_items = TAGS_PER_CALL)]
    tags: Vec<TagArg>,
    #[arg(flatten)]
    paged: Paged,
}

/// What a snapshot is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromArg)]
#[arg(rename = "snake_case")]
enum Usage {
    Image,
    Disk,
    ImageDisk,
    None,
}

/// States to look for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromArg)]
#[arg(rename = "lowercase")]
enum Status {
    Progressing,
    Accomplished,
    Failed,
    All,
}

/// By whom a snapshot was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromArg)]
#[arg(rename = "lowercase")]
enum SnapshotType {
    All,
    User,
    Auto,
}

/// Of what a snapshot is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromArg)]
#[arg(rename = "lowercase")]
enum SourceDiskType {
    System,
    Data,
}

#[derive(Show)]
pub(crate) struct Snapshots {
    #[reply(list = "Snapshot")]
    snapshots: Vec<SnapshotReply>,
    #[reply(flatten)]
    paging: Paging,
}

#[derive(Show)]
struct SnapshotReply {
    snapshot_id: String,
    snapshot_name: String,
    description: String,
    region_id: String,
    status: &'static str,
    progress: String,
    available: bool,
    source_disk_id: String,
    source_disk_size: String,
    source_disk_type: &'static str,
    snapshot_type: &'static str,
    retention_days: Option<i64>,
    category: &'static str,
    encrypted: bool,
    #[reply(name = "KMSKeyId")]
    kms_key_id: String,
    instant_access: bool,
    usage: &'static str,
    product_code: &'static str,
    resource_group_id: &'static str,
    creation_time: Timestamp,
    last_modified_time: Timestamp,
    #[reply(list = "Tag")]
    tags: Vec<TagReply>,
}

/// Lists the caller's snapshots.
pub(crate) async fn describe(cx: &Cx<'_>, asked: DescribeSnapshots) -> Result<Snapshots, Fault> {
    let mut filters = asked.filters(cx)?;
    if let Some(instance) = asked.instance_id.as_ref().filter(|id| !id.is_empty()) {
        let mut of = Filters::new();
        of.exact(Field::Instance, Some(instance));
        let disks = cx.cloud.list::<Volume>(&cx.caller, Query { filters: of.into_vec(), ..Query::default() }).await?;
        filters.one_of_at_least(Field::Volume, &disks.rows.iter().map(|disk| disk.id.to_string()).collect::<Vec<_>>());
    }
    let query = Query { ids: vec![], filters: filters.into_vec(), page: asked.paged.page(PAGE_SIZE_MAX)? };
    let listed = cx.cloud.list::<UsedSnapshot>(&cx.caller, query).await?;
    let paging = asked.paged.paging(&listed);
    Ok(Snapshots { snapshots: listed.rows.iter().map(|snapshot| reply(cx, snapshot)).collect(), paging })
}

impl DescribeSnapshots {
    fn filters(&self, cx: &Cx<'_>) -> Result<Filters, Fault> {
        let mut filters = Filters::new();
        filters
            .exact(Field::Owner, Some(cx.caller.account()))
            .listed(Field::Id, self.snapshot_ids.as_deref())
            .exact(Field::Volume, self.disk_id.as_ref())
            .exact(Field::Volume, self.snapshot_link_id.as_ref().map(|id| snapshot_use::disk_of_link(id)))
            .wildcard(Field::Name, self.snapshot_name.as_ref())
            .exact(Field::IsEncrypted, self.encrypted)
            .always(self.category.as_ref(), &["standard"])
            .always(self.resource_group_id.as_ref(), &[])
            .exact(Field::EncryptionKey, self.kms_key_id.as_ref())
            .exact(Field::Use, self.usage.map(Usage::word))
            .tags(&self.tags)
            .times(&self.conditions, None)?;
        match self.status {
            None | Some(Status::All) => {}
            Some(Status::Progressing) => drop(filters.exact(Field::State, Some("pending"))),
            Some(Status::Accomplished) => drop(filters.exact(Field::State, Some("completed"))),
            Some(Status::Failed) => drop(filters.exact(Field::State, Some("error"))),
        }
        match self.snapshot_type {
            None | Some(SnapshotType::All) => {}
            Some(SnapshotType::User) => drop(filters.exact(Field::IsAutomatic, Some(false))),
            Some(SnapshotType::Auto) => drop(filters.exact(Field::IsAutomatic, Some(true))),
        }
        match self.source_disk_type {
            None => {}
            Some(SourceDiskType::System) => drop(filters.exact(Field::IsRoot, Some(true))),
            Some(SourceDiskType::Data) => drop(filters.exact(Field::IsRoot, Some(false))),
        }
        Ok(filters)
    }
}

impl Usage {
    /// The control plane's word.
    const fn word(self) -> &'static str {
        match self {
            Usage::Image => "image",
            Usage::Disk => "volume",
            Usage::ImageDisk => "both",
            Usage::None => "none",
        }
    }
}

/// ECS's word for what a snapshot is used for.
fn usage(used: &UsedSnapshot) -> &'static str {
    match used.word() {
        "volume" => "disk",
        "both" => "image_disk",
        word => word,
    }
}

fn reply(cx: &Cx<'_>, used: &UsedSnapshot) -> SnapshotReply {
    let snapshot = &used.snapshot;
    SnapshotReply {
        snapshot_id: snapshot.id.to_string(),
        snapshot_name: snapshot.shown_name().to_owned(),
        description: snapshot.description.clone(),
        region_id: cx.region(),
        status: match snapshot.word() {
            "pending" => "progressing",
            "completed" => "accomplished",
            _ => "failed",
        },
        progress: format!("{}%", snapshot.percent()),
        available: snapshot.contents().is_ok(),
        source_disk_id: snapshot.volume.to_string(),
        source_disk_size: snapshot.size.0.to_string(),
        source_disk_type: if snapshot.of_root { "system" } else { "data" },
        snapshot_type: if snapshot.policy.is_some() { "auto" } else { "user" },
        retention_days: snapshot.expires_at.map(|at| at.since(snapshot.created_at) / DAY_MS),
        category: "standard",
        encrypted: snapshot.encryption.is_some(),
        kms_key_id: snapshot.encryption.as_ref().map(|encryption| encryption.key.uuid()).unwrap_or_default(),
        instant_access: false,
        usage: usage(used),
        product_code: "",
        resource_group_id: "",
        creation_time: snapshot.created_at.timestamp(),
        last_modified_time: snapshot.ended_at.unwrap_or(snapshot.created_at).timestamp(),
        tags: tag_replies(&snapshot.tags),
    }
}
