//! IPv6 in a VPC: how guests come to their addresses, whom they reach, and what they may not say.

use std::net::{Ipv6Addr, SocketAddrV6, UdpSocket};
use std::time::Duration;

use dhcproto::v6::{DhcpOption, DhcpOptions, IANA, Message, MessageType, OptionCode};
use dhcproto::{Decodable, Decoder, Encodable, Encoder};
use hostspec::*;
use model::*;

use super::super::names::{ROUTER_MAC, link_local};
use super::frames::*;
use super::hosts;
use super::lab::*;

/// The range of the VPC.
const RANGE: &str = "fd12:3456:789a:100::/56";
const ROUTER: &str = "fd12:3456:789a:100::1";

/// The IPv6 address of the interface with this last octet.
pub fn address(octet: u8) -> Ipv6Addr {
    Ipv6Addr::new(0xfd12, 0x3456, 0x789a, 0x101, 0, 0, 0, octet.into())
}

/// The VPC of the lab with an IPv6 address for each interface.
pub fn dual(id: u64, octets: &[u8]) -> VpcSpec {
    let mut spec = vpc(id, octets);
    for (nic, octet) in spec.nics.iter_mut().zip(octets) {
        nic.v6 = vec![address(*octet)];
    }
    let members = spec.nics.iter().flat_map(|nic| nic.v6.clone()).collect();
    spec.v6 = Some(Ipv6Spec { range: RANGE.parse().unwrap(), remote: vec![], members: [(SecurityGroupId::from_u64(id), members)].into() });
    for direction in [Direction::Ingress, Direction::Egress] {
        spec.groups[0].rules.push(rule6(direction, ProtocolMatch::All, "::/0"));
    }
    spec
}

/// The VPC with the interface 5 on the first host and 6 on the second.
pub fn split() -> [VpcSpec; 2] {
    let both = dual(1, &[5, 6]);
    hosts::split(1).map(|half| {
        let here = VpcSpec {
            nics: half.nics.iter().map(|nic| NicSpec { v6: vec![address(nic.ip.octets()[3])], ..nic.clone() }).collect(),
            ..half
        };
        let there = &both.nics[usize::from(here.nics[0].ip == both.nics[0].ip)];
        let remote = there.v6.iter().map(|ip| RemoteIpv6 { ip: *ip, host: here.remote[0].host }).collect();
        VpcSpec { v6: Some(Ipv6Spec { remote, ..both.v6.clone().unwrap() }), groups: both.groups.clone(), ..here }
    })
}

pub fn rule6(direction: Direction, protocol: ProtocolMatch, range: &str) -> RuleSpec {
    RuleSpec { direction, verdict: Verdict::Accept, priority: 1, protocol, peer: hostspec::Peer::Range6 { range: range.parse().unwrap() } }
}

/// Has a guest wait for its router, ask for its address as a DHCPv6 client does, and take it.
pub fn configure(guest: &Guest) -> Vec<Ipv6Addr> {
    eventually("a router is known", || guest.shell("ip -6 route show default").contains("via fe80::1").then_some(()));
    let number: u32 = guest.shell("ip -o link show eth0 | cut -d: -f1").trim().parse().unwrap();
    let own = link_local(guest.nic.mac);
    let socket =
        eventually("the link-local address is usable", || guest.run(|| UdpSocket::bind(SocketAddrV6::new(own, 546, 0, number))).ok());
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut request = Message::new(MessageType::Solicit);
    request.opts_mut().insert(DhcpOption::ClientId(vec![0, 3, 0, 1, 1, 2, 3, 4, 5, 6]));
    request.opts_mut().insert(DhcpOption::RapidCommit);
    request.opts_mut().insert(DhcpOption::IANA(IANA { id: 1, t1: 0, t2: 0, opts: DhcpOptions::new() }));
    let mut bytes = Vec::new();
    request.encode(&mut Encoder::new(&mut bytes)).unwrap();
    socket.send_to(&bytes, SocketAddrV6::new("ff02::1:2".parse().unwrap(), 547, 0, number)).unwrap();
    let mut buffer = [0; 1500];
    let (len, _) = socket.recv_from(&mut buffer).unwrap();
    let reply = Message::decode(&mut Decoder::new(&buffer[..len])).unwrap();
    let Some(DhcpOption::IANA(lent)) = reply.opts().get(OptionCode::IANA) else { panic!("{reply:?}") };
    let lent = lent.opts.get_all(OptionCode::IAAddr).unwrap_or_default();
    let ips: Vec<Ipv6Addr> =
        lent.iter().filter_map(|option| if let DhcpOption::IAAddr(a) = option { Some(a.addr) } else { None }).collect();
    for ip in &ips {
        guest.shell(&format!("ip -6 addr add {ip}/128 dev eth0 nodad"));
        // A worker of the kernel makes the route by which the guest takes packets for it.
        let usable = || guest.shell("ip -6 route show table local").contains(&format!("local {ip} ")).then_some(());
        eventually("the address is usable", usable);
    }
    ips
}

