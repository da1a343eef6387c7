//! The keeper of blocks: what tenants upload waits in the folder `uploads` until it is stored in the repository, where what is stored is read.
//!
//! What waits belongs to a row; files of no row go. A pileus that is killed goes on with both when it starts again.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use control::{BlockAnswer, BlockQuestion, Cloud, ListedBlock};
use model::{BLOCK_BYTES, DataKey, Error, Snapshot, SnapshotId, SnapshotSeen};
use repository::{BlockFile, Digest, Repository, RepositoryError, Under};
use tokio::sync::Semaphore;

/// Time between two looks at what waits, when nobody rings.
const EVERY: Duration = Duration::from_secs(30);
/// Questions that read or write the disk at once.
const AT_ONCE: NonZeroUsize = NonZeroUsize::new(8).expect("eight is not zero");
/// Room that uploads leave on the disk: the control plane's database is there too.
const ROOM_LEFT: u64 = 1 << 30;

/// The repository, and the folder in which uploads wait.
#[derive(Clone)]
pub struct Blocks {
    repository: Repository,
    folder: Arc<PathBuf>,
    places: Arc<Semaphore>,
}

impl Blocks {
    /// Opens the keeper, and lends it to a cloud.
    pub fn lend(cloud: &Cloud, repository: Repository, folder: PathBuf) -> Result<Blocks> {
        std::fs::create_dir_all(&folder).with_context(|| format!("{} cannot be made", folder.display()))?;
        let blocks = Blocks { repository, folder: Arc::new(folder), places: Arc::new(Semaphore::new(AT_ONCE.get())) };
        let keeper = blocks.clone();
        cloud.blocks_lend(Arc::new(move |question| {
            let keeper = keeper.clone();
            Box::pin(async move { keeper.answer(question).await })
        }));
        Ok(blocks)
    }

    async fn answer(&self, question: BlockQuestion) -> Result<BlockAnswer, Error> {
        let place = self.places.clone().acquire_owned().await.map_err(|_| Error::Unavailable)?;
        let keeper = self.clone();
        let answered = tokio::task::spawn_blocking(move || {
            let _place = place;
            keeper.look(question)
        });
        answered.await.map_err(|_| Error::Internal)?
    }

    fn look(&self, question: BlockQuestion) -> Result<BlockAnswer, Error> {
        let answer = match question {
            BlockQuestion::Put { upload, key, index, bytes } => {
                self.check_room(bytes.len() as u64)?;
                let file = BlockFile::open(&self.folder, &upload.to_string(), BLOCK_BYTES, key.as_ref());
                file.and_then(|file| file.write(index, &bytes)).map(|()| BlockAnswer::Kept)
            }
            BlockQuestion::Get { manifest, key, index } => {
                let reader = digest(&manifest).and_then(|digest| self.repository.reader_with(&digest, key.as_ref()));
                reader.and_then(|reader| reader.read_block(u64::from(index), BLOCK_BYTES)).map(BlockAnswer::Bytes)
            }
            BlockQuestion::List { first, second, from, at_most } => self.list(first.as_deref(), &second, from, at_most),
        };
        answer.map_err(|error| told(&error))
    }

    fn list(&self, first: Option<&str>, second: &str, from: u32, at_most: u32) -> Result<BlockAnswer, RepositoryError> {
        let open = |manifest: &str| self.repository.reader(&digest(manifest)?);
        let (first, second) = (first.map(open).transpose()?, open(second)?);
        let mut found = second.blocks(first.as_ref(), u64::from(from), at_most as usize + 1, BLOCK_BYTES);
        let more = found.len() > at_most as usize;
        found.truncate(at_most as usize);
        let listed = |block: repository::BlockDifference| ListedBlock {
            index: u32::try_from(block.index).unwrap_or(u32::MAX),
            in_first: block.in_first,
            in_second: block.in_second,
        };
        Ok(BlockAnswer::Listed(found.into_iter().map(listed).collect(), more))
    }

    fn check_room(&self, more: u64) -> Result<(), Error> {
        let room = nix::sys::statvfs::statvfs(self.folder.as_path()).map_err(|_| Error::Internal)?;
        if room.blocks_available().saturating_mul(room.fragment_size()) >= ROOM_LEFT.saturating_add(more) {
            return Ok(());
        }
        Err(Error::NoDiskRoom { wanted: "a block".to_owned(), reason: "the disk on which uploads wait is full".to_owned() })
    }

