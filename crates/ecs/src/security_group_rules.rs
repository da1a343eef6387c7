//! Adding, changing and taking rules of security groups, in the new form (`Permissions.N.…`) and in the old one (one rule, flat).
//!
//! As in ECS, adding a rule that is there and taking one that is not are no errors.

use std::net::{Ipv4Addr, Ipv6Addr};

use control::{AuthorizeSecurityGroup, ModifySecurityGroupRules, NewRule, RevokeSecurityGroup, WhichRules};
use ipnet::{Ipv4Net, Ipv6Net};
use model::{Direction, Error, Noun, PRIORITY_FIRST, PRIORITY_LAST, Peer, Protocol, Rule, SecurityGroup, Verdict};
use wire::FromArg;

use crate::Cx;
use crate::error::Fault;
use crate::filter::id;
use crate::security_group::one;

/// Most rules in one call (ECS documents 100).
const RULES_PER_CALL: usize = 100;

/// `AuthorizeSecurityGroup`, `RevokeSecurityGroup`, and the same for the way out.
#[derive(FromArg)]
pub(crate) struct Change {
    security_group_id: String,
    #[arg(name = "SecurityGroupRuleId", max_items = RULES_PER_CALL)]
    rule_ids: Vec<String>,
    #[arg(max_items = RULES_PER_CALL)]
    permissions: Vec<Permission>,
    #[arg(flatten)]
    flat: Permission,
}

#[derive(FromArg)]
struct Permission {
    ip_protocol: Option<String>,
    port_range: Option<String>,
    source_port_range: Option<String>,
    source_cidr_ip: Option<String>,
    ipv6_source_cidr_ip: Option<String>,
    source_group_id: Option<String>,
    source_prefix_list_id: Option<String>,
    dest_cidr_ip: Option<String>,
    ipv6_dest_cidr_ip: Option<String>,
    dest_group_id: Option<String>,
    dest_prefix_list_id: Option<String>,
    policy: Option<String>,
    priority: Option<u16>,
    nic_type: Option<String>,
    #[arg(max_len = 512)]
    description: Option<String>,
}

/// Lets packets in, or forbids it.
pub(crate) async fn authorize_ingress(cx: &Cx<'_>, asked: Change) -> Result<(), Fault> {
    authorize(cx, asked, Direction::Ingress).await
}

/// Lets packets out, or forbids it.
pub(crate) async fn authorize_egress(cx: &Cx<'_>, asked: Change) -> Result<(), Fault> {
    authorize(cx, asked, Direction::Egress).await
}

/// Takes rules for the way in.
pub(crate) async fn revoke_ingress(cx: &Cx<'_>, asked: Change) -> Result<(), Fault> {
    revoke(cx, asked, Direction::Ingress).await
}

/// Takes rules for the way out.
pub(crate) async fn revoke_egress(cx: &Cx<'_>, asked: Change) -> Result<(), Fault> {
    revoke(cx, asked, Direction::Egress).await
}

