//! Rules that count packets by flow: who to whom, by what, with what mark, in which span of time.
//!
//! The span is part of the key, made of the clock's upper half, so that nothing is added to an element any more when its span is over:
//! it is read once and removed, and what comes meanwhile is another element.

use nlink::netlink::nftables::{ChainName, DynsetExpr, DynsetOp, Expr, LookupExpr, MetaKey, PayloadBase, Register, Verdict};

use super::{Line, Load, NEED_NFPROTO};

/// Nanoseconds of the smallest step of the clock that a key can have, as a power of two: the upper of two words.
const STEP_BITS: u32 = 32;
/// Steps of a span, as a power of two: eight of 4.29 seconds. EC2 tells of spans of a minute or less.
const SPAN_BITS: u32 = 3;
/// The number that a span's key has more than that of the span before.
pub const SPAN: u32 = 1 << SPAN_BITS;
/// Bytes of a flow's key in IPv4, and in IPv6: addresses, protocol, ports, mark, span.
pub const KEY_V4: usize = 24;
/// The same in IPv6.
pub const KEY_V6: usize = 48;

// The upper half of the clock is the second of two words.
const _: () = assert!(cfg!(target_endian = "little"), "spans are cut out of the clock as a little-endian machine writes it");

/// The span of a time, in milliseconds since 1970.
pub fn span_of(at_ms: i64) -> u32 {
    let nanoseconds = i128::from(at_ms) * 1_000_000;
    ((nanoseconds >> STEP_BITS) as u32) & !(SPAN - 1)
}

/// When a span begins that is not far from a time, in milliseconds since 1970, rounded up. The upper half of the clock has more than a
/// word's bits to come: in 2554.
pub fn span_begins(span: u32) -> i64 {
    let nanoseconds = i128::from(span) << STEP_BITS;
    ((nanoseconds + 999_999) / 1_000_000) as i64
}

/// Of which version of IP a flow is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FlowVersion {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl FlowVersion {
    /// Offset and bytes of both addresses in a packet.
    fn addresses(self) -> (u32, u32) {
        match self {
            FlowVersion::V4 => (12, 8),
            FlowVersion::V6 => (8, 32),
        }
    }

    fn text(self) -> &'static str {
        match self {
            FlowVersion::V4 => "ip saddr . ip daddr",
            FlowVersion::V6 => "ip6 saddr . ip6 daddr",
        }
    }

    /// What must hold before the addresses are read: a table of one version alone needs nothing.
    fn guard(self, line: Line) -> Line {
        match self {
            FlowVersion::V4 => line.guard(NEED_NFPROTO),
            FlowVersion::V6 => line,
        }
    }
}

fn word(number: usize) -> Register {
    Register::word(number).expect("a key has at most twelve words, registers hold sixteen")
}

impl Line {
    /// Goes on in another chain, and not here any more.
    pub fn goto(self, chain: &str) -> Line {
        let name = ChainName::new(chain.to_owned()).expect("our chains' names are ones that the kernel takes");
        self.say(&format!("goto {chain}")).expr(Expr::Verdict(Verdict::GotoTo(name)))
    }

    /// The same rule with a chain to go on in, where it drops; another rule as it is.
    pub fn dropping_in(&self, chain: &str) -> Line {
        let (Some(Expr::Verdict(Verdict::Drop)), Some(before)) = (self.exprs.last(), self.text.strip_suffix("drop")) else {
            return self.clone();
        };
        let exprs = self.exprs[..self.exprs.len() - 1].to_vec();
        Line { text: before.trim_end().to_owned(), exprs, guards: self.guards }.goto(chain)
    }

    /// Marks the packet.
    pub fn set_mark(self, mark: u32) -> Line {
        self.say(&format!("meta mark set {mark:#010x}"))
            .expr(Expr::Immediate { dreg: Register::R0, data: mark.to_ne_bytes().to_vec() })
            .expr(Expr::MetaSet { key: MetaKey::Mark, sreg: Register::R0 })
    }

    /// Counts the packet in the element of its flow, and is done; goes on where the set is full. Those of protocols with ports are matched
    /// where `ported` is, else the others.
    pub fn count_flow(self, version: FlowVersion, ported: bool, set: &str) -> Line {
        let line = version.guard(self);
        let line = if ported { line.in_set(&[Load::L4Proto], "ported") } else { line.not_in_set(&[Load::L4Proto], "ported") };
        let (offset, len) = version.addresses();
        let after = len as usize / 4;
        let ports = match ported {
            true => Expr::Payload { dreg: word(after + 1), base: PayloadBase::Transport, offset: 0, len: 4 },
            false => Expr::Immediate { dreg: word(after + 1), data: vec![0; 4] },
        };
        let text = if ported { "th sport . th dport" } else { "0 . 0" };
        line.say(&format!("add @{set} {{ {} . meta l4proto . {text} . meta mark . span }}", version.text()))
            .expr(Expr::Payload { dreg: Register::R0, base: PayloadBase::Network, offset, len })
            .expr(Expr::Meta { dreg: word(after), key: MetaKey::L4Proto })
            .expr(ports)
            .span_into(after + 2)
            .expr(Expr::Meta { dreg: word(after + 2), key: MetaKey::Mark })
            .expr(DynsetExpr::new(DynsetOp::Add, set, Register::R0).into())
            .give_back()
    }

    /// Counts the packet as one that found no room, in an element that is there already: a flood may have taken the memory for another.
    pub fn count_skipped(self, version: FlowVersion, interface: u64, set: &str) -> Line {
        version
            .guard(self)
            .say(&format!("{interface:#018x} @{set}"))
            .expr(Expr::Immediate { dreg: Register::R0, data: interface.to_be_bytes().to_vec() })
            .expr(LookupExpr::new(set, Register::R0).into())
    }

    /// Loads the clock into two words and makes the second one the span; the first is free again.
    fn span_into(self, first: usize) -> Line {
        let mask = (!(SPAN - 1)).to_ne_bytes().to_vec();
        let upper = word(first + 1);
        self.expr(Expr::Meta { dreg: word(first), key: MetaKey::TimeNs }).expr(Expr::Bitwise {
            sreg: upper,
            dreg: upper,
            len: 4,
            mask,
            xor: vec![0; 4],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_follow_each_other_and_begin_where_they_say() {
        let now = 1_790_000_000_000;
        let span = span_of(now);
        let begins = span_begins(span);
        assert!((begins..begins + 34_400).contains(&now), "{begins}");
        assert_eq!((span_of(begins), span_of(begins - 1)), (span, span - SPAN));
        let length = span_begins(span + SPAN) - begins;
        assert!((34_359..=34_360).contains(&length), "{length}");
    }
}
