//! A write on its way to an engine: the closure, where its answer goes, and what it said when it ran last.
//!
//! Knows neither engine. Both run a job as often as they need, and then say once how it ended.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use tokio::sync::oneshot;

use crate::error::{StoreError, WriteError};
use crate::tx::Tx;

/// What is to become of the transaction in which a job just ran.
pub(crate) enum Verdict {
    /// Commit.
    Keep,
    /// Roll back; the job has its answer.
    Undo,
    /// Roll back; the engine failed in this way and may try again.
    Failed(StoreError),
}

/// A write with its types erased.
pub(crate) trait Job: Send {
    /// Runs the closure once.
    fn run(&mut self, tx: &mut Tx<'_>) -> Verdict;
    /// Sends the answer: that of the last run, or the engine's failure.
    fn finish(self: Box<Self>, end: Result<(), StoreError>);
    /// Whether nobody waits for the answer any more.
    fn is_abandoned(&self) -> bool;
    /// Whether nothing of it is to be kept, however it ends.
    fn is_undone(&self) -> bool;
}

/// Wakes the thread that takes jobs, and asks for nothing.
pub(crate) struct Nudge;

impl Job for Nudge {
    fn run(&mut self, _: &mut Tx<'_>) -> Verdict {
        Verdict::Undo
    }

    fn finish(self: Box<Self>, _: Result<(), StoreError>) {}

    fn is_abandoned(&self) -> bool {
        true
    }

    fn is_undone(&self) -> bool {
        true
    }
}

/// Whether a write is kept when its closure agrees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    Keep,
    TryOut,
}

type Answer<T, E> = Result<T, WriteError<E>>;

struct Call<F, T, E> {
    work: F,
    purpose: Purpose,
    answer: Option<Answer<T, E>>,
    reply: oneshot::Sender<Answer<T, E>>,
}

/// Makes a job, and the end at which its answer arrives.
pub(crate) fn job<T, E, F>(purpose: Purpose, work: F) -> (Box<dyn Job>, oneshot::Receiver<Answer<T, E>>)
where
    F: Fn(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
    T: Send + 'static,
    E: Send + 'static,
{
    let (reply, answer) = oneshot::channel();
    (Box::new(Call { work, purpose, answer: None, reply }), answer)
}

impl<T, E, F> Job for Call<F, T, E>
where
    F: Fn(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
    T: Send + 'static,
    E: Send + 'static,
{
    fn run(&mut self, tx: &mut Tx<'_>) -> Verdict {
        // A closure that panics leaves nothing behind but its transaction, which is rolled back.
        let outcome = catch_unwind(AssertUnwindSafe(|| (self.work)(tx)));
        let (answer, verdict) = match (outcome, tx.fault()) {
            (Err(panic), _) => (Err(WriteError::Panicked(message(panic.as_ref()))), Verdict::Undo),
            (Ok(Ok(_)), Some(fault)) => (Err(WriteError::Store(fault.clone())), Verdict::Failed(fault)),
            // The closure's own words for a duplicate are better than ours.
            (Ok(Err(refusal)), Some(StoreError::Duplicate { .. })) => (Err(WriteError::Refused(refusal)), Verdict::Undo),
            (Ok(Err(_)), Some(fault)) => (Err(WriteError::Store(fault.clone())), Verdict::Failed(fault)),
            (Ok(Err(refusal)), None) => (Err(WriteError::Refused(refusal)), Verdict::Undo),
            (Ok(Ok(value)), None) => (
                Ok(value),
                match self.purpose {
                    Purpose::Keep => Verdict::Keep,
                    Purpose::TryOut => Verdict::Undo,
                },
            ),
        };
        self.answer = Some(answer);
        verdict
    }

    fn finish(self: Box<Self>, end: Result<(), StoreError>) {
        let answer = match end {
            Ok(()) => self.answer.unwrap_or(Err(WriteError::Store(StoreError::Closed))),
            Err(error) => Err(WriteError::Store(error)),
        };
        // Whoever asked may have gone; the transaction stands.
        let _ = self.reply.send(answer);
    }

    fn is_abandoned(&self) -> bool {
        self.reply.is_closed()
    }

    fn is_undone(&self) -> bool {
        self.purpose == Purpose::TryOut
    }
}

/// Runs a reading closure; a panic in it becomes an error of the one who asked.
pub(crate) fn shielded<T, E: From<StoreError>>(work: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let why = message(panic.as_ref());
        Err(StoreError::Engine(format!("a reading closure panicked: {why}")).into())
    })
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".to_owned())
}
