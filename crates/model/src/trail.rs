//! The audit trail, sealed: runs of events with a digest over each and the one before.
//!
//! ```text
//!   events ...... │ events ...... │ events ......        not yet sealed: the last minute
//!   seal 1 ◀──────── seal 2 ◀─────── seal 3
//! ```
//!
//! Seals are made after the calls, a run at a time, so that no call waits for another's event.

use serde::{Deserialize, Serialize};

use crate::{EventId, Millis};

/// Age in milliseconds at which events are sealed. No transaction that writes one takes nearly as long, so none comes late.
pub const SEALED_AFTER_MS: i64 = 60_000;

/// A seal over a run of events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seal {
    /// Its number, from 1, without gaps.
    pub number: u64,
    /// The last event under it; the first is the one after the last of the seal before.
    pub last: EventId,
    /// Events under it.
    pub events: u64,
    /// The digest, sealed under the installation's master key: whoever can write rows cannot make one.
    pub digest: String,
    /// When it was made.
    pub made_at: Millis,
}
