//! What all tasks of an agent share: the machine's parts, and where things are in the state folder.
//!
//! ```text
//!   state/  host.lock  spec.json  accelerator.json
//!           volumes/   snapshots/ (what was frozen)   images/ (server socket, notes, log)
//!           vms/i-0…/  record.json  pid.json  monitor.sock  guest-agent.sock  qemu.log  console.log  root/
//! ```

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use hostspec::{Accelerator, Capacity, HostSpec, VmSpec};
use model::{HostId, InstanceId, Mib};
use sha2::{Digest as _, Sha256};
use tokio::sync::{Notify, watch};

use super::snapshots::Snapshots;
use super::{AgentConfig, AgentError};
use crate::block::Pool;
use crate::block::image::{Images, Server};
use crate::cage::Visible;
use crate::cgroup::{Groups, Limits};
use crate::net::Network;

/// First uid of the machines of the first cloud on a host.
const UID_BASE: u32 = 700_000;
/// Uids that one cloud may use, one a machine.
const UIDS_PER_CLOUD: u32 = 10_000;
/// Clouds that can have uids apart on one host; which of them a state folder is follows from its path.
const CLOUDS: u32 = 1_000;

/// Memory of QEMU itself beside the guest's: its code, its translation cache or page tables, disk caches (MiB).
const OVERHEAD_MIB: u64 = 640;

/// Threads of QEMU beside the guest's processors: its main loop, 64 of the thread pool for disks, and their kin.
const OVERHEAD_TASKS: u32 = 128;

/// The parts of one host.
#[derive(Debug)]
pub struct Host {
    /// What the agent was started with.
    pub config: AgentConfig,
    /// Short name of the cloud, which follows from the state folder.
    pub cloud: String,
    /// The volumes.
    pub pool: Pool,
    /// The images.
    pub images: Images,
    /// The snapshots that are being taken.
    pub snapshots: Snapshots,
    /// The image server.
    pub server: Server,
    /// The control groups; none where they are not usable.
    pub groups: Option<Groups>,
    /// The networks.
    pub network: Network,
    /// The accelerator, once it is decided.
    pub accelerator: watch::Receiver<Option<Accelerator>>,
    /// Wakes the coordinator: something about a machine changed.
    pub changed: Notify,
    /// Has the coordinator look at the network now.
    pub inspect: Notify,
    slots: Mutex<BTreeSet<u32>>,
}

/// Short name of the cloud whose state is in a folder.
pub fn cloud_of(state: &Path) -> String {
    let path = fs::canonicalize(state).unwrap_or_else(|_| state.to_owned());
    hex::encode(&Sha256::digest(path.as_os_str().as_encoded_bytes())[..4])
}

/// Makes the state folder, which only root may enter, and keeps other agents out of it for as long as the file is open.
pub fn lock_state(state: &Path) -> Result<File, AgentError> {
    let doing = |source| AgentError::State { path: state.to_owned(), source };
    DirBuilder::new().recursive(true).mode(0o700).create(state).map_err(doing)?;
    let file = File::create(state.join("host.lock")).map_err(doing)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => Err(AgentError::Running(state.to_owned())),
        Err(fs::TryLockError::Error(e)) => Err(doing(e)),
    }
}

impl Host {
    /// Opens every part.
    pub fn open(config: AgentConfig, network: Network, accelerator: watch::Receiver<Option<Accelerator>>) -> Result<Arc<Host>, AgentError> {
        let doing = |source| AgentError::State { path: config.state.clone(), source };
        let cloud = cloud_of(&config.state);
        fs::create_dir_all(config.state.join("vms")).map_err(doing)?;
        let pool = Pool::open(&config.state.join("volumes")).map_err(doing)?;
        let snapshots = Snapshots::open(&config.state.join("snapshots"), &pool).map_err(doing)?;
        let needed = snapshots.fleeces();
        pool.delete_fleeces(|fleece| !needed.contains(fleece)).map_err(doing)?;
        // What a record of a snapshot needs is held by now.
        if let Err(trouble) = pool.delete_all_older() {
            tracing::warn!(detail = trouble.detail, "earlier generations of volumes are left");
        }
        let images = Images::open(&config.repository, config.images.as_ref()).map_err(AgentError::Images)?;
        let server =
            Server::new(&config.program, &config.repository, &config.state.join("images"), config.images.as_ref()).map_err(doing)?;
        let groups = Groups::open(&cloud).inspect_err(|e| tracing::warn!(error = %e, "machines are not bounded by control groups")).ok();
        let (changed, inspect, slots) = (Notify::new(), Notify::new(), Mutex::default());
        Ok(Arc::new(Host { config, cloud, pool, images, snapshots, server, groups, network, accelerator, changed, inspect, slots }))
    }

