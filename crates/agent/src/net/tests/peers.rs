//! Peered VPCs: what routes on both sides send across arrives under the groups of both ends, and nothing else does; on one host and from
//! one to another.

use std::net::Ipv4Addr;
use std::time::Instant;

use std::io::{Read, Write};
use std::net::TcpListener;

use hostspec::{AclEntry, Direction, GroupSpec, HopSpec, PeerSpec, ProtocolMatch, RemoteNic, Verdict, VpcSpec};
use model::SecurityGroupId;

use super::hosts::{UNDER, applied, two as two_hosts};
use super::lab::*;

/// A VPC with one guest in a range of its own, and a route to the other.
pub fn side(number: u64, other: u64) -> VpcSpec {
    let mut spec = vpc(number, &[5]);
    let octet = number as u8;
    let range = format!("10.{octet}.0.0/24").parse().unwrap();
    (spec.ranges, spec.subnets[0].range, spec.subnets[0].gateway) = (vec![range], range, Ipv4Addr::new(10, octet, 0, 1));
    spec.nics[0].ip = Ipv4Addr::new(10, octet, 0, 5);
    let to = format!("10.{other}.0.0/24").parse().unwrap();
    spec.subnets[0].hops = vec![HopSpec { to, via: None, peer: Some(model::VpcId::from_u64(other)) }];
    spec
}

fn addresses(vpc: &VpcSpec) -> Vec<Ipv4Addr> {
    vpc.nics.iter().map(|nic| nic.ip).collect()
}

/// Has each know the other.
pub fn peer(one: &mut VpcSpec, other: &mut VpcSpec) {
    let spec = |vpc: &VpcSpec| PeerSpec { vpc: vpc.id, vni: vpc.vni, addresses: addresses(vpc), remote: vec![], v6: None };
    let (first, second) = (spec(one), spec(other));
    one.peers.push(second);
    other.peers.push(first);
}

/// Whether an answer comes before the tests' patience ends: the kernel takes up to a second to use a new pair of links.
pub fn comes_to(guest: &Guest, ip: &str) -> bool {
    let end = Instant::now() + PATIENCE;
    std::iter::repeat_with(|| guest.pings(ip)).take_while(|_| Instant::now() < end).any(|answered| answered)
}

#[test]
fn peered_guests_meet_while_both_sides_have_a_way() {
    let lab = Lab::new();
    let (mut one, mut two) = (side(1, 2), side(2, 1));
    let bare = [one.clone(), two.clone()];
    lab.applied(&host(&bare));
    let (a, b) = (lab.guest(&one, 0), lab.guest(&two, 0));
    assert!(!a.pings("10.2.0.5"));
    peer(&mut one, &mut two);
    let both = [one.clone(), two.clone()];
    lab.applied(&host(&both));
    assert!(comes_to(&a, "10.2.0.5") && comes_to(&b, "10.1.0.5"));
    let look = "ip route show table all; nft list ruleset";
    let before = lab.in_vpc(&two, look);
    lab.applied(&host(&both));
    assert_eq!(lab.in_vpc(&two, look), before, "the same once more changes nothing");
    assert!(!a.pings("10.2.0.1"), "what the host answers is for its own VPC");
    // Without a way back there is no answer.
    let mut one_way = both.clone();
    one_way[1].subnets[0].hops.clear();
    lab.applied(&host(&one_way));
    assert!(!a.pings("10.2.0.5"));
    lab.applied(&host(&both));
    assert!(a.pings("10.2.0.5"));
    lab.applied(&host(&bare));
    assert!(!a.pings("10.2.0.5") && !lab.in_vpc(&one, "ip -o link").contains("peer-"));
}