#[test]
fn guests_get_their_addresses_and_reach_each_other() {
    let lab = Lab::new();
    let spec = dual(1, &[5, 6]);
    lab.applied(&host(std::slice::from_ref(&spec)));
    let (a, b) = (lab.guest(&spec, 0), lab.guest(&spec, 1));
    assert_eq!((configure(&a), configure(&b)), (vec![address(5)], vec![address(6)]));
    assert!(a.pings(&address(6).to_string()) && b.pings(&address(5).to_string()));
    assert!(a.pings(ROUTER), "the router answers");
    assert!(a.pings("10.0.0.6"), "as IPv4 does");
    let listener = b.run(|| std::net::TcpListener::bind((address(6), 22))).unwrap();
    let stream = a.connect(&format!("[{}]:22", address(6))).unwrap();
    assert_eq!(listener.accept().unwrap().1, stream.local_addr().unwrap());
    // Applied again, nothing has drifted.
    assert_eq!(lab.apply(&host(std::slice::from_ref(&spec))).repaired, Vec::<String>::new());
}

#[test]
fn ipv6_comes_to_and_goes_from_a_vpc_that_is_in_use() {
    let lab = Lab::new();
    let (plain, spec) = (vpc(1, &[5, 6]), dual(1, &[5, 6]));
    lab.applied(&host(std::slice::from_ref(&plain)));
    let (a, b) = (lab.guest(&plain, 0), lab.guest(&plain, 1));
    lab.applied(&host(std::slice::from_ref(&spec)));
    configure(&a);
    configure(&b);
    assert!(a.pings(&address(6).to_string()));
    lab.applied(&host(std::slice::from_ref(&plain)));
    assert!(!a.pings(&address(6).to_string()) && a.pings("10.0.0.6"));
    assert_eq!(lab.in_vpc(&plain, "ip -6 route | grep -v 'proto kernel' || true; ip -6 neigh; ip -6 -o addr show scope link"), "");
}

