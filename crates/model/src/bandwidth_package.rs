//! Bandwidth that several elastic addresses share, in place of each one's own.

use serde::{Deserialize, Serialize};

use crate::{AccountId, BandwidthPackageId, Error, Millis, Tags};

/// Packages of an account (Alibaba Cloud documents 5 in a region).
pub const BANDWIDTH_PACKAGES_MAX: usize = 5;
/// Addresses of a package (Alibaba Cloud documents 100).
pub const PACKAGE_ADDRESSES_MAX: usize = 100;
/// Largest bandwidth of a package in megabits per second (Alibaba Cloud documents 1,000 without asking).
const PACKAGE_BANDWIDTH_MAX: u32 = 1_000;

/// A bandwidth for several addresses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BandwidthPackage {
    /// Its id.
    pub id: BandwidthPackageId,
    /// Owner.
    pub account: AccountId,
    /// Display name.
    pub name: String,
    /// Description.
    pub description: String,
    /// Megabits per second in each direction that its addresses have together on a host; none where each keeps its own.
    pub bandwidth: Option<u32>,
    /// How its vendor has it paid for, in that vendor's word, which is told again; nothing is charged.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub charge: String,
    /// Whether it is protected against its deletion.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub protected: bool,
    /// When it was made.
    pub created_at: Millis,
    /// Tags.
    pub tags: Tags,
}

impl BandwidthPackage {
    /// Its bandwidth as a number: the largest where it has no limit.
    pub fn bandwidth_shown(&self) -> u32 {
        self.bandwidth.unwrap_or(PACKAGE_BANDWIDTH_MAX)
    }

    /// Checks a bandwidth.
    ///
    /// # Errors
    /// Refuses none, and more than there can be.
    pub fn check_bandwidth(bandwidth: u32) -> Result<(), Error> {
        let reason = || format!("must be 1 to {PACKAGE_BANDWIDTH_MAX}");
        if (1..=PACKAGE_BANDWIDTH_MAX).contains(&bandwidth) { Ok(()) } else { Err(Error::invalid("Bandwidth", reason())) }
    }
}
