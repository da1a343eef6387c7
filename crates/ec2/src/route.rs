//! Route tables, their routes, and the subnets that use them.

use control::{ChangeIpv6Route, Ipv6Destination, Ipv6RouteChange, Query, RouteChange, RouteDestination, RouteTableView, RouteTie};
use ipnet::{Ipv4Net, Ipv6Net};
use model::{Error, Ipv6ListRoute, Ipv6Route, Ipv6Target, ListRoute, Noun, Route, RouteTarget};
use wire::{FromArg, Show};

use crate::Cx;
use crate::error::{Refusal, combination, unsupported};
use crate::filter::{self, AskedFilter};
use crate::instance::view_of;
use crate::page::{Paging, USUAL};
use crate::tag::{self, TagItem, TagSpecification};

/// The parameters of `DescribeRouteTables`.
#[derive(FromArg)]
pub(crate) struct DescribeRouteTables {
    #[arg(name = "RouteTableId")]
    ids: Vec<String>,
    #[arg(name = "Filter")]
    filters: Vec<AskedFilter>,
    #[arg(flatten)]
    paging: Paging,
}

/// The reply of `DescribeRouteTables`.
#[derive(Show)]
#[reply(rename = "camelCase")]
pub(crate) struct Tables {
    route_table_set: Vec<TableItem>,
    next_token: Option<String>,
}

#[derive(Show)]
#[reply(rename = "camelCase")]
struct TableItem {
    route_table_id: String,
    vpc_id: String,
    owner_id: String,
    route_set: Vec<RouteItem>,
    association_set: Vec<AssociationItem>,
    propagating_vgw_set: Vec<String>,
    tag_set: Vec<TagItem>,
}

#[derive(Clone, Show)]
#[reply(rename = "camelCase")]
struct RouteItem {
    destination_cidr_block: Option<String>,
    destination_ipv6_cidr_block: Option<String>,
    destination_prefix_list_id: Option<String>,
    egress_only_internet_gateway_id: Option<String>,
    gateway_id: Option<String>,
    instance_id: Option<String>,
    instance_owner_id: Option<String>,
    network_interface_id: Option<String>,
    nat_gateway_id: Option<String>,
    vpc_peering_connection_id: Option<String>,
    state: &'static str,
    origin: &'static str,
}

#[derive(Show)]
#[reply(rename = "camelCase")]
struct AssociationItem {
    route_table_association_id: String,
    route_table_id: String,
    subnet_id: Option<String>,
    main: bool,
    association_state: AssociationState,
}

#[derive(Show)]
#[reply(rename = "camelCase")]
struct AssociationState {
    state: &'static str,
}

const ASSOCIATED: AssociationState = AssociationState { state: "associated" };

/// Lists route tables.
pub(crate) async fn describe_tables(cx: Cx, asked: DescribeRouteTables) -> Result<Tables, Refusal> {
    let pages = asked.paging.pages(&cx, USUAL, &asked.filters)?;
    let filters = filter::filters(&cx, filter::ROUTE_TABLE, &asked.filters)?;
    let query = Query { ids: tag::ids(Noun::RouteTable, &asked.ids)?, filters, page: pages.of_ids()? };
    let listed = cx.cloud.list::<RouteTableView>(&cx.caller, query).await?;
    Ok(Tables { route_table_set: listed.rows.iter().map(table_item).collect(), next_token: pages.after(listed.next) })
}

fn table_item(view: &RouteTableView) -> TableItem {
    let table = &view.table;
    let own = RouteItem { gateway_id: Some("local".to_owned()), origin: "CreateRouteTable", ..RouteItem::default() };
    let local = |range: Ipv4Net| RouteItem { destination_cidr_block: Some(range.to_string()), ..own.clone() };
    let local_ipv6 = view.vpc.ipv6.map(|ipv6| RouteItem { destination_ipv6_cidr_block: Some(ipv6.range.to_string()), ..own.clone() });
    let tie = |id: model::RouteTableAssociationId, subnet: Option<model::SubnetId>| AssociationItem {
        route_table_association_id: id.to_string(),
        route_table_id: table.id.to_string(),
        main: subnet.is_none(),
        subnet_id: subnet.map(|id| id.to_string()),
        association_state: ASSOCIATED,
    };
    let main = table.main.into_iter().map(|id| tie(id, None));
    let ranges = table.routes.iter().map(|route| route_item(view, route));
    let ipv6 = table.ipv6_routes.iter().map(|route| ipv6_route_item(view, route));
    let lists = table.list_routes.iter().map(|route| list_route_item(view, route));
    let ipv6_lists = table.ipv6_list_routes.iter().map(|route| ipv6_list_route_item(view, route));
    TableItem {
        route_table_id: table.id.to_string(),
        vpc_id: table.vpc.to_string(),
        owner_id: table.account.to_string(),
        route_set: view.vpc.ranges().map(local).chain(local_ipv6).chain(ranges).chain(ipv6).chain(lists).chain(ipv6_lists).collect(),
        association_set: main.chain(table.subnets.iter().map(|held| tie(held.id, Some(held.subnet)))).collect(),
        propagating_vgw_set: vec![],
        tag_set: tag::items(&table.tags),
    }
}

