//! What to do next on a host: pure, the same answer for the same question.
//!
//! ```text
//!             On                     guest powers off
//!   Stopped ──────▶ Starting ─▶ Running ───────────▶ ShutDown
//!      ▲  ▲                      │   │ boot number grew   │ Off, or boot number grew
//!      │  └── process died ──────┘   ▼                    ▼
//!      └───────── Stopping ◀── Off  Resetting          Stopped / Starting
//! ```
//!
//! Each [`Change`] may be carried out twice without harm, and they are listed in the order of their dependencies. Nothing here
//! waits, reads a clock or knows how a change is made; what failed is held back by the `retry_at_ms` of what was seen.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use hostspec::{GuestMetadata, HostSpec, Power, Reset, SnapshotJob, SnapshotPart, VmNic, VmSpec, VolumeGoal, VolumeSpec};
use model::{DiskLimits, HostId, InstanceId, InterfaceId, SnapshotId, SnapshotMode, VolumeId};

/// What is on the host now, as far as the planner must know it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Seen {
    /// Milliseconds of the clock that the times of next tries are in, which nobody sets.
    pub now_ms: i64,
    /// Machines that exist, in whatever state.
    pub vms: BTreeMap<InstanceId, SeenVm>,
    /// Volumes whose bytes exist.
    pub volumes: BTreeMap<VolumeId, SeenVolume>,
    /// Volumes that could not be made, grown or deleted, with the time of the next try.
    pub volume_retry_at_ms: BTreeMap<VolumeId, i64>,
    /// Snapshots whose volumes were frozen.
    pub snapshots: BTreeMap<SnapshotId, SeenSnapshot>,
    /// Snapshots that could not be frozen or read, with the time of the next try.
    pub snapshot_retry_at_ms: BTreeMap<SnapshotId, i64>,
    /// The document whose networks were last applied without a fault.
    pub network: Option<Arc<HostSpec>>,
    /// Interfaces whose tap, routes and filter are in place.
    pub ready: BTreeSet<InterfaceId>,
    /// Time of the next try after the networks could not be applied.
    pub network_retry_at_ms: i64,
}

/// A machine as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenVm {
    /// What its process does.
    pub phase: Phase,
    /// The restart count under which it was started or last reset.
    pub boot: u64,
    /// Time before which a failed change is not tried again.
    pub retry_at_ms: i64,
    /// The restart count under which a start failed last: a higher one is a new wish of the tenant, which does not wait.
    pub tried: u64,
    /// Volumes that its process has open.
    pub holds: Vec<VolumeId>,
    /// Those of them that its guest was asked to release, and whether they are taken without its leave.
    pub leaving: Vec<(VolumeId, bool)>,
    /// Interfaces whose tap its process has open.
    pub nics: Vec<InterfaceId>,
    /// What its guest is held to at its disks, where it is held to anything.
    pub limits: Vec<(VolumeId, DiskLimits)>,
}

/// What the process of a machine does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// No process.
    Stopped {
        /// Whether an empty cage waits for it.
        prepared: bool,
    },
    /// A process is being made.
    Starting,
    /// The guest's processors run.
    Running,
    /// The guest was asked to shut down and is killed after so many seconds from then.
    Stopping {
        /// Seconds from the request to the kill.
        grace_seconds: u32,
    },
    /// The guest is being restarted under this count.
    Resetting {
        /// The count.
        boot: u64,
        /// How.
        how: Reset,
    },
    /// The guest shut itself down and the process is gone.
    ShutDown,
}

/// The bytes of a volume as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeenVolume {
    /// Their generation.
    pub generation: u64,
    /// Size in bytes as a guest sees it.
    pub size_bytes: u64,
}

/// A snapshot job as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SeenSnapshot {
    /// Its volumes were frozen and have to be read.
    Frozen,
    /// All of it was read, or cannot be.
    Ended,
}

