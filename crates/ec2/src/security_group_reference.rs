//! Which rules name a security group across a peering, and which name one that they no longer reach.

use control::StaleGroup;
use model::{Direction, Error, Noun, Peer};
use wire::{FromArg, Show};

use crate::Cx;
use crate::error::Refusal;
use crate::page::{Paging, USUAL};
use crate::security_group::words;
use crate::tag;

/// The parameters of `DescribeSecurityGroupReferences`.
#[derive(FromArg)]
pub(crate) struct DescribeReferences {
    #[arg(name = "GroupId")]
    ids: Vec<String>,
}

/// The reply of `DescribeSecurityGroupReferences`.
#[derive(Show)]
#[reply(rename = "camelCase")]
pub(crate) struct References {
    security_group_reference_set: Vec<ReferenceItem>,
}

#[derive(Show)]
#[reply(rename = "camelCase")]
struct ReferenceItem {
    group_id: String,
    referencing_vpc_id: String,
    vpc_peering_connection_id: String,
}

/// Lists the VPCs across peerings in which rules name these groups.
pub(crate) async fn references(cx: Cx, asked: DescribeReferences) -> Result<References, Refusal> {
    if asked.ids.is_empty() {
        return Err(Error::MissingParameter { name: "GroupId" }.into());
    }
    let found = cx.cloud.group_references(&cx.caller, tag::ids(Noun::SecurityGroup, &asked.ids)?).await?;
    let mut across: Vec<_> = found.iter().filter_map(|one| Some((one.group, one.vpc, one.peering?))).collect();
    across.dedup();
    let item = |(group, vpc, peering): (model::SecurityGroupId, model::VpcId, model::VpcPeeringId)| ReferenceItem {
        group_id: group.to_string(),
        referencing_vpc_id: vpc.to_string(),
        vpc_peering_connection_id: peering.to_string(),
    };
    Ok(References { security_group_reference_set: across.into_iter().map(item).collect() })
}

/// The parameters of `DescribeStaleSecurityGroups`.
#[derive(FromArg)]
pub(crate) struct DescribeStale {
    vpc_id: String,
    #[arg(flatten)]
    paging: Paging,
}

/// The reply of `DescribeStaleSecurityGroups`.
#[derive(Show)]
#[reply(rename = "camelCase")]
pub(crate) struct Stale {
    stale_security_group_set: Vec<StaleItem>,
    next_token: Option<String>,
}

#[derive(Show)]
#[reply(rename = "camelCase")]
struct StaleItem {
    group_id: String,
    group_name: String,
    description: String,
    vpc_id: String,
    stale_ip_permissions: Vec<StalePermission>,
    stale_ip_permissions_egress: Vec<StalePermission>,
}

#[derive(Show)]
#[reply(rename = "camelCase")]
struct StalePermission {
    ip_protocol: String,
    from_port: Option<i32>,
    to_port: Option<i32>,
    groups: Vec<StalePair>,
}

#[derive(Show)]
#[reply(rename = "camelCase")]
struct StalePair {
    group_id: String,
    user_id: Option<String>,
    vpc_id: Option<String>,
    #[reply(skip_empty)]
    description: String,
}

/// Lists the groups of a VPC with rules that name a group which is gone, or whose VPC is not peered any more.
pub(crate) async fn stale(cx: Cx, asked: DescribeStale) -> Result<Stale, Refusal> {
    let pages = asked.paging.pages(&cx, USUAL, &[])?;
    let found = cx.cloud.stale_groups(&cx.caller, tag::id(Noun::Vpc, &asked.vpc_id)?).await?;
    let (rows, next_token) = pages.cut(found, |stale| stale.group.id.to_string());
    let item = |stale: StaleGroup| StaleItem {
        group_id: stale.group.id.to_string(),
        group_name: stale.group.name.clone(),
        description: stale.group.description.clone(),
        vpc_id: stale.group.vpc.to_string(),
        stale_ip_permissions: permissions(&stale, Direction::Ingress),
        stale_ip_permissions_egress: permissions(&stale, Direction::Egress),
    };
    Ok(Stale { stale_security_group_set: rows.into_iter().map(item).collect(), next_token })
}

/// Each rule by itself.
fn permissions(stale: &StaleGroup, direction: Direction) -> Vec<StalePermission> {
    let rules = stale.group.rules.iter().filter(|rule| rule.direction == direction);
    let permission = |rule: &model::Rule| {
        let Peer::Group { group } = rule.peer else { return None };
        let (ip_protocol, ports) = words(rule.protocol);
        let (from_port, to_port) = ports.unzip();
        let (vpc_id, user_id) = stale.named.get(&group).map(|(vpc, account)| (vpc.to_string(), account.to_string())).unzip();
        let pair = StalePair { group_id: group.to_string(), user_id, vpc_id, description: rule.description.clone() };
        Some(StalePermission { ip_protocol, from_port, to_port, groups: vec![pair] })
    };
    rules.filter_map(permission).collect()
}
