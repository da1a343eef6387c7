//! VHD, fixed and dynamic (Microsoft, "Virtual Hard Disk Image Format Specification"). Big-endian.

use super::{Fields, Refusal, Source, sane};

const FOOTER: u64 = 512;
const FIXED: u32 = 2;
const DYNAMIC: u32 = 3;
const DIFFERENCING: u32 = 4;

/// Where things lie in a VHD file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layout {
    /// The disk's bytes, and the footer behind them.
    Fixed { virtual_bytes: u64 },
    /// Blocks by a table.
    Dynamic {
        virtual_bytes: u64,
        /// Bytes of a block, 4 KiB to 256 MiB.
        block_bytes: u64,
        table: u64,
        entries: usize,
    },
}

impl Layout {
    pub(crate) fn virtual_bytes(&self) -> u64 {
        match self {
            Layout::Fixed { virtual_bytes } | Layout::Dynamic { virtual_bytes, .. } => *virtual_bytes,
        }
    }

    /// Reads footer and header, and refuses what refers to other files or makes no sense.
    pub(crate) fn read(source: &Source<'_>) -> Result<Layout, Refusal> {
        read(source)
    }
}

pub(super) fn virtual_bytes(source: &Source<'_>) -> Result<u64, Refusal> {
    read(source).map(|layout| layout.virtual_bytes())
}

fn read(source: &Source<'_>) -> Result<Layout, Refusal> {
    sane(source.length >= FOOTER, "a file shorter than its footer")?;
    let footer = source.bytes(source.length - FOOTER, FOOTER as usize)?;
    sane(footer.is(0, b"conectix"), "no footer at the end")?;
    sane(checksum(&footer, 64) == footer.be32(64), "the footer's checksum")?;
    let size = footer.be64(48);
    match footer.be32(60) {
        FIXED => {
            // A reader that looks at the beginning first would see another disk there.
            sane(size == source.length - FOOTER && !source.bytes(0, 8)?.is(0, b"conectix"), "the size of a fixed disk")?;
            Ok(Layout::Fixed { virtual_bytes: size })
        }
        DYNAMIC => {
            sane(source.bytes(0, FOOTER as usize)?.0 == footer.0, "the copy of the footer at the beginning")?;
            dynamic(source, footer.be64(16), size)
        }
        DIFFERENCING => Err(Refusal::BackingFile),
        _ => Err(Refusal::Unsupported("an unknown kind of disk")),
    }
}

fn dynamic(source: &Source<'_>, offset: u64, size: u64) -> Result<Layout, Refusal> {
    let header = source.bytes(offset, 1024)?;
    sane(header.is(0, b"cxsparse"), "no header of a dynamic disk")?;
    sane(checksum(&header, 36) == header.be32(36), "the checksum of the dynamic header")?;
    if header.0[40..56] != [0; 16] {
        return Err(Refusal::BackingFile);
    }
    let (entries, block) = (u64::from(header.be32(28)), u64::from(header.be32(32)));
    sane(block.is_power_of_two() && (4096..=256 << 20).contains(&block), "the size of blocks")?;
    sane(entries >= size.div_ceil(block) && entries <= 16 << 20, "the length of the table")?;
    let table = header.be64(16);
    sane(source.holds(table, entries * 4), "the place of the table")?;
    // The disk's own entries come first; more than it has blocks are room to grow.
    let entries = usize::try_from(size.div_ceil(block)).expect("at most 16 Mi");
    Ok(Layout::Dynamic { virtual_bytes: size, block_bytes: block, table, entries })
}

/// The complement of the sum of all bytes but the four of the checksum.
fn checksum(fields: &Fields, place: usize) -> u32 {
    let sum = |bytes: &[u8]| bytes.iter().fold(0u32, |sum, byte| sum.wrapping_add(u32::from(*byte)));
    !(sum(&fields.0[..place]).wrapping_add(sum(&fields.0[place + 4..])))
}
