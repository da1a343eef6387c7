//! JSON with what a policy needs and a plain value tree loses: the order of members, and members that stand twice.
//!
//! Two members of one name are how a document says one thing to a reader and another to a parser, so they are kept for
//! the caller to refuse.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::{MAX_DEPTH, PolicyError};

/// A JSON value. Numbers are kept as text, since conditions compare texts.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Node {
    Null,
    Bool(bool),
    Number(String),
    Text(String),
    List(Vec<Node>),
    Map(Vec<(String, Node)>),
}

/// Reads a text that is one JSON value.
pub(super) fn read(text: &str) -> Result<Node, PolicyError> {
    let mut source = serde_json::Deserializer::from_str(text);
    let node = Level(0).deserialize(&mut source).map_err(syntax)?;
    source.end().map_err(syntax)?;
    Ok(node)
}

fn syntax(error: serde_json::Error) -> PolicyError {
    let mut detail = error.to_string();
    if let Some(at) = detail.rfind(" at line ") {
        detail.truncate(at);
    }
    PolicyError::Syntax { line: error.line(), column: error.column(), detail }
}

/// The level of nesting of the value that is read next.
struct Level(usize);

impl Level {
    fn below<E: Error>(&self) -> Result<Level, E> {
        if self.0 + 1 > MAX_DEPTH {
            return Err(E::custom(format_args!("nested deeper than {MAX_DEPTH} levels")));
        }
        Ok(Level(self.0 + 1))
    }
}

impl<'de> DeserializeSeed<'de> for Level {
    type Value = Node;

    fn deserialize<D: Deserializer<'de>>(self, source: D) -> Result<Node, D::Error> {
        source.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Level {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Number(value.to_string()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Number(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Node, E> {
        Ok(Node::Number(value.to_string()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Node, E> {
        Ok(Node::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Node, A::Error> {
        let mut list = Vec::new();
        while let Some(node) = access.next_element_seed(self.below()?)? {
            list.push(node);
        }
        Ok(Node::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Node, A::Error> {
        let mut map = Vec::new();
        while let Some(name) = access.next_key::<String>()? {
            map.push((name, access.next_value_seed(self.below()?)?));
        }
        Ok(Node::Map(map))
    }
}
