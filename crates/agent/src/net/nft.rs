//! Our tables in the kernel's nftables: read into a [`Ruleset`], and changed in one transaction.
//!
//! The kernel numbers the generations of a namespace's rules, so what we wrote last is still there when the number is; only
//! after somebody else's change everything is read again. A rule is recognised by the digest in its comment.

use std::io;
use std::net::Ipv4Addr;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::sync::Arc;

use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::SndBufForce;
use nlink::Connection;
use nlink::netlink::nftables as nf;

use super::line::Line;
use super::link::ANSWER_TIME;
use super::rule_change::{self, SetChange};
use super::ruleset::{
    Base, BaseKind, Chain, Data, Family, Field, Hook, INTEGER, Key, KeyBytes, Ruleset, Set, Shape, Step, Table, TableId, Value,
};

/// Elements in one message: a netlink attribute holds 64 KiB, the largest of our elements takes some 80 bytes.
const ELEMENTS_PER_MESSAGE: usize = 500;

/// Bytes of one transaction at most: some two million elements. The kernel takes a transaction as one message and by default refuses
/// those above 208 KiB, which a group of a few thousand members exceeds. Memory is taken only for what is sent.
const TRANSACTION_MAX: usize = 256 << 20;

/// The tables of one namespace whose name starts with a prefix.
pub struct Rules {
    connection: Connection<nlink::Nftables>,
    prefix: String,
    known: Option<Known>,
}

/// What is there while the kernel's generation is this.
struct Known {
    generation: u32,
    ruleset: Arc<Ruleset>,
    /// Whether it is what was wanted last, not what was read.
    wanted: bool,
}

impl Rules {
    /// Opens the tables of a namespace.
    pub fn open(namespace: BorrowedFd<'_>, prefix: &str) -> io::Result<Rules> {
        let connection = Connection::<nlink::Nftables>::new_in(namespace).map_err(io::Error::other)?;
        #[expect(unsafe_code, reason = "the library's socket lends its descriptor only as a number")]
        // SAFETY: the connection owns the descriptor and outlives the call.
        let socket = unsafe { BorrowedFd::borrow_raw(connection.socket().as_raw_fd()) };
        setsockopt(&socket, SndBufForce, &TRANSACTION_MAX)?;
        Ok(Rules { connection: connection.timeout(ANSWER_TIME), prefix: prefix.to_owned(), known: None })
    }

    /// What is there.
    pub async fn read(&mut self) -> nlink::Result<Arc<Ruleset>> {
        let generation = self.connection.generation().await?;
        if let Some(known) = &self.known
            && known.generation == generation
        {
            return Ok(known.ruleset.clone());
        }
        let ruleset = Arc::new(self.read_all().await?);
        self.known = Some(Known { generation, ruleset: ruleset.clone(), wanted: false });
        Ok(ruleset)
    }

    /// Packets and bytes that each address of a set has counted, one that counts; nothing when there is no such set.
    pub async fn counted(&self, table: &str, set: &str) -> nlink::Result<Vec<(Ipv4Addr, u64, u64)>> {
        let elements = match self.connection.list_set_elements(table, set, nf::Family::Inet).await {
            Err(e) if e.is_not_found() => return Ok(vec![]),
            other => other?,
        };
        let counted = |element: &nf::SetElement| {
            let (packets, bytes) = element.counter()?;
            Some((Ipv4Addr::from(<[u8; 4]>::try_from(element.key()).ok()?), packets, bytes))
        };
        Ok(elements.iter().filter_map(counted).collect())
    }

    /// The elements of a set that counts: each key with packets and bytes; nothing when there is no such set.
    pub async fn counters(&self, table: &TableId, set: &str) -> nlink::Result<Vec<Counter>> {
        let elements = match self.connection.list_set_elements(&table.name, set, kernel_family(table.family)).await {
            Err(e) if e.is_not_found() => return Ok(vec![]),
            other => other?,
        };
        let counter = |element: &nf::SetElement| {
            let (packets, bytes) = element.counter().unwrap_or_default();
            Counter { key: element.key().to_vec(), packets, bytes }
        };
        Ok(elements.iter().map(counter).collect())
    }

