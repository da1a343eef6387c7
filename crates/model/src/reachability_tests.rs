use std::net::{Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::*;
use crate::{
    AccountId, AclEntry, Address, AddressId, AddressKind, AssociationId, EgressOnlyGatewayId, EgressOnlyRule, EgressOnlyRuleId, InstanceId,
    Interface, InterfaceId, InternetCharge, InternetGateway, InternetGatewayId, Ipv6Bandwidth, Ipv6BandwidthId, Ipv6Charge, Ipv6Route,
    Ipv6Serves, Ipv6Target, Millis, NetworkAcl, NetworkAclId, PRIORITY_FIRST, Peer, Protocol, Route, RouteTable, RouteTableAssociationId,
    RouteTableId, RouteTarget, Rule, RuleId, SecurityGroup, SubnetAssociation, SubnetId, Tags, Verdict, Vpc, VpcId, VpcIpv6, VpcRangeId,
};

const PUBLIC_A: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 5);
const PUBLIC_B: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 6);
const WORLD: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 1);
const EPHEMERAL: u16 = 50_000;
const HTTPS: Flow = Flow::Tcp { port: 443 };

fn account() -> AccountId {
    AccountId::from_u64(1).unwrap()
}

fn rule(id: u64, direction: Direction, verdict: Verdict, priority: u16, protocol: Protocol, peer: Peer) -> Rule {
    Rule { id: RuleId::from_u64(id), direction, verdict, priority, protocol, peer, description: String::new(), tags: crate::Tags::new() }
}

fn from(range: &str) -> Peer {
    Peer::Range { range: range.parse().unwrap() }
}

/// A group of this number that lets everything out, and these rules.
fn group(id: u64, rules: Vec<Rule>) -> SecurityGroup {
    let everything = rule(id * 100, Direction::Egress, Verdict::Accept, PRIORITY_FIRST, Protocol::All, from("0.0.0.0/0"));
    SecurityGroup {
        kind: crate::GroupKind::Basic,
        regional: false,
        id: SecurityGroupId::from_u64(id),
        account: account(),
        vpc: VpcId::from_u64(1),
        name: String::new(),
        description: String::new(),
        rules: [vec![everything], rules].concat(),
        created_at: Millis(0),
        tags: Tags::new(),
    }
}

/// An endpoint 10.0.0.N of subnet N with a main table that leads everything to gateway 7, which the VPC has.
fn endpoint(n: u8, groups: Vec<SecurityGroup>) -> Endpoint {
    let (id, vpc) = (u64::from(n), VpcId::from_u64(1));
    let target = RouteTarget::InternetGateway { gateway: InternetGatewayId::from_u64(7) };
    let table = RouteTable {
        list_routes: vec![],
        ipv6_routes: vec![],
        ipv6_list_routes: vec![],
        id: RouteTableId::from_u64(1),
        account: account(),
        vpc,
        main: Some(RouteTableAssociationId::from_u64(1)),
        subnets: vec![],
        routes: vec![Route::new(Ipv4Net::default(), target)],
        name: String::new(),
        description: String::new(),
        created_at: Millis(0),
        tags: Tags::new(),
    };
    Endpoint {
        interface: Interface {
            ipv6: vec![],
            id: InterfaceId::from_u64(id),
            account: account(),
            vpc,
            subnet: SubnetId::from_u64(id),
            ip: Ipv4Addr::new(10, 0, 0, n),
            mac: crate::MacAddr([2, 0, 0, 0, 0, n]),
            secondary: vec![],
            instance: Some(InstanceId::from_u64(id)),
            index: 0,
            plug: crate::Plug::Plugged,
            attachment: None,
            attached_at: None,
            checked: true,
            nat_gateway: None,
            name: String::new(),
            delete_on_termination: true,
            groups: groups.iter().map(|group| group.id).collect(),
            description: String::new(),
            created_at: Millis(0),
            tags: Tags::new(),
        },
        is_running: true,
        public: None,
        vpc: Vpc {
            id: vpc,
            account: account(),
            vni: 1,
            range: "10.0.0.0/16".parse().unwrap(),
            secondary: vec![],
            is_default: false,
            open: false,
            dns_support: true,
            dns_hostnames: false,
            ipv6: None,
            dhcp: crate::DhcpOptions::default(),
            dhcp_options: None,
            name: String::new(),
            description: String::new(),
            created_at: Millis(0),
            tags: Tags::new(),
        },
        tables: vec![table],
        egress_only: vec![],
        nats: vec![],
        peerings: vec![],
        gateway: Some(InternetGateway {
            id: InternetGatewayId::from_u64(7),
            account: account(),
            vpc: Some(vpc),
            idle: false,
            name: String::new(),
            description: String::new(),
            created_at: Millis(0),
            tags: Tags::new(),
        }),
        groups,
        acl: None,
    }
}

