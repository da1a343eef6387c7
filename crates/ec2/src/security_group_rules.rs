//! Adding and taking rules of security groups.
//!
//! One `IpPermissions` entry names a protocol and many peers; each peer becomes a rule of its own, as EC2 itself lists them.

use std::net::{Ipv4Addr, Ipv6Addr};

use control::{AuthorizeSecurityGroup, NewRule, RevokeSecurityGroup, WhichRules};
use ipnet::{Ipv4Net, Ipv6Net};
use model::{Direction, Error, Noun, PRIORITY_FIRST, Peer, Protocol, Rule, RuleId, SecurityGroupId, Verdict};
use wire::{FromArg, Show};

use crate::Cx;
use crate::error::Refusal;
use crate::security_group::{self, RuleItem, rule_item};
use crate::tag::{self, TagSpecification};

/// Parameters that EC2's actions on what goes out have and do not serve: "Not supported. Use IP permissions instead."
pub(crate) const EGRESS_ABSENT: &[&str] = &["SourceSecurityGroupName", "SourceSecurityGroupOwnerId"];

/// The parameters of the action that lets packets in.
#[derive(FromArg)]
pub(crate) struct AuthorizeIngress {
    #[arg(flatten)]
    authorize: Authorize,
    #[arg(flatten)]
    source: Source,
}

/// The parameters of the action that lets them in no more.
#[derive(FromArg)]
pub(crate) struct RevokeIngress {
    #[arg(flatten)]
    change: Change,
    #[arg(flatten)]
    source: Source,
}

/// A group of the default VPC whose members send whatever they like.
#[derive(FromArg)]
struct Source {
    source_security_group_name: Option<String>,
    source_security_group_owner_id: Option<String>,
}

/// The parameters of the actions that add rules.
#[derive(FromArg)]
pub(crate) struct Authorize {
    #[arg(flatten)]
    change: Change,
    #[arg(name = "TagSpecification")]
    tags: Vec<TagSpecification>,
}

/// The parameters of the actions that take rules, and what those that add some have in common with them.
#[derive(FromArg)]
pub(crate) struct Change {
    group_id: Option<String>,
    group_name: Option<String>,
    ip_permissions: Vec<AskedPermission>,
    #[arg(name = "SecurityGroupRuleId")]
    rule_ids: Vec<String>,
    ip_protocol: Option<String>,
    from_port: Option<i32>,
    to_port: Option<i32>,
    cidr_ip: Option<String>,
}

#[derive(FromArg)]
pub(crate) struct AskedPermission {
    ip_protocol: String,
    from_port: Option<i32>,
    to_port: Option<i32>,
    #[arg(max_items = 200)]
    ip_ranges: Vec<AskedRange>,
    #[arg(max_items = 200)]
    groups: Vec<AskedGroup>,
    #[arg(max_items = 200)]
    ipv6_ranges: Vec<AskedRange6>,
    #[arg(max_items = 200)]
    prefix_list_ids: Vec<AskedList>,
}

#[derive(FromArg)]
struct AskedList {
    prefix_list_id: String,
    #[arg(max_len = 255)]
    description: Option<String>,
}

#[derive(FromArg)]
struct AskedRange {
    cidr_ip: String,
    #[arg(max_len = 255)]
    description: Option<String>,
}

#[derive(FromArg)]
struct AskedRange6 {
    cidr_ipv6: String,
    #[arg(max_len = 255)]
    description: Option<String>,
}

#[derive(FromArg)]
struct AskedGroup {
    group_id: Option<String>,
    group_name: Option<String>,
    #[arg(max_len = 255)]
    description: Option<String>,
    #[expect(dead_code, reason = "another account's group looks like one that does not exist")]
    user_id: Option<String>,
}

/// The reply of the actions that add rules.
#[derive(Show)]
#[reply(rename = "camelCase")]
pub(crate) struct Added {
    r#return: bool,
    security_group_rule_set: Vec<RuleItem>,
}

