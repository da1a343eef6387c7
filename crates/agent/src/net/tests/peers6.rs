//! Peered VPCs in IPv6: as `peers.rs`, of guests that have both.

use std::net::{Ipv6Addr, TcpListener};
use std::slice::from_ref;

use hostspec::*;
use model::{InstanceId, InterfaceId, SecurityGroupId, VpcId};

use super::hosts::{UNDER, applied, two as two_hosts};
use super::ipv6::{configure, rule6};
use super::lab::*;
use super::peers::{comes_to, parts, peer, side, spread};

/// The address of the one guest of a VPC.
fn address(number: u64) -> Ipv6Addr {
    Ipv6Addr::new(0xfd12, 0x3456, 0x789a, (number as u16) << 8 | 1, 0, 0, 0, 5)
}

fn range(number: u64) -> String {
    format!("fd12:3456:789a:{number}00::/56")
}

/// A VPC with one guest that has an address of each version, and routes of both to the other VPC.
fn dual(number: u64, other: u64) -> VpcSpec {
    let mut spec = side(number, other);
    // What answers guests tells them apart by their interfaces.
    (spec.nics[0].id, spec.nics[0].vm) = (InterfaceId::from_u64(10 + number), InstanceId::from_u64(10 + number));
    (spec.nics[0].mac.0[5], spec.nics[0].v6) = (10 + number as u8, vec![address(number)]);
    spec.v6 = Some(Ipv6Spec { range: range(number).parse().unwrap(), remote: vec![], members: [].into() });
    let hops = vec![Ipv6Hop { to: range(other).parse().unwrap(), via: None, peer: Some(VpcId::from_u64(other)) }];
    let own = format!("fd12:3456:789a:{number}01::/64").parse().unwrap();
    spec.subnets[0].v6 = Some(Ipv6SubnetSpec { range: own, out: vec![], out_only: vec![], listed: vec![], hops });
    for direction in [Direction::Ingress, Direction::Egress] {
        spec.groups[0].rules.push(rule6(direction, ProtocolMatch::All, "::/0"));
    }
    spec
}

fn peered(mut one: VpcSpec, mut two: VpcSpec) -> [VpcSpec; 2] {
    peer(&mut one, &mut two);
    one.peers[0].v6 = Some(Ipv6PeerSpec { addresses: two.nics[0].v6.clone(), remote: vec![] });
    two.peers[0].v6 = Some(Ipv6PeerSpec { addresses: one.nics[0].v6.clone(), remote: vec![] });
    [one, two]
}

fn reaches(guest: &Guest, number: u64) -> bool {
    comes_to(guest, &address(number).to_string())
}

#[test]
fn peered_guests_meet_over_ipv6_while_both_sides_have_a_way() {
    let lab = Lab::new();
    let bare = [dual(1, 2), dual(2, 1)];
    lab.applied(&host(&bare));
    let (a, b) = (lab.guest(&bare[0], 0), lab.guest(&bare[1], 0));
    assert_eq!((configure(&a), configure(&b)), (vec![address(1)], vec![address(2)]));
    let (to_a, to_b) = (address(1).to_string(), address(2).to_string());
    assert!(!a.pings(&to_b));
    let both = peered(dual(1, 2), dual(2, 1));
    lab.applied(&host(&both));
    assert!(reaches(&a, 2) && reaches(&b, 1) && comes_to(&a, "10.2.0.5"));
    let look = "ip -6 route show table all; ip -6 rule; nft list ruleset";
    let before = lab.in_vpc(&both[1], look);
    lab.applied(&host(&both));
    assert_eq!(lab.in_vpc(&both[1], look), before, "the same once more changes nothing");
    assert!(!a.pings("fd12:3456:789a:200::1"), "what the host answers is for its own VPC");
    // Without a way back there is no answer; IPv4 is another matter.
    let mut one_way = both.clone();
    one_way[1].subnets[0].v6.as_mut().unwrap().hops.clear();
    lab.applied(&host(&one_way));
    assert!(!a.pings(&to_b) && a.pings("10.2.0.5"));
    lab.applied(&host(&both));
    assert!(a.pings(&to_b) && b.pings(&to_a));
    // One of the two without IPv6: nothing of it is between them.
    let mut half = both.clone();
    half.iter_mut().for_each(|vpc| vpc.peers[0].v6 = None);
    lab.applied(&host(&half));
    assert!(!a.pings(&to_b) && a.pings("10.2.0.5"));
    lab.applied(&host(&bare));
    assert!(!lab.in_vpc(&bare[0], "ip -o link").contains("peer-"));
}

