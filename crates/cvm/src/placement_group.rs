//! Placement groups, which CVM calls disaster recover groups.

use control::{Field, MoveToPlacementGroup, PlacementGroupView, Query};
use jiff::Timestamp;
use model::{
    Error, FailureDomain, MemberLimit, PlacementChoice, PlacementGroup, PlacementGroupId, PlacementGroupRef, PlacementMember,
    PlacementRule, QuotaName,
};
use wire::{FromArg, Show};

use crate::account::Nothing;
use crate::error::Fault;
use crate::filter::{By, FILTERS_MAX, FilterArg, Filters};
use crate::page::Cut;
use crate::tag::{TAGS_PER_CALL, TagReply, TagSpecification};
use crate::{Cx, id, tag};

/// Longest name in characters.
const NAME_MAX: usize = 60;
/// Groups that one call names.
const NAMED_MAX: usize = 10;
/// Instances that one call moves.
const MOVED_MAX: usize = 100;
/// Instances in a group that spreads over hosts, switches and racks (CVM's guide, "Spread placement group": 50, 20 and 10), and in one
/// with partitions, for which it names no number.
const ON_HOSTS: u32 = 50;
const ON_SWITCHES: u32 = 20;
const ON_RACKS: u32 = 10;
const IN_PARTITIONS: u32 = 50;

/// What instances do not share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromArg)]
enum Type {
    #[arg(name = "HOST")]
    Host,
    #[arg(name = "SW")]
    Switch,
    #[arg(name = "RACK")]
    Rack,
}

/// How the instances of a group lie to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromArg)]
enum Strategy {
    #[arg(name = "SPREAD")]
    Spread,
    #[arg(name = "PARTITION")]
    Partition,
}

/// `CreateDisasterRecoverGroup`.
#[derive(FromArg)]
pub(crate) struct CreateDisasterRecoverGroup {
    name: String,
    r#type: Type,
    client_token: Option<String>,
    affinity: Option<u32>,
    strategy: Option<Strategy>,
    #[arg(range = 2..=30)]
    partition_count: Option<u32>,
    #[arg(max_items = TAGS_PER_CALL)]
    tag_specification: Vec<TagSpecification>,
}

#[derive(Show)]
pub(crate) struct Created {
    disaster_recover_group_id: String,
    name: String,
    r#type: &'static str,
    cvm_quota_total: u32,
    current_num: usize,
    create_time: Timestamp,
    strategy: &'static str,
    /// 0 in groups without partitions.
    partition_count: u32,
}

