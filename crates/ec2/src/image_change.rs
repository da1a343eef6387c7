//! Images of tenants: made of instances and of snapshots, copied, taken back.

use control::{CopyImage as Copy, CreateImage as Create, DeregisterImage as Deregister, RegisterImage as Register};
use model::{Architecture, EncryptionChoice, Error, Gib, ImageDisk, Noun, check_device};
use wire::{FromArg, Show};

use crate::Cx;
use crate::error::{Refusal, unsupported};
use crate::instance::volumes_at;
use crate::tag::{self, TagSpecification};
use crate::volume::{ROOT_DEVICE, VolumeType, bought};

/// A disk of an image as it is asked for.
#[derive(FromArg)]
pub(crate) struct BlockDevice {
    device_name: String,
    ebs: Option<Ebs>,
    no_device: Option<String>,
}

#[derive(FromArg)]
struct Ebs {
    snapshot_id: Option<String>,
    volume_size: Option<u32>,
    volume_type: Option<VolumeType>,
    iops: Option<u32>,
    throughput: Option<u32>,
    delete_on_termination: Option<bool>,
    encrypted: Option<bool>,
}

impl BlockDevice {
    /// The disk; `size` is what it has when nothing is said.
    fn disk(&self, size: Option<Gib>) -> Result<ImageDisk, Refusal> {
        check_device(&self.device_name)?;
        let ebs = self.ebs.as_ref().ok_or(Error::MissingParameter { name: "BlockDeviceMapping.Ebs" })?;
        let (kind, provisioned) = (ebs.volume_type.unwrap_or(VolumeType::Gp3), bought(ebs.iops, ebs.throughput));
        kind.check(provisioned)?;
        Ok(ImageDisk {
            device: self.device_name.clone(),
            snapshot: self.snapshot()?,
            encryption: EncryptionChoice { encrypted: ebs.encrypted, key: None },
            size: ebs.volume_size.map(Gib).or(size).ok_or(Error::MissingParameter { name: "BlockDeviceMapping.Ebs.VolumeSize" })?,
            kind: kind.kind(),
            provisioned,
            delete_on_termination: ebs.delete_on_termination.unwrap_or(true),
        })
    }

    fn snapshot(&self) -> Result<Option<model::SnapshotId>, Refusal> {
        let named = self.ebs.as_ref().and_then(|ebs| ebs.snapshot_id.as_deref());
        Ok(tag::optional_id(Noun::Snapshot, named)?)
    }
}

/// The parameters of `CreateImage`.
#[derive(FromArg)]
pub(crate) struct CreateImage {
    instance_id: String,
    name: String,
    description: Option<String>,
    no_reboot: Option<bool>,
    #[arg(name = "BlockDeviceMapping")]
    devices: Vec<BlockDevice>,
    #[arg(name = "TagSpecification")]
    tags: Vec<TagSpecification>,
}

/// What EC2 can do with a new image and this cloud cannot.
pub(crate) const CREATE_ABSENT: &[&str] = &["SnapshotLocation"];

/// What a new image and its snapshots can be tagged as.
const TAGGED: &[&str] = &["image", "snapshot"];

/// The reply of the calls that make images.
#[derive(Show)]
#[reply(rename = "camelCase")]
pub(crate) struct Made {
    image_id: String,
}

/// Makes an image of an instance.
pub(crate) async fn create(cx: Cx, asked: CreateImage) -> Result<Made, Refusal> {
    let instance = tag::id(Noun::Instance, &asked.instance_id)?;
    let held = volumes_at(&cx, instance).await?;
    let (mut without, mut further) = (Vec::new(), Vec::new());
    for device in &asked.devices {
        match held.iter().find(|(name, _)| *name == device.device_name) {
            Some(_) if device.device_name == ROOT_DEVICE && device.no_device.is_none() => {}
            Some((name, _)) if name == ROOT_DEVICE => return Err(unsupported("An image without a system disk")),
            Some((_, volume)) if device.no_device.is_some() => without.push(*volume),
            Some(_) => return Err(unsupported("Another disk in the place of one that the instance has")),
            None if device.no_device.is_some() => {}
            None if device.snapshot()?.is_some() => return Err(unsupported("A disk of a snapshot beside those of the instance")),
            None => further.push(device.disk(None)?),
        }
    }
    let command = Create {
        family: String::new(),
        instance,
        restart: !asked.no_reboot.unwrap_or(false),
        name: asked.name,
        description: asked.description.unwrap_or_default(),
        without,
        further,
        tags: tag::specified(&asked.tags, "image", TAGGED)?,
        snapshot_tags: tag::specified(&asked.tags, "snapshot", TAGGED)?,
    };
    let image = cx.cloud.run(&cx.caller, command, cx.options(None)).await?;
    Ok(Made { image_id: image.id.to_string() })
}

