//! Route tables and their routes, in VPC's words.
//!
//! A route has no id of its own: its table and its destination name it. `RouteId` and `RouteItemId` are the destination written as a
//! number and as a text, so that a client may delete by what it was shown.

use control::{
    AssociateRouteTable, ChangeRoute, CreateRouteTable as Create, DeleteRouteTable as Delete, Field, Filter, Many, ModifyRouteTable,
    PAGE_MAX, Page, Query, RouteChange, RouteTableView,
};
use ipnet::Ipv4Net;
use model::{Error, Interface, Noun, Route, RouteTable, RouteTableId, RouteTarget, SubnetId, VpcId};
use wire::{Doc, FromArg, Show};

use crate::error::Fault;
use crate::filter::{By, FILTERS_MAX, FilterArg, Filters, not_both};
use crate::page::{Cut, LIMIT_MAX};
use crate::tag::{TagArg, TagReply};
use crate::{Cx, id, tag, time};

/// Most routes of one call (VPC documents 100).
const ROUTES_PER_CALL: usize = 100;

/// `DescribeRouteTables`.
#[derive(FromArg)]
pub(crate) struct DescribeRouteTables {
    #[arg(max_items = LIMIT_MAX)]
    route_table_ids: Vec<String>,
    #[arg(max_items = FILTERS_MAX)]
    filters: Vec<FilterArg>,
    #[arg(default = true)]
    need_router_info: bool,
    #[arg(flatten)]
    cut: Cut,
}

/// Route tables.
#[derive(Show)]
#[reply(list = "")]
pub(crate) struct Tables {
    total_count: usize,
    route_table_set: Vec<TableReply>,
}

#[derive(Show)]
#[reply(list = "")]
struct TableReply {
    vpc_id: String,
    route_table_id: String,
    route_table_name: String,
    association_set: Vec<Tie>,
    route_set: Vec<RouteReply>,
    main: bool,
    created_time: String,
    tag_set: Vec<TagReply>,
    local_cidr_for_ccn: Vec<Doc>,
}

#[derive(Show)]
struct Tie {
    subnet_id: String,
    route_table_id: String,
}

#[derive(Show)]
struct RouteReply {
    destination_cidr_block: String,
    gateway_type: &'static str,
    gateway_id: String,
    route_id: u64,
    route_item_id: String,
    route_description: String,
    enabled: bool,
    route_type: &'static str,
    route_table_id: String,
    published_to_vbc: bool,
    created_time: String,
}

/// Lists route tables.
pub(crate) async fn describe(cx: &Cx<'_>, asked: DescribeRouteTables) -> Result<Tables, Fault> {
    not_both("RouteTableIds", &asked.route_table_ids, &asked.filters)?;
    let filters = Filters::read(&asked.filters, |name| {
        Some(match name {
            "route-table-id" => By::id::<RouteTableId>(Field::Id),
            "route-table-name" => By::Holds(Field::Name),
            "vpc-id" => By::id::<VpcId>(Field::Vpc),
            "association.main" => By::Flag(Field::IsDefault),
            "visible" => By::Always(&["true"]),
            "next-hop-type" => By::Word(Field::Kind, next_hops),
            _ => return None,
        })
    })?;
    let query = Query { ids: id::read_all(&asked.route_table_ids)?, filters: filters.into_vec(), page: asked.cut.page() };
    let listed = cx.cloud.list::<RouteTableView>(&cx.caller, query).await?;
    let shown = |view: &RouteTableView| {
        let mut shown = reply(view);
        shown.route_set.retain(|_| asked.need_router_info);
        shown
    };
    Ok(Tables { total_count: listed.total, route_table_set: listed.rows.iter().map(shown).collect() })
}

/// The control plane's words for what routes lead to.
fn next_hops(kind: &str) -> Vec<String> {
    let word = match kind {
        "EIP" => "internet-gateway",
        "NAT" => "nat-gateway",
        "PEERCONNECTION" => "peering",
        "NORMAL_CVM" | "CVM" => "interface",
        _ => return vec![],
    };
    vec![word.to_owned()]
}

