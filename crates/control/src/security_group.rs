//! Security groups and their members. Rules are in [`crate::security_group_rules`].

use std::collections::BTreeSet;

use model::{
    AccountId, DEFAULT_GROUP, Error, GROUPS_PER_INTERFACE_MAX, GroupKind, HostId, Instance, InstanceId, Interface, Noun, Peer, QuotaName,
    RuleId, SecurityGroup, SecurityGroupId, Tags, Verdict, VpcId, add_tags, check_group_name,
};
use serde::Serialize;
use store::Tx;

use crate::Failure;
use crate::account::taken;
use crate::auth::Target;
use crate::instance::{check_description, instance_of};
use crate::ipv6::outward;
use crate::network::vpc_of;
use crate::run::{Command, Cx};
use crate::security_group_rules::{NewRule, add_rule};

/// Most users that a refusal names.
const USERS_NAMED: usize = 10;

/// Makes a security group.
#[derive(Debug, Clone, Serialize)]
pub struct CreateSecurityGroup {
    /// Its VPC; none for the default one.
    pub vpc: Option<VpcId>,
    /// Whether interfaces in any VPC of the account may be in it.
    pub regional: bool,
    /// Name, unique in the VPC.
    pub name: String,
    /// Description.
    pub description: String,
    /// The rules that it begins with.
    pub rules: Vec<NewRule>,
    /// What it is by itself.
    pub nature: GroupNature,
    /// Tags.
    pub tags: Tags,
}

/// What a new group is by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum GroupNature {
    /// Its rules are all that there is (EC2, Tencent Cloud).
    Plain,
    /// Members meet before all rules, and what no rule is about goes out (ECS's basic groups).
    Basic,
    /// An enterprise group of ECS: its rules are all that there is, and name no groups.
    Enterprise,
}

/// Decides whether members of a group meet whatever its rules say.
#[derive(Debug, Clone, Serialize)]
pub struct SetInnerAccess {
    /// The group, which is no enterprise one.
    pub group: SecurityGroupId,
    /// With a drop its rules decide.
    pub policy: Verdict,
}

/// Changes what is said of a security group. What is `None` stays.
#[derive(Debug, Clone, Serialize)]
pub struct ModifySecurityGroup {
    /// The group.
    pub group: SecurityGroupId,
    /// Name, unique in the VPC; the default group keeps its own.
    pub name: Option<String>,
    /// Description.
    pub description: Option<String>,
}

/// Deletes a security group that has no members and that no rule of another group names.
#[derive(Debug, Clone, Serialize)]
pub struct DeleteSecurityGroup {
    /// The group.
    pub group: SecurityGroupId,
}

/// Changes the groups of an instance's interface, at once.
#[derive(Debug, Clone, Serialize)]
pub struct SetSecurityGroups {
    /// The instance.
    pub instance: InstanceId,
    /// What happens.
    pub change: Membership,
}

/// A change of the groups that an interface is in.
#[derive(Debug, Clone, Serialize)]
pub enum Membership {
    /// It is in these and no others.
    Exactly(Vec<SecurityGroupId>),
    /// It is in this one too.
    Join(SecurityGroupId),
    /// It is in this one no more.
    Leave(SecurityGroupId),
}

impl Command for CreateSecurityGroup {
    type Reply = SecurityGroup;
    const NAME: &'static str = "CreateSecurityGroup";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        let group = Target { path: Some("security-group/*".to_owned()), request_tags: self.tags.clone(), ..Target::default() };
        let vpc = vpc_of(tx, cx.caller.account(), self.vpc)?;
        Ok(vec![group, Target::of("vpc", vpc.id, &vpc.tags)])
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<SecurityGroup, Failure> {
        check_group_name(&self.name)?;
        check_description(&self.description)?;
        let account = cx.caller.account();
        let vpc = vpc_of(tx, account, self.vpc)?;
        let limit = tx.quota_limit(account, QuotaName::SecurityGroups)?;
        QuotaName::SecurityGroups.check(limit, tx.security_group_count(account, limit)?, 1)?;
        let mut group = SecurityGroup {
            id: SecurityGroupId::from_u64(cx.new_id()),
            account,
            vpc: vpc.id,
            regional: self.regional,
            kind: match self.nature {
                GroupNature::Plain | GroupNature::Basic => GroupKind::Basic,
                GroupNature::Enterprise => GroupKind::Enterprise,
            },
            name: self.name.clone(),
            description: self.description.clone(),
            rules: vec![],
            created_at: cx.now,
            tags: Tags::new(),
        };
        add_tags(&mut group.tags, &self.tags)?;
        tx.insert(&group).map_err(|error| taken(error, Noun::SecurityGroup, &self.name))?;
        for rule in &self.rules {
            add_rule(tx, cx, &mut group, rule)?;
        }
        if self.nature == GroupNature::Basic {
            group.let_members_meet(rule_ids(cx));
            group.let_out(RuleId::from_u64(cx.new_id()));
        }
        if vpc.ipv6.is_some() {
            group.rules.extend(outward(cx, &group));
        }
        tx.update(&group)?;
        Ok(group)
    }
}

