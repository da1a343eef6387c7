//! Policies of security groups, which are rules in a line: the first that fits a packet decides.
//!
//! The control plane's rules have a priority each and drop before they accept within one; [`crate::security_group_rules`] puts
//! one into the other.

use control::{AuthorizeSecurityGroup, ReplaceSecurityGroupRules, RevokeSecurityGroup, WhichRules};
use model::{Direction, Peer, Protocol, Rule, RuleId, SecurityGroup, Verdict};
use wire::{FromArg, Show};

use crate::error::Fault;
use crate::filter::{FILTERS_MAX, FilterArg};
use crate::security_group::one;
use crate::security_group_rules::{PolicyArg, alone, in_line, in_place_of, placed, version};
use crate::{Cx, id};

/// Most policies in one call (VPC documents 100).
const POLICIES_PER_CALL: usize = 100;

/// The version that a call names which takes all policies.
const NO_POLICIES: &str = "0";

/// Parameters that VPC has and this cloud has not.
pub(crate) const ABSENT: &[&str] = &[
    "SecurityGroupPolicySet.Egress.AddressTemplate",
    "SecurityGroupPolicySet.Egress.Priority",
    "SecurityGroupPolicySet.Egress.ServiceTemplate",
    "SecurityGroupPolicySet.Ingress.AddressTemplate",
    "SecurityGroupPolicySet.Ingress.Priority",
    "SecurityGroupPolicySet.Ingress.ServiceTemplate",
    "SecurityGroupPolicySet.PolicyStatistics",
];

/// `DescribeSecurityGroupPolicies`.
#[derive(FromArg)]
pub(crate) struct DescribePolicies {
    security_group_id: String,
    #[arg(max_items = FILTERS_MAX)]
    filters: Vec<FilterArg>,
}

#[derive(Show)]
pub(crate) struct Policies {
    security_group_policy_set: PolicySet,
}

#[derive(Show)]
#[reply(list = "")]
struct PolicySet {
    version: String,
    egress: Vec<PolicyReply>,
    ingress: Vec<PolicyReply>,
    policy_statistics: Statistics,
}

#[derive(Show)]
struct Statistics {
    #[reply(name = "IngressIPv4TotalCount")]
    ingress_ipv4: usize,
    #[reply(name = "IngressIPv6TotalCount")]
    ingress_ipv6: usize,
    #[reply(name = "EgressIPv4TotalCount")]
    egress_ipv4: usize,
    #[reply(name = "EgressIPv6TotalCount")]
    egress_ipv6: usize,
}

/// A policy; texts that do not apply to it are empty.
#[derive(Show)]
struct PolicyReply {
    policy_index: usize,
    protocol: String,
    port: String,
    cidr_block: String,
    ipv6_cidr_block: String,
    security_group_id: String,
    service_template: ServiceTemplate,
    address_template: AddressTemplate,
    action: &'static str,
    policy_description: String,
    modify_time: &'static str,
}

#[derive(Show, Default)]
struct ServiceTemplate {
    service_id: &'static str,
    service_group_id: &'static str,
}

#[derive(Show, Default)]
struct AddressTemplate {
    address_id: &'static str,
    address_group_id: &'static str,
}

/// Tells the policies of a group in the order in which they are looked at.
pub(crate) async fn describe(cx: &Cx<'_>, asked: DescribePolicies) -> Result<Policies, Fault> {
    let group = one(cx, &asked.security_group_id).await?;
    let of = |direction| in_line(&group, direction).into_iter().enumerate().map(|(at, rule)| reply(at, rule)).collect::<Vec<_>>();
    let (mut egress, mut ingress) = (of(Direction::Egress), of(Direction::Ingress));
    let of_ipv6 = |policies: &[PolicyReply]| policies.iter().filter(|policy| !policy.ipv6_cidr_block.is_empty()).count();
    let (ingress_ipv6, egress_ipv6) = (of_ipv6(&ingress), of_ipv6(&egress));
    let (ingress_ipv4, egress_ipv4) = (ingress.len() - ingress_ipv6, egress.len() - egress_ipv6);
    let policy_statistics = Statistics { ingress_ipv4, ingress_ipv6, egress_ipv4, egress_ipv6 };
    for filter in &asked.filters {
        let wanted = Wanted::of(&filter.name)?;
        egress.retain(|policy| filter.values.iter().any(|value| policy.is(wanted, value, Direction::Egress)));
        ingress.retain(|policy| filter.values.iter().any(|value| policy.is(wanted, value, Direction::Ingress)));
    }
    Ok(Policies { security_group_policy_set: PolicySet { version: version(&group), egress, ingress, policy_statistics } })
}

