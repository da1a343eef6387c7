//! The local pool: one qcow2 file per generation of a volume, made and grown here, read and written only by QEMU; of a volume that
//! several machines may have at once, a raw one ([`shared`]).
//!
//! ```text
//!   volumes/vol-0….g1.qcow2      the bytes of generation 1
//!   volumes/vol-0….g2.qcow2.new  being made; swept at start
//!   volumes/vol-0….g1.l1.qcow2   what was written over generation 1 since a snapshot ([`layer`])
//!   volumes/vol-0….g1.raw        the bytes of generation 1 of a shared volume
//!   volumes/vol-0….g1.snap-0….fleece   what was overwritten in generation 1 since a snapshot ([`fleece`])
//! ```
//!
//! A volume names no backing file: what unwritten blocks are read from is told to QEMU from outside ([`image`]), so a file that
//! was tampered with leads nowhere. A volume that is open has a [`Claim`]; only unclaimed ones are grown or deleted here.
//! The pool knows neither machines nor documents.

pub mod disk_key;
pub mod fleece;
pub mod image;
pub mod layer;
pub mod qcow2;
pub mod shared;

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use hostspec::FaultKind;
use model::{DataKey, VolumeId};

use crate::plan::SeenVolume;
use crate::trouble::Trouble;
use qcow2::HeaderError;

/// Free bytes below which no volume is made or grown and a guest that was paused for want of room stays paused: enough for the
/// agent's own files and for what running guests write in the seconds until somebody reacts.
pub const RESERVE_BYTES: u64 = 256 << 20;

const SUFFIX: &str = ".qcow2";
const UNFINISHED: &str = ".qcow2.new";

/// The volumes of this host. Clones share it.
#[derive(Debug, Clone)]
pub struct Pool {
    folder: PathBuf,
    claimed: Arc<Mutex<HashMap<VolumeId, Claimed>>>,
    being_read: Arc<Mutex<HashMap<VolumeId, u32>>>,
}

/// Who has the right to write a volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Claimed {
    /// One.
    Alone,
    /// As many as have a shared volume open.
    By(u32),
}

/// A file of a volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolFile {
    /// The volume.
    pub volume: VolumeId,
    /// Its generation.
    pub generation: u64,
    /// Which layer of it; 0 is the first.
    pub layer: u32,
    /// Whether it is that of a shared volume.
    pub shared: bool,
    /// Where it is.
    pub path: PathBuf,
}

/// Keeps the layers of a volume that are frozen as they are, until it is dropped.
#[derive(Debug)]
pub struct Reading {
    volume: VolumeId,
    being_read: Arc<Mutex<HashMap<VolumeId, u32>>>,
}

impl Reading {
    /// The volume.
    pub fn volume(&self) -> VolumeId {
        self.volume
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        let mut held = lock(&self.being_read);
        if let Some(count) = held.get_mut(&self.volume) {
            *count -= 1;
        }
        held.retain(|_, count| *count > 0);
    }
}

/// The right to write a volume, alone or beside others; given back when dropped.
#[derive(Debug)]
pub struct Claim {
    volume: VolumeId,
    claimed: Arc<Mutex<HashMap<VolumeId, Claimed>>>,
}

impl Drop for Claim {
    fn drop(&mut self) {
        let mut claimed = lock(&self.claimed);
        match claimed.get_mut(&self.volume) {
            Some(Claimed::By(count)) if *count > 1 => *count -= 1,
            Some(Claimed::By(_) | Claimed::Alone) | None => drop(claimed.remove(&self.volume)),
        }
    }
}

/// What the pool's folder holds.
#[derive(Debug, Default)]
pub struct Inventory {
    /// The newest generation of each volume; one that cannot be used has no size.
    pub volumes: BTreeMap<VolumeId, SeenVolume>,
    /// Volumes whose newest file cannot be used, and why.
    pub unusable: BTreeMap<VolumeId, Trouble>,
}

