//! Further IPv4 ranges of VPCs: what a VPC may take, and what it may give up.

use ipnet::Ipv4Net;
use model::{
    Error, NatGateway, Noun, PeeringState, QuotaName, RangeConflict, SecondaryRange, Subnet, Vpc, VpcId, VpcPeering, VpcRangeId,
    check_vpc_range,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use store::Tx;

use crate::Failure;
use crate::auth::Target;
use crate::network::{DEPENDENTS_NAMED, target, touch_vpc, vpc_of};
use crate::run::{Command, Cx};
use crate::vpc_peering::active_of;
use crate::vpc_peering_record::wake;

/// Which private ranges may be in one VPC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum PrivateBlocks {
    /// Those of one block of RFC 1918 (EC2).
    One,
    /// All (Alibaba Cloud, Tencent Cloud).
    Any,
}

/// Takes further ranges from a VPC and gives it others: all of it or nothing.
#[derive(Debug, Clone, Serialize)]
pub struct ChangeVpcRanges {
    /// The VPC.
    pub vpc: VpcId,
    /// Ranges that it gives up, in which nothing is.
    pub remove: Vec<Ipv4Net>,
    /// Ranges that it gets.
    pub add: Vec<Ipv4Net>,
    /// Shortest prefix that a range may have.
    pub prefix_shortest: u8,
    /// Which private ranges may be together.
    pub blocks: PrivateBlocks,
}

/// Tells what is in the way of such a change, and makes none.
#[derive(Debug, Clone, Serialize)]
pub struct CheckVpcRanges {
    /// The VPC.
    pub vpc: VpcId,
    /// Ranges that it would give up.
    pub remove: Vec<Ipv4Net>,
    /// Ranges that it would get.
    pub add: Vec<Ipv4Net>,
    /// Shortest prefix that a range may have.
    pub prefix_shortest: u8,
}

impl Command for ChangeVpcRanges {
    type Reply = Vpc;
    const NAME: &'static str = "ChangeVpcRanges";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        target(tx, cx, self.vpc)
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<Vpc, Failure> {
        let mut vpc = vpc_of(tx, cx.caller.account(), Some(self.vpc))?;
        for range in &self.remove {
            take(tx, &mut vpc, *range)?;
        }
        let limit = tx.quota_limit(vpc.account, QuotaName::VpcRanges)?;
        for range in &self.add {
            let range = check_vpc_range(*range, self.prefix_shortest)?;
            if self.blocks == PrivateBlocks::One {
                vpc.check_block(range)?;
            }
            if let Some(conflict) = conflicts(tx, &vpc, range)?.first() {
                let name = format!("{range}, which {}", conflict.words());
                return Err(Error::Duplicate { noun: Noun::VpcRange, name }.into());
            }
            QuotaName::VpcRanges.check(limit, vpc.ranges().count() as u64, 1)?;
            vpc.secondary.push(SecondaryRange { id: VpcRangeId::from_u64(cx.new_id()), range });
        }
        tx.update(&vpc)?;
        tell_peerings(tx, cx, &vpc)?;
        touch_vpc(tx, vpc.id)?;
        Ok(vpc)
    }
}

impl Command for CheckVpcRanges {
    type Reply = Vec<(Ipv4Net, RangeConflict)>;
    const NAME: &'static str = "CheckVpcRanges";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        target(tx, cx, self.vpc)
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<Vec<(Ipv4Net, RangeConflict)>, Failure> {
        let mut vpc = vpc_of(tx, cx.caller.account(), Some(self.vpc))?;
        let mut found = Vec::new();
        for range in &self.remove {
            secondary(&vpc, *range)?;
            found.extend(inside(tx, &vpc, *range)?.into_iter().map(|conflict| (*range, conflict)));
        }
        vpc.secondary.retain(|further| !self.remove.contains(&further.range));
        for range in &self.add {
            let range = check_vpc_range(*range, self.prefix_shortest)?;
            found.extend(conflicts(tx, &vpc, range)?.into_iter().map(|conflict| (range, conflict)));
            vpc.secondary.push(SecondaryRange { id: VpcRangeId::from_u64(cx.new_id()), range });
        }
        Ok(found)
    }
}

