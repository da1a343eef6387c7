//! A million frames that a hostile guest might send: none but those that carry its own addresses reaches another guest.
//!
//! Honest frames are changed at random, from a seed. Each ends in a number, and a reader of its own says from the sent bytes whether
//! that frame may go anywhere; whatever the neighbours hear is looked up by its number.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use hostspec::NicSpec;
use nix::poll::{PollFd, PollFlags, poll};

use super::super::names::{ROUTER_LOCAL, ROUTER_MAC, link_local};
use super::frames::*;
use super::ipv6::{address, dual};
use super::lab::*;

const FRAMES: u32 = 1_000_000;
/// Every so many frames an unchanged one, which must arrive: the first of the seeds in turn.
const CONTROL: u32 = 1_000;
const CONTROLS: usize = 2;
const SEED: u64 = 0x5049_4c45_5553;
/// Tells what a host knows of its guests.
const KNOWN: &str = "ip neigh; ip -6 addr; ip route; ip -6 route";
/// Before the number at the end of each frame.
const MAGIC: [u8; 4] = *b"PiLe";
/// The header that a tap puts before each frame (`virtio_net_hdr`).
const HEADER: usize = 10;
const A: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 5);
const B: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 6);
const C: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 7);
const GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);

/// Numbers from a seed (xorshift64*, Vigna 2016).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }

    fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }
}

/// What the frames are made of: honest and dishonest ones of each kind.
fn seeds(nic: &NicSpec) -> Vec<Frame> {
    let payload = [0_u8; 24];
    let (own, theirs, all) = (address(5), address(6), Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1));
    let v6 = |from, to, next, body: &[u8]| ipv6(nic, from, to, next, body);
    // Headers between the packet's own and what it carries: for every hop, for the destination, of a route, of a fragment.
    let behind = |header: u8, next: u8, body: &[u8]| v6(own, theirs, header, &[&[next, 0, 0, 0, 0, 0, 0, 0][..], body].concat());
    // The number at the end of a frame must spoil nothing.
    let icmp = |from, to, kind, rest: &[u8]| v6(from, to, 58, &icmp6(from, to, kind, &[rest, &[0; 8]].concat()));
    let link = link_local(nic.mac);
    vec![
        // The two that are sent unchanged, too.
        ipv4(nic, A, B, 17, &udp(5000, 6000, &payload)),
        v6(own, theirs, 17, &udp(5000, 6000, &payload)),
        ipv4(nic, A, C, 17, &udp(5000, 6000, &payload)),
        ipv4(nic, A, B, 1, &echo(1)),
        ipv4(nic, A, B, 6, &[&[0x13, 0x88, 0, 80, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 2, 0xff, 0xff, 0, 0, 0, 0][..], &payload].concat()),
        // A DHCP server, and one that asks.
        ipv4(nic, A, Ipv4Addr::BROADCAST, 17, &udp(67, 68, &payload)),
        ipv4(nic, A, B, 17, &udp(67, 68, &payload)),
        ipv4(nic, Ipv4Addr::UNSPECIFIED, Ipv4Addr::BROADCAST, 17, &udp(68, 67, &payload)),
        fragment(nic, A, B, &udp(5000, 6000, &payload), 7, 0, true),
        fragment(nic, A, B, &payload, 7, 32, false),
        arp_request(nic.mac, nic.mac, A, GATEWAY),
        arp(2, nic.mac, nic.mac, B, A),
        arp(1, nic.mac, nic.mac, A, A),
        ipv4(nic, A, B, 17, &udp(5000, 6000, &payload)).tagged(7),
        v6(own, address(7), 17, &udp(5000, 6000, &payload)),
        icmp(own, theirs, 128, &[0, 1, 0, 1]),
        // Discovery of routers and neighbours: to everybody, and to one guest.
        icmp(link, all, 134, &[64, 0, 7, 8, 0, 0, 0, 0, 0, 0, 0, 0]),
        icmp(own, theirs, 134, &[64, 0, 7, 8, 0, 0, 0, 0, 0, 0, 0, 0]),
        icmp(own, theirs, 135, &[&[0; 4][..], &theirs.octets()].concat()),
        icmp(own, all, 136, &[&[0x20, 0, 0, 0][..], &theirs.octets(), &[2, 1], &nic.mac.0].concat()),
        icmp(own, theirs, 136, &[&[0x60, 0, 0, 0][..], &own.octets()].concat()),
        icmp(own, theirs, 137, &[0; 36]),
        // A server's answer to a DHCPv6 client, and a question to a server.
        v6(own, theirs, 17, &udp(547, 546, &payload)),
        v6(link, Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 1, 2), 17, &udp(546, 547, &payload)),
        behind(0, 17, &udp(5000, 6000, &payload)),
        behind(60, 17, &udp(547, 546, &payload)),
        behind(43, 17, &udp(5000, 6000, &payload)),
        behind(44, 17, &udp(547, 546, &payload)),
    ]
}

