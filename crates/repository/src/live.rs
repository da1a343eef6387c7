//! Reading a disk that somebody shows over NBD while it is written: a QEMU that keeps what the disk held at an instant.
//!
//! ```text
//!   QEMU (snapshot-access) ──unix socket──▶ LiveDisk ──▶ chunks of a new manifest
//! ```
//!
//! Who shows the disk is not trusted: an answer is as long as was asked for or it is an error, and one that does not come is given up.
//! It knows nothing of how the other side keeps the old blocks.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use crate::server::protocol::{
    ALLOCATION, FLAG_DONE, MAGIC, OPTION_MAGIC, OPTION_REPLY_MAGIC, REQUEST_MAGIC, SIMPLE_REPLY_MAGIC, STATE_HOLE, STATE_ZERO,
    STRUCTURED_REPLY_MAGIC, chunk, command, handshake_flag, info, option, option_reply,
};

/// Longest wait for one answer: a read may have to wait for an image that comes from another machine.
const ANSWER: Duration = Duration::from_secs(60);
/// How much of the disk is asked about at once; the answer is a list of stretches.
const ASKED_BYTES: u64 = 1 << 30;
/// Longest answer to anything but a read: QEMU tells at most 131,072 stretches of 8 bytes at once (nbd/server.c,
/// NBD_MAX_BLOCK_STATUS_EXTENTS).
const WORDS_BYTES: u32 = (1 << 20) + 64;

/// Why a disk that is shown cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum LiveError {
    /// Nobody answers, or not in time.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The answer is an error, with its number (Linux's).
    #[error("it is refused with error {0}")]
    Refused(u32),
    /// What comes is not the protocol.
    #[error("the answer is not NBD: {0}")]
    Protocol(&'static str),
}

/// What is known of a stretch of the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    /// It was not written: it reads as what is below.
    Untouched,
    /// It reads as zeroes.
    Zeroes,
    /// It was written.
    Data,
}

/// A disk that somebody shows.
#[derive(Debug)]
pub struct LiveDisk {
    line: UnixStream,
    size_bytes: u64,
    cookie: u64,
    /// Id of the answers about allocation.
    context: u32,
    /// Stretches that were told, by their ends, in order.
    told: VecDeque<(u64, Status)>,
    /// Where the first of them begins.
    told_from: u64,
}

impl LiveDisk {
    /// Has an export of this name shown on a connection that is used for nothing else.
    pub fn open(line: &UnixStream, export: &str) -> Result<LiveDisk, LiveError> {
        let line = line.try_clone()?;
        line.set_read_timeout(Some(ANSWER))?;
        line.set_write_timeout(Some(ANSWER))?;
        let mut disk = LiveDisk { line, size_bytes: 0, cookie: 0, context: 0, told: VecDeque::new(), told_from: 0 };
        disk.shake_hands(export)?;
        Ok(disk)
    }

    /// Size of the disk in bytes.
    pub fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// What is known of a stretch of the disk, if it is one thing all over; else it is data.
    pub(crate) fn status(&mut self, offset: u64, length: u64) -> Result<Status, LiveError> {
        let end = offset + length;
        let (mut at, mut all) = (offset, None);
        while at < end {
            let (until, status) = self.told_at(at)?;
            if all.is_some_and(|known| known != status) {
                return Ok(Status::Data);
            }
            (at, all) = (until, Some(status));
        }
        Ok(all.unwrap_or(Status::Data))
    }

    /// Reads what is at `offset`.
    pub fn read_at(&mut self, offset: u64, bytes: &mut [u8]) -> Result<(), LiveError> {
        let length = u32::try_from(bytes.len()).map_err(|_| LiveError::Protocol("a read that is too long"))?;
        self.request(command::READ, offset, length)?;
        let end = offset + u64::from(length);
        let mut missing = u64::from(length);
        loop {
            let head = self.reply_head()?;
            let place = |at: u64, count: u64| {
                let inside = at >= offset && at.checked_add(count).is_some_and(|until| until <= end);
                inside.then(|| (at - offset) as usize).ok_or(LiveError::Protocol("bytes that were not asked for"))
            };
            match head.kind {
                chunk::OFFSET_DATA if head.length > 8 => {
                    let (at, count) = (self.be64()?, u64::from(head.length) - 8);
                    let from = place(at, count)?;
                    self.line.read_exact(&mut bytes[from..from + count as usize])?;
                    missing = missing.saturating_sub(count);
                }
                chunk::OFFSET_HOLE if head.length == 12 => {
                    let (at, count) = (self.be64()?, u64::from(self.be32()?));
                    let from = place(at, count)?;
                    bytes[from..from + count as usize].fill(0);
                    missing = missing.saturating_sub(count);
                }
                _ => self.other(&head)?,
            }
            if head.done {
                return if missing == 0 { Ok(()) } else { Err(LiveError::Protocol("fewer bytes than were asked for")) };
            }
        }
    }

