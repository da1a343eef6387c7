//! The network of a host: one routed namespace per VPC, a tap per interface, filters that no guest can get around.
//!
//! ```text
//!   guest ═ tap ┐                    ┌ tap ═ guest
//!               ├─ VPC's namespace ──┤            /32 routes, proxy ARP, rules keyed by address
//!   guest ═ tap ┘        │           └ services: DHCP, DNS, metadata (crate::guest)
//!                        │ veth, one-to-one NAT, public addresses only
//!               the machine's own namespace
//! ```
//!
//! [`Network::apply`] compares what the host document wants with what the kernel has and makes the difference, so it is
//! called again after every change, every restart and now and then; drift is repaired by it. All state is in the kernel:
//! guests go on while the agent is away. Nothing here knows QEMU, the control plane, or a database.
//!
//! Interfaces on other hosts are reached over one VXLAN device in each VPC's namespace, which knows each host by permanent entries
//! and learns nothing; public addresses there over one in the machine's own.

mod borders;
mod flow_spool;
mod flows;
mod frame;
mod homes;
mod kept;
mod line;
mod link;
mod link6;
mod names;
mod netns;
mod nft;
mod peers;
mod peers6;
mod plan;
mod plan6;
mod policy;
mod rule_change;
mod ruleset;
mod shaping;
mod shared;
mod table;
mod table6;
mod tap;
mod traffic;
mod uplink;
mod vpc;
mod ways6;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use hostspec::{Fabric, HostSpec, NicSpec, VpcSpec};
use ipnet::Ipv4Net;
use model::{InterfaceId, VpcId};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::sync::Mutex;

use self::link::{Links, Peer, Whose};
pub use self::names::{BadName, Names};
use self::nft::Rules;
use self::vpc::{Around, Drift, Outer, Vpc};
use crate::guest::{Directory, Guests, Index};

pub(crate) use self::frame::send as send_frame;
pub(crate) use self::line::fnv as digest;
pub use self::names::tap as tap_name;
pub(crate) use self::names::{METADATA_ALIYUN, METADATA_EC2, METADATA_TENCENT, ROUTER_LOCAL, ROUTER_MAC, nic_of};
pub(crate) use self::netns::inside;
pub use self::tap::open as open_tap_device;
pub use self::uplink::{Announce, BadAnnounce, BadLink, Uplinks, link_name};

/// How long a namespace that nobody asked to change is trusted before it is looked at again.
pub const VERIFY_AFTER: Duration = Duration::from_secs(5);

/// How long a guest may take to answer a connection.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);

/// What the network of a host needs to know of its surroundings.
#[derive(Debug, Clone)]
pub struct NetConfig {
    /// Name of the cloud on this machine, the prefix of everything it makes: 1 to 8 of a-z and 0-9, a letter first.
    pub cloud: String,
    /// Folder for the key of the metadata tokens, so that tokens outlive a restart.
    pub state_dir: PathBuf,
    /// Public addresses. The first after the network's own is the machine's own towards its guests and is given to none.
    pub public_pool: Ipv4Net,
    /// Links by which public addresses are reached from beyond the cloud.
    pub uplinks: Uplinks,
    /// Resolvers that questions for other names are passed to, in order. None: such questions fail.
    pub resolvers: Vec<SocketAddr>,
    /// How long a namespace that did not change is trusted, [`VERIFY_AFTER`] unless a test wants less.
    pub verify_after: Duration,
}

/// Why the network of a host cannot start.
#[derive(Debug, thiserror::Error)]
pub enum NetError {
    /// The cloud's name cannot be part of a link's name.
    #[error(transparent)]
    Name(#[from] BadName),
    /// The pool has no room for the machine's address and one guest.
    #[error("the public pool {0} has no room for the machine and a guest")]
    Pool(Ipv4Net),
    /// The machine refused something that everything else needs.
    #[error("{0}: {1}")]
    Io(&'static str, #[source] io::Error),
}

/// What came of bringing a host to its document.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NetReport {
    /// Interfaces whose filter, tap and routes are in place.
    pub ready: BTreeSet<InterfaceId>,
    /// What went wrong; it is tried again by the next call.
    pub faults: Vec<NetFault>,
    /// What somebody else had changed and was put right, in words for the operator.
    pub repaired: Vec<String>,
}

/// Something that could not be made or removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetFault {
    /// The VPC that is not as it should be; none for the machine's own side, and for what should have been removed.
    pub vpc: Option<VpcId>,
    /// Words for the operator.
    pub detail: String,
}

