//! Snapshots: what tenants ask of them, and how their rows go on.
//!
//! ```text
//!   take ─▶ a job in the document of the volumes' host ─▶ its report ─▶ completed: the job is not listed any more
//! ```
//!
//! Volumes of one call are frozen at one instant, so they are in one machine's hands or in nobody's.

use std::collections::BTreeMap;

use hostspec::{HostReport, SnapshotJob, SnapshotPart, SnapshotState};
use model::{
    AccountId, Attachment, Encryption, Error, Event, EventId, Host, HostId, Image, Instance, InstanceId, KmsKey, Millis, Noun, QuotaName,
    SNAPSHOT_DEADLINE_MS, SNAPSHOT_GIB_MAX, SNAPSHOTS_PENDING_MAX, ShareChange, Shares, Snapshot, SnapshotId, SnapshotPhase, SnapshotSeen,
    Tags, Volume, VolumeId, VolumePhase, What, add_tags, check_name,
};
use serde::Serialize;
use store::Tx;

use crate::auth::Target;
use crate::disk_encryption::disk_keys;
use crate::instance::{check_description, instance_of};
use crate::kms_key::require_openable;
use crate::network::DEPENDENTS_NAMED;
use crate::run::{Command, Cx};
use crate::snapshot_group::forget_if_empty;
use crate::snapshot_trial::end_trial_of;
use crate::volume::volume_of;
use crate::{Cloud, Failure};

/// Kind of wakes for snapshots.
pub(crate) const SNAPSHOT: &str = "snapshot";

/// Takes snapshots of volumes at one instant.
#[derive(Debug, Clone, Serialize)]
pub struct TakeSnapshots {
    /// Of what.
    pub of: SnapshotOf,
    /// Display name.
    pub name: String,
    /// Description.
    pub description: String,
    /// Tags of each.
    pub tags: Tags,
    /// Whether each gets its volume's tags too.
    pub copy_tags: bool,
}

/// What snapshots are taken of.
#[derive(Debug, Clone, Serialize)]
pub enum SnapshotOf {
    /// These volumes: one, or several of one instance.
    Volumes(Vec<VolumeId>),
    /// The volumes of an instance.
    Instance {
        /// The instance.
        instance: InstanceId,
        /// Whether its system disk is left out.
        without_root: bool,
        /// Further volumes that are left out.
        without: Vec<VolumeId>,
    },
}

/// Deletes a snapshot, also one that is being taken. Refused while an image is made of it.
#[derive(Debug, Clone, Serialize)]
pub struct DeleteSnapshot {
    /// The snapshot.
    pub snapshot: SnapshotId,
}

/// Changes what is said of a snapshot. What is `None` stays.
#[derive(Debug, Clone, Serialize)]
pub struct ModifySnapshot {
    /// The snapshot.
    pub snapshot: SnapshotId,
    /// Display name.
    pub name: Option<String>,
    /// Description.
    pub description: Option<String>,
}

/// Changes who else may use a snapshot.
#[derive(Debug, Clone, Serialize)]
pub struct ShareSnapshot {
    /// The snapshot.
    pub snapshot: SnapshotId,
    /// The change.
    pub change: ShareChange,
}

impl Command for TakeSnapshots {
    type Reply = Vec<Snapshot>;
    const NAME: &'static str = "TakeSnapshots";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        let new = Target { path: Some("snapshot/*".to_owned()), request_tags: self.tags.clone(), ..Target::default() };
        let account = cx.caller.account();
        let mut targets = vec![new];
        match &self.of {
            SnapshotOf::Volumes(ids) => {
                for id in ids {
                    let own = tx.get::<Volume>(*id)?.filter(|volume| volume.account == account);
                    targets.push(Target::of("volume", id, &own.map(|volume| volume.tags).unwrap_or_default()));
                }
            }
            SnapshotOf::Instance { instance, .. } => {
                let own = tx.get::<Instance>(*instance)?.filter(|row| row.account == account);
                targets.push(Target::of("instance", instance, &own.map(|row| row.tags).unwrap_or_default()));
            }
        }
        Ok(targets)
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Snapshot>, Failure> {
        check_name("SnapshotName", &self.name)?;
        check_description(&self.description)?;
        let volumes = self.volumes(tx, cx)?;
        let job = take(tx, Taker::of(cx), &volumes, |volume, row| {
            row.name.clone_from(&self.name);
            row.description.clone_from(&self.description);
            if self.copy_tags {
                add_tags(&mut row.tags, &volume.tags)?;
            }
            add_tags(&mut row.tags, &self.tags)
        })?;
        Ok(job)
    }
}

