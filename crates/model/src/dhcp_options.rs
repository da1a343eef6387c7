//! What DHCP tells the machines of a VPC of names and time, and sets of it that several VPCs take up.

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use crate::{AccountId, DhcpOptionsId, Error, Millis, Tags};

/// Most name servers that a VPC's machines are told of (EC2, Alibaba Cloud and Tencent Cloud alike), and most servers of every other
/// kind (EC2).
pub const DNS_SERVERS_MAX: usize = 4;
/// Sets of an account (EC2 documents 100 in a region).
pub const DHCP_OPTION_SETS_MAX: usize = 100;
/// Longest name of a domain, and of a part of one, in characters (RFC 1035, 2.3.4).
const DOMAIN_MAX: (usize, usize) = (253, 63);

/// What DHCP tells the machines of a VPC beside their addresses. Those that run hear of a change when they ask again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DhcpOptions {
    /// The domain that names without a dot are completed with; the region's when there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
    /// Who answers questions for names, the first one first; the VPC's own server when there is none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dns_servers: Vec<Ipv4Addr>,
    /// Who tells the time (NTP).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ntp_servers: Vec<Ipv4Addr>,
    /// NetBIOS name servers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub netbios_servers: Vec<Ipv4Addr>,
    /// How NetBIOS names are looked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub netbios_node: Option<NetbiosNode>,
}

/// How a machine looks for NetBIOS names (RFC 2132, 8.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NetbiosNode {
    /// By broadcast.
    Broadcast,
    /// At a name server.
    PointToPoint,
    /// By broadcast, then at a name server.
    Mixed,
    /// At a name server, then by broadcast.
    Hybrid,
}

impl NetbiosNode {
    /// The kind with this number; none for others.
    pub fn of_number(number: u8) -> Option<NetbiosNode> {
        [NetbiosNode::Broadcast, NetbiosNode::PointToPoint, NetbiosNode::Mixed, NetbiosNode::Hybrid]
            .into_iter()
            .find(|node| node.number() == number)
    }

    /// Its number on the wire.
    pub fn number(self) -> u8 {
        match self {
            NetbiosNode::Broadcast => 1,
            NetbiosNode::PointToPoint => 2,
            NetbiosNode::Mixed => 4,
            NetbiosNode::Hybrid => 8,
        }
    }
}

impl DhcpOptions {
    /// Whether it says nothing of its own.
    pub fn is_usual(&self) -> bool {
        *self == DhcpOptions::default()
    }

    /// Checks the domain, and the servers of each kind and their number.
    ///
    /// # Errors
    /// Refuses what is no name of a domain, what is no machine's address, and more than [`DNS_SERVERS_MAX`] of a kind.
    pub fn check(&self) -> Result<(), Error> {
        let (longest, part) = DOMAIN_MAX;
        let is_label = |label: &str| {
            let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
            (1..=part).contains(&label.len()) && label.bytes().all(is_letter) && !label.starts_with('-') && !label.ends_with('-')
        };
        if let Some(domain) = self.domain.as_ref().filter(|domain| domain.len() > longest || !domain.split('.').all(is_label)) {
            let shown: String = domain.chars().take(part).collect();
            return Err(Error::invalid("DomainName", format!("{shown} is no name of a domain")));
        }
        for (parameter, servers) in
            [("DnsServers", &self.dns_servers), ("NtpServers", &self.ntp_servers), ("NetbiosServers", &self.netbios_servers)]
        {
            if servers.len() > DNS_SERVERS_MAX {
                return Err(Error::invalid(parameter, format!("there are more than {DNS_SERVERS_MAX}")));
            }
            let no_machine = |ip: &&Ipv4Addr| ip.is_unspecified() || ip.is_broadcast() || ip.is_multicast() || ip.is_loopback();
            if let Some(ip) = servers.iter().find(no_machine) {
                return Err(Error::invalid(parameter, format!("{ip} is no machine's address")));
            }
        }
        Ok(())
    }
}

/// A set of options that VPCs take up. They are told what it says now, so a change of it is told to them too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DhcpOptionSet {
    /// Its id.
    pub id: DhcpOptionsId,
    /// Owner.
    pub account: AccountId,
    /// Display name.
    pub name: String,
    /// Description.
    pub description: String,
    /// What it says.
    pub options: DhcpOptions,
    /// Whether the VPC's own name server was asked for by name, which is the same as no name server.
    #[serde(default)]
    pub names_own_resolver: bool,
    /// When it was made.
    pub created_at: Millis,
    /// Tags.
    pub tags: Tags,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_dhcp_tells_is_a_domain_and_a_few_machines() {
        let with = |domain: &str, servers: &[[u8; 4]]| {
            let servers: Vec<Ipv4Addr> = servers.iter().map(|ip| Ipv4Addr::from(*ip)).collect();
            let usual = DhcpOptions { domain: Some(domain.to_owned()), ..DhcpOptions::default() };
            let results = [
                DhcpOptions { dns_servers: servers.clone(), ..usual.clone() }.check(),
                DhcpOptions { ntp_servers: servers.clone(), ..usual.clone() }.check(),
                DhcpOptions { netbios_servers: servers, ..usual }.check(),
            ];
            let fine = results[0].is_ok();
            assert!(results.iter().all(|result| result.is_ok() == fine));
            fine
        };
        assert!(with("corp.example", &[[10, 0, 0, 2]; 4]) && with("one", &[]));
        for wrong in ["", "a..b", ".a", "a.", "-a.b", "a b", "a\n", "\u{e4}.b", &"a.".repeat(127), &"a".repeat(64)] {
            assert!(!with(wrong, &[]), "{wrong}");
        }
        assert!(!with("a", &[[10, 0, 0, 2]; 5]) && !with("a", &[[0, 0, 0, 0]]) && !with("a", &[[224, 0, 0, 1]]));
    }

    #[test]
    fn a_kind_of_node_is_known_by_its_number() {
        let known: Vec<u8> = (0..=9).filter(|number| NetbiosNode::of_number(*number).is_some()).collect();
        assert_eq!(known, [1, 2, 4, 8]);
    }
}
