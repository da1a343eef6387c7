//! Checking a whole image: every object that its manifest names is read and compared, and what is wrong is named.

use crate::reader::{load_chunk, load_sealed};
use crate::{Digest, Manifest, Object, Repository, RepositoryError};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Something wrong with an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Problem {
    /// The object is not there.
    Missing(Object),
    /// The object's bytes do not match its checksum.
    Corrupt(Object),
    /// The object cannot be read, or makes no sense.
    Unreadable(Object, String),
}

impl Problem {
    /// Returns the object that something is wrong with.
    pub fn object(&self) -> Object {
        match self {
            Problem::Missing(object) | Problem::Corrupt(object) | Problem::Unreadable(object, _) => *object,
        }
    }

    fn of(object: Object, error: RepositoryError) -> Problem {
        match error {
            RepositoryError::Missing { object } => Problem::Missing(object),
            RepositoryError::Corrupt { object } => Problem::Corrupt(object),
            RepositoryError::Malformed { .. }
            | RepositoryError::OutOfRange { .. }
            | RepositoryError::Sealed { .. }
            | RepositoryError::Live { .. }
            | RepositoryError::Busy
            | RepositoryError::InUse { .. }
            | RepositoryError::Refused { .. }
            | RepositoryError::Stopped
            | RepositoryError::Store { .. }
            | RepositoryError::Io { .. } => Problem::Unreadable(object, error.to_string()),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Problem::Missing(object) => write!(f, "{object} is missing"),
            Problem::Corrupt(object) => write!(f, "{object} does not match its checksum"),
            Problem::Unreadable(object, reason) => write!(f, "{object} cannot be read: {reason}"),
        }
    }
}

impl Repository {
    /// Reads everything that an image needs, and returns what is wrong, ordered by object. Takes as long as reading the whole
    /// image; nothing of it stays in memory.
    pub fn verify(&self, image: &Digest) -> Vec<Problem> {
        let manifest = match self.manifest(image) {
            Ok(manifest) => manifest,
            Err(error) => return vec![Problem::of(Object::Manifest(*image), error)],
        };
        let objects: Vec<_> = lengths(&manifest).into_iter().collect();
        let next = AtomicUsize::new(0);
        let problems = Mutex::new(Vec::new());
        std::thread::scope(|scope| {
            for _ in 0..self.settings.threads {
                scope.spawn(|| {
                    while let Some((object, length)) = objects.get(next.fetch_add(1, Ordering::Relaxed)) {
                        if let Err(error) = self.check_object(*object, *length, manifest.sealed.is_some()) {
                            let problem = Problem::of(*object, error);
                            problems.lock().expect("nothing panics while it holds the list").push(problem);
                        }
                    }
                });
            }
        });
        let mut problems = problems.into_inner().expect("nothing panics while it holds the list");
        problems.sort_by_key(Problem::object);
        problems
    }

    fn check_object(&self, object: Object, length: usize, sealed: bool) -> Result<(), RepositoryError> {
        match object {
            // Without its key, that it is what was sealed is all that can be told, and enough.
            Object::Chunk(digest) if sealed => load_sealed(&self.folder, &digest, length).map(|_| ()),
            Object::Chunk(digest) => load_chunk(&self.folder, &digest, length).map(|_| ()),
            Object::Blob(digest) => self.check_blob(&digest, &self.folder.open_object(object)?),
            Object::Manifest(digest) => self.manifest(&digest).map(|_| ()),
        }
    }
}

/// Each object once, chunks with their plain length.
fn lengths(manifest: &Manifest) -> BTreeMap<Object, usize> {
    let chunk = |(index, digest): (usize, &Option<Digest>)| digest.map(|digest| (Object::Chunk(digest), manifest.chunk_length(index)));
    let chunks = manifest.chunks.iter().enumerate().filter_map(chunk);
    let others = manifest.objects().filter(|object| !matches!(object, Object::Chunk(_))).map(|object| (object, 0));
    chunks.chain(others).collect()
}