/// One step towards the document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Kills the process and removes every trace of a machine that the document does not list.
    RemoveVm {
        /// The machine.
        vm: InstanceId,
    },
    /// Stops a machine: the power button, and the plug after `grace_seconds`.
    StopVm {
        /// The machine.
        vm: InstanceId,
        /// Seconds that the guest has; 0 pulls the plug.
        grace_seconds: u32,
    },
    /// Notes that a machine whose guest shut itself down was asked to be off, so that it may be started again.
    SettleVm {
        /// The machine.
        vm: InstanceId,
    },
    /// Makes an empty cage for a machine while its disks and network are being made.
    PrepareVm {
        /// The machine.
        vm: InstanceId,
    },
    /// Brings network devices and rules to what the document says.
    ApplyNetwork,
    /// Deletes the bytes of a volume up to this generation.
    DeleteVolume {
        /// The volume.
        volume: VolumeId,
        /// Its last generation.
        generation: u64,
    },
    /// Makes the bytes of a volume; those of an older generation are set aside.
    CreateVolume {
        /// The volume.
        volume: VolumeId,
        /// The generation to make.
        generation: u64,
        /// Its size.
        size_bytes: u64,
    },
    /// Grows a volume that no machine has open.
    GrowVolume {
        /// The volume.
        volume: VolumeId,
        /// Its generation.
        generation: u64,
        /// The size to reach.
        size_bytes: u64,
    },
    /// Grows a volume through the running machine that has it open.
    GrowDisk {
        /// The machine.
        vm: InstanceId,
        /// The volume.
        volume: VolumeId,
        /// The size to reach.
        size_bytes: u64,
    },
    /// Gives a running machine a further disk.
    AttachDisk {
        /// The machine.
        vm: InstanceId,
        /// The volume.
        volume: VolumeId,
    },
    /// Holds the guest of a running machine to other figures at a disk.
    ThrottleDisk {
        /// The machine.
        vm: InstanceId,
        /// The volume.
        volume: VolumeId,
        /// The figures.
        limits: DiskLimits,
    },
    /// Asks the guest of a running machine to release a disk.
    DetachDisk {
        /// The machine.
        vm: InstanceId,
        /// The volume.
        volume: VolumeId,
        /// Whether it is taken without the guest's leave.
        force: bool,
    },
    /// Gives a running machine a further interface.
    PlugNic {
        /// The machine.
        vm: InstanceId,
        /// The interface.
        nic: InterfaceId,
    },
    /// Cuts the cable of an interface of a running machine, and asks its guest to release the card.
    UnplugNic {
        /// The machine.
        vm: InstanceId,
        /// The interface.
        nic: InterfaceId,
    },
    /// Freezes the volumes of a snapshot job through the running machine that has them.
    FreezeDisks {
        /// The machine.
        vm: InstanceId,
        /// The job.
        job: SnapshotId,
    },
    /// Freezes the volumes of a snapshot job that no machine has.
    FreezeVolumes {
        /// The job.
        job: SnapshotId,
    },
    /// Reads what was frozen for a snapshot job.
    ReadSnapshot {
        /// The job.
        job: SnapshotId,
    },
    /// Forgets a snapshot job that the document does not list.
    ForgetSnapshot {
        /// The job.
        job: SnapshotId,
    },
    /// Starts a machine under this restart count.
    StartVm {
        /// The machine.
        vm: InstanceId,
        /// The restart count.
        boot: u64,
    },
    /// Resets a running machine under this restart count.
    ResetVm {
        /// The machine.
        vm: InstanceId,
        /// The restart count.
        boot: u64,
        /// How.
        how: Reset,
    },
}

impl Change {
    /// The machine whose task carries it out; none for what concerns a volume or the network alone.
    pub fn vm(&self) -> Option<InstanceId> {
        match self {
            Change::RemoveVm { vm }
            | Change::StopVm { vm, .. }
            | Change::SettleVm { vm }
            | Change::PrepareVm { vm }
            | Change::GrowDisk { vm, .. }
            | Change::AttachDisk { vm, .. }
            | Change::ThrottleDisk { vm, .. }
            | Change::DetachDisk { vm, .. }
            | Change::PlugNic { vm, .. }
            | Change::UnplugNic { vm, .. }
            | Change::FreezeDisks { vm, .. }
            | Change::StartVm { vm, .. }
            | Change::ResetVm { vm, .. } => Some(*vm),
            Change::ApplyNetwork
            | Change::DeleteVolume { .. }
            | Change::CreateVolume { .. }
            | Change::GrowVolume { .. }
            | Change::FreezeVolumes { .. }
            | Change::ReadSnapshot { .. }
            | Change::ForgetSnapshot { .. } => None,
        }
    }
}

/// Why a document is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It is for another host.
    #[error("the document is for {0}")]
    OtherHost(HostId),
    /// It is older than the one that is held.
    #[error("generation {offered} is older than {held}")]
    Older {
        /// Its generation.
        offered: u64,
        /// The generation that is held.
        held: u64,
    },
    /// It is written in a format that this build does not know.
    #[error("format {0} is not known")]
    Format(u32),
}

