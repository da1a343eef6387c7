//! What a machine's task does when its guest or its QEMU says something, or says nothing for too long.

use hostspec::{FaultKind, Reset};
use tokio::time::Instant;

use super::super::start;
use super::{COMMAND, DRAIN_MAX, DRAIN_MIN, END, HEALTH, Intent, PRESS, VmTask};
use crate::qemu::qmp::{Event, Qmp, QmpError};
use crate::qemu::{disk, layer, nic};
use crate::trouble::Trouble;

/// Bytes of QEMU's log at which it is begun again.
const LOG_BYTES: u64 = 1 << 20;

impl VmTask {
    pub(super) async fn react(&mut self, event: Event) {
        match event.name.as_str() {
            // QEMU also says SHUTDOWN when it was told to quit or got a signal; then it ends by itself.
            "SHUTDOWN" if event.flag("guest") => self.guest_shut_down().await,
            "RESET" => self.was_reset(event.flag("guest")).await,
            "BLOCK_IO_ERROR" if event.text("action") == "stop" => self.stalled(&event),
            "RESUME" => self.resumed(),
            "DEVICE_DELETED" => {
                if let Some(volume) = disk::volume_of(event.text("device")) {
                    self.released(volume).await;
                }
                if let Some(nic) = nic::interface_of(event.text("device")) {
                    self.card_released(nic);
                }
            }
            "BLOCK_JOB_COMPLETED" | "BLOCK_JOB_CANCELLED" => {
                if let Some(volume) = layer::volume_of_merge(event.text("device")) {
                    self.merged(volume, event.text("error")).await;
                }
            }
            "GUEST_PANICKED" => {
                tracing::warn!(instance = %self.id, "the guest's kernel panicked");
                metrics::counter!("pileus_vm_guest_panics_total").increment(1);
                self.drain().await;
            }
            _ => {}
        }
    }

    /// The guest shut itself down and QEMU waits, paused: a soft restart resets it, anything else ends the process.
    pub(super) async fn guest_shut_down(&mut self) {
        self.drain().await;
        let Some(live) = &mut self.live else { return };
        match live.intent {
            Intent::Reset { boot, .. } => return self.reset_now(boot).await,
            Intent::Stop { .. } => {}
            Intent::None => self.record.down = true,
        }
        tracing::info!(instance = %self.id, by_itself = self.record.down, "the guest shut down");
        self.record.running = None;
        // Written before the process ends: after a crash in between, the guest is not taken for one that died.
        self.write_down(true);
        self.seal_fleeces().await;
        self.command(qapi_qmp::quit {}).await;
        let Some(live) = &mut self.live else { return };
        if tokio::time::timeout(END, live.process.exited()).await.is_err() {
            tracing::warn!(instance = %self.id, "QEMU does not quit and is killed");
            live.process.kill(END).await;
        }
        self.fault = None;
        self.put_away().await;
    }

    pub(super) async fn was_reset(&mut self, by_guest: bool) {
        self.drain().await;
        self.file_systems_are_new();
        let Some(live) = &mut self.live else { return };
        let Intent::Reset { boot, how, .. } = live.intent else { return };
        if by_guest && how == Reset::Hard {
            return; // Its own reset came first; ours is still to come.
        }
        live.intent = Intent::None;
        self.record.boot = self.record.boot.max(boot);
        self.fault = None;
        self.write_down(false);
        if !by_guest {
            // After a shutdown the guest is paused until it is told to go on; otherwise this changes nothing.
            self.command(qapi_qmp::cont {}).await;
        }
    }

    pub(super) fn stalled(&mut self, event: &Event) {
        let kind = if event.flag("nospace") { FaultKind::DiskFull } else { FaultKind::Other };
        if let Some(live) = &mut self.live {
            live.stalled = true;
        }
        if kind == FaultKind::DiskFull {
            // What is kept for snapshots gives way to the guest, which goes on at the next look.
            self.give_up_fleeces(kind, "the pool had no room for what the guest writes");
        }
        let words =
            format!("the guest is paused: {} of {} failed: {}", event.text("operation"), event.text("node-name"), event.text("reason"));
        self.complain(Trouble::new(kind, words));
    }

    /// The guest is found paused, perhaps since before this agent began, and what it waits for is not there yet.
    fn is_stalled(&mut self, Trouble { kind, detail }: Trouble) {
        let Some(live) = &mut self.live else { return };
        if !std::mem::replace(&mut live.stalled, true) {
            self.complain(Trouble::new(kind, format!("the guest is paused: {detail}")));
        }
    }

    pub(super) fn resumed(&mut self) {
        if let Some(live) = &mut self.live
            && std::mem::take(&mut live.stalled)
        {
            tracing::info!(instance = %self.id, "the guest goes on");
            self.fault = None;
        }
    }

    pub(super) async fn lose_monitor(&mut self) {
        self.shared.set_monitor(None).await;
        if let Some(live) = &mut self.live {
            live.monitor = None;
            // Most often the process is just ending, which is seen at once; otherwise connect again soon.
            self.health_at = Instant::now() + DRAIN_MIN;
        }
    }

