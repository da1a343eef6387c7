//! Images: the operator's, which everybody may launch, and the account's own.

use control::{Field, Filter, Query};
use jiff::Timestamp;
use model::{AccountId, Image, ImagePhase, Noun};
use wire::{FromArg, Show, time};

use crate::Cx;
use crate::error::{Refusal, unsupported};
use crate::filter::{self, AskedFilter};
use crate::page::{Paging, USUAL, every_row};
use crate::tag::{self, TagItem};
use crate::volume::{ROOT_DEVICE, TYPE, type_word};

/// What the operator's account is called in place of its number. Scripts that were written for EC2 ask for `amazon`, and mean
/// the images that the cloud itself offers.
pub(crate) const OPERATOR_ALIASES: &[&str] = &["pileus", "amazon"];

/// The parameters of `DescribeImages`.
#[derive(FromArg)]
pub(crate) struct DescribeImages {
    #[arg(name = "ImageId")]
    ids: Vec<String>,
    #[arg(name = "Owner")]
    owners: Vec<String>,
    #[arg(name = "ExecutableBy")]
    executable_by: Vec<String>,
    #[arg(name = "Filter")]
    filters: Vec<AskedFilter>,
    #[arg(default)]
    include_deprecated: bool,
    #[arg(default)]
    include_disabled: bool,
    #[arg(flatten)]
    paging: Paging,
}

/// The reply of `DescribeImages`.
#[derive(Show)]
#[reply(rename = "camelCase")]
pub(crate) struct Images {
    images_set: Vec<ImageItem>,
    next_token: Option<String>,
}

#[derive(Show)]
#[reply(rename = "camelCase")]
struct ImageItem {
    image_id: String,
    image_location: String,
    image_state: &'static str,
    image_owner_id: String,
    creation_date: String,
    deprecation_time: Option<String>,
    is_public: bool,
    product_codes: Vec<String>,
    architecture: String,
    image_type: &'static str,
    platform_details: &'static str,
    usage_operation: &'static str,
    image_owner_alias: Option<&'static str>,
    source_instance_id: Option<String>,
    name: String,
    description: String,
    root_device_type: &'static str,
    root_device_name: &'static str,
    block_device_mapping: Vec<Device>,
    virtualization_type: &'static str,
    #[reply(skip_empty)]
    tag_set: Vec<TagItem>,
    hypervisor: &'static str,
    ena_support: bool,
    boot_mode: &'static str,
}

#[derive(Show)]
#[reply(rename = "camelCase")]
struct Device {
    device_name: String,
    ebs: Ebs,
}

#[derive(Show)]
#[reply(rename = "camelCase")]
struct Ebs {
    snapshot_id: Option<String>,
    volume_size: u32,
    volume_type: &'static str,
    iops: Option<u32>,
    throughput: Option<u32>,
    delete_on_termination: bool,
    encrypted: bool,
}

/// Lists images.
pub(crate) async fn describe_images(cx: Cx, asked: DescribeImages) -> Result<Images, Refusal> {
    let DescribeImages { ids, owners, executable_by, filters, include_deprecated, include_disabled, paging } = asked;
    let mut pages_of = filters.clone();
    pages_of.push(AskedFilter { name: "Owner".to_owned(), values: owners.clone() });
    pages_of.push(AskedFilter { name: "ExecutableBy".to_owned(), values: executable_by.clone() });
    let pages = paging.pages(&cx, USUAL, &pages_of)?;
    let mut filters = filter::filters(&cx, filter::IMAGE, &filters)?;
    filters.extend(owned_by(&cx, &owners)?);
    filters.extend(usable_by(&cx, &executable_by));
    let mut images = every_row::<Image>(&cx, Query { ids: tag::ids(Noun::Image, &ids)?, filters, ..Query::default() }).await?;
    if !include_deprecated && ids.is_empty() {
        // Whoever names one means it, and its owner always sees it.
        let (now, own) = (cx.cloud.clock().now(), cx.caller.account());
        images.retain(|image| image.account == own || !image.is_deprecated(now));
    }
    images.retain(|image| include_disabled || image.phase != ImagePhase::Disabled);
    let (images, next_token) = pages.cut(images, |image| image.id.to_string());
    Ok(Images { images_set: images.iter().map(|image| image_item(&cx, image)).collect(), next_token })
}

