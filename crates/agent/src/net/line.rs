//! One nftables rule, built once as the kernel's expressions and as the text an operator reads, so that the two cannot differ.
//!
//! It covers what our tables use and no more. A rule's identity is its text: the digest of the text is its comment in the
//! kernel, which is how a rule that is already there is recognised.

pub mod flow;

use nlink::netlink::nftables::{
    CmpOp, CtDirection, CtKey, CtState, CtStatus, Expr, Family as NlFamily, LookupExpr, MetaKey, PayloadBase, RawExpr, Register, Verdict,
};

/// A rule.
#[derive(Debug, Clone)]
pub struct Line {
    text: String,
    exprs: Vec<Expr>,
    guards: u8,
}

impl PartialEq for Line {
    /// Two rules are the same when their texts are.
    fn eq(&self, other: &Line) -> bool {
        self.mark() == other.mark()
    }
}

impl Eq for Line {}

/// Something of a packet or its connection that a rule compares or looks up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Load {
    /// Interface that it came in on.
    IifName,
    /// Interface that it leaves by.
    OifName,
    /// Source hardware address of the frame.
    EtherSaddr,
    /// Sender hardware address that an ARP message claims.
    ArpSaddrEther,
    /// Sender address that an ARP message claims.
    ArpSaddrIp,
    /// Address that an ARP message asks for or answers to.
    ArpDaddrIp,
    /// Source address.
    IpSaddr,
    /// Destination address.
    IpDaddr,
    /// Source address of IPv6.
    Ip6Saddr,
    /// Destination address of IPv6.
    Ip6Daddr,
    /// Transport protocol.
    L4Proto,
    /// Destination port.
    ThDport,
    /// Type and code of an ICMP message.
    IcmpTypeCode,
    /// Family of the packet.
    NfProto,
    /// Mark of the packet.
    Mark,
    /// Mark of the connection.
    CtMark,
    /// Protocol of the connection.
    CtProto,
    /// Port that the connection was opened to; for ICMP its type and code (`nf_conntrack_tuple.dst.u`).
    CtOriginalPort,
    /// Port that the connection arrives at, after translation; of TCP and UDP only.
    CtReplyPort,
    /// Who opened the connection.
    CtOriginalSaddr,
    /// Whom the connection was opened to, before translation.
    CtOriginalDaddr,
    /// Who answers, after translation.
    CtReplySaddr,
    /// Whom the answers go to, before they are translated back.
    CtReplyDaddr,
    /// Who opened the connection, in IPv6.
    CtOriginalSaddr6,
    /// Who answers, in IPv6.
    CtReplySaddr6,
}

const NEED_IIFTYPE: u8 = 1;
const NEED_NFPROTO: u8 = 2;
/// `ARPHRD_ETHER`, what `meta iiftype` says of a link with Ethernet headers.
const ARPHRD_ETHER: u16 = 1;
/// `NFPROTO_IPV4`.
const NFPROTO_IPV4: u8 = 2;
/// `NFPROTO_IPV6`.
const NFPROTO_IPV6: u8 = 10;

impl Load {
    fn words(self) -> usize {
        match self {
            Load::IifName | Load::OifName | Load::Ip6Saddr | Load::Ip6Daddr | Load::CtOriginalSaddr6 | Load::CtReplySaddr6 => 4,
            Load::EtherSaddr | Load::ArpSaddrEther => 2,
            _ => 1,
        }
    }