impl TakeSnapshots {
    fn volumes(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Volume>, Failure> {
        let account = cx.caller.account();
        match &self.of {
            SnapshotOf::Volumes(ids) => ids.iter().map(|id| volume_of(tx, account, *id)).collect(),
            SnapshotOf::Instance { instance, without_root, without } => {
                let instance = instance_of(tx, account, *instance)?;
                let mut volumes = tx.volume_list_of_instance(instance.id)?;
                if let Some(stranger) = without.iter().find(|id| !volumes.iter().any(|volume| volume.id == **id)) {
                    return Err(Error::not_found(Noun::Volume, stranger).into());
                }
                let is_root = |volume: &Volume| volume.id == instance.root_volume;
                volumes.retain(|volume| !(without.contains(&volume.id) || *without_root && is_root(volume)));
                // The system disk first, as the vendors list them.
                volumes.sort_by_key(|volume| (!is_root(volume), volume.id));
                Ok(volumes)
            }
        }
    }
}

/// Who takes snapshots: a caller, or a policy of an account.
#[derive(Clone, Copy)]
pub(crate) struct Taker<'a> {
    pub cloud: &'a Cloud,
    pub account: AccountId,
    pub now: Millis,
}

impl<'a> Taker<'a> {
    /// The caller of a command.
    pub(crate) fn of(cx: &Cx<'a>) -> Taker<'a> {
        Taker { cloud: cx.cloud, account: cx.caller.account(), now: cx.now }
    }

    fn new_id(&self) -> SnapshotId {
        SnapshotId::from_u64(self.cloud.ids().next(self.now))
    }
}

/// Writes the rows of snapshots that are taken of volumes at one instant, each as `describe` says, and tells their host.
pub(crate) fn take(
    tx: &mut Tx<'_>,
    by: Taker<'_>,
    volumes: &[Volume],
    describe: impl Fn(&Volume, &mut Snapshot) -> Result<(), Error>,
) -> Result<Vec<Snapshot>, Failure> {
    let Some(first) = volumes.first() else {
        return Err(Error::invalid("VolumeId", "there is no volume to take a snapshot of").into());
    };
    let limit = tx.quota_limit(by.account, QuotaName::Snapshots)?;
    QuotaName::Snapshots.check(limit, tx.snapshot_count(by.account, limit)?, volumes.len() as u64)?;
    let together = |volume: &Volume| (volume.host, volume.instance) == (first.host, first.instance);
    if !volumes.iter().all(together) {
        let what = "a snapshot of volumes at one instant that are not all of one instance";
        return Err(Error::Unsupported { what: what.to_owned() }.into());
    }
    // A host that joined over the network reads the repository and does not write it.
    if tx.get::<Host>(first.host)?.is_some_and(|host| host.certificate.is_some()) {
        let what = format!("a snapshot or an image of {}, which lies where none can be stored from,", first.id);
        return Err(Error::Unsupported { what }.into());
    }
    let job = by.new_id();
    let mut rows = Vec::with_capacity(volumes.len());
    for volume in volumes {
        check_takeable(tx, volume)?;
        let id = if rows.is_empty() { job } else { by.new_id() };
        let mut row = row(tx, by, volume, id, job)?;
        describe(volume, &mut row)?;
        tx.insert(&row)?;
        tx.wake(SNAPSHOT, row.id, by.now.after(SNAPSHOT_DEADLINE_MS))?;
        rows.push(row);
    }
    tx.host_touch(first.host)?;
    Ok(rows)
}

fn row(tx: &Tx<'_>, by: Taker<'_>, volume: &Volume, id: SnapshotId, job: SnapshotId) -> Result<Snapshot, Failure> {
    Ok(Snapshot {
        id,
        account: by.account,
        name: String::new(),
        description: String::new(),
        volume: volume.id,
        of_root: volume.is_root(),
        device: volume.device.clone(),
        image: volume.image,
        size: volume.size,
        job,
        host: Some(volume.host),
        generation: volume.generation,
        under: under(tx, volume)?,
        encryption: volume.encryption.clone(),
        under_encryption: volume.under_encryption.clone(),
        mode: by.cloud.region().snapshot_modes.of(volume.kind, &volume.tags),
        phase: SnapshotPhase::Pending { percent: 0, until: by.now.after(SNAPSHOT_DEADLINE_MS) },
        manifest: None,
        stored_bytes: 0,
        created_at: by.now,
        ended_at: None,
        upload: None,
        policy: None,
        group: None,
        backup: false,
        expires_at: None,
        at_boot: None,
        consistency: None,
        shares: Shares::default(),
        tags: Tags::new(),
    })
}

/// The manifest that a volume's unwritten blocks are read from. Volumes made before it was noted read their image.
fn under(tx: &Tx<'_>, volume: &Volume) -> Result<Option<String>, Failure> {
    Ok(match (&volume.manifest, volume.image) {
        (Some(manifest), _) => Some(manifest.clone()),
        (None, Some(image)) => tx.get::<Image>(image)?.map(|image| image.manifest),
        (None, None) => None,
    })
}

fn check_takeable(tx: &Tx<'_>, volume: &Volume) -> Result<(), Failure> {
    require_openable(tx, &[volume.encryption.as_ref(), volume.under_encryption.as_ref()])?;
    if volume.shared {
        let what = format!("a snapshot or an image of {}, which several instances may have,", volume.id);
        return Err(Error::Unsupported { what }.into());
    }
    let (noun, id, state) = (Noun::Volume, volume.id.to_string(), volume.word());
    if volume.phase != VolumePhase::Present {
        return Err(Error::IncorrectState { noun, id, state, wanted: "available or in-use" }.into());
    }
    if volume.instance.is_some() && volume.attachment != Attachment::Attached {
        let state = volume.attachment_word().unwrap_or(state);
        return Err(Error::IncorrectState { noun, id, state, wanted: "attached or available" }.into());
    }
    if volume.size.0 > SNAPSHOT_GIB_MAX {
        return Err(Error::Unsupported { what: format!("a snapshot of a volume of more than {SNAPSHOT_GIB_MAX} GiB") }.into());
    }
    let pending = |snapshot: &Snapshot| matches!(snapshot.phase, SnapshotPhase::Pending { .. });
    if tx.snapshot_list_of_volume(volume.id)?.iter().filter(|snapshot| pending(snapshot)).count() >= SNAPSHOTS_PENDING_MAX {
        let what = format!("pending snapshots of the volume {id}");
        return Err(Error::LimitReached { name: "VolumeId", what, limit: SNAPSHOTS_PENDING_MAX as u64 }.into());
    }
    Ok(())
}

impl Command for DeleteSnapshot {
    type Reply = ();
    const NAME: &'static str = "DeleteSnapshot";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        Ok(vec![target(tx, cx, self.snapshot)?])
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<(), Failure> {
        let snapshot = snapshot_of(tx, cx.caller.account(), self.snapshot)?;
        delete(tx, &snapshot)
    }
}

/// Deletes a snapshot. Refused while an image is made of it or its volume waits to be rolled back to it.
pub(crate) fn delete(tx: &mut Tx<'_>, snapshot: &Snapshot) -> Result<(), Failure> {
    let by = used_by(tx, snapshot)?;
    if !by.is_empty() {
        return Err(Error::InUse { noun: Noun::Snapshot, id: snapshot.id.to_string(), by }.into());
    }
    forget(tx, snapshot)
}

/// Images that are made of a snapshot, some of them by name, and its volume where that waits to be rolled back to it.
pub(crate) fn used_by(tx: &Tx<'_>, snapshot: &Snapshot) -> Result<Vec<String>, Failure> {
    let uses = |image: &Image| image.holds_snapshots() && image.uses(snapshot.id);
    let images = tx.image_list_of(snapshot.account)?;
    let waiting = tx.get::<Volume>(snapshot.volume)?.filter(|volume| volume.rolls_back_to == Some(snapshot.id));
    let users = images.iter().filter(|image| uses(image)).map(|image| image.id.to_string());
    Ok(waiting.map(|volume| volume.id.to_string()).into_iter().chain(users).take(DEPENDENTS_NAMED).collect())
}

/// Deletes the row of a snapshot, which its host is told if it is being taken, and the group that it was the last of.
pub(crate) fn forget(tx: &mut Tx<'_>, snapshot: &Snapshot) -> Result<(), Failure> {
    if let Some(host) = snapshot.host
        && tx.get::<Host>(host)?.is_some()
    {
        tx.host_touch(host)?;
    }
    tx.delete::<Snapshot>(snapshot.id)?;
    end_trial_of(tx, snapshot.id)?;
    snapshot.group.map_or(Ok(()), |group| forget_if_empty(tx, group))
}

impl Command for ModifySnapshot {
    type Reply = ();
    const NAME: &'static str = "ModifySnapshot";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        Ok(vec![target(tx, cx, self.snapshot)?])
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<(), Failure> {
        let mut snapshot = snapshot_of(tx, cx.caller.account(), self.snapshot)?;
        if let Some(name) = &self.name {
            check_name("SnapshotName", name)?;
            snapshot.name.clone_from(name);
        }
        if let Some(description) = &self.description {
            check_description(description)?;
            snapshot.description.clone_from(description);
        }
        Ok(tx.update(&snapshot)?)
    }
}

impl Command for ShareSnapshot {
    type Reply = ();
    const NAME: &'static str = "ShareSnapshot";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        Ok(vec![target(tx, cx, self.snapshot)?])
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<(), Failure> {
        let mut snapshot = snapshot_of(tx, cx.caller.account(), self.snapshot)?;
        snapshot.shares.change(&self.change)?;
        if snapshot.shares.any() {
            check_shareable(tx, &[snapshot.encryption.as_ref()])?;
        }
        Ok(tx.update(&snapshot)?)
    }
}

/// Refuses to share what is encrypted: nobody but its account may use the key. EC2 refuses it for the default key, and asks the policy of
/// another, which keys here do not have.
pub(crate) fn check_shareable(tx: &Tx<'_>, encryptions: &[Option<&Encryption>]) -> Result<(), Failure> {
    let Some(encryption) = encryptions.iter().flatten().next() else { return Ok(()) };
    if tx.get::<KmsKey>(encryption.key)?.is_some_and(|key| key.is_default) {
        let reason = "Encrypted snapshots with EBS default key cannot be shared".to_owned();
        return Err(Error::InvalidCombination { reason }.into());
    }
    Err(Error::Unsupported { what: "sharing an encrypted snapshot with another account".to_owned() }.into())
}

/// The snapshot, if the account owns it.
pub(crate) fn snapshot_of(tx: &Tx<'_>, account: AccountId, id: SnapshotId) -> Result<Snapshot, Failure> {
    let snapshot = tx.get::<Snapshot>(id)?.filter(|snapshot| snapshot.account == account);
    Ok(snapshot.ok_or_else(|| Error::not_found(Noun::Snapshot, id))?)
}

/// The snapshot, if the account may make volumes of it.
pub(crate) fn snapshot_usable(tx: &Tx<'_>, account: AccountId, id: SnapshotId) -> Result<Snapshot, Failure> {
    let snapshot = tx.get::<Snapshot>(id)?.filter(|snapshot| snapshot.visible_to(account));
    Ok(snapshot.ok_or_else(|| Error::not_found(Noun::Snapshot, id))?)
}

/// What policies are asked about a snapshot.
pub(crate) fn target(tx: &Tx<'_>, cx: &Cx<'_>, id: SnapshotId) -> Result<Target, Failure> {
    let own = tx.get::<Snapshot>(id)?.filter(|snapshot| snapshot.account == cx.caller.account());
    Ok(Target::of("snapshot", id, &own.map(|snapshot| snapshot.tags).unwrap_or_default()))
}

/// The jobs of a host's document.
pub(crate) fn jobs(tx: &Tx<'_>, cloud: &Cloud, host: HostId) -> Result<Vec<SnapshotJob>, Failure> {
    let mut jobs: BTreeMap<SnapshotId, SnapshotJob> = BTreeMap::new();
    for row in tx.snapshot_list_of_host(host)? {
        let keys = disk_keys(tx, cloud, row.encryption.as_ref(), row.under_encryption.as_ref())?;
        let part =
            SnapshotPart { snapshot: row.id, volume: row.volume, generation: row.generation, mode: row.mode, under: row.under, keys };
        let new = || SnapshotJob { id: row.job, at_boot: row.at_boot, parts: vec![] };
        jobs.entry(row.job).or_insert_with(new).parts.push(part);
    }
    Ok(jobs.into_values().collect())
}

impl Cloud {
    /// Looks whether a snapshot has to be given up, and says when to look again.
    pub(crate) fn advance_snapshot(&self, tx: &mut Tx<'_>, id: SnapshotId, now: Millis) -> Result<Option<Millis>, Failure> {
        let Some(stored) = tx.get::<Snapshot>(id)? else { return Ok(None) };
        if stored.ended_at.is_some() {
            return self.expire_snapshot(tx, &stored, now);
        }
        let is_on_its_way = match stored.host {
            Some(host) => tx.get::<Host>(host)?.is_some(),
            None if stored.upload.is_some() => true,
            None => return Ok(None),
        };
        let mut row = stored.clone();
        let due = row.advance(is_on_its_way, now);
        self.settle_snapshot(tx, &stored, &row, now)?;
        Ok(due)
    }

