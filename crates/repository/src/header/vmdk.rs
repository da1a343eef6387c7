//! VMDK in one file (VMware, "Virtual Disk Format 5.0"). Little-endian, and a text that says what the disk is made of.
//!
//! The text is the danger: it may name other files as the disk's extents or its parent. Only one sparse extent, which is this very
//! file, is let through.

use super::{Fields, Refusal, Source, sane};

const SECTOR: u64 = 512;

/// Longest descriptor in sectors; VMware writes 20.
const MAX_DESCRIPTOR_SECTORS: u64 = 128;

/// The first table lies at the file's end, and the header there says where.
const AT_END: u64 = u64::MAX;

/// Where things lie in a VMDK file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Layout {
    pub(crate) virtual_bytes: u64,
    /// Bytes of a grain, 4 KiB to 1 MiB.
    pub(crate) grain_bytes: u64,
    /// The first table.
    pub(crate) directory: u64,
    /// Whether grains are compressed, each behind its place and length.
    pub(crate) compressed: bool,
    /// Whether a table's entry of 1 is a grain of zeroes.
    pub(crate) zero_grains: bool,
}

/// Grains in a second table.
pub(crate) const TABLE_ENTRIES: u32 = 512;

/// Bits of the header's flags.
mod flag {
    pub(super) const ZERO_GRAINS: u32 = 1 << 2;
    pub(super) const COMPRESSED: u32 = 1 << 16;
    pub(super) const MARKERS: u32 = 1 << 17;
}

impl Layout {
    /// Reads header and descriptor, and refuses what refers to other files or makes no sense.
    pub(crate) fn read(source: &Source<'_>) -> Result<Layout, Refusal> {
        let (header, virtual_bytes) = checked(source)?;
        let directory = match header.le64(56) {
            AT_END => directory_at_end(source, &header)?,
            sector => sector,
        };
        let flags = header.le32(8);
        let compressed = flags & flag::COMPRESSED != 0;
        // RFC 1950's is the only algorithm there is, and what is compressed lies behind markers.
        let plain = header.le16(77) == 0 && flags & flag::MARKERS == 0;
        let packed = header.le16(77) == 1 && flags & flag::MARKERS != 0;
        sane(if compressed { packed } else { plain }, "the compression of grains")?;
        Ok(Layout {
            virtual_bytes,
            grain_bytes: header.le64(20) * SECTOR,
            directory: directory.checked_mul(SECTOR).ok_or(Refusal::Absurd("the place of the first table"))?,
            compressed,
            zero_grains: flags & flag::ZERO_GRAINS != 0,
        })
    }
}

/// The place of the first table in sectors, of a file that was written from its beginning to its end: a copy of the header stands
/// before the last sector.
fn directory_at_end(source: &Source<'_>, header: &Fields) -> Result<u64, Refusal> {
    const FOOTER: u64 = 2 * SECTOR;
    sane(source.length >= FOOTER, "a file shorter than its footer")?;
    let footer = source.bytes(source.length - FOOTER, SECTOR as usize)?;
    sane(footer.is(0, b"KDMV") && footer.0[12..28] == header.0[12..28] && footer.le32(44) == header.le32(44), "the footer")?;
    let directory = footer.le64(56);
    let inside = directory.checked_mul(SECTOR).is_some_and(|offset| offset < source.length);
    sane(inside, "the place of the first table")?;
    Ok(directory)
}

pub(super) fn virtual_bytes(source: &Source<'_>) -> Result<u64, Refusal> {
    checked(source).map(|(_, virtual_bytes)| virtual_bytes)
}

