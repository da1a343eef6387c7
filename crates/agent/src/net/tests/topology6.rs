//! The IPv6 half of the random networks: ranges and addresses, and routes out, out only and to the other VPC, as rows and in documents.
//!
//! A VPC has none in some of the networks; where both have it, they are peered in some. The machine forwards what goes between them
//! otherwise.

use std::collections::BTreeMap;
use std::net::Ipv6Addr;

use hostspec::{Ipv6Hop, Ipv6Listed, Ipv6PeerSpec, Ipv6Spec, Ipv6SubnetSpec, PeerSpec};
use ipnet::Ipv6Net;
use model::reachability::EgressOnlyExit;
use model::*;
use proptest::prelude::*;
use proptest::sample::subsequence;

use super::super::ways6::machine_address;

/// The machine's address for its guests.
pub fn machine() -> Ipv6Addr {
    machine_address([203, 0, 113, 1].into())
}

/// Addresses that nobody has: one of the first VPC, one that is no VPC's.
pub const NOBODYS: [Ipv6Addr; 2] =
    [Ipv6Addr::new(0xfd12, 0x3456, 0x789a, 0x101, 0, 0, 0, 0x99), Ipv6Addr::new(0xfd12, 0x3456, 0x789a, 0x300, 0, 0, 0, 5)];
/// The peering of the two VPCs.
pub const PEERING: VpcPeeringId = VpcPeeringId::from_u64(1);
/// The number of a gateway that is not there.
const ANOTHERS: u64 = 99;

/// What leads out of a VPC in IPv6.
#[derive(Debug, Clone)]
pub struct Exits {
    has_egress_only: bool,
    /// Whom the egress-only gateway serves.
    serves: Ipv6Serves,
    /// The addresses with bandwidth by it, each with whether it is called too.
    bandwidths: Vec<(Ipv6Addr, bool)>,
    /// Routes of the main table, and of the second subnet's own if it has one.
    pub main: Vec<Ipv6Route>,
    pub own: Vec<Ipv6Route>,
}

/// Draws what leads out of a VPC.
pub fn exits(vpc: u64) -> impl Strategy<Value = Exits> {
    let often = prop_oneof![4 => Just(true), 1 => Just(false)];
    let serves = prop_oneof![Just(Ipv6Serves::Everyone), Just(Ipv6Serves::Listed)];
    let some = subsequence(super::topology::addresses6_of(vpc), 0..=super::topology::addresses6_of(vpc).len());
    let bandwidths =
        some.prop_flat_map(|ips| ips.into_iter().map(|ip| any::<bool>().prop_map(move |called| (ip, called))).collect::<Vec<_>>());
    (often, serves, bandwidths, routes(vpc), routes(vpc)).prop_map(|(has_egress_only, serves, bandwidths, main, own)| Exits {
        has_egress_only,
        serves,
        bandwidths,
        main,
        own,
    })
}

fn routes(vpc: u64) -> impl Strategy<Value = Vec<Ipv6Route>> {
    let theirs = range(3 - vpc);
    // Everything; the half of it that holds both VPCs and the machine; the machine; the other VPC, and one machine of it.
    let destinations: Vec<Ipv6Net> =
        ["::/0", "8000::/1", "fd50:696c:6575::/96"].map(|text| text.parse().expect("a range")).into_iter().chain([theirs]).collect();
    let one = Ipv6Net::from(address(3 - vpc, 1, if vpc == 1 { 6 } else { 7 }));
    let route = move |destination: Ipv6Net| target(vpc).prop_map(move |target| Ipv6Route { destination, target });
    subsequence([destinations, vec![one]].concat(), 0..=5).prop_flat_map(move |some| some.into_iter().map(route).collect::<Vec<_>>())
}

fn target(vpc: u64) -> impl Strategy<Value = Ipv6Target> {
    let gateway = |number| Just(Ipv6Target::InternetGateway { gateway: InternetGatewayId::from_u64(number) });
    let only = |number| Just(Ipv6Target::EgressOnlyGateway { gateway: EgressOnlyGatewayId::from_u64(number) });
    prop_oneof![
        6 => gateway(vpc),
        2 => only(vpc),
        1 => gateway(ANOTHERS),
        1 => only(ANOTHERS),
        3 => Just(Ipv6Target::Peering { peering: PEERING }),
    ]
}

