//! The local pool: one qcow2 file per generation of a volume, made and grown here, read and written only by QEMU.
//!
//! ```text
//!   volumes/vol-0….g1.qcow2      the bytes of generation 1
//!   volumes/vol-0….g2.qcow2.new  being made; swept at start
//! ```
//!
//! A volume names no backing file: what unwritten blocks are read from is told to QEMU from outside ([`image`]), so a file that
//! was tampered with leads nowhere. A volume that is open has a [`Claim`]; only unclaimed ones are grown or deleted here.
//! The pool knows neither machines nor documents.

pub mod image;
pub mod qcow2;

use std::collections::{BTreeMap, HashSet};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use hostspec::FaultKind;
use model::VolumeId;

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
    claimed: Arc<Mutex<HashSet<VolumeId>>>,
}

/// The right to write a volume; given back when dropped.
#[derive(Debug)]
pub struct Claim {
    volume: VolumeId,
    claimed: Arc<Mutex<HashSet<VolumeId>>>,
}

impl Drop for Claim {
    fn drop(&mut self) {
        lock(&self.claimed).remove(&self.volume);
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
            if path.to_string_lossy().ends_with(UNFINISHED) {
                fs::remove_file(path)?;
            }
        }
        Ok(Pool { folder: folder.to_owned(), claimed: Arc::default() })
    }

    /// A pool in a folder that is only looked at.
    pub fn existing(folder: &Path) -> Pool {
        Pool { folder: folder.to_owned(), claimed: Arc::default() }
    }

    /// Lists the volumes.
    pub fn inventory(&self) -> io::Result<Inventory> {
        let mut out = Inventory::default();
        for (volume, generation) in self.newest()? {
            let size = File::open(self.path(volume, generation)).map_err(HeaderError::Io).and_then(|f| qcow2::read_size(&f));
            let size_bytes = size.unwrap_or_else(|e| {
                out.unusable.insert(volume, header_trouble(volume, &e));
                0
            });
            out.volumes.insert(volume, SeenVolume { generation, size_bytes });
        }
        Ok(out)
    }

    /// Makes a volume, empty. One that exists in this generation is kept, so that a repeated change loses nothing.
    pub fn create(&self, volume: VolumeId, generation: u64, size_bytes: u64) -> Result<SeenVolume, Trouble> {
        let doing = |e: io::Error| Trouble::io(&format!("making {volume}"), &e);
        let path = self.path(volume, generation);
        if path.exists() {
            return self.grow(volume, generation, size_bytes);
        }
        self.require_room()?;
        let unfinished = self.folder.join(format!("{volume}.g{generation}{UNFINISHED}"));
        let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&unfinished).map_err(doing)?;
        qcow2::write_empty(&file, size_bytes).map_err(|e| header_trouble(volume, &e))?;
        file.sync_data().map_err(doing)?;
        fs::rename(&unfinished, &path).map_err(doing)?;
        File::open(&self.folder).and_then(|f| f.sync_all()).map_err(doing)?;
        Ok(SeenVolume { generation, size_bytes })
    }

    /// Grows a volume that nobody has open; a smaller size changes nothing.
    pub fn grow(&self, volume: VolumeId, generation: u64, size_bytes: u64) -> Result<SeenVolume, Trouble> {
        let _claim = self.claim(volume)?;
        self.require_room()?;
        let file = self.open_file(volume, generation)?;
        let trouble = |e| header_trouble(volume, &e);
        qcow2::grow(&file, size_bytes).map_err(trouble)?;
        Ok(SeenVolume { generation, size_bytes: qcow2::read_size(&file).map_err(trouble)? })
    }

    /// Deletes the bytes of a volume up to this generation; none that exist is no error.
    pub fn delete(&self, volume: VolumeId, generation: u64) -> Result<(), Trouble> {
        let _claim = self.claim(volume)?;
        let doing = |e: io::Error| Trouble::io(&format!("deleting {volume}"), &e);
        for (id, number, path) in self.files().map_err(doing)? {
            if id == volume && number <= generation {
                fs::remove_file(path).map_err(doing)?;
            }
        }
        File::open(&self.folder).and_then(|f| f.sync_all()).map_err(doing)
    }

    /// Takes the right to write a volume; refused while somebody has it.
    pub fn claim(&self, volume: VolumeId) -> Result<Claim, Trouble> {
        if !lock(&self.claimed).insert(volume) {
            return Err(Trouble::new(FaultKind::Other, format!("{volume} is in use by another machine")));
        }
        Ok(Claim { volume, claimed: self.claimed.clone() })
    }

    /// Opens the newest generation of a volume for a machine, after looking that its header is one of this pool.
    pub fn open_for_guest(&self, volume: VolumeId, generation: u64) -> Result<OwnedFd, Trouble> {
        let file = self.open_file(volume, generation)?;
        qcow2::read_size(&file).map_err(|e| header_trouble(volume, &e))?;
        Ok(file.into())
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

    /// Every file of a volume: its id, its generation and where it is.
    pub fn files(&self) -> io::Result<Vec<(VolumeId, u64, PathBuf)>> {
        let mut out = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let path = entry?.path();
            let parsed = path.file_name().and_then(|n| n.to_str()).and_then(|n| n.strip_suffix(SUFFIX)).and_then(|n| n.split_once(".g"));
            if let Some((Ok(id), Ok(generation))) = parsed.map(|(id, generation)| (id.parse(), generation.parse())) {
                out.push((id, generation, path));
            }
        }
        Ok(out)
    }

    fn newest(&self) -> io::Result<BTreeMap<VolumeId, u64>> {
        let mut out = BTreeMap::new();
        for (volume, generation, _) in self.files()? {
            let newest = out.entry(volume).or_insert(generation);
            *newest = generation.max(*newest);
        }
        Ok(out)
    }

    fn open_file(&self, volume: VolumeId, generation: u64) -> Result<File, Trouble> {
        let opened = OpenOptions::new().read(true).write(true).open(self.path(volume, generation));
        opened.map_err(|e| Trouble::io(&format!("opening {volume}"), &e))
    }

    fn path(&self, volume: VolumeId, generation: u64) -> PathBuf {
        self.folder.join(format!("{volume}.g{generation}{SUFFIX}"))
    }
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
        assert_eq!(pool.create(id, 1, 8 * MIB).unwrap().size_bytes, 8 * MIB);
        assert_eq!(pool.create(id, 1, 4 * MIB).unwrap().size_bytes, 8 * MIB);
        assert_eq!(pool.grow(id, 1, 16 * MIB).unwrap().size_bytes, 16 * MIB);
        assert_eq!(pool.inventory().unwrap().volumes[&id], SeenVolume { generation: 1, size_bytes: 16 * MIB });
    }

    #[test]
    fn a_newer_generation_sets_the_older_aside_and_a_tombstone_deletes_both() {
        let (_folder, pool) = pool();
        let id = VolumeId::from_u64(1);
        pool.create(id, 1, 8 * MIB).unwrap();
        pool.create(id, 2, 4 * MIB).unwrap();
        assert_eq!(pool.inventory().unwrap().volumes[&id], SeenVolume { generation: 2, size_bytes: 4 * MIB });
        assert_eq!(pool.files().unwrap().len(), 2);
        pool.delete(id, 1).unwrap();
        assert_eq!(pool.files().unwrap().len(), 1);
        pool.delete(id, 2).unwrap();
        pool.delete(id, 2).unwrap();
        assert_eq!(pool.files().unwrap(), []);
    }

    #[test]
    fn a_volume_in_use_is_neither_grown_nor_deleted_nor_given_twice() {
        let (_folder, pool) = pool();
        let id = VolumeId::from_u64(1);
        pool.create(id, 1, 8 * MIB).unwrap();
        let claim = pool.claim(id).unwrap();
        assert!(pool.claim(id).is_err() && pool.grow(id, 1, 16 * MIB).is_err() && pool.delete(id, 1).is_err());
        drop(claim);
        pool.delete(id, 1).unwrap();
    }

    #[test]
    fn a_damaged_volume_is_reported_and_not_opened() {
        let (_folder, pool) = pool();
        let id = VolumeId::from_u64(1);
        pool.create(id, 1, 8 * MIB).unwrap();
        fs::write(pool.path(id, 1), b"nothing of a header").unwrap();
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
