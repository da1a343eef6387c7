//! The one thread that writes: takes what waits, runs it in one transaction, commits, and hands it to the thread that answers.
//!
//! A job that is refused after it had written something takes the whole transaction with it, and the others run again, each in a
//! savepoint of its own. That is seldom, and a savepoint copies every page that is written in it.

use std::path::Path;
use std::sync::Arc;
use std::thread::{JoinHandle, ThreadId};
use std::time::{Duration, Instant};

use rusqlite::Connection;
use tokio::sync::mpsc;

use super::checkpoint::Checkpointer;
use super::horizon::Horizon;
use super::memory::Memory;
use super::syncer::{Committed, Log, Syncer, WAITING};
use super::{error, statement};
use crate::changes::{Change, Effects, Publisher, What};
use crate::error::StoreError;
use crate::job::{Job, Verdict};
use crate::tx::{Link, Tx};

/// Writes in one commit at most. A commit costs 0.1 ms and more on a slow disk; shared by so many it is below a microsecond each.
const BATCH: usize = 256;
/// Writes that a transaction sees and the projections do not: those of its own batch, of those that wait for the disk, and of the one
/// that is being told.
pub(crate) const UNSEEN: usize = BATCH * (2 + WAITING);
/// A batch takes no further write after so long, so that the first of it does not wait for many slow ones, and those who are answered are
/// at work while the next batch is.
const BATCH_TIME: Duration = Duration::from_millis(2);
/// A closure that takes longer is reported, as all others wait for it.
const SLOW: Duration = Duration::from_millis(100);

/// The threads of a database that write, as seen by whoever ends them.
pub(super) struct Threads {
    writer: JoinHandle<()>,
    syncer: ThreadId,
}

impl Threads {
    /// Waits for their end, which comes once the queue was dropped; not if called by one of them.
    pub(super) fn join(self) {
        let here = std::thread::current().id();
        if here != self.writer.thread().id() && here != self.syncer {
            // The writer catches the panics of closures, so it ends well; if not, its connection is closed all the same.
            let _ = self.writer.join();
        }
    }
}

/// What the writer works with.
pub(super) struct Parts {
    pub(super) connection: Connection,
    pub(super) horizon: Arc<Horizon>,
    pub(super) publisher: Arc<Publisher>,
}

/// Starts the threads. `queue` is a way to the end at which the writer takes `jobs`.
pub(super) fn start(
    parts: Parts,
    path: &Path,
    log: impl Log,
    queue: mpsc::WeakSender<Box<dyn Job>>,
    jobs: mpsc::Receiver<Box<dyn Job>>,
) -> Result<Threads, StoreError> {
    let Parts { connection, horizon, publisher } = parts;
    let checkpointer = Checkpointer::start(path)?;
    let syncer = Syncer::start(log, horizon.clone(), publisher, queue)?;
    let syncing = syncer.thread();
    let writer = Writer { connection, memory: Memory::default(), jobs, horizon, syncer, checkpointer };
    let writer = std::thread::Builder::new()
        .name("store-writer".to_owned())
        .spawn(move || writer.run())
        .map_err(|failure| StoreError::Engine(format!("no thread: {failure}")))?;
    Ok(Threads { writer, syncer: syncing })
}

struct Writer {
    connection: Connection,
    memory: Memory,
    jobs: mpsc::Receiver<Box<dyn Job>>,
    horizon: Arc<Horizon>,
    syncer: Syncer,
    checkpointer: Checkpointer,
}

/// The jobs of one commit, in order, and what those leave behind that are kept.
#[derive(Default)]
struct Batch {
    jobs: Vec<Box<dyn Job>>,
    kept: Vec<Effects>,
    /// Whether each job has a savepoint.
    careful: bool,
}

/// What became of a job that ran.
enum Ran {
    Kept(Effects),
    Undone,
    /// What it wrote can only be undone with all the others.
    Again,
}

impl Writer {
    fn run(mut self) {
        while let Some(first) = self.jobs.blocking_recv() {
            if first.is_abandoned() {
                continue;
            }
            let mut batch = Batch::default();
            let filled = self.fill(&mut batch, first);
            let number = (filled.is_ok() && !batch.kept.is_empty()).then(|| self.horizon.begin());
            let end = filled.and_then(|()| self.commit(number.is_some()));
            if end.is_err() {
                self.memory.forget_all();
                if !self.connection.is_autocommit() {
                    // Fails only where SQLite has rolled back by itself, or will when it next begins.
                    let _ = statement(&self.connection, "ROLLBACK");
                }
            }
            let pages = batch.kept.iter().map(pages).sum();
            self.syncer.take(Committed { number, jobs: batch.jobs, kept: batch.kept, end });
            self.checkpointer.committed(pages, &self.connection);
        }
        self.syncer.stop();
        self.checkpointer.stop();
    }

