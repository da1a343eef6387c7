//! Instances.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::Ipv4Addr;

use model::{AccountId, HostId, ImageId, Instance, InstanceId, ReservationId, SubnetId, VpcId};

use crate::tx::{Record, asked};
use crate::{By, Column, Facet, Facets, Key, Row, StoreError, Tx, Value, bigint};

impl Row for Instance {
    type Id = InstanceId;
    const TABLE: &'static str = "instance";
    const COLUMNS: &'static [Column<Self>] = &[
        Column::new("account", |i| i.account.into()),
        Column::new("reservation", |i| i.reservation.into()),
        Column::new("host", |i| i.host.into()),
        Column::new("live", |i| i.is_live().into()),
        Column::new("on_host", |i| i.is_on_host().into()),
        Column::new("asked", |i| bigint(i.asked)),
        Column::new("held_vcpus", |i| i.held().0.into()),
        Column::new("held_memory", store_mib),
        Column::new("state", |i| i.phase.word().into()),
        Column::new("zone", |i| (&i.zone).into()),
        Column::new("instance_type", |i| (&i.instance_type).into()),
        Column::new("image", |i| i.image.into()),
        Column::new("vpc", |i| i.vpc.into()),
        Column::new("subnet", |i| i.subnet.into()),
        Column::new("key_name", |i| Value::set(i.guest.keys.iter().map(|key| &key.name))),
        Column::new("name", |i| (&i.name).into()),
        Column::new("private_ip", |i| i.private_ip.to_bits().into()),
        Column::new("tags", |i| Value::set(i.tags.iter().map(|(key, value)| format!("{key}={value}")))),
    ];

    fn id(&self) -> InstanceId {
        self.id
    }
}

impl Facets for Instance {
    const FACETS: &'static [Facet] = &[
        Facet::one("account"),
        Facet::typed::<ReservationId>("reservation"),
        Facet::typed::<HostId>("host"),
        Facet::one("live"),
        Facet::one("state"),
        Facet::one("zone"),
        Facet::one("instance_type"),
        Facet::typed::<ImageId>("image"),
        Facet::typed::<VpcId>("vpc"),
        Facet::typed::<SubnetId>("subnet"),
        Facet::many("key_name"),
        Facet::one("name"),
        Facet::typed::<Ipv4Addr>("private_ip"),
        Facet::many("tags"),
    ];
}

fn store_mib(instance: &Instance) -> Value {
    i64::try_from(instance.held().1.0).unwrap_or(i64::MAX).into()
}

/// From so many instances on, all are read from an index rather than each from its row: a row's columns lie between documents, so every
/// one of them costs a page.
const SCANNED_FROM: usize = 20_000;

/// What instances take on a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Held {
    /// Virtual processors.
    pub vcpus: u64,
    /// Memory in MiB.
    pub memory_mib: u64,
}

