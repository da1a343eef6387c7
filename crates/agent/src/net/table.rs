//! The nftables tables of a VPC's namespace and of the machine, written down from the spec.
//!
//! ```text
//!   frame from a tap ─▶ arp input: sender is the tap's own               (answers come from proxy ARP)
//!                    ─▶ entry: interface, hardware and IP address belong together    (before defragmentation)
//!                       ├─▶ input:   DHCP, DNS, metadata, ping of the gateway
//!                       ├─▶ borders: network ACLs, where a subnet has one  (each packet, before any connection counts)
//!                       └─▶ forward: judged under the rules of now? ─ yes ─▶ accept
//!                                    └ no: translation still valid? ─▶ egress of who opened it ─▶ ingress of who answers
//!                                      ─▶ connection marked with the epoch of the rules ─▶ accept
//!   to the machine   ─▶ leave: only a public address in use may be the source
//! ```
//!
//! **When a rule goes.** Every connection carries the epoch of the rules that accepted it. A change that could take
//! something away starts a new epoch in the same transaction; the next packet of each connection, in either direction, is
//! judged again by the connection's own tuple (who opened it, to what port), and dropped when no rule accepts it any more.
//! Nothing is flushed, and nothing is missed between the rule's end and a flush. Groups may have chosen otherwise (`kept.rs`).
//!
//! It knows no kernel: `nft.rs` reads and writes tables.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, Ipv6Addr};

use hostspec::{Direction, NicSpec, Verdict, VpcSpec};
use ipnet::{Ipv4Net, Ipv6Net};

use super::line::flow::FlowVersion;
use super::line::{Line, Load};
use super::names::{
    FIXED, METADATA_ALIYUN, METADATA_EC2, METADATA_TENCENT, Names, OUTSIDE, OVERLAY, OVERLAY_PORT, RESOLVER_EC2, host_mac, tap,
};
use super::plan::{self, Neighbourhood};
use super::policy::{self, Policy, Profile, Service, V4, V6, Version};
use super::ruleset::{Base, BaseKind, Chain, Data, Family, Field, Hook, Key, KeyBuilder, Ruleset, Set, Shape, Step, Table, TableId, Value};
use super::shared;
use super::{borders, flows, homes, kept, peers, shaping, table6, traffic};

/// Before connection tracking puts fragments together (`NF_IP_PRI_CONNTRACK_DEFRAG` is -400), so that every fragment is looked at.
pub(super) const BEFORE_DEFRAG: i32 = -450;
/// `NF_IP_PRI_NAT_DST`.
const DSTNAT: i32 = -100;
/// `NF_IP_PRI_NAT_SRC`.
const SRCNAT: i32 = 100;
/// After source translation, when a packet looks as the machine will see it.
const AFTER_SRCNAT: i32 = 300;

const NOBODY: Ipv4Addr = Ipv4Addr::UNSPECIFIED;

/// The tables of a VPC's namespace under these rules; `epoch` is never 0, which is the mark of a connection that nobody judged.
pub fn vpc(names: &Names, spec: &VpcSpec, epoch: u32) -> Ruleset {
    let policy = policy::compile(&spec.groups, &spec.nics);
    let mut inet = Table { sets: sets(spec, &policy, epoch), chains: chains(spec) };
    borders::add::<V4>(spec, &mut inet);
    for profile in &policy.profiles {
        profile_chain::<V4>(profile, &chain_name(profile.direction, &profile.name), Load::CtOriginalPort, &mut inet);
    }
    shared::add(spec, &policy, &mut inet);
    kept::add(spec, &policy, &mut inet);
    homes::add(spec, &mut inet);
    peers::add(spec, &mut inet);
    shaping::add_to_vpc(spec, &mut inet);
    traffic::add_to_vpc(spec, &mut inet);
    let arp = Table { sets: arp_sets(spec), chains: BTreeMap::from([("input".to_owned(), arp_input())]) };
    if spec.v6.is_some() {
        table6::let_pass(&mut inet);
    }
    flows::add(spec, FlowVersion::V4, &mut inet);
    let id = |family| TableId { family, name: names.vpc_table() };
    let mut tables = BTreeMap::from([(id(Family::Arp), arp), (id(Family::Inet), inet)]);
    tables.extend(spec.v6.as_ref().map(|v6| (id(Family::Ip6), table6::table(spec, v6, epoch))));
    Ruleset { tables }
}

