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
    /// Megabits per second in each direction that its addresses have together on a host.
    pub bandwidth: u32,
    /// When it was made.
    pub created_at: Millis,
    /// Tags.
    pub tags: Tags,
}

impl BandwidthPackage {
    /// Checks a bandwidth.
    ///
    /// # Errors
    /// Refuses none, and more than there can be.
    pub fn check_bandwidth(bandwidth: u32) -> Result<(), Error> {
        let reason = || format!("must be 1 to {PACKAGE_BANDWIDTH_MAX}");
        if (1..=PACKAGE_BANDWIDTH_MAX).contains(&bandwidth) { Ok(()) } else { Err(Error::invalid("Bandwidth", reason())) }
    }
}
