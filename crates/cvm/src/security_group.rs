//! Security groups. Their policies are in [`crate::security_group_policies`].

use control::{CreateSecurityGroup as Create, DeleteSecurityGroup as Delete, Field, GroupUse, ModifySecurityGroup, OrderKey, Query};
use model::{DEFAULT_GROUP, Error, Noun, SecurityGroup, SecurityGroupId, Vpc};
use wire::{FromArg, Show};

use crate::account::Nothing;
use crate::error::Fault;
use crate::filter::{By, FILTERS_MAX, FilterArg, Filters, not_both};
use crate::order::{self, OrderDirection};
use crate::page::{Cut, LIMIT_MAX};
use crate::tag::{TAGS_PER_CALL, TagArg, TagReply};
use crate::{Cx, id, tag, time};

/// `DescribeSecurityGroups`.
#[derive(FromArg)]
pub(crate) struct DescribeSecurityGroups {
    #[arg(max_items = LIMIT_MAX)]
    security_group_ids: Vec<String>,
    #[arg(max_items = FILTERS_MAX)]
    filters: Vec<FilterArg>,
    #[arg(flatten)]
    cut: Cut,
    order_field: Option<GroupOrder>,
    order_direction: Option<OrderDirection>,
}

/// What groups are put in order by; when they were changed is not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromArg)]
enum GroupOrder {
    CreatedTime,
}

#[derive(Show)]
#[reply(list = "")]
pub(crate) struct SecurityGroups {
    total_count: usize,
    security_group_set: Vec<GroupReply>,
}

#[derive(Show)]
#[reply(list = "")]
struct GroupReply {
    security_group_id: String,
    security_group_name: String,
    security_group_desc: String,
    project_id: &'static str,
    is_default: bool,
    created_time: String,
    update_time: &'static str,
    tag_set: Vec<TagReply>,
}

impl GroupReply {
    fn of(group: SecurityGroup) -> GroupReply {
        GroupReply {
            security_group_id: id::shown(group.id),
            is_default: group.name == DEFAULT_GROUP,
            project_id: "0",
            created_time: time::by_beijing(group.created_at.timestamp()),
            update_time: "",
            tag_set: tag::replies(&group.tags),
            security_group_name: group.name,
            security_group_desc: group.description,
        }
    }
}

/// Lists security groups.
pub(crate) async fn describe(cx: &Cx<'_>, asked: DescribeSecurityGroups) -> Result<SecurityGroups, Fault> {
    not_both("SecurityGroupIds", &asked.security_group_ids, &asked.filters)?;
    let filters = Filters::read(&asked.filters, |name| {
        Some(match name {
            "security-group-id" => By::id::<SecurityGroupId>(Field::Id),
            "security-group-name" => By::Holds(Field::Name),
            "project-id" => By::Always(&["0"]),
            _ => return None,
        })
    })?;
    let query = Query { ids: id::read_all(&asked.security_group_ids)?, filters: filters.into_vec(), page: asked.cut.page() };
    let made: fn(&SecurityGroup) -> OrderKey = |group| OrderKey::At(group.created_at);
    let by = asked.order_field.map(|GroupOrder::CreatedTime| made);
    let listed = order::list::<SecurityGroup>(cx, query, by, asked.order_direction, made).await?;
    Ok(SecurityGroups { total_count: listed.total, security_group_set: listed.rows.into_iter().map(GroupReply::of).collect() })
}

/// The group of an id.
pub(crate) async fn one(cx: &Cx<'_>, text: &str) -> Result<SecurityGroup, Fault> {
    let group: SecurityGroupId = id::read(text)?;
    let mut listed = cx.cloud.list::<SecurityGroup>(&cx.caller, Query { ids: vec![group], ..Query::default() }).await?;
    listed.rows.pop().ok_or_else(|| Error::not_found(Noun::SecurityGroup, text).into())
}

/// `CreateSecurityGroup`.
#[derive(FromArg)]
pub(crate) struct CreateSecurityGroup {
    group_name: String,
    group_description: String,
    #[arg(max_items = TAGS_PER_CALL)]
    tags: Vec<TagArg>,
}

#[derive(Show)]
pub(crate) struct Created {
    security_group: GroupReply,
}

/// Makes a group for interfaces of any VPC; the other clouds see it in the default one. It lets nothing in and nothing out until it has policies, as in VPC.
pub(crate) async fn create(cx: &Cx<'_>, asked: CreateSecurityGroup) -> Result<Created, Fault> {
    let command = Create {
        vpc: None,
        regional: true,
        name: asked.group_name,
        description: asked.group_description,
        rules: vec![],
        nature: control::GroupNature::Plain,
        tags: tag::tags_of(asked.tags)?,
    };
    let group = cx.cloud.run(&cx.caller, command, cx.options()).await?;
    Ok(Created { security_group: GroupReply::of(group) })
}