fn rule_ids(cx: &Cx<'_>) -> [RuleId; 2] {
    [RuleId::from_u64(cx.new_id()), RuleId::from_u64(cx.new_id())]
}

impl Command for SetInnerAccess {
    type Reply = ();
    const NAME: &'static str = "SetInnerAccess";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        target(tx, cx, self.group)
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<(), Failure> {
        let mut group = group_of(tx, cx.caller.account(), self.group)?;
        if group.kind == GroupKind::Enterprise {
            let (noun, id) = (Noun::SecurityGroup, group.id.to_string());
            return Err(Error::Protected { noun, id, against: "another access among its members, as an enterprise group" }.into());
        }
        match self.policy {
            Verdict::Accept if group.members_meet() => return Ok(()),
            Verdict::Accept => group.let_members_meet(rule_ids(cx)),
            Verdict::Drop => group.part_members(),
        }
        tx.update(&group)?;
        touch_members(tx, &group)
    }
}

impl Command for ModifySecurityGroup {
    type Reply = ();
    const NAME: &'static str = "ModifySecurityGroup";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        target(tx, cx, self.group)
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<(), Failure> {
        let mut group = group_of(tx, cx.caller.account(), self.group)?;
        if let Some(name) = self.name.as_ref().filter(|name| **name != group.name) {
            if group.name == DEFAULT_GROUP {
                let (noun, id) = (Noun::SecurityGroup, group.id.to_string());
                return Err(Error::Protected { noun, id, against: "another name, as the group that every VPC has" }.into());
            }
            check_group_name(name)?;
            group.name.clone_from(name);
        }
        if let Some(description) = &self.description {
            check_description(description)?;
            group.description.clone_from(description);
        }
        tx.update(&group).map_err(|error| taken(error, Noun::SecurityGroup, &group.name))
    }
}

impl Command for DeleteSecurityGroup {
    type Reply = ();
    const NAME: &'static str = "DeleteSecurityGroup";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        target(tx, cx, self.group)
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<(), Failure> {
        let group = group_of(tx, cx.caller.account(), self.group)?;
        let (noun, id) = (Noun::SecurityGroup, group.id.to_string());
        if group.name == DEFAULT_GROUP {
            return Err(Error::Protected { noun, id, against: "deletion, as the group that every VPC has" }.into());
        }
        let by = users_of(tx, &group)?;
        if !by.is_empty() {
            return Err(Error::InUse { noun, id, by }.into());
        }
        tx.delete::<SecurityGroup>(group.id)?;
        Ok(())
    }
}

impl Command for SetSecurityGroups {
    type Reply = ();
    const NAME: &'static str = "SetSecurityGroups";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        let account = cx.caller.account();
        let instance = tx.get::<Instance>(self.instance)?.filter(|row| row.account == account);
        let tags = instance.map(|instance| instance.tags).unwrap_or_default();
        Ok(vec![Target::of("instance", self.instance, &tags)])
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<(), Failure> {
        change_groups(tx, cx.caller.account(), self.instance, &self.change)
    }
}

/// Changes the groups of an instance's interface, and tells its host.
pub(crate) fn change_groups(tx: &mut Tx<'_>, account: AccountId, id: InstanceId, change: &Membership) -> Result<(), Failure> {
    let mut instance = instance_of(tx, account, id)?;
    let mut interface = tx.get::<Interface>(instance.interface)?.ok_or_else(|| Error::not_found(Noun::Interface, instance.interface))?;
    interface.groups = change.of(&interface)?;
    let groups = interface.groups.iter().map(|id| group_of(tx, account, *id)).collect::<Result<Vec<_>, _>>()?;
    if let Some(group) = groups.iter().find(|group| !group.is_of(interface.vpc)) {
        let reason = format!("the security group {} and the instance {} belong to different VPCs", group.id, instance.id);
        return Err(Error::InvalidCombination { reason }.into());
    }
    check_one_kind(&groups)?;
    tx.update(&interface)?;
    if instance.is_on_host() {
        instance.asked = tx.host_touch(instance.host)?;
        tx.update(&instance)?;
    }
    Ok(())
}

