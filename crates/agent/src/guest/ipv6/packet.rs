//! The few packets of IPv6 that are read from and written to taps: solicitations of routers, and datagrams of DHCP.

use std::net::Ipv6Addr;

use nix::libc;
use socket2::SockFilter;

use crate::net::ROUTER_LOCAL;

/// Bytes of the header of IPv6, and of UDP.
const HEADER: usize = 40;
const UDP_HEADER: usize = 8;
/// Numbers of what may follow the header.
const UDP: u8 = 17;
const ICMP: u8 = 58;
/// A router solicitation (RFC 4861).
const SOLICITATION: u8 = 133;
/// Ports of DHCPv6 (RFC 8415).
const CLIENT_PORT: u16 = 546;
const SERVER_PORT: u16 = 547;

/// What a guest asks.
#[derive(Debug, PartialEq, Eq)]
pub enum Question<'m> {
    /// Who its router is.
    Router,
    /// Something of the DHCP server.
    Dhcp {
        /// The link-local address that the answer goes to.
        from: Ipv6Addr,
        /// The message.
        message: &'m [u8],
    },
}

/// Has the kernel hand over only packets that [`read`] knows: UDP to port 547 and ICMPv6 messages of type 133, without further headers.
pub fn filter() -> [SockFilter; 9] {
    let step = |code: u32, jt, jf, k| SockFilter::new(code as u16, jt, jf, k);
    let byte = |at| step(libc::BPF_LD | libc::BPF_B | libc::BPF_ABS, 0, 0, at);
    let word = |at| step(libc::BPF_LD | libc::BPF_H | libc::BPF_ABS, 0, 0, at);
    // Jumps count from the next step.
    let is = |value: u32, yes, no| step(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, yes, no, value);
    let take = |bytes| step(libc::BPF_RET | libc::BPF_K, 0, 0, bytes);
    [
        byte(6),
        is(UDP.into(), 0, 2),
        word(HEADER as u32 + 2),
        is(SERVER_PORT.into(), 3, 4),
        is(ICMP.into(), 0, 3),
        byte(HEADER as u32),
        is(SOLICITATION.into(), 0, 1),
        take(u32::from(u16::MAX)),
        take(0),
    ]
}

/// What a packet asks; none when it is malformed. A link-local sender is wanted for DHCP (RFC 8415, section 16), and the hop limit that
/// shows that a solicitation was not forwarded (RFC 4861, section 6.1.1).
pub fn read(packet: &[u8]) -> Option<Question<'_>> {
    let header = packet.first_chunk::<HEADER>()?;
    let length = usize::from(u16::from_be_bytes([header[4], header[5]]));
    let body = packet.get(HEADER..HEADER.checked_add(length)?)?;
    let from = Ipv6Addr::from(*header[8..].first_chunk::<16>()?);
    match header[6] {
        ICMP if body.len() >= 8 && body[..2] == [SOLICITATION, 0] && header[7] == 255 => Some(Question::Router),
        UDP => {
            let (udp, message) = body.split_at_checked(UDP_HEADER)?;
            let ports = [CLIENT_PORT.to_be_bytes(), SERVER_PORT.to_be_bytes()].concat();
            (udp[..4] == ports && from.is_unicast_link_local()).then_some(Question::Dhcp { from, message })
        }
        _ => None,
    }
}

/// A datagram of the server to a client.
pub fn datagram(to: Ipv6Addr, message: &[u8]) -> Vec<u8> {
    let len = ((UDP_HEADER + message.len()) as u16).to_be_bytes();
    let body = [&SERVER_PORT.to_be_bytes()[..], &CLIENT_PORT.to_be_bytes(), &len, &[0, 0], message].concat();
    write(UDP, to, body, 6)
}

/// A message of ICMPv6 from the router.
pub fn icmp(to: Ipv6Addr, body: Vec<u8>) -> Vec<u8> {
    write(ICMP, to, body, 2)
}

/// A packet from the router; the checksum of its body is filled in at this place.
fn write(protocol: u8, to: Ipv6Addr, mut body: Vec<u8>, checksum_at: usize) -> Vec<u8> {
    let len = body.len() as u16;
    let pseudo = [&ROUTER_LOCAL.octets()[..], &to.octets(), &u32::from(len).to_be_bytes(), &[0, 0, 0, protocol]].concat();
    // Zero would say that there is none.
    let sum = match checksum(&[&pseudo[..], &body].concat()) {
        0 => 0xffff,
        sum => sum,
    };
    body[checksum_at..checksum_at + 2].copy_from_slice(&sum.to_be_bytes());
    [&[0x60, 0, 0, 0][..], &len.to_be_bytes(), &[protocol, 255], &ROUTER_LOCAL.octets(), &to.octets(), &body].concat()
}

fn checksum(bytes: &[u8]) -> u16 {
    let mut sum: u32 = bytes.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0))).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GUEST: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 5);

    fn question(next: u8, hops: u8, from: Ipv6Addr, body: &[u8]) -> Vec<u8> {
        let all = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 2);
        [&[0x60, 0, 0, 0][..], &(body.len() as u16).to_be_bytes(), &[next, hops], &from.octets(), &all.octets(), body].concat()
    }

    #[test]
    fn only_whole_questions_of_the_link_are_read() {
        let solicitation = [133, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(read(&question(58, 255, GUEST, &solicitation)), Some(Question::Router));
        assert_eq!(read(&question(58, 64, GUEST, &solicitation)), None, "it was forwarded");
        assert_eq!(read(&question(58, 255, GUEST, &solicitation[..4])), None);
        let dhcp = [2, 34, 2, 35, 0, 10, 0, 0, 7, 7];
        assert_eq!(read(&question(17, 1, GUEST, &dhcp)), Some(Question::Dhcp { from: GUEST, message: &[7, 7] }));
        assert_eq!(read(&question(17, 1, "fd00::5".parse().unwrap(), &dhcp)), None);
        for cut in 0..50 {
            assert_eq!(read(&question(17, 1, GUEST, &dhcp)[..cut]), None, "{cut}");
        }
    }

    #[test]
    fn a_packet_adds_up() {
        let packet = datagram(GUEST, b"odd");
        let (head, body) = packet.split_at(HEADER);
        let pseudo = [&head[8..], &(body.len() as u32).to_be_bytes(), &[0, 0, 0, 17]].concat();
        assert_eq!(checksum(&[&pseudo[..], body].concat()), 0);
        assert_eq!(u16::from_be_bytes([head[4], head[5]]) as usize, body.len());
    }
}