/// Something that no document asks for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Orphan {
    /// A namespace.
    Namespace(String),
    /// A link of the machine.
    Link(String),
    /// A tap in the namespace of a VPC that is wanted.
    Tap {
        /// The namespace.
        namespace: String,
        /// The tap.
        tap: String,
    },
    /// An nftables table of the machine.
    Table(String),
}

impl std::fmt::Display for Orphan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Orphan::Namespace(name) => write!(f, "network namespace {name}"),
            Orphan::Link(name) => write!(f, "link {name}"),
            Orphan::Tap { namespace, tap } => write!(f, "tap {tap} in {namespace}"),
            Orphan::Table(name) => write!(f, "nftables table {name}"),
        }
    }
}

/// The network of this host.
pub struct Network {
    config: NetConfig,
    names: Names,
    machine: OwnedFd,
    guests: Arc<Guests>,
    doubted: AtomicBool,
    state: Mutex<State>,
    counted: traffic::Counted,
    flows: flows::Flows,
}

impl std::fmt::Debug for Network {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Network").field("cloud", &self.config.cloud).finish_non_exhaustive()
    }
}

struct State {
    machine: Links,
    machine_rules: Rules,
    machine_verified: Option<(Vec<VpcSpec>, Option<Fabric>, Instant)>,
    fabric: Option<Fabric>,
    neighbours: Option<Arc<plan::Neighbourhood>>,
    vpcs: BTreeMap<VpcId, Vpc>,
    adopted: bool,
    swept: Option<Instant>,
    mtus: BTreeMap<InterfaceId, u16>,
    uplink_faults: Vec<String>,
    /// Public addresses that were announced once, and are once more by the next look: a frame may be lost.
    announced: BTreeSet<Ipv4Addr>,
}

impl Network {
    /// Opens the network of the machine that the calling thread's network namespace is. Nothing is made or changed before
    /// the first [`Network::apply`]. Needs root.
    pub fn new(config: NetConfig) -> Result<Network, NetError> {
        let names = Names::new(&config.cloud)?;
        if config.public_pool.prefix_len() > 30 {
            return Err(NetError::Pool(config.public_pool));
        }
        let machine = netns::current().map_err(|e| NetError::Io("cannot open the machine's own network namespace", e))?;
        let guests = Guests::new(machine.as_fd(), &config.state_dir, config.resolvers.clone())
            .map_err(|e| NetError::Io("cannot keep the key of metadata tokens", e))?;
        let links = Links::open(machine.as_fd(), Whose::Machine(names.prefix()))
            .map_err(|e| NetError::Io("cannot talk to the kernel about links", e))?;
        let machine_rules =
            Rules::open(machine.as_fd(), &names.prefix()).map_err(|e| NetError::Io("cannot talk to the kernel about nftables", e))?;
        let state = State {
            machine: links,
            machine_rules,
            machine_verified: None,
            fabric: None,
            neighbours: None,
            vpcs: BTreeMap::new(),
            adopted: false,
            swept: None,
            mtus: BTreeMap::new(),
            uplink_faults: Vec::new(),
            announced: BTreeSet::new(),
        };
        let (counted, flows) = (traffic::Counted::new(&config.state_dir), flows::Flows::new(&config.state_dir));
        let (guests, doubted, state) = (Arc::new(guests), AtomicBool::new(false), Mutex::new(state));
        Ok(Network { config, names, machine, guests, doubted, state, counted, flows })
    }

    /// The address that guests know the machine by: the first of the public pool after the network's own.
    pub fn machine_address(&self) -> Ipv4Addr {
        machine_address(self.config.public_pool)
    }

    /// Milliseconds since the epoch when a guest last asked for its metadata; none when it never did since the agent started.
    pub fn heard_at_ms(&self, guest: model::InstanceId) -> Option<u64> {
        let since = self.guests.heard_at(guest)?.duration_since(std::time::UNIX_EPOCH).ok()?;
        u64::try_from(since.as_millis()).ok()
    }

