//! Flow logs.

use model::{AccountId, FlowLog, FlowLogId, FlowLogResource};

use crate::{By, Column, Row, StoreError, Tx, Value};

impl Row for FlowLog {
    type Id = FlowLogId;
    const TABLE: &'static str = "flow_log";
    const COLUMNS: &'static [Column<Self>] =
        &[Column::new("account", |log| log.account.into()), Column::new("resource", |log| log.resource.to_string().into())];

    fn id(&self) -> FlowLogId {
        self.id
    }
}

impl Tx<'_> {
    /// Flow logs of an account, by id.
    pub fn flow_log_list(&self, account: AccountId) -> Result<Vec<FlowLog>, StoreError> {
        self.list(By::is("account", account))
    }

    /// How many flow logs an account has, counted no further than `at_most`.
    pub fn flow_log_count(&self, account: AccountId, at_most: u64) -> Result<u64, StoreError> {
        self.count_up_to::<FlowLog>(By::is("account", account), at_most)
    }

    /// Flow logs of these things, by id.
    pub fn flow_log_list_of(&self, resources: &[FlowLogResource]) -> Result<Vec<FlowLog>, StoreError> {
        let values: Vec<Value> = resources.iter().map(|resource| resource.to_string().into()).collect();
        let mut found: Vec<FlowLog> = self.list_any("resource", &values)?;
        found.sort_by_key(|log| log.id);
        found.dedup_by_key(|log| log.id);
        Ok(found)
    }
}
