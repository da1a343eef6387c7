//! Security groups: who may speak to whom, and what a rule's end does to connections that are open.

use std::net::{Ipv4Addr, UdpSocket};

use hostspec::*;
use model::{OpenConnections, SecurityGroupId};

use super::frames::*;
use super::lab::*;

const A: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 5);
const B: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 6);

fn udp_ports(from: u16, to: u16) -> ProtocolMatch {
    ProtocolMatch::Udp { from, to }
}

/// Two interfaces of which the second accepts what these rules say.
fn two(rules: Vec<RuleSpec>) -> VpcSpec {
    let mut spec = vpc(1, &[5, 6]);
    let guarded = SecurityGroupId::from_u64(2);
    spec.nics[1].groups = vec![guarded];
    spec.groups.push(GroupSpec { id: guarded, rules, members: vec![B] });
    spec
}

fn next(socket: &UdpSocket) -> String {
    let mut buffer = [0; 100];
    let (len, _) = socket.recv_from(&mut buffer).expect("a datagram came");
    String::from_utf8_lossy(&buffer[..len]).into_owned()
}

#[test]
fn members_of_one_group_speak_to_each_other_and_nobody_else_to_them() {
    let lab = Lab::new();
    let mut spec = vpc(1, &[5, 6, 7]);
    let (own, other) = (SecurityGroupId::from_u64(1), SecurityGroupId::from_u64(2));
    let inside = RuleSpec { peer: Peer::Group { group: own }, ..open(Direction::Ingress) };
    spec.groups[0].rules = vec![inside, open(Direction::Egress)];
    spec.groups[0].members = vec![A, B];
    spec.groups.push(GroupSpec { id: other, rules: vec![open(Direction::Egress)], members: vec![spec.nics[2].ip] });
    spec.nics[2].groups = vec![other];
    lab.applied(&host(std::slice::from_ref(&spec)));
    let (a, mut b, mut c) = (lab.guest(&spec, 0), lab.raw(&spec, 1), lab.raw(&spec, 2));
    // The stranger's packet is dropped, the member's arrives.
    c.send(&ipv4(&c.nic, c.nic.ip, B, 1, &echo(1)));
    a.udp().send_to(b"hello", (B, 7)).unwrap();
    let (from, protocol) = b.receive("a packet", |f| parse_ipv4(f).map(|(from, protocol, _)| (from, protocol)));
    assert_eq!((from, protocol), (A, 17));
    // It becomes a member: one element changes, and it is let in.
    spec.groups[0].members.push(spec.nics[2].ip);
    lab.applied(&host(std::slice::from_ref(&spec)));
    c.send(&ipv4(&c.nic, c.nic.ip, B, 1, &echo(2)));
    let from = b.receive("a packet", |f| parse_ipv4(f).map(|(from, _, _)| from));
    assert_eq!(from, spec.nics[2].ip);
}

#[test]
fn a_group_of_ten_thousand_members_and_five_thousand_rules_is_one_change() {
    let lab = Lab::new();
    let (tcp, inside) = (ProtocolMatch::Tcp { from: 1, to: 9 }, Peer::Group { group: SecurityGroupId::from_u64(1) });
    // Networks within networks: cut into pieces, they would be more than a million.
    let strangers = (0..5_000_u32).map(|n| {
        let range = ipnet::Ipv4Net::new(Ipv4Addr::from(u32::from_be_bytes([172, 16, 0, 0]) + (n << 4)), 8 + (n % 24) as u8).unwrap();
        let from = (n % 60_000) as u16;
        rule(Direction::Ingress, Verdict::Accept, 1, ProtocolMatch::Tcp { from, to: from + 2 }, &range.trunc().to_string())
    });
    let mut spec = two(strangers.collect());
    spec.groups[1].rules.push(RuleSpec { peer: inside, ..rule(Direction::Ingress, Verdict::Accept, 1, tcp, "0.0.0.0/0") });
    spec.groups[0].members.extend((0..10_000).map(|n| Ipv4Addr::from(u32::from_be_bytes([10, 0, 64, 0]) + n)));
    lab.applied(&host(std::slice::from_ref(&spec)));
    let (mut a, mut b) = (lab.raw(&spec, 0), lab.raw(&spec, 1));
    let arrives = |frame: &[u8]| parse_ipv4(frame).map(|(from, _, payload)| (from, payload[..4].to_vec()));
    for (port, opened) in [(9, false), (10, true)] {
        if opened {
            spec.groups[1].rules.push(rule(Direction::Ingress, Verdict::Accept, 1, udp_ports(10, 10), "10.0.0.5/32"));
            lab.applied(&host(std::slice::from_ref(&spec)));
        }
        a.send(&ipv4(&a.nic, A, B, 17, &udp(5000, port, b"hello")));
    }
    // The datagram to port 9 was sent first and is not the one that comes.
    let (from, ports) = b.receive("a datagram", arrives);
    assert_eq!((from, &ports[2..]), (A, &10_u16.to_be_bytes()[..]));
}