    fn text(self) -> &'static str {
        match self {
            Load::IifName => "iifname",
            Load::OifName => "oifname",
            Load::EtherSaddr => "ether saddr",
            Load::ArpSaddrEther => "arp saddr ether",
            Load::ArpSaddrIp => "arp saddr ip",
            Load::ArpDaddrIp => "arp daddr ip",
            Load::IpSaddr => "ip saddr",
            Load::IpDaddr => "ip daddr",
            Load::Ip6Saddr => "ip6 saddr",
            Load::Ip6Daddr => "ip6 daddr",
            Load::L4Proto => "meta l4proto",
            Load::ThDport => "th dport",
            Load::IcmpTypeCode => "icmp type . icmp code",
            Load::NfProto => "meta nfproto",
            Load::Mark => "meta mark",
            Load::CtMark => "ct mark",
            Load::CtProto => "ct protocol",
            Load::CtOriginalPort => "ct original proto-dst",
            Load::CtReplyPort => "ct reply proto-src",
            Load::CtOriginalSaddr => "ct original ip saddr",
            Load::CtOriginalDaddr => "ct original ip daddr",
            Load::CtReplySaddr => "ct reply ip saddr",
            Load::CtReplyDaddr => "ct reply ip daddr",
            Load::CtOriginalSaddr6 => "ct original ip6 saddr",
            Load::CtReplySaddr6 => "ct reply ip6 saddr",
        }
    }

    fn guards(self) -> u8 {
        match self {
            Load::EtherSaddr => NEED_IIFTYPE,
            Load::IpSaddr | Load::IpDaddr => NEED_NFPROTO,
            _ => 0,
        }
    }

    fn expr(self, dreg: Register) -> Expr {
        let payload = |base, offset, len| Expr::Payload { dreg, base, offset, len };
        let meta = |key| Expr::Meta { dreg, key };
        let ct = |key, direction| Expr::CtDirectional { dreg, key, direction };
        match self {
            Load::IifName => meta(MetaKey::IifName),
            Load::OifName => meta(MetaKey::OifName),
            Load::EtherSaddr => payload(PayloadBase::LinkLayer, 6, 6),
            Load::ArpSaddrEther => payload(PayloadBase::Network, 8, 6),
            Load::ArpSaddrIp => payload(PayloadBase::Network, 14, 4),
            Load::ArpDaddrIp => payload(PayloadBase::Network, 24, 4),
            Load::IpSaddr => payload(PayloadBase::Network, 12, 4),
            Load::IpDaddr => payload(PayloadBase::Network, 16, 4),
            Load::Ip6Saddr => payload(PayloadBase::Network, 8, 16),
            Load::Ip6Daddr => payload(PayloadBase::Network, 24, 16),
            Load::L4Proto => meta(MetaKey::L4Proto),
            Load::ThDport => payload(PayloadBase::Transport, 2, 2),
            Load::IcmpTypeCode => payload(PayloadBase::Transport, 0, 2),
            Load::NfProto => meta(MetaKey::NfProto),
            Load::Mark => meta(MetaKey::Mark),
            Load::CtMark => Expr::Ct { dreg, key: CtKey::Mark },
            Load::CtProto => Expr::Ct { dreg, key: CtKey::Protocol },
            Load::CtOriginalPort => ct(CtKey::ProtoDst, CtDirection::Original),
            Load::CtReplyPort => ct(CtKey::ProtoSrc, CtDirection::Reply),
            Load::CtOriginalSaddr => ct(CtKey::SrcIp, CtDirection::Original),
            Load::CtOriginalDaddr => ct(CtKey::DstIp, CtDirection::Original),
            Load::CtReplySaddr => ct(CtKey::SrcIp, CtDirection::Reply),
            Load::CtReplyDaddr => ct(CtKey::DstIp, CtDirection::Reply),
            Load::CtOriginalSaddr6 => ct(CtKey::SrcIp6, CtDirection::Original),
            Load::CtReplySaddr6 => ct(CtKey::SrcIp6, CtDirection::Reply),
        }
    }
}

impl Default for Line {
    fn default() -> Self {
        Line::new()
    }
}

impl Line {
    /// A rule that matches everything and does nothing yet.
    pub fn new() -> Line {
        Line { text: String::new(), exprs: Vec::new(), guards: 0 }
    }

