//! Disks.

use control::{Field, Query, volume_word};
use jiff::Timestamp;
use model::{Volume, VolumePhase};
use wire::{FromArg, IntoDoc, Json, JsonList};

use crate::Cx;
use crate::error::Fault;
use crate::filter::{Filters, TAGS_PER_CALL, TagArg};
use crate::page::{PAGE_SIZE_MAX, Paged, Paging};
use crate::tag::{TagReply, tag_replies};

/// The category of every disk of this cloud.
pub(crate) const CATEGORY: &str = "cloud_essd";
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
    category: Option<String>,
    disk_type: Option<String>,
    delete_with_instance: Option<bool>,
    portable: Option<bool>,
    encrypted: Option<bool>,
    enable_auto_snapshot: Option<bool>,
    snapshot_id: Option<String>,
    auto_snapshot_policy_id: Option<String>,
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

#[derive(IntoDoc)]
pub(crate) struct Disks {
    #[reply(list = "Disk")]
    disks: Vec<DiskReply>,
    #[reply(flatten)]
    paging: Paging,
}

#[derive(IntoDoc)]
struct DiskReply {
    disk_id: String,
    disk_name: String,
    description: &'static str,
    region_id: String,
    zone_id: String,
    #[reply(name = "Type")]
    kind: &'static str,
    category: &'static str,
    performance_level: &'static str,
    size: u32,
    status: &'static str,
    image_id: String,
    source_snapshot_id: &'static str,
    instance_id: String,
    device: String,
    serial_number: String,
    delete_with_instance: bool,
    delete_auto_snapshot: bool,
    enable_auto_snapshot: bool,
    encrypted: bool,
    portable: bool,
    multi_attach: &'static str,
    disk_charge_type: &'static str,
    creation_time: Timestamp,
    attached_time: Option<Timestamp>,
    detached_time: &'static str,
    resource_group_id: &'static str,
    product_code: &'static str,
    #[reply(list = "OperationLock")]
    operation_locks: Vec<String>,
    #[reply(list = "Attachment")]
    attachments: Vec<Attachment>,
    #[reply(list = "Tag")]
    tags: Vec<TagReply>,
}

#[derive(IntoDoc)]
struct Attachment {
    instance_id: String,
    device: String,
    attached_time: Timestamp,
}

/// Lists disks.
pub(crate) async fn describe(cx: &Cx<'_>, asked: DescribeDisks) -> Result<Disks, Fault> {
    let query = Query { ids: vec![], filters: asked.filters().into_vec(), page: asked.paged.page(PAGE_SIZE_MAX)? };
    let listed = cx.cloud.list::<Volume>(&cx.caller, query).await?;
    let paging = asked.paged.paging(&listed);
    Ok(Disks { disks: listed.rows.iter().map(|volume| reply(cx, volume)).collect(), paging })
}

impl DescribeDisks {
    fn filters(&self) -> Filters {
        let flag = |value: Option<bool>| value.map(|value| value.to_string());
        let mut filters = Filters::new();
        filters
            .listed(Field::Id, self.disk_ids.as_ref().map(|Json(ids)| ids))
            .exact(Field::Instance, self.instance_id.as_ref())
            .exact(Field::Zone, self.zone_id.as_ref())
            .wildcard(Field::Tag("Name".to_owned()), self.disk_name.as_ref())
            .always(self.category.as_ref(), &["all", CATEGORY])
            .always(self.disk_type.as_ref(), &["all", "system"])
            .always(flag(self.portable).as_ref(), &["false"])
            .always(flag(self.encrypted).as_ref(), &["false"])
            .always(flag(self.enable_auto_snapshot).as_ref(), &["false"])
            .always(flag(self.delete_with_instance).as_ref(), &["true", "false"])
            .always(self.snapshot_id.as_ref(), &[])
            .always(self.auto_snapshot_policy_id.as_ref(), &[])
            .always(self.lock_reason.as_ref(), &[])
            .always(self.resource_group_id.as_ref(), &[])
            .always(self.disk_charge_type.as_ref(), &["PostPaid"])
            .tags(&self.tags);
        match self.status {
            None | Some(Status::All) => {}
            Some(Status::In_use) => drop(filters.push(Field::State, vec!["in-use".to_owned()])),
            Some(Status::Available) => drop(filters.push(Field::State, vec!["available".to_owned()])),
            Some(Status::Creating) => drop(filters.push(Field::State, vec!["creating".to_owned()])),
            Some(Status::Detaching) => drop(filters.push(Field::State, vec!["deleting".to_owned()])),
            Some(Status::Attaching | Status::ReIniting) => drop(filters.nothing()),
        }
        filters
    }
}

fn reply(cx: &Cx<'_>, volume: &Volume) -> DiskReply {
    let attached_time = volume.instance.map(|_| volume.created_at.timestamp());
    let attachment = volume.instance.map(|id| Attachment {
        instance_id: id.to_string(),
        device: volume.device.clone(),
        attached_time: volume.created_at.timestamp(),
    });
    DiskReply {
        disk_id: volume.id.to_string(),
        disk_name: volume.tags.get("Name").cloned().unwrap_or_default(),
        description: "",
        region_id: cx.region(),
        zone_id: volume.zone.clone(),
        kind: "system",
        category: CATEGORY,
        performance_level: "PL1",
        size: volume.size.0,
        status: status(volume),
        image_id: volume.image.map(|id| id.to_string()).unwrap_or_default(),
        source_snapshot_id: "",
        instance_id: volume.instance.map(|id| id.to_string()).unwrap_or_default(),
        device: volume.device.clone(),
        serial_number: volume.id.to_string().replace('-', ""),
        delete_with_instance: volume.delete_on_termination,
        delete_auto_snapshot: true,
        enable_auto_snapshot: false,
        encrypted: false,
        portable: false,
        multi_attach: "Disabled",
        disk_charge_type: "PostPaid",
        creation_time: volume.created_at.timestamp(),
        attached_time,
        detached_time: "",
        resource_group_id: "",
        product_code: "",
        operation_locks: vec![],
        attachments: attachment.into_iter().collect(),
        tags: tag_replies(&volume.tags),
    }
}

fn status(volume: &Volume) -> &'static str {
    match (volume.phase, volume_word(volume)) {
        (VolumePhase::Creating, _) => "Creating",
        (VolumePhase::Deleting, _) => "Detaching",
        (VolumePhase::Present, "in-use") => "In_use",
        (VolumePhase::Present, _) => "Available",
    }
}
