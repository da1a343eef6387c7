//! The coordinator: one task that sees everything and touches nothing.
//!
//! It wakes when a document, a status, the end of a job or a retry is due, asks the planner, hands each change to the machine's task
//! or to a job, and reports. A change that is already under way is not handed out again; one that failed is held back by its time.

mod report;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hostspec::{Accelerator, FaultKind, HostReport, HostSpec, Power, VolumeGoal, VolumeSpec};
use model::{ImageId, InstanceId, InterfaceId, SnapshotId, VolumeId};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::host::Host;
use super::read_snapshot;
use super::status::{Shared, Status};
use super::vm::{VmTask, Wish};
use crate::block::Inventory;
use crate::block::disk_key;
use crate::net::NetReport;
use crate::plan::{self, Change, Phase, Seen, SeenVolume};
use crate::qemu::serial::Console;
use crate::trouble::{Trouble, retry_after_ms};

/// Time in which changes are gathered into one report.
const COALESCE: Duration = Duration::from_millis(3);
/// Time between two reports when nothing changes, so that a lost one is made good.
const REPORT_EVERY: Duration = Duration::from_secs(10);
/// Time between two looks at everything, in case that something was not pushed.
const LOOK_EVERY: Duration = Duration::from_secs(30);
/// A look that is due while another is under way is asked for again after so long.
const LOOK_SOONEST: Duration = Duration::from_millis(100);
/// Time between two looks at the networks, which others may have changed by hand, and how much longer than a look itself it is
/// at least: very large networks take no more than a tenth of a processor for it.
const NETWORK_LOOK_EVERY: Duration = Duration::from_secs(5);
const NETWORK_LOOK_REST: u32 = 10;
/// How long it is told that a network was put right.
const REPAIR_TOLD_FOR: Duration = Duration::from_secs(600);
/// Repairs that are told of at once; older ones give way.
const REPAIRS_TOLD: usize = 16;
/// Snapshots that are read at once: each keeps two processors busy with compressing, which guests should have.
const SNAPSHOTS_AT_ONCE: usize = 2;
/// Time that machines have to finish the step that they are in when the agent ends.
const FAREWELL: Duration = Duration::from_secs(30);

/// What the agent does with the documents that it is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Brings the host to what they say.
    Converge,
    /// Keeps them and stops all machines.
    StopAll {
        /// Seconds that each guest has.
        grace_seconds: u32,
    },
    /// Removes all machines.
    Remove,
}

/// The machines of this host and what is known of each. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Machines(Arc<Mutex<BTreeMap<InstanceId, Arc<Shared>>>>);

impl Machines {
    /// What is known of a machine.
    pub fn get(&self, id: InstanceId) -> Option<Arc<Shared>> {
        self.with(|map| map.get(&id).cloned())
    }

    /// All of them.
    pub fn list(&self) -> Vec<(InstanceId, Arc<Shared>)> {
        self.with(|map| map.iter().map(|(id, shared)| (*id, shared.clone())).collect())
    }

