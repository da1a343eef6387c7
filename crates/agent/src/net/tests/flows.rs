//! Flows are told of as they were, with why what was dropped was; a VPC without a flow log has none of the rules.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicI64, Ordering};

use hostspec::{AclEntry, Direction, GroupSpec, LoggedNic, ProtocolMatch, Verdict, VpcSpec};
use model::{FlowBatch, FlowRecord, FlowRefusal, InterfaceId, SecurityGroupId};

use super::super::flows::FLOWS_MAX;
use super::super::line::flow::{SPAN, span_begins, span_of};
use super::super::{Names, table};
use super::lab::*;
use super::{frames, hosts, ipv6};
use crate::clock::now_ms;

/// Bytes of the headers of an echo and of a datagram.
const ECHO: u64 = 20 + 8 + 56;
const DATAGRAM: u64 = 20 + 8;

fn logged(spec: &mut VpcSpec, accepted: bool, refused: bool) {
    spec.logged = spec.nics.iter().map(|nic| LoggedNic { nic: nic.id, accepted, refused }).collect();
}

/// Waits for a span that has just begun when what follows could see the end of one.
fn at_ease() {
    let end = span_begins(span_of(now_ms()) + SPAN);
    if end - now_ms() < 10_000 {
        std::thread::sleep(std::time::Duration::from_millis((end - now_ms()) as u64 + 10));
    }
}

/// Everything that was not told yet, as if the span were over, and one more each time.
fn told(lab: &Lab) -> Vec<FlowBatch> {
    static LATER: AtomicI64 = AtomicI64::new(40_000);
    let later = LATER.fetch_add(40_000, Ordering::Relaxed);
    lab.runtime.block_on(lab.network().take_flows(now_ms() + later)).unwrap();
    let (mut batches, mut last) = (Vec::new(), None);
    while let Some(report) = lab.network().flows_after(last).unwrap() {
        last = Some(report.number);
        batches.extend(report.batches);
    }
    batches
}

/// Who to whom, protocol, ports.
type Ends = (Ipv4Addr, Ipv4Addr, u8, u16, u16);
/// Direction, and why it was dropped.
type Fate = (Direction, Option<FlowRefusal>);

fn ends(record: &FlowRecord) -> Ends {
    let v4 = |ip: std::net::IpAddr| if let std::net::IpAddr::V4(ip) = ip { ip } else { panic!("{ip}") };
    (v4(record.source), v4(record.destination), record.protocol, record.source_port, record.destination_port)
}

/// What one interface is told to have done.
fn of(batches: &[FlowBatch], nic: InterfaceId) -> BTreeMap<(Ends, Fate), (u64, u64)> {
    let records = batches.iter().filter(|batch| batch.interface == nic).flat_map(|batch| &batch.records);
    records.map(|record| ((ends(record), (record.direction, record.refused)), (record.packets, record.bytes))).collect()
}

const EGRESS: Fate = (Direction::Egress, None);
const INGRESS: Fate = (Direction::Ingress, None);