/// Says whether a document may take the place of the one that is held.
pub fn accept(held: &HostSpec, offered: &HostSpec) -> Result<(), Refused> {
    if offered.version != hostspec::VERSION {
        return Err(Refused::Format(offered.version));
    }
    if offered.host != held.host {
        return Err(Refused::OtherHost(offered.host));
    }
    if offered.generation < held.generation {
        return Err(Refused::Older { offered: offered.generation, held: held.generation });
    }
    Ok(())
}

/// Lists what to do next, in the order of dependencies. Empty when the host is what the document says, or when everything that
/// is missing waits for something that is under way or held back.
pub fn plan(spec: &HostSpec, seen: &Seen) -> Vec<Change> {
    let mut changes = Vec::new();
    let wanted: BTreeSet<InstanceId> = spec.vms.iter().map(|vm| vm.id).collect();
    for (&vm, state) in &seen.vms {
        if !wanted.contains(&vm) && state.retry_at_ms <= seen.now_ms {
            changes.push(Change::RemoveVm { vm });
        }
    }
    let volumes: BTreeMap<VolumeId, &VolumeSpec> = spec.volumes.iter().map(|v| (v.id, v)).collect();
    let wishes: Vec<Change> = spec.vms.iter().filter_map(|vm| plan_vm(vm, &volumes, seen)).collect();
    // One wish for a machine at a time: a disk of one that is being stopped is grown when nobody has it open.
    let idle = |vm: InstanceId| wanted.contains(&vm) && !wishes.iter().any(|wish| wish.vm() == Some(vm));
    let grown = |change: &Change| match change {
        // QEMU refuses it while a filter is there.
        Change::GrowDisk { vm, volume, .. } => idle(*vm) && !is_copied(*volume, spec, seen),
        _ => true,
    };
    let of_volumes: Vec<Change> = spec.volumes.iter().filter_map(|volume| plan_volume(volume, seen)).filter(grown).collect();
    let of_volumes = of_volumes.into_iter().filter(|change| !needs_snapshot(change, spec, seen)).collect::<Vec<_>>();
    let taken: Vec<InstanceId> = wishes.iter().chain(&of_volumes).filter_map(Change::vm).collect();
    let of_snapshots = plan_snapshots(spec, seen, &taken);
    let (early, late): (Vec<_>, Vec<_>) = wishes.into_iter().partition(frees_or_prepares);
    changes.extend(early);
    if !serves(seen.network.as_deref(), spec) && seen.network_retry_at_ms <= seen.now_ms {
        changes.push(Change::ApplyNetwork);
    }
    changes.extend(of_snapshots);
    changes.extend(of_volumes);
    changes.extend(late);
    changes
}

/// The earliest time at which a change that is held back now may be tried again.
pub fn next_retry_ms(seen: &Seen) -> Option<i64> {
    let vms = seen.vms.values().map(|vm| vm.retry_at_ms);
    let volumes = seen.volume_retry_at_ms.values().copied();
    let snapshots = seen.snapshot_retry_at_ms.values().copied();
    vms.chain(volumes).chain(snapshots).chain([seen.network_retry_at_ms]).filter(|&at| at > seen.now_ms).min()
}

fn frees_or_prepares(change: &Change) -> bool {
    matches!(change, Change::StopVm { .. } | Change::SettleVm { .. } | Change::PrepareVm { .. })
}

fn plan_vm(vm: &VmSpec, volumes: &BTreeMap<VolumeId, &VolumeSpec>, seen: &Seen) -> Option<Change> {
    let absent = SeenVm {
        phase: Phase::Stopped { prepared: false },
        boot: 0,
        retry_at_ms: 0,
        tried: 0,
        holds: vec![],
        leaving: vec![],
        nics: vec![],
        limits: vec![],
    };
    let state = seen.vms.get(&vm.id).unwrap_or(&absent);
    match vm.power {
        Power::Off { grace_seconds } => stop(vm.id, grace_seconds, state),
        Power::On => keep_on(vm, state, volumes, seen),
    }
}

fn stop(vm: InstanceId, grace_seconds: u32, state: &SeenVm) -> Option<Change> {
    let stop = Change::StopVm { vm, grace_seconds };
    match state.phase {
        Phase::Stopped { prepared: false } => None,
        Phase::ShutDown => Some(Change::SettleVm { vm }),
        Phase::Stopping { grace_seconds: asked } => (grace_seconds < asked).then_some(stop),
        Phase::Stopped { prepared: true } | Phase::Starting | Phase::Running | Phase::Resetting { .. } => Some(stop),
    }
}

