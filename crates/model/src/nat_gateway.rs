//! NAT gateways: a way out for machines without a public address of their own.
//!
//! ```text
//!   made ─┬─▶ available ── delete ─▶ deleted ── an hour ─▶ gone
//!         └─▶ failed ───── delete ─▶ deleted ── an hour ─▶ gone   (no internet gateway in the VPC, or an address that is tied already)
//! ```
//!
//! A gateway is no machine: it is a set of elastic addresses that a host, its home, puts on packets that routes send to it from any host. One that is in a
//! subnet has an interface there, which carries the addresses, and reaches what that subnet reaches; one that belongs to a VPC as a
//! whole (Tencent's) reaches what an open VPC reaches. One for private connectivity has no public address, so nothing beyond the
//! VPC is reached through it. Which packets leave with which of its addresses, and which of its ports lead where, is in
//! [`crate::nat_rule`].

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

use crate::{
    AccountId, Address, AddressId, HostId, InterfaceId, InternetGateway, Millis, NatForward, NatGatewayId, NatSource, RouteTable, SubnetId,
    Tags, Vpc, VpcId, ways_out,
};

/// A NAT gateway.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NatGateway {
    /// Its id.
    pub id: NatGatewayId,
    /// Owner.
    pub account: AccountId,
    /// The VPC of its subnet.
    pub vpc: VpcId,
    /// The subnet that it is in; none for one of the whole VPC.
    pub subnet: Option<SubnetId>,
    /// Whether it leads to public addresses.
    pub is_public: bool,
    /// Whether it came about.
    pub outcome: NatOutcome,
    /// Whose packets it sends on.
    pub serves: NatServes,
    /// Its elastic addresses, in the order in which it got them.
    pub addresses: Vec<AddressId>,
    /// Which sources leave with which of its addresses.
    pub sources: Vec<NatSource>,
    /// Which of its ports lead where.
    pub forwards: Vec<NatForward>,
    /// The host that translates for it, wherever its machines are; none until its VPC has any.
    #[serde(default)]
    pub home: Option<HostId>,
    /// Megabits per second that were asked for. Kept and shown; nothing limits a gateway to it.
    pub bandwidth: Option<u32>,
    /// Whether it is protected against its deletion.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub protected: bool,
    /// Display name.
    pub name: String,
    /// Description.
    pub description: String,
    /// When it was made.
    pub created_at: Millis,
    /// Tags.
    pub tags: Tags,
}

/// Milliseconds for which a deleted gateway is shown: about an hour (EC2, "Delete a NAT gateway").
pub const NAT_GATEWAY_DELETED_KEPT: i64 = 3_600_000;

/// A NAT gateway that was deleted, as it was at the end. It holds nothing: its addresses may be elsewhere by now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeletedNatGateway {
    /// The gateway.
    pub gateway: NatGateway,
    /// The elastic addresses that it had, in its order.
    pub addresses: Vec<Address>,
    /// The zone of its subnet; empty for one of a VPC as a whole.
    pub zone: String,
    /// When it was deleted.
    pub deleted_at: Millis,
}

/// Whose packets a NAT gateway sends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NatServes {
    /// Everybody's that a route sends to it: with the addresses of the narrowest rule about them, else with all of its addresses. The
    /// route decides even for machines with public addresses of their own (EC2, Tencent).
    Everyone,
    /// Only those that a rule names, and only machines without public addresses of their own where the VPC needs no gateway
    /// (Alibaba Cloud).
    Listed,
}

/// Whether a NAT gateway came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NatOutcome {
    /// It works.
    Available {
        /// Its interface, which carries its elastic address.
        interface: InterfaceId,
        /// The private address of that interface.
        ip: Ipv4Addr,
    },
    /// It works, for the whole VPC and without an interface.
    OfVpc,
    /// Its VPC has no internet gateway.
    NoInternetGateway,
    /// Its elastic address is tied to something else.
    AddressInUse,
}

impl NatGateway {
    /// Its interface, if it came about.
    pub fn interface(&self) -> Option<InterfaceId> {
        match self.outcome {
            NatOutcome::Available { interface, ip: _ } => Some(interface),
            NatOutcome::OfVpc | NatOutcome::NoInternetGateway | NatOutcome::AddressInUse => None,
        }
    }

    /// Its private address, if it has one.
    pub fn private(&self) -> Option<Ipv4Addr> {
        match self.outcome {
            NatOutcome::Available { interface: _, ip } => Some(ip),
            NatOutcome::OfVpc | NatOutcome::NoInternetGateway | NatOutcome::AddressInUse => None,
        }
    }

    /// Whether the address that it gets next has the private address of the gateway itself: the first has, and all of Alibaba Cloud's.
    pub fn shares_private(&self) -> bool {
        self.addresses.is_empty() || self.serves == NatServes::Listed
    }

    /// Whether it came about.
    pub fn is_available(&self) -> bool {
        match self.outcome {
            NatOutcome::Available { .. } | NatOutcome::OfVpc => true,
            NatOutcome::NoInternetGateway | NatOutcome::AddressInUse => false,
        }
    }

    /// The public addresses that are reached through it: those that its own subnet sends to the internet gateway, or everything by
    /// that gateway, or without one where the VPC is open.
    pub fn ways(&self, vpc: &Vpc, tables: &[RouteTable], gateway: Option<&InternetGateway>) -> Vec<Ipv4Net> {
        match self.subnet {
            _ if !self.is_public || !self.is_available() => Vec::new(),
            Some(subnet) => ways_out(vpc, tables, gateway, subnet),
            None if vpc.open || gateway.is_some() => vec![Ipv4Net::default()],
            None => Vec::new(),
        }
    }
}

/// The ranges that are in both lists, neither of which has overlaps.
pub fn in_both(one: &[Ipv4Net], other: &[Ipv4Net]) -> Vec<Ipv4Net> {
    let narrower = |a: &Ipv4Net, b: &Ipv4Net| match (a.contains(b), b.contains(a)) {
        (true, _) => Some(*b),
        (false, true) => Some(*a),
        (false, false) => None,
    };
    one.iter().flat_map(|a| other.iter().filter_map(move |b| narrower(a, b))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_in_both_lists_are_the_narrower_ones() {
        let nets = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<Ipv4Net>>();
        for (one, other, both) in [
            (&["0.0.0.0/0"][..], &["10.0.0.0/8", "192.0.2.0/24"][..], &["10.0.0.0/8", "192.0.2.0/24"][..]),
            (&["10.1.0.0/16"], &["10.0.0.0/8"], &["10.1.0.0/16"]),
            (&["10.1.0.0/16"], &["10.2.0.0/16"], &[]),
            (&[], &["0.0.0.0/0"], &[]),
        ] {
            assert_eq!(in_both(&nets(one), &nets(other)), nets(both));
        }
    }
}
