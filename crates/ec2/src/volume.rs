//! Volumes: made, attached, grown, described, deleted.

use std::collections::BTreeSet;

use control::{AttachVolume as Attach, CreateVolume as Create, DeleteVolume as Delete, DetachVolume as Detach, GrowVolume as Grow, Query};
use jiff::Timestamp;
use model::{DiskLimits, Gib, Growth, HostId, Noun, Provisioned, Volume, VolumeKind, VolumePhase};
use wire::{FromArg, Show};

use crate::error::{Refusal, combination, unsupported};
use crate::filter::{self, AskedFilter};
use crate::page::{Paging, USUAL};
use crate::region::{zone_id, zone_with_id};
use crate::tag::{self, TagItem, TagSpecification};
use crate::{Cx, disk_encryption, kms};

pub(crate) use model::ROOT_DEVICE;

/// The type of a system disk when nothing is said.
pub(crate) const TYPE: &str = "gp3";

/// The type of a volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromArg)]
#[arg(rename = "lowercase")]
pub(crate) enum VolumeType {
    Standard,
    Io1,
    Io2,
    Gp2,
    Gp3,
    Sc1,
    St1,
}

impl VolumeType {
    /// The kind of volume.
    pub const fn kind(self) -> VolumeKind {
        match self {
            VolumeType::Standard => VolumeKind::Magnetic,
            VolumeType::Io1 => VolumeKind::Provisioned,
            VolumeType::Io2 => VolumeKind::ProvisionedPlus,
            VolumeType::Gp2 => VolumeKind::Balanced,
            VolumeType::Gp3 => VolumeKind::Fast,
            VolumeType::Sc1 => VolumeKind::Cold,
            VolumeType::St1 => VolumeKind::Streaming,
        }
    }

    /// Refuses what is not asked for as EC2 wants it: an `io1` and an `io2` need to be told their speed, others have none to choose.
    pub fn check(self, bought: Provisioned) -> Result<(), Refusal> {
        let word = type_word(self.kind());
        match self {
            VolumeType::Io1 | VolumeType::Io2 if bought.iops.is_none() => Err(model::Error::MissingParameter { name: "Iops" }.into()),
            VolumeType::Io1 | VolumeType::Io2 | VolumeType::Gp3 => check_bought(self.kind(), bought),
            VolumeType::Standard | VolumeType::Gp2 | VolumeType::Sc1 | VolumeType::St1 if bought.is_none() => Ok(()),
            VolumeType::Standard | VolumeType::Gp2 | VolumeType::Sc1 | VolumeType::St1 => {
                Err(combination(format!("The parameters iops and throughput are not supported for {word} volumes")))
            }
        }
    }
}

/// Refuses figures that a kind does not let one choose.
fn check_bought(kind: VolumeKind, bought: Provisioned) -> Result<(), Refusal> {
    let wrong =
        [("iops", bought.iops.is_some() && !kind.sells_iops()), ("throughput", bought.throughput.is_some() && !kind.sells_throughput())];
    match wrong.iter().find(|(_, wrong)| *wrong) {
        Some((name, _)) => Err(combination(format!("The parameter {name} is not supported for {} volumes", type_word(kind)))),
        None => Ok(()),
    }
}

/// What is bought on top, in EC2's words.
pub(crate) const fn bought(iops: Option<u32>, throughput: Option<u32>) -> Provisioned {
    Provisioned { iops, throughput, burst: None }
}

/// EC2's word for a kind of volume: what comes nearest for those that other clouds sell.
pub(crate) const fn type_word(kind: VolumeKind) -> &'static str {
    match kind {
        VolumeKind::Magnetic => "standard",
        VolumeKind::Cold => "sc1",
        VolumeKind::Streaming => "st1",
        VolumeKind::Efficient
        | VolumeKind::Premium
        | VolumeKind::Entry
        | VolumeKind::Balanced
        | VolumeKind::Solid
        | VolumeKind::General
        | VolumeKind::Second => "gp2",
        VolumeKind::Fast | VolumeKind::Level0 | VolumeKind::Level1 | VolumeKind::Auto | VolumeKind::Enhanced => "gp3",
        VolumeKind::Level2 | VolumeKind::Provisioned => "io1",
        VolumeKind::Level3 | VolumeKind::Extreme | VolumeKind::ProvisionedPlus => "io2",
    }
}

