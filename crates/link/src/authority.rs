//! The cloud's own small authority: one key that certifies the server and its hosts, and nothing else.
//!
//! It is made when the first host is to be listened for, and kept in one file that only the operator can read. A host's
//! certificate never expires by itself: a host is shut out by removing it, since the server asks of each certificate whose it is.

use std::sync::Arc;

use model::HostId;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256,
    PublicKeyData, SignatureAlgorithm,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::LinkError;

/// The name that the server's certificate has. Hosts know the server by its authority, not by where it is.
pub(crate) const SERVER_NAME: &str = "server.pileus.internal";
/// Length of an uncompressed point of P-256 (SEC 1, 2.3.3).
const POINT_BYTES: usize = 65;

/// The authority with its key.
pub struct Authority {
    certificate: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
}

#[derive(Serialize, Deserialize)]
struct File {
    /// DER in hex.
    certificate: String,
    /// PKCS #8 in hex.
    key: String,
}

/// Digest of a certificate, in hex: the name by which the two ends know each other.
pub(crate) fn digest(certificate: &CertificateDer<'_>) -> String {
    hex::encode(Sha256::digest(certificate.as_ref()))
}

pub(crate) fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

impl Authority {
    /// Makes an authority.
    pub fn generate() -> Result<Authority, LinkError> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let certificate = own_params()?.self_signed(&key)?.der().clone();
        Ok(Authority { certificate, issuer: Issuer::new(own_params()?, key) })
    }

    /// What is kept in a file: the certificate and the key.
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let file = File { certificate: hex::encode(&self.certificate), key: hex::encode(self.issuer.key().serialized_der()) };
        Zeroizing::new(serde_json::to_vec(&file).expect("two texts are plain data"))
    }

    /// Reads what [`Authority::to_bytes`] gave.
    pub fn from_bytes(bytes: &[u8]) -> Result<Authority, LinkError> {
        let damaged = |what: String| LinkError::Nonsense(format!("the authority's file: {what}"));
        let File { certificate, key } = serde_json::from_slice(bytes).map_err(|error| damaged(error.to_string()))?;
        let certificate = hex::decode(certificate).map_err(|error| damaged(error.to_string()))?.into();
        let key = Zeroizing::new(hex::decode(key).map_err(|error| damaged(error.to_string()))?);
        let key = KeyPair::from_pkcs8_der_and_sign_algo(&PrivatePkcs8KeyDer::from(key.as_slice()), &PKCS_ECDSA_P256_SHA256)?;
        Ok(Authority { certificate, issuer: Issuer::new(own_params()?, key) })
    }

    /// SHA-256 of the certificate in hex, which tokens carry.
    pub fn digest(&self) -> String {
        digest(&self.certificate)
    }

    /// Certifies a host's public key; gives the certificate and its digest. The key is an uncompressed point of P-256 in hex.
    pub fn certify(&self, host: HostId, key: &str) -> Result<(String, String), LinkError> {
        let point = hex::decode(key).ok().filter(|point| point.len() == POINT_BYTES && point[0] == 4);
        let point = HostKey(point.ok_or_else(|| LinkError::Nonsense("no public key of P-256".to_owned()))?);
        let mut params = CertificateParams::new(vec![format!("{host}.hosts.pileus.internal")])?;
        params.distinguished_name.push(DnType::CommonName, host.to_string());
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        let certificate = params.signed_by(&point, &self.issuer)?;
        Ok((hex::encode(certificate.der()), digest(certificate.der())))
    }

    /// TLS for the server's listener. Its own key is made anew at each start. A dialler without a certificate gets through to
    /// say that it wants to join.
    pub fn server(&self) -> Result<ServerConfig, LinkError> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let mut params = CertificateParams::new(vec![SERVER_NAME.to_owned()])?;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        let certificate = params.signed_by(&key, &self.issuer)?.der().clone();
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone())?;
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider()).allow_unauthenticated().build();
        let verifier = verifier.map_err(|error| LinkError::Nonsense(error.to_string()))?;
        let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
        let config = ServerConfig::builder_with_provider(provider()).with_protocol_versions(&[&rustls::version::TLS13])?;
        Ok(config.with_client_cert_verifier(verifier).with_single_cert(vec![certificate, self.certificate.clone()], key)?)
    }
}

fn own_params() -> Result<CertificateParams, LinkError> {
    let mut params = CertificateParams::new(Vec::<String>::new())?;
    params.distinguished_name.push(DnType::CommonName, "Pileus hosts");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    Ok(params)
}

/// A host's public key.
struct HostKey(Vec<u8>);

impl PublicKeyData for HostKey {
    fn der_bytes(&self) -> &[u8] {
        &self.0
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_ECDSA_P256_SHA256
    }
}
