//! Subnets.

use model::{AccountId, Subnet, SubnetId, VpcId};

use crate::{By, Column, Row, StoreError, Tx};

impl Row for Subnet {
    type Id = SubnetId;
    const TABLE: &'static str = "subnet";
    const COLUMNS: &'static [Column<Self>] = &[Column::new("account", |s| s.account.into()), Column::new("vpc", |s| s.vpc.into())];
    const QUIET: bool = true;

    fn id(&self) -> SubnetId {
        self.id
    }
}

impl Tx<'_> {
    /// Subnets of an account, by id.
    pub fn subnet_list(&self, account: AccountId) -> Result<Vec<Subnet>, StoreError> {
        self.list(By::is("account", account))
    }

    /// Subnets of a VPC, by id.
    pub fn subnet_list_of_vpc(&self, vpc: VpcId) -> Result<Vec<Subnet>, StoreError> {
        self.list(By::is("vpc", vpc))
    }
}
