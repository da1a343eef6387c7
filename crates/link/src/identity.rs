//! Who a host is: its key, its certificate, and whom it belongs to. Kept by the host in one file that only root can read.

use std::net::SocketAddr;
use std::sync::Arc;

use model::HostId;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::authority::{digest, provider};
use crate::message::Settings;
use crate::{LinkError, Token};

/// Who a host is.
#[derive(Clone, Serialize, Deserialize)]
pub struct Identity {
    /// The host.
    pub host: HostId,
    /// Where the server listens for hosts.
    pub server: SocketAddr,
    /// What the host must know of its cloud.
    pub settings: Settings,
    /// SHA-256 of the authority's certificate, in hex.
    pub(crate) authority: String,
    /// Certificate (DER) in hex.
    pub(crate) certificate: String,
    /// Key (PKCS #8) in hex.
    pub(crate) key: String,
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Identity").field("host", &self.host).field("server", &self.server).finish_non_exhaustive()
    }
}

impl Identity {
    /// What is kept in a file.
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(serde_json::to_vec_pretty(self).expect("texts, ids and addresses are plain data"))
    }

    /// Reads what [`Identity::to_bytes`] gave.
    pub fn from_bytes(bytes: &[u8]) -> Result<Identity, LinkError> {
        serde_json::from_slice(bytes).map_err(|error| LinkError::Nonsense(format!("the host's identity: {error}")))
    }

    /// TLS for a host that has joined.
    pub(crate) fn client(&self) -> Result<ClientConfig, LinkError> {
        let bytes = |text: &str| hex::decode(text).map_err(|error| LinkError::Nonsense(format!("the host's identity: {error}")));
        let chain = vec![CertificateDer::from(bytes(&self.certificate)?)];
        let key = PrivateKeyDer::Pkcs8(bytes(&self.key)?.into());
        Ok(pinned(&self.authority)?.with_client_auth_cert(chain, key)?)
    }
}

/// TLS for a machine that wants to join.
pub(crate) fn stranger(token: &Token) -> Result<ClientConfig, LinkError> {
    Ok(pinned(&token.authority)?.with_no_client_auth())
}

fn pinned(authority: &str) -> Result<rustls::ConfigBuilder<ClientConfig, rustls::client::WantsClientCert>, LinkError> {
    let config = ClientConfig::builder_with_provider(provider()).with_protocol_versions(&[&rustls::version::TLS13])?;
    Ok(config.dangerous().with_custom_certificate_verifier(Arc::new(Pinned { authority: authority.to_owned() })))
}

/// Trusts the server whose certificate is from the authority of this digest, which the server shows beside its own.
#[derive(Debug)]
struct Pinned {
    authority: String,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let unknown = rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer);
        let authority = intermediates.iter().find(|shown| digest(shown) == self.authority).ok_or(unknown)?;
        let mut roots = RootCertStore::empty();
        roots.add(authority.clone().into_owned())?;
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider()).build();
        let verifier = verifier.map_err(|error| rustls::Error::General(error.to_string()))?;
        verifier.verify_server_cert(end_entity, &[], server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::General("only TLS 1.3 is spoken".to_owned()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, certificate, signature, &provider().signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider().signature_verification_algorithms.supported_schemes()
    }
}
