//! The images that are open, and the damage that has been reported. An export's name is its manifest's digest; that of a sealed
//! image has the key after it, so whoever connects again after this process was replaced brings the key, and none is kept.

use crate::{Digest, ImageReader, Object, Repository, RepositoryError};
use model::DataKey;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

/// Kinds of damage remembered, so that a guest that reads a bad chunk in a loop does not fill the log.
const MAX_REPORTED: usize = 1024;

/// Chunks being fetched ahead of their readers, over all connections; the rest of the threads are for those who wait.
const MAX_AHEAD: usize = 4;

/// Memory for clients that take a read's data only in one piece, all together, in bytes. QEMU is none of them.
const WHOLE_REPLIES_BYTES: usize = 128 << 20;

/// What is between an image and its key in the name of an export.
const KEY_AFTER: char = ':';

/// The name of the export of an image, with the key of a sealed one; it is as secret as the key.
pub fn export_name(image: &Digest, key: Option<&DataKey>) -> Zeroizing<String> {
    Zeroizing::new(key.map_or_else(|| image.to_string(), |key| format!("{image}{KEY_AFTER}{}", *Zeroizing::new(key.to_hex()))))
}

/// The images that are open, shared by all connections.
pub(super) struct Exports {
    repository: Repository,
    open: Mutex<HashMap<Digest, Vec<Weak<ImageReader>>>>,
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
        let Some((image, key)) = parse(name) else {
            tracing::debug!("an export was asked for whose name is none");
            return None;
        };
        if let Some(reader) = self.opened(&image, key.as_ref()) {
            return Some(reader);
        }
        let repository = self.repository.clone();
        let opened = tokio::task::spawn_blocking(move || repository.reader_with(&image, key.as_ref())).await;
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
        for readers in open.values_mut() {
            readers.retain(|reader| reader.strong_count() > 0);
        }
        open.retain(|_, readers| !readers.is_empty());
        open.entry(image).or_default().push(Arc::downgrade(&reader));
        Some(reader)
    }

    /// The reader of an image that is open under this key already.
    fn opened(&self, image: &Digest, key: Option<&DataKey>) -> Option<Arc<ImageReader>> {
        let open = lock(&self.open);
        open.get(image)?.iter().filter_map(Weak::upgrade).find(|reader| reader.has_key(key))
    }

    /// Says in the log, once, that an image cannot be read.
    pub(super) fn report(&self, image: Digest, error: &RepositoryError) {
        let object = match error {
            RepositoryError::Missing { object } | RepositoryError::Corrupt { object } => Some(*object),
            RepositoryError::Malformed { .. }
            | RepositoryError::OutOfRange { .. }
            | RepositoryError::Sealed { .. }
            | RepositoryError::Live { .. }
            | RepositoryError::Busy
            | RepositoryError::InUse { .. }
            | RepositoryError::Refused { .. }
            | RepositoryError::Stopped
            | RepositoryError::Store { .. }
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

/// The image that an export's name names, and the key that it brings.
fn parse(name: &str) -> Option<(Digest, Option<DataKey>)> {
    match name.split_once(KEY_AFTER) {
        None => Some((name.parse().ok()?, None)),
        Some((image, key)) => Some((image.parse().ok()?, Some(DataKey::from_hex(key)?))),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Each change is one call on a map.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
