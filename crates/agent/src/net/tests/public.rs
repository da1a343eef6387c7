//! Public addresses: the machine reaches a guest by its public one and the other way round; no private address leaves.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;

use ipnet::Ipv4Net;

use super::super::netns;
use super::lab::*;

const MACHINE: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 1);
const PUBLIC: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 9);

fn with_public() -> hostspec::VpcSpec {
    let mut spec = vpc(1, &[5, 6]);
    spec.nics[0].public_ip = Some(PUBLIC);
    spec
}

fn in_machine<T: Send>(lab: &Lab, run: impl FnOnce() -> std::io::Result<T> + Send) -> std::io::Result<T> {
    netns::inside(lab.machine.as_fd(), run)
}

#[test]
fn the_machine_and_a_guest_reach_each_other_by_the_public_address() {
    let lab = Lab::new();
    let spec = with_public();
    lab.applied(&host(std::slice::from_ref(&spec)));
    let guest = lab.guest(&spec, 0);
    let inside = guest.run(|| TcpListener::bind("0.0.0.0:22")).unwrap();
    let mut client = in_machine(&lab, || TcpStream::connect_timeout(&SocketAddr::from((PUBLIC, 22)), PATIENCE)).unwrap();
    let (mut server, from) = inside.accept().unwrap();
    assert_eq!(from.ip(), IpAddr::V4(MACHINE));
    server.write_all(b"hello").unwrap();
    let mut buffer = [0; 5];
    client.read_exact(&mut buffer).unwrap();
    assert_eq!(&buffer, b"hello");
    // Outward: the machine sees the public address.
    let outside = in_machine(&lab, || TcpListener::bind("0.0.0.0:8080")).unwrap();
    let _client = guest.connect("203.0.113.1:8080").unwrap();
    assert_eq!(outside.accept().unwrap().1.ip(), IpAddr::V4(PUBLIC));
}

#[test]
fn a_guest_without_a_public_address_reaches_nothing_outside() {
    let lab = Lab::new();
    let spec = with_public();
    lab.applied(&host(std::slice::from_ref(&spec)));
    let (public, private) = (lab.guest(&spec, 0), lab.guest(&spec, 1));
    let outside = in_machine(&lab, || std::net::UdpSocket::bind("0.0.0.0:8080")).unwrap();
    outside.set_read_timeout(Some(PATIENCE)).unwrap();
    private.udp().send_to(b"leak", (MACHINE, 8080)).unwrap();
    assert!(private.pings("10.0.0.1"));
    public.udp().send_to(b"fine", (MACHINE, 8080)).unwrap();
    let mut buffer = [0; 10];
    let (len, from) = outside.recv_from(&mut buffer).unwrap();
    assert_eq!((&buffer[..len], from.ip()), (&b"fine"[..], IpAddr::V4(PUBLIC)));
}

#[test]
fn a_subnet_sends_only_where_it_has_a_way_out() {
    let lab = Lab::new();
    let mut spec = with_public();
    spec.subnets[0].ways_out = vec!["203.0.113.0/31".parse().unwrap(), "203.0.113.0/24".parse().unwrap()];
    lab.applied(&host(std::slice::from_ref(&spec)));
    let guest = lab.guest(&spec, 0);
    let outside = in_machine(&lab, || std::net::UdpSocket::bind("0.0.0.0:8080")).unwrap();
    let heard = guest.udp();
    let mut buffer = [0; 10];
    outside.send_to(b"one", (PUBLIC, 5000)).unwrap();
    let (_, from) = heard.recv_from(&mut buffer).unwrap();
    outside.set_read_timeout(Some(PATIENCE)).unwrap();
    heard.send_to(b"answer", from).unwrap();
    assert_eq!(outside.recv_from(&mut buffer).unwrap().0, 6);
    // Without a way out what comes in is still heard, and neither the answer nor anything else leaves.
    spec.subnets[0].ways_out = vec!["198.51.100.0/24".parse().unwrap()];
    lab.applied(&host(std::slice::from_ref(&spec)));
    outside.send_to(b"two", (PUBLIC, 5000)).unwrap();
    assert_eq!(heard.recv_from(&mut buffer).unwrap().0, 3);
    heard.send_to(b"answer", from).unwrap();
    heard.send_to(b"first", (MACHINE, 8080)).unwrap();
    spec.subnets[0].ways_out = vec![Ipv4Net::default()];
    lab.applied(&host(std::slice::from_ref(&spec)));
    heard.send_to(b"at last", (MACHINE, 8080)).unwrap();
    let (len, _) = outside.recv_from(&mut buffer).unwrap();
    assert_eq!(&buffer[..len], b"at last", "the ones before were dropped");
}