#[test]
fn a_rule_opens_its_ports_and_no_other() {
    let lab = Lab::new();
    let spec = two(vec![rule(Direction::Ingress, Verdict::Accept, 1, udp_ports(100, 200), "10.0.0.0/24")]);
    lab.applied(&host(std::slice::from_ref(&spec)));
    let (mut a, mut b) = (lab.raw(&spec, 0), lab.raw(&spec, 1));
    for port in [99, 201, 100, 200] {
        a.send(&ipv4(&a.nic, A, B, 17, &udp(1000, port, b"x")));
    }
    a.send(&ipv4(&a.nic, A, B, 1, &echo(1)));
    for port in [100_u16, 200] {
        b.receive("an open port", |frame| parse_udp(frame, port).or_else(|| panic!("not {port}: {frame:02x?}")));
    }
}

#[test]
fn answers_need_no_rule_and_the_other_direction_does() {
    let lab = Lab::new();
    // B accepts from A, and may open nothing itself.
    let spec = two(vec![rule(Direction::Ingress, Verdict::Accept, 1, udp_ports(7, 7), "0.0.0.0/0")]);
    lab.applied(&host(std::slice::from_ref(&spec)));
    let (mut a, mut b) = (lab.raw(&spec, 0), lab.raw(&spec, 1));
    b.send(&ipv4(&b.nic, B, A, 17, &udp(9, 9, b"unasked")));
    a.send(&ipv4(&a.nic, A, B, 17, &udp(1000, 7, b"question")));
    b.receive("the question", |frame| parse_udp(frame, 7));
    b.send(&ipv4(&b.nic, B, A, 17, &udp(7, 1000, b"answer")));
    let first = a.receive("a datagram", |frame| parse_ipv4(frame).filter(|(_, p, _)| *p == 17).map(|(_, _, u)| u[8..].to_vec()));
    assert_eq!(first, b"answer");
}

#[test]
fn the_lower_priority_number_decides_and_within_one_a_drop() {
    let accept = |priority| rule(Direction::Ingress, Verdict::Accept, priority, udp_ports(1, 9), "10.0.0.0/8");
    let drop = |priority| rule(Direction::Ingress, Verdict::Drop, priority, udp_ports(5, 5), "10.0.0.5/32");
    let lab = Lab::new();
    for (rules, want) in [(vec![accept(1), drop(2)], 5), (vec![accept(2), drop(1)], 6), (vec![accept(1), drop(1)], 6)] {
        let spec = two(rules.clone());
        lab.applied(&host(std::slice::from_ref(&spec)));
        let (mut a, mut b) = (lab.raw(&spec, 0), lab.raw(&spec, 1));
        for port in [5, 6] {
            a.send(&ipv4(&a.nic, A, B, 17, &udp(2000, port, b"x")));
        }
        let port =
            b.receive("a datagram", |f| parse_ipv4(f).filter(|(_, p, _)| *p == 17).map(|(_, _, u)| u16::from_be_bytes([u[2], u[3]])));
        assert_eq!(port, want, "{rules:?}");
    }
}

