//! The dialling end: a machine that joins, and a host that works.

use std::time::Duration;

use model::HostId;
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use secrecy::ExposeSecret;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::{TlsConnector, TlsStream};

use crate::authority::SERVER_NAME;
use crate::frame::{self, Limits};
use crate::identity::{Identity, stranger};
use crate::line::Line;
use crate::message::{Hello, Purpose, SecretWord, VERSION, Welcome};
use crate::{LinkError, Token};

/// Longest name of a version of a program, in bytes.
pub const BUILD_MAX: usize = 64;
/// How long the server may take to take a connection and to welcome.
const GREETING_WITHIN: Duration = Duration::from_secs(10);

/// Becomes a host: the token is used up, and what comes back is to be kept.
pub async fn join(token: &Token, build: &str) -> Result<Identity, LinkError> {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let (host, secret) = (token.host, token.secret.expose_secret().to_owned().into());
    let purpose = Purpose::Join { host, secret, key: hex::encode(key.public_key_raw()) };
    let (_stream, welcome) = greet(token.server, stranger(token)?, hello(build, purpose)).await?;
    match welcome {
        Welcome::Joined { certificate, settings } => Ok(identity(token, host, certificate, settings, &key)),
        Welcome::Refused(why) => Err(LinkError::Refused(why)),
        Welcome::Ready(_) => Err(LinkError::Nonsense("a stranger is welcomed as a host".to_owned())),
    }
}

fn identity(token: &Token, host: HostId, certificate: String, settings: crate::Settings, key: &KeyPair) -> Identity {
    let authority = token.authority.clone();
    Identity { host, server: token.server, settings, authority, certificate, key: hex::encode(key.serialized_der()) }
}

/// Opens a line as the host of this identity.
pub async fn connect<I: DeserializeOwned, O: Serialize>(
    identity: &Identity,
    build: &str,
    purpose: Purpose,
) -> Result<Line<I, O>, LinkError> {
    let (stream, welcome) = greet(identity.server, identity.client()?, hello(build, purpose)).await?;
    match welcome {
        Welcome::Ready(settings) => Ok(Line::new(stream, settings, Limits::OF_SERVER)),
        Welcome::Refused(why) => Err(LinkError::Refused(why)),
        Welcome::Joined { .. } => Err(LinkError::Nonsense("a host is welcomed as a stranger".to_owned())),
    }
}

/// Opens a connection for the bytes of a session that the server asked for.
pub async fn session(identity: &Identity, build: &str, ticket: SecretWord) -> Result<TlsStream<TcpStream>, LinkError> {
    let (stream, welcome) = greet(identity.server, identity.client()?, hello(build, Purpose::Session { ticket })).await?;
    match welcome {
        Welcome::Ready(_) => Ok(stream),
        Welcome::Refused(why) => Err(LinkError::Refused(why)),
        Welcome::Joined { .. } => Err(LinkError::Nonsense("a host is welcomed as a stranger".to_owned())),
    }
}

fn hello(build: &str, purpose: Purpose) -> Hello {
    Hello { link: VERSION, document: hostspec::VERSION, build: build.chars().take(BUILD_MAX).collect(), purpose }
}

async fn greet(server: SocketAddr, config: ClientConfig, hello: Hello) -> Result<(TlsStream<TcpStream>, Welcome), LinkError> {
    let greeting = async {
        let stream = TcpStream::connect(server).await?;
        stream.set_nodelay(true)?;
        let name = ServerName::try_from(SERVER_NAME).expect("a constant that is a name");
        let mut stream = TlsStream::Client(TlsConnector::from(Arc::new(config)).connect(name, stream).await?);
        frame::write(&mut stream, &hello, b"").await?;
        let (welcome, _) = frame::read::<Welcome>(&mut stream, Limits::GREETING).await?;
        Ok((stream, welcome))
    };
    timeout(GREETING_WITHIN, greeting).await.map_err(|_| LinkError::Silent(GREETING_WITHIN))?
}
