//! Images: what goes in comes out, equal bytes are one image and one chunk, and nothing goes that somebody needs.

mod common;

use common::{chunks, disk, file_of, import, noise};
use pileus_repository::{BootFiles, MAX_IMAGE_BYTES, Object, Problem, Repository, RepositoryError, Settings, Usage};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use tempfile::tempdir;

fn small_chunks() -> Settings {
    Settings { chunk_bytes: 4096, cache_bytes: 3 * 4096, ..Settings::default() }
}

/// Runs a property on one repository, whose laying out and syncing would else be most of the work.
fn check<S: Strategy>(strategy: S, property: impl Fn(&Path, &Repository, S::Value) -> Result<(), TestCaseError>) {
    let folder = tempdir().unwrap();
    let repository = Repository::open_with(folder.path().join("repository"), small_chunks()).unwrap();
    let mut runner = TestRunner::new(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() });
    runner.run(&strategy, |value| property(folder.path(), &repository, value)).unwrap();
}

#[test]
fn any_disk_reads_back_at_any_place() {
    let blocks = prop::collection::vec(0u8..4, 0..40);
    let reads = prop::collection::vec((any::<prop::sample::Index>(), 0usize..20_000), 1..12);
    check((blocks, 0usize..512, reads), |_, repository, (blocks, cut, reads)| {
        // Block 0 is zeroes, 1 repeats itself, 2 and 3 are noise.
        let mut disk: Vec<u8> = Vec::new();
        for (place, kind) in blocks.iter().enumerate() {
            match kind {
                0 => disk.resize(disk.len() + 2048, 0),
                1 => disk.extend([7; 2048]),
                _ => disk.extend(noise(place as u64, 2048)),
            }
        }
        disk.truncate(disk.len().saturating_sub(cut));
        let image = repository.import_raw(&disk[..], None).unwrap();
        let reader = repository.reader(&image).unwrap();
        prop_assert_eq!(reader.size_bytes(), disk.len() as u64);
        for (place, length) in reads {
            let offset = place.index(disk.len() + 1);
            let length = length.min(disk.len() - offset);
            let mut buffer = vec![0xee; length];
            reader.read_at(offset as u64, &mut buffer).unwrap();
            prop_assert_eq!(&buffer[..], &disk[offset..offset + length]);
        }
        let outside = reader.read_at(disk.len() as u64, &mut [0]);
        prop_assert!(matches!(outside, Err(RepositoryError::OutOfRange { .. })), "{:?}", outside);
        prop_assert_eq!(repository.verify(&image), vec![]);
        Ok(())
    });
}

#[test]
fn a_sparse_file_is_the_image_of_its_bytes() {
    let parts = prop::collection::vec((0u64..60, 1usize..3000), 0..6);
    check((parts, 1u64..250_000), |folder, repository, (parts, size)| {
        let path = folder.join("disk");
        let mut file = File::create(&path).unwrap();
        for (block, length) in parts {
            file.seek(SeekFrom::Start(block * 4096)).unwrap();
            file.write_all(&noise(block, length)).unwrap();
        }
        file.set_len(size).unwrap();
        let sparse = repository.import_raw_file(&path, None).unwrap();
        let whole = repository.import_raw(&fs::read(&path).unwrap()[..], None).unwrap();
        prop_assert_eq!(sparse, whole);
        Ok(())
    });
}

#[test]
fn holes_are_not_read() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("disk");
    let file = File::create_new(&path).unwrap();
    // At any speed that a disk has, reading it would take longer than a test may.
    let size = 500 << 30;
    file.set_len(size).unwrap();
    let repository = Repository::open(folder.path().join("repository")).unwrap();
    let image = repository.import_raw_file(&path, None).unwrap();
    assert_eq!(repository.reader(&image).unwrap().size_bytes(), size);
    assert_eq!(repository.usage().unwrap().chunks, 0);

    file.set_len(MAX_IMAGE_BYTES + 1).unwrap();
    let error = repository.import_raw_file(&path, None).unwrap_err();
    assert!(matches!(error, RepositoryError::Malformed { .. }), "{error}");
}

