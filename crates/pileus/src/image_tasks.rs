//! The keeper of buckets: carries out tasks that bring disks in from objects, and take images out into them.
//!
//! ```text
//!   active rows ─▶ one of each account at a time ─▶ object ─header─▶ reader ─▶ repository ─▶ hear: imported
//!                                                   repository ─▶ writer ─▶ object without a name ─▶ named ─▶ hear: exported
//! ```
//!
//! A task is a thread that reads and writes; beside it somebody tells the row how far it is, and the thread to stop when the row is wanted no
//! more. A pileus that is killed begins its tasks anew when it starts again: chunks that are there are found, and an object that was not whole
//! never had a name.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::ops::ControlFlow;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Result;
use control::Cloud;
use model::{AccountId, DiskFormat, ImageTask, ImageTaskId, ImageTaskSeen, ImageWork};
use repository::header::{self, Format};
use repository::{Digest, Repository, RepositoryError, WrittenFormat};
use tokio::task::JoinSet;

use crate::buckets::{BucketError, Buckets};

/// Time between two looks at what is to be done, when nobody rings.
const EVERY: Duration = Duration::from_secs(10);
/// Time between two words about how far a task is, and so the longest that a cancelled one goes on.
const TOLD_EVERY: Duration = Duration::from_secs(1);
/// Tasks at once, of different accounts: each compresses with two threads.
const AT_ONCE: usize = 2;
/// Room that tasks leave on a disk: the control plane's database may be there too.
const ROOM_LEFT: u64 = 1 << 30;
/// Bytes of a disk between two looks at the room.
const ROOM_EVERY: u64 = 64 << 20;

/// What is said when there is no room.
const FULL: &str = "the disk that it would lie on is full";

/// Carries tasks out until the task is dropped. The repository comes with its folder.
pub async fn run(cloud: Cloud, repository: (Repository, PathBuf), buckets: Buckets) {
    let (repository, stored_at) = (repository.0, Arc::new(repository.1));
    let mut busy: BTreeMap<AccountId, ImageTaskId> = BTreeMap::new();
    let mut running = JoinSet::new();
    loop {
        match cloud.image_tasks_active().await {
            Ok(tasks) => {
                for task in tasks {
                    if running.len() < AT_ONCE && !busy.contains_key(&task.account) {
                        busy.insert(task.account, task.id);
                        let keeper = Keeper {
                            cloud: cloud.clone(),
                            repository: repository.clone(),
                            stored_at: stored_at.clone(),
                            buckets: buckets.clone(),
                        };
                        running.spawn(async move { (task.account, keeper.carry_out(task).await) });
                    }
                }
            }
            Err(error) => tracing::warn!(%error, "image tasks could not be looked for; it is tried again"),
        }
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            () = cloud.buckets_asked() => {}
            Some(ended) = running.join_next() => match ended {
                Ok((account, Ok(()))) => drop(busy.remove(&account)),
                Ok((account, Err(error))) => {
                    tracing::warn!(error = format!("{error:#}"), "an image task could not be carried out; it is tried again");
                    busy.remove(&account);
                    // What failed just now is not tried again at once.
                    tokio::time::sleep(TOLD_EVERY).await;
                }
                Err(error) => {
                    tracing::error!(%error, alarm = true, "an image task panicked");
                    busy.clear();
                    running.abort_all();
                }
            },
        }
    }
}

#[derive(Clone)]
struct Keeper {
    cloud: Cloud,
    repository: Repository,
    stored_at: Arc<PathBuf>,
    buckets: Buckets,
}

/// What the thread of a task and its teller know of each other.
#[derive(Default)]
struct Shared {
    /// Bytes of the object, once it was found to be what it is said to be; of an export none are known.
    object_bytes: AtomicU64,
    /// Bytes of the disk, and how many were dealt with.
    size_bytes: AtomicU64,
    dealt_bytes: AtomicU64,
    /// Nobody wants it any more.
    unwanted: AtomicBool,
    /// A disk is full.
    full: AtomicBool,
}

