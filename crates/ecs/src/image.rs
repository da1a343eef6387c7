//! Images.

use control::{Field, Query, UsedImage};
use jiff::Timestamp;
use model::{AccountId, Image, ImagePhase};
use wire::{FromArg, Show};

use crate::Cx;
use crate::error::Fault;
use crate::filter::{CONDITIONS_PER_CALL, Condition, Filters, TAGS_PER_CALL, TagArg, literal};
use crate::page::{Numbered, Numbers, PAGE_SIZE_MAX};
use crate::tag::{TagReply, tag_replies};

/// Most images that one call names (ECS documents 100).
const IMAGES_PER_CALL: usize = 100;
/// Device of the system disk, as ECS prints it.
const DEVICE: &str = "/dev/xvda";

/// `DescribeImages`.
#[derive(FromArg)]
pub(crate) struct DescribeImages {
    /// Ids with commas in between.
    image_id: Option<String>,
    image_name: Option<String>,
    status: Option<String>,
    image_owner_alias: Option<String>,
    image_owner_id: Option<String>,
    architecture: Option<String>,
    #[arg(name = "OSType")]
    os_type: Option<String>,
    usage: Option<Usage>,
    is_public: Option<bool>,
    is_support_cloudinit: Option<bool>,
    is_support_io_optimized: Option<bool>,
    image_family: Option<String>,
    snapshot_id: Option<String>,
    resource_group_id: Option<String>,
    usable: Option<bool>,
    #[expect(dead_code, reason = "no image is bought for a time")]
    show_expired: Option<bool>,
    #[arg(name = "Filter", max_items = CONDITIONS_PER_CALL)]
    conditions: Vec<Condition>,
    #[expect(dead_code, reason = "every image starts on every type of its architecture")]
    instance_type: Option<String>,
    #[expect(dead_code, reason = "asks for what the action does with the images")]
    action_type: Option<String>,
    #[arg(name = "Tag", max_items = TAGS_PER_CALL)]
    tags: Vec<TagArg>,
    #[arg(flatten)]
    numbered: Numbered,
}

/// Whether an instance runs on an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromArg)]
#[arg(rename = "lowercase")]
enum Usage {
    Instance,
    None,
}

#[derive(Show)]
pub(crate) struct Images {
    region_id: String,
    #[reply(list = "Image")]
    images: Vec<ImageReply>,
    #[reply(flatten)]
    numbers: Numbers,
}

/// An image as every call tells it.
#[derive(Show)]
struct ImageWords {
    image_id: String,
    image_name: String,
    image_family: String,
    image_version: &'static str,
    description: String,
    image_owner_alias: &'static str,
    #[reply(name = "OSType")]
    os_type: &'static str,
    #[reply(name = "OSName")]
    os_name: String,
    platform: String,
    architecture: &'static str,
    size: u32,
    status: &'static str,
    progress: String,
    usage: &'static str,
    product_code: &'static str,
    creation_time: Timestamp,
    is_copied: bool,
    is_self_shared: &'static str,
    is_subscribed: bool,
    is_support_cloudinit: bool,
    is_support_io_optimized: bool,
    #[reply(list = "DiskDeviceMapping")]
    disk_device_mappings: Vec<Device>,
    #[reply(list = "Tag")]
    tags: Vec<TagReply>,
}

/// An image in a list, which tells more.
#[derive(Show)]
struct ImageReply {
    #[reply(flatten)]
    words: ImageWords,
    image_owner_id: u64,
    #[reply(name = "OSNameEn")]
    os_name_en: String,
    boot_mode: &'static str,
    is_public: bool,
    usable: bool,
    resource_group_id: &'static str,
}

#[derive(Show)]
struct Device {
    device: String,
    size: String,
    #[reply(name = "Type")]
    kind: &'static str,
    format: &'static str,
    snapshot_id: String,
}

/// Lists images: the caller's own and those that everybody may launch.
pub(crate) async fn describe(cx: &Cx<'_>, asked: DescribeImages) -> Result<Images, Fault> {
    let filters = asked.filters(cx)?;
    let query = Query { ids: vec![], filters: filters.into_vec(), page: asked.numbered.page(PAGE_SIZE_MAX)? };
    let is_used = asked.usage.map(|usage| usage == Usage::Instance);
    let listed = cx.cloud.list_used_images(&cx.caller, query, is_used).await?;
    let numbers = asked.numbered.numbers(&listed);
    Ok(Images { region_id: cx.region(), images: listed.rows.iter().map(|image| reply(cx, image)).collect(), numbers })
}

/// `DescribeImageFromFamily`.
#[derive(FromArg)]
pub(crate) struct DescribeImageFromFamily {
    image_family: String,
}

#[derive(Show)]
pub(crate) struct OfFamily {
    image: Option<ImageWords>,
}

/// Tells the newest image of a family that can be launched and is not deprecated.
pub(crate) async fn describe_from_family(cx: &Cx<'_>, asked: DescribeImageFromFamily) -> Result<OfFamily, Fault> {
    let Some(newest) = cx.cloud.newest_of_family(&cx.caller, &asked.image_family).await? else { return Ok(OfFamily { image: None }) };
    let mut filters = Filters::new();
    filters.exact(Field::Id, Some(newest.id));
    let found = cx.cloud.list_used_images(&cx.caller, Query { filters: filters.into_vec(), ..Query::default() }, None).await?;
    Ok(OfFamily { image: found.rows.first().map(|used| words(cx, used)) })
}

