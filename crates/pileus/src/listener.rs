//! The HTTP listener: bytes to [`wire::Request`] within limits, and the answer back.
//!
//! Accepts GET and POST, origin and absolute form, any Host header (clients of the three clouds send strange ones). Every
//! answer carries a request id, also in its headers.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::time::Duration;

use anyhow::{Context, Result};
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::api::Api;
use crate::questions::{GuestBytes, Hosts};
use crate::sessions::{self, Place};

/// Connections served at once; more wait in the kernel's queue.
const CONNECTIONS_MAX: u32 = 4_096;
/// Largest body: user data in every dialect stays far below.
const BODY_MAX: usize = wire::limits::MAX_BODY_BYTES;
/// How long a client may take to send its headers.
const HEADERS_WITHIN: Duration = Duration::from_secs(30);
/// How long a client may take to send its body.
const BODY_WITHIN: Duration = Duration::from_secs(30);
/// How long requests under way may take after the end was asked for.
const FAREWELL: Duration = Duration::from_secs(10);
/// Pause after a failed accept: descriptors may have run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Binds the API's address.
pub async fn bind(address: SocketAddr) -> Result<TcpListener> {
    let bound = TcpListener::bind(address).await;
    bound.with_context(|| format!("cannot listen on {address}; choose another address with --listen"))
}

/// Serves the API until `stop`.
pub async fn serve(listener: TcpListener, api: Api, hosts: Hosts, stop: CancellationToken) {
    let mut server = http1::Builder::new();
    server.timer(TokioTimer::new()).header_read_timeout(HEADERS_WITHIN);
    let places = std::sync::Arc::new(Semaphore::new(CONNECTIONS_MAX as usize));
    loop {
        let Ok(place) = places.clone().acquire_owned().await else { break };
        let (stream, peer) = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            },
            () = stop.cancelled() => break,
        };
        // Without this an answer in two segments waits for the client's delayed acknowledgement.
        let _ = stream.set_nodelay(true);
        let (api, hosts) = (api.clone(), hosts.clone());
        let service = service_fn(move |request| {
            let (api, hosts) = (api.clone(), hosts.clone());
            async move { Ok::<_, Infallible>(respond(&api, &hosts, request, peer.ip()).await) }
        });
        let (connection, stop) = (server.serve_connection(TokioIo::new(stream), service).with_upgrades(), stop.clone());
        tokio::spawn(async move {
            let mut connection = pin!(connection);
            let ended = tokio::select! {
                ended = connection.as_mut() => ended,
                () = stop.cancelled() => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            };
            if let Err(error) = ended {
                tracing::debug!(%error, "a connection ended");
            }
            drop(place);
        });
    }
    // When every place is free, every connection has ended.
    if tokio::time::timeout(FAREWELL, places.acquire_many(CONNECTIONS_MAX)).await.is_err() {
        tracing::warn!("some requests did not end in time");
    }
}

async fn respond(api: &Api, hosts: &Hosts, mut request: http::Request<Incoming>, source: IpAddr) -> http::Response<Full<Bytes>> {
    let started = std::time::Instant::now();
    let request_id = uuid::Uuid::new_v4().to_string();
    let wanted = (request.uri().path() == sessions::PATH).then(|| hyper::upgrade::on(&mut request));
    let handshake = sessions::accept_key(request.headers());
    let answer = match (read(request).await, wanted.zip(handshake)) {
        (Ok(request), Some((upgrade, key))) => match open_session(api, hosts, &request, source, &request_id).await {
            Ok((guest, place)) => {
                tokio::spawn(async move {
                    match upgrade.await {
                        Ok(upgraded) => sessions::serve(upgraded, guest, place).await,
                        Err(error) => tracing::debug!(%error, "a session's caller went away"),
                    }
                });
                http::Response::builder()
                    .status(http::StatusCode::SWITCHING_PROTOCOLS)
                    .header("connection", "upgrade")
                    .header("upgrade", "websocket")
                    .header("sec-websocket-accept", key)
                    .body(Full::new(Bytes::new()))
            }
            Err(reply) => written(reply),
        },
        (Ok(request), None) => written(api.answer(&request, source, &request_id).await),
        (Err((status, why)), _) => {
            http::Response::builder().status(status).header("content-type", "text/plain").body(Full::new(Bytes::from(why)))
        }
    };
    let mut answer = answer.unwrap_or_else(|_| {
        let mut plain = http::Response::new(Full::new(Bytes::new()));
        *plain.status_mut() = http::StatusCode::INTERNAL_SERVER_ERROR;
        plain
    });
    if let Ok(id) = http::HeaderValue::from_str(&request_id) {
        answer.headers_mut().insert("x-amzn-requestid", id.clone());
        answer.headers_mut().insert("x-acs-request-id", id);
    }
    let status = answer.status().as_u16();
    tracing::debug!(request = request_id, status, took_us = started.elapsed().as_micros() as u64, "answered");
    metrics::histogram!("pileus_request_seconds").record(started.elapsed().as_secs_f64());
    metrics::counter!("pileus_requests", "status" => status.to_string()).increment(1);
    answer
}

fn written(reply: wire::Reply) -> http::Result<http::Response<Full<Bytes>>> {
    let data = reply.data.unwrap_or_default();
    let plain = http::Response::builder().status(reply.status).header("content-type", reply.content_type);
    let head = data.headers.into_iter().fold(plain, |head, (name, value)| head.header(name, value));
    head.body(Full::new(data.bytes.map_or_else(|| Bytes::from(reply.body), Bytes::from)))
}

/// The bytes of the guest that a session is asked to, or the refusal.
async fn open_session(
    api: &Api,
    hosts: &Hosts,
    request: &wire::Request,
    source: IpAddr,
    request_id: &str,
) -> Result<(Box<dyn GuestBytes>, Place), wire::Reply> {
    let (target, place) = api.open_session(request, source, request_id).await?;
    let away = || ec2::refuse(&ec2::Refusal::Cloud(model::Error::Unavailable), None, request_id);
    let guest = hosts.session(&target).await.ok_or_else(away)?;
    Ok((guest, place))
}

/// Reads a request within its limits.
async fn read(request: http::Request<Incoming>) -> Result<wire::Request, (u16, String)> {
    let (head, body) = request.into_parts();
    let body = tokio::time::timeout(BODY_WITHIN, Limited::new(body, BODY_MAX).collect()).await;
    let body = body.map_err(|_| (408, "the body did not arrive in time\n".to_owned()))?;
    let body = body.map_err(|_| (413, format!("the body is larger than {BODY_MAX} bytes or broke off\n")))?.to_bytes();
    let header = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
        (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
    };
    let headers: Vec<_> = head.headers.iter().map(header).collect();
    wire::Request::new(head.method.as_str(), head.uri.to_string(), headers, body).map_err(|error| (400, format!("{error}\n")))
}
