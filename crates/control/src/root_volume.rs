//! What disks start as, again: disks made as they were at first, and system disks replaced while instance, addresses and interfaces stay.
//!
//! ```text
//!   reinit    the same volume, a new generation: what its image or snapshot holds, or zeroes
//!   replace   the same volume likewise, of another image; or another volume in its place
//! ```
//!
//! A guest that starts from such a disk starts for the first time: it makes new host keys and takes keys, password and user data anew.

use model::{
    Attachment, Catalogue, Contents, Encryption, EncryptionChoice, Error, Gib, Image, ImageId, Instance, InstanceId, Noun, Phase,
    ROOT_DEVICE, RootReplacement, RootReplacementId, Snapshot, SnapshotId, Tags, VOLUME_GIB, Volume, VolumeId, VolumePhase, add_tags,
};
use serde::Serialize;
use store::Tx;

use crate::Failure;
use crate::auth::Target;
use crate::disk_encryption::choose;
use crate::image::image_usable;
use crate::instance::{instance_of, save};
use crate::key_pair::guest_keys;
use crate::kms_key::require_openable;
use crate::run::{Command, Cx};
use crate::snapshot::snapshot_of;
use crate::volume::{New, VOLUME, check_disk_room, check_quota, delete_bytes, target, touch_machine, volume_of};

/// How one gets into a guest that starts for the first time. What is `None` stays.
#[derive(Debug, Clone, Default, Serialize)]
pub struct GuestAccess {
    /// Key pairs by name, in the place of those that it has; none for those.
    pub key_names: Vec<String>,
    /// crypt(3) text of the password. Not part of what a repeated call is compared by: its salt differs.
    #[serde(skip)]
    pub password_hash: Option<String>,
    /// Host name.
    pub hostname: Option<String>,
    /// User data, base64.
    pub user_data: Option<String>,
}

/// Makes disks what they were at first; all of them or none. The instance of an attached one has to be stopped.
#[derive(Debug, Clone, Serialize)]
pub struct ReinitVolumes {
    /// Which ones.
    pub ids: Vec<VolumeId>,
    /// Whether they have to be attached, as ECS wants it, or must not be, as CBS does.
    pub attached: bool,
    /// How one gets into the guest of a system disk among them.
    pub access: GuestAccess,
}

/// What a system disk starts as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum RootSource {
    /// What it started as at first.
    Same,
    /// An image.
    Image(ImageId),
    /// A snapshot of the system disk that is replaced, or of one that it replaced.
    Snapshot(SnapshotId),
}

/// What happens to the volume that is a system disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum OldRoot {
    /// It stays the system disk, with other contents.
    Renewed,
    /// Another one takes its place, and it becomes available.
    Kept,
    /// Another one takes its place, and it is deleted.
    Deleted,
}

/// The state that an instance has to be in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Needed {
    /// It runs, and starts again from the new disk.
    Running,
    /// It is stopped.
    Stopped,
    /// Either.
    Settled,
}

/// Has an instance start from another system disk.
#[derive(Debug, Clone, Serialize)]
pub struct ReplaceRoot {
    /// The instance.
    pub instance: InstanceId,
    /// What it starts as.
    pub source: RootSource,
    /// What happens to the old one.
    pub old: OldRoot,
    /// The state that the instance has to be in.
    pub needed: Needed,
    /// The size, not less than it was.
    pub size: Option<Gib>,
    /// How one gets into the guest.
    pub access: GuestAccess,
    /// Tags of the replacement.
    pub tags: Tags,
}

/// What became of a system disk.
#[derive(Debug, Clone, Serialize, serde::Deserialize)]
pub struct Replaced {
    /// The replacement, where another volume took the place.
    pub replacement: RootReplacement,
    /// The system disk.
    pub volume: VolumeId,
}

