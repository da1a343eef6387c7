//! Capacity reservations and their slots.

use std::collections::HashMap;

use model::{AccountId, CapacityReservation, CapacityReservationId, CapacitySlot, CapacitySlotId, HostId};

use crate::{By, Column, Held, Key, Row, StoreError, Tx};

impl Row for CapacityReservation {
    type Id = CapacityReservationId;
    const TABLE: &'static str = "capacity_reservation";
    const COLUMNS: &'static [Column<Self>] =
        &[Column::new("account", |row| row.account.into()), Column::new("active", |row| row.is_active().into())];
    const QUIET: bool = true;

    fn id(&self) -> CapacityReservationId {
        self.id
    }
}

impl Row for CapacitySlot {
    type Id = CapacitySlotId;
    const TABLE: &'static str = "capacity_slot";
    const COLUMNS: &'static [Column<Self>] = &[
        Column::new("account", |slot| slot.account.into()),
        Column::new("reservation", |slot| slot.reservation.into()),
        Column::new("host", |slot| slot.host.into()),
        Column::new("free", |slot| slot.is_free().into()),
        Column::new("held_vcpus", |slot| if slot.is_free() { slot.vcpus.into() } else { 0.into() }),
        Column::new("held_memory", |slot| if slot.is_free() { i64::try_from(slot.memory.0).unwrap_or(i64::MAX).into() } else { 0.into() }),
    ];
    const QUIET: bool = true;

    fn id(&self) -> CapacitySlotId {
        self.id
    }
}

impl Tx<'_> {
    /// Capacity reservations of an account, ended ones included, by id.
    pub fn capacity_reservation_list(&self, account: AccountId) -> Result<Vec<CapacityReservation>, StoreError> {
        self.list(By::is("account", account))
    }

    /// Capacity reservations of an account that hold capacity, by id.
    pub fn capacity_reservation_list_active(&self, account: AccountId) -> Result<Vec<CapacityReservation>, StoreError> {
        self.list(By::is("account", account).and("active", true))
    }

    /// How many capacity reservations of an account hold capacity, counted no further than `at_most`.
    pub fn capacity_reservation_count_active(&self, account: AccountId, at_most: u64) -> Result<u64, StoreError> {
        self.count_up_to::<CapacityReservation>(By::is("account", account).and("active", true), at_most)
    }

    /// Slots of a reservation, by id.
    pub fn capacity_slot_list(&self, reservation: CapacityReservationId) -> Result<Vec<CapacitySlot>, StoreError> {
        self.list(By::is("reservation", reservation))
    }

    /// How many slots of an account nobody is in, counted no further than `at_most`.
    pub fn capacity_slot_count_free(&self, account: AccountId, at_most: u64) -> Result<u64, StoreError> {
        self.count_up_to::<CapacitySlot>(By::is("account", account).and("free", true), at_most)
    }

    /// How many slots of a reservation nobody is in.
    pub fn capacity_slot_count_free_of(&self, reservation: CapacityReservationId) -> Result<u64, StoreError> {
        self.count::<CapacitySlot>(By::is("reservation", reservation).and("free", true))
    }

    /// How many slots nobody is in, of each reservation of an account that has any.
    pub fn capacity_slots_free(&self, account: AccountId) -> Result<HashMap<CapacityReservationId, u64>, StoreError> {
        let sql = "SELECT reservation, COUNT(*) FROM capacity_slot WHERE account = $1 AND free = 1 GROUP BY reservation";
        let read = self.query(sql, &[account.into()], |record| {
            Ok((CapacityReservationId::from_value(&record.value(0)?), record.int(1)?.unsigned_abs()))
        })?;
        Ok(read.into_iter().filter_map(|(id, count)| Some((id?, count))).collect())
    }

    /// The hosts on which a reservation has slots that nobody is in, in their order, each with the first of these slots.
    pub fn capacity_slot_hosts_free(&self, reservation: CapacityReservationId) -> Result<Vec<(HostId, CapacitySlotId)>, StoreError> {
        let sql = "SELECT host, MIN(id) FROM capacity_slot WHERE reservation = $1 AND free = 1 GROUP BY host ORDER BY host";
        let read = self.query(sql, &[reservation.into()], |record| {
            Ok((HostId::from_value(&record.value(0)?), CapacitySlotId::from_value(&record.value(1)?)))
        })?;
        Ok(read.into_iter().filter_map(|(host, slot)| Some((host?, slot?))).collect())
    }

    /// What slots that nobody is in take on a host.
    pub fn capacity_slot_held_on_host(&self, host: HostId) -> Result<Held, StoreError> {
        let sql = "SELECT CAST(COALESCE(SUM(held_vcpus), 0) AS BIGINT), CAST(COALESCE(SUM(held_memory), 0) AS BIGINT) \
                   FROM capacity_slot WHERE host = $1";
        let held = self.query(sql, &[host.into()], |record| Held::read(&record, 0))?;
        Ok(held.into_iter().next().unwrap_or_default())
    }

    /// What slots that nobody is in take on each host that has any.
    pub fn capacity_slot_held_by_host(&self) -> Result<HashMap<HostId, Held>, StoreError> {
        let sql = "SELECT host, CAST(SUM(held_vcpus) AS BIGINT), CAST(SUM(held_memory) AS BIGINT) FROM capacity_slot GROUP BY host";
        let held = self.query(sql, &[], |record| Ok((HostId::from_value(&record.value(0)?), Held::read(&record, 1)?)))?;
        Ok(held.into_iter().filter_map(|(host, held)| Some((host?, held))).collect())
    }
}
