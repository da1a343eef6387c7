//! What a guest needs to have IPv6: router advertisements and DHCPv6, answered at its tap.
//!
//! ```text
//!   frame of a tap ─ filter in the kernel ─▶ router solicitation ─▶ advertisement (router.rs)
//!                                         └▶ to UDP port 547     ─▶ DHCPv6 (dhcp.rs)
//! ```
//!
//! One socket for frames serves all taps of a VPC. Questions are read before the packet filter drops them, and answers go to the
//! hardware address that the tap belongs to: no neighbour is ever looked for, so no guest can fill the kernel's table of them,
//! whatever link-local addresses it makes up. Who asks is told by the tap and the frame's sender together, never by the message.

mod dhcp;
mod packet;
mod router;

use std::io;
use std::net::Ipv6Addr;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::sync::Arc;
use std::time::Duration;

use model::MacAddr;
use nix::sys::socket::{LinkAddr, recvfrom};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::unix::AsyncFd;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::dhcp::interface_name;
use super::directory::{Directory, Guest};
use crate::net::{inside, send_frame, tap_name};

/// Time between advertisements that nobody asked for, by which guests hear of IPv6 that came after they had started (RFC 4861 allows
/// 4 s to 1800 s).
const ADVERTISE_EVERY: Duration = Duration::from_secs(15);
/// Largest question that is looked at: an Ethernet frame.
const MOST_BYTES: usize = 1500;
/// `ETH_P_IPV6`.
const IPV6: u16 = 0x86dd;

/// The task that answers in one VPC. It ends when this is dropped.
pub struct Service {
    task: JoinHandle<()>,
}

impl Service {
    /// Opens the socket inside the namespace and starts to answer. Must be called inside a Tokio runtime.
    pub fn start(namespace: BorrowedFd<'_>, directory: watch::Receiver<Arc<Directory>>) -> io::Result<Service> {
        let socket = inside(namespace, open)?;
        #[expect(unsafe_code, reason = "what is registered must keep its descriptor")]
        // SAFETY: the socket owns its descriptor, which is the same for as long as it lives; nothing replaces it in the guard.
        let socket = unsafe { AsyncFd::register(socket) }?;
        Ok(Service { task: tokio::spawn(run(socket, directory)) })
    }

    /// Whether it still runs.
    pub fn is_alive(&self) -> bool {
        !self.task.is_finished()
    }

    /// Ends it and waits until its socket is closed.
    pub async fn stop(mut self) {
        self.task.abort();
        // Aborted on purpose: the error says only that.
        let _ = (&mut self.task).await;
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A socket for packets of IPv6 that the filter lets through, of every link of the namespace.
fn open() -> io::Result<Socket> {
    let protocol = Protocol::from(i32::from(IPV6.to_be()));
    let socket = Socket::new(Domain::PACKET, Type::DGRAM.cloexec().nonblocking(), Some(protocol))?;
    socket.attach_filter(&packet::filter())?;
    Ok(socket)
}

async fn run(socket: AsyncFd<Socket>, mut directory: watch::Receiver<Arc<Directory>>) {
    let mut told: Vec<(MacAddr, Vec<Ipv6Addr>)> = Vec::new();
    let mut timer = tokio::time::interval(ADVERTISE_EVERY);
    let mut buffer = [0; MOST_BYTES];
    loop {
        tokio::select! {
            _ = timer.tick() => advertise(socket.get_ref(), &directory.borrow().clone()),
            changed = directory.changed() => {
                if changed.is_err() {
                    return;
                }
                let newest = directory.borrow_and_update().clone();
                let mut known: Vec<_> = newest.guests_with_v6().map(|guest| (guest.port.nic.mac, guest.port.nic.v6.clone())).collect();
                known.sort();
                if known != told {
                    told = known;
                    advertise(socket.get_ref(), &newest);
                }
            }
            got = socket.async_io(tokio::io::Interest::READABLE, |socket| Ok(recvfrom::<LinkAddr>(socket.as_raw_fd(), &mut buffer)?)) => {
                match got {
                    Ok((len, Some(from))) => {
                        let newest = directory.borrow().clone();
                        if let Err(e) = answer(socket.get_ref(), &newest, &buffer[..len], &from) {
                            tracing::debug!(error = %e, "an answer to a guest's IPv6 could not be sent");
                        }
                    }
                    Ok((_, None)) => {}
                    Err(e) => tracing::debug!(error = %e, "a guest's IPv6 question could not be received"),
                }
            }
        }
    }
}

/// Tells every guest with IPv6 who its router is. A tap that is not there yet is told by the next round.
fn advertise(socket: &Socket, directory: &Directory) {
    for guest in directory.guests_with_v6() {
        if let Ok(link) = number_of(&tap_name(guest.port.nic.id), socket)
            && let Err(e) = send(socket, link, guest, &router::advertisement(guest.port.mtu))
        {
            tracing::debug!(error = %e, "a router advertisement could not be sent");
        }
    }
}

fn answer(socket: &Socket, directory: &Directory, bytes: &[u8], from: &LinkAddr) -> io::Result<()> {
    let link = u32::try_from(from.ifindex()).unwrap_or(0);
    let Some(guest) = from.addr().and_then(|mac| directory.guest_by_mac(MacAddr(mac))).filter(|guest| !guest.port.nic.v6.is_empty()) else {
        return Ok(());
    };
    if interface_name(socket, link)? != tap_name(guest.port.nic.id) {
        return Ok(());
    }
    match packet::read(bytes) {
        Some(packet::Question::Router) => send(socket, link, guest, &router::advertisement(guest.port.mtu)),
        Some(packet::Question::Dhcp { from, message }) => match dhcp::reply(guest, message) {
            Some(reply) => send(socket, link, guest, &packet::datagram(from, &reply)),
            None => Ok(()),
        },
        None => Ok(()),
    }
}

/// Sends a packet out of a link to a guest's hardware address.
fn send(socket: &Socket, link: u32, guest: &Guest, packet: &[u8]) -> io::Result<()> {
    send_frame(socket, link, IPV6, guest.port.nic.mac, packet)
}

/// The number of a link by its name, in the namespace of the socket.
#[expect(unsafe_code, reason = "SIOCGIFINDEX has no safe wrapper in nix")]
fn number_of(name: &str, socket: &Socket) -> io::Result<u32> {
    /// `struct ifreq` as `SIOCGIFINDEX` reads it: a name, a number, and the rest of the union.
    #[repr(C)]
    struct Request {
        name: [u8; 16],
        number: i32,
        rest: [u8; 20],
    }
    let mut request = Request { name: [0; 16], number: 0, rest: [0; 20] };
    request.name.get_mut(..name.len()).ok_or(io::ErrorKind::InvalidInput)?.copy_from_slice(name.as_bytes());
    // SAFETY: the request has the size of `struct ifreq` and lives through the call, which writes the number into it.
    if unsafe { nix::libc::ioctl(socket.as_raw_fd(), nix::libc::SIOCGIFINDEX, &mut request) } < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(request.number as u32)
}
