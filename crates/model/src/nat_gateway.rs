//! NAT gateways: a way out for machines without a public address of their own.
//!
//! ```text
//!   made ─┬─▶ available ── delete ─▶ gone
//!         └─▶ failed ───── delete ─▶ gone        (no internet gateway in the VPC, or an address that is tied already)
//! ```
//!
//! A gateway is no machine: it is an interface of its own kind in a subnet, whose elastic address the hosts put on packets that
//! routes send to it. It reaches what its own subnet reaches. One for private connectivity has no public address, so nothing beyond
//! the VPC is reached through it.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

use crate::{AccountId, InterfaceId, InternetGateway, Millis, NatGatewayId, RouteTable, SubnetId, Tags, Vpc, VpcId, ways_out};

/// A NAT gateway.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NatGateway {
    /// Its id.
    pub id: NatGatewayId,
    /// Owner.
    pub account: AccountId,
    /// The VPC of its subnet.
    pub vpc: VpcId,
    /// The subnet that it is in.
    pub subnet: SubnetId,
    /// Whether it leads to public addresses.
    pub is_public: bool,
    /// Whether it came about.
    pub outcome: NatOutcome,
    /// When it was made.
    pub created_at: Millis,
    /// Tags.
    pub tags: Tags,
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
            NatOutcome::NoInternetGateway | NatOutcome::AddressInUse => None,
        }
    }

    /// The public addresses that are reached through it: those that its own subnet sends to the internet gateway.
    pub fn ways(&self, vpc: &Vpc, tables: &[RouteTable], gateway: Option<&InternetGateway>) -> Vec<Ipv4Net> {
        if self.is_public && self.interface().is_some() { ways_out(vpc, tables, gateway, self.subnet) } else { Vec::new() }
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
