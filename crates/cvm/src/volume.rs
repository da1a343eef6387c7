//! Disks.

use std::collections::HashMap;

use control::{
    AttachVolume, CreateVolume, DeleteVolume, DetachVolume, Field, Filter, GrowVolume, Many, ModifyVolumes, Options, OrderKey, Query,
    VolumeView,
};
use model::{Attachment, EncryptionChoice, Gib, InstanceId, Provisioned, Snapshot, Volume, VolumeId, VolumeKind, VolumePhase};
use wire::{FromArg, Show};

use crate::error::Fault;
use crate::filter::{By, FILTERS_MAX, FilterArg, Filters, literal, not_both};
use crate::order::{self, DiskOrder, OrderDirection};
use crate::page::{Cut, LIMIT_MAX};
use crate::tag::{TagArg, TagReply};
use crate::{Cx, id, page, tag, time};

/// Kinds of disks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromArg)]
pub(crate) enum DiskType {
    #[arg(name = "CLOUD_BASIC")]
    Basic,
    #[arg(name = "CLOUD_PREMIUM")]
    Premium,
    #[arg(name = "CLOUD_BSSD")]
    GeneralSsd,
    #[arg(name = "CLOUD_SSD")]
    Ssd,
    #[arg(name = "CLOUD_HSSD")]
    EnhancedSsd,
    #[arg(name = "CLOUD_TSSD")]
    ExtremeSsd,
}

impl DiskType {
    /// Every kind.
    pub(crate) const ALL: [DiskType; 6] =
        [DiskType::Basic, DiskType::Premium, DiskType::GeneralSsd, DiskType::Ssd, DiskType::EnhancedSsd, DiskType::ExtremeSsd];

    /// CBS's word for it.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            DiskType::Basic => "CLOUD_BASIC",
            DiskType::Premium => "CLOUD_PREMIUM",
            DiskType::GeneralSsd => "CLOUD_BSSD",
            DiskType::Ssd => "CLOUD_SSD",
            DiskType::EnhancedSsd => "CLOUD_HSSD",
            DiskType::ExtremeSsd => "CLOUD_TSSD",
        }
    }

    /// What a disk of this kind is sold as.
    pub(crate) const fn kind(self) -> VolumeKind {
        match self {
            DiskType::Basic => VolumeKind::Magnetic,
            DiskType::Premium => VolumeKind::Premium,
            DiskType::GeneralSsd => VolumeKind::General,
            DiskType::Ssd => VolumeKind::Second,
            DiskType::EnhancedSsd => VolumeKind::Enhanced,
            DiskType::ExtremeSsd => VolumeKind::Extreme,
        }
    }
}

/// Extra throughput as it is kept; 0 is none.
pub(crate) fn extra(throughput: Option<u32>) -> Provisioned {
    Provisioned { throughput: throughput.filter(|mib| *mib > 0), ..Provisioned::default() }
}

/// CBS's words for kinds of volumes, with the kinds that each is shown for: its own, and what comes nearest of other clouds'.
const KINDS: [(&str, &[VolumeKind]); 6] = [
    ("CLOUD_BASIC", &[VolumeKind::Magnetic, VolumeKind::Cold, VolumeKind::Streaming]),
    ("CLOUD_PREMIUM", &[VolumeKind::Premium, VolumeKind::Efficient]),
    ("CLOUD_BSSD", &[VolumeKind::General, VolumeKind::Entry]),
    ("CLOUD_SSD", &[VolumeKind::Second, VolumeKind::Solid, VolumeKind::Balanced]),
    ("CLOUD_HSSD", &[VolumeKind::Enhanced, VolumeKind::Fast, VolumeKind::Level0, VolumeKind::Level1, VolumeKind::Auto]),
    ("CLOUD_TSSD", &[VolumeKind::Extreme, VolumeKind::Level2, VolumeKind::Level3, VolumeKind::Provisioned, VolumeKind::ProvisionedPlus]),
];

/// CBS's word for what a disk is sold as.
pub(crate) fn disk_type(volume: &Volume) -> &'static str {
    kind_word(volume.kind)
}

/// Megabytes per second that were bought beside what a disk's kind and size give.
pub(crate) fn extra_shown(volume: &Volume) -> u32 {
    volume.provisioned.throughput.filter(|_| is_own(volume.kind)).unwrap_or(0)
}

