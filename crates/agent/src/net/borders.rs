//! Network ACLs of a VPC's subnets as a chain before the security groups'.
//!
//! ```text
//!   packet ─ between addresses of one subnet? ─ yes ─▶ on
//!          └ from an interface here ─▶ its subnet's entries outward ─┬─▶ to an interface here ─▶ its subnet's entries inward ─▶ on
//!                                                                   └ dropped
//! ```
//!
//! Every packet is judged, answers too: an ACL knows no connections. Addresses are the private ones: the chain sits where
//! destinations are translated already and sources are not yet. The host of an interface judges for it, wherever the other end is.
//! Each version of IP has its own chains of the entries that are about it.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, Ipv6Addr};

use hostspec::{AclEntry, Direction, NicSpec, ProtocolMatch, SubnetSpec, Verdict, VpcSpec};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::line::{Line, Load};
use super::policy::{Service, V4, V6};
use super::ruleset::{Base, BaseKind, Chain, Data, Field, Hook, Key, Shape, Table, Value};
use super::table::{Written, plain, set, with_service};

/// Before the chain of the security groups, which lets known connections pass.
const BEFORE_GROUPS: i32 = -5;

/// A version of IP at the border of a subnet.
pub trait Bordered: Written {
    /// Who sends a packet, and who it is for.
    const ENDS_OF_PACKET: (Load, Load);
    /// The range of an entry, if it is of this version.
    fn range_of(entry: &AclEntry) -> Option<Self::Net>;
    /// Ranges that hold the addresses of a subnet's interfaces here, and no other subnet's.
    fn ranges_of(spec: &VpcSpec, subnet: &SubnetSpec) -> BTreeSet<Self::Net>;
    /// The key of an address alone.
    fn address(ip: Self::Ip) -> Key;
}

impl Bordered for V4 {
    const ENDS_OF_PACKET: (Load, Load) = (Load::IpSaddr, Load::IpDaddr);

    fn range_of(entry: &AclEntry) -> Option<Ipv4Net> {
        match entry.range {
            IpNet::V4(range) => Some(range),
            IpNet::V6(_) => None,
        }
    }

    fn ranges_of(_: &VpcSpec, subnet: &SubnetSpec) -> BTreeSet<Ipv4Net> {
        BTreeSet::from([subnet.range])
    }

    fn address(ip: Ipv4Addr) -> Key {
        Key::ipv4(ip)
    }
}

impl Bordered for V6 {
    const ENDS_OF_PACKET: (Load, Load) = (Load::Ip6Saddr, Load::Ip6Daddr);

    fn range_of(entry: &AclEntry) -> Option<Ipv6Net> {
        match entry.range {
            IpNet::V6(range) => Some(range),
            IpNet::V4(_) => None,
        }
    }

    fn ranges_of(spec: &VpcSpec, subnet: &SubnetSpec) -> BTreeSet<Ipv6Net> {
        let ips = members(spec, subnet).flat_map(|nic| &nic.v6);
        ips.map(|ip| Ipv6Net::new_assert(*ip, SUBNET_PREFIX).trunc()).collect()
    }

    fn address(ip: Ipv6Addr) -> Key {
        Key::ipv6(ip)
    }
}

/// The prefix of a subnet's range of IPv6.
const SUBNET_PREFIX: u8 = 64;

fn members<'s>(spec: &'s VpcSpec, subnet: &'s SubnetSpec) -> impl Iterator<Item = &'s NicSpec> {
    spec.nics.iter().filter(|nic| nic.subnet == subnet.id)
}

