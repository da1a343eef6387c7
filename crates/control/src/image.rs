//! Images. The operator registers what the repository holds; tenants launch it, and make images of their own.
//!
//! ```text
//!   create   ─▶ snapshots of an instance's disks at one instant ─▶ available when they are completed
//!   register, copy ─▶ of completed snapshots: available at once
//! ```
//!
//! A tenant's image is its snapshots and words about them: it takes no room of its own.

use std::collections::BTreeSet;

use model::{
    AccountId, Architecture, Contents, EncryptionChoice, Error, Gib, Image, ImageDisk, ImageId, ImagePhase, Instance, InstanceId, Millis,
    NewVolume, Noun, Phase, QuotaName, ShareChange, Shares, Snapshot, SnapshotId, Tags, Volume, VolumeId, add_tags, check_family,
    check_name,
};
use serde::Serialize;
use store::{StoreError, Tx};

use crate::account::taken;
use crate::auth::{Caller, Target};
use crate::describe::{Field, Filter, Query, literal};
use crate::instance::{check_description, instance_of, save};
use crate::run::{Command, Cx};
use crate::snapshot::{Taker, snapshot_of, snapshot_usable, take};
use crate::{Cloud, Failure};

/// A public image that the operator offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewImage {
    /// Name, unique among the operator's images.
    pub name: String,
    /// Description.
    pub description: String,
    /// Platform as the vendors print it.
    pub platform: String,
    /// Architecture.
    pub architecture: Architecture,
    /// User that logs in by key.
    pub default_user: String,
    /// Digest of the manifest in the repository.
    pub manifest: String,
    /// Size of the disk in bytes.
    pub size_bytes: u64,
    /// Smallest system disk.
    pub min_disk: Gib,
}

/// Makes an image of an instance, running or stopped. A running one is restarted where that is asked for, and its disks are what they were
/// between its shutdown and its start; else it goes on, and they are what they were at one instant.
#[derive(Debug, Clone, Serialize)]
pub struct CreateImage {
    /// The instance.
    pub instance: InstanceId,
    /// Name, unique in the account; its id when it is empty.
    pub name: String,
    /// Description.
    pub description: String,
    /// Family; empty for none.
    pub family: String,
    /// Whether it is restarted for it, where it runs.
    pub restart: bool,
    /// Data disks that are left out.
    pub without: Vec<VolumeId>,
    /// Empty disks that the image's instances get besides.
    pub further: Vec<ImageDisk>,
    /// Tags of the image.
    pub tags: Tags,
    /// Tags of its snapshots.
    pub snapshot_tags: Tags,
}

/// Makes an image of snapshots of the account.
#[derive(Debug, Clone, Serialize)]
pub struct RegisterImage {
    /// Name, unique in the account.
    pub name: String,
    /// Description.
    pub description: String,
    /// Family; empty for none.
    pub family: String,
    /// Architecture.
    pub architecture: Architecture,
    /// The snapshot of the system disk.
    pub snapshot: SnapshotId,
    /// Size of the system disk, not below the snapshot's.
    pub size: Option<Gib>,
    /// Further disks.
    pub disks: Vec<ImageDisk>,
    /// Tags of the image.
    pub tags: Tags,
}

/// Copies an image that the account may launch: the copy is the account's, and stays when the other is taken back.
#[derive(Debug, Clone, Serialize)]
pub struct CopyImage {
    /// The image.
    pub image: ImageId,
    /// Name of the copy, unique in the account.
    pub name: String,
    /// Description; the image's when none is given.
    pub description: Option<String>,
    /// Tags of the copy.
    pub tags: Tags,
}

/// Changes what is said of an image, and who else may launch it. What is `None` stays.
#[derive(Debug, Clone, Serialize)]
pub struct ModifyImage {
    /// The image.
    pub image: ImageId,
    /// Name.
    pub name: Option<String>,
    /// Description.
    pub description: Option<String>,
    /// Family; empty for none.
    pub family: Option<String>,
    /// From when on it is deprecated; `Some(None)` for never.
    pub deprecated_at: Option<Option<Millis>>,
    /// Who else may launch it.
    pub share: ShareChange,
}

impl ModifyImage {
    /// Changes nothing yet.
    pub fn of(image: ImageId) -> ModifyImage {
        ModifyImage { image, name: None, description: None, family: None, deprecated_at: None, share: ShareChange::default() }
    }
}

/// Keeps an image from being launched, or has it launched again. While it is disabled it is nobody's but its owner's.
#[derive(Debug, Clone, Serialize)]
pub struct EnableImage {
    /// Which one.
    pub image: ImageId,
    /// Whether it can be launched from here on.
    pub enabled: bool,
}

