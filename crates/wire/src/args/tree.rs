//! The tree of parameters: texts at the leaves, names in between, lists as names that are numbers.
//!
//! ```text
//! Tag.1.Key=a & Tag.1.Value=b & Size=3        { Size: "3", Tag: { 1: { Key: "a", Value: "b" } } }
//! ```
//!
//! Names are found whatever their case, because Alibaba's own SDKs disagree about it. Branches are
//! kept sorted, so a hostile request of many names costs n log n. A leaf remembers that it was read,
//! so that what nobody understood can be listed. It does not know what the parameters mean.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::sync::atomic::{AtomicBool, Ordering as Memory};

use super::{ArgsError, ArgsErrorKind, FromArg, Path};
use crate::limits;

/// One place of the tree.
pub enum Node {
    /// One value.
    Text(Text),
    /// A structure, or a list whose names are numbers.
    Branch(Branch),
}

/// One value as the client wrote it, decoded.
pub struct Text {
    value: String,
    read: AtomicBool,
}

/// Named nodes, sorted by name.
#[derive(Default)]
pub struct Branch {
    entries: Vec<(String, Node)>,
    /// A bit for each [`kind_of`] a name among them: most names that are asked for are not there.
    kinds: u64,
}

/// What a name is told from others by at once: its length and its first letter, as one of 64 bits.
#[inline]
fn kind_of(name: &str) -> u64 {
    let first = name.bytes().next().map_or(0, |letter| u64::from(letter.to_ascii_lowercase()));
    1 << ((first * 7 + name.len() as u64) % 64)
}

impl Node {
    /// Makes a leaf.
    pub fn text(value: impl Into<String>) -> Self {
        Node::Text(Text { value: value.into(), read: AtomicBool::new(false) })
    }

    /// The value, when this is one; `NotAValue` otherwise.
    pub fn value(&self, path: &Path<'_>) -> Result<&str, ArgsError> {
        match self {
            Node::Text(text) => {
                text.read.store(true, Memory::Relaxed);
                Ok(&text.value)
            }
            Node::Branch(_) => Err(ArgsError::new(path, ArgsErrorKind::NotAValue)),
        }
    }

    /// The structure, when this is one; `NotAStructure` otherwise.
    pub fn branch(&self, path: &Path<'_>) -> Result<&Branch, ArgsError> {
        match self {
            Node::Branch(branch) => Ok(branch),
            Node::Text(_) => Err(ArgsError::new(path, ArgsErrorKind::NotAStructure)),
        }
    }

    /// The items of the list, sorted by the client's index, which may start anywhere and have gaps.
    ///
    /// A single `member` in between is skipped (AWS' query protocol), and an empty value is an
    /// empty list (so botocore writes it). Fails with `NotAList`, `Malformed` when a name among the
    /// items is no number, `Duplicate` (`1` and `01`) or `TooMany`.
    pub fn list(&self, path: &Path<'_>) -> Result<Vec<(u32, &Node)>, ArgsError> {
        let branch = match self {
            Node::Branch(branch) => branch.behind_member(),
            Node::Text(text) if text.value.is_empty() => {
                text.read.store(true, Memory::Relaxed);
                return Ok(Vec::new());
            }
            Node::Text(_) => return Err(ArgsError::new(path, ArgsErrorKind::NotAList)),
        };
        if branch.entries.len() > limits::MAX_LIST {
            let max = limits::MAX_LIST;
            return Err(ArgsError::new(path, ArgsErrorKind::TooMany { max }));
        }
        let mut items = Vec::with_capacity(branch.entries.len());
        for (name, node) in &branch.entries {
            let index = parse_index(name).ok_or_else(|| ArgsError::new(path.name(name), ArgsErrorKind::Malformed))?;
            items.push((index, node));
        }
        items.sort_by_key(|(index, _)| *index);
        if let Some(pair) = items.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            let twice = path.index(pair[0].0);
            return Err(ArgsError::new(twice, ArgsErrorKind::Duplicate));
        }
        Ok(items)
    }

    /// Whether this is a value without text.
    pub fn is_empty_text(&self) -> bool {
        matches!(self, Node::Text(text) if text.value.is_empty())
    }

    /// Marks this and all below as understood.
    pub fn mark_read(&self) {
        match self {
            Node::Text(text) => text.read.store(true, Memory::Relaxed),
            Node::Branch(branch) => branch.entries.iter().for_each(|(_, node)| node.mark_read()),
        }
    }

    /// Adds the names of all leaves below that nobody read.
    pub(super) fn collect_unread(&self, path: &Path<'_>, unread: &mut Vec<String>) {
        match self {
            Node::Text(text) if text.read.load(Memory::Relaxed) => {}
            Node::Text(_) => unread.push(path.to_string()),
            Node::Branch(branch) => {
                for (name, node) in &branch.entries {
                    node.collect_unread(&path.name(name), unread);
                }
            }
        }
    }
}

