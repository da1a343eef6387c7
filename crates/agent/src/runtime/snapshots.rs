//! The snapshots that this host is taking: what was frozen for each, and how far it is read.
//!
//! ```text
//!   (job of the document) ──frozen──▶ record, durable ──read──▶ end, durable ──not listed any more──▶ (gone)
//! ```
//!
//! A record is written right after the volumes of a job were frozen together, so an agent that is killed freezes them again only if
//! nobody was told that they were. What a record names stays readable: while its snapshots are not read, the frozen layers are
//! neither merged nor deleted. Knows no QEMU; who freezes is the machine's task, or a job where no machine has the volumes.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hostspec::{Fault, FaultKind, HostSpec, SnapshotJob, SnapshotReport, SnapshotState};
use model::{Consistency, InstanceId, SnapshotId, VolumeId};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::block::fleece::Fleece;
use crate::block::{Pool, Reading};
use crate::plan::SeenSnapshot;
use crate::trouble::Trouble;

/// What is written down about a job that was frozen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The job.
    pub job: SnapshotId,
    /// What the guest's file systems were like then.
    #[serde(default)]
    pub consistency: Consistency,
    /// Its volumes.
    pub parts: Vec<Part>,
}

/// A volume that was frozen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// The snapshot that it is for.
    pub snapshot: SnapshotId,
    /// The volume.
    pub volume: VolumeId,
    /// Its generation.
    pub generation: u64,
    /// The layers that make it, in order.
    pub layers: Vec<u32>,
    /// Its size in bytes.
    pub size_bytes: u64,
    /// Digest of the manifest below the layers.
    pub under: Option<String>,
    /// Where what they held then is.
    #[serde(default)]
    pub kept: Kept,
    /// How reading it ended.
    pub end: Option<End>,
}

/// Where what a volume held at the instant is, until it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kept")]
pub enum Kept {
    /// In its layers, which nobody writes any more.
    #[default]
    InLayers,
    /// There, and in a fleece over them with what was overwritten.
    InLayersAndFleece,
    /// With the QEMU of a machine whose guest writes on to the newest layer: it shows it, and copies away what is overwritten.
    Shown {
        /// The machine.
        vm: InstanceId,
    },
}

impl Part {
    /// The fleece that goes with it while it is not read.
    pub fn fleece(&self) -> Option<Fleece> {
        let needed = self.end.is_none() && self.kept != Kept::InLayers;
        needed.then_some(Fleece { volume: self.volume, generation: self.generation, snapshot: self.snapshot })
    }

    /// Why it will never be read.
    fn fault(&self) -> Option<Fault> {
        match &self.end {
            Some(End::Failed { kind, detail }) => Some(Fault { kind: *kind, detail: detail.clone(), tries: 1 }),
            Some(End::Done { .. }) | None => None,
        }
    }

    /// Whether this machine shows it, and it is not read yet.
    pub fn is_shown_by(&self, machine: InstanceId) -> bool {
        self.end.is_none() && self.kept == Kept::Shown { vm: machine }
    }
}

/// How reading a volume ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "end")]
pub enum End {
    /// It is in the repository.
    Done {
        /// Digest of its manifest.
        manifest: String,
        /// Bytes that the repository had to take for it.
        stored_bytes: u64,
    },
    /// It cannot be read.
    Failed {
        /// What kind of fault it is.
        #[serde(default = "unreadable")]
        kind: FaultKind,
        /// Why, for the operator.
        detail: String,
    },
}

/// What was wrong with what an earlier build gave up.
fn unreadable() -> FaultKind {
    FaultKind::ImageCorrupt
}

/// The snapshots that this host is taking.
#[derive(Debug)]
pub struct Snapshots {
    folder: PathBuf,
    entries: Mutex<BTreeMap<SnapshotId, Entry>>,
    /// Counts the ends, for those who keep something for a snapshot.
    ends: watch::Sender<u64>,
}

#[derive(Debug)]
struct Entry {
    record: Record,
    /// Keeps the frozen layers while they are needed.
    reading: Vec<Reading>,
    percent: Arc<AtomicU8>,
}

impl Snapshots {
    /// Opens the records in a folder, made if absent.
    pub fn open(folder: &Path, pool: &Pool) -> io::Result<Snapshots> {
        std::fs::create_dir_all(folder)?;
        let mut entries = BTreeMap::new();
        for file in std::fs::read_dir(folder)? {
            let path = file?.path();
            match crate::files::load::<Record>(&path) {
                Ok(Some(record)) => drop(entries.insert(record.job, Entry::new(record, pool))),
                Ok(None) => {}
                Err(e) => tracing::error!(path = %path.display(), error = %e, "a record of a snapshot is unreadable and is passed over"),
            }
        }
        Ok(Snapshots { folder: folder.to_owned(), entries: Mutex::new(entries), ends: watch::Sender::new(0) })
    }

    /// Writes down, durably, that a job's volumes were frozen.
    pub fn frozen(&self, record: Record, pool: &Pool) -> Result<(), Trouble> {
        self.write(&record)?;
        self.lock().insert(record.job, Entry::new(record, pool));
        Ok(())
    }

