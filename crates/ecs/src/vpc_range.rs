//! Ranges of VPCs: further ones of IPv4, and the one of IPv6.

use control::{AssociateVpcIpv6, ChangeVpcRanges, DisassociateVpcIpv6, PrivateBlocks, Query};
use model::{Noun, Vpc, VpcId};
use wire::FromArg;

use crate::Cx;
use crate::error::Fault;
use crate::filter::id;
use crate::network::range;

/// `AssociateVpcCidrBlock`.
#[derive(FromArg)]
pub(crate) struct AssociateVpcCidrBlock {
    vpc_id: String,
    ip_version: Option<IpVersion>,
    secondary_cidr_block: Option<String>,
    #[expect(dead_code, reason = "there is one line for all ranges")]
    ipv6_isp: Option<Line>,
}

/// Which internet protocol is meant.
#[derive(Debug, Clone, Copy, FromArg)]
enum IpVersion {
    #[arg(name = "IPV4")]
    V4,
    #[arg(name = "IPV6")]
    V6,
}

/// The line of a range.
#[derive(Debug, Clone, Copy, FromArg)]
enum Line {
    #[arg(name = "BGP")]
    Bgp,
}

/// Gives a VPC a further range of IPv4, or a range of IPv6.
pub(crate) async fn associate(cx: &Cx<'_>, asked: AssociateVpcCidrBlock) -> Result<(), Fault> {
    let vpc = id(Noun::Vpc, &asked.vpc_id)?;
    match (asked.ip_version, given(asked.secondary_cidr_block)) {
        (None | Some(IpVersion::V4), Some(text)) => change(cx, vpc, vec![], vec![range(&text)?]).await,
        (None | Some(IpVersion::V4), None) => Err(Fault::missing("SecondaryCidrBlock")),
        (Some(IpVersion::V6), None) => Ok(cx.cloud.run(&cx.caller, AssociateVpcIpv6 { vpc }, cx.options()?).await.map(drop)?),
        (Some(IpVersion::V6), Some(_)) => Err(both("IpVersion", "SecondaryCidrBlock")),
    }
}

fn given(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}

fn both(one: &str, other: &str) -> Fault {
    Fault::new(400, "InvalidParameter.Conflict", format!("The parameters {one} and {other} exclude each other."))
}

async fn change(cx: &Cx<'_>, vpc: VpcId, remove: Vec<ipnet::Ipv4Net>, add: Vec<ipnet::Ipv4Net>) -> Result<(), Fault> {
    let command = ChangeVpcRanges { vpc, remove, add, prefix_shortest: model::VPC_PREFIX_SHORTEST, blocks: PrivateBlocks::Any };
    Ok(cx.cloud.run(&cx.caller, command, cx.options()?).await.map(drop)?)
}

/// `UnassociateVpcCidrBlock`.
#[derive(FromArg)]
pub(crate) struct UnassociateVpcCidrBlock {
    vpc_id: String,
    ipv6_cidr_block: Option<String>,
    secondary_cidr_block: Option<String>,
}

/// Takes a range from a VPC in which no vSwitch has a part of it.
pub(crate) async fn unassociate(cx: &Cx<'_>, asked: UnassociateVpcCidrBlock) -> Result<(), Fault> {
    let vpc: VpcId = id(Noun::Vpc, &asked.vpc_id)?;
    let text = match (given(asked.ipv6_cidr_block), given(asked.secondary_cidr_block)) {
        (Some(text), None) => text,
        (None, Some(text)) => return change(cx, vpc, vec![range(&text)?], vec![]).await,
        (Some(_), Some(_)) => return Err(both("IPv6CidrBlock", "SecondaryCidrBlock")),
        (None, None) => return Err(Fault::missing("IPv6CidrBlock")),
    };
    let listed = cx.cloud.list::<Vpc>(&cx.caller, Query { ids: vec![vpc], ..Query::default() }).await?;
    let own = listed.rows.first().and_then(|vpc| vpc.ipv6).filter(|own| own.range.to_string() == text);
    let own = own.ok_or_else(|| Fault::not_found(Noun::Ipv6Range, &text))?;
    Ok(cx.cloud.run(&cx.caller, DisassociateVpcIpv6 { id: own.id }, cx.options()?).await.map(drop)?)
}
