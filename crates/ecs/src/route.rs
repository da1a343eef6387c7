//! Lists of route tables and routes. Calls that change them are in [`crate::route_change`].
//!
//! VPC's words: the route of a VPC's own range is a system route of type `local`; an internet gateway is an IPv4 gateway.

use control::{Field, Query, RouteTableView};
use jiff::Timestamp;
use model::{Ipv6Route, Ipv6Target, Noun, Route, RouteTable, RouteTableId, RouteTarget};
use wire::{FromArg, Show};

use crate::Cx;
use crate::error::Fault;
use crate::filter::{Filters, TAGS_PER_CALL, TagArg, id};
use crate::network::router_id;
use crate::page::{Numbered, Numbers, PAGE_SIZE_MAX, SHORT_PAGE_MAX, read_token, write_token};
use crate::subnet::TableUsers;
use crate::tag::{VpcTagReply, vpc_tag_replies};

/// The kinds of route tables.
#[derive(Debug, Clone, Copy, FromArg)]
enum TableKind {
    System,
    Custom,
}

/// What a router is part of; those of VPCs are the only ones here.
#[derive(Debug, Clone, Copy, FromArg)]
enum RouterType {
    #[arg(name = "VRouter")]
    VRouter,
    #[arg(name = "VBR")]
    Vbr,
}

/// `DescribeRouteTableList`.
#[derive(FromArg)]
pub(crate) struct DescribeRouteTableList {
    router_type: Option<RouterType>,
    router_id: Option<String>,
    vpc_id: Option<String>,
    route_table_id: Option<String>,
    route_table_name: Option<String>,
    route_table_type: Option<TableKind>,
    resource_group_id: Option<String>,
    #[arg(name = "Tag", max_items = TAGS_PER_CALL)]
    tags: Vec<TagArg>,
    #[arg(flatten)]
    numbered: Numbered,
}

#[derive(Show)]
pub(crate) struct RouterTables {
    #[reply(list = "RouterTableListType")]
    router_table_list: Vec<TableReply>,
    #[reply(flatten)]
    numbers: Numbers,
}

#[derive(Show)]
struct TableReply {
    route_table_id: String,
    route_table_name: String,
    route_table_type: &'static str,
    router_type: &'static str,
    router_id: String,
    vpc_id: String,
    description: String,
    associate_type: &'static str,
    status: &'static str,
    owner_id: u64,
    creation_time: Timestamp,
    resource_group_id: &'static str,
    #[reply(list = "VSwitchId")]
    v_switch_ids: Vec<String>,
    #[reply(list = "Tag")]
    tags: Vec<VpcTagReply>,
}

/// Lists route tables.
pub(crate) async fn table_list(cx: &Cx<'_>, asked: DescribeRouteTableList) -> Result<RouterTables, Fault> {
    let mut filters = Filters::new();
    filters
        .exact(Field::Id, asked.route_table_id.as_ref())
        .exact(Field::Vpc, asked.vpc_id.as_ref())
        .exact(Field::Name, asked.route_table_name.as_ref())
        .exact(Field::IsDefault, asked.route_table_type.map(is_main))
        .always(asked.resource_group_id.as_ref(), &[])
        .tags(&asked.tags);
    of_router(&mut filters, asked.router_id.as_deref(), asked.router_type);
    let query = Query { ids: vec![], filters: filters.into_vec(), page: asked.numbered.page(SHORT_PAGE_MAX)? };
    let listed = cx.cloud.list::<RouteTableView>(&cx.caller, query).await?;
    let numbers = asked.numbered.numbers(&listed);
    let users = TableUsers::read(cx).await?;
    Ok(RouterTables { router_table_list: listed.rows.into_iter().map(|view| table_reply(view, &users)).collect(), numbers })
}

fn is_main(kind: TableKind) -> bool {
    match kind {
        TableKind::System => true,
        TableKind::Custom => false,
    }
}

fn word(table: &RouteTable) -> &'static str {
    if table.main.is_some() { "System" } else { "Custom" }
}

/// Only the tables of a router, which is found by its VPC's digits.
fn of_router(filters: &mut Filters, router: Option<&str>, kind: Option<RouterType>) {
    match kind {
        Some(RouterType::Vbr) => {
            filters.nothing();
        }
        None | Some(RouterType::VRouter) => {}
    }
    if let Some(router) = router.filter(|router| !router.is_empty()) {
        let vpc = router.strip_prefix("vrt-").map_or(router.to_owned(), |digits| format!("{}{digits}", model::VpcId::PREFIX));
        filters.exact(Field::Vpc, Some(vpc));
    }
}

