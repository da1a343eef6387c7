//! Public addresses that several interfaces share: what a NAT gateway does, as an addition to a VPC's table.
//!
//! ```text
//!   out:  (source, destination) in `shared` ─▶ source becomes the gateway's address, the kernel chooses a free port
//!   in:   (address, protocol, port) in `ports` ─▶ destination becomes an interface's address and port
//!         ─▶ judged by the receiver's groups under the port inside, as the vendors' groups see it
//!         anything else to such an address comes back to where it came from, and is dropped
//! ```
//!
//! Both are done on one host for each gateway, its home, for interfaces on every host ([`super::homes`]).
//!
//! Sources are single addresses, because an interval of sources within an interval of destinations must not overlap another, and
//! rules of tenants do. The choice among them is made here, once for each interface.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use hostspec::{Direction, ForwardSpec, NicSpec, SharedSpec, VpcSpec};
use ipnet::Ipv4Net;

use super::line::{Line, Load};
use super::names::OUTSIDE;
use super::policy::Policy;
use super::ruleset::{Data, Field, Key, Shape, Table, Value};
use super::table::{self, PAIR, plain, set};

const PLACE: [Field; 3] = [Field::Ipv4, Field::Proto, Field::Port];
const FORWARDED: [Field; 4] = [Field::Ipv4, Field::Proto, Field::Port, Field::Ipv4];
/// What a connection was opened to and who answers it.
const ENDS: [Load; 4] = [Load::CtOriginalDaddr, Load::CtProto, Load::CtOriginalPort, Load::CtReplySaddr];

/// Adds what the VPC's shared addresses need; nothing when it has none.
pub fn add(spec: &VpcSpec, policy: &Policy, table: &mut Table) {
    if spec.shared.is_empty() && spec.forwards.is_empty() && spec.mapped.is_empty() {
        return;
    }
    sources(spec, table);
    forwards(spec, policy, table);
    mapped(spec, table);
    let ways = ways(spec);
    let of = |name: &str| -> Vec<Key> {
        match name {
            "public" => ways.keys().map(|public| Key::ipv4(*public)).collect(),
            _ => ways.iter().flat_map(|(public, nets)| nets.iter().map(|net| way(*public, *net))).collect(),
        }
    };
    for name in ["public", "ways"] {
        let keys = of(name);
        if let Some(set) = table.sets.get_mut(name) {
            set.elements.extend(keys.into_iter().map(|key| (key, Value::None)));
        }
    }
    insert(table, "forward", vec![Line::new().iif(OUTSIDE).oif(OUTSIDE).drop()]);
}

/// Puts lines before those of a chain.
fn insert(table: &mut Table, chain: &str, lines: Vec<Line>) {
    if let Some(chain) = table.chains.get_mut(chain) {
        chain.lines.splice(0..0, lines);
    }
}

/// A source and where its packets go.
pub(super) fn way(from: Ipv4Addr, to: Ipv4Net) -> Key {
    Key::builder().ipv4(from).ipv4_range(to.network(), to.broadcast()).key(&PAIR)
}

/// The addresses on this host and on others that share one that is translated here, each with its ranges and what it comes from.
fn everybody(spec: &VpcSpec) -> impl Iterator<Item = (Ipv4Addr, &SharedSpec)> {
    let here = spec.nics.iter().flat_map(NicSpec::addresses).map(|(ip, _)| ip);
    sharing(spec, &spec.shared, here.chain(spec.remote.iter().map(|nic| nic.ip)))
}

/// Those of these addresses that share one, each with its ranges and what it comes from.
pub(super) fn sharing<'s>(
    spec: &'s VpcSpec,
    all: &'s [SharedSpec],
    addresses: impl Iterator<Item = Ipv4Addr> + 's,
) -> impl Iterator<Item = (Ipv4Addr, &'s SharedSpec)> {
    let own: BTreeSet<Ipv4Addr> = spec.nics.iter().flat_map(NicSpec::addresses).filter_map(|(ip, public)| public.map(|_| ip)).collect();
    addresses.flat_map(move |ip| {
        let mut chosen: BTreeMap<Ipv4Net, Vec<&SharedSpec>> = BTreeMap::new();
        for shared in all.iter().filter(|shared| shared.source.contains(&ip) && !(shared.gives_way && own.contains(&ip))) {
            let there = chosen.entry(shared.to).or_default();
            match there.first().map(|other| other.source.prefix_len().cmp(&shared.source.prefix_len())) {
                Some(Ordering::Greater) => {}
                Some(Ordering::Equal) => there.push(shared),
                Some(Ordering::Less) | None => *there = vec![shared],
            }
        }
        chosen.into_values().map(move |several| (ip, several[model::turn(ip, several.len())])).collect::<Vec<_>>()
    })
}

