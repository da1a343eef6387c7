//! `pileus reach`: whether one thing reaches another, what decides, and how that would be under other rules.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use anyhow::{Context, Result, bail};
use clap::Args;
use control::{NewRule, Proposal, ProposedChange};
use ipnet::IpNet;
use model::reachability::Way;
use model::{Direction, IpVersion, PRIORITY_FIRST, PathEnd, Peer, Protocol, Question, SecurityGroupId, Transport, Verdict};
use serde_json::{Value, json};

use crate::arguments::State;
use crate::client::{ask, block_on};
use crate::state::StateFolder;
use crate::up::FIRST_ACCOUNT;

/// `pileus reach`.
#[derive(Debug, Clone, Args)]
pub struct Reach {
    #[command(flatten)]
    pub state: State,
    /// Who opens the connection: the id of an instance, an interface or an internet gateway.
    pub from: String,
    /// Whom to: the same, or an address.
    pub to: String,
    /// TCP, to this port, or to any that is reached.
    #[arg(long, value_name = "PORT", num_args = 0..=1, default_missing_value = "0")]
    pub tcp: Option<u16>,
    /// UDP, likewise.
    #[arg(long, value_name = "PORT", num_args = 0..=1, default_missing_value = "0", conflicts_with = "tcp")]
    pub udp: Option<u16>,
    /// By IPv6, which an address of IPv6 says too.
    #[arg(long)]
    pub ipv6: bool,
    /// Answer as if this rule were there: GROUP,ingress|egress,all|tcp:P|udp:P-Q|icmp|icmpv6,CIDR|GROUP[,drop][,PRIORITY].
    #[arg(long = "with", value_name = "RULE")]
    pub with: Vec<ProposedRule>,
    /// Answer as if this rule were not there.
    #[arg(long = "without", value_name = "RULE")]
    pub without: Vec<ProposedRule>,
    /// Name of the account that both belong to.
    #[arg(long, default_value = FIRST_ACCOUNT)]
    pub account: String,
}

/// A rule as the command line writes it.
#[derive(Debug, Clone)]
pub struct ProposedRule {
    group: SecurityGroupId,
    rule: NewRule,
}

impl FromStr for ProposedRule {
    type Err = BadRule;

    fn from_str(text: &str) -> Result<ProposedRule, BadRule> {
        let bad = |part: &'static str| BadRule { part, text: text.to_owned() };
        let mut parts = text.split(',');
        let group = parts.next().and_then(|part| part.parse().ok()).ok_or(bad("the group"))?;
        let direction = match parts.next() {
            Some("ingress") => Direction::Ingress,
            Some("egress") => Direction::Egress,
            _ => return Err(bad("the direction")),
        };
        let protocol = parts.next().and_then(protocol).ok_or(bad("the protocol"))?;
        let peer = parts.next().and_then(peer).ok_or(bad("the other end"))?;
        let mut rule = NewRule { protocol, ..NewRule::accepting_all(direction, peer) };
        for part in parts {
            match part {
                "accept" => rule.verdict = Verdict::Accept,
                "drop" => rule.verdict = Verdict::Drop,
                number => rule.priority = number.parse().ok().filter(|p| *p >= PRIORITY_FIRST).ok_or(bad("the priority"))?,
            }
        }
        Ok(ProposedRule { group, rule })
    }
}

/// A text that is no rule.
#[derive(Debug, Clone)]
pub struct BadRule {
    part: &'static str,
    text: String,
}

impl fmt::Display for BadRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of '{}' cannot be read", self.part, self.text)
    }
}

impl std::error::Error for BadRule {}

fn protocol(text: &str) -> Option<Protocol> {
    let (name, ports) = text.split_once(':').map_or((text, None), |(name, ports)| (name, Some(ports)));
    let (from, to) = match ports {
        None => (0, u16::MAX),
        Some(ports) => {
            let (from, to) = ports.split_once('-').unwrap_or((ports, ports));
            (from.parse().ok()?, to.parse().ok()?)
        }
    };
    match name {
        "all" if ports.is_none() => Some(Protocol::All),
        "icmp" if ports.is_none() => Some(Protocol::Icmp { kind: None, code: None }),
        "icmpv6" if ports.is_none() => Some(Protocol::Icmp6 { kind: None, code: None }),
        "tcp" => Protocol::Tcp { from, to }.check().ok(),
        "udp" => Protocol::Udp { from, to }.check().ok(),
        _ => None,
    }
}

