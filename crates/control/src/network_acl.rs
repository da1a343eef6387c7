//! Network ACLs: made, filled, tied to subnets, taken away. A change reaches the hosts of the VPC at once.

use std::collections::BTreeSet;

use model::{
    ACL_ENTRIES_MAX, AccountId, AclEntry, AclTie, Direction, Error, NetworkAcl, NetworkAclAssociationId, NetworkAclId, Noun, QuotaName,
    SubnetId, Tags, VpcId, add_tags, check_name,
};
use serde::Serialize;
use store::Tx;

use crate::Failure;
use crate::auth::Target;
use crate::describe::{Field, Listing, tag_values};
use crate::instance::check_description;
use crate::network::{DEPENDENTS_NAMED, touch_vpc, vpc_of};
use crate::run::{Command, Cx};
use crate::subnet::subnet_of;

/// Makes an ACL without entries, which lets nothing pass, tied to no subnet.
#[derive(Debug, Clone, Serialize)]
pub struct CreateNetworkAcl {
    /// In which VPC.
    pub vpc: VpcId,
    /// Display name.
    pub name: String,
    /// Description.
    pub description: String,
    /// Tags.
    pub tags: Tags,
}

/// Deletes an ACL that no subnet is tied to. The default one stays.
#[derive(Debug, Clone, Serialize)]
pub struct DeleteNetworkAcl {
    /// Which one.
    pub acl: NetworkAclId,
}

/// Changes one entry.
#[derive(Debug, Clone, Serialize)]
pub struct ChangeAclEntry {
    /// Of which ACL.
    pub acl: NetworkAclId,
    /// How.
    pub change: AclChange,
}

/// A change of an entry.
#[derive(Debug, Clone, Copy, Serialize)]
pub enum AclChange {
    /// Adds one with a number that is free in its direction.
    Add(AclEntry),
    /// Puts it in the place of the one with its direction and number.
    Replace(AclEntry),
    /// Takes it away.
    Remove(Direction, u16),
}

/// Ties a subnet to an ACL, in place of the one that it has.
#[derive(Debug, Clone, Serialize)]
pub struct AssociateNetworkAcl {
    /// Which subnet.
    pub subnet: AclSubnet,
    /// To which ACL.
    pub acl: NetworkAclId,
}

/// A subnet by what a caller knows of it.
#[derive(Debug, Clone, Copy, Serialize)]
pub enum AclSubnet {
    /// By id.
    Id(SubnetId),
    /// By its tie to the ACL that it has.
    Tie(NetworkAclAssociationId),
}

impl Command for CreateNetworkAcl {
    type Reply = NetworkAcl;
    const NAME: &'static str = "CreateNetworkAcl";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        let mut targets = crate::network::target(tx, cx, self.vpc)?;
        targets.push(Target { path: Some("network-acl/*".to_owned()), request_tags: self.tags.clone(), ..Target::default() });
        Ok(targets)
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<NetworkAcl, Failure> {
        let account = cx.caller.account();
        let vpc = vpc_of(tx, account, Some(self.vpc))?;
        let limit = tx.quota_limit(account, QuotaName::NetworkAcls)?;
        QuotaName::NetworkAcls.check(limit, tx.network_acl_list_of_vpc(vpc.id)?.len() as u64, 1)?;
        check_name("NetworkAclName", &self.name)?;
        check_description(&self.description)?;
        let mut acl = NetworkAcl {
            id: NetworkAclId::from_u64(cx.new_id()),
            account,
            vpc: vpc.id,
            is_default: false,
            name: self.name.clone(),
            description: self.description.clone(),
            subnets: vec![],
            entries: vec![],
            created_at: cx.now,
            tags: Tags::new(),
        };
        add_tags(&mut acl.tags, &self.tags)?;
        tx.insert(&acl)?;
        Ok(acl)
    }
}

