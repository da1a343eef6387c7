//! Fragments and tags: what a packet says is not hidden by how it is cut or wrapped.
//!
//! The guest that listens has a kernel, which puts together what arrives. Each attack carries a byte of its own all through.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use hostspec::*;
use model::SecurityGroupId;

use super::frames::*;
use super::ipv6::{address, configure, dual, rule6};
use super::lab::*;

const A: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 5);
const B: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 6);
const C: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 7);
const OPEN: u16 = 2000;
const CLOSED: u16 = 3000;
const UDP: u8 = 17;
const ICMP6: u8 = 58;
const DESTINATION_OPTIONS: u8 = 60;
/// A header of options for the destination that says nothing (RFC 8200), before this one.
const fn padding(next: u8) -> [u8; 8] {
    [next, 0, 1, 4, 0, 0, 0, 0]
}
/// Bytes in a row by which an attack is known.
const KNOWN_BY: usize = 8;
/// Ends each test: it is honest, whole, and behind everything else.
const HONEST: u8 = 0xee;

/// A VPC in which the second interface takes UDP at one port, of both versions of IP.
fn guarded() -> VpcSpec {
    let mut spec = dual(1, &[5, 6, 7]);
    let group = SecurityGroupId::from_u64(2);
    let only = ProtocolMatch::Udp { from: OPEN, to: OPEN };
    let rules = vec![rule(Direction::Ingress, Verdict::Accept, 1, only, "0.0.0.0/0"), rule6(Direction::Ingress, only, "::/0")];
    spec.nics[1].groups = vec![group];
    spec.groups.push(GroupSpec { id: group, rules, members: vec![B] });
    spec
}

/// A datagram of 32 bytes to a port, all of this byte, without the sum that IPv6 asks for.
fn datagram(from: u16, to: u16, byte: u8) -> Vec<u8> {
    udp(from, to, &[byte; 24])
}

struct Listener<'g> {
    guest: &'g Guest,
    open: UdpSocket,
    others: Vec<UdpSocket>,
}

impl Listener<'_> {
    /// Listens at the open port and at these others.
    fn at<'g>(guest: &'g Guest, ip: impl Into<std::net::IpAddr>, others: &[u16]) -> Listener<'g> {
        let ip = ip.into();
        let bind = |port: u16| guest.run(move || UdpSocket::bind(SocketAddr::from((ip, port)))).unwrap();
        let open = bind(OPEN);
        open.set_read_timeout(Some(PATIENCE)).unwrap();
        let others: Vec<UdpSocket> = others.iter().map(|port| bind(*port)).collect();
        others.iter().for_each(|socket| socket.set_nonblocking(true).unwrap());
        Listener { guest, open, others }
    }

    /// The bytes of the datagrams at the open port up to the honest one at the end; nothing came to the other ports.
    fn heard(&self) -> Vec<u8> {
        let mut heard = Vec::new();
        let mut buffer = [0; 2048];
        loop {
            let (length, _) = self.open.recv_from(&mut buffer).expect("the honest datagram comes");
            match buffer[length - 1] {
                HONEST => break,
                byte => heard.push(byte),
            }
        }
        for socket in &self.others {
            let more = socket.recv_from(&mut buffer).map(|(length, _)| buffer[..length].to_vec());
            assert_eq!(more.as_ref().map_err(|error| error.kind()), Err(ErrorKind::WouldBlock), "{more:02x?}");
        }
        heard
    }

    /// Whether any frame with this byte reached the guest, whole or in part.
    fn saw(&self, byte: u8) -> bool {
        self.guest.seen.lock().unwrap().iter().any(|frame| frame.windows(KNOWN_BY).any(|part| part == [byte; KNOWN_BY]))
    }
}

