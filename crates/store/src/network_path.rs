//! Network paths and what was found about them.

use model::{AccountId, NetworkPath, NetworkPathId, PathAnalysis, PathAnalysisId};

use crate::{By, Column, Row, StoreError, Tx};

impl Row for NetworkPath {
    type Id = NetworkPathId;
    const TABLE: &'static str = "network_path";
    const COLUMNS: &'static [Column<Self>] = &[Column::new("account", |p| p.account.into())];

    fn id(&self) -> NetworkPathId {
        self.id
    }
}

impl Row for PathAnalysis {
    type Id = PathAnalysisId;
    const TABLE: &'static str = "path_analysis";
    const COLUMNS: &'static [Column<Self>] = &[Column::new("account", |a| a.account.into()), Column::new("path", |a| a.path.into())];

    fn id(&self) -> PathAnalysisId {
        self.id
    }
}

impl Tx<'_> {
    /// Network paths of an account, by id.
    pub fn network_path_list(&self, account: AccountId) -> Result<Vec<NetworkPath>, StoreError> {
        self.list(By::is("account", account))
    }

    /// How many network paths an account has, counted no further than `at_most`.
    pub fn network_path_count(&self, account: AccountId, at_most: u64) -> Result<u64, StoreError> {
        self.count_up_to::<NetworkPath>(By::is("account", account), at_most)
    }

    /// Analyses of an account, by id.
    pub fn path_analysis_list(&self, account: AccountId) -> Result<Vec<PathAnalysis>, StoreError> {
        self.list(By::is("account", account))
    }

    /// Analyses of a path, by id, up to so many.
    pub fn path_analysis_list_of_path(&self, path: NetworkPathId, at_most: u32) -> Result<Vec<PathAnalysis>, StoreError> {
        self.list(By::is("path", path).first(at_most))
    }

    /// How many analyses an account has, counted no further than `at_most`.
    pub fn path_analysis_count(&self, account: AccountId, at_most: u64) -> Result<u64, StoreError> {
        self.count_up_to::<PathAnalysis>(By::is("account", account), at_most)
    }
}
