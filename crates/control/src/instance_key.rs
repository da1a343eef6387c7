//! Key pairs of instances that are there already.

use model::{Changed, InstanceId};
use serde::Serialize;
use store::Tx;

use crate::Failure;
use crate::auth::Target;
use crate::instance::{StateChange, for_each, targets};
use crate::key_pair::guest_keys;
use crate::run::{Command, Cx};

/// Changes which key pairs instances have; all of them or none.
///
/// A guest hears of it at its next boot. Adding one that an instance has, or taking one that it does not have, changes nothing.
#[derive(Debug, Clone, Serialize)]
pub struct ChangeInstanceKey {
    /// Which instances.
    pub ids: Vec<InstanceId>,
    /// What becomes of their keys.
    pub change: KeyChange,
}

/// What becomes of the key pairs of an instance.
#[derive(Debug, Clone, Serialize)]
pub enum KeyChange {
    /// It is the one of this name afterwards, and no other.
    Replace(String),
    /// Those of these names are among them afterwards.
    Add(Vec<String>),
    /// Those of these names, which need not be there any more, are not among them afterwards.
    Take(Vec<String>),
}

impl KeyChange {
    fn names(&self) -> &[String] {
        match self {
            KeyChange::Replace(name) => std::slice::from_ref(name),
            KeyChange::Add(names) | KeyChange::Take(names) => names,
        }
    }
}

impl Command for ChangeInstanceKey {
    type Reply = Vec<StateChange>;
    const NAME: &'static str = "ChangeInstanceKey";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        let mut all = targets(tx, cx, &self.ids)?;
        for name in self.change.names() {
            let found = tx.key_pair_named(cx.caller.account(), name)?;
            all.extend(found.map(|key| Target::of("key-pair", &key.name, &key.tags)));
        }
        Ok(all)
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<Vec<StateChange>, Failure> {
        let given = match &self.change {
            KeyChange::Replace(_) | KeyChange::Add(_) => guest_keys(tx, cx.caller.account(), self.change.names())?,
            KeyChange::Take(_) => vec![],
        };
        for_each(tx, cx, &self.ids, |_, instance| {
            instance.check_on_host()?;
            let guest = &mut instance.guest;
            let before = guest.keys.len();
            let is_changed = match &self.change {
                KeyChange::Replace(_) => {
                    guest.keys.clone_from(&given);
                    true
                }
                KeyChange::Add(_) => guest.add_keys(given.iter().cloned())?,
                KeyChange::Take(names) => {
                    guest.keys.retain(|key| !names.contains(&key.name));
                    guest.keys.len() < before
                }
            };
            Ok(if is_changed { Changed::Yes } else { Changed::No })
        })
    }
}