/// The table of the machine's own namespace: public addresses of a cloud are reached by the machine and by each other, and
/// nothing else passes between a VPC and whatever the machine is connected to, also when it forwards packets for others.
/// Packets of the overlays are taken from known hosts only.
pub fn machine<'a>(names: &Names, specs: impl IntoIterator<Item = &'a VpcSpec>, neighbours: Option<&Neighbourhood>) -> Ruleset {
    let ours = format!("{}*", names.prefix());
    let lines = vec![Line::new().iif(&ours).oif_not(&ours).drop(), Line::new().oif(&ours).iif_not(&ours).drop()];
    let base = Base { kind: BaseKind::Filter, hook: Hook::Forward, priority: -10, policy_drop: false };
    let chain = Chain { base: Some(base), lines };
    let mut table = Table { sets: BTreeMap::new(), chains: BTreeMap::from([("forward".to_owned(), chain)]) };
    if let Some(neighbours) = neighbours {
        let hosts = neighbours.machines.keys().map(|host| Key::ipv4(*host));
        let overlay = Key::builder().protos(17, 17).ports(OVERLAY_PORT, OVERLAY_PORT).key(&OVERLAY_SERVICE);
        table.sets.insert("hosts".to_owned(), plain(Shape::set(&[Field::Ipv4]), hosts));
        table.sets.insert("overlay".to_owned(), plain(Shape::set(&OVERLAY_SERVICE), [overlay]));
        let stranger = Line::new().in_set(&[Load::L4Proto, Load::ThDport], "overlay").not_in_set(&[Load::IpSaddr], "hosts").drop();
        // Before what the operator may have: nothing of theirs is loosened by it, only ours refused.
        let base = Base { kind: BaseKind::Filter, hook: Hook::Input, priority: -10, policy_drop: false };
        table.chains.insert("input".to_owned(), Chain { base: Some(base), lines: vec![stranger] });
    }
    let specs: Vec<&VpcSpec> = specs.into_iter().collect();
    shaping::add_to_machine(names, specs.iter().copied(), &mut table);
    traffic::add_to_machine(names, specs, &mut table);
    Ruleset { tables: BTreeMap::from([(TableId { family: Family::Inet, name: names.machine_table() }, table)]) }
}

/// The ranges of a VPC without overlaps.
pub fn ranges(spec: &VpcSpec) -> Vec<Ipv4Net> {
    Ipv4Net::aggregate(&spec.ranges.iter().map(Ipv4Net::trunc).collect())
}

pub(super) fn set(shape: Shape, elements: impl IntoIterator<Item = (Key, Value)>) -> Set {
    Set { shape, elements: elements.into_iter().collect() }
}

pub(super) fn plain(shape: Shape, keys: impl IntoIterator<Item = Key>) -> Set {
    set(shape, keys.into_iter().map(|key| (key, Value::None)))
}

pub(super) const BINDING: [Field; 3] = [Field::IfName, Field::Ether, Field::Ipv4];
pub(super) const PORT: [Field; 2] = [Field::IfName, Field::Ether];
/// An address of an interface.
const OWN: [Field; 2] = [Field::IfName, Field::Ipv4];
const SERVICE: [Field; 3] = [Field::Ipv4, Field::Proto, Field::Port];
const OVERLAY_SERVICE: [Field; 2] = [Field::Proto, Field::Port];
pub(super) const PAIR: [Field; 2] = [Field::Ipv4, Field::Ipv4];