    /// A rule of which only the digest is known, as read from the kernel.
    pub fn unread(comment: Option<String>) -> Line {
        Line { text: format!("#{}", comment.unwrap_or_default()), exprs: Vec::new(), guards: 0 }
    }

    /// The text in nft's language.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The kernel's expressions.
    pub fn exprs(&self) -> &[Expr] {
        &self.exprs
    }

    /// The digest of the text that is kept as the rule's comment.
    pub fn mark(&self) -> String {
        match self.text.strip_prefix('#') {
            Some(mark) => mark.to_owned(),
            None => format!("{:016x}", fnv(self.text.as_bytes())),
        }
    }

    fn say(mut self, text: &str) -> Line {
        if !self.text.is_empty() {
            self.text.push(' ');
        }
        self.text.push_str(text);
        self
    }

    fn expr(mut self, expr: Expr) -> Line {
        self.exprs.push(expr);
        self
    }

    /// Adds what must hold before a header field can be read, once.
    fn guard(mut self, wanted: u8) -> Line {
        let missing = wanted & !self.guards;
        self.guards |= wanted;
        if missing & NEED_IIFTYPE != 0 {
            self = self
                .expr(Expr::Meta { dreg: Register::R0, key: MetaKey::IifType })
                .expr(cmp(CmpOp::Eq, ARPHRD_ETHER.to_ne_bytes().to_vec()));
        }
        if missing & NEED_NFPROTO != 0 {
            self = self.expr(Expr::Meta { dreg: Register::R0, key: MetaKey::NfProto }).expr(cmp(CmpOp::Eq, vec![NFPROTO_IPV4]));
        }
        self
    }

    /// Loads fields one after another from the first register.
    fn load(mut self, fields: &[Load]) -> Line {
        self = self.guard(fields.iter().fold(0, |sum, field| sum | field.guards()));
        let mut word = 0;
        for field in fields {
            let dreg = Register::word(word).expect("keys are at most eight words long, registers hold sixteen");
            self = self.expr(field.expr(dreg));
            word += field.words();
        }
        let text = fields.iter().map(|field| field.text()).collect::<Vec<_>>().join(" . ");
        self.say(&text)
    }

    /// Matches packets whose fields are in a set.
    pub fn in_set(self, fields: &[Load], set: &str) -> Line {
        self.load(fields).say(&format!("@{set}")).expr(LookupExpr::new(set, Register::R0).into())
    }

    /// Matches packets whose fields are not in a set.
    pub fn not_in_set(self, fields: &[Load], set: &str) -> Line {
        self.load(fields).say(&format!("!= @{set}")).expr(LookupExpr::new(set, Register::R0).invert().into())
    }

    /// Takes the packet's mark away.
    pub fn clear_mark(self) -> Line {
        self.say("meta mark set 0x00000000")
            .expr(Expr::Immediate { dreg: Register::R0, data: vec![0; 4] })
            .expr(Expr::MetaSet { key: MetaKey::Mark, sreg: Register::R0 })
    }

    /// Marks the packet with what a map says of a field, and leaves it as it is when the map says nothing.
    pub fn set_mark_from(self, field: Load, map: &str) -> Line {
        self.mapped("meta mark", field, map).expr(Expr::MetaSet { key: MetaKey::Mark, sreg: Register::R0 })
    }

    /// Marks the packet with what a map says of its source and destination addresses, and leaves it as it is when the map says nothing.
    pub fn set_mark_from_pair(self, map: &str) -> Line {
        self.say("meta mark set")
            .load(&[Load::IpSaddr, Load::IpDaddr])
            .say(&format!("map @{map}"))
            .expr(LookupExpr::new(map, Register::R0).dreg(Register::R0).into())
            .expr(Expr::MetaSet { key: MetaKey::Mark, sreg: Register::R0 })
    }

