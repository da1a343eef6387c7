//! Rules of security groups. A change reaches the hosts of all members at once.

use model::{
    AccountId, DEFAULT_GROUP, Direction, Error, GroupKind, Noun, PRIORITY_FIRST, PRIORITY_LAST, Peer, Protocol, RULES_MAX, Rule, RuleId,
    SecurityGroup, SecurityGroupId, Tags, Verdict, add_tags,
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

    /// Whether a rule matches the same packets in the same way.
    pub fn is_like(&self, rule: &Rule) -> bool {
        (self.direction, self.verdict, self.priority, self.protocol, self.peer)
            == (rule.direction, rule.verdict, rule.priority, rule.protocol, rule.peer)
    }
}

impl From<&Rule> for NewRule {
    fn from(rule: &Rule) -> NewRule {
        NewRule {
            direction: rule.direction,
            verdict: rule.verdict,
            priority: rule.priority,
            protocol: rule.protocol,
            peer: rule.peer,
            description: rule.description.clone(),
        }
    }
}

/// Adds rules to a group; all of them or none. A rule that is there already is refused as a duplicate.
#[derive(Debug, Clone, Serialize)]
pub struct AuthorizeSecurityGroup {
    /// The group.
    pub group: SecurityGroupId,
    /// The rules.
    pub rules: Vec<NewRule>,
    /// Tags that each of them gets.
    pub tags: Tags,
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

/// Changes rules of a group, which keep their ids; all of them or none. Refused as a duplicate when one comes to be like another.
#[derive(Debug, Clone, Serialize)]
pub struct ModifySecurityGroupRules {
    /// The group.
    pub group: SecurityGroupId,
    /// Which rules, and what they say from now on.
    pub changes: Vec<(RuleId, NewRule)>,
}

/// Takes rules from a group and adds others in one step: no member is ever without both.
#[derive(Debug, Clone, Serialize)]
pub struct ReplaceSecurityGroupRules {
    /// The group.
    pub group: SecurityGroupId,
    /// Those that are taken.
    pub taken: Vec<RuleId>,
    /// Those that are added.
    pub added: Vec<NewRule>,
}

impl Command for AuthorizeSecurityGroup {
    type Reply = Vec<Rule>;
    const NAME: &'static str = "AuthorizeSecurityGroup";

    /// The group, and the new rules where they get tags: as in EC2, who may not tag rules may still add some.
    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        let mut targets = target(tx, cx, self.group)?;
        if !self.tags.is_empty() {
            let path = Some("security-group-rule/*".to_owned());
            targets.push(Target { path, request_tags: self.tags.clone(), ..Target::default() });
        }
        Ok(targets)
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Rule>, Failure> {
        let mut group = group_of(tx, cx.caller.account(), self.group)?;
        let mut added = add_rules(tx, cx, &mut group, &self.rules)?;
        for rule in &mut added {
            add_tags(&mut rule.tags, &self.tags)?;
            let place = place_of(&group, rule.id)?;
            group.rules[place].tags.clone_from(&rule.tags);
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
        let taken = match &self.which {
            WhichRules::Ids(ids) => take_rules(&mut group, ids)?,
            WhichRules::Like(like) => {
                let mut taken = Vec::with_capacity(like.len());
                for new in like {
                    let place = group.rules.iter().position(|rule| new.is_like(rule));
                    taken.push(group.rules.remove(place.ok_or_else(|| absent(rule_of(cx, new)))?));
                }
                taken
            }
        };
        tx.update(&group)?;
        touch_members(tx, &group)?;
        Ok(taken)
    }
}

impl Command for ModifySecurityGroupRules {
    type Reply = ();
    const NAME: &'static str = "ModifySecurityGroupRules";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        target(tx, cx, self.group)
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<(), Failure> {
        let mut group = group_of(tx, cx.caller.account(), self.group)?;
        for (id, new) in &self.changes {
            let place = place_of(&group, *id)?;
            let tags = group.rules[place].tags.clone();
            let changed = Rule { id: *id, tags, ..check(tx, cx, &group, new)? };
            if group.rules.iter().any(|known| known.id != *id && known.same_effect(&changed)) {
                return Err(Error::Duplicate { noun: Noun::SecurityGroupRule, name: changed.to_string() }.into());
            }
            group.rules[place] = changed;
        }
        check_lists(tx, &group)?;
        tx.update(&group)?;
        touch_members(tx, &group)
    }
}

impl Command for ReplaceSecurityGroupRules {
    type Reply = ();
    const NAME: &'static str = "ReplaceSecurityGroupRules";

