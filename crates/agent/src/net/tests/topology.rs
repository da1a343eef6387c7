//! Random networks as rows of the model, and the documents that a host gets of them.
//!
//! Two VPCs with the same range, or two that make it up, three and two machines in two subnets each. Groups, their rules, who is in them, public
//! addresses, gateways, route tables and their routes are drawn; interfaces stay, so that their guests can. What is IPv6 alone is in
//! `topology6.rs`.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::RangeInclusive;

use hostspec::{GroupSpec, RuleSpec, SubnetSpec, VpcSpec};
use model::reachability::{Endpoint, Flow};
use model::*;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::subsequence;

use super::topology6 as v6;
use crate::guest::fixture;

/// Ports of the services that are spoken to.
pub const PORTS: RangeInclusive<u16> = 1..=4;
/// An echo request.
pub const PING: Flow = Flow::Icmp { kind: 8, code: 0 };
/// The same of IPv6.
pub const PING_6: Flow = Flow::Icmp6 { kind: 128, code: 0 };

/// The machines: the VPC of each, and its private address.
const MACHINES: [(u64, Ipv4Addr); 5] = [
    (1, Ipv4Addr::new(10, 0, 0, 5)),
    (1, Ipv4Addr::new(10, 0, 0, 6)),
    (1, Ipv4Addr::new(10, 0, 1, 7)),
    (2, Ipv4Addr::new(10, 0, 0, 5)),
    (2, Ipv4Addr::new(10, 0, 1, 6)),
];
/// Addresses that nobody has: one of a VPC, one of the public pool.
const NOBODYS: [Ipv4Addr; 2] = [Ipv4Addr::new(10, 0, 1, 99), Ipv4Addr::new(203, 0, 113, 99)];
/// Security groups of each VPC.
const GROUPS: u64 = 3;

/// A network that was drawn.
#[derive(Debug, Clone)]
pub struct Topology {
    /// Groups of VPC 1 and of VPC 2, each with the rules of each group.
    rules: Vec<Vec<Vec<Rule>>>,
    /// Groups of each machine, by their place in its VPC.
    member_of: Vec<Vec<u64>>,
    has_public: Vec<bool>,
    vpcs: Vec<Exits>,
    /// Whether the two VPCs are peered, which is IPv6's alone.
    is_peered: bool,
    /// Questions of IPv4 and of IPv6.
    questions: [Vec<Drawn>; 2],
}

/// A question as it is drawn: who asks and whom by their places, what, and whose address is claimed instead of the own one.
type Drawn = (usize, usize, Flow, Option<usize>);

/// A question.
#[derive(Debug, Clone, Copy)]
pub struct Asked {
    /// The place of who asks; none is the machine beyond.
    pub from: Option<usize>,
    /// The address that is claimed; none is the own one.
    pub claimed: Option<IpAddr>,
    /// The address that is spoken to.
    pub to: IpAddr,
    /// What is sent.
    pub flow: Flow,
}

/// What leads out of a VPC.
#[derive(Debug, Clone)]
struct Exits {
    /// Whether each subnet is in a range of its own.
    is_split: bool,
    open: bool,
    has_gateway: bool,
    /// Routes of the main table, and of the second subnet's own if it has one: destination, and whether the gateway is the VPC's.
    main: Vec<(ipnet::Ipv4Net, bool)>,
    own: Option<Vec<(ipnet::Ipv4Net, bool)>>,
    /// Entries of the default network ACL, and of the second subnet's own if it has one.
    default_acl: Entries,
    own_acl: Option<Entries>,
    /// Its IPv6 half, if it has one.
    v6: Option<v6::Exits>,
}

/// Entries of a network ACL, and whether they say what becomes of IPv6.
type Entries = (Vec<AclEntry>, bool);

/// The interface of a machine.
pub fn interface(at: usize) -> InterfaceId {
    InterfaceId::from_u64(at as u64 + 1)
}