#[test]
fn equal_bytes_are_stored_once() {
    let folder = tempdir().unwrap();
    let disk = disk(4);
    let (repository, image) = import(folder.path(), &disk);
    let usage = repository.usage().unwrap();
    assert_eq!(repository.import_raw(&disk[..], None).unwrap(), image);
    assert_eq!(repository.usage().unwrap(), usage);

    let mut changed = disk.clone();
    changed[0] ^= 1;
    assert_ne!(repository.import_raw(&changed[..], None).unwrap(), image);
    let after = repository.usage().unwrap();
    assert_eq!((after.manifests, after.chunks), (usage.manifests + 1, usage.chunks + 1));
}

#[test]
fn imports_beside_each_other_make_the_same_image() {
    let folder = tempdir().unwrap();
    let disk = disk(6);
    let repository = Repository::open(folder.path()).unwrap();
    let images: Vec<_> = std::thread::scope(|scope| {
        let imports: Vec<_> = (0..3).map(|_| scope.spawn(|| repository.import_raw(&disk[..], None).unwrap())).collect();
        imports.into_iter().map(|import| import.join().unwrap()).collect()
    });
    assert!(images.iter().all(|image| *image == images[0]));
    assert_eq!(repository.verify(&images[0]), vec![]);
    assert_eq!(fs::read_dir(folder.path().join("staging")).unwrap().count(), 0);
}

#[test]
fn a_kernel_is_kept_whole_and_another_user_may_read_it() {
    let folder = tempdir().unwrap();
    let (kernel, initrd) = (folder.path().join("kernel"), folder.path().join("initrd"));
    fs::write(&kernel, noise(1, 3 << 20)).unwrap();
    fs::write(&initrd, noise(2, 1000)).unwrap();
    let repository = Repository::open(folder.path().join("repository")).unwrap();
    let files = BootFiles { kernel: kernel.clone(), initrd: Some(initrd.clone()), cmdline: "console=ttyS0".into() };
    let image = repository.import_raw(&b"disk"[..], Some(&files)).unwrap();
    let boot = repository.manifest(&image).unwrap().boot.unwrap();
    assert_eq!(boot.cmdline, "console=ttyS0");

    let path = repository.blob_path(&boot.kernel).unwrap();
    assert_eq!(fs::read(&path).unwrap(), fs::read(&kernel).unwrap());
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o444);
    assert_eq!(path.parent().unwrap().metadata().unwrap().permissions().mode() & 0o777, 0o711);
    assert_eq!(fs::read(repository.blob_path(&boot.initrd.unwrap()).unwrap()).unwrap(), noise(2, 1000));

    // Known to be good, then damaged: it is looked at again.
    common::flip(&path);
    let error = repository.blob_path(&boot.kernel).unwrap_err();
    assert!(matches!(error, RepositoryError::Corrupt { object } if object == Object::Blob(boot.kernel)), "{error}");
    assert_eq!(repository.verify(&image), vec![Problem::Corrupt(Object::Blob(boot.kernel))]);
    fs::remove_file(&path).unwrap();
    assert_eq!(repository.verify(&image), vec![Problem::Missing(Object::Blob(boot.kernel))]);

    // A disk without a way to start is another image.
    assert_ne!(repository.import_raw(&b"disk"[..], None).unwrap(), image);
    let long = BootFiles { cmdline: "x".repeat(3000), ..files };
    assert!(matches!(repository.import_raw(&b"disk"[..], Some(&long)), Err(RepositoryError::Malformed { .. })));
}