#[test]
fn an_interface_in_two_groups_has_the_rules_of_both_in_one_order() {
    let lab = Lab::new();
    let mut spec = two(vec![rule(Direction::Ingress, Verdict::Accept, 2, udp_ports(1, 9), "0.0.0.0/0")]);
    let strict = SecurityGroupId::from_u64(3);
    let drop = rule(Direction::Ingress, Verdict::Drop, 1, udp_ports(5, 5), "0.0.0.0/0");
    spec.groups.push(GroupSpec { id: strict, rules: vec![drop], members: vec![B] });
    spec.nics[1].groups.push(strict);
    lab.applied(&host(std::slice::from_ref(&spec)));
    let (mut a, mut b) = (lab.raw(&spec, 0), lab.raw(&spec, 1));
    for port in [5, 6] {
        a.send(&ipv4(&a.nic, A, B, 17, &udp(2000, port, b"x")));
    }
    b.receive("port 6", |frame| parse_udp(frame, 6).or_else(|| panic!("{frame:02x?}")));
}

#[test]
fn icmp_is_told_by_type() {
    let lab = Lab::new();
    let kind = |kind| ProtocolMatch::Icmp { kind: Some(kind), code: None };
    let spec = two(vec![rule(Direction::Ingress, Verdict::Accept, 1, kind(8), "0.0.0.0/0")]);
    lab.applied(&host(std::slice::from_ref(&spec)));
    let (a, _b) = (lab.guest(&spec, 0), lab.guest(&spec, 1));
    assert!(a.pings("10.0.0.6"));
    let other = two(vec![rule(Direction::Ingress, Verdict::Accept, 1, kind(13), "0.0.0.0/0")]);
    lab.applied(&host(std::slice::from_ref(&other)));
    assert!(!a.pings("10.0.0.6"));
}

#[test]
fn what_the_sender_may_not_send_does_not_arrive_though_the_receiver_would_take_it() {
    let lab = Lab::new();
    let mut spec = vpc(1, &[5, 6]);
    let mute = SecurityGroupId::from_u64(2);
    let only = rule(Direction::Egress, Verdict::Accept, 1, udp_ports(7, 7), "10.0.0.6/32");
    spec.groups.push(GroupSpec { id: mute, rules: vec![only], members: vec![A] });
    spec.nics[0].groups = vec![mute];
    lab.applied(&host(std::slice::from_ref(&spec)));
    let (mut a, mut b) = (lab.raw(&spec, 0), lab.raw(&spec, 1));
    a.send(&ipv4(&a.nic, A, B, 17, &udp(2000, 8, b"x")));
    a.send(&ipv4(&a.nic, A, B, 17, &udp(2000, 7, b"x")));
    b.receive("port 7", |frame| parse_udp(frame, 7).or_else(|| panic!("{frame:02x?}")));
}

#[test]
fn a_rule_that_goes_ends_open_connections_in_both_directions_at_once() {
    let lab = Lab::new();
    let allowed = rule(Direction::Ingress, Verdict::Accept, 1, udp_ports(5000, 5000), "10.0.0.5/32");
    let open_spec = two(vec![allowed.clone(), open(Direction::Egress)]);
    let shut_spec = two(vec![rule(Direction::Ingress, Verdict::Accept, 1, udp_ports(1, 1), "10.0.0.5/32")]);
    lab.applied(&host(std::slice::from_ref(&open_spec)));
    let (a, b) = (lab.guest(&open_spec, 0), lab.guest(&open_spec, 1));
    let (from, to) = (a.udp(), b.udp());
    from.send_to(b"one", (B, 5000)).unwrap();
    assert_eq!(next(&to), "one");
    to.send_to(b"two", (A, 5000)).unwrap();
    assert_eq!(next(&from), "two");
    lab.applied(&host(std::slice::from_ref(&shut_spec)));
    from.send_to(b"lost", (B, 5000)).unwrap();
    to.send_to(b"lost", (A, 5000)).unwrap();
    // The guests' frames go through one pump each, in order: these echoes to the router come after the lost datagrams.
    assert!(a.pings("10.0.0.1") && b.pings("10.0.0.1"));
    lab.applied(&host(std::slice::from_ref(&open_spec)));
    from.send_to(b"three", (B, 5000)).unwrap();
    assert_eq!(next(&to), "three");
    to.send_to(b"four", (A, 5000)).unwrap();
    assert_eq!(next(&from), "four");
}