    /// The stretch at `at`, to its end.
    fn told_at(&mut self, at: u64) -> Result<(u64, Status), LiveError> {
        if at < self.told_from {
            self.told.clear();
        }
        while self.told.front().is_some_and(|(end, _)| *end <= at) {
            self.told_from = self.told.pop_front().map_or(at, |(end, _)| end);
        }
        if let Some(stretch) = self.told.front() {
            return Ok(*stretch);
        }
        self.ask(at)?;
        self.told.front().copied().ok_or(LiveError::Protocol("nothing is told of a stretch"))
    }

    fn ask(&mut self, from: u64) -> Result<(), LiveError> {
        let length = self.size_bytes.saturating_sub(from).min(ASKED_BYTES) as u32;
        if length == 0 {
            return Err(LiveError::Protocol("a disk that is shorter than it should be"));
        }
        self.request(command::BLOCK_STATUS, from, length)?;
        (self.told_from, self.told) = (from, VecDeque::new());
        loop {
            let head = self.reply_head()?;
            match head.kind {
                chunk::BLOCK_STATUS if head.length >= 12 && head.length % 8 == 4 => {
                    if self.be32()? != self.context {
                        return Err(LiveError::Protocol("a context that was not asked for"));
                    }
                    let mut at = from;
                    for _ in 0..(head.length - 4) / 8 {
                        let (count, state) = (self.be32()?, self.be32()?);
                        at += u64::from(count);
                        if count > 0 {
                            self.told.push_back((at, status_of(state)));
                        }
                    }
                }
                _ => self.other(&head)?,
            }
            if head.done {
                return Ok(());
            }
        }
    }

    /// Reads an answer that is none of what was hoped for: the end, or an error.
    fn other(&mut self, head: &Head) -> Result<(), LiveError> {
        let mut payload = vec![0; head.length as usize];
        self.line.read_exact(&mut payload)?;
        match (head.kind, payload.first_chunk::<4>()) {
            (chunk::NONE, None) => Ok(()),
            (kind, Some(error)) if kind & chunk::IS_ERROR != 0 => Err(LiveError::Refused(u32::from_be_bytes(*error))),
            _ => Err(LiveError::Protocol("a kind of answer")),
        }
    }

    fn request(&mut self, command: u16, offset: u64, length: u32) -> Result<(), LiveError> {
        self.cookie += 1;
        let mut request = Vec::with_capacity(28);
        request.extend(REQUEST_MAGIC.to_be_bytes());
        request.extend(0u16.to_be_bytes());
        request.extend(command.to_be_bytes());
        request.extend(self.cookie.to_be_bytes());
        request.extend(offset.to_be_bytes());
        request.extend(length.to_be_bytes());
        Ok(self.line.write_all(&request)?)
    }

    fn reply_head(&mut self) -> Result<Head, LiveError> {
        match self.be32()? {
            STRUCTURED_REPLY_MAGIC => {}
            SIMPLE_REPLY_MAGIC => {
                let error = self.be32()?;
                return Err(if error == 0 { LiveError::Protocol("a simple answer") } else { LiveError::Refused(error) });
            }
            _ => return Err(LiveError::Protocol("the beginning of an answer")),
        }
        let (flags, kind) = (self.be16()?, self.be16()?);
        let (cookie, length) = (self.be64()?, self.be32()?);
        if cookie != self.cookie {
            return Err(LiveError::Protocol("an answer to another request"));
        }
        if kind != chunk::OFFSET_DATA && length > WORDS_BYTES {
            return Err(LiveError::Protocol("an answer that is too long"));
        }
        Ok(Head { kind, length, done: flags & FLAG_DONE != 0 })
    }

