//! Bandwidth packages. Which addresses are in one is said by the addresses.

use model::{AccountId, BandwidthPackage, BandwidthPackageId};

use crate::{By, Column, Row, StoreError, Tx};

impl Row for BandwidthPackage {
    type Id = BandwidthPackageId;
    const TABLE: &'static str = "bandwidth_package";
    const COLUMNS: &'static [Column<Self>] = &[Column::new("account", |p| p.account.into())];

    fn id(&self) -> BandwidthPackageId {
        self.id
    }
}

impl Tx<'_> {
    /// Bandwidth packages of an account, by id.
    pub fn bandwidth_package_list(&self, account: AccountId) -> Result<Vec<BandwidthPackage>, StoreError> {
        self.list(By::is("account", account))
    }
}
