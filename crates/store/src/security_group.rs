//! Security groups.

use std::collections::HashMap;

use model::{AccountId, SecurityGroup, SecurityGroupId, VpcId};

use crate::{By, Column, Key, Row, StoreError, Tx};

impl Row for SecurityGroup {
    type Id = SecurityGroupId;
    const TABLE: &'static str = "security_group";
    const COLUMNS: &'static [Column<Self>] =
        &[Column::new("account", |g| g.account.into()), Column::new("vpc", |g| g.vpc.into()), Column::new("name", |g| (&g.name).into())];
    const QUIET: bool = true;

    fn id(&self) -> SecurityGroupId {
        self.id
    }
}

impl Tx<'_> {
    /// Security groups of an account, by id.
    pub fn security_group_list(&self, account: AccountId) -> Result<Vec<SecurityGroup>, StoreError> {
        self.list(By::is("account", account))
    }

    /// Security groups of a VPC, by id.
    pub fn security_group_list_of_vpc(&self, vpc: VpcId) -> Result<Vec<SecurityGroup>, StoreError> {
        self.list(By::is("vpc", vpc))
    }

    /// How many security groups an account has, counted no further than `at_most`.
    pub fn security_group_count(&self, account: AccountId, at_most: u64) -> Result<u64, StoreError> {
        self.count_up_to::<SecurityGroup>(By::is("account", account), at_most)
    }

    /// Names of these groups, without their rules: a list of instances names the same few groups again and again.
    pub fn security_group_names(&self, ids: &[SecurityGroupId]) -> Result<HashMap<SecurityGroupId, String>, StoreError> {
        let named =
            self.columns_any::<SecurityGroup, _>("id, name", "id", &ids.iter().map(Key::to_value).collect::<Vec<_>>(), |record| {
                Ok(SecurityGroupId::from_value(&record.value(0)?).zip(Some(record.text(1)?.to_owned())))
            })?;
        Ok(named.into_iter().flatten().collect())
    }

    /// The group of this name in a VPC.
    pub fn security_group_named(&self, vpc: VpcId, name: &str) -> Result<Option<SecurityGroup>, StoreError> {
        self.find(By::is("vpc", vpc).and("name", name))
    }
}
