//! Simulated hosts that do as they are told: the same documents and reports as real ones, without machines.
//!
//! They let the whole API be tried, and measured, at sizes that no laptop runs. A machine runs as soon as the document says so;
//! volumes exist and go at once.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use control::{Cloud, NewHost};
use hostspec::{
    Accelerator, Capacity, HostReport, HostSpec, Power, SnapshotPart, SnapshotReport, SnapshotState, VERSION, VmReport, VmSpec, VmState,
    VolumeGoal, VolumeReport, VolumeSpec, VolumeState,
};
use model::{Error, HostId, InstanceId, Mib, VolumeId};
use tokio::sync::watch;

/// Time between two reports when nothing changes.
const REPORT_EVERY: Duration = Duration::from_secs(10);
/// How long the start waits for hosts to be connected. Documents of many machines take longer, and the API need not wait.
const CONNECT_PATIENCE: Duration = Duration::from_millis(500);
/// Hosts that one transaction adds.
const JOIN_BATCH: usize = 1_000;

/// Hosts of a zone that stand in one rack.
const HOSTS_IN_RACK: usize = 10;

/// What one simulated host has: a server with two sockets of 32 cores and half a tebibyte.
pub const CAPACITY: Capacity = Capacity { vcpus: 64, memory: Mib(512 * 1024), disk_gib: 16 * 1024, accelerator: Accelerator::Simulated };

/// Adds `count` hosts, spread over the zones, and runs them until the tasks are dropped with the runtime.
pub async fn start(cloud: &Cloud, count: u32) -> Result<Vec<HostId>, Error> {
    let zones = &cloud.region().zones;
    let host = |n: u32| NewHost {
        name: format!("simulated-{n:06}"),
        zones: vec![zones[n as usize % zones.len()].clone()],
        // No packets go between them.
        underlay: Ipv4Addr::LOCALHOST,
        rack: Some(format!("rack-{:03}", n as usize / zones.len() / HOSTS_IN_RACK)),
    };
    let all: Vec<NewHost> = (0..count).map(host).collect();
    let mut ids = Vec::with_capacity(all.len());
    for batch in all.chunks(JOIN_BATCH) {
        ids.extend(cloud.hosts_join(batch.to_vec()).await?);
    }
    let connecting = tokio::spawn(connect(cloud.clone(), ids.clone()));
    match tokio::time::timeout(CONNECT_PATIENCE, connecting).await {
        Ok(Ok(connected)) => connected?,
        Ok(Err(error)) => tracing::error!(%error, "the simulated hosts could not be connected"),
        Err(_) => tracing::info!("the simulated hosts hold much; they are connected one after the other from here on"),
    }
    Ok(ids)
}

/// Connects hosts one after the other, so that a processor is left for those who call.
async fn connect(cloud: Cloud, ids: Vec<HostId>) -> Result<(), Error> {
    for id in ids {
        let documents = cloud.host_connect(id).await?;
        tokio::spawn(run(cloud.clone(), Simulated::new(id), documents));
    }
    Ok(())
}

async fn run(cloud: Cloud, mut host: Simulated, mut documents: watch::Receiver<Arc<HostSpec>>) {
    loop {
        let spec = documents.borrow_and_update().clone();
        let report = host.obey(&spec);
        if let Err(error) = cloud.report(report).await {
            tracing::warn!(%error, host = %host.id, "a simulated host's report was not taken");
        }
        tokio::select! {
            changed = documents.changed() => if changed.is_err() { return },
            () = tokio::time::sleep(REPORT_EVERY) => {}
        }
    }
}

/// A host that exists only here.
#[derive(Debug, Clone)]
pub struct Simulated {
    id: HostId,
    incarnation: u64,
    sequence: u64,
    held: Arc<HostSpec>,
    shut_down: BTreeMap<InstanceId, u64>,
    /// Machines whose guests release no disk, and what those that run have.
    stubborn: BTreeMap<InstanceId, BTreeSet<VolumeId>>,
}

