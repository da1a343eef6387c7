//! Frames that the host sends by itself, past its own tables of routes and neighbours.

use std::io;
use std::os::fd::{AsFd, AsRawFd};

use model::MacAddr;
use nix::sys::socket::{LinkAddr, MsgFlags, SockaddrLike, sendto};
use socket2::Socket;

/// Sends what a frame carries out of a link of the socket's namespace, by its number, to a hardware address. `protocol` is the frame's
/// (`ETH_P_*`); the socket is one of packets without their hardware header (`AF_PACKET`, `SOCK_DGRAM`).
pub(crate) fn send(socket: &Socket, link: u32, protocol: u16, to: MacAddr, carried: &[u8]) -> io::Result<()> {
    let mut hardware = [0; 8];
    hardware[..6].copy_from_slice(&to.0);
    let to = nix::libc::sockaddr_ll {
        sll_family: nix::libc::AF_PACKET as u16,
        sll_protocol: protocol.to_be(),
        sll_ifindex: link as i32,
        sll_hatype: 0,
        sll_pkttype: 0,
        sll_halen: 6,
        sll_addr: hardware,
    };
    let len = size_of_val(&to) as u32;
    #[expect(unsafe_code, reason = "nix makes no link address of parts")]
    // SAFETY: `to` is an initialised `sockaddr_ll` of this length, and is copied.
    let to = unsafe { LinkAddr::from_raw((&raw const to).cast(), Some(len)) }.ok_or(io::ErrorKind::InvalidInput)?;
    sendto(socket.as_fd().as_raw_fd(), carried, &to, MsgFlags::empty())?;
    Ok(())
}
