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

use hostspec::{AclEntry, Direction, NicSpec, ProtocolMatch, SubnetSpec, Verdict, VpcSpec};

use super::line::{Line, Load};
use super::policy::Service;
use super::ruleset::{Base, BaseKind, Chain, Data, Field, Hook, Key, Shape, Table, Value};
use super::table::{PAIR, plain, set, with_service};

/// Before the chain of the security groups, which lets known connections pass.
pub(super) const BEFORE_GROUPS: i32 = -5;

/// Adds what the subnets with an ACL need; nothing when none has one.
pub fn add(spec: &VpcSpec, table: &mut Table) {
    let guarded: Vec<(&SubnetSpec, &[AclEntry])> =
        spec.subnets.iter().filter_map(|subnet| Some((subnet, subnet.acl.as_deref()?))).collect();
    if guarded.is_empty() {
        return;
    }
    let inside = guarded.iter().map(|(subnet, _)| {
        let (first, last) = (subnet.range.network(), subnet.range.broadcast());
        Key::builder().ipv4_range(first, last).ipv4_range(first, last).key(&PAIR)
    });
    table.sets.insert("acl_inside".to_owned(), plain(Shape::ranges(&PAIR), inside));
    for (name, direction) in [("acl_out", Direction::Egress), ("acl_in", Direction::Ingress)] {
        let nics = guarded.iter().flat_map(|(subnet, _)| spec.nics.iter().filter(|nic| nic.subnet == subnet.id).map(|nic| (*subnet, nic)));
        let ips = nics.flat_map(|(subnet, nic): (&SubnetSpec, &NicSpec)| nic.addresses().map(move |(ip, _)| (subnet, ip)));
        let jumps = ips.map(|(subnet, ip)| (Key::ipv4(ip), Value::Jump(chain_name(subnet, direction))));
        table.sets.insert(name.to_owned(), set(Shape::map(&[Field::Ipv4], Data::Verdict), jumps));
        for (subnet, entries) in &guarded {
            add_entries(&chain_name(subnet, direction), direction, entries, table);
        }
    }
    let base = Base { kind: BaseKind::Filter, hook: Hook::Forward, priority: BEFORE_GROUPS, policy_drop: false };
    let lines = vec![
        Line::new().in_set(&[Load::IpSaddr, Load::IpDaddr], "acl_inside").accept(),
        Line::new().vmap(Load::IpSaddr, "acl_out"),
        Line::new().vmap(Load::IpDaddr, "acl_in"),
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
fn add_entries(chain: &str, direction: Direction, entries: &[AclEntry], table: &mut Table) {
    let peer = match direction {
        Direction::Egress => Load::IpDaddr,
        Direction::Ingress => Load::IpSaddr,
    };
    let mut mine: Vec<&AclEntry> = entries.iter().filter(|entry| entry.direction == direction).collect();
    mine.sort_by_key(|entry| entry.number);
    let mut lines = Vec::with_capacity(mine.len() + 1);
    for entry in mine {
        let line = if entry.protocol == ProtocolMatch::All && entry.range.prefix_len() == 0 {
            Line::new()
        } else {
            let name = format!("{chain}_{}", entry.number);
            let (fields, loads) = shape(entry.protocol, peer);
            table.sets.insert(name.clone(), plain(Shape::ranges(&fields), [key(entry, &fields)]));
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
fn shape(protocol: ProtocolMatch, peer: Load) -> (Vec<Field>, Vec<Load>) {
    match protocol {
        ProtocolMatch::All => (vec![Field::Ipv4], vec![peer]),
        ProtocolMatch::Number { number: _ }
        | ProtocolMatch::Icmp { kind: None, code: _ }
        | ProtocolMatch::Icmp6 { kind: None, code: _ } => (vec![Field::Ipv4, Field::Proto], vec![peer, Load::L4Proto]),
        ProtocolMatch::Tcp { from: _, to: _ } | ProtocolMatch::Udp { from: _, to: _ } => {
            (vec![Field::Ipv4, Field::Proto, Field::Port], vec![peer, Load::L4Proto, Load::ThDport])
        }
        ProtocolMatch::Icmp { kind: Some(_), code: _ } | ProtocolMatch::Icmp6 { kind: Some(_), code: _ } => {
            (vec![Field::Ipv4, Field::Proto, Field::Port], vec![peer, Load::L4Proto, Load::IcmpTypeCode])
        }
    }
}

fn key(entry: &AclEntry, fields: &[Field]) -> Key {
    let start = Key::builder().ipv4_range(entry.range.network(), entry.range.broadcast());
    let service = Service::of(entry.protocol);
    match fields.len() {
        1 => start.key(fields),
        2 => start.protos(service.protocols.0, service.protocols.1).key(fields),
        _ => with_service(start, service).key(fields),
    }
}