    fn targets(&self, tx: &Tx<'_>, cx: &Cx<'_>) -> Result<Vec<Target>, Failure> {
        target(tx, cx, self.group)
    }

    fn apply(&self, tx: &mut Tx<'_>, cx: &Cx<'_>) -> Result<(), Failure> {
        let mut group = group_of(tx, cx.caller.account(), self.group)?;
        take_rules(&mut group, &self.taken)?;
        add_rules(tx, cx, &mut group, &self.added)?;
        tx.update(&group)?;
        touch_members(tx, &group)
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
        match self.run(caller, AuthorizeSecurityGroup { group: group.id, rules: vec![rule], tags: Tags::new() }, Options::default()).await {
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
        return Err(too_many_rules(group).into());
    }
    group.rules.push(rule.clone());
    check_lists(tx, group)?;
    Ok(rule)
}

/// The refusal of one rule more than a group may have.
pub(crate) fn too_many_rules(group: &SecurityGroup) -> Error {
    Error::LimitReached { name: "SecurityGroupRule", what: format!("rules in the security group {}", group.id), limit: RULES_MAX as u64 }
}

fn add_rules(tx: &Tx<'_>, cx: &Cx<'_>, group: &mut SecurityGroup, rules: &[NewRule]) -> Result<Vec<Rule>, Failure> {
    rules.iter().map(|new| add_rule(tx, cx, group, new)).collect()
}

fn take_rules(group: &mut SecurityGroup, ids: &[RuleId]) -> Result<Vec<Rule>, Failure> {
    ids.iter().map(|id| place_of(group, *id).map(|place| group.rules.remove(place))).collect()
}

fn place_of(group: &SecurityGroup, id: RuleId) -> Result<usize, Failure> {
    let place = group.rules.iter().position(|rule| rule.id == id);
    place.ok_or_else(|| absent(id))
}

/// The rule of this id in a group of the account: the group, and the rule's place in it.
pub(crate) fn rule_with_group(tx: &Tx<'_>, account: AccountId, id: RuleId) -> Result<Option<(SecurityGroup, usize)>, Failure> {
    let place = |group: &SecurityGroup| group.rules.iter().position(|rule| rule.id == id);
    Ok(tx.security_group_list(account)?.into_iter().find_map(|group| place(&group).map(|place| (group, place))))
}

fn absent(rule: impl ToString) -> Failure {
    Error::NotFound { noun: Noun::SecurityGroupRule, id: rule.to_string() }.into()
}

/// Holds the lists that rules name to how many entries a group may come to through them.
fn check_lists(tx: &Tx<'_>, group: &SecurityGroup) -> Result<(), Failure> {
    let names_a_list = group.rules.iter().any(|rule| matches!(rule.peer, Peer::List { .. }));
    if names_a_list { check_weight(tx, group) } else { Ok(()) }
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
            let is_enterprise = |row: SecurityGroup| row.kind == GroupKind::Enterprise;
            if group.kind == GroupKind::Enterprise || tx.get::<SecurityGroup>(peer)?.is_some_and(is_enterprise) {
                let reason = format!("{} names {peer}, and rules neither of enterprise groups name groups nor name those", group.id);
                return Err(Error::InvalidCombination { reason }.into());
            }
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
        tags: Tags::new(),
    }
}
