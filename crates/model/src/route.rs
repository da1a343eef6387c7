//! Route tables: where packets that leave a subnet go.
//!
//! Every table has routes that are not in its list and cannot be changed: the VPC's own ranges stay inside. A subnet uses the
//! table that it is associated with, else the main table of its VPC.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use ipnet::{Ipv4Net, Ipv4Subnets, Ipv6Net};
use serde::{Deserialize, Serialize};

use crate::{
    AccountId, InterfaceId, InternetGateway, InternetGatewayId, Ipv6ListRoute, Ipv6Route, Ipv6Target, Millis, NatGatewayId, PrefixListId,
    RouteTableAssociationId, RouteTableId, SubnetId, Tags, Vpc, VpcId, VpcPeeringId,
};

/// A route table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteTable {
    /// Its id.
    pub id: RouteTableId,
    /// Owner.
    pub account: AccountId,
    /// Its VPC.
    pub vpc: VpcId,
    /// The tie to the VPC itself, when this is its main table.
    pub main: Option<RouteTableAssociationId>,
    /// Ties to subnets; a subnet has one at most.
    pub subnets: Vec<SubnetAssociation>,
    /// Its routes besides the local ones, no two with the same destination.
    pub routes: Vec<Route>,
    /// Its routes to all that a prefix list names, one for a list at most.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub list_routes: Vec<ListRoute>,
    /// Its routes of IPv6 besides the local one, no two with the same destination.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ipv6_routes: Vec<Ipv6Route>,
    /// Its routes of IPv6 to all that a prefix list names, one for a list at most.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ipv6_list_routes: Vec<Ipv6ListRoute>,
    /// Display name.
    #[serde(default)]
    pub name: String,
    /// Description.
    #[serde(default)]
    pub description: String,
    /// When it was made.
    pub created_at: Millis,
    /// Tags.
    pub tags: Tags,
}

/// The tie of a table to a subnet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubnetAssociation {
    /// Its id.
    pub id: RouteTableAssociationId,
    /// The subnet.
    pub subnet: SubnetId,
}

/// A route.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// Packets to these addresses.
    pub destination: Ipv4Net,
    /// Where they go.
    pub target: RouteTarget,
    /// Display name.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Description.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Whether it holds its place in the table and nothing else: packets go as if it were not there.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub disabled: bool,
}

/// A route to all that a prefix list names. Where packets are judged, its ranges stand in its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListRoute {
    /// The list.
    pub list: PrefixListId,
    /// Where packets go.
    pub target: RouteTarget,
}

/// Where a route leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "to")]
pub enum RouteTarget {
    /// To public addresses, through a gateway. While it is not attached to the table's VPC, packets are lost.
    InternetGateway {
        /// The gateway.
        gateway: InternetGatewayId,
    },
    /// To an interface, whose guest sends them on. While it is in no instance that runs, packets are lost.
    Interface {
        /// The interface.
        interface: InterfaceId,
    },
    /// To a NAT gateway, which sends them on with its address.
    NatGateway {
        /// The gateway.
        gateway: NatGatewayId,
    },
    /// To a peered VPC. While the peering is not active, packets are lost.
    Peering {
        /// The peering.
        peering: VpcPeeringId,
    },
}

impl RouteTarget {
    /// What it is, in one word.
    pub const fn word(self) -> &'static str {
        match self {
            RouteTarget::InternetGateway { .. } => "internet-gateway",
            RouteTarget::Interface { .. } => "interface",
            RouteTarget::NatGateway { .. } => "nat-gateway",
            RouteTarget::Peering { .. } => "peering",
        }
    }
}

impl Route {
    /// A route that is enabled, without a description.
    pub fn new(destination: Ipv4Net, target: RouteTarget) -> Route {
        Route { destination, target, name: String::new(), description: String::new(), disabled: false }
    }