#[test]
fn a_connection_goes_on_when_other_rules_change() {
    let lab = Lab::new();
    let keep = rule(Direction::Ingress, Verdict::Accept, 1, ProtocolMatch::Tcp { from: 80, to: 80 }, "0.0.0.0/0");
    let other = rule(Direction::Ingress, Verdict::Accept, 1, udp_ports(1, 1), "0.0.0.0/0");
    let (before, after) = (two(vec![keep.clone(), other]), two(vec![keep]));
    lab.applied(&host(std::slice::from_ref(&before)));
    let (a, b) = (lab.guest(&before, 0), lab.guest(&before, 1));
    let listener = b.run(|| std::net::TcpListener::bind((B, 80))).unwrap();
    let mut client = a.connect("10.0.0.6:80").unwrap();
    let (mut server, _) = listener.accept().unwrap();
    lab.applied(&host(std::slice::from_ref(&after)));
    use std::io::{Read, Write};
    for stream in [&client, &server] {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
    }
    client.write_all(b"still").unwrap();
    let mut buffer = [0; 5];
    server.read_exact(&mut buffer).unwrap();
    server.write_all(&buffer).unwrap();
    client.read_exact(&mut buffer).unwrap();
    assert_eq!(&buffer, b"still");
}

#[test]
fn a_thousand_rules_and_members_are_one_transaction() {
    let lab = Lab::new();
    let mut rules: Vec<RuleSpec> = (0..200_u16)
        .map(|n| rule(Direction::Ingress, Verdict::Accept, 1, udp_ports(n * 10 + 1, n * 10 + 5), &format!("10.{n}.0.0/16")))
        .collect();
    rules.push(RuleSpec { peer: Peer::Group { group: SecurityGroupId::from_u64(2) }, ..open(Direction::Ingress) });
    let mut spec = two(rules);
    spec.groups[1].members.extend((0..3000_u32).map(|n| Ipv4Addr::from(0x0a00_1000 + n)));
    lab.applied(&host(std::slice::from_ref(&spec)));
    let (mut a, mut b) = (lab.raw(&spec, 0), lab.raw(&spec, 1));
    a.send(&ipv4(&a.nic, A, B, 17, &udp(2000, 6, b"x")));
    a.send(&ipv4(&a.nic, A, B, 17, &udp(2000, 5, b"x")));
    b.receive("port 5", |frame| parse_udp(frame, 5).or_else(|| panic!("{frame:02x?}")));
    // One member goes: the rest is left alone.
    spec.groups[1].members.pop();
    lab.applied(&host(std::slice::from_ref(&spec)));
}

#[test]
fn groups_that_name_each_other_in_a_ring_let_through_what_each_says() {
    let lab = Lab::new();
    let mut spec = vpc(1, &[5, 6, 7]);
    let ids = [11, 12, 13].map(SecurityGroupId::from_u64);
    // Each takes packets from the members of the one before, and the first from its own members too.
    let from = |group: SecurityGroupId| RuleSpec { peer: Peer::Group { group }, ..open(Direction::Ingress) };
    let rules = |before: SecurityGroupId| vec![from(before), open(Direction::Egress)];
    spec.groups = vec![
        GroupSpec { id: ids[0], rules: [rules(ids[2]), vec![from(ids[0])]].concat(), members: vec![spec.nics[0].ip] },
        GroupSpec { id: ids[1], rules: rules(ids[0]), members: vec![spec.nics[1].ip] },
        GroupSpec { id: ids[2], rules: rules(ids[1]), members: vec![spec.nics[2].ip] },
    ];
    for (nic, id) in spec.nics.iter_mut().zip(ids) {
        nic.groups = vec![id];
    }
    lab.applied(&host(std::slice::from_ref(&spec)));
    let guests = [lab.guest(&spec, 0), lab.guest(&spec, 1), lab.guest(&spec, 2)];
    let reaches = |one: usize, other: usize| guests[one].pings(&guests[other].nic.ip.to_string());
    assert!(reaches(0, 1) && reaches(1, 2) && reaches(2, 0));
    assert!(!reaches(1, 0) && !reaches(2, 1) && !reaches(0, 2));
    // A ring that is broken at one place is none; the rest stays.
    spec.groups[0].rules.remove(0);
    lab.applied(&host(std::slice::from_ref(&spec)));
    assert!(reaches(0, 1) && reaches(1, 2) && !reaches(2, 0));
}

