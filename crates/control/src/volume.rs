//! Volumes: what tenants ask of them, and how their rows go on.
//!
//! ```text
//!   create ─▶ a host of the zone with room      attach, detach ─▶ the machine's list of disks
//!   grow   ─▶ room on its host                  delete         ─▶ a tombstone in the host's document
//! ```
//!
//! Bytes are in the pool of one host, so a volume is attached to instances of that host. Simulated hosts have no bytes; there
//! the volume follows its instance.

use model::{
    AccountId, Attach, Attachment, CREATE_DEADLINE_MS, Catalogue, Contents, EncryptionChoice, Error, Event, EventId, Gib, Host, HostId,
    HostState, Instance, InstanceId, Machine, Millis, Noun, Phase, Provisioned, QuotaName, SeenState, Snapshot, SnapshotId, Sold, Tags,
    Volume, VolumeEffect, VolumeFacts, VolumeId, VolumeKind, VolumePhase, VolumeStep, What, add_tags, check_device, check_name, check_size,
    free_device, volumes_max,
};
use serde::Serialize;
use store::{StoreError, Tx};

use crate::auth::Target;
use crate::disk_backup::forget_backups;
use crate::disk_encryption::choose;
use crate::fleet::Wanted;
use crate::instance::{check_description, instance_of, save};
use crate::kms_key::require_openable;
use crate::run::{Command, Cx};
use crate::snapshot::snapshot_usable;
use crate::{Cloud, Failure};

/// Kind of wakes for volumes.
pub(crate) const VOLUME: &str = "volume";
/// What the capacity report of a simulated host calls its accelerator.
const SIMULATED: &str = "simulated";

/// Makes a volume: empty, or of a snapshot, whose bytes it has at once.
#[derive(Debug, Clone, Serialize)]
pub struct CreateVolume {
    /// Its zone.
    pub zone: String,
    /// The snapshot.
    pub snapshot: Option<SnapshotId>,
    /// Its size; that of the snapshot when none is given, and never less.
    pub size: Option<Gib>,
    /// How it is encrypted.
    #[serde(skip_serializing_if = "EncryptionChoice::is_none")]
    pub encryption: EncryptionChoice,
    /// What it is sold as.
    pub kind: VolumeKind,
    /// What is bought on top.
    pub provisioned: Provisioned,
    /// Display name.
    pub name: String,
    /// Description.
    pub description: String,
    /// Whether the snapshots that policies took of it go with it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub deletes_auto_snapshots: bool,
    /// Whether several instances may have it at once.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub shared: bool,
    /// Tags.
    pub tags: Tags,
}

/// Attaches an available volume, or a shared one that others may have, to a running or stopped instance of its zone.
#[derive(Debug, Clone, Serialize)]
pub struct AttachVolume {
    /// The volume.
    pub volume: VolumeId,
    /// The instance.
    pub instance: InstanceId,
    /// Device name; the first free one when none is given.
    pub device: Option<String>,
    /// Whether it goes with the instance from here on.
    pub delete_on_termination: bool,
}

/// Detaches a volume.
#[derive(Debug, Clone, Serialize)]
pub struct DetachVolume {
    /// The volume.
    pub volume: VolumeId,
    /// The instance that it must be attached to; it has to be said of a shared volume that several have.
    pub instance: Option<InstanceId>,
    /// The device name that it must have there.
    pub device: Option<String>,
    /// Whether it is taken without the guest's leave.
    pub force: bool,
}

/// Grows a volume, whether or not it is attached, or sells it as another kind. What is `None` stays.
#[derive(Debug, Clone, Serialize)]
pub struct GrowVolume {
    /// The volume.
    pub volume: VolumeId,
    /// The size to reach, not below what it is.
    pub size: Option<Gib>,
    /// What it is sold as.
    pub kind: Option<VolumeKind>,
    /// What is bought on top; what is `None` of it stays while the kind does.
    pub provisioned: Provisioned,
}