/// What policies are looked for by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Group,
    Ip,
    /// A template of addresses or of services, which no policy has here.
    Template,
    Protocol,
    Port,
    Verdict,
    Direction,
    Description,
}

impl Wanted {
    fn of(filter: &str) -> Result<Wanted, Fault> {
        Ok(match filter {
            "security-group-id" => Wanted::Group,
            "ip" => Wanted::Ip,
            "address-module" | "service-module" => Wanted::Template,
            "protocol-type" => Wanted::Protocol,
            "port" => Wanted::Port,
            "poly" => Wanted::Verdict,
            "direction" => Wanted::Direction,
            "description" => Wanted::Description,
            _ => return Err(Fault::unknown_filter(filter)),
        })
    }
}

/// The value of a filter that every policy has.
const EVERY: &str = "ALL";

impl PolicyReply {
    /// Whether a policy of a direction is what one value of a filter looks for. Addresses, ports and descriptions are looked for in part.
    fn is(&self, wanted: Wanted, value: &str, direction: Direction) -> bool {
        let every = value.eq_ignore_ascii_case(EVERY);
        match wanted {
            Wanted::Group => self.security_group_id == value,
            Wanted::Ip => self.cidr_block.contains(value) || self.ipv6_cidr_block.contains(value),
            Wanted::Template => false,
            Wanted::Protocol => self.protocol.eq_ignore_ascii_case(value),
            Wanted::Port => every || self.port.contains(value),
            Wanted::Verdict => every || self.action.eq_ignore_ascii_case(value),
            Wanted::Direction => every || value.eq_ignore_ascii_case(if direction == Direction::Ingress { "INBOUND" } else { "OUTBOUND" }),
            Wanted::Description => self.policy_description.contains(value),
        }
    }
}

fn reply(policy_index: usize, rule: &Rule) -> PolicyReply {
    let (protocol, port) = words(rule.protocol);
    let none = String::new;
    let (cidr_block, ipv6_cidr_block, security_group_id) = match rule.peer {
        Peer::Range { range } => (range.to_string(), none(), none()),
        Peer::Range6 { range } => (none(), range.to_string(), none()),
        Peer::Group { group } => (none(), none(), id::shown(group)),
        // Made through another cloud's dialect; an address template would be its word.
        Peer::List { .. } => (none(), none(), none()),
    };
    PolicyReply {
        policy_index,
        protocol,
        port,
        cidr_block,
        ipv6_cidr_block,
        security_group_id,
        service_template: ServiceTemplate::default(),
        address_template: AddressTemplate::default(),
        action: match rule.verdict {
            Verdict::Accept => "ACCEPT",
            Verdict::Drop => "DROP",
        },
        policy_description: rule.description.clone(),
        modify_time: "",
    }
}

/// VPC's name of a protocol, and its ports.
fn words(protocol: Protocol) -> (String, String) {
    let all = || "ALL".to_owned();
    let ports = |from: u16, to: u16| match (from, to) {
        (0, u16::MAX) => all(),
        (from, to) if from == to => from.to_string(),
        (from, to) => format!("{from}-{to}"),
    };
    match protocol {
        Protocol::All => (all(), all()),
        Protocol::Tcp { from, to } => ("TCP".to_owned(), ports(from, to)),
        Protocol::Udp { from, to } => ("UDP".to_owned(), ports(from, to)),
        Protocol::Icmp { .. } => ("ICMP".to_owned(), all()),
        Protocol::Icmp6 { .. } => ("ICMPv6".to_owned(), all()),
        Protocol::Number { number: 47 } => ("GRE".to_owned(), all()),
        Protocol::Number { number } => (number.to_string(), all()),
    }
}

/// `CreateSecurityGroupPolicies` and `DeleteSecurityGroupPolicies`.
#[derive(FromArg)]
pub(crate) struct Change {
    security_group_id: String,
    security_group_policy_set: PolicySetArg,
}

#[derive(FromArg)]
struct PolicySetArg {
    version: Option<String>,
    #[arg(max_items = POLICIES_PER_CALL)]
    egress: Vec<PolicyArg>,
    #[arg(max_items = POLICIES_PER_CALL)]
    ingress: Vec<PolicyArg>,
}