    /// Whether packets follow it and arrive somewhere, given the gateway that the VPC has, its interfaces in instances that run, and
    /// its NAT gateways that came about.
    pub fn is_active(
        &self,
        gateway: Option<&InternetGateway>,
        running: &BTreeSet<InterfaceId>,
        nats: &BTreeSet<NatGatewayId>,
        peerings: &BTreeSet<VpcPeeringId>,
    ) -> bool {
        let leads = match self.target {
            RouteTarget::NatGateway { gateway } => nats.contains(&gateway),
            RouteTarget::Peering { peering } => peerings.contains(&peering),
            RouteTarget::InternetGateway { gateway: id } => gateway.is_some_and(|gateway| gateway.id == id),
            RouteTarget::Interface { interface } => running.contains(&interface),
        };
        leads && !self.disabled
    }

    /// Whether it leads out by this gateway.
    pub fn leads_out(&self, gateway: Option<&InternetGateway>) -> bool {
        match self.target {
            RouteTarget::InternetGateway { gateway: id } => gateway.is_some_and(|gateway| gateway.id == id),
            RouteTarget::Interface { .. } | RouteTarget::NatGateway { .. } | RouteTarget::Peering { .. } => false,
        }
    }
}

impl RouteTable {
    /// The route to this destination.
    pub fn route_to(&self, destination: Ipv4Net) -> Option<&Route> {
        self.routes.iter().find(|route| route.destination == destination)
    }

    /// Whether some route leads to this target.
    pub fn leads_to(&self, target: RouteTarget) -> bool {
        let of_ipv6 = self.ipv6_targets().any(|to| to.of_ipv4() == Some(target));
        of_ipv6 || self.routes.iter().any(|route| route.target == target) || self.list_routes.iter().any(|route| route.target == target)
    }

    /// Takes every route to this target away.
    pub fn forget(&mut self, target: RouteTarget) {
        self.routes.retain(|route| route.target != target);
        self.list_routes.retain(|route| route.target != target);
        self.ipv6_routes.retain(|route| route.target.of_ipv4() != Some(target));
        self.ipv6_list_routes.retain(|route| route.target.of_ipv4() != Some(target));
    }

    /// Where its routes of IPv6 lead, those to lists behind the others.
    pub fn ipv6_targets(&self) -> impl Iterator<Item = Ipv6Target> {
        self.ipv6_routes.iter().map(|route| route.target).chain(self.ipv6_list_routes.iter().map(|route| route.target))
    }

    /// The same as [`RouteTable::spread`] of a list of IPv6.
    pub fn spread_ipv6(&mut self, route: Ipv6ListRoute, ranges: impl IntoIterator<Item = Ipv6Net>, vpc: &Vpc) {
        let is_outside = |range: &Ipv6Net| !vpc.ipv6.is_some_and(|own| own.range.contains(range));
        for destination in ranges.into_iter().map(|range| range.trunc()).filter(is_outside) {
            if self.ipv6_routes.iter().all(|own| own.destination != destination) {
                self.ipv6_routes.push(Ipv6Route { destination, target: route.target });
            }
        }
    }

    /// Adds the ranges of a list that one of its routes names. A route of the table itself to the same range takes precedence, and the
    /// VPC's own ranges stay inside (EC2, "Route priority").
    pub fn spread(&mut self, route: ListRoute, ranges: impl IntoIterator<Item = Ipv4Net>, vpc: &Vpc) {
        for range in ranges.into_iter().map(|range| range.trunc()).filter(|range| vpc.range_over(*range).is_none()) {
            if self.route_to(range).is_none() {
                self.routes.push(Route::new(range, route.target));
            }
        }
    }

    /// Whether the subnet uses it by a tie of its own.
    pub fn has_subnet(&self, subnet: SubnetId) -> bool {
        self.subnets.iter().any(|tie| tie.subnet == subnet)
    }
}

/// The public addresses that machines of a subnet may talk to, given all tables of its VPC and the VPC's gateway: everything
/// where the VPC is open and has no gateway, else what the subnet's table sends to the gateway.
pub fn ways_out(vpc: &Vpc, tables: &[RouteTable], gateway: Option<&InternetGateway>, subnet: SubnetId) -> Vec<Ipv4Net> {
    if gateway.is_none() && vpc.open {
        return vec![Ipv4Net::default()];
    }
    let active = |route: &Route| route.leads_out(gateway);
    table_of(tables, subnet).map_or_else(Vec::new, |table| where_longest(&table.routes, active))
}

