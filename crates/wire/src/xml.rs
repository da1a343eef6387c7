//! Writes replies as XML: elements for members, one wrapped element for each item of a list.
//!
//! One buffer, no escaping where none is needed. It knows no vendor's envelope.

use std::fmt::Write;

use crate::doc::Doc;
use crate::json::push_int;
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

/// Appends `<name>...</name>`; nothing at all for [`Doc::Null`], since clients fail on empty
/// elements where they expect a number or a time.
pub fn write(out: &mut String, name: &str, doc: &Doc, times: Times) {
    match doc {
        Doc::Null => {}
        Doc::List { item: "", items } => {
            for item in items {
                write(out, name, item, times);
            }
        }
        Doc::Bool(_) | Doc::Int(_) | Doc::Float(_) | Doc::Time(_) | Doc::Text(_) | Doc::List { .. } | Doc::Object(_) => {
            if doc.is_empty() {
                push_tag(out, "<", name, "/>");
            } else {
                push_tag(out, "<", name, ">");
                write_content(out, doc, times);
                push_tag(out, "</", name, ">");
            }
        }
    }
}

/// Appends what stands between an element's tags.
pub fn write_content(out: &mut String, doc: &Doc, times: Times) {
    match doc {
        Doc::Null => {}
        Doc::Bool(true) => out.push_str("true"),
        Doc::Bool(false) => out.push_str("false"),
        Doc::Int(number) => push_int(out, *number),
        Doc::Float(number) => write!(out, "{number:?}").expect("a String takes everything"),
        Doc::Time(moment) => time::push(out, *moment, times.precision()),
        Doc::Text(text) => push_escaped(out, text),
        Doc::List { item, items } => {
            let item = if item.is_empty() { "item" } else { item };
            for doc in items {
                write(out, item, doc, times);
            }
        }
        Doc::Object(members) => {
            for (name, doc) in members {
                write(out, name, doc, times);
            }
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
    if !text.bytes().any(may_need_escape) {
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
