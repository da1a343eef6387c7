//! Objects of images on a line: their names there and in the repository, and the source that a host's cache reads from.

use std::sync::Arc;

use link::{Identity, ObjectName, Objects};
use repository::{Digest, Object, Source};
use tokio::runtime::Handle;

use crate::BUILD;

/// The name of an object on a line.
pub fn name_of(object: Object) -> ObjectName {
    match object {
        Object::Manifest(digest) => ObjectName::Manifest(digest.to_string()),
        Object::Chunk(digest) => ObjectName::Chunk(digest.to_string()),
        Object::Blob(digest) => ObjectName::Blob(digest.to_string()),
    }
}

/// The object of a name that came over a line; none when it is no digest.
pub fn named(name: &ObjectName) -> Option<Object> {
    let digest = |text: &str| text.parse::<Digest>().ok();
    match name {
        ObjectName::Manifest(text) => digest(text).map(Object::Manifest),
        ObjectName::Chunk(text) => digest(text).map(Object::Chunk),
        ObjectName::Blob(text) => digest(text).map(Object::Blob),
    }
}

/// Reads from the server of this identity. Only to be used on threads of a runtime that may block.
pub fn source(identity: Identity) -> Source {
    let objects = Arc::new(Objects::new(identity, BUILD));
    Source::new(move |object, limit| {
        let runtime = Handle::try_current().map_err(|error| error.to_string())?;
        runtime.block_on(objects.read(&name_of(object), limit)).map_err(|error| error.to_string())
    })
}
