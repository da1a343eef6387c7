//! Adding and taking rules of security groups.
//!
//! One `IpPermissions` entry names a protocol and many peers; each peer becomes a rule of its own, as EC2 itself lists them.

use std::net::{Ipv4Addr, Ipv6Addr};

use control::{AuthorizeSecurityGroup, NewRule, RevokeSecurityGroup, WhichRules};
use ipnet::{Ipv4Net, Ipv6Net};
use model::{Direction, Error, Noun, PRIORITY_FIRST, Peer, Protocol, Rule, RuleId, SecurityGroupId, Verdict};
use wire::{FromArg, IntoDoc};

use crate::Cx;
use crate::error::Refusal;
use crate::security_group::{self, RuleItem, rule_item};
use crate::tag::{self, TagSpecification};

/// Parameters that EC2 has and this cloud does not serve.
pub(crate) const ABSENT: &[&str] = &["SourceSecurityGroupName", "SourceSecurityGroupOwnerId"];

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
    group_id: String,
    #[arg(max_len = 255)]
    description: Option<String>,
    #[expect(dead_code, reason = "another account's group looks like one that does not exist")]
    user_id: Option<String>,
}

/// The reply of the actions that add rules.
#[derive(IntoDoc)]
#[reply(rename = "camelCase")]
pub(crate) struct Added {
    r#return: bool,
    security_group_rule_set: Vec<RuleItem>,
}

/// The reply of the actions that take rules.
#[derive(IntoDoc)]
#[reply(rename = "camelCase")]
pub(crate) struct Taken {
    r#return: bool,
    revoked_security_group_rule_set: Vec<TakenItem>,
}

/// A rule that was taken.
#[derive(IntoDoc)]
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
pub(crate) async fn authorize_ingress(cx: Cx, asked: Authorize) -> Result<Added, Refusal> {
    authorize(cx, asked, Direction::Ingress).await
}

/// Lets packets out.
pub(crate) async fn authorize_egress(cx: Cx, asked: Authorize) -> Result<Added, Refusal> {
    authorize(cx, asked, Direction::Egress).await
}

/// Takes rules that let packets in.
pub(crate) async fn revoke_ingress(cx: Cx, asked: Change) -> Result<Taken, Refusal> {
    revoke(cx, asked, Direction::Ingress).await
}

/// Takes rules that let packets out.
pub(crate) async fn revoke_egress(cx: Cx, asked: Change) -> Result<Taken, Refusal> {
    revoke(cx, asked, Direction::Egress).await
}

async fn authorize(cx: Cx, asked: Authorize, direction: Direction) -> Result<Added, Refusal> {
    let Authorize { change: asked, tags } = asked;
    let tags = tag::specified(&tags, security_group::RULE, &[security_group::RULE])?;
    let group = security_group::one(&cx, asked.group_id.as_deref(), asked.group_name.as_deref()).await?;
    if !asked.rule_ids.is_empty() {
        return Err(Error::invalid("SecurityGroupRuleId", "rules that exist cannot be added").into());
    }
    let rules = asked.rules(direction)?;
    if rules.is_empty() {
        return Err(Error::MissingParameter { name: "IpPermissions" }.into());
    }
    let added = cx.cloud.run(&cx.caller, AuthorizeSecurityGroup { group, rules, tags }, cx.options(None)).await?;
    let item = |rule: &Rule| rule_item(&cx, group, cx.caller.account(), rule);
    Ok(Added { r#return: true, security_group_rule_set: added.iter().map(item).collect() })
}

async fn revoke(cx: Cx, asked: Change, direction: Direction) -> Result<Taken, Refusal> {
    let group = security_group::one(&cx, asked.group_id.as_deref(), asked.group_name.as_deref()).await?;
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

impl Change {
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
            let group = asked.group_id.parse().map_err(|error| Error::bad_id(Noun::SecurityGroup, &asked.group_id, error))?;
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
