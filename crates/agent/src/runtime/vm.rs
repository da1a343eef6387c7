//! The task of one machine: it alone touches the machine's process, folder and record, one wish at a time, the newest wins.
//!
//! ```text
//!   wish (start, stop, reset, grow, remove) ──┐
//!   event of QEMU, end of the process ────────┼──▶ act ──▶ status ──▶ coordinator
//!   deadline, health check, console drain ────┘
//! ```
//!
//! Waiting for a guest (power button, soft reset) is a state with a deadline, not a wait, so a newer wish is heard at once.
//! A QEMU that does not answer is reported and left alone as long as its process lives, unless it is to be off.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use hostspec::{FaultKind, HostSpec, Reset, SOFT_RESET_SECONDS, VmSpec};
use model::{InstanceId, VolumeId};
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};

use super::host::Host;
use super::start::{self, Started};
use super::status::{Shared, Status};
use crate::block::Claim;
use crate::cage::{Cage, Inmate};
use crate::cgroup::Limits;
use crate::plan::{Change, Phase, SeenVm};
use crate::qemu::args::disk_node;
use crate::qemu::process::Process;
use crate::qemu::qmp::{Event, Qmp, QmpError};
use crate::trouble::{Trouble, retry_after_ms};

/// Longest wait for QEMU to answer a command; a healthy one needs a millisecond, one on a swapping host a second.
const COMMAND: Duration = Duration::from_secs(5);
/// Time between two looks at a machine that says nothing.
const HEALTH: Duration = Duration::from_secs(10);
/// Longest wait for a process to end after it was killed, or after QEMU said that it ends.
const END: Duration = Duration::from_secs(10);
/// Time between two presses of the power button: a guest that is still booting misses the first.
const PRESS: Duration = Duration::from_secs(5);
/// Time to wait for a reset to be confirmed.
const RESET: Duration = Duration::from_secs(10);
/// Time that a machine must run before its last death is forgotten; shorter lives are failures in a row.
const STEADY: Duration = Duration::from_secs(30);
/// Shortest and longest time between two drains of the console: often while the guest writes, seldom while it is quiet.
const DRAIN_MIN: Duration = Duration::from_secs(1);
const DRAIN_MAX: Duration = Duration::from_secs(16);

/// What the coordinator wants next of a machine, with the document that it comes from.
#[derive(Debug, Clone)]
pub struct Wish {
    /// Grows with every wish.
    pub number: u64,
    /// What to do.
    pub change: Change,
    /// The document.
    pub spec: Arc<HostSpec>,
}

/// What is written down about a machine.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
struct Record {
    /// Number that its uid follows from.
    slot: Option<u32>,
    /// Restart count under which it was started or last reset.
    boot: u64,
    /// Whether the guest shut itself down.
    down: bool,
    /// The run of the host in which it was last running, if it should be running still.
    running: Option<String>,
}

/// A process that runs, or hangs.
struct Live {
    process: Process,
    inmate: Inmate,
    monitor: Option<(Qmp, mpsc::Receiver<Event>)>,
    claims: Vec<(VolumeId, Claim)>,
    intent: Intent,
    since: Instant,
    /// Whether QEMU paused the guest because a write failed.
    stalled: bool,
}

/// What the guest is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Intent {
    None,
    Stop { grace_seconds: u32, deadline: Instant, press: Instant },
    Reset { boot: u64, how: Reset, deadline: Instant, press: Instant },
}

enum Wake {
    Wish,
    Event(Option<Event>),
    Exited,
    Deadline,
    Drain,
    Health,
    Steady,
    End,
}

/// The task of one machine.
pub struct VmTask {
    host: Arc<Host>,
    id: InstanceId,
    shared: Arc<Shared>,
    wishes: watch::Receiver<Option<Wish>>,
    record: Record,
    cage: Option<(Cage, Limits)>,
    live: Option<Live>,
    phase: Option<Phase>,
    fault: Option<(Trouble, u32)>,
    retry_at_ms: i64,
    tried: u64,
    done: u64,
    gone: bool,
    drain_at: Instant,
    drain_every: Duration,
    health_at: Instant,
}

