//! Moves committed pages from the WAL into the database file, beside the writer instead of in its commits.
//!
//! A passive checkpoint blocks nobody, and so never catches up with a writer that never rests; the WAL begins anew only
//! after all of it was moved. So when it has grown long, the writer itself moves the little that is left, between two batches.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use rusqlite::{Connection, OpenFlags};

use super::{READER_CACHE, connect, error};
use crate::error::StoreError;

/// Pages (of 4 KiB) that are about written between two checkpoints: 16 MiB.
const EVERY: usize = 4096;
/// Pages in the WAL from which on the writer helps: 64 MiB.
const LONG: i64 = 16_384;

/// The writer's end of the checkpointing thread.
pub(super) struct Checkpointer {
    signal: Option<SyncSender<()>>,
    finish: Arc<AtomicBool>,
    since: usize,
    thread: Option<JoinHandle<()>>,
}

impl Checkpointer {
    pub(super) fn start(path: &Path) -> Result<Checkpointer, StoreError> {
        let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE, READER_CACHE)?;
        connection.execute_batch("PRAGMA synchronous = FULL").map_err(error)?;
        let (signal, signals) = sync_channel(1);
        let finish = Arc::new(AtomicBool::new(false));
        let wanted = finish.clone();
        let thread = std::thread::Builder::new()
            .name("store-checkpoint".to_owned())
            .spawn(move || run(&connection, &signals, &wanted))
            .map_err(|failure| StoreError::Engine(format!("no thread: {failure}")))?;
        Ok(Checkpointer { signal: Some(signal), finish, since: 0, thread: Some(thread) })
    }

    /// Says that about so many pages were committed.
    pub(super) fn committed(&mut self, pages: usize, writer: &Connection) {
        self.since += pages;
        if self.since >= EVERY {
            self.since = 0;
            if let Some(signal) = &self.signal {
                // Full means that a checkpoint is coming anyway.
                let _ = signal.try_send(());
            }
        }
        if self.finish.swap(false, Ordering::Relaxed)
            && let Err(failure) = checkpoint(writer)
        {
            tracing::warn!(%failure, "the write-ahead log could not be moved into the database");
        }
    }

    /// Waits for the thread to end.
    pub(super) fn stop(mut self) {
        self.signal = None;
        if let Some(thread) = self.thread.take() {
            // It does not panic; if it did, closing the database does its work.
            let _ = thread.join();
        }
    }
}

fn run(connection: &Connection, signals: &Receiver<()>, finish: &AtomicBool) {
    while signals.recv().is_ok() {
        // The second pass moves what came during the first, so that little is left for the writer.
        match checkpoint(connection).and_then(|pages| if pages < LONG { Ok(pages) } else { checkpoint(connection) }) {
            Ok(pages) => finish.store(pages >= LONG, Ordering::Relaxed),
            Err(failure) => tracing::warn!(%failure, "the write-ahead log could not be moved into the database"),
        }
    }
}

/// Moves what can be moved; answers how long the log is, in pages.
fn checkpoint(connection: &Connection) -> Result<i64, StoreError> {
    connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| row.get(1)).map_err(error)
}
