//! Public addresses, translated one to one to an interface's private address.

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use crate::{AccountId, AddressId, InterfaceId, Millis, Tags};

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
    /// When it was taken.
    pub created_at: Millis,
    /// Tags.
    pub tags: Tags,
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
