//! Instance profiles and roles of instances.

use model::{AccountId, InstanceId, InstanceProfile, InstanceProfileId, InstanceRole, InstanceRoleId};

use crate::{By, Column, Row, StoreError, Tx};

impl Row for InstanceProfile {
    type Id = InstanceProfileId;
    const TABLE: &'static str = "instance_profile";
    const COLUMNS: &'static [Column<Self>] =
        &[Column::new("account", |profile| profile.account.into()), Column::new("name", |profile| (&profile.name).into())];

    fn id(&self) -> InstanceProfileId {
        self.id
    }
}

impl Row for InstanceRole {
    type Id = InstanceRoleId;
    const TABLE: &'static str = "instance_role";
    const COLUMNS: &'static [Column<Self>] =
        &[Column::new("account", |role| role.account.into()), Column::new("instance", |role| role.instance.into())];

    fn id(&self) -> InstanceRoleId {
        self.id
    }
}

impl Tx<'_> {
    /// The profile of this name.
    pub fn instance_profile_named(&self, account: AccountId, name: &str) -> Result<Option<InstanceProfile>, StoreError> {
        self.find(By::is("account", account).and("name", name))
    }

    /// Profiles of an account, by id.
    pub fn instance_profile_list(&self, account: AccountId) -> Result<Vec<InstanceProfile>, StoreError> {
        self.list(By::is("account", account))
    }

    /// The role of an instance.
    pub fn instance_role_of(&self, instance: InstanceId) -> Result<Option<InstanceRole>, StoreError> {
        self.find(By::is("instance", instance))
    }

    /// Roles of an account's instances, by id.
    pub fn instance_role_list(&self, account: AccountId) -> Result<Vec<InstanceRole>, StoreError> {
        self.list(By::is("account", account))
    }
}
