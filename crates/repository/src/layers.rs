//! Storing a disk that lies in layers: qcow2 files over each other, over what is in the repository already.
//!
//! ```text
//!   layer n      qcow2, the newest writes        a cluster is read from the newest layer that has it
//!   layer 0      qcow2
//!   under        a manifest: the image or snapshot that the disk was made of; else zeroes
//! ```
//!
//! A chunk that no layer has touched is the chunk of the manifest below: its name is taken over and no byte is read. So a
//! snapshot costs what was written since the disk was made, and a big empty disk costs nothing. Nobody may write the layers
//! meanwhile; no other program reads them. Of a disk that is written on, the newest layer is somebody else's to show ([`Live`]), and so are
//! the bytes of all of it; which chunks it has not touched is known from both.

use crate::header::Refusal;
use crate::import::Feed;
use crate::live::{LiveDisk, LiveError, Status};
use crate::manifest::MAX_IMAGE_BYTES;
use crate::qcow2::Qcow2;
use crate::{Digest, ImageReader, Repository, RepositoryError};
use model::DataKey;
use std::fs::File;
use std::os::unix::net::UnixStream;
use std::path::Path;

/// A disk in layers.
#[derive(Debug)]
pub struct Layers<'a> {
    /// The files, the oldest first; at least one, or `live`.
    pub files: &'a [File],
    /// Who shows the disk where its newest layer is written on. It is not among the files.
    pub live: Option<Live<'a>>,
    /// The key of an encrypted disk: its layers are read with it, and what is stored is sealed under it.
    pub key: Option<&'a DataKey>,
    /// The manifest that is read where no layer has anything.
    pub under: Option<Under<'a>>,
    /// Size of the disk in bytes. Layers and manifest may be shorter, and read as zeroes beyond their ends.
    pub size_bytes: u64,
}

/// A disk as somebody shows it over NBD: as it was at an instant, with what is below.
#[derive(Debug, Clone, Copy)]
pub struct Live<'a> {
    /// A connection to whoever shows it.
    pub line: &'a UnixStream,
    /// The export's name.
    pub export: &'a str,
}

/// A manifest below a disk.
#[derive(Debug, Clone, Copy)]
pub struct Under<'a> {
    /// Its name.
    pub manifest: Digest,
    /// Its key, where it is sealed.
    pub key: Option<&'a DataKey>,
}

/// A disk that was stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stored {
    /// Its name.
    pub manifest: Digest,
    /// Compressed bytes that were not there before.
    pub new_bytes: u64,
}

impl Repository {
    /// Stores a disk that lies in layers, and tells `progress` how many of its bytes have been dealt with. It starts as the disk
    /// below it does. Blocks until the disk is durable. Refused if a layer is not one, Live if it is not shown, Malformed if the disk is larger than
    /// [`MAX_IMAGE_BYTES`], Missing or Corrupt if something below is, Sealed if its key is not the right
    /// one, Busy if a sweep does not end.
    pub fn store_layers(&self, disk: &Layers<'_>, progress: &(dyn Fn(u64) + Sync)) -> Result<Stored, RepositoryError> {
        if disk.size_bytes > MAX_IMAGE_BYTES {
            return Err(RepositoryError::malformed("the disk", format!("larger than {MAX_IMAGE_BYTES} bytes")));
        }
        let refused = |refusal| RepositoryError::Refused { path: Path::new("a layer").to_owned(), refusal };
        let layers =
            disk.files.iter().rev().map(|file| Qcow2::open_layer(file, disk.key)).collect::<Result<Vec<_>, _>>().map_err(refused)?;
        let under = disk.under.map(|under| self.reader_with(&under.manifest, under.key)).transpose()?;
        let boot = under.as_ref().and_then(|reader| reader.manifest().boot.clone());
        let shared = under.as_ref().is_some_and(|under| under.has_key(disk.key));
        let (size_bytes, chunk_bytes) = (disk.size_bytes, self.settings.chunk_bytes);
        let failed = |live: &Live<'_>, source| RepositoryError::Live { export: live.export.to_owned(), source };
        let live = disk.live.map(|live| Ok((live, LiveDisk::open(live.line, live.export).map_err(|e| failed(&live, e))?))).transpose()?;
        if let Some((live, shown)) = &live
            && shown.size_bytes() < size_bytes
        {
            return Err(failed(live, LiveError::Protocol("a disk that is shorter than it should be")));
        }
        let mut stack = Stack { layers, live, under: under.as_ref(), shared, size_bytes, chunk_bytes };
        self.store(disk.key, |feed| stack.read(feed, progress), boot)
    }
}