/// The tables of the account, for what shows one beside other things.
pub(crate) async fn tables(cx: &Cx<'_>) -> Result<Vec<RouteTable>, Fault> {
    let (mut tables, mut page) = (vec![], Page::First(PAGE_MAX));
    loop {
        let listed = cx.cloud.list::<RouteTableView>(&cx.caller, Query { page, ..Query::default() }).await?;
        tables.extend(listed.rows.into_iter().map(|view| view.table));
        match listed.next {
            Some(last) => page = Page::After { last, size: PAGE_MAX },
            None => return Ok(tables),
        }
    }
}

fn reply(view: &RouteTableView) -> TableReply {
    let table = &view.table;
    let tie = |subnet| Tie { subnet_id: id::shown(subnet), route_table_id: id::shown(table.id) };
    TableReply {
        vpc_id: id::shown(table.vpc),
        route_table_id: id::shown(table.id),
        route_table_name: table.name.clone(),
        association_set: table.subnets.iter().map(|held| tie(held.subnet)).collect(),
        route_set: table.routes.iter().map(|route| route_reply(view, route)).collect(),
        main: table.main.is_some(),
        created_time: time::by_beijing(table.created_at.timestamp()),
        tag_set: tag::replies(&table.tags),
        local_cidr_for_ccn: vec![],
    }
}

fn route_reply(view: &RouteTableView, route: &Route) -> RouteReply {
    let (gateway_type, gateway_id) = match route.target {
        // The public address that an instance has itself, which VPC writes so.
        RouteTarget::InternetGateway { .. } => ("EIP", "0".to_owned()),
        RouteTarget::NatGateway { gateway } => ("NAT", id::shown(gateway)),
        RouteTarget::Peering { peering } => ("PEERCONNECTION", id::shown(peering)),
        RouteTarget::Interface { interface } => {
            let ip = view.interfaces.iter().find(|row| row.id == interface).map(|row| row.ip.to_string());
            ("NORMAL_CVM", ip.unwrap_or_default())
        }
    };
    RouteReply {
        destination_cidr_block: route.destination.to_string(),
        gateway_type,
        gateway_id,
        route_id: number(route.destination),
        route_item_id: format!("{ITEM}{:010x}", number(route.destination)),
        route_description: route.description.clone(),
        enabled: !route.disabled,
        route_type: "USER",
        route_table_id: id::shown(view.table.id),
        published_to_vbc: false,
        created_time: time::by_beijing(view.table.created_at.timestamp()),
    }
}

/// What the text of a route's id begins with.
const ITEM: &str = "rti-";

/// A destination as a number: its address and, in the last byte, the length of its prefix.
fn number(destination: Ipv4Net) -> u64 {
    u64::from(destination.network().to_bits()) << 8 | u64::from(destination.prefix_len())
}

fn numbered(number: u64) -> Option<Ipv4Net> {
    let address = u32::try_from(number >> 8).ok()?;
    Ipv4Net::new(address.into(), (number & 0xff) as u8).ok()
}

/// `CreateRouteTable`.
#[derive(FromArg)]
pub(crate) struct CreateRouteTable {
    vpc_id: String,
    route_table_name: String,
    #[arg(max_items = tag::TAGS_PER_CALL)]
    tags: Vec<TagArg>,
}

/// A reply that shows one table.
#[derive(Show)]
pub(crate) struct Made {
    route_table: TableReply,
}

/// Makes a route table that no subnet uses yet.
pub(crate) async fn create(cx: &Cx<'_>, asked: CreateRouteTable) -> Result<Made, Fault> {
    let (vpc, tags) = (id::read(&asked.vpc_id)?, tag::tags_of(asked.tags)?);
    let command = Create { vpc, name: asked.route_table_name, description: String::new(), tags };
    let table = cx.cloud.run(&cx.caller, command, cx.options()).await?;
    Ok(Made { route_table: reply(&view_of(cx, table.id).await?) })
}

async fn view_of(cx: &Cx<'_>, table: RouteTableId) -> Result<RouteTableView, Fault> {
    let mut listed = cx.cloud.list::<RouteTableView>(&cx.caller, Query { ids: vec![table], ..Query::default() }).await?;
    listed.rows.pop().ok_or_else(|| Error::not_found(Noun::RouteTable, table).into())
}