/// Changes a frame in one to four ways.
fn mutate(random: &mut Random, bytes: &mut Vec<u8>, nic: &NicSpec) {
    const ADDRESSES: [[u8; 4]; 7] = [[10, 0, 0, 5], [10, 0, 0, 6], [10, 0, 0, 7], [10, 0, 0, 1], [0, 0, 0, 0], [255; 4], [224, 0, 0, 1]];
    let addresses6 = [address(5), address(6), address(7), ROUTER_LOCAL, Ipv6Addr::UNSPECIFIED, Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1)];
    for _ in 0..=random.below(4) {
        let length = bytes.len();
        match random.below(12) {
            0 => bytes[random.below(length.min(64))] ^= 1 << random.below(8),
            1 => bytes[random.below(length)] = random.next() as u8,
            2 => bytes[6 + random.below(6)] = random.next() as u8,
            3 => bytes[6..12].copy_from_slice(&random.one(&[[0xff; 6], [0xee; 6], nic.mac.0, [2, 0, 0, 0, 0, 6]])),
            4 if length >= 30 => bytes[26..30].copy_from_slice(&random.one(&ADDRESSES)),
            5 if length >= 34 => bytes[30..34].copy_from_slice(&random.one(&ADDRESSES)),
            6 => bytes[12..14].copy_from_slice(&random.one(&[[8, 0], [8, 6], [0x86, 0xdd], [0x81, 0], [0x88, 0xa8], [0x88, 0x64]])),
            7 => bytes.truncate(14 + random.below(length - 13)),
            8 if length >= 38 => bytes[22..38].copy_from_slice(&random.one(&addresses6).octets()),
            9 if length >= 54 => bytes[38..54].copy_from_slice(&random.one(&addresses6).octets()),
            10 if length >= 21 => bytes[20] = random.one(&[0, 6, 17, 43, 44, 58, 60]),
            _ => {
                let tag = [0x81, 0, 0, random.next() as u8];
                bytes.splice(12..12, tag);
            }
        }
    }
    // A header whose sum is wrong is dropped for that alone.
    if bytes.len() >= 34 && bytes[12..14] == [8, 0] && random.below(4) != 0 {
        bytes[24..26].fill(0);
        let sum = checksum(&bytes[14..34]);
        bytes[24..26].copy_from_slice(&sum.to_be_bytes());
    }
}

/// Puts the sum of an ICMPv6 message right, without which connection tracking takes it for broken and looks no further.
fn mend(frame: &mut [u8]) {
    if frame.len() >= 58 && frame[12..14] == [0x86, 0xdd] && frame[20] == 58 {
        frame[56..58].fill(0);
        let length = ((frame.len() - 54) as u32).to_be_bytes();
        let sum = checksum(&[&frame[22..54], &length, &[0, 0, 0, 58], &frame[54..]].concat());
        frame[56..58].copy_from_slice(&sum.to_be_bytes());
    }
}

