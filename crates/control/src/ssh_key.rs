//! SSH key pairs: making them, reading public keys, and the fingerprints that the vendors print.
//!
//! Sources: EC2 user guide, "Create a key pair" (RSA 2048 as unencrypted PKCS#1 PEM, Ed25519 as OpenSSH PEM, both as files of
//! PuTTY) and "Verify the fingerprint" (made by the cloud: SHA-1 of the PKCS#8 DER private key; imported: MD5 of the DER public key; Ed25519:
//! SHA-256 of the public key in base64).

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::KeyPair as _;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use md5::Md5;
use model::{Error, KeyKind};
use pkcs8::LineEnding;
use pkcs8::der::Decode;
use pkcs8::der::asn1::UintRef;
use secrecy::SecretString;
use sha1::{Digest, Sha1};
use sha2::Sha256;
use ssh_key::public::{KeyData, RsaPublicKey};
use ssh_key::{Mpint, PublicKey};
use zeroize::Zeroizing;

use crate::putty_key::{self, RsaNumbers};

/// Longest public key text that is read: a 16,384 bit RSA key with a comment has below 4 KiB.
const PUBLIC_KEY_MAX: usize = 8 * 1024;
/// Smallest and largest RSA modulus in bits that may be imported (EC2: 1024, 2048, 4096; larger works in OpenSSH too).
const RSA_BITS: std::ops::RangeInclusive<usize> = 1024..=16_384;

/// A key pair that was just made.
pub struct NewKey {
    /// The public half.
    pub public: PublicHalf,
    /// The private half as text in the form that was asked for; the only copy.
    pub private: SecretString,
}

