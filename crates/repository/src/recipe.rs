//! Importing what an image recipe has built: a folder with `image.json`, a disk, and perhaps a kernel and an initial RAM disk.
//!
//! ```text
//!   { "name": "debian-12", "title": "…", "description": "…", "platform": "linux", "architecture": "x86_64",
//!     "default_user": "debian", "min_disk_gib": 2, "virtual_bytes": 2147483648,
//!     "disk": { "file": "disk.qcow2", "format": "qcow2" | "raw", "firmware": "bios" },
//!     "boot": { "kernel": "vmlinuz", "initrd": "initrd", "cmdline": "…" },                      may be absent
//!     "files": { "disk.qcow2": { "bytes": 24001024, "sha256": "…" }, … } }
//! ```
//!
//! The folder is trusted to be what somebody meant, not to be whole: every file is compared with its size and checksum before
//! anything is imported.

use crate::digest::Hasher;
use crate::header::{Format, inspect};
use crate::{BootFiles, Digest, Repository, RepositoryError};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// Longest description; the recipes write one kilobyte.
const MAX_DESCRIPTION_BYTES: u64 = 64 << 10;

/// An image that has been imported, and what its recipe says of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportedImage {
    /// The image's name in the repository.
    pub manifest: Digest,
    /// What the recipe says.
    pub facts: ImageFacts,
}

/// What a recipe says of its image; the repository only passes it on.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ImageFacts {
    /// Short name.
    pub name: String,
    /// Name for people.
    pub title: String,
    /// What it is good for.
    pub description: String,
    /// Operating system family, as `linux`.
    pub platform: String,
    /// Processor architecture, as `x86_64`.
    pub architecture: String,
    /// Who logs in by SSH key.
    pub default_user: String,
    /// Smallest disk that the image works on, in GiB.
    pub min_disk_gib: u32,
    /// Size of the image's own disk in bytes.
    #[serde(rename = "virtual_bytes")]
    pub size_bytes: u64,
}

/// `image.json`.
#[derive(Deserialize)]
struct Description {
    #[serde(flatten)]
    facts: ImageFacts,
    disk: DiskEntry,
    boot: Option<BootEntry>,
    files: BTreeMap<String, FileEntry>,
}

#[derive(Deserialize)]
struct DiskEntry {
    file: String,
    format: DiskFormat,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum DiskFormat {
    Raw,
    Qcow2,
}

#[derive(Deserialize)]
struct BootEntry {
    kernel: String,
    initrd: Option<String>,
    cmdline: String,
}

#[derive(Deserialize)]
struct FileEntry {
    bytes: u64,
    sha256: Digest,
}

impl Repository {
    /// Imports the image that a recipe has left in a folder. Malformed if `image.json` does not say what it should or a file is not
    /// as it says; nothing is imported then.
    pub fn import_folder(&self, folder: impl AsRef<Path>) -> Result<ImportedImage, RepositoryError> {
        let folder = folder.as_ref();
        let description = Description::read(&folder.join("image.json"))?;
        let file = |name: &str| description.checked_file(folder, name);
        let disk = file(&description.disk.file)?;
        let boot = match &description.boot {
            Some(entry) => Some(BootFiles {
                kernel: file(&entry.kernel)?,
                initrd: entry.initrd.as_deref().map(file).transpose()?,
                cmdline: entry.cmdline.clone(),
            }),
            None => None,
        };
        description.check_size(&disk)?;
        let manifest = match description.disk.format {
            DiskFormat::Raw => self.import_raw_file(&disk, boot.as_ref())?,
            DiskFormat::Qcow2 => self.import_qcow2_file(&disk, boot.as_ref())?,
        };
        Ok(ImportedImage { manifest, facts: description.facts })
    }
}

impl Description {
    fn read(path: &Path) -> Result<Description, RepositoryError> {
        let mut text = Vec::new();
        let file = File::open(path).map_err(RepositoryError::io(path))?;
        file.take(MAX_DESCRIPTION_BYTES).read_to_end(&mut text).map_err(RepositoryError::io(path))?;
        serde_json::from_slice(&text).map_err(|error| RepositoryError::malformed(path.display(), error))
    }

    /// Compares the size of the disk inside a file with what the description says.
    fn check_size(&self, disk: &Path) -> Result<(), RepositoryError> {
        let format = match self.disk.format {
            DiskFormat::Raw => Format::Raw,
            DiskFormat::Qcow2 => Format::Qcow2,
        };
        let file = File::open(disk).map_err(RepositoryError::io(disk))?;
        let header = inspect(&file, format).map_err(|refusal| RepositoryError::Refused { path: disk.to_owned(), refusal })?;
        let (said, found) = (self.facts.size_bytes, header.virtual_bytes);
        if said != found {
            return Err(RepositoryError::malformed(disk.display(), format!("a disk of {found} bytes, not {said}")));
        }
        Ok(())
    }

    /// The path of a file that is what the description says.
    fn checked_file(&self, folder: &Path, name: &str) -> Result<PathBuf, RepositoryError> {
        let path = folder.join(name);
        let malformed = |reason: &str| RepositoryError::malformed(path.display(), reason);
        let entry = self.files.get(name).ok_or_else(|| malformed("not listed among the files"))?;
        if name.is_empty() || name.starts_with('.') || name.contains('/') {
            return Err(malformed("not the name of a file in the folder"));
        }
        let metadata = fs::symlink_metadata(&path).map_err(RepositoryError::io(&path))?;
        if !metadata.is_file() || metadata.len() != entry.bytes {
            return Err(malformed("not a file of the size that is said"));
        }
        if digest_of(&path).map_err(RepositoryError::io(&path))? != entry.sha256 {
            return Err(malformed("does not match its checksum"));
        }
        Ok(path)
    }
}

fn digest_of(path: &Path) -> io::Result<Digest> {
    const PIECE: usize = 1 << 20;
    let mut file = File::open(path)?;
    let mut hasher = Hasher::default();
    let mut buffer = vec![0; PIECE];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hasher.finish()),
            length => hasher.update(&buffer[..length]),
        }
    }
}
