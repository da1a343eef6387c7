//! Placement groups, and which of them an instance is in.

use control::{MoveToPlacementGroup, PlacementGroupView, Query};
use model::{
    Error, FailureDomain, InPlacementGroup, MemberLimit, Noun, PlacementChoice, PlacementGroup, PlacementGroupId, PlacementGroupRef,
    PlacementRule,
};
use wire::{FromArg, Show};

use crate::Cx;
use crate::error::{Refusal, combination, unsupported};
use crate::filter::{self, AskedFilter};
use crate::tag::{self, TagItem, TagSpecification};

/// Instances of a rack level spread group in one zone (EC2 user guide, "Placement strategies": seven running ones).
const SPREAD_IN_ZONE: u32 = 7;
/// Most partitions of a group (EC2 user guide: seven in a zone).
const PARTITIONS_MAX: u32 = 7;
/// Partitions of a group that says nothing of them (EC2: two).
const PARTITIONS_USUAL: u32 = 2;

/// How a group places its members.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromArg)]
enum Strategy {
    #[arg(name = "cluster")]
    Cluster,
    #[arg(name = "spread")]
    Spread,
    #[arg(name = "partition")]
    Partition,
}

/// What members of a spread group do not share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromArg)]
enum SpreadLevel {
    #[arg(name = "host")]
    Host,
    #[arg(name = "rack")]
    Rack,
}

/// The parameters of `CreatePlacementGroup`.
#[derive(FromArg)]
pub(crate) struct CreatePlacementGroup {
    group_name: Option<String>,
    strategy: Option<Strategy>,
    partition_count: Option<u32>,
    spread_level: Option<SpreadLevel>,
    #[arg(name = "TagSpecification")]
    tags: Vec<TagSpecification>,
}

/// What of `CreatePlacementGroup` is not served.
pub(crate) const CREATE_ABSENT: &[&str] = &["LinkedGroupId", "Operator", "ParentGroupId"];

/// The reply of `CreatePlacementGroup`.
#[derive(Show)]
#[reply(rename = "camelCase")]
pub(crate) struct Created {
    placement_group: GroupItem,
}

#[derive(Show)]
#[reply(rename = "camelCase")]
struct GroupItem {
    group_name: String,
    state: &'static str,
    strategy: &'static str,
    partition_count: Option<u32>,
    group_id: String,
    tag_set: Vec<TagItem>,
    group_arn: String,
    spread_level: Option<&'static str>,
}

/// Makes a placement group.
pub(crate) async fn create(cx: Cx, asked: CreatePlacementGroup) -> Result<Created, Refusal> {
    let name = asked.group_name.clone().filter(|name| !name.is_empty()).ok_or(Error::MissingParameter { name: "GroupName" })?;
    let rule = rule(&asked)?;
    let command = control::CreatePlacementGroup {
        name,
        name_is_unique: true,
        description: String::new(),
        rule,
        limit: limit(rule),
        tags: tag::specified(&asked.tags, "placement-group", &["placement-group"])?,
    };
    let group = cx.cloud.run(&cx.caller, command, cx.options(None)).await?;
    Ok(Created { placement_group: item(&cx, &group) })
}

fn rule(asked: &CreatePlacementGroup) -> Result<PlacementRule, Refusal> {
    let strategy = asked.strategy.ok_or(Error::MissingParameter { name: "Strategy" })?;
    if asked.partition_count.is_some() && strategy != Strategy::Partition {
        return Err(combination("PartitionCount is only for the strategy 'partition'"));
    }
    if asked.spread_level.is_some() && strategy != Strategy::Spread {
        return Err(combination("SpreadLevel is only for the strategy 'spread'"));
    }
    Ok(match strategy {
        Strategy::Cluster => PlacementRule::Cluster { level: FailureDomain::Rack },
        Strategy::Spread => {
            let level = match asked.spread_level {
                Some(SpreadLevel::Host) => FailureDomain::Host,
                Some(SpreadLevel::Rack) | None => FailureDomain::Rack,
            };
            PlacementRule::Spread { level, most: 1 }
        }
        Strategy::Partition => {
            let count = asked.partition_count.unwrap_or(PARTITIONS_USUAL);
            if !(1..=PARTITIONS_MAX).contains(&count) {
                return Err(Error::invalid("PartitionCount", format!("must be 1 to {PARTITIONS_MAX}")).into());
            }
            PlacementRule::Partition { level: FailureDomain::Rack, count }
        }
    })
}

/// EC2 bounds spread groups over racks only: on hosts, the hosts are the bound.
const fn limit(rule: PlacementRule) -> Option<MemberLimit> {
    match rule {
        PlacementRule::Spread { level: FailureDomain::Rack, .. } => Some(MemberLimit::Zone(SPREAD_IN_ZONE)),
        PlacementRule::Spread { .. } | PlacementRule::Cluster { .. } | PlacementRule::Partition { .. } => None,
    }
}

fn item(cx: &Cx, group: &PlacementGroup) -> GroupItem {
    let (strategy, partition_count, spread_level) = match group.rule {
        PlacementRule::Cluster { .. } => ("cluster", None, None),
        PlacementRule::Spread { level: FailureDomain::Host, .. } => ("spread", None, Some("host")),
        // EC2 has no word for a switch, which is the rack's own.
        PlacementRule::Spread { level: FailureDomain::Rack | FailureDomain::Switch, .. } => ("spread", None, Some("rack")),
        PlacementRule::Partition { count, .. } => ("partition", Some(count), None),
    };
    GroupItem {
        group_name: group.shown_name(),
        state: "available",
        strategy,
        partition_count,
        group_id: group.id.to_string(),
        tag_set: tag::items(&group.tags),
        group_arn: arn(cx, group),
        spread_level,
    }
}