    /// Deletes a snapshot whose time is over, unless an image is made of it; says when to look again.
    fn expire_snapshot(&self, tx: &mut Tx<'_>, row: &Snapshot, now: Millis) -> Result<Option<Millis>, Failure> {
        let Some(expiry) = row.expires_at else { return Ok(None) };
        if now < expiry {
            return Ok(Some(expiry));
        }
        if !used_by(tx, row)?.is_empty() {
            return Ok(Some(now.after(model::EXPIRED_AGAIN_MS)));
        }
        forget(tx, row)?;
        let what = What::Became { state: "expired".to_owned(), reason: String::new() };
        let id = EventId::from_u64(self.ids().next(now));
        tx.insert(&Event { id, account: row.account, at: now, what, resources: vec![row.id.to_string()] })?;
        Ok(None)
    }

    /// Writes down what a host says of the snapshots that it takes.
    pub(crate) fn write_snapshots(&self, tx: &mut Tx<'_>, report: &HostReport, now: Millis) -> Result<(), Failure> {
        for said in &report.snapshots {
            let Some(stored) = tx.get::<Snapshot>(said.id)?.filter(|row| row.host == Some(report.host)) else { continue };
            if let Some(fault) = &said.fault {
                tracing::warn!(snapshot = %said.id, detail = fault.detail, "a snapshot has a fault");
            }
            let mut row = stored.clone();
            row.consistency = said.consistency.or(row.consistency);
            match &said.state {
                SnapshotState::Waiting => continue,
                SnapshotState::Reading { percent } => row.hear(SnapshotSeen::Reading { percent: *percent }, now),
                SnapshotState::Done { manifest, stored_bytes, .. } => {
                    row.hear(SnapshotSeen::Done { manifest: manifest.clone(), stored_bytes: *stored_bytes }, now);
                }
                SnapshotState::Failed => row.hear(SnapshotSeen::Failed, now),
            }
            self.settle_snapshot(tx, &stored, &row, now)?;
        }
        Ok(())
    }

    pub(crate) fn settle_snapshot(&self, tx: &mut Tx<'_>, stored: &Snapshot, row: &Snapshot, now: Millis) -> Result<(), Failure> {
        if row == stored {
            return Ok(());
        }
        tx.update(row)?;
        if row.host.is_none() {
            if let Some(host) = stored.host
                && tx.get::<Host>(host)?.is_some()
            {
                tx.host_touch(host)?;
            }
            let what = What::Became { state: row.word().to_owned(), reason: String::new() };
            let id = EventId::from_u64(self.ids().next(now));
            tx.insert(&Event { id, account: row.account, at: now, what, resources: vec![row.id.to_string()] })?;
            self.end_surplus(tx, row, now)?;
            self.advance_image_of(tx, row)?;
            self.try_if_asked(tx, row, now)?;
        }
        Ok(())
    }
}