impl Tx<'_> {
    /// Instances whose machine belongs in the document of a host, by id.
    pub fn instance_list_on_host(&self, host: HostId) -> Result<Vec<Instance>, StoreError> {
        self.list(By::is("host", host).and("on_host", 1))
    }

    /// Instances that a host was ever asked to hold and that are not terminated, by id.
    pub fn instance_list_of_host(&self, host: HostId) -> Result<Vec<Instance>, StoreError> {
        self.list(By::is("host", host).and("live", 1))
    }

    /// Instances whose machine belongs in the document of a host, by id, with the generation in which each last changed it.
    pub fn instance_asked_on_host(&self, host: HostId) -> Result<Vec<(InstanceId, u64)>, StoreError> {
        let sql = "SELECT id, asked FROM instance WHERE host = $1 AND live = 1 AND on_host = 1 ORDER BY id";
        let asked = self.query(sql, &[host.into()], asked::<InstanceId>)?;
        Ok(asked.into_iter().flatten().collect())
    }

    /// Whether an instance last changed its host's document in this generation.
    pub fn instance_asks(&self, id: InstanceId, generation: u64) -> Result<bool, StoreError> {
        let found = self.query("SELECT asked FROM instance WHERE id = $1", &[id.into()], |record| record.int(0))?;
        Ok(found.first().is_some_and(|asked| asked.unsigned_abs() == generation))
    }

    /// Instances of a host that are not terminated and last changed its document after one generation and up to another.
    pub fn instance_list_asked(&self, host: HostId, after: u64, up_to: u64) -> Result<Vec<Instance>, StoreError> {
        if up_to <= after {
            return Ok(Vec::new());
        }
        self.list(By::is("host", host).and("live", 1).above("asked", bigint(after)).at_most("asked", bigint(up_to)))
    }

    /// On which host the machine of each of these instances is, of those that have one.
    pub fn instance_hosts(&self, ids: &[InstanceId]) -> Result<HashMap<InstanceId, HostId>, StoreError> {
        let place = |record: Record<'_>| {
            let is_there = record.int(2)? == 1 && record.int(3)? == 1;
            Ok(InstanceId::from_value(&record.value(0)?).zip(HostId::from_value(&record.value(1)?)).filter(|_| is_there))
        };
        if ids.len() < SCANNED_FROM {
            let values: Vec<Value> = ids.iter().map(Key::to_value).collect();
            let found = self.columns_any::<Instance, _>("id, host, live, on_host", "id", &values, place)?;
            return Ok(found.into_iter().flatten().collect());
        }
        let wanted: HashSet<InstanceId> = ids.iter().copied().collect();
        let found = self.query("SELECT id, host, live, on_host FROM instance WHERE live = 1 AND on_host = 1", &[], place)?;
        Ok(found.into_iter().flatten().filter(|(id, _)| wanted.contains(id)).collect())
    }

    /// Instances of an account, terminated ones included, by id.
    pub fn instance_list(&self, account: AccountId) -> Result<Vec<Instance>, StoreError> {
        self.list(By::is("account", account))
    }

    /// Instances of an account that are not terminated, by id.
    pub fn instance_list_live(&self, account: AccountId) -> Result<Vec<Instance>, StoreError> {
        self.list(By::is("account", account).and("live", 1))
    }

    /// Instances of an account made by one launch call.
    pub fn instance_list_of_reservation(&self, reservation: ReservationId) -> Result<Vec<Instance>, StoreError> {
        self.list(By::is("reservation", reservation))
    }

    /// How many instances of an account are not terminated, counted up to `at_most`.
    pub fn instance_count_live(&self, account: AccountId, at_most: u64) -> Result<u64, StoreError> {
        self.count_up_to::<Instance>(By::is("account", account).and("live", 1), at_most)
    }

    /// How many instances there are in each state.
    pub fn instance_count_by_state(&self) -> Result<BTreeMap<String, u64>, StoreError> {
        let sql = "SELECT state, COUNT(*) FROM instance GROUP BY state";
        let counts = self.query(sql, &[], |record| Ok((record.text(0)?.to_owned(), record.int(1)?.unsigned_abs())))?;
        Ok(counts.into_iter().collect())
    }

    /// What instances take on a host.
    pub fn instance_held_on_host(&self, host: HostId) -> Result<Held, StoreError> {
        let sql = "SELECT CAST(COALESCE(SUM(held_vcpus), 0) AS BIGINT), CAST(COALESCE(SUM(held_memory), 0) AS BIGINT) \
                   FROM instance WHERE host = $1 AND live = 1";
        let held = self.query(sql, &[host.into()], |record| Held::read(&record, 0))?;
        Ok(held.into_iter().next().unwrap_or_default())
    }

    /// What instances take on each host that has any; reads every instance's index entry, a second for some millions.
    pub fn instance_held_by_host(&self) -> Result<HashMap<HostId, Held>, StoreError> {
        let sql = "SELECT host, CAST(SUM(held_vcpus) AS BIGINT), CAST(SUM(held_memory) AS BIGINT) \
                   FROM instance WHERE live = 1 GROUP BY host";
        let held = self.query(sql, &[], |record| Ok((HostId::from_value(&record.value(0)?), Held::read(&record, 1)?)))?;
        Ok(held.into_iter().filter_map(|(host, held)| Some((host?, held))).collect())
    }
}

impl Held {
    /// Both together.
    pub fn and(self, other: Held) -> Held {
        Held { vcpus: self.vcpus.saturating_add(other.vcpus), memory_mib: self.memory_mib.saturating_add(other.memory_mib) }
    }

    pub(crate) fn read(record: &Record<'_>, column: usize) -> Result<Held, StoreError> {
        let amount = |column| Ok::<_, StoreError>(u64::try_from(record.int(column)?).unwrap_or(0));
        Ok(Held { vcpus: amount(column)?, memory_mib: amount(column + 1)? })
    }
}
