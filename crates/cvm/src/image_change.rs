//! Images of the account: made of instances and snapshots, changed, shared, deleted.

use control::{CreateImage as Create, DeregisterImage, Many, ModifyImage, Query, RegisterImage};
use model::{AccountId, Architecture, Error, Image, ImageId, InstanceId, SnapshotId, VolumeId};
use wire::{FromArg, Show};

use crate::error::Fault;
use crate::page::LIMIT_MAX;
use crate::snapshot_share::Permission;
use crate::tag::{self, TagArg};
use crate::{Cx, id};

/// `CreateImage`.
#[derive(FromArg)]
pub(crate) struct CreateImage {
    image_name: String,
    #[arg(default)]
    image_description: String,
    instance_id: Option<String>,
    #[arg(default)]
    image_family: String,
    #[arg(max_items = LIMIT_MAX)]
    data_disk_ids: Vec<String>,
    #[arg(max_items = LIMIT_MAX)]
    snapshot_ids: Vec<String>,
    #[expect(dead_code, reason = "a running instance goes on either way")]
    force_poweroff: Option<String>,
    #[arg(default)]
    dry_run: bool,
    #[arg(max_items = tag::TAGS_PER_CALL)]
    tag_specification: Vec<TagSpecification>,
}

/// Tags for one kind of thing.
#[derive(FromArg)]
struct TagSpecification {
    resource_type: String,
    #[arg(max_items = tag::TAGS_PER_CALL)]
    tags: Vec<TagArg>,
}

#[derive(Show)]
#[reply(list = "")]
pub(crate) struct Made {
    image_id: String,
}

/// Makes an image of an instance, running or stopped, with the data disks that are named, or of the snapshot of a system disk.
pub(crate) async fn create(cx: &Cx<'_>, asked: CreateImage) -> Result<Made, Fault> {
    let mut tags = model::Tags::new();
    for given in asked.tag_specification {
        if given.resource_type != "image" {
            return Err(Fault::unsupported("Tags of anything but the image"));
        }
        tags.extend(tag::tags_of(given.tags)?);
    }
    let (name, description, family) = (asked.image_name, asked.image_description, asked.image_family);
    let options = control::Options { dry_run: asked.dry_run, ..cx.options() };
    let image = match (asked.instance_id.filter(|id| !id.is_empty()), asked.snapshot_ids.as_slice()) {
        (Some(instance), []) => {
            let instance: InstanceId = id::read(&instance)?;
            let with: Vec<VolumeId> = id::read_all(&asked.data_disk_ids)?;
            let view = cx.cloud.instance_view(&cx.caller, instance).await?;
            if let Some(stranger) = with.iter().find(|id| !view.volumes.iter().any(|volume| volume.id == **id)) {
                return Err(Error::not_found(model::Noun::Volume, stranger).into());
            }
            let others = view.volumes.iter().map(|volume| volume.id).filter(|id| !with.contains(id) && *id != view.instance.root_volume);
            let (without, further, snapshot_tags) = (others.collect(), vec![], model::Tags::new());
            cx.cloud
                .run(
                    &cx.caller,
                    Create { instance, restart: false, name, description, family, without, further, tags, snapshot_tags },
                    options,
                )
                .await?
        }
        (None, [snapshot]) => {
            let snapshot: SnapshotId = id::read(snapshot)?;
            let (architecture, size, disks) = (Architecture::X86_64, None, vec![]);
            cx.cloud
                .run(&cx.caller, RegisterImage { name, description, family, architecture, snapshot, size, disks, tags }, options)
                .await?
        }
        (None, []) => return Err(Fault::missing("InstanceId")),
        (_, _) => return Err(Fault::unsupported("An image of an instance and snapshots, or of several snapshots,")),
    };
    Ok(Made { image_id: id::shown(image.id) })
}

/// `DeleteImages`.
#[derive(FromArg)]
pub(crate) struct DeleteImages {
    #[arg(max_items = LIMIT_MAX)]
    image_ids: Vec<String>,
    #[arg(default)]
    delete_binded_snap: bool,
    #[arg(default)]
    dry_run: bool,
}

/// Deletes images: all of them or none. Instances that were made of them go on.
pub(crate) async fn delete(cx: &Cx<'_>, asked: DeleteImages) -> Result<(), Fault> {
    let deregister = |image| DeregisterImage { image, with_snapshots: asked.delete_binded_snap };
    let commands = id::read_some::<ImageId>("ImageIds", &asked.image_ids)?.into_iter().map(deregister).collect();
    let options = control::Options { dry_run: asked.dry_run, ..cx.options() };
    Ok(cx.cloud.run(&cx.caller, Many(commands), options).await.map(drop)?)
}

/// `ModifyImageAttribute`.
#[derive(FromArg)]
pub(crate) struct ModifyImageAttribute {
    image_id: String,
    image_name: Option<String>,
    image_description: Option<String>,
    image_family: Option<String>,
    image_deprecated: Option<bool>,
}

/// Changes what is said of an image.
pub(crate) async fn modify(cx: &Cx<'_>, asked: ModifyImageAttribute) -> Result<(), Fault> {
    let command = ModifyImage {
        name: asked.image_name.filter(|name| !name.is_empty()),
        description: asked.image_description,
        family: asked.image_family,
        deprecated_at: asked.image_deprecated.map(|deprecated| deprecated.then(|| cx.cloud.clock().now())),
        ..ModifyImage::of(id::read(&asked.image_id)?)
    };
    Ok(cx.cloud.run(&cx.caller, command, cx.options()).await?)
}

/// `ModifyImageSharePermission`.
#[derive(FromArg)]
pub(crate) struct ModifyImageSharePermission {
    image_id: String,
    #[arg(max_items = LIMIT_MAX)]
    account_ids: Vec<String>,
    permission: Permission,
}

/// Shares an image, or takes that back.
pub(crate) async fn share(cx: &Cx<'_>, asked: ModifyImageSharePermission) -> Result<(), Fault> {
    let share = asked.permission.change(&asked.account_ids)?;
    let command = ModifyImage { share, ..ModifyImage::of(id::read(&asked.image_id)?) };
    Ok(cx.cloud.run(&cx.caller, command, cx.options()).await?)
}

/// `DescribeImageSharePermission`.
#[derive(FromArg)]
pub(crate) struct DescribeImageSharePermission {
    image_id: String,
}

#[derive(Show)]
#[reply(list = "")]
pub(crate) struct Permissions {
    share_permission_set: Vec<PermissionReply>,
}

#[derive(Show)]
#[reply(list = "")]
struct PermissionReply {
    created_time: jiff::Timestamp,
    account_id: String,
}

/// Tells with whom an image is shared; only its owner is told.
pub(crate) async fn shares(cx: &Cx<'_>, asked: DescribeImageSharePermission) -> Result<Permissions, Fault> {
    let image: ImageId = id::read(&asked.image_id)?;
    let listed = cx.cloud.list::<Image>(&cx.caller, Query { ids: vec![image], ..Query::default() }).await?;
    let own = listed.rows.iter().find(|image| image.account == cx.caller.account());
    let image = own.ok_or_else(|| Error::not_found(model::Noun::Image, image))?;
    let created_time = image.created_at.timestamp();
    let reply = |account: &AccountId| PermissionReply { created_time, account_id: account.to_string() };
    Ok(Permissions { share_permission_set: image.accounts.iter().map(reply).collect() })
}
