//! Peerings of VPCs, also between two accounts.

use model::{
    AccountId, Error, Interface, Noun, PeeringEnd, PeeringState, QuotaName, RouteTarget, SecurityGroup, SecurityGroupId, Tags, Vpc, VpcId,
    VpcPeering, VpcPeeringId, add_tags, check_name,
};
use serde::{Deserialize, Serialize};
use store::Tx;

use crate::Failure;
use crate::auth::Target;
use crate::describe::{Field, Listing, tag_values};
use crate::instance::check_description;
use crate::network::{DEPENDENTS_NAMED, touch_vpc, vpc_of};
use crate::run::{Command, Cx};
use crate::vpc_peering_record::{bury, wake};

/// Asks for a peering of a VPC with another.
#[derive(Debug, Clone, Serialize)]
pub struct CreateVpcPeering {
    /// The caller's VPC.
    pub vpc: VpcId,
    /// The other one.
    pub peer: VpcId,
    /// Whose the other one is; the caller's when nothing is said.
    pub peer_account: Option<AccountId>,
    /// How it begins.
    pub manner: PeeringManner,
    /// Display name.
    pub name: String,
    /// Description.
    pub description: String,
    /// Tags.
    pub tags: Tags,
}

/// How a peering begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum PeeringManner {
    /// It waits for an answer, and one whose ranges overlap has failed (EC2).
    Asks,
    /// One within an account needs no answer, and ranges that overlap are refused (Alibaba Cloud, Tencent Cloud).
    Begins,
}

/// Changes what is said of a peering; only who asked for it may. What is none stays.
#[derive(Debug, Clone, Serialize)]
pub struct ModifyVpcPeering {
    /// Which one.
    pub peering: VpcPeeringId,
    /// Display name.
    pub name: Option<String>,
    /// Description.
    pub description: Option<String>,
}

/// Answers a peering, or ends it.
#[derive(Debug, Clone, Serialize)]
pub struct ChangeVpcPeering {
    /// Which one.
    pub peering: VpcPeeringId,
    /// What becomes of it.
    pub change: PeeringChange,
}

/// What becomes of a peering.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum PeeringChange {
    /// Who was asked agrees.
    Accept,
    /// Who was asked does not.
    Reject,
    /// Either side ends it; of one that nobody has agreed to, who asked. Routes to it stay and lead nowhere (EC2).
    Delete,
    /// Likewise, if no route of either side leads to it (Alibaba Cloud).
    DeleteUnused,
    /// Likewise, and routes of both sides to it go with it (Alibaba Cloud by force, Tencent Cloud).
    DeleteWithRoutes,
}

impl Command for CreateVpcPeering {
    type Reply = VpcPeering;
    const NAME: &'static str = "CreateVpcPeering";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        let own = tx.get::<Vpc>(self.vpc)?.filter(|vpc| vpc.account == cx.caller.account()).map(|vpc| vpc.tags);
        let made = Target { path: Some("vpc-peering-connection/*".to_owned()), request_tags: self.tags.clone(), ..Target::default() };
        Ok(vec![made, Target::of("vpc", self.vpc, &own.unwrap_or_default())])
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<VpcPeering, Failure> {
        let account = cx.caller.account();
        let own = vpc_of(tx, account, Some(self.vpc))?;
        let peer = vpc_of(tx, self.peer_account.unwrap_or(account), Some(self.peer))?;
        if own.id == peer.id {
            return Err(Error::invalid("PeerVpcId", "a VPC is not peered with itself").into());
        }
        let (gone, known): (Vec<_>, Vec<_>) = tx.vpc_peering_list_of_vpc(own.id)?.into_iter().partition(|row| row.is_forgotten(cx.now));
        for row in gone {
            tx.delete::<VpcPeering>(row.id)?;
        }
        let mut alive = known.iter().filter(|row| row.state_at(cx.now).is_alive());
        if let Some(there) = alive.find(|row| row.across(own.id).is_some_and(|end| end.vpc == peer.id)) {
            return Err(Error::Duplicate { noun: Noun::VpcPeering, name: there.id.to_string() }.into());
        }
        check_quota(tx, account, own.id)?;
        check_name("Name", &self.name)?;
        check_description(&self.description)?;
        let (requester, accepter) = (PeeringEnd::of(&own), PeeringEnd::of(&peer));
        let state = match (self.manner, requester.meets(&accepter).is_some()) {
            (PeeringManner::Asks, true) => PeeringState::Failed,
            (PeeringManner::Begins, true) => {
                let reason = format!("the ranges of {} and {} overlap", own.id, peer.id);
                return Err(Error::InvalidCombination { reason }.into());
            }
            (PeeringManner::Begins, false) if peer.account == account => PeeringState::Active,
            (PeeringManner::Asks | PeeringManner::Begins, false) => PeeringState::Pending,
        };
        let mut peering = VpcPeering {
            id: VpcPeeringId::from_u64(cx.new_id()),
            requester,
            accepter,
            state,
            created_at: cx.now,
            name: self.name.clone(),
            description: self.description.clone(),
            tags: Tags::new(),
        };
        add_tags(&mut peering.tags, &self.tags)?;
        if state == PeeringState::Active {
            check_apart(tx, &peering)?;
            check_quota(tx, account, peer.id)?;
            touch_both(tx, &peering)?;
        }
        tx.insert(&peering)?;
        wake(tx, &peering)?;
        Ok(peering)
    }
}

