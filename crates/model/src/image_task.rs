//! Tasks that bring a disk in from a file of a foreign format, or take an image out into one.
//!
//! ```text
//!   Active: pending ─▶ validating ─▶ converting ──▶ Completed     (an import: its snapshot and image are there)
//!      │                    │             ├───────▶ Failed         (the bytes are refused, or deadline)
//!      └────────────────────┴─────────────┴───────▶ Cancelled      (by its owner, or its image was taken back)
//! ```
//!
//! Until it has ended well, an import leaves no snapshot, and its image cannot be launched. Not known here: where buckets lie, and who
//! reads the bytes.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{AccountId, Error, Gib, ImageId, ImageTaskId, Millis, Noun, SnapshotId, Tags};

/// How long a task may take: reading 2 TiB at 50 MB/s takes half a day.
pub const IMAGE_TASK_DEADLINE_MS: i64 = 24 * 3_600_000;
/// How long a task that has ended is shown (EC2 shows them for a week).
pub const IMAGE_TASK_KEPT_MS: i64 = 7 * 24 * 3_600_000;
/// Tasks of an account that may be active (EC2: 20 imports of images at once).
pub const IMAGE_TASKS_ACTIVE_MAX: usize = 20;
/// Longest key of an object in bytes (S3, OSS: 1,024 and 1,023).
pub const OBJECT_KEY_MAX: usize = 1_023;
/// Longest part of a key between slashes in bytes: objects are files here (`NAME_MAX`).
const KEY_PART_MAX: usize = 255;
/// Letters of a bucket's name (S3, OSS).
const BUCKET_LETTERS: std::ops::RangeInclusive<usize> = 3..=63;

/// A format of disk images.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DiskFormat {
    /// The disk's bytes and nothing else.
    Raw,
    /// VMware's, in one file.
    Vmdk,
    /// Microsoft's older one.
    Vhd,
    /// Microsoft's newer one.
    Vhdx,
    /// QEMU's.
    Qcow2,
}

impl DiskFormat {
    /// Every format.
    pub const ALL: [DiskFormat; 5] = [DiskFormat::Raw, DiskFormat::Vmdk, DiskFormat::Vhd, DiskFormat::Vhdx, DiskFormat::Qcow2];

    /// The name in lower case, which is what files of it end in.
    pub const fn as_str(self) -> &'static str {
        match self {
            DiskFormat::Raw => "raw",
            DiskFormat::Vmdk => "vmdk",
            DiskFormat::Vhd => "vhd",
            DiskFormat::Vhdx => "vhdx",
            DiskFormat::Qcow2 => "qcow2",
        }
    }

    /// The format of this name, in letters of either case.
    pub fn named(name: &str) -> Option<DiskFormat> {
        DiskFormat::ALL.into_iter().find(|format| format.as_str().eq_ignore_ascii_case(name))
    }

    /// Whether images are taken out in it.
    pub const fn is_written(self) -> bool {
        match self {
            DiskFormat::Raw | DiskFormat::Vmdk | DiskFormat::Vhd => true,
            DiskFormat::Vhdx | DiskFormat::Qcow2 => false,
        }
    }
}

impl fmt::Display for DiskFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An object in a bucket of the account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BucketObject {
    /// The bucket.
    pub bucket: String,
    /// The object in it; slashes part folders.
    pub key: String,
}

impl BucketObject {
    /// Names an object. Refused unless both names are plain: whatever they say, they lead nowhere but down into the bucket.
    pub fn new(bucket: impl Into<String>, key: impl Into<String>) -> Result<BucketObject, Error> {
        let object = BucketObject { bucket: bucket.into(), key: key.into() };
        check_bucket(&object.bucket)?;
        check_key(&object.key)?;
        Ok(object)
    }
}

fn check_bucket(bucket: &str) -> Result<(), Error> {
    let letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let ends = bucket.bytes().next().is_some_and(letter) && bucket.bytes().last().is_some_and(letter);
    let inside = bucket.bytes().all(|byte| letter(byte) || byte == b'-' || byte == b'.');
    if BUCKET_LETTERS.contains(&bucket.len()) && ends && inside && !bucket.contains("..") {
        return Ok(());
    }
    Err(Error::invalid("Bucket", "must be 3 to 63 lower-case letters, digits, dots and hyphens, with a letter or digit at both ends"))
}

