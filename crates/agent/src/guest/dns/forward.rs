//! Passes a question on to the machine's resolvers, from the machine's own namespace.
//!
//! Each try is a socket of its own on a port that the kernel picks and an id that nobody can guess; an answer counts only
//! when both and the question agree (RFC 5452). The answer's bytes go to the guest as they are, but for the id.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use hickory_proto::op::{Message, MessageType};
use tokio::net::{TcpSocket, UdpSocket};

use super::super::Guests;
use super::{Way, read_framed, write_framed};
use crate::net::inside;

/// How long one resolver may take: half of the five seconds that glibc waits for us, so that a second one can be tried.
const ANSWER_TIME: Duration = Duration::from_millis(2000);
/// Resolvers that are tried, as many as glibc takes from resolv.conf.
const MOST_RESOLVERS: usize = 3;

/// Asks the resolvers in order. None when none of them answered.
pub async fn ask(guests: &Guests, question: &[u8], way: Way) -> Option<Vec<u8>> {
    let asked = Message::from_vec(question).ok()?;
    for resolver in guests.resolvers.iter().take(MOST_RESOLVERS) {
        let one = async {
            match way {
                Way::Udp => by_udp(guests, *resolver, question, &asked).await,
                Way::Tcp => by_tcp(guests, *resolver, question, &asked).await,
            }
        };
        match tokio::time::timeout(ANSWER_TIME, one).await {
            Ok(Ok(answer)) => return Some(answer),
            Ok(Err(e)) => tracing::debug!(%resolver, error = %e, "a resolver could not be asked"),
            Err(_) => tracing::debug!(%resolver, "a resolver did not answer in time"),
        }
    }
    None
}

async fn by_udp(guests: &Guests, resolver: SocketAddr, question: &[u8], asked: &Message) -> io::Result<Vec<u8>> {
    let any: SocketAddr = match resolver {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = inside(guests.machine(), || {
        let socket = std::net::UdpSocket::bind(any)?;
        socket.set_nonblocking(true)?;
        Ok(socket)
    })?;
    let socket = UdpSocket::from_std(socket)?;
    socket.connect(resolver).await?;
    let (sent, id) = with_new_id(question)?;
    socket.send(&sent).await?;
    let mut buffer = vec![0; usize::from(u16::MAX)];
    loop {
        let len = socket.recv(&mut buffer).await?;
        if answers(&buffer[..len], id, asked) {
            return Ok(with_id(&buffer[..len], asked.metadata.id));
        }
    }
}

async fn by_tcp(guests: &Guests, resolver: SocketAddr, question: &[u8], asked: &Message) -> io::Result<Vec<u8>> {
    let socket = inside(guests.machine(), || if resolver.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() })?;
    let mut stream = socket.connect(resolver).await?;
    let (sent, id) = with_new_id(question)?;
    write_framed(&mut stream, &sent).await?;
    let answer = read_framed(&mut stream).await?.ok_or(io::ErrorKind::UnexpectedEof)?;
    if answers(&answer, id, asked) {
        Ok(with_id(&answer, asked.metadata.id))
    } else {
        Err(io::Error::other("the resolver answered another question"))
    }
}

fn with_new_id(question: &[u8]) -> io::Result<(Vec<u8>, u16)> {
    let mut id = [0; 2];
    getrandom::fill(&mut id).map_err(|e| io::Error::other(e.to_string()))?;
    let id = u16::from_ne_bytes(id);
    Ok((with_id(question, id), id))
}

/// The id is the first two bytes of a message (RFC 1035 §4.1.1).
fn with_id(message: &[u8], id: u16) -> Vec<u8> {
    let mut out = message.to_vec();
    if let Some(place) = out.first_chunk_mut::<2>() {
        *place = id.to_be_bytes();
    }
    out
}

fn answers(bytes: &[u8], id: u16, asked: &Message) -> bool {
    Message::from_vec(bytes).is_ok_and(|answer| {
        answer.metadata.id == id && answer.metadata.message_type == MessageType::Response && answer.queries == asked.queries
    })
}