#[test]
fn a_rule_names_a_group_of_the_peered_vpc_and_a_peer_vouches_for_its_own_addresses_only() {
    let lab = Lab::new();
    let (one, mut two) = (dual(1, 2), dual(2, 1));
    let (theirs, guarded) = (SecurityGroupId::from_u64(1), SecurityGroupId::from_u64(7));
    let by_member = RuleSpec { peer: hostspec::Peer::Group { group: theirs }, ..rule6(Direction::Ingress, ProtocolMatch::All, "::/0") };
    two.groups.push(GroupSpec { id: guarded, rules: vec![by_member], members: vec![] });
    two.groups.push(GroupSpec { id: theirs, rules: vec![], members: vec![] });
    two.v6.as_mut().unwrap().members = [(theirs, vec![address(1)])].into();
    two.nics[0].groups = vec![guarded];
    let mut both = peered(one, two);
    lab.applied(&host(&both));
    let (a, b) = (lab.guest(&both[0], 0), lab.guest(&both[1], 0));
    configure(&a);
    configure(&b);
    assert!(reaches(&a, 2));
    assert!(!b.pings(&address(1).to_string()), "nothing lets it out");
    let mut elsewhere = both.clone();
    elsewhere[1].peers[0].v6.as_mut().unwrap().addresses = vec![address(9)];
    lab.applied(&host(&elsewhere));
    assert!(!a.pings(&address(2).to_string()), "the peer has no interface of that address here");
    lab.applied(&host(&both));
    assert!(a.pings(&address(2).to_string()));
    both[1].v6.as_mut().unwrap().members.clear();
    lab.applied(&host(&both));
    assert!(!a.pings(&address(2).to_string()));
}

#[test]
fn peered_guests_on_two_hosts_meet_over_ipv6() {
    let labs = two_hosts();
    let (one, two) = (dual(1, 2), dual(2, 1));
    let mut both = parts([(&one, &[0]), (&two, &[1])]);
    // Host by host and VPC by VPC: what is here, and where the rest is.
    for (here, vpcs) in both.iter_mut().enumerate() {
        for (at, vpc) in vpcs.iter_mut().enumerate() {
            let there = |vpc: usize| RemoteIpv6 { ip: address(vpc as u64 + 1), host: UNDER[vpc] };
            let is_member = at == here;
            vpc.v6.as_mut().unwrap().remote = if is_member { vec![] } else { vec![there(at)] };
            let (addresses, remote) = if is_member { (vec![], vec![there(1 - at)]) } else { (vec![address(here as u64 + 1)], vec![]) };
            vpc.peers[0].v6 = Some(Ipv6PeerSpec { addresses, remote });
        }
    }
    spread(&labs, &both);
    let (a, b) = (labs[0].guest(&both[0][0], 0), labs[1].guest(&both[1][1], 0));
    configure(&a);
    configure(&b);
    assert!(reaches(&a, 2) && reaches(&b, 1));
    a.shell(&format!("ping -6 -c 1 -W 5 -s 4000 {}", address(2)));
    let listener = b.run(|| TcpListener::bind((address(2), 80))).unwrap();
    let _client = a.connect(&format!("[{}]:80", address(2))).unwrap();
    assert_eq!(listener.accept().unwrap().1.ip(), std::net::IpAddr::V6(address(1)), "no translation on the way");
    let look = "ip -6 route show table all; ip -6 neigh; nft list ruleset";
    let before = labs[0].in_vpc(&both[0][1], look);
    spread(&labs, &both);
    assert_eq!(labs[0].in_vpc(&both[0][1], look), before);
    let mut one_way = both.clone();
    one_way[1][1].subnets[0].v6.as_mut().unwrap().hops.clear();
    spread(&labs, &one_way);
    assert!(!a.pings(&address(2).to_string()));
    // Somebody else's host vouches for it.
    let mut elsewhere = both.clone();
    elsewhere[1][1].peers[0].v6.as_mut().unwrap().remote[0].host = [192, 0, 2, 3].into();
    spread(&labs, &elsewhere);
    assert!(!a.pings(&address(2).to_string()));
    spread(&labs, &both);
    assert!(a.pings(&address(2).to_string()));
    applied(&labs, [from_ref(&one), from_ref(&two)]);
    assert!(!a.pings(&address(2).to_string()) && !labs[0].in_vpc(&one, "ip -o link").contains("peer-"));
}
