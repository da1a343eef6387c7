//! Passwords of guests. Only the crypt(3) text leaves this file; the clear text is never stored or logged.

use model::Error;
use secrecy::{ExposeSecret, SecretString};
use sha_crypt::{PasswordHasher, ShaCrypt};

/// Shortest and longest password (ECS documents 8 to 30 characters).
const LENGTH: std::ops::RangeInclusive<usize> = 8..=30;
/// Kinds of characters of which three must occur (ECS: upper case, lower case, digits, special).
const KINDS_NEEDED: usize = 3;

/// Bytes of the salt: 16 characters, all that crypt(5) looks at. It writes a longer one down shorter, and a guest that compares
/// whole texts then lets nobody in.
const SALT_BYTES: usize = 12;

/// Checks a password and makes its crypt(3) text (SHA-512, `$6$`). Takes some milliseconds of processor time.
pub fn hash(password: &SecretString) -> Result<String, Error> {
    let clear = password.expose_secret();
    let has = |kind: fn(char) -> bool| usize::from(clear.chars().any(kind));
    let special = |c: char| c.is_ascii_punctuation();
    let kinds = has(|c| c.is_ascii_uppercase()) + has(|c| c.is_ascii_lowercase()) + has(|c| c.is_ascii_digit()) + has(special);
    let printable = clear.chars().all(|c| c.is_ascii_graphic());
    if !LENGTH.contains(&clear.len()) || kinds < KINDS_NEEDED || !printable {
        return Err(Error::invalid(
            "Password",
            "must be 8 to 30 characters with three of: upper case letters, lower case letters, digits, special characters",
        ));
    }
    let failed = |error: &dyn std::fmt::Display| {
        tracing::error!(%error, "a password could not be hashed");
        Error::Internal
    };
    let mut salt = [0; SALT_BYTES];
    getrandom::fill(&mut salt).map_err(|error| failed(&error))?;
    let hash = ShaCrypt::default().hash_password_with_salt(clear.as_bytes(), &salt).map_err(|error| failed(&error))?;
    Ok(hash.as_str().to_owned())
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn openssl_computes_the_same_crypt_text() {
        let hash = hash(&SecretString::from("Correct-horse-7")).unwrap();
        let salt = hash.split('$').nth_back(1).unwrap();
        assert!(salt.len() <= 16, "crypt(5) knows no longer salt: {hash}");
        let out =
            Command::new("openssl").args(["passwd", "-6", "-salt", &format!("rounds=5000${salt}"), "Correct-horse-7"]).output().unwrap();
        let expected = String::from_utf8(out.stdout).unwrap();
        assert_eq!(hash.rsplit('$').next(), expected.trim().rsplit('$').next(), "{hash} {expected}");
    }

    #[test]
    fn a_weak_password_is_refused() {
        for weak in ["", "short1A", "alllowercase", "12345678", "Has space 1", "ünïcode-A1", &"Aa1".repeat(11)] {
            assert!(hash(&SecretString::from(weak)).is_err(), "{weak}");
        }
    }
}