/// Whether throughput that was bought for a kind is extra throughput in CBS's sense.
const fn is_own(kind: VolumeKind) -> bool {
    matches!(kind, VolumeKind::Enhanced | VolumeKind::Extreme)
}

/// The same for a kind.
pub(crate) fn kind_word(wanted: VolumeKind) -> &'static str {
    KINDS.iter().find(|(_, kinds)| kinds.contains(&wanted)).map_or("", |(word, _)| word)
}

/// `DescribeDisks`.
#[derive(FromArg)]
pub(crate) struct DescribeDisks {
    #[arg(default)]
    return_bind_auto_snapshot_policy: bool,
    #[arg(max_items = LIMIT_MAX)]
    disk_ids: Vec<String>,
    #[arg(max_items = FILTERS_MAX)]
    filters: Vec<FilterArg>,
    #[arg(flatten)]
    cut: Cut,
    order_field: Option<DiskOrder>,
    order: Option<OrderDirection>,
}

#[derive(Show)]
#[reply(list = "")]
pub(crate) struct Disks {
    total_count: usize,
    disk_set: Vec<DiskReply>,
}

#[derive(Show)]
#[reply(list = "")]
struct DiskReply {
    disk_id: String,
    disk_name: String,
    disk_usage: &'static str,
    disk_type: &'static str,
    disk_size: u32,
    disk_state: &'static str,
    disk_charge_type: &'static str,
    placement: Placement,
    attached: bool,
    attach_mode: &'static str,
    instance_id: String,
    instance_id_list: Vec<String>,
    instance_type: &'static str,
    last_attach_ins_id: String,
    delete_with_instance: bool,
    delete_snapshot: u32,
    portable: bool,
    shareable: bool,
    is_returnable: bool,
    return_fail_code: i32,
    encrypt: bool,
    kms_key_id: Option<String>,
    backup_disk: bool,
    burst_performance: bool,
    throughput_performance: u32,
    snapshot_ability: bool,
    snapshot_count: u32,
    snapshot_size: u32,
    auto_snapshot_policy_ids: Vec<String>,
    disk_backup_quota: u32,
    disk_backup_count: u32,
    rollbacking: bool,
    rollback_percent: u32,
    migrating: bool,
    migrate_percent: u32,
    renew_flag: &'static str,
    auto_renew_flag_error: bool,
    deadline_time: &'static str,
    deadline_error: bool,
    differ_days_of_deadline: u32,
    error_prompt: &'static str,
    create_time: String,
    tags: Vec<TagReply>,
}

#[derive(Show)]
pub(crate) struct Placement {
    zone: String,
    project_id: u32,
    project_name: &'static str,
    cage_id: &'static str,
    cdc_id: &'static str,
    cdc_name: &'static str,
    dedicated_cluster_id: &'static str,
}

impl Placement {
    /// Where something in a zone is.
    pub(crate) fn in_zone(zone: &str) -> Placement {
        Placement {
            zone: zone.to_owned(),
            project_id: 0,
            project_name: "",
            cage_id: "",
            cdc_id: "",
            cdc_name: "",
            dedicated_cluster_id: "",
        }
    }
}

/// Lists disks.
pub(crate) async fn describe(cx: &Cx<'_>, asked: DescribeDisks) -> Result<Disks, Fault> {
    not_both("DiskIds", &asked.disk_ids, &asked.filters)?;
    let (of_instances, others): (Vec<_>, Vec<_>) =
        asked.filters.into_iter().partition(|filter| OF_INSTANCES.contains(&filter.name.as_str()));
    let mut filters = Filters::read(&others, filter)?;
    for filter in &of_instances {
        let instances = on_instances(cx, filter).await?;
        filters.push(By::Is(Field::Instance), &instances);
    }
    let query = Query { ids: id::read_all(&asked.disk_ids)?, filters: filters.into_vec(), page: asked.cut.page() };
    let made: fn(&VolumeView) -> OrderKey = |view| OrderKey::At(view.volume.created_at);
    let by = asked.order_field.map(|field| match field {
        DiskOrder::CreateTime => made,
        DiskOrder::Deadline => |_: &VolumeView| OrderKey::Alike,
    });
    let listed = order::list::<VolumeView>(cx, query, by, asked.order, made).await?;
    let taken = taken_of(cx, &listed.rows).await?;
    let tells_policy = asked.return_bind_auto_snapshot_policy;
    let disk = |view: &VolumeView| {
        let policies = view.policy.filter(|_| tells_policy).map(id::shown).into_iter().collect();
        DiskReply { auto_snapshot_policy_ids: policies, ..reply(&view.volume, taken.get(&view.volume.id).copied().unwrap_or_default()) }
    };
    Ok(Disks { total_count: listed.total, disk_set: listed.rows.iter().map(disk).collect() })
}

