//! Timed release of instances. The time stands in their rows and in their wakes, and what it brings is one transaction with the wake's
//! end, so that it happens once whoever crashes.

use model::{Error, InstanceId, Millis};
use serde::Serialize;
use store::Tx;

use crate::Failure;
use crate::auth::Target;
use crate::instance::{StateChange, for_each, targets};
use crate::run::{Command, Cx};

/// Sets when instances are released, or that they are not; all of them or none.
#[derive(Debug, Clone, Serialize)]
pub struct SetInstanceRelease {
    /// Which ones.
    pub ids: Vec<InstanceId>,
    /// When; none for never.
    pub at: Option<Millis>,
    /// Whether a time that is set already may be replaced (CVM has one timer for an instance and refuses another).
    pub replaces: bool,
}

impl Command for SetInstanceRelease {
    type Reply = Vec<StateChange>;
    const NAME: &'static str = "SetInstanceRelease";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        targets(tx, cx, &self.ids)
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<Vec<StateChange>, Failure> {
        for_each(tx, cx, &self.ids, |_, instance| {
            if !self.replaces && instance.attributes.release_at.is_some() {
                let what = format!("timers of the instance {}", instance.id);
                return Err(Error::LimitReached { name: "ActionTimer", what, limit: 1 }.into());
            }
            Ok(instance.set_release(self.at, cx.now)?)
        })
    }
}
