//! The IPv6 halves of VPCs and subnets: ranges that the cloud gives, and the addresses in them.
//!
//! A VPC gets a range of 2^72 addresses that no other VPC of the installation has, so that IPv6 never overlaps; its subnets take
//! ranges of 2^64 of it, and interfaces single addresses.

use std::net::Ipv6Addr;

use ipnet::Ipv6Net;
use serde::{Deserialize, Serialize};

use crate::{Error, Noun, Subnet, SubnetRangeId, Vpc, VpcRangeId};

/// Length of the prefix of a VPC's range (EC2, Alibaba Cloud and Tencent Cloud alike).
pub const VPC_IPV6_PREFIX: u8 = 56;
/// Length of the prefix of a subnet's range (all three).
pub const SUBNET_IPV6_PREFIX: u8 = 64;
/// Length of the prefix from which ranges of VPCs are taken where the operator names none: one site of RFC 4193.
pub const SITE_PREFIX: u8 = 48;
/// Addresses at the start of a subnet's range that no interface gets, as in IPv4.
const RESERVED_HEAD: u128 = 4;

/// The IPv6 range of a VPC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct VpcIpv6 {
    /// The tie between the two.
    pub id: VpcRangeId,
    /// The range.
    pub range: Ipv6Net,
}

/// The IPv6 range of a subnet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubnetIpv6 {
    /// The tie between the two.
    pub id: SubnetRangeId,
    /// The range.
    pub range: Ipv6Net,
}

impl SubnetIpv6 {
    /// Whether an interface may have this address.
    pub fn allows(&self, ip: Ipv6Addr) -> bool {
        let first = self.range.network().to_bits();
        self.range.contains(&ip) && ip.to_bits() - first >= RESERVED_HEAD && ip != self.range.broadcast()
    }

    /// The address with this interface identifier; the next one that may be had where that is reserved.
    pub fn address(&self, identifier: u64) -> Ipv6Addr {
        let within = u128::from(identifier).clamp(RESERVED_HEAD, u128::from(u64::MAX) - 1);
        Ipv6Addr::from_bits(self.range.network().to_bits() | within)
    }
}

/// The range of a site whose global identifier is these 40 bits (RFC 4193, section 3.2).
pub fn site_range(global: [u8; 5]) -> Ipv6Net {
    let mut octets = [0; 16];
    octets[0] = 0xfd;
    octets[1..6].copy_from_slice(&global);
    Ipv6Net::new_assert(Ipv6Addr::from(octets), SITE_PREFIX)
}

/// The first range for a VPC in the pool that is not among those taken, which are in order.
pub fn free_vpc_range(pool: Ipv6Net, taken: &[Ipv6Net]) -> Option<Ipv6Net> {
    let mut ranges = pool.subnets(VPC_IPV6_PREFIX).ok()?;
    ranges.find(|range| taken.binary_search(range).is_err())
}

/// Checks the range that a subnet asks for: a /64 of its VPC's range that no other subnet has.
pub fn check_subnet_ipv6(vpc: &Vpc, others: &[Subnet], range: Ipv6Net) -> Result<Ipv6Net, Error> {
    if range.prefix_len() != SUBNET_IPV6_PREFIX || range.trunc() != range {
        return Err(Error::invalid("Ipv6CidrBlock", format!("{range} is not a range with a prefix of /{SUBNET_IPV6_PREFIX}")));
    }
    if !vpc.ipv6.is_some_and(|own| own.range.contains(&range)) {
        return Err(Error::invalid("Ipv6CidrBlock", format!("{range} is not in an IPv6 range of {}", vpc.id)));
    }
    match others.iter().find(|other| other.ipv6.is_some_and(|own| own.range == range)) {
        Some(other) => Err(Error::Duplicate { noun: Noun::Subnet, name: format!("{range}, which {} has", other.id) }),
        None => Ok(range),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn net(text: &str) -> Ipv6Net {
        text.parse().unwrap()
    }

    #[test]
    fn every_vpc_gets_a_range_of_its_own_until_there_is_none() {
        let pool = site_range([0x12, 0x34, 0x56, 0x78, 0x9a]);
        assert_eq!(pool, net("fd12:3456:789a::/48"));
        let mut taken = Vec::new();
        while let Some(range) = free_vpc_range(pool, &taken) {
            taken.push(range);
        }
        assert_eq!((taken.len(), taken[1]), (256, net("fd12:3456:789a:100::/56")));
        taken.remove(7);
        assert_eq!(free_vpc_range(pool, &taken), Some(net("fd12:3456:789a:700::/56")));
    }

    #[test]
    fn an_address_is_never_one_that_is_reserved() {
        let subnet = SubnetIpv6 { id: SubnetRangeId::from_u64(1), range: net("fd00:1:2:3::/64") };
        for identifier in [0, 1, 3, 4, 5, 0x0192_d3f4_a5b6_c7d8, u64::MAX - 1, u64::MAX] {
            assert!(subnet.allows(subnet.address(identifier)), "{identifier:x}");
        }
        for ip in ["fd00:1:2:3::", "fd00:1:2:3::3", "fd00:1:2:3:ffff:ffff:ffff:ffff", "fd00:1:2:4::5"] {
            assert!(!subnet.allows(ip.parse().unwrap()), "{ip}");
        }
    }
}
