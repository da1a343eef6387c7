//! The repository: one folder of objects, and what can be asked of it. Importing, checking and sweeping have their own files.

use crate::bucket::Kind;
use crate::cache::Cache;
use crate::digest::Hasher;
use crate::fetch::Source;
use crate::folder::Folder;
use crate::manifest::{CHUNK_BYTES, Manifest};
use crate::seal::Sealer;
use crate::{Digest, ImageReader, Object, RepositoryError};
use model::DataKey;
use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A folder of images. Several processes may use one folder at once; clones of this share a cache.
#[derive(Debug, Clone)]
pub struct Repository {
    pub(crate) folder: Arc<Folder>,
    pub(crate) settings: Settings,
    cache: Arc<Cache>,
    checked: Arc<Mutex<HashMap<Digest, FileIdentity>>>,
}

/// What can be chosen when a repository is opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Plain bytes in a chunk of an image imported from now on: a power of two from 4 KiB to 16 MiB. Images keep theirs.
    pub chunk_bytes: u32,
    /// zstd level of chunks written from now on, 1 to 19.
    pub level: i32,
    /// Threads that compress during an import, at least 1.
    pub threads: usize,
    /// Plain chunks kept in memory, in bytes.
    pub cache_bytes: usize,
    /// How long a read waits for an object store that does not answer, beyond what one request takes.
    pub patience: Duration,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings { chunk_bytes: 256 << 10, level: 3, threads: 2, cache_bytes: 64 << 20, patience: Duration::ZERO }
    }
}

/// What a repository keeps.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Images.
    pub manifests: u64,
    /// Distinct chunks, also those that no image names any more.
    pub chunks: u64,
    /// Compressed bytes of the chunks.
    pub chunk_bytes: u64,
    /// Kernels and initial RAM disks.
    pub blobs: u64,
    /// Bytes of the blobs.
    pub blob_bytes: u64,
}

/// By what a file that was checked is known to be unchanged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct FileIdentity {
    device: u64,
    inode: u64,
    size: u64,
    changed: (i64, i64),
}

impl Repository {
    /// Opens the repository in a folder, and makes one if there is none. Io if the folder cannot be used, Malformed if it was
    /// written by a version that this build does not know.
    pub fn open(path: impl AsRef<Path>) -> Result<Repository, RepositoryError> {
        Repository::open_with(path, Settings::default())
    }

    /// Opens the repository in a folder with other settings; Malformed if they make no sense.
    pub fn open_with(path: impl AsRef<Path>, settings: Settings) -> Result<Repository, RepositoryError> {
        let Settings { chunk_bytes, level, threads, cache_bytes, patience } = settings;
        if !CHUNK_BYTES.contains(&chunk_bytes) || !chunk_bytes.is_power_of_two() || !(1..=19).contains(&level) || threads == 0 {
            return Err(RepositoryError::malformed("settings", format!("{settings:?}")));
        }
        let mut folder = Folder::open(path.as_ref())?;
        folder.patience = patience;
        Ok(Repository { folder: Arc::new(folder), settings, cache: Arc::new(Cache::new(cache_bytes)), checked: Arc::default() })
    }

    /// Opens a repository that is the cache of another one: objects that are not here come from `source`, are checked, and stay.
    pub fn open_cache(path: impl AsRef<Path>, settings: Settings, source: Source) -> Result<Repository, RepositoryError> {
        let plain = Repository::open_with(&path, settings)?;
        let mut folder = Folder::open(path.as_ref())?;
        folder.patience = plain.folder.patience;
        folder.source = Some(source);
        Ok(Repository { folder: Arc::new(folder), ..plain })
    }

    /// Whether it is a cache of another one: what is put into it is nowhere else.
    pub fn is_cache(&self) -> bool {
        self.folder.source.is_some()
    }

    /// Reads an image's manifest. Missing, Corrupt or Malformed if that is what it is.
    pub fn manifest(&self, image: &Digest) -> Result<Manifest, RepositoryError> {
        let file = self.folder.open_object(Object::Manifest(*image))?;
        Manifest::from_bytes(image, &self.folder.read_manifest(image, &file)?)
    }

    /// Opens an image for reading. While the reader exists, in this process or another, the image is not removed.
    pub fn reader(&self, image: &Digest) -> Result<ImageReader, RepositoryError> {
        self.reader_with(image, None)
    }

