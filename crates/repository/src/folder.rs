//! The object store in a local folder: where objects lie, and how they get there so that a crash leaves whole objects or none.
//!
//! ```text
//!   ROOT/format            "1": the layout that this build reads
//!   ROOT/lock              shared: an import is running; exclusive: a sweep is
//!   ROOT/deleting          a sweep deletes from the object store, or died while it did
//!   ROOT/staging/PID-N/    what an import has written and not yet published
//!   ROOT/chunks/ab/…       ROOT/blobs/…       ROOT/manifests/…
//! ```
//!
//! A file gets its final name only after its bytes are on the disk, and a manifest only after everything it names has its final
//! name on the disk. So whatever has a final name is whole, and what a manifest names is there. Staged files of a dead import are
//! removed by the next sweep, which knows by the lock that no import lives.
//!
//! Where an object store stands before which the folder is a cache (see [`bucket`](crate::bucket)), a name here is a name there: objects
//! get theirs there first, and lose it here first.
//!
//! All locks are `flock`: the kernel releases them with the process, however it ends.

use crate::bucket::{Behind, Bucket};
use crate::fetch::Source;
use crate::{Digest, Object, RepositoryError};
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

const FORMAT: &str = "1\n";

/// How long an import waits for a sweep, and a sweep for an import. A sweep lists and unlinks files: seconds.
const LOCK_WAIT: Duration = Duration::from_secs(30);

/// How often a waiting side looks again; `flock` cannot wait with a deadline.
const LOCK_POLL: Duration = Duration::from_millis(10);

/// How long after a sweep died a deletion that it had sent may still reach the object store: longer than servers keep a request whose
/// sender is gone.
const LATE_DELETION: Duration = Duration::from_secs(60);

/// Longest manifest that is read: 2 TiB in chunks of 256 KiB are 8 Mi digests of 67 bytes.
const MAX_MANIFEST_BYTES: u64 = 600 << 20;

/// Blobs are handed to the hypervisor, which runs as another user: the folders above can be passed through but not listed, and
/// the digest is what one has to know. Everything else is the owner's alone.
const PASSABLE: u32 = 0o711;
const PRIVATE: u32 = 0o700;
const BLOB_MODE: u32 = 0o444;
const FILE_MODE: u32 = 0o400;

/// A folder of objects.
#[derive(Debug)]
pub(crate) struct Folder {
    root: PathBuf,
    /// Where objects come from that are not here.
    pub(crate) source: Option<Source>,
    /// How long a read waits for an object store that does not answer.
    pub(crate) patience: Duration,
    pub(crate) behind: Behind,
}

impl Folder {
    /// Opens the folder, and lays it out if it is new.
    pub(crate) fn open(root: &Path) -> Result<Folder, RepositoryError> {
        let folder = Folder { root: root.to_owned(), source: None, patience: Duration::ZERO, behind: Behind::of(root) };
        let format = folder.root.join("format");
        match fs::read_to_string(&format) {
            Ok(text) if text == FORMAT => Ok(folder),
            Ok(_) => Err(RepositoryError::malformed(format.display(), "a repository of another version")),
            Err(error) if error.kind() == io::ErrorKind::NotFound => folder.lay_out().map(|()| folder),
            Err(error) => Err(RepositoryError::io(&format)(error)),
        }
    }

