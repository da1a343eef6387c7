//! The nftables table of the IPv6 half of a VPC, which is there only where the VPC has one.
//!
//! ```text
//!   frame from a tap ─▶ entry: interface and hardware address belong together, then
//!                       ├─ one of the interface's own addresses ─▶ input, or forward as in `table.rs`
//!                       └─ its link-local address, or none ─▶ who has the router's address?
//!                       everything else is dropped: advertisements, redirects, servers' answers, foreign sources
//!
//!   solicitations of routers, questions to DHCP servers ─▶ read from the tap by the agent (`crate::guest::ipv6`), then dropped too
//! ```
//!
//! A guest is told of no neighbours: all it sends goes to its router, whose entries for guests are permanent, so that nothing a
//! guest says of who is where is needed or believed. Connection tracking leaves the messages of neighbour discovery alone; in
//! the forward chain such packets are dropped, or they would pass every group. Errors about a connection, those by which paths
//! tell their largest packet among them, belong to it and pass with it. What leads out and through guests is in `ways6.rs`,
//! and what comes from peered VPCs in `peers6.rs`.
//!
//! It knows no kernel: `nft.rs` reads and writes tables.

use std::collections::BTreeMap;
use std::net::Ipv6Addr;

use hostspec::{Direction, Ipv6Spec, VpcSpec};

use super::line::flow::FlowVersion;
use super::line::{Line, Load};
use super::names::{OVERLAY, ROUTER_LOCAL, host_mac, link_local, tap};
use super::policy::{self, Policy, V6};
use super::ruleset::{Base, BaseKind, Chain, Data, Field, Hook, Key, Set, Shape, Table, Value};
use super::table::{BEFORE_DEFRAG, PORT, chain_name, epoch_set, now_map, plain, port, profile_chain, set};
use super::{borders, flows, kept, peers6, ways6};

const ADDRESS: [Field; 1] = [Field::Ipv6];
/// An address of an interface. Its hardware address is looked at before.
const OWN: [Field; 2] = [Field::IfName, Field::Ipv6];
pub(super) const ELSEWHERE: [Field; 2] = [Field::Ether, Field::Ipv6];

/// Types of ICMPv6 messages (RFC 4443).
const PARAMETER_PROBLEM: u8 = 4;
const ECHO_REQUEST: u8 = 128;
/// Another (RFC 4861).
const NEIGHBOUR_SOLICITATION: u8 = 135;

/// Has the table of both versions leave IPv6 to the one here.
pub fn let_pass(inet: &mut Table) {
    for chain in ["entry", "input", "forward"] {
        if let Some(chain) = inet.chains.get_mut(chain) {
            chain.lines.insert(0, Line::new().ipv6().accept());
        }
    }
}

/// The table under these rules.
pub fn table(spec: &VpcSpec, v6: &Ipv6Spec, epoch: u32) -> Table {
    let policy = policy::compile_v6(&spec.groups, &spec.nics, &v6.members);
    let mut table = Table { sets: sets(spec, v6, &policy, epoch), chains: chains(spec) };
    ways6::add_to_table(spec, v6, &policy, &mut table);
    peers6::add_to_table(spec, v6, &mut table);
    borders::add::<V6>(spec, &mut table);
    for profile in &policy.profiles {
        profile_chain::<V6>(profile, &chain_name(profile.direction, &profile.name), Load::CtOriginalPort, &mut table);
    }
    kept::add(spec, &policy, &mut table);
    flows::add(spec, FlowVersion::V6, &mut table);
    table
}

fn sets(spec: &VpcSpec, v6: &Ipv6Spec, policy: &Policy<V6>, epoch: u32) -> BTreeMap<String, Set> {
    let judged_by = |direction: Direction| {
        let jumps = policy.of.iter().map(move |(ip, profile)| (Key::ipv6(*ip), Value::Jump(chain_name(direction, profile))));
        set(Shape::map(&ADDRESS, Data::Verdict), jumps)
    };
    let mine = |name: &str, ip: Ipv6Addr| Key::builder().ifname(name).ipv6(ip).key(&OWN);
    let nics = || spec.nics.iter().filter(|nic| !nic.v6.is_empty());
    let own = nics().flat_map(|nic| nic.v6.iter().map(move |ip| mine(&tap(nic.id), *ip)));
    let local = nics().flat_map(|nic| [link_local(nic.mac), Ipv6Addr::UNSPECIFIED].map(|ip| mine(&tap(nic.id), ip)));
    let elsewhere = v6.remote.iter().map(|nic| Key::builder().ether(host_mac(nic.host)).ipv6(nic.ip).key(&ELSEWHERE));
    let classes = policy.classes.iter().map(|(ip, class)| (Key::ipv6(*ip), Value::mark(*class)));
    [
        ("ports", plain(Shape::set(&PORT), nics().map(port))),
        ("addresses", plain(Shape::set(&OWN), own)),
        ("local", plain(Shape::set(&OWN), local)),
        ("elsewhere", plain(Shape::set(&ELSEWHERE), elsewhere)),
        ("gateways", plain(Shape::set(&ADDRESS), [Key::ipv6(v6.router())])),
        ("nobody", plain(Shape::ranges(&ADDRESS), nobody())),
        ("epoch", epoch_set(epoch)),
        ("now", now_map::<V6>(epoch)),
        ("classes", set(Shape::map(&ADDRESS, Data::Value(Field::Mark)), classes)),
        ("egress", judged_by(Direction::Egress)),
        ("ingress", judged_by(Direction::Ingress)),
    ]
    .map(|(name, set)| (name.to_owned(), set))
    .into()
}

