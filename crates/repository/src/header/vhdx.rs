//! VHDX (Microsoft, MS-VHDX). Little-endian.

use super::{Fields, Refusal, Source, sane};

const HEADERS: [u64; 2] = [64 << 10, 128 << 10];
const REGIONS: u64 = 192 << 10;
const TABLE_BYTES: usize = 64 << 10;
const MAX_ENTRIES: usize = 2047;
const ENTRY: usize = 32;

/// GUIDs as they lie in the file.
const METADATA_REGION: [u8; 16] = *b"\x06\xa2\x7c\x8b\x90\x47\x9a\x4b\xb8\xfe\x57\x5f\x05\x0f\x88\x6e";
const TABLE_REGION: [u8; 16] = *b"\x66\x77\xc2\x2d\x23\xf6\x00\x42\x9d\x64\x11\x5e\x9b\xfd\x4a\x08";
const FILE_PARAMETERS: [u8; 16] = *b"\x37\x67\xa1\xca\x36\xfa\x43\x4d\xb3\xb6\x33\xf0\xaa\x44\xe7\x6b";
const DISK_SIZE: [u8; 16] = *b"\x24\x42\xa5\x2f\x1b\xcd\x76\x48\xb2\x11\x5d\xbe\xd8\x3b\xf4\xb8";
const SECTOR_SIZE: [u8; 16] = *b"\x1d\xbf\x41\x81\x6f\xa9\x09\x47\xba\x47\xf2\x33\xa8\xfa\xab\x5f";
const PARENT_LOCATOR: [u8; 16] = *b"\x2d\x5f\xd3\xa8\x0b\xb3\x4d\x45\xab\xf7\xd3\xd8\x48\x34\xab\x0c";

const HAS_PARENT: u32 = 1 << 1;

/// Where things lie in a VHDX file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Layout {
    pub(crate) virtual_bytes: u64,
    /// Bytes of a block, 1 MiB to 256 MiB.
    pub(crate) block_bytes: u64,
    /// Blocks after which the table has an entry of another kind.
    pub(crate) chunk_ratio: u64,
    /// The table.
    pub(crate) table: u64,
    /// Entries that its region has room for.
    pub(crate) table_room: u64,
}

pub(super) fn virtual_bytes(source: &Source<'_>) -> Result<u64, Refusal> {
    Metadata::read(source).map(|metadata| metadata.virtual_bytes)
}

impl Layout {
    /// Reads headers and tables, and refuses what refers to other files or makes no sense.
    pub(crate) fn read(source: &Source<'_>) -> Result<Layout, Refusal> {
        let Metadata { virtual_bytes, block_bytes, sector_bytes } = Metadata::read(source)?;
        let (table, length) = region(source, TABLE_REGION, "not one region of the table")?;
        // MS-VHDX 2.5: (2^23 * LogicalSectorSize) / BlockSize.
        let chunk_ratio = (sector_bytes << 23) / block_bytes;
        Ok(Layout { virtual_bytes, block_bytes, chunk_ratio, table, table_room: length / 8 })
    }
}

struct Metadata {
    virtual_bytes: u64,
    block_bytes: u64,
    sector_bytes: u64,
}

impl Metadata {
    fn read(source: &Source<'_>) -> Result<Metadata, Refusal> {
        check_log(source)?;
        let (metadata, _) = region(source, METADATA_REGION, "not one region of metadata")?;
        let table = source.bytes(metadata, TABLE_BYTES)?;
        sane(table.is(0, b"metadata"), "no table of metadata")?;
        let count = usize::from(table.le16(10));
        sane(count <= MAX_ENTRIES, "the number of metadata entries")?;
        let (mut parameters, mut size, mut sector) = (None, None, None);
        for at in (1..=count).map(|entry| entry * ENTRY) {
            let item = |length| source.bytes(metadata.saturating_add(u64::from(table.le32(at + 16))), length);
            match table.array(at) {
                PARENT_LOCATOR => return Err(Refusal::BackingFile),
                FILE_PARAMETERS => {
                    sane(parameters.is_none(), "file parameters twice")?;
                    parameters = Some(item(8)?);
                }
                DISK_SIZE => {
                    sane(size.is_none(), "the disk's size twice")?;
                    size = Some(item(8)?.le64(0));
                }
                SECTOR_SIZE => {
                    sane(sector.is_none(), "the size of sectors twice")?;
                    sector = Some(item(4)?.le32(0));
                }
                _ => {}
            }
        }
        let parameters = parameters.ok_or(Refusal::Absurd("no file parameters"))?;
        if parameters.le32(4) & HAS_PARENT != 0 {
            return Err(Refusal::BackingFile);
        }
        let block = parameters.le32(0);
        sane(block.is_power_of_two() && (1 << 20..=256 << 20).contains(&block), "the size of blocks")?;
        let sector = sector.ok_or(Refusal::Absurd("no size of sectors"))?;
        sane(sector == 512 || sector == 4096, "the size of sectors")?;
        let virtual_bytes = size.ok_or(Refusal::Absurd("no size of the disk"))?;
        Ok(Metadata { virtual_bytes, block_bytes: u64::from(block), sector_bytes: u64::from(sector) })
    }
}

/// A log that is not empty has to be replayed before the rest means anything.
fn check_log(source: &Source<'_>) -> Result<(), Refusal> {
    const LOG_GUID: std::ops::Range<usize> = 48..64;
    let headers: Vec<Fields> = HEADERS.iter().filter_map(|offset| source.bytes(*offset, 4096).ok()).collect();
    let current = headers.iter().filter(|header| header.is(0, b"head")).max_by_key(|header| header.le64(8));
    let current = current.ok_or(Refusal::Absurd("no header"))?;
    if current.0[LOG_GUID].iter().any(|byte| *byte != 0) {
        return Err(Refusal::Unsupported("a log that has not been replayed"));
    }
    Ok(())
}

/// Where the one region of a kind lies, and how long it is.
fn region(source: &Source<'_>, kind: [u8; 16], otherwise: &'static str) -> Result<(u64, u64), Refusal> {
    let table = source.bytes(REGIONS, TABLE_BYTES)?;
    sane(table.is(0, b"regi"), "no table of regions")?;
    let count = table.le32(8) as usize;
    sane(count <= MAX_ENTRIES, "the number of regions")?;
    let mut places = (0..count).map(|entry| 16 + entry * ENTRY).filter(|at| table.array(*at) == kind);
    match (places.next(), places.next()) {
        (Some(at), None) => Ok((table.le64(at + 16), u64::from(table.le32(at + 24)))),
        _ => Err(Refusal::Absurd(otherwise)),
    }
}