    /// Makes the folders, and last the file that says that they are there. Several may do it at once.
    fn lay_out(&self) -> Result<(), RepositoryError> {
        make_folder(&self.root, PASSABLE)?;
        for name in ["chunks", "manifests", "staging"] {
            make_folder(&self.root.join(name), PRIVATE)?;
        }
        make_folder(&self.root.join("blobs"), PASSABLE)?;
        for byte in 0..=u8::MAX {
            make_folder(&self.root.join("chunks").join(format!("{byte:02x}")), PRIVATE)?;
        }
        let format = self.root.join("format");
        static LAID_OUT: AtomicU64 = AtomicU64::new(0);
        let number = LAID_OUT.fetch_add(1, Ordering::Relaxed);
        let staged = self.root.join(format!("format.{}-{number}", std::process::id()));
        fs::write(&staged, FORMAT).map_err(RepositoryError::io(&staged))?;
        self.sync_all()?;
        fs::rename(&staged, &format).map_err(RepositoryError::io(&format))?;
        sync_folder(&self.root)
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// The object store before which this folder stands.
    pub(crate) fn bucket(&self) -> Result<Option<Arc<Bucket>>, RepositoryError> {
        self.behind.bucket()
    }

    /// Whether an import may take it that a chunk is stored: where there is an object store, only what is here is known to be there too
    /// without asking, and storing twice gives the same.
    pub(crate) fn may_have(&self, object: Object) -> Result<bool, RepositoryError> {
        Ok(self.bucket()?.is_none() || self.path(object).exists())
    }

    /// Where an object lies, or would.
    pub(crate) fn path(&self, object: Object) -> PathBuf {
        match object {
            Object::Manifest(digest) => self.manifests().join(digest.to_string()),
            Object::Chunk(digest) => self.chunks(&digest.folder()).join(digest.to_string()),
            Object::Blob(digest) => self.blobs().join(digest.to_string()),
        }
    }

    pub(crate) fn manifests(&self) -> PathBuf {
        self.root.join("manifests")
    }

    pub(crate) fn blobs(&self) -> PathBuf {
        self.root.join("blobs")
    }

    pub(crate) fn staging(&self) -> PathBuf {
        self.root.join("staging")
    }

    fn chunks(&self, prefix: &str) -> PathBuf {
        self.root.join("chunks").join(prefix)
    }

    /// The 256 folders of chunks.
    pub(crate) fn chunk_folders(&self) -> impl Iterator<Item = PathBuf> + '_ {
        (0..=u8::MAX).map(|byte| self.chunks(&format!("{byte:02x}")))
    }

    /// Opens an object's file, which is fetched first where there is a source and it is not here.
    pub(crate) fn open_object(&self, object: Object) -> Result<File, RepositoryError> {
        let path = self.path(object);
        match (File::open(&path), &self.source) {
            (Ok(file), _) => Ok(file),
            (Err(error), Some(source)) if error.kind() == io::ErrorKind::NotFound => self.fetch(source, object),
            (Err(error), None) if error.kind() == io::ErrorKind::NotFound => match self.bucket()? {
                Some(bucket) => self.fetch_from(&bucket, object),
                None => Err(RepositoryError::Missing { object }),
            },
            (Err(error), _) => Err(RepositoryError::Io { path, source: error }),
        }
    }

    /// Opens a manifest's file and holds it, so that it is not removed while the file is open.
    pub(crate) fn hold_manifest(&self, digest: &Digest) -> Result<File, RepositoryError> {
        let object = Object::Manifest(*digest);
        let path = self.path(object);
        let file = self.open_object(object)?;
        match file.try_lock_shared() {
            Ok(()) => {}
            // Held alone only by `remove_manifest`, just before the name goes.
            Err(TryLockError::WouldBlock) => return Err(RepositoryError::Missing { object }),
            Err(TryLockError::Error(error)) => return Err(RepositoryError::io(&path)(error)),
        }
        let links = file.metadata().map_err(RepositoryError::io(&path))?.nlink();
        if links == 0 { Err(RepositoryError::Missing { object }) } else { Ok(file) }
    }

    /// Reads a manifest's text from its open file.
    pub(crate) fn read_manifest(&self, digest: &Digest, file: &File) -> Result<Vec<u8>, RepositoryError> {
        let mut bytes = Vec::new();
        let path = self.path(Object::Manifest(*digest));
        file.take(MAX_MANIFEST_BYTES).read_to_end(&mut bytes).map_err(RepositoryError::io(&path))?;
        Ok(bytes)
    }

    /// Gives a manifest's name to nothing, unless somebody holds it.
    pub(crate) fn remove_manifest(&self, digest: &Digest) -> Result<(), RepositoryError> {
        self.remove_manifest_if(digest, |_| true).map(drop)
    }

    /// Removes a manifest that was last stored before a time, and says whether it did.
    pub(crate) fn remove_manifest_from_before(&self, digest: &Digest, before: SystemTime) -> Result<bool, RepositoryError> {
        // A time that cannot be told is no reason to delete.
        self.remove_manifest_if(digest, |metadata| metadata.modified().is_ok_and(|stored| stored < before))
    }

