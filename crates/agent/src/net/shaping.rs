//! Holds public addresses to their bandwidth, on the pair between a VPC and its machine.
//!
//! ```text
//!   out:  VPC's namespace      ─ source is translated ─▶ `rates`: address ─▶ class ─▶ HTB on its end of the pair
//!   in:   machine's namespace  ─ route to the pair    ─▶ `rates`: address ─▶ class ─▶ HTB on its end of the pair
//! ```
//!
//! nftables writes the class into the packet's priority, which HTB takes for its own class without any classifier: no kernel needs
//! more than HTB and FIFO for it. What has no class passes HTB at once. Packets between private addresses never meet the pair.
//! Each address has a class of its own, which stays while the address does; those of a bandwidth package have one together.
//!
//! It knows no VPC's rules and no routes; when to look is `plan.rs`'s and `link.rs`'s.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::Ipv4Addr;

use hostspec::{RateSpec, VpcSpec};
use model::BandwidthPackageId;
use nlink::netlink::tc::{BfifoConfig, HtbClassConfig, HtbQdiscConfig};
use nlink::netlink::tc_options::parse_htb_class_options;
use nlink::util::{Bytes, Rate};
use nlink::{Connection, TcHandle};

use super::line::{Line, Load};
use super::names::{Names, OUTSIDE};
use super::ruleset::{Base, BaseKind, Chain, Data, Field, Hook, Key, Shape, Table, Value};
use super::table;

/// The number of our HTB on a link.
const MAJOR: u16 = 1;
/// After source translation and after `leave`, when the source is what the machine will see.
const LAST: i32 = 310;
/// Bytes in a second for one megabit in a second.
const BYTES_PER_MEGABIT: u64 = 1_000_000 / 8;
/// A class may send as much at once as in a hundredth of a second, and never less than ten full packets.
const BURSTS_PER_SECOND: u64 = 100;
const BURST_LEAST: u64 = 16 << 10;
/// A class keeps as much as it sends in a tenth of a second, which is what a connection half around the world needs to stay busy; and
/// never less than two packets of 64 KiB, which is how a guest's card hands over a stream.
const QUEUES_PER_SECOND: u64 = 10;
const QUEUE_LEAST: u64 = 128 << 10;
/// How much a class may send in its turn. No two of ours wait for each other, so that it only keeps the kernel from guessing.
const QUANTUM: u32 = 4_000;

/// The classes of each link that has any, each with its bytes in a second.
pub type Shapes = BTreeMap<String, BTreeMap<u16, u64>>;

/// One change of a link's classes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reshape {
    /// Begins to shape: nothing is held back yet.
    Begin,
    /// Makes or changes a class. What waits in it stays.
    Set {
        /// The class.
        class: u16,
        /// Bytes in a second.
        rate: u64,
    },
    /// Removes a class.
    Drop {
        /// The class.
        class: u16,
    },
    /// Shapes no more.
    End,
}

/// The bandwidths of a VPC's addresses by class, each with its addresses: one, or those of a package. The class follows from the address
/// or the package; of two that fall together the later one counts on.
fn classes(spec: &VpcSpec) -> BTreeMap<u16, Vec<RateSpec>> {
    let all: BTreeMap<Ipv4Addr, RateSpec> =
        spec.nics.iter().flat_map(|nic| &nic.rates).chain(&spec.rates).map(|rate| (rate.public, *rate)).collect();
    let mut sharing: BTreeMap<(Option<BandwidthPackageId>, Option<Ipv4Addr>), Vec<RateSpec>> = BTreeMap::new();
    for rate in all.into_values() {
        sharing.entry((rate.package, Some(rate.public).filter(|_| rate.package.is_none()))).or_default().push(rate);
    }
    let mut out = BTreeMap::new();
    // Beyond this many on one host the rest would find no number of their own.
    for ((package, public), rates) in sharing.into_iter().take(usize::from(u16::MAX)) {
        let number = package.map_or_else(|| public.map_or(0, |ip| u32::from(ip) as u16), |package| package.as_u64() as u16);
        let mut class = number.max(1);
        while out.contains_key(&class) {
            class = class.wrapping_add(1).max(1);
        }
        out.insert(class, rates);
    }
    out
}

fn shape(spec: &VpcSpec, mbit: fn(&RateSpec) -> u32) -> BTreeMap<u16, u64> {
    let of = |rates: &[RateSpec]| rates.iter().map(mbit).max().map(|mbit| u64::from(mbit) * BYTES_PER_MEGABIT);
    classes(spec).iter().filter_map(|(class, rates)| Some((*class, of(rates)?))).collect()
}

/// The shape of the VPC's end of the pair: what leaves from its addresses.
pub fn outward(spec: &VpcSpec) -> BTreeMap<u16, u64> {
    shape(spec, |rate| rate.outward_mbit)
}

/// The shape of the machine's end: what comes to them.
pub fn inward(spec: &VpcSpec) -> BTreeMap<u16, u64> {
    shape(spec, |rate| rate.inward_mbit)
}

/// The shape of a link that has one.
pub fn of_link(link: &str, classes: BTreeMap<u16, u64>) -> Option<(String, BTreeMap<u16, u64>)> {
    (!classes.is_empty()).then(|| (link.to_owned(), classes))
}

