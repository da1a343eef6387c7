//! Disks that come block by block: what is stored is what was written over what is below, and differences are found.

mod common;

use std::path::Path;

use common::noise;
use model::DataKey;
use pileus_repository::{BlockDifference, BlockFile, Digest, Repository, RepositoryError, Under};
use tempfile::tempdir;

const BLOCK: u32 = 512 * 1024;
const MIB: u64 = 1 << 20;

fn block(fill: u8) -> Vec<u8> {
    vec![fill; BLOCK as usize]
}

fn read(repository: &Repository, image: &Digest) -> Vec<u8> {
    let reader = repository.reader(image).unwrap();
    let mut bytes = vec![0; reader.size_bytes() as usize];
    reader.read_at(0, &mut bytes).unwrap();
    bytes
}

fn uploaded(folder: &Path, name: &str, blocks: &[(u32, u8)]) -> BlockFile {
    let file = BlockFile::open(folder, name, BLOCK, None).unwrap();
    for (index, fill) in blocks {
        file.write(*index, &block(*fill)).unwrap();
    }
    file
}

#[test]
fn blocks_are_stored_over_what_is_below_and_only_they_cost_room() {
    let folder = tempdir().unwrap();
    let repository = Repository::open(folder.path().join("repository")).unwrap();
    let below = noise(5, 3 * MIB as usize + 1000);
    let under = repository.import_raw(&below[..], None).unwrap();
    let file = uploaded(folder.path(), "a", &[(1, 7), (9, 8), (1, 0)]);
    assert_eq!(file.count().unwrap(), 2);
    let stored = repository.store_blocks(&file, None, Some(Under { manifest: under, key: None }), 5 * MIB).unwrap();
    let mut expected = below.clone();
    expected.resize(5 * MIB as usize, 0);
    expected[BLOCK as usize..2 * BLOCK as usize].fill(0);
    expected[9 * BLOCK as usize..].fill(8);
    assert!(read(&repository, &stored.manifest) == expected);
    assert!(stored.new_bytes < MIB, "{} bytes for a block of one letter", stored.new_bytes);
    let (first, second) = (repository.reader(&under).unwrap(), repository.reader(&stored.manifest).unwrap());
    let listed: Vec<u64> = second.blocks(None, 0, 100, BLOCK).iter().map(|block| block.index).collect();
    assert_eq!(listed, [0, 2, 3, 4, 5, 6, 9]);
    let changed = second.blocks(Some(&first), 0, 100, BLOCK);
    assert!(changed.contains(&BlockDifference { index: 1, in_first: true, in_second: false }));
    assert!(changed.contains(&BlockDifference { index: 9, in_first: false, in_second: true }));
    assert!(changed.iter().all(|block| [1, 6, 9].contains(&block.index)), "{changed:?}");
    assert_eq!(second.blocks(None, 3, 2, BLOCK).iter().map(|block| block.index).collect::<Vec<_>>(), [3, 4]);
    assert_eq!(second.read_block(9, BLOCK).unwrap(), block(8));
    assert_eq!(second.read_block(u64::MAX, BLOCK).unwrap(), block(0));
}

#[test]
fn a_block_that_came_again_after_a_kill_is_there_once_and_an_absurd_disk_is_refused() {
    let folder = tempdir().unwrap();
    let repository = Repository::open(folder.path().join("repository")).unwrap();
    drop(uploaded(folder.path(), "a", &[(0, 1), (2, 3)]));
    let file = uploaded(folder.path(), "a", &[(2, 4)]);
    assert_eq!(file.count().unwrap(), 2);
    assert!(file.write(0, b"short").is_err());
    let stored = repository.store_blocks(&file, None, None, MIB + MIB / 2).unwrap();
    assert!(read(&repository, &stored.manifest) == [block(1), block(0), block(4)].concat());
    let absurd = repository.store_blocks(&file, None, None, u64::MAX);
    assert!(matches!(absurd, Err(RepositoryError::Malformed { .. })), "{absurd:?}");
    BlockFile::remove(folder.path(), "a").unwrap();
    BlockFile::remove(folder.path(), "a").unwrap();
    let left = std::fs::read_dir(folder.path())
        .unwrap()
        .flatten()
        .filter(|entry| BlockFile::name_of(entry.file_name().to_str().unwrap()).is_some());
    assert_eq!(left.count(), 0);
}

