//! What replies are made of: values that show themselves to a [`Sink`], which gives them a vendor's form.
//!
//! Dialects declare structures and derive [`Show`]. A value is read where it lies and written once: between a
//! structure and the text of a reply stands nothing. It does not know request ids, error bodies or actions.

use std::borrow::Cow;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use jiff::Timestamp;

use crate::json::push_int;

/// The item name of lists that were given no other.
pub const DEFAULT_ITEM: Name = Name { text: "item", written: Some(Written { open: "<item>", close: "</item>", quoted: ",\"item\":" }) };

/// The name of a member, or of the items of a list. It holds nothing that a format would escape.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Name {
    /// The name alone; empty for items that are not wrapped.
    pub text: &'static str,
    /// How formats write it, of names that were known when the program was compiled.
    pub written: Option<Written>,
}

/// A name as formats write it: replies have hundreds, and each is one copy and not four.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// `<name>`
    pub open: &'static str,
    /// `</name>`
    pub close: &'static str,
    /// `,"name":`
    pub quoted: &'static str,
}

impl From<&'static str> for Name {
    fn from(text: &'static str) -> Name {
        Name { text, written: None }
    }
}

/// A type that replies are made of.
pub trait Show {
    /// Shows one value.
    fn show(&self, sink: &mut dyn Sink);

    /// Shows the members of a structure without the structure around them; for replies flattened into others.
    /// Nothing, of what is no structure.
    fn show_members(&self, _sink: &mut dyn Sink) {}

    /// Whether it is nothing: structures leave such members out.
    fn is_null(&self) -> bool {
        false
    }

    /// Whether it is nothing, or a text, list or structure without content.
    fn is_empty(&self) -> bool {
        self.is_null()
    }

    /// Whether it is a list.
    fn is_list(&self) -> bool {
        false
    }
}

/// A reply whose type is forgotten.
pub type Shown = Box<dyn Show + Send>;

/// What values show themselves to: a writer of some format. Each call takes one value.
pub trait Sink {
    /// Nothing.
    fn null(&mut self);
    /// `true` or `false`.
    fn bool(&mut self, value: bool);
    /// A whole number.
    fn int(&mut self, value: i64);
    /// Any other number.
    fn float(&mut self, value: f64);
    /// A moment, which each format writes in its own precision.
    fn time(&mut self, value: Timestamp);
    /// A moment that is written to the minute in every format.
    fn minute(&mut self, value: Timestamp);
    /// A text.
    fn text(&mut self, value: &str);
    /// A text of letters, digits and marks that no format escapes, such as an id or an address.
    fn plain(&mut self, value: &dyn fmt::Display);
    /// A list, with the name that wraps each item in XML and in ECS' JSON, unless the member that it is has given them
    /// one; empty for an array that is not wrapped.
    fn list(&mut self, item: Name, items: &mut dyn Iterator<Item = &dyn Show>);
    /// A structure.
    fn object(&mut self, value: &dyn Show);
    /// A member of the structure that is being shown, and the name of its items where it is a list.
    fn member(&mut self, name: Name, items: Option<Name>, value: &dyn Show);
}

/// The reply of an action that returns nothing.
impl Show for () {
    fn show(&self, sink: &mut dyn Sink) {
        sink.null();
    }

    fn is_null(&self) -> bool {
        true
    }
}

impl Show for bool {
    fn show(&self, sink: &mut dyn Sink) {
        sink.bool(*self);
    }
}

impl Show for f64 {
    fn show(&self, sink: &mut dyn Sink) {
        sink.float(*self);
    }
}

impl Show for Timestamp {
    fn show(&self, sink: &mut dyn Sink) {
        sink.time(*self);
    }
}

macro_rules! small_numbers {
    ($($number:ty),*) => {$(
        impl Show for $number {
            fn show(&self, sink: &mut dyn Sink) {
                sink.int(i64::from(*self));
            }
        }
    )*};
}

small_numbers!(u8, u16, u32, i8, i16, i32, i64);