fn checked(source: &Source<'_>) -> Result<(Fields, u64), Refusal> {
    match &source.bytes(0, 4)?.0[..] {
        b"KDMV" => {}
        b"COWD" => return Err(Refusal::Unsupported("the format of ESX's own extents")),
        // A descriptor alone: whatever it says, the bytes are elsewhere.
        _ => return Err(Refusal::ExternalData),
    }
    let header = source.bytes(0, SECTOR as usize)?;
    sane((1..=3).contains(&header.le32(4)), "the version")?;
    sane(header.is(73, b"\n \r\n"), "the line ends, which a transfer as text has changed")?;
    check_tables(source, &header)?;
    let (offset, sectors) = (header.le64(28), header.le64(36));
    sane(offset > 0 && (1..=MAX_DESCRIPTOR_SECTORS).contains(&sectors), "the place of the descriptor")?;
    let offset = offset.checked_mul(SECTOR).ok_or(Refusal::Absurd("the place of the descriptor"))?;
    let descriptor = source.bytes(offset, (sectors * SECTOR) as usize)?.0;
    let capacity = header.le64(12);
    check_descriptor(&descriptor, capacity)?;
    let virtual_bytes = capacity.checked_mul(SECTOR).ok_or(Refusal::TooLarge { virtual_bytes: u64::MAX })?;
    Ok((header, virtual_bytes))
}

fn check_tables(source: &Source<'_>, header: &Fields) -> Result<(), Refusal> {
    let grain = header.le64(20);
    sane(grain.is_power_of_two() && (8..=2048).contains(&grain), "the size of grains")?;
    sane(header.le32(44) == TABLE_ENTRIES, "the length of the second tables")?;
    let directory = header.le64(56);
    let inside = directory.checked_mul(SECTOR).is_some_and(|offset| offset < source.length);
    sane(directory == AT_END || inside, "the place of the first table")
}

fn check_descriptor(descriptor: &[u8], capacity: u64) -> Result<(), Refusal> {
    let length = descriptor.iter().position(|byte| *byte == 0).unwrap_or(descriptor.len());
    // What follows the text's end is padding; a second text there would be read by somebody.
    sane(descriptor[length..].iter().all(|byte| *byte == 0), "bytes after the descriptor's end")?;
    let text = std::str::from_utf8(&descriptor[..length]).map_err(|_| Refusal::Absurd("a descriptor that is no text"))?;
    let (mut kinds, mut extents) = (0, 0);
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        match line.split_once('=') {
            // An extent may have a name with an equals sign in it.
            Some((key, value)) if !is_extent(line) => kinds += check_entry(key.trim(), value.trim().trim_matches('"'))?,
            Some(_) | None => {
                check_extent(line, capacity)?;
                extents += 1;
            }
        }
    }
    sane(kinds == 1 && extents == 1, "a descriptor that does not describe one extent")
}

fn is_extent(line: &str) -> bool {
    line.split_whitespace().next().is_some_and(|word| ["RW", "RDONLY", "NOACCESS"].iter().any(|access| word.eq_ignore_ascii_case(access)))
}

/// Checks one setting, and returns how many kinds of disk it names: none or one.
fn check_entry(key: &str, value: &str) -> Result<u32, Refusal> {
    match key.to_ascii_lowercase().as_str() {
        "createtype" => match value {
            "monolithicSparse" | "streamOptimized" => Ok(1),
            _ => Err(Refusal::ExternalData),
        },
        "parentcid" if value.eq_ignore_ascii_case("ffffffff") => Ok(0),
        "parentcid" | "parentfilenamehint" => Err(Refusal::BackingFile),
        "encryption.keysafe" | "encryption.data" | "encryptionkeys" => Err(Refusal::Encrypted),
        _ => Ok(0),
    }
}

/// `RW 4192256 SPARSE "disk.vmdk"`, and nothing else.
fn check_extent(line: &str, capacity: u64) -> Result<(), Refusal> {
    let mut words = line.splitn(4, char::is_whitespace);
    let (access, sectors, kind, name) = (words.next(), words.next(), words.next(), words.next());
    if kind != Some("SPARSE") || !matches!(access, Some("RW" | "RDONLY")) {
        return Err(Refusal::ExternalData);
    }
    let name = name.unwrap_or_default().trim();
    let plain = name.strip_prefix('"').and_then(|name| name.strip_suffix('"'));
    if plain.is_none_or(|name| name.is_empty() || name.contains(['/', '\\', '"', ':'])) {
        return Err(Refusal::ExternalData);
    }
    sane(sectors.and_then(|text| text.parse().ok()) == Some(capacity), "an extent of another size than the disk")
}
