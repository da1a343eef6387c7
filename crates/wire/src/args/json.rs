//! JSON text read straight into the parameter tree, with the same limits and the same refusal of
//! duplicates as forms.
//!
//! `null` is the same as absence, numbers and booleans become their text: what a member should be is
//! the decoder's question.

use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use super::tree::{Branch, Node};
use super::{ArgsError, ArgsErrorKind, Path};
use crate::limits;

/// Reads JSON text; the error names `path`.
pub(super) fn read(text: &[u8], path: &Path<'_>) -> Result<Option<Node>, ArgsError> {
    let mut reader = Reader { values_left: limits::MAX_PARAMETERS, refusal: None };
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let seed = Seed { reader: &mut reader, path, depth: 0 };
    let node = seed.deserialize(&mut deserializer).and_then(|node| deserializer.end().map(|()| node));
    node.map_err(|_| {
        let not_json = || ArgsError::new(path, ArgsErrorKind::NotJson);
        reader.refusal.take().unwrap_or_else(not_json)
    })
}

struct Reader {
    values_left: usize,
    /// The precise refusal; serde's own error only carries text.
    refusal: Option<ArgsError>,
}

impl Reader {
    fn refuse<E: de::Error>(&mut self, path: &Path<'_>, kind: ArgsErrorKind) -> E {
        self.refusal = Some(ArgsError::new(path, kind));
        E::custom("refused")
    }
}

struct Seed<'a> {
    reader: &'a mut Reader,
    path: &'a Path<'a>,
    depth: usize,
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Option<Node>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<Node>, D::Error> {
        if self.depth > limits::MAX_DEPTH {
            let max = limits::MAX_DEPTH;
            return Err(self.reader.refuse(self.path, ArgsErrorKind::TooDeep { max }));
        }
        let Some(left) = self.reader.values_left.checked_sub(1) else {
            let max = limits::MAX_PARAMETERS;
            return Err(self.reader.refuse(self.path, ArgsErrorKind::TooMany { max }));
        };
        self.reader.values_left = left;
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Option<Node>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Option<Node>, E> {
        Ok(None)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Option<Node>, E> {
        Ok(Some(Node::text(value.to_string())))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Option<Node>, E> {
        Ok(Some(Node::text(value.to_string())))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Option<Node>, E> {
        Ok(Some(Node::text(value.to_string())))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Option<Node>, E> {
        Ok(Some(Node::text(value.to_string())))
    }

    fn visit_str<E>(self, value: &str) -> Result<Option<Node>, E> {
        Ok(Some(Node::text(value)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Option<Node>, A::Error> {
        let mut entries = Vec::new();
        let mut index = 0;
        loop {
            let path = self.path.index(index);
            let item = items.next_element_seed(Seed { reader: self.reader, path: &path, depth: self.depth + 1 })?;
            match item {
                Some(Some(node)) => entries.push((index.to_string(), node)),
                Some(None) => {}
                None => break,
            }
            index += 1;
        }
        self.branch(entries)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Option<Node>, A::Error> {
        let mut entries = Vec::new();
        while let Some(name) = members.next_key::<String>()? {
            let path = self.path.name(&name);
            let member = members.next_value_seed(Seed { reader: self.reader, path: &path, depth: self.depth + 1 })?;
            if let Some(node) = member {
                entries.push((name, node));
            }
        }
        self.branch(entries)
    }
}

impl Seed<'_> {
    fn branch<E: de::Error>(self, entries: Vec<(String, Node)>) -> Result<Option<Node>, E> {
        match Branch::from_entries(entries, self.path) {
            Ok(branch) => Ok(Some(Node::Branch(branch))),
            Err(refusal) => {
                self.reader.refusal = Some(refusal);
                Err(E::custom("refused"))
            }
        }
    }
}
