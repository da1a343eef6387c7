//! Egress-only internet gateways: a VPC's way out in IPv6, by which only answers come in.
//!
//! A gateway is of one VPC from its first to its last moment, and a VPC may have several. Routes say which subnets use it.

use serde::{Deserialize, Serialize};

use crate::{AccountId, EgressOnlyGatewayId, Millis, Tags, VpcId};

/// An egress-only internet gateway.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EgressOnlyGateway {
    /// Its id.
    pub id: EgressOnlyGatewayId,
    /// Owner.
    pub account: AccountId,
    /// Its VPC.
    pub vpc: VpcId,
    /// When it was made.
    pub created_at: Millis,
    /// Tags.
    pub tags: Tags,
}
