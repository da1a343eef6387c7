//! Packets that another host translates for a NAT gateway, as an addition to a VPC's table: that host is the gateway's home.
//!
//! ```text
//!   guest opens:  (source, destination) in `homeward` ─▶ mark ─▶ table of the home ─▶ overlay ─▶ home: `shared`, see shared.rs
//!                 answer ─▶ home ─▶ overlay ─▶ entry: hardware address of the home, source outside of the VPC ─▶ known connection
//!   from outside: port of the gateway ─▶ home ─▶ overlay ─▶ entry: likewise, and the connection is in the home's zone
//!                 answer of the guest ─▶ zone of its connection ─▶ mark ─▶ table of the home
//! ```
//!
//! The zone is of the connection's first direction alone, so that its answers, which come from a tap, find it. Groups and network ACLs
//! of the interface judge here, on its own host; the home judges for nobody
//! ([why so](../../../../docs/adr/0015-gateways-across-hosts.md)).

use hostspec::{NatHome, NicSpec, VpcSpec};

use super::line::{Line, Load};
use super::names::{OVERLAY, host_mac};
use super::plan::home_table;
use super::ruleset::{Base, BaseKind, Chain, Data, Field, Hook, Shape, Table, Value};
use super::shared::{sharing, way};
use super::table::{PAIR, set};

/// After connections are known (`NF_IP_PRI_CONNTRACK`, -200), and before destinations are translated and a way is looked for.
const BEFORE_WAYS: i32 = -150;

/// Adds what the homes of the VPC's NAT gateways need; nothing when this host is the only one.
pub fn add(spec: &VpcSpec, table: &mut Table) {
    if spec.homes.is_empty() {
        return;
    }
    let pairs = spec.homes.iter().flat_map(|home| {
        let here = spec.nics.iter().flat_map(NicSpec::addresses).map(|(ip, _)| ip);
        sharing(spec, &home.shared, here).map(|(ip, shared)| (way(ip, shared.to), Value::mark(home_table(home))))
    });
    table.sets.insert("homeward".to_owned(), set(Shape::map_of_ranges(&PAIR, Data::Value(Field::Mark)), pairs));
    if let Some(entry) = table.chains.get_mut("entry") {
        let at = entry.lines.iter().position(|line| *line == Line::new().iif("lo").accept()).unwrap_or(entry.lines.len());
        entry.lines.splice(at..at, spec.homes.iter().map(from_home));
    }
    let base = Base { kind: BaseKind::Filter, hook: Hook::Prerouting, priority: BEFORE_WAYS, policy_drop: false };
    let mut lines = vec![Line::new().ct_original().set_mark_from_pair("homeward")];
    lines.extend(spec.homes.iter().map(|home| Line::new().ct_reply().ct_original_zone(home.number).set_mark(home_table(home))));
    table.chains.insert("homeward".to_owned(), Chain { base: Some(base), lines });
}

/// What a home passes on is from outside of the VPC: it vouches for no address of an interface that is not there.
fn from_home(home: &NatHome) -> Line {
    let from = Line::new().iif(OVERLAY).ether_saddr(host_mac(home.host)).not_in_set(&[Load::IpSaddr], "ranges");
    from.set_ct_original_zone(home.number).accept()
}