impl Command for ReinitVolumes {
    type Reply = ();
    const NAME: &'static str = "ReinitVolumes";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        self.ids.iter().map(|id| target(tx, cx, *id)).collect()
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<(), Failure> {
        if self.ids.is_empty() {
            return Err(Error::MissingParameter { name: "VolumeId" }.into());
        }
        for id in &self.ids {
            let mut volume = volume_of(tx, cx.caller.account(), *id)?;
            let is_root = volume.is_root();
            self.check(tx, &volume)?;
            let first = first_contents(tx, &volume)?;
            volume.encryption = encryption_over(tx, cx, &volume, first.as_ref())?;
            volume.renew(first)?;
            match volume.instance {
                Some(id) if is_root => {
                    let mut instance = instance_of(tx, cx.caller.account(), id)?;
                    self.access.give(tx, cx, &mut instance)?;
                    save(tx, &mut instance, cx.now)?;
                    volume.asked = instance.asked;
                }
                Some(instance) => touch_machine(tx, &mut volume, instance)?,
                None => volume.asked = tx.host_touch(volume.host)?,
            }
            tx.update(&volume)?;
        }
        Ok(())
    }
}

impl ReinitVolumes {
    fn check(&self, tx: &Tx<'_>, volume: &Volume) -> Result<(), Failure> {
        let (noun, id) = (Noun::Volume, volume.id.to_string());
        match volume.instance {
            Some(by) if !self.attached => return Err(Error::InUse { noun, id, by: vec![by.to_string()] }.into()),
            None if self.attached => return Err(Error::IncorrectState { noun, id, state: volume.word(), wanted: "in-use" }.into()),
            Some(_) | None => {}
        }
        let instance = volume.instance.map_or(Ok(None), |id| tx.get::<Instance>(id))?;
        match instance.filter(|instance| instance.phase != Phase::Stopped) {
            Some(instance) => Err(wrong_state(&instance, "stopped").into()),
            None => Ok(()),
        }
    }
}

impl GuestAccess {
    /// Gives the guest of an instance these ways in.
    fn give(&self, tx: &Tx<'_>, cx: &Cx<'_>, instance: &mut Instance) -> Result<(), Failure> {
        if !self.key_names.is_empty() {
            instance.guest.keys.clear();
            instance.guest.add_keys(guest_keys(tx, cx.caller.account(), &self.key_names)?)?;
        }
        if let Some(hash) = &self.password_hash {
            instance.guest.password_hash = Some(hash.clone());
        }
        if let Some(hostname) = &self.hostname {
            model::check_hostname(hostname)?;
            instance.hostname.clone_from(hostname);
        }
        if let Some(user_data) = &self.user_data {
            instance.guest.user_data = Some(user_data.clone()).filter(|data| !data.is_empty());
        }
        Ok(())
    }
}

/// What a volume held at first. A system disk is as its image is; if that was deregistered since, as what the disk stands on. Refused
/// when the snapshot of another disk is gone, as CBS does; a disk of neither was empty.
fn first_contents(tx: &Tx<'_>, volume: &Volume) -> Result<Option<Contents>, Failure> {
    let of_now = || volume.manifest.clone().map(|manifest| Contents { manifest, encryption: volume.under_encryption.clone() });
    match (volume.image, volume.snapshot) {
        (_, Some(id)) if !volume.is_root() => {
            let snapshot = tx.get::<Snapshot>(id)?.ok_or_else(|| Error::not_found(Noun::Snapshot, id))?;
            Ok(Some(snapshot.start()?))
        }
        (Some(id), _) => Ok(tx.get::<Image>(id)?.map(image_contents).or_else(of_now)),
        (None, _) => Ok(of_now().filter(|_| volume.is_root())),
    }
}

fn image_contents(image: Image) -> Contents {
    Contents { manifest: image.manifest, encryption: image.encryption }
}

fn wrong_state(instance: &Instance, wanted: &'static str) -> Error {
    Error::IncorrectState { noun: Noun::Instance, id: instance.id.to_string(), state: instance.phase.word(), wanted }
}

