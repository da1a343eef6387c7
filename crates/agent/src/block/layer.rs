//! Layers of a volume: files over its first one, so that what it held at an instant stays readable while its guest writes on.
//!
//! ```text
//!   vol-0….g1.qcow2        the first file          a block is read from the newest layer that has it, then from what
//!   vol-0….g1.l4.qcow2     frozen                  the volume was made of
//!   vol-0….g1.l5.qcow2     the guest writes here
//! ```
//!
//! A layer gets its name while it is empty and before anything is written to it, and loses it only when the layer below has all
//! that it has, or it has nothing: so at every instant the names in the folder, in order, are the volume. A snapshot adds a layer;
//! what is frozen between the first file and the newest is merged into the first.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use hostspec::FaultKind;
use model::{DataKey, VolumeId};

use super::{Pool, SUFFIX, UNFINISHED, header_trouble, qcow2};
use crate::trouble::Trouble;

/// Most layers that a volume has: what was frozen while no guest ran is merged only when one does, and QEMU reads through all.
pub const LAYERS_MAX: usize = 16;

/// A layer that has no name yet.
#[derive(Debug)]
pub struct NewLayer {
    /// The volume.
    pub volume: VolumeId,
    /// Its generation.
    pub generation: u64,
    /// Number of the layer, above those that are there.
    pub number: u32,
    /// The file, empty.
    pub file: OwnedFd,
}

impl Pool {
    /// Numbers of the layers of a volume, the first file being 0, in order; none when the volume is not here.
    pub fn layers(&self, volume: VolumeId, generation: u64) -> Result<Vec<u32>, Trouble> {
        let files = self.files().map_err(|e| Trouble::io("listing the pool", &e))?;
        let ours = files.into_iter().filter(|file| (file.volume, file.generation) == (volume, generation));
        let mut numbers: Vec<u32> = ours.map(|file| file.layer).collect();
        numbers.sort_unstable();
        // Without the first file, the others mean nothing.
        Ok(if numbers.first() == Some(&0) { numbers } else { vec![] })
    }

    /// Opens a layer for reading and writing, after looking that its header is one of this pool.
    pub fn open_layer(&self, volume: VolumeId, generation: u64, layer: u32) -> Result<File, Trouble> {
        let opened = OpenOptions::new().read(true).write(true).open(self.path(volume, generation, layer));
        let file = opened.map_err(|e| Trouble::io(&format!("opening {volume}"), &e))?;
        qcow2::read_size(&file).map_err(|e| header_trouble(volume, &e))?;
        Ok(file)
    }

    /// Refuses without room, when the volume is not here, or when it has [`LAYERS_MAX`]; gives the number of its newest layer.
    pub fn require_another_layer(&self, volume: VolumeId, generation: u64) -> Result<u32, Trouble> {
        self.require_room()?;
        let numbers = self.layers(volume, generation)?;
        let absent = || Trouble::io(&format!("adding a layer to {volume}"), &io::ErrorKind::NotFound.into());
        let top = *numbers.last().ok_or_else(absent)?;
        if numbers.len() >= LAYERS_MAX {
            let detail = format!("{volume} has {} layers; they are merged while it is in use", numbers.len());
            return Err(Trouble::new(FaultKind::Other, detail));
        }
        Ok(top)
    }

    /// Makes an empty layer that has no name yet, of the volume's size, encrypted where there is a key. Refused as by
    /// [`Pool::require_another_layer`].
    pub fn make_layer(&self, volume: VolumeId, generation: u64, key: Option<&DataKey>) -> Result<NewLayer, Trouble> {
        let doing = |e: io::Error| Trouble::io(&format!("adding a layer to {volume}"), &e);
        let top = self.require_another_layer(volume, generation)?;
        let size_bytes = qcow2::read_size(&self.open_layer(volume, generation, top)?).map_err(|e| header_trouble(volume, &e))?;
        let number = top + 1;
        let path = self.unnamed(volume, generation, number);
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(true).mode(0o600).open(path).map_err(doing)?;
        let luks = super::encryption(key)?;
        qcow2::write_empty(&file, size_bytes, luks.as_deref()).map_err(|e| header_trouble(volume, &e))?;
        file.sync_data().map_err(doing)?;
        Ok(NewLayer { volume, generation, number, file: file.into() })
    }

