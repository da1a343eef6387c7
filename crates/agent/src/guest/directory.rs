//! What the services of one VPC know: its guests, names and subnets, drawn from the host document.

use std::collections::{BTreeMap, HashMap};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use hostspec::{DhcpOptions, GuestMetadata, HostSpec, NicSpec, SubnetSpec, VmNic, VpcSpec};
use ipnet::Ipv4Net;
use model::{InstanceId, InterfaceId, MacAddr, VpcId};

/// Bytes of a packet on an interface that no machine lists.
const DEFAULT_MTU: u16 = 1500;

/// Machines and interfaces of a host document, found by the interface. Made once for all VPCs of a document.
#[derive(Debug, Default)]
pub struct Index {
    machines: HashMap<InterfaceId, Arc<Machine>>,
}

/// A machine as its guest is told about it.
#[derive(Debug)]
pub struct Machine {
    /// The instance.
    pub id: InstanceId,
    /// System UUID of its firmware.
    pub uuid: String,
    /// What the control plane says of it.
    pub metadata: GuestMetadata,
    /// Its interfaces in order.
    pub ports: Vec<Port>,
}

/// An interface of a machine with where it is plugged in.
#[derive(Debug, Clone)]
pub struct Port {
    /// The interface.
    pub nic: NicSpec,
    /// Its largest packet in bytes.
    pub mtu: u16,
    /// Its place in the machine.
    pub index: u32,
    /// Names of its security groups.
    pub group_names: Vec<String>,
    /// Its subnet.
    pub subnet: SubnetSpec,
    /// The VPC.
    pub vpc: VpcId,
    /// Ranges of the VPC.
    pub ranges: Vec<Ipv4Net>,
    /// Domain of the VPC.
    pub domain: String,
    /// What DHCP tells of names beside that.
    pub dhcp: DhcpOptions,
}

/// One guest address.
#[derive(Debug)]
pub struct Guest {
    /// The interface that has it.
    pub port: Port,
    /// The machine that the interface is in; none when the document does not list it (any more).
    pub machine: Option<Arc<Machine>>,
}

/// What the services of one VPC know.
#[derive(Debug, Default)]
pub struct Directory {
    /// Domain that names without a dot are completed with.
    pub domain: String,
    /// Ranges of the VPC.
    pub ranges: Vec<Ipv4Net>,
    guests: BTreeMap<Ipv4Addr, Arc<Guest>>,
    by_mac: HashMap<MacAddr, Ipv4Addr>,
    names: HashMap<String, Vec<Ipv4Addr>>,
    names6: HashMap<String, Vec<Ipv6Addr>>,
    reverse: HashMap<Ipv4Addr, String>,
}

impl Index {
    /// Reads a document.
    pub fn new(spec: &HostSpec) -> Index {
        let ports: HashMap<InterfaceId, Port> = spec.networks.iter().flat_map(ports).collect();
        let mut machines = HashMap::new();
        for vm in &spec.vms {
            let port = |nic: &VmNic| {
                let group_names = nic.group_names.clone();
                Some(Port { mtu: nic.mtu, index: nic.index, group_names, ..ports.get(&nic.id)?.clone() })
            };
            let its = vm.nics.iter().filter_map(port).collect();
            let machine = Arc::new(Machine { id: vm.id, uuid: vm.firmware.uuid.clone(), metadata: vm.metadata.clone(), ports: its });
            machines.extend(vm.nics.iter().map(|nic| (nic.id, machine.clone())));
        }
        Index { machines }
    }
}

fn ports(vpc: &VpcSpec) -> impl Iterator<Item = (InterfaceId, Port)> {
    vpc.nics.iter().filter_map(|nic| Some((nic.id, port(vpc, nic)?)))
}

fn port(vpc: &VpcSpec, nic: &NicSpec) -> Option<Port> {
    let subnet = vpc.subnets.iter().find(|subnet| subnet.id == nic.subnet)?.clone();
    Some(Port {
        nic: nic.clone(),
        mtu: DEFAULT_MTU,
        index: 0,
        group_names: vec![],
        subnet,
        vpc: vpc.id,
        ranges: vpc.ranges.clone(),
        domain: vpc.domain.clone(),
        dhcp: vpc.dhcp.clone(),
    })
}

impl Directory {
    /// What the services of this VPC should know.
    pub fn new(vpc: &VpcSpec, index: &Index) -> Directory {
        let mut out = Directory { domain: vpc.domain.to_lowercase(), ranges: vpc.ranges.clone(), ..Directory::default() };
        for nic in &vpc.nics {
            let machine = index.machines.get(&nic.id).cloned();
            let known = machine.as_ref().and_then(|m| m.ports.iter().find(|p| p.nic.id == nic.id)).cloned();
            let Some(port) = known.or_else(|| port(vpc, nic)) else { continue };
            out.by_mac.insert(nic.mac, nic.ip);
            let guest = Arc::new(Guest { port, machine });
            out.guests.extend(nic.addresses().map(|(ip, _)| (ip, guest.clone())));
        }
        for record in &vpc.names {
            let name = record.name.trim_end_matches('.').to_lowercase();
            out.names.entry(name.clone()).or_default().push(record.ip);
            out.reverse.entry(record.ip).or_insert(name);
        }
        for record in &vpc.names6 {
            out.names6.entry(record.name.trim_end_matches('.').to_lowercase()).or_default().push(record.ip);
        }
        out
    }

    /// The guest with this address.
    pub fn guest(&self, ip: Ipv4Addr) -> Option<&Arc<Guest>> {
        self.guests.get(&ip)
    }

    /// The guest with this hardware address.
    pub fn guest_by_mac(&self, mac: MacAddr) -> Option<&Arc<Guest>> {
        self.guests.get(self.by_mac.get(&mac)?)
    }

    /// Every guest with an IPv6 address.
    pub fn guests_with_v6(&self) -> impl Iterator<Item = &Arc<Guest>> {
        let primary = self.by_mac.values().filter_map(|ip| self.guests.get(ip));
        primary.filter(|guest| !guest.port.nic.v6.is_empty())
    }

    /// The addresses of a full name in lower case without its last dot; none when there is no such record.
    pub fn addresses(&self, name: &str) -> Option<&[Ipv4Addr]> {
        self.names.get(name).map(Vec::as_slice)
    }

    /// The IPv6 addresses of such a name.
    pub fn addresses6(&self, name: &str) -> Option<&[Ipv6Addr]> {
        self.names6.get(name).map(Vec::as_slice)
    }

    /// The name of an address, when it has one.
    pub fn name(&self, ip: Ipv4Addr) -> Option<&str> {
        self.reverse.get(&ip).map(String::as_str)
    }

    /// Whether an address is in the VPC.
    pub fn contains(&self, ip: Ipv4Addr) -> bool {
        self.ranges.iter().any(|range| range.contains(&ip))
    }
}

impl Guest {
    /// The full host name.
    pub fn full_name(&self) -> String {
        full_name(&self.port.nic.hostname, &self.port.domain)
    }
}

/// A host name with its domain, when there is one and the name has none yet.
pub fn full_name(host: &str, domain: &str) -> String {
    if domain.is_empty() || host.contains('.') { host.to_owned() } else { format!("{host}.{domain}") }
}
