//! Importing a raw disk: one thread reads, some compress, and whole batches become durable at once.
//!
//! ```text
//!   reader or file ──pieces──▶ bounded queue ──▶ workers: digest, known?, compress, stage ──batch full──▶ publish
//!                  zeroes are skipped                                          all done ──▶ blobs, then the manifest
//! ```
//!
//! Interrupted anywhere, an import leaves no manifest, and chunks that the next try finds and uses. A chunk that is there already
//! is read and checked before it is relied on, so importing the same disk again repairs what has gone bad.

use crate::folder::{Folder, Staged, Staging};
use crate::header::Refusal;
use crate::manifest::{Boot, MAX_IMAGE_BYTES, Manifest};
use crate::qcow2::Qcow2;
use crate::reader::{load_chunk, load_sealed};
use crate::seal::Sealer;
use crate::{Digest, Object, Repository, RepositoryError, Stored};
use model::DataKey;
use nix::errno::Errno;
use nix::unistd::{Whence, lseek};
use std::collections::HashSet;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, MutexGuard};
use zstd::bulk::Compressor;

/// Chunks that wait for a worker: enough that neither side idles, 2 MiB.
const QUEUE: usize = 8;

/// Compressed bytes that become durable together: so much that waiting for the disk is rare, so little that a kill costs seconds.
const BATCH_BYTES: usize = 64 << 20;

/// What a machine is started with when the image has no boot loader, or to spare it one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BootFiles {
    /// The kernel's file.
    pub kernel: PathBuf,
    /// The initial RAM disk's file.
    pub initrd: Option<PathBuf>,
    /// The kernel's command line.
    pub cmdline: String,
}

impl Repository {
    /// Imports the raw disk that `reader` yields, and returns the image's name. Blocks until the image is durable. Malformed if it
    /// is larger than [`MAX_IMAGE_BYTES`] or the boot files make no sense, Busy if a sweep does not end.
    pub fn import_raw(&self, reader: impl Read, boot: Option<&BootFiles>) -> Result<Digest, RepositoryError> {
        let staging = Staging::begin(&self.folder)?;
        self.import(staging, |feed| read_stream(reader, feed), boot)
    }

    /// Imports a raw disk from a file as [`import_raw`](Repository::import_raw) does, without reading its holes.
    pub fn import_raw_file(&self, disk: &Path, boot: Option<&BootFiles>) -> Result<Digest, RepositoryError> {
        let file = File::open(disk).map_err(RepositoryError::io(disk))?;
        let staging = Staging::begin(&self.folder)?;
        self.import(staging, |feed| read_file(disk, &file, feed), boot)
    }

    /// Imports the disk in a qcow2 file as [`import_raw`](Repository::import_raw) does. Refused if the image refers to other files
    /// or makes no sense; see [`header`](crate::header). No other program reads the file.
    pub fn import_qcow2_file(&self, disk: &Path, boot: Option<&BootFiles>) -> Result<Digest, RepositoryError> {
        let file = File::open(disk).map_err(RepositoryError::io(disk))?;
        let refused = |refusal| RepositoryError::Refused { path: disk.to_owned(), refusal };
        let mut image = Qcow2::open(&file).map_err(refused)?;
        let staging = Staging::begin(&self.folder)?;
        self.import(staging, |feed| read_qcow2(&mut image, feed).map_err(refused), boot)
    }

