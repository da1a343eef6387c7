//! The part of a VPC that one host must know: its own members, where the others are, and what may pass.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr};

use ipnet::{Ipv4Net, Ipv6Net};
pub use model::{AclEntry, DhcpOptions, Direction, Protocol as ProtocolMatch, Verdict};
use model::{InstanceId, InterfaceId, MacAddr, OpenConnections, SecurityGroupId, SubnetId, VpcId};
use serde::{Deserialize, Serialize};

use crate::{LoggedNic, RateSpec};

/// A VPC with members on this host, or one that the members of others reach from here: peered with theirs, or with a NAT gateway
/// whose home is here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VpcSpec {
    /// The VPC.
    pub id: VpcId,
    /// Number of the VPC on the wire between hosts, 1 to 2^24-1.
    pub vni: u32,
    /// Address ranges of the VPC.
    pub ranges: Vec<Ipv4Net>,
    /// Subnets of the VPC.
    pub subnets: Vec<SubnetSpec>,
    /// Interfaces on this host.
    pub nics: Vec<NicSpec>,
    /// Interfaces on other hosts.
    pub remote: Vec<RemoteNic>,
    /// Security groups that interfaces on this host are in.
    pub groups: Vec<GroupSpec>,
    /// Private names answered inside the VPC, without the trailing dot.
    pub names: Vec<NameRecord>,
    /// Likewise, with IPv6 addresses.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub names6: Vec<NameRecord6>,
    /// Domain that names without a dot are completed with.
    pub domain: String,
    /// Whether the host answers questions for names inside the VPC.
    #[serde(default = "yes")]
    pub resolver: bool,
    /// What DHCP tells of names beside that.
    #[serde(default, skip_serializing_if = "DhcpOptions::is_usual")]
    pub dhcp: DhcpOptions,
    /// Public addresses that several interfaces share on their way out. Of those for a source the longest prefix decides.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shared: Vec<SharedSpec>,
    /// Ports of public addresses that lead to ports of interfaces.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub forwards: Vec<ForwardSpec>,
    /// Public addresses that lead to one private address as a whole.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mapped: Vec<MappedSpec>,
    /// The bandwidths of the public addresses that are no interface's own; those without one here have no limit.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rates: Vec<RateSpec>,
    /// Other hosts that translate for NAT gateways of the VPC.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub homes: Vec<NatHome>,
    /// VPCs of this document that may exchange packets with this one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub peers: Vec<PeerSpec>,
    /// What makes it a VPC of both versions of IP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub v6: Option<Ipv6Spec>,
    /// Interfaces here whose flows are told of.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub logged: Vec<LoggedNic>,
    /// The groups that do not end open connections when a rule goes; of those that are not here they end at once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kept: Vec<KeptSpec>,
}

/// The part of a VPC that is IPv6. The addresses of interfaces here are with them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ipv6Spec {
    /// Its range. The first address after the range's own is the router's.
    pub range: Ipv6Net,
    /// Addresses of interfaces on other hosts.
    pub remote: Vec<RemoteIpv6>,
    /// Addresses of all members of groups that rules name, here and elsewhere.
    pub members: BTreeMap<SecurityGroupId, Vec<Ipv6Addr>>,
}

impl Ipv6Spec {
    /// The router's address that is not local to a link.
    pub fn router(&self) -> Ipv6Addr {
        Ipv6Addr::from_bits(self.range.network().to_bits() + 1)
    }
}

/// An IPv6 address of the same VPC on another host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemoteIpv6 {
    /// The address.
    pub ip: Ipv6Addr,
    /// Underlay address of the host that has it.
    pub host: Ipv4Addr,
}

/// A VPC that is peered with another. Both are in the document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerSpec {
    /// The VPC.
    pub vpc: VpcId,
    /// Its number on the wire between hosts, which names the link to it.
    pub vni: u32,
    /// Addresses of its interfaces on this host: the only sources that may come from there.
    pub addresses: Vec<Ipv4Addr>,
    /// Its interfaces on other hosts, which pass their packets on in the overlay of the VPC that is spoken to; none where that has no
    /// member on this host.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remote: Vec<RemoteNic>,
    /// The same of IPv6; none where one of the two has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub v6: Option<Ipv6PeerSpec>,
}

/// The IPv6 half of a VPC that is peered with another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ipv6PeerSpec {
    /// Addresses of its interfaces on this host.
    pub addresses: Vec<Ipv6Addr>,
    /// Those of its interfaces on other hosts, as in IPv4.
    pub remote: Vec<RemoteIpv6>,
}