fn public(at: usize) -> Ipv4Addr {
    Ipv4Addr::new(203, 0, 113, 10 + at as u8)
}

/// The address of a machine in IPv6.
pub fn address6(at: usize) -> Ipv6Addr {
    let (vpc, ip) = MACHINES[at];
    v6::address(vpc, ip.octets()[2], ip.octets()[3])
}

/// The addresses of the machines of a VPC.
pub fn addresses6_of(vpc: u64) -> Vec<Ipv6Addr> {
    (0..MACHINES.len()).filter(|at| MACHINES[*at].0 == vpc).map(address6).collect()
}

/// Draws a network with so many questions about it in IPv4 and in IPv6.
pub fn topology([of_v4, of_v6]: [usize; 2]) -> impl Strategy<Value = Topology> {
    let places: Vec<u64> = (0..GROUPS).collect();
    let claimed = || prop_oneof![19 => Just(None), 1 => (0..MACHINES.len()).prop_map(Some)];
    let question = |targets: usize| (0..=MACHINES.len(), 0..=targets, flow(), claimed());
    let questions = [vec(question(MACHINES.len() * 2 + NOBODYS.len()), of_v4), vec(question(MACHINES.len() + v6::NOBODYS.len()), of_v6)];
    let rules = (1_u64..=2).map(|vpc| vec(rules(vpc), GROUPS as usize)).collect::<Vec<_>>();
    (
        rules,
        vec(subsequence(places, 1..=2), MACHINES.len()),
        vec(prop_oneof![3 => Just(true), 1 => Just(false)], MACHINES.len()),
        (1..=2).map(exits).collect::<Vec<_>>(),
        prop_oneof![1 => Just(true), 3 => Just(false)],
        questions,
    )
        .prop_map(|(rules, member_of, has_public, vpcs, is_peered, questions)| Topology {
            rules,
            member_of,
            has_public,
            vpcs,
            is_peered,
            questions,
        })
}

fn flow() -> impl Strategy<Value = Flow> {
    prop_oneof![PORTS.prop_map(|port| Flow::Tcp { port }), PORTS.prop_map(|port| Flow::Udp { port }), Just(PING)]
}

fn protocol() -> impl Strategy<Value = Protocol> {
    let span = || (PORTS, PORTS).prop_map(|(a, b)| (a.min(b), a.max(b)));
    prop_oneof![
        Just(Protocol::All),
        Just(Protocol::All),
        span().prop_map(|(from, to)| Protocol::Tcp { from, to }),
        span().prop_map(|(from, to)| Protocol::Udp { from, to }),
        prop_oneof![Just(None), Just(Some(8)), Just(Some(13))].prop_map(|kind| Protocol::Icmp { kind, code: None }),
        prop_oneof![Just(None), Just(Some(128)), Just(Some(129))].prop_map(|kind| Protocol::Icmp6 { kind, code: None }),
        prop_oneof![Just(1), Just(6), Just(17), Just(58)].prop_map(|number| Protocol::Number { number }),
    ]
}

/// The rules of a group. Most let everything out and half let much in, else next to nothing would be reached.
fn rules(vpc: u64) -> impl Strategy<Value = Vec<Rule>> {
    let likely = |direction, weight: u32| {
        let open = |peer| Rule {
            id: RuleId::from_u64(2),
            direction,
            verdict: Verdict::Accept,
            priority: 2,
            protocol: Protocol::All,
            peer,
            description: String::new(),
            tags: model::Tags::new(),
        };
        let v4 = open(Peer::Range { range: ipnet::Ipv4Net::default() });
        let v6 = open(Peer::Range6 { range: ipnet::Ipv6Net::default() });
        prop_oneof![weight => Just(vec![v4.clone(), v6.clone()]), 1 => Just(vec![v4]), 1 => Just(vec![v6]), 1 => Just(vec![])]
    };
    (likely(Direction::Egress, 8), likely(Direction::Ingress, 3), vec(rule(vpc), 0..6))
        .prop_map(|(out, into, more)| [out, into, more].concat())
}