/// A frame without tags that name no VLAN but only a priority (IEEE 802.1Q, VID 0), which the kernel takes off.
fn untagged(frame: &[u8]) -> Vec<u8> {
    let mut frame = frame.to_vec();
    while frame.len() >= 18 && matches!(frame[12..14], [0x81, 0] | [0x88, 0xa8]) && (frame[14] & 0xf, frame[15]) == (0, 0) {
        frame.drain(12..16);
    }
    frame
}

/// Whether another guest may hear anything of a frame: it is IP outside of VLANs, with the sender's own hardware and IP address, and
/// neither a server's answer to a DHCP client nor neighbour discovery.
fn may_pass(frame: &[u8], nic: &NicSpec) -> bool {
    let frame = untagged(frame);
    if frame.len() < 14 || frame[6..12] != nic.mac.0 {
        return false;
    }
    match frame[12..14] {
        [8, 0] => may_pass_v4(&frame, nic),
        [0x86, 0xdd] => may_pass_v6(&frame, nic),
        _ => false,
    }
}

fn may_pass_v4(frame: &[u8], nic: &NicSpec) -> bool {
    let is_own = frame.len() >= 34 && frame[26..30] == nic.ip.octets();
    let header = 14 + usize::from(frame.get(14).copied().unwrap_or_default() & 0xf) * 4;
    let is_first = frame.len() >= 22 && u16::from_be_bytes([frame[20], frame[21]]) & 0x1fff == 0;
    let serves = is_own && is_first && frame[23] == 17 && frame.get(header..header + 4) == Some(&[0, 67, 0, 68]);
    is_own && frame[14] >> 4 == 4 && !serves
}

fn may_pass_v6(frame: &[u8], nic: &NicSpec) -> bool {
    let is_own = frame.len() >= 54 && nic.v6.iter().any(|ip| frame[22..38] == ip.octets());
    is_own && frame[14] >> 4 == 6 && !is_never_a_guests(frame[20], &frame[54..])
}

/// Whether what comes after these headers is a DHCPv6 server's answer or a message of neighbour discovery. What is malformed is neither.
fn is_never_a_guests(next: u8, rest: &[u8]) -> bool {
    match next {
        17 => rest.get(..4) == Some(&[0x02, 0x23, 0x02, 0x22]),
        58 => rest.first().is_some_and(|kind| (133..=137).contains(kind)),
        0 | 43 | 60 => {
            let length = 8 * (1 + usize::from(rest.get(1).copied().unwrap_or_default()));
            rest.get(length..).is_some_and(|behind| is_never_a_guests(rest[0], behind))
        }
        44 => rest.get(8..).is_some_and(|behind| rest[2] == 0 && rest[3] & 0xf8 == 0 && is_never_a_guests(rest[0], behind)),
        _ => false,
    }
}

/// Whether a frame that arrived says that it is from the sender.
fn is_from_sender(frame: &[u8]) -> bool {
    (frame[12..14] == [8, 0] && frame[26..30] == A.octets()) || (frame[12..14] == [0x86, 0xdd] && frame[22..38] == address(5).octets())
}

/// Whether a frame that arrived is the router's own word.
fn is_of_router(frame: &[u8]) -> bool {
    frame[6..14] == [&ROUTER_MAC.0[..], &[0x86, 0xdd]].concat() && frame[22..38] == ROUTER_LOCAL.octets()
}