impl Branch {
    /// Makes a branch of nodes in any order; `Duplicate` when two names differ in case at most.
    pub(super) fn from_entries(mut entries: Vec<(String, Node)>, path: &Path<'_>) -> Result<Self, ArgsError> {
        entries.sort_by(|a, b| compare_names(&a.0, &b.0));
        let twice = entries.windows(2).find(|pair| compare_names(&pair[0].0, &pair[1].0) == Ordering::Equal);
        match twice {
            Some(pair) => Err(ArgsError::new(path.name(&pair[0].0), ArgsErrorKind::Duplicate)),
            None => Ok(Self::of_sorted(entries)),
        }
    }

    fn of_sorted(entries: Vec<(String, Node)>) -> Self {
        let kinds = entries.iter().fold(0, |kinds, (name, _)| kinds | kind_of(name));
        Self { entries, kinds }
    }

    /// The node of this name, whatever its case.
    #[inline]
    pub fn get(&self, name: &str) -> Option<&Node> {
        if self.kinds & kind_of(name) == 0 { None } else { self.find(name) }
    }

    fn find(&self, name: &str) -> Option<&Node> {
        let found = self.entries.binary_search_by(|(key, _)| compare_names(key, name));
        found.ok().map(|at| &self.entries[at].1)
    }

    /// The nodes with their names as the client wrote them.
    pub fn entries(&self) -> impl Iterator<Item = (&str, &Node)> {
        self.entries.iter().map(|(name, node)| (name.as_str(), node))
    }

    /// Decodes the member that has the first of these names that is present.
    ///
    /// An absent member is whatever `T` makes of absence; errors name the first of `names`.
    pub fn field<T: FromArg>(&self, names: &[&'static str], path: &Path<'_>) -> Result<T, ArgsError> {
        let path = path.name(names.first().copied().unwrap_or(""));
        match self.first_of(names) {
            Some(node) => T::from_arg(node, &path),
            None => T::from_absent(&path),
        }
    }

    /// Decodes the member like [`Branch::field`], or takes the default when it is absent or empty.
    pub fn field_or<T: FromArg>(&self, names: &[&'static str], path: &Path<'_>, default: impl FnOnce() -> T) -> Result<T, ArgsError> {
        let path = path.name(names.first().copied().unwrap_or(""));
        match self.first_of(names) {
            Some(node) if node.is_empty_text() && !T::TAKES_EMPTY => {
                node.mark_read();
                Ok(default())
            }
            Some(node) => T::from_arg(node, &path),
            None => Ok(default()),
        }
    }

    /// The node that has the first of these names that is present.
    #[inline]
    pub fn first_of(&self, names: &[&'static str]) -> Option<&Node> {
        names.iter().find_map(|name| self.get(name))
    }

    /// What lies behind a single `member`, or this branch itself.
    fn behind_member(&self) -> &Branch {
        match self.entries.as_slice() {
            [(name, Node::Branch(items))] if name.eq_ignore_ascii_case("member") => items,
            _ => self,
        }
    }
}

/// Shows names only: values may be passwords.
impl std::fmt::Debug for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Node::Text(_) => f.write_str("_"),
            Node::Branch(branch) => f.debug_map().entries(branch.entries()).finish(),
        }
    }
}

