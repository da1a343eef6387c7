//! Snapshots as they are shown.

use control::Field;
use model::{AccountId, Tags};
use schemars::JsonSchema;
use serde::Serialize;

use crate::Cx;
use crate::error::Refusal;
use crate::page::{self, Page, Show};
use crate::query::{Parameter, TAGS};
use crate::routes::Nothing;
use crate::schema::{self, Time};

/// Filters of the list.
pub(crate) const FILTERS: &[Parameter] = &[
    Parameter::filter("id", Field::Snapshot, "Only these."),
    Parameter::filter("volume", Field::Volume, "Only those of one of these volumes."),
    Parameter::filter("state", Field::State, "Only those in one of these states."),
    TAGS,
];

/// A snapshot.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Snapshot<'a> {
    #[schemars(with = "schema::SnapshotId")]
    id: model::SnapshotId,
    /// The account that owns it.
    #[schemars(with = "String")]
    account: AccountId,
    /// The volume that it was taken of, which may be gone.
    #[schemars(with = "schema::VolumeId")]
    volume: model::VolumeId,
    name: &'a str,
    description: &'a str,
    #[schemars(with = "schema::SnapshotState")]
    state: &'static str,
    /// Hundredths that are done.
    percent: u8,
    /// What file systems are like on a disk that is made of it; absent until it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "schema::Consistency")]
    consistency: Option<&'static str>,
    /// How what the volume held was kept while its guest wrote on.
    #[schemars(with = "schema::SnapshotMode")]
    mode: model::SnapshotMode,
    /// Size of the volume then.
    size_gib: u32,
    /// Compressed bytes that were stored for it, beyond those that were there already.
    stored_bytes: u64,
    encrypted: bool,
    created_at: Time,
    tags: &'a Tags,
}

impl Show for model::Snapshot {
    type As<'a> = Snapshot<'a>;

    fn show(&self) -> Snapshot<'_> {
        Snapshot {
            id: self.id,
            account: self.account,
            volume: self.volume,
            name: self.shown_name(),
            description: &self.description,
            state: self.word(),
            percent: self.percent(),
            consistency: self.consistency.map(model::Consistency::word),
            mode: self.mode,
            size_gib: self.size.0,
            stored_bytes: self.stored_bytes,
            encrypted: self.encryption.is_some(),
            created_at: Time(self.created_at),
            tags: &self.tags,
        }
    }
}

/// Lists snapshots.
pub(crate) async fn list(cx: Cx, _: Nothing) -> Result<Page<model::Snapshot>, Refusal> {
    page::list(&cx).await
}
