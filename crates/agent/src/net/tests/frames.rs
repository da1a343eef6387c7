//! Frames as a guest would put them on its wire, right or wrong.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use hostspec::NicSpec;
use model::MacAddr;

pub const BROADCAST: MacAddr = MacAddr([0xff; 6]);

/// A frame to be sent.
#[derive(Debug, Clone)]
pub struct Frame {
    pub from: MacAddr,
    pub to: MacAddr,
    pub kind: u16,
    pub body: Vec<u8>,
}

impl Frame {
    pub fn bytes(&self) -> Vec<u8> {
        [&self.to.0[..], &self.from.0[..], &self.kind.to_be_bytes()[..], &self.body[..]].concat()
    }

    /// The same frame with another source hardware address.
    pub fn with_source(mut self, mac: MacAddr) -> Frame {
        self.from = mac;
        self
    }

    /// The same frame with a VLAN tag.
    pub fn tagged(self, vlan: u16) -> Frame {
        let body = [&vlan.to_be_bytes()[..], &self.kind.to_be_bytes()[..], &self.body[..]].concat();
        Frame { kind: 0x8100, body, ..self }
    }
}

/// Who has `target`? as `sender` claims to be.
pub fn arp_request(mac: MacAddr, sender_mac: MacAddr, sender: Ipv4Addr, target: Ipv4Addr) -> Frame {
    arp(1, mac, sender_mac, sender, target)
}

pub fn arp(operation: u16, mac: MacAddr, sender_mac: MacAddr, sender: Ipv4Addr, target: Ipv4Addr) -> Frame {
    let head = [0, 1, 8, 0, 6, 4];
    let body = [&head[..], &operation.to_be_bytes(), &sender_mac.0, &sender.octets(), &[0; 6], &target.octets()].concat();
    Frame { from: mac, to: BROADCAST, kind: 0x0806, body }
}

/// Who answered that it has `target`.
pub fn arp_reply(frame: &[u8], target: Ipv4Addr) -> Option<MacAddr> {
    let is_reply = frame.get(12..14)? == [8, 6] && frame.get(20..22)? == [0, 2] && frame.get(28..32)? == target.octets();
    is_reply.then(|| MacAddr(frame[22..28].try_into().unwrap()))
}

/// An IPv4 packet in a frame to the router.
pub fn ipv4(nic: &NicSpec, from: Ipv4Addr, to: Ipv4Addr, protocol: u8, payload: &[u8]) -> Frame {
    let body = [&header(from, to, protocol, payload.len(), 0, 0x4000)[..], payload].concat();
    Frame { from: nic.mac, to: super::super::names::ROUTER_MAC, kind: 0x0800, body }
}

/// The same, as one fragment: `offset` in bytes, and whether more follow.
pub fn fragment(nic: &NicSpec, from: Ipv4Addr, to: Ipv4Addr, payload: &[u8], id: u16, offset: u16, more: bool) -> Frame {
    let flags = (offset / 8) | if more { 0x2000 } else { 0 };
    let body = [&header(from, to, 17, payload.len(), id, flags)[..], payload].concat();
    Frame { from: nic.mac, to: super::super::names::ROUTER_MAC, kind: 0x0800, body }
}

fn header(from: Ipv4Addr, to: Ipv4Addr, protocol: u8, len: usize, id: u16, flags: u16) -> Vec<u8> {
    let total = (20 + len) as u16;
    let mut out = [
        &[0x45, 0][..],
        &total.to_be_bytes(),
        &id.to_be_bytes(),
        &flags.to_be_bytes(),
        &[64, protocol, 0, 0],
        &from.octets(),
        &to.octets(),
    ]
    .concat();
    let sum = checksum(&out);
    out[10..12].copy_from_slice(&sum.to_be_bytes());
    out
}