    /// Brings the kernel to what the document says, VPC by VPC. What fails is in the report and does not hold up the rest.
    pub async fn apply(&self, spec: &HostSpec) -> NetReport {
        let mut state = self.state.lock().await;
        let state = &mut *state;
        if self.doubted.swap(false, Ordering::SeqCst) {
            state.swept = None;
            if let Some((_, _, when)) = &mut state.machine_verified {
                *when = when.checked_sub(self.config.verify_after).unwrap_or(*when);
            }
            state.vpcs.values_mut().for_each(Vpc::doubt);
        }
        let mut report = NetReport::default();
        state.fabric.clone_from(&spec.fabric);
        state.neighbours = plan::Neighbourhood::of(spec.fabric.as_ref()).map(Arc::new);
        state.mtus = spec.vms.iter().flat_map(|vm| &vm.nics).map(|nic| (nic.id, nic.mtu)).collect();
        self.open_all(state, &spec.networks, &mut report).await;
        let index = Index::new(spec);
        for vpc in &spec.networks {
            if let Some(open) = state.vpcs.get(&vpc.id) {
                open.publish(Directory::new(vpc, &index));
            }
        }
        let mut wanted: Vec<&VpcSpec> = spec.networks.iter().filter(|vpc| state.vpcs.contains_key(&vpc.id)).collect();
        // Of two that are peered, the one with the lower number makes the link that the other expects.
        wanted.sort_by_key(|vpc| vpc.vni);
        match self.apply_machine(state, &wanted).await {
            Ok(drift) => report.repaired(drift.words("the machine's side of the networks")),
            Err(e) => report.fault(None, format!("the machine's side: {e}")),
        }
        state.uplink_faults.iter().for_each(|words| report.fault(None, words.clone()));
        for vpc in wanted {
            match self.apply_vpc(state, vpc).await {
                Ok(drift) => {
                    report.repaired(drift.words(&format!("the network of {}", vpc.id)));
                    report.ready.extend(vpc.nics.iter().map(|nic| nic.id));
                }
                Err(e) => report.fault(Some(vpc.id), e.to_string()),
            }
        }
        if let Err(e) = self.sweep(state, spec, &mut report).await {
            report.fault(None, format!("namespaces that nobody wants: {e}"));
        }
        report
    }

    /// Has the next [`Network::apply`] look at everything, however fresh it is.
    pub fn doubt(&self) {
        self.doubted.store(true, Ordering::SeqCst);
    }

    /// Takes up or makes the namespace of every VPC.
    async fn open_all(&self, state: &mut State, networks: &[VpcSpec], report: &mut NetReport) {
        let missing: Vec<&VpcSpec> = networks.iter().filter(|vpc| !state.vpcs.contains_key(&vpc.id)).collect();
        // Only after a start can a guest be in a namespace that we do not hold ourselves.
        let mut found = if state.adopted { BTreeMap::new() } else { self.nameless(&missing).await };
        state.adopted |= !missing.is_empty();
        for vpc in missing {
            let held = vpc.nics.iter().find_map(|nic| found.remove(&names::tap(nic.id)));
            match Vpc::open(&self.names, vpc, held) {
                Ok(open) => {
                    state.vpcs.insert(vpc.id, open);
                }
                Err(e) => report.fault(Some(vpc.id), format!("its namespace: {e}")),
            }
        }
    }

    /// Namespaces of this cloud that lost their names while guests are in them, by the guests' taps. A namespace is this
    /// cloud's when it has its table.
    async fn nameless(&self, vpcs: &[&VpcSpec]) -> BTreeMap<String, OwnedFd> {
        let nameless = |vpc: &&&VpcSpec| !matches!(netns::open(&self.names.namespace(vpc.id)), Ok(Some(_)));
        let nics = vpcs.iter().filter(nameless).flat_map(|vpc| &vpc.nics);
        let taps: BTreeSet<String> = nics.map(|nic| names::tap(nic.id)).collect();
        let mut found = BTreeMap::new();
        if taps.is_empty() {
            return found;
        }
        for (tap, namespace) in netns::of_open_taps(|tap| taps.contains(tap)) {
            let Ok(mut rules) = Rules::open(namespace.as_fd(), &self.names.vpc_table()) else { continue };
            if rules.read().await.is_ok_and(|rules| !rules.tables.is_empty()) {
                found.insert(tap, namespace);
            }
        }
        found
    }