/// Takes an image back: nobody can launch it any more. Instances made of it go on.
#[derive(Debug, Clone, Serialize)]
pub struct DeregisterImage {
    /// The image.
    pub image: ImageId,
    /// Whether the snapshots that no other image is made of are deleted too.
    pub with_snapshots: bool,
}

impl Command for CreateImage {
    type Reply = Image;
    const NAME: &'static str = "CreateImage";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        let own = tx.get::<Instance>(self.instance)?.filter(|row| row.account == cx.caller.account());
        Ok(vec![new_image(&self.tags), Target::of("instance", self.instance, &own.map(|row| row.tags).unwrap_or_default())])
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<Image, Failure> {
        let account = cx.caller.account();
        let mut instance = instance_of(tx, account, self.instance)?;
        if !matches!(instance.phase, Phase::Running | Phase::Stopped) {
            let (noun, id, state) = (Noun::Instance, instance.id.to_string(), instance.phase.word());
            return Err(Error::IncorrectState { noun, id, state, wanted: "running or stopped" }.into());
        }
        let at_boot = match self.restart && instance.phase == Phase::Running {
            true => {
                instance.reboot(false, cx.now)?;
                save(tx, &mut instance, cx.now)?;
                Some(instance.boot)
            }
            false => None,
        };
        let mut volumes = tx.volume_list_of_instance(instance.id)?;
        let is_root = |volume: &Volume| volume.id == instance.root_volume;
        volumes.retain(|volume| is_root(volume) || !self.without.contains(&volume.id));
        volumes.sort_by_key(|volume| (!is_root(volume), volume.id));
        let id = ImageId::from_u64(cx.new_id());
        let of = tx.get::<Image>(instance.image)?;
        let taken = take(tx, Taker::of(cx), &volumes, |_, row| {
            row.description = format!("Created by CreateImage({}) for {id}", instance.id);
            row.at_boot = at_boot;
            add_tags(&mut row.tags, &self.snapshot_tags)
        })?;
        let mut disks: Vec<ImageDisk> = volumes.iter().zip(&taken).skip(1).map(|(volume, snapshot)| disk(volume, snapshot)).collect();
        disks.extend(self.further.iter().cloned());
        let root = volumes.first().zip(taken.first()).ok_or(Error::Internal)?;
        let words = Words { name: &self.name, description: &self.description, family: &self.family, tags: &self.tags };
        let image = Image { disks, instance: Some(instance.id), phase: ImagePhase::Pending, ..words.image(cx, id, root.1, of.as_ref())? };
        insert(tx, cx, image)
    }
}

impl Command for RegisterImage {
    type Reply = Image;
    const NAME: &'static str = "RegisterImage";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        Ok(vec![new_image(&self.tags), crate::snapshot::target(tx, cx, self.snapshot)?])
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<Image, Failure> {
        let account = cx.caller.account();
        let root = snapshot_of(tx, account, self.snapshot)?;
        let of = root.image.map_or(Ok(None), |id| tx.get::<Image>(id))?;
        let words = Words { name: &self.name, description: &self.description, family: &self.family, tags: &self.tags };
        let mut image = words.image(cx, ImageId::from_u64(cx.new_id()), &root, of.as_ref())?;
        image.architecture = self.architecture;
        let Contents { manifest, encryption } = root.start()?;
        (image.manifest, image.encryption) = (manifest, encryption);
        image.min_disk = crate::volume::size_over(self.size, Some(&root))?;
        let mut disks = self.disks.clone();
        for disk in &mut disks {
            let snapshot = disk.snapshot.map(|id| snapshot_of(tx, account, id)).transpose()?;
            snapshot.as_ref().map(Snapshot::contents).transpose()?;
            crate::volume::size_over(Some(disk.size), snapshot.as_ref())?;
            if snapshot.is_some_and(|snapshot| snapshot.encryption.is_some()) {
                disk.encryption.encrypted = Some(true);
            }
        }
        image.disks = disks;
        insert(tx, cx, image)
    }
}

impl Command for CopyImage {
    type Reply = Image;
    const NAME: &'static str = "CopyImage";

