//! Security groups: what may reach an interface and what it may reach. Stateful; what no rule accepts is dropped.

use std::fmt;
use std::str::FromStr;

use ipnet::{Ipv4Net, Ipv6Net};
use serde::{Deserialize, Serialize};

use crate::{AccountId, Error, Millis, PrefixListId, RuleId, SecurityGroupId, Tags, VpcId};

/// Name of the group that every VPC has.
pub const DEFAULT_GROUP: &str = "default";
/// Most rules in one group.
pub const RULES_MAX: usize = 1_000;
/// Priority of a rule that names none, and the first to be looked at.
pub const PRIORITY_FIRST: u16 = 1;
/// Last priority.
pub const PRIORITY_LAST: u16 = 100;
/// Priority of the rules by which members of a group meet whatever its owner's rules say.
pub const PRIORITY_INNER: u16 = PRIORITY_FIRST - 1;
/// Priority of the rule that lets out what no rule of the owner's is about.
pub const PRIORITY_DEFAULT: u16 = PRIORITY_LAST + 1;

/// A security group with its rules.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecurityGroup {
    /// Its id.
    pub id: SecurityGroupId,
    /// Owner.
    pub account: AccountId,
    /// Its VPC.
    pub vpc: VpcId,
    /// Whether interfaces in any VPC of the account may be in it, as in Tencent Cloud; its own VPC then only keeps its name.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub regional: bool,
    /// What its owner may do with it.
    #[serde(default, skip_serializing_if = "GroupKind::is_basic")]
    pub kind: GroupKind,
    /// Name, unique in the VPC.
    pub name: String,
    /// Description.
    pub description: String,
    /// Its rules.
    pub rules: Vec<Rule>,
    /// When it was made.
    pub created_at: Millis,
    /// Tags.
    pub tags: Tags,
}

/// What the owner of a group may do with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GroupKind {
    /// Its rules may name groups.
    #[default]
    Basic,
    /// Alibaba Cloud's: its members never meet by themselves, and neither do its rules name groups nor others' rules it. An interface is in
    /// groups of one kind.
    Enterprise,
}

impl GroupKind {
    /// Alibaba Cloud's word.
    pub const fn word(self) -> &'static str {
        match self {
            GroupKind::Basic => "normal",
            GroupKind::Enterprise => "enterprise",
        }
    }

    /// Whether it is the kind that all three clouds have.
    pub fn is_basic(&self) -> bool {
        *self == GroupKind::Basic
    }
}

/// Key of the tag by which a group's owner says what becomes of open connections; its values are the words of [`OpenConnections`].
pub const OPEN_CONNECTIONS_TAG: &str = "pileus/open-connections";

/// What becomes of a connection when the rule that let it in or out goes and no other does. What keeps more is greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OpenConnections {
    /// It ends at once.
    Drop,
    /// It goes on until it is over or silent for too long, but TCP and UDP that was open to everybody with everything passing the other way,
    /// which ends at once: EC2's ("Amazon EC2 security group connection tracking").
    Tracked,
    /// It goes on until it is over or silent for too long.
    Keep,
}

impl FromStr for OpenConnections {
    type Err = Error;

    fn from_str(word: &str) -> Result<OpenConnections, Error> {
        match word {
            "drop" => Ok(OpenConnections::Drop),
            "tracked" => Ok(OpenConnections::Tracked),
            "keep" => Ok(OpenConnections::Keep),
            _ => Err(Error::invalid("Tag.Value", format!("of {OPEN_CONNECTIONS_TAG} is drop, tracked or keep"))),
        }
    }
}

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// Its id.
    pub id: RuleId,
    /// Direction, seen from the member.
    pub direction: Direction,
    /// What it does with a packet.
    pub verdict: Verdict,
    /// [`PRIORITY_FIRST`] to [`PRIORITY_LAST`]; within one priority a drop wins. The one before and the one behind are of rules that a group
    /// has by itself ([`Rule::is_implied`]).
    pub priority: u16,
    /// Protocols and ports.
    pub protocol: Protocol,
    /// The other end.
    pub peer: Peer,
    /// Description.
    pub description: String,
    /// Tags of its own.
    #[serde(default, skip_serializing_if = "Tags::is_empty")]
    pub tags: Tags,
}