    /// Gives the packet the priority that a map says of a field, and leaves it as it is when the map says nothing.
    pub fn set_priority_from(self, field: Load, map: &str) -> Line {
        self.mapped("meta priority", field, map).expr(Expr::MetaSet { key: MetaKey::Priority, sreg: Register::R0 })
    }

    /// Does what a map says of a field, or goes on when it says nothing.
    pub fn vmap(self, field: Load, map: &str) -> Line {
        self.load(&[field]).say(&format!("vmap @{map}")).expr(LookupExpr::new(map, Register::R0).dreg(Register::Verdict).into())
    }

    /// Matches packets that came in on an interface.
    pub fn iif(self, name: &str) -> Line {
        self.interface(MetaKey::IifName, "iifname", name, CmpOp::Eq)
    }

    /// Matches packets that came in on another interface.
    pub fn iif_not(self, name: &str) -> Line {
        self.interface(MetaKey::IifName, "iifname", name, CmpOp::Neq)
    }

    /// Matches packets that leave by an interface.
    pub fn oif(self, name: &str) -> Line {
        self.interface(MetaKey::OifName, "oifname", name, CmpOp::Eq)
    }

    /// Matches packets that leave by another interface.
    pub fn oif_not(self, name: &str) -> Line {
        self.interface(MetaKey::OifName, "oifname", name, CmpOp::Neq)
    }

    /// `name` may end in `*`, which stands for any rest.
    fn interface(self, key: MetaKey, word: &str, name: &str, op: CmpOp) -> Line {
        let mut bytes = name.strip_suffix('*').unwrap_or(name).as_bytes().to_vec();
        if !name.ends_with('*') {
            bytes.resize(16, 0);
        }
        let sign = if op == CmpOp::Neq { "!= " } else { "" };
        self.say(&format!("{word} {sign}{name:?}")).expr(Expr::Meta { dreg: Register::R0, key }).expr(cmp(op, bytes))
    }

    /// Matches everything but IPv4.
    pub fn not_ipv4(self) -> Line {
        self.say("meta nfproto != ipv4")
            .expr(Expr::Meta { dreg: Register::R0, key: MetaKey::NfProto })
            .expr(cmp(CmpOp::Neq, vec![NFPROTO_IPV4]))
    }

    /// Matches IPv4.
    pub fn ipv4(self) -> Line {
        self.say("meta nfproto ipv4")
            .expr(Expr::Meta { dreg: Register::R0, key: MetaKey::NfProto })
            .expr(cmp(CmpOp::Eq, vec![NFPROTO_IPV4]))
    }

    /// Matches IPv6.
    pub fn ipv6(self) -> Line {
        self.say("meta nfproto ipv6")
            .expr(Expr::Meta { dreg: Register::R0, key: MetaKey::NfProto })
            .expr(cmp(CmpOp::Eq, vec![NFPROTO_IPV6]))
    }

    /// Matches messages of ICMPv6 of this type.
    pub fn icmp6(self, kind: u8) -> Line {
        self.say(&format!("icmpv6 type {kind}"))
            .expr(Expr::Meta { dreg: Register::R0, key: MetaKey::L4Proto })
            .expr(cmp(CmpOp::Eq, vec![58]))
            .expr(Expr::Payload { dreg: Register::R0, base: PayloadBase::Transport, offset: 0, len: 1 })
            .expr(cmp(CmpOp::Eq, vec![kind]))
    }

    /// Matches packets from this address.
    pub fn saddr(self, ip: std::net::Ipv4Addr) -> Line {
        self.load(&[Load::IpSaddr]).say(&ip.to_string()).expr(cmp(CmpOp::Eq, ip.octets().to_vec()))
    }

    /// Matches frames from this hardware address.
    pub fn ether_saddr(self, mac: model::MacAddr) -> Line {
        self.load(&[Load::EtherSaddr]).say(&mac.to_string()).expr(cmp(CmpOp::Eq, mac.0.to_vec()))
    }

