//! Packets from and to peered VPCs, as an addition to a VPC's table.
//!
//! ```text
//!   frame from a peered VPC ─▶ entry: only what its own interfaces here have for addresses
//!                           ├─▶ to the host's own addresses here: dropped, those are for this VPC
//!                           ├─▶ to an interface here: the groups of each end judge in the namespace of that end
//!                           └─▶ to one on another host: on by this VPC's overlay, untracked, since the answer comes by the other VPC's
//!   frame of the overlay    ─▶ entry: an interface of a peered VPC, with the hardware address of the host that has it
//! ```
//!
//! So what crosses hosts travels in the overlay of the VPC that is spoken to. The host that sends judges its way out in the sender's
//! namespace, the host that receives its way in; the namespace between them judges nothing and remembers nothing
//! ([why so](../../../../docs/adr/0015-gateways-across-hosts.md)). What comes from one peered VPC does not go on to another: nothing
//! gives such packets a way.

use hostspec::{NicSpec, VpcSpec};

use super::line::{Line, Load};
use super::names::{OVERLAY, PEERS, host_mac, peer, peer_mac};
use super::ruleset::{Chain, Field, Key, Shape, Table, Value};
use super::table::{BINDING, plain};

/// The addresses of interfaces here, where others that peers may send to are elsewhere.
const HERE: &str = "here";

/// Adds what the VPC's peers need; nothing when it has none.
pub fn add(spec: &VpcSpec, table: &mut Table) {
    if spec.peers.is_empty() {
        return;
    }
    let here = spec.peers.iter().flat_map(|other| {
        let (link, mac) = (peer(other.vni), peer_mac(other.vni, spec.vni));
        other.addresses.iter().map(move |ip| Key::builder().ifname(&link).ether(mac).ipv4(*ip).key(&BINDING))
    });
    let elsewhere = spec.peers.iter().flat_map(|other| &other.remote);
    let elsewhere = elsewhere.map(|nic| Key::builder().ifname(OVERLAY).ether(host_mac(nic.host)).ipv4(nic.ip).key(&BINDING));
    if let Some(bindings) = table.sets.get_mut("bindings") {
        bindings.elements.extend(here.chain(elsewhere).map(|key| (key, Value::None)));
    }
    let any = format!("{PEERS}*");
    let mut forward = vec![Line::new().iif(&any).oif(&any).drop()];
    if !spec.remote.is_empty() {
        let addresses = spec.nics.iter().flat_map(NicSpec::addresses).map(|(ip, _)| Key::ipv4(ip));
        table.sets.insert(HERE.to_owned(), plain(Shape::set(&[Field::Ipv4]), addresses));
        forward.push(Line::new().iif(&any).oif(OVERLAY).accept());
        // What is not tracked would pass all that asks about connections.
        forward.push(Line::new().iif(&any).not_in_set(&[Load::IpDaddr], HERE).drop());
        put_before(table, "entry", vec![Line::new().iif(&any).not_in_set(&[Load::IpDaddr], HERE).notrack()]);
    }
    put_before(table, "input", vec![Line::new().iif(&any).drop()]);
    put_before(table, "forward", forward);
}

fn put_before(table: &mut Table, chain: &str, lines: Vec<Line>) {
    if let Some(Chain { lines: before, base: _ }) = table.chains.get_mut(chain) {
        before.splice(0..0, lines);
    }
}
