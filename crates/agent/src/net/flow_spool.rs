//! What was read of flows, in files, until the control plane has it: a host may be away from it for a while, and the agent may end.
//!
//! A file is one part, whose number is its name. Where there is no more room the oldest parts lose their flows, and say so.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use hostspec::FlowReport;
use model::{FlowBatch, InterfaceId};

use super::line::flow::span_of;
use crate::files;

/// Bytes of all files: at some 170 for a flow, 390,000 flows.
const BYTES_MAX: u64 = 64 << 20;
/// Files at most; older ones are removed. Those without flows are small.
const FILES_MAX: usize = 4_096;
/// Flows of one part: some 3.5 MB, of the 16 MiB that a host may say at once.
const FLOWS_OF_PART: usize = 20_000;

/// The files.
pub struct Spool {
    folder: PathBuf,
    is_over: bool,
}

impl Spool {
    /// The files in the folder of an agent's state.
    pub fn new(state: &Path) -> Spool {
        Spool { folder: state.join("flows"), is_over: false }
    }

    /// Interfaces and spans of the newest part: the agent may have ended before the kernel forgot them.
    pub fn places(&self) -> BTreeSet<(InterfaceId, u32)> {
        let newest = self.numbers().ok().and_then(|numbers| self.read(*numbers.last()?).ok().flatten());
        newest.into_iter().flat_map(|report| report.batches).map(|batch| (batch.interface, span_of(batch.from.0))).collect()
    }

    /// Keeps batches.
    pub fn keep(&mut self, now_ms: i64, batches: Vec<FlowBatch>) -> io::Result<()> {
        if self.is_over || batches.is_empty() {
            return Ok(());
        }
        fs::create_dir_all(&self.folder)?;
        let first = self.numbers()?.last().map_or(0, |last| last + 1).max(u64::try_from(now_ms).unwrap_or_default());
        for (number, batches) in (first..).zip(parts(batches)) {
            files::store_durably(&self.path(number), &FlowReport { number, batches })?;
        }
        self.make_room()
    }

    /// The oldest part.
    pub fn oldest(&self) -> io::Result<Option<FlowReport>> {
        for number in self.numbers()? {
            match self.read(number) {
                Ok(Some(report)) => return Ok(Some(report)),
                Ok(None) => {}
                Err(error) => {
                    tracing::error!(%error, number, "a file of flows cannot be read, and is removed");
                    files::remove(&self.path(number))?;
                }
            }
        }
        Ok(None)
    }

    /// Removes a part.
    pub fn forget(&mut self, number: u64) -> io::Result<()> {
        files::remove(&self.path(number))
    }

    /// Removes everything, and keeps nothing more.
    pub fn end(&mut self) -> io::Result<()> {
        self.is_over = true;
        files::remove_folder(&self.folder)
    }

    fn make_room(&self) -> io::Result<()> {
        let numbers = self.numbers()?;
        for number in &numbers[..numbers.len().saturating_sub(FILES_MAX)] {
            files::remove(&self.path(*number))?;
        }
        let size = |number: &u64| fs::metadata(self.path(*number)).map_or(0, |about| about.len());
        let mut bytes: u64 = numbers.iter().map(size).sum();
        for number in numbers {
            if bytes <= BYTES_MAX {
                break;
            }
            let Some(mut report) = self.read(number)? else { continue };
            if report.batches.iter().all(|batch| batch.records.is_empty()) {
                continue;
            }
            tracing::warn!(number, "flows found no room on this host, and will be told of as skipped");
            let before = size(&number);
            for batch in report.batches.iter_mut().filter(|batch| !batch.records.is_empty()) {
                batch.records.clear();
                batch.skipped = true;
            }
            files::store_durably(&self.path(number), &report)?;
            bytes = bytes.saturating_sub(before) + size(&number);
        }
        Ok(())
    }

    fn read(&self, number: u64) -> io::Result<Option<FlowReport>> {
        files::load(&self.path(number))
    }

    fn path(&self, number: u64) -> PathBuf {
        self.folder.join(format!("{number:020}.json"))
    }

