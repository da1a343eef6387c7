//! Snapshot policies: at which hours of which days snapshots of volumes are taken, and how long they stay.
//!
//! ```text
//!   waiting ──(its next hour has come)──▶ one snapshot of each volume ──▶ waiting for the hour after now
//! ```
//!
//! Hours that passed while nobody looked are made up for by one snapshot, not by many. Not known here: who takes snapshots.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::{AccountId, Error, Lifecycle, Millis, SnapshotPolicyId, Tags, VolumeId};

/// Policies of an account (ECS: 100).
pub const SNAPSHOT_POLICIES_MAX: usize = 100;
/// Volumes that a policy is for (ECS: 500 a call; CBS: 200).
pub const POLICY_VOLUMES_MAX: usize = 500;
/// Days that a snapshot may be kept (ECS: 1 to 65,536).
pub const RETENTION_DAYS: std::ops::RangeInclusive<u32> = 1..=65_536;
/// How long after its time a snapshot that cannot go yet, because an image is made of it, is looked at again.
pub const EXPIRED_AGAIN_MS: i64 = 3_600_000;

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAY_MS: i64 = 24 * HOUR_MS;
/// Hours of a week and one, so that a policy with one hour a week finds it.
const HOURS_AHEAD: i64 = 7 * 24 + 1;

/// A policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotPolicy {
    /// Its id.
    pub id: SnapshotPolicyId,
    /// Owner.
    pub account: AccountId,
    /// Display name.
    pub name: String,
    /// When snapshots are taken.
    pub schedule: Schedule,
    /// Days that a snapshot is kept; none for ever.
    pub retention_days: Option<u32>,
    /// Whether it takes snapshots at all.
    pub active: bool,
    /// Of what.
    pub volumes: BTreeSet<VolumeId>,
    /// When it takes the next.
    pub next: Millis,
    /// When it was made.
    pub created_at: Millis,
    /// Tags; its snapshots have them too.
    pub tags: Tags,
    /// What it has where volumes are chosen by their tags; its snapshots then have the tags that this says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lifecycle: Option<Lifecycle>,
}

/// Hours of days of the week, in a time of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schedule {
    /// Days of the week, 1 for Monday to 7 for Sunday.
    pub days: BTreeSet<u8>,
    /// Hours of each of them, 0 to 23.
    pub hours: BTreeSet<u8>,
    /// The minute of each of them, 0 to 59.
    #[serde(default)]
    pub minute: u8,
    /// Hours that its time is ahead of UTC.
    pub ahead: i8,
}

impl Schedule {
    /// Checks that there are days and hours, and that they exist.
    pub fn check(&self) -> Result<(), Error> {
        if self.days.is_empty() || self.days.iter().any(|day| !(1..=7).contains(day)) {
            return Err(Error::invalid("RepeatWeekdays", "must be days 1 to 7, one at least"));
        }
        if self.hours.is_empty() || self.hours.iter().any(|hour| *hour > 23) {
            return Err(Error::invalid("TimePoints", "must be hours 0 to 23, one at least"));
        }
        Ok(())
    }

    /// The first of its hours after an instant; a day of the far future for a schedule without hours.
    pub fn next(&self, after: Millis) -> Millis {
        let ahead = i64::from(self.ahead) * HOUR_MS;
        let past = i64::from(self.minute) * MINUTE_MS;
        let first = (after.0 + ahead - past).div_euclid(HOUR_MS) + 1;
        let fits = |hour: &i64| {
            let days = hour.div_euclid(24);
            // The first of January 1970 was a Thursday.
            let weekday = (days + 3).rem_euclid(7) + 1;
            let has = |set: &BTreeSet<u8>, value: i64| u8::try_from(value).is_ok_and(|value| set.contains(&value));
            has(&self.days, weekday) && has(&self.hours, hour.rem_euclid(24))
        };
        let found = (first..first + HOURS_AHEAD).find(fits).unwrap_or(first + 365 * 24);
        Millis(found * HOUR_MS + past - ahead)
    }
}

impl SnapshotPolicy {
    /// When a snapshot that is taken now goes.
    pub fn expiry(&self, now: Millis) -> Option<Millis> {
        self.retention_days.map(|days| now.after(i64::from(days) * DAY_MS))
    }
}

/// Checks how long snapshots are kept.
pub fn check_retention(days: Option<u32>) -> Result<(), Error> {
    match days {
        Some(days) if !RETENTION_DAYS.contains(&days) => {
            Err(Error::invalid("RetentionDays", format!("must be {} to {}, or -1", RETENTION_DAYS.start(), RETENTION_DAYS.end())))
        }
        Some(_) | None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(days: &[u8], hours: &[u8], ahead: i8, after: &str, expected: &str) {
        let schedule = Schedule { days: days.iter().copied().collect(), hours: hours.iter().copied().collect(), minute: 0, ahead };
        let millis = |text: &str| Millis(text.parse::<jiff::Timestamp>().unwrap().as_millisecond());
        assert_eq!(schedule.next(millis(after)), millis(expected));
    }

    #[test]
    fn the_next_hour_is_the_first_after_now_on_the_right_day_of_its_own_time() {
        // The 20th of November 2026 is a Friday.
        check(&[5], &[12], 0, "2026-11-20T11:59:59Z", "2026-11-20T12:00:00Z");
        check(&[5], &[12], 0, "2026-11-20T12:00:00Z", "2026-11-27T12:00:00Z");
        check(&[1, 5], &[0, 23], 0, "2026-11-20T12:00:00Z", "2026-11-20T23:00:00Z");
        check(&[1, 5], &[0, 23], 0, "2026-11-20T23:00:00Z", "2026-11-23T00:00:00Z");
        // Saturday at two in Peking is Friday evening.
        check(&[6], &[2], 8, "2026-11-20T12:00:00Z", "2026-11-20T18:00:00Z");
        check(&[5], &[20], -5, "2026-11-20T12:00:00Z", "2026-11-21T01:00:00Z");
        check(&[7], &[0], 0, "1969-12-31T23:00:00Z", "1970-01-04T00:00:00Z");
    }

    #[test]
    fn the_minute_of_an_hour_that_is_running_still_comes() {
        let schedule = Schedule { days: (1..=7).collect(), hours: (0..24).collect(), minute: 20, ahead: 0 };
        let minutes = |count: i64| Millis(count * MINUTE_MS);
        assert_eq!(schedule.next(minutes(19)), minutes(20));
        assert_eq!(schedule.next(minutes(20)), minutes(80));
        assert_eq!(schedule.next(minutes(59)), minutes(80));
    }

    #[test]
    fn days_and_hours_that_do_not_exist_are_refused() {
        for (days, hours) in [(vec![], vec![1]), (vec![1], vec![]), (vec![0], vec![1]), (vec![8], vec![1]), (vec![1], vec![24])] {
            let schedule = Schedule { days: days.into_iter().collect(), hours: hours.into_iter().collect(), minute: 0, ahead: 0 };
            assert!(schedule.check().is_err(), "{schedule:?}");
            assert!(schedule.next(Millis(0)) > Millis(0));
        }
        assert!(check_retention(Some(0)).is_err() && check_retention(Some(65_537)).is_err() && check_retention(None).is_ok());
    }
}
