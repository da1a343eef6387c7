//! Answering requests on one connection.
//!
//! ```text
//!   request ─┬─ all of it in memory ─────────▶ answered at once
//!            └─ a chunk must be fetched ─────▶ a task of its own: parts go out as they arrive, other requests overtake
//! ```
//!
//! What a client can make the server keep is bounded: [`MAX_TASKS`] parts of one chunk each, whatever it asks for and however slowly
//! it takes the answers. A chunk that cannot be read or is damaged becomes EIO, never bytes.

use super::exports::Exports;
use super::handshake::Session;
use super::protocol::{Errno, FLAG_REQUEST_ONE, Frame, MAX_REQUEST_BYTES, REQUEST_MAGIC, Request, STATE_HOLE_ZERO, command};
use super::readahead::{self, Readahead};
use crate::{Extent, ImageReader, Piece, RepositoryError};
use bytes::{Buf, Bytes, BytesMut};
use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{Mutex, Semaphore};
use tokio::task::JoinSet;

/// Requests of a client that wait for chunks at once; QEMU has at most 16 in flight.
const MAX_TASKS: usize = 16;

/// Pieces of a request that is answered at once if they are all in memory; a longer one is answered in parts.
const MAX_AT_ONCE: usize = 4;

/// Extents in one answer; the client asks again for the rest.
const MAX_EXTENTS: usize = 1024;

/// How long the last answers may take after the client has said good-bye.
const FAREWELL: Duration = Duration::from_secs(5);

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
pub(super) enum End {
    #[error("the client said good-bye")]
    Disconnected,
    #[error("the client hung up")]
    HungUp,
    #[error("the connection failed: {0}")]
    Failed(io::Error),
    #[error("the client broke the protocol: {0}")]
    BrokeProtocol(&'static str),
}

impl From<io::Error> for End {
    fn from(error: io::Error) -> End {
        if error.kind() == io::ErrorKind::UnexpectedEof { End::HungUp } else { End::Failed(error) }
    }
}

/// What the tasks of a connection share.
struct Connection {
    reader: Arc<ImageReader>,
    exports: Arc<Exports>,
    to: Mutex<OwnedWriteHalf>,
    structured: bool,
    allocation: bool,
}

/// A read whose bytes are known to lie inside the image.
#[derive(Clone, Copy)]
struct Read {
    cookie: u64,
    offset: u64,
    length: u64,
}

/// Answers requests until the client goes.
pub(super) async fn run(session: Session, exports: Arc<Exports>) -> End {
    let Session { reader, mut from, to, structured, allocation } = session;
    let connection = Arc::new(Connection { reader, exports, to: Mutex::new(to), structured, allocation });
    let mut tasks = JoinSet::new();
    let Err(end) = serve(&connection, &mut from, &mut tasks).await;
    if matches!(end, End::Disconnected) {
        // The client waits for what it has asked for before; a socket that takes nothing is not waited for.
        let _ = tokio::time::timeout(FAREWELL, async { while tasks.join_next().await.is_some() {} }).await;
    }
    end
}

async fn serve(connection: &Arc<Connection>, from: &mut BufReader<OwnedReadHalf>, tasks: &mut JoinSet<()>) -> Result<Infallible, End> {
    let free = Arc::new(Semaphore::new(MAX_TASKS));
    let mut ahead = Readahead::default();
    loop {
        while tasks.try_join_next().is_some() {}
        let request = read_request(from).await?;
        match request.command {
            command::READ => {
                let Some(read) = connection.check(&request) else {
                    connection.refuse(&request, Errno::Invalid).await?;
                    continue;
                };
                let chunk_bytes = u64::from(connection.reader.manifest().chunk_bytes);
                let chunks = ahead.note(read.offset, read.length, chunk_bytes);
                if !connection.read_from_memory(read).await? {
                    let permit = free.clone().acquire_owned().await.expect("the semaphore is never closed");
                    let connection = connection.clone();
                    tasks.spawn(async move {
                        // A failed write is seen by the loop, too: the socket is gone.
                        let _ = connection.read(read).await;
                        drop(permit);
                    });
                }
                readahead::fetch(&connection.exports, &connection.reader, chunks);
            }
            command::BLOCK_STATUS => connection.block_status(&request).await?,
            command::FLUSH => connection.send([Frame::simple(request.cookie, None)]).await?,
            command::WRITE => {
                discard(from, request.length).await?;
                connection.send([Frame::simple(request.cookie, Some(Errno::Perm))]).await?;
            }
            command::TRIM | command::WRITE_ZEROES => connection.send([Frame::simple(request.cookie, Some(Errno::Perm))]).await?,
            command::DISCONNECT => return Err(End::Disconnected),
            _ => connection.send([Frame::simple(request.cookie, Some(Errno::Invalid))]).await?,
        }
    }
}

async fn read_request(from: &mut BufReader<OwnedReadHalf>) -> Result<Request, End> {
    let mut bytes = [0; 28];
    from.read_exact(&mut bytes).await?;
    let mut bytes = &bytes[..];
    if bytes.get_u32() != REQUEST_MAGIC {
        return Err(End::BrokeProtocol("magic of a request"));
    }
    Ok(Request {
        flags: bytes.get_u16(),
        command: bytes.get_u16(),
        cookie: bytes.get_u64(),
        offset: bytes.get_u64(),
        length: bytes.get_u32(),
    })
}

/// Takes the data of a write that is going to be refused.
async fn discard(from: &mut BufReader<OwnedReadHalf>, length: u32) -> Result<(), End> {
    if length > MAX_REQUEST_BYTES {
        return Err(End::BrokeProtocol("a write too long"));
    }
    let length = u64::from(length);
    let taken = tokio::io::copy(&mut from.take(length), &mut tokio::io::sink()).await?;
    if taken == length { Ok(()) } else { Err(End::HungUp) }
}

impl Connection {
    /// A read that can be answered.
    fn check(&self, request: &Request) -> Option<Read> {
        let inside = request.offset.checked_add(u64::from(request.length)).is_some_and(|end| end <= self.reader.size_bytes());
        let sensible = request.flags == 0 && (1..=MAX_REQUEST_BYTES).contains(&request.length);
        let read = Read { cookie: request.cookie, offset: request.offset, length: u64::from(request.length) };
        (inside && sensible).then_some(read)
    }

