//! What Pileus knows: nouns, units, ids, rules, state machines, policy evaluation and refusals.
//!
//! Pure: no I/O, clock, randomness, async, locks or SQL. Time and ids come in as arguments, and every function gives the
//! same answer twice. Vendors' words are not known here; a dialect translates.

mod id;
pub mod instance_type;
pub mod policy;
mod units;

pub use id::*;
pub use units::*;