    /// Runs the first job, and those that wait behind it or come while the disk is busy with the batch before.
    fn fill(&mut self, batch: &mut Batch, first: Box<dyn Job>) -> Result<(), StoreError> {
        let started = Instant::now();
        let begun = self.horizon.check().and_then(|()| statement(&self.connection, "BEGIN IMMEDIATE"));
        let mut next = Some(first);
        while let Some(job) = next {
            if !job.is_abandoned() {
                batch.jobs.push(job);
                begun.clone()?;
                self.run_last(batch)?;
            }
            let more = batch.jobs.len() < BATCH && started.elapsed() < BATCH_TIME;
            next = if more { self.next() } else { None };
        }
        Ok(())
    }

    /// A job that waits, or that comes while nothing could be committed yet.
    fn next(&mut self) -> Option<Box<dyn Job>> {
        self.jobs.try_recv().ok().or_else(|| if self.syncer.is_busy() { self.jobs.blocking_recv() } else { None })
    }

    /// Runs the last job of a batch; fails if the whole batch is lost by it.
    fn run_last(&self, batch: &mut Batch) -> Result<(), StoreError> {
        let last = batch.jobs.len() - 1;
        match self.one(batch.jobs[last].as_mut(), batch.careful)? {
            Ran::Kept(effects) => batch.kept.push(effects),
            Ran::Undone => {}
            Ran::Again => {
                self.memory.forget_all();
                statement(&self.connection, "ROLLBACK")?;
                statement(&self.connection, "BEGIN IMMEDIATE")?;
                batch.careful = true;
                batch.kept.clear();
                for job in &mut batch.jobs {
                    if let Ran::Kept(effects) = self.one(job.as_mut(), true)? {
                        batch.kept.push(effects);
                    }
                }
            }
        }
        Ok(())
    }

    /// Runs a job, in a savepoint or without; fails if the whole batch is lost by it.
    fn one(&self, job: &mut dyn Job, careful: bool) -> Result<Ran, StoreError> {
        let started = Instant::now();
        let careful = careful || job.is_undone();
        if careful {
            statement(&self.connection, "SAVEPOINT one")?;
        }
        let mut tx = Tx::with_memory(Link::Sqlite(&self.connection), &self.memory);
        let verdict = job.run(&mut tx);
        let has_written = tx.has_written();
        let (_, effects) = tx.end();
        let took = started.elapsed();
        if took > SLOW {
            tracing::warn!(?took, "a transaction kept all others waiting");
        }
        match verdict {
            Verdict::Keep => {
                if careful {
                    statement(&self.connection, "RELEASE one")?;
                }
                Ok(Ran::Kept(effects))
            }
            // SQLite may answer a full disk by rolling the whole transaction back.
            Verdict::Failed(fault) if self.connection.is_autocommit() => Err(fault),
            Verdict::Undo | Verdict::Failed(_) if careful => {
                self.memory.forget_all();
                statement(&self.connection, "ROLLBACK TO one")?;
                statement(&self.connection, "RELEASE one")?;
                Ok(Ran::Undone)
            }
            Verdict::Undo | Verdict::Failed(_) if has_written => Ok(Ran::Again),
            Verdict::Undo | Verdict::Failed(_) => Ok(Ran::Undone),
        }
    }

    fn commit(&self, keeps: bool) -> Result<(), StoreError> {
        if !keeps {
            return if self.connection.is_autocommit() { Ok(()) } else { statement(&self.connection, "ROLLBACK") };
        }
        // Not `statement`: a COMMIT that failed for want of room must be made anew, not resumed.
        self.connection.execute_batch("COMMIT").map_err(error)
    }
}

/// About how many pages a transaction has written: one for each row and one for each 4 KiB of its document.
fn pages(effects: &Effects) -> usize {
    let document = |change: &Change| match &change.what {
        What::Inserted(document) | What::Updated(document) => document.body.len(),
        What::Deleted => 0,
    };
    effects.changes.iter().map(|change| 1 + document(change) / 4096).sum()
}
