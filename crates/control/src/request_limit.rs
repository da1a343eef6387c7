//! Request limits: the buckets of accounts, kept in memory.
//!
//! ```text
//!   access key ─▶ principal ─▶ its account's buckets ─▶ one for each action, and one for launched instances
//! ```
//!
//! Nothing but the next requests depends on a bucket, so none is written down: with a restart all are full. The rates are quotas,
//! read with the principal. What this does not know: the vendors' words for a refusal.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use model::{AccountId, Bucket, Error, RequestRates};

use crate::audit::is_read_only;
use crate::{Caller, Cloud};

/// The bucket that counts launched instances, in no vendor's words.
const LAUNCHES: &str = "launches";

/// The buckets of an account: at most one for each action there is.
#[derive(Default)]
pub(crate) struct Buckets {
    by_action: Mutex<HashMap<&'static str, Bucket>>,
}

/// The buckets of every account that has called; there are as many as accounts.
#[derive(Default)]
pub(crate) struct RequestLimits {
    by_account: Mutex<HashMap<AccountId, Arc<Buckets>>>,
}

impl RequestLimits {
    /// The buckets of an account.
    pub(crate) fn of(&self, account: AccountId) -> Arc<Buckets> {
        let mut known = self.by_account.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        known.entry(account).or_default().clone()
    }
}

impl Buckets {
    fn take(&self, action: &'static str, tokens: u64, rate: u64, now: model::Millis) -> bool {
        let mut buckets = self.by_action.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        buckets.entry(action).or_insert_with(|| Bucket::full(rate, now)).take(tokens, rate, now)
    }
}

impl Cloud {
    /// Lets a call in whose signature is good, or refuses it because its account sends too many of this action. Notes that its
    /// access key was used.
    pub fn admit(&self, caller: &Caller) -> Result<(), Error> {
        let (now, principal) = (self.clock().now(), &caller.principal);
        let (service, name) = caller.action.split_once(':').unwrap_or(("ec2", caller.action));
        principal.used.note(now, service);
        let RequestRates { reads, changes, .. } = principal.rates;
        let rate = if is_read_only(name) { reads } else { changes };
        self.limited(caller, caller.action, 1, rate)
    }

    /// Lets a launch of so many instances in, or refuses it because its account launches too many in a short time.
    pub fn admit_launch(&self, caller: &Caller, instances: u64) -> Result<(), Error> {
        self.limited(caller, LAUNCHES, instances, caller.principal.rates.launches)
    }

    fn limited(&self, caller: &Caller, bucket: &'static str, tokens: u64, rate: u64) -> Result<(), Error> {
        match caller.principal.buckets.take(bucket, tokens, rate, self.clock().now()) {
            true => Ok(()),
            false => Err(Error::TooManyRequests { action: caller.action.to_owned() }),
        }
    }
}
