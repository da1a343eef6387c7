//! Tests of the rules of NAT gateways.

use super::*;
use crate::{AccountId, NatGatewayId, NatOutcome, Tags, VpcId};

fn gateway(serves: NatServes) -> NatGateway {
    NatGateway {
        id: NatGatewayId::from_u64(1),
        account: AccountId::from_u64(1).unwrap(),
        vpc: VpcId::from_u64(1),
        subnet: None,
        is_public: true,
        outcome: NatOutcome::OfVpc,
        serves,
        addresses: [1, 2, 3].map(AddressId::from_u64).into(),
        sources: vec![],
        forwards: vec![],
        home: None,
        bandwidth: None,
        protected: false,
        name: String::new(),
        description: String::new(),
        created_at: Millis(0),
        tags: Tags::new(),
    }
}

fn vpc() -> Vpc {
    Vpc {
        id: VpcId::from_u64(1),
        account: AccountId::from_u64(1).unwrap(),
        vni: 1,
        range: "10.0.0.0/16".parse().unwrap(),
        secondary: vec![],
        is_default: false,
        open: true,
        dns_support: true,
        dns_hostnames: false,
        ipv6: None,
        dhcp: crate::DhcpOptions::default(),
        dhcp_options: None,
        name: String::new(),
        description: String::new(),
        created_at: Millis(0),
        tags: Tags::new(),
    }
}

fn source(id: u64, range: &str, addresses: &[u64]) -> NatSource {
    NatSource {
        id: NatSourceId::from_u64(id),
        source: range.parse().unwrap(),
        subnet: None,
        addresses: addresses.iter().copied().map(AddressId::from_u64).collect(),
        name: String::new(),
        created_at: Millis(0),
    }
}

fn forward(id: u64, address: u64, what: Forwarded, private: &str) -> NatForward {
    NatForward {
        id: NatForwardId::from_u64(id),
        address: AddressId::from_u64(address),
        what,
        private: private.parse().unwrap(),
        name: String::new(),
        created_at: Millis(0),
    }
}

fn tcp(from: u16, to: u16) -> Forwarded {
    Forwarded::ports(ForwardProtocol::Tcp, (from, to), (from, to)).unwrap()
}

#[test]
fn forwards_of_one_address_begin_at_different_places() {
    let udp = Forwarded::ports(ForwardProtocol::Udp, (80, 90), (80, 90)).unwrap();
    let edge = Forwarded::ports(ForwardProtocol::Tcp, (65_535, 65_535), (1, 1)).unwrap();
    for (one, other, meets) in [
        (tcp(80, 80), tcp(80, 80), true),
        (tcp(80, 90), tcp(90, 95), true),
        (tcp(80, 90), tcp(91, 95), false),
        (tcp(80, 90), udp, false),
        (edge, tcp(65_530, 65_535), true),
        (Forwarded::Everything, udp, true),
    ] {
        assert_eq!((one.meets(other), other.meets(one)), (meets, meets), "{one:?} {other:?}");
    }
}

#[test]
fn ports_are_as_many_inside_as_outside() {
    let of = |outside, inside| Forwarded::ports(ForwardProtocol::Tcp, outside, inside).is_ok();
    assert!(of((80, 80), (8080, 8080)) && of((1, 300), (1001, 1300)));
    for (outside, inside) in [((0, 0), (1, 1)), ((90, 80), (80, 90)), ((80, 81), (80, 80)), ((80, 80), (0, 0)), ((1, 301), (1, 301))] {
        assert!(!of(outside, inside), "{outside:?} {inside:?}");
    }
}