impl VmTask {
    /// Makes the task of a machine; it looks at what is there first.
    pub fn new(host: Arc<Host>, id: InstanceId, shared: Arc<Shared>, wishes: watch::Receiver<Option<Wish>>) -> VmTask {
        let mut record: Record = crate::files::load(&host.folder(id).join("record.json"))
            .inspect_err(|e| tracing::error!(instance = %id, error = %e, "the record is unreadable, a new one is begun"))
            .ok()
            .flatten()
            .unwrap_or_default();
        record.slot = Some(host.take_slot(record.slot));
        let now = Instant::now();
        VmTask {
            host,
            id,
            shared,
            wishes,
            record,
            cage: None,
            live: None,
            phase: Some(Phase::Starting),
            fault: None,
            retry_at_ms: 0,
            tried: 0,
            done: 0,
            gone: false,
            drain_at: now,
            drain_every: DRAIN_MIN,
            health_at: now + HEALTH,
        }
    }

    /// Runs until the machine is removed, or the coordinator goes; then the guest runs on by itself.
    pub async fn run(mut self) {
        self.adopt().await;
        self.phase = None;
        loop {
            self.publish();
            if self.gone {
                return;
            }
            match self.wake().await {
                Wake::End => return,
                Wake::Wish => self.obey().await,
                Wake::Event(Some(event)) => self.react(event).await,
                Wake::Event(None) => self.lose_monitor().await,
                Wake::Exited => self.died().await,
                Wake::Deadline => self.on_deadline().await,
                Wake::Drain => self.drain().await,
                Wake::Health => self.check_health().await,
                Wake::Steady => self.fault = None,
            }
        }
    }

    async fn wake(&mut self) -> Wake {
        let (drain_at, health_at, faulty) = (self.drain_at, self.health_at, self.fault.is_some());
        let Some(live) = &mut self.live else {
            return if self.wishes.changed().await.is_ok() { Wake::Wish } else { Wake::End };
        };
        let deadline = match live.intent {
            Intent::None => None,
            Intent::Stop { deadline, press, .. } | Intent::Reset { deadline, press, .. } => Some(deadline.min(press)),
        };
        let steady = (faulty && !live.stalled && live.monitor.is_some()).then(|| live.since + STEADY);
        tokio::select! {
            biased;
            wish = self.wishes.changed() => if wish.is_ok() { Wake::Wish } else { Wake::End },
            event = next_event(&mut live.monitor) => Wake::Event(event),
            () = live.process.exited() => Wake::Exited,
            () = at(deadline) => Wake::Deadline,
            () = sleep_until(drain_at) => Wake::Drain,
            () = sleep_until(health_at) => Wake::Health,
            () = at(steady) => Wake::Steady,
        }
    }

    /// Finds what an earlier agent left: a guest that runs, one that ended meanwhile, or nothing.
    async fn adopt(&mut self) {
        let folder = self.host.folder(self.id);
        let inmate = match crate::cage::inmate(&folder) {
            Ok(inmate) => inmate,
            Err(e) => return self.fail(Trouble::io("reading which process it is", &e)),
        };
        let process = inmate.as_ref().and_then(|i| start::find(i).unwrap_or_default());
        match (inmate, process) {
            (Some(inmate), Some(process)) => self.take_over(inmate, process).await,
            (Some(_), None) if self.record.running.as_ref() == Some(&crate::files::boot_id()) => {
                tracing::warn!(instance = %self.id, "QEMU ended while no agent was there");
                self.record.running = None;
                self.fail(Trouble::new(FaultKind::Died, "QEMU ended while no agent was there"));
                self.clear_away().await;
            }
            (Some(_) | None, None) | (None, Some(_)) => self.clear_away().await,
        }
    }

    async fn take_over(&mut self, inmate: Inmate, process: Process) {
        tracing::info!(instance = %self.id, pid = process.pid(), "guest found running");
        metrics::counter!("pileus_vm_adoptions_total").increment(1);
        self.record.boot = self.record.boot.max(inmate.boot);
        let claims = self.claims_of_open_files(process.pid());
        let (intent, since) = (Intent::None, Instant::now());
        self.live = Some(Live { process, inmate, monitor: None, claims, intent, since, stalled: false });
        self.check_health().await;
    }

    /// The volumes that a process has open, by its descriptors: true whatever documents said since it was started.
    fn claims_of_open_files(&self, pid: i32) -> Vec<(VolumeId, Claim)> {
        let open = std::fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
        let targets: Vec<_> = open.filter_map(|entry| std::fs::read_link(entry.path()).ok()).collect();
        let files = self.host.pool.files().unwrap_or_default();
        let volumes = files.into_iter().filter(|(_, _, path)| targets.contains(&std::fs::canonicalize(path).unwrap_or_default()));
        volumes.filter_map(|(volume, _, _)| Some((volume, self.host.pool.claim(volume).ok()?))).collect()
    }

