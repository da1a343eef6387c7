//! Packets from and to peered VPCs, as an addition to a VPC's table.
//!
//! ```text
//!   frame from a peered VPC ─▶ entry: only what its own interfaces here have for addresses
//!                           ├─▶ to the host's own addresses here: dropped, those are for this VPC
//!                           └─▶ forward: the groups of each end judge in the namespace of that end
//! ```
//!
//! What comes from one peered VPC does not go on to another: nothing gives such packets a way.

use hostspec::VpcSpec;

use super::line::Line;
use super::names::{PEERS, peer, peer_mac};
use super::ruleset::{Key, Table, Value};
use super::table::BINDING;

/// Adds what the VPC's peers need; nothing when it has none.
pub fn add(spec: &VpcSpec, table: &mut Table) {
    if spec.peers.is_empty() {
        return;
    }
    let sources = spec.peers.iter().flat_map(|other| {
        let (link, mac) = (peer(other.vni), peer_mac(other.vni, spec.vni));
        other.addresses.iter().map(move |ip| Key::builder().ifname(&link).ether(mac).ipv4(*ip).key(&BINDING))
    });
    if let Some(bindings) = table.sets.get_mut("bindings") {
        bindings.elements.extend(sources.map(|key| (key, Value::None)));
    }
    let any = format!("{PEERS}*");
    for (chain, line) in [("input", Line::new().iif(&any).drop()), ("forward", Line::new().iif(&any).oif(&any).drop())] {
        if let Some(chain) = table.chains.get_mut(chain) {
            chain.lines.insert(0, line);
        }
    }
}