fn owned_by(cx: &Cx, owners: &[String]) -> Result<Option<Filter>, Refusal> {
    if owners.is_empty() {
        return Ok(None);
    }
    let account = |owner: &String| match owner.as_str() {
        "self" => Ok(cx.caller.account().to_string()),
        "aws-marketplace" => Ok(owner.clone()),
        alias if OPERATOR_ALIASES.contains(&alias) => Ok(cx.cloud.region().operator.to_string()),
        number if number.parse::<AccountId>().is_ok() => Ok(owner.clone()),
        _ => Err(unsupported(format!("The image owner '{owner}'"))),
    };
    let values = owners.iter().map(account).collect::<Result<_, _>>()?;
    Ok(Some(Filter { field: Field::Owner, values }))
}

/// What somebody may launch: `all` are those that everybody may, `self` and accounts those that are shared with them by number.
fn usable_by(cx: &Cx, users: &[String]) -> Option<Filter> {
    if users.is_empty() {
        return None;
    }
    if users.iter().any(|user| user == "all") {
        return Some(Filter { field: Field::IsPublic, values: vec!["true".to_owned()] });
    }
    let own = cx.caller.account().to_string();
    let values = users.iter().map(|user| if user == "self" { own.clone() } else { user.clone() }).collect();
    Some(Filter { field: Field::SharedWith, values })
}

fn image_item(cx: &Cx, image: &Image) -> ImageItem {
    let created: Timestamp = image.created_at.timestamp();
    let is_own = image.account == cx.caller.account();
    ImageItem {
        image_id: image.id.to_string(),
        image_location: format!("{}/{}", image.account, image.name),
        image_state: image.word(),
        image_owner_id: image.account.to_string(),
        creation_date: time::to_millisecond(created),
        deprecation_time: image.deprecated_at.map(|at| time::to_millisecond(at.timestamp())),
        is_public: image.public,
        product_codes: vec![],
        architecture: image.architecture.to_string(),
        image_type: "machine",
        platform_details: "Linux/UNIX",
        usage_operation: "RunInstances",
        source_instance_id: image.instance.filter(|_| is_own).map(|id| id.to_string()),
        image_owner_alias: (image.account == cx.cloud.region().operator).then_some(OPERATOR_ALIASES[0]),
        name: image.name.clone(),
        description: image.description.clone(),
        root_device_type: "ebs",
        root_device_name: ROOT_DEVICE,
        block_device_mapping: devices(image),
        virtualization_type: "hvm",
        tag_set: if is_own { tag::items(&image.tags) } else { vec![] },
        hypervisor: "xen",
        ena_support: false,
        boot_mode: "legacy-bios",
    }
}

fn devices(image: &Image) -> Vec<Device> {
    let shown = |id: model::SnapshotId| id.to_string();
    let root = Ebs {
        snapshot_id: image.snapshot.map(shown),
        volume_size: smallest_disk(image),
        volume_type: TYPE,
        iops: None,
        throughput: None,
        delete_on_termination: true,
        encrypted: image.encryption.is_some(),
    };
    let further = image.disks.iter().map(|disk| Device {
        device_name: disk.device.clone(),
        ebs: Ebs {
            snapshot_id: disk.snapshot.map(shown),
            volume_size: disk.size.0,
            volume_type: type_word(disk.kind),
            iops: disk.provisioned.iops,
            throughput: disk.provisioned.throughput,
            delete_on_termination: disk.delete_on_termination,
            encrypted: disk.encryption.encrypted == Some(true),
        },
    });
    std::iter::once(Device { device_name: ROOT_DEVICE.to_owned(), ebs: root }).chain(further).collect()
}

fn smallest_disk(image: &Image) -> u32 {
    image.min_disk.max(model::Gib::holding(image.size_bytes)).0
}
