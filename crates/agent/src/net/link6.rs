//! The IPv6 half of `link.rs`: reads routes, and makes one change.
//!
//! IPv6 is off on every link of a namespace until one of its addresses is added, so a VPC without IPv6 has none of it.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv6Addr};
use std::os::fd::BorrowedFd;

use ipnet::Ipv6Net;
use nlink::Connection;
use nlink::netlink::addr::Ipv6Address;
use nlink::netlink::messages::RouteMessage;
use nlink::netlink::neigh::Neighbor;
use nlink::netlink::route::Ipv6Route;
use nlink::netlink::rule::RuleBuilder;
use nlink::netlink::types::route::{RouteProtocol, RouteType};

use super::link::{MAIN, Whose, by_mark, gone, main_but_default, there};
use super::names::ROUTER_LOCAL;
use super::netns;
use super::plan6::{Change6, Route6};

/// Settings of a link before it has IPv6: no address but ours, nothing that a guest says is believed, no source routes; nobody is
/// asked whether an address is taken, since there is but one guest. The last one switches it on.
const SETTINGS: &[(&str, &str)] = &[
    ("addr_gen_mode", "1"),
    ("accept_ra", "0"),
    ("accept_redirects", "0"),
    ("accept_source_route", "-1"),
    ("accept_dad", "0"),
    ("dad_transmits", "0"),
    ("disable_ipv6", "0"),
];

/// A route of ours. One that leads nowhere is ours only in the namespace of a VPC: it names no link.
pub fn route(message: &RouteMessage, names: &BTreeMap<u32, &String>, whose: &Whose) -> Option<(Ipv6Net, Route6)> {
    if !message.is_ipv6() || message.protocol() != RouteProtocol::Static {
        return None;
    }
    let address = match message.destination() {
        Some(IpAddr::V6(ip)) => *ip,
        Some(IpAddr::V4(_)) => return None,
        None => Ipv6Addr::UNSPECIFIED,
    };
    let to = Ipv6Net::new(address, message.dst_len()).ok()?;
    let link = message.oif().and_then(|oif| names.get(&oif)).map(|name| (*name).clone());
    let route = match (message.route_type(), link, message.gateway()) {
        (RouteType::Unreachable, _, _) if matches!(whose, Whose::Vpc(_)) => Route6::Unreachable,
        (RouteType::Unicast, Some(link), None) => Route6::Link(link),
        (RouteType::Unicast, Some(link), Some(IpAddr::V6(hop))) => Route6::Hop { link, hop: *hop },
        _ => return None,
    };
    Some((to, route))
}

/// Makes a change; `number` gives that of a link.
pub async fn change(
    connection: &Connection<nlink::Route>,
    namespace: BorrowedFd<'_>,
    change: &Change6,
    number: &impl Fn(&String) -> io::Result<u32>,
) -> io::Result<()> {
    match change {
        Change6::AddAddress(link, ip) => {
            netns::inside(namespace, || switch_on(link))?;
            let prefix = if *ip == ROUTER_LOCAL { 64 } else { 128 };
            there(connection.add_address(Ipv6Address::with_index(number(link)?, *ip, prefix).nodad()).await)
        }
        Change6::DropAddress(link, ip) => {
            let prefix = if *ip == ROUTER_LOCAL { 64 } else { 128 };
            gone(connection.del_address_by_index(number(link)?, IpAddr::V6(*ip), prefix).await)?;
            let path = format!("net/ipv6/conf/{link}/disable_ipv6");
            // Loopback's may be replaced by another; it stays switched on.
            if *ip == ROUTER_LOCAL { netns::inside(namespace, || netns::sysctl(&[(&path, "1")])) } else { Ok(()) }
        }
        Change6::SetRoute(to, route) => connection.replace_route(write(*to, route, number)?).await.map_err(io::Error::other),
        Change6::DropRoute(to, route) => gone(connection.del_route(write(*to, route, number)?).await),
        Change6::SetHop(table, to, route) => {
            connection.replace_route(write(*to, route, number)?.table(*table)).await.map_err(io::Error::other)
        }
        Change6::DropHop(table, to, route) => gone(connection.del_route(write(*to, route, number)?.table(*table)).await),
        Change6::UseTable(table) => {
            there(connection.add_rule(main_but_default(RuleBuilder::v6())).await)?;
            there(connection.add_rule(by_mark(RuleBuilder::v6(), *table)).await)
        }
        Change6::LeaveTable(table) => {
            connection.del_rule_if_exists(by_mark(RuleBuilder::v6(), *table)).await.map(drop).map_err(io::Error::other)
        }
        Change6::SetNeighbour(link, ip, mac) => {
            let neighbour = Neighbor::with_index_v6(number(link)?, *ip).lladdr(mac.0).permanent();
            connection.replace_neighbor(neighbour).await.map_err(io::Error::other)
        }
        Change6::DropNeighbour(link, ip) => gone(connection.del_neighbor(Neighbor::with_index_v6(number(link)?, *ip)).await),
    }
}

fn switch_on(link: &str) -> io::Result<()> {
    let settings: Vec<_> = SETTINGS.iter().map(|(name, value)| (format!("net/ipv6/conf/{link}/{name}"), *value)).collect();
    let mut settings: Vec<(&str, &str)> = settings.iter().map(|(path, value)| (path.as_str(), *value)).collect();
    if link == "lo" {
        // Once for all links, and before any has an address: it makes routers of them.
        settings.insert(0, ("net/ipv6/conf/all/forwarding", "1"));
    }
    netns::sysctl(&settings)
}

fn write(to: Ipv6Net, route: &Route6, number: impl Fn(&String) -> io::Result<u32>) -> io::Result<Ipv6Route> {
    let wanted = Ipv6Route::from_addr(to.network(), to.prefix_len()).table(MAIN).protocol(RouteProtocol::Static);
    Ok(match route {
        Route6::Link(link) => wanted.dev_index(number(link)?),
        Route6::Hop { link, hop } => wanted.gateway(*hop).dev_index(number(link)?).onlink(),
        Route6::Unreachable => wanted.route_type(RouteType::Unreachable),
    })
}