impl SecurityGroup {
    /// Whether interfaces in this VPC may be in it.
    pub fn is_of(&self, vpc: VpcId) -> bool {
        self.regional || self.vpc == vpc
    }

    /// What becomes of open connections when a rule of it goes: what its tag says, else what the cloud does through which it was made.
    /// Alibaba Cloud lets sessions be only where the rules about them stay as they are, and Tencent Cloud's new rules hold at once.
    pub fn open_connections(&self) -> OpenConnections {
        let of_ecs = !self.kind.is_basic() || self.rules.iter().any(Rule::is_implied);
        let usual = if self.regional || of_ecs { OpenConnections::Drop } else { OpenConnections::Tracked };
        self.tags.get(OPEN_CONNECTIONS_TAG).and_then(|word| word.parse().ok()).unwrap_or(usual)
    }

    /// Whether its members meet whatever its owner's rules say.
    pub fn members_meet(&self) -> bool {
        self.rules.iter().any(|rule| rule.priority == PRIORITY_INNER)
    }

    /// Has its members meet whatever its owner's rules say (ECS: "the Accept internal access control policy takes precedence").
    pub fn let_members_meet(&mut self, ids: [RuleId; 2]) {
        let among = |id, direction| Rule { priority: PRIORITY_INNER, ..rule(id, direction, Peer::Group { group: self.id }) };
        let rules = [among(ids[0], Direction::Ingress), among(ids[1], Direction::Egress)];
        self.rules.extend(rules);
    }

    /// Leaves it to its owner's rules whether members meet.
    pub fn part_members(&mut self) {
        self.rules.retain(|rule| rule.priority != PRIORITY_INNER);
    }

    /// Lets out what no rule of its owner's is about.
    pub fn let_out(&mut self, id: RuleId) {
        let everywhere = Peer::Range { range: Ipv4Net::default() };
        self.rules.push(Rule { priority: PRIORITY_DEFAULT, ..rule(id, Direction::Egress, everywhere) });
    }
}

impl Rule {
    /// Whether a group has it by itself, in the words of no dialect but EC2's, which shows what holds.
    pub fn is_implied(&self) -> bool {
        !(PRIORITY_FIRST..=PRIORITY_LAST).contains(&self.priority)
    }

    /// Whether both rules match the same packets in the same way, whatever their ids, descriptions and tags.
    pub fn same_effect(&self, other: &Rule) -> bool {
        (self.direction, self.verdict, self.priority, &self.protocol, &self.peer)
            == (other.direction, other.verdict, other.priority, &other.protocol, &other.peer)
    }
}

impl fmt::Display for Rule {
    /// In the words of an operator, such as `ingress tcp 22-22 from 0.0.0.0/0: accept`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (direction, preposition) = match self.direction {
            Direction::Ingress => ("ingress", "from"),
            Direction::Egress => ("egress", "to"),
        };
        let verdict = match self.verdict {
            Verdict::Accept => "accept",
            Verdict::Drop => "drop",
        };
        write!(f, "{direction} {} {preposition} {}: {verdict}", self.protocol, self.peer)
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = |part: &Option<u8>| part.map_or("any".to_owned(), |part| part.to_string());
        match self {
            Protocol::All => f.write_str("everything"),
            Protocol::Tcp { from, to } => write!(f, "tcp {from}-{to}"),
            Protocol::Udp { from, to } => write!(f, "udp {from}-{to}"),
            Protocol::Icmp { kind, code } => write!(f, "icmp type {} code {}", part(kind), part(code)),
            Protocol::Icmp6 { kind, code } => write!(f, "icmpv6 type {} code {}", part(kind), part(code)),
            Protocol::Number { number } => write!(f, "protocol {number}"),
        }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Peer::Range { range } => range.fmt(f),
            Peer::Range6 { range } => range.fmt(f),
            Peer::Group { group } => group.fmt(f),
            Peer::List { list } => list.fmt(f),
        }
    }
}

/// The direction of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Towards the member.
    Ingress,
    /// From the member.
    Egress,
}

