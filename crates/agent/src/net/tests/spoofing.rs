//! What a guest may not say, and that what it may say is answered at once.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use model::MacAddr;

use super::super::names::ROUTER_MAC;
use super::frames::*;
use super::lab::*;

const GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const A: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 5);
const B: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 6);

#[test]
fn the_host_answers_arp_at_once_for_the_router_and_for_neighbours() {
    let lab = Lab::new();
    let spec = vpc(1, &[5, 6]);
    lab.applied(&host(std::slice::from_ref(&spec)));
    let mut a = lab.raw(&spec, 0);
    for target in [GATEWAY, B, Ipv4Addr::new(169, 254, 169, 254)] {
        let start = Instant::now();
        a.send(&arp_request(a.nic.mac, a.nic.mac, A, target));
        assert_eq!(a.receive("an ARP reply", |frame| arp_reply(frame, target)), ROUTER_MAC);
        // With proxy_delay at its default of 0.8 s the reply would come after a random part of that.
        assert!(start.elapsed() < Duration::from_millis(200), "{target}: {:?}", start.elapsed());
    }
    // An address that nobody has, and a look whether somebody else has one's own, are not answered.
    a.send(&arp_request(a.nic.mac, a.nic.mac, A, Ipv4Addr::new(10, 0, 0, 99)));
    a.send(&arp_request(a.nic.mac, a.nic.mac, Ipv4Addr::UNSPECIFIED, A));
    a.send(&arp_request(a.nic.mac, a.nic.mac, A, GATEWAY));
    let first = a.receive("an ARP reply", |frame| frame.get(12..14).filter(|kind| *kind == [8, 6]).map(|_| frame.to_vec()));
    assert!(arp_reply(&first, GATEWAY).is_some(), "{first:02x?}");
}

#[test]
fn a_lie_in_arp_is_not_answered() {
    let lab = Lab::new();
    let spec = vpc(1, &[5, 6]);
    lab.applied(&host(std::slice::from_ref(&spec)));
    let mut a = lab.raw(&spec, 0);
    let (mine, theirs) = (a.nic.mac, spec.nics[1].mac);
    a.send(&arp_request(mine, mine, B, Ipv4Addr::new(169, 254, 169, 254)));
    a.send(&arp_request(mine, theirs, A, Ipv4Addr::new(169, 254, 169, 254)));
    a.send(&arp_request(theirs, mine, A, Ipv4Addr::new(169, 254, 169, 254)));
    a.send(&arp(2, mine, mine, B, GATEWAY));
    a.send(&arp_request(mine, mine, A, GATEWAY));
    let first = a.receive("an ARP reply", |frame| frame.get(12..14).filter(|kind| *kind == [8, 6]).map(|_| frame.to_vec()));
    assert!(arp_reply(&first, GATEWAY).is_some(), "{first:02x?}");
}

#[test]
fn only_frames_with_the_interfaces_own_addresses_arrive() {
    let lab = Lab::new();
    let spec = vpc(1, &[5, 6, 7]);
    lab.applied(&host(std::slice::from_ref(&spec)));
    let (mut a, mut b) = (lab.raw(&spec, 0), lab.raw(&spec, 1));
    let good = ipv4(&a.nic, A, B, 1, &echo(1));
    let foreign_ip = ipv4(&a.nic, Ipv4Addr::new(10, 0, 0, 7), B, 1, &echo(2));
    let outside_ip = ipv4(&a.nic, Ipv4Addr::new(8, 8, 8, 8), B, 1, &echo(3));
    let foreign_mac = ipv4(&a.nic, A, B, 1, &echo(4)).with_source(spec.nics[2].mac);
    let random_mac = ipv4(&a.nic, A, B, 1, &echo(5)).with_source(MacAddr([2, 9, 9, 9, 9, 9]));
    let tagged = ipv4(&a.nic, A, B, 1, &echo(6)).tagged(5);
    let offer = ipv4(&a.nic, A, B, 17, &udp(67, 68, b"take this address"));
    let anonymous = ipv4(&a.nic, Ipv4Addr::UNSPECIFIED, B, 17, &udp(68, 67, b"x"));
    for bad in [foreign_ip, outside_ip, foreign_mac, random_mac, tagged, offer, anonymous] {
        a.send(&bad);
    }
    a.send(&good);
    // Frames keep their order, so the first that arrives shows that none of the others did.
    let (from, protocol, payload) =
        b.receive("the honest packet", |frame| parse_ipv4(frame).map(|(from, protocol, p)| (from, protocol, p.to_vec())));
    assert_eq!((from, protocol, &payload[4..6]), (A, 1, &[0, 1][..]));
}

#[test]
fn every_fragment_must_be_honest() {
    let lab = Lab::new();
    let spec = vpc(1, &[5, 6]);
    lab.applied(&host(std::slice::from_ref(&spec)));
    let (mut a, mut b) = (lab.raw(&spec, 0), lab.raw(&spec, 1));
    let whole = udp(1000, 2000, &[7; 32]);
    let (head, tail) = whole.split_at(24);
    // The second half of the first datagram claims another source: it is never put together.
    a.send(&fragment(&a.nic, A, B, head, 1, 0, true));
    a.send(&fragment(&a.nic, Ipv4Addr::new(10, 0, 0, 7), B, tail, 1, 24, false));
    a.send(&fragment(&a.nic, A, B, head, 2, 0, true));
    a.send(&fragment(&a.nic, A, B, tail, 2, 24, false));
    let id = b.receive("the honest datagram", |frame| {
        parse_ipv4(frame).filter(|(_, protocol, _)| *protocol == 17).map(|_| frame[18..20].to_vec())
    });
    assert_eq!(id, [0, 2]);
}

#[test]
fn ipv6_goes_nowhere_in_a_vpc_without_it() {
    let lab = Lab::new();
    let spec = vpc(1, &[5, 6]);
    lab.applied(&host(std::slice::from_ref(&spec)));
    let (mut a, mut b) = (lab.raw(&spec, 0), lab.raw(&spec, 1));
    // A router advertisement to all nodes.
    let all_nodes = MacAddr([0x33, 0x33, 0, 0, 0, 1]);
    let body =
        [&[0x60, 0, 0, 0, 0, 8, 58, 255][..], &[0xfe, 0x80], &[0; 13], &[5], &[0xff, 2], &[0; 13], &[1], &[134, 0, 0, 0, 0, 0, 0, 0]]
            .concat();
    a.send(&Frame { from: a.nic.mac, to: all_nodes, kind: 0x86dd, body });
    a.send(&ipv4(&a.nic, A, B, 1, &echo(1)));
    let kind = b.receive("a frame", |frame| Some(frame[12..14].to_vec()));
    assert_eq!(kind, [8, 0]);
}
