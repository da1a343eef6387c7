//! Security groups of one VPC compiled for one host: which chain judges a connection of an interface, and what is in its sets.
//!
//! ```text
//!   interface ─ its set of groups = a profile ─ stages in the order of (priority, drop before accept)
//!   stage     ─ any: services open to every peer          set  (protocol . port)
//!             ─ net: services open to networks            sets (address . protocol . port), one for each length of prefix
//!             ─ grp: services open to members of groups   set  (class . protocol . port)
//!   address   ─ class = the set of peer groups that it is in   map (address : class)
//! ```
//!
//! The first packet of a connection costs two lookups a stage and one for each length of prefix that its rules have, however many
//! rules, members and groups there are; a member that comes or goes is one element of one map, and a rule one of one set. The kernel's
//! interval sets refuse overlaps. Networks with prefixes of one length never do; those of different lengths have sets of their own,
//! because cut into pieces they would be as many as the rules' square. Ports that overlap are merged. It knows neither nftables'
//! language nor a socket.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::net::{Ipv4Addr, Ipv6Addr};

use hostspec::{Direction, GroupSpec, NicSpec, Peer, ProtocolMatch, RuleSpec, Verdict};
use ipnet::{Ipv4Net, Ipv6Net};
use model::SecurityGroupId;

use super::line::fnv;

/// A box of protocols and ports, both ends included. For ICMP a port is `type << 8 | code`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Service {
    /// First and last IP protocol number.
    pub protocols: (u8, u8),
    /// First and last port.
    pub ports: (u16, u16),
}

const EVERYTHING: Service = Service { protocols: (0, u8::MAX), ports: (0, u16::MAX) };

impl Service {
    /// The box of a protocol.
    pub fn of(protocol: ProtocolMatch) -> Service {
        let one = |number, from, to| Service { protocols: (number, number), ports: (from, to) };
        match protocol {
            ProtocolMatch::All => EVERYTHING,
            ProtocolMatch::Tcp { from, to } => one(6, from.min(to), from.max(to)),
            ProtocolMatch::Udp { from, to } => one(17, from.min(to), from.max(to)),
            ProtocolMatch::Icmp { kind, code } => message(1, kind, code),
            ProtocolMatch::Icmp6 { kind, code } => message(58, kind, code),
            ProtocolMatch::Number { number } => one(number, 0, u16::MAX),
        }
    }
}

/// Messages of a control protocol with this number.
fn message(number: u8, kind: Option<u8>, code: Option<u8>) -> Service {
    let ports = match (kind.map(u16::from), code.map(u16::from)) {
        (None, _) => (0, u16::MAX),
        (Some(kind), None) => (kind << 8, kind << 8 | 0xff),
        (Some(kind), Some(code)) => (kind << 8 | code, kind << 8 | code),
    };
    Service { protocols: (number, number), ports }
}

/// A version of IP, as far as rules tell them apart. Each has tables of its own.
pub trait Version: Debug + Clone + PartialEq + Eq + Default {
    /// An address.
    type Ip: Debug + Copy + Ord + 'static;
    /// A network.
    type Net: Debug + Copy + Ord;
    /// The network that a rule is about, without host bits and with the length of its prefix; none for another end.
    fn range(peer: Peer) -> Option<(Self::Net, u8)>;
    /// The addresses of an interface.
    fn addresses(nic: &NicSpec) -> impl Iterator<Item = Self::Ip>;
}

/// IPv4.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct V4;

/// IPv6.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct V6;

impl Version for V4 {
    type Ip = Ipv4Addr;
    type Net = Ipv4Net;

    fn range(peer: Peer) -> Option<(Ipv4Net, u8)> {
        match peer {
            Peer::Range { range } => Some((range.trunc(), range.prefix_len())),
            Peer::Range6 { .. } | Peer::Group { .. } => None,
        }
    }

    fn addresses(nic: &NicSpec) -> impl Iterator<Item = Ipv4Addr> {
        nic.addresses().map(|(ip, _)| ip)
    }
}

impl Version for V6 {
    type Ip = Ipv6Addr;
    type Net = Ipv6Net;

    fn range(peer: Peer) -> Option<(Ipv6Net, u8)> {
        match peer {
            Peer::Range6 { range } => Some((range.trunc(), range.prefix_len())),
            Peer::Range { .. } | Peer::Group { .. } => None,
        }
    }

    fn addresses(nic: &NicSpec) -> impl Iterator<Item = Ipv6Addr> {
        nic.v6.iter().copied()
    }
}

