//! Making room in a folder that stands before an object store: chunks that were not read for the longest time go, and are fetched again
//! by whoever wants them.

use crate::folder::remove_if_there;
use crate::{Repository, RepositoryError};
use std::fs;
use std::io;
use std::time::SystemTime;

/// Which part of what is allowed is made free: so that not every chunk that comes makes another go.
const FREED_PART: u64 = 10;

impl Repository {
    /// Removes chunks from the folder until no more is there than the settings of the object store allow, and returns the bytes. Nothing
    /// where no store stands behind the folder, since then they are nowhere else.
    pub fn evict(&self) -> Result<u64, RepositoryError> {
        match self.folder.bucket()?.and_then(|bucket| bucket.cache_bytes) {
            Some(limit) => self.evict_to(limit),
            None => Ok(0),
        }
    }

    pub(crate) fn evict_to(&self, limit: u64) -> Result<u64, RepositoryError> {
        let mut here = Vec::new();
        for folder in self.folder.chunk_folders() {
            for entry in fs::read_dir(&folder).map_err(RepositoryError::io(&folder))? {
                let path = entry.map_err(RepositoryError::io(&folder))?.path();
                match fs::metadata(&path) {
                    Ok(metadata) => here.push((last_use(&metadata), metadata.len(), path)),
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(error) => return Err(RepositoryError::io(&path)(error)),
                }
            }
        }
        let total: u64 = here.iter().map(|(_, bytes, _)| bytes).sum();
        if total <= limit {
            return Ok(0);
        }
        here.sort_unstable();
        let mut freed = 0;
        for (_, bytes, path) in here {
            if total - freed <= limit - limit / FREED_PART {
                break;
            }
            remove_if_there(&path)?;
            freed += bytes;
        }
        Ok(freed)
    }
}

/// When a file was read or written last; the kernel notes reads once a day and after each write (relatime, mount(8)).
fn last_use(metadata: &fs::Metadata) -> SystemTime {
    let written = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
    metadata.accessed().map_or(written, |read| read.max(written))
}
