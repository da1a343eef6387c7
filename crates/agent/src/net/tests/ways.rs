//! Routes to an interface: packets for a network behind a guest go to it, as long as it may forward, on its host and from others.

use std::net::Ipv4Addr;
use std::slice::from_ref;

use hostspec::{Direction, HopSpec, ProtocolMatch, Verdict, VpcSpec};

use super::hosts;
use super::lab::*;

const BEHIND: &str = "192.0.2.129";

/// The way to what is behind the guest at 10.0.0.6.
fn hop() -> HopSpec {
    HopSpec { to: "192.0.2.128/25".parse().unwrap(), via: Some(Ipv4Addr::new(10, 0, 0, 6)), peer: None }
}

fn with_route(spec: &VpcSpec) -> VpcSpec {
    let mut spec = spec.clone();
    spec.subnets[0].hops = vec![hop()];
    spec.nics.iter_mut().filter(|nic| nic.ip.octets()[3] == 6).for_each(|nic| nic.forwards = true);
    spec
}

/// Puts an address behind a guest.
fn put_behind(guest: &Guest) {
    guest.shell(&format!("ip address add {BEHIND}/32 dev lo"));
}

#[test]
fn a_route_leads_through_a_guest_that_forwards_and_ends_with_its_leave() {
    let lab = Lab::new();
    let bare = vpc(1, &[5, 6]);
    lab.applied(&host(from_ref(&bare)));
    let (a, b) = (lab.guest(&bare, 0), lab.guest(&bare, 1));
    put_behind(&b);
    assert!(!a.pings(BEHIND));
    let routed = with_route(&bare);
    lab.applied(&host(from_ref(&routed)));
    assert!(a.pings(BEHIND) && a.pings("10.0.0.6"));
    assert!(b.pings("10.0.0.5"), "its own connections go on");
    // The same once more changes nothing: what was made is recognised.
    let before = lab.in_vpc(&bare, "ip rule; ip route show table all; nft list ruleset");
    lab.applied(&host(from_ref(&routed)));
    assert_eq!(lab.in_vpc(&bare, "ip rule; ip route show table all; nft list ruleset"), before);
    let mut checked = routed.clone();
    checked.nics[1].forwards = false;
    checked.subnets[0].hops[0].via = None;
    lab.applied(&host(from_ref(&checked)));
    assert!(!a.pings(BEHIND));
    lab.applied(&host(from_ref(&routed)));
    assert!(a.pings(BEHIND));
    lab.applied(&host(from_ref(&bare)));
    assert!(!a.pings(BEHIND));
    assert!(!lab.in_vpc(&bare, "ip rule").contains("fwmark"));
}

#[test]
fn what_is_sent_on_is_asked_of_the_forwarders_groups() {
    let lab = Lab::new();
    let mut spec = with_route(&vpc(1, &[5, 6]));
    let guarded = model::SecurityGroupId::from_u64(2);
    let only = rule(Direction::Ingress, Verdict::Accept, 1, ProtocolMatch::Udp { from: 5000, to: 5000 }, "10.0.0.0/24");
    spec.nics[1].groups = vec![guarded];
    spec.groups.push(hostspec::GroupSpec { id: guarded, rules: vec![only, open(Direction::Egress)], members: vec![] });
    lab.applied(&host(from_ref(&spec)));
    let (a, b) = (lab.guest(&spec, 0), lab.guest(&spec, 1));
    put_behind(&b);
    let heard = b.run(|| std::net::UdpSocket::bind((BEHIND, 5000))).unwrap();
    heard.set_read_timeout(Some(PATIENCE)).unwrap();
    assert!(!a.pings(BEHIND));
    a.udp().send_to(b"let in", (BEHIND, 5000)).unwrap();
    assert_eq!(heard.recv_from(&mut [0; 10]).unwrap().0, 6);
}

#[test]
fn a_guest_that_may_not_forward_sends_nothing_of_others() {
    let lab = Lab::new();
    let spec = vpc(1, &[5, 6]);
    lab.applied(&host(from_ref(&spec)));
    let (a, b) = (lab.guest(&spec, 0), lab.guest(&spec, 1));
    put_behind(&b);
    let heard = a.udp();
    let theirs = b.run(|| std::net::UdpSocket::bind((BEHIND, 5000))).unwrap();
    theirs.send_to(b"forged", (a.nic.ip, 5000)).unwrap();
    b.udp().send_to(b"own", (a.nic.ip, 5000)).unwrap();
    let mut buffer = [0; 10];
    let (len, from) = heard.recv_from(&mut buffer).unwrap();
    assert_eq!((&buffer[..len], from.ip()), (&b"own"[..], b.nic.ip.into()));
    let forwards = with_route(&spec);
    lab.applied(&host(from_ref(&forwards)));
    theirs.send_to(b"for others", (a.nic.ip, 5000)).unwrap();
    let (len, from) = heard.recv_from(&mut buffer).unwrap();
    assert_eq!((&buffer[..len], from.ip().to_string()), (&b"for others"[..], BEHIND.to_owned()));
}

#[test]
fn a_route_leads_to_a_guest_on_another_host() {
    let labs = hosts::two();
    let [one, two] = hosts::split(1).map(|spec| with_route(&spec));
    hosts::both(&labs, &one, &two);
    let (a, b) = (labs[0].guest(&one, 0), labs[1].guest(&two, 0));
    put_behind(&b);
    assert!(a.pings(BEHIND) && a.pings("10.0.0.6"));
    let heard = a.udp();
    let theirs = b.run(|| std::net::UdpSocket::bind((BEHIND, 5000))).unwrap();
    theirs.send_to(b"for others", (a.nic.ip, 5000)).unwrap();
    assert_eq!(heard.recv_from(&mut [0; 20]).unwrap().1.ip().to_string(), BEHIND);
    let [one, two] = hosts::split(1);
    hosts::both(&labs, &one, &two);
    assert!(!a.pings(BEHIND) && a.pings("10.0.0.6"));
}
