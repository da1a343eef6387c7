//! Reading the disk out of a qcow2 file, without any program that would follow it elsewhere.
//!
//! The header has been checked by [`header`](crate::header); here each table entry is, before it is followed. Only what the disk
//! shows is read: no snapshots, no bitmaps, no reference counts.

use crate::header::qcow2::{Compression, Layout};
use crate::header::{Refusal, Source};
use crate::luks;
use crate::xts::{SECTOR, Xts};
use model::DataKey;
use std::fs::File;
use std::io::Read;

/// The place of a cluster's bytes in a table entry: bits 9 to 55.
const PLACE: u64 = 0x00ff_ffff_ffff_fe00;
/// The entry is of a compressed cluster.
const COMPRESSED: u64 = 1 << 62;
/// The cluster reads as zeroes, whatever its place says.
const ZERO: u64 = 1;

/// The disk in a qcow2 file.
pub(crate) struct Qcow2<'a> {
    source: Source<'a>,
    layout: Layout,
    /// Decrypts the clusters of an encrypted layer.
    cipher: Option<Xts>,
    l1: Vec<u64>,
    /// The second table that was used last, and which it is.
    l2: (usize, Vec<u64>),
}

/// Where a cluster's bytes are.
#[derive(Clone, Copy)]
enum Cluster {
    Absent,
    Zeroes,
    At(u64),
    Packed { offset: u64, length: usize },
}

