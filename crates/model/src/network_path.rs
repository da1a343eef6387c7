//! Network paths: questions whether one thing reaches another, kept to be asked again, and the answers that were given.
//!
//! The judgement itself is [`crate::reachability`]'s; an answer is what it said at that moment and does not change any more.

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use crate::reachability::Way;
use crate::{AccountId, InstanceId, InterfaceId, InternetGatewayId, Millis, NetworkPathId, PathAnalysisId, Tags};

/// A question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkPath {
    /// Its id.
    pub id: NetworkPathId,
    /// Owner.
    pub account: AccountId,
    /// What is asked.
    pub question: Question,
    /// When it was made.
    pub created_at: Millis,
    /// Tags.
    pub tags: Tags,
}

/// Whether one thing reaches another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// Who opens the connection.
    pub from: PathEnd,
    /// Whom to; none when only the address is known.
    pub to: Option<PathEnd>,
    /// The address that the connection comes from, where that is not the sender's only one.
    pub from_ip: Option<Ipv4Addr>,
    /// The address that is spoken to, where that does not follow from the receiver.
    pub to_ip: Option<Ipv4Addr>,
    /// The protocol.
    pub protocol: Transport,
    /// The destination port; none asks whether there is any that is reached.
    pub port: Option<u16>,
}

/// An end of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PathEnd {
    /// The primary interface of an instance.
    Instance(InstanceId),
    /// An interface.
    Interface(InterfaceId),
    /// Whatever is beyond an internet gateway.
    Gateway(InternetGatewayId),
}

/// A protocol with ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Transport {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PathAnalysis {
    /// Its id.
    pub id: PathAnalysisId,
    /// Owner.
    pub account: AccountId,
    /// The question.
    pub path: NetworkPathId,
    /// What was found.
    pub way: Way,
    /// When it was asked.
    pub created_at: Millis,
    /// Tags.
    pub tags: Tags,
}
