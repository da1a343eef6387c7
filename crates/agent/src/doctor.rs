//! Finds what is left of a cloud on this machine that its document does not know, and removes it when asked.
//!
//! It looks at the machine itself, at marks that the cage leaves (environment, control groups, folders), and not at what an agent
//! believes, so that it also finds what an agent lost. It may run beside an agent: what a document lists is never touched.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::io;
use std::path::PathBuf;

use hostspec::HostSpec;
use model::{InstanceId, VolumeId};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::block::Pool;
use crate::cage::MARK;
use crate::cgroup::Groups;
use crate::runtime::{AgentConfig, cloud_of};

/// Something that belongs to this cloud and that no document accounts for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Orphan {
    /// A process in a cage of a machine that is not listed, or a second one of a machine that is.
    Process {
        /// Its number.
        pid: i32,
        /// The machine.
        instance: InstanceId,
    },
    /// The folder of a machine that is not listed.
    Folder {
        /// The machine.
        instance: InstanceId,
    },
    /// Control groups of a machine that is not listed.
    Groups {
        /// The machine.
        instance: InstanceId,
    },
    /// A file of a generation that a newer one took the place of.
    OldGeneration {
        /// The volume.
        volume: VolumeId,
        /// The file.
        file: PathBuf,
    },
    /// Something of the network that no document asks for.
    Network(crate::net::Orphan),
    /// A volume that is not listed. Never removed: only a document deletes bytes.
    Volume {
        /// The volume.
        volume: VolumeId,
        /// The file.
        file: PathBuf,
    },
}

impl fmt::Display for Orphan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Orphan::Process { pid, instance } => write!(f, "process {pid} runs {instance}, which it should not"),
            Orphan::Folder { instance } => write!(f, "a folder of {instance}, which is not here"),
            Orphan::Groups { instance } => write!(f, "control groups of {instance}, which is not here"),
            Orphan::OldGeneration { volume, file } => write!(f, "an older generation of {volume}: {}", file.display()),
            Orphan::Network(orphan) => write!(f, "{orphan} is of no use"),
            Orphan::Volume { volume, file } => write!(f, "{volume} is in no document and is kept: {}", file.display()),
        }
    }
}

/// Lists the orphans of the cloud in a state folder, processes first, in the order in which they should be repaired. Those of the
/// network are found by the agent, [`crate::AgentHandle::orphans`].
pub fn find(config: &AgentConfig) -> io::Result<Vec<Orphan>> {
    let spec = crate::files::load::<HostSpec>(&config.state.join("spec.json"))?.unwrap_or_else(|| HostSpec::empty(config.host));
    let machines: BTreeSet<InstanceId> = spec.vms.iter().map(|vm| vm.id).collect();
    let cloud = cloud_of(&config.state);
    let mut out = Vec::new();
    for (pid, instance) in marked_processes(&cloud)? {
        let known = crate::cage::inmate(&config.state.join("vms").join(instance.to_string()))?;
        if !machines.contains(&instance) || known.is_none_or(|inmate| inmate.identity.pid != pid) {
            out.push(Orphan::Process { pid, instance });
        }
    }
    let strangers = |found: Vec<InstanceId>| found.into_iter().filter(|id| !machines.contains(id));
    out.extend(strangers(Groups::open(&cloud).map(|groups| groups.list()).unwrap_or_default()).map(|instance| Orphan::Groups { instance }));
    out.extend(strangers(folders(&config.state.join("vms"))?).map(|instance| Orphan::Folder { instance }));
    out.extend(volumes(config, &spec)?);
    Ok(out)
}

/// Removes an orphan; one that is already gone is no error. Volumes stay; the network's go with the agent's next look at it.
pub fn repair(config: &AgentConfig, orphan: &Orphan) -> io::Result<()> {
    match orphan {
        Orphan::Process { pid, instance } => {
            // Only while it is still what was found: its number may belong to another by now.
            let still = marked_processes(&cloud_of(&config.state))?.contains(&(*pid, *instance));
            if still { Ok(kill(Pid::from_raw(*pid), Signal::SIGKILL)?) } else { Ok(()) }
        }
        Orphan::Folder { instance } => crate::files::remove_folder(&config.state.join("vms").join(instance.to_string())),
        Orphan::Groups { instance } => Groups::open(&cloud_of(&config.state))?.remove(*instance),
        Orphan::OldGeneration { file, .. } => crate::files::remove(file),
        Orphan::Network(_) | Orphan::Volume { .. } => Ok(()),
    }
}

/// Processes that carry the mark of a cage of this cloud.
fn marked_processes(cloud: &str) -> io::Result<Vec<(i32, InstanceId)>> {
    let wanted = format!("{MARK}={cloud}/");
    let mut out = Vec::new();
    for entry in fs::read_dir("/proc")?.flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        // A process that ends while we look has no environment any more.
        let environment = fs::read(entry.path().join("environ")).unwrap_or_default();
        let mark = environment.split(|&b| b == 0).filter_map(|v| std::str::from_utf8(v).ok()).find_map(|v| v.strip_prefix(&wanted));
        out.extend(mark.and_then(|id| id.parse().ok()).map(|instance| (pid, instance)));
    }
    Ok(out)
}

fn folders(path: &std::path::Path) -> io::Result<Vec<InstanceId>> {
    match fs::read_dir(path) {
        Ok(entries) => Ok(entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(vec![]),
        Err(e) => Err(e),
    }
}

fn volumes(config: &AgentConfig, spec: &HostSpec) -> io::Result<Vec<Orphan>> {
    let folder = config.state.join("volumes");
    if !folder.exists() {
        return Ok(vec![]);
    }
    let files = Pool::existing(&folder).files()?;
    let newest = |volume| files.iter().filter(|file| file.volume == volume).map(|file| file.generation).max();
    let listed = |volume| spec.volumes.iter().any(|v| v.id == volume);
    let orphans = files.iter().filter_map(|known| {
        let (volume, file) = (known.volume, known.path.clone());
        if newest(volume) > Some(known.generation) {
            Some(Orphan::OldGeneration { volume, file })
        } else {
            (!listed(volume)).then_some(Orphan::Volume { volume, file })
        }
    });
    Ok(orphans.collect())
}