/// A further range of the VPC; its first one is none, and stays.
fn secondary(vpc: &Vpc, range: Ipv4Net) -> Result<SecondaryRange, Error> {
    if range == vpc.range {
        let id = vpc.first_range_id().to_string();
        return Err(Error::Protected { noun: Noun::VpcRange, id, against: "disassociation, as the first range of its VPC" });
    }
    let found = vpc.secondary.iter().find(|further| further.range == range);
    found.copied().ok_or_else(|| Error::not_found(Noun::VpcRange, range))
}

fn take(tx: &Tx<'_>, vpc: &mut Vpc, range: Ipv4Net) -> Result<(), Failure> {
    let taken = secondary(vpc, range)?;
    let inside = inside(tx, vpc, range)?;
    let name = |conflict: &RangeConflict| match conflict {
        RangeConflict::Inside { id, range: _ } => Some(id.clone()),
        RangeConflict::Own { .. } | RangeConflict::Peered { .. } | RangeConflict::Routed { .. } => None,
    };
    let by: Vec<String> = inside.iter().filter_map(name).take(DEPENDENTS_NAMED).collect();
    if !by.is_empty() {
        return Err(Error::InUse { noun: Noun::VpcRange, id: range.to_string(), by }.into());
    }
    vpc.secondary.retain(|further| further.id != taken.id);
    Ok(())
}

/// What of a VPC is in a range.
fn inside(tx: &Tx<'_>, vpc: &Vpc, range: Ipv4Net) -> Result<Vec<RangeConflict>, Failure> {
    let subnets = tx.subnet_list_of_vpc(vpc.id)?.into_iter().filter(|subnet| range.contains(&subnet.range));
    let subnets = subnets.map(|Subnet { id, range, .. }| RangeConflict::Inside { id: id.to_string(), range });
    let mut found: Vec<RangeConflict> = subnets.collect();
    for NatGateway { id, forwards, .. } in tx.nat_gateway_list_of_vpc(vpc.id)? {
        let there = forwards.iter().map(|forward| forward.private).filter(|ip| range.contains(ip));
        found.extend(there.map(|ip| RangeConflict::Inside { id: id.to_string(), range: ip.into() }));
    }
    Ok(found)
}

/// All that keeps a VPC from getting a range: of its own, and across its peerings.
fn conflicts(tx: &Tx<'_>, vpc: &Vpc, range: Ipv4Net) -> Result<Vec<RangeConflict>, Failure> {
    let mut found = vpc.range_conflicts(&tx.route_table_list_of_vpc(vpc.id)?, range);
    for row in active_of(tx, vpc.id)? {
        let Some(peer) = row.across(vpc.id) else { continue };
        let peering = row.id;
        found.extend(peer.overlapping(range).map(|range| RangeConflict::Peered { peering, range }));
        // The peered VPC must be able to tell this one from the others that it is peered with.
        for other in active_of(tx, peer.vpc)?.iter().filter(|other| other.id != row.id) {
            let there = other.across(peer.vpc).and_then(|end| end.overlapping(range));
            found.extend(there.map(|range| RangeConflict::Peered { peering, range }));
        }
    }
    Ok(found)
}

/// Has the peerings of a VPC know its ranges. One that it has asked for must be answered first, and one that it was asked for fails
/// when the ranges overlap now (EC2, "IPv4 CIDR block association restrictions").
fn tell_peerings(tx: &mut Tx<'_>, cx: &Cx<'_>, vpc: &Vpc) -> Result<(), Failure> {
    let mut touched = BTreeSet::new();
    for mut row in tx.vpc_peering_list_of_vpc(vpc.id)? {
        let state = row.state_at(cx.now);
        if !state.is_alive() {
            continue;
        }
        if state == PeeringState::Pending && row.requester.vpc == vpc.id {
            let (noun, id, state) = (Noun::VpcPeering, row.id.to_string(), state.word());
            return Err(Error::IncorrectState { noun, id, state, wanted: "accepted, rejected or deleted" }.into());
        }
        VpcPeering::tell_ranges(&mut row, vpc);
        if state == PeeringState::Pending && row.requester.meets(&row.accepter).is_some() {
            row.state = PeeringState::Failed;
            wake(tx, &row)?;
        }
        tx.update(&row)?;
        touched.extend(row.across(vpc.id).map(|end| end.vpc));
    }
    touched.into_iter().try_for_each(|peer| touch_vpc(tx, peer))
}
