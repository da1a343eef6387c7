//! VPCs.

use std::net::Ipv4Addr;

use control::{CreateVpc as Create, DeleteVpc as Delete, Field, ModifyVpc, Query};
use model::{DhcpOptions, Error, Vpc, VpcId};
use wire::{Doc, FromArg, Show};

use crate::error::Fault;
use crate::filter::{By, FILTERS_MAX, FilterArg, Filters, not_both};
use crate::page::{Cut, LIMIT_MAX};
use crate::tag::{TagArg, TagReply};
use crate::vpc_range::{self, RangeReply};
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

#[derive(Show)]
#[reply(list = "")]
pub(crate) struct Vpcs {
    total_count: usize,
    vpc_set: Vec<VpcReply>,
}

#[derive(Show)]
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
    dhcp_options_id: String,
    ipv6_cidr_block: String,
    ipv6_cidr_block_set: Vec<Doc>,
    assistant_cidr_set: Vec<RangeReply>,
    tag_set: Vec<TagReply>,
}

/// Lists VPCs.
pub(crate) async fn describe(cx: &Cx<'_>, asked: DescribeVpcs) -> Result<Vpcs, Fault> {
    not_both("VpcIds", &asked.vpc_ids, &asked.filters)?;
    let filters = Filters::read(&asked.filters, |name| {
        Some(match name {
            "vpc-id" => By::id::<VpcId>(Field::Id),
            "vpc-name" => By::Holds(Field::Name),
            "is-default" => By::Flag(Field::IsDefault),
            "cidr-block" => By::Holds(Field::Range),
            "ipv6-cidr-block" | "isp-type" | "address-type" => By::Always(&[]),
            _ => return None,
        })
    })?;
    let query = Query { ids: id::read_all(&asked.vpc_ids)?, filters: filters.into_vec(), page: asked.cut.page() };
    let listed = cx.cloud.list::<Vpc>(&cx.caller, query).await?;
    Ok(Vpcs { total_count: listed.total, vpc_set: listed.rows.into_iter().map(|vpc| reply(cx, vpc)).collect() })
}

fn reply(cx: &Cx<'_>, vpc: Vpc) -> VpcReply {
    VpcReply {
        assistant_cidr_set: vpc_range::of_vpc(&vpc),
        vpc_id: id::shown(vpc.id),
        vpc_name: vpc.name,
        cidr_block: vpc.range.to_string(),
        is_default: vpc.is_default,
        enable_multicast: false,
        enable_dhcp: true,
        enable_route_vpc_publish: false,
        created_time: time::by_beijing(vpc.created_at.timestamp()),
        dns_server_set: vpc.dhcp.dns_servers.iter().map(Ipv4Addr::to_string).collect(),
        domain_name: vpc.dhcp.domain.unwrap_or_else(|| cx.cloud.region().domain.clone()),
        dhcp_options_id: vpc.dhcp_options.map_or_else(String::new, |set| set.to_string()),
        ipv6_cidr_block: vpc.ipv6.map(|own| own.range.to_string()).unwrap_or_default(),
        ipv6_cidr_block_set: vec![],
        tag_set: tag::replies(&vpc.tags),
    }
}

/// Shortest prefix of a VPC's range (VPC documents 16 to 28 for the private ranges).
pub(crate) const PREFIX_SHORTEST: u8 = 16;

/// `CreateVpc`.
#[derive(FromArg)]
pub(crate) struct CreateVpc {
    vpc_name: String,
    cidr_block: String,
    domain_name: Option<String>,
    #[arg(max_items = model::DNS_SERVERS_MAX)]
    dns_servers: Vec<Ipv4Addr>,
    #[arg(max_items = tag::TAGS_PER_CALL)]
    tags: Vec<TagArg>,
}

/// Parameters of `CreateVpc` that are not served.
pub(crate) const CREATE_ABSENT: &[&str] =
    &["AddressType", "EnableMulticast", "EnableRouteVpcPublish", "EnableRouteVpcPublishIpv6", "Ipv6CidrBlock", "StackType"];

/// A reply that shows one VPC.
#[derive(Show)]
pub(crate) struct Made {
    vpc: VpcReply,
}

/// Makes a VPC. Its instances with a public address need no gateway, as in Tencent's VPC.
pub(crate) async fn create(cx: &Cx<'_>, asked: CreateVpc) -> Result<Made, Fault> {
    let range = asked.cidr_block.parse().map_err(|_| Error::invalid("VpcRange", "is no IPv4 range"))?;
    let (name, tags) = (asked.vpc_name, tag::tags_of(asked.tags)?);
    let domain = asked.domain_name.filter(|domain| !domain.is_empty());
    let dhcp = DhcpOptions { domain, dns_servers: own_servers(asked.dns_servers), ..DhcpOptions::default() };
    let description = String::new();
    let command = Create { range, prefix_shortest: PREFIX_SHORTEST, open: true, ipv6: false, dhcp, name, description, tags };
    Ok(Made { vpc: reply(cx, cx.cloud.run(&cx.caller, command, cx.options()).await?) })
}

/// `ModifyVpcAttribute`.
#[derive(FromArg)]
pub(crate) struct ModifyVpcAttribute {
    vpc_id: String,
    vpc_name: Option<String>,
    domain_name: Option<String>,
    #[arg(max_items = model::DNS_SERVERS_MAX)]
    dns_servers: Vec<Ipv4Addr>,
}

/// The name servers of Tencent's own, which stand for the VPC's.
const TENCENT_SERVERS: [Ipv4Addr; 2] = [Ipv4Addr::new(183, 60, 83, 19), Ipv4Addr::new(183, 60, 82, 98)];

/// The name servers of a VPC's own choice; none where all are Tencent's.
fn own_servers(servers: Vec<Ipv4Addr>) -> Vec<Ipv4Addr> {
    if servers.iter().all(|ip| TENCENT_SERVERS.contains(ip)) { vec![] } else { servers }
}

/// Gives a VPC another name, or its machines other name servers or another domain, of which they hear when they ask again.
pub(crate) async fn modify(cx: &Cx<'_>, asked: ModifyVpcAttribute) -> Result<(), Fault> {
    let (id, name) = (id::read(&asked.vpc_id)?, asked.vpc_name);
    let dns_servers = (!asked.dns_servers.is_empty()).then(|| own_servers(asked.dns_servers));
    let domain = asked.domain_name;
    let command = ModifyVpc { id, name, description: None, dns_support: None, dns_hostnames: None, domain, dns_servers };
    Ok(cx.cloud.run(&cx.caller, command, cx.options()).await.map(drop)?)
}

/// `DeleteVpc`.
#[derive(FromArg)]
pub(crate) struct DeleteVpc {
    vpc_id: String,
}

/// Deletes a VPC in which nothing is left.
pub(crate) async fn delete(cx: &Cx<'_>, asked: DeleteVpc) -> Result<(), Fault> {
    Ok(cx.cloud.run(&cx.caller, Delete { id: id::read(&asked.vpc_id)? }, cx.options()).await.map(drop)?)
}