/// The same services as disjoint boxes, in order.
pub fn disjoint(services: impl IntoIterator<Item = Service>) -> Vec<Service> {
    let mut services = services.into_iter();
    let (first, second) = (services.next(), services.next());
    if let (Some(only), None) = (first, second) {
        return vec![only];
    }
    let mut by_protocol: BTreeMap<u8, Vec<(u16, u16)>> = BTreeMap::new();
    for service in first.into_iter().chain(second).chain(services) {
        if service == EVERYTHING {
            return vec![EVERYTHING];
        }
        by_protocol.entry(service.protocols.0).or_default().push(service.ports);
    }
    let mut out = Vec::new();
    for (protocol, mut spans) in by_protocol {
        spans.sort_unstable();
        let mut merged: Vec<(u16, u16)> = Vec::new();
        for (from, to) in spans {
            match merged.last_mut() {
                Some(last) if u32::from(from) <= u32::from(last.1) + 1 => last.1 = last.1.max(to),
                _ => merged.push((from, to)),
            }
        }
        out.extend(merged.into_iter().map(|ports| Service { protocols: (protocol, protocol), ports }));
    }
    out
}

/// The rules of one priority and verdict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stage<V: Version = V4> {
    /// Their priority.
    pub priority: u16,
    /// What happens to a connection that matches.
    pub verdict: Verdict,
    /// Services for every peer.
    pub any: Vec<Service>,
    /// Services for networks, by the length of their prefixes.
    pub net: BTreeMap<u8, Vec<(V::Net, Service)>>,
    /// Services for the members of a class.
    pub class: Vec<(u32, Service)>,
    /// Whether some rule names a group, with members or without.
    pub names_groups: bool,
}

/// How connections of the interfaces with one set of groups are judged, in one direction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile<V: Version = V4> {
    /// Short text of the set of groups, the same on every host and in every run.
    pub name: String,
    /// The direction.
    pub direction: Direction,
    /// What is looked up, in order; nothing found means that the connection is dropped.
    pub stages: Vec<Stage<V>>,
}

/// The security of the interfaces of a VPC on this host.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Policy<V: Version = V4> {
    /// Two profiles (one a direction) for each set of groups in use.
    pub profiles: Vec<Profile<V>>,
    /// The profile of each local interface's address.
    pub of: BTreeMap<V::Ip, String>,
    /// The class of each address that is in a group which some rule names.
    pub classes: BTreeMap<V::Ip, u32>,
}

/// Compiles the groups for the IPv4 addresses of this host's interfaces.
pub fn compile(groups: &[GroupSpec], nics: &[NicSpec]) -> Policy {
    compile_for::<V4>(groups, nics, |group| &group.members)
}

/// Compiles the groups for their IPv6 addresses, with these for the groups' members.
pub fn compile_v6(groups: &[GroupSpec], nics: &[NicSpec], members: &BTreeMap<SecurityGroupId, Vec<Ipv6Addr>>) -> Policy<V6> {
    compile_for::<V6>(groups, nics, |group| members.get(&group.id).map_or(&[], Vec::as_slice))
}

fn compile_for<'g, V: Version>(groups: &'g [GroupSpec], nics: &[NicSpec], members: impl Fn(&'g GroupSpec) -> &'g [V::Ip]) -> Policy<V> {
    let by_id: BTreeMap<SecurityGroupId, &'g GroupSpec> = groups.iter().map(|g| (g.id, g)).collect();
    let mut policy = Policy::<V> { profiles: vec![], of: BTreeMap::new(), classes: BTreeMap::new() };
    let mut sets: BTreeMap<BTreeSet<SecurityGroupId>, String> = BTreeMap::new();
    for nic in nics {
        let set: BTreeSet<_> = nic.groups.iter().copied().collect();
        let name = sets.entry(set.clone()).or_insert_with(|| profile_name(&set)).clone();
        policy.of.extend(V::addresses(nic).map(|ip| (ip, name.clone())));
    }
    let rules_of =
        |set: &BTreeSet<SecurityGroupId>| -> Vec<&RuleSpec> { set.iter().filter_map(|id| by_id.get(id)).flat_map(|g| &g.rules).collect() };
    let named: BTreeSet<SecurityGroupId> = sets.keys().flat_map(&rules_of).filter_map(peer_group).collect();
    let classes = classes::<V>(&by_id, &named, members);
    policy.classes = classes.iter().flat_map(|(class, (_, members))| members.iter().map(|ip| (*ip, *class))).collect();
    for (set, name) in &sets {
        let rules = rules_of(set);
        for direction in [Direction::Egress, Direction::Ingress] {
            let stages = stages::<V>(&rules, direction, &classes);
            policy.profiles.push(Profile { name: name.clone(), direction, stages });
        }
    }
    policy
}