    /// Stores what is sealed and removes what nobody needs, now and then until the task is dropped.
    pub async fn run(self, cloud: Cloud) {
        // An upload without blocks has no file until it was tried to be stored: at the start, and after the bell, rows are asked too.
        let mut rings = true;
        loop {
            if let Err(error) = self.look_after(&cloud, rings).await {
                tracing::warn!(error = format!("{error:#}"), "uploads could not be looked after; it is tried again");
            }
            rings = tokio::select! {
                () = tokio::time::sleep(EVERY) => false,
                () = cloud.upload_sealed() => true,
            };
        }
    }

    async fn look_after(&self, cloud: &Cloud, rings: bool) -> Result<()> {
        let sealed = if rings { cloud.uploads_sealed().await? } else { vec![] };
        for id in self.waiting()?.into_iter().chain(sealed).collect::<BTreeSet<_>>() {
            if let Err(error) = self.look_after_one(cloud, id).await {
                tracing::warn!(error = format!("{error:#}"), upload = %id, "an upload could not be looked after; it is tried again");
            }
        }
        Ok(())
    }

    async fn look_after_one(&self, cloud: &Cloud, id: SnapshotId) -> Result<()> {
        match cloud.upload_kept(id).await? {
            None => Ok(BlockFile::remove(&self.folder, &id.to_string())?),
            Some(row) => match row.upload.and_then(|upload| upload.sealed) {
                None => Ok(()),
                Some(blocks) => self.store(cloud, row, blocks).await,
            },
        }
    }

    /// Uploads of which something waits.
    fn waiting(&self) -> Result<BTreeSet<SnapshotId>> {
        let files = std::fs::read_dir(self.folder.as_path()).context("the folder of uploads cannot be read")?;
        let name = |file: std::fs::DirEntry| BlockFile::name_of(file.file_name().to_str()?)?.parse().ok();
        Ok(files.flatten().filter_map(name).collect())
    }

    async fn store(&self, cloud: &Cloud, row: Snapshot, blocks: u32) -> Result<()> {
        let (keeper, id) = (self.clone(), row.id);
        let (key, under_key) = cloud.upload_keys(&row).await.with_context(|| format!("{id} cannot be stored yet"))?;
        let keys = (key, under_key);
        let seen = match tokio::task::spawn_blocking(move || keeper.store_now(&row, &keys, blocks)).await? {
            Ok(Some(stored)) => SnapshotSeen::Done { manifest: stored.manifest.to_string(), stored_bytes: stored.new_bytes },
            Ok(None) => SnapshotSeen::Failed,
            // A sweep, or a disk that is full: it is tried again until the snapshot's deadline.
            Err(error) => return Err(error).with_context(|| format!("{id} cannot be stored yet")),
        };
        cloud.upload_end(id, seen).await?;
        Ok(BlockFile::remove(&self.folder, &id.to_string())?)
    }

    /// Stores an upload; none when other blocks are there than its tenant has written.
    fn store_now(
        &self,
        row: &Snapshot,
        (key, under_key): &(Option<DataKey>, Option<DataKey>),
        blocks: u32,
    ) -> Result<Option<repository::Stored>, RepositoryError> {
        let file = BlockFile::open(&self.folder, &row.id.to_string(), BLOCK_BYTES, key.as_ref())?;
        let here = file.count()?;
        if here != u64::from(blocks) {
            tracing::info!(snapshot = %row.id, here, said = blocks, "an upload is not whole");
            return Ok(None);
        }
        let under = row.under.as_deref().map(digest).transpose()?;
        let under = under.map(|manifest| Under { manifest, key: under_key.as_ref() });
        self.repository.store_blocks(&file, key.as_ref(), under, row.size.bytes()).map(Some)
    }
}

/// Where uploads of a cloud wait.
pub fn folder(state: &Path) -> PathBuf {
    state.join("uploads")
}

fn digest(manifest: &str) -> Result<Digest, RepositoryError> {
    manifest.parse().map_err(|_| RepositoryError::Malformed { what: "a row".to_owned(), reason: "it names no manifest".to_owned() })
}

/// What a tenant is told of trouble with the repository; the operator reads the rest here.
fn told(error: &RepositoryError) -> Error {
    tracing::error!(%error, "a block cannot be had");
    Error::Internal
}
