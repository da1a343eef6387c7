//! Placement groups: making, changing and deleting them, and who is in one.
//!
//! The rule itself is kept where hosts are chosen: a launch into a group reads its members in its own transaction and gives them
//! to the search, so two launches at the same time never break it. What moves an instance into a group without moving it to another
//! host ([`MoveToPlacementGroup`]) asks the same search about that one host.

use std::collections::HashMap;

use model::{
    AccountId, Changed, Error, FailureDomain, InPlacementGroup, Instance, InstanceId, MemberLimit, Noun, Phase, PlacementChoice,
    PlacementGroup, PlacementGroupId, PlacementGroupRef, PlacementMember, PlacementRule, QuotaName, Tags, add_tags, check_long_name,
};
use serde::Serialize;
use store::Tx;

use crate::Failure;
use crate::auth::Target;
use crate::describe::{Field, Listing, tag_values};
use crate::instance::{check_description, instance_of, save};
use crate::placement::{GroupRule, Level, Member};
use crate::run::{Command, Cx};

/// Most ids of members that a refusal names.
const NAMED_MAX: usize = 10;

/// Makes a placement group.
#[derive(Debug, Clone, Serialize)]
pub struct CreatePlacementGroup {
    /// Name.
    pub name: String,
    /// Whether a second group of this name is refused (EC2's rule).
    pub name_is_unique: bool,
    /// Description.
    pub description: String,
    /// What it asks for.
    pub rule: PlacementRule,
    /// How many members it may have.
    pub limit: Option<MemberLimit>,
    /// Tags.
    pub tags: Tags,
}

/// Changes a placement group. What is `None` stays.
#[derive(Debug, Clone, Serialize)]
pub struct ModifyPlacementGroup {
    /// Which one.
    pub group: PlacementGroupId,
    /// Name.
    pub name: Option<String>,
    /// Description.
    pub description: Option<String>,
    /// Most members of a spread group in one host, rack or switch; it can only grow.
    pub most: Option<u32>,
}

/// Deletes placement groups without members; all of them or none.
#[derive(Debug, Clone, Serialize)]
pub struct DeletePlacementGroups {
    /// Which ones.
    pub groups: Vec<PlacementGroupRef>,
}

/// Moves instances into a group, another one or another partition, or out of it. They stay on their hosts, so a move that would break
/// the group's rule there is refused.
#[derive(Debug, Clone, Serialize)]
pub struct MoveToPlacementGroup {
    /// Which instances; all of them or none.
    pub instances: Vec<InstanceId>,
    /// Where to; none: into no group.
    pub to: Option<PlacementChoice>,
    /// Whether one that is not stopped is refused (EC2's rule).
    pub only_stopped: bool,
}

impl Command for CreatePlacementGroup {
    type Reply = PlacementGroup;
    const NAME: &'static str = "CreatePlacementGroup";