    fn remove_manifest_if(&self, digest: &Digest, condition: impl FnOnce(&fs::Metadata) -> bool) -> Result<bool, RepositoryError> {
        let object = Object::Manifest(*digest);
        let path = self.path(object);
        let _alone = self.lock_manifests()?;
        let file = self.open_object(object)?;
        if !condition(&file.metadata().map_err(RepositoryError::io(&path))?) {
            return Ok(false);
        }
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(RepositoryError::InUse { image: *digest }),
            Err(TryLockError::Error(error)) => return Err(RepositoryError::io(&path)(error)),
        }
        fs::remove_file(&path).map_err(RepositoryError::io(&path))?;
        sync_folder(&self.manifests())?;
        if let Some(bucket) = self.bucket()? {
            bucket.delete(&[object])?;
        }
        Ok(true)
    }

    /// Makes additions and removals of manifests follow each other; each is a few system calls.
    fn lock_manifests(&self) -> Result<File, RepositoryError> {
        let path = self.manifests();
        let folder = File::open(&path).map_err(RepositoryError::io(&path))?;
        wait_for(&path, || folder.try_lock())?;
        Ok(folder)
    }

    fn lock_file(&self) -> Result<(PathBuf, File), RepositoryError> {
        let path = self.root.join("lock");
        let file = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&path);
        let file = file.map_err(RepositoryError::io(&path))?;
        Ok((path, file))
    }

    /// Keeps sweeps away while the file is open.
    fn lock_for_import(&self) -> Result<File, RepositoryError> {
        let (path, file) = self.lock_file()?;
        wait_for(&path, || file.try_lock_shared())?;
        self.outlast_late_deletions()?;
        Ok(file)
    }

    /// Says that deletions are under way in the object store, until the file is removed.
    pub(crate) fn mark_deletions(&self) -> Result<PathBuf, RepositoryError> {
        let path = self.root.join("deleting");
        fs::write(&path, "").map_err(RepositoryError::io(&path))?;
        sync_folder(&self.root)?;
        Ok(path)
    }

    /// Waits while a deletion of a sweep that died may still arrive, and take away what is stored from now on.
    fn outlast_late_deletions(&self) -> Result<(), RepositoryError> {
        let path = self.root.join("deleting");
        let deadline = Instant::now() + LOCK_WAIT;
        loop {
            let marked = match fs::metadata(&path).and_then(|metadata| metadata.modified()) {
                Ok(marked) => marked,
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
                Err(error) => return Err(RepositoryError::io(&path)(error)),
            };
            // A clock that was set back makes it wait anew, at most as long.
            if marked.elapsed().is_ok_and(|age| age > LATE_DELETION) {
                return remove_if_there(&path);
            }
            if Instant::now() >= deadline {
                return Err(RepositoryError::Busy);
            }
            std::thread::sleep(LOCK_POLL);
        }
    }

    /// Keeps imports and other sweeps away while the file is open.
    pub(crate) fn lock_for_sweep(&self) -> Result<File, RepositoryError> {
        let (path, file) = self.lock_file()?;
        wait_for(&path, || file.try_lock())?;
        Ok(file)
    }

    /// Names and sizes of the objects in a folder; files that are not named by a digest are none of ours.
    pub(crate) fn list(&self, folder: &Path) -> Result<Vec<(Digest, u64)>, RepositoryError> {
        let mut objects = Vec::new();
        for entry in fs::read_dir(folder).map_err(RepositoryError::io(folder))? {
            let entry = entry.map_err(RepositoryError::io(folder))?;
            let Some(digest) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
            match entry.metadata() {
                Ok(metadata) => objects.push((digest, metadata.len())),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(RepositoryError::io(&entry.path())(error)),
            }
        }
        Ok(objects)
    }

    /// Writes a whole file beside the objects, or leaves what was there.
    pub(crate) fn write_durably(&self, name: &str, bytes: &[u8]) -> Result<(), RepositoryError> {
        static WRITTEN: AtomicU64 = AtomicU64::new(0);
        let number = WRITTEN.fetch_add(1, Ordering::Relaxed);
        let (staged, path) = (self.staging().join(format!("{name}-{}-{number}", std::process::id())), self.root.join(name));
        let write = || {
            let mut file = File::create(&staged)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            fs::rename(&staged, &path)
        };
        write().map_err(RepositoryError::io(&path))?;
        sync_folder(&self.root)
    }

    /// Waits until everything written to this file system is on the disk. One call for hundreds of files: `fsync` of each would
    /// cost a journal commit a chunk.
    fn sync_all(&self) -> Result<(), RepositoryError> {
        let root = File::open(&self.root).map_err(RepositoryError::io(&self.root))?;
        nix::unistd::syncfs(&root).map_err(|errno| RepositoryError::io(&self.root)(errno.into()))
    }
}

