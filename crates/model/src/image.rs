//! Images: what instances start from.

use serde::{Deserialize, Serialize};

use crate::{AccountId, Architecture, Gib, ImageId, Millis, Tags};

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
    /// Size of the disk in bytes.
    pub size_bytes: u64,
    /// Smallest system disk that it fits on.
    pub min_disk: Gib,
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
        self.public || self.account == account
    }
}

/// Whether an image can be launched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ImagePhase {
    /// It can.
    Available,
    /// Its owner took it back; instances made from it go on.
    Deregistered,
}