fn peer(text: &str) -> Option<Peer> {
    if let Ok(group) = text.parse() {
        return Some(Peer::Group { group });
    }
    Some(match text.parse().ok()? {
        IpNet::V4(range) => Peer::Range { range: range.trunc() },
        IpNet::V6(range) => Peer::Range6 { range: range.trunc() },
    })
}

impl Reach {
    fn question(&self) -> Result<Question> {
        let (protocol, port) = match (self.tcp, self.udp) {
            (_, Some(port)) => (Transport::Udp, port),
            (port, None) => (Transport::Tcp, port.unwrap_or(0)),
        };
        let to_ip = self.to.parse::<IpAddr>().ok();
        let is_v6 = self.ipv6 || to_ip.is_some_and(|ip| ip.is_ipv6());
        let version = if is_v6 { IpVersion::V6 } else { IpVersion::V4 };
        let to = if to_ip.is_some() { None } else { Some(end(&self.to)?) };
        Ok(Question { version, from: end(&self.from)?, to, from_ip: None, to_ip, protocol, port: (port > 0).then_some(port) })
    }

    fn proposals(&self) -> Vec<Proposal> {
        let as_change = |change| move |ProposedRule { group, rule }: ProposedRule| Proposal { group, rule, change };
        let added = self.with.iter().cloned().map(as_change(ProposedChange::Add));
        // What is taken away is gone before anything comes.
        self.without.iter().cloned().map(as_change(ProposedChange::Remove)).chain(added).collect()
    }
}

fn end(text: &str) -> Result<PathEnd> {
    let instance = text.parse().map(PathEnd::Instance).ok();
    let interface = || text.parse().map(PathEnd::Interface).ok();
    let gateway = || text.parse().map(PathEnd::Gateway).ok();
    let end = instance.or_else(interface).or_else(gateway);
    end.with_context(|| format!("'{text}' is no id of an instance, an interface or an internet gateway"))
}

/// What the operator's socket was asked.
pub fn asked(arguments: &Value) -> Result<(Question, Vec<Proposal>)> {
    let part = |name: &str| arguments.get(name).cloned().with_context(|| format!("{name} is missing"));
    Ok((serde_json::from_value(part("question")?)?, serde_json::from_value(part("proposals")?)?))
}

/// `pileus reach`: prints the way, and fails when there is none.
pub fn command(reach: &Reach) -> Result<()> {
    let folder = StateFolder::at(&reach.state.folder)?;
    let arguments = json!({ "account": reach.account, "question": reach.question()?, "proposals": reach.proposals() });
    let way: Way = serde_json::from_value(block_on(ask(&folder, "/reach", &arguments))?)?;
    for step in &way.steps {
        println!("  {step}");
    }
    match way.obstacle {
        None => println!("{} reaches {}.", reach.from, reach.to),
        Some(obstacle) => bail!("{} does not reach {}: {obstacle}", reach.from, reach.to),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_read_as_it_is_written() {
        let read = |text: &str| {
            text.parse::<ProposedRule>().map(|proposed| (proposed.rule.protocol, proposed.rule.verdict, proposed.rule.priority))
        };
        let group = "sg-00000000000000001";
        assert_eq!(
            read(&format!("{group},ingress,tcp:443,0.0.0.0/0")).unwrap(),
            (Protocol::Tcp { from: 443, to: 443 }, Verdict::Accept, 1)
        );
        assert_eq!(read(&format!("{group},egress,udp:1-9,{group},drop,7")).unwrap(), (Protocol::Udp { from: 1, to: 9 }, Verdict::Drop, 7));
        assert_eq!(read(&format!("{group},egress,all,10.0.0.0/8")).unwrap().0, Protocol::All);
        assert_eq!(read(&format!("{group},ingress,icmpv6,2001:db8::/32")).unwrap().0, Protocol::Icmp6 { kind: None, code: None });
        for bad in [
            "",
            "sg-1,ingress,all,0.0.0.0/0",
            "GROUP,in,all,0.0.0.0/0",
            "GROUP,ingress,tcp:9-1,0.0.0.0/0",
            "GROUP,ingress,all,here",
            "GROUP,ingress,all,0.0.0.0/0,0",
        ] {
            assert!(read(&bad.replace("GROUP", group)).is_err(), "{bad}");
        }
    }
}
