//! Events of instances: a restart or a stop that the operator has planned, and rehearsals of such that do nothing.
//!
//! ```text
//!                       its time, or accepted          the guest was restarted, or is stopped
//!   Scheduled ───────────────────────────▶ Executing ────────────────────────▶ Executed
//!     │  └─(restarted before, stopped, gone)──▶ Avoided   └──(deadline)──▶ Failed
//!     └───(called off)──▶ Cancelled
//! ```
//!
//! What has ended stays to be read for a month. A failure that is rehearsed begins as Executing, as it would have come unannounced.
//! Not known here: how a guest is restarted, what a vendor calls any of it.

use serde::{Deserialize, Serialize};

use crate::{AccountId, Changed, Error, Instance, InstanceEventId, InstanceId, Millis, Noun, Phase, Reason, ReasonKind, SeenState, Stop};

/// How long a host may take to carry an event out; a restart that the guest hangs in is forced after a minute.
pub const INSTANCE_EVENT_DEADLINE_MS: i64 = 10 * 60_000;
/// How long a rehearsed restart counts as under way.
pub const REHEARSAL_MS: i64 = 60_000;
/// How soon an event that waits for its instance is looked at again; the host's reports wake the instance, not its events.
pub const INSTANCE_EVENT_LOOK_MS: i64 = 2_000;
/// How long an event that has ended can be read (ECS shows a month).
pub const INSTANCE_EVENT_KEPT_MS: i64 = 30 * 86_400_000;
/// Events of the instances of an account at most, those that have ended included.
pub const INSTANCE_EVENTS_MAX: u64 = 2_000;
/// Events of one instance that have not ended, at most.
pub const EVENTS_PER_INSTANCE_MAX: usize = 20;
/// Longest description of an event in characters.
pub const EVENT_REASON_MAX: usize = 256;

/// An event of an instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceEvent {
    /// Its id.
    pub id: InstanceEventId,
    /// Owner of the instance.
    pub account: AccountId,
    /// The instance.
    pub instance: InstanceId,
    /// Why it comes.
    pub cause: EventCause,
    /// What it does.
    pub impact: EventImpact,
    /// Whether it is real.
    pub origin: EventOrigin,
    /// What the operator says of it.
    pub reason: String,
    /// When it was made known.
    pub published_at: Millis,
    /// When it was to come at first.
    pub planned_for: Millis,
    /// When it comes.
    pub not_before: Millis,
    /// When it is over, as far as that was said.
    pub not_after: Option<Millis>,
    /// Until when the tenant may put it off.
    pub deadline: Millis,
    /// When the tenant agreed to it.
    pub accepted_at: Option<Millis>,
    /// Restart count of the instance when it was planned; of one that is under way, the count that it brings.
    pub boot: u64,
    /// How far it is.
    pub state: EventState,
}

/// Why an event comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventCause {
    /// The operator works on the host.
    SystemMaintenance,
    /// The host has failed.
    SystemFailure,
    /// The guest has failed.
    InstanceFailure,
}

/// What an event does to its instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventImpact {
    /// It is restarted.
    Reboot,
    /// It is stopped.
    Stop,
    /// It is started on another host; only rehearsed.
    Redeploy,
}

/// Whether an event is real.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventOrigin {
    /// The operator has planned it, and it happens.
    Operator,
    /// The tenant rehearses it, and nothing happens but its states.
    Rehearsal,
}

/// How far an event is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum EventState {
    /// Its time has not come.
    Scheduled,
    /// It is under way.
    Executing {
        /// When it is over, or has failed.
        until: Millis,
    },
    /// It is over.
    Ended {
        /// Since when.
        at: Millis,
        /// How.
        how: EventEnd,
    },
}

/// How an event has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventEnd {
    /// It was carried out.
    Executed,
    /// It was called off.
    Cancelled,
    /// There was nothing left to do.
    Avoided,
    /// It could not be carried out in time.
    Failed,
}

impl EventState {
    /// The state in one word.
    pub const fn word(self) -> &'static str {
        match self {
            EventState::Scheduled => "scheduled",
            EventState::Executing { .. } => "executing",
            EventState::Ended { how: EventEnd::Executed, .. } => "executed",
            EventState::Ended { how: EventEnd::Cancelled, .. } => "cancelled",
            EventState::Ended { how: EventEnd::Avoided, .. } => "avoided",
            EventState::Ended { how: EventEnd::Failed, .. } => "failed",
        }
    }
}

/// What is done to the instance when an event comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    /// It is restarted.
    Reboot,
    /// It is stopped, whatever protects it.
    Stop,
}

/// What an event does next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventStep {
    /// Nothing until then.
    Wait(Option<Millis>),
    /// The row changes, and the deed is done in the same transaction.
    Change(Box<InstanceEvent>, Option<Deed>),
    /// The row is deleted.
    Forget,
}

impl InstanceEvent {
    /// When it was over.
    pub const fn ended_at(&self) -> Option<Millis> {
        match self.state {
            EventState::Ended { at, .. } => Some(at),
            EventState::Scheduled | EventState::Executing { .. } => None,
        }
    }

    /// Whether it happens, or has.
    pub fn is_real(&self) -> bool {
        self.origin == EventOrigin::Operator
    }

    /// Moves it to another time, up to the deadline.
    pub fn reschedule(&mut self, to: Millis, now: Millis) -> Result<(), Error> {
        self.require_scheduled()?;
        if to <= now || to > self.deadline {
            let reason = format!("must be in the future, and not after {}", self.deadline.timestamp());
            return Err(Error::invalid("NotBefore", reason));
        }
        let later = to.since(self.not_before);
        self.not_after = self.not_after.map(|end| end.after(later));
        self.not_before = to;
        Ok(())
    }