    /// Rules, pairs, addresses and routes in the machine's own namespace.
    async fn apply_machine(&self, state: &mut State, wanted: &[&VpcSpec]) -> io::Result<Drift> {
        let reaching: Vec<VpcSpec> = wanted.iter().filter(|vpc| plan::reaches_out(vpc)).map(|vpc| outward_only(vpc)).collect();
        if let Some((applied, fabric, when)) = &state.machine_verified
            && *applied == reaching
            && *fabric == state.fabric
            && when.elapsed() < self.config.verify_after
        {
            return Ok(Drift::default());
        }
        let same = state.machine_verified.take().is_some_and(|(applied, fabric, _)| applied == reaching && fabric == state.fabric);
        let alone = reaching.is_empty() && state.neighbours.is_none();
        let mut rules =
            if alone { ruleset::Ruleset::default() } else { table::machine(&self.names, &reaching, state.neighbours.as_deref()) };
        let seen = state.machine_rules.read().await.map_err(io::Error::other)?;
        let beyond = self.beyond(state, &reaching, &seen).await?;
        uplink::end(state.machine.connection(), self.machine.as_fd(), &beyond).await?;
        let (cloud, own) = self.of_the_cloud(state.fabric.as_ref());
        uplink::add(&self.names, &beyond, &cloud, &own, &mut rules);
        let rules = Arc::new(rules);
        let steps = ruleset::steps(&seen, &rules);
        state.machine_rules.change(&steps, &rules).await.map_err(io::Error::other)?;
        let (mut seen, mut numbers) = state.machine.read().await.map_err(io::Error::other)?;
        let mut want = plan::machine(&self.names, &reaching, self.machine_address(), state.fabric.as_ref());
        uplink::add_routes(&self.config.uplinks, &mut want);
        let mut peers = BTreeMap::new();
        for vpc in &reaching {
            let Some(open) = state.vpcs.get(&vpc.id) else { continue };
            let veth = self.names.veth(vpc.vni);
            if seen.links.contains_key(&veth) && !open.has_outside().await? {
                state.machine.drop_link(&veth).await?;
                seen.links.remove(&veth);
                seen.addresses.retain(|(link, _)| *link != veth);
            }
            peers.insert(veth, Peer { namespace: open.namespace(), mac: names::veth_macs(vpc.vni).1 });
        }
        let changes = plan::plan(&seen, &want);
        state.machine.change(&changes, &mut numbers, &peers).await?;
        uplink::begin(state.machine.connection(), self.machine.as_fd(), &beyond).await?;
        self.announce(state, &beyond);
        state.uplink_faults.clone_from(&beyond.faults);
        state.machine_verified = Some((reaching, state.fabric.clone(), Instant::now()));
        Ok(if same { Drift { rules: steps.len(), links: changes.len() + beyond.changes() } } else { Drift::default() })
    }

    async fn apply_vpc(&self, state: &mut State, vpc: &VpcSpec) -> io::Result<Drift> {
        let mtus = vpc.nics.iter().filter_map(|nic| Some((nic.id, *state.mtus.get(&nic.id)?))).collect();
        let around = Around { mtus, neighbours: state.neighbours.clone().filter(|_| plan::crosses_hosts(vpc)) };
        let mut outer = Outer { machine: self.machine.as_fd(), peers: BTreeMap::new() };
        for peer in vpc.peers.iter().filter_map(|peer| state.vpcs.get(&peer.vpc).map(|open| (peer.vpc, open))) {
            outer.peers.insert(peer.0, peer.1.namespace().try_clone_to_owned()?);
        }
        let open = state.vpcs.get_mut(&vpc.id).ok_or_else(|| io::Error::other("its namespace was not opened"))?;
        let fresh = open.is(vpc, &around, self.config.verify_after);
        if !fresh && let Err(error) = self.save_flows(open, &vpc.logged).await {
            tracing::warn!(%error, vpc = %vpc.id, "the last flows of interfaces that are logged no more are lost");
        }
        let drift = if fresh { Drift::default() } else { open.apply(&self.names, vpc, &around, &outer).await? };
        open.serve(&self.guests).await?;
        Ok(drift)
    }

    /// Removes VPCs that the document does not have. Looks for those that an earlier agent left only now and then.
    async fn sweep(&self, state: &mut State, spec: &HostSpec, report: &mut NetReport) -> io::Result<()> {
        let wanted: BTreeSet<VpcId> = spec.networks.iter().map(|vpc| vpc.id).collect();
        let mut gone: Vec<VpcId> = state.vpcs.keys().copied().filter(|id| !wanted.contains(id)).collect();
        if state.swept.is_none_or(|when| when.elapsed() >= self.config.verify_after) {
            let named = netns::list(&self.names.prefix())?;
            let named = named.iter().filter_map(|name| self.names.vpc_of(name));
            gone.extend(named.filter(|id| !wanted.contains(id) && !state.vpcs.contains_key(id)));
            state.swept = Some(Instant::now());
        }
        for id in gone {
            if let Err(e) = self.remove_vpc(state, id).await {
                report.fault(None, format!("removing {}: {e}", self.names.namespace(id)));
            }
        }
        Ok(())
    }

