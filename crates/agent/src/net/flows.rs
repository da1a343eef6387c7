//! Flows of interfaces with a flow log: counted by the packet filter where packets pass or are dropped, read when their span is over.
//!
//! ```text
//!   passed:  `flows`, after every chain that judges ─▶ what leaves the tap, what goes to it ─▶ log_TAP: element of the flow counts
//!   dropped: the lines that drop go on in a chain `refuse_...`, which says why in the packet's mark ─▶ log_TAP ─▶ drop
//!   no room: element of the interface in `skipped` counts, which is there from the beginning
//!
//!   twice a minute: elements whose span is over ─▶ FlowBatch ─▶ Spool (files) ─▶ asked for by the control plane
//! ```
//!
//! Each interface has a set of its own with a bounded size, so that a flood at one hides nothing of another. Everything is in the kernel
//! until it is in a file, and the agent may end at any time. A VPC without a flow log has none of these rules ([why so](../../../../docs/adr/0012-flow-logs.md)).

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use hostspec::{FlowReport, LoggedNic, NicSpec, VpcSpec};
use model::{Direction, FlowBatch, FlowRecord, FlowRefusal, InterfaceId, Millis};

use super::Network;
use super::flow_spool::Spool;
use super::line::flow::{FlowVersion, KEY_V4, KEY_V6, SPAN, span_begins, span_of};
use super::line::{Line, Load};
use super::names::{Names, tap};
use super::nft::{Counter, Rules};
use super::ruleset::{Base, BaseKind, Chain, Data, Family, Field, Hook, Key, NUMBER, Shape, Table, TableId, Value};
use super::table::{plain, set};
use super::vpc::Vpc;

/// Flows of one interface and version of IP that are counted until they are read, some 4 MiB of the kernel's memory: 480 new ones a second.
pub const FLOWS_MAX: u32 = 16_384;
/// Milliseconds for which a packet may be under way between the clock and its element.
const GRACE_MS: i64 = 1_000;
/// Spans for which it is said that there was nothing, when nobody has read for long.
const QUIET_SPANS_MAX: u32 = 16;

/// Where what did not find room is counted, by interface.
const SKIPPED: &str = "skipped";
const PASSED: &str = "logged_passed";
const REFUSED: &str = "logged_refused";
/// After every chain of the forward hook that drops.
const AFTER_JUDGEMENT: i32 = 10;
/// TCP, UDP, DCCP, SCTP and UDP-Lite, whose header begins with two ports.
const PORTED: [u8; 5] = [6, 17, 33, 132, 136];

/// The mark of a packet that came to the interface, beside why it was dropped.
const INWARD: u32 = 0x100;

/// What happened to a packet, in its mark.
fn code(refusal: Option<FlowRefusal>) -> u32 {
    match refusal {
        None => 0,
        Some(FlowRefusal::SecurityGroup) => 1,
        Some(FlowRefusal::NetworkAcl) => 2,
        Some(FlowRefusal::Spoofed) => 3,
        Some(FlowRefusal::NoConnection) => 4,
        Some(FlowRefusal::NoRoute) => 5,
    }
}

/// The same back; none for a mark that no rule of ours makes.
fn told(mark: u32) -> Option<(Direction, Option<FlowRefusal>)> {
    let direction = if mark & INWARD == 0 { Direction::Egress } else { Direction::Ingress };
    let refusal = match mark & !INWARD {
        0 => None,
        1 => Some(FlowRefusal::SecurityGroup),
        2 => Some(FlowRefusal::NetworkAcl),
        3 => Some(FlowRefusal::Spoofed),
        4 => Some(FlowRefusal::NoConnection),
        5 => Some(FlowRefusal::NoRoute),
        _ => return None,
    };
    Some((direction, refusal))
}

fn set_name(nic: InterfaceId) -> String {
    format!("flows_{}", tap(nic))
}

fn chain_name(nic: InterfaceId) -> String {
    format!("log_{}", tap(nic))
}

