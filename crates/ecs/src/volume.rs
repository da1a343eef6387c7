//! Disks: made, attached, grown, described, released.

use control::{AttachVolume, CreateVolume, DeleteVolume, DetachVolume, Field, GrowVolume, ModifyVolumes, Query, VolumeView};
use jiff::Timestamp;
use model::{Attachment as Attached, EncryptionChoice, Gib, Noun, Provisioned, Volume, VolumeKind, VolumePhase};
use wire::{FromArg, JsonList, Show};

use crate::Cx;
use crate::error::Fault;
use crate::filter::{self, CONDITIONS_PER_CALL, Condition, Filters, TAGS_PER_CALL, TagArg, tags_of};
use crate::page::{PAGE_SIZE_MAX, Paged, Paging};
use crate::tag::{TagReply, tag_replies};

/// Categories of disks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromArg)]
#[arg(rename = "snake_case")]
pub(crate) enum Category {
    Cloud,
    CloudEfficiency,
    CloudSsd,
    CloudEssd,
    CloudAuto,
    CloudEssdEntry,
}

/// ECS's word for a kind of volume: what comes nearest for those that other clouds sell.
pub(crate) const fn category_word(kind: VolumeKind) -> &'static str {
    match kind {
        VolumeKind::Magnetic | VolumeKind::Cold | VolumeKind::Streaming => "cloud",
        VolumeKind::Efficient | VolumeKind::Premium => "cloud_efficiency",
        VolumeKind::Entry => "cloud_essd_entry",
        VolumeKind::Balanced | VolumeKind::Solid | VolumeKind::General | VolumeKind::Second => "cloud_ssd",
        VolumeKind::Auto => "cloud_auto",
        VolumeKind::Fast
        | VolumeKind::Level0
        | VolumeKind::Level1
        | VolumeKind::Level2
        | VolumeKind::Level3
        | VolumeKind::Enhanced
        | VolumeKind::Extreme
        | VolumeKind::Provisioned
        | VolumeKind::ProvisionedPlus => "cloud_essd",
    }
}

/// Classes of `cloud_essd`.
#[derive(Clone, Copy, PartialEq, Eq, FromArg)]
pub(crate) enum PerformanceLevel {
    #[arg(name = "PL0")]
    Zero,
    #[arg(name = "PL1")]
    One,
    #[arg(name = "PL2")]
    Two,
    #[arg(name = "PL3")]
    Three,
}

impl PerformanceLevel {
    /// The kinds that are shown with this level; see [`level_word`].
    const fn kinds(self) -> &'static [&'static str] {
        match self {
            PerformanceLevel::Zero => &["level0"],
            PerformanceLevel::One => &["level1", "fast", "enhanced"],
            PerformanceLevel::Two => &["level2", "provisioned"],
            PerformanceLevel::Three => &["level3", "extreme", "provisioned_plus"],
        }
    }
}

/// ECS's word for the class of a kind that is shown as `cloud_essd`; empty for others.
pub(crate) const fn level_word(kind: VolumeKind) -> &'static str {
    match kind {
        VolumeKind::Level0 => "PL0",
        VolumeKind::Level1 | VolumeKind::Fast | VolumeKind::Enhanced => "PL1",
        VolumeKind::Level2 | VolumeKind::Provisioned => "PL2",
        VolumeKind::Level3 | VolumeKind::Extreme | VolumeKind::ProvisionedPlus => "PL3",
        VolumeKind::Magnetic
        | VolumeKind::Cold
        | VolumeKind::Streaming
        | VolumeKind::Efficient
        | VolumeKind::Premium
        | VolumeKind::Entry
        | VolumeKind::Balanced
        | VolumeKind::Solid
        | VolumeKind::General
        | VolumeKind::Second
        | VolumeKind::Auto => "",
    }
}

/// What is said of the speed of a disk.
#[derive(Clone, Copy, Default)]
pub(crate) struct Speed {
    pub(crate) level: Option<PerformanceLevel>,
    pub(crate) provisioned_iops: Option<u32>,
    pub(crate) bursting: Option<bool>,
}

