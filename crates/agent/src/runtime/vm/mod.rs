//! The task of one machine: it alone touches the machine's process, folder and record, one wish at a time, the newest wins.
//!
//! ```text
//!   wish (start, stop, disk, reset, remove) ──┐
//!   event of QEMU, end of the process ────────┼──▶ act ──▶ status ──▶ coordinator
//!   deadline, health check, console drain ────┘
//! ```
//!
//! Waiting for a guest (power button, soft reset) is a state with a deadline, not a wait, so a newer wish is heard at once.
//! A QEMU that does not answer is reported and left alone as long as its process lives, unless it is to be off.

mod changes;
mod disks;
mod file_systems;
mod fleeces;
mod guest;
mod layers;
mod nics;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use hostspec::{FaultKind, HostSpec, Reset};
use model::{DiskLimits, InstanceId, InterfaceId, VolumeId};
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};

use self::disks::Leaving;
use super::host::Host;
use super::start;
use super::status::{Shared, Status};
use crate::block::shared::Sharing;
use crate::block::{Claim, PoolFile};
use crate::cage::{Cage, Inmate};
use crate::cgroup::Limits;
use crate::plan::{Change, Phase, SeenVm};
use crate::qemu::process::Process;
use crate::qemu::qmp::{Event, Qmp};
use crate::trouble::{Trouble, retry_after_ms};

/// Longest wait for QEMU to answer a command; a healthy one needs a millisecond, one on a swapping host a second.
const COMMAND: Duration = Duration::from_secs(5);
/// Time between two looks at a machine that says nothing.
const HEALTH: Duration = Duration::from_secs(10);
/// Longest wait for a process to end after it was killed, or after QEMU said that it ends.
const END: Duration = Duration::from_secs(10);
/// Time between two presses of the power button: a guest that is still booting misses the first.
const PRESS: Duration = Duration::from_secs(5);
/// Time to wait for a reset to be confirmed.
const RESET: Duration = Duration::from_secs(10);
/// Time that a machine must run before its last death is forgotten; shorter lives are failures in a row.
const STEADY: Duration = Duration::from_secs(30);
/// Shortest and longest time between two drains of the console: often while the guest writes, seldom while it is quiet.
const DRAIN_MIN: Duration = Duration::from_secs(1);
const DRAIN_MAX: Duration = Duration::from_secs(16);

/// What the coordinator wants next of a machine, with the document that it comes from.
#[derive(Debug, Clone)]
pub struct Wish {
    /// Grows with every wish.
    pub number: u64,
    /// What to do.
    pub change: Change,
    /// The document.
    pub spec: Arc<HostSpec>,
}

/// What is written down about a machine.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
struct Record {
    /// Number that its uid follows from.
    slot: Option<u32>,
    /// Restart count under which it was started or last reset.
    boot: u64,
    /// Whether the guest shut itself down.
    down: bool,
    /// The run of the host in which it was last running, if it should be running still.
    running: Option<String>,
    /// Whether the guest was told to hold its file systems, and has not said that it let them go.
    #[serde(default)]
    held: bool,
    /// Whether its processors were stopped for an instant, and have not been told to go on.
    #[serde(default)]
    paused: bool,
    /// Whether its process is being ended, and snapshots are read on without it: its guest must not write again.
    #[serde(default)]
    ending: bool,
}

/// A process that runs, or hangs.
struct Live {
    process: Process,
    inmate: Inmate,
    monitor: Option<(Qmp, mpsc::Receiver<Event>)>,
    claims: Vec<(VolumeId, Claim)>,
    /// Interfaces whose tap it has open.
    nics: Vec<InterfaceId>,
    intent: Intent,
    since: Instant,
    /// Whether QEMU paused the guest because a write failed.
    stalled: bool,
    /// Disks that the guest was asked to release.
    leaving: BTreeMap<VolumeId, Leaving>,
    /// What the guest is held to at its disks, as QEMU was last told.
    limits: BTreeMap<VolumeId, DiskLimits>,
    /// Cards without a cable that the guest was asked to release, with the time at which it is asked again.
    unplugged: BTreeMap<InterfaceId, Instant>,
    /// Disks of which the blocks are copied away before they are overwritten.
    copying: BTreeSet<VolumeId>,
}

