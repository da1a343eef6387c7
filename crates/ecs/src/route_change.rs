//! Calls that change route tables. The lists are in [`crate::route`].

use control::{ChangeIpv6Route, ChangeRoute, Ipv6Destination, Ipv6RouteChange, Many, RouteChange, RouteTie};
use ipnet::Ipv6Net;
use model::{Ipv6Target, Noun, RouteTableId, RouteTarget};
use wire::{FromArg, Show};

use crate::Cx;
use crate::error::Fault;
use crate::filter::{TAGS_PER_CALL, TagArg, id, tags_of};
use crate::ipv6_gateway::gateway_id;
use crate::network::range;
use crate::route::entry_id;

/// `CreateRouteTable`.
#[derive(FromArg)]
pub(crate) struct CreateRouteTable {
    vpc_id: String,
    route_table_name: Option<String>,
    description: Option<String>,
    associate_type: Option<AssociateType>,
    #[arg(name = "Tag", max_items = TAGS_PER_CALL)]
    tags: Vec<TagArg>,
}

/// What a table is for; those for gateways are not served.
#[derive(Debug, Clone, Copy, FromArg)]
enum AssociateType {
    VSwitch,
    Gateway,
}

#[derive(Show)]
pub(crate) struct CreatedTable {
    route_table_id: String,
}

/// Makes a route table with the local route.
pub(crate) async fn create_table(cx: &Cx<'_>, asked: CreateRouteTable) -> Result<CreatedTable, Fault> {
    match asked.associate_type {
        None | Some(AssociateType::VSwitch) => {}
        Some(AssociateType::Gateway) => return Err(Fault::unsupported_parameter("The AssociateType (only VSwitch)")),
    }
    let command = control::CreateRouteTable {
        vpc: id(Noun::Vpc, &asked.vpc_id)?,
        name: asked.route_table_name.unwrap_or_default(),
        description: asked.description.unwrap_or_default(),
        tags: tags_of(asked.tags)?,
    };
    let table = cx.cloud.run(&cx.caller, command, cx.options()?).await?;
    Ok(CreatedTable { route_table_id: table.id.to_string() })
}

/// `DeleteRouteTable`.
#[derive(FromArg)]
pub(crate) struct DeleteRouteTable {
    route_table_id: String,
}

/// Deletes a route table that nothing uses.
pub(crate) async fn delete_table(cx: &Cx<'_>, asked: DeleteRouteTable) -> Result<(), Fault> {
    let table = id(Noun::RouteTable, &asked.route_table_id)?;
    Ok(cx.cloud.run(&cx.caller, control::DeleteRouteTable { table }, cx.options()?).await?)
}

/// `AssociateRouteTable` and `UnassociateRouteTable`.
#[derive(FromArg)]
pub(crate) struct Ends {
    route_table_id: String,
    v_switch_id: String,
}

/// Has a vSwitch that uses the system table use another.
pub(crate) async fn associate(cx: &Cx<'_>, asked: Ends) -> Result<(), Fault> {
    let (table, subnet) = (id(Noun::RouteTable, &asked.route_table_id)?, id(Noun::Subnet, &asked.v_switch_id)?);
    cx.cloud.run(&cx.caller, control::AssociateRouteTable { table, subnet, replaces: false }, cx.options()?).await?;
    Ok(())
}

/// Has a vSwitch use the system table again.
pub(crate) async fn unassociate(cx: &Cx<'_>, asked: Ends) -> Result<(), Fault> {
    let tie = RouteTie::Ends(id(Noun::RouteTable, &asked.route_table_id)?, id(Noun::Subnet, &asked.v_switch_id)?);
    Ok(cx.cloud.run(&cx.caller, control::DisassociateRouteTable { tie }, cx.options()?).await?)
}

/// Where a route leads.
#[derive(Debug, Clone, Copy, FromArg)]
enum HopType {
    Ipv4Gateway,
    Instance,
    HaVip,
    RouterInterface,
    NetworkInterface,
    VpnGateway,
    NatGateway,
    IPv6Gateway,
    Attachment,
    VpcPeer,
    Ecr,
    GatewayLoadBalancerEndpoint,
}

/// `CreateRouteEntry`.
#[derive(FromArg)]
pub(crate) struct CreateRouteEntry {
    route_table_id: String,
    destination_cidr_block: String,
    next_hop_id: String,
    #[arg(default = HopType::Instance)]
    next_hop_type: HopType,
    route_entry_name: Option<String>,
    description: Option<String>,
}

#[derive(Show)]
pub(crate) struct CreatedEntry {
    route_entry_id: String,
}

