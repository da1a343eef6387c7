//! What can go wrong with one machine or volume: a kind that the control plane decides by, and words for the operator.

use hostspec::{Fault, FaultKind};
use nix::errno::Errno;

/// Something that went wrong on this host.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct Trouble {
    /// What kind of fault it is.
    pub kind: FaultKind,
    /// Words for the operator.
    pub detail: String,
}

impl Trouble {
    /// Makes a trouble of this kind.
    pub fn new(kind: FaultKind, detail: impl Into<String>) -> Trouble {
        Trouble { kind, detail: detail.into() }
    }

    /// Makes a trouble from a failed system call; a full disk and a lack of memory are told from the rest.
    pub fn io(doing: &str, error: &std::io::Error) -> Trouble {
        let kind = match error.raw_os_error().map(Errno::from_raw) {
            Some(Errno::ENOSPC | Errno::EDQUOT) => FaultKind::DiskFull,
            Some(Errno::ENOMEM | Errno::EAGAIN | Errno::EMFILE | Errno::ENFILE) => FaultKind::NoCapacity,
            Some(_) | None => FaultKind::Other,
        };
        Trouble { kind, detail: format!("{doing}: {error}") }
    }

    /// The fault of a report after so many tries in a row.
    pub fn fault(&self, tries: u32) -> Fault {
        Fault { kind: self.kind, detail: self.detail.clone(), tries }
    }
}

/// Milliseconds before the next try after so many failures in a row: 1 s, doubled each time, at most [`RETRY_LIMIT_MS`].
pub fn retry_after_ms(tries: u32) -> i64 {
    (RETRY_FIRST_MS << tries.saturating_sub(1).min(16)).min(RETRY_LIMIT_MS)
}

/// Milliseconds before the second try.
const RETRY_FIRST_MS: i64 = 1_000;

/// Longest wait between two tries: a repaired host is used again within a minute.
const RETRY_LIMIT_MS: i64 = 60_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tries_are_spaced_further_and_further_up_to_a_minute() {
        assert_eq!([1, 2, 3, 7, 40].map(retry_after_ms), [1_000, 2_000, 4_000, 60_000, 60_000]);
    }

    #[test]
    fn a_full_disk_is_told_from_other_failures() {
        let kind = |e: Errno| Trouble::io("writing", &std::io::Error::from_raw_os_error(e as i32)).kind;
        assert_eq!(kind(Errno::ENOSPC), FaultKind::DiskFull);
        assert_eq!(kind(Errno::ENOMEM), FaultKind::NoCapacity);
        assert_eq!(kind(Errno::EACCES), FaultKind::Other);
    }
}
