//! Wakes: who has to look at what, and when. The work loop's alarm clock, in the same transactions as the rows.
//!
//! ```text
//!            wake            lease               done
//!   (none) ------> asleep ----------> leased ------------> (none)
//!                   ^  ^ due: when     | due: when the       |
//!              wake |  |               |      lease lapses   |
//!            (earlier  +---------------+<--------------------+
//!               wins)     later, lapse      if woken meanwhile: asleep until then
//! ```
//!
//! There is at most one wake for a thing. Leasing numbers it, and only the holder of the newest number can end the lease,
//! so a worker that was slow or thought dead cannot undo the work of the next.
//!
//! Does not know what is done when one wakes, nor the time: it comes in as an argument.

use std::fmt;

use model::Millis;

use crate::error::{StoreError, WriteError};
use crate::store::Store;
use crate::tx::Tx;
use crate::value::Value;

/// One call to look at a thing, held by a worker until it says what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// The kind of thing, as given to [`Tx::wake`].
    pub kind: String,
    /// Its id's text.
    pub id: String,
    /// Which lease of this wake it is; grows.
    pub seq: i64,
}

impl Tx<'_> {
    /// Has a thing looked at at `due`, or earlier if an earlier wake was set.
    ///
    /// While the thing is being looked at (leased), it will be looked at again after that, at `due`.
    pub fn wake(&mut self, kind: &'static str, id: impl fmt::Display, due: Millis) -> Result<(), StoreError> {
        self.execute(
            "INSERT INTO wake (kind, id, due, seq) VALUES ($1, $2, $3, 0) ON CONFLICT (kind, id) DO UPDATE SET \
             due = CASE WHEN wake.owner IS NULL AND excluded.due < wake.due THEN excluded.due ELSE wake.due END, \
             again = CASE WHEN wake.owner IS NULL THEN NULL WHEN wake.again < excluded.due THEN wake.again ELSE excluded.due END",
            &[kind.into(), id.to_string().into(), due.into()],
        )?;
        self.woke();
        Ok(())
    }

    /// Says that a thing need not be looked at. Whoever looks at it already goes on.
    pub fn wake_none(&mut self, kind: &'static str, id: impl fmt::Display) -> Result<(), StoreError> {
        self.execute("DELETE FROM wake WHERE kind = $1 AND id = $2 AND owner IS NULL", &[kind.into(), id.to_string().into()]).map(drop)
    }

    /// Takes the wakes that are due, the longest due first; none of them is given out again before `lease_ms` have passed.
    pub fn lease_wakes(&mut self, owner: &str, now: Millis, lease_ms: i64, limit: u32) -> Result<Vec<Lease>, StoreError> {
        let due = self.query(
            "SELECT kind, id, seq FROM wake WHERE due <= $1 ORDER BY due, kind, id LIMIT $2",
            &[now.into(), limit.into()],
            |record| {
                // Not below the time: a wake that was deleted and set anew must not repeat the number of a forgotten lease.
                let seq = (record.int(2)? + 1).max(now.0);
                Ok(Lease { kind: record.text(0)?.to_owned(), id: record.text(1)?.to_owned(), seq })
            },
        )?;
        for lease in &due {
            self.execute(
                "UPDATE wake SET owner = $1, due = $2, seq = $3 WHERE kind = $4 AND id = $5",
                &[owner.into(), now.after(lease_ms).into(), lease.seq.into(), lease.kind.as_str().into(), lease.id.as_str().into()],
            )?;
        }
        Ok(due)
    }

    /// Ends a lease: the thing need not be looked at, but for what it was woken for meanwhile.
    ///
    /// False when the lease had lapsed and another has taken it; what was found then is the other's to say, and the caller
    /// should refuse its own transaction.
    pub fn wake_done(&mut self, lease: &Lease) -> Result<bool, StoreError> {
        let held = lease.held();
        let gone =
            self.execute("DELETE FROM wake WHERE kind = $1 AND id = $2 AND seq = $3 AND owner IS NOT NULL AND again IS NULL", &held)?;
        if gone > 0 {
            return Ok(true);
        }
        let kept = self.execute(
            "UPDATE wake SET due = again, again = NULL, owner = NULL WHERE kind = $1 AND id = $2 AND seq = $3 AND owner IS NOT NULL",
            &held,
        )?;
        Ok(kept > 0)
    }

    /// Ends a lease: the thing is to be looked at again at `due`, or earlier if it was woken for that meanwhile. False as in
    /// [`Tx::wake_done`].
    pub fn wake_later(&mut self, lease: &Lease, due: Millis) -> Result<bool, StoreError> {
        let [kind, id, seq] = lease.held();
        let kept = self.execute(
            "UPDATE wake SET due = CASE WHEN again < $1 THEN again ELSE $1 END, again = NULL, owner = NULL \
             WHERE kind = $2 AND id = $3 AND seq = $4 AND owner IS NOT NULL",
            &[due.into(), kind, id, seq],
        )?;
        self.woke();
        Ok(kept > 0)
    }

    /// Whether a thing will be looked at.
    pub fn wake_exists(&self, kind: &'static str, id: impl fmt::Display) -> Result<bool, StoreError> {
        let found = self.query("SELECT 1 FROM wake WHERE kind = $1 AND id = $2", &[kind.into(), id.to_string().into()], |_| Ok(()))?;
        Ok(!found.is_empty())
    }

    /// When the next wake is due or the next lease lapses; none when nobody waits for anything.
    pub fn next_due(&self) -> Result<Option<Millis>, StoreError> {
        let due = self.query("SELECT MIN(due) FROM wake", &[], |record| record.value(0))?;
        Ok(due.into_iter().find_map(|value| match value {
            Value::Int(due) => Some(Millis(due)),
            Value::Null | Value::Text(_) => None,
        }))
    }
}

impl Lease {
    fn held(&self) -> [Value; 3] {
        [self.kind.as_str().into(), self.id.as_str().into(), self.seq.into()]
    }
}

/// The same, each in a transaction of its own.
impl Store {
    /// [`Tx::lease_wakes`] in its own transaction.
    pub async fn lease_wakes(&self, owner: &str, now: Millis, lease_ms: i64, limit: u32) -> Result<Vec<Lease>, StoreError> {
        let owner = owner.to_owned();
        plain(self.write(move |tx| tx.lease_wakes(&owner, now, lease_ms, limit)).await)
    }

    /// [`Tx::wake_done`] in its own transaction.
    pub async fn wake_done(&self, lease: Lease) -> Result<bool, StoreError> {
        plain(self.write(move |tx| tx.wake_done(&lease)).await)
    }

    /// [`Tx::wake_later`] in its own transaction.
    pub async fn wake_later(&self, lease: Lease, due: Millis) -> Result<bool, StoreError> {
        plain(self.write(move |tx| tx.wake_later(&lease, due)).await)
    }

    /// [`Tx::next_due`] of what is committed.
    pub async fn next_due(&self) -> Result<Option<Millis>, StoreError> {
        self.read(|tx| tx.next_due()).await
    }
}

fn plain<T>(result: Result<T, WriteError<StoreError>>) -> Result<T, StoreError> {
    result.map_err(|error| match error {
        WriteError::Refused(error) | WriteError::Store(error) => error,
        WriteError::Panicked(message) => StoreError::Engine(message),
    })
}
