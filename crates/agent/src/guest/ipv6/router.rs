//! The router advertisement of a tap: who the router is, how large packets may be, and that addresses come from DHCPv6.
//!
//! It names no prefix: no address is on the link but the router's, so guests send everything to it and ask for no neighbour.

use std::net::Ipv6Addr;

use super::packet;
use crate::net::ROUTER_MAC;

/// Seconds that the router may be used for without another word of it (RFC 4861's default).
const LIFETIME: u16 = 1_800;
/// Hop limit that guests are to use (RFC 1700's, as everywhere).
const HOPS: u8 = 64;
/// Addresses, and whatever else there is, come from DHCPv6.
const MANAGED_AND_OTHER: u8 = 0xc0;

/// All nodes of a link.
const ALL: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);

/// The packet for an interface with this largest packet.
pub fn advertisement(mtu: u16) -> Vec<u8> {
    let body = [
        &[134, 0, 0, 0, HOPS, MANAGED_AND_OTHER][..],
        &LIFETIME.to_be_bytes(),
        &[0; 8],
        // Source link-layer address.
        &[1, 1],
        &ROUTER_MAC.0,
        // Largest packet.
        &[5, 1, 0, 0],
        &u32::from(mtu).to_be_bytes(),
    ];
    packet::icmp(ALL, body.concat())
}
