//! Ranges of VPCs: further ones of IPv4, and the one of IPv6.

use control::{AssociateVpcIpv6, ChangeVpcRanges, DisassociateVpcIpv6, Field, Filter, PrivateBlocks, Query};
use ipnet::Ipv4Net;
use model::{Error, Noun, SecondaryRange, Vpc, VpcId, VpcRangeId};
use wire::{FromArg, Show};

use crate::Cx;
use crate::error::{Refusal, combination};
use crate::ipv6::{self, VpcRange};
use crate::network::PREFIX_SHORTEST;
use crate::tag;

/// An IPv4 range of a VPC as EC2 shows it.
#[derive(Show)]
#[reply(rename = "camelCase")]
pub(crate) struct CidrBlock {
    association_id: String,
    cidr_block: String,
    cidr_block_state: State,
}

#[derive(Show)]
#[reply(rename = "camelCase")]
struct State {
    state: &'static str,
}

fn block(tie: SecondaryRange, state: &'static str) -> CidrBlock {
    CidrBlock { association_id: tie.id.to_string(), cidr_block: tie.range.to_string(), cidr_block_state: State { state } }
}

/// The IPv4 ranges of a VPC, the first one first.
pub(crate) fn blocks(vpc: &Vpc) -> Vec<CidrBlock> {
    vpc.ties().map(|tie| block(tie, "associated")).collect()
}

/// The parameters of `AssociateVpcCidrBlock`.
#[derive(FromArg)]
pub(crate) struct AssociateVpcCidrBlock {
    vpc_id: String,
    amazon_provided_ipv6_cidr_block: Option<bool>,
    #[arg(with = wire::parse_text)]
    cidr_block: Option<Ipv4Net>,
}

/// Parameters of `AssociateVpcCidrBlock` that are not served.
pub(crate) const ABSENT: &[&str] = &[
    "Ipv4IpamPoolId",
    "Ipv4NetmaskLength",
    "Ipv6CidrBlock",
    "Ipv6CidrBlockNetworkBorderGroup",
    "Ipv6IpamPoolId",
    "Ipv6NetmaskLength",
    "Ipv6Pool",
];

/// The reply of the actions that tie a range to a VPC or take it.
#[derive(Show)]
#[reply(rename = "camelCase")]
pub(crate) struct Association {
    vpc_id: String,
    cidr_block_association: Option<CidrBlock>,
    ipv6_cidr_block_association: Option<VpcRange>,
}

impl Association {
    fn v4(vpc: VpcId, block: CidrBlock) -> Association {
        Association { vpc_id: vpc.to_string(), cidr_block_association: Some(block), ipv6_cidr_block_association: None }
    }

    fn v6(vpc: VpcId, range: VpcRange) -> Association {
        Association { vpc_id: vpc.to_string(), cidr_block_association: None, ipv6_cidr_block_association: Some(range) }
    }
}

/// Gives a VPC a further range of IPv4, or a range of IPv6.
pub(crate) async fn associate(cx: Cx, asked: AssociateVpcCidrBlock) -> Result<Association, Refusal> {
    let id = tag::id(Noun::Vpc, &asked.vpc_id)?;
    match (asked.cidr_block, asked.amazon_provided_ipv6_cidr_block.unwrap_or(false)) {
        (Some(_), true) => Err(combination("An IPv4 range and an IPv6 range are associated in one call each")),
        (None, false) => Err(Error::MissingParameter { name: "CidrBlock" }.into()),
        (None, true) => {
            let (vpc, own) = cx.cloud.run(&cx.caller, AssociateVpcIpv6 { vpc: id }, cx.options(None)).await?;
            Ok(Association::v6(vpc, ipv6::vpc_range(&cx, &own)))
        }
        (Some(range), false) => {
            let vpc = cx.cloud.run(&cx.caller, change(id, vec![], vec![range]), cx.options(None)).await?;
            let tie = vpc.secondary.last().copied().ok_or(Error::Internal)?;
            Ok(Association::v4(vpc.id, block(tie, "associating")))
        }
    }
}

fn change(vpc: VpcId, remove: Vec<Ipv4Net>, add: Vec<Ipv4Net>) -> ChangeVpcRanges {
    ChangeVpcRanges { vpc, remove, add, prefix_shortest: PREFIX_SHORTEST, blocks: PrivateBlocks::One }
}

/// Takes a range from a VPC.
pub(crate) async fn disassociate(cx: Cx, asked: ipv6::Disassociate) -> Result<Association, Refusal> {
    let id: VpcRangeId = tag::id(Noun::VpcRange, &asked.association_id)?;
    let filters = vec![Filter { field: Field::Association, values: vec![id.to_string()] }];
    let listed = cx.cloud.list::<Vpc>(&cx.caller, Query { filters, ..Query::default() }).await?;
    let tied = listed.rows.first().and_then(|vpc| Some((vpc.id, vpc.ties().find(|tie| tie.id == id)?)));
    let Some((vpc, tie)) = tied else {
        let (vpc, own) = cx.cloud.run(&cx.caller, DisassociateVpcIpv6 { id }, cx.options(None)).await?;
        return Ok(Association::v6(vpc, ipv6::taken_vpc_range(&cx, &own)));
    };
    cx.cloud.run(&cx.caller, change(vpc, vec![tie.range], vec![]), cx.options(None)).await?;
    Ok(Association::v4(vpc, block(tie, "disassociating")))
}