#[test]
fn groups_judge_ipv6_by_their_rules_of_ipv6_and_by_members() {
    let lab = Lab::new();
    let mut spec = dual(1, &[5, 6, 7]);
    let guarded = SecurityGroupId::from_u64(9);
    let tcp = |port| ProtocolMatch::Tcp { from: port, to: port };
    let by_member =
        RuleSpec { peer: hostspec::Peer::Group { group: SecurityGroupId::from_u64(1) }, ..rule6(Direction::Ingress, tcp(23), "::/0") };
    let rules = vec![
        rule6(Direction::Ingress, tcp(22), &format!("{}/128", address(5))),
        rule6(Direction::Ingress, ProtocolMatch::Icmp6 { kind: Some(128), code: None }, "::/0"),
        // Of IPv4, which says nothing here.
        rule(Direction::Ingress, Verdict::Accept, 1, ProtocolMatch::All, "0.0.0.0/0"),
        by_member,
    ];
    spec.groups.push(GroupSpec { id: guarded, rules, members: vec![] });
    spec.nics[1].groups = vec![guarded];
    spec.v6.as_mut().unwrap().members = [(SecurityGroupId::from_u64(1), vec![address(5)])].into();
    lab.applied(&host(std::slice::from_ref(&spec)));
    let (a, b, c) = (lab.guest(&spec, 0), lab.guest(&spec, 1), lab.guest(&spec, 2));
    for guest in [&a, &b, &c] {
        configure(guest);
    }
    let listeners: Vec<_> = [22, 23, 24].map(|port| b.run(move || std::net::TcpListener::bind((address(6), port))).unwrap()).into();
    let reaches = |guest: &Guest, port: u16| {
        let to = std::net::SocketAddr::from((address(6), port));
        guest.run(move || Ok(std::net::TcpStream::connect_timeout(&to, Duration::from_millis(700)).is_ok())).unwrap()
    };
    assert_eq!([22, 23, 24].map(|port| reaches(&a, port)), [true, true, false]);
    assert_eq!([22, 23, 24].map(|port| reaches(&c, port)), [false, false, false]);
    assert!(c.pings(&address(6).to_string()), "echoes are allowed");
    assert!(!b.pings(&address(7).to_string()), "the guarded group has no rule outward");
    drop(listeners);
}

#[test]
fn what_a_guest_may_not_say_in_ipv6_is_not_heard() {
    let lab = Lab::new();
    let spec = dual(1, &[5, 6, 7]);
    lab.applied(&host(std::slice::from_ref(&spec)));
    let (mut a, mut b) = (lab.raw(&spec, 0), lab.raw(&spec, 1));
    let neighbours = lab.in_vpc(&spec, "ip -6 neigh | sort");
    let (own, local, theirs) = (address(5), link_local(a.nic.mac), address(6));
    let mine = a.nic.clone();
    let v6 = |from, to, next, body: &[u8]| ipv6(&mine, from, to, next, body);
    let all: Ipv6Addr = "ff02::1".parse().unwrap();
    let bad = [
        v6(address(7), theirs, 58, &echo6(address(7), theirs, 1)),
        v6("2001:db8::1".parse().unwrap(), theirs, 58, &echo6("2001:db8::1".parse().unwrap(), theirs, 2)),
        v6(own, theirs, 58, &echo6(own, theirs, 3)).with_source(spec.nics[2].mac),
        v6(own, theirs, 58, &echo6(own, theirs, 4)).tagged(5),
        v6(local, theirs, 58, &echo6(local, theirs, 5)),
        // Neighbour and router discovery: advertisements and redirects to everybody, to the neighbour and to the router, and a
        // solicitation that would be carried past the groups.
        v6(local, all, 58, &icmp6(local, all, 134, &[64, 0, 7, 8, 0, 0, 0, 0, 0, 0, 0, 0])),
        v6(own, theirs, 58, &icmp6(own, theirs, 134, &[64, 0, 7, 8, 0, 0, 0, 0, 0, 0, 0, 0])),
        v6(own, theirs, 58, &icmp6(own, theirs, 135, &[&[0; 4][..], &theirs.octets()].concat())),
        v6(own, theirs, 58, &icmp6(own, theirs, 136, &[&[0x60, 0, 0, 0][..], &own.octets()].concat())),
        v6(own, theirs, 58, &icmp6(own, theirs, 137, &[0; 36])),
        // A neighbour's address, claimed to the router with a hardware address of the guest's own.
        v6(theirs, all, 58, &icmp6(theirs, all, 136, &[&[0x20, 0, 0, 0][..], &theirs.octets(), &[2, 1], &mine.mac.0].concat())),
        // A server's answer to a DHCPv6 client.
        v6(own, theirs, 17, &udp(547, 546, b"take this address")),
    ];
    for frame in &bad {
        a.send(frame);
    }
    a.send(&v6(own, theirs, 58, &echo6(own, theirs, 99)));
    // Frames keep their order, so the first that arrives shows that none of the others did. Advertisements of the router are its own.
    let first = b.receive("the honest packet", |frame| {
        let from = frame.get(22..38)?;
        (frame[12..14] == [0x86, 0xdd] && from[..2] != [0xfe, 0x80]).then(|| frame.to_vec())
    });
    assert_eq!((&first[22..38], first[54], &first[58..60]), (&own.octets()[..], 128, &[0, 99][..]), "{first:02x?}");
    assert_eq!(lab.in_vpc(&spec, "ip -6 neigh | sort"), neighbours, "what the host knows of its guests is as before");
}

