//! Names and fixed addresses of everything that the network half makes on a machine.
//!
//! Every name outside of a VPC's namespace starts with the cloud's prefix and a dash, so several clouds live beside each
//! other on one machine and a purge finds what is its own. Inside a namespace nothing can collide.

use std::net::{Ipv4Addr, Ipv6Addr};

use model::{InterfaceId, MacAddr, VpcId};

/// Longest name of a cloud, in bytes: `NAME-` and six hexadecimal digits make the name of a link, which has 15.
pub const CLOUD_MAX: usize = 8;

/// The end of the veth pair inside a VPC's namespace.
pub const OUTSIDE: &str = "outside";

/// The hardware address of the host's side of every tap. It is the same everywhere, so a guest's memory of its router stays
/// true when a tap is made again or the guest moves to another host.
pub const ROUTER_MAC: MacAddr = MacAddr([0xee, 0xee, 0xee, 0xee, 0xee, 0xee]);

/// Next hop from a VPC to the machine. It is on no interface: routes name it with `onlink` and a permanent neighbour says
/// where it is, so it can meet neither another cloud's nor the machine's own addresses.
pub const MACHINE_HOP: Ipv4Addr = Ipv4Addr::new(169, 254, 1, 1);
/// Next hop from the machine to a VPC, made the same way. Routing daemons of operators know it (docs/operate/public-addresses.md).
pub const VPC_HOP: Ipv4Addr = Ipv4Addr::new(169, 254, 1, 2);

/// The link between hosts inside a VPC's namespace.
pub const OVERLAY: &str = "overlay";
/// UDP port of packets between hosts, as IANA assigns it to VXLAN (RFC 7348).
pub const OVERLAY_PORT: u16 = 4789;
/// Largest packet between hosts: Ethernet's 1500 less the 50 bytes of VXLAN, outer headers included.
pub const OVERLAY_MTU: u32 = 1450;
/// Number on the wire of what machines carry for each other, public addresses: the last one, which is given to no VPC.
pub const FABRIC_VNI: u32 = 0xff_ffff;

/// The hardware address of a host in every overlay: its address between hosts, behind a prefix of our own.
pub fn host_mac(underlay: Ipv4Addr) -> MacAddr {
    let [a, b, c, d] = underlay.octets();
    MacAddr([0x02, 0xfd, a, b, c, d])
}

/// Next hop to a host in every overlay, made of the address that its machine has for guests: link-local, apart from every
/// address that a namespace has itself, whatever ranges tenants choose.
pub fn host_hop(machine: Ipv4Addr) -> Ipv4Addr {
    const NUMBER: u32 = (1 << 14) - 1;
    Ipv4Addr::from_bits(Ipv4Addr::new(169, 254, 64, 0).to_bits() | (machine.to_bits() & NUMBER))
}

/// Next hop of IPv6 from a VPC to the machine, made as in IPv4.
pub const MACHINE_HOP_V6: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 2);
/// Next hop of IPv6 from the machine to a VPC.
pub const VPC_HOP_V6: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 3);

/// Next hop of IPv6 to a peered VPC, on each link to one.
pub const PEER_HOP_V6: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 4);

/// The router's address on each link of a VPC with IPv6.
pub const ROUTER_LOCAL: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1);

/// The link-local address that is made of a hardware address (RFC 4291, appendix A).
pub fn link_local(mac: MacAddr) -> Ipv6Addr {
    let [a, b, c, d, e, f] = mac.0;
    let pair = |high, low| u16::from_be_bytes([high, low]);
    Ipv6Addr::new(0xfe80, 0, 0, 0, pair(a ^ 2, b), pair(c, 0xff), pair(0xfe, d), pair(e, f))
}

/// Next hop of IPv6 to a host in every overlay: its address between hosts, in a part of the link-local addresses that no hardware
/// address makes.
pub fn host_hop_v6(underlay: Ipv4Addr) -> Ipv6Addr {
    let [a, b, c, d] = underlay.octets();
    Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0xfd, u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]))
}

/// Next hop to a peered VPC, made the same way, on each link to one.
pub const PEER_HOP: Ipv4Addr = Ipv4Addr::new(169, 254, 1, 3);
/// What the names of links to peered VPCs begin with; no other link of a VPC's namespace does.
pub const PEERS: &str = "peer-";

/// The link to a peered VPC, by its number on the wire.
pub fn peer(vni: u32) -> String {
    format!("{PEERS}{:06x}", vni & 0xff_ffff)
}

/// The hardware address of a VPC's end of a link to a peered one.
pub fn peer_mac(own: u32, other: u32) -> MacAddr {
    let ([_, a, b, c], [_, _, d, e]) = (own.to_be_bytes(), other.to_be_bytes());
    MacAddr([0x06, a, b, c, d, e])
}

