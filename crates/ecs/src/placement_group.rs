//! Placement groups, which ECS calls deployment sets.

use control::{Field, MoveToPlacementGroup, PlacementGroupView, Query};
use jiff::Timestamp;
use model::{
    FailureDomain, InstanceId, MemberLimit, Noun, PlacementChoice, PlacementGroup, PlacementGroupId, PlacementGroupRef, PlacementRule,
};
use wire::{FromArg, JsonList, Show};

use crate::Cx;
use crate::error::Fault;
use crate::filter::{self, Filters};
use crate::page::{Numbered, Numbers, SHORT_PAGE_MAX};

/// Instances of a deployment set in one zone (ECS user guide, "Deployment sets": at most 20).
const IN_ZONE: u32 = 20;
/// Groups of a deployment set, and those of one that says nothing (ECS: 1 to 7, 3).
const GROUPS_MAX: u32 = 7;
const GROUPS_USUAL: u32 = 3;
/// Longest name in characters.
const NAME_MAX: usize = 128;
/// Deployment sets that one call names (ECS: 100).
const NAMED_MAX: usize = 100;

/// How the instances of a set lie to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromArg)]
enum Strategy {
    Availability,
    AvailabilityGroup,
    LowLatency,
}

/// What instances do not share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromArg)]
enum Type {
    #[arg(name = "host")]
    Host,
    #[arg(name = "sw")]
    Switch,
    #[arg(name = "rack")]
    Rack,
}

/// What becomes of an instance whose host failed and for which no other host keeps the strategy. No instance leaves a failed host by
/// itself here, so both come to the same: it stays in its set and stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromArg)]
enum OnFailure {
    CancelMembershipAndStart,
    KeepStopped,
}

/// `CreateDeploymentSet`.
#[derive(FromArg)]
pub(crate) struct CreateDeploymentSet {
    deployment_set_name: Option<String>,
    description: Option<String>,
    strategy: Option<Strategy>,
    r#type: Option<Type>,
    #[arg(range = 1..=GROUPS_MAX)]
    group_count: Option<u32>,
    affinity: Option<u32>,
    #[expect(dead_code, reason = "see OnFailure")]
    on_unable_to_redeploy_failed_instance: Option<OnFailure>,
    #[expect(dead_code, reason = "ECS does not read it any more")]
    domain: Option<String>,
    #[expect(dead_code, reason = "ECS does not read it any more")]
    granularity: Option<String>,
}

#[derive(Show)]
pub(crate) struct Created {
    deployment_set_id: String,
}

/// Makes a deployment set.
pub(crate) async fn create(cx: &Cx<'_>, asked: CreateDeploymentSet) -> Result<Created, Fault> {
    let rule = asked.rule()?;
    let groups = if let PlacementRule::Partition { count, .. } = rule { count } else { 1 };
    let command = control::CreatePlacementGroup {
        name: named(asked.deployment_set_name)?.unwrap_or_default(),
        name_is_unique: false,
        description: asked.description.unwrap_or_default(),
        rule,
        limit: Some(MemberLimit::Zone(IN_ZONE * groups)),
        tags: model::Tags::new(),
    };
    let group = cx.cloud.run(&cx.caller, command, cx.options()?).await?;
    Ok(Created { deployment_set_id: group.id.to_string() })
}

impl CreateDeploymentSet {
    fn rule(&self) -> Result<PlacementRule, Fault> {
        let strategy = self.strategy.unwrap_or(Strategy::Availability);
        if self.group_count.is_some() && strategy != Strategy::AvailabilityGroup {
            return Err(conflict("GroupCount is only for the strategy AvailabilityGroup"));
        }
        if self.affinity.is_some() && strategy != Strategy::Availability {
            return Err(conflict("Affinity is only for the strategy Availability"));
        }
        let level = match self.r#type.unwrap_or(Type::Host) {
            Type::Host => FailureDomain::Host,
            Type::Switch => FailureDomain::Switch,
            Type::Rack => FailureDomain::Rack,
        };
        Ok(match strategy {
            Strategy::Availability => PlacementRule::Spread { level, most: self.affinity.unwrap_or(1) },
            Strategy::AvailabilityGroup => PlacementRule::Partition { level, count: self.group_count.unwrap_or(GROUPS_USUAL) },
            Strategy::LowLatency => PlacementRule::Cluster { level: FailureDomain::Rack },
        })
    }
}

fn conflict(message: &str) -> Fault {
    Fault::new(400, "InvalidParameter.Conflict", message)
}