fn flow_shape(version: FlowVersion) -> Shape {
    let key = match version {
        FlowVersion::V4 => KEY_V4,
        FlowVersion::V6 => KEY_V6,
    };
    Shape::growing(Field::Bytes(key as u8), FLOWS_MAX)
}

fn skipped_shape() -> Shape {
    Shape::counters(&[NUMBER])
}

/// Has a table count the flows of the interfaces that are logged; nothing when none is. It comes after everything else that makes lines.
pub fn add(spec: &VpcSpec, version: FlowVersion, table: &mut Table) {
    if spec.logged.is_empty() {
        return;
    }
    table
        .sets
        .insert("ported".to_owned(), plain(Shape::set(&[Field::Proto]), PORTED.map(|p| Key::builder().protos(p, p).key(&[Field::Proto]))));
    let each = spec.logged.iter().map(|logged| Key::builder().number(logged.nic.as_u64()).key(&[NUMBER]));
    table.sets.insert(SKIPPED.to_owned(), plain(skipped_shape(), each));
    let jumps = |wanted: fn(&LoggedNic) -> bool| {
        let nics = spec.logged.iter().filter(move |logged| wanted(logged)).map(|logged| logged.nic);
        let jump = |nic| (Key::builder().ifname(&tap(nic)).key(&[Field::IfName]), Value::Jump(chain_name(nic)));
        set(Shape::map(&[Field::IfName], Data::Verdict), nics.map(jump))
    };
    table.sets.insert(PASSED.to_owned(), jumps(|logged| logged.accepted));
    table.sets.insert(REFUSED.to_owned(), jumps(|logged| logged.refused));
    let drops: Vec<(String, &'static str)> = table.chains.keys().filter_map(|name| Some((name.clone(), refusing(name)?))).collect();
    for (name, refuse) in drops {
        if let Some(chain) = table.chains.get_mut(&name) {
            chain.lines.iter_mut().for_each(|line| *line = line.dropping_in(refuse));
        }
    }
    if let Some(entry) = table.chains.get_mut("entry") {
        if version == FlowVersion::V6 {
            // What a guest says to its neighbours, and asks of routers, is nothing that it should not.
            entry.lines.push(Line::new().in_set(&[Load::IifName, Load::Ip6Saddr], "local").drop());
        }
        entry.lines.push(Line::new().goto("refuse_spoofed"));
    }
    for logged in &spec.logged {
        let flows = set_name(logged.nic);
        let lines = vec![
            Line::new().count_flow(version, true, &flows),
            Line::new().count_flow(version, false, &flows),
            Line::new().count_skipped(version, logged.nic.as_u64(), SKIPPED),
        ];
        table.sets.insert(flows, plain(flow_shape(version), []));
        table.chains.insert(chain_name(logged.nic), Chain { base: None, lines });
    }
    for (name, lines) in refusals() {
        table.chains.insert(name.to_owned(), Chain { base: None, lines });
    }
    let base = Base { kind: BaseKind::Filter, hook: Hook::Forward, priority: AFTER_JUDGEMENT, policy_drop: false };
    let lines = [passed(Direction::Egress), passed(Direction::Ingress)].concat();
    table.chains.insert("flows".to_owned(), Chain { base: Some(base), lines });
}

/// The chain in which the lines of a chain drop, if it is one whose drops are told of.
fn refusing(chain: &str) -> Option<&'static str> {
    match chain {
        "entry" => Some("refuse_spoofed"),
        "forward" => Some("refuse_connection"),
        "borders" => Some("refuse_border"),
        "leave" => Some("refuse_route"),
        _ if chain.starts_with("acl_out_") => Some("refuse_out_acl"),
        _ if chain.starts_with("acl_in_") => Some("refuse_in_acl"),
        _ if chain.starts_with("out_") => Some("refuse_opener"),
        _ if chain.starts_with("in_") || chain.starts_with("fwd_") => Some("refuse_answerer"),
        _ => None,
    }
}

