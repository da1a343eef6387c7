//! Timed release: an instance that is removed at a time which its owner has set.
//!
//! It comes whatever protects the instance, as ECS documents it, and whatever the instance does then. Until it comes it can be moved or
//! called off. Not known here: what a vendor asks of the time beyond that it can be reached.

use crate::{Changed, Effect, Error, Goal, Instance, Millis, Reason, ReasonKind, Step};

/// How far ahead a release may be set: three years (ECS).
pub const RELEASE_AHEAD_MAX_MS: i64 = 3 * 366 * 86_400_000;

/// Checks the time of a release.
pub fn check_release_time(at: Millis, now: Millis) -> Result<(), Error> {
    if at <= now || at > now.after(RELEASE_AHEAD_MAX_MS) {
        return Err(Error::invalid("AutoReleaseTime", "must be in the future, within three years"));
    }
    Ok(())
}

impl Instance {
    /// Sets the time of its release, or calls the release off.
    pub fn set_release(&mut self, at: Option<Millis>, now: Millis) -> Result<Changed, Error> {
        self.check_on_host()?;
        if self.attributes.release_at == at {
            return Ok(Changed::No);
        }
        at.map_or(Ok(()), |at| check_release_time(at, now))?;
        self.attributes.release_at = at;
        Ok(Changed::Yes)
    }

    /// When it is to be released; none for one that goes already.
    pub fn release_due(&self) -> Option<Millis> {
        self.attributes.release_at.filter(|_| self.goal != Goal::Gone)
    }

    /// The instance on its way out when the time of its release has come.
    pub(crate) fn released(&self, now: Millis) -> Option<Step> {
        if self.release_due().is_none_or(|at| now < at) {
            return None;
        }
        let mut next = self.clone();
        next.remove(Reason::new(ReasonKind::UserRequest, "user initiated"), now);
        Some(Step::Change(Box::new(next), vec![Effect::TouchHost, Effect::Tell("release time reached")]))
    }
}