    fn with<T>(&self, act: impl FnOnce(&mut BTreeMap<InstanceId, Arc<Shared>>) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Who is at work on something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Subject {
    Volume(VolumeId),
    Network,
    Image(ImageId),
    Snapshot(SnapshotId),
    Kept,
    Server,
}

enum JobEnd {
    Volume(VolumeId, Result<Option<SeenVolume>, Trouble>),
    Network(Arc<HostSpec>, NetReport),
    Image(ImageId, Result<(), Trouble>),
    Snapshot(SnapshotId, Result<(), Trouble>),
    Kept(u64, std::io::Result<()>),
    Server(Result<(), Trouble>),
}

struct Machine {
    wishes: watch::Sender<Option<Wish>>,
    last: Option<(u64, Change)>,
}

#[derive(Default)]
struct Held {
    trouble: Option<Trouble>,
    tries: u32,
    retry_at_ms: i64,
}

impl Held {
    fn fail(&mut self, trouble: Trouble) {
        self.tries += 1;
        self.retry_at_ms = crate::clock::uptime_ms() + retry_after_ms(self.tries);
        self.trouble = Some(trouble);
    }
}

/// The coordinator of one agent.
pub struct Coordinator {
    host: Arc<Host>,
    machines: Machines,
    tasks: JoinSet<()>,
    wishes: HashMap<InstanceId, Machine>,
    wish_number: u64,
    jobs: JoinSet<(Subject, JobEnd)>,
    busy: HashMap<Subject, ()>,
    spec: Arc<HostSpec>,
    documents: watch::Receiver<Arc<HostSpec>>,
    documents_ended: bool,
    reports: mpsc::Sender<HostReport>,
    mode: watch::Receiver<Mode>,
    quiet: watch::Sender<Option<Mode>>,
    accelerator: watch::Receiver<Option<Accelerator>>,
    volumes: BTreeMap<VolumeId, SeenVolume>,
    troubles: BTreeMap<VolumeId, Held>,
    snapshot_troubles: BTreeMap<SnapshotId, Held>,
    network: Option<Arc<HostSpec>>,
    network_ready: BTreeSet<InterfaceId>,
    network_looked: Instant,
    network_began: Instant,
    network_took: Duration,
    repairs: VecDeque<(Instant, String)>,
    network_faults: Vec<String>,
    network_tries: u32,
    network_retry_at_ms: i64,
    image_faults: BTreeMap<ImageId, Trouble>,
    server_wanted: bool,
    server_fault: Option<Trouble>,
    incarnation: u64,
    sequence: u64,
    kept: u64,
    applied: u64,
    report_at: Option<Instant>,
    last_report: Instant,
}

impl Coordinator {
    /// Makes the coordinator and the tasks of all machines that have left something here.
    pub fn new(
        host: Arc<Host>,
        machines: Machines,
        kept: HostSpec,
        documents: watch::Receiver<Arc<HostSpec>>,
        reports: mpsc::Sender<HostReport>,
        mode: watch::Receiver<Mode>,
        quiet: watch::Sender<Option<Mode>>,
    ) -> std::io::Result<Coordinator> {
        let Inventory { volumes, unusable } = host.pool.inventory()?;
        let troubles = unusable.into_iter().map(|(id, trouble)| (id, Held { trouble: Some(trouble), tries: 1, retry_at_ms: 0 }));
        let mut incarnation = [0; 8];
        getrandom::fill(&mut incarnation).map_err(|e| std::io::Error::other(e.to_string()))?;
        let (accelerator, generation) = (host.accelerator.clone(), kept.generation);
        let mut coordinator = Coordinator {
            host,
            machines,
            tasks: JoinSet::new(),
            wishes: HashMap::new(),
            wish_number: 0,
            jobs: JoinSet::new(),
            busy: HashMap::new(),
            spec: Arc::new(kept),
            documents,
            documents_ended: false,
            reports,
            mode,
            quiet,
            accelerator,
            volumes,
            troubles: troubles.collect(),
            snapshot_troubles: BTreeMap::new(),
            network: None,
            network_ready: BTreeSet::new(),
            network_looked: Instant::now(),
            network_began: Instant::now(),
            network_took: Duration::ZERO,
            repairs: VecDeque::new(),
            network_faults: vec![],
            network_tries: 0,
            network_retry_at_ms: 0,
            image_faults: BTreeMap::new(),
            server_wanted: false,
            server_fault: None,
            incarnation: u64::from_le_bytes(incarnation) >> 1, // 63 bits: databases count in signed numbers.
            sequence: 0,
            kept: generation,
            applied: 0,
            report_at: None,
            last_report: Instant::now(),
        };
        for vm in coordinator.host.known_vms()? {
            coordinator.machine(vm);
        }
        coordinator.prepare_images();
        Ok(coordinator)
    }

    /// Runs until `ended` is dropped or answered; guests run on.
    pub async fn run(mut self, mut ended: oneshot::Receiver<()>) {
        self.take_document();
        loop {
            self.step();
            let wake = self.next_wake();
            tokio::select! {
                _ = &mut ended => break,
                changed = self.documents.changed(), if !self.documents_ended => match changed {
                    Ok(()) => self.take_document(),
                    Err(_) => self.documents_ended = true,
                },
                Ok(()) = self.mode.changed() => {}
                Ok(()) = self.accelerator.changed() => self.report_soon(),
                () = self.host.changed.notified() => self.report_soon(),
                () = self.host.inspect.notified() => self.inspect_network(),
                Some(end) = self.jobs.join_next() => self.finish(end),
                () = sleep_until(wake) => {}
            }
        }
        // Whoever clears up after this must not be overtaken by a job that still starts something.
        self.jobs.shutdown().await;
        self.wishes.clear();
        let last_steps = async { while self.tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(FAREWELL, last_steps).await.is_err() {
            tracing::warn!("a machine did not finish its step in time; the next agent finds it");
        }
    }

    fn step(&mut self) {
        self.forget_gone();
        let seen = self.see();
        let spec = self.goal();
        let changes: Vec<Change> = plan::plan(&spec, &seen).into_iter().filter(|change| self.allowed(change)).collect();
        let tried = changes.iter().all(|change| matches!(change, Change::ReadSnapshot { .. }));
        if tried && self.jobs_done() && self.applied != self.spec.generation {
            self.applied = self.spec.generation;
            self.report_soon();
        }
        for change in changes {
            self.hand_out(change, &spec);
        }
        if self.network_looked.elapsed() >= self.network_pause() && self.network.is_some() {
            // Somebody else's `nft flush` or `ip link del` is repaired although no document changed.
            self.apply_network(spec);
        }
        self.tell_quiet();
        if self.report_at.is_some_and(|at| at <= Instant::now()) || self.last_report.elapsed() >= REPORT_EVERY {
            self.report();
        }
    }

    fn network_pause(&self) -> Duration {
        NETWORK_LOOK_EVERY.max(self.network_took * NETWORK_LOOK_REST)
    }

    fn inspect_network(&mut self) {
        self.host.network.doubt();
        let spec = self.goal();
        self.apply_network(spec);
    }

    /// The document that the machine is brought to, which is not the one that is kept while guests are being stopped or removed.
    fn goal(&self) -> Arc<HostSpec> {
        match *self.mode.borrow() {
            Mode::Converge => self.spec.clone(),
            Mode::StopAll { grace_seconds } => {
                let mut spec = HostSpec::clone(&self.spec);
                spec.vms.iter_mut().for_each(|vm| vm.power = Power::Off { grace_seconds });
                Arc::new(spec)
            }
            Mode::Remove => Arc::new(HostSpec { generation: self.spec.generation, ..HostSpec::empty(self.spec.host) }),
        }
    }

    /// While guests are being stopped, nothing is made, and a guest that shut itself down stays so for the next agent.
    fn allowed(&self, change: &Change) -> bool {
        let converging = *self.mode.borrow() == Mode::Converge;
        converging || matches!(change, Change::StopVm { .. } | Change::RemoveVm { .. } | Change::ApplyNetwork)
    }

    /// Says when the mode has nothing left to stop or to remove.
    fn tell_quiet(&self) {
        let statuses = self.machines.list();
        let mode = *self.mode.borrow();
        let quiet = match mode {
            Mode::Converge => false,
            Mode::StopAll { .. } => statuses.iter().all(|(_, shared)| !shared.status().alive()),
            Mode::Remove => statuses.is_empty() && self.network.as_ref().is_some_and(|spec| spec.networks.is_empty()),
        };
        let now = quiet.then_some(mode);
        self.quiet.send_if_modified(|held| std::mem::replace(held, now) != now);
    }

    fn see(&self) -> Seen {
        let vms = self.machines.list().into_iter().map(|(id, shared)| (id, shared.status().seen)).collect();
        Seen {
            now_ms: crate::clock::uptime_ms(),
            vms,
            volumes: self.volumes.clone(),
            volume_retry_at_ms: self.troubles.iter().map(|(id, t)| (*id, t.retry_at_ms)).collect(),
            snapshots: self.host.snapshots.seen(),
            snapshot_retry_at_ms: self.snapshot_troubles.iter().map(|(id, t)| (*id, t.retry_at_ms)).collect(),
            network: self.network.clone(),
            ready: self.network_ready.clone(),
            network_retry_at_ms: self.network_retry_at_ms,
        }
    }

    fn next_wake(&self) -> Instant {
        let now = Instant::now();
        let retry = plan::next_retry_ms(&self.see()).map(|at| {
            let wait = at.saturating_sub(crate::clock::uptime_ms()).clamp(0, LOOK_EVERY.as_millis() as i64);
            now + Duration::from_millis(wait as u64)
        });
        let report = self.report_at.unwrap_or(self.last_report + REPORT_EVERY);
        let network = (self.network_looked + self.network_pause()).max(now + LOOK_SOONEST);
        retry.into_iter().chain([report, network, now + LOOK_EVERY]).min().unwrap_or(now + LOOK_EVERY)
    }

    fn take_document(&mut self) {
        let offered = self.documents.borrow_and_update().clone();
        match plan::accept(&self.spec, &offered) {
            Err(why) => {
                tracing::warn!(%why, generation = offered.generation, "document refused");
                metrics::counter!("pileus_documents_refused_total").increment(1);
                return;
            }
            Ok(()) if *offered == *self.spec => return,
            Ok(()) => {}
        }
        // Kept before it is applied, or an agent that is killed in between would take new machines for strangers. The file is
        // whole at once; that the disk has it, which only a power cut could show, is waited for in the background.
        if let Err(e) = crate::files::store(&self.host.spec_path(), &*offered.to_keep()) {
            tracing::error!(error = %e, "the document cannot be kept and is not applied");
            self.network_faults = vec![format!("the state folder cannot be written: {e}")];
            self.report_soon();
            return;
        }
        tracing::debug!(generation = offered.generation, vms = offered.vms.len(), "document taken");
        self.spec = offered;
        self.prepare_images();
        self.sync_kept();
        self.report_soon();
    }

    fn sync_kept(&mut self) {
        let (path, generation) = (self.host.spec_path(), self.spec.generation);
        self.job(Subject::Kept, move || {
            let synced = std::fs::File::open(&path).and_then(|file| file.sync_all());
            let folder = path.parent().map_or(Ok(()), |folder| std::fs::File::open(folder).and_then(|f| f.sync_all()));
            JobEnd::Kept(generation, synced.and(folder))
        });
    }

    /// Checks the images of the document while nobody waits for them, and sees to it that their server runs.
    fn prepare_images(&mut self) {
        let listed: Vec<ImageId> = self.spec.images.iter().map(|image| image.id).collect();
        self.image_faults.retain(|id, _| listed.contains(id));
        let over_manifest = |volume: &VolumeSpec| matches!(volume.goal, VolumeGoal::Present { manifest: Some(_), .. });
        if listed.is_empty() && !self.spec.volumes.iter().any(over_manifest) {
            return;
        }
        for image in self.spec.images.clone() {
            if !self.busy.contains_key(&Subject::Image(image.id)) {
                let host = self.host.clone();
                self.job(Subject::Image(image.id), move || JobEnd::Image(image.id, host.images.readable(&image).map(drop)));
            }
        }
        if !std::mem::replace(&mut self.server_wanted, true) {
            self.watch_server(Duration::ZERO);
        }
    }

    /// Runs the image server until it ends; its end comes back as the end of this job.
    fn watch_server(&mut self, delay: Duration) {
        let host = self.host.clone();
        self.busy.insert(Subject::Server, ());
        self.jobs.spawn(async move {
            tokio::time::sleep(delay).await;
            let end = match host.server.ensure().await {
                Err(trouble) => Err(trouble),
                Ok(process) => {
                    process.exited().await;
                    Ok(())
                }
            };
            (Subject::Server, JobEnd::Server(end))
        });
    }

    fn hand_out(&mut self, change: Change, spec: &Arc<HostSpec>) {
        let host = self.host.clone();
        match change {
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
            | Change::ResetVm { vm, .. } => self.wish(vm, change, spec),
            Change::ApplyNetwork => self.apply_network(spec.clone()),
            Change::CreateVolume { volume, generation, size_bytes } => {
                let spec = spec.clone();
                self.volume_job(volume, move || {
                    let key = disk_key::of_volume(&spec, volume)?;
                    let is_shared = spec.volumes.iter().any(|known| known.id == volume && known.is_shared());
                    let made = match is_shared {
                        true => host.pool.create_shared(volume, generation, size_bytes)?,
                        false => host.pool.create(volume, generation, size_bytes, key.as_ref())?,
                    };
                    host.pool.delete_older(volume)?;
                    Ok(Some(made))
                })
            }
            Change::GrowVolume { volume, generation, size_bytes } => {
                self.volume_job(volume, move || host.pool.grow(volume, generation, size_bytes).map(Some))
            }
            Change::FreezeVolumes { job } | Change::ReadSnapshot { job } | Change::ForgetSnapshot { job } => {
                self.snapshot_job(job, change, spec)
            }
            Change::DeleteVolume { volume, generation } => {
                self.volume_job(volume, move || host.pool.delete(volume, generation).map(|()| None))
            }
        }
    }

    fn wish(&mut self, vm: InstanceId, change: Change, spec: &Arc<HostSpec>) {
        let done = self.machine(vm).status().done;
        self.wish_number += 1;
        let number = self.wish_number;
        let Some(machine) = self.wishes.get_mut(&vm) else { return };
        if machine.last.as_ref().is_some_and(|(last, under_way)| *under_way == change && done < *last) {
            return;
        }
        machine.last = Some((number, change.clone()));
        machine.wishes.send_replace(Some(Wish { number, change, spec: spec.clone() }));
    }

    /// What is known of a machine, whose task is started if it has none.
    fn machine(&mut self, vm: InstanceId) -> Arc<Shared> {
        if let Some(shared) = self.machines.get(vm) {
            return shared;
        }
        let shared = Shared::new(Console::new(self.host.folder(vm).join("console.log")));
        let (wishes, receiver) = watch::channel(None);
        self.machines.with(|map| map.insert(vm, shared.clone()));
        self.wishes.insert(vm, Machine { wishes, last: None });
        self.tasks.spawn(VmTask::new(self.host.clone(), vm, shared.clone(), receiver).run());
        shared
    }

    fn forget_gone(&mut self) {
        while self.tasks.try_join_next().is_some() {}
        for (id, shared) in self.machines.list() {
            if shared.status().gone {
                self.machines.with(|map| map.remove(&id));
                self.wishes.remove(&id);
            }
        }
        self.look_at_grown_disks();
    }

    /// A disk that a machine grew is as large as its file says.
    fn look_at_grown_disks(&mut self) {
        let grown: Vec<(InstanceId, VolumeId, u64)> = self
            .wishes
            .iter()
            .filter_map(|(id, machine)| {
                let Some((number, Change::GrowDisk { volume, size_bytes, .. })) = machine.last else { return None };
                let done = self.machines.get(*id).is_some_and(|shared| shared.status().done >= number);
                done.then_some((*id, volume, size_bytes))
            })
            .collect();
        for (vm, volume, size_bytes) in grown {
            if let Some(machine) = self.wishes.get_mut(&vm) {
                machine.last = None;
            }
            let held = self.host.pool.inventory().unwrap_or_default().volumes.remove(&volume);
            let end = match held {
                Some(seen) if seen.size_bytes >= size_bytes => Ok(Some(seen)),
                Some(_) | None => Err(Trouble::new(FaultKind::Other, format!("{vm} did not grow {volume}"))),
            };
            self.finish_volume(volume, end);
        }
    }

    fn job(&mut self, subject: Subject, work: impl FnOnce() -> JobEnd + Send + 'static) {
        self.busy.insert(subject, ());
        self.jobs.spawn_blocking(move || (subject, work()));
    }

    fn volume_job(&mut self, volume: VolumeId, work: impl FnOnce() -> Result<Option<SeenVolume>, Trouble> + Send + 'static) {
        if !self.busy.contains_key(&Subject::Volume(volume)) {
            self.job(Subject::Volume(volume), move || JobEnd::Volume(volume, work()));
        }
    }

    /// Freezes, reads or forgets a snapshot; few are read at once.
    fn snapshot_job(&mut self, job: SnapshotId, change: Change, spec: &Arc<HostSpec>) {
        let under_way = self.busy.keys().filter(|subject| matches!(subject, Subject::Snapshot(_))).count();
        if self.busy.contains_key(&Subject::Snapshot(job)) || under_way >= SNAPSHOTS_AT_ONCE {
            return;
        }
        let (host, spec) = (self.host.clone(), spec.clone());
        self.job(Subject::Snapshot(job), move || {
            let end = match change {
                Change::ReadSnapshot { .. } => read_snapshot::read(&host, job, &spec),
                Change::ForgetSnapshot { .. } => read_snapshot::forget(&host, job),
                _ => spec.snapshots.iter().find(|known| known.id == job).map_or(Ok(()), |known| read_snapshot::freeze(&host, known)),
            };
            JobEnd::Snapshot(job, end)
        });
    }

    fn finish_snapshot(&mut self, job: SnapshotId, end: Result<(), Trouble>) {
        match end {
            Ok(()) => drop(self.snapshot_troubles.remove(&job)),
            Err(trouble) => {
                tracing::warn!(%job, detail = trouble.detail, "a snapshot failed and is tried again");
                self.snapshot_troubles.entry(job).or_default().fail(trouble);
            }
        }
    }

    fn apply_network(&mut self, spec: Arc<HostSpec>) {
        if self.busy.contains_key(&Subject::Network) {
            return;
        }
        self.busy.insert(Subject::Network, ());
        self.network_began = Instant::now();
        let host = self.host.clone();
        self.jobs.spawn(async move {
            let report = host.network.apply(&spec).await;
            tokio::spawn(async move {
                if let Err(error) = host.network.count(crate::clock::now_ms()).await {
                    tracing::warn!(%error, "the traffic of public addresses could not be taken down; the next minute tells of both");
                }
                if let Err(error) = host.network.take_flows(crate::clock::now_ms()).await {
                    tracing::warn!(%error, "flows could not be taken down; they are read again");
                }
            });
            (Subject::Network, JobEnd::Network(spec, report))
        });
    }

    fn jobs_done(&self) -> bool {
        let alive = |status: Status| status.seen.phase == Phase::Starting;
        let under_way = self.wishes.iter().any(|(id, machine)| {
            let status = self.machines.get(*id).map(|shared| shared.status());
            status.is_some_and(|s| machine.last.as_ref().is_some_and(|(number, _)| s.done < *number) || alive(s))
        });
        !under_way && self.busy.keys().all(|subject| matches!(subject, Subject::Server | Subject::Snapshot(_)))
    }

    fn finish(&mut self, end: Result<(Subject, JobEnd), tokio::task::JoinError>) {
        let (subject, end) = match end {
            Ok(end) => end,
            // A job that panicked is one that is never under way again; the next plan starts another.
            Err(e) => {
                tracing::error!(error = %e, "a job ended badly");
                return self.busy.retain(|subject, ()| matches!(subject, Subject::Server));
            }
        };
        self.busy.remove(&subject);
        match end {
            JobEnd::Volume(volume, end) => self.finish_volume(volume, end),
            JobEnd::Network(spec, report) => self.finish_network(spec, report),
            JobEnd::Image(image, Ok(())) => drop(self.image_faults.remove(&image)),
            JobEnd::Image(image, Err(trouble)) => drop(self.image_faults.insert(image, trouble)),
            JobEnd::Snapshot(job, end) => self.finish_snapshot(job, end),
            JobEnd::Kept(generation, Ok(())) => self.kept = self.kept.max(generation),
            JobEnd::Kept(_, Err(e)) => tracing::error!(error = %e, "the document may not survive a power cut"),
            JobEnd::Server(end) => {
                self.server_fault = end.err();
                tracing::warn!(fault = ?self.server_fault, "the image server ended");
                let delay = if self.server_fault.is_some() { retry_after_ms(1) } else { 0 };
                self.watch_server(Duration::from_millis(delay as u64));
            }
        }
        self.report_soon();
    }

    fn finish_volume(&mut self, volume: VolumeId, end: Result<Option<SeenVolume>, Trouble>) {
        match end {
            Ok(seen) => {
                self.troubles.remove(&volume);
                match seen {
                    Some(seen) => drop(self.volumes.insert(volume, seen)),
                    None => drop(self.volumes.remove(&volume)),
                }
            }
            Err(trouble) => {
                tracing::warn!(%volume, detail = trouble.detail, "fault");
                self.troubles.entry(volume).or_default().fail(trouble);
            }
        }
        self.report_soon();
    }

    fn finish_network(&mut self, spec: Arc<HostSpec>, report: NetReport) {
        self.network_looked = Instant::now();
        self.network_took = self.network_began.elapsed();
        self.repairs.extend(report.repaired.into_iter().map(|words| (self.network_looked, words)));
        self.repairs.drain(..self.repairs.len().saturating_sub(REPAIRS_TOLD));
        self.network_ready = report.ready;
        self.network_faults = report.faults.into_iter().map(|fault| fault.detail).collect();
        if self.network_faults.is_empty() {
            self.network = Some(spec);
            (self.network_tries, self.network_retry_at_ms) = (0, 0);
        } else {
            // What was applied is not known; the next try compares with the kernel.
            self.network = None;
            self.network_tries += 1;
            self.network_retry_at_ms = crate::clock::uptime_ms() + retry_after_ms(self.network_tries);
        }
    }

    fn report_soon(&mut self) {
        let at = Instant::now() + COALESCE;
        self.report_at = Some(self.report_at.map_or(at, |earlier| earlier.min(at)));
    }
}
