//! Documents that the benchmark gives its hosts: one VPC, a guest that sends, a guest that hears, and a group with many rules.

use std::net::Ipv4Addr;

use hostspec::{
    Direction, Firmware, GroupSpec, GuestMetadata, HostSpec, NicSpec, Peer, Power, ProtocolMatch, Reset, RuleSpec, SubnetSpec, Verdict,
    VmNic, VmSpec, VpcSpec,
};
use model::{HostId, ImageId, InstanceId, InterfaceId, MacAddr, Mib, SecurityGroupId, SubnetId, VpcId};

/// The guest that sends.
pub const SENDER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 10);
/// The guest that hears.
pub const HEARER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 11);
/// UDP port that every document lets through.
pub const OPEN: u16 = 9;
const GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const GROUP: u64 = 1;
/// The first range that a rule of the crowd is about: no address of the VPC.
const STRANGERS: u32 = u32::from_be_bytes([172, 16, 0, 0]);
/// The first address of a member that lives elsewhere.
const ELSEWHERE: u32 = u32::from_be_bytes([10, 0, 64, 0]);

/// A VPC whose one group has so many rules and so many members, with these guests here.
pub fn vpc(rules: usize, members: usize, here: &[Ipv4Addr]) -> VpcSpec {
    let strangers = (0..members.saturating_sub(2)).map(|n| Ipv4Addr::from(ELSEWHERE + n as u32));
    let members: Vec<Ipv4Addr> = [SENDER, HEARER].into_iter().chain(strangers).collect();
    let group = GroupSpec { id: SecurityGroupId::from_u64(GROUP), rules: crowd(rules), members };
    VpcSpec {
        id: VpcId::from_u64(1),
        vni: 1,
        ranges: vec!["10.0.0.0/16".parse().expect("a range")],
        subnets: vec![SubnetSpec {
            id: SubnetId::from_u64(1),
            range: "10.0.0.0/18".parse().expect("a range"),
            gateway: GATEWAY,
            ways_out: vec![],
            acl: None,
            hops: vec![],
            v6: None,
        }],
        nics: here.iter().map(|ip| nic(*ip)).collect(),
        remote: vec![],
        groups: vec![group],
        names: vec![],
        names6: vec![],
        domain: "bench.internal".to_owned(),
        resolver: true,
        dhcp: hostspec::DhcpOptions::default(),
        shared: vec![],
        forwards: vec![],
        mapped: vec![],
        rates: vec![],
        homes: vec![],
        peers: vec![],
        v6: None,
        logged: vec![],
        kept: vec![],
    }
}

/// A host with this VPC.
pub fn host(vpc: &VpcSpec) -> HostSpec {
    HostSpec { networks: vec![vpc.clone()], ..HostSpec::empty(HostId::from_u64(1)) }
}

/// A rule that lets a UDP port in from every address of the VPC's first subnet.
pub fn opening(port: u16) -> RuleSpec {
    rule(Direction::Ingress, ProtocolMatch::Udp { from: port, to: port }, range(u32::from(GATEWAY) & !0x3fff, 18))
}

fn nic(ip: Ipv4Addr) -> NicSpec {
    let number = u64::from(ip.octets()[3]);
    NicSpec {
        id: InterfaceId::from_u64(number),
        vm: InstanceId::from_u64(number),
        subnet: SubnetId::from_u64(1),
        mac: MacAddr([0x02, 0, 0, 0, 0, ip.octets()[3]]),
        ip,
        hostname: "bench".to_owned(),
        id_records: hostspec::IdRecords::default(),
        public_ip: None,
        secondary: vec![],
        groups: vec![SecurityGroupId::from_u64(GROUP)],
        forwards: false,
        rates: vec![],
        v6: vec![],
    }
}

/// What lets the two guests speak, one rule that names the group, and rules about strangers: ranges of ports, each for a network
/// of its own, as a tenant's list of partners is.
fn crowd(rules: usize) -> Vec<RuleSpec> {
    let mut out = vec![
        rule(Direction::Egress, ProtocolMatch::All, range(0, 0)),
        rule(Direction::Ingress, ProtocolMatch::Tcp { from: 22, to: 22 }, Peer::Group { group: SecurityGroupId::from_u64(GROUP) }),
        opening(OPEN),
    ];
    for n in 0..rules.saturating_sub(out.len()) as u32 {
        let from = 1024 + (n.wrapping_mul(7919) % 60_000) as u16;
        let ports = ProtocolMatch::Tcp { from, to: from + 10 };
        out.push(rule(Direction::Ingress, ports, range(STRANGERS + n * 128, 26)));
    }
    out
}

fn range(network: u32, length: u8) -> Peer {
    Peer::Range { range: ipnet::Ipv4Net::new(network.into(), length).expect("a prefix is at most 32") }
}

fn rule(direction: Direction, protocol: ProtocolMatch, peer: Peer) -> RuleSpec {
    RuleSpec { direction, verdict: Verdict::Accept, priority: 1, protocol, peer }
}

/// A machine with this interface, so that its metadata is answered.
pub fn vm(nic: &NicSpec) -> VmSpec {
    VmSpec {
        id: nic.vm,
        power: Power::On,
        boot: 0,
        reset: Reset::Hard,
        vcpus: 1,
        memory: Mib(256),
        firmware: Firmware {
            uuid: "ec2e1916-9099-7caf-fd21-012345abcdef".to_owned(),
            manufacturer: "Pileus".to_owned(),
            product: "Pileus".to_owned(),
        },
        disks: vec![],
        seized: vec![],
        nics: vec![VmNic { id: nic.id, mac: nic.mac, mtu: 1450, index: 0, group_names: vec![] }],
        metadata: GuestMetadata {
            account: "000000000001".to_owned(),
            region: "bench-1".to_owned(),
            zone: "bench-1a".to_owned(),
            image: ImageId::from_u64(1),
            instance_type: "t1.small".to_owned(),
            reservation: "r-00000000000000001".to_owned(),
            launch_index: 0,
            launched_at: "2026-11-20T10:00:00Z".to_owned(),
            hostname: "bench".to_owned(),
            name: "bench".to_owned(),
            ssh_keys: vec![],
            password_hash: None,
            user_data_base64: None,
            tags: vec![],
            token_required: false,
            hop_limit: 1,
            enabled: true,
            private_ip: nic.ip,
            public_ip: None,
            security_groups: vec!["default".to_owned()],
            role: None,
            placement: None,
            events: vec![],
        },
    }
}
