//! Secrets at rest: AES-256-GCM under the installation's master key, which lies in a file that only its owner can read.
//!
//! A sealed text is base64 of nonce (12 bytes) and ciphertext with tag. The name of what is sealed is authenticated with it,
//! so a sealed secret cannot be moved to another row.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

/// Length of a master key in bytes.
pub const MASTER_KEY_LEN: usize = 32;

/// Seals and opens secrets.
pub struct MasterKey {
    key: LessSafeKey,
}

/// The sealed text is damaged, belongs to another name, or was sealed under another master key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a sealed secret cannot be opened: it is damaged or was sealed under another master key")]
pub struct SealError;

impl std::fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MasterKey")
    }
}

impl MasterKey {
    /// Takes over the bytes of a master key.
    pub fn new(bytes: &Zeroizing<[u8; MASTER_KEY_LEN]>) -> MasterKey {
        let key = UnboundKey::new(&AES_256_GCM, bytes.as_slice()).expect("the length is the algorithm's");
        MasterKey { key: LessSafeKey::new(key) }
    }

    /// Seals `secret` for the thing called `name`.
    pub fn seal(&self, name: &str, secret: &SecretString) -> Result<String, getrandom::Error> {
        let mut nonce = [0; NONCE_LEN];
        getrandom::fill(&mut nonce)?;
        let mut bytes = secret.expose_secret().as_bytes().to_vec();
        self.key
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(name.as_bytes()), &mut bytes)
            .expect("a secret is far below the cipher's limit of 64 GiB");
        let mut sealed = nonce.to_vec();
        sealed.append(&mut bytes);
        Ok(STANDARD.encode(sealed))
    }

    /// Opens what was sealed for the thing called `name`.
    pub fn open(&self, name: &str, sealed: &str) -> Result<SecretString, SealError> {
        let bytes = Zeroizing::new(STANDARD.decode(sealed).map_err(|_| SealError)?);
        let (nonce, text) = bytes.split_at_checked(NONCE_LEN).ok_or(SealError)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| SealError)?;
        let mut text = Zeroizing::new(text.to_vec());
        let open = self.key.open_in_place(nonce, Aad::from(name.as_bytes()), &mut text).map_err(|_| SealError)?;
        let text = std::str::from_utf8(open).map_err(|_| SealError)?;
        Ok(SecretString::from(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> MasterKey {
        MasterKey::new(&Zeroizing::new([byte; MASTER_KEY_LEN]))
    }

    #[test]
    fn a_sealed_secret_opens_only_under_its_key_and_name() {
        let sealed = key(1).seal("AK1", &SecretString::from("wJalr")).unwrap();
        assert!(!sealed.contains("wJalr"));
        assert_eq!(key(1).open("AK1", &sealed).unwrap().expose_secret(), "wJalr");
        assert_eq!(key(2).open("AK1", &sealed).unwrap_err(), SealError);
        assert_eq!(key(1).open("AK2", &sealed).unwrap_err(), SealError);
        assert_eq!(key(1).open("AK1", "").unwrap_err(), SealError);
    }

    #[test]
    fn the_same_secret_never_looks_the_same() {
        let secret = SecretString::from("s");
        assert_ne!(key(1).seal("a", &secret).unwrap(), key(1).seal("a", &secret).unwrap());
    }
}
