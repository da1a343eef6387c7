//! One VPC on this host: its namespace, what is in it, and the services that answer inside.
//!
//! The namespace, its links and its rules stay when the agent ends, and are taken up again by the next one. Only the answers
//! to DHCP, DNS and metadata are the agent's own.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use hostspec::VpcSpec;
use model::{InterfaceId, MacAddr, VpcId};
use nlink::Connection;
use nlink::netlink::netfilter::{ConntrackFilter, IpProtocol};
use tokio::sync::watch;

use super::link::{ANSWER_TIME, Links, Peer, Whose};
use super::names::{self, Names, OUTSIDE, OVERLAY};
use super::nft::Rules;
use super::ruleset::Ruleset;
use super::{flows, kept, netns, plan, rule_change, ruleset, table, traffic};
use crate::guest::{Directory, Guests, Ipv6Service, Services};

/// How often a change of rules is tried anew when somebody else's came between.
const MOST_RESTARTS: u32 = 3;

/// Settings of a VPC's namespace: it routes, and nobody inside tells it where to.
const SETTINGS: &[(&str, &str)] = &[
    ("net/ipv4/ip_forward", "1"),
    ("net/ipv4/conf/all/rp_filter", "0"),
    ("net/ipv4/conf/default/rp_filter", "0"),
    ("net/ipv4/conf/all/send_redirects", "0"),
    ("net/ipv4/conf/default/send_redirects", "0"),
    ("net/ipv4/conf/all/accept_redirects", "0"),
    ("net/ipv4/conf/default/accept_redirects", "0"),
    ("net/ipv4/conf/all/accept_source_route", "0"),
    ("net/ipv6/conf/all/disable_ipv6", "1"),
    ("net/ipv6/conf/default/disable_ipv6", "1"),
];

/// A VPC on this host.
pub struct Vpc {
    namespace: OwnedFd,
    name: String,
    links: Links,
    rules: Rules,
    services: Option<Services>,
    ipv6: Option<Ipv6Service>,
    directory: watch::Sender<Arc<Directory>>,
    applied: Option<(VpcSpec, Around)>,
    verified: Option<Instant>,
}

/// What a VPC's namespace depends on beside its spec.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Around {
    /// The largest packet of each interface.
    pub mtus: BTreeMap<InterfaceId, u16>,
    /// The other hosts.
    pub neighbours: Option<Arc<plan::Neighbourhood>>,
}

/// The namespaces that a VPC's links go to.
pub struct Outer<'a> {
    /// The machine's own.
    pub machine: BorrowedFd<'a>,
    /// Those of peered VPCs.
    pub peers: BTreeMap<VpcId, OwnedFd>,
}

/// What somebody else had changed, and was put right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Drift {
    /// Steps that the packet filter took.
    pub rules: usize,
    /// Changes of links, addresses, routes and neighbours.
    pub links: usize,
}

impl Drift {
    /// The same in words; none where nothing was wrong.
    pub fn words(self, whose: &str) -> Option<String> {
        let Drift { rules, links } = self;
        (rules + links > 0)
            .then(|| format!("{whose} was changed by somebody else and put right: {links} of links and routes, {rules} of rules"))
    }
}

impl Vpc {
    /// Takes up the namespace of a VPC, or makes it.
    pub fn open(names: &Names, spec: &VpcSpec, found: Option<OwnedFd>) -> io::Result<Vpc> {
        let name = names.namespace(spec.id);
        let namespace = match (netns::open(&name)?, found) {
            (Some(namespace), _) => namespace,
            (None, Some(found)) => {
                tracing::info!(namespace = name, "gave a namespace its name again");
                netns::name_again(found.as_fd(), &name)?;
                found
            }
            (None, None) => netns::make(&name)?,
        };
        netns::inside(namespace.as_fd(), || netns::sysctl(SETTINGS))?;
        Ok(Vpc {
            links: Links::open(namespace.as_fd(), Whose::Vpc(spec.vni))?,
            rules: Rules::open(namespace.as_fd(), &names.prefix())?,
            namespace,
            name,
            services: None,
            ipv6: None,
            directory: watch::Sender::new(Arc::new(Directory::default())),
            applied: None,
            verified: None,
        })
    }

