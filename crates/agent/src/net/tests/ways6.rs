//! Routes of IPv6: out to the machine and in again, out only, and through guests that forward, on one host and on two.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsFd;
use std::slice::from_ref;
use std::time::Duration;

use hostspec::*;
use model::SecurityGroupId;

use super::super::netns;
use super::super::ways6::machine_address;
use super::hosts;
use super::ipv6::{address, configure, dual, rule6, split};
use super::lab::*;

/// Range of the subnet of the lab's VPC.
const SUBNET: &str = "fd12:3456:789a:101::/64";
const BEHIND: &str = "2001:db8:77::9";
/// How long a connection is tried that should not come about.
const SHORT: Duration = Duration::from_millis(700);

fn machine() -> Ipv6Addr {
    machine_address([203, 0, 113, 1].into())
}

fn with_ways(spec: &VpcSpec, out: &[&str], out_only: &[&str]) -> VpcSpec {
    let ranges = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
    let mut spec = spec.clone();
    let (out, out_only) = (ranges(out), ranges(out_only));
    spec.subnets[0].v6 = Some(Ipv6SubnetSpec { range: SUBNET.parse().unwrap(), out, out_only, listed: vec![], hops: vec![] });
    spec
}

fn in_machine<T: Send>(lab: &Lab, run: impl FnOnce() -> std::io::Result<T> + Send) -> std::io::Result<T> {
    netns::inside(lab.machine.as_fd(), run)
}

/// Whether the machine can open a connection to a port of a guest.
fn calls(lab: &Lab, to: Ipv6Addr, port: u16) -> bool {
    in_machine(lab, || Ok(TcpStream::connect_timeout(&SocketAddr::from((to, port)), SHORT).is_ok())).unwrap()
}

fn says(from: &mut TcpStream, to: &mut TcpStream, text: &[u8]) {
    from.write_all(text).unwrap();
    let mut buffer = vec![0; text.len()];
    to.set_read_timeout(Some(PATIENCE)).unwrap();
    to.read_exact(&mut buffer).unwrap();
    assert_eq!(buffer, text);
}

#[test]
fn the_machine_and_a_guest_reach_each_other_by_its_own_address() {
    let lab = Lab::new();
    let inward = dual(1, &[5, 6]);
    lab.applied(&host(from_ref(&inward)));
    let guest = lab.guest(&inward, 0);
    configure(&guest);
    let machine = machine();
    assert!(!guest.pings(&machine.to_string()), "no route leads out");
    let spec = with_ways(&inward, &["::/0"], &[]);
    lab.applied(&host(from_ref(&spec)));
    let inside = guest.run(|| TcpListener::bind((address(5), 22))).unwrap();
    let mut client = in_machine(&lab, || TcpStream::connect_timeout(&SocketAddr::from((address(5), 22)), PATIENCE)).unwrap();
    let (mut server, from) = inside.accept().unwrap();
    assert_eq!(from.ip(), IpAddr::V6(machine), "the machine has one address for all its guests");
    says(&mut client, &mut server, b"in");
    let outside = in_machine(&lab, || TcpListener::bind((machine, 8080))).unwrap();
    let mut own = guest.connect(&format!("[{machine}]:8080")).unwrap();
    let (mut heard, from) = outside.accept().unwrap();
    assert_eq!(from.ip(), IpAddr::V6(address(5)), "nothing is translated");
    says(&mut own, &mut heard, b"out");
    // Applied again, nothing has drifted; IPv4 has no way out that nobody gave it.
    assert_eq!(lab.apply(&host(from_ref(&spec))).repaired, Vec::<String>::new());
    assert!(!guest.pings("203.0.113.1"));
    lab.applied(&host(from_ref(&inward)));
    assert!(!guest.pings(&machine.to_string()) && !calls(&lab, address(5), 22));
    assert_eq!(lab.in_machine("ip -6 route show proto static; ip -o link show type veth; ip -6 neigh show nud permanent"), "");
}

