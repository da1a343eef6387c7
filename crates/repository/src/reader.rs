//! Reading an image: any bytes of the disk, each chunk checked against its digest when it comes from the object store.
//!
//! Knows nothing of who reads; the NBD server and the check of a whole image both stand on it.

use crate::cache::Cache;
use crate::folder::Folder;
use crate::manifest::Manifest;
use crate::seal::{OVERHEAD, Sealer};
use crate::{Digest, Object, RepositoryError};
use bytes::Bytes;
use model::DataKey;
use std::cell::RefCell;
use std::fs::File;
use std::io::Read;
use std::ops::Range;
use std::sync::Arc;
use zstd::bulk::Decompressor;

/// An open image. While one exists, the image is not removed.
#[derive(Debug)]
pub struct ImageReader {
    pub(crate) digest: Digest,
    pub(crate) manifest: Manifest,
    pub(crate) folder: Arc<Folder>,
    pub(crate) cache: Arc<Cache>,
    /// Opens its chunks; none where they are plain, or where only the manifest is of interest.
    pub(crate) sealer: Option<Sealer>,
    /// Holds the manifest's lock.
    pub(crate) _held: File,
}

/// A part of one chunk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// Which chunk.
    pub chunk: usize,
    /// The bytes of that chunk.
    pub range: Range<usize>,
}

/// What a stretch of the disk holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// Bytes that are stored.
    Data(u64),
    /// Bytes that are zero and not stored.
    Zeroes(u64),
}

impl ImageReader {
    /// Returns the image's name.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Returns what the image is made of.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Whether it was opened with this key, or without one.
    pub(crate) fn has_key(&self, key: Option<&DataKey>) -> bool {
        self.sealer.as_ref().map(Sealer::name) == key.map(Sealer::new).as_ref().map(Sealer::name)
    }

    /// Whether its chunks can be opened.
    fn is_open(&self) -> bool {
        self.sealer.is_some() == self.manifest.sealed.is_some()
    }

    /// Returns the size of the disk in bytes.
    pub fn size_bytes(&self) -> u64 {
        self.manifest.size_bytes
    }

    /// Fills `buffer` with the disk's bytes from `offset`. Blocks while chunks come from the object store. Missing or Corrupt name
    /// the chunk; OutOfRange if the disk ends earlier. On an error the buffer's contents mean nothing.
    pub fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), RepositoryError> {
        let mut rest = buffer;
        for piece in self.pieces(offset, rest.len() as u64)? {
            let (part, after) = rest.split_at_mut(piece.range.len());
            match self.chunk(piece.chunk)? {
                Some(chunk) => part.copy_from_slice(&chunk[piece.range]),
                None => part.fill(0),
            }
            rest = after;
        }
        Ok(())
    }

    /// Splits a stretch of the disk at the borders of chunks. OutOfRange if the disk ends earlier.
    pub fn pieces(&self, offset: u64, length: u64) -> Result<impl Iterator<Item = Piece> + use<>, RepositoryError> {
        let size_bytes = self.size_bytes();
        let end = offset.checked_add(length).filter(|end| *end <= size_bytes);
        let end = end.ok_or(RepositoryError::OutOfRange { offset, length, size_bytes })?;
        let chunk_bytes = u64::from(self.manifest.chunk_bytes);
        let mut at = offset;
        Ok(std::iter::from_fn(move || {
            if at >= end {
                return None;
            }
            let start = at % chunk_bytes;
            let length = (chunk_bytes - start).min(end - at);
            let piece = Piece { chunk: (at / chunk_bytes) as usize, range: start as usize..(start + length) as usize };
            at += length;
            Some(piece)
        }))
    }

    /// Says which parts of a stretch of the disk are stored and which are zero; neighbours of one kind are one. OutOfRange if the
    /// disk ends earlier.
    pub fn extents(&self, offset: u64, length: u64) -> Result<impl Iterator<Item = Extent> + '_, RepositoryError> {
        let mut pieces = self.pieces(offset, length)?.peekable();
        Ok(std::iter::from_fn(move || {
            let first = pieces.next()?;
            let stored = self.is_stored(first.chunk);
            let mut length = first.range.len() as u64;
            while let Some(next) = pieces.next_if(|piece| self.is_stored(piece.chunk) == stored) {
                length += next.range.len() as u64;
            }
            Some(if stored { Extent::Data(length) } else { Extent::Zeroes(length) })
        }))
    }

    /// Says whether the chunk at `index` has bytes in the object store; outside the disk none has.
    pub fn is_stored(&self, index: usize) -> bool {
        self.name(index).is_some()
    }

    fn name(&self, index: usize) -> Option<Digest> {
        self.manifest.chunks.get(index).copied().flatten()
    }

    /// Returns the plain bytes of the chunk at `index` if that takes no waiting; `Some(None)` is zeroes.
    pub fn chunk_in_memory(&self, index: usize) -> Option<Option<Bytes>> {
        match self.name(index) {
            Some(digest) => self.cache.get(&digest).filter(|_| self.is_open()).map(Some),
            None => Some(None),
        }
    }

    /// Returns the plain bytes of the chunk at `index`, `None` for zeroes. Blocks while it comes from the object store. Missing or
    /// Corrupt name it; Sealed if the image is and was opened without its key.
    pub fn chunk(&self, index: usize) -> Result<Option<Bytes>, RepositoryError> {
        let Some(digest) = self.name(index) else { return Ok(None) };
        if !self.is_open() {
            return Err(RepositoryError::Sealed { image: self.digest });
        }
        let length = self.manifest.chunk_length(index);
        let load = || match &self.sealer {
            None => load_chunk(&self.folder, &digest, length).map(Bytes::from),
            Some(sealer) => open_chunk(&self.folder, sealer, &digest, length).map(Bytes::from),
        };
        self.cache.get_or_load(&digest, load).map(Some)
    }
}

