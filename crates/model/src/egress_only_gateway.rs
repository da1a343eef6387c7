//! Egress-only internet gateways: a VPC's way out in IPv6, by which only answers come in.
//!
//! A gateway is of one VPC from its first to its last moment, and a VPC may have several. Routes say which subnets use it. Addresses with
//! [bandwidth](crate::Ipv6Bandwidth) of their own are called by it too; a gateway may serve only those.

use serde::{Deserialize, Serialize};

use crate::{AccountId, EgressOnlyGatewayId, Ipv6Serves, Millis, Tags, VpcId};

/// An egress-only internet gateway.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EgressOnlyGateway {
    /// Its id.
    pub id: EgressOnlyGatewayId,
    /// Owner.
    pub account: AccountId,
    /// Its VPC.
    pub vpc: VpcId,
    /// Whose packets it takes.
    #[serde(default)]
    pub serves: Ipv6Serves,
    /// Display name.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Description.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// When it was made.
    pub created_at: Millis,
    /// Tags.
    pub tags: Tags,
}
