//! Reading the disk out of a VHDX file (Microsoft, MS-VHDX).
//!
//! Headers and metadata have been checked by [`header`](crate::header), which lets no parent through; here each entry of the table
//! is, before it is followed.

use crate::foreign::Units;
use crate::header::vhdx::Layout;
use crate::header::{Refusal, Source, bounded, sane};

/// The lowest bits of an entry say what the block is, the highest where, in MiB (MS-VHDX 2.5.1).
const STATE: u64 = 0b111;
const PLACE: u64 = !((1 << 20) - 1);
const NOT_PRESENT: u64 = 0;
const UNDEFINED: u64 = 1;
const ZERO: u64 = 2;
const UNMAPPED: u64 = 3;
const PRESENT: u64 = 6;

/// The disk in a VHDX file.
pub(crate) struct Vhdx<'a> {
    source: Source<'a>,
    layout: Layout,
    /// The table with the entries of bitmaps, which only a disk over a parent uses.
    table: Vec<u64>,
}

impl<'a> Vhdx<'a> {
    /// Opens a file that [`inspect`](crate::header::inspect) let through.
    pub(crate) fn open(source: Source<'a>) -> Result<Vhdx<'a>, Refusal> {
        let layout = Layout::read(&source)?;
        // Once more: the file may have changed.
        bounded(layout.virtual_bytes)?;
        let blocks = layout.virtual_bytes.div_ceil(layout.block_bytes);
        let entries = blocks + blocks.saturating_sub(1) / layout.chunk_ratio;
        sane(entries <= layout.table_room, "the length of the table")?;
        let entries = usize::try_from(entries).map_err(|_| Refusal::Absurd("the size of the disk"))?;
        let bytes = source.bytes(layout.table, entries * 8)?;
        let table = (0..entries).map(|entry| bytes.le64(entry * 8)).collect();
        Ok(Vhdx { source, layout, table })
    }

    pub(crate) fn virtual_bytes(&self) -> u64 {
        self.layout.virtual_bytes
    }
}

impl Units for Vhdx<'_> {
    type Place = u64;

    fn unit_bytes(&self) -> u64 {
        self.layout.block_bytes
    }

    fn place(&mut self, block: u64) -> Result<Option<u64>, Refusal> {
        let entry = self.table[(block + block / self.layout.chunk_ratio) as usize];
        match entry & STATE {
            NOT_PRESENT | UNDEFINED | ZERO | UNMAPPED => Ok(None),
            PRESENT => Ok(Some(entry & PLACE)),
            _ => Err(Refusal::Absurd("the state of a block")),
        }
    }

    fn fill(&mut self, place: &u64, inside: u64, target: &mut [u8]) -> Result<(), Refusal> {
        let offset = place.checked_add(inside).ok_or(Refusal::Absurd("the place of a block"))?;
        target.copy_from_slice(&self.source.bytes(offset, target.len())?.0);
        Ok(())
    }
}
