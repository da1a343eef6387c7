//! What can go wrong in a repository, each time naming the object or the file.

use crate::Digest;
use crate::header::Refusal;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// One thing that a repository keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Object {
    /// The list of an image's chunks.
    Manifest(Digest),
    /// A piece of disk.
    Chunk(Digest),
    /// A kernel or an initial RAM disk.
    Blob(Digest),
}

impl Object {
    /// Its name.
    pub(crate) fn digest(&self) -> Digest {
        match self {
            Object::Manifest(digest) | Object::Chunk(digest) | Object::Blob(digest) => *digest,
        }
    }
}

impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Object::Manifest(digest) => write!(f, "manifest {digest}"),
            Object::Chunk(digest) => write!(f, "chunk {digest}"),
            Object::Blob(digest) => write!(f, "blob {digest}"),
        }
    }
}

/// A refusal or a failure of the repository.
#[derive(Debug, thiserror::Error)]
pub enum RepositoryError {
    /// The object is not there.
    #[error("{object} is missing")]
    Missing {
        /// What was looked for.
        object: Object,
    },
    /// The object's bytes do not give its name; they are not handed out.
    #[error("{object} does not match its checksum")]
    Corrupt {
        /// What was read.
        object: Object,
    },
    /// Something that should have a certain form does not have it.
    #[error("{what} is malformed: {reason}")]
    Malformed {
        /// The object, or the file.
        what: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The image is sealed, and the key that was given, if any, is not its own.
    #[error("image {image} is sealed under another key than was given")]
    Sealed {
        /// The image.
        image: Digest,
    },
    /// The bytes asked for do not all lie inside the image.
    #[error("{length} bytes at {offset} lie outside an image of {size_bytes} bytes")]
    OutOfRange {
        /// First byte asked for.
        offset: u64,
        /// How many were asked for.
        length: u64,
        /// Size of the image.
        size_bytes: u64,
    },
    /// A disk that somebody shows cannot be read.
    #[error("{export}: {source}")]
    Live {
        /// Its name there.
        export: String,
        /// Why.
        source: crate::LiveError,
    },
    /// An import and a sweep exclude each other, and the other one is running.
    #[error("an import or a sweep is running; try again later")]
    Busy,
    /// Somebody has the image open.
    #[error("image {image} is being read")]
    InUse {
        /// The image that was to be removed.
        image: Digest,
    },
    /// A foreign image is not let in.
    #[error("{}: {refusal}", path.display())]
    Refused {
        /// The image's file.
        path: PathBuf,
        /// Why.
        #[source]
        refusal: Refusal,
    },
    /// Whoever asked wants it no more.
    #[error("stopped")]
    Stopped,
    /// The object store behind the folder refused, or does not answer.
    #[error("the object store: {what}: {reason}")]
    Store {
        /// What was asked of it.
        what: String,
        /// What came of it.
        reason: String,
    },
    /// The file system refused.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl RepositoryError {
    /// Gives a function that puts the path beside a system's error.
    pub(crate) fn io(path: &Path) -> impl FnOnce(io::Error) -> RepositoryError + '_ {
        move |source| RepositoryError::Io { path: path.to_owned(), source }
    }

    /// Says that `what` does not have its form.
    pub(crate) fn malformed(what: impl fmt::Display, reason: impl fmt::Display) -> RepositoryError {
        RepositoryError::Malformed { what: what.to_string(), reason: reason.to_string() }
    }
}
