//! The one place where a secret meets a request: keys are derived, codes computed and compared.

use hmac::{Hmac, KeyInit, Mac};
use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret, SecretBox, SecretString};
use sha1::Sha1;
use sha2::Sha256;
use subtle::ConstantTimeEq;

use super::{Claim, Scope, SignatureError, SigningKeys};

/// What has to be checked with the secret.
#[derive(Clone)]
pub(super) struct Proof {
    pub(super) valid_from: Timestamp,
    pub(super) valid_until: Timestamp,
    pub(super) code: Code,
    /// What the client may have signed; more than one only where clients of one scheme differ.
    pub(super) strings: Vec<String>,
    /// The signature given, decoded; empty when it cannot be decoded, which matches nothing.
    pub(super) signature: Vec<u8>,
    pub(super) body_is_as_signed: bool,
}

/// How the secret becomes a key, and which code it makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Code {
    /// HMAC-SHA256 under AWS' derived key: secret, date, region, service.
    AwsDerived,
    /// HMAC-SHA256 under Tencent's derived key: secret, date, service.
    TencentDerived,
    /// HMAC under the secret.
    Plain(Hash),
    /// HMAC under the secret and `&`.
    Ampersand(Hash),
}

/// The hash below an HMAC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hash {
    Sha1,
    Sha256,
}

/// A key derived for one day, region and service.
pub(super) type DerivedKey = SecretBox<[u8; 32]>;

/// The first and last moment of a signature that may be `skew` off.
pub(super) fn window(time: Timestamp, skew: SignedDuration) -> (Timestamp, Timestamp) {
    (earlier(time, skew), later(time, skew))
}

/// `time - by`, at least the first moment that can be written.
pub(super) fn earlier(time: Timestamp, by: SignedDuration) -> Timestamp {
    time.checked_sub(by).unwrap_or(Timestamp::MIN)
}

/// `time + by`, at most the last moment that can be written.
pub(super) fn later(time: Timestamp, by: SignedDuration) -> Timestamp {
    time.checked_add(by).unwrap_or(Timestamp::MAX)
}

impl Claim {
    /// Checks that the signature is fresh at `now`, made with `secret`, and over this body.
    pub fn verify(&self, secret: &SecretString, now: Timestamp) -> Result<(), SignatureError> {
        self.verify_by(now, |claim, scope| claim.derive_key(secret, scope), secret)
    }

    /// The text that the client should have signed; none when there are several forms that it may have chosen from.
    pub fn string_to_sign(&self) -> Option<&str> {
        match self.proof.strings.as_slice() {
            [one] => Some(one),
            _ => None,
        }
    }

    /// The signature, in hex, that the client should have given with this secret: for clients of our own, which sign what they are about
    /// to send. None for schemes without a derived key.
    pub fn signature_with(&self, secret: &SecretString) -> Option<String> {
        let (string, scope) = (self.string_to_sign()?, self.scope.as_ref()?);
        match self.proof.code {
            Code::AwsDerived | Code::TencentDerived => {
                let key = self.derive_key(secret, scope);
                Some(hex::encode(sha256_code(key.expose_secret(), string).expose_secret()))
            }
            Code::Plain(_) | Code::Ampersand(_) => None,
        }
    }

    /// Does the same with keys kept between requests, which saves four of six hashes for AWS.
    pub fn verify_with(&self, secret: &SecretString, now: Timestamp, keys: &SigningKeys) -> Result<(), SignatureError> {
        self.verify_by(now, |claim, scope| keys.get_or_derive(&claim.access_key, secret, scope, || claim.derive_key(secret, scope)), secret)
    }

    fn verify_by(
        &self,
        now: Timestamp,
        derived: impl FnOnce(&Self, &Scope) -> DerivedKey,
        secret: &SecretString,
    ) -> Result<(), SignatureError> {
        let (scheme, proof) = (self.scheme, &self.proof);
        if now > proof.valid_until {
            let at = proof.valid_until;
            return Err(SignatureError::Expired { scheme, at });
        }
        if now < proof.valid_from {
            let from = proof.valid_from;
            return Err(SignatureError::NotYetValid { scheme, from });
        }
        let matches = match (proof.code, &self.scope) {
            (Code::AwsDerived | Code::TencentDerived, Some(scope)) => {
                let key = derived(self, scope);
                proof.matches(Hash::Sha256, key.expose_secret())
            }
            (Code::AwsDerived | Code::TencentDerived, None) => false,
            (Code::Plain(hash), _) => proof.matches(hash, secret.expose_secret().as_bytes()),
            (Code::Ampersand(hash), _) => {
                let key = SecretString::from(format!("{}&", secret.expose_secret()));
                proof.matches(hash, key.expose_secret().as_bytes())
            }
        };
        if !matches {
            return Err(SignatureError::Mismatch { scheme });
        }
        if !proof.body_is_as_signed {
            return Err(SignatureError::BodyTampered { scheme });
        }
        Ok(())
    }

    fn derive_key(&self, secret: &SecretString, scope: &Scope) -> DerivedKey {
        let (prefix, end) = match self.proof.code {
            Code::TencentDerived => ("TC3", "tc3_request"),
            Code::AwsDerived | Code::Plain(_) | Code::Ampersand(_) => ("AWS4", "aws4_request"),
        };
        let first = SecretString::from(format!("{prefix}{}", secret.expose_secret()));
        let mut key = sha256_code(first.expose_secret().as_bytes(), &scope.date);
        if let Some(region) = &scope.region {
            key = sha256_code(key.expose_secret(), region);
        }
        key = sha256_code(key.expose_secret(), &scope.service);
        sha256_code(key.expose_secret(), end)
    }
}

impl Proof {
    /// Whether one of the strings gives the signature; compared in constant time.
    fn matches(&self, hash: Hash, key: &[u8]) -> bool {
        self.strings.iter().any(|string| {
            let code = match hash {
                Hash::Sha1 => sha1_code(key, string),
                Hash::Sha256 => sha256_code(key, string).expose_secret().to_vec(),
            };
            bool::from(code.ct_eq(&self.signature))
        })
    }
}

fn sha256_code(key: &[u8], text: &str) -> DerivedKey {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(text.as_bytes());
    SecretBox::new(Box::new(mac.finalize().into_bytes().into()))
}

fn sha1_code(key: &[u8], text: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha1>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}
