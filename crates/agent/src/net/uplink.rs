//! Public addresses beyond the machines of the cloud: the links by which they are reached, which the operator names.
//!
//! ```text
//!   LAN ─ who has 198.51.100.9? ─▶ uplink ─ proxy entry of the address ─▶ the uplink's hardware address
//!       ─ packet ────────────────▶ uplink ─ (link, address) in `beyond` ─▶ pair of the VPC that has it on this host
//!                                         └ on a link that forwards only for us: everything else is dropped
//!   routing daemon of the machine ◀─ table of its own: a route to each address of this host
//! ```
//!
//! An uplink forwards while an address is here. Where it did not before, that it does is for us alone: its name is in the set `lent`,
//! first in and last out, so that an agent that finds it there knows to take it back. What the operator has forwarding anyway is left as it
//! is ([why so](../../../../docs/adr/0021-public-addresses-beyond-the-cloud.md)).

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::{AsFd, BorrowedFd};
use std::str::FromStr;

use hostspec::{Fabric, VpcSpec};
use ipnet::Ipv4Net;
use model::MacAddr;
use nlink::Connection;
use nlink::netlink::message::NlMsgType;
use nlink::netlink::messages::NeighborMessage;
use nlink::netlink::neigh::Neighbor;
use nlink::netlink::parse::{FromNetlink, PResult};
use socket2::{Domain, Protocol, Socket, Type};

use super::line::{Line, Load};
use super::link::{gone, there};
use super::names::Names;
use super::plan::{LinkKind, Side, public};
use super::ruleset::{Base, BaseKind, Chain, Family, Field, Hook, Key, Ruleset, Shape, Table, TableId};
use super::table::plain;
use super::{Network, State, frame, netns};

/// Most bytes of a link's name (`IFNAMSIZ`, less the zero at its end).
const NAME_MAX: usize = 15;
/// Largest number of a table that is announced: the kernel fills those from 253 to 255 itself.
const TABLE_MAX: u32 = 252;
/// `ETH_P_ARP`.
const ARP: u16 = 0x0806;
/// `NTF_PROXY`.
const PROXY: u8 = 0x08;
/// Bytes of `struct ndmsg`, and where its flags are.
const NDMSG: usize = 12;
const FLAGS: usize = 10;

/// A link of an address.
const AT: [Field; 2] = [Field::IfName, Field::Ipv4];
/// The set of links that forward for us alone.
const LENT: &str = "lent";

/// The links of a machine by which public addresses are reached from beyond the cloud.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Uplinks {
    /// Their names. None: only machines of the cloud and guests reach public addresses.
    pub links: BTreeSet<String>,
    /// How those beyond learn where an address is.
    pub announce: Announce,
}

/// How machines beyond an uplink learn where a public address is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Announce {
    /// The host that has it answers for it by ARP, on every uplink.
    #[default]
    Arp,
    /// The host that has it keeps a route to it in this routing table, which a routing daemon of the machine reads.
    Table(u32),
}

/// The text says no way to announce addresses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is neither `arp` nor `table:N` with the number of a routing table, 1 to {TABLE_MAX}")]
pub struct BadAnnounce(String);

impl FromStr for Announce {
    type Err = BadAnnounce;

    /// Reads `arp` or `table:200`.
    fn from_str(text: &str) -> Result<Announce, BadAnnounce> {
        if text == "arp" {
            return Ok(Announce::Arp);
        }
        let number = text.strip_prefix("table:").and_then(|number| number.parse().ok());
        let free = number.filter(|number| (1..=TABLE_MAX).contains(number));
        free.map(Announce::Table).ok_or_else(|| BadAnnounce(text.to_owned()))
    }
}

/// The text cannot be the name of a link.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a link's name has 1 to {NAME_MAX} bytes without spaces, slashes and colons; {0:?} is none")]
pub struct BadLink(String);

/// Checks the name of a link as the kernel does (`dev_valid_name`).
pub fn link_name(text: &str) -> Result<String, BadLink> {
    let odd = |c: char| c == '/' || c == ':' || c.is_whitespace();
    if text.is_empty() || text.len() > NAME_MAX || matches!(text, "." | "..") || text.contains(odd) {
        return Err(BadLink(text.to_owned()));
    }
    Ok(text.to_owned())
}