impl Pool {
    /// Opens the pool in a folder, made if absent, and sweeps what a crash left half made.
    pub fn open(folder: &Path) -> io::Result<Pool> {
        fs::create_dir_all(folder)?;
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.to_string_lossy().ends_with(UNFINISHED) || path.to_string_lossy().ends_with(shared::UNFINISHED) {
                fs::remove_file(path)?;
            }
        }
        Ok(Pool { folder: folder.to_owned(), claimed: Arc::default(), being_read: Arc::default() })
    }

    /// A pool in a folder that is only looked at.
    pub fn existing(folder: &Path) -> Pool {
        Pool { folder: folder.to_owned(), claimed: Arc::default(), being_read: Arc::default() }
    }

    /// The newest generation of a volume that is here.
    pub fn generation(&self, volume: VolumeId) -> io::Result<Option<u64>> {
        Ok(self.newest()?.remove(&volume))
    }

    /// Lists the volumes.
    pub fn inventory(&self) -> io::Result<Inventory> {
        let mut out = Inventory::default();
        for (volume, generation) in self.newest()? {
            if self.is_shared(volume, generation) {
                let size_bytes = fs::metadata(self.shared_path(volume, generation))?.len();
                out.volumes.insert(volume, SeenVolume { generation, size_bytes });
                continue;
            }
            let newest = self.layers(volume, generation).ok().and_then(|layers| layers.last().copied()).unwrap_or(0);
            let size = File::open(self.path(volume, generation, newest)).map_err(HeaderError::Io).and_then(|f| qcow2::read_size(&f));
            let size_bytes = size.unwrap_or_else(|e| {
                out.unusable.insert(volume, header_trouble(volume, &e));
                0
            });
            out.volumes.insert(volume, SeenVolume { generation, size_bytes });
        }
        Ok(out)
    }

    /// Makes a volume, empty, encrypted where there is a key. One that exists in this generation is kept, so that a repeated change loses
    /// nothing.
    pub fn create(&self, volume: VolumeId, generation: u64, size_bytes: u64, key: Option<&DataKey>) -> Result<SeenVolume, Trouble> {
        let doing = |e: io::Error| Trouble::io(&format!("making {volume}"), &e);
        let path = self.path(volume, generation, 0);
        if path.exists() {
            return self.grow(volume, generation, size_bytes);
        }
        self.require_room()?;
        let unfinished = self.folder.join(format!("{volume}.g{generation}{UNFINISHED}"));
        let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&unfinished).map_err(doing)?;
        let luks = encryption(key)?;
        qcow2::write_empty(&file, size_bytes, luks.as_deref()).map_err(|e| header_trouble(volume, &e))?;
        file.sync_data().map_err(doing)?;
        fs::rename(&unfinished, &path).map_err(doing)?;
        File::open(&self.folder).and_then(|f| f.sync_all()).map_err(doing)?;
        Ok(SeenVolume { generation, size_bytes })
    }

    /// Grows a volume that nobody has open; a smaller size changes nothing.
    pub fn grow(&self, volume: VolumeId, generation: u64, size_bytes: u64) -> Result<SeenVolume, Trouble> {
        let _claim = self.claim(volume)?;
        self.require_room()?;
        if self.is_shared(volume, generation) {
            return self.grow_shared(volume, generation, size_bytes);
        }
        let newest = self.layers(volume, generation)?.last().copied().unwrap_or(0);
        let file = self.open_layer(volume, generation, newest)?;
        let trouble = |e| header_trouble(volume, &e);
        qcow2::grow(&file, size_bytes).map_err(trouble)?;
        Ok(SeenVolume { generation, size_bytes: qcow2::read_size(&file).map_err(trouble)? })
    }

    /// Deletes the bytes of a volume up to this generation; none that exist is no error.
    pub fn delete(&self, volume: VolumeId, generation: u64) -> Result<(), Trouble> {
        let _claim = self.claim(volume)?;
        let doing = |e: io::Error| Trouble::io(&format!("deleting {volume}"), &e);
        let mut files = self.files().map_err(doing)?;
        files.retain(|file| file.volume == volume && file.generation <= generation);
        // The first file last: without it the others are no volume, and one that is half deleted is deleted again.
        files.sort_by_key(|file| std::cmp::Reverse(file.layer));
        for file in files {
            fs::remove_file(file.path).map_err(doing)?;
        }
        self.delete_fleeces(|fleece| fleece.volume == volume && fleece.generation <= generation).map_err(doing)?;
        File::open(&self.folder).and_then(|f| f.sync_all()).map_err(doing)
    }

    /// Deletes what is left of earlier generations of a volume, unless somebody still reads a snapshot of it.
    pub fn delete_older(&self, volume: VolumeId) -> Result<(), Trouble> {
        let doing = |e: io::Error| Trouble::io(&format!("deleting what {volume} was"), &e);
        let newest = self.generation(volume).map_err(doing)?;
        if self.is_being_read(volume) {
            return Ok(());
        }
        for file in self.files().map_err(doing)?.into_iter().filter(|file| file.volume == volume && Some(file.generation) < newest) {
            fs::remove_file(file.path).map_err(doing)?;
        }
        Ok(())
    }

    /// Deletes what is left of earlier generations of all volumes: whoever took their place, or read the last snapshot of one, may have
    /// been killed before it did so.
    pub fn delete_all_older(&self) -> Result<(), Trouble> {
        let volumes = self.newest().map_err(|e| Trouble::io("listing the pool", &e))?;
        volumes.into_keys().try_for_each(|volume| self.delete_older(volume))
    }

    /// Takes the right to write a volume; refused while somebody has it.
    pub fn claim(&self, volume: VolumeId) -> Result<Claim, Trouble> {
        match lock(&self.claimed).entry(volume) {
            Entry::Occupied(_) => Err(Trouble::new(FaultKind::Other, format!("{volume} is in use by another machine"))),
            Entry::Vacant(free) => {
                free.insert(Claimed::Alone);
                Ok(Claim { volume, claimed: self.claimed.clone() })
            }
        }
    }

    /// Opens the layers of a volume for a machine, the first one first, after looking that their headers are those of this pool.
    pub fn open_for_guest(&self, volume: VolumeId, generation: u64) -> Result<Vec<(u32, OwnedFd)>, Trouble> {
        let numbers = self.layers(volume, generation)?;
        if numbers.is_empty() {
            return Err(Trouble::io(&format!("opening {volume}"), &io::ErrorKind::NotFound.into()));
        }
        numbers.into_iter().map(|number| Ok((number, self.open_layer(volume, generation, number)?.into()))).collect()
    }

    /// Keeps the frozen layers of a volume as they are for as long as the answer lives.
    pub fn read_on(&self, volume: VolumeId) -> Reading {
        *lock(&self.being_read).entry(volume).or_default() += 1;
        Reading { volume, being_read: self.being_read.clone() }
    }

    /// Whether somebody reads frozen layers of a volume.
    pub fn is_being_read(&self, volume: VolumeId) -> bool {
        lock(&self.being_read).contains_key(&volume)
    }

    /// Bytes that the pool's file system can still take.
    pub fn free_bytes(&self) -> io::Result<u64> {
        let stat = nix::sys::statvfs::statvfs(&self.folder)?;
        Ok(stat.blocks_available() as u64 * stat.fragment_size() as u64)
    }

    /// Bytes of the pool's file system.
    pub fn total_bytes(&self) -> io::Result<u64> {
        let stat = nix::sys::statvfs::statvfs(&self.folder)?;
        Ok(stat.blocks() as u64 * stat.fragment_size() as u64)
    }

    /// Whether there is room for guests to write.
    pub fn require_room(&self) -> Result<(), Trouble> {
        match self.free_bytes() {
            Ok(free) if free < RESERVE_BYTES => {
                Err(Trouble::new(FaultKind::DiskFull, format!("{} has only {} MiB left", self.folder.display(), free >> 20)))
            }
            Ok(_) => Ok(()),
            Err(e) => Err(Trouble::io("asking for free space", &e)),
        }
    }

    /// Every file of the pool.
    pub fn files(&self) -> io::Result<Vec<PoolFile>> {
        let mut out = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let path = entry?.path();
            let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
            if let Some((volume, generation, layer)) = name.strip_suffix(SUFFIX).and_then(layer::parse) {
                out.push(PoolFile { volume, generation, layer, shared: false, path });
            } else if let Some((volume, generation, 0)) = name.strip_suffix(shared::SUFFIX).and_then(layer::parse) {
                out.push(PoolFile { volume, generation, layer: 0, shared: true, path });
            }
        }
        Ok(out)
    }

    fn newest(&self) -> io::Result<BTreeMap<VolumeId, u64>> {
        let mut out = BTreeMap::new();
        for file in self.files()?.into_iter().filter(|file| file.layer == 0) {
            let newest = out.entry(file.volume).or_insert(file.generation);
            *newest = file.generation.max(*newest);
        }
        Ok(out)
    }
}

