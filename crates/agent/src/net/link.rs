//! Links, addresses, routes and neighbours of one namespace over rtnetlink: read into a [`Side`], and changed.
//!
//! It decides nothing (`plan.rs` does), and every change may be repeated: what is already so is no error.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use ipnet::Ipv4Net;
use model::MacAddr;
use nlink::Connection;
use nlink::netlink::addr::Ipv4Address;
use nlink::netlink::fdb::FdbEntryBuilder;
use nlink::netlink::link::{LinkCreateExt, VethLink, VxlanLink};
use nlink::netlink::messages::{LinkMessage, RouteMessage, RuleMessage};
use nlink::netlink::neigh::Neighbor;
use nlink::netlink::route::Ipv4Route;
use nlink::netlink::rule::RuleBuilder;
use nlink::netlink::types::neigh::NeighborState;
use nlink::netlink::types::route::{RouteProtocol, RouteScope, RouteType};

use super::link6;
use super::names::{self, OUTSIDE, OVERLAY, OVERLAY_PORT, PEERS, nic_of};
use super::netns;
use super::plan::{Change, HOME_TABLES, HOP_TABLES, Link, LinkKind, Route, Side};
use super::{shaping, tap};

/// How long the kernel may take to answer one request. It answers in microseconds; the rest is for a machine under load.
pub const ANSWER_TIME: Duration = Duration::from_secs(5);

/// Order of our rules among the kernel's, which ask the main table at 32766.
const MAIN_FIRST: u32 = 100;
const BY_MARK: u32 = 200;

/// The main routing table, `RT_TABLE_MAIN`.
pub(super) const MAIN: u32 = 254;

/// A namespace's links.
pub struct Links {
    connection: Connection<nlink::Route>,
    namespace: OwnedFd,
    whose: Whose,
}

/// Which of a namespace's links are ours.
#[derive(Debug, Clone)]
pub enum Whose {
    /// All of them: the namespace of the VPC with this number on the wire.
    Vpc(u32),
    /// Those whose name starts with this prefix: the machine's own namespace.
    Machine(String),
}

/// The other end of a veth pair to be made: the namespace that it goes to, and its hardware address. Of an overlay, the namespace
/// in which its packets travel.
pub struct Peer<'a> {
    /// The namespace.
    pub namespace: BorrowedFd<'a>,
    /// The hardware address of the end in it.
    pub mac: MacAddr,
}

impl Links {
    /// Opens the links of a namespace.
    pub fn open(namespace: BorrowedFd<'_>, whose: Whose) -> io::Result<Links> {
        let connection = Connection::<nlink::Route>::new_in(namespace).map_err(io::Error::other)?;
        Ok(Links { connection: connection.timeout(ANSWER_TIME), namespace: namespace.try_clone_to_owned()?, whose })
    }