    fn targets(&self, _: &Tx<'_>, _: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        let path = Some(format!("placement-group/{}", self.name));
        Ok(vec![Target { path, request_tags: self.tags.clone(), ..Target::default() }])
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<PlacementGroup, Failure> {
        let account = cx.caller.account();
        check_long_name("GroupName", &self.name)?;
        check_description(&self.description)?;
        self.rule.check()?;
        if self.name_is_unique && tx.placement_group_named(account, &self.name)?.is_some() {
            return Err(Error::Duplicate { noun: Noun::PlacementGroup, name: self.name.clone() }.into());
        }
        let limit = tx.quota_limit(account, QuotaName::PlacementGroups)?;
        QuotaName::PlacementGroups.check(limit, tx.placement_group_count(account, limit)?, 1)?;
        let mut group = PlacementGroup {
            id: PlacementGroupId::from_u64(cx.new_id()),
            account,
            name: self.name.clone(),
            description: self.description.clone(),
            rule: self.rule,
            limit: self.limit,
            created_at: cx.now,
            tags: Tags::new(),
        };
        add_tags(&mut group.tags, &self.tags)?;
        tx.insert(&group)?;
        Ok(group)
    }
}

impl Command for ModifyPlacementGroup {
    type Reply = ();
    const NAME: &'static str = "ModifyPlacementGroup";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        Ok(vec![target(tx, cx, &PlacementGroupRef::Id(self.group))?])
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<(), Failure> {
        let mut group = group_of(tx, cx.caller.account(), &PlacementGroupRef::Id(self.group))?;
        if let Some(description) = &self.description {
            check_description(description)?;
            group.description.clone_from(description);
        }
        if let Some(most) = self.most {
            group.rule = grown(group.rule, most)?;
        }
        if let Some(name) = self.name.as_ref().filter(|name| **name != group.name) {
            check_long_name("GroupName", name)?;
            group.name.clone_from(name);
            rename_in_members(tx, cx, &group)?;
        }
        Ok(tx.update(&group)?)
    }
}

/// The rule with more members to a host, rack or switch. Fewer might be broken by those that are there.
fn grown(rule: PlacementRule, to: u32) -> Result<PlacementRule, Error> {
    match rule {
        PlacementRule::Spread { level, most } if to >= most => {
            let rule = PlacementRule::Spread { level, most: to };
            rule.check().map(|()| rule)
        }
        PlacementRule::Spread { most, .. } => Err(Error::invalid("Affinity", format!("is {most} and cannot become less"))),
        PlacementRule::Cluster { .. } | PlacementRule::Partition { .. } => {
            Err(Error::InvalidCombination { reason: "only a group that spreads its instances has an affinity".to_owned() })
        }
    }
}

/// Guests read the name of their group.
fn rename_in_members(tx: &mut Tx<'_>, cx: &Cx<'_>, group: &PlacementGroup) -> Result<(), Failure> {
    for member in tx.placement_member_list(group.id)? {
        let Some(mut instance) = tx.get::<Instance>(member.instance)? else { continue };
        if let Some(placement) = &mut instance.placement {
            placement.name = group.shown_name();
        }
        save(tx, &mut instance, cx.now)?;
    }
    Ok(())
}

impl Command for DeletePlacementGroups {
    type Reply = ();
    const NAME: &'static str = "DeletePlacementGroups";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        self.groups.iter().map(|which| target(tx, cx, which)).collect()
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<(), Failure> {
        for which in &self.groups {
            let group = group_of(tx, cx.caller.account(), which)?;
            let members = tx.placement_member_list(group.id)?;
            if !members.is_empty() {
                let by = members.iter().take(NAMED_MAX).map(|member| member.instance.to_string()).collect();
                return Err(Error::InUse { noun: Noun::PlacementGroup, id: group.shown_name(), by }.into());
            }
            tx.delete::<PlacementGroup>(group.id)?;
        }
        Ok(())
    }
}

impl Command for MoveToPlacementGroup {
    type Reply = ();
    const NAME: &'static str = "MoveToPlacementGroup";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        let own = |id: &InstanceId| tx.get::<Instance>(*id).map(|row| row.filter(|row| row.account == cx.caller.account()));
        let instance = |id: &InstanceId| Ok(Target::of("instance", id, &own(id)?.map(|row| row.tags).unwrap_or_default()));
        let mut targets = self.instances.iter().map(instance).collect::<Result<Vec<_>, Failure>>()?;
        if let Some(choice) = &self.to {
            targets.push(target(tx, cx, &choice.group)?);
        }
        Ok(targets)
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<(), Failure> {
        let joining = self.to.as_ref().map(|choice| Joining::of(tx, cx.caller.account(), choice)).transpose()?;
        for id in &self.instances {
            let mut instance = instance_of(tx, cx.caller.account(), *id)?;
            self.check_state(&instance)?;
            if leave(tx, &instance)? == Changed::Yes {
                instance.placement = None;
            }
            if let Some(joining) = &joining {
                let members = joining.members(tx)?;
                joining.group.check_limit(&instance.zone, &members)?;
                let way = joining.way_on(cx, &instance, &members)?;
                instance.placement = Some(joining.join(tx, &instance, way)?);
            }
            save(tx, &mut instance, cx.now)?;
        }
        Ok(())
    }
}

impl MoveToPlacementGroup {
    fn check_state(&self, instance: &Instance) -> Result<(), Error> {
        if !self.only_stopped {
            return instance.check_on_host();
        }
        let (noun, id, state) = (Noun::Instance, instance.id.to_string(), instance.phase.word());
        if instance.phase == Phase::Stopped { Ok(()) } else { Err(Error::IncorrectState { noun, id, state, wanted: "stopped" }) }
    }
}

/// Takes an instance out of its group, if it is in one. Its own row is the caller's to write.
pub(crate) fn leave(tx: &mut Tx<'_>, instance: &Instance) -> Result<Changed, Failure> {
    if instance.placement.is_none() {
        return Ok(Changed::No);
    }
    tx.delete::<PlacementMember>(instance.id)?;
    Ok(Changed::Yes)
}

/// A group that instances come into.
pub(crate) struct Joining {
    group: PlacementGroup,
    partition: Option<u32>,
}

/// One way into a group: what the search is to keep.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Way {
    /// The rule.
    pub rule: GroupRule,
    /// The partition.
    pub partition: Option<u32>,
}

