//! What one namespace's nftables should hold, as data: tables of sets, chains and rules, the text an operator would read,
//! and the steps from one state to another.
//!
//! ```text
//!   vpc spec ──table.rs──▶ Ruleset (wanted) ─┐
//!                                            ├─ steps ─▶ one transaction (nft.rs)
//!   kernel ───nft.rs─────▶ Ruleset (seen) ───┘
//! ```
//!
//! Members and rules of security groups are set elements, so most changes are elements only; a chain is written again only
//! when its lines differ, and a table only when the shape of a set does. It knows no VPC, no group and no socket.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::ops::Deref;

use model::MacAddr;

use super::line::Line;

/// Every table of a namespace that is ours, by family and name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ruleset {
    /// The tables.
    pub tables: BTreeMap<TableId, Table>,
}

/// The family of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// ARP as it comes in.
    Arp,
    /// IPv4 and IPv6.
    Inet,
    /// IPv6 alone.
    Ip6,
}

/// What names a table.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TableId {
    /// Its family.
    pub family: Family,
    /// Its name.
    pub name: String,
}

/// A table.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Table {
    /// Sets and maps by name.
    pub sets: BTreeMap<String, Set>,
    /// Chains by name.
    pub chains: BTreeMap<String, Chain>,
}

/// A set or a map.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Set {
    /// Its shape.
    pub shape: Shape,
    /// What it holds.
    pub elements: BTreeMap<Key, Value>,
}

/// What a set's keys and values are made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shape {
    /// Fields of the key, in order.
    pub key: Vec<Field>,
    /// Whether a key may be a range in each field.
    pub interval: bool,
    /// What a key maps to.
    pub data: Data,
    /// Whether each element counts the packets that were found to have it.
    pub counts: bool,
    /// Where rules add elements, how many at most. What is in such a set is nobody's wish and is never compared.
    pub grows_to: Option<u32>,
}

impl Shape {
    /// A set of exact keys that counts packets and bytes of each.
    pub fn counters(key: &[Field]) -> Shape {
        Shape { counts: true, ..Shape::set(key) }
    }

    /// A set to which rules add exact keys, up to so many, and that counts packets and bytes of each.
    pub fn growing(key: Field, most: u32) -> Shape {
        Shape { grows_to: Some(most), ..Shape::counters(&[key]) }
    }

    /// A set of exact keys.
    pub fn set(key: &[Field]) -> Shape {
        Shape::map(key, Data::None)
    }

    /// A set of ranges.
    pub fn ranges(key: &[Field]) -> Shape {
        Shape::map_of_ranges(key, Data::None)
    }

    /// A map of ranges.
    pub fn map_of_ranges(key: &[Field], data: Data) -> Shape {
        Shape { key: key.to_vec(), interval: true, data, counts: false, grows_to: None }
    }

    /// A map of exact keys.
    pub fn map(key: &[Field], data: Data) -> Shape {
        Shape { key: key.to_vec(), interval: false, data, counts: false, grows_to: None }
    }
}

/// A field of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// Name of an interface.
    IfName,
    /// Hardware address.
    Ether,
    /// IPv4 address.
    Ipv4,
    /// IPv6 address.
    Ipv6,
    /// IP protocol number.
    Proto,
    /// Port, or type and code of an ICMP message.
    Port,
    /// 32 bits of our own.
    Mark,
    /// Protocol family of the packet.
    NfProto,
    /// So many bytes of our own, a key by itself.
    Bytes(u8),
}

impl Field {
    /// Bytes of the field in the kernel, before it is filled up to a multiple of four.
    pub fn len(self) -> usize {
        match self {
            Field::IfName | Field::Ipv6 => 16,
            Field::Ether => 6,
            Field::Ipv4 | Field::Mark => 4,
            Field::Proto | Field::NfProto => 1,
            Field::Port => 2,
            Field::Bytes(len) => len.into(),
        }
    }

    /// nft's number of the type (`enum datatypes` in nftables' datatype.h); the kernel only stores it for listing.
    pub fn type_id(self) -> u32 {
        match self {
            Field::NfProto => 2,
            Field::Ipv4 => 7,
            Field::Ipv6 => 8,
            Field::Ether => 9,
            Field::Proto => 12,
            Field::Port => 13,
            Field::Mark => 19,
            Field::IfName => 41,
            Field::Bytes(_) => INTEGER,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Field::IfName => "ifname",
            Field::Ether => "ether_addr",
            Field::Ipv4 => "ipv4_addr",
            Field::Ipv6 => "ipv6_addr",
            Field::Proto => "inet_proto",
            Field::Port => "inet_service",
            Field::Mark => "mark",
            Field::NfProto => "nf_proto",
            Field::Bytes(_) => "integer",
        }
    }