/// What was taken of a disk and is there.
#[derive(Debug, Clone, Copy, Default)]
struct Taken {
    snapshots: u32,
    backups: u32,
}

/// Counts what was taken of each of these disks.
async fn taken_of(cx: &Cx<'_>, disks: &[VolumeView]) -> Result<HashMap<VolumeId, Taken>, Fault> {
    let mut found: HashMap<VolumeId, Taken> = HashMap::new();
    if disks.is_empty() {
        return Ok(found);
    }
    let of = Filter { field: Field::Volume, values: disks.iter().map(|view| view.volume.id.to_string()).collect() };
    let own = Filter { field: Field::Owner, values: vec![cx.caller.account().to_string()] };
    for snapshot in page::all::<Snapshot>(cx, &[of, own]).await? {
        let taken = found.entry(snapshot.volume).or_default();
        if snapshot.backup { taken.backups += 1 } else { taken.snapshots += 1 }
    }
    Ok(found)
}

/// Filters by what the instances are that disks are attached to.
const OF_INSTANCES: [&str; 2] = ["instance-name", "instance-ip-address"];

/// The ids of the instances that a filter of disks is about.
async fn on_instances(cx: &Cx<'_>, asked: &FilterArg) -> Result<Vec<String>, Fault> {
    let fields: &[Field] = if asked.name == "instance-name" { &[Field::Name] } else { &[Field::PrivateIp, Field::PublicIp] };
    let values: Vec<String> = asked.values.iter().map(|value| literal(value)).collect();
    let mut found = vec![];
    for field in fields {
        let filter = Filter { field: field.clone(), values: values.clone() };
        found.extend(page::all_instances(cx, &[filter]).await?.into_iter().map(|view| view.instance.id.to_string()));
    }
    Ok(found)
}

fn filter(name: &str) -> Option<By> {
    Some(match name {
        "disk-id" => By::id::<VolumeId>(Field::Id),
        "disk-name" => By::Is(Field::Name),
        "disk-state" => By::Word(Field::State, words),
        "disk-usage" => By::Word(Field::IsRoot, is_root),
        "disk-type" => By::Word(Field::Kind, kinds),
        "disk-charge-type" => By::Always(&["POSTPAID_BY_HOUR"]),
        "portable" => By::Word(Field::IsRoot, is_fixed),
        "project-id" => By::Always(&["0"]),
        "dedicated-cluster-id" | "cluster-group-id" => By::Always(&[]),
        "instance-id" => By::id::<InstanceId>(Field::Instance),
        "zone" => By::Is(Field::Zone),
        _ => return None,
    })
}

/// The control plane's words for one of CBS's states.
fn words(state: &str) -> Vec<String> {
    let words = match state {
        "ATTACHED" => &["in-use"][..],
        "UNATTACHED" => &["available"],
        "ATTACHING" => &["creating"],
        "DETACHING" => &["deleting"],
        _ => &[],
    };
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn kinds(word: &str) -> Vec<String> {
    let same = KINDS.iter().filter(|(known, _)| *known == word).flat_map(|(_, kinds)| kinds.iter());
    same.map(|kind| kind.word().to_owned()).collect()
}

/// Whether a disk of a usage is the system disk of its instance, in the control plane's words.
pub(crate) fn is_root(usage: &str) -> Vec<String> {
    match usage {
        "SYSTEM_DISK" => vec!["true".to_owned()],
        "DATA_DISK" => vec!["false".to_owned()],
        _ => vec![],
    }
}

/// Whether a disk that can or cannot be detached is a system disk.
fn is_fixed(portable: &str) -> Vec<String> {
    match portable.to_ascii_uppercase().as_str() {
        "TRUE" => vec!["false".to_owned()],
        "FALSE" => vec!["true".to_owned()],
        _ => vec![],
    }
}

/// CBS's word for a state. A disk that is deleted has left its instance.
fn state(volume: &Volume) -> &'static str {
    match (volume.phase, volume.instance, volume.attachment) {
        (VolumePhase::Creating, _, _) => "ATTACHING",
        (VolumePhase::Deleting, _, _) => "DETACHING",
        (VolumePhase::Present | VolumePhase::Failed, None, _) => "UNATTACHED",
        (VolumePhase::Present | VolumePhase::Failed, Some(_), Attachment::Attaching { .. }) => "ATTACHING",
        (VolumePhase::Present | VolumePhase::Failed, Some(_), Attachment::Attached) => "ATTACHED",
        (VolumePhase::Present | VolumePhase::Failed, Some(_), Attachment::Detaching { .. } | Attachment::Busy { .. }) => "DETACHING",
    }
}