/// Layers, the newest first.
struct Stack<'a> {
    layers: Vec<Qcow2<'a>>,
    live: Option<(Live<'a>, LiveDisk)>,
    under: Option<&'a ImageReader>,
    /// Whether chunks below can be named as they are: they are sealed under the same key, or none is sealed.
    shared: bool,
    size_bytes: u64,
    chunk_bytes: u32,
}

impl Stack<'_> {
    fn read(&mut self, feed: &mut Feed<'_>, progress: &(dyn Fn(u64) + Sync)) -> Result<u64, RepositoryError> {
        let chunk_bytes = u64::from(self.chunk_bytes);
        for index in 0..self.size_bytes.div_ceil(chunk_bytes) {
            let offset = index * chunk_bytes;
            let length = chunk_bytes.min(self.size_bytes - offset) as usize;
            let at = usize::try_from(index).expect("MAX_IMAGE_BYTES keeps the count small");
            if let Some(known) = self.untouched(at, offset, length)? {
                feed.known(at, known);
            } else if feed.push(at, self.bytes(offset, length)?).is_err() {
                break;
            }
            progress(offset + length as u64);
        }
        Ok(self.size_bytes)
    }

    /// Asks who shows the disk, if anybody does.
    fn shown<T>(&mut self, ask: impl FnOnce(&mut LiveDisk) -> Result<T, LiveError>) -> Result<Option<T>, RepositoryError> {
        let failed = |(live, disk): &mut (Live<'_>, LiveDisk)| {
            ask(disk).map_err(|source| RepositoryError::Live { export: live.export.to_owned(), source })
        };
        self.live.as_mut().map(failed).transpose()
    }

    /// The name of a chunk below that no layer has touched, `None` within for zeroes; none when bytes must be read.
    fn untouched(&mut self, index: usize, offset: u64, length: usize) -> Result<Option<Option<Digest>>, RepositoryError> {
        match self.shown(|live| live.status(offset, length as u64))? {
            Some(Status::Data) => return Ok(None),
            Some(Status::Zeroes) => return Ok(Some(None)),
            Some(Status::Untouched) | None => {}
        }
        for layer in &mut self.layers {
            if layer.has_any(offset, length).map_err(refused)? {
                return Ok(None);
            }
        }
        let Some(under) = self.under else { return Ok(Some(None)) };
        let manifest = under.manifest();
        if offset >= manifest.size_bytes {
            return Ok(Some(None));
        }
        let alike = self.shared && manifest.chunk_bytes == self.chunk_bytes && manifest.chunk_length(index) == length;
        Ok(alike.then(|| manifest.chunks[index]))
    }

    fn bytes(&mut self, offset: u64, length: usize) -> Result<Vec<u8>, RepositoryError> {
        let mut bytes = vec![0; length];
        if self.shown(|live| live.read_at(offset, &mut bytes))?.is_some() {
            return Ok(bytes);
        }
        if let Some(under) = self.under {
            let there = under.size_bytes().saturating_sub(offset).min(length as u64) as usize;
            if there > 0 {
                under.read_at(offset, &mut bytes[..there])?;
            }
        }
        for layer in self.layers.iter_mut().rev() {
            layer.lay_over(offset, &mut bytes).map_err(refused)?;
        }
        Ok(bytes)
    }
}

fn refused(refusal: Refusal) -> RepositoryError {
    RepositoryError::Refused { path: Path::new("a layer").to_owned(), refusal }
}
