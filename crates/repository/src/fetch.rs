//! A repository that is the cache of another one: objects that are not here are fetched, checked, and kept; and the other side of
//! that, giving out objects as they are stored.
//!
//! How objects travel is the business of whoever makes the [`Source`].

use crate::bucket::Bucket;
use crate::folder::{Folder, mode_of};
use crate::reader::unpack;
use crate::seal::MAGIC;
use crate::{Digest, Object, Repository, RepositoryError};
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Largest object of each kind in bytes: a manifest of two tebibytes (see [`crate::MAX_IMAGE_BYTES`]), a chunk of 16 MiB that does not
/// compress, a kernel or RAM disk.
const MANIFEST_MAX: u64 = 600 << 20;
const CHUNK_MAX: u64 = 17 << 20;
const BLOB_MAX: u64 = 1 << 30;
/// Plain bytes of the largest chunk.
const CHUNK_PLAIN_MAX: usize = 16 << 20;

/// How often an object is read before it counts as damaged in the store and not on the way.
const READS: usize = 2;
/// Pause before a store that does not answer is asked again.
const AGAIN: Duration = Duration::from_secs(1);

type Fetch = dyn Fn(Object, u64) -> Result<Vec<u8>, String> + Send + Sync;

/// Where a cache gets objects from: the bytes as they are stored, at most as many as are allowed. It may block.
#[derive(Clone)]
pub struct Source(Arc<Fetch>);

impl Source {
    /// Wraps what fetches an object of at most so many bytes; its error is words for the log.
    pub fn new(fetch: impl Fn(Object, u64) -> Result<Vec<u8>, String> + Send + Sync + 'static) -> Source {
        Source(Arc::new(fetch))
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Source")
    }
}

/// Largest size of an object in bytes.
fn limit(object: Object) -> u64 {
    match object {
        Object::Manifest(_) => MANIFEST_MAX,
        Object::Chunk(_) => CHUNK_MAX,
        Object::Blob(_) => BLOB_MAX,
    }
}

/// Whether stored bytes are those of this name.
pub(crate) fn is_right(object: Object, bytes: &[u8]) -> bool {
    match object {
        Object::Manifest(digest) | Object::Blob(digest) => Digest::of(bytes) == digest,
        // A sealed chunk is named by the bytes that are stored.
        Object::Chunk(digest) if bytes.starts_with(MAGIC) => Digest::of(bytes) == digest,
        Object::Chunk(digest) => unpack(bytes, CHUNK_PLAIN_MAX).is_ok_and(|plain| Digest::of(&plain) == digest),
    }
}

impl Bucket {
    /// Reads an object and checks it, twice if need be: what is flipped on the way is right the next time.
    pub(crate) fn read(&self, object: Object) -> Result<Vec<u8>, RepositoryError> {
        for _ in 0..READS {
            let bytes = self.get(object, limit(object))?;
            if is_right(object, &bytes) {
                return Ok(bytes);
            }
        }
        Err(RepositoryError::Corrupt { object })
    }
}

impl Folder {
    /// Fetches an object and keeps it; gives its file. Missing when the source does not have it, Corrupt when it gives other bytes.
    pub(crate) fn fetch(&self, source: &Source, object: Object) -> Result<File, RepositoryError> {
        let bytes = (source.0)(object, limit(object)).map_err(|reason| {
            tracing::warn!(%object, reason, "an object could not be fetched");
            RepositoryError::Missing { object }
        })?;
        if is_right(object, &bytes) { self.keep(object, &bytes) } else { Err(RepositoryError::Corrupt { object }) }
    }