#[test]
fn fragments_of_ipv4_are_judged_as_the_whole() {
    let lab = Lab::new();
    let spec = guarded();
    lab.applied(&host(std::slice::from_ref(&spec)));
    let (mut a, b) = (lab.raw(&spec, 0), lab.guest(&spec, 1));
    let listener = Listener::at(&b, B, &[CLOSED, 68]);
    let nic = a.nic.clone();
    let cut = |from: Ipv4Addr, whole: &[u8], id: u16, (start, end): (usize, usize)| {
        fragment(&nic, from, B, &whole[start..end], id, start as u16, end < whole.len())
    };
    let [closed, tail_first, forged, late, server] = [0xa1, 0xa2, 0xa3, 0xa4, 0xa5];
    let (to_closed, to_closed_too) = (datagram(CLOSED, CLOSED, closed), datagram(CLOSED, CLOSED, tail_first));
    let good = datagram(OPEN, OPEN, 0xb1);
    let overlapped = datagram(OPEN, OPEN, forged);
    let frames = [
        // To a port that is closed, the ports first and last.
        cut(A, &to_closed, 1, (0, 8)),
        cut(A, &to_closed, 1, (8, 32)),
        cut(A, &to_closed_too, 2, (16, 32)),
        cut(A, &to_closed_too, 2, (8, 16)),
        cut(A, &to_closed_too, 2, (0, 8)),
        // The ports are said twice, the second time others.
        cut(A, &overlapped, 3, (0, 16)),
        fragment(&nic, A, B, &datagram(CLOSED, CLOSED, forged)[..8], 3, 0, true),
        cut(A, &overlapped, 3, (16, 32)),
        // A part that belongs to nothing.
        fragment(&nic, A, B, &[late; 16], 4, 24, false),
        // A part that says that it is somebody else's.
        cut(A, &good, 5, (0, 16)),
        cut(C, &good, 5, (16, 32)),
        // What a DHCP server says.
        fragment(&nic, A, B, &datagram(67, 68, server)[..8], 6, 0, true),
        fragment(&nic, A, B, &[server; 24], 6, 8, false),
        // Honest, in three parts out of order.
        cut(A, &good, 7, (16, 32)),
        cut(A, &good, 7, (0, 8)),
        cut(A, &good, 7, (8, 16)),
        ipv4(&nic, A, B, UDP, &datagram(OPEN, OPEN, HONEST)),
    ];
    frames.iter().for_each(|frame| a.send(frame));
    let heard = listener.heard();
    assert!(heard.contains(&0xb1) && heard.iter().all(|byte| [0xb1, forged].contains(byte)), "{heard:02x?}");
    for attack in [closed, tail_first, late, server] {
        assert!(!listener.saw(attack), "{attack:02x}");
    }
}

#[test]
fn fragments_of_ipv6_are_judged_as_the_whole() {
    let lab = Lab::new();
    let spec = guarded();
    lab.applied(&host(std::slice::from_ref(&spec)));
    let (mut a, b) = (lab.raw(&spec, 0), lab.guest(&spec, 1));
    configure(&b);
    let listener = Listener::at(&b, address(6), &[CLOSED]);
    let nic = a.nic.clone();
    let ends = (address(5), address(6));
    let cut = |from: Ipv6Addr, next: u8, whole: &[u8], id: u16, (start, end): (usize, usize)| {
        fragment6(&nic, (from, ends.1), next, &whole[start..end], id, start as u16, end < whole.len())
    };
    let [closed, hidden, overlap, late, atom] = [0xa1, 0xa2, 0xa3, 0xa4, 0xa5];
    let to_closed = datagram(CLOSED, CLOSED, closed);
    // The ports come in the second fragment (RFC 7112 asks that they do not).
    let behind = [&padding(UDP)[..], &datagram(CLOSED, CLOSED, hidden)].concat();
    let good = summed(datagram(OPEN, OPEN, 0xb1), ends);
    let frames = [
        cut(ends.0, UDP, &to_closed, 1, (0, 8)),
        cut(ends.0, UDP, &to_closed, 1, (8, 32)),
        cut(ends.0, DESTINATION_OPTIONS, &behind, 2, (0, 8)),
        cut(ends.0, DESTINATION_OPTIONS, &behind, 2, (8, 40)),
        // The ports are said twice, the second time others. Linux takes no notice of a part that it has.
        cut(ends.0, UDP, &summed(datagram(OPEN, OPEN, overlap), ends), 3, (0, 16)),
        fragment6(&nic, ends, UDP, &datagram(CLOSED, CLOSED, overlap)[..8], 3, 0, true),
        cut(ends.0, UDP, &summed(datagram(OPEN, OPEN, overlap), ends), 3, (16, 32)),
        fragment6(&nic, ends, UDP, &[late; 16], 4, 24, false),
        // A packet in one piece that says it is a fragment (RFC 6946).
        fragment6(&nic, ends, UDP, &datagram(CLOSED, CLOSED, atom), 5, 0, false),
        // A part that says that it is somebody else's.
        cut(ends.0, UDP, &good, 6, (0, 16)),
        cut(address(7), UDP, &good, 6, (16, 32)),
        // Honest, out of order.
        cut(ends.0, UDP, &good, 7, (16, 32)),
        cut(ends.0, UDP, &good, 7, (0, 16)),
        ipv6(&nic, ends.0, ends.1, UDP, &summed(datagram(OPEN, OPEN, HONEST), ends)),
    ];
    frames.iter().for_each(|frame| a.send(frame));
    let heard = listener.heard();
    assert!(heard.contains(&0xb1) && heard.iter().all(|byte| [0xb1, overlap].contains(byte)), "{heard:02x?}");
    for attack in [closed, hidden, late, atom] {
        assert!(!listener.saw(attack), "{attack:02x}");
    }
}

