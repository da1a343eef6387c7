//! A copy of the database while it is in use.

use std::ffi::OsString;
use std::fs::File;
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use super::error;
use crate::error::StoreError;

/// Writes a consistent copy, compacted, which appears under its name only when it is whole and durable.
///
/// It is taken in one read transaction: writers go on, and the write-ahead log grows meanwhile.
pub(super) fn backup(source: &Connection, path: &Path) -> Result<(), StoreError> {
    let partial = Partial::beside(path)?;
    let name = partial.0.to_str().ok_or_else(|| StoreError::ReadOnly("the name of the backup is not UTF-8".to_owned()))?;
    source.execute("VACUUM INTO ?1", [name]).map_err(error)?;
    partial.publish(path)
}

/// A file that is not whole yet; removed unless it is published.
pub(crate) struct Partial(pub(crate) PathBuf);

impl Partial {
    /// A free name in the folder of `path`; what an earlier, broken backup left there is removed.
    pub(crate) fn beside(path: &Path) -> Result<Partial, StoreError> {
        let mut name = OsString::from(path);
        name.push(".partial");
        let partial = Partial(name.into());
        match std::fs::remove_file(&partial.0) {
            Err(failure) if failure.kind() != std::io::ErrorKind::NotFound => Err(unwritable(&partial.0, &failure)),
            Ok(()) | Err(_) => Ok(partial),
        }
    }

    /// Makes the file durable and gives it its name.
    pub(crate) fn publish(self, path: &Path) -> Result<(), StoreError> {
        let synced = File::open(&self.0).and_then(|file| file.sync_all());
        let renamed = synced.and_then(|()| std::fs::rename(&self.0, path));
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        renamed.and_then(|()| File::open(folder)?.sync_all()).map_err(|failure| unwritable(path, &failure))
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        // Gone already if it was published.
        let _ = std::fs::remove_file(&self.0);
    }
}

fn unwritable(path: &Path, failure: &std::io::Error) -> StoreError {
    match failure.kind() {
        std::io::ErrorKind::StorageFull => StoreError::DiskFull,
        _ => StoreError::ReadOnly(format!("{}: {failure}", path.display())),
    }
}