fn sources(spec: &VpcSpec, table: &mut Table) {
    let shared = everybody(spec).map(|(ip, shared)| (way(ip, shared.to), Value::ipv4(shared.public)));
    table.sets.insert("shared".to_owned(), set(Shape::map_of_ranges(&PAIR, Data::Value(Field::Ipv4)), shared));
    if let Some(pairs) = table.sets.get_mut("pairs") {
        let both = everybody(spec).map(|(ip, shared)| Key::builder().ipv4(shared.public).ipv4(ip).key(&PAIR));
        pairs.elements.extend(both.map(|key| (key, Value::None)));
    }
    insert(table, "outward", vec![Line::new().oif(OUTSIDE).snat_by_pair("shared")]);
}

fn forwards(spec: &VpcSpec, policy: &Policy, table: &mut Table) {
    if spec.forwards.is_empty() {
        return;
    }
    let place =
        |forward: &ForwardSpec, port: u16| Key::builder().ipv4(forward.public).protos(forward.protocol, forward.protocol).ports(port, port);
    let ports = each_port(spec).map(|(f, outside, inside)| (place(f, outside).key(&PLACE), Value::socket(f.private, inside)));
    table.sets.insert("ports_in".to_owned(), set(Shape::map(&PLACE, Data::Socket), ports));
    let ends = each_port(spec).map(|(forward, outside, _)| place(forward, outside).ipv4(forward.private).key(&FORWARDED));
    table.sets.insert("forwarded".to_owned(), plain(Shape::set(&FORWARDED), ends));
    let targets: BTreeSet<Ipv4Addr> = spec.forwards.iter().map(|forward| forward.private).collect();
    let names: BTreeMap<Ipv4Addr, &String> = targets.iter().filter_map(|ip| Some((*ip, policy.of.get(ip)?))).collect();
    let jumps = names.iter().map(|(ip, name)| (Key::ipv4(*ip), Value::Jump(format!("fwd_{name}"))));
    table.sets.insert("ingress_there".to_owned(), set(Shape::map(&[Field::Ipv4], Data::Verdict), jumps));
    let used: BTreeSet<&String> = names.into_values().collect();
    for profile in policy.profiles.iter().filter(|profile| profile.direction == Direction::Ingress && used.contains(&profile.name)) {
        table::profile_chain(profile, &format!("fwd_{}", profile.name), Load::CtReplyPort, table);
    }
    insert(table, "inward", vec![Line::new().iif(OUTSIDE).dnat_by_port("ports_in")]);
    let lines = vec![
        Line::new().in_set(&ENDS, "forwarded").vmap(Load::CtOriginalSaddr, "egress"),
        Line::new().in_set(&ENDS, "forwarded").vmap(Load::CtReplySaddr, "ingress_there"),
        Line::new().in_set(&ENDS, "forwarded").set_ct_mark_from(Load::NfProto, "now").accept(),
    ];
    if let Some(chain) = table.chains.get_mut("forward") {
        let at = chain.lines.iter().position(|line| *line == table::translated()).unwrap_or(chain.lines.len());
        chain.lines.splice(at..at, lines);
    }
}

/// Every forward with each of its ports outside, and the one inside.
fn each_port(spec: &VpcSpec) -> impl Iterator<Item = (&ForwardSpec, u16, u16)> {
    let ports = |from: u16, count: u16| (0..count).map_while(move |n| from.checked_add(n));
    spec.forwards.iter().flat_map(move |forward| {
        let both = ports(forward.public_port, forward.count).zip(ports(forward.private_port, forward.count));
        both.map(move |(outside, inside)| (forward, outside, inside))
    })
}

/// Adds the addresses that lead to one private address as a whole, as if they were its own. A port of one's own comes first.
fn mapped(spec: &VpcSpec, table: &mut Table) {
    for map in &spec.mapped {
        if let Some(inward) = table.sets.get_mut("inward") {
            inward.elements.insert(Key::ipv4(map.public), Value::ipv4(map.private));
        }
        if let Some(pairs) = table.sets.get_mut("pairs") {
            pairs.elements.insert(Key::builder().ipv4(map.public).ipv4(map.private).key(&PAIR), Value::None);
        }
    }
}

/// The shared addresses, and where packets from each may go: wherever a rule sends them, and everywhere in answer to a port.
fn ways(spec: &VpcSpec) -> BTreeMap<Ipv4Addr, Vec<Ipv4Net>> {
    let mut out: BTreeMap<Ipv4Addr, Vec<Ipv4Net>> = BTreeMap::new();
    for shared in &spec.shared {
        out.entry(shared.public).or_default().push(shared.to.trunc());
    }
    for public in spec.forwards.iter().map(|forward| forward.public).chain(spec.mapped.iter().map(|map| map.public)) {
        out.entry(public).or_default().push(Ipv4Net::default());
    }
    out.into_iter().map(|(public, nets)| (public, Ipv4Net::aggregate(&nets))).collect()
}
