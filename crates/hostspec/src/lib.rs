//! What the control plane asks of a host, and what a host answers: the only types both halves share.
//!
//! ```text
//!   control::host ── HostSpec (whole document, generation g) ──▶ agent
//!   control::host ◀── HostReport (what was seen, generation ≤ g) ── agent
//! ```
//!
//! A [`HostSpec`] says everything that should exist on one host; what it does not list should not exist there, with one
//! exception: bytes of a volume are deleted only by an explicit tombstone ([`VolumeGoal::Deleted`]). A host keeps the newest
//! document on disk, refuses older generations, and converges on it without the control plane.
//!
//! This crate knows no database, no QEMU and no socket. Both directions travel as JSON; [`VERSION`] grows when a field
//! changes its meaning, and fields are only ever added with a default.

mod disk_key;
mod flow;
mod network;
mod rate;
mod report;
mod shared;
mod snapshot;
mod traffic;
mod vm;

pub use disk_key::*;
pub use flow::*;
pub use network::*;
pub use rate::*;
pub use report::*;
pub use shared::*;
pub use snapshot::*;
pub use traffic::*;
pub use vm::*;

use std::borrow::Cow;

use model::{HostId, ImageId};
use serde::{Deserialize, Serialize};

/// The version of the document format written by this build.
pub const VERSION: u32 = 1;

/// Everything that should exist on one host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostSpec {
    /// Format of the document, [`VERSION`].
    pub version: u32,
    /// The host that this document is for; an agent refuses another's.
    pub host: HostId,
    /// Grows with every change; an agent refuses a document older than the one it holds.
    pub generation: u64,
    /// Virtual machines, in order of their id.
    pub vms: Vec<Shared<VmSpec>>,
    /// Volumes whose bytes this host keeps, and those whose bytes it should delete.
    pub volumes: Vec<VolumeSpec>,
    /// VPCs with members on this host.
    pub networks: Vec<VpcSpec>,
    /// Images that VMs or volumes of this document read.
    pub images: Vec<ImageSpec>,
    /// The other hosts; none where no packets go between hosts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fabric: Option<Fabric>,
    /// Snapshots to take, until their end was heard of.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub snapshots: Vec<SnapshotJob>,
    /// Machines whose consoles are reported.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub watched: Vec<model::InstanceId>,
}

impl HostSpec {
    /// The document of a host that should hold nothing.
    pub fn empty(host: HostId) -> HostSpec {
        HostSpec {
            version: VERSION,
            host,
            generation: 0,
            vms: vec![],
            volumes: vec![],
            networks: vec![],
            images: vec![],
            fabric: None,
            snapshots: vec![],
            watched: vec![],
        }
    }

    /// What a host writes down of the document: everything but the keys of disks.
    pub fn to_keep(&self) -> Cow<'_, HostSpec> {
        let has_keys = |volume: &VolumeSpec| matches!(&volume.goal, VolumeGoal::Present { keys, .. } if !keys.is_none());
        if !self.volumes.iter().any(has_keys) && self.snapshots.iter().flat_map(|job| &job.parts).all(|part| part.keys.is_none()) {
            return Cow::Borrowed(self);
        }
        let mut kept = self.clone();
        for volume in &mut kept.volumes {
            if let VolumeGoal::Present { keys, .. } = &mut volume.goal {
                *keys = keys.withheld();
            }
        }
        for part in kept.snapshots.iter_mut().flat_map(|job| &mut job.parts) {
            part.keys = part.keys.withheld();
        }
        Cow::Owned(kept)
    }
}

/// An image that a host must be able to read, and how a machine starts from it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageSpec {
    /// The image.
    pub id: ImageId,
    /// Digest (lower-case hex SHA-256) of the manifest in the repository; the manifest pins every byte.
    pub manifest: String,
    /// Size of the disk in bytes as a guest sees it.
    pub size_bytes: u64,
}

#[cfg(test)]
mod tests {
    use model::{DataKey, SnapshotId, VolumeId};

    use super::*;

    #[test]
    fn what_a_host_keeps_holds_no_key_of_a_disk_and_says_that_there_is_one() {
        let key = DataKey::new([7; 32]);
        let keys = DiskKeys { own: Some(DiskKey::Here { key: key.clone() }), under: None };
        let goal = VolumeGoal::Present { size_bytes: 1 << 20, image: None, manifest: None, keys: keys.clone(), shared: false };
        let volume = VolumeSpec { id: VolumeId::from_u64(1), generation: 1, goal };
        let part = SnapshotPart {
            snapshot: SnapshotId::from_u64(2),
            volume: volume.id,
            generation: 1,
            mode: model::SnapshotMode::Redirect,
            under: None,
            keys,
        };
        let job = SnapshotJob { id: part.snapshot, at_boot: None, parts: vec![part] };
        let spec = HostSpec { volumes: vec![volume], snapshots: vec![job], ..HostSpec::empty(HostId::from_u64(1)) };
        let text = serde_json::to_string(&spec.to_keep()).unwrap();
        assert!(!text.contains(&key.to_hex()), "{text}");
        assert_eq!(text.matches("withheld").count(), 2, "{text}");
        assert_eq!(serde_json::from_str::<HostSpec>(&serde_json::to_string(&spec).unwrap()).unwrap(), spec);
        assert!(!format!("{spec:?}").contains("7, 7"));
        let plain = HostSpec::empty(HostId::from_u64(1));
        assert_eq!(*plain.to_keep(), plain);
    }
}
