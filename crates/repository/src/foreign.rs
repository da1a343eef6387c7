//! Reading disks out of files of foreign formats, and storing them, without any program that would follow them elsewhere.
//!
//! ```text
//!   file + declared format ──header──▶ a layout, or a refusal
//!                          ──Disk────▶ bytes of the disk, unit by unit: clusters, grains, blocks ──▶ chunks
//! ```
//!
//! A reader has one file and no way to another: no path is ever taken from the bytes. Each table entry is checked before it is
//! followed, what is compressed is unpacked into a buffer of the unit's size, and a file that changes meanwhile is only read as what
//! it then is.

use std::fs::File;
use std::ops::ControlFlow;
use std::path::Path;

use crate::header::{self, Format, Refusal, Source, sane};
use crate::import::{Feed, next_data};
use crate::layers::Stored;
use crate::qcow2::Qcow2;
use crate::vhd::Vhd;
use crate::vhdx::Vhdx;
use crate::vmdk::Vmdk;
use crate::{Repository, RepositoryError};

/// Bytes of a sector.
pub(crate) const SECTOR: u64 = 512;

/// Is told now and then how many bytes of the disk have been dealt with, and says whether to go on.
pub type Progress<'a> = dyn Fn(u64) -> ControlFlow<()> + Sync + 'a;

impl Repository {
    /// Stores the disk in a file that is said to be of a format. Blocks until it is durable. Refused if the file is not of the format,
    /// refers to other files or makes no sense, Stopped if `progress` says so, Busy if a sweep does not end.
    pub fn store_foreign(&self, file: &File, declared: Format, progress: &Progress<'_>) -> Result<Stored, RepositoryError> {
        let mut disk = Disk::open(file, declared).map_err(refused)?;
        sane(disk.virtual_bytes() > 0, "a disk of no bytes").map_err(refused)?;
        self.store(None, |feed| disk.feed(feed, progress), None)
    }
}

fn refused(refusal: Refusal) -> RepositoryError {
    RepositoryError::Refused { path: Path::new("the object").to_owned(), refusal }
}

/// A disk in a file.
enum Disk<'a> {
    Raw(Raw<'a>),
    Qcow2(Box<Qcow2<'a>>),
    Vmdk(Vmdk<'a>),
    Vhd(Vhd<'a>),
    Vhdx(Vhdx<'a>),
}

impl<'a> Disk<'a> {
    fn open(file: &'a File, declared: Format) -> Result<Disk<'a>, Refusal> {
        header::inspect(file, declared)?;
        let source = Source::new(file)?;
        Ok(match declared {
            Format::Raw => Disk::Raw(Raw { file, source }),
            Format::Qcow2 => Disk::Qcow2(Box::new(Qcow2::open(file)?)),
            Format::Vmdk => Disk::Vmdk(Vmdk::open(source)?),
            Format::Vhd => Disk::Vhd(Vhd::open(source)?),
            Format::Vhdx => Disk::Vhdx(Vhdx::open(source)?),
        })
    }

    fn virtual_bytes(&self) -> u64 {
        match self {
            // Whole sectors: a guest knows no others.
            Disk::Raw(raw) => raw.source.length.next_multiple_of(SECTOR),
            Disk::Qcow2(disk) => disk.virtual_bytes(),
            Disk::Vmdk(disk) => disk.virtual_bytes(),
            Disk::Vhd(disk) => disk.virtual_bytes(),
            Disk::Vhdx(disk) => disk.virtual_bytes(),
        }
    }

    /// The disk's bytes from `offset`, or `None` if they are all zeroes by the tables. `offset` and `length` lie inside the disk.
    fn read(&mut self, offset: u64, length: usize) -> Result<Option<Vec<u8>>, RepositoryError> {
        match self {
            Disk::Raw(raw) => raw.read(offset, length),
            Disk::Qcow2(disk) => disk.read(offset, length).map_err(refused),
            Disk::Vmdk(disk) => read_units(disk, offset, length).map_err(refused),
            Disk::Vhd(disk) => read_units(disk, offset, length).map_err(refused),
            Disk::Vhdx(disk) => read_units(disk, offset, length).map_err(refused),
        }
    }

    fn feed(&mut self, feed: &mut Feed<'_>, progress: &Progress<'_>) -> Result<u64, RepositoryError> {
        let (size_bytes, chunk_bytes) = (self.virtual_bytes(), feed.chunk_bytes() as u64);
        for index in 0..size_bytes.div_ceil(chunk_bytes) {
            let offset = index * chunk_bytes;
            let length = chunk_bytes.min(size_bytes - offset) as usize;
            let at = usize::try_from(index).expect("MAX_IMAGE_BYTES keeps the count small");
            if let Some(bytes) = self.read(offset, length)?
                && feed.push(at, bytes).is_err()
            {
                break;
            }
            if progress(offset + length as u64).is_break() {
                return Err(RepositoryError::Stopped);
            }
        }
        Ok(size_bytes)
    }
}

struct Raw<'a> {
    file: &'a File,
    source: Source<'a>,
}

impl Raw<'_> {
    fn read(&self, offset: u64, length: usize) -> Result<Option<Vec<u8>>, RepositoryError> {
        let end = offset + length as u64;
        match next_data(Path::new("the object"), self.file, offset, self.source.length)? {
            Some((start, _)) if start < end => {}
            Some(_) | None => return Ok(None),
        }
        let there = self.source.length.min(end) - offset;
        let mut bytes = self.source.bytes(offset, there as usize).map_err(refused)?.0;
        bytes.resize(length, 0);
        Ok(Some(bytes))
    }
}

/// A disk in units of one size, each of which the file has or has not.
pub(crate) trait Units {
    /// Where a unit's bytes are.
    type Place;
    /// Bytes of a unit.
    fn unit_bytes(&self) -> u64;
    /// Finds a unit; none when it is zeroes.
    fn place(&mut self, unit: u64) -> Result<Option<Self::Place>, Refusal>;
    /// Reads bytes of a unit from `inside` it on.
    fn fill(&mut self, place: &Self::Place, inside: u64, target: &mut [u8]) -> Result<(), Refusal>;
}

fn read_units<U: Units>(disk: &mut U, offset: u64, length: usize) -> Result<Option<Vec<u8>>, Refusal> {
    let unit_bytes = disk.unit_bytes();
    let (mut at, end) = (offset, offset + length as u64);
    let mut bytes = None;
    while at < end {
        let inside = at % unit_bytes;
        let part = (unit_bytes - inside).min(end - at) as usize;
        if let Some(place) = disk.place(at / unit_bytes)? {
            let target = &mut bytes.get_or_insert_with(|| vec![0; length])[(at - offset) as usize..][..part];
            disk.fill(&place, inside, target)?;
        }
        at += part as u64;
    }
    Ok(bytes)
}
