//! The metadata service of a VPC: three clouds' addresses, one machine behind each asking address.
//!
//! ```text
//!   169.254.169.254  EC2      /2009-04-04 ... /latest/{meta-data,user-data,dynamic,api/token}
//!   100.100.100.200  Alibaba  /2016-01-01  /latest/...
//!   169.254.0.23     Tencent  /latest/meta-data/...
//!   all of them      ours     /latest/{vendor-data,pileus/password-hash}
//! ```
//!
//! This file owns the connections and their limits, `answer.rs` decides (pure), the others say what each cloud's tree holds.
//! A token's answer is sent with the hop limit as its time to live, so it dies in a container's bridge or a forwarded
//! connection; the connection is closed after it, since the limit belongs to the socket.

mod aliyun;
mod answer;
mod ec2;
mod role;
mod seed;
mod tencent;
mod token;
mod tree;

use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode, header};
use hyper_util::rt::{TokioIo, TokioTimer};
use socket2::Socket;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use self::answer::{Ask, Reply};
pub use self::token::Tokens;
use super::bounds::Bounds;
use super::directory::Directory;
use super::dns::ACCEPT_PAUSE;
use super::{Guests, directory};
use crate::net::{METADATA_ALIYUN, METADATA_EC2, METADATA_TENCENT};

/// Connections that one guest may have open: cloud-init uses one, a busy agent a few.
const CONNECTIONS_EACH: usize = 16;
/// How long a client may take over the head of a request.
const HEAD_TIME: Duration = Duration::from_secs(10);
/// How long a connection may last, however busy it is.
const CONNECTION_TIME: Duration = Duration::from_secs(120);
/// Largest head of a request in bytes; hyper takes no less than 8192.
const HEAD_BYTES: usize = 8192;

/// Whose metadata is asked for, told by the address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cloud {
    /// EC2's.
    Ec2,
    /// Alibaba Cloud's.
    Aliyun,
    /// Tencent Cloud's.
    Tencent,
}

impl Cloud {
    fn at(address: Ipv4Addr) -> Option<Cloud> {
        match address {
            METADATA_EC2 => Some(Cloud::Ec2),
            METADATA_ALIYUN => Some(Cloud::Aliyun),
            METADATA_TENCENT => Some(Cloud::Tencent),
            _ => None,
        }
    }
}

/// The metadata server of a VPC.
pub struct Server {
    listener: TcpListener,
    directory: watch::Receiver<Arc<Directory>>,
    guests: Arc<Guests>,
    connections: Bounds,
}

impl Server {
    /// Takes the socket that was opened in the VPC's namespace.
    pub fn new(socket: Socket, directory: watch::Receiver<Arc<Directory>>, guests: Arc<Guests>) -> io::Result<Server> {
        let listener = TcpListener::from_std(socket.into())?;
        Ok(Server { listener, directory, guests, connections: Bounds::new(CONNECTIONS_EACH) })
    }

    /// Answers until it is dropped.
    pub async fn run(self) {
        let mut open = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                Some(_) = open.join_next() => continue,
            };
            match accepted {
                Ok((stream, SocketAddr::V4(from))) => {
                    let Some(place) = self.connections.take(*from.ip()) else { continue };
                    let (directory, guests) = (self.directory.clone(), self.guests.clone());
                    open.spawn(async move {
                        if let Err(e) = serve(stream, *from.ip(), directory, guests).await {
                            tracing::trace!(error = %e, "a metadata connection ended early");
                        }
                        drop(place);
                    });
                }
                Ok((_, SocketAddr::V6(_))) => {}
                Err(e) => {
                    tracing::debug!(error = %e, "a metadata connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
}

async fn serve(stream: TcpStream, guest: Ipv4Addr, directory: watch::Receiver<Arc<Directory>>, guests: Arc<Guests>) -> io::Result<()> {
    let local = match stream.local_addr()? {
        SocketAddr::V4(local) => *local.ip(),
        SocketAddr::V6(_) => return Ok(()),
    };
    let Some(cloud) = Cloud::at(local) else { return Ok(()) };
    stream.set_nodelay(true)?;
    let hops = Arc::new(stream.as_fd().try_clone_to_owned()?);
    let service = service_fn(move |request: Request<Incoming>| {
        let newest = directory.borrow().clone();
        let reply = reply(cloud, guest, &newest, &guests, &request);
        let hops = hops.clone();
        async move { Ok::<_, Infallible>(respond(reply, &hops)) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .max_buf_size(HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), service);
    match tokio::time::timeout(CONNECTION_TIME, connection).await {
        Ok(result) => result.map_err(io::Error::other),
        Err(_) => Err(io::ErrorKind::TimedOut.into()),
    }
}

fn reply(cloud: Cloud, guest: Ipv4Addr, directory: &Directory, guests: &Guests, request: &Request<Incoming>) -> Reply {
    let Some(guest) = directory.guest(guest) else { return Reply::empty(StatusCode::NOT_FOUND) };
    let Some(machine) = &guest.machine else { return Reply::empty(StatusCode::NOT_FOUND) };
    guests.heard(machine.id);
    let text = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
    let ask = Ask {
        cloud,
        method: request.method().as_str(),
        path: request.uri().path(),
        token: text("x-aws-ec2-metadata-token").or_else(|| text("x-aliyun-ecs-metadata-token")),
        token_seconds: text("x-aws-ec2-metadata-token-ttl-seconds").or_else(|| text("x-aliyun-ecs-metadata-token-ttl-seconds")),
        forwarded: request.headers().contains_key("x-forwarded-for"),
        agent: text(header::USER_AGENT.as_str()).unwrap_or(""),
    };
    answer::answer(&ask, guest, machine, &guests.tokens, now())
}

/// Seconds since 1970.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

fn respond(reply: Reply, connection: &OwnedFd) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(reply.body));
    *response.status_mut() = reply.status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static(reply.content_type));
    headers.insert(header::SERVER, header::HeaderValue::from_static("EC2ws"));
    if let Some((name, seconds)) = reply.token_seconds {
        headers.insert(name, seconds.into());
    }
    if let Some(hops) = reply.hops {
        if let Err(e) = set_hops(connection.as_fd(), hops) {
            tracing::warn!(error = %e, "the hop limit of a token could not be set");
            return Response::builder()
                .status(StatusCode::INTERNAL_SERVER_ERROR)
                .body(Full::default())
                .expect("a response of a status and nothing else is well formed");
        }
        headers.insert(header::CONNECTION, header::HeaderValue::from_static("close"));
    }
    response
}

fn set_hops(connection: BorrowedFd<'_>, hops: u8) -> io::Result<()> {
    socket2::SockRef::from(&connection).set_ttl_v4(u32::from(hops))
}

/// The full host name of a machine by one of its interfaces.
fn full_name(port: &directory::Port, machine: &directory::Machine) -> String {
    directory::full_name(&machine.metadata.hostname, &port.domain)
}
