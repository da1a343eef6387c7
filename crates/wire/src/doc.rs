//! A reply as a tree, before it is known whether XML or JSON leaves the house.
//!
//! Dialects declare structures and derive [`IntoDoc`]; the writers in `xml` and `json` give the tree
//! each vendor's form. It does not know request ids, error bodies or actions.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use jiff::Timestamp;

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

/// The item name of lists that were given no other.
pub const DEFAULT_ITEM: &str = "item";

impl Doc {
    /// Makes a text.
    pub fn text(text: impl Into<Cow<'static, str>>) -> Self {
        Doc::Text(text.into())
    }

    /// Makes a list of anything.
    pub fn list<T: IntoDoc>(item: &'static str, items: impl IntoIterator<Item = T>) -> Self {
        Doc::List { item, items: items.into_iter().map(IntoDoc::into_doc).collect() }
    }

    /// Makes an object without its `Null` members.
    pub fn object<const N: usize>(members: [(&'static str, Doc); N]) -> Self {
        let mut present = Vec::with_capacity(N);
        present.extend(members.into_iter().filter(|(_, doc)| !matches!(doc, Doc::Null)));
        Doc::Object(present)
    }

    /// Gives the items of a list their name; anything else stays as it is.
    pub fn named_items(self, item: &'static str) -> Self {
        match self {
            Doc::List { items, .. } => Doc::List { item, items },
            other => other,
        }
    }

    /// Whether this is nothing, or a text, list or object without content.
    pub fn is_empty(&self) -> bool {
        match self {
            Doc::Null => true,
            Doc::Text(text) => text.is_empty(),
            Doc::List { items, .. } => items.is_empty(),
            Doc::Object(members) => members.is_empty(),
            Doc::Bool(_) | Doc::Int(_) | Doc::Float(_) | Doc::Time(_) => false,
        }
    }

    /// The members when this is an object, nothing otherwise; for replies flattened into others.
    pub fn into_members(self) -> Vec<(&'static str, Doc)> {
        match self {
            Doc::Object(members) => members,
            Doc::Null | Doc::Bool(_) | Doc::Int(_) | Doc::Float(_) | Doc::Time(_) | Doc::Text(_) | Doc::List { .. } => Vec::new(),
        }
    }
}

/// A type that replies are made of. It is consumed, so that texts move instead of being copied.
pub trait IntoDoc {
    /// Makes the tree.
    fn into_doc(self) -> Doc;
}

impl IntoDoc for Doc {
    fn into_doc(self) -> Doc {
        self
    }
}

/// The reply of an action that returns nothing.
impl IntoDoc for () {
    fn into_doc(self) -> Doc {
        Doc::Null
    }
}

impl IntoDoc for bool {
    fn into_doc(self) -> Doc {
        Doc::Bool(self)
    }
}

impl IntoDoc for f64 {
    fn into_doc(self) -> Doc {
        Doc::Float(self)
    }
}

impl IntoDoc for Timestamp {
    fn into_doc(self) -> Doc {
        Doc::Time(self)
    }
}

macro_rules! small_numbers {
    ($($number:ty),*) => {$(
        impl IntoDoc for $number {
            fn into_doc(self) -> Doc {
                Doc::Int(i64::from(self))
            }
        }
    )*};
}

small_numbers!(u8, u16, u32, i8, i16, i32, i64);

macro_rules! large_numbers {
    ($($number:ty),*) => {$(
        /// Beyond `i64::MAX`, which no vendor's reply can hold, the number is cut to it.
        impl IntoDoc for $number {
            fn into_doc(self) -> Doc {
                Doc::Int(i64::try_from(self).unwrap_or(i64::MAX))
            }
        }
    )*};
}

large_numbers!(u64, usize);

macro_rules! texts {
    ($($text:ty),*) => {$(
        impl IntoDoc for $text {
            fn into_doc(self) -> Doc {
                Doc::Text(self.into())
            }
        }
    )*};
}

texts!(&'static str, String, Cow<'static, str>);

macro_rules! shown_texts {
    ($($text:ty),*) => {$(
        impl IntoDoc for $text {
            fn into_doc(self) -> Doc {
                Doc::Text(self.to_string().into())
            }
        }
    )*};
}

shown_texts!(Arc<str>, IpAddr, Ipv4Addr, Ipv6Addr);

impl<T: IntoDoc> IntoDoc for Option<T> {
    fn into_doc(self) -> Doc {
        self.map_or(Doc::Null, IntoDoc::into_doc)
    }
}

impl<T: IntoDoc> IntoDoc for Box<T> {
    fn into_doc(self) -> Doc {
        (*self).into_doc()
    }
}

impl<T: IntoDoc> IntoDoc for Vec<T> {
    fn into_doc(self) -> Doc {
        Doc::list(DEFAULT_ITEM, self)
    }
}

/// A moment that is written to the minute, as ECS does for instances and disks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Minute(pub Timestamp);

impl IntoDoc for Minute {
    fn into_doc(self) -> Doc {
        Doc::Text(time::to_minute(self.0).into())
    }
}
