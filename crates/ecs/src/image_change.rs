//! Images of the account: made of instances and snapshots, changed, shared, copied, deleted.

use control::ModifyImage;
use control::{CopyImage as Copy, CreateImage as Create, DeregisterImage, Query, RegisterImage};
use model::{AccountId, Architecture, Error, Image, Noun, ShareChange};
use wire::{FromArg, Show};

use crate::Cx;
use crate::error::Fault;
use crate::filter::{self, TAGS_PER_CALL, TagArg, tags_of};
use crate::page::{Numbered, Numbers, PAGE_SIZE_MAX};

/// Most accounts of one call (ECS documents 10).
const ACCOUNTS_PER_CALL: usize = 10;

/// `CreateImage`.
#[derive(FromArg)]
pub(crate) struct CreateImage {
    instance_id: Option<String>,
    snapshot_id: Option<String>,
    image_name: Option<String>,
    description: Option<String>,
    image_family: Option<String>,
    #[arg(name = "Tag", max_items = TAGS_PER_CALL)]
    tags: Vec<TagArg>,
}

#[derive(Show)]
pub(crate) struct Made {
    image_id: String,
}

/// Makes an image of an instance, running or stopped, or of the snapshot of a system disk.
pub(crate) async fn create(cx: &Cx<'_>, asked: CreateImage) -> Result<Made, Fault> {
    let (name, description, tags) = (asked.image_name.unwrap_or_default(), asked.description.unwrap_or_default(), tags_of(asked.tags)?);
    let family = asked.image_family.unwrap_or_default();
    let instance = filter::optional_id(Noun::Instance, asked.instance_id.as_ref())?;
    let snapshot = filter::optional_id(Noun::Snapshot, asked.snapshot_id.as_ref())?;
    let image = match (instance, snapshot) {
        (Some(instance), None) => {
            let (without, further, snapshot_tags) = (vec![], vec![], tags.clone());
            cx.cloud
                .run(
                    &cx.caller,
                    Create { instance, restart: false, name, description, family, without, further, tags, snapshot_tags },
                    cx.options()?,
                )
                .await?
        }
        (None, Some(snapshot)) => {
            let (architecture, size, disks) = (Architecture::X86_64, None, vec![]);
            cx.cloud
                .run(&cx.caller, RegisterImage { name, description, family, architecture, snapshot, size, disks, tags }, cx.options()?)
                .await?
        }
        (None, None) => return Err(Fault::missing("InstanceId")),
        (Some(_), Some(_)) => {
            let reason = "InstanceId and SnapshotId exclude each other".to_owned();
            return Err(Error::InvalidCombination { reason }.into());
        }
    };
    Ok(Made { image_id: image.id.to_string() })
}

/// `DeleteImage`.
#[derive(FromArg)]
pub(crate) struct DeleteImage {
    image_id: String,
    #[arg(default)]
    #[expect(dead_code, reason = "instances of an image do not hinder its deletion")]
    force: bool,
}

/// Deletes an image; its snapshots stay, and instances that were made of it go on.
pub(crate) async fn delete(cx: &Cx<'_>, asked: DeleteImage) -> Result<(), Fault> {
    let command = DeregisterImage { image: filter::id(Noun::Image, &asked.image_id)?, with_snapshots: false };
    Ok(cx.cloud.run(&cx.caller, command, cx.options()?).await?)
}

/// `ModifyImageAttribute`.
#[derive(FromArg)]
pub(crate) struct ModifyImageAttribute {
    image_id: String,
    image_name: Option<String>,
    description: Option<String>,
    image_family: Option<String>,
    status: Option<Status>,
}

/// What an image is to be.
#[derive(Clone, Copy, FromArg)]
enum Status {
    Available,
    Deprecated,
}

/// Changes what is said of an image.
pub(crate) async fn modify(cx: &Cx<'_>, asked: ModifyImageAttribute) -> Result<(), Fault> {
    let command = ModifyImage {
        name: asked.image_name.filter(|name| !name.is_empty()),
        description: asked.description,
        family: asked.image_family,
        deprecated_at: asked.status.map(|status| match status {
            Status::Available => None,
            Status::Deprecated => Some(cx.cloud.clock().now()),
        }),
        ..ModifyImage::of(filter::id(Noun::Image, &asked.image_id)?)
    };
    Ok(cx.cloud.run(&cx.caller, command, cx.options()?).await?)
}

