//! Egress-only rules of IPv6 gateways: nobody outside opens a connection to an address that has one.

use control::{CreateEgressOnlyRule, DeleteEgressOnlyRule};
use model::{EgressOnlyRule, Ipv6Bandwidth, Noun};
use wire::{FromArg, Show};

use crate::Cx;
use crate::error::Fault;
use crate::filter::id;
use crate::ipv6_address::{address_id, read_address_id};
use crate::ipv6_gateway::gateway_id;
use crate::page::{Numbered, Numbers, SHORT_PAGE_MAX};

/// What a rule is about: VPC knows addresses only.
#[derive(Debug, Clone, Copy, FromArg)]
enum RuleOf {
    #[arg(name = "Ipv6Address", alias = "IPv6Address")]
    Address,
}

/// `CreateIpv6EgressOnlyRule`.
#[derive(FromArg)]
pub(crate) struct CreateIpv6EgressOnlyRule {
    ipv6_gateway_id: String,
    instance_id: String,
    #[expect(dead_code, reason = "it has one value, which says nothing more")]
    instance_type: Option<RuleOf>,
    name: Option<String>,
    description: Option<String>,
}

#[derive(Show)]
pub(crate) struct Created {
    ipv6_egress_rule_id: String,
}

/// Makes a rule about an address with bandwidth.
pub(crate) async fn create(cx: &Cx<'_>, asked: CreateIpv6EgressOnlyRule) -> Result<Created, Fault> {
    let command = CreateEgressOnlyRule {
        gateway: gateway_id(&asked.ipv6_gateway_id)?,
        ip: read_address_id(&asked.instance_id)?,
        name: asked.name.unwrap_or_default(),
        description: asked.description.unwrap_or_default(),
    };
    let rule = cx.cloud.run(&cx.caller, command, cx.options()?).await?;
    Ok(Created { ipv6_egress_rule_id: rule.to_string() })
}

/// `DeleteIpv6EgressOnlyRule`.
#[derive(FromArg)]
pub(crate) struct DeleteIpv6EgressOnlyRule {
    ipv6_egress_only_rule_id: String,
    #[expect(dead_code, reason = "a rule is of one gateway, so it tells nothing more")]
    ipv6_gateway_id: Option<String>,
}

/// Deletes a rule.
pub(crate) async fn delete(cx: &Cx<'_>, asked: DeleteIpv6EgressOnlyRule) -> Result<(), Fault> {
    let rule = id(Noun::EgressOnlyRule, &asked.ipv6_egress_only_rule_id)?;
    Ok(cx.cloud.run(&cx.caller, DeleteEgressOnlyRule { rule }, cx.options()?).await?)
}

/// `DescribeIpv6EgressOnlyRules`.
#[derive(FromArg)]
pub(crate) struct DescribeIpv6EgressOnlyRules {
    ipv6_gateway_id: String,
    ipv6_egress_only_rule_id: Option<String>,
    name: Option<String>,
    instance_id: Option<String>,
    #[expect(dead_code, reason = "it has one value, which all rules have")]
    instance_type: Option<RuleOf>,
    #[arg(flatten)]
    numbered: Numbered,
}

#[derive(Show)]
pub(crate) struct Rules {
    #[reply(flatten)]
    numbers: Numbers,
    #[reply(list = "Ipv6EgressOnlyRule")]
    ipv6_egress_only_rules: Vec<RuleReply>,
}

#[derive(Show)]
struct RuleReply {
    ipv6_egress_only_rule_id: String,
    name: String,
    description: String,
    instance_id: String,
    instance_type: &'static str,
    status: &'static str,
}

/// Lists the rules of a gateway.
pub(crate) async fn describe(cx: &Cx<'_>, asked: DescribeIpv6EgressOnlyRules) -> Result<Rules, Fault> {
    let gateway = gateway_id(&asked.ipv6_gateway_id)?;
    let rows = cx.cloud.ipv6_bandwidths(&cx.caller, gateway).await?;
    let of_gateway = rows.iter().filter_map(|row| Some(reply(row, row.rule.as_ref()?)));
    let fits =
        |wanted: &Option<String>, value: &str| wanted.as_ref().filter(|wanted| !wanted.is_empty()).is_none_or(|wanted| wanted == value);
    let wanted = of_gateway.filter(|rule| {
        fits(&asked.ipv6_egress_only_rule_id, &rule.ipv6_egress_only_rule_id)
            && fits(&asked.name, &rule.name)
            && fits(&asked.instance_id, &rule.instance_id)
    });
    let (ipv6_egress_only_rules, numbers) = asked.numbered.cut(wanted.collect(), SHORT_PAGE_MAX)?;
    Ok(Rules { numbers, ipv6_egress_only_rules })
}

fn reply(row: &Ipv6Bandwidth, rule: &EgressOnlyRule) -> RuleReply {
    RuleReply {
        ipv6_egress_only_rule_id: rule.id.to_string(),
        name: rule.name.clone(),
        description: rule.description.clone(),
        instance_id: address_id(row.ip),
        instance_type: "Ipv6Address",
        status: "Available",
    }
}