/// Link-local addresses but the router's: nobody else is on a guest's link.
fn nobody() -> [Key; 2] {
    let (first, last) = (Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), Ipv6Addr::new(0xfebf, !0, !0, !0, !0, !0, !0, !0));
    let router = ROUTER_LOCAL.to_bits();
    let range = |first, last| Key::builder().ipv6_range(first, last).key(&ADDRESS);
    [range(first, Ipv6Addr::from_bits(router - 1)), range(Ipv6Addr::from_bits(router + 1), last)]
}

fn chains(spec: &VpcSpec) -> BTreeMap<String, Chain> {
    let of = |hook, priority, policy_drop| Some(Base { kind: BaseKind::Filter, hook, priority, policy_drop });
    let base = |hook, priority| of(hook, priority, true);
    let open = |hook, priority| of(hook, priority, false);
    let mut entry = vec![Line::new().iif("lo").accept()];
    entry.extend(peers6::entering(spec));
    entry.extend(ways6::entering(spec));
    entry.extend([
        Line::new().iif(OVERLAY).in_set(&[Load::EtherSaddr, Load::Ip6Saddr], "elsewhere").accept(),
        Line::new().not_in_set(&[Load::IifName, Load::EtherSaddr], "ports").drop(),
        Line::new().udp(547, 546).drop(),
        // The router would look for whoever it is, and every address that a guest makes up would have its entry.
        Line::new().in_set(&[Load::Ip6Daddr], "nobody").drop(),
        Line::new().in_set(&[Load::IifName, Load::Ip6Saddr], "addresses").accept(),
        Line::new().in_set(&[Load::IifName, Load::Ip6Saddr], "local").icmp6(NEIGHBOUR_SOLICITATION).accept(),
    ]);
    entry.extend(ways6::sent_on(spec));
    let mut input = peers6::for_the_host(spec);
    input.extend([
        Line::new().iif("lo").accept(),
        Line::new().iif(OVERLAY).drop(),
        Line::new().icmp6(NEIGHBOUR_SOLICITATION).accept(),
        Line::new().icmp6(ECHO_REQUEST).in_set(&[Load::Ip6Daddr], "gateways").accept(),
    ]);
    let output = vec![
        // The kernel reads options for every hop before any chain, also of packets that `entry` drops for their sender; an answer
        // about them would go to whom they name.
        Line::new().icmp6(PARAMETER_PROBLEM).drop(),
    ];
    let mut forward = peers6::passing(spec);
    forward.extend([
        Line::new().iif(OVERLAY).oif(OVERLAY).drop(),
        Line::new().in_set(&[Load::CtMark], "epoch").accept(),
        Line::new().ct_invalid().drop(),
        Line::new().ct_untracked().drop(),
    ]);
    forward.extend(ways6::opening(spec));
    forward.extend([Line::new().vmap(Load::CtOriginalSaddr6, "egress"), Line::new().vmap(Load::CtReplySaddr6, "ingress")]);
    forward.extend(ways6::passing_through(spec));
    forward.push(Line::new().set_ct_mark_from(Load::NfProto, "now").accept());
    [
        ("entry", Chain { base: base(Hook::Prerouting, BEFORE_DEFRAG), lines: entry }),
        ("input", Chain { base: base(Hook::Input, 0), lines: input }),
        ("output", Chain { base: open(Hook::Output, 0), lines: output }),
        ("forward", Chain { base: base(Hook::Forward, 0), lines: forward }),
    ]
    .map(|(name, chain)| (name.to_owned(), chain))
    .into()
}
