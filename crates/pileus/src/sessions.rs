//! Sessions: the WebSocket of a caller joined to a port of a guest that needs no public address.
//!
//! ```text
//!   GET /openTunnel?instanceId&remotePort, signed ─▶ policies, audit ─▶ host ─▶ guest
//!                        101 ◀──────────────────────────────────────────────────┘
//!   binary messages ◀══════════════════════ bytes ══════════════════════▶
//! ```
//!
//! The guest is reached before the caller is told so: a port that nobody answers is a refusal, not a session that ends.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

use crate::questions::GuestBytes;

/// The path of requests for sessions.
pub const PATH: &str = "/openTunnel";
/// Sessions at once on one server.
const SESSIONS_MAX: usize = 1_000;
/// A session's longest life, as with EC2's instance connect endpoints.
const SESSION_TIME: Duration = Duration::from_secs(3_600);
/// Largest message that is taken, and that is sent.
const MESSAGE_MAX: usize = 64 << 10;

/// What the places of sessions are taken from.
static PLACES: LazyLock<Arc<Semaphore>> = LazyLock::new(|| Arc::new(Semaphore::new(SESSIONS_MAX)));

/// A place for one more session; none when there are as many as there may be.
pub fn place() -> Option<OwnedSemaphorePermit> {
    PLACES.clone().try_acquire_owned().ok()
}

/// What the caller's handshake is answered with; none when it asks for no WebSocket.
pub fn accept_key(headers: &http::HeaderMap) -> Option<String> {
    let upgrade = headers.get("upgrade")?.to_str().ok()?;
    let key = headers.get("sec-websocket-key")?;
    upgrade.eq_ignore_ascii_case("websocket").then(|| derive_accept_key(key.as_bytes()))
}

/// Carries bytes until either end closes or the time is over.
pub async fn serve(upgraded: Upgraded, guest: Box<dyn GuestBytes>, place: OwnedSemaphorePermit) {
    let socket = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, Some(config())).await;
    if tokio::time::timeout(SESSION_TIME, carry(socket, guest)).await.is_err() {
        tracing::info!("a session was ended after its longest time");
    }
    drop(place);
}

/// Limits of one WebSocket.
pub fn config() -> WebSocketConfig {
    WebSocketConfig::default().max_message_size(Some(MESSAGE_MAX)).max_frame_size(Some(MESSAGE_MAX))
}

/// Copies messages to a stream and what comes from it to messages, until either ends.
pub async fn carry<S>(socket: WebSocketStream<S>, bytes: impl AsyncRead + AsyncWrite + Unpin)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (mut messages_out, mut messages_in) = socket.split();
    let (mut bytes_in, mut bytes_out) = tokio::io::split(bytes);
    let inward = async {
        while let Some(Ok(message)) = messages_in.next().await {
            match message {
                Message::Binary(part) => {
                    if bytes_out.write_all(&part).await.is_err() || bytes_out.flush().await.is_err() {
                        break;
                    }
                }
                Message::Ping(_) | Message::Pong(_) => {}
                Message::Text(_) | Message::Close(_) | Message::Frame(_) => break,
            }
        }
    };
    let outward = async {
        let mut buffer = vec![0; MESSAGE_MAX];
        while let Ok(length @ 1..) = bytes_in.read(&mut buffer).await {
            if messages_out.send(Message::Binary(Bytes::copy_from_slice(&buffer[..length]))).await.is_err() {
                return;
            }
        }
        // The other end may be gone already.
        let _ = messages_out.send(Message::Close(None)).await;
    };
    tokio::select! {
        () = inward => {}
        () = outward => {}
    }
}
