//! Lifecycles: what a snapshot policy has that chooses its volumes by their tags, says minutes, or keeps snapshots by number.
//!
//! ```text
//!   every 12 hours from 09:30 ─┐
//!   cron(30 9,21 ? * MON *)   ─┴─▶ Schedule: days, hours, one minute ─▶ the instants of the policy
//! ```
//!
//! A schedule of this cloud has whole days of the week and one minute of its hours; what a cron expression says beyond that is refused.
//! Not known here: whose volumes there are, and who takes the snapshots.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::{Error, Millis, Schedule, Tags};

/// Pairs of key and value that one policy looks for (Data Lifecycle Manager: 50).
pub const LIFECYCLE_TARGETS_MAX: usize = 50;
/// Tags that a policy gives its snapshots (45).
pub const LIFECYCLE_TAGS_MAX: usize = 45;
/// Hours between snapshots: those that part a day evenly, as the vendor lists them.
pub const LIFECYCLE_HOURS: [u8; 8] = [1, 2, 3, 4, 6, 8, 12, 24];
/// Snapshots of each volume that are kept by number (1,000).
pub const LIFECYCLE_COUNT: std::ops::RangeInclusive<u32> = 1..=1_000;
/// Days that they are kept by age: a hundred years.
pub const LIFECYCLE_DAYS_MAX: u32 = 36_500;
/// Characters of a policy's description.
pub const LIFECYCLE_DESCRIPTION_MAX: usize = 500;
/// Characters of a cron expression, with its `cron()`.
const CRON_MAX: usize = 106;

/// What a policy with a lifecycle has beside its schedule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lifecycle {
    /// Description.
    pub description: String,
    /// The role that it was given, as it was named.
    pub role: String,
    /// Volumes with any of these tags are its own.
    pub targets: BTreeSet<(String, String)>,
    /// When snapshots are taken, as it was said.
    pub when: When,
    /// How long they stay.
    pub keep: Keep,
    /// Whether snapshots get their volume's tags.
    pub copy_tags: bool,
    /// Tags that snapshots get.
    pub added_tags: Tags,
    /// When it was last changed.
    pub modified_at: Millis,
}

/// When snapshots are taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum When {
    /// Every so many hours.
    Every {
        /// One of [`LIFECYCLE_HOURS`].
        hours: u8,
        /// The hour of one of them, in UTC.
        hour: u8,
        /// The minute of all of them.
        minute: u8,
    },
    /// A cron expression with its `cron()`, in UTC.
    Cron(String),
}

/// How long snapshots stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Keep {
    /// So many of each volume.
    Count(u32),
    /// So long.
    Age {
        /// How many.
        number: u32,
        /// Of what.
        unit: AgeUnit,
    },
}

/// Units of age.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum AgeUnit {
    /// Days.
    Days,
    /// Seven days.
    Weeks,
    /// Thirty days.
    Months,
    /// 365 days.
    Years,
}

impl Lifecycle {
    /// Checks what tenants say of it.
    pub fn check(&self) -> Result<(), Error> {
        if self.description.chars().count() > LIFECYCLE_DESCRIPTION_MAX {
            return Err(Error::invalid("Description", format!("is longer than {LIFECYCLE_DESCRIPTION_MAX} characters")));
        }
        if self.targets.is_empty() || self.targets.len() > LIFECYCLE_TARGETS_MAX {
            return Err(Error::invalid("TargetTags", format!("must be 1 to {LIFECYCLE_TARGETS_MAX} tags")));
        }
        if self.added_tags.len() > LIFECYCLE_TAGS_MAX {
            return Err(Error::invalid("TagsToAdd", format!("must be at most {LIFECYCLE_TAGS_MAX} tags")));
        }
        self.when.schedule().map(drop)?;
        self.keep.days().map(drop)
    }

    /// Whether a volume with these tags is one of its own.
    pub fn wants(&self, tags: &Tags) -> bool {
        self.targets.iter().any(|(key, value)| tags.get(key) == Some(value))
    }
}

