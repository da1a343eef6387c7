//! Images. The operator registers what the repository holds; tenants launch it.

use model::{Architecture, Error, Gib, Image, ImageId, ImagePhase, Tags, check_name};

use crate::account::taken;
use crate::{Cloud, Failure};

/// A public image that the operator offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewImage {
    /// Name, unique among the operator's images.
    pub name: String,
    /// Description.
    pub description: String,
    /// Platform as the vendors print it.
    pub platform: String,
    /// Architecture.
    pub architecture: Architecture,
    /// User that logs in by key.
    pub default_user: String,
    /// Digest of the manifest in the repository.
    pub manifest: String,
    /// Size of the disk in bytes.
    pub size_bytes: u64,
    /// Smallest system disk.
    pub min_disk: Gib,
}

impl Cloud {
    /// Offers an image to every account. One of the same name with the same bytes is left as it is; with other bytes, new
    /// launches get the new bytes under the same id and instances keep what they have.
    pub async fn image_register(&self, new: NewImage) -> Result<Image, Error> {
        check_name("Name", &new.name)?;
        let cloud = self.clone();
        let done = self.store().write(move |tx| {
            let now = cloud.clock().now();
            let operator = cloud.region().operator;
            let known = tx.image_named(operator, &new.name)?;
            let id = known.as_ref().map_or_else(|| ImageId::from_u64(cloud.ids().next(now)), |image| image.id);
            let image = Image {
                id,
                account: operator,
                public: true,
                name: new.name.clone(),
                description: new.description.clone(),
                platform: new.platform.clone(),
                architecture: new.architecture,
                default_user: new.default_user.clone(),
                manifest: new.manifest.clone(),
                size_bytes: new.size_bytes,
                min_disk: new.min_disk,
                phase: ImagePhase::Available,
                created_at: known.as_ref().map_or(now, |image| image.created_at),
                tags: known.as_ref().map_or_else(Tags::new, |image| image.tags.clone()),
            };
            match known {
                Some(known) if known == image => {}
                Some(_) => tx.update(&image)?,
                None => tx.insert(&image).map_err(|error| taken(error, model::Noun::Image, &new.name))?,
            }
            Ok::<_, Failure>(image)
        });
        done.await.map_err(|error| self.write_refusal("register an image", error))
    }
}