#[test]
fn groups_judge_who_comes_from_outside_as_any_other() {
    let lab = Lab::new();
    let mut spec = with_ways(&dual(1, &[5]), &["::/0"], &[]);
    let guarded = SecurityGroupId::from_u64(9);
    let tcp = |port| ProtocolMatch::Tcp { from: port, to: port };
    let rules = vec![
        rule6(Direction::Ingress, tcp(22), &format!("{}/128", machine())),
        rule6(Direction::Ingress, tcp(23), "fd12:3456:789a:100::/56"),
        rule6(Direction::Egress, tcp(8080), "::/0"),
    ];
    spec.groups.push(GroupSpec { id: guarded, rules, members: vec![] });
    spec.nics[0].groups = vec![guarded];
    lab.applied(&host(from_ref(&spec)));
    let guest = lab.guest(&spec, 0);
    configure(&guest);
    let listeners: Vec<_> = [22, 23, 24].map(|port| guest.run(move || TcpListener::bind((address(5), port))).unwrap()).into();
    assert_eq!([22, 23, 24].map(|port| calls(&lab, address(5), port)), [true, false, false], "the machine is not of the VPC's range");
    let outside: Vec<_> = [8080, 8081].map(|port| in_machine(&lab, move || TcpListener::bind((machine(), port))).unwrap()).into();
    let reaches = |port: u16| guest.run(move || Ok(TcpStream::connect_timeout(&(machine(), port).into(), SHORT).is_ok())).unwrap();
    assert_eq!([reaches(8080), reaches(8081)], [true, false]);
    drop((listeners, outside));
}

#[test]
fn a_way_for_listed_addresses_is_no_others() {
    let lab = Lab::new();
    let listed = |called: &[Ipv6Addr], calling: &[Ipv6Addr]| {
        let mut spec = with_ways(&dual(1, &[5, 6, 7]), &[], &[]);
        let listed = Ipv6Listed { to: "::/0".parse().unwrap(), called: called.into(), calling: calling.into() };
        spec.subnets[0].v6.as_mut().unwrap().listed = vec![listed];
        spec
    };
    let spec = listed(&[address(5)], &[address(6)]);
    lab.applied(&host(from_ref(&spec)));
    let guests: Vec<_> = (0..3).map(|at| lab.guest(&spec, at)).collect();
    guests.iter().for_each(|guest| drop(configure(guest)));
    let machine = machine().to_string();
    assert_eq!([0, 1, 2].map(|at: usize| guests[at].pings(&machine)), [true, true, false]);
    let listeners: Vec<_> =
        [5, 6, 7].into_iter().zip(&guests).map(|(at, guest)| guest.run(move || TcpListener::bind((address(at), 22))).unwrap()).collect();
    assert_eq!([5, 6, 7].map(|at| calls(&lab, address(at), 22)), [true, false, false]);
    assert!(guests[2].pings(&address(5).to_string()), "inside nobody needs a way out");
    lab.applied(&host(from_ref(&listed(&[address(7)], &[address(5)]))));
    assert_eq!([5, 6, 7].map(|at| calls(&lab, address(at), 22)), [false, false, true]);
    assert_eq!([0, 1, 2].map(|at: usize| guests[at].pings(&machine)), [true, false, true]);
    lab.applied(&host(from_ref(&listed(&[], &[]))));
    assert_eq!([0, 1, 2].map(|at: usize| guests[at].pings(&machine)), [false; 3]);
    drop(listeners);
}

#[test]
fn by_an_egress_only_way_come_only_answers() {
    let lab = Lab::new();
    let both = with_ways(&dual(1, &[5]), &["::/0"], &[]);
    let only = with_ways(&dual(1, &[5]), &[], &["::/0"]);
    lab.applied(&host(from_ref(&both)));
    let guest = lab.guest(&both, 0);
    configure(&guest);
    let inside = guest.run(|| TcpListener::bind((address(5), 22))).unwrap();
    let mut called = in_machine(&lab, || TcpStream::connect_timeout(&SocketAddr::from((address(5), 22)), PATIENCE)).unwrap();
    let (mut answering, _) = inside.accept().unwrap();
    says(&mut called, &mut answering, b"while it may");
    lab.applied(&host(from_ref(&only)));
    let outside = in_machine(&lab, || TcpListener::bind((machine(), 8080))).unwrap();
    let mut own = guest.connect(&format!("[{}]:8080", machine())).unwrap();
    let (mut heard, _) = outside.accept().unwrap();
    says(&mut own, &mut heard, b"asked");
    says(&mut heard, &mut own, b"answered");
    assert!(guest.pings(&machine().to_string()));
    assert!(!calls(&lab, address(5), 22), "nobody outside opens a connection");
    // One that was opened from outside before goes on in neither direction, whoever speaks first.
    answering.write_all(b"late").unwrap();
    called.set_read_timeout(Some(SHORT)).unwrap();
    assert!(called.read(&mut [0; 10]).is_err());
    called.write_all(b"late").unwrap();
    answering.set_read_timeout(Some(SHORT)).unwrap();
    assert!(answering.read(&mut [0; 10]).is_err());
    // What the guest opened goes on through the change back, and both are heard again.
    lab.applied(&host(from_ref(&both)));
    says(&mut heard, &mut own, b"still here");
    assert!(calls(&lab, address(5), 22));
    let mut buffer = [0; 4];
    called.set_read_timeout(Some(PATIENCE)).unwrap();
    called.read_exact(&mut buffer).unwrap();
    assert_eq!(&buffer, b"late");
}