    /// Fetches an object from the object store and keeps it; gives its file. What was flipped on the way is asked for again. Missing or
    /// Corrupt if that is what it is there, Store when it does not answer within the folder's patience.
    pub(crate) fn fetch_from(&self, bucket: &Bucket, object: Object) -> Result<File, RepositoryError> {
        let since = Instant::now();
        loop {
            match bucket.read(object) {
                Ok(bytes) => return self.keep(object, &bytes),
                Err(RepositoryError::Store { what, reason }) if since.elapsed() < self.patience => {
                    tracing::warn!(what, reason, "the object store does not answer; it is asked again");
                    std::thread::sleep(AGAIN);
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Gives an object its name once its bytes are on the disk. Several may do it at once, with the same bytes.
    pub(crate) fn keep(&self, object: Object, bytes: &[u8]) -> Result<File, RepositoryError> {
        static FETCHED: AtomicU64 = AtomicU64::new(0);
        let number = FETCHED.fetch_add(1, Ordering::Relaxed);
        let staged = self.staging().join(format!("fetched-{}-{number}", std::process::id()));
        let path = self.path(object);
        let write = || {
            let mut file = OpenOptions::new().create(true).truncate(true).write(true).mode(mode_of(object)).open(&staged)?;
            file.write_all(bytes)?;
            file.sync_data()?;
            fs::rename(&staged, &path)?;
            File::open(&path)
        };
        write().map_err(|error| {
            let _ = fs::remove_file(&staged);
            RepositoryError::io(&path)(error)
        })
    }
}

impl Repository {
    /// Every object that an image consists of, its manifest included, in order and once each.
    pub fn objects(&self, image: &Digest) -> Result<Vec<Object>, RepositoryError> {
        let mut objects: Vec<Object> = self.manifest(image)?.objects().chain([Object::Manifest(*image)]).collect();
        objects.sort_unstable();
        objects.dedup();
        Ok(objects)
    }

    /// Reads a part of an object as it is stored: at most so many bytes from `offset`, and how many the whole has.
    pub fn part(&self, object: Object, offset: u64, at_most: usize) -> Result<(Vec<u8>, u64), RepositoryError> {
        let path = self.folder.path(object);
        let file = self.folder.open_object(object)?;
        let total = file.metadata().map_err(RepositoryError::io(&path))?.len();
        let wanted = usize::try_from(total.saturating_sub(offset)).unwrap_or(usize::MAX).min(at_most);
        let mut bytes = vec![0; wanted];
        file.read_exact_at(&mut bytes, offset).map_err(RepositoryError::io(&path))?;
        Ok((bytes, total))
    }

    /// Fetches whatever of an image is not here yet, so that its readers no longer depend on the source. Blocks for as long as
    /// that takes.
    pub fn complete(&self, image: &Digest) -> Result<(), RepositoryError> {
        self.objects(image)?.into_iter().try_for_each(|object| self.folder.open_object(object).map(drop))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Settings;
    use std::sync::Mutex;

    fn original() -> (tempfile::TempDir, Repository, Digest) {
        let folder = tempfile::tempdir().unwrap();
        let repository = Repository::open(folder.path()).unwrap();
        let disk = folder.path().join("disk");
        fs::write(&disk, [vec![7; 300_000], vec![0; 300_000], vec![9; 100_000]].concat()).unwrap();
        let image = repository.import_raw_file(&disk, None).unwrap();
        (folder, repository, image)
    }

    fn cache(source: Source) -> (tempfile::TempDir, Repository) {
        let folder = tempfile::tempdir().unwrap();
        let cache = Repository::open_cache(folder.path(), Settings::default(), source).unwrap();
        (folder, cache)
    }

    fn whole(repository: &Repository, object: Object) -> Vec<u8> {
        let mut bytes = Vec::new();
        loop {
            // Small parts, so that there are several.
            let (part, total) = repository.part(object, bytes.len() as u64, 100).unwrap();
            bytes.extend(part);
            if bytes.len() as u64 == total {
                return bytes;
            }
        }
    }

    #[test]
    fn a_cache_fetches_each_object_once_and_then_does_without_its_source() {
        let (_kept, repository, image) = original();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (from, log) = (repository.clone(), asked.clone());
        let (_folder, cache) = cache(Source::new(move |object, _| {
            log.lock().unwrap().push(object);
            Ok(whole(&from, object))
        }));
        cache.complete(&image).unwrap();
        let mut fetched = std::mem::take(&mut *asked.lock().unwrap());
        fetched.sort_unstable();
        assert_eq!(fetched, repository.objects(&image).unwrap());
        let (mut here, mut there) = (vec![0; 700_000], vec![0; 700_000]);
        cache.reader(&image).unwrap().read_at(0, &mut here).unwrap();
        repository.reader(&image).unwrap().read_at(0, &mut there).unwrap();
        assert!(here == there, "the same bytes");
        assert_eq!(*asked.lock().unwrap(), [], "nothing was asked for again");
    }

    #[test]
    fn a_source_that_gives_other_bytes_poisons_nothing() {
        let (_kept, repository, image) = original();
        let (_folder, cache) = cache(Source::new(move |object, _| {
            let mut bytes = whole(&repository, object);
            if matches!(object, Object::Chunk(_)) {
                *bytes.last_mut().unwrap() ^= 1;
            }
            Ok(bytes)
        }));
        for _ in 0..2 {
            assert!(matches!(cache.complete(&image), Err(RepositoryError::Corrupt { object: Object::Chunk(_) })));
        }
    }

    #[test]
    fn what_the_source_does_not_give_is_missing() {
        let (_folder, cache) = cache(Source::new(|_, _| Err("no".to_owned())));
        assert!(matches!(cache.manifest(&Digest::of(b"x")), Err(RepositoryError::Missing { .. })));
    }
}
