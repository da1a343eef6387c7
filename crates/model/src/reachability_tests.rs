use super::*;
use crate::{
    AccountId, AddressKind, AssociationId, InternetCharge, Millis, PRIORITY_FIRST, RouteTableAssociationId, RouteTarget, SubnetAssociation,
    SubnetId, Tags,
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

fn ask(a: &Endpoint, b: &Endpoint, to: Ipv4Addr, flow: Flow) -> Way {
    reach(Sender::Interface(a), Receiver::Interface(b), to, flow, EPHEMERAL)
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
    let lost = Obstacle::NoRoute { interface: b.interface.id, table: Some(RouteTableId::from_u64(1)), ip: PUBLIC_A };
    assert_eq!(ask(&a, &mute, PUBLIC_B, HTTPS).obstacle, Some(lost));
}

#[test]
fn a_route_to_a_gateway_that_is_gone_is_named() {
    let mut a = with_public(client(5), PUBLIC_A);
    a.gateway = None;
    let way = reach(Sender::Interface(&a), Receiver::Beyond, WORLD, HTTPS, EPHEMERAL);
    let (table, route) = (RouteTableId::from_u64(1), a.tables[0].routes[0].clone());
    assert_eq!(way.obstacle, Some(Obstacle::Blackhole { interface: a.interface.id, table, route }));
    // A VPC that is open needs none.
    a.vpc.open = true;
    let way = reach(Sender::Interface(&a), Receiver::Beyond, WORLD, HTTPS, EPHEMERAL);
    assert_eq!((way.obstacle, way.steps.last()), (None, Some(&Step::Beyond { ip: WORLD })));
}

#[test]
fn a_subnet_with_its_own_table_does_not_use_the_main_one() {
    let mut a = with_public(client(5), PUBLIC_A);
    let tie = SubnetAssociation { id: RouteTableAssociationId::from_u64(2), subnet: a.interface.subnet };
    let own = RouteTable { id: RouteTableId::from_u64(2), main: None, subnets: vec![tie], routes: vec![], ..a.tables[0].clone() };
    a.tables.push(own);
    let way = reach(Sender::Interface(&a), Receiver::Beyond, WORLD, HTTPS, EPHEMERAL);
    assert!(matches!(way.obstacle, Some(Obstacle::NoRoute { table: Some(table), .. }) if table == RouteTableId::from_u64(2)));
}

#[test]
fn the_world_reaches_a_public_address_whose_groups_accept_it() {
    let b = with_public(server(6), PUBLIC_B);
    let way = reach(Sender::Beyond(WORLD), Receiver::Interface(&b), PUBLIC_B, HTTPS, EPHEMERAL);
    assert_eq!((way.obstacle, way.steps.first()), (None, Some(&Step::Beyond { ip: WORLD })));
    let way = reach(Sender::Beyond(WORLD), Receiver::Interface(&b), PUBLIC_B, Flow::Icmp { kind: 8, code: 0 }, EPHEMERAL);
    assert!(matches!(way.obstacle, Some(Obstacle::Dropped { direction: Direction::Ingress, .. })));
}

#[test]
fn nobody_and_what_does_not_run_is_not_reached() {
    let (a, mut b) = (client(5), server(6));
    let gone = Ipv4Addr::new(10, 0, 0, 99);
    assert_eq!(reach(Sender::Interface(&a), Receiver::Nobody, gone, HTTPS, EPHEMERAL).obstacle, Some(Obstacle::Nobody { ip: gone }));
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
