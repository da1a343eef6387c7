//! Where packets of IPv6 go beside the VPC's own range: out of it without translation, through guests that forward, and to peered VPCs.
//!
//! ```text
//!   out:      interface here whose subnet's routes lead out ─▶ `leave`: has its address a way to there? ─▶ OUTSIDE ─▶ the machine
//!   in:       OUTSIDE ─▶ entry: to an address that has a way ─▶ forward: may who is outside open a connection? ─▶ groups
//!   through:  interface's subnet has ways through guests ─▶ mark ─▶ a routing table of the subnet's own ─▶ the guest that forwards
//! ```
//!
//! Nothing is added where no subnet has such ways. It is the half of `plan.rs` and `table.rs` that IPv4 has there; addresses go out as
//! they are, so that the pair to the machine knows each by a route of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, Ipv6Addr};

use hostspec::{Direction, Ipv6Hop, Ipv6Spec, Ipv6SubnetSpec, NicSpec, SubnetSpec, VpcSpec};
use ipnet::Ipv6Net;
use model::SubnetId;

use super::line::{Line, Load};
use super::names::{self, OUTSIDE, OVERLAY, ROUTER_LOCAL, host_mac, link_local, tap};
use super::peers6;
use super::plan::{self, Neighbourhood, Side};
use super::plan6::Route6;
use super::policy::{Policy, V6};
use super::ruleset::{Base, BaseKind, Chain, Data, Field, Hook, Key, Shape, Table, Value};
use super::table::{PORT, chain_name, plain, port, set};

/// Before what judges, so that a packet without a way is told of as that.
const BEFORE_JUDGEMENT: i32 = -4;
const ADDRESS: [Field; 1] = [Field::Ipv6];
const PAIR: [Field; 2] = [Field::Ipv6, Field::Ipv6];

/// The machine's address for its guests: the one that it has in IPv4, in a range of RFC 4193 of our own. It never leaves the machine.
pub fn machine_address(machine: Ipv4Addr) -> Ipv6Addr {
    const RANGE: Ipv6Addr = Ipv6Addr::new(0xfd50, 0x696c, 0x6575, 0, 0, 0, 0, 0);
    Ipv6Addr::from_bits(RANGE.to_bits() | u128::from(machine.to_bits()))
}

/// The addresses here that have a way out, each with the routes of its subnet.
fn leading_out(spec: &VpcSpec) -> impl Iterator<Item = (Ipv6Addr, &Ipv6SubnetSpec)> {
    let ways = |nic: &NicSpec| spec.subnets.iter().find(|subnet| subnet.id == nic.subnet)?.v6.as_ref();
    let nics = spec.nics.iter().filter(|_| spec.v6.is_some());
    let nics = nics.filter_map(move |nic| Some((nic, ways(nic).filter(|ways| ways.leads_out())?)));
    nics.flat_map(|(nic, ways)| nic.v6.iter().map(move |ip| (*ip, ways))).filter(|(ip, ways)| !reached(*ip, ways).is_empty())
}

/// What an address speaks with outside of its VPC.
fn reached(ip: Ipv6Addr, ways: &Ipv6SubnetSpec) -> Vec<Ipv6Net> {
    let calling = ways.listed.iter().filter(|listed| listed.calling.contains(&ip)).map(|listed| &listed.to);
    ways.out_only.iter().chain(calling).copied().chain(callers(ip, ways)).collect()
}

/// From where an address is called.
fn callers(ip: Ipv6Addr, ways: &Ipv6SubnetSpec) -> Vec<Ipv6Net> {
    let called = ways.listed.iter().filter(|listed| listed.called.contains(&ip)).map(|listed| &listed.to);
    ways.out.iter().chain(called).copied().collect()
}

/// Whether an address here has a way out, and so the VPC one to the machine.
pub fn reach_out(spec: &VpcSpec) -> bool {
    leading_out(spec).next().is_some()
}

/// The part of a VPC that decides what its machine's side has of IPv6: subnets whose routes lead out, and the range.
pub fn outward(spec: &VpcSpec) -> Option<(Vec<SubnetSpec>, Ipv6Spec)> {
    let v6 = spec.v6.as_ref().filter(|_| reach_out(spec))?;
    let subnets = spec.subnets.iter().filter(|subnet| subnet.v6.as_ref().is_some_and(Ipv6SubnetSpec::leads_out)).cloned().collect();
    Some((subnets, Ipv6Spec { range: v6.range, remote: vec![], members: BTreeMap::new() }))
}

/// Adds what the machine's side of a VPC's pair should have.
pub fn add_to_machine(spec: &VpcSpec, veth: &str, machine: Ipv4Addr, side: &mut Side) {
    if !reach_out(spec) {
        return;
    }
    side.v6.addresses.insert((veth.to_owned(), machine_address(machine)));
    side.v6.neighbours.insert((veth.to_owned(), names::VPC_HOP_V6), names::veth_macs(spec.vni).1);
    for (ip, _) in leading_out(spec) {
        side.v6.routes.insert(Ipv6Net::from(ip), Route6::Hop { link: veth.to_owned(), hop: names::VPC_HOP_V6 });
    }
}