#[test]
fn what_has_a_peer_has_no_more_than_that_peer() {
    let lab = Lab::new();
    let (mut one, mut two, mut three) = (side(1, 3), side(2, 1), side(3, 1));
    peer(&mut one, &mut two);
    peer(&mut two, &mut three);
    // The first sends what is for the third to the second, which both are peered with.
    for (side, beyond) in [(&mut one, "10.3.0.0/24"), (&mut three, "10.1.0.0/24")] {
        let to = |range: &str| HopSpec { to: range.parse().unwrap(), via: None, peer: Some(two.id) };
        side.subnets[0].hops = vec![to(beyond), to("10.2.0.0/24")];
    }
    two.subnets[0].hops.push(HopSpec { to: "10.3.0.0/24".parse().unwrap(), via: None, peer: Some(three.id) });
    lab.applied(&host(&[one.clone(), two.clone(), three.clone()]));
    let _middle = lab.guest(&two, 0);
    let (a, c) = (lab.guest(&one, 0), lab.guest(&three, 0));
    assert!(comes_to(&a, "10.2.0.5") && comes_to(&c, "10.2.0.5"), "each reaches its own peer");
    assert!(!a.pings("10.3.0.5") && !c.pings("10.1.0.5"));
}

#[test]
fn a_rule_names_a_group_of_the_peered_vpc() {
    let lab = Lab::new();
    let (mut one, mut two) = (side(1, 2), side(2, 1));
    peer(&mut one, &mut two);
    let (theirs, guarded) = (SecurityGroupId::from_u64(1), SecurityGroupId::from_u64(7));
    let mut only = rule(Direction::Ingress, Verdict::Accept, 1, ProtocolMatch::All, "0.0.0.0/0");
    only.peer = hostspec::Peer::Group { group: theirs };
    two.groups.push(GroupSpec { id: guarded, rules: vec![only], members: vec![] });
    two.groups.push(GroupSpec { id: theirs, rules: vec![], members: vec![one.nics[0].ip] });
    two.nics[0].groups = vec![guarded];
    lab.applied(&host(&[one.clone(), two.clone()]));
    let (a, b) = (lab.guest(&one, 0), lab.guest(&two, 0));
    assert!(comes_to(&a, "10.2.0.5"));
    assert!(!b.pings("10.1.0.5"), "nothing lets it out");
    two.groups.last_mut().unwrap().members.clear();
    lab.applied(&host(&[one, two]));
    assert!(!a.pings("10.2.0.5"));
}

/// What each of two hosts is told of two peered VPCs, whose interfaces are on these hosts.
pub fn parts(vpcs: [(&VpcSpec, &[usize]); 2]) -> [Vec<VpcSpec>; 2] {
    [0, 1].map(|host| {
        let here = |(vpc, at): (&VpcSpec, &[usize])| -> Vec<hostspec::NicSpec> {
            vpc.nics.iter().zip(at).filter(|(_, at)| **at == host).map(|(nic, _)| nic.clone()).collect()
        };
        let there = |(vpc, at): (&VpcSpec, &[usize])| -> Vec<RemoteNic> {
            let others = vpc.nics.iter().zip(at).filter(|(_, at)| **at != host);
            others.map(|(nic, at)| RemoteNic { ip: nic.ip, host: UNDER[*at] }).collect()
        };
        let part = |one: (&VpcSpec, &[usize]), other: (&VpcSpec, &[usize])| {
            let nics = here(one);
            let is_member = !nics.is_empty();
            let theirs = here(other).iter().map(|nic| nic.ip).collect();
            let remote = if is_member { there(other) } else { vec![] };
            let peer = PeerSpec { vpc: other.0.id, vni: other.0.vni, addresses: theirs, remote, v6: None };
            let peers = if peer.addresses.is_empty() && peer.remote.is_empty() { vec![] } else { vec![peer] };
            let (groups, subnets) = if is_member { (one.0.groups.clone(), one.0.subnets.clone()) } else { (vec![], vec![]) };
            VpcSpec { nics, remote: there(one), peers, groups, subnets, ..one.0.clone() }
        };
        vec![part(vpcs[0], vpcs[1]), part(vpcs[1], vpcs[0])]
    })
}

pub fn spread(labs: &[Lab; 2], parts: &[Vec<VpcSpec>; 2]) {
    applied(labs, [&parts[0], &parts[1]]);
}

