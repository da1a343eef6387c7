//! Peerings of VPCs: two that exchange packets as far as routes on both sides say so.
//!
//! ```text
//!   asked ─┬─▶ pending ─┬─ accept ─▶ active ── delete ─▶ gone
//!          │            ├─ reject ─▶ rejected ── delete ─▶ gone
//!          │            └─ a week ─▶ expired
//!          └─▶ failed: the ranges overlap
//! ```

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

use crate::{AccountId, Millis, Tags, VpcId, VpcPeeringId};

/// Milliseconds in which a peering must be accepted: a week (EC2, "Create a VPC peering connection").
pub const PEERING_PENDING_MAX: i64 = 7 * 24 * 3_600 * 1_000;

/// A peering.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VpcPeering {
    /// Its id.
    pub id: VpcPeeringId,
    /// Who asked.
    pub requester: PeeringEnd,
    /// Who was asked.
    pub accepter: PeeringEnd,
    /// How far it is.
    pub state: PeeringState,
    /// When it was asked for.
    pub created_at: Millis,
    /// Tags of the account that asked.
    pub tags: Tags,
}

/// One of two VPCs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeeringEnd {
    /// Its owner.
    pub account: AccountId,
    /// The VPC.
    pub vpc: VpcId,
    /// Its range.
    pub range: Ipv4Net,
}

/// How far a peering is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PeeringState {
    /// The other side has not answered.
    Pending,
    /// Packets may flow.
    Active,
    /// The other side does not want it.
    Rejected,
    /// The ranges overlap, so no route could tell the sides apart.
    Failed,
    /// The other side has not answered in time.
    Expired,
}

impl PeeringState {
    /// EC2's word, which texts and filters have too.
    pub const fn word(self) -> &'static str {
        match self {
            PeeringState::Pending => "pending-acceptance",
            PeeringState::Active => "active",
            PeeringState::Rejected => "rejected",
            PeeringState::Failed => "failed",
            PeeringState::Expired => "expired",
        }
    }

    /// Whether it may still become active, or is.
    pub const fn is_alive(self) -> bool {
        matches!(self, PeeringState::Pending | PeeringState::Active)
    }
}

impl VpcPeering {
    /// Whether it concerns this account.
    pub fn is_of(&self, account: AccountId) -> bool {
        self.requester.account == account || self.accepter.account == account
    }

    /// The side across from a VPC; none when the VPC is on neither.
    pub fn across(&self, vpc: VpcId) -> Option<&PeeringEnd> {
        match (self.requester.vpc == vpc, self.accepter.vpc == vpc) {
            (true, _) => Some(&self.accepter),
            (false, true) => Some(&self.requester),
            (false, false) => None,
        }
    }

    /// Until when it may be accepted.
    pub fn pending_until(&self) -> Millis {
        Millis(self.created_at.0 + PEERING_PENDING_MAX)
    }

    /// How far it is at a moment.
    pub fn state_at(&self, now: Millis) -> PeeringState {
        match self.state {
            PeeringState::Pending if now > self.pending_until() => PeeringState::Expired,
            state => state,
        }
    }
}