    fn import(
        &self,
        staging: Staging<'_>,
        produce: impl FnOnce(&mut Feed<'_>) -> Result<u64, RepositoryError>,
        boot: Option<&BootFiles>,
    ) -> Result<Digest, RepositoryError> {
        let boot_of = |staged: &mut Vec<Staged>| boot.map(|files| stage_boot(&staging, files, staged)).transpose();
        let (manifest, _) = self.ingest(&staging, None, produce, boot_of)?;
        let digest = Digest::of(&manifest);
        staging.finish(&digest, &manifest)?;
        Ok(digest)
    }

    /// Stores a disk that starts as one in the repository does, sealed where there is a key.
    pub(crate) fn store(
        &self,
        key: Option<&DataKey>,
        produce: impl FnOnce(&mut Feed<'_>) -> Result<u64, RepositoryError>,
        boot: Option<Boot>,
    ) -> Result<Stored, RepositoryError> {
        let staging = Staging::begin(&self.folder)?;
        let sealer = key.map(Sealer::new);
        let (bytes, new_bytes) = self.ingest(&staging, sealer.as_ref(), produce, |_| Ok(boot))?;
        let manifest = Digest::of(&bytes);
        staging.finish(&manifest, &bytes)?;
        Ok(Stored { manifest, new_bytes })
    }

    /// Makes everything durable but the manifest, whose text it returns with the compressed bytes that were new.
    fn ingest(
        &self,
        staging: &Staging<'_>,
        sealer: Option<&Sealer>,
        produce: impl FnOnce(&mut Feed<'_>) -> Result<u64, RepositoryError>,
        boot: impl FnOnce(&mut Vec<Staged>) -> Result<Option<Boot>, RepositoryError>,
    ) -> Result<(Vec<u8>, u64), RepositoryError> {
        let ingest = Ingest { repository: self, staging, sealer, state: Mutex::default(), failed: AtomicBool::new(false) };
        let size_bytes = ingest.run(produce)?;
        let IngestState { chunks, mut staged, new_bytes, .. } = ingest.into_state();
        let boot = boot(&mut staged)?;
        staging.publish(staged)?;
        let sealed = sealer.map(|sealer| sealer.name().to_owned());
        let manifest = Manifest { sealed, ..Manifest::new(size_bytes, self.settings.chunk_bytes, chunks, boot) };
        Ok((manifest.to_bytes(), new_bytes))
    }
}

fn stage_boot(staging: &Staging<'_>, files: &BootFiles, staged: &mut Vec<Staged>) -> Result<Boot, RepositoryError> {
    let mut copy = |path: &Path| -> Result<Digest, RepositoryError> {
        let file = staging.copy(path)?;
        let Object::Blob(digest) = file.object() else { unreachable!("a copied file is a blob") };
        staged.push(file);
        Ok(digest)
    };
    let kernel = copy(&files.kernel)?;
    let initrd = files.initrd.as_deref().map(copy).transpose()?;
    let boot = Boot { kernel, initrd, cmdline: files.cmdline.clone() };
    boot.check().map_err(|reason| RepositoryError::malformed("the boot entry", reason))?;
    Ok(boot)
}

/// Bytes of one chunk on their way to a worker.
struct Plain {
    index: usize,
    bytes: Vec<u8>,
}

/// Where the reading side puts what it has read.
pub(crate) struct Feed<'a> {
    queue: SyncSender<Plain>,
    failed: &'a AtomicBool,
    state: &'a Mutex<IngestState>,
    chunk_bytes: usize,
}

/// A worker has failed, so reading on is pointless.
pub(crate) struct Stopped;

impl Feed<'_> {
    /// Bytes of a chunk.
    pub(crate) fn chunk_bytes(&self) -> usize {
        self.chunk_bytes
    }

    /// Notes a chunk that is in the repository.
    pub(crate) fn known(&self, index: usize, digest: Option<Digest>) {
        if let Some(digest) = digest {
            self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).place(index, digest);
        }
    }

    pub(crate) fn push(&self, index: usize, bytes: Vec<u8>) -> Result<(), Stopped> {
        if is_zero(&bytes) {
            return Ok(());
        }
        if self.failed.load(Ordering::Relaxed) {
            return Err(Stopped);
        }
        self.queue.send(Plain { index, bytes }).map_err(|_| Stopped)
    }

    fn check_size(&self, size_bytes: u64) -> Result<(), RepositoryError> {
        if size_bytes > MAX_IMAGE_BYTES {
            return Err(RepositoryError::malformed("the disk", format!("larger than {MAX_IMAGE_BYTES} bytes")));
        }
        Ok(())
    }
}

/// Reads a disk to its end and returns its size; a stopped import's size does not matter.
fn read_stream(mut reader: impl Read, feed: &mut Feed<'_>) -> Result<u64, RepositoryError> {
    let mut size_bytes = 0;
    for index in 0.. {
        let mut bytes = Vec::with_capacity(feed.chunk_bytes);
        let read = reader.by_ref().take(feed.chunk_bytes as u64).read_to_end(&mut bytes);
        size_bytes += read.map_err(RepositoryError::io(Path::new("the disk's stream")))? as u64;
        feed.check_size(size_bytes)?;
        let is_last = bytes.len() < feed.chunk_bytes;
        if feed.push(index, bytes).is_err() || is_last {
            break;
        }
    }
    Ok(size_bytes)
}