impl DescribeImages {
    fn filters(&self, cx: &Cx<'_>) -> Result<Filters, Fault> {
        let mut filters = Filters::new();
        if let Some(ids) = self.image_id.as_ref().filter(|ids| !ids.is_empty()) {
            let ids: Vec<String> = ids.split(',').map(|id| id.trim().to_owned()).collect();
            if ids.len() > IMAGES_PER_CALL {
                return Err(Fault::invalid("ImageId", format!("more than {IMAGES_PER_CALL} images")));
            }
            filters.one_of(Field::Id, &ids);
        }
        match self.image_owner_alias.as_deref() {
            None | Some("") => {}
            Some("system") => drop(filters.exact(Field::Owner, Some(cx.cloud.region().operator))),
            Some("self") => drop(filters.exact(Field::Owner, Some(cx.caller.account()))),
            Some("others") => drop(filters.exact(Field::SharedWith, Some(cx.caller.account()))),
            Some("marketplace") => drop(filters.nothing()),
            Some(_) => return Err(Fault::invalid("ImageOwnerAlias", "must be system, self, others or marketplace")),
        }
        if let Some(name) = self.image_name.as_ref().filter(|name| !name.is_empty()) {
            // ECS finds images by any part of their name.
            filters.push(Field::Name, vec![format!("*{}*", literal(name))]);
        }
        let at = Field::StateAt(cx.cloud.clock().now());
        match (self.status.as_deref().filter(|states| !states.is_empty()), self.usable) {
            // Clients ask for all states by a word of their own that ECS takes.
            (Some(states), _) if states.eq_ignore_ascii_case("ALL") => {}
            (Some(states), _) => drop(filters.push(at.clone(), states.split(',').filter_map(state).collect())),
            (None, None) => drop(filters.exact(at.clone(), Some("available"))),
            (None, Some(_)) => {}
        }
        match self.usable {
            None => {}
            Some(true) => drop(filters.push(at, vec!["available".to_owned(), "deprecated".to_owned()])),
            Some(false) => drop(filters.push(at, ["pending", "failed", "disabled"].map(str::to_owned).to_vec())),
        }
        let switch = |value: Option<bool>| value.map(|value| value.to_string());
        filters
            .exact(Field::Owner, self.image_owner_id.as_ref())
            .exact(Field::Architecture, self.architecture.as_ref())
            .exact(Field::IsPublic, self.is_public.map(|public| public.to_string()))
            .always(self.os_type.as_ref(), &["linux"])
            .always(switch(self.is_support_cloudinit).as_ref(), &["true"])
            .always(switch(self.is_support_io_optimized).as_ref(), &["true"])
            .exact(Field::Family, self.image_family.as_ref())
            .exact(Field::Snapshot, self.snapshot_id.as_ref())
            .always(self.resource_group_id.as_ref(), &[])
            .tags(&self.tags)
            .times(&self.conditions, None)?;
        Ok(filters)
    }
}

/// The control plane's word for one of ECS's states; none for those that no image is ever in.
fn state(word: &str) -> Option<String> {
    let word = match word.trim() {
        "Available" => "available",
        "Creating" => "pending",
        "CreateFailed" => "failed",
        "Deprecated" => "deprecated",
        "UnAvailable" => "disabled",
        _ => return None,
    };
    Some(word.to_owned())
}

fn devices(image: &Image) -> Vec<Device> {
    let shown = |id: Option<model::SnapshotId>| id.map(|id| id.to_string()).unwrap_or_default();
    let root = (DEVICE.to_owned(), image.min_disk, "system", image.snapshot);
    let further = image.disks.iter().map(|disk| (disk.device.clone(), disk.size, "data", disk.snapshot));
    let device = |(device, size, kind, snapshot): (String, model::Gib, &'static str, Option<model::SnapshotId>)| Device {
        device,
        size: size.0.to_string(),
        kind,
        format: "",
        snapshot_id: shown(snapshot),
    };
    std::iter::once(root).chain(further).map(device).collect()
}

fn reply(cx: &Cx<'_>, used: &UsedImage) -> ImageReply {
    let image = &used.image;
    ImageReply {
        words: words(cx, used),
        image_owner_id: image.account.as_u64(),
        os_name_en: image.platform.clone(),
        boot_mode: "BIOS",
        is_public: image.public,
        usable: image.phase == ImagePhase::Available,
        resource_group_id: "",
    }
}

fn words(cx: &Cx<'_>, UsedImage { image, is_used }: &UsedImage) -> ImageWords {
    ImageWords {
        image_id: image.id.to_string(),
        image_name: image.name.clone(),
        image_family: image.family.clone(),
        image_version: "",
        description: image.description.clone(),
        image_owner_alias: owner(cx, image.account),
        os_type: "linux",
        os_name: image.platform.clone(),
        platform: image.platform.clone(),
        architecture: image.architecture.as_str(),
        size: image.min_disk.0,
        status: match image.phase {
            ImagePhase::Available if image.is_deprecated(cx.cloud.clock().now()) => "Deprecated",
            ImagePhase::Available => "Available",
            ImagePhase::Pending => "Creating",
            ImagePhase::Failed => "CreateFailed",
            ImagePhase::Disabled | ImagePhase::Deregistered => "UnAvailable",
        },
        progress: format!("{}%", if image.phase == ImagePhase::Available { 100 } else { image.imported.unwrap_or(0) }),
        usage: if *is_used { "instance" } else { "none" },
        product_code: "",
        creation_time: image.created_at.timestamp(),
        is_copied: false,
        is_self_shared: "",
        is_subscribed: false,
        is_support_cloudinit: true,
        is_support_io_optimized: true,
        disk_device_mappings: devices(image),
        tags: tag_replies(&image.tags),
    }
}

fn owner(cx: &Cx<'_>, owner: AccountId) -> &'static str {
    if owner == cx.cloud.region().operator {
        "system"
    } else if owner == cx.caller.account() {
        "self"
    } else {
        "others"
    }
}
