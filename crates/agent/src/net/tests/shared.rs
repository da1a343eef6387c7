//! Shared public addresses: guests without one of their own reach the machine by it, and ports of it lead to guests.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsFd;
use std::slice::from_ref;

use hostspec::{Direction, ForwardSpec, GroupSpec, MappedSpec, ProtocolMatch, SharedSpec, Verdict, VpcSpec};

use super::super::netns;
use super::lab::*;

const MACHINE: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 1);
const SHARED: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 20);
const OTHER: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 21);

fn sharing(source: &str, public: Ipv4Addr) -> SharedSpec {
    SharedSpec { source: source.parse().unwrap(), to: "0.0.0.0/0".parse().unwrap(), public, gives_way: false }
}

/// Two private guests behind one address.
fn two() -> VpcSpec {
    VpcSpec { shared: vec![sharing("10.0.0.0/24", SHARED)], ..vpc(1, &[5, 6]) }
}

fn in_machine<T: Send>(lab: &Lab, run: impl FnOnce() -> std::io::Result<T> + Send) -> T {
    netns::inside(lab.machine.as_fd(), run).unwrap()
}

fn outside(lab: &Lab) -> UdpSocket {
    let socket = in_machine(lab, || UdpSocket::bind("0.0.0.0:8080"));
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

/// Who the machine sees a datagram of a guest come from, after the answer has come back.
fn seen_as(guest: &UdpSocket, machine: &UdpSocket) -> SocketAddr {
    let mut buffer = [0; 10];
    guest.send_to(b"question", (MACHINE, 8080)).unwrap();
    let (_, from) = machine.recv_from(&mut buffer).unwrap();
    machine.send_to(b"answer", from).unwrap();
    assert_eq!(guest.recv_from(&mut buffer).unwrap().0, 6);
    from
}

#[test]
fn guests_without_a_public_address_share_one_and_are_told_apart_by_ports() {
    let lab = Lab::new();
    let spec = two();
    lab.applied(&host(from_ref(&spec)));
    let (a, b) = (lab.guest(&spec, 0), lab.guest(&spec, 1));
    let (one, other, machine) = (a.udp(), b.udp(), outside(&lab));
    let (first, second) = (seen_as(&one, &machine), seen_as(&other, &machine));
    assert_eq!((first.ip(), second.ip()), (SHARED.into(), SHARED.into()));
    assert_ne!(first.port(), second.port());
    assert!(a.pings("203.0.113.1") && a.pings("10.0.0.6"));
    // Nobody reaches them by it unasked, and such packets do not go round in circles.
    machine.send_to(b"unasked", (SHARED, 5001)).unwrap();
    let before = lab.in_vpc(&spec, "nft list ruleset");
    lab.applied(&host(from_ref(&spec)));
    assert_eq!(lab.in_vpc(&spec, "nft list ruleset"), before);
    assert_eq!(seen_as(&one, &machine), first, "an open translation goes on");
}

#[test]
fn the_narrowest_source_decides_and_what_goes_takes_only_its_own_along() {
    let lab = Lab::new();
    let mut spec = two();
    spec.shared.push(sharing("10.0.0.6/32", OTHER));
    lab.applied(&host(from_ref(&spec)));
    let (a, b) = (lab.guest(&spec, 0), lab.guest(&spec, 1));
    let (one, other, machine) = (a.udp(), b.udp(), outside(&lab));
    let first = seen_as(&one, &machine);
    assert_eq!((first.ip(), seen_as(&other, &machine).ip()), (SHARED.into(), OTHER.into()));
    spec.shared.truncate(1);
    spec.shared[0].source = "10.0.0.5/32".parse().unwrap();
    lab.applied(&host(from_ref(&spec)));
    other.send_to(b"lost", (MACHINE, 8080)).unwrap();
    assert_eq!(seen_as(&one, &machine), first);
    // A guest with an address of its own keeps to that where the shared one gives way.
    spec.nics[0].public_ip = Some(OTHER);
    spec.shared[0].gives_way = true;
    lab.applied(&host(from_ref(&spec)));
    let fresh = a.run(|| UdpSocket::bind("0.0.0.0:5005")).unwrap();
    fresh.set_read_timeout(Some(PATIENCE)).unwrap();
    assert_eq!(seen_as(&fresh, &machine).ip(), std::net::IpAddr::V4(OTHER));
}

#[test]
fn only_ranges_that_are_routed_there_are_reached() {
    let lab = Lab::new();
    let mut spec = two();
    spec.shared[0].to = "203.0.113.0/31".parse().unwrap();
    lab.applied(&host(from_ref(&spec)));
    let (a, machine) = (lab.guest(&spec, 0), outside(&lab));
    assert_eq!(seen_as(&a.udp(), &machine).ip(), std::net::IpAddr::V4(SHARED));
    spec.shared[0].to = "198.51.100.0/24".parse().unwrap();
    lab.applied(&host(from_ref(&spec)));
    assert!(!a.pings("203.0.113.1"));
}

#[test]
fn a_port_leads_to_a_guest_whose_groups_see_the_port_inside() {
    let lab = Lab::new();
    let mut spec = two();
    let ssh = model::SecurityGroupId::from_u64(2);
    let rules = vec![rule(Direction::Ingress, Verdict::Accept, 1, ProtocolMatch::Tcp { from: 22, to: 22 }, "203.0.113.0/24")];
    spec.groups.push(GroupSpec { id: ssh, rules, members: vec![] });
    spec.nics[0].groups = vec![ssh];
    let forward = |public_port, private_port| ForwardSpec {
        public: SHARED,
        protocol: 6,
        public_port,
        private: Ipv4Addr::new(10, 0, 0, 5),
        private_port,
        count: 1,
    };
    spec.forwards = vec![forward(2022, 22), forward(22, 23)];
    lab.applied(&host(from_ref(&spec)));
    let guest = lab.guest(&spec, 0);
    let inside = guest.run(|| TcpListener::bind("0.0.0.0:22")).unwrap();
    let _closed = guest.run(|| TcpListener::bind("0.0.0.0:23")).unwrap();
    let connect = |port, time| netns::inside(lab.machine.as_fd(), || TcpStream::connect_timeout(&SocketAddr::from((SHARED, port)), time));
    let mut client = connect(2022, PATIENCE).unwrap();
    let (mut server, from) = inside.accept().unwrap();
    assert_eq!(from.ip(), std::net::IpAddr::V4(MACHINE), "who it comes from stays");
    let soon = std::time::Duration::from_millis(500);
    assert!(connect(22, soon).is_err(), "the group lets port 22 in, and this leads to 23");
    // What is open goes on while other rules come and go, and ends with its own.
    let mut exchange = |expected: bool| {
        server.write_all(b"x").unwrap();
        client.set_read_timeout(Some(soon)).unwrap();
        assert_eq!(client.read_exact(&mut [0]).is_ok(), expected);
    };
    exchange(true);
    spec.forwards.truncate(1);
    lab.applied(&host(from_ref(&spec)));
    exchange(true);
    spec.forwards = vec![forward(2023, 22)];
    lab.applied(&host(from_ref(&spec)));
    exchange(false);
    assert!(connect(2022, soon).is_err() && connect(2023, PATIENCE).is_ok());
}

#[test]
fn sources_take_turns_with_several_addresses_and_keep_to_theirs() {
    let lab = Lab::new();
    let mut spec = two();
    spec.shared.push(sharing("10.0.0.0/24", OTHER));
    lab.applied(&host(from_ref(&spec)));
    let (a, b, machine) = (lab.guest(&spec, 0), lab.guest(&spec, 1), outside(&lab));
    let (one, other) = (a.udp(), b.udp());
    let (first, second) = (seen_as(&one, &machine).ip(), seen_as(&other, &machine).ip());
    let mut both = [first, second];
    both.sort();
    assert_eq!(both, [SHARED, OTHER].map(std::net::IpAddr::V4));
    assert_eq!((seen_as(&one, &machine).ip(), seen_as(&other, &machine).ip()), (first, second));
}

#[test]
fn ports_in_a_row_lead_to_ports_in_a_row_and_a_mapped_address_to_one_guest() {
    let lab = Lab::new();
    let mut spec = two();
    let (port, private) = (22, Ipv4Addr::new(10, 0, 0, 6));
    spec.shared.clear();
    spec.forwards = vec![ForwardSpec { public: SHARED, protocol: 6, public_port: 2022, private, private_port: port, count: 3 }];
    spec.mapped = vec![MappedSpec { public: OTHER, private: Ipv4Addr::new(10, 0, 0, 5) }];
    lab.applied(&host(from_ref(&spec)));
    let (mapped, behind) = (lab.guest(&spec, 0), lab.guest(&spec, 1));
    let _last = behind.run(|| TcpListener::bind("0.0.0.0:24")).unwrap();
    let inside = mapped.run(|| TcpListener::bind("0.0.0.0:9000")).unwrap();
    let soon = std::time::Duration::from_millis(500);
    let connect = |ip, port| netns::inside(lab.machine.as_fd(), || TcpStream::connect_timeout(&SocketAddr::from((ip, port)), soon));
    assert!(connect(SHARED, 2024).is_ok() && connect(SHARED, 2025).is_err());
    let _client = connect(OTHER, 9000).unwrap();
    assert_eq!(inside.accept().unwrap().1.ip(), std::net::IpAddr::V4(MACHINE));
    // A port of the mapped address may still lead elsewhere, and the rest stays.
    spec.forwards[0].public = OTHER;
    lab.applied(&host(from_ref(&spec)));
    assert!(connect(OTHER, 2024).is_ok() && connect(OTHER, 9000).is_ok() && connect(SHARED, 2024).is_err());
    spec.mapped.clear();
    spec.forwards.clear();
    lab.applied(&host(from_ref(&spec)));
    assert!(connect(OTHER, 9000).is_err());
}
