//! How a host's agent and the server talk: who may join, who is who, and what goes over the line.
//!
//! ```text
//!   operator ── pileus host add ─▶ Token: address, digest of the authority, secret      (once, expires)
//!   agent ── TLS, authority pinned by the token ── Join{secret, public key} ─▶ server ─▶ certificate
//!   agent ══ mutual TLS ══ Hello ─▶ Welcome ── documents, questions ─▶ agent
//!                                           ◀── reports, answers ──
//!   image server ══ mutual TLS, a line of its own ══ reads of objects of images
//!   agent ══ mutual TLS, a line for each session ══ bytes from and to a guest
//! ```
//!
//! The agent dials, so a host needs no open port for this. A host is known by the digest of its certificate, which the server
//! keeps with the host: what a message says of its sender is never asked. Every frame and every queue is bounded.
//!
//! This crate knows no database, no machine and no image: what is in documents and objects is others' business.

mod authority;
mod dial;
mod frame;
mod identity;
mod line;
mod listen;
mod message;
mod objects;
mod token;

pub use authority::Authority;
pub use dial::{BUILD_MAX, connect, join, session};
pub use frame::PART_MAX;
pub use identity::Identity;
pub use line::{ALIVE_EVERY, Incoming, Line, Outgoing, SILENCE};
pub use listen::{Knock, accept};
pub use message::{
    Answer, Asking, Hello, ObjectName, Purpose, Question, Refusal, SecretWord, Settings, ToHost, ToServer, VERSION, Welcome,
};
pub use objects::Objects;
pub use token::{BadToken, SECRET_BYTES, Token};

/// Why a line was not made, or ended.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// The network or the other end's machine.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// Keys or certificates do not do.
    #[error("TLS: {0}")]
    Tls(#[from] rustls::Error),
    /// A certificate could not be made.
    #[error("a certificate cannot be made: {0}")]
    Certificate(#[from] rcgen::Error),
    /// The other end did not say in time what was due.
    #[error("no word within {0:?}")]
    Silent(std::time::Duration),
    /// The other end says what makes no sense.
    #[error("not the language of this link: {0}")]
    Nonsense(String),
    /// The server said no.
    #[error("the server refuses: {0}")]
    Refused(Refusal),
    /// An object that the server does not have, or that this host may not read.
    #[error("the server does not give {0}")]
    NotGiven(String),
}
