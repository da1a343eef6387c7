//! Snapshots: what a volume held at an instant, kept in the repository.
//!
//! ```text
//!   Pending ──(its host has read it)──▶ Completed        deleted in any phase: the row goes at once, and its host forgets the job
//!      └──(cannot be read, or deadline)──▶ Failed
//! ```
//!
//! Snapshots that are taken at one instant share a job. A snapshot is whole by itself: that others of the same volume are deleted
//! changes nothing for it. Not known here: how a host freezes a disk, what a client calls any of it.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::{
    AccountId, Encryption, Error, Gib, HostId, ImageId, Millis, Noun, SnapshotGroupId, SnapshotId, SnapshotMode, SnapshotPolicyId, Tags,
    Upload, VolumeId,
};

/// How long a snapshot may take: reading 2 TiB of disk at 50 MB/s takes half a day.
pub const SNAPSHOT_DEADLINE_MS: i64 = 24 * 3_600_000;
/// Snapshots of one volume that may be pending (EC2: 5 for its general-purpose volumes).
pub const SNAPSHOTS_PENDING_MAX: usize = 5;
/// Accounts that a snapshot or an image is shared with at most (ECS documents 10 a call, EC2 1,000 for an image).
pub const SHARES_MAX: usize = 1_000;
/// Largest volume of which snapshots are taken: the list of chunks in a manifest is flat.
pub const SNAPSHOT_GIB_MAX: u32 = 2_048;

/// A snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Its id.
    pub id: SnapshotId,
    /// Owner.
    pub account: AccountId,
    /// Display name.
    pub name: String,
    /// Description.
    pub description: String,
    /// The volume that it was taken of, which may be gone.
    pub volume: VolumeId,
    /// Whether that was a system disk.
    pub of_root: bool,
    /// Device name that the volume had, empty for one that was not attached.
    pub device: String,
    /// The image that the volume was made of, for what is said of its system.
    pub image: Option<ImageId>,
    /// Size of the volume then.
    pub size: Gib,
    /// The first of the snapshots that were taken at the same instant.
    pub job: SnapshotId,
    /// The host that takes it; none once it has ended.
    pub host: Option<HostId>,
    /// Generation of the volume's bytes.
    pub generation: u64,
    /// Digest of the manifest that the volume's unwritten blocks are read from.
    pub under: Option<String>,
    /// How it is encrypted: as its volume was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encryption: Option<Encryption>,
    /// How the manifest that the volume's unwritten blocks are read from is sealed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub under_encryption: Option<Encryption>,
    /// How what the volume held is kept while its guest writes on.
    #[serde(default, skip_serializing_if = "SnapshotMode::is_default")]
    pub mode: SnapshotMode,
    /// How far it is.
    pub phase: SnapshotPhase,
    /// Digest of its manifest in the repository, lower-case hex, once it is there.
    pub manifest: Option<String>,
    /// Compressed bytes that the repository had to take for it.
    pub stored_bytes: u64,
    /// When it was asked for.
    pub created_at: Millis,
    /// When it ended, either way.
    pub ended_at: Option<Millis>,
    /// The upload that it is, until it ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upload: Option<Upload>,
    /// The policy that had it taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<SnapshotPolicyId>,
    /// The group that it was taken in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<SnapshotGroupId>,
    /// Whether it is a backup, which goes with its volume.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub backup: bool,
    /// When it goes by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Millis>,
    /// The restart of the volume's machine at which it is frozen, the guest being shut down; at once when none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_boot: Option<u64>,
    /// What the guest's file systems were like at its instant, once that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consistency: Option<Consistency>,
    /// Who else may make volumes of it.
    #[serde(default)]
    pub shares: Shares,
    /// Tags.
    pub tags: Tags,
}

/// What a disk can start as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contents {
    /// Digest of the manifest.
    pub manifest: String,
    /// How it is sealed.
    pub encryption: Option<Encryption>,
}

/// What file systems are like on a disk that is made of a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Consistency {
    /// As after a power cut: what the guest had not written out is not there, and journals are replayed.
    #[default]
    Crash,
    /// Whole and clean: the guest's agent had them written out and held at the instant.
    FileSystem,
}