    /// Removes elements of a set, all or none, and where it is none to which rules add, adds them again, so that they count from nothing.
    /// What is known of everything else stays known.
    pub async fn count_anew(&mut self, table: &TableId, set: &str, shape: &Shape, keys: &[Vec<u8>]) -> nlink::Result<()> {
        if keys.is_empty() {
            return Ok(());
        }
        let set = kernel_set(table, set, shape);
        let mut transaction = self.connection.transaction();
        for part in keys.chunks(ELEMENTS_PER_MESSAGE) {
            let part: Vec<nf::SetElement> = part.iter().map(|key| nf::SetElement::new(key.clone())).collect();
            transaction = transaction.del_set_elements(&set, &part);
            if shape.grows_to.is_none() {
                transaction = transaction.add_set_elements(&set, &part);
            }
        }
        transaction.commit(&self.connection).await?;
        let generation = self.connection.generation().await?;
        if let Some(known) = &mut self.known
            && known.generation.wrapping_add(1) == generation
        {
            known.generation = generation;
        }
        Ok(())
    }

    async fn read_all(&self) -> nlink::Result<Ruleset> {
        let mut out = Ruleset::default();
        for table in self.connection.list_tables().await? {
            let Some(family) = own_family(table.family).filter(|_| table.name.starts_with(&self.prefix)) else { continue };
            out.tables.insert(TableId { family, name: table.name.clone() }, self.read_table(family, &table.name).await?);
        }
        Ok(out)
    }

    async fn read_table(&self, family: Family, name: &str) -> nlink::Result<Table> {
        let mut table = Table::default();
        let theirs = kernel_family(family);
        for info in self.connection.list_sets_in(name, theirs).await? {
            let Some(shape) = shape(&info) else {
                table.sets.insert(info.name, foreign());
                continue;
            };
            if shape.grows_to.is_some() {
                table.sets.insert(info.name, Set { shape, elements: Default::default() });
                continue;
            }
            let elements = self.connection.list_set_elements(name, &info.name, theirs).await?;
            let elements = elements.iter().map(|element| read_element(element, &shape)).collect::<Option<_>>();
            table.sets.insert(info.name, elements.map_or_else(foreign, |elements| Set { shape, elements }));
        }
        for info in self.connection.list_chains_in(name, theirs).await? {
            table.chains.insert(info.name.clone(), Chain { base: base(&info), lines: Vec::new() });
        }
        for rule in self.connection.list_rules(name, theirs).await? {
            if let Some(chain) = table.chains.get_mut(&rule.chain) {
                chain.lines.push(Line::unread(rule.comment_text));
            }
        }
        Ok(table)
    }

    /// Carries out steps, all or none, after which `want` is what is there.
    pub async fn change(&mut self, steps: &[Step], want: &Arc<Ruleset>) -> nlink::Result<()> {
        if steps.is_empty() {
            return Ok(());
        }
        let before = self.known.take().map(|known| known.generation);
        let after = self.commit(steps, before).await?;
        self.known = after.map(|generation| Known { generation, ruleset: want.clone(), wanted: true });
        Ok(())
    }

    /// Carries out the changes that are found in what was wanted last, all or none, and gives the number of steps. None when
    /// something else is there now, or when nothing was found.
    pub async fn adjust(&mut self, find: impl FnOnce(&Ruleset) -> Option<Vec<SetChange>>) -> nlink::Result<Option<usize>> {
        let Some(mut known) = self.known.take_if(|known| known.wanted) else { return Ok(None) };
        let Some(changes) = find(&known.ruleset) else {
            self.known = Some(known);
            return Ok(None);
        };
        let steps = rule_change::steps(&changes);
        if let Some(generation) = self.commit(&steps, Some(known.generation)).await? {
            rule_change::carry_out(changes, Arc::make_mut(&mut known.ruleset));
            self.known = Some(Known { generation, ..known });
        }
        Ok(Some(steps.len()))
    }

    /// One transaction. Gives the generation after it when no other change came between that and the one before.
    async fn commit(&self, steps: &[Step], before: Option<u32>) -> nlink::Result<Option<u32>> {
        let mut transaction = self.connection.transaction();
        for step in steps {
            transaction = add_step(transaction, step)?;
        }
        if let Some(generation) = before {
            transaction = transaction.expect_generation(generation);
        }
        transaction.commit(&self.connection).await?;
        let generation = self.connection.generation().await?;
        Ok(before.is_some_and(|before| before.wrapping_add(1) == generation).then_some(generation))
    }
}

/// An element that counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counter {
    /// Its key.
    pub key: Vec<u8>,
    /// Packets that it counted.
    pub packets: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// A set that is not ours: of a shape that is never wanted, so that the table is made anew.
fn foreign() -> Set {
    Set { shape: Shape::set(&[]), elements: Default::default() }
}

