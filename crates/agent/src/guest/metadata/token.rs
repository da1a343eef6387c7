//! Session tokens: an end and a proof that it was given to this instance. Nothing is remembered, so a token outlives the agent.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use model::InstanceId;
use sha2::Sha256;

/// The longest that a token may be good for: six hours (EC2 and Alibaba Cloud alike).
pub const LONGEST_SECONDS: u32 = 21_600;

const KEY_BYTES: usize = 32;
const END_BYTES: usize = 8;
const PROOF_BYTES: usize = 32;

/// Makes and checks tokens.
pub struct Tokens {
    key: [u8; KEY_BYTES],
}

impl Tokens {
    /// Reads the key from the folder, or makes one there that only root can read.
    pub fn open(state: &Path) -> io::Result<Tokens> {
        let path = state.join("metadata.key");
        match fs::read(&path) {
            Ok(bytes) if bytes.len() == KEY_BYTES => {
                let mut key = [0; KEY_BYTES];
                key.copy_from_slice(&bytes);
                return Ok(Tokens { key });
            }
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
            _ => {}
        }
        let mut key = [0; KEY_BYTES];
        getrandom::fill(&mut key).map_err(|e| io::Error::other(e.to_string()))?;
        fs::create_dir_all(state)?;
        let unfinished = state.join("metadata.key.new");
        let mut file = fs::File::options().create(true).truncate(true).write(true).mode(0o600).open(&unfinished)?;
        file.write_all(&key)?;
        file.sync_all()?;
        fs::rename(unfinished, path)?;
        Ok(Tokens { key })
    }

    /// Tokens under this key.
    #[cfg(test)]
    pub fn of(key: [u8; KEY_BYTES]) -> Tokens {
        Tokens { key }
    }

    /// A token of this instance that is good until `end`, in seconds since 1970.
    pub fn make(&self, instance: InstanceId, end: u64) -> String {
        let proof = self.proof(instance, end).finalize().into_bytes();
        BASE64_URL_SAFE_NO_PAD.encode([&end.to_be_bytes()[..], &proof[..]].concat())
    }

    /// Whether a text is a token of this instance that has not ended.
    pub fn is_good(&self, token: &str, instance: InstanceId, now: u64) -> bool {
        let Ok(bytes) = BASE64_URL_SAFE_NO_PAD.decode(token) else { return false };
        let Some((end, proof)) = bytes.split_first_chunk::<END_BYTES>() else { return false };
        let end = u64::from_be_bytes(*end);
        proof.len() == PROOF_BYTES && self.proof(instance, end).verify_slice(proof).is_ok() && now < end
    }

    fn proof(&self, instance: InstanceId, end: u64) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).expect("HMAC takes a key of any length");
        mac.update(&instance.as_u64().to_be_bytes());
        mac.update(&end.to_be_bytes());
        mac
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_good_for_its_instance_and_its_time_only() {
        let (mine, other) = (InstanceId::from_u64(1), InstanceId::from_u64(2));
        let tokens = Tokens::of([1; 32]);
        let token = tokens.make(mine, 100);
        assert!(tokens.is_good(&token, mine, 99));
        assert!(!tokens.is_good(&token, mine, 100));
        assert!(!tokens.is_good(&token, other, 99));
        assert!(!Tokens::of([2; 32]).is_good(&token, mine, 99));
        let mut longer = token.clone();
        longer.push('A');
        assert!(!tokens.is_good(&longer, mine, 99));
        assert!(!tokens.is_good("", mine, 99));
    }

    #[test]
    fn the_key_is_kept_and_private() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let token = Tokens::open(folder.path()).unwrap().make(InstanceId::from_u64(1), 100);
        assert!(Tokens::open(folder.path()).unwrap().is_good(&token, InstanceId::from_u64(1), 1));
        let mode = fs::metadata(folder.path().join("metadata.key")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