#[test]
fn an_address_that_moves_takes_new_connections_with_it_and_ends_old_ones() {
    let lab = Lab::new();
    let mut spec = with_public();
    lab.applied(&host(std::slice::from_ref(&spec)));
    let (first, second) = (lab.guest(&spec, 0), lab.guest(&spec, 1));
    let (one, two) = (first.udp(), second.udp());
    let outside = in_machine(&lab, || std::net::UdpSocket::bind("0.0.0.0:8080")).unwrap();
    outside.send_to(b"to the first", (PUBLIC, 5000)).unwrap();
    let mut buffer = [0; 20];
    let (len, _) = one.recv_from(&mut buffer).unwrap();
    assert_eq!(&buffer[..len], b"to the first");
    spec.nics[0].public_ip = None;
    spec.nics[1].public_ip = Some(PUBLIC);
    lab.applied(&host(std::slice::from_ref(&spec)));
    // The same ports as before: the old translation must not carry it to the first guest.
    outside.send_to(b"to the second", (PUBLIC, 5000)).unwrap();
    let (len, _) = two.recv_from(&mut buffer).unwrap();
    assert_eq!(&buffer[..len], b"to the second");
}

#[test]
fn two_vpcs_with_the_same_range_do_not_meet() {
    let lab = Lab::new();
    let (one, mut two) = (vpc(1, &[5, 6]), vpc(2, &[5, 6]));
    for nic in &mut two.nics {
        nic.id = model::InterfaceId::from_u64(nic.id.as_u64() + 100);
        nic.vm = model::InstanceId::from_u64(nic.vm.as_u64() + 100);
    }
    two.nics.retain(|nic| nic.ip.octets()[3] == 5);
    lab.applied(&host(&[one.clone(), two.clone()]));
    let (a, _b, c) = (lab.guest(&one, 0), lab.guest(&one, 1), lab.guest(&two, 0));
    assert!(a.pings("10.0.0.6"));
    assert!(!c.pings("10.0.0.6"));
}

#[test]
fn public_addresses_of_two_vpcs_reach_each_other() {
    let lab = Lab::new();
    let (mut one, mut two) = (vpc(1, &[5]), vpc(2, &[6]));
    one.nics[0].public_ip = Some(PUBLIC);
    two.nics[0].public_ip = Some(Ipv4Addr::new(203, 0, 113, 10));
    lab.applied(&host(&[one.clone(), two.clone()]));
    let (a, _b) = (lab.guest(&one, 0), lab.guest(&two, 0));
    assert!(a.pings("203.0.113.10"));
}

#[test]
fn the_machine_routes_only_the_addresses_in_use() {
    let lab = Lab::new();
    let mut spec = with_public();
    lab.applied(&host(std::slice::from_ref(&spec)));
    assert!(lab.in_machine("ip route").contains("203.0.113.9"));
    assert!(!lab.in_machine("ip route").contains("203.0.113.0"));
    spec.nics[0].public_ip = None;
    lab.applied(&host(std::slice::from_ref(&spec)));
    assert_eq!(lab.in_machine("ip route").trim(), "");
    assert_eq!(lab.in_machine("ip -br link").lines().count(), 1);
    assert_eq!(lab.in_machine("nft list ruleset").trim(), "");
}