fn with_public(mut endpoint: Endpoint, ip: Ipv4Addr) -> Endpoint {
    endpoint.public = Some(Address {
        id: AddressId::from_u64(u64::from(ip.octets()[3])),
        account: account(),
        ip,
        kind: AddressKind::Elastic,
        interface: Some(endpoint.interface.id),
        private: None,
        nat_gateway: None,
        association: Some(AssociationId::from_u64(1)),
        name: String::new(),
        description: String::new(),
        bandwidth: None,
        charge: InternetCharge::default(),
        protected: false,
        package: None,
        created_at: Millis(0),
        tags: Tags::new(),
    });
    endpoint
}

/// An endpoint in a group that accepts HTTPS from anywhere.
fn server(n: u8) -> Endpoint {
    let https = rule(9, Direction::Ingress, Verdict::Accept, PRIORITY_FIRST, Protocol::Tcp { from: 443, to: 443 }, from("0.0.0.0/0"));
    endpoint(n, vec![group(u64::from(n), vec![https])])
}

fn client(n: u8) -> Endpoint {
    endpoint(n, vec![group(u64::from(n), vec![])])
}

fn by(end: &Endpoint) -> Sender<'_> {
    Sender::Interface { end, from: None }
}

fn ask(a: &Endpoint, b: &Endpoint, to: impl Into<IpAddr>, flow: Flow) -> Way {
    reach(by(a), Receiver::Interface(b), to.into(), flow, EPHEMERAL)
}

#[test]
fn inside_a_vpc_the_groups_of_both_ends_decide() {
    let (a, b) = (client(5), server(6));
    let way = ask(&a, &b, b.interface.ip, HTTPS);
    assert_eq!(way.obstacle, None);
    let accepted: Vec<RuleId> =
        way.steps.iter().filter_map(|step| if let Step::Accepted { by } = step { Some(by.rule) } else { None }).collect();
    assert_eq!(accepted, [RuleId::from_u64(500), RuleId::from_u64(9)]);
    let refused = ask(&a, &b, b.interface.ip, Flow::Tcp { port: 80 });
    let by = Obstacle::Dropped { interface: b.interface.id, direction: Direction::Ingress, groups: b.interface.groups.clone(), by: None };
    assert_eq!(refused.obstacle, Some(by));
}

#[test]
fn the_rule_that_drops_is_named() {
    let mut b = server(6);
    b.groups[0].rules.push(rule(66, Direction::Ingress, Verdict::Drop, PRIORITY_FIRST, Protocol::All, from("10.0.0.5/32")));
    let way = ask(&client(5), &b, b.interface.ip, HTTPS);
    let named = |by: &Decider| (by.group, by.rule) == (SecurityGroupId::from_u64(6), RuleId::from_u64(66));
    assert!(matches!(way.obstacle, Some(Obstacle::Dropped { by: Some(by), direction: Direction::Ingress, .. }) if named(&by)));
    // A rule that comes earlier wins over it.
    b.groups[0].rules.last_mut().unwrap().priority = 2;
    assert_eq!(ask(&client(5), &b, b.interface.ip, HTTPS).obstacle, None);
}

#[test]
fn a_group_is_a_peer_inside_the_vpc_and_not_by_public_addresses() {
    let peer = Peer::Group { group: SecurityGroupId::from_u64(5) };
    let members = rule(9, Direction::Ingress, Verdict::Accept, PRIORITY_FIRST, Protocol::All, peer);
    let (a, b) = (with_public(client(5), PUBLIC_A), with_public(endpoint(6, vec![group(6, vec![members])]), PUBLIC_B));
    assert_eq!(ask(&a, &b, b.interface.ip, HTTPS).obstacle, None);
    assert!(matches!(ask(&a, &b, PUBLIC_B, HTTPS).obstacle, Some(Obstacle::Dropped { direction: Direction::Ingress, .. })));
}