impl Category {
    /// The kind of volume, and what is bought on top. Only `cloud_essd` has levels, only `cloud_auto` is bought accesses and bursts,
    /// which it does unless told otherwise.
    pub(crate) fn sold(self, speed: Speed) -> Result<(VolumeKind, Provisioned), Fault> {
        let kind = match self {
            Category::Cloud => VolumeKind::Magnetic,
            Category::CloudEfficiency => VolumeKind::Efficient,
            Category::CloudSsd => VolumeKind::Solid,
            Category::CloudAuto => VolumeKind::Auto,
            Category::CloudEssdEntry => VolumeKind::Entry,
            Category::CloudEssd => match speed.level {
                Some(PerformanceLevel::Zero) => VolumeKind::Level0,
                None | Some(PerformanceLevel::One) => VolumeKind::Level1,
                Some(PerformanceLevel::Two) => VolumeKind::Level2,
                Some(PerformanceLevel::Three) => VolumeKind::Level3,
            },
        };
        // Clients send the usual level for every category.
        let is_usual = matches!(speed.level, None | Some(PerformanceLevel::One));
        if !is_usual && self != Category::CloudEssd {
            return Err(model::Error::invalid("PerformanceLevel", "only cloud_essd has performance levels").into());
        }
        if self != Category::CloudAuto && speed.provisioned_iops.is_some_and(|iops| iops > 0) {
            return Err(model::Error::invalid("ProvisionedIops", "only cloud_auto has provisioned IOPS").into());
        }
        let burst = speed.bursting.filter(|on| *on || self == Category::CloudAuto);
        Ok((kind, Provisioned { iops: speed.provisioned_iops.filter(|iops| *iops > 0), throughput: None, burst }))
    }
}

/// `CreateDisk`.
#[derive(FromArg)]
pub(crate) struct CreateDisk {
    zone_id: String,
    size: Option<u32>,
    snapshot_id: Option<String>,
    disk_category: Option<Category>,
    performance_level: Option<PerformanceLevel>,
    provisioned_iops: Option<u32>,
    bursting_enabled: Option<bool>,
    disk_name: Option<String>,
    description: Option<String>,
    encrypted: Option<bool>,
    #[arg(name = "KMSKeyId")]
    kms_key_id: Option<String>,
    multi_attach: Option<MultiAttach>,
    #[arg(default)]
    delete_auto_snapshot: bool,
    #[arg(name = "Tag", max_items = TAGS_PER_CALL)]
    tags: Vec<TagArg>,
}

/// Whether several instances may have a disk at once.
#[derive(Clone, Copy, PartialEq, Eq, FromArg)]
enum MultiAttach {
    Enabled,
    Disabled,
}

#[derive(Show)]
pub(crate) struct Created {
    disk_id: String,
}

/// Makes a disk, empty or of a snapshot.
pub(crate) async fn create(cx: &Cx<'_>, asked: CreateDisk) -> Result<Created, Fault> {
    let speed = Speed { level: asked.performance_level, provisioned_iops: asked.provisioned_iops, bursting: asked.bursting_enabled };
    let (kind, provisioned) = asked.disk_category.unwrap_or(Category::Cloud).sold(speed)?;
    let command = CreateVolume {
        zone: asked.zone_id,
        snapshot: filter::optional_id(Noun::Snapshot, asked.snapshot_id.as_ref())?,
        size: asked.size.map(Gib),
        encryption: EncryptionChoice::asked(asked.encrypted, asked.kms_key_id.as_deref())?,
        kind,
        provisioned,
        name: asked.disk_name.unwrap_or_default(),
        description: asked.description.unwrap_or_default(),
        deletes_auto_snapshots: asked.delete_auto_snapshot,
        shared: asked.multi_attach == Some(MultiAttach::Enabled),
        tags: tags_of(asked.tags)?,
    };
    let volume = cx.cloud.run(&cx.caller, command, cx.options()?).await?;
    Ok(Created { disk_id: volume.id.to_string() })
}

/// `AttachDisk`.
#[derive(FromArg)]
pub(crate) struct AttachDisk {
    disk_id: String,
    instance_id: String,
    device: Option<String>,
    #[arg(default)]
    delete_with_instance: bool,
}

/// Attaches a disk to an instance, running or stopped.
pub(crate) async fn attach(cx: &Cx<'_>, asked: AttachDisk) -> Result<(), Fault> {
    let command = AttachVolume {
        volume: filter::id(Noun::Volume, &asked.disk_id)?,
        instance: filter::id(Noun::Instance, &asked.instance_id)?,
        device: asked.device.filter(|device| !device.is_empty()),
        delete_on_termination: asked.delete_with_instance,
    };
    cx.cloud.run(&cx.caller, command, cx.options()?).await?;
    Ok(())
}