/// What a machine is like, as far as its uplinks go.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Seen {
    /// Whether it forwards between all its links, for whatever reason.
    pub is_router: bool,
    /// Links that were asked about and are there.
    pub links: BTreeMap<String, SeenLink>,
    /// Addresses of the pool that are answered for, each with the number of its link.
    pub proxies: BTreeSet<(u32, Ipv4Addr)>,
}

/// A link that is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeenLink {
    /// Its number.
    pub number: u32,
    /// Its hardware address.
    pub mac: MacAddr,
    /// Whether what comes in by it is forwarded.
    pub forwards: bool,
}

/// What should be, and what it takes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plan {
    /// Why uplinks are of no use, in words for the operator.
    pub faults: Vec<String>,
    /// Which address is reached by which link.
    pub beyond: BTreeSet<(String, Ipv4Addr)>,
    /// Links that forward for us alone.
    pub lent: BTreeSet<String>,
    /// Links that are to forward no more.
    pub take_back: Vec<String>,
    /// Links that are to forward from now on.
    pub lend: Vec<String>,
    /// Addresses that are answered for no more, by the number of the link.
    pub silence: Vec<(u32, Ipv4Addr)>,
    /// Addresses that are answered for from now on.
    pub answer: Vec<(SeenLink, Ipv4Addr)>,
    /// All addresses that are answered for.
    pub answered: Vec<(SeenLink, Ipv4Addr)>,
}

impl Plan {
    /// How many changes it takes.
    pub fn changes(&self) -> usize {
        self.take_back.len() + self.lend.len() + self.silence.len() + self.answer.len()
    }
}

impl Network {
    /// What it takes for public addresses that are translated here to be reached by the uplinks.
    pub(super) async fn beyond(&self, state: &State, reaching: &[VpcSpec], seen: &Ruleset) -> io::Result<Plan> {
        let before = lent(&self.names, seen);
        let links = self.config.uplinks.links.union(&before).cloned().collect();
        let around = look(state.machine.connection(), self.machine.as_fd(), &links, self.config.public_pool).await?;
        Ok(plan(&self.config.uplinks, &reaching.iter().flat_map(public).collect(), &before, &around))
    }

    /// The ranges that only machines of the cloud and guests send from, and this machine's own addresses there.
    pub(super) fn of_the_cloud(&self, fabric: Option<&Fabric>) -> (Vec<Ipv4Net>, Vec<Ipv4Addr>) {
        let own: Vec<Ipv4Addr> = fabric.map(|fabric| fabric.machine).into_iter().chain([self.machine_address()]).collect();
        let others = fabric.into_iter().flat_map(|fabric| &fabric.hosts).map(|host| host.machine);
        let cloud = others.chain(own.iter().copied()).map(Ipv4Net::from).chain([self.config.public_pool]).collect();
        (cloud, own)
    }

    /// Announces the addresses that came, and those that came before the last look.
    pub(super) fn announce(&self, state: &mut State, beyond: &Plan) {
        let fresh: BTreeSet<Ipv4Addr> = beyond.answer.iter().map(|(_, ip)| *ip).collect();
        let again = std::mem::replace(&mut state.announced, fresh.clone());
        let due: Vec<_> = beyond.answered.iter().filter(|(_, ip)| fresh.contains(ip) || again.contains(ip)).copied().collect();
        if let Err(error) = announce(self.machine.as_fd(), &due) {
            tracing::warn!(%error, "public addresses could not be announced; those beyond ask for them when they need them");
        }
    }
}

/// What it takes to have these public addresses, which are translated on this host, reached by the uplinks. `lent` is what an agent lent
/// before. Pure.
pub fn plan(uplinks: &Uplinks, here: &BTreeSet<Ipv4Addr>, lent: &BTreeSet<String>, seen: &Seen) -> Plan {
    let mut plan = Plan::default();
    for name in uplinks.links.iter().filter(|name| !seen.links.contains_key(*name)) {
        plan.faults.push(format!("the uplink {name} is not there, and no public address is reached by it"));
    }
    let used = |name: &String| !here.is_empty() && uplinks.links.contains(name);
    for (name, link) in &seen.links {
        if !used(name) {
            // On a router it would be the operator's wish by now.
            if lent.contains(name) && link.forwards && !seen.is_router {
                plan.take_back.push(name.clone());
            }
            continue;
        }
        match (seen.is_router, link.forwards) {
            (true, true) => {}
            // Who has a router and this link off wants it off.
            (true, false) => {
                plan.faults.push(format!("the machine forwards (net.ipv4.ip_forward), but not what comes in by the uplink {name}"));
                continue;
            }
            (false, true) => plan.lent.extend(lent.get(name).cloned()),
            (false, false) => {
                plan.lend.push(name.clone());
                plan.lent.insert(name.clone());
            }
        }
        plan.beyond.extend(here.iter().map(|ip| (name.clone(), *ip)));
        if uplinks.announce == Announce::Arp {
            plan.answered.extend(here.iter().map(|ip| (*link, *ip)));
        }
    }
    let wanted: BTreeSet<(u32, Ipv4Addr)> = plan.answered.iter().map(|(link, ip)| (link.number, *ip)).collect();
    plan.silence = seen.proxies.difference(&wanted).copied().collect();
    plan.answer = plan.answered.iter().filter(|(link, ip)| !seen.proxies.contains(&(link.number, *ip))).copied().collect();
    plan
}

