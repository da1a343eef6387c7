//! Keys of encrypted disks, as a host is told of them.
//!
//! A document carries keys over the line to its host and in memory only. The document that a host keeps says of each key that it is
//! withheld ([`HostSpec::to_keep`](crate::HostSpec::to_keep)): a host that starts without its control plane finds its guests running,
//! which have their keys, and cannot open a disk anew until the next document comes.

use model::DataKey;
use serde::{Deserialize, Serialize};

/// The key of an encrypted disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum DiskKey {
    /// It may be opened.
    Here {
        /// The key.
        key: DataKey,
    },
    /// It may not: the account's key that wraps this one is disabled or gone, or this is a document that was kept.
    Withheld,
}

impl DiskKey {
    /// The key, if it is here.
    pub fn data_key(&self) -> Option<&DataKey> {
        match self {
            DiskKey::Here { key } => Some(key),
            DiskKey::Withheld => None,
        }
    }
}

/// The keys of a disk; none where it is plain.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct DiskKeys {
    /// That of its layers and of snapshots of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub own: Option<DiskKey>,
    /// That of the manifest that its unwritten blocks are read from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub under: Option<DiskKey>,
}

impl DiskKeys {
    /// Whether nothing is encrypted.
    pub fn is_none(&self) -> bool {
        self.own.is_none() && self.under.is_none()
    }

    /// The same, with what is secret withheld.
    pub fn withheld(&self) -> DiskKeys {
        let withheld = |key: &Option<DiskKey>| key.as_ref().map(|_| DiskKey::Withheld);
        DiskKeys { own: withheld(&self.own), under: withheld(&self.under) }
    }
}