fn table_reply(view: RouteTableView, users: &TableUsers) -> TableReply {
    let RouteTableView { table, vpc, .. } = view;
    TableReply {
        route_table_id: table.id.to_string(),
        route_table_type: word(&table),
        router_type: "VRouter",
        router_id: router_id(vpc.id),
        vpc_id: vpc.id.to_string(),
        associate_type: "VSwitch",
        status: "Available",
        owner_id: table.account.as_u64(),
        creation_time: table.created_at.timestamp(),
        resource_group_id: "",
        v_switch_ids: users.of(table.id),
        tags: vpc_tag_replies(&table.tags),
        route_table_name: table.name,
        description: table.description,
    }
}

/// `DescribeRouteTables`.
#[derive(FromArg)]
pub(crate) struct DescribeRouteTables {
    v_router_id: Option<String>,
    router_type: Option<RouterType>,
    router_id: Option<String>,
    route_table_id: Option<String>,
    route_table_name: Option<String>,
    resource_group_id: Option<String>,
    #[arg(flatten)]
    numbered: Numbered,
}

#[derive(Show)]
pub(crate) struct Tables {
    #[reply(list = "RouteTable")]
    route_tables: Vec<TableWithRoutes>,
    #[reply(flatten)]
    numbers: Numbers,
}

#[derive(Show)]
struct TableWithRoutes {
    route_table_id: String,
    route_table_type: &'static str,
    v_router_id: String,
    status: &'static str,
    creation_time: Timestamp,
    resource_group_id: &'static str,
    #[reply(list = "VSwitchId")]
    v_switch_ids: Vec<String>,
    #[reply(list = "RouteEntry")]
    route_entrys: Vec<OldEntry>,
}

/// A route as the older call shows it.
#[derive(Show)]
struct OldEntry {
    route_table_id: String,
    route_entry_id: String,
    destination_cidr_block: String,
    #[reply(name = "Type")]
    kind: &'static str,
    next_hop_type: &'static str,
    instance_id: String,
    status: &'static str,
    route_entry_name: String,
    description: String,
    #[reply(list = "NextHop")]
    next_hops: Vec<OldHop>,
}

#[derive(Show)]
struct OldHop {
    next_hop_type: &'static str,
    next_hop_id: String,
    enabled: i32,
    weight: i32,
}

/// Lists route tables with their routes.
pub(crate) async fn tables(cx: &Cx<'_>, asked: DescribeRouteTables) -> Result<Tables, Fault> {
    let mut filters = Filters::new();
    filters
        .exact(Field::Id, asked.route_table_id.as_ref())
        .exact(Field::Name, asked.route_table_name.as_ref())
        .always(asked.resource_group_id.as_ref(), &[]);
    let router = asked.v_router_id.or(asked.router_id);
    of_router(&mut filters, router.as_deref(), asked.router_type);
    let query = Query { ids: vec![], filters: filters.into_vec(), page: asked.numbered.page(SHORT_PAGE_MAX)? };
    let listed = cx.cloud.list::<RouteTableView>(&cx.caller, query).await?;
    let numbers = asked.numbered.numbers(&listed);
    let users = TableUsers::read(cx).await?;
    let with_routes = |view: &RouteTableView| TableWithRoutes {
        route_table_id: view.table.id.to_string(),
        route_table_type: word(&view.table),
        v_router_id: router_id(view.vpc.id),
        status: "Available",
        creation_time: view.table.created_at.timestamp(),
        resource_group_id: "",
        v_switch_ids: users.of(view.table.id),
        route_entrys: entries(view).iter().map(|entry| old_entry(view, entry)).collect(),
    };
    Ok(Tables { route_tables: listed.rows.iter().map(with_routes).collect(), numbers })
}

