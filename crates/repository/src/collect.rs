//! Collecting garbage: images that nobody needs go, then what only they named.
//!
//! Who needs what is told from outside, as it was a moment ago. So an image goes only if it was stored before a time at which nobody
//! could have stored it without being known: storing equal bytes again makes an image young, under the lock that removing takes too.

use crate::{Digest, Repository, RepositoryError, Swept};
use std::time::SystemTime;

/// What was collected.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Collected {
    /// Images that nobody needed.
    pub images: u64,
    /// What went with them.
    pub swept: Swept,
}

impl Repository {
    /// Removes the images that `needed` does not name, that were stored before this time and that nobody has open, and sweeps if there
    /// were any. Busy if an import is running; then what was removed is swept next time.
    pub fn collect(&self, needed: impl Fn(&Digest) -> bool, before: SystemTime) -> Result<Collected, RepositoryError> {
        let mut collected = Collected::default();
        for image in self.images()?.into_iter().filter(|image| !needed(image)) {
            match self.folder.remove_manifest_from_before(&image, before) {
                Ok(true) => collected.images += 1,
                Ok(false) | Err(RepositoryError::InUse { .. } | RepositoryError::Missing { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        collected.swept = self.sweep()?;
        Ok(collected)
    }
}