    /// Brings what was written to layers so far from the host's memory to its disk. QEMU does so too when it switches to another layer,
    /// and holds the guest's writes meanwhile: the less is left to it, the shorter.
    pub fn sync_layers(&self, layers: &[(VolumeId, u64, u32)]) -> Result<(), Trouble> {
        for (volume, generation, number) in layers {
            let file = self.open_layer(*volume, *generation, *number)?;
            file.sync_data().map_err(|e| Trouble::io(&format!("writing {volume} to disk"), &e))?;
        }
        Ok(())
    }

    /// Names layers, durably. From here on each is the newest of its volume, whether or not anybody writes to it.
    pub fn name_layers(&self, layers: &[(VolumeId, u64, u32)]) -> Result<(), Trouble> {
        let doing = |e: io::Error| Trouble::io("naming layers", &e);
        for (volume, generation, number) in layers {
            fs::rename(self.unnamed(*volume, *generation, *number), self.path(*volume, *generation, *number)).map_err(doing)?;
        }
        File::open(&self.folder).and_then(|f| f.sync_all()).map_err(doing)
    }

    /// Deletes a layer, named or not, whose contents are not needed. One that is not there is no error.
    pub fn delete_layer(&self, volume: VolumeId, generation: u64, number: u32) -> Result<(), Trouble> {
        let doing = |e: io::Error| Trouble::io(&format!("deleting a layer of {volume}"), &e);
        for path in [self.unnamed(volume, generation, number), self.path(volume, generation, number)] {
            crate::files::remove(&path).map_err(doing)?;
        }
        Ok(())
    }

    /// Deletes the newest layers of a volume that nobody has open as far as they hold nothing and are no shorter than what is below.
    pub fn drop_empty_layers(&self, volume: VolumeId, generation: u64) -> Result<(), Trouble> {
        let _claim = self.claim(volume)?;
        let numbers = self.layers(volume, generation)?;
        for pair in numbers.windows(2).rev() {
            let (below, top) = (self.open_layer(volume, generation, pair[0])?, self.open_layer(volume, generation, pair[1])?);
            let trouble = |e| header_trouble(volume, &e);
            if !qcow2::is_empty(&top).map_err(trouble)? || self.is_being_read(volume) {
                break;
            }
            qcow2::grow(&below, qcow2::read_size(&top).map_err(trouble)?).map_err(trouble)?;
            self.delete_layer(volume, generation, pair[1])?;
        }
        Ok(())
    }

    /// Where a layer is.
    pub(super) fn path(&self, volume: VolumeId, generation: u64, layer: u32) -> PathBuf {
        self.folder.join(format!("{}{SUFFIX}", stem(volume, generation, layer)))
    }

    fn unnamed(&self, volume: VolumeId, generation: u64, layer: u32) -> PathBuf {
        self.folder.join(format!("{}{UNFINISHED}", stem(volume, generation, layer)))
    }
}

/// Beginning of the name of a layer's file.
pub(super) fn stem(volume: VolumeId, generation: u64, layer: u32) -> String {
    match layer {
        0 => format!("{volume}.g{generation}"),
        _ => format!("{volume}.g{generation}.l{layer}"),
    }
}

/// What the beginning of a file's name says.
pub(super) fn parse(stem: &str) -> Option<(VolumeId, u64, u32)> {
    let (id, rest) = stem.split_once(".g")?;
    let (generation, layer) = match rest.split_once(".l") {
        None => (rest, 0),
        Some((generation, layer)) => (generation, layer.parse().ok()?),
    };
    Some((id.parse().ok()?, generation.parse().ok()?, layer))
}