/// The accesses and the MiB in a second that EC2 tells of a volume of a type: both of a `gp3`, accesses of `gp2`, `io1` and `io2`.
pub(crate) fn figures(kind: VolumeKind, limits: DiskLimits) -> (Option<u64>, Option<u64>) {
    let mib = limits.bytes >> 20;
    match type_word(kind) {
        "gp3" => (Some(limits.iops), Some(mib)),
        "gp2" | "io1" | "io2" => (Some(limits.iops), None),
        _ => (None, None),
    }
}

/// The same for filters.
pub(crate) const TYPES: &[(&str, &[&str])] = &[
    ("standard", &["magnetic"]),
    ("sc1", &["cold"]),
    ("st1", &["streaming"]),
    ("gp2", &["efficient", "premium", "entry", "balanced", "solid", "general", "second"]),
    ("gp3", &["fast", "level0", "level1", "auto", "enhanced"]),
    ("io1", &["level2", "provisioned"]),
    ("io2", &["level3", "extreme", "provisioned_plus"]),
];

/// The parameters of `CreateVolume`.
#[derive(FromArg)]
pub(crate) struct CreateVolume {
    availability_zone: Option<String>,
    availability_zone_id: Option<String>,
    size: Option<u32>,
    snapshot_id: Option<String>,
    volume_type: Option<VolumeType>,
    iops: Option<u32>,
    throughput: Option<u32>,
    encrypted: Option<bool>,
    kms_key_id: Option<String>,
    #[arg(default)]
    multi_attach_enabled: bool,
    client_token: Option<String>,
    #[arg(name = "TagSpecification")]
    tags: Vec<TagSpecification>,
}

/// What EC2 can make of a volume and this cloud cannot yet.
pub(crate) const CREATE_ABSENT: &[&str] = &["Operator", "OutpostArn", "SourceVolumeId", "VolumeInitializationRate"];

/// Makes a volume, empty or of a snapshot.
pub(crate) async fn create(cx: Cx, asked: CreateVolume) -> Result<VolumeItem, Refusal> {
    let by_id = asked.availability_zone_id.as_deref().map(|id| zone_with_id(&cx, id)).transpose()?;
    let zone = match (asked.availability_zone.filter(|zone| !zone.is_empty()), by_id) {
        (Some(name), Some(other)) if name != other => return Err(combination(format!("The zone {name} does not have the id given"))),
        (name, by_id) => name.or(by_id).ok_or(model::Error::MissingParameter { name: "AvailabilityZone" })?,
    };
    let tags = tag::specified(&asked.tags, "volume", &["volume"])?;
    let (kind, provisioned) = (asked.volume_type.unwrap_or(VolumeType::Gp2), bought(asked.iops, asked.throughput));
    kind.check(provisioned)?;
    let command = Create {
        zone,
        snapshot: tag::optional_id(Noun::Snapshot, asked.snapshot_id.as_deref())?,
        size: asked.size.map(Gib),
        encryption: disk_encryption::choice(&cx, asked.encrypted, asked.kms_key_id.as_deref())?,
        kind: kind.kind(),
        provisioned,
        name: String::new(),
        description: String::new(),
        deletes_auto_snapshots: false,
        shared: asked.multi_attach_enabled,
        tags,
    };
    let token = asked.client_token.filter(|token| !token.is_empty());
    let volume = cx.cloud.run(&cx.caller, command, cx.options(token)).await?;
    Ok(volume_item(&cx, &volume))
}

/// The parameters of `AttachVolume`.
#[derive(FromArg)]
pub(crate) struct AttachVolume {
    volume_id: String,
    instance_id: String,
    device: String,
}

/// Attaches a volume to an instance, running or stopped.
pub(crate) async fn attach(cx: Cx, asked: AttachVolume) -> Result<Attachment, Refusal> {
    let command = Attach {
        volume: tag::id(Noun::Volume, &asked.volume_id)?,
        instance: tag::id(Noun::Instance, &asked.instance_id)?,
        device: Some(device_name(&asked.device)),
        delete_on_termination: false,
    };
    let volume = cx.cloud.run(&cx.caller, command, cx.options(None)).await?;
    attachment(&volume).ok_or(Refusal::Cloud(model::Error::Internal))
}

/// EC2 takes `xvdf` and `sdf` for `/dev/xvdf` and `/dev/sdf`.
fn device_name(asked: &str) -> String {
    if asked.starts_with('/') { asked.to_owned() } else { format!("/dev/{asked}") }
}

/// The parameters of `DetachVolume`.
#[derive(FromArg)]
pub(crate) struct DetachVolume {
    volume_id: String,
    instance_id: Option<String>,
    device: Option<String>,
    #[arg(default)]
    force: bool,
}

