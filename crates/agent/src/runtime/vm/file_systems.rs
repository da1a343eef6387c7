//! How a machine's task has its guest hold its file systems for the moment in which its disks are frozen.
//!
//! ```text
//!   (an agent has the port open, and answers) ─▶ written down ─▶ freeze ─▶ [disks are switched] ─▶ thaw ─▶ written down
//!                                                    └─ nobody said "thawed": thaw again, at the next look, by the next agent
//! ```
//!
//! A guest without an agent costs one question to QEMU. One that is told to freeze is told to thaw, whatever comes between: an error, a
//! limit, the end of this task, the end of this process.

use std::time::Duration;

use model::Consistency;
use tokio::time::Instant;

use super::super::start;
use super::changes::unwanted;
use super::{COMMAND, Intent, VmTask};
use crate::qemu::guest_agent::{CHANNEL, GuestAgent, GuestAgentError};

/// Longest wait for a guest's agent to answer at all; it takes milliseconds, and a busy guest under the translator some hundred.
const GREETING: Duration = Duration::from_secs(2);
/// Longest wait for a guest to have its file systems written out and held, in which those who write there wait (Windows gives its
/// shadow copies as much).
const FREEZE: Duration = Duration::from_secs(10);
/// Longest wait for a guest to say that it let them go; told so, it does it when it can, whether it is waited for or not.
const THAW: Duration = Duration::from_secs(3);
/// Time until one that did not say so is told again.
const THAW_AGAIN: Duration = Duration::from_secs(1);

/// A guest that holds its file systems, or may. Dropped, it is told to let them go.
pub(super) struct Held {
    agent: GuestAgent,
    since: Instant,
    released: bool,
}

impl Drop for Held {
    fn drop(&mut self) {
        if !self.released && !self.agent.thaw_unheard() {
            tracing::error!("a guest may hold its file systems and could not be told to let them go");
        }
    }
}

impl VmTask {
    /// Has the guest hold its file systems. None when it has no agent that answers, or does not hold them in time.
    pub(super) async fn hold_file_systems(&mut self) -> Option<Held> {
        let goes_on = |live: &super::Live| live.intent == Intent::None && !live.stalled;
        if self.record.held || !self.live.as_ref().is_some_and(goes_on) || !self.has_guest_agent().await {
            return None;
        }
        let mut agent = self.open_guest_agent()?;
        if let Err(e) = agent.synchronise(GREETING).await {
            tracing::info!(instance = %self.id, error = %e, "the guest's agent does not answer");
            return None;
        }
        // Before it is told: an agent of the host that is killed from here on has a successor that knows.
        self.record.held = true;
        self.write_down(false);
        let mut held = Held { agent, since: Instant::now(), released: false };
        let wishes = self.wishes.clone();
        let frozen = tokio::select! {
            frozen = held.agent.freeze(FREEZE) => frozen,
            () = unwanted(wishes) => Err(GuestAgentError::Closed),
        };
        match frozen {
            Ok(count) if count > 0 => return Some(held),
            Ok(_) => tracing::info!(instance = %self.id, "the guest has no file system to hold"),
            Err(e) => tracing::warn!(instance = %self.id, error = %e, "the guest does not hold its file systems"),
        }
        self.let_file_systems_go(held).await;
        None
    }

    /// Has the guest let its file systems go, and says what they were meanwhile: only of one that has held them to the end it is known.
    pub(super) async fn let_file_systems_go(&mut self, mut held: Held) -> Consistency {
        let thawed = held.agent.thaw(THAW).await;
        let took = held.since.elapsed();
        metrics::histogram!("pileus_guest_hold_seconds").record(took);
        match thawed {
            Ok(count) => {
                held.released = true;
                self.record.held = false;
                self.write_down(false);
                tracing::info!(instance = %self.id, file_systems = count, ?took, "the guest held its file systems");
                if count > 0 { Consistency::FileSystem } else { Consistency::Crash }
            }
            Err(e) => {
                tracing::warn!(instance = %self.id, error = %e, "the guest does not say that it let its file systems go");
                self.health_at = Instant::now() + THAW_AGAIN;
                Consistency::Crash
            }
        }
    }

    /// Tells a guest again that has not said that it let its file systems go, perhaps to an earlier agent of the host.
    pub(super) async fn thaw_what_is_held(&mut self) {
        if !self.record.held || !self.has_guest_agent().await {
            return;
        }
        let Some(mut agent) = self.open_guest_agent() else { return };
        match agent.thaw(GREETING).await {
            Ok(count) => {
                tracing::info!(instance = %self.id, file_systems = count, "the guest let its file systems go");
                self.record.held = false;
                self.write_down(false);
            }
            Err(e) => {
                metrics::counter!("pileus_guest_thaw_failures_total").increment(1);
                tracing::warn!(instance = %self.id, error = %e, "the guest does not say that it let its file systems go");
            }
        }
    }

    /// The guest began anew: what it held it holds no more.
    pub(super) fn file_systems_are_new(&mut self) {
        if std::mem::take(&mut self.record.held) {
            self.write_down(false);
        }
    }

    /// Whether a program in the guest has the agent's port open.
    async fn has_guest_agent(&self) -> bool {
        let Some((qmp, _)) = self.live.as_ref().and_then(|live| live.monitor.as_ref()) else { return false };
        match qmp.clone().execute(qapi_qmp::query_chardev {}, COMMAND).await {
            Ok(channels) => channels.iter().any(|channel| channel.label == CHANNEL && channel.frontend_open),
            Err(e) => {
                tracing::debug!(instance = %self.id, error = %e, "whether the guest has an agent is not known");
                false
            }
        }
    }

    fn open_guest_agent(&self) -> Option<GuestAgent> {
        let path = start::guest_agent_path(&self.host.folder(self.id));
        let opened = GuestAgent::open(&path);
        opened.inspect_err(|e| tracing::warn!(instance = %self.id, error = %e, "the guest's agent cannot be reached")).ok()
    }
}