/// Changes what is said of volumes; all of them or none. What is `None` stays.
#[derive(Debug, Clone, Default, Serialize)]
pub struct ModifyVolumes {
    /// Which ones.
    pub ids: Vec<VolumeId>,
    /// Display name.
    pub name: Option<String>,
    /// Description.
    pub description: Option<String>,
    /// Whether it goes with its instance; only while attached.
    pub delete_on_termination: Option<bool>,
    /// With which of several instances; each when none is named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub of: Option<InstanceId>,
    /// Whether they are used when they may be inconsistent.
    pub auto_io: Option<bool>,
    /// Whether the snapshots that policies took of them go with them.
    pub deletes_auto_snapshots: Option<bool>,
}

/// Deletes a volume that is not attached.
#[derive(Debug, Clone, Serialize)]
pub struct DeleteVolume {
    /// The volume.
    pub volume: VolumeId,
}

impl Command for CreateVolume {
    type Reply = Volume;
    const NAME: &'static str = "CreateVolume";
    const PLACES: bool = true;

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        let new = Target { path: Some("volume/*".to_owned()), request_tags: self.tags.clone(), ..Target::default() };
        let of = self.snapshot.map(|id| crate::snapshot::target(tx, cx, id)).transpose()?;
        Ok(std::iter::once(new).chain(of).collect())
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<Volume, Failure> {
        let snapshot = self.snapshot.map(|id| snapshot_usable(tx, cx.caller.account(), id)).transpose()?;
        let size = size_over(self.size, snapshot.as_ref())?;
        self.kind.check(size, self.provisioned)?;
        check_name("DiskName", &self.name)?;
        check_description(&self.description)?;
        let mut tags = Tags::new();
        add_tags(&mut tags, &self.tags)?;
        if !cx.cloud.region().zones.contains(&self.zone) {
            return Err(Error::not_found(Noun::Zone, &self.zone).into());
        }
        check_quota(tx, cx.caller.account(), 1)?;
        let start = snapshot.as_ref().and_then(|snapshot| snapshot.encryption.as_ref());
        let encryption = choose(tx, cx, &self.encryption, start)?;
        if self.shared {
            check_shareable(self, encryption.is_some())?;
        }
        let host = host_with_room(tx, cx, &self.zone, size)?;
        let asked = tx.host_touch(host)?;
        let (kind, provisioned) = (self.kind, self.provisioned);
        let new = New { zone: &self.zone, size, kind, provisioned, name: &self.name, description: &self.description };
        let deletes_auto_snapshots = self.deletes_auto_snapshots;
        let mut volume = Volume { tags, encryption, deletes_auto_snapshots, shared: self.shared, ..new.row(cx, host, asked) };
        if let Some(snapshot) = &snapshot {
            start_as(&mut volume, snapshot)?;
        }
        tx.insert(&volume)?;
        tx.wake(VOLUME, volume.id, cx.now.after(CREATE_DEADLINE_MS))?;
        Ok(volume)
    }
}

impl Command for AttachVolume {
    type Reply = Volume;
    const NAME: &'static str = "AttachVolume";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        let instance = tx.get::<Instance>(self.instance)?.filter(|row| row.account == cx.caller.account());
        let of_instance = Target::of("instance", self.instance, &instance.map(|row| row.tags).unwrap_or_default());
        Ok(vec![target(tx, cx, self.volume)?, of_instance])
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<Volume, Failure> {
        let mut volume = volume_of(tx, cx.caller.account(), self.volume)?;
        let mut instance = instance_of(tx, cx.caller.account(), self.instance)?;
        if !matches!(instance.phase, Phase::Running | Phase::Stopped) {
            let (noun, id, state) = (Noun::Instance, instance.id.to_string(), instance.phase.word());
            return Err(Error::IncorrectState { noun, id, state, wanted: "running or stopped" }.into());
        }
        if volume.zone != instance.zone {
            let (noun, id) = (Noun::Volume, volume.id.to_string());
            return Err(Error::ZoneMismatch { noun, id, zone: volume.zone, wanted: instance.zone }.into());
        }
        require_openable(tx, &[volume.encryption.as_ref(), volume.under_encryption.as_ref()])?;
        let device = device_for(self.device.as_deref(), &tx.volume_list_of_instance(instance.id)?, (instance.id, &instance.instance_type))?;
        let attach = Attach { instance: instance.id, device, delete_on_termination: self.delete_on_termination };
        volume.attach(attach, cx.now)?;
        bring_to(tx, cx, &mut volume, instance.host)?;
        save(tx, &mut instance, cx.now)?;
        volume.asked = instance.asked;
        tx.volume_update(&volume)?;
        tx.wake(VOLUME, volume.id, cx.now.after(model::ATTACH_DEADLINE_MS))?;
        Ok(volume)
    }
}