#[test]
fn public_addresses_and_routes_are_wanted_at_both_ends() {
    let (a, b) = (with_public(client(5), PUBLIC_A), with_public(server(6), PUBLIC_B));
    let way = ask(&a, &b, PUBLIC_B, HTTPS);
    assert_eq!(way.obstacle, None);
    let addresses: Vec<Ipv4Addr> =
        way.steps.iter().filter_map(|step| if let Step::Translated { public, .. } = step { Some(*public) } else { None }).collect();
    assert_eq!(addresses, [PUBLIC_A, PUBLIC_B]);
    let private = client(5);
    assert_eq!(ask(&private, &b, PUBLIC_B, HTTPS).obstacle, Some(Obstacle::NoPublicAddress { interface: private.interface.id }));
    let mut mute = b.clone();
    mute.tables[0].routes.clear();
    let lost = Obstacle::NoRoute { interface: b.interface.id, table: Some(RouteTableId::from_u64(1)), ip: PUBLIC_A.into() };
    assert_eq!(ask(&a, &mute, PUBLIC_B, HTTPS).obstacle, Some(lost));
}

#[test]
fn a_route_to_a_gateway_that_is_gone_is_named() {
    let mut a = with_public(client(5), PUBLIC_A);
    a.gateway = None;
    let way = reach(by(&a), Receiver::Beyond, WORLD.into(), HTTPS, EPHEMERAL);
    let (table, route) = (RouteTableId::from_u64(1), TableRoute::V4(a.tables[0].routes[0].clone()));
    assert_eq!(way.obstacle, Some(Obstacle::Blackhole { interface: a.interface.id, table, route }));
    // A VPC that is open needs none.
    a.vpc.open = true;
    let way = reach(by(&a), Receiver::Beyond, WORLD.into(), HTTPS, EPHEMERAL);
    assert_eq!((way.obstacle, way.steps.last()), (None, Some(&Step::Beyond { ip: WORLD.into() })));
}

#[test]
fn a_subnet_with_its_own_table_does_not_use_the_main_one() {
    let mut a = with_public(client(5), PUBLIC_A);
    let tie = SubnetAssociation { id: RouteTableAssociationId::from_u64(2), subnet: a.interface.subnet };
    let own = RouteTable { id: RouteTableId::from_u64(2), main: None, subnets: vec![tie], routes: vec![], ..a.tables[0].clone() };
    a.tables.push(own);
    let way = reach(by(&a), Receiver::Beyond, WORLD.into(), HTTPS, EPHEMERAL);
    assert!(matches!(way.obstacle, Some(Obstacle::NoRoute { table: Some(table), .. }) if table == RouteTableId::from_u64(2)));
}

#[test]
fn the_world_reaches_a_public_address_whose_groups_accept_it() {
    let b = with_public(server(6), PUBLIC_B);
    let way = reach(Sender::Beyond(WORLD.into()), Receiver::Interface(&b), PUBLIC_B.into(), HTTPS, EPHEMERAL);
    assert_eq!((way.obstacle, way.steps.first()), (None, Some(&Step::Beyond { ip: WORLD.into() })));
    let way = reach(Sender::Beyond(WORLD.into()), Receiver::Interface(&b), PUBLIC_B.into(), Flow::Icmp { kind: 8, code: 0 }, EPHEMERAL);
    assert!(matches!(way.obstacle, Some(Obstacle::Dropped { direction: Direction::Ingress, .. })));
}

#[test]
fn nobody_and_what_does_not_run_is_not_reached() {
    let (a, mut b) = (client(5), server(6));
    let gone = IpAddr::from(Ipv4Addr::new(10, 0, 0, 99));
    assert_eq!(reach(by(&a), Receiver::Nobody, gone, HTTPS, EPHEMERAL).obstacle, Some(Obstacle::Nobody { ip: gone }));
    b.is_running = false;
    let stopped = Obstacle::NotRunning { interface: b.interface.id, instance: b.interface.instance };
    assert_eq!(ask(&a, &b, b.interface.ip, HTTPS).obstacle, Some(stopped.clone()));
    assert_eq!(ask(&b, &a, a.interface.ip, HTTPS).obstacle, Some(stopped));
}

