//! Changes of the type of an instance: of a stopped one at once, of one that is stopped for it when it has come to rest.
//!
//! ```text
//!   Stopped ──────────────────────────────▶ Stopped, of the new type
//!   Running ──▶ Stopping, with the change ──▶ Stopped, of the new type ──▶ Starting
//! ```
//!
//! From the moment that a change is accepted its instance takes the larger of both types from its host, so that nobody else takes
//! the room before it has stopped. Not known here: whether the host has that room.

use serde::{Deserialize, Serialize};

use crate::instance_type::Scheme;
use crate::{Catalogue, Changed, Error, Instance, InstanceType, Mib, Millis, Noun, Phase, Stop};

/// A change that waits for its instance to stop.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TypeChange {
    /// Name of the new type.
    pub instance_type: String,
    /// Virtual processors of the new type.
    pub vcpus: u32,
    /// Memory of the new type.
    pub memory: Mib,
    /// Whether the instance is started again after it.
    pub restarts: bool,
}

impl TypeChange {
    /// Changes an instance to a type that is asked for by this name, and starts it again after that.
    ///
    /// A guest meets its metadata by what its firmware says, which follows from whose name the type goes by: an instance that was
    /// launched by a name of ECS's keeps one, and one that was not gets none.
    pub fn new(instance: &Instance, kind: &InstanceType, asked: &str) -> TypeChange {
        let scheme = |name: &str| Catalogue::standard().scheme_of(name).unwrap_or(Scheme::Ec2);
        let (had, wanted) = (scheme(&instance.instance_type), scheme(asked));
        let is_ecs = |scheme| scheme == Scheme::Ecs;
        let name = match (is_ecs(had), is_ecs(wanted)) {
            (true, false) => kind.ecs_name(),
            (false, true) if had == Scheme::Cvm => kind.cvm_name(),
            (false, true) => kind.ec2_name(),
            (true, true) | (false, false) => asked,
        };
        TypeChange { instance_type: name.to_owned(), vcpus: kind.vcpus, memory: kind.memory, restarts: true }
    }
}

impl Instance {
    /// Processors and memory that it takes from its host.
    pub fn held(&self) -> (u32, Mib) {
        match &self.type_change {
            _ if !self.holds_capacity() => (0, Mib(0)),
            None => (self.vcpus, self.memory),
            Some(to) => (self.vcpus.max(to.vcpus), self.memory.max(to.memory)),
        }
    }

    /// Gives a stopped instance another type.
    pub fn change_type(&mut self, to: TypeChange) -> Result<Changed, Error> {
        if self.phase != Phase::Stopped {
            return Err(self.refuse_type_change("stopped"));
        }
        if self.instance_type == to.instance_type {
            return Ok(Changed::No);
        }
        self.take_type(to);
        Ok(Changed::Yes)
    }

    /// Does the same; a running instance is stopped for it and started again.
    pub fn change_type_by_restart(&mut self, to: TypeChange, grace_seconds: u32, now: Millis) -> Result<Changed, Error> {
        match self.phase {
            Phase::Running => {
                if self.instance_type == to.instance_type {
                    return Ok(Changed::No);
                }
                self.stop(Stop { keep_capacity: true, grace_seconds }, now)?;
                self.type_change = Some(to);
                Ok(Changed::Yes)
            }
            Phase::Stopped => self.change_type(to),
            Phase::Launching { .. } | Phase::Starting { .. } | Phase::Stopping { .. } | Phase::Terminating { .. } | Phase::Terminated => {
                Err(self.refuse_type_change("running or stopped"))
            }
        }
    }

    /// A stopped instance of the type that it was stopped for; none when it was not.
    pub(crate) fn with_type_changed(&self, now: Millis) -> Option<Result<Instance, Error>> {
        let to = self.type_change.clone()?;
        let restarts = to.restarts;
        let mut next = self.clone();
        next.take_type(to);
        Some(if restarts { next.start(now).map(|_| next) } else { Ok(next) })
    }

    fn take_type(&mut self, to: TypeChange) {
        (self.instance_type, self.vcpus, self.memory) = (to.instance_type, to.vcpus, to.memory);
        self.type_change = None;
    }

    fn refuse_type_change(&self, wanted: &'static str) -> Error {
        Error::IncorrectState { noun: Noun::Instance, id: self.id.to_string(), state: self.phase.word(), wanted }
    }
}