/// Reads the parts of a file that are not holes, and returns its size.
fn read_file(path: &Path, file: &File, feed: &mut Feed<'_>) -> Result<u64, RepositoryError> {
    let size_bytes = file.metadata().map_err(RepositoryError::io(path))?.len();
    feed.check_size(size_bytes)?;
    let chunk_bytes = feed.chunk_bytes as u64;
    let mut next = 0;
    while let Some((start, end)) = next_data(path, file, next * chunk_bytes, size_bytes)? {
        // Borders of data need not be borders of chunks: whole chunks are read, each once.
        for index in (start / chunk_bytes).max(next)..end.div_ceil(chunk_bytes) {
            let offset = index * chunk_bytes;
            let mut bytes = vec![0; chunk_bytes.min(size_bytes - offset) as usize];
            file.read_exact_at(&mut bytes, offset).map_err(RepositoryError::io(path))?;
            if feed.push(index as usize, bytes).is_err() {
                return Ok(size_bytes);
            }
        }
        next = end.div_ceil(chunk_bytes);
    }
    Ok(size_bytes)
}

/// Reads the parts of a qcow2 disk that are not zeroes by its tables, and returns its size.
fn read_qcow2(image: &mut Qcow2<'_>, feed: &mut Feed<'_>) -> Result<u64, Refusal> {
    let (size_bytes, chunk_bytes) = (image.virtual_bytes(), feed.chunk_bytes as u64);
    for index in 0..size_bytes.div_ceil(chunk_bytes) {
        let offset = index * chunk_bytes;
        let length = chunk_bytes.min(size_bytes - offset) as usize;
        let Some(bytes) = image.read(offset, length)? else { continue };
        if feed.push(index as usize, bytes).is_err() {
            break;
        }
    }
    Ok(size_bytes)
}

/// Where the next data of a file starts and ends, at or after `from`.
pub(crate) fn next_data(path: &Path, file: &File, from: u64, size_bytes: u64) -> Result<Option<(u64, u64)>, RepositoryError> {
    if from >= size_bytes {
        return Ok(None);
    }
    let seek = |offset: u64, whence| lseek(file, offset as i64, whence);
    let found = seek(from, Whence::SeekData).and_then(|start| Ok((start as u64, seek(start as u64, Whence::SeekHole)? as u64)));
    match found {
        Ok((start, _)) if start >= size_bytes => Ok(None),
        Ok((start, end)) => Ok(Some((start, end.min(size_bytes)))),
        // No data from here on.
        Err(Errno::ENXIO) => Ok(None),
        // A file system that knows no holes.
        Err(Errno::EINVAL) => Ok(Some((from, size_bytes))),
        Err(errno) => Err(RepositoryError::io(path)(errno.into())),
    }
}

/// Compares with `memcmp`, which is fast in every build; a loop over bytes is not.
fn is_zero(bytes: &[u8]) -> bool {
    const ZEROES: [u8; 4096] = [0; 4096];
    bytes.chunks(ZEROES.len()).all(|part| part == &ZEROES[..part.len()])
}

/// The compressing side of one import.
struct Ingest<'a> {
    repository: &'a Repository,
    staging: &'a Staging<'a>,
    /// Seals the chunks of an encrypted disk.
    sealer: Option<&'a Sealer>,
    state: Mutex<IngestState>,
    failed: AtomicBool,
}

#[derive(Default)]
pub(crate) struct IngestState {
    chunks: Vec<Option<Digest>>,
    /// Chunks that this import has dealt with.
    seen: HashSet<Digest>,
    staged: Vec<Staged>,
    staged_bytes: usize,
    /// Compressed bytes of everything that was staged.
    new_bytes: u64,
}

impl IngestState {
    fn place(&mut self, index: usize, digest: Digest) {
        if self.chunks.len() <= index {
            self.chunks.resize(index + 1, None);
        }
        self.chunks[index] = Some(digest);
    }
}

