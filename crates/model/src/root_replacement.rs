//! Replacements of the system disk of an instance that runs: asked for, and ended when its guest runs from the new one.
//!
//! ```text
//!   pending ─(the new volume's bytes are there)─▶ in progress ─(the guest runs from it)─▶ succeeded
//!      └────────────────────────────(deadline)──────────▶ failed
//! ```
//!
//! They are kept with their instance, the latest of them. Not known here: what the new disk starts as.

use serde::{Deserialize, Serialize};

use crate::{ImageId, Instance, Millis, RootReplacementId, SeenState, SnapshotId, Tags, VolumeId};

/// How long a guest may take to run from its new disk before the replacement counts as failed. The host goes on trying.
pub const REPLACEMENT_DEADLINE_MS: i64 = 10 * 60_000;
/// Most replacements that are kept of an instance; the oldest is forgotten first.
pub const REPLACEMENTS_KEPT: usize = 16;

/// A replacement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RootReplacement {
    /// Its id.
    pub id: RootReplacementId,
    /// The new volume.
    pub volume: VolumeId,
    /// The volume whose place it took.
    pub replaced: VolumeId,
    /// The image that it starts as, where one was named.
    pub image: Option<ImageId>,
    /// The snapshot that it starts as, likewise.
    pub snapshot: Option<SnapshotId>,
    /// Whether the old volume is deleted.
    pub deletes_old: bool,
    /// The restart count from which on the guest runs from the new volume.
    pub boot: u64,
    /// When it was asked for.
    pub started_at: Millis,
    /// When it ended, and whether the guest runs from the new volume.
    pub ended: Option<(Millis, bool)>,
    /// Tags.
    pub tags: Tags,
}

impl RootReplacement {
    /// How far it is, in EC2's words; `is_there` says whether the bytes of the new volume are.
    pub const fn word(&self, is_there: bool) -> &'static str {
        match (self.ended, is_there) {
            (None, false) => "pending",
            (None, true) => "in-progress",
            (Some((_, true)), _) => "succeeded",
            (Some((_, false)), _) => "failed",
        }
    }

    fn end(&self, instance: &Instance, now: Millis) -> Option<bool> {
        let seen = instance.seen.as_ref().filter(|seen| seen.state == SeenState::Running && seen.boot >= self.boot);
        if seen.is_some_and(|seen| seen.disks.contains(&self.volume)) {
            return Some(true);
        }
        (now >= self.started_at.after(REPLACEMENT_DEADLINE_MS)).then_some(false)
    }
}

impl Instance {
    /// Keeps a replacement.
    pub fn keep_replacement(&mut self, replacement: RootReplacement) {
        self.root_replacements.push(replacement);
        let beyond = self.root_replacements.len().saturating_sub(REPLACEMENTS_KEPT);
        self.root_replacements.drain(..beyond);
    }

    /// The replacement that is under way.
    pub fn replacement_under_way(&self) -> Option<&RootReplacement> {
        self.root_replacements.iter().find(|replacement| replacement.ended.is_none())
    }

    /// The instance with every replacement ended that has; none when there is no such.
    pub(crate) fn with_replacements_ended(&self, now: Millis) -> Option<Instance> {
        let under_way = self.replacement_under_way()?;
        let succeeded = under_way.end(self, now)?;
        let id = under_way.id;
        let mut next = self.clone();
        for replacement in next.root_replacements.iter_mut().filter(|replacement| replacement.id == id) {
            replacement.ended = Some((now, succeeded));
        }
        Some(next)
    }
}
