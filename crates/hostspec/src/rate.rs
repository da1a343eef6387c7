//! How fast a public address may send and receive. The host that translates it holds it to that; nothing else of the network is limited.

use std::net::Ipv4Addr;

use model::BandwidthPackageId;
use serde::{Deserialize, Serialize};

/// The bandwidth of a public address on this host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RateSpec {
    /// The public address.
    pub public: Ipv4Addr,
    /// What leaves from it, in megabits (10^6) per second, 1 or more.
    pub outward_mbit: u32,
    /// What comes to it, likewise.
    pub inward_mbit: u32,
    /// Addresses of one VPC with the same package have this bandwidth together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub package: Option<BandwidthPackageId>,
}