    fn targets(&self, _: &Tx<'_>, _: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        Ok(vec![new_image(&self.tags), Target { path: Some(format!("image/{}", self.image)), ..Target::default() }])
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<Image, Failure> {
        let of = image_usable(tx, cx.caller.account(), self.image)?;
        let mut copy = of.clone();
        copy.id = ImageId::from_u64(cx.new_id());
        (copy.account, copy.public, copy.accounts) = (cx.caller.account(), false, BTreeSet::new());
        (copy.created_at, copy.tags, copy.imported) = (cx.now, Tags::new(), None);
        (copy.family, copy.deprecated_at) = (String::new(), None);
        check_name("ImageName", &self.name)?;
        copy.name = if self.name.is_empty() { copy.id.to_string() } else { self.name.clone() };
        copy.description = self.description.clone().unwrap_or(copy.description);
        copy.snapshot = of.snapshot.map(|id| copy_snapshot(tx, cx, id, copy.id)).transpose()?;
        for disk in &mut copy.disks {
            disk.snapshot = disk.snapshot.map(|id| copy_snapshot(tx, cx, id, copy.id)).transpose()?;
        }
        add_tags(&mut copy.tags, &self.tags)?;
        insert(tx, cx, copy)
    }
}

impl Command for ModifyImage {
    type Reply = ();
    const NAME: &'static str = "ModifyImage";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        Ok(vec![target(tx, cx, self.image)?])
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<(), Failure> {
        let mut image = image_of(tx, cx.caller.account(), self.image)?;
        if let Some(name) = &self.name {
            check_name("ImageName", name)?;
            image.name.clone_from(name);
        }
        if let Some(description) = &self.description {
            check_description(description)?;
            image.description.clone_from(description);
        }
        if let Some(family) = &self.family {
            check_family(family)?;
            image.family.clone_from(family);
        }
        image.deprecated_at = self.deprecated_at.unwrap_or(image.deprecated_at);
        let mut shares = Shares { public: image.public, accounts: std::mem::take(&mut image.accounts) };
        shares.change(&self.share)?;
        if shares.any() {
            let snapshots = tx.get_many::<Snapshot>(&image.snapshots().collect::<Vec<_>>())?;
            let encryptions: Vec<_> = snapshots.iter().map(|snapshot| snapshot.encryption.as_ref()).collect();
            crate::snapshot::check_shareable(tx, &encryptions)?;
        }
        if image.phase == ImagePhase::Disabled && shares.any() {
            let (noun, id, state) = (Noun::Image, image.id.to_string(), image.word());
            return Err(Error::IncorrectState { noun, id, state, wanted: "available" }.into());
        }
        (image.public, image.accounts) = (shares.public, shares.accounts);
        tx.update(&image).map_err(|error| taken(error, Noun::Image, &image.name))
    }
}

impl Command for EnableImage {
    type Reply = ();
    const NAME: &'static str = "EnableImage";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        Ok(vec![target(tx, cx, self.image)?])
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<(), Failure> {
        let mut image = image_of(tx, cx.caller.account(), self.image)?;
        if self.enabled {
            image.enable()?
        } else {
            image.disable()?
        }
        Ok(tx.update(&image)?)
    }
}

impl Command for DeregisterImage {
    type Reply = ();
    const NAME: &'static str = "DeregisterImage";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        Ok(vec![target(tx, cx, self.image)?])
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<(), Failure> {
        let mut image = image_of(tx, cx.caller.account(), self.image)?;
        image.phase = ImagePhase::Deregistered;
        tx.update(&image)?;
        if self.with_snapshots {
            let others = tx.image_list_of(image.account)?;
            let used = |id: SnapshotId| others.iter().any(|other| other.phase != ImagePhase::Deregistered && other.uses(id));
            for id in image.snapshots().filter(|id| !used(*id)) {
                // One that its owner deleted already is not missed.
                if tx.get::<Snapshot>(id)?.is_some() {
                    crate::snapshot::DeleteSnapshot { snapshot: id }.apply(tx, cx)?;
                }
            }
        }
        Ok(())
    }
}

/// What is said of a new image.
pub(crate) struct Words<'a> {
    pub(crate) name: &'a str,
    pub(crate) description: &'a str,
    pub(crate) family: &'a str,
    pub(crate) tags: &'a Tags,
}

impl Words<'_> {
    /// The row of an image of a system disk's snapshot; `of` is the image that the disk was made of.
    pub(crate) fn image(&self, cx: &Cx<'_>, id: ImageId, root: &Snapshot, of: Option<&Image>) -> Result<Image, Error> {
        check_name("ImageName", self.name)?;
        check_description(self.description)?;
        check_family(self.family)?;
        let mut tags = Tags::new();
        add_tags(&mut tags, self.tags)?;
        Ok(Image {
            id,
            account: cx.caller.account(),
            public: false,
            name: if self.name.is_empty() { id.to_string() } else { self.name.to_owned() },
            description: self.description.to_owned(),
            platform: of.map_or_else(|| "Linux".to_owned(), |of| of.platform.clone()),
            architecture: of.map_or(Architecture::X86_64, |of| of.architecture),
            default_user: of.map_or_else(|| "root".to_owned(), |of| of.default_user.clone()),
            manifest: String::new(),
            encryption: None,
            size_bytes: root.size.bytes(),
            min_disk: root.size,
            snapshot: Some(root.id),
            disks: vec![],
            instance: None,
            accounts: BTreeSet::new(),
            imported: None,
            family: self.family.to_owned(),
            deprecated_at: None,
            phase: ImagePhase::Available,
            created_at: cx.now,
            tags,
        })
    }
}