impl Live {
    /// A process of which nothing is known yet but that it runs.
    fn new(process: Process, inmate: Inmate, monitor: Option<(Qmp, mpsc::Receiver<Event>)>, claims: Vec<(VolumeId, Claim)>) -> Live {
        let (intent, since) = (Intent::None, Instant::now());
        let nics = nics::of_process(process.pid());
        let (leaving, limits, unplugged, copying) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new(), BTreeSet::new());
        Live { process, inmate, monitor, claims, nics, intent, since, stalled: false, leaving, limits, unplugged, copying }
    }
}

/// What the guest is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Intent {
    None,
    Stop { grace_seconds: u32, deadline: Instant, press: Instant },
    Reset { boot: u64, how: Reset, deadline: Instant, press: Instant },
}

enum Wake {
    Wish,
    Event(Option<Event>),
    Exited,
    Deadline,
    Release,
    Drain,
    Health,
    Steady,
    Snapshot,
    End,
}

/// The task of one machine.
pub struct VmTask {
    host: Arc<Host>,
    id: InstanceId,
    shared: Arc<Shared>,
    wishes: watch::Receiver<Option<Wish>>,
    snapshots: watch::Receiver<u64>,
    record: Record,
    cage: Option<(Cage, Limits)>,
    live: Option<Live>,
    phase: Option<Phase>,
    fault: Option<(Trouble, u32)>,
    retry_at_ms: i64,
    tried: u64,
    done: u64,
    gone: bool,
    drain_at: Instant,
    drain_every: Duration,
    health_at: Instant,
}

impl VmTask {
    /// Makes the task of a machine; it looks at what is there first.
    pub fn new(host: Arc<Host>, id: InstanceId, shared: Arc<Shared>, wishes: watch::Receiver<Option<Wish>>) -> VmTask {
        let mut record: Record = crate::files::load(&host.folder(id).join("record.json"))
            .inspect_err(|e| tracing::error!(instance = %id, error = %e, "the record is unreadable, a new one is begun"))
            .ok()
            .flatten()
            .unwrap_or_default();
        record.slot = Some(host.take_slot(record.slot));
        let now = Instant::now();
        let snapshots = host.snapshots.ends();
        VmTask {
            host,
            id,
            shared,
            wishes,
            snapshots,
            record,
            cage: None,
            live: None,
            phase: Some(Phase::Starting),
            fault: None,
            retry_at_ms: 0,
            tried: 0,
            done: 0,
            gone: false,
            drain_at: now,
            drain_every: DRAIN_MIN,
            health_at: now + HEALTH,
        }
    }

    /// Runs until the machine is removed, or the coordinator goes; then the guest runs on by itself.
    pub async fn run(mut self) {
        self.adopt().await;
        self.phase = None;
        loop {
            self.publish();
            if self.gone {
                return;
            }
            match self.wake().await {
                Wake::End => return,
                Wake::Wish => self.obey().await,
                Wake::Event(Some(event)) => self.react(event).await,
                Wake::Event(None) => self.lose_monitor().await,
                Wake::Exited => self.died().await,
                Wake::Deadline => self.on_deadline().await,
                Wake::Release => {
                    self.ask_again().await;
                    self.ask_for_cards().await;
                }
                Wake::Drain => self.drain().await,
                Wake::Health => self.check_health().await,
                Wake::Steady => self.fault = None,
                Wake::Snapshot => self.tend_fleeces().await,
            }
        }
    }

