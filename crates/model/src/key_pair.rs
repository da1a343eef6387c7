//! Key pairs: public SSH keys that instances are given at launch. The private half is shown once and never kept.

use serde::{Deserialize, Serialize};

use crate::{AccountId, Error, KeyPairId, Millis, Tags, check_name};

/// A key pair.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyPair {
    /// Its id.
    pub id: KeyPairId,
    /// Owner.
    pub account: AccountId,
    /// Name, unique in the account.
    pub name: String,
    /// Description.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Kind of the key.
    pub kind: KeyKind,
    /// Public key in OpenSSH form.
    pub public_key: String,
    /// Fingerprint as EC2 prints it for this kind and origin (see the EC2 user guide, "Verify the fingerprint").
    pub fingerprint: String,
    /// Fingerprint as ECS prints it: MD5 of the public key blob, hex without colons.
    pub fingerprint_md5: String,
    /// When it was made.
    pub created_at: Millis,
    /// Tags.
    pub tags: Tags,
}

/// Kind of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyKind {
    /// RSA.
    Rsa,
    /// Ed25519.
    Ed25519,
}

/// Checks the name of a key pair: 1 to 255 printable ASCII characters without spaces at the ends (EC2's rule; ECS's is narrower).
pub fn check_key_name(name: &str) -> Result<(), Error> {
    let printable = name.bytes().all(|b| (0x20..0x7f).contains(&b));
    if name.is_empty() || name.len() > 255 || !printable || name.trim() != name {
        return Err(Error::invalid("KeyName", "must be 1 to 255 printable ASCII characters"));
    }
    if name.len() <= crate::NAME_MAX { check_name("KeyName", name) } else { Ok(()) }
}