    /// Matches UDP between these ports.
    pub fn udp(self, from: u16, to: u16) -> Line {
        let ports = [from.to_be_bytes(), to.to_be_bytes()].concat();
        self.say(&format!("udp sport {from} udp dport {to}"))
            .expr(Expr::Meta { dreg: Register::R0, key: MetaKey::L4Proto })
            .expr(cmp(CmpOp::Eq, vec![17]))
            .expr(Expr::Payload { dreg: Register::R0, base: PayloadBase::Transport, offset: 0, len: 4 })
            .expr(cmp(CmpOp::Eq, ports))
    }

    /// Matches ICMP echo requests.
    pub fn icmp_echo_request(self) -> Line {
        self.say("icmp type echo-request")
            .expr(Expr::Meta { dreg: Register::R0, key: MetaKey::L4Proto })
            .expr(cmp(CmpOp::Eq, vec![1]))
            .expr(Expr::Payload { dreg: Register::R0, base: PayloadBase::Transport, offset: 0, len: 1 })
            .expr(cmp(CmpOp::Eq, vec![8]))
    }

    /// Matches ARP requests.
    pub fn arp_request(self) -> Line {
        self.say("arp operation request")
            .expr(Expr::Payload { dreg: Register::R0, base: PayloadBase::Network, offset: 6, len: 2 })
            .expr(cmp(CmpOp::Eq, vec![0, 1]))
    }

    /// Matches ARP between Ethernet and IPv4 addresses, the only layout whose fields are where we look.
    pub fn arp_not_ethernet_ipv4(self) -> Line {
        self.say("arp htype . arp ptype . arp hlen . arp plen != 1 . ip . 6 . 4")
            .expr(Expr::Payload { dreg: Register::R0, base: PayloadBase::Network, offset: 0, len: 6 })
            .expr(cmp(CmpOp::Neq, vec![0, 1, 8, 0, 6, 4]))
    }

    /// Matches packets that belong to no connection and open none.
    pub fn ct_invalid(self) -> Line {
        self.bits("ct state invalid", CtKey::State, CtState::INVALID.bits())
    }

    /// Matches packets that connection tracking leaves alone, as it does the messages by which neighbours find each other.
    pub fn ct_untracked(self) -> Line {
        self.bits("ct state untracked", CtKey::State, CtState::UNTRACKED.bits())
    }

    /// Matches connections that were judged before.
    pub fn ct_marked(self) -> Line {
        self.bits("ct mark != 0", CtKey::Mark, u32::MAX)
    }

    /// Matches connections without this label, one of the first 32.
    pub fn ct_not_labelled(self, label: u8) -> Line {
        let (mask, none) = (label_bit(label), vec![0; LABELS]);
        self.say(&format!("ct label & {label} == 0"))
            .expr(Expr::Ct { dreg: Register::R0, key: CtKey::Labels })
            .expr(Expr::Bitwise { sreg: Register::R0, dreg: Register::R0, len: LABELS as u32, mask, xor: none.clone() })
            .expr(cmp(CmpOp::Eq, none))
    }

    /// Gives the connection a label beside those that it has, one of the first 32.
    pub fn set_ct_label(self, label: u8) -> Line {
        self.say(&format!("ct label set {label}"))
            .expr(Expr::Immediate { dreg: Register::R0, data: label_bit(label) })
            .expr(Expr::CtSet { key: CtKey::Labels, sreg: Register::R0 })
    }

    /// Matches answers on connections that the namespace itself opened or let in before.
    pub fn ct_established(self) -> Line {
        self.bits("ct state established", CtKey::State, CtState::ESTABLISHED.bits())
    }

    /// Matches packets of whoever did not open the connection.
    pub fn ct_reply(self) -> Line {
        self.say("ct direction reply").expr(Expr::Ct { dreg: Register::R0, key: CtKey::Direction }).expr(Expr::Cmp {
            sreg: Register::R0,
            op: CmpOp::Eq,
            data: vec![1],
        })
    }

