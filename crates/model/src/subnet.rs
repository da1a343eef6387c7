//! Subnets (vSwitches): a part of one of a VPC's ranges in one zone.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

use crate::{AccountId, Error, HostNameOptions, Millis, Noun, SubnetId, SubnetIpv6, Tags, Vpc, VpcId, overlap};

/// Addresses at the start of a range that no interface gets: the network's own, the router and DNS server, and two that EC2
/// reserves ("Subnet sizing" in the VPC user guide: the first four and the last address).
pub const RESERVED_HEAD: u32 = 4;
/// Addresses at the end of a range that no interface gets: the broadcast address.
pub const RESERVED_TAIL: u32 = 1;

/// A subnet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subnet {
    /// Its id.
    pub id: SubnetId,
    /// Owner.
    pub account: AccountId,
    /// The VPC it is a part of.
    pub vpc: VpcId,
    /// Its zone.
    pub zone: String,
    /// Its range.
    pub range: Ipv4Net,
    /// Whether launches in its zone that name no subnet go here.
    pub is_default: bool,
    /// Whether an instance launched here gets a public address unless it says no.
    pub public_on_launch: bool,
    /// Its IPv6 range.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ipv6: Option<SubnetIpv6>,
    /// Whether an interface made here gets an IPv6 address unless it says no.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ipv6_on_launch: bool,
    /// How an instance launched here is named unless its launch says otherwise.
    #[serde(default, skip_serializing_if = "HostNameOptions::is_usual")]
    pub host_names_on_launch: HostNameOptions,
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

impl Subnet {
    /// The router's address, which also answers DHCP and DNS.
    pub fn gateway(&self) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.range.network().to_bits() + 1)
    }

    /// First and last address that an interface can get; none when the range has no room.
    pub fn usable(&self) -> Option<(Ipv4Addr, Ipv4Addr)> {
        let first = self.range.network().to_bits().checked_add(RESERVED_HEAD)?;
        let last = self.range.broadcast().to_bits().checked_sub(RESERVED_TAIL)?;
        (first <= last).then(|| (Ipv4Addr::from_bits(first), Ipv4Addr::from_bits(last)))
    }

    /// How many interfaces the range has room for.
    pub fn capacity(&self) -> u64 {
        self.usable().map_or(0, |(first, last)| u64::from(last.to_bits() - first.to_bits()) + 1)
    }

    /// Whether an interface may have this address.
    pub fn allows(&self, ip: Ipv4Addr) -> bool {
        self.usable().is_some_and(|(first, last)| (first..=last).contains(&ip))
    }
}

/// Longest prefix of a subnet's range: 8 addresses, of which three can be had (Alibaba Cloud's smallest; EC2's is /28).
pub const SUBNET_PREFIX_LONGEST: u8 = 29;
/// Shortest prefix of a subnet's range (both clouds).
pub const SUBNET_PREFIX_SHORTEST: u8 = 16;