/// Makes a group.
pub(crate) async fn create(cx: &Cx<'_>, asked: CreateDisasterRecoverGroup) -> Result<Created, Fault> {
    check_name(&asked.name)?;
    let rule = asked.rule()?;
    let command = control::CreatePlacementGroup {
        name: asked.name,
        name_is_unique: false,
        description: String::new(),
        rule,
        limit: Some(MemberLimit::Group(quota(rule))),
        tags: tag::specified(asked.tag_specification, "ps")?,
    };
    let options = control::Options { client_token: asked.client_token.filter(|token| !token.is_empty()), ..cx.options() };
    let group = cx.cloud.run(&cx.caller, command, options).await?;
    let GroupReply {
        disaster_recover_group_id, name, r#type, cvm_quota_total, current_num, create_time, strategy, partition_count, ..
    } = reply(group, &[]);
    Ok(Created { disaster_recover_group_id, name, r#type, cvm_quota_total, current_num, create_time, strategy, partition_count })
}

impl CreateDisasterRecoverGroup {
    fn rule(&self) -> Result<PlacementRule, Fault> {
        let level = match self.r#type {
            Type::Host => FailureDomain::Host,
            Type::Switch => FailureDomain::Switch,
            Type::Rack => FailureDomain::Rack,
        };
        match (self.strategy.unwrap_or(Strategy::Spread), self.partition_count) {
            (Strategy::Spread, None) => Ok(PlacementRule::Spread { level, most: self.affinity.unwrap_or(1) }),
            (Strategy::Spread, Some(_)) => Err(Fault::conflict("`PartitionCount` is for the strategy PARTITION")),
            (Strategy::Partition, _) if self.affinity.is_some() => Err(Fault::conflict("`Affinity` is for the strategy SPREAD")),
            (Strategy::Partition, Some(count)) => Ok(PlacementRule::Partition { level, count }),
            (Strategy::Partition, None) => Err(Fault::missing("PartitionCount")),
        }
    }
}

const fn quota(rule: PlacementRule) -> u32 {
    match rule {
        PlacementRule::Spread { level: FailureDomain::Host, .. } => ON_HOSTS,
        PlacementRule::Spread { level: FailureDomain::Switch, .. } => ON_SWITCHES,
        PlacementRule::Spread { level: FailureDomain::Rack, .. } => ON_RACKS,
        PlacementRule::Partition { .. } | PlacementRule::Cluster { .. } => IN_PARTITIONS,
    }
}

fn check_name(name: &str) -> Result<(), Fault> {
    match name.chars().count() {
        1..=NAME_MAX => Ok(()),
        _ => Err(Fault::invalid("Name", format!("must be 1 to {NAME_MAX} characters"))),
    }
}

/// `DescribeDisasterRecoverGroups`.
#[derive(FromArg)]
pub(crate) struct DescribeDisasterRecoverGroups {
    #[arg(max_items = NAMED_MAX)]
    disaster_recover_group_ids: Vec<String>,
    name: Option<String>,
    #[arg(max_items = FILTERS_MAX)]
    filters: Vec<FilterArg>,
    #[arg(flatten)]
    cut: Cut,
}

#[derive(Show)]
#[reply(list = "")]
pub(crate) struct Groups {
    total_count: usize,
    disaster_recover_group_set: Vec<GroupReply>,
}

#[derive(Show)]
#[reply(list = "")]
struct GroupReply {
    disaster_recover_group_id: String,
    name: String,
    r#type: &'static str,
    cvm_quota_total: u32,
    current_num: usize,
    instance_ids: Vec<String>,
    create_time: Timestamp,
    affinity: u32,
    strategy: &'static str,
    /// 0 in groups without partitions.
    partition_count: u32,
    tags: Vec<TagReply>,
}

/// Lists groups with their instances.
pub(crate) async fn describe(cx: &Cx<'_>, asked: DescribeDisasterRecoverGroups) -> Result<Groups, Fault> {
    let mut filters = Filters::read(&asked.filters, |_| None)?;
    if let Some(name) = asked.name.filter(|name| !name.is_empty()) {
        filters.push(By::Holds(Field::Name), &[name]);
    }
    let ids = id::read_all::<PlacementGroupId>(&asked.disaster_recover_group_ids)?;
    let query = Query { ids, filters: filters.into_vec(), page: asked.cut.page() };
    let listed = cx.cloud.list::<PlacementGroupView>(&cx.caller, query).await?;
    let groups = listed.rows.into_iter().map(|view| reply(view.group, &view.members)).collect();
    Ok(Groups { total_count: listed.total, disaster_recover_group_set: groups })
}

fn reply(group: PlacementGroup, members: &[PlacementMember]) -> GroupReply {
    let (strategy, affinity, partition_count) = match group.rule {
        PlacementRule::Spread { most, .. } => ("SPREAD", most, 0),
        PlacementRule::Partition { count, .. } => ("PARTITION", 1, count),
        // Made through another cloud's dialect; CVM has no word for it.
        PlacementRule::Cluster { .. } => ("CLUSTER", 1, 0),
    };
    GroupReply {
        disaster_recover_group_id: id::shown(group.id),
        name: group.name,
        r#type: match group.rule.level() {
            FailureDomain::Host => "HOST",
            FailureDomain::Switch => "SW",
            FailureDomain::Rack => "RACK",
        },
        cvm_quota_total: group.limit.map_or_else(|| quota(group.rule), MemberLimit::most),
        current_num: members.len(),
        instance_ids: members.iter().map(|member| id::shown(member.instance)).collect(),
        create_time: group.created_at.timestamp(),
        affinity,
        strategy,
        partition_count,
        tags: tag::replies(&group.tags),
    }
}