    /// Agrees to it: it comes at once, or when it is said.
    pub fn accept(&mut self, at: Option<Millis>, now: Millis) -> Result<(), Error> {
        self.require_scheduled()?;
        if let Some(at) = at {
            self.reschedule(at, now)?;
        } else {
            self.not_before = now;
        }
        self.accepted_at = Some(now);
        Ok(())
    }

    /// Calls it off.
    pub fn cancel(&mut self, now: Millis) -> Result<(), Error> {
        if self.origin == EventOrigin::Operator {
            self.require_scheduled()?;
        } else if self.ended_at().is_some() {
            return Err(self.refuse("scheduled or executing"));
        }
        self.state = EventState::Ended { at: now, how: EventEnd::Cancelled };
        Ok(())
    }

    /// Says what next. The same arguments give the same answer.
    pub fn advance(&self, instance: Option<&Instance>, now: Millis) -> EventStep {
        let instance = instance.filter(|instance| instance.is_on_host());
        match self.state {
            EventState::Scheduled => self.advance_scheduled(instance, now),
            EventState::Executing { until } => self.advance_executing(instance, until, now),
            EventState::Ended { at, .. } => {
                let forget_at = at.after(INSTANCE_EVENT_KEPT_MS);
                if now >= forget_at { EventStep::Forget } else { EventStep::Wait(Some(forget_at)) }
            }
        }
    }

    fn advance_scheduled(&self, instance: Option<&Instance>, now: Millis) -> EventStep {
        let Some(instance) = instance else { return self.end(EventEnd::Avoided, now) };
        let restarts = match self.impact {
            EventImpact::Reboot | EventImpact::Redeploy => true,
            EventImpact::Stop => false,
        };
        if restarts && instance.boot > self.boot {
            return self.end(EventEnd::Avoided, now);
        }
        if now < self.not_before {
            return EventStep::Wait(Some(self.not_before));
        }
        match instance.phase {
            Phase::Stopped => self.end(EventEnd::Avoided, now),
            Phase::Running => self.begin(instance, now),
            Phase::Launching { .. } | Phase::Starting { .. } | Phase::Stopping { .. } | Phase::Terminating { .. } | Phase::Terminated => {
                EventStep::Wait(Some(now.after(INSTANCE_EVENT_LOOK_MS)))
            }
        }
    }

    fn begin(&self, instance: &Instance, now: Millis) -> EventStep {
        let mut next = self.clone();
        let (length, deed) = match (self.origin, self.impact) {
            (EventOrigin::Rehearsal, _) => (REHEARSAL_MS, None),
            (EventOrigin::Operator, EventImpact::Reboot | EventImpact::Redeploy) => (INSTANCE_EVENT_DEADLINE_MS, Some(Deed::Reboot)),
            (EventOrigin::Operator, EventImpact::Stop) => (INSTANCE_EVENT_DEADLINE_MS, Some(Deed::Stop)),
        };
        next.state = EventState::Executing { until: now.after(length) };
        next.boot = if deed == Some(Deed::Reboot) { instance.boot + 1 } else { instance.boot };
        EventStep::Change(Box::new(next), deed)
    }

    fn advance_executing(&self, instance: Option<&Instance>, until: Millis, now: Millis) -> EventStep {
        let over = now >= until;
        if self.origin == EventOrigin::Rehearsal {
            return if over { self.end(EventEnd::Executed, now) } else { EventStep::Wait(Some(until)) };
        }
        let done = instance.is_none_or(|instance| match self.impact {
            EventImpact::Stop => instance.phase == Phase::Stopped,
            EventImpact::Reboot | EventImpact::Redeploy => {
                let seen = instance.seen.as_ref();
                seen.is_some_and(|seen| seen.state == SeenState::Running && seen.boot >= self.boot) || instance.phase == Phase::Stopped
            }
        });
        match (done, over) {
            (true, _) => self.end(EventEnd::Executed, now),
            (false, true) => self.end(EventEnd::Failed, now),
            (false, false) => EventStep::Wait(Some(now.after(INSTANCE_EVENT_LOOK_MS).min(until))),
        }
    }

    fn end(&self, how: EventEnd, now: Millis) -> EventStep {
        EventStep::Change(Box::new(InstanceEvent { state: EventState::Ended { at: now, how }, ..self.clone() }), None)
    }

    fn require_scheduled(&self) -> Result<(), Error> {
        if self.state == EventState::Scheduled { Ok(()) } else { Err(self.refuse("scheduled")) }
    }

    fn refuse(&self, wanted: &'static str) -> Error {
        Error::IncorrectState { noun: Noun::InstanceEvent, id: self.id.to_string(), state: self.state.word(), wanted }
    }
}

impl Instance {
    /// Does what an event does; it was found running.
    pub fn suffer(&mut self, deed: Deed, grace_seconds: u32, now: Millis) -> Result<Changed, Error> {
        match deed {
            Deed::Reboot => self.reboot(false, now).map(|()| Changed::Yes),
            Deed::Stop => {
                let protected = std::mem::take(&mut self.attributes.stop_protection);
                let stopped = self.stop(Stop { keep_capacity: true, grace_seconds }, now);
                self.attributes.stop_protection = protected;
                self.reason = Some(Reason::new(ReasonKind::Maintenance, "stopped for maintenance"));
                stopped
            }
        }
    }
}

/// Checks what is said of an event.
pub fn check_event_reason(text: &str) -> Result<(), Error> {
    if text.chars().count() > EVENT_REASON_MAX || text.chars().any(char::is_control) {
        return Err(Error::invalid("Description", format!("must be one line of at most {EVENT_REASON_MAX} characters")));
    }
    Ok(())
}

#[cfg(test)]
#[path = "instance_event_tests.rs"]
mod tests;
