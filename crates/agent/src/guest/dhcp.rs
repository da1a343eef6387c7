//! DHCP from the document: no leases, the same answer every time.
//!
//! ```text
//!   DISCOVER ─▶ OFFER    REQUEST ─▶ ACK, or NAK for another address    INFORM ─▶ ACK without an address
//!   RELEASE, DECLINE, anything from an interface or hardware address that is not in the document: nothing
//! ```
//!
//! Answers go to the guest's address by its permanent neighbour, so no raw socket is needed; a client that asks for a
//! broadcast (RFC 2131 §4.1) gets one on its own tap. The mask is the subnet's: proxy ARP answers for the neighbours.

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::AsRawFd;
use std::sync::Arc;

use dhcproto::v4::{DhcpOption, HType, Message, MessageType, Opcode, OptionCode};
use dhcproto::{Decodable, Decoder, Encodable, Encoder};
use model::MacAddr;
use socket2::Socket;
use tokio::io::Interest;
use tokio::net::UdpSocket;
use tokio::sync::watch;

use super::directory::{Directory, Guest};
use super::{Datagram, receive, send};
use crate::net::tap_name;

/// Seconds that an address is lent for. It never changes while the interface lives, so only a wrong clock is served by less.
const LEASE_SECONDS: u32 = 86_400;
/// Bytes of a message before its options, the cookie (RFC 2131, section 3) among them.
const MESSAGE_HEADER: usize = 240;
/// Options of a single byte: nothing, and the end.
const PAD: u8 = 0;
const END: u8 = 255;
/// The options of a request that are looked at, each with its bytes.
const LOOKED_AT: [(OptionCode, usize); 3] =
    [(OptionCode::MessageType, 1), (OptionCode::RequestedIpAddress, 4), (OptionCode::ServerIdentifier, 4)];
/// The least that a BOOTP client may expect (RFC 951); some refuse shorter answers.
const LEAST_BYTES: usize = 300;
/// Largest request that is looked at: an Ethernet frame.
const MOST_BYTES: usize = 1500;
const CLIENT_PORT: u16 = 68;

/// The DHCP server of a VPC.
pub struct Server {
    socket: UdpSocket,
}

/// What to send, and how.
#[derive(Debug, PartialEq, Eq)]
struct Reply {
    message: Message,
    to: Ipv4Addr,
    from: Ipv4Addr,
}

impl Server {
    /// Takes the socket that was opened in the VPC's namespace.
    pub fn new(socket: Socket) -> io::Result<Server> {
        Ok(Server { socket: UdpSocket::from_std(socket.into())? })
    }

    /// Answers until it is dropped.
    pub async fn run(self, directory: watch::Receiver<Arc<Directory>>) {
        let mut buffer = [0; MOST_BYTES];
        loop {
            let got = self.socket.async_io(Interest::READABLE, || receive(&self.socket, &mut buffer)).await;
            match got {
                Ok(datagram) => {
                    let newest = directory.borrow().clone();
                    if let Err(e) = self.answer(&newest, &buffer[..datagram.len], &datagram) {
                        tracing::debug!(error = %e, "a DHCP answer could not be sent");
                    }
                }
                Err(e) => tracing::debug!(error = %e, "a DHCP request could not be received"),
            }
        }
    }

    fn answer(&self, directory: &Directory, bytes: &[u8], datagram: &Datagram) -> io::Result<()> {
        let Some(request) = read(bytes) else { return Ok(()) };
        let Some(guest) = asker(directory, &request) else { return Ok(()) };
        // The hardware address inside the message is only a claim; the interface is not.
        if interface_name(&self.socket, datagram.interface)? != tap_name(guest.port.nic.id) {
            return Ok(());
        }
        let Some(reply) = reply(guest, &request) else { return Ok(()) };
        let mut bytes = Vec::with_capacity(LEAST_BYTES);
        reply.message.encode(&mut Encoder::new(&mut bytes)).map_err(io::Error::other)?;
        bytes.resize(bytes.len().max(LEAST_BYTES), 0);
        let interface = if reply.to == Ipv4Addr::BROADCAST { datagram.interface } else { 0 };
        send(&self.socket, &bytes, SocketAddrV4::new(reply.to, CLIENT_PORT), reply.from, interface)
    }
}