/// EC2's metadata address.
pub const METADATA_EC2: Ipv4Addr = Ipv4Addr::new(169, 254, 169, 254);
/// EC2's address of the resolver, beside each subnet's gateway.
pub const RESOLVER_EC2: Ipv4Addr = Ipv4Addr::new(169, 254, 169, 253);
/// Alibaba Cloud's metadata address.
pub const METADATA_ALIYUN: Ipv4Addr = Ipv4Addr::new(100, 100, 100, 200);
/// Tencent Cloud's metadata address.
pub const METADATA_TENCENT: Ipv4Addr = Ipv4Addr::new(169, 254, 0, 23);

/// Addresses that every VPC's namespace has besides its gateways.
pub const FIXED: [Ipv4Addr; 4] = [METADATA_EC2, RESOLVER_EC2, METADATA_ALIYUN, METADATA_TENCENT];

/// The names of one cloud.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    cloud: String,
}

/// The text cannot be the name of a cloud.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a cloud's name on a machine is 1 to {CLOUD_MAX} of a-z and 0-9 and starts with a letter, {0:?} does not")]
pub struct BadName(pub String);

impl Names {
    /// Checks the cloud's name: 1 to [`CLOUD_MAX`] lower-case letters and digits, a letter first.
    pub fn new(cloud: &str) -> Result<Names, BadName> {
        let plain = cloud.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        if !plain || cloud.len() > CLOUD_MAX || !cloud.starts_with(|c: char| c.is_ascii_lowercase()) {
            return Err(BadName(cloud.to_owned()));
        }
        Ok(Names { cloud: cloud.to_owned() })
    }

    /// What every name of the cloud starts with.
    pub fn prefix(&self) -> String {
        format!("{}-", self.cloud)
    }

    /// The namespace of a VPC.
    pub fn namespace(&self, vpc: VpcId) -> String {
        format!("{}-{vpc}", self.cloud)
    }

    /// The VPC that a namespace of this cloud is for.
    pub fn vpc_of(&self, namespace: &str) -> Option<VpcId> {
        namespace.strip_prefix(&self.prefix())?.parse().ok()
    }

    /// The machine's end of the veth pair to a VPC.
    pub fn veth(&self, vni: u32) -> String {
        format!("{}-{:06x}", self.cloud, vni & 0xff_ffff)
    }

    /// The machine's end of what machines carry for each other.
    pub fn fabric(&self) -> String {
        format!("{}-fabric", self.cloud)
    }

    /// The nftables table of a VPC, in its namespace.
    pub fn vpc_table(&self) -> String {
        format!("{}-vpc", self.cloud)
    }

    /// The nftables table in the machine's own namespace.
    pub fn machine_table(&self) -> String {
        format!("{}-machine", self.cloud)
    }
}

/// The tap of an interface: `t` and its id in base 36, because a link's name has only 15 bytes.
pub fn tap(nic: InterfaceId) -> String {
    let mut digits = Vec::new();
    let mut rest = nic.as_u64();
    loop {
        digits.push(char::from_digit((rest % 36) as u32, 36).expect("a remainder of 36 is a digit in base 36"));
        rest /= 36;
        if rest == 0 {
            break;
        }
    }
    digits.push('t');
    digits.iter().rev().collect()
}

/// The interface of a tap.
pub fn nic_of(tap: &str) -> Option<InterfaceId> {
    let digits = tap.strip_prefix('t')?;
    u64::from_str_radix(digits, 36).ok().map(InterfaceId::from_u64).filter(|id| self::tap(*id) == tap)
}

/// Hardware addresses of the machine's end and the VPC's end of a veth pair.
pub fn veth_macs(vni: u32) -> (MacAddr, MacAddr) {
    let bits = u64::from(vni) << 8;
    (MacAddr::local(0xfe_0000_0000 | bits), MacAddr::local(0xfe_0000_0001 | bits))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tap_name_fits_a_link_and_names_its_interface() {
        for value in [0, 35, 36, 0x0192_d3f4_a5b6_c7d8, u64::MAX] {
            let id = InterfaceId::from_u64(value);
            assert!(tap(id).len() <= 15, "{}", tap(id));
            assert_eq!(nic_of(&tap(id)), Some(id));
        }
        assert_eq!(nic_of("t"), None);
        assert_eq!(nic_of("t00"), None);
        assert_eq!(nic_of("eth0"), None);
    }

    #[test]
    fn hops_to_hosts_are_apart_from_each_other_and_from_what_a_namespace_has() {
        let first = Ipv4Addr::new(100, 127, 0, 1).to_bits();
        let hops: std::collections::BTreeSet<Ipv4Addr> = (0..1 << 14).map(|n| host_hop(Ipv4Addr::from_bits(first + n))).collect();
        assert_eq!(hops.len(), 1 << 14);
        assert!(FIXED.iter().chain([&MACHINE_HOP, &VPC_HOP]).all(|own| !hops.contains(own)));
    }

    #[test]
    fn a_cloud_name_is_short_and_plain() {
        for good in ["p", "pileus01"] {
            assert_eq!(Names::new(good).map(|n| n.veth(0xff_ffff).len() <= 15 && n.fabric().len() <= 15), Ok(true));
        }
        for bad in ["", "1a", "a-b", "A", "ninechars"] {
            assert_eq!(Names::new(bad), Err(BadName(bad.to_owned())));
        }
    }
}