fn check_key(key: &str) -> Result<(), Error> {
    let plain = |part: &str| !part.is_empty() && part != "." && part != ".." && part.len() <= KEY_PART_MAX;
    if key.len() > OBJECT_KEY_MAX || !key.split('/').all(plain) || key.chars().any(char::is_control) {
        let reason = format!("must be at most {OBJECT_KEY_MAX} bytes, its parts between slashes neither empty nor '.' nor '..'");
        return Err(Error::invalid("Key", reason));
    }
    Ok(())
}

/// A task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageTask {
    /// Its id.
    pub id: ImageTaskId,
    /// Owner.
    pub account: AccountId,
    /// Description.
    pub description: String,
    /// What it does.
    pub work: ImageWork,
    /// The object that it reads or writes.
    pub object: BucketObject,
    /// The format of the object, as its owner said.
    pub format: DiskFormat,
    /// How far it is.
    pub phase: ImageTaskPhase,
    /// Bytes of the object, once they are known.
    pub object_bytes: Option<u64>,
    /// When it was asked for.
    pub created_at: Millis,
    /// When it ended, whichever way.
    pub ended_at: Option<Millis>,
    /// Tags.
    pub tags: Tags,
}

/// What a task does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "work")]
pub enum ImageWork {
    /// Makes an image of an object.
    ImportImage {
        /// The image, which is pending meanwhile.
        image: ImageId,
        /// The snapshot of its disk, which is there at the end.
        snapshot: SnapshotId,
    },
    /// Makes a snapshot of an object.
    ImportSnapshot {
        /// The snapshot, which is there at the end.
        snapshot: SnapshotId,
        /// What it is tagged with then.
        tags: Tags,
    },
    /// Writes an image into an object.
    ExportImage {
        /// The image.
        image: ImageId,
        /// Digest of the manifest that is written.
        manifest: String,
    },
}

/// How far a task is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "phase")]
pub enum ImageTaskPhase {
    /// It is under way.
    Active {
        /// At what.
        step: ImageTaskStep,
        /// Hundredths of the disk that were dealt with, 0 to 99.
        percent: u8,
        /// When it is given up.
        until: Millis,
    },
    /// It is done.
    Completed,
    /// It never will be.
    Failed {
        /// Why, in the user's words.
        reason: String,
    },
    /// Nobody wants it any more.
    Cancelled {
        /// Why, in the user's words.
        reason: String,
    },
}

/// What an active task is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ImageTaskStep {
    /// It waits for its turn.
    Pending,
    /// The object's header is looked at.
    Validating,
    /// The disk is read and written.
    Converting,
}

/// What is heard of a task under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImageTaskSeen {
    /// It has its turn.
    Begun,
    /// The object is what it is said to be, or the image is there.
    Moving {
        /// Bytes of the object, for an import.
        object_bytes: Option<u64>,
        /// Hundredths of the disk.
        percent: u8,
    },
    /// The disk is in the repository.
    Imported {
        /// Bytes of the object.
        object_bytes: u64,
        /// Digest of its manifest.
        manifest: String,
        /// Size of the disk in bytes.
        size_bytes: u64,
        /// Compressed bytes that the repository had to take for it.
        stored_bytes: u64,
    },
    /// The object is written.
    Exported {
        /// Its bytes.
        object_bytes: u64,
    },
    /// It cannot be done.
    Failed {
        /// Why, in the user's words.
        reason: String,
    },
}

impl ImageTask {
    /// A task that waits for its turn.
    pub fn new(id: ImageTaskId, account: AccountId, work: ImageWork, object: BucketObject, format: DiskFormat, now: Millis) -> ImageTask {
        let until = now.after(IMAGE_TASK_DEADLINE_MS);
        ImageTask {
            id,
            account,
            description: String::new(),
            work,
            object,
            format,
            phase: ImageTaskPhase::Active { step: ImageTaskStep::Pending, percent: 0, until },
            object_bytes: None,
            created_at: now,
            ended_at: None,
            tags: Tags::new(),
        }
    }

