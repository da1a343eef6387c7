//! Security groups, and their rules in lists.
//!
//! EC2's rules only accept. Rules that drop, which other dialects can make, have no form here and are left out.

use control::{Field, Filter, GroupOwners, NewRule, Query};
use ipnet::Ipv4Net;
use model::{AccountId, Direction, Error, Noun, Peer, Protocol, Rule, RuleId, SecurityGroup, SecurityGroupId, Verdict};
use wire::{FromArg, Show};

use crate::Cx;
use crate::error::Refusal;
use crate::filter::{self, AskedFilter};
use crate::page::{Paging, USUAL, every_row};
use crate::tag::{self, TagItem, TagSpecification};

/// What EC2 calls a rule as a kind of thing that carries tags.
pub(crate) const RULE: &str = "security-group-rule";

/// The parameters of `DescribeSecurityGroups`.
#[derive(FromArg)]
pub(crate) struct DescribeSecurityGroups {
    #[arg(name = "GroupId")]
    ids: Vec<String>,
    #[arg(name = "GroupName", max_items = 200)]
    names: Vec<String>,
    #[arg(name = "Filter")]
    filters: Vec<AskedFilter>,
    #[arg(flatten)]
    paging: Paging,
}

/// The reply of `DescribeSecurityGroups`.
#[derive(Show)]
#[reply(rename = "camelCase")]
pub(crate) struct Groups {
    security_group_info: Vec<GroupItem>,
    next_token: Option<String>,
}

#[derive(Show)]
#[reply(rename = "camelCase")]
struct GroupItem {
    owner_id: String,
    group_id: String,
    group_name: String,
    group_description: String,
    vpc_id: String,
    ip_permissions: Vec<Permission>,
    ip_permissions_egress: Vec<Permission>,
    #[reply(skip_empty)]
    tag_set: Vec<TagItem>,
    security_group_arn: String,
}

/// The rules of one direction with the same protocol and ports.
#[derive(Show)]
#[reply(rename = "camelCase")]
struct Permission {
    ip_protocol: String,
    from_port: Option<i32>,
    to_port: Option<i32>,
    groups: Vec<GroupPeer>,
    ip_ranges: Vec<RangePeer>,
    ipv6_ranges: Vec<Range6Peer>,
    prefix_list_ids: Vec<ListPeer>,
}

#[derive(Show)]
#[reply(rename = "camelCase")]
struct GroupPeer {
    user_id: String,
    group_id: String,
    #[reply(skip_empty)]
    description: String,
}

#[derive(Show)]
#[reply(rename = "camelCase")]
struct ListPeer {
    prefix_list_id: String,
    #[reply(skip_empty)]
    description: String,
}

#[derive(Show)]
#[reply(rename = "camelCase")]
struct RangePeer {
    cidr_ip: String,
    #[reply(skip_empty)]
    description: String,
}

#[derive(Show)]
#[reply(rename = "camelCase")]
struct Range6Peer {
    cidr_ipv6: String,
    #[reply(skip_empty)]
    description: String,
}

/// Lists security groups.
pub(crate) async fn describe_groups(cx: Cx, asked: DescribeSecurityGroups) -> Result<Groups, Refusal> {
    let pages = asked.paging.pages(&cx, USUAL, &asked.filters)?;
    let (by_peers, of_rows): (Vec<_>, Vec<_>) = asked.filters.into_iter().partition(|filter| peers_direction(&filter.name).is_some());
    let mut filters = filter::filters(&cx, filter::SECURITY_GROUP, &of_rows)?;
    if !asked.names.is_empty() {
        check_names(&cx, &asked.names).await?;
        filters.push(named(&asked.names));
    }
    let query = Query { ids: tag::ids(Noun::SecurityGroup, &asked.ids)?, filters, page: pages.of_ids()? };
    let mut listed = cx.cloud.list::<SecurityGroup>(&cx.caller, query).await?;
    retain_with_peers(&cx, &mut listed.rows, &by_peers).await?;
    let owners = cx.cloud.owners_of_peers(peers(&listed.rows)).await?;
    let groups = listed.rows.iter().map(|group| group_item(&cx, group, &owners)).collect();
    Ok(Groups { security_group_info: groups, next_token: pages.after(listed.next) })
}

/// Of which direction a filter by the name of a rule's other end is; none for another filter.
fn peers_direction(filter: &str) -> Option<Direction> {
    match filter {
        "ip-permission.group-name" => Some(Direction::Ingress),
        "egress.ip-permission.group-name" => Some(Direction::Egress),
        _ => None,
    }
}