fn list_route_item(view: &RouteTableView, route: &ListRoute) -> RouteItem {
    let alike = Route::new(Ipv4Net::default(), route.target);
    RouteItem { destination_cidr_block: None, destination_prefix_list_id: Some(route.list.to_string()), ..route_item(view, &alike) }
}

fn ipv6_list_route_item(view: &RouteTableView, route: &Ipv6ListRoute) -> RouteItem {
    let alike = Ipv6Route { destination: Ipv6Net::default(), target: route.target };
    let list = Some(route.list.to_string());
    RouteItem { destination_ipv6_cidr_block: None, destination_prefix_list_id: list, ..ipv6_route_item(view, &alike) }
}

fn route_item(view: &RouteTableView, route: &Route) -> RouteItem {
    let (gateway, interface, nat, peering) = match route.target {
        RouteTarget::InternetGateway { gateway } => (Some(gateway), None, None, None),
        RouteTarget::Interface { interface } => (None, Some(interface), None, None),
        RouteTarget::NatGateway { gateway } => (None, None, Some(gateway), None),
        RouteTarget::Peering { peering } => (None, None, None, Some(peering)),
    };
    let instance = interface.and_then(|id| view.instance_of(id));
    RouteItem {
        destination_cidr_block: Some(route.destination.to_string()),
        gateway_id: gateway.map(|id| id.to_string()),
        instance_id: instance.map(|id| id.to_string()),
        instance_owner_id: instance.map(|_| view.table.account.to_string()),
        network_interface_id: interface.map(|id| id.to_string()),
        nat_gateway_id: nat.map(|id| id.to_string()),
        vpc_peering_connection_id: peering.map(|id| id.to_string()),
        state: state(view.is_active(route)),
        ..RouteItem::default()
    }
}

fn ipv6_route_item(view: &RouteTableView, route: &Ipv6Route) -> RouteItem {
    let shown = RouteItem {
        destination_ipv6_cidr_block: Some(route.destination.to_string()),
        state: state(view.is_active_ipv6(route.target)),
        ..RouteItem::default()
    };
    match route.target {
        Ipv6Target::InternetGateway { gateway } => RouteItem { gateway_id: Some(gateway.to_string()), ..shown },
        Ipv6Target::EgressOnlyGateway { gateway } => RouteItem { egress_only_internet_gateway_id: Some(gateway.to_string()), ..shown },
        Ipv6Target::Interface { interface } => {
            let instance = view.instance_of(interface);
            RouteItem {
                instance_id: instance.map(|id| id.to_string()),
                instance_owner_id: instance.map(|_| view.table.account.to_string()),
                network_interface_id: Some(interface.to_string()),
                ..shown
            }
        }
        Ipv6Target::Peering { peering } => RouteItem { vpc_peering_connection_id: Some(peering.to_string()), ..shown },
    }
}

impl Default for RouteItem {
    /// A route that somebody made, of which nothing else is known.
    fn default() -> RouteItem {
        RouteItem {
            destination_cidr_block: None,
            destination_ipv6_cidr_block: None,
            destination_prefix_list_id: None,
            egress_only_internet_gateway_id: None,
            gateway_id: None,
            instance_id: None,
            instance_owner_id: None,
            network_interface_id: None,
            nat_gateway_id: None,
            vpc_peering_connection_id: None,
            state: state(true),
            origin: "CreateRoute",
        }
    }
}

const fn state(is_active: bool) -> &'static str {
    if is_active { "active" } else { "blackhole" }
}

/// The parameters of `CreateRouteTable`.
#[derive(FromArg)]
pub(crate) struct CreateRouteTable {
    vpc_id: String,
    client_token: Option<String>,
    #[arg(name = "TagSpecification")]
    tags: Vec<TagSpecification>,
}