    fn show(self, bytes: &[u8]) -> String {
        match self {
            Field::IfName => format!("{:?}", String::from_utf8_lossy(bytes).trim_end_matches('\0')),
            Field::Ether => bytes.iter().map(|b| format!("{b:02x}")).collect::<Vec<_>>().join(":"),
            Field::Ipv4 => bytes.iter().map(u8::to_string).collect::<Vec<_>>().join("."),
            Field::Ipv6 => bytes.first_chunk::<16>().map_or_else(String::new, |octets| Ipv6Addr::from(*octets).to_string()),
            Field::Proto => bytes[0].to_string(),
            Field::Port => u16::from_be_bytes([bytes[0], bytes[1]]).to_string(),
            Field::Mark => format!("{:#010x}", u32::from_ne_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])),
            Field::NfProto => match bytes[0] {
                2 => "ipv4".to_owned(),
                10 => "ipv6".to_owned(),
                other => other.to_string(),
            },
            Field::Bytes(_) => bytes.iter().map(|b| format!("{b:02x}")).collect(),
        }
    }
}

/// The field of a number of ours.
pub const NUMBER: Field = Field::Bytes(8);

/// nft's number of the type that has any length.
pub const INTEGER: u32 = 4;

/// What a key maps to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Data {
    /// Nothing: it is a set.
    None,
    /// A value with a field's type.
    Value(Field),
    /// An address and a port.
    Socket,
    /// What happens to the packet.
    Verdict,
}

/// A key in the kernel's layout: each field filled up to a multiple of four bytes; `to` differs from `from` in a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// First value, every field.
    pub from: KeyBytes,
    /// Last value, every field.
    pub to: KeyBytes,
}

/// Bytes of the longest keys: a link's name, a hardware address and an IPv4 address; a link's name and an IPv6 address.
pub const KEY_MAX: usize = 32;

/// One end of a key. It lies where the key lies: a set of many thousand is built and compared without asking for memory for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct KeyBytes {
    bytes: [u8; KEY_MAX],
    len: u8,
}

impl KeyBytes {
    /// The same bytes; none when they are more than a key of ours has.
    pub fn of(bytes: &[u8]) -> Option<KeyBytes> {
        let mut out = KeyBytes::default();
        out.bytes.get_mut(..bytes.len())?.copy_from_slice(bytes);
        out.len = bytes.len() as u8;
        Some(out)
    }

    /// Appends a field, filled up with zeros.
    fn push(&mut self, field: &[u8], len: usize) {
        let start = usize::from(self.len);
        self.bytes[start..start + field.len()].copy_from_slice(field);
        self.len += len as u8;
    }
}

impl Deref for KeyBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

/// Builds a [`Key`] field by field.
#[derive(Debug, Clone, Default)]
pub struct KeyBuilder {
    from: KeyBytes,
    to: KeyBytes,
    fields: usize,
}

impl KeyBuilder {
    fn push(mut self, from: &[u8], to: &[u8], len: usize) -> Self {
        self.fields += 1;
        self.from.push(from, len.next_multiple_of(4));
        self.to.push(to, len.next_multiple_of(4));
        self
    }

    /// Adds the name of an interface.
    pub fn ifname(self, name: &str) -> Self {
        self.push(name.as_bytes(), name.as_bytes(), Field::IfName.len())
    }

    /// Adds a hardware address.
    pub fn ether(self, mac: MacAddr) -> Self {
        self.push(&mac.0, &mac.0, Field::Ether.len())
    }

    /// Adds an address.
    pub fn ipv4(self, ip: Ipv4Addr) -> Self {
        self.ipv4_range(ip, ip)
    }

    /// Adds the addresses `from..=to`.
    pub fn ipv4_range(self, from: Ipv4Addr, to: Ipv4Addr) -> Self {
        self.push(&from.octets(), &to.octets(), Field::Ipv4.len())
    }

    /// Adds an address of IPv6.
    pub fn ipv6(self, ip: Ipv6Addr) -> Self {
        self.ipv6_range(ip, ip)
    }