#[test]
fn a_damaged_chunk_is_named_and_never_served() {
    let folder = tempdir().unwrap();
    let disk = disk(3);
    let (repository, image) = import(folder.path(), &disk);
    let path = folder.path().join("repository");
    let stored = chunks(&repository, &image);
    let [flipped, missing, cut, swapped] = [0, 2, 3, 5].map(|index| stored[index]);
    common::flip(&file_of(&path, Object::Chunk(flipped)));
    fs::remove_file(file_of(&path, Object::Chunk(missing))).unwrap();
    let cut_path = file_of(&path, Object::Chunk(cut));
    fs::set_permissions(&cut_path, fs::Permissions::from_mode(0o600)).unwrap();
    File::options().write(true).open(&cut_path).unwrap().set_len(10).unwrap();
    // A whole and valid chunk, but of other bytes.
    fs::remove_file(file_of(&path, Object::Chunk(swapped))).unwrap();
    fs::copy(file_of(&path, Object::Chunk(stored[4])), file_of(&path, Object::Chunk(swapped))).unwrap();

    let mut expected = vec![
        Problem::Corrupt(Object::Chunk(flipped)),
        Problem::Missing(Object::Chunk(missing)),
        Problem::Corrupt(Object::Chunk(cut)),
        Problem::Corrupt(Object::Chunk(swapped)),
    ];
    expected.sort_by_key(Problem::object);
    assert_eq!(repository.verify(&image), expected);

    let reader = repository.reader(&image).unwrap();
    let mut served = 0;
    for (index, name) in reader.manifest().chunks.iter().enumerate() {
        let bad = expected.iter().any(|problem| Some(problem.object()) == name.map(Object::Chunk));
        let offset = index * reader.manifest().chunk_bytes as usize;
        let mut buffer = vec![0; 1000.min(disk.len() - offset)];
        match reader.read_at(offset as u64, &mut buffer) {
            Ok(()) => assert!(!bad && buffer == disk[offset..offset + buffer.len()], "chunk {index}"),
            Err(RepositoryError::Corrupt { object } | RepositoryError::Missing { object }) => {
                assert!(bad && Some(object) == name.map(Object::Chunk), "chunk {index}: {object}");
                continue;
            }
            Err(error) => panic!("chunk {index}: {error}"),
        }
        served += 1;
    }
    assert!(served > 4);

    // The same disk again brings back what was lost.
    assert_eq!(repository.import_raw(&disk[..], None).unwrap(), image);
    assert_eq!(repository.verify(&image), vec![]);
}

#[test]
fn a_damaged_manifest_is_no_image() {
    let folder = tempdir().unwrap();
    let (repository, image) = import(folder.path(), &disk(1));
    common::flip(&file_of(&folder.path().join("repository"), Object::Manifest(image)));
    for error in [repository.manifest(&image).unwrap_err(), repository.reader(&image).unwrap_err()] {
        assert!(matches!(error, RepositoryError::Corrupt { object } if object == Object::Manifest(image)), "{error}");
    }
    assert_eq!(repository.verify(&image), vec![Problem::Corrupt(Object::Manifest(image))]);
    // Which chunks it names is not known, so none is safe to delete.
    let before = repository.usage().unwrap();
    assert!(repository.sweep().is_err());
    assert_eq!(repository.usage().unwrap(), before);
    repository.import_raw(&disk(1)[..], None).unwrap();
    assert_eq!(repository.verify(&image), vec![]);
}

#[test]
fn a_sweep_deletes_what_no_image_names() {
    let folder = tempdir().unwrap();
    let (repository, kept) = import(folder.path(), &disk(2));
    let before = repository.usage().unwrap();
    let other = repository.import_raw(&[noise(99, 1 << 20), disk(1)].concat()[..], None).unwrap();
    assert!(repository.usage().unwrap().chunks > before.chunks);
    assert_eq!(repository.sweep().unwrap().objects, 0);

    repository.remove(&other).unwrap();
    let swept = repository.sweep().unwrap();
    assert!(swept.objects > 0 && swept.bytes > 1 << 20, "{swept:?}");
    assert_eq!(repository.usage().unwrap(), before);
    assert_eq!(repository.verify(&kept), vec![]);

    repository.remove(&kept).unwrap();
    repository.sweep().unwrap();
    assert_eq!(repository.usage().unwrap(), Usage::default());
    assert!(matches!(repository.remove(&kept), Err(RepositoryError::Missing { .. })));
}

#[test]
fn an_image_that_is_read_is_not_removed() {
    let folder = tempdir().unwrap();
    let (repository, image) = import(folder.path(), &disk(1));
    let reader = repository.reader(&image).unwrap();
    // As from another process: nothing is shared but the folder.
    let other = Repository::open(folder.path().join("repository")).unwrap();
    assert!(matches!(other.remove(&image), Err(RepositoryError::InUse { image: named }) if named == image));
    drop(reader);
    other.remove(&image).unwrap();
    assert!(matches!(repository.reader(&image), Err(RepositoryError::Missing { object }) if object == Object::Manifest(image)));
}

