//! The key of an encrypted disk, as it is in memory: 32 random bytes that nobody prints.
//!
//! At rest it is only ever wrapped by a key of its account ([`crate::Encryption`]). It travels to the host of its disk in that host's
//! document, and is not in the document that the host keeps.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroize;

/// Length of a data key in bytes.
pub const DATA_KEY_LEN: usize = 32;

/// The key of a disk's layers and of the chunks of its snapshots. Its bytes are overwritten when it is dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct DataKey([u8; DATA_KEY_LEN]);

impl DataKey {
    /// Takes over the bytes of a key.
    pub fn new(bytes: [u8; DATA_KEY_LEN]) -> DataKey {
        DataKey(bytes)
    }

    /// The bytes, for a cipher and for the line to a host.
    pub fn expose(&self) -> &[u8; DATA_KEY_LEN] {
        &self.0
    }

    /// Reads 64 hexadecimal digits.
    pub fn from_hex(text: &str) -> Option<DataKey> {
        if text.len() != 2 * DATA_KEY_LEN || !text.is_ascii() {
            return None;
        }
        let mut key = DataKey([0; DATA_KEY_LEN]);
        for (byte, digits) in key.0.iter_mut().zip(text.as_bytes().chunks(2)) {
            let digits = std::str::from_utf8(digits).ok()?;
            *byte = u8::from_str_radix(digits, 16).ok().filter(|_| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))?;
        }
        Some(key)
    }

    /// Writes 64 lower-case hexadecimal digits, which the caller overwrites.
    pub fn to_hex(&self) -> String {
        self.0.iter().fold(String::with_capacity(2 * DATA_KEY_LEN), |mut text, byte| {
            text.extend([byte >> 4, byte & 15].map(|digit| char::from_digit(u32::from(digit), 16).expect("four bits are a digit")));
            text
        })
    }
}

impl Drop for DataKey {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DataKey")
    }
}

impl Serialize for DataKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut text = self.to_hex();
        let done = serializer.serialize_str(&text);
        text.zeroize();
        done
    }
}

impl<'de> Deserialize<'de> for DataKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<DataKey, D::Error> {
        let mut text = String::deserialize(deserializer)?;
        let key = DataKey::from_hex(&text);
        text.zeroize();
        key.ok_or_else(|| serde::de::Error::custom("a data key is 64 hexadecimal digits"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_travels_as_digits_and_is_never_printed() {
        let key = DataKey::new(std::array::from_fn(|n| n as u8 * 7));
        let text = serde_json::to_string(&key).unwrap();
        assert_eq!(text.len(), 66);
        assert_eq!(serde_json::from_str::<DataKey>(&text).unwrap(), key);
        assert_eq!(format!("{key:?}"), "DataKey");
        for wrong in ["", &"0".repeat(63), &"g".repeat(64), &format!("+{}", "0".repeat(63)), &"é".repeat(32)] {
            assert_eq!(DataKey::from_hex(wrong), None, "{wrong}");
        }
    }
}