fn binding(nic: &NicSpec, ip: Ipv4Addr) -> Key {
    Key::builder().ifname(&tap(nic.id)).ether(nic.mac).ipv4(ip).key(&BINDING)
}

/// Each interface's own addresses, at its own tap, with its own hardware address.
fn bindings(spec: &VpcSpec) -> impl Iterator<Item = Key> {
    spec.nics.iter().flat_map(|nic| nic.addresses().map(|(ip, _)| binding(nic, ip)))
}

/// An address of one's own, or none while looking whether another has it (RFC 5227).
fn senders(spec: &VpcSpec) -> Set {
    plain(Shape::set(&BINDING), bindings(spec).chain(spec.nics.iter().map(|nic| binding(nic, NOBODY))))
}

/// A guest that forwards asks with the address of whom it sends for, as Linux does when that is one of its own.
fn arp_sets(spec: &VpcSpec) -> BTreeMap<String, Set> {
    let gateways = spec.subnets.iter().map(|subnet| Key::ipv4(subnet.gateway));
    [
        ("senders", senders(spec)),
        ("forwarders", plain(Shape::set(&PORT), forwarders(spec).map(port))),
        ("gateways", plain(Shape::set(&[Field::Ipv4]), gateways)),
    ]
    .map(|(name, set)| (name.to_owned(), set))
    .into()
}

/// The interfaces here whose guests may forward.
fn forwarders(spec: &VpcSpec) -> impl Iterator<Item = &NicSpec> {
    spec.nics.iter().filter(|nic| nic.forwards)
}

pub(super) fn port(nic: &NicSpec) -> Key {
    Key::builder().ifname(&tap(nic.id)).ether(nic.mac).key(&PORT)
}

