//! A repository before a store that fails in every way that a store can fail in.

use super::faulty::{Fault, Faulty};
use super::*;
use crate::manifest::CHUNK_BYTES;
use crate::{Digest, Repository, Settings, Swept};
use std::collections::HashMap;
use std::fs::{self, File};
use std::time::SystemTime;
use tempfile::TempDir;

const CHUNK: usize = *CHUNK_BYTES.start() as usize;

/// A folder in memory where there is such a place: each import waits for all that its file system has to write, other tests' bytes too.
fn room() -> TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

/// A store without faults.
fn sound() -> Faulty {
    Faulty::new(|_, _, _| Fault::None)
}

/// A new folder before the store.
fn folder_before(store: &Faulty) -> (TempDir, Repository) {
    let folder = room();
    let repository = repository_in(&folder, store);
    (folder, repository)
}

/// What a process that opens the folder now has.
fn repository_in(folder: &TempDir, store: &Faulty) -> Repository {
    let settings = Settings { chunk_bytes: *CHUNK_BYTES.start(), threads: 1, cache_bytes: 0, ..Settings::default() };
    let repository = Repository::open_with(folder.path(), settings).unwrap();
    repository.folder.behind.put(Bucket::over(Arc::new(store.clone()), "clouds/one").unwrap());
    repository
}

/// A disk of these chunks; 0 is a hole.
fn disk(kinds: &[u8]) -> Vec<u8> {
    kinds.iter().flat_map(|kind| [*kind; CHUNK]).collect()
}

fn read(repository: &Repository, image: &Digest) -> Result<Vec<u8>, RepositoryError> {
    let reader = repository.reader(image)?;
    let mut bytes = vec![0; reader.size_bytes() as usize];
    reader.read_at(0, &mut bytes)?;
    Ok(bytes)
}

fn chunks_in(folder: &TempDir) -> usize {
    let chunks = fs::read_dir(folder.path().join("chunks")).unwrap();
    chunks.map(|inner| fs::read_dir(inner.unwrap().path()).unwrap().count()).sum()
}

#[test]
fn what_was_stored_is_read_from_the_store_by_whoever_has_nothing_here() {
    let store = sound();
    let (folder, repository) = folder_before(&store);
    let image = repository.import_raw(&disk(&[1, 2, 0, 1, 3])[..], None).unwrap();
    assert_eq!(chunks_in(&folder), 3);
    repository.evict_to(0).unwrap();
    assert_eq!(chunks_in(&folder), 0);
    assert_eq!(read(&repository, &image).unwrap(), disk(&[1, 2, 0, 1, 3]));
    assert_eq!(chunks_in(&folder), 3, "what was read is here again");
    let (_other, fresh) = folder_before(&store);
    assert_eq!(read(&fresh, &image).unwrap(), disk(&[1, 2, 0, 1, 3]));
    assert_eq!((fresh.usage().unwrap().chunks, fresh.images().unwrap()), (3, vec![image]));
}

#[test]
fn the_chunks_that_were_not_used_for_the_longest_time_make_room() {
    let (folder, repository) = folder_before(&sound());
    let (old, new) = (repository.import_raw(&disk(&[1])[..], None).unwrap(), repository.import_raw(&disk(&[2])[..], None).unwrap());
    let of = |image: &Digest| repository.folder.path(repository.manifest(image).unwrap().objects().next().unwrap());
    let long_ago = SystemTime::now() - Duration::from_secs(86_400);
    File::open(of(&old)).unwrap().set_times(fs::FileTimes::new().set_modified(long_ago).set_accessed(long_ago)).unwrap();
    let one = fs::metadata(of(&new)).unwrap().len();
    assert_eq!(repository.evict_to(2 * one).unwrap(), 0, "there is room");
    repository.evict_to(one + one / 2).unwrap();
    assert!(!of(&old).exists() && of(&new).exists());
    assert_eq!(chunks_in(&folder), 1);
}

