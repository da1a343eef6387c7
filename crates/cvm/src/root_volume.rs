//! Instances made anew from an image, and data disks made what they were at first.

use control::{GuestAccess, Needed, OldRoot, ReinitVolumes, ReplaceRoot, RootSource};
use model::{Gib, Tags};
use wire::{Base64, FromArg};

use crate::error::Fault;
use crate::instance::{Login, LoginSettings, host_name, user_data};
use crate::{Cx, id};

/// What the vendor has for `ResetInstance` and this cloud has not.
pub(crate) const RESET_ABSENT: &[&str] =
    &["SystemDisk.DiskType", "SystemDisk.DiskId", "SystemDisk.CdcId", "SystemDisk.DiskName", "SystemDisk.KmsKeyId"];

/// Most disks that one call initializes, as CBS documents it.
const INITIALIZED_MAX: usize = 20;

/// `ResetInstance`.
#[derive(FromArg)]
pub(crate) struct ResetInstance {
    instance_id: String,
    image_id: Option<String>,
    system_disk: Option<SystemDisk>,
    login_settings: Option<LoginSettings>,
    host_name: Option<String>,
    user_data: Option<Base64>,
}

#[derive(FromArg)]
struct SystemDisk {
    disk_size: Option<u32>,
}

/// Has an instance, running or stopped, start from its system disk as an image is: its own, or another one. What the disk held is gone.
pub(crate) async fn reset(cx: &Cx<'_>, asked: ResetInstance) -> Result<(), Fault> {
    let filled = |text: Option<String>| text.filter(|text| !text.is_empty());
    let login = Login::of(cx, asked.login_settings).await?;
    let command = ReplaceRoot {
        instance: id::read(&asked.instance_id)?,
        source: match filled(asked.image_id) {
            None => RootSource::Same,
            Some(image) => RootSource::Image(id::read(&image)?),
        },
        old: OldRoot::Renewed,
        needed: Needed::Settled,
        size: asked.system_disk.and_then(|disk| disk.disk_size).map(Gib),
        access: GuestAccess {
            key_names: login.key_names,
            password_hash: login.password_hash,
            hostname: filled(host_name(asked.host_name)?),
            user_data: asked.user_data.map(|data| user_data(&data)).transpose()?,
        },
        tags: Tags::new(),
    };
    Ok(cx.cloud.run(&cx.caller, command, cx.options()).await.map(drop)?)
}

/// `InitializeDisks`.
#[derive(FromArg)]
pub(crate) struct InitializeDisks {
    #[arg(max_items = INITIALIZED_MAX)]
    disk_ids: Vec<String>,
}

/// Makes data disks that no instance has what they were at first: as their snapshot is, or empty. All of them or none.
pub(crate) async fn initialize(cx: &Cx<'_>, asked: InitializeDisks) -> Result<(), Fault> {
    let ids = id::read_some("DiskIds", &asked.disk_ids)?;
    let command = ReinitVolumes { ids, attached: false, access: GuestAccess::default() };
    Ok(cx.cloud.run(&cx.caller, command, cx.options()).await?)
}