fn passed(direction: Direction) -> Vec<Line> {
    told_of(direction, None, PASSED)
}

fn told_of(direction: Direction, refusal: Option<FlowRefusal>, map: &str) -> Vec<Line> {
    let (link, side) = match direction {
        Direction::Egress => (Load::IifName, 0),
        Direction::Ingress => (Load::OifName, INWARD),
    };
    vec![Line::new().set_mark(code(refusal) | side), Line::new().vmap(link, map)]
}

/// The chains in which packets are dropped: each end is told of what it did. Who sends is not to blame for what who receives refuses. Groups
/// judge connections, so that an answer that they drop is refused by the other end.
fn refusals() -> Vec<(&'static str, Vec<Line>)> {
    let at_sender = |refusal| [told_of(Direction::Egress, Some(refusal), REFUSED), vec![Line::new().drop()]].concat();
    let at_receiver = |refusal| {
        let both = [told_of(Direction::Ingress, Some(refusal), REFUSED), passed(Direction::Egress)].concat();
        [both, vec![Line::new().drop()]].concat()
    };
    let at_both = |refusal| {
        let both = [Direction::Egress, Direction::Ingress].map(|direction| told_of(direction, Some(refusal), REFUSED)).concat();
        [both, vec![Line::new().drop()]].concat()
    };
    let of_answers = |answer: &str, opening: &str| vec![Line::new().ct_reply().goto(answer), Line::new().goto(opening)];
    vec![
        ("refuse_spoofed", at_sender(FlowRefusal::Spoofed)),
        ("refuse_route", at_sender(FlowRefusal::NoRoute)),
        ("refuse_connection", at_both(FlowRefusal::NoConnection)),
        ("refuse_border", at_both(FlowRefusal::NetworkAcl)),
        ("refuse_out_acl", at_sender(FlowRefusal::NetworkAcl)),
        ("refuse_in_acl", at_receiver(FlowRefusal::NetworkAcl)),
        ("refuse_out_group", at_sender(FlowRefusal::SecurityGroup)),
        ("refuse_in_group", at_receiver(FlowRefusal::SecurityGroup)),
        ("refuse_opener", of_answers("refuse_in_group", "refuse_out_group")),
        ("refuse_answerer", of_answers("refuse_out_group", "refuse_in_group")),
    ]
}

/// An interface in a span.
type Place = (InterfaceId, u32);

/// What was read of the sets of one VPC: what it says, and what is to be removed when that is in a file.
#[derive(Default)]
pub struct Read {
    flows: BTreeMap<Place, Vec<FlowRecord>>,
    skipped: BTreeSet<Place>,
    taken: Vec<(TableId, String, Shape, Vec<Vec<u8>>)>,
}

/// Reads what a VPC has counted in spans before this one.
pub async fn read(rules: &Rules, names: &Names, spec: &VpcSpec, now: u32) -> nlink::Result<Read> {
    let mut read = Read::default();
    let versions = [(Family::Inet, FlowVersion::V4), (Family::Ip6, FlowVersion::V6)];
    for (family, version) in versions.into_iter().take(if spec.v6.is_some() { 2 } else { 1 }) {
        let table = TableId { family, name: names.vpc_table() };
        for logged in &spec.logged {
            let nic = spec.nics.iter().find(|nic| nic.id == logged.nic);
            let mut keys = Vec::new();
            for element in rules.counters(&table, &set_name(logged.nic)).await? {
                let Some((span, mut record)) = record(&element, version) else { continue };
                if span >= now {
                    continue;
                }
                keys.push(element.key);
                if let (Some(nic), Some(FlowRefusal::NoRoute)) = (nic, record.refused) {
                    record.source = private_of(nic, record.source);
                }
                read.flows.entry((logged.nic, span)).or_default().push(record);
            }
            read.taken.push((table.clone(), set_name(logged.nic), flow_shape(version), keys));
        }
        let mut full = rules.counters(&table, SKIPPED).await?;
        full.retain(|element| element.packets > 0);
        for nic in full.iter().filter_map(|element| Some(InterfaceId::from_u64(u64::from_be_bytes(*element.key.first_chunk()?)))) {
            // It is not counted by span: those that are read now are all that it can be about, the last one at least.
            let spans = read.flows.keys().filter(|(other, _)| *other == nic).copied();
            let about: Vec<Place> = spans.chain([(nic, now.saturating_sub(SPAN))]).collect();
            read.skipped.extend(about);
        }
        read.taken.push((table, SKIPPED.to_owned(), skipped_shape(), full.into_iter().map(|element| element.key).collect()));
    }
    Ok(read)
}