/// `ModifyRouteTableAttribute`.
#[derive(FromArg)]
pub(crate) struct ModifyRouteTableAttribute {
    route_table_id: String,
    route_table_name: String,
}

/// Gives a route table another name.
pub(crate) async fn modify(cx: &Cx<'_>, asked: ModifyRouteTableAttribute) -> Result<(), Fault> {
    let (table, name) = (id::read(&asked.route_table_id)?, Some(asked.route_table_name));
    Ok(cx.cloud.run(&cx.caller, ModifyRouteTable { table, name, description: None }, cx.options()).await?)
}

/// `DeleteRouteTable`.
#[derive(FromArg)]
pub(crate) struct DeleteRouteTable {
    route_table_id: String,
}

/// Deletes a route table that nothing uses.
pub(crate) async fn delete(cx: &Cx<'_>, asked: DeleteRouteTable) -> Result<(), Fault> {
    Ok(cx.cloud.run(&cx.caller, Delete { table: id::read(&asked.route_table_id)? }, cx.options()).await?)
}

/// A route of a call.
#[derive(FromArg)]
struct RouteArg {
    destination_cidr_block: Option<String>,
    gateway_type: Option<String>,
    gateway_id: Option<String>,
    route_id: Option<u64>,
    route_item_id: Option<String>,
    route_description: Option<String>,
    enabled: Option<bool>,
    route_type: Option<RouteType>,
    route_table_id: Option<String>,
    #[expect(dead_code, reason = "VPC documents that it says nothing in a call")]
    published_to_vbc: Option<bool>,
}

/// Who made a route. Only tenants' own can be made and changed.
#[derive(Clone, Copy, PartialEq, Eq, FromArg)]
#[arg(rename = "UPPER_SNAKE_CASE")]
enum RouteType {
    User,
    Netd,
    Ccn,
}

/// `CreateRoutes`, `ReplaceRoutes` and `DeleteRoutes`.
#[derive(FromArg)]
pub(crate) struct Routes {
    route_table_id: String,
    #[arg(max_items = ROUTES_PER_CALL)]
    routes: Vec<RouteArg>,
}

/// What of a route is not served.
pub(crate) const ROUTE_ABSENT: &[&str] = &["Routes.CdcId", "Routes.CreatedTime", "Routes.DestinationIpv6CidrBlock"];

/// Makes routes: all of them or none.
pub(crate) async fn create_routes(cx: &Cx<'_>, asked: Routes) -> Result<Tables, Fault> {
    let table: RouteTableId = id::read(&asked.route_table_id)?;
    let vpc = view_of(cx, table).await?.vpc.id;
    let mut commands = Vec::new();
    for route in some(&asked)? {
        let destination = destination(route)?;
        let target = target(cx, vpc, route).await?;
        let said = [Some(RouteChange::Create(target)), route.route_description.clone().map(RouteChange::Describe)];
        let said = said.into_iter().flatten().chain(route.enabled.map(RouteChange::Enable));
        commands.extend(said.map(|change| ChangeRoute { table, destination: destination.into(), change }));
    }
    cx.cloud.run(&cx.caller, Many(commands), cx.options()).await?;
    Ok(Tables { total_count: 1, route_table_set: vec![reply(&view_of(cx, table).await?)] })
}

/// The routes that were replaced, and what they are now.
#[derive(Show)]
#[reply(list = "")]
pub(crate) struct Replaced {
    old_route_set: Vec<RouteReply>,
    new_route_set: Vec<RouteReply>,
}

