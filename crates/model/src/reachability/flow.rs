//! The packet that opens a connection, as rules and entries see it: of either version of IP, without its ends.

use serde::{Deserialize, Serialize};

use crate::Protocol;

/// The packet that opens a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "protocol")]
pub enum Flow {
    /// TCP.
    Tcp {
        /// Destination port.
        port: u16,
    },
    /// UDP.
    Udp {
        /// Destination port.
        port: u16,
    },
    /// ICMP.
    Icmp {
        /// Type.
        kind: u8,
        /// Code.
        code: u8,
    },
    /// ICMP of IPv6.
    Icmp6 {
        /// Type.
        kind: u8,
        /// Code.
        code: u8,
    },
    /// Another protocol by its IANA number.
    Other {
        /// The number.
        number: u8,
    },
}

impl Flow {
    /// The protocol's IANA number.
    pub fn number(self) -> u8 {
        match self {
            Flow::Tcp { port: _ } => 6,
            Flow::Udp { port: _ } => 17,
            Flow::Icmp { kind: _, code: _ } => 1,
            Flow::Icmp6 { kind: _, code: _ } => 58,
            Flow::Other { number } => number,
        }
    }

    /// The answer, to this port of who asked.
    pub(super) fn answer(self, port: u16) -> Flow {
        const ECHO_REQUEST: u8 = 8;
        const ECHO_REQUEST_6: u8 = 128;
        match self {
            Flow::Tcp { port: _ } => Flow::Tcp { port },
            Flow::Udp { port: _ } => Flow::Udp { port },
            Flow::Icmp { kind: ECHO_REQUEST, code } => Flow::Icmp { kind: 0, code },
            Flow::Icmp6 { kind: ECHO_REQUEST_6, code } => Flow::Icmp6 { kind: 129, code },
            Flow::Icmp { kind: _, code: _ } | Flow::Icmp6 { kind: _, code: _ } | Flow::Other { number: _ } => self,
        }
    }

    /// Whether a rule about this protocol is about the packet.
    pub fn is_of(self, protocol: Protocol) -> bool {
        match (protocol, self) {
            (Protocol::All, _) => true,
            (Protocol::Tcp { from, to }, Flow::Tcp { port }) | (Protocol::Udp { from, to }, Flow::Udp { port }) => {
                (from..=to).contains(&port)
            }
            (Protocol::Icmp { kind: None, code: _ }, Flow::Icmp { kind: _, code: _ })
            | (Protocol::Icmp6 { kind: None, code: _ }, Flow::Icmp6 { kind: _, code: _ }) => true,
            (Protocol::Icmp { kind: Some(wanted), code: any }, Flow::Icmp { kind, code })
            | (Protocol::Icmp6 { kind: Some(wanted), code: any }, Flow::Icmp6 { kind, code }) => {
                wanted == kind && any.is_none_or(|wanted| wanted == code)
            }
            (Protocol::Number { number }, flow) => number == flow.number(),
            (Protocol::Tcp { from: _, to: _ } | Protocol::Udp { from: _, to: _ }, _) => false,
            (Protocol::Icmp { kind: _, code: _ } | Protocol::Icmp6 { kind: _, code: _ }, _) => false,
        }
    }
}