#[test]
fn what_a_group_does_by_itself_stands_around_its_rules() {
    let lab = Lab::new();
    let mut spec = vpc(1, &[5, 6, 7]);
    let (own, other) = (SecurityGroupId::from_u64(1), SecurityGroupId::from_u64(2));
    let everywhere = |direction, verdict, priority, protocol| rule(direction, verdict, priority, protocol, "0.0.0.0/0");
    let among = |direction| RuleSpec {
        peer: Peer::Group { group: own },
        ..everywhere(direction, Verdict::Accept, model::PRIORITY_INNER, ProtocolMatch::All)
    };
    let default = everywhere(Direction::Egress, Verdict::Accept, model::PRIORITY_DEFAULT, ProtocolMatch::All);
    // Its owner forbids everything in, and one protocol out, each with the last priority that an owner has.
    let mine = [
        everywhere(Direction::Ingress, Verdict::Drop, model::PRIORITY_FIRST, ProtocolMatch::All),
        everywhere(Direction::Egress, Verdict::Drop, model::PRIORITY_LAST, udp_ports(5000, 5000)),
    ];
    spec.groups[0].rules = [&mine[..], &[among(Direction::Ingress), among(Direction::Egress), default.clone()]].concat();
    spec.groups[0].members = vec![A, B];
    spec.groups.push(GroupSpec { id: other, rules: vec![open(Direction::Ingress), open(Direction::Egress)], members: vec![] });
    spec.nics[2].groups = vec![other];
    lab.applied(&host(std::slice::from_ref(&spec)));
    let (a, b, c) = (lab.guest(&spec, 0), lab.guest(&spec, 1), lab.guest(&spec, 2));
    let heard = |from: &Guest, to: &Guest, port: u16| {
        let socket = to.run(|| UdpSocket::bind((to.nic.ip, port))).unwrap();
        socket.set_read_timeout(Some(std::time::Duration::from_millis(500))).unwrap();
        from.run(|| UdpSocket::bind((from.nic.ip, 0))?.send_to(b"x", (to.nic.ip, port))).ok();
        socket.recv_from(&mut [0; 8]).is_ok()
    };
    assert!(heard(&a, &b, 5000) && heard(&b, &a, 5000), "members meet before all rules");
    assert!(!heard(&c, &a, 5000), "the owner forbids it");
    assert!(heard(&a, &c, 5001) && !heard(&a, &c, 5000), "what no rule is about goes out");
    // Without it the owner's rules decide among members too.
    spec.groups[0].rules = [&mine[..], &[default]].concat();
    lab.applied(&host(std::slice::from_ref(&spec)));
    assert!(!heard(&a, &b, 5001) && !heard(&a, &b, 5000) && heard(&a, &c, 5001));
}

/// A UDP connection to B's port 5000, of which B knows who began it.
struct Open {
    _lab: Lab,
    from: std::net::UdpSocket,
    to: std::net::UdpSocket,
}

impl Open {
    fn passes(&self, text: &str) -> bool {
        self.from.send_to(text.as_bytes(), (B, 5000)).unwrap();
        let mut buffer = [0; 20];
        let heard = |len: Result<usize, std::io::Error>, buffer: &[u8]| len.is_ok_and(|len| &buffer[..len] == text.as_bytes());
        let there = heard(self.to.recv(&mut buffer), &buffer);
        self.to.send_to(text.as_bytes(), (A, 5000)).unwrap();
        there && heard(self.from.recv(&mut buffer), &buffer)
    }
}