/// The encryption's header of a new layer.
fn encryption(key: Option<&DataKey>) -> Result<Option<Vec<u8>>, Trouble> {
    let made = key.map(repository::luks::new_header).transpose();
    made.map_err(|e| Trouble::new(FaultKind::Other, format!("no randomness for an encrypted volume: {e}")))
}

fn header_trouble(volume: VolumeId, error: &HeaderError) -> Trouble {
    match error {
        HeaderError::Io(e) => Trouble::io(&format!("the header of {volume}"), e),
        HeaderError::Foreign(_) | HeaderError::Corrupt | HeaderError::Size(_) => {
            Trouble::new(FaultKind::Other, format!("{volume}: {error}"))
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn pool() -> (tempfile::TempDir, Pool) {
        let folder = tempfile::tempdir().unwrap();
        let pool = Pool::open(&folder.path().join("volumes")).unwrap();
        (folder, pool)
    }

    #[test]
    fn a_volume_is_made_once_and_only_grows() {
        let (_folder, pool) = pool();
        let id = VolumeId::from_u64(1);
        assert_eq!(pool.create(id, 1, 8 * MIB, None).unwrap().size_bytes, 8 * MIB);
        assert_eq!(pool.create(id, 1, 4 * MIB, None).unwrap().size_bytes, 8 * MIB);
        assert_eq!(pool.grow(id, 1, 16 * MIB).unwrap().size_bytes, 16 * MIB);
        assert_eq!(pool.inventory().unwrap().volumes[&id], SeenVolume { generation: 1, size_bytes: 16 * MIB });
    }

    #[test]
    fn a_newer_generation_sets_the_older_aside_and_a_tombstone_deletes_both() {
        let (_folder, pool) = pool();
        let id = VolumeId::from_u64(1);
        pool.create(id, 1, 8 * MIB, None).unwrap();
        pool.create(id, 2, 4 * MIB, None).unwrap();
        assert_eq!(pool.inventory().unwrap().volumes[&id], SeenVolume { generation: 2, size_bytes: 4 * MIB });
        assert_eq!(pool.files().unwrap().len(), 2);
        pool.delete(id, 1).unwrap();
        assert_eq!(pool.files().unwrap().len(), 1);
        pool.delete(id, 2).unwrap();
        pool.delete(id, 2).unwrap();
        assert_eq!(pool.files().unwrap(), []);
    }

    #[test]
    fn what_a_newer_generation_set_aside_goes_when_nobody_reads_it() {
        let (_folder, pool) = pool();
        let id = VolumeId::from_u64(1);
        pool.create(id, 1, 8 * MIB, None).unwrap();
        pool.name_layers(&[(id, 1, pool.make_layer(id, 1, None).unwrap().number)]).unwrap();
        pool.create(id, 2, 8 * MIB, None).unwrap();
        // Whoever began to delete was killed after the first file.
        fs::remove_file(pool.path(id, 1, 0)).unwrap();
        let reading = pool.read_on(id);
        pool.delete_all_older().unwrap();
        assert_eq!(pool.files().unwrap().len(), 2);
        drop(reading);
        pool.delete_all_older().unwrap();
        let left: Vec<u64> = pool.files().unwrap().into_iter().map(|file| file.generation).collect();
        assert_eq!((left, pool.layers(id, 2).unwrap()), (vec![2], vec![0]));
    }

    #[test]
    fn the_names_of_layers_are_the_volume_at_every_instant() {
        let (_folder, pool) = pool();
        let id = VolumeId::from_u64(1);
        pool.create(id, 1, 8 * MIB, None).unwrap();
        let first = pool.make_layer(id, 1, None).unwrap();
        assert_eq!(pool.layers(id, 1).unwrap(), [0]);
        pool.name_layers(&[(id, 1, first.number)]).unwrap();
        assert_eq!(pool.layers(id, 1).unwrap(), [0, 1]);
        pool.grow(id, 1, 16 * MIB).unwrap();
        let reading = pool.read_on(id);
        pool.drop_empty_layers(id, 1).unwrap();
        assert_eq!(pool.layers(id, 1).unwrap(), [0, 1]);
        drop(reading);
        pool.drop_empty_layers(id, 1).unwrap();
        assert_eq!(pool.layers(id, 1).unwrap(), [0]);
        assert_eq!(pool.inventory().unwrap().volumes[&id], SeenVolume { generation: 1, size_bytes: 16 * MIB });
        pool.name_layers(&[(id, 1, pool.make_layer(id, 1, None).unwrap().number)]).unwrap();
        pool.delete(id, 1).unwrap();
        assert_eq!(pool.files().unwrap(), []);
    }

    #[test]
    fn a_volume_in_use_is_neither_grown_nor_deleted_nor_given_twice() {
        let (_folder, pool) = pool();
        let id = VolumeId::from_u64(1);
        pool.create(id, 1, 8 * MIB, None).unwrap();
        let claim = pool.claim(id).unwrap();
        assert!(pool.claim(id).is_err() && pool.grow(id, 1, 16 * MIB).is_err() && pool.delete(id, 1).is_err());
        drop(claim);
        pool.delete(id, 1).unwrap();
    }

    #[test]
    fn a_damaged_volume_is_reported_and_not_opened() {
        let (_folder, pool) = pool();
        let id = VolumeId::from_u64(1);
        pool.create(id, 1, 8 * MIB, None).unwrap();
        fs::write(pool.path(id, 1, 0), b"nothing of a header").unwrap();
        assert_eq!(pool.inventory().unwrap().unusable[&id].kind, FaultKind::Other);
        assert!(pool.open_for_guest(id, 1).is_err());
    }

    #[test]
    fn what_a_crash_left_half_made_is_swept() {
        let (folder, pool) = pool();
        let half = folder.path().join("volumes").join(format!("{}.g1.qcow2.new", VolumeId::from_u64(1)));
        fs::write(&half, b"").unwrap();
        assert_eq!(pool.inventory().unwrap().volumes.len(), 0);
        Pool::open(&folder.path().join("volumes")).unwrap();
        assert!(!half.exists());
    }
}
