//! Folders as image recipes leave them.

mod common;

use common::{disk, tool};
use pileus_repository::{Digest, ImportedImage, Repository, RepositoryError};
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::{TempDir, tempdir};

const CMDLINE: &str = "root=LABEL=root console=ttyS0";

struct Scene {
    folder: TempDir,
    disk: Vec<u8>,
}

/// A folder with a disk in both formats, a kernel and an initial RAM disk.
fn scene() -> Scene {
    let folder = tempdir().unwrap();
    let mut disk = disk(1);
    disk.resize(disk.len().next_multiple_of(512), 0);
    let built = folder.path().join("built");
    fs::create_dir(&built).unwrap();
    fs::write(built.join("disk.raw"), &disk).unwrap();
    let (raw, qcow2) = (built.join("disk.raw"), built.join("disk.qcow2"));
    let arguments = ["convert", "-c", "-f", "raw", "-O", "qcow2", raw.to_str().unwrap(), qcow2.to_str().unwrap()];
    let (ok, said) = tool("qemu-img", &arguments);
    assert!(ok, "{said}");
    fs::write(built.join("vmlinuz"), "a kernel").unwrap();
    fs::write(built.join("initrd"), "a RAM disk").unwrap();
    Scene { folder, disk }
}

impl Scene {
    fn built(&self) -> PathBuf {
        self.folder.path().join("built")
    }

    fn description(&self, format: &str) -> serde_json::Value {
        let files = ["disk.raw", "disk.qcow2", "vmlinuz", "initrd"].map(|name| {
            let bytes = fs::read(self.built().join(name)).unwrap();
            (name.to_owned(), serde_json::json!({ "bytes": bytes.len(), "sha256": Digest::of(&bytes) }))
        });
        serde_json::json!({
            "name": "small", "title": "Small 1", "description": "For tests", "platform": "linux", "architecture": "x86_64",
            "default_user": "root", "min_disk_gib": 1, "virtual_bytes": self.disk.len(),
            "disk": { "file": format!("disk.{format}"), "format": format, "firmware": "bios" },
            "boot": { "kernel": "vmlinuz", "initrd": "initrd", "cmdline": CMDLINE },
            "files": serde_json::Map::from_iter(files),
        })
    }

    fn import(&self, description: &serde_json::Value) -> Result<ImportedImage, RepositoryError> {
        fs::write(self.built().join("image.json"), description.to_string()).unwrap();
        self.repository().import_folder(self.built())
    }

    fn repository(&self) -> Repository {
        Repository::open(self.folder.path().join("repository")).unwrap()
    }
}

#[test]
fn a_folder_becomes_an_image_whatever_the_disks_format() {
    let scene = scene();
    let imported = scene.import(&scene.description("qcow2")).unwrap();
    assert_eq!(scene.import(&scene.description("raw")).unwrap(), imported);
    assert_eq!((imported.facts.name.as_str(), imported.facts.min_disk_gib), ("small", 1));
    assert_eq!(imported.facts.size_bytes, scene.disk.len() as u64);

    let repository = scene.repository();
    let boot = repository.manifest(&imported.manifest).unwrap().boot.unwrap();
    assert_eq!(boot.cmdline, CMDLINE);
    assert_eq!(fs::read(repository.blob_path(&boot.kernel).unwrap()).unwrap(), b"a kernel");
    let mut bytes = vec![0; scene.disk.len()];
    repository.reader(&imported.manifest).unwrap().read_at(0, &mut bytes).unwrap();
    assert!(bytes == scene.disk);

    let mut without = scene.description("raw");
    without.as_object_mut().unwrap().remove("boot");
    let plain = scene.import(&without).unwrap();
    assert_eq!(repository.manifest(&plain.manifest).unwrap().boot, None);
}

#[test]
fn a_folder_that_is_not_what_it_says_is_refused() {
    let scene = scene();
    let good = scene.description("raw");
    let check = |pointer: &str, value: serde_json::Value, expected: &str| {
        let mut bad = good.clone();
        *bad.pointer_mut(pointer).unwrap() = value;
        let error = scene.import(&bad).unwrap_err();
        assert!(matches!(error, RepositoryError::Malformed { .. }), "{pointer}: {error}");
        assert!(error.to_string().contains(expected), "{pointer}: {error}");
    };
    check("/disk/file", "other.raw".into(), "not listed");
    check("/disk/format", "vmdk".into(), "unknown variant");
    check("/files/vmlinuz/sha256", "0".repeat(64).into(), "checksum");
    check("/files/vmlinuz/sha256", "0".into(), "64 lower-case");
    check("/files/initrd/bytes", 3.into(), "size");
    check("/boot/cmdline", "a\nb".into(), "control characters");
    check("/boot/kernel", "../vmlinuz".into(), "not listed");
    check("/name", 3.into(), "invalid type");
    check("/virtual_bytes", 4096.into(), "not 4096");
    assert_eq!(scene.repository().images().unwrap(), vec![]);
}

#[test]
fn a_file_outside_the_folder_is_refused() {
    let scene = scene();
    let outside: &Path = &scene.folder.path().join("secret");
    fs::write(outside, "a kernel").unwrap();
    let mut by_path = scene.description("raw");
    let entry = by_path["files"]["vmlinuz"].clone();
    by_path["files"]["../secret"] = entry;
    by_path["boot"]["kernel"] = "../secret".into();
    assert!(scene.import(&by_path).unwrap_err().to_string().contains("not the name of a file"));

    fs::remove_file(scene.built().join("vmlinuz")).unwrap();
    let by_link = scene.built().join("vmlinuz");
    std::os::unix::fs::symlink(outside, &by_link).unwrap();
    assert!(scene.import(&scene.description("raw")).unwrap_err().to_string().contains("not a file"));
}
