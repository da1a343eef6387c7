//! Placement groups and their members.

use model::{AccountId, InstanceId, PlacementGroup, PlacementGroupId, PlacementMember};

use crate::{By, Column, Row, StoreError, Tx};

impl Row for PlacementGroup {
    type Id = PlacementGroupId;
    const TABLE: &'static str = "placement_group";
    const COLUMNS: &'static [Column<Self>] =
        &[Column::new("account", |group| group.account.into()), Column::new("name", |group| (&group.name).into())];
    const QUIET: bool = true;

    fn id(&self) -> PlacementGroupId {
        self.id
    }
}

impl Row for PlacementMember {
    type Id = InstanceId;
    const TABLE: &'static str = "placement_member";
    const COLUMNS: &'static [Column<Self>] =
        &[Column::new("account", |member| member.account.into()), Column::new("placement_group", |member| member.group.into())];

    fn id(&self) -> InstanceId {
        self.instance
    }
}

impl Tx<'_> {
    /// Placement groups of an account, by id.
    pub fn placement_group_list(&self, account: AccountId) -> Result<Vec<PlacementGroup>, StoreError> {
        self.list(By::is("account", account))
    }

    /// A placement group of this name; the oldest where several have it.
    pub fn placement_group_named(&self, account: AccountId, name: &str) -> Result<Option<PlacementGroup>, StoreError> {
        self.find(By::is("account", account).and("name", name))
    }

    /// How many placement groups an account has, counted no further than `at_most`.
    pub fn placement_group_count(&self, account: AccountId, at_most: u64) -> Result<u64, StoreError> {
        self.count_up_to::<PlacementGroup>(By::is("account", account), at_most)
    }

    /// Members of a placement group, by instance.
    pub fn placement_member_list(&self, group: PlacementGroupId) -> Result<Vec<PlacementMember>, StoreError> {
        self.list(By::is("placement_group", group))
    }

    /// Members of all placement groups of an account, by instance.
    pub fn placement_member_list_of_account(&self, account: AccountId) -> Result<Vec<PlacementMember>, StoreError> {
        self.list(By::is("account", account))
    }
}
