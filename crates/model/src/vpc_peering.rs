//! Peerings of VPCs: two that exchange packets as far as routes on both sides say so.
//!
//! ```text
//!   asked ─┬─▶ pending ─┬─ accept ─▶ active ── delete ─▶ deleted ─▶ gone
//!          │            ├─ reject ─▶ rejected ─▶ gone
//!          │            └─ a week ─▶ expired ─▶ gone
//!          └─▶ failed: the ranges overlap ─▶ gone
//! ```
//!
//! In Alibaba Cloud's and Tencent Cloud's words one between two VPCs of an account is active at once.

use ipnet::{Ipv4Net, Ipv6Net};
use serde::{Deserialize, Serialize};

use crate::{AccountId, Millis, Tags, Vpc, VpcId, VpcPeeringId, overlap};

/// Milliseconds in which a peering must be accepted: a week (EC2, "Create a VPC peering connection").
pub const PEERING_PENDING_MAX: i64 = 7 * 24 * 3_600 * 1_000;

/// Milliseconds for which a peering that failed is shown: two hours (EC2, "VPC peering connection lifecycle").
pub const PEERING_FAILED_KEPT: i64 = 2 * 3_600 * 1_000;
/// Milliseconds for which one that was rejected is, from when it was asked for, and one that expired from then on: two days (the same).
pub const PEERING_ENDED_KEPT: i64 = 2 * 24 * 3_600 * 1_000;

/// Milliseconds for which a deleted peering within an account is shown: two hours (the same).
pub const PEERING_DELETED_KEPT: i64 = 2 * 3_600 * 1_000;
/// Milliseconds for which whoever deleted one between accounts sees it: four hours; the other side does for [`PEERING_ENDED_KEPT`] (the
/// same).
pub const PEERING_DELETED_SEEN: i64 = 4 * 3_600 * 1_000;

/// A peering that was deleted, as it was at the end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeletedVpcPeering {
    /// The peering.
    pub peering: VpcPeering,
    /// Who deleted it.
    pub by: AccountId,
    /// When.
    pub deleted_at: Millis,
    /// Whether only the other side sees it.
    pub is_past: bool,
}

impl DeletedVpcPeering {
    /// Whether an account sees it.
    pub fn is_shown_to(&self, account: AccountId) -> bool {
        self.peering.is_of(account) && !(self.is_past && account == self.by)
    }

    /// When it is hidden from who deleted it, or forgotten.
    pub fn due(&self) -> Millis {
        let within = self.peering.requester.account == self.peering.accepter.account;
        self.deleted_at.after(match (within, self.is_past) {
            (true, _) => PEERING_DELETED_KEPT,
            (false, false) => PEERING_DELETED_SEEN,
            (false, true) => PEERING_ENDED_KEPT,
        })
    }

    /// What becomes of it when that time has come; none when it is forgotten.
    pub fn later(self) -> Option<DeletedVpcPeering> {
        let within = self.peering.requester.account == self.peering.accepter.account;
        (!within && !self.is_past).then_some(DeletedVpcPeering { is_past: true, ..self })
    }
}

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
    /// Display name, of who asked (Alibaba Cloud, Tencent Cloud).
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Description, likewise.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Tags of the account that asked.
    pub tags: Tags,
}

/// One of two VPCs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeeringEnd {
    /// Its owner.
    pub account: AccountId,
    /// The VPC.
    pub vpc: VpcId,
    /// Its first range.
    pub range: Ipv4Net,
    /// Its further ranges, as long as the peering may become active or is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub further: Vec<Ipv4Net>,
    /// Its range of IPv6, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ipv6: Option<Ipv6Net>,
}

impl PeeringEnd {
    /// The side that a VPC is.
    pub fn of(vpc: &Vpc) -> PeeringEnd {
        let further = vpc.ranges().skip(1).collect();
        PeeringEnd { account: vpc.account, vpc: vpc.id, range: vpc.range, further, ipv6: vpc.ipv6.map(|own| own.range) }
    }