impl Simulated {
    /// Makes a host that holds nothing.
    pub fn new(id: HostId) -> Simulated {
        Simulated {
            id,
            incarnation: 1,
            sequence: 0,
            held: Arc::new(HostSpec::empty(id)),
            shut_down: BTreeMap::new(),
            stubborn: BTreeMap::new(),
        }
    }

    /// Forgets what a process would, and numbers its reports anew.
    pub fn restart(&mut self, incarnation: u64) {
        self.incarnation = incarnation;
        self.sequence = 0;
    }

    /// Has the guest of a machine shut itself down.
    pub fn guest_shuts_down(&mut self, id: InstanceId) {
        if let Some(vm) = self.held.vms.iter().find(|vm| vm.id == id) {
            self.shut_down.insert(id, vm.boot);
        }
    }

    /// Has the guest of a machine release no disk that it has.
    pub fn guest_keeps_disks(&mut self, id: InstanceId) {
        let vm = self.held.vms.iter().find(|vm| vm.id == id);
        let has = vm.into_iter().flat_map(|vm| &vm.disks).map(|disk| disk.volume).collect();
        self.stubborn.insert(id, has);
    }

    /// Takes a document, unless it is older than the one held, does what it says, and reports.
    pub fn obey(&mut self, spec: &Arc<HostSpec>) -> HostReport {
        if spec.host == self.id && spec.generation >= self.held.generation {
            self.held = spec.clone();
        }
        self.sequence += 1;
        let held = self.held.clone();
        self.shut_down.retain(|id, boot| held.vms.iter().any(|vm| vm.id == *id && vm.boot == *boot));
        HostReport {
            version: VERSION,
            host: self.id,
            incarnation: self.incarnation,
            sequence: self.sequence,
            generation: held.generation,
            applied: held.generation,
            capacity: CAPACITY,
            vms: held.vms.iter().map(|vm| self.vm_report(vm)).collect(),
            volumes: held.volumes.iter().map(volume_report).collect(),
            snapshots: snapshots(&held),
            consoles: vec![],
            traffic: None,
            faults: vec![],
        }
    }

    fn vm_report(&mut self, vm: &VmSpec) -> VmReport {
        let state = match vm.power {
            Power::On if self.shut_down.contains_key(&vm.id) => VmState::ShutDown,
            Power::On => VmState::Running,
            Power::Off { .. } => VmState::Stopped,
        };
        let running = state == VmState::Running;
        let disks = self.disks_of(vm, running);
        let nics = vm.nics.iter().filter(|_| running).map(|nic| nic.id).collect();
        VmReport { id: vm.id, state, boot: vm.boot, started_at_ms: 1, guest_up: running, disks, nics, fault: None }
    }

    /// What a machine has while it runs: what the document says, and what its guest does not release.
    fn disks_of(&mut self, vm: &VmSpec, running: bool) -> Vec<VolumeId> {
        let wanted = vm.disks.iter().filter(|_| running).map(|disk| disk.volume);
        let Some(has) = self.stubborn.get_mut(&vm.id) else { return wanted.collect() };
        has.retain(|volume| running && !vm.seized.contains(volume));
        has.extend(wanted);
        has.iter().copied().collect()
    }
}

fn volume_report(volume: &VolumeSpec) -> VolumeReport {
    let state = match volume.goal {
        VolumeGoal::Present { size_bytes, .. } => VolumeState::Present { size_bytes },
        VolumeGoal::Deleted => VolumeState::Deleted,
    };
    VolumeReport { id: volume.id, generation: volume.generation, state, fault: None }
}

/// Every snapshot is done at once; its contents are named after what it is of.
fn snapshots(spec: &HostSpec) -> Vec<SnapshotReport> {
    let done = |part: &SnapshotPart| {
        let manifest = format!("{:064x}", part.volume.as_u64() ^ part.generation);
        let state = SnapshotState::Done { manifest, size_bytes: 0, stored_bytes: 0 };
        SnapshotReport { id: part.snapshot, state, consistency: Some(model::Consistency::Crash), fault: None }
    };
    spec.snapshots.iter().flat_map(|job| &job.parts).map(done).collect()
}
