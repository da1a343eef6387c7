//! Volumes.

use std::collections::HashMap;

use model::{AccountId, HostId, InstanceId, Volume, VolumeId};

use crate::tx::asked;
use crate::{By, Column, Key, Row, StoreError, Tx, bigint};

impl Row for Volume {
    type Id = VolumeId;
    const TABLE: &'static str = "volume";
    const COLUMNS: &'static [Column<Self>] = &[
        Column::new("account", |v| v.account.into()),
        Column::new("host", |v| v.host.into()),
        Column::new("instance", |v| v.instance.into()),
        Column::new("gib", |v| v.size.0.into()),
        Column::new("asked", |v| bigint(v.asked)),
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

    /// How many volumes an account has, counted no further than `at_most`.
    pub fn volume_count(&self, account: AccountId, at_most: u64) -> Result<u64, StoreError> {
        self.count_up_to::<Volume>(By::is("account", account), at_most)
    }

    /// Volumes whose bytes a host keeps, by id.
    pub fn volume_list_of_host(&self, host: HostId) -> Result<Vec<Volume>, StoreError> {
        self.list(By::is("host", host))
    }

    /// Volumes whose bytes a host keeps, by id, with the generation of its document in which each last changed it.
    pub fn volume_asked_of_host(&self, host: HostId) -> Result<Vec<(VolumeId, u64)>, StoreError> {
        let found = self.query("SELECT id, asked FROM volume WHERE host = $1 ORDER BY id", &[host.into()], asked::<VolumeId>)?;
        Ok(found.into_iter().flatten().collect())
    }

    /// Volumes of a host that last changed its document after one generation and up to another.
    pub fn volume_list_asked(&self, host: HostId, after: u64, up_to: u64) -> Result<Vec<Volume>, StoreError> {
        if up_to <= after {
            return Ok(Vec::new());
        }
        self.list(By::is("host", host).above("asked", bigint(after)).at_most("asked", bigint(up_to)))
    }

    /// Volumes attached to an instance, by id.
    pub fn volume_list_of_instance(&self, instance: InstanceId) -> Result<Vec<Volume>, StoreError> {
        self.list(By::is("instance", instance))
    }

    /// Volumes attached to any of these instances, by id.
    pub fn volume_list_of_instances(&self, instances: &[InstanceId]) -> Result<Vec<Volume>, StoreError> {
        let mut volumes: Vec<Volume> = self.list_any("instance", &instances.iter().map(Key::to_value).collect::<Vec<_>>())?;
        volumes.sort_unstable_by_key(|volume| volume.id);
        Ok(volumes)
    }

    /// GiB that volumes take on a host.
    pub fn volume_gib_on_host(&self, host: HostId) -> Result<u64, StoreError> {
        Ok(u64::try_from(self.sum::<Volume>("gib", By::is("host", host))?).unwrap_or(0))
    }

    /// GiB that volumes take on each host that has any.
    pub fn volume_gib_by_host(&self) -> Result<HashMap<HostId, u64>, StoreError> {
        let sql = "SELECT host, CAST(SUM(gib) AS BIGINT) FROM volume GROUP BY host";
        let taken = self.query(sql, &[], |record| Ok((HostId::from_value(&record.value(0)?), record.int(1)?)))?;
        Ok(taken.into_iter().filter_map(|(host, gib)| Some((host?, u64::try_from(gib).unwrap_or(0)))).collect())
    }
}
