//! Sets of DHCP options of VPC.

use std::net::Ipv4Addr;

use control::{AssociateDhcpOptions, DhcpOptionsView, Field, HeldOptions, ModifyDhcpOptions, Query};
use model::{DhcpOptions, DhcpOptionsId, Noun, VpcId};
use wire::{FromArg, Show};

use crate::Cx;
use crate::error::Fault;
use crate::filter::{Filters, TAGS_PER_CALL, TagArg, id, tags_of};
use crate::page::{PAGE_SIZE, PAGE_SIZE_MAX, Paged};
use crate::tag::{VpcTagReply, vpc_tag_replies};

/// Sets that one call names (VPC: 20).
const NAMED_MAX: usize = 20;
/// The name servers of Alibaba Cloud's networks, which VPC's default is: the VPC's own here.
const PROVIDED: [Ipv4Addr; 2] = [Ipv4Addr::new(100, 100, 2, 136), Ipv4Addr::new(100, 100, 2, 138)];

/// `CreateDhcpOptionsSet`.
#[derive(FromArg)]
pub(crate) struct CreateDhcpOptionsSet {
    dhcp_options_set_name: Option<String>,
    dhcp_options_set_description: Option<String>,
    domain_name: Option<String>,
    domain_name_servers: Option<String>,
    #[arg(name = "Tag", max_items = TAGS_PER_CALL)]
    tags: Vec<TagArg>,
}

#[derive(Show)]
pub(crate) struct Created {
    dhcp_options_set_id: String,
    resource_group_id: &'static str,
}

/// Makes a set.
pub(crate) async fn create(cx: &Cx<'_>, asked: CreateDhcpOptionsSet) -> Result<Created, Fault> {
    let dns_servers = asked.domain_name_servers.as_deref().map(servers).transpose()?.unwrap_or_default();
    let command = control::CreateDhcpOptions {
        name: asked.dhcp_options_set_name.unwrap_or_default(),
        description: asked.dhcp_options_set_description.unwrap_or_default(),
        options: DhcpOptions { domain: asked.domain_name.filter(|domain| !domain.is_empty()), dns_servers, ..DhcpOptions::default() },
        names_own_resolver: false,
        tags: tags_of(asked.tags)?,
    };
    let set = cx.cloud.run(&cx.caller, command, cx.options()?).await?;
    Ok(Created { dhcp_options_set_id: set.id.to_string(), resource_group_id: "" })
}

/// Addresses with commas between; those of Alibaba Cloud's own servers stand for the VPC's own.
fn servers(text: &str) -> Result<Vec<Ipv4Addr>, Fault> {
    let address =
        |text: &str| text.trim().parse().map_err(|_| Fault::invalid("DomainNameServers", "must be IPv4 addresses with commas between"));
    let all: Vec<Ipv4Addr> = text.split(',').filter(|part| !part.trim().is_empty()).map(address).collect::<Result<_, _>>()?;
    Ok(if all.iter().all(|ip| PROVIDED.contains(ip)) { vec![] } else { all })
}

/// A call about one set.
#[derive(FromArg)]
pub(crate) struct Which {
    dhcp_options_set_id: String,
}

#[derive(Show)]
pub(crate) struct Described {
    #[reply(flatten)]
    set: SetReply,
    #[reply(list = "")]
    associate_vpcs: Vec<VpcReply>,
}

#[derive(Show)]
struct SetReply {
    dhcp_options_set_id: String,
    dhcp_options_set_name: String,
    dhcp_options_set_description: String,
    dhcp_options: OptionsReply,
    status: &'static str,
    owner_id: u64,
    resource_group_id: &'static str,
    #[reply(list = "")]
    tags: Vec<VpcTagReply>,
}

#[derive(Show)]
struct OptionsReply {
    domain_name: String,
    domain_name_servers: String,
}

#[derive(Show)]
struct VpcReply {
    vpc_id: String,
    associate_status: &'static str,
}

/// Tells a set with its VPCs.
pub(crate) async fn get(cx: &Cx<'_>, asked: Which) -> Result<Described, Fault> {
    let query = Query { ids: vec![set_id(&asked.dhcp_options_set_id)?], ..Query::default() };
    let view = cx.cloud.list::<DhcpOptionsView>(&cx.caller, query).await?.rows.pop();
    let view = view.ok_or_else(|| Fault::not_found(Noun::DhcpOptions, &asked.dhcp_options_set_id))?;
    let vpc = |vpc: &VpcId| VpcReply { vpc_id: vpc.to_string(), associate_status: "InUse" };
    Ok(Described { associate_vpcs: view.vpcs.iter().map(vpc).collect(), set: reply(&view) })
}

fn reply(view: &DhcpOptionsView) -> SetReply {
    let DhcpOptionsView { set, vpcs } = view;
    SetReply {
        dhcp_options_set_id: set.id.to_string(),
        dhcp_options_set_name: set.name.clone(),
        dhcp_options_set_description: set.description.clone(),
        dhcp_options: OptionsReply {
            domain_name: set.options.domain.clone().unwrap_or_default(),
            domain_name_servers: set.options.dns_servers.iter().map(ToString::to_string).collect::<Vec<_>>().join(","),
        },
        status: if vpcs.is_empty() { "Available" } else { "InUse" },
        owner_id: set.account.as_u64(),
        resource_group_id: "",
        tags: vpc_tag_replies(&set.tags),
    }
}