#[test]
fn a_sweep_waits_for_the_import_that_needs_its_chunks() {
    let folder = tempdir().unwrap();
    let disk = disk(2);
    let (repository, image) = import(folder.path(), &disk);
    repository.remove(&image).unwrap();
    // The chunks are garbage now, and the import below relies on them; the sweep starts in its middle.
    let (started, in_the_middle) = std::sync::mpsc::channel();
    let (go_on, gate) = std::sync::mpsc::channel::<()>();
    let (first, second) = disk.split_at(disk.len() / 2);
    let gated = first.chain(Gate { started, gate }).chain(second);
    std::thread::scope(|scope| {
        let import = scope.spawn(|| repository.import_raw(gated, None).unwrap());
        in_the_middle.recv().unwrap();
        let sweep = scope.spawn(|| repository.sweep().unwrap());
        go_on.send(()).unwrap();
        assert_eq!(import.join().unwrap(), image);
        sweep.join().unwrap();
    });
    assert_eq!(repository.verify(&image), vec![]);
}

/// A stream without bytes that says when it is reached, and ends when it may.
struct Gate {
    started: std::sync::mpsc::Sender<()>,
    gate: std::sync::mpsc::Receiver<()>,
}

impl Read for Gate {
    fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
        self.started.send(()).unwrap();
        self.gate.recv().unwrap();
        Ok(0)
    }
}

#[test]
fn a_failing_source_leaves_nothing() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::Error::other("the cable is out"))
        }
    }
    let folder = tempdir().unwrap();
    let repository = Repository::open(folder.path()).unwrap();
    let error = repository.import_raw(noise(1, 2 << 20)[..].chain(Broken), None).unwrap_err();
    assert!(error.to_string().contains("the cable is out"), "{error}");
    assert_eq!(repository.usage().unwrap(), Usage::default());
    assert_eq!(fs::read_dir(folder.path().join("staging")).unwrap().count(), 0);
}

#[test]
fn a_repository_of_another_version_is_left_alone() {
    let folder = tempdir().unwrap();
    Repository::open(folder.path()).unwrap();
    fs::write(folder.path().join("format"), "2\n").unwrap();
    assert!(matches!(Repository::open(folder.path()), Err(RepositoryError::Malformed { .. })));
}

#[test]
fn a_repository_may_be_opened_first_by_several() {
    for _ in 0..5 {
        let folder = tempdir().unwrap();
        std::thread::scope(|scope| {
            let openings: Vec<_> = (0..4).map(|_| scope.spawn(|| Repository::open(folder.path()))).collect();
            for opening in openings {
                opening.join().unwrap().unwrap();
            }
        });
        assert_eq!(fs::read_to_string(folder.path().join("format")).unwrap(), "1\n");
        assert!(fs::read_dir(folder.path()).unwrap().all(|entry| entry.unwrap().file_name().len() <= "manifests".len()));
    }
}

#[test]
fn only_the_owner_reads_disks() {
    let folder = tempdir().unwrap();
    let (repository, image) = import(folder.path(), &disk(1));
    let path = folder.path().join("repository");
    let mode = |path: std::path::PathBuf| path.metadata().unwrap().mode() & 0o777;
    assert_eq!((mode(path.join("chunks")), mode(path.join("manifests"))), (0o700, 0o700));
    assert_eq!(mode(file_of(&path, Object::Manifest(image))), 0o400);
    assert_eq!(mode(file_of(&path, Object::Chunk(chunks(&repository, &image)[0]))), 0o400);
}

#[test]
fn settings_that_make_no_sense_are_refused() {
    let folder = tempdir().unwrap();
    let default = Settings::default();
    for settings in [
        Settings { chunk_bytes: 5000, ..default.clone() },
        Settings { chunk_bytes: 32 << 20, ..default.clone() },
        Settings { level: 0, ..default.clone() },
        Settings { threads: 0, ..default.clone() },
    ] {
        assert!(matches!(Repository::open_with(folder.path(), settings), Err(RepositoryError::Malformed { .. })));
    }
}