/// The request in these bytes, with only the options that are looked at; none when it is malformed. The library trusts the lengths of
/// some others and panics where they lie.
fn read(bytes: &[u8]) -> Option<Message> {
    let (head, mut options) = bytes.split_at_checked(MESSAGE_HEADER)?;
    let mut kept = head.to_vec();
    loop {
        let (code, length, rest) = match *options {
            [] | [END, ..] => break,
            [PAD, ref rest @ ..] => {
                options = rest;
                continue;
            }
            [code, length, ref rest @ ..] => (code, length, rest),
            [_] => return None,
        };
        let (option, rest) = rest.split_at_checked(length.into())?;
        let wanted = LOOKED_AT.iter().find(|(known, _)| u8::from(*known) == code);
        if let Some((_, right)) = wanted {
            if option.len() != *right {
                return None;
            }
            kept.extend([code, length]);
            kept.extend(option);
        }
        options = rest;
    }
    kept.push(END);
    Message::decode(&mut Decoder::new(&kept)).ok()
}

fn asker<'a>(directory: &'a Directory, request: &Message) -> Option<&'a Arc<Guest>> {
    let is_ethernet = request.opcode() == Opcode::BootRequest && request.htype() == HType::Eth && request.hlen() == 6;
    // Not a byte before the length is known: the library takes it as the message says it.
    let mac: [u8; 6] = if is_ethernet { request.chaddr().try_into().ok()? } else { return None };
    directory.guest_by_mac(MacAddr(mac))
}

fn reply(guest: &Guest, request: &Message) -> Option<Reply> {
    let (ip, gateway) = (guest.port.nic.ip, guest.port.subnet.gateway);
    let option_ip = |code| match request.opts().get(code) {
        Some(DhcpOption::RequestedIpAddress(ip) | DhcpOption::ServerIdentifier(ip)) => Some(*ip),
        _ => None,
    };
    let kind = match request.opts().msg_type()? {
        MessageType::Discover => MessageType::Offer,
        MessageType::Request => {
            if option_ip(OptionCode::ServerIdentifier).is_some_and(|server| server != gateway) {
                return None;
            }
            let asked = option_ip(OptionCode::RequestedIpAddress).unwrap_or(request.ciaddr());
            if asked == ip { MessageType::Ack } else { MessageType::Nak }
        }
        MessageType::Inform if request.ciaddr() == ip => return Some(answer(guest, request, MessageType::Ack, None)),
        _ => return None,
    };
    Some(answer(guest, request, kind, Some(ip)))
}

fn answer(guest: &Guest, request: &Message, kind: MessageType, lent: Option<Ipv4Addr>) -> Reply {
    let port = &guest.port;
    let (ip, gateway) = (port.nic.ip, port.subnet.gateway);
    let refused = kind == MessageType::Nak;
    let yours = lent.filter(|_| !refused).unwrap_or(Ipv4Addr::UNSPECIFIED);
    let kept = if refused { Ipv4Addr::UNSPECIFIED } else { request.ciaddr() };
    let mut message = Message::new_with_id(request.xid(), kept, yours, Ipv4Addr::UNSPECIFIED, Ipv4Addr::UNSPECIFIED, request.chaddr());
    message.set_opcode(Opcode::BootReply).set_htype(HType::Eth).set_flags(request.flags());
    let options = message.opts_mut();
    options.insert(DhcpOption::MessageType(kind));
    options.insert(DhcpOption::ServerIdentifier(gateway));
    if !refused {
        options.insert(DhcpOption::SubnetMask(port.subnet.range.netmask()));
        options.insert(DhcpOption::BroadcastAddr(port.subnet.range.broadcast()));
        options.insert(DhcpOption::Router(vec![gateway]));
        let own = &port.dhcp.dns_servers;
        options.insert(DhcpOption::DomainNameServer(if own.is_empty() { vec![gateway] } else { own.clone() }));
        options.insert(DhcpOption::InterfaceMtu(port.mtu));
        if !port.nic.hostname.is_empty() {
            options.insert(DhcpOption::Hostname(port.nic.hostname.clone()));
        }
        if !port.dhcp.ntp_servers.is_empty() {
            options.insert(DhcpOption::NtpServers(port.dhcp.ntp_servers.clone()));
        }
        if !port.dhcp.netbios_servers.is_empty() {
            options.insert(DhcpOption::NetBiosNameServers(port.dhcp.netbios_servers.clone()));
        }
        if let Some(node) = port.dhcp.netbios_node {
            options.insert(DhcpOption::NetBiosNodeType(node.number().into()));
        }
        let domain = port.dhcp.domain.as_ref().unwrap_or(&port.domain);
        if !domain.is_empty() {
            options.insert(DhcpOption::DomainName(domain.clone()));
        }
    }
    if lent.is_some() && !refused {
        options.insert(DhcpOption::AddressLeaseTime(LEASE_SECONDS));
        options.insert(DhcpOption::Renewal(LEASE_SECONDS / 2));
        options.insert(DhcpOption::Rebinding(LEASE_SECONDS / 8 * 7));
    }
    let has_address = request.ciaddr() == ip;
    let wants_broadcast = refused || request.flags().broadcast();
    let to = if wants_broadcast && !has_address || refused { Ipv4Addr::BROADCAST } else { ip };
    Reply { message, to, from: gateway }
}

