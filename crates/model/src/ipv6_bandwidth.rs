//! Internet bandwidth of addresses of IPv6: what has an address speak with the world by a gateway that serves only those that have some.
//!
//! ```text
//!   none ── allocate ─▶ it calls and is called ── rule ─▶ it calls, and only answers come in ── no rule ─▶ it calls and is called
//! ```
//!
//! It goes with its address: an address that an interface loses has none afterwards.

use std::net::Ipv6Addr;

use serde::{Deserialize, Serialize};

use crate::{AccountId, EgressOnlyGatewayId, EgressOnlyRuleId, Error, Ipv6BandwidthId, Millis, VpcId};

/// Internet bandwidth of one address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ipv6Bandwidth {
    /// Its id.
    pub id: Ipv6BandwidthId,
    /// Owner.
    pub account: AccountId,
    /// The gateway that its packets leave by.
    pub gateway: EgressOnlyGatewayId,
    /// The VPC of both.
    pub vpc: VpcId,
    /// The address, which has no other.
    pub ip: Ipv6Addr,
    /// Megabits (10^6) per second that were asked for. Kept and shown; nothing holds the address to it.
    pub mbit: u32,
    /// What would be paid for.
    pub charge: Ipv6Charge,
    /// The rule by which only the address opens connections, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<EgressOnlyRule>,
    /// When it was made.
    pub created_at: Millis,
}

/// A rule by which nobody outside opens a connection to an address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EgressOnlyRule {
    /// Its id.
    pub id: EgressOnlyRuleId,
    /// Display name.
    pub name: String,
    /// Description.
    pub description: String,
}

/// What is paid for, of an address's bandwidth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ipv6Charge {
    /// The bandwidth.
    Bandwidth,
    /// What passes.
    Traffic,
}

impl Ipv6Charge {
    /// The most megabits per second that an address can have (VPC documents 2,000 and 1,000: "Limits on Internet bandwidth").
    pub const fn max_mbit(self) -> u32 {
        match self {
            Ipv6Charge::Bandwidth => 2000,
            Ipv6Charge::Traffic => 1000,
        }
    }
}

/// Whose packets a gateway that is an address's way out takes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ipv6Serves {
    /// Those of every address that a route sends to it; but who is outside calls only addresses with bandwidth (EC2).
    #[default]
    Everyone,
    /// Only those of addresses with bandwidth (Alibaba Cloud).
    Listed,
}

impl Ipv6Bandwidth {
    /// Whether who is outside may open a connection to the address.
    pub const fn is_called(&self) -> bool {
        self.rule.is_none()
    }

    /// Refuses a bandwidth that no address can have.
    pub fn check(charge: Ipv6Charge, mbit: u32) -> Result<(), Error> {
        let most = charge.max_mbit();
        if (1..=most).contains(&mbit) {
            return Ok(());
        }
        Err(Error::invalid("Bandwidth", format!("{mbit} is not between 1 and {most}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bandwidth_has_a_limit_that_depends_on_what_is_paid_for() {
        for (charge, mbit, is_right) in [
            (Ipv6Charge::Bandwidth, 0, false),
            (Ipv6Charge::Bandwidth, 1, true),
            (Ipv6Charge::Bandwidth, 2000, true),
            (Ipv6Charge::Bandwidth, 2001, false),
            (Ipv6Charge::Traffic, 1000, true),
            (Ipv6Charge::Traffic, 1001, false),
        ] {
            assert_eq!(Ipv6Bandwidth::check(charge, mbit).is_ok(), is_right, "{charge:?} {mbit}");
        }
    }
}