/// One decoded parameter before it has its place in the tree.
pub(super) struct Pair<'a> {
    pub(super) name: Cow<'a, str>,
    pub(super) value: String,
}

/// Plants the tree of these parameters.
pub(super) fn plant(mut pairs: Vec<Pair<'_>>) -> Result<Branch, ArgsError> {
    for pair in &pairs {
        check_name(&pair.name)?;
    }
    pairs.sort_by(|a, b| compare_names(&a.name, &b.name));
    grow(&mut pairs, 0)
}

fn check_name(name: &str) -> Result<(), ArgsError> {
    if name.len() > limits::MAX_NAME_BYTES {
        let max = limits::MAX_NAME_BYTES;
        let start: String = name.chars().take(max / 4).collect();
        return Err(ArgsError::new(start, ArgsErrorKind::TooLong { max }));
    }
    if name.split('.').any(str::is_empty) {
        return Err(ArgsError::new(name, ArgsErrorKind::Malformed));
    }
    if name.split('.').count() > limits::MAX_DEPTH {
        let max = limits::MAX_DEPTH;
        return Err(ArgsError::new(name, ArgsErrorKind::TooDeep { max }));
    }
    Ok(())
}

/// Makes a branch of sorted pairs that agree in their first `offset` bytes.
fn grow(mut pairs: &mut [Pair<'_>], offset: usize) -> Result<Branch, ArgsError> {
    let mut entries = Vec::new();
    while let Some(first) = pairs.first() {
        let step = first_step(&first.name[offset..]).to_owned();
        let same = pairs.iter().take_while(|pair| first_step(&pair.name[offset..]).eq_ignore_ascii_case(&step)).count();
        let (group, rest) = pairs.split_at_mut(same);
        let node = grow_one(group, offset + step.len())?;
        entries.push((step, node));
        pairs = rest;
    }
    Ok(Branch::of_sorted(entries))
}

/// Makes the node of sorted pairs that agree in their first `end` bytes, where a step ends.
fn grow_one(group: &mut [Pair<'_>], end: usize) -> Result<Node, ArgsError> {
    let leaves = group.iter().filter(|pair| pair.name.len() == end).count();
    match leaves {
        0 => grow(group, end + 1).map(Node::Branch),
        _ if leaves < group.len() => Err(ArgsError::new(&group[0].name, ArgsErrorKind::Malformed)),
        _ if group.windows(2).all(|pair| is_echo(&pair[0], &pair[1])) => Ok(Node::text(std::mem::take(&mut group[0].value))),
        _ => Err(ArgsError::new(&group[0].name, ArgsErrorKind::Duplicate)),
    }
}

/// Whether two parameters of one name say the same: Alibaba's old SDK adds `RegionId` to actions
/// that have their own `regionId`.
fn is_echo(a: &Pair<'_>, b: &Pair<'_>) -> bool {
    a.name != b.name && a.value == b.value
}

fn first_step(name: &str) -> &str {
    name.split('.').next().unwrap_or(name)
}

/// Orders names without regard to case and with `.` before everything, so that what shares its
/// first steps stands together.
fn compare_names(a: &str, b: &str) -> Ordering {
    let rank = |byte: u8| match byte {
        b'.' => 0,
        other => u16::from(other.to_ascii_lowercase()) + 1,
    };
    a.bytes().map(rank).cmp(b.bytes().map(rank))
}

fn parse_index(name: &str) -> Option<u32> {
    let digits = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| name.parse().ok()).flatten()
}