    /// Whether it is under way.
    pub const fn is_active(&self) -> bool {
        matches!(self.phase, ImageTaskPhase::Active { .. })
    }

    /// The state in one word: `active`, `completed`, `failed` or `cancelled`.
    pub const fn word(&self) -> &'static str {
        match self.phase {
            ImageTaskPhase::Active { .. } => "active",
            ImageTaskPhase::Completed => "completed",
            ImageTaskPhase::Failed { .. } => "failed",
            ImageTaskPhase::Cancelled { .. } => "cancelled",
        }
    }

    /// Hundredths that are done.
    pub const fn percent(&self) -> u8 {
        match self.phase {
            ImageTaskPhase::Active { percent, .. } => percent,
            ImageTaskPhase::Completed => 100,
            ImageTaskPhase::Failed { .. } | ImageTaskPhase::Cancelled { .. } => 0,
        }
    }

    /// What it is at, or why it ended as it did; nothing when all is well.
    pub fn message(&self) -> Option<&str> {
        match &self.phase {
            ImageTaskPhase::Active { step: ImageTaskStep::Pending, .. } => Some("pending"),
            ImageTaskPhase::Active { step: ImageTaskStep::Validating, .. } => Some("validating"),
            ImageTaskPhase::Active { step: ImageTaskStep::Converting, .. } => Some("converting"),
            ImageTaskPhase::Completed => None,
            ImageTaskPhase::Failed { reason } | ImageTaskPhase::Cancelled { reason } => Some(reason),
        }
    }

    /// What it does in one word of EC2's: `import-image`, `import-snapshot` or `export-image`.
    pub const fn kind(&self) -> &'static str {
        match self.work {
            ImageWork::ImportImage { .. } => "import-image",
            ImageWork::ImportSnapshot { .. } => "import-snapshot",
            ImageWork::ExportImage { .. } => "export-image",
        }
    }

    /// The image that it makes or writes.
    pub const fn image(&self) -> Option<ImageId> {
        match self.work {
            ImageWork::ImportImage { image, .. } | ImageWork::ExportImage { image, .. } => Some(image),
            ImageWork::ImportSnapshot { .. } => None,
        }
    }

    /// The snapshot that it makes.
    pub const fn snapshot(&self) -> Option<SnapshotId> {
        match self.work {
            ImageWork::ImportImage { snapshot, .. } | ImageWork::ImportSnapshot { snapshot, .. } => Some(snapshot),
            ImageWork::ExportImage { .. } => None,
        }
    }

    /// Takes down what is heard of it. One that has ended stays as it is.
    pub fn hear(&mut self, seen: &ImageTaskSeen, now: Millis) {
        let ImageTaskPhase::Active { percent: before, until, .. } = self.phase else { return };
        match seen {
            ImageTaskSeen::Begun => {
                // One that begins anew after a crash is not shown going back.
                self.phase = ImageTaskPhase::Active { step: ImageTaskStep::Validating, percent: before, until };
            }
            ImageTaskSeen::Moving { object_bytes, percent } => {
                self.object_bytes = object_bytes.or(self.object_bytes);
                let percent = (*percent).min(99).max(before);
                self.phase = ImageTaskPhase::Active { step: ImageTaskStep::Converting, percent, until };
            }
            ImageTaskSeen::Imported { object_bytes, .. } | ImageTaskSeen::Exported { object_bytes } => {
                self.object_bytes = Some(*object_bytes);
                self.end(ImageTaskPhase::Completed, now);
            }
            ImageTaskSeen::Failed { reason } => self.end(ImageTaskPhase::Failed { reason: reason.clone() }, now),
        }
    }

    /// Ends it for its owner. Refused once it has ended.
    pub fn cancel(&mut self, reason: String, now: Millis) -> Result<(), Error> {
        if !self.is_active() {
            let (noun, id) = (Noun::ImageTask, self.id.to_string());
            return Err(Error::IncorrectState { noun, id, state: self.word(), wanted: "active" });
        }
        self.end(ImageTaskPhase::Cancelled { reason }, now);
        Ok(())
    }

    /// Gives it up when its time is over; says when to look again, if ever.
    pub fn advance(&mut self, now: Millis) -> Option<Millis> {
        match (&self.phase, self.ended_at) {
            (ImageTaskPhase::Active { until, .. }, _) if now < *until => Some(*until),
            (ImageTaskPhase::Active { .. }, _) => {
                let reason = format!("it took longer than {} hours", IMAGE_TASK_DEADLINE_MS / 3_600_000);
                self.end(ImageTaskPhase::Failed { reason }, now);
                Some(now.after(IMAGE_TASK_KEPT_MS))
            }
            (_, Some(ended)) => Some(ended.after(IMAGE_TASK_KEPT_MS)).filter(|over| now < *over),
            (_, None) => None,
        }
    }

    fn end(&mut self, phase: ImageTaskPhase, now: Millis) {
        (self.phase, self.ended_at) = (phase, Some(now));
    }
}

