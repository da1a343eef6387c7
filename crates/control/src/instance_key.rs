//! Key pairs of instances that are there already.

use model::{Changed, Error, InstanceId, KeyPair, Noun};
use serde::Serialize;
use store::Tx;

use crate::Failure;
use crate::auth::Target;
use crate::instance::{StateChange, for_each, targets};
use crate::key_pair::{KeyPairRef, find};
use crate::run::{Command, Cx};

/// Gives instances a key pair in the place of the one that they have, or takes one; all of them or none.
///
/// A guest hears of it at its next boot. Taking one that an instance does not have changes nothing.
#[derive(Debug, Clone, Serialize)]
pub struct ChangeInstanceKey {
    /// Which instances.
    pub ids: Vec<InstanceId>,
    /// What becomes of their key.
    pub change: KeyChange,
}

/// What becomes of an instance's key pair.
#[derive(Debug, Clone, Serialize)]
pub enum KeyChange {
    /// It is this one afterwards.
    Give(KeyPairRef),
    /// It is not the one of this name afterwards, which need not be there any more.
    Take(String),
}

impl Command for ChangeInstanceKey {
    type Reply = Vec<StateChange>;
    const NAME: &'static str = "ChangeInstanceKey";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        let mut all = targets(tx, cx, &self.ids)?;
        let which = match &self.change {
            KeyChange::Give(which) => which.clone(),
            KeyChange::Take(name) => KeyPairRef::Name(name.clone()),
        };
        if let Some(key) = find(tx, cx.caller.account(), &which)? {
            all.push(Target::of("key-pair", &key.name, &key.tags));
        }
        Ok(all)
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<Vec<StateChange>, Failure> {
        let given: Option<KeyPair> = match &self.change {
            KeyChange::Give(which) => {
                let found = find(tx, cx.caller.account(), which)?;
                Some(found.ok_or_else(|| Error::not_found(Noun::KeyPair, which))?)
            }
            KeyChange::Take(_) => None,
        };
        for_each(tx, cx, &self.ids, |_, instance| {
            instance.check_on_host()?;
            let guest = &mut instance.guest;
            match &self.change {
                KeyChange::Take(name) if guest.key_name.as_ref() != Some(name) => return Ok(Changed::No),
                KeyChange::Take(_) | KeyChange::Give(_) => {}
            }
            guest.key_name = given.as_ref().map(|key| key.name.clone());
            guest.public_key = given.as_ref().map(|key| key.public_key.clone());
            Ok(Changed::Yes)
        })
    }
}