/// Changes routes, which their ids name: all of them or none. What a route does not say stays.
pub(crate) async fn replace_routes(cx: &Cx<'_>, asked: Routes) -> Result<Replaced, Fault> {
    let table: RouteTableId = id::read(&asked.route_table_id)?;
    let before = view_of(cx, table).await?;
    // What goes goes first, so that two routes may change places.
    let (mut gone, mut made, mut old, mut new) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for route in some(&asked)? {
        let named = named(route)?.ok_or_else(|| Fault::missing("RouteItemId"))?;
        let held = before.table.route_to(named).ok_or_else(|| Error::not_found(Noun::Route, named))?;
        let destination = if route.destination_cidr_block.is_some() { destination(route)?.trunc() } else { named };
        let target = target(cx, before.vpc.id, route).await?;
        let description = route.route_description.clone().unwrap_or_else(|| held.description.clone());
        let enabled = route.enabled.unwrap_or(!held.disabled);
        gone.push(ChangeRoute { table, destination: named.into(), change: RouteChange::Delete });
        let said = [RouteChange::Create(target), RouteChange::Describe(description), RouteChange::Enable(enabled)];
        made.extend(said.map(|change| ChangeRoute { table, destination: destination.into(), change }));
        old.push(route_reply(&before, held));
        new.push(destination);
    }
    gone.append(&mut made);
    cx.cloud.run(&cx.caller, Many(gone), cx.options()).await?;
    let after = view_of(cx, table).await?;
    let new = new.into_iter().filter_map(|destination| after.table.route_to(destination));
    Ok(Replaced { old_route_set: old, new_route_set: new.map(|route| route_reply(&after, route)).collect() })
}

/// `EnableRoutes` and `DisableRoutes`.
#[derive(FromArg)]
pub(crate) struct NamedRoutes {
    route_table_id: String,
    #[arg(max_items = ROUTES_PER_CALL)]
    route_ids: Vec<u64>,
    #[arg(max_items = ROUTES_PER_CALL)]
    route_item_ids: Vec<String>,
}

/// Has packets follow routes again: all of them or none.
pub(crate) async fn enable_routes(cx: &Cx<'_>, asked: NamedRoutes) -> Result<(), Fault> {
    set_enabled(cx, asked, true).await
}

/// Has packets go as if routes were not there: all of them or none.
pub(crate) async fn disable_routes(cx: &Cx<'_>, asked: NamedRoutes) -> Result<(), Fault> {
    set_enabled(cx, asked, false).await
}

async fn set_enabled(cx: &Cx<'_>, asked: NamedRoutes, enabled: bool) -> Result<(), Fault> {
    let table: RouteTableId = id::read(&asked.route_table_id)?;
    let destinations: Vec<Ipv4Net> = match (&asked.route_ids[..], &asked.route_item_ids[..]) {
        ([], []) => return Err(Fault::missing("RouteItemIds")),
        (ids, []) => ids.iter().map(|id| by_number(*id)).collect::<Result<_, _>>()?,
        ([], items) => items.iter().map(|item| by_item(item)).collect::<Result<_, _>>()?,
        (_, _) => return Err(Fault::conflict("`RouteIds` and `RouteItemIds` exclude each other")),
    };
    let change = |destination: Ipv4Net| ChangeRoute { table, destination: destination.into(), change: RouteChange::Enable(enabled) };
    Ok(cx.cloud.run(&cx.caller, Many(destinations.into_iter().map(change).collect()), cx.options()).await.map(drop)?)
}

/// The routes that were deleted.
#[derive(Show)]
#[reply(list = "")]
pub(crate) struct Deleted {
    route_set: Vec<RouteReply>,
}

/// Deletes routes: all of them or none.
pub(crate) async fn delete_routes(cx: &Cx<'_>, asked: Routes) -> Result<Deleted, Fault> {
    let table: RouteTableId = id::read(&asked.route_table_id)?;
    let before = view_of(cx, table).await?;
    let destinations = some(&asked)?.iter().map(destination).collect::<Result<Vec<_>, Fault>>()?;
    let delete = |destination: &Ipv4Net| ChangeRoute { table, destination: (*destination).into(), change: RouteChange::Delete };
    cx.cloud.run(&cx.caller, Many(destinations.iter().map(delete).collect()), cx.options()).await?;
    let gone = before.table.routes.iter().filter(|route| destinations.contains(&route.destination));
    Ok(Deleted { route_set: gone.map(|route| route_reply(&before, route)).collect() })
}