#[test]
fn peered_guests_on_two_hosts_meet_while_both_sides_have_a_way() {
    let labs = two_hosts();
    let (one, two) = (side(1, 2), side(2, 1));
    let both = parts([(&one, &[0]), (&two, &[1])]);
    spread(&labs, &both);
    let (a, b) = (labs[0].guest(&both[0][0], 0), labs[1].guest(&both[1][1], 0));
    assert!(comes_to(&a, "10.2.0.5") && comes_to(&b, "10.1.0.5"));
    a.shell("ping -c 1 -W 5 -s 4000 10.2.0.5");
    let listener = b.run(|| TcpListener::bind("0.0.0.0:80")).unwrap();
    let mut client = a.connect("10.2.0.5:80").unwrap();
    let (mut server, from) = listener.accept().unwrap();
    assert_eq!(from.ip(), a.nic.ip, "no translation on the way");
    // Both ends go on while rules come that judge connections anew.
    let mut more = both.clone();
    for (host, vpc) in [(0, 0), (1, 1)] {
        more[host][vpc].groups[0].rules.push(rule(
            Direction::Ingress,
            Verdict::Drop,
            1,
            ProtocolMatch::Tcp { from: 9, to: 9 },
            "0.0.0.0/0",
        ));
    }
    spread(&labs, &more);
    client.write_all(b"question").unwrap();
    server.read_exact(&mut [0; 8]).unwrap();
    server.write_all(b"answer").unwrap();
    client.read_exact(&mut [0; 6]).unwrap();
    // The namespaces between remember nothing, and the same once more changes nothing.
    for (lab, between) in [(&labs[0], &both[0][1]), (&labs[1], &both[1][0])] {
        assert_eq!(lab.in_vpc(between, "cat /proc/sys/net/netfilter/nf_conntrack_count").trim(), "0");
    }
    let look = "ip route show table all; ip neigh; nft list ruleset";
    let before = labs[0].in_vpc(&both[0][1], look);
    spread(&labs, &more);
    assert_eq!(labs[0].in_vpc(&both[0][1], look), before);
    assert!(!a.pings("10.2.0.1"), "what a host answers is for guests of the VPC");
    // Without a way back there is no answer.
    let mut one_way = both.clone();
    one_way[1][1].subnets[0].hops.clear();
    spread(&labs, &one_way);
    assert!(!a.pings("10.2.0.5"));
    spread(&labs, &both);
    assert!(a.pings("10.2.0.5"));
    // When it ends, each host has its own VPC alone.
    applied(&labs, [std::slice::from_ref(&one), std::slice::from_ref(&two)]);
    assert!(!a.pings("10.2.0.5") && !labs[0].in_vpc(&one, "ip -o link").contains("peer-"));
    let gone = super::super::netns::open(&labs[0].namespace(&two)).unwrap();
    assert!(gone.is_none(), "the other VPC left this host");
}

#[test]
fn peered_vpcs_that_are_both_on_both_hosts_meet_everywhere() {
    let labs = two_hosts();
    let [mut one, mut two] = [(1, 2), (2, 1)].map(|(own, other)| side(own, other));
    for vpc in [&mut one, &mut two] {
        let mut nic = super::super::tests::lab::vpc(vpc.id.as_u64(), &[6]).nics.remove(0);
        let [a, b, c, _] = vpc.nics[0].ip.octets();
        nic.ip = Ipv4Addr::new(a, b, c, 6);
        vpc.nics.push(nic);
    }
    let both = parts([(&one, &[0, 1]), (&two, &[0, 1])]);
    spread(&labs, &both);
    let guests: Vec<Guest> =
        (0..2).flat_map(|host| (0..2).map(move |vpc| (host, vpc))).map(|(host, vpc)| labs[host].guest(&both[host][vpc], 0)).collect();
    for from in &guests {
        for to in guests.iter().filter(|to| to.nic.ip != from.nic.ip) {
            assert!(comes_to(from, &to.nic.ip.to_string()), "{} to {}", from.nic.ip, to.nic.ip);
        }
    }
}

