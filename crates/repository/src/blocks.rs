//! Disks that come and go block by block: written over what is in the repository, and read from it.
//!
//! ```text
//!   write(n) ─▶ ID.blocks  the bytes, sparse          store ─▶ written blocks over the manifest below, as a manifest
//!               ID.written one byte for each block, 1 once it is there
//! ```
//!
//! Of an encrypted disk the bytes wait encrypted (AES-256-XTS, sector by sector as in a layer), under a key that is derived from the disk's for
//! this one upload: two uploads under one key show nothing of each other.
//!
//! The bytes of a block are there before it is noted as written, and a block that is not noted is the one below. Nothing is parsed: a
//! disk is bytes here, whoever wrote them.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::import::Feed;
use crate::layers::{Stored, Under};
use crate::manifest::MAX_IMAGE_BYTES;
use crate::seal::derive;
use crate::xts::{KEY_BYTES, SECTOR, Xts};
use crate::{Digest, ImageReader, Repository, RepositoryError};
use model::DataKey;
use zeroize::Zeroizing;

/// Mark of a block that was written.
const WRITTEN: u8 = 1;

/// A disk that is being written block by block, in two files of a folder.
#[derive(Debug)]
pub struct BlockFile {
    bytes: File,
    written: File,
    path: PathBuf,
    block_bytes: u32,
    /// Encrypts the bytes; none where they are plain.
    cipher: Option<Xts>,
}

/// A block of one or both of two disks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockDifference {
    /// Which block.
    pub index: u64,
    /// Whether the first disk has bytes there that are not zero.
    pub in_first: bool,
    /// Whether the second one has.
    pub in_second: bool,
}

impl BlockFile {
    /// Opens the disk of this name in a folder, or makes it; with the key of one that is encrypted, always the same. Malformed if a block is
    /// not whole sectors of 512 bytes.
    pub fn open(folder: &Path, name: &str, block_bytes: u32, key: Option<&DataKey>) -> Result<BlockFile, RepositoryError> {
        if block_bytes == 0 || !(block_bytes as usize).is_multiple_of(SECTOR) {
            return Err(RepositoryError::malformed("a block", format!("{block_bytes} bytes long")));
        }
        let [path, written] = BlockFile::paths(folder, name);
        let open = |path: &Path| {
            let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path);
            file.map_err(RepositoryError::io(path))
        };
        Ok(BlockFile { bytes: open(&path)?, written: open(&written)?, path, block_bytes, cipher: key.map(|key| cipher_of(key, name)) })
    }

    /// Removes the disk of this name; one that is not there is removed already.
    pub fn remove(folder: &Path, name: &str) -> Result<(), RepositoryError> {
        for path in BlockFile::paths(folder, name) {
            match std::fs::remove_file(&path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(RepositoryError::io(&path)(error)),
                Ok(()) | Err(_) => {}
            }
        }
        Ok(())
    }

    /// The name of the disk that a file in the folder belongs to.
    pub fn name_of(file: &str) -> Option<&str> {
        file.strip_suffix(".blocks").or_else(|| file.strip_suffix(".written"))
    }

    fn paths(folder: &Path, name: &str) -> [PathBuf; 2] {
        [folder.join(format!("{name}.blocks")), folder.join(format!("{name}.written"))]
    }

    /// Writes a whole block.
    pub fn write(&self, index: u32, bytes: &[u8]) -> Result<(), RepositoryError> {
        if bytes.len() != self.block_bytes as usize {
            return Err(RepositoryError::malformed("a block", format!("{} bytes long", bytes.len())));
        }
        let offset = u64::from(index) * u64::from(self.block_bytes);
        let written = match &self.cipher {
            None => self.bytes.write_all_at(bytes, offset),
            Some(cipher) => {
                let mut sealed = bytes.to_vec();
                cipher.encrypt(offset / SECTOR as u64, &mut sealed);
                self.bytes.write_all_at(&sealed, offset)
            }
        };
        let noted = written.and_then(|()| self.written.write_all_at(&[WRITTEN], u64::from(index)));
        noted.map_err(RepositoryError::io(&self.path))
    }

    /// Reads bytes of blocks that were written; they begin and end with a sector.
    fn read(&self, offset: u64, bytes: &mut [u8]) -> Result<(), RepositoryError> {
        self.bytes.read_exact_at(bytes, offset).map_err(RepositoryError::io(&self.path))?;
        if let Some(cipher) = &self.cipher {
            cipher.decrypt(offset / SECTOR as u64, bytes);
        }
        Ok(())
    }

    /// A mark for each block up to the last that was written.
    fn marks(&self) -> Result<Vec<bool>, RepositoryError> {
        let length = self.written.metadata().map_err(RepositoryError::io(&self.path))?.len();
        let most = MAX_IMAGE_BYTES / u64::from(self.block_bytes);
        let mut marks = vec![0; usize::try_from(length.min(most)).expect("MAX_IMAGE_BYTES keeps the count small")];
        self.written.read_exact_at(&mut marks, 0).map_err(RepositoryError::io(&self.path))?;
        Ok(marks.into_iter().map(|mark| mark == WRITTEN).collect())
    }

    /// How many different blocks were written.
    pub fn count(&self) -> Result<u64, RepositoryError> {
        Ok(self.marks()?.iter().filter(|mark| **mark).count() as u64)
    }
}

