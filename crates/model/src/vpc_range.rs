//! The IPv4 ranges of a VPC: the first, which it was made with and keeps, and further ones that come and go.
//!
//! Every table of the VPC has a local route for each. A further range is clear of the VPC's others, of every range across a peering,
//! and of the routes that lead out of the VPC: what was sent out must not begin to stay inside.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

use crate::{Error, RouteTable, RouteTableId, Vpc, VpcPeeringId, VpcRangeId, overlap};

/// A further range of a VPC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecondaryRange {
    /// The tie between the two.
    pub id: VpcRangeId,
    /// The range, without host bits.
    pub range: Ipv4Net,
}

/// What keeps a VPC from having a range, or from giving it up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum RangeConflict {
    /// It overlaps a range that the VPC has.
    Own {
        /// The range that is there.
        range: Ipv4Net,
    },
    /// It overlaps what the VPC is peered with, or what that is peered with.
    Peered {
        /// The VPC's own peering.
        peering: VpcPeeringId,
        /// The range that is there.
        range: Ipv4Net,
    },
    /// It holds all that a route leads elsewhere.
    Routed {
        /// The route's table.
        table: RouteTableId,
        /// The route's destination.
        range: Ipv4Net,
    },
    /// Something of the VPC is in it.
    Inside {
        /// The subnet, or the NAT gateway that forwards to an address of it.
        id: String,
        /// The subnet's range, or the address.
        range: Ipv4Net,
    },
}

impl RangeConflict {
    /// What is in the way, in words.
    pub fn words(&self) -> String {
        match self {
            RangeConflict::Own { range } => format!("overlaps the range {range} of the VPC"),
            RangeConflict::Peered { peering, range } => format!("overlaps {range} across {peering}"),
            RangeConflict::Routed { table, range } => format!("holds {range}, which a route of {table} leads elsewhere"),
            RangeConflict::Inside { id, range } => format!("has {id} ({range}) in it"),
        }
    }
}

/// The blocks of private addresses (RFC 1918).
const PRIVATE: [(Ipv4Addr, u8); 3] =
    [(Ipv4Addr::new(10, 0, 0, 0), 8), (Ipv4Addr::new(172, 16, 0, 0), 12), (Ipv4Addr::new(192, 168, 0, 0), 16)];
/// What EC2 keeps from every VPC as a further range ("IPv4 CIDR block association restrictions").
const KEPT: (Ipv4Addr, u8) = (Ipv4Addr::new(198, 19, 0, 0), 16);

