//! What a namespace should have of IPv6, and the changes from what it has: the half of `plan.rs` that is empty where no VPC has
//! IPv6. Pure.
//!
//! Each tap has the same address local to its link, by which its guest knows the router; it is also the sign that IPv6 is switched
//! on there. Each address of a guest is a route to its tap and a permanent neighbour, so that no question about it ever leaves.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv6Addr;

use hostspec::VpcSpec;
use ipnet::Ipv6Net;
use model::MacAddr;

use super::names::{self, OVERLAY, ROUTER_LOCAL, link_local, tap};
use super::plan::{Neighbourhood, Side};
use super::{peers6, table, ways6};

/// IPv6 addresses, routes and neighbours of ours in one namespace, wanted or seen.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Side6 {
    /// Addresses by link.
    pub addresses: BTreeSet<(String, Ipv6Addr)>,
    /// Routes by destination.
    pub routes: BTreeMap<Ipv6Net, Route6>,
    /// Permanent neighbours by link and address.
    pub neighbours: BTreeMap<(String, Ipv6Addr), MacAddr>,
    /// Routes of tables of subnets, as in IPv4.
    pub hops: BTreeMap<(u32, Ipv6Net), Route6>,
    /// Tables that packets with their number for a mark are sent to.
    pub tables: BTreeSet<u32>,
}

/// Where packets for a destination go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route6 {
    /// Straight to a link.
    Link(String),
    /// By a next hop on a link.
    Hop {
        /// The link.
        link: String,
        /// The next hop.
        hop: Ipv6Addr,
    },
    /// Nowhere: the sender is told.
    Unreachable,
}

impl Side6 {
    /// Takes links out, as in IPv4.
    pub fn without(&mut self, links: &[String]) {
        let is_gone = |link: &str| links.iter().any(|gone| gone == link);
        self.addresses.retain(|(link, _)| !is_gone(link));
        self.neighbours.retain(|(link, _), _| !is_gone(link));
        self.hops.values_mut().filter(|route| route.link().is_some_and(is_gone)).for_each(|route| *route = Route6::Unreachable);
    }
}

impl Route6 {
    fn link(&self) -> Option<&str> {
        match self {
            Route6::Link(link) | Route6::Hop { link, hop: _ } => Some(link),
            Route6::Unreachable => None,
        }
    }
}

/// One change, safe to repeat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change6 {
    /// Gives a link an address, and IPv6 with its settings first.
    AddAddress(String, Ipv6Addr),
    /// Takes an address from a link.
    DropAddress(String, Ipv6Addr),
    /// Makes or replaces a route.
    SetRoute(Ipv6Net, Route6),
    /// Removes a route.
    DropRoute(Ipv6Net, Route6),
    /// Makes or replaces a route of a table of its own.
    SetHop(u32, Ipv6Net, Route6),
    /// Removes one.
    DropHop(u32, Ipv6Net, Route6),
    /// Sends packets with this mark to the table of the same number.
    UseTable(u32),
    /// Sends them there no more.
    LeaveTable(u32),
    /// Makes or replaces a permanent neighbour.
    SetNeighbour(String, Ipv6Addr, MacAddr),
    /// Removes a permanent neighbour.
    DropNeighbour(String, Ipv6Addr),
}

/// Adds what a VPC with IPv6 should have.
pub fn add(spec: &VpcSpec, neighbours: Option<&Neighbourhood>, side: &mut Side) {
    let (Some(v6), Some(router)) = (&spec.v6, table::own_v6(spec)) else { return };
    side.v6.addresses.insert(("lo".to_owned(), router));
    side.v6.routes.insert(v6.range, Route6::Unreachable);
    for nic in spec.nics.iter().filter(|nic| !nic.v6.is_empty()) {
        let name = tap(nic.id);
        side.v6.addresses.insert((name.clone(), ROUTER_LOCAL));
        side.v6.neighbours.insert((name.clone(), link_local(nic.mac)), nic.mac);
        for ip in &nic.v6 {
            side.v6.routes.insert(Ipv6Net::from(*ip), Route6::Link(name.clone()));
            side.v6.neighbours.insert((name.clone(), *ip), nic.mac);
        }
    }
    ways6::add_to_vpc(spec, neighbours, side);
    peers6::add_to_vpc(spec, side);
    let Some(neighbours) = neighbours.filter(|_| !v6.remote.is_empty() || peers6::are_elsewhere(spec)) else { return };
    side.v6.addresses.insert((OVERLAY.to_owned(), ROUTER_LOCAL));
    for nic in v6.remote.iter().filter(|nic| neighbours.has(nic.host)) {
        let hop = names::host_hop_v6(nic.host);
        side.v6.neighbours.insert((OVERLAY.to_owned(), hop), names::host_mac(nic.host));
        side.v6.routes.insert(Ipv6Net::from(nic.ip), Route6::Hop { link: OVERLAY.to_owned(), hop });
    }
}

/// The changes from what is there to what should be; links of `gone` go, and on those of `lost` nothing is left.
pub fn plan(seen: &Side6, want: &Side6, gone: &BTreeSet<&str>, lost: &BTreeSet<&str>) -> Vec<Change6> {
    let mut out = Vec::new();
    let stays = |link: &str| !gone.contains(link);
    for (link, ip) in seen.addresses.difference(&want.addresses).filter(|(link, _)| stays(link)) {
        out.push(Change6::DropAddress(link.clone(), *ip));
    }
    for at in want.addresses.iter().filter(|at| lost.contains(at.0.as_str()) || !seen.addresses.contains(at)) {
        out.push(Change6::AddAddress(at.0.clone(), at.1));
    }
    out.extend(seen.tables.difference(&want.tables).map(|table| Change6::LeaveTable(*table)));
    // A link without its own address had IPv6 switched off, and with it all that was there.
    let had = |link: &str| !lost.contains(link) && seen.addresses.iter().any(|(name, _)| name == link);
    for (at, mac) in &want.neighbours {
        if !had(&at.0) || seen.neighbours.get(at) != Some(mac) {
            out.push(Change6::SetNeighbour(at.0.clone(), at.1, *mac));
        }
    }
    for (link, ip) in seen.neighbours.keys().filter(|at| stays(&at.0) && !want.neighbours.contains_key(*at)) {
        out.push(Change6::DropNeighbour(link.clone(), *ip));
    }
    for (to, route) in &want.routes {
        if route.link().is_some_and(|link| !had(link)) || seen.routes.get(to) != Some(route) {
            out.push(Change6::SetRoute(*to, route.clone()));
        }
    }
    for (to, route) in seen.routes.iter().filter(|(to, route)| route.link().is_none_or(stays) && !want.routes.contains_key(to)) {
        out.push(Change6::DropRoute(*to, route.clone()));
    }
    for ((table, to), route) in &want.hops {
        if route.link().is_some_and(|link| !had(link)) || seen.hops.get(&(*table, *to)) != Some(route) {
            out.push(Change6::SetHop(*table, *to, route.clone()));
        }
    }
    for ((table, to), route) in seen.hops.iter().filter(|(at, route)| route.link().is_none_or(stays) && !want.hops.contains_key(at)) {
        out.push(Change6::DropHop(*table, *to, route.clone()));
    }
    out.extend(want.tables.difference(&seen.tables).map(|table| Change6::UseTable(*table)));
    out
}
