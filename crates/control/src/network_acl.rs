//! Network ACLs: made, filled, tied to subnets, taken away. A change reaches the hosts of the VPC at once.

use std::collections::BTreeSet;

use ipnet::IpNet;
use model::{
    ACL_ENTRIES_MAX, AccountId, AclEntry, AclTie, Direction, EntryWords, Error, NetworkAcl, NetworkAclAssociationId, NetworkAclId, Noun,
    Protocol, QuotaName, SubnetId, Tags, Verdict, VpcId, add_tags, check_name, open_entries,
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

/// Makes an ACL that is tied to no subnet.
#[derive(Debug, Clone, Serialize)]
pub struct CreateNetworkAcl {
    /// In which VPC.
    pub vpc: VpcId,
    /// Display name.
    pub name: String,
    /// Description.
    pub description: String,
    /// Whether it begins with entries that let everything pass; else nothing does.
    pub is_open: bool,
    /// Tags.
    pub tags: Tags,
}

/// Changes what is said of an ACL; what is none stays. The default one has no name.
#[derive(Debug, Clone, Serialize)]
pub struct ModifyNetworkAcl {
    /// Which one.
    pub acl: NetworkAclId,
    /// Display name.
    pub name: Option<String>,
    /// Description.
    pub description: Option<String>,
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

/// Puts entries in the place of all that an ACL has in a direction. The first one that is about a packet decides.
#[derive(Debug, Clone, Serialize)]
pub struct SetAclEntries {
    /// Which ACL.
    pub acl: NetworkAclId,
    /// Those for packets into subnets; none leaves them as they are.
    pub ingress: Option<Vec<NewAclEntry>>,
    /// Those for packets out of subnets.
    pub egress: Option<Vec<NewAclEntry>>,
}

/// An entry whose place in a list stands for its number.
#[derive(Debug, Clone, Serialize)]
pub struct NewAclEntry {
    /// What happens to the packet.
    pub verdict: Verdict,
    /// Protocols and destination ports.
    pub protocol: Protocol,
    /// The other end.
    pub range: IpNet,
    /// Display name.
    pub name: String,
    /// Description.
    pub description: String,
}

/// The numbers of listed entries lie so far apart, so that a client that knows numbers can put others between them.
pub(crate) const NUMBER_STEP: u16 = 100;

/// Ties a subnet to an ACL, in place of the one that it has.
#[derive(Debug, Clone, Serialize)]
pub struct AssociateNetworkAcl {
    /// Which subnet.
    pub subnet: AclSubnet,
    /// To which ACL.
    pub acl: NetworkAclId,
    /// Whether it takes the place of one that somebody tied it to; else that is refused.
    pub replaces: bool,
}

/// Ends the tie of a subnet to an ACL; the subnet has the default one of its VPC then.
#[derive(Debug, Clone, Serialize)]
pub struct DisassociateNetworkAcl {
    /// Which subnet.
    pub subnet: SubnetId,
    /// From which ACL.
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
            entries: if self.is_open { open_entries(vpc.ipv6.is_some()) } else { vec![] },
            judges_v6: vpc.ipv6.is_some(),
            words: vec![],
            created_at: cx.now,
            tags: Tags::new(),
        };
        add_tags(&mut acl.tags, &self.tags)?;
        tx.insert(&acl)?;
        Ok(acl)
    }
}

impl Command for ModifyNetworkAcl {
    type Reply = ();
    const NAME: &'static str = "ModifyNetworkAcl";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        target(tx, cx, self.acl)
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<(), Failure> {
        let mut acl = acl_by_id(tx, cx.caller.account(), self.acl)?;
        if let Some(name) = &self.name {
            check_name("NetworkAclName", name)?;
            acl.name.clone_from(name);
        }
        if let Some(description) = &self.description {
            check_description(description)?;
            acl.description.clone_from(description);
        }
        tx.update(&acl)?;
        Ok(())
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
                check_count(acl.entries.iter().filter(|other| other.direction == direction).count() + 1)?;
                acl.entries.push(entry);
            }
            AclChange::Replace(entry) => {
                entry.check()?;
                acl.entries[at.ok_or_else(absent)?] = entry;
            }
            AclChange::Remove(..) => {
                acl.entries.remove(at.ok_or_else(absent)?);
                acl.words.retain(|words| (words.direction, words.number) != (direction, number));
            }
        }
        acl.entries.sort_by_key(|entry| (entry.direction, entry.number));
        acl.judges_v6 |= acl.entries.iter().any(AclEntry::is_v6);
        tx.update(&acl)?;
        touch_vpc(tx, acl.vpc)
    }
}

