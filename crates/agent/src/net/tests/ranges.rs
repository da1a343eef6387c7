//! A VPC of several ranges: its guests meet in all of them, nobody else does, and what nobody has in them stays inside.

use std::net::Ipv4Addr;
use std::slice::from_ref;

use hostspec::{HopSpec, RemoteNic, SubnetSpec, VpcSpec};
use ipnet::Ipv4Net;
use model::SubnetId;

use super::hosts::{self, UNDER};
use super::lab::*;
use crate::guest::fixture;

/// A guest in the further range.
const FAR: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 6);

/// The VPC 10.0.0.0/16 with a guest at 10.0.0.5, and the range 10.9.0.0/16 with one at [`FAR`].
fn two_ranges() -> VpcSpec {
    let mut spec = vpc(1, &[5]);
    spec.ranges.push(range("10.9.0.0/16"));
    let subnet = SubnetSpec {
        id: SubnetId::from_u64(9),
        range: range("10.9.0.0/24"),
        gateway: Ipv4Addr::new(10, 9, 0, 1),
        ..spec.subnets[0].clone()
    };
    spec.nics.push(hostspec::NicSpec { subnet: subnet.id, ..fixture::nic(1, 6, FAR) });
    spec.subnets.push(subnet);
    spec
}

fn range(text: &str) -> Ipv4Net {
    text.parse().unwrap()
}

#[test]
fn guests_of_two_ranges_meet_and_a_range_comes_and_goes_while_they_run() {
    let lab = Lab::new();
    let both = two_ranges();
    let one =
        VpcSpec { ranges: both.ranges[..1].to_vec(), subnets: both.subnets[..1].to_vec(), nics: both.nics[..1].to_vec(), ..both.clone() };
    lab.applied(&host(from_ref(&one)));
    let a = lab.guest(&one, 0);
    assert!(!lab.in_vpc(&one, "ip route").contains("10.9.0.0/16"));
    lab.applied(&host(from_ref(&both)));
    let b = lab.guest(&both, 1);
    assert!(a.pings("10.9.0.6") && b.pings("10.0.0.5"));
    assert!(lab.in_vpc(&both, "ip route").contains("unreachable 10.9.0.0/16"));
    // The same once more changes nothing.
    let look = "ip rule; ip route show table all; nft list ruleset";
    let before = lab.in_vpc(&both, look);
    lab.applied(&host(from_ref(&both)));
    assert_eq!(lab.in_vpc(&both, look), before);
    lab.applied(&host(from_ref(&one)));
    assert!(!a.pings("10.9.0.6"));
    assert!(!lab.in_vpc(&one, "ip route; nft list ruleset").contains("10.9."), "nothing of it is left");
}

#[test]
fn a_further_range_stays_inside_whatever_routes_lead_out() {
    let lab = Lab::new();
    let mut spec = two_ranges();
    spec.nics[0].public_ip = Some(Ipv4Addr::new(203, 0, 113, 9));
    // Everything but the VPC's own goes to the second guest.
    spec.nics[1].forwards = true;
    spec.subnets[0].hops = vec![HopSpec { to: range("10.0.0.0/8"), via: Some(FAR), peer: None }];
    lab.applied(&host(from_ref(&spec)));
    let (a, b) = (lab.guest(&spec, 0), lab.guest(&spec, 1));
    b.shell("ip address add 10.9.0.77/32 dev lo && ip address add 10.40.0.1/32 dev lo");
    assert!(a.pings("10.40.0.1"), "the route leads to the guest");
    assert!(!a.pings("10.9.0.77"), "of the VPC's own range nobody has it but whom the cloud knows");
    // Nor does one outside come in with an address of the range.
    lab.in_machine("ip address add 10.9.0.88/32 dev lo");
    let heard = b.run(|| std::net::UdpSocket::bind("0.0.0.0:5000")).unwrap();
    heard.set_read_timeout(Some(std::time::Duration::from_millis(500))).unwrap();
    let outside = super::super::netns::inside(std::os::fd::AsFd::as_fd(&lab.machine), || std::net::UdpSocket::bind("10.9.0.88:0")).unwrap();
    drop(outside.send_to(b"forged", ("203.0.113.9", 5000)));
    assert!(heard.recv_from(&mut [0; 10]).is_err());
}

#[test]
fn guests_of_two_ranges_meet_across_hosts() {
    let labs = hosts::two();
    let whole = two_ranges();
    let [one, two] = [0, 1].map(|host| {
        let (here, there) = (whole.nics[host].clone(), &whole.nics[1 - host]);
        VpcSpec { nics: vec![here], remote: vec![RemoteNic { ip: there.ip, host: UNDER[1 - host] }], ..whole.clone() }
    });
    hosts::both(&labs, &one, &two);
    let (a, b) = (labs[0].guest(&one, 0), labs[1].guest(&two, 0));
    assert!(a.pings("10.9.0.6") && b.pings("10.0.0.5"));
}
