//! Tasks that bring disks in or take images out.

use model::{AccountId, ImageTask, ImageTaskId};

use crate::{By, Column, Row, StoreError, Tx};

impl Row for ImageTask {
    type Id = ImageTaskId;
    const TABLE: &'static str = "image_task";
    const COLUMNS: &'static [Column<Self>] =
        &[Column::new("account", |t| t.account.into()), Column::new("active", |t| t.is_active().into())];

    fn id(&self) -> ImageTaskId {
        self.id
    }
}

impl Tx<'_> {
    /// Tasks of an account, by id.
    pub fn image_task_list(&self, account: AccountId) -> Result<Vec<ImageTask>, StoreError> {
        self.list(By::is("account", account))
    }

    /// Tasks of an account that are under way, by id.
    pub fn image_task_list_active_of(&self, account: AccountId) -> Result<Vec<ImageTask>, StoreError> {
        self.list(By::is("account", account).and("active", true))
    }

    /// Tasks that are under way, by id.
    pub fn image_task_list_active(&self) -> Result<Vec<ImageTask>, StoreError> {
        self.list(By::is("active", true))
    }
}
