//! Volumes that several machines of this host have open at once: one raw file, in which a block is where its number says.
//!
//! Nothing but the file says what is in it, so QEMUs that have it open side by side cannot disagree. A qcow2 file is never given to two:
//! its tables are in the memory of the one that has it. Which of both a volume is follows from its file, and whoever opens it says which
//! it expects. There are no layers, no keys and nothing below.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use hostspec::FaultKind;
use model::VolumeId;

use super::{Claim, Claimed, Pool, layer, lock};
use crate::plan::SeenVolume;
use crate::trouble::Trouble;

pub(super) const SUFFIX: &str = ".raw";
pub(super) const UNFINISHED: &str = ".raw.new";

/// How a volume is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sharing {
    /// By one machine.
    One,
    /// By several.
    Several,
}

impl Sharing {
    /// That of a volume that may or may not be shared.
    pub fn of(shared: bool) -> Sharing {
        if shared { Sharing::Several } else { Sharing::One }
    }
}

impl Pool {
    /// Makes a shared volume, all zeroes. One that exists in this generation is kept.
    pub fn create_shared(&self, volume: VolumeId, generation: u64, size_bytes: u64) -> Result<SeenVolume, Trouble> {
        let doing = |e: io::Error| Trouble::io(&format!("making {volume}"), &e);
        if self.is_shared(volume, generation) {
            return self.grow(volume, generation, size_bytes);
        }
        self.require_room()?;
        let unfinished = self.folder.join(format!("{}{UNFINISHED}", layer::stem(volume, generation, 0)));
        let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&unfinished).map_err(doing)?;
        file.set_len(size_bytes).map_err(doing)?;
        file.sync_all().map_err(doing)?;
        fs::rename(&unfinished, self.shared_path(volume, generation)).map_err(doing)?;
        File::open(&self.folder).and_then(|f| f.sync_all()).map_err(doing)?;
        Ok(SeenVolume { generation, size_bytes })
    }

    /// Grows a shared volume that the caller has claimed alone; a smaller size changes nothing.
    pub(super) fn grow_shared(&self, volume: VolumeId, generation: u64, size_bytes: u64) -> Result<SeenVolume, Trouble> {
        let doing = |e: io::Error| Trouble::io(&format!("growing {volume}"), &e);
        let file = self.open_shared(volume, generation)?;
        let before = file.metadata().map_err(doing)?.len();
        if before < size_bytes {
            file.set_len(size_bytes).map_err(doing)?;
            file.sync_all().map_err(doing)?;
        }
        Ok(SeenVolume { generation, size_bytes: before.max(size_bytes) })
    }

    /// Takes the right to write a volume, as one that may be shared or not; refused while somebody has it who does not share.
    pub fn claim_as(&self, volume: VolumeId, sharing: Sharing) -> Result<Claim, Trouble> {
        if sharing == Sharing::One {
            return self.claim(volume);
        }
        match lock(&self.claimed).entry(volume).or_insert(Claimed::By(0)) {
            Claimed::By(count) => *count += 1,
            Claimed::Alone => return Err(Trouble::new(FaultKind::Other, format!("{volume} is being grown or deleted"))),
        }
        Ok(Claim { volume, claimed: self.claimed.clone() })
    }

    /// Opens the files of a volume for a machine, as [`Pool::open_for_guest`] does; refused where the file is not of the kind that is
    /// expected.
    pub fn open_as(&self, volume: VolumeId, generation: u64, sharing: Sharing) -> Result<Vec<(u32, OwnedFd)>, Trouble> {
        match (sharing, self.is_shared(volume, generation)) {
            (Sharing::One, false) => self.open_for_guest(volume, generation),
            (Sharing::Several, true) => Ok(vec![(0, self.open_shared(volume, generation)?.into())]),
            (Sharing::One, true) | (Sharing::Several, false) => {
                let detail = format!("the file of {volume} is not of the kind that the document says");
                Err(Trouble::new(FaultKind::Other, detail))
            }
        }
    }

    /// Whether a volume is a shared one.
    pub fn is_shared(&self, volume: VolumeId, generation: u64) -> bool {
        self.shared_path(volume, generation).exists()
    }

    pub(super) fn shared_path(&self, volume: VolumeId, generation: u64) -> PathBuf {
        self.folder.join(format!("{}{SUFFIX}", layer::stem(volume, generation, 0)))
    }

    fn open_shared(&self, volume: VolumeId, generation: u64) -> Result<File, Trouble> {
        let opened = OpenOptions::new().read(true).write(true).open(self.shared_path(volume, generation));
        opened.map_err(|e| Trouble::io(&format!("opening {volume}"), &e))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;
    const VOLUME: VolumeId = VolumeId::from_u64(1);

    fn pool() -> (tempfile::TempDir, Pool) {
        let folder = tempfile::tempdir().unwrap();
        let pool = Pool::open(&folder.path().join("volumes")).unwrap();
        (folder, pool)
    }

    #[test]
    fn a_shared_volume_is_made_once_grows_and_goes() {
        let (_folder, pool) = pool();
        let seen = |mib| SeenVolume { generation: 1, size_bytes: mib * MIB };
        assert_eq!(pool.create_shared(VOLUME, 1, 8 * MIB).unwrap(), seen(8));
        assert_eq!(pool.create_shared(VOLUME, 1, 4 * MIB).unwrap(), seen(8));
        assert_eq!(pool.grow(VOLUME, 1, 16 * MIB).unwrap(), seen(16));
        assert_eq!(pool.inventory().unwrap().volumes[&VOLUME], seen(16));
        pool.create_shared(VOLUME, 2, 4 * MIB).unwrap();
        pool.delete_older(VOLUME).unwrap();
        assert_eq!(pool.files().unwrap().iter().map(|file| (file.generation, file.shared)).collect::<Vec<_>>(), [(2, true)]);
        pool.delete(VOLUME, 2).unwrap();
        assert_eq!(pool.files().unwrap(), []);
    }

    #[test]
    fn several_claim_a_shared_volume_and_none_while_it_is_claimed_alone() {
        let (_folder, pool) = pool();
        pool.create_shared(VOLUME, 1, MIB).unwrap();
        let (first, second) = (pool.claim_as(VOLUME, Sharing::Several).unwrap(), pool.claim_as(VOLUME, Sharing::Several).unwrap());
        drop(first);
        assert!(pool.grow(VOLUME, 1, 2 * MIB).is_err() && pool.delete(VOLUME, 1).is_err());
        drop(second);
        let alone = pool.claim(VOLUME).unwrap();
        assert!(pool.claim_as(VOLUME, Sharing::Several).is_err() && pool.claim(VOLUME).is_err());
        drop(alone);
        pool.delete(VOLUME, 1).unwrap();
    }

    #[test]
    fn a_file_of_the_other_kind_is_not_opened() {
        let (_folder, pool) = pool();
        let other = VolumeId::from_u64(2);
        pool.create_shared(VOLUME, 1, MIB).unwrap();
        pool.create(other, 1, MIB, None).unwrap();
        assert!(pool.open_as(VOLUME, 1, Sharing::One).is_err() && pool.open_as(other, 1, Sharing::Several).is_err());
        assert_eq!(pool.open_as(VOLUME, 1, Sharing::Several).unwrap().len(), 1);
        assert_eq!(pool.open_as(other, 1, Sharing::One).unwrap().len(), 1);
    }
}