/// The name of an interface by its number, in the namespace of the socket.
#[expect(unsafe_code, reason = "SIOCGIFNAME has no safe wrapper in nix")]
pub(super) fn interface_name(socket: &impl AsRawFd, number: u32) -> io::Result<String> {
    /// `struct ifreq` as `SIOCGIFNAME` reads it: a name, a number, and the rest of the union.
    #[repr(C)]
    struct Request {
        name: [u8; 16],
        number: i32,
        rest: [u8; 20],
    }
    let mut request = Request { name: [0; 16], number: number as i32, rest: [0; 20] };
    // SAFETY: the request has the size of `struct ifreq` and lives through the call, which writes the name into it.
    if unsafe { nix::libc::ioctl(socket.as_raw_fd(), nix::libc::SIOCGIFNAME, &mut request) } < 0 {
        return Err(io::Error::last_os_error());
    }
    let end = request.name.iter().position(|b| *b == 0).unwrap_or(request.name.len());
    Ok(String::from_utf8_lossy(&request.name[..end]).into_owned())
}

#[cfg(test)]
mod tests {
    use super::super::fixture;
    use super::*;
    use dhcproto::v4::Flags;

    fn ask(kind: MessageType, options: &[DhcpOption], flags: Flags) -> Option<Reply> {
        let directory = fixture::directory();
        let mac = fixture::MAC;
        let mut request = Message::default();
        request.set_chaddr(&mac.0).set_flags(flags);
        request.opts_mut().insert(DhcpOption::MessageType(kind));
        for option in options {
            request.opts_mut().insert(option.clone());
        }
        reply(asker(&directory, &request)?, &request)
    }

    #[test]
    fn a_guest_is_offered_its_own_address_and_how_to_use_it() {
        let reply = ask(MessageType::Discover, &[], Flags::default()).unwrap();
        assert_eq!(reply.message.opts().msg_type(), Some(MessageType::Offer));
        assert_eq!(reply.message.yiaddr(), fixture::IP);
        assert_eq!((reply.to, reply.from), (fixture::IP, fixture::GATEWAY));
        let option = |code| reply.message.opts().get(code).cloned();
        assert_eq!(option(OptionCode::Router), Some(DhcpOption::Router(vec![fixture::GATEWAY])));
        assert_eq!(option(OptionCode::SubnetMask), Some(DhcpOption::SubnetMask(Ipv4Addr::new(255, 255, 255, 0))));
        assert_eq!(option(OptionCode::InterfaceMtu), Some(DhcpOption::InterfaceMtu(1450)));
        assert_eq!(option(OptionCode::Hostname), Some(DhcpOption::Hostname("web".to_owned())));
    }