/// `DetachDisk`.
#[derive(FromArg)]
pub(crate) struct DetachDisk {
    disk_id: String,
    instance_id: String,
    #[expect(dead_code, reason = "a detached disk goes with no instance, whatever is said")]
    delete_with_instance: Option<bool>,
}

/// Detaches a disk: the guest is asked to release it.
pub(crate) async fn detach(cx: &Cx<'_>, asked: DetachDisk) -> Result<(), Fault> {
    let command = DetachVolume {
        volume: filter::id(Noun::Volume, &asked.disk_id)?,
        instance: Some(filter::id(Noun::Instance, &asked.instance_id)?),
        device: None,
        force: false,
    };
    cx.cloud.run(&cx.caller, command, cx.options()?).await?;
    Ok(())
}

/// `DeleteDisk`.
#[derive(FromArg)]
pub(crate) struct DeleteDisk {
    disk_id: String,
}

/// Releases a disk that is not attached.
pub(crate) async fn delete(cx: &Cx<'_>, asked: DeleteDisk) -> Result<(), Fault> {
    let command = DeleteVolume { volume: filter::id(Noun::Volume, &asked.disk_id)? };
    Ok(cx.cloud.run(&cx.caller, command, cx.options()?).await?)
}

/// `ResizeDisk`.
#[derive(FromArg)]
pub(crate) struct ResizeDisk {
    disk_id: String,
    new_size: u32,
    #[expect(dead_code, reason = "a guest sees the new size at once, whichever way was asked for")]
    r#type: Option<ResizeType>,
}

/// When the guest of an attached disk sees its new size.
#[derive(Clone, Copy, PartialEq, Eq, FromArg)]
#[arg(rename = "lowercase")]
enum ResizeType {
    Offline,
    Online,
}

/// Grows a disk, attached or not.
pub(crate) async fn resize(cx: &Cx<'_>, asked: ResizeDisk) -> Result<(), Fault> {
    let (volume, size) = (filter::id(Noun::Volume, &asked.disk_id)?, Some(Gib(asked.new_size)));
    let command = GrowVolume { volume, size, kind: None, provisioned: Provisioned::default() };
    cx.cloud.run(&cx.caller, command, cx.options()?).await?;
    Ok(())
}

/// `ModifyDiskSpec`. What is absent stays.
#[derive(FromArg)]
pub(crate) struct ModifyDiskSpec {
    disk_id: String,
    disk_category: Option<Category>,
    performance_level: Option<PerformanceLevel>,
    provisioned_iops: Option<u32>,
}

/// Sells a disk as another category, at another level, or with other accesses in a second, while it is in use.
pub(crate) async fn modify_spec(cx: &Cx<'_>, asked: ModifyDiskSpec) -> Result<(), Fault> {
    let volume = filter::id(Noun::Volume, &asked.disk_id)?;
    let ModifyDiskSpec { disk_category, performance_level, provisioned_iops, .. } = asked;
    let category = match (disk_category, performance_level, provisioned_iops) {
        (Some(category), _, _) => Some(category),
        (None, Some(_), None) => Some(Category::CloudEssd),
        // Of a disk that is no cloud_auto it is refused when the row is known.
        (None, None, Some(_)) => None,
        (None, Some(_), Some(_)) => return Err(model::Error::invalid("ProvisionedIops", "only cloud_auto has provisioned IOPS").into()),
        (None, None, None) => return Err(Fault::missing("DiskCategory")),
    };
    let (kind, provisioned) = match category {
        Some(category) => {
            let (kind, provisioned) = category.sold(Speed { level: performance_level, provisioned_iops, bursting: None })?;
            (Some(kind), provisioned)
        }
        None => (None, Provisioned { iops: provisioned_iops, ..Provisioned::default() }),
    };
    cx.cloud.run(&cx.caller, GrowVolume { volume, size: None, kind, provisioned }, cx.options()?).await?;
    Ok(())
}

/// `ModifyDiskAttribute`. What is absent stays.
#[derive(FromArg)]
pub(crate) struct ModifyDiskAttribute {
    disk_id: Option<String>,
    #[arg(max_items = DISKS_PER_CALL)]
    disk_ids: Vec<String>,
    disk_name: Option<String>,
    description: Option<String>,
    delete_with_instance: Option<bool>,
    delete_auto_snapshot: Option<bool>,
}

