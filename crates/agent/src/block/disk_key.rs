//! The keys of encrypted disks, from the document that is held; a trouble says that one is withheld.

use hostspec::{DiskKey, FaultKind, HostSpec, SnapshotPart, VolumeGoal};
use model::{DataKey, VolumeId};

use crate::trouble::Trouble;

/// What a disk is opened with.
#[derive(Debug, Clone, Default)]
pub struct Opened {
    /// The key of its layers; none where it is plain.
    pub own: Option<DataKey>,
    /// The key of the manifest below them; likewise.
    pub under: Option<DataKey>,
}

/// The key of a volume's layers; none where it is plain.
pub fn of_volume(spec: &HostSpec, volume: VolumeId) -> Result<Option<DataKey>, Trouble> {
    Ok(all_of_volume(spec, volume)?.own)
}

/// The keys of a volume.
pub fn all_of_volume(spec: &HostSpec, volume: VolumeId) -> Result<Opened, Trouble> {
    match spec.volumes.iter().find(|known| known.id == volume).map(|known| &known.goal) {
        Some(VolumeGoal::Present { keys, .. }) => {
            Ok(Opened { own: open(keys.own.as_ref(), volume)?, under: open(keys.under.as_ref(), volume)? })
        }
        Some(VolumeGoal::Deleted) | None => Ok(Opened::default()),
    }
}

/// The keys with which a volume is read for a snapshot.
pub fn of_part(part: &SnapshotPart) -> Result<Opened, Trouble> {
    Ok(Opened { own: open(part.keys.own.as_ref(), part.volume)?, under: open(part.keys.under.as_ref(), part.volume)? })
}

fn open(key: Option<&DiskKey>, volume: VolumeId) -> Result<Option<DataKey>, Trouble> {
    let Some(key) = key else { return Ok(None) };
    let withheld = || {
        let words = "its key is withheld: it is disabled or gone, or the control plane has not been heard of since this agent started";
        Trouble::new(FaultKind::Other, format!("{volume} cannot be opened; {words}"))
    };
    key.data_key().cloned().map(Some).ok_or_else(withheld)
}
