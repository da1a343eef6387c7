//! Virtual MFA devices: a seed that somebody's telephone and the cloud share, and a code of it for each half minute (RFC 6238).
//!
//! ```text
//!   made ──two codes in a row──▶ a user's ──deactivated──▶ made ──▶ deleted
//! ```
//!
//! A code counts once: no code of its half minute or of an earlier one is taken again. It does not know where seeds are kept.

use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha1::Sha1;

use crate::{AccountId, Error, MfaDeviceId, Millis, Tags, UserId};

/// Most devices of one user (IAM: 8).
pub const MFA_DEVICES_OF_USER_MAX: usize = 8;
/// Bytes of a seed: as many as IAM's, whose text has 64 letters. RFC 4226, R6, wants 16 at least.
pub const MFA_SEED_LEN: usize = 40;
/// How long one code is shown, in milliseconds (RFC 6238, 5.2).
const STEP_MS: u64 = 30_000;
/// Steps by which a code may be early or late (RFC 6238, 5.2: "at most one time step").
const WINDOW: i64 = 1;
/// Steps by which a device's clock may be wrong when it shows two codes in a row: ten minutes.
const DRIFT_MAX: i64 = 20;
/// Wrong codes in a row after which none is taken for a while. Five tries of a million, of which three are right, each minute:
/// half of all codes would be tried in five years.
const WRONG_MAX: u32 = 5;
/// How long none is taken then, in milliseconds.
const PAUSE_MS: i64 = 60_000;

/// A virtual MFA device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MfaDevice {
    /// Its id.
    pub id: MfaDeviceId,
    /// The account that it belongs to.
    pub account: AccountId,
    /// Name, unique in the account.
    pub name: String,
    /// The seed, encrypted under the installation's master key (nonce and ciphertext, base64).
    pub sealed_seed: String,
    /// Whose it is.
    pub holder: Option<MfaHolder>,
    /// When it was made.
    pub created_at: Millis,
    /// Tags.
    #[serde(default, skip_serializing_if = "Tags::is_empty")]
    pub tags: Tags,
}

/// Whose a device is, and how far its codes are used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MfaHolder {
    /// The user.
    pub user: UserId,
    /// Since when.
    pub since: Millis,
    /// The step of the last code that was taken.
    pub last: u64,
    /// Steps by which the device's clock is ahead of ours.
    pub drift: i64,
    /// Wrong codes since the last right one.
    pub wrong: u32,
    /// Until when no code is taken.
    pub paused_until: Option<Millis>,
}

impl MfaDevice {
    /// Makes it a user's, whose device shows these two codes one after the other.
    pub fn enable(&mut self, seed: &[u8], user: UserId, codes: [&str; 2], now: Millis) -> Result<(), Error> {
        let (last, drift) = in_a_row(seed, codes, now, None)?;
        self.holder = Some(MfaHolder { user, since: now, last, drift, wrong: 0, paused_until: None });
        Ok(())
    }
}

impl MfaHolder {
    /// Learns how far the device's clock is off, by two codes in a row.
    pub fn resync(&mut self, seed: &[u8], codes: [&str; 2], now: Millis) -> Result<(), Error> {
        (self.last, self.drift) = in_a_row(seed, codes, now, Some(self.last))?;
        (self.wrong, self.paused_until) = (0, None);
        Ok(())
    }

    /// Whether a code is right and was not taken before. Notes the code as taken, or as one more wrong one.
    pub fn take(&mut self, seed: &[u8], code: &str, now: Millis) -> bool {
        if self.paused_until.is_some_and(|until| now < until) {
            return false;
        }
        let here = step_at(now).saturating_add_signed(self.drift);
        let near = (-WINDOW..=WINDOW).map(|offset| here.saturating_add_signed(offset));
        match near.filter(|step| *step > self.last).find(|step| is_code(seed, *step, code)) {
            Some(step) => {
                (self.last, self.wrong, self.paused_until) = (step, 0, None);
                true
            }
            None => {
                self.wrong += 1;
                if self.wrong >= WRONG_MAX {
                    (self.wrong, self.paused_until) = (0, Some(now.after(PAUSE_MS)));
                }
                false
            }
        }
    }
}

/// The step of the second of two codes in a row, and by how much it is ahead of ours.
fn in_a_row(seed: &[u8], [first, second]: [&str; 2], now: Millis, last: Option<u64>) -> Result<(u64, i64), Error> {
    let here = step_at(now);
    let mut nearest: Vec<i64> = (-DRIFT_MAX..=DRIFT_MAX).collect();
    nearest.sort_by_key(|drift| drift.abs());
    let found = nearest.into_iter().find(|drift| {
        let step = here.saturating_add_signed(*drift);
        last.is_none_or(|last| step > last + 1) && is_code(seed, step, second) && is_code(seed, step.saturating_sub(1), first)
    });
    let drift = found.ok_or(Error::InvalidMfaCode)?;
    Ok((here.saturating_add_signed(drift), drift))
}

fn step_at(now: Millis) -> u64 {
    u64::try_from(now.0).unwrap_or(0) / STEP_MS
}

fn is_code(seed: &[u8], step: u64, code: &str) -> bool {
    code == mfa_code(seed, step * STEP_MS)
}

