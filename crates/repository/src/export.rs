//! Writing an image into a file that other programs read: its bytes alone, a dynamic VHD, or a stream-optimized VMDK.
//!
//! ```text
//!   raw    the disk, with holes where it is zero
//!   VHD    footer │ header │ table │ (bitmap, 2 MiB)... │ footer
//!   VMDK   header │ descriptor │ ((place, length, zlib of 64 KiB)..., table)... │ directory │ footer │ end
//! ```
//!
//! What is zero is not written. Equal images give equal files: there is no time and no random number in them.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::Path;

use flate2::Compression;
use flate2::write::ZlibEncoder;

use crate::foreign::{Progress, SECTOR};
use crate::{ImageReader, RepositoryError};

/// A format that images are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WrittenFormat {
    /// The disk's bytes and nothing else.
    Raw,
    /// VMware's, `streamOptimized`.
    Vmdk,
    /// Microsoft's older one, dynamic.
    Vhd,
}

/// Bytes of a block of a VHD: the usual ones, with a bitmap of one sector.
const BLOCK_BYTES: u64 = 2 << 20;
/// Largest disk of a VHD: 2,040 GiB (the specification; what a table of 32-bit sectors can place).
const VHD_MAX_BYTES: u64 = 2_040 << 30;
/// Bytes of a grain of a VMDK, and grains in a table.
const GRAIN_BYTES: u64 = 64 << 10;
const GRAINS: usize = 512;
/// Sectors before the first grain, and of the descriptor among them.
const OVERHEAD_SECTORS: u64 = 128;
const DESCRIPTOR_SECTORS: u64 = 20;

impl ImageReader {
    /// Writes the disk into an empty file, in whole sectors. Blocks; the file is not synced. Malformed if the format has no room for the
    /// disk, Missing or Corrupt name a chunk, Stopped if `progress` says so, Io if the file takes no more.
    pub fn write_to(&self, file: &File, format: WrittenFormat, progress: &Progress<'_>) -> Result<(), RepositoryError> {
        let mut out = Out { reader: self, file, size_bytes: self.size_bytes().next_multiple_of(SECTOR), at: 0, progress };
        match format {
            WrittenFormat::Raw => out.raw(),
            WrittenFormat::Vmdk => out.vmdk(),
            WrittenFormat::Vhd => out.vhd(),
        }
    }
}

/// A file that is being written.
struct Out<'a> {
    reader: &'a ImageReader,
    file: &'a File,
    /// The disk's size, whole sectors.
    size_bytes: u64,
    /// Where the file ends so far.
    at: u64,
    progress: &'a Progress<'a>,
}