#[test]
fn an_upload_of_an_encrypted_disk_waits_encrypted_and_its_own_way() {
    let folder = tempdir().unwrap();
    let repository = Repository::open(folder.path().join("repository")).unwrap();
    let key = DataKey::new([3; 32]);
    let open = |name: &str, key| BlockFile::open(folder.path(), name, BLOCK, Some(key)).unwrap();
    for name in ["a", "b"] {
        open(name, &key).write(1, &block(9)).unwrap();
        open(name, &key).write(1, &block(7)).unwrap();
    }
    let waiting = |name: &str| std::fs::read(folder.path().join(format!("{name}.blocks"))).unwrap();
    assert!(waiting("a") != waiting("b"), "two uploads under one key show nothing of each other");
    for name in ["a", "b"] {
        assert!(!waiting(name).windows(16).any(|bytes| bytes == [7; 16] || bytes == [9; 16]));
    }
    // Chunks are smaller than a block, so a block is decrypted in parts.
    let stored = repository.store_blocks(&open("a", &key), Some(&key), None, MIB).unwrap();
    let mut bytes = vec![1; MIB as usize];
    repository.reader_with(&stored.manifest, Some(&key)).unwrap().read_at(0, &mut bytes).unwrap();
    let mut expected = vec![0; MIB as usize];
    expected[BLOCK as usize..2 * BLOCK as usize].fill(7);
    assert!(bytes == expected);
}

#[test]
fn what_is_sealed_is_read_with_its_key_alone_and_found_again_under_it() {
    let folder = tempdir().unwrap();
    let repository = Repository::open(folder.path().join("repository")).unwrap();
    let (key, other) = (DataKey::new([1; 32]), DataKey::new([2; 32]));
    let plain = repository.import_raw(&noise(7, 3 * MIB as usize)[..], None).unwrap();
    let file = BlockFile::open(folder.path(), "copy", BLOCK, None).unwrap();
    let store = |key: Option<&DataKey>, under: Under<'_>| repository.store_blocks(&file, key, Some(under), 3 * MIB).unwrap();
    let sealed = store(Some(&key), Under { manifest: plain, key: None });
    assert!(sealed.new_bytes > 2 * MIB, "nothing of the plain disk is shared");
    let again = store(Some(&key), Under { manifest: sealed.manifest, key: Some(&key) });
    assert_eq!((again.manifest, again.new_bytes), (sealed.manifest, 0));
    let resealed = store(Some(&other), Under { manifest: sealed.manifest, key: Some(&key) });
    assert!(resealed.new_bytes > 2 * MIB, "nothing is shared between keys");
    let read = |manifest, key: Option<&DataKey>| {
        let mut bytes = vec![0; 3 * MIB as usize];
        repository.reader_with(manifest, key).and_then(|reader| reader.read_at(0, &mut bytes)).map(|()| bytes)
    };
    let expected = read(&plain, None).unwrap();
    assert!(read(&sealed.manifest, Some(&key)).unwrap() == expected && read(&resealed.manifest, Some(&other)).unwrap() == expected);
    for (manifest, key) in [(&sealed.manifest, None), (&sealed.manifest, Some(&other)), (&plain, Some(&key))] {
        assert!(matches!(read(manifest, key), Err(RepositoryError::Sealed { .. })), "{manifest}");
    }
    // A flipped bit is found with and without the key.
    assert_eq!(repository.verify(&sealed.manifest), vec![]);
    let chunk = repository.manifest(&sealed.manifest).unwrap().chunks.into_iter().flatten().next().unwrap();
    let path = folder.path().join("repository/chunks").join(&chunk.to_string()[..2]).join(chunk.to_string());
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[1_000] ^= 1;
    std::fs::remove_file(&path).unwrap();
    std::fs::write(&path, bytes).unwrap();
    let fresh = Repository::open(folder.path().join("repository")).unwrap();
    assert_eq!(fresh.verify(&sealed.manifest).len(), 1);
    let reader = fresh.reader_with(&sealed.manifest, Some(&key)).unwrap();
    assert!(matches!(reader.read_at(0, &mut vec![0; 3 * MIB as usize]), Err(RepositoryError::Corrupt { .. })));
}
