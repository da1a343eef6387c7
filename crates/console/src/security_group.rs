//! Security groups as they are shown, with their rules.

use control::Field;
use model::{Direction, Peer, Protocol, Tags, Verdict};
use schemars::JsonSchema;
use serde::Serialize;

use crate::Cx;
use crate::error::Refusal;
use crate::page::{self, Page, Show};
use crate::query::{Parameter, TAGS};
use crate::routes::Nothing;
use crate::schema::{self, Time};

/// Filters of the list.
pub(crate) const FILTERS: &[Parameter] = &[
    Parameter::filter("id", Field::Id, "Only these."),
    Parameter::filter("name", Field::Name, "Only those with one of these names."),
    Parameter::filter("vpc", Field::Vpc, "Only those of one of these VPCs."),
    Parameter::filter("kind", Field::Kind, "Only those of one of these kinds."),
    TAGS,
];

/// A security group.
#[derive(Serialize, JsonSchema)]
pub(crate) struct SecurityGroup<'a> {
    #[schemars(with = "schema::SecurityGroupId")]
    id: model::SecurityGroupId,
    /// Name, unique in its VPC.
    name: &'a str,
    description: &'a str,
    #[schemars(with = "schema::VpcId")]
    vpc: model::VpcId,
    #[schemars(with = "schema::GroupKind")]
    kind: &'static str,
    rules: Vec<Rule<'a>>,
    created_at: Time,
    tags: &'a Tags,
}

/// A rule of a security group.
#[derive(Serialize, JsonSchema)]
struct Rule<'a> {
    #[schemars(with = "schema::RuleId")]
    id: model::RuleId,
    direction: RuleDirection,
    verdict: RuleVerdict,
    /// The rule with the lowest number decides; of two with one number the one that drops.
    priority: u16,
    #[serde(flatten)]
    protocol: RuleProtocol,
    peer: RulePeer,
    description: &'a str,
}

/// Direction, seen from the member.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum RuleDirection {
    Ingress,
    Egress,
}

/// What a rule does with a packet.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum RuleVerdict {
    Accept,
    Drop,
}

/// Protocols and ports.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "snake_case", tag = "protocol")]
enum RuleProtocol {
    All,
    Tcp {
        from_port: u16,
        to_port: u16,
    },
    Udp {
        from_port: u16,
        to_port: u16,
    },
    /// ICMP; what is absent is any.
    Icmp {
        #[serde(skip_serializing_if = "Option::is_none")]
        icmp_type: Option<u8>,
        #[serde(skip_serializing_if = "Option::is_none")]
        icmp_code: Option<u8>,
    },
    /// ICMP of IPv6; what is absent is any.
    Icmp6 {
        #[serde(skip_serializing_if = "Option::is_none")]
        icmp_type: Option<u8>,
        #[serde(skip_serializing_if = "Option::is_none")]
        icmp_code: Option<u8>,
    },
    /// Another protocol by its IANA number.
    Number {
        number: u8,
    },
}

/// The other end of a rule.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum RulePeer {
    /// Addresses in this range, of IPv4 or IPv6.
    Range(String),
    /// Members of this security group.
    SecurityGroup(#[schemars(with = "schema::SecurityGroupId")] model::SecurityGroupId),
    /// Addresses in the ranges of this prefix list.
    PrefixList(String),
}

impl Show for model::SecurityGroup {
    type As<'a> = SecurityGroup<'a>;

    fn show(&self) -> SecurityGroup<'_> {
        SecurityGroup {
            id: self.id,
            name: &self.name,
            description: &self.description,
            vpc: self.vpc,
            kind: self.kind.word(),
            rules: self.rules.iter().map(rule).collect(),
            created_at: Time(self.created_at),
            tags: &self.tags,
        }
    }
}

fn rule(rule: &model::Rule) -> Rule<'_> {
    Rule {
        id: rule.id,
        direction: match rule.direction {
            Direction::Ingress => RuleDirection::Ingress,
            Direction::Egress => RuleDirection::Egress,
        },
        verdict: match rule.verdict {
            Verdict::Accept => RuleVerdict::Accept,
            Verdict::Drop => RuleVerdict::Drop,
        },
        priority: rule.priority,
        protocol: match rule.protocol {
            Protocol::All => RuleProtocol::All,
            Protocol::Tcp { from, to } => RuleProtocol::Tcp { from_port: from, to_port: to },
            Protocol::Udp { from, to } => RuleProtocol::Udp { from_port: from, to_port: to },
            Protocol::Icmp { kind, code } => RuleProtocol::Icmp { icmp_type: kind, icmp_code: code },
            Protocol::Icmp6 { kind, code } => RuleProtocol::Icmp6 { icmp_type: kind, icmp_code: code },
            Protocol::Number { number } => RuleProtocol::Number { number },
        },
        peer: match rule.peer {
            Peer::Range { range } => RulePeer::Range(range.to_string()),
            Peer::Range6 { range } => RulePeer::Range(range.to_string()),
            Peer::Group { group } => RulePeer::SecurityGroup(group),
            Peer::List { list } => RulePeer::PrefixList(list.to_string()),
        },
        description: &rule.description,
    }
}

/// Lists security groups.
pub(crate) async fn list(cx: Cx, _: Nothing) -> Result<Page<model::SecurityGroup>, Refusal> {
    page::list(&cx).await
}
