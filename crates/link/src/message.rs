//! What is said on a line. Every message is one frame's head in JSON; bytes of objects are the frame's body.

use std::fmt;
use std::net::SocketAddrV4;
use std::sync::Arc;

use hostspec::{FlowReport, HostReport, HostSpec};
use ipnet::Ipv4Net;
use model::{HostId, InstanceId, VpcId};
use serde::{Deserialize, Serialize};

/// Version of what is said on a line; both ends must speak the same.
pub const VERSION: u32 = 3;

/// The first words of whoever dials.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// [`VERSION`] of the one who dials.
    pub link: u32,
    /// [`hostspec::VERSION`] of the one who dials.
    pub document: u32,
    /// Version of its program, for the operator to read.
    pub build: String,
    /// What it wants.
    pub purpose: Purpose,
}

/// What a line is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// To become a host; the only one for which no certificate is needed.
    Join {
        /// The host that the token is for.
        host: HostId,
        /// The token's secret, in hex.
        secret: SecretWord,
        /// The public key to certify: an uncompressed point of P-256, in hex.
        key: String,
    },
    /// To follow the host's document and to report.
    Agent,
    /// To read objects of images that the host's document names.
    Images,
    /// To carry the bytes of a session, and nothing else, after the welcome.
    Session {
        /// What the question said.
        ticket: SecretWord,
    },
}

/// A word that the two ends of a line know and nobody else: shown to neither logs nor errors.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SecretWord(String);

impl SecretWord {
    /// The word itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for SecretWord {
    fn from(word: String) -> SecretWord {
        SecretWord(word)
    }
}

impl fmt::Debug for SecretWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretWord(..)")
    }
}

/// The server's first words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Welcome {
    /// Go away.
    Refused(Refusal),
    /// The dialler is a host now, and dials again to work as one.
    Joined {
        /// Its certificate (DER), in hex.
        certificate: String,
        /// What it must know of the cloud.
        settings: Settings,
    },
    /// The line is open.
    Ready(Settings),
}

/// What a host must know of its cloud beside documents.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// Name of the region.
    pub region: String,
    /// Public addresses of the region.
    pub public_pool: Ipv4Net,
    /// The host's name, as the operator gave it.
    pub name: String,
}

/// Why the server says no.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// The two programs do not understand each other.
    Version {
        /// Version of the server's program.
        server: String,
        /// Version of the host's program.
        host: String,
    },
    /// The token was used before, or replaced by a newer one, or is not this cloud's.
    Token,
    /// The token is too old.
    Expired,
    /// No host has this certificate: it was removed, or another machine joined in its place.
    Unknown,
    /// The underlay address is another host's.
    Underlay,
    /// The server cannot answer now.
    Unavailable,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::Version { server, host } => write!(
                f,
                "the server is pileus {server} and this is {host}; they do not understand each other, bring both to the same version"
            ),
            Refusal::Token => {
                f.write_str("the token was used, was replaced by a newer one, or is not this cloud's; make another with `pileus host add`")
            }
            Refusal::Expired => f.write_str("the token has expired; make another with `pileus host add`"),
            Refusal::Unknown => f.write_str("this host was removed from the cloud, or another machine joined in its place"),
            Refusal::Underlay => f.write_str("another host has this address; say which one this has with `pileus host add --underlay`"),
            Refusal::Unavailable => f.write_str("it cannot answer now"),
        }
    }
}

/// What the server says to a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToHost {
    /// What should exist on the host.
    Document(Arc<HostSpec>),
    /// Something to answer.
    Question(Asking),
    /// A part of an object, in the body: the next bytes from where they were asked for.
    Part {
        /// Number of the read.
        number: u64,
        /// Bytes of the whole object; none when the host does not get it.
        total: Option<u64>,
    },
    /// Nothing: the line is open still.
    Alive,
}

/// What a host says to the server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToServer {
    /// What the host saw.
    Report(Box<HostReport>),
    /// An answer.
    Answer {
        /// Number of the question.
        number: u64,
        /// The answer.
        answer: Answer,
    },
    /// Wants a part of an object.
    Read {
        /// Number that comes back with the part.
        number: u64,
        /// The object.
        object: ObjectName,
        /// Offset of the first byte wanted.
        offset: u64,
    },
    /// Nothing: the line is open still.
    Alive,
}

/// A question with its number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asking {
    /// Number that comes back with the answer.
    pub number: u64,
    /// The question.
    pub question: Question,
}

/// What a host is asked beside its document. An agent in the server's own process is asked the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Question {
    /// The newest output of a machine's serial console.
    Console {
        /// The machine.
        instance: InstanceId,
    },
    /// What is left of the cloud on the machine and in no document.
    Doctor {
        /// Whether it is removed.
        repair: bool,
    },
    /// A connection to a guest: the host dials another line for its bytes before it answers.
    Session {
        /// What the line is recognised by, once.
        ticket: SecretWord,
        /// The guest's VPC.
        vpc: VpcId,
        /// Its address and port.
        to: SocketAddrV4,
    },
    /// The oldest part of what the host saw of flows.
    Flows {
        /// The part before, which was written down and may be forgotten.
        told: Option<u64>,
    },
}

/// What a host answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// The console's bytes; in hex, since a guest may write anything.
    Console {
        /// At most 64 KiB.
        bytes: String,
        /// When they last grew, in milliseconds since the epoch.
        at_ms: i64,
    },
    /// What was found and what of it is left, one sentence each.
    Doctor {
        /// What was found.
        findings: Vec<String>,
        /// What of it is left.
        left: Vec<String>,
    },
    /// The line of a session is there.
    Session,
    /// A part of what was seen of flows.
    Flows {
        /// The part.
        report: FlowReport,
    },
    /// There is no such thing here, or it cannot be read now.
    None,
}

/// An object of an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ObjectName {
    /// The list of an image's chunks, by its digest.
    Manifest(String),
    /// A chunk, by its digest.
    Chunk(String),
    /// A kernel or RAM disk, by its digest.
    Blob(String),
}