/// Keeps the groups of which a rule names another one of the account by one of these names.
async fn retain_with_peers(cx: &Cx, groups: &mut Vec<SecurityGroup>, filters: &[AskedFilter]) -> Result<(), Refusal> {
    for AskedFilter { name, values } in filters {
        let by_name = Filter { field: Field::GroupName, values: values.clone() };
        let peers = every_row::<SecurityGroup>(cx, Query { filters: vec![by_name], ..Query::default() }).await?;
        let meant = |rule: &Rule| peers.iter().any(|peer| rule.peer == Peer::Group { group: peer.id });
        let direction = peers_direction(name);
        groups.retain(|group| group.rules.iter().any(|rule| is_shown(rule) && Some(rule.direction) == direction && meant(rule)));
    }
    Ok(())
}

fn named(names: &[String]) -> Filter {
    Filter { field: Field::GroupName, values: names.iter().map(|name| filter::literal(name)).collect() }
}

async fn check_names(cx: &Cx, names: &[String]) -> Result<(), Refusal> {
    let found = every_row::<SecurityGroup>(cx, Query { filters: vec![named(names)], ..Query::default() }).await?;
    match names.iter().find(|name| !found.iter().any(|group| group.name == **name)) {
        Some(absent) => Err(Error::not_found(Noun::SecurityGroup, absent).into()),
        None => Ok(()),
    }
}

fn group_item(cx: &Cx, group: &SecurityGroup, owners: &GroupOwners) -> GroupItem {
    GroupItem {
        owner_id: group.account.to_string(),
        group_id: group.id.to_string(),
        group_name: group.name.clone(),
        group_description: group.description.clone(),
        vpc_id: group.vpc.to_string(),
        ip_permissions: permissions(group, Direction::Ingress, owners),
        ip_permissions_egress: permissions(group, Direction::Egress, owners),
        tag_set: tag::items(&group.tags),
        security_group_arn: arn(cx, group),
    }
}

fn arn(cx: &Cx, group: &SecurityGroup) -> String {
    format!("arn:aws:ec2:{}:{}:security-group/{}", cx.cloud.region().name, group.account, group.id)
}

fn permissions(group: &SecurityGroup, direction: Direction, owners: &GroupOwners) -> Vec<Permission> {
    let mut protocols: Vec<Protocol> = Vec::new();
    let mut permissions: Vec<Permission> = Vec::new();
    for rule in group.rules.iter().filter(|rule| rule.direction == direction && is_shown(rule)) {
        let at = protocols.iter().position(|known| *known == rule.protocol).unwrap_or_else(|| {
            protocols.push(rule.protocol);
            permissions.push(permission(rule.protocol));
            permissions.len() - 1
        });
        let description = rule.description.clone();
        match rule.peer {
            Peer::Range { range } => permissions[at].ip_ranges.push(RangePeer { cidr_ip: range.to_string(), description }),
            Peer::Range6 { range } => permissions[at].ipv6_ranges.push(Range6Peer { cidr_ipv6: range.to_string(), description }),
            Peer::List { list } => permissions[at].prefix_list_ids.push(ListPeer { prefix_list_id: list.to_string(), description }),
            Peer::Group { group: peer } => {
                let user_id = owner_of(owners, peer, group.account);
                permissions[at].groups.push(GroupPeer { user_id, group_id: peer.to_string(), description });
            }
        }
    }
    permissions
}

/// The owner of a group that a rule names: that of the rule, when the group is gone.
fn owner_of(owners: &GroupOwners, peer: SecurityGroupId, account: AccountId) -> String {
    owners.get(&peer).unwrap_or(&account).to_string()
}

fn peers(groups: &[SecurityGroup]) -> impl Iterator<Item = Peer> {
    groups.iter().flat_map(|group| &group.rules).map(|rule| rule.peer)
}

fn is_shown(rule: &Rule) -> bool {
    rule.verdict == Verdict::Accept
}

fn permission(protocol: Protocol) -> Permission {
    let (ip_protocol, ports) = words(protocol);
    let (from_port, to_port) = ports.unzip();
    Permission { ip_protocol, from_port, to_port, groups: vec![], ip_ranges: vec![], ipv6_ranges: vec![], prefix_list_ids: vec![] }
}