    /// Adds the addresses `from..=to` of IPv6.
    pub fn ipv6_range(self, from: Ipv6Addr, to: Ipv6Addr) -> Self {
        self.push(&from.octets(), &to.octets(), Field::Ipv6.len())
    }

    /// Adds the protocols `from..=to`.
    pub fn protos(self, from: u8, to: u8) -> Self {
        self.push(&[from], &[to], Field::Proto.len())
    }

    /// Adds the ports `from..=to`.
    pub fn ports(self, from: u16, to: u16) -> Self {
        self.push(&from.to_be_bytes(), &to.to_be_bytes(), Field::Port.len())
    }

    /// Adds 32 bits of our own.
    pub fn mark(self, mark: u32) -> Self {
        self.push(&mark.to_ne_bytes(), &mark.to_ne_bytes(), Field::Mark.len())
    }

    /// Adds a number as bytes of our own.
    pub fn number(self, number: u64) -> Self {
        self.push(&number.to_be_bytes(), &number.to_be_bytes(), NUMBER.len())
    }

    /// Adds the family IPv4.
    pub fn nfproto_ipv4(self) -> Self {
        self.push(&[2], &[2], Field::NfProto.len())
    }

    /// Adds the family IPv6.
    pub fn nfproto_ipv6(self) -> Self {
        self.push(&[10], &[10], Field::NfProto.len())
    }

    /// The key. A key of one field is not filled up, as the kernel has it.
    pub fn key(mut self, shape: &[Field]) -> Key {
        debug_assert_eq!(self.fields, shape.len(), "a key has the fields of its set");
        if let [only] = shape {
            self.from.len = only.len() as u8;
            self.to.len = only.len() as u8;
        }
        Key { from: self.from, to: self.to }
    }
}

impl Key {
    /// Starts a key.
    pub fn builder() -> KeyBuilder {
        KeyBuilder::default()
    }

    /// The key of a set of addresses.
    pub fn ipv4(ip: Ipv4Addr) -> Key {
        Key::builder().ipv4(ip).key(&[Field::Ipv4])
    }

    /// The key of a set of addresses of IPv6.
    pub fn ipv6(ip: Ipv6Addr) -> Key {
        Key::builder().ipv6(ip).key(&[Field::Ipv6])
    }

    fn show(&self, fields: &[Field]) -> String {
        let mut at = 0;
        let mut parts = Vec::new();
        for field in fields {
            let span = at..at + field.len();
            at += field.len().next_multiple_of(4);
            let (from, to) = (field.show(&self.from[span.clone()]), field.show(&self.to[span]));
            parts.push(if from == to { from } else { format!("{from}-{to}") });
        }
        parts.join(" . ")
    }
}

/// What a key maps to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Nothing: an element of a set.
    None,
    /// A value in the kernel's layout.
    Bytes(Vec<u8>),
    /// Go through this chain and come back.
    Jump(String),
}

impl Value {
    /// An address.
    pub fn ipv4(ip: Ipv4Addr) -> Value {
        Value::Bytes(ip.octets().to_vec())
    }

    /// An address and a port.
    pub fn socket(ip: Ipv4Addr, port: u16) -> Value {
        Value::Bytes([&ip.octets()[..], &port.to_be_bytes(), &[0; 2]].concat())
    }

    /// 32 bits of our own.
    pub fn mark(mark: u32) -> Value {
        Value::Bytes(mark.to_ne_bytes().to_vec())
    }
}

/// A chain.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Chain {
    /// Where packets enter it; none means that other chains jump to it.
    pub base: Option<Base>,
    /// Its rules, in order.
    pub lines: Vec<Line>,
}

/// Where packets enter a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Base {
    /// What the chain may do.
    pub kind: BaseKind,
    /// The place in the packet's way.
    pub hook: Hook,
    /// Order among chains of the same hook; lower is earlier.
    pub priority: i32,
    /// Whether a packet that no rule decides is discarded.
    pub policy_drop: bool,
}

/// What a base chain may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BaseKind {
    /// Accept and drop.
    Filter,
    /// Translate addresses; sees the first packet of a connection only.
    Nat,
}

/// Places in a packet's way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hook {
    /// Just received.
    Prerouting,
    /// For the host itself.
    Input,
    /// Passing through.
    Forward,
    /// Made by the host itself.
    Output,
    /// About to leave.
    Postrouting,
}