fn keep_on(vm: &VmSpec, state: &SeenVm, volumes: &BTreeMap<VolumeId, &VolumeSpec>, seen: &Seen) -> Option<Change> {
    let asked_again = vm.boot > state.boot;
    let reset = Change::ResetVm { vm: vm.id, boot: vm.boot, how: vm.reset };
    match state.phase {
        Phase::Stopped { prepared } if state.retry_at_ms <= seen.now_ms || vm.boot > state.boot.max(state.tried) => {
            start(vm, prepared, volumes, seen)
        }
        Phase::ShutDown if asked_again => start(vm, false, volumes, seen),
        Phase::Running => match root(vm, state, volumes, seen) {
            Root::Ready => Some(Change::StopVm { vm: vm.id, grace_seconds: 0 }),
            Root::Awaited => None,
            Root::Open if asked_again => Some(reset),
            Root::Open => unplug(vm, state)
                .or_else(|| change_disks(vm, state, volumes, seen))
                .or_else(|| throttle(vm, state, seen))
                .or_else(|| plug(vm, state, seen)),
        },
        Phase::Resetting { boot, how } => {
            let harder = how == Reset::Soft && vm.reset == Reset::Hard;
            (vm.boot > boot && harder).then_some(reset)
        }
        Phase::Stopped { .. } | Phase::Starting | Phase::Stopping { .. } | Phase::ShutDown => None,
    }
}

fn start(vm: &VmSpec, prepared: bool, volumes: &BTreeMap<VolumeId, &VolumeSpec>, seen: &Seen) -> Option<Change> {
    let disks = vm.disks.iter().all(|disk| volumes.get(&disk.volume).is_none_or(|spec| volume_ready(spec, seen)));
    let is_free = |nic: &InterfaceId| !seen.vms.iter().any(|(id, other)| *id != vm.id && other.nics.contains(nic));
    if disks && vm.nics.iter().all(|nic| seen.ready.contains(&nic.id) && is_free(&nic.id)) {
        return Some(Change::StartVm { vm: vm.id, boot: vm.boot });
    }
    (!prepared).then_some(Change::PrepareVm { vm: vm.id })
}

/// The disk that a machine should boot from.
enum Root {
    /// The machine has it open.
    Open,
    /// It can be opened, or can be made when the machine has let go of it.
    Ready,
    /// It is being made.
    Awaited,
}

/// A machine boots from another disk, or from other bytes of it, only in another process. The guest of the old one is not asked: what it
/// has in memory belongs to a disk that it loses. A process that is not known to have any disk is one of which nothing is known.
fn root(vm: &VmSpec, state: &SeenVm, volumes: &BTreeMap<VolumeId, &VolumeSpec>, seen: &Seen) -> Root {
    let first = vm.disks.first().and_then(|disk| volumes.get(&disk.volume));
    let Some(spec) = first.filter(|spec| spec.goal != VolumeGoal::Deleted && !state.holds.is_empty()) else { return Root::Open };
    if state.holds.contains(&spec.id) {
        let is_older = seen.volumes.get(&spec.id).is_some_and(|have| have.generation < spec.generation);
        return if is_older { Root::Ready } else { Root::Open };
    }
    let is_free = !seen.vms.values().any(|other| other.holds.contains(&spec.id));
    if is_free && volume_ready(spec, seen) { Root::Ready } else { Root::Awaited }
}

/// One disk at a time. The one that a machine booted from stays until it is off. A volume that another machine still has open, where
/// it is not shared, and one that its guest was just asked to release, are waited for.
fn change_disks(vm: &VmSpec, state: &SeenVm, volumes: &BTreeMap<VolumeId, &VolumeSpec>, seen: &Seen) -> Option<Change> {
    let listed = |volume: &VolumeId| vm.disks.iter().any(|disk| disk.volume == *volume);
    let detach = |volume: &VolumeId| {
        let force = vm.seized.contains(volume);
        let asked = state.leaving.iter().any(|(leaving, forced)| leaving == volume && *forced >= force);
        (!listed(volume) && !asked).then_some(Change::DetachDisk { vm: vm.id, volume: *volume, force })
    };
    if let Some(change) = state.holds.iter().find_map(detach) {
        return Some(change);
    }
    let is_shared = |volume: &VolumeId| volumes.get(volume).is_some_and(|spec| spec.is_shared());
    let held_by = |vm: &SeenVm, volume: &VolumeId| vm.holds.contains(volume);
    let is_free = |volume: &VolumeId| match is_shared(volume) {
        true => !held_by(state, volume),
        false => !seen.vms.values().any(|other| held_by(other, volume)),
    };
    let is_ready = |volume: &VolumeId| volumes.get(volume).is_some_and(|spec| spec.goal != VolumeGoal::Deleted && volume_ready(spec, seen));
    let missing = vm.disks.iter().skip(1).map(|disk| disk.volume).find(|volume| is_free(volume) && is_ready(volume));
    missing.filter(|_| state.retry_at_ms <= seen.now_ms).map(|volume| Change::AttachDisk { vm: vm.id, volume })
}