/// `ListDhcpOptionsSets`.
#[derive(FromArg)]
pub(crate) struct ListDhcpOptionsSets {
    #[arg(name = "DhcpOptionsSetId", alias = "DhcpOptionsSetIds", max_items = NAMED_MAX)]
    ids: Vec<String>,
    dhcp_options_set_name: Option<String>,
    domain_name: Option<String>,
    resource_group_id: Option<String>,
    #[arg(name = "Tags", max_items = TAGS_PER_CALL)]
    tags: Vec<TagArg>,
    #[arg(flatten)]
    paged: Paged,
}

#[derive(Show)]
pub(crate) struct Sets {
    #[reply(list = "")]
    dhcp_options_sets: Vec<ListedReply>,
    next_token: String,
    total_count: String,
}

#[derive(Show)]
struct ListedReply {
    #[reply(flatten)]
    set: SetReply,
    associate_vpc_count: usize,
}

/// Lists sets.
pub(crate) async fn list(cx: &Cx<'_>, asked: ListDhcpOptionsSets) -> Result<Sets, Fault> {
    let mut filters = Filters::new();
    filters
        .one_of(Field::Id, &asked.ids)
        .exact(Field::Name, asked.dhcp_options_set_name)
        .exact(Field::Domain, asked.domain_name)
        .always(asked.resource_group_id.as_ref(), &[])
        .tags(&asked.tags);
    // The list has tokens only.
    let paged = Paged { max_results: asked.paged.max_results.or(Some(PAGE_SIZE)), ..asked.paged };
    let query = Query { ids: vec![], filters: filters.into_vec(), page: paged.page(PAGE_SIZE_MAX)? };
    let listed = cx.cloud.list::<DhcpOptionsView>(&cx.caller, query).await?;
    let paging = paged.paging(&listed);
    let listed = listed.rows.iter().map(|view| ListedReply { set: reply(view), associate_vpc_count: view.vpcs.len() });
    Ok(Sets { dhcp_options_sets: listed.collect(), next_token: paging.next_token, total_count: paging.total_count.to_string() })
}

/// `UpdateDhcpOptionsSetAttribute`.
#[derive(FromArg)]
pub(crate) struct UpdateDhcpOptionsSetAttribute {
    dhcp_options_set_id: String,
    dhcp_options_set_name: Option<String>,
    dhcp_options_set_description: Option<String>,
    domain_name: Option<String>,
    domain_name_servers: Option<String>,
}

/// Changes a set, and what the machines of its VPCs are told.
pub(crate) async fn update(cx: &Cx<'_>, asked: UpdateDhcpOptionsSetAttribute) -> Result<(), Fault> {
    let command = ModifyDhcpOptions {
        set: set_id(&asked.dhcp_options_set_id)?,
        name: asked.dhcp_options_set_name,
        description: asked.dhcp_options_set_description,
        domain: asked.domain_name,
        dns_servers: asked.domain_name_servers.as_deref().map(servers).transpose()?,
    };
    Ok(cx.cloud.run(&cx.caller, command, cx.options()?).await?)
}

/// A call about a set and a VPC.
#[derive(FromArg)]
pub(crate) struct Both {
    dhcp_options_set_id: String,
    vpc_id: String,
}

/// Has a VPC without a set take one up.
pub(crate) async fn attach(cx: &Cx<'_>, asked: Both) -> Result<(), Fault> {
    let set = set_id(&asked.dhcp_options_set_id)?;
    associate(cx, &asked.vpc_id, Some(set), HeldOptions::None).await
}

/// Has a VPC leave its set.
pub(crate) async fn detach(cx: &Cx<'_>, asked: Both) -> Result<(), Fault> {
    let held = HeldOptions::This(set_id(&asked.dhcp_options_set_id)?);
    associate(cx, &asked.vpc_id, None, held).await
}

/// Has a VPC with a set take up another one.
pub(crate) async fn replace(cx: &Cx<'_>, asked: Both) -> Result<(), Fault> {
    let set = set_id(&asked.dhcp_options_set_id)?;
    associate(cx, &asked.vpc_id, Some(set), HeldOptions::Some).await
}

async fn associate(cx: &Cx<'_>, vpc: &str, set: Option<DhcpOptionsId>, held: HeldOptions) -> Result<(), Fault> {
    let command = AssociateDhcpOptions { vpc: id(Noun::Vpc, vpc)?, set, held };
    Ok(cx.cloud.run(&cx.caller, command, cx.options()?).await?)
}

/// Deletes a set that no VPC has taken up.
pub(crate) async fn delete(cx: &Cx<'_>, asked: Which) -> Result<(), Fault> {
    let command = control::DeleteDhcpOptions { set: set_id(&asked.dhcp_options_set_id)? };
    Ok(cx.cloud.run(&cx.caller, command, cx.options()?).await?)
}

fn set_id(text: &str) -> Result<DhcpOptionsId, Fault> {
    id(Noun::DhcpOptions, text)
}