impl Hook {
    fn name(self) -> &'static str {
        match self {
            Hook::Prerouting => "prerouting",
            Hook::Input => "input",
            Hook::Forward => "forward",
            Hook::Output => "output",
            Hook::Postrouting => "postrouting",
        }
    }
}

/// One step of a transaction. Steps are carried out in their order, all or none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Makes an empty table.
    AddTable(TableId),
    /// Removes a table with all it holds.
    DropTable(TableId),
    /// Makes an empty set.
    AddSet(TableId, String, Shape),
    /// Removes a set.
    DropSet(TableId, String),
    /// Makes an empty chain.
    AddChain(TableId, String, Option<Base>),
    /// Removes the rules of a chain.
    FlushChain(TableId, String),
    /// Removes an empty chain.
    DropChain(TableId, String),
    /// Appends a rule to a chain.
    AddLine(TableId, String, Line),
    /// Adds elements to a set of this shape.
    AddElements(TableId, String, Shape, Vec<(Key, Value)>),
    /// Removes elements from a set of this shape.
    DropElements(TableId, String, Shape, Vec<Key>),
}

/// The steps from `seen` to `want`; none when they are equal. Tables of `seen` that `want` does not have are removed, so a
/// caller lists only its own in `seen`.
pub fn steps(seen: &Ruleset, want: &Ruleset) -> Vec<Step> {
    let mut out = Vec::new();
    for id in seen.tables.keys().filter(|id| !want.tables.contains_key(*id)) {
        out.push(Step::DropTable(id.clone()));
    }
    for (id, table) in &want.tables {
        match seen.tables.get(id) {
            None => {
                out.push(Step::AddTable(id.clone()));
                table_steps(id, &Table::default(), table, &mut out);
            }
            Some(old) if !compatible(old, table) => {
                out.push(Step::DropTable(id.clone()));
                out.push(Step::AddTable(id.clone()));
                table_steps(id, &Table::default(), table, &mut out);
            }
            Some(old) => table_steps(id, old, table, &mut out),
        }
    }
    out
}

/// Whether the sets and base chains that both have are of the same shape; the kernel cannot change one that is in use.
fn compatible(old: &Table, new: &Table) -> bool {
    let sets = new.sets.iter().all(|(name, set)| old.sets.get(name).is_none_or(|o| o.shape == set.shape));
    let chains = new.chains.iter().all(|(name, chain)| old.chains.get(name).is_none_or(|o| o.base == chain.base));
    sets && chains
}

fn table_steps(id: &TableId, old: &Table, new: &Table, out: &mut Vec<Step>) {
    let mut added = Vec::new();
    for (name, set) in &new.sets {
        let empty = BTreeMap::new();
        let before = match old.sets.get(name) {
            Some(set) => &set.elements,
            None => {
                out.push(Step::AddSet(id.clone(), name.clone(), set.shape.clone()));
                &empty
            }
        };
        let (gone, fresh) = differences(before, &set.elements);
        if !gone.is_empty() {
            added.push((0, Step::DropElements(id.clone(), name.clone(), set.shape.clone(), gone)));
        }
        if !fresh.is_empty() {
            added.push((2, Step::AddElements(id.clone(), name.clone(), set.shape.clone(), fresh)));
        }
    }
    for (name, chain) in &new.chains {
        let before = old.chains.get(name);
        if before.is_none() {
            out.push(Step::AddChain(id.clone(), name.clone(), chain.base));
        }
        if before.is_none_or(|b| b.lines != chain.lines) {
            if before.is_some_and(|b| !b.lines.is_empty()) {
                added.push((1, Step::FlushChain(id.clone(), name.clone())));
            }
            added.extend(chain.lines.iter().map(|line| (1, Step::AddLine(id.clone(), name.clone(), line.clone()))));
        }
    }
    let gone_chains: BTreeSet<_> = old.chains.keys().filter(|name| !new.chains.contains_key(*name)).collect();
    added.extend(gone_chains.iter().map(|name| (1, Step::FlushChain(id.clone(), (*name).clone()))));
    // A chain cannot go while elements jump to it, not even those of a set that goes in the same transaction.
    let maps = old.sets.iter().filter(|(name, set)| !new.sets.contains_key(*name) && set.shape.data == Data::Verdict);
    for (name, set) in maps.filter(|(_, set)| !set.elements.is_empty()) {
        added.push((0, Step::DropElements(id.clone(), name.clone(), set.shape.clone(), set.elements.keys().copied().collect())));
    }
    // Elements that jump to a chain go before it and come after it; a stable sort keeps the order within a rank.
    added.sort_by_key(|(rank, _)| *rank);
    out.extend(added.into_iter().map(|(_, step)| step));
    out.extend(gone_chains.iter().map(|name| Step::DropChain(id.clone(), (*name).clone())));
    let gone_sets = old.sets.keys().filter(|name| !new.sets.contains_key(*name));
    out.extend(gone_sets.map(|name| Step::DropSet(id.clone(), name.clone())));
}