/// Detaches a volume: the guest is asked to release it, or by force not asked.
pub(crate) async fn detach(cx: Cx, asked: DetachVolume) -> Result<Attachment, Refusal> {
    let command = Detach {
        volume: tag::id(Noun::Volume, &asked.volume_id)?,
        instance: tag::optional_id(Noun::Instance, asked.instance_id.as_deref())?,
        device: asked.device.filter(|device| !device.is_empty()).map(|device| device_name(&device)),
        force: asked.force,
    };
    let volume = cx.cloud.run(&cx.caller, command, cx.options(None)).await?;
    attachment(&volume).ok_or(Refusal::Cloud(model::Error::Internal))
}

/// The parameters of `DeleteVolume`.
#[derive(FromArg)]
pub(crate) struct DeleteVolume {
    volume_id: String,
}

/// Deletes a volume that is not attached.
pub(crate) async fn delete(cx: Cx, asked: DeleteVolume) -> Result<(), Refusal> {
    let command = Delete { volume: tag::id(Noun::Volume, &asked.volume_id)? };
    Ok(cx.cloud.run(&cx.caller, command, cx.options(None)).await?)
}

/// The parameters of `ModifyVolume`.
#[derive(FromArg)]
pub(crate) struct ModifyVolume {
    volume_id: String,
    size: Option<u32>,
    volume_type: Option<VolumeType>,
    iops: Option<u32>,
    throughput: Option<u32>,
    multi_attach_enabled: Option<bool>,
}

/// The reply of `ModifyVolume`.
#[derive(Show)]
#[reply(rename = "camelCase")]
pub(crate) struct Modified {
    volume_modification: Modification,
}

#[derive(Show)]
#[reply(rename = "camelCase")]
struct Modification {
    volume_id: String,
    modification_state: &'static str,
    target_size: u32,
    target_volume_type: &'static str,
    target_iops: Option<u64>,
    target_throughput: Option<u64>,
    target_multi_attach_enabled: bool,
    original_size: u32,
    original_volume_type: &'static str,
    original_iops: Option<u64>,
    original_throughput: Option<u64>,
    original_multi_attach_enabled: bool,
    progress: u32,
    start_time: Timestamp,
    end_time: Option<Timestamp>,
}

/// Grows a volume, attached or not, or gives it another type.
pub(crate) async fn modify(cx: Cx, asked: ModifyVolume) -> Result<Modified, Refusal> {
    let id = tag::id(Noun::Volume, &asked.volume_id)?;
    if let Some(wanted) = asked.multi_attach_enabled {
        let query = Query { ids: vec![id], ..Query::default() };
        let listed = cx.cloud.list::<Volume>(&cx.caller, query).await?;
        if listed.rows.iter().any(|volume| volume.shared != wanted) {
            return Err(unsupported("Enabling or disabling Multi-Attach of a volume that is there"));
        }
    }
    let provisioned = bought(asked.iops, asked.throughput);
    if asked.size.is_none() && asked.volume_type.is_none() && provisioned.is_none() {
        return Err(combination("ModifyVolume needs a size, a type, iops or throughput to change"));
    }
    let kind = asked.volume_type.map(VolumeType::kind);
    kind.map_or(Ok(()), |kind| check_bought(kind, provisioned))?;
    let command = Grow { volume: id, size: asked.size.map(Gib), kind, provisioned };
    let volume = cx.cloud.run(&cx.caller, command, cx.options(None)).await?;
    let growth = volume.growth.ok_or(Refusal::Cloud(model::Error::Internal))?;
    Ok(Modified { volume_modification: modification(&volume, growth) })
}

fn modification(volume: &Volume, growth: Growth) -> Modification {
    let (target_iops, target_throughput) = figures(volume.kind, volume.limits());
    let (original_iops, original_throughput) = figures(growth.kind, growth.kind.limits(growth.from, growth.provisioned));
    Modification {
        target_iops,
        target_throughput,
        original_iops,
        original_throughput,
        volume_id: volume.id.to_string(),
        modification_state: modification_state(growth),
        target_size: volume.size.0,
        target_volume_type: type_word(volume.kind),
        target_multi_attach_enabled: volume.shared,
        original_size: growth.from.0,
        original_volume_type: type_word(growth.kind),
        original_multi_attach_enabled: volume.shared,
        progress: if growth.done_at.is_some() { 100 } else { 0 },
        start_time: growth.at.timestamp(),
        end_time: growth.done_at.map(model::Millis::timestamp),
    }
}

const fn modification_state(growth: Growth) -> &'static str {
    if growth.done_at.is_some() { "completed" } else { "modifying" }
}