#[test]
fn what_passes_is_told_of_both_ends_with_its_packets_and_bytes() {
    let lab = Lab::new();
    let mut spec = vpc(1, &[5, 6]);
    logged(&mut spec, true, true);
    let document = host(std::slice::from_ref(&spec));
    lab.applied(&document);
    let look = "nft list ruleset | grep -v elements | grep -v expires";
    let before = lab.in_vpc(&spec, look);
    at_ease();
    let (a, b) = (lab.guest(&spec, 0), lab.guest(&spec, 1));
    assert!(a.pings("10.0.0.6"));
    let (one, other) = (a.udp(), b.udp());
    for size in [100, 200, 300] {
        one.send_to(&vec![1; size], (b.nic.ip, 5000)).unwrap();
        assert_eq!(other.recv(&mut [0; 2_000]).unwrap(), size);
    }
    let listener = b.run(|| std::net::TcpListener::bind((b.nic.ip, 80))).unwrap();
    let stream = a.connect("10.0.0.6:80").unwrap();
    let port = stream.local_addr().unwrap().port();
    drop((listener.accept().unwrap(), stream));
    lab.applied(&document);
    assert!(before.contains("flows_"), "{before}");
    let batches = told(&lab);
    let (ip, peer) = (a.nic.ip, b.nic.ip);
    let (from, to) = (of(&batches, a.nic.id), of(&batches, b.nic.id));
    for (flow, packets, bytes) in [((ip, peer, 1, 0, 0), 1, ECHO), ((ip, peer, 17, 5000, 5000), 3, 600 + 3 * DATAGRAM)] {
        assert_eq!(from.get(&(flow, EGRESS)), Some(&(packets, bytes)), "{from:?}");
        assert_eq!(to.get(&(flow, INGRESS)), Some(&(packets, bytes)), "{to:?}");
    }
    assert_eq!(to.get(&((peer, ip, 1, 0, 0), EGRESS)), Some(&(1, ECHO)), "the answer: {to:?}");
    assert!(from.get(&((ip, peer, 6, port, 80), EGRESS)).is_some_and(|(packets, _)| *packets >= 3), "{from:?}");
    assert!(to.get(&((peer, ip, 6, 80, port), EGRESS)).is_some_and(|(packets, _)| *packets >= 1), "{to:?}");
    assert!(from.keys().chain(to.keys()).all(|(_, (_, refused))| refused.is_none()), "{from:?} {to:?}");
    assert_eq!(told(&lab).iter().filter(|batch| !batch.records.is_empty()).count(), 0, "once");
}

#[test]
fn who_refuses_is_told_why_and_who_sends_that_it_was_let_out() {
    let lab = Lab::new();
    let mut spec = vpc(1, &[5, 6]);
    // The second takes nothing in from anybody.
    let deaf = SecurityGroupId::from_u64(7);
    spec.groups.push(GroupSpec { id: deaf, rules: vec![open(Direction::Egress)], members: vec![] });
    spec.nics[1].groups = vec![deaf];
    logged(&mut spec, true, true);
    lab.applied(&host(std::slice::from_ref(&spec)));
    at_ease();
    let (a, b) = (lab.guest(&spec, 0), lab.guest(&spec, 1));
    assert!(!a.pings("10.0.0.6"));
    assert!(b.pings("10.0.0.5"), "what it asks itself is answered");
    let batches = told(&lab);
    let echo = (a.nic.ip, b.nic.ip, 1, 0, 0);
    let (from, to) = (of(&batches, a.nic.id), of(&batches, b.nic.id));
    let refused = (Direction::Ingress, Some(FlowRefusal::SecurityGroup));
    assert_eq!(to.get(&(echo, refused)), Some(&(1, ECHO)), "{to:?}");
    // One was asked, one was an answer.
    assert_eq!(from.get(&(echo, EGRESS)), Some(&(2, 2 * ECHO)), "{from:?}");
    assert!(!from.keys().any(|(_, (_, refused))| refused.is_some()), "{from:?}");
    // What must not leave at all.
    spec.nics[0].groups = vec![SecurityGroupId::from_u64(8)];
    spec.groups.push(GroupSpec { id: SecurityGroupId::from_u64(8), rules: vec![], members: vec![] });
    lab.applied(&host(std::slice::from_ref(&spec)));
    assert!(!a.pings("10.0.0.6"));
    let batches = told(&lab);
    let (from, to) = (of(&batches, a.nic.id), of(&batches, b.nic.id));
    assert_eq!(from.get(&(echo, (Direction::Egress, Some(FlowRefusal::SecurityGroup)))), Some(&(1, ECHO)), "{from:?}");
    assert!(to.keys().all(|(flow, _)| *flow != echo), "it never came there: {to:?}");
}

