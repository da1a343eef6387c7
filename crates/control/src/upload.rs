//! Snapshots that tenants write and read block by block.
//!
//! ```text
//!   start ─▶ a row, pending        put ─▶ the keeper of blocks, no row       seal ─▶ the keeper stores them ─▶ completed, or failed
//!   list, changed, get ─▶ may the caller? ─▶ the keeper of blocks, by manifest
//! ```
//!
//! The bytes are not here: who has the repository lends a [`BlockKeeper`]. Not known here: files, chunks, checksums of a wire.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use model::{
    BLOCK_BYTES, Contents, DataKey, Encryption, EncryptionChoice, Error, Gib, NO_VOLUME, QuotaName, SNAPSHOT_GIB_MAX, Shares, Snapshot,
    SnapshotId, SnapshotMode, SnapshotPhase, SnapshotSeen, Tags, UPLOAD_TIMEOUT_MINUTES, UPLOADS_OPEN_MAX, Upload, add_tags,
};
use serde::Serialize;
use sha2::{Digest, Sha256};
use store::Tx;
use tokio::sync::Notify;

use crate::auth::{Caller, Target};
use crate::disk_encryption::choose;
use crate::instance::check_description;
use crate::run::{Command, Cx};
use crate::snapshot::{SNAPSHOT, snapshot_of, snapshot_usable, target};
use crate::{Cloud, Failure};

/// An upload is looked at again this long before it would be given up, so a write need not change its row each time.
const LEASE_SHARE: i64 = 2;

/// Starts a snapshot that the caller writes.
#[derive(Debug, Clone, Serialize)]
pub struct StartUpload {
    /// Size of the disk.
    pub size: Gib,
    /// The snapshot whose blocks it has where none are written.
    pub parent: Option<SnapshotId>,
    /// Description.
    pub description: String,
    /// How it is encrypted; as its parent where there is one, which then has the last word.
    pub encryption: EncryptionChoice,
    /// Minutes without a write after which it is given up.
    pub timeout_minutes: u32,
    /// Tags.
    pub tags: Tags,
}

/// Ends the writing of a snapshot.
#[derive(Debug, Clone, Serialize)]
pub struct SealUpload {
    /// The snapshot.
    pub snapshot: SnapshotId,
    /// How many different blocks the caller has written.
    pub blocks: u32,
}

/// A block that a tenant writes.
#[derive(Debug, Clone)]
pub struct PutBlock {
    /// The upload.
    pub upload: SnapshotId,
    /// Which block.
    pub index: u32,
    /// How many bytes it is said to have.
    pub length: u32,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// The SHA-256 that they are said to have.
    pub sha256: Vec<u8>,
}

/// What a keeper of blocks is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BlockQuestion {
    /// Keep a block of an upload, in place of what was kept before.
    Put {
        /// The upload.
        upload: SnapshotId,
        /// Its key, where it is encrypted: it waits so.
        key: Option<DataKey>,
        /// Which block.
        index: u32,
        /// All of its bytes.
        bytes: Vec<u8>,
    },
    /// Read a block of what is stored.
    Get {
        /// Of which manifest.
        manifest: String,
        /// Its key, where it is sealed.
        key: Option<DataKey>,
        /// Which block.
        index: u32,
    },
    /// List blocks in which two stored disks differ, or those that one has.
    List {
        /// The manifest that is compared with, if any.
        first: Option<String>,
        /// The manifest whose blocks are listed.
        second: String,
        /// The first block that is listed.
        from: u32,
        /// Most blocks that are listed.
        at_most: u32,
    },
}

/// A block in a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListedBlock {
    /// Which block.
    pub index: u32,
    /// Whether the first disk has it.
    pub in_first: bool,
    /// Whether the second disk has it.
    pub in_second: bool,
}

/// What a keeper of blocks answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BlockAnswer {
    /// It is kept.
    Kept,
    /// The bytes of a block, [`BLOCK_BYTES`] long.
    Bytes(Vec<u8>),
    /// Blocks in order, and whether there are more.
    Listed(Vec<ListedBlock>, bool),
}

