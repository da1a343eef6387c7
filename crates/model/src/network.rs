//! VPCs, and the ranges that they may have.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

use crate::{AccountId, DhcpOptions, DhcpOptionsId, Error, Millis, SecondaryRange, Tags, VpcId, VpcIpv6};

/// A private network of an account. Ranges of different VPCs may overlap; they never meet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vpc {
    /// Its id.
    pub id: VpcId,
    /// Owner.
    pub account: AccountId,
    /// Number on the wire between hosts, 1 to 2^24-1, unique in the installation.
    pub vni: u32,
    /// Its first range, which it keeps.
    pub range: Ipv4Net,
    /// Its further ranges; none overlaps another.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secondary: Vec<SecondaryRange>,
    /// Whether launches that name no subnet go here; one per account.
    pub is_default: bool,
    /// Whether its machines reach public addresses without a gateway, as in Alibaba Cloud's VPCs, as long as it has none. Those of
    /// earlier versions do.
    #[serde(default = "yes")]
    pub open: bool,
    /// Whether the host answers questions for names inside.
    #[serde(default = "yes")]
    pub dns_support: bool,
    /// Whether machines were to have public host names. Kept and shown; none are made.
    #[serde(default)]
    pub dns_hostnames: bool,
    /// Its IPv6 range.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ipv6: Option<VpcIpv6>,
    /// What its machines are told of names when they ask for an address.
    #[serde(default, skip_serializing_if = "DhcpOptions::is_usual")]
    pub dhcp: DhcpOptions,
    /// The set that said so; none where that is what is usual, or the VPC's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dhcp_options: Option<DhcpOptionsId>,
    /// Display name.
    pub name: String,
    /// Description.
    #[serde(default)]
    pub description: String,
    /// When it was made.
    pub created_at: Millis,
    /// Tags.
    pub tags: Tags,
}

fn yes() -> bool {
    true
}

/// Longest prefix of a VPC's range: 16 addresses (EC2's smallest).
pub const VPC_PREFIX_LONGEST: u8 = 28;
/// Shortest prefix of a VPC's range (Alibaba Cloud documents 10.0.0.0/8; a dialect may ask for longer ones).
pub const VPC_PREFIX_SHORTEST: u8 = 8;

/// Ranges that no VPC can have, as the clouds document them: this network, loopback, link-local and multicast addresses.
const FORBIDDEN: [(Ipv4Addr, u8); 4] = [
    (Ipv4Addr::new(0, 0, 0, 0), 8),
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    (Ipv4Addr::new(224, 0, 0, 0), 3),
];

/// Checks the range of a new VPC and gives it without host bits: a prefix from `shortest` to [`VPC_PREFIX_LONGEST`], and none of
/// the addresses that mean something else everywhere.
pub fn check_vpc_range(range: Ipv4Net, shortest: u8) -> Result<Ipv4Net, Error> {
    if !(shortest.max(VPC_PREFIX_SHORTEST)..=VPC_PREFIX_LONGEST).contains(&range.prefix_len()) {
        return Err(Error::invalid("VpcRange", format!("the prefix of {range} must be /{shortest} to /{VPC_PREFIX_LONGEST}")));
    }
    let forbidden = FORBIDDEN.iter().filter_map(|(ip, prefix)| Ipv4Net::new(*ip, *prefix).ok());
    match forbidden.into_iter().find(|forbidden| overlap(forbidden, &range)) {
        Some(forbidden) => Err(Error::invalid("VpcRange", format!("{range} overlaps the reserved range {forbidden}"))),
        None => Ok(range.trunc()),
    }
}

/// Whether two ranges have an address in common.
pub fn overlap(a: &Ipv4Net, b: &Ipv4Net) -> bool {
    a.contains(b) || b.contains(a)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(range: &str, shortest: u8) -> Option<String> {
        check_vpc_range(range.parse().unwrap(), shortest).ok().map(|range| range.to_string())
    }

    #[test]
    fn a_range_loses_its_host_bits_and_is_neither_too_large_nor_too_small() {
        assert_eq!(checked("10.0.0.9/16", 16).as_deref(), Some("10.0.0.0/16"));
        assert_eq!(checked("100.68.0.18/28", 16).as_deref(), Some("100.68.0.16/28"));
        for (range, shortest) in [("10.0.0.0/15", 16), ("10.0.0.0/29", 16), ("10.0.0.0/7", 0), ("0.0.0.0/0", 0)] {
            assert_eq!(checked(range, shortest), None, "{range}");
        }
        assert_eq!(checked("10.0.0.0/8", 8).as_deref(), Some("10.0.0.0/8"));
    }

    #[test]
    fn addresses_that_mean_something_everywhere_are_in_no_vpc() {
        for range in ["127.1.0.0/16", "169.254.0.0/16", "169.254.169.0/24", "224.0.0.0/16", "255.255.0.0/16", "0.1.0.0/16"] {
            assert_eq!(checked(range, 8), None, "{range}");
        }
    }
}
