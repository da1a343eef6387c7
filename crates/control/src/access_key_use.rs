//! When access keys were last used: noted in memory by each request, written down a minute later.
//!
//! A request must not wait for that, and the clouds tell it late too (IAM: within hours). A server that is killed forgets the last
//! minute. Temporary keys are not kept and have no last use.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use model::{AccessKey, AccessKeyUse, Error, Millis, Noun, User};
use store::Tx;

use crate::auth::{Caller, Target};
use crate::{Cloud, Failure};

/// Pause between two times that uses are written down.
const WRITE_EVERY: Duration = Duration::from_secs(60);
/// Uses that one transaction writes at most, so that it holds nobody up.
const WRITTEN_AT_ONCE: usize = 250;

/// The last use of one key.
#[derive(Default)]
pub(crate) struct Used {
    last: Mutex<Last>,
}

#[derive(Default, Clone, Copy)]
struct Last {
    at: Millis,
    service: &'static str,
    is_written: bool,
}

impl Used {
    /// Notes a use.
    pub(crate) fn note(&self, at: Millis, service: &'static str) {
        *self.last() = Last { at, service, is_written: false };
    }

    fn last(&self) -> std::sync::MutexGuard<'_, Last> {
        self.last.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// The use, if it is not written down yet; from now on it counts as written.
    fn take(&self, key: &str) -> Option<AccessKeyUse> {
        let mut last = self.last();
        let fresh = !last.is_written && last.at > Millis::default();
        last.is_written = true;
        fresh.then(|| AccessKeyUse { key: key.to_owned(), at: last.at, service: last.service.to_owned() })
    }
}

/// The last uses of the keys that principals were made of.
#[derive(Default)]
pub(crate) struct LastUses {
    by_key: Mutex<HashMap<String, Arc<Used>>>,
}

impl LastUses {
    /// Where uses of this key are noted.
    pub(crate) fn of(&self, key: &str) -> Arc<Used> {
        let mut known = self.by_key.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        known.entry(key.to_owned()).or_default().clone()
    }

    /// Uses that are to be written down, up to so many. Forgets keys that nobody holds a principal of.
    fn take(&self, at_most: usize) -> Vec<AccessKeyUse> {
        let mut known = self.by_key.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let taken: Vec<AccessKeyUse> = known.iter().filter_map(|(key, used)| used.take(key)).take(at_most).collect();
        known.retain(|_, used| Arc::strong_count(used) > 1 || !used.last().is_written);
        taken
    }
}

impl Cloud {
    /// Writes uses of access keys down until the task is dropped.
    pub async fn keep_last_uses(&self) {
        loop {
            tokio::time::sleep(WRITE_EVERY).await;
            if let Err(error) = self.write_last_uses().await {
                tracing::warn!(%error, "the last uses of access keys could not be written; later ones will be");
            }
        }
    }

    /// Writes down what is not yet written of the last uses of access keys.
    pub async fn write_last_uses(&self) -> Result<(), Error> {
        loop {
            let uses = self.last_uses().take(WRITTEN_AT_ONCE);
            if uses.is_empty() {
                return Ok(());
            }
            let done = self.store().write(move |tx| uses.iter().try_for_each(|used| write(tx, used))).await;
            done.map_err(|error| self.write_refusal("write the last uses of access keys", error))?;
        }
    }

    /// A key of the caller's account, its user's name and its last use, if it was ever used.
    pub async fn access_key_last_used(&self, caller: &Caller, key: String) -> Result<(AccessKey, String, Option<AccessKeyUse>), Error> {
        self.write_last_uses().await?;
        let (account, wanted) = (caller.account(), key.clone());
        let owner = self.store().read(move |tx| match tx.get::<AccessKey>(wanted.clone())?.filter(|found| found.account == account) {
            Some(found) => tx.get::<User>(found.user),
            None => Ok(None),
        });
        let owner = owner.await.map_err(|error| self.store_refusal("read an access key", &error))?;
        let path = owner.map_or_else(|| "user/*".to_owned(), |user| format!("user/{}", user.name));
        let target = Target { path: Some(path), ..Target::default() };
        self.read(caller, vec![target], move |tx, cx| {
            let found = tx.get::<AccessKey>(key.clone())?.filter(|found| found.account == cx.caller.account());
            let found = found.ok_or_else(|| Error::not_found(Noun::AccessKey, &key))?;
            let user = tx.get::<User>(found.user)?.ok_or_else(|| Error::not_found(Noun::AccessKey, &key))?;
            Ok((found, user.name, tx.get::<AccessKeyUse>(key.clone())?))
        })
        .await
    }
}

/// Keeps a use of a key that is still there and was not seen later by another control plane.
fn write(tx: &mut Tx<'_>, used: &AccessKeyUse) -> Result<(), Failure> {
    let known = tx.get::<AccessKeyUse>(used.key.clone())?;
    let is_newer = known.is_none_or(|known| known.at < used.at);
    if is_newer && tx.get::<AccessKey>(used.key.clone())?.is_some() {
        tx.put(used)?;
    }
    Ok(())
}
