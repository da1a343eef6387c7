//! Trials of snapshots, by the snapshot that is tried.

use model::{HostId, SnapshotId, SnapshotTrial};

use crate::{By, Column, Row, StoreError, Tx};

impl Row for SnapshotTrial {
    type Id = SnapshotId;
    const TABLE: &'static str = "snapshot_trial";
    const COLUMNS: &'static [Column<Self>] = &[Column::new("host", |t| t.host.into())];

    fn id(&self) -> SnapshotId {
        self.snapshot
    }
}

impl Tx<'_> {
    /// Trials that are on a host, by snapshot.
    pub fn snapshot_trial_list_of_host(&self, host: HostId) -> Result<Vec<SnapshotTrial>, StoreError> {
        self.list(By::is("host", host))
    }
}
