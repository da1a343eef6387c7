//! Routes of IPv6: the other half of a route table.
//!
//! No address is translated for them, so that they lead to other targets than those of IPv4: there is no NAT gateway among them, and
//! an egress-only gateway in its place. The VPC's own range stays inside, as in IPv4.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv6Addr;

use ipnet::{Ipv6Net, Ipv6Subnets};
use serde::{Deserialize, Serialize};

use crate::{
    EgressOnlyGatewayId, InterfaceId, InternetGateway, InternetGatewayId, PrefixListId, RouteTable, RouteTarget, SubnetId, VpcPeeringId,
    table_of,
};

/// A route of IPv6.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ipv6Route {
    /// Packets to these addresses; without host bits.
    pub destination: Ipv6Net,
    /// Where they go.
    pub target: Ipv6Target,
}

/// A route of IPv6 to all that a prefix list names. Where packets are judged, its ranges stand in its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ipv6ListRoute {
    /// The list.
    pub list: PrefixListId,
    /// Where packets go.
    pub target: Ipv6Target,
}

/// Where a route of IPv6 leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "to")]
pub enum Ipv6Target {
    /// Out, and in again. While the gateway is not attached to the table's VPC, packets are lost.
    InternetGateway {
        /// The gateway.
        gateway: InternetGatewayId,
    },
    /// Out; in come only answers.
    EgressOnlyGateway {
        /// The gateway.
        gateway: EgressOnlyGatewayId,
    },
    /// To an interface, whose guest sends them on. While it is in no instance that runs, packets are lost.
    Interface {
        /// The interface.
        interface: InterfaceId,
    },
    /// To a peered VPC. While the peering is not active, packets are lost.
    Peering {
        /// The peering.
        peering: VpcPeeringId,
    },
}

impl Ipv6Target {
    /// The target of a route of IPv4; none where routes of IPv6 have no such.
    pub const fn of(target: RouteTarget) -> Option<Ipv6Target> {
        match target {
            RouteTarget::InternetGateway { gateway } => Some(Ipv6Target::InternetGateway { gateway }),
            RouteTarget::Interface { interface } => Some(Ipv6Target::Interface { interface }),
            RouteTarget::Peering { peering } => Some(Ipv6Target::Peering { peering }),
            RouteTarget::NatGateway { gateway: _ } => None,
        }
    }

    /// The same as the target of a route of IPv4; none where those have no such.
    pub const fn of_ipv4(self) -> Option<RouteTarget> {
        match self {
            Ipv6Target::InternetGateway { gateway } => Some(RouteTarget::InternetGateway { gateway }),
            Ipv6Target::Interface { interface } => Some(RouteTarget::Interface { interface }),
            Ipv6Target::Peering { peering } => Some(RouteTarget::Peering { peering }),
            Ipv6Target::EgressOnlyGateway { gateway: _ } => None,
        }
    }

    /// Whether packets that are sent there arrive somewhere, given the gateway that the VPC has, its egress-only gateways, its
    /// interfaces in instances that run, and its active peerings.
    pub fn is_active(
        self,
        gateway: Option<&InternetGateway>,
        egress_only: &BTreeSet<EgressOnlyGatewayId>,
        running: &BTreeSet<InterfaceId>,
        peerings: &BTreeSet<VpcPeeringId>,
    ) -> bool {
        match self {
            Ipv6Target::InternetGateway { gateway: id } => gateway.is_some_and(|gateway| gateway.id == id),
            Ipv6Target::EgressOnlyGateway { gateway } => egress_only.contains(&gateway),
            Ipv6Target::Interface { interface } => running.contains(&interface),
            Ipv6Target::Peering { peering } => peerings.contains(&peering),
        }
    }
}

