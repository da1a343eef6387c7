//! Compiled groups judge every packet as the rules themselves do, and their sets never overlap, which the kernel would refuse.

use std::net::Ipv4Addr;

use hostspec::*;
use model::{OpenConnections, SecurityGroupId};
use proptest::prelude::*;

use super::super::policy::{Policy, Service, compile};
use super::super::ruleset::Ruleset;
use super::super::{Names, rule_change, table};
use crate::guest::fixture;

/// A packet that opens a connection: the other end, the protocol, and the port or the type and code of ICMP.
#[derive(Debug, Clone, Copy)]
struct Packet {
    peer: Ipv4Addr,
    protocol: u8,
    port: u16,
}

fn address() -> impl Strategy<Value = Ipv4Addr> {
    (0_u32..16).prop_map(|n| Ipv4Addr::from(0x0a00_0000 + n))
}

fn group() -> impl Strategy<Value = SecurityGroupId> {
    (1_u64..5).prop_map(SecurityGroupId::from_u64)
}

fn protocol() -> impl Strategy<Value = ProtocolMatch> {
    prop_oneof![
        Just(ProtocolMatch::All),
        (0_u16..9, 0_u16..9).prop_map(|(a, b)| ProtocolMatch::Tcp { from: a.min(b), to: a.max(b) }),
        (0_u16..9, 0_u16..9).prop_map(|(a, b)| ProtocolMatch::Udp { from: a.min(b), to: a.max(b) }),
        (proptest::option::of(0_u8..3), proptest::option::of(0_u8..3)).prop_map(|(kind, code)| ProtocolMatch::Icmp { kind, code }),
        prop_oneof![Just(6), Just(47)].prop_map(|number| ProtocolMatch::Number { number }),
    ]
}

fn peer() -> impl Strategy<Value = Peer> {
    let range = (address(), prop_oneof![Just(0_u8), 28_u8..=32]);
    prop_oneof![
        range.prop_map(|(ip, len)| Peer::Range { range: ipnet::Ipv4Net::new(ip, len).unwrap().trunc() }),
        group().prop_map(|group| Peer::Group { group }),
    ]
}

fn rule() -> impl Strategy<Value = RuleSpec> {
    let direction = prop_oneof![Just(Direction::Ingress), Just(Direction::Egress)];
    let verdict = prop_oneof![3 => Just(Verdict::Accept), 1 => Just(Verdict::Drop)];
    (direction, verdict, 1_u16..4, protocol(), peer()).prop_map(|(direction, verdict, priority, protocol, peer)| RuleSpec {
        direction,
        verdict,
        priority,
        protocol,
        peer,
    })
}

fn groups() -> impl Strategy<Value = Vec<GroupSpec>> {
    let one = (proptest::collection::vec(rule(), 0..6), proptest::collection::vec(address(), 0..6));
    proptest::collection::vec(one, 4).prop_map(|groups| {
        let numbered = (1..).zip(groups);
        numbered.map(|(id, (rules, members))| GroupSpec { id: SecurityGroupId::from_u64(id), rules, members }).collect()
    })
}

fn packet() -> impl Strategy<Value = Packet> {
    let kind = prop_oneof![
        (prop_oneof![Just(6_u8), Just(17), Just(47), Just(50)], 0_u16..10),
        (0_u16..4, 0_u16..4).prop_map(|(kind, code)| (1, kind << 8 | code)),
    ];
    (address(), kind).prop_map(|(peer, (protocol, port))| Packet { peer, protocol, port })
}

