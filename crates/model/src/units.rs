//! Quantities that carry their unit in the type, and hardware addresses.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Bytes in one GiB.
pub const GIB: u64 = 1 << 30;
/// Bytes in one MiB.
pub const MIB: u64 = 1 << 20;
/// The hexadecimal digits.
pub(crate) const HEX: &[u8; 16] = b"0123456789abcdef";

/// A size in GiB (2^30 bytes).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Gib(pub u32);

impl Gib {
    /// The size in bytes.
    pub const fn bytes(self) -> u64 {
        self.0 as u64 * GIB
    }

    /// The smallest whole number of GiB that holds so many bytes.
    pub const fn holding(bytes: u64) -> Gib {
        Gib(bytes.div_ceil(GIB) as u32)
    }
}

/// A size in MiB (2^20 bytes).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Mib(pub u64);

impl Mib {
    /// The size in bytes.
    pub const fn bytes(self) -> u64 {
        self.0 * MIB
    }
}

/// A point in time: milliseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Millis(pub i64);

impl Millis {
    /// The point so many milliseconds later.
    pub const fn after(self, millis: i64) -> Millis {
        Millis(self.0.saturating_add(millis))
    }

    /// Milliseconds from `earlier` to here; negative when it is later.
    pub const fn since(self, earlier: Millis) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    /// The same point for calendar work; the epoch when it lies outside the years that a calendar knows.
    pub fn timestamp(self) -> jiff::Timestamp {
        jiff::Timestamp::from_millisecond(self.0).unwrap_or(jiff::Timestamp::UNIX_EPOCH)
    }
}

/// A hardware address of an interface.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MacAddr(pub [u8; 6]);

impl MacAddr {
    /// Makes a locally administered unicast address (second hex digit 2, as IEEE 802 sets the bits) from 40 bits.
    pub const fn local(bits: u64) -> MacAddr {
        let b = bits.to_be_bytes();
        MacAddr([0x02, b[3], b[4], b[5], b[6], b[7]])
    }
}

impl fmt::Display for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = *b"00:00:00:00:00:00";
        for (digits, octet) in text.chunks_mut(3).zip(self.0) {
            (digits[0], digits[1]) = (HEX[usize::from(octet >> 4)], HEX[usize::from(octet & 0xf)]);
        }
        f.write_str(str::from_utf8(&text).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text is not six pairs of hexadecimal digits separated by colons.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a hardware address")]
pub struct MacAddrError;

impl FromStr for MacAddr {
    type Err = MacAddrError;

    fn from_str(text: &str) -> Result<Self, MacAddrError> {
        let mut bytes = [0; 6];
        let mut parts = text.split(':');
        for byte in &mut bytes {
            let part = parts.next().filter(|p| p.len() == 2 && p.bytes().all(|b| b.is_ascii_hexdigit())).ok_or(MacAddrError)?;
            *byte = u8::from_str_radix(part, 16).map_err(|_| MacAddrError)?;
        }
        if parts.next().is_some() { Err(MacAddrError) } else { Ok(MacAddr(bytes)) }
    }
}

impl Serialize for MacAddr {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for MacAddr {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(d)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hardware_address_reads_back_as_itself() {
        let mac = MacAddr::local(0x01_0203_0405);
        assert_eq!(mac.to_string(), "02:01:02:03:04:05");
        assert_eq!(mac.to_string().parse(), Ok(mac));
        for wrong in ["", "02:01", "02:01:02:03:04:05:06", "2:1:2:3:4:5", "02:01:02:03:04:+5"] {
            assert_eq!(wrong.parse::<MacAddr>(), Err(MacAddrError), "{wrong}");
        }
    }

    #[test]
    fn sizes_round_up_to_whole_gib() {
        assert_eq!(Gib::holding(1), Gib(1));
        assert_eq!(Gib::holding(GIB), Gib(1));
        assert_eq!(Gib::holding(GIB + 1), Gib(2));
    }
}