/// Where a subnet's packets of IPv6 go: ranges of which none overlaps another, in order of their targets. In each the route with the
/// longest prefix decides, also when it leads nowhere.
pub fn ipv6_ways(tables: &[RouteTable], subnet: SubnetId) -> Vec<(Ipv6Net, Ipv6Target)> {
    let routes = table_of(tables, subnet).map_or(&[][..], |table| &table.ipv6_routes);
    let first = |route: &Ipv6Route| route.destination.network().to_bits();
    // None after a range that ends with the last address of all.
    let after = |route: &Ipv6Route| route.destination.broadcast().to_bits().checked_add(1);
    let cuts: BTreeSet<u128> = routes.iter().flat_map(|route| std::iter::once(first(route)).chain(after(route))).collect();
    let mut found: BTreeMap<Ipv6Target, Vec<Ipv6Net>> = BTreeMap::new();
    for from in &cuts {
        let next = cuts.range((std::ops::Bound::Excluded(from), std::ops::Bound::Unbounded)).next();
        let (from, to) = (Ipv6Addr::from_bits(*from), Ipv6Addr::from_bits(next.map_or(u128::MAX, |next| next - 1)));
        let over = routes.iter().filter(|route| route.destination.contains(&from));
        if let Some(route) = over.max_by_key(|route| route.destination.prefix_len()) {
            found.entry(route.target).or_default().extend(Ipv6Subnets::new(from, to, 0));
        }
    }
    found.into_iter().flat_map(|(target, ranges)| Ipv6Net::aggregate(&ranges).into_iter().map(move |range| (range, target))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AccountId, Millis, RouteTableAssociationId, RouteTableId, Tags, VpcId};

    fn table(routes: &[(&str, Ipv6Target)]) -> RouteTable {
        RouteTable {
            id: RouteTableId::from_u64(1),
            account: AccountId::from_u64(1).unwrap(),
            vpc: VpcId::from_u64(1),
            main: Some(RouteTableAssociationId::from_u64(1)),
            subnets: vec![],
            routes: vec![],
            list_routes: vec![],
            ipv6_list_routes: vec![],
            ipv6_routes: routes.iter().map(|(to, target)| Ipv6Route { destination: to.parse().unwrap(), target: *target }).collect(),
            name: String::new(),
            description: String::new(),
            created_at: Millis(0),
            tags: Tags::new(),
        }
    }

    #[test]
    fn the_longest_prefix_decides_where_packets_go() {
        let out = Ipv6Target::InternetGateway { gateway: InternetGatewayId::from_u64(7) };
        let only = Ipv6Target::EgressOnlyGateway { gateway: EgressOnlyGatewayId::from_u64(8) };
        let guest = Ipv6Target::Interface { interface: InterfaceId::from_u64(9) };
        let tables = [table(&[("::/0", only), ("2001:db8::/32", out), ("2001:db8:ffff::/48", guest), ("ffff::/16", out)])];
        let ways = ipv6_ways(&tables, SubnetId::from_u64(1));
        let of = |ip: &str| {
            let ip: Ipv6Addr = ip.parse().unwrap();
            let over: Vec<_> = ways.iter().filter(|(range, _)| range.contains(&ip)).map(|(_, target)| *target).collect();
            assert!(over.len() <= 1, "no two ranges overlap");
            over.first().copied()
        };
        for (ip, target) in [("::", only), ("2001:db7:ffff::1", only), ("2001:db8::1", out), ("2001:db8:ffff::1", guest)] {
            assert_eq!(of(ip), Some(target), "{ip}");
        }
        for (ip, target) in [("2001:db9::", only), ("fffe::1", only), ("ffff::", out), ("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", out)] {
            assert_eq!(of(ip), Some(target), "{ip}");
        }
        assert_eq!(ipv6_ways(&[table(&[("2001:db8::/32", out)])], SubnetId::from_u64(1)), [("2001:db8::/32".parse().unwrap(), out)]);
        assert_eq!(ipv6_ways(&[table(&[])], SubnetId::from_u64(1)), []);
    }
}
