//! What links, addresses, routes and neighbours a namespace should have, and the changes from what it has. Pure.
//!
//! ```text
//!   VpcSpec ─ want() ─▶ Side ─┐
//!                             ├─ plan() ─▶ [Change], each safe to repeat ─▶ link.rs
//!   kernel ── link.rs ─▶ Side ┘
//! ```
//!
//! The rules of the packet filter are not here (`table.rs`, `ruleset.rs`); they are always changed before links are, so that
//! a tap that comes up finds its filter. A link is brought up as the last step of its setting up, so one that is up is
//! complete, whatever was interrupted.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use hostspec::{Fabric, NatHome, NicSpec, SubnetSpec, VpcSpec};
use ipnet::Ipv4Net;
use model::{InterfaceId, MacAddr, SubnetId, VpcId};

use super::line::fnv;
use super::names::{self, MACHINE_HOP, Names, OUTSIDE, OVERLAY, OVERLAY_MTU, PEER_HOP, ROUTER_MAC, VPC_HOP, tap};
use super::plan6::{self, Change6, Side6};
use super::shaping::{self, Reshape, Shapes};
use super::{table, ways6};

/// Bytes of a packet on a link of which the spec says nothing: Ethernet's.
pub const DEFAULT_MTU: u16 = 1500;

/// Links and routes of ours in one namespace, wanted or seen.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Side {
    /// Links by name.
    pub links: BTreeMap<String, Link>,
    /// Addresses by link.
    pub addresses: BTreeSet<(String, Ipv4Addr)>,
    /// Routes of the main table by destination.
    pub routes: BTreeMap<Ipv4Net, Route>,
    /// Permanent neighbours by link and address.
    pub neighbours: BTreeMap<(String, Ipv4Addr), MacAddr>,
    /// Where an overlay finds a host, by link and hardware address.
    pub hosts: BTreeMap<(String, MacAddr), Ipv4Addr>,
    /// Routes of tables of their own, which packets with the mark of the same number follow where the main table has only its
    /// default route.
    pub hops: BTreeMap<(u32, Ipv4Net), Route>,
    /// Tables that packets with their number for a mark are sent to.
    pub tables: BTreeSet<u32>,
    /// How fast links send for public addresses.
    pub shapes: Shapes,
    /// The IPv6 half.
    pub v6: Side6,
}

impl Side {
    /// The links to peered VPCs, and whether this side makes them.
    pub fn peers(&self) -> impl Iterator<Item = (&String, bool)> {
        self.links.iter().filter_map(|(name, link)| match link.kind {
            LinkKind::VethOfPeer { makes } => Some((name, makes)),
            LinkKind::Tap | LinkKind::VethOfMachine | LinkKind::VethOfVpc | LinkKind::Overlay { .. } | LinkKind::Loopback => None,
        })
    }

    /// Takes links out; what was to go by them goes nowhere.
    pub fn without(&mut self, links: &[String]) {
        let is_gone = |link: Option<&str>| link.is_some_and(|link| links.iter().any(|gone| gone == link));
        self.links.retain(|name, _| !is_gone(Some(name)));
        self.neighbours.retain(|(name, _), _| !is_gone(Some(name)));
        self.shapes.retain(|name, _| !is_gone(Some(name)));
        self.hops.values_mut().filter(|route| is_gone(route.link())).for_each(|route| *route = Route::Unreachable);
        self.v6.without(links);
    }
}

/// The other hosts, as far as packets between them need it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Neighbourhood {
    /// This host's address between hosts.
    pub underlay: Ipv4Addr,
    /// The addresses of the other hosts between hosts, and those of their machines for guests.
    pub machines: BTreeMap<Ipv4Addr, Ipv4Addr>,
}

impl Neighbourhood {
    /// What a fabric says of hosts; none where there are no others.
    pub fn of(fabric: Option<&Fabric>) -> Option<Neighbourhood> {
        let fabric = fabric.filter(|fabric| !fabric.hosts.is_empty())?;
        let machines = fabric.hosts.iter().map(|host| (host.underlay, host.machine)).collect();
        Some(Neighbourhood { underlay: fabric.underlay, machines })
    }

