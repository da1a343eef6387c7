//! Volumes. The row of a shared one lists who has it, and `volume_holder` finds it by each of them: it is written by
//! [`Tx::volume_update`], and read from there as one of them has it.

use std::collections::{BTreeSet, HashMap};

use model::{AccountId, HostId, InstanceId, Volume, VolumeId};

use crate::tx::{Record, asked};
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

    /// Writes a volume that is stored, whole or as one of its instances has it.
    pub fn volume_update(&mut self, volume: &Volume) -> Result<(), StoreError> {
        let row = volume.stored();
        if row.shared {
            let written: BTreeSet<InstanceId> = self.get::<Volume>(row.id)?.iter().flat_map(Volume::instances).collect();
            let now: BTreeSet<InstanceId> = row.instances().collect();
            for gone in written.difference(&now) {
                self.execute("DELETE FROM volume_holder WHERE volume = $1 AND instance = $2", &[row.id.to_value(), gone.to_value()])?;
            }
            for new in now.difference(&written) {
                self.execute("INSERT INTO volume_holder (volume, instance) VALUES ($1, $2)", &[row.id.to_value(), new.to_value()])?;
            }
        }
        self.update::<Volume>(&row)
    }

    /// Volumes attached to an instance, by id; shared ones as it has them.
    pub fn volume_list_of_instance(&self, instance: InstanceId) -> Result<Vec<Volume>, StoreError> {
        self.with_shared(self.list(By::is("instance", instance))?, &[instance])
    }

    /// Volumes attached to any of these instances, by id; shared ones as each has them.
    pub fn volume_list_of_instances(&self, instances: &[InstanceId]) -> Result<Vec<Volume>, StoreError> {
        let own = self.list_any("instance", &instances.iter().map(Key::to_value).collect::<Vec<_>>())?;
        self.with_shared(own, instances)
    }

    fn with_shared(&self, mut volumes: Vec<Volume>, instances: &[InstanceId]) -> Result<Vec<Volume>, StoreError> {
        for (instance, volume) in self.volume_holders(instances)? {
            volumes.extend(self.get::<Volume>(volume)?.and_then(|volume| volume.as_held_by(instance)));
        }
        volumes.sort_unstable_by_key(|volume| (volume.id, volume.instance));
        Ok(volumes)
    }

    /// The shared volumes that any of these instances has.
    fn volume_holders(&self, instances: &[InstanceId]) -> Result<Vec<(InstanceId, VolumeId)>, StoreError> {
        let wanted: BTreeSet<InstanceId> = instances.iter().copied().collect();
        // Few volumes are shared: what lies between the first instance and the last is read, and the rest left out.
        let (Some(first), Some(last)) = (wanted.first(), wanted.last()) else { return Ok(Vec::new()) };
        let sql = "SELECT instance, volume FROM volume_holder WHERE instance >= $1 AND instance <= $2 ORDER BY instance, volume";
        let read = |record: Record<'_>| Ok(InstanceId::from_value(&record.value(0)?).zip(VolumeId::from_value(&record.value(1)?)));
        let found = self.query(sql, &[first.to_value(), last.to_value()], read)?;
        Ok(found.into_iter().flatten().filter(|(instance, _)| wanted.contains(instance)).collect())
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
