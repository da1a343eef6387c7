//! The images that are open, and the damage that has been reported. An export's name is its manifest's digest and nothing else.

use crate::{Digest, ImageReader, Object, Repository, RepositoryError};
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use tokio::sync::Semaphore;

/// Kinds of damage remembered, so that a guest that reads a bad chunk in a loop does not fill the log.
const MAX_REPORTED: usize = 1024;

/// Chunks being fetched ahead of their readers, over all connections; the rest of the threads are for those who wait.
const MAX_AHEAD: usize = 4;

/// Memory for clients that take a read's data only in one piece, all together, in bytes. QEMU is none of them.
const WHOLE_REPLIES_BYTES: usize = 128 << 20;

/// The images that are open, shared by all connections.
pub(super) struct Exports {
    repository: Repository,
    open: Mutex<HashMap<Digest, Weak<ImageReader>>>,
    reported: Mutex<HashSet<(Digest, Option<Object>)>>,
    pub(super) ahead: Arc<Semaphore>,
    pub(super) whole_replies: Semaphore,
}

impl Exports {
    pub(super) fn new(repository: Repository) -> Exports {
        Exports {
            repository,
            open: Mutex::default(),
            reported: Mutex::default(),
            ahead: Arc::new(Semaphore::new(MAX_AHEAD)),
            whole_replies: Semaphore::new(WHOLE_REPLIES_BYTES),
        }
    }

    /// Opens the image of that name, or returns the one that is open already. `None` if there is none that can be read; why is in
    /// the log.
    pub(super) async fn open(&self, name: &str) -> Option<Arc<ImageReader>> {
        let Ok(image) = name.parse::<Digest>() else {
            tracing::debug!(name, "an export was asked for that is no digest");
            return None;
        };
        if let Some(reader) = lock(&self.open).get(&image).and_then(Weak::upgrade) {
            return Some(reader);
        }
        let repository = self.repository.clone();
        let opened = tokio::task::spawn_blocking(move || repository.reader(&image)).await;
        let reader = match opened.expect("opening an image does not panic, and the runtime outlives its connections") {
            Ok(reader) => Arc::new(reader),
            Err(error @ RepositoryError::Missing { .. }) => {
                tracing::info!(%image, %error, "an image was asked for that is not here");
                return None;
            }
            Err(error) => {
                self.report(image, &error);
                return None;
            }
        };
        let mut open = lock(&self.open);
        open.retain(|_, reader| reader.strong_count() > 0);
        open.insert(image, Arc::downgrade(&reader));
        Some(reader)
    }

    /// Says in the log, once, that an image cannot be read.
    pub(super) fn report(&self, image: Digest, error: &RepositoryError) {
        let object = match error {
            RepositoryError::Missing { object } | RepositoryError::Corrupt { object } => Some(*object),
            RepositoryError::Malformed { .. }
            | RepositoryError::OutOfRange { .. }
            | RepositoryError::Busy
            | RepositoryError::InUse { .. }
            | RepositoryError::Refused { .. }
            | RepositoryError::Stopped
            | RepositoryError::Io { .. } => None,
        };
        let mut reported = lock(&self.reported);
        if reported.len() >= MAX_REPORTED {
            reported.clear();
        }
        if reported.insert((image, object)) {
            tracing::error!(%image, %error, "an image cannot be read; its readers get an I/O error");
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Each change is one call on a map.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
