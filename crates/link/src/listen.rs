//! The server's end: who knocks, with what certificate, and what is said to him first.

use std::net::SocketAddr;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::{TlsAcceptor, TlsStream};

use crate::LinkError;
use crate::authority::digest;
use crate::dial::BUILD_MAX;
use crate::frame::{self, Limits};
use crate::line::Line;
use crate::message::{Hello, Refusal, Settings, VERSION, Welcome};

/// How long a dialler may take for its handshake and its first words.
const KNOCK_WITHIN: Duration = Duration::from_secs(10);

/// Somebody who has said what he wants, and waits to be welcomed.
pub struct Knock {
    /// What he said.
    pub hello: Hello,
    /// Digest of his certificate; none for a stranger. The authority has signed it, and he has its key.
    pub certificate: Option<String>,
    /// Where he is.
    pub peer: SocketAddr,
    stream: TlsStream<TcpStream>,
}

/// Lets a connection come as far as its first words. Speakers of another version are told so and sent away.
pub async fn accept(acceptor: &TlsAcceptor, stream: TcpStream, peer: SocketAddr, build: &str) -> Result<Knock, LinkError> {
    let knocking = async {
        stream.set_nodelay(true)?;
        let mut stream = TlsStream::Server(acceptor.accept(stream).await?);
        let (hello, _) = frame::read::<Hello>(&mut stream, Limits::GREETING).await?;
        let shown = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first()).map(digest);
        Ok::<_, LinkError>(Knock { hello, certificate: shown, peer, stream })
    };
    let mut knock = timeout(KNOCK_WITHIN, knocking).await.map_err(|_| LinkError::Silent(KNOCK_WITHIN))??;
    knock.hello.build = knock.hello.build.chars().filter(|c| !c.is_control()).take(BUILD_MAX).collect();
    if (knock.hello.link, knock.hello.document) != (VERSION, hostspec::VERSION) {
        let refusal = Refusal::Version { server: build.to_owned(), host: knock.hello.build.clone() };
        knock.refuse(refusal.clone()).await?;
        return Err(LinkError::Refused(refusal));
    }
    Ok(knock)
}

impl Knock {
    /// Sends him away.
    pub async fn refuse(self, why: Refusal) -> Result<(), LinkError> {
        self.say(&Welcome::Refused(why)).await.map(drop)
    }

    /// Makes him a host.
    pub async fn joined(self, certificate: String, settings: Settings) -> Result<(), LinkError> {
        self.say(&Welcome::Joined { certificate, settings }).await.map(drop)
    }

    /// Opens the line.
    pub async fn ready<I: DeserializeOwned, O: Serialize>(self, settings: Settings) -> Result<Line<I, O>, LinkError> {
        let stream = self.say(&Welcome::Ready(settings.clone())).await?;
        Ok(Line::new(stream, settings, Limits::OF_HOST))
    }

    /// Gives the connection over to the bytes of a session.
    pub async fn session(self, settings: Settings) -> Result<TlsStream<TcpStream>, LinkError> {
        self.say(&Welcome::Ready(settings)).await
    }

    async fn say(mut self, welcome: &Welcome) -> Result<TlsStream<TcpStream>, LinkError> {
        let said = timeout(KNOCK_WITHIN, frame::write(&mut self.stream, welcome, b"")).await;
        said.map_err(|_| LinkError::Silent(KNOCK_WITHIN))??;
        Ok(self.stream)
    }
}
