//! Control groups of the machines: `pileus-CLOUD/INSTANCE` under each hierarchy, v1 or v2, whichever the host runs.
//!
//! They bound what a machine can take from its host: memory, processor time, number of threads. A host without usable control
//! groups (some containers) still runs machines; the agent says so in its report.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use model::InstanceId;

const MOUNT: &str = "/sys/fs/cgroup";
const CONTROLLERS: [&str; 3] = ["memory", "cpu", "pids"];

/// Microseconds over which processor time is counted: the kernel's default.
const PERIOD_US: u64 = 100_000;

/// Tries to remove a group whose last process is just leaving, and the milliseconds between them.
const REMOVE_TRIES: u32 = 40;
const REMOVE_PAUSE_MS: u64 = 5;

/// What one machine may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of memory, page cache included (which is reclaimed first).
    pub memory_bytes: u64,
    /// Processors' worth of time.
    pub processors: u32,
    /// Processes and threads.
    pub tasks: u32,
}

/// The control groups of one cloud on this machine.
#[derive(Debug, Clone)]
pub struct Groups {
    bases: Vec<PathBuf>,
    unified: bool,
}

impl Groups {
    /// Finds the hierarchies and makes the cloud's groups in them; an error says why machines cannot be bounded.
    pub fn open(cloud: &str) -> io::Result<Groups> {
        let mount = Path::new(MOUNT);
        let name = format!("pileus-{cloud}");
        let unified = mount.join("cgroup.controllers").exists();
        let bases: Vec<PathBuf> =
            if unified { vec![mount.join(&name)] } else { CONTROLLERS.iter().map(|c| mount.join(c).join(&name)).collect() };
        if !unified && !CONTROLLERS.iter().all(|c| mount.join(c).join("cgroup.procs").exists()) {
            return Err(io::Error::new(io::ErrorKind::NotFound, "no memory, cpu and pids control groups are mounted"));
        }
        for base in &bases {
            make(base)?;
        }
        if unified {
            for folder in [mount, &bases[0]] {
                fs::write(folder.join("cgroup.subtree_control"), "+memory +cpu +pids")?;
            }
        }
        Ok(Groups { bases, unified })
    }

    /// Makes the groups of a machine and returns the files that a process writes itself into.
    pub fn make(&self, vm: InstanceId, limits: Limits) -> io::Result<Vec<PathBuf>> {
        let quota = u64::from(limits.processors) * PERIOD_US;
        let (memory, tasks) = (limits.memory_bytes.to_string(), limits.tasks.to_string());
        let mut joined = Vec::new();
        for (at, base) in self.bases.iter().enumerate() {
            let folder = base.join(vm.to_string());
            make(&folder)?;
            let set = |file: &str, value: &str| fs::write(folder.join(file), value);
            match (self.unified, CONTROLLERS[at]) {
                (true, _) => {
                    set("memory.max", &memory)?;
                    set("cpu.max", &format!("{quota} {PERIOD_US}"))?;
                    set("pids.max", &tasks)?;
                }
                (false, "memory") => set("memory.limit_in_bytes", &memory)?,
                (false, "cpu") => set("cpu.cfs_quota_us", &quota.to_string())?,
                (false, _) => set("pids.max", &tasks)?,
            }
            joined.push(folder.join("cgroup.procs"));
        }
        Ok(joined)
    }

    /// Removes the groups of a machine whose processes have ended; groups that are not there are no error.
    pub fn remove(&self, vm: InstanceId) -> io::Result<()> {
        self.bases.iter().try_for_each(|base| remove(&base.join(vm.to_string())))
    }

    /// Removes the cloud's own groups, which must be empty.
    pub fn remove_all(&self) -> io::Result<()> {
        for vm in self.list() {
            self.remove(vm)?;
        }
        self.bases.iter().try_for_each(|base| remove(base))
    }

    /// Machines that have a group.
    pub fn list(&self) -> Vec<InstanceId> {
        let names = self.bases.iter().filter_map(|base| fs::read_dir(base).ok()).flatten().flatten();
        let mut out: Vec<InstanceId> = names.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
        out.sort();
        out.dedup();
        out
    }
}

fn make(folder: &Path) -> io::Result<()> {
    match fs::create_dir(folder) {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other,
    }
}

fn remove(folder: &Path) -> io::Result<()> {
    let mut tries = REMOVE_TRIES;
    loop {
        match fs::remove_dir(folder) {
            Ok(()) => return Ok(()),
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(e) if e.kind() == io::ErrorKind::ResourceBusy && tries > 0 => {
                tries -= 1;
                std::thread::sleep(std::time::Duration::from_millis(REMOVE_PAUSE_MS));
            }
            Err(e) => return Err(e),
        }
    }
}
