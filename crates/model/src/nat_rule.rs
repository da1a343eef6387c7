//! The rules of a NAT gateway: with which of its addresses a source leaves, and where a port of an address leads.
//!
//! ```text
//!   out:  source ─▶ the narrowest rule that holds it ─▶ one of the rule's addresses, always the same for the source
//!                   none ─▶ all of the gateway's addresses (NatServes::Everyone), or the packet is lost (Listed)
//!   in:   (address, protocol, port) ─▶ (private address, port); no two forwards of a gateway begin at one place
//! ```
//!
//! An address that is forwarded as a whole has no other forward, and what it leads to leaves with it too.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

use crate::{AddressId, Error, Millis, NatForwardId, NatGateway, NatServes, NatSourceId, Noun, Subnet, SubnetId, Vpc};

/// Ports that one forward may lead on, which bounds what a host must hold for it.
pub const FORWARD_PORTS_MAX: u16 = 300;

/// A rule about who leaves with which addresses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NatSource {
    /// Its id.
    pub id: NatSourceId,
    /// Packets from these private addresses.
    pub source: Ipv4Net,
    /// The subnet that the rule was made for, if it was made for one.
    pub subnet: Option<SubnetId>,
    /// The addresses of the gateway that they leave with, one at least.
    pub addresses: Vec<AddressId>,
    /// Display name, or description where the vendor has only that.
    pub name: String,
    /// When it was made.
    pub created_at: Millis,
}

/// A rule about where a port leads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NatForward {
    /// Its id.
    pub id: NatForwardId,
    /// The address of the gateway.
    pub address: AddressId,
    /// What of it is forwarded.
    pub what: Forwarded,
    /// The private address.
    pub private: Ipv4Addr,
    /// Display name, or description where the vendor has only that.
    pub name: String,
    /// When it was made.
    pub created_at: Millis,
}

/// What of an address is forwarded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Forwarded {
    /// Every packet.
    Everything,
    /// As many ports in a row as `count`.
    Ports {
        /// TCP or UDP.
        protocol: ForwardProtocol,
        /// The first port outside.
        outside: u16,
        /// The first port inside.
        inside: u16,
        /// How many.
        count: u16,
    },
}

/// A protocol with ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ForwardProtocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

impl ForwardProtocol {
    /// IANA's number.
    pub const fn number(self) -> u8 {
        match self {
            ForwardProtocol::Tcp => 6,
            ForwardProtocol::Udp => 17,
        }
    }
}

impl Forwarded {
    /// Some ports in a row.
    ///
    /// # Errors
    ///
    /// Port 0, ranges that end before they begin or hold different numbers of ports, and more than [`FORWARD_PORTS_MAX`].
    pub fn ports(protocol: ForwardProtocol, outside: (u16, u16), inside: (u16, u16)) -> Result<Forwarded, Error> {
        let reversed = |(from, to): (u16, u16)| from == 0 || to < from;
        if reversed(outside) {
            return Err(Error::invalid("ExternalPort", "must be 1 to 65535, a range in ascending order"));
        }
        if reversed(inside) || inside.1 - inside.0 != outside.1 - outside.0 {
            return Err(Error::invalid("InternalPort", "must be 1 to 65535, and as many ports as outside"));
        }
        let more = outside.1 - outside.0;
        if more >= FORWARD_PORTS_MAX {
            return Err(Error::invalid("ExternalPort", format!("may hold {FORWARD_PORTS_MAX} ports at most")));
        }
        Ok(Forwarded::Ports { protocol, outside: outside.0, inside: inside.0, count: more + 1 })
    }

    /// Whether two forwards of one address would begin at the same place.
    pub fn meets(self, other: Forwarded) -> bool {
        match (self, other) {
            (Forwarded::Everything, _) | (_, Forwarded::Everything) => true,
            (
                Forwarded::Ports { protocol, outside, count, .. },
                Forwarded::Ports { protocol: theirs, outside: other, count: width, .. },
            ) => {
                let end = |from: u16, count: u16| u32::from(from) + u32::from(count);
                protocol == theirs && u32::from(outside) < end(other, width) && u32::from(other) < end(outside, count)
            }
        }
    }
}