#[test]
fn acls_spoofed_sources_and_missing_routes_are_told_by_their_names() {
    let lab = Lab::new();
    let mut spec = vpc(1, &[5, 6]);
    spec.nics[0].public_ip = Some(Ipv4Addr::new(203, 0, 113, 9));
    spec.subnets[0].ways_out = vec![];
    let mut far = spec.subnets[0].clone();
    far.id = model::SubnetId::from_u64(99);
    (far.range, far.gateway) = ("10.0.9.0/24".parse().unwrap(), Ipv4Addr::new(10, 0, 9, 1));
    far.acl = Some(vec![AclEntry {
        direction: Direction::Egress,
        number: 100,
        verdict: Verdict::Accept,
        protocol: ProtocolMatch::All,
        range: "0.0.0.0/0".parse().unwrap(),
    }]);
    spec.nics[1].subnet = far.id;
    spec.nics[1].ip = Ipv4Addr::new(10, 0, 9, 6);
    spec.subnets.push(far);
    logged(&mut spec, true, true);
    lab.applied(&host(std::slice::from_ref(&spec)));
    at_ease();
    let a = lab.guest(&spec, 0);
    let _b = lab.guest(&spec, 1);
    assert!(!a.pings("10.0.9.6"));
    assert!(!a.pings("203.0.113.1"), "no route leads out");
    a.shell("ip addr add 10.0.0.77/32 dev eth0");
    a.shell("ping -c1 -W1 -n -I 10.0.0.77 10.0.9.6 || true");
    let batches = told(&lab);
    let (from, to) = (of(&batches, a.nic.id), of(&batches, spec.nics[1].id));
    let (ip, peer) = (a.nic.ip, spec.nics[1].ip);
    assert_eq!(to.get(&((ip, peer, 1, 0, 0), (Direction::Ingress, Some(FlowRefusal::NetworkAcl)))), Some(&(1, ECHO)), "{to:?}");
    assert_eq!(from.get(&((ip, peer, 1, 0, 0), EGRESS)), Some(&(1, ECHO)), "{from:?}");
    let spoofed = ((Ipv4Addr::new(10, 0, 0, 77), peer, 1, 0, 0), (Direction::Egress, Some(FlowRefusal::Spoofed)));
    assert_eq!(from.get(&spoofed), Some(&(1, ECHO)), "{from:?}");
    let nowhere = ((ip, Ipv4Addr::new(203, 0, 113, 1), 1, 0, 0), (Direction::Egress, Some(FlowRefusal::NoRoute)));
    assert_eq!(from.get(&nowhere), Some(&(1, ECHO)), "with its private source: {from:?}");
}

#[test]
fn equal_ranges_of_two_vpcs_never_mix_and_who_is_not_logged_is_not_told_of() {
    let lab = Lab::new();
    let (mut one, mut two) = (vpc(1, &[5, 6]), vpc(2, &[5, 6]));
    for nic in &mut two.nics {
        nic.id = InterfaceId::from_u64(nic.id.as_u64() + 100);
        nic.vm = model::InstanceId::from_u64(nic.vm.as_u64() + 100);
    }
    logged(&mut one, true, true);
    logged(&mut two, false, true);
    two.logged.truncate(1);
    lab.applied(&host(&[one.clone(), two.clone()]));
    at_ease();
    let guests = [lab.guest(&one, 0), lab.guest(&one, 1), lab.guest(&two, 0), lab.guest(&two, 1)];
    assert!(guests[0].pings("10.0.0.6"));
    for _ in 0..3 {
        assert!(guests[2].pings("10.0.0.6"));
    }
    let batches = told(&lab);
    let echo = (guests[0].nic.ip, guests[1].nic.ip, 1, 0, 0);
    assert_eq!(of(&batches, one.nics[0].id).get(&(echo, EGRESS)), Some(&(1, ECHO)));
    assert!(of(&batches, two.nics[0].id).is_empty(), "it wants to hear of what is dropped only");
    assert!(batches.iter().all(|batch| batch.interface != two.nics[1].id));
}