/// Removes from the sets what was read of them.
pub async fn forget(rules: &mut Rules, read: &Read) -> nlink::Result<()> {
    for (table, name, shape, keys) in &read.taken {
        rules.count_anew(table, name, shape, keys).await?;
    }
    Ok(())
}

/// Before it leaves, a packet's source is translated already.
fn private_of(nic: &NicSpec, source: IpAddr) -> IpAddr {
    let own = nic.addresses().find(|(_, public)| public.is_some_and(|public| source == IpAddr::V4(public)));
    own.map_or(source, |(private, _)| IpAddr::V4(private))
}

/// The span and the flow of an element; none for a key that is not ours.
fn record(element: &Counter, version: FlowVersion) -> Option<(u32, FlowRecord)> {
    let key = element.key.as_slice();
    let (source, destination, rest) = match version {
        FlowVersion::V4 => {
            let (source, rest) = key.split_first_chunk::<4>()?;
            let (destination, rest) = rest.split_first_chunk::<4>()?;
            (Ipv4Addr::from(*source).into(), Ipv4Addr::from(*destination).into(), rest)
        }
        FlowVersion::V6 => {
            let (source, rest) = key.split_first_chunk::<16>()?;
            let (destination, rest) = rest.split_first_chunk::<16>()?;
            (Ipv6Addr::from(*source).into(), Ipv6Addr::from(*destination).into(), rest)
        }
    };
    let (protocol, rest) = rest.split_first_chunk::<4>()?;
    let (source_port, rest) = rest.split_first_chunk::<2>()?;
    let (destination_port, rest) = rest.split_first_chunk::<2>()?;
    let (mark, rest) = rest.split_first_chunk::<4>()?;
    let span = u32::from_ne_bytes(*rest.first_chunk::<4>()?);
    let (direction, refused) = told(u32::from_ne_bytes(*mark))?;
    let record = FlowRecord {
        source,
        destination,
        protocol: protocol[0],
        source_port: u16::from_be_bytes(*source_port),
        destination_port: u16::from_be_bytes(*destination_port),
        packets: element.packets,
        bytes: element.bytes,
        direction,
        refused,
    };
    Some((span, record))
}

/// What was read and waits to be asked for.
pub struct Flows {
    inner: Mutex<Inner>,
}

struct Inner {
    spool: Spool,
    /// The span in which it was last read; none since the agent started.
    read_in: Option<u32>,
    /// What is in a file and may still be in the kernel.
    kept: BTreeSet<Place>,
}

