//! Groups of snapshots. Which snapshots are in one is said by the snapshots.

use model::{AccountId, Snapshot, SnapshotGroup, SnapshotGroupId};

use crate::{By, Column, Row, StoreError, Tx};

impl Row for SnapshotGroup {
    type Id = SnapshotGroupId;
    const TABLE: &'static str = "snapshot_group";
    const COLUMNS: &'static [Column<Self>] = &[Column::new("account", |group| group.account.into())];

    fn id(&self) -> SnapshotGroupId {
        self.id
    }
}

impl Tx<'_> {
    /// Groups of snapshots of an account, by id.
    pub fn snapshot_group_list(&self, account: AccountId) -> Result<Vec<SnapshotGroup>, StoreError> {
        self.list(By::is("account", account))
    }

    /// Snapshots of a group, by id.
    pub fn snapshot_list_of_group(&self, group: SnapshotGroupId) -> Result<Vec<Snapshot>, StoreError> {
        self.list(By::is("snapshot_group", group))
    }
}
