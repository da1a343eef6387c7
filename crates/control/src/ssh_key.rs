//! SSH key pairs: making them, reading public keys, and the fingerprints that the vendors print.
//!
//! Sources: EC2 user guide, "Create a key pair" (RSA 2048 as unencrypted PKCS#1 PEM, Ed25519 as OpenSSH PEM) and "Verify the
//! fingerprint" (made by the cloud: SHA-1 of the PKCS#8 DER private key; imported: MD5 of the DER public key; Ed25519:
//! SHA-256 of the public key in base64).

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::KeyPair as _;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use md5::Md5;
use model::{Error, KeyKind};
use pkcs8::LineEnding;
use pkcs8::der::Decode;
use secrecy::SecretString;
use sha1::{Digest, Sha1};
use sha2::Sha256;
use ssh_key::public::{KeyData, RsaPublicKey};
use ssh_key::{Mpint, PublicKey};

/// Longest public key text that is read: a 16,384 bit RSA key with a comment has below 4 KiB.
const PUBLIC_KEY_MAX: usize = 8 * 1024;
/// Smallest and largest RSA modulus in bits that may be imported (EC2: 1024, 2048, 4096; larger works in OpenSSH too).
const RSA_BITS: std::ops::RangeInclusive<usize> = 1024..=16_384;

/// A key pair that was just made.
pub struct NewKey {
    /// The public half.
    pub public: PublicHalf,
    /// The private half as PEM text; the only copy.
    pub private_pem: SecretString,
}

/// A public key and its fingerprints.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicHalf {
    /// Kind of the key.
    pub kind: KeyKind,
    /// OpenSSH form without a comment.
    pub openssh: String,
    /// As EC2 prints it.
    pub fingerprint: String,
    /// As ECS prints it.
    pub fingerprint_md5: String,
}

/// Makes a key pair. Takes up to a second of processor time for RSA: call it where blocking is allowed.
pub fn generate(kind: KeyKind) -> Result<NewKey, Error> {
    let failed = |what: &'static str| {
        move |_| {
            tracing::error!(what, "a key could not be made");
            Error::Internal
        }
    };
    match kind {
        KeyKind::Rsa => generate_rsa(),
        KeyKind::Ed25519 => {
            let mut seed = zeroize::Zeroizing::new([0; 32]);
            getrandom::fill(seed.as_mut_slice()).map_err(|_| failed("randomness")(()))?;
            let pair = ssh_key::private::Ed25519Keypair::from_seed(&seed);
            let private = ssh_key::PrivateKey::from(pair);
            let pem = private.to_openssh(LineEnding::LF.into_ssh()).map_err(|_| failed("encoding")(()))?;
            let public = public_half(private.public_key(), None)?;
            Ok(NewKey { public, private_pem: SecretString::from(pem.to_string()) })
        }
    }
}

/// `ssh-key` and `pkcs8` use two versions of one type.
trait IntoSsh {
    fn into_ssh(self) -> ssh_key::LineEnding;
}

impl IntoSsh for LineEnding {
    fn into_ssh(self) -> ssh_key::LineEnding {
        ssh_key::LineEnding::LF
    }
}

fn generate_rsa() -> Result<NewKey, Error> {
    let internal = |what: &'static str| {
        tracing::error!(what, "an RSA key could not be made");
        Error::Internal
    };
    let pair = aws_lc_rs::rsa::KeyPair::generate(KeySize::Rsa2048).map_err(|_| internal("generation"))?;
    let pkcs8: aws_lc_rs::encoding::Pkcs8V1Der<'_> = pair.as_der().map_err(|_| internal("encoding"))?;
    let info = pkcs8::PrivateKeyInfoRef::from_der(pkcs8.as_ref()).map_err(|_| internal("PKCS#8"))?;
    let pem =
        pkcs8::der::pem::encode_string("RSA PRIVATE KEY", LineEnding::LF, info.private_key.as_bytes()).map_err(|_| internal("PEM"))?;
    let public = pair.public_key();
    let key = RsaPublicKey {
        e: Mpint::from_positive_bytes(public.exponent().big_endian_without_leading_zero()).map_err(|_| internal("exponent"))?,
        n: Mpint::from_positive_bytes(public.modulus().big_endian_without_leading_zero()).map_err(|_| internal("modulus"))?,
    };
    let fingerprint = colons(&Sha1::digest(pkcs8.as_ref()));
    let public = public_half(&PublicKey::from(KeyData::Rsa(key)), Some(fingerprint))?;
    Ok(NewKey { public, private_pem: SecretString::from(pem) })
}

/// Reads a public key that a tenant wants to import: OpenSSH form, RSA or Ed25519.
pub fn read_public(text: &str) -> Result<PublicHalf, Error> {
    let invalid = |reason: &str| Error::invalid("PublicKeyMaterial", reason);
    if text.len() > PUBLIC_KEY_MAX {
        return Err(invalid("longer than any SSH public key"));
    }
    let key = PublicKey::from_openssh(text.trim()).map_err(|_| invalid("not an OpenSSH public key"))?;
    public_half(&key, None)
}

