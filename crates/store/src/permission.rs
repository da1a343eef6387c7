//! Groups, roles and managed policies.

use model::{AccountId, ManagedPolicy, PolicyId, Role, RoleId, UserGroup, UserGroupId};

use crate::{By, Column, Row, StoreError, Tx};

macro_rules! named_in_account {
    ($($row:ident, $id:ident, $table:literal;)*) => {$(
        impl Row for $row {
            type Id = $id;
            const TABLE: &'static str = $table;
            const COLUMNS: &'static [Column<Self>] =
                &[Column::new("account", |row| row.account.into()), Column::new("name", |row| (&row.name).into())];

            fn id(&self) -> $id {
                self.id
            }
        }
    )*};
}

named_in_account! {
    UserGroup, UserGroupId, "user_group";
    Role, RoleId, "iam_role";
    ManagedPolicy, PolicyId, "managed_policy";
}

impl Tx<'_> {
    /// The group of this name in an account.
    pub fn user_group_named(&self, account: AccountId, name: &str) -> Result<Option<UserGroup>, StoreError> {
        self.find(By::is("account", account).and("name", name))
    }

    /// Groups of an account, in order of creation.
    pub fn user_group_list(&self, account: AccountId) -> Result<Vec<UserGroup>, StoreError> {
        self.list(By::is("account", account))
    }

    /// The role of this name in an account.
    pub fn role_named(&self, account: AccountId, name: &str) -> Result<Option<Role>, StoreError> {
        self.find(By::is("account", account).and("name", name))
    }

    /// Roles of an account, in order of creation.
    pub fn role_list(&self, account: AccountId) -> Result<Vec<Role>, StoreError> {
        self.list(By::is("account", account))
    }

    /// The managed policy of this name in an account.
    pub fn managed_policy_named(&self, account: AccountId, name: &str) -> Result<Option<ManagedPolicy>, StoreError> {
        self.find(By::is("account", account).and("name", name))
    }

    /// Managed policies of an account, in order of creation.
    pub fn managed_policy_list(&self, account: AccountId) -> Result<Vec<ManagedPolicy>, StoreError> {
        self.list(By::is("account", account))
    }
}
