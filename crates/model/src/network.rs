//! VPCs.

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

use crate::{AccountId, Millis, Tags, VpcId};

/// A private network of an account. Ranges of different VPCs may overlap; they never meet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vpc {
    /// Its id.
    pub id: VpcId,
    /// Owner.
    pub account: AccountId,
    /// Number on the wire between hosts, 1 to 2^24-1, unique in the installation.
    pub vni: u32,
    /// Its range.
    pub range: Ipv4Net,
    /// Whether launches that name no subnet go here; one per account.
    pub is_default: bool,
    /// Display name.
    pub name: String,
    /// When it was made.
    pub created_at: Millis,
    /// Tags.
    pub tags: Tags,
}
