//! Moments as VPC and CBS write them. CVM writes ISO 8601 with a zone, which needs nothing of its own.

use jiff::Timestamp;
use jiff::tz::{Offset, TimeZone};

/// The clock of VPC and CBS: both write `2018-04-25 10:26:26` without a zone and mean Beijing's, eight hours ahead of UTC.
const BEIJING: Offset = Offset::constant(8);

/// Writes a moment by Beijing's clock, to the second.
pub(crate) fn by_beijing(moment: Timestamp) -> String {
    moment.to_zoned(TimeZone::fixed(BEIJING)).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// Reads a moment by Beijing's clock, written as [`by_beijing`] writes it, or in any form with a zone.
pub(crate) fn read_beijing(text: &str) -> Option<Timestamp> {
    match jiff::civil::DateTime::strptime("%Y-%m-%d %H:%M:%S", text) {
        Ok(local) => local.to_zoned(TimeZone::fixed(BEIJING)).ok().map(|zoned| zoned.timestamp()),
        Err(_) => wire::time::parse(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beijing_is_eight_hours_ahead() {
        let moment: Timestamp = "2026-11-20T20:15:01.9Z".parse().unwrap();
        assert_eq!(by_beijing(moment), "2026-11-21 04:15:01");
        assert_eq!(read_beijing("2026-11-21 04:15:01"), Some("2026-11-20T20:15:01Z".parse().unwrap()));
        assert_eq!(read_beijing("soon"), None);
    }
}
