//! Internet gateways: a VPC's way to public addresses.
//!
//! ```text
//!   free ── attach ─▶ attached to one VPC ── detach ─▶ free
//!   made for a VPC, idle ── enable ─▶ attached to it
//! ```
//!
//! A gateway is no machine: the hosts do its work. It decides nothing by itself either; routes say which subnets use it.

use serde::{Deserialize, Serialize};

use crate::{AccountId, InternetGatewayId, Millis, Tags, VpcId};

/// An internet gateway.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InternetGateway {
    /// Its id.
    pub id: InternetGatewayId,
    /// Owner.
    pub account: AccountId,
    /// The VPC that it is attached to. A VPC has one at most.
    pub vpc: Option<VpcId>,
    /// Whether it was not put to use yet: its VPC is as if it had none.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub idle: bool,
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