    async fn obey(&mut self) {
        let Some(wish) = self.wishes.borrow_and_update().clone() else { return };
        let vm = wish.spec.vms.iter().find(|vm| vm.id == self.id).cloned();
        tracing::info!(instance = %self.id, change = ?wish.change, "change");
        match (wish.change, vm) {
            (Change::PrepareVm { .. }, Some(vm)) => self.prepare(&vm).await,
            (Change::StartVm { boot, .. }, Some(vm)) => self.start(&wish.spec, &vm, boot).await,
            (Change::StopVm { grace_seconds, .. }, _) => self.stop(grace_seconds).await,
            (Change::ResetVm { boot, how, .. }, _) => self.reset(boot, how).await,
            (Change::GrowDisk { volume, size_bytes, .. }, _) => self.grow(volume, size_bytes).await,
            (Change::SettleVm { .. }, _) => {
                self.record.down = false;
                self.write_down(true);
            }
            (Change::RemoveVm { .. }, _) => self.remove().await,
            (Change::PrepareVm { .. } | Change::StartVm { .. }, None) => {}
            (Change::ApplyNetwork | Change::CreateVolume { .. } | Change::GrowVolume { .. } | Change::DeleteVolume { .. }, _) => {
                tracing::error!(instance = %self.id, "a change of the host reached a machine")
            }
        }
        self.done = wish.number;
    }

    async fn prepare(&mut self, vm: &VmSpec) {
        if self.live.is_some() || self.cage.is_some() {
            return;
        }
        match self.build_cage(vm).await {
            Ok(cage) => self.cage = Some((cage, Host::limits(vm))),
            Err(trouble) => self.fail(trouble),
        }
    }

    async fn build_cage(&self, vm: &VmSpec) -> Result<Cage, Trouble> {
        let (host, vm) = (self.host.clone(), vm.clone());
        let built = tokio::task::spawn_blocking(move || start::prepare(&host, &vm)).await;
        built.map_err(|e| Trouble::new(FaultKind::Other, e.to_string()))?
    }

