//! Security groups and their members.

use control::{
    CreateSecurityGroup as Create, DeleteSecurityGroup as Delete, Field, GroupNature, Membership, Query, SetInnerAccess, SetSecurityGroups,
};
use jiff::Timestamp;
use model::{Direction, Noun, Peer, Protocol, Rule, SecurityGroup, SecurityGroupId, Verdict};
use wire::{FromArg, JsonList, Show};

use crate::Cx;
use crate::error::Fault;
use crate::filter::{Filters, TAGS_PER_CALL, TagArg, id, optional_id, tags_of};
use crate::page::{PAGE_SIZE_MAX, Paged, Paging, cut};
use crate::tag::{TagReply, tag_replies};

/// Most groups that one call names (ECS documents 100).
const GROUPS_PER_CALL: usize = 100;

/// `CreateSecurityGroup`.
#[derive(FromArg)]
pub(crate) struct CreateSecurityGroup {
    security_group_name: Option<String>,
    description: Option<String>,
    vpc_id: Option<String>,
    security_group_type: Option<Type>,
    #[arg(name = "Tag", max_items = TAGS_PER_CALL)]
    tags: Vec<TagArg>,
}

/// Kinds of groups: members of a normal one meet and may go out everywhere, those of an enterprise one do what its rules say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromArg)]
#[arg(rename = "lowercase")]
enum Type {
    Normal,
    Enterprise,
}

#[derive(Show)]
pub(crate) struct Created {
    security_group_id: String,
}

/// Makes a group without rules of its owner's.
pub(crate) async fn create(cx: &Cx<'_>, asked: CreateSecurityGroup) -> Result<Created, Fault> {
    let command = Create {
        vpc: optional_id(Noun::Vpc, asked.vpc_id.as_ref())?,
        regional: false,
        // Groups need a name here; ECS's may have none.
        name: asked.security_group_name.filter(|name| !name.is_empty()).unwrap_or_else(|| format!("group-{}", cx.call.request_id)),
        description: asked.description.unwrap_or_default(),
        rules: vec![],
        nature: match asked.security_group_type {
            None | Some(Type::Normal) => GroupNature::Basic,
            Some(Type::Enterprise) => GroupNature::Enterprise,
        },
        tags: tags_of(asked.tags)?,
    };
    let group = cx.cloud.run(&cx.caller, command, cx.options()?).await?;
    Ok(Created { security_group_id: group.id.to_string() })
}

/// `DeleteSecurityGroup`.
#[derive(FromArg)]
pub(crate) struct DeleteSecurityGroup {
    security_group_id: String,
}

/// Deletes a group that nothing uses.
pub(crate) async fn delete(cx: &Cx<'_>, asked: DeleteSecurityGroup) -> Result<(), Fault> {
    let group = id(Noun::SecurityGroup, &asked.security_group_id)?;
    Ok(cx.cloud.run(&cx.caller, Delete { group }, cx.options()?).await?)
}

/// `JoinSecurityGroup` and `LeaveSecurityGroup`.
#[derive(FromArg)]
pub(crate) struct Member {
    security_group_id: String,
    instance_id: String,
}

/// Puts an instance into a group too.
pub(crate) async fn join(cx: &Cx<'_>, asked: Member) -> Result<(), Fault> {
    change(cx, &asked, Membership::Join).await
}

/// Takes an instance from a group.
pub(crate) async fn leave(cx: &Cx<'_>, asked: Member) -> Result<(), Fault> {
    change(cx, &asked, Membership::Leave).await
}

async fn change(cx: &Cx<'_>, asked: &Member, change: fn(SecurityGroupId) -> Membership) -> Result<(), Fault> {
    let group = id(Noun::SecurityGroup, &asked.security_group_id)?;
    let command = SetSecurityGroups { instance: id(Noun::Instance, &asked.instance_id)?, change: change(group) };
    Ok(cx.cloud.run(&cx.caller, command, cx.options()?).await?)
}

/// `DescribeSecurityGroups`.
#[derive(FromArg)]
pub(crate) struct DescribeSecurityGroups {
    #[arg(max_items = GROUPS_PER_CALL)]
    security_group_ids: Option<JsonList<String>>,
    security_group_id: Option<String>,
    security_group_name: Option<String>,
    vpc_id: Option<String>,
    network_type: Option<String>,
    security_group_type: Option<String>,
    resource_group_id: Option<String>,
    #[expect(dead_code, reason = "no group is full")]
    fuzzy_query: Option<bool>,
    #[expect(dead_code, reason = "no group is full")]
    is_query_ecs_count: Option<bool>,
    service_managed: Option<bool>,
    #[arg(name = "Tag", max_items = TAGS_PER_CALL)]
    tags: Vec<TagArg>,
    #[arg(flatten)]
    paged: Paged,
}