impl Command for ReplaceRoot {
    type Reply = Replaced;
    const NAME: &'static str = "ReplaceRoot";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        let own = tx.get::<Instance>(self.instance)?.filter(|row| row.account == cx.caller.account());
        let mut targets = vec![Target::of("instance", self.instance, &own.map(|row| row.tags).unwrap_or_default())];
        match self.source {
            RootSource::Same => {}
            RootSource::Image(id) => targets.push(Target::of("image", id, &Tags::new())),
            RootSource::Snapshot(id) => targets.push(crate::snapshot::target(tx, cx, id)?),
        }
        Ok(targets)
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<Replaced, Failure> {
        let mut instance = instance_of(tx, cx.caller.account(), self.instance)?;
        self.check(&instance)?;
        let mut old = volume_of(tx, cx.caller.account(), instance.root_volume)?;
        if old.phase != VolumePhase::Present || old.attachment != Attachment::Attached || old.is_growing() {
            let (noun, id, state) = (Noun::Volume, old.id.to_string(), old.word());
            return Err(Error::IncorrectState { noun, id, state, wanted: "in-use" }.into());
        }
        let mut tags = Tags::new();
        add_tags(&mut tags, &self.tags)?;
        let start = self.start(tx, cx, &instance, &old)?;
        let size = self.size_of(&old, &start)?;
        let encryption = encryption_over(tx, cx, &old, Some(&start.contents))?;
        self.access.give(tx, cx, &mut instance)?;
        instance.image = start.image.unwrap_or(instance.image);
        if instance.phase == Phase::Running {
            (instance.boot, instance.hard_reset) = (instance.boot + 1, true);
        }
        let mut root = match self.old {
            OldRoot::Renewed => {
                let more = size.0 - old.size.0;
                if more > 0 {
                    check_disk_room(tx, cx, old.host, more.into())?;
                }
                old.renew(Some(start.contents.clone()))?;
                Volume { size, ..old.clone() }
            }
            OldRoot::Kept | OldRoot::Deleted => self.another(tx, cx, &old, size)?,
        };
        root.image = start.image.or(root.image);
        root.snapshot = start.snapshot;
        root.encryption = encryption;
        (root.manifest, root.under_encryption) = (Some(start.contents.manifest), start.contents.encryption);
        instance.root_volume = root.id;
        let replacement = self.replacement(cx, &instance, (old.id, root.id), tags);
        if self.old != OldRoot::Renewed && instance.phase == Phase::Running {
            instance.keep_replacement(replacement.clone());
        }
        save(tx, &mut instance, cx.now)?;
        root.asked = instance.asked;
        match self.old {
            OldRoot::Renewed => tx.update(&root)?,
            OldRoot::Kept => {
                old.let_go(cx.now);
                tx.update(&old)?;
                tx.insert(&root)?;
            }
            OldRoot::Deleted => {
                old.let_go(cx.now);
                delete_bytes(tx, &mut old)?;
                tx.wake(VOLUME, old.id, cx.now)?;
                tx.update(&old)?;
                tx.insert(&root)?;
            }
        }
        Ok(Replaced { replacement, volume: root.id })
    }
}

/// How a disk is encrypted that gets other contents: as it is, and where it is not, as a new one would be.
fn encryption_over(tx: &mut Tx<'_>, cx: &Cx<'_>, disk: &Volume, contents: Option<&Contents>) -> Result<Option<Encryption>, Failure> {
    let start = contents.and_then(|contents| contents.encryption.as_ref());
    require_openable(tx, &[disk.encryption.as_ref(), start])?;
    match &disk.encryption {
        Some(encryption) => Ok(Some(encryption.clone())),
        None => choose(tx, cx, &EncryptionChoice::default(), start),
    }
}

/// Refuses an image for other processors than the instance has.
fn fits(image: &Image, instance: &Instance) -> Result<(), Error> {
    let kind = Catalogue::standard().by_name(&instance.instance_type);
    if kind.is_some_and(|kind| kind.architecture != image.architecture) {
        let reason = format!("the image is for {}, the instance type {} is not", image.architecture, instance.instance_type);
        return Err(Error::InvalidCombination { reason });
    }
    Ok(())
}

/// What a system disk starts as.
struct Start {
    contents: Contents,
    image: Option<ImageId>,
    snapshot: Option<SnapshotId>,
    least: Gib,
}