#[test]
fn a_subnet_speaks_only_with_whom_its_ways_lead_to() {
    let lab = Lab::new();
    let mut spec = with_ways(&dual(1, &[5, 6]), &["2001:db8:1::/48"], &["2001:db8:2::/48"]);
    spec.nics[1].v6.clear();
    lab.applied(&host(from_ref(&spec)));
    for ip in ["2001:db8:1::1", "2001:db8:2::1", "2001:db8:3::1"] {
        lab.in_machine(&format!("ip -6 addr add {ip}/128 dev lo nodad"));
    }
    let guest = lab.guest(&spec, 0);
    configure(&guest);
    let from = |ip: &'static str| {
        let command = format!("ping -6 -c1 -W1 -n -I {ip} {}", address(5));
        in_machine(&lab, || std::process::Command::new("sh").args(["-c", &command]).output()).unwrap().status.success()
    };
    assert_eq!(["2001:db8:1::1", "2001:db8:2::1", "2001:db8:3::1"].map(|ip| guest.pings(ip)), [true, true, false]);
    assert_eq!(["2001:db8:1::1", "2001:db8:2::1", "2001:db8:3::1"].map(from), [true, false, false]);
    // Forged from outside: an address of the VPC itself.
    lab.in_machine(&format!("ip -6 addr add {}/128 dev lo nodad", address(99)));
    let heard = guest.run(|| UdpSocket::bind((address(5), 5000))).unwrap();
    heard.set_read_timeout(Some(SHORT)).unwrap();
    let forged = in_machine(&lab, || UdpSocket::bind((address(99), 5000))).unwrap();
    forged.send_to(b"forged", (address(5), 5000)).unwrap();
    assert!(heard.recv_from(&mut [0; 10]).is_err());
}

#[test]
fn what_the_machine_has_of_its_own_stays() {
    let lab = Lab::new();
    lab.in_machine(
        "ip -6 route add unreachable 2001:db8:dead::/48 proto static; ip -6 route add blackhole 2001:db8:beef::/48 proto static",
    );
    let own = lab.in_machine("ip -6 route show type unreachable; ip -6 route show type blackhole");
    let forwarding = lab.in_machine("cat /proc/sys/net/ipv6/conf/all/forwarding");
    let spec = with_ways(&dual(1, &[5]), &["::/0"], &[]);
    for _ in 0..2 {
        lab.applied(&host(from_ref(&spec)));
    }
    assert_eq!(lab.in_machine("ip -6 route show type unreachable; ip -6 route show type blackhole"), own);
    assert_eq!(lab.in_machine("cat /proc/sys/net/ipv6/conf/all/forwarding"), forwarding, "a machine that believes its router goes on to");
}

/// The way to what is behind the second guest.
fn through(spec: &VpcSpec) -> VpcSpec {
    let mut spec = spec.clone();
    let hops = vec![Ipv6Hop { to: "2001:db8:77::/48".parse().unwrap(), via: Some(address(6)), peer: None }];
    spec.subnets[0].v6 = Some(Ipv6SubnetSpec { range: SUBNET.parse().unwrap(), out: vec![], out_only: vec![], listed: vec![], hops });
    spec.nics.iter_mut().filter(|nic| nic.ip.octets()[3] == 6).for_each(|nic| nic.forwards = true);
    spec
}