impl Command for DetachVolume {
    type Reply = Volume;
    const NAME: &'static str = "DetachVolume";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        Ok(vec![target(tx, cx, self.volume)?])
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<Volume, Failure> {
        let mut volume = self.held(volume_of(tx, cx.caller.account(), self.volume)?)?;
        volume.detach(self.force, cx.now)?;
        if let Some(instance) = volume.instance {
            touch_machine(tx, &mut volume, instance)?;
        }
        tx.volume_update(&volume)?;
        tx.wake(VOLUME, volume.id, cx.now.after(model::DETACH_DEADLINE_MS))?;
        Ok(volume)
    }
}

impl DetachVolume {
    /// The volume as the instance has it that is meant; as it is where none has it.
    fn held(&self, volume: Volume) -> Result<Volume, Error> {
        let not_attached = |id: VolumeId| {
            let named = self.instance.map_or_else(|| self.device.clone().unwrap_or_default(), |id| id.to_string());
            Error::invalid("Attachment", format!("the volume {id} is not attached to {named}"))
        };
        let mut holders = volume.as_held();
        let held = match (self.instance, holders.len()) {
            (_, 0) => return Ok(volume),
            (Some(instance), _) => volume.as_held_by(instance).ok_or_else(|| not_attached(volume.id))?,
            (None, 1) => holders.remove(0),
            (None, _) => return Err(Error::MissingParameter { name: "InstanceId" }),
        };
        if self.device.as_ref().is_some_and(|named| *named != held.device) {
            return Err(not_attached(held.id));
        }
        Ok(held)
    }
}

impl Command for GrowVolume {
    type Reply = Volume;
    const NAME: &'static str = "GrowVolume";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        Ok(vec![target(tx, cx, self.volume)?])
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<Volume, Failure> {
        let mut volume = volume_of(tx, cx.caller.account(), self.volume)?;
        let (before, limits) = (volume.size, volume.limits());
        let kind = self.kind.unwrap_or(volume.kind);
        let provisioned = self.provisioned.over(volume.provisioned, kind == volume.kind);
        volume.grow(Sold { size: self.size.unwrap_or(before), kind, provisioned }, cx.now)?;
        let more = u64::from(volume.size.0 - before.0);
        if more > 0 {
            check_disk_room(tx, cx, volume.host, more)?;
            volume.asked = tx.host_touch(volume.host)?;
        }
        // Its machine's disk is held to other figures.
        if volume.limits() != limits {
            for instance in volume.instances().collect::<Vec<_>>() {
                touch_machine(tx, &mut volume, instance)?;
            }
        }
        tx.volume_update(&volume)?;
        Ok(volume)
    }
}

