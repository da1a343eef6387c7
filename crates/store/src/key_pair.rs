//! Key pairs.

use model::{AccountId, KeyPair, KeyPairId};

use crate::{By, Column, Row, StoreError, Tx};

impl Row for KeyPair {
    type Id = KeyPairId;
    const TABLE: &'static str = "key_pair";
    const COLUMNS: &'static [Column<Self>] = &[Column::new("account", |k| k.account.into()), Column::new("name", |k| (&k.name).into())];
    const QUIET: bool = true;

    fn id(&self) -> KeyPairId {
        self.id
    }
}

impl Tx<'_> {
    /// The key pair of this name.
    pub fn key_pair_named(&self, account: AccountId, name: &str) -> Result<Option<KeyPair>, StoreError> {
        self.find(By::is("account", account).and("name", name))
    }

    /// Key pairs of an account, by id.
    pub fn key_pair_list(&self, account: AccountId) -> Result<Vec<KeyPair>, StoreError> {
        self.list(By::is("account", account))
    }

    /// How many key pairs an account has, counted up to `at_most`.
    pub fn key_pair_count(&self, account: AccountId, at_most: u64) -> Result<u64, StoreError> {
        self.count_up_to::<KeyPair>(By::is("account", account), at_most)
    }
}
