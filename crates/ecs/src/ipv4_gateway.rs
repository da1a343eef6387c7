//! IPv4 gateways of VPC, which are internet gateways: made for a VPC, and its only way out once they are activated.

use control::{CreateVpcGateway, DeleteVpcGateway, EnableVpcGateway, Field, ModifyVpcGateway, Query};
use jiff::Timestamp;
use model::{InternetGateway, InternetGatewayId, Noun};
use wire::{FromArg, Show};

use crate::Cx;
use crate::error::Fault;
use crate::filter::{Filters, TAGS_PER_CALL, TagArg, id, tags_of};
use crate::page::{PAGE_SIZE, PAGE_SIZE_MAX, Paged};
use crate::tag::{VpcTagReply, vpc_tag_replies};

/// `CreateIpv4Gateway`.
#[derive(FromArg)]
pub(crate) struct CreateIpv4Gateway {
    vpc_id: String,
    ipv4_gateway_name: Option<String>,
    ipv4_gateway_description: Option<String>,
    #[arg(name = "Tag", max_items = TAGS_PER_CALL)]
    tags: Vec<TagArg>,
}

#[derive(Show)]
pub(crate) struct Created {
    ipv4_gateway_id: String,
    resource_group_id: &'static str,
}

/// Makes a gateway; its VPC is as it was until the gateway is activated.
pub(crate) async fn create(cx: &Cx<'_>, asked: CreateIpv4Gateway) -> Result<Created, Fault> {
    let command = CreateVpcGateway {
        vpc: id(Noun::Vpc, &asked.vpc_id)?,
        name: asked.ipv4_gateway_name.unwrap_or_default(),
        description: asked.ipv4_gateway_description.unwrap_or_default(),
        tags: tags_of(asked.tags)?,
    };
    let gateway = cx.cloud.run(&cx.caller, command, cx.options()?).await?;
    Ok(Created { ipv4_gateway_id: gateway.id.to_string(), resource_group_id: "" })
}

/// `EnableVpcIpv4Gateway`.
#[derive(FromArg)]
pub(crate) struct EnableVpcIpv4Gateway {
    ipv4_gateway_id: String,
    #[arg(name = "RouteTableList", max_items = control::GATEWAY_TABLES_MAX)]
    route_tables: Vec<String>,
}

/// Activates a gateway: packets leave its VPC where routes lead to it, and nowhere else.
pub(crate) async fn enable(cx: &Cx<'_>, asked: EnableVpcIpv4Gateway) -> Result<(), Fault> {
    let tables = asked.route_tables.iter().map(|table| id(Noun::RouteTable, table)).collect::<Result<_, _>>()?;
    let command = EnableVpcGateway { gateway: gateway_id(&asked.ipv4_gateway_id)?, tables };
    Ok(cx.cloud.run(&cx.caller, command, cx.options()?).await?)
}

/// `UpdateIpv4GatewayAttribute`.
#[derive(FromArg)]
pub(crate) struct UpdateIpv4GatewayAttribute {
    ipv4_gateway_id: String,
    ipv4_gateway_name: Option<String>,
    ipv4_gateway_description: Option<String>,
}

/// Changes name and description.
pub(crate) async fn update(cx: &Cx<'_>, asked: UpdateIpv4GatewayAttribute) -> Result<(), Fault> {
    let gateway = gateway_id(&asked.ipv4_gateway_id)?;
    let command = ModifyVpcGateway { gateway, name: asked.ipv4_gateway_name, description: asked.ipv4_gateway_description };
    Ok(cx.cloud.run(&cx.caller, command, cx.options()?).await?)
}

/// `DeleteIpv4Gateway`.
#[derive(FromArg)]
pub(crate) struct DeleteIpv4Gateway {
    ipv4_gateway_id: String,
    #[arg(default = InternetMode::Private)]
    internet_mode: InternetMode,
}

/// How a VPC reaches public addresses when its activated gateway is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromArg)]
#[arg(rename = "lowercase")]
enum InternetMode {
    Private,
    Public,
}