#[test]
fn the_router_is_found_at_once_and_by_anybody_on_the_link() {
    let lab = Lab::new();
    let spec = dual(1, &[5]);
    lab.applied(&host(std::slice::from_ref(&spec)));
    let mut a = lab.raw(&spec, 0);
    let router: Ipv6Addr = "fe80::1".parse().unwrap();
    // The sender is a made-up address: systems choose it as they like.
    let stable: Ipv6Addr = "fe80::1234:5678:9abc:def0".parse().unwrap();
    let routers: Ipv6Addr = "ff02::2".parse().unwrap();
    for from in [stable, link_local(a.nic.mac), Ipv6Addr::UNSPECIFIED] {
        a.send(&ipv6(&a.nic, from, routers, 58, &icmp6(from, routers, 133, &[0; 4])));
        let flags =
            a.receive("an advertisement", |frame| (frame.get(54) == Some(&134) && frame[22..38] == router.octets()).then(|| frame[59]));
        assert_eq!(flags, 0xc0, "addresses are the server's to give");
    }
    let group: Ipv6Addr = "ff02::1:ff00:1".parse().unwrap();
    for from in [link_local(a.nic.mac), address(5)] {
        let asked =
            ipv6(&a.nic, from, group, 58, &icmp6(from, group, 135, &[&[0; 4][..], &router.octets(), &[1, 1], &a.nic.mac.0].concat()));
        // It asks again, as systems do: the kernel passes over a question while it has much to do.
        let mac = eventually("an advertisement of the neighbour", || {
            a.send(&asked);
            a.receive_within(Duration::from_secs(1), |frame| (frame.get(54) == Some(&136)).then(|| frame[6..12].to_vec()))
        });
        assert_eq!(mac, ROUTER_MAC.0);
    }
}

/// The VPC with its third interface in a subnet of its own, whose range of IPv6 ends in 102.
fn with_a_border() -> VpcSpec {
    let mut spec = dual(1, &[5, 6, 7]);
    let other = SubnetId::from_u64(77);
    spec.subnets.push(SubnetSpec {
        id: other,
        range: "10.0.9.0/24".parse().unwrap(),
        gateway: [10, 0, 9, 1].into(),
        ..spec.subnets[0].clone()
    });
    (spec.nics[2].subnet, spec.nics[2].v6) = (other, vec![ACROSS.parse().unwrap()]);
    spec
}

const ACROSS: &str = "fd12:3456:789a:102::7";

fn entry(number: u16, direction: Direction, verdict: Verdict, protocol: ProtocolMatch, range: &str) -> AclEntry {
    AclEntry { number, direction, verdict, protocol, range: range.parse().unwrap() }
}