fn acl(entries: Vec<(u16, Direction, Verdict, Protocol)>) -> NetworkAcl {
    let entry =
        |(number, direction, verdict, protocol)| AclEntry { number, direction, verdict, protocol, range: Ipv4Net::default().into() };
    NetworkAcl {
        id: NetworkAclId::from_u64(1),
        account: account(),
        vpc: VpcId::from_u64(1),
        is_default: false,
        name: String::new(),
        description: String::new(),
        subnets: vec![],
        entries: entries.into_iter().map(entry).collect(),
        judges_v6: false,
        words: vec![],
        created_at: Millis(0),
        tags: Tags::new(),
    }
}

#[test]
fn an_acl_asks_for_the_way_back_too() {
    let (a, mut b) = (client(5), server(6));
    let inward = (1, Direction::Ingress, Verdict::Accept, Protocol::Tcp { from: 443, to: 443 });
    b.acl = Some(acl(vec![inward]));
    let stopped = |way: Way| match way.obstacle {
        Some(Obstacle::Stopped { direction, is_answer, entry, .. }) => Some((direction, is_answer, entry.map(|entry| entry.number))),
        _ => None,
    };
    assert_eq!(stopped(ask(&a, &b, b.interface.ip, HTTPS)), Some((Direction::Egress, true, None)));
    let outward = (7, Direction::Egress, Verdict::Accept, Protocol::Tcp { from: EPHEMERAL, to: EPHEMERAL });
    b.acl = Some(acl(vec![inward, outward]));
    assert_eq!(ask(&a, &b, b.interface.ip, HTTPS).obstacle, None);
    b.acl = Some(acl(vec![inward, outward, (6, Direction::Egress, Verdict::Drop, Protocol::All)]));
    assert_eq!(stopped(ask(&a, &b, b.interface.ip, HTTPS)), Some((Direction::Egress, true, Some(6))));
}

#[test]
fn an_acl_says_nothing_inside_its_subnet() {
    let (mut a, mut b) = (client(5), server(6));
    (a.acl, b.acl) = (Some(acl(vec![])), Some(acl(vec![])));
    assert!(matches!(
        ask(&a, &b, b.interface.ip, HTTPS).obstacle,
        Some(Obstacle::Stopped { direction: Direction::Egress, is_answer: false, .. })
    ));
    b.interface.subnet = a.interface.subnet;
    assert_eq!(ask(&a, &b, b.interface.ip, HTTPS).obstacle, None);
    // By its public address it is beyond the border, however near.
    let (a, b) = (with_public(a, PUBLIC_A), with_public(b, PUBLIC_B));
    assert!(matches!(ask(&a, &b, PUBLIC_B, HTTPS).obstacle, Some(Obstacle::Stopped { .. })));
}

/// An endpoint of another VPC, 10.1.0.0/16, with a peering to the first.
fn beyond(n: u8, groups: Vec<SecurityGroup>) -> Endpoint {
    let mut end = endpoint(n, groups);
    (end.vpc.id, end.interface.vpc) = (VpcId::from_u64(2), VpcId::from_u64(2));
    end.vpc.range = "10.1.0.0/16".parse().unwrap();
    end.interface.ip = Ipv4Addr::new(10, 1, 0, n);
    end.peerings = vec![(VpcPeeringId::from_u64(3), VpcId::from_u64(1))];
    end
}

fn route_across(end: &mut Endpoint, range: &str) {
    let target = RouteTarget::Peering { peering: VpcPeeringId::from_u64(3) };
    end.tables[0].routes.push(Route::new(range.parse().unwrap(), target));
}