/// Another host that translates for NAT gateways.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NatHome {
    /// Its underlay address.
    pub host: Ipv4Addr,
    /// Its number, 1 to 16,384: the same for a host as long as it is one, and no other's.
    pub number: u16,
    /// The public addresses that packets are sent there for.
    pub shared: Vec<SharedSpec>,
}

/// A public address that packets of several interfaces leave with. Where several are for the same source and destinations, each
/// source keeps to one of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SharedSpec {
    /// Packets from these private addresses.
    pub source: Ipv4Net,
    /// Packets to these; no two ranges of one source overlap.
    pub to: Ipv4Net,
    /// What they come from outside.
    pub public: Ipv4Addr,
    /// Whether an interface with a public address of its own uses that instead.
    pub gives_way: bool,
}

/// A port of a public address that leads to a port of an interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForwardSpec {
    /// The public address.
    pub public: Ipv4Addr,
    /// 6 for TCP, 17 for UDP.
    pub protocol: u8,
    /// The port outside.
    pub public_port: u16,
    /// The private address.
    pub private: Ipv4Addr,
    /// The port inside.
    pub private_port: u16,
    /// How many ports in a row lead on, each to the one as far from the first inside.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub count: u16,
}

/// A public address every packet to which goes to a private one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MappedSpec {
    /// The public address.
    pub public: Ipv4Addr,
    /// The private address.
    pub private: Ipv4Addr,
}

/// A subnet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubnetSpec {
    /// The subnet.
    pub id: SubnetId,
    /// Its range.
    pub range: Ipv4Net,
    /// The address that the host answers as router, DHCP and DNS server: the first of the range after the network's own.
    pub gateway: Ipv4Addr,
    /// The public addresses that machines of the subnet may send to. Without any, a public address of theirs is heard by them
    /// and never answers.
    #[serde(default = "everywhere")]
    pub ways_out: Vec<Ipv4Net>,
    /// What may cross its border; none lets everything pass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acl: Option<Vec<AclEntry>>,
    /// Where guests of the VPC send the subnet's packets on; no two ranges overlap.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hops: Vec<HopSpec>,
    /// Its IPv6 half, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub v6: Option<Ipv6SubnetSpec>,
}

/// The IPv6 half of a subnet: where its packets go beside the VPC's own range. No two ranges overlap.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ipv6SubnetSpec {
    /// Its range.
    pub range: Ipv6Net,
    /// Addresses outside of the VPC that its machines reach, and that reach them.
    pub out: Vec<Ipv6Net>,
    /// Likewise, but only its machines open connections.
    pub out_only: Vec<Ipv6Net>,
    /// Ranges outside that only some of its addresses reach, or are reached from; a range may be one of `out_only` too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub listed: Vec<Ipv6Listed>,
    /// Ways through guests and to peered VPCs.
    pub hops: Vec<Ipv6Hop>,
}

impl Ipv6SubnetSpec {
    /// Whether packets of the subnet leave the VPC.
    pub fn leads_out(&self) -> bool {
        !self.out.is_empty() || !self.out_only.is_empty() || !self.listed.is_empty()
    }
}

/// Addresses outside that some addresses of a subnet speak with, on any host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ipv6Listed {
    /// The addresses outside.
    pub to: Ipv6Net,
    /// Those that reach them and are reached from there.
    pub called: Vec<Ipv6Addr>,
    /// Those that reach them, and open the connections themselves.
    pub calling: Vec<Ipv6Addr>,
}

/// A way of IPv6 through a guest, or into a peered VPC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ipv6Hop {
    /// Packets to these addresses.
    pub to: Ipv6Net,
    /// An address of the interface that they go to, here or elsewhere, whose guest may forward; none loses them.
    pub via: Option<Ipv6Addr>,
    /// The peered VPC that they go to in place of an interface.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer: Option<VpcId>,
}

/// A way through a guest, or into a peered VPC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HopSpec {
    /// Packets to these addresses.
    pub to: Ipv4Net,
    /// The primary private address of the interface that they go to, here or elsewhere, whose guest may forward; none loses them.
    pub via: Option<Ipv4Addr>,
    /// The peered VPC that they go to in place of an interface.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer: Option<VpcId>,
}

fn one() -> u16 {
    1
}

fn is_one(count: &u16) -> bool {
    *count == 1
}

/// What documents of earlier versions meant.
fn yes() -> bool {
    true
}

/// What documents of earlier versions meant.
fn everywhere() -> Vec<Ipv4Net> {
    vec![Ipv4Net::default()]
}