/// The reply of `CreateRouteTable`.
#[derive(Show)]
#[reply(rename = "camelCase")]
pub(crate) struct Created {
    route_table: TableItem,
    client_token: Option<String>,
}

/// Makes a route table with the local route.
pub(crate) async fn create_table(cx: Cx, asked: CreateRouteTable) -> Result<Created, Refusal> {
    let command = control::CreateRouteTable {
        vpc: tag::id(Noun::Vpc, &asked.vpc_id)?,
        name: String::new(),
        description: String::new(),
        tags: tag::specified(&asked.tags, "route-table", &["route-table"])?,
    };
    let table = cx.cloud.run(&cx.caller, command, cx.options(asked.client_token.clone())).await?;
    let mut listed = cx.cloud.list::<RouteTableView>(&cx.caller, Query { ids: vec![table.id], ..Query::default() }).await?;
    let view = listed.rows.pop().ok_or_else(|| Error::not_found(Noun::RouteTable, table.id))?;
    Ok(Created { route_table: table_item(&view), client_token: asked.client_token })
}

/// The parameters of `DeleteRouteTable`.
#[derive(FromArg)]
pub(crate) struct DeleteRouteTable {
    route_table_id: String,
}

/// Deletes a route table that nothing uses.
pub(crate) async fn delete_table(cx: Cx, asked: DeleteRouteTable) -> Result<(), Refusal> {
    let table = tag::id(Noun::RouteTable, &asked.route_table_id)?;
    Ok(cx.cloud.run(&cx.caller, control::DeleteRouteTable { table }, cx.options(None)).await?)
}

/// The parameters of `CreateRoute` and `ReplaceRoute`.
#[derive(FromArg)]
pub(crate) struct ToGateway {
    route_table_id: String,
    #[arg(flatten)]
    destination: AskedDestination,
    gateway_id: Option<String>,
    instance_id: Option<String>,
    network_interface_id: Option<String>,
    nat_gateway_id: Option<String>,
    vpc_peering_connection_id: Option<String>,
    egress_only_internet_gateway_id: Option<String>,
}

/// What a route is to.
#[derive(FromArg)]
struct AskedDestination {
    destination_cidr_block: Option<String>,
    destination_ipv6_cidr_block: Option<String>,
    destination_prefix_list_id: Option<String>,
}

/// Destinations and targets that are not served.
pub(crate) const ROUTE_ABSENT: &[&str] =
    &["VpcEndpointId", "TransitGatewayId", "LocalGatewayId", "LocalTarget", "CarrierGatewayId", "CoreNetworkArn", "OdbNetworkArn"];

/// What routes may lead to.
pub(crate) const ROUTE_PART: &str = "to internet, egress-only and NAT gateways, peerings, instances and interfaces";

/// The reply of `CreateRoute`.
#[derive(Show)]
#[reply(rename = "camelCase")]
pub(crate) struct Done {
    r#return: bool,
}