fn sets(spec: &VpcSpec, policy: &Policy, epoch: u32) -> BTreeMap<String, Set> {
    let ipv4 = [Field::Ipv4];
    let public: Vec<(Ipv4Addr, Ipv4Addr)> = public(spec).map(|(_, public, private)| (public, private)).collect();
    let judged_by = |direction: Direction| {
        let jumps = policy.of.iter().map(move |(ip, profile)| (Key::ipv4(*ip), Value::Jump(chain_name(direction, profile))));
        set(Shape::map(&ipv4, Data::Verdict), jumps)
    };
    let ports = spec.nics.iter().map(port);
    let ranges = ranges(spec).into_iter();
    let ranges = ranges.map(|net| Key::builder().ipv4_range(net.network(), net.broadcast()).key(&ipv4));
    let pairs = public.iter().map(|(public, private)| Key::builder().ipv4(*public).ipv4(*private).key(&PAIR));
    let inward = public.iter().map(|(public, private)| (Key::ipv4(*public), Value::ipv4(*private)));
    let outward = public.iter().map(|(public, private)| (Key::ipv4(*private), Value::ipv4(*public)));
    let ways = ways(spec);
    // What comes from another host is what is there, as its hardware address says.
    let elsewhere = spec.remote.iter().map(|nic| Key::builder().ifname(OVERLAY).ether(host_mac(nic.host)).ipv4(nic.ip).key(&BINDING));
    let translation = Shape::map(&ipv4, Data::Value(Field::Ipv4));
    let classes = policy.classes.iter().map(|(ip, class)| (Key::ipv4(*ip), Value::mark(*class)));
    // A host on which a guest forwards has judged what that guest sends for others.
    let vias: BTreeSet<Ipv4Addr> = spec.subnets.iter().flat_map(|subnet| &subnet.hops).filter_map(|hop| hop.via).collect();
    let beyond = spec.remote.iter().filter(|nic| vias.contains(&nic.ip));
    let beyond = beyond.map(|nic| Key::builder().ifname(OVERLAY).ether(host_mac(nic.host)).key(&PORT));
    let own = forwarders(spec).flat_map(|nic| nic.addresses().map(|(ip, _)| Key::builder().ifname(&tap(nic.id)).ipv4(ip).key(&OWN)));
    let through = forwarders(spec).filter_map(|nic| {
        let chain = chain_name(Direction::Ingress, policy.of.get(&nic.ip)?);
        Some((Key::builder().ifname(&tap(nic.id)).key(&[Field::IfName]), Value::Jump(chain)))
    });
    let tables = plan::hop_tables(spec);
    let routed = spec.nics.iter().filter_map(|nic| {
        let table = tables.get(&nic.subnet)?;
        Some((Key::builder().ifname(&tap(nic.id)).key(&[Field::IfName]), Value::mark(*table)))
    });
    let by_subnet = |ip: Ipv4Addr| spec.subnets.iter().find(|subnet| subnet.range.contains(&ip)).and_then(|subnet| tables.get(&subnet.id));
    let routed_there = spec.remote.iter().filter_map(|nic| Some((Key::ipv4(nic.ip), Value::mark(*by_subnet(nic.ip)?))));
    let gateways = spec.subnets.iter().map(|subnet| Key::ipv4(subnet.gateway));
    [
        ("bindings", plain(Shape::set(&BINDING), bindings(spec).chain(elsewhere))),
        ("ports", plain(Shape::set(&PORT), ports)),
        ("ranges", plain(Shape::ranges(&ipv4), ranges)),
        ("gateways", plain(Shape::set(&ipv4), gateways)),
        ("services", plain(Shape::set(&SERVICE), services(spec))),
        ("public", plain(Shape::set(&ipv4), public.iter().map(|(public, _)| Key::ipv4(*public)))),
        ("pairs", plain(Shape::set(&PAIR), pairs)),
        ("ways", plain(Shape::ranges(&PAIR), ways)),
        ("inward", set(translation.clone(), inward)),
        ("outward", set(translation, outward)),
        ("epoch", epoch_set(epoch)),
        ("now", now_map::<V4>(epoch)),
        ("classes", set(Shape::map(&ipv4, Data::Value(Field::Mark)), classes)),
        ("forwarders", plain(Shape::set(&PORT), forwarders(spec).map(port).chain(beyond))),
        ("own", plain(Shape::set(&OWN), own)),
        ("through", set(Shape::map(&[Field::IfName], Data::Verdict), through)),
        ("routed", set(Shape::map(&[Field::IfName], Data::Value(Field::Mark)), routed)),
        ("routed_there", set(Shape::map(&ipv4, Data::Value(Field::Mark)), routed_there)),
        ("egress", judged_by(Direction::Egress)),
        ("ingress", judged_by(Direction::Ingress)),
    ]
    .map(|(name, set)| (name.to_owned(), set))
    .into()
}

/// Each public address with its interface and the private address that it stands for.
fn public(spec: &VpcSpec) -> impl Iterator<Item = (&NicSpec, Ipv4Addr, Ipv4Addr)> {
    spec.nics.iter().flat_map(|nic| nic.addresses().filter_map(move |(private, public)| Some((nic, public?, private))))
}

/// Each public address with the ranges that its subnet's machines may send to. Ranges of one set must not overlap.
fn ways(spec: &VpcSpec) -> Vec<Key> {
    let mut out = Vec::new();
    for (nic, public, _) in public(spec) {
        let Some(subnet) = spec.subnets.iter().find(|subnet| subnet.id == nic.subnet) else { continue };
        let ways = Ipv4Net::aggregate(&subnet.ways_out.iter().map(Ipv4Net::trunc).collect());
        out.extend(ways.iter().map(|net| Key::builder().ipv4(public).ipv4_range(net.network(), net.broadcast()).key(&PAIR)));
    }
    out
}

