//! What images and snapshots are used for, for the lists that tell it.

use std::collections::BTreeSet;

use model::{AccountId, Error, Image, ImageId, Snapshot, SnapshotId};
use store::Tx;

use crate::auth::{Caller, Target};
use crate::describe::{Field, Listed, Listing, Query, check_query, list};
use crate::{Cloud, Failure};

/// An image, and whether one of the asking account's instances runs on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsedImage {
    /// The image.
    pub image: Image,
    /// Whether an instance that is not terminated was made of it.
    pub is_used: bool,
}

/// A snapshot, and what of the asking account was made of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsedSnapshot {
    /// The snapshot.
    pub snapshot: Snapshot,
    /// Whether an image was.
    pub by_image: bool,
    /// Whether a volume was.
    pub by_volume: bool,
}

impl UsedSnapshot {
    /// The use in one word: `image`, `volume`, `both` or `none`.
    pub const fn word(&self) -> &'static str {
        match (self.by_image, self.by_volume) {
            (true, true) => "both",
            (true, false) => "image",
            (false, true) => "volume",
            (false, false) => "none",
        }
    }
}

impl Listing for UsedSnapshot {
    type Id = SnapshotId;
    const NOUN: model::Noun = model::Noun::Snapshot;

    fn id(&self) -> SnapshotId {
        self.snapshot.id
    }

    fn id_value(id: SnapshotId) -> (u64, String) {
        Snapshot::id_value(id)
    }

    fn all(tx: &Tx<'_>, account: AccountId) -> Result<Vec<UsedSnapshot>, Failure> {
        let volumes: BTreeSet<SnapshotId> = tx.volume_list(account)?.iter().filter_map(|volume| volume.snapshot).collect();
        // The account's own that are not taken back.
        let images = Image::all(tx, account)?;
        let images: BTreeSet<SnapshotId> = images.iter().filter(|image| image.account == account).flat_map(Image::snapshots).collect();
        let used = |snapshot: Snapshot| UsedSnapshot {
            by_image: images.contains(&snapshot.id),
            by_volume: volumes.contains(&snapshot.id),
            snapshot,
        };
        Ok(Snapshot::all(tx, account)?.into_iter().map(used).collect())
    }

    fn values(&self, field: &Field) -> Vec<String> {
        match field {
            Field::Use => vec![self.word().to_owned()],
            _ => self.snapshot.values(field),
        }
    }
}

impl Cloud {
    /// Lists images, each with whether the caller's account uses it: only those that it uses, or does not, where that is asked.
    pub async fn list_used_images(
        &self,
        caller: &Caller,
        query: Query<ImageId>,
        is_used: Option<bool>,
    ) -> Result<Listed<UsedImage>, Error> {
        check_query(&query)?;
        self.read(caller, vec![Target::any()], move |tx, cx| {
            let account = cx.caller.account();
            // Asked of the index in memory: an account may have a million instances.
            let used = |image: ImageId| {
                let of = store::Query::of("account", account).any("image", [image]).any("live", [true]);
                Ok::<_, Failure>(cx.cloud.store().count::<model::Instance>(&of)? > 0)
            };
            let mut rows = Image::all(tx, account)?;
            if let Some(wanted) = is_used {
                let mut kept = Vec::with_capacity(rows.len());
                for image in rows {
                    if used(image.id)? == wanted {
                        kept.push(image);
                    }
                }
                rows = kept;
            }
            let Listed { rows, next, total } = list(rows, &query)?;
            let view = |image: Image| Ok::<_, Failure>(UsedImage { is_used: used(image.id)?, image });
            Ok(Listed { rows: rows.into_iter().map(view).collect::<Result<_, _>>()?, next, total })
        })
        .await
    }
}
