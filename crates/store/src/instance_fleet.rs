//! Instance fleets, their members and what happened to them.

use model::{AccountId, EventId, FleetEvent, FleetMember, InstanceFleet, InstanceFleetId, InstanceId};

use crate::{By, Column, Row, StoreError, Tx};

impl Row for InstanceFleet {
    type Id = InstanceFleetId;
    const TABLE: &'static str = "instance_fleet";
    const COLUMNS: &'static [Column<Self>] =
        &[Column::new("account", |fleet| fleet.account.into()), Column::new("live", |fleet| fleet.is_live().into())];

    fn id(&self) -> InstanceFleetId {
        self.id
    }
}

impl Row for FleetMember {
    type Id = InstanceId;
    const TABLE: &'static str = "fleet_member";
    const COLUMNS: &'static [Column<Self>] =
        &[Column::new("account", |member| member.account.into()), Column::new("fleet", |member| member.fleet.into())];

    fn id(&self) -> InstanceId {
        self.instance
    }
}

impl Row for FleetEvent {
    type Id = EventId;
    const TABLE: &'static str = "fleet_event";
    const COLUMNS: &'static [Column<Self>] =
        &[Column::new("account", |event| event.account.into()), Column::new("fleet", |event| event.fleet.into())];

    fn id(&self) -> EventId {
        self.id
    }
}

impl Tx<'_> {
    /// Fleets of an account, by id.
    pub fn instance_fleet_list(&self, account: AccountId) -> Result<Vec<InstanceFleet>, StoreError> {
        self.list(By::is("account", account))
    }

    /// How many fleets of an account have not ended, counted no further than `at_most`.
    pub fn instance_fleet_count(&self, account: AccountId, at_most: u64) -> Result<u64, StoreError> {
        self.count_up_to::<InstanceFleet>(By::is("account", account).and("live", true), at_most)
    }

    /// Members of a fleet, by instance.
    pub fn fleet_member_list(&self, fleet: InstanceFleetId) -> Result<Vec<FleetMember>, StoreError> {
        self.list(By::is("fleet", fleet))
    }

    /// Members of all fleets of an account, by instance.
    pub fn fleet_member_list_of_account(&self, account: AccountId) -> Result<Vec<FleetMember>, StoreError> {
        self.list(By::is("account", account))
    }

    /// What happened to a fleet, oldest first.
    pub fn fleet_event_list(&self, fleet: InstanceFleetId) -> Result<Vec<FleetEvent>, StoreError> {
        self.list(By::is("fleet", fleet))
    }

    /// How many events of a fleet are kept.
    pub fn fleet_event_count(&self, fleet: InstanceFleetId) -> Result<u64, StoreError> {
        self.count::<FleetEvent>(By::is("fleet", fleet))
    }

    /// The oldest event of a fleet.
    pub fn fleet_event_oldest(&self, fleet: InstanceFleetId) -> Result<Option<FleetEvent>, StoreError> {
        self.find(By::is("fleet", fleet))
    }
}
