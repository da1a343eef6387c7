//! Counts what public addresses carry, on the pair between a VPC and its machine: each direction where it has passed the other's shaper.
//!
//! ```text
//!   out:  machine's namespace ─ came in by the pair ─▶ `traffic`: element of the source counts
//!   in:   VPC's namespace     ─ came in by the pair ─▶ `traffic`: element of the destination counts
//!         once a minute: elements ─▶ Meter (totals, kept in a file) ─▶ report
//! ```
//!
//! The kernel's counters outlive the agent, and the file says how far they were taken down, so that a restart loses and repeats nothing;
//! a restart of the machine loses what came after the last minute. An address that leaves the host ends its count.

use std::collections::BTreeMap;
use std::io;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use hostspec::{AddressTraffic, TrafficReport, VpcSpec};
use model::{TRAFFIC_MINUTE_MS, Traffic};
use serde::{Deserialize, Serialize};

use super::line::{Line, Load};
use super::names::{Names, OUTSIDE};
use super::ruleset::{Base, BaseKind, Chain, Field, Hook, Key, Shape, Table};
use super::{Network, plan, table};
use crate::files;

/// The set whose elements count.
pub const COUNTERS: &str = "traffic";
/// After `entry`, which drops what is forged, and before destinations are translated.
const AFTER_ENTRY: i32 = -440;

/// Has a VPC's table count what comes in to its public addresses.
pub fn add_to_vpc(spec: &VpcSpec, table: &mut Table) {
    add(table, plan::public(spec).map(Key::ipv4).collect(), OUTSIDE, Load::IpDaddr);
}

/// Has the machine's table count what leaves from the addresses of these VPCs.
pub fn add_to_machine<'a>(names: &Names, specs: impl IntoIterator<Item = &'a VpcSpec>, table: &mut Table) {
    let all = specs.into_iter().flat_map(plan::public).map(Key::ipv4).collect();
    add(table, all, &format!("{}*", names.prefix()), Load::IpSaddr);
}

fn add(table: &mut Table, addresses: Vec<Key>, link: &str, address: Load) {
    if addresses.is_empty() {
        return;
    }
    table.sets.insert(COUNTERS.to_owned(), table::plain(Shape::counters(&[Field::Ipv4]), addresses));
    let base = Base { kind: BaseKind::Filter, hook: Hook::Prerouting, priority: AFTER_ENTRY, policy_drop: false };
    let lines = vec![Line::new().iif(link).in_set(&[address], COUNTERS)];
    table.chains.insert(COUNTERS.to_owned(), Chain { base: Some(base), lines });
}

/// What was counted, and what of it waits to be told.
pub struct Counted {
    path: PathBuf,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    meter: Option<Meter>,
    minute: i64,
    untold: Option<TrafficReport>,
    is_over: bool,
}

impl Counted {
    /// Counts on from what a folder says.
    pub fn new(folder: &Path) -> Counted {
        Counted { path: folder.join("traffic.json"), inner: Mutex::default() }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a minute has ended since it was last asked.
    fn is_due(&self, now_ms: i64) -> bool {
        let minute = now_ms.div_euclid(TRAFFIC_MINUTE_MS);
        std::mem::replace(&mut self.inner().minute, minute) != minute
    }

    /// Takes down what the kernel has counted. It is told only after the file says so.
    fn take(&self, now_ms: i64, boot: &str, seen: &BTreeMap<Ipv4Addr, Traffic>) -> io::Result<()> {
        let mut inner = self.inner();
        if inner.is_over {
            return Ok(());
        }
        let mut meter = match inner.meter.take() {
            Some(meter) => meter,
            None => files::load(&self.path)?.unwrap_or_default(),
        };
        meter.take(now_ms, boot, seen);
        files::store_durably(&self.path, &meter)?;
        inner.untold = Some(TrafficReport { at_ms: now_ms, addresses: meter.totals() });
        inner.meter = Some(meter);
        Ok(())
    }

    /// Counts no more, and removes the file.
    pub fn end(&self) -> io::Result<()> {
        let mut inner = self.inner();
        inner.is_over = true;
        files::remove(&self.path)
    }
}

impl Network {
    /// Takes down what the public addresses have carried, when a minute has ended since it last did.
    pub async fn count(&self, now_ms: i64) -> io::Result<()> {
        if !self.counted.is_due(now_ms) {
            return Ok(());
        }
        let mut seen: BTreeMap<Ipv4Addr, Traffic> = BTreeMap::new();
        {
            let state = self.state.lock().await;
            // Before the first look at everything it is not known what is missing.
            if state.machine_verified.is_none() {
                return Ok(());
            }
            let out = state.machine_rules.counted(&self.names.machine_table(), COUNTERS).await.map_err(io::Error::other)?;
            for (ip, packets, bytes) in out {
                let traffic = seen.entry(ip).or_default();
                (traffic.out_packets, traffic.out_bytes) = (packets, bytes);
            }
            for vpc in state.vpcs.values().filter(|vpc| vpc.applied().is_some_and(plan::has_public)) {
                for (ip, packets, bytes) in vpc.counted(&self.names).await? {
                    let traffic = seen.entry(ip).or_default();
                    (traffic.in_packets, traffic.in_bytes) = (packets, bytes);
                }
            }
        }
        self.counted.take(now_ms, &files::boot_id(), &seen)
    }