#[test]
fn ipv6_is_told_of_too_and_what_neighbours_say_is_no_flow() {
    let lab = Lab::new();
    let mut spec = ipv6::dual(1, &[5, 6]);
    logged(&mut spec, true, true);
    lab.applied(&host(std::slice::from_ref(&spec)));
    at_ease();
    let (a, b) = (lab.guest(&spec, 0), lab.guest(&spec, 1));
    ipv6::configure(&a);
    ipv6::configure(&b);
    let peer = ipv6::address(6);
    assert!(a.pings(&peer.to_string()));
    spec.groups[0].rules.retain(|rule| rule.direction == Direction::Egress);
    lab.applied(&host(std::slice::from_ref(&spec)));
    assert!(!a.pings(&peer.to_string()));
    let batches = told(&lab);
    let of = |nic: InterfaceId| -> Vec<(bool, Direction, Option<FlowRefusal>, u64, u64)> {
        let records = batches.iter().filter(|batch| batch.interface == nic).flat_map(|batch| &batch.records);
        let asked = |record: &FlowRecord| record.source == std::net::IpAddr::V6(ipv6::address(5));
        let mut found: Vec<_> = records.map(|r| (asked(r), r.direction, r.refused, r.packets, r.bytes)).collect();
        found.sort();
        found
    };
    // Twenty bytes more of header than in IPv4.
    let echo = ECHO + 20;
    let (from, to) = (of(a.nic.id), of(b.nic.id));
    assert_eq!(from, [(false, Direction::Ingress, None, 1, echo), (true, Direction::Egress, None, 2, 2 * echo)]);
    let refused = Some(FlowRefusal::SecurityGroup);
    let whole = [
        (false, Direction::Egress, None, 1, echo),
        (true, Direction::Ingress, None, 1, echo),
        (true, Direction::Ingress, refused, 1, echo),
    ];
    assert_eq!(to, whole);
}

#[test]
fn each_of_two_hosts_tells_of_its_own_interface() {
    let labs = hosts::two();
    let [mut one, mut two] = hosts::split(1);
    logged(&mut one, true, true);
    logged(&mut two, true, true);
    let deaf = SecurityGroupId::from_u64(7);
    two.groups.push(GroupSpec { id: deaf, rules: vec![open(Direction::Egress)], members: vec![] });
    two.nics[0].groups = vec![deaf];
    hosts::both(&labs, &one, &two);
    at_ease();
    let (a, b) = (labs[0].guest(&one, 0), labs[1].guest(&two, 0));
    assert!(!a.pings("10.0.0.6"));
    let (here, there) = (told(&labs[0]), told(&labs[1]));
    let echo = (a.nic.ip, b.nic.ip, 1, 0, 0);
    assert_eq!(of(&here, a.nic.id), [((echo, EGRESS), (1, ECHO))].into());
    assert_eq!(of(&there, b.nic.id), [((echo, (Direction::Ingress, Some(FlowRefusal::SecurityGroup))), (1, ECHO))].into());
}

#[test]
fn a_flood_of_flows_is_bounded_says_so_and_hides_nothing_of_others() {
    let lab = Lab::new();
    let mut spec = vpc(1, &[5, 6]);
    logged(&mut spec, true, true);
    lab.applied(&host(std::slice::from_ref(&spec)));
    at_ease();
    let mut flooder = lab.raw(&spec, 0);
    let quiet = lab.guest(&spec, 1);
    let ip = flooder.nic.ip;
    // From an address that is not its own, so that connection tracking, which has a limit too, has no part in it.
    let spoofed = Ipv4Addr::new(10, 0, 77, 77);
    let mut send = |ports: (u16, u16)| {
        let frame = frames::ipv4(&flooder.nic, spoofed, quiet.nic.ip, 17, &frames::udp(ports.0, ports.1, b"x"));
        flooder.send(&frame);
    };
    (1..FLOWS_MAX as u16 + 4_000).for_each(|port| send((port, 9)));
    assert!(quiet.pings("10.0.0.1"));
    let other = quiet.udp();
    other.send_to(b"hello", (ip, 7)).unwrap();
    let mut batches = told(&lab);
    batches.retain(|batch| !batch.records.is_empty() || batch.skipped);
    let nic = spec.nics[0].id;
    let flood: Vec<&FlowBatch> = batches.iter().filter(|batch| batch.interface == nic).collect();
    let flows: usize = flood.iter().map(|batch| batch.records.len()).sum();
    assert_eq!(flows, FLOWS_MAX as usize);
    assert!(flood.iter().any(|batch| batch.skipped));
    let seen = of(&batches, quiet.nic.id);
    assert!(seen.contains_key(&((quiet.nic.ip, ip, 17, 5000, 7), EGRESS)), "{seen:?}");
    // There is room again.
    other.send_to(b"again", (ip, 7)).unwrap();
    send((77, 78));
    let again = || {
        let batches = told(&lab);
        let lie = (Direction::Egress, Some(FlowRefusal::Spoofed));
        of(&batches, nic).contains_key(&((spoofed, quiet.nic.ip, 17, 77, 78), lie)).then_some(())
    };
    eventually("the flooder's flows are told of again", again);
}

