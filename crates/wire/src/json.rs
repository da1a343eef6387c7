//! Writes replies as JSON: plain for AWS and Tencent, with lists wrapped twice for Alibaba's ECS.
//!
//! One buffer, no intermediate tree of another library. It knows no vendor's envelope.

use std::fmt::Write;

use jiff::Timestamp;

use crate::doc::Doc;
use crate::time::{self, Precision};

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

/// Appends a tree as JSON.
pub fn write(out: &mut String, doc: &Doc, style: JsonStyle) {
    match doc {
        Doc::Null => out.push_str("null"),
        Doc::Bool(true) => out.push_str("true"),
        Doc::Bool(false) => out.push_str("false"),
        Doc::Int(number) => push_int(out, *number),
        Doc::Float(number) => push_float(out, *number),
        Doc::Time(moment) => push_time(out, *moment, style.times),
        Doc::Text(text) => push_text(out, text),
        Doc::List { item, items } => match style.lists {
            Lists::Wrapped if !item.is_empty() => {
                out.push('{');
                push_text(out, item);
                out.push(':');
                push_array(out, items, style);
                out.push('}');
            }
            Lists::Wrapped | Lists::Plain => push_array(out, items, style),
        },
        Doc::Object(members) => {
            out.push('{');
            push_members(out, members, style);
            out.push('}');
        }
    }
}

/// Appends members without the braces around them.
pub(crate) fn push_members(out: &mut String, members: &[(&'static str, Doc)], style: JsonStyle) {
    for (at, (name, doc)) in members.iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        push_text(out, name);
        out.push(':');
        write(out, doc, style);
    }
}

fn push_array(out: &mut String, items: &[Doc], style: JsonStyle) {
    out.push('[');
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        write(out, item, style);
    }
    out.push(']');
}

/// Appends a whole number in decimal.
pub(crate) fn push_int(out: &mut String, number: i64) {
    write!(out, "{number}").expect("a String takes everything");
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