/// The keys to remove and the elements to add; an element whose value differs is both. One walk along the two, which are in order.
fn differences(before: &BTreeMap<Key, Value>, after: &BTreeMap<Key, Value>) -> (Vec<Key>, Vec<(Key, Value)>) {
    let (mut gone, mut fresh) = (Vec::new(), Vec::new());
    let (mut old, mut new) = (before.iter().peekable(), after.iter().peekable());
    loop {
        let order = match (old.peek(), new.peek()) {
            (None, None) => return (gone, fresh),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some((key, _)), Some((other, _))) => key.cmp(other),
        };
        let left = if order.is_le() { old.next() } else { None };
        let right = if order.is_ge() { new.next() } else { None };
        if left.map(|(_, value)| value) != right.map(|(_, value)| value) {
            gone.extend(left.map(|(key, _)| *key));
            fresh.extend(right.map(|(key, value)| (*key, value.clone())));
        }
    }
}

impl fmt::Display for Ruleset {
    /// Writes nft's language, as `nft list ruleset` would for an operator to read.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (id, table) in &self.tables {
            let family = match id.family {
                Family::Arp => "arp",
                Family::Inet => "inet",
                Family::Ip6 => "ip6",
            };
            writeln!(f, "table {family} {} {{", id.name)?;
            for (name, set) in &table.sets {
                show_set(f, name, set)?;
            }
            for (name, chain) in &table.chains {
                show_chain(f, name, chain)?;
            }
            writeln!(f, "}}")?;
        }
        Ok(())
    }
}

fn show_set(f: &mut fmt::Formatter<'_>, name: &str, set: &Set) -> fmt::Result {
    let word = if set.shape.data == Data::None { "set" } else { "map" };
    let types = set.shape.key.iter().map(|field| field.name()).collect::<Vec<_>>().join(" . ");
    let data = match set.shape.data {
        Data::None => String::new(),
        Data::Value(field) => format!(" : {}", field.name()),
        Data::Socket => format!(" : {} . {}", Field::Ipv4.name(), Field::Port.name()),
        Data::Verdict => " : verdict".to_owned(),
    };
    writeln!(f, "\t{word} {name} {{\n\t\ttype {types}{data}")?;
    if set.shape.interval {
        writeln!(f, "\t\tflags interval")?;
    }
    if set.shape.counts {
        writeln!(f, "\t\tcounter")?;
    }
    if let Some(most) = set.shape.grows_to {
        writeln!(f, "\t\tsize {most}; flags dynamic")?;
    }
    for (key, value) in &set.elements {
        let value = match (value, set.shape.data) {
            (Value::Jump(chain), _) => format!(" : jump {chain}"),
            (Value::Bytes(bytes), Data::Value(field)) => format!(" : {}", field.show(bytes)),
            (Value::Bytes(bytes), Data::Socket) => format!(" : {} . {}", Field::Ipv4.show(&bytes[..4]), Field::Port.show(&bytes[4..6])),
            (Value::Bytes(_), Data::None | Data::Verdict) | (Value::None, _) => String::new(),
        };
        writeln!(f, "\t\t{}{value}", key.show(&set.shape.key))?;
    }
    writeln!(f, "\t}}")
}

fn show_chain(f: &mut fmt::Formatter<'_>, name: &str, chain: &Chain) -> fmt::Result {
    writeln!(f, "\tchain {name} {{")?;
    if let Some(base) = chain.base {
        let kind = match base.kind {
            BaseKind::Filter => "filter",
            BaseKind::Nat => "nat",
        };
        let policy = if base.policy_drop { "drop" } else { "accept" };
        writeln!(f, "\t\ttype {kind} hook {} priority {}; policy {policy};", base.hook.name(), base.priority)?;
    }
    for line in &chain.lines {
        writeln!(f, "\t\t{}", line.text())?;
    }
    writeln!(f, "\t}}")
}
