//! What happens by chance under a seed.

/// Numbers that follow from a seed.
pub struct Random(u64);

impl Random {
    pub fn of_seed(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// xorshift64* (Vigna, 2016).
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub fn below(&mut self, limit: u64) -> u64 {
        (self.next() >> 16) % limit
    }
}

/// The seeds to try: so many, or those that `PILEUS_SEEDS` says: how many, or from one to another (`40-60`).
pub fn seeds(count: u64) -> std::ops::RangeInclusive<u64> {
    let said = std::env::var("PILEUS_SEEDS").unwrap_or_default();
    let number = |text: &str| text.parse().ok();
    match said.split_once('-').map(|(from, to)| (number(from), number(to))) {
        Some((Some(from), Some(to))) => from..=to,
        Some(_) | None => 1..=number(&said).unwrap_or(count),
    }
}