#[test]
fn a_network_acl_judges_ipv6_by_its_entries_about_it() {
    use Direction::{Egress, Ingress};
    use Verdict::{Accept, Drop};
    let lab = Lab::new();
    let mut spec = with_a_border();
    let own = format!("{}/128", address(5));
    let echo = |kind| ProtocolMatch::Icmp6 { kind: Some(kind), code: None };
    let tcp = ProtocolMatch::Tcp { from: 22, to: 23 };
    // Of the subnet across: everything in IPv4; in IPv6 one machine may look whether it is there, and reach two ports.
    let entries = vec![
        entry(100, Ingress, Accept, ProtocolMatch::All, "0.0.0.0/0"),
        entry(100, Egress, Accept, ProtocolMatch::All, "0.0.0.0/0"),
        entry(110, Ingress, Accept, echo(128), &own),
        entry(110, Egress, Accept, echo(129), "::/0"),
        entry(120, Ingress, Drop, ProtocolMatch::Tcp { from: 23, to: 23 }, "::/0"),
        entry(130, Ingress, Accept, tcp, "fd12:3456:789a:101::/64"),
        // Answers need an entry of their own.
        entry(140, Egress, Accept, ProtocolMatch::Number { number: 6 }, &own),
    ];
    spec.subnets[1].acl = Some(entries);
    lab.applied(&host(std::slice::from_ref(&spec)));
    let (a, b, c) = (lab.guest(&spec, 0), lab.guest(&spec, 1), lab.guest(&spec, 2));
    for guest in [&a, &b, &c] {
        configure(guest);
    }
    let across: Ipv6Addr = ACROSS.parse().unwrap();
    let listeners: Vec<_> = [22, 23, 24].map(|port| c.run(move || std::net::TcpListener::bind((across, port))).unwrap()).into();
    let reaches = |guest: &Guest, port: u16| {
        let to = std::net::SocketAddr::from((across, port));
        guest.run(move || Ok(std::net::TcpStream::connect_timeout(&to, Duration::from_millis(700)).is_ok())).unwrap()
    };
    assert!(a.pings(&address(6).to_string()), "within the subnet nothing is asked");
    assert!(a.pings(ACROSS) && !b.pings(ACROSS) && !c.pings(&address(5).to_string()));
    assert_eq!([22, 23, 24].map(|port| reaches(&a, port)), [true, false, false]);
    assert!(!reaches(&b, 22), "its answers have no entry");
    assert!(b.pings("10.0.0.7"), "IPv4 is another matter");
    drop(listeners);
    // Applied again, nothing has drifted; without the ACL everything passes.
    assert_eq!(lab.apply(&host(std::slice::from_ref(&spec))).repaired, Vec::<String>::new());
    spec.subnets[1].acl = None;
    lab.applied(&host(std::slice::from_ref(&spec)));
    assert!(b.pings(ACROSS) && c.pings(&address(5).to_string()));
}

#[test]
fn a_network_acl_without_an_entry_about_ipv6_lets_none_pass() {
    let lab = Lab::new();
    let mut spec = with_a_border();
    spec.subnets[0].acl = Some(vec![]);
    lab.applied(&host(std::slice::from_ref(&spec)));
    let (a, b, c) = (lab.guest(&spec, 0), lab.guest(&spec, 1), lab.guest(&spec, 2));
    for guest in [&a, &b, &c] {
        configure(guest);
    }
    assert!(a.pings(&address(6).to_string()), "within the subnet nothing is asked");
    assert!(!a.pings(ACROSS) && !c.pings(&address(5).to_string()));
}

#[test]
fn guests_on_two_hosts_reach_each_other_over_ipv6() {
    let labs = hosts::two();
    let [one, two] = split();
    hosts::both(&labs, &one, &two);
    let (a, b) = (labs[0].guest(&one, 0), labs[1].guest(&two, 0));
    configure(&a);
    configure(&b);
    assert!(a.pings(&address(6).to_string()) && b.pings(&address(5).to_string()));
    let large = a.run(|| std::process::Command::new("ping").args(["-c1", "-W2", "-s3000", &address(6).to_string()]).output()).unwrap();
    assert!(large.status.success(), "in pieces that fit between the hosts");
    let before = labs[0].in_vpc(&one, "ip -o link; ip -6 route; ip -6 neigh");
    hosts::both(&labs, &one, &two);
    assert_eq!(labs[0].in_vpc(&one, "ip -o link; ip -6 route; ip -6 neigh"), before);
}
