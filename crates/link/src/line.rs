//! An open line between two ends that know each other.

use std::marker::PhantomData;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{ReadHalf, WriteHalf};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsStream;

use crate::LinkError;
use crate::frame::{self, Limits};
use crate::message::Settings;

/// How often each end says something when it has nothing to say.
pub const ALIVE_EVERY: Duration = Duration::from_secs(5);
/// Without a word for so long the line counts as broken: three words missed.
pub const SILENCE: Duration = Duration::from_secs(16);
/// How long a frame may take to be written; a large document over a slow line takes some of it.
const WRITE_WITHIN: Duration = Duration::from_secs(60);

/// An open line: `I` comes in, `O` goes out.
pub struct Line<I, O> {
    /// What the server said of the cloud.
    pub settings: Settings,
    /// What comes in.
    pub incoming: Incoming<I>,
    /// What goes out.
    pub outgoing: Outgoing<O>,
}

impl<I: DeserializeOwned, O: Serialize> Line<I, O> {
    pub(crate) fn new(stream: TlsStream<TcpStream>, settings: Settings, limits: Limits) -> Line<I, O> {
        let (reading, writing) = tokio::io::split(stream);
        let incoming = Incoming { stream: reading, limits, says: PhantomData };
        Line { settings, incoming, outgoing: Outgoing { stream: writing, says: PhantomData } }
    }
}

/// The incoming half of a line.
pub struct Incoming<I> {
    stream: ReadHalf<TlsStream<TcpStream>>,
    limits: Limits,
    says: PhantomData<fn() -> I>,
}

impl<I: DeserializeOwned> Incoming<I> {
    /// The next message with its body. An error ends the line. Not to be dropped while it waits, unless the line is given up:
    /// half a frame would be lost.
    pub async fn next(&mut self) -> Result<(I, Vec<u8>), LinkError> {
        timeout(SILENCE, frame::read(&mut self.stream, self.limits)).await.map_err(|_| LinkError::Silent(SILENCE))?
    }
}

/// The outgoing half of a line.
pub struct Outgoing<O> {
    stream: WriteHalf<TlsStream<TcpStream>>,
    says: PhantomData<fn(O)>,
}

impl<O: Serialize> Outgoing<O> {
    /// Sends a message with a body. An error ends the line.
    pub async fn send(&mut self, message: &O, body: &[u8]) -> Result<(), LinkError> {
        timeout(WRITE_WITHIN, frame::write(&mut self.stream, message, body)).await.map_err(|_| LinkError::Silent(WRITE_WITHIN))?
    }
}