fn reply(volume: &Volume, taken: Taken) -> DiskReply {
    let first = volume.as_first_held();
    let volume: &Volume = &first;
    let instance = id::shown_or_empty(volume.instance);
    DiskReply {
        disk_id: id::shown(volume.id),
        disk_name: volume.shown_name().to_owned(),
        disk_usage: if volume.is_root() { "SYSTEM_DISK" } else { "DATA_DISK" },
        disk_type: disk_type(volume),
        disk_size: volume.size.0,
        disk_state: state(volume),
        disk_charge_type: "POSTPAID_BY_HOUR",
        placement: Placement::in_zone(&volume.zone),
        attached: volume.instance.is_some(),
        attach_mode: "VF",
        instance_id_list: volume.instances().map(id::shown).collect(),
        instance_type: if volume.instance.is_some() { "CVM" } else { "" },
        last_attach_ins_id: instance.clone(),
        instance_id: instance,
        delete_with_instance: volume.delete_on_termination,
        delete_snapshot: 0,
        portable: !volume.is_root(),
        shareable: volume.shared,
        is_returnable: false,
        return_fail_code: 0,
        encrypt: volume.encryption.is_some(),
        kms_key_id: volume.encryption.as_ref().map(|encryption| encryption.key.uuid()),
        backup_disk: false,
        burst_performance: false,
        throughput_performance: extra_shown(volume),
        snapshot_ability: !volume.shared,
        snapshot_count: taken.snapshots,
        snapshot_size: 0,
        auto_snapshot_policy_ids: vec![],
        disk_backup_quota: volume.backup_quota,
        disk_backup_count: taken.backups,
        rollbacking: volume.is_rolling_back(),
        rollback_percent: if volume.is_rolling_back() { 0 } else { 100 },
        migrating: false,
        migrate_percent: 100,
        renew_flag: "NOTIFY_AND_MANUAL_RENEW",
        auto_renew_flag_error: false,
        deadline_time: "",
        deadline_error: false,
        differ_days_of_deadline: 0,
        error_prompt: "",
        create_time: time::by_beijing(volume.created_at.timestamp()),
        tags: tag::replies(&volume.tags),
    }
}

/// Where a new disk lies.
#[derive(FromArg)]
pub(crate) struct PlacementArg {
    zone: String,
}

/// That a disk is encrypted; CBS documents no other word.
#[derive(Clone, Copy, FromArg)]
enum Encrypt {
    #[arg(name = "ENCRYPT")]
    Yes,
}

/// `CreateDisks`.
#[derive(FromArg)]
pub(crate) struct CreateDisks {
    placement: PlacementArg,
    disk_type: DiskType,
    disk_size: Option<u32>,
    snapshot_id: Option<String>,
    throughput_performance: Option<u32>,
    #[arg(default)]
    disk_name: String,
    #[arg(default = 1, range = 1..=DISKS_PER_CALL)]
    disk_count: u32,
    encrypt: Option<Encrypt>,
    kms_key_id: Option<String>,
    #[arg(default)]
    shareable: bool,
    disk_charge_type: Option<ChargeType>,
    client_token: Option<String>,
    #[arg(max_items = tag::TAGS_PER_CALL)]
    tags: Vec<TagArg>,
}

/// Parameters of `CreateDisks` that are not served.
pub(crate) const CREATE_ABSENT: &[&str] =
    &["AutoMountConfiguration", "BurstPerformance", "DeleteSnapshot", "DiskBackupQuota", "DiskChargePrepaid", "EncryptType"];

/// Most disks of one call; a quota of CBS's that it documents with this value.
const DISKS_PER_CALL: u32 = 50;

/// How a disk is charged: by the hour, which is the only way here.
#[derive(Clone, Copy, FromArg)]
pub(crate) enum ChargeType {
    #[arg(name = "POSTPAID_BY_HOUR")]
    Hourly,
}

#[derive(Show)]
#[reply(list = "")]
pub(crate) struct Created {
    disk_id_set: Vec<String>,
}

