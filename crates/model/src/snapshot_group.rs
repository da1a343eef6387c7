//! Groups of snapshots: what several volumes of an instance held at one instant, under one name.
//!
//! ```text
//!   a group stands while it has a snapshot: it goes with the last of them, and takes all that are left when it is deleted
//! ```
//!
//! Its state is that of its snapshots; nothing is kept beside them.

use serde::{Deserialize, Serialize};

use crate::{AccountId, InstanceId, Millis, Snapshot, SnapshotGroupId, Tags};

/// A group of snapshots.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotGroup {
    /// Its id.
    pub id: SnapshotGroupId,
    /// Owner.
    pub account: AccountId,
    /// Display name.
    pub name: String,
    /// Description.
    pub description: String,
    /// The instance whose volumes they are of, which may be gone.
    pub instance: InstanceId,
    /// When it was asked for.
    pub created_at: Millis,
    /// When what is said of it was last changed.
    pub changed_at: Millis,
    /// Tags.
    pub tags: Tags,
}

impl SnapshotGroup {
    /// The state of a group of these snapshots in one word: `pending` while one is, else `error` if one failed, else `completed`.
    pub fn word(snapshots: &[Snapshot]) -> &'static str {
        let any = |word| snapshots.iter().any(|snapshot| snapshot.word() == word);
        match (any("pending"), any("error")) {
            (true, _) => "pending",
            (false, true) => "error",
            (false, false) => "completed",
        }
    }

    /// Hundredths that are done of these snapshots together, each counted by its size.
    pub fn percent(snapshots: &[Snapshot]) -> u8 {
        let whole: u64 = snapshots.iter().map(|snapshot| u64::from(snapshot.size.0)).sum();
        let done: u64 = snapshots.iter().map(|snapshot| u64::from(snapshot.size.0) * u64::from(snapshot.percent())).sum();
        done.checked_div(whole).map_or(100, |percent| percent.min(100) as u8)
    }

    /// The name of the snapshot with this number, from 0, in a group of this name; CBS documents it.
    pub fn name_of(name: &str, number: usize) -> String {
        if name.is_empty() { String::new() } else { format!("{name}_{number}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Gib, SnapshotPhase};

    fn snapshots(of: &[(u32, SnapshotPhase)]) -> Vec<Snapshot> {
        let snapshot = |(size, phase): &(u32, SnapshotPhase)| Snapshot { size: Gib(*size), phase: *phase, ..crate::snapshot::pending() };
        of.iter().map(snapshot).collect()
    }

    #[test]
    fn a_group_is_what_its_snapshots_are() {
        let half = SnapshotPhase::Pending { percent: 50, until: Millis(1_000) };
        for (of, word, percent) in [
            (vec![(1, SnapshotPhase::Completed)], "completed", 100),
            (vec![(1, SnapshotPhase::Completed), (3, half)], "pending", 62),
            (vec![(1, SnapshotPhase::Failed), (3, half)], "pending", 37),
            (vec![(1, SnapshotPhase::Completed), (1, SnapshotPhase::Failed)], "error", 50),
            (vec![], "completed", 100),
        ] {
            let of = snapshots(&of);
            assert_eq!((SnapshotGroup::word(&of), SnapshotGroup::percent(&of)), (word, percent), "{of:?}");
        }
    }
}