    pub(super) fn link(&self, vni: u32) -> Link {
        let kind = LinkKind::Overlay { vni, underlay: self.underlay };
        Link { kind, mac: names::host_mac(self.underlay), mtu: OVERLAY_MTU, up: true }
    }

    /// Whether this is another host of ours.
    pub(super) fn has(&self, host: Ipv4Addr) -> bool {
        self.machines.contains_key(&host)
    }

    /// The way to a host over a link, which the link is told of.
    fn hop(&self, side: &mut Side, link: &str, host: Ipv4Addr) -> Option<Ipv4Addr> {
        let hop = names::host_hop(*self.machines.get(&host)?);
        let mac = names::host_mac(host);
        side.neighbours.insert((link.to_owned(), hop), mac);
        side.hosts.insert((link.to_owned(), mac), host);
        Some(hop)
    }
}

/// Bit that the number of every table of a subnet has: none of the kernel's own.
pub const HOP_TABLES: u32 = 1 << 24;
/// The bits that differ.
const HOP_NUMBERS: u32 = HOP_TABLES - 1;
/// Bit that the number of every table of a NAT gateway's home has.
pub const HOME_TABLES: u32 = 1 << 25;

/// The routing table that leads to a home.
pub fn home_table(home: &NatHome) -> u32 {
    HOME_TABLES | u32::from(home.number)
}

/// A link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Link {
    /// What it is.
    pub kind: LinkKind,
    /// Its hardware address.
    pub mac: MacAddr,
    /// Largest packet in bytes.
    pub mtu: u32,
    /// Whether it is up.
    pub up: bool,
}

/// What a link is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkKind {
    /// An interface of a machine.
    Tap,
    /// The machine's end of the pair to a VPC.
    VethOfMachine,
    /// The VPC's end of that pair.
    VethOfVpc,
    /// One end of the pair to a peered VPC. The VPC with the lower number makes it.
    VethOfPeer {
        /// Whether this end's VPC makes it.
        makes: bool,
    },
    /// A VXLAN device whose packets travel in the machine's own namespace.
    Overlay {
        /// Its number on the wire.
        vni: u32,
        /// The address that its packets come from.
        underlay: Ipv4Addr,
    },
    /// The namespace's own loopback.
    Loopback,
}

/// Where packets for a destination go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route {
    /// Straight to a link.
    Link(String),
    /// By a next hop on a link; `source` is what the machine's own packets come from.
    Hop {
        /// The link.
        link: String,
        /// The next hop.
        hop: Ipv4Addr,
        /// The address that the machine's own packets carry.
        source: Option<Ipv4Addr>,
    },
    /// Nowhere: the sender is told.
    Unreachable,
}

impl Route {
    pub(super) fn link(&self) -> Option<&str> {
        match self {
            Route::Link(link) | Route::Hop { link, hop: _, source: _ } => Some(link),
            Route::Unreachable => None,
        }
    }
}

/// One change to a namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Removes a link, and with it everything on it.
    DropLink(String),
    /// Makes a link, down.
    MakeLink(String, Link),
    /// Gives a link its settings and brings it up.
    SetLink(String, Link),
    /// Gives a link an address.
    AddAddress(String, Ipv4Addr),
    /// Takes an address from a link.
    DropAddress(String, Ipv4Addr),
    /// Makes or replaces a route.
    SetRoute(Ipv4Net, Route),
    /// Removes a route.
    DropRoute(Ipv4Net, Route),
    /// Makes or replaces a route of a table of its own.
    SetHop(u32, Ipv4Net, Route),
    /// Removes one.
    DropHop(u32, Ipv4Net, Route),
    /// Sends packets with this mark to the table of the same number.
    UseTable(u32),
    /// Sends them there no more.
    LeaveTable(u32),
    /// Makes or replaces a permanent neighbour.
    SetNeighbour(String, Ipv4Addr, MacAddr),
    /// Removes a permanent neighbour.
    DropNeighbour(String, Ipv4Addr),
    /// Tells an overlay where a host is.
    SetHost(String, MacAddr, Ipv4Addr),
    /// Has an overlay forget a host.
    DropHost(String, MacAddr),
    /// Changes how fast a link sends for public addresses.
    Shape(String, Reshape),
    /// A change of the IPv6 half.
    V6(Change6),
}