fn public_half(key: &PublicKey, fingerprint: Option<String>) -> Result<PublicHalf, Error> {
    let unsupported = || Error::invalid("PublicKeyMaterial", "only RSA and Ed25519 keys are supported");
    let (kind, own_fingerprint) = match key.key_data() {
        KeyData::Rsa(rsa) => {
            let bits = rsa.n.as_positive_bytes().map_or(0, |n| n.len() * 8);
            if !RSA_BITS.contains(&bits) {
                return Err(Error::invalid("PublicKeyMaterial", "the RSA modulus has an unusual size"));
            }
            (KeyKind::Rsa, colons(&Md5::digest(subject_public_key_info(rsa).ok_or_else(unsupported)?)))
        }
        KeyData::Ed25519(_) => (KeyKind::Ed25519, STANDARD.encode(Sha256::digest(key.to_bytes().map_err(|_| unsupported())?))),
        _ => return Err(unsupported()),
    };
    let blob = key.to_bytes().map_err(|_| unsupported())?;
    let bare = PublicKey::from(key.key_data().clone());
    Ok(PublicHalf {
        kind,
        openssh: bare.to_openssh().map_err(|_| unsupported())?,
        fingerprint: fingerprint.unwrap_or(own_fingerprint),
        fingerprint_md5: hex::encode(Md5::digest(blob)),
    })
}

fn colons(digest: &[u8]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(":")
}

/// The DER form of an RSA public key with its algorithm (RFC 5280 4.1, RFC 8017 A.1.1).
fn subject_public_key_info(key: &RsaPublicKey) -> Option<Vec<u8>> {
    /// `rsaEncryption` with NULL parameters.
    const ALGORITHM: [u8; 15] = [0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00];
    let numbers = [integer(key.n.as_positive_bytes()?), integer(key.e.as_positive_bytes()?)].concat();
    let mut bits = vec![0];
    bits.extend(element(0x30, &numbers));
    Some(element(0x30, &[&ALGORITHM[..], &element(0x03, &bits)].concat()))
}

fn integer(positive: &[u8]) -> Vec<u8> {
    let sign = if positive.first().is_some_and(|b| b & 0x80 != 0) { &[0][..] } else { &[][..] };
    element(0x02, &[sign, positive].concat())
}

fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    match content.len() {
        short @ 0..=127 => out.push(short as u8),
        long => {
            let bytes = long.to_be_bytes();
            let significant = &bytes[bytes.iter().position(|b| *b != 0).unwrap_or(bytes.len() - 1)..];
            out.push(0x80 | significant.len() as u8);
            out.extend_from_slice(significant);
        }
    }
    out.extend_from_slice(content);
    out
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::process::{Command, Stdio};

    use secrecy::ExposeSecret;

    use super::*;

    /// What `ssh-keygen` makes of a private key file: its public key, and its MD5 fingerprint.
    fn ssh_keygen(pem: &str) -> (String, String) {
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().write_all(pem.as_bytes()).unwrap();
        let run = |args: &[&str]| {
            let out = Command::new("ssh-keygen").args(args).arg("-f").arg(file.path()).stderr(Stdio::inherit()).output().unwrap();
            assert!(out.status.success(), "{args:?}");
            String::from_utf8(out.stdout).unwrap()
        };
        (run(&["-y"]), run(&["-l", "-E", "md5"]))
    }

    #[test]
    fn openssh_reads_the_keys_that_are_made() {
        for kind in [KeyKind::Rsa, KeyKind::Ed25519] {
            let key = generate(kind).unwrap();
            let (public, md5) = ssh_keygen(key.private_pem.expose_secret());
            assert_eq!(public.split_whitespace().take(2).collect::<Vec<_>>().join(" "), key.public.openssh);
            assert!(md5.replace(':', "").contains(&key.public.fingerprint_md5), "{md5} {}", key.public.fingerprint_md5);
        }
    }

    #[test]
    fn an_imported_rsa_key_has_the_fingerprint_that_openssl_computes() {
        let key = generate(KeyKind::Rsa).unwrap();
        let mut openssl = Command::new("openssl")
            .args(["rsa", "-pubout", "-outform", "DER"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        openssl.stdin.take().unwrap().write_all(key.private_pem.expose_secret().as_bytes()).unwrap();
        let der = openssl.wait_with_output().unwrap().stdout;
        let imported = read_public(&format!("{} me@laptop", key.public.openssh)).unwrap();
        assert_eq!(imported.fingerprint, colons(&Md5::digest(der)));
        assert_eq!(imported.openssh, key.public.openssh);
    }

    #[test]
    fn what_is_no_public_key_is_refused() {
        for text in ["", "ssh-rsa", "ssh-rsa AAAA", "ssh-dss AAAAB3NzaC1kc3MAAACBA", "-----BEGIN RSA PRIVATE KEY-----", &"a".repeat(9000)] {
            assert!(matches!(read_public(text), Err(Error::InvalidParameter { .. })), "{text}");
        }
    }
}