/// What the rules say, read as their documentation does.
fn by_rules(groups: &[GroupSpec], of: &[SecurityGroupId], direction: Direction, packet: Packet) -> Verdict {
    let members = |id| &groups.iter().find(|g| g.id == id).expect("the groups are numbered").members;
    let matches = |rule: &&RuleSpec| {
        let (kind, code) = ((packet.port >> 8) as u8, packet.port as u8);
        let service = match rule.protocol {
            ProtocolMatch::All => true,
            ProtocolMatch::Tcp { from, to } => packet.protocol == 6 && (from..=to).contains(&packet.port),
            ProtocolMatch::Udp { from, to } => packet.protocol == 17 && (from..=to).contains(&packet.port),
            ProtocolMatch::Icmp { kind: None, code: _ } => packet.protocol == 1,
            ProtocolMatch::Icmp { kind: Some(k), code: c } => packet.protocol == 1 && k == kind && c.is_none_or(|c| c == code),
            // Packets of IPv4 never have its number.
            ProtocolMatch::Icmp6 { .. } => false,
            ProtocolMatch::Number { number } => packet.protocol == number,
        };
        let peer = match rule.peer {
            Peer::Range { range } => range.contains(&packet.peer),
            Peer::Range6 { .. } => false,
            Peer::Group { group } => members(group).contains(&packet.peer),
        };
        rule.direction == direction && service && peer
    };
    let own = groups.iter().filter(|g| of.contains(&g.id)).flat_map(|g| &g.rules);
    let first = own.filter(matches).min_by_key(|rule| (rule.priority, rule.verdict == Verdict::Accept));
    first.map_or(Verdict::Drop, |rule| rule.verdict)
}

/// What the compiled stages say, read as the packet filter does.
fn by_stages(policy: &Policy, me: Ipv4Addr, direction: Direction, packet: Packet) -> Verdict {
    let open = |s: &Service| (s.protocols.0..=s.protocols.1).contains(&packet.protocol) && (s.ports.0..=s.ports.1).contains(&packet.port);
    let profile = policy.profiles.iter().find(|p| p.name == policy.of[&me] && p.direction == direction).expect("every profile is there");
    let class = policy.classes.get(&packet.peer);
    for stage in &profile.stages {
        let any = stage.any.iter().any(open);
        let net = stage.net.values().flatten().any(|(network, s)| network.contains(&packet.peer) && open(s));
        let grp = stage.class.iter().any(|(number, s)| Some(number) == class && open(s));
        if any || net || grp {
            return stage.verdict;
        }
    }
    Verdict::Drop
}

fn apart(a: &Service, b: &Service) -> bool {
    a.protocols.1 < b.protocols.0 || b.protocols.1 < a.protocols.0 || a.ports.1 < b.ports.0 || b.ports.1 < a.ports.0
}

fn all_apart<T>(items: &[T], apart: impl Fn(&T, &T) -> bool) -> bool {
    items.iter().enumerate().all(|(n, a)| items[n + 1..].iter().all(|b| apart(a, b)))
}

proptest! {
    #[test]
    fn compiled_groups_judge_as_the_rules_do(
        groups in groups(),
        of in proptest::collection::vec(group(), 0..4),
        packets in proptest::collection::vec(packet(), 50),
    ) {
        let nic = NicSpec { groups: of.clone(), ..fixture::nic(1, 5, fixture::IP) };
        let policy = compile(&groups, &[nic]);
        for packet in packets {
            for direction in [Direction::Ingress, Direction::Egress] {
                let want = by_rules(&groups, &of, direction, packet);
                prop_assert_eq!(by_stages(&policy, fixture::IP, direction, packet), want, "{:?} {:?}", packet, direction);
            }
        }
    }

    #[test]
    fn no_two_elements_of_a_set_overlap(groups in groups(), of in proptest::collection::vec(group(), 0..4)) {
        let nic = NicSpec { groups: of, ..fixture::nic(1, 5, fixture::IP) };
        for stage in compile(&groups, &[nic]).profiles.iter().flat_map(|profile| &profile.stages) {
            prop_assert!(all_apart(&stage.any, apart));
            for nets in stage.net.values() {
                prop_assert!(all_apart(nets, |(a, s), (b, t)| (!a.contains(b) && !b.contains(a)) || apart(s, t)));
            }
            prop_assert!(all_apart(&stage.class, |(a, s), (b, t)| a != b || apart(s, t)));
        }
    }
}