impl Command for SetAclEntries {
    type Reply = ();
    const NAME: &'static str = "SetAclEntries";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        target(tx, cx, self.acl)
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<(), Failure> {
        let mut acl = acl_by_id(tx, cx.caller.account(), self.acl)?;
        for (direction, new) in [(Direction::Ingress, &self.ingress), (Direction::Egress, &self.egress)] {
            if let Some(new) = new {
                set_direction(&mut acl, direction, new)?;
            }
        }
        acl.judges_v6 |= acl.entries.iter().any(AclEntry::is_v6);
        tx.update(&acl)?;
        touch_vpc(tx, acl.vpc)
    }
}

fn set_direction(acl: &mut NetworkAcl, direction: Direction, new: &[NewAclEntry]) -> Result<(), Failure> {
    check_count(new.len())?;
    acl.entries.retain(|entry| entry.direction != direction);
    acl.words.retain(|words| words.direction != direction);
    for (number, new) in (1..).map(|place| place * NUMBER_STEP).zip(new) {
        let NewAclEntry { verdict, protocol, range, name, description } = new;
        let entry = AclEntry { number, direction, verdict: *verdict, protocol: *protocol, range: range.trunc() };
        entry.check()?;
        acl.entries.push(entry);
        check_name("NetworkAclEntryName", name)?;
        check_description(description)?;
        if !name.is_empty() || !description.is_empty() {
            acl.words.push(EntryWords { direction, number, name: name.clone(), description: description.clone() });
        }
    }
    acl.entries.sort_by_key(|entry| (entry.direction, entry.number));
    Ok(())
}

/// Checks how many entries an ACL would have in one direction.
pub(crate) fn check_count(count: usize) -> Result<(), Error> {
    if count > ACL_ENTRIES_MAX {
        let what = "entries of a network ACL in one direction".to_owned();
        return Err(Error::LimitReached { name: "NetworkAclEntry", what, limit: ACL_ENTRIES_MAX as u64 });
    }
    Ok(())
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
            if !self.replaces {
                return Err(Error::Duplicate { noun: Noun::NetworkAclAssociation, name: subnet.id.to_string() }.into());
            }
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

impl Command for DisassociateNetworkAcl {
    type Reply = ();
    const NAME: &'static str = "DisassociateNetworkAcl";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        let mut targets = target(tx, cx, self.acl)?;
        targets.extend(crate::subnet::target(tx, cx, self.subnet)?);
        Ok(targets)
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<(), Failure> {
        let mut acl = acl_by_id(tx, cx.caller.account(), self.acl)?;
        if !acl.has_subnet(self.subnet) {
            return Err(Error::not_found(Noun::NetworkAclAssociation, self.subnet).into());
        }
        acl.subnets.retain(|tie| tie.subnet != self.subnet);
        tx.update(&acl)?;
        touch_vpc(tx, acl.vpc)
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

pub(crate) fn acl_by_id(tx: &Tx<'_>, account: AccountId, id: NetworkAclId) -> Result<NetworkAcl, Failure> {
    let acl = tx.get::<NetworkAcl>(id)?.filter(|acl| acl.account == account);
    Ok(acl.ok_or_else(|| Error::not_found(Noun::NetworkAcl, id))?)
}

pub(crate) fn target(tx: &Tx<'_>, cx: &Cx<'_>, id: NetworkAclId) -> Result<Vec<Target>, Failure> {
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
