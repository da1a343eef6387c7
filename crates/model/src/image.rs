//! Images: what instances start from. The operator's, and those that tenants make of their instances and snapshots.
//!
//! ```text
//!   Pending ──(its snapshots are completed)──▶ Available ──▶ Deregistered (its name is free; instances made of it go on)
//!      │                                       │       ▲          ▲
//!      │                                       └▶ Disabled ───────┤
//!      └──(one of them fails)──▶ Failed ───────────────────────▲
//! ```

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::{
    AccountId, Architecture, Encryption, EncryptionChoice, Error, Gib, ImageId, InstanceId, Millis, Noun, Provisioned, Snapshot,
    SnapshotId, SnapshotPhase, Tags, VolumeKind,
};

/// An image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    /// Its id.
    pub id: ImageId,
    /// Owner.
    pub account: AccountId,
    /// Whether every account may launch it.
    pub public: bool,
    /// Name, unique in the account.
    pub name: String,
    /// Description.
    pub description: String,
    /// Platform as the vendors print it, such as `Debian 12`.
    pub platform: String,
    /// Processor architecture.
    pub architecture: Architecture,
    /// User that the image logs in by key.
    pub default_user: String,
    /// Digest of the manifest in the repository, lower-case hex.
    pub manifest: String,
    /// How that is sealed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encryption: Option<Encryption>,
    /// Size of the disk in bytes.
    pub size_bytes: u64,
    /// Smallest system disk that it fits on.
    pub min_disk: Gib,
    /// The snapshot of its system disk; none for what the operator offers.
    #[serde(default)]
    pub snapshot: Option<SnapshotId>,
    /// Further disks that its instances get.
    #[serde(default)]
    pub disks: Vec<ImageDisk>,
    /// The instance that it was made of.
    #[serde(default)]
    pub instance: Option<InstanceId>,
    /// Accounts that may launch it, besides the owner.
    #[serde(default)]
    pub accounts: BTreeSet<AccountId>,
    /// Hundredths that were imported, of one that comes from a file; none for one that was made in the cloud.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub imported: Option<u8>,
    /// The family of which it is a member; empty for none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub family: String,
    /// From when on it should not be used for what is new, though it can be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deprecated_at: Option<Millis>,
    /// Whether it can be launched.
    pub phase: ImagePhase,
    /// When it was made.
    pub created_at: Millis,
    /// Tags.
    pub tags: Tags,
}

impl Image {
    /// Whether `account` may see and launch it.
    pub fn visible_to(&self, account: AccountId) -> bool {
        self.public || self.account == account || self.accounts.contains(&account)
    }

    /// Whether it should not be used for what is new.
    pub fn is_deprecated(&self, now: Millis) -> bool {
        self.deprecated_at.is_some_and(|at| at <= now)
    }

    /// Whether it is made of a snapshot.
    pub fn uses(&self, snapshot: SnapshotId) -> bool {
        self.snapshots().any(|known| known == snapshot)
    }

    /// The snapshots that it is made of, that of its system disk first.
    pub fn snapshots(&self) -> impl Iterator<Item = SnapshotId> {
        self.snapshot.into_iter().chain(self.disks.iter().filter_map(|disk| disk.snapshot))
    }

    /// The state in one word: `pending`, `available`, `disabled`, `failed` or `deregistered`.
    pub const fn word(&self) -> &'static str {
        match self.phase {
            ImagePhase::Pending => "pending",
            ImagePhase::Available => "available",
            ImagePhase::Disabled => "disabled",
            ImagePhase::Failed => "failed",
            ImagePhase::Deregistered => "deregistered",
        }
    }

    /// Keeps it from being launched, and whoever it was shared with from seeing it. Refused unless it is available.
    pub fn disable(&mut self) -> Result<(), Error> {
        self.check_phase(ImagePhase::Available, "available")?;
        (self.public, self.phase) = (false, ImagePhase::Disabled);
        self.accounts.clear();
        Ok(())
    }

    /// Has it launched again. Refused unless it is disabled.
    pub fn enable(&mut self) -> Result<(), Error> {
        self.check_phase(ImagePhase::Disabled, "disabled")?;
        self.phase = ImagePhase::Available;
        Ok(())
    }

    fn check_phase(&self, wanted: ImagePhase, word: &'static str) -> Result<(), Error> {
        if self.phase == wanted {
            return Ok(());
        }
        Err(Error::IncorrectState { noun: Noun::Image, id: self.id.to_string(), state: self.word(), wanted: word })
    }

    /// Whether its snapshots are held for it.
    pub const fn holds_snapshots(&self) -> bool {
        matches!(self.phase, ImagePhase::Available | ImagePhase::Disabled)
    }

    /// Becomes what its snapshots make it. The list holds those of them that exist.
    pub fn follow(&mut self, snapshots: &[Snapshot]) {
        if self.phase != ImagePhase::Pending {
            return;
        }
        let find = |id: SnapshotId| snapshots.iter().find(|snapshot| snapshot.id == id);
        let failed = |id| find(id).is_none_or(|snapshot| snapshot.phase == SnapshotPhase::Failed);
        if self.snapshots().any(failed) {
            self.phase = ImagePhase::Failed;
            return;
        }
        let contents = self.snapshots().map(|id| find(id).and_then(|snapshot| snapshot.start().ok())).collect::<Option<Vec<_>>>();
        if let Some(root) = contents.and_then(|all| all.into_iter().next()) {
            (self.manifest, self.encryption) = (root.manifest, root.encryption);
            self.imported = self.imported.map(|_| 100);
            self.phase = ImagePhase::Available;
        }
    }
}

/// A further disk of an image's instances.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageDisk {
    /// Device name.
    pub device: String,
    /// The snapshot that it starts as; none for an empty one.
    pub snapshot: Option<SnapshotId>,
    /// Its size.
    pub size: Gib,
    /// How it is encrypted, beside what the snapshot says.
    #[serde(default, skip_serializing_if = "EncryptionChoice::is_none")]
    pub encryption: EncryptionChoice,
    /// What it is sold as.
    pub kind: VolumeKind,
    /// What is bought on top.
    #[serde(default, skip_serializing_if = "Provisioned::is_none")]
    pub provisioned: Provisioned,
    /// Whether it goes with its instance.
    pub delete_on_termination: bool,
}

/// Checks the name of a family: empty for none, or 2 to 128 letters, digits and `:_-`, beginning with a letter and not with `aliyun` or
/// `acs:` (ECS's rule).
pub fn check_family(name: &str) -> Result<(), Error> {
    let allowed = |c: char| c.is_alphanumeric() || ":_-".contains(c);
    let begins = name.starts_with(char::is_alphabetic) && !name.starts_with("aliyun") && !name.starts_with("acs:");
    if name.is_empty() || (begins && (2..=128).contains(&name.chars().count()) && name.chars().all(allowed)) {
        return Ok(());
    }
    Err(Error::invalid("ImageFamily", "must be 2 to 128 letters, digits and :_-, beginning with a letter and not with aliyun or acs:"))
}

/// Whether an image can be launched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ImagePhase {
    /// Its snapshots are being taken.
    Pending,
    /// It can.
    Available,
    /// Its owner does not want it launched for now; nobody else sees it.
    Disabled,
    /// Its owner took it back; instances made from it go on.
    Deregistered,
    /// One of its snapshots could not be taken.
    Failed,
}
