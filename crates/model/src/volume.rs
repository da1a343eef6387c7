//! Volumes (cloud disks). In this version each is the system disk of an instance, kept in the local pool of its host.
//!
//! ```text
//!   Creating ──▶ Present ──▶ Deleting ──▶ (row gone)
//!       └──────────────────────▲
//! ```

use serde::{Deserialize, Serialize};

use crate::{AccountId, Gib, HostId, ImageId, InstanceId, Millis, Tags, VolumeId};

/// Smallest and largest size of a volume in GiB (EC2's gp3: 1 to 16,384).
pub const VOLUME_GIB: std::ops::RangeInclusive<u32> = 1..=16_384;

/// A volume.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Volume {
    /// Its id.
    pub id: VolumeId,
    /// Owner.
    pub account: AccountId,
    /// Its zone.
    pub zone: String,
    /// Its size; a volume only grows.
    pub size: Gib,
    /// The image that unwritten blocks are read from.
    pub image: Option<ImageId>,
    /// The host whose pool keeps its bytes.
    pub host: HostId,
    /// Grows whenever the volume gets another host or contents.
    pub generation: u64,
    /// The instance that it is attached to.
    pub instance: Option<InstanceId>,
    /// Device name in the guest as the vendors print it.
    pub device: String,
    /// Whether it goes when its instance is terminated.
    pub delete_on_termination: bool,
    /// Where it is in its life.
    pub phase: VolumePhase,
    /// When it was made.
    pub created_at: Millis,
    /// Generation of the host document that first carried its latest change.
    pub asked: u64,
    /// Tags.
    pub tags: Tags,
}

/// Where a volume is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VolumePhase {
    /// Its bytes are being prepared.
    Creating,
    /// Its bytes exist.
    Present,
    /// Its bytes are being deleted.
    Deleting,
}

impl VolumePhase {
    /// Every phase.
    pub const ALL: [VolumePhase; 3] = [VolumePhase::Creating, VolumePhase::Present, VolumePhase::Deleting];
}