/// Adds what the packet filter of the machine needs: nothing without uplinks. `cloud` are the addresses that only the cloud's own
/// machines and guests send from, `own` those of this machine towards guests.
pub fn add(names: &Names, plan: &Plan, cloud: &[Ipv4Net], own: &[Ipv4Addr], ruleset: &mut Ruleset) {
    let id = |family| TableId { family, name: names.machine_table() };
    let Some(table) = ruleset.tables.get_mut(&id(Family::Inet)).filter(|_| !plan.beyond.is_empty()) else { return };
    let Some(forward) = table.chains.get_mut("forward") else { return };
    let links: BTreeSet<&String> = plan.beyond.iter().map(|(link, _)| link).collect();
    let ours = format!("{}*", names.prefix());
    let forged = links.iter().map(|link| Line::new().iif(link).in_set(&[Load::IpSaddr], "forged").drop());
    let pass = [
        Line::new().iif(&ours).in_set(&[Load::OifName, Load::IpSaddr], "beyond").accept(),
        Line::new().oif(&ours).in_set(&[Load::IifName, Load::IpDaddr], "beyond").accept(),
    ];
    forward.lines.splice(0..0, forged.chain(pass).collect::<Vec<_>>());
    forward.lines.push(Line::new().ipv4().in_set(&[Load::IifName], LENT).drop());
    let at = |link: &str, ip: Ipv4Addr| Key::builder().ifname(link).ipv4(ip).key(&AT);
    let name = |link: &String| Key::builder().ifname(link).key(&[Field::IfName]);
    let nets = Ipv4Net::aggregate(&cloud.to_vec());
    let nets = nets.iter().map(|net| Key::builder().ipv4_range(net.network(), net.broadcast()).key(&[Field::Ipv4]));
    table.sets.insert("forged".to_owned(), plain(Shape::ranges(&[Field::Ipv4]), nets));
    table.sets.insert("beyond".to_owned(), plain(Shape::set(&AT), plan.beyond.iter().map(|(link, ip)| at(link, *ip))));
    table.sets.insert(LENT.to_owned(), plain(Shape::set(&[Field::IfName]), plan.lent.iter().map(name)));
    // The kernel answers on every link for every address that the machine has.
    let own = links.iter().flat_map(|link| own.iter().map(|ip| at(link, *ip)));
    let base = Base { kind: BaseKind::Filter, hook: Hook::Input, priority: 0, policy_drop: false };
    let lines = vec![Line::new().in_set(&[Load::IifName, Load::ArpDaddrIp], "own").drop()];
    let arp = Table {
        sets: BTreeMap::from([("own".to_owned(), plain(Shape::set(&AT), own))]),
        chains: BTreeMap::from([("input".to_owned(), Chain { base: Some(base), lines })]),
    };
    ruleset.tables.insert(id(Family::Arp), arp);
}

/// The links that forward for us alone, as the packet filter says.
pub fn lent(names: &Names, seen: &Ruleset) -> BTreeSet<String> {
    let id = TableId { family: Family::Inet, name: names.machine_table() };
    let set = seen.tables.get(&id).and_then(|table| table.sets.get(LENT));
    let name = |key: &Key| String::from_utf8_lossy(&key.from).trim_end_matches('\0').to_owned();
    set.into_iter().flat_map(|set| set.elements.keys()).map(name).collect()
}

