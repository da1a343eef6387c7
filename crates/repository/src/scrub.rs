//! Scrubbing: reading everything that images need where it is kept, comparing it with its checksums, and mending what can be mended.
//!
//! ```text
//!   every manifest ─▶ every object that one names, once ─▶ as it lies in the folder, past the page cache
//!                                                       └▶ as it lies in the object store, where there is one
//!   good in one place and not in the other ─▶ written again from the good one       in none ─▶ damage: named, with the images that need it
//! ```
//!
//! It knows no disk: who reads an image is told elsewhere. What is damaged stays where it is: it is never served, since every read
//! compares too, and storing the same bytes again mends it.

use crate::bucket::Bucket;
use crate::fetch::is_right;
use crate::{Digest, Object, Problem, Repository, RepositoryError};
use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::Read;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

/// Longest pause at once, so that whoever wants it to stop is heard.
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// How a scrub goes about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// Stored bytes that are read in a second at most.
    pub bytes_per_second: u64,
}

/// What a scrub has found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scrubbed {
    /// When it ended, in milliseconds since 1970.
    pub ended_at_ms: u64,
    /// Images whose objects were read.
    pub images: u64,
    /// Objects that were read.
    pub objects: u64,
    /// Their bytes as they are stored, each place counted.
    pub bytes: u64,
    /// What was mended, in words.
    pub mended: Vec<String>,
    /// What could not be.
    pub damaged: Vec<Damage>,
}

/// An object that is right nowhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Damage {
    /// What is wrong with which, in words.
    pub problem: String,
    /// Images that need it.
    pub images: Vec<Digest>,
}

/// One object in one place.
enum Copy {
    Right(Vec<u8>),
    Wrong,
    Absent,
}

impl Repository {
    /// Reads everything that any image needs, mends what it can, and keeps what it found for [`last_scrub`](Repository::last_scrub).
    /// Takes as long as reading the repository at this pace. Stopped if `is_wanted` says so, Store or Io when a place cannot be read at
    /// all, which says nothing about what is in it.
    pub fn scrub(&self, pace: Pace, is_wanted: impl Fn() -> bool) -> Result<Scrubbed, RepositoryError> {
        let bucket = self.folder.bucket()?;
        let mut scrubbed = Scrubbed::default();
        let mut needs: BTreeMap<Object, BTreeSet<Digest>> = BTreeMap::new();
        // A manifest that the object store has lost is mended from the folder, which keeps them all.
        let images: BTreeSet<Digest> = self.images()?.into_iter().chain(self.images_here()?).collect();
        for image in images {
            needs.entry(Object::Manifest(image)).or_default().insert(image);
            // One that cannot be read is found when its turn comes.
            for object in self.manifest(&image).iter().flat_map(|manifest| manifest.objects()) {
                needs.entry(object).or_default().insert(image);
            }
            scrubbed.images += 1;
        }
        let began = Instant::now();
        for (object, images) in needs {
            if !is_wanted() {
                return Err(RepositoryError::Stopped);
            }
            self.scrub_object(bucket.as_ref(), object, &images, &mut scrubbed)?;
            let due = Duration::from_secs_f64(scrubbed.bytes as f64 / pace.bytes_per_second.max(1) as f64);
            while began.elapsed() < due && is_wanted() {
                std::thread::sleep((due - began.elapsed().min(due)).min(PAUSE_MAX));
            }
        }
        scrubbed.ended_at_ms = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64);
        let text = serde_json::to_vec(&scrubbed).expect("plain words and numbers");
        self.folder.write_durably("scrub.json", &text)?;
        Ok(scrubbed)
    }

    /// What the last scrub that came to its end has found; none if there was none.
    pub fn last_scrub(&self) -> Option<Scrubbed> {
        serde_json::from_slice(&fs::read(self.folder.root().join("scrub.json")).ok()?).ok()
    }

    fn scrub_object(
        &self,
        bucket: Option<&Arc<Bucket>>,
        object: Object,
        images: &BTreeSet<Digest>,
        scrubbed: &mut Scrubbed,
    ) -> Result<(), RepositoryError> {
        let here = self.copy_here(object)?;
        let there = bucket.map(|bucket| copy_there(bucket, object)).transpose()?;
        scrubbed.objects += 1;
        scrubbed.bytes += [Some(&here), there.as_ref()].into_iter().flatten().map(Copy::length).sum::<u64>();
        let problem = match (here, there, bucket) {
            (Copy::Right(_), None | Some(Copy::Right(_)), _) | (Copy::Absent, Some(Copy::Right(_)), _) => return Ok(()),
            (Copy::Wrong, Some(Copy::Right(bytes)), _) => {
                self.folder.keep(object, &bytes)?;
                scrubbed.mended.push(format!("{object}, from the object store"));
                return Ok(());
            }
            (Copy::Right(bytes), Some(Copy::Wrong | Copy::Absent), Some(bucket)) => {
                bucket.put(object, bytes)?;
                scrubbed.mended.push(format!("{object} in the object store, from the folder"));
                return Ok(());
            }
            (Copy::Wrong, _, _) | (_, Some(Copy::Wrong), _) => Problem::Corrupt(object),
            (Copy::Right(_) | Copy::Absent, _, _) => Problem::Missing(object),
        };
        // An image may have been removed, and swept, since it was listed.
        let present: BTreeSet<Digest> = self.images()?.into_iter().chain(self.images_here()?).collect();
        let images: Vec<Digest> = images.intersection(&present).copied().collect();
        if !images.is_empty() {
            scrubbed.damaged.push(Damage { problem: problem.to_string(), images });
        }
        Ok(())
    }

    /// The object as it lies on the disk of the folder, not as the kernel remembers it.
    fn copy_here(&self, object: Object) -> Result<Copy, RepositoryError> {
        let path = self.folder.path(object);
        let mut file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Copy::Absent),
            Err(error) => return Err(RepositoryError::io(&path)(error)),
        };
        // Advice: where it is not taken, what the kernel remembers is compared.
        let _ = posix_fadvise(&file, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED);
        let mut bytes = Vec::new();
        match file.read_to_end(&mut bytes) {
            Ok(_) if is_right(object, &bytes) => Ok(Copy::Right(bytes)),
            // EIO is how a disk says that it has lost a sector.
            Ok(_) | Err(_) => Ok(Copy::Wrong),
        }
    }
}