fn own_family(family: nf::Family) -> Option<Family> {
    match family {
        nf::Family::Arp => Some(Family::Arp),
        nf::Family::Inet => Some(Family::Inet),
        nf::Family::Ip6 => Some(Family::Ip6),
        _ => None,
    }
}

fn kernel_family(family: Family) -> nf::Family {
    match family {
        Family::Arp => nf::Family::Arp,
        Family::Inet => nf::Family::Inet,
        Family::Ip6 => nf::Family::Ip6,
    }
}

const FIELDS: [Field; 8] = [Field::IfName, Field::Ether, Field::Ipv4, Field::Ipv6, Field::Proto, Field::Port, Field::Mark, Field::NfProto];

fn field(type_id: u32) -> Option<Field> {
    FIELDS.into_iter().find(|field| field.type_id() == type_id)
}

/// nft packs the types of a concatenation into six bits each, the first in the highest.
fn fields(type_id: u32) -> Option<Vec<Field>> {
    let mut rest = type_id;
    let mut out = Vec::new();
    while rest != 0 {
        out.push(field(rest & 0x3f)?);
        rest >>= 6;
    }
    out.reverse();
    Some(out)
}

fn shape(info: &nf::SetInfo) -> Option<Shape> {
    let data = match (info.flags.contains(nf::SetFlags::MAP), info.data_type) {
        (false, _) => Data::None,
        (true, Some(VERDICT_TYPE)) => Data::Verdict,
        (true, Some(type_id)) => match fields(type_id)?.as_slice() {
            [only] => Data::Value(*only),
            [Field::Ipv4, Field::Port] => Data::Socket,
            _ => return None,
        },
        (true, None) => return None,
    };
    let (interval, counts) = (info.flags.contains(nf::SetFlags::INTERVAL), !info.statements.is_empty());
    let grows_to = info.size.filter(|_| info.flags.contains(nf::SetFlags::EVAL));
    let key = match info.key_type {
        INTEGER => vec![Field::Bytes(info.key_len.try_into().ok()?)],
        type_id => fields(type_id)?,
    };
    Some(Shape { key, interval, data, counts, grows_to })
}

/// `NFT_DATA_VERDICT`.
const VERDICT_TYPE: u32 = 0xffff_ff00;

/// None for a key that is longer than any of ours.
fn read_element(element: &nf::SetElement, shape: &Shape) -> Option<(Key, Value)> {
    let from = KeyBytes::of(element.key())?;
    let to = element.key_end().map_or(Some(from), KeyBytes::of)?;
    let value = match element.data() {
        Some(nf::SetElementData::Value(bytes)) => Value::Bytes(bytes.clone()),
        Some(nf::SetElementData::Verdict(nf::Verdict::JumpTo(chain))) => Value::Jump(chain.to_string()),
        _ if shape.data == Data::None => Value::None,
        _ => Value::Bytes(Vec::new()),
    };
    Some((Key { from, to }, value))
}

fn base(info: &nf::ChainInfo) -> Option<Base> {
    let hook = match (own_family(info.family)?, info.hook?) {
        (Family::Arp, 0) => Hook::Input,
        (Family::Arp, _) => Hook::Output,
        (Family::Inet | Family::Ip6, 0) => Hook::Prerouting,
        (Family::Inet | Family::Ip6, 1) => Hook::Input,
        (Family::Inet | Family::Ip6, 2) => Hook::Forward,
        (Family::Inet | Family::Ip6, 3) => Hook::Output,
        (Family::Inet | Family::Ip6, _) => Hook::Postrouting,
    };
    let kind = match info.chain_type? {
        nf::ChainType::Nat => BaseKind::Nat,
        _ => BaseKind::Filter,
    };
    Some(Base { kind, hook, priority: info.priority?, policy_drop: info.policy == Some(0) })
}