/// What the host itself answers inside the VPC.
fn services(spec: &VpcSpec) -> Vec<Key> {
    let mut out = Vec::new();
    let mut open = |ip: Ipv4Addr, protocol: u8, port: u16| {
        out.push(Key::builder().ipv4(ip).protos(protocol, protocol).ports(port, port).key(&SERVICE));
    };
    for resolver in spec.subnets.iter().map(|subnet| subnet.gateway).chain([RESOLVER_EC2]).filter(|_| spec.resolver) {
        open(resolver, 17, 53);
        open(resolver, 6, 53);
    }
    for dhcp in spec.subnets.iter().map(|subnet| subnet.gateway).chain([Ipv4Addr::BROADCAST]) {
        open(dhcp, 17, 67);
    }
    for metadata in [METADATA_EC2, METADATA_ALIYUN, METADATA_TENCENT] {
        open(metadata, 6, 80);
    }
    out
}

fn arp_input() -> Chain {
    let base = Base { kind: BaseKind::Filter, hook: Hook::Input, priority: 0, policy_drop: true };
    let lines = vec![
        Line::new().arp_not_ethernet_ipv4().drop(),
        Line::new()
            .in_set(&[Load::IifName, Load::EtherSaddr], "forwarders")
            .in_set(&[Load::IifName, Load::ArpSaddrEther], "forwarders")
            .not_in_set(&[Load::ArpSaddrIp], "gateways")
            .arp_request()
            .accept(),
        Line::new().not_in_set(&[Load::IifName, Load::EtherSaddr, Load::ArpSaddrIp], "senders").drop(),
        Line::new().not_in_set(&[Load::IifName, Load::ArpSaddrEther, Load::ArpSaddrIp], "senders").drop(),
        Line::new().arp_request().accept(),
    ];
    Chain { base: Some(base), lines }
}

/// What marks packets for the tables of their subnets; every packet would pay for it, so that it is there only where there are such.
fn marking(spec: &VpcSpec) -> Vec<Line> {
    if plan::hop_tables(spec).is_empty() {
        return vec![];
    }
    let there = Line::new().iif(OVERLAY).set_mark_from(Load::IpSaddr, "routed_there");
    vec![Line::new().set_mark_from(Load::IifName, "routed"), there]
}

fn chains(spec: &VpcSpec) -> BTreeMap<String, Chain> {
    let base = |kind, hook, priority, policy_drop| Some(Base { kind, hook, priority, policy_drop });
    let entry = [
        vec![Line::new().not_ipv4().drop(), Line::new().iif_not(OUTSIDE).udp(67, 68).drop()],
        marking(spec),
        vec![
            Line::new().in_set(&[Load::IifName, Load::EtherSaddr, Load::IpSaddr], "bindings").accept(),
            Line::new().in_set(&[Load::IifName, Load::EtherSaddr], "forwarders").not_in_set(&[Load::IpSaddr], "gateways").accept(),
            Line::new().saddr(NOBODY).udp(68, 67).in_set(&[Load::IifName, Load::EtherSaddr], "ports").accept(),
            Line::new().iif("lo").accept(),
            Line::new().iif(OUTSIDE).in_set(&[Load::IpSaddr], "ranges").drop(),
            Line::new().iif(OUTSIDE).in_set(&[Load::IpDaddr], "public").accept(),
        ],
    ]
    .concat();
    let input = vec![
        Line::new().iif("lo").accept(),
        Line::new().iif(OVERLAY).drop(),
        Line::new().in_set(&[Load::IpDaddr, Load::L4Proto, Load::ThDport], "services").accept(),
        // Of sessions, which the host opens and no guest can.
        Line::new().iif_not(OUTSIDE).ct_established().ct_reply().accept(),
        Line::new().icmp_echo_request().in_set(&[Load::IpDaddr], "gateways").accept(),
    ];
    let forward = vec![
        // Two hosts that each believe an address to be with the other must not play ball with its packets.
        Line::new().iif(OVERLAY).oif(OVERLAY).drop(),
        Line::new().in_set(&[Load::CtMark], "epoch").accept(),
        Line::new().ct_invalid().drop(),
        translated(),
        Line::new().ct_snat().not_in_set(&[Load::CtReplyDaddr, Load::CtOriginalSaddr], "pairs").drop(),
        Line::new().vmap(Load::CtOriginalSaddr, "egress"),
        Line::new().vmap(Load::CtReplySaddr, "ingress"),
        // What a guest is to send on is asked of its groups too, as if it were for itself.
        Line::new().not_in_set(&[Load::OifName, Load::CtOriginalSaddr], "own").vmap(Load::OifName, "through"),
        Line::new().set_ct_mark_from(Load::NfProto, "now").accept(),
    ];
    let leave = vec![Line::new().oif(OUTSIDE).not_in_set(&[Load::IpSaddr, Load::IpDaddr], "ways").drop()];
    let filter = BaseKind::Filter;
    [
        ("entry", Chain { base: base(filter, Hook::Prerouting, BEFORE_DEFRAG, true), lines: entry }),
        ("input", Chain { base: base(filter, Hook::Input, 0, true), lines: input }),
        ("forward", Chain { base: base(filter, Hook::Forward, 0, true), lines: forward }),
        (
            "inward",
            Chain {
                base: base(BaseKind::Nat, Hook::Prerouting, DSTNAT, false),
                lines: vec![Line::new().iif(OUTSIDE).dnat_by_daddr("inward")],
            },
        ),
        (
            "outward",
            Chain {
                base: base(BaseKind::Nat, Hook::Postrouting, SRCNAT, false),
                lines: vec![Line::new().oif(OUTSIDE).snat_by_saddr("outward")],
            },
        ),
        ("leave", Chain { base: base(filter, Hook::Postrouting, AFTER_SRCNAT, false), lines: leave }),
    ]
    .map(|(name, chain)| (name.to_owned(), chain))
    .into()
}