impl Out<'_> {
    fn raw(&mut self) -> Result<(), RepositoryError> {
        self.file.set_len(self.size_bytes).map_err(broken)?;
        let unit = u64::from(self.reader.manifest().chunk_bytes);
        for number in 0..self.size_bytes.div_ceil(unit) {
            if let Some(bytes) = self.unit(number, unit, self.left(number, unit))? {
                self.file.write_all_at(&bytes, number * unit).map_err(broken)?;
            }
            self.told(number, unit)?;
        }
        Ok(())
    }

    fn vhd(&mut self) -> Result<(), RepositoryError> {
        if self.size_bytes > VHD_MAX_BYTES {
            return Err(RepositoryError::malformed("the disk", "larger than a VHD can be"));
        }
        let blocks = self.size_bytes.div_ceil(BLOCK_BYTES);
        let footer = vhd_footer(self.size_bytes, self.reader.digest().as_bytes());
        let table_at = 3 * SECTOR;
        self.append(&footer)?;
        self.append(&vhd_header(table_at, u32::try_from(blocks).expect("VHD_MAX_BYTES keeps the count small")))?;
        let mut table = vec![u8::MAX; (blocks * 4).next_multiple_of(SECTOR) as usize];
        self.append(&table)?;
        for number in 0..blocks {
            // Blocks are whole, also the last one.
            if let Some(bytes) = self.unit(number, BLOCK_BYTES, BLOCK_BYTES)? {
                let sector = u32::try_from(self.at / SECTOR).expect("VHD_MAX_BYTES keeps the file small");
                table[number as usize * 4..][..4].copy_from_slice(&sector.to_be_bytes());
                self.append(&[u8::MAX; SECTOR as usize])?;
                self.append(&bytes)?;
            }
            self.told(number, BLOCK_BYTES)?;
        }
        self.append(&footer)?;
        self.file.write_all_at(&table, table_at).map_err(broken)
    }

    fn vmdk(&mut self) -> Result<(), RepositoryError> {
        let grains = self.size_bytes.div_ceil(GRAIN_BYTES);
        self.append(&vmdk_header(self.size_bytes, u64::MAX))?;
        let mut descriptor = vmdk_descriptor(self.size_bytes).into_bytes();
        descriptor.resize((DESCRIPTOR_SECTORS * SECTOR) as usize, 0);
        self.append(&descriptor)?;
        self.at = OVERHEAD_SECTORS * SECTOR;
        let mut directory = Vec::new();
        for first in (0..grains).step_by(GRAINS) {
            directory.push(self.vmdk_table(first..grains.min(first + GRAINS as u64))?);
        }
        let directory_at = self.marked(Marker::Directory, &words(&directory))?;
        self.marked(Marker::Footer, &vmdk_header(self.size_bytes, directory_at))?;
        self.append(&Marker::End.sector(0))
    }

    /// Writes grains and the table of their places, and says where that is: 0 when all of them are zeroes.
    fn vmdk_table(&mut self, grains: std::ops::Range<u64>) -> Result<u32, RepositoryError> {
        let mut table = vec![0; GRAINS];
        for (number, entry) in grains.zip(&mut table) {
            if let Some(bytes) = self.unit(number, GRAIN_BYTES, GRAIN_BYTES)? {
                *entry = self.vmdk_grain(number, &bytes)?;
            }
            self.told(number, GRAIN_BYTES)?;
        }
        if table.iter().all(|entry| *entry == 0) {
            return Ok(0);
        }
        place(self.marked(Marker::Table, &words(&table))?)
    }

    fn vmdk_grain(&mut self, number: u64, bytes: &[u8]) -> Result<u32, RepositoryError> {
        let mut packed = ZlibEncoder::new(vec![0; 12], Compression::fast());
        let packed = packed.write_all(bytes).and_then(|()| packed.finish()).map_err(broken)?;
        let mut packed = packed;
        let length = u32::try_from(packed.len() - 12).expect("64 KiB grow little");
        packed[..8].copy_from_slice(&(number * (GRAIN_BYTES / SECTOR)).to_le_bytes());
        packed[8..12].copy_from_slice(&length.to_le_bytes());
        let sector = place(self.at / SECTOR)?;
        packed.resize(packed.len().next_multiple_of(SECTOR as usize), 0);
        self.append(&packed)?;
        Ok(sector)
    }

    /// Writes what is no grain behind its marker, and says at which sector it lies.
    fn marked(&mut self, marker: Marker, bytes: &[u8]) -> Result<u64, RepositoryError> {
        let mut padded = bytes.to_vec();
        padded.resize(bytes.len().next_multiple_of(SECTOR as usize), 0);
        self.append(&marker.sector(padded.len() as u64 / SECTOR))?;
        let sector = self.at / SECTOR;
        self.append(&padded)?;
        Ok(sector)
    }

    fn append(&mut self, bytes: &[u8]) -> Result<(), RepositoryError> {
        self.file.write_all_at(bytes, self.at).map_err(broken)?;
        self.at += bytes.len() as u64;
        Ok(())
    }

    /// What is left of the disk from a unit on, at most the unit.
    fn left(&self, number: u64, unit: u64) -> u64 {
        (self.size_bytes - number * unit).min(unit)
    }

    /// The bytes of a unit, padded with zeroes; none when there is nothing else.
    fn unit(&self, number: u64, unit: u64, length: u64) -> Result<Option<Vec<u8>>, RepositoryError> {
        let offset = number * unit;
        let there = self.reader.size_bytes().saturating_sub(offset).min(length);
        let chunk = u64::from(self.reader.manifest().chunk_bytes);
        let mut chunks = (offset / chunk) as usize..(offset + there).div_ceil(chunk) as usize;
        if there == 0 || !chunks.any(|index| self.reader.is_stored(index)) {
            return Ok(None);
        }
        let mut bytes = vec![0; length as usize];
        self.reader.read_at(offset, &mut bytes[..there as usize])?;
        Ok(bytes.iter().any(|byte| *byte != 0).then_some(bytes))
    }

    fn told(&self, number: u64, unit: u64) -> Result<(), RepositoryError> {
        let dealt = ((number + 1) * unit).min(self.size_bytes);
        if (self.progress)(dealt).is_break() { Err(RepositoryError::Stopped) } else { Ok(()) }
    }
}

fn broken(error: std::io::Error) -> RepositoryError {
    RepositoryError::io(Path::new("the object"))(error)
}

