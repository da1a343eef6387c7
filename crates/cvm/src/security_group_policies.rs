//! Policies of security groups, which are rules in a line: the first that fits a packet decides.
//!
//! The control plane's rules have a priority each and drop before they accept within one; [`crate::security_group_rules`] puts
//! one into the other.

use control::{AuthorizeSecurityGroup, RevokeSecurityGroup, WhichRules};
use model::{Direction, Peer, Protocol, Rule, RuleId, SecurityGroup, Verdict};
use wire::{FromArg, IntoDoc};

use crate::error::Fault;
use crate::security_group::one;
use crate::security_group_rules::{PolicyArg, in_line, placed, version};
use crate::{Cx, id};

/// Most policies in one call (VPC documents 100).
const POLICIES_PER_CALL: usize = 100;

/// Parameters that VPC has and this cloud has not.
pub(crate) const ABSENT: &[&str] = &[
    "SecurityGroupPolicySet.Egress.AddressTemplate",
    "SecurityGroupPolicySet.Egress.Ipv6CidrBlock",
    "SecurityGroupPolicySet.Egress.Priority",
    "SecurityGroupPolicySet.Egress.ServiceTemplate",
    "SecurityGroupPolicySet.Ingress.AddressTemplate",
    "SecurityGroupPolicySet.Ingress.Ipv6CidrBlock",
    "SecurityGroupPolicySet.Ingress.Priority",
    "SecurityGroupPolicySet.Ingress.ServiceTemplate",
    "SecurityGroupPolicySet.PolicyStatistics",
];

/// `DescribeSecurityGroupPolicies`.
#[derive(FromArg)]
pub(crate) struct DescribePolicies {
    security_group_id: String,
}

#[derive(IntoDoc)]
pub(crate) struct Policies {
    security_group_policy_set: PolicySet,
}

#[derive(IntoDoc)]
#[reply(list = "")]
struct PolicySet {
    version: String,
    egress: Vec<PolicyReply>,
    ingress: Vec<PolicyReply>,
    policy_statistics: Statistics,
}

#[derive(IntoDoc)]
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
#[derive(IntoDoc)]
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

#[derive(IntoDoc, Default)]
struct ServiceTemplate {
    service_id: &'static str,
    service_group_id: &'static str,
}

#[derive(IntoDoc, Default)]
struct AddressTemplate {
    address_id: &'static str,
    address_group_id: &'static str,
}

/// Tells the policies of a group in the order in which they are looked at.
pub(crate) async fn describe(cx: &Cx<'_>, asked: DescribePolicies) -> Result<Policies, Fault> {
    let group = one(cx, &asked.security_group_id).await?;
    let of = |direction| in_line(&group, direction).into_iter().enumerate().map(|(at, rule)| reply(at, rule)).collect::<Vec<_>>();
    let (egress, ingress) = (of(Direction::Egress), of(Direction::Ingress));
    let of_ipv6 = |policies: &[PolicyReply]| policies.iter().filter(|policy| !policy.ipv6_cidr_block.is_empty()).count();
    let (ingress_ipv6, egress_ipv6) = (of_ipv6(&ingress), of_ipv6(&egress));
    let (ingress_ipv4, egress_ipv4) = (ingress.len() - ingress_ipv6, egress.len() - egress_ipv6);
    let policy_statistics = Statistics { ingress_ipv4, ingress_ipv6, egress_ipv4, egress_ipv6 };
    Ok(Policies { security_group_policy_set: PolicySet { version: version(&group), egress, ingress, policy_statistics } })
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
    cx.cloud.run(&cx.caller, AuthorizeSecurityGroup { group: group.id, rules }, cx.options()).await?;
    Ok(())
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