impl Copy {
    fn length(&self) -> u64 {
        match self {
            Copy::Right(bytes) => bytes.len() as u64,
            Copy::Wrong | Copy::Absent => 0,
        }
    }
}

fn copy_there(bucket: &Bucket, object: Object) -> Result<Copy, RepositoryError> {
    match bucket.read(object) {
        Ok(bytes) => Ok(Copy::Right(bytes)),
        Err(RepositoryError::Missing { .. }) => Ok(Copy::Absent),
        Err(RepositoryError::Corrupt { .. }) => Ok(Copy::Wrong),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{FileExt, PermissionsExt};

    const FAST: Pace = Pace { bytes_per_second: u64::MAX };

    fn stored() -> (tempfile::TempDir, Repository, [Digest; 2]) {
        let folder = tempfile::tempdir().unwrap();
        let repository = Repository::open(folder.path()).unwrap();
        let chunk = |kind: u8| vec![kind; 256 << 10];
        let images = [[chunk(1), chunk(2)], [chunk(2), chunk(3)]].map(|disk| repository.import_raw(&disk.concat()[..], None).unwrap());
        (folder, repository, images)
    }

    fn flip(repository: &Repository, object: Object) {
        let path = repository.folder.path(object);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let file = File::options().read(true).write(true).open(&path).unwrap();
        let mut last = [0];
        let at = file.metadata().unwrap().len() - 1;
        file.read_exact_at(&mut last, at).unwrap();
        file.write_all_at(&[last[0] ^ 1], at).unwrap();
        file.sync_all().unwrap();
    }

    fn first_chunk_of_both(repository: &Repository, images: &[Digest; 2]) -> Object {
        let second = repository.manifest(&images[1]).unwrap().objects().next().unwrap();
        assert!(repository.manifest(&images[0]).unwrap().objects().any(|object| object == second));
        second
    }

    #[test]
    fn a_sound_repository_is_read_whole_and_nothing_is_found() {
        let (_folder, repository, _) = stored();
        assert_eq!(repository.last_scrub(), None);
        let found = repository.scrub(FAST, || true).unwrap();
        assert_eq!((found.images, found.objects, found.mended.len(), found.damaged.len()), (2, 5, 0, 0));
        assert!(found.bytes > 0 && found.ended_at_ms > 0);
        assert_eq!(repository.last_scrub(), Some(found));
    }

    #[test]
    fn what_is_flipped_or_missing_is_named_with_every_image_that_needs_it_until_it_is_stored_again() {
        let (_folder, repository, images) = stored();
        let object = first_chunk_of_both(&repository, &images);
        let mut both = images.to_vec();
        both.sort();
        for word in ["does not match its checksum", "is missing"] {
            match word {
                "is missing" => fs::remove_file(repository.folder.path(object)).unwrap(),
                _ => flip(&repository, object),
            }
            let found = repository.scrub(FAST, || true).unwrap();
            assert_eq!(found.damaged, [Damage { problem: format!("{object} {word}"), images: both.clone() }]);
            repository.import_raw(&[vec![2; 256 << 10], vec![3; 256 << 10]].concat()[..], None).unwrap();
            assert_eq!(repository.scrub(FAST, || true).unwrap().damaged, []);
        }
    }

    #[test]
    fn a_manifest_that_is_flipped_is_damage_too() {
        let (_folder, repository, images) = stored();
        flip(&repository, Object::Manifest(images[0]));
        let found = repository.scrub(FAST, || true).unwrap();
        let problem = format!("manifest {} does not match its checksum", images[0]);
        assert_eq!(found.damaged, [Damage { problem, images: vec![images[0]] }]);
    }

    #[test]
    fn a_scrub_keeps_to_its_pace_and_stops_when_it_is_not_wanted() {
        let (_folder, repository, _) = stored();
        let bytes = repository.scrub(FAST, || true).unwrap().bytes;
        let began = Instant::now();
        repository.scrub(Pace { bytes_per_second: bytes * 2 }, || true).unwrap();
        assert!(began.elapsed() >= Duration::from_millis(490));
        let before = repository.last_scrub();
        assert!(matches!(
            repository.scrub(Pace { bytes_per_second: 1 }, || began.elapsed() < Duration::from_secs(2)),
            Err(RepositoryError::Stopped)
        ));
        assert_eq!(repository.last_scrub(), before);
    }
}