/// The parameters of `RegisterImage`.
#[derive(FromArg)]
pub(crate) struct RegisterImage {
    name: String,
    description: Option<String>,
    architecture: Option<String>,
    root_device_name: Option<String>,
    virtualization_type: Option<String>,
    #[arg(name = "BlockDeviceMapping")]
    devices: Vec<BlockDevice>,
    #[arg(name = "TagSpecification")]
    tags: Vec<TagSpecification>,
}

/// What EC2 can register and this cloud cannot.
pub(crate) const REGISTER_ABSENT: &[&str] = &[
    "BillingProduct",
    "BootMode",
    "EnaSupport",
    "ImageLocation",
    "ImdsSupport",
    "KernelId",
    "RamdiskId",
    "SriovNetSupport",
    "TpmSupport",
    "UefiData",
];

/// Makes an image of snapshots.
pub(crate) async fn register(cx: Cx, asked: RegisterImage) -> Result<Made, Refusal> {
    let root_name = asked.root_device_name.as_deref().filter(|name| !name.is_empty()).unwrap_or(ROOT_DEVICE);
    if asked.virtualization_type.as_deref().is_some_and(|kind| kind != "hvm") {
        return Err(unsupported("A virtualization type other than hvm"));
    }
    let architecture = match asked.architecture.as_deref() {
        None | Some("x86_64" | "") => Architecture::X86_64,
        Some(other) => return Err(unsupported(format!("The architecture '{other}'"))),
    };
    let missing = || Refusal::from(Error::MissingParameter { name: "BlockDeviceMapping.Ebs.SnapshotId" });
    let root = asked.devices.iter().find(|device| device.device_name == root_name).ok_or_else(missing)?;
    let snapshot = root.snapshot()?.ok_or_else(missing)?;
    let size = root.ebs.as_ref().and_then(|ebs| ebs.volume_size).map(Gib);
    let further = asked.devices.iter().filter(|device| device.device_name != root_name && device.no_device.is_none());
    let mut disks = Vec::new();
    for device in further {
        let size = match device.snapshot()? {
            Some(id) => crate::snapshot::size_of(&cx, id).await?,
            None => None,
        };
        disks.push(device.disk(size)?);
    }
    let (description, tags) = (asked.description.unwrap_or_default(), tag::specified(&asked.tags, "image", &["image"])?);
    let family = String::new();
    let command = Register { name: asked.name, description, family, architecture, snapshot, size, disks, tags };
    let image = cx.cloud.run(&cx.caller, command, cx.options(None)).await?;
    Ok(Made { image_id: image.id.to_string() })
}

/// The parameters of `DeregisterImage`.
#[derive(FromArg)]
pub(crate) struct DeregisterImage {
    image_id: String,
    #[arg(default)]
    delete_associated_snapshots: bool,
}

/// The reply of `DeregisterImage`.
#[derive(Show)]
#[reply(rename = "camelCase")]
pub(crate) struct Deregistered {
    r#return: bool,
}

/// Takes an image back; instances that were made of it go on.
pub(crate) async fn deregister(cx: Cx, asked: DeregisterImage) -> Result<Deregistered, Refusal> {
    let command = Deregister { image: tag::id(Noun::Image, &asked.image_id)?, with_snapshots: asked.delete_associated_snapshots };
    cx.cloud.run(&cx.caller, command, cx.options(None)).await?;
    Ok(Deregistered { r#return: true })
}

/// The parameters of `CopyImage`.
#[derive(FromArg)]
pub(crate) struct CopyImage {
    source_image_id: String,
    source_region: String,
    name: String,
    description: Option<String>,
    #[arg(default)]
    encrypted: bool,
    #[arg(default)]
    copy_image_tags: bool,
    client_token: Option<String>,
    #[arg(name = "TagSpecification")]
    tags: Vec<TagSpecification>,
}

/// What EC2 can do while it copies and this cloud cannot.
pub(crate) const COPY_ABSENT: &[&str] = &[
    "DestinationAvailabilityZone",
    "DestinationAvailabilityZoneId",
    "DestinationOutpostArn",
    "KmsKeyId",
    "SnapshotCopyCompletionDurationMinutes",
];

/// Copies an image.
pub(crate) async fn copy(cx: Cx, asked: CopyImage) -> Result<Made, Refusal> {
    if asked.source_region != cx.cloud.region().name {
        return Err(unsupported("Copying an image from another region"));
    }
    if asked.encrypted || asked.copy_image_tags {
        return Err(unsupported("Encrypting an image, or copying its tags,"));
    }
    let command = Copy {
        image: tag::id(Noun::Image, &asked.source_image_id)?,
        name: asked.name,
        description: asked.description,
        tags: tag::specified(&asked.tags, "image", &["image"])?,
    };
    let token = asked.client_token.filter(|token| !token.is_empty());
    let image = cx.cloud.run(&cx.caller, command, cx.options(token)).await?;
    Ok(Made { image_id: image.id.to_string() })
}
