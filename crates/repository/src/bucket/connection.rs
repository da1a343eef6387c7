//! HTTP and TLS to the object store: few connections that are used again, each request with a deadline.
//!
//! Answers are read whole before they are given on: an answer that breaks off is an error of the request, which the client of the store
//! repeats, and never half an object.

use super::settings::ObjectStoreSettings;
use crate::RepositoryError;
use async_trait::async_trait;
use http::header::HOST;
use http::{HeaderValue, Uri};
use http_body_util::{BodyExt, Limited};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpRequestBody, HttpResponse, HttpResponseBody, HttpService,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

/// Longest wait for a connection.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// Longest wait for an answer, and for each mebibyte on its way: a store that is slower than a mebibyte in two seconds counts as gone.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);
const MEBIBYTE_WITHIN: Duration = Duration::from_secs(2);
/// Largest answer: a manifest of two tebibytes, and what surrounds it.
const ANSWER_MAX: usize = 601 << 20;
/// Connections that are kept, and how long: stores close idle ones after some ten seconds.
const IDLE_MAX: usize = 32;
const IDLE_FOR: Duration = Duration::from_secs(8);

/// Connections to one endpoint.
#[derive(Debug, Clone)]
pub(super) struct Connections(Arc<Shared>);

struct Shared {
    idle: Mutex<Vec<(Instant, SendRequest<HttpRequestBody>)>>,
    /// How to speak TLS; none where the endpoint is plain.
    tls: Option<TlsConnector>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Shared")
    }
}

impl Connections {
    /// No connection yet. Io or Malformed if the certificates of authorities cannot be used.
    pub(super) fn new(settings: &ObjectStoreSettings) -> Result<Connections, RepositoryError> {
        let tls = settings.endpoint.starts_with("https:").then(|| tls(settings)).transpose()?;
        Ok(Connections(Arc::new(Shared { idle: Mutex::default(), tls })))
    }
}

fn tls(settings: &ObjectStoreSettings) -> Result<TlsConnector, RepositoryError> {
    let path = &settings.authorities;
    let malformed = |reason: String| RepositoryError::malformed(path.display(), reason);
    let text = std::fs::read(path).map_err(RepositoryError::io(path))?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&text) {
        let certificate = certificate.map_err(|error| malformed(error.to_string()))?;
        roots.add(certificate).map_err(|error| malformed(error.to_string()))?;
    }
    if roots.is_empty() {
        return Err(malformed("no certificate is in it".to_owned()));
    }
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| malformed(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

impl HttpConnector for Connections {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.clone()))
    }
}

#[async_trait]
impl HttpService for Connections {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let mebibytes = u32::try_from(request.body().content_length() >> 20).unwrap_or(u32::MAX);
        match timeout(ANSWER_WITHIN + MEBIBYTE_WITHIN * mebibytes, self.send(request)).await {
            Ok(answer) => answer,
            Err(_) => Err(failed(HttpErrorKind::Timeout, "no answer in time")),
        }
    }
}

impl Connections {
    async fn send(&self, mut request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let uri = request.uri().clone();
        let authority = uri.authority().ok_or_else(|| failed(HttpErrorKind::Unknown, "a request without a host"))?.clone();
        let mut sender = match self.take_idle() {
            Some(sender) => sender,
            None => self.connect_to(&uri).await.map_err(|error| HttpError::new(HttpErrorKind::Connect, error))?,
        };
        // RFC 9112: a request to the origin names the path alone, and the host in a field.
        let path = uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
        *request.uri_mut() = path.parse().map_err(|error| HttpError::new(HttpErrorKind::Unknown, error))?;
        let host = HeaderValue::from_str(authority.as_str()).map_err(|error| HttpError::new(HttpErrorKind::Unknown, error))?;
        request.headers_mut().insert(HOST, host);
        // Whatever breaks off on the way may be asked again: all that is asked of the store gives the same twice.
        let answer = sender.send_request(request).await.map_err(|error| HttpError::new(HttpErrorKind::Interrupted, error))?;
        let (parts, body) = answer.into_parts();
        let body = Limited::new(body, ANSWER_MAX).collect().await;
        let body = body.map_err(|error| HttpError::new(HttpErrorKind::Interrupted, io::Error::other(error)))?.to_bytes();
        self.give_back(sender);
        Ok(HttpResponse::from_parts(parts, HttpResponseBody::from(body)))
    }

    fn take_idle(&self) -> Option<SendRequest<HttpRequestBody>> {
        let mut idle = self.0.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|(since, sender)| since.elapsed() < IDLE_FOR && !sender.is_closed());
        let ready = idle.iter().rposition(|(_, sender)| sender.is_ready())?;
        Some(idle.remove(ready).1)
    }

    fn give_back(&self, sender: SendRequest<HttpRequestBody>) {
        let mut idle = self.0.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE_MAX {
            idle.push((Instant::now(), sender));
        }
    }

    async fn connect_to(&self, uri: &Uri) -> io::Result<SendRequest<HttpRequestBody>> {
        let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = uri.port_u16().unwrap_or(if self.0.tls.is_some() { 443 } else { 80 });
        let connect = async {
            let stream = TcpStream::connect((host.as_str(), port)).await?;
            stream.set_nodelay(true)?;
            match &self.0.tls {
                None => spoken(stream).await,
                Some(tls) => {
                    let name = ServerName::try_from(host.clone()).map_err(io::Error::other)?;
                    spoken(tls.connect(name, stream).await?).await
                }
            }
        };
        timeout(CONNECT_WITHIN, connect).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }
}

/// Begins HTTP on a stream; a task carries it until either side ends.
async fn spoken<S>(stream: S) -> io::Result<SendRequest<HttpRequestBody>>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
    tokio::spawn(connection);
    Ok(sender)
}

fn failed(kind: HttpErrorKind, reason: &'static str) -> HttpError {
    HttpError::new(kind, io::Error::other(reason))
}
