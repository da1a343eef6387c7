//! How far what was committed is on the disk: readers see a commit a moment before it is, and answer when it is.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::error::StoreError;

/// The last commit that readers may see, and the last one that a power cut leaves.
#[derive(Default)]
pub(super) struct Horizon {
    /// Counts commits; raised before a commit can be seen.
    committed: AtomicU64,
    durable: AtomicU64,
    /// Why nothing becomes durable any more. What was committed since is not to be told.
    broken: Mutex<Option<StoreError>>,
    moved: Condvar,
    moved_async: Notify,
}

impl Horizon {
    /// A number for a commit that begins now.
    pub(super) fn begin(&self) -> u64 {
        self.committed.fetch_add(1, Ordering::SeqCst) + 1
    }

    /// The last commit that whoever has just read may have seen.
    pub(super) fn seen(&self) -> u64 {
        self.committed.load(Ordering::SeqCst)
    }

    /// Says that all commits up to this one are durable, or have failed.
    pub(super) fn reach(&self, number: u64) {
        self.durable.store(number, Ordering::SeqCst);
        // Whoever looks at the number before it waits does so under this lock.
        drop(self.lock());
        self.tell();
    }

    /// Says that the disk failed: nobody is to believe anything that was committed after the last durable commit.
    pub(super) fn fail(&self, why: StoreError) {
        self.lock().get_or_insert(why);
        self.tell();
    }

    /// Whether the disk still takes what is written.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        self.lock().clone().map_or(Ok(()), Err)
    }

    /// Waits until a commit is durable.
    pub(super) async fn reached(&self, number: u64) -> Result<(), StoreError> {
        while !self.is_reached(number) {
            let moved = self.moved_async.notified();
            // Looked at again, as it may have moved before the wait began.
            self.check()?;
            if !self.is_reached(number) {
                moved.await;
            }
        }
        Ok(())
    }

    /// [`Horizon::reached`] for a thread.
    pub(super) fn reached_blocking(&self, number: u64) -> Result<(), StoreError> {
        let mut broken = self.lock();
        while !self.is_reached(number) {
            if let Some(why) = &*broken {
                return Err(why.clone());
            }
            broken = self.moved.wait(broken).unwrap_or_else(PoisonError::into_inner);
        }
        Ok(())
    }

    fn is_reached(&self, number: u64) -> bool {
        self.durable.load(Ordering::SeqCst) >= number
    }

    fn tell(&self) {
        self.moved.notify_all();
        self.moved_async.notify_waiters();
    }

    fn lock(&self) -> MutexGuard<'_, Option<StoreError>> {
        self.broken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