impl Consistency {
    /// Its word: `crash` or `file_system`.
    pub const fn word(self) -> &'static str {
        match self {
            Consistency::Crash => "crash",
            Consistency::FileSystem => "file_system",
        }
    }
}

/// How far a snapshot is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "phase")]
pub enum SnapshotPhase {
    /// It is being taken.
    Pending {
        /// Hundredths that were read, 0 to 99.
        percent: u8,
        /// When it is given up.
        until: Millis,
    },
    /// It is in the repository, whole.
    Completed,
    /// It never will be.
    Failed,
}

impl SnapshotPhase {
    /// Its word: `pending`, `completed` or `error`.
    pub const fn word(self) -> &'static str {
        match self {
            SnapshotPhase::Pending { .. } => "pending",
            SnapshotPhase::Completed => "completed",
            SnapshotPhase::Failed => "error",
        }
    }
}

/// Who else than the owner may use a snapshot or an image.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Shares {
    /// Everybody.
    #[serde(default)]
    pub public: bool,
    /// These accounts.
    #[serde(default)]
    pub accounts: BTreeSet<AccountId>,
}

/// A change of who may use a snapshot or an image. Accounts that are added and removed are neither.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ShareChange {
    /// Whether everybody may.
    pub public: Option<bool>,
    /// Accounts that may from here on.
    pub add: Vec<AccountId>,
    /// Accounts that may not any more.
    pub remove: Vec<AccountId>,
}

impl Shares {
    /// Whether anybody may.
    pub fn any(&self) -> bool {
        self.public || !self.accounts.is_empty()
    }

    /// Whether an account that is not the owner may.
    pub fn include(&self, account: AccountId) -> bool {
        self.public || self.accounts.contains(&account)
    }

    /// Changes who may. Refused beyond [`SHARES_MAX`] accounts.
    pub fn change(&mut self, change: &ShareChange) -> Result<(), Error> {
        self.public = change.public.unwrap_or(self.public);
        self.accounts.extend(change.add.iter().copied());
        self.accounts.retain(|account| !change.remove.contains(account));
        if self.accounts.len() > SHARES_MAX {
            let (name, what) = ("UserId", "accounts that it is shared with".to_owned());
            return Err(Error::LimitReached { name, what, limit: SHARES_MAX as u64 });
        }
        Ok(())
    }
}

/// What a host says of a snapshot that it takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SnapshotSeen {
    /// It is frozen and being read.
    Reading {
        /// Hundredths that were read.
        percent: u8,
    },
    /// It is in the repository.
    Done {
        /// Digest of its manifest.
        manifest: String,
        /// Bytes that the repository had to take for it.
        stored_bytes: u64,
    },
    /// It cannot be taken.
    Failed,
}

impl Snapshot {
    /// The state in one word: `pending`, `completed` or `error`.
    pub const fn word(&self) -> &'static str {
        self.phase.word()
    }

    /// Hundredths that are done.
    pub const fn percent(&self) -> u8 {
        match self.phase {
            SnapshotPhase::Pending { percent, .. } => percent,
            SnapshotPhase::Completed => 100,
            SnapshotPhase::Failed => 0,
        }
    }

    /// The name that is shown: its own, or that of its tag `Name`.
    pub fn shown_name(&self) -> &str {
        if self.name.is_empty() { self.tags.get("Name").map_or("", String::as_str) } else { &self.name }
    }

    /// Whether `account` may see it and make volumes of it.
    pub fn visible_to(&self, account: AccountId) -> bool {
        self.account == account || self.shares.include(account)
    }

    /// What disks made of it start as. Refused until it is completed.
    pub fn start(&self) -> Result<Contents, Error> {
        Ok(Contents { manifest: self.contents()?.to_owned(), encryption: self.encryption.clone() })
    }

    /// The digest of its manifest. Refused unless it is completed.
    pub fn contents(&self) -> Result<&str, Error> {
        let refused = || Error::IncorrectState { noun: Noun::Snapshot, id: self.id.to_string(), state: self.word(), wanted: "completed" };
        match self.phase {
            SnapshotPhase::Completed => self.manifest.as_deref().ok_or_else(refused),
            SnapshotPhase::Pending { .. } | SnapshotPhase::Failed => Err(refused()),
        }
    }

    /// Takes down what its host says. One that has ended stays as it is.
    pub fn hear(&mut self, seen: SnapshotSeen, now: Millis) {
        let SnapshotPhase::Pending { until, .. } = self.phase else { return };
        match seen {
            SnapshotSeen::Reading { percent } => self.phase = SnapshotPhase::Pending { percent: percent.min(99), until },
            SnapshotSeen::Done { manifest, stored_bytes } => {
                (self.manifest, self.stored_bytes) = (Some(manifest), stored_bytes);
                self.end(SnapshotPhase::Completed, now);
            }
            SnapshotSeen::Failed => self.end(SnapshotPhase::Failed, now),
        }
    }

    /// Gives it up when its time is over or its host is gone; says when to look again.
    pub fn advance(&mut self, host_exists: bool, now: Millis) -> Option<Millis> {
        let SnapshotPhase::Pending { until, .. } = self.phase else { return None };
        if host_exists && now < until {
            return Some(until);
        }
        self.end(SnapshotPhase::Failed, now);
        None
    }

    fn end(&mut self, phase: SnapshotPhase, now: Millis) {
        (self.phase, self.host, self.upload, self.ended_at) = (phase, None, None, Some(now));
    }
}