/// What encrypts the upload of this name under a disk's key.
fn cipher_of(key: &DataKey, name: &str) -> Xts {
    let mut both = Zeroizing::new([0; KEY_BYTES]);
    let (data, tweak) = both.split_at_mut(KEY_BYTES / 2);
    data.copy_from_slice(derive(key, &format!("upload {name} data")).as_slice());
    tweak.copy_from_slice(derive(key, &format!("upload {name} tweak")).as_slice());
    Xts::new(&both)
}

impl Repository {
    /// Stores a disk of this size, sealed where there is a key: the blocks that were written, over a manifest or zeroes. It starts as the disk below does. Blocks
    /// until it is durable. Malformed if it is larger than [`MAX_IMAGE_BYTES`], Missing or Corrupt if something below is, Busy if a sweep
    /// does not end, Sealed if a key is not the right one.
    pub fn store_blocks(
        &self,
        disk: &BlockFile,
        key: Option<&DataKey>,
        under: Option<Under<'_>>,
        size_bytes: u64,
    ) -> Result<Stored, RepositoryError> {
        if size_bytes > MAX_IMAGE_BYTES {
            return Err(RepositoryError::malformed("the disk", format!("larger than {MAX_IMAGE_BYTES} bytes")));
        }
        let under = under.map(|under| self.reader_with(&under.manifest, under.key)).transpose()?;
        let boot = under.as_ref().and_then(|reader| reader.manifest().boot.clone());
        let (marks, chunk_bytes) = (disk.marks()?, self.settings.chunk_bytes);
        let shared = under.as_ref().is_some_and(|under| under.has_key(key));
        let over = Over { disk, marks, under: under.as_ref(), shared, size_bytes, chunk_bytes };
        self.store(key, |feed| over.read(feed), boot)
    }
}

/// Blocks over a manifest.
struct Over<'a> {
    disk: &'a BlockFile,
    marks: Vec<bool>,
    under: Option<&'a ImageReader>,
    /// Whether chunks below can be named as they are: they are sealed under the same key, or none is sealed.
    shared: bool,
    size_bytes: u64,
    chunk_bytes: u32,
}

