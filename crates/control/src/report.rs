//! What hosts report, written down. A report becomes facts of rows, and who cares is woken; volumes, which wait for little else, are
//! advanced at once.
//!
//! ```text
//!   report ─▶ compared with what the rows say, as remembered since the last one ─▶ rows that differ
//!          ─▶ documents applied since the last one ─▶ rows that waited for these        ─▶ wakes
//! ```
//!
//! Reports are whole, so each is compared with the rows and only differences are read and written. What is remembered counts
//! only while the host's row has the numbers of the report that it came from; else the rows are read. A report of an older
//! start of the agent, or out of order, is dropped.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use hostspec::{Accelerator, Fault, FaultKind, HostReport, VmReport, VmState, VolumeReport, VolumeState};
use model::{
    Effect, Facts, Host, HostCapacity, HostId, HostState, Instance, InstanceId, InterfaceId, Millis, Phase, ReasonKind, Seen, SeenFault,
    SeenState, Step, Volume, VolumeId,
};
use store::{Tx, WriteError};

use crate::interface::advance_interfaces_of;
use crate::work::{INSTANCE, wake_instance};
use crate::{Cloud, Failure};

/// A host's row says at least this often that it was heard of, in milliseconds; between, nothing is written for a report
/// without news.
const SEEN_EVERY_MS: i64 = 5_000;

impl Cloud {
    /// Writes a report down. An error means that nothing of it was kept; the host will repeat itself.
    pub async fn report(&self, mut report: HostReport) -> Result<(), WriteError<Failure>> {
        let (host, traffic) = (report.host, report.traffic.take());
        self.write_down(report).await?;
        if let Some(traffic) = traffic {
            self.take_traffic(host, traffic).await;
        }
        Ok(())
    }

    async fn write_down(&self, mut report: HostReport) -> Result<(), WriteError<Failure>> {
        let known = match self.reports().get(report.host) {
            Some(known) => known,
            // Here rather than in the transaction, where a thousand rows would keep everyone waiting.
            None => Arc::new(self.store().read(move |tx| Known::read(tx, report.host)).await.map_err(WriteError::Refused)?),
        };
        let told = Arc::new(Told { known: Arc::new(Known::of(&mut report)), report });
        let (cloud, teller) = (self.clone(), told.clone());
        let written = self.store().write(move |tx| cloud.write_report(tx, &teller, &known)).await?;
        if written == Written::News {
            self.reports().put(told.report.host, told.known.clone());
        }
        Ok(())
    }

    fn write_report(&self, tx: &mut Tx<'_>, told: &Told, known: &Known) -> Result<Written, Failure> {
        let report = &told.report;
        let now = self.clock().now();
        let Some(mut host) = tx.get::<Host>(report.host)? else {
            tracing::warn!(host = %report.host, "a report of an unknown host");
            return Ok(Written::Nothing);
        };
        if report.incarnation == host.incarnation && report.sequence <= host.sequence {
            return Ok(Written::Nothing);
        }
        if report.generation > host.generation {
            self.overtake(tx, host, report, now)?;
            return Ok(Written::Nothing);
        }
        let read;
        let known = if known.stamp == (host.incarnation, host.sequence) {
            known
        } else {
            read = Known::read(tx, report.host)?;
            &read
        };
        let changed = Changed::between(known, &told.known);
        let applied_before = host.applied;
        let written = self.write_host(tx, &mut host, report, &changed, now)?;
        let woken = self.write_vms(tx, told, &changed, &host, applied_before)?;
        self.write_volumes(tx, told, &changed, &host, applied_before)?;
        self.write_snapshots(tx, report, now)?;
        self.write_trials(tx, report, |machine| said(&told.known.vms, machine), now)?;
        tracing::debug!(host = %report.host, sequence = report.sequence, woken, "report");
        Ok(written)
    }