    /// Numbers of the parts, in order.
    fn numbers(&self) -> io::Result<Vec<u64>> {
        let entries = match fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(vec![]),
            Err(e) => return Err(e),
        };
        let number = |entry: fs::DirEntry| entry.file_name().to_str()?.strip_suffix(".json")?.parse().ok();
        let mut numbers: Vec<u64> = entries.filter_map(|entry| number(entry.ok()?)).collect();
        numbers.sort_unstable();
        Ok(numbers)
    }
}

/// Cuts batches into parts of no more than so many flows; a batch with more is cut too.
fn parts(batches: Vec<FlowBatch>) -> Vec<Vec<FlowBatch>> {
    let (mut parts, mut part, mut flows) = (Vec::new(), Vec::new(), 0);
    for mut batch in batches {
        while batch.records.len() > FLOWS_OF_PART {
            let rest = batch.records.split_off(FLOWS_OF_PART);
            let first = std::mem::replace(&mut batch.records, rest);
            parts.push(vec![FlowBatch { records: first, skipped: false, ..batch }]);
        }
        if flows + batch.records.len() > FLOWS_OF_PART {
            parts.push(std::mem::take(&mut part));
            flows = 0;
        }
        flows += batch.records.len();
        part.push(batch);
    }
    parts.push(part);
    parts.retain(|part| !part.is_empty());
    parts
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use model::{Direction, FlowRecord, InstanceId, Millis, SubnetId};

    use super::*;

    fn batch(interface: u64, flows: usize) -> FlowBatch {
        let record = |number: usize| FlowRecord {
            source: Ipv4Addr::from_bits(number as u32).into(),
            destination: Ipv4Addr::LOCALHOST.into(),
            protocol: 17,
            source_port: 1,
            destination_port: 2,
            packets: 3,
            bytes: 4,
            direction: Direction::Egress,
            refused: None,
        };
        let (interface, subnet, instance) = (InterfaceId::from_u64(interface), SubnetId::from_u64(2), InstanceId::from_u64(7));
        let records = (0..flows).map(record).collect();
        FlowBatch { interface, subnet, instance, from: Millis(1_790_000_000_000), to: Millis(1_790_000_034_360), skipped: false, records }
    }

    #[test]
    fn parts_are_told_in_order_until_they_are_forgotten_also_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let mut spool = Spool::new(folder.path());
        assert_eq!(spool.oldest().unwrap(), None);
        spool.keep(5_000, vec![batch(1, 3)]).unwrap();
        // A clock that went back does not change the order.
        spool.keep(4_000, vec![batch(2, FLOWS_OF_PART + 5), batch(3, 0)]).unwrap();
        let mut spool = Spool::new(folder.path());
        let mut told = Vec::new();
        while let Some(report) = spool.oldest().unwrap() {
            assert_eq!(spool.oldest().unwrap().as_ref(), Some(&report), "until it is forgotten");
            told.push((report.number, report.batches.iter().map(|b| (b.interface.as_u64(), b.records.len())).collect::<Vec<_>>()));
            spool.forget(report.number).unwrap();
        }
        assert_eq!(told, [(5_000, vec![(1, 3)]), (5_001, vec![(2, FLOWS_OF_PART)]), (5_002, vec![(2, 5), (3, 0)])]);
        assert!(spool.places().is_empty());
    }

    #[test]
    fn what_finds_no_room_is_said_to_be_skipped() {
        let folder = tempfile::tempdir().unwrap();
        let mut spool = Spool::new(folder.path());
        for time in 0..25 {
            spool.keep(time, vec![batch(1, FLOWS_OF_PART)]).unwrap();
        }
        let bytes: u64 = spool.numbers().unwrap().iter().map(|n| fs::metadata(spool.path(*n)).unwrap().len()).sum();
        assert!(bytes <= BYTES_MAX, "{bytes}");
        let oldest = spool.oldest().unwrap().unwrap();
        assert_eq!((oldest.batches[0].skipped, oldest.batches[0].records.len()), (true, 0));
        let newest = spool.read(*spool.numbers().unwrap().last().unwrap()).unwrap().unwrap();
        assert_eq!((newest.batches[0].skipped, newest.batches[0].records.len()), (false, FLOWS_OF_PART));
        spool.end().unwrap();
        assert!(!folder.path().join("flows").exists());
    }
}
