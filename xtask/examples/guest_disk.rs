//! What the guest of `bench disk` does with its disks: the only program of a guest without a system, which writes its figures on the
//! console, `name=value` a line.
//!
//! ```text
//!   the large disk and the small one are there ─▶ both filled, accesses a second on the large one      phase=windows
//!   every millisecond a write, to one and the other in turn ─▶ each second the longest of each, until a third disk comes
//!   third disk: reads of blocks that nobody has read ─▶ fourth disk: accesses a second on the large one again
//!   fifth disk: some MiB of the small one written in a row                                             phase=dirty
//! ```
//!
//! It is linked statically and started by the script that stands in for the image's `/init`. Accesses go past the guest's own cache.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// `O_DIRECT` of x86-64 (open(2)).
const O_DIRECT: i32 = 0o40000;
const PAGE: usize = 4096;
const MIB: u64 = 1 << 20;
/// What is filled of each disk, and read and written at random.
const FILLED: u64 = 128 * MIB;
/// What is written in a row in the end, behind what was filled.
const DIRTIED: u64 = 64 * MIB;
/// A disk of so many bytes is the large one.
const LARGE: u64 = 1 << 40;
/// Accesses are counted in as many windows, of which the middle one is told: a host's own writing back is felt in some.
const MEASURED: usize = 9;
const WINDOW: Duration = Duration::from_secs(1);
const PACE: Duration = Duration::from_millis(1);
/// Blocks that are read cold, one in each of as many chunks.
const COLD: u64 = 100;

fn main() -> io::Result<()> {
    let first = loop {
        let disks = disks()?;
        if disks.iter().filter(|disk| size(disk).is_ok_and(|size| size >= 1 << 30)).count() >= 2 {
            break disks;
        }
        std::thread::sleep(PACE);
    };
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    let with = |fits: fn(u64) -> bool| {
        let found = first.iter().rev().find(|disk| size(disk).is_ok_and(fits));
        open(found.ok_or_else(|| io::Error::other("a disk is missing"))?)
    };
    let large = with(|size| size >= LARGE)?;
    let small = with(|size| size == 1 << 30)?;
    for disk in [&large, &small] {
        write_in_a_row(disk, 0, FILLED, &mut numbers)?;
    }
    measure(&large, "before", &mut numbers)?;
    println!("phase=windows");
    let mut known = windows(&large, &small, first, &mut numbers)?;
    cold(&open(&next(&mut known)?)?)?;
    next(&mut known)?;
    measure(&large, "after", &mut numbers)?;
    next(&mut known)?;
    write_in_a_row(&small, FILLED, DIRTIED, &mut numbers)?;
    println!("dirtied={DIRTIED}\nphase=dirty");
    loop {
        std::thread::sleep(WINDOW);
    }
}

/// Bytes that repeat nowhere and do not compress (xorshift64).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn fill(&mut self, bytes: &mut [u8]) {
        for word in bytes.chunks_exact_mut(8) {
            word.copy_from_slice(&self.next().to_le_bytes());
        }
    }

    /// The start of a page within what was filled.
    fn page(&mut self) -> u64 {
        self.next() % (FILLED / PAGE as u64) * PAGE as u64
    }
}

/// Memory that begins at a page, as accesses past the cache need it.
struct Aligned(Vec<u8>, usize);

impl Aligned {
    fn new(len: usize) -> Aligned {
        let bytes = vec![0; len + PAGE];
        let start = bytes.as_ptr().align_offset(PAGE);
        Aligned(bytes, start)
    }

    fn bytes(&mut self) -> &mut [u8] {
        let (start, len) = (self.1, self.0.len() - PAGE);
        &mut self.0[start..start + len]
    }
}

fn disks() -> io::Result<BTreeSet<String>> {
    let names = std::fs::read_dir("/sys/block")?.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
    Ok(names.filter(|name| name.starts_with("vd")).collect())
}

fn size(disk: &str) -> io::Result<u64> {
    let sectors = std::fs::read_to_string(format!("/sys/block/{disk}/size"))?;
    Ok(sectors.trim().parse::<u64>().map_err(io::Error::other)? * 512)
}

fn open(disk: &str) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).custom_flags(O_DIRECT).open(PathBuf::from("/dev").join(disk))
}

/// Waits for a disk that was not there.
fn next(known: &mut BTreeSet<String>) -> io::Result<String> {
    loop {
        let fresh = disks()?.difference(known).next().cloned();
        if let Some(fresh) = fresh.filter(|disk| PathBuf::from("/dev").join(disk).exists()) {
            known.insert(fresh.clone());
            return Ok(fresh);
        }
        std::thread::sleep(10 * PACE);
    }
}

fn write_in_a_row(disk: &File, from: u64, length: u64, numbers: &mut Numbers) -> io::Result<()> {
    let mut piece = Aligned::new(MIB as usize);
    for at in (from..from + length).step_by(MIB as usize) {
        numbers.fill(piece.bytes());
        disk.write_all_at(piece.bytes(), at)?;
    }
    disk.sync_all()
}

/// Prints how many pages are read and written at random in the middle one of some seconds, one after the other.
fn measure(disk: &File, when: &str, numbers: &mut Numbers) -> io::Result<()> {
    let mut page = Aligned::new(PAGE);
    numbers.fill(page.bytes());
    for (what, writes) in [("read", false), ("written", true)] {
        let mut counts = Vec::with_capacity(MEASURED);
        while counts.len() < MEASURED {
            let (began, mut count) = (Instant::now(), 0);
            while began.elapsed() < WINDOW {
                let at = numbers.page();
                if writes {
                    disk.write_all_at(page.bytes(), at)?
                } else {
                    disk.read_exact_at(page.bytes(), at)?
                }
                count += 1;
            }
            counts.push(f64::from(count) / began.elapsed().as_secs_f64());
        }
        counts.sort_by(f64::total_cmp);
        println!("{what}_{when}={:.1}", counts[MEASURED / 2]);
    }
    Ok(())
}

/// Writes on, and prints each second how many microseconds the longest write took, until there is a further disk.
fn windows(large: &File, small: &File, known: BTreeSet<String>, numbers: &mut Numbers) -> io::Result<BTreeSet<String>> {
    let mut page = Aligned::new(PAGE);
    while disks()?.is_subset(&known) {
        let (began, mut longest) = (Instant::now(), [Duration::ZERO; 2]);
        while began.elapsed() < WINDOW {
            for (disk, longest) in [large, small].into_iter().zip(&mut longest) {
                let at = numbers.page();
                numbers.fill(&mut page.bytes()[..64]);
                let start = Instant::now();
                disk.write_all_at(page.bytes(), at)?;
                *longest = start.elapsed().max(*longest);
                std::thread::sleep(PACE);
            }
        }
        println!("window={} {}", longest[0].as_micros(), longest[1].as_micros());
    }
    Ok(known)
}

/// Prints how many microseconds reads of blocks take that nobody has read.
fn cold(disk: &File) -> io::Result<()> {
    let mut page = Aligned::new(PAGE);
    let mut times = Vec::new();
    for n in 0..COLD {
        // Far from the one before, so that no reading ahead has fetched it.
        let start = Instant::now();
        disk.read_exact_at(page.bytes(), n * 37 % COLD * MIB)?;
        times.push(start.elapsed().as_micros());
    }
    times.sort_unstable();
    println!("cold_p50_us={}\ncold_p99_us={}", times[times.len() / 2], times[times.len() * 99 / 100]);
    Ok(())
}
