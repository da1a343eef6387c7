//! Snapshots. `host` is set while one is being taken, `shared` while others than the owner may use it, `snapshot_group` if it was taken
//! in one.

use model::{AccountId, HostId, Snapshot, SnapshotId, VolumeId};

use crate::{By, Column, Row, StoreError, Tx};

impl Row for Snapshot {
    type Id = SnapshotId;
    const TABLE: &'static str = "snapshot";
    const COLUMNS: &'static [Column<Self>] = &[
        Column::new("account", |s| s.account.into()),
        Column::new("volume", |s| s.volume.into()),
        Column::new("host", |s| s.host.into()),
        Column::new("shared", |s| s.shares.any().into()),
        Column::new("snapshot_group", |s| s.group.into()),
    ];

    fn id(&self) -> SnapshotId {
        self.id
    }
}

impl Tx<'_> {
    /// Snapshots of an account, by id.
    pub fn snapshot_list(&self, account: AccountId) -> Result<Vec<Snapshot>, StoreError> {
        self.list(By::is("account", account))
    }

    /// Snapshots that an account may use: its own and what others share with it, by id.
    pub fn snapshot_list_visible(&self, account: AccountId) -> Result<Vec<Snapshot>, StoreError> {
        let mut snapshots = self.snapshot_list(account)?;
        let shared: Vec<Snapshot> = self.list(By::is("shared", true))?;
        snapshots.extend(shared.into_iter().filter(|snapshot| snapshot.account != account && snapshot.visible_to(account)));
        snapshots.sort_by_key(|snapshot| snapshot.id);
        Ok(snapshots)
    }

    /// How many snapshots an account has, counted no further than `at_most`.
    pub fn snapshot_count(&self, account: AccountId, at_most: u64) -> Result<u64, StoreError> {
        self.count_up_to::<Snapshot>(By::is("account", account), at_most)
    }

    /// Snapshots of a volume, by id.
    pub fn snapshot_list_of_volume(&self, volume: VolumeId) -> Result<Vec<Snapshot>, StoreError> {
        self.list(By::is("volume", volume))
    }

    /// Snapshots that a host is taking, by id.
    pub fn snapshot_list_of_host(&self, host: HostId) -> Result<Vec<Snapshot>, StoreError> {
        self.list(By::is("host", host))
    }
}