/// EC2's name of a protocol, and its ports, or ICMP's type and code, where -1 stands for any.
pub(crate) fn words(protocol: Protocol) -> (String, Option<(i32, i32)>) {
    let any = |part: Option<u8>| part.map_or(-1, i32::from);
    match protocol {
        Protocol::All => ("-1".to_owned(), None),
        Protocol::Tcp { from, to } => ("tcp".to_owned(), Some((i32::from(from), i32::from(to)))),
        Protocol::Udp { from, to } => ("udp".to_owned(), Some((i32::from(from), i32::from(to)))),
        Protocol::Icmp { kind, code } => ("icmp".to_owned(), Some((any(kind), any(code)))),
        Protocol::Icmp6 { kind, code } => ("icmpv6".to_owned(), Some((any(kind), any(code)))),
        Protocol::Number { number } => (number.to_string(), None),
    }
}

/// The parameters of `DescribeSecurityGroupRules`.
#[derive(FromArg)]
pub(crate) struct DescribeSecurityGroupRules {
    #[arg(name = "SecurityGroupRuleId")]
    ids: Vec<String>,
    #[arg(name = "Filter")]
    filters: Vec<AskedFilter>,
    #[arg(flatten)]
    paging: Paging,
}

/// The reply of `DescribeSecurityGroupRules`.
#[derive(Show)]
#[reply(rename = "camelCase")]
pub(crate) struct Rules {
    security_group_rule_set: Vec<RuleItem>,
    next_token: Option<String>,
}

/// A rule by itself.
#[derive(Show)]
#[reply(rename = "camelCase")]
pub(crate) struct RuleItem {
    security_group_rule_id: String,
    group_id: String,
    group_owner_id: String,
    is_egress: bool,
    ip_protocol: String,
    from_port: i32,
    to_port: i32,
    cidr_ipv4: Option<String>,
    cidr_ipv6: Option<String>,
    prefix_list_id: Option<String>,
    referenced_group_info: Option<ReferencedGroup>,
    #[reply(skip_empty)]
    description: String,
    #[reply(skip_empty)]
    tag_set: Vec<TagItem>,
    security_group_rule_arn: String,
}

#[derive(Show)]
#[reply(rename = "camelCase")]
struct ReferencedGroup {
    group_id: String,
    user_id: String,
}

/// Lists the rules of the account's groups, each by itself.
pub(crate) async fn describe_rules(cx: Cx, asked: DescribeSecurityGroupRules) -> Result<Rules, Refusal> {
    asked.paging.not_with_ids(&asked.ids)?;
    let pages = asked.paging.pages(&cx, USUAL, &asked.filters)?;
    let ids: Vec<RuleId> = tag::ids(Noun::SecurityGroupRule, &asked.ids)?;
    let (of_groups, of_rules): (Vec<_>, Vec<_>) = asked.filters.into_iter().partition(|filter| filter.name == "group-id");
    let filters = filter::filters(&cx, filter::SECURITY_GROUP, &of_groups)?;
    let groups = every_row::<SecurityGroup>(&cx, Query { filters, ..Query::default() }).await?;
    let shown = groups.iter().flat_map(|group| group.rules.iter().filter(|rule| is_shown(rule)).map(move |rule| (group, rule)));
    let mut rules: Vec<(&SecurityGroup, &Rule)> = shown.filter(|(_, rule)| ids.is_empty() || ids.contains(&rule.id)).collect();
    if let Some(absent) = ids.iter().find(|id| !rules.iter().any(|(_, rule)| rule.id == **id)) {
        return Err(Error::not_found(Noun::SecurityGroupRule, absent).into());
    }
    let of_rules = filter::retain_tagged(&mut rules, of_rules, |(_, rule)| &rule.tags);
    let value = |(_, rule): &(&SecurityGroup, &Rule), _: &str| Some(vec![rule.id.to_string()]);
    filter::retain(&mut rules, &of_rules, value, &["security-group-rule-id"])?;
    let (rules, next_token) = pages.cut(rules, |(_, rule)| rule.id.to_string());
    let owners = cx.cloud.owners_of_peers(peers(&groups)).await?;
    let item = |(group, rule): (&SecurityGroup, &Rule)| rule_item(&cx, group.id, group.account, rule, &owners);
    Ok(Rules { security_group_rule_set: rules.into_iter().map(item).collect(), next_token })
}

