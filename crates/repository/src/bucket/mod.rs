//! The object store that a folder stands before, where the operator has one: a bucket of anything that speaks S3.
//!
//! ```text
//!   write   staged here ──▶ bucket ──▶ named here          a name here is a name in the bucket
//!   read    here, else bucket ──checked──▶ kept here
//!   delete  here ──▶ bucket                                what dies in between is an object that nobody names: the next sweep's
//! ```
//!
//! The bucket has the names of the folder: `chunks/ab/…`, `blobs/…`, `manifests/…`, and `owner`, which says whose it is: two clouds in one
//! place would sweep away each other's objects. What is here of the chunks is a cache and may go at any moment; manifests stay, and a
//! sweep that does not find one of them in the bucket deletes nothing.
//!
//! The store is asked to be consistent: who lists it or reads from it sees what was answered for. S3 and what speaks it are.

mod attachment;
mod connection;
mod settings;

#[cfg(test)]
mod faulty;
#[cfg(test)]
mod tests;

pub(crate) use attachment::Behind;

use crate::{Digest, Object, RepositoryError};
use connection::Connections;
use futures_util::stream::{self, BoxStream, StreamExt, TryStreamExt};
use object_store::aws::AmazonS3Builder;
use object_store::path::Path;
use object_store::{BackoffConfig, Error, ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload, RetryConfig};
use settings::ObjectStoreSettings;
use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Runtime;

/// Objects that are on their way to the store at once.
const UPLOADS: usize = 16;
/// How long a request that fails is repeated.
const AGAIN_FOR: Duration = Duration::from_secs(30);
const AGAIN_TIMES: usize = 4;

/// Which objects are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Manifests,
    Chunks,
    Blobs,
}

/// A place in an object store.
pub(crate) struct Bucket {
    store: Arc<dyn ObjectStore>,
    prefix: Path,
    /// Plain bytes of chunks that stay here too; all when none.
    pub(crate) cache_bytes: Option<u64>,
    /// Its own, since whoever reads may or may not be on one.
    runtime: Option<Runtime>,
}

impl std::fmt::Debug for Bucket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Bucket({}/{})", self.store, self.prefix)
    }
}

impl Bucket {
    /// The place that the settings name; nothing is asked of it yet.
    fn connect(settings: &ObjectStoreSettings) -> Result<Bucket, RepositoryError> {
        let connections = Connections::new(settings)?;
        let backoff = BackoffConfig { init_backoff: Duration::from_millis(100), max_backoff: Duration::from_secs(5), base: 2. };
        let store = AmazonS3Builder::new()
            .with_endpoint(settings.endpoint.trim_end_matches('/'))
            .with_allow_http(settings.endpoint.starts_with("http:"))
            .with_region(&settings.region)
            .with_bucket_name(&settings.bucket)
            .with_access_key_id(&settings.access_key_id)
            .with_secret_access_key(settings.secret())
            .with_retry(RetryConfig { backoff, max_retries: AGAIN_TIMES, retry_timeout: AGAIN_FOR })
            .with_http_connector(connections)
            .build()
            .map_err(|error| refused("its settings", &error))?;
        let mut bucket = Bucket::over(Arc::new(store), &settings.prefix)?;
        bucket.cache_bytes = settings.cache_gib.map(|gib| gib.saturating_mul(1 << 30));
        Ok(bucket)
    }

    /// A place in any store.
    fn over(store: Arc<dyn ObjectStore>, prefix: &str) -> Result<Bucket, RepositoryError> {
        let prefix = Path::parse(prefix.trim_matches('/')).map_err(|error| RepositoryError::malformed("the prefix", error))?;
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let runtime = builder.worker_threads(1).thread_name("object-store").enable_all().build();
        let runtime = Some(runtime.map_err(RepositoryError::io(std::path::Path::new("threads for the object store")))?);
        Ok(Bucket { store, prefix, cache_bytes: None, runtime })
    }

    /// Makes the place this repository's, or finds that it is. Malformed if it is another's.
    fn claim(&self, id: &str) -> Result<(), RepositoryError> {
        let owner = match self.owner()? {
            Some(owner) => Some(owner),
            None => {
                self.write_owner(id)?;
                self.owner()?
            }
        };
        if owner.as_deref() == Some(id) {
            return Ok(());
        }
        let reason = format!("it is the repository's {}; remove it only if that is gone for good", owner.unwrap_or_default());
        Err(RepositoryError::malformed(format!("{} in the object store", self.owner_path()), reason))
    }

    /// Whose the place is.
    fn owner(&self) -> Result<Option<String>, RepositoryError> {
        let (store, path) = (self.store.clone(), self.owner_path());
        self.wait(async move {
            let failed = |error: Error| refused("reading whose it is", &error);
            let found = match store.get(&path).await {
                Err(Error::NotFound { .. }) => return Ok(None),
                found => found.map_err(failed)?,
            };
            Ok(Some(String::from_utf8_lossy(&found.bytes().await.map_err(failed)?).into_owned()))
        })?
    }

    /// Says whose it is, unless somebody has just done so.
    fn write_owner(&self, id: &str) -> Result<(), RepositoryError> {
        let (store, path, id) = (self.store.clone(), self.owner_path(), id.to_owned());
        self.wait(async move {
            let claim = |mode| store.put_opts(&path, PutPayload::from(id.clone().into_bytes()), PutOptions::from(mode));
            let claimed = match claim(PutMode::Create).await {
                // A store that knows no conditions: of two that claim at this moment the later has it.
                Err(Error::NotImplemented { .. }) => claim(PutMode::Overwrite).await.map(drop),
                Ok(_) | Err(Error::AlreadyExists { .. } | Error::Precondition { .. }) => Ok(()),
                Err(error) => Err(error),
            };
            claimed.map_err(|error| refused("claiming it", &error))
        })?
    }