async fn authorize(cx: &Cx<'_>, asked: Change, direction: Direction) -> Result<(), Fault> {
    let group = one(cx, &asked.security_group_id).await?;
    let mut rules = asked.rules(direction)?;
    if rules.is_empty() {
        return Err(Fault::missing("IpProtocol"));
    }
    rules.retain(|new| !group.rules.iter().any(|rule| new.is_like(rule)));
    let command = AuthorizeSecurityGroup { group: group.id, rules, tags: model::Tags::new() };
    match cx.cloud.run(&cx.caller, command, cx.options()?).await {
        // Somebody else added it since the look at the group.
        Ok(_) | Err(Error::Duplicate { .. }) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

async fn revoke(cx: &Cx<'_>, asked: Change, direction: Direction) -> Result<(), Fault> {
    let group = one(cx, &asked.security_group_id).await?;
    let which = if asked.rule_ids.is_empty() {
        let rules = asked.rules(direction)?;
        if rules.is_empty() {
            return Err(Fault::missing("IpProtocol"));
        }
        WhichRules::Like(there(&group, rules))
    } else {
        let ids = asked.rule_ids.iter().map(|text| id(Noun::SecurityGroupRule, text)).collect::<Result<_, _>>()?;
        WhichRules::Ids(ids)
    };
    match cx.cloud.run(&cx.caller, RevokeSecurityGroup { group: group.id, which }, cx.options()?).await {
        Ok(_) => Ok(()),
        // Somebody else took it since the look at the group.
        Err(Error::NotFound { noun: Noun::SecurityGroupRule, .. }) if asked.rule_ids.is_empty() => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Those of the rules that the group has.
fn there(group: &SecurityGroup, rules: Vec<NewRule>) -> Vec<NewRule> {
    rules.into_iter().filter(|new| group.rules.iter().any(|rule| new.is_like(rule))).collect()
}

/// `ModifySecurityGroupRule` and `ModifySecurityGroupEgressRule`.
#[derive(FromArg)]
pub(crate) struct Modify {
    security_group_id: String,
    security_group_rule_id: Option<String>,
    #[arg(flatten)]
    said: Permission,
}

/// Changes a rule for the way in.
pub(crate) async fn modify_ingress(cx: &Cx<'_>, asked: Modify) -> Result<(), Fault> {
    modify(cx, asked, Direction::Ingress).await
}

/// Changes a rule for the way out.
pub(crate) async fn modify_egress(cx: &Cx<'_>, asked: Modify) -> Result<(), Fault> {
    modify(cx, asked, Direction::Egress).await
}

/// What is not said of a rule that is named by its id stays; one that is found by what it says gets another description.
async fn modify(cx: &Cx<'_>, asked: Modify, direction: Direction) -> Result<(), Fault> {
    let group = one(cx, &asked.security_group_id).await?;
    let mut here = group.rules.iter().filter(|rule| rule.direction == direction);
    let (known, new) = match asked.security_group_rule_id.as_deref().filter(|text| !text.is_empty()) {
        Some(text) => {
            let rule = id(Noun::SecurityGroupRule, text)?;
            let known = here.find(|known| known.id == rule).ok_or_else(|| Fault::not_found(Noun::SecurityGroupRule, text))?;
            (known, asked.said.changed(known)?)
        }
        None => {
            let new = asked.said.rule(direction)?;
            let known = here.find(|known| new.is_like(known));
            (known.ok_or_else(|| Fault::not_found(Noun::SecurityGroupRule, &new.peer.to_string()))?, new)
        }
    };
    let command = ModifySecurityGroupRules { group: group.id, changes: vec![(known.id, new)] };
    Ok(cx.cloud.run(&cx.caller, command, cx.options()?).await?)
}

impl Change {
    fn rules(&self, direction: Direction) -> Result<Vec<NewRule>, Fault> {
        let flat = self.flat.ip_protocol.is_some().then_some(&self.flat);
        self.permissions.iter().chain(flat).map(|permission| permission.rule(direction)).collect()
    }
}

impl Permission {
    fn rule(&self, direction: Direction) -> Result<NewRule, Fault> {
        self.check()?;
        let name = if direction == Direction::Ingress { "SourceCidrIp" } else { "DestCidrIp" };
        let peer = self.peer(direction)?.ok_or_else(|| Fault::missing(name))?;
        Ok(NewRule {
            direction,
            verdict: verdict(self.policy.as_deref())?,
            priority: self.priority()?.unwrap_or(PRIORITY_FIRST),
            protocol: protocol(self.ip_protocol.as_deref().unwrap_or_default(), self.port_range.as_deref())?,
            peer,
            description: self.description.clone().unwrap_or_default(),
        })
    }

    /// A rule with what is said in the place of what it has.
    fn changed(&self, known: &Rule) -> Result<NewRule, Fault> {
        self.check()?;
        let mut new = NewRule::from(known);
        if let Some(policy) = &self.policy {
            new.verdict = verdict(Some(policy))?;
        }
        new.priority = self.priority()?.unwrap_or(known.priority);
        new.protocol = match (self.ip_protocol.as_deref(), self.port_range.as_deref()) {
            (Some(name), ports) => protocol(name, ports)?,
            (None, Some(ports)) => with_ports(known.protocol, ports)?,
            (None, None) => known.protocol,
        };
        new.peer = self.peer(known.direction)?.unwrap_or(known.peer);
        if let Some(description) = &self.description {
            new.description.clone_from(description);
        }
        Ok(new)
    }

    /// Refuses what this cloud does not serve.
    fn check(&self) -> Result<(), Fault> {
        if self.source_port_range.as_deref().is_some_and(|range| !matches!(range, "" | "-1/-1")) {
            return Err(Fault::unsupported_parameter("The parameter SourcePortRange"));
        }
        // In a VPC both mean the same, and Packer's builder says `internet`.
        if self.nic_type.as_deref().is_some_and(|nic| !matches!(nic, "" | "intranet" | "internet")) {
            return Err(Fault::unsupported_parameter("The value of the parameter NicType (only intranet and internet)"));
        }
        Ok(())
    }

    fn priority(&self) -> Result<Option<u16>, Fault> {
        match self.priority {
            Some(priority) if !(PRIORITY_FIRST..=PRIORITY_LAST).contains(&priority) => {
                Err(Fault::invalid("Priority", format!("must be {PRIORITY_FIRST} to {PRIORITY_LAST}")))
            }
            said => Ok(said),
        }
    }

    /// The other end of a rule of this direction, where one is said.
    fn peer(&self, direction: Direction) -> Result<Option<Peer>, Fault> {
        let (range, range6, group, list) = match direction {
            Direction::Ingress => (&self.source_cidr_ip, &self.ipv6_source_cidr_ip, &self.source_group_id, &self.source_prefix_list_id),
            Direction::Egress => (&self.dest_cidr_ip, &self.ipv6_dest_cidr_ip, &self.dest_group_id, &self.dest_prefix_list_id),
        };
        let (name, name6) = match direction {
            Direction::Ingress => ("SourceCidrIp", "Ipv6SourceCidrIp"),
            Direction::Egress => ("DestCidrIp", "Ipv6DestCidrIp"),
        };
        let given = |text: &'_ Option<String>| text.clone().filter(|text| !text.is_empty());
        Ok(match (given(range), given(range6), given(group), given(list)) {
            (None, None, None, None) => None,
            (Some(range), None, None, None) => Some(Peer::Range { range: read_range(&range, name)? }),
            (None, Some(range), None, None) => Some(Peer::Range6 { range: read_range6(&range, name6)? }),
            (None, None, Some(group), None) => Some(Peer::Group { group: id(Noun::SecurityGroup, &group)? }),
            (None, None, None, Some(list)) => Some(Peer::List { list: id(Noun::PrefixList, &list)? }),
            _ => return Err(Fault::invalid(name, "a rule has a range, a group or a prefix list, and no two of them")),
        })
    }
}

/// What a rule says; accept when it says nothing.
pub(crate) fn verdict(policy: Option<&str>) -> Result<Verdict, Fault> {
    match policy.unwrap_or("accept").to_ascii_lowercase().as_str() {
        "accept" | "" => Ok(Verdict::Accept),
        "drop" => Ok(Verdict::Drop),
        _ => Err(Fault::invalid("Policy", "must be accept or drop")),
    }
}

/// Reads a range or an address.
pub(crate) fn read_range(text: &str, name: &str) -> Result<Ipv4Net, Fault> {
    let range = text.parse::<Ipv4Net>().or_else(|error| text.parse::<Ipv4Addr>().map(Ipv4Net::from).map_err(|_| error));
    range.map_err(|_| Fault::invalid(name, "it is no IPv4 range"))
}

/// Reads a range or an address of IPv6.
pub(crate) fn read_range6(text: &str, name: &str) -> Result<Ipv6Net, Fault> {
    let range = text.parse::<Ipv6Net>().or_else(|error| text.parse::<Ipv6Addr>().map(Ipv6Net::from).map_err(|_| error));
    range.map_err(|_| Fault::invalid(name, "it is no IPv6 range"))
}

/// A protocol as it is, with other ports where it has ports.
fn with_ports(known: Protocol, ports: &str) -> Result<Protocol, Fault> {
    match known {
        Protocol::Tcp { .. } => protocol("tcp", Some(ports)),
        Protocol::Udp { .. } => protocol("udp", Some(ports)),
        _ if ports == "-1/-1" => Ok(known),
        _ => Err(Fault::invalid("PortRange", "the protocol of the rule has no ports")),
    }
}

/// The protocol with its ports, written `22/22`; -1/-1 stands for all.
fn protocol(name: &str, ports: Option<&str>) -> Result<Protocol, Fault> {
    let range = || -> Result<(u16, u16), Fault> {
        let ports = ports.filter(|ports| !ports.is_empty()).ok_or_else(|| Fault::missing("PortRange"))?;
        if ports == "-1/-1" {
            return Ok((0, u16::MAX));
        }
        let pair = ports.split_once('/').and_then(|(from, to)| Some((from.parse().ok()?, to.parse().ok()?)));
        pair.ok_or_else(|| Fault::invalid("PortRange", "it is not written like 22/22"))
    };
    let protocol = match name.to_ascii_lowercase().as_str() {
        "" => return Err(Fault::missing("IpProtocol")),
        "all" => Protocol::All,
        "tcp" => range().map(|(from, to)| Protocol::Tcp { from, to })?,
        "udp" => range().map(|(from, to)| Protocol::Udp { from, to })?,
        "icmp" => Protocol::Icmp { kind: None, code: None },
        "icmpv6" => Protocol::Icmp6 { kind: None, code: None },
        "gre" => Protocol::Number { number: 47 },
        _ => return Err(Fault::invalid("IpProtocol", "must be TCP, UDP, ICMP, ICMPv6, GRE or ALL")),
    };
    Ok(protocol.check()?)
}
