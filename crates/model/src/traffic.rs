//! What public addresses carried: counted by hosts, kept by the minute, shown by periods.
//!
//! ```text
//!   host: totals since it began to count an address ─▶ Meter: what is new in them ─▶ TrafficHour: minute by minute
//! ```
//!
//! Totals only grow, so that a report that is lost or comes twice does no harm. It does not know prices.

use std::collections::BTreeMap;
use std::ops::AddAssign;

use serde::{Deserialize, Serialize};

use crate::{AddressId, HostId, Millis};

/// Milliseconds in the shortest period that is kept apart.
pub const TRAFFIC_MINUTE_MS: i64 = 60_000;
/// Minutes in an hour, the unit in which they are kept together.
const MINUTES: i64 = 60;
/// Hours that traffic is kept: Alibaba Cloud shows 30 days, and the day that has begun.
pub const TRAFFIC_HOURS_KEPT: i64 = 31 * 24;
/// Hosts whose totals of one address are remembered; the least lately heard gives way. Only a NAT gateway's address is counted by several.
const MARKS_MAX: usize = 256;

/// Bytes and packets in both directions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Traffic {
    /// Bytes of packets that came in.
    pub in_bytes: u64,
    /// Packets that came in.
    pub in_packets: u64,
    /// Bytes of packets that left.
    pub out_bytes: u64,
    /// Packets that left.
    pub out_packets: u64,
}

impl Traffic {
    /// Whether there was none.
    pub fn is_none(&self) -> bool {
        *self == Traffic::default()
    }

    /// What came since an earlier total; all of it when a number is smaller than it was, which tells that counting began anew.
    pub fn since(self, earlier: Traffic) -> Traffic {
        let part = |now: u64, before: u64| now.checked_sub(before);
        let parts = || {
            Some(Traffic {
                in_bytes: part(self.in_bytes, earlier.in_bytes)?,
                in_packets: part(self.in_packets, earlier.in_packets)?,
                out_bytes: part(self.out_bytes, earlier.out_bytes)?,
                out_packets: part(self.out_packets, earlier.out_packets)?,
            })
        };
        parts().unwrap_or(self)
    }
}

impl AddAssign for Traffic {
    fn add_assign(&mut self, more: Traffic) {
        self.in_bytes = self.in_bytes.saturating_add(more.in_bytes);
        self.in_packets = self.in_packets.saturating_add(more.in_packets);
        self.out_bytes = self.out_bytes.saturating_add(more.out_bytes);
        self.out_packets = self.out_packets.saturating_add(more.out_packets);
    }
}

/// How far the traffic of an address was taken down.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrafficMeter {
    /// The address, also after it was given back.
    pub address: AddressId,
    /// All that it ever carried.
    pub total: Traffic,
    /// The last total of each host.
    pub marks: BTreeMap<HostId, TrafficMark>,
    /// The last hour, since 1970, in which anything was new.
    pub hour: i64,
}

/// The last total that a host told of an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrafficMark {
    /// When the host began to count, in its own milliseconds since 1970: another number is another count.
    pub since_ms: i64,
    /// When it told.
    pub told: Millis,
    /// What it told.
    pub total: Traffic,
}

impl TrafficMeter {
    /// One that has counted nothing.
    pub fn new(address: AddressId) -> TrafficMeter {
        TrafficMeter { address, total: Traffic::default(), marks: BTreeMap::new(), hour: 0 }
    }

    /// Takes down a host's total and gives what is new in it.
    pub fn take(&mut self, host: HostId, mark: TrafficMark) -> Traffic {
        let before = self.marks.get(&host).filter(|before| before.since_ms == mark.since_ms);
        let new = mark.total.since(before.map(|before| before.total).unwrap_or_default());
        self.total += new;
        self.hour = hour_of(mark.told);
        self.marks.insert(host, mark);
        if self.marks.len() > MARKS_MAX
            && let Some(oldest) = self.marks.iter().min_by_key(|(_, mark)| mark.told).map(|(host, _)| *host)
        {
            self.marks.remove(&oldest);
        }
        new
    }
}

/// What an address carried in one hour.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrafficHour {
    /// The address.
    pub address: AddressId,
    /// Hours since 1970.
    pub hour: i64,
    /// The minutes of the hour in which it carried anything.
    pub minutes: BTreeMap<u8, Traffic>,
}

impl TrafficHour {
    /// An hour without traffic.
    pub fn new(address: AddressId, hour: i64) -> TrafficHour {
        TrafficHour { address, hour, minutes: BTreeMap::new() }
    }

    /// Adds what was carried in the minute that ended at or contains this time.
    pub fn add(&mut self, at: Millis, new: Traffic) {
        *self.minutes.entry(minute_of(at)).or_default() += new;
    }

    /// Its minutes by when they begin.
    pub fn by_time(&self) -> impl Iterator<Item = (Millis, Traffic)> {
        let begins = |minute: u8| Millis((self.hour * MINUTES + i64::from(minute)) * TRAFFIC_MINUTE_MS);
        self.minutes.iter().map(move |(minute, traffic)| (begins(*minute), *traffic))
    }
}

/// The hour since 1970 that what is told at a time belongs to: the last instant before it decides, since a count tells of the past.
pub fn hour_of(at: Millis) -> i64 {
    (at.0 - 1).div_euclid(TRAFFIC_MINUTE_MS * MINUTES)
}

fn minute_of(at: Millis) -> u8 {
    (at.0 - 1).div_euclid(TRAFFIC_MINUTE_MS).rem_euclid(MINUTES) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    fn out(bytes: u64) -> Traffic {
        Traffic { out_bytes: bytes, out_packets: bytes / 100, ..Traffic::default() }
    }

    #[test]
    fn what_is_told_twice_or_late_counts_once_and_a_new_count_from_its_beginning() {
        let mut meter = TrafficMeter::new(AddressId::from_u64(1));
        let (one, other) = (HostId::from_u64(1), HostId::from_u64(2));
        let mark = |since_ms, bytes| TrafficMark { since_ms, told: Millis(7_200_001), total: out(bytes) };
        let steps = [
            (one, mark(5, 1_000), 1_000),
            (one, mark(5, 1_000), 0),
            (one, mark(5, 4_000), 3_000),
            (other, mark(5, 500), 500),
            (one, mark(9, 5_000), 5_000),
            (one, mark(9, 700), 700),
        ];
        for (host, mark, new) in steps {
            assert_eq!(meter.take(host, mark), out(new), "{mark:?}");
        }
        assert_eq!((meter.total.out_bytes, meter.hour), (10_200, 2));
    }

    #[test]
    fn a_minute_that_ends_on_the_hour_belongs_to_the_hour_before() {
        let mut hour = TrafficHour::new(AddressId::from_u64(1), hour_of(Millis(7_200_000)));
        hour.add(Millis(7_200_000), out(100));
        hour.add(Millis(7_199_000), out(100));
        assert_eq!(hour.by_time().collect::<Vec<_>>(), [(Millis(7_140_000), out(200))]);
    }
}
