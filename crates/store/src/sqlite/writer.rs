//! The one thread that writes: takes what waits, gives each a savepoint, commits them together, answers.

use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use tokio::sync::mpsc;

use super::checkpoint::Checkpointer;
use super::{error, statement};
use crate::changes::{Change, Effects, Publisher, What};
use crate::error::StoreError;
use crate::job::{Job, Verdict};
use crate::tx::{Link, Tx};

/// Writes in one commit at most. A commit costs 0.1 ms and more on a slow disk; shared by so many it is below a microsecond each.
const BATCH: usize = 256;
/// A batch takes no further write after so long, so that the first of it does not wait for many slow ones.
const BATCH_TIME: Duration = Duration::from_millis(5);
/// A closure that takes longer is reported, as all others wait for it.
const SLOW: Duration = Duration::from_millis(100);

pub(super) fn start(
    connection: Connection,
    path: &Path,
    jobs: mpsc::Receiver<Box<dyn Job>>,
    publisher: Arc<Publisher>,
) -> Result<JoinHandle<()>, StoreError> {
    let checkpointer = Checkpointer::start(path)?;
    let writer = Writer { connection, jobs, publisher, checkpointer };
    std::thread::Builder::new()
        .name("store-writer".to_owned())
        .spawn(move || writer.run())
        .map_err(|failure| StoreError::Engine(format!("no thread: {failure}")))
}

struct Writer {
    connection: Connection,
    jobs: mpsc::Receiver<Box<dyn Job>>,
    publisher: Arc<Publisher>,
    checkpointer: Checkpointer,
}

/// The jobs of one commit, in order, and what those leave behind that are kept.
#[derive(Default)]
struct Batch {
    jobs: Vec<Box<dyn Job>>,
    kept: Vec<Effects>,
}

impl Writer {
    fn run(mut self) {
        while let Some(first) = self.jobs.blocking_recv() {
            let mut batch = Batch::default();
            let end = self.fill(&mut batch, first).and_then(|()| self.commit(batch.kept.len()));
            if end.is_err() && !self.connection.is_autocommit() {
                // Fails only where SQLite has rolled back by itself, or will when it next begins.
                let _ = statement(&self.connection, "ROLLBACK");
            }
            let pages = batch.kept.iter().map(pages).sum();
            if end.is_ok() {
                self.publisher.publish(batch.kept);
            }
            for job in batch.jobs {
                job.finish(end.clone());
            }
            self.checkpointer.committed(pages, &self.connection);
        }
        self.checkpointer.stop();
    }

    /// Runs the first job and those that wait behind it.
    fn fill(&mut self, batch: &mut Batch, first: Box<dyn Job>) -> Result<(), StoreError> {
        let started = Instant::now();
        let mut next = Some(first);
        let mut begun = statement(&self.connection, "BEGIN IMMEDIATE");
        while let Some(mut job) = next {
            if job.is_abandoned() {
                next = self.jobs.try_recv().ok();
                continue;
            }
            let done = begun.and_then(|()| self.one(job.as_mut()));
            batch.jobs.push(job);
            batch.kept.extend(done?);
            begun = Ok(());
            let more = batch.jobs.len() < BATCH && started.elapsed() < BATCH_TIME;
            next = if more { self.jobs.try_recv().ok() } else { None };
        }
        Ok(())
    }

    /// Runs a job in a savepoint; fails if the whole batch is lost by it.
    fn one(&self, job: &mut dyn Job) -> Result<Option<Effects>, StoreError> {
        let started = Instant::now();
        statement(&self.connection, "SAVEPOINT one")?;
        let mut tx = Tx::new(Link::Sqlite(&self.connection));
        let verdict = job.run(&mut tx);
        let (_, effects) = tx.end();
        let took = started.elapsed();
        if took > SLOW {
            tracing::warn!(?took, "a transaction kept all others waiting");
        }
        match verdict {
            Verdict::Keep => {
                statement(&self.connection, "RELEASE one")?;
                Ok(Some(effects))
            }
            // SQLite may answer a full disk by rolling the whole transaction back.
            Verdict::Failed(fault) if self.connection.is_autocommit() => Err(fault),
            Verdict::Undo | Verdict::Failed(_) => {
                statement(&self.connection, "ROLLBACK TO one")?;
                statement(&self.connection, "RELEASE one")?;
                Ok(None)
            }
        }
    }

    fn commit(&self, kept: usize) -> Result<(), StoreError> {
        if kept == 0 {
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
