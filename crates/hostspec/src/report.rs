//! What a host saw. A report is data: it changes nothing by itself, the control plane writes it down and wakes who cares.

use model::{HostId, InstanceId, InterfaceId, Mib, VolumeId};
use serde::{Deserialize, Serialize};

/// What a host saw. Reports are whole, so a lost, repeated or late one does no harm: `sequence` orders them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostReport {
    /// Format, [`crate::VERSION`].
    pub version: u32,
    /// The host that speaks.
    pub host: HostId,
    /// A new random number each time the agent starts; a new one makes `sequence` start again.
    pub incarnation: u64,
    /// Grows by one with every report of an incarnation.
    pub sequence: u64,
    /// Generation of the newest document that the host holds.
    pub generation: u64,
    /// Generation of the newest document of which every change was tried, with or without success.
    pub applied: u64,
    /// What the host can give.
    pub capacity: Capacity,
    /// Machines that exist here, wanted or not.
    pub vms: Vec<VmReport>,
    /// Volumes whose bytes are here, and tombstones that were carried out.
    pub volumes: Vec<VolumeReport>,
    /// Snapshots of the document, those that wait left out.
    #[serde(default)]
    pub snapshots: Vec<crate::SnapshotReport>,
    /// The consoles of machines that the document wants watched.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub consoles: Vec<ConsoleReport>,
    /// What public addresses carried, in one report of each minute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traffic: Option<crate::TrafficReport>,
    /// Faults that concern no single machine or volume, in plain words for the operator.
    pub faults: Vec<String>,
}

/// The end of what a machine's guest wrote to its serial console.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsoleReport {
    /// The machine.
    pub id: InstanceId,
    /// At most [`CONSOLE_REPORT_BYTES`] of it; a guest may write anything, so what is no text is replaced.
    pub newest: String,
}

/// Bytes of a console in a report: some screens, which hold a panic with its trace.
pub const CONSOLE_REPORT_BYTES: u64 = 8_192;

/// What a host can give to machines.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capacity {
    /// Processors that may be given out, after overcommit is applied by the control plane.
    pub vcpus: u32,
    /// Memory that may be given out.
    pub memory: Mib,
    /// Disk space of the local pool in GiB.
    pub disk_gib: u64,
    /// The accelerator that a canary guest proved to work.
    pub accelerator: Accelerator,
}

/// How guest code is executed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Accelerator {
    /// Hardware virtualisation by the kernel.
    Kvm,
    /// QEMU's translator.
    Tcg,
    /// No guest runs: a simulated host.
    Simulated,
}

/// One machine as seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VmReport {
    /// The instance.
    pub id: InstanceId,
    /// What its process does.
    pub state: VmState,
    /// The restart count ([`crate::VmSpec::boot`]) under which it was started or last reset.
    pub boot: u64,
    /// Milliseconds since the epoch when the process started, 0 when none runs.
    pub started_at_ms: u64,
    /// Whether the guest has used the network (DHCP, DNS or metadata) since the process started.
    #[serde(default)]
    pub guest_up: bool,
    /// Volumes that the guest has, also those that it was asked to release and has not yet.
    #[serde(default)]
    pub disks: Vec<VolumeId>,
    /// Interfaces whose cable is in the machine.
    #[serde(default)]
    pub nics: Vec<InterfaceId>,
    /// Last thing that went wrong with it, cleared by success.
    pub fault: Option<Fault>,
}

/// What the process of a machine does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VmState {
    /// No process, or one that is being prepared.
    Stopped,
    /// The guest's processors run.
    Running,
    /// The guest was asked to shut down and has not yet.
    Stopping,
    /// The guest shut itself down (poweroff inside); the process is gone.
    ShutDown,
}

/// Something that went wrong on the host, for a machine or a volume.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// What kind of fault it is; decides whether another try or another host may help.
    pub kind: FaultKind,
    /// Words for the operator; never shown to a tenant.
    pub detail: String,
    /// How many tries in a row ended so.
    pub tries: u32,
}

/// Kinds of faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// The image is missing or its bytes do not match their checksums.
    ImageCorrupt,
    /// The local pool has no room.
    DiskFull,
    /// Memory or processors could not be had.
    NoCapacity,
    /// QEMU refused to start or died while starting.
    StartFailed,
    /// QEMU died while the guest was running.
    Died,
    /// QEMU does not answer its monitor.
    Hung,
    /// A network device or rule could not be made.
    Network,
    /// Anything else.
    Other,
}

/// One volume as seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VolumeReport {
    /// The volume.
    pub id: VolumeId,
    /// Generation of the bytes that are here.
    pub generation: u64,
    /// What is with them.
    pub state: VolumeState,
    /// Last thing that went wrong with it, cleared by success.
    pub fault: Option<Fault>,
}

/// What is with the bytes of a volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum VolumeState {
    /// They exist.
    Present {
        /// Size in bytes as a guest sees it.
        size_bytes: u64,
    },
    /// A tombstone was carried out.
    Deleted,
}
