//! Commits of several connections, told in an order in which they could have happened one after another.
//!
//! A ticket is drawn after the closure and before the commit. Of two transactions that touch the same row, the second cannot
//! have begun its successful run before the first had committed, so it draws the later ticket: publishing by ticket never
//! lets an old row overwrite a newer one.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::changes::{Effects, Publisher};
use crate::error::StoreError;
use crate::job::Job;

/// The tickets that are out, and the ends that wait for one.
pub(super) struct Order {
    publisher: Arc<Publisher>,
    state: Mutex<State>,
}

/// What a committed transaction leaves to be told, and whom to answer; none when it was given up.
type Ended = Option<(Effects, Box<dyn Job>)>;

#[derive(Default)]
struct State {
    drawn: u64,
    published: u64,
    ended: BTreeMap<u64, Ended>,
}

impl Order {
    pub(super) fn new(publisher: Arc<Publisher>) -> Order {
        Order { publisher, state: Mutex::default() }
    }

    /// Draws the next ticket, which must be ended.
    pub(super) fn draw(&self) -> u64 {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.drawn += 1;
        state.drawn
    }

    /// Ends a ticket: with a commit, which is published and answered as soon as those before have ended, or with nothing.
    pub(super) fn end(&self, ticket: u64, committed: Option<(Effects, Box<dyn Job>)>, end: Result<(), StoreError>) {
        let mut answered = Vec::new();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.ended.insert(ticket, committed);
        let mut effects = Vec::new();
        loop {
            let next = state.published + 1;
            let Some(ended) = state.ended.remove(&next) else { break };
            state.published = next;
            if let Some((left, job)) = ended {
                effects.push(left);
                answered.push(job);
            }
        }
        // Under the lock: one at a time, in order.
        self.publisher.publish(effects);
        drop(state);
        for job in answered {
            job.finish(end.clone());
        }
    }
}