    async fn wake(&mut self) -> Wake {
        let (drain_at, health_at, faulty) = (self.drain_at, self.health_at, self.fault.is_some());
        let Some(live) = &mut self.live else {
            return if self.wishes.changed().await.is_ok() { Wake::Wish } else { Wake::End };
        };
        let deadline = match live.intent {
            Intent::None => None,
            Intent::Stop { deadline, press, .. } | Intent::Reset { deadline, press, .. } => Some(deadline.min(press)),
        };
        let release = live.leaving.values().map(|leaving| leaving.ask).chain(live.unplugged.values().copied()).min();
        let steady = (faulty && !live.stalled && live.monitor.is_some()).then(|| live.since + STEADY);
        tokio::select! {
            biased;
            wish = self.wishes.changed() => if wish.is_ok() { Wake::Wish } else { Wake::End },
            event = next_event(&mut live.monitor) => Wake::Event(event),
            () = live.process.exited() => Wake::Exited,
            () = at(deadline) => Wake::Deadline,
            () = at(release) => Wake::Release,
            () = sleep_until(drain_at) => Wake::Drain,
            () = sleep_until(health_at) => Wake::Health,
            () = at(steady) => Wake::Steady,
            Ok(()) = self.snapshots.changed(), if !live.copying.is_empty() => Wake::Snapshot,
        }
    }

    /// Finds what an earlier agent left: a guest that runs, one that ended meanwhile, or nothing.
    async fn adopt(&mut self) {
        let folder = self.host.folder(self.id);
        let inmate = match crate::cage::inmate(&folder) {
            Ok(inmate) => inmate,
            Err(e) => return self.fail(Trouble::io("reading which process it is", &e)),
        };
        let process = inmate.as_ref().and_then(|i| start::find(i).unwrap_or_default());
        match (inmate, process) {
            (Some(inmate), Some(process)) => self.take_over(inmate, process).await,
            (Some(_), None) if self.record.running.as_ref() == Some(&crate::files::boot_id()) => {
                tracing::warn!(instance = %self.id, "QEMU ended while no agent was there");
                self.record.running = None;
                self.fail(Trouble::new(FaultKind::Died, "QEMU ended while no agent was there"));
                self.clear_away().await;
            }
            (Some(_) | None, None) | (None, Some(_)) => self.clear_away().await,
        }
    }

    async fn take_over(&mut self, inmate: Inmate, process: Process) {
        tracing::info!(instance = %self.id, pid = process.pid(), "guest found running");
        metrics::counter!("pileus_vm_adoptions_total").increment(1);
        self.record.boot = self.record.boot.max(inmate.boot);
        let claims = self.claims_of_open_files(process.pid());
        self.live = Some(Live::new(process, inmate, None, claims));
        self.check_health().await;
    }

    /// The volumes that a process has open, by its descriptors: true whatever documents said since it was started.
    fn claims_of_open_files(&self, pid: i32) -> Vec<(VolumeId, Claim)> {
        let open = std::fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
        let targets: Vec<_> = open.filter_map(|entry| std::fs::read_link(entry.path()).ok()).collect();
        let files = self.host.pool.files().unwrap_or_default();
        let open = |path: &std::path::Path| targets.contains(&std::fs::canonicalize(path).unwrap_or_default());
        let of_file = |file: PoolFile| (file.volume, Sharing::of(file.shared));
        let volumes: BTreeMap<VolumeId, Sharing> = files.into_iter().filter(|file| open(&file.path)).map(of_file).collect();
        volumes.into_iter().filter_map(|(volume, sharing)| Some((volume, self.host.pool.claim_as(volume, sharing).ok()?))).collect()
    }