impl Ingest<'_> {
    fn run(&self, produce: impl FnOnce(&mut Feed<'_>) -> Result<u64, RepositoryError>) -> Result<u64, RepositoryError> {
        let (queue, pieces) = sync_channel(QUEUE);
        let pieces = Mutex::new(pieces);
        std::thread::scope(|scope| {
            let pieces = &pieces;
            let workers: Vec<_> = (0..self.repository.settings.threads).map(|_| scope.spawn(move || self.work(pieces))).collect();
            let mut feed =
                Feed { queue, failed: &self.failed, state: &self.state, chunk_bytes: self.repository.settings.chunk_bytes as usize };
            let produced = produce(&mut feed);
            drop(feed);
            for worker in workers {
                worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
            }
            produced
        })
    }

    fn work(&self, pieces: &Mutex<Receiver<Plain>>) -> Result<(), RepositoryError> {
        let result = self.work_until_done(pieces);
        if result.is_err() {
            self.failed.store(true, Ordering::Relaxed);
            // The reading side may stand before a full queue.
            while take(pieces).is_some() {}
        }
        result
    }

    fn work_until_done(&self, pieces: &Mutex<Receiver<Plain>>) -> Result<(), RepositoryError> {
        let failed = |error| RepositoryError::io(Path::new("zstd"))(error);
        let mut compressor = Compressor::new(self.repository.settings.level).map_err(failed)?;
        while let Some(Plain { index, bytes }) = take(pieces) {
            let folder = &self.repository.folder;
            let (digest, packed) = match self.sealer {
                None => {
                    let digest = Digest::of(&bytes);
                    if !self.note(index, digest) || is_stored(folder, digest, |folder| load_chunk(folder, &digest, bytes.len()))? {
                        continue;
                    }
                    (digest, compressor.compress(&bytes).map_err(failed)?)
                }
                Some(sealer) => {
                    let sealed = sealer.seal(&bytes, compressor.compress(&bytes).map_err(failed)?);
                    let digest = Digest::of(&sealed);
                    if !self.note(index, digest) || is_stored(folder, digest, |folder| load_sealed(folder, &digest, bytes.len()))? {
                        continue;
                    }
                    (digest, sealed)
                }
            };
            let staged = self.staging.write(Object::Chunk(digest), &packed)?;
            if let Some(batch) = self.stage(staged, packed.len()) {
                self.staging.publish(batch)?;
            }
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, IngestState> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Notes which chunk lies at `index`; true if this import has not met it before.
    fn note(&self, index: usize, digest: Digest) -> bool {
        let mut state = self.lock();
        state.place(index, digest);
        state.seen.insert(digest)
    }

    /// Adds a file to the batch, and returns the batch if it is full.
    fn stage(&self, staged: Staged, bytes: usize) -> Option<Vec<Staged>> {
        let mut state = self.lock();
        state.staged.push(staged);
        state.staged_bytes += bytes;
        state.new_bytes += bytes as u64;
        if state.staged_bytes < BATCH_BYTES {
            return None;
        }
        state.staged_bytes = 0;
        Some(std::mem::take(&mut state.staged))
    }

    fn into_state(self) -> IngestState {
        self.state.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// Whether a chunk can be relied on: it is read and checked.
fn is_stored(
    folder: &Folder,
    digest: Digest,
    load: impl FnOnce(&Folder) -> Result<Vec<u8>, RepositoryError>,
) -> Result<bool, RepositoryError> {
    Ok(folder.may_have(Object::Chunk(digest))? && load(folder).is_ok())
}

fn take(pieces: &Mutex<Receiver<Plain>>) -> Option<Plain> {
    pieces.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).recv().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Settings;
    use crate::manifest::CHUNK_BYTES;
    use std::fs;

    /// Three distinct chunks, one of them twice, a hole, and a kernel.
    fn disk() -> Vec<u8> {
        [1u8, 2, 0, 1, 3].into_iter().flat_map(|kind| [kind; *CHUNK_BYTES.start() as usize]).collect()
    }

    #[test]
    fn a_crash_at_any_step_leaves_no_broken_image() {
        let folder = tempfile::tempdir().unwrap();
        let kernel = folder.path().join("kernel");
        fs::write(&kernel, "kernel").unwrap();
        let boot = BootFiles { kernel, initrd: None, cmdline: String::new() };
        let settings = Settings { chunk_bytes: *CHUNK_BYTES.start(), threads: 1, ..Settings::default() };
        let mut crashes = 0;
        loop {
            let path = folder.path().join(format!("repository{crashes}"));
            let repository = Repository::open_with(&path, settings.clone()).unwrap();
            let staging = Staging::begin(&repository.folder).unwrap();
            staging.fuse.0.store(crashes, Ordering::SeqCst);
            let imported = repository.import(staging, |feed| read_stream(&disk()[..], feed), Some(&boot));
            for image in repository.images().unwrap() {
                assert_eq!(repository.verify(&image), vec![], "after {crashes} steps");
            }
            if imported.is_ok() {
                break;
            }
            crashes += 1;
            assert_eq!(repository.images().unwrap(), vec![], "after {crashes} steps");
            // What is left hinders nobody, and the sweep removes it.
            assert_eq!(fs::read_dir(path.join("staging")).unwrap().count(), 1);
            let again = repository.import_raw(&disk()[..], Some(&boot)).unwrap();
            assert_eq!(repository.sweep().unwrap().dead_imports, 1);
            assert_eq!(fs::read_dir(path.join("staging")).unwrap().count(), 0);
            assert_eq!(repository.verify(&again), vec![]);
        }
        // Three chunks, a kernel and a manifest are each written and named; two steps sync.
        assert_eq!(crashes, 12);
    }
}
