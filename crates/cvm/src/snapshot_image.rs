//! Images that are made of snapshots, as CBS lists them with the snapshots.

use std::collections::BTreeMap;

use control::{Field, Filter};
use model::{Image, Snapshot, SnapshotId};
use wire::Show;

use crate::error::Fault;
use crate::{Cx, id, page};

/// An image that is made of a snapshot.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Show)]
#[reply(list = "")]
pub(crate) struct ImageOfSnapshot {
    image_id: String,
    image_name: String,
}

/// The caller's images by the snapshots that they are made of.
pub(crate) struct ImagesOf(BTreeMap<SnapshotId, Vec<ImageOfSnapshot>>);

impl ImagesOf {
    /// Looks for the images of these snapshots.
    pub(crate) async fn all(cx: &Cx<'_>, snapshots: impl Iterator<Item = &Snapshot>) -> Result<ImagesOf, Fault> {
        let mut by_snapshot: BTreeMap<SnapshotId, Vec<ImageOfSnapshot>> = snapshots.map(|snapshot| (snapshot.id, vec![])).collect();
        if by_snapshot.is_empty() {
            return Ok(ImagesOf(by_snapshot));
        }
        let values = by_snapshot.keys().map(SnapshotId::to_string).collect();
        let images = page::all::<Image>(cx, &[Filter { field: Field::Snapshot, values }]).await?;
        for image in images.iter().filter(|image| image.account == cx.caller.account()) {
            for snapshot in image.snapshots() {
                if let Some(of) = by_snapshot.get_mut(&snapshot) {
                    of.push(ImageOfSnapshot { image_id: id::shown(image.id), image_name: image.name.clone() });
                }
            }
        }
        Ok(ImagesOf(by_snapshot))
    }

    /// Those of one snapshot.
    pub(crate) fn of(&self, snapshot: SnapshotId) -> &[ImageOfSnapshot] {
        self.0.get(&snapshot).map_or(&[], Vec::as_slice)
    }
}