/// A way to the bytes. It fails as Unavailable, NoDiskRoom or Internal, and says why in its own log.
pub type BlockKeeper = Arc<dyn Fn(BlockQuestion) -> Pin<Box<dyn Future<Output = Result<BlockAnswer, Error>> + Send>> + Send + Sync>;

/// The keeper that is lent, and a bell for it when there is something to store.
#[derive(Default)]
pub(crate) struct Blocks {
    keeper: Mutex<Option<BlockKeeper>>,
    sealed: Notify,
}

impl Command for StartUpload {
    type Reply = Snapshot;
    const NAME: &'static str = "StartUpload";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        let new = Target { path: Some("snapshot/*".to_owned()), request_tags: self.tags.clone(), ..Target::default() };
        let parent = self.parent.map(|id| target(tx, cx, id)).transpose()?;
        Ok(std::iter::once(new).chain(parent).collect())
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<Snapshot, Failure> {
        let account = cx.caller.account();
        check_description(&self.description)?;
        if !UPLOAD_TIMEOUT_MINUTES.contains(&self.timeout_minutes) {
            return Err(Error::invalid("Timeout", "must be 10 to 4320 minutes").into());
        }
        if !(1..=SNAPSHOT_GIB_MAX).contains(&self.size.0) {
            return Err(Error::invalid("VolumeSize", format!("must be 1 to {SNAPSHOT_GIB_MAX} GiB")).into());
        }
        let limit = tx.quota_limit(account, QuotaName::Snapshots)?;
        QuotaName::Snapshots.check(limit, tx.snapshot_count(account, limit)?, 1)?;
        let open = tx.snapshot_list(account)?.iter().filter(|row| row.open_upload().is_ok()).count();
        if open >= UPLOADS_OPEN_MAX {
            let what = "snapshots that are being uploaded".to_owned();
            return Err(Error::LimitReached { name: "UploadId", what, limit: UPLOADS_OPEN_MAX as u64 }.into());
        }
        let parent = self.parent.map(|id| snapshot_usable(tx, account, id)).transpose()?;
        let start = parent.as_ref().and_then(|parent| parent.encryption.as_ref());
        if parent.is_some() && self.encryption != EncryptionChoice::default() {
            let reason = "a snapshot with a parent is encrypted as that is".to_owned();
            return Err(Error::InvalidCombination { reason }.into());
        }
        let encryption = choose(tx, cx, &self.encryption, start)?;
        if parent.as_ref().is_some_and(|parent| parent.size > self.size) {
            return Err(Error::invalid("VolumeSize", "must not be less than that of the parent").into());
        }
        let upload = Upload { timeout_minutes: self.timeout_minutes, sealed: None };
        let mut row = row(cx, upload, self.size);
        row.description.clone_from(&self.description);
        (row.encryption, row.under_encryption) = (encryption, start.cloned());
        row.under = parent.as_ref().map(Snapshot::contents).transpose()?.map(str::to_owned);
        row.image = parent.and_then(|parent| parent.image);
        add_tags(&mut row.tags, &self.tags)?;
        tx.insert(&row)?;
        tx.wake(SNAPSHOT, row.id, upload.until(cx.now))?;
        Ok(row)
    }
}

/// The row of an upload.
pub(crate) fn row(cx: &Cx<'_>, upload: Upload, size: Gib) -> Snapshot {
    let id = SnapshotId::from_u64(cx.new_id());
    Snapshot {
        id,
        account: cx.caller.account(),
        name: String::new(),
        description: String::new(),
        volume: NO_VOLUME,
        of_root: false,
        device: String::new(),
        image: None,
        size,
        job: id,
        host: None,
        generation: 1,
        under: None,
        encryption: None,
        under_encryption: None,
        mode: SnapshotMode::Redirect,
        phase: SnapshotPhase::Pending { percent: 0, until: upload.until(cx.now) },
        manifest: None,
        stored_bytes: 0,
        created_at: cx.now,
        ended_at: None,
        upload: Some(upload),
        policy: None,
        group: None,
        backup: false,
        expires_at: None,
        at_boot: None,
        consistency: None,
        shares: Shares::default(),
        tags: Tags::new(),
    }
}