    fn owner_path(&self) -> Path {
        self.prefix.clone().join("owner")
    }

    /// Reads an object of at most so many bytes, which are not checked. Missing if the store has none of that name.
    pub(crate) fn get(&self, object: Object, limit: u64) -> Result<Vec<u8>, RepositoryError> {
        let (store, path) = (self.store.clone(), self.path(object));
        self.wait(async move {
            let failed = |error: Error| match error {
                Error::NotFound { .. } => RepositoryError::Missing { object },
                error => refused(&object.to_string(), &error),
            };
            let found = store.get(&path).await.map_err(failed)?;
            if found.meta.size > limit {
                return Err(RepositoryError::Corrupt { object });
            }
            Ok(found.bytes().await.map_err(failed)?.into())
        })?
    }

    /// Stores an object.
    pub(crate) fn put(&self, object: Object, bytes: Vec<u8>) -> Result<(), RepositoryError> {
        let (store, path) = (self.store.clone(), self.path(object));
        self.wait(async move { store.put(&path, bytes.into()).await.map(drop).map_err(|error| refused(&object.to_string(), &error)) })?
    }

    /// Stores what is in these files, several at once. On an error some are stored and some are not.
    pub(crate) fn put_files(&self, files: Vec<(Object, PathBuf)>) -> Result<(), RepositoryError> {
        let store = self.store.clone();
        let uploads = files.into_iter().map(move |(object, file)| (store.clone(), self.path(object), object, file)).collect::<Vec<_>>();
        self.wait(async move {
            let uploads = uploads.into_iter().map(|(store, path, object, file)| upload(store, path, object, file));
            stream::iter(uploads.collect::<Vec<_>>()).buffer_unordered(UPLOADS).try_collect().await
        })?
    }

    /// Names and stored sizes of all objects of a kind; what is not named by a digest is none of ours.
    pub(crate) fn list(&self, kind: Kind) -> Result<Vec<(Object, u64)>, RepositoryError> {
        let (store, folder) = (self.store.clone(), self.prefix.clone().join(kind.folder()));
        self.wait(async move {
            let found = store.list(Some(&folder)).map_err(|error| refused("listing it", &error));
            let objects = found.try_filter_map(|meta| async move {
                let digest = meta.location.filename().and_then(|name| name.parse().ok());
                Ok(digest.map(|digest| (kind.object(digest), meta.size)))
            });
            objects.try_collect().await
        })?
    }

    /// Deletes objects, those that are there. On an error some are deleted and some are not.
    pub(crate) fn delete(&self, objects: &[Object]) -> Result<(), RepositoryError> {
        let paths: Vec<_> = objects.iter().map(|object| Ok(self.path(*object))).collect();
        let store = self.store.clone();
        self.wait(async move {
            let paths: BoxStream<'static, _> = stream::iter(paths).boxed();
            let mut deleted = store.delete_stream(paths);
            while let Some(one) = deleted.next().await {
                match one {
                    Ok(_) | Err(Error::NotFound { .. }) => {}
                    Err(error) => return Err(refused("deleting", &error)),
                }
            }
            Ok(())
        })?
    }

    fn path(&self, object: Object) -> Path {
        match object {
            Object::Manifest(digest) => self.prefix.clone().join("manifests").join(digest.to_string()),
            Object::Chunk(digest) => self.prefix.clone().join("chunks").join(digest.folder()).join(digest.to_string()),
            Object::Blob(digest) => self.prefix.clone().join("blobs").join(digest.to_string()),
        }
    }

    /// Does something on the threads of the bucket and waits for it; every request in it has its deadline.
    fn wait<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> Result<T, RepositoryError> {
        let (answer, answered) = std::sync::mpsc::sync_channel(1);
        self.runtime.as_ref().expect("it is taken by drop alone").spawn(async move {
            let _ = answer.send(work.await);
        });
        answered
            .recv()
            .map_err(|_| RepositoryError::Store { what: "a request".to_owned(), reason: "it ended without an answer".to_owned() })
    }
}

impl Drop for Bucket {
    fn drop(&mut self) {
        // Whoever drops it may be on a thread that must not wait.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Kind {
    fn folder(self) -> &'static str {
        match self {
            Kind::Manifests => "manifests",
            Kind::Chunks => "chunks",
            Kind::Blobs => "blobs",
        }
    }

    fn object(self, digest: Digest) -> Object {
        match self {
            Kind::Manifests => Object::Manifest(digest),
            Kind::Chunks => Object::Chunk(digest),
            Kind::Blobs => Object::Blob(digest),
        }
    }
}

async fn upload(store: Arc<dyn ObjectStore>, path: Path, object: Object, file: PathBuf) -> Result<(), RepositoryError> {
    let bytes = tokio::fs::read(&file).await.map_err(RepositoryError::io(&file))?;
    store.put(&path, bytes.into()).await.map(drop).map_err(|error| refused(&object.to_string(), &error))
}

fn refused(what: &str, error: &Error) -> RepositoryError {
    RepositoryError::Store { what: what.to_owned(), reason: error.to_string() }
}
