//! Public addresses, translated one to one to an interface's private address.

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use crate::{AccountId, AddressId, AssociationId, BandwidthPackageId, Interface, InterfaceId, Millis, NatGatewayId, Tags};

/// Largest bandwidth of an address in megabits per second (Alibaba Cloud documents 500 for one that is paid by bandwidth).
pub const BANDWIDTH_MAX: u32 = 500;
/// Megabits per second that an address without a limit is said to have where a number is wanted.
pub const BANDWIDTH_USUAL: u32 = 100;
/// Megabits per second that come in to an address that is sold with less: Alibaba Cloud ("Public bandwidth" of ECS) and Tencent Cloud
/// ("Public Network Bandwidth Cap" of CVM) both give 10 to one of up to 10, and as much as goes out to any other.
const INWARD_LEAST: u32 = 10;

/// A public address in use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Address {
    /// Its id.
    pub id: AddressId,
    /// Owner.
    pub account: AccountId,
    /// The address, unique in the installation.
    pub ip: Ipv4Addr,
    /// Whether it belongs to the tenant or to a running instance.
    pub kind: AddressKind,
    /// The interface it is translated to.
    pub interface: Option<InterfaceId>,
    /// Which of the interface's private addresses; none means its primary one.
    #[serde(default)]
    pub private: Option<Ipv4Addr>,
    /// The tie to that interface; an automatic address has none.
    #[serde(default)]
    pub association: Option<AssociationId>,
    /// The NAT gateway that has it; it may have no interface then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nat_gateway: Option<NatGatewayId>,
    /// Display name.
    #[serde(default)]
    pub name: String,
    /// Description.
    #[serde(default)]
    pub description: String,
    /// Megabits per second that may leave from it, 1 or more; none for one without a limit, as EC2's are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bandwidth: Option<u32>,
    /// By what it is said to be paid for.
    #[serde(default, skip_serializing_if = "InternetCharge::is_usual")]
    pub charge: InternetCharge,
    /// Whether it is protected against its release.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub protected: bool,
    /// The package whose bandwidth it shares in place of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub package: Option<BandwidthPackageId>,
    /// When it was taken.
    pub created_at: Millis,
    /// Tags.
    pub tags: Tags,
}

/// By what a public address is said to be paid for. Nothing is charged: it is told again, so that a client finds what it wrote.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InternetCharge {
    /// By what leaves from it.
    #[default]
    Traffic,
    /// By its bandwidth.
    Bandwidth,
}

impl InternetCharge {
    /// Whether it is what every address has of which nothing is said.
    pub fn is_usual(&self) -> bool {
        *self == InternetCharge::default()
    }
}

/// Megabits per second that may come in where so many may go out.
pub fn inward_bandwidth(outward: u32) -> u32 {
    outward.max(INWARD_LEAST)
}

impl Address {
    /// Its bandwidth as a number.
    pub fn bandwidth_shown(&self) -> u32 {
        self.bandwidth.unwrap_or(BANDWIDTH_USUAL)
    }

    /// Ties the address to a private address of an interface, in place of the one that it had.
    pub fn associate(&mut self, interface: &Interface, private: Ipv4Addr, association: AssociationId) {
        self.interface = Some(interface.id);
        self.private = Some(private).filter(|private| *private != interface.ip);
        self.association = Some(association);
    }

    /// Whether it is translated to this private address of its interface.
    pub fn is_at(&self, interface: &Interface, private: Ipv4Addr) -> bool {
        self.interface == Some(interface.id) && self.private.unwrap_or(interface.ip) == private
    }

    /// Whether it is tied to anything.
    pub fn is_tied(&self) -> bool {
        self.interface.is_some() || self.nat_gateway.is_some()
    }

    /// Lets go of the interface, or the NAT gateway.
    pub fn dissociate(&mut self) {
        self.nat_gateway = None;
        self.interface = None;
        self.private = None;
        self.association = None;
    }
}

/// Whom a public address belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AddressKind {
    /// Given to an instance while it runs; lost when it stops.
    Automatic,
    /// Kept until it is released.
    Elastic,
}
