//! DNS for the guests of one VPC, over UDP and TCP: the VPC's own names are answered, every other question is passed on.
//!
//! ```text
//!   question ─▶ own name? ─ yes ─▶ answer (zone.rs)
//!                    └ no ─▶ a place free? ─▶ the machine's resolvers, one after another (forward.rs) ─▶ else SERVFAIL
//! ```

mod forward;
mod zone;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hickory_proto::op::{Message, MessageType, OpCode, ResponseCode};
use socket2::Socket;
use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::watch;

use super::bounds::Bounds;
use super::directory::Directory;
use super::{Guests, receive, send};

/// Questions of one guest that may be with a resolver at a time.
const QUESTIONS_EACH: usize = 64;
/// TCP connections that one guest may have open.
const CONNECTIONS_EACH: usize = 8;
/// How long a TCP client may be silent (RFC 7766 §6.2.3 asks for seconds).
const SILENCE: Duration = Duration::from_secs(10);
/// Largest question that is read from a datagram; questions are small, options make them some hundred bytes.
const MOST_BYTES: usize = 4096;
/// What a client that names no size takes (RFC 1035 §4.2.1).
const PLAIN_BYTES: usize = 512;

/// The DNS server of a VPC.
#[derive(Clone)]
pub struct Server {
    shared: Arc<Shared>,
}

struct Shared {
    udp: UdpSocket,
    tcp: TcpListener,
    directory: watch::Receiver<Arc<Directory>>,
    guests: Arc<Guests>,
    questions: Bounds,
    connections: Bounds,
}

/// How a question came, and so how a resolver is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Udp,
    Tcp,
}

impl Server {
    /// Takes the sockets that were opened in the VPC's namespace.
    pub fn new(udp: Socket, tcp: Socket, directory: watch::Receiver<Arc<Directory>>, guests: Arc<Guests>) -> io::Result<Server> {
        let udp = UdpSocket::from_std(udp.into())?;
        let tcp = TcpListener::from_std(tcp.into())?;
        let (questions, connections) = (Bounds::new(QUESTIONS_EACH), Bounds::new(CONNECTIONS_EACH));
        Ok(Server { shared: Arc::new(Shared { udp, tcp, directory, guests, questions, connections }) })
    }

    /// Answers datagrams until it is dropped.
    pub async fn run_udp(self) {
        let mut buffer = [0; MOST_BYTES];
        loop {
            let got = self.shared.udp.async_io(Interest::READABLE, || receive(&self.shared.udp, &mut buffer)).await;
            let datagram = match got {
                Ok(datagram) => datagram,
                Err(e) => {
                    tracing::debug!(error = %e, "a DNS question could not be received");
                    continue;
                }
            };
            let reply = |bytes: &[u8]| send(&self.shared.udp, bytes, datagram.from, datagram.to, 0);
            match self.shared.at_once(&buffer[..datagram.len], Way::Udp) {
                Asked::Nothing => {}
                Asked::Own(answer) => drop(reply(&answer)),
                Asked::Other(question) => {
                    let Some(place) = self.shared.questions.take(*datagram.from.ip()) else { continue };
                    let shared = self.shared.clone();
                    tokio::spawn(async move {
                        let answer = shared.pass_on(&question, Way::Udp).await;
                        // The guest asks again when an answer is lost.
                        drop(send(&shared.udp, &answer, datagram.from, datagram.to, 0));
                        drop(place);
                    });
                }
            }
        }
    }

