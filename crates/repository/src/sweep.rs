//! Sweeping: deleting what no image names any more.
//!
//! Nothing counts references. A sweep reads every manifest, and deletes the chunks and blobs that none of them names. While it
//! runs no import does (see [`folder`](crate::folder)), so nothing can begin to rely on what is about to go. Killed in the middle,
//! it has deleted some of what the next one deletes. If a manifest cannot be read, nothing is deleted at all: its chunks would be.
//!
//! In an object store the same is done to what was listed before the sweep began, since a listing takes a second for some ten thousand
//! objects: what came later is not among it. A manifest that is here and not listed there stops the sweep. A deletion that a sweep had sent
//! when it died may arrive late, so whoever stores after it waits (see [`folder`](crate::folder)).

use crate::bucket::{Bucket, Kind};
use crate::folder::{remove_if_there, sync_folder};
use crate::{Object, Repository, RepositoryError};
use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

/// Objects that one sweep deletes from an object store: imports wait for it, some ten thousand take seconds. The next takes more.
const DELETED_MOST: usize = 20_000;

/// Longest that writing one object that was fetched takes.
const FETCHING_MOST: Duration = Duration::from_secs(3_600);

/// What a sweep has deleted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Swept {
    /// Chunks and blobs.
    pub objects: u64,
    /// Their bytes as they lay on the disk.
    pub bytes: u64,
    /// Imports that had died.
    pub dead_imports: u64,
}

impl Repository {
    /// Deletes what no image names any more, and what dead imports left. Busy if an import is running, and whatever stops a
    /// manifest from being read stops the sweep.
    pub fn sweep(&self) -> Result<Swept, RepositoryError> {
        let bucket = self.folder.bucket()?;
        let mut stored = Vec::new();
        if let Some(bucket) = &bucket {
            stored.extend(bucket.list(Kind::Chunks)?);
            stored.extend(bucket.list(Kind::Blobs)?);
        }
        let _no_import = self.folder.lock_for_sweep()?;
        let named = self.named(bucket.is_some())?;
        let mut swept = Swept { dead_imports: self.remove_dead_imports()?, ..Swept::default() };
        for folder in self.folder.chunk_folders() {
            self.sweep_folder(&folder, Object::Chunk, &named, &mut swept)?;
        }
        self.sweep_folder(&self.folder.blobs(), Object::Blob, &named, &mut swept)?;
        if let Some(bucket) = &bucket {
            stored.retain(|(object, _)| !named.contains(object));
            stored.truncate(DELETED_MOST);
            swept = Swept { dead_imports: swept.dead_imports, ..self.delete_stored(bucket, &stored)? };
        }
        Ok(swept)
    }

    /// Everything that a manifest names. Store if a manifest that is here is not in the object store.
    fn named(&self, is_attached: bool) -> Result<HashSet<Object>, RepositoryError> {
        let images = self.images()?;
        if is_attached {
            let listed: HashSet<_> = images.iter().collect();
            if let Some(lost) = self.images_here()?.iter().find(|image| !listed.contains(image)) {
                let reason = "it was stored and is not listed; nothing is swept until it is there again".to_owned();
                return Err(RepositoryError::Store { what: Object::Manifest(*lost).to_string(), reason });
            }
        }
        let mut named = HashSet::new();
        for image in images {
            match self.manifest(&image) {
                Ok(manifest) => named.extend(manifest.objects()),
                // Removed since it was listed.
                Err(RepositoryError::Missing { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(named)
    }

    fn delete_stored(&self, bucket: &Bucket, stored: &[(Object, u64)]) -> Result<Swept, RepositoryError> {
        if stored.is_empty() {
            return Ok(Swept::default());
        }
        let mark = self.folder.mark_deletions()?;
        bucket.delete(&stored.iter().map(|(object, _)| *object).collect::<Vec<_>>())?;
        remove_if_there(&mark)?;
        Ok(Swept { objects: stored.len() as u64, bytes: stored.iter().map(|(_, bytes)| bytes).sum(), dead_imports: 0 })
    }

    fn sweep_folder(
        &self,
        folder: &Path,
        kind: fn(crate::Digest) -> Object,
        named: &HashSet<Object>,
        swept: &mut Swept,
    ) -> Result<(), RepositoryError> {
        let before = swept.objects;
        for (digest, bytes) in self.folder.list(folder)? {
            let object = kind(digest);
            if named.contains(&object) {
                continue;
            }
            let path = self.folder.path(object);
            fs::remove_file(&path).map_err(RepositoryError::io(&path))?;
            swept.objects += 1;
            swept.bytes += bytes;
        }
        if swept.objects > before { sync_folder(folder) } else { Ok(()) }
    }

    fn remove_dead_imports(&self) -> Result<u64, RepositoryError> {
        let staging = self.folder.staging();
        let mut dead = 0;
        for entry in fs::read_dir(&staging).map_err(RepositoryError::io(&staging))? {
            let path = entry.map_err(RepositoryError::io(&staging))?.path();
            if path.is_file() {
                remove_dead_file(&path)?;
                continue;
            }
            match fs::remove_dir_all(&path) {
                Ok(()) => dead += 1,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(RepositoryError::io(&path)(error)),
            }
        }
        Ok(dead)
    }
}

/// Removes a file that was being fetched, unless it was begun so lately that somebody may be at it: fetching keeps no sweep away.
fn remove_dead_file(path: &Path) -> Result<(), RepositoryError> {
    let age = fs::metadata(path).and_then(|metadata| metadata.modified()).map(|begun| begun.elapsed().unwrap_or_default());
    if age.is_ok_and(|age| age > FETCHING_MOST) { remove_if_there(path) } else { Ok(()) }
}