/// The range of a VPC.
pub fn range(vpc: u64) -> Ipv6Net {
    Ipv6Net::new_assert(address(vpc, 0, 0), VPC_IPV6_PREFIX)
}

/// An address in a subnet of a VPC.
pub fn address(vpc: u64, subnet: u8, last: u8) -> Ipv6Addr {
    Ipv6Addr::new(0xfd12, 0x3456, 0x789a, (vpc as u16) << 8 | u16::from(subnet), 0, 0, 0, last.into())
}

impl Exits {
    /// The egress-only gateways of the VPC, with the bandwidths of all its addresses.
    pub fn exits(&self, vpc: u64) -> Vec<EgressOnlyExit> {
        let gateway = EgressOnlyGatewayId::from_u64(vpc);
        let rule = EgressOnlyRule { id: EgressOnlyRuleId::from_u64(1), name: String::new(), description: String::new() };
        let bandwidth = |(ip, is_called): &(Ipv6Addr, bool)| Ipv6Bandwidth {
            id: Ipv6BandwidthId::from_u64(u64::from(ip.octets()[15])),
            account: AccountId::from_u64(1).unwrap(),
            gateway,
            vpc: VpcId::from_u64(vpc),
            ip: *ip,
            mbit: 1,
            charge: Ipv6Charge::Traffic,
            rule: (!is_called).then(|| rule.clone()),
            created_at: Millis(0),
        };
        let exit = || EgressOnlyExit { gateway, serves: self.serves, bandwidths: self.bandwidths.iter().map(bandwidth).collect() };
        self.has_egress_only.then(exit).into_iter().collect()
    }

    /// What a host is told of an egress-only gateway that a route of a subnet leads to.
    fn tell(&self, spec: &mut Ipv6SubnetSpec, to: Ipv6Net) {
        let with = |is_called| self.bandwidths.iter().filter(move |(_, called)| *called == is_called).map(|(ip, _)| *ip).collect();
        spec.listed.push(Ipv6Listed { to, called: with(true), calling: with(false) });
        if self.serves == Ipv6Serves::Everyone {
            spec.out_only.push(to);
        }
    }

    /// What a host is told of a subnet's ways.
    pub fn ways(&self, vpc: u64, subnet: (u8, SubnetId), tables: &[RouteTable], has_gateway: bool, is_peered: bool) -> Ipv6SubnetSpec {
        let range = Ipv6Net::new_assert(address(vpc, subnet.0, 0), SUBNET_IPV6_PREFIX);
        let mut spec = Ipv6SubnetSpec { range, out: vec![], out_only: vec![], listed: vec![], hops: vec![] };
        for (to, target) in ipv6_ways(tables, subnet.1) {
            match target {
                Ipv6Target::InternetGateway { gateway } if has_gateway && gateway.as_u64() == vpc => spec.out.push(to),
                Ipv6Target::InternetGateway { gateway: _ } => {}
                Ipv6Target::EgressOnlyGateway { gateway } if self.has_egress_only && gateway.as_u64() == vpc => self.tell(&mut spec, to),
                Ipv6Target::EgressOnlyGateway { gateway: _ } => {}
                Ipv6Target::Peering { peering: _ } => {
                    spec.hops.push(Ipv6Hop { to, via: None, peer: is_peered.then(|| VpcId::from_u64(3 - vpc)) });
                }
                Ipv6Target::Interface { interface } => unreachable!("no route of these leads to {interface}"),
            }
        }
        spec
    }
}

/// What a host is told of a VPC's half.
pub fn spec(vpc: u64, members: BTreeMap<SecurityGroupId, Vec<Ipv6Addr>>) -> Ipv6Spec {
    Ipv6Spec { range: range(vpc), remote: vec![], members }
}

/// What a host is told of the other VPC, whose addresses these are; those of IPv4 are the same in both, so that they do not meet.
pub fn peer(vpc: u64, addresses: Option<Vec<Ipv6Addr>>) -> PeerSpec {
    let v6 = addresses.map(|addresses| Ipv6PeerSpec { addresses, remote: vec![] });
    PeerSpec { vpc: VpcId::from_u64(vpc), vni: vpc as u32, addresses: vec![], remote: vec![], v6 }
}