/// What a rule does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Lets the connection pass.
    Accept,
    /// Discards the packet.
    Drop,
}

/// Protocols and ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "protocol")]
pub enum Protocol {
    /// Everything.
    All,
    /// TCP with destination ports `from..=to`.
    Tcp {
        /// First port.
        from: u16,
        /// Last port.
        to: u16,
    },
    /// UDP with destination ports `from..=to`.
    Udp {
        /// First port.
        from: u16,
        /// Last port.
        to: u16,
    },
    /// ICMP; none matches every type or code.
    Icmp {
        /// Type.
        kind: Option<u8>,
        /// Code.
        code: Option<u8>,
    },
    /// ICMP of IPv6; none matches every type or code.
    Icmp6 {
        /// Type.
        kind: Option<u8>,
        /// Code.
        code: Option<u8>,
    },
    /// Another protocol by its IANA number.
    Number {
        /// The number.
        number: u8,
    },
}

impl Protocol {
    /// TCP or UDP ports from one number to another; refused when they are in the wrong order.
    pub fn check(self) -> Result<Protocol, Error> {
        match self {
            Protocol::Tcp { from, to } | Protocol::Udp { from, to } if from > to => {
                Err(Error::invalid("PortRange", format!("{from} is greater than {to}")))
            }
            Protocol::Icmp { kind: None, code: Some(_) } | Protocol::Icmp6 { kind: None, code: Some(_) } => {
                Err(Error::invalid("IcmpType", "a code needs a type"))
            }
            Protocol::All
            | Protocol::Tcp { .. }
            | Protocol::Udp { .. }
            | Protocol::Icmp { .. }
            | Protocol::Icmp6 { .. }
            | Protocol::Number { .. } => Ok(self),
        }
    }
}

/// The other end of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "peer")]
pub enum Peer {
    /// Addresses in a range.
    Range {
        /// The range, without host bits.
        range: Ipv4Net,
    },
    /// IPv6 addresses in a range.
    Range6 {
        /// The range, without host bits.
        range: Ipv6Net,
    },
    /// Members of a group of the same VPC.
    Group {
        /// The group.
        group: SecurityGroupId,
    },
    /// Addresses in the ranges of a prefix list. Where packets are judged, its ranges stand in its place.
    List {
        /// The list.
        list: PrefixListId,
    },
}

/// Checks the name of a new group: 1 to 255 letters, digits, spaces and `._-:/()#,@[]+=&;{}!$*`, not beginning with `sg-`, and
/// not the default group's (EC2's rule for groups of VPCs; ECS's letters beyond ASCII are taken too).
pub fn check_group_name(name: &str) -> Result<(), Error> {
    let allowed = |c: char| c.is_alphanumeric() || " ._-:/()#,@[]+=&;{}!$*".contains(c);
    if name.is_empty() || name.chars().count() > 255 || !name.chars().all(allowed) || name.starts_with("sg-") {
        return Err(Error::invalid(
            "GroupName",
            "must be 1 to 255 letters, digits, spaces and ._-:/()#,@[]+=&;{}!$*, not beginning with sg-",
        ));
    }
    if name == DEFAULT_GROUP { Err(Error::invalid("GroupName", "the name of every VPC's first group")) } else { Ok(()) }
}

/// The rules of a VPC's default group, as EC2 documents them: members reach each other, and everything may go out.
pub fn default_rules(group: SecurityGroupId, ids: [RuleId; 2]) -> Vec<Rule> {
    let everywhere = Peer::Range { range: Ipv4Net::default() };
    vec![rule(ids[0], Direction::Ingress, Peer::Group { group }), rule(ids[1], Direction::Egress, everywhere)]
}

/// The rule of a new group, as EC2 documents it: everything may go out.
pub fn new_group_rules(id: RuleId) -> Vec<Rule> {
    vec![rule(id, Direction::Egress, Peer::Range { range: Ipv4Net::default() })]
}

fn rule(id: RuleId, direction: Direction, peer: Peer) -> Rule {
    let (verdict, priority, protocol) = (Verdict::Accept, PRIORITY_FIRST, Protocol::All);
    Rule { id, direction, verdict, priority, protocol, peer, description: String::new(), tags: Tags::new() }
}
