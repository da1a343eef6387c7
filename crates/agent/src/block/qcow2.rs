//! The little of the qcow2 format that the pool needs: writing an empty volume and growing it, without a process.
//!
//! ```text
//!   cluster 0   header        cluster 1   refcount table
//!   cluster 2   refcounts     cluster 3.. first-level table, all holes     cluster 19.. LUKS header, of an encrypted one
//! ```
//!
//! Every volume has the same shape: version 3, clusters of 64 KiB, no backing file, no external data, no compression. A volume
//! whose header says anything else was not made here, or was tampered with by a guest that broke out of its QEMU, and is refused.
//! The first-level table is made for [`REACH_BYTES`] at once (a hole in the file), so that growing is one number in the header.
//! This module reads no guest data.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// Bytes of a cluster.
const CLUSTER: u64 = 1 << CLUSTER_BITS;
const CLUSTER_BITS: u32 = 16;

/// Bytes of guest data behind one entry of the first-level table: a second-level table is one cluster of 8-byte entries.
const PER_ENTRY: u64 = CLUSTER / 8 * CLUSTER;

/// Largest size that a volume can have or grow to: 64 TiB, the most that any of the three clouds offers.
pub const REACH_BYTES: u64 = 64 << 40;

/// Clusters of the first-level table: 131,072 entries of 8 bytes are 16 clusters.
const TABLE_CLUSTERS: u64 = REACH_BYTES / PER_ENTRY * 8 / CLUSTER;

/// Clusters of the LUKS header of an encrypted volume: 2,068,480 bytes.
const LUKS_CLUSTERS: u64 = repository::luks::HEADER_BYTES.div_ceil(CLUSTER);
/// What the header says of how clusters are encrypted: not, or by LUKS.
const PLAIN: u32 = 0;
const LUKS: u32 = 2;
/// The extension that says where the LUKS header is ("full disk encryption header pointer", docs/interop/qcow2.txt).
const LUKS_POINTER: u32 = 0x0537_be77;

const MAGIC: u32 = 0x5146_49fb;
const HEADER_BYTES: usize = 104;
const SIZE_AT: u64 = 24;

/// Features that must be understood: 0 dirty refcounts, 1 corrupt. Higher bits (external data, compression, subclusters) are not ours.
const CORRUPT: u64 = 1 << 1;
const KNOWN_FEATURES: u64 = 0b11;

/// Why a file is not a volume of this pool.
#[derive(Debug, thiserror::Error)]
pub enum HeaderError {
    /// It could not be read or written.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// Its header is not one that this pool writes.
    #[error("the header is not one of this pool: {0}")]
    Foreign(&'static str),
    /// QEMU marked it as corrupt.
    #[error("the volume is marked corrupt")]
    Corrupt,
    /// The wanted size is beyond [`REACH_BYTES`] or not a multiple of 512.
    #[error("a volume cannot have {0} bytes")]
    Size(u64),
}

/// Writes an empty volume of this size into an empty file; an encrypted one with its LUKS header.
pub fn write_empty(file: &File, size_bytes: u64, luks: Option<&[u8]>) -> Result<(), HeaderError> {
    check_size(size_bytes)?;
    let luks_at = 3 + TABLE_CLUSTERS;
    let used = luks_at + if luks.is_some() { LUKS_CLUSTERS } else { 0 };
    file.set_len(used * CLUSTER)?;
    file.write_all_at(&header(size_bytes, luks.map(|_| luks_at * CLUSTER)), 0)?;
    if let Some(luks) = luks {
        file.write_all_at(luks, luks_at * CLUSTER)?;
    }
    file.write_all_at(&(2 * CLUSTER).to_be_bytes(), CLUSTER)?;
    let counts: Vec<u8> = (0..used).flat_map(|_| 1u16.to_be_bytes()).collect();
    file.write_all_at(&counts, 2 * CLUSTER)?;
    Ok(())
}

/// Reads the size in bytes that a guest sees, and makes sure that the file has the shape of this pool.
pub fn read_size(file: &File) -> Result<u64, HeaderError> {
    let mut bytes = [0; HEADER_BYTES];
    file.read_exact_at(&mut bytes, 0).map_err(|e| match e.kind() {
        io::ErrorKind::UnexpectedEof => HeaderError::Foreign("it is too short"),
        _ => HeaderError::Io(e),
    })?;
    let word = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().expect("four bytes"));
    let long = |at: usize| u64::from_be_bytes(bytes[at..at + 8].try_into().expect("eight bytes"));
    let rules = [
        (word(0) == MAGIC && word(4) == 3, "it is not qcow2 version 3"),
        (word(16) == 0, "it names a backing file"),
        (word(20) == CLUSTER_BITS, "its clusters have another size"),
        (word(32) == PLAIN || word(32) == LUKS, "it is encrypted in another way"),
        (u64::from(word(36)) >= REACH_BYTES / PER_ENTRY, "its first-level table is short"),
        (long(72) & !KNOWN_FEATURES == 0, "it needs features that this pool does not use"),
    ];
    if let Some((_, why)) = rules.into_iter().find(|(holds, _)| !holds) {
        return Err(HeaderError::Foreign(why));
    }
    if long(72) & CORRUPT != 0 {
        return Err(HeaderError::Corrupt);
    }
    Ok(long(SIZE_AT as usize))
}