    async fn send(&self, frames: impl IntoIterator<Item = Frame>) -> io::Result<()> {
        let mut to = self.to.lock().await;
        for frame in frames {
            to.write_all_buf(&mut frame.head.chain(frame.data)).await?;
        }
        Ok(())
    }

    async fn refuse(&self, request: &Request, error: Errno) -> io::Result<()> {
        let frame = if self.structured { Frame::error(request.cookie, error) } else { Frame::simple(request.cookie, Some(error)) };
        self.send([frame]).await
    }

    fn pieces(&self, read: Read) -> impl Iterator<Item = Piece> + use<> {
        self.reader.pieces(read.offset, read.length).expect("the read was checked against the image's size")
    }

    /// Answers a short read if all of it is in memory.
    async fn read_from_memory(&self, read: Read) -> io::Result<bool> {
        if !self.structured {
            return Ok(false);
        }
        let mut frames = Vec::with_capacity(MAX_AT_ONCE);
        let mut offset = read.offset;
        for piece in self.pieces(read) {
            let Some(chunk) = self.reader.chunk_in_memory(piece.chunk) else { return Ok(false) };
            if frames.len() == MAX_AT_ONCE {
                return Ok(false);
            }
            frames.push(part(read, offset, &piece, chunk));
            offset += piece.range.len() as u64;
        }
        self.send(frames).await?;
        Ok(true)
    }

    /// Answers a read whose chunks have to be fetched.
    async fn read(&self, read: Read) -> io::Result<()> {
        let chunk_bytes = u64::from(self.reader.manifest().chunk_bytes);
        let end = (read.offset + read.length).div_ceil(chunk_bytes) as usize;
        readahead::fetch(&self.exports, &self.reader, (read.offset / chunk_bytes) as usize + 1..end);
        if !self.structured {
            return self.read_whole(read).await;
        }
        let mut offset = read.offset;
        for piece in self.pieces(read) {
            let chunk = match self.fetch(piece.chunk).await {
                Ok(chunk) => chunk,
                Err(error) => return self.send([Frame::error(read.cookie, self.failed(&error))]).await,
            };
            self.send([part(read, offset, &piece, chunk)]).await?;
            offset += piece.range.len() as u64;
        }
        Ok(())
    }

    /// Answers a read in one piece: whether it succeeds has to be known before its first byte is sent.
    async fn read_whole(&self, read: Read) -> io::Result<()> {
        let budget = self.exports.whole_replies.acquire_many(read.length as u32).await.expect("the semaphore is never closed");
        let mut data = BytesMut::with_capacity(read.length as usize);
        for piece in self.pieces(read) {
            match self.fetch(piece.chunk).await {
                Ok(Some(chunk)) => data.extend_from_slice(&chunk[piece.range]),
                Ok(None) => data.resize(data.len() + piece.range.len(), 0),
                Err(error) => return self.send([Frame::simple(read.cookie, Some(self.failed(&error)))]).await,
            }
        }
        let sent = self.send([Frame::simple_data(read.cookie, None, data.freeze())]).await;
        drop(budget);
        sent
    }

    async fn fetch(&self, index: usize) -> Result<Option<Bytes>, RepositoryError> {
        if let Some(chunk) = self.reader.chunk_in_memory(index) {
            return Ok(chunk);
        }
        let reader = self.reader.clone();
        let fetched = tokio::task::spawn_blocking(move || reader.chunk(index)).await;
        fetched.expect("fetching a chunk does not panic, and the runtime outlives its connections")
    }

    fn failed(&self, error: &RepositoryError) -> Errno {
        self.exports.report(self.reader.digest(), error);
        Errno::Io
    }

    async fn block_status(&self, request: &Request) -> io::Result<()> {
        let one = request.flags == FLAG_REQUEST_ONE;
        let extents = self.reader.extents(request.offset, u64::from(request.length));
        let (Ok(extents), true) = (extents, self.allocation && request.length > 0 && (one || request.flags == 0)) else {
            return self.refuse(request, Errno::Invalid).await;
        };
        let described = extents.take(if one { 1 } else { MAX_EXTENTS }).map(|extent| match extent {
            Extent::Data(length) => (length as u32, 0),
            Extent::Zeroes(length) => (length as u32, STATE_HOLE_ZERO),
        });
        let described: Vec<_> = described.collect();
        self.send([Frame::block_status(request.cookie, &described)]).await
    }
}

/// The answer for one piece of a read.
fn part(read: Read, offset: u64, piece: &Piece, chunk: Option<Bytes>) -> Frame {
    let done = offset + piece.range.len() as u64 == read.offset + read.length;
    match chunk {
        Some(chunk) => Frame::data(read.cookie, done, offset, chunk.slice(piece.range.clone())),
        None => Frame::hole(read.cookie, done, offset, piece.range.len() as u32),
    }
}