/// The size of a volume that holds a disk of so many bytes.
pub fn volume_of(size_bytes: u64) -> Gib {
    Gib::holding(size_bytes).max(Gib(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task() -> ImageTask {
        let work = ImageWork::ImportSnapshot { snapshot: SnapshotId::from_u64(1), tags: Tags::new() };
        let object = BucketObject::new("disks", "a/b.vmdk").unwrap();
        ImageTask::new(ImageTaskId::from_u64(1), AccountId::from_u64(1).unwrap(), work, object, DiskFormat::Vmdk, Millis(0))
    }

    #[test]
    fn a_name_leads_nowhere_but_down() {
        for key in ["", "/", "a/", "/a", "../a", "a/../b", "a/./b", ".", "..", "a//b", "a\0b", "a\nb", &"a".repeat(256), &"a/".repeat(600)]
        {
            assert!(BucketObject::new("disks", key).is_err(), "{key:?}");
        }
        for bucket in ["", "ab", "..", "a..b", "-ab", "ab-", "a/b", "A-bucket", ".abc", "000000000001/other", &"a".repeat(64)] {
            assert!(BucketObject::new(bucket, "key").is_err(), "{bucket:?}");
        }
        for (bucket, key) in [("disks", "a b/ü.vmdk"), ("my.disks-1", "...a"), ("abc", "..a/b..")] {
            assert!(BucketObject::new(bucket, key).is_ok(), "{bucket} {key}");
        }
    }

    #[test]
    fn progress_never_goes_back_and_an_end_is_final() {
        let mut task = task();
        assert_eq!((task.word(), task.message()), ("active", Some("pending")));
        task.hear(&ImageTaskSeen::Begun, Millis(1));
        assert_eq!(task.message(), Some("validating"));
        task.hear(&ImageTaskSeen::Moving { object_bytes: Some(7), percent: 100 }, Millis(2));
        assert_eq!((task.percent(), task.object_bytes, task.message()), (99, Some(7), Some("converting")));
        task.hear(&ImageTaskSeen::Moving { object_bytes: None, percent: 3 }, Millis(3));
        assert_eq!((task.percent(), task.object_bytes), (99, Some(7)));
        task.cancel("not wanted".into(), Millis(4)).unwrap();
        task.hear(&ImageTaskSeen::Failed { reason: "late".into() }, Millis(5));
        assert_eq!((task.word(), task.message(), task.ended_at), ("cancelled", Some("not wanted"), Some(Millis(4))));
        assert!(task.cancel(String::new(), Millis(6)).is_err());
    }

    #[test]
    fn a_task_that_nobody_ends_is_given_up_and_forgotten_later() {
        let mut task = task();
        let deadline = Millis(IMAGE_TASK_DEADLINE_MS);
        assert_eq!(task.advance(Millis(1)), Some(deadline));
        let forgotten = deadline.after(IMAGE_TASK_KEPT_MS);
        assert_eq!(task.advance(deadline), Some(forgotten));
        assert_eq!((task.word(), task.ended_at), ("failed", Some(deadline)));
        assert_eq!((task.advance(deadline), task.advance(forgotten)), (Some(forgotten), None));
    }

    #[test]
    fn formats_are_known_by_their_names_only() {
        assert_eq!(DiskFormat::named("VMDK"), Some(DiskFormat::Vmdk));
        assert_eq!((DiskFormat::named("ova"), DiskFormat::named("")), (None, None));
    }
}