    /// What is there, and the number of each link.
    pub async fn read(&self) -> nlink::Result<(Side, BTreeMap<String, u32>)> {
        let mut side = Side::default();
        let mut numbers = BTreeMap::new();
        for message in self.connection.get_links().await? {
            let Some((name, kind)) = self.kind(&message) else { continue };
            let mac = message.address().and_then(|a| a.try_into().ok()).map_or(MacAddr([0; 6]), MacAddr);
            let link = Link { kind, mac, mtu: message.mtu().unwrap_or(0), up: message.is_up() };
            numbers.insert(name.clone(), message.ifindex());
            side.links.insert(name, link);
        }
        let names: BTreeMap<u32, &String> = numbers.iter().map(|(name, number)| (*number, name)).collect();
        side.shapes = shaping::read(&self.connection, &names).await?;
        for message in self.connection.get_addresses().await? {
            let Some(name) = names.get(&message.ifindex()) else { continue };
            match message.primary_address() {
                Some(IpAddr::V4(ip)) if !ip.is_loopback() => drop(side.addresses.insert(((*name).clone(), *ip))),
                Some(IpAddr::V6(ip)) if !ip.is_loopback() => drop(side.v6.addresses.insert(((*name).clone(), *ip))),
                Some(_) | None => {}
            }
        }
        for message in self.connection.get_routes().await? {
            if let Some((to, route)) = link6::route(&message, &names, &self.whose) {
                match message.table_id() {
                    MAIN => drop(side.v6.routes.insert(to, route)),
                    table if is_hop_table(table) => drop(side.v6.hops.insert((table, to), route)),
                    _ => {}
                }
            }
            let Some((to, route)) = self.route(&message, &names) else { continue };
            match message.table_id() {
                MAIN => drop(side.routes.insert(to, route)),
                table if is_hop_table(table) || self.is_machines() => drop(side.hops.insert((table, to), route)),
                _ => {}
            }
        }
        if matches!(self.whose, Whose::Vpc(_)) {
            let tables = |rules: &[RuleMessage]| {
                rules.iter().filter(|rule| rule.priority() == BY_MARK).map(RuleMessage::table).filter(|t| is_hop_table(*t)).collect()
            };
            side.tables = tables(&self.connection.get_rules_v4().await?);
            side.v6.tables = tables(&self.connection.get_rules_v6().await?);
        }
        for message in self.connection.get_neighbors().await? {
            if let (Some(name), Some(ip), NeighborState::Permanent, Some(mac)) = (
                names.get(&message.ifindex()),
                message.destination(),
                message.state(),
                message.lladdr().and_then(|mac| mac.try_into().ok()),
            ) {
                match ip {
                    IpAddr::V4(ip) => side.neighbours.insert(((*name).clone(), *ip), MacAddr(mac)),
                    IpAddr::V6(ip) => side.v6.neighbours.insert(((*name).clone(), *ip), MacAddr(mac)),
                };
            }
        }
        for (name, link) in &side.links {
            if !matches!(link.kind, LinkKind::Overlay { .. }) {
                continue;
            }
            for entry in self.connection.get_fdb_by_index(numbers[name]).await? {
                if let Some(IpAddr::V4(host)) = entry.dst() {
                    side.hosts.insert((name.clone(), MacAddr(entry.mac())), host);
                }
            }
        }
        Ok((side, numbers))
    }

    /// The connection to the kernel, for what is not on links of ours.
    pub(super) fn connection(&self) -> &Connection<nlink::Route> {
        &self.connection
    }

    /// Whether they are the machine's, in whose tables every route over one of them is ours.
    fn is_machines(&self) -> bool {
        matches!(self.whose, Whose::Machine(_))
    }

    fn kind(&self, message: &LinkMessage) -> Option<(String, LinkKind)> {
        let name = message.name()?;
        let kind = match &self.whose {
            Whose::Machine(prefix) if !name.starts_with(prefix) => return None,
            Whose::Machine(_) if message.kind() == Some("veth") => LinkKind::VethOfMachine,
            Whose::Machine(_) if message.kind() == Some("vxlan") => overlay(message)?,
            Whose::Machine(_) => return None,
            Whose::Vpc(_) if name == OVERLAY && message.kind() == Some("vxlan") => overlay(message)?,
            Whose::Vpc(_) if name == "lo" => LinkKind::Loopback,
            Whose::Vpc(_) if name == OUTSIDE => LinkKind::VethOfVpc,
            Whose::Vpc(own) if name.starts_with(PEERS) => LinkKind::VethOfPeer { makes: *own < number_of(name)? },
            Whose::Vpc(_) if nic_of(name).is_some() && message.kind() == Some("tun") => LinkKind::Tap,
            Whose::Vpc(_) => return None,
        };
        Some((name.to_owned(), kind))
    }

    fn route(&self, message: &RouteMessage, names: &BTreeMap<u32, &String>) -> Option<(Ipv4Net, Route)> {
        if !message.is_ipv4() || message.protocol() != RouteProtocol::Static {
            return None;
        }
        let address = match message.destination() {
            Some(IpAddr::V4(ip)) => *ip,
            Some(IpAddr::V6(_)) => return None,
            None => Ipv4Addr::UNSPECIFIED,
        };
        let to = Ipv4Net::new(address, message.dst_len()).ok()?;
        let v4 = |ip: Option<&IpAddr>| match ip {
            Some(IpAddr::V4(ip)) => Some(*ip),
            Some(IpAddr::V6(_)) | None => None,
        };
        let route = match (message.route_type(), message.oif().and_then(|oif| names.get(&oif)), v4(message.gateway())) {
            (RouteType::Unicast, Some(link), None) => Route::Link((*link).clone()),
            (RouteType::Unicast, Some(link), Some(hop)) => Route::Hop { link: (*link).clone(), hop, source: v4(message.prefsrc()) },
            (RouteType::Unreachable, _, _) if matches!(self.whose, Whose::Vpc(_)) => Route::Unreachable,
            _ => return None,
        };
        Some((to, route))
    }

