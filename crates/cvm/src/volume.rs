//! Disks.

use control::{Field, Query};
use model::{Attachment, InstanceId, Volume, VolumeId, VolumeKind, VolumePhase};
use wire::{FromArg, IntoDoc};

use crate::error::Fault;
use crate::filter::{By, FILTERS_MAX, FilterArg, Filters, not_both};
use crate::page::{Cut, LIMIT_MAX};
use crate::tag::TagReply;
use crate::{Cx, id, tag, time};

/// Kinds of disks, of which none promises more than this cloud's own.
#[derive(Clone, Copy, FromArg)]
pub(crate) enum DiskType {
    #[arg(name = "CLOUD_BASIC")]
    Basic,
    #[arg(name = "CLOUD_PREMIUM")]
    Premium,
    #[arg(name = "CLOUD_BSSD")]
    BalancedSsd,
    #[arg(name = "CLOUD_SSD")]
    Ssd,
    #[arg(name = "CLOUD_HSSD")]
    EnhancedSsd,
}

impl DiskType {
    /// What a disk of this kind is sold as.
    pub(crate) const fn kind(self) -> VolumeKind {
        match self {
            DiskType::Basic => VolumeKind::Magnetic,
            DiskType::Premium => VolumeKind::Efficient,
            DiskType::BalancedSsd | DiskType::Ssd => VolumeKind::Balanced,
            DiskType::EnhancedSsd => VolumeKind::Fast,
        }
    }
}

/// CBS's words for kinds of volumes.
const KINDS: [(VolumeKind, &str); 4] = [
    (VolumeKind::Magnetic, "CLOUD_BASIC"),
    (VolumeKind::Efficient, "CLOUD_PREMIUM"),
    (VolumeKind::Balanced, "CLOUD_SSD"),
    (VolumeKind::Fast, "CLOUD_HSSD"),
];

/// CBS's word for what a disk is sold as.
pub(crate) fn disk_type(volume: &Volume) -> &'static str {
    KINDS.iter().find(|(kind, _)| *kind == volume.kind).map_or("", |(_, word)| word)
}

/// `DescribeDisks`.
#[derive(FromArg)]
pub(crate) struct DescribeDisks {
    #[arg(max_items = LIMIT_MAX)]
    disk_ids: Vec<String>,
    #[arg(max_items = FILTERS_MAX)]
    filters: Vec<FilterArg>,
    #[arg(flatten)]
    cut: Cut,
}

#[derive(IntoDoc)]
#[reply(list = "")]
pub(crate) struct Disks {
    total_count: usize,
    disk_set: Vec<DiskReply>,
}

#[derive(IntoDoc)]
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

#[derive(IntoDoc)]
struct Placement {
    zone: String,
    project_id: u32,
    project_name: &'static str,
    cage_id: &'static str,
    cdc_id: &'static str,
    cdc_name: &'static str,
    dedicated_cluster_id: &'static str,
}

/// Lists disks.
pub(crate) async fn describe(cx: &Cx<'_>, asked: DescribeDisks) -> Result<Disks, Fault> {
    not_both("DiskIds", &asked.disk_ids, &asked.filters)?;
    let filters = Filters::read(&asked.filters, filter)?;
    let query = Query { ids: id::read_all(&asked.disk_ids)?, filters: filters.into_vec(), page: asked.cut.page() };
    let listed = cx.cloud.list::<Volume>(&cx.caller, query).await?;
    Ok(Disks { total_count: listed.total, disk_set: listed.rows.iter().map(reply).collect() })
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
        "dedicated-cluster-id" => By::Always(&[]),
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
    let same = KINDS.iter().filter(|(_, known)| *known == word || *known == "CLOUD_SSD" && word == "CLOUD_BSSD");
    same.map(|(kind, _)| kind.word().to_owned()).collect()
}

/// Whether a disk of a usage is the system disk of its instance, in the control plane's words.
fn is_root(usage: &str) -> Vec<String> {
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

fn reply(volume: &Volume) -> DiskReply {
    let instance = id::shown_or_empty(volume.instance);
    DiskReply {
        disk_id: id::shown(volume.id),
        disk_name: volume.shown_name().to_owned(),
        disk_usage: if volume.is_root() { "SYSTEM_DISK" } else { "DATA_DISK" },
        disk_type: disk_type(volume),
        disk_size: volume.size.0,
        disk_state: state(volume),
        disk_charge_type: "POSTPAID_BY_HOUR",
        placement: Placement {
            zone: volume.zone.clone(),
            project_id: 0,
            project_name: "",
            cage_id: "",
            cdc_id: "",
            cdc_name: "",
            dedicated_cluster_id: "",
        },
        attached: volume.instance.is_some(),
        attach_mode: "VF",
        instance_id_list: volume.instance.map(id::shown).into_iter().collect(),
        instance_type: if volume.instance.is_some() { "CVM" } else { "" },
        last_attach_ins_id: instance.clone(),
        instance_id: instance,
        delete_with_instance: volume.delete_on_termination,
        delete_snapshot: 0,
        portable: !volume.is_root(),
        shareable: false,
        is_returnable: false,
        return_fail_code: 0,
        encrypt: false,
        backup_disk: false,
        burst_performance: false,
        throughput_performance: 0,
        snapshot_ability: false,
        snapshot_count: 0,
        snapshot_size: 0,
        auto_snapshot_policy_ids: vec![],
        disk_backup_quota: 0,
        disk_backup_count: 0,
        rollbacking: false,
        rollback_percent: 100,
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