fn arn(cx: &Cx, group: &PlacementGroup) -> String {
    format!("arn:aws:ec2:{}:{}:placement-group/{}", cx.cloud.region().name, group.account, group.shown_name())
}

/// The parameters of `DescribePlacementGroups`.
#[derive(FromArg)]
pub(crate) struct DescribePlacementGroups {
    #[arg(name = "GroupId")]
    ids: Vec<String>,
    #[arg(name = "GroupName")]
    names: Vec<String>,
    #[arg(name = "Filter")]
    filters: Vec<AskedFilter>,
}

/// The reply of `DescribePlacementGroups`.
#[derive(Show)]
#[reply(rename = "camelCase")]
pub(crate) struct Groups {
    placement_group_set: Vec<GroupItem>,
}

/// Lists placement groups.
pub(crate) async fn describe(cx: Cx, asked: DescribePlacementGroups) -> Result<Groups, Refusal> {
    let filters = filter::filters(&cx, filter::PLACEMENT_GROUP, &asked.filters)?;
    let query = Query { ids: tag::ids(Noun::PlacementGroup, &asked.ids)?, filters, ..Query::default() };
    let mut listed = cx.cloud.list::<PlacementGroupView>(&cx.caller, query).await?;
    if !asked.names.is_empty() {
        let found = |name: &&String| listed.rows.iter().any(|view| view.group.shown_name() == **name);
        if let Some(absent) = asked.names.iter().find(|name| asked.filters.is_empty() && !found(name)) {
            return Err(Error::not_found(Noun::PlacementGroup, absent).into());
        }
        listed.rows.retain(|view| asked.names.contains(&view.group.shown_name()));
    }
    Ok(Groups { placement_group_set: listed.rows.iter().map(|view| item(&cx, &view.group)).collect() })
}

/// The parameters of `DeletePlacementGroup`.
#[derive(FromArg)]
pub(crate) struct DeletePlacementGroup {
    group_name: String,
}

/// Deletes a placement group that has no members.
pub(crate) async fn delete(cx: Cx, asked: DeletePlacementGroup) -> Result<(), Refusal> {
    // botocore resolves an id to the name by itself; older clients may send either.
    let which = group(&Some(asked.group_name), &None)?.ok_or(Error::MissingParameter { name: "GroupName" })?;
    Ok(cx.cloud.run(&cx.caller, control::DeletePlacementGroups { groups: vec![which] }, cx.options(None)).await?)
}

/// Where an instance is to be, in a call.
#[derive(FromArg)]
pub(crate) struct AskedGroup {
    group_name: Option<String>,
    group_id: Option<String>,
    partition_number: Option<u32>,
}

impl AskedGroup {
    /// The group that is asked for; none when nothing or an empty text is said.
    pub(crate) fn choice(&self) -> Result<Option<PlacementChoice>, Refusal> {
        let partition = self.partition_number;
        match (group(&self.group_name, &self.group_id)?, partition) {
            (Some(group), partition) => Ok(Some(PlacementChoice { group, partition })),
            (None, None) => Ok(None),
            (None, Some(_)) => Err(combination("A partition number is given without its placement group")),
        }
    }

    fn says_group(&self) -> bool {
        self.group_name.is_some() || self.group_id.is_some()
    }
}

fn group(name: &Option<String>, id: &Option<String>) -> Result<Option<PlacementGroupRef>, Refusal> {
    let said = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    match (said(name), said(id)) {
        (Some(_), Some(_)) => Err(combination("A placement group is named either by GroupName or by GroupId")),
        (Some(name), None) => Ok(Some(PlacementGroupRef::Name(name))),
        (None, Some(id)) => Ok(Some(PlacementGroupRef::Id(tag::id::<PlacementGroupId>(Noun::PlacementGroup, &id)?))),
        (None, None) => Ok(None),
    }
}

/// The parameters of `ModifyInstancePlacement`.
#[derive(FromArg)]
pub(crate) struct ModifyInstancePlacement {
    instance_id: String,
    tenancy: Option<String>,
    #[arg(flatten)]
    group: AskedGroup,
}

/// What of `ModifyInstancePlacement` is not served.
pub(crate) const MODIFY_ABSENT: &[&str] = &["Affinity", "HostId", "HostResourceGroupArn"];

/// The reply of a call that says only that it worked.
#[derive(Show)]
#[reply(rename = "camelCase")]
pub(crate) struct Modified {
    r#return: bool,
}

/// Moves a stopped instance into a group, into another partition, or out of its group when the name is empty.
pub(crate) async fn modify_instance(cx: Cx, asked: ModifyInstancePlacement) -> Result<Modified, Refusal> {
    if let Some(tenancy) = asked.tenancy.as_deref().filter(|tenancy| !matches!(*tenancy, "default" | "")) {
        return Err(unsupported(format!("The tenancy '{tenancy}'")));
    }
    let id = tag::id(Noun::Instance, &asked.instance_id)?;
    let to = match asked.group.partition_number {
        // Another partition of the group that it is in.
        Some(partition) if !asked.group.says_group() => {
            let view = cx.cloud.instance_view(&cx.caller, id).await?;
            let Some(InPlacementGroup { id, .. }) = view.instance.placement else {
                return Err(combination("The instance is in no placement group"));
            };
            Some(PlacementChoice { group: PlacementGroupRef::Id(id), partition: Some(partition) })
        }
        Some(_) | None if asked.group.says_group() => asked.group.choice()?,
        Some(_) | None => return Err(Error::MissingParameter { name: "GroupName" }.into()),
    };
    cx.cloud.run(&cx.caller, MoveToPlacementGroup { instances: vec![id], to, only_stopped: true }, cx.options(None)).await?;
    Ok(Modified { r#return: true })
}