pub fn checksum(bytes: &[u8]) -> u16 {
    let words = bytes.chunks(2).map(|c| u32::from(c[0]) << 8 | u32::from(*c.get(1).unwrap_or(&0)));
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

/// A UDP datagram without a checksum, which IPv4 allows.
pub fn udp(from: u16, to: u16, payload: &[u8]) -> Vec<u8> {
    let len = (8 + payload.len()) as u16;
    [&from.to_be_bytes()[..], &to.to_be_bytes(), &len.to_be_bytes(), &[0, 0], payload].concat()
}

/// An echo request.
pub fn echo(id: u16) -> Vec<u8> {
    let mut out = [&[8, 0, 0, 0][..], &id.to_be_bytes(), &[0, 1]].concat();
    let sum = checksum(&out);
    out[2..4].copy_from_slice(&sum.to_be_bytes());
    out
}

/// Source address, protocol and payload of an IPv4 packet.
pub fn parse_ipv4(frame: &[u8]) -> Option<(Ipv4Addr, u8, &[u8])> {
    if frame.get(12..14)? != [8, 0] {
        return None;
    }
    let from = <[u8; 4]>::try_from(frame.get(26..30)?).ok()?;
    Some((Ipv4Addr::from(from), frame[23], &frame[34..]))
}

/// The payload of a UDP datagram to this port, and who sent it.
pub fn parse_udp(frame: &[u8], port: u16) -> Option<(Ipv4Addr, Vec<u8>)> {
    let (from, protocol, payload) = parse_ipv4(frame)?;
    (protocol == 17 && payload.get(2..4)? == port.to_be_bytes()).then(|| (from, payload[8..].to_vec()))
}

/// A TCP segment with its checksum, without which connection tracking passes it over.
pub fn tcp(from: (impl Into<IpAddr>, u16), to: (impl Into<IpAddr>, u16), flags: u8) -> Vec<u8> {
    const SEQUENCE: [u8; 8] = [0, 0, 0, 1, 0, 0, 0, 2];
    let ports = [from.1.to_be_bytes(), to.1.to_be_bytes()].concat();
    let mut out = [&ports[..], &SEQUENCE, &[0x50, flags, 0x10, 0, 0, 0, 0, 0]].concat();
    let sum = checksum(&[pseudo(from.0.into(), to.0.into(), 6, out.len()), out.clone()].concat());
    out[16..18].copy_from_slice(&sum.to_be_bytes());
    out
}

/// A UDP datagram with its checksum, without which IPv6 passes it over.
pub fn udp6(from: (Ipv6Addr, u16), to: (Ipv6Addr, u16), payload: &[u8]) -> Vec<u8> {
    let mut out = udp(from.1, to.1, payload);
    let sum = checksum(&[pseudo(from.0.into(), to.0.into(), 17, out.len()), out.clone()].concat());
    // None is written as the other zero (RFC 768).
    out[6..8].copy_from_slice(&if sum == 0 { u16::MAX } else { sum }.to_be_bytes());
    out
}

/// What a checksum is over beside the bytes themselves (RFC 9293, RFC 8200).
fn pseudo(from: IpAddr, to: IpAddr, protocol: u8, len: usize) -> Vec<u8> {
    match (from, to) {
        (IpAddr::V4(from), IpAddr::V4(to)) => [&from.octets()[..], &to.octets(), &[0, protocol], &(len as u16).to_be_bytes()].concat(),
        (IpAddr::V6(from), IpAddr::V6(to)) => {
            [&from.octets()[..], &to.octets(), &(len as u32).to_be_bytes(), &[0, 0, 0, protocol]].concat()
        }
        ends => panic!("{ends:?} are of two versions"),
    }
}

/// The answer to an echo request.
pub fn echo_reply(id: u16) -> Vec<u8> {
    let mut out = [&[0, 0, 0, 0][..], &id.to_be_bytes(), &[0, 1]].concat();
    let sum = checksum(&out);
    out[2..4].copy_from_slice(&sum.to_be_bytes());
    out
}

/// An IPv6 packet in a frame to the router.
pub fn ipv6(nic: &NicSpec, from: Ipv6Addr, to: Ipv6Addr, next: u8, payload: &[u8]) -> Frame {
    let head = [&[0x60, 0, 0, 0][..], &(payload.len() as u16).to_be_bytes(), &[next, 255], &from.octets(), &to.octets()].concat();
    Frame { from: nic.mac, to: super::super::names::ROUTER_MAC, kind: 0x86dd, body: [head, payload.to_vec()].concat() }
}

/// The same, as one fragment: `offset` in bytes, whether more follow, and what the whole begins with.
pub fn fragment6(nic: &NicSpec, ends: (Ipv6Addr, Ipv6Addr), next: u8, payload: &[u8], id: u16, offset: u16, more: bool) -> Frame {
    let place = (offset | u16::from(more)).to_be_bytes();
    let header = [&[next, 0][..], &place, &[0, 0], &id.to_be_bytes()].concat();
    ipv6(nic, ends.0, ends.1, 44, &[&header[..], payload].concat())
}

/// A message of ICMPv6 with its checksum.
pub fn icmp6(from: Ipv6Addr, to: Ipv6Addr, kind: u8, rest: &[u8]) -> Vec<u8> {
    let mut out = [&[kind, 0, 0, 0][..], rest].concat();
    let sum = checksum(&[pseudo(from.into(), to.into(), 58, out.len()), out.clone()].concat());
    out[2..4].copy_from_slice(&sum.to_be_bytes());
    out
}

/// An echo request of IPv6.
pub fn echo6(from: Ipv6Addr, to: Ipv6Addr, id: u16) -> Vec<u8> {
    icmp6(from, to, 128, &[&id.to_be_bytes()[..], &[0, 1]].concat())
}

/// The answer to one.
pub fn echo6_reply(from: Ipv6Addr, to: Ipv6Addr, id: u16) -> Vec<u8> {
    icmp6(from, to, 129, &[&id.to_be_bytes()[..], &[0, 1]].concat())
}

/// A packet of either version in a frame to the router.
pub fn packet(nic: &NicSpec, from: IpAddr, to: IpAddr, protocol: u8, payload: &[u8]) -> Frame {
    match (from, to) {
        (IpAddr::V4(from), IpAddr::V4(to)) => ipv4(nic, from, to, protocol, payload),
        (IpAddr::V6(from), IpAddr::V6(to)) => ipv6(nic, from, to, protocol, payload),
        ends => panic!("{ends:?} are of two versions"),
    }
}

/// Both ends, protocol and payload of a packet of either version.
pub fn parse_packet(frame: &[u8]) -> Option<(IpAddr, IpAddr, u8, &[u8])> {
    if let Some((from, protocol, payload)) = parse_ipv4(frame) {
        let to = <[u8; 4]>::try_from(frame.get(30..34)?).ok()?;
        return Some((from.into(), to.into(), protocol, payload));
    }
    if frame.get(12..14)? != [0x86, 0xdd] {
        return None;
    }
    let end = |at: usize| Some(IpAddr::from(<[u8; 16]>::try_from(frame.get(at..at + 16)?).ok()?));
    Some((end(22)?, end(38)?, frame[20], frame.get(54..)?))
}