impl Command for DeleteNetworkAcl {
    type Reply = ();
    const NAME: &'static str = "DeleteNetworkAcl";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        target(tx, cx, self.acl)
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<(), Failure> {
        let acl = acl_by_id(tx, cx.caller.account(), self.acl)?;
        let id = acl.id.to_string();
        if acl.is_default {
            return Err(Error::InUse { noun: Noun::NetworkAcl, id, by: vec![acl.vpc.to_string()] }.into());
        }
        let by: Vec<String> = acl.subnets.iter().map(|tie| tie.subnet.to_string()).take(DEPENDENTS_NAMED).collect();
        if !by.is_empty() {
            return Err(Error::InUse { noun: Noun::NetworkAcl, id, by }.into());
        }
        tx.delete::<NetworkAcl>(acl.id)?;
        Ok(())
    }
}

impl Command for ChangeAclEntry {
    type Reply = ();
    const NAME: &'static str = "ChangeAclEntry";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        target(tx, cx, self.acl)
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<(), Failure> {
        let mut acl = acl_by_id(tx, cx.caller.account(), self.acl)?;
        let (direction, number) = match self.change {
            AclChange::Add(entry) | AclChange::Replace(entry) => (entry.direction, entry.number),
            AclChange::Remove(direction, number) => (direction, number),
        };
        let at = acl.entries.iter().position(|entry| (entry.direction, entry.number) == (direction, number));
        let absent = || Error::not_found(Noun::NetworkAclEntry, number);
        match self.change {
            AclChange::Add(entry) => {
                entry.check()?;
                if at.is_some() {
                    return Err(Error::Duplicate { noun: Noun::NetworkAclEntry, name: number.to_string() }.into());
                }
                if acl.entries.iter().filter(|other| other.direction == direction).count() >= ACL_ENTRIES_MAX {
                    let what = "entries of a network ACL in one direction".to_owned();
                    return Err(Error::LimitReached { name: "NetworkAclEntry", what, limit: ACL_ENTRIES_MAX as u64 }.into());
                }
                acl.entries.push(entry);
            }
            AclChange::Replace(entry) => {
                entry.check()?;
                acl.entries[at.ok_or_else(absent)?] = entry;
            }
            AclChange::Remove(..) => {
                acl.entries.remove(at.ok_or_else(absent)?);
            }
        }
        acl.entries.sort_by_key(|entry| (entry.direction, entry.number));
        tx.update(&acl)?;
        touch_vpc(tx, acl.vpc)
    }
}

impl Command for AssociateNetworkAcl {
    type Reply = NetworkAclAssociationId;
    const NAME: &'static str = "AssociateNetworkAcl";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        let mut targets = target(tx, cx, self.acl)?;
        if let AclSubnet::Id(id) = self.subnet {
            targets.extend(crate::subnet::target(tx, cx, id)?);
        }
        Ok(targets)
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<NetworkAclAssociationId, Failure> {
        let account = cx.caller.account();
        let mut acl = acl_by_id(tx, account, self.acl)?;
        let subnet = match self.subnet {
            AclSubnet::Id(id) => subnet_of(tx, account, id)?,
            AclSubnet::Tie(tie) => subnet_of(tx, account, subnet_of_tie(tx, account, tie)?)?,
        };
        if subnet.vpc != acl.vpc {
            return Err(Error::InvalidCombination { reason: format!("{} and {} are in different VPCs", subnet.id, acl.id) }.into());
        }
        for mut other in tx.network_acl_list_of_vpc(acl.vpc)?.into_iter().filter(|other| other.has_subnet(subnet.id)) {
            other.subnets.retain(|tie| tie.subnet != subnet.id);
            tx.update(&other)?;
            if other.id == acl.id {
                acl = other;
            }
        }
        let id = NetworkAclAssociationId::from_u64(cx.new_id());
        acl.subnets.push(AclTie { id, subnet: subnet.id });
        tx.update(&acl)?;
        touch_vpc(tx, acl.vpc)?;
        Ok(id)
    }
}

/// The tie of a subnet to the default ACL that nobody made: it has the subnet's number.
fn implied_tie(subnet: SubnetId) -> NetworkAclAssociationId {
    NetworkAclAssociationId::from_u64(subnet.as_u64())
}

