//! Fleeces: files beside a volume with what its blocks held before they were first overwritten after an instant.
//!
//! ```text
//!   vol-0….g1.qcow2                  the guest goes on writing here
//!   vol-0….g1.snap-0….fleece         a qcow2 file of the volume's size: what was there, of the blocks that were overwritten
//! ```
//!
//! Nothing but a snapshot in the making needs a fleece, and no volume ever reads one: it goes when the snapshot is stored or given up,
//! and one that no record of a snapshot needs is swept at start. The name is QEMU's ("image fleecing").

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use model::{DataKey, SnapshotId, VolumeId};

use super::{Pool, header_trouble, qcow2};
use crate::trouble::Trouble;

const SUFFIX: &str = ".fleece";

/// The fleece of a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fleece {
    /// The volume.
    pub volume: VolumeId,
    /// Its generation.
    pub generation: u64,
    /// The snapshot that is being taken of it.
    pub snapshot: SnapshotId,
}

impl Pool {
    /// Makes an empty fleece of this size, encrypted where there is a key, in place of one that was left. Refused without room.
    pub fn make_fleece(&self, fleece: Fleece, size_bytes: u64, key: Option<&DataKey>) -> Result<OwnedFd, Trouble> {
        self.require_room()?;
        let doing = |e: io::Error| Trouble::io(&format!("making a fleece of {}", fleece.volume), &e);
        // A QEMU may still have the file that was left; it keeps that one.
        crate::files::remove(&self.fleece_path(fleece)).map_err(doing)?;
        let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(self.fleece_path(fleece)).map_err(doing)?;
        let luks = super::encryption(key)?;
        qcow2::write_empty(&file, size_bytes, luks.as_deref()).map_err(|e| header_trouble(fleece.volume, &e))?;
        Ok(file.into())
    }

    /// Opens a fleece for reading, after looking that its header is one of this pool.
    pub fn open_fleece(&self, fleece: Fleece) -> Result<File, Trouble> {
        let doing = |e: io::Error| Trouble::io(&format!("opening a fleece of {}", fleece.volume), &e);
        let file = OpenOptions::new().read(true).write(true).open(self.fleece_path(fleece)).map_err(doing)?;
        qcow2::read_size(&file).map_err(|e| header_trouble(fleece.volume, &e))?;
        Ok(file)
    }

    /// Deletes the fleeces of which this is true.
    pub fn delete_fleeces(&self, is_one: impl Fn(&Fleece) -> bool) -> io::Result<()> {
        self.fleeces()?.into_iter().filter(is_one).try_for_each(|fleece| crate::files::remove(&self.fleece_path(fleece)))
    }

    /// Every fleece of the pool.
    pub fn fleeces(&self) -> io::Result<Vec<Fleece>> {
        let names = fs::read_dir(&self.folder)?.map(|entry| Ok(entry?.file_name())).collect::<io::Result<Vec<_>>>()?;
        Ok(names.iter().filter_map(|name| parse(name.to_str()?)).collect())
    }

    /// Where a fleece is.
    pub fn fleece_path(&self, Fleece { volume, generation, snapshot }: Fleece) -> PathBuf {
        self.folder.join(format!("{volume}.g{generation}.{snapshot}{SUFFIX}"))
    }
}

fn parse(name: &str) -> Option<Fleece> {
    let (id, rest) = name.strip_suffix(SUFFIX)?.split_once(".g")?;
    let (generation, snapshot) = rest.split_once('.')?;
    Some(Fleece { volume: id.parse().ok()?, generation: generation.parse().ok()?, snapshot: snapshot.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fleece_is_no_layer_and_goes_when_nobody_needs_it() {
        let folder = tempfile::tempdir().unwrap();
        let pool = Pool::open(folder.path()).unwrap();
        let (volume, generation) = (VolumeId::from_u64(1), 1);
        pool.create(volume, generation, 8 << 20, None).unwrap();
        let [needed, left] = [1, 2].map(|number| Fleece { volume, generation, snapshot: SnapshotId::from_u64(number) });
        for fleece in [needed, left, left] {
            pool.make_fleece(fleece, 8 << 20, None).unwrap();
        }
        assert_eq!((pool.layers(volume, generation).unwrap(), pool.files().unwrap().len()), (vec![0], 1));
        assert_eq!(qcow2::read_size(&pool.open_fleece(needed).unwrap()).unwrap(), 8 << 20);
        pool.delete_fleeces(|fleece| *fleece != needed).unwrap();
        assert_eq!(pool.fleeces().unwrap(), [needed]);
        pool.delete(volume, generation).unwrap();
        assert_eq!(pool.fleeces().unwrap(), []);
    }
}