    #[test]
    fn a_vpc_may_have_name_servers_and_a_domain_of_its_own() {
        let told = |dhcp: &hostspec::DhcpOptions| {
            let directory = fixture::directory();
            let guest = directory.guest_by_mac(fixture::MAC).unwrap();
            let port = super::super::directory::Port { dhcp: dhcp.clone(), ..guest.port.clone() };
            let reply = answer(&Guest { port, machine: None }, &Message::default(), MessageType::Ack, Some(fixture::IP));
            [OptionCode::DomainNameServer, OptionCode::DomainName].map(|code| reply.message.opts().get(code).cloned().unwrap())
        };
        let usual = [DhcpOption::DomainNameServer(vec![fixture::GATEWAY]), DhcpOption::DomainName("vpc.internal".to_owned())];
        assert_eq!(told(&hostspec::DhcpOptions::default()), usual);
        let servers = vec![Ipv4Addr::new(10, 0, 0, 53), Ipv4Addr::new(10, 0, 0, 54)];
        let own = hostspec::DhcpOptions { domain: Some("corp.example".to_owned()), dns_servers: servers.clone(), ..Default::default() };
        assert_eq!(told(&own), [DhcpOption::DomainNameServer(servers), DhcpOption::DomainName("corp.example".to_owned())]);
    }

    #[test]
    fn a_hardware_address_that_is_longer_than_its_field_gets_no_answer() {
        let mut bytes = message();
        bytes[2] = 200;
        let request = read(&bytes).unwrap();
        assert!(asker(&fixture::directory(), &request).is_none());
    }

    /// The bytes of a whole question.
    fn message() -> Vec<u8> {
        let mut request = Message::default();
        request.set_chaddr(&fixture::MAC.0);
        request.opts_mut().insert(DhcpOption::MessageType(MessageType::Request));
        request.opts_mut().insert(DhcpOption::RequestedIpAddress(fixture::IP));
        request.opts_mut().insert(DhcpOption::Hostname("web".to_owned()));
        let mut bytes = Vec::new();
        request.encode(&mut Encoder::new(&mut bytes)).unwrap();
        bytes
    }

    proptest::proptest! {
        #![proptest_config(proptest::test_runner::Config::with_cases(2_000))]

        #[test]
        fn no_message_is_a_fault_of_the_server(
            changes in proptest::collection::vec((230_usize..280, proptest::prelude::any::<u8>()), 0..12),
            head in proptest::collection::vec((0_usize..44, proptest::prelude::any::<u8>()), 0..2),
            length in 230_usize..400,
        ) {
            let directory = fixture::directory();
            let mut bytes = message();
            for (at, byte) in changes.into_iter().chain(head) {
                let at = at % bytes.len();
                bytes[at] = byte;
            }
            bytes.truncate(length);
            if let Some(request) = read(&bytes)
                && let Some(guest) = asker(&directory, &request)
                && let Some(reply) = reply(guest, &request)
            {
                proptest::prop_assert!(reply.message.encode(&mut Encoder::new(&mut Vec::new())).is_ok());
            }
        }
    }

    #[test]
    fn a_request_for_another_address_is_refused_aloud() {
        let wrong = DhcpOption::RequestedIpAddress(Ipv4Addr::new(10, 0, 0, 77));
        let reply = ask(MessageType::Request, &[wrong], Flags::default()).unwrap();
        assert_eq!(reply.message.opts().msg_type(), Some(MessageType::Nak));
        assert_eq!(reply.to, Ipv4Addr::BROADCAST);
        assert_eq!(reply.message.yiaddr(), Ipv4Addr::UNSPECIFIED);
    }

    #[test]
    fn a_request_to_another_server_is_not_ours() {
        let other = DhcpOption::ServerIdentifier(Ipv4Addr::new(10, 0, 0, 9));
        let mine = DhcpOption::RequestedIpAddress(fixture::IP);
        assert_eq!(ask(MessageType::Request, &[other, mine], Flags::default()), None);
    }

    #[test]
    fn a_client_that_cannot_hear_its_address_yet_gets_a_broadcast() {
        let reply = ask(MessageType::Discover, &[], Flags::default().set_broadcast()).unwrap();
        assert_eq!(reply.to, Ipv4Addr::BROADCAST);
    }

    #[test]
    fn what_needs_no_answer_gets_none() {
        for kind in [MessageType::Release, MessageType::Decline, MessageType::Offer, MessageType::Ack] {
            assert_eq!(ask(kind, &[], Flags::default()), None, "{kind:?}");
        }
    }
}