fn put_behind(guest: &Guest) {
    guest.shell(&format!("ip -6 address add {BEHIND}/128 dev lo nodad"));
}

#[test]
fn a_route_leads_through_a_guest_that_forwards_and_ends_with_its_leave() {
    let lab = Lab::new();
    let bare = dual(1, &[5, 6]);
    lab.applied(&host(from_ref(&bare)));
    let (a, b) = (lab.guest(&bare, 0), lab.guest(&bare, 1));
    configure(&a);
    configure(&b);
    put_behind(&b);
    assert!(!a.pings(BEHIND));
    let routed = through(&bare);
    lab.applied(&host(from_ref(&routed)));
    assert!(a.pings(BEHIND) && a.pings(&address(6).to_string()) && b.pings(&address(5).to_string()));
    // What the guest sends for others is heard, as long as it may forward.
    let heard = a.run(|| UdpSocket::bind((address(5), 5000))).unwrap();
    heard.set_read_timeout(Some(SHORT)).unwrap();
    let behind: Ipv6Addr = BEHIND.parse().unwrap();
    let theirs = b.run(|| UdpSocket::bind((behind, 5000))).unwrap();
    theirs.send_to(b"for others", (address(5), 5000)).unwrap();
    assert_eq!(heard.recv_from(&mut [0; 20]).unwrap().1.ip(), IpAddr::V6(behind));
    let show = "ip -6 rule; ip -6 route show table all; nft list ruleset";
    let before = lab.in_vpc(&bare, show);
    assert_eq!(lab.apply(&host(from_ref(&routed))).repaired, Vec::<String>::new());
    assert_eq!(lab.in_vpc(&bare, show), before);
    let mut checked = routed.clone();
    checked.nics[1].forwards = false;
    lab.applied(&host(from_ref(&checked)));
    assert!(!a.pings(BEHIND));
    theirs.send_to(b"for others", (address(5), 5000)).unwrap();
    assert!(heard.recv_from(&mut [0; 20]).is_err());
    lab.applied(&host(from_ref(&routed)));
    assert!(a.pings(BEHIND));
    lab.applied(&host(from_ref(&bare)));
    assert!(!a.pings(BEHIND) && a.pings(&address(6).to_string()));
    assert!(!lab.in_vpc(&bare, "ip -6 rule").contains("fwmark"));
}

#[test]
fn what_is_sent_on_is_asked_of_the_forwarders_groups() {
    let lab = Lab::new();
    let mut spec = through(&dual(1, &[5, 6]));
    let guarded = SecurityGroupId::from_u64(2);
    let only = rule6(Direction::Ingress, ProtocolMatch::Udp { from: 5000, to: 5000 }, SUBNET);
    spec.nics[1].groups = vec![guarded];
    let rules = vec![only, rule6(Direction::Egress, ProtocolMatch::All, "::/0")];
    spec.groups.push(GroupSpec { id: guarded, rules, members: vec![] });
    lab.applied(&host(from_ref(&spec)));
    let (a, b) = (lab.guest(&spec, 0), lab.guest(&spec, 1));
    configure(&a);
    configure(&b);
    put_behind(&b);
    let behind: Ipv6Addr = BEHIND.parse().unwrap();
    let heard = b.run(|| UdpSocket::bind((behind, 5000))).unwrap();
    heard.set_read_timeout(Some(PATIENCE)).unwrap();
    assert!(!a.pings(BEHIND));
    let sender = a.run(|| UdpSocket::bind((address(5), 5000))).unwrap();
    sender.send_to(b"let in", (behind, 5000)).unwrap();
    assert_eq!(heard.recv_from(&mut [0; 10]).unwrap().0, 6);
}

#[test]
fn a_route_leads_to_a_guest_on_another_host() {
    let labs = hosts::two();
    let [one, two] = split().map(|spec| through(&spec));
    hosts::both(&labs, &one, &two);
    let (a, b) = (labs[0].guest(&one, 0), labs[1].guest(&two, 0));
    configure(&a);
    configure(&b);
    put_behind(&b);
    assert!(a.pings(BEHIND) && a.pings(&address(6).to_string()));
    let [one, two] = split();
    hosts::both(&labs, &one, &two);
    assert!(!a.pings(BEHIND) && a.pings(&address(6).to_string()));
}
