//! Egress-only internet gateways.

use std::ops::RangeInclusive;

use control::{CreateEgressOnlyGateway, DeleteEgressOnlyGateway, Query};
use model::{EgressOnlyGateway, Noun};
use wire::{FromArg, Show};

use crate::Cx;
use crate::error::Refusal;
use crate::filter::{self, AskedFilter};
use crate::page::Paging;
use crate::tag::{self, TagItem, TagSpecification};

/// Page sizes of the list, as EC2 documents them.
const SIZES: RangeInclusive<u32> = 5..=255;
/// What EC2 calls one in tags.
const KIND: &str = "egress-only-internet-gateway";

/// The parameters of `DescribeEgressOnlyInternetGateways`.
#[derive(FromArg)]
pub(crate) struct DescribeEgressOnlyInternetGateways {
    #[arg(name = "EgressOnlyInternetGatewayId")]
    ids: Vec<String>,
    #[arg(name = "Filter")]
    filters: Vec<AskedFilter>,
    #[arg(flatten)]
    paging: Paging,
}

/// The reply of `DescribeEgressOnlyInternetGateways`.
#[derive(Show)]
#[reply(rename = "camelCase")]
pub(crate) struct Gateways {
    egress_only_internet_gateway_set: Vec<GatewayItem>,
    next_token: Option<String>,
}

#[derive(Show)]
#[reply(rename = "camelCase")]
struct GatewayItem {
    egress_only_internet_gateway_id: String,
    attachment_set: Vec<AttachmentItem>,
    tag_set: Vec<TagItem>,
}

#[derive(Show)]
#[reply(rename = "camelCase")]
struct AttachmentItem {
    vpc_id: String,
    state: &'static str,
}

/// Lists egress-only internet gateways.
pub(crate) async fn describe(cx: Cx, asked: DescribeEgressOnlyInternetGateways) -> Result<Gateways, Refusal> {
    let pages = asked.paging.pages(&cx, SIZES, &asked.filters)?;
    let filters = filter::filters(&cx, &[], &asked.filters)?;
    let query = Query { ids: tag::ids(Noun::EgressOnlyGateway, &asked.ids)?, filters, page: pages.of_ids()? };
    let listed = cx.cloud.list::<EgressOnlyGateway>(&cx.caller, query).await?;
    Ok(Gateways { egress_only_internet_gateway_set: listed.rows.iter().map(item).collect(), next_token: pages.after(listed.next) })
}

fn item(gateway: &EgressOnlyGateway) -> GatewayItem {
    GatewayItem {
        egress_only_internet_gateway_id: gateway.id.to_string(),
        attachment_set: vec![AttachmentItem { vpc_id: gateway.vpc.to_string(), state: "attached" }],
        tag_set: tag::items(&gateway.tags),
    }
}

/// The parameters of `CreateEgressOnlyInternetGateway`.
#[derive(FromArg)]
pub(crate) struct CreateEgressOnlyInternetGateway {
    vpc_id: String,
    client_token: Option<String>,
    #[arg(name = "TagSpecification")]
    tags: Vec<TagSpecification>,
}

/// The reply of `CreateEgressOnlyInternetGateway`.
#[derive(Show)]
#[reply(rename = "camelCase")]
pub(crate) struct Created {
    client_token: Option<String>,
    egress_only_internet_gateway: GatewayItem,
}

/// Makes an egress-only internet gateway of a VPC.
pub(crate) async fn create(cx: Cx, asked: CreateEgressOnlyInternetGateway) -> Result<Created, Refusal> {
    let command = CreateEgressOnlyGateway { vpc: tag::id(Noun::Vpc, &asked.vpc_id)?, tags: tag::specified(&asked.tags, KIND, &[KIND])? };
    let gateway = cx.cloud.run(&cx.caller, command, cx.options(asked.client_token.clone())).await?;
    Ok(Created { client_token: asked.client_token, egress_only_internet_gateway: item(&gateway) })
}

/// The parameters of `DeleteEgressOnlyInternetGateway`.
#[derive(FromArg)]
pub(crate) struct DeleteEgressOnlyInternetGateway {
    egress_only_internet_gateway_id: String,
}

/// The reply of `DeleteEgressOnlyInternetGateway`.
#[derive(Show)]
#[reply(rename = "camelCase")]
pub(crate) struct Deleted {
    return_code: bool,
}

/// Deletes an egress-only internet gateway.
pub(crate) async fn delete(cx: Cx, asked: DeleteEgressOnlyInternetGateway) -> Result<Deleted, Refusal> {
    let gateway = tag::id(Noun::EgressOnlyGateway, &asked.egress_only_internet_gateway_id)?;
    cx.cloud.run(&cx.caller, DeleteEgressOnlyGateway { gateway }, cx.options(None)).await?;
    Ok(Deleted { return_code: true })
}