/// Makes disks, empty or of a snapshot: all of them or none.
pub(crate) async fn create(cx: &Cx<'_>, asked: CreateDisks) -> Result<Created, Fault> {
    match asked.disk_charge_type {
        None | Some(ChargeType::Hourly) => {}
    }
    if asked.shareable && asked.encrypt.is_some() {
        return Err(Fault::conflict("`Shareable` and `Encrypt` exclude each other"));
    }
    let new = CreateVolume {
        zone: asked.placement.zone,
        snapshot: asked.snapshot_id.filter(|id| !id.is_empty()).map(|id| id::read(&id)).transpose()?,
        size: asked.disk_size.map(Gib),
        encryption: EncryptionChoice::asked(asked.encrypt.map(|Encrypt::Yes| true), asked.kms_key_id.as_deref())?,
        kind: asked.disk_type.kind(),
        provisioned: extra(asked.throughput_performance),
        name: asked.disk_name,
        description: String::new(),
        deletes_auto_snapshots: false,
        shared: asked.shareable,
        tags: tag::tags_of(asked.tags)?,
    };
    let options = Options { client_token: asked.client_token, dry_run: false };
    let made = cx.cloud.run(&cx.caller, Many(vec![new; asked.disk_count as usize]), options).await?;
    Ok(Created { disk_id_set: made.into_iter().map(|volume| id::shown(volume.id)).collect() })
}

/// `AttachDisks`.
#[derive(FromArg)]
pub(crate) struct AttachDisks {
    instance_id: String,
    #[arg(max_items = DISKS_PER_CALL as usize)]
    disk_ids: Vec<String>,
    #[arg(default)]
    delete_with_instance: bool,
}

/// Attaches disks: all of them or none.
pub(crate) async fn attach(cx: &Cx<'_>, asked: AttachDisks) -> Result<(), Fault> {
    let (instance, delete_on_termination) = (id::read(&asked.instance_id)?, asked.delete_with_instance);
    let attach = |volume| AttachVolume { volume, instance, device: None, delete_on_termination };
    let commands = id::read_some("DiskIds", &asked.disk_ids)?.into_iter().map(attach).collect();
    Ok(cx.cloud.run(&cx.caller, Many(commands), cx.options()).await.map(drop)?)
}

/// `DetachDisks`.
#[derive(FromArg)]
pub(crate) struct DetachDisks {
    #[arg(max_items = DISKS_PER_CALL as usize)]
    disk_ids: Vec<String>,
    instance_id: Option<String>,
}

/// Detaches disks: all of them or none.
pub(crate) async fn detach(cx: &Cx<'_>, asked: DetachDisks) -> Result<(), Fault> {
    let instance = asked.instance_id.as_deref().map(id::read).transpose()?;
    let detach = |volume| DetachVolume { volume, instance, device: None, force: false };
    let commands = id::read_some("DiskIds", &asked.disk_ids)?.into_iter().map(detach).collect();
    Ok(cx.cloud.run(&cx.caller, Many(commands), cx.options()).await.map(drop)?)
}

/// `TerminateDisks`.
#[derive(FromArg)]
pub(crate) struct TerminateDisks {
    #[arg(max_items = DISKS_PER_CALL as usize)]
    disk_ids: Vec<String>,
}

/// Deletes disks: all of them or none.
pub(crate) async fn terminate(cx: &Cx<'_>, asked: TerminateDisks) -> Result<(), Fault> {
    let commands = id::read_some("DiskIds", &asked.disk_ids)?.into_iter().map(|volume| DeleteVolume { volume }).collect();
    Ok(cx.cloud.run(&cx.caller, Many(commands), cx.options()).await.map(drop)?)
}

/// `ResizeDisk`.
#[derive(FromArg)]
pub(crate) struct ResizeDisk {
    disk_id: String,
    disk_size: u32,
}

/// Grows a disk, whether or not it is attached.
pub(crate) async fn resize(cx: &Cx<'_>, asked: ResizeDisk) -> Result<(), Fault> {
    let (volume, size) = (id::read(&asked.disk_id)?, Some(Gib(asked.disk_size)));
    let command = GrowVolume { volume, size, kind: None, provisioned: Provisioned::default() };
    Ok(cx.cloud.run(&cx.caller, command, cx.options()).await.map(drop)?)
}