fn subnet_of_tie(tx: &Tx<'_>, account: AccountId, tie: NetworkAclAssociationId) -> Result<SubnetId, Failure> {
    let acls = tx.network_acl_list(account)?;
    if let Some(made) = acls.iter().flat_map(|acl| &acl.subnets).find(|made| made.id == tie) {
        return Ok(made.subnet);
    }
    let subnet = SubnetId::from_u64(tie.as_u64());
    let is_implied = !acls.iter().any(|acl| acl.has_subnet(subnet)) && subnet_of(tx, account, subnet).is_ok();
    if is_implied { Ok(subnet) } else { Err(Error::not_found(Noun::NetworkAclAssociation, tie).into()) }
}

fn acl_by_id(tx: &Tx<'_>, account: AccountId, id: NetworkAclId) -> Result<NetworkAcl, Failure> {
    let acl = tx.get::<NetworkAcl>(id)?.filter(|acl| acl.account == account);
    Ok(acl.ok_or_else(|| Error::not_found(Noun::NetworkAcl, id))?)
}

fn target(tx: &Tx<'_>, cx: &Cx<'_>, id: NetworkAclId) -> Result<Vec<Target>, Failure> {
    let row = tx.get::<NetworkAcl>(id)?.filter(|row| row.account == cx.caller.account());
    Ok(vec![Target::of("network-acl", id, &row.map(|row| row.tags).unwrap_or_default())])
}

/// A network ACL with every subnet that has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkAclView {
    /// The ACL.
    pub acl: NetworkAcl,
    /// Its ties, those included that nobody made because it is the default.
    pub ties: Vec<AclTie>,
}

impl NetworkAclView {
    /// The ACL with the ties that it is shown with, given the ACLs and subnets of the account.
    fn new(acl: NetworkAcl, tied: &BTreeSet<SubnetId>, subnets: &[(VpcId, SubnetId)]) -> NetworkAclView {
        let implied = subnets.iter().filter(|(vpc, subnet)| acl.is_default && *vpc == acl.vpc && !tied.contains(subnet));
        let implied = implied.map(|(_, subnet)| AclTie { id: implied_tie(*subnet), subnet: *subnet });
        NetworkAclView { ties: acl.subnets.iter().copied().chain(implied).collect(), acl }
    }
}

impl Listing for NetworkAclView {
    type Id = NetworkAclId;
    const NOUN: Noun = Noun::NetworkAcl;

    fn id(&self) -> NetworkAclId {
        self.acl.id
    }

    fn id_value(id: NetworkAclId) -> (u64, String) {
        (id.as_u64(), id.to_string())
    }

    fn all(tx: &Tx<'_>, account: AccountId) -> Result<Vec<NetworkAclView>, Failure> {
        let acls = tx.network_acl_list(account)?;
        let tied: BTreeSet<SubnetId> = acls.iter().flat_map(|acl| &acl.subnets).map(|tie| tie.subnet).collect();
        let subnets: Vec<(VpcId, SubnetId)> = tx.subnet_list(account)?.iter().map(|subnet| (subnet.vpc, subnet.id)).collect();
        Ok(acls.into_iter().map(|acl| NetworkAclView::new(acl, &tied, &subnets)).collect())
    }

    fn values(&self, field: &Field) -> Vec<String> {
        match field {
            Field::Id => vec![self.acl.id.to_string()],
            Field::Owner => vec![self.acl.account.to_string()],
            Field::Vpc => vec![self.acl.vpc.to_string()],
            Field::Name => vec![self.acl.name.clone()],
            Field::IsDefault => vec![self.acl.is_default.to_string()],
            Field::Subnet => self.ties.iter().map(|tie| tie.subnet.to_string()).collect(),
            Field::Association => self.ties.iter().map(|tie| tie.id.to_string()).collect(),
            Field::Range => self.acl.entries.iter().map(|entry| entry.range.to_string()).collect(),
            _ => tag_values(&self.acl.tags, field),
        }
    }
}