    fn shake_hands(&mut self, export: &str) -> Result<(), LiveError> {
        if (self.be64()?, self.be64()?) != (MAGIC, OPTION_MAGIC) {
            return Err(LiveError::Protocol("the greeting"));
        }
        let flags = self.be16()? & (handshake_flag::FIXED_NEWSTYLE | handshake_flag::NO_ZEROES);
        self.line.write_all(&u32::from(flags).to_be_bytes())?;
        self.option(option::STRUCTURED_REPLY, &[], |_, _| Ok(()))?;
        let named = |text: &str| [&(text.len() as u32).to_be_bytes()[..], text.as_bytes()].concat();
        let contexts = [named(export), 1u32.to_be_bytes().to_vec(), named(ALLOCATION)].concat();
        let mut context = None;
        self.option(option::SET_META_CONTEXT, &contexts, |kind, payload| {
            if let (option_reply::META_CONTEXT, Some(id)) = (kind, payload.first_chunk::<4>()) {
                context = Some(u32::from_be_bytes(*id));
            }
            Ok(())
        })?;
        self.context = context.ok_or(LiveError::Protocol("it does not tell what is allocated"))?;
        let mut size_bytes = None;
        self.option(option::GO, &[named(export), 0u16.to_be_bytes().to_vec()].concat(), |kind, payload| {
            let of_export = payload.first_chunk::<2>() == Some(&info::EXPORT.to_be_bytes());
            if let (option_reply::INFO, true, Some(size)) = (kind, of_export, payload.get(2..10)) {
                size_bytes = size.first_chunk::<8>().map(|size| u64::from_be_bytes(*size));
            }
            Ok(())
        })?;
        self.size_bytes = size_bytes.ok_or(LiveError::Protocol("it does not tell its size"))?;
        Ok(())
    }

    /// Asks for an option and hands its answers over until it is acknowledged.
    fn option(&mut self, option: u32, data: &[u8], mut take: impl FnMut(u32, &[u8]) -> Result<(), LiveError>) -> Result<(), LiveError> {
        let mut asked = OPTION_MAGIC.to_be_bytes().to_vec();
        asked.extend(option.to_be_bytes());
        asked.extend((data.len() as u32).to_be_bytes());
        asked.extend(data);
        self.line.write_all(&asked)?;
        loop {
            if (self.be64()?, self.be32()?) != (OPTION_REPLY_MAGIC, option) {
                return Err(LiveError::Protocol("an answer to another option"));
            }
            let (kind, length) = (self.be32()?, self.be32()?);
            if length > WORDS_BYTES {
                return Err(LiveError::Protocol("an answer that is too long"));
            }
            let mut payload = vec![0; length as usize];
            self.line.read_exact(&mut payload)?;
            match kind {
                option_reply::ACK => return Ok(()),
                _ if kind & option_reply::ERROR != 0 => return Err(LiveError::Protocol("an option is refused")),
                _ => take(kind, &payload)?,
            }
        }
    }

    fn be16(&mut self) -> Result<u16, LiveError> {
        Ok(u16::from_be_bytes(self.bytes()?))
    }

    fn be32(&mut self) -> Result<u32, LiveError> {
        Ok(u32::from_be_bytes(self.bytes()?))
    }

    fn be64(&mut self) -> Result<u64, LiveError> {
        Ok(u64::from_be_bytes(self.bytes()?))
    }

    fn bytes<const N: usize>(&mut self) -> Result<[u8; N], LiveError> {
        let mut bytes = [0; N];
        self.line.read_exact(&mut bytes)?;
        Ok(bytes)
    }
}

impl Drop for LiveDisk {
    /// Says goodbye; whether it is heard does not matter.
    fn drop(&mut self) {
        drop(self.request(command::DISCONNECT, 0, 0));
    }
}

struct Head {
    kind: u16,
    length: u32,
    done: bool,
}

fn status_of(state: u32) -> Status {
    match (state & STATE_HOLE != 0, state & STATE_ZERO != 0) {
        (_, true) => Status::Zeroes,
        // QEMU tells of a cluster that only a backing file has as a hole that does not read as zeroes.
        (true, false) => Status::Untouched,
        (false, false) => Status::Data,
    }
}
