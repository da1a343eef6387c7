//! What the task of a machine tells: read by the coordinator, never waited for.

use std::sync::{Arc, Mutex, PoisonError};

use hostspec::{Fault, VmReport, VmState};
use model::InstanceId;

use crate::plan::{Phase, SeenVm};
use crate::qemu::args::CONSOLE;
use crate::qemu::qmp::{Qmp, QmpError};
use crate::qemu::serial::{Console, RING_BYTES};

/// Longest wait for QEMU to hand over its console ring.
const DRAIN_LIMIT: std::time::Duration = std::time::Duration::from_secs(2);

/// A machine as its task last described it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// What the planner sees.
    pub seen: SeenVm,
    /// When the process started, in milliseconds since the epoch; 0 when none runs.
    pub started_at_ms: u64,
    /// Last thing that went wrong.
    pub fault: Option<Fault>,
    /// Number of the last wish that was dealt with.
    pub done: u64,
    /// Whether every trace of the machine is gone.
    pub gone: bool,
}

impl Status {
    /// The status of a machine whose task has not looked yet: nothing is decided about it.
    pub fn unknown() -> Status {
        let seen = SeenVm {
            phase: Phase::Starting,
            boot: 0,
            retry_at_ms: 0,
            tried: 0,
            holds: vec![],
            leaving: vec![],
            nics: vec![],
            limits: vec![],
        };
        Status { seen, started_at_ms: 0, fault: None, done: 0, gone: false }
    }

    /// What a report says about the machine.
    pub fn report(&self, id: InstanceId) -> VmReport {
        let state = match self.seen.phase {
            Phase::Stopped { .. } | Phase::Starting => VmState::Stopped,
            Phase::Running | Phase::Resetting { .. } => VmState::Running,
            Phase::Stopping { .. } => VmState::Stopping,
            Phase::ShutDown => VmState::ShutDown,
        };
        let (boot, started_at_ms, fault) = (self.seen.boot, self.started_at_ms, self.fault.clone());
        let mut disks = if self.alive() { self.seen.holds.clone() } else { vec![] };
        disks.sort();
        let mut nics = if self.alive() { self.seen.nics.clone() } else { vec![] };
        nics.sort();
        VmReport { id, state, boot, started_at_ms, guest_up: false, disks, nics, fault }
    }

    /// Whether a process runs or is being made.
    pub fn alive(&self) -> bool {
        !matches!(self.seen.phase, Phase::Stopped { .. } | Phase::ShutDown)
    }
}

/// What a machine's task, the coordinator and the API share.
#[derive(Debug)]
pub struct Shared {
    status: Mutex<Status>,
    console: Console,
    /// The monitor to drain the console from; the lock keeps the order of what is drained.
    monitor: tokio::sync::Mutex<Option<Qmp>>,
}

impl Shared {
    /// Of a machine that keeps its console in this file.
    pub fn new(console: Console) -> Arc<Shared> {
        Arc::new(Shared { status: Mutex::new(Status::unknown()), console, monitor: tokio::sync::Mutex::new(None) })
    }

    /// The status now.
    pub fn status(&self) -> Status {
        self.status.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Sets the status and says whether it differs.
    pub fn set(&self, status: Status) -> bool {
        let mut held = self.status.lock().unwrap_or_else(PoisonError::into_inner);
        let differs = *held != status;
        *held = status;
        differs
    }

    /// Says through which monitor the console is drained.
    pub async fn set_monitor(&self, monitor: Option<Qmp>) {
        *self.monitor.lock().await = monitor;
    }

    /// Moves what the guest wrote from QEMU to the file; returns the number of bytes.
    pub async fn drain(&self) -> Result<usize, QmpError> {
        let held = self.monitor.lock().await;
        let Some(qmp) = held.as_ref() else { return Ok(0) };
        let read =
            qapi_qmp::ringbuf_read { device: CONSOLE.to_owned(), size: RING_BYTES as i64, format: Some(qapi_qmp::DataFormat::base64) };
        let text = qmp.execute(read, DRAIN_LIMIT).await?;
        use base64::Engine as _;
        let bytes = base64::engine::general_purpose::STANDARD.decode(text).map_err(|e| QmpError::Protocol(e.to_string()))?;
        self.console.append(&bytes)?;
        Ok(bytes.len())
    }

    /// The newest output of the guest and when it was last seen to grow, in milliseconds since the epoch. A QEMU that does not
    /// answer leaves it at what was drained before.
    pub async fn console(&self) -> std::io::Result<(Vec<u8>, i64)> {
        if let Err(e) = self.drain().await {
            tracing::debug!(error = %e, "console not drained");
        }
        self.console.newest()
    }
}