/// Where the guests of interfaces send a subnet's packets on: each range, none of which overlaps another, with its interface.
pub fn ways_through(tables: &[RouteTable], subnet: SubnetId) -> Vec<(Ipv4Net, InterfaceId)> {
    let Some(table) = table_of(tables, subnet) else { return Vec::new() };
    let through = |route: &Route| match route.target {
        RouteTarget::Interface { interface } => Some(interface),
        RouteTarget::InternetGateway { .. } | RouteTarget::NatGateway { .. } | RouteTarget::Peering { .. } => None,
    };
    let interfaces: BTreeSet<InterfaceId> = table.routes.iter().filter_map(through).collect();
    let ranges = |interface: InterfaceId| where_longest(&table.routes, |route| through(route) == Some(interface));
    interfaces.into_iter().flat_map(|interface| ranges(interface).into_iter().map(move |range| (range, interface))).collect()
}

/// The ranges that a subnet's table sends to a NAT gateway, without overlaps.
pub fn ways_to_nat(tables: &[RouteTable], subnet: SubnetId, nat: NatGatewayId) -> Vec<Ipv4Net> {
    let to_it = |route: &Route| route.target == RouteTarget::NatGateway { gateway: nat };
    table_of(tables, subnet).map_or_else(Vec::new, |table| where_longest(&table.routes, to_it))
}

/// The ranges that a subnet's table sends to peered VPCs, without overlaps, each with its peering.
pub fn ways_to_peers(tables: &[RouteTable], subnet: SubnetId) -> Vec<(Ipv4Net, VpcPeeringId)> {
    let Some(table) = table_of(tables, subnet) else { return Vec::new() };
    let to_peer = |route: &Route| match route.target {
        RouteTarget::Peering { peering } => Some(peering),
        RouteTarget::InternetGateway { .. } | RouteTarget::Interface { .. } | RouteTarget::NatGateway { .. } => None,
    };
    let peerings: BTreeSet<VpcPeeringId> = table.routes.iter().filter_map(to_peer).collect();
    let ranges = |peering: VpcPeeringId| where_longest(&table.routes, |route| to_peer(route) == Some(peering));
    peerings.into_iter().flat_map(|peering| ranges(peering).into_iter().map(move |range| (range, peering))).collect()
}

/// The table of a subnet: the one that it is tied to, else the main table of its VPC.
pub fn table_of(tables: &[RouteTable], subnet: SubnetId) -> Option<&RouteTable> {
    let own = tables.iter().find(|table| table.has_subnet(subnet));
    own.or_else(|| tables.iter().find(|table| table.main.is_some()))
}

