//! VHD, fixed and dynamic (Microsoft, "Virtual Hard Disk Image Format Specification"). Big-endian.

use super::{Fields, Refusal, Source, sane};

const FOOTER: u64 = 512;
const FIXED: u32 = 2;
const DYNAMIC: u32 = 3;
const DIFFERENCING: u32 = 4;

pub(super) fn virtual_bytes(source: &Source<'_>) -> Result<u64, Refusal> {
    sane(source.length >= FOOTER, "a file shorter than its footer")?;
    let footer = source.bytes(source.length - FOOTER, FOOTER as usize)?;
    sane(footer.is(0, b"conectix"), "no footer at the end")?;
    sane(checksum(&footer, 64) == footer.be32(64), "the footer's checksum")?;
    let size = footer.be64(48);
    match footer.be32(60) {
        FIXED => {
            // A reader that looks at the beginning first would see another disk there.
            sane(size == source.length - FOOTER && !source.bytes(0, 8)?.is(0, b"conectix"), "the size of a fixed disk")?;
            Ok(size)
        }
        DYNAMIC => {
            sane(source.bytes(0, FOOTER as usize)?.0 == footer.0, "the copy of the footer at the beginning")?;
            check_dynamic(source, footer.be64(16), size)?;
            Ok(size)
        }
        DIFFERENCING => Err(Refusal::BackingFile),
        _ => Err(Refusal::Unsupported("an unknown kind of disk")),
    }
}

fn check_dynamic(source: &Source<'_>, offset: u64, size: u64) -> Result<(), Refusal> {
    let header = source.bytes(offset, 1024)?;
    sane(header.is(0, b"cxsparse"), "no header of a dynamic disk")?;
    sane(checksum(&header, 36) == header.be32(36), "the checksum of the dynamic header")?;
    if header.0[40..56] != [0; 16] {
        return Err(Refusal::BackingFile);
    }
    let (entries, block) = (u64::from(header.be32(28)), u64::from(header.be32(32)));
    sane(block.is_power_of_two() && (4096..=256 << 20).contains(&block), "the size of blocks")?;
    sane(entries >= size.div_ceil(block) && entries <= 16 << 20, "the length of the table")?;
    sane(source.holds(header.be64(16), entries * 4), "the place of the table")
}

/// The complement of the sum of all bytes but the four of the checksum.
fn checksum(fields: &Fields, place: usize) -> u32 {
    let sum = |bytes: &[u8]| bytes.iter().fold(0u32, |sum, byte| sum.wrapping_add(u32::from(*byte)));
    !(sum(&fields.0[..place]).wrapping_add(sum(&fields.0[place + 4..])))
}
