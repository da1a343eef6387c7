//! Trials of snapshots: begun when asked for, placed where there is room, told to their host, and ended with a verdict.
//!
//! ```text
//!   tag ─▶ row, wake ─▶ a machine and a disk in the host's document ─▶ its report ─▶ tags of the snapshot, tombstone ─▶ row gone
//! ```
//!
//! Machine and disk are neither instance nor volume: no list, quota or bill knows of them.

use std::net::Ipv4Addr;

use hostspec::{DiskSpec, Firmware, GuestMetadata, HostReport, Power, Reset, VmSpec, VolumeGoal, VolumeSpec, VolumeState};
use model::{
    DiskLimits, Event, EventId, Host, HostId, HostState, ImageId, InstanceId, Millis, ReasonKind, Seen, SeenState, Snapshot, SnapshotId,
    SnapshotPhase, SnapshotTrial, TRIAL_LOOK_MS, TRIAL_MEMORY, TRIAL_TAG, TRIAL_VCPUS, TRIALS_PER_HOST, TrialFacts, TrialPhase, TrialSeen,
    TrialStep, TrialVerdict, Volume, VolumeId, What, asks_for_trial,
};
use store::Tx;

use crate::disk_encryption::disk_keys;
use crate::host::{disk_serial, machine_uuid};
use crate::{Cloud, Failure};

/// Kind of wakes for trials of snapshots.
pub(crate) const SNAPSHOT_TRIAL: &str = "snapshot_trial";

/// A trial as its host is told of it.
pub(crate) struct TrialParts {
    /// Its machine; none while it is taken away.
    pub vm: Option<VmSpec>,
    /// Its disk, or that it is deleted.
    pub volume: VolumeSpec,
}

/// The trials of a host's document.
pub(crate) fn trials(tx: &Tx<'_>, cloud: &Cloud, host: HostId) -> Result<Vec<TrialParts>, Failure> {
    tx.snapshot_trial_list_of_host(host)?.iter().map(|row| parts(tx, cloud, row)).collect()
}

fn parts(tx: &Tx<'_>, cloud: &Cloud, row: &SnapshotTrial) -> Result<TrialParts, Failure> {
    let snapshot = tx.get::<Snapshot>(row.snapshot)?;
    let contents = snapshot.and_then(|snapshot| snapshot.trial_contents().ok());
    let Some(contents) = contents.filter(|_| matches!(row.phase, TrialPhase::Running { .. })) else {
        return Ok(TrialParts { vm: None, volume: VolumeSpec { id: row.volume, generation: 1, goal: VolumeGoal::Deleted } });
    };
    // What its guest writes is encrypted as the snapshot is, and goes with the disk.
    let keys = disk_keys(tx, cloud, contents.encryption.as_ref(), contents.encryption.as_ref())?;
    let goal = VolumeGoal::Present { size_bytes: row.size.bytes(), image: None, manifest: Some(contents.manifest), keys, shared: false };
    Ok(TrialParts { vm: Some(machine(cloud, row)), volume: VolumeSpec { id: row.volume, generation: 1, goal } })
}

/// A machine with one disk and no interface, so nobody asks for its metadata.
fn machine(cloud: &Cloud, row: &SnapshotTrial) -> VmSpec {
    VmSpec {
        id: row.machine,
        power: Power::On,
        boot: 0,
        reset: Reset::Hard,
        vcpus: TRIAL_VCPUS,
        memory: TRIAL_MEMORY,
        firmware: Firmware { uuid: machine_uuid(row.machine), manufacturer: "Pileus".to_owned(), product: "Pileus".to_owned() },
        disks: vec![DiskSpec { volume: row.volume, serial: disk_serial(row.volume), limits: DiskLimits::default() }],
        seized: vec![],
        nics: vec![],
        metadata: GuestMetadata {
            account: row.account.to_string(),
            region: cloud.region().name.clone(),
            zone: String::new(),
            image: row.image.unwrap_or(ImageId::from_u64(row.volume.as_u64())),
            instance_type: String::new(),
            reservation: String::new(),
            launch_index: 0,
            launched_at: row.created_at.timestamp().to_string(),
            hostname: "trial".to_owned(),
            name: String::new(),
            ssh_keys: vec![],
            password_hash: None,
            user_data_base64: None,
            tags: vec![],
            token_required: true,
            hop_limit: 1,
            enabled: false,
            private_ip: Ipv4Addr::UNSPECIFIED,
            public_ip: None,
            security_groups: vec![],
            role: None,
            placement: None,
            events: vec![],
        },
    }
}