/// The code that a device with this seed shows at a moment, in milliseconds since 1970: six digits (RFC 4226, 5.3).
pub fn mfa_code(seed: &[u8], at_ms: u64) -> String {
    let mut mac = Hmac::<Sha1>::new_from_slice(seed).expect("HMAC takes keys of any length");
    mac.update(&(at_ms / STEP_MS).to_be_bytes());
    let digest = mac.finalize().into_bytes();
    let at = usize::from(digest[digest.len() - 1] & 0xf);
    let number = u32::from_be_bytes([digest[at] & 0x7f, digest[at + 1], digest[at + 2], digest[at + 3]]);
    format!("{:06}", number % 1_000_000)
}

/// Writes a seed as devices read it: base 32 without padding (RFC 4648).
pub fn mfa_seed_text(seed: &[u8]) -> String {
    const LETTERS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let (mut bits, mut held, mut text) = (0_u32, 0, String::new());
    for byte in seed {
        (bits, held) = (bits << 8 | u32::from(*byte), held + 8);
        while held >= 5 {
            held -= 5;
            text.push(char::from(LETTERS[(bits >> held & 31) as usize]));
        }
        bits &= (1 << held) - 1;
    }
    if held > 0 {
        text.push(char::from(LETTERS[(bits << (5 - held) & 31) as usize]));
    }
    text
}

/// Checks the name of a device: 1 to 226 of letters, digits and `+=,.@_-`, as IAM has it.
pub fn check_mfa_device_name(name: &str) -> Result<(), Error> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "+=,.@_-".contains(c);
    if name.is_empty() || name.len() > 226 || !name.chars().all(allowed) {
        return Err(Error::invalid("VirtualMFADeviceName", "must be 1 to 226 of letters, digits and +=,.@_-"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEED: &[u8] = b"12345678901234567890";
    const NOW: Millis = Millis(1_795_176_000_000);

    fn code(steps: i64) -> String {
        mfa_code(SEED, (NOW.0 + steps * 30_000) as u64)
    }

    fn device(drift: i64) -> MfaDevice {
        let id = MfaDeviceId::from_u64(1);
        let account = AccountId::from_u64(1).unwrap();
        let (name, sealed_seed) = ("phone".to_owned(), String::new());
        let mut device = MfaDevice { id, account, name, sealed_seed, holder: None, created_at: NOW, tags: Tags::new() };
        device.enable(SEED, UserId::from_u64(2), [&code(drift - 1), &code(drift)], NOW).unwrap();
        device
    }

    #[test]
    fn codes_are_those_of_the_rfc() {
        // RFC 6238, appendix B, SHA-1, the last six of eight digits.
        for (seconds, expected) in [(59, "287082"), (1_111_111_109, "081804"), (2_000_000_000, "279037"), (20_000_000_000, "353130")] {
            assert_eq!(mfa_code(SEED, seconds * 1_000), expected, "{seconds}");
        }
    }

    #[test]
    fn a_seed_is_written_as_the_rfc_has_it() {
        // RFC 4648, section 10.
        for (seed, expected) in [("", ""), ("f", "MY"), ("fo", "MZXQ"), ("foo", "MZXW6"), ("foob", "MZXW6YQ"), ("fooba", "MZXW6YTB")] {
            assert_eq!(mfa_seed_text(seed.as_bytes()), expected);
        }
        assert_eq!(mfa_seed_text(&[255; MFA_SEED_LEN]).len(), 64);
    }

    #[test]
    fn a_code_counts_once_and_near_its_time() {
        let mut holder = device(0).holder.unwrap();
        assert!(!holder.take(SEED, &code(0), NOW), "it was used to enable the device");
        assert!(!holder.take(SEED, &code(2), NOW), "too early");
        assert!(holder.take(SEED, &code(1), NOW));
        assert!(!holder.take(SEED, &code(1), NOW), "again");
        let later = NOW.after(90_000);
        assert!(!holder.take(SEED, &code(1), later));
        assert!(holder.take(SEED, &code(2), later), "one step late");
    }

    #[test]
    fn a_clock_that_is_off_is_learned_from_two_codes() {
        let mut holder = device(7).holder.unwrap();
        assert!(!holder.take(SEED, &code(1), NOW));
        assert!(holder.take(SEED, &code(8), NOW));
        assert_eq!(holder.resync(SEED, [&code(9), &code(8)], NOW), Err(Error::InvalidMfaCode), "not in a row");
        let later = NOW.after(300_000);
        assert_eq!(holder.resync(SEED, [&code(9), &code(10)], later), Ok(()));
        assert_eq!(holder.drift, 0);
        assert_eq!(holder.resync(SEED, [&code(9), &code(10)], later), Err(Error::InvalidMfaCode), "taken before");
        assert_eq!(holder.resync(SEED, [&code(40), &code(41)], later), Err(Error::InvalidMfaCode), "further off than ten minutes");
    }

    #[test]
    fn after_some_wrong_codes_none_is_taken_for_a_minute() {
        let mut holder = device(0).holder.unwrap();
        for _ in 0..WRONG_MAX {
            assert!(!holder.take(SEED, "000000", NOW));
        }
        assert!(!holder.take(SEED, &code(1), NOW), "right, and too soon");
        assert!(holder.take(SEED, &code(2), NOW.after(60_000)));
    }
}