#[test]
fn groups_and_borders_of_each_end_judge_on_its_own_host() {
    let labs = two_hosts();
    let (one, mut two) = (side(1, 2), side(2, 1));
    let (theirs, guarded) = (SecurityGroupId::from_u64(1), SecurityGroupId::from_u64(7));
    let mut only = rule(Direction::Ingress, Verdict::Accept, 1, ProtocolMatch::All, "0.0.0.0/0");
    only.peer = hostspec::Peer::Group { group: theirs };
    two.groups.push(GroupSpec { id: guarded, rules: vec![only], members: vec![] });
    two.groups.push(GroupSpec { id: theirs, rules: vec![], members: vec![one.nics[0].ip] });
    two.nics[0].groups = vec![guarded];
    let both = parts([(&one, &[0]), (&two, &[1])]);
    spread(&labs, &both);
    let (a, b) = (labs[0].guest(&both[0][0], 0), labs[1].guest(&both[1][1], 0));
    assert!(comes_to(&a, "10.2.0.5"), "a member of the group of the other VPC");
    assert!(!b.pings("10.1.0.5"), "nothing lets it out");
    let mut changed = both.clone();
    changed[1][1].groups.last_mut().unwrap().members.clear();
    spread(&labs, &changed);
    assert!(!a.pings("10.2.0.5"));
    // The sender's group, and the borders of both subnets.
    let entry = |number, direction, verdict| AclEntry {
        number,
        direction,
        verdict,
        protocol: ProtocolMatch::All,
        range: "0.0.0.0/0".parse().unwrap(),
    };
    let open_but = |shut| {
        let all = [Direction::Ingress, Direction::Egress];
        Some(all.map(|direction| entry(1, direction, if direction == shut { Verdict::Drop } else { Verdict::Accept })).to_vec())
    };
    for change in [
        |parts: &mut [Vec<VpcSpec>; 2]| parts[0][0].groups[0].rules.retain(|rule| rule.direction == Direction::Ingress),
        |parts: &mut [Vec<VpcSpec>; 2]| parts[1][1].groups[1].rules.clear(),
    ] {
        let mut changed = both.clone();
        change(&mut changed);
        spread(&labs, &changed);
        assert!(!a.pings("10.2.0.5"));
    }
    for (host, vpc, shut) in [(0, 0, Direction::Egress), (0, 0, Direction::Ingress), (1, 1, Direction::Ingress), (1, 1, Direction::Egress)]
    {
        let mut changed = both.clone();
        changed[host][vpc].subnets[0].acl = open_but(shut);
        spread(&labs, &changed);
        assert!(!a.pings("10.2.0.5"), "{shut:?} of host {host}");
    }
    spread(&labs, &both);
    assert!(a.pings("10.2.0.5"));
}

#[test]
fn another_hosts_part_of_a_peered_vpc_vouches_for_its_own_addresses_only() {
    let labs = two_hosts();
    let (one, two) = (side(1, 2), side(2, 1));
    let both = parts([(&one, &[0]), (&two, &[1])]);
    spread(&labs, &both);
    let (a, _b) = (labs[0].guest(&both[0][0], 0), labs[1].guest(&both[1][1], 0));
    assert!(comes_to(&a, "10.2.0.5"));
    // The second host is told that the address is with a third: it comes with the wrong host's hardware address.
    let mut elsewhere = both.clone();
    elsewhere[1][1].peers[0].remote[0].host = Ipv4Addr::new(192, 0, 2, 3);
    spread(&labs, &elsewhere);
    assert!(!a.pings("10.2.0.5"));
    // The namespace between passes nothing on of which its own host does not know that it is there.
    let mut unknown = both.clone();
    unknown[0][1].peers[0].addresses.clear();
    spread(&labs, &unknown);
    assert!(!a.pings("10.2.0.5"));
    spread(&labs, &both);
    assert!(a.pings("10.2.0.5"));
}