/// The parameters of `DescribeVolumesModifications`.
#[derive(FromArg)]
pub(crate) struct DescribeVolumesModifications {
    #[arg(name = "VolumeId")]
    ids: Vec<String>,
    #[arg(name = "Filter")]
    filters: Vec<AskedFilter>,
    #[arg(flatten)]
    paging: Paging,
}

/// The reply of `DescribeVolumesModifications`.
#[derive(Show)]
#[reply(rename = "camelCase")]
pub(crate) struct Modifications {
    volume_modification_set: Vec<Modification>,
    next_token: Option<String>,
}

/// Filters that modifications have, beside those of volumes.
const MODIFICATION_FILTERS: &[&str] = &[
    "modification-state",
    "original-iops",
    "original-size",
    "original-volume-type",
    "originalMultiAttachEnabled",
    "start-time",
    "target-iops",
    "target-size",
    "target-volume-type",
    "targetMultiAttachEnabled",
    "volume-id",
];

/// Lists the latest modification of each volume that has one.
pub(crate) async fn describe_modifications(cx: Cx, asked: DescribeVolumesModifications) -> Result<Modifications, Refusal> {
    let pages = asked.paging.pages(&cx, USUAL, &asked.filters)?;
    let query = Query { ids: tag::ids(Noun::Volume, &asked.ids)?, filters: vec![], page: pages.of_ids()? };
    let listed = cx.cloud.list::<Volume>(&cx.caller, query).await?;
    let latest = |volume: &Volume| Some(modification(volume, volume.growth?));
    let mut rows: Vec<Modification> = listed.rows.iter().filter_map(latest).collect();
    filter::retain(&mut rows, &asked.filters, |row, name| row.values(name), MODIFICATION_FILTERS)?;
    Ok(Modifications { volume_modification_set: rows, next_token: pages.after(listed.next) })
}

impl Modification {
    fn values(&self, filter: &str) -> Option<Vec<String>> {
        Some(vec![match filter {
            "modification-state" => self.modification_state.to_owned(),
            "original-iops" => self.original_iops.map(|iops| iops.to_string()).unwrap_or_default(),
            "target-iops" => self.target_iops.map(|iops| iops.to_string()).unwrap_or_default(),
            "original-size" => self.original_size.to_string(),
            "original-volume-type" => self.original_volume_type.to_owned(),
            "originalMultiAttachEnabled" => self.original_multi_attach_enabled.to_string(),
            "start-time" => wire::time::to_millisecond(self.start_time),
            "target-size" => self.target_size.to_string(),
            "target-volume-type" => self.target_volume_type.to_owned(),
            "targetMultiAttachEnabled" => self.target_multi_attach_enabled.to_string(),
            "volume-id" => self.volume_id.clone(),
            _ => return None,
        }])
    }
}

/// The parameters of `DescribeVolumes`.
#[derive(FromArg)]
pub(crate) struct DescribeVolumes {
    #[arg(name = "VolumeId")]
    ids: Vec<String>,
    #[arg(name = "Filter")]
    filters: Vec<AskedFilter>,
    #[arg(flatten)]
    paging: Paging,
}

/// The reply of `DescribeVolumes`.
#[derive(Show)]
#[reply(rename = "camelCase")]
pub(crate) struct Volumes {
    volume_set: Vec<VolumeItem>,
    next_token: Option<String>,
}

#[derive(Show)]
#[reply(rename = "camelCase")]
pub(crate) struct VolumeItem {
    volume_id: String,
    size: u32,
    snapshot_id: String,
    availability_zone: String,
    availability_zone_id: String,
    status: &'static str,
    create_time: Timestamp,
    attachment_set: Vec<Attachment>,
    #[reply(skip_empty)]
    tag_set: Vec<TagItem>,
    volume_type: &'static str,
    iops: Option<u64>,
    throughput: Option<u64>,
    encrypted: bool,
    kms_key_id: Option<String>,
    multi_attach_enabled: bool,
}

#[derive(Show)]
#[reply(rename = "camelCase")]
pub(crate) struct Attachment {
    volume_id: String,
    instance_id: String,
    device: String,
    status: &'static str,
    attach_time: Timestamp,
    delete_on_termination: bool,
}

/// How far a volume is attached.
pub(crate) fn attachment_word(volume: &Volume) -> &'static str {
    volume.attachment_word().unwrap_or("detached")
}

/// When a volume was attached.
pub(crate) fn attached_at(volume: &Volume) -> Timestamp {
    volume.attached_at.unwrap_or(volume.created_at).timestamp()
}

