//! The texts in which the clouds write a moment.
//!
//! All are ISO 8601 in UTC on the way out; on the way in every form that a client was seen to send
//! is read. It knows no clock: the moment always comes from the caller.

use jiff::Timestamp;
use jiff::tz::Offset;

/// How far a moment is written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Precision {
    Millisecond,
    Second,
    Minute,
}

/// Writes a moment as EC2 does: `2026-11-20T23:20:00.000Z`.
pub fn to_millisecond(time: Timestamp) -> String {
    written(time, Precision::Millisecond)
}

/// Writes a moment to the second, as most of Alibaba's services do: `2026-11-20T23:20:00Z`.
pub fn to_second(time: Timestamp) -> String {
    written(time, Precision::Second)
}

/// Writes a moment to the minute, as ECS does for instances and disks: `2026-11-20T23:20Z`.
pub fn to_minute(time: Timestamp) -> String {
    written(time, Precision::Minute)
}

fn written(time: Timestamp, precision: Precision) -> String {
    let mut text = String::with_capacity("2026-11-20T23:20:00.000Z".len());
    push(&mut text, time, precision);
    text
}

/// Appends a moment. A page of instances has hundreds of them, and reading a format for each takes four times as long.
pub(crate) fn push(out: &mut String, time: Timestamp, precision: Precision) {
    let time = Offset::UTC.to_datetime(time);
    if time.year() < 0 {
        out.push('-');
    }
    push_digits(out, time.year().unsigned_abs(), 1_000);
    for (mark, number) in [('-', time.month()), ('-', time.day()), ('T', time.hour()), (':', time.minute())] {
        out.push(mark);
        push_digits(out, u16::from(number.unsigned_abs()), 10);
    }
    if precision != Precision::Minute {
        out.push(':');
        push_digits(out, u16::from(time.second().unsigned_abs()), 10);
    }
    if precision == Precision::Millisecond {
        out.push('.');
        push_digits(out, time.millisecond().unsigned_abs(), 100);
    }
    out.push('Z');
}

/// Appends a number from the digit of this place on.
fn push_digits(out: &mut String, number: u16, highest: u16) {
    let mut place = highest;
    while place > 0 {
        let digit = u8::try_from(number / place % 10).unwrap_or_default();
        out.push(char::from(b'0' + digit));
        place /= 10;
    }
}

/// Reads a moment in any form of the clouds.
///
/// ISO 8601 with minutes, seconds or fractions, with `Z` or an offset; the basic form of signatures
/// (`20261120T232000Z`); a bare date, meaning its first second in UTC; seconds since 1970, with a
/// fraction or not, as JSON protocols send. `None` when it is none of these.
pub fn parse(text: &str) -> Option<Timestamp> {
    if let Ok(time) = text.parse::<Timestamp>() {
        return Some(time);
    }
    if let Ok(date) = text.parse::<jiff::civil::Date>()
        && text.contains('-')
    {
        let midnight = date.at(0, 0, 0, 0).to_zoned(jiff::tz::TimeZone::UTC);
        return midnight.ok().map(|zoned| zoned.timestamp());
    }
    parse_epoch(text)
}

/// Reads seconds since 1970, with up to nine digits of fraction.
fn parse_epoch(text: &str) -> Option<Timestamp> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(fraction) || fraction.len() > 9 {
        return None;
    }
    let seconds: i64 = whole.parse().ok()?;
    let nanoseconds: i32 = format!("{fraction:0<9}").parse().ok()?;
    Timestamp::new(seconds, nanoseconds).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: &str = "2026-11-20T12:00:00Z";

    #[test]
    fn every_form_that_clients_send_is_read() {
        for text in [
            NOON,
            "2026-11-20T12:00:00.000Z",
            "2026-11-20T12:00Z",
            "2026-11-20T20:00:00+08:00",
            "2026-11-20T12:00:00+00:00",
            "20261120T120000Z",
            "1795176000",
            "1795176000.0",
        ] {
            assert_eq!(parse(text), Some(NOON.parse().unwrap()), "{text}");
        }
        assert_eq!(parse("2026-11-20"), parse("2026-11-20T00:00:00Z"));
    }

    #[test]
    fn what_is_no_moment_is_not_read() {
        for text in ["", "now", "2026-13-01T00:00:00Z", "-5", "1e9", "1.2.3", "99999999999999999999"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn each_vendor_has_its_precision() {
        let time: Timestamp = "2026-11-20T23:20:05.0678Z".parse().unwrap();
        assert_eq!(to_millisecond(time), "2026-11-20T23:20:05.067Z");
        assert_eq!(to_second(time), "2026-11-20T23:20:05Z");
        assert_eq!(to_minute(time), "2026-11-20T23:20Z");
        assert_eq!(to_millisecond("0987-06-05T04:03:02Z".parse().unwrap()), "0987-06-05T04:03:02.000Z");
    }
}
