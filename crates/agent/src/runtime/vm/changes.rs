//! How a machine's task carries out each change, and how it ends a process and puts away what belonged to it.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use hostspec::{FaultKind, HostSpec, Reset, SOFT_RESET_SECONDS, VmSpec};
use model::VolumeId;
use tokio::sync::watch;
use tokio::time::Instant;

use super::super::host::Host;
use super::super::start::{self, Started};
use super::{COMMAND, DRAIN_MIN, END, HEALTH, Intent, Live, PRESS, RESET, VmTask, Wish};
use crate::cage::Cage;
use crate::plan::{Change, Phase};
use crate::qemu::disk;
use crate::trouble::Trouble;

impl VmTask {
    pub(super) async fn prepare(&mut self, vm: &VmSpec) {
        if self.live.is_some() || self.cage.is_some() {
            return;
        }
        match self.build_cage(vm).await {
            Ok(cage) => self.cage = Some((cage, Host::limits(vm))),
            Err(trouble) => self.fail(trouble),
        }
    }

    pub(super) async fn build_cage(&self, vm: &VmSpec) -> Result<Cage, Trouble> {
        let (host, vm) = (self.host.clone(), vm.clone());
        let built = tokio::task::spawn_blocking(move || start::prepare(&host, &vm)).await;
        built.map_err(|e| Trouble::new(FaultKind::Other, e.to_string()))?
    }

    pub(super) async fn start(&mut self, spec: &Arc<HostSpec>, vm: &VmSpec, boot: u64) {
        if self.live.is_some() {
            return;
        }
        self.phase = Some(Phase::Starting);
        self.publish();
        let begun = Instant::now();
        let result = self.try_start(spec, vm, boot).await;
        self.phase = None;
        match result {
            Ok(started) => {
                metrics::counter!("pileus_vm_starts_total").increment(1);
                metrics::histogram!("pileus_vm_start_seconds").record(begun.elapsed());
                tracing::info!(instance = %self.id, pid = started.process.pid(), took = ?begun.elapsed(), "guest started");
                self.record.boot = boot;
                self.record.down = false;
                (self.record.held, self.record.paused, self.record.ending) = (false, false, false);
                self.retry_at_ms = 0;
                // A death is forgotten only when the machine has run for a while: a guest that kills its QEMU again and again waits longer each time.
                self.fault = self.fault.take().filter(|(trouble, _)| trouble.kind == FaultKind::Died);
                self.record.running = Some(started.inmate.identity.boot_id.clone());
                self.hold(started).await;
                self.write_down(false);
                for disk in vm.disks.iter().filter(|disk| !disk.limits.is_none()) {
                    self.throttle(disk.volume, disk.limits).await;
                }
            }
            Err(trouble) => {
                metrics::counter!("pileus_vm_start_failures_total").increment(1);
                self.kill_inmate().await;
                self.clear_away().await;
                self.tried = boot;
                self.fail(trouble);
            }
        }
    }

    /// Starts, unless a wish to stop or to remove the machine comes first.
    pub(super) async fn try_start(&mut self, spec: &Arc<HostSpec>, vm: &VmSpec, boot: u64) -> Result<Started, Trouble> {
        let cage = match self.cage.take() {
            Some((cage, limits)) if limits == Host::limits(vm) => cage,
            Some(_) | None => self.build_cage(vm).await?,
        };
        let uid = self.host.uid(self.record.slot.unwrap_or_default());
        start::start(&self.host, spec, vm, start::As { uid, boot, cage }, unwanted(self.wishes.clone())).await
    }

    pub(super) async fn hold(&mut self, started: Started) {
        let Started { process, inmate, monitor, events, claims } = started;
        self.shared.set_monitor(Some(monitor.clone())).await;
        let since = Instant::now();
        self.live = Some(Live::new(process, inmate, Some((monitor, events)), claims));
        self.drain_every = DRAIN_MIN;
        self.drain_at = since + DRAIN_MIN;
        self.health_at = since + HEALTH;
    }

    pub(super) async fn stop(&mut self, grace_seconds: u32) {
        self.cage = None;
        self.fault = None;
        self.retry_at_ms = 0;
        if self.live.is_none() {
            self.clear_away().await;
            return;
        }
        if grace_seconds == 0 {
            return self.kill().await;
        }
        let now = Instant::now();
        let deadline = now + Duration::from_secs(u64::from(grace_seconds));
        self.set_intent(Intent::Stop { grace_seconds, deadline, press: now + PRESS });
        self.press_power_button().await;
    }

    pub(super) async fn reset(&mut self, boot: u64, how: Reset) {
        let now = Instant::now();
        match how {
            Reset::Soft => {
                let deadline = now + Duration::from_secs(u64::from(SOFT_RESET_SECONDS));
                self.set_intent(Intent::Reset { boot, how, deadline, press: now + PRESS });
                self.press_power_button().await;
            }
            Reset::Hard => self.reset_now(boot).await,
        }
    }