fn place(sector: u64) -> Result<u32, RepositoryError> {
    u32::try_from(sector).map_err(|_| RepositoryError::malformed("the disk", "larger than a VMDK can be"))
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// Puts numbers and texts at fixed places of a structure.
struct Head(Vec<u8>);

impl Head {
    fn new(length: u64) -> Head {
        Head(vec![0; length as usize])
    }

    fn put(mut self, at: usize, bytes: &[u8]) -> Head {
        self.0[at..at + bytes.len()].copy_from_slice(bytes);
        self
    }

    /// With the complement of the sum of all bytes at `at`, which must be zero so far.
    fn summed(self, at: usize) -> Vec<u8> {
        let sum = self.0.iter().fold(0u32, |sum, byte| sum.wrapping_add(u32::from(*byte)));
        self.put(at, &(!sum).to_be_bytes()).0
    }
}

fn vhd_footer(size_bytes: u64, digest: &[u8; 32]) -> Vec<u8> {
    let (cylinders, heads, sectors) = geometry(size_bytes / SECTOR);
    let head = Head::new(SECTOR).put(0, b"conectix").put(8, &2u32.to_be_bytes()).put(12, &0x0001_0000u32.to_be_bytes());
    // The dynamic header follows. The creator is Windows' name: by others' QEMU takes the size from the geometry, which is coarser.
    let head = head.put(16, &SECTOR.to_be_bytes()).put(28, b"win ").put(32, &0x000a_0000u32.to_be_bytes()).put(36, b"Wi2k");
    let head = head.put(40, &size_bytes.to_be_bytes()).put(48, &size_bytes.to_be_bytes());
    let head = head.put(56, &cylinders.to_be_bytes()).put(58, &[heads, sectors]).put(60, &3u32.to_be_bytes());
    head.put(68, &digest[..16]).summed(64)
}

fn vhd_header(table: u64, entries: u32) -> Vec<u8> {
    let head = Head::new(2 * SECTOR).put(0, b"cxsparse").put(8, &[u8::MAX; 8]).put(16, &table.to_be_bytes());
    let head = head.put(24, &0x0001_0000u32.to_be_bytes()).put(28, &entries.to_be_bytes());
    head.put(32, &(BLOCK_BYTES as u32).to_be_bytes()).summed(36)
}

/// Cylinders, heads and sectors of a track, as the specification's appendix has them.
fn geometry(sectors: u64) -> (u16, u8, u8) {
    let sectors = sectors.min(65_535 * 16 * 255);
    let (heads, track) = if sectors >= 65_535 * 16 * 63 {
        (16, 255)
    } else {
        let heads = sectors.div_ceil(17).div_ceil(1_024).max(4);
        match () {
            () if heads <= 16 && sectors / 17 < heads * 1_024 => (heads, 17),
            () if sectors / 31 < 16 * 1_024 => (16, 31),
            () => (16, 63),
        }
    };
    let cylinders = sectors / track / heads;
    (cylinders.min(65_535) as u16, heads as u8, track as u8)
}

/// What a sector says that stands before something that is no grain.
#[derive(Clone, Copy)]
enum Marker {
    End = 0,
    Table = 1,
    Directory = 2,
    Footer = 3,
}

impl Marker {
    fn sector(self, sectors: u64) -> Vec<u8> {
        Head::new(SECTOR).put(0, &sectors.to_le_bytes()).put(12, &(self as u32).to_le_bytes()).0
    }
}

fn vmdk_header(size_bytes: u64, directory: u64) -> Vec<u8> {
    // Line ends are told, grains are compressed and lie behind markers.
    const FLAGS: u32 = 1 | 1 << 16 | 1 << 17;
    let head = Head::new(SECTOR).put(0, b"KDMV").put(4, &3u32.to_le_bytes()).put(8, &FLAGS.to_le_bytes());
    let head = head.put(12, &(size_bytes / SECTOR).to_le_bytes()).put(20, &(GRAIN_BYTES / SECTOR).to_le_bytes());
    let head = head.put(28, &1u64.to_le_bytes()).put(36, &DESCRIPTOR_SECTORS.to_le_bytes()).put(44, &(GRAINS as u32).to_le_bytes());
    let head = head.put(56, &directory.to_le_bytes()).put(64, &OVERHEAD_SECTORS.to_le_bytes());
    head.put(73, b"\n \r\n").put(77, &1u16.to_le_bytes()).0
}

fn vmdk_descriptor(size_bytes: u64) -> String {
    let sectors = size_bytes / SECTOR;
    let cylinders = (sectors / (255 * 63)).clamp(1, 65_535);
    format!(
        "# Disk DescriptorFile\nversion=1\nCID=fffffffe\nparentCID=ffffffff\ncreateType=\"streamOptimized\"\n\n\
         # Extent description\nRW {sectors} SPARSE \"disk.vmdk\"\n\n\
         # The Disk Data Base\n#DDB\n\nddb.virtualHWVersion = \"4\"\nddb.geometry.cylinders = \"{cylinders}\"\n\
         ddb.geometry.heads = \"255\"\nddb.geometry.sectors = \"63\"\nddb.adapterType = \"lsilogic\"\n"
    )
}