/// Adds the routes that a daemon announces: those to VPCs of this host, once more.
pub fn add_routes(uplinks: &Uplinks, side: &mut Side) {
    let Announce::Table(number) = uplinks.announce else { return };
    let is_here = |link: Option<&str>| link.and_then(|link| side.links.get(link)).is_some_and(|link| link.kind == LinkKind::VethOfMachine);
    let here = side.routes.iter().filter(|(_, route)| is_here(route.link()));
    side.hops = here.map(|(to, route)| ((number, *to), route.clone())).collect();
}

/// Looks at these links, and at who is answered for.
pub async fn look(
    connection: &Connection<nlink::Route>,
    machine: BorrowedFd<'_>,
    links: &BTreeSet<String>,
    pool: Ipv4Net,
) -> io::Result<Seen> {
    let mut seen = Seen::default();
    for proxy in connection.dump_typed::<Proxy>(NlMsgType::RTM_GETNEIGH).await.map_err(io::Error::other)? {
        if let Some(IpAddr::V4(ip)) = proxy.0.destination()
            && pool.contains(ip)
        {
            seen.proxies.insert((proxy.0.ifindex(), *ip));
        }
    }
    if links.is_empty() {
        return Ok(seen);
    }
    for name in links {
        let Some(message) = connection.get_link_by_name(name.as_str()).await.map_err(io::Error::other)? else { continue };
        let mac = message.address().and_then(|a| a.try_into().ok()).map_or(MacAddr([0; 6]), MacAddr);
        seen.links.insert(name.clone(), SeenLink { number: message.ifindex(), mac, forwards: false });
    }
    netns::inside(machine, || {
        let forwards = |name: &str| Ok::<_, io::Error>(std::fs::read_to_string(format!("/proc/sys/{}", forwarding(name)))?.trim() == "1");
        seen.is_router = forwards("all")?;
        for (name, link) in &mut seen.links {
            link.forwards = forwards(name)?;
        }
        Ok(())
    })?;
    Ok(seen)
}

/// Ends what is not wanted any more: before the packet filter forgets of it.
pub async fn end(connection: &Connection<nlink::Route>, machine: BorrowedFd<'_>, plan: &Plan) -> io::Result<()> {
    set_forwarding(machine, &plan.take_back, "0")?;
    for (link, ip) in &plan.silence {
        gone(connection.del_proxy_arp_by_index(*link, *ip).await)?;
    }
    Ok(())
}

/// Begins what is wanted: once the packet filter and the routes are there.
pub async fn begin(connection: &Connection<nlink::Route>, machine: BorrowedFd<'_>, plan: &Plan) -> io::Result<()> {
    set_forwarding(machine, &plan.lend, "1")?;
    for (link, ip) in &plan.answer {
        there(connection.add_neighbor(Neighbor::with_index_v4(link.number, *ip).proxy()).await)?;
    }
    Ok(())
}

/// Tells everybody on a link whose hardware address these addresses have now (an ARP announcement, RFC 5227 section 3): who knows
/// another one takes this one at once.
pub fn announce(machine: BorrowedFd<'_>, addresses: &[(SeenLink, Ipv4Addr)]) -> io::Result<()> {
    if addresses.is_empty() {
        return Ok(());
    }
    // Without a protocol the socket hears nothing.
    let socket = netns::inside(machine, || Socket::new(Domain::PACKET, Type::DGRAM.cloexec(), Some(Protocol::from(0))))?;
    for (link, ip) in addresses {
        frame::send(&socket, link.number, ARP, MacAddr([0xff; 6]), &announcement(link.mac, *ip))?;
    }
    Ok(())
}

/// A question for an address that comes from the address itself.
fn announcement(mac: MacAddr, ip: Ipv4Addr) -> [u8; 28] {
    // Ethernet, IPv4, the lengths of their addresses, a question.
    let mut out = [0; 28];
    out[..8].copy_from_slice(&[0, 1, 8, 0, 6, 4, 0, 1]);
    out[8..14].copy_from_slice(&mac.0);
    out[14..18].copy_from_slice(&ip.octets());
    out[24..28].copy_from_slice(&ip.octets());
    out
}

fn forwarding(link: &str) -> String {
    format!("net/ipv4/conf/{link}/forwarding")
}

fn set_forwarding(machine: BorrowedFd<'_>, links: &[String], value: &str) -> io::Result<()> {
    if links.is_empty() {
        return Ok(());
    }
    let paths: Vec<String> = links.iter().map(|link| forwarding(link)).collect();
    let settings: Vec<(&str, &str)> = paths.iter().map(|path| (path.as_str(), value)).collect();
    netns::inside(machine, || netns::sysctl(&settings))
}