fn peer_group(rule: &RuleSpec) -> Option<SecurityGroupId> {
    match rule.peer {
        Peer::Group { group } => Some(group),
        Peer::Range { .. } | Peer::Range6 { .. } => None,
    }
}

/// The name of the profile of a set of groups.
pub fn profile_name(set: &BTreeSet<SecurityGroupId>) -> String {
    let text = set.iter().map(SecurityGroupId::to_string).collect::<Vec<_>>().join(",");
    format!("{:016x}", fnv(text.as_bytes()))
}

/// Classes by their number: the groups of a class, and the addresses that are in exactly those groups.
type Classes<Ip> = BTreeMap<u32, (BTreeSet<SecurityGroupId>, Vec<Ip>)>;

fn classes<'g, V: Version>(
    groups: &BTreeMap<SecurityGroupId, &'g GroupSpec>,
    named: &BTreeSet<SecurityGroupId>,
    members: impl Fn(&'g GroupSpec) -> &'g [V::Ip],
) -> Classes<V::Ip> {
    let mut groups_of: BTreeMap<V::Ip, BTreeSet<SecurityGroupId>> = BTreeMap::new();
    for group in named.iter().filter_map(|id| groups.get(id)) {
        for member in members(group) {
            groups_of.entry(*member).or_default().insert(group.id);
        }
    }
    let mut members_of: BTreeMap<BTreeSet<SecurityGroupId>, Vec<V::Ip>> = BTreeMap::new();
    for (ip, set) in groups_of {
        members_of.entry(set).or_default().push(ip);
    }
    let mut out = BTreeMap::new();
    for (set, members) in members_of {
        let text = set.iter().map(SecurityGroupId::to_string).collect::<Vec<_>>().join(",");
        // A number that does not depend on other classes keeps an element's change to that element; two that fall together
        // are told apart by counting on.
        let mut number = (fnv(text.as_bytes()) >> 32) as u32;
        while number == 0 || out.contains_key(&number) {
            number = number.wrapping_add(1);
        }
        out.insert(number, (set, members));
    }
    out
}

fn stages<V: Version>(rules: &[&RuleSpec], direction: Direction, classes: &Classes<V::Ip>) -> Vec<Stage<V>> {
    // Drop sorts before accept, so that within one priority a drop wins.
    let mut by_order: BTreeMap<(u16, u8), Vec<&RuleSpec>> = BTreeMap::new();
    for rule in rules.iter().filter(|r| r.direction == direction) {
        let rank = match rule.verdict {
            Verdict::Drop => 0,
            Verdict::Accept => 1,
        };
        by_order.entry((rule.priority, rank)).or_default().push(rule);
    }
    by_order.into_iter().map(|((priority, _), rules)| stage(priority, &rules, classes)).collect()
}

fn stage<V: Version>(priority: u16, rules: &[&RuleSpec], classes: &Classes<V::Ip>) -> Stage<V> {
    let mut any = Vec::new();
    let mut ranges: Vec<((V::Net, u8), Service)> = Vec::new();
    let mut by_group: BTreeMap<SecurityGroupId, Vec<Service>> = BTreeMap::new();
    for rule in rules {
        let service = Service::of(rule.protocol);
        match (V::range(rule.peer), peer_group(rule)) {
            (Some((_, 0)), _) => any.push(service),
            (Some(range), _) => ranges.push((range, service)),
            (None, Some(group)) => by_group.entry(group).or_default().push(service),
            // Of the other version of IP.
            (None, None) => {}
        }
    }
    let mut class = Vec::new();
    for (number, (groups, _)) in classes {
        let open = groups.iter().filter_map(|id| by_group.get(id)).flatten().copied();
        class.extend(disjoint(open).into_iter().map(|service| (*number, service)));
    }
    let verdict = rules.first().map_or(Verdict::Drop, |rule| rule.verdict);
    Stage { priority, verdict, any: disjoint(any), net: by_length(ranges), class, names_groups: !by_group.is_empty() }
}

/// The services of each network, by the length of its prefix.
fn by_length<Net: Copy + Ord>(mut ranges: Vec<((Net, u8), Service)>) -> BTreeMap<u8, Vec<(Net, Service)>> {
    ranges.sort_unstable();
    let mut out: BTreeMap<u8, Vec<(Net, Service)>> = BTreeMap::new();
    for rules in ranges.chunk_by(|(a, _), (b, _)| a == b) {
        let (network, length) = rules[0].0;
        let services = disjoint(rules.iter().map(|(_, service)| *service));
        out.entry(length).or_default().extend(services.into_iter().map(|service| (network, service)));
    }
    out
}