    /// The host holds a document that these rows never made: the database is older than the host, restored from a backup. The
    /// next document gets a generation that the host will take; until it is applied, nothing that the host says counts.
    fn overtake(&self, tx: &mut Tx<'_>, host: Host, report: &HostReport, now: Millis) -> Result<(), Failure> {
        tracing::warn!(host = %host.id, held = report.generation, ours = host.generation, alarm = true, "a host is ahead of the database");
        let next = Host {
            generation: report.generation + 1,
            applied: 0,
            incarnation: report.incarnation,
            sequence: report.sequence,
            seen_at: now,
            ..host
        };
        Ok(tx.update(&next)?)
    }

    /// Writes what is new about the host. Its row always has the numbers of the last report in which anything was new.
    fn write_host(
        &self,
        tx: &mut Tx<'_>,
        host: &mut Host,
        report: &HostReport,
        changed: &Changed,
        now: Millis,
    ) -> Result<Written, Failure> {
        let capacity = HostCapacity {
            vcpus: report.capacity.vcpus.saturating_mul(self.region().cpu_overcommit),
            memory: report.capacity.memory,
            disk_gib: report.capacity.disk_gib,
            accelerator: match report.capacity.accelerator {
                Accelerator::Kvm => "kvm",
                Accelerator::Tcg => "tcg",
                Accelerator::Simulated => "simulated",
            }
            .to_owned(),
        };
        let mut next = host.clone();
        next.capacity = Some(capacity);
        next.applied = report.applied;
        next.faults = report.faults.iter().take(model::HOST_FAULTS_MAX).cloned().collect();
        next.state = if host.state == HostState::Silent { HostState::Up } else { host.state };
        let news =
            next != *host || !changed.is_empty() || report.incarnation != host.incarnation || now.since(host.seen_at) >= SEEN_EVERY_MS;
        if news {
            (next.incarnation, next.sequence, next.seen_at) = (report.incarnation, report.sequence, now);
            tx.update(&next)?;
        }
        *host = next;
        Ok(if news { Written::News } else { Written::Nothing })
    }
}

/// Whether the host's row has the numbers of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Written {
    Nothing,
    News,
}

/// What rows say of hosts, remembered since the last report of each. It holds nothing that the rows do not.
#[derive(Default)]
pub(crate) struct Reports {
    known: Mutex<HashMap<HostId, Arc<Known>>>,
}

impl Reports {
    fn get(&self, host: HostId) -> Option<Arc<Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).get(&host).cloned()
    }

    fn put(&self, host: HostId, known: Arc<Known>) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(host, known);
    }
}

/// A report without its machines, and what rows will say when it is written down.
struct Told {
    report: HostReport,
    known: Arc<Known>,
}

/// What rows say of the machines and volumes of a host.
struct Known {
    /// Incarnation and sequence of the host's row.
    stamp: (u64, u64),
    /// By id.
    vms: Vec<(InstanceId, Seen)>,
    /// Volumes that were there, by id. One that is being deleted counts as such until its row is gone.
    volumes: Vec<(VolumeId, VolumeBytes)>,
}

/// Whether the bytes of a volume are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum VolumeBytes {
    Present { generation: u64, size_bytes: u64 },
    Deleted,
}

impl Known {
    fn read(tx: &Tx<'_>, host: HostId) -> Result<Known, Failure> {
        let stamp = tx.get::<Host>(host)?.map_or((0, 0), |row| (row.incarnation, row.sequence));
        let instances = tx.instance_list_of_host(host)?;
        let present = |volume: &Volume| {
            let generation = volume.generation;
            Some((volume.id, VolumeBytes::Present { generation, size_bytes: volume.seen_bytes? }))
        };
        Ok(Known {
            stamp,
            vms: sorted(instances.into_iter().filter_map(|instance| Some((instance.id, instance.seen?)))),
            volumes: sorted(tx.volume_list_of_host(host)?.iter().filter_map(present)),
        })
    }

    /// What rows will say, of a report that gives its machines away: there may be many.
    fn of(report: &mut HostReport) -> Known {
        Known {
            stamp: (report.incarnation, report.sequence),
            vms: sorted(std::mem::take(&mut report.vms).into_iter().map(|vm| (vm.id, seen_of(vm)))),
            volumes: sorted(report.volumes.iter().map(|volume| (volume.id, bytes_of(volume)))),
        }
    }
}