/// Adds what the subnets with an ACL need; nothing when none has one.
pub fn add<V: Bordered>(spec: &VpcSpec, table: &mut Table) {
    let guarded: Vec<(&SubnetSpec, &[AclEntry])> =
        spec.subnets.iter().filter_map(|subnet| Some((subnet, subnet.acl.as_deref()?))).collect();
    if guarded.is_empty() {
        return;
    }
    let pair = [V::FIELD, V::FIELD];
    let inside: BTreeSet<V::Net> = guarded.iter().flat_map(|(subnet, _)| V::ranges_of(spec, subnet)).collect();
    let inside = inside.into_iter().map(|range| V::network(V::network(Key::builder(), range), range).key(&pair));
    table.sets.insert("acl_inside".to_owned(), plain(Shape::ranges(&pair), inside));
    for (name, direction) in [("acl_out", Direction::Egress), ("acl_in", Direction::Ingress)] {
        let ips = guarded.iter().flat_map(|(subnet, _)| members(spec, subnet).flat_map(V::addresses).map(move |ip| (*subnet, ip)));
        let jumps = ips.map(|(subnet, ip)| (V::address(ip), Value::Jump(chain_name(subnet, direction))));
        table.sets.insert(name.to_owned(), set(Shape::map(&[V::FIELD], Data::Verdict), jumps));
        for (subnet, entries) in &guarded {
            add_entries::<V>(&chain_name(subnet, direction), direction, entries, table);
        }
    }
    let base = Base { kind: BaseKind::Filter, hook: Hook::Forward, priority: BEFORE_GROUPS, policy_drop: false };
    let lines = vec![
        Line::new().in_set(&[V::ENDS_OF_PACKET.0, V::ENDS_OF_PACKET.1], "acl_inside").accept(),
        Line::new().vmap(V::ENDS_OF_PACKET.0, "acl_out"),
        Line::new().vmap(V::ENDS_OF_PACKET.1, "acl_in"),
    ];
    table.chains.insert("borders".to_owned(), Chain { base: Some(base), lines });
}

fn chain_name(subnet: &SubnetSpec, direction: Direction) -> String {
    let word = match direction {
        Direction::Egress => "out",
        Direction::Ingress => "in",
    };
    format!("acl_{word}_{:x}", subnet.id.as_u64())
}

/// The chain of one direction: entry by entry, in the order of their numbers, and at the end a drop.
fn add_entries<V: Bordered>(chain: &str, direction: Direction, entries: &[AclEntry], table: &mut Table) {
    let peer = match direction {
        Direction::Egress => V::ENDS_OF_PACKET.1,
        Direction::Ingress => V::ENDS_OF_PACKET.0,
    };
    let mine = entries.iter().filter(|entry| entry.direction == direction);
    let mut mine: Vec<(&AclEntry, V::Net)> = mine.filter_map(|entry| Some((entry, V::range_of(entry)?))).collect();
    mine.sort_by_key(|(entry, _)| entry.number);
    let mut lines = Vec::with_capacity(mine.len() + 1);
    for (entry, range) in mine {
        let line = if entry.protocol == ProtocolMatch::All && entry.range.prefix_len() == 0 {
            Line::new()
        } else {
            let name = format!("{chain}_{}", entry.number);
            let (fields, loads) = shape::<V>(entry.protocol, peer);
            table.sets.insert(name.clone(), plain(Shape::ranges(&fields), [key::<V>(entry.protocol, range, &fields)]));
            Line::new().in_set(&loads, &name)
        };
        lines.push(match entry.verdict {
            Verdict::Accept => line.give_back(),
            Verdict::Drop => line.drop(),
        });
    }
    lines.push(Line::new().drop());
    table.chains.insert(chain.to_owned(), Chain { base: None, lines });
}

/// What is looked at for an entry of this protocol, as fields of a set and where they are in a packet.
fn shape<V: Bordered>(protocol: ProtocolMatch, peer: Load) -> (Vec<Field>, Vec<Load>) {
    match protocol {
        ProtocolMatch::All => (vec![V::FIELD], vec![peer]),
        ProtocolMatch::Number { number: _ }
        | ProtocolMatch::Icmp { kind: None, code: _ }
        | ProtocolMatch::Icmp6 { kind: None, code: _ } => (vec![V::FIELD, Field::Proto], vec![peer, Load::L4Proto]),
        ProtocolMatch::Tcp { from: _, to: _ } | ProtocolMatch::Udp { from: _, to: _ } => {
            (vec![V::FIELD, Field::Proto, Field::Port], vec![peer, Load::L4Proto, Load::ThDport])
        }
        ProtocolMatch::Icmp { kind: Some(_), code: _ } | ProtocolMatch::Icmp6 { kind: Some(_), code: _ } => {
            (vec![V::FIELD, Field::Proto, Field::Port], vec![peer, Load::L4Proto, Load::IcmpTypeCode])
        }
    }
}

fn key<V: Bordered>(protocol: ProtocolMatch, range: V::Net, fields: &[Field]) -> Key {
    let start = V::network(Key::builder(), range);
    let service = Service::of(protocol);
    match fields.len() {
        1 => start.key(fields),
        2 => start.protos(service.protocols.0, service.protocols.1).key(fields),
        _ => with_service(start, service).key(fields),
    }
}