/// An address that is answered for: what the kernel lists only when it is asked for these.
struct Proxy(NeighborMessage);

impl FromNetlink for Proxy {
    fn parse(input: &mut &[u8]) -> PResult<Proxy> {
        NeighborMessage::parse(input).map(Proxy)
    }

    fn write_dump_header(buffer: &mut Vec<u8>) {
        let mut header = [0; NDMSG];
        header[FLAGS] = PROXY;
        buffer.extend_from_slice(&header);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IP: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 9);

    fn uplinks(announce: Announce) -> Uplinks {
        Uplinks { links: BTreeSet::from(["eth0".to_owned()]), announce }
    }

    fn seen(is_router: bool, forwards: bool, proxies: &[(u32, Ipv4Addr)]) -> Seen {
        let link = SeenLink { number: 2, mac: MacAddr([2, 0, 0, 0, 0, 1]), forwards };
        Seen { is_router, links: BTreeMap::from([("eth0".to_owned(), link)]), proxies: proxies.iter().copied().collect() }
    }

    fn named(links: &[&str]) -> BTreeSet<String> {
        links.iter().map(|link| (*link).to_owned()).collect()
    }

    #[test]
    fn a_link_that_did_not_forward_does_so_for_us_alone_and_only_while_an_address_is_here() {
        let arp = uplinks(Announce::Arp);
        let first = plan(&arp, &[IP].into(), &named(&[]), &seen(false, false, &[]));
        assert_eq!((first.lend.as_slice(), &first.lent), (&["eth0".to_owned()][..], &named(&["eth0"])));
        let then = plan(&arp, &[IP].into(), &named(&["eth0"]), &seen(false, true, &[(2, IP)]));
        assert_eq!((then.changes(), &then.lent), (0, &named(&["eth0"])));
        let last = plan(&arp, &BTreeSet::new(), &named(&["eth0"]), &seen(false, true, &[(2, IP)]));
        assert_eq!((last.take_back.as_slice(), last.silence.as_slice()), (&["eth0".to_owned()][..], &[(2, IP)][..]));
        assert_eq!((last.lent, last.beyond), (named(&[]), BTreeSet::new()));
    }

    #[test]
    fn what_the_operator_has_forwarding_is_left_as_it_is() {
        let arp = uplinks(Announce::Arp);
        for router in [false, true] {
            let plan = plan(&arp, &[IP].into(), &named(&[]), &seen(router, true, &[]));
            assert_eq!((plan.lend, plan.lent), (vec![], named(&[])));
        }
        let closed = plan(&arp, &[IP].into(), &named(&[]), &seen(true, false, &[]));
        assert_eq!((closed.faults.len(), closed.lend, closed.answer), (1, vec![], vec![]));
        // The machine became a router meanwhile.
        let later = plan(&arp, &[IP].into(), &named(&["eth0"]), &seen(true, true, &[]));
        assert_eq!(later.lent, named(&[]));
        assert_eq!(plan(&arp, &BTreeSet::new(), &named(&["eth0"]), &seen(true, true, &[])).take_back, Vec::<String>::new());
    }

    #[test]
    fn nobody_is_answered_for_where_routes_are_announced() {
        let plan = plan(&uplinks(Announce::Table(200)), &[IP].into(), &named(&[]), &seen(false, false, &[(2, IP)]));
        assert_eq!((plan.answer, plan.silence), (vec![], vec![(2, IP)]));
        assert_eq!(plan.beyond, BTreeSet::from([("eth0".to_owned(), IP)]));
    }

    #[test]
    fn ways_to_announce_and_names_of_links_are_read() {
        assert_eq!("arp".parse(), Ok(Announce::Arp));
        assert_eq!("table:200".parse(), Ok(Announce::Table(200)));
        for bad in ["", "bgp", "table:", "table:0", "table:253", "table:-1"] {
            assert_eq!(bad.parse::<Announce>(), Err(BadAnnounce(bad.to_owned())));
        }
        assert_eq!(link_name("eth0.100"), Ok("eth0.100".to_owned()));
        for bad in ["", ".", "..", "a/b", "a b", "a:b", "sixteen-bytes-is"] {
            assert_eq!(link_name(bad), Err(BadLink(bad.to_owned())));
        }
    }
}
