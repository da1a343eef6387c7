//! Virtual MFA devices.

use model::{AccountId, MfaDevice, MfaDeviceId, UserId};

use crate::{By, Column, Row, StoreError, Tx};

impl Row for MfaDevice {
    type Id = MfaDeviceId;
    const TABLE: &'static str = "mfa_device";
    const COLUMNS: &'static [Column<Self>] = &[
        Column::new("account", |d| d.account.into()),
        Column::new("name", |d| (&d.name).into()),
        Column::new("iam_user", |d| d.holder.as_ref().map(|holder| holder.user).into()),
    ];

    fn id(&self) -> MfaDeviceId {
        self.id
    }
}

impl Tx<'_> {
    /// The MFA device of this name in an account.
    pub fn mfa_device_named(&self, account: AccountId, name: &str) -> Result<Option<MfaDevice>, StoreError> {
        self.find(By::is("account", account).and("name", name))
    }

    /// MFA devices of an account, in order of creation.
    pub fn mfa_device_list(&self, account: AccountId) -> Result<Vec<MfaDevice>, StoreError> {
        self.list(By::is("account", account))
    }

    /// MFA devices of a user, in order of creation.
    pub fn mfa_device_list_of_user(&self, user: UserId) -> Result<Vec<MfaDevice>, StoreError> {
        self.list(By::is("iam_user", user))
    }
}