/// The routes of a call, of which there is one at least, each a tenant's own and of the table that the call names.
fn some(asked: &Routes) -> Result<&[RouteArg], Fault> {
    if asked.routes.is_empty() {
        return Err(Fault::missing("Routes"));
    }
    for route in &asked.routes {
        if route.route_type.is_some_and(|kind| kind != RouteType::User) {
            return Err(Fault::new("UnsupportedOperation.SystemRoute", "Routes of the type USER alone can be made and changed."));
        }
        if route.route_table_id.as_ref().is_some_and(|table| *table != asked.route_table_id) {
            return Err(Fault::conflict("a route names another route table than the call"));
        }
    }
    Ok(&asked.routes)
}

/// The destination that a route says, or else that its id tells.
fn destination(route: &RouteArg) -> Result<Ipv4Net, Fault> {
    match &route.destination_cidr_block {
        Some(text) => text.parse().map_err(|_| Error::invalid("DestinationCidrBlock", "is no IPv4 range").into()),
        None => named(route)?.ok_or_else(|| Fault::missing("DestinationCidrBlock")),
    }
}

/// The destination that the id of a route tells; none where no id is said.
fn named(route: &RouteArg) -> Result<Option<Ipv4Net>, Fault> {
    match (&route.route_item_id, route.route_id) {
        (Some(item), _) => by_item(item).map(Some),
        (None, Some(id)) => by_number(id).map(Some),
        (None, None) => Ok(None),
    }
}

fn by_item(item: &str) -> Result<Ipv4Net, Fault> {
    let digits = item.strip_prefix(ITEM).and_then(|digits| u64::from_str_radix(digits, 16).ok());
    digits.and_then(numbered).ok_or_else(|| Fault::not_found(Noun::Route, item))
}

fn by_number(id: u64) -> Result<Ipv4Net, Fault> {
    numbered(id).ok_or_else(|| Fault::not_found(Noun::Route, &id.to_string()))
}

/// What a route leads to. An instance is named by a private address of its.
async fn target(cx: &Cx<'_>, vpc: VpcId, route: &RouteArg) -> Result<RouteTarget, Fault> {
    let kind = route.gateway_type.as_deref().ok_or_else(|| Fault::missing("GatewayType"))?;
    let gateway = route.gateway_id.as_deref().ok_or_else(|| Fault::missing("GatewayId"))?;
    match kind {
        "NORMAL_CVM" | "CVM" => {
            let by = |field, value: String| Filter { field, values: vec![value] };
            let filters = vec![by(Field::Vpc, vpc.to_string()), by(Field::PrivateIp, crate::filter::literal(gateway))];
            let listed = cx.cloud.list_interfaces(&cx.caller, Query { ids: vec![], filters, ..Query::default() }).await?;
            let interface: Option<&Interface> = listed.rows.first().map(|view| &view.interface);
            let interface = interface.ok_or_else(|| Fault::invalid("GatewayId", "no instance of the VPC has this address"))?;
            Ok(RouteTarget::Interface { interface: interface.id })
        }
        "PEERCONNECTION" => Ok(RouteTarget::Peering { peering: id::read(gateway)? }),
        "NAT" => Ok(RouteTarget::NatGateway { gateway: id::read(gateway)? }),
        other => Err(Fault::unsupported(format!("A route to a gateway of the type {}", tag::head(other)))),
    }
}

/// `ReplaceRouteTableAssociation`.
#[derive(FromArg)]
pub(crate) struct ReplaceRouteTableAssociation {
    route_table_id: String,
    subnet_id: String,
}

/// Has a subnet use this table in place of the one that it uses.
pub(crate) async fn replace(cx: &Cx<'_>, asked: ReplaceRouteTableAssociation) -> Result<(), Fault> {
    let subnet: SubnetId = id::read(&asked.subnet_id)?;
    let command = AssociateRouteTable { table: id::read(&asked.route_table_id)?, subnet, replaces: true };
    Ok(cx.cloud.run(&cx.caller, command, cx.options()).await.map(drop)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_a_destination_reads_back() {
        for text in ["0.0.0.0/0", "192.0.2.0/24", "255.255.255.255/32"] {
            let range: Ipv4Net = text.parse().unwrap();
            assert_eq!(numbered(number(range)), Some(range));
        }
        assert_eq!((numbered(33), numbered(u64::MAX)), (None, None));
    }
}