/// A connection whose destination was translated must be to what the address stands for now.
pub(super) fn translated() -> Line {
    Line::new().ct_dnat().not_in_set(&[Load::CtOriginalDaddr, Load::CtReplySaddr], "pairs").drop()
}

pub(super) fn chain_name(direction: Direction, profile: &str) -> String {
    match direction {
        Direction::Egress => format!("out_{profile}"),
        Direction::Ingress => format!("in_{profile}"),
    }
}

/// How a version of IP is written into sets, and where its addresses are in a connection.
pub trait Written: Version {
    /// Its addresses.
    const FIELD: Field;
    /// Who opened a connection, and who answers.
    const ENDS: (Load, Load);
    /// Adds the addresses of a network to a key.
    fn network(key: KeyBuilder, network: Self::Net) -> KeyBuilder;
    /// Adds the family to a key.
    fn family(key: KeyBuilder) -> KeyBuilder;
}

impl Written for V4 {
    const FIELD: Field = Field::Ipv4;
    const ENDS: (Load, Load) = (Load::CtOriginalSaddr, Load::CtReplySaddr);

    fn network(key: KeyBuilder, network: Ipv4Net) -> KeyBuilder {
        key.ipv4_range(network.network(), network.broadcast())
    }

    fn family(key: KeyBuilder) -> KeyBuilder {
        key.nfproto_ipv4()
    }
}

impl Written for V6 {
    const FIELD: Field = Field::Ipv6;
    const ENDS: (Load, Load) = (Load::CtOriginalSaddr6, Load::CtReplySaddr6);

    fn network(key: KeyBuilder, network: Ipv6Net) -> KeyBuilder {
        key.ipv6_range(network.network(), network.broadcast())
    }

    fn family(key: KeyBuilder) -> KeyBuilder {
        key.nfproto_ipv6()
    }
}