#[test]
fn a_request_that_fails_at_any_place_leaves_no_broken_image() {
    for fault in [Fault::Lost, Fault::Unanswered] {
        let mut failed = 0;
        loop {
            let store = Faulty::new(move |number, _, _| if number == failed { fault } else { Fault::None });
            let (_folder, repository) = folder_before(&store);
            let imported = repository.import_raw(&disk(&[1, 2, 0, 1, 3])[..], None);
            store.replan(|_, _, _| Fault::None);
            let (_other, fresh) = folder_before(&store);
            for image in fresh.images().unwrap() {
                assert_eq!(read(&fresh, &image).unwrap(), disk(&[1, 2, 0, 1, 3]), "{fault:?} at request {failed}");
            }
            if imported.is_ok() {
                break;
            }
            let image = repository.import_raw(&disk(&[1, 2, 0, 1, 3])[..], None).unwrap();
            repository.sweep().unwrap();
            assert_eq!(read(&fresh, &image).unwrap(), disk(&[1, 2, 0, 1, 3]), "{fault:?} at request {failed}");
            failed += 1;
        }
        assert_eq!(failed, 4, "three chunks and a manifest");
    }
}

#[test]
fn bits_that_flip_on_the_way_are_read_again_and_bad_ones_are_never_served() {
    let store = sound();
    let (folder, repository) = folder_before(&store);
    let image = repository.import_raw(&disk(&[1, 2])[..], None).unwrap();
    for fault in [Fault::Flipped, Fault::Torn] {
        repository.evict_to(0).unwrap();
        store.replan(move |number, _, _| if number == 0 { fault } else { Fault::None });
        assert_eq!(read(&repository, &image).unwrap(), disk(&[1, 2]), "{fault:?} once");
        repository.evict_to(0).unwrap();
        store.replan(move |_, _, _| fault);
        assert!(matches!(read(&repository, &image), Err(RepositoryError::Corrupt { object: Object::Chunk(_) })), "{fault:?} for good");
        assert_eq!(chunks_in(&folder), 0, "what is damaged is not kept");
    }
    store.replan(|_, what, _| if what == "get" { Fault::Lost } else { Fault::None });
    assert!(matches!(read(&repository, &image), Err(RepositoryError::Store { .. })), "a store that is away lacks nothing");
    store.replan(|_, _, _| Fault::Slow);
    assert_eq!(read(&repository, &image).unwrap(), disk(&[1, 2]));
}

#[test]
fn a_patient_reader_outlasts_a_store_that_is_away() {
    let store = sound();
    let (folder, repository) = folder_before(&store);
    let image = repository.import_raw(&disk(&[1])[..], None).unwrap();
    repository.evict_to(0).unwrap();
    let settings = Settings { patience: Duration::from_secs(60), cache_bytes: 0, ..Settings::default() };
    let patient = Repository::open_with(folder.path(), settings).unwrap();
    patient.folder.behind.put(Bucket::over(Arc::new(store.clone()), "clouds/one").unwrap());
    store.replan(|number, _, _| if number < 2 { Fault::Lost } else { Fault::None });
    assert_eq!(read(&patient, &image).unwrap(), disk(&[1]));
}

#[test]
fn a_chunk_that_the_store_has_lost_is_named() {
    let store = sound();
    let (_folder, repository) = folder_before(&store);
    let image = repository.import_raw(&disk(&[1])[..], None).unwrap();
    let chunk = repository.manifest(&image).unwrap().objects().next().unwrap();
    repository.folder.bucket().unwrap().unwrap().delete(&[chunk]).unwrap();
    repository.evict_to(0).unwrap();
    assert!(matches!(read(&repository, &image), Err(RepositoryError::Missing { object }) if object == chunk));
}

