//! Peered VPCs: what routes on both sides send across arrives under the groups of both ends, and nothing else does.

use std::net::Ipv4Addr;
use std::time::Instant;

use hostspec::{Direction, GroupSpec, HopSpec, PeerSpec, ProtocolMatch, Verdict, VpcSpec};
use model::SecurityGroupId;

use super::lab::*;

/// A VPC with one guest in a range of its own, and a route to the other.
fn side(number: u64, other: u64) -> VpcSpec {
    let mut spec = vpc(number, &[5]);
    let octet = number as u8;
    let range = format!("10.{octet}.0.0/24").parse().unwrap();
    (spec.ranges, spec.subnets[0].range, spec.subnets[0].gateway) = (vec![range], range, Ipv4Addr::new(10, octet, 0, 1));
    spec.nics[0].ip = Ipv4Addr::new(10, octet, 0, 5);
    let to = format!("10.{other}.0.0/24").parse().unwrap();
    spec.subnets[0].hops = vec![HopSpec { to, via: None, peer: Some(model::VpcId::from_u64(other)) }];
    spec
}

/// Has each know the other.
fn peer(one: &mut VpcSpec, other: &mut VpcSpec) {
    let spec = |vpc: &VpcSpec| PeerSpec { vpc: vpc.id, vni: vpc.vni, addresses: vpc.nics.iter().map(|nic| nic.ip).collect() };
    let (first, second) = (spec(one), spec(other));
    one.peers.push(second);
    other.peers.push(first);
}

/// Whether an answer comes before the tests' patience ends: the kernel takes up to a second to use a new pair of links.
fn comes_to(guest: &Guest, ip: &str) -> bool {
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