impl Over<'_> {
    fn read(&self, feed: &mut Feed<'_>) -> Result<u64, RepositoryError> {
        let chunk_bytes = u64::from(self.chunk_bytes);
        for index in 0..self.size_bytes.div_ceil(chunk_bytes) {
            let offset = index * chunk_bytes;
            let length = chunk_bytes.min(self.size_bytes - offset);
            let at = usize::try_from(index).expect("MAX_IMAGE_BYTES keeps the count small");
            if let Some(known) = self.untouched(at, offset, length) {
                feed.known(at, known);
            } else if feed.push(at, self.bytes(offset, length)?).is_err() {
                break;
            }
        }
        Ok(self.size_bytes)
    }

    fn blocks(&self, offset: u64, length: u64) -> std::ops::Range<u64> {
        let block = u64::from(self.disk.block_bytes);
        offset / block..(offset + length).div_ceil(block)
    }

    fn is_written(&self, block: u64) -> bool {
        usize::try_from(block).is_ok_and(|block| self.marks.get(block).copied().unwrap_or(false))
    }

    /// The name of a chunk below that no block has touched, `None` within for zeroes; none when bytes must be read.
    fn untouched(&self, index: usize, offset: u64, length: u64) -> Option<Option<Digest>> {
        if self.blocks(offset, length).any(|block| self.is_written(block)) {
            return None;
        }
        let Some(under) = self.under else { return Some(None) };
        let manifest = under.manifest();
        if offset >= manifest.size_bytes {
            return Some(None);
        }
        let alike = self.shared && manifest.chunk_bytes == self.chunk_bytes && manifest.chunk_length(index) as u64 == length;
        alike.then(|| manifest.chunks[index])
    }

    fn bytes(&self, offset: u64, length: u64) -> Result<Vec<u8>, RepositoryError> {
        let mut bytes = vec![0; length as usize];
        if let Some(under) = self.under {
            let there = under.size_bytes().saturating_sub(offset).min(length) as usize;
            if there > 0 {
                under.read_at(offset, &mut bytes[..there])?;
            }
        }
        let block_bytes = u64::from(self.disk.block_bytes);
        for block in self.blocks(offset, length).filter(|block| self.is_written(*block)) {
            let from = (block * block_bytes).max(offset);
            let to = ((block + 1) * block_bytes).min(offset + length);
            let part = &mut bytes[(from - offset) as usize..(to - offset) as usize];
            self.disk.read(from, part)?;
        }
        Ok(bytes)
    }
}

impl ImageReader {
    /// Whether a block of the disk has bytes that are stored; those of others are zero.
    pub fn has_block(&self, index: u64, block_bytes: u32) -> bool {
        self.chunks_of(index, block_bytes).any(|chunk| self.is_stored(chunk))
    }

    /// Reads a block; beyond the end of the disk it is zeroes. Missing or Corrupt name a chunk.
    pub fn read_block(&self, index: u64, block_bytes: u32) -> Result<Vec<u8>, RepositoryError> {
        let mut bytes = vec![0; block_bytes as usize];
        let offset = index.saturating_mul(u64::from(block_bytes));
        let there = self.size_bytes().saturating_sub(offset).min(u64::from(block_bytes)) as usize;
        if there > 0 {
            self.read_at(offset, &mut bytes[..there])?;
        }
        Ok(bytes)
    }

    /// The next blocks from `from` on that this disk has, or in which it differs from a first one; at most `at_most`. A block may be listed
    /// though its bytes are equal, where chunks are cut otherwise; one that differs is never left out.
    pub fn blocks(&self, first: Option<&ImageReader>, from: u64, at_most: usize, block_bytes: u32) -> Vec<BlockDifference> {
        let longest = first.map_or(0, ImageReader::size_bytes).max(self.size_bytes());
        let one = |index: u64| {
            let in_second = self.has_block(index, block_bytes);
            let in_first = first.is_some_and(|first| first.has_block(index, block_bytes));
            let differs = first.is_none_or(|first| !self.has_equal_block(first, index, block_bytes));
            ((in_first || in_second) && differs).then_some(BlockDifference { index, in_first, in_second })
        };
        (from..longest.div_ceil(u64::from(block_bytes))).filter_map(one).take(at_most).collect()
    }

    fn has_equal_block(&self, other: &ImageReader, index: u64, block_bytes: u32) -> bool {
        let (own, others) = (self.manifest(), other.manifest());
        let name = |manifest: &crate::Manifest, chunk: usize| manifest.chunks.get(chunk).copied().flatten();
        own.chunk_bytes == others.chunk_bytes && self.chunks_of(index, block_bytes).all(|chunk| name(own, chunk) == name(others, chunk))
    }

    fn chunks_of(&self, index: u64, block_bytes: u32) -> std::ops::Range<usize> {
        let (block, chunk) = (u64::from(block_bytes), u64::from(self.manifest().chunk_bytes));
        let (start, end) = (index.saturating_mul(block), index.saturating_add(1).saturating_mul(block));
        let place = |at: u64| usize::try_from(at).unwrap_or(usize::MAX);
        place(start / chunk)..place(end.div_ceil(chunk))
    }
}