/// The reply of the actions that take rules.
#[derive(Show)]
#[reply(rename = "camelCase")]
pub(crate) struct Taken {
    r#return: bool,
    revoked_security_group_rule_set: Vec<TakenItem>,
}

/// A rule that was taken.
#[derive(Show)]
#[reply(rename = "camelCase")]
struct TakenItem {
    security_group_rule_id: String,
    group_id: String,
    is_egress: bool,
    ip_protocol: String,
    from_port: i32,
    to_port: i32,
    cidr_ipv4: Option<String>,
    cidr_ipv6: Option<String>,
    prefix_list_id: Option<String>,
    referenced_group_id: Option<String>,
    #[reply(skip_empty)]
    description: String,
}

/// Lets packets in.
pub(crate) async fn authorize_ingress(cx: Cx, asked: AuthorizeIngress) -> Result<Added, Refusal> {
    let AuthorizeIngress { mut authorize, source } = asked;
    authorize.change.source(&cx, source).await?;
    self::authorize(cx, authorize, Direction::Ingress).await
}

/// Lets packets out.
pub(crate) async fn authorize_egress(cx: Cx, asked: Authorize) -> Result<Added, Refusal> {
    authorize(cx, asked, Direction::Egress).await
}

/// Takes rules that let packets in.
pub(crate) async fn revoke_ingress(cx: Cx, asked: RevokeIngress) -> Result<Taken, Refusal> {
    let RevokeIngress { mut change, source } = asked;
    change.source(&cx, source).await?;
    revoke(cx, change, Direction::Ingress).await
}

/// Takes rules that let packets out.
pub(crate) async fn revoke_egress(cx: Cx, asked: Change) -> Result<Taken, Refusal> {
    revoke(cx, asked, Direction::Egress).await
}