/// Why a task's thread ended without a result.
enum Trouble {
    /// The tenant is told, and that is its end.
    Refused(String),
    /// It is tried again.
    Later(anyhow::Error),
    /// Nobody wanted it.
    Unwanted,
}

impl Keeper {
    async fn carry_out(self, task: ImageTask) -> Result<()> {
        let id = task.id;
        if !self.cloud.image_task_hear(id, ImageTaskSeen::Begun).await? {
            return Ok(());
        }
        let shared = Arc::new(Shared::default());
        let _stop = StopOnDrop(shared.clone());
        let (keeper, theirs) = (self.clone(), shared.clone());
        let mut work = tokio::task::spawn_blocking(move || keeper.work(&task, &theirs));
        let ended = loop {
            tokio::select! {
                ended = &mut work => break ended.unwrap_or_else(|error| {
                    // The same bytes would do it again.
                    tracing::error!(%error, task = %id, alarm = true, "the thread of an image task panicked");
                    Err(Trouble::Refused("an internal error occurred".to_owned()))
                }),
                () = tokio::time::sleep(TOLD_EVERY) => {
                    if let Some(moving) = shared.moving()
                        && !self.cloud.image_task_hear(id, moving).await?
                    {
                        shared.unwanted.store(true, Ordering::Relaxed);
                    }
                }
            }
        };
        let seen = match ended {
            Ok(seen) => seen,
            Err(Trouble::Refused(reason)) => ImageTaskSeen::Failed { reason },
            Err(Trouble::Later(error)) => return Err(error.context(id.to_string())),
            Err(Trouble::Unwanted) => return Ok(()),
        };
        tracing::info!(task = %id, ?seen, "an image task ended");
        self.cloud.image_task_hear(id, seen).await?;
        Ok(())
    }

    fn work(&self, task: &ImageTask, shared: &Shared) -> Result<ImageTaskSeen, Trouble> {
        match &task.work {
            ImageWork::ImportImage { .. } | ImageWork::ImportSnapshot { .. } => self.import(task, shared),
            ImageWork::ExportImage { manifest, .. } => self.export(task, manifest, shared),
        }
    }

    fn import(&self, task: &ImageTask, shared: &Shared) -> Result<ImageTaskSeen, Trouble> {
        let file = self.buckets.object(task.account, &task.object).map_err(of_bucket)?;
        let format = format_of(task.format);
        let found = header::inspect(&file, format).map_err(|refusal| Trouble::Refused(refusal.to_string()))?;
        shared.size_bytes.store(found.virtual_bytes.max(1), Ordering::Relaxed);
        let object_bytes = file.metadata().map_or(0, |about| about.len());
        shared.object_bytes.store(object_bytes, Ordering::Relaxed);
        let room = || nix::sys::statvfs::statvfs(self.stored_at.as_path()).map(free);
        let stored = self.repository.store_foreign(&file, format, &progress(shared, &room)).map_err(|error| shared.trouble(error))?;
        let size_bytes = self.repository.manifest(&stored.manifest).map_err(|error| shared.trouble(error))?.size_bytes;
        Ok(ImageTaskSeen::Imported { object_bytes, manifest: stored.manifest.to_string(), size_bytes, stored_bytes: stored.new_bytes })
    }