/// Things with what is said of them, by id; of one that is named twice, the last word counts.
fn sorted<I: Ord, T>(said: impl Iterator<Item = (I, T)>) -> Vec<(I, T)> {
    let mut said: Vec<(I, T)> = said.collect();
    said.reverse();
    said.sort_by(|(one, _), (other, _)| one.cmp(other));
    said.dedup_by(|(later, _), (first, _)| later == first);
    said
}

/// What is said of a thing.
fn said<I: Ord + Copy, T: Clone>(all: &[(I, T)], id: I) -> Option<T> {
    all.binary_search_by_key(&id, |(id, _)| *id).ok().map(|at| all[at].1.clone())
}

/// The ids of which two lists say different things.
fn differing<I: Ord + Copy, T: PartialEq>(before: &[(I, T)], now: &[(I, T)]) -> Vec<I> {
    let mut ids = Vec::new();
    let (mut before, mut now) = (before.iter().peekable(), now.iter().peekable());
    loop {
        let order = match (before.peek(), now.peek()) {
            (Some((old, _)), Some((new, _))) => old.cmp(new),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => return ids,
        };
        let old = before.next_if(|_| order.is_le());
        let new = now.next_if(|_| order.is_ge());
        if old.map(|(_, said)| said) != new.map(|(_, said)| said) {
            ids.extend(old.or(new).map(|(id, _)| *id));
        }
    }
}

/// What a report says otherwise than the rows.
struct Changed {
    vms: Vec<InstanceId>,
    volumes: Vec<VolumeId>,
}

impl Changed {
    fn between(before: &Known, now: &Known) -> Changed {
        Changed { vms: differing(&before.vms, &now.vms), volumes: differing(&before.volumes, &now.volumes) }
    }

    fn is_empty(&self) -> bool {
        self.vms.is_empty() && self.volumes.is_empty()
    }
}

impl Cloud {
    /// Writes what is new about machines, wakes those that wait for it, and says how many.
    fn write_vms(&self, tx: &mut Tx<'_>, told: &Told, changed: &Changed, host: &Host, applied_before: u64) -> Result<usize, Failure> {
        let report = &told.report;
        let now = self.clock().now();
        let reached = tx.instance_list_asked(report.host, applied_before, report.applied)?;
        let other = changed.vms.iter().filter(|id| !reached.iter().any(|row| row.id == **id)).copied().collect::<Vec<_>>();
        let other = tx.get_many::<Instance>(&other)?.into_iter().filter(|row| row.host == report.host && row.is_live());
        let mut woken = 0;
        for mut instance in reached.into_iter().chain(other) {
            let seen = said(&told.known.vms, instance.id);
            let news = seen != instance.seen;
            if news {
                let before = std::mem::replace(&mut instance.seen, seen);
                if before.is_none() && self.write_start(tx, &instance, host, now)? {
                    continue;
                }
                tx.update(&instance)?;
                if further_disks(before.as_ref()) != further_disks(instance.seen.as_ref()) {
                    self.advance_volumes_of(tx, instance.id, now)?;
                }
                if further_nics(before.as_ref()) != further_nics(instance.seen.as_ref()) {
                    advance_interfaces_of(tx, instance.id)?;
                }
            }
            let waits = !matches!(instance.phase, Phase::Running | Phase::Stopped | Phase::Terminated);
            if news || (waits && report.applied >= instance.asked) {
                wake_instance(tx, instance.id, now)?;
                woken += 1;
            }
        }
        Ok(woken)
    }

    /// Writes down that a machine has started, where nothing else follows from that and so the work loop has nothing to do for it;
    /// false where more does. Most machines start so, and each spares two transactions.
    fn write_start(&self, tx: &mut Tx<'_>, instance: &Instance, host: &Host, now: Millis) -> Result<bool, Failure> {
        let facts = Facts { applied: host.applied >= instance.asked, host_exists: true };
        let Step::Change(next, effects) = instance.advance(facts, now) else { return Ok(false) };
        let is_all = next.phase == Phase::Running
            && effects == [Effect::Tell("running")]
            && further_disks(next.seen.as_ref()).is_empty()
            && further_nics(next.seen.as_ref()).is_empty()
            && next.advance(facts, now) == Step::Wait(None);
        if is_all {
            tx.update(&*next)?;
            self.tell(tx, &next, "running", now)?;
            tx.wake_none(INSTANCE, instance.id)?;
        }
        Ok(is_all)
    }

