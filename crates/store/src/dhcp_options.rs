//! Sets of DHCP options. Which VPCs have taken one up is said by the VPCs.

use model::{AccountId, DhcpOptionSet, DhcpOptionsId};

use crate::{By, Column, Row, StoreError, Tx};

impl Row for DhcpOptionSet {
    type Id = DhcpOptionsId;
    const TABLE: &'static str = "dhcp_options";
    const COLUMNS: &'static [Column<Self>] = &[Column::new("account", |set| set.account.into())];

    fn id(&self) -> DhcpOptionsId {
        self.id
    }
}

impl Tx<'_> {
    /// Sets of DHCP options of an account, by id.
    pub fn dhcp_options_list(&self, account: AccountId) -> Result<Vec<DhcpOptionSet>, StoreError> {
        self.list(By::is("account", account))
    }
}