/// The ranges whose enabled route with the longest prefix is one of those wanted, without overlaps and in order.
fn where_longest(routes: &[Route], wanted: impl Fn(&Route) -> bool) -> Vec<Ipv4Net> {
    let ends = |route: &Route| {
        let range = route.destination.trunc();
        [u64::from(range.network().to_bits()), u64::from(range.broadcast().to_bits()) + 1]
    };
    let cuts: BTreeSet<u64> = routes.iter().flat_map(ends).collect();
    let cuts: Vec<u64> = cuts.into_iter().collect();
    let mut out = Vec::new();
    for piece in cuts.windows(2) {
        // Both fit: a cut is at most one more than the last address, and only the end of a piece can be that.
        let (from, to) = (Ipv4Addr::from_bits(piece[0] as u32), Ipv4Addr::from_bits((piece[1] - 1) as u32));
        let over = routes.iter().filter(|route| !route.disabled && route.destination.contains(&from));
        if over.max_by_key(|route| route.destination.prefix_len()).is_some_and(&wanted) {
            out.extend(Ipv4Subnets::new(from, to, 0));
        }
    }
    Ipv4Net::aggregate(&out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vpc(open: bool) -> Vpc {
        Vpc {
            id: VpcId::from_u64(1),
            account: AccountId::from_u64(1).unwrap(),
            vni: 1,
            range: "10.0.0.0/16".parse().unwrap(),
            secondary: vec![],
            is_default: false,
            open,
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

    fn gateway(id: u64) -> InternetGateway {
        InternetGateway {
            id: InternetGatewayId::from_u64(id),
            account: AccountId::from_u64(1).unwrap(),
            vpc: Some(VpcId::from_u64(1)),
            idle: false,
            name: String::new(),
            description: String::new(),
            created_at: Millis(0),
            tags: Tags::new(),
        }
    }

    /// A table with routes to these destinations by gateway 7, for these subnets, or the main one when there are none.
    fn table(id: u64, destinations: &[&str], subnets: &[u64]) -> RouteTable {
        let target = RouteTarget::InternetGateway { gateway: InternetGatewayId::from_u64(7) };
        let tie = |subnet: &u64| SubnetAssociation { id: RouteTableAssociationId::from_u64(*subnet), subnet: SubnetId::from_u64(*subnet) };
        RouteTable {
            id: RouteTableId::from_u64(id),
            account: AccountId::from_u64(1).unwrap(),
            vpc: VpcId::from_u64(1),
            main: subnets.is_empty().then(|| RouteTableAssociationId::from_u64(100 + id)),
            subnets: subnets.iter().map(tie).collect(),
            routes: destinations.iter().map(|text| Route::new(text.parse().unwrap(), target)).collect(),
            list_routes: vec![],
            ipv6_routes: vec![],
            ipv6_list_routes: vec![],
            name: String::new(),
            description: String::new(),
            created_at: Millis(0),
            tags: Tags::new(),
        }
    }

    fn ways(open: bool, gateway_id: Option<u64>, subnet: u64) -> Vec<String> {
        let tables = [table(1, &["0.0.0.0/0"], &[]), table(2, &[], &[2]), table(3, &["203.0.113.0/24", "198.51.100.0/24"], &[3])];
        let gateway = gateway_id.map(gateway);
        let ways = ways_out(&vpc(open), &tables, gateway.as_ref(), SubnetId::from_u64(subnet));
        ways.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_subnet_goes_out_by_its_own_table_or_the_main_one() {
        assert_eq!(ways(false, Some(7), 1), ["0.0.0.0/0"]);
        assert_eq!(ways(false, Some(7), 2), [""; 0]);
        assert_eq!(ways(false, Some(7), 3), ["198.51.100.0/24", "203.0.113.0/24"]);
    }

    #[test]
    fn the_longest_prefix_decides_also_when_it_leads_nowhere() {
        let mut table = table(1, &["0.0.0.0/0", "10.1.0.0/16", "10.1.128.0/17", "255.255.255.255/32"], &[]);
        for lost in [1, 3] {
            table.routes[lost].target = RouteTarget::InternetGateway { gateway: InternetGatewayId::from_u64(9) };
        }
        let ways = ways_out(&vpc(false), &[table], Some(&gateway(7)), SubnetId::from_u64(1));
        let has = |ip: [u8; 4]| ways.iter().any(|range| range.contains(&Ipv4Addr::from(ip)));
        assert!(has([0, 0, 0, 0]) && has([10, 0, 255, 255]) && has([10, 1, 128, 0]) && has([10, 2, 0, 0]) && has([255, 255, 255, 254]));
        assert!(!has([10, 1, 0, 0]) && !has([10, 1, 127, 255]) && !has([255, 255, 255, 255]));
    }

    #[test]
    fn packets_pass_over_a_disabled_route_to_the_next_longest() {
        let mut table = table(1, &["0.0.0.0/0", "10.1.0.0/16"], &[]);
        table.routes[1].target = RouteTarget::InternetGateway { gateway: InternetGatewayId::from_u64(9) };
        let ways = |table: &RouteTable| ways_out(&vpc(false), std::slice::from_ref(table), Some(&gateway(7)), SubnetId::from_u64(1));
        let inside = Ipv4Addr::new(10, 1, 0, 1);
        let has = |ways: Vec<Ipv4Net>| ways.iter().any(|range| range.contains(&inside));
        assert!(!has(ways(&table)));
        table.routes[1].disabled = true;
        assert!(has(ways(&table)), "the default route takes them");
        table.routes[0].disabled = true;
        assert_eq!(ways(&table), []);
    }

    #[test]
    fn a_lists_ranges_are_routes_but_where_the_table_or_the_vpc_says_otherwise() {
        let mut table = table(1, &["198.51.100.0/24"], &[]);
        let elsewhere = RouteTarget::Interface { interface: InterfaceId::from_u64(3) };
        let route = ListRoute { list: PrefixListId::from_u64(1), target: elsewhere };
        table.list_routes = vec![route];
        let ranges = ["198.51.100.0/24", "203.0.113.9/24", "10.0.7.0/24", "10.0.0.0/8"].map(|range| range.parse().unwrap());
        table.spread(route, ranges, &vpc(true));
        let found: Vec<(String, bool)> = table.routes.iter().map(|r| (r.destination.to_string(), r.target == elsewhere)).collect();
        let found: Vec<(&str, bool)> = found.iter().map(|(range, is_lists)| (range.as_str(), *is_lists)).collect();
        assert_eq!(found, [("198.51.100.0/24", false), ("203.0.113.0/24", true), ("10.0.0.0/8", true)]);
        assert!(table.leads_to(elsewhere));
        table.forget(elsewhere);
        assert!(!table.leads_to(elsewhere) && table.list_routes.is_empty() && table.routes.len() == 1);
    }

    #[test]
    fn a_lists_ranges_of_ipv6_are_routes_but_where_the_table_or_the_vpc_says_otherwise() {
        let mut table = table(1, &[], &[]);
        let (out, elsewhere) = (InternetGatewayId::from_u64(7), InterfaceId::from_u64(3));
        let (out, elsewhere) = (Ipv6Target::InternetGateway { gateway: out }, Ipv6Target::Interface { interface: elsewhere });
        table.ipv6_routes = vec![Ipv6Route { destination: "2001:db8:1::/48".parse().unwrap(), target: out }];
        let route = Ipv6ListRoute { list: PrefixListId::from_u64(1), target: elsewhere };
        table.ipv6_list_routes = vec![route];
        let range = crate::VpcIpv6 { id: crate::VpcRangeId::from_u64(1), range: "fd00::/56".parse().unwrap() };
        let vpc = Vpc { ipv6: Some(range), ..vpc(true) };
        let ranges = ["2001:db8:1::/48", "2001:db8:2::9/48", "fd00:0:0:7::/64", "fd00::/8"].map(|range| range.parse().unwrap());
        table.spread_ipv6(route, ranges, &vpc);
        let found: Vec<(String, bool)> = table.ipv6_routes.iter().map(|r| (r.destination.to_string(), r.target == elsewhere)).collect();
        let found: Vec<(&str, bool)> = found.iter().map(|(range, is_lists)| (range.as_str(), *is_lists)).collect();
        assert_eq!(found, [("2001:db8:1::/48", false), ("2001:db8:2::/48", true), ("fd00::/8", true)]);
        let elsewhere = elsewhere.of_ipv4().unwrap();
        assert!(table.leads_to(elsewhere));
        table.forget(elsewhere);
        assert!(!table.leads_to(elsewhere) && table.ipv6_list_routes.is_empty() && table.ipv6_routes.len() == 1);
    }

    #[test]
    fn a_route_to_a_gateway_that_is_not_the_vpcs_leads_nowhere() {
        assert_eq!(ways(false, None, 1), [""; 0]);
        assert_eq!(ways(false, Some(8), 1), [""; 0]);
    }

    #[test]
    fn an_open_vpc_needs_no_gateway_until_it_has_one() {
        assert_eq!(ways(true, None, 2), ["0.0.0.0/0"]);
        assert_eq!(ways(true, Some(7), 2), [""; 0]);
    }
}
