//! Changing rules of security groups that are there: what they say, and their descriptions alone.

use control::{ModifySecurityGroupRules, NewRule, Query};
use model::{Direction, Error, Noun, Peer, RuleId, SecurityGroup, SecurityGroupId};
use wire::{FromArg, Show};

use crate::Cx;
use crate::error::Refusal;
use crate::security_group;
use crate::security_group_rules::{AskedPermission, name_groups, new_rule, protocol, range, range6, rules_of};
use crate::tag;

/// The reply of each of the three actions.
#[derive(Show)]
#[reply(rename = "camelCase")]
pub(crate) struct Changed {
    r#return: bool,
}

/// The parameters of `ModifySecurityGroupRules`.
#[derive(FromArg)]
pub(crate) struct ModifyRules {
    group_id: String,
    #[arg(name = "SecurityGroupRule")]
    rules: Vec<AskedChange>,
}

#[derive(FromArg)]
struct AskedChange {
    security_group_rule_id: String,
    security_group_rule: Option<AskedRule>,
}

/// What a rule is to say: all of it, with one other end.
#[derive(FromArg)]
struct AskedRule {
    ip_protocol: Option<String>,
    from_port: Option<i32>,
    to_port: Option<i32>,
    cidr_ipv4: Option<String>,
    cidr_ipv6: Option<String>,
    prefix_list_id: Option<String>,
    referenced_group_id: Option<String>,
    #[arg(max_len = 255)]
    description: Option<String>,
}

impl AskedRule {
    fn rule(&self, direction: Direction) -> Result<NewRule, Refusal> {
        let name = self.ip_protocol.as_deref().ok_or(Error::MissingParameter { name: "IpProtocol" })?;
        Ok(new_rule(direction, protocol(name, self.from_port, self.to_port)?, self.peer()?, self.description.clone()))
    }

    fn peer(&self) -> Result<Peer, Refusal> {
        let AskedRule { cidr_ipv4, cidr_ipv6, prefix_list_id, referenced_group_id, .. } = self;
        match (cidr_ipv4, cidr_ipv6, prefix_list_id, referenced_group_id) {
            (Some(text), None, None, None) => Ok(Peer::Range { range: range(text)? }),
            (None, Some(text), None, None) => Ok(Peer::Range6 { range: range6(text)? }),
            (None, None, Some(list), None) => Ok(Peer::List { list: tag::id(Noun::PrefixList, list)? }),
            (None, None, None, Some(group)) => Ok(Peer::Group { group: tag::id(Noun::SecurityGroup, group)? }),
            (None, None, None, None) => Err(Error::MissingParameter { name: "CidrIpv4" }.into()),
            _ => {
                let reason = "a rule has one of CidrIpv4, CidrIpv6, PrefixListId and ReferencedGroupId".to_owned();
                Err(Error::InvalidCombination { reason }.into())
            }
        }
    }
}

/// Makes rules say something else. The other end stays of its kind, as in EC2.
pub(crate) async fn modify(cx: Cx, asked: ModifyRules) -> Result<Changed, Refusal> {
    if asked.rules.is_empty() {
        return Err(Error::MissingParameter { name: "SecurityGroupRule" }.into());
    }
    let group = group(&cx, tag::id(Noun::SecurityGroup, &asked.group_id)?).await?;
    let mut changes = Vec::with_capacity(asked.rules.len());
    for change in &asked.rules {
        let id: RuleId = tag::id(Noun::SecurityGroupRule, &change.security_group_rule_id)?;
        let known = group.rules.iter().find(|rule| rule.id == id).ok_or_else(|| Error::not_found(Noun::SecurityGroupRule, id))?;
        let wanted = change.security_group_rule.as_ref().ok_or(Error::MissingParameter { name: "SecurityGroupRule.SecurityGroupRule" })?;
        let new = NewRule { verdict: known.verdict, priority: known.priority, ..wanted.rule(known.direction)? };
        if std::mem::discriminant(&new.peer) != std::mem::discriminant(&known.peer) {
            let reason = format!("the rule {id} keeps the kind of its other end; take it and add another for one of another kind");
            return Err(Error::InvalidCombination { reason }.into());
        }
        changes.push((id, new));
    }
    cx.cloud.run(&cx.caller, ModifySecurityGroupRules { group: group.id, changes }, cx.options(None)).await?;
    Ok(Changed { r#return: true })
}

/// The parameters of `UpdateSecurityGroupRuleDescriptionsIngress` and `...Egress`.
#[derive(FromArg)]
pub(crate) struct Describe {
    group_id: Option<String>,
    group_name: Option<String>,
    ip_permissions: Vec<AskedPermission>,
    #[arg(name = "SecurityGroupRuleDescription")]
    by_id: Vec<AskedDescription>,
}

#[derive(FromArg)]
struct AskedDescription {
    security_group_rule_id: String,
    #[arg(max_len = 255)]
    description: Option<String>,
}

/// Describes rules that let packets in.
pub(crate) async fn describe_ingress(cx: Cx, asked: Describe) -> Result<Changed, Refusal> {
    describe(cx, asked, Direction::Ingress).await
}

/// Describes rules that let packets out.
pub(crate) async fn describe_egress(cx: Cx, asked: Describe) -> Result<Changed, Refusal> {
    describe(cx, asked, Direction::Egress).await
}

async fn describe(cx: Cx, mut asked: Describe, direction: Direction) -> Result<Changed, Refusal> {
    let id = security_group::one(&cx, asked.group_id.as_deref(), asked.group_name.as_deref()).await?;
    let group = group(&cx, id).await?;
    name_groups(&cx, &mut asked.ip_permissions).await?;
    let here = || group.rules.iter().filter(|rule| rule.direction == direction);
    let mut changes = Vec::new();
    for said in &asked.by_id {
        let id: RuleId = tag::id(Noun::SecurityGroupRule, &said.security_group_rule_id)?;
        let known = here().find(|rule| rule.id == id).ok_or_else(|| Error::not_found(Noun::SecurityGroupRule, id))?;
        changes.push((id, NewRule { description: said.description.clone().unwrap_or_default(), ..known.into() }));
    }
    for new in rules_of(&asked.ip_permissions, direction)? {
        let known = here().find(|rule| new.is_like(rule));
        let known = known.ok_or_else(|| Error::not_found(Noun::SecurityGroupRule, format!("{} {}", new.protocol, new.peer)))?;
        changes.push((known.id, new));
    }
    if changes.is_empty() {
        return Err(Error::MissingParameter { name: "IpPermissions" }.into());
    }
    cx.cloud.run(&cx.caller, ModifySecurityGroupRules { group: group.id, changes }, cx.options(None)).await?;
    Ok(Changed { r#return: true })
}

async fn group(cx: &Cx, id: SecurityGroupId) -> Result<SecurityGroup, Refusal> {
    let mut listed = cx.cloud.list::<SecurityGroup>(&cx.caller, Query { ids: vec![id], ..Query::default() }).await?;
    listed.rows.pop().ok_or_else(|| Error::not_found(Noun::SecurityGroup, id).into())
}