#[test]
fn flows_outlive_the_agent_and_quiet_spans_are_said_to_be_quiet() {
    let mut lab = Lab::new();
    let mut spec = vpc(1, &[5, 6]);
    logged(&mut spec, true, true);
    let document = host(std::slice::from_ref(&spec));
    lab.applied(&document);
    at_ease();
    let (a, _b) = (lab.guest(&spec, 0), lab.guest(&spec, 1));
    assert!(a.pings("10.0.0.6"));
    lab.kill();
    assert!(a.pings("10.0.0.6"), "the kernel goes on counting");
    lab.start();
    lab.applied(&document);
    lab.runtime.block_on(lab.network().take_flows(now_ms() + 40_000)).unwrap();
    lab.kill();
    lab.start();
    lab.applied(&document);
    let first = told(&lab);
    let echo = (a.nic.ip, spec.nics[1].ip, 1, 0, 0);
    assert_eq!(of(&first, a.nic.id).get(&(echo, EGRESS)), Some(&(2, 2 * ECHO)), "neither lost nor twice: {first:?}");
    lab.runtime.block_on(lab.network().take_flows(now_ms() + 120_000)).unwrap();
    let quiet = told(&lab);
    assert!(!quiet.is_empty() && quiet.iter().all(|batch| batch.records.is_empty() && !batch.skipped), "{quiet:?}");
    // What is logged no more tells of what it has done until then.
    assert!(a.pings("10.0.0.6"));
    spec.logged.clear();
    lab.applied(&host(std::slice::from_ref(&spec)));
    let last = told(&lab);
    assert_eq!(of(&last, a.nic.id).get(&(echo, EGRESS)), Some(&(1, ECHO)), "{last:?}");
    assert!(!lab.in_vpc(&spec, "nft list ruleset").contains("flows_"));
}

#[test]
fn a_vpc_without_a_flow_log_has_the_rules_that_it_had() {
    let names = Names::new("gold").unwrap();
    let bare = super::golden::rich();
    let mut with = bare.clone();
    logged(&mut with, true, true);
    let (before, after) = (table::vpc(&names, &bare, 1000), table::vpc(&names, &with, 1000));
    assert!(!before.to_string().contains("flow") && !before.to_string().contains("refuse_"));
    // With one, nothing decides otherwise: rules that drop go on where it is told of, and drop there.
    for (id, table) in &before.tables {
        let told = &after.tables[id];
        for (name, chain) in &table.chains {
            let more = &told.chains[name].lines;
            assert!(more.len() >= chain.lines.len(), "{name}");
            for (line, other) in chain.lines.iter().zip(more) {
                let (text, other) = (line.text(), other.text());
                let same = text == other
                    || text.strip_suffix("drop").is_some_and(|start| other.starts_with(start) && other.contains("goto refuse_"));
                assert!(same, "{name}: {text} became {other}");
            }
        }
        for (name, chain) in told.chains.iter().filter(|(name, _)| name.starts_with("refuse_")) {
            let end = chain.lines.last().unwrap().text();
            assert!(end == "drop" || end.starts_with("goto refuse_"), "{name} ends with {end}");
        }
    }
}