    async fn start(&mut self, spec: &Arc<HostSpec>, vm: &VmSpec, boot: u64) {
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
                self.retry_at_ms = 0;
                // A death is forgotten only when the machine has run for a while: a guest that kills its QEMU again and again waits longer each time.
                self.fault = self.fault.take().filter(|(trouble, _)| trouble.kind == FaultKind::Died);
                self.record.running = Some(started.inmate.identity.boot_id.clone());
                self.hold(started).await;
                self.write_down(false);
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
    async fn try_start(&mut self, spec: &Arc<HostSpec>, vm: &VmSpec, boot: u64) -> Result<Started, Trouble> {
        let cage = match self.cage.take() {
            Some((cage, limits)) if limits == Host::limits(vm) => cage,
            Some(_) | None => self.build_cage(vm).await?,
        };
        let uid = self.host.uid(self.record.slot.unwrap_or_default());
        start::start(&self.host, spec, vm, start::As { uid, boot, cage }, unwanted(self.wishes.clone())).await
    }

    async fn hold(&mut self, started: Started) {
        let Started { process, inmate, monitor, events, claims } = started;
        self.shared.set_monitor(Some(monitor.clone())).await;
        let (intent, since) = (Intent::None, Instant::now());
        self.live = Some(Live { process, inmate, monitor: Some((monitor, events)), claims, intent, since, stalled: false });
        self.drain_every = DRAIN_MIN;
        self.drain_at = since + DRAIN_MIN;
        self.health_at = since + HEALTH;
    }

    async fn stop(&mut self, grace_seconds: u32) {
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

    async fn reset(&mut self, boot: u64, how: Reset) {
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

    async fn reset_now(&mut self, boot: u64) {
        let deadline = Instant::now() + RESET;
        self.set_intent(Intent::Reset { boot, how: Reset::Hard, deadline, press: deadline });
        self.drain().await;
        self.command(qapi_qmp::system_reset {}).await;
    }

    async fn grow(&mut self, volume: VolumeId, size_bytes: u64) {
        let resize = qapi_qmp::block_resize { device: None, node_name: Some(disk_node(volume)), size: size_bytes as i64 };
        self.command(resize).await;
    }

    async fn remove(&mut self) {
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

    async fn react(&mut self, event: Event) {
        match event.name.as_str() {
            // QEMU also says SHUTDOWN when it was told to quit or got a signal; then it ends by itself.
            "SHUTDOWN" if event.flag("guest") => self.guest_shut_down().await,
            "RESET" => self.was_reset(event.flag("guest")).await,
            "BLOCK_IO_ERROR" if event.text("action") == "stop" => self.stalled(&event),
            "RESUME" => self.resumed(),
            "GUEST_PANICKED" => {
                tracing::warn!(instance = %self.id, "the guest's kernel panicked");
                metrics::counter!("pileus_vm_guest_panics_total").increment(1);
                self.drain().await;
            }
            _ => {}
        }
    }

    /// The guest shut itself down and QEMU waits, paused: a soft restart resets it, anything else ends the process.
    async fn guest_shut_down(&mut self) {
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
        self.command(qapi_qmp::quit {}).await;
        let Some(live) = &mut self.live else { return };
        if tokio::time::timeout(END, live.process.exited()).await.is_err() {
            tracing::warn!(instance = %self.id, "QEMU does not quit and is killed");
            live.process.kill(END).await;
        }
        self.fault = None;
        self.put_away().await;
    }

    async fn was_reset(&mut self, by_guest: bool) {
        self.drain().await;
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

    fn stalled(&mut self, event: &Event) {
        let kind = if event.flag("nospace") { FaultKind::DiskFull } else { FaultKind::Other };
        if let Some(live) = &mut self.live {
            live.stalled = true;
        }
        let words =
            format!("the guest is paused: {} of {} failed: {}", event.text("operation"), event.text("node-name"), event.text("reason"));
        self.complain(Trouble::new(kind, words));
    }

    fn resumed(&mut self) {
        if let Some(live) = &mut self.live
            && std::mem::take(&mut live.stalled)
        {
            tracing::info!(instance = %self.id, "the guest goes on");
            self.fault = None;
        }
    }

    async fn lose_monitor(&mut self) {
        self.shared.set_monitor(None).await;
        if let Some(live) = &mut self.live {
            live.monitor = None;
            // Most often the process is just ending, which is seen at once; otherwise connect again soon.
            self.health_at = Instant::now() + DRAIN_MIN;
        }
    }

    async fn on_deadline(&mut self) {
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

    async fn check_health(&mut self) {
        self.health_at = Instant::now() + HEALTH;
        if self.connect().await.is_err() {
            return;
        }
        let Some(status) = self.command(qapi_qmp::query_status {}).await else { return };
        if self.fault.as_ref().is_some_and(|(t, _)| t.kind == FaultKind::Hung) {
            self.fault = None;
        }
        match status.status {
            qapi_qmp::RunState::shutdown => self.guest_shut_down().await,
            qapi_qmp::RunState::io_error => {
                if self.host.pool.require_room().is_ok() {
                    self.command(qapi_qmp::cont {}).await;
                }
            }
            // Everything else resolves itself or was asked for by somebody at the monitor.
            _ => self.resumed(),
        }
    }

    /// Makes sure that there is a connection to the monitor.
    async fn connect(&mut self) -> Result<(), ()> {
        let Some(live) = &mut self.live else { return Err(()) };
        if live.monitor.is_some() {
            return Ok(());
        }
        match Qmp::connect(&start::monitor_path(&self.host.folder(self.id)), COMMAND).await {
            Ok((qmp, events)) => {
                live.monitor = Some((qmp.clone(), events));
                self.shared.set_monitor(Some(qmp)).await;
                Ok(())
            }
            Err(e) => {
                self.complain(Trouble::new(FaultKind::Hung, format!("the monitor does not answer: {e}")));
                Err(())
            }
        }
    }

    async fn press_power_button(&mut self) {
        self.command(qapi_qmp::system_powerdown {}).await;
    }

    /// Executes a command; what goes wrong becomes the machine's fault.
    async fn command<C: qapi_qmp::QmpCommand>(&mut self, command: C) -> Option<C::Ok> {
        let (qmp, _) = self.live.as_ref()?.monitor.as_ref()?;
        match qmp.clone().execute(command, COMMAND).await {
            Ok(value) => Some(value),
            Err(e) => {
                metrics::counter!("pileus_qmp_failures_total").increment(1);
                let kind = match e {
                    QmpError::Timeout(_) => FaultKind::Hung,
                    QmpError::Closed => return None, // The end of the process follows, or a new connection.
                    QmpError::Refused { .. } | QmpError::Protocol(_) | QmpError::Connect(_) => FaultKind::Other,
                };
                self.complain(Trouble::new(kind, format!("{}: {e}", C::NAME)));
                None
            }
        }
    }

    async fn drain(&mut self) {
        let wrote = self.shared.drain().await.unwrap_or_default() > 0;
        self.drain_every = if wrote { DRAIN_MIN } else { (self.drain_every * 2).min(DRAIN_MAX) };
        self.drain_at = Instant::now() + self.drain_every;
    }

    /// Kills the process and puts away what belonged to it. Leaves it and complains when it does not end.
    async fn kill(&mut self) {
        self.drain().await;
        let Some(live) = &self.live else { return };
        if !live.process.kill(END).await {
            return self.fail(Trouble::new(FaultKind::Hung, "the process was killed and does not end"));
        }
        self.record.running = None;
        self.write_down(false);
        self.put_away().await;
    }

    /// The process ended although nobody asked it to.
    async fn died(&mut self) {
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

    async fn put_away(&mut self) {
        self.shared.set_monitor(None).await;
        self.live = None;
        self.clear_away().await;
    }

    /// Removes what only a running machine needs.
    async fn clear_away(&self) {
        let (host, id) = (self.host.clone(), self.id);
        let cleared = tokio::task::spawn_blocking(move || -> io::Result<()> {
            let folder = host.folder(id);
            crate::files::remove(&start::monitor_path(&folder))?;
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
    async fn kill_inmate(&self) {
        let inmate = crate::cage::inmate(&self.host.folder(self.id)).ok().flatten();
        if let Some(process) = inmate.and_then(|i| start::find(&i).ok().flatten()) {
            process.kill(END).await;
        }
    }

    fn set_intent(&mut self, intent: Intent) {
        if let Some(live) = &mut self.live {
            live.intent = intent;
        }
    }

    /// Notes a fault and holds back the next try.
    fn fail(&mut self, trouble: Trouble) {
        self.complain(trouble);
        let tries = self.fault.as_ref().map_or(1, |(_, tries)| *tries);
        self.retry_at_ms = crate::files::now_ms() + retry_after_ms(tries);
    }

    fn complain(&mut self, trouble: Trouble) {
        tracing::warn!(instance = %self.id, fault = ?trouble.kind, detail = trouble.detail, "fault");
        let tries = self.fault.as_ref().map_or(0, |(_, tries)| *tries) + 1;
        self.fault = Some((trouble, tries));
    }

    fn write_down(&self, durably: bool) {
        let path = self.host.folder(self.id).join("record.json");
        let written = if durably { crate::files::store_durably(&path, &self.record) } else { crate::files::store(&path, &self.record) };
        if let Err(e) = written {
            tracing::error!(instance = %self.id, error = %e, "the record was not written");
        }
    }

    fn publish(&self) {
        let phase = match (&self.live, self.phase) {
            (_, Some(phase)) => phase,
            (None, None) if self.record.down => Phase::ShutDown,
            (None, None) => Phase::Stopped { prepared: self.cage.is_some() },
            (Some(live), None) => match live.intent {
                Intent::None => Phase::Running,
                Intent::Stop { grace_seconds, .. } => Phase::Stopping { grace_seconds },
                Intent::Reset { boot, how, .. } => Phase::Resetting { boot, how },
            },
        };
        let holds = self.live.iter().flat_map(|live| live.claims.iter().map(|(volume, _)| *volume)).collect();
        let status = Status {
            seen: SeenVm { phase, boot: self.record.boot, retry_at_ms: self.retry_at_ms, tried: self.tried, holds },
            started_at_ms: self.live.as_ref().map_or(0, |live| live.inmate.started_at_ms.max(0) as u64),
            fault: self.fault.as_ref().map(|(trouble, tries)| trouble.fault(*tries)),
            done: self.done,
            gone: self.gone,
        };
        if self.shared.set(status) {
            self.host.changed.notify_one();
        }
    }
}

async fn next_event(monitor: &mut Option<(Qmp, mpsc::Receiver<Event>)>) -> Option<Event> {
    match monitor {
        Some((_, events)) => events.recv().await,
        None => std::future::pending().await,
    }
}

async fn at(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

/// Waits for a wish that makes a start pointless.
async fn unwanted(mut wishes: watch::Receiver<Option<Wish>>) {
    let pointless = |wish: &Option<Wish>| matches!(wish, Some(Wish { change: Change::StopVm { .. } | Change::RemoveVm { .. }, .. }));
    if wishes.wait_for(pointless).await.is_err() {
        std::future::pending().await
    }
}
