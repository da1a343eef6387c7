//! The numbers used once that were seen lately, so that a signed request cannot be sent again.
//!
//! They are kept in memory only. A restart forgets them, which opens no more than the scheme's own
//! window of minutes; a server of several processes needs the caller's own store.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;

use super::Claim;

/// A bounded memory of nonces, safe to share between threads.
pub struct Nonces {
    capacity: usize,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    until: HashMap<(String, String), Timestamp>,
    by_end: BTreeSet<(Timestamp, (String, String))>,
}

/// What became of a nonce.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Novelty {
    /// It is new, or the scheme has none.
    Fresh,
    /// It was used before by the same access key, within its window.
    Replayed,
}

impl Nonces {
    /// Makes a memory of at most `capacity` nonces, about 300 bytes each; when it is full, those that
    /// expire first are forgotten.
    pub fn new(capacity: usize) -> Self {
        Self { capacity, seen: Mutex::default() }
    }

    /// Remembers the nonce of a claim that has been verified, until its signature expires.
    pub fn use_once(&self, claim: &Claim, now: Timestamp) -> Novelty {
        let Some(nonce) = &claim.nonce else {
            return Novelty::Fresh;
        };
        let id = (claim.access_key.clone(), nonce.clone());
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.forget_before(now);
        if seen.until.contains_key(&id) {
            return Novelty::Replayed;
        }
        while seen.until.len() >= self.capacity {
            if !seen.forget_first() {
                return Novelty::Fresh;
            }
        }
        let until = claim.valid_until();
        seen.by_end.insert((until, id.clone()));
        seen.until.insert(id, until);
        Novelty::Fresh
    }
}

impl Seen {
    fn forget_before(&mut self, now: Timestamp) {
        while self.by_end.first().is_some_and(|(until, _)| *until < now) {
            self.forget_first();
        }
    }

    /// Forgets the nonce that expires first; false when there is none.
    fn forget_first(&mut self) -> bool {
        let first = self.by_end.pop_first();
        first.is_some_and(|(_, id)| self.until.remove(&id).is_some())
    }
}

impl std::fmt::Debug for Nonces {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Nonces").field("capacity", &self.capacity).finish_non_exhaustive()
    }
}