#[test]
fn a_peered_vpc_is_reached_by_routes_of_both_sides_and_its_groups_are_known() {
    let members = Peer::Group { group: SecurityGroupId::from_u64(5) };
    let open = rule(9, Direction::Ingress, Verdict::Accept, PRIORITY_FIRST, Protocol::All, members);
    let (mut a, mut b) = (client(5), beyond(6, vec![group(6, vec![open])]));
    a.peerings = vec![(VpcPeeringId::from_u64(3), b.vpc.id)];
    let to = b.interface.ip;
    assert!(ask(&a, &b, to, HTTPS).obstacle.is_some(), "no route leads there");
    route_across(&mut a, "10.1.0.0/16");
    assert!(matches!(ask(&a, &b, to, HTTPS).obstacle, Some(Obstacle::Blackhole { interface, .. }) if interface == b.interface.id));
    route_across(&mut b, "10.0.0.0/16");
    let way = ask(&a, &b, to, HTTPS);
    assert_eq!(way.obstacle, None);
    assert!(way.steps.contains(&Step::Peering { peering: VpcPeeringId::from_u64(3) }));
    b.groups[0].rules.pop();
    assert!(matches!(ask(&a, &b, to, HTTPS).obstacle, Some(Obstacle::Dropped { direction: Direction::Ingress, .. })));
    a.peerings.clear();
    assert!(matches!(ask(&a, &b, to, HTTPS).obstacle, Some(Obstacle::Blackhole { interface, .. }) if interface == a.interface.id));
}

/// The range of IPv6 of a VPC of this number.
fn range6(vpc: u64) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(0xfd00, 0, 0, (vpc as u16) << 8, 0, 0, 0, 0), 56)
}

const WORLD_6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);
const OUT: Ipv6Target = Ipv6Target::InternetGateway { gateway: InternetGatewayId::from_u64(7) };
const ONLY: EgressOnlyGatewayId = EgressOnlyGatewayId::from_u64(8);
const OUT_ONLY: Ipv6Target = Ipv6Target::EgressOnlyGateway { gateway: ONLY };

/// The same endpoint with an address of IPv6 that ends as its other one does, in a VPC without routes of IPv6, and with groups that
/// let everything of it out and HTTPS in.
fn dual(mut end: Endpoint) -> Endpoint {
    let vpc = end.vpc.id.as_u64();
    let ip = Ipv6Addr::from_bits(range6(vpc).network().to_bits() | u128::from(end.interface.ip.octets()[3]));
    end.vpc.ipv6 = Some(VpcIpv6 { id: VpcRangeId::from_u64(vpc), range: range6(vpc) });
    end.interface.ipv6 = vec![ip];
    let any = Peer::Range6 { range: Ipv6Net::default() };
    end.groups[0].rules.push(rule(61, Direction::Egress, Verdict::Accept, PRIORITY_FIRST, Protocol::All, any));
    let https = Protocol::Tcp { from: 443, to: 443 };
    end.groups[0].rules.push(rule(62, Direction::Ingress, Verdict::Accept, PRIORITY_FIRST, https, any));
    end
}

fn route6(mut end: Endpoint, destination: &str, target: Ipv6Target) -> Endpoint {
    end.tables[0].ipv6_routes.push(Ipv6Route { destination: destination.parse().unwrap(), target });
    if target == OUT_ONLY {
        end.egress_only.push(EgressOnlyExit { gateway: ONLY, serves: Ipv6Serves::Everyone, bandwidths: vec![] });
    }
    end
}

fn ip6(end: &Endpoint) -> IpAddr {
    end.interface.ipv6[0].into()
}

#[test]
fn inside_a_vpc_rules_of_ipv6_decide_and_those_of_ipv4_do_not() {
    let (a, mut b) = (dual(client(5)), dual(server(6)));
    let way = ask(&a, &b, ip6(&b), HTTPS);
    assert_eq!(way.obstacle, None);
    let local = |step: &Step| matches!(step, Step::Local { destination, .. } if *destination == IpNet::V6(range6(1)));
    let deciders: Vec<RuleId> =
        way.steps.iter().filter_map(|step| if let Step::Accepted { by } = step { Some(by.rule) } else { None }).collect();
    assert!(way.steps.iter().any(local) && deciders == [61, 62].map(RuleId::from_u64), "{way:?}");
    b.groups[0].rules.retain(|rule| rule.id != RuleId::from_u64(62));
    assert!(matches!(ask(&a, &b, ip6(&b), HTTPS).obstacle, Some(Obstacle::Dropped { direction: Direction::Ingress, by: None, .. })));
    assert_eq!(ask(&a, &b, b.interface.ip, HTTPS).obstacle, None, "IPv4 has a rule of its own");
    let echoes = Protocol::Icmp6 { kind: Some(128), code: None };
    let members = Peer::Group { group: SecurityGroupId::from_u64(5) };
    b.groups[0].rules.push(rule(63, Direction::Ingress, Verdict::Accept, PRIORITY_FIRST, echoes, members));
    assert_eq!(ask(&a, &b, ip6(&b), Flow::Icmp6 { kind: 128, code: 0 }).obstacle, None, "members are known by every address");
    assert!(ask(&a, &b, ip6(&b), Flow::Icmp6 { kind: 129, code: 0 }).obstacle.is_some());
}

