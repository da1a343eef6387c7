//! VPCs.

use control::{Field, Query};
use model::{Vpc, VpcId};
use wire::{Doc, FromArg, IntoDoc};

use crate::error::Fault;
use crate::filter::{By, FILTERS_MAX, FilterArg, Filters, not_both};
use crate::page::{Cut, LIMIT_MAX};
use crate::tag::TagReply;
use crate::{Cx, id, tag, time};

/// `DescribeVpcs`.
#[derive(FromArg)]
pub(crate) struct DescribeVpcs {
    #[arg(max_items = LIMIT_MAX)]
    vpc_ids: Vec<String>,
    #[arg(max_items = FILTERS_MAX)]
    filters: Vec<FilterArg>,
    #[arg(flatten)]
    cut: Cut,
}

#[derive(IntoDoc)]
#[reply(list = "")]
pub(crate) struct Vpcs {
    total_count: usize,
    vpc_set: Vec<VpcReply>,
}

#[derive(IntoDoc)]
#[reply(list = "")]
struct VpcReply {
    vpc_id: String,
    vpc_name: String,
    cidr_block: String,
    is_default: bool,
    enable_multicast: bool,
    enable_dhcp: bool,
    enable_route_vpc_publish: bool,
    created_time: String,
    dns_server_set: Vec<String>,
    domain_name: String,
    dhcp_options_id: &'static str,
    ipv6_cidr_block: &'static str,
    ipv6_cidr_block_set: Vec<Doc>,
    assistant_cidr_set: Vec<Doc>,
    tag_set: Vec<TagReply>,
}

/// Lists VPCs.
pub(crate) async fn describe(cx: &Cx<'_>, asked: DescribeVpcs) -> Result<Vpcs, Fault> {
    not_both("VpcIds", &asked.vpc_ids, &asked.filters)?;
    let filters = Filters::read(&asked.filters, |name| {
        Some(match name {
            "vpc-id" => By::id::<VpcId>(Field::Id),
            "vpc-name" => By::Holds(Field::Name),
            "is-default" => By::Is(Field::IsDefault),
            "cidr-block" => By::Holds(Field::Range),
            "ipv6-cidr-block" | "isp-type" | "address-type" => By::Always(&[]),
            _ => return None,
        })
    })?;
    let query = Query { ids: id::read_all(&asked.vpc_ids)?, filters: filters.into_vec(), page: asked.cut.page() };
    let listed = cx.cloud.list::<Vpc>(&cx.caller, query).await?;
    let reply = |vpc: Vpc| VpcReply {
        vpc_id: id::shown(vpc.id),
        vpc_name: vpc.name,
        cidr_block: vpc.range.to_string(),
        is_default: vpc.is_default,
        enable_multicast: false,
        enable_dhcp: true,
        enable_route_vpc_publish: false,
        created_time: time::by_beijing(vpc.created_at.timestamp()),
        dns_server_set: vec![],
        domain_name: cx.cloud.region().domain.clone(),
        dhcp_options_id: "",
        ipv6_cidr_block: "",
        ipv6_cidr_block_set: vec![],
        assistant_cidr_set: vec![],
        tag_set: tag::replies(&vpc.tags),
    };
    Ok(Vpcs { total_count: listed.total, vpc_set: listed.rows.into_iter().map(reply).collect() })
}
