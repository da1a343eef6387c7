//! How many requests an account may send: token buckets.
//!
//! ```text
//!   each request takes a token ──▶ [ at most ten seconds' worth ] ◀── tokens come at the rate of the quota
//!   no token: the request is refused, nothing is read or written, and the client tries again later
//! ```
//!
//! EC2 documents the same: a bucket for each action of an account, by classes that read and that change, and one more that counts
//! launched instances. What this does not know: where the buckets are kept, and who calls.

use crate::Millis;

/// Seconds of its rate that a bucket holds. EC2's hold five to ten.
pub const BURST_SECONDS: u64 = 10;
/// A token, in the thousandths that a bucket counts in: one a millisecond at a rate of one a second.
const TOKEN: u64 = 1_000;

/// How many requests of one action an account may send in a second, by what the action does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestRates {
    /// Actions that only read.
    pub reads: u64,
    /// Actions that change something.
    pub changes: u64,
    /// Instances launched, whatever the number of requests.
    pub launches: u64,
}

/// A bucket of tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bucket {
    /// What is in it, in thousandths of a token.
    level: u64,
    /// When that was so.
    at: Millis,
}

impl Bucket {
    /// A full bucket.
    pub fn full(rate: u64, now: Millis) -> Bucket {
        Bucket { level: capacity(rate), at: now }
    }

    /// Takes so many tokens, or none at all when there are fewer. More than the bucket can hold are taken from a full one, which
    /// then owes nothing: else a large launch could never be made.
    pub fn take(&mut self, tokens: u64, rate: u64, now: Millis) -> bool {
        let full = capacity(rate);
        // A clock that was set back brings nothing, and the count goes on from there.
        let passed = u64::try_from(now.0.saturating_sub(self.at.0)).unwrap_or(0);
        self.level = self.level.saturating_add(passed.saturating_mul(rate)).min(full);
        self.at = now;
        let wanted = tokens.saturating_mul(TOKEN).min(full.max(TOKEN));
        let enough = self.level >= wanted;
        if enough {
            self.level -= wanted;
        }
        enough
    }
}

/// What a bucket of this rate holds.
const fn capacity(rate: u64) -> u64 {
    rate.saturating_mul(BURST_SECONDS).saturating_mul(TOKEN)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(bucket: &mut Bucket, rate: u64, at: i64) -> u64 {
        (0..).take_while(|_| bucket.take(1, rate, Millis(at))).count() as u64
    }

    #[test]
    fn a_burst_is_ten_seconds_worth_and_then_the_rate_holds() {
        let mut bucket = Bucket::full(5, Millis(0));
        assert_eq!(taken(&mut bucket, 5, 0), 50);
        assert_eq!(taken(&mut bucket, 5, 199), 0);
        assert_eq!(taken(&mut bucket, 5, 200), 1);
        assert_eq!(taken(&mut bucket, 5, 1_200), 5);
        assert_eq!(taken(&mut bucket, 5, 3_600_000), 50);
    }

    #[test]
    fn a_refused_request_takes_nothing() {
        let mut bucket = Bucket::full(1, Millis(0));
        assert!(bucket.take(8, 1, Millis(0)));
        assert!(!bucket.take(3, 1, Millis(0)));
        assert!(bucket.take(2, 1, Millis(0)));
    }

    #[test]
    fn what_is_larger_than_the_bucket_takes_a_full_one() {
        let mut bucket = Bucket::full(2, Millis(0));
        assert!(bucket.take(100, 2, Millis(0)));
        assert!(!bucket.take(1, 2, Millis(0)));
        assert!(!bucket.take(100, 2, Millis(9_999)));
        assert!(bucket.take(100, 2, Millis(20_000)));
    }

    #[test]
    fn a_clock_that_is_set_back_neither_fills_nor_stops_a_bucket() {
        let mut bucket = Bucket::full(1, Millis(1_000_000));
        assert_eq!(taken(&mut bucket, 1, 1_000_000), 10);
        assert_eq!(taken(&mut bucket, 1, 0), 0);
        assert_eq!(taken(&mut bucket, 1, 1_000), 1);
    }

    #[test]
    fn a_rate_of_nothing_lets_nothing_through() {
        let mut bucket = Bucket::full(0, Millis(0));
        assert!(!bucket.take(1, 0, Millis(1_000_000_000)));
    }
}
