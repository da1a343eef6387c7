//! VPCs.

use model::{AccountId, Vpc, VpcId};

use crate::{By, Column, Row, StoreError, Tx, Value};

impl Row for Vpc {
    type Id = VpcId;
    const TABLE: &'static str = "vpc";
    const COLUMNS: &'static [Column<Self>] = &[
        Column::new("account", |v| v.account.into()),
        Column::new("vni", |v| v.vni.into()),
        Column::new("default_of", |v| if v.is_default { v.account.into() } else { Value::Null }),
    ];

    fn id(&self) -> VpcId {
        self.id
    }
}

impl Tx<'_> {
    /// VPCs of an account, by id.
    pub fn vpc_list(&self, account: AccountId) -> Result<Vec<Vpc>, StoreError> {
        self.list(By::is("account", account))
    }

    /// The default VPC of an account.
    pub fn vpc_default(&self, account: AccountId) -> Result<Option<Vpc>, StoreError> {
        self.find(By::is("default_of", account))
    }

    /// The VPC with the greatest number on the wire.
    pub fn vpc_last_by_vni(&self) -> Result<Option<Vpc>, StoreError> {
        self.find(By::all().ordered_by("vni").backwards())
    }
}