/// What the namespace of a VPC should have.
pub fn vpc(spec: &VpcSpec, mtus: &BTreeMap<InterfaceId, u16>, neighbours: Option<&Neighbourhood>) -> Side {
    let mut side = Side::default();
    let loopback = Link { kind: LinkKind::Loopback, mac: MacAddr([0; 6]), mtu: 65536, up: true };
    side.links.insert("lo".to_owned(), loopback);
    side.addresses = table::own_addresses(spec).map(|ip| ("lo".to_owned(), ip)).collect();
    for range in table::ranges(spec) {
        // Without it a packet to an address that nobody has would follow the default route out of the VPC.
        side.routes.insert(range, Route::Unreachable);
    }
    for nic in &spec.nics {
        let name = tap(nic.id);
        let mtu = u32::from(mtus.get(&nic.id).copied().unwrap_or(DEFAULT_MTU));
        side.links.insert(name.clone(), Link { kind: LinkKind::Tap, mac: ROUTER_MAC, mtu, up: true });
        for (ip, _) in nic.addresses() {
            side.routes.insert(Ipv4Net::from(ip), Route::Link(name.clone()));
            side.neighbours.insert((name.clone(), ip), nic.mac);
        }
    }
    if let Some(neighbours) = neighbours.filter(|_| crosses_hosts(spec)) {
        side.links.insert(OVERLAY.to_owned(), neighbours.link(spec.vni));
        for nic in &spec.remote {
            if let Some(hop) = neighbours.hop(&mut side, OVERLAY, nic.host) {
                side.routes.insert(Ipv4Net::from(nic.ip), Route::Hop { link: OVERLAY.to_owned(), hop, source: None });
            }
        }
    }
    plan6::add(spec, neighbours, &mut side);
    for (subnet, number) in hop_tables(spec) {
        side.tables.insert(number);
        for hop in spec.subnets.iter().filter(|known| known.id == subnet).flat_map(|known| &known.hops) {
            let way = match hop.peer {
                Some(vpc) => way_to_peer(spec, vpc),
                None => way_to(spec, neighbours, hop.via),
            };
            side.hops.insert((number, hop.to), way);
        }
    }
    for home in &spec.homes {
        let hop = neighbours.and_then(|neighbours| neighbours.hop(&mut side, OVERLAY, home.host));
        let way = hop.map_or(Route::Unreachable, |hop| Route::Hop { link: OVERLAY.to_owned(), hop, source: None });
        side.tables.insert(home_table(home));
        side.hops.insert((home_table(home), Ipv4Net::default()), way);
    }
    for peer in &spec.peers {
        let (name, mac) = (names::peer(peer.vni), names::peer_mac(spec.vni, peer.vni));
        let kind = LinkKind::VethOfPeer { makes: spec.vni < peer.vni };
        side.links.insert(name.clone(), Link { kind, mac, mtu: DEFAULT_MTU.into(), up: true });
        side.neighbours.insert((name, PEER_HOP), names::peer_mac(peer.vni, spec.vni));
    }
    let (machine_mac, vpc_mac) = names::veth_macs(spec.vni);
    if reaches_out(spec) {
        let outside = Link { kind: LinkKind::VethOfVpc, mac: vpc_mac, mtu: DEFAULT_MTU.into(), up: true };
        side.links.insert(OUTSIDE.to_owned(), outside);
    }
    if has_public(spec) {
        side.routes.insert(Ipv4Net::default(), Route::Hop { link: OUTSIDE.to_owned(), hop: MACHINE_HOP, source: None });
        side.neighbours.insert((OUTSIDE.to_owned(), MACHINE_HOP), machine_mac);
        side.shapes.extend(shaping::of_link(OUTSIDE, shaping::outward(spec)));
    }
    side
}

