//! IPv6 gateways of VPC, which are egress-only gateways: a VPC's only one, for addresses that have bandwidth of their own.

use control::{CreateIpv6Gateway as Create, DeleteIpv6Gateway as Delete, Field, ModifyIpv6Gateway as Modify, Query};
use jiff::Timestamp;
use model::{EgressOnlyGateway, EgressOnlyGatewayId, Noun};
use wire::{FromArg, Show};

use crate::Cx;
use crate::error::Fault;
use crate::filter::{Filters, TAGS_PER_CALL, TagArg, id, tags_of};
use crate::page::{Numbered, Numbers, SHORT_PAGE_MAX};
use crate::tag::{VpcTagReply, vpc_tag_replies};

/// `CreateIpv6Gateway`.
#[derive(FromArg)]
pub(crate) struct CreateIpv6Gateway {
    vpc_id: String,
    name: Option<String>,
    description: Option<String>,
    #[arg(name = "Tag", max_items = TAGS_PER_CALL)]
    tags: Vec<TagArg>,
}

#[derive(Show)]
pub(crate) struct Created {
    ipv6_gateway_id: String,
    resource_group_id: &'static str,
}

/// Makes a gateway, to which the VPC's system route table leads from then on.
pub(crate) async fn create(cx: &Cx<'_>, asked: CreateIpv6Gateway) -> Result<Created, Fault> {
    let command = Create {
        vpc: id(Noun::Vpc, &asked.vpc_id)?,
        name: asked.name.unwrap_or_default(),
        description: asked.description.unwrap_or_default(),
        tags: tags_of(asked.tags)?,
    };
    let gateway = cx.cloud.run(&cx.caller, command, cx.options()?).await?;
    Ok(Created { ipv6_gateway_id: gateway.id.to_string(), resource_group_id: "" })
}

/// `ModifyIpv6GatewayAttribute`.
#[derive(FromArg)]
pub(crate) struct ModifyIpv6GatewayAttribute {
    ipv6_gateway_id: String,
    name: Option<String>,
    description: Option<String>,
}

/// Changes name and description.
pub(crate) async fn modify(cx: &Cx<'_>, asked: ModifyIpv6GatewayAttribute) -> Result<(), Fault> {
    let command = Modify { gateway: gateway_id(&asked.ipv6_gateway_id)?, name: asked.name, description: asked.description };
    Ok(cx.cloud.run(&cx.caller, command, cx.options()?).await?)
}

/// `DeleteIpv6Gateway`, `DescribeIpv6GatewayAttribute`.
#[derive(FromArg)]
pub(crate) struct One {
    ipv6_gateway_id: String,
}

/// Deletes a gateway by which no address has bandwidth.
pub(crate) async fn delete(cx: &Cx<'_>, asked: One) -> Result<(), Fault> {
    Ok(cx.cloud.run(&cx.caller, Delete { gateway: gateway_id(&asked.ipv6_gateway_id)? }, cx.options()?).await?)
}

#[derive(Show)]
pub(crate) struct GatewayReply {
    region_id: String,
    ipv6_gateway_id: String,
    vpc_id: String,
    name: String,
    description: String,
    status: &'static str,
    business_status: &'static str,
    spec: &'static str,
    instance_charge_type: &'static str,
    expired_time: &'static str,
    creation_time: Timestamp,
    resource_group_id: &'static str,
    #[reply(list = "Tag")]
    tags: Vec<VpcTagReply>,
}

/// Tells a gateway.
pub(crate) async fn attribute(cx: &Cx<'_>, asked: One) -> Result<GatewayReply, Fault> {
    let query = Query { ids: vec![gateway_id(&asked.ipv6_gateway_id)?], ..Query::default() };
    let gateway = cx.cloud.list::<EgressOnlyGateway>(&cx.caller, query).await?.rows.pop();
    Ok(reply(cx, &gateway.ok_or_else(|| Fault::not_found(Noun::EgressOnlyGateway, &asked.ipv6_gateway_id))?))
}

/// `DescribeIpv6Gateways`.
#[derive(FromArg)]
pub(crate) struct DescribeIpv6Gateways {
    ipv6_gateway_id: Option<String>,
    name: Option<String>,
    vpc_id: Option<String>,
    resource_group_id: Option<String>,
    #[arg(name = "Tags", max_items = TAGS_PER_CALL)]
    tags: Vec<TagArg>,
    #[arg(flatten)]
    numbered: Numbered,
}

#[derive(Show)]
pub(crate) struct Gateways {
    #[reply(flatten)]
    numbers: Numbers,
    #[reply(list = "Ipv6Gateway")]
    ipv6_gateways: Vec<GatewayReply>,
}

/// Lists gateways.
pub(crate) async fn describe(cx: &Cx<'_>, asked: DescribeIpv6Gateways) -> Result<Gateways, Fault> {
    let mut filters = Filters::new();
    filters
        .exact(Field::Id, asked.ipv6_gateway_id)
        .exact(Field::Name, asked.name)
        .exact(Field::Vpc, asked.vpc_id)
        .always(asked.resource_group_id.as_ref(), &[])
        .tags(&asked.tags);
    let query = Query { ids: vec![], filters: filters.into_vec(), page: asked.numbered.page(SHORT_PAGE_MAX)? };
    let listed = cx.cloud.list::<EgressOnlyGateway>(&cx.caller, query).await?;
    Ok(Gateways { numbers: asked.numbered.numbers(&listed), ipv6_gateways: listed.rows.iter().map(|gateway| reply(cx, gateway)).collect() })
}

pub(crate) fn gateway_id(text: &str) -> Result<EgressOnlyGatewayId, Fault> {
    id(Noun::EgressOnlyGateway, text)
}

fn reply(cx: &Cx<'_>, gateway: &EgressOnlyGateway) -> GatewayReply {
    GatewayReply {
        region_id: cx.region(),
        ipv6_gateway_id: gateway.id.to_string(),
        vpc_id: gateway.vpc.to_string(),
        name: gateway.name.clone(),
        description: gateway.description.clone(),
        status: "Available",
        business_status: "Normal",
        spec: "Free",
        instance_charge_type: "PostPaid",
        expired_time: "",
        creation_time: gateway.created_at.timestamp(),
        resource_group_id: "",
        tags: vpc_tag_replies(&gateway.tags),
    }
}
