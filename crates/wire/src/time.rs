//! The texts in which the clouds write a moment.
//!
//! All are ISO 8601 in UTC on the way out; on the way in every form that a client was seen to send
//! is read. It knows no clock: the moment always comes from the caller.

use jiff::Timestamp;

/// Writes a moment as EC2 does: `2026-11-20T23:20:00.000Z`.
pub fn to_millisecond(time: Timestamp) -> String {
    let milliseconds = time.subsec_millisecond();
    format!("{}.{milliseconds:03}Z", time.strftime("%Y-%m-%dT%H:%M:%S"))
}

/// Writes a moment to the second, as most of Alibaba's services do: `2026-11-20T23:20:00Z`.
pub fn to_second(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Writes a moment to the minute, as ECS does for instances and disks: `2026-11-20T23:20Z`.
pub fn to_minute(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%MZ").to_string()
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
    }
}