impl Flows {
    /// Goes on with what is in a folder.
    pub fn new(folder: &Path) -> Flows {
        let spool = Spool::new(folder);
        let kept = spool.places();
        Flows { inner: Mutex::new(Inner { spool, read_in: None, kept }) }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps nothing more, and removes what is kept.
    pub fn end(&self) -> io::Result<()> {
        self.inner().spool.end()
    }
}

impl Network {
    /// Reads the flows whose span is over, when one has ended since it last did, and has them in a file before the kernel forgets them.
    pub async fn take_flows(&self, now_ms: i64) -> io::Result<()> {
        let now = span_of(now_ms - GRACE_MS);
        let read_in = self.flows.inner().read_in;
        if read_in.is_some_and(|before| before >= now && before - now < SPAN * QUIET_SPANS_MAX) {
            return Ok(());
        }
        let quiet_from = read_in.unwrap_or(now).max(now.saturating_sub(SPAN * QUIET_SPANS_MAX));
        let mut state = self.state.lock().await;
        for vpc in state.vpcs.values_mut() {
            let Some(spec) = vpc.applied().filter(|spec| !spec.logged.is_empty()).cloned() else { continue };
            let read = vpc.read_flows(&self.names, &spec, now).await?;
            {
                let mut inner = self.flows.inner();
                let batches = batches(&spec, &read, (quiet_from, now), &inner.kept);
                inner.kept.extend(read.flows.keys());
                inner.kept.extend(&read.skipped);
                inner.spool.keep(now_ms, batches)?;
            }
            vpc.forget_flows(&read).await?;
        }
        let mut inner = self.flows.inner();
        inner.read_in = Some(now);
        // The kernel has forgotten all of it.
        inner.kept.clear();
        Ok(())
    }

    /// Keeps what interfaces have counted that are about to be logged no more, and the sets of which go with them.
    pub(super) async fn save_flows(&self, vpc: &Vpc, remaining: &[LoggedNic]) -> io::Result<()> {
        let Some(mut spec) = vpc.applied().filter(|spec| !spec.logged.is_empty()).cloned() else { return Ok(()) };
        spec.logged.retain(|logged| !remaining.iter().any(|stays| stays.nic == logged.nic));
        if spec.logged.is_empty() {
            return Ok(());
        }
        let now_ms = crate::clock::now_ms();
        let read = vpc.read_flows(&self.names, &spec, span_of(now_ms) + SPAN).await?;
        let mut inner = self.flows.inner();
        let batches = batches(&spec, &read, (0, 0), &inner.kept);
        inner.kept.extend(read.flows.keys());
        inner.spool.keep(now_ms, batches)
    }

    /// The oldest part that was not told yet; `told` is the one that was, and is forgotten.
    pub fn flows_after(&self, told: Option<u64>) -> io::Result<Option<FlowReport>> {
        let mut inner = self.flows.inner();
        if let Some(told) = told {
            inner.spool.forget(told)?;
        }
        inner.spool.oldest()
    }
}

/// One batch for each interface and span: of flows, or to say that there was none.
fn batches(spec: &VpcSpec, read: &Read, (from, to): (u32, u32), kept: &BTreeSet<Place>) -> Vec<FlowBatch> {
    let mut places: BTreeSet<Place> = read.flows.keys().chain(&read.skipped).copied().collect();
    let quiet = (from..to).step_by(SPAN as usize);
    places.extend(quiet.flat_map(|span| spec.logged.iter().map(move |logged| (logged.nic, span))));
    let batch = |place: Place| {
        let (interface, span) = place;
        let nic = spec.nics.iter().find(|nic| nic.id == interface)?;
        let records = read.flows.get(&place).cloned().unwrap_or_default();
        let (from, to) = (Millis(span_begins(span)), Millis(span_begins(span + SPAN)));
        Some(FlowBatch { interface, subnet: nic.subnet, instance: nic.vm, from, to, skipped: read.skipped.contains(&place), records })
    };
    places.into_iter().filter(|place| !kept.contains(place)).filter_map(batch).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_says_what_it_was_made_of() {
        use FlowRefusal::*;
        for refusal in [None, Some(SecurityGroup), Some(NetworkAcl), Some(Spoofed), Some(NoConnection), Some(NoRoute)] {
            assert_eq!(told(code(refusal)), Some((Direction::Egress, refusal)));
            assert_eq!(told(code(refusal) | INWARD), Some((Direction::Ingress, refusal)));
        }
        assert_eq!(told(0xff), None);
    }
}
