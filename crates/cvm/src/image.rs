//! Images.

use control::{Field, Query};
use jiff::Timestamp;
use model::{Image, ImageId, ImagePhase};
use wire::{Doc, FromArg, Show};

use crate::error::Fault;
use crate::filter::{By, FILTERS_MAX, FilterArg, Filters, not_both};
use crate::page::{Cut, LIMIT_MAX};
use crate::tag::TagReply;
use crate::{Cx, id, page, tag};

/// `DescribeImages`.
#[derive(FromArg)]
pub(crate) struct DescribeImages {
    #[arg(max_items = LIMIT_MAX)]
    image_ids: Vec<String>,
    #[arg(max_items = FILTERS_MAX)]
    filters: Vec<FilterArg>,
    #[expect(dead_code, reason = "every image starts on every type of its architecture")]
    instance_type: Option<String>,
    #[arg(flatten)]
    cut: Cut,
}

#[derive(Show)]
#[reply(list = "")]
pub(crate) struct Images {
    total_count: usize,
    image_set: Vec<ImageReply>,
}

#[derive(Show)]
#[reply(list = "")]
struct ImageReply {
    image_id: String,
    image_name: String,
    image_description: String,
    image_type: &'static str,
    image_source: &'static str,
    image_creator: String,
    image_size: u32,
    image_state: &'static str,
    os_name: String,
    platform: String,
    architecture: &'static str,
    created_time: Timestamp,
    sync_percent: u32,
    is_support_cloudinit: bool,
    license_type: &'static str,
    image_deprecated: bool,
    image_family: String,
    snapshot_set: Vec<Doc>,
    tags: Vec<TagReply>,
}

/// Lists images: the caller's own and those that everybody may launch.
pub(crate) async fn describe(cx: &Cx<'_>, asked: DescribeImages) -> Result<Images, Fault> {
    not_both("ImageIds", &asked.image_ids, &asked.filters)?;
    let (own, others): (Vec<_>, Vec<_>) = asked.filters.into_iter().partition(|filter| OWN_FILTERS.contains(&filter.name.as_str()));
    let filters = Filters::read(&others, filter)?.into_vec();
    if own.is_empty() {
        let query = Query { ids: id::read_all::<ImageId>(&asked.image_ids)?, filters, page: asked.cut.page() };
        let listed = cx.cloud.list::<Image>(&cx.caller, query).await?;
        return Ok(Images { total_count: listed.total, image_set: listed.rows.iter().map(|image| reply(cx, image)).collect() });
    }
    let mut images = page::all::<Image>(cx, &filters).await?;
    images.retain(|image| own.iter().all(|filter| filter.values.iter().any(|value| is(cx, image, &filter.name, value))));
    let (total_count, images) = asked.cut.of(images);
    Ok(Images { total_count, image_set: images.iter().map(|image| reply(cx, image)).collect() })
}

/// Filters by what an image is to the caller, and by a part of its platform's name in any letters.
const OWN_FILTERS: [&str; 2] = ["image-type", "platform"];

/// Whether an image is what one value of these filters looks for.
fn is(cx: &Cx<'_>, image: &Image, name: &str, value: &str) -> bool {
    match name {
        "platform" => image.platform.to_lowercase().contains(&value.to_lowercase()),
        _ => kind(cx, image).0 == value,
    }
}

/// `DescribeImageFromFamily`.
#[derive(FromArg)]
pub(crate) struct DescribeImageFromFamily {
    image_family: String,
}

#[derive(Show)]
pub(crate) struct OfFamily {
    image: Option<ImageReply>,
}

/// Tells the newest image of a family that can be launched and is not deprecated.
pub(crate) async fn describe_from_family(cx: &Cx<'_>, asked: DescribeImageFromFamily) -> Result<OfFamily, Fault> {
    let newest = cx.cloud.newest_of_family(&cx.caller, &asked.image_family).await?;
    Ok(OfFamily { image: newest.map(|image| reply(cx, &image)) })
}

fn filter(name: &str) -> Option<By> {
    Some(match name {
        "image-id" => By::id::<ImageId>(Field::Id),
        "image-name" => By::Holds(Field::Name),
        "image-family" => By::Is(Field::Family),
        "image-state" => By::Word(Field::State, states),
        "dedicated-cluster-id" | "cdc-cache-status" => By::Always(&[]),
        _ => return None,
    })
}

/// The control plane's word for one of CVM's states.
fn states(word: &str) -> Vec<String> {
    let word = match word {
        "NORMAL" => "available",
        "CREATING" | "IMPORTING" => "pending",
        "CREATEFAILED" | "IMPORTFAILED" => "failed",
        _ => return vec![],
    };
    vec![word.to_owned()]
}

fn reply(cx: &Cx<'_>, image: &Image) -> ImageReply {
    let (image_type, image_source) = kind(cx, image);
    ImageReply {
        image_id: id::shown(image.id),
        image_name: image.name.clone(),
        image_description: image.description.clone(),
        image_type,
        image_source,
        image_creator: image.account.to_string(),
        image_size: image.min_disk.0,
        image_state: match image.phase {
            ImagePhase::Available => "NORMAL",
            ImagePhase::Pending if image.imported.is_some() => "IMPORTING",
            ImagePhase::Pending => "CREATING",
            ImagePhase::Failed if image.imported.is_some() => "IMPORTFAILED",
            ImagePhase::Failed => "CREATEFAILED",
            // CVM has no word for one that only its owner keeps from use.
            ImagePhase::Disabled | ImagePhase::Deregistered => "DELETING",
        },
        os_name: image.platform.clone(),
        platform: image.platform.clone(),
        architecture: image.architecture.as_str(),
        created_time: image.created_at.timestamp(),
        sync_percent: 100,
        is_support_cloudinit: true,
        license_type: "TencentCloud",
        image_deprecated: image.is_deprecated(cx.cloud.clock().now()),
        image_family: image.family.clone(),
        snapshot_set: vec![],
        tags: tag::replies(&image.tags),
    }
}

fn kind(cx: &Cx<'_>, image: &Image) -> (&'static str, &'static str) {
    let owner = image.account;
    if owner == cx.cloud.region().operator {
        ("PUBLIC_IMAGE", "OFFICIAL")
    } else if owner == cx.caller.account() {
        ("PRIVATE_IMAGE", if image.imported.is_some() { "EXTERNAL_IMPORT" } else { "CREATE_IMAGE" })
    } else {
        ("SHARED_IMAGE", "CREATE_IMAGE")
    }
}