impl NatGateway {
    /// Checks a rule about sources against the others and the gateway's addresses.
    ///
    /// # Errors
    ///
    /// [`Error::Duplicate`] for a source that has a rule, [`Error::InvalidParameter`] for addresses that are not the gateway's or
    /// wholly forwarded, and for none.
    pub fn check_source(&self, new: &NatSource) -> Result<(), Error> {
        if new.addresses.is_empty() {
            return Err(Error::MissingParameter { name: "SnatIp" });
        }
        if let Some(stray) = new.addresses.iter().find(|address| !self.addresses.contains(address)) {
            return Err(Error::invalid("SnatIp", format!("{stray} is no address of {}", self.id)));
        }
        let is_whole = |forward: &&NatForward| forward.what == Forwarded::Everything && new.addresses.contains(&forward.address);
        if let Some(forward) = self.forwards.iter().find(is_whole) {
            return Err(Error::InUse { noun: Noun::NatAddress, id: forward.address.to_string(), by: vec![forward.id.to_string()] });
        }
        if self.sources.iter().any(|other| other.id != new.id && other.source == new.source) {
            return Err(Error::Duplicate { noun: Noun::NatSource, name: new.source.to_string() });
        }
        Ok(())
    }

    /// Checks a forward against the others and the gateway's addresses.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidParameter`] for an address that is not the gateway's and a private one outside the VPC or reserved there,
    /// [`Error::Duplicate`] where a port leads somewhere already, [`Error::InUse`] where sources leave with an address that is to be
    /// forwarded as a whole.
    pub fn check_forward(&self, new: &NatForward, vpc: &Vpc, subnets: &[Subnet]) -> Result<(), Error> {
        if !self.addresses.contains(&new.address) {
            return Err(Error::invalid("ExternalIp", format!("{} is no address of {}", new.address, self.id)));
        }
        let is_reserved = subnets.iter().any(|subnet| subnet.range.contains(&new.private) && !subnet.allows(new.private));
        if !vpc.contains(new.private) || is_reserved || self.private() == Some(new.private) {
            return Err(Error::invalid("InternalIp", format!("{} is no address for a machine in {}", new.private, vpc.id)));
        }
        let mut others = self.forwards.iter().filter(|other| other.id != new.id);
        let whole = |other: &NatForward| other.what == Forwarded::Everything && new.what == Forwarded::Everything;
        let clash = others
            .find(|other| (other.address == new.address && other.what.meets(new.what)) || (whole(other) && other.private == new.private));
        if let Some(other) = clash {
            return Err(Error::Duplicate { noun: Noun::NatForward, name: other.id.to_string() });
        }
        let leaving = self.sources.iter().find(|source| new.what == Forwarded::Everything && source.addresses.contains(&new.address));
        match leaving {
            Some(source) => Err(Error::InUse { noun: Noun::NatAddress, id: new.address.to_string(), by: vec![source.id.to_string()] }),
            None => Ok(()),
        }
    }

    /// The rules that use an address, at most ten.
    pub fn users_of(&self, address: AddressId) -> Vec<String> {
        let sources = self.sources.iter().filter(|source| source.addresses.contains(&address)).map(|source| source.id.to_string());
        let forwards = self.forwards.iter().filter(|forward| forward.address == address).map(|forward| forward.id.to_string());
        sources.chain(forwards).take(10).collect()
    }

    /// The addresses that packets of a subnet leave with: ranges within the subnet, of which the narrowest decides, each with the
    /// addresses that its sources take turns with.
    pub fn exits_of(&self, subnet: Ipv4Net) -> Vec<(Ipv4Net, Vec<AddressId>)> {
        let over = self.sources.iter().filter(|rule| rule.source.contains(&subnet)).max_by_key(|rule| rule.source.prefix_len());
        let whole = match (over, self.serves) {
            (Some(rule), _) => rule.addresses.clone(),
            (None, NatServes::Everyone) => self.spare(),
            (None, NatServes::Listed) => Vec::new(),
        };
        let within = self.sources.iter().filter(|rule| rule.source != subnet && subnet.contains(&rule.source));
        let mut out = vec![(subnet, whole)];
        out.extend(within.map(|rule| (rule.source, rule.addresses.clone())));
        let wholly = |forward: &&NatForward| forward.what == Forwarded::Everything && subnet.contains(&forward.private);
        for forward in self.forwards.iter().filter(wholly) {
            let alone = Ipv4Net::from(forward.private);
            out.retain(|(range, _)| *range != alone);
            out.push((alone, vec![forward.address]));
        }
        out.retain(|(_, addresses)| !addresses.is_empty());
        out
    }

    /// The addresses that are not forwarded as a whole.
    fn spare(&self) -> Vec<AddressId> {
        let is_whole = |address: &AddressId| self.forwards.iter().any(|f| f.address == *address && f.what == Forwarded::Everything);
        self.addresses.iter().copied().filter(|address| !is_whole(address)).collect()
    }
}

/// Which of several addresses a source leaves with: always the same, and as many sources for each.
pub fn turn(source: Ipv4Addr, addresses: usize) -> usize {
    if addresses == 0 { 0 } else { source.to_bits() as usize % addresses }
}

#[cfg(test)]
#[path = "nat_rule_tests.rs"]
mod tests;
