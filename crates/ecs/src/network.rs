//! VPCs.

use std::collections::HashMap;

use control::{Field, Page, Query, RouteTableView};
use ipnet::Ipv4Net;
use jiff::Timestamp;
use model::{Noun, Subnet, Vpc, VpcId};
use wire::{FromArg, Show};

use crate::Cx;
use crate::account::Nothing;
use crate::actions::Product;
use crate::error::Fault;
use crate::filter::{Filters, TAGS_PER_CALL, TagArg, id, tags_of};
use crate::page::{Numbered, Numbers, SHORT_PAGE_MAX};
use crate::tag::{VpcTagReply, vpc_tag_replies};

/// Most VPCs that one call names (VPC documents 20).
const VPCS_PER_CALL: usize = 20;

/// `DescribeVpcs`.
#[derive(FromArg)]
pub(crate) struct DescribeVpcs {
    /// Ids with commas in between.
    vpc_id: Option<String>,
    vpc_name: Option<String>,
    is_default: Option<bool>,
    vpc_owner_id: Option<String>,
    dhcp_options_set_id: Option<String>,
    enable_ipv6: Option<bool>,
    resource_group_id: Option<String>,
    #[arg(name = "Tag", max_items = TAGS_PER_CALL)]
    tags: Vec<TagArg>,
    #[arg(flatten)]
    numbered: Numbered,
}

#[derive(Show)]
pub(crate) struct Vpcs {
    #[reply(list = "Vpc")]
    vpcs: Vec<VpcReply>,
    #[reply(flatten)]
    numbers: Numbers,
}

#[derive(Show)]
struct VpcReply {
    vpc_id: String,
    vpc_name: String,
    description: String,
    region_id: String,
    cidr_block: String,
    ipv6_cidr_block: Option<String>,
    enabled_ipv6: Option<bool>,
    status: &'static str,
    is_default: bool,
    owner_id: u64,
    creation_time: Timestamp,
    resource_group_id: &'static str,
    v_router_id: String,
    #[reply(list = "RouterTableIds")]
    router_table_ids: Vec<String>,
    #[reply(list = "VSwitchId")]
    v_switch_ids: Vec<String>,
    #[reply(list = "UserCidr")]
    user_cidrs: Vec<String>,
    #[reply(list = "SecondaryCidrBlock")]
    secondary_cidr_blocks: Vec<String>,
    #[reply(list = "Tag")]
    tags: Vec<VpcTagReply>,
}

/// Lists VPCs.
pub(crate) async fn describe(cx: &Cx<'_>, asked: DescribeVpcs) -> Result<Vpcs, Fault> {
    let mut filters = Filters::new();
    if let Some(ids) = asked.vpc_id.as_ref().filter(|ids| !ids.is_empty()) {
        let ids: Vec<String> = ids.split(',').map(|id| id.trim().to_owned()).collect();
        if ids.len() > VPCS_PER_CALL {
            return Err(Fault::invalid("VpcId", format!("more than {VPCS_PER_CALL} VPCs")));
        }
        filters.one_of(Field::Id, &ids);
    }
    filters
        .exact(Field::Name, asked.vpc_name.as_ref())
        .exact(Field::IsDefault, asked.is_default.map(|default| default.to_string()))
        .exact(Field::Owner, asked.vpc_owner_id.as_ref())
        .exact(Field::DhcpOptions, asked.dhcp_options_set_id.as_ref())
        .exact(Field::HasIpv6, asked.enable_ipv6)
        .always(asked.resource_group_id.as_ref(), &[])
        .tags(&asked.tags);
    let query = Query { ids: vec![], filters: filters.into_vec(), page: asked.numbered.page(SHORT_PAGE_MAX)? };
    let listed = cx.cloud.list::<Vpc>(&cx.caller, query).await?;
    let numbers = asked.numbered.numbers(&listed);
    let mut parts = parts_of(cx, &listed.rows).await?;
    let vpcs = listed.rows.into_iter().map(|vpc| reply(cx, parts.remove(&vpc.id).unwrap_or_default(), vpc)).collect();
    Ok(Vpcs { vpcs, numbers })
}

/// Ids of what a VPC consists of.
#[derive(Default)]
struct Parts {
    subnets: Vec<String>,
    tables: Vec<String>,
}

/// The id of the router of a VPC. It is nothing by itself here, so it has the VPC's digits.
pub(crate) fn router_id(vpc: VpcId) -> String {
    format!("vrt-0{:016x}", vpc.as_u64())
}