/// Adds what a VPC's namespace should have.
pub fn add_to_vpc(spec: &VpcSpec, neighbours: Option<&Neighbourhood>, side: &mut Side) {
    if reach_out(spec) {
        side.v6.addresses.insert((OUTSIDE.to_owned(), ROUTER_LOCAL));
        side.v6.neighbours.insert((OUTSIDE.to_owned(), names::MACHINE_HOP_V6), names::veth_macs(spec.vni).0);
        side.v6.routes.insert(Ipv6Net::default(), Route6::Hop { link: OUTSIDE.to_owned(), hop: names::MACHINE_HOP_V6 });
    }
    for (subnet, number) in hop_tables(spec) {
        side.v6.tables.insert(number);
        for hop in spec.subnets.iter().filter(|known| known.id == subnet).filter_map(|known| known.v6.as_ref()).flat_map(|v6| &v6.hops) {
            side.v6.hops.insert((number, hop.to), way_to(spec, neighbours, hop));
        }
    }
}

/// The routing table of each subnet that has ways through guests or to peered VPCs.
fn hop_tables(spec: &VpcSpec) -> BTreeMap<SubnetId, u32> {
    plan::numbered(spec.subnets.iter().filter(|subnet| subnet.v6.as_ref().is_some_and(|v6| !v6.hops.is_empty())))
}

/// By the address that an interface makes of its hardware address, so that the packet keeps its destination; by its host where it is
/// elsewhere, which knows the same way on.
fn way_to(spec: &VpcSpec, neighbours: Option<&Neighbourhood>, hop: &Ipv6Hop) -> Route6 {
    if let Some(vpc) = hop.peer {
        return peers6::way_to(spec, vpc);
    }
    let Some(via) = hop.via else { return Route6::Unreachable };
    if let Some(nic) = forwarders(spec).find(|nic| nic.v6.contains(&via)) {
        return Route6::Hop { link: tap(nic.id), hop: link_local(nic.mac) };
    }
    let there = spec.v6.iter().flat_map(|v6| &v6.remote).find(|nic| nic.ip == via);
    let host = there.map(|nic| nic.host).filter(|host| neighbours.is_some_and(|known| known.has(*host)));
    host.map_or(Route6::Unreachable, |host| Route6::Hop { link: OVERLAY.to_owned(), hop: names::host_hop_v6(host) })
}

/// The interfaces here whose guests may forward.
fn forwarders(spec: &VpcSpec) -> impl Iterator<Item = &NicSpec> {
    spec.nics.iter().filter(|nic| nic.forwards && !nic.v6.is_empty())
}

/// Whether some packets here are another's than who sends them.
fn is_forwarding(spec: &VpcSpec) -> bool {
    forwarders(spec).next().is_some() || !hop_tables(spec).is_empty()
}

/// Adds to the table what its lines about ways look into, and the chain that asks for ways.
pub fn add_to_table(spec: &VpcSpec, v6: &Ipv6Spec, policy: &Policy<V6>, table: &mut Table) {
    if reach_out(spec) {
        let range = Key::builder().ipv6_range(v6.range.network(), v6.range.broadcast()).key(&ADDRESS);
        let pairs = |ranges: fn(Ipv6Addr, &Ipv6SubnetSpec) -> Vec<Ipv6Net>| {
            leading_out(spec).flat_map(move |(ip, ways)| keys(ip, &ranges(ip, ways)))
        };
        table.sets.insert("ranges".to_owned(), plain(Shape::ranges(&ADDRESS), [range]));
        table.sets.insert("public".to_owned(), plain(Shape::set(&ADDRESS), leading_out(spec).map(|(ip, _)| Key::ipv6(ip))));
        table.sets.insert("ways".to_owned(), plain(Shape::ranges(&PAIR), pairs(reached)));
        table.sets.insert("callers".to_owned(), plain(Shape::ranges(&PAIR), pairs(callers)));
        let base = Base { kind: BaseKind::Filter, hook: Hook::Forward, priority: BEFORE_JUDGEMENT, policy_drop: false };
        let lines = vec![Line::new().oif(OUTSIDE).not_in_set(&[Load::Ip6Saddr, Load::Ip6Daddr], "ways").drop()];
        table.chains.insert("leave".to_owned(), Chain { base: Some(base), lines });
    }
    if is_forwarding(spec) {
        add_forwarding(spec, v6, policy, table);
    }
}

/// An address with each of the ranges. Ranges of one set must not overlap.
fn keys(ip: Ipv6Addr, ranges: &[Ipv6Net]) -> Vec<Key> {
    let ranges = Ipv6Net::aggregate(&ranges.iter().map(Ipv6Net::trunc).collect());
    ranges.iter().map(|net| Key::builder().ipv6(ip).ipv6_range(net.network(), net.broadcast()).key(&PAIR)).collect()
}