fn disk(volume: &Volume, snapshot: &Snapshot) -> ImageDisk {
    ImageDisk {
        device: volume.device.clone(),
        snapshot: Some(snapshot.id),
        encryption: EncryptionChoice { encrypted: volume.encryption.as_ref().map(|_| true), key: None },
        size: volume.size,
        kind: volume.kind,
        provisioned: volume.provisioned,
        delete_on_termination: volume.delete_on_termination,
    }
}

pub(crate) fn insert(tx: &mut Tx<'_>, cx: &Cx<'_>, image: Image) -> Result<Image, Failure> {
    let limit = tx.quota_limit(cx.caller.account(), QuotaName::Images)?;
    let own = tx.image_list_of(image.account)?;
    let used = own.iter().filter(|image| image.phase != ImagePhase::Deregistered).count() as u64;
    QuotaName::Images.check(limit, used, 1)?;
    tx.insert(&image).map_err(|error: StoreError| taken(error, Noun::Image, &image.name))?;
    Ok(image)
}

/// A snapshot of the caller's with the bytes of another's.
fn copy_snapshot(tx: &mut Tx<'_>, cx: &Cx<'_>, id: SnapshotId, image: ImageId) -> Result<SnapshotId, Failure> {
    let of = tx.get::<Snapshot>(id)?.ok_or_else(|| Error::not_found(Noun::Snapshot, id))?;
    of.contents()?;
    let id = SnapshotId::from_u64(cx.new_id());
    let description = format!("Copied for {image} from {}", of.id);
    let (account, created_at, ended_at) = (cx.caller.account(), cx.now, Some(cx.now));
    let (shares, tags) = (Shares::default(), Tags::new());
    tx.insert(&Snapshot { id, account, description, job: id, stored_bytes: 0, created_at, ended_at, shares, tags, ..of })?;
    Ok(id)
}

pub(crate) fn new_image(tags: &Tags) -> Target {
    Target { path: Some("image/*".to_owned()), request_tags: tags.clone(), ..Target::default() }
}

pub(crate) fn target(tx: &Tx<'_>, cx: &Cx<'_>, id: ImageId) -> Result<Target, Failure> {
    let own = tx.get::<Image>(id)?.filter(|image| image.account == cx.caller.account());
    Ok(Target::of("image", id, &own.map(|image| image.tags).unwrap_or_default()))
}

/// The image, if the account owns it; one that was taken back is as good as gone.
pub(crate) fn image_of(tx: &Tx<'_>, account: AccountId, id: ImageId) -> Result<Image, Failure> {
    let image = tx.get::<Image>(id)?.filter(|image| image.account == account && image.phase != ImagePhase::Deregistered);
    Ok(image.ok_or_else(|| Error::not_found(Noun::Image, id))?)
}

/// The image, if the account may launch it now.
pub(crate) fn image_usable(tx: &Tx<'_>, account: AccountId, id: ImageId) -> Result<Image, Failure> {
    let visible = |image: &Image| image.visible_to(account) && image.phase != ImagePhase::Deregistered;
    let image = tx.get::<Image>(id)?.filter(visible).ok_or_else(|| Error::not_found(Noun::Image, id))?;
    if image.phase != ImagePhase::Available {
        let (noun, id, state) = (Noun::Image, image.id.to_string(), image.word());
        return Err(Error::IncorrectState { noun, id, state, wanted: "available" }.into());
    }
    Ok(image)
}

impl Cloud {
    /// The newest image of a family that the caller may launch and that is not deprecated; none of a family that has none.
    pub async fn newest_of_family(&self, caller: &Caller, family: &str) -> Result<Option<Image>, Error> {
        let filters = vec![
            Filter { field: Field::Family, values: vec![literal(family)] },
            Filter { field: Field::State, values: vec!["available".to_owned()] },
        ];
        let listed = self.list::<Image>(caller, Query { filters, ..Query::default() }).await?;
        let now = self.clock().now();
        let usable = listed.rows.into_iter().filter(|image| !image.is_deprecated(now));
        Ok(usable.max_by_key(|image| (image.created_at, image.id)))
    }