#[derive(Show)]
pub(crate) struct Quota {
    group_quota: u64,
    current_num: u64,
    cvm_in_host_group_quota: u32,
    cvm_in_sw_group_quota: u32,
    cvm_in_rack_group_quota: u32,
    cvm_in_switch_group_quota: u32,
}

/// How many groups the account may have and has, and how many instances a group of each type takes.
pub(crate) async fn describe_quota(cx: &Cx<'_>, _: Nothing) -> Result<Quota, Fault> {
    let quotas = cx.cloud.quotas(&cx.caller).await?;
    let groups = quotas.iter().find(|quota| quota.name == QuotaName::PlacementGroups).ok_or(Error::Internal)?;
    Ok(Quota {
        group_quota: groups.limit,
        current_num: groups.used.unwrap_or(0),
        cvm_in_host_group_quota: ON_HOSTS,
        cvm_in_sw_group_quota: ON_SWITCHES,
        cvm_in_rack_group_quota: ON_RACKS,
        cvm_in_switch_group_quota: ON_SWITCHES,
    })
}

/// `ModifyDisasterRecoverGroupAttribute`.
#[derive(FromArg)]
pub(crate) struct ModifyGroup {
    disaster_recover_group_id: String,
    name: Option<String>,
    affinity: Option<u32>,
}

/// Changes the name of a group, or lets more of its instances share a host, switch or rack.
pub(crate) async fn modify(cx: &Cx<'_>, asked: ModifyGroup) -> Result<(), Fault> {
    asked.name.as_deref().map_or(Ok(()), check_name)?;
    let group = id::read(&asked.disaster_recover_group_id)?;
    let command = control::ModifyPlacementGroup { group, name: asked.name, description: None, most: asked.affinity };
    Ok(cx.cloud.run(&cx.caller, command, cx.options()).await?)
}

/// `DeleteDisasterRecoverGroups`.
#[derive(FromArg)]
pub(crate) struct DeleteGroups {
    #[arg(max_items = NAMED_MAX)]
    disaster_recover_group_ids: Vec<String>,
}

/// Deletes groups without instances; all of them or none.
pub(crate) async fn delete(cx: &Cx<'_>, asked: DeleteGroups) -> Result<(), Fault> {
    let ids: Vec<PlacementGroupId> = id::read_some("DisasterRecoverGroupIds", &asked.disaster_recover_group_ids)?;
    let groups = ids.into_iter().map(PlacementGroupRef::Id).collect();
    Ok(cx.cloud.run(&cx.caller, control::DeletePlacementGroups { groups }, cx.options()).await?)
}

/// `ModifyInstancesDisasterRecoverGroup`.
#[derive(FromArg)]
pub(crate) struct MoveInstances {
    #[arg(max_items = MOVED_MAX)]
    instance_ids: Vec<String>,
    disaster_recover_group_id: Option<String>,
    #[arg(max_items = 1)]
    disaster_recover_group_ids: Vec<String>,
    partition_number: Option<u32>,
    #[arg(default)]
    force: bool,
}

/// Puts instances into a group, or out of theirs when none is named, where they are.
pub(crate) async fn move_instances(cx: &Cx<'_>, asked: MoveInstances) -> Result<(), Fault> {
    if asked.force {
        return Err(Fault::unsupported("An instance that changes its host"));
    }
    let mut named = asked.disaster_recover_group_ids;
    named.extend(asked.disaster_recover_group_id.filter(|id| !id.is_empty()));
    let command = MoveToPlacementGroup {
        instances: id::read_some("InstanceIds", &asked.instance_ids)?,
        to: choice(&named, asked.partition_number)?,
        only_stopped: false,
    };
    Ok(cx.cloud.run(&cx.caller, command, cx.options()).await?)
}

/// The group that a call names, with the partition in it.
pub(crate) fn choice(ids: &[String], partition: Option<u32>) -> Result<Option<PlacementChoice>, Fault> {
    match (ids, partition) {
        ([], None) => Ok(None),
        ([], Some(_)) => Err(Fault::conflict("`PartitionNumber` is given without a group")),
        ([one], partition) => Ok(Some(PlacementChoice { group: PlacementGroupRef::Id(id::read(one)?), partition })),
        _ => Err(Fault::conflict("an instance is in one group at most")),
    }
}