    async fn obey(&mut self) {
        let Some(wish) = self.wishes.borrow_and_update().clone() else { return };
        let vm = wish.spec.vms.iter().find(|vm| vm.id == self.id).cloned();
        tracing::info!(instance = %self.id, change = ?wish.change, "change");
        match (wish.change, vm) {
            (Change::PrepareVm { .. }, Some(vm)) => self.prepare(&vm).await,
            (Change::StartVm { boot, .. }, Some(vm)) => self.start(&wish.spec, &vm, boot).await,
            (Change::StopVm { grace_seconds, .. }, _) => self.stop(grace_seconds).await,
            (Change::ResetVm { boot, how, .. }, _) => self.reset(boot, how).await,
            (Change::GrowDisk { volume, size_bytes, .. }, _) => self.grow(volume, size_bytes).await,
            (Change::AttachDisk { volume, .. }, Some(vm)) => self.attach(&wish.spec, &vm, volume).await,
            (Change::FreezeDisks { job, .. }, _) => self.freeze(&wish.spec, job).await,
            (Change::ThrottleDisk { volume, limits, .. }, _) => self.throttle(volume, limits).await,
            (Change::DetachDisk { volume, force, .. }, _) => self.detach(&wish.spec, volume, force).await,
            (Change::PlugNic { nic, .. }, Some(_)) => self.plug(&wish.spec, nic).await,
            (Change::UnplugNic { nic, .. }, _) => self.unplug(nic).await,
            (Change::SettleVm { .. }, _) => {
                self.record.down = false;
                self.write_down(true);
            }
            (Change::RemoveVm { .. }, _) => self.remove().await,
            (Change::PrepareVm { .. } | Change::StartVm { .. } | Change::AttachDisk { .. } | Change::PlugNic { .. }, None) => {}
            (
                Change::ApplyNetwork
                | Change::CreateVolume { .. }
                | Change::GrowVolume { .. }
                | Change::DeleteVolume { .. }
                | Change::FreezeVolumes { .. }
                | Change::ReadSnapshot { .. }
                | Change::ForgetSnapshot { .. },
                _,
            ) => {
                tracing::error!(instance = %self.id, "a change of the host reached a machine")
            }
        }
        self.done = wish.number;
    }

    fn set_intent(&mut self, intent: Intent) {
        if let Some(live) = &mut self.live {
            live.intent = intent;
        }
    }

    /// Notes a fault and holds back the next try.
    fn fail(&mut self, trouble: Trouble) {
        self.complain(trouble);
        let tries = self.fault.as_ref().map_or(1, |(_, tries)| *tries);
        self.retry_at_ms = crate::clock::uptime_ms() + retry_after_ms(tries);
    }

    fn complain(&mut self, trouble: Trouble) {
        tracing::warn!(instance = %self.id, fault = ?trouble.kind, detail = trouble.detail, "fault");
        let tries = self.fault.as_ref().map_or(0, |(_, tries)| *tries) + 1;
        self.fault = Some((trouble, tries));
    }

    fn write_down(&self, durably: bool) {
        let path = self.host.folder(self.id).join("record.json");
        let written = if durably { crate::files::store_durably(&path, &self.record) } else { crate::files::store(&path, &self.record) };
        if let Err(e) = written {
            tracing::error!(instance = %self.id, error = %e, "the record was not written");
        }
    }

    fn publish(&self) {
        let phase = match (&self.live, self.phase) {
            (_, Some(phase)) => phase,
            (None, None) if self.record.down => Phase::ShutDown,
            (None, None) => Phase::Stopped { prepared: self.cage.is_some() },
            (Some(live), None) => match live.intent {
                Intent::None => Phase::Running,
                Intent::Stop { grace_seconds, .. } => Phase::Stopping { grace_seconds },
                Intent::Reset { boot, how, .. } => Phase::Resetting { boot, how },
            },
        };
        let holds = self.live.iter().flat_map(|live| live.claims.iter().map(|(volume, _)| *volume)).collect();
        let nics = self.live.iter().flat_map(|live| live.nics.iter().copied()).collect();
        let leaving = self.live.iter().flat_map(|live| live.leaving.iter().map(|(volume, leaving)| (*volume, leaving.force))).collect();
        let limits = self.live.iter().flat_map(|live| live.limits.iter().map(|(volume, limits)| (*volume, *limits))).collect();
        let (boot, retry_at_ms, tried) = (self.record.boot, self.retry_at_ms, self.tried);
        let status = Status {
            seen: SeenVm { phase, boot, retry_at_ms, tried, holds, leaving, nics, limits },
            started_at_ms: self.live.as_ref().map_or(0, |live| live.inmate.started_at_ms.max(0) as u64),
            fault: self.fault.as_ref().map(|(trouble, tries)| trouble.fault(*tries)),
            done: self.done,
            gone: self.gone,
        };
        if self.shared.set(status) {
            self.host.changed.notify_one();
        }
    }
}

async fn next_event(monitor: &mut Option<(Qmp, mpsc::Receiver<Event>)>) -> Option<Event> {
    match monitor {
        Some((_, events)) => events.recv().await,
        None => std::future::pending().await,
    }
}

async fn at(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