fn named(name: Option<String>) -> Result<Option<String>, Fault> {
    let allowed = |letter: char| letter.is_alphanumeric() || ":_-.".contains(letter);
    let fits = |name: &String| {
        (2..=NAME_MAX).contains(&name.chars().count()) && name.starts_with(char::is_alphabetic) && name.chars().all(allowed)
    };
    match name {
        Some(name) if !fits(&name) => {
            Err(Fault::new(400, "InvalidDeploymentSetName.Malformed", "Specified deployment set name is not valid."))
        }
        name => Ok(name),
    }
}

/// `DescribeDeploymentSets`.
#[derive(FromArg)]
pub(crate) struct DescribeDeploymentSets {
    #[arg(max_items = NAMED_MAX)]
    deployment_set_ids: Option<JsonList<String>>,
    deployment_set_name: Option<String>,
    strategy: Option<Strategy>,
    r#type: Option<Type>,
    #[expect(dead_code, reason = "ECS does not read it any more")]
    domain: Option<String>,
    #[expect(dead_code, reason = "ECS does not read it any more")]
    granularity: Option<String>,
    #[expect(dead_code, reason = "ECS does not read it any more")]
    network_type: Option<String>,
    #[arg(flatten)]
    numbered: Numbered,
}

#[derive(Show)]
pub(crate) struct DeploymentSets {
    region_id: String,
    #[reply(list = "DeploymentSet")]
    deployment_sets: Vec<SetReply>,
    #[reply(flatten)]
    numbers: Numbers,
}

#[derive(Show)]
struct SetReply {
    deployment_set_id: String,
    deployment_set_name: String,
    deployment_set_description: String,
    strategy: &'static str,
    deployment_strategy: &'static str,
    r#type: &'static str,
    domain: &'static str,
    granularity: &'static str,
    group_count: Option<u32>,
    affinity: Option<u32>,
    creation_time: Timestamp,
    instance_amount: usize,
    #[reply(list = "InstanceId")]
    instance_ids: Vec<String>,
    #[reply(list = "Capacity")]
    capacities: Vec<Capacity>,
}

/// What a zone in which there are instances of the set still takes.
#[derive(Show)]
struct Capacity {
    zone_id: String,
    used_amount: usize,
    available_amount: usize,
}

/// Lists deployment sets.
pub(crate) async fn describe(cx: &Cx<'_>, asked: DescribeDeploymentSets) -> Result<DeploymentSets, Fault> {
    let mut filters = Filters::new();
    filters.listed(Field::Id, asked.deployment_set_ids.as_deref()).exact(Field::Name, asked.deployment_set_name.as_ref());
    let query = Query { ids: vec![], filters: filters.into_vec(), ..Query::default() };
    let mut listed = cx.cloud.list::<PlacementGroupView>(&cx.caller, query).await?;
    let wanted = |group: &PlacementGroup| {
        let (strategy, level) = words(group.rule);
        asked.strategy.is_none_or(|asked| asked == strategy) && asked.r#type.is_none_or(|asked| asked == level)
    };
    listed.rows.retain(|view| wanted(&view.group));
    let (rows, numbers) = asked.numbered.cut(listed.rows, SHORT_PAGE_MAX)?;
    Ok(DeploymentSets { region_id: cx.cloud.region().name.clone(), deployment_sets: rows.into_iter().map(reply).collect(), numbers })
}

fn words(rule: PlacementRule) -> (Strategy, Type) {
    let strategy = match rule {
        PlacementRule::Spread { .. } => Strategy::Availability,
        PlacementRule::Partition { .. } => Strategy::AvailabilityGroup,
        PlacementRule::Cluster { .. } => Strategy::LowLatency,
    };
    let level = match rule.level() {
        FailureDomain::Host => Type::Host,
        FailureDomain::Switch => Type::Switch,
        FailureDomain::Rack => Type::Rack,
    };
    (strategy, level)
}

