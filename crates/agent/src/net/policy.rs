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
use std::net::Ipv4Addr;

use hostspec::{Direction, GroupSpec, NicSpec, Peer, ProtocolMatch, RuleSpec, Verdict};
use ipnet::Ipv4Net;
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
            ProtocolMatch::Icmp { kind: None, code: _ } => one(1, 0, u16::MAX),
            ProtocolMatch::Icmp { kind: Some(kind), code: None } => one(1, u16::from(kind) << 8, u16::from(kind) << 8 | 0xff),
            ProtocolMatch::Icmp { kind: Some(kind), code: Some(code) } => {
                let both = u16::from(kind) << 8 | u16::from(code);
                one(1, both, both)
            }
            ProtocolMatch::Number { number } => one(number, 0, u16::MAX),
        }
    }
}

/// The same services as disjoint boxes, in order.
fn disjoint(services: impl IntoIterator<Item = Service>) -> Vec<Service> {
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
pub struct Stage {
    /// Their priority.
    pub priority: u16,
    /// What happens to a connection that matches.
    pub verdict: Verdict,
    /// Services for every peer.
    pub any: Vec<Service>,
    /// Services for networks, by the length of their prefixes.
    pub net: BTreeMap<u8, Vec<(Ipv4Net, Service)>>,
    /// Services for the members of a class.
    pub class: Vec<(u32, Service)>,
    /// Whether some rule names a group, with members or without.
    pub names_groups: bool,
}

/// How connections of the interfaces with one set of groups are judged, in one direction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// Short text of the set of groups, the same on every host and in every run.
    pub name: String,
    /// The direction.
    pub direction: Direction,
    /// What is looked up, in order; nothing found means that the connection is dropped.
    pub stages: Vec<Stage>,
}

/// The security of the interfaces of a VPC on this host.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Policy {
    /// Two profiles (one a direction) for each set of groups in use.
    pub profiles: Vec<Profile>,
    /// The profile of each local interface's address.
    pub of: BTreeMap<Ipv4Addr, String>,
    /// The class of each address that is in a group which some rule names.
    pub classes: BTreeMap<Ipv4Addr, u32>,
}

/// Compiles the groups for the interfaces of this host.
pub fn compile(groups: &[GroupSpec], nics: &[NicSpec]) -> Policy {
    let by_id: BTreeMap<SecurityGroupId, &GroupSpec> = groups.iter().map(|g| (g.id, g)).collect();
    let mut policy = Policy::default();
    let mut sets: BTreeMap<BTreeSet<SecurityGroupId>, String> = BTreeMap::new();
    for nic in nics {
        let set: BTreeSet<_> = nic.groups.iter().copied().collect();
        let name = sets.entry(set.clone()).or_insert_with(|| profile_name(&set)).clone();
        policy.of.extend(nic.addresses().map(|(ip, _)| (ip, name.clone())));
    }
    let rules_of =
        |set: &BTreeSet<SecurityGroupId>| -> Vec<&RuleSpec> { set.iter().filter_map(|id| by_id.get(id)).flat_map(|g| &g.rules).collect() };
    let named: BTreeSet<SecurityGroupId> = sets.keys().flat_map(&rules_of).filter_map(peer_group).collect();
    let classes = classes(&by_id, &named);
    policy.classes = classes.iter().flat_map(|(class, (_, members))| members.iter().map(|ip| (*ip, *class))).collect();
    for (set, name) in &sets {
        let rules = rules_of(set);
        for direction in [Direction::Egress, Direction::Ingress] {
            let stages = stages(&rules, direction, &classes);
            policy.profiles.push(Profile { name: name.clone(), direction, stages });
        }
    }
    policy
}

fn peer_group(rule: &RuleSpec) -> Option<SecurityGroupId> {
    match rule.peer {
        Peer::Group { group } => Some(group),
        Peer::Range { range: _ } => None,
    }
}

fn profile_name(set: &BTreeSet<SecurityGroupId>) -> String {
    let text = set.iter().map(SecurityGroupId::to_string).collect::<Vec<_>>().join(",");
    format!("{:016x}", fnv(text.as_bytes()))
}

/// Classes by their number: the groups of a class, and the addresses that are in exactly those groups.
type Classes = BTreeMap<u32, (BTreeSet<SecurityGroupId>, Vec<Ipv4Addr>)>;

fn classes(groups: &BTreeMap<SecurityGroupId, &GroupSpec>, named: &BTreeSet<SecurityGroupId>) -> Classes {
    let mut groups_of: BTreeMap<Ipv4Addr, BTreeSet<SecurityGroupId>> = BTreeMap::new();
    for group in named.iter().filter_map(|id| groups.get(id)) {
        for member in &group.members {
            groups_of.entry(*member).or_default().insert(group.id);
        }
    }
    let mut members_of: BTreeMap<BTreeSet<SecurityGroupId>, Vec<Ipv4Addr>> = BTreeMap::new();
    for (ip, set) in groups_of {
        members_of.entry(set).or_default().push(ip);
    }
    let mut out = Classes::new();
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

fn stages(rules: &[&RuleSpec], direction: Direction, classes: &Classes) -> Vec<Stage> {
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

fn stage(priority: u16, rules: &[&RuleSpec], classes: &Classes) -> Stage {
    let mut any = Vec::new();
    let mut ranges: Vec<(Ipv4Net, Service)> = Vec::new();
    let mut by_group: BTreeMap<SecurityGroupId, Vec<Service>> = BTreeMap::new();
    for rule in rules {
        let service = Service::of(rule.protocol);
        match rule.peer {
            Peer::Range { range } if range.prefix_len() == 0 => any.push(service),
            Peer::Range { range } => ranges.push((range.trunc(), service)),
            Peer::Group { group } => by_group.entry(group).or_default().push(service),
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
fn by_length(mut ranges: Vec<(Ipv4Net, Service)>) -> BTreeMap<u8, Vec<(Ipv4Net, Service)>> {
    ranges.sort_unstable();
    let mut out: BTreeMap<u8, Vec<(Ipv4Net, Service)>> = BTreeMap::new();
    for rules in ranges.chunk_by(|(a, _), (b, _)| a == b) {
        let network = rules[0].0;
        let services = disjoint(rules.iter().map(|(_, service)| *service));
        out.entry(network.prefix_len()).or_default().extend(services.into_iter().map(|service| (network, service)));
    }
    out
}
