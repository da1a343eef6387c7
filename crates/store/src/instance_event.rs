//! Events of instances.

use model::{AccountId, InstanceEvent, InstanceEventId};

use crate::{By, Column, Row, StoreError, Tx};

impl Row for InstanceEvent {
    type Id = InstanceEventId;
    const TABLE: &'static str = "instance_event";
    const COLUMNS: &'static [Column<Self>] = &[Column::new("account", |event| event.account.into())];

    fn id(&self) -> InstanceEventId {
        self.id
    }
}

impl Tx<'_> {
    /// Events of the instances of an account, those that have ended included, by id.
    pub fn instance_event_list(&self, account: AccountId) -> Result<Vec<InstanceEvent>, StoreError> {
        self.list(By::is("account", account))
    }

    /// How many events the instances of an account have, counted up to `at_most`.
    pub fn instance_event_count(&self, account: AccountId, at_most: u64) -> Result<u64, StoreError> {
        self.count_up_to::<InstanceEvent>(By::is("account", account), at_most)
    }
}