impl Command for ChangeVpcPeering {
    type Reply = VpcPeering;
    const NAME: &'static str = "ChangeVpcPeering";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        Ok(vec![target(tx, cx, self.peering)?])
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<VpcPeering, Failure> {
        let account = cx.caller.account();
        let mut peering = peering_of(tx, account, self.peering)?;
        let state = peering.state_at(cx.now);
        let is_asked = peering.accepter.account == account;
        let wrong = |wanted| Error::IncorrectState { noun: Noun::VpcPeering, id: peering.id.to_string(), state: state.word(), wanted };
        match (self.change, state) {
            (PeeringChange::Accept | PeeringChange::Reject, PeeringState::Pending) if !is_asked => {
                return Err(Error::not_found(Noun::VpcPeering, peering.id).into());
            }
            (PeeringChange::Accept, PeeringState::Pending) => {
                check_apart(tx, &peering)?;
                check_quota(tx, account, peering.accepter.vpc)?;
                peering.state = PeeringState::Active;
                tx.update(&peering)?;
                touch_both(tx, &peering)?;
            }
            (PeeringChange::Reject, PeeringState::Pending) => {
                peering.state = PeeringState::Rejected;
                tx.update(&peering)?;
                wake(tx, &peering)?;
            }
            (PeeringChange::Accept | PeeringChange::Reject, _) => return Err(wrong("pending-acceptance").into()),
            (PeeringChange::Delete | PeeringChange::DeleteUnused | PeeringChange::DeleteWithRoutes, PeeringState::Pending)
                if peering.requester.account != account =>
            {
                return Err(wrong("rejected by who was asked").into());
            }
            (PeeringChange::Delete | PeeringChange::DeleteUnused | PeeringChange::DeleteWithRoutes, _) => {
                end_routes(tx, account, &peering, self.change)?;
                bury(tx, peering.clone(), account, cx.now)?;
                touch_both(tx, &peering)?;
            }
        }
        Ok(peering)
    }
}

impl Command for ModifyVpcPeering {
    type Reply = ();
    const NAME: &'static str = "ModifyVpcPeering";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        Ok(vec![target(tx, cx, self.peering)?])
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<(), Failure> {
        let account = cx.caller.account();
        let peering = tx.get::<VpcPeering>(self.peering)?.filter(|peering| peering.requester.account == account);
        let mut peering = peering.ok_or_else(|| Error::not_found(Noun::VpcPeering, self.peering))?;
        if let Some(name) = &self.name {
            check_name("Name", name)?;
            peering.name.clone_from(name);
        }
        if let Some(description) = &self.description {
            check_description(description)?;
            peering.description.clone_from(description);
        }
        tx.update(&peering)?;
        Ok(())
    }
}

/// What becomes of routes to a peering that ends.
fn end_routes(tx: &mut Tx<'_>, account: AccountId, peering: &VpcPeering, how: PeeringChange) -> Result<(), Failure> {
    let to_it = RouteTarget::Peering { peering: peering.id };
    let mut tables = tx.route_table_list_of_vpc(peering.requester.vpc)?;
    tables.extend(tx.route_table_list_of_vpc(peering.accepter.vpc)?);
    tables.retain(|table| table.leads_to(to_it));
    match how {
        PeeringChange::DeleteUnused if !tables.is_empty() => {
            // The other side's tables are nobody else's to know.
            let own = tables.iter().filter(|table| table.account == account);
            let by = own.map(|table| table.id.to_string()).take(DEPENDENTS_NAMED).collect();
            return Err(Error::InUse { noun: Noun::VpcPeering, id: peering.id.to_string(), by }.into());
        }
        PeeringChange::DeleteWithRoutes => {
            for mut table in tables {
                table.forget(to_it);
                tx.update(&table)?;
            }
        }
        PeeringChange::Accept | PeeringChange::Reject | PeeringChange::Delete | PeeringChange::DeleteUnused => {}
    }
    Ok(())
}

fn target(tx: &Tx<'_>, cx: &Cx<'_>, peering: VpcPeeringId) -> Result<Target, Failure> {
    let tags = tx.get::<VpcPeering>(peering)?.filter(|row| row.is_of(cx.caller.account())).map(|row| row.tags);
    Ok(Target::of("vpc-peering-connection", peering, &tags.unwrap_or_default()))
}

