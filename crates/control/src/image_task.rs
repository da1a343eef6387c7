//! Tasks that bring disks in from objects of the account's buckets, and take images out into them.
//!
//! ```text
//!   import ─▶ a task, and an image that is pending     the keeper of buckets reads the object ─▶ hear ─▶ snapshot and image are there
//!   export ─▶ a task                                    the keeper writes the object           ─▶ hear ─▶ completed
//! ```
//!
//! The bytes are not here: whoever has the repository and the buckets takes active tasks from the rows, and says what becomes of them. One
//! that dies begins its tasks anew. Not known here: where buckets lie, what a header looks like.

use std::sync::atomic::{AtomicBool, Ordering};

use model::{
    AccountId, BucketObject, DiskFormat, Error, Event, EventId, Gib, IMAGE_TASK_DEADLINE_MS, IMAGE_TASKS_ACTIVE_MAX, Image, ImageId,
    ImagePhase, ImageTask, ImageTaskId, ImageTaskPhase, ImageTaskSeen, ImageWork, Millis, NO_VOLUME, Noun, QuotaName, Shares, Snapshot,
    SnapshotId, SnapshotMode, SnapshotPhase, Tags, What, add_tags,
};
use serde::Serialize;
use store::Tx;
use tokio::sync::Notify;

use crate::auth::{Caller, Target};
use crate::image::{Words, image_of, insert, new_image};
use crate::instance::check_description;
use crate::run::{Command, Cx};
use crate::{Cloud, Failure, Options};

/// Kind of wakes for image tasks.
pub(crate) const IMAGE_TASK: &str = "image task";
/// Longest reason for a cancellation, in characters.
const REASON_MAX: usize = 255;

/// Makes a snapshot, or an image, of an object.
#[derive(Debug, Clone, Serialize)]
pub struct ImportDisk {
    /// What becomes of it.
    pub into: ImportInto,
    /// The object.
    pub object: BucketObject,
    /// Its format.
    pub format: DiskFormat,
    /// Description of the task, and of what it makes.
    pub description: String,
    /// Tags of the task.
    pub tags: Tags,
}

/// What becomes of an object.
#[derive(Debug, Clone, Serialize)]
pub enum ImportInto {
    /// An image.
    Image {
        /// Name, unique in the account; its id when it is empty.
        name: String,
        /// What its system is, such as `Debian 12`; `Linux` when nothing is said.
        platform: Option<String>,
        /// Smallest disk of its instances, if larger than the object's.
        size: Option<Gib>,
        /// Tags.
        tags: Tags,
    },
    /// A snapshot.
    Snapshot {
        /// Tags.
        tags: Tags,
    },
}

/// Writes an image of the account into a new object.
#[derive(Debug, Clone, Serialize)]
pub struct ExportImage {
    /// The image.
    pub image: ImageId,
    /// The bucket.
    pub bucket: String,
    /// What the object's key begins with; the digits of the task's id follow.
    pub before: String,
    /// What it ends with.
    pub after: String,
    /// Its format.
    pub format: DiskFormat,
    /// What becomes of further disks of the image, which are not written.
    pub further: FurtherDisks,
    /// Description of the task.
    pub description: String,
    /// Tags of the task.
    pub tags: Tags,
}

/// What becomes of further disks of an image that is exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum FurtherDisks {
    /// An image that has any is refused.
    Refused,
    /// They are left out.
    LeftOut,
}

/// Ends a task that is under way.
#[derive(Debug, Clone, Serialize)]
pub struct CancelImageTask {
    /// The task.
    pub task: ImageTaskId,
    /// Why.
    pub reason: String,
}

/// Whether there are buckets, and a bell for who keeps them.
#[derive(Default)]
pub(crate) struct Buckets {
    offered: AtomicBool,
    asked: Notify,
}

impl Command for ImportDisk {
    type Reply = ImageTask;
    const NAME: &'static str = "ImportDisk";