    /// The host's id.
    pub fn id(&self) -> HostId {
        self.config.host
    }

    /// Folder of a machine.
    pub fn folder(&self, vm: InstanceId) -> PathBuf {
        self.config.state.join("vms").join(vm.to_string())
    }

    /// Machines that have a folder.
    pub fn known_vms(&self) -> io::Result<Vec<InstanceId>> {
        let entries = fs::read_dir(self.config.state.join("vms"))?;
        Ok(entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect())
    }

    /// Where the newest document is kept.
    pub fn spec_path(&self) -> PathBuf {
        self.config.state.join("spec.json")
    }

    /// Waits for the accelerator.
    pub async fn accelerator(&self) -> Accelerator {
        let mut decided = self.accelerator.clone();
        let known = decided.wait_for(Option::is_some).await.map(|a| *a);
        known.ok().flatten().unwrap_or(Accelerator::Tcg)
    }

    /// Takes the lowest free slot, or the one that a machine had.
    pub fn take_slot(&self, had: Option<u32>) -> u32 {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let free = (0..UIDS_PER_CLOUD).find(|slot| !slots.contains(slot)).unwrap_or(UIDS_PER_CLOUD - 1);
        let slot = had.filter(|slot| !slots.contains(slot)).unwrap_or(free);
        slots.insert(slot);
        slot
    }

    /// Gives a slot back.
    pub fn free_slot(&self, slot: u32) {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner).remove(&slot);
    }

    /// User and group number of the machine in a slot.
    pub fn uid(&self, slot: u32) -> u32 {
        let cloud = u32::from_str_radix(&self.cloud, 16).unwrap_or(0) % CLOUDS;
        UID_BASE + cloud * UIDS_PER_CLOUD + slot
    }

    /// What a machine may take of the host.
    pub fn limits(vm: &VmSpec) -> Limits {
        let memory_bytes = Mib(vm.memory.0 + vm.memory.0 / 16 + OVERHEAD_MIB).bytes();
        Limits { memory_bytes, processors: vm.vcpus + 1, tasks: vm.vcpus + OVERHEAD_TASKS }
    }

    /// Files of the host that a cage shows.
    pub fn visible(&self) -> Vec<Visible> {
        let mut out = crate::cage::visible_to(&self.config.qemu);
        out.push(Visible { source: self.server.folder().to_owned(), target: crate::qemu::args::IMAGES.into() });
        out
    }

    /// What the host can give.
    pub fn capacity(&self) -> Capacity {
        let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
        let total = memory.lines().find_map(|line| line.strip_prefix("MemTotal:")?.split_whitespace().next()?.parse::<u64>().ok());
        Capacity {
            vcpus: std::thread::available_parallelism().map_or(1, |n| n.get() as u32),
            memory: Mib(total.unwrap_or(0) / 1024),
            disk_gib: self.pool.total_bytes().unwrap_or(0) >> 30,
            accelerator: self.accelerator.borrow().unwrap_or(Accelerator::Tcg),
        }
    }

    /// Removes what the agent made in its state folder, and its control groups. No machine may be left.
    pub fn remove_everything(&self) -> io::Result<()> {
        if let Some(groups) = &self.groups {
            groups.remove_all()?;
        }
        let state = &self.config.state;
        for folder in ["vms", "volumes", "snapshots", "images"] {
            crate::files::remove_folder(&state.join(folder))?;
        }
        ["spec.json", "accelerator.json", "metadata.key", "host.lock"].iter().try_for_each(|file| crate::files::remove(&state.join(file)))
    }

    /// Reads the document that is kept; an empty one when there is none.
    pub fn kept_spec(config: &AgentConfig) -> Result<HostSpec, AgentError> {
        let path = config.state.join("spec.json");
        match crate::files::load::<HostSpec>(&path) {
            Ok(Some(spec)) if spec.host == config.host => Ok(spec),
            Ok(Some(spec)) => Err(AgentError::OtherHost { state: config.state.clone(), host: spec.host }),
            Ok(None) => Ok(HostSpec::empty(config.host)),
            Err(source) => Err(AgentError::State { path, source }),
        }
    }
}
