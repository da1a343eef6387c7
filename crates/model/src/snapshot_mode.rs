//! How what a disk held at an instant is kept while its guest writes on: chosen for each disk.
//!
//! ```text
//!   the disk's tag  ──else──▶  what the operator says of its kind  ──else──▶  of all disks  ──else──▶  redirect
//! ```
//!
//! What a snapshot holds is the same either way. Not known here: how a host does it.

use std::collections::BTreeMap;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{Error, Tags, VolumeKind};

/// Key of the tag by which a disk's owner says how its snapshots are taken; its values are the words of [`SnapshotMode`].
pub const SNAPSHOT_MODE_TAG: &str = "pileus/snapshot-mode";

/// How what a disk held at an instant is kept while its guest writes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SnapshotMode {
    /// Redirect on write: what is new goes to another place, and what was there stays.
    #[default]
    Redirect,
    /// Copy on write: the first write to a block copies what was there away, and then writes in place.
    Copy,
}

impl SnapshotMode {
    /// Its word: `redirect` or `copy`.
    pub const fn word(self) -> &'static str {
        match self {
            SnapshotMode::Redirect => "redirect",
            SnapshotMode::Copy => "copy",
        }
    }

    /// Whether it is what a disk has of which nothing else was said.
    pub fn is_default(&self) -> bool {
        *self == SnapshotMode::default()
    }
}

impl FromStr for SnapshotMode {
    type Err = Error;

    fn from_str(word: &str) -> Result<SnapshotMode, Error> {
        match word {
            "redirect" => Ok(SnapshotMode::Redirect),
            "copy" => Ok(SnapshotMode::Copy),
            _ => Err(Error::invalid("Tag.Value", format!("of {SNAPSHOT_MODE_TAG} is redirect or copy"))),
        }
    }
}

/// What the operator says of disks whose owners say nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SnapshotModes {
    /// Of all disks.
    pub usual: SnapshotMode,
    /// Of disks of these kinds.
    pub of_kinds: BTreeMap<VolumeKind, SnapshotMode>,
}

impl SnapshotModes {
    /// That of a disk of this kind with these tags.
    pub fn of(&self, kind: VolumeKind, tags: &Tags) -> SnapshotMode {
        let chosen = tags.get(SNAPSHOT_MODE_TAG).and_then(|word| word.parse().ok());
        chosen.or_else(|| self.of_kinds.get(&kind).copied()).unwrap_or(self.usual)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_goes_before_the_kind_and_the_kind_before_the_rest() {
        let modes = SnapshotModes { usual: SnapshotMode::Redirect, of_kinds: [(VolumeKind::Fast, SnapshotMode::Copy)].into() };
        let tagged = |word: &str| Tags::from([(SNAPSHOT_MODE_TAG.to_owned(), word.to_owned())]);
        for (kind, tags, mode) in [
            (VolumeKind::Fast, Tags::new(), SnapshotMode::Copy),
            (VolumeKind::Cold, Tags::new(), SnapshotMode::Redirect),
            (VolumeKind::Fast, tagged("redirect"), SnapshotMode::Redirect),
            (VolumeKind::Cold, tagged("copy"), SnapshotMode::Copy),
        ] {
            assert_eq!(modes.of(kind, &tags), mode, "{kind:?} {tags:?}");
        }
    }

    #[test]
    fn the_words_are_those_that_are_written() {
        for mode in [SnapshotMode::Redirect, SnapshotMode::Copy] {
            assert_eq!(mode.word().parse(), Ok(mode));
            assert_eq!(serde_json::to_value(mode).unwrap(), mode.word());
        }
        assert!("Copy".parse::<SnapshotMode>().is_err());
    }
}