    /// Makes changes in their order and stops at the first that fails. `numbers` are those of [`Links::read`], and are kept
    /// up with what is made.
    pub async fn change(
        &self,
        changes: &[Change],
        numbers: &mut BTreeMap<String, u32>,
        peers: &BTreeMap<String, Peer<'_>>,
    ) -> io::Result<()> {
        for change in changes {
            self.one(change, numbers, peers).await.map_err(|e| io::Error::new(e.kind(), format!("{change:?}: {e}")))?;
        }
        Ok(())
    }

    async fn one(&self, change: &Change, numbers: &mut BTreeMap<String, u32>, peers: &BTreeMap<String, Peer<'_>>) -> io::Result<()> {
        let number = |name: &String| {
            numbers.get(name).copied().ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, format!("there is no link {name}")))
        };
        match change {
            Change::DropLink(name) => gone(self.connection.del_link(name.as_str()).await)?,
            Change::MakeLink(name, link) => {
                self.make(name, link, peers).await?;
                let made = self.connection.get_link_by_name(name.as_str()).await.map_err(io::Error::other)?;
                let made = made.ok_or_else(|| io::Error::other(format!("{name} was made and is not there")))?;
                numbers.insert(name.clone(), made.ifindex());
            }
            Change::SetLink(name, link) => self.set(name, number(name)?, link).await?,
            Change::AddAddress(name, ip) => {
                there(self.connection.add_address(Ipv4Address::with_index(number(name)?, *ip, 32)).await)?;
            }
            Change::DropAddress(name, ip) => {
                gone(self.connection.del_address_by_index(number(name)?, IpAddr::V4(*ip), 32).await)?;
            }
            Change::SetHop(table, to, route) => {
                let wanted = write_route(*to, route, |link| number(&link.to_owned()))?.table(*table);
                self.connection.replace_route(wanted).await.map_err(io::Error::other)?;
            }
            Change::DropHop(table, to, route) => {
                gone(self.connection.del_route(write_route(*to, route, |link| number(&link.to_owned()))?.table(*table)).await)?;
            }
            Change::UseTable(table) => {
                there(self.connection.add_rule(main_but_default(RuleBuilder::v4())).await)?;
                there(self.connection.add_rule(by_mark(RuleBuilder::v4(), *table)).await)?;
            }
            Change::LeaveTable(table) => {
                let rule = by_mark(RuleBuilder::v4(), *table);
                self.connection.del_rule_if_exists(rule).await.map_err(io::Error::other)?;
            }
            Change::SetRoute(to, route) => {
                let wanted = write_route(*to, route, |link| number(&link.to_owned()))?;
                self.connection.replace_route(wanted).await.map_err(io::Error::other)?;
            }
            Change::DropRoute(to, route) => {
                gone(self.connection.del_route(write_route(*to, route, |link| number(&link.to_owned()))?).await)?;
            }
            Change::SetNeighbour(name, ip, mac) => {
                let neighbour = Neighbor::with_index_v4(number(name)?, *ip).lladdr(mac.0).permanent();
                self.connection.replace_neighbor(neighbour).await.map_err(io::Error::other)?;
            }
            Change::DropNeighbour(name, ip) => {
                gone(self.connection.del_neighbor(Neighbor::with_index_v4(number(name)?, *ip)).await)?;
            }
            Change::Shape(name, change) => shaping::carry_out(&self.connection, number(name)?, *change).await?,
            Change::SetHost(name, mac, host) => {
                let entry = FdbEntryBuilder::new(mac.0).ifindex(number(name)?).dst(IpAddr::V4(*host)).self_();
                self.connection.replace_fdb(entry).await.map_err(io::Error::other)?;
            }
            Change::DropHost(name, mac) => {
                let entry = FdbEntryBuilder::new(mac.0).ifindex(number(name)?).self_();
                gone(self.connection.del_fdb_entry(entry).await)?;
            }
            Change::V6(change) => link6::change(&self.connection, self.namespace.as_fd(), change, &number).await?,
        }
        Ok(())
    }

    async fn make(&self, name: &str, link: &Link, peers: &BTreeMap<String, Peer<'_>>) -> io::Result<()> {
        match link.kind {
            LinkKind::Tap => netns::inside(self.namespace.as_fd(), || tap::open(name).map(drop)),
            LinkKind::VethOfMachine => {
                let peer = peers.get(name).ok_or_else(|| io::Error::other("the other end of the pair has no namespace"))?;
                let pair =
                    VethLink::new(name, OUTSIDE).mtu(link.mtu).address(link.mac.0).peer_address(peer.mac.0).peer_netns_fd(peer.namespace);
                self.connection.add_link(pair).await.map_err(io::Error::other)
            }
            LinkKind::VethOfVpc => Err(io::Error::other("the pair to the machine is missing")),
            LinkKind::VethOfPeer { makes: false } => Err(io::Error::other("the pair to a peered VPC is missing")),
            LinkKind::VethOfPeer { makes: true } => {
                let peer = peers.get(name).ok_or_else(|| io::Error::other("the peered VPC has no namespace"))?;
                let Whose::Vpc(own) = self.whose else { return Err(io::Error::other("the machine is peered with nobody")) };
                let pair = VethLink::new(name, names::peer(own)).mtu(link.mtu).address(link.mac.0);
                let pair = pair.peer_address(peer.mac.0).peer_netns_fd(peer.namespace);
                self.connection.add_link(pair).await.map_err(io::Error::other)
            }
            LinkKind::Overlay { vni, underlay } => {
                let device = VxlanLink::new(name, vni).local(underlay).port(OVERLAY_PORT).learning(false);
                let device = device.mtu(link.mtu).address(link.mac.0);
                match peers.get(name) {
                    // Made where its packets travel, in the namespace where it is.
                    Some(peer) => {
                        let machine = Connection::<nlink::Route>::new_in(peer.namespace).map_err(io::Error::other)?.timeout(ANSWER_TIME);
                        machine.add_link(device.netns(self.namespace.as_fd())).await.map_err(io::Error::other)
                    }
                    None => self.connection.add_link(device).await.map_err(io::Error::other),
                }
            }
            LinkKind::Loopback => Err(io::Error::other("a namespace without its loopback")),
        }
    }

    /// Settings first, up last: a link that is up is complete.
    async fn set(&self, name: &str, number: u32, link: &Link) -> io::Result<()> {
        let settings: &[(&str, &str)] = match link.kind {
            // Answers for every address that is routed elsewhere, at once: proxy_delay would hold the first back for up to
            // 0.8 s. Nothing that a guest says changes where the host sends packets.
            LinkKind::Tap => &[
                ("net/ipv4/neigh/NAME/proxy_delay", "0"),
                ("net/ipv4/conf/NAME/proxy_arp", "1"),
                ("net/ipv4/conf/NAME/send_redirects", "0"),
                ("net/ipv4/conf/NAME/accept_redirects", "0"),
                ("net/ipv4/conf/NAME/accept_source_route", "0"),
                ("net/ipv4/conf/NAME/rp_filter", "0"),
                ("net/ipv6/conf/NAME/disable_ipv6", "1"),
            ],
            // Public addresses of two VPCs reach each other by the machine, which need not forward for anybody else.
            LinkKind::VethOfMachine => &[
                ("net/ipv4/conf/NAME/forwarding", "1"),
                ("net/ipv4/conf/NAME/send_redirects", "0"),
                ("net/ipv4/conf/NAME/accept_redirects", "0"),
                ("net/ipv6/conf/NAME/disable_ipv6", "1"),
            ],
            LinkKind::VethOfVpc | LinkKind::VethOfPeer { makes: _ } => {
                &[("net/ipv4/conf/NAME/rp_filter", "0"), ("net/ipv6/conf/NAME/disable_ipv6", "1")]
            }
            // Hosts are known by permanent entries; nothing that comes in says where anything is.
            LinkKind::Overlay { .. } => &[
                ("net/ipv4/conf/NAME/forwarding", "1"),
                ("net/ipv4/conf/NAME/rp_filter", "0"),
                ("net/ipv4/conf/NAME/send_redirects", "0"),
                ("net/ipv4/conf/NAME/accept_redirects", "0"),
                ("net/ipv4/conf/NAME/accept_source_route", "0"),
                ("net/ipv6/conf/NAME/disable_ipv6", "1"),
            ],
            LinkKind::Loopback => &[],
        };
        if !settings.is_empty() {
            let settings: Vec<_> = settings.iter().map(|(path, value)| (path.replace("NAME", name), *value)).collect();
            let settings: Vec<_> = settings.iter().map(|(path, value)| (path.as_str(), *value)).collect();
            netns::inside(self.namespace.as_fd(), || netns::sysctl(&settings))?;
            self.connection.set_link_address_by_index(number, link.mac.0).await.map_err(io::Error::other)?;
            self.connection.set_link_mtu_by_index(number, link.mtu).await.map_err(io::Error::other)?;
        }
        self.connection.set_link_up_by_index(number).await.map_err(io::Error::other)
    }

    /// Removes a link, when it is there.
    pub async fn drop_link(&self, name: &str) -> io::Result<()> {
        gone(self.connection.del_link(name).await)
    }
}