/// Changes what is said of disks.
pub(crate) async fn modify(cx: &Cx<'_>, asked: ModifyDiskAttribute) -> Result<(), Fault> {
    let named = asked.disk_id.iter().filter(|id| !id.is_empty()).chain(&asked.disk_ids);
    let ids = named.map(|id| filter::id(Noun::Volume, id)).collect::<Result<Vec<_>, _>>()?;
    if ids.is_empty() {
        return Err(Fault::missing("DiskId"));
    }
    let (name, description, delete_on_termination) = (asked.disk_name, asked.description, asked.delete_with_instance);
    let deletes_auto_snapshots = asked.delete_auto_snapshot;
    let command = ModifyVolumes { ids, name, description, delete_on_termination, deletes_auto_snapshots, ..ModifyVolumes::default() };
    Ok(cx.cloud.run(&cx.caller, command, cx.options()?).await?)
}

/// The category that is recommended, and that system disks have when nothing is said.
pub(crate) const CATEGORY: &str = "cloud_essd";
/// Categories of data disks.
pub(crate) const DATA_CATEGORIES: &[&str] = &["cloud", "cloud_efficiency", "cloud_ssd", "cloud_auto", "cloud_essd_entry", CATEGORY];
/// Most disks that one call names (ECS documents 100).
const DISKS_PER_CALL: usize = 100;

/// `DescribeDisks`.
#[derive(FromArg)]
pub(crate) struct DescribeDisks {
    #[arg(max_items = DISKS_PER_CALL)]
    disk_ids: Option<JsonList<String>>,
    instance_id: Option<String>,
    zone_id: Option<String>,
    disk_name: Option<String>,
    status: Option<Status>,
    category: Option<AnyCategory>,
    disk_type: Option<DiskType>,
    delete_with_instance: Option<bool>,
    portable: Option<bool>,
    encrypted: Option<bool>,
    enable_auto_snapshot: Option<bool>,
    snapshot_id: Option<String>,
    auto_snapshot_policy_id: Option<String>,
    enable_automated_snapshot_policy: Option<bool>,
    delete_auto_snapshot: Option<bool>,
    enable_shared: Option<bool>,
    multi_attach: Option<MultiAttach>,
    performance_level: Option<PerformanceLevel>,
    #[arg(name = "KMSKeyId")]
    kms_key_id: Option<String>,
    #[arg(name = "Filter", max_items = CONDITIONS_PER_CALL)]
    conditions: Vec<Condition>,
    lock_reason: Option<String>,
    resource_group_id: Option<String>,
    disk_charge_type: Option<String>,
    #[expect(dead_code, reason = "what it adds is always told")]
    additional_attributes: Vec<String>,
    #[arg(name = "Tag", max_items = TAGS_PER_CALL)]
    tags: Vec<TagArg>,
    #[arg(flatten)]
    paged: Paged,
}

/// States to look for, in ECS's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromArg)]
#[expect(non_camel_case_types, reason = "ECS writes it so")]
enum Status {
    In_use,
    Available,
    Attaching,
    Detaching,
    Creating,
    ReIniting,
    All,
}

/// Categories to look for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromArg)]
#[arg(rename = "snake_case")]
enum AnyCategory {
    All,
    Cloud,
    CloudEfficiency,
    CloudSsd,
    CloudEssd,
    CloudAuto,
    CloudEssdEntry,
    LocalSsdPro,
    LocalHddPro,
    Ephemeral,
    EphemeralSsd,
}

/// Kinds that are shown as `cloud_essd`.
const ESSD_KINDS: &[&str] = &["fast", "level0", "level1", "level2", "level3", "enhanced", "extreme", "provisioned", "provisioned_plus"];

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}

/// Uses of disks to look for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromArg)]
#[arg(rename = "lowercase")]
enum DiskType {
    All,
    System,
    Data,
}

#[derive(Show)]
pub(crate) struct Disks {
    #[reply(list = "Disk")]
    disks: Vec<DiskReply>,
    #[reply(flatten)]
    paging: Paging,
}

