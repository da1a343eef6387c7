//! Time, from outside. The control plane never asks the machine for it directly, so a simulation can turn the hands.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use model::Millis;

/// Where the time comes from.
#[derive(Debug, Clone)]
pub enum Clock {
    /// The machine's clock.
    System,
    /// A clock that stands until somebody moves it.
    Manual(Arc<AtomicI64>),
}

impl Clock {
    /// Makes a clock that stands at `at` until [`Clock::set`] moves it.
    pub fn manual(at: Millis) -> Clock {
        Clock::Manual(Arc::new(AtomicI64::new(at.0)))
    }

    /// The time now.
    pub fn now(&self) -> Millis {
        match self {
            Clock::System => {
                let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                Millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
            }
            Clock::Manual(at) => Millis(at.load(Ordering::SeqCst)),
        }
    }

    /// Moves a manual clock; the machine's clock is not ours to move and stays.
    pub fn set(&self, at: Millis) {
        match self {
            Clock::System => {}
            Clock::Manual(hands) => hands.store(at.0, Ordering::SeqCst),
        }
    }
}
