//! Network paths: questions whether one thing reaches another, kept to be asked again, and the answers that were given.
//!
//! The judgement itself is [`crate::reachability`]'s; an answer is what it said at that moment and does not change any more.

use std::net::IpAddr;

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
    /// The version of IP.
    #[serde(default, skip_serializing_if = "IpVersion::is_v4")]
    pub version: IpVersion,
    /// The address that the connection comes from, where that is not the sender's only one; of this version.
    pub from_ip: Option<IpAddr>,
    /// The address that is spoken to, where that does not follow from the receiver; of this version.
    pub to_ip: Option<IpAddr>,
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

/// A version of IP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IpVersion {
    /// IPv4.
    #[default]
    V4,
    /// IPv6.
    V6,
}

impl IpVersion {
    /// The version of an address.
    pub fn of(ip: IpAddr) -> IpVersion {
        if ip.is_ipv6() { IpVersion::V6 } else { IpVersion::V4 }
    }

    /// Whether it is IPv4, of which questions of earlier versions were.
    pub fn is_v4(&self) -> bool {
        *self == IpVersion::V4
    }
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