impl Joining {
    /// The group that is asked for.
    pub fn of(tx: &Tx<'_>, account: AccountId, choice: &PlacementChoice) -> Result<Joining, Failure> {
        let group = group_of(tx, account, &choice.group)?;
        group.rule.partitions(choice.partition, &[])?;
        Ok(Joining { group, partition: choice.partition })
    }

    /// The group's id, as refusals name it.
    pub fn name(&self) -> String {
        self.group.id.to_string()
    }

    /// The members that it has, those of this transaction with them.
    pub fn members(&self, tx: &Tx<'_>) -> Result<Vec<PlacementMember>, Failure> {
        Ok(tx.placement_member_list(self.group.id)?)
    }

    /// The ways in for one more instance in a zone, the best first.
    ///
    /// # Errors
    /// Refuses when the group has as many members as it may.
    pub fn ways(&self, zone: &str, members: &[PlacementMember]) -> Result<Vec<Way>, Error> {
        self.group.check_limit(zone, members)?;
        let partitions = self.group.rule.partitions(self.partition, members)?;
        Ok(partitions.into_iter().map(|partition| Way { rule: rule(self.group.rule, partition), partition }).collect())
    }

    /// The first way in that keeps the rule for an instance that stays where it is.
    fn way_on(&self, cx: &Cx<'_>, instance: &Instance, members: &[PlacementMember]) -> Result<Way, Error> {
        let ways = self.ways(&instance.zone, members)?;
        let seen = seen(members);
        let fits = |way: &Way| cx.cloud.fleet().keeps(instance.host, way.rule, &seen);
        ways.into_iter().find(fits).ok_or_else(|| Error::NoPlaceInGroup {
            group: self.name(),
            reason: format!("the host that keeps the disks of '{}' is closed by the group's rule", instance.id),
        })
    }

    /// Writes that an instance is a member; what is to be kept in the instance's own row is the answer.
    pub fn join(&self, tx: &mut Tx<'_>, instance: &Instance, way: Way) -> Result<InPlacementGroup, Failure> {
        tx.insert(&PlacementMember {
            instance: instance.id,
            account: instance.account,
            group: self.group.id,
            zone: instance.zone.clone(),
            host: instance.host,
            partition: way.partition.unwrap_or(0),
        })?;
        Ok(InPlacementGroup { id: self.group.id, name: self.group.shown_name(), partition: way.partition })
    }
}

/// Members as the search counts them.
pub(crate) fn seen(members: &[PlacementMember]) -> Vec<Member> {
    members.iter().map(|member| Member { host: member.host, partition: member.partition }).collect()
}

fn rule(rule: PlacementRule, partition: Option<u32>) -> GroupRule {
    let level = match rule.level() {
        FailureDomain::Host => Level::Host,
        FailureDomain::Rack => Level::Rack,
        FailureDomain::Switch => Level::Switch,
    };
    match rule {
        PlacementRule::Spread { most, level: _ } => GroupRule::Spread { level, most },
        PlacementRule::Cluster { level: _ } => GroupRule::Cluster { level },
        PlacementRule::Partition { .. } => GroupRule::Partition { level, number: partition.unwrap_or(0) },
    }
}

