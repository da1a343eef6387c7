//! Writes replies as JSON: plain for AWS and Tencent, with lists wrapped twice for Alibaba's ECS.
//!
//! One buffer, no intermediate tree of another library. It knows no vendor's envelope.

use std::fmt::{self, Write};

use jiff::Timestamp;

use crate::show::{Name, Show, Sink};
use crate::time::{self, Precision};

/// Bytes that are reserved at once for the rest of a list, however long that may become.
const RESERVED_AT_ONCE: usize = 1024 * 1024;

/// How a service writes what JSON leaves open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JsonStyle {
    /// How lists are written.
    pub lists: Lists,
    /// How moments are written.
    pub times: Times,
}

/// How lists are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lists {
    /// `"InstanceSet": [...]`
    Plain,
    /// `"Instances": {"Instance": [...]}` where the list's items have a name.
    Wrapped,
}

/// How moments are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Times {
    /// Seconds since 1970 as a number, with milliseconds when there are any.
    Epoch,
    /// `2026-11-20T23:20:00Z`
    Text,
}

/// AWS' JSON protocols (`x-amz-json-1.0` and `-1.1`).
pub const AWS: JsonStyle = JsonStyle { lists: Lists::Plain, times: Times::Epoch };

/// Alibaba's RPC services. Those of the newer kind (ESS of 2022, SWAS) give their lists no item name.
pub const ALIBABA: JsonStyle = JsonStyle { lists: Lists::Wrapped, times: Times::Text };

/// Tencent's services.
pub const TENCENT: JsonStyle = JsonStyle { lists: Lists::Plain, times: Times::Text };

/// Appends a value as JSON.
pub fn write(out: &mut String, value: &dyn Show, style: JsonStyle) {
    value.show(&mut Writer { out, style, follows: false, items: None });
}

/// Appends the members of a structure behind others, without the braces around them.
pub(crate) fn write_members_after(out: &mut String, value: &dyn Show, style: JsonStyle) {
    value.show_members(&mut Writer { out, style, follows: true, items: None });
}

/// The sink that writes JSON.
struct Writer<'a> {
    out: &'a mut String,
    style: JsonStyle,
    /// Whether the next member follows another one of its structure.
    follows: bool,
    /// The name that a member has given to its items.
    items: Option<Name>,
}

impl Writer<'_> {
    fn array(&mut self, items: &mut dyn Iterator<Item = &dyn Show>) {
        self.out.push('[');
        if let Some(first) = items.next() {
            let start = self.out.len();
            first.show(self);
            reserve_rest(self.out, start, items.size_hint().0);
            for item in items {
                self.out.push(',');
                item.show(self);
            }
        }
        self.out.push(']');
    }

    /// Appends a name and what parts it from its value, behind a comma where it follows another member.
    fn name(&mut self, name: Name, follows: bool) {
        match name.written {
            Some(written) => self.out.push_str(if follows { written.quoted } else { &written.quoted[1..] }),
            None => {
                self.out.push_str(if follows { ",\"" } else { "\"" });
                self.out.push_str(name.text);
                self.out.push_str("\":");
            }
        }
    }

    fn quoted(&mut self, fill: impl FnOnce(&mut String)) {
        self.out.push('"');
        fill(self.out);
        self.out.push('"');
    }
}

impl Sink for Writer<'_> {
    fn null(&mut self) {
        self.out.push_str("null");
    }

    fn bool(&mut self, value: bool) {
        self.out.push_str(if value { "true" } else { "false" });
    }

    fn int(&mut self, value: i64) {
        push_int(self.out, value);
    }

    fn float(&mut self, value: f64) {
        push_float(self.out, value);
    }

    fn time(&mut self, value: Timestamp) {
        push_time(self.out, value, self.style.times);
    }

    fn minute(&mut self, value: Timestamp) {
        self.quoted(|out| time::push(out, value, Precision::Minute));
    }

    fn text(&mut self, value: &str) {
        push_text(self.out, value);
    }

    fn plain(&mut self, value: &dyn fmt::Display) {
        self.quoted(|out| write!(out, "{value}").expect("a String takes everything"));
    }

    fn list(&mut self, item: Name, items: &mut dyn Iterator<Item = &dyn Show>) {
        let item = self.items.take().unwrap_or(item);
        if self.style.lists == Lists::Wrapped && !item.text.is_empty() {
            self.out.push('{');
            self.name(item, false);
            self.array(items);
            self.out.push('}');
        } else {
            self.array(items);
        }
    }

    fn object(&mut self, value: &dyn Show) {
        self.out.push('{');
        self.follows = false;
        value.show_members(self);
        self.out.push('}');
    }

    fn member(&mut self, name: Name, items: Option<Name>, value: &dyn Show) {
        self.name(name, self.follows);
        self.items = items;
        value.show(self);
        self.follows = true;
    }
}

/// Appends a whole number in decimal.
pub(crate) fn push_int(out: &mut String, number: i64) {
    // Most numbers of replies are small, octets among them.
    let Ok(small) = u8::try_from(number) else { return write!(out, "{number}").expect("a String takes everything") };
    let digit = |value: u8| char::from(b'0' + value % 10);
    if small >= 100 {
        out.push(digit(small / 100));
    }
    if small >= 10 {
        out.push(digit(small / 10));
    }
    out.push(digit(small));
}

/// Makes room for the rest of a list of which the first item is written from `start` on: the others are about as long.
pub(crate) fn reserve_rest(out: &mut String, start: usize, rest: usize) {
    let first = out.len().saturating_sub(start);
    out.reserve(first.saturating_mul(rest).min(RESERVED_AT_ONCE));
}

/// Appends a number so that it reads as one with a fraction; JSON has no infinity, so `null` then.
fn push_float(out: &mut String, number: f64) {
    if number.is_finite() {
        write!(out, "{number:?}").expect("a String takes everything");
    } else {
        out.push_str("null");
    }
}

fn push_time(out: &mut String, moment: Timestamp, times: Times) {
    match times {
        Times::Epoch => {
            push_int(out, moment.as_second());
            let milliseconds = moment.subsec_millisecond();
            if milliseconds > 0 {
                write!(out, ".{milliseconds:03}").expect("a String takes everything");
            }
        }
        Times::Text => {
            out.push('"');
            time::push(out, moment, Precision::Second);
            out.push('"');
        }
    }
}

/// Appends a text in quotes; only what JSON demands is escaped.
pub(crate) fn push_text(out: &mut String, text: &str) {
    out.push('"');
    // Looks at every byte, so that the processor looks at many at once.
    if !text.bytes().fold(false, |found, byte| found | (byte < b' ') | (byte == b'"') | (byte == b'\\')) {
        out.push_str(text);
        out.push('"');
        return;
    }
    let mut clean_from = 0;
    for (at, byte) in text.bytes().enumerate() {
        let escape = match byte {
            b'"' => "\\\"",
            b'\\' => "\\\\",
            b'\n' => "\\n",
            b'\r' => "\\r",
            b'\t' => "\\t",
            0..=0x1f => "",
            _ => continue,
        };
        out.push_str(&text[clean_from..at]);
        clean_from = at + 1;
        if escape.is_empty() {
            write!(out, "\\u{byte:04x}").expect("a String takes everything");
        } else {
            out.push_str(escape);
        }
    }
    out.push_str(&text[clean_from..]);
    out.push('"');
}
