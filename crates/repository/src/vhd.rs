//! Reading the disk out of a VHD file, fixed or dynamic (Microsoft, "Virtual Hard Disk Image Format Specification").
//!
//! Footer and header have been checked by [`header`](crate::header); here each entry of the table is, before it is followed.

use crate::foreign::{SECTOR, Units};
use crate::header::vhd::Layout;
use crate::header::{Refusal, Source, bounded};

/// A table's entry of a block that the file has not.
const ABSENT: u32 = u32::MAX;
/// Bytes of a unit of a fixed disk, which has no blocks.
const FIXED_UNIT: u64 = 1 << 20;

/// The disk in a VHD file.
pub(crate) struct Vhd<'a> {
    source: Source<'a>,
    layout: Layout,
    /// Sectors at which blocks begin.
    table: Vec<u32>,
    /// The bitmap that was read last, and the place of its block.
    bitmap: (u64, Vec<u8>),
}

/// Where a unit's bytes lie.
pub(crate) enum Place {
    /// Just there.
    Plain(u64),
    /// A bitmap of the sectors that hold something, and then the bytes.
    Block(u64),
}

impl<'a> Vhd<'a> {
    /// Opens a file that [`inspect`](crate::header::inspect) let through.
    pub(crate) fn open(source: Source<'a>) -> Result<Vhd<'a>, Refusal> {
        let layout = Layout::read(&source)?;
        // Once more: the file may have changed.
        bounded(layout.virtual_bytes())?;
        let table = match layout {
            Layout::Fixed { .. } => vec![],
            Layout::Dynamic { table, entries, .. } => {
                let bytes = source.bytes(table, entries * 4)?;
                (0..entries).map(|entry| bytes.be32(entry * 4)).collect()
            }
        };
        Ok(Vhd { source, layout, table, bitmap: (u64::MAX, Vec::new()) })
    }

    pub(crate) fn virtual_bytes(&self) -> u64 {
        self.layout.virtual_bytes()
    }

    /// Bytes of the bitmap before a block: a bit for each sector, in whole sectors.
    fn bitmap_bytes(&self) -> u64 {
        (self.unit_bytes() / SECTOR).div_ceil(8).next_multiple_of(SECTOR)
    }

    fn load_bitmap(&mut self, block: u64) -> Result<(), Refusal> {
        if self.bitmap.0 != block {
            self.bitmap = (block, self.source.bytes(block, self.bitmap_bytes() as usize)?.0);
        }
        Ok(())
    }

    /// Whether the bitmap says that a sector of the block holds something.
    fn is_written(&self, sector: u64) -> bool {
        self.bitmap.1[(sector / 8) as usize] & (0x80 >> (sector % 8)) != 0
    }
}

impl Units for Vhd<'_> {
    type Place = Place;

    fn unit_bytes(&self) -> u64 {
        match self.layout {
            Layout::Fixed { .. } => FIXED_UNIT,
            Layout::Dynamic { block_bytes, .. } => block_bytes,
        }
    }

    fn place(&mut self, unit: u64) -> Result<Option<Place>, Refusal> {
        Ok(match self.layout {
            Layout::Fixed { .. } => Some(Place::Plain(unit * FIXED_UNIT)),
            Layout::Dynamic { .. } => match self.table[unit as usize] {
                ABSENT => None,
                sector => Some(Place::Block(u64::from(sector) * SECTOR)),
            },
        })
    }

    fn fill(&mut self, place: &Place, inside: u64, target: &mut [u8]) -> Result<(), Refusal> {
        let block = match place {
            Place::Plain(offset) => {
                target.copy_from_slice(&self.source.bytes(offset + inside, target.len())?.0);
                return Ok(());
            }
            Place::Block(block) => *block,
        };
        self.load_bitmap(block)?;
        target.copy_from_slice(&self.source.bytes(block + self.bitmap_bytes() + inside, target.len())?.0);
        let mut at = 0;
        while at < target.len() {
            let sector = (inside + at as u64) / SECTOR;
            let end = (((sector + 1) * SECTOR - inside) as usize).min(target.len());
            if !self.is_written(sector) {
                target[at..end].fill(0);
            }
            at = end;
        }
        Ok(())
    }
}