/// Gives the default group, which is made with the default VPC.
pub(crate) async fn create_default(cx: &Cx<'_>, _: Nothing) -> Result<Created, Fault> {
    let by = |field, value: String| control::Filter { field, values: vec![value] };
    let filters = vec![by(Field::IsDefault, "true".to_owned())];
    let vpc = cx.cloud.list::<Vpc>(&cx.caller, Query { filters, ..Query::default() }).await?.rows.pop();
    let vpc = match vpc {
        Some(vpc) => vpc,
        None => cx.cloud.run(&cx.caller, control::CreateDefaultVpc {}, cx.options()).await?,
    };
    let filters = vec![by(Field::Vpc, vpc.id.to_string()), by(Field::Name, DEFAULT_GROUP.to_owned())];
    let group = cx.cloud.list::<SecurityGroup>(&cx.caller, Query { filters, ..Query::default() }).await?.rows.pop();
    Ok(Created { security_group: GroupReply::of(group.ok_or(Error::Internal)?) })
}

/// `ModifySecurityGroupAttribute`.
#[derive(FromArg)]
pub(crate) struct Modify {
    security_group_id: String,
    #[arg(max_len = 60)]
    group_name: Option<String>,
    #[arg(max_len = 100)]
    group_description: Option<String>,
}

/// Changes what is said of a group.
pub(crate) async fn modify(cx: &Cx<'_>, asked: Modify) -> Result<(), Fault> {
    let (name, description) = (asked.group_name, asked.group_description);
    let command = ModifySecurityGroup { group: id::read(&asked.security_group_id)?, name, description };
    Ok(cx.cloud.run(&cx.caller, command, cx.options()).await?)
}

/// `DescribeSecurityGroupAssociationStatistics`.
#[derive(FromArg)]
pub(crate) struct DescribeStatistics {
    #[arg(max_items = LIMIT_MAX)]
    security_group_ids: Vec<String>,
}

#[derive(Show)]
#[reply(list = "")]
pub(crate) struct Statistics {
    security_group_association_statistics_set: Vec<Association>,
}

/// How many of each kind are in a group. There are no databases, and load balancers not yet.
#[derive(Show)]
#[reply(list = "")]
struct Association {
    security_group_id: String,
    #[reply(name = "CVM")]
    cvm: usize,
    #[reply(name = "CDB")]
    cdb: usize,
    #[reply(name = "ENI")]
    eni: usize,
    #[reply(name = "SG")]
    sg: usize,
    #[reply(name = "CLB")]
    clb: usize,
    instance_statistics: Vec<InstanceStatistic>,
    total_count: usize,
}

#[derive(Show)]
struct InstanceStatistic {
    instance_type: &'static str,
    instance_count: usize,
}

/// Tells how many things use each of some groups.
pub(crate) async fn statistics(cx: &Cx<'_>, asked: DescribeStatistics) -> Result<Statistics, Fault> {
    if asked.security_group_ids.is_empty() {
        return Err(Fault::missing("SecurityGroupIds"));
    }
    let of = |found: GroupUse| {
        let kinds = [("CVM", found.instances), ("ENI", found.interfaces)];
        let kinds = kinds.into_iter().filter(|(_, count)| *count > 0);
        Association {
            security_group_id: id::shown(found.group),
            cvm: found.instances,
            cdb: 0,
            eni: found.interfaces,
            sg: found.references,
            clb: 0,
            instance_statistics: kinds.map(|(instance_type, instance_count)| InstanceStatistic { instance_type, instance_count }).collect(),
            total_count: found.instances + found.interfaces,
        }
    };
    let found = cx.cloud.group_uses(&cx.caller, id::read_all(&asked.security_group_ids)?).await?;
    Ok(Statistics { security_group_association_statistics_set: found.into_iter().map(of).collect() })
}

/// `DeleteSecurityGroup`.
#[derive(FromArg)]
pub(crate) struct DeleteSecurityGroup {
    security_group_id: String,
}

/// Deletes a group that nothing uses.
pub(crate) async fn delete(cx: &Cx<'_>, asked: DeleteSecurityGroup) -> Result<(), Fault> {
    let group = id::read(&asked.security_group_id)?;
    Ok(cx.cloud.run(&cx.caller, Delete { group }, cx.options()).await?)
}