/// Deletes a gateway to which no route leads.
pub(crate) async fn delete(cx: &Cx<'_>, asked: DeleteIpv4Gateway) -> Result<(), Fault> {
    let command = DeleteVpcGateway { gateway: gateway_id(&asked.ipv4_gateway_id)?, opens: asked.internet_mode == InternetMode::Public };
    Ok(cx.cloud.run(&cx.caller, command, cx.options()?).await?)
}

/// `GetIpv4GatewayAttribute`.
#[derive(FromArg)]
pub(crate) struct GetIpv4GatewayAttribute {
    ipv4_gateway_id: String,
}

#[derive(Show)]
#[reply(list = "")]
pub(crate) struct GatewayReply {
    ipv4_gateway_id: String,
    ipv4_gateway_name: String,
    ipv4_gateway_description: String,
    ipv4_gateway_route_table_id: &'static str,
    vpc_id: String,
    status: &'static str,
    enabled: bool,
    public_ipv4_cidr_blocks: Vec<String>,
    resource_group_id: &'static str,
    create_time: Timestamp,
    tags: Vec<VpcTagReply>,
}

/// Tells a gateway.
pub(crate) async fn get(cx: &Cx<'_>, asked: GetIpv4GatewayAttribute) -> Result<GatewayReply, Fault> {
    let query = Query { ids: vec![gateway_id(&asked.ipv4_gateway_id)?], ..Query::default() };
    let gateway = cx.cloud.list::<InternetGateway>(&cx.caller, query).await?.rows.pop();
    Ok(reply(&gateway.ok_or_else(|| Fault::not_found(Noun::InternetGateway, &asked.ipv4_gateway_id))?))
}

/// `ListIpv4Gateways`.
#[derive(FromArg)]
pub(crate) struct ListIpv4Gateways {
    ipv4_gateway_id: Option<String>,
    ipv4_gateway_name: Option<String>,
    vpc_id: Option<String>,
    resource_group_id: Option<String>,
    #[arg(name = "Tags", max_items = TAGS_PER_CALL)]
    tags: Vec<TagArg>,
    #[arg(flatten)]
    paged: Paged,
}

#[derive(Show)]
#[reply(list = "")]
pub(crate) struct Gateways {
    ipv4_gateway_models: Vec<GatewayReply>,
    next_token: String,
    total_count: String,
}

/// Lists gateways.
pub(crate) async fn list(cx: &Cx<'_>, asked: ListIpv4Gateways) -> Result<Gateways, Fault> {
    let mut filters = Filters::new();
    filters
        .exact(Field::Id, asked.ipv4_gateway_id)
        .exact(Field::Name, asked.ipv4_gateway_name)
        .exact(Field::Vpc, asked.vpc_id)
        .always(asked.resource_group_id.as_ref(), &[])
        .tags(&asked.tags);
    // The list has tokens only.
    let paged = Paged { max_results: asked.paged.max_results.or(Some(PAGE_SIZE)), ..asked.paged };
    let query = Query { ids: vec![], filters: filters.into_vec(), page: paged.page(PAGE_SIZE_MAX)? };
    let listed = cx.cloud.list::<InternetGateway>(&cx.caller, query).await?;
    let paging = paged.paging(&listed);
    let models = listed.rows.iter().map(reply).collect();
    Ok(Gateways { ipv4_gateway_models: models, next_token: paging.next_token, total_count: paging.total_count.to_string() })
}

fn gateway_id(text: &str) -> Result<InternetGatewayId, Fault> {
    id(Noun::InternetGateway, text)
}

fn reply(gateway: &InternetGateway) -> GatewayReply {
    GatewayReply {
        ipv4_gateway_id: gateway.id.to_string(),
        ipv4_gateway_name: gateway.name.clone(),
        ipv4_gateway_description: gateway.description.clone(),
        ipv4_gateway_route_table_id: "",
        vpc_id: gateway.vpc.map(|vpc| vpc.to_string()).unwrap_or_default(),
        status: "Created",
        enabled: gateway.vpc.is_some() && !gateway.idle,
        public_ipv4_cidr_blocks: vec![],
        resource_group_id: "",
        create_time: gateway.created_at.timestamp(),
        tags: vpc_tag_replies(&gateway.tags),
    }
}
