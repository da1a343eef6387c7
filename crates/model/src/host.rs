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
    /// Name of the rack that it stands in, where the operator said so.
    #[serde(default)]
    pub rack: Option<String>,
    /// Its number in the installation, from 0, never given twice while it exists; addresses between hosts follow from it.
    #[serde(default)]
    pub number: u32,
    /// How a machine becomes this host, while the operator's token for that is unused.
    #[serde(default)]
    pub invitation: Option<Invitation>,
    /// Digest of the certificate by which it is known on the network. None for the server's own machine and for simulated hosts,
    /// and until a machine has joined.
    #[serde(default)]
    pub certificate: Option<String>,
    /// What its agent last said is wrong and concerns no single machine, in words for the operator; at most [`HOST_FAULTS_MAX`].
    #[serde(default)]
    pub faults: Vec<String>,
    /// Version of the program that its agent last said it is.
    #[serde(default)]
    pub build: Option<String>,
}

/// Most faults of a host that are kept.
pub const HOST_FAULTS_MAX: usize = 32;

/// How a machine becomes a host: by showing a secret that was given to the operator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invitation {
    /// Digest of the secret, which itself is kept nowhere.
    pub digest: String,
    /// Until when it may be used.
    pub until: Millis,
}

/// Most hosts of an installation whose instances speak to each other: their addresses between hosts come from a range of this
/// size, see [`Host::machine_address`].
pub const NUMBERED_HOSTS_MAX: u32 = 16_384;

/// Milliseconds for which a token for a new host may be used: a working hour for whoever carries it there.
pub const INVITED_FOR_MS: i64 = 3_600_000;

impl Host {
    /// Whether instances on it exchange packets with those on other hosts: neither a simulated host nor one without an address
    /// between hosts does.
    pub fn is_networked(&self) -> bool {
        let simulated = self.capacity.as_ref().is_some_and(|capacity| capacity.accelerator == "simulated");
        !simulated && !self.underlay.is_loopback() && !self.underlay.is_unspecified()
    }

    /// The address by which guests on other hosts know this machine: in the last part of the range that providers share
    /// (RFC 6598, 100.64.0.0/10), which Alibaba Cloud uses for its own services too.
    pub fn machine_address(&self) -> Ipv4Addr {
        machine_address(self.number)
    }
}

/// The address of [`Host::machine_address`] of the host with this number.
pub fn machine_address(number: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(Ipv4Addr::new(100, 127, 0, 1).to_bits() + number % NUMBERED_HOSTS_MAX)
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