/// The two ways from one list of rules to another: by what changed, where that is enough, and all anew.
fn both_ways(before: &VpcSpec, after: &VpcSpec) -> (Option<Ruleset>, Ruleset) {
    let names = Names::new("test").expect("a name");
    let mut seen = table::vpc(&names, before, 7);
    let whole = table::vpc(&names, after, 1000);
    let changes = rule_change::find(&names, before, after, &seen, 1000);
    let adjusted = changes.map(|changes| {
        if changes.is_empty() {
            table::start_epoch(&mut seen, 1000);
        }
        rule_change::carry_out(changes, &mut seen);
        seen
    });
    (adjusted, whole)
}

fn with_rules(groups: Vec<GroupSpec>, of: &[SecurityGroupId]) -> VpcSpec {
    let mut spec = super::lab::vpc(1, &[5, 6]);
    spec.nics[0].groups = of.to_vec();
    spec.nics[1].groups = vec![SecurityGroupId::from_u64(1)];
    spec.groups = groups;
    spec
}

proptest! {
    #[test]
    fn a_change_of_rules_leads_to_what_compiling_them_anew_does(
        groups in groups(),
        of in proptest::collection::vec(group(), 1..4),
        gone in proptest::collection::vec((0_usize..4, any::<proptest::sample::Index>()), 0..3),
        fresh in proptest::collection::vec((0_usize..4, any::<proptest::sample::Index>(), rule()), 0..3),
        connections in proptest::option::of(prop_oneof![Just(OpenConnections::Tracked), Just(OpenConnections::Keep)]),
    ) {
        let kept = |group: &GroupSpec| Some(KeptSpec { group: group.id, connections: connections? });
        let kept = groups.iter().filter_map(kept).collect();
        let before = VpcSpec { kept, ..with_rules(groups, &of) };
        let mut after = before.clone();
        for (group, at) in gone {
            let rules = &mut after.groups[group].rules;
            if !rules.is_empty() {
                rules.remove(at.index(rules.len()));
            }
        }
        for (group, at, rule) in fresh {
            let rules = &mut after.groups[group].rules;
            rules.insert(at.index(rules.len() + 1), rule);
        }
        if let (Some(adjusted), whole) = both_ways(&before, &after) {
            prop_assert_eq!(adjusted.to_string(), whole.to_string());
            prop_assert_eq!(adjusted, whole);
        }
    }
}

#[test]
fn one_rule_among_many_is_found_without_compiling_the_others() {
    let range = |n: u8| Peer::Range { range: ipnet::Ipv4Net::new(Ipv4Addr::new(10, 9, n, 0), 24).unwrap() };
    let tcp = |peer, from| RuleSpec {
        direction: Direction::Ingress,
        verdict: Verdict::Accept,
        priority: 1,
        protocol: ProtocolMatch::Tcp { from, to: from + 9 },
        peer,
    };
    let mut groups: Vec<GroupSpec> =
        (1..5).map(|id| GroupSpec { id: SecurityGroupId::from_u64(id), rules: vec![], members: vec![] }).collect();
    groups[0].rules = (0..200).map(|n| tcp(range(n), 100)).collect();
    let before = with_rules(groups, &[SecurityGroupId::from_u64(1), SecurityGroupId::from_u64(2)]);
    let mut after = before.clone();
    // Falls together with what is there into one range of ports, and is in both profiles.
    after.groups[0].rules.insert(7, tcp(range(9), 105));
    let (adjusted, whole) = both_ways(&before, &after);
    assert_eq!(adjusted.as_ref(), Some(&whole));
    let (adjusted, whole) = both_ways(&after, &before);
    assert_eq!(adjusted.as_ref(), Some(&whole));
    // The first rule of a priority needs lines of its own.
    after.groups[0].rules.push(RuleSpec { priority: 2, ..tcp(range(1), 1) });
    assert_eq!(both_ways(&before, &after).0, None);
}
