//! Derived signing keys kept between requests, since a client signs with the same one all day.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use secrecy::{ExposeSecret, SecretBox, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::Scope;
use super::verify::DerivedKey;

/// A bounded store of derived signing keys, safe to share between threads.
///
/// A secret that changes under the same access key is noticed; nothing needs to be invalidated.
pub struct SigningKeys {
    capacity: usize,
    kept: Mutex<HashMap<(String, Scope), Kept>>,
}

struct Kept {
    fingerprint: [u8; 32],
    key: DerivedKey,
}

impl SigningKeys {
    /// Makes a store of at most `capacity` keys, about 300 bytes each; when it is full it is emptied,
    /// which costs each active client one derivation.
    pub fn new(capacity: usize) -> Self {
        Self { capacity, kept: Mutex::new(HashMap::new()) }
    }

    pub(super) fn get_or_derive(
        &self,
        access_key: &str,
        secret: &SecretString,
        scope: &Scope,
        derive: impl FnOnce() -> DerivedKey,
    ) -> DerivedKey {
        let fingerprint: [u8; 32] = Sha256::digest(secret.expose_secret()).into();
        let id = (access_key.to_owned(), scope.clone());
        let copy = |key: &DerivedKey| SecretBox::new(Box::new(*key.expose_secret()));
        {
            let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(found) = kept.get(&id)
                && bool::from(found.fingerprint.ct_eq(&fingerprint))
            {
                return copy(&found.key);
            }
        }
        let key = derive();
        let entry = Kept { fingerprint, key: copy(&key) };
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= self.capacity {
            kept.clear();
        }
        if self.capacity > 0 {
            kept.insert(id, entry);
        }
        key
    }
}

impl std::fmt::Debug for SigningKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SigningKeys").field("capacity", &self.capacity).finish_non_exhaustive()
    }
}