/// By the interface's own address on its tap, so that the packet keeps its destination; by its host where it is elsewhere, which
/// knows the same way on.
fn way_to(spec: &VpcSpec, neighbours: Option<&Neighbourhood>, via: Option<Ipv4Addr>) -> Route {
    let Some(hop) = via else { return Route::Unreachable };
    if let Some(nic) = spec.nics.iter().find(|nic| nic.ip == hop && nic.forwards) {
        return Route::Hop { link: tap(nic.id), hop, source: None };
    }
    let there = spec.remote.iter().find(|nic| nic.ip == hop);
    let machine = there.and_then(|nic| neighbours?.machines.get(&nic.host));
    machine.map_or(Route::Unreachable, |machine| Route::Hop { link: OVERLAY.to_owned(), hop: names::host_hop(*machine), source: None })
}

/// By the link to a peered VPC; nowhere when that is not on this host.
fn way_to_peer(spec: &VpcSpec, vpc: VpcId) -> Route {
    let peer = spec.peers.iter().find(|peer| peer.vpc == vpc);
    peer.map_or(Route::Unreachable, |peer| Route::Hop { link: names::peer(peer.vni), hop: PEER_HOP, source: None })
}

/// The routing table of each subnet that has ways through guests. Its number follows from the subnet, so that it stays; two that fall
/// together are told apart by counting on.
pub fn hop_tables(spec: &VpcSpec) -> BTreeMap<SubnetId, u32> {
    numbered(spec.subnets.iter().filter(|subnet| !subnet.hops.is_empty()))
}

/// The numbers of these subnets' routing tables.
pub(super) fn numbered<'s>(subnets: impl Iterator<Item = &'s SubnetSpec>) -> BTreeMap<SubnetId, u32> {
    let mut taken = BTreeSet::new();
    let mut out = BTreeMap::new();
    for subnet in subnets {
        let mut number = HOP_TABLES | (fnv(subnet.id.to_string().as_bytes()) as u32 & !HOP_TABLES & HOP_NUMBERS);
        while !taken.insert(number) {
            number = HOP_TABLES | (number.wrapping_add(1) & HOP_NUMBERS);
        }
        out.insert(subnet.id, number);
    }
    out
}

/// Whether packets of a VPC come from other hosts or go there.
pub fn crosses_hosts(spec: &VpcSpec) -> bool {
    !spec.remote.is_empty() || !spec.homes.is_empty() || spec.peers.iter().any(|peer| !peer.remote.is_empty())
}

/// Whether a VPC has addresses here that reach out, and so a way to the machine.
pub fn reaches_out(spec: &VpcSpec) -> bool {
    has_public(spec) || ways6::reach_out(spec)
}

/// Whether a VPC has a public address here.
pub fn has_public(spec: &VpcSpec) -> bool {
    spec.nics.iter().any(NicSpec::is_public) || translated(spec).next().is_some()
}

/// Every public address that a VPC's interfaces here may use.
pub fn public(spec: &VpcSpec) -> impl Iterator<Item = Ipv4Addr> {
    spec.nics.iter().flat_map(NicSpec::addresses).filter_map(|(_, public)| public).chain(translated(spec))
}

/// The public addresses that are no single interface's own.
fn translated(spec: &VpcSpec) -> impl Iterator<Item = Ipv4Addr> {
    let shared = spec.shared.iter().map(|shared| shared.public).chain(spec.forwards.iter().map(|forward| forward.public));
    shared.chain(spec.mapped.iter().map(|map| map.public))
}

/// What the machine's own namespace should have for these VPCs; `source` is the machine's address towards them.
pub fn machine<'a>(names: &Names, specs: impl IntoIterator<Item = &'a VpcSpec>, source: Ipv4Addr, fabric: Option<&Fabric>) -> Side {
    let mut side = fabric_side(names, fabric).unwrap_or_default();
    for spec in specs.into_iter().filter(|spec| reaches_out(spec)) {
        let veth = names.veth(spec.vni);
        let (machine_mac, vpc_mac) = names::veth_macs(spec.vni);
        let link = Link { kind: LinkKind::VethOfMachine, mac: machine_mac, mtu: DEFAULT_MTU.into(), up: true };
        side.links.insert(veth.clone(), link);
        ways6::add_to_machine(spec, &veth, source, &mut side);
        if !has_public(spec) {
            continue;
        }
        side.addresses.insert((veth.clone(), source));
        side.neighbours.insert((veth.clone(), VPC_HOP), vpc_mac);
        side.shapes.extend(shaping::of_link(&veth, shaping::inward(spec)));
        for public in public(spec) {
            let hop = Route::Hop { link: veth.clone(), hop: VPC_HOP, source: Some(source) };
            side.routes.insert(Ipv4Net::from(public), hop);
        }
    }
    side
}

