//! Reading the disk out of a VMDK file with one sparse extent, compressed or not (VMware, "Virtual Disk Format 5.0").
//!
//! The header and the descriptor have been checked by [`header`](crate::header), which lets no other file through; here each entry
//! of the tables is, before it is followed.

use std::io::Read;

use crate::foreign::{SECTOR, Units};
use crate::header::vmdk::{Layout, TABLE_ENTRIES};
use crate::header::{Refusal, Source, bounded, sane};

/// Place and length before a compressed grain: 64 and 32 bits.
const MARKER_BYTES: u64 = 12;
/// A table's entry that stands for a grain of zeroes, where the header says so.
const ZEROES: u32 = 1;

/// The disk in a VMDK file.
pub(crate) struct Vmdk<'a> {
    source: Source<'a>,
    layout: Layout,
    directory: Vec<u32>,
    /// The second table that was used last, and which it is.
    table: (usize, Vec<u32>),
    /// The compressed grain that was unpacked last, and its place.
    grain: (u64, Vec<u8>),
}

/// Where a grain lies.
pub(crate) struct Grain {
    number: u64,
    offset: u64,
}

impl<'a> Vmdk<'a> {
    /// Opens a file that [`inspect`](crate::header::inspect) let through.
    pub(crate) fn open(source: Source<'a>) -> Result<Vmdk<'a>, Refusal> {
        let layout = Layout::read(&source)?;
        // Once more: the file may have changed.
        bounded(layout.virtual_bytes)?;
        let covered = layout.grain_bytes * u64::from(TABLE_ENTRIES);
        let entries = usize::try_from(layout.virtual_bytes.div_ceil(covered)).map_err(|_| Refusal::Absurd("the size of the disk"))?;
        let directory = words(&source, layout.directory, entries)?;
        Ok(Vmdk { source, layout, directory, table: (usize::MAX, Vec::new()), grain: (u64::MAX, Vec::new()) })
    }

    pub(crate) fn virtual_bytes(&self) -> u64 {
        self.layout.virtual_bytes
    }

    fn unpack(&mut self, grain: &Grain) -> Result<(), Refusal> {
        if self.grain.0 == grain.offset {
            return Ok(());
        }
        let marker = self.source.bytes(grain.offset, MARKER_BYTES as usize)?;
        let length = u64::from(marker.le32(8));
        // Deflate makes what it cannot compress only a little longer.
        let longest = self.layout.grain_bytes + self.layout.grain_bytes / 8 + SECTOR;
        sane((1..=longest).contains(&length), "the length of a compressed grain")?;
        sane(marker.le64(0) == grain.number * (self.layout.grain_bytes / SECTOR), "the place of a compressed grain")?;
        let packed = self.source.bytes(grain.offset + MARKER_BYTES, length as usize)?.0;
        let mut plain = vec![0; self.layout.grain_bytes as usize];
        // The last grain may be as short as what is left of the disk.
        let left = self.layout.virtual_bytes - grain.number * self.layout.grain_bytes;
        let wanted = left.min(self.layout.grain_bytes) as usize;
        let unpacked = flate2::read::ZlibDecoder::new(&packed[..]).read_exact(&mut plain[..wanted]);
        unpacked.map_err(|_| Refusal::Absurd("a compressed grain"))?;
        self.grain = (grain.offset, plain);
        Ok(())
    }
}

impl Units for Vmdk<'_> {
    type Place = Grain;

    fn unit_bytes(&self) -> u64 {
        self.layout.grain_bytes
    }

    fn place(&mut self, number: u64) -> Result<Option<Grain>, Refusal> {
        let first = (number / u64::from(TABLE_ENTRIES)) as usize;
        let sector = self.directory[first];
        if sector == 0 {
            return Ok(None);
        }
        if self.table.0 != first {
            self.table = (first, words(&self.source, u64::from(sector) * SECTOR, TABLE_ENTRIES as usize)?);
        }
        let entry = self.table.1[(number % u64::from(TABLE_ENTRIES)) as usize];
        let absent = entry == 0 || (entry == ZEROES && self.layout.zero_grains);
        Ok((!absent).then(|| Grain { number, offset: u64::from(entry) * SECTOR }))
    }

    fn fill(&mut self, grain: &Grain, inside: u64, target: &mut [u8]) -> Result<(), Refusal> {
        if self.layout.compressed {
            self.unpack(grain)?;
            target.copy_from_slice(&self.grain.1[inside as usize..][..target.len()]);
        } else {
            target.copy_from_slice(&self.source.bytes(grain.offset + inside, target.len())?.0);
        }
        Ok(())
    }
}

fn words(source: &Source<'_>, offset: u64, count: usize) -> Result<Vec<u32>, Refusal> {
    let bytes = source.bytes(offset, count * 4)?;
    Ok((0..count).map(|word| bytes.le32(word * 4)).collect())
}
