//! Route tables. `main_of` is unique, so a VPC has one main table at most.

use model::{AccountId, RouteTable, RouteTableId, VpcId};

use crate::{By, Column, Row, StoreError, Tx, Value};

impl Row for RouteTable {
    type Id = RouteTableId;
    const TABLE: &'static str = "route_table";
    const COLUMNS: &'static [Column<Self>] = &[
        Column::new("account", |t| t.account.into()),
        Column::new("vpc", |t| t.vpc.into()),
        Column::new("main_of", |t| if t.main.is_some() { t.vpc.into() } else { Value::Null }),
    ];

    fn id(&self) -> RouteTableId {
        self.id
    }
}

impl Tx<'_> {
    /// Route tables of an account, by id.
    pub fn route_table_list(&self, account: AccountId) -> Result<Vec<RouteTable>, StoreError> {
        self.list(By::is("account", account))
    }

    /// Route tables of a VPC, by id.
    pub fn route_table_list_of_vpc(&self, vpc: VpcId) -> Result<Vec<RouteTable>, StoreError> {
        self.list(By::is("vpc", vpc))
    }

    /// The main route table of a VPC; one that an earlier version made has none.
    pub fn route_table_main(&self, vpc: VpcId) -> Result<Option<RouteTable>, StoreError> {
        self.find(By::is("main_of", vpc))
    }
}