impl Vpc {
    /// Its ranges, the first one first.
    pub fn ranges(&self) -> impl Iterator<Item = Ipv4Net> + '_ {
        std::iter::once(self.range).chain(self.secondary.iter().map(|further| further.range))
    }

    /// The tie of its first range, which has the digits of the VPC.
    pub fn first_range_id(&self) -> VpcRangeId {
        VpcRangeId::from_u64(self.id.as_u64())
    }

    /// Its ranges, each with its tie, the first one first.
    pub fn ties(&self) -> impl Iterator<Item = SecondaryRange> + '_ {
        std::iter::once(SecondaryRange { id: self.first_range_id(), range: self.range }).chain(self.secondary.iter().copied())
    }

    /// Whether an address is in one of its ranges.
    pub fn contains(&self, ip: Ipv4Addr) -> bool {
        self.range_over(Ipv4Net::from(ip)).is_some()
    }

    /// The range that holds all of another.
    pub fn range_over(&self, part: Ipv4Net) -> Option<Ipv4Net> {
        self.ranges().find(|range| range.contains(&part))
    }

    /// What of the VPC itself keeps it from having this range too: its own ranges, and routes of its tables that lead to a part of it.
    /// A route to more than the range does not: the local route is the longer one.
    pub fn range_conflicts(&self, tables: &[RouteTable], range: Ipv4Net) -> Vec<RangeConflict> {
        let own = self.ranges().filter(|own| overlap(own, &range)).map(|range| RangeConflict::Own { range });
        let routes = tables.iter().flat_map(|table| table.routes.iter().map(move |route| (table.id, route.destination)));
        let routed = routes.filter(|(_, destination)| range.contains(destination));
        own.chain(routed.map(|(table, range)| RangeConflict::Routed { table, range })).collect()
    }

    /// Refuses a range of another private block than the VPC's first is of, as EC2 does; public ranges go with all.
    pub fn check_block(&self, range: Ipv4Net) -> Result<(), Error> {
        let restricted =
            || Error::invalid("VpcRange", format!("{range} is restricted: use a public range or one of the block of {}", self.range));
        let within = |(ip, prefix): (Ipv4Addr, u8)| Ipv4Net::new(ip, prefix).is_ok_and(|block| overlap(&block, &range));
        let blocks: Vec<(Ipv4Addr, u8)> = PRIVATE.into_iter().filter(|block| within(*block)).collect();
        let is_own = |(ip, prefix): &(Ipv4Addr, u8)| Ipv4Net::new(*ip, *prefix).is_ok_and(|block| overlap(&block, &self.range));
        if within(KEPT) || !blocks.iter().all(is_own) { Err(restricted()) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AccountId, InternetGatewayId, Millis, Route, RouteTarget, Tags, VpcId};

    fn net(text: &str) -> Ipv4Net {
        text.parse().unwrap()
    }

    fn vpc(range: &str, further: &[&str]) -> Vpc {
        let tie = |(id, range): (usize, &&str)| SecondaryRange { id: VpcRangeId::from_u64(id as u64 + 10), range: net(range) };
        Vpc {
            id: VpcId::from_u64(1),
            account: AccountId::from_u64(1).unwrap(),
            vni: 1,
            range: net(range),
            secondary: further.iter().enumerate().map(tie).collect(),
            is_default: false,
            open: false,
            dns_support: true,
            dns_hostnames: false,
            ipv6: None,
            dhcp: crate::DhcpOptions::default(),
            dhcp_options: None,
            name: String::new(),
            description: String::new(),
            created_at: Millis(0),
            tags: Tags::new(),
        }
    }

    fn table(destinations: &[&str]) -> RouteTable {
        let target = RouteTarget::InternetGateway { gateway: InternetGatewayId::from_u64(7) };
        RouteTable {
            id: RouteTableId::from_u64(3),
            account: AccountId::from_u64(1).unwrap(),
            vpc: VpcId::from_u64(1),
            main: None,
            subnets: vec![],
            routes: destinations.iter().map(|text| Route::new(net(text), target)).collect(),
            list_routes: vec![],
            ipv6_routes: vec![],
            ipv6_list_routes: vec![],
            name: String::new(),
            description: String::new(),
            created_at: Millis(0),
            tags: Tags::new(),
        }
    }

    #[test]
    fn an_address_is_inside_in_every_range_and_a_part_in_one() {
        let vpc = vpc("10.0.0.0/16", &["10.2.0.0/16", "100.64.0.0/24"]);
        for ip in ["10.0.3.4", "10.2.0.1", "100.64.0.255"] {
            assert!(vpc.contains(ip.parse().unwrap()), "{ip}");
        }
        assert!(!vpc.contains("10.1.0.1".parse().unwrap()) && !vpc.contains("100.64.1.0".parse().unwrap()));
        assert_eq!(vpc.range_over(net("10.2.4.0/24")), Some(net("10.2.0.0/16")));
        assert_eq!(vpc.range_over(net("10.2.0.0/15")), None);
        assert_eq!(vpc.ties().map(|tie| tie.id.as_u64()).collect::<Vec<_>>(), [1, 10, 11]);
    }

    #[test]
    fn a_range_is_clear_of_the_others_and_of_routes_to_a_part_of_it() {
        let vpc = vpc("10.0.0.0/16", &["10.2.0.0/16"]);
        let tables = [table(&["0.0.0.0/0", "10.0.0.0/8", "10.4.1.0/24"])];
        let conflicts = |range: &str| vpc.range_conflicts(&tables, net(range));
        assert_eq!(conflicts("10.3.0.0/16"), []);
        assert_eq!(conflicts("10.4.1.0/25"), [], "the route leads to more than the range");
        assert_eq!(conflicts("10.2.128.0/20"), [RangeConflict::Own { range: net("10.2.0.0/16") }]);
        for range in ["10.4.1.0/24", "10.4.0.0/16"] {
            assert_eq!(conflicts(range), [RangeConflict::Routed { table: tables[0].id, range: net("10.4.1.0/24") }], "{range}");
        }
    }

    #[test]
    fn private_blocks_are_not_mixed_where_that_is_refused() {
        let fits = |first: &str, range: &str| vpc(first, &[]).check_block(net(range)).is_ok();
        assert!(fits("10.0.0.0/16", "10.9.0.0/16") && fits("10.0.0.0/16", "100.64.0.0/16") && fits("192.168.0.0/24", "11.0.0.0/16"));
        assert!(!fits("10.0.0.0/16", "172.16.0.0/16") && !fits("172.16.0.0/16", "192.168.0.0/16") && !fits("100.64.0.0/16", "10.0.0.0/16"));
        assert!(!fits("100.64.0.0/16", "198.19.4.0/24"));
    }
}