/// Grows a volume that nobody has open; a smaller or equal size changes nothing.
pub fn grow(file: &File, size_bytes: u64) -> Result<(), HeaderError> {
    check_size(size_bytes)?;
    if read_size(file)? < size_bytes {
        file.write_all_at(&size_bytes.to_be_bytes(), SIZE_AT)?;
        file.sync_data()?;
    }
    Ok(())
}

/// Whether a volume holds nothing, zeroes included: its first-level table has no entry.
pub fn is_empty(file: &File) -> Result<bool, HeaderError> {
    read_size(file)?;
    let mut at = [0; 8];
    file.read_exact_at(&mut at, 40)?;
    let mut table = vec![0; (TABLE_CLUSTERS * CLUSTER) as usize];
    file.read_exact_at(&mut table, u64::from_be_bytes(at))?;
    Ok(table.iter().all(|byte| *byte == 0))
}

fn check_size(size_bytes: u64) -> Result<(), HeaderError> {
    if size_bytes == 0 || size_bytes > REACH_BYTES || !size_bytes.is_multiple_of(512) { Err(HeaderError::Size(size_bytes)) } else { Ok(()) }
}

fn header(size_bytes: u64, luks_at: Option<u64>) -> [u8; HEADER_BYTES + 32] {
    let mut out = [0; HEADER_BYTES + 32]; // eight zero bytes end the list of extensions
    let mut put = |at: usize, bytes: &[u8]| out[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, &MAGIC.to_be_bytes());
    put(4, &3u32.to_be_bytes());
    put(20, &CLUSTER_BITS.to_be_bytes());
    put(SIZE_AT as usize, &size_bytes.to_be_bytes());
    put(36, &((REACH_BYTES / PER_ENTRY) as u32).to_be_bytes());
    put(40, &(3 * CLUSTER).to_be_bytes()); // first-level table
    put(48, &CLUSTER.to_be_bytes()); // refcount table
    put(56, &1u32.to_be_bytes()); // its clusters
    put(96, &4u32.to_be_bytes()); // refcounts of 2^4 bits
    put(100, &(HEADER_BYTES as u32).to_be_bytes());
    if let Some(place) = luks_at {
        put(32, &LUKS.to_be_bytes());
        put(HEADER_BYTES, &LUKS_POINTER.to_be_bytes());
        put(HEADER_BYTES + 4, &16u32.to_be_bytes());
        put(HEADER_BYTES + 8, &place.to_be_bytes());
        put(HEADER_BYTES + 16, &repository::luks::HEADER_BYTES.to_be_bytes());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn empty(size: u64) -> File {
        let file = tempfile::tempfile().unwrap();
        write_empty(&file, size, None).unwrap();
        file
    }

    #[test]
    fn a_volume_reads_back_and_grows_only() {
        let file = empty(10 << 20);
        assert_eq!(read_size(&file).unwrap(), 10 << 20);
        grow(&file, 5 << 20).unwrap();
        assert_eq!(read_size(&file).unwrap(), 10 << 20);
        grow(&file, REACH_BYTES).unwrap();
        assert_eq!(read_size(&file).unwrap(), REACH_BYTES);
        assert!(matches!(grow(&file, REACH_BYTES + 512), Err(HeaderError::Size(_))));
        assert!(matches!(grow(&file, (20 << 20) + 1), Err(HeaderError::Size(_))));
    }

    #[test]
    fn an_empty_volume_takes_little_room() {
        use std::os::unix::fs::MetadataExt;
        let file = empty(1 << 40);
        assert!(file.metadata().unwrap().blocks() * 512 <= 256 << 10);
    }

    #[test]
    fn headers_that_point_elsewhere_are_refused() {
        for (at, value) in [(0, 1), (7, 2), (19, 8), (23, 12), (35, 1), (79, 4), (79, 8), (79, 16)] {
            let file = empty(1 << 20);
            file.write_all_at(&[value], at).unwrap();
            assert!(matches!(read_size(&file), Err(HeaderError::Foreign(_))), "byte {at}");
        }
        let file = empty(1 << 20);
        file.write_all_at(&[2], 79).unwrap();
        assert!(matches!(read_size(&file), Err(HeaderError::Corrupt)));
        assert!(matches!(read_size(&tempfile::tempfile().unwrap()), Err(HeaderError::Foreign(_))));
    }
}