fn reply(cx: &Cx<'_>, parts: Parts, vpc: Vpc) -> VpcReply {
    // ECS's older reply knows no IPv6.
    let own = (cx.product == Product::Vpc).then_some(vpc.ipv6);
    VpcReply {
        vpc_id: vpc.id.to_string(),
        vpc_name: vpc.name,
        description: vpc.description,
        region_id: cx.region(),
        cidr_block: vpc.range.to_string(),
        ipv6_cidr_block: own.map(|own| own.map(|own| own.range.to_string()).unwrap_or_default()),
        enabled_ipv6: own.map(|own| own.is_some()),
        status: "Available",
        is_default: vpc.is_default,
        owner_id: vpc.account.as_u64(),
        creation_time: vpc.created_at.timestamp(),
        resource_group_id: "",
        v_router_id: router_id(vpc.id),
        router_table_ids: parts.tables,
        v_switch_ids: parts.subnets,
        user_cidrs: vec![],
        secondary_cidr_blocks: vpc.secondary.iter().map(|further| further.range.to_string()).collect(),
        tags: vpc_tag_replies(&vpc.tags),
    }
}

/// Ids of the vSwitches and route tables of each VPC.
async fn parts_of(cx: &Cx<'_>, vpcs: &[Vpc]) -> Result<HashMap<VpcId, Parts>, Fault> {
    let ids: Vec<String> = vpcs.iter().map(|vpc| vpc.id.to_string()).collect();
    let mut found: HashMap<VpcId, Parts> = HashMap::new();
    if ids.is_empty() {
        return Ok(found);
    }
    let mut filters = Filters::new();
    filters.one_of(Field::Vpc, &ids);
    let filters = filters.into_vec();
    let mut page = Page::First(control::PAGE_MAX);
    loop {
        let listed = cx.cloud.list::<Subnet>(&cx.caller, Query { ids: vec![], filters: filters.clone(), page }).await?;
        for subnet in listed.rows {
            found.entry(subnet.vpc).or_default().subnets.push(subnet.id.to_string());
        }
        match listed.next {
            Some(last) => page = Page::After { last, size: control::PAGE_MAX },
            None => break,
        }
    }
    let mut page = Page::First(control::PAGE_MAX);
    loop {
        let listed = cx.cloud.list::<RouteTableView>(&cx.caller, Query { ids: vec![], filters: filters.clone(), page }).await?;
        for view in listed.rows {
            found.entry(view.vpc.id).or_default().tables.push(view.table.id.to_string());
        }
        match listed.next {
            Some(last) => page = Page::After { last, size: control::PAGE_MAX },
            None => return Ok(found),
        }
    }
}

/// `DescribeVRouters`.
#[derive(FromArg)]
pub(crate) struct DescribeVRouters {
    v_router_id: Option<String>,
    #[arg(flatten)]
    numbered: Numbered,
}

#[derive(Show)]
pub(crate) struct Routers {
    #[reply(list = "VRouter")]
    v_routers: Vec<RouterReply>,
    #[reply(flatten)]
    numbers: Numbers,
}

#[derive(Show)]
struct RouterReply {
    v_router_id: String,
    v_router_name: &'static str,
    description: &'static str,
    vpc_id: String,
    region_id: String,
    creation_time: Timestamp,
    #[reply(list = "RouteTableId")]
    route_table_ids: Vec<String>,
}

/// Lists the routers of VPCs, of which each has one.
pub(crate) async fn routers(cx: &Cx<'_>, asked: DescribeVRouters) -> Result<Routers, Fault> {
    let mut filters = Filters::new();
    let vpc = |id: String| id.strip_prefix("vrt-").map_or(id.clone(), |digits| format!("{}{digits}", VpcId::PREFIX));
    filters.exact(Field::Id, asked.v_router_id.filter(|id| !id.is_empty()).map(vpc));
    let query = Query { ids: vec![], filters: filters.into_vec(), page: asked.numbered.page(SHORT_PAGE_MAX)? };
    let listed = cx.cloud.list::<Vpc>(&cx.caller, query).await?;
    let numbers = asked.numbered.numbers(&listed);
    let mut parts = parts_of(cx, &listed.rows).await?;
    let router = |vpc: Vpc| RouterReply {
        v_router_id: router_id(vpc.id),
        v_router_name: "",
        description: "",
        vpc_id: vpc.id.to_string(),
        region_id: cx.region(),
        creation_time: vpc.created_at.timestamp(),
        route_table_ids: parts.remove(&vpc.id).unwrap_or_default().tables,
    };
    Ok(Routers { v_routers: listed.rows.into_iter().map(router).collect(), numbers })
}

/// `DescribeVpcAttribute`.
#[derive(FromArg)]
pub(crate) struct DescribeVpcAttribute {
    vpc_id: String,
    is_default: Option<bool>,
}

#[derive(Show)]
pub(crate) struct VpcAttribute {
    #[reply(flatten)]
    vpc: VpcReply,
    dhcp_options_set_id: String,
    dhcp_options_set_status: &'static str,
    classic_link_enabled: bool,
}