/// What becomes of a connection that one of these rules of B's lets in, when it goes and the others stay.
fn goes_on(connections: Option<OpenConnections>, goes: RuleSpec, stay: &[RuleSpec]) -> bool {
    let lab = Lab::new();
    let with = |rules: Vec<RuleSpec>| {
        let mut spec = two(rules);
        spec.kept.extend(connections.map(|connections| KeptSpec { group: SecurityGroupId::from_u64(2), connections }));
        spec
    };
    let before = with([&[goes], stay].concat());
    lab.applied(&host(std::slice::from_ref(&before)));
    let (a, b) = (lab.guest(&before, 0), lab.guest(&before, 1));
    let open = Open { from: a.udp(), to: b.udp(), _lab: lab };
    assert!(open.passes("before"));
    // By way of what changed in the spec, and as after a restart.
    let after = with(stay.to_vec());
    open._lab.applied(&host(std::slice::from_ref(&after)));
    for socket in [&open.from, &open.to] {
        socket.set_read_timeout(Some(std::time::Duration::from_millis(300))).unwrap();
    }
    let went_on = open.passes("after");
    open._lab.applied(&host(&[with([stay, &[rule(Direction::Ingress, Verdict::Accept, 1, udp_ports(9, 9), "10.0.0.5/32")]].concat())]));
    assert_eq!(open.passes("later"), went_on);
    // Nobody else comes in.
    let other = a.run(|| std::net::UdpSocket::bind((A, 5001))).unwrap();
    other.send_to(b"new", (B, 5000)).unwrap();
    assert!(open.to.recv(&mut [0; 20]).is_err(), "a connection that was not open");
    went_on
}

#[test]
fn a_group_chooses_what_becomes_of_open_connections() {
    let narrow = rule(Direction::Ingress, Verdict::Accept, 1, udp_ports(5000, 5000), "10.0.0.5/32");
    let wide = rule(Direction::Ingress, Verdict::Accept, 1, udp_ports(5000, 5000), "0.0.0.0/0");
    let out = open(Direction::Egress);
    let little = rule(Direction::Egress, Verdict::Accept, 1, udp_ports(1, 1), "0.0.0.0/0");
    let stay = std::slice::from_ref(&out);
    assert!(!goes_on(None, narrow.clone(), stay));
    assert!(goes_on(Some(OpenConnections::Keep), narrow.clone(), stay));
    assert!(goes_on(Some(OpenConnections::Keep), wide.clone(), stay));
    assert!(goes_on(Some(OpenConnections::Tracked), narrow, stay));
    assert!(!goes_on(Some(OpenConnections::Tracked), wide.clone(), stay), "open to everybody, and everything goes out: not tracked");
    assert!(goes_on(Some(OpenConnections::Tracked), wide, &[little]), "tracked, for not everything goes out");
}

#[test]
fn the_next_one_with_an_address_does_not_inherit_connections() {
    let lab = Lab::new();
    let narrow = rule(Direction::Ingress, Verdict::Accept, 1, udp_ports(5000, 5000), "10.0.0.5/32");
    let kept = vec![KeptSpec { group: SecurityGroupId::from_u64(2), connections: OpenConnections::Keep }];
    let spec = VpcSpec { kept, ..two(vec![narrow, open(Direction::Egress)]) };
    lab.applied(&host(std::slice::from_ref(&spec)));
    let (a, b) = (lab.guest(&spec, 0), lab.guest(&spec, 1));
    let (from, to) = (a.udp(), b.udp());
    from.send_to(b"one", (B, 5000)).unwrap();
    assert_eq!(next(&to), "one");
    drop((b, to));
    let mut without = spec.clone();
    without.nics.truncate(1);
    lab.applied(&host(&[without]));
    let mut another = spec;
    another.groups[1].rules.truncate(0);
    another.nics[1].id = model::InterfaceId::from_u64(77);
    another.nics[1].vm = model::InstanceId::from_u64(77);
    lab.applied(&host(std::slice::from_ref(&another)));
    let b = lab.guest(&another, 1);
    let to = b.udp();
    to.set_read_timeout(Some(std::time::Duration::from_millis(300))).unwrap();
    from.send_to(b"two", (B, 5000)).unwrap();
    assert!(to.recv(&mut [0; 20]).is_err(), "it was another's connection");
}
