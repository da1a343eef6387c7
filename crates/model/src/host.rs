//! Hosts: machines, real or simulated, that instances run on.

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use crate::{HostId, Mib, Millis};

/// A host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Host {
    /// Its id.
    pub id: HostId,
    /// Name that the operator reads, unique in the installation.
    pub name: String,
    /// Zones that it serves: one in a data centre, all of them where one machine plays a whole region.
    pub zones: Vec<String>,
    /// Address for traffic between hosts.
    pub underlay: Ipv4Addr,
    /// Whether new instances may be placed on it.
    pub state: HostState,
    /// What it can give, as it last said; none before its first report.
    pub capacity: Option<HostCapacity>,
    /// Counts changes of what should exist on it; the generation of its next document.
    pub generation: u64,
    /// Newest generation of which it tried every change.
    pub applied: u64,
    /// Start number of the agent that last reported.
    pub incarnation: u64,
    /// Number of the newest report of that agent.
    pub sequence: u64,
    /// When the newest report came.
    pub seen_at: Millis,
}

/// What a host can give to instances, overcommit included.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostCapacity {
    /// Virtual processors.
    pub vcpus: u32,
    /// Memory.
    pub memory: Mib,
    /// Disk space in GiB.
    pub disk_gib: u64,
    /// Whether guests run with hardware virtualisation, by translation, or not at all, in the agent's word.
    pub accelerator: String,
}

/// Whether a host takes new instances.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HostState {
    /// It does.
    Up,
    /// It keeps what it has and takes nothing new.
    Draining,
    /// It has not reported for longer than [`SILENT_AFTER_MS`].
    Silent,
}

/// Milliseconds without a report after which a host gets no new instances: three missed reports of ten seconds.
pub const SILENT_AFTER_MS: i64 = 35_000;