fn numbers(spec: &VpcSpec) -> Vec<(Key, Value)> {
    let number = |class| Value::mark(TcHandle::new(MAJOR, class).as_raw());
    let of = |(class, rates): (u16, Vec<RateSpec>)| rates.into_iter().map(move |rate| (Key::ipv4(rate.public), number(class)));
    classes(spec).into_iter().flat_map(of).collect()
}

/// Has a VPC's table tell its packets' classes; nothing when no address has a bandwidth.
pub fn add_to_vpc(spec: &VpcSpec, table: &mut Table) {
    add(table, numbers(spec), OUTSIDE, Load::IpSaddr);
}

/// Has the machine's table tell the classes of packets to these VPCs.
pub fn add_to_machine<'a>(names: &Names, specs: impl IntoIterator<Item = &'a VpcSpec>, table: &mut Table) {
    let all = specs.into_iter().flat_map(numbers).collect();
    add(table, all, &format!("{}*", names.prefix()), Load::IpDaddr);
}

fn add(table: &mut Table, numbers: Vec<(Key, Value)>, link: &str, address: Load) {
    if numbers.is_empty() {
        return;
    }
    table.sets.insert("rates".to_owned(), table::set(Shape::map(&[Field::Ipv4], Data::Value(Field::Mark)), numbers));
    let base = Base { kind: BaseKind::Filter, hook: Hook::Postrouting, priority: LAST, policy_drop: false };
    let lines = vec![Line::new().oif(link).set_priority_from(address, "rates")];
    table.chains.insert("rate".to_owned(), Chain { base: Some(base), lines });
}

/// The changes from what is shaped to what should be. Of links in `lost` nothing is relied upon, those in `gone` need no farewell.
pub fn plan(seen: &Shapes, want: &Shapes, lost: &BTreeSet<&str>, gone: &BTreeSet<&str>) -> Vec<(String, Reshape)> {
    let mut out = Vec::new();
    let none = BTreeMap::new();
    for (link, classes) in want {
        let there = seen.get(link).filter(|_| !lost.contains(link.as_str()));
        if there.is_none() {
            out.push((link.clone(), Reshape::Begin));
        }
        let there = there.unwrap_or(&none);
        let changed = classes.iter().filter(|(class, rate)| there.get(class) != Some(rate));
        out.extend(changed.map(|(class, rate)| (link.clone(), Reshape::Set { class: *class, rate: *rate })));
        let extra = there.keys().filter(|class| !classes.contains_key(class));
        out.extend(extra.map(|class| (link.clone(), Reshape::Drop { class: *class })));
    }
    let unwanted = seen.keys().filter(|link| !want.contains_key(*link) && !gone.contains(link.as_str()));
    out.extend(unwanted.map(|link| (link.clone(), Reshape::End)));
    out
}

/// Reads the shapes of these links.
pub async fn read(connection: &Connection<nlink::Route>, links: &BTreeMap<u32, &String>) -> nlink::Result<Shapes> {
    let mut out = Shapes::new();
    for qdisc in connection.get_qdiscs().await? {
        let Some(link) = links.get(&qdisc.ifindex()) else { continue };
        if !qdisc.is_root() || qdisc.kind() != Some("htb") || qdisc.handle() != TcHandle::major_only(MAJOR) {
            continue;
        }
        let classes = connection.get_classes_by_index(qdisc.ifindex()).await?;
        let rate = |raw: Option<&[u8]>| raw.and_then(parse_htb_class_options).filter(|class| class.rate == class.ceil);
        let classes = classes.iter().map(|class| (class.handle().minor(), rate(class.raw_options()).map_or(0, |class| class.rate)));
        out.insert((*link).clone(), classes.collect());
    }
    Ok(out)
}

/// Makes one change to a link.
pub async fn carry_out(connection: &Connection<nlink::Route>, link: u32, change: Reshape) -> io::Result<()> {
    let root = TcHandle::major_only(MAJOR);
    match change {
        // Also when somebody else put something in its place.
        Reshape::Begin => {
            drop(connection.del_qdisc_by_index(link, TcHandle::ROOT).await);
            connection.add_qdisc_by_index_full(link, TcHandle::ROOT, Some(root), HtbQdiscConfig::new()).await
        }
        Reshape::Set { class, rate } => {
            let class = TcHandle::new(MAJOR, class);
            let burst = Bytes::new((rate / BURSTS_PER_SECOND).max(BURST_LEAST));
            let config = HtbClassConfig::new(Rate::bytes_per_sec(rate)).burst(burst).cburst(burst).quantum(QUANTUM);
            connection.replace_class_by_index(link, root, class, config).await.map_err(io::Error::other)?;
            let queue = BfifoConfig::new().limit(Bytes::new((rate / QUEUES_PER_SECOND).max(QUEUE_LEAST)));
            connection.replace_qdisc_by_index_full(link, class, None, queue).await
        }
        Reshape::Drop { class } => connection.del_class_by_index(link, root, TcHandle::new(MAJOR, class)).await,
        Reshape::End => connection.del_qdisc_by_index(link, TcHandle::ROOT).await,
    }
    .map_err(io::Error::other)
}
