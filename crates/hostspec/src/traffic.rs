//! What a host counted of its public addresses. It is sent once a minute and left out of all other reports.

use std::net::Ipv4Addr;

use model::Traffic;
use serde::{Deserialize, Serialize};

/// What the public addresses of a host carried, whole: totals since each was first counted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrafficReport {
    /// When it was counted, in milliseconds since 1970 by the host's clock.
    pub at_ms: i64,
    /// Each address that carried anything.
    pub addresses: Vec<AddressTraffic>,
}

/// The total of one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddressTraffic {
    /// The address.
    pub public: Ipv4Addr,
    /// When the host began to count it; another number is another count, which began at nothing.
    pub since_ms: i64,
    /// What it carried since.
    pub total: Traffic,
}
