//! The images that a cloud offers: folders that recipes built, imported into the repository and registered under their names.
//!
//! A folder's `image.json` names the checksum of each of its files, so one that was imported before is known by that text alone
//! and not read again, which takes seconds. What an image is, the repository knows.

use std::path::Path;

use anyhow::{Context, Result};
use control::{Cloud, NewImage};
use model::Gib;
use repository::{Digest, ImageFacts, ImportedImage, Repository};

use crate::state::{StateFolder, write_private};

/// Images on their way into the repository.
pub type Importing = Vec<tokio::task::JoinHandle<Result<ImportedImage>>>;

/// Starts to import each subfolder with an `image.json`. Bytes that are there already are not written again.
pub fn start_import(folder: Option<&Path>, state: &StateFolder) -> Result<Importing> {
    let repository = Repository::open(state.repository()).context("the image repository cannot be opened")?;
    let Some(folder) = folder else { return Ok(vec![]) };
    let entries = std::fs::read_dir(folder).with_context(|| format!("the image folder {} cannot be read", folder.display()))?;
    let mut importing = Vec::new();
    for entry in entries {
        let path = entry.with_context(|| format!("the image folder {} cannot be read", folder.display()))?.path();
        if path.join("image.json").exists() {
            let (repository, imported) = (repository.clone(), state.path().join("imported"));
            importing.push(tokio::task::spawn_blocking(move || {
                import(&repository, &path, &imported).with_context(|| format!("the image in {} cannot be imported", path.display()))
            }));
        }
    }
    Ok(importing)
}

/// Offers imported images under their names.
pub async fn offer(cloud: &Cloud, importing: Importing) -> Result<()> {
    for image in importing {
        let imported = image.await??;
        let facts = imported.facts;
        let image = cloud
            .image_register(NewImage {
                name: facts.name,
                description: facts.description,
                platform: facts.title,
                architecture: model::Architecture::X86_64,
                default_user: facts.default_user,
                manifest: imported.manifest.to_string(),
                size_bytes: facts.size_bytes,
                min_disk: Gib(facts.min_disk_gib),
            })
            .await?;
        tracing::info!(image = %image.id, name = image.name, "offering an image");
    }
    Ok(())
}

fn import(repository: &Repository, folder: &Path, imported: &Path) -> Result<ImportedImage> {
    let description = std::fs::read(folder.join("image.json"))?;
    let note = imported.join(Digest::of(&description).to_string());
    if let Some(known) = known(repository, &description, &note) {
        return Ok(known);
    }
    let image = repository.import_folder(folder)?;
    std::fs::create_dir_all(imported)?;
    write_private(&note, image.manifest.to_string().as_bytes())?;
    Ok(image)
}

/// The image that was made of this description before, if it is there still.
fn known(repository: &Repository, description: &[u8], note: &Path) -> Option<ImportedImage> {
    let manifest: Digest = std::fs::read_to_string(note).ok()?.parse().ok()?;
    repository.manifest(&manifest).ok()?;
    let facts: ImageFacts = serde_json::from_slice(description).ok()?;
    Some(ImportedImage { manifest, facts })
}