impl PolicySetArg {
    /// The one direction of a call and its policies.
    fn one_way(self) -> Result<(Direction, Vec<PolicyArg>), Fault> {
        match (self.ingress.is_empty(), self.egress.is_empty()) {
            (false, true) => Ok((Direction::Ingress, self.ingress)),
            (true, false) => Ok((Direction::Egress, self.egress)),
            (true, true) => Err(Fault::missing("SecurityGroupPolicySet.Ingress")),
            (false, false) => Err(Fault::conflict("one call changes the policies of one direction")),
        }
    }

    /// Refuses a change that was made of what the policies were before.
    fn check_version(&self, group: &SecurityGroup) -> Result<(), Fault> {
        match self.version.as_deref().filter(|text| !text.is_empty()) {
            Some(asked) if asked != version(group) => {
                let message = format!("The policies have the version {} now.", version(group));
                Err(Fault::new("UnsupportedOperation.VersionMismatch", message))
            }
            Some(_) | None => Ok(()),
        }
    }
}

/// Adds policies before all others, or at the place that they name.
pub(crate) async fn create(cx: &Cx<'_>, asked: Change) -> Result<(), Fault> {
    let group = one(cx, &asked.security_group_id).await?;
    asked.security_group_policy_set.check_version(&group)?;
    let (direction, policies) = asked.security_group_policy_set.one_way()?;
    let rules = placed(&group, direction, &policies)?;
    cx.cloud.run(&cx.caller, AuthorizeSecurityGroup { group: group.id, rules, tags: model::Tags::new() }, cx.options()).await?;
    Ok(())
}

/// `ReplaceSecurityGroupPolicy`.
#[derive(FromArg)]
pub(crate) struct Replace {
    security_group_id: String,
    security_group_policy_set: PolicySetArg,
    #[expect(dead_code, reason = "VPC too only writes it down")]
    original_security_group_policy_set: Option<PolicySetArg>,
}

/// Puts a policy in the place of the one that stands there.
pub(crate) async fn replace(cx: &Cx<'_>, asked: Replace) -> Result<(), Fault> {
    let group = one(cx, &asked.security_group_id).await?;
    asked.security_group_policy_set.check_version(&group)?;
    let (direction, policies) = asked.security_group_policy_set.one_way()?;
    if policies.len() > 1 {
        return Err(Fault::conflict("one call replaces one policy"));
    }
    let (taken, added) = in_place_of(&group, direction, &policies)?;
    let command = ReplaceSecurityGroupRules { group: group.id, taken: vec![taken.id], added };
    Ok(cx.cloud.run(&cx.caller, command, cx.options()).await?)
}

/// `ModifySecurityGroupPolicies`.
#[derive(FromArg)]
pub(crate) struct Reset {
    security_group_id: String,
    security_group_policy_set: PolicySetArg,
    /// Whether policies that are there already come to the order of the call; they do in either case.
    #[expect(dead_code, reason = "the order of a call is kept in either case")]
    sort_policys: Option<bool>,
}

/// Puts policies in the place of all others, for both ways.
pub(crate) async fn reset(cx: &Cx<'_>, asked: Reset) -> Result<(), Fault> {
    let (group, set) = (one(cx, &asked.security_group_id).await?, asked.security_group_policy_set);
    let mut added = vec![];
    if set.version.as_deref() != Some(NO_POLICIES) {
        set.check_version(&group)?;
        if set.ingress.is_empty() && set.egress.is_empty() {
            return Err(Fault::missing("SecurityGroupPolicySet.Ingress"));
        }
        added = alone(Direction::Ingress, &set.ingress)?;
        added.extend(alone(Direction::Egress, &set.egress)?);
    }
    let taken = group.rules.iter().filter(|rule| !rule.is_implied()).map(|rule| rule.id).collect();
    Ok(cx.cloud.run(&cx.caller, ReplaceSecurityGroupRules { group: group.id, taken, added }, cx.options()).await?)
}

/// Takes policies, by their places or by what they say.
pub(crate) async fn delete(cx: &Cx<'_>, asked: Change) -> Result<(), Fault> {
    let group = one(cx, &asked.security_group_id).await?;
    asked.security_group_policy_set.check_version(&group)?;
    let (direction, policies) = asked.security_group_policy_set.one_way()?;
    let line = in_line(&group, direction);
    let mut taken: Vec<RuleId> = vec![];
    for policy in &policies {
        for rule in policy.meant(&line, direction)? {
            if !taken.contains(&rule) {
                taken.push(rule);
            }
        }
    }
    cx.cloud.run(&cx.caller, RevokeSecurityGroup { group: group.id, which: WhichRules::Ids(taken) }, cx.options()).await?;
    Ok(())
}
