//! Sessions: the WebSocket of a caller joined to a port of a guest that needs no public address.
//!
//! ```text
//!   GET /openTunnel?instanceId&remotePort, signed ─▶ policies, audit ─▶ host ─▶ guest
//!                        101 ◀──────────────────────────────────────────────────┘
//!   binary messages ◀══════════════════════ bytes ══════════════════════▶
//! ```
//!
//! The guest is reached before the caller is told so: a port that nobody answers is a refusal, not a session that ends.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use model::{AccountId, Error};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

use crate::questions::GuestBytes;

/// The path of requests for sessions.
pub const PATH: &str = "/openTunnel";
/// Sessions at once on one server.
const SESSIONS_MAX: usize = 1_000;
/// Sessions at once of one account on one server, so that none takes them from the others.
const SESSIONS_OF_ACCOUNT_MAX: usize = 100;
/// A session's longest life, as with EC2's instance connect endpoints.
const SESSION_TIME: Duration = Duration::from_secs(3_600);
/// Largest message that is taken, and that is sent.
const MESSAGE_MAX: usize = 64 << 10;

/// How many sessions each account has.
#[derive(Clone, Default)]
pub struct Sessions {
    open: Arc<Mutex<HashMap<AccountId, usize>>>,
}

/// The place of one session, free again when it is dropped.
pub struct Place {
    sessions: Sessions,
    account: AccountId,
}

impl Sessions {
    /// A place for one more session of an account. Refused when the account has as many as it may, Unavailable when all have.
    pub fn place(&self, account: AccountId) -> Result<Place, Error> {
        let mut open = self.lock();
        if open.values().sum::<usize>() >= SESSIONS_MAX {
            return Err(Error::Unavailable);
        }
        let count = open.entry(account).or_default();
        if *count >= SESSIONS_OF_ACCOUNT_MAX {
            let limit = SESSIONS_OF_ACCOUNT_MAX as u64;
            return Err(Error::LimitReached { name: "Session", what: "sessions at once".to_owned(), limit });
        }
        *count += 1;
        Ok(Place { sessions: self.clone(), account })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<AccountId, usize>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.sessions.lock();
        if let Some(count) = open.get_mut(&self.account) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.account);
            }
        }
    }
}

/// What the caller's handshake is answered with; none when it asks for no WebSocket.
pub fn accept_key(headers: &http::HeaderMap) -> Option<String> {
    let upgrade = headers.get("upgrade")?.to_str().ok()?;
    let key = headers.get("sec-websocket-key")?;
    upgrade.eq_ignore_ascii_case("websocket").then(|| derive_accept_key(key.as_bytes()))
}

/// Carries bytes until either end closes or the time is over.
pub async fn serve(upgraded: Upgraded, guest: Box<dyn GuestBytes>, place: Place) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_account_leaves_places_to_others_and_gives_its_own_back() {
        let sessions = Sessions::default();
        let account = |number| AccountId::from_u64(number).unwrap();
        let mut held: Vec<Place> = (0..SESSIONS_OF_ACCOUNT_MAX).map(|_| sessions.place(account(1)).unwrap()).collect();
        assert!(matches!(sessions.place(account(1)), Err(Error::LimitReached { .. })));
        let other = sessions.place(account(2)).unwrap();
        held.pop();
        held.push(sessions.place(account(1)).unwrap());
        drop((held, other));
        assert!(sessions.lock().is_empty());
        let all: Vec<Place> = (0..SESSIONS_MAX as u64).map(|n| sessions.place(account(n / 50 + 1)).unwrap()).collect();
        assert!(matches!(sessions.place(account(99)), Err(Error::Unavailable)));
        drop(all);
    }
}
