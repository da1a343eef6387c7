//! Volumes.

use model::{AccountId, HostId, InstanceId, Volume, VolumeId};

use crate::{By, Column, Row, StoreError, Tx};

impl Row for Volume {
    type Id = VolumeId;
    const TABLE: &'static str = "volume";
    const COLUMNS: &'static [Column<Self>] = &[
        Column::new("account", |v| v.account.into()),
        Column::new("host", |v| v.host.into()),
        Column::new("instance", |v| v.instance.into()),
        Column::new("gib", |v| v.size.0.into()),
    ];

    fn id(&self) -> VolumeId {
        self.id
    }
}

impl Tx<'_> {
    /// Volumes of an account, by id.
    pub fn volume_list(&self, account: AccountId) -> Result<Vec<Volume>, StoreError> {
        self.list(By::is("account", account))
    }

    /// Volumes whose bytes a host keeps, by id.
    pub fn volume_list_of_host(&self, host: HostId) -> Result<Vec<Volume>, StoreError> {
        self.list(By::is("host", host))
    }

    /// Volumes attached to an instance, by id.
    pub fn volume_list_of_instance(&self, instance: InstanceId) -> Result<Vec<Volume>, StoreError> {
        self.list(By::is("instance", instance))
    }

    /// GiB that volumes take on a host.
    pub fn volume_gib_on_host(&self, host: HostId) -> Result<u64, StoreError> {
        Ok(u64::try_from(self.sum::<Volume>("gib", By::is("host", host))?).unwrap_or(0))
    }
}