impl Command for ModifyVolumes {
    type Reply = ();
    const NAME: &'static str = "ModifyVolumes";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        self.ids.iter().map(|id| target(tx, cx, *id)).collect()
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<(), Failure> {
        if self.ids.is_empty() {
            return Err(Error::MissingParameter { name: "VolumeId" }.into());
        }
        for id in &self.ids {
            let mut volume = volume_of(tx, cx.caller.account(), *id)?;
            if let Some(name) = &self.name {
                check_name("DiskName", name)?;
                volume.name.clone_from(name);
            }
            if let Some(description) = &self.description {
                check_description(description)?;
                volume.description.clone_from(description);
            }
            volume.auto_io = self.auto_io.unwrap_or(volume.auto_io);
            volume.deletes_auto_snapshots = self.deletes_auto_snapshots.unwrap_or(volume.deletes_auto_snapshots);
            if let Some(goes) = self.delete_on_termination {
                if !volume.is_held() {
                    let (noun, id, state) = (Noun::Volume, volume.id.to_string(), volume.word());
                    return Err(Error::IncorrectState { noun, id, state, wanted: "in-use" }.into());
                }
                volume.go_with(self.of, goes);
            }
            tx.volume_update(&volume)?;
        }
        Ok(())
    }
}

impl Command for DeleteVolume {
    type Reply = ();
    const NAME: &'static str = "DeleteVolume";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        Ok(vec![target(tx, cx, self.volume)?])
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<(), Failure> {
        let mut volume = volume_of(tx, cx.caller.account(), self.volume)?;
        volume.delete()?;
        delete_bytes(tx, &mut volume)?;
        tx.wake(VOLUME, volume.id, cx.now)?;
        Ok(tx.update(&volume)?)
    }
}

/// What is said of a new volume.
pub(crate) struct New<'a> {
    pub zone: &'a str,
    pub size: Gib,
    pub kind: VolumeKind,
    pub provisioned: Provisioned,
    pub name: &'a str,
    pub description: &'a str,
}

impl New<'_> {
    /// The row of a volume that belongs to no instance and has no tags yet.
    pub(crate) fn row(&self, cx: &Cx<'_>, host: HostId, asked: u64) -> Volume {
        Volume {
            id: VolumeId::from_u64(cx.new_id()),
            account: cx.caller.account(),
            zone: self.zone.to_owned(),
            name: self.name.to_owned(),
            description: self.description.to_owned(),
            auto_io: false,
            kind: self.kind,
            provisioned: self.provisioned,
            size: self.size,
            image: None,
            snapshot: None,
            manifest: None,
            encryption: None,
            under_encryption: None,
            host,
            generation: 1,
            shared: false,
            holders: vec![],
            instance: None,
            attachment: Attachment::Attached,
            attached_at: None,
            detached_at: None,
            device: String::new(),
            delete_on_termination: false,
            phase: VolumePhase::Creating,
            growth: None,
            seen_bytes: None,
            backup_quota: 0,
            deletes_auto_snapshots: false,
            rolls_back_to: None,
            created_at: cx.now,
            asked,
            tags: Tags::new(),
        }
    }
}

/// Refuses a shared volume as it cannot be: what a guest writes to one lies in its file as it is (ADR 0027).
fn check_shareable(asked: &CreateVolume, encrypted: bool) -> Result<(), Error> {
    asked.kind.check_shareable()?;
    let refused = |how: &str| Err(Error::Unsupported { what: format!("a volume that several instances may have and that is {how}") });
    match (asked.snapshot, encrypted) {
        (Some(_), _) => refused("made of a snapshot"),
        (None, true) => refused("encrypted"),
        (None, false) => Ok(()),
    }
}

/// The size of a volume that is made of a snapshot, or of nothing.
pub(crate) fn size_over(asked: Option<Gib>, snapshot: Option<&Snapshot>) -> Result<Gib, Error> {
    let size = asked.or(snapshot.map(|snapshot| snapshot.size)).ok_or(Error::MissingParameter { name: "Size" })?;
    check_size(size)?;
    match snapshot {
        Some(snapshot) if size < snapshot.size => {
            Err(Error::invalid("Size", format!("{} GiB is less than the {} GiB of the snapshot {}", size.0, snapshot.size.0, snapshot.id)))
        }
        Some(_) | None => Ok(size),
    }
}

