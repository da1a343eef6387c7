//! What hosts report, written down. A report changes no phase: it becomes facts of rows, and who cares is woken.
//!
//! Reports are whole, so each is compared with the rows and only differences are written. One of an older start of the agent,
//! or out of order, is dropped.

use hostspec::{Accelerator, Fault, FaultKind, HostReport, VmReport, VmState, VolumeState};
use model::{Host, HostCapacity, HostId, HostState, Millis, ReasonKind, Seen, SeenFault, SeenState, Volume, VolumePhase};
use store::{Tx, WriteError};

use crate::work::wake_instance;
use crate::{Cloud, Failure};

/// A host's row says at least this often that it was heard of, in milliseconds; between, nothing is written for a report
/// without news.
const SEEN_EVERY_MS: i64 = 5_000;

impl Cloud {
    /// Writes a report down. An error means that nothing of it was kept; the host will repeat itself.
    pub async fn report(&self, report: HostReport) -> Result<(), WriteError<Failure>> {
        let cloud = self.clone();
        self.store().write(move |tx| cloud.write_report(tx, &report)).await
    }

    fn write_report(&self, tx: &mut Tx<'_>, report: &HostReport) -> Result<(), Failure> {
        let now = self.clock().now();
        let Some(mut host) = tx.get::<Host>(report.host)? else {
            tracing::warn!(host = %report.host, "a report of an unknown host");
            return Ok(());
        };
        if report.incarnation == host.incarnation && report.sequence <= host.sequence {
            return Ok(());
        }
        if report.generation > host.generation {
            return self.overtake(tx, host, report, now);
        }
        self.write_host(tx, &mut host, report, now)?;
        let woken = write_vms(tx, report, now)?;
        write_volumes(tx, report)?;
        tracing::debug!(host = %report.host, sequence = report.sequence, woken, "report");
        Ok(())
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

    fn write_host(&self, tx: &mut Tx<'_>, host: &mut Host, report: &HostReport, now: Millis) -> Result<(), Failure> {
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
        next.state = if host.state == HostState::Silent { HostState::Up } else { host.state };
        let news = next != *host || report.incarnation != host.incarnation || now.since(host.seen_at) >= SEEN_EVERY_MS;
        if news {
            (next.incarnation, next.sequence, next.seen_at) = (report.incarnation, report.sequence, now);
            tx.update(&next)?;
        }
        *host = next;
        Ok(())
    }
}

/// Writes what is new about machines, wakes those that wait for it, and says how many.
fn write_vms(tx: &mut Tx<'_>, report: &HostReport, now: Millis) -> Result<usize, Failure> {
    let mut woken = 0;
    for mut instance in tx.instance_list_of_host(report.host)? {
        let vm = report.vms.iter().find(|vm| vm.id == instance.id);
        let seen = vm.map(seen_of);
        let news = seen != instance.seen;
        if news {
            instance.seen = seen;
            tx.update(&instance)?;
        }
        let waits = !matches!(instance.phase, model::Phase::Running | model::Phase::Stopped | model::Phase::Terminated);
        if news || (waits && report.applied >= instance.asked) {
            wake_instance(tx, instance.id, now)?;
            woken += 1;
        }
    }
    Ok(woken)
}

fn seen_of(vm: &VmReport) -> Seen {
    let state = match vm.state {
        VmState::Stopped => SeenState::Stopped,
        VmState::Running => SeenState::Running,
        VmState::Stopping => SeenState::Stopping,
        VmState::ShutDown => SeenState::ShutDown,
    };
    Seen { state, boot: vm.boot, guest_up: vm.guest_up, fault: vm.fault.as_ref().map(fault_of) }
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

fn write_volumes(tx: &mut Tx<'_>, report: &HostReport) -> Result<(), Failure> {
    for mut volume in tx.volume_list_of_host(report.host)? {
        let state = report.volumes.iter().find(|seen| seen.id == volume.id).map(|seen| seen.state);
        match (volume.phase, state) {
            (VolumePhase::Creating, Some(VolumeState::Present { .. })) => {
                volume.phase = VolumePhase::Present;
                tx.update(&volume)?;
            }
            (VolumePhase::Deleting, Some(VolumeState::Deleted) | None) if report.applied >= volume.asked => {
                tx.delete::<Volume>(volume.id)?;
                tx.host_touch(report.host)?;
            }
            (VolumePhase::Creating | VolumePhase::Present | VolumePhase::Deleting, _) => {}
        }
    }
    Ok(())
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