#[test]
fn a_sweep_deletes_what_nobody_names_in_both_places() {
    let store = sound();
    let (folder, repository) = folder_before(&store);
    let kept = repository.import_raw(&disk(&[1, 2])[..], None).unwrap();
    let gone = repository.import_raw(&disk(&[2, 3])[..], None).unwrap();
    repository.remove(&gone).unwrap();
    assert_eq!(repository.images().unwrap(), [kept]);
    assert_eq!(repository.sweep().unwrap().objects, 1);
    assert_eq!((repository.usage().unwrap().chunks, chunks_in(&folder)), (2, 2));
    assert_eq!(repository.sweep().unwrap(), Swept::default());
    let (_other, fresh) = folder_before(&store);
    assert_eq!(read(&fresh, &kept).unwrap(), disk(&[1, 2]));
}

#[test]
fn a_sweep_that_is_shown_half_of_the_manifests_deletes_nothing() {
    let store = sound();
    let (_folder, repository) = folder_before(&store);
    for kind in 1..=4 {
        repository.import_raw(&disk(&[kind])[..], None).unwrap();
    }
    for fault in [Fault::Torn, Fault::Lost] {
        store.replan(move |_, what, path| if what == "list" && path.as_ref().contains("manifests") { fault } else { Fault::None });
        assert!(matches!(repository.sweep(), Err(RepositoryError::Store { .. })), "{fault:?}");
    }
    store.replan(|_, _, _| Fault::None);
    assert_eq!(repository.usage().unwrap().chunks, 4);
    assert_eq!(repository.sweep().unwrap().objects, 0);
}

#[test]
fn who_stores_after_a_sweep_that_died_waits_until_its_deletions_have_arrived() {
    let store = sound();
    let (folder, repository) = folder_before(&store);
    let gone = repository.import_raw(&disk(&[1])[..], None).unwrap();
    repository.remove(&gone).unwrap();
    store.replan(|_, what, _| if what == "delete" { Fault::Unanswered } else { Fault::None });
    assert!(matches!(repository.sweep(), Err(RepositoryError::Store { .. })));
    store.replan(|_, _, _| Fault::None);
    let mark = folder.path().join("deleting");
    let began = std::time::Instant::now();
    File::options().write(true).open(&mark).unwrap().set_modified(SystemTime::now() - Duration::from_millis(59_500)).unwrap();
    let image = repository.import_raw(&disk(&[1])[..], None).unwrap();
    assert!(began.elapsed() >= Duration::from_millis(400) && !mark.exists());
    repository.evict_to(0).unwrap();
    assert_eq!(read(&repository, &image).unwrap(), disk(&[1]));
}

#[test]
fn a_place_has_one_owner() {
    let store = sound();
    let bucket = || Bucket::over(Arc::new(store.clone()), "clouds/one").unwrap();
    let (first, second) = (room(), room());
    Repository::open(first.path()).unwrap().bring_all(&bucket()).unwrap();
    Repository::open(first.path()).unwrap().bring_all(&bucket()).unwrap();
    assert!(matches!(Repository::open(second.path()).unwrap().bring_all(&bucket()), Err(RepositoryError::Malformed { .. })));
    let beside = Bucket::over(Arc::new(store.clone()), "clouds/two").unwrap();
    Repository::open(second.path()).unwrap().bring_all(&beside).unwrap();
}

#[test]
fn what_a_folder_had_before_is_brought_to_the_store_however_often_that_fails() {
    let folder = room();
    let settings = Settings { chunk_bytes: *CHUNK_BYTES.start(), threads: 1, ..Settings::default() };
    let alone = Repository::open_with(folder.path(), settings).unwrap();
    let image = alone.import_raw(&disk(&[1, 2, 3])[..], None).unwrap();
    let store = Faulty::new(|number, _, _| if number % 3 == 2 && number < 24 { Fault::Lost } else { Fault::None });
    let bucket = Bucket::over(Arc::new(store.clone()), "clouds/one").unwrap();
    let tries = (1..).find(|_| alone.bring_all(&bucket).is_ok()).unwrap();
    assert!(tries > 1, "it failed at first");
    store.replan(|_, _, _| Fault::None);
    let (_other, fresh) = folder_before(&store);
    assert_eq!(read(&fresh, &image).unwrap(), disk(&[1, 2, 3]));
}

