//! What the coordinator tells the control plane: everything that was seen, whole each time.

use hostspec::{
    CONSOLE_REPORT_BYTES, ConsoleReport, Fault, FaultKind, HostReport, Power, SnapshotReport, VmReport, VmState, VolumeGoal, VolumeReport,
    VolumeState,
};
use model::InstanceId;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::{Coordinator, Held, REPAIR_TOLD_FOR, REPORT_EVERY, Subject};

impl Coordinator {
    /// Sends a report; one that finds its reader behind is followed by another soon.
    pub(super) fn report(&mut self) {
        self.report_at = None;
        self.last_report = Instant::now();
        self.sequence += 1;
        let report = HostReport {
            version: hostspec::VERSION,
            host: self.host.id(),
            incarnation: self.incarnation,
            sequence: self.sequence,
            generation: self.spec.generation,
            applied: self.applied,
            capacity: self.host.capacity(),
            vms: self.vm_reports(),
            volumes: self.volume_reports(),
            snapshots: self.snapshot_reports(),
            consoles: self.console_reports(),
            traffic: self.host.network.take_traffic(),
            faults: self.host_faults(),
        };
        match self.reports.try_send(report) {
            Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => {}
            // The reader is behind; reports are whole, so the next one says it all.
            Err(mpsc::error::TrySendError::Full(report)) => {
                report.traffic.into_iter().for_each(|traffic| self.host.network.keep_traffic(traffic));
                self.report_at = Some(Instant::now() + REPORT_EVERY / 100);
            }
        }
    }

    fn vm_reports(&self) -> Vec<VmReport> {
        let machines = self.machines.list();
        machines
            .into_iter()
            .map(|(id, shared)| {
                let status = shared.status();
                let mut report = status.report(id);
                let heard_at = self.host.network.heard_at_ms(id);
                report.guest_up = report.state == VmState::Running && heard_at.is_some_and(|at| at >= report.started_at_ms);
                if report.fault.is_none() && !status.alive() {
                    report.fault = self.what_it_waits_for(id);
                }
                report
            })
            .collect()
    }

    /// The fault of a disk, image or network that keeps a machine from starting.
    fn what_it_waits_for(&self, id: InstanceId) -> Option<Fault> {
        let vm = self.spec.vms.iter().find(|vm| vm.id == id && vm.power == Power::On)?;
        for disk in &vm.disks {
            if let Some(Held { trouble: Some(trouble), tries, .. }) = self.troubles.get(&disk.volume) {
                return Some(trouble.fault(*tries));
            }
        }
        let waits = vm.nics.iter().any(|nic| !self.network_ready.contains(&nic.id));
        let words = self.network_faults.first().filter(|_| waits)?;
        Some(Fault { kind: FaultKind::Network, detail: words.clone(), tries: self.network_tries })
    }

    fn volume_reports(&self) -> Vec<VolumeReport> {
        let fault = |id| {
            let held: Option<&Held> = self.troubles.get(&id);
            held.and_then(|t| t.trouble.as_ref().map(|trouble| trouble.fault(t.tries)))
        };
        let present = self.volumes.iter().map(|(&id, seen)| {
            let state = VolumeState::Present { size_bytes: seen.size_bytes };
            VolumeReport { id, generation: seen.generation, state, fault: fault(id) }
        });
        let absent = self.spec.volumes.iter().filter(|v| !self.volumes.contains_key(&v.id));
        let carried_out = absent.filter(|v| v.goal == VolumeGoal::Deleted && !self.busy.contains_key(&Subject::Volume(v.id)));
        let deleted = carried_out.filter(|v| !self.troubles.contains_key(&v.id)).map(|v| VolumeReport {
            id: v.id,
            generation: v.generation,
            state: VolumeState::Deleted,
            fault: None,
        });
        present.chain(deleted).collect()
    }

    fn snapshot_reports(&self) -> Vec<SnapshotReport> {
        let fault = |job| {
            let held: Option<&Held> = self.snapshot_troubles.get(&job);
            held.and_then(|held| held.trouble.as_ref().map(|trouble| trouble.fault(held.tries)))
        };
        self.host.snapshots.reports(&self.spec, fault)
    }

    fn console_reports(&self) -> Vec<ConsoleReport> {
        let newest = |id| crate::qemu::serial::tail(&self.host.folder(id).join("console.log"), CONSOLE_REPORT_BYTES);
        self.spec.watched.iter().map(|id| ConsoleReport { id: *id, newest: newest(*id) }).collect()
    }

    fn host_faults(&self) -> Vec<String> {
        let mut out = self.network_faults.clone();
        let told = self.repairs.iter().filter(|(at, _)| at.elapsed() < REPAIR_TOLD_FOR);
        out.extend(told.map(|(at, words)| format!("{} minutes ago {words}", at.elapsed().as_secs() / 60)));
        out.extend(self.server_fault.iter().map(|t| format!("image server: {t}")));
        out.extend(self.image_faults.iter().map(|(id, t)| format!("{id}: {t}")));
        let absent = self.troubles.iter().filter(|(id, _)| !self.volumes.contains_key(id));
        out.extend(absent.filter_map(|(id, t)| Some(format!("{id}: {}", t.trouble.as_ref()?))));
        if self.host.groups.is_none() {
            out.push("control groups are not usable: machines are not bounded in memory, processor time and threads".to_owned());
        }
        out
    }
}