#[test]
fn an_end_without_an_address_of_ipv6_is_named() {
    let (a, b) = (client(5), dual(server(6)));
    assert_eq!(ask(&a, &b, ip6(&b), HTTPS).obstacle, Some(Obstacle::NoIpv6 { interface: a.interface.id }));
}

#[test]
fn an_address_that_is_not_its_own_is_not_sent_with() {
    let (a, b) = (dual(client(5)), dual(server(6)));
    let claim = |ip: IpAddr, to: IpAddr| {
        reach(Sender::Interface { end: &a, from: Some(ip) }, Receiver::Interface(&b), to, HTTPS, EPHEMERAL).obstacle
    };
    let spoofed = |ip| Some(Obstacle::Spoofed { interface: a.interface.id, ip, direction: Direction::Egress });
    assert_eq!(claim(WORLD_6.into(), ip6(&b)), spoofed(WORLD_6.into()));
    assert_eq!(claim(WORLD.into(), b.interface.ip.into()), spoofed(WORLD.into()));
    assert_eq!(claim(ip6(&a), ip6(&b)), None);
    // Nor does one of the VPC's come from outside.
    let b = route6(b, "::/0", OUT);
    let way = reach(Sender::Beyond(ip6(&a)), Receiver::Interface(&b), ip6(&b), HTTPS, EPHEMERAL);
    let ip = ip6(&a);
    assert_eq!(way.obstacle, Some(Obstacle::Spoofed { interface: b.interface.id, ip, direction: Direction::Ingress }));
}

#[test]
fn ipv6_goes_out_with_its_own_address_where_a_route_leads_out() {
    let a = dual(client(5));
    let out = |a: &Endpoint| reach(by(a), Receiver::Beyond, WORLD_6.into(), HTTPS, EPHEMERAL);
    let missing = Obstacle::NoRoute { interface: a.interface.id, table: Some(RouteTableId::from_u64(1)), ip: WORLD_6.into() };
    assert_eq!(out(&a).obstacle, Some(missing), "the route of IPv4 leads nobody out");
    let by_gateway = route6(a.clone(), "::/0", OUT);
    let way = out(&by_gateway);
    assert!(way.obstacle.is_none() && way.steps.contains(&Step::Gateway { gateway: InternetGatewayId::from_u64(7) }), "{way:?}");
    let only = route6(a.clone(), "2001:db8::/32", OUT_ONLY);
    let way = out(&only);
    assert!(way.obstacle.is_none() && way.steps.contains(&Step::EgressOnlyGateway { gateway: ONLY }), "{way:?}");
    let lost = |mut a: Endpoint| {
        (a.gateway, a.egress_only) = (None, vec![]);
        a.vpc.open = true;
        out(&a).obstacle
    };
    for end in [by_gateway, only] {
        let route = TableRoute::V6(end.tables[0].ipv6_routes[0]);
        let (interface, table) = (end.interface.id, RouteTableId::from_u64(1));
        assert_eq!(lost(end), Some(Obstacle::Blackhole { interface, table, route }), "an open VPC has no way of IPv6");
    }
    // The longest prefix decides, also when it leads to a guest.
    let guest = Ipv6Target::Interface { interface: InterfaceId::from_u64(9) };
    let through = route6(route6(a, "::/0", OUT), "2001:db8::/32", guest);
    assert!(
        matches!(out(&through).obstacle, Some(Obstacle::SentOn { route: TableRoute::V6(Ipv6Route { target, .. }), .. }) if target == guest)
    );
}