async fn authorize(cx: Cx, asked: Authorize, direction: Direction) -> Result<Added, Refusal> {
    let Authorize { change: mut asked, tags } = asked;
    let tags = tag::specified(&tags, security_group::RULE, &[security_group::RULE])?;
    let group = security_group::one(&cx, asked.group_id.as_deref(), asked.group_name.as_deref()).await?;
    if !asked.rule_ids.is_empty() {
        return Err(Error::invalid("SecurityGroupRuleId", "rules that exist cannot be added").into());
    }
    name_groups(&cx, &mut asked.ip_permissions).await?;
    let rules = asked.rules(direction)?;
    if rules.is_empty() {
        return Err(Error::MissingParameter { name: "IpPermissions" }.into());
    }
    let account = cx.caller.account();
    let added = cx.cloud.run(&cx.caller, AuthorizeSecurityGroup { group, rules, tags }, cx.options(None)).await?;
    let owners = cx.cloud.owners_of_peers(added.iter().map(|rule| rule.peer)).await?;
    let item = |rule: &Rule| rule_item(&cx, group, account, rule, &owners);
    Ok(Added { r#return: true, security_group_rule_set: added.iter().map(item).collect() })
}

async fn revoke(cx: Cx, mut asked: Change, direction: Direction) -> Result<Taken, Refusal> {
    let group = security_group::one(&cx, asked.group_id.as_deref(), asked.group_name.as_deref()).await?;
    name_groups(&cx, &mut asked.ip_permissions).await?;
    let which = if asked.rule_ids.is_empty() {
        WhichRules::Like(asked.rules(direction)?)
    } else {
        WhichRules::Ids(tag::ids::<RuleId>(Noun::SecurityGroupRule, &asked.rule_ids)?)
    };
    let taken = cx.cloud.run(&cx.caller, RevokeSecurityGroup { group, which }, cx.options(None)).await?;
    Ok(Taken { r#return: true, revoked_security_group_rule_set: taken.iter().map(|rule| taken_item(group, rule)).collect() })
}

fn taken_item(group: SecurityGroupId, rule: &Rule) -> TakenItem {
    let (ip_protocol, ports) = security_group::words(rule.protocol);
    let (from_port, to_port) = ports.unwrap_or((-1, -1));
    let peer = rule.peer.to_string();
    let (cidr_ipv4, cidr_ipv6, prefix_list_id, referenced_group_id) = match rule.peer {
        Peer::Range { .. } => (Some(peer), None, None, None),
        Peer::Range6 { .. } => (None, Some(peer), None, None),
        Peer::List { .. } => (None, None, Some(peer), None),
        Peer::Group { .. } => (None, None, None, Some(peer)),
    };
    TakenItem {
        security_group_rule_id: rule.id.to_string(),
        group_id: group.to_string(),
        is_egress: rule.direction == Direction::Egress,
        ip_protocol,
        from_port,
        to_port,
        cidr_ipv4,
        cidr_ipv6,
        prefix_list_id,
        referenced_group_id,
        description: rule.description.clone(),
    }
}

/// Finds the groups that permissions give by the names which they have in the default VPC.
pub(crate) async fn name_groups(cx: &Cx, permissions: &mut [AskedPermission]) -> Result<(), Refusal> {
    for group in permissions.iter_mut().flat_map(|permission| &mut permission.groups) {
        if group.group_id.is_none() {
            group.group_id = Some(security_group::one(cx, None, group.group_name.as_deref()).await?.to_string());
        }
    }
    Ok(())
}

impl Change {
    /// Takes a group that is named beside the permissions for what it stands for: "rules that grant full ICMP, UDP, and TCP access".
    async fn source(&mut self, cx: &Cx, source: Source) -> Result<(), Refusal> {
        let Source { source_security_group_name: name, source_security_group_owner_id: owner } = source;
        let Some(name) = name else {
            return match owner {
                Some(_) => Err(Error::MissingParameter { name: "SourceSecurityGroupName" }.into()),
                None => Ok(()),
            };
        };
        if self.ip_protocol.is_some() || self.from_port.is_some() || self.to_port.is_some() || self.cidr_ip.is_some() {
            let reason = "SourceSecurityGroupName excludes IpProtocol, FromPort, ToPort and CidrIp".to_owned();
            return Err(Error::InvalidCombination { reason }.into());
        }
        if owner.is_some_and(|owner| owner != cx.caller.account().to_string()) {
            return Err(Error::not_found(Noun::SecurityGroup, name).into());
        }
        let group_id = Some(security_group::one(cx, None, Some(&name)).await?.to_string());
        self.ip_permissions.extend(["tcp", "udp", "icmp"].map(|protocol| {
            let (from_port, to_port) = if protocol == "icmp" { (-1, -1) } else { (0, i32::from(u16::MAX)) };
            AskedPermission {
                ip_protocol: protocol.to_owned(),
                from_port: Some(from_port),
                to_port: Some(to_port),
                ip_ranges: vec![],
                groups: vec![AskedGroup { group_id: group_id.clone(), group_name: None, description: None, user_id: None }],
                ipv6_ranges: vec![],
                prefix_list_ids: vec![],
            }
        }));
        Ok(())
    }

    fn rules(&self, direction: Direction) -> Result<Vec<NewRule>, Refusal> {
        let mut rules = rules_of(&self.ip_permissions, direction)?;
        if let Some(name) = &self.ip_protocol {
            let cidr = self.cidr_ip.as_deref().ok_or(Error::MissingParameter { name: "CidrIp" })?;
            let protocol = protocol(name, self.from_port, self.to_port)?;
            rules.push(new_rule(direction, protocol, Peer::Range { range: range(cidr)? }, None));
        }
        Ok(rules)
    }
}

/// The rules that permissions name.
pub(crate) fn rules_of(permissions: &[AskedPermission], direction: Direction) -> Result<Vec<NewRule>, Refusal> {
    let mut rules = Vec::new();
    for permission in permissions {
        permission.rules(direction, &mut rules)?;
    }
    Ok(rules)
}

impl AskedPermission {
    fn rules(&self, direction: Direction, out: &mut Vec<NewRule>) -> Result<(), Refusal> {
        let protocol = protocol(&self.ip_protocol, self.from_port, self.to_port)?;
        for asked in &self.ip_ranges {
            out.push(new_rule(direction, protocol, Peer::Range { range: range(&asked.cidr_ip)? }, asked.description.clone()));
        }
        for asked in &self.ipv6_ranges {
            out.push(new_rule(direction, protocol, Peer::Range6 { range: range6(&asked.cidr_ipv6)? }, asked.description.clone()));
        }
        for asked in &self.groups {
            let id = asked.group_id.as_deref().ok_or(Error::MissingParameter { name: "GroupId" })?;
            let group = tag::id(Noun::SecurityGroup, id)?;
            out.push(new_rule(direction, protocol, Peer::Group { group }, asked.description.clone()));
        }
        for asked in &self.prefix_list_ids {
            let list = tag::id(Noun::PrefixList, &asked.prefix_list_id)?;
            out.push(new_rule(direction, protocol, Peer::List { list }, asked.description.clone()));
        }
        Ok(())
    }
}

/// A rule as EC2 has them: one that accepts, before or after which there is none.
pub(crate) fn new_rule(direction: Direction, protocol: Protocol, peer: Peer, description: Option<String>) -> NewRule {
    let description = description.unwrap_or_default();
    NewRule { direction, verdict: Verdict::Accept, priority: PRIORITY_FIRST, protocol, peer, description }
}

/// Reads a range or an address of IPv4.
pub(crate) fn range(text: &str) -> Result<Ipv4Net, Refusal> {
    let range = text.parse::<Ipv4Net>().or_else(|error| text.parse::<Ipv4Addr>().map(Ipv4Net::from).map_err(|_| error));
    Ok(range.map_err(|_| Error::invalid("CidrIp", format!("{text} is not an IPv4 range")))?)
}

/// Reads a range or an address of IPv6.
pub(crate) fn range6(text: &str) -> Result<Ipv6Net, Refusal> {
    let range = text.parse::<Ipv6Net>().or_else(|error| text.parse::<Ipv6Addr>().map(Ipv6Net::from).map_err(|_| error));
    Ok(range.map_err(|_| Error::invalid("CidrIpv6", format!("{text} is not an IPv6 range")))?)
}

/// The protocol with its ports; EC2 writes ICMP's type and code where the ports go, -1 for any.
pub(crate) fn protocol(name: &str, from: Option<i32>, to: Option<i32>) -> Result<Protocol, Refusal> {
    let port = |value: Option<i32>, parameter| {
        let value = value.ok_or(Error::MissingParameter { name: parameter })?;
        u16::try_from(value).map_err(|_| Error::invalid(parameter, "must be 0 to 65535"))
    };
    let ports = || -> Result<(u16, u16), Error> {
        if (from, to) == (Some(-1), Some(-1)) {
            return Ok((0, u16::MAX));
        }
        Ok((port(from, "FromPort")?, port(to, "ToPort")?))
    };
    let part = |value: Option<i32>| match value {
        None | Some(-1) => Ok(None),
        Some(value) => u8::try_from(value).map(Some).map_err(|_| Error::invalid("FromPort", "must be an ICMP type or code, or -1")),
    };
    let protocol = match name.to_ascii_lowercase().as_str() {
        "-1" | "all" => Protocol::All,
        "tcp" | "6" => ports().map(|(from, to)| Protocol::Tcp { from, to })?,
        "udp" | "17" => ports().map(|(from, to)| Protocol::Udp { from, to })?,
        "icmp" | "1" => Protocol::Icmp { kind: part(from)?, code: part(to)? },
        "icmpv6" | "58" => Protocol::Icmp6 { kind: part(from)?, code: part(to)? },
        number => {
            let number = number.parse::<u8>().map_err(|_| Error::invalid("IpProtocol", format!("{name} is no protocol")))?;
            Protocol::Number { number }
        }
    };
    Ok(protocol.check()?)
}