#[test]
fn a_scrub_mends_each_place_from_the_other() {
    let store = sound();
    let (folder, repository) = folder_before(&store);
    let image = repository.import_raw(&disk(&[1, 2, 3])[..], None).unwrap();
    let chunks: Vec<Object> = repository.manifest(&image).unwrap().objects().collect();
    let bucket = repository.folder.bucket().unwrap().unwrap();
    bucket.put(chunks[0], vec![1, 2, 3]).unwrap();
    bucket.delete(&[chunks[1], Object::Manifest(image)]).unwrap();
    let here = repository.folder.path(chunks[2]);
    fs::remove_file(&here).unwrap();
    fs::write(&here, "torn").unwrap();
    let pace = crate::Pace { bytes_per_second: u64::MAX };
    // The manifest is not listed any more, so it is found by what is here.
    let found = repository.scrub(pace, || true).unwrap();
    assert_eq!((found.mended.len(), found.damaged.len()), (4, 0), "{found:?}");
    let (_other, fresh) = folder_before(&store);
    assert_eq!(read(&fresh, &image).unwrap(), disk(&[1, 2, 3]));
    repository.evict_to(0).unwrap();
    bucket.put(chunks[0], vec![1, 2, 3]).unwrap();
    let found = repository.scrub(pace, || true).unwrap();
    assert_eq!((found.mended.len(), &found.damaged[0].images[..]), (0, &[image][..]));
    assert_eq!(chunks_in(&folder), 0, "a scrub fills no cache");
    store.replan(|_, _, _| Fault::Lost);
    assert!(matches!(repository.scrub(pace, || true), Err(RepositoryError::Store { .. })), "a store that is away lacks nothing");
}

/// A generator of numbers (xorshift64*), so that a seed says all.
struct Seed(u64);

impl Seed {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % limit
    }
}

/// Stores, removes, sweeps, evicts and reads in any order before a store of which each fifth request fails, the process dying now and
/// then. Whatever was said to be stored is there byte for byte.
#[test]
fn nothing_that_was_stored_is_ever_lost() {
    for seed in 1..=200 {
        let mut random = Seed(0x9E37_79B9_7F4A_7C15_u64.wrapping_mul(seed));
        let store = sound();
        let (folder, mut repository) = folder_before(&store);
        let mut model: HashMap<Digest, Vec<u8>> = HashMap::new();
        for step in 0..30 {
            let mut faults = Seed(random.below(u64::MAX >> 33) + 1);
            store.replan(move |_, _, _| match faults.below(25) {
                0 => Fault::Lost,
                1 => Fault::Unanswered,
                2 => Fault::Flipped,
                3 => Fault::Torn,
                _ => Fault::None,
            });
            match random.below(6) {
                0 | 1 => {
                    let bytes = disk(&[random.below(6) as u8, random.below(6) as u8, random.below(6) as u8]);
                    if let Ok(image) = repository.import_raw(&bytes[..], None) {
                        model.insert(image, bytes);
                    }
                }
                2 => {
                    if let Some(image) = model.keys().min().copied() {
                        // Whatever comes of it: nobody wants it any more.
                        model.remove(&image);
                        let _ = repository.remove(&image);
                    }
                }
                3 => {
                    let _ = repository.sweep();
                    // What a late deletion may do is another test's: here all have arrived.
                    let _ = fs::remove_file(folder.path().join("deleting"));
                }
                4 => drop(repository.evict_to(random.below(3) * 20)),
                _ => repository = repository_in(&folder, &store),
            }
            for (image, bytes) in &model {
                match read(&repository, image) {
                    Ok(read) => assert!(read == *bytes, "seed {seed}, step {step}: {image} reads other bytes"),
                    Err(RepositoryError::Missing { object }) => panic!("seed {seed}, step {step}: {object} is missing"),
                    // The store failed at this reading.
                    Err(_) => {}
                }
            }
        }
        store.replan(|_, _, _| Fault::None);
        let (_other, fresh) = folder_before(&store);
        for (image, bytes) in &model {
            assert!(read(&fresh, image).unwrap() == *bytes, "seed {seed}: {image}");
        }
    }
}