fn rule(vpc: u64) -> impl Strategy<Value = Rule> {
    const RANGES: [&str; 7] = ["0.0.0.0/0", "0.0.0.0/0", "10.0.0.0/24", "10.0.1.0/24", "10.0.0.5/32", "203.0.113.0/24", "203.0.113.10/31"];
    let peer = prop_oneof![
        3 => proptest::sample::select(&RANGES[..]).prop_map(|range| Peer::Range { range: range.parse().expect("a range") }),
        3 => ranges_6().prop_map(|range| Peer::Range6 { range }),
        2 => (0..GROUPS).prop_map(move |at| Peer::Group { group: group_id(vpc, at) }),
        // As long as the two are peered; in IPv4 they are not.
        1 => (0..GROUPS).prop_map(move |at| Peer::Group { group: group_id(3 - vpc, at) }),
    ];
    let direction = prop_oneof![Just(Direction::Ingress), Just(Direction::Egress)];
    let verdict = prop_oneof![4 => Just(Verdict::Accept), 1 => Just(Verdict::Drop)];
    (direction, verdict, 1_u16..4, protocol(), peer).prop_map(|(direction, verdict, priority, protocol, peer)| Rule {
        id: RuleId::from_u64(1),
        direction,
        verdict,
        priority,
        protocol,
        peer,
        description: String::new(),
        tags: model::Tags::new(),
    })
}

/// Ranges of IPv6 of which rules and entries speak.
fn ranges_6() -> impl Strategy<Value = ipnet::Ipv6Net> {
    let first = ipnet::Ipv6Net::from(address6(0));
    let subnet = |vpc, third| ipnet::Ipv6Net::new_assert(v6::address(vpc, third, 0), SUBNET_IPV6_PREFIX);
    let ranges =
        [ipnet::Ipv6Net::default(), ipnet::Ipv6Net::default(), first, subnet(1, 0), subnet(1, 1), v6::range(2), v6::machine().into()];
    proptest::sample::select(ranges.to_vec())
}

fn exits(vpc: u64) -> impl Strategy<Value = Exits> {
    const DESTINATIONS: [&str; 4] = ["0.0.0.0/0", "203.0.113.0/24", "203.0.113.10/31", "203.0.113.1/32"];
    let route =
        |text: &'static str| prop_oneof![4 => Just(true), 1 => Just(false)].prop_map(move |good| (text.parse().expect("a range"), good));
    let routes =
        move || subsequence(DESTINATIONS.to_vec(), 0..=4).prop_flat_map(move |some| some.into_iter().map(route).collect::<Vec<_>>());
    let often = || prop_oneof![4 => Just(true), 1 => Just(false)];
    let default_acl = prop_oneof![2 => Just((open_entries(false), false)), 2 => Just((open_entries(true), true)), 1 => acl_entries()];
    let has_v6 = prop_oneof![9 => Just(true), 1 => Just(false)];
    let v6 = (has_v6, v6::exits(vpc)).prop_map(|(has_v6, exits)| has_v6.then_some(exits));
    (any::<[bool; 2]>(), often(), routes(), proptest::option::of(routes()), default_acl, proptest::option::of(acl_entries()), v6).prop_map(
        |([open, is_split], has_gateway, main, own, default_acl, own_acl, v6)| Exits {
            is_split,
            open,
            has_gateway,
            main,
            own,
            default_acl,
            own_acl,
            v6,
        },
    )
}

