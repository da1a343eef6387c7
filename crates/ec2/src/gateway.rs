//! Internet gateways.

use control::Query;
use model::{InternetGateway, Noun};
use wire::{FromArg, Show};

use crate::Cx;
use crate::error::Refusal;
use crate::filter::{self, AskedFilter};
use crate::page::{Paging, USUAL};
use crate::tag::{self, TagItem, TagSpecification};

/// The parameters of `DescribeInternetGateways`.
#[derive(FromArg)]
pub(crate) struct DescribeInternetGateways {
    #[arg(name = "InternetGatewayId")]
    ids: Vec<String>,
    #[arg(name = "Filter")]
    filters: Vec<AskedFilter>,
    #[arg(flatten)]
    paging: Paging,
}

/// The reply of `DescribeInternetGateways`.
#[derive(Show)]
#[reply(rename = "camelCase")]
pub(crate) struct Gateways {
    internet_gateway_set: Vec<GatewayItem>,
    next_token: Option<String>,
}

#[derive(Show)]
#[reply(rename = "camelCase")]
struct GatewayItem {
    internet_gateway_id: String,
    owner_id: String,
    attachment_set: Vec<AttachmentItem>,
    tag_set: Vec<TagItem>,
}

#[derive(Show)]
#[reply(rename = "camelCase")]
struct AttachmentItem {
    vpc_id: String,
    state: &'static str,
}

/// Lists internet gateways.
pub(crate) async fn describe_gateways(cx: Cx, asked: DescribeInternetGateways) -> Result<Gateways, Refusal> {
    let pages = asked.paging.pages(&cx, USUAL, &asked.filters)?;
    let filters = filter::filters(&cx, filter::INTERNET_GATEWAY, &asked.filters)?;
    let query = Query { ids: tag::ids(Noun::InternetGateway, &asked.ids)?, filters, page: pages.of_ids()? };
    let listed = cx.cloud.list::<InternetGateway>(&cx.caller, query).await?;
    Ok(Gateways { internet_gateway_set: listed.rows.iter().map(gateway_item).collect(), next_token: pages.after(listed.next) })
}

fn gateway_item(gateway: &InternetGateway) -> GatewayItem {
    GatewayItem {
        internet_gateway_id: gateway.id.to_string(),
        owner_id: gateway.account.to_string(),
        // EC2's word for an attached gateway, unlike that of any other attachment.
        attachment_set: gateway.vpc.iter().map(|vpc| AttachmentItem { vpc_id: vpc.to_string(), state: "available" }).collect(),
        tag_set: tag::items(&gateway.tags),
    }
}

/// The parameters of `CreateInternetGateway`.
#[derive(FromArg)]
pub(crate) struct CreateInternetGateway {
    #[arg(name = "TagSpecification")]
    tags: Vec<TagSpecification>,
}

/// The reply of `CreateInternetGateway`.
#[derive(Show)]
#[reply(rename = "camelCase")]
pub(crate) struct Created {
    internet_gateway: GatewayItem,
}

/// Makes an internet gateway that is attached to nothing.
pub(crate) async fn create(cx: Cx, asked: CreateInternetGateway) -> Result<Created, Refusal> {
    let tags = tag::specified(&asked.tags, "internet-gateway", &["internet-gateway"])?;
    let gateway = cx.cloud.run(&cx.caller, control::CreateInternetGateway { tags }, cx.options(None)).await?;
    Ok(Created { internet_gateway: gateway_item(&gateway) })
}

/// The parameters of `AttachInternetGateway` and `DetachInternetGateway`.
#[derive(FromArg)]
pub(crate) struct Ends {
    internet_gateway_id: String,
    vpc_id: String,
}

/// Attaches a gateway to a VPC that has none.
pub(crate) async fn attach(cx: Cx, asked: Ends) -> Result<(), Refusal> {
    let gateway = tag::id(Noun::InternetGateway, &asked.internet_gateway_id)?;
    let vpc = tag::id(Noun::Vpc, &asked.vpc_id)?;
    Ok(cx.cloud.run(&cx.caller, control::AttachInternetGateway { gateway, vpc }, cx.options(None)).await?)
}

/// Detaches a gateway from a VPC in which nothing has a public address.
pub(crate) async fn detach(cx: Cx, asked: Ends) -> Result<(), Refusal> {
    let gateway = tag::id(Noun::InternetGateway, &asked.internet_gateway_id)?;
    let vpc = tag::id(Noun::Vpc, &asked.vpc_id)?;
    Ok(cx.cloud.run(&cx.caller, control::DetachInternetGateway { gateway, vpc }, cx.options(None)).await?)
}

/// The parameters of `DeleteInternetGateway`.
#[derive(FromArg)]
pub(crate) struct DeleteInternetGateway {
    internet_gateway_id: String,
}

/// Deletes a gateway that is attached to nothing.
pub(crate) async fn delete(cx: Cx, asked: DeleteInternetGateway) -> Result<(), Refusal> {
    let gateway = tag::id(Noun::InternetGateway, &asked.internet_gateway_id)?;
    Ok(cx.cloud.run(&cx.caller, control::DeleteInternetGateway { gateway }, cx.options(None)).await?)
}