/// One disk at a time, of those that the machine has.
fn throttle(vm: &VmSpec, state: &SeenVm, seen: &Seen) -> Option<Change> {
    let held_to = |volume: VolumeId| state.limits.iter().find(|(known, _)| *known == volume).map(|(_, limits)| *limits).unwrap_or_default();
    let other = vm.disks.iter().find(|disk| state.holds.contains(&disk.volume) && held_to(disk.volume) != disk.limits);
    let other = other.filter(|_| state.retry_at_ms <= seen.now_ms);
    other.map(|disk| Change::ThrottleDisk { vm: vm.id, volume: disk.volume, limits: disk.limits })
}

/// An interface that goes is cut off at once, whatever else there is to do: another machine may wait for it.
fn unplug(vm: &VmSpec, state: &SeenVm) -> Option<Change> {
    let listed = |nic: &InterfaceId| vm.nics.iter().any(|wanted| wanted.id == *nic);
    state.nics.iter().find(|nic| !listed(nic)).map(|nic| Change::UnplugNic { vm: vm.id, nic: *nic })
}

/// One interface at a time; one that another machine still has is waited for.
fn plug(vm: &VmSpec, state: &SeenVm, seen: &Seen) -> Option<Change> {
    let is_free = |nic: &InterfaceId| !seen.vms.values().any(|other| other.nics.contains(nic));
    let missing = vm.nics.iter().map(|nic| nic.id).find(|nic| is_free(nic) && seen.ready.contains(nic));
    missing.filter(|_| state.retry_at_ms <= seen.now_ms).map(|nic| Change::PlugNic { vm: vm.id, nic })
}

/// Whether the networks that were applied, and what guests are told in them, are those of the document.
fn serves(applied: Option<&HostSpec>, spec: &HostSpec) -> bool {
    fn told(spec: &HostSpec) -> impl Iterator<Item = (InstanceId, &GuestMetadata, &[VmNic])> {
        spec.vms.iter().map(|vm| (vm.id, &vm.metadata, &vm.nics[..]))
    }
    applied.is_some_and(|applied| std::ptr::eq(applied, spec) || (applied.networks == spec.networks && told(applied).eq(told(spec))))
}

/// Whether a machine may open the volume; true for what the document marks as deleted, so that the start fails with words.
fn volume_ready(spec: &VolumeSpec, seen: &Seen) -> bool {
    match spec.goal {
        VolumeGoal::Deleted => true,
        VolumeGoal::Present { size_bytes, .. } => {
            seen.volumes.get(&spec.id).is_some_and(|have| have.generation == spec.generation && have.size_bytes >= size_bytes)
        }
    }
}

fn plan_volume(spec: &VolumeSpec, seen: &Seen) -> Option<Change> {
    if seen.volume_retry_at_ms.get(&spec.id).is_some_and(|&at| at > seen.now_ms) {
        return None;
    }
    let holder = seen.vms.iter().find(|(_, vm)| vm.holds.contains(&spec.id)).map(|(&id, vm)| (id, vm.phase));
    let (volume, generation) = (spec.id, spec.generation);
    let have = seen.volumes.get(&volume);
    match spec.goal {
        VolumeGoal::Deleted => {
            let ours = have.is_some_and(|have| have.generation <= generation);
            (ours && holder.is_none()).then_some(Change::DeleteVolume { volume, generation })
        }
        VolumeGoal::Present { size_bytes, .. } => match have {
            Some(have) if have.generation > generation => None,
            Some(have) if have.generation == generation => {
                if have.size_bytes >= size_bytes {
                    return None;
                }
                match holder {
                    None => Some(Change::GrowVolume { volume, generation, size_bytes }),
                    // The others that have it would not learn of it.
                    Some(_) if spec.is_shared() => None,
                    Some((vm, Phase::Running)) => Some(Change::GrowDisk { vm, volume, size_bytes }),
                    Some(_) => None,
                }
            }
            Some(_) | None => holder.is_none().then_some(Change::CreateVolume { volume, generation, size_bytes }),
        },
    }
}