/// Entries of a network ACL that let much pass, else next to nothing would come back.
fn acl_entries() -> impl Strategy<Value = Entries> {
    const RANGES: [&str; 5] = ["0.0.0.0/0", "10.0.0.0/24", "10.0.1.0/24", "10.0.0.5/32", "203.0.113.0/24"];
    let protocol = prop_oneof![
        protocol(),
        (100_u16..40_000, 100_u16..40_000).prop_map(|(a, b)| Protocol::Tcp { from: a.min(b), to: a.max(b) }),
        (100_u16..40_000, 100_u16..40_000).prop_map(|(a, b)| Protocol::Udp { from: a.min(b), to: a.max(b) }),
        Just(Protocol::Icmp { kind: Some(0), code: Some(0) }),
        Just(Protocol::Icmp6 { kind: Some(129), code: Some(0) }),
    ];
    let direction = prop_oneof![Just(Direction::Ingress), Just(Direction::Egress)];
    let verdict = prop_oneof![Just(Verdict::Accept), Just(Verdict::Drop)];
    let of_v4 = proptest::sample::select(&RANGES[..]).prop_map(|range| range.parse::<ipnet::IpNet>().expect("a range"));
    let range = prop_oneof![of_v4, ranges_6().prop_map(ipnet::IpNet::V6)];
    let entry =
        (direction, verdict, protocol, range).prop_map(|(direction, verdict, protocol, range)| (direction, verdict, protocol, range));
    (vec(entry, 0..6), any::<bool>()).prop_map(|(drawn, ends_open)| {
        let numbered = (1..).zip(drawn);
        let mut entries: Vec<AclEntry> = numbered
            .map(|(number, (direction, verdict, protocol, range))| AclEntry { number, direction, verdict, protocol, range })
            .collect();
        if ends_open {
            entries.extend(open_entries(true));
        }
        (entries, true)
    })
}

fn group_id(vpc: u64, at: u64) -> SecurityGroupId {
    SecurityGroupId::from_u64(vpc * 10 + at)
}

fn account() -> AccountId {
    AccountId::from_u64(1).expect("one digit is below twelve")
}

impl Topology {
    /// The questions, those of IPv4 first.
    pub fn questions(&self, beyond: Ipv4Addr) -> Vec<Asked> {
        let [of_v4, of_v6] = &self.questions;
        let target = |at: usize| match at.checked_sub(MACHINES.len()) {
            None => MACHINES[at].1,
            Some(at) if at < MACHINES.len() => public(at),
            Some(at) => NOBODYS.get(at - MACHINES.len()).copied().unwrap_or(beyond),
        };
        let target_6 = |at: usize| match at.checked_sub(MACHINES.len()) {
            None => address6(at),
            Some(at) => v6::NOBODYS.get(at).copied().unwrap_or_else(v6::machine),
        };
        let of_v4 = of_v4.iter().map(|drawn| asked(*drawn, target(drawn.1).into(), beyond.into(), |at| MACHINES[at].1.into()));
        let of_v6 = of_v6.iter().map(|drawn| asked(*drawn, target_6(drawn.1).into(), v6::machine().into(), |at| address6(at).into()));
        // To itself a machine sends nothing; the machine beyond knows only addresses that are known outside.
        let sensible = |asked: &Asked| match (asked.from, asked.to) {
            (Some(from), IpAddr::V4(to)) => to != MACHINES[from].1 && to != public(from),
            (Some(from), IpAddr::V6(to)) => to != address6(from),
            (None, IpAddr::V4(to)) => to.octets()[0] == 203 && to != beyond,
            (None, IpAddr::V6(to)) => to != v6::machine(),
        };
        of_v4.chain(of_v6).filter(sensible).collect()
    }

    /// Has no IPv6, nor questions of it.
    pub fn forget_v6(&mut self) {
        self.vpcs.iter_mut().for_each(|exits| exits.v6 = None);
        self.questions[1].clear();
    }

    /// Who has an address, as one who asks sees it.
    pub fn owner(&self, from: Option<usize>, to: IpAddr) -> Option<usize> {
        let to = match to {
            IpAddr::V4(to) => to,
            IpAddr::V6(to) => return (0..MACHINES.len()).find(|at| self.addresses6(*at).contains(&to)),
        };
        let vpc = from.map(|from| MACHINES[from].0);
        let private = (0..MACHINES.len()).find(|at| Some(MACHINES[*at].0) == vpc && MACHINES[*at].1 == to);
        private.or_else(|| (0..MACHINES.len()).find(|at| self.has_public[*at] && public(*at) == to))
    }

