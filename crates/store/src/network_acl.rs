//! Network ACLs. `default_of` is unique, so a VPC has one default at most.

use model::{AccountId, NetworkAcl, NetworkAclId, VpcId};

use crate::{By, Column, Row, StoreError, Tx, Value};

impl Row for NetworkAcl {
    type Id = NetworkAclId;
    const TABLE: &'static str = "network_acl";
    const COLUMNS: &'static [Column<Self>] = &[
        Column::new("account", |a| a.account.into()),
        Column::new("vpc", |a| a.vpc.into()),
        Column::new("default_of", |a| if a.is_default { a.vpc.into() } else { Value::Null }),
    ];

    fn id(&self) -> NetworkAclId {
        self.id
    }
}

impl Tx<'_> {
    /// Network ACLs of an account, by id.
    pub fn network_acl_list(&self, account: AccountId) -> Result<Vec<NetworkAcl>, StoreError> {
        self.list(By::is("account", account))
    }

    /// Network ACLs of a VPC, by id; one that an earlier version made has none.
    pub fn network_acl_list_of_vpc(&self, vpc: VpcId) -> Result<Vec<NetworkAcl>, StoreError> {
        self.list(By::is("vpc", vpc))
    }
}
