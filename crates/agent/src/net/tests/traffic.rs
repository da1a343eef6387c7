//! What public addresses carry is counted once, in both directions, also over a restart of the agent.

use std::net::Ipv4Addr;

use hostspec::AddressTraffic;
use model::Traffic;

use super::super::netns;
use super::lab::*;

const PUBLIC: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 9);
const MACHINE: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 1);
/// Bytes of an IPv4 and a UDP header.
const HEADERS: u64 = 28;

#[test]
fn a_public_address_counts_what_it_carries_and_nothing_else() {
    let mut lab = Lab::new();
    let mut spec = vpc(1, &[5, 6]);
    spec.nics[0].public_ip = Some(PUBLIC);
    let document = host(std::slice::from_ref(&spec));
    lab.applied(&document);
    let (guest, other) = (lab.guest(&spec, 0), lab.guest(&spec, 1));
    use std::os::fd::AsFd;
    let outside = netns::inside(lab.machine.as_fd(), || std::net::UdpSocket::bind((MACHINE, 7000))).unwrap();
    outside.set_read_timeout(Some(PATIENCE)).unwrap();
    let (inside, neighbour) = (guest.udp(), other.udp());
    let exchange = || {
        let mut buffer = [0; 2_000];
        for _ in 0..10 {
            inside.send_to(&[1; 1_000], (MACHINE, 7000)).unwrap();
            assert_eq!(outside.recv(&mut buffer).unwrap(), 1_000);
            inside.send_to(&[1; 1_000], (other.nic.ip, 5000)).unwrap();
            assert_eq!(neighbour.recv(&mut buffer).unwrap(), 1_000);
        }
        for _ in 0..5 {
            outside.send_to(&[1; 500], (PUBLIC, 5000)).unwrap();
            assert_eq!(inside.recv(&mut buffer).unwrap(), 500);
        }
    };
    let count = |lab: &Lab, minute: i64| {
        lab.runtime.block_on(lab.network().count(minute * 60_000)).unwrap();
        lab.network().take_traffic().map(|report| report.addresses)
    };
    let carried = |times: u64| {
        let (out, into) = (10 * times, 5 * times);
        let total = Traffic { out_packets: out, out_bytes: out * (1_000 + HEADERS), in_packets: into, in_bytes: into * (500 + HEADERS) };
        Some(vec![AddressTraffic { public: PUBLIC, since_ms: 60_000, total }])
    };
    assert_eq!(count(&lab, 1), Some(vec![]));
    exchange();
    assert_eq!(count(&lab, 1), None, "once a minute");
    assert_eq!(count(&lab, 2), carried(1));
    exchange();
    lab.kill();
    lab.start();
    assert_eq!(count(&lab, 3), None, "before it has looked an agent knows nothing");
    lab.applied(&document);
    assert_eq!(count(&lab, 4), carried(2));
    assert_eq!(count(&lab, 5), carried(2), "whole each time");
}