    /// The addresses that a machine has in IPv6: one, where its VPC has any.
    fn addresses6(&self, at: usize) -> Vec<Ipv6Addr> {
        self.exits(MACHINES[at].0).v6.iter().map(|_| address6(at)).collect()
    }

    /// A machine with all that decides about its packets.
    pub fn endpoint(&self, at: usize) -> Endpoint {
        let number = MACHINES[at].0;
        let interface = self.interface(at);
        let mut groups = self.groups(number);
        groups.retain(|group| interface.groups.contains(&group.id));
        let public = self.has_public[at].then(|| self.address(at));
        let exits = self.exits(number);
        Endpoint {
            interface,
            is_running: true,
            public,
            vpc: vpc(number, exits),
            tables: tables(number, exits),
            egress_only: exits.v6.as_ref().map_or(vec![], |v6| v6.exits(number)),
            nats: vec![],
            peerings: if self.is_peered { vec![(v6::PEERING, VpcId::from_u64(3 - number))] } else { vec![] },
            gateway: exits.has_gateway.then(|| gateway(number)),
            groups,
            acl: acl_of(&acls(number, exits), subnet(number, MACHINES[at].1.octets()[2])).cloned(),
        }
    }

    /// What a host with all the machines is told.
    pub fn specs(&self) -> Vec<VpcSpec> {
        [1, 2].map(|number| self.spec(number)).into()
    }

    fn spec(&self, number: u64) -> VpcSpec {
        let exits = self.exits(number);
        let (row, tables) = (vpc(number, exits), tables(number, exits));
        let gateway = exits.has_gateway.then(|| gateway(number));
        let acls = acls(number, exits);
        let here = || (0..MACHINES.len()).filter(|at| MACHINES[*at].0 == number);
        let mut spec = fixture::vpc(number);
        spec.ranges = row.ranges().collect();
        spec.subnets = (0..=1_u8)
            .map(|third| SubnetSpec {
                id: subnet(number, third),
                range: format!("10.0.{third}.0/24").parse().expect("a range"),
                gateway: Ipv4Addr::new(10, 0, third, 1),
                ways_out: ways_out(&row, &tables, gateway.as_ref(), subnet(number, third)),
                acl: acl_of(&acls, subnet(number, third)).filter(|acl| !acl.is_open(exits.v6.is_some())).map(NetworkAcl::told),
                hops: vec![],
                v6: exits.v6.as_ref().map(|v6| v6.ways(number, (third, subnet(number, third)), &tables, exits.has_gateway, self.is_peered)),
            })
            .collect();
        spec.nics = here()
            .map(|at| {
                let row = self.interface(at);
                let nic = fixture::nic(number, at as u64 + 1, row.ip);
                let public_ip = self.has_public[at].then(|| public(at));
                hostspec::NicSpec { subnet: row.subnet, mac: row.mac, public_ip, groups: row.groups, v6: row.ipv6, ..nic }
            })
            .collect();
        let members = |id| here().map(|at| self.interface(at)).filter(|row| row.groups.contains(&id)).map(|row| row.ip).collect();
        let group =
            |row: SecurityGroup| GroupSpec { id: row.id, rules: row.rules.iter().map(rule_spec).collect(), members: members(row.id) };
        spec.groups = self.groups(number).into_iter().map(group).collect();
        // Groups of the other VPC may be named; their members of IPv4 are not to be met.
        spec.groups.extend(self.groups(3 - number).into_iter().map(|row| GroupSpec { members: vec![], ..group(row) }));
        spec.v6 = exits.v6.as_ref().map(|_| v6::spec(number, self.members6(number)));
        if self.is_peered {
            let theirs = self.exits(3 - number).v6.as_ref().filter(|_| spec.v6.is_some());
            let there = (0..MACHINES.len()).filter(|at| MACHINES[*at].0 != number);
            spec.peers = vec![v6::peer(3 - number, theirs.map(|_| there.flat_map(|at| self.addresses6(at)).collect()))];
        }
        spec
    }