thread_local! {
    // A context is 100 KiB of tables; making one for each chunk would cost a tenth of the decompression.
    static DECOMPRESSOR: RefCell<Option<Decompressor<'static>>> = const { RefCell::new(None) };
}

/// Reads a chunk of `length` plain bytes from the object store, and gives it out only if it has its name's checksum.
pub(crate) fn load_chunk(folder: &Folder, digest: &Digest, length: usize) -> Result<Vec<u8>, RepositoryError> {
    let object = Object::Chunk(*digest);
    let file = folder.open_object(object)?;
    let mut packed = Vec::with_capacity(length);
    // A frame is never longer than this; one that is, is damaged, and must not fill the memory.
    let limit = zstd::zstd_safe::compress_bound(length) as u64 + 1;
    (&file).take(limit).read_to_end(&mut packed).map_err(RepositoryError::io(&folder.path(object)))?;
    match unpack(&packed, length) {
        Ok(plain) if plain.len() == length && Digest::of(&plain) == *digest => Ok(plain),
        Ok(_) | Err(_) => Err(RepositoryError::Corrupt { object }),
    }
}

/// Reads a sealed chunk of `length` plain bytes, and gives it out, sealed, only if it has its name's checksum.
pub(crate) fn load_sealed(folder: &Folder, digest: &Digest, length: usize) -> Result<Vec<u8>, RepositoryError> {
    let object = Object::Chunk(*digest);
    let file = folder.open_object(object)?;
    let mut sealed = Vec::with_capacity(length);
    let limit = zstd::zstd_safe::compress_bound(length) + OVERHEAD + 1;
    (&file).take(limit as u64).read_to_end(&mut sealed).map_err(RepositoryError::io(&folder.path(object)))?;
    if Digest::of(&sealed) == *digest { Ok(sealed) } else { Err(RepositoryError::Corrupt { object }) }
}

/// Reads a sealed chunk and opens it.
fn open_chunk(folder: &Folder, sealer: &Sealer, digest: &Digest, length: usize) -> Result<Vec<u8>, RepositoryError> {
    let sealed = load_sealed(folder, digest, length)?;
    let plain = sealer.open(&sealed).and_then(|packed| unpack(&packed, length).ok()).filter(|plain| plain.len() == length);
    plain.ok_or(RepositoryError::Corrupt { object: Object::Chunk(*digest) })
}

pub(crate) fn unpack(packed: &[u8], capacity: usize) -> std::io::Result<Vec<u8>> {
    DECOMPRESSOR.with_borrow_mut(|slot| match slot {
        Some(decompressor) => decompressor.decompress(packed, capacity),
        None => slot.insert(Decompressor::new()?).decompress(packed, capacity),
    })
}