/// The chain of a profile and the sets that its lines look into. A connection that the profile accepts returns to where it
/// came from, so that the other end is asked too. `port` is where the port is that rules are about.
pub(super) fn profile_chain<V: Written>(profile: &Profile<V>, chain: &str, port: Load, table: &mut Table) {
    let peer = match profile.direction {
        Direction::Egress => V::ENDS.1,
        Direction::Ingress => V::ENDS.0,
    };
    let any = [Field::Proto, Field::Port];
    let net = [V::FIELD, Field::Proto, Field::Port];
    let class = [Field::Mark, Field::Proto, Field::Port];
    let service = [Load::CtProto, port];
    let mut lines = Vec::new();
    if profile.stages.iter().any(|stage| stage.names_groups) {
        // The other end's profile may have marked the packet before.
        lines.push(Line::new().clear_mark());
        lines.push(Line::new().set_mark_from(peer, "classes"));
    }
    for stage in &profile.stages {
        let end: fn(Line) -> Line = match stage.verdict {
            Verdict::Accept => Line::give_back,
            Verdict::Drop => Line::drop,
        };
        let name = stage_name(chain, stage.priority, stage.verdict);
        if !stage.any.is_empty() {
            let keys = stage.any.iter().map(|s| key_of_any(*s));
            let name = set_of_networks(&name, 0);
            table.sets.insert(name.clone(), plain(Shape::ranges(&any), keys));
            lines.push(end(Line::new().in_set(&service, &name)));
        }
        for (length, open) in &stage.net {
            let keys = open.iter().map(|(network, s)| key_of_network::<V>(*network, *s));
            let name = set_of_networks(&name, *length);
            table.sets.insert(name.clone(), plain(Shape::ranges(&net), keys));
            lines.push(end(Line::new().in_set(&[peer, service[0], service[1]], &name)));
        }
        if stage.names_groups {
            let keys = stage.class.iter().map(|(number, s)| with_service(Key::builder().mark(*number), *s).key(&class));
            table.sets.insert(format!("{name}_grp"), plain(Shape::ranges(&class), keys));
            lines.push(end(Line::new().in_set(&[Load::Mark, service[0], service[1]], &format!("{name}_grp"))));
        }
    }
    lines.push(Line::new().drop());
    table.chains.insert(chain.to_owned(), Chain { base: None, lines });
}

/// What the sets of a stage have in common.
pub(super) fn stage_name(chain: &str, priority: u16, verdict: Verdict) -> String {
    let letter = match verdict {
        Verdict::Accept => 'a',
        Verdict::Drop => 'd',
    };
    format!("{chain}_{priority}{letter}")
}

/// The set of a stage's services for networks with prefixes of this length; with 0, for every peer.
pub(super) fn set_of_networks(stage: &str, length: u8) -> String {
    match length {
        0 => format!("{stage}_any"),
        _ => format!("{stage}_net{length}"),
    }
}

/// A service for every peer.
pub(super) fn key_of_any(service: Service) -> Key {
    with_service(Key::builder(), service).key(&[Field::Proto, Field::Port])
}

/// A service for a network.
pub(super) fn key_of_network<V: Written>(network: V::Net, service: Service) -> Key {
    with_service(V::network(Key::builder(), network), service).key(&[V::FIELD, Field::Proto, Field::Port])
}

pub(super) fn with_service(key: KeyBuilder, service: Service) -> KeyBuilder {
    key.protos(service.protocols.0, service.protocols.1).ports(service.ports.0, service.ports.1)
}

/// Sets to which more may come without taking anything away from a connection that is open.
const ONLY_GROW: [&str; 24] = [
    "addresses",
    "local",
    "elsewhere",
    "here",
    "homeward",
    "bindings",
    "ports",
    "senders",
    "ranges",
    "gateways",
    "services",
    "public",
    "pairs",
    "ways",
    "callers",
    "inward",
    "outward",
    "egress",
    "ingress",
    "rates",
    "traffic",
    "logged_passed",
    "logged_refused",
    "skipped",
];

/// Whether these steps, from `seen`, could take something away from a connection that is open: everything but more interfaces, more
/// public addresses and more services.
pub fn needs_epoch(seen: &Ruleset, steps: &[Step]) -> bool {
    let known = |id: &TableId| seen.tables.get(id);
    let had_set = |id, name| known(id).is_some_and(|table| table.sets.contains_key(name));
    let had_chain = |id, name| known(id).is_some_and(|table| table.chains.contains_key(name));
    steps.iter().any(|step| match step {
        Step::AddTable(_) => true,
        Step::DropElements(id, name, ..) => had_set(id, name),
        Step::AddElements(id, name, ..) => had_set(id, name) && !ONLY_GROW.contains(&name.as_str()),
        Step::FlushChain(id, name) | Step::AddLine(id, name, _) => had_chain(id, name),
        Step::DropTable(_) | Step::AddSet(..) | Step::DropSet(..) | Step::AddChain(..) | Step::DropChain(..) => false,
    })
}