    /// The addresses of IPv6 in the groups that a VPC knows: its own, and those of the one that it is peered with.
    fn members6(&self, number: u64) -> BTreeMap<SecurityGroupId, Vec<Ipv6Addr>> {
        let mut members: BTreeMap<SecurityGroupId, Vec<Ipv6Addr>> = BTreeMap::new();
        for at in (0..MACHINES.len()).filter(|at| self.is_peered || MACHINES[*at].0 == number) {
            for group in self.interface(at).groups {
                members.entry(group).or_default().extend(self.addresses6(at));
            }
        }
        members
    }

    fn exits(&self, number: u64) -> &Exits {
        &self.vpcs[number as usize - 1]
    }

    fn groups(&self, number: u64) -> Vec<SecurityGroup> {
        let rules = self.rules[number as usize - 1].iter().cloned();
        let group = |(at, rules)| SecurityGroup {
            kind: GroupKind::Basic,
            regional: false,
            id: group_id(number, at),
            account: account(),
            vpc: VpcId::from_u64(number),
            name: at.to_string(),
            description: String::new(),
            rules,
            created_at: Millis(0),
            tags: Tags::new(),
        };
        (0..).zip(rules).map(group).collect()
    }

    fn interface(&self, at: usize) -> Interface {
        let (number, ip) = MACHINES[at];
        Interface {
            ipv6: self.addresses6(at),
            id: interface(at),
            account: account(),
            vpc: VpcId::from_u64(number),
            subnet: subnet(number, ip.octets()[2]),
            ip,
            mac: MacAddr([2, 0, 0, 0, 0, at as u8 + 1]),
            secondary: vec![],
            instance: Some(InstanceId::from_u64(at as u64 + 1)),
            index: 0,
            plug: model::Plug::Plugged,
            attachment: None,
            attached_at: None,
            checked: true,
            nat_gateway: None,
            name: String::new(),
            delete_on_termination: true,
            groups: self.member_of[at].iter().map(|place| group_id(number, *place)).collect(),
            description: String::new(),
            created_at: Millis(0),
            tags: Tags::new(),
        }
    }

    fn address(&self, at: usize) -> Address {
        Address {
            id: AddressId::from_u64(at as u64),
            account: account(),
            ip: public(at),
            kind: AddressKind::Elastic,
            interface: Some(interface(at)),
            private: None,
            nat_gateway: None,
            association: None,
            name: String::new(),
            description: String::new(),
            bandwidth: None,
            charge: model::InternetCharge::default(),
            protected: false,
            package: None,
            created_at: Millis(0),
            tags: Tags::new(),
        }
    }
}

/// A question with the addresses of its places.
fn asked((from, _, flow, claimed): Drawn, to: IpAddr, beyond: IpAddr, own: impl Fn(usize) -> IpAddr) -> Asked {
    let from = Some(from).filter(|from| *from < MACHINES.len());
    let port = |flow: &Flow| if let Flow::Tcp { port } | Flow::Udp { port } = *flow { port } else { *PORTS.start() };
    let flow = match flow {
        // The machine beyond has sockets for UDP only.
        flow if from.is_none() || to == beyond => Flow::Udp { port: port(&flow) },
        PING if to.is_ipv6() => PING_6,
        flow => flow,
    };
    Asked { from, claimed: from.and(claimed).map(own), to, flow }
}

fn rule_spec(rule: &Rule) -> RuleSpec {
    let Rule { direction, verdict, priority, protocol, peer, .. } = *rule;
    let peer = match peer {
        Peer::Range { range } => hostspec::Peer::Range { range },
        Peer::Group { group } => hostspec::Peer::Group { group },
        Peer::Range6 { range } => hostspec::Peer::Range6 { range },
        Peer::List { .. } => unreachable!("no rule of these names a list"),
    };
    RuleSpec { direction, verdict, priority, protocol, peer }
}

