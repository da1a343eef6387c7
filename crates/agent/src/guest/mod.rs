//! What the host answers to guests inside their VPC: DHCP, DNS and metadata.
//!
//! ```text
//!   HostSpec ─▶ Directory (one VPC) ─ watch ─▶ dhcp (udp 67)   dns (udp, tcp 53)   metadata (tcp 80)   ipv6 (frames)
//! ```
//!
//! Every answer comes from the newest [`Directory`]; there are no leases and no caches to lose, so an agent that starts again
//! answers as the one before. Sockets are opened inside the VPC's namespace. Who asks is told by the source address, which
//! the packet filter has already tied to the interface. Nothing here changes the network or knows the control plane.

mod bounds;
mod dhcp;
mod directory;
mod dns;
mod ipv6;
mod metadata;

#[cfg(test)]
pub(crate) mod fixture;

use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use model::InstanceId;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::UdpSocket;
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub use self::directory::{Directory, Index};
pub use self::ipv6::Service as Ipv6Service;
use self::metadata::Tokens;
use crate::net::inside;

/// Connections that wait to be accepted; a guest that opens more gets no answer to the rest until there is room.
const BACKLOG: i32 = 128;

/// What the services of every VPC share.
pub struct Guests {
    machine: OwnedFd,
    resolvers: Vec<SocketAddr>,
    tokens: Tokens,
    heard: Mutex<HashMap<InstanceId, SystemTime>>,
}

impl Guests {
    /// Prepares the services of a machine whose own namespace is `machine`. The key of metadata tokens is kept in `state`.
    pub fn new(machine: BorrowedFd<'_>, state: &Path, resolvers: Vec<SocketAddr>) -> io::Result<Guests> {
        Ok(Guests { machine: machine.try_clone_to_owned()?, resolvers, tokens: Tokens::open(state)?, heard: Mutex::default() })
    }

    /// Remembers that a guest asked for its metadata now.
    fn heard(&self, guest: InstanceId) {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).insert(guest, SystemTime::now());
    }

    /// When a guest last asked for its metadata.
    pub fn heard_at(&self, guest: InstanceId) -> Option<SystemTime> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).get(&guest).copied()
    }

    fn machine(&self) -> BorrowedFd<'_> {
        self.machine.as_fd()
    }
}

/// The services of one VPC. They end when this is dropped.
pub struct Services {
    tasks: Vec<JoinHandle<()>>,
}

impl Services {
    /// Opens the sockets inside the namespace and starts to answer. Must be called inside a Tokio runtime.
    pub fn start(namespace: BorrowedFd<'_>, directory: watch::Receiver<Arc<Directory>>, guests: Arc<Guests>) -> io::Result<Services> {
        let (dhcp, dns, dns_tcp, http) = inside(namespace, || Ok((datagram(67)?, datagram(53)?, stream(53)?, stream(80)?)))?;
        let dhcp = dhcp::Server::new(dhcp)?;
        let dns = dns::Server::new(dns, dns_tcp, directory.clone(), guests.clone())?;
        let http = metadata::Server::new(http, directory.clone(), guests)?;
        let tasks = vec![
            tokio::spawn(dhcp.run(directory)),
            tokio::spawn(dns.clone().run_udp()),
            tokio::spawn(dns.run_tcp()),
            tokio::spawn(http.run()),
        ];
        Ok(Services { tasks })
    }

    /// Whether every service still runs.
    pub fn alive(&self) -> bool {
        self.tasks.iter().all(|task| !task.is_finished())
    }

    /// Ends the services and waits until their sockets are closed.
    pub async fn stop(mut self) {
        for task in std::mem::take(&mut self.tasks) {
            task.abort();
            // Aborted on purpose: the error says only that.
            let _ = task.await;
        }
    }
}

impl Drop for Services {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

/// A UDP socket on every address that says which address and interface a datagram came to.
fn datagram(port: u16) -> io::Result<Socket> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM.cloexec().nonblocking(), Some(Protocol::UDP))?;
    socket.set_reuse_address(true)?;
    socket.set_broadcast(true)?;
    nix::sys::socket::setsockopt(&socket, nix::sys::socket::sockopt::Ipv4PacketInfo, &true)?;
    socket.bind(&SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)).into())?;
    Ok(socket)
}

fn stream(port: u16) -> io::Result<Socket> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM.cloexec().nonblocking(), Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.bind(&SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)).into())?;
    socket.listen(BACKLOG)?;
    Ok(socket)
}

/// A datagram as it came in.
struct Datagram {
    len: usize,
    from: SocketAddrV4,
    /// The address that it was sent to.
    to: Ipv4Addr,
    /// The interface that it came in on.
    interface: u32,
}

/// Receives one datagram; `WouldBlock` when there is none.
fn receive(socket: &UdpSocket, buffer: &mut [u8]) -> io::Result<Datagram> {
    use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrIn, recvmsg};
    use std::os::fd::AsRawFd;
    let mut control = nix::cmsg_space!(nix::libc::in_pktinfo);
    let mut parts = [io::IoSliceMut::new(buffer)];
    let message = recvmsg::<SockaddrIn>(socket.as_raw_fd(), &mut parts, Some(&mut control), MsgFlags::empty())?;
    let (mut to, mut interface) = (Ipv4Addr::UNSPECIFIED, 0);
    for control in message.cmsgs()? {
        if let ControlMessageOwned::Ipv4PacketInfo(info) = control {
            to = Ipv4Addr::from(u32::from_be(info.ipi_addr.s_addr));
            interface = u32::try_from(info.ipi_ifindex).unwrap_or(0);
        }
    }
    let from = message.address.ok_or_else(|| io::Error::other("a datagram without a sender"))?;
    Ok(Datagram { len: message.bytes, from: SocketAddrV4::new(from.ip(), from.port()), to, interface })
}

/// Sends one datagram from this address, and out of this interface unless it is 0.
fn send(socket: &UdpSocket, bytes: &[u8], to: SocketAddrV4, from: Ipv4Addr, interface: u32) -> io::Result<()> {
    use nix::sys::socket::{ControlMessage, MsgFlags, SockaddrIn, sendmsg};
    use std::os::fd::AsRawFd;
    let info = nix::libc::in_pktinfo {
        ipi_ifindex: interface as i32,
        ipi_spec_dst: nix::libc::in_addr { s_addr: u32::from(from).to_be() },
        ipi_addr: nix::libc::in_addr { s_addr: 0 },
    };
    let parts = [io::IoSlice::new(bytes)];
    let control = [ControlMessage::Ipv4PacketInfo(&info)];
    sendmsg(socket.as_raw_fd(), &parts, &control, MsgFlags::empty(), Some(&SockaddrIn::from(to)))?;
    Ok(())
}
