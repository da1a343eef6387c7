//! The handshake: fixed newstyle, from greeting to an open image.
//!
//! A client has [`HANDSHAKE`] and [`MAX_OPTIONS`] to get through it; what it sends is bounded before it is read.

use super::exports::Exports;
use super::protocol::{
    ALLOCATION, ALLOCATION_ID, Frame, MAGIC, OPTION_MAGIC, TRANSMISSION_FLAGS, export_info, handshake_flag, option, option_reply,
};
use crate::ImageReader;
use bytes::{Buf, BufMut, BytesMut};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};

/// How long a handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// Options in one handshake; QEMU sends three or four.
const MAX_OPTIONS: usize = 32;

/// Longest option in bytes; the longest sensible one is a name and a query of 4 KiB each.
const MAX_OPTION_BYTES: u32 = 16 << 10;

/// Bytes that a client may send ahead of being answered.
const READ_BUFFER: usize = 8 << 10;

/// A client that has an image.
pub(super) struct Session {
    pub(super) reader: Arc<ImageReader>,
    pub(super) from: BufReader<OwnedReadHalf>,
    pub(super) to: OwnedWriteHalf,
    /// Reads are answered in parts.
    pub(super) structured: bool,
    /// The client may ask which parts are allocated.
    pub(super) allocation: bool,
}

/// Why a handshake ended without an image.
#[derive(Debug, thiserror::Error)]
pub(super) enum HandshakeError {
    #[error("the connection failed")]
    Io(#[from] io::Error),
    #[error("the client broke the protocol: {0}")]
    Protocol(&'static str),
    #[error("the client took too long")]
    TimedOut,
}

/// Brings a client to an image; `None` if it goes away in order.
pub(super) async fn negotiate(stream: UnixStream, exports: &Exports) -> Result<Option<Session>, HandshakeError> {
    let (from, to) = stream.into_split();
    let from = BufReader::with_capacity(READ_BUFFER, from);
    let client = Client { from, to, exports, structured: false, allocation_of: None, zeroes: true };
    tokio::time::timeout(HANDSHAKE, client.run()).await.unwrap_or(Err(HandshakeError::TimedOut))
}

struct Client<'a> {
    from: BufReader<OwnedReadHalf>,
    to: OwnedWriteHalf,
    exports: &'a Exports,
    structured: bool,
    /// The export for which the client has chosen the metadata context.
    allocation_of: Option<String>,
    /// The client wants 124 zeroes after an export without options.
    zeroes: bool,
}

/// What follows an option.
enum Next {
    Option,
    Leave,
    Transmit(Arc<ImageReader>, String),
}

impl Client<'_> {
    async fn run(mut self) -> Result<Option<Session>, HandshakeError> {
        self.greet().await?;
        for _ in 0..MAX_OPTIONS {
            let (kind, payload) = self.read_option().await?;
            match self.answer(kind, payload).await? {
                Next::Option => {}
                Next::Leave => return Ok(None),
                Next::Transmit(reader, name) => {
                    let allocation = self.allocation_of == Some(name);
                    return Ok(Some(Session { reader, from: self.from, to: self.to, structured: self.structured, allocation }));
                }
            }
        }
        Err(HandshakeError::Protocol("too many options"))
    }

    async fn greet(&mut self) -> Result<(), HandshakeError> {
        let mut greeting = BytesMut::new();
        greeting.put_u64(MAGIC);
        greeting.put_u64(OPTION_MAGIC);
        greeting.put_u16(handshake_flag::FIXED_NEWSTYLE | handshake_flag::NO_ZEROES);
        self.to.write_all(&greeting).await?;
        let flags = self.from.read_u32().await?;
        let known = u32::from(handshake_flag::FIXED_NEWSTYLE | handshake_flag::NO_ZEROES);
        if flags & !known != 0 || flags & u32::from(handshake_flag::FIXED_NEWSTYLE) == 0 {
            return Err(HandshakeError::Protocol("handshake flags"));
        }
        self.zeroes = flags & u32::from(handshake_flag::NO_ZEROES) == 0;
        Ok(())
    }

    async fn read_option(&mut self) -> Result<(u32, Vec<u8>), HandshakeError> {
        if self.from.read_u64().await? != OPTION_MAGIC {
            return Err(HandshakeError::Protocol("magic of an option"));
        }
        let kind = self.from.read_u32().await?;
        let length = self.from.read_u32().await?;
        if length > MAX_OPTION_BYTES {
            return Err(HandshakeError::Protocol("an option too long"));
        }
        let mut payload = vec![0; length as usize];
        self.from.read_exact(&mut payload).await?;
        Ok((kind, payload))
    }

