//! What committed transactions changed, told in commit order.
//!
//! Whoever keeps something derived from rows subscribes here. A projection of this crate is told before the writer gets
//! its answer, so a caller sees its own writes; other subscribers are told right after. Nothing here is durable: a
//! subscriber that starts, or that fell behind, reads the tables.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::{Notify, broadcast};

use crate::projection::Projections;
use crate::row::Row;
use crate::value::{Key, Value};

/// Commits kept for a slow subscriber before it is told that it fell behind. A second of writes at the full rate.
const FEED: usize = 16_384;

/// One changed row.
#[derive(Debug, Clone)]
pub struct Change {
    /// The table.
    pub table: &'static str,
    /// The row's id, as stored.
    pub id: Value,
    /// What became of it.
    pub what: What,
}

/// What became of a row.
#[derive(Debug, Clone)]
pub enum What {
    /// It is new.
    Inserted(Document),
    /// It was replaced.
    Updated(Document),
    /// It is gone.
    Deleted,
}

/// A row as it was written.
#[derive(Debug, Clone)]
pub struct Document {
    /// The columns, in the order of [`Row::COLUMNS`].
    pub columns: Vec<Value>,
    /// The JSON document.
    pub body: Arc<str>,
}

impl Change {
    /// The id, if the change is of this noun.
    pub fn id_of<R: Row>(&self) -> Option<R::Id> {
        if self.table == R::TABLE { R::Id::from_value(&self.id) } else { None }
    }

    /// A column of the row as it is now, if the change is of this noun, the row was not deleted and there is such a column.
    pub fn column<R: Row>(&self, name: &str) -> Option<&Value> {
        match &self.what {
            What::Inserted(document) | What::Updated(document) if self.table == R::TABLE => {
                document.columns.get(R::COLUMNS.iter().position(|column| column.name == name)?)
            }
            What::Inserted(_) | What::Updated(_) | What::Deleted => None,
        }
    }

    /// The row as it is now, if the change is of this noun and the row was not deleted.
    pub fn row<R: Row>(&self) -> Option<R> {
        match &self.what {
            What::Inserted(document) | What::Updated(document) if self.table == R::TABLE => serde_json::from_str(&document.body).ok(),
            What::Inserted(_) | What::Updated(_) | What::Deleted => None,
        }
    }
}

/// One committed transaction.
#[derive(Debug, Clone)]
pub struct Commit {
    /// Counts up from 1 since the store was opened.
    pub number: u64,
    /// Its changes, in the order in which they were made.
    pub changes: Vec<Change>,
}

/// What a transaction leaves behind for others.
#[derive(Debug, Default)]
pub(crate) struct Effects {
    pub(crate) changes: Vec<Change>,
    pub(crate) woke: bool,
}

/// A subscription to committed changes, from the moment it was made.
pub struct Changes(broadcast::Receiver<Arc<Commit>>);

/// Why there is no next commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FeedError {
    /// The subscriber fell behind, and so many commits were dropped: it must read the tables again.
    #[error("{0} commits were missed")]
    Missed(u64),
    /// The store is closed.
    #[error("the store is closed")]
    Closed,
}

impl Changes {
    /// Waits for the next commit.
    pub async fn next(&mut self) -> Result<Arc<Commit>, FeedError> {
        self.0.recv().await.map_err(|error| match error {
            broadcast::error::RecvError::Lagged(missed) => FeedError::Missed(missed),
            broadcast::error::RecvError::Closed => FeedError::Closed,
        })
    }

    /// The next commit if there is one already.
    pub fn try_next(&mut self) -> Result<Option<Arc<Commit>>, FeedError> {
        match self.0.try_recv() {
            Ok(commit) => Ok(Some(commit)),
            Err(broadcast::error::TryRecvError::Empty) => Ok(None),
            Err(broadcast::error::TryRecvError::Lagged(missed)) => Err(FeedError::Missed(missed)),
            Err(broadcast::error::TryRecvError::Closed) => Err(FeedError::Closed),
        }
    }
}

/// Tells everyone of a commit. Called in commit order, by one thread at a time.
pub(crate) struct Publisher {
    pub(crate) projections: Projections,
    feed: broadcast::Sender<Arc<Commit>>,
    number: AtomicU64,
    woken: Notify,
}

impl Publisher {
    pub(crate) fn new(projections: Projections) -> Publisher {
        Publisher { projections, feed: broadcast::Sender::new(FEED), number: AtomicU64::new(0), woken: Notify::new() }
    }

    pub(crate) fn publish(&self, committed: impl IntoIterator<Item = Effects>) {
        let mut woke = false;
        let mut commits = Vec::new();
        for effects in committed {
            woke |= effects.woke;
            if !effects.changes.is_empty() {
                let number = self.number.fetch_add(1, Ordering::Relaxed) + 1;
                commits.push(Commit { number, changes: effects.changes });
            }
        }
        self.projections.apply(commits.iter().flat_map(|commit| &commit.changes));
        if self.feed.receiver_count() > 0 {
            for commit in commits {
                // An error says that the last subscriber has just left.
                let _ = self.feed.send(Arc::new(commit));
            }
        }
        if woke {
            self.woken.notify_one();
        }
    }

    pub(crate) fn subscribe(&self) -> Changes {
        Changes(self.feed.subscribe())
    }

    pub(crate) async fn woken(&self) {
        self.woken.notified().await;
    }
}