    async fn remove_vpc(&self, state: &mut State, id: VpcId) -> io::Result<()> {
        let open = match state.vpcs.remove(&id) {
            Some(open) => open,
            None => Vpc::open(&self.names, &nobody(id), None)?,
        };
        if let Err(error) = self.save_flows(&open, &[]).await {
            tracing::warn!(%error, vpc = %id, "the last flows of a VPC that leaves are lost");
        }
        open.remove().await
    }

    /// Opens the tap of an interface, for QEMU to inherit. Its filter, routes and settings are in place before this returns;
    /// a VPC that was not applied yet in this form is applied first. Fails with `ResourceBusy` while another process has it.
    pub async fn open_tap(&self, vpc: &VpcSpec, nic: &NicSpec) -> io::Result<OwnedFd> {
        let mut state = self.state.lock().await;
        let state = &mut *state;
        let ready = match state.vpcs.get(&vpc.id) {
            Some(open) => open.has(nic).await?,
            None => false,
        };
        if !ready {
            let mut report = NetReport::default();
            self.open_all(state, std::slice::from_ref(vpc), &mut report).await;
            if let Some(fault) = report.faults.into_iter().next() {
                return Err(io::Error::other(fault.detail));
            }
            let others: Vec<VpcSpec> =
                state.vpcs.iter().filter(|(id, _)| **id != vpc.id).filter_map(|(_, v)| v.applied().cloned()).collect();
            let wanted: Vec<&VpcSpec> = others.iter().chain([vpc]).collect();
            self.apply_machine(state, &wanted).await?;
            self.apply_vpc(state, vpc).await?;
        }
        let open = state.vpcs.get(&vpc.id).ok_or_else(|| io::Error::other("its namespace was not opened"))?;
        open.open_tap(nic.id)
    }

    /// Opens a connection to a guest from the router of its subnet. Groups are not asked: who may do this is decided before. Fails with
    /// `NotFound` when the VPC has no such subnet here, and with `TimedOut` after five seconds.
    pub async fn connect(&self, vpc: VpcId, to: SocketAddrV4) -> io::Result<std::net::TcpStream> {
        let (namespace, from) = {
            let state = self.state.lock().await;
            let open = state.vpcs.get(&vpc).ok_or(io::ErrorKind::NotFound)?;
            let subnet = open.applied().and_then(|spec| spec.subnets.iter().find(|subnet| subnet.range.contains(to.ip())));
            (open.namespace().try_clone_to_owned()?, subnet.ok_or(io::ErrorKind::NotFound)?.gateway)
        };
        let connect = move || {
            netns::inside(namespace.as_fd(), || {
                let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
                socket.bind(&SocketAddrV4::new(from, 0).into())?;
                socket.connect_timeout(&to.into(), CONNECT_WITHIN)?;
                socket.set_tcp_nodelay(true)?;
                Ok(socket.into())
            })
        };
        tokio::task::spawn_blocking(connect).await.map_err(io::Error::other)?
    }

    /// Removes everything that carries this cloud's name, whoever made it: for `down --purge`. What cannot be removed is in
    /// the error, after everything else was.
    pub async fn remove_all(&self) -> io::Result<()> {
        let mut state = self.state.lock().await;
        let state = &mut *state;
        let mut failed = Vec::new();
        if let Err(e) = self.counted.end() {
            failed.push(format!("what was counted: {e}"));
        }
        if let Err(e) = self.flows.end() {
            failed.push(format!("flows: {e}"));
        }
        let named = netns::list(&self.names.prefix())?;
        let mut ids: BTreeSet<VpcId> = named.iter().filter_map(|name| self.names.vpc_of(name)).collect();
        ids.extend(state.vpcs.keys());
        for id in ids {
            if let Err(e) = self.remove_vpc(state, id).await {
                failed.push(format!("{}: {e}", self.names.namespace(id)));
            }
        }
        for name in named.iter().filter(|name| self.names.vpc_of(name).is_none()) {
            if let Err(e) = netns::remove(name) {
                failed.push(format!("{name}: {e}"));
            }
        }
        (state.machine_verified, state.fabric, state.neighbours) = (None, None, None);
        if let Err(e) = self.apply_machine(state, &[]).await {
            failed.push(format!("the machine's side: {e}"));
        }
        if failed.is_empty() { Ok(()) } else { Err(io::Error::other(failed.join("; "))) }
    }