    async fn answer(&mut self, kind: u32, payload: Vec<u8>) -> Result<Next, HandshakeError> {
        match kind {
            option::EXPORT_NAME => self.export_name(payload).await,
            option::ABORT => self.reply(kind, option_reply::ACK, &[]).await.map(|_| Next::Leave),
            // Names are secrets: who knows one may read the image.
            option::LIST => self.reply(kind, option_reply::POLICY, b"exports are not listed").await,
            option::INFO | option::GO => self.go(kind, &payload).await,
            option::STRUCTURED_REPLY if payload.is_empty() => {
                self.structured = true;
                self.reply(kind, option_reply::ACK, &[]).await
            }
            option::STRUCTURED_REPLY => self.reply(kind, option_reply::INVALID, &[]).await,
            option::LIST_META_CONTEXT | option::SET_META_CONTEXT => self.meta_context(kind, &payload).await,
            _ => self.reply(kind, option_reply::UNSUPPORTED, &[]).await,
        }
    }

    async fn reply(&mut self, option: u32, kind: u32, payload: &[u8]) -> Result<Next, HandshakeError> {
        self.to.write_all(&Frame::option_reply(option, kind, payload).head).await?;
        Ok(Next::Option)
    }

    /// The way of old: there is no answer for an unknown name but hanging up.
    async fn export_name(&mut self, payload: Vec<u8>) -> Result<Next, HandshakeError> {
        let name = String::from_utf8(payload).map_err(|_| HandshakeError::Protocol("a name that is no text"))?;
        let Some(reader) = self.exports.open(&name).await else { return Ok(Next::Leave) };
        let mut reply = BytesMut::new();
        reply.put_u64(reader.size_bytes());
        reply.put_u16(TRANSMISSION_FLAGS);
        if self.zeroes {
            reply.put_bytes(0, 124);
        }
        self.to.write_all(&reply).await?;
        Ok(Next::Transmit(reader, name))
    }

    async fn go(&mut self, kind: u32, mut payload: &[u8]) -> Result<Next, HandshakeError> {
        // What follows the name are the facts that the client wants; it gets all that there are.
        let Some(name) = take_text(&mut payload) else { return self.reply(kind, option_reply::INVALID, &[]).await };
        let Some(reader) = self.exports.open(&name).await else {
            return self.reply(kind, option_reply::UNKNOWN, b"no such image can be read").await;
        };
        for fact in export_info(reader.size_bytes()) {
            self.reply(kind, option_reply::INFO, &fact).await?;
        }
        self.reply(kind, option_reply::ACK, &[]).await?;
        Ok(if kind == option::GO { Next::Transmit(reader, name) } else { Next::Option })
    }

    async fn meta_context(&mut self, kind: u32, payload: &[u8]) -> Result<Next, HandshakeError> {
        let Some((name, queries)) = parse_queries(payload).filter(|_| self.structured) else {
            return self.reply(kind, option_reply::INVALID, &[]).await;
        };
        if self.exports.open(&name).await.is_none() {
            return self.reply(kind, option_reply::UNKNOWN, b"no such image can be read").await;
        }
        let list = kind == option::LIST_META_CONTEXT;
        let wildcard = |query: &String| list && query == "base:";
        let wanted = queries.iter().any(|query| query == ALLOCATION || wildcard(query)) || list && queries.is_empty();
        if !list {
            self.allocation_of = wanted.then_some(name);
        }
        if wanted {
            let mut context = BytesMut::new();
            context.put_u32(ALLOCATION_ID);
            context.put_slice(ALLOCATION.as_bytes());
            self.reply(kind, option_reply::META_CONTEXT, &context).await?;
        }
        self.reply(kind, option_reply::ACK, &[]).await
    }
}

/// The export's name and the queries of a metadata option.
fn parse_queries(mut payload: &[u8]) -> Option<(String, Vec<String>)> {
    let name = take_text(&mut payload)?;
    let count = payload.try_get_u32().ok()?;
    // Each takes four bytes at least, so the payload bounds the loop.
    let queries = (0..count).map(|_| take_text(&mut payload)).collect::<Option<_>>()?;
    payload.is_empty().then_some((name, queries))
}

/// Takes a text with its length before it.
fn take_text(payload: &mut &[u8]) -> Option<String> {
    let length = payload.try_get_u32().ok()? as usize;
    let (text, rest) = payload.split_at_checked(length)?;
    *payload = rest;
    String::from_utf8(text.to_owned()).ok()
}
