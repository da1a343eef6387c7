//! Packets of IPv6 from and to peered VPCs: the half of `peers.rs` that is empty where one of the two has no IPv6. What is judged where
//! is the same.

use hostspec::{Ipv6PeerSpec, Ipv6Spec, PeerSpec, VpcSpec};
use model::VpcId;

use super::line::{Line, Load};
use super::names::{self, OVERLAY, PEERS, ROUTER_LOCAL, host_mac, peer, peer_mac};
use super::plan::Side;
use super::plan6::Route6;
use super::ruleset::{Field, Key, Shape, Table, Value};
use super::table::plain;
use super::table6::ELSEWHERE;

/// An address of a peered VPC, at the link to it, on which nobody else can send.
const ACROSS: [Field; 2] = [Field::IfName, Field::Ipv6];

/// The peers with IPv6.
fn peers(spec: &VpcSpec) -> impl Iterator<Item = (&PeerSpec, &Ipv6PeerSpec)> {
    spec.peers.iter().filter_map(|other| Some((other, other.v6.as_ref()?)))
}

fn has_peers(spec: &VpcSpec) -> bool {
    peers(spec).next().is_some()
}

/// By the link to a peered VPC; nowhere when that is not on this host, or one of the two has no IPv6.
pub fn way_to(spec: &VpcSpec, vpc: VpcId) -> Route6 {
    let found = peers(spec).find(|(other, _)| other.vpc == vpc);
    found.map_or(Route6::Unreachable, |(other, _)| Route6::Hop { link: peer(other.vni), hop: names::PEER_HOP_V6 })
}

/// Whether packets of peers come from other hosts.
pub fn are_elsewhere(spec: &VpcSpec) -> bool {
    peers(spec).any(|(_, theirs)| !theirs.remote.is_empty())
}

/// Adds what the links to peers should have.
pub fn add_to_vpc(spec: &VpcSpec, side: &mut Side) {
    for (other, _) in peers(spec) {
        let link = peer(other.vni);
        side.v6.addresses.insert((link.clone(), ROUTER_LOCAL));
        side.v6.neighbours.insert((link, names::PEER_HOP_V6), peer_mac(other.vni, spec.vni));
    }
}

/// Adds to the table what its lines about peers look into.
pub fn add_to_table(spec: &VpcSpec, v6: &Ipv6Spec, table: &mut Table) {
    if !has_peers(spec) {
        return;
    }
    let here = peers(spec).flat_map(|(other, theirs)| {
        let link = peer(other.vni);
        theirs.addresses.iter().map(move |ip| Key::builder().ifname(&link).ipv6(*ip).key(&ACROSS))
    });
    table.sets.insert("across".to_owned(), plain(Shape::set(&ACROSS), here));
    let beyond = peers(spec).flat_map(|(_, theirs)| &theirs.remote);
    if let Some(elsewhere) = table.sets.get_mut("elsewhere") {
        elsewhere.elements.extend(beyond.map(|nic| (Key::builder().ether(host_mac(nic.host)).ipv6(nic.ip).key(&ELSEWHERE), Value::None)));
    }
    if !v6.remote.is_empty() {
        let addresses = spec.nics.iter().flat_map(|nic| &nic.v6).map(|ip| Key::ipv6(*ip));
        table.sets.insert("here".to_owned(), plain(Shape::set(&[Field::Ipv6]), addresses));
    }
}

fn any() -> String {
    format!("{PEERS}*")
}

/// What is asked of frames before others: who they come from.
pub fn entering(spec: &VpcSpec) -> Vec<Line> {
    let mut lines = Vec::new();
    if !has_peers(spec) {
        return lines;
    }
    if reaches_on(spec) {
        lines.push(Line::new().iif(&any()).not_in_set(&[Load::Ip6Daddr], "here").notrack());
    }
    lines.push(Line::new().in_set(&[Load::IifName, Load::Ip6Saddr], "across").accept());
    lines
}

/// What is for the host itself is for its own VPC.
pub fn for_the_host(spec: &VpcSpec) -> Vec<Line> {
    if has_peers(spec) { vec![Line::new().iif(&any()).drop()] } else { vec![] }
}

/// What passes on to other hosts, and what does not.
pub fn passing(spec: &VpcSpec) -> Vec<Line> {
    if !has_peers(spec) {
        return vec![];
    }
    let mut lines = vec![Line::new().iif(&any()).oif(&any()).drop()];
    if reaches_on(spec) {
        lines.push(Line::new().iif(&any()).oif(OVERLAY).accept());
        // What is not tracked would pass all that asks about connections.
        lines.push(Line::new().iif(&any()).not_in_set(&[Load::Ip6Daddr], "here").drop());
    }
    lines
}

/// Whether interfaces of the VPC are on other hosts, to which peers may send.
fn reaches_on(spec: &VpcSpec) -> bool {
    spec.v6.as_ref().is_some_and(|v6| !v6.remote.is_empty())
}
