//! Images.

use model::{AccountId, Image, ImageId, ImagePhase};

use crate::{By, Column, Row, StoreError, Tx};

impl Row for Image {
    type Id = ImageId;
    const TABLE: &'static str = "image";
    const COLUMNS: &'static [Column<Self>] = &[
        Column::new("account", |i| i.account.into()),
        // Also those that are shared with some.
        Column::new("public", |i| (i.public || !i.accounts.is_empty()).into()),
        // The name of one that was taken back is free.
        Column::new("name", |i| if i.phase == ImagePhase::Deregistered { i.id.to_string().into() } else { (&i.name).into() }),
    ];
    const QUIET: bool = true;

    fn id(&self) -> ImageId {
        self.id
    }
}

impl Tx<'_> {
    /// Images that an account may launch: its own, the public ones, and those that others share with it, by id.
    pub fn image_list_visible(&self, account: AccountId) -> Result<Vec<Image>, StoreError> {
        let mut images: Vec<Image> = self.list(By::is("public", 1))?;
        images.retain(|image| image.visible_to(account));
        images.extend(self.list::<Image>(By::is("account", account).and("public", 0))?);
        images.sort_by_key(|image| image.id);
        Ok(images)
    }

    /// Images that an account owns, also those that were taken back, by id.
    pub fn image_list_of(&self, account: AccountId) -> Result<Vec<Image>, StoreError> {
        self.list(By::is("account", account))
    }

    /// The image of this name that an account owns.
    pub fn image_named(&self, account: AccountId, name: &str) -> Result<Option<Image>, StoreError> {
        self.find(By::is("account", account).and("name", name))
    }
}