/// The group, if the account owns it.
fn group_of(tx: &Tx<'_>, account: AccountId, which: &PlacementGroupRef) -> Result<PlacementGroup, Failure> {
    let (found, name) = match which {
        PlacementGroupRef::Id(id) => (tx.get::<PlacementGroup>(*id)?.filter(|group| group.account == account), id.to_string()),
        PlacementGroupRef::Name(name) => (named(tx, account, name)?, name.clone()),
    };
    Ok(found.ok_or_else(|| Error::not_found(Noun::PlacementGroup, name))?)
}

/// A group without a name is shown under its id, so that it is found by it too.
fn named(tx: &Tx<'_>, account: AccountId, name: &str) -> Result<Option<PlacementGroup>, Failure> {
    match (tx.placement_group_named(account, name)?, name.parse::<PlacementGroupId>()) {
        (Some(group), _) => Ok(Some(group)),
        (None, Ok(id)) => Ok(tx.get::<PlacementGroup>(id)?.filter(|group| group.account == account && group.name.is_empty())),
        (None, Err(_)) => Ok(None),
    }
}

/// The resource that policies are asked about: EC2 names placement groups, and so do the policies here.
fn target(tx: &Tx<'_>, cx: &Cx<'_>, which: &PlacementGroupRef) -> Result<Target, Failure> {
    match group_of(tx, cx.caller.account(), which) {
        Ok(group) => Ok(Target::of("placement-group", group.shown_name(), &group.tags)),
        Err(Failure::Refused(Error::NotFound { id, .. })) => Ok(Target::of("placement-group", id, &Tags::new())),
        Err(failure) => Err(failure),
    }
}

/// Who is asked about by a launch into a group.
pub(crate) fn launch_target(tx: &Tx<'_>, cx: &Cx<'_>, choice: &PlacementChoice) -> Result<Target, Failure> {
    target(tx, cx, &choice.group)
}

/// A placement group with its members.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlacementGroupView {
    /// The group.
    pub group: PlacementGroup,
    /// Its members, oldest first.
    pub members: Vec<PlacementMember>,
}

impl Listing for PlacementGroupView {
    type Id = PlacementGroupId;
    const NOUN: Noun = Noun::PlacementGroup;

    fn id(&self) -> PlacementGroupId {
        self.group.id
    }

    fn id_value(id: PlacementGroupId) -> (u64, String) {
        (id.as_u64(), id.to_string())
    }

    fn all(tx: &Tx<'_>, account: AccountId) -> Result<Vec<PlacementGroupView>, Failure> {
        let mut members: HashMap<PlacementGroupId, Vec<PlacementMember>> = HashMap::new();
        for member in tx.placement_member_list_of_account(account)? {
            members.entry(member.group).or_default().push(member);
        }
        let view = |group: PlacementGroup| PlacementGroupView { members: members.remove(&group.id).unwrap_or_default(), group };
        Ok(tx.placement_group_list(account)?.into_iter().map(view).collect())
    }

    fn values(&self, field: &Field) -> Vec<String> {
        let group = &self.group;
        match field {
            Field::Id => vec![group.id.to_string()],
            Field::Name => vec![group.shown_name()],
            Field::Owner => vec![group.account.to_string()],
            Field::Kind => vec![word(group.rule).to_owned()],
            Field::Level => level_word(group.rule).map(str::to_owned).into_iter().collect(),
            _ => tag_values(&group.tags, field),
        }
    }
}

/// A rule in one word, as filters compare it: EC2's.
const fn word(rule: PlacementRule) -> &'static str {
    match rule {
        PlacementRule::Spread { .. } => "spread",
        PlacementRule::Cluster { .. } => "cluster",
        PlacementRule::Partition { .. } => "partition",
    }
}

/// What members of a spread group do not share, in EC2's words, which has none for a switch.
const fn level_word(rule: PlacementRule) -> Option<&'static str> {
    match rule {
        PlacementRule::Spread { level: FailureDomain::Host, .. } => Some("host"),
        PlacementRule::Spread { level: FailureDomain::Rack | FailureDomain::Switch, .. } => Some("rack"),
        PlacementRule::Cluster { .. } | PlacementRule::Partition { .. } => None,
    }
}