    pub(super) async fn reset_now(&mut self, boot: u64) {
        self.freeze_before(boot).await;
        if self.is_in_firmware().await {
            tracing::info!(instance = %self.id, "the guest is reset while its firmware starts: QEMU is started anew");
            return self.kill().await;
        }
        let deadline = Instant::now() + RESET;
        self.set_intent(Intent::Reset { boot, how: Reset::Hard, deadline, press: deadline });
        self.drain().await;
        self.command(qapi_qmp::system_reset {}).await;
    }

    /// Whether the guest has not touched its disks yet. SeaBIOS turns the memory below 1 MiB from ROM to RAM before it copies itself there, and QEMU's
    /// reset turns nothing back: a guest that is reset in between executes zeros for ever.
    async fn is_in_firmware(&mut self) -> bool {
        let Some((qmp, _)) = self.live.as_ref().and_then(|live| live.monitor.as_ref()) else { return false };
        let answer = qmp.clone().disk_operations(COMMAND).await;
        self.answered("query-blockstats", answer) == Some(0)
    }

    pub(super) async fn grow(&mut self, volume: VolumeId, size_bytes: u64) {
        let Some(disks) = self.disks() else { return };
        let newest = match disks.newest(volume).await {
            Ok(newest) => newest.unwrap_or(0),
            Err(e) => return self.complain(Trouble::new(FaultKind::Other, format!("growing {volume}: {e}"))),
        };
        let node_name = Some(disk::layer_node(volume, newest));
        let resize = qapi_qmp::block_resize { device: None, node_name, size: size_bytes as i64 };
        self.command(resize).await;
    }

    pub(super) async fn remove(&mut self) {
        self.cage = None;
        if self.live.is_some() {
            self.kill().await;
        }
        if self.live.is_some() {
            return; // The process has not ended; the fault says so, and the next try comes with the next plan.
        }
        self.clear_away().await;
        match crate::files::remove_folder(&self.host.folder(self.id)) {
            Ok(()) => {
                tracing::info!(instance = %self.id, "machine removed");
                self.host.free_slot(self.record.slot.unwrap_or_default());
                self.gone = true;
            }
            Err(e) => self.fail(Trouble::io("removing the machine's folder", &e)),
        }
    }

    /// Kills the process and puts away what belonged to it. Leaves it and complains when it does not end.
    pub(super) async fn kill(&mut self) {
        self.drain().await;
        self.seal_fleeces().await;
        let Some(live) = &self.live else { return };
        if !live.process.kill(END).await {
            return self.fail(Trouble::new(FaultKind::Hung, "the process was killed and does not end"));
        }
        self.record.running = None;
        self.write_down(false);
        self.put_away().await;
    }

    /// The process ended although nobody asked it to.
    pub(super) async fn died(&mut self) {
        let stopping = self.live.as_ref().is_some_and(|live| matches!(live.intent, Intent::Stop { .. }));
        let words = crate::qemu::serial::tail(&start::log_path(&self.host.folder(self.id)), 500);
        self.put_away().await;
        self.record.running = None;
        self.write_down(false);
        if !stopping {
            tracing::warn!(instance = %self.id, words, "QEMU died");
            metrics::counter!("pileus_vm_deaths_total").increment(1);
            self.fail(Trouble::new(FaultKind::Died, format!("QEMU ended unexpectedly: {words}")));
        }
    }

    pub(super) async fn put_away(&mut self) {
        self.shared.set_monitor(None).await;
        self.lose_fleeces();
        self.live = None;
        self.clear_away().await;
    }

    /// Removes what only a running machine needs.
    pub(super) async fn clear_away(&self) {
        self.lose_fleeces();
        let (host, id) = (self.host.clone(), self.id);
        let cleared = tokio::task::spawn_blocking(move || -> io::Result<()> {
            let folder = host.folder(id);
            crate::files::remove(&start::monitor_path(&folder))?;
            crate::files::remove(&start::guest_agent_path(&folder))?;
            crate::files::remove(&folder.join(crate::cage::IDENTITY))?;
            host.groups.as_ref().map_or(Ok(()), |groups| groups.remove(id))
        });
        match cleared.await {
            Ok(Ok(())) => {}
            Ok(Err(e)) => tracing::warn!(instance = %self.id, error = %e, "something of the machine is left"),
            Err(e) => tracing::error!(instance = %self.id, error = %e, "clearing away failed"),
        }
    }

    /// Kills a process that a start left behind when it failed half-way.
    pub(super) async fn kill_inmate(&self) {
        let inmate = crate::cage::inmate(&self.host.folder(self.id)).ok().flatten();
        if let Some(process) = inmate.and_then(|i| start::find(&i).ok().flatten()) {
            process.kill(END).await;
        }
    }
}

/// Waits for a wish that makes a start, or asking the guest, pointless.
pub(super) async fn unwanted(mut wishes: watch::Receiver<Option<Wish>>) {
    let pointless = |wish: &Option<Wish>| matches!(wish, Some(Wish { change: Change::StopVm { .. } | Change::RemoveVm { .. }, .. }));
    if wishes.wait_for(pointless).await.is_err() {
        std::future::pending().await
    }
}