fn reply(view: PlacementGroupView) -> SetReply {
    let PlacementGroupView { group, members } = view;
    let (strategy, level) = words(group.rule);
    let strategy = match strategy {
        Strategy::Availability => "Availability",
        Strategy::AvailabilityGroup => "AvailabilityGroup",
        Strategy::LowLatency => "LowLatency",
    };
    let (group_count, affinity) = match group.rule {
        PlacementRule::Partition { count, .. } => (Some(count), None),
        PlacementRule::Spread { most, .. } => (None, Some(most)),
        PlacementRule::Cluster { .. } => (None, None),
    };
    let mut zones: Vec<&String> = members.iter().map(|member| &member.zone).collect();
    zones.sort_unstable();
    zones.dedup();
    let capacity = |zone: &String| {
        let used_amount = members.iter().filter(|member| member.zone == *zone).count();
        let left = group.limit.map_or(usize::MAX, |limit| (limit.most() as usize).saturating_sub(limit.used(zone, &members)));
        // A set without a limit, made through another cloud's dialect, is told as large as the largest of ECS's own.
        let available_amount = left.min((IN_ZONE * GROUPS_MAX) as usize);
        Capacity { zone_id: zone.clone(), used_amount, available_amount }
    };
    SetReply {
        deployment_set_id: group.id.to_string(),
        deployment_set_name: group.name,
        deployment_set_description: group.description,
        strategy,
        deployment_strategy: strategy,
        r#type: match level {
            Type::Host => "host",
            Type::Switch => "sw",
            Type::Rack => "rack",
        },
        domain: "default",
        granularity: "host",
        group_count,
        affinity,
        creation_time: group.created_at.timestamp(),
        instance_amount: members.len(),
        instance_ids: members.iter().map(|member| member.instance.to_string()).collect(),
        capacities: zones.into_iter().map(capacity).collect(),
    }
}

/// `ModifyDeploymentSetAttribute`.
#[derive(FromArg)]
pub(crate) struct ModifyDeploymentSetAttribute {
    deployment_set_id: String,
    deployment_set_name: Option<String>,
    description: Option<String>,
    affinity: Option<u32>,
}

/// Changes name, description or affinity of a deployment set.
pub(crate) async fn modify(cx: &Cx<'_>, asked: ModifyDeploymentSetAttribute) -> Result<(), Fault> {
    let command = control::ModifyPlacementGroup {
        group: filter::id(Noun::PlacementGroup, &asked.deployment_set_id)?,
        name: named(asked.deployment_set_name)?,
        description: asked.description,
        most: asked.affinity,
    };
    Ok(cx.cloud.run(&cx.caller, command, cx.options()?).await?)
}

/// `DeleteDeploymentSet`.
#[derive(FromArg)]
pub(crate) struct DeleteDeploymentSet {
    deployment_set_id: String,
}

/// Deletes a deployment set that has no instances.
pub(crate) async fn delete(cx: &Cx<'_>, asked: DeleteDeploymentSet) -> Result<(), Fault> {
    let group = PlacementGroupRef::Id(filter::id(Noun::PlacementGroup, &asked.deployment_set_id)?);
    Ok(cx.cloud.run(&cx.caller, control::DeletePlacementGroups { groups: vec![group] }, cx.options()?).await?)
}

/// `ModifyInstanceDeployment`.
#[derive(FromArg)]
pub(crate) struct ModifyInstanceDeployment {
    instance_id: String,
    deployment_set_id: Option<String>,
    deployment_set_group_no: Option<u32>,
    #[arg(default)]
    remove_from_deployment_set: bool,
    #[arg(default)]
    force: bool,
}

/// Puts an instance into a deployment set, into another one, or out of it, where it runs.
pub(crate) async fn modify_instance(cx: &Cx<'_>, asked: ModifyInstanceDeployment) -> Result<(), Fault> {
    if asked.force {
        return Err(Fault::unsupported_parameter("Force=true: an instance that changes its host"));
    }
    let instance: InstanceId = filter::id(Noun::Instance, &asked.instance_id)?;
    let to = choice(asked.deployment_set_id.as_ref(), asked.deployment_set_group_no)?;
    if asked.remove_from_deployment_set == to.is_some() {
        return Err(conflict("Either DeploymentSetId or RemoveFromDeploymentSet is required"));
    }
    let command = MoveToPlacementGroup { instances: vec![instance], to, only_stopped: false };
    Ok(cx.cloud.run(&cx.caller, command, cx.options()?).await?)
}

/// The set that a call names, with the group in it.
pub(crate) fn choice(set: Option<&String>, number: Option<u32>) -> Result<Option<PlacementChoice>, Fault> {
    let id = filter::optional_id::<PlacementGroupId>(Noun::PlacementGroup, set)?;
    match (id, number) {
        (Some(id), partition) => Ok(Some(PlacementChoice { group: PlacementGroupRef::Id(id), partition })),
        (None, None) => Ok(None),
        (None, Some(_)) => Err(conflict("DeploymentSetGroupNo is given without DeploymentSetId")),
    }
}
