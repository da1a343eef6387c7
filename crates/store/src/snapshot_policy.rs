//! Snapshot policies.

use model::{AccountId, SnapshotPolicy, SnapshotPolicyId};

use crate::{By, Column, Row, StoreError, Tx};

impl Row for SnapshotPolicy {
    type Id = SnapshotPolicyId;
    const TABLE: &'static str = "snapshot_policy";
    const COLUMNS: &'static [Column<Self>] = &[Column::new("account", |p| p.account.into())];

    fn id(&self) -> SnapshotPolicyId {
        self.id
    }
}

impl Tx<'_> {
    /// Snapshot policies of an account, by id.
    pub fn snapshot_policy_list(&self, account: AccountId) -> Result<Vec<SnapshotPolicy>, StoreError> {
        self.list(By::is("account", account))
    }
}
