//! One VPC with one machine, for the tests of the services.

use std::net::Ipv4Addr;

use hostspec::*;
use model::*;

use super::{Directory, Index};

pub const IP: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 5);
pub const GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
pub const MAC: MacAddr = MacAddr([0x02, 0, 0, 0, 0, 5]);

/// A VPC 10.0.0.0/16 with one subnet 10.0.0.0/24 and no interface.
pub fn vpc(id: u64) -> VpcSpec {
    VpcSpec {
        id: VpcId::from_u64(id),
        vni: id as u32,
        ranges: vec!["10.0.0.0/16".parse().unwrap()],
        subnets: vec![SubnetSpec {
            id: SubnetId::from_u64(id),
            range: "10.0.0.0/24".parse().unwrap(),
            gateway: GATEWAY,
            ways_out: vec![ipnet::Ipv4Net::default()],
            acl: None,
            hops: vec![],
            v6: None,
        }],
        nics: vec![],
        remote: vec![],
        groups: vec![],
        names: vec![NameRecord { name: "web.vpc.internal".to_owned(), ip: IP }],
        names6: vec![hostspec::NameRecord6 { name: "i-5.vpc.internal".to_owned(), ip: "fd00::5".parse().unwrap() }],
        domain: "vpc.internal".to_owned(),
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

/// An interface of the VPC of the same id.
pub fn nic(vpc: u64, id: u64, ip: Ipv4Addr) -> NicSpec {
    NicSpec {
        id: InterfaceId::from_u64(id),
        vm: InstanceId::from_u64(id),
        subnet: SubnetId::from_u64(vpc),
        mac: MacAddr([0x02, 0, 0, 0, 0, id as u8]),
        ip,
        hostname: "web".to_owned(),
        id_records: hostspec::IdRecords::default(),
        public_ip: None,
        secondary: vec![],
        groups: vec![SecurityGroupId::from_u64(vpc)],
        forwards: false,
        rates: vec![],
        v6: vec![],
    }
}

/// A machine with these interfaces.
pub fn vm(id: u64, nics: &[&NicSpec]) -> VmSpec {
    VmSpec {
        id: InstanceId::from_u64(id),
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
        disks: vec![DiskSpec { volume: VolumeId::from_u64(id), serial: "vol0".to_owned(), limits: model::DiskLimits::default() }],
        seized: vec![],
        nics: nics.iter().map(|nic| VmNic { id: nic.id, mac: nic.mac, mtu: 1450, index: 0, group_names: vec![] }).collect(),
        metadata: metadata(nics[0]),
    }
}

/// What the control plane says of a machine with this primary interface.
pub fn metadata(nic: &NicSpec) -> GuestMetadata {
    GuestMetadata {
        account: "000000000042".to_owned(),
        region: "cn-test-1".to_owned(),
        zone: "cn-test-1a".to_owned(),
        image: ImageId::from_u64(3),
        instance_type: "t1.small".to_owned(),
        reservation: "r-00000000000000001".to_owned(),
        launch_index: 0,
        launched_at: "2026-11-20T10:00:00Z".to_owned(),
        hostname: "web".to_owned(),
        name: "front <end>".to_owned(),
        ssh_keys: vec![("laptop".to_owned(), "ssh-ed25519 AAAAC3Nz me".to_owned())],
        password_hash: None,
        user_data_base64: None,
        tags: vec![],
        token_required: false,
        hop_limit: 1,
        enabled: true,
        private_ip: nic.ip,
        public_ip: nic.public_ip,
        security_groups: vec!["default".to_owned()],
        role: None,
        placement: None,
        events: vec![],
    }
}

/// A document with these VPCs and machines.
pub fn host(networks: Vec<VpcSpec>, vms: Vec<VmSpec>) -> HostSpec {
    HostSpec { networks, vms: vms.into_iter().map(Into::into).collect(), ..HostSpec::empty(HostId::from_u64(1)) }
}

/// What the services of the VPC know when the machine is in it.
pub fn directory() -> Directory {
    let mut vpc = vpc(1);
    vpc.nics.push(nic(1, 5, IP));
    let vms = vec![vm(5, &[&vpc.nics[0]])];
    let spec = host(vec![vpc], vms);
    Directory::new(&spec.networks[0], &Index::new(&spec))
}
