//! Rules of security groups. A change reaches the hosts of all members at once.

use model::{
    DEFAULT_GROUP, Direction, Error, Noun, PRIORITY_FIRST, PRIORITY_LAST, Peer, Protocol, RULES_MAX, Rule, RuleId, SecurityGroup,
    SecurityGroupId, Verdict,
};
use serde::{Deserialize, Serialize};
use store::Tx;

use crate::auth::{Caller, Target};
use crate::prefix_list::{check_weight, list_of};
use crate::run::{Command, Cx, Options};
use crate::security_group::{group_of, target, touch_members};
use crate::vpc_peering::group_across;
use crate::{Cloud, Failure};

/// A rule before it has an id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewRule {
    /// Direction, seen from the member.
    pub direction: Direction,
    /// What it does.
    pub verdict: Verdict,
    /// 1 (first) to 100.
    pub priority: u16,
    /// Protocols and ports.
    pub protocol: Protocol,
    /// The other end.
    pub peer: Peer,
    /// Description.
    pub description: String,
}

impl NewRule {
    /// A rule of the first priority that accepts everything of one other end.
    pub fn accepting_all(direction: Direction, peer: Peer) -> NewRule {
        let (verdict, priority) = (Verdict::Accept, PRIORITY_FIRST);
        NewRule { direction, verdict, priority, protocol: Protocol::All, peer, description: String::new() }
    }
}

/// Adds rules to a group; all of them or none. A rule that is there already is refused as a duplicate.
#[derive(Debug, Clone, Serialize)]
pub struct AuthorizeSecurityGroup {
    /// The group.
    pub group: SecurityGroupId,
    /// The rules.
    pub rules: Vec<NewRule>,
}

/// Takes rules from a group; all of them or none.
#[derive(Debug, Clone, Serialize)]
pub struct RevokeSecurityGroup {
    /// The group.
    pub group: SecurityGroupId,
    /// Which rules.
    pub which: WhichRules,
}

/// Which rules are taken.
#[derive(Debug, Clone, Serialize)]
pub enum WhichRules {
    /// Those with these ids.
    Ids(Vec<RuleId>),
    /// Those that match the same packets in the same way.
    Like(Vec<NewRule>),
}

impl Command for AuthorizeSecurityGroup {
    type Reply = Vec<Rule>;
    const NAME: &'static str = "AuthorizeSecurityGroup";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        target(tx, cx, self.group)
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Rule>, Failure> {
        let mut group = group_of(tx, cx.caller.account(), self.group)?;
        let mut added = Vec::with_capacity(self.rules.len());
        for new in &self.rules {
            added.push(add_rule(tx, cx, &mut group, new)?);
        }
        tx.update(&group)?;
        touch_members(tx, &group)?;
        Ok(added)
    }
}

impl Command for RevokeSecurityGroup {
    type Reply = Vec<Rule>;
    const NAME: &'static str = "RevokeSecurityGroup";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        target(tx, cx, self.group)
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Rule>, Failure> {
        let mut group = group_of(tx, cx.caller.account(), self.group)?;
        let absent = |text: String| Error::NotFound { noun: Noun::SecurityGroupRule, id: text };
        let mut taken = Vec::new();
        match &self.which {
            WhichRules::Ids(ids) => {
                for id in ids {
                    let place = group.rules.iter().position(|rule| rule.id == *id).ok_or_else(|| absent(id.to_string()))?;
                    taken.push(group.rules.remove(place));
                }
            }
            WhichRules::Like(like) => {
                for new in like {
                    let wanted = rule_of(cx, new);
                    let place = group.rules.iter().position(|rule| rule.same_effect(&wanted));
                    let place = place.ok_or_else(|| absent(wanted.to_string()))?;
                    taken.push(group.rules.remove(place));
                }
            }
        }
        tx.update(&group)?;
        touch_members(tx, &group)?;
        Ok(taken)
    }
}

impl Cloud {
    /// Lets anybody reach port 22 of members of the caller's default group; nothing happens when they can already.
    pub async fn open_ssh_in_default_group(&self, caller: &Caller) -> Result<(), Error> {
        let account = caller.account();
        let group = self.store().read(move |tx| {
            let vpc = tx.vpc_default(account)?.ok_or_else(|| Error::not_found(Noun::Vpc, "default"))?;
            Ok::<_, Failure>(
                tx.security_group_named(vpc.id, DEFAULT_GROUP)?.ok_or_else(|| Error::not_found(Noun::SecurityGroup, DEFAULT_GROUP))?,
            )
        });
        let group = group.await.map_err(|failure| self.refusal("read the default group", failure))?;
        let rule = NewRule {
            direction: Direction::Ingress,
            verdict: Verdict::Accept,
            priority: PRIORITY_FIRST,
            protocol: Protocol::Tcp { from: 22, to: 22 },
            peer: Peer::Range { range: ipnet::Ipv4Net::default() },
            description: "SSH".to_owned(),
        };
        match self.run(caller, AuthorizeSecurityGroup { group: group.id, rules: vec![rule] }, Options::default()).await {
            Ok(_) | Err(Error::Duplicate { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// Adds a rule to a group that is about to be written.
pub(crate) fn add_rule(tx: &Tx<'_>, cx: &Cx<'_>, group: &mut SecurityGroup, new: &NewRule) -> Result<Rule, Failure> {
    let rule = check(tx, cx, group, new)?;
    if group.rules.iter().any(|known| known.same_effect(&rule)) {
        return Err(Error::Duplicate { noun: Noun::SecurityGroupRule, name: rule.to_string() }.into());
    }
    if group.rules.len() >= RULES_MAX {
        return Err(Error::invalid("IpPermissions", format!("more than {RULES_MAX} rules in one group")).into());
    }
    group.rules.push(rule.clone());
    if group.rules.iter().any(|rule| matches!(rule.peer, Peer::List { .. })) {
        check_weight(tx, group)?;
    }
    Ok(rule)
}

fn check(tx: &Tx<'_>, cx: &Cx<'_>, group: &SecurityGroup, new: &NewRule) -> Result<Rule, Failure> {
    new.protocol.check()?;
    if !(PRIORITY_FIRST..=PRIORITY_LAST).contains(&new.priority) {
        return Err(Error::invalid("Priority", format!("must be {PRIORITY_FIRST} to {PRIORITY_LAST}")).into());
    }
    match new.peer {
        Peer::Range { range } if range.trunc() != range => {
            return Err(Error::invalid("CidrIp", format!("{range} has bits set beyond its prefix; did you mean {}?", range.trunc())).into());
        }
        Peer::Range6 { range } if range.trunc() != range => {
            return Err(
                Error::invalid("CidrIpv6", format!("{range} has bits set beyond its prefix; did you mean {}?", range.trunc())).into()
            );
        }
        Peer::Range { .. } | Peer::Range6 { .. } => {}
        Peer::List { list } => {
            list_of(tx, cx.caller.account(), list)?;
        }
        Peer::Group { group: peer } => {
            if group_across(tx, group.vpc, peer)?.is_none() && !group_of(tx, cx.caller.account(), peer)?.is_of(group.vpc) {
                return Err(Error::InvalidCombination { reason: format!("the security group {peer} belongs to another VPC") }.into());
            }
        }
    }
    Ok(rule_of(cx, new))
}

fn rule_of(cx: &Cx<'_>, new: &NewRule) -> Rule {
    Rule {
        id: RuleId::from_u64(cx.new_id()),
        direction: new.direction,
        verdict: new.verdict,
        priority: new.priority,
        protocol: new.protocol,
        peer: new.peer,
        description: new.description.clone(),
    }
}