/// `ModifyImageSharePermission`.
#[derive(FromArg)]
pub(crate) struct ModifyImageSharePermission {
    image_id: String,
    #[arg(name = "AddAccount", max_items = ACCOUNTS_PER_CALL)]
    add: Vec<String>,
    #[arg(name = "RemoveAccount", max_items = ACCOUNTS_PER_CALL)]
    remove: Vec<String>,
    is_public: Option<bool>,
}

/// Shares an image, or takes that back.
pub(crate) async fn share(cx: &Cx<'_>, asked: ModifyImageSharePermission) -> Result<(), Fault> {
    let share = ShareChange { public: asked.is_public, add: accounts(&asked.add)?, remove: accounts(&asked.remove)? };
    let command = ModifyImage { share, ..ModifyImage::of(filter::id(Noun::Image, &asked.image_id)?) };
    Ok(cx.cloud.run(&cx.caller, command, cx.options()?).await?)
}

fn accounts(texts: &[String]) -> Result<Vec<AccountId>, Fault> {
    texts.iter().map(|text| text.parse().map_err(|_| Fault::not_found(Noun::Account, text))).collect()
}

/// `DescribeImageSharePermission`.
#[derive(FromArg)]
pub(crate) struct DescribeImageSharePermission {
    image_id: String,
    #[arg(flatten)]
    numbered: Numbered,
}

#[derive(Show)]
pub(crate) struct Permissions {
    region_id: String,
    image_id: String,
    #[reply(list = "Account")]
    accounts: Vec<AccountReply>,
    #[reply(list = "ShareGroup")]
    share_groups: Vec<GroupReply>,
    #[reply(flatten)]
    numbers: Numbers,
}

#[derive(Show)]
struct AccountReply {
    aliyun_id: String,
}

#[derive(Show)]
struct GroupReply {
    group: &'static str,
}

/// Tells who may launch an image; only its owner is told.
pub(crate) async fn shares(cx: &Cx<'_>, asked: DescribeImageSharePermission) -> Result<Permissions, Fault> {
    let query = Query { ids: vec![filter::id(Noun::Image, &asked.image_id)?], ..Query::default() };
    let listed = cx.cloud.list::<Image>(&cx.caller, query).await?;
    let own = listed.rows.iter().find(|image| image.account == cx.caller.account());
    let image = own.ok_or_else(|| Fault::not_found(Noun::Image, &asked.image_id))?;
    asked.numbered.page(PAGE_SIZE_MAX)?;
    let size = asked.numbered.page_size.unwrap_or(crate::page::PAGE_SIZE);
    let skip = (asked.numbered.page_number.unwrap_or(1) - 1).saturating_mul(size);
    let numbers = Numbers { total_count: image.accounts.len(), page_number: asked.numbered.page_number.unwrap_or(1), page_size: size };
    let accounts = image.accounts.iter().skip(skip).take(size).map(|account| AccountReply { aliyun_id: account.to_string() }).collect();
    let share_groups = image.public.then_some(GroupReply { group: "all" }).into_iter().collect();
    Ok(Permissions { region_id: cx.region(), image_id: asked.image_id, accounts, share_groups, numbers })
}

/// `CopyImage`.
#[derive(FromArg)]
pub(crate) struct CopyImage {
    image_id: String,
    destination_region_id: Option<String>,
    destination_image_name: Option<String>,
    destination_description: Option<String>,
    #[arg(default)]
    encrypted: bool,
    #[arg(name = "Tag", max_items = TAGS_PER_CALL)]
    tags: Vec<TagArg>,
}

/// Copies an image within the region.
pub(crate) async fn copy(cx: &Cx<'_>, asked: CopyImage) -> Result<Made, Fault> {
    if asked.destination_region_id.as_ref().is_some_and(|region| !region.is_empty() && *region != cx.region()) {
        return Err(Fault::unsupported_parameter("Another region as the destination"));
    }
    if asked.encrypted {
        return Err(Fault::unsupported_parameter("The encryption of an image"));
    }
    let command = Copy {
        image: filter::id(Noun::Image, &asked.image_id)?,
        name: asked.destination_image_name.unwrap_or_default(),
        description: asked.destination_description,
        tags: tags_of(asked.tags)?,
    };
    let image = cx.cloud.run(&cx.caller, command, cx.options()?).await?;
    Ok(Made { image_id: image.id.to_string() })
}
