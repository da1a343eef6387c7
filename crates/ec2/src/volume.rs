//! Volumes. In this version each is the system disk of an instance.

use std::collections::BTreeSet;

use control::{Query, volume_word};
use jiff::Timestamp;
use model::{HostId, Noun, Volume, VolumePhase};
use wire::{FromArg, IntoDoc};

use crate::Cx;
use crate::error::{Refusal, unsupported};
use crate::filter::{self, AskedFilter};
use crate::page::{Paging, USUAL};
use crate::region::zone_id;
use crate::tag::{self, TagItem};

/// Device name of a system disk, as EC2's images of Debian have it.
pub(crate) const ROOT_DEVICE: &str = "/dev/xvda";
/// The type that every volume is shown as: the pool has one class of disks.
pub(crate) const TYPE: &str = "gp3";

/// The type of a volume at launch.
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
    /// Refuses types that promise a figure of their own; general-purpose ones are what the pool gives.
    pub fn check(self) -> Result<(), Refusal> {
        match self {
            VolumeType::Standard | VolumeType::Gp2 | VolumeType::Gp3 => Ok(()),
            VolumeType::Io1 | VolumeType::Io2 | VolumeType::Sc1 | VolumeType::St1 => {
                Err(unsupported(format!("The volume type {}", format!("{self:?}").to_lowercase())))
            }
        }
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
#[derive(IntoDoc)]
#[reply(rename = "camelCase")]
pub(crate) struct Volumes {
    volume_set: Vec<VolumeItem>,
    next_token: Option<String>,
}

#[derive(IntoDoc)]
#[reply(rename = "camelCase")]
struct VolumeItem {
    volume_id: String,
    size: u32,
    snapshot_id: &'static str,
    availability_zone: String,
    availability_zone_id: String,
    status: &'static str,
    create_time: Timestamp,
    attachment_set: Vec<Attachment>,
    #[reply(skip_empty)]
    tag_set: Vec<TagItem>,
    volume_type: &'static str,
    encrypted: bool,
    multi_attach_enabled: bool,
}

#[derive(IntoDoc)]
#[reply(rename = "camelCase")]
struct Attachment {
    volume_id: String,
    instance_id: String,
    device: String,
    status: &'static str,
    attach_time: Timestamp,
    delete_on_termination: bool,
}

/// How far a volume is attached.
pub(crate) fn attachment_word(volume: &Volume) -> &'static str {
    match volume.phase {
        VolumePhase::Creating => "attaching",
        VolumePhase::Present => "attached",
        VolumePhase::Deleting => "detaching",
    }
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
    let attachment = volume.instance.map(|instance| Attachment {
        volume_id: volume.id.to_string(),
        instance_id: instance.to_string(),
        device: volume.device.clone(),
        status: attachment_word(volume),
        attach_time: volume.created_at.timestamp(),
        delete_on_termination: volume.delete_on_termination,
    });
    VolumeItem {
        volume_id: volume.id.to_string(),
        size: volume.size.0,
        snapshot_id: "",
        availability_zone: volume.zone.clone(),
        availability_zone_id: zone_id(cx, &volume.zone),
        status: volume_word(volume),
        create_time: volume.created_at.timestamp(),
        attachment_set: attachment.into_iter().collect(),
        tag_set: tag::items(&volume.tags),
        volume_type: TYPE,
        encrypted: false,
        multi_attach_enabled: false,
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
#[derive(IntoDoc)]
#[reply(rename = "camelCase")]
pub(crate) struct Statuses {
    volume_status_set: Vec<StatusItem>,
    next_token: Option<String>,
}

#[derive(IntoDoc)]
#[reply(rename = "camelCase")]
struct StatusItem {
    volume_id: String,
    availability_zone: String,
    availability_zone_id: String,
    volume_status: Status,
    events_set: Vec<String>,
    actions_set: Vec<String>,
}

#[derive(IntoDoc)]
#[reply(rename = "camelCase")]
struct Status {
    status: &'static str,
    #[reply(skip_empty)]
    details: Vec<Detail>,
}

#[derive(IntoDoc)]
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
