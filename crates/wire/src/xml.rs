//! Writes replies as XML: elements for members, one wrapped element for each item of a list.
//!
//! One buffer, no escaping where none is needed. It knows no vendor's envelope.

use std::fmt::{self, Write};

use jiff::Timestamp;

use crate::json::{push_int, reserve_rest};
use crate::show::{DEFAULT_ITEM, Name, Show, Sink};
use crate::time::{self, Precision};

/// How a service writes moments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Times {
    /// `2026-11-20T23:20:00.000Z`, as EC2 and AWS' query services do.
    Millisecond,
    /// `2026-11-20T23:20:00Z`, as Alibaba's services do.
    Second,
}

impl Times {
    fn precision(self) -> Precision {
        match self {
            Times::Millisecond => Precision::Millisecond,
            Times::Second => Precision::Second,
        }
    }
}

/// Appends what stands between the tags of an element.
pub fn write_content(out: &mut String, value: &dyn Show, times: Times) {
    value.show(&mut Writer { out, times, items: None });
}

/// The sink that writes elements.
struct Writer<'a> {
    out: &'a mut String,
    times: Times,
    /// The name that a member has given to its items.
    items: Option<Name>,
}

impl Writer<'_> {
    /// Appends `<name>...</name>`; nothing at all for nothing, since clients fail on empty elements where they expect a
    /// number or a time.
    fn element(&mut self, name: Name, value: &dyn Show) {
        if value.is_null() {
            return;
        }
        match name.written {
            Some(written) => self.out.push_str(written.open),
            None => push_tag(self.out, "<", name.text, ">"),
        }
        let start = self.out.len();
        value.show(self);
        if self.out.len() == start {
            self.out.truncate(start - ">".len());
            self.out.push_str("/>");
        } else {
            match name.written {
                Some(written) => self.out.push_str(written.close),
                None => push_tag(self.out, "</", name.text, ">"),
            }
        }
    }
}

impl Sink for Writer<'_> {
    fn null(&mut self) {}

    fn bool(&mut self, value: bool) {
        self.out.push_str(if value { "true" } else { "false" });
    }

    fn int(&mut self, value: i64) {
        push_int(self.out, value);
    }

    fn float(&mut self, value: f64) {
        write!(self.out, "{value:?}").expect("a String takes everything");
    }

    fn time(&mut self, value: Timestamp) {
        time::push(self.out, value, self.times.precision());
    }

    fn minute(&mut self, value: Timestamp) {
        time::push(self.out, value, Precision::Minute);
    }

    fn text(&mut self, value: &str) {
        push_escaped(self.out, value);
    }

    fn plain(&mut self, value: &dyn fmt::Display) {
        write!(self.out, "{value}").expect("a String takes everything");
    }

    fn list(&mut self, item: Name, items: &mut dyn Iterator<Item = &dyn Show>) {
        let given = self.items.take().unwrap_or(item);
        let item = if given.text.is_empty() { DEFAULT_ITEM } else { given };
        if let Some(first) = items.next() {
            let start = self.out.len();
            self.element(item, first);
            reserve_rest(self.out, start, items.size_hint().0);
            for value in items {
                self.element(item, value);
            }
        }
    }

    fn object(&mut self, value: &dyn Show) {
        value.show_members(self);
    }

    fn member(&mut self, name: Name, items: Option<Name>, value: &dyn Show) {
        if items.is_some_and(|items| items.text.is_empty()) && value.is_list() {
            self.items = Some(name);
            value.show(self);
        } else {
            self.items = items;
            self.element(name, value);
        }
    }
}

/// Appends `<name>text</name>`, escaped.
pub fn write_text(out: &mut String, name: &str, text: &str) {
    push_tag(out, "<", name, ">");
    push_escaped(out, text);
    push_tag(out, "</", name, ">");
}

pub(crate) fn push_tag(out: &mut String, open: &str, name: &str, close: &str) {
    out.push_str(open);
    out.push_str(name);
    out.push_str(close);
}

/// Appends a text with XML's own characters escaped.
///
/// XML 1.0 has no form for most control characters (section 2.2), so they become U+FFFD. A carriage
/// return is written as a reference, because parsers turn a bare one into a line feed (2.11).
pub fn push_escaped(out: &mut String, text: &str) {
    // Looks at every byte, so that the processor looks at many at once.
    if !text.bytes().fold(false, |found, byte| found | may_need_escape(byte)) {
        out.push_str(text);
        return;
    }
    let mut clean_from = 0;
    for (at, character) in text.char_indices() {
        let escape = match character {
            '<' => "&lt;",
            '>' => "&gt;",
            '&' => "&amp;",
            '"' => "&quot;",
            '\r' => "&#13;",
            '\t' | '\n' => continue,
            '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => "\u{fffd}",
            _ => continue,
        };
        out.push_str(&text[clean_from..at]);
        out.push_str(escape);
        clean_from = at + character.len_utf8();
    }
    out.push_str(&text[clean_from..]);
}

/// Whether a character that begins with this byte may need an escape; 0xEF begins U+FFFE and U+FFFF.
fn may_need_escape(byte: u8) -> bool {
    byte < b' ' || matches!(byte, b'<' | b'>' | b'&' | b'"' | 0xef)
}