fn old_entry(view: &RouteTableView, entry: &Entry) -> OldEntry {
    OldEntry {
        route_table_id: view.table.id.to_string(),
        route_entry_id: entry.id(&view.table),
        destination_cidr_block: entry.destination.clone(),
        kind: entry.kind,
        next_hop_type: entry.hop_type,
        instance_id: entry.hop.clone(),
        status: entry.status,
        route_entry_name: entry.name.clone(),
        description: entry.description.clone(),
        next_hops: vec![OldHop { next_hop_type: entry.hop_type, next_hop_id: entry.hop.clone(), enabled: 1, weight: 0 }],
    }
}

/// The kinds of routes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromArg)]
enum EntryKind {
    System,
    Custom,
    #[arg(name = "BGP")]
    Bgp,
    #[arg(name = "CEN")]
    Cen,
}

/// Versions of the addresses of routes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromArg)]
enum IpVersion {
    #[arg(name = "ipv4", alias = "IPv4")]
    V4,
    #[arg(name = "ipv6", alias = "IPv6")]
    V6,
}

/// Who made a route beside its owner.
#[derive(Debug, Clone, Copy, FromArg)]
enum ServiceType {
    /// A transit router.
    #[arg(name = "TR")]
    TransitRouter,
}

/// `DescribeRouteEntryList`.
#[derive(FromArg)]
pub(crate) struct DescribeRouteEntryList {
    route_table_id: String,
    route_entry_type: Option<EntryKind>,
    destination_cidr_block: Option<String>,
    next_hop_type: Option<String>,
    next_hop_id: Option<String>,
    #[arg(name = "DestCidrBlockList", max_items = PAGE_SIZE_MAX)]
    destinations: Vec<String>,
    ip_version: Option<IpVersion>,
    route_entry_id: Option<String>,
    route_entry_name: Option<String>,
    service_type: Option<ServiceType>,
    max_result: Option<usize>,
    next_token: Option<String>,
}

#[derive(Show)]
pub(crate) struct Entries {
    #[reply(list = "RouteEntry")]
    route_entrys: Vec<EntryReply>,
    next_token: String,
}

#[derive(Show)]
struct EntryReply {
    route_entry_id: String,
    route_entry_name: String,
    route_table_id: String,
    destination_cidr_block: String,
    #[reply(name = "Type")]
    kind: &'static str,
    ip_version: &'static str,
    status: &'static str,
    description: String,
    #[reply(list = "NextHop")]
    next_hops: Vec<HopReply>,
}

#[derive(Show)]
struct HopReply {
    next_hop_id: String,
    next_hop_type: &'static str,
    enabled: i32,
    weight: i32,
}

/// Routes of a page when nothing is said (VPC documents 50).
const ENTRIES: usize = 50;

/// Lists the routes of a table.
pub(crate) async fn entry_list(cx: &Cx<'_>, asked: DescribeRouteEntryList) -> Result<Entries, Fault> {
    let size = asked.max_result.unwrap_or(ENTRIES);
    if !(1..=PAGE_SIZE_MAX).contains(&size) {
        return Err(Fault::invalid("MaxResult", format!("it is not between 1 and {PAGE_SIZE_MAX}")));
    }
    let from = asked.next_token.as_deref().filter(|token| !token.is_empty()).map(read_token).transpose()?.unwrap_or(0);
    let table = id(Noun::RouteTable, &asked.route_table_id)?;
    let listed = cx.cloud.list::<RouteTableView>(&cx.caller, Query { ids: vec![table], ..Query::default() }).await?;
    let view = listed.rows.first().ok_or_else(|| Fault::not_found(Noun::RouteTable, &asked.route_table_id))?;
    let mut entries = entries(view);
    let fits = |wanted: Option<&String>, value: &str| wanted.filter(|wanted| !wanted.is_empty()).is_none_or(|wanted| wanted == value);
    entries.retain(|entry| {
        let kind = match asked.route_entry_type {
            None => true,
            Some(EntryKind::System) => entry.kind == "System",
            Some(EntryKind::Custom) => entry.kind == "Custom",
            Some(EntryKind::Bgp | EntryKind::Cen) => false,
        };
        kind && fits(asked.destination_cidr_block.as_ref(), &entry.destination)
            && fits(asked.next_hop_type.as_ref(), entry.hop_type)
            && fits(asked.next_hop_id.as_ref(), &entry.hop)
            && fits(asked.route_entry_id.as_ref(), &entry.id(&view.table))
            && fits(asked.route_entry_name.as_ref(), &entry.name)
            && (asked.destinations.is_empty() || asked.destinations.contains(&entry.destination))
            && asked.ip_version.is_none_or(|version| version == entry.version())
            && asked.service_type.is_none()
    });
    let from = usize::try_from(from).unwrap_or(usize::MAX).min(entries.len());
    let rest = entries.split_off(from);
    let next_token = if rest.len() > size { write_token((from + size) as u64) } else { String::new() };
    Ok(Entries { route_entrys: rest.into_iter().take(size).map(|entry| entry_reply(view, entry)).collect(), next_token })
}