/// Makes a route.
pub(crate) async fn create_entry(cx: &Cx<'_>, asked: CreateRouteEntry) -> Result<CreatedEntry, Fault> {
    let table = id(Noun::RouteTable, &asked.route_table_id)?;
    let target = match asked.next_hop_type {
        HopType::Ipv4Gateway => RouteTarget::InternetGateway { gateway: id(Noun::InternetGateway, &asked.next_hop_id)? },
        HopType::NetworkInterface => RouteTarget::Interface { interface: id(Noun::Interface, &asked.next_hop_id)? },
        HopType::NatGateway => RouteTarget::NatGateway { gateway: id(Noun::NatGateway, &asked.next_hop_id)? },
        HopType::VpcPeer => RouteTarget::Peering { peering: id(Noun::VpcPeering, &asked.next_hop_id)? },
        HopType::Instance => {
            let view = cx.cloud.instance_view(&cx.caller, id(Noun::Instance, &asked.next_hop_id)?).await?;
            RouteTarget::Interface { interface: view.instance.interface }
        }
        HopType::IPv6Gateway => return create_ipv6_entry(cx, table, asked).await,
        HopType::HaVip
        | HopType::RouterInterface
        | HopType::VpnGateway
        | HopType::Attachment
        | HopType::Ecr
        | HopType::GatewayLoadBalancerEndpoint => {
            return Err(Fault::unsupported_parameter(
                "The NextHopType (only Ipv4Gateway, IPv6Gateway, Instance, NatGateway, NetworkInterface, VpcPeer)",
            ));
        }
    };
    let destination = range(&asked.destination_cidr_block)?;
    let said = [asked.route_entry_name.map(RouteChange::Name), asked.description.map(RouteChange::Describe)];
    let changes = std::iter::once(RouteChange::Create(target)).chain(said.into_iter().flatten());
    let commands = changes.map(|change| ChangeRoute { table, destination: destination.into(), change }).collect();
    cx.cloud.run(&cx.caller, Many(commands), cx.options()?).await?;
    Ok(CreatedEntry { route_entry_id: entry_id(table, &destination.trunc().to_string()) })
}

/// Makes a route of IPv6, which has neither name nor description here.
async fn create_ipv6_entry(cx: &Cx<'_>, table: RouteTableId, asked: CreateRouteEntry) -> Result<CreatedEntry, Fault> {
    let said = [("RouteEntryName", asked.route_entry_name), ("Description", asked.description)];
    if let Some((name, _)) = said.iter().find(|(_, text)| text.as_ref().is_some_and(|text| !text.is_empty())) {
        return Err(Fault::unsupported_parameter(format!("The parameter {name} (routes of IPv6 have none)")));
    }
    let range = ipv6_range(&asked.destination_cidr_block)?;
    let target = Ipv6Target::EgressOnlyGateway { gateway: gateway_id(&asked.next_hop_id)? };
    let command = ChangeIpv6Route { table, destination: Ipv6Destination::Range(range), change: Ipv6RouteChange::Create(target) };
    cx.cloud.run(&cx.caller, command, cx.options()?).await?;
    Ok(CreatedEntry { route_entry_id: entry_id(table, &range.trunc().to_string()) })
}

fn ipv6_range(text: &str) -> Result<Ipv6Net, Fault> {
    text.parse().map_err(|_| Fault::invalid("DestinationCidrBlock", "with the NextHopType IPv6Gateway it is a range of IPv6"))
}

/// `DeleteRouteEntry`.
#[derive(FromArg)]
pub(crate) struct DeleteRouteEntry {
    route_table_id: String,
    destination_cidr_block: String,
    #[expect(dead_code, reason = "a table has one route to a destination, so its next hop tells nothing more")]
    next_hop_id: Option<String>,
}

/// Deletes a route.
pub(crate) async fn delete_entry(cx: &Cx<'_>, asked: DeleteRouteEntry) -> Result<(), Fault> {
    let table = id(Noun::RouteTable, &asked.route_table_id)?;
    if let Ok(range) = asked.destination_cidr_block.parse::<Ipv6Net>() {
        let command = ChangeIpv6Route { table, destination: Ipv6Destination::Range(range), change: Ipv6RouteChange::Delete };
        return Ok(cx.cloud.run(&cx.caller, command, cx.options()?).await?);
    }
    let destination = range(&asked.destination_cidr_block)?;
    Ok(cx.cloud.run(&cx.caller, ChangeRoute { table, destination: destination.into(), change: RouteChange::Delete }, cx.options()?).await?)
}