/// Makes a volume that has no bytes yet start as a snapshot is.
pub(crate) fn start_as(volume: &mut Volume, snapshot: &Snapshot) -> Result<(), Error> {
    let Contents { manifest, encryption } = snapshot.start()?;
    (volume.manifest, volume.under_encryption) = (Some(manifest), encryption);
    volume.snapshot = Some(snapshot.id);
    volume.image = snapshot.image.filter(|_| snapshot.of_root);
    Ok(())
}

/// The volume, if the account owns it; one that is being deleted is as good as gone.
pub(crate) fn volume_of(tx: &Tx<'_>, account: AccountId, id: VolumeId) -> Result<Volume, Failure> {
    let volume = tx.get::<Volume>(id)?.filter(|volume| volume.account == account);
    Ok(volume.ok_or_else(|| Error::not_found(Noun::Volume, id))?)
}

pub(crate) fn target(tx: &Tx<'_>, cx: &Cx<'_>, id: VolumeId) -> Result<Target, Failure> {
    let own = tx.get::<Volume>(id)?.filter(|volume| volume.account == cx.caller.account());
    Ok(Target::of("volume", id, &own.map(|volume| volume.tags).unwrap_or_default()))
}

/// Refuses volumes beyond the account's quota.
pub(crate) fn check_quota(tx: &Tx<'_>, account: AccountId, wanted: u64) -> Result<(), Failure> {
    let limit = tx.quota_limit(account, QuotaName::Volumes)?;
    Ok(QuotaName::Volumes.check(limit, tx.volume_count(account, limit)?, wanted)?)
}

/// The device name of a further volume: the one that is asked for, if it is free, or the first free one. Refused when the instance
/// has as many volumes as it can.
pub(crate) fn device_for(asked: Option<&str>, held: &[Volume], (instance, kind): (InstanceId, &str)) -> Result<String, Error> {
    let limit = volumes_max(kind);
    if held.len() >= limit {
        return Err(Error::TooManyVolumes { id: instance.to_string(), limit });
    }
    let taken = held.iter().map(|volume| volume.device.as_str());
    match asked {
        None => free_device(taken).ok_or_else(|| Error::TooManyVolumes { id: instance.to_string(), limit }),
        Some(device) => {
            check_device(device)?;
            if device == model::ROOT_DEVICE || taken.clone().any(|other| other == device) {
                return Err(Error::invalid("Device", format!("the attachment point {device} is already in use")));
            }
            Ok(device.to_owned())
        }
    }
}

/// A host of the zone with room for a volume: the one that placement likes best, else any whose disk has room.
fn host_with_room(tx: &Tx<'_>, cx: &Cx<'_>, zone: &str, size: Gib) -> Result<HostId, Failure> {
    let smallest = Catalogue::standard().all().iter().min_by_key(|kind| (kind.vcpus, kind.memory));
    let liked = smallest.and_then(|kind| cx.cloud.fleet().propose(&Wanted { zone, kind, disk: size, group: None, ahead: 1 }).ok());
    let first = liked.map_or(Ok(None), |id| tx.get::<Host>(id))?;
    if let Some(host) = first
        && has_disk_room(tx, cx, &host, u64::from(size.0))?
    {
        return Ok(host.id);
    }
    let serves = |host: &Host| host.state == HostState::Up && host.zones.iter().any(|name| name == zone);
    for host in tx.host_list()?.into_iter().filter(serves) {
        if has_disk_room(tx, cx, &host, u64::from(size.0))? {
            return Ok(host.id);
        }
    }
    Err(Error::NoDiskRoom { wanted: format!("a volume of {} GiB in {zone}", size.0), reason: "no disk has room".to_owned() }.into())
}