impl Keep {
    /// Days that a snapshot stays; none where their number decides.
    pub fn days(self) -> Result<Option<u32>, Error> {
        let (number, unit) = match self {
            Keep::Count(count) if LIFECYCLE_COUNT.contains(&count) => return Ok(None),
            Keep::Count(_) => {
                let (least, most) = (LIFECYCLE_COUNT.start(), LIFECYCLE_COUNT.end());
                return Err(Error::invalid("Count", format!("must be {least} to {most}")));
            }
            Keep::Age { number, unit } => (number, unit),
        };
        let each = match unit {
            AgeUnit::Days => 1,
            AgeUnit::Weeks => 7,
            AgeUnit::Months => 30,
            AgeUnit::Years => 365,
        };
        let days = number.checked_mul(each).filter(|days| (1..=LIFECYCLE_DAYS_MAX).contains(days));
        Ok(Some(days.ok_or_else(|| Error::invalid("Interval", "must be a day to a hundred years"))?))
    }
}

impl When {
    /// The days, hours and minute that are meant.
    pub fn schedule(&self) -> Result<Schedule, Error> {
        match self {
            When::Every { hours, hour, minute } => every(*hours, *hour, *minute),
            When::Cron(text) => cron(text),
        }
    }
}

fn every(hours: u8, hour: u8, minute: u8) -> Result<Schedule, Error> {
    if !LIFECYCLE_HOURS.contains(&hours) {
        return Err(Error::invalid("Interval", "must be 1, 2, 3, 4, 6, 8, 12 or 24"));
    }
    if hour > 23 || minute > 59 {
        return Err(Error::invalid("Times", "must be hh:mm"));
    }
    let of_day = (hour % hours..24).step_by(usize::from(hours)).collect();
    Ok(Schedule { days: (1..=7).collect(), hours: of_day, minute, ahead: 0 })
}

/// Reads `cron(minutes hours day-of-month month day-of-week year)`.
fn cron(text: &str) -> Result<Schedule, Error> {
    let malformed = || Error::invalid("CronExpression", "must be cron(minutes hours day-of-month month day-of-week year)");
    let fields = text.strip_prefix("cron(").and_then(|rest| rest.strip_suffix(')')).filter(|_| text.len() <= CRON_MAX);
    let fields: Vec<&str> = fields.ok_or_else(malformed)?.split_ascii_whitespace().collect();
    let [minutes, hours, month_days, months, week_days, years] = fields[..] else { return Err(malformed()) };
    let minutes = numbers(minutes, 0, 59).ok_or_else(malformed)?;
    let hours = numbers(hours, 0, 23).ok_or_else(malformed)?;
    let one = Some(&minutes).filter(|minutes| minutes.len() == 1).and_then(|minutes| minutes.first().copied());
    let Some(minute) = one else {
        return Err(Error::Unsupported { what: "A cron expression with more than one minute".to_owned() });
    };
    if !matches!(month_days, "*" | "?") || months != "*" || years != "*" {
        return Err(Error::Unsupported { what: "A cron expression with days of the month, months or years".to_owned() });
    }
    // Sunday is 1 in a cron expression and 7 in a schedule.
    let named = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"].iter().zip('1'..);
    let week_days = named.fold(week_days.to_ascii_uppercase(), |text, (name, number)| text.replace(name, &number.to_string()));
    let days = if week_days == "?" { (1..=7).collect() } else { numbers(&week_days, 1, 7).ok_or_else(malformed)? };
    let days = days.into_iter().map(|day| if day == 1 { 7 } else { day - 1 }).collect();
    Ok(Schedule { days, hours, minute, ahead: 0 })
}