impl<'a> Qcow2<'a> {
    /// Opens the file; refuses what [`inspect`](crate::header::inspect) refuses.
    pub(crate) fn open(file: &'a File) -> Result<Qcow2<'a>, Refusal> {
        crate::header::inspect(file, crate::header::Format::Qcow2)?;
        let source = Source::new(file)?;
        let layout = Layout::read(&source)?;
        Qcow2::with_layout(source, layout, None)
    }

    /// Opens a layer of a disk of our own, encrypted where there is a key: it names no other file, but QEMU has written into its header
    /// what format the layer below has.
    pub(crate) fn open_layer(file: &'a File, key: Option<&DataKey>) -> Result<Qcow2<'a>, Refusal> {
        let source = Source::new(file)?;
        let layout = Layout::read_layer(&source, key.is_some())?;
        let open = |(key, place): (&DataKey, u64)| {
            luks::open(key, |at, length| source.bytes(place.saturating_add(at), length).map(|fields| fields.0))
        };
        let cipher = key.zip(layout.luks).map(open).transpose()?;
        Qcow2::with_layout(source, layout, cipher)
    }

    fn with_layout(source: Source<'a>, layout: Layout, cipher: Option<Xts>) -> Result<Qcow2<'a>, Refusal> {
        let l1 = table(&source, layout.l1_offset, layout.l1_entries)?;
        Ok(Qcow2 { source, layout, cipher, l1, l2: (usize::MAX, Vec::new()) })
    }

    pub(crate) fn virtual_bytes(&self) -> u64 {
        self.layout.virtual_bytes
    }

    /// Returns the disk's bytes from `offset`, or `None` if they are all zeroes by the tables. `offset` and `length` lie inside the
    /// disk.
    pub(crate) fn read(&mut self, offset: u64, length: usize) -> Result<Option<Vec<u8>>, Refusal> {
        let cluster_bytes = 1u64 << self.layout.cluster_bits;
        let (mut at, end) = (offset, offset + length as u64);
        let mut bytes = None;
        while at < end {
            let inside = at % cluster_bytes;
            let part = (cluster_bytes - inside).min(end - at) as usize;
            let place = self.place(at / cluster_bytes)?;
            if !matches!(place, Cluster::Zeroes | Cluster::Absent) {
                let target = &mut bytes.get_or_insert_with(|| vec![0; length])[(at - offset) as usize..][..part];
                self.fill(place, inside, target)?;
            }
            at += part as u64;
        }
        Ok(bytes)
    }

    /// Says whether the file has anything for a stretch of the disk, zeroes included. Beyond its end it has nothing.
    pub(crate) fn has_any(&mut self, offset: u64, length: usize) -> Result<bool, Refusal> {
        let end = (offset + length as u64).min(self.layout.virtual_bytes);
        let bits = self.layout.cluster_bits;
        let mut cluster = offset >> bits;
        while cluster << bits < end {
            if self.l1[self.table_of(cluster)] & PLACE == 0 {
                cluster = (self.table_of(cluster) as u64 + 1) << (bits - 3);
                continue;
            }
            if !matches!(self.place(cluster)?, Cluster::Absent) {
                return Ok(true);
            }
            cluster += 1;
        }
        Ok(false)
    }

    /// Puts what the file has for a stretch of the disk over `bytes`, and leaves the rest of them.
    pub(crate) fn lay_over(&mut self, offset: u64, bytes: &mut [u8]) -> Result<(), Refusal> {
        let cluster_bytes = 1u64 << self.layout.cluster_bits;
        let (mut at, end) = (offset, (offset + bytes.len() as u64).min(self.layout.virtual_bytes));
        while at < end {
            let inside = at % cluster_bytes;
            let part = (cluster_bytes - inside).min(end - at) as usize;
            let place = self.place(at / cluster_bytes)?;
            if !matches!(place, Cluster::Absent) {
                self.fill(place, inside, &mut bytes[(at - offset) as usize..][..part])?;
            }
            at += part as u64;
        }
        Ok(())
    }

    fn table_of(&self, cluster: u64) -> usize {
        (cluster >> (self.layout.cluster_bits - 3)) as usize
    }

    fn place(&mut self, cluster: u64) -> Result<Cluster, Refusal> {
        let bits = self.layout.cluster_bits;
        let entries = 1u64 << (bits - 3);
        let first = (cluster / entries) as usize;
        let second = self.l1[first] & PLACE;
        if second == 0 {
            return Ok(Cluster::Absent);
        }
        if self.l2.0 != first {
            self.l2 = (first, table(&self.source, second, entries as usize)?);
        }
        let entry = self.l2.1[(cluster % entries) as usize];
        if entry & COMPRESSED != 0 {
            // The lower part is a place of bytes, the upper counts the sectors after the first that it touches.
            let width = 62 - (bits - 8);
            let offset = entry & ((1 << width) - 1);
            let sectors = (entry & (COMPRESSED - 1)) >> width;
            let length = (sectors + 1) * 512 - offset % 512;
            return Ok(Cluster::Packed { offset, length: length as usize });
        }
        match entry & PLACE {
            _ if entry & ZERO != 0 => Ok(Cluster::Zeroes),
            0 => Ok(Cluster::Absent),
            place if place % (1 << bits) == 0 => Ok(Cluster::At(place)),
            _ => Err(Refusal::Absurd("the place of a cluster")),
        }
    }

    fn fill(&self, place: Cluster, inside: u64, target: &mut [u8]) -> Result<(), Refusal> {
        match place {
            Cluster::Zeroes | Cluster::Absent => target.fill(0),
            Cluster::At(offset) => match &self.cipher {
                None => target.copy_from_slice(&self.source.bytes(offset + inside, target.len())?.0),
                Some(cipher) => self.decrypt(cipher, offset + inside, target)?,
            },
            // QEMU encrypts no compressed cluster.
            Cluster::Packed { .. } if self.cipher.is_some() => return Err(Refusal::Absurd("a compressed cluster in an encrypted layer")),
            Cluster::Packed { offset, length } => {
                // The last sector may reach beyond the file's end.
                let available = self.source.length.saturating_sub(offset).min(length as u64) as usize;
                let packed = self.source.bytes(offset, available)?.0;
                let plain = unpack(self.layout.compression, &packed, inside as usize + target.len())?;
                target.copy_from_slice(&plain[inside as usize..]);
            }
        }
        Ok(())
    }
}

impl Qcow2<'_> {
    /// Reads bytes of an encrypted cluster; each sector's tweak is its place in the file (QEMU, block/qcow2-cluster.c).
    fn decrypt(&self, cipher: &Xts, offset: u64, target: &mut [u8]) -> Result<(), Refusal> {
        let sector = SECTOR as u64;
        let (first, skipped) = (offset / sector, (offset % sector) as usize);
        let mut sectors = self.source.bytes(first * sector, (skipped + target.len()).next_multiple_of(SECTOR))?.0;
        cipher.decrypt(first, &mut sectors);
        target.copy_from_slice(&sectors[skipped..][..target.len()]);
        Ok(())
    }
}

/// Unpacks the first bytes of a cluster; what follows them in the sectors is not the cluster's.
fn unpack(compression: Compression, packed: &[u8], length: usize) -> Result<Vec<u8>, Refusal> {
    let mut plain = vec![0; length];
    let unpacked = match compression {
        Compression::Deflate => flate2::read::DeflateDecoder::new(packed).read_exact(&mut plain),
        Compression::Zstd => zstd::Decoder::with_buffer(packed).and_then(|decoder| decoder.single_frame().read_exact(&mut plain)),
    };
    unpacked.map(|()| plain).map_err(|_| Refusal::Absurd("a compressed cluster"))
}

fn table(source: &Source<'_>, offset: u64, entries: usize) -> Result<Vec<u64>, Refusal> {
    let bytes = source.bytes(offset, entries * 8)?;
    Ok((0..entries).map(|entry| bytes.be64(entry * 8)).collect())
}