/// The marks of connections that were judged under the rules of now.
pub(super) fn epoch_set(epoch: u32) -> Set {
    plain(Shape::set(&[Field::Mark]), [Key::builder().mark(epoch).key(&[Field::Mark])])
}

/// The mark that a connection is given.
pub(super) fn now_map<V: Written>(epoch: u32) -> Set {
    let now = (V::family(Key::builder()).key(&[Field::NfProto]), Value::mark(epoch));
    set(Shape::map(&[Field::NfProto], Data::Value(Field::Mark)), [now])
}

/// Puts the rules under another epoch, which is never 0.
pub fn start_epoch(ruleset: &mut Ruleset, epoch: u32) {
    for (id, table) in &mut ruleset.tables {
        for (name, renewed) in sets_of_epoch(id.family, epoch) {
            if let Some(set) = table.sets.get_mut(name) {
                *set = renewed;
            }
        }
    }
}

/// What tells the epoch, in a table of this family.
pub(super) fn sets_of_epoch(family: Family, epoch: u32) -> [(&'static str, Set); 2] {
    let now = match family {
        Family::Ip6 => now_map::<V6>(epoch),
        Family::Arp | Family::Inet => now_map::<V4>(epoch),
    };
    [("epoch", epoch_set(epoch)), ("now", now)]
}

/// The epoch that follows one: never one that was used before, also when the table was lost and connections still carry its
/// epochs. `now` is in seconds since 1970.
pub fn next_epoch(current: u32, now: u32) -> u32 {
    current.wrapping_add(1).max(now).max(1)
}

/// The epoch that a ruleset is under, when it has one.
pub fn epoch(ruleset: &Ruleset) -> Option<u32> {
    let inet = ruleset.tables.iter().find(|(id, _)| id.family == Family::Inet)?.1;
    let key = inet.sets.get("epoch")?.elements.keys().next()?;
    (*key.from).try_into().ok().map(u32::from_ne_bytes).filter(|epoch| *epoch != 0)
}

/// Public addresses that stand for another interface now, or for none. One that several share goes on for the others.
pub fn pairs_gone(seen: &Ruleset, want: &Ruleset) -> Vec<Ipv4Addr> {
    let address = |bytes: &[u8]| bytes.first_chunk::<4>().map(|octets| Ipv4Addr::from(*octets));
    let pairs = |ruleset: &Ruleset| -> BTreeSet<(Option<Ipv4Addr>, Option<Ipv4Addr>)> {
        let tables = ruleset.tables.iter().filter(|(id, _)| id.family == Family::Inet);
        let elements = tables.filter_map(|(_, table)| table.sets.get("inward")).flat_map(|set| &set.elements);
        let private = |value: &Value| match value {
            Value::Bytes(bytes) => address(bytes),
            Value::None | Value::Jump(_) => None,
        };
        elements.map(|(key, value)| (address(&key.from), private(value))).collect()
    };
    pairs(seen).difference(&pairs(want)).filter_map(|(public, _)| *public).collect()
}

/// The IPv6 address that the namespace of a VPC has for itself, beside the one local to each link.
pub fn own_v6(spec: &VpcSpec) -> Option<Ipv6Addr> {
    Some(spec.v6.as_ref()?.router())
}

/// Every address that the namespace of a VPC answers for itself.
pub fn own_addresses(spec: &VpcSpec) -> impl Iterator<Item = Ipv4Addr> {
    spec.subnets.iter().map(|subnet| subnet.gateway).chain(FIXED)
}
