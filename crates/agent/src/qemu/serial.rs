//! The serial console of a machine: the newest [`RING_BYTES`] that its guest wrote, kept across restarts of agent and QEMU.
//!
//! ```text
//!   guest ─▶ QEMU's ring buffer (64 KiB, in QEMU) ──QMP ringbuf-read──▶ console.log ─▶ API
//! ```
//!
//! While nobody reads, QEMU's own ring keeps the newest bytes: the guest never blocks, nothing grows, and an agent that was
//! killed loses nothing, since the ring waits in QEMU for the next one. It is drained when somebody asks, at every event of the
//! guest's life (a guest that shuts down leaves QEMU paused, so its last words are read before QEMU ends), and now and then
//! between, so that a QEMU that crashes takes at most the last seconds with it. A log file written by QEMU would grow without
//! bound while the agent is away; a pipe or socket would drop the newest bytes, or block.
//! This module knows no machine.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

/// Bytes of output that are kept; EC2 documents 64 KiB for GetConsoleOutput.
pub const RING_BYTES: u64 = 64 << 10;

/// Size at which the file is cut back to its newest [`RING_BYTES`]: twice that, so that a byte is copied at most once on average.
const CUT_BYTES: u64 = 2 * RING_BYTES;

/// The kept output of one machine.
#[derive(Debug, Clone)]
pub struct Console {
    path: PathBuf,
}

impl Console {
    /// The console kept in this file, which need not exist.
    pub fn new(path: PathBuf) -> Console {
        Console { path }
    }

    /// Adds what the guest wrote.
    pub fn append(&self, bytes: &[u8]) -> io::Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        let mut file = OpenOptions::new().append(true).create(true).open(&self.path)?;
        file.write_all(bytes)?;
        if file.metadata()?.len() > CUT_BYTES { self.cut() } else { Ok(()) }
    }

    /// Reads the newest output, at most [`RING_BYTES`], and when it was last added to, in milliseconds since the epoch.
    pub fn newest(&self) -> io::Result<(Vec<u8>, i64)> {
        let mut file = match File::open(&self.path) {
            Ok(file) => file,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok((vec![], 0)),
            Err(e) => return Err(e),
        };
        let about = file.metadata()?;
        file.seek(SeekFrom::Start(about.len().saturating_sub(RING_BYTES)))?;
        let mut bytes = Vec::new();
        file.take(RING_BYTES).read_to_end(&mut bytes)?;
        let at = about.modified()?.duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as i64);
        Ok((bytes, at))
    }

    fn cut(&self) -> io::Result<()> {
        let (bytes, _) = self.newest()?;
        let shorter = self.path.with_extension("new");
        fs::write(&shorter, bytes)?;
        fs::rename(shorter, &self.path)
    }
}

/// Reads the newest bytes of a text file for a message, at most `limit`.
pub fn tail(path: &Path, limit: u64) -> String {
    let read = || -> io::Result<Vec<u8>> {
        let mut file = File::open(path)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(limit)))?;
        let mut bytes = Vec::new();
        file.take(limit).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    String::from_utf8_lossy(&read().unwrap_or_default()).trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_bytes_are_kept_and_the_file_stays_small() {
        let folder = tempfile::tempdir().unwrap();
        let console = Console::new(folder.path().join("console.log"));
        assert_eq!(console.newest().unwrap(), (vec![], 0));
        let mut all = Vec::new();
        for n in 0..300u32 {
            let line = format!("{n:0>1023}\n").into_bytes();
            console.append(&line).unwrap();
            all.extend(line);
        }
        let (bytes, at) = console.newest().unwrap();
        assert_eq!(bytes, all[all.len() - RING_BYTES as usize..]);
        assert!(at > 0 && fs::metadata(folder.path().join("console.log")).unwrap().len() <= CUT_BYTES);
    }
}
