//! System disks replaced by those of other images, and disks made what they were at first.

use control::{GuestAccess, Needed, OldRoot, ReinitVolumes, ReplaceRoot, RootSource, StartInstances, Strictly};
use model::{Gib, Noun, Tags, Volume};
use secrecy::SecretString;
use wire::{FromArg, Show};

use crate::Cx;
use crate::error::Fault;
use crate::filter;
use crate::instance::password_hash;

/// `ReplaceSystemDisk`.
#[derive(FromArg)]
pub(crate) struct ReplaceSystemDisk {
    instance_id: String,
    image_id: Option<String>,
    system_disk: Option<SystemDisk>,
    key_pair_name: Option<String>,
    password: Option<SecretString>,
    #[arg(default)]
    encrypted: bool,
    #[expect(dead_code, reason = "the image says what it is for")]
    architecture: Option<String>,
    #[expect(dead_code, reason = "the image says what it is for")]
    platform: Option<String>,
    #[expect(dead_code, reason = "there are no additional services to put into a guest")]
    use_additional_service: Option<bool>,
}

#[derive(FromArg)]
struct SystemDisk {
    size: Option<u32>,
}

#[derive(Show)]
pub(crate) struct ReplacedDisk {
    disk_id: String,
}

/// Gives a stopped instance another system disk: of another image, or of its own as it was at first. The old one is released.
pub(crate) async fn replace(cx: &Cx<'_>, asked: ReplaceSystemDisk) -> Result<ReplacedDisk, Fault> {
    if asked.encrypted {
        return Err(Fault::unsupported_parameter("The encryption of a disk"));
    }
    let image = filter::optional_id(Noun::Image, asked.image_id.filter(|id| !id.is_empty()).as_ref())?;
    let command = ReplaceRoot {
        instance: filter::id(Noun::Instance, &asked.instance_id)?,
        source: image.map_or(RootSource::Same, RootSource::Image),
        old: OldRoot::Deleted,
        needed: Needed::Stopped,
        size: asked.system_disk.and_then(|disk| disk.size).map(Gib),
        access: access(asked.key_pair_name, asked.password)?,
        tags: Tags::new(),
    };
    let replaced = cx.cloud.run(&cx.caller, command, cx.options()?).await?;
    Ok(ReplacedDisk { disk_id: replaced.volume.to_string() })
}

/// `ReInitDisk`.
#[derive(FromArg)]
pub(crate) struct ReInitDisk {
    disk_id: String,
    key_pair_name: Option<String>,
    password: Option<SecretString>,
    #[arg(default)]
    auto_start_instance: bool,
}

/// Makes a disk of a stopped instance what it was at first: a system disk as its image is, a data disk as its snapshot or empty.
pub(crate) async fn reinit(cx: &Cx<'_>, asked: ReInitDisk) -> Result<(), Fault> {
    let id = filter::id(Noun::Volume, &asked.disk_id)?;
    let command = ReinitVolumes { ids: vec![id], attached: true, access: access(asked.key_pair_name, asked.password)? };
    cx.cloud.run(&cx.caller, command, cx.options()?).await?;
    if asked.auto_start_instance {
        let query = control::Query { ids: vec![id], ..control::Query::default() };
        let holder = cx.cloud.list::<Volume>(&cx.caller, query).await?.rows.into_iter().find_map(|volume| volume.instance);
        let start = Strictly(StartInstances { ids: holder.into_iter().collect() });
        cx.cloud.run(&cx.caller, start, cx.options()?).await?;
    }
    Ok(())
}

fn access(key_name: Option<String>, password: Option<SecretString>) -> Result<GuestAccess, Fault> {
    let key_names = key_name.filter(|name| !name.is_empty()).into_iter().collect();
    Ok(GuestAccess { key_names, password_hash: password_hash(password)?, ..GuestAccess::default() })
}
