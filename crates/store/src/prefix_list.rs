//! Prefix lists.

use model::{AccountId, PrefixList, PrefixListId};

use crate::{By, Column, Row, StoreError, Tx};

impl Row for PrefixList {
    type Id = PrefixListId;
    const TABLE: &'static str = "prefix_list";
    const COLUMNS: &'static [Column<Self>] = &[Column::new("account", |list| list.account.into())];

    fn id(&self) -> PrefixListId {
        self.id
    }
}

impl Tx<'_> {
    /// Prefix lists of an account, by id.
    pub fn prefix_list_list(&self, account: AccountId) -> Result<Vec<PrefixList>, StoreError> {
        self.list(By::is("account", account))
    }

    /// How many prefix lists an account has, counted no further than `at_most`.
    pub fn prefix_list_count(&self, account: AccountId, at_most: u64) -> Result<u64, StoreError> {
        self.count_up_to::<PrefixList>(By::is("account", account), at_most)
    }
}