fn subnet(vpc: u64, third: u8) -> SubnetId {
    SubnetId::from_u64(vpc * 10 + u64::from(third))
}

fn vpc(number: u64, exits: &Exits) -> Vpc {
    let range = |text: &str| text.parse().expect("a range");
    let further = SecondaryRange { id: VpcRangeId::from_u64(number), range: range("10.0.1.0/24") };
    let (first, secondary) = if exits.is_split { ("10.0.0.0/24", vec![further]) } else { ("10.0.0.0/16", vec![]) };
    Vpc {
        id: VpcId::from_u64(number),
        account: account(),
        vni: number as u32,
        range: range(first),
        secondary,
        is_default: false,
        open: exits.open,
        dns_support: true,
        dns_hostnames: false,
        ipv6: exits.v6.as_ref().map(|_| VpcIpv6 { id: VpcRangeId::from_u64(number), range: v6::range(number) }),
        dhcp: model::DhcpOptions::default(),
        dhcp_options: None,
        name: String::new(),
        description: String::new(),
        created_at: Millis(0),
        tags: Tags::new(),
    }
}

fn gateway(number: u64) -> InternetGateway {
    let vpc = Some(VpcId::from_u64(number));
    InternetGateway {
        id: InternetGatewayId::from_u64(number),
        account: account(),
        vpc,
        idle: false,
        name: String::new(),
        description: String::new(),
        created_at: Millis(0),
        tags: Tags::new(),
    }
}

fn acls(number: u64, exits: &Exits) -> Vec<NetworkAcl> {
    let acl = |id: u64, (entries, judges_v6): &Entries, is_default: bool| NetworkAcl {
        id: NetworkAclId::from_u64(id),
        account: account(),
        vpc: VpcId::from_u64(number),
        is_default,
        name: String::new(),
        description: String::new(),
        subnets: (!is_default)
            .then(|| AclTie { id: NetworkAclAssociationId::from_u64(id), subnet: subnet(number, 1) })
            .into_iter()
            .collect(),
        entries: entries.clone(),
        judges_v6: *judges_v6,
        words: vec![],
        created_at: Millis(0),
        tags: Tags::new(),
    };
    let own = exits.own_acl.as_ref().map(|entries| acl(number * 10 + 1, entries, false));
    std::iter::once(acl(number * 10, &exits.default_acl, true)).chain(own).collect()
}

fn tables(number: u64, exits: &Exits) -> Vec<RouteTable> {
    const ANOTHERS: u64 = 99;
    let route = |(destination, good): &(ipnet::Ipv4Net, bool)| {
        let gateway = InternetGatewayId::from_u64(if *good { number } else { ANOTHERS });
        Route::new(*destination, RouteTarget::InternetGateway { gateway })
    };
    let table = |id: u64, routes: &[_], own: bool| {
        let tie = RouteTableAssociationId::from_u64(id);
        RouteTable {
            list_routes: vec![],
            ipv6_list_routes: vec![],
            ipv6_routes: exits.v6.as_ref().map_or(vec![], |v6| if own { v6.own.clone() } else { v6.main.clone() }),
            id: RouteTableId::from_u64(id),
            account: account(),
            vpc: VpcId::from_u64(number),
            main: (!own).then_some(tie),
            subnets: own.then(|| SubnetAssociation { id: tie, subnet: subnet(number, 1) }).into_iter().collect(),
            routes: routes.iter().map(route).collect(),
            name: String::new(),
            description: String::new(),
            created_at: Millis(0),
            tags: Tags::new(),
        }
    };
    let own = exits.own.as_deref().map(|routes| table(number * 10 + 1, routes, true));
    std::iter::once(table(number * 10, &exits.main, false)).chain(own).collect()
}
