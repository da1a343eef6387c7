//! Who is in a security group, which rules name it, and which rules name one that they no longer reach.

use std::collections::{BTreeMap, BTreeSet};

use model::{AccountId, Peer, PeeringState, Rule, SecurityGroup, SecurityGroupId, VpcId, VpcPeeringId};
use store::Tx;

use crate::auth::{Caller, Target};
use crate::network::vpc_of;
use crate::security_group::{group_of, members_of};
use crate::{Cloud, Failure};

/// A group whose rules name another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GroupReference {
    /// The group that is named.
    pub group: SecurityGroupId,
    /// The group whose rules name it.
    pub by: SecurityGroupId,
    /// Its owner.
    pub account: AccountId,
    /// Its VPC.
    pub vpc: VpcId,
    /// The peering by which the two VPCs meet; none for groups of one VPC.
    pub peering: Option<VpcPeeringId>,
}

/// A group with rules that name groups which they no longer reach.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StaleGroup {
    /// The group, with these rules only.
    pub group: SecurityGroup,
    /// The VPC and the owner of each group that they name and that is still there.
    pub named: BTreeMap<SecurityGroupId, (VpcId, AccountId)>,
}

/// The owners of groups that rules name; none of a group that is gone.
pub type GroupOwners = BTreeMap<SecurityGroupId, AccountId>;

/// How many things a group is used by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GroupUse {
    /// The group.
    pub group: SecurityGroupId,
    /// Instances of which an interface is in it.
    pub instances: usize,
    /// Interfaces in it that are no instance's first.
    pub interfaces: usize,
    /// Other groups of the account whose rules name it.
    pub references: usize,
}

impl Cloud {
    /// Whose the groups are that rules name, which may be those of a peered VPC's owner.
    pub async fn owners_of_peers(&self, peers: impl Iterator<Item = Peer>) -> Result<GroupOwners, model::Error> {
        let groups = peers.filter_map(|peer| match peer {
            Peer::Group { group } => Some(group),
            Peer::Range { .. } | Peer::Range6 { .. } | Peer::List { .. } => None,
        });
        let groups: Vec<SecurityGroupId> = groups.collect::<BTreeSet<_>>().into_iter().collect();
        if groups.is_empty() {
            return Ok(GroupOwners::new());
        }
        let found = self.store().read(move |tx| Ok::<_, Failure>(tx.get_many::<SecurityGroup>(&groups)?)).await;
        let found = found.map_err(|failure| self.refusal("read the owners of groups", failure))?;
        Ok(found.into_iter().map(|group| (group.id, group.account)).collect())
    }

    /// How many things each of these groups is used by. Refused where one of them is not the caller's.
    pub async fn group_uses(&self, caller: &Caller, groups: Vec<SecurityGroupId>) -> Result<Vec<GroupUse>, model::Error> {
        let targets = groups.iter().map(|group| Target::of("security-group", *group, &model::Tags::new())).collect();
        self.read(caller, targets, move |tx, cx| {
            let account = cx.caller.account();
            let others = tx.security_group_list(account)?;
            let of = |id: &SecurityGroupId| {
                let group = group_of(tx, account, *id)?;
                let members = members_of(tx, &group)?;
                let instances: BTreeSet<_> = members.iter().filter_map(|interface| interface.instance).collect();
                let interfaces = members.iter().filter(|interface| !interface.is_primary()).count();
                let references = others.iter().filter(|other| names(other, group.id)).count();
                Ok(GroupUse { group: group.id, instances: instances.len(), interfaces, references })
            };
            groups.iter().map(of).collect()
        })
        .await
    }

    /// The groups whose rules name one of these, in the same VPC and in those that it is peered with. Refused where one of these is not
    /// the caller's.
    pub async fn group_references(&self, caller: &Caller, groups: Vec<SecurityGroupId>) -> Result<Vec<GroupReference>, model::Error> {
        let targets = groups.iter().map(|group| Target::of("security-group", *group, &model::Tags::new())).collect();
        self.read(caller, targets, move |tx, cx| {
            let mut found = Vec::new();
            for group in &groups {
                let group = group_of(tx, cx.caller.account(), *group)?;
                let near = tx.security_group_list(group.account)?.into_iter().filter(|other| other.vpc == group.vpc || other.regional);
                found.extend(near.filter(|other| names(other, group.id)).map(|other| reference(&group, &other, None)));
                for (peering, vpc) in peers_of(tx, group.vpc)? {
                    let there = tx.security_group_list_of_vpc(vpc)?.into_iter().filter(|other| !other.regional);
                    found.extend(there.filter(|other| names(other, group.id)).map(|other| reference(&group, &other, Some(peering))));
                }
            }
            Ok(found)
        })
        .await
    }

    /// The groups of a VPC with rules that name a group which is gone, or whose VPC is not peered with theirs any more.
    pub async fn stale_groups(&self, caller: &Caller, vpc: VpcId) -> Result<Vec<StaleGroup>, model::Error> {
        self.read(caller, vec![Target::of("vpc", vpc, &model::Tags::new())], move |tx, cx| {
            let vpc = vpc_of(tx, cx.caller.account(), Some(vpc))?;
            let peers: Vec<VpcId> = peers_of(tx, vpc.id)?.into_iter().map(|(_, vpc)| vpc).collect();
            let mut stale = Vec::new();
            for group in tx.security_group_list_of_vpc(vpc.id)? {
                let mut named = BTreeMap::new();
                let mut rules: Vec<Rule> = Vec::new();
                for rule in &group.rules {
                    let Peer::Group { group: other } = rule.peer else { continue };
                    match tx.get::<SecurityGroup>(other)? {
                        Some(other) if other.vpc == vpc.id || other.regional || peers.contains(&other.vpc) => continue,
                        Some(other) => drop(named.insert(other.id, (other.vpc, other.account))),
                        None => {}
                    }
                    rules.push(rule.clone());
                }
                if !rules.is_empty() {
                    stale.push(StaleGroup { group: SecurityGroup { rules, ..group }, named });
                }
            }
            Ok(stale)
        })
        .await
    }
}

fn names(other: &SecurityGroup, group: SecurityGroupId) -> bool {
    other.id != group && other.rules.iter().any(|rule| rule.peer == Peer::Group { group })
}

fn reference(group: &SecurityGroup, by: &SecurityGroup, peering: Option<VpcPeeringId>) -> GroupReference {
    GroupReference { group: group.id, by: by.id, account: by.account, vpc: by.vpc, peering }
}

/// The VPCs that a VPC exchanges packets with, each by its peering.
fn peers_of(tx: &Tx<'_>, vpc: VpcId) -> Result<Vec<(VpcPeeringId, VpcId)>, Failure> {
    let active = tx.vpc_peering_list_of_vpc(vpc)?.into_iter().filter(|peering| peering.state == PeeringState::Active);
    Ok(active.filter_map(|peering| Some((peering.id, peering.across(vpc)?.vpc))).collect())
}
