//! qcow2, versions 2 and 3 (QEMU, docs/interop/qcow2.txt). Big-endian.

use super::{Fields, Refusal, Source, sane};
use crate::manifest::MAX_IMAGE_BYTES;

/// Longest header with its extensions; QEMU writes some 600 bytes.
const MAX_HEADER_BYTES: u64 = 64 << 10;

/// The encryption of a whole disk by LUKS, among those that the header can name.
const LUKS: u32 = 2;

/// Feature bits that must be understood.
mod incompatible {
    pub(super) const DIRTY: u64 = 1 << 0;
    pub(super) const CORRUPT: u64 = 1 << 1;
    pub(super) const EXTERNAL_DATA: u64 = 1 << 2;
    pub(super) const COMPRESSION: u64 = 1 << 3;
    pub(super) const EXTENDED_L2: u64 = 1 << 4;
}

/// Header extensions.
mod extension {
    pub(super) const END: u32 = 0;
    pub(super) const BACKING_FORMAT: u32 = 0xe279_2aca;
    pub(super) const EXTERNAL_DATA: u32 = 0x4441_5441;
    pub(super) const ENCRYPTION: u32 = 0x0537_be77;
}

/// Where things lie in a qcow2 file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Layout {
    pub(crate) virtual_bytes: u64,
    /// A cluster has two to this many bytes, 9 to 21.
    pub(crate) cluster_bits: u32,
    pub(crate) l1_offset: u64,
    /// Entries of the first table that the disk's size needs.
    pub(crate) l1_entries: usize,
    pub(crate) compression: Compression,
    /// Where the LUKS header of an encrypted layer begins.
    pub(crate) luks: Option<u64>,
}

/// What a file is to its disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    /// All of it.
    Whole,
    /// A layer, whose place among the others and whether it is encrypted is told from outside.
    Layer {
        /// Whether it is.
        encrypted: bool,
    },
}

/// How compressed clusters are packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compression {
    Deflate,
    Zstd,
}

impl Layout {
    /// Reads the header, and refuses what refers to other files or makes no sense.
    pub(crate) fn read(source: &Source<'_>) -> Result<Layout, Refusal> {
        Layout::read_as(source, Role::Whole)
    }

    /// Reads the header of a layer as [`read`](Layout::read) does. A name of no letters below it, which QEMU leaves when it merges
    /// layers, and the format of what has that name, refer to nothing. One that is not encrypted, or is, against what is known, is refused.
    pub(crate) fn read_layer(source: &Source<'_>, encrypted: bool) -> Result<Layout, Refusal> {
        Layout::read_as(source, Role::Layer { encrypted })
    }

    fn read_as(source: &Source<'_>, role: Role) -> Result<Layout, Refusal> {
        let header = source.bytes(0, 72)?;
        let version = header.be32(4);
        if !(2..=3).contains(&version) {
            return Err(Refusal::Unsupported("a version of qcow2 other than 2 and 3"));
        }
        let names_nothing = role != Role::Whole && header.be32(16) == 0;
        if !names_nothing && (header.be64(8) != 0 || header.be32(16) != 0) {
            return Err(Refusal::BackingFile);
        }
        let encrypted = role == Role::Layer { encrypted: true };
        match (header.be32(32), encrypted) {
            (0, false) | (LUKS, true) => {}
            (0, true) => return Err(Refusal::Plain),
            _ => return Err(Refusal::Encrypted),
        }
        if header.be32(60) != 0 {
            return Err(Refusal::Unsupported("internal snapshots"));
        }
        let cluster_bits = header.be32(20);
        sane((9..=21).contains(&cluster_bits), "the size of clusters")?;
        let (header_bytes, compression) = if version == 2 { (72, Compression::Deflate) } else { read_features(source)? };
        let luks = check_extensions(source, header_bytes, 1 << cluster_bits, role)?;
        if luks.is_some() != encrypted {
            return Err(Refusal::Absurd("the place of its encryption's header"));
        }
        read_tables(source, &header, cluster_bits, Known { compression, luks })
    }
}

/// What the header says of how clusters are stored.
struct Known {
    compression: Compression,
    luks: Option<u64>,
}