    /// What was counted and not told yet.
    pub fn take_traffic(&self) -> Option<TrafficReport> {
        self.counted.inner().untold.take()
    }

    /// Keeps what could not be told, unless there is newer.
    pub fn keep_traffic(&self, report: TrafficReport) {
        self.counted.inner().untold.get_or_insert(report);
    }
}

/// Totals of what counters say that may begin anew at any time.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
struct Meter {
    /// The run of the machine that the counters are of; empty for a meter that knows nothing.
    boot: String,
    addresses: BTreeMap<Ipv4Addr, Metered>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Metered {
    since_ms: i64,
    last: Traffic,
    total: Traffic,
}

impl Meter {
    fn take(&mut self, now_ms: i64, boot: &str, seen: &BTreeMap<Ipv4Addr, Traffic>) {
        // What stood on the counters before anything was known of them may have been told by an earlier meter.
        let is_new = self.boot.is_empty();
        if self.boot != boot {
            boot.clone_into(&mut self.boot);
            self.addresses.values_mut().for_each(|address| address.last = Traffic::default());
        }
        self.addresses.retain(|ip, _| seen.contains_key(ip));
        for (ip, counter) in seen {
            let begins = Metered { since_ms: now_ms, last: if is_new { *counter } else { Traffic::default() }, total: Traffic::default() };
            let address = self.addresses.entry(*ip).or_insert(begins);
            address.total += counter.since(address.last);
            address.last = *counter;
        }
    }

    fn totals(&self) -> Vec<AddressTraffic> {
        let carried = self.addresses.iter().filter(|(_, address)| !address.total.is_none());
        carried.map(|(public, address)| AddressTraffic { public: *public, since_ms: address.since_ms, total: address.total }).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IP: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 9);

    fn seen(bytes: u64) -> BTreeMap<Ipv4Addr, Traffic> {
        BTreeMap::from([(IP, Traffic { out_bytes: bytes, ..Traffic::default() })])
    }

    #[test]
    fn totals_go_on_over_restarts_of_counters_agent_and_machine() {
        let mut meter = Meter::default();
        let total = |meter: &Meter| meter.totals().first().map(|address| (address.since_ms, address.total.out_bytes));
        // What was there before the first meter is nobody's.
        for (now, boot, bytes, told) in [
            (1, "a", 500, None),
            (2, "a", 700, Some((1, 200))),
            (3, "a", 50, Some((1, 250))),
            (4, "b", 80, Some((1, 330))),
            (5, "b", 80, Some((1, 330))),
        ] {
            meter = serde_json::from_str(&serde_json::to_string(&meter).unwrap()).unwrap();
            meter.take(now, boot, &seen(bytes));
            assert_eq!(total(&meter), told, "at {now}");
        }
        // An address that comes back is another count, from its beginning.
        meter.take(6, "b", &BTreeMap::new());
        assert_eq!(total(&meter), None);
        meter.take(7, "b", &seen(90));
        assert_eq!(total(&meter), Some((7, 90)));
    }
}
