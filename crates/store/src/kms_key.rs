//! Keys of accounts, and whether new disks are encrypted.

use model::{AccountId, DiskEncryptionDefault, KmsKey, KmsKeyId};

use crate::{By, Column, Row, StoreError, Tx};

impl Row for KmsKey {
    type Id = KmsKeyId;
    const TABLE: &'static str = "kms_key";
    const COLUMNS: &'static [Column<Self>] =
        &[Column::new("account", |k| k.account.into()), Column::new("is_default", |k| u32::from(k.is_default).into())];
    const QUIET: bool = true;

    fn id(&self) -> KmsKeyId {
        self.id
    }
}

impl Row for DiskEncryptionDefault {
    type Id = AccountId;
    const TABLE: &'static str = "disk_encryption_default";
    const COLUMNS: &'static [Column<Self>] = &[];

    fn id(&self) -> AccountId {
        self.account
    }
}

impl Tx<'_> {
    /// Keys of an account, by id.
    pub fn kms_key_list(&self, account: AccountId) -> Result<Vec<KmsKey>, StoreError> {
        self.list(By::is("account", account))
    }

    /// The key of an account that is used where none is named, once it was made.
    pub fn kms_key_default(&self, account: AccountId) -> Result<Option<KmsKey>, StoreError> {
        self.find(By::is("account", account).and("is_default", 1u32))
    }

    /// How many keys an account has, counted up to `at_most`.
    pub fn kms_key_count(&self, account: AccountId, at_most: u64) -> Result<u64, StoreError> {
        self.count_up_to::<KmsKey>(By::is("account", account), at_most)
    }
}
