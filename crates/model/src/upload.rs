//! Snapshots that a tenant writes block by block instead of having them taken of a volume.
//!
//! ```text
//!   open ──(completed by the tenant)──▶ sealed ──(stored)──▶ a snapshot like any other
//!     └──(nothing was written for its timeout)──▶ failed        └──(blocks are missing, or deadline)──▶ failed
//! ```
//!
//! Not known here: where the blocks wait until they are stored.

use serde::{Deserialize, Serialize};

use crate::{Error, Millis, Noun, SNAPSHOT_DEADLINE_MS, Snapshot, SnapshotPhase, VolumeId};

/// Bytes of a block (EBS: 512 KiB).
pub const BLOCK_BYTES: u32 = 512 * 1024;
/// The volume that uploaded snapshots are said to be of; there is none (EBS says `vol-ffffffff`).
pub const NO_VOLUME: VolumeId = VolumeId::from_u64(i64::MAX as u64);
/// Minutes without a write after which an upload is given up (EBS: 10 to 4,320).
pub const UPLOAD_TIMEOUT_MINUTES: std::ops::RangeInclusive<u32> = 10..=4_320;
/// The timeout of an upload that names none (EBS: 60).
pub const UPLOAD_TIMEOUT_USUAL: u32 = 60;
/// Uploads of an account that may be open (EBS: 100 pending snapshots; here their blocks wait on the control plane's disk).
pub const UPLOADS_OPEN_MAX: usize = 20;

/// An upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Upload {
    /// Minutes without a write after which it is given up.
    pub timeout_minutes: u32,
    /// How many blocks were written, as the tenant said when it completed the upload.
    pub sealed: Option<u32>,
}

impl Upload {
    /// When it is given up unless something is written.
    pub fn until(&self, now: Millis) -> Millis {
        now.after(i64::from(self.timeout_minutes) * 60_000)
    }
}

impl Snapshot {
    /// The upload that may still be written. Refused for every other snapshot.
    pub fn open_upload(&self) -> Result<Upload, Error> {
        let open = self.upload.filter(|upload| upload.sealed.is_none() && matches!(self.phase, SnapshotPhase::Pending { .. }));
        let (noun, id) = (Noun::Snapshot, self.id.to_string());
        open.ok_or(Error::IncorrectState { noun, id, state: self.word(), wanted: "being uploaded" })
    }

    /// How many blocks it has.
    pub fn blocks(&self) -> u32 {
        u32::try_from(self.size.bytes().div_ceil(u64::from(BLOCK_BYTES))).unwrap_or(u32::MAX)
    }

    /// Ends the writing: so many blocks were written. From here on the deadline of a snapshot counts.
    pub fn seal_upload(&mut self, blocks: u32, now: Millis) -> Result<(), Error> {
        let open = self.open_upload()?;
        self.upload = Some(Upload { sealed: Some(blocks), ..open });
        self.phase = SnapshotPhase::Pending { percent: self.percent(), until: now.after(SNAPSHOT_DEADLINE_MS) };
        Ok(())
    }
}