fn has_disk_room(tx: &Tx<'_>, cx: &Cx<'_>, host: &Host, more: u64) -> Result<bool, StoreError> {
    let Some(capacity) = &host.capacity else { return Ok(false) };
    let limit = capacity.disk_gib.saturating_mul(u64::from(cx.cloud.region().disk_overcommit));
    Ok(tx.volume_gib_on_host(host.id)?.saturating_add(more) <= limit)
}

pub(crate) fn check_disk_room(tx: &Tx<'_>, cx: &Cx<'_>, host: HostId, more: u64) -> Result<(), Failure> {
    let host = tx.get::<Host>(host)?;
    if host.map_or(Ok(false), |host| has_disk_room(tx, cx, &host, more))? {
        return Ok(());
    }
    let reason = "the disk that keeps the volume is full".to_owned();
    Err(Error::NoDiskRoom { wanted: format!("{more} GiB"), reason }.into())
}

/// Puts a volume on the host of an instance. One that others have already stays where they are.
fn bring_to(tx: &mut Tx<'_>, cx: &Cx<'_>, volume: &mut Volume, host: HostId) -> Result<(), Failure> {
    if volume.host == host {
        return Ok(());
    }
    let is_simulated = |host: Option<Host>| host.and_then(|host| host.capacity).is_some_and(|has| has.accelerator == SIMULATED);
    let others = volume.instances().count() > 1;
    if others || !is_simulated(tx.get(volume.host)?) || !is_simulated(tx.get(host)?) {
        return Err(Error::Unsupported { what: "attaching a volume to an instance that runs on another host".to_owned() }.into());
    }
    check_disk_room(tx, cx, host, u64::from(volume.size.0))?;
    tx.host_touch(volume.host)?;
    volume.host = host;
    volume.generation += 1;
    volume.seen_bytes = None;
    Ok(())
}

/// Gives the machine of an instance another list of disks.
pub(crate) fn touch_machine(tx: &mut Tx<'_>, volume: &mut Volume, id: InstanceId) -> Result<(), Failure> {
    let Some(mut instance) = tx.get::<Instance>(id)?.filter(Instance::is_on_host) else { return Ok(()) };
    if tx.get::<Host>(instance.host)?.is_some() {
        instance.asked = tx.host_touch(instance.host)?;
        volume.asked = instance.asked;
        tx.update(&instance)?;
    }
    Ok(())
}

/// Lets go of an instance that is gone: a volume that goes with it is deleted, another becomes available.
pub(crate) fn release(tx: &mut Tx<'_>, volume: &mut Volume, now: Millis) -> Result<(), Failure> {
    let goes = volume.delete_on_termination;
    volume.let_go(now);
    // EC2: a volume of several goes when the last of them is terminated, if that one says so.
    if goes && !volume.is_held() {
        delete_bytes(tx, volume)?;
    }
    Ok(tx.volume_update(volume)?)
}

/// Has the bytes of a volume deleted by its host; the row goes when the host says that they are gone.
pub(crate) fn delete_bytes(tx: &mut Tx<'_>, volume: &mut Volume) -> Result<(), Failure> {
    volume.phase = VolumePhase::Deleting;
    if tx.get::<Host>(volume.host)?.is_some() {
        volume.asked = tx.host_touch(volume.host)?;
    }
    Ok(())
}

impl Cloud {
    /// Advances a volume as far as it goes now, and says when it is to be looked at again.
    pub(crate) fn advance_volume(&self, tx: &mut Tx<'_>, id: VolumeId, now: Millis) -> Result<Option<Millis>, Failure> {
        let Some(volume) = tx.get::<Volume>(id)? else { return Ok(None) };
        let host = tx.get::<Host>(volume.host)?;
        self.settle_volume(tx, volume.clone(), volume, host.as_ref(), now)
    }

    /// Advances those volumes of an instance that are on their way to or from it.
    pub(crate) fn advance_volumes_of(&self, tx: &mut Tx<'_>, id: InstanceId, now: Millis) -> Result<(), Failure> {
        for volume in tx.volume_list_of_instance(id)?.into_iter().filter(|volume| volume.attachment != Attachment::Attached) {
            self.advance_volume(tx, volume.id, now)?;
        }
        Ok(())
    }