#[cfg(test)]
pub(crate) fn pending() -> Snapshot {
    Snapshot {
        id: SnapshotId::from_u64(1),
        account: AccountId::from_u64(1).unwrap(),
        name: String::new(),
        description: String::new(),
        volume: VolumeId::from_u64(1),
        of_root: false,
        device: String::new(),
        image: None,
        size: Gib(1),
        job: SnapshotId::from_u64(1),
        host: Some(HostId::from_u64(1)),
        generation: 1,
        under: None,
        encryption: None,
        under_encryption: None,
        mode: SnapshotMode::Redirect,
        phase: SnapshotPhase::Pending { percent: 0, until: Millis(1_000) },
        manifest: None,
        stored_bytes: 0,
        created_at: Millis(0),
        ended_at: None,
        upload: None,
        policy: None,
        group: None,
        backup: false,
        expires_at: None,
        at_boot: None,
        consistency: None,
        shares: Shares::default(),
        tags: Tags::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_host_that_has_all_of_it_completes_a_snapshot() {
        let mut snapshot = pending();
        snapshot.hear(SnapshotSeen::Reading { percent: 100 }, Millis(1));
        assert_eq!((snapshot.word(), snapshot.percent()), ("pending", 99));
        assert!(snapshot.contents().is_err());
        snapshot.hear(SnapshotSeen::Done { manifest: "ab".into(), stored_bytes: 5 }, Millis(2));
        assert_eq!((snapshot.word(), snapshot.percent(), snapshot.host), ("completed", 100, None));
        assert_eq!(snapshot.contents(), Ok("ab"));
        snapshot.hear(SnapshotSeen::Failed, Millis(3));
        assert_eq!(snapshot.advance(false, Millis(9_999)), None);
        assert_eq!(snapshot.word(), "completed");
    }

    #[test]
    fn a_snapshot_that_nobody_takes_is_given_up() {
        let mut snapshot = pending();
        assert_eq!(snapshot.advance(true, Millis(999)), Some(Millis(1_000)));
        assert_eq!(snapshot.advance(true, Millis(1_000)), None);
        assert_eq!((snapshot.word(), snapshot.ended_at), ("error", Some(Millis(1_000))));
        let mut orphan = pending();
        orphan.advance(false, Millis(1));
        assert_eq!(orphan.word(), "error");
    }

    #[test]
    fn shares_are_added_and_removed_up_to_a_limit() {
        let mut shares = Shares::default();
        let account = |number| AccountId::from_u64(number).unwrap();
        shares.change(&ShareChange { public: None, add: vec![account(2), account(3)], remove: vec![account(3)] }).unwrap();
        assert!(shares.include(account(2)) && !shares.include(account(3)) && shares.any());
        let many = (1..=SHARES_MAX as u64 + 1).map(account).collect();
        assert!(shares.change(&ShareChange { add: many, ..ShareChange::default() }).is_err());
    }
}