#[derive(Show)]
struct DiskReply {
    disk_id: String,
    disk_name: String,
    description: String,
    region_id: String,
    zone_id: String,
    #[reply(name = "Type")]
    kind: &'static str,
    category: &'static str,
    performance_level: &'static str,
    #[reply(name = "IOPS")]
    iops: u64,
    throughput: u64,
    provisioned_iops: Option<u32>,
    bursting_enabled: bool,
    size: u32,
    status: &'static str,
    image_id: String,
    source_snapshot_id: String,
    instance_id: String,
    device: String,
    serial_number: String,
    delete_with_instance: bool,
    delete_auto_snapshot: bool,
    enable_auto_snapshot: bool,
    enable_automated_snapshot_policy: bool,
    auto_snapshot_policy_id: String,
    encrypted: bool,
    #[reply(name = "KMSKeyId")]
    kms_key_id: String,
    portable: bool,
    multi_attach: &'static str,
    disk_charge_type: &'static str,
    creation_time: Timestamp,
    attached_time: Option<Timestamp>,
    detached_time: String,
    resource_group_id: &'static str,
    product_code: &'static str,
    #[reply(list = "OperationLock")]
    operation_locks: Vec<String>,
    #[reply(list = "Attachment")]
    attachments: Vec<Attachment>,
    #[reply(list = "Tag")]
    tags: Vec<TagReply>,
}

#[derive(Show)]
struct Attachment {
    instance_id: String,
    device: String,
    attached_time: Timestamp,
}

/// Lists disks.
pub(crate) async fn describe(cx: &Cx<'_>, asked: DescribeDisks) -> Result<Disks, Fault> {
    let query = Query { ids: vec![], filters: asked.filters()?.into_vec(), page: asked.paged.page(PAGE_SIZE_MAX)? };
    let listed = cx.cloud.list::<VolumeView>(&cx.caller, query).await?;
    let paging = asked.paged.paging(&listed);
    Ok(Disks { disks: listed.rows.iter().map(|view| reply(cx, view)).collect(), paging })
}

impl DescribeDisks {
    fn filters(&self) -> Result<Filters, Fault> {
        let flag = |value: Option<bool>| value.map(|value| value.to_string());
        let mut filters = Filters::new();
        filters
            .listed(Field::Id, self.disk_ids.as_deref())
            .exact(Field::Instance, self.instance_id.as_ref())
            .exact(Field::Zone, self.zone_id.as_ref())
            .wildcard(Field::Name, self.disk_name.as_ref())
            .exact(Field::IsRoot, self.portable.map(|portable| !portable))
            .exact(Field::IsDeletedWithInstance, self.delete_with_instance)
            .exact(Field::IsEncrypted, self.encrypted)
            .exact(Field::HasSnapshotPolicy, self.enable_automated_snapshot_policy)
            .exact(Field::SnapshotPolicy, self.auto_snapshot_policy_id.as_ref())
            .exact(Field::DeletesAutoSnapshots, self.delete_auto_snapshot)
            .exact(Field::EncryptionKey, self.kms_key_id.as_ref())
            .always(flag(self.enable_auto_snapshot).as_ref(), &["false"])
            .always(flag(self.enable_shared).as_ref(), &["false"])
            .exact(Field::IsShared, self.multi_attach.map(|wanted| wanted == MultiAttach::Enabled))
            .exact(Field::Snapshot, self.snapshot_id.as_ref())
            .always(self.lock_reason.as_ref(), &[])
            .always(self.resource_group_id.as_ref(), &[])
            .always(self.disk_charge_type.as_ref(), &["PostPaid"])
            .tags(&self.tags)
            .times(&self.conditions, None)?;
        if let Some(level) = self.performance_level {
            filters.push(Field::Kind, words(level.kinds()));
        }
        match self.category {
            None | Some(AnyCategory::All) => {}
            Some(AnyCategory::Cloud) => drop(filters.push(Field::Kind, words(&["magnetic", "cold", "streaming"]))),
            Some(AnyCategory::CloudEfficiency) => drop(filters.push(Field::Kind, words(&["efficient", "premium"]))),
            Some(AnyCategory::CloudSsd) => drop(filters.push(Field::Kind, words(&["balanced", "solid", "general", "second"]))),
            Some(AnyCategory::CloudAuto) => drop(filters.push(Field::Kind, words(&["auto"]))),
            Some(AnyCategory::CloudEssdEntry) => drop(filters.push(Field::Kind, words(&["entry"]))),
            Some(AnyCategory::CloudEssd) => drop(filters.push(Field::Kind, words(ESSD_KINDS))),
            Some(AnyCategory::LocalSsdPro | AnyCategory::LocalHddPro | AnyCategory::Ephemeral | AnyCategory::EphemeralSsd) => {
                filters.nothing();
            }
        }
        match self.disk_type {
            None | Some(DiskType::All) => {}
            Some(DiskType::System) => drop(filters.exact(Field::IsRoot, Some(true))),
            Some(DiskType::Data) => drop(filters.exact(Field::IsRoot, Some(false))),
        }
        let mut is = |field, words: &[&str]| {
            filters.push(field, words.iter().map(|&word| word.to_owned()).collect());
        };
        match self.status {
            // A disk that is released is shown no more.
            None | Some(Status::All) => is(Field::State, &["creating", "available", "in-use", "error"]),
            Some(Status::In_use) => {
                is(Field::State, &["in-use"]);
                is(Field::Attachment, &["attached"]);
            }
            Some(Status::Available) => is(Field::State, &["available", "error"]),
            Some(Status::Creating) => is(Field::State, &["creating"]),
            Some(Status::Attaching) => {
                is(Field::State, &["in-use"]);
                is(Field::Attachment, &["attaching"]);
            }
            Some(Status::Detaching) => is(Field::Attachment, &["detaching", "busy"]),
            Some(Status::ReIniting) => drop(filters.nothing()),
        }
        Ok(filters)
    }
}

