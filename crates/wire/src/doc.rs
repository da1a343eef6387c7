//! A reply as a tree: for what looks into a reply before it is written, and for parts that have no structure.

use std::borrow::Cow;
use std::fmt;
use std::mem;

use jiff::Timestamp;

use crate::show::{Name, Show, Sink};
use crate::time;

/// One piece of a reply.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Doc {
    /// Nothing: derived structures leave such members out; alone, the reply of an action that
    /// returns nothing.
    #[default]
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Any other number.
    Float(f64),
    /// A moment, which each format writes in its own precision.
    Time(Timestamp),
    /// A text.
    Text(Cow<'static, str>),
    /// Items, with the name that wraps each of them in XML and in ECS' JSON.
    List {
        /// The name of one item; empty for an array that is not wrapped.
        item: &'static str,
        /// The items.
        items: Vec<Doc>,
    },
    /// Named members, in the order written.
    Object(Vec<(&'static str, Doc)>),
}

impl Doc {
    /// The tree of anything.
    pub fn of(value: &dyn Show) -> Self {
        let mut tree = Tree::default();
        value.show(&mut tree);
        tree.made
    }

    /// Makes a text.
    pub fn text(text: impl Into<Cow<'static, str>>) -> Self {
        Doc::Text(text.into())
    }

    /// Makes a list of anything.
    pub fn list<T: Show>(item: &'static str, items: impl IntoIterator<Item = T>) -> Self {
        Doc::List { item, items: items.into_iter().map(|item| Doc::of(&item)).collect() }
    }

    /// Makes an object without its `Null` members.
    pub fn object<const N: usize>(members: [(&'static str, Doc); N]) -> Self {
        Doc::Object(members.into_iter().filter(|(_, doc)| !doc.is_null()).collect())
    }
}

impl Show for Doc {
    fn show(&self, sink: &mut dyn Sink) {
        match self {
            Doc::Null => sink.null(),
            Doc::Bool(value) => sink.bool(*value),
            Doc::Int(value) => sink.int(*value),
            Doc::Float(value) => sink.float(*value),
            Doc::Time(moment) => sink.time(*moment),
            Doc::Text(text) => sink.text(text),
            Doc::List { item, items } => sink.list((*item).into(), &mut items.iter().map(|item| item as &dyn Show)),
            Doc::Object(_) => sink.object(self),
        }
    }

    fn show_members(&self, sink: &mut dyn Sink) {
        let Doc::Object(members) = self else { return };
        for (name, doc) in members {
            let items = match doc {
                Doc::List { item, .. } => Some((*item).into()),
                Doc::Null | Doc::Bool(_) | Doc::Int(_) | Doc::Float(_) | Doc::Time(_) | Doc::Text(_) | Doc::Object(_) => None,
            };
            sink.member((*name).into(), items, doc);
        }
    }

    fn is_null(&self) -> bool {
        matches!(self, Doc::Null)
    }

    fn is_empty(&self) -> bool {
        match self {
            Doc::Null => true,
            Doc::Text(text) => text.is_empty(),
            Doc::List { items, .. } => items.is_empty(),
            Doc::Object(members) => members.is_empty(),
            Doc::Bool(_) | Doc::Int(_) | Doc::Float(_) | Doc::Time(_) => false,
        }
    }

    fn is_list(&self) -> bool {
        matches!(self, Doc::List { .. })
    }
}

/// The sink that makes a tree.
#[derive(Default)]
struct Tree {
    made: Doc,
    /// Members of the structure that is being shown.
    members: Vec<(&'static str, Doc)>,
    /// The name that a member has given to its items.
    items: Option<Name>,
}

impl Sink for Tree {
    fn null(&mut self) {
        self.made = Doc::Null;
    }

    fn bool(&mut self, value: bool) {
        self.made = Doc::Bool(value);
    }

    fn int(&mut self, value: i64) {
        self.made = Doc::Int(value);
    }

    fn float(&mut self, value: f64) {
        self.made = Doc::Float(value);
    }

    fn time(&mut self, value: Timestamp) {
        self.made = Doc::Time(value);
    }

    fn minute(&mut self, value: Timestamp) {
        self.made = Doc::text(time::to_minute(value));
    }

    fn text(&mut self, value: &str) {
        self.made = Doc::text(value.to_owned());
    }

    fn plain(&mut self, value: &dyn fmt::Display) {
        self.made = Doc::text(value.to_string());
    }

    fn list(&mut self, item: Name, items: &mut dyn Iterator<Item = &dyn Show>) {
        let item = self.items.take().unwrap_or(item);
        let mut made = Vec::new();
        for item in items {
            item.show(self);
            made.push(mem::take(&mut self.made));
        }
        self.made = Doc::List { item: item.text, items: made };
    }

    fn object(&mut self, value: &dyn Show) {
        let around = mem::take(&mut self.members);
        value.show_members(self);
        self.made = Doc::Object(mem::replace(&mut self.members, around));
    }

    fn member(&mut self, name: Name, items: Option<Name>, value: &dyn Show) {
        self.items = items;
        value.show(self);
        self.members.push((name.text, mem::take(&mut self.made)));
    }
}
