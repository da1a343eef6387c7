//! Which manifests of the repository the rows speak of, and who would miss one.

use std::collections::{BTreeMap, BTreeSet};

use model::{Error, Image, ImagePhase, ImageWork, Millis, Snapshot, SnapshotPhase, Volume};
use store::By;

use crate::{Cloud, Failure};

/// Which manifests of the repository rows speak of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManifestsNeeded {
    /// Their digests.
    pub digests: BTreeSet<String>,
    /// Since when a snapshot has been on its way whose manifest no row names yet.
    pub pending_since: Option<Millis>,
}

impl Cloud {
    /// The manifests that images, snapshots and volumes are made of, also those of volumes that are being deleted. Reads every
    /// volume, on a thread of its own.
    pub async fn manifests_needed(&self) -> Result<ManifestsNeeded, Error> {
        let found = self.store().scan(|tx| {
            let mut digests = BTreeSet::new();
            // Images that volumes read by no manifest of their own, as those of earlier versions do.
            let mut read_whole = BTreeSet::new();
            let mut pending_since = None;
            for snapshot in tx.list::<Snapshot>(By::all())? {
                if matches!(snapshot.phase, SnapshotPhase::Pending { .. }) {
                    pending_since = Some(pending_since.map_or(snapshot.created_at, |since: Millis| since.min(snapshot.created_at)));
                }
                if snapshot.host.is_some() || snapshot.upload.is_some() {
                    digests.extend(snapshot.under);
                }
                digests.extend(snapshot.manifest);
            }
            for task in tx.image_task_list_active()? {
                match task.work {
                    ImageWork::ExportImage { manifest, .. } => drop(digests.insert(manifest)),
                    // As a snapshot that is pending.
                    ImageWork::ImportImage { .. } | ImageWork::ImportSnapshot { .. } => {
                        pending_since = Some(pending_since.map_or(task.created_at, |since: Millis| since.min(task.created_at)));
                    }
                }
            }
            for volume in tx.list::<Volume>(By::all())? {
                match volume.manifest {
                    Some(manifest) => drop(digests.insert(manifest)),
                    None => read_whole.extend(volume.image),
                }
            }
            let needed = |image: &Image| image.phase != ImagePhase::Deregistered || read_whole.contains(&image.id);
            digests.extend(tx.list::<Image>(By::all())?.into_iter().filter(needed).map(|image| image.manifest));
            Ok::<_, Failure>(ManifestsNeeded { digests, pending_since })
        });
        found.await.map_err(|failure| self.refusal("read which manifests are needed", failure))
    }

    /// Images, snapshots and volumes that read each of these manifests, by their ids, in order. Reads every volume, on a thread of its own.
    pub async fn manifest_readers(&self, manifests: BTreeSet<String>) -> Result<BTreeMap<String, Vec<String>>, Error> {
        let found = self.store().scan(move |tx| {
            let mut readers: BTreeMap<String, Vec<String>> = BTreeMap::new();
            let mut note = |manifest: Option<String>, reader: String| {
                if let Some(manifest) = manifest.filter(|manifest| manifests.contains(manifest)) {
                    readers.entry(manifest).or_default().push(reader);
                }
            };
            for image in tx.list::<Image>(By::all())?.into_iter().filter(|image| image.phase != ImagePhase::Deregistered) {
                note(Some(image.manifest), format!("image {} ({})", image.id, image.name));
            }
            for snapshot in tx.list::<Snapshot>(By::all())? {
                note(snapshot.manifest, format!("snapshot {}", snapshot.id));
            }
            for volume in tx.list::<Volume>(By::all())? {
                note(volume.manifest, format!("volume {}", volume.id));
            }
            Ok::<_, Failure>(readers)
        });
        found.await.map_err(|failure| self.refusal("read who needs a manifest", failure))
    }
}