/// Checks the range of a new subnet and gives it without host bits: a prefix from [`SUBNET_PREFIX_SHORTEST`] to `longest`, inside
/// its VPC, and clear of the VPC's other subnets.
pub fn check_subnet_range(vpc: &Vpc, others: &[Subnet], range: Ipv4Net, longest: u8) -> Result<Ipv4Net, Error> {
    let longest = longest.min(SUBNET_PREFIX_LONGEST);
    if !(SUBNET_PREFIX_SHORTEST..=longest).contains(&range.prefix_len()) {
        let reason = format!("the prefix of {range} must be /{SUBNET_PREFIX_SHORTEST} to /{longest}");
        return Err(Error::invalid("SubnetRange", reason));
    }
    let range = range.trunc();
    if vpc.range_over(range).is_none() {
        let ranges: Vec<String> = vpc.ranges().map(|range| range.to_string()).collect();
        let reason = format!("{range} is not in a range of {}, which has {}", vpc.id, ranges.join(", "));
        return Err(Error::invalid("SubnetRange", reason));
    }
    match others.iter().find(|other| overlap(&other.range, &range)) {
        Some(other) => {
            Err(Error::Duplicate { noun: Noun::Subnet, name: format!("{range}, which overlaps {} of {}", other.range, other.id) })
        }
        None => Ok(range),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subnet(range: &str) -> Subnet {
        Subnet {
            id: SubnetId::from_u64(1),
            account: AccountId::from_u64(1).unwrap(),
            vpc: VpcId::from_u64(1),
            zone: "z".into(),
            range: range.parse().unwrap(),
            is_default: true,
            public_on_launch: true,
            ipv6: None,
            ipv6_on_launch: false,
            host_names_on_launch: HostNameOptions::default(),
            name: String::new(),
            description: String::new(),
            created_at: Millis(0),
            tags: Tags::new(),
        }
    }

    #[test]
    fn five_addresses_of_a_range_are_reserved() {
        let s = subnet("10.0.1.0/24");
        assert_eq!(s.gateway(), Ipv4Addr::new(10, 0, 1, 1));
        assert_eq!(s.usable(), Some((Ipv4Addr::new(10, 0, 1, 4), Ipv4Addr::new(10, 0, 1, 254))));
        assert_eq!(s.capacity(), 251);
        assert!(!s.allows(Ipv4Addr::new(10, 0, 1, 1)) && s.allows(Ipv4Addr::new(10, 0, 1, 4)) && !s.allows(Ipv4Addr::new(10, 0, 2, 4)));
    }

    #[test]
    fn a_tiny_range_has_no_room_and_says_so() {
        assert_eq!(subnet("10.0.0.0/30").capacity(), 0);
        assert_eq!(subnet("255.255.255.255/32").usable(), None);
        assert_eq!(subnet("10.0.0.0/29").capacity(), 3);
    }

    #[test]
    fn a_range_is_inside_its_vpc_and_clear_of_the_others() {
        let vpc = Vpc {
            id: VpcId::from_u64(1),
            account: AccountId::from_u64(1).unwrap(),
            vni: 1,
            range: "10.0.0.0/16".parse().unwrap(),
            secondary: vec![],
            is_default: false,
            open: true,
            dns_support: true,
            dns_hostnames: false,
            ipv6: None,
            dhcp: crate::DhcpOptions::default(),
            dhcp_options: None,
            name: String::new(),
            description: String::new(),
            created_at: Millis(0),
            tags: Tags::new(),
        };
        let others = [subnet("10.0.1.0/24")];
        let further = Vpc {
            secondary: vec![crate::SecondaryRange { id: crate::VpcRangeId::from_u64(2), range: "10.1.0.0/20".parse().unwrap() }],
            ..vpc.clone()
        };
        for (range, fits) in [("10.1.3.0/24", true), ("10.0.2.0/24", true), ("10.1.16.0/24", false), ("10.0.0.0/15", false)] {
            assert_eq!(check_subnet_range(&further, &others, range.parse().unwrap(), 28).is_ok(), fits, "{range}");
        }
        let check = |range: &str, longest| check_subnet_range(&vpc, &others, range.parse().unwrap(), longest);
        assert_eq!(check("10.0.2.7/24", 28).map(|range| range.to_string()), Ok("10.0.2.0/24".to_owned()));
        for (range, longest) in [("10.1.0.0/24", 28), ("10.0.0.0/15", 28), ("10.0.2.0/29", 28), ("10.0.2.0/30", 29)] {
            assert!(matches!(check(range, longest), Err(Error::InvalidParameter { name: "SubnetRange", .. })), "{range}");
        }
        for range in ["10.0.1.0/24", "10.0.1.128/28", "10.0.0.0/23", "10.0.0.0/16"] {
            assert!(matches!(check(range, 28), Err(Error::Duplicate { noun: Noun::Subnet, .. })), "{range}");
        }
    }
}