/// Form of a private key's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PrivateForm {
    /// PEM: PKCS#1 for RSA, OpenSSH's for Ed25519.
    Pem,
    /// A PuTTY private key file, unencrypted.
    Ppk {
        /// What PuTTY calls the key: one line.
        comment: String,
    },
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
pub fn generate(kind: KeyKind, form: &PrivateForm) -> Result<NewKey, Error> {
    let failed = |what: &'static str| {
        move |_| {
            tracing::error!(what, "a key could not be made");
            Error::Internal
        }
    };
    match kind {
        KeyKind::Rsa => generate_rsa(form),
        KeyKind::Ed25519 => {
            let mut seed = Zeroizing::new([0; 32]);
            getrandom::fill(seed.as_mut_slice()).map_err(|_| failed("randomness")(()))?;
            let pair = ssh_key::private::Ed25519Keypair::from_seed(&seed);
            let private = ssh_key::PrivateKey::from(pair);
            let text = match form {
                PrivateForm::Pem => {
                    let pem = private.to_openssh(LineEnding::LF.into_ssh()).map_err(|_| failed("encoding")(()))?;
                    SecretString::from(pem.as_str())
                }
                PrivateForm::Ppk { comment } => {
                    let blob = private.public_key().to_bytes().map_err(|_| failed("encoding")(()))?;
                    putty_key::write("ssh-ed25519", comment, &blob, &putty_key::ed25519_blob(&seed))
                }
            };
            Ok(NewKey { public: public_half(private.public_key(), None)?, private: text })
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

fn generate_rsa(form: &PrivateForm) -> Result<NewKey, Error> {
    let internal = |what: &'static str| {
        tracing::error!(what, "an RSA key could not be made");
        Error::Internal
    };
    let pair = aws_lc_rs::rsa::KeyPair::generate(KeySize::Rsa2048).map_err(|_| internal("generation"))?;
    let pkcs8: aws_lc_rs::encoding::Pkcs8V1Der<'_> = pair.as_der().map_err(|_| internal("encoding"))?;
    let info = pkcs8::PrivateKeyInfoRef::from_der(pkcs8.as_ref()).map_err(|_| internal("PKCS#8"))?;
    let public = pair.public_key();
    let key = RsaPublicKey {
        e: Mpint::from_positive_bytes(public.exponent().big_endian_without_leading_zero()).map_err(|_| internal("exponent"))?,
        n: Mpint::from_positive_bytes(public.modulus().big_endian_without_leading_zero()).map_err(|_| internal("modulus"))?,
    };
    let fingerprint = colons(&Sha1::digest(pkcs8.as_ref()));
    let key = PublicKey::from(KeyData::Rsa(key));
    let pkcs1 = info.private_key.as_bytes();
    let private = match form {
        PrivateForm::Pem => {
            let pem = pkcs8::der::pem::encode_string("RSA PRIVATE KEY", LineEnding::LF, pkcs1).map_err(|_| internal("PEM"))?;
            SecretString::from(pem)
        }
        PrivateForm::Ppk { comment } => {
            let blob = key.to_bytes().map_err(|_| internal("encoding"))?;
            putty_key::write("ssh-rsa", comment, &blob, &rsa_blob(pkcs1).ok_or_else(|| internal("PKCS#1"))?)
        }
    };
    Ok(NewKey { public: public_half(&key, Some(fingerprint))?, private })
}

/// The private numbers of a key in PKCS#1 form, of which only their count and place matter (RFC 8017 A.1.2).
fn rsa_blob(pkcs1: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let numbers = Vec::<UintRef<'_>>::from_der(pkcs1).ok()?;
    let [_version, _modulus, _public, exponent, prime1, prime2, _exponent1, _exponent2, coefficient] = numbers.as_slice() else {
        return None;
    };
    let [exponent, prime1, prime2, coefficient] = [exponent, prime1, prime2, coefficient].map(UintRef::as_bytes);
    Some(RsaNumbers { exponent, prime1, prime2, coefficient }.blob())
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
            let key = generate(kind, &PrivateForm::Pem).unwrap();
            let (public, md5) = ssh_keygen(key.private.expose_secret());
            assert_eq!(public.split_whitespace().take(2).collect::<Vec<_>>().join(" "), key.public.openssh);
            assert!(md5.replace(':', "").contains(&key.public.fingerprint_md5), "{md5} {}", key.public.fingerprint_md5);
        }
    }

    #[test]
    fn an_imported_rsa_key_has_the_fingerprint_that_openssl_computes() {
        let key = generate(KeyKind::Rsa, &PrivateForm::Pem).unwrap();
        let mut openssl = Command::new("openssl")
            .args(["rsa", "-pubout", "-outform", "DER"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        openssl.stdin.take().unwrap().write_all(key.private.expose_secret().as_bytes()).unwrap();
        let der = openssl.wait_with_output().unwrap().stdout;
        let imported = read_public(&format!("{} me@laptop", key.public.openssh)).unwrap();
        assert_eq!(imported.fingerprint, colons(&Md5::digest(der)));
        assert_eq!(imported.openssh, key.public.openssh);
    }

    #[test]
    fn the_numbers_of_an_rsa_key_are_those_that_puttygen_reads_in_it() {
        let pem = include_str!("../tests/putty/rsa.pem");
        let (label, pkcs1) = pkcs8::der::pem::decode_vec(pem.as_bytes()).unwrap();
        assert_eq!(label, "RSA PRIVATE KEY");
        let public = PublicKey::from_openssh(include_str!("../tests/putty/rsa.pub")).unwrap().to_bytes().unwrap();
        let file = putty_key::write("ssh-rsa", "laptop of A", &public, &rsa_blob(&pkcs1).unwrap());
        assert_eq!(file.expose_secret(), include_str!("../tests/putty/rsa.ppk"));
        assert!(rsa_blob(&pkcs1[1..]).is_none());
    }

    #[test]
    fn a_key_for_putty_says_what_it_is_and_holds_its_public_half() {
        for (kind, algorithm) in [(KeyKind::Rsa, "ssh-rsa"), (KeyKind::Ed25519, "ssh-ed25519")] {
            let key = generate(kind, &PrivateForm::Ppk { comment: "a key".to_owned() }).unwrap();
            let file = key.private.expose_secret();
            let start = format!("PuTTY-User-Key-File-2: {algorithm}\nEncryption: none\nComment: a key\nPublic-Lines: ");
            assert!(file.starts_with(&start));
            let half: String = file.lines().skip(4).take_while(|line| !line.starts_with("Private-Lines")).collect();
            assert_eq!(format!("{algorithm} {half}"), key.public.openssh);
        }
    }

    #[test]
    fn what_is_no_public_key_is_refused() {
        for text in ["", "ssh-rsa", "ssh-rsa AAAA", "ssh-dss AAAAB3NzaC1kc3MAAACBA", "-----BEGIN RSA PRIVATE KEY-----", &"a".repeat(9000)] {
            assert!(matches!(read_public(text), Err(Error::InvalidParameter { .. })), "{text}");
        }
    }
}
