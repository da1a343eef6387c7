//! Which bucket stands behind a folder: the folder itself says so, and every process that has it open sees when that changes.
//!
//! ```text
//!   ROOT/id       this repository's own name, by which a bucket knows whose it is
//!   ROOT/store    path of the settings of the object store; absent, the folder is all there is
//! ```

use super::{Bucket, Kind, settings::ObjectStoreSettings};
use crate::folder::Folder;
use crate::{Object, Repository, RepositoryError};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

/// The bucket behind a folder, found again when what names it has changed.
#[derive(Debug)]
pub(crate) struct Behind {
    root: PathBuf,
    known: Mutex<Option<Known>>,
}

#[derive(Debug)]
struct Known {
    /// When the folder's word and the settings were written; none of a bucket that a test has put here.
    written: Option<(SystemTime, SystemTime)>,
    bucket: Arc<Bucket>,
}

impl Behind {
    /// What stands behind the folder at this path.
    pub(crate) fn of(root: &Path) -> Behind {
        Behind { root: root.to_owned(), known: Mutex::default() }
    }

    #[cfg(test)]
    pub(crate) fn put(&self, bucket: Bucket) {
        *self.known.lock().unwrap() = Some(Known { written: None, bucket: Arc::new(bucket) });
    }

    /// The bucket, if there is one. Io or Malformed if its settings cannot be read.
    pub(crate) fn bucket(&self) -> Result<Option<Arc<Bucket>>, RepositoryError> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(Known { written: None, bucket }) = &*known {
            return Ok(Some(bucket.clone()));
        }
        let word = self.root.join("store");
        let Some(said) = modified(&word)? else {
            *known = None;
            return Ok(None);
        };
        let path = PathBuf::from(fs::read_to_string(&word).map_err(RepositoryError::io(&word))?.trim_end());
        let set = modified(&path)?.ok_or_else(|| RepositoryError::io(&path)(io::ErrorKind::NotFound.into()))?;
        if let Some(Known { written, bucket }) = &*known
            && *written == Some((said, set))
        {
            return Ok(Some(bucket.clone()));
        }
        let bucket = Arc::new(Bucket::connect(&ObjectStoreSettings::read(&path)?)?);
        *known = Some(Known { written: Some((said, set)), bucket: bucket.clone() });
        Ok(Some(bucket))
    }
}

fn modified(path: &Path) -> Result<Option<SystemTime>, RepositoryError> {
    match fs::metadata(path).and_then(|metadata| metadata.modified()) {
        Ok(time) => Ok(Some(time)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(RepositoryError::io(path)(error)),
    }
}

impl Repository {
    /// Puts the objects into the object store that the settings in this file name, from now on and for good, and those that are here
    /// already first, which takes as long as it takes; nothing is imported or swept meanwhile. A repository that has a store already
    /// takes another only where its objects are there, `owner` among them. Malformed if the settings make no sense or the place
    /// belongs to another repository, Store if it cannot be reached.
    pub fn attach(&self, settings: &Path) -> Result<(), RepositoryError> {
        let settings = fs::canonicalize(settings).map_err(RepositoryError::io(settings))?;
        let bucket = Bucket::connect(&ObjectStoreSettings::read(&settings)?)?;
        let said = fs::read_to_string(self.folder.root().join("store")).ok();
        match &said {
            None => self.bring_all(&bucket)?,
            Some(_) if bucket.owner()?.as_deref() == Some(self.folder.id()?.as_str()) => {}
            Some(said) => {
                let reason = format!("the objects are in the store of {}; copy them there first, with `owner`", said.trim_end());
                return Err(RepositoryError::malformed(settings.display(), reason));
            }
        }
        if said.is_some_and(|said| Path::new(said.trim_end()) == settings) {
            return Ok(());
        }
        self.folder.write_durably("store", format!("{}\n", settings.display()).as_bytes())
    }

    /// Whether an object store stands behind the folder.
    pub fn is_attached(&self) -> Result<bool, RepositoryError> {
        Ok(self.folder.bucket()?.is_some())
    }

    /// Claims the place, and brings what is here there.
    pub(super) fn bring_all(&self, bucket: &Bucket) -> Result<(), RepositoryError> {
        let _alone = self.folder.lock_for_sweep()?;
        bucket.claim(&self.folder.id()?)?;
        let mut there = std::collections::HashSet::new();
        for kind in [Kind::Chunks, Kind::Blobs, Kind::Manifests] {
            there.extend(bucket.list(kind)?.into_iter().map(|(object, _)| object));
        }
        let mut here = Vec::new();
        for folder in self.folder.chunk_folders() {
            here.extend(self.folder.list(&folder)?.into_iter().map(|(digest, _)| Object::Chunk(digest)));
        }
        here.extend(self.folder.list(&self.folder.blobs())?.into_iter().map(|(digest, _)| Object::Blob(digest)));
        self.bring(bucket, here, &there)?;
        // A manifest last: what it names is there.
        let manifests = self.folder.list(&self.folder.manifests())?.into_iter().map(|(digest, _)| Object::Manifest(digest)).collect();
        self.bring(bucket, manifests, &there)
    }

    fn bring(&self, bucket: &Bucket, objects: Vec<Object>, there: &std::collections::HashSet<Object>) -> Result<(), RepositoryError> {
        let missing = objects.into_iter().filter(|object| !there.contains(object));
        let files: Vec<_> = missing.map(|object| (object, self.folder.path(object))).collect();
        if !files.is_empty() {
            tracing::info!(objects = files.len(), "bringing objects to the object store");
        }
        bucket.put_files(files)
    }
}

impl Folder {
    /// The repository's own name, made when it is first asked for.
    fn id(&self) -> Result<String, RepositoryError> {
        let path = self.root().join("id");
        match fs::read_to_string(&path) {
            Ok(id) => Ok(id.trim_end().to_owned()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let mut bytes = [0; 16];
                getrandom::fill(&mut bytes).map_err(|error| RepositoryError::io(&path)(io::Error::other(error)))?;
                let id = hex::encode(bytes);
                self.write_durably("id", format!("{id}\n").as_bytes())?;
                Ok(id)
            }
            Err(error) => Err(RepositoryError::io(&path)(error)),
        }
    }
}