impl Command for SealUpload {
    type Reply = Snapshot;
    const NAME: &'static str = "SealUpload";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        Ok(vec![target(tx, cx, self.snapshot)?])
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<Snapshot, Failure> {
        let mut row = snapshot_of(tx, cx.caller.account(), self.snapshot)?;
        row.seal_upload(self.blocks, cx.now)?;
        tx.update(&row)?;
        Ok(row)
    }
}

impl Cloud {
    /// Lends the way to the bytes of snapshots.
    pub fn blocks_lend(&self, keeper: BlockKeeper) {
        *self.blocks().keeper.lock().unwrap_or_else(PoisonError::into_inner) = Some(keeper);
    }

    /// Rings for what stores sealed uploads.
    pub(crate) fn ring_for_uploads(&self) {
        self.blocks().sealed.notify_one();
    }

    /// Ends the writing of an upload, and has it stored.
    pub async fn upload_seal(&self, caller: &Caller, seal: SealUpload, options: crate::Options) -> Result<Snapshot, Error> {
        let row = self.run(caller, seal, options).await?;
        self.ring_for_uploads();
        Ok(row)
    }

    /// Waits until an upload may have to be stored.
    pub async fn upload_sealed(&self) {
        self.blocks().sealed.notified().await;
    }

    /// Keeps a block of an open upload of the caller's.
    pub async fn block_put(&self, caller: &Caller, block: PutBlock) -> Result<(), Error> {
        let PutBlock { upload, index, length, bytes, sha256 } = block;
        let look = move |tx: &Tx<'_>, cx: &Cx<'_>| snapshot_of(tx, cx.caller.account(), upload);
        let row = self.read(caller, vec![Target::of("snapshot", upload, &Tags::new())], look).await?;
        let open = row.open_upload()?;
        if bytes.len() != length as usize {
            return Err(Error::invalid("DataLength", format!("{} bytes came", bytes.len())));
        }
        if Sha256::digest(&bytes).as_slice() != sha256 {
            return Err(Error::invalid("Checksum", "is not that of the bytes"));
        }
        if index >= row.blocks() || length != BLOCK_BYTES {
            return Err(Error::invalid("BlockIndex", format!("the snapshot has {} blocks of {BLOCK_BYTES} bytes", row.blocks())));
        }
        let key = self.data_key_of(row.encryption.clone()).await?;
        self.ask(BlockQuestion::Put { upload, key, index, bytes }).await?;
        self.upload_goes_on(&row, open).await
    }

    /// Moves the time at which an upload is given up, once half of its timeout is over.
    async fn upload_goes_on(&self, row: &Snapshot, open: Upload) -> Result<(), Error> {
        let now = self.clock().now();
        let SnapshotPhase::Pending { until, .. } = row.phase else { return Ok(()) };
        let full = open.until(now);
        if full.0 - until.0 < i64::from(open.timeout_minutes) * 60_000 / LEASE_SHARE {
            return Ok(());
        }
        let id = row.id;
        let moved = self.store().write(move |tx| {
            let Some(mut row) = tx.get::<Snapshot>(id)?.filter(|row| row.open_upload().is_ok()) else { return Ok::<_, Failure>(()) };
            row.phase = SnapshotPhase::Pending { percent: row.percent(), until: full };
            Ok(tx.update(&row)?)
        });
        moved.await.map_err(|error| self.write_refusal("keep an upload open", error))
    }

    /// Reads a block of a snapshot that the caller may use.
    pub async fn block_get(&self, caller: &Caller, snapshot: SnapshotId, index: u32) -> Result<Vec<u8>, Error> {
        let row = self.snapshot_readable(caller, snapshot).await?;
        if index >= row.blocks() {
            return Err(Error::invalid("BlockIndex", format!("the snapshot has {} blocks", row.blocks())));
        }
        let Contents { manifest, encryption } = row.start()?;
        let key = self.data_key_of(encryption).await?;
        match self.ask(BlockQuestion::Get { manifest, key, index }).await? {
            BlockAnswer::Bytes(bytes) => Ok(bytes),
            BlockAnswer::Kept | BlockAnswer::Listed(..) => Err(Error::Internal),
        }
    }