macro_rules! large_numbers {
    ($($number:ty),*) => {$(
        /// Beyond `i64::MAX`, which no vendor's reply can hold, the number is cut to it.
        impl Show for $number {
            fn show(&self, sink: &mut dyn Sink) {
                sink.int(i64::try_from(*self).unwrap_or(i64::MAX));
            }
        }
    )*};
}

large_numbers!(u64, usize);

macro_rules! texts {
    ($($text:ty),*) => {$(
        impl Show for $text {
            fn show(&self, sink: &mut dyn Sink) {
                sink.text(self);
            }

            fn is_empty(&self) -> bool {
                str::is_empty(self)
            }
        }
    )*};
}

texts!(str, String, Cow<'_, str>, Arc<str>);

macro_rules! plain_texts {
    ($($text:ty),*) => {$(
        impl Show for $text {
            fn show(&self, sink: &mut dyn Sink) {
                sink.plain(self);
            }
        }
    )*};
}

plain_texts!(IpAddr, Ipv6Addr);

impl Show for Ipv4Addr {
    /// Replies have hundreds of them, and what formats numbers in general takes twice as long and more.
    fn show(&self, sink: &mut dyn Sink) {
        let mut text = String::with_capacity("255.255.255.255".len());
        for (at, octet) in self.octets().into_iter().enumerate() {
            if at > 0 {
                text.push('.');
            }
            push_int(&mut text, i64::from(octet));
        }
        sink.text(&text);
    }
}

/// What is shown as its text, which holds nothing that a format would escape: an id, a range of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plain<T>(pub T);

impl<T: fmt::Display> Show for Plain<T> {
    fn show(&self, sink: &mut dyn Sink) {
        sink.plain(&self.0);
    }
}

/// A moment that is written to the minute, as ECS does for instances and disks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Minute(pub Timestamp);

impl Show for Minute {
    fn show(&self, sink: &mut dyn Sink) {
        sink.minute(self.0);
    }
}

/// A value that is an empty text where there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OrEmpty<T>(pub Option<T>);

impl<T> Default for OrEmpty<T> {
    fn default() -> Self {
        OrEmpty(None)
    }
}

impl<T: Show> Show for OrEmpty<T> {
    fn show(&self, sink: &mut dyn Sink) {
        match &self.0 {
            Some(value) => value.show(sink),
            None => sink.text(""),
        }
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<T: Show> Show for Option<T> {
    fn show(&self, sink: &mut dyn Sink) {
        match self {
            Some(value) => value.show(sink),
            None => sink.null(),
        }
    }

    fn show_members(&self, sink: &mut dyn Sink) {
        if let Some(value) = self {
            value.show_members(sink);
        }
    }

    fn is_null(&self) -> bool {
        self.as_ref().is_none_or(Show::is_null)
    }

    fn is_empty(&self) -> bool {
        self.as_ref().is_none_or(Show::is_empty)
    }

    fn is_list(&self) -> bool {
        self.as_ref().is_some_and(Show::is_list)
    }
}

macro_rules! behind {
    ($($pointer:ty),*) => {$(
        impl<T: Show + ?Sized> Show for $pointer {
            fn show(&self, sink: &mut dyn Sink) {
                (**self).show(sink);
            }

            fn show_members(&self, sink: &mut dyn Sink) {
                (**self).show_members(sink);
            }

            fn is_null(&self) -> bool {
                (**self).is_null()
            }

            fn is_empty(&self) -> bool {
                (**self).is_empty()
            }

            fn is_list(&self) -> bool {
                (**self).is_list()
            }
        }
    )*};
}

behind!(&T, Box<T>);

impl<T: Show> Show for Vec<T> {
    fn show(&self, sink: &mut dyn Sink) {
        sink.list(DEFAULT_ITEM, &mut self.iter().map(|item| item as &dyn Show));
    }

    fn is_empty(&self) -> bool {
        Vec::is_empty(self)
    }

    fn is_list(&self) -> bool {
        true
    }
}
