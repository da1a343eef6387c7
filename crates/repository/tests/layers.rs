//! Disks in layers: what is stored is what the layers show over each other, and costs what they hold. And what nobody needs goes.

mod common;

use std::fs::File;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

use common::noise;
use pileus_repository::{Layers, Repository, RepositoryError, Under};
use tempfile::tempdir;

const MIB: u64 = 1 << 20;

/// Makes a layer in which `writes` of so many bytes at an offset were made, by QEMU's own hand.
fn layer(path: &Path, size: u64, writes: &[(u64, u64, u8)]) -> File {
    let run = |program: &str, arguments: &[String]| {
        let done = Command::new(program).args(arguments).output().unwrap();
        assert!(done.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
    };
    let name = path.display().to_string();
    run("qemu-img", &["create".into(), "-q".into(), "-f".into(), "qcow2".into(), name.clone(), size.to_string()]);
    let mut arguments = vec!["-f".into(), "qcow2".into()];
    for (offset, length, byte) in writes {
        let command = if *byte == 0 { format!("write -z {offset} {length}") } else { format!("write -P {byte} {offset} {length}") };
        arguments.extend(["-c".into(), command]);
    }
    arguments.push(name);
    run("qemu-io", &arguments);
    File::open(path).unwrap()
}

fn read(repository: &Repository, image: &pileus_repository::Digest) -> Vec<u8> {
    let reader = repository.reader(image).unwrap();
    let mut bytes = vec![0; reader.size_bytes() as usize];
    reader.read_at(0, &mut bytes).unwrap();
    bytes
}

#[test]
fn the_newest_layer_that_has_a_cluster_shows_and_the_manifest_below_the_rest() {
    let folder = tempdir().unwrap();
    let repository = Repository::open(folder.path().join("repository")).unwrap();
    let base = noise(1, 3 * MIB as usize);
    let under = repository.import_raw(&base[..], None).unwrap();
    const CLUSTER: u64 = 64 << 10;
    // Whole clusters: what QEMU writes in part over nothing, it fills with zeroes of its own.
    let writes: [&[(u64, u64, u8)]; 3] = [
        &[(0, 2 * CLUSTER, 1), (MIB, CLUSTER, 1), (5 * MIB, CLUSTER, 1)],
        &[(CLUSTER, CLUSTER, 2), (2 * MIB, CLUSTER, 0), (6 * MIB, CLUSTER, 2)],
        &[(MIB, CLUSTER, 3), (5 * MIB, CLUSTER, 0)],
    ];
    let sizes = [6 * MIB, 8 * MIB, 8 * MIB];
    let files: Vec<File> = (0..3).map(|at| layer(&folder.path().join(format!("l{at}")), sizes[at], writes[at])).collect();
    let mut model = base.clone();
    model.resize(8 * MIB as usize, 0);
    for (offset, length, byte) in writes.concat() {
        model[offset as usize..(offset + length) as usize].fill(byte);
    }
    let told = std::sync::Mutex::new(vec![]);
    let disk = Layers { files: &files, live: None, key: None, under: Some(Under { manifest: under, key: None }), size_bytes: 8 * MIB };
    let stored = repository.store_layers(&disk, &|bytes| told.lock().unwrap().push(bytes)).unwrap();
    assert!(read(&repository, &stored.manifest) == model);
    assert_eq!(repository.verify(&stored.manifest), vec![]);
    assert_eq!(told.lock().unwrap().last(), Some(&(8 * MIB)));
    // The same again is the same, and takes no room.
    let again = repository.store_layers(&disk, &|_| {}).unwrap();
    assert_eq!((again.manifest, again.new_bytes), (stored.manifest, 0));
    // Over its own image, an empty disk is that image, whatever lies between is not read.
    let empty = [layer(&folder.path().join("empty"), 3 * MIB, &[])];
    let same = repository
        .store_layers(
            &Layers { files: &empty, live: None, key: None, under: Some(Under { manifest: under, key: None }), size_bytes: 3 * MIB },
            &|_| {},
        )
        .unwrap();
    assert_eq!((same.manifest, same.new_bytes), (under, 0));
}

#[test]
fn a_layer_that_names_another_file_is_refused() {
    let folder = tempdir().unwrap();
    let repository = Repository::open(folder.path().join("repository")).unwrap();
    let path = folder.path().join("layer");
    drop(layer(&path, MIB, &[]));
    let secret = folder.path().join("secret");
    std::fs::write(&secret, vec![7; MIB as usize]).unwrap();
    let rebase = ["rebase", "-u", "-f", "qcow2", "-F", "raw", "-b"];
    let done = Command::new("qemu-img").args(rebase).args([&secret, &path]).output().unwrap();
    assert!(done.status.success(), "{done:?}");
    let files = [File::open(&path).unwrap()];
    let refused = repository.store_layers(&Layers { files: &files, live: None, key: None, under: None, size_bytes: MIB }, &|_| {});
    assert!(matches!(refused, Err(RepositoryError::Refused { .. })), "{refused:?}");
    assert_eq!(repository.images().unwrap(), []);
}

#[test]
fn what_nobody_needs_goes_unless_it_was_stored_again_meanwhile() {
    let folder = tempdir().unwrap();
    let repository = Repository::open(folder.path().join("repository")).unwrap();
    let images: Vec<_> = (0..3).map(|seed| repository.import_raw(&noise(seed, MIB as usize)[..], None).unwrap()).collect();
    let past = SystemTime::now() - Duration::from_secs(60);
    assert_eq!(repository.collect(|_| false, past).unwrap().images, 0, "all of them are young");
    let soon = SystemTime::now() + Duration::from_secs(60);
    let reader = repository.reader(&images[1]).unwrap();
    let collected = repository.collect(|image| *image == images[0], soon).unwrap();
    assert_eq!(collected.images, 1, "one is needed, one is open");
    assert!(collected.swept.bytes > MIB / 2);
    assert_eq!((repository.verify(&images[0]), repository.verify(&images[1])), (vec![], vec![]));
    drop(reader);
    // Stored again after the look at what is needed: it stays.
    let look = SystemTime::now();
    std::thread::sleep(Duration::from_millis(20));
    repository.import_raw(&noise(1, MIB as usize)[..], None).unwrap();
    assert_eq!(repository.collect(|image| *image == images[0], look).unwrap().images, 0);
    assert_eq!(repository.verify(&images[1]), vec![]);
}