    /// Lists the blocks of a snapshot that hold something, or those in which it differs from a first one; whether there are more.
    pub async fn block_list(
        &self,
        caller: &Caller,
        (first, second): (Option<SnapshotId>, SnapshotId),
        from: u32,
        at_most: u32,
    ) -> Result<(Snapshot, Vec<ListedBlock>, bool), Error> {
        let before = match first {
            Some(id) => Some(self.snapshot_readable(caller, id).await?.contents()?.to_owned()),
            None => None,
        };
        let row = self.snapshot_readable(caller, second).await?;
        let question = BlockQuestion::List { first: before, second: row.contents()?.to_owned(), from, at_most };
        match self.ask(question).await? {
            BlockAnswer::Listed(blocks, more) => Ok((row, blocks, more)),
            BlockAnswer::Kept | BlockAnswer::Bytes(_) => Err(Error::Internal),
        }
    }

    /// The data key of something encrypted.
    async fn data_key_of(&self, encryption: Option<Encryption>) -> Result<Option<DataKey>, Error> {
        let cloud = self.clone();
        let opened = self.store().read(move |tx| cloud.data_key(tx, encryption.as_ref())).await;
        opened.map_err(|failure| self.refusal("open a data key", failure))
    }

    /// The keys with which a sealed upload is stored: its own, and that of what is below.
    pub async fn upload_keys(&self, row: &Snapshot) -> Result<(Option<DataKey>, Option<DataKey>), Error> {
        Ok((self.data_key_of(row.encryption.clone()).await?, self.data_key_of(row.under_encryption.clone()).await?))
    }

    async fn snapshot_readable(&self, caller: &Caller, id: SnapshotId) -> Result<Snapshot, Error> {
        let look = move |tx: &Tx<'_>, cx: &Cx<'_>| snapshot_usable(tx, cx.caller.account(), id);
        self.read(caller, vec![Target::of("snapshot", id, &Tags::new())], look).await
    }

    async fn ask(&self, question: BlockQuestion) -> Result<BlockAnswer, Error> {
        let keeper = self.blocks().keeper.lock().unwrap_or_else(PoisonError::into_inner).clone();
        keeper.ok_or(Error::Unavailable)?(question).await
    }

    /// Uploads that are to be stored.
    pub async fn uploads_sealed(&self) -> Result<Vec<SnapshotId>, Error> {
        let found = self.store().read(|tx| {
            let sealed = |row: &Snapshot| row.upload.is_some_and(|upload| upload.sealed.is_some());
            let rows = tx.snapshot_list_of_volume(NO_VOLUME)?;
            Ok::<_, Failure>(rows.iter().filter(|row| sealed(row)).map(|row| row.id).collect())
        });
        found.await.map_err(|failure| self.refusal("look for uploads", failure))
    }

    /// The upload of which blocks are kept; none when they need not be kept any more.
    pub async fn upload_kept(&self, id: SnapshotId) -> Result<Option<Snapshot>, Error> {
        let found = self.store().read(move |tx| Ok::<_, Failure>(tx.get::<Snapshot>(id)?.filter(|row| row.upload.is_some())));
        found.await.map_err(|failure| self.refusal("look for an upload", failure))
    }

    /// Takes down that a sealed upload is stored, or never will be.
    pub async fn upload_end(&self, id: SnapshotId, seen: SnapshotSeen) -> Result<(), Error> {
        let cloud = self.clone();
        let ended = self.store().write(move |tx| {
            let now = cloud.clock().now();
            let Some(stored) = tx.get::<Snapshot>(id)?.filter(|row| row.upload.is_some()) else { return Ok::<_, Failure>(()) };
            let mut row = stored.clone();
            row.hear(seen.clone(), now);
            cloud.settle_snapshot(tx, &stored, &row, now)
        });
        ended.await.map_err(|error| self.write_refusal("end an upload", error))
    }
}