/// The number of the VPC that a link leads to.
fn number_of(link: &str) -> Option<u32> {
    u32::from_str_radix(link.strip_prefix(PEERS)?, 16).ok()
}

/// The kind of a VXLAN device: its attributes `IFLA_VXLAN_ID` and `IFLA_VXLAN_LOCAL` (linux/if_link.h).
fn overlay(message: &LinkMessage) -> Option<LinkKind> {
    let mut rest = message.link_info()?.data()?;
    let (mut vni, mut underlay) = (None, Ipv4Addr::UNSPECIFIED);
    while let [low, high, kind, _, ..] = *rest {
        let length = usize::from(u16::from_ne_bytes([low, high]));
        let value = rest.get(4..length)?;
        match (kind, <[u8; 4]>::try_from(value)) {
            (1, Ok(bytes)) => vni = Some(u32::from_ne_bytes(bytes)),
            (4, Ok(bytes)) => underlay = bytes.into(),
            _ => {}
        }
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    Some(LinkKind::Overlay { vni: vni?, underlay })
}

/// Whether a table is a subnet's.
fn is_hop_table(table: u32) -> bool {
    table & !(HOP_TABLES - 1) == HOP_TABLES || table & !(HOME_TABLES - 1) == HOME_TABLES
}

/// What the main table says first, but for its default route: inside the VPC nothing leads astray.
pub(super) fn main_but_default(rule: RuleBuilder) -> RuleBuilder {
    rule.priority(MAIN_FIRST).table(MAIN).suppress_prefixlen(0)
}

pub(super) fn by_mark(rule: RuleBuilder, table: u32) -> RuleBuilder {
    rule.priority(BY_MARK).fwmark(table).table(table)
}

fn write_route(to: Ipv4Net, route: &Route, number: impl Fn(&str) -> io::Result<u32>) -> io::Result<Ipv4Route> {
    let wanted = Ipv4Route::from_addr(to.network(), to.prefix_len()).table(MAIN).protocol(RouteProtocol::Static);
    Ok(match route {
        Route::Link(link) => wanted.dev_index(number(link)?).scope(RouteScope::Link),
        Route::Hop { link, hop, source } => {
            let wanted = wanted.gateway(*hop).dev_index(number(link)?).onlink();
            source.map_or(wanted.clone(), |source| wanted.prefsrc(source))
        }
        Route::Unreachable => wanted.route_type(RouteType::Unreachable),
    })
}

/// Something that should be gone and was not there is gone.
pub(super) fn gone(result: nlink::Result<()>) -> io::Result<()> {
    match result {
        Err(e) if e.is_not_found() || e.is_no_device() || e.errno() == Some(nix::libc::EADDRNOTAVAIL) => Ok(()),
        other => other.map_err(io::Error::other),
    }
}

/// Something that should be there and was there already is there.
pub(super) fn there(result: nlink::Result<()>) -> io::Result<()> {
    match result {
        Err(e) if e.is_already_exists() => Ok(()),
        other => other.map_err(io::Error::other),
    }
}