/// Refuses one more for a VPC that has as many as it may.
fn check_quota(tx: &Tx<'_>, account: AccountId, vpc: VpcId) -> Result<(), Failure> {
    let counted = tx.vpc_peering_list_of_vpc(vpc)?.iter().filter(|row| row.counts_for(vpc)).count();
    let limit = tx.quota_limit(account, QuotaName::VpcPeerings)?;
    Ok(QuotaName::VpcPeerings.check(limit, counted as u64, 1)?)
}

/// Refuses a peering with a VPC that looks like another that either side is peered with: rules that name a group of one would be
/// about members of the other.
fn check_apart(tx: &Tx<'_>, peering: &VpcPeering) -> Result<(), Failure> {
    for (own, new) in [(&peering.requester, &peering.accepter), (&peering.accepter, &peering.requester)] {
        for other in active_of(tx, own.vpc)? {
            if let Some(range) = other.across(own.vpc).and_then(|end| new.meets(end)) {
                let reason = format!("{} has a peering with a VPC whose range overlaps {range}: {}", own.vpc, other.id);
                return Err(Error::InvalidCombination { reason }.into());
            }
        }
    }
    Ok(())
}

fn touch_both(tx: &mut Tx<'_>, peering: &VpcPeering) -> Result<(), Failure> {
    touch_vpc(tx, peering.requester.vpc)?;
    touch_vpc(tx, peering.accepter.vpc)
}

/// The peering, if the account is on a side of it.
pub(crate) fn peering_of(tx: &Tx<'_>, account: AccountId, id: VpcPeeringId) -> Result<VpcPeering, Failure> {
    let peering = tx.get::<VpcPeering>(id)?.filter(|peering| peering.is_of(account));
    Ok(peering.ok_or_else(|| Error::not_found(Noun::VpcPeering, id))?)
}

/// The active peerings of a VPC.
pub(crate) fn active_of(tx: &Tx<'_>, vpc: VpcId) -> Result<Vec<VpcPeering>, Failure> {
    let mut rows = tx.vpc_peering_list_of_vpc(vpc)?;
    rows.retain(|row| row.state == PeeringState::Active);
    Ok(rows)
}

/// The active peerings of a VPC, each with the other one.
pub(crate) fn peers_of(tx: &Tx<'_>, vpc: VpcId) -> Result<Vec<(VpcPeeringId, VpcId)>, Failure> {
    Ok(active_of(tx, vpc)?.iter().filter_map(|row| Some((row.id, row.across(vpc)?.vpc))).collect())
}

/// A security group that a rule of a group in this VPC may name: the account's own in the VPC, or any in a peered one.
pub(crate) fn group_across(tx: &Tx<'_>, vpc: VpcId, id: SecurityGroupId) -> Result<Option<SecurityGroup>, Failure> {
    let Some(group) = tx.get::<SecurityGroup>(id)? else { return Ok(None) };
    let peers = peers_of(tx, vpc)?;
    Ok(Some(group).filter(|group| peers.iter().any(|(_, peer)| *peer == group.vpc)))
}

/// Members of groups in peered VPCs, each with the group.
pub(crate) fn members_across(
    tx: &Tx<'_>,
    peers: &[(VpcPeeringId, VpcId)],
    named: &[&SecurityGroup],
) -> Result<Vec<(SecurityGroupId, Interface)>, Failure> {
    let mut members = Vec::new();
    for (_, peer) in peers.iter().filter(|(_, peer)| named.iter().any(|group| group.vpc == *peer)) {
        for interface in tx.interface_list_of_vpc(*peer)? {
            let of_named = interface.groups.iter().filter(|id| named.iter().any(|group| group.id == **id));
            members.extend(of_named.map(|group| (*group, interface.clone())));
        }
    }
    Ok(members)
}

impl Listing for VpcPeering {
    type Id = VpcPeeringId;
    const NOUN: Noun = Noun::VpcPeering;

    fn id(&self) -> VpcPeeringId {
        self.id
    }

    fn id_value(id: VpcPeeringId) -> (u64, String) {
        (id.as_u64(), id.to_string())
    }

    fn all(tx: &Tx<'_>, account: AccountId) -> Result<Vec<VpcPeering>, Failure> {
        Ok(tx.vpc_peering_list(account)?)
    }

    fn values(&self, field: &Field) -> Vec<String> {
        match field {
            Field::Id => vec![self.id.to_string()],
            Field::State => vec![self.state.word().to_owned()],
            Field::Vpc => vec![self.requester.vpc.to_string()],
            Field::Name => vec![self.name.clone()],
            Field::EitherVpc => vec![self.requester.vpc.to_string(), self.accepter.vpc.to_string()],
            Field::PeerVpc => vec![self.accepter.vpc.to_string()],
            Field::Owner => vec![self.requester.account.to_string()],
            Field::PeerOwner => vec![self.accepter.account.to_string()],
            _ => tag_values(&self.tags, field),
        }
    }
}