fn reply(cx: &Cx<'_>, view: &VolumeView) -> DiskReply {
    let first = view.volume.as_first_held();
    let volume: &Volume = &first;
    let attachments: Vec<Attachment> = volume.as_held().iter().filter_map(attachment).collect();
    let limits = volume.limits();
    DiskReply {
        iops: limits.iops,
        throughput: limits.bytes >> 20,
        provisioned_iops: (volume.kind == VolumeKind::Auto).then(|| volume.provisioned.iops.unwrap_or(0)),
        bursting_enabled: volume.kind == VolumeKind::Auto && volume.provisioned.burst != Some(false),
        disk_id: volume.id.to_string(),
        disk_name: volume.shown_name().to_owned(),
        description: volume.description.clone(),
        region_id: cx.region(),
        zone_id: volume.zone.clone(),
        kind: if volume.is_root() { "system" } else { "data" },
        category: category_word(volume.kind),
        performance_level: level_word(volume.kind),
        size: volume.size.0,
        status: status(volume),
        image_id: volume.image.map(|id| id.to_string()).unwrap_or_default(),
        source_snapshot_id: volume.snapshot.map(|id| id.to_string()).unwrap_or_default(),
        instance_id: volume.instance.map(|id| id.to_string()).unwrap_or_default(),
        device: volume.device.clone(),
        serial_number: volume.id.to_string().replace('-', ""),
        delete_with_instance: volume.delete_on_termination,
        delete_auto_snapshot: volume.deletes_auto_snapshots,
        // ECS's deprecated switch, which is off in disks that its clients make.
        enable_auto_snapshot: false,
        enable_automated_snapshot_policy: view.policy.is_some(),
        auto_snapshot_policy_id: view.policy.map(|id| id.to_string()).unwrap_or_default(),
        encrypted: volume.encryption.is_some(),
        kms_key_id: volume.encryption.as_ref().map(|encryption| encryption.key.uuid()).unwrap_or_default(),
        portable: !volume.is_root(),
        multi_attach: if volume.shared { "Enabled" } else { "Disabled" },
        disk_charge_type: "PostPaid",
        creation_time: volume.created_at.timestamp(),
        attached_time: attachment(volume).map(|attachment| attachment.attached_time),
        detached_time: volume.detached_at.map_or(String::new(), |at| at.timestamp().to_string()),
        resource_group_id: "",
        product_code: "",
        operation_locks: vec![],
        attachments,
        tags: tag_replies(&volume.tags),
    }
}

fn attachment(volume: &Volume) -> Option<Attachment> {
    let instance_id = volume.instance?.to_string();
    let attached_time = volume.attached_at.unwrap_or(volume.created_at).timestamp();
    Some(Attachment { instance_id, device: volume.device.clone(), attached_time })
}

fn status(volume: &Volume) -> &'static str {
    match (volume.phase, volume.instance, volume.attachment) {
        (VolumePhase::Creating, _, _) => "Creating",
        (VolumePhase::Deleting, _, _) => "Detaching",
        (VolumePhase::Present | VolumePhase::Failed, None, _) => "Available",
        (VolumePhase::Present | VolumePhase::Failed, Some(_), Attached::Attaching { .. }) => "Attaching",
        (VolumePhase::Present | VolumePhase::Failed, Some(_), Attached::Attached) => "In_use",
        (VolumePhase::Present | VolumePhase::Failed, Some(_), Attached::Detaching { .. } | Attached::Busy { .. }) => "Detaching",
    }
}