/// An interface of a machine on this host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NicSpec {
    /// The interface.
    pub id: InterfaceId,
    /// The instance that it is plugged into.
    pub vm: InstanceId,
    /// Its subnet.
    pub subnet: SubnetId,
    /// Its hardware address: the only source that may leave the tap.
    pub mac: MacAddr,
    /// Its primary private address.
    pub ip: Ipv4Addr,
    /// Host name that DHCP tells the guest.
    pub hostname: String,
    /// Which addresses the name of the instance's id is answered with.
    #[serde(default, skip_serializing_if = "IdRecords::is_none")]
    pub id_records: IdRecords,
    /// Public address translated one to one, when there is one.
    pub public_ip: Option<Ipv4Addr>,
    /// Further private addresses.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secondary: Vec<SecondaryAddress>,
    /// Security groups it is in, 1 to 5.
    pub groups: Vec<SecurityGroupId>,
    /// Whether its guest may send and take packets of other addresses.
    #[serde(default)]
    pub forwards: bool,
    /// The bandwidths of its public addresses; those without one here have no limit.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rates: Vec<RateSpec>,
    /// IPv6 addresses.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub v6: Vec<Ipv6Addr>,
}

/// Addresses that the name of an instance's id has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct IdRecords {
    /// The primary private address.
    pub a: bool,
    /// The IPv6 addresses.
    pub aaaa: bool,
}

impl IdRecords {
    /// Whether the name is not answered.
    pub fn is_none(&self) -> bool {
        *self == IdRecords::default()
    }
}

/// A further private address of an interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecondaryAddress {
    /// The address.
    pub ip: Ipv4Addr,
    /// Public address translated one to one to it, when there is one.
    pub public_ip: Option<Ipv4Addr>,
}

impl NicSpec {
    /// Its private addresses, the primary one first, each with its public address.
    pub fn addresses(&self) -> impl Iterator<Item = (Ipv4Addr, Option<Ipv4Addr>)> {
        std::iter::once((self.ip, self.public_ip)).chain(self.secondary.iter().map(|further| (further.ip, further.public_ip)))
    }

    /// Whether a public address is translated to one of its own.
    pub fn is_public(&self) -> bool {
        self.addresses().any(|(_, public)| public.is_some())
    }
}

/// An interface of the same VPC on another host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemoteNic {
    /// Its private address.
    pub ip: Ipv4Addr,
    /// Underlay address of the host that has it.
    pub host: Ipv4Addr,
}

/// The other hosts of the cloud, and what the machine's own namespace must know to reach what is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fabric {
    /// This host's address for traffic between hosts.
    pub underlay: Ipv4Addr,
    /// The address by which guests on other hosts know this machine.
    pub machine: Ipv4Addr,
    /// The other hosts; packets from anybody else are not taken.
    pub hosts: Vec<Neighbour>,
    /// Public addresses of machines on other hosts.
    pub public: Vec<RemoteNic>,
}

/// Another host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Neighbour {
    /// Its address for traffic between hosts.
    pub underlay: Ipv4Addr,
    /// The address by which guests here know its machine.
    pub machine: Ipv4Addr,
}

/// A private name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NameRecord {
    /// Full name without the trailing dot, lower case.
    pub name: String,
    /// The address.
    pub ip: Ipv4Addr,
}

/// A name inside a VPC that has an IPv6 address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NameRecord6 {
    /// Full name without the trailing dot, lower case.
    pub name: String,
    /// The address.
    pub ip: Ipv6Addr,
}

/// A security group as a host enforces it. Rules are allow rules; what no rule allows is dropped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupSpec {
    /// The group.
    pub id: SecurityGroupId,
    /// Rules in the order of their priority (1 first); within one priority a drop wins.
    pub rules: Vec<RuleSpec>,
    /// Private addresses of all members in the VPC, here and elsewhere; read by rules that name this group as a peer.
    pub members: Vec<Ipv4Addr>,
}

/// What a group does about open connections when a rule goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptSpec {
    /// The group.
    pub group: SecurityGroupId,
    /// What it does. An interface in several groups does what keeps least.
    pub connections: OpenConnections,
}

/// The other end of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "peer")]
pub enum Peer {
    /// Addresses in a range.
    Range {
        /// The range, without host bits.
        range: Ipv4Net,
    },
    /// IPv6 addresses in a range.
    Range6 {
        /// The range, without host bits.
        range: Ipv6Net,
    },
    /// Members of a group of the same VPC.
    Group {
        /// The group.
        group: SecurityGroupId,
    },
}

/// One rule of a security group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleSpec {
    /// Whether it looks at packets to or from the members.
    pub direction: Direction,
    /// What happens to a packet that matches.
    pub verdict: Verdict,
    /// 1 (first) to 100.
    pub priority: u16,
    /// Protocols and ports.
    pub protocol: ProtocolMatch,
    /// The other end.
    pub peer: Peer,
}