/// `ResizeInstanceDisks`.
#[derive(FromArg)]
pub(crate) struct ResizeInstanceDisks {
    instance_id: String,
    #[arg(max_items = 1)]
    data_disks: Vec<GrownDisk>,
    system_disk: Option<GrownDisk>,
    #[arg(default)]
    force_stop: bool,
    #[arg(default)]
    resize_online: bool,
}

/// A disk and the size that it gets.
#[derive(FromArg)]
struct GrownDisk {
    disk_id: Option<String>,
    disk_size: u32,
}

/// Grows a disk of an instance, while its guest runs: it is never stopped for that.
pub(crate) async fn resize_of_instance(cx: &Cx<'_>, asked: ResizeInstanceDisks) -> Result<(), Fault> {
    let instance: InstanceId = id::read(&asked.instance_id)?;
    let view = cx.cloud.instance_view(&cx.caller, instance).await?;
    let (disk, is_system) = match (asked.data_disks.into_iter().next(), asked.system_disk) {
        (Some(disk), None) => (disk, false),
        (None, Some(disk)) => (disk, true),
        (Some(_), Some(_)) => return Err(Fault::conflict("`DataDisks` and `SystemDisk` exclude each other")),
        (None, None) => return Err(Fault::missing("DataDisks")),
    };
    if view.instance.phase == model::Phase::Running && !asked.force_stop && !asked.resize_online {
        let message = "The instance runs: say ResizeOnline or ForceStop.";
        return Err(Fault::new("UnsupportedOperation.InstanceStateRunning", message));
    }
    let named: Option<VolumeId> = disk.disk_id.filter(|id| !id.is_empty()).map(|id| id::read(&id)).transpose()?;
    let volume = match (is_system, named) {
        (true, None) => view.instance.root_volume,
        (true, Some(id)) if id == view.instance.root_volume => id,
        (false, Some(id)) if view.volumes.iter().any(|volume| volume.id == id && !volume.is_root()) => id,
        (false, None) => return Err(Fault::missing("DataDisks.0.DiskId")),
        (_, Some(id)) => return Err(model::Error::not_found(model::Noun::Volume, id).into()),
    };
    let command = GrowVolume { volume, size: Some(Gib(disk.disk_size)), kind: None, provisioned: Provisioned::default() };
    Ok(cx.cloud.run(&cx.caller, command, cx.options()).await.map(drop)?)
}

/// `ModifyDiskAttributes`.
#[derive(FromArg)]
pub(crate) struct ModifyDiskAttributes {
    #[arg(max_items = DISKS_PER_CALL as usize)]
    disk_ids: Vec<String>,
    disk_name: Option<String>,
    disk_type: Option<DiskType>,
    delete_with_instance: Option<bool>,
}

/// `ModifyDiskExtraPerformance`.
#[derive(FromArg)]
pub(crate) struct ModifyDiskExtraPerformance {
    disk_id: String,
    throughput_performance: u32,
}

/// Buys throughput beyond what the size gives, while the disk is in use.
pub(crate) async fn modify_extra(cx: &Cx<'_>, asked: ModifyDiskExtraPerformance) -> Result<(), Fault> {
    let provisioned = Provisioned { throughput: Some(asked.throughput_performance), ..Provisioned::default() };
    let command = GrowVolume { volume: id::read(&asked.disk_id)?, size: None, kind: None, provisioned };
    Ok(cx.cloud.run(&cx.caller, command, cx.options()).await.map(drop)?)
}

/// Changes what is said of disks, or what they are sold as, which CBS takes only by itself.
pub(crate) async fn modify(cx: &Cx<'_>, asked: ModifyDiskAttributes) -> Result<(), Fault> {
    if let Some(disk_type) = asked.disk_type {
        if asked.disk_name.is_some() || asked.delete_with_instance.is_some() {
            return Err(model::Error::InvalidCombination { reason: "DiskType is changed by itself".to_owned() }.into());
        }
        let change = |volume| GrowVolume { volume, size: None, kind: Some(disk_type.kind()), provisioned: Provisioned::default() };
        let commands = id::read_some("DiskIds", &asked.disk_ids)?.into_iter().map(change).collect();
        return Ok(cx.cloud.run(&cx.caller, Many(commands), cx.options()).await.map(drop)?);
    }
    let (ids, name) = (id::read_some("DiskIds", &asked.disk_ids)?, asked.disk_name);
    let command = ModifyVolumes { ids, name, delete_on_termination: asked.delete_with_instance, ..ModifyVolumes::default() };
    Ok(cx.cloud.run(&cx.caller, command, cx.options()).await.map(drop)?)
}