#[test]
fn what_is_the_routers_to_say_is_found_in_fragments_too() {
    let lab = Lab::new();
    // Groups let everything pass.
    let spec = dual(1, &[5, 6]);
    lab.applied(&host(std::slice::from_ref(&spec)));
    let (mut a, b) = (lab.raw(&spec, 0), lab.guest(&spec, 1));
    configure(&b);
    let ends = (address(5), address(6));
    let nic = a.nic.clone();
    let listener = Listener::at(&b, ends.1, &[]);
    let [server, advertisement, redirect] = [0xa1, 0xa2, 0xa3];
    let messages = [
        (UDP, summed(datagram(547, 546, server), ends)),
        (ICMP6, icmp6(ends.0, ends.1, 134, &[advertisement; 28])),
        (ICMP6, icmp6(ends.0, ends.1, 137, &[redirect; 36])),
    ];
    for (id, (next, message)) in messages.iter().enumerate() {
        let id = 10 * id as u16;
        let behind = [&padding(*next)[..], message].concat();
        // Whole behind another header; cut behind the ports or the type; with the ports or the type in the second part.
        a.send(&ipv6(&nic, ends.0, ends.1, DESTINATION_OPTIONS, &behind));
        a.send(&fragment6(&nic, ends, *next, &message[..8], id + 1, 0, true));
        a.send(&fragment6(&nic, ends, *next, &message[8..], id + 1, 8, false));
        a.send(&fragment6(&nic, ends, DESTINATION_OPTIONS, &behind[..8], id + 2, 0, true));
        a.send(&fragment6(&nic, ends, DESTINATION_OPTIONS, &behind[8..], id + 2, 8, false));
    }
    a.send(&ipv6(&nic, ends.0, ends.1, UDP, &summed(datagram(OPEN, OPEN, HONEST), ends)));
    assert_eq!(listener.heard(), Vec::<u8>::new());
    for said in [server, advertisement, redirect] {
        assert!(!listener.saw(said), "{said:02x}");
    }
}

#[test]
fn a_tagged_frame_goes_nowhere_whatever_it_carries() {
    let lab = Lab::new();
    let spec = dual(1, &[5, 6]);
    lab.applied(&host(std::slice::from_ref(&spec)));
    let (mut a, b) = (lab.raw(&spec, 0), lab.guest(&spec, 1));
    configure(&b);
    let listener = Listener::at(&b, address(6), &[]);
    let known = lab.in_vpc(&spec, "ip neigh; ip -6 neigh");
    let (v4, v6) = ((A, B), (address(5), address(6)));
    let nic = a.nic.clone();
    let service = |frame: Frame, kind: u16| Frame { kind, ..frame };
    let frames = |byte: u8| {
        let whole = datagram(OPEN, OPEN, byte);
        let parts = [&[byte; 16][..], &whole].concat();
        [
            ipv4(&nic, v4.0, v4.1, UDP, &whole),
            ipv6(&nic, v6.0, v6.1, UDP, &summed(whole.clone(), v6)),
            fragment(&nic, v4.0, v4.1, &parts[..24], u16::from(byte), 0, true),
            arp(2, nic.mac, nic.mac, B, A),
        ]
    };
    for (byte, vlan) in [(0xa1, 1), (0xa2, 5), (0xa3, 4095)] {
        for frame in frames(byte) {
            // One tag, a service provider's (IEEE 802.1ad), and one in the other.
            a.send(&frame.clone().tagged(vlan));
            a.send(&service(frame.clone().tagged(vlan), 0x88a8));
            a.send(&service(frame.tagged(7).tagged(vlan), 0x88a8));
        }
    }
    a.send(&ipv6(&nic, v6.0, v6.1, UDP, &summed(datagram(OPEN, OPEN, HONEST), v6)));
    assert_eq!(listener.heard(), Vec::<u8>::new());
    for byte in [0xa1, 0xa2, 0xa3] {
        assert!(!listener.saw(byte), "{byte:02x}");
    }
    assert_eq!(lab.in_vpc(&spec, "ip neigh; ip -6 neigh"), known);
}

/// The datagram with its sum, which a kernel asks for in IPv6.
fn summed(mut datagram: Vec<u8>, (from, to): (Ipv6Addr, Ipv6Addr)) -> Vec<u8> {
    let length = (datagram.len() as u32).to_be_bytes();
    let sum = checksum(&[&from.octets()[..], &to.octets(), &length, &[0, 0, 0, UDP], &datagram].concat());
    datagram[6..8].copy_from_slice(&sum.to_be_bytes());
    datagram
}