impl Membership {
    /// The groups of an interface after the change, in order; refused when they would be none or too many.
    pub(crate) fn of(&self, interface: &Interface) -> Result<Vec<SecurityGroupId>, Error> {
        let mut groups: BTreeSet<SecurityGroupId> = interface.groups.iter().copied().collect();
        let interface = interface.id;
        match self {
            Membership::Exactly(exactly) => groups = exactly.iter().copied().collect(),
            Membership::Join(group) if !groups.insert(*group) => {
                return Err(Error::Duplicate { noun: Noun::SecurityGroup, name: format!("{group} on {interface}") });
            }
            Membership::Leave(group) if !groups.remove(group) => return Err(Error::not_found(Noun::SecurityGroup, group)),
            Membership::Join(_) | Membership::Leave(_) => {}
        }
        if groups.is_empty() {
            return Err(Error::invalid("SecurityGroupId", "an interface is in one group at least"));
        }
        if groups.len() > GROUPS_PER_INTERFACE_MAX {
            return Err(Error::invalid("SecurityGroupId", format!("more than {GROUPS_PER_INTERFACE_MAX} groups")));
        }
        Ok(groups.into_iter().collect())
    }
}

/// Refuses an interface in groups of two kinds.
pub(crate) fn check_one_kind(groups: &[SecurityGroup]) -> Result<(), Error> {
    let of = |kind| groups.iter().find(|group| group.kind == kind);
    match (of(GroupKind::Basic), of(GroupKind::Enterprise)) {
        (Some(basic), Some(enterprise)) => {
            let reason =
                format!("{} is an enterprise group and {} is not, and an interface is in groups of one kind", enterprise.id, basic.id);
            Err(Error::InvalidCombination { reason })
        }
        _ => Ok(()),
    }
}

/// Who keeps a group from being deleted: interfaces in it, and groups whose rules name it.
fn users_of(tx: &Tx<'_>, group: &SecurityGroup) -> Result<Vec<String>, Failure> {
    let members = members_of(tx, group)?;
    let members = members.iter().map(|interface| interface.id.to_string());
    let names = |other: &SecurityGroup| other.rules.iter().any(|rule| rule.peer == Peer::Group { group: group.id });
    let groups = tx.security_group_list(group.account)?;
    let naming = groups.iter().filter(|other| other.id != group.id && names(other)).map(|other| other.id.to_string());
    Ok(members.chain(naming).take(USERS_NAMED).collect())
}

/// The group, if the account owns it.
pub(crate) fn group_of(tx: &Tx<'_>, account: AccountId, id: SecurityGroupId) -> Result<SecurityGroup, Failure> {
    let group = tx.get::<SecurityGroup>(id)?.filter(|group| group.account == account);
    Ok(group.ok_or_else(|| Error::not_found(Noun::SecurityGroup, id))?)
}

/// What policies are asked about for a call on a group.
pub(crate) fn target(tx: &Tx<'_>, cx: &Cx<'_>, id: SecurityGroupId) -> Result<Vec<Target>, Failure> {
    let tags = tx.get::<SecurityGroup>(id)?.filter(|group| group.account == cx.caller.account()).map(|group| group.tags);
    Ok(vec![Target::of("security-group", id, &tags.unwrap_or_default())])
}

/// Tells the hosts on which members of the group are.
pub(crate) fn touch_members(tx: &mut Tx<'_>, group: &SecurityGroup) -> Result<(), Failure> {
    for host in hosts_of_members(tx, group)? {
        tx.host_touch(host)?;
    }
    Ok(())
}

/// The interfaces that are in a group.
pub(crate) fn members_of(tx: &Tx<'_>, group: &SecurityGroup) -> Result<Vec<Interface>, Failure> {
    let vpcs = if group.regional { tx.vpc_list(group.account)?.iter().map(|vpc| vpc.id).collect() } else { vec![group.vpc] };
    let mut members = Vec::new();
    for vpc in vpcs {
        members.extend(tx.interface_list_of_vpc(vpc)?.into_iter().filter(|interface| interface.groups.contains(&group.id)));
    }
    Ok(members)
}

fn hosts_of_members(tx: &Tx<'_>, group: &SecurityGroup) -> Result<BTreeSet<HostId>, Failure> {
    let mut hosts = BTreeSet::new();
    for instance in members_of(tx, group)?.into_iter().filter_map(|interface| interface.instance) {
        hosts.extend(tx.get::<Instance>(instance)?.filter(Instance::is_on_host).map(|instance| instance.host));
    }
    Ok(hosts)
}
