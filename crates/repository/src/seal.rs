//! Sealing: the chunks of an encrypted disk, so that neither their bytes nor their names tell what it holds.
//!
//! ```text
//!   plain ──zstd──▶ packed ──AES-256-GCM-SIV──▶ "PSC1" nonce (12) ciphertext tag (16)      name = SHA-256 of all of that
//!     └──HMAC-SHA-256 under the key──▶ nonce
//! ```
//!
//! The nonce follows from the plain bytes and the key, so equal chunks of one key are one chunk, and chunks of different keys have
//! nothing in common. The name is that of the sealed bytes: whoever has no key can still tell that a chunk is whole, and learns
//! nothing else. Each use of a data key has a key of its own, derived by HKDF-SHA-256 (RFC 5869).

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Salt};
use aws_lc_rs::hmac;
use model::DataKey;
use std::fmt;
use zeroize::Zeroizing;

/// How a sealed chunk begins; a frame of zstd begins with other bytes (RFC 8878: 28 B5 2F FD).
pub(crate) const MAGIC: &[u8] = b"PSC1";

/// Bytes that sealing adds.
pub(crate) const OVERHEAD: usize = MAGIC.len() + NONCE_LEN + 16;

/// Bytes of a key's public name.
const NAME_BYTES: usize = 16;

/// Derives the key of one use from a data key.
pub(crate) fn derive(key: &DataKey, of: &str) -> Zeroizing<[u8; 32]> {
    struct Length;
    impl KeyType for Length {
        fn len(&self) -> usize {
            32
        }
    }
    let mut out = Zeroizing::new([0; 32]);
    let extracted = Salt::new(HKDF_SHA256, b"pileus disk").extract(key.expose());
    let label = [of.as_bytes()];
    let expanded = extracted.expand(&label, Length).and_then(|expanded| expanded.fill(out.as_mut_slice()));
    expanded.expect("32 bytes are far below the most that HKDF gives");
    out
}

/// Seals and opens the chunks of one data key.
pub(crate) struct Sealer {
    chunks: LessSafeKey,
    nonces: hmac::Key,
    name: String,
}

impl Sealer {
    pub(crate) fn new(key: &DataKey) -> Sealer {
        let chunks = UnboundKey::new(&AES_256_GCM_SIV, derive(key, "chunk").as_slice()).expect("the length is the algorithm's");
        let nonces = hmac::Key::new(hmac::HMAC_SHA256, derive(key, "nonce").as_slice());
        let name = hex::encode(&derive(key, "name")[..NAME_BYTES]);
        Sealer { chunks: LessSafeKey::new(chunks), nonces, name }
    }

    /// The name that a manifest has of the key. It tells nothing of it.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Seals a chunk that was packed.
    pub(crate) fn seal(&self, plain: &[u8], mut packed: Vec<u8>) -> Vec<u8> {
        let tag = hmac::sign(&self.nonces, plain);
        let nonce: [u8; NONCE_LEN] = tag.as_ref()[..NONCE_LEN].try_into().expect("a tag of SHA-256 is longer");
        let sealed = self.chunks.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(MAGIC), &mut packed);
        sealed.expect("a chunk is far below the cipher's limit");
        [MAGIC, &nonce, &packed].concat()
    }

    /// Opens a sealed chunk, still packed; none when it is damaged or of another key.
    pub(crate) fn open(&self, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (nonce, text) = sealed.strip_prefix(MAGIC)?.split_at_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut text = Zeroizing::new(text.to_vec());
        let length = self.chunks.open_in_place(nonce, Aad::from(MAGIC), &mut text).ok()?.len();
        text.truncate(length);
        Some(text)
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealer({})", self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_opens_under_its_key_alone_and_a_flipped_bit_is_found() {
        let (one, other) = (Sealer::new(&DataKey::new([1; 32])), Sealer::new(&DataKey::new([2; 32])));
        let sealed = one.seal(b"what it holds", b"packed".to_vec());
        assert_eq!(sealed.len(), 6 + OVERHEAD);
        assert_eq!(one.open(&sealed).unwrap().as_slice(), b"packed");
        assert!(other.open(&sealed).is_none());
        for at in 0..sealed.len() {
            let mut flipped = sealed.clone();
            flipped[at] ^= 1;
            assert!(one.open(&flipped).is_none(), "byte {at}");
        }
        assert!(one.open(&sealed[..10]).is_none() && one.open(b"").is_none());
    }

    #[test]
    fn equal_chunks_are_equal_under_one_key_and_have_nothing_in_common_under_two() {
        let (one, other) = (Sealer::new(&DataKey::new([1; 32])), Sealer::new(&DataKey::new([2; 32])));
        let seal = |sealer: &Sealer| sealer.seal(b"plain", b"packed".to_vec());
        assert_eq!(seal(&one), seal(&one));
        assert_ne!(seal(&one)[MAGIC.len()..], seal(&other)[MAGIC.len()..]);
        assert_ne!(one.name(), other.name());
        assert_ne!(one.seal(b"other", b"packed".to_vec()), seal(&one));
    }
}