/// A rule of this group and owner.
pub(crate) fn rule_item(cx: &Cx, group: SecurityGroupId, owner: AccountId, rule: &Rule, owners: &GroupOwners) -> RuleItem {
    let (ip_protocol, ports) = words(rule.protocol);
    let (from_port, to_port) = ports.unwrap_or((-1, -1));
    let (cidr_ipv4, cidr_ipv6, prefix_list_id, referenced_group_info) = match rule.peer {
        Peer::Range { range } => (Some(range.to_string()), None, None, None),
        Peer::Range6 { range } => (None, Some(range.to_string()), None, None),
        Peer::List { list } => (None, None, Some(list.to_string()), None),
        Peer::Group { group: peer } => {
            let user_id = owner_of(owners, peer, owner);
            (None, None, None, Some(ReferencedGroup { group_id: peer.to_string(), user_id }))
        }
    };
    RuleItem {
        security_group_rule_id: rule.id.to_string(),
        group_id: group.to_string(),
        group_owner_id: owner.to_string(),
        is_egress: rule.direction == Direction::Egress,
        ip_protocol,
        from_port,
        to_port,
        cidr_ipv4,
        cidr_ipv6,
        prefix_list_id,
        referenced_group_info,
        description: rule.description.clone(),
        tag_set: tag::items(&rule.tags),
        security_group_rule_arn: format!("arn:aws:ec2:{}:{owner}:{RULE}/{}", cx.cloud.region().name, rule.id),
    }
}

/// The parameters of `CreateSecurityGroup`.
#[derive(FromArg)]
pub(crate) struct CreateSecurityGroup {
    group_name: String,
    #[arg(max_len = 255)]
    group_description: String,
    vpc_id: Option<String>,
    #[arg(name = "TagSpecification")]
    tags: Vec<TagSpecification>,
}

/// The reply of `CreateSecurityGroup`.
#[derive(Show)]
#[reply(rename = "camelCase")]
pub(crate) struct Created {
    group_id: String,
    #[reply(skip_empty)]
    tag_set: Vec<TagItem>,
    security_group_arn: String,
}

/// Makes a group whose members may go out everywhere, as EC2's may.
pub(crate) async fn create(cx: Cx, asked: CreateSecurityGroup) -> Result<Created, Refusal> {
    let command = control::CreateSecurityGroup {
        regional: false,
        vpc: tag::optional_id(Noun::Vpc, asked.vpc_id.as_deref())?,
        name: asked.group_name,
        description: asked.group_description,
        rules: vec![NewRule::accepting_all(Direction::Egress, Peer::Range { range: Ipv4Net::default() })],
        nature: control::GroupNature::Plain,
        tags: tag::specified(&asked.tags, "security-group", &["security-group"])?,
    };
    let group = cx.cloud.run(&cx.caller, command, cx.options(None)).await?;
    Ok(Created { group_id: group.id.to_string(), tag_set: tag::items(&group.tags), security_group_arn: arn(&cx, &group) })
}

/// The parameters of `DeleteSecurityGroup`.
#[derive(FromArg)]
pub(crate) struct DeleteSecurityGroup {
    group_id: Option<String>,
    group_name: Option<String>,
}

/// The reply of `DeleteSecurityGroup`.
#[derive(Show)]
#[reply(rename = "camelCase")]
pub(crate) struct Deleted {
    r#return: bool,
    group_id: String,
}

/// Deletes a group that nothing uses.
pub(crate) async fn delete(cx: Cx, asked: DeleteSecurityGroup) -> Result<Deleted, Refusal> {
    let group = one(&cx, asked.group_id.as_deref(), asked.group_name.as_deref()).await?;
    cx.cloud.run(&cx.caller, control::DeleteSecurityGroup { group }, cx.options(None)).await?;
    Ok(Deleted { r#return: true, group_id: group.to_string() })
}

/// The group of an id, or of a name in the default VPC.
pub(crate) async fn one(cx: &Cx, id: Option<&str>, name: Option<&str>) -> Result<SecurityGroupId, Refusal> {
    match (id, name) {
        (Some(id), _) => Ok(tag::id(Noun::SecurityGroup, id)?),
        (None, Some(name)) => {
            let vpc = every_row::<model::Vpc>(cx, Query::default()).await?.into_iter().find(|vpc| vpc.is_default);
            let groups = every_row::<SecurityGroup>(cx, Query { filters: vec![named(&[name.to_owned()])], ..Query::default() }).await?;
            let found = groups.iter().find(|group| vpc.as_ref().is_some_and(|vpc| vpc.id == group.vpc));
            Ok(found.ok_or_else(|| Error::not_found(Noun::SecurityGroup, name))?.id)
        }
        (None, None) => Err(Error::MissingParameter { name: "GroupId" }.into()),
    }
}