fn read_tables(source: &Source<'_>, header: &Fields, cluster_bits: u32, known: Known) -> Result<Layout, Refusal> {
    let virtual_bytes = header.be64(24);
    if virtual_bytes > MAX_IMAGE_BYTES {
        return Err(Refusal::TooLarge { virtual_bytes });
    }
    // A second table is one cluster of 8-byte entries, so an entry of the first stands for so many bytes.
    let covered = 1u64 << (cluster_bits + cluster_bits - 3);
    let l1_entries = virtual_bytes.div_ceil(covered);
    let (claimed, l1_offset) = (u64::from(header.be32(36)), header.be64(40));
    // QEMU's own bound: 32 MiB.
    sane(claimed >= l1_entries && claimed <= 4 << 20, "the length of the first table")?;
    sane(l1_offset.is_multiple_of(1 << cluster_bits) && source.holds(l1_offset, claimed * 8), "the place of the first table")?;
    let (refcounts, clusters) = (header.be64(48), u64::from(header.be32(56)));
    let inside = clusters <= 8 << 20 && source.holds(refcounts, clusters << cluster_bits);
    sane(refcounts.is_multiple_of(1 << cluster_bits) && inside, "the place of the reference counts")?;
    let l1_entries = usize::try_from(l1_entries).expect("at most 4 Mi");
    let Known { compression, luks } = known;
    Ok(Layout { virtual_bytes, cluster_bits, l1_offset, l1_entries, compression, luks })
}

/// What version 3 adds: features, and the header's own length.
fn read_features(source: &Source<'_>) -> Result<(u64, Compression), Refusal> {
    let header = source.bytes(0, 112)?;
    let features = header.be64(72);
    if features & incompatible::EXTERNAL_DATA != 0 {
        return Err(Refusal::ExternalData);
    }
    if features & incompatible::CORRUPT != 0 {
        return Err(Refusal::Absurd("the image is marked as corrupt"));
    }
    if features & incompatible::EXTENDED_L2 != 0 {
        return Err(Refusal::Unsupported("extended table entries"));
    }
    // A dirty image only has reference counts that cannot be trusted, and reading needs none.
    if features & !(incompatible::DIRTY | incompatible::COMPRESSION) != 0 {
        return Err(Refusal::Unsupported("unknown features"));
    }
    sane(header.be32(96) <= 6, "the width of reference counts")?;
    let length = u64::from(header.be32(100));
    sane((104..=4096).contains(&length) && length.is_multiple_of(8), "the length of the header")?;
    // The byte exists only in a header that is long enough for it.
    let kind = if length > 104 { header.0[104] } else { 0 };
    match (kind, features & incompatible::COMPRESSION != 0) {
        (0, false) => Ok((length, Compression::Deflate)),
        (1, true) => Ok((length, Compression::Zstd)),
        _ => Err(Refusal::Unsupported("an unknown compression")),
    }
}

/// Refuses extensions that refer elsewhere; gives the place of an encrypted layer's LUKS header.
fn check_extensions(source: &Source<'_>, header_bytes: u64, cluster_bytes: u64, role: Role) -> Result<Option<u64>, Refusal> {
    let end = cluster_bytes.min(MAX_HEADER_BYTES).min(source.length);
    let (mut at, mut luks) = (header_bytes, None);
    while at + 8 <= end {
        let head = source.bytes(at, 8)?;
        match head.be32(0) {
            extension::END => return Ok(luks),
            extension::BACKING_FORMAT if role == Role::Whole => return Err(Refusal::BackingFile),
            extension::EXTERNAL_DATA => return Err(Refusal::ExternalData),
            extension::ENCRYPTION if role == Role::Layer { encrypted: true } => {
                let place = source.bytes(at + 8, 16)?;
                let held = head.be32(4) == 16 && source.holds(place.be64(0), place.be64(8));
                sane(held && place.be64(8) <= crate::luks::HEADER_BYTES, "the place of its encryption's header")?;
                luks = Some(place.be64(0));
                at += 8 + 16;
            }
            extension::ENCRYPTION => return Err(Refusal::Encrypted),
            _ => at += 8 + u64::from(head.be32(4)).next_multiple_of(8),
        }
    }
    // A header that fills its cluster needs no end mark.
    sane(at <= end, "the length of a header extension")?;
    Ok(luks)
}