impl ReplaceRoot {
    fn check(&self, instance: &Instance) -> Result<(), Error> {
        let wanted = match self.needed {
            Needed::Running => "running",
            Needed::Stopped => "stopped",
            Needed::Settled => "running or stopped",
        };
        let fits = match instance.phase {
            Phase::Running => self.needed != Needed::Stopped,
            Phase::Stopped => self.needed != Needed::Running,
            Phase::Launching { .. } | Phase::Starting { .. } | Phase::Stopping { .. } | Phase::Terminating { .. } | Phase::Terminated => {
                false
            }
        };
        if !fits || instance.replacement_under_way().is_some() {
            return Err(wrong_state(instance, wanted));
        }
        Ok(())
    }

    fn start(&self, tx: &Tx<'_>, cx: &Cx<'_>, instance: &Instance, old: &Volume) -> Result<Start, Failure> {
        match self.source {
            RootSource::Same => {
                let contents = first_contents(tx, old)?.ok_or(Error::Internal)?;
                Ok(Start { contents, image: old.image, snapshot: old.snapshot, least: Gib(1) })
            }
            RootSource::Image(id) => {
                let image = image_usable(tx, cx.caller.account(), id)?;
                let least = image.min_disk.max(Gib::holding(image.size_bytes));
                fits(&image, instance)?;
                let snapshot = image.snapshot;
                Ok(Start { contents: image_contents(image), image: Some(id), snapshot, least })
            }
            RootSource::Snapshot(id) => {
                let snapshot = snapshot_of(tx, cx.caller.account(), id)?;
                let was_root = |volume| instance.root_replacements.iter().any(|one| one.volume == volume || one.replaced == volume);
                if snapshot.volume != old.id && !was_root(snapshot.volume) {
                    return Err(Error::invalid("SnapshotId", format!("{id} is no snapshot of a root volume of {}", instance.id)).into());
                }
                Ok(Start { contents: snapshot.start()?, image: old.image, snapshot: Some(id), least: snapshot.size })
            }
        }
    }

    /// A system disk does not become smaller than it was, whatever it starts as.
    fn size_of(&self, old: &Volume, start: &Start) -> Result<Gib, Error> {
        let least = old.size.max(start.least);
        let size = self.size.unwrap_or(least);
        if size < least || !VOLUME_GIB.contains(&size.0) {
            let reason = format!("must be {} GiB, which the disk has or needs, to {}", least.0, VOLUME_GIB.end());
            return Err(Error::invalid("VolumeSize", reason));
        }
        old.kind.check(size, old.provisioned)?;
        Ok(size)
    }

    /// Another volume of the same kind on the same host, in the place of the old one.
    fn another(&self, tx: &mut Tx<'_>, cx: &Cx<'_>, old: &Volume, size: Gib) -> Result<Volume, Failure> {
        check_disk_room(tx, cx, old.host, size.0.into())?;
        check_quota(tx, cx.caller.account(), 1)?;
        let new =
            New { zone: &old.zone, size, kind: old.kind, provisioned: old.provisioned, name: &old.name, description: &old.description };
        let row = new.row(cx, old.host, 0);
        Ok(Volume {
            instance: Some(self.instance),
            attached_at: Some(cx.now),
            device: ROOT_DEVICE.to_owned(),
            delete_on_termination: old.delete_on_termination,
            image: old.image,
            tags: old.tags.clone(),
            ..row
        })
    }

    fn replacement(&self, cx: &Cx<'_>, instance: &Instance, (replaced, volume): (VolumeId, VolumeId), tags: Tags) -> RootReplacement {
        let (image, snapshot) = match self.source {
            RootSource::Same => (None, None),
            RootSource::Image(id) => (Some(id), None),
            RootSource::Snapshot(id) => (None, Some(id)),
        };
        RootReplacement {
            id: RootReplacementId::from_u64(cx.new_id()),
            volume,
            replaced,
            image,
            snapshot,
            deletes_old: self.old == OldRoot::Deleted,
            boot: instance.boot,
            started_at: cx.now,
            ended: None,
            tags,
        }
    }
}
