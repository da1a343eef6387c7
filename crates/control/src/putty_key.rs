//! Private keys as PuTTY keeps them: unencrypted files of version 2, which every PuTTY since 0.52 reads, and what reads PuTTY's files too.
//! Version 3, of PuTTY 0.75, differs in how it encrypts, which these are not.
//!
//! Source: PuTTY user manual, appendix C, "PPK file format".

use std::fmt::Write as _;

use aws_lc_rs::hmac::{self, HMAC_SHA1_FOR_LEGACY_USE_ONLY};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use secrecy::SecretString;
use sha1::{Digest, Sha1};
use zeroize::Zeroizing;

/// What the key of the code that ends a file is the hash of, before the passphrase, of which these files have none.
const MAC_KEY: &[u8] = b"putty-private-key-file-mac-key";
/// Characters of a line of base64.
const LINE: usize = 64;
/// What the files are encrypted with.
const ENCRYPTION: &str = "none";

/// The private numbers of an RSA key, each without sign, the most significant byte first (RFC 8017 A.1.2).
pub(crate) struct RsaNumbers<'a> {
    /// d.
    pub exponent: &'a [u8],
    /// p.
    pub prime1: &'a [u8],
    /// q.
    pub prime2: &'a [u8],
    /// The inverse of q modulo p.
    pub coefficient: &'a [u8],
}

impl RsaNumbers<'_> {
    /// What a file says of them.
    pub(crate) fn blob(&self) -> Zeroizing<Vec<u8>> {
        let mut blob = Zeroizing::new(vec![]);
        for number in [self.exponent, self.prime1, self.prime2, self.coefficient] {
            put_number(&mut blob, number);
        }
        blob
    }
}

/// What a file says of an Ed25519 key: its seed, which PuTTY takes for a number with its least significant byte first.
pub(crate) fn ed25519_blob(seed: &[u8; 32]) -> Zeroizing<Vec<u8>> {
    let mut blob = Zeroizing::new(vec![]);
    put(&mut blob, seed);
    blob
}

/// A key's file. `algorithm` is its name in SSH, `public` its public half as SSH sends it; `comment` is one line.
pub(crate) fn write(algorithm: &str, comment: &str, public: &[u8], private: &[u8]) -> SecretString {
    let mut file = Zeroizing::new(format!("PuTTY-User-Key-File-2: {algorithm}\nEncryption: {ENCRYPTION}\nComment: {comment}\n"));
    put_lines(&mut file, "Public", public);
    put_lines(&mut file, "Private", private);
    let mut covered = Zeroizing::new(vec![]);
    for part in [algorithm.as_bytes(), ENCRYPTION.as_bytes(), comment.as_bytes(), public, private] {
        put(&mut covered, part);
    }
    let mac = hmac::sign(&hmac::Key::new(HMAC_SHA1_FOR_LEGACY_USE_ONLY, &Sha1::digest(MAC_KEY)), &covered);
    writeln!(file, "Private-MAC: {}", hex::encode(mac.as_ref())).expect("a text takes every text");
    SecretString::from(file.as_str())
}

fn put_lines(file: &mut String, half: &str, bytes: &[u8]) {
    let text = Zeroizing::new(STANDARD.encode(bytes));
    writeln!(file, "{half}-Lines: {}", text.len().div_ceil(LINE)).expect("a text takes every text");
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(LINE));
        file.push_str(line);
        file.push('\n');
        rest = after;
    }
}

/// A `string` of RFC 4251 5.
fn put(out: &mut Vec<u8>, bytes: &[u8]) {
    let length = u32::try_from(bytes.len()).expect("a key has a few thousand bytes");
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(bytes);
}

/// An `mpint` of RFC 4251 5 that is not negative.
fn put_number(out: &mut Vec<u8>, number: &[u8]) {
    let significant = &number[number.iter().position(|byte| *byte != 0).unwrap_or(number.len())..];
    let sign = if significant.first().is_some_and(|byte| byte & 0x80 != 0) { &[0][..] } else { &[][..] };
    put(out, &Zeroizing::new([sign, significant].concat()));
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;
    use ssh_key::private::Ed25519Keypair;

    use super::*;

    #[test]
    fn a_file_is_byte_for_byte_the_one_that_puttygen_writes() {
        let seed: [u8; 32] = std::array::from_fn(|at| at as u8 + 1);
        let key = ssh_key::PrivateKey::from(Ed25519Keypair::from_seed(&seed));
        let public = key.public_key().to_bytes().unwrap();
        let file = write("ssh-ed25519", "laptop of A", &public, &ed25519_blob(&seed));
        assert_eq!(file.expose_secret(), include_str!("../tests/putty/ed25519.ppk"));
    }

    #[test]
    fn numbers_have_no_zeros_before_them_but_for_their_sign() {
        let mut out = vec![];
        for number in [&[0, 0, 1][..], &[0x80], &[0, 0xff, 2], &[0], &[]] {
            put_number(&mut out, number);
        }
        assert_eq!(out, [0, 0, 0, 1, 1, 0, 0, 0, 2, 0, 0x80, 0, 0, 0, 3, 0, 0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0]);
    }
}