    /// Offers an image to every account. One of the same name with the same bytes is left as it is; with other bytes, new
    /// launches get the new bytes under the same id and instances keep what they have.
    pub async fn image_register(&self, new: NewImage) -> Result<Image, Error> {
        check_name("Name", &new.name)?;
        let cloud = self.clone();
        let done = self.store().write(move |tx| {
            let now = cloud.clock().now();
            let operator = cloud.region().operator;
            let known = tx.image_named(operator, &new.name)?;
            let id = known.as_ref().map_or_else(|| ImageId::from_u64(cloud.ids().next(now)), |image| image.id);
            let image = Image {
                id,
                account: operator,
                public: true,
                name: new.name.clone(),
                description: new.description.clone(),
                platform: new.platform.clone(),
                architecture: new.architecture,
                default_user: new.default_user.clone(),
                manifest: new.manifest.clone(),
                encryption: None,
                size_bytes: new.size_bytes,
                min_disk: new.min_disk,
                snapshot: None,
                disks: vec![],
                instance: None,
                accounts: BTreeSet::new(),
                imported: None,
                family: known.as_ref().map_or_else(String::new, |image| image.family.clone()),
                deprecated_at: known.as_ref().and_then(|image| image.deprecated_at),
                phase: ImagePhase::Available,
                created_at: known.as_ref().map_or(now, |image| image.created_at),
                tags: known.as_ref().map_or_else(Tags::new, |image| image.tags.clone()),
            };
            match known {
                Some(known) if known == image => {}
                Some(_) => tx.update(&image)?,
                None => tx.insert(&image).map_err(|error| taken(error, model::Noun::Image, &new.name))?,
            }
            Ok::<_, Failure>(image)
        });
        done.await.map_err(|error| self.write_refusal("register an image", error))
    }
}

/// A further disk of a launch.
pub(crate) struct LaunchDisk {
    pub asked: NewVolume,
    pub size: Gib,
    /// The snapshot that it starts as.
    pub start: Option<Snapshot>,
}

/// The further disks of an instance of an image: the image's, as far as nothing else is asked for at their device names, and those
/// that are asked for beside.
pub(crate) fn disks_of_launch(tx: &Tx<'_>, account: AccountId, image: &Image, asked: &[NewVolume]) -> Result<Vec<LaunchDisk>, Failure> {
    let named = |device: &str| asked.iter().find(|volume| volume.device.as_deref() == Some(device));
    let mut out = Vec::new();
    for disk in &image.disks {
        let told = named(&disk.device);
        if told.is_some_and(|told| told.left_out) {
            continue;
        }
        let mut volume = told.cloned().unwrap_or_else(|| NewVolume::of_image(disk));
        let start = match volume.snapshot {
            Some(id) => Some(snapshot_usable(tx, account, id)?),
            // Whoever may launch the image may have its disks.
            None => disk.snapshot.map_or(Ok(None), |id| tx.get::<Snapshot>(id))?,
        };
        volume.size = volume.size.or(Some(disk.size));
        out.push(launch_disk(volume, start)?);
    }
    for volume in asked.iter().filter(|volume| !volume.left_out) {
        let of_image = volume.device.as_deref().is_some_and(|device| image.disks.iter().any(|disk| disk.device == device));
        if !of_image {
            let start = volume.snapshot.map(|id| snapshot_usable(tx, account, id)).transpose()?;
            out.push(launch_disk(volume.clone(), start)?);
        }
    }
    Ok(out)
}

fn launch_disk(asked: NewVolume, start: Option<Snapshot>) -> Result<LaunchDisk, Failure> {
    let size = crate::volume::size_over(asked.size, start.as_ref())?;
    asked.kind.check(size, asked.provisioned)?;
    start.as_ref().map(Snapshot::contents).transpose()?;
    Ok(LaunchDisk { asked, size, start })
}

impl Cloud {
    /// Has the images that a snapshot is part of follow what became of it.
    pub(crate) fn advance_image_of(&self, tx: &mut Tx<'_>, snapshot: &Snapshot) -> Result<(), Failure> {
        for mut image in tx.image_list_of(snapshot.account)?.into_iter().filter(|image| image.uses(snapshot.id)) {
            let before = image.phase;
            image.follow(&tx.get_many::<Snapshot>(&image.snapshots().collect::<Vec<_>>())?);
            if image.phase != before {
                tx.update(&image)?;
            }
        }
        Ok(())
    }
}