    /// What carries this cloud's name and is in no document, in order; the next [`Network::apply`] removes it.
    pub async fn orphans(&self, spec: &HostSpec) -> io::Result<Vec<Orphan>> {
        let mut state = self.state.lock().await;
        let state = &mut *state;
        let wanted: BTreeMap<String, &VpcSpec> = spec.networks.iter().map(|vpc| (self.names.namespace(vpc.id), vpc)).collect();
        let mut out = Vec::new();
        for namespace in netns::list(&self.names.prefix())? {
            let Some(vpc) = wanted.get(&namespace) else {
                out.push(Orphan::Namespace(namespace));
                continue;
            };
            let taps = match (state.vpcs.get(&vpc.id), netns::open(&namespace)?) {
                (Some(open), _) => open.taps().await?,
                (None, Some(fd)) => {
                    let side = Links::open(fd.as_fd(), Whose::Vpc(vpc.vni))?.read().await.map_err(io::Error::other)?.0;
                    side.links.into_iter().filter(|(_, link)| link.kind == plan::LinkKind::Tap).map(|(name, _)| name).collect()
                }
                (None, None) => Vec::new(),
            };
            let ours: BTreeSet<String> = vpc.nics.iter().map(|nic| names::tap(nic.id)).collect();
            let strays = taps.into_iter().filter(|tap| !ours.contains(tap));
            out.extend(strays.map(|tap| Orphan::Tap { namespace: namespace.clone(), tap }));
        }
        let machine = plan::machine(&self.names, &spec.networks, self.machine_address(), spec.fabric.as_ref());
        let seen = state.machine.read().await.map_err(io::Error::other)?.0;
        out.extend(seen.links.into_keys().filter(|link| !machine.links.contains_key(link)).map(Orphan::Link));
        if machine.links.is_empty() {
            let seen = state.machine_rules.read().await.map_err(io::Error::other)?;
            out.extend(seen.tables.keys().map(|id| Orphan::Table(id.name.clone())));
        }
        out.sort();
        Ok(out)
    }

    /// The machine's own namespace.
    pub fn machine_namespace(&self) -> std::os::fd::BorrowedFd<'_> {
        self.machine.as_fd()
    }
}

impl NetReport {
    fn repaired(&mut self, words: Option<String>) {
        let Some(words) = words else { return };
        tracing::warn!(detail = words, alarm = true, "network put right");
        metrics::counter!("pileus_network_repairs_total").increment(1);
        self.repaired.push(words);
    }

    fn fault(&mut self, vpc: Option<VpcId>, detail: String) {
        tracing::warn!(?vpc, detail, "network fault");
        self.faults.push(NetFault { vpc, detail });
    }
}

fn machine_address(pool: Ipv4Net) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(pool.network()) + 1)
}

/// The part of a VPC that the machine's side depends on.
fn outward_only(vpc: &VpcSpec) -> VpcSpec {
    let (subnets, v6) = ways6::outward(vpc).unzip();
    let nics = vpc.nics.iter().filter(|nic| nic.is_public() || v6.is_some() && !nic.v6.is_empty()).cloned().collect();
    let (shared, forwards, mapped) = (vpc.shared.clone(), vpc.forwards.clone(), vpc.mapped.clone());
    let subnets = subnets.unwrap_or_default();
    VpcSpec { subnets, nics, shared, forwards, mapped, rates: vpc.rates.clone(), v6, ..nobody_with(vpc.id, vpc.vni) }
}

fn nobody(id: VpcId) -> VpcSpec {
    nobody_with(id, 0)
}

/// A VPC of which nothing is known but its id.
fn nobody_with(id: VpcId, vni: u32) -> VpcSpec {
    VpcSpec {
        id,
        vni,
        ranges: Vec::new(),
        subnets: Vec::new(),
        nics: Vec::new(),
        remote: Vec::new(),
        groups: Vec::new(),
        names: Vec::new(),
        names6: vec![],
        domain: String::new(),
        resolver: true,
        dhcp: hostspec::DhcpOptions::default(),
        shared: vec![],
        forwards: vec![],
        mapped: vec![],
        rates: vec![],
        homes: vec![],
        peers: vec![],
        v6: None,
        logged: vec![],
        kept: vec![],
    }
}
