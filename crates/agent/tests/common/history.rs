//! What a disk of the random guest must hold, byte for byte: a model that writes what the guest wrote.
//!
//! ```text
//!   sector 0       the guest       sector 1   its log       up to 2047   zeroes
//!   from 2048 on   writes of 1 to 64 sectors, each sector with its number, the number of the start, and that of the write
//! ```
//!
//! The guest's firmware knows no flush, so QEMU flushes each write before it answers: whatever the guest said a dot for must be there.
//! Of the write that a killed QEMU was at, each sector is what it was before or what it was to be. Knows neither agent nor QEMU.

use std::collections::{BTreeMap, BTreeSet};

use super::RANDOM;

pub const SECTOR: usize = 512;
/// The first sector of writes.
pub const FIRST: usize = 2048;
/// Sectors that the guest keeps free at the end, for the longest write.
pub const LONGEST: usize = 64;

/// A start of the guest.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Start {
    range: u32,
    nonce: u32,
    /// Writes of it that must be there.
    writes: u32,
}

/// What is known of the writes of a disk.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct History {
    starts: Vec<Start>,
    /// How many of them are over, so that nothing more is heard of them.
    over: usize,
}

/// What the guest said last on its console, of which the newest part is enough: the number of its start, and how many writes of that
/// are done.
pub fn said(console: &[u8]) -> Option<(u32, u32)> {
    const UP: &[u8] = b"guest up\r\n";
    let at = console.windows(UP.len()).rposition(|part| part == UP)?;
    let (told, dots) = console[at + UP.len()..].split_at_checked(8)?;
    assert!(dots.iter().all(|byte| *byte == b'.'), "the guest says {:?}", String::from_utf8_lossy(dots));
    let number = |bytes: &[u8]| u32::from_le_bytes(bytes.try_into().expect("four bytes"));
    Some((number(&told[..4]), number(&told[4..]) + dots.len() as u32))
}

/// How the last write of the newest start is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disk {
    /// Whole: the guest was held between two writes.
    Held,
    /// As a QEMU left it that was killed at whatever it did.
    Killed,
}

impl History {
    /// The history of a disk that begins with what another one held.
    pub fn begun_with(&self) -> History {
        History { starts: self.starts.clone(), over: self.starts.len() }
    }

    /// Notes what the guest said on its console: that so many writes of its newest start are done. Of starts that no disk showed yet,
    /// nothing is noted.
    pub fn hear(&mut self, console: &[u8]) {
        let Some((nonce, writes)) = said(console) else { return };
        if let Some(start) = self.starts.iter_mut().skip(self.over).find(|start| start.nonce == nonce) {
            start.writes = start.writes.max(writes);
        }
    }

    /// Whether the guest has gone on since: a later start, or a later write of the same.
    pub fn is_after(&self, other: &History) -> bool {
        let newest = |history: &History| (history.starts.len(), history.starts.last().map_or(0, |start| start.writes));
        newest(self) > newest(other)
    }

    /// Panics unless a disk holds exactly what the guest wrote, at some instant not before what is known; gives what is known then.
    pub fn check(&self, disk: &[u8], how: Disk) -> History {
        self.compare(disk, how).unwrap_or_else(|why| panic!("{why}; what was known: {self:?}"))
    }