/// The numbers of one field: `*`, `4`, `1-5`, `0/6` and `*/6`, and lists of these.
fn numbers(field: &str, least: u8, most: u8) -> Option<BTreeSet<u8>> {
    let number = |text: &str| text.parse::<u8>().ok().filter(|number| (least..=most).contains(number));
    let mut found = BTreeSet::new();
    for part in field.split(',') {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (range, Some(number(step).filter(|step| *step > 0)?)),
            None => (part, None),
        };
        let (first, last) = match (range, range.split_once('-')) {
            ("*", _) => (least, most),
            (_, Some((first, last))) => (number(first)?, number(last)?),
            (one, None) => (number(one)?, if step.is_some() { most } else { number(one)? }),
        };
        if first > last {
            return None;
        }
        found.extend((first..=last).step_by(usize::from(step.unwrap_or(1))));
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(when: &When, days: &[u8], hours: &[u8], minute: u8) {
        let expected = Schedule { days: days.iter().copied().collect(), hours: hours.iter().copied().collect(), minute, ahead: 0 };
        assert_eq!(when.schedule().unwrap(), expected, "{when:?}");
        assert!(expected.check().is_ok());
    }

    const ALL: [u8; 7] = [1, 2, 3, 4, 5, 6, 7];

    #[test]
    fn hours_that_part_a_day_go_on_over_midnight() {
        check(&When::Every { hours: 12, hour: 21, minute: 30 }, &ALL, &[9, 21], 30);
        check(&When::Every { hours: 24, hour: 9, minute: 0 }, &ALL, &[9], 0);
        check(&When::Every { hours: 6, hour: 0, minute: 59 }, &ALL, &[0, 6, 12, 18], 59);
        for (hours, hour, minute) in [(0, 1, 0), (5, 1, 0), (24, 24, 0), (24, 1, 60)] {
            assert!(When::Every { hours, hour, minute }.schedule().is_err(), "{hours} {hour} {minute}");
        }
    }

    #[test]
    fn cron_expressions_are_read_as_far_as_a_schedule_goes() {
        let read = |text: &str| When::Cron(text.to_owned());
        check(&read("cron(5 3 ? * SUN *)"), &[7], &[3], 5);
        check(&read("cron(30 0/6 * * ? *)"), &ALL, &[0, 6, 12, 18], 30);
        check(&read("cron(0 9-11,20 ? * MON-FRI *)"), &[1, 2, 3, 4, 5], &[9, 10, 11, 20], 0);
        check(&read("cron(0 */12 ? * 1,7 *)"), &[6, 7], &[0, 12], 0);
        for wrong in [
            "cron()",
            "5 3 ? * SUN *",
            "cron(5 3 ? * SUN)",
            "cron(60 3 ? * * *)",
            "cron(5 24 ? * * *)",
            "cron(5 3 ? * 0 *)",
            "cron(5 3 ? * 8 *)",
            "cron(5 9-3 ? * * *)",
            "cron(5 3/0 ? * * *)",
            "cron(5 , ? * * *)",
            "cron(é 3 ? * * *)",
        ] {
            assert!(matches!(read(wrong).schedule(), Err(Error::InvalidParameter { .. })), "{wrong}");
        }
        for beyond in ["cron(0,30 3 ? * * *)", "cron(5 3 1 * ? *)", "cron(5 3 ? 6 * *)", "cron(5 3 ? * * 2027)"] {
            assert!(matches!(read(beyond).schedule(), Err(Error::Unsupported { .. })), "{beyond}");
        }
    }

    #[test]
    fn age_is_counted_in_days_and_has_an_end() {
        let days = |number, unit| Keep::Age { number, unit }.days();
        assert_eq!(days(2, AgeUnit::Weeks).unwrap(), Some(14));
        assert_eq!(days(100, AgeUnit::Years).unwrap(), Some(LIFECYCLE_DAYS_MAX));
        assert_eq!(Keep::Count(1_000).days().unwrap(), None);
        assert!(days(0, AgeUnit::Days).is_err() && days(101, AgeUnit::Years).is_err() && days(u32::MAX, AgeUnit::Months).is_err());
        assert!(Keep::Count(0).days().is_err() && Keep::Count(1_001).days().is_err());
    }
}