/// What to do about snapshots, while the machines in `taken` have something else to do.
fn plan_snapshots(spec: &HostSpec, seen: &Seen, taken: &[InstanceId]) -> Vec<Change> {
    let listed = |job: &SnapshotId| spec.snapshots.iter().any(|known| known.id == *job);
    let held_back = |job: &SnapshotId| seen.snapshot_retry_at_ms.get(job).is_some_and(|&at| at > seen.now_ms);
    let forgotten = seen.snapshots.keys().filter(|job| !listed(job)).map(|&job| Change::ForgetSnapshot { job });
    let next = |job: &SnapshotJob| match seen.snapshots.get(&job.id) {
        Some(SeenSnapshot::Ended) => None,
        Some(SeenSnapshot::Frozen) => Some(Change::ReadSnapshot { job: job.id }),
        None => freeze(job, spec, seen, taken),
    };
    forgotten.chain(spec.snapshots.iter().filter(|job| !held_back(&job.id)).filter_map(next)).collect()
}

/// Freezes the volumes of a job when all of them are here, and one running machine has them all or none has any. What is between is
/// waited for: a machine that starts or stops, a disk on its way.
fn freeze(job: &SnapshotJob, spec: &HostSpec, seen: &Seen, taken: &[InstanceId]) -> Option<Change> {
    let volumes: Vec<VolumeId> = job.parts.iter().map(|part| part.volume).collect();
    let here = |part: &SnapshotPart| seen.volumes.get(&part.volume).is_some_and(|have| have.generation == part.generation);
    // One that is being copied has one filter; the next snapshot waits until that is stored.
    if !job.parts.iter().all(here) || volumes.iter().any(|volume| is_copied(*volume, spec, seen)) {
        return None;
    }
    let mut holders = seen.vms.iter().filter(|(_, vm)| volumes.iter().any(|volume| vm.holds.contains(volume)));
    match (holders.next(), holders.next()) {
        (None, _) => {
            let opening = |vm: &VmSpec| {
                let starts = seen.vms.get(&vm.id).is_some_and(|state| state.phase == Phase::Starting) || taken.contains(&vm.id);
                starts && vm.disks.iter().any(|disk| volumes.contains(&disk.volume))
            };
            (!spec.vms.iter().any(|vm| opening(vm))).then_some(Change::FreezeVolumes { job: job.id })
        }
        (Some((&vm, state)), None) => {
            let has_all = volumes.iter().all(|volume| state.holds.contains(volume));
            let leaves = state.leaving.iter().any(|(volume, _)| volumes.contains(volume));
            // Its restart freezes them; what it did not freeze, because somebody died in between, is frozen after it.
            let restarted = job.at_boot.is_none_or(|boot| state.boot >= boot);
            let ready = restarted && state.phase == Phase::Running && state.retry_at_ms <= seen.now_ms && !taken.contains(&vm);
            (has_all && !leaves && ready).then_some(Change::FreezeDisks { vm, job: job.id })
        }
        (Some(_), Some(_)) => None,
    }
}

/// Whether the blocks of a volume are being copied away for a snapshot that is not read yet.
fn is_copied(volume: VolumeId, spec: &HostSpec, seen: &Seen) -> bool {
    let unread = spec.snapshots.iter().filter(|job| seen.snapshots.get(&job.id) == Some(&SeenSnapshot::Frozen));
    unread.flat_map(|job| &job.parts).any(|part| part.volume == volume && part.mode == SnapshotMode::Copy)
}

/// Whether a change would delete a volume that a snapshot has still to read.
fn needs_snapshot(change: &Change, spec: &HostSpec, seen: &Seen) -> bool {
    let Change::DeleteVolume { volume, .. } = change else { return false };
    let unread = spec.snapshots.iter().filter(|job| seen.snapshots.get(&job.id) != Some(&SeenSnapshot::Ended));
    unread.flat_map(|job| &job.parts).any(|part| part.volume == *volume)
}

#[cfg(test)]
#[path = "plan_tests.rs"]
pub(crate) mod tests;
