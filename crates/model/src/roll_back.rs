//! Disks of an instance that become what they were at snapshots: those of a stopped one at once, those of one that runs when it has
//! been stopped for it.
//!
//! ```text
//!   Stopped, disks rolled back
//!   Running ──▶ Stopping, disks waiting ──▶ Stopped, disks rolled back ──▶ Starting, where that is asked for
//! ```
//!
//! A disk that waits keeps the snapshot that it becomes ([`Volume::rolls_back_to`]), its instance whether it starts again. Not known
//! here: who may do it, and whether the keys of the disks may be used.

use serde::{Deserialize, Serialize};

use crate::{Error, Instance, Millis, Noun, Phase, Snapshot, Stop, Volume};

/// What an instance does for disks that wait for it to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RollBack {
    /// Whether it is started again after it.
    pub restarts: bool,
}

impl Instance {
    /// Stops a running instance for disks that wait for it.
    ///
    /// # Errors
    /// Refused in every other phase, and by protection against stopping.
    pub fn stop_to_roll_back(&mut self, roll_back: RollBack, grace_seconds: u32, now: Millis) -> Result<(), Error> {
        if self.phase != Phase::Running {
            let (noun, id, state) = (Noun::Instance, self.id.to_string(), self.phase.word());
            return Err(Error::IncorrectState { noun, id, state, wanted: "running or stopped" });
        }
        self.stop(Stop { keep_capacity: true, grace_seconds }, now)?;
        self.roll_back = Some(roll_back);
        Ok(())
    }

    /// A stopped instance whose disks need wait no longer; none when none do.
    pub(crate) fn with_roll_back_ended(&self, now: Millis) -> Option<Result<Instance, Error>> {
        let RollBack { restarts } = self.roll_back?;
        let mut next = Instance { roll_back: None, ..self.clone() };
        Some(if restarts { next.start(now).map(|_| next) } else { Ok(next) })
    }
}

impl Volume {
    /// Makes its bytes those of a snapshot, as [`Volume::renew`] does.
    pub fn roll_back(&mut self, snapshot: &Snapshot) -> Result<(), Error> {
        self.renew(Some(snapshot.start()?))
    }

    /// Has it wait for its instance to stop, to be rolled back to a snapshot then. Refused where [`Volume::roll_back`] is.
    pub fn wait_to_roll_back(&mut self, snapshot: &Snapshot) -> Result<(), Error> {
        self.check_not_waiting()?;
        self.clone().roll_back(snapshot)?;
        self.rolls_back_to = Some(snapshot.id);
        Ok(())
    }

    /// Whether it waits to be rolled back, or its host has not made the bytes that it was rolled back to.
    pub fn is_rolling_back(&self) -> bool {
        self.rolls_back_to.is_some() || (self.word() == "in-use" && self.seen_bytes.is_none())
    }

    /// Refuses to change one that waits to be rolled back.
    pub(crate) fn check_not_waiting(&self) -> Result<(), Error> {
        let (noun, id) = (Noun::Volume, self.id.to_string());
        match self.rolls_back_to {
            None => Ok(()),
            Some(_) => Err(Error::IncorrectState { noun, id, state: "rolling back", wanted: "done with its roll back" }),
        }
    }
}