fn add_forwarding(spec: &VpcSpec, v6: &Ipv6Spec, policy: &Policy<V6>, table: &mut Table) {
    // A host on which a guest forwards has judged what that guest sends for others.
    let vias: BTreeSet<Ipv6Addr> =
        spec.subnets.iter().filter_map(|subnet| subnet.v6.as_ref()).flat_map(|v6| &v6.hops).filter_map(|hop| hop.via).collect();
    let beyond = v6.remote.iter().filter(|nic| vias.contains(&nic.ip));
    let beyond = beyond.map(|nic| Key::builder().ifname(OVERLAY).ether(host_mac(nic.host)).key(&PORT));
    let link = |nic: &NicSpec| Key::builder().ifname(&tap(nic.id)).key(&[Field::IfName]);
    let through = forwarders(spec).filter_map(|nic| {
        let chain = chain_name(Direction::Ingress, policy.of.get(nic.v6.first()?)?);
        Some((link(nic), Value::Jump(chain)))
    });
    let tables = hop_tables(spec);
    let routed = spec.nics.iter().filter_map(|nic| Some((link(nic), Value::mark(*tables.get(&nic.subnet)?))));
    let subnet_of = |ip: Ipv6Addr| spec.subnets.iter().find(|subnet| subnet.v6.as_ref().is_some_and(|v6| v6.range.contains(&ip)));
    let routed_there = v6.remote.iter().filter_map(|nic| Some((Key::ipv6(nic.ip), Value::mark(*tables.get(&subnet_of(nic.ip)?.id)?))));
    let sets = [
        ("forwarders", plain(Shape::set(&PORT), forwarders(spec).map(port).chain(beyond))),
        ("unsent", plain(Shape::ranges(&ADDRESS), unsent(v6))),
        ("through", set(Shape::map(&[Field::IfName], Data::Verdict), through)),
        ("routed", set(Shape::map(&[Field::IfName], Data::Value(Field::Mark)), routed)),
        ("routed_there", set(Shape::map(&ADDRESS, Data::Value(Field::Mark)), routed_there)),
    ];
    table.sets.extend(sets.map(|(name, set)| (name.to_owned(), set)));
}

/// What nobody sends for others: no address, those local to a link, the router's own.
fn unsent(v6: &Ipv6Spec) -> [Key; 3] {
    let range = |first, last| Key::builder().ipv6_range(first, last).key(&ADDRESS);
    let router = v6.router();
    let local = (Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), Ipv6Addr::new(0xfebf, !0, !0, !0, !0, !0, !0, !0));
    [range(Ipv6Addr::UNSPECIFIED, Ipv6Addr::UNSPECIFIED), range(router, router), range(local.0, local.1)]
}

/// What is asked first of every frame: marks for routing tables of subnets, and packets from outside.
pub fn entering(spec: &VpcSpec) -> Vec<Line> {
    let mut lines = Vec::new();
    if !hop_tables(spec).is_empty() {
        lines.push(Line::new().set_mark_from(Load::IifName, "routed"));
        lines.push(Line::new().iif(OVERLAY).set_mark_from(Load::Ip6Saddr, "routed_there"));
    }
    if reach_out(spec) {
        lines.push(Line::new().iif(OUTSIDE).in_set(&[Load::Ip6Saddr], "ranges").drop());
        lines.push(Line::new().iif(OUTSIDE).in_set(&[Load::Ip6Daddr], "public").accept());
    }
    if is_forwarding(spec) {
        lines.push(Line::new().iif(OVERLAY).in_set(&FROM, "forwarders").not_in_set(&[Load::Ip6Saddr], "unsent").accept());
    }
    lines
}

const FROM: [Load; 2] = [Load::IifName, Load::EtherSaddr];

/// What guests that forward may send for others.
pub fn sent_on(spec: &VpcSpec) -> Vec<Line> {
    let line = Line::new().in_set(&FROM, "forwarders").not_in_set(&[Load::Ip6Saddr], "unsent").accept();
    if is_forwarding(spec) { vec![line] } else { vec![] }
}

/// Whether who is outside may open a connection, asked when it is judged: of its own packets, and of the answers to them.
pub fn opening(spec: &VpcSpec) -> Vec<Line> {
    if !reach_out(spec) {
        return vec![];
    }
    vec![
        Line::new().iif(OUTSIDE).ct_original().not_in_set(&[Load::Ip6Daddr, Load::Ip6Saddr], "callers").drop(),
        Line::new().oif(OUTSIDE).ct_reply().not_in_set(&[Load::Ip6Saddr, Load::Ip6Daddr], "callers").drop(),
    ]
}

/// What a guest is to send on is asked of its groups too, as if it were for itself.
pub fn passing_through(spec: &VpcSpec) -> Vec<Line> {
    let line = Line::new().not_in_set(&[Load::OifName, Load::CtOriginalSaddr6], "addresses").vmap(Load::OifName, "through");
    if is_forwarding(spec) { vec![line] } else { vec![] }
}
