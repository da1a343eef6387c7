//! New ids: 42 bits of milliseconds, 22 bits that grow from a random start, so that ids are in order of creation, also within
//! one millisecond, and two control planes hardly ever meet (the primary key decides when they do).

use std::sync::{Arc, Mutex};

use model::Millis;

/// Bits below the milliseconds.
const LOW_BITS: u32 = 22;
/// Largest random step between two ids of one millisecond; 22 bits leave room for 65,000 ids in it.
const STEP: u64 = 64;

/// Makes ids.
#[derive(Debug, Clone)]
pub struct Ids {
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    last: u64,
    random: u64,
}

impl Ids {
    /// Starts from this seed: random in a real installation, given in a simulation.
    pub fn from_seed(seed: u64) -> Ids {
        Ids { state: Arc::new(Mutex::new(State { last: 0, random: seed })) }
    }

    /// Starts from the machine's randomness.
    pub fn random() -> Result<Ids, getrandom::Error> {
        let mut seed = [0; 8];
        getrandom::fill(&mut seed)?;
        Ok(Ids::from_seed(u64::from_le_bytes(seed)))
    }

    /// The value of a new id.
    pub fn next(&self, now: Millis) -> u64 {
        let mut state = self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let step = 1 + state.number() % STEP;
        let at = u64::try_from(now.0).unwrap_or(0) << LOW_BITS;
        let start = at + state.number() % (1 << (LOW_BITS - 2));
        state.last = if state.last >= at { state.last + step } else { start };
        state.last
    }

    /// A number that need not be secret.
    pub fn number(&self) -> u64 {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).number()
    }
}

impl State {
    /// SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014).
    fn number(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_grow_also_when_the_clock_stands_or_goes_back() {
        let ids = Ids::from_seed(7);
        let mut last = 0;
        for at in [5, 5, 5, 6, 3, 3, 900] {
            let id = ids.next(Millis(at));
            assert!(id > last, "{id} after {last}");
            last = id;
        }
    }

    #[test]
    fn two_sources_make_different_ids_in_one_millisecond() {
        let (a, b) = (Ids::from_seed(1), Ids::from_seed(2));
        assert_ne!(a.next(Millis(5)), b.next(Millis(5)));
    }
}