    /// Opens an image for reading, a sealed one with its key; Sealed if it is sealed under another, or not at all. Without a key, of a
    /// sealed one only the manifest can be read.
    pub fn reader_with(&self, image: &Digest, key: Option<&DataKey>) -> Result<ImageReader, RepositoryError> {
        let held = self.folder.hold_manifest(image)?;
        let manifest = Manifest::from_bytes(image, &self.folder.read_manifest(image, &held)?)?;
        let sealer = key.map(Sealer::new);
        if sealer.as_ref().is_some_and(|sealer| manifest.sealed.as_deref() != Some(sealer.name())) {
            return Err(RepositoryError::Sealed { image: *image });
        }
        let (folder, cache) = (self.folder.clone(), self.cache.clone());
        Ok(ImageReader { digest: *image, manifest, folder, cache, sealer, _held: held })
    }

    /// Returns the file of a kernel or initial RAM disk, whose bytes have been checked. Later calls check again only if the file
    /// has changed. Missing or Corrupt if that is what it is.
    pub fn blob_path(&self, blob: &Digest) -> Result<PathBuf, RepositoryError> {
        let object = Object::Blob(*blob);
        let path = self.folder.path(object);
        let file = self.folder.open_object(object)?;
        let metadata = file.metadata().map_err(RepositoryError::io(&path))?;
        let identity = FileIdentity {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        };
        let known = self.checked_blobs().get(blob) == Some(&identity);
        if !known {
            self.check_blob(blob, &file)?;
            self.checked_blobs().insert(*blob, identity);
        }
        Ok(path)
    }

    fn checked_blobs(&self) -> std::sync::MutexGuard<'_, HashMap<Digest, FileIdentity>> {
        self.checked.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Reads a whole blob and compares its checksum.
    pub(crate) fn check_blob(&self, blob: &Digest, mut file: &File) -> Result<(), RepositoryError> {
        const PIECE: usize = 1 << 20;
        let object = Object::Blob(*blob);
        let mut hasher = Hasher::default();
        let mut buffer = vec![0; PIECE];
        loop {
            match file.read(&mut buffer).map_err(RepositoryError::io(&self.folder.path(object)))? {
                0 => break,
                length => hasher.update(&buffer[..length]),
            }
        }
        if hasher.finish() == *blob { Ok(()) } else { Err(RepositoryError::Corrupt { object }) }
    }

    /// Lists all images, in no order, as the object store has them where there is one.
    pub fn images(&self) -> Result<Vec<Digest>, RepositoryError> {
        if let Some(bucket) = self.folder.bucket()? {
            return Ok(bucket.list(Kind::Manifests)?.into_iter().map(|(object, _)| object.digest()).collect());
        }
        self.images_here()
    }

    /// Images whose manifest is in the folder.
    pub(crate) fn images_here(&self) -> Result<Vec<Digest>, RepositoryError> {
        Ok(self.folder.list(&self.folder.manifests())?.into_iter().map(|(digest, _)| digest).collect())
    }

    /// Removes an image; its chunks stay until a [sweep](Repository::sweep). Missing if there is none, InUse if it is being read.
    /// Whoever calls this knows that no disk stands on the image: one whose server is just being restarted is not being read.
    pub fn remove(&self, image: &Digest) -> Result<(), RepositoryError> {
        self.folder.remove_manifest(image)
    }

    /// Counts what is kept, by listing the folders, or the object store where there is one.
    pub fn usage(&self) -> Result<Usage, RepositoryError> {
        let mut usage = Usage { manifests: self.images()?.len() as u64, ..Usage::default() };
        if let Some(bucket) = self.folder.bucket()? {
            let (chunks, blobs) = (bucket.list(Kind::Chunks)?, bucket.list(Kind::Blobs)?);
            let bytes = |objects: &[(Object, u64)]| objects.iter().map(|(_, bytes)| bytes).sum();
            (usage.chunks, usage.chunk_bytes) = (chunks.len() as u64, bytes(&chunks));
            (usage.blobs, usage.blob_bytes) = (blobs.len() as u64, bytes(&blobs));
            return Ok(usage);
        }
        for folder in self.folder.chunk_folders() {
            for (_, bytes) in self.folder.list(&folder)? {
                usage.chunks += 1;
                usage.chunk_bytes += bytes;
            }
        }
        for (_, bytes) in self.folder.list(&self.folder.blobs())? {
            usage.blobs += 1;
            usage.blob_bytes += bytes;
        }
        Ok(usage)
    }
}