/// Has the trial of a snapshot that is deleted looked at, which ends it.
pub(crate) fn end_trial_of(tx: &mut Tx<'_>, snapshot: SnapshotId) -> Result<(), Failure> {
    let Some(row) = tx.get::<SnapshotTrial>(snapshot)? else { return Ok(()) };
    Ok(tx.wake(SNAPSHOT_TRIAL, snapshot, row.created_at)?)
}

/// A host that has room for a trial; for one that has a host already, that or none.
fn room(tx: &Tx<'_>, cloud: &Cloud, row: &SnapshotTrial) -> Result<Option<HostId>, Failure> {
    for host in tx.host_list()? {
        let is_possible = host.state == HostState::Up && row.host.is_none_or(|own| own == host.id);
        if is_possible && has_room(tx, cloud, row, &host)? {
            return Ok(Some(host.id));
        }
    }
    Ok(None)
}

/// Whether what instances and volumes leave of a host is enough. A trial is not counted there, so it keeps nobody from coming.
fn has_room(tx: &Tx<'_>, cloud: &Cloud, row: &SnapshotTrial, host: &Host) -> Result<bool, Failure> {
    let Some(capacity) = &host.capacity else { return Ok(false) };
    let others = tx.snapshot_trial_list_of_host(host.id)?.iter().filter(|other| other.snapshot != row.snapshot).count();
    let held = tx.instance_held_on_host(host.id)?;
    let disk = capacity.disk_gib.saturating_mul(u64::from(cloud.region().disk_overcommit));
    Ok(others < TRIALS_PER_HOST
        && held.vcpus.saturating_add(u64::from(TRIAL_VCPUS)) <= u64::from(capacity.vcpus)
        && held.memory_mib.saturating_add(TRIAL_MEMORY.0) <= capacity.memory.0
        && tx.volume_gib_on_host(host.id)?.saturating_add(u64::from(row.size.0)) <= disk)
}

impl Cloud {
    /// Tries a snapshot that was just completed, if it, or else its disk, says so.
    pub(crate) fn try_if_asked(&self, tx: &mut Tx<'_>, snapshot: &Snapshot, now: Millis) -> Result<(), Failure> {
        let volume = tx.get::<Volume>(snapshot.volume)?;
        let of_volume = || volume.is_some_and(|volume| asks_for_trial(&volume.tags));
        let asked = if snapshot.tags.contains_key(TRIAL_TAG) { asks_for_trial(&snapshot.tags) } else { of_volume() };
        if asked { self.try_snapshot(tx, snapshot, now) } else { Ok(()) }
    }

    /// Tries a snapshot, once it is completed; one trial at a time.
    pub(crate) fn try_snapshot(&self, tx: &mut Tx<'_>, snapshot: &Snapshot, now: Millis) -> Result<(), Failure> {
        if matches!(snapshot.phase, SnapshotPhase::Pending { .. }) || tx.get::<SnapshotTrial>(snapshot.id)?.is_some() {
            return Ok(());
        }
        if let Err((verdict, reason)) = snapshot.trial_contents() {
            return self.judge(tx, snapshot.id, verdict, &reason, now);
        }
        let machine = InstanceId::from_u64(self.ids().next(now));
        let volume = VolumeId::from_u64(self.ids().next(now));
        tx.insert(&SnapshotTrial::of(snapshot, machine, volume, now))?;
        Ok(tx.wake(SNAPSHOT_TRIAL, snapshot.id, now)?)
    }

