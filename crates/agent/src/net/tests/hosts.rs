//! Two hosts with a wire between them: guests reach each other across, groups hold there, and nobody else gets in.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::os::fd::AsFd;
use std::slice::from_ref;

use hostspec::{Direction, Fabric, HostSpec, Neighbour, ProtocolMatch, RemoteNic, Verdict, VpcSpec};
use nlink::Connection;
use nlink::netlink::link::VethLink;

use super::super::netns;
use super::lab::*;

pub const UNDER: [Ipv4Addr; 2] = [Ipv4Addr::new(192, 0, 2, 1), Ipv4Addr::new(192, 0, 2, 2)];
pub const MACHINE: [Ipv4Addr; 2] = [Ipv4Addr::new(100, 127, 0, 1), Ipv4Addr::new(100, 127, 0, 2)];
const PUBLIC: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 9);

/// Two machines with a wire between them.
pub fn two() -> [Lab; 2] {
    let labs = [Lab::new(), Lab::new()];
    labs[0].runtime.block_on(async {
        let connection = Connection::<nlink::Route>::new_in(labs[0].machine.as_fd()).unwrap();
        connection.add_link(VethLink::new("under", "under").peer_netns_fd(labs[1].machine.as_fd())).await.unwrap();
    });
    for (lab, address) in labs.iter().zip(UNDER) {
        lab.in_machine(&format!("ip address add {address}/24 dev under && ip link set under up"));
    }
    labs
}

/// A VPC with the interface 5 on the first host and 6 on the second.
pub fn split(id: u64) -> [VpcSpec; 2] {
    let whole = vpc(id, &[5, 6]);
    [0, 1].map(|host| {
        let (here, there) = (whole.nics[host].clone(), &whole.nics[1 - host]);
        VpcSpec { nics: vec![here], remote: vec![RemoteNic { ip: there.ip, host: UNDER[1 - host] }], ..whole.clone() }
    })
}

/// The document of one of the two.
pub fn document(number: usize, vpcs: &[VpcSpec], public: &[RemoteNic]) -> HostSpec {
    let other = Neighbour { underlay: UNDER[1 - number], machine: MACHINE[1 - number] };
    let fabric = Fabric { underlay: UNDER[number], machine: MACHINE[number], hosts: vec![other], public: public.to_vec() };
    HostSpec { fabric: Some(fabric), ..host(vpcs) }
}

pub fn applied(labs: &[Lab; 2], vpcs: [&[VpcSpec]; 2]) {
    for (number, lab) in labs.iter().enumerate() {
        lab.applied(&document(number, vpcs[number], &[]));
    }
}

/// Both hosts with one VPC.
pub fn both(labs: &[Lab; 2], one: &VpcSpec, two: &VpcSpec) {
    applied(labs, [from_ref(one), from_ref(two)]);
}

#[test]
fn guests_on_two_hosts_reach_each_other_by_their_private_addresses() {
    let labs = two();
    let [one, two] = split(1);
    both(&labs, &one, &two);
    let (a, b) = (labs[0].guest(&one, 0), labs[1].guest(&two, 0));
    assert!(a.pings("10.0.0.6") && b.pings("10.0.0.5"));
    let listener = b.run(|| TcpListener::bind("0.0.0.0:80")).unwrap();
    let _client = a.connect("10.0.0.6:80").unwrap();
    assert_eq!(listener.accept().unwrap().1.ip(), a.nic.ip, "no translation between hosts");
    // Nothing is left to do, so nothing is made again and again.
    let before = labs[0].in_vpc(&one, "ip -o link; ip route; ip neigh; bridge fdb");
    both(&labs, &one, &two);
    assert_eq!(labs[0].in_vpc(&one, "ip -o link; ip route; ip neigh; bridge fdb"), before);
    // A VPC with nobody elsewhere needs no way there.
    labs[0].applied(&document(0, &[VpcSpec { remote: vec![], ..one.clone() }], &[]));
    assert!(!labs[0].in_vpc(&one, "ip -br link").contains("overlay"));
}

#[test]
fn groups_hold_at_the_receiving_host_and_change_at_once() {
    let labs = two();
    let [one, mut two] = split(1);
    both(&labs, &one, &two);
    let (a, b) = (labs[0].guest(&one, 0), labs[1].guest(&two, 0));
    assert!(a.pings("10.0.0.6"));
    let all = two.groups[0].rules.clone();
    two.groups[0].rules =
        vec![rule(Direction::Ingress, Verdict::Accept, 1, ProtocolMatch::Tcp { from: 80, to: 80 }, "10.0.0.5/32"), open(Direction::Egress)];
    labs[1].applied(&document(1, from_ref(&two), &[]));
    assert!(!a.pings("10.0.0.6"));
    let _listener = b.run(|| TcpListener::bind("0.0.0.0:80")).unwrap();
    a.connect("10.0.0.6:80").unwrap();
    two.groups[0].rules = all;
    labs[1].applied(&document(1, from_ref(&two), &[]));
    assert!(a.pings("10.0.0.6"));
}

#[test]
fn vpcs_with_the_same_range_do_not_meet_across_hosts() {
    let labs = two();
    let ([red_a, red_b], [mut blue_a, mut blue_b]) = (split(1), split(2));
    for nic in blue_a.nics.iter_mut().chain(&mut blue_b.nics) {
        nic.id = model::InterfaceId::from_u64(nic.id.as_u64() + 100);
        nic.vm = model::InstanceId::from_u64(nic.vm.as_u64() + 100);
    }
    // Of the blue ones only the first host's has a guest that answers.
    applied(&labs, [&[red_a.clone(), blue_a.clone()], &[red_b.clone(), blue_b.clone()]]);
    let (red, _answers) = (labs[0].guest(&red_a, 0), labs[1].guest(&red_b, 0));
    let blue = labs[0].guest(&blue_a, 0);
    assert!(red.pings("10.0.0.6"));
    assert!(!blue.pings("10.0.0.6"), "its 10.0.0.6 is switched off, and the red one is not its");
}