    /// Its ranges, the first one first.
    pub fn ranges(&self) -> impl Iterator<Item = Ipv4Net> + '_ {
        std::iter::once(self.range).chain(self.further.iter().copied())
    }

    /// A range of it that has an address in common with this one.
    pub fn overlapping(&self, range: Ipv4Net) -> Option<Ipv4Net> {
        self.ranges().find(|own| overlap(own, &range))
    }

    /// A range of it that has an address in common with one of another.
    pub fn meets(&self, other: &PeeringEnd) -> Option<Ipv4Net> {
        other.ranges().find_map(|range| self.overlapping(range))
    }
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

    /// Writes down what ranges a VPC has now.
    pub fn tell_ranges(&mut self, vpc: &Vpc) {
        for end in [&mut self.requester, &mut self.accepter].into_iter().filter(|end| end.vpc == vpc.id) {
            *end = PeeringEnd::of(vpc);
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

    /// Until when it is shown if nobody agrees to it any more; for ever while it is active.
    fn shown_until(&self) -> Option<Millis> {
        match self.state {
            PeeringState::Active => None,
            PeeringState::Failed => Some(self.created_at.after(PEERING_FAILED_KEPT)),
            PeeringState::Rejected => Some(self.created_at.after(PEERING_ENDED_KEPT)),
            PeeringState::Pending | PeeringState::Expired => Some(self.pending_until().after(PEERING_ENDED_KEPT)),
        }
    }

    /// Whether it came to nothing so long ago that nobody needs to see it any more.
    pub fn is_forgotten(&self, now: Millis) -> bool {
        self.shown_until().is_some_and(|until| now > until)
    }

    /// When time alone makes something else of it: it expires, or is forgotten.
    pub fn due(&self) -> Option<Millis> {
        match self.state {
            PeeringState::Pending => Some(self.pending_until().after(1)),
            PeeringState::Active | PeeringState::Failed | PeeringState::Rejected | PeeringState::Expired => {
                self.shown_until().map(|until| until.after(1))
            }
        }
    }

    /// Whether it counts among those that a VPC may have: what it asked for, until that is forgotten, and what is active. What others
    /// only asked of it does not.
    pub fn counts_for(&self, vpc: VpcId) -> bool {
        self.requester.vpc == vpc || self.state == PeeringState::Active
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_to_nothing_is_forgotten_and_what_others_ask_does_not_count() {
        let end = |number| {
            let range = "10.0.0.0/16".parse().unwrap();
            PeeringEnd { account: AccountId::from_u64(number).unwrap(), vpc: VpcId::from_u64(number), range, further: vec![], ipv6: None }
        };
        let (requester, accepter, created_at) = (end(1), end(2), Millis(0));
        let of = |state| {
            let (name, description) = (String::new(), String::new());
            let (requester, accepter) = (requester.clone(), accepter.clone());
            VpcPeering { id: VpcPeeringId::from_u64(1), requester, accepter, state, created_at, name, description, tags: Tags::new() }
        };
        let at = |days: i64| Millis(days * 24 * 3_600 * 1_000);
        let forgotten = |state, days| of(state).is_forgotten(at(days));
        assert!(!of(PeeringState::Failed).is_forgotten(Millis(PEERING_FAILED_KEPT)) && forgotten(PeeringState::Failed, 1));
        assert!(!forgotten(PeeringState::Rejected, 2) && forgotten(PeeringState::Rejected, 3));
        assert!(!forgotten(PeeringState::Pending, 9) && forgotten(PeeringState::Pending, 10));
        assert!(!forgotten(PeeringState::Active, 1_000));
        assert!(of(PeeringState::Failed).counts_for(requester.vpc) && !of(PeeringState::Pending).counts_for(accepter.vpc));
        assert!(of(PeeringState::Active).counts_for(accepter.vpc));
        let deleted = DeletedVpcPeering { peering: of(PeeringState::Active), by: requester.account, deleted_at: at(0), is_past: false };
        assert_eq!(deleted.due(), Millis(PEERING_DELETED_SEEN));
        let later = deleted.later().unwrap();
        assert!(!later.is_shown_to(requester.account) && later.is_shown_to(accepter.account) && later.due() == at(2));
        assert_eq!(later.later(), None);
        let mut own = of(PeeringState::Active);
        own.accepter.account = own.requester.account;
        let own = DeletedVpcPeering { peering: own, by: requester.account, deleted_at: at(0), is_past: false };
        assert_eq!((own.due(), own.later()), (Millis(PEERING_DELETED_KEPT), None));
    }
}