#[test]
fn a_forward_must_be_from_the_gateway_into_the_vpc() {
    let mut nat = gateway(NatServes::Listed);
    let check = |nat: &NatGateway, new: NatForward| nat.check_forward(&new, &vpc(), &[]).map_err(|error| error.to_string());
    assert_eq!(check(&nat, forward(1, 1, tcp(80, 80), "10.0.0.5")), Ok(()));
    assert!(check(&nat, forward(1, 9, tcp(80, 80), "10.0.0.5")).unwrap_err().contains("ExternalIp"));
    assert!(check(&nat, forward(1, 1, tcp(80, 80), "10.1.0.5")).unwrap_err().contains("InternalIp"));
    nat.forwards.push(forward(1, 1, tcp(80, 85), "10.0.0.5"));
    assert!(check(&nat, forward(2, 1, tcp(85, 85), "10.0.0.6")).is_err());
    assert_eq!(check(&nat, forward(1, 1, tcp(85, 85), "10.0.0.6")), Ok(()), "a rule does not stand in its own way");
    assert_eq!(check(&nat, forward(2, 2, tcp(85, 85), "10.0.0.6")), Ok(()));
    assert!(check(&nat, forward(2, 1, Forwarded::Everything, "10.0.0.6")).is_err());
    nat.sources.push(source(1, "10.0.0.0/24", &[2]));
    assert!(check(&nat, forward(2, 2, Forwarded::Everything, "10.0.0.6")).is_err(), "others leave with it");
    assert_eq!(check(&nat, forward(2, 3, Forwarded::Everything, "10.0.0.6")), Ok(()));
    nat.forwards.push(forward(2, 3, Forwarded::Everything, "10.0.0.6"));
    assert!(nat.check_source(&source(2, "10.0.1.0/24", &[3])).is_err(), "it is one machine's");
}

#[test]
fn a_source_has_one_rule_with_addresses_of_the_gateway() {
    let mut nat = gateway(NatServes::Listed);
    assert!(nat.check_source(&source(1, "10.0.0.0/24", &[])).is_err());
    assert!(nat.check_source(&source(1, "10.0.0.0/24", &[1, 9])).is_err());
    nat.sources.push(source(1, "10.0.0.0/24", &[1]));
    assert!(nat.check_source(&source(2, "10.0.0.0/24", &[2])).is_err());
    assert!(nat.check_source(&source(1, "10.0.0.0/24", &[2])).is_ok());
    assert_eq!(nat.users_of(AddressId::from_u64(1)), [NatSourceId::from_u64(1).to_string()]);
}

#[test]
fn the_narrowest_rule_tells_the_addresses_of_a_source() {
    let subnet = "10.0.1.0/24".parse().unwrap();
    let text = |nat: &NatGateway| -> Vec<(String, Vec<u64>)> {
        let ids = |ids: Vec<AddressId>| ids.into_iter().map(AddressId::as_u64).collect();
        nat.exits_of(subnet).into_iter().map(|(range, addresses)| (range.to_string(), ids(addresses))).collect()
    };
    let row = |range: &str, ids: &[u64]| (range.to_owned(), ids.to_vec());
    let mut nat = gateway(NatServes::Listed);
    assert_eq!(text(&nat), []);
    nat.serves = NatServes::Everyone;
    assert_eq!(text(&nat), [row("10.0.1.0/24", &[1, 2, 3])]);
    nat.sources = vec![source(1, "10.0.0.0/16", &[1]), source(2, "10.0.1.0/24", &[2]), source(3, "10.0.1.7/32", &[1])];
    assert_eq!(text(&nat), [row("10.0.1.0/24", &[2]), row("10.0.1.7/32", &[1])]);
    nat.sources.remove(1);
    nat.forwards = vec![forward(1, 3, Forwarded::Everything, "10.0.1.7")];
    assert_eq!(text(&nat), [row("10.0.1.0/24", &[1]), row("10.0.1.7/32", &[3])], "what it is reached by is what it leaves with");
    nat.sources.clear();
    assert_eq!(text(&nat), [row("10.0.1.0/24", &[1, 2]), row("10.0.1.7/32", &[3])]);
}

#[test]
fn sources_take_turns() {
    let turns = |last: u8| turn(Ipv4Addr::new(10, 0, 0, last), 2);
    assert_ne!(turns(5), turns(6));
    assert_eq!((turns(5), turn(Ipv4Addr::LOCALHOST, 0)), (turns(7), 0));
}
