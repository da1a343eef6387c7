//! Images.

use model::{AccountId, Image, ImageId};

use crate::{By, Column, Row, StoreError, Tx};

impl Row for Image {
    type Id = ImageId;
    const TABLE: &'static str = "image";
    const COLUMNS: &'static [Column<Self>] = &[
        Column::new("account", |i| i.account.into()),
        Column::new("public", |i| i.public.into()),
        Column::new("name", |i| (&i.name).into()),
    ];

    fn id(&self) -> ImageId {
        self.id
    }
}

impl Tx<'_> {
    /// Images that an account may launch: its own and the public ones, by id.
    pub fn image_list_visible(&self, account: AccountId) -> Result<Vec<Image>, StoreError> {
        let mut images: Vec<Image> = self.list(By::is("public", 1))?;
        images.extend(self.list::<Image>(By::is("account", account).and("public", 0))?);
        images.sort_by_key(|image| image.id);
        Ok(images)
    }

    /// The image of this name that an account owns.
    pub fn image_named(&self, account: AccountId, name: &str) -> Result<Option<Image>, StoreError> {
        self.find(By::is("account", account).and("name", name))
    }
}
