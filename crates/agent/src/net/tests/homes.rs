//! NAT gateways of a cloud with two hosts: the first one is their home, and guests on the second leave and are reached by it.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsFd;
use std::slice::from_ref;
use std::time::Duration;

use hostspec::{Direction, ForwardSpec, GroupSpec, MappedSpec, NatHome, ProtocolMatch, RemoteNic, SharedSpec, Verdict, VpcSpec};

use super::super::netns;
use super::hosts::{MACHINE, UNDER, document, split, two};
use super::lab::*;

const SHARED: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 20);
const OTHER: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 21);
/// The first host's machine, as guests know it that leave there.
const POOL: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 1);
const SOON: Duration = Duration::from_millis(500);

/// What the two hosts are told of a VPC with a guest on each, whose gateway is at home on the first.
struct Part {
    labs: [Lab; 2],
    specs: [VpcSpec; 2],
    public: Vec<Ipv4Addr>,
}

impl Part {
    fn new() -> Part {
        let mut specs = split(1);
        let everything = |source: &str| source.parse().unwrap();
        let shared = SharedSpec { source: everything("10.0.0.0/24"), to: everything("0.0.0.0/0"), public: SHARED, gives_way: false };
        specs[0].shared = vec![shared.clone()];
        specs[1].homes = vec![NatHome { host: UNDER[0], number: 1, shared: vec![shared] }];
        Part { labs: two(), specs, public: vec![SHARED, OTHER] }
    }

    fn apply(&self) {
        let home: Vec<RemoteNic> = self.public.iter().map(|ip| RemoteNic { ip: *ip, host: UNDER[0] }).collect();
        let own = self.specs[1].nics.iter().filter_map(|nic| Some(RemoteNic { ip: nic.public_ip?, host: UNDER[1] })).collect::<Vec<_>>();
        self.labs[0].applied(&document(0, from_ref(&self.specs[0]), &own));
        self.labs[1].applied(&document(1, from_ref(&self.specs[1]), &home));
    }

    /// A guest on the second host.
    fn far(&self) -> Guest {
        self.labs[1].guest(&self.specs[1], 0)
    }

    fn outside(&self, host: usize) -> UdpSocket {
        let socket = netns::inside(self.labs[host].machine.as_fd(), || UdpSocket::bind("0.0.0.0:8080")).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket
    }

    fn connect(&self, host: usize, ip: Ipv4Addr, port: u16) -> std::io::Result<TcpStream> {
        netns::inside(self.labs[host].machine.as_fd(), || TcpStream::connect_timeout(&SocketAddr::from((ip, port)), 4 * SOON))
    }
}

/// Who a machine sees a datagram of a guest come from, after the answer has come back.
fn seen_as(guest: &UdpSocket, to: Ipv4Addr, machine: &UdpSocket) -> SocketAddr {
    let mut buffer = [0; 10];
    guest.set_read_timeout(Some(SOON)).unwrap();
    // A link that was just made may lose the first.
    for _ in 0..20 {
        guest.send_to(b"question", (to, 8080)).unwrap();
        let (_, from) = machine.recv_from(&mut buffer).unwrap();
        machine.send_to(b"answer", from).unwrap();
        if guest.recv_from(&mut buffer).is_ok_and(|(length, _)| length == 6) {
            return from;
        }
    }
    panic!("no answer came back from {to}");
}

#[test]
fn a_guest_leaves_by_the_home_on_the_other_host_and_answers_find_it() {
    let mut part = Part::new();
    part.apply();
    let (near, far) = (part.labs[0].guest(&part.specs[0], 0), part.far());
    let (machine, second) = (part.outside(0), part.outside(1));
    let (one, other) = (near.udp(), far.udp());
    let (first, away) = (seen_as(&one, POOL, &machine), seen_as(&other, POOL, &machine));
    assert_eq!((first.ip(), away.ip()), (SHARED.into(), SHARED.into()));
    assert_ne!(first.port(), away.port());
    // Whom it speaks to may be on any host: the answer comes in there.
    assert_eq!(seen_as(&other, MACHINE[1], &second).ip(), IpAddr::V4(SHARED));
    assert!(far.pings("203.0.113.1") && far.pings("10.0.0.5") && near.pings("10.0.0.6"));
    far.shell("ping -c 1 -W 5 -s 4000 203.0.113.1");
    // Its own host has no way out for it.
    assert!(!part.labs[1].in_vpc(&part.specs[1], "ip -br link").contains("outside"));
    let look = "ip route show table all; ip rule; ip neigh; nft list ruleset";
    let before = part.labs[1].in_vpc(&part.specs[1], look);
    part.apply();
    assert_eq!(part.labs[1].in_vpc(&part.specs[1], look), before, "the same once more changes nothing");
    assert_eq!(seen_as(&other, POOL, &machine), away, "an open translation goes on");
    // Nobody reaches it by the address unasked.
    machine.send_to(b"unasked", (SHARED, 5001)).unwrap();
    // Only ranges that are routed there are reached.
    part.specs[0].shared[0].to = "198.51.100.0/24".parse().unwrap();
    part.specs[1].homes[0].shared[0].to = "198.51.100.0/24".parse().unwrap();
    part.apply();
    assert!(!far.pings("203.0.113.1"));
}