    /// Matches packets of whoever opened the connection.
    pub fn ct_original(self) -> Line {
        self.say("ct direction original").expr(Expr::Ct { dreg: Register::R0, key: CtKey::Direction }).expr(Expr::Cmp {
            sreg: Register::R0,
            op: CmpOp::Eq,
            data: vec![0],
        })
    }

    /// Matches connections whose first packet came in this zone.
    pub fn ct_original_zone(self, zone: u16) -> Line {
        let load = Expr::CtDirectional { dreg: Register::R0, key: CtKey::Zone, direction: CtDirection::Original };
        self.say(&format!("ct original zone {zone}")).expr(load).expr(cmp(CmpOp::Eq, zone.to_ne_bytes().to_vec()))
    }

    /// Puts connections that packets open from here into a zone, and not the answers to them. Must come before they are tracked.
    pub fn set_ct_original_zone(self, zone: u16) -> Line {
        self.say(&format!("ct original zone set {zone}"))
            .expr(Expr::Immediate { dreg: Register::R0, data: zone.to_ne_bytes().to_vec() })
            .expr(RawExpr::new("ct", zone_attributes()).into())
    }

    /// Has connection tracking leave the packet alone. Must come before it would look.
    pub fn notrack(self) -> Line {
        self.say("notrack").expr(Expr::Notrack)
    }

    /// Matches connections whose destination was translated.
    pub fn ct_dnat(self) -> Line {
        self.bits("ct status dnat", CtKey::Status, CtStatus::DST_NAT.bits())
    }

    /// Matches connections whose source was translated.
    pub fn ct_snat(self) -> Line {
        self.bits("ct status snat", CtKey::Status, CtStatus::SRC_NAT.bits())
    }

    fn bits(self, text: &str, key: CtKey, bits: u32) -> Line {
        let mask = bits.to_ne_bytes().to_vec();
        self.say(text)
            .expr(Expr::Ct { dreg: Register::R0, key })
            .expr(Expr::Bitwise { sreg: Register::R0, dreg: Register::R0, len: 4, mask, xor: vec![0; 4] })
            .expr(cmp(CmpOp::Neq, vec![0; 4]))
    }

    /// Marks the connection with what a map says of a field.
    pub fn set_ct_mark_from(self, field: Load, map: &str) -> Line {
        self.mapped("ct mark", field, map).expr(Expr::CtSet { key: CtKey::Mark, sreg: Register::R0 })
    }

    fn mapped(self, what: &str, field: Load, map: &str) -> Line {
        self.guard(field.guards())
            .say(&format!("{what} set {} map @{map}", field.text()))
            .expr(field.expr(Register::R0))
            .expr(LookupExpr::new(map, Register::R0).dreg(Register::R0).into())
    }

    /// Sends the connection to what a map says of the destination address.
    pub fn dnat_by_daddr(self, map: &str) -> Line {
        self.translate("dnat ip to ip daddr", Load::IpDaddr, map, NAT_DNAT)
    }

    /// Makes the connection come from what a map says of the source address.
    pub fn snat_by_saddr(self, map: &str) -> Line {
        self.translate("snat ip to ip saddr", Load::IpSaddr, map, NAT_SNAT)
    }

    /// Makes the connection come from what a map says of its source and destination addresses.
    pub fn snat_by_pair(self, map: &str) -> Line {
        self.say("snat ip to").load(&[Load::IpSaddr, Load::IpDaddr]).found(map, nat_attributes(NAT_SNAT))
    }

    /// Sends the connection to the address and port that a map says of the address and port that it was opened to.
    pub fn dnat_by_port(self, map: &str) -> Line {
        let mut attributes = nat_attributes(NAT_DNAT);
        let port = Register::word(1).expect("there are sixteen words");
        push_attribute(&mut attributes, NFTA_NAT_REG_PROTO_MIN, port.wire());
        self.say("dnat ip to").load(&[Load::IpDaddr, Load::L4Proto, Load::ThDport]).found(map, attributes)
    }