    /// The namespace.
    pub fn namespace(&self) -> BorrowedFd<'_> {
        self.namespace.as_fd()
    }

    /// Tells the services what to answer.
    pub fn publish(&self, directory: Directory) {
        self.directory.send_replace(Arc::new(directory));
    }

    /// Starts the services when they do not run. Where no guest is there is nobody to ask.
    pub async fn serve(&mut self, guests: &Arc<Guests>) -> io::Result<()> {
        let nobody = self.applied().is_some_and(|spec| spec.nics.is_empty());
        if nobody || self.services.as_ref().is_none_or(|services| !services.alive()) {
            // Who only drops them leaves their ports in use for a moment longer.
            if let Some(services) = self.services.take() {
                services.stop().await;
            }
        }
        if nobody {
            self.ipv6 = None;
            return Ok(());
        }
        if self.services.is_none() {
            self.services = Some(Services::start(self.namespace.as_fd(), self.directory.subscribe(), guests.clone())?);
        }
        if self.applied().is_none_or(|spec| spec.v6.is_none()) {
            self.ipv6 = None;
        } else if self.ipv6.as_ref().is_none_or(|service| !service.is_alive()) {
            self.ipv6 = Some(Ipv6Service::start(self.namespace.as_fd(), self.directory.subscribe())?);
        }
        Ok(())
    }

    /// Whether the VPC was brought to this state, not longer ago than `fresh`.
    pub fn is(&self, spec: &VpcSpec, around: &Around, fresh: std::time::Duration) -> bool {
        self.applied.as_ref().is_some_and(|(s, a)| s == spec && a == around) && self.verified.is_some_and(|at| at.elapsed() < fresh)
    }

    /// Has the next comparison find the VPC not fresh.
    pub fn doubt(&mut self) {
        self.verified = None;
    }

    /// Whether the interface was brought up as it is wanted and its tap is still there. Opening one that is not would make
    /// another that nothing routes to.
    pub async fn has(&self, nic: &hostspec::NicSpec) -> io::Result<bool> {
        let applied = self.applied.as_ref().is_some_and(|(spec, _)| spec.nics.iter().any(|n| n == nic));
        let links = self.links.read().await.map_err(io::Error::other)?.0.links;
        Ok(applied && links.get(&super::names::tap(nic.id)).is_some_and(|link| link.up))
    }

    /// The newest spec that the namespace was brought to.
    pub fn applied(&self) -> Option<&VpcSpec> {
        self.applied.as_ref().map(|(spec, _)| spec)
    }

    /// What came in to its public addresses: each with packets and bytes.
    pub async fn counted(&self, names: &Names) -> io::Result<Vec<(Ipv4Addr, u64, u64)>> {
        self.rules.counted(&names.vpc_table(), traffic::COUNTERS).await.map_err(io::Error::other)
    }

    /// Reads what its logged interfaces have counted in spans before this one.
    pub async fn read_flows(&self, names: &Names, spec: &VpcSpec, now: u32) -> io::Result<flows::Read> {
        flows::read(&self.rules, names, spec, now).await.map_err(io::Error::other)
    }

    /// Removes what was read.
    pub async fn forget_flows(&mut self, read: &flows::Read) -> io::Result<()> {
        flows::forget(&mut self.rules, read).await.map_err(io::Error::other)
    }

    /// Whether the end of the pair to the machine is there.
    pub async fn has_outside(&self) -> io::Result<bool> {
        Ok(self.links.read().await.map_err(io::Error::other)?.0.links.contains_key(OUTSIDE))
    }

    /// Brings the namespace to what the spec says: its name, the rules in one transaction, then links and routes. Gives what
    /// somebody else had changed since it was last brought to the same.
    pub async fn apply(&mut self, names: &Names, spec: &VpcSpec, around: &Around, outer: &Outer<'_>) -> io::Result<Drift> {
        let before = self.applied.take();
        let same = before.as_ref().is_some_and(|(s, a)| s == spec && a == around);
        if !netns::is_named(self.namespace.as_fd(), &self.name)? {
            netns::remove(&self.name)?;
            netns::name_again(self.namespace.as_fd(), &self.name)?;
        }
        let rules = match before {
            Some((before, _)) if !same => self.change_rules(names, &before, spec).await?,
            _ => self.apply_rules(names, spec).await?,
        };
        let (seen, mut numbers) = self.links.read().await.map_err(io::Error::other)?;
        let travels = Peer { namespace: outer.machine, mac: MacAddr([0; 6]) };
        let mut ends = BTreeMap::from([(OVERLAY.to_owned(), travels)]);
        for peer in &spec.peers {
            if let Some(namespace) = outer.peers.get(&peer.vpc) {
                let mac = names::peer_mac(peer.vni, spec.vni);
                ends.insert(names::peer(peer.vni), Peer { namespace: namespace.as_fd(), mac });
            }
        }
        let mut want = plan::vpc(spec, &around.mtus, around.neighbours.as_deref());
        // A pair whose other end's namespace is not there yet is made when that is brought up.
        let is_early = |name: &String, makes| !(seen.links.contains_key(name) || makes && ends.contains_key(name));
        let early = want.peers().filter(|(name, makes)| is_early(name, *makes)).map(|(name, _)| name.clone());
        let early: Vec<String> = early.collect();
        want.without(&early);
        let changes = plan::plan(&seen, &want);
        if !changes.is_empty() {
            tracing::debug!(namespace = self.name, changes = changes.len(), "changing links");
        }
        self.links.change(&changes, &mut numbers, &ends).await?;
        self.applied = Some((spec.clone(), around.clone()));
        self.verified = Some(Instant::now()).filter(|_| early.is_empty());
        Ok(if same { Drift { rules, links: changes.len() } } else { Drift::default() })
    }

    /// The same as [`Vpc::apply_rules`], by way of what changed in the spec where that is enough.
    async fn change_rules(&mut self, names: &Names, before: &VpcSpec, spec: &VpcSpec) -> io::Result<usize> {
        let find = |ruleset: &Ruleset| rule_change::find(names, before, spec, ruleset, now_epoch());
        match self.rules.adjust(find).await {
            Ok(Some(steps)) => Ok(steps),
            Ok(None) => self.apply_rules(names, spec).await,
            Err(e) if e.is_restart() => self.apply_rules(names, spec).await,
            Err(e) => Err(io::Error::other(e)),
        }
    }

    /// Gives the number of steps that it took.
    async fn apply_rules(&mut self, names: &Names, spec: &VpcSpec) -> io::Result<usize> {
        let mut tries = 0;
        loop {
            let seen = self.rules.read().await.map_err(io::Error::other)?;
            let current = table::epoch(&seen).unwrap_or_else(now_epoch);
            let mut want = table::vpc(names, spec, current);
            let mut steps = ruleset::steps(&seen, &want);
            if table::needs_epoch(&seen, &steps) {
                table::start_epoch(&mut want, table::next_epoch(current, now_epoch()));
                steps = ruleset::steps(&seen, &want);
            }
            let want = Arc::new(want);
            match self.rules.change(&steps, &want).await {
                // Somebody else changed the rules between our reading and writing.
                Err(e) if e.is_restart() && tries < MOST_RESTARTS => tries += 1,
                Err(e) => return Err(io::Error::other(e)),
                Ok(()) => {
                    self.forget(&table::pairs_gone(&seen, &want), &kept::addresses_gone(&seen, &want)).await?;
                    return Ok(steps.len());
                }
            }
        }
    }

    /// Ends the translations of public addresses that moved. A client that goes on from the same port would keep the old one
    /// alive for ever, and its packets would be dropped instead of following the address. Ends also what interfaces that left had open.
    async fn forget(&self, public: &[Ipv4Addr], private: &[IpAddr]) -> io::Result<()> {
        if public.is_empty() && private.is_empty() {
            return Ok(());
        }
        let connection = Connection::<nlink::netlink::Netfilter>::new_in(self.namespace.as_fd()).map_err(io::Error::other)?;
        let connection = connection.timeout(ANSWER_TIME);
        let of_private = private.iter().flat_map(|ip| [ConntrackFilter::new().orig_src(*ip), ConntrackFilter::new().reply_src(*ip)]);
        let of_public = public.iter().flat_map(|ip| [ConntrackFilter::new().orig_dst(*ip), ConntrackFilter::new().reply_dst(*ip)]);
        for filter in of_private.chain(of_public) {
            forget_matching(&connection, &filter).await.map_err(io::Error::other)?;
        }
        Ok(())
    }

    /// Opens the tap of an interface that was brought up.
    pub fn open_tap(&self, nic: InterfaceId) -> io::Result<OwnedFd> {
        netns::inside(self.namespace.as_fd(), || super::tap::open(&super::names::tap(nic)))
    }

    /// The taps that are there.
    pub async fn taps(&self) -> io::Result<Vec<String>> {
        let links = self.links.read().await.map_err(io::Error::other)?.0.links;
        Ok(links.into_iter().filter(|(_, link)| link.kind == plan::LinkKind::Tap).map(|(name, _)| name).collect())
    }

    /// The links to peered VPCs that are there.
    async fn peers(&self) -> io::Result<Vec<String>> {
        let links = self.links.read().await.map_err(io::Error::other)?.0.links;
        Ok(links.into_keys().filter(|name| name.starts_with(names::PEERS)).collect())
    }

    /// Ends the services, removes every link of ours, and the namespace's name. The kernel removes the rest when QEMU has
    /// closed what it held.
    pub async fn remove(self) -> io::Result<()> {
        for tap in self.taps().await? {
            self.links.drop_link(&tap).await?;
        }
        self.links.drop_link(OUTSIDE).await?;
        self.links.drop_link(OVERLAY).await?;
        for peer in self.peers().await? {
            self.links.drop_link(&peer).await?;
        }
        if let Some(services) = self.services {
            services.stop().await;
        }
        if let Some(service) = self.ipv6 {
            service.stop().await;
        }
        netns::remove(&self.name)
    }
}

/// Seconds since 1970, which grow from one run of the agent to the next.
fn now_epoch() -> u32 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    (since.as_secs() as u32).max(1)
}

/// Deletes the connections that a filter matches, but echoes of ICMPv6: nlink names their parts to the kernel as those of ICMP, which refuses
/// them. They end when nobody has asked for half a minute.
async fn forget_matching(connection: &Connection<nlink::netlink::Netfilter>, filter: &ConntrackFilter) -> nlink::Result<()> {
    let found = connection.get_conntrack_matching(filter).await?;
    for entry in found.iter().filter(|entry| entry.proto != IpProtocol::Icmpv6) {
        match connection.del_conntrack_entry(entry).await {
            Err(e) if !e.is_not_found() => return Err(e),
            _ => {}
        }
    }
    Ok(())
}