fn attachment(volume: &Volume) -> Option<Attachment> {
    Some(Attachment {
        volume_id: volume.id.to_string(),
        instance_id: volume.instance?.to_string(),
        device: volume.device.clone(),
        status: attachment_word(volume),
        attach_time: attached_at(volume),
        delete_on_termination: volume.delete_on_termination,
    })
}

/// Lists volumes.
pub(crate) async fn describe_volumes(cx: Cx, asked: DescribeVolumes) -> Result<Volumes, Refusal> {
    asked.paging.not_with_ids(&asked.ids)?;
    let pages = asked.paging.pages(&cx, USUAL, &asked.filters)?;
    let filters = filter::filters(&cx, filter::VOLUME, &asked.filters)?;
    let query = Query { ids: tag::ids(Noun::Volume, &asked.ids)?, filters, page: pages.of_ids()? };
    let listed = cx.cloud.list::<Volume>(&cx.caller, query).await?;
    let volumes = listed.rows.iter().map(|volume| volume_item(&cx, volume)).collect();
    Ok(Volumes { volume_set: volumes, next_token: pages.after(listed.next) })
}

fn volume_item(cx: &Cx, volume: &Volume) -> VolumeItem {
    let (iops, throughput) = figures(volume.kind, volume.limits());
    VolumeItem {
        iops,
        throughput,
        volume_id: volume.id.to_string(),
        size: volume.size.0,
        snapshot_id: volume.snapshot.map(|id| id.to_string()).unwrap_or_default(),
        availability_zone: volume.zone.clone(),
        availability_zone_id: zone_id(cx, &volume.zone),
        status: volume.word(),
        create_time: volume.created_at.timestamp(),
        attachment_set: volume.as_held().iter().filter_map(attachment).collect(),
        tag_set: tag::items(&volume.tags),
        volume_type: type_word(volume.kind),
        encrypted: volume.encryption.is_some(),
        kms_key_id: kms::arn_of(cx, volume.encryption.as_ref()),
        multi_attach_enabled: volume.shared,
    }
}

/// The parameters of `DescribeVolumeStatus`.
#[derive(FromArg)]
pub(crate) struct DescribeVolumeStatus {
    #[arg(name = "VolumeId")]
    ids: Vec<String>,
    #[arg(name = "Filter")]
    filters: Vec<AskedFilter>,
    #[arg(flatten)]
    paging: Paging,
}

/// The reply of `DescribeVolumeStatus`.
#[derive(Show)]
#[reply(rename = "camelCase")]
pub(crate) struct Statuses {
    volume_status_set: Vec<StatusItem>,
    next_token: Option<String>,
}

#[derive(Show)]
#[reply(rename = "camelCase")]
struct StatusItem {
    volume_id: String,
    availability_zone: String,
    availability_zone_id: String,
    volume_status: Status,
    events_set: Vec<String>,
    actions_set: Vec<String>,
}

#[derive(Show)]
#[reply(rename = "camelCase")]
struct Status {
    status: &'static str,
    #[reply(skip_empty)]
    details: Vec<Detail>,
}

#[derive(Show)]
#[reply(rename = "camelCase")]
struct Detail {
    name: &'static str,
    status: &'static str,
}

/// Tells how volumes are, as far as their hosts report.
pub(crate) async fn describe_status(cx: Cx, asked: DescribeVolumeStatus) -> Result<Statuses, Refusal> {
    asked.paging.not_with_ids(&asked.ids)?;
    let pages = asked.paging.pages(&cx, USUAL, &asked.filters)?;
    let filters = filter::filters(&cx, filter::VOLUME_STATUS, &asked.filters)?;
    let query = Query { ids: tag::ids(Noun::Volume, &asked.ids)?, filters, page: pages.of_ids()? };
    let listed = cx.cloud.list::<Volume>(&cx.caller, query).await?;
    let heard = cx.cloud.hosts_heard(listed.rows.iter().map(|volume| volume.host).collect()).await?;
    let item = |volume: &Volume| StatusItem {
        volume_id: volume.id.to_string(),
        availability_zone: volume.zone.clone(),
        availability_zone_id: zone_id(&cx, &volume.zone),
        volume_status: status(volume, &heard),
        events_set: vec![],
        actions_set: vec![],
    };
    Ok(Statuses { volume_status_set: listed.rows.iter().map(item).collect(), next_token: pages.after(listed.next) })
}

fn status(volume: &Volume, heard: &BTreeSet<HostId>) -> Status {
    if volume.phase == VolumePhase::Present && heard.contains(&volume.host) {
        return Status { status: "ok", details: vec![Detail { name: "io-enabled", status: "passed" }] };
    }
    Status { status: "insufficient-data", details: vec![] }
}