    pub(super) async fn on_deadline(&mut self) {
        let now = Instant::now();
        let Some(live) = &mut self.live else { return };
        match &mut live.intent {
            Intent::None => {}
            Intent::Stop { deadline, .. } if *deadline <= now => {
                tracing::info!(instance = %self.id, "the guest did not shut down in time");
                self.kill().await;
            }
            Intent::Reset { boot, how: Reset::Soft, deadline, .. } if *deadline <= now => {
                let boot = *boot;
                self.reset_now(boot).await;
            }
            Intent::Reset { how: Reset::Hard, .. } => {
                live.intent = Intent::None;
                self.complain(Trouble::new(FaultKind::Hung, "a reset was not confirmed"));
            }
            Intent::Stop { press, .. } | Intent::Reset { press, .. } => {
                *press = now + PRESS;
                self.press_power_button().await;
            }
        }
    }

    pub(super) async fn check_health(&mut self) {
        self.health_at = Instant::now() + HEALTH;
        self.bound_log();
        if self.connect().await.is_err() {
            return;
        }
        let Some(status) = self.command(qapi_qmp::query_status {}).await else { return };
        if self.fault.as_ref().is_some_and(|(t, _)| t.kind == FaultKind::Hung) {
            self.fault = None;
        }
        match status.status {
            qapi_qmp::RunState::shutdown => self.guest_shut_down().await,
            // An agent was killed before it had given the keys of the disks; the next start gives them.
            qapi_qmp::RunState::prelaunch => return self.kill().await,
            qapi_qmp::RunState::io_error => match self.host.pool.require_room() {
                Ok(()) => drop(self.command(qapi_qmp::cont {}).await),
                Err(trouble) => self.is_stalled(trouble),
            },
            // An agent was killed while it ended the machine.
            qapi_qmp::RunState::paused if self.record.ending => return self.kill().await,
            // An agent was killed between two steps of a snapshot.
            qapi_qmp::RunState::paused if self.record.paused => self.go_on().await,
            // Everything else resolves itself or was asked for by somebody at the monitor.
            _ => self.resumed(),
        }
        self.thaw_what_is_held().await;
        self.tend_fleeces().await;
        self.tend_layers().await;
    }

    /// Begins QEMU's log again when it is long: a guest can make QEMU complain as often as it likes.
    fn bound_log(&self) {
        let log = std::fs::File::options().append(true).open(start::log_path(&self.host.folder(self.id)));
        let cut = log.and_then(|log| if log.metadata()?.len() > LOG_BYTES { log.set_len(0) } else { Ok(()) });
        if let Err(e) = cut {
            tracing::debug!(instance = %self.id, error = %e, "QEMU's log was not looked at");
        }
    }

    /// Makes sure that there is a connection to the monitor.
    pub(super) async fn connect(&mut self) -> Result<(), ()> {
        let Some(live) = &mut self.live else { return Err(()) };
        if live.monitor.is_some() {
            return Ok(());
        }
        match Qmp::connect(&start::monitor_path(&self.host.folder(self.id)), COMMAND).await {
            Ok((qmp, events)) => {
                live.monitor = Some((qmp.clone(), events));
                self.shared.set_monitor(Some(qmp)).await;
                self.settle_disks().await;
                self.settle_cards().await;
                Ok(())
            }
            Err(e) => {
                self.complain(Trouble::new(FaultKind::Hung, format!("the monitor does not answer: {e}")));
                Err(())
            }
        }
    }

    pub(super) async fn press_power_button(&mut self) {
        self.command(qapi_qmp::system_powerdown {}).await;
    }

    /// Executes a command; what goes wrong becomes the machine's fault.
    pub(super) async fn command<C: qapi_qmp::QmpCommand>(&mut self, command: C) -> Option<C::Ok> {
        let (qmp, _) = self.live.as_ref()?.monitor.as_ref()?;
        let answer = qmp.clone().execute(command, COMMAND).await;
        self.answered(C::NAME, answer)
    }

    /// The result of a command; what went wrong becomes a complaint.
    pub(super) fn answered<T>(&mut self, command: &str, answer: Result<T, QmpError>) -> Option<T> {
        match answer {
            Ok(value) => Some(value),
            Err(e) => {
                metrics::counter!("pileus_qmp_failures_total").increment(1);
                let kind = match e {
                    QmpError::Timeout(_) => FaultKind::Hung,
                    QmpError::Closed => return None, // The end of the process follows, or a new connection.
                    QmpError::Refused { .. } | QmpError::Protocol(_) | QmpError::Connect(_) => FaultKind::Other,
                };
                self.complain(Trouble::new(kind, format!("{command}: {e}")));
                None
            }
        }
    }

    pub(super) async fn drain(&mut self) {
        let wrote = self.shared.drain().await.unwrap_or_default() > 0;
        self.drain_every = if wrote { DRAIN_MIN } else { (self.drain_every * 2).min(DRAIN_MAX) };
        self.drain_at = Instant::now() + self.drain_every;
    }
}
