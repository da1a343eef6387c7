//! Accounts, users and access keys.

use model::{AccessKey, AccessKeyUse, Account, AccountId, Quota, QuotaName, QuotaRequest, QuotaRequestId, User, UserId};

use crate::{By, Column, Row, StoreError, Tx};

impl Row for Account {
    type Id = AccountId;
    const TABLE: &'static str = "account";
    const COLUMNS: &'static [Column<Self>] =
        &[Column::new("name", |a| (&a.name).into()), Column::new("alias", |a| a.alias.as_deref().into())];

    fn id(&self) -> AccountId {
        self.id
    }
}

impl Row for User {
    type Id = UserId;
    const TABLE: &'static str = "iam_user";
    const COLUMNS: &'static [Column<Self>] = &[Column::new("account", |u| u.account.into()), Column::new("name", |u| (&u.name).into())];

    fn id(&self) -> UserId {
        self.id
    }
}

impl Row for AccessKey {
    type Id = String;
    const TABLE: &'static str = "access_key";
    const COLUMNS: &'static [Column<Self>] = &[Column::new("account", |k| k.account.into()), Column::new("iam_user", |k| k.user.into())];

    fn id(&self) -> String {
        self.id.clone()
    }
}

impl Row for Quota {
    type Id = String;
    const TABLE: &'static str = "quota";
    const COLUMNS: &'static [Column<Self>] = &[];
    const QUIET: bool = true;

    fn id(&self) -> String {
        quota_id(self.account, self.name)
    }
}

impl Row for AccessKeyUse {
    type Id = String;
    const TABLE: &'static str = "access_key_use";
    const COLUMNS: &'static [Column<Self>] = &[];

    fn id(&self) -> String {
        self.key.clone()
    }
}

impl Row for QuotaRequest {
    type Id = QuotaRequestId;
    const TABLE: &'static str = "quota_request";
    const COLUMNS: &'static [Column<Self>] = &[Column::new("account", |r| r.account.into())];

    fn id(&self) -> QuotaRequestId {
        self.id
    }
}

fn quota_id(account: AccountId, name: QuotaName) -> String {
    format!("{account}/{name}")
}

impl Tx<'_> {
    /// The account of this name.
    pub fn account_named(&self, name: &str) -> Result<Option<Account>, StoreError> {
        self.find(By::is("name", name))
    }

    /// The user of this name in an account.
    pub fn user_named(&self, account: AccountId, name: &str) -> Result<Option<User>, StoreError> {
        self.find(By::is("account", account).and("name", name))
    }

    /// Users of an account, in order of creation.
    pub fn user_list(&self, account: AccountId) -> Result<Vec<User>, StoreError> {
        self.list(By::is("account", account))
    }

    /// Access keys of a user.
    pub fn access_key_list(&self, user: UserId) -> Result<Vec<AccessKey>, StoreError> {
        self.list(By::is("iam_user", user))
    }

    /// The limit of an account for one thing.
    pub fn quota_limit(&self, account: AccountId, name: QuotaName) -> Result<u64, StoreError> {
        let own = self.get::<Quota>(quota_id(account, name))?;
        Ok(own.map_or(name.default_limit(), |quota| quota.limit))
    }

    /// Requests of an account for quotas, by id.
    pub fn quota_request_list(&self, account: AccountId) -> Result<Vec<QuotaRequest>, StoreError> {
        self.list(By::is("account", account))
    }
}