fn entry_reply(view: &RouteTableView, entry: Entry) -> EntryReply {
    let ip_version = match entry.version() {
        IpVersion::V4 => "IPv4",
        IpVersion::V6 => "IPv6",
    };
    EntryReply {
        route_entry_id: entry.id(&view.table),
        route_entry_name: entry.name,
        route_table_id: view.table.id.to_string(),
        kind: entry.kind,
        ip_version,
        status: entry.status,
        description: entry.description,
        next_hops: vec![HopReply { next_hop_id: entry.hop, next_hop_type: entry.hop_type, enabled: 1, weight: 0 }],
        destination_cidr_block: entry.destination,
    }
}

/// A route in VPC's words.
struct Entry {
    destination: String,
    kind: &'static str,
    hop_type: &'static str,
    hop: String,
    status: &'static str,
    name: String,
    description: String,
}

impl Entry {
    fn id(&self, table: &RouteTable) -> String {
        entry_id(table.id, &self.destination)
    }

    fn version(&self) -> IpVersion {
        if self.destination.contains(':') { IpVersion::V6 } else { IpVersion::V4 }
    }
}

/// An id for a route, which is told by its table and destination.
pub(crate) fn entry_id(table: RouteTableId, destination: &str) -> String {
    format!("rte-0{:016x}-{}", table.as_u64(), destination.replace(['.', ':', '/'], "-"))
}

fn entries(view: &RouteTableView) -> Vec<Entry> {
    let local = |destination: String| Entry {
        destination,
        kind: "System",
        hop_type: "local",
        hop: String::new(),
        status: "Available",
        name: String::new(),
        description: String::new(),
    };
    let entry = |route: &Route| {
        let (hop_type, hop) = match route.target {
            RouteTarget::InternetGateway { gateway } => ("Ipv4Gateway", gateway.to_string()),
            RouteTarget::NatGateway { gateway } => ("NatGateway", gateway.to_string()),
            RouteTarget::Peering { peering } => ("VpcPeer", peering.to_string()),
            // The primary interface is what VPC calls the instance itself.
            RouteTarget::Interface { interface } => match view.interfaces.iter().find(|row| row.id == interface && row.is_primary()) {
                Some(model::Interface { instance: Some(instance), .. }) => ("Instance", instance.to_string()),
                Some(_) | None => ("NetworkInterface", interface.to_string()),
            },
        };
        let status = if view.is_active(route) { "Available" } else { "Inactive" };
        Entry {
            destination: route.destination.to_string(),
            kind: "Custom",
            hop_type,
            hop,
            status,
            name: route.name.clone(),
            description: route.description.clone(),
        }
    };
    let own = view.vpc.ranges().map(|range| range.to_string()).chain(view.vpc.ipv6.map(|own| own.range.to_string()));
    own.map(local)
        .chain(view.table.routes.iter().map(entry))
        .chain(view.table.ipv6_routes.iter().map(|route| ipv6_entry(view, route)))
        .collect()
}

fn ipv6_entry(view: &RouteTableView, route: &Ipv6Route) -> Entry {
    let (hop_type, hop) = match route.target {
        // VPC has no gateway that is the way of both versions of IP; this is the word for what EC2 routes there.
        Ipv6Target::InternetGateway { gateway } => ("Ipv4Gateway", gateway.to_string()),
        Ipv6Target::EgressOnlyGateway { gateway } => ("IPv6Gateway", gateway.to_string()),
        Ipv6Target::Peering { peering } => ("VpcPeer", peering.to_string()),
        Ipv6Target::Interface { interface } => ("NetworkInterface", interface.to_string()),
    };
    Entry {
        destination: route.destination.to_string(),
        kind: "Custom",
        hop_type,
        hop,
        status: if view.is_active_ipv6(route.target) { "Available" } else { "Inactive" },
        name: String::new(),
        description: String::new(),
    }
}
