//! Sweeping: deleting what no image names any more.
//!
//! Nothing counts references. A sweep reads every manifest, and deletes the chunks and blobs that none of them names. While it
//! runs no import does (see [`folder`](crate::folder)), so nothing can begin to rely on what is about to go. Killed in the middle,
//! it has deleted some of what the next one deletes. If a manifest cannot be read, nothing is deleted at all: its chunks would be.

use crate::folder::sync_folder;
use crate::{Object, Repository, RepositoryError};
use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::Path;

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
        let _no_import = self.folder.lock_for_sweep()?;
        let mut named = HashSet::new();
        for image in self.images()? {
            match self.manifest(&image) {
                Ok(manifest) => named.extend(manifest.objects()),
                // Removed since it was listed.
                Err(RepositoryError::Missing { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        let mut swept = Swept { dead_imports: self.remove_dead_imports()?, ..Swept::default() };
        for folder in self.folder.chunk_folders() {
            self.sweep_folder(&folder, Object::Chunk, &named, &mut swept)?;
        }
        self.sweep_folder(&self.folder.blobs(), Object::Blob, &named, &mut swept)?;
        Ok(swept)
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
            match fs::remove_dir_all(&path) {
                Ok(()) => dead += 1,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(RepositoryError::io(&path)(error)),
            }
        }
        Ok(dead)
    }
}
