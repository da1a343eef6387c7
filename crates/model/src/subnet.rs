//! Subnets (vSwitches): a part of a VPC's range in one zone.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

use crate::{AccountId, Millis, SubnetId, Tags, VpcId};

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
    /// Display name.
    pub name: String,
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
            name: String::new(),
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
}