/// Makes a route.
pub(crate) async fn create_route(cx: Cx, asked: ToGateway) -> Result<Done, Refusal> {
    match asked.destination()? {
        Destination::Ipv4(destination) => {
            let target = target(&cx, &asked).await?;
            change(cx, &asked.route_table_id, destination, RouteChange::Create(target)).await?;
        }
        Destination::Ipv6(destination) => {
            let target = ipv6_target(&cx, &asked).await?;
            change_ipv6(cx, &asked.route_table_id, destination, Ipv6RouteChange::Create(target)).await?;
        }
    }
    Ok(Done { r#return: true })
}

/// Has a route lead elsewhere.
pub(crate) async fn replace_route(cx: Cx, asked: ToGateway) -> Result<(), Refusal> {
    match asked.destination()? {
        Destination::Ipv4(destination) => {
            let target = target(&cx, &asked).await?;
            change(cx, &asked.route_table_id, destination, RouteChange::Replace(target)).await
        }
        Destination::Ipv6(destination) => {
            let target = ipv6_target(&cx, &asked).await?;
            change_ipv6(cx, &asked.route_table_id, destination, Ipv6RouteChange::Replace(target)).await
        }
    }
}

/// The parameters of `DeleteRoute`.
#[derive(FromArg)]
pub(crate) struct DeleteRoute {
    route_table_id: String,
    #[arg(flatten)]
    destination: AskedDestination,
}

/// Deletes a route.
pub(crate) async fn delete_route(cx: Cx, asked: DeleteRoute) -> Result<(), Refusal> {
    match asked.destination.read()? {
        Destination::Ipv4(destination) => change(cx, &asked.route_table_id, destination, RouteChange::Delete).await,
        Destination::Ipv6(destination) => change_ipv6(cx, &asked.route_table_id, destination, Ipv6RouteChange::Delete).await,
    }
}

/// The target of a route of IPv6.
async fn ipv6_target(cx: &Cx, asked: &ToGateway) -> Result<Ipv6Target, Refusal> {
    let has_other = [&asked.gateway_id, &asked.network_interface_id, &asked.instance_id].into_iter().any(Option::is_some);
    let of_ipv4 = asked.nat_gateway_id.is_some() || asked.vpc_peering_connection_id.is_some();
    match &asked.egress_only_internet_gateway_id {
        Some(_) if has_other || of_ipv4 => Err(combination(ONE_TARGET)),
        Some(id) => Ok(Ipv6Target::EgressOnlyGateway { gateway: tag::id(Noun::EgressOnlyGateway, id)? }),
        None => match target(cx, asked).await? {
            RouteTarget::InternetGateway { gateway } => Ok(Ipv6Target::InternetGateway { gateway }),
            RouteTarget::Interface { interface } => Ok(Ipv6Target::Interface { interface }),
            RouteTarget::NatGateway { gateway } => Err(unsupported(format!("A route of IPv6 to '{gateway}'"))),
            RouteTarget::Peering { peering } => Ok(Ipv6Target::Peering { peering }),
        },
    }
}

const ONE_TARGET: &str = "A route has one target";

async fn target(cx: &Cx, asked: &ToGateway) -> Result<RouteTarget, Refusal> {
    if let Some(id) = &asked.egress_only_internet_gateway_id {
        tag::id::<model::EgressOnlyGatewayId>(Noun::EgressOnlyGateway, id)?;
        return Err(combination("Only routes of IPv6 lead to an egress-only internet gateway"));
    }
    let is_other = asked.gateway_id.is_some() || asked.network_interface_id.is_some() || asked.instance_id.is_some();
    if let Some(id) = &asked.vpc_peering_connection_id {
        if is_other || asked.nat_gateway_id.is_some() {
            return Err(combination(ONE_TARGET));
        }
        return Ok(RouteTarget::Peering { peering: tag::id(Noun::VpcPeering, id)? });
    }
    if let Some(id) = &asked.nat_gateway_id {
        if is_other {
            return Err(combination(ONE_TARGET));
        }
        return Ok(RouteTarget::NatGateway { gateway: tag::id(Noun::NatGateway, id)? });
    }
    match (&asked.gateway_id, &asked.network_interface_id, &asked.instance_id) {
        (Some(id), None, None) if id == "local" || id.starts_with("vgw-") => Err(unsupported(format!("A route to '{id}'"))),
        (Some(id), None, None) => Ok(RouteTarget::InternetGateway { gateway: tag::id(Noun::InternetGateway, id)? }),
        (None, Some(id), None) => Ok(RouteTarget::Interface { interface: tag::id(Noun::Interface, id)? }),
        (None, None, Some(id)) => match view_of(cx, id).await?.interfaces.as_slice() {
            [only] => Ok(RouteTarget::Interface { interface: only.interface.id }),
            [] => Err(Error::not_found(Noun::Instance, id).into()),
            // EC2: "This operation fails unless exactly one network interface is attached."
            _ => Err(Error::invalid("InstanceId", "the instance has several interfaces; name one of them").into()),
        },
        (None, None, None) => Err(Error::MissingParameter { name: "GatewayId" }.into()),
        _ => Err(combination(ONE_TARGET)),
    }
}

/// A destination, by its version of IP. That of a prefix list is known where the list is.
enum Destination {
    Ipv4(RouteDestination),
    Ipv6(Ipv6Destination),
}

impl ToGateway {
    fn destination(&self) -> Result<Destination, Refusal> {
        match (self.destination.read()?, &self.egress_only_internet_gateway_id) {
            // Such a gateway is only for IPv6.
            (Destination::Ipv4(RouteDestination::List(list)), Some(_)) => Ok(Destination::Ipv6(Ipv6Destination::List(list))),
            (destination, _) => Ok(destination),
        }
    }
}

impl AskedDestination {
    fn read(&self) -> Result<Destination, Refusal> {
        match (&self.destination_cidr_block, &self.destination_ipv6_cidr_block, &self.destination_prefix_list_id) {
            (Some(text), None, None) => {
                let no_range = |_| Error::invalid("DestinationCidrBlock", "it is no range of IPv4 addresses");
                Ok(Destination::Ipv4(RouteDestination::Range(text.parse().map_err(no_range)?)))
            }
            (None, Some(text), None) => {
                let no_range = |_| Error::invalid("DestinationIpv6CidrBlock", "it is no range of IPv6 addresses");
                Ok(Destination::Ipv6(Ipv6Destination::Range(text.parse().map_err(no_range)?)))
            }
            (None, None, Some(id)) => Ok(Destination::Ipv4(RouteDestination::List(tag::id(Noun::PrefixList, id)?))),
            (None, None, None) => Err(Error::MissingParameter { name: "DestinationCidrBlock" }.into()),
            _ => Err(combination("A route has one destination")),
        }
    }
}

async fn change_ipv6(cx: Cx, table: &str, destination: Ipv6Destination, change: Ipv6RouteChange) -> Result<(), Refusal> {
    let table = tag::id(Noun::RouteTable, table)?;
    Ok(cx.cloud.run(&cx.caller, ChangeIpv6Route { table, destination, change }, cx.options(None)).await?)
}

async fn change(cx: Cx, table: &str, destination: RouteDestination, change: RouteChange) -> Result<(), Refusal> {
    let table = tag::id(Noun::RouteTable, table)?;
    Ok(cx.cloud.run(&cx.caller, control::ChangeRoute { table, destination, change }, cx.options(None)).await?)
}

/// The parameters of `AssociateRouteTable`.
#[derive(FromArg)]
pub(crate) struct AssociateRouteTable {
    route_table_id: String,
    subnet_id: String,
}

/// Ends of a tie that are not served.
pub(crate) const ASSOCIATE_ABSENT: &[&str] = &["GatewayId", "PublicIpv4Pool"];

/// The reply of `AssociateRouteTable`.
#[derive(Show)]
#[reply(rename = "camelCase")]
pub(crate) struct Associated {
    association_id: String,
    association_state: AssociationState,
}

/// Has a subnet that uses the main table use another.
pub(crate) async fn associate(cx: Cx, asked: AssociateRouteTable) -> Result<Associated, Refusal> {
    let command = control::AssociateRouteTable {
        table: tag::id(Noun::RouteTable, &asked.route_table_id)?,
        subnet: tag::id(Noun::Subnet, &asked.subnet_id)?,
        replaces: false,
    };
    let id = cx.cloud.run(&cx.caller, command, cx.options(None)).await?;
    Ok(Associated { association_id: id.to_string(), association_state: ASSOCIATED })
}

/// The parameters of `DisassociateRouteTable`.
#[derive(FromArg)]
pub(crate) struct DisassociateRouteTable {
    association_id: String,
}

/// Has a subnet use the main table again.
pub(crate) async fn disassociate(cx: Cx, asked: DisassociateRouteTable) -> Result<(), Refusal> {
    let tie = RouteTie::Id(tag::id(Noun::RouteTableAssociation, &asked.association_id)?);
    Ok(cx.cloud.run(&cx.caller, control::DisassociateRouteTable { tie }, cx.options(None)).await?)
}

/// The parameters of `ReplaceRouteTableAssociation`.
#[derive(FromArg)]
pub(crate) struct ReplaceRouteTableAssociation {
    association_id: String,
    route_table_id: String,
}

/// The reply of `ReplaceRouteTableAssociation`.
#[derive(Show)]
#[reply(rename = "camelCase")]
pub(crate) struct Replaced {
    new_association_id: String,
    association_state: AssociationState,
}

/// Has a subnet, or a VPC whose main table it is, use another table.
pub(crate) async fn replace(cx: Cx, asked: ReplaceRouteTableAssociation) -> Result<Replaced, Refusal> {
    let tie = tag::id(Noun::RouteTableAssociation, &asked.association_id)?;
    let table = tag::id(Noun::RouteTable, &asked.route_table_id)?;
    let id = cx.cloud.run(&cx.caller, control::ReplaceRouteTableAssociation { tie, table }, cx.options(None)).await?;
    Ok(Replaced { new_association_id: id.to_string(), association_state: ASSOCIATED })
}
