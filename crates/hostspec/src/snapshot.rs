//! Snapshots that a host takes: jobs of the document, and how far each is.
//!
//! A job names volumes that are frozen at one instant; what they held then is read into the repository while their guests go on.
//! Jobs may be listed and reported as often as one likes: a host that has finished one says so until it is not listed any more.

use model::{Consistency, SnapshotId, SnapshotMode, VolumeId};
use serde::{Deserialize, Serialize};

use crate::{DiskKeys, Fault};

/// Volumes to be frozen at one instant and read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotJob {
    /// The job: the first of its snapshots.
    pub id: SnapshotId,
    /// The restart of the machine that has the volumes at which they are frozen: after its guest has shut down, and before it starts again.
    /// At once when none, and when that restart is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_boot: Option<u64>,
    /// What to read, at least one.
    pub parts: Vec<SnapshotPart>,
}

/// One volume of a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotPart {
    /// The snapshot.
    pub snapshot: SnapshotId,
    /// The volume.
    pub volume: VolumeId,
    /// Generation of the volume's bytes.
    pub generation: u64,
    /// How what it holds is kept while a guest writes on.
    #[serde(default, skip_serializing_if = "SnapshotMode::is_default")]
    pub mode: SnapshotMode,
    /// Digest of the manifest that its unwritten blocks are read from.
    pub under: Option<String>,
    /// The keys of the volume.
    #[serde(default, skip_serializing_if = "DiskKeys::is_none")]
    pub keys: DiskKeys,
}

/// How far a snapshot is. One that waits to be frozen is not reported, unless something went wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotReport {
    /// The snapshot.
    pub id: SnapshotId,
    /// How far it is.
    pub state: SnapshotState,
    /// What the guest's file systems were like, once it is frozen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consistency: Option<Consistency>,
    /// Last thing that went wrong with it, cleared by success.
    pub fault: Option<Fault>,
}

/// How far a snapshot is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum SnapshotState {
    /// Nothing is frozen yet.
    Waiting,
    /// What it holds is fixed and being read.
    Reading {
        /// Hundredths that were read, 0 to 99.
        percent: u8,
    },
    /// It is in the repository, whole.
    Done {
        /// Digest (lower-case hex SHA-256) of its manifest.
        manifest: String,
        /// Size of the disk in bytes.
        size_bytes: u64,
        /// Bytes that the repository had to take for it.
        stored_bytes: u64,
    },
    /// It will never be: what it should hold is not there or cannot be read.
    Failed,
}
