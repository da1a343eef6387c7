//! The numbers and frames of the NBD protocol, from its specification (NetworkBlockDevice/nbd, doc/proto.md). All big-endian.

use bytes::{BufMut, Bytes, BytesMut};

pub(crate) const MAGIC: u64 = 0x4e42_444d_4147_4943; // "NBDMAGIC"
pub(crate) const OPTION_MAGIC: u64 = 0x4948_4156_454f_5054; // "IHAVEOPT"
pub(crate) const OPTION_REPLY_MAGIC: u64 = 0x0003_e889_0455_65a9;
pub(crate) const REQUEST_MAGIC: u32 = 0x2560_9513;
pub(crate) const SIMPLE_REPLY_MAGIC: u32 = 0x6744_6698;
pub(crate) const STRUCTURED_REPLY_MAGIC: u32 = 0x668e_33ef;

/// Handshake flags, the same bits in both directions.
pub(crate) mod handshake_flag {
    pub(crate) const FIXED_NEWSTYLE: u16 = 1 << 0;
    pub(crate) const NO_ZEROES: u16 = 1 << 1;
}

/// Options that a client asks for.
pub(crate) mod option {
    pub(crate) const EXPORT_NAME: u32 = 1;
    pub(crate) const ABORT: u32 = 2;
    pub(crate) const LIST: u32 = 3;
    pub(crate) const INFO: u32 = 6;
    pub(crate) const GO: u32 = 7;
    pub(crate) const STRUCTURED_REPLY: u32 = 8;
    pub(crate) const LIST_META_CONTEXT: u32 = 9;
    pub(crate) const SET_META_CONTEXT: u32 = 10;
}

/// Kinds of answers to an option.
pub(crate) mod option_reply {
    pub(crate) const ERROR: u32 = 1 << 31;
    pub(crate) const ACK: u32 = 1;
    pub(crate) const INFO: u32 = 3;
    pub(crate) const META_CONTEXT: u32 = 4;
    pub(crate) const UNSUPPORTED: u32 = ERROR | 1;
    pub(crate) const POLICY: u32 = ERROR | 2;
    pub(crate) const INVALID: u32 = ERROR | 3;
    pub(crate) const UNKNOWN: u32 = ERROR | 6;
}

/// What an INFO answer is about.
pub(crate) mod info {
    pub(crate) const EXPORT: u16 = 0;
    pub(crate) const BLOCK_SIZE: u16 = 3;
}

/// What the export can do: has flags, read-only, flush (which has nothing to do), several connections see the same bytes.
pub(crate) const TRANSMISSION_FLAGS: u16 = 1 << 0 | 1 << 1 | 1 << 2 | 1 << 8;

/// Commands.
pub(crate) mod command {
    pub(crate) const READ: u16 = 0;
    pub(crate) const WRITE: u16 = 1;
    pub(crate) const DISCONNECT: u16 = 2;
    pub(crate) const FLUSH: u16 = 3;
    pub(crate) const TRIM: u16 = 4;
    pub(crate) const WRITE_ZEROES: u16 = 6;
    pub(crate) const BLOCK_STATUS: u16 = 7;
}

/// Command flag of BLOCK_STATUS: one extent is enough.
pub(crate) const FLAG_REQUEST_ONE: u16 = 1 << 3;

/// Kinds of structured replies.
pub(crate) mod chunk {
    pub(crate) const NONE: u16 = 0;
    pub(crate) const OFFSET_DATA: u16 = 1;
    pub(crate) const OFFSET_HOLE: u16 = 2;
    pub(crate) const BLOCK_STATUS: u16 = 5;
    pub(crate) const IS_ERROR: u16 = 1 << 15;
    pub(crate) const ERROR: u16 = IS_ERROR | 1;
}

/// The last reply of a request.
pub(crate) const FLAG_DONE: u16 = 1 << 0;

/// The only metadata context: which parts are allocated.
pub(crate) const ALLOCATION: &str = "base:allocation";
pub(crate) const ALLOCATION_ID: u32 = 1;
/// What is told of a stretch: that nothing is allocated for it, that it reads as zeroes.
pub(crate) const STATE_HOLE: u32 = 1 << 0;
pub(crate) const STATE_ZERO: u32 = 1 << 1;
/// A hole that reads as zeroes.
pub(crate) const STATE_HOLE_ZERO: u32 = STATE_HOLE | STATE_ZERO;