    /// Looks whether a trial goes on, and says when to look again.
    pub(crate) fn advance_snapshot_trial(&self, tx: &mut Tx<'_>, id: SnapshotId, now: Millis) -> Result<Option<Millis>, Failure> {
        let Some(row) = tx.get::<SnapshotTrial>(id)? else { return Ok(None) };
        let goes_on = self.settle_trial(tx, row, None, now)?;
        Ok(goes_on.then(|| now.after(TRIAL_LOOK_MS)))
    }

    /// Writes down what a host says of the trials on it.
    pub(crate) fn write_trials(
        &self,
        tx: &mut Tx<'_>,
        report: &HostReport,
        said: impl Fn(InstanceId) -> Option<Seen>,
        now: Millis,
    ) -> Result<(), Failure> {
        for row in tx.snapshot_trial_list_of_host(report.host)? {
            let vm = said(row.machine);
            let console = report.consoles.iter().find(|console| console.id == row.machine);
            let fault = vm.as_ref().and_then(|vm| vm.fault.as_ref());
            let seen = TrialSeen {
                console: console.map_or("", |console| &console.newest),
                is_damaged: fault.is_some_and(|fault| fault.kind == ReasonKind::ImageFault),
                is_down: vm.as_ref().is_some_and(|vm| vm.state == SeenState::ShutDown),
                is_removed: report.volumes.iter().any(|volume| volume.id == row.volume && volume.state == VolumeState::Deleted),
            };
            self.settle_trial(tx, row, Some(seen), now)?;
        }
        Ok(())
    }

    /// Says whether there still is a trial.
    fn settle_trial(&self, tx: &mut Tx<'_>, row: SnapshotTrial, seen: Option<TrialSeen<'_>>, now: Millis) -> Result<bool, Failure> {
        let facts = TrialFacts {
            snapshot_exists: tx.get::<Snapshot>(row.snapshot)?.is_some(),
            host_exists: row.host.map(|host| tx.get::<Host>(host)).transpose()?.flatten().is_some(),
            room: room(tx, self, &row)?,
            seen,
        };
        let (next, verdict) = match row.advance(facts, now) {
            TrialStep::Wait => return Ok(true),
            TrialStep::Forget(verdict) => {
                tx.delete::<SnapshotTrial>(row.snapshot)?;
                (None, verdict)
            }
            TrialStep::Change(phase, host, verdict) => {
                let next = SnapshotTrial { phase, host, ..row.clone() };
                tx.update(&next)?;
                (Some(next), verdict)
            }
        };
        if let Some((verdict, reason)) = verdict {
            self.judge(tx, row.snapshot, verdict, &reason, now)?;
        }
        let mut hosts: Vec<HostId> = row.host.into_iter().chain(next.as_ref().and_then(|next| next.host)).collect();
        hosts.dedup();
        for host in hosts {
            if tx.get::<Host>(host)?.is_some() {
                tx.host_touch(host)?;
            }
        }
        Ok(next.is_some())
    }

    fn judge(&self, tx: &mut Tx<'_>, id: SnapshotId, verdict: TrialVerdict, reason: &str, now: Millis) -> Result<(), Failure> {
        let Some(mut snapshot) = tx.get::<Snapshot>(id)? else { return Ok(()) };
        snapshot.judge(verdict, reason, now);
        tx.update(&snapshot)?;
        metrics::counter!("pileus_snapshot_trials", "verdict" => verdict.word()).increment(1);
        let what = What::Became { state: format!("tried: {}", verdict.word()), reason: reason.to_owned() };
        let event = EventId::from_u64(self.ids().next(now));
        Ok(tx.insert(&Event { id: event, account: snapshot.account, at: now, what, resources: vec![id.to_string()] })?)
    }
}