#[derive(Show)]
pub(crate) struct SecurityGroups {
    region_id: String,
    #[reply(list = "SecurityGroup")]
    security_groups: Vec<GroupReply>,
    #[reply(flatten)]
    paging: Paging,
}

#[derive(Show)]
struct GroupReply {
    security_group_id: String,
    security_group_name: String,
    description: String,
    vpc_id: String,
    security_group_type: &'static str,
    service_managed: bool,
    creation_time: Timestamp,
    resource_group_id: &'static str,
    rule_count: usize,
    #[reply(list = "Tag")]
    tags: Vec<TagReply>,
}

/// Lists security groups.
pub(crate) async fn describe(cx: &Cx<'_>, asked: DescribeSecurityGroups) -> Result<SecurityGroups, Fault> {
    let mut filters = Filters::new();
    filters
        .listed(Field::Id, asked.security_group_ids.as_deref())
        .exact(Field::Id, asked.security_group_id.as_ref())
        .wildcard(Field::GroupName, asked.security_group_name.as_ref())
        .exact(Field::Vpc, asked.vpc_id.as_ref())
        .always(asked.network_type.as_ref(), &["vpc"])
        .exact(Field::Kind, asked.security_group_type.as_ref())
        .always(asked.service_managed.map(|managed| managed.to_string()).as_ref(), &["false"])
        .always(asked.resource_group_id.as_ref(), &[])
        .tags(&asked.tags);
    let query = Query { ids: vec![], filters: filters.into_vec(), page: asked.paged.page(PAGE_SIZE_MAX)? };
    let listed = cx.cloud.list::<SecurityGroup>(&cx.caller, query).await?;
    let paging = asked.paged.paging(&listed);
    let reply = |group: SecurityGroup| GroupReply {
        security_group_id: group.id.to_string(),
        security_group_type: group.kind.word(),
        security_group_name: group.name,
        description: group.description,
        vpc_id: group.vpc.to_string(),
        service_managed: false,
        creation_time: group.created_at.timestamp(),
        resource_group_id: "",
        rule_count: group.rules.iter().filter(|rule| !rule.is_implied()).count(),
        tags: tag_replies(&group.tags),
    };
    Ok(SecurityGroups { region_id: cx.region(), security_groups: listed.rows.into_iter().map(reply).collect(), paging })
}

/// `DescribeSecurityGroupAttribute`.
#[derive(FromArg)]
pub(crate) struct DescribeSecurityGroupAttribute {
    security_group_id: String,
    direction: Option<Wanted>,
    #[expect(dead_code, reason = "in a VPC it is intranet, whatever is said, as the vendor has it")]
    nic_type: Option<NicType>,
    #[arg(range = 10..=1_000)]
    max_results: Option<usize>,
    next_token: Option<String>,
}

/// Networks of the time before VPCs.
#[derive(Clone, Copy, FromArg)]
#[arg(rename = "lowercase")]
enum NicType {
    Internet,
    Intranet,
}

/// Rules of a page when nothing is said (ECS documents 500).
const RULES: usize = 500;

/// Which rules are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromArg)]
#[arg(rename = "lowercase")]
enum Wanted {
    Ingress,
    Egress,
    All,
}

#[derive(Show)]
pub(crate) struct GroupAttribute {
    region_id: String,
    security_group_id: String,
    security_group_name: String,
    description: String,
    vpc_id: String,
    inner_access_policy: &'static str,
    #[reply(list = "Permission")]
    permissions: Vec<Permission>,
    next_token: String,
}

/// A rule; texts that do not apply to it are empty.
#[derive(Show, Default)]
struct Permission {
    security_group_rule_id: String,
    direction: &'static str,
    ip_protocol: String,
    port_range: String,
    source_port_range: &'static str,
    source_cidr_ip: String,
    source_group_id: String,
    source_group_owner_account: &'static str,
    source_prefix_list_id: String,
    ipv6_source_cidr_ip: String,
    dest_cidr_ip: String,
    dest_group_id: String,
    dest_group_owner_account: &'static str,
    dest_prefix_list_id: String,
    ipv6_dest_cidr_ip: String,
    policy: &'static str,
    priority: String,
    nic_type: &'static str,
    description: String,
}

/// Tells a group with its rules.
pub(crate) async fn attribute(cx: &Cx<'_>, asked: DescribeSecurityGroupAttribute) -> Result<GroupAttribute, Fault> {
    let group = one(cx, &asked.security_group_id).await?;
    let wanted = |rule: &&Rule| match asked.direction {
        None | Some(Wanted::All) => true,
        Some(Wanted::Ingress) => rule.direction == Direction::Ingress,
        Some(Wanted::Egress) => rule.direction == Direction::Egress,
    };
    let rules = group.rules.iter().filter(|rule| !rule.is_implied()).filter(wanted).collect();
    let (rules, next_token) = cut(rules, asked.next_token.as_deref(), asked.max_results.unwrap_or(RULES))?;
    Ok(GroupAttribute {
        region_id: cx.region(),
        security_group_id: group.id.to_string(),
        vpc_id: group.vpc.to_string(),
        inner_access_policy: if group.members_meet() { "Accept" } else { "Drop" },
        permissions: rules.into_iter().map(permission).collect(),
        next_token,
        security_group_name: group.name,
        description: group.description,
    })
}