    /// Writes what is new about the bytes of volumes, and advances those that waited for it.
    fn write_volumes(&self, tx: &mut Tx<'_>, told: &Told, changed: &Changed, host: &Host, applied_before: u64) -> Result<(), Failure> {
        let report = &told.report;
        let now = self.clock().now();
        let reached = tx.volume_list_asked(report.host, applied_before, report.applied)?;
        let other = changed.volumes.iter().filter(|id| !reached.iter().any(|row| row.id == **id)).copied().collect::<Vec<_>>();
        let other = tx.get_many::<Volume>(&other)?.into_iter().filter(|row| row.host == report.host);
        for stored in reached.into_iter().chain(other) {
            let mut row = stored.clone();
            row.seen_bytes = match said(&told.known.volumes, row.id) {
                Some(VolumeBytes::Present { generation, size_bytes }) => Some(size_bytes).filter(|_| generation == row.generation),
                Some(VolumeBytes::Deleted) | None => None,
            };
            self.settle_volume(tx, stored, row, Some(host), now)?;
        }
        Ok(())
    }
}

/// The disks of a guest when it has others than the one that it booted from.
fn further_disks(seen: Option<&Seen>) -> &[VolumeId] {
    seen.map_or(&[][..], |seen| if seen.disks.len() > 1 { &seen.disks } else { &[] })
}

/// The interfaces of a machine when it has others than the one that it was made with.
fn further_nics(seen: Option<&Seen>) -> &[InterfaceId] {
    seen.map_or(&[][..], |seen| if seen.nics.len() > 1 { &seen.nics } else { &[] })
}

fn seen_of(vm: VmReport) -> Seen {
    let state = match vm.state {
        VmState::Stopped => SeenState::Stopped,
        VmState::Running => SeenState::Running,
        VmState::Stopping => SeenState::Stopping,
        VmState::ShutDown => SeenState::ShutDown,
    };
    let (mut disks, mut nics) = (vm.disks, vm.nics);
    disks.sort();
    nics.sort();
    Seen { state, boot: vm.boot, guest_up: vm.guest_up, disks, nics, fault: vm.fault.as_ref().map(fault_of) }
}

fn fault_of(fault: &Fault) -> SeenFault {
    let (kind, retryable) = match fault.kind {
        FaultKind::ImageCorrupt => (ReasonKind::ImageFault, false),
        FaultKind::DiskFull | FaultKind::NoCapacity => (ReasonKind::NoCapacity, true),
        FaultKind::StartFailed | FaultKind::Died | FaultKind::Hung | FaultKind::Network | FaultKind::Other => {
            (ReasonKind::InternalFault, true)
        }
    };
    SeenFault { kind, retryable, tries: fault.tries }
}

fn bytes_of(volume: &VolumeReport) -> VolumeBytes {
    match volume.state {
        VolumeState::Present { size_bytes } => VolumeBytes::Present { generation: volume.generation, size_bytes },
        VolumeState::Deleted => VolumeBytes::Deleted,
    }
}

/// Marks hosts that have been silent for too long, so that nothing new is placed on them.
pub(crate) fn mark_silent(tx: &mut Tx<'_>, now: Millis) -> Result<Vec<HostId>, Failure> {
    let mut silent = Vec::new();
    for mut host in tx.host_list()? {
        let quiet = now.since(host.seen_at) > model::SILENT_AFTER_MS;
        if quiet && host.state == HostState::Up && host.capacity.is_some() {
            host.state = HostState::Silent;
            tx.update(&host)?;
            silent.push(host.id);
        }
    }
    Ok(silent)
}