#[test]
fn who_is_outside_begins_only_where_a_way_leads_in_and_out() {
    let b = dual(server(6));
    let asked = |b: &Endpoint| reach(Sender::Beyond(WORLD_6.into()), Receiver::Interface(b), ip6(b), HTTPS, EPHEMERAL);
    assert!(matches!(asked(&b).obstacle, Some(Obstacle::NoRoute { interface, .. }) if interface == b.interface.id));
    let only = route6(b.clone(), "::/0", OUT_ONLY);
    assert!(matches!(asked(&only).obstacle, Some(Obstacle::OnlyOutward { gateway: ONLY, .. })));
    let both = route6(only, "2001:db8::/32", OUT);
    let way = asked(&both);
    assert_eq!(way.obstacle, None);
    let gateway = way.steps.iter().position(|step| matches!(step, Step::Gateway { .. }));
    let route = way.steps.iter().position(|step| matches!(step, Step::Route { .. }));
    assert!(gateway.is_some() && gateway < route, "inward it passes the gateway first: {way:?}");
}

#[test]
fn by_a_gateway_that_serves_listed_addresses_others_are_as_without_it() {
    let mut b = route6(dual(server(6)), "::/0", OUT_ONLY);
    let interface = b.interface.id;
    let asked = |b: &Endpoint| reach(Sender::Beyond(WORLD_6.into()), Receiver::Interface(b), ip6(b), HTTPS, EPHEMERAL).obstacle;
    let out = |b: &Endpoint| reach(by(b), Receiver::Beyond, WORLD_6.into(), HTTPS, EPHEMERAL).obstacle;
    b.egress_only[0].serves = Ipv6Serves::Listed;
    assert_eq!([asked(&b), out(&b)], [Some(Obstacle::NoPublicAddress { interface }), Some(Obstacle::NoPublicAddress { interface })]);
    let bandwidth = Ipv6Bandwidth {
        id: Ipv6BandwidthId::from_u64(1),
        account: account(),
        gateway: ONLY,
        vpc: b.vpc.id,
        ip: b.interface.ipv6[0],
        mbit: 5,
        charge: Ipv6Charge::Bandwidth,
        rule: None,
        created_at: Millis(0),
    };
    b.egress_only[0].bandwidths = vec![bandwidth];
    assert_eq!([asked(&b), out(&b)], [None, None]);
    let rule = EgressOnlyRule { id: EgressOnlyRuleId::from_u64(1), name: String::new(), description: String::new() };
    b.egress_only[0].bandwidths[0].rule = Some(rule);
    assert!(matches!(asked(&b), Some(Obstacle::OnlyOutward { gateway: ONLY, .. })));
    assert_eq!(out(&b), None);
    b.egress_only[0].bandwidths[0].ip = WORLD_6;
    assert_eq!(out(&b), Some(Obstacle::NoPublicAddress { interface }), "another address's bandwidth");
}

#[test]
fn two_vpcs_meet_outside_in_ipv6_as_far_as_both_lead_there() {
    let (a, b) = (dual(client(5)), dual(beyond(6, vec![group(6, vec![])])));
    let b = route6(b, "fd00:0:0:100::/56", OUT);
    assert!(matches!(ask(&a, &b, ip6(&b), HTTPS).obstacle, Some(Obstacle::NoRoute { interface, .. }) if interface == a.interface.id));
    let a = route6(a, "::/0", OUT_ONLY);
    assert_eq!(ask(&a, &b, ip6(&b), HTTPS).obstacle, None);
    assert!(matches!(ask(&b, &a, ip6(&a), HTTPS).obstacle, Some(Obstacle::OnlyOutward { interface, .. }) if interface == a.interface.id));
}