/// Errors of requests; the values are Linux's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Errno {
    Perm = 1,
    Io = 5,
    Invalid = 22,
}

/// The longest read or write, and how much a client may send with a refused write.
pub(crate) const MAX_REQUEST_BYTES: u32 = 32 << 20;

/// Reads of any size and place work; these are what suits.
const BLOCK_SIZES: [u32; 3] = [1, 4096, MAX_REQUEST_BYTES];

/// One request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Request {
    pub(crate) flags: u16,
    pub(crate) command: u16,
    pub(crate) cookie: u64,
    pub(crate) offset: u64,
    pub(crate) length: u32,
}

/// Bytes to send: a head, and data that is not copied.
pub(crate) struct Frame {
    pub(crate) head: BytesMut,
    pub(crate) data: Bytes,
}

impl Frame {
    fn bare(head: BytesMut) -> Frame {
        Frame { head, data: Bytes::new() }
    }

    /// Answers an option.
    pub(crate) fn option_reply(option: u32, kind: u32, payload: &[u8]) -> Frame {
        let mut head = BytesMut::with_capacity(20 + payload.len());
        head.put_u64(OPTION_REPLY_MAGIC);
        head.put_u32(option);
        head.put_u32(kind);
        head.put_u32(payload.len() as u32);
        head.put_slice(payload);
        Frame::bare(head)
    }

    /// Answers a request without data.
    pub(crate) fn simple(cookie: u64, error: Option<Errno>) -> Frame {
        Frame::simple_data(cookie, error, Bytes::new())
    }

    /// Answers a read as clients of old want it: all data at once.
    pub(crate) fn simple_data(cookie: u64, error: Option<Errno>, data: Bytes) -> Frame {
        let mut head = BytesMut::with_capacity(16);
        head.put_u32(SIMPLE_REPLY_MAGIC);
        head.put_u32(error.map_or(0, |error| error as u32));
        head.put_u64(cookie);
        Frame { head, data }
    }

    fn structured(cookie: u64, done: bool, kind: u16, length: usize) -> BytesMut {
        let mut head = BytesMut::with_capacity(32);
        head.put_u32(STRUCTURED_REPLY_MAGIC);
        head.put_u16(if done { FLAG_DONE } else { 0 });
        head.put_u16(kind);
        head.put_u64(cookie);
        head.put_u32(length as u32);
        head
    }

    /// A part of a read.
    pub(crate) fn data(cookie: u64, done: bool, offset: u64, data: Bytes) -> Frame {
        let mut head = Frame::structured(cookie, done, chunk::OFFSET_DATA, 8 + data.len());
        head.put_u64(offset);
        Frame { head, data }
    }

    /// A part of a read that is zeroes.
    pub(crate) fn hole(cookie: u64, done: bool, offset: u64, length: u32) -> Frame {
        let mut head = Frame::structured(cookie, done, chunk::OFFSET_HOLE, 12);
        head.put_u64(offset);
        head.put_u32(length);
        Frame::bare(head)
    }

    /// Which stretches are allocated: length and state of each.
    pub(crate) fn block_status(cookie: u64, extents: &[(u32, u32)]) -> Frame {
        let mut head = Frame::structured(cookie, true, chunk::BLOCK_STATUS, 4 + 8 * extents.len());
        head.put_u32(ALLOCATION_ID);
        for (length, state) in extents {
            head.put_u32(*length);
            head.put_u32(*state);
        }
        Frame::bare(head)
    }

    /// The end of a request that failed.
    pub(crate) fn error(cookie: u64, error: Errno) -> Frame {
        let mut head = Frame::structured(cookie, true, chunk::ERROR, 6);
        head.put_u32(error as u32);
        head.put_u16(0);
        Frame::bare(head)
    }
}

/// What INFO and GO say of an export.
pub(crate) fn export_info(size_bytes: u64) -> [BytesMut; 2] {
    let mut export = BytesMut::new();
    export.put_u16(info::EXPORT);
    export.put_u64(size_bytes);
    export.put_u16(TRANSMISSION_FLAGS);
    let mut sizes = BytesMut::new();
    sizes.put_u16(info::BLOCK_SIZE);
    for size in BLOCK_SIZES {
        sizes.put_u32(size);
    }
    [export, sizes]
}