#[test]
fn ports_of_the_home_lead_to_a_guest_on_the_other_host_whose_groups_judge() {
    let mut part = Part::new();
    let ssh = model::SecurityGroupId::from_u64(2);
    let only = |range| vec![rule(Direction::Ingress, Verdict::Accept, 1, ProtocolMatch::Tcp { from: 22, to: 22 }, range)];
    part.specs[1].groups.push(GroupSpec { id: ssh, rules: only("203.0.113.0/24"), members: vec![] });
    part.specs[1].nics[0].groups = vec![ssh];
    // No route sends the guest's packets to the gateway: answers find it without.
    part.specs[0].shared.clear();
    part.specs[1].homes[0].shared.clear();
    let forward = |public_port, private_port| ForwardSpec {
        public: SHARED,
        protocol: 6,
        public_port,
        private: Ipv4Addr::new(10, 0, 0, 6),
        private_port,
        count: 1,
    };
    part.specs[0].forwards = vec![forward(2022, 22), forward(22, 23)];
    part.apply();
    let guest = part.far();
    let inside = guest.run(|| TcpListener::bind("0.0.0.0:22")).unwrap();
    let _closed = guest.run(|| TcpListener::bind("0.0.0.0:23")).unwrap();
    let mut client = part.connect(0, SHARED, 2022).unwrap();
    let (mut server, from) = inside.accept().unwrap();
    assert_eq!(from.ip(), IpAddr::V4(POOL), "who it comes from stays");
    assert!(part.connect(0, SHARED, 22).is_err(), "the group lets port 22 in, and this leads to 23");
    let mut exchange = |expected: bool| {
        server.write_all(b"x").unwrap();
        client.set_read_timeout(Some(SOON)).unwrap();
        assert_eq!(client.read_exact(&mut [0]).is_ok(), expected);
    };
    exchange(true);
    // The second host's machine knows the way to the address, and the group does not know that machine.
    assert!(part.connect(1, SHARED, 2022).is_err());
    part.specs[1].groups.last_mut().unwrap().rules = only("0.0.0.0/0");
    part.apply();
    exchange(true);
    let _other = part.connect(1, SHARED, 2022).unwrap();
    assert_eq!(inside.accept().unwrap().1.ip(), IpAddr::V4(MACHINE[1]));
    // It ends with its rule, at the host of the interface.
    part.specs[1].groups.last_mut().unwrap().rules.clear();
    part.apply();
    exchange(false);
    assert!(part.connect(0, SHARED, 2022).is_err());
}

#[test]
fn a_whole_address_and_an_address_of_ones_own_both_answer_where_they_were_asked() {
    let mut part = Part::new();
    let own = Ipv4Addr::new(203, 0, 113, 30);
    part.specs[1].nics[0].public_ip = Some(own);
    part.specs[0].mapped = vec![MappedSpec { public: OTHER, private: Ipv4Addr::new(10, 0, 0, 6) }];
    part.apply();
    let guest = part.far();
    let inside = guest.run(|| TcpListener::bind("0.0.0.0:80")).unwrap();
    for host in 0..2 {
        for public in [own, OTHER] {
            let mut client = part.connect(host, public, 80).unwrap_or_else(|e| panic!("{public} from host {host}: {e}"));
            let (mut server, _) = inside.accept().unwrap();
            client.write_all(b"x").unwrap();
            server.read_exact(&mut [0]).unwrap();
        }
    }
    for lab in &part.labs {
        lab.in_machine(&format!("ping -c 1 -W 5 -s 4000 {OTHER}"));
    }
    // What it opens itself goes where the route says, and by its own address where the gateway gives way to that.
    let machine = part.outside(0);
    assert_eq!(seen_as(&guest.udp(), POOL, &machine).ip(), IpAddr::V4(SHARED));
    part.specs[0].shared[0].gives_way = true;
    part.specs[1].homes[0].shared[0].gives_way = true;
    part.apply();
    let second = part.outside(1);
    let fresh = guest.run(|| UdpSocket::bind("0.0.0.0:5005")).unwrap();
    assert_eq!(seen_as(&fresh, MACHINE[1], &second).ip(), IpAddr::V4(own));
}

#[test]
fn a_home_without_members_translates_and_vouches_for_nobody_inside() {
    let mut part = Part::new();
    let spoofed = part.specs[0].nics.remove(0);
    (part.specs[0].groups, part.specs[1].remote) = (vec![], vec![]);
    part.apply();
    let (far, machine) = (part.far(), part.outside(0));
    assert_eq!(seen_as(&far.udp(), POOL, &machine).ip(), IpAddr::V4(SHARED));
    // The home believes that it has an interface of the VPC; the other host does not.
    part.specs[0].nics.push(spoofed);
    part.specs[0].groups = part.specs[1].groups.clone();
    part.apply();
    let liar = part.labs[0].guest(&part.specs[0], 0);
    let heard = far.run(|| UdpSocket::bind("0.0.0.0:6000")).unwrap();
    heard.set_read_timeout(Some(SOON)).unwrap();
    liar.udp().send_to(b"hello", "10.0.0.6:6000").unwrap();
    assert!(heard.recv_from(&mut [0; 5]).is_err());
    // When the gateway goes, so does the way.
    part.specs[0].shared.clear();
    part.specs[1].homes.clear();
    part.apply();
    assert!(!far.pings("203.0.113.1"));
    assert!(!part.labs[1].in_vpc(&part.specs[1], "ip rule").contains("fwmark"));
}