    /// Answers connections until it is dropped.
    pub async fn run_tcp(self) {
        let mut open = tokio::task::JoinSet::new();
        loop {
            let accepted = tokio::select! {
                accepted = self.shared.tcp.accept() => accepted,
                Some(_) = open.join_next() => continue,
            };
            match accepted {
                Ok((stream, SocketAddr::V4(from))) => {
                    let Some(place) = self.shared.connections.take(*from.ip()) else { continue };
                    let shared = self.shared.clone();
                    open.spawn(async move {
                        if let Err(e) = shared.converse(stream, *from.ip()).await {
                            tracing::trace!(error = %e, "a DNS connection ended early");
                        }
                        drop(place);
                    });
                }
                Ok((_, SocketAddr::V6(_))) => {}
                Err(e) => {
                    tracing::debug!(error = %e, "a DNS connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
}

/// Pause after a failed accept, which mostly means that the process has no descriptors left.
pub(super) const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What is to be done about a question.
enum Asked {
    /// It is none.
    Nothing,
    /// It is answered at once.
    Own(Vec<u8>),
    /// It is for the resolvers, in these bytes.
    Other(Vec<u8>),
}

impl Shared {
    fn at_once(&self, bytes: &[u8], way: Way) -> Asked {
        let Ok(question) = Message::from_vec(bytes) else { return Asked::Nothing };
        if question.metadata.message_type != MessageType::Query {
            return Asked::Nothing;
        }
        let answer = match (question.metadata.op_code, question.queries.as_slice()) {
            (OpCode::Query, [query]) => {
                let newest = self.directory.borrow().clone();
                match zone::answer(&newest, query) {
                    zone::Answer::Elsewhere => return Asked::Other(bytes.to_vec()),
                    zone::Answer::Here(found) => found.message(&question),
                }
            }
            (OpCode::Query, _) => zone::refusal(&question, ResponseCode::FormErr),
            _ => zone::refusal(&question, ResponseCode::NotImp),
        };
        let most = match way {
            Way::Udp => usize::from(question.max_payload()).max(PLAIN_BYTES),
            Way::Tcp => usize::from(u16::MAX),
        };
        match answer.to_vec() {
            Ok(bytes) if bytes.len() > most => answer.truncate().to_vec().map_or(Asked::Nothing, Asked::Own),
            Ok(bytes) => Asked::Own(bytes),
            Err(e) => {
                tracing::debug!(error = %e, "a DNS answer could not be written");
                Asked::Nothing
            }
        }
    }

    async fn pass_on(&self, question: &[u8], way: Way) -> Vec<u8> {
        match forward::ask(&self.guests, question, way).await {
            Some(answer) => answer,
            None => failed(question),
        }
    }

    async fn converse(&self, mut stream: TcpStream, guest: Ipv4Addr) -> io::Result<()> {
        loop {
            let Some(bytes) = limited(read_framed(&mut stream)).await? else { return Ok(()) };
            let answer = match self.at_once(&bytes, Way::Tcp) {
                Asked::Nothing => return Ok(()),
                Asked::Own(answer) => answer,
                Asked::Other(question) => {
                    let Some(_place) = self.questions.take(guest) else { return Ok(()) };
                    self.pass_on(&question, Way::Tcp).await
                }
            };
            limited(write_framed(&mut stream, &answer)).await?;
        }
    }
}

/// The answer to a question that no resolver answered; empty when the question cannot be read, which was tried before.
fn failed(question: &[u8]) -> Vec<u8> {
    let Ok(asked) = Message::from_vec(question) else { return Vec::new() };
    zone::refusal(&asked, ResponseCode::ServFail).to_vec().unwrap_or_default()
}

async fn limited<T>(work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    tokio::time::timeout(SILENCE, work).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

/// Reads a message with its length before it (RFC 1035 §4.2.2); none at the end of the stream.
async fn read_framed(stream: &mut TcpStream) -> io::Result<Option<Vec<u8>>> {
    let mut len = [0; 2];
    match stream.read_exact(&mut len).await {
        Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        other => other?,
    };
    let mut bytes = vec![0; usize::from(u16::from_be_bytes(len))];
    stream.read_exact(&mut bytes).await?;
    Ok(Some(bytes))
}

async fn write_framed(stream: &mut TcpStream, bytes: &[u8]) -> io::Result<()> {
    let len = u16::try_from(bytes.len()).map_err(|_| io::Error::other("a DNS message has at most 65535 bytes"))?;
    stream.write_all(&[&len.to_be_bytes(), bytes].concat()).await
}