#[test]
fn a_peered_vpc_is_reached_in_ipv6_and_answers_may_come_another_way() {
    let members = Peer::Group { group: SecurityGroupId::from_u64(5) };
    let ssh = rule(9, Direction::Ingress, Verdict::Accept, PRIORITY_FIRST, Protocol::Tcp { from: 22, to: 22 }, members);
    let peering = VpcPeeringId::from_u64(3);
    let across = Ipv6Target::Peering { peering };
    let (mut a, b) = (dual(client(5)), dual(beyond(6, vec![group(6, vec![ssh])])));
    let ssh = Flow::Tcp { port: 22 };
    a.peerings = vec![(peering, b.vpc.id)];
    let a = route6(a, "fd00:0:0:200::/56", across);
    assert!(matches!(ask(&a, &b, ip6(&b), ssh).obstacle, Some(Obstacle::NoRoute { interface, .. }) if interface == b.interface.id));
    let back = route6(b.clone(), "fd00:0:0:100::/56", across);
    let way = ask(&a, &back, ip6(&b), ssh);
    assert!(way.obstacle.is_none() && way.steps.contains(&Step::Peering { peering }), "{way:?}");
    // Answers that go out find the sender where its address is known outside, and the group behind it is known there too.
    let out = route6(b, "::/0", OUT);
    assert!(matches!(ask(&a, &out, ip6(&out), ssh).obstacle, Some(Obstacle::Blackhole { interface, .. }) if interface == out.interface.id));
    let known = route6(a.clone(), "2001:db8::/32", OUT_ONLY);
    assert_eq!(ask(&known, &out, ip6(&out), ssh).obstacle, None);
    let mut apart = back;
    apart.tables[0].ipv6_routes.clear();
    let there = route6(known, "fd00:0:0:200::6/128", OUT);
    let apart = route6(apart, "fd00::/32", OUT);
    assert_eq!(ask(&there, &apart, ip6(&apart), ssh).obstacle, None, "a group of a peered VPC is known on every way");
}

#[test]
fn an_acl_judges_ipv6_by_its_entries_about_it() {
    let (a, mut b) = (dual(client(5)), dual(server(6)));
    let entry = |number, direction, range: &str| AclEntry {
        number,
        direction,
        verdict: Verdict::Accept,
        protocol: Protocol::All,
        range: range.parse().unwrap(),
    };
    b.acl =
        Some(acl(vec![(1, Direction::Ingress, Verdict::Accept, Protocol::All), (1, Direction::Egress, Verdict::Accept, Protocol::All)]));
    assert_eq!(ask(&a, &b, b.interface.ip, HTTPS).obstacle, None);
    let stopped = |way: Way| match way.obstacle {
        Some(Obstacle::Stopped { direction, is_answer, entry, .. }) => Some((direction, is_answer, entry.map(|entry| entry.number))),
        _ => None,
    };
    assert_eq!(stopped(ask(&a, &b, ip6(&b), HTTPS)), Some((Direction::Ingress, false, None)));
    b.acl.as_mut().unwrap().entries.push(entry(2, Direction::Ingress, "::/0"));
    assert_eq!(stopped(ask(&a, &b, ip6(&b), HTTPS)), Some((Direction::Egress, true, None)));
    b.acl.as_mut().unwrap().entries.push(entry(3, Direction::Egress, &format!("{}/128", ip6(&a))));
    let way = ask(&a, &b, ip6(&b), HTTPS);
    assert_eq!(way.obstacle, None);
    assert!(way.steps.iter().any(|step| matches!(step, Step::Crossed { entry, .. } if entry.number == 2)), "{way:?}");
}

#[test]
fn an_answer_that_was_kept_before_ipv6_is_read_as_it_was() {
    let step = r#"{"step":"route","table":"rtb-00000000000000001","route":{"destination":"0.0.0.0/0","target":{"to":"internet_gateway","gateway":"igw-00000000000000007"}}}"#;
    let target = RouteTarget::InternetGateway { gateway: InternetGatewayId::from_u64(7) };
    let route = Step::Route { table: RouteTableId::from_u64(1), route: TableRoute::V4(Route::new(Ipv4Net::default(), target)) };
    assert_eq!(serde_json::to_string(&route).unwrap(), step);
    for read in
        [route, Step::Route { table: RouteTableId::from_u64(1), route: TableRoute::V6(Ipv6Route { destination: range6(1), target: OUT }) }]
    {
        assert_eq!(serde_json::from_str::<Step>(&serde_json::to_string(&read).unwrap()).unwrap(), read);
    }
}