    /// Advances a row that may differ from what is `stored` already, and writes it: of a shared volume first the volume, then what is
    /// on its way to or from each of its instances.
    pub(crate) fn settle_volume(
        &self,
        tx: &mut Tx<'_>,
        stored: Volume,
        row: Volume,
        host: Option<&Host>,
        now: Millis,
    ) -> Result<Option<Millis>, Failure> {
        let (id, moving) = (row.id, row.holders.iter().filter(|holder| holder.attachment != Attachment::Attached));
        let moving: Vec<InstanceId> = moving.map(|holder| holder.instance).collect();
        let mut due = self.settle_as_held(tx, stored, row, host, now)?;
        for instance in moving {
            let Some(held) = tx.get::<Volume>(id)?.and_then(|row| row.as_held_by(instance)) else { continue };
            let next = self.settle_as_held(tx, held.clone(), held, host, now)?;
            due = due.into_iter().chain(next).min();
        }
        Ok(due)
    }

    fn settle_as_held(
        &self,
        tx: &mut Tx<'_>,
        stored: Volume,
        mut row: Volume,
        host: Option<&Host>,
        now: Millis,
    ) -> Result<Option<Millis>, Failure> {
        loop {
            let machine = machine_of(tx, &row)?;
            let facts = VolumeFacts { applied: host.is_some_and(|host| host.applied >= row.asked), host_exists: host.is_some(), machine };
            match row.advance(facts, now) {
                VolumeStep::Wait(due) => {
                    if row != stored {
                        tx.volume_update(&row)?;
                    }
                    return Ok(due);
                }
                VolumeStep::Forget => {
                    tx.delete::<Volume>(row.id)?;
                    forget_backups(tx, &row)?;
                    if host.is_some() {
                        tx.host_touch(row.host)?;
                    }
                    return Ok(None);
                }
                VolumeStep::Change(next, effects) => {
                    row = *next;
                    for effect in effects {
                        self.carry_out_volume(tx, &mut row, &effect, now)?;
                    }
                }
            }
        }
    }

    fn carry_out_volume(&self, tx: &mut Tx<'_>, row: &mut Volume, effect: &VolumeEffect, now: Millis) -> Result<(), Failure> {
        match effect {
            VolumeEffect::TouchMachine(instance) => touch_machine(tx, row, *instance),
            VolumeEffect::Alarm(what) => {
                metrics::counter!("pileus_alarms").increment(1);
                tracing::error!(volume = %row.id, host = %row.host, alarm = true, "{what}");
                Ok(())
            }
            VolumeEffect::Tell(state) => {
                let what = What::Became { state: (*state).to_owned(), reason: String::new() };
                let id = EventId::from_u64(self.ids().next(now));
                Ok(tx.insert(&Event { id, account: row.account, at: now, what, resources: vec![row.id.to_string()] })?)
            }
        }
    }
}

/// What the machine of a volume's instance has to do with it; looked up only for a volume that waits for it.
fn machine_of(tx: &Tx<'_>, volume: &Volume) -> Result<Machine, Failure> {
    let Some(id) = volume.instance.filter(|_| volume.attachment != Attachment::Attached) else { return Ok(Machine::Absent) };
    let Some(instance) = tx.get::<Instance>(id)? else { return Ok(Machine::Absent) };
    Ok(match instance.phase {
        Phase::Terminated => Machine::Absent,
        Phase::Stopped => Machine::Off,
        Phase::Running => match &instance.seen {
            Some(seen) if seen.state == SeenState::Running => Machine::On { has_it: seen.disks.contains(&volume.id) },
            Some(_) | None => Machine::Unsettled,
        },
        Phase::Launching { .. } | Phase::Starting { .. } | Phase::Stopping { .. } | Phase::Terminating { .. } => Machine::Unsettled,
    })
}