    /// The same; else in what the disk differs.
    pub fn compare(&self, disk: &[u8], how: Disk) -> Result<History, String> {
        let mut found = self.read_log(disk)?;
        let sectors = read_sectors(disk, &found)?;
        let starts = found.starts.len();
        let mut model: BTreeMap<usize, (u32, u32)> = BTreeMap::new();
        // What may be there instead, where a write was cut off.
        let mut instead: BTreeMap<usize, Option<(u32, u32)>> = BTreeMap::new();
        for (at, start) in found.starts.iter_mut().enumerate() {
            let newest = sectors.values().filter(|(nonce, _)| *nonce == start.nonce).map(|(_, write)| *write).max().unwrap_or(0);
            let last = newest.max(start.writes);
            let may_be_cut = last > start.writes && (at + 1 < starts || how == Disk::Killed);
            let mut generator = start.nonce;
            for write in 1..=last {
                let (first, count) = next(&mut generator, start.range);
                let is_whole =
                    write < last || !may_be_cut || (first..first + count).all(|s| sectors.get(&s) == Some(&(start.nonce, write)));
                for sector in first..first + count {
                    let before = model.insert(sector, (start.nonce, write));
                    if is_whole {
                        instead.remove(&sector);
                    } else {
                        instead.entry(sector).or_insert(before);
                    }
                }
                if is_whole {
                    start.writes = write;
                }
            }
        }
        for sector in FIRST..disk.len() / SECTOR {
            let (is, must) = (sectors.get(&sector), model.get(&sector));
            let may = instead.get(&sector).is_some_and(|before| before.as_ref() == is);
            ensure(is == must || may, || format!("sector {sector} holds {is:?} and not {must:?} (start, write) of {found:?}"))?;
        }
        Ok(found)
    }

    /// The starts in the log of a disk, with the writes that are known of them.
    fn read_log(&self, disk: &[u8]) -> Result<History, String> {
        ensure(disk[..SECTOR] == RANDOM[..], || "the guest itself is not there".to_owned())?;
        let word = |at: usize| u32::from_le_bytes(disk[SECTOR + at * 4..SECTOR + at * 4 + 4].try_into().unwrap());
        let count = word(0) as usize;
        ensure(count < SECTOR / 8, || "the log is full".to_owned())?;
        ensure(count >= self.starts.len(), || format!("{count} starts, and there were {}", self.starts.len()))?;
        let mut starts = Vec::with_capacity(count);
        for at in 1..=count {
            let (range, nonce) = (word(2 * at), word(2 * at + 1));
            ensure(range as usize + FIRST + LONGEST <= disk.len() / SECTOR, || format!("start {at} saw {range} sectors"))?;
            let known = self.starts.get(at - 1);
            ensure(known.is_none_or(|known| (known.range, known.nonce) == (range, nonce)), || format!("start {at} is another: {known:?}"))?;
            starts.push(Start { range, nonce, writes: known.map_or(0, |known| known.writes) });
        }
        let nonces: BTreeSet<u32> = starts.iter().map(|start| start.nonce).collect();
        ensure(nonces.len() == starts.len(), || "two starts have one number".into())?;
        let over = self.over;
        let rest = &disk[SECTOR + 8 * (count + 1)..FIRST * SECTOR];
        ensure(rest.iter().all(|byte| *byte == 0), || "there is something where nobody wrote".to_owned())?;
        Ok(History { starts, over })
    }
}

/// The start and the write of each sector that is not zeroes.
fn read_sectors(disk: &[u8], log: &History) -> Result<BTreeMap<usize, (u32, u32)>, String> {
    let mut out = BTreeMap::new();
    for (at, bytes) in disk.chunks_exact(SECTOR).enumerate().skip(FIRST).filter(|(_, bytes)| bytes.iter().any(|byte| *byte != 0)) {
        let words: Vec<u32> = bytes.chunks_exact(4).map(|word| u32::from_le_bytes(word.try_into().unwrap())).collect();
        let (nonce, write) = (words[1], words[2]);
        let is_whole = words[0] as usize == at && words[2..].iter().all(|word| *word == write);
        ensure(is_whole, || format!("sector {at} is not one that the guest wrote: {:x?}", &words[..4]))?;
        ensure(log.starts.iter().any(|start| start.nonce == nonce), || format!("sector {at} is of a start that is not in the log"))?;
        out.insert(at, (nonce, write));
    }
    Ok(out)
}

fn ensure(holds: bool, why: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(why()) }
}

/// The next write of the guest: its first sector, and how many. See guests/random.s.
pub fn next(generator: &mut u32, range: u32) -> (usize, usize) {
    *generator ^= *generator << 13;
    *generator ^= *generator >> 17;
    *generator ^= *generator << 5;
    (FIRST + (*generator % range) as usize, (*generator >> 26) as usize + 1)
}