/// What one import has written and not yet published. Dropped, it removes its files.
pub(crate) struct Staging<'a> {
    folder: &'a Folder,
    path: PathBuf,
    next: AtomicU64,
    _no_sweep: File,
    #[cfg(test)]
    pub(crate) fuse: fuse::Fuse,
}

/// A file that has no final name yet.
#[derive(Debug)]
pub(crate) struct Staged {
    path: PathBuf,
    object: Object,
}

impl<'a> Staging<'a> {
    /// Begins an import: from here on no sweep runs.
    pub(crate) fn begin(folder: &'a Folder) -> Result<Staging<'a>, RepositoryError> {
        static IMPORTS: AtomicU64 = AtomicU64::new(0);
        let no_sweep = folder.lock_for_import()?;
        loop {
            // Another process may have had this number and died: its folder is left to the sweep.
            let number = IMPORTS.fetch_add(1, Ordering::Relaxed);
            let path = folder.staging().join(format!("{}-{number}", std::process::id()));
            match DirBuilder::new().mode(PRIVATE).create(&path) {
                Ok(()) => {
                    return Ok(Staging {
                        folder,
                        path,
                        next: AtomicU64::new(0),
                        _no_sweep: no_sweep,
                        #[cfg(test)]
                        fuse: fuse::Fuse::default(),
                    });
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(RepositoryError::io(&path)(error)),
            }
        }
    }

    /// Writes a file that is in nobody's way.
    pub(crate) fn write(&self, object: Object, bytes: &[u8]) -> Result<Staged, RepositoryError> {
        let (path, mut file) = self.create(mode_of(object))?;
        file.write_all(bytes).map_err(RepositoryError::io(&path))?;
        Ok(Staged { path, object })
    }

    /// Copies a file whose name is known when it has been read.
    pub(crate) fn copy(&self, source: &Path) -> Result<Staged, RepositoryError> {
        const PIECE: usize = 1 << 20;
        let mut from = File::open(source).map_err(RepositoryError::io(source))?;
        let (path, mut file) = self.create(BLOB_MODE)?;
        let mut hasher = crate::digest::Hasher::default();
        let mut buffer = vec![0; PIECE];
        loop {
            let length = from.read(&mut buffer).map_err(RepositoryError::io(source))?;
            if length == 0 {
                break;
            }
            hasher.update(&buffer[..length]);
            file.write_all(&buffer[..length]).map_err(RepositoryError::io(&path))?;
        }
        Ok(Staged { path, object: Object::Blob(hasher.finish()) })
    }

    fn create(&self, mode: u32) -> Result<(PathBuf, File), RepositoryError> {
        self.step()?;
        let path = self.path.join(self.next.fetch_add(1, Ordering::Relaxed).to_string());
        let file = OpenOptions::new().create_new(true).write(true).mode(mode).open(&path).map_err(RepositoryError::io(&path))?;
        Ok((path, file))
    }

    /// Gives staged files their final names, once their bytes are on the disk.
    pub(crate) fn publish(&self, staged: Vec<Staged>) -> Result<(), RepositoryError> {
        if staged.is_empty() {
            return Ok(());
        }
        self.step()?;
        self.folder.sync_all()?;
        if let Some(bucket) = self.folder.bucket()? {
            self.step()?;
            bucket.put_files(staged.iter().map(|file| (file.object, file.path.clone())).collect())?;
        }
        for file in staged {
            self.step()?;
            let name = self.folder.path(file.object);
            fs::rename(&file.path, &name).map_err(RepositoryError::io(&name))?;
        }
        Ok(())
    }

    /// Ends the import with its manifest, once all other names are on the disk.
    pub(crate) fn finish(self, digest: &Digest, bytes: &[u8]) -> Result<(), RepositoryError> {
        let staged = self.write(Object::Manifest(*digest), bytes)?;
        self.step()?;
        self.folder.sync_all()?;
        let name = self.folder.path(staged.object);
        let _alone = self.folder.lock_manifests()?;
        if let Some(bucket) = self.folder.bucket()? {
            self.step()?;
            bucket.put(staged.object, bytes.to_vec())?;
        }
        // An equal one may be held by readers: its file stays. One with other bytes is damaged, and nobody could have read it.
        if fs::read(&name).is_ok_and(|there| there == bytes) {
            // From here on it is young: whoever collects what nobody needed a while ago leaves it.
            let there = File::open(&name).and_then(|file| file.set_modified(SystemTime::now()));
            return there.map_err(RepositoryError::io(&name));
        }
        self.step()?;
        fs::rename(&staged.path, &name).map_err(RepositoryError::io(&name))?;
        sync_folder(&self.folder.manifests())
    }

    /// One change of the file system; tests stop the world here.
    fn step(&self) -> Result<(), RepositoryError> {
        #[cfg(test)]
        self.fuse.burn()?;
        Ok(())
    }
}

impl Staged {
    /// The object that the file will be.
    pub(crate) fn object(&self) -> Object {
        self.object
    }
}

impl Drop for Staging<'_> {
    fn drop(&mut self) {
        #[cfg(test)]
        if self.fuse.is_burnt() {
            return;
        }
        if let Err(error) = fs::remove_dir_all(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "cannot remove staged files; the next sweep will");
        }
    }
}

