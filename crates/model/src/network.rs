//! VPCs, and the ranges that they may have.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

use crate::{AccountId, Error, Millis, Tags, VpcId, VpcIpv6};

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

/// Most name servers that a VPC's machines are told of (EC2, Alibaba Cloud and Tencent Cloud alike).
pub const DNS_SERVERS_MAX: usize = 4;
/// Longest name of a domain, and of a part of one, in characters (RFC 1035, 2.3.4).
const DOMAIN_MAX: (usize, usize) = (253, 63);

/// What DHCP tells the machines of a VPC beside their addresses. Those that run hear of a change when they ask again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DhcpOptions {
    /// The domain that names without a dot are completed with; the region's when there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
    /// Who answers questions for names, the first one first; the VPC's own server when there is none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dns_servers: Vec<Ipv4Addr>,
}

impl DhcpOptions {
    /// Whether it says nothing of its own.
    pub fn is_usual(&self) -> bool {
        *self == DhcpOptions::default()
    }

    /// Checks a domain and the number of servers.
    pub fn check(&self) -> Result<(), Error> {
        let (longest, part) = DOMAIN_MAX;
        let is_label = |label: &str| {
            let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
            (1..=part).contains(&label.len()) && label.bytes().all(is_letter) && !label.starts_with('-') && !label.ends_with('-')
        };
        if let Some(domain) = self.domain.as_ref().filter(|domain| domain.len() > longest || !domain.split('.').all(is_label)) {
            let shown: String = domain.chars().take(part).collect();
            return Err(Error::invalid("DomainName", format!("{shown} is no name of a domain")));
        }
        if self.dns_servers.len() > DNS_SERVERS_MAX {
            return Err(Error::invalid("DnsServers", format!("there are more than {DNS_SERVERS_MAX}")));
        }
        match self.dns_servers.iter().find(|ip| ip.is_unspecified() || ip.is_broadcast() || ip.is_multicast() || ip.is_loopback()) {
            Some(ip) => Err(Error::invalid("DnsServers", format!("{ip} is no machine's address"))),
            None => Ok(()),
        }
    }
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
    fn what_dhcp_tells_is_a_domain_and_a_few_machines() {
        let with = |domain: &str, servers: &[[u8; 4]]| {
            let dns_servers = servers.iter().map(|ip| Ipv4Addr::from(*ip)).collect();
            DhcpOptions { domain: Some(domain.to_owned()), dns_servers }.check().is_ok()
        };
        assert!(with("corp.example", &[[10, 0, 0, 2]; 4]) && with("one", &[]));
        for wrong in ["", "a..b", ".a", "a.", "-a.b", "a b", "a\n", "\u{e4}.b", &"a.".repeat(127), &"a".repeat(64)] {
            assert!(!with(wrong, &[]), "{wrong}");
        }
        assert!(!with("a", &[[10, 0, 0, 2]; 5]) && !with("a", &[[0, 0, 0, 0]]) && !with("a", &[[224, 0, 0, 1]]));
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