/// `ModifySecurityGroupPolicy`.
#[derive(FromArg)]
pub(crate) struct ModifySecurityGroupPolicy {
    security_group_id: String,
    inner_access_policy: String,
}

/// Decides whether members of a basic group meet whatever its rules say.
pub(crate) async fn modify_policy(cx: &Cx<'_>, asked: ModifySecurityGroupPolicy) -> Result<(), Fault> {
    let policy = match asked.inner_access_policy.to_ascii_lowercase().as_str() {
        "accept" => Verdict::Accept,
        "drop" => Verdict::Drop,
        _ => return Err(Fault::invalid("InnerAccessPolicy", "must be Accept or Drop")),
    };
    let group = id(Noun::SecurityGroup, &asked.security_group_id)?;
    Ok(cx.cloud.run(&cx.caller, SetInnerAccess { group, policy }, cx.options()?).await?)
}

/// The group of an id.
pub(crate) async fn one(cx: &Cx<'_>, text: &str) -> Result<SecurityGroup, Fault> {
    let group = id(Noun::SecurityGroup, text)?;
    let mut listed = cx.cloud.list::<SecurityGroup>(&cx.caller, Query { ids: vec![group], ..Query::default() }).await?;
    listed.rows.pop().ok_or_else(|| Fault::not_found(Noun::SecurityGroup, text))
}

fn permission(rule: &Rule) -> Permission {
    let (ip_protocol, port_range) = words(rule.protocol);
    let range6 = match rule.peer {
        Peer::Range6 { range } => range.to_string(),
        Peer::Range { .. } | Peer::Group { .. } | Peer::List { .. } => String::new(),
    };
    let (range, group, list) = match rule.peer {
        Peer::Range { range } => (range.to_string(), String::new(), String::new()),
        // Apart, in a field of its own.
        Peer::Range6 { .. } => (String::new(), String::new(), String::new()),
        Peer::Group { group } => (String::new(), group.to_string(), String::new()),
        Peer::List { list } => (String::new(), String::new(), list.to_string()),
    };
    let common = Permission {
        security_group_rule_id: rule.id.to_string(),
        ip_protocol,
        port_range,
        policy: match rule.verdict {
            Verdict::Accept => "Accept",
            Verdict::Drop => "Drop",
        },
        priority: rule.priority.to_string(),
        nic_type: "intranet",
        description: rule.description.clone(),
        ..Permission::default()
    };
    match rule.direction {
        Direction::Ingress => {
            let ipv6_source_cidr_ip = range6;
            Permission {
                direction: "ingress",
                ipv6_source_cidr_ip,
                source_cidr_ip: range,
                source_group_id: group,
                source_prefix_list_id: list,
                ..common
            }
        }
        Direction::Egress => {
            let ipv6_dest_cidr_ip = range6;
            Permission {
                direction: "egress",
                ipv6_dest_cidr_ip,
                dest_cidr_ip: range,
                dest_group_id: group,
                dest_prefix_list_id: list,
                ..common
            }
        }
    }
}

/// ECS's name of a protocol, and its ports; -1/-1 stands for all.
fn words(protocol: Protocol) -> (String, String) {
    let all = || "-1/-1".to_owned();
    match protocol {
        Protocol::All => ("ALL".to_owned(), all()),
        Protocol::Tcp { from, to } => ("TCP".to_owned(), format!("{from}/{to}")),
        Protocol::Udp { from, to } => ("UDP".to_owned(), format!("{from}/{to}")),
        Protocol::Icmp { .. } => ("ICMP".to_owned(), all()),
        Protocol::Icmp6 { .. } => ("ICMPv6".to_owned(), all()),
        Protocol::Number { number: 47 } => ("GRE".to_owned(), all()),
        Protocol::Number { number } => (number.to_string(), all()),
    }
}

/// `ModifySecurityGroupAttribute`.
#[derive(FromArg)]
pub(crate) struct ModifySecurityGroupAttribute {
    security_group_id: String,
    security_group_name: Option<String>,
    description: Option<String>,
}

/// Changes what is said of a group.
pub(crate) async fn modify(cx: &Cx<'_>, asked: ModifySecurityGroupAttribute) -> Result<(), Fault> {
    let command = control::ModifySecurityGroup {
        group: id(Noun::SecurityGroup, &asked.security_group_id)?,
        name: asked.security_group_name,
        description: asked.description,
    };
    Ok(cx.cloud.run(&cx.caller, command, cx.options()?).await?)
}