/// Reads what arrives until told to end: the numbers, and every frame that is no packet from the sender at all.
fn listen(guest: &mut Raw, done: &AtomicBool, heard: &Mutex<Vec<u32>>, foreign: &Mutex<Vec<Vec<u8>>>, last: &AtomicU32) {
    let mut buffer = [0; 4096];
    while !done.load(Ordering::Relaxed) {
        let mut polled = [PollFd::new(std::os::fd::AsFd::as_fd(&guest.tap), PollFlags::POLLIN)];
        if poll(&mut polled, 20_u8).unwrap() == 0 {
            continue;
        }
        let length = guest.tap.read(&mut buffer).unwrap();
        let frame = &buffer[HEADER..length];
        let end = frame.windows(MAGIC.len()).rposition(|bytes| bytes == MAGIC);
        match end.and_then(|at| frame.get(at + 4..at + 8)) {
            Some(number) if is_from_sender(frame) => {
                let number = u32::from_be_bytes(number.try_into().unwrap());
                heard.lock().unwrap().push(number);
                last.fetch_max(number, Ordering::Relaxed);
            }
            // What a guest cut off has no number; it may come all the same when it says who sent it.
            None if is_from_sender(frame) || is_of_router(frame) => {}
            _ => foreign.lock().unwrap().push(frame.to_vec()),
        }
    }
}

#[test]
fn of_a_million_mutated_frames_none_passes_that_lies() {
    let lab = Lab::new();
    let spec = dual(1, &[5, 6, 7]);
    lab.applied(&host(std::slice::from_ref(&spec)));
    let (mut a, mut b, mut c) = (lab.raw(&spec, 0), lab.raw(&spec, 1), lab.raw(&spec, 2));
    let neighbours = lab.in_vpc(&spec, KNOWN);
    let (done, heard, foreign, last) = (AtomicBool::new(false), Mutex::new(vec![]), Mutex::new(vec![]), AtomicU32::new(0));
    let mut random = Random(SEED);
    let mut honest = vec![false; FRAMES as usize];
    let nic = a.nic.clone();
    let seeds = seeds(&nic);
    std::thread::scope(|scope| {
        for guest in [&mut b, &mut c] {
            scope.spawn(|| listen(guest, &done, &heard, &foreign, &last));
        }
        for number in 0..FRAMES {
            let is_control = number % CONTROL == CONTROL - 1;
            let seed = if is_control { (number / CONTROL) as usize % CONTROLS } else { random.below(seeds.len()) };
            let mut frame = seeds[seed].bytes();
            if !is_control {
                mutate(&mut random, &mut frame, &nic);
            }
            let end = [&MAGIC[..], &number.to_be_bytes()].concat();
            let room = end.len().min(frame.len() - 14);
            let at = frame.len() - room;
            frame[at..].copy_from_slice(&end[..room]);
            if random.below(4) != 0 {
                mend(&mut frame);
            }
            honest[number as usize] = may_pass(&frame, &nic);
            assert!(!is_control || honest[number as usize]);
            let mut header = [0; HEADER];
            if !is_control && random.below(16) == 0 {
                header.iter_mut().for_each(|byte| *byte = random.next() as u8);
            }
            // The kernel refuses some headers and frames that are too short.
            drop(a.tap.write_all(&[&header[..], &frame].concat()));
        }
        eventually("the last control arrives", || (last.load(Ordering::Relaxed) == FRAMES - 1).then_some(()));
        done.store(true, Ordering::Relaxed);
    });
    let heard = heard.into_inner().unwrap();
    let lies: Vec<&u32> = heard.iter().filter(|number| !honest.get(**number as usize).copied().unwrap_or_default()).collect();
    assert!(lies.is_empty(), "seed {SEED:#x}: {} frames that lie passed, the first of them number {}", lies.len(), lies[0]);
    let foreign = foreign.into_inner().unwrap();
    assert!(foreign.is_empty(), "seed {SEED:#x}: {} frames of nobody known, such as {:02x?}", foreign.len(), foreign[0]);
    for version in 0..CONTROLS {
        let is_one = |number: &&u32| *number % CONTROL == CONTROL - 1 && (*number / CONTROL) as usize % CONTROLS == version;
        let controls = heard.iter().filter(is_one).count() as u32;
        let sent = FRAMES / CONTROL / CONTROLS as u32;
        assert!(controls > sent / 2, "only {controls} of the unchanged frames of kind {version} came, so that the rest says little");
    }
    assert_eq!(lab.in_vpc(&spec, KNOWN), neighbours, "what the host knows of its guests is as before");
}