    fn targets(&self, _: &Tx<'_>, _: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        let made = |kind: &str, tags: &Tags| Target { path: Some(format!("{kind}/*")), request_tags: tags.clone(), ..Target::default() };
        Ok(match &self.into {
            ImportInto::Image { tags, .. } => vec![new_image(tags), made("import-image-task", &self.tags)],
            ImportInto::Snapshot { tags } => vec![made("snapshot", tags), made("import-snapshot-task", &self.tags)],
        })
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<ImageTask, Failure> {
        let account = cx.caller.account();
        check_offered(cx)?;
        check_description(&self.description)?;
        let active = check_active(tx, account)?;
        let limit = tx.quota_limit(account, QuotaName::Snapshots)?;
        QuotaName::Snapshots.check(limit, tx.snapshot_count(account, limit)? + active, 1)?;
        let snapshot = SnapshotId::from_u64(cx.new_id());
        let work = match &self.into {
            ImportInto::Snapshot { tags } => {
                let mut checked = Tags::new();
                add_tags(&mut checked, tags)?;
                ImageWork::ImportSnapshot { snapshot, tags: checked }
            }
            ImportInto::Image { name, platform, size, tags } => {
                let words = Words { name, description: &self.description, family: "", tags };
                // The disk's size is not known yet; nobody can launch what is pending.
                let disk = Snapshot { size: size.unwrap_or(Gib(1)), ..row(account, snapshot, cx.now) };
                let mut image = words.image(cx, ImageId::from_u64(cx.new_id()), &disk, None)?;
                (image.phase, image.imported) = (ImagePhase::Pending, Some(0));
                if let Some(platform) = platform {
                    check_platform(platform)?;
                    image.platform.clone_from(platform);
                }
                ImageWork::ImportImage { image: insert(tx, cx, image)?.id, snapshot }
            }
        };
        begin(tx, cx, work, self.object.clone(), self.format, (&self.description, &self.tags))
    }
}

impl Command for ExportImage {
    type Reply = ImageTask;
    const NAME: &'static str = "ExportImage";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        let task = Target { path: Some("export-image-task/*".to_owned()), request_tags: self.tags.clone(), ..Target::default() };
        Ok(vec![crate::image::target(tx, cx, self.image)?, task])
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<ImageTask, Failure> {
        let account = cx.caller.account();
        check_offered(cx)?;
        check_description(&self.description)?;
        check_active(tx, account)?;
        if !self.format.is_written() {
            return Err(Error::Unsupported { what: format!("an export in the format {}", self.format) }.into());
        }
        let image = image_of(tx, account, self.image)?;
        if image.phase != ImagePhase::Available {
            let (noun, id, state) = (Noun::Image, image.id.to_string(), image.word());
            return Err(Error::IncorrectState { noun, id, state, wanted: "available" }.into());
        }
        if self.further == FurtherDisks::Refused && image.disks.iter().any(|disk| disk.snapshot.is_some()) {
            return Err(Error::Unsupported { what: "an export of an image with more than one disk".to_owned() }.into());
        }
        if image.encryption.is_some() {
            return Err(Error::Unsupported { what: "an export of an encrypted image".to_owned() }.into());
        }
        let work = ImageWork::ExportImage { image: image.id, manifest: image.manifest };
        let id = ImageTaskId::from_u64(cx.new_id());
        let digits = id.to_string().trim_start_matches(ImageTaskId::PREFIX).to_owned();
        let object = BucketObject::new(&self.bucket, format!("{}{digits}{}", self.before, self.after))?;
        begin_as(tx, cx, id, work, object, self.format, (&self.description, &self.tags))
    }
}

impl Command for CancelImageTask {
    type Reply = ImageTask;
    const NAME: &'static str = "CancelImageTask";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        let own = tx.get::<ImageTask>(self.task)?.filter(|task| task.account == cx.caller.account());
        let kind = own.as_ref().map_or("import-image", ImageTask::kind);
        Ok(vec![Target::of(&format!("{kind}-task"), self.task, &own.map(|task| task.tags).unwrap_or_default())])
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<ImageTask, Failure> {
        if self.reason.chars().count() > REASON_MAX {
            return Err(Error::invalid("CancelReason", format!("must have at most {REASON_MAX} characters")).into());
        }
        let task = tx.get::<ImageTask>(self.task)?.filter(|task| task.account == cx.caller.account());
        let stored = task.ok_or_else(|| Error::not_found(Noun::ImageTask, self.task))?;
        let mut task = stored.clone();
        let reason = if self.reason.is_empty() { "cancelled by its owner".to_owned() } else { self.reason.clone() };
        task.cancel(reason, cx.now)?;
        cx.cloud.settle_image_task(tx, &stored, &task, cx.now)?;
        Ok(task)
    }
}

fn check_offered(cx: &Cx<'_>) -> Result<(), Error> {
    if cx.cloud.buckets().offered.load(Ordering::Acquire) {
        return Ok(());
    }
    Err(Error::Unsupported { what: "a bucket, of which this installation has none,".to_owned() })
}

/// Refuses one task more than there may be, and says how many there are.
fn check_active(tx: &Tx<'_>, account: AccountId) -> Result<u64, Failure> {
    let active = tx.image_task_list_active_of(account)?.len();
    if active < IMAGE_TASKS_ACTIVE_MAX {
        return Ok(active as u64);
    }
    let what = "tasks that import or export disks at once".to_owned();
    Err(Error::LimitReached { name: "ImportTaskId", what, limit: IMAGE_TASKS_ACTIVE_MAX as u64 }.into())
}

/// Text that guests and consoles are shown: of one line, and not long.
fn check_platform(platform: &str) -> Result<(), Error> {
    const LONGEST: usize = 64;
    if platform.is_empty() || platform.chars().count() > LONGEST || platform.chars().any(char::is_control) {
        return Err(Error::invalid("Platform", format!("must have 1 to {LONGEST} characters")));
    }
    Ok(())
}

type Said<'a> = (&'a str, &'a Tags);

fn begin(
    tx: &mut Tx<'_>,
    cx: &Cx<'_>,
    work: ImageWork,
    object: BucketObject,
    format: DiskFormat,
    said: Said<'_>,
) -> Result<ImageTask, Failure> {
    begin_as(tx, cx, ImageTaskId::from_u64(cx.new_id()), work, object, format, said)
}

fn begin_as(
    tx: &mut Tx<'_>,
    cx: &Cx<'_>,
    id: ImageTaskId,
    work: ImageWork,
    object: BucketObject,
    format: DiskFormat,
    (description, tags): Said<'_>,
) -> Result<ImageTask, Failure> {
    let mut task = ImageTask::new(id, cx.caller.account(), work, object, format, cx.now);
    task.description = description.to_owned();
    add_tags(&mut task.tags, tags)?;
    tx.insert(&task)?;
    tx.wake(IMAGE_TASK, task.id, cx.now.after(IMAGE_TASK_DEADLINE_MS))?;
    Ok(task)
}

/// The snapshot that an import makes.
fn row(account: AccountId, id: SnapshotId, now: Millis) -> Snapshot {
    Snapshot {
        id,
        account,
        name: String::new(),
        description: String::new(),
        volume: NO_VOLUME,
        of_root: false,
        device: String::new(),
        image: None,
        size: Gib(1),
        job: id,
        host: None,
        generation: 1,
        under: None,
        encryption: None,
        under_encryption: None,
        mode: SnapshotMode::Redirect,
        phase: SnapshotPhase::Completed,
        manifest: None,
        stored_bytes: 0,
        created_at: now,
        ended_at: Some(now),
        upload: None,
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

impl Cloud {
    /// Says that there are buckets, and somebody who keeps them.
    pub fn buckets_offer(&self) {
        self.buckets().offered.store(true, Ordering::Release);
    }

    /// Waits until there may be something for the keeper of buckets.
    pub async fn buckets_asked(&self) {
        self.buckets().asked.notified().await;
    }

    /// Begins to import a disk.
    pub async fn disk_import(&self, caller: &Caller, command: ImportDisk, options: Options) -> Result<ImageTask, Error> {
        let task = self.run(caller, command, options).await?;
        self.buckets().asked.notify_one();
        Ok(task)
    }

    /// Begins to export an image.
    pub async fn image_export(&self, caller: &Caller, command: ExportImage, options: Options) -> Result<ImageTask, Error> {
        let task = self.run(caller, command, options).await?;
        self.buckets().asked.notify_one();
        Ok(task)
    }

    /// Tasks that are under way, the oldest first.
    pub async fn image_tasks_active(&self) -> Result<Vec<ImageTask>, Error> {
        let found = self.store().read(|tx| Ok::<_, Failure>(tx.image_task_list_active()?)).await;
        found.map_err(|failure| self.refusal("look for image tasks", failure))
    }

    /// Takes down what is heard of a task, and says whether it is still wanted.
    pub async fn image_task_hear(&self, id: ImageTaskId, seen: ImageTaskSeen) -> Result<bool, Error> {
        let cloud = self.clone();
        let heard = self.store().write(move |tx| {
            let now = cloud.clock().now();
            let Some(stored) = tx.get::<ImageTask>(id)?.filter(ImageTask::is_active) else { return Ok::<_, Failure>(false) };
            let mut task = stored.clone();
            if is_taken_back(tx, &task)? {
                task.cancel("its image was deregistered".to_owned(), now)?;
            } else {
                if let ImageTaskSeen::Imported { manifest, size_bytes, stored_bytes, .. } = &seen {
                    make(tx, &task, (manifest, *size_bytes, *stored_bytes), now)?;
                }
                task.hear(&seen, now);
            }
            cloud.settle_image_task(tx, &stored, &task, now)?;
            Ok(task.is_active())
        });
        heard.await.map_err(|error| self.write_refusal("write down an image task", error))
    }

    /// Looks whether a task has to be given up or forgotten, and says when to look again.
    pub(crate) fn advance_image_task(&self, tx: &mut Tx<'_>, id: ImageTaskId, now: Millis) -> Result<Option<Millis>, Failure> {
        let Some(stored) = tx.get::<ImageTask>(id)? else { return Ok(None) };
        let mut task = stored.clone();
        let due = task.advance(now);
        if due.is_none() {
            tx.delete::<ImageTask>(id)?;
            return Ok(None);
        }
        self.settle_image_task(tx, &stored, &task, now)?;
        Ok(due)
    }

    /// Writes a task down, and what its end is for its image.
    fn settle_image_task(&self, tx: &mut Tx<'_>, stored: &ImageTask, task: &ImageTask, now: Millis) -> Result<(), Failure> {
        if task == stored {
            return Ok(());
        }
        tx.update(task)?;
        if task.is_active() {
            return show_progress(tx, task);
        }
        // Its row is looked at next when it is to be forgotten.
        tx.wake(IMAGE_TASK, task.id, now)?;
        if let ImageWork::ImportImage { image, .. } = task.work
            && let Some(mut image) = tx.get::<Image>(image)?.filter(|image| image.phase == ImagePhase::Pending)
        {
            match task.phase {
                ImageTaskPhase::Failed { .. } => image.phase = ImagePhase::Failed,
                ImageTaskPhase::Cancelled { .. } => image.phase = ImagePhase::Deregistered,
                ImageTaskPhase::Active { .. } | ImageTaskPhase::Completed => {}
            }
            tx.update(&image)?;
        }
        let what = What::Became { state: task.word().to_owned(), reason: task.message().unwrap_or_default().to_owned() };
        let id = EventId::from_u64(self.ids().next(now));
        tx.insert(&Event { id, account: task.account, at: now, what, resources: vec![task.id.to_string()] })?;
        Ok(())
    }
}

/// Shows how far an import is where its image is shown.
fn show_progress(tx: &mut Tx<'_>, task: &ImageTask) -> Result<(), Failure> {
    let ImageWork::ImportImage { image, .. } = task.work else { return Ok(()) };
    let percent = Some(task.percent());
    match tx.get::<Image>(image)?.filter(|image| image.imported != percent) {
        Some(image) => Ok(tx.update(&Image { imported: percent, ..image })?),
        None => Ok(()),
    }
}

/// Whether the image that a task makes was taken back meanwhile.
fn is_taken_back(tx: &Tx<'_>, task: &ImageTask) -> Result<bool, Failure> {
    let ImageWork::ImportImage { image, .. } = task.work else { return Ok(false) };
    Ok(tx.get::<Image>(image)?.is_none_or(|image| image.phase != ImagePhase::Pending))
}

/// Makes the snapshot of a disk that was imported, and its image if there is one.
fn make(tx: &mut Tx<'_>, task: &ImageTask, (manifest, size_bytes, stored_bytes): (&str, u64, u64), now: Millis) -> Result<(), Failure> {
    let Some(id) = task.snapshot() else { return Ok(()) };
    let mut snapshot = row(task.account, id, now);
    (snapshot.size, snapshot.stored_bytes) = (model::volume_of(size_bytes), stored_bytes);
    snapshot.manifest = Some(manifest.to_owned());
    snapshot.description.clone_from(&task.description);
    match &task.work {
        ImageWork::ImportSnapshot { tags, .. } => snapshot.tags.clone_from(tags),
        ImageWork::ImportImage { image, .. } => {
            snapshot.of_root = true;
            snapshot.image = Some(*image);
            if let Some(mut image) = tx.get::<Image>(*image)? {
                image.size_bytes = size_bytes;
                image.min_disk = image.min_disk.max(snapshot.size);
                image.follow(std::slice::from_ref(&snapshot));
                tx.update(&image)?;
            }
        }
        ImageWork::ExportImage { .. } => {}
    }
    tx.insert(&snapshot)?;
    Ok(())
}