pub(crate) fn mode_of(object: Object) -> u32 {
    match object {
        Object::Blob(_) => BLOB_MODE,
        Object::Chunk(_) | Object::Manifest(_) => FILE_MODE,
    }
}

fn make_folder(path: &Path, mode: u32) -> Result<(), RepositoryError> {
    DirBuilder::new().recursive(true).mode(mode).create(path).map_err(RepositoryError::io(path))
}

pub(crate) fn remove_if_there(path: &Path) -> Result<(), RepositoryError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(RepositoryError::io(path)(error)),
        _ => Ok(()),
    }
}

pub(crate) fn sync_folder(path: &Path) -> Result<(), RepositoryError> {
    File::open(path).and_then(|folder| folder.sync_all()).map_err(RepositoryError::io(path))
}

/// Takes a lock, or says Busy after [`LOCK_WAIT`].
fn wait_for(path: &Path, mut attempt: impl FnMut() -> Result<(), TryLockError>) -> Result<(), RepositoryError> {
    let deadline = Instant::now() + LOCK_WAIT;
    loop {
        match attempt() {
            Ok(()) => return Ok(()),
            Err(TryLockError::Error(error)) => return Err(RepositoryError::io(path)(error)),
            Err(TryLockError::WouldBlock) if Instant::now() >= deadline => return Err(RepositoryError::Busy),
            Err(TryLockError::WouldBlock) => std::thread::sleep(LOCK_POLL),
        }
    }
}

/// A crash after a chosen number of changes: everything after it fails, and nothing is tidied up.
#[cfg(test)]
pub(crate) mod fuse {
    use super::*;
    use std::sync::atomic::AtomicI64;

    pub(crate) struct Fuse(pub(crate) AtomicI64);

    impl Default for Fuse {
        fn default() -> Fuse {
            Fuse(AtomicI64::new(i64::MAX))
        }
    }

    impl Fuse {
        pub(crate) fn burn(&self) -> Result<(), RepositoryError> {
            if self.0.fetch_sub(1, Ordering::SeqCst) > 0 {
                return Ok(());
            }
            Err(RepositoryError::Io { path: PathBuf::new(), source: io::Error::other("crash") })
        }

        pub(crate) fn is_burnt(&self) -> bool {
            self.0.load(Ordering::SeqCst) < 0
        }
    }
}
