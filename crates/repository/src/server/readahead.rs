//! Reading ahead of a client that reads in order, so that decompression happens while it digests what it has.
//!
//! A guest's read of some kilobytes brings in a whole chunk anyway; this is for copies and for the loading of large files.

use super::exports::Exports;
use crate::ImageReader;
use std::ops::Range;
use std::sync::Arc;

/// Reads in a row before anything is fetched ahead: two may be chance.
const SEQUENTIAL: u32 = 3;

/// Chunks ahead of a sequential reader: 1 MiB covers what two cores decompress while a client asks again.
const WINDOW: usize = 4;

/// How far from the last read's end the next one may start: a client with several requests in flight mixes their order.
const SLACK_BYTES: u64 = 4 << 20;

/// What one client has been reading.
#[derive(Debug, Default)]
pub(super) struct Readahead {
    end: u64,
    in_a_row: u32,
    /// First chunk that has not been asked for ahead.
    fetched: usize,
}

impl Readahead {
    /// Notes a read, and returns the chunks to fetch ahead of the next.
    pub(super) fn note(&mut self, offset: u64, length: u64, chunk_bytes: u64) -> Range<usize> {
        let follows = offset + SLACK_BYTES >= self.end && offset <= self.end + SLACK_BYTES;
        let end = offset + length;
        if follows {
            self.in_a_row = self.in_a_row.saturating_add(1);
            self.end = self.end.max(end);
        } else {
            *self = Readahead { end, in_a_row: 1, fetched: 0 };
        }
        if self.in_a_row < SEQUENTIAL {
            return 0..0;
        }
        let next = self.end.div_ceil(chunk_bytes) as usize;
        let from = next.max(self.fetched);
        self.fetched = next + WINDOW;
        from..self.fetched
    }
}

/// Brings chunks into the cache, as far as there is room for such work. Errors are for those who read the chunk.
pub(super) fn fetch(exports: &Exports, reader: &Arc<ImageReader>, chunks: Range<usize>) {
    for index in chunks {
        if reader.chunk_in_memory(index).is_some() {
            continue;
        }
        let Ok(permit) = exports.ahead.clone().try_acquire_owned() else { return };
        let reader = reader.clone();
        tokio::task::spawn_blocking(move || {
            let _ = reader.chunk(index);
            drop(permit);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHUNK: u64 = 256 << 10;

    #[test]
    fn a_sequential_reader_is_served_ahead_and_each_chunk_once() {
        let mut ahead = Readahead::default();
        let asked: Vec<_> = (0..12).map(|i| ahead.note(i * CHUNK / 2, CHUNK / 2, CHUNK)).collect();
        assert_eq!(asked[1], 0..0);
        assert_eq!(asked[2], 2..6);
        let flat: Vec<usize> = asked.into_iter().flatten().collect();
        assert_eq!(flat, (2..10).collect::<Vec<_>>());
    }

    #[test]
    fn a_jumping_reader_is_not() {
        let mut ahead = Readahead::default();
        for i in 0..20 {
            assert_eq!(ahead.note((i * 7 % 20) << 30, 4096, CHUNK), 0..0);
        }
    }
}