/// The way to the other machines, to guests' public addresses there and to the machines themselves.
fn fabric_side(names: &Names, fabric: Option<&Fabric>) -> Option<Side> {
    let neighbours = Neighbourhood::of(fabric)?;
    let fabric = fabric?;
    let mut side = Side::default();
    let link = names.fabric();
    side.links.insert(link.clone(), neighbours.link(names::FABRIC_VNI));
    side.addresses.insert((link.clone(), fabric.machine));
    let machines = fabric.hosts.iter().map(|host| (host.machine, host.underlay));
    for (ip, host) in machines.chain(fabric.public.iter().map(|nic| (nic.ip, nic.host))) {
        if let Some(hop) = neighbours.hop(&mut side, &link, host) {
            side.routes.insert(Ipv4Net::from(ip), Route::Hop { link: link.clone(), hop, source: Some(fabric.machine) });
        }
    }
    Some(side)
}

/// The changes from what is there to what should be, in an order that works.
pub fn plan(seen: &Side, want: &Side) -> Vec<Change> {
    let mut out = Vec::new();
    let mut gone: BTreeSet<&str> = BTreeSet::new();
    for (name, link) in &seen.links {
        let keep = want.links.get(name).is_some_and(|w| w.kind == link.kind);
        if !keep && link.kind != LinkKind::Loopback {
            gone.insert(name);
            out.push(Change::DropLink(name.clone()));
        }
    }
    // A link that was down had lost its routes; what the kernel still shows of them is not relied upon.
    let mut lost = gone.clone();
    // What a link is set to begins with IPv6 switched off.
    let mut reset = BTreeSet::new();
    for (name, link) in &want.links {
        let there = seen.links.get(name).filter(|_| !gone.contains(name.as_str()));
        if there.is_none_or(|seen| !seen.up) {
            lost.insert(name);
        }
        if there.is_none() {
            out.push(Change::MakeLink(name.clone(), Link { up: false, ..*link }));
        }
        let same = |seen: &Link| link.kind == LinkKind::Loopback && seen.up == link.up || seen == link;
        if !there.is_some_and(same) {
            reset.insert(name.as_str());
            out.push(Change::SetLink(name.clone(), *link));
        }
    }
    let shaped = shaping::plan(&seen.shapes, &want.shapes, &lost, &gone);
    out.extend(shaped.into_iter().map(|(link, change)| Change::Shape(link, change)));
    let stays = |link: &str| !gone.contains(link);
    out.extend(
        seen.addresses
            .iter()
            .filter(|a| stays(&a.0) && !want.addresses.contains(*a))
            .map(|(link, ip)| Change::DropAddress(link.clone(), *ip)),
    );
    out.extend(
        want.addresses
            .iter()
            .filter(|a| gone.contains(a.0.as_str()) || !seen.addresses.contains(*a))
            .map(|(link, ip)| Change::AddAddress(link.clone(), *ip)),
    );
    out.extend(seen.tables.difference(&want.tables).map(|table| Change::LeaveTable(*table)));
    for ((link, ip), mac) in &want.neighbours {
        if lost.contains(link.as_str()) || seen.neighbours.get(&(link.clone(), *ip)) != Some(mac) {
            out.push(Change::SetNeighbour(link.clone(), *ip, *mac));
        }
    }
    for (link, ip) in seen.neighbours.keys() {
        if stays(link) && !want.neighbours.contains_key(&(link.clone(), *ip)) {
            out.push(Change::DropNeighbour(link.clone(), *ip));
        }
    }
    for ((link, mac), host) in &want.hosts {
        if lost.contains(link.as_str()) || seen.hosts.get(&(link.clone(), *mac)) != Some(host) {
            out.push(Change::SetHost(link.clone(), *mac, *host));
        }
    }
    for (link, mac) in seen.hosts.keys() {
        if stays(link) && !want.hosts.contains_key(&(link.clone(), *mac)) {
            out.push(Change::DropHost(link.clone(), *mac));
        }
    }
    for (to, route) in &want.routes {
        let uncertain = route.link().is_some_and(|link| lost.contains(link));
        if uncertain || seen.routes.get(to) != Some(route) {
            out.push(Change::SetRoute(*to, route.clone()));
        }
    }
    for ((table, to), route) in &want.hops {
        let uncertain = route.link().is_some_and(|link| lost.contains(link));
        if uncertain || seen.hops.get(&(*table, *to)) != Some(route) {
            out.push(Change::SetHop(*table, *to, route.clone()));
        }
    }
    for ((table, to), route) in &seen.hops {
        if route.link().is_none_or(stays) && !want.hops.contains_key(&(*table, *to)) {
            out.push(Change::DropHop(*table, *to, route.clone()));
        }
    }
    out.extend(want.tables.difference(&seen.tables).map(|table| Change::UseTable(*table)));
    for (to, route) in &seen.routes {
        if route.link().is_none_or(stays) && !want.routes.contains_key(to) {
            out.push(Change::DropRoute(*to, route.clone()));
        }
    }
    reset.extend(&lost);
    out.extend(plan6::plan(&seen.v6, &want.v6, &gone, &reset).into_iter().map(Change::V6));
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guest::fixture;

    fn want() -> Side {
        let mut spec = fixture::vpc(1);
        spec.nics = vec![fixture::nic(1, 5, fixture::IP), fixture::nic(1, 6, Ipv4Addr::new(10, 0, 0, 6))];
        spec.nics[0].public_ip = Some(Ipv4Addr::new(203, 0, 113, 9));
        vpc(&spec, &BTreeMap::new(), None)
    }

    #[test]
    fn what_is_as_it_should_be_needs_no_change() {
        assert_eq!(plan(&want(), &want()), vec![]);
    }

    #[test]
    fn a_link_comes_before_what_is_on_it_and_up_before_its_routes() {
        let changes = plan(&Side::default(), &want());
        let tap = tap(InterfaceId::from_u64(5));
        let at = |wanted: &dyn Fn(&Change) -> bool| changes.iter().position(wanted).expect("the change is planned");
        let made = at(&|c| matches!(c, Change::MakeLink(name, link) if *name == tap && !link.up));
        let set = at(&|c| matches!(c, Change::SetLink(name, link) if *name == tap && link.up));
        let neighbour = at(&|c| matches!(c, Change::SetNeighbour(name, ..) if *name == tap));
        let route = at(&|c| matches!(c, Change::SetRoute(_, Route::Link(name)) if *name == tap));
        assert!(made < set && set < neighbour && neighbour < route);
    }

    #[test]
    fn a_link_that_is_down_is_set_up_again_with_its_routes() {
        let mut seen = want();
        let tap = tap(InterfaceId::from_u64(5));
        seen.links.get_mut(&tap).unwrap().up = false;
        let changes = plan(&seen, &want());
        assert!(changes.iter().any(|c| matches!(c, Change::SetLink(name, _) if *name == tap)));
        assert!(changes.iter().any(|c| matches!(c, Change::SetRoute(_, Route::Link(name)) if *name == tap)));
        assert!(!changes.iter().any(|c| matches!(c, Change::MakeLink(..))));
    }

    #[test]
    fn what_goes_takes_its_own_along() {
        let mut fewer = want();
        let tap = tap(InterfaceId::from_u64(6));
        fewer.links.remove(&tap);
        fewer.routes.retain(|_, route| route.link() != Some(tap.as_str()));
        fewer.neighbours.retain(|(link, _), _| *link != tap);
        assert_eq!(plan(&want(), &fewer), vec![Change::DropLink(tap)]);
    }
}