    /// Writes down, durably, how reading a part ended.
    pub fn ended(&self, job: SnapshotId, snapshot: SnapshotId, end: End) -> Result<(), Trouble> {
        let mut entries = self.lock();
        let Some(entry) = entries.get_mut(&job) else { return Ok(()) };
        let mut record = entry.record.clone();
        // What was given up stays so, although it may just have been read.
        record
            .parts
            .iter_mut()
            .filter(|part| part.snapshot == snapshot && part.end.is_none())
            .for_each(|part| part.end = Some(end.clone()));
        self.write(&record)?;
        let read: BTreeSet<VolumeId> = record.parts.iter().filter(|part| part.end.is_some()).map(|part| part.volume).collect();
        entry.reading.retain(|reading| !read.contains(&reading.volume()));
        entry.record = record;
        self.ends.send_modify(|count| *count += 1);
        Ok(())
    }

    /// Tells of each end of a part, and of each job that is forgotten.
    pub fn ends(&self) -> watch::Receiver<u64> {
        self.ends.subscribe()
    }

    /// The fleeces that are needed.
    pub fn fleeces(&self) -> BTreeSet<Fleece> {
        self.lock().values().flat_map(|entry| entry.record.parts.iter().filter_map(Part::fleece)).collect()
    }

    /// The parts of all jobs of which this is true, with their jobs.
    pub fn parts(&self, is_one: impl Fn(&Part) -> bool) -> Vec<(SnapshotId, Part)> {
        let entries = self.lock();
        let all = entries.values().flat_map(|entry| entry.record.parts.iter().map(|part| (entry.record.job, part)));
        all.filter(|(_, part)| is_one(part)).map(|(job, part)| (job, part.clone())).collect()
    }

    /// Writes down, durably, that a part is read from files from here on: a machine has let go of it, and its fleece is whole.
    pub fn sealed(&self, job: SnapshotId, snapshot: SnapshotId) -> Result<(), Trouble> {
        let mut entries = self.lock();
        let Some(entry) = entries.get_mut(&job) else { return Ok(()) };
        let mut record = entry.record.clone();
        record.parts.iter_mut().filter(|part| part.snapshot == snapshot).for_each(|part| part.kept = Kept::InLayersAndFleece);
        self.write(&record)?;
        entry.record = record;
        Ok(())
    }

    /// Forgets a job that is not listed any more.
    pub fn forget(&self, job: SnapshotId) -> Result<(), Trouble> {
        crate::files::remove(&self.path(job)).map_err(|e| Trouble::io("forgetting a snapshot", &e))?;
        self.lock().remove(&job);
        self.ends.send_modify(|count| *count += 1);
        Ok(())
    }

    /// What was written down about a job.
    pub fn record(&self, job: SnapshotId) -> Option<Record> {
        self.lock().get(&job).map(|entry| entry.record.clone())
    }

    /// Where the hundredths of a job that were read are told.
    pub fn progress(&self, job: SnapshotId) -> Arc<AtomicU8> {
        self.lock().get(&job).map(|entry| entry.percent.clone()).unwrap_or_default()
    }

    /// What the planner must know.
    pub fn seen(&self) -> BTreeMap<SnapshotId, SeenSnapshot> {
        let state = |entry: &Entry| {
            let read = entry.record.parts.iter().all(|part| part.end.is_some());
            if read { SeenSnapshot::Ended } else { SeenSnapshot::Frozen }
        };
        self.lock().iter().map(|(job, entry)| (*job, state(entry))).collect()
    }

    /// What is reported of the document's snapshots; `fault` says what went wrong with a job last.
    pub fn reports(&self, spec: &HostSpec, fault: impl Fn(SnapshotId) -> Option<Fault>) -> Vec<SnapshotReport> {
        let entries = self.lock();
        let of_job = |job: &SnapshotJob| {
            let (entry, fault) = (entries.get(&job.id), fault(job.id));
            let consistency = entry.map(|entry| entry.record.consistency);
            let report = |snapshot: SnapshotId| {
                let part = entry.and_then(|entry| Some((entry, entry.record.parts.iter().find(|part| part.snapshot == snapshot)?)));
                let state = part.map_or(SnapshotState::Waiting, |(entry, part)| entry.state(part));
                let fault = part.and_then(|(_, part)| part.fault()).or_else(|| fault.clone());
                let news = state != SnapshotState::Waiting || fault.is_some();
                news.then_some(SnapshotReport { id: snapshot, state, consistency, fault })
            };
            job.parts.iter().filter_map(|part| report(part.snapshot)).collect::<Vec<_>>()
        };
        spec.snapshots.iter().flat_map(of_job).collect()
    }

    fn write(&self, record: &Record) -> Result<(), Trouble> {
        crate::files::store_durably(&self.path(record.job), record).map_err(|e| Trouble::io("writing down a snapshot", &e))
    }

    fn path(&self, job: SnapshotId) -> PathBuf {
        self.folder.join(format!("{job}.json"))
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<SnapshotId, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    fn new(record: Record, pool: &Pool) -> Entry {
        let needed = record.parts.iter().filter(|part| part.end.is_none());
        let reading = needed.map(|part| pool.read_on(part.volume)).collect();
        Entry { record, reading, percent: Arc::default() }
    }

    fn state(&self, part: &Part) -> SnapshotState {
        match &part.end {
            None => SnapshotState::Reading { percent: self.percent.load(Ordering::Relaxed).min(99) },
            Some(End::Done { manifest, stored_bytes }) => {
                SnapshotState::Done { manifest: manifest.clone(), size_bytes: part.size_bytes, stored_bytes: *stored_bytes }
            }
            Some(End::Failed { .. }) => SnapshotState::Failed,
        }
    }
}
