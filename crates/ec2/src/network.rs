//! VPCs.

use control::Query;
use model::{Noun, Vpc, VpcId};
use wire::{FromArg, IntoDoc};

use crate::Cx;
use crate::error::Refusal;
use crate::filter::{self, AskedFilter};
use crate::page::{Paging, USUAL};
use crate::tag::{self, TagItem};

/// The set of DHCP options that every VPC has: EC2's word for its own, which cannot be changed.
pub(crate) const DHCP_OPTIONS: &str = "default";

/// The parameters of `DescribeVpcs`.
#[derive(FromArg)]
pub(crate) struct DescribeVpcs {
    #[arg(name = "VpcId")]
    ids: Vec<String>,
    #[arg(name = "Filter")]
    filters: Vec<AskedFilter>,
    #[arg(flatten)]
    paging: Paging,
}

/// The reply of `DescribeVpcs`.
#[derive(IntoDoc)]
#[reply(rename = "camelCase")]
pub(crate) struct Vpcs {
    vpc_set: Vec<VpcItem>,
    next_token: Option<String>,
}

#[derive(IntoDoc)]
#[reply(rename = "camelCase")]
struct VpcItem {
    vpc_id: String,
    owner_id: String,
    state: &'static str,
    cidr_block: String,
    cidr_block_association_set: Vec<CidrBlock>,
    dhcp_options_id: &'static str,
    #[reply(skip_empty)]
    tag_set: Vec<TagItem>,
    instance_tenancy: &'static str,
    is_default: bool,
}

#[derive(IntoDoc)]
#[reply(rename = "camelCase")]
struct CidrBlock {
    association_id: String,
    cidr_block: String,
    cidr_block_state: CidrBlockState,
}

#[derive(IntoDoc)]
#[reply(rename = "camelCase")]
struct CidrBlockState {
    state: &'static str,
}

/// Lists VPCs.
pub(crate) async fn describe_vpcs(cx: Cx, asked: DescribeVpcs) -> Result<Vpcs, Refusal> {
    let pages = asked.paging.pages(&cx, USUAL, &asked.filters)?;
    let filters = filter::filters(&cx, filter::VPC, &asked.filters)?;
    let query = Query { ids: tag::ids(Noun::Vpc, &asked.ids)?, filters, page: pages.of_ids()? };
    let listed = cx.cloud.list::<Vpc>(&cx.caller, query).await?;
    Ok(Vpcs { vpc_set: listed.rows.iter().map(vpc_item).collect(), next_token: pages.after(listed.next) })
}

fn vpc_item(vpc: &Vpc) -> VpcItem {
    VpcItem {
        vpc_id: vpc.id.to_string(),
        owner_id: vpc.account.to_string(),
        state: "available",
        cidr_block: vpc.range.to_string(),
        cidr_block_association_set: vec![CidrBlock {
            association_id: format!("vpc-cidr-assoc-0{:016x}", vpc.id.as_u64()),
            cidr_block: vpc.range.to_string(),
            cidr_block_state: CidrBlockState { state: "associated" },
        }],
        dhcp_options_id: DHCP_OPTIONS,
        tag_set: tag::items(&vpc.tags),
        instance_tenancy: "default",
        is_default: vpc.is_default,
    }
}

/// An attribute of a VPC.
#[derive(Debug, Clone, Copy, FromArg)]
#[arg(rename = "camelCase")]
#[expect(clippy::enum_variant_names, reason = "EC2 names them so")]
enum Attribute {
    EnableDnsSupport,
    EnableDnsHostnames,
    EnableNetworkAddressUsageMetrics,
}

/// The parameters of `DescribeVpcAttribute`.
#[derive(FromArg)]
pub(crate) struct DescribeVpcAttribute {
    vpc_id: String,
    attribute: Attribute,
}

/// The reply of `DescribeVpcAttribute`.
#[derive(Default, IntoDoc)]
#[reply(rename = "camelCase")]
pub(crate) struct Described {
    vpc_id: String,
    enable_dns_support: Option<Flag>,
    enable_dns_hostnames: Option<Flag>,
    enable_network_address_usage_metrics: Option<Flag>,
}

#[derive(IntoDoc)]
#[reply(rename = "camelCase")]
struct Flag {
    value: bool,
}

/// Tells an attribute of a VPC. Names are served in every VPC, and nothing counts its addresses.
pub(crate) async fn describe_vpc_attribute(cx: Cx, asked: DescribeVpcAttribute) -> Result<Described, Refusal> {
    let id: VpcId = tag::id(Noun::Vpc, &asked.vpc_id)?;
    cx.cloud.list::<Vpc>(&cx.caller, Query { ids: vec![id], ..Query::default() }).await?;
    let mut reply = Described { vpc_id: asked.vpc_id, ..Described::default() };
    match asked.attribute {
        Attribute::EnableDnsSupport => reply.enable_dns_support = Some(Flag { value: true }),
        Attribute::EnableDnsHostnames => reply.enable_dns_hostnames = Some(Flag { value: true }),
        Attribute::EnableNetworkAddressUsageMetrics => reply.enable_network_address_usage_metrics = Some(Flag { value: false }),
    }
    Ok(reply)
}