    fn export(&self, task: &ImageTask, manifest: &str, shared: &Shared) -> Result<ImageTaskSeen, Trouble> {
        let format = match task.format {
            DiskFormat::Raw => WrittenFormat::Raw,
            DiskFormat::Vmdk => WrittenFormat::Vmdk,
            DiskFormat::Vhd => WrittenFormat::Vhd,
            DiskFormat::Vhdx | DiskFormat::Qcow2 => return Err(Trouble::Refused(format!("nothing is written in {}", task.format))),
        };
        let digest: Digest = manifest.parse().map_err(|_| Trouble::Refused("the image has no contents".to_owned()))?;
        let reader = self.repository.reader(&digest).map_err(|error| shared.trouble(error))?;
        shared.size_bytes.store(reader.size_bytes().max(1), Ordering::Relaxed);
        let object = self.buckets.begin(task.account, &task.object).map_err(of_bucket)?;
        let room = || nix::sys::statvfs::fstatvfs(object.file.as_fd()).map(free);
        reader.write_to(&object.file, format, &progress(shared, &room)).map_err(|error| shared.trouble(error))?;
        let object_bytes = object.keep().map_err(of_bucket)?;
        Ok(ImageTaskSeen::Exported { object_bytes })
    }
}

impl Shared {
    /// How far it is; none before the header was looked at.
    fn moving(&self) -> Option<ImageTaskSeen> {
        let (dealt, size) = (self.dealt_bytes.load(Ordering::Relaxed), self.size_bytes.load(Ordering::Relaxed));
        let percent = u8::try_from(u128::from(dealt) * 100 / u128::from(size.max(1))).unwrap_or(99).min(99);
        let object_bytes = Some(self.object_bytes.load(Ordering::Relaxed)).filter(|bytes| *bytes > 0);
        (size > 0).then_some(ImageTaskSeen::Moving { object_bytes, percent })
    }

    fn trouble(&self, error: RepositoryError) -> Trouble {
        match error {
            RepositoryError::Refused { refusal, .. } => Trouble::Refused(refusal.to_string()),
            RepositoryError::Stopped if self.full.load(Ordering::Relaxed) => Trouble::Refused(FULL.to_owned()),
            RepositoryError::Stopped => Trouble::Unwanted,
            RepositoryError::Io { ref source, .. } if source.kind() == ErrorKind::StorageFull => Trouble::Refused(FULL.to_owned()),
            RepositoryError::Malformed { reason, .. } => Trouble::Refused(reason),
            RepositoryError::Missing { .. } | RepositoryError::Corrupt { .. } => {
                tracing::error!(%error, "an image cannot be read");
                Trouble::Refused("the image cannot be read".to_owned())
            }
            // A sweep, or a disk that fails: it is tried again until the task's deadline.
            other => Trouble::Later(other.into()),
        }
    }
}

/// Stops a task's thread when nobody waits for it any more.
struct StopOnDrop(Arc<Shared>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.unwanted.store(true, Ordering::Relaxed);
    }
}

/// Notes how far it is, and says when to stop: when it is wanted no more, or when there is no room left.
fn progress<'a>(shared: &'a Shared, room: &'a (impl Fn() -> nix::Result<u64> + Sync)) -> impl Fn(u64) -> ControlFlow<()> + Sync + 'a {
    move |dealt| {
        let before = shared.dealt_bytes.swap(dealt, Ordering::Relaxed);
        if (before == 0 || before / ROOM_EVERY != dealt / ROOM_EVERY) && room().is_ok_and(|room| room < ROOM_LEFT) {
            shared.full.store(true, Ordering::Relaxed);
        }
        if shared.unwanted.load(Ordering::Relaxed) || shared.full.load(Ordering::Relaxed) {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }
}

/// Bytes that are free.
fn free(room: nix::sys::statvfs::Statvfs) -> u64 {
    room.blocks_available().saturating_mul(room.fragment_size())
}

fn of_bucket(error: BucketError) -> Trouble {
    match error {
        BucketError::Refused(reason) => Trouble::Refused(reason),
        BucketError::Fault { .. } => Trouble::Later(error.into()),
    }
}

const fn format_of(format: DiskFormat) -> Format {
    match format {
        DiskFormat::Raw => Format::Raw,
        DiskFormat::Vmdk => Format::Vmdk,
        DiskFormat::Vhd => Format::Vhd,
        DiskFormat::Vhdx => Format::Vhdx,
        DiskFormat::Qcow2 => Format::Qcow2,
    }
}