    fn found(self, map: &str, attributes: Vec<u8>) -> Line {
        self.say(&format!("map @{map}"))
            .expr(LookupExpr::new(map, Register::R0).dreg(Register::R0).into())
            .expr(RawExpr::new("nat", attributes).into())
    }

    fn translate(self, text: &str, field: Load, map: &str, kind: u32) -> Line {
        self.guard(field.guards())
            .say(&format!("{text} map @{map}"))
            .expr(field.expr(Register::R0))
            .expr(LookupExpr::new(map, Register::R0).dreg(Register::R0).into())
            .expr(RawExpr::new("nat", nat_attributes(kind)).into())
    }

    /// Lets the packet pass this hook.
    pub fn accept(self) -> Line {
        self.say("accept").expr(Expr::Verdict(Verdict::Accept))
    }

    /// Discards the packet.
    pub fn drop(self) -> Line {
        self.say("drop").expr(Expr::Verdict(Verdict::Drop))
    }

    /// Goes back to the chain that jumped here.
    pub fn give_back(self) -> Line {
        self.say("return").expr(Expr::Verdict(Verdict::Return))
    }
}

/// Bytes of a connection's labels (`NF_CT_LABELS_MAX_SIZE`).
const LABELS: usize = 16;

/// The labels as the kernel has them, words of 64 or 32 bits from the lowest on, with this one alone.
fn label_bit(label: u8) -> Vec<u8> {
    [&(1_u32 << label).to_ne_bytes()[..], &[0; LABELS - 4]].concat()
}

fn cmp(op: CmpOp, data: Vec<u8>) -> Expr {
    Expr::Cmp { sreg: Register::R0, op, data }
}

const NAT_SNAT: u32 = 0;
const NAT_DNAT: u32 = 1;

/// `NFTA_NAT_TYPE`, `NFTA_NAT_FAMILY` and `NFTA_NAT_REG_ADDR_MIN`: translate to the one address in the first register.
/// Written by hand because the library's own type for it cannot be made outside of it.
fn nat_attributes(kind: u32) -> Vec<u8> {
    let family = NlFamily::Ip as u32;
    let mut out = Vec::with_capacity(24);
    for (attribute, value) in [(1_u16, kind), (2, family), (3, Register::R0.wire())] {
        push_attribute(&mut out, attribute, value);
    }
    out
}

/// `NFTA_CT_KEY`, `NFTA_CT_DIRECTION` and `NFTA_CT_SREG`: the zone of the first direction becomes what is in the first register.
/// Written by hand because the library's own type for it has no direction.
fn zone_attributes() -> Vec<u8> {
    let mut out = Vec::with_capacity(24);
    push_attribute(&mut out, 2, CtKey::Zone as u32);
    // One byte, and three to the next attribute.
    out.extend_from_slice(&5_u16.to_ne_bytes());
    out.extend_from_slice(&3_u16.to_ne_bytes());
    out.extend_from_slice(&[CtDirection::Original as u8, 0, 0, 0]);
    push_attribute(&mut out, 4, Register::R0.wire());
    out
}

/// `NFTA_NAT_REG_PROTO_MIN`: the register with the port.
const NFTA_NAT_REG_PROTO_MIN: u16 = 5;

fn push_attribute(out: &mut Vec<u8>, attribute: u16, value: u32) {
    out.extend_from_slice(&8_u16.to_ne_bytes());
    out.extend_from_slice(&attribute.to_ne_bytes());
    out.extend_from_slice(&value.to_be_bytes());
}

/// FNV-1a, 64 bits: enough to tell our own few lines apart, and stable between builds.
pub fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, b| (hash ^ u64::from(*b)).wrapping_mul(0x0000_0100_0000_01b3))
}