fn kernel_set(table: &TableId, name: &str, shape: &Shape) -> nf::Set {
    let type_of = |field: &Field| match field {
        Field::Ipv4 => nf::SetKeyType::Ipv4Addr,
        Field::Ipv6 => nf::SetKeyType::Ipv6Addr,
        Field::Ether => nf::SetKeyType::EtherAddr,
        Field::Proto => nf::SetKeyType::InetProto,
        Field::Port => nf::SetKeyType::InetService,
        // Written as they are: the library's own type for a mark turns its bytes around in ranges, where ours are exact.
        Field::IfName | Field::Mark | Field::NfProto | Field::Bytes(_) => {
            nf::SetKeyType::Other { type_id: field.type_id(), len: field.len() as u32 }
        }
    };
    let key = match shape.key.as_slice() {
        [only] => type_of(only),
        several => nf::SetKeyType::Concat(several.iter().map(type_of).collect()),
    };
    let set = nf::Set::new(&table.name, name).family(kernel_family(table.family)).key_type(key);
    let set = if shape.interval { set.interval() } else { set };
    let set = if shape.counts { set.counter() } else { set };
    let set = if let Some(most) = shape.grows_to { set.dynamic().size(most) } else { set };
    match shape.data {
        Data::None => set,
        Data::Value(field) => set.map(nf::SetDataType::Value(type_of(&field))),
        Data::Socket => {
            let both = vec![type_of(&Field::Ipv4), type_of(&Field::Port)];
            set.map(nf::SetDataType::Value(nf::SetKeyType::Concat(both)))
        }
        Data::Verdict => set.vmap(),
    }
}

fn kernel_element(key: &Key, value: &Value) -> nlink::Result<nf::SetElement> {
    let element =
        if key.from == key.to { nf::SetElement::new(key.from.to_vec()) } else { nf::SetElement::range(key.from.to_vec(), key.to.to_vec()) };
    Ok(match value {
        Value::None => element,
        Value::Bytes(bytes) => element.value(nf::SetElement::new(bytes.clone())),
        Value::Jump(chain) => element.verdict(nf::Verdict::JumpTo(nf::ChainName::new(chain.clone())?)),
    })
}

fn kernel_chain(table: &TableId, name: &str, base: Option<Base>) -> nlink::Result<nf::Chain> {
    let chain = nf::Chain::new(table.name.as_str(), name)?.family(kernel_family(table.family));
    let Some(base) = base else { return Ok(chain) };
    let kind = match base.kind {
        BaseKind::Filter => nf::ChainType::Filter,
        BaseKind::Nat => nf::ChainType::Nat,
    };
    let hook = match base.hook {
        Hook::Prerouting => nf::Hook::Prerouting,
        Hook::Input => nf::Hook::Input,
        Hook::Forward => nf::Hook::Forward,
        Hook::Output => nf::Hook::Output,
        Hook::Postrouting => nf::Hook::Postrouting,
    };
    let policy = if base.policy_drop { nf::Policy::Drop } else { nf::Policy::Accept };
    let none: [String; 0] = [];
    let base = nf::BaseChain::try_new(kind, hook, nf::Priority::Custom(base.priority), none)?;
    Ok(chain.base(base.policy(policy)))
}

fn add_step(transaction: nf::Transaction, step: &Step) -> nlink::Result<nf::Transaction> {
    let family = |table: &TableId| kernel_family(table.family);
    Ok(match step {
        Step::AddTable(table) => transaction.add_table(&table.name, family(table)),
        Step::DropTable(table) => transaction.del_table(&table.name, family(table)),
        Step::AddSet(table, name, shape) => transaction.add_set(kernel_set(table, name, shape)),
        Step::DropSet(table, name) => transaction.del_set(&table.name, name, family(table)),
        Step::AddChain(table, name, base) => transaction.add_chain(kernel_chain(table, name, *base)?),
        Step::FlushChain(table, name) => transaction.flush_chain(&table.name, name, family(table)),
        Step::DropChain(table, name) => transaction.del_chain(&table.name, name, family(table)),
        Step::AddLine(table, chain, line) => {
            let rule = nf::Rule::new(&table.name, chain).family(family(table)).expressions(line.exprs().to_vec());
            transaction.add_rule(rule.comment(&line.mark()))
        }
        Step::AddElements(table, name, shape, elements) => {
            let set = kernel_set(table, name, shape);
            let mut transaction = transaction;
            for part in elements.chunks(ELEMENTS_PER_MESSAGE) {
                let part = part.iter().map(|(key, value)| kernel_element(key, value)).collect::<nlink::Result<Vec<_>>>()?;
                transaction = transaction.add_set_elements(&set, &part);
            }
            transaction
        }
        Step::DropElements(table, name, shape, keys) => {
            let set = kernel_set(table, name, shape);
            let mut transaction = transaction;
            for part in keys.chunks(ELEMENTS_PER_MESSAGE) {
                let part = part.iter().map(|key| kernel_element(key, &Value::None)).collect::<nlink::Result<Vec<_>>>()?;
                transaction = transaction.del_set_elements(&set, &part);
            }
            transaction
        }
    })
}