/// Tells one VPC.
pub(crate) async fn attribute(cx: &Cx<'_>, asked: DescribeVpcAttribute) -> Result<VpcAttribute, Fault> {
    let wanted: VpcId = id(Noun::Vpc, &asked.vpc_id)?;
    let listed = cx.cloud.list::<Vpc>(&cx.caller, Query { ids: vec![wanted], ..Query::default() }).await?;
    let mut parts = parts_of(cx, &listed.rows).await?;
    let vpc = listed.rows.into_iter().find(|vpc| asked.is_default.is_none_or(|default| default == vpc.is_default));
    let vpc = vpc.ok_or_else(|| Fault::not_found(Noun::Vpc, &asked.vpc_id))?;
    let set = vpc.dhcp_options;
    let vpc = reply(cx, parts.remove(&wanted).unwrap_or_default(), vpc);
    let dhcp_options_set_id = set.map_or_else(String::new, |set| set.to_string());
    let dhcp_options_set_status = if set.is_some() { "InUse" } else { "Available" };
    Ok(VpcAttribute { vpc, dhcp_options_set_id, dhcp_options_set_status, classic_link_enabled: false })
}

/// `CreateVpc`.
#[derive(FromArg)]
pub(crate) struct CreateVpc {
    #[arg(default = RANGE.to_owned())]
    cidr_block: String,
    vpc_name: Option<String>,
    description: Option<String>,
    #[arg(default)]
    enable_ipv6: bool,
    #[arg(name = "Tag", max_items = TAGS_PER_CALL)]
    tags: Vec<TagArg>,
}

/// The range of a VPC that names none, as VPC documents it.
const RANGE: &str = "172.16.0.0/12";

#[derive(Show)]
pub(crate) struct Created {
    vpc_id: String,
    v_router_id: String,
    route_table_id: String,
    resource_group_id: &'static str,
}

/// Makes a VPC. Its instances reach public addresses without a gateway, as Alibaba Cloud's do.
pub(crate) async fn create(cx: &Cx<'_>, asked: CreateVpc) -> Result<Created, Fault> {
    let command = control::CreateVpc {
        range: range(&asked.cidr_block)?,
        prefix_shortest: model::VPC_PREFIX_SHORTEST,
        open: true,
        ipv6: asked.enable_ipv6,
        dhcp: model::DhcpOptions::default(),
        name: asked.vpc_name.unwrap_or_default(),
        description: asked.description.unwrap_or_default(),
        tags: tags_of(asked.tags)?,
    };
    let vpc = cx.cloud.run(&cx.caller, command, cx.options()?).await?;
    created(cx, &vpc).await
}

/// Makes the default VPC of an account that has none.
pub(crate) async fn create_default(cx: &Cx<'_>, _: Nothing) -> Result<Created, Fault> {
    let vpc = cx.cloud.run(&cx.caller, control::CreateDefaultVpc {}, cx.options()?).await?;
    created(cx, &vpc).await
}

async fn created(cx: &Cx<'_>, vpc: &Vpc) -> Result<Created, Fault> {
    let route_table_id = parts_of(cx, std::slice::from_ref(vpc)).await?.remove(&vpc.id).and_then(|mut parts| parts.tables.pop());
    Ok(Created {
        vpc_id: vpc.id.to_string(),
        v_router_id: router_id(vpc.id),
        route_table_id: route_table_id.unwrap_or_default(),
        resource_group_id: "",
    })
}

/// Reads a range.
pub(crate) fn range(text: &str) -> Result<Ipv4Net, Fault> {
    text.parse().map_err(|_| Fault::range(text, "it is no range of IPv4 addresses"))
}

/// `DeleteVpc`.
#[derive(FromArg)]
pub(crate) struct DeleteVpc {
    vpc_id: String,
}

/// Deletes a VPC in which nothing is left.
pub(crate) async fn delete(cx: &Cx<'_>, asked: DeleteVpc) -> Result<(), Fault> {
    Ok(cx.cloud.run(&cx.caller, control::DeleteVpc { id: id(Noun::Vpc, &asked.vpc_id)? }, cx.options()?).await?)
}

/// `ModifyVpcAttribute`.
#[derive(FromArg)]
pub(crate) struct ModifyVpcAttribute {
    vpc_id: String,
    vpc_name: Option<String>,
    description: Option<String>,
}

/// Changes what is said of a VPC.
pub(crate) async fn modify(cx: &Cx<'_>, asked: ModifyVpcAttribute) -> Result<(), Fault> {
    let command = control::ModifyVpc {
        id: id(Noun::Vpc, &asked.vpc_id)?,
        name: asked.vpc_name,
        description: asked.description,
        dns_support: None,
        dns_hostnames: None,
        domain: None,
        dns_servers: None,
    };
    Ok(cx.cloud.run(&cx.caller, command, cx.options()?).await?)
}
