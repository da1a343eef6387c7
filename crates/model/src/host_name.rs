//! Host names that the cloud makes for its instances, and which of them their VPC answers: `ip-10-0-0-5` of the private address, or
//! `i-0123456789abcdef0` of the instance's id.
//!
//! Source: EC2 user guide, "EC2 instance hostnames and domains": the name of the address is answered always; the name of the id when
//! its records are asked for, whichever of the two the guest has.

use serde::{Deserialize, Serialize};

/// What a host name is made of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HostNameKind {
    /// The private address.
    #[default]
    Address,
    /// The instance's id.
    Id,
}

impl HostNameKind {
    /// Its name in filters.
    pub const fn word(self) -> &'static str {
        match self {
            HostNameKind::Address => "address",
            HostNameKind::Id => "id",
        }
    }
}

/// How an instance is named.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct HostNameOptions {
    /// What its host name is made of.
    pub kind: HostNameKind,
    /// Whether the name of its id is answered with its private address.
    pub a_record: bool,
    /// Whether the name of its id is answered with the IPv6 addresses of its primary interface.
    pub aaaa_record: bool,
}

impl HostNameOptions {
    /// Whether they are those of which nothing is said.
    pub fn is_usual(&self) -> bool {
        *self == HostNameOptions::default()
    }
}

/// What is said of how instances are named.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct HostNameSettings {
    /// What host names are made of.
    pub kind: Option<HostNameKind>,
    /// Whether the name of the id is answered with the private address.
    pub a_record: Option<bool>,
    /// Whether it is answered with IPv6 addresses.
    pub aaaa_record: Option<bool>,
}

impl HostNameSettings {
    /// Whether nothing is said.
    pub fn is_none(&self) -> bool {
        *self == HostNameSettings::default()
    }

    /// The options where these change others.
    pub fn over(&self, base: HostNameOptions) -> HostNameOptions {
        HostNameOptions {
            kind: self.kind.unwrap_or(base.kind),
            a_record: self.a_record.unwrap_or(base.a_record),
            aaaa_record: self.aaaa_record.unwrap_or(base.aaaa_record),
        }
    }

    /// What these say, and where they say nothing what `base` says.
    pub fn or(self, base: HostNameSettings) -> HostNameSettings {
        HostNameSettings {
            kind: self.kind.or(base.kind),
            a_record: self.a_record.or(base.a_record),
            aaaa_record: self.aaaa_record.or(base.aaaa_record),
        }
    }
}