#[test]
fn packets_are_taken_from_known_hosts_and_only_with_addresses_that_are_there() {
    let labs = two();
    let [one, two] = split(1);
    both(&labs, &one, &two);
    let (a, _b) = (labs[0].guest(&one, 0), labs[1].guest(&two, 0));
    assert!(a.pings("10.0.0.6"));
    // The second host is told that the address is with a third.
    let mut elsewhere = document(1, from_ref(&two), &[]);
    let third = Ipv4Addr::new(192, 0, 2, 3);
    elsewhere.fabric.as_mut().unwrap().hosts.push(Neighbour { underlay: third, machine: Ipv4Addr::new(100, 127, 0, 3) });
    elsewhere.networks[0].remote[0].host = third;
    labs[1].applied(&elsewhere);
    assert!(!a.pings("10.0.0.6"), "it comes with the wrong host's hardware address");
    // And that the first is no host of the cloud at all.
    elsewhere.networks[0].remote[0].host = UNDER[0];
    elsewhere.fabric.as_mut().unwrap().hosts.remove(0);
    labs[1].applied(&elsewhere);
    let dropped = || labs[1].in_vpc(&two, "cat /sys/class/net/overlay/statistics/rx_packets 2>/dev/null || echo 0");
    let before = dropped();
    assert!(!a.pings("10.0.0.6"));
    assert_eq!(dropped(), before, "the machine took none of them");
    labs[1].applied(&document(1, from_ref(&two), &[]));
    assert!(a.pings("10.0.0.6"));
}

#[test]
fn a_public_address_is_reached_from_the_other_host_and_its_guests_and_moves_there() {
    let labs = two();
    let [mut one, mut two] = split(1);
    two.nics[0].public_ip = Some(PUBLIC);
    one.nics[0].public_ip = Some(Ipv4Addr::new(203, 0, 113, 8));
    let at = |ip, host: usize| RemoteNic { ip, host: UNDER[host] };
    labs[0].applied(&document(0, from_ref(&one), &[at(PUBLIC, 1)]));
    labs[1].applied(&document(1, from_ref(&two), &[at(one.nics[0].public_ip.unwrap(), 0)]));
    let (a, b) = (labs[0].guest(&one, 0), labs[1].guest(&two, 0));
    let machine = netns::inside(labs[0].machine.as_fd(), || UdpSocket::bind("0.0.0.0:8080")).unwrap();
    machine.set_read_timeout(Some(PATIENCE)).unwrap();
    let (heard, mut buffer) = (b.udp(), [0; 20]);
    let exchange = |to: &UdpSocket, buffer: &mut [u8; 20]| {
        machine.send_to(b"ask", SocketAddr::from((PUBLIC, 5000))).unwrap();
        let (_, from) = to.recv_from(buffer).unwrap();
        to.send_to(b"answer", from).unwrap();
        assert_eq!(machine.recv_from(buffer).unwrap().1.ip(), std::net::IpAddr::V4(PUBLIC));
        from.ip()
    };
    assert_eq!(exchange(&heard, &mut buffer), std::net::IpAddr::V4(MACHINE[0]));
    assert!(a.pings("203.0.113.9"), "a guest by its own public address");
    // It moves to the guest on the first host.
    one.nics[0].public_ip = Some(PUBLIC);
    two.nics[0].public_ip = None;
    labs[0].applied(&document(0, from_ref(&one), &[]));
    labs[1].applied(&document(1, from_ref(&two), &[at(PUBLIC, 0)]));
    exchange(&a.udp(), &mut buffer);
    let machine = labs[1].in_machine("ip route get 203.0.113.9");
    assert!(machine.contains("fabric") && machine.contains("100.127.0.2"), "{machine}");
}

#[test]
fn what_somebody_removed_between_hosts_is_made_again_and_told_of() {
    let labs = two();
    let [one, two] = split(1);
    both(&labs, &one, &two);
    let (a, _b) = (labs[0].guest(&one, 0), labs[1].guest(&two, 0));
    let fdb = "bridge fdb del 02:fd:c0:00:02:02 dev overlay dst 192.0.2.2";
    for damage in ["ip link del overlay", "ip route del 10.0.0.6", fdb, "ip neigh flush all nud permanent", "ip link set overlay down"] {
        labs[0].in_vpc(&one, damage);
        let report = labs[0].apply(&document(0, from_ref(&one), &[]));
        assert_eq!((report.faults, report.repaired.len()), (vec![], 1), "after {damage}");
        assert!(a.pings("10.0.0.6"), "after {damage}");
    }
    let link = labs[0].in_machine("ip -o link | grep -o '[a-z0-9]*-fabric'");
    labs[0].in_machine(&format!("ip link del {link}"));
    assert_eq!(labs[0].apply(&document(0, from_ref(&one), &[])).repaired.len(), 1);
    assert!(labs[0].in_machine("ip -br link").contains("fabric"));
}

#[test]
fn nothing_between_hosts_is_left_after_the_last_document() {
    let labs = two();
    let [one, two] = split(1);
    both(&labs, &one, &two);
    assert!(labs[0].in_machine("ip -br link").contains("fabric"));
    labs[0].applied(&host(&[]));
    assert!(!labs[0].in_machine("ip -br link").contains("fabric"));
    assert_eq!(labs[0].in_machine("nft list ruleset").trim(), "");
}
