//! The thread that brings commits to the disk and answers, while the writer is at the next ones.
//!
//! ```text
//! writer:   batch 1 | COMMIT | batch 2 ............ | COMMIT | batch 3 ...
//! syncer:                    | fdatasync 1, tell    |        | fdatasync 2, tell
//! ```
//!
//! SQLite's own COMMIT writes the log and does not wait for the disk (`synchronous = NORMAL`). Nobody is answered before the disk has
//! it, and no reader either (see `horizon.rs`), so what anybody was told is there after a power cut.

use std::fs::File;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{JoinHandle, ThreadId};

use tokio::sync::mpsc;

use super::horizon::Horizon;
use crate::changes::{Effects, Publisher};
use crate::error::StoreError;
use crate::job::{Job, Nudge};

/// Batches that wait for the disk; with more of them the writer waits too.
pub(super) const WAITING: usize = 1;

/// A batch whose COMMIT was tried.
pub(super) struct Committed {
    /// Its number; none if nothing of it was kept.
    pub(super) number: Option<u64>,
    pub(super) jobs: Vec<Box<dyn Job>>,
    pub(super) kept: Vec<Effects>,
    /// How the COMMIT ended.
    pub(super) end: Result<(), StoreError>,
}

/// The writer's end.
pub(super) struct Syncer {
    batches: SyncSender<Committed>,
    shared: Arc<Shared>,
    thread: JoinHandle<()>,
}

#[derive(Default)]
struct Shared {
    /// Batches that were handed over and are not on the disk yet.
    batches: AtomicUsize,
    /// The writer may sleep, and is to be told when there are none.
    wanted: AtomicBool,
}

/// What makes the log durable.
pub(super) trait Log: Send + 'static {
    fn sync(&self) -> io::Result<()>;
}

impl Log for File {
    fn sync(&self) -> io::Result<()> {
        self.sync_data()
    }
}

impl Syncer {
    /// `writer` is the queue on which the writer sleeps.
    pub(super) fn start(
        log: impl Log,
        horizon: Arc<Horizon>,
        publisher: Arc<Publisher>,
        writer: mpsc::WeakSender<Box<dyn Job>>,
    ) -> Result<Syncer, StoreError> {
        let (batches, waiting) = sync_channel(WAITING);
        let shared = Arc::new(Shared::default());
        let work = Work { log, horizon, publisher, writer, shared: shared.clone() };
        let thread = std::thread::Builder::new()
            .name("store-sync".to_owned())
            .spawn(move || work.run(&waiting))
            .map_err(|failure| StoreError::Engine(format!("no thread: {failure}")))?;
        Ok(Syncer { batches, shared, thread })
    }

    /// Takes a batch over; waits when another waits already.
    pub(super) fn take(&self, batch: Committed) {
        self.shared.batches.fetch_add(1, Ordering::SeqCst);
        // The thread ends only after this value; if it had panicked, dropping the jobs tells their callers.
        let _ = self.batches.send(batch);
    }

    /// Whether the disk is busy. If so, the writer's queue gets a [`Nudge`] once it is not.
    pub(super) fn is_busy(&self) -> bool {
        self.shared.wanted.store(true, Ordering::SeqCst);
        self.shared.batches.load(Ordering::SeqCst) > 0
    }

    pub(super) fn thread(&self) -> ThreadId {
        self.thread.thread().id()
    }

    /// Waits until everything was answered.
    pub(super) fn stop(self) {
        drop(self.batches);
        // It does not panic; if it did, those who wait were told by that.
        let _ = self.thread.join();
    }
}

struct Work<L> {
    log: L,
    horizon: Arc<Horizon>,
    publisher: Arc<Publisher>,
    writer: mpsc::WeakSender<Box<dyn Job>>,
    shared: Arc<Shared>,
}

impl<L: Log> Work<L> {
    fn run(&self, waiting: &Receiver<Committed>) {
        while let Ok(Committed { number, jobs, kept, end }) = waiting.recv() {
            let end = end.and_then(|()| number.map_or_else(|| self.horizon.check(), |number| self.sync(number)));
            self.idle();
            if let Some(number) = number
                && self.horizon.check().is_ok()
            {
                self.horizon.reach(number);
            }
            if end.is_ok() {
                self.publisher.publish(kept);
            }
            for job in jobs {
                job.finish(end.clone());
            }
        }
    }

    /// One batch less is on its way to the disk.
    fn idle(&self) {
        if self.shared.batches.fetch_sub(1, Ordering::SeqCst) == 1
            && self.shared.wanted.swap(false, Ordering::SeqCst)
            && let Some(writer) = self.writer.upgrade()
        {
            // A full queue wakes the writer too.
            let _ = writer.try_send(Box::new(Nudge));
        }
    }

    fn sync(&self, number: u64) -> Result<(), StoreError> {
        self.horizon.check()?;
        self.log.sync().map_err(|failure| {
            let why = StoreError::Engine(format!("the disk does not take what is written: {failure}"));
            tracing::error!(%why, number, "the database stops: restart after the disk was mended");
            self.horizon.fail(why.clone());
            why
        })
    }
}
