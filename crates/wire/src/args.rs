//! A request's parameters: from query string, form or JSON to one bounded tree, and from the tree to
//! the typed structures that the dialects declare.
//!
//! ```text
//! Request -> Args (names, texts) -> #[derive(FromArg)] structures
//!               \-> unknown(): what nobody read
//! ```
//!
//! It does not know actions, vendors or their error codes.

mod check;
mod decode;
mod error;
mod json;
mod path;
mod tree;

use std::borrow::Cow;

pub use check::{HasItems, HasLength, InRange};
pub use decode::{Base64, CommaList, FromArg, Json, JsonList, parse_text};
pub use error::{ArgsError, ArgsErrorKind, SHOWN_CHARS};
pub use path::Path;
pub use tree::{Branch, Node, Text};

use crate::limits;
use crate::request::{Request, decode_bytes, raw_pairs};

/// The decoded parameters of one request.
#[derive(Debug)]
pub struct Args {
    root: Node,
}

impl Args {
    /// Decodes the parameters of a request: its query string and its form, or its JSON body.
    ///
    /// Fails when a limit is passed, a name or text is malformed, or something is given twice.
    pub fn from_request(request: &Request) -> Result<Self, ArgsError> {
        let media = request.media_type();
        let is_json = media == "application/json" || media.starts_with("application/x-amz-json");
        if is_json && !request.body().is_empty() {
            return Self::from_json(request.body());
        }
        if media == "application/x-www-form-urlencoded" && request.form_text().is_none() {
            return Err(ArgsError::new("", ArgsErrorKind::Malformed));
        }
        Self::from_raw_pairs(request.raw_query_pairs().chain(request.raw_form_pairs()))
    }

    /// Decodes percent-encoded text such as `a.1=x&b=2`.
    pub fn from_form(text: &str) -> Result<Self, ArgsError> {
        Self::from_raw_pairs(raw_pairs(text))
    }

    /// Decodes percent-encoded pairs.
    pub fn from_raw_pairs<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> Result<Self, ArgsError> {
        let mut decoded = Vec::new();
        for (name, value) in pairs {
            if decoded.len() == limits::MAX_PARAMETERS {
                let max = limits::MAX_PARAMETERS;
                return Err(ArgsError::new("", ArgsErrorKind::TooMany { max }));
            }
            let malformed = |_| ArgsError::new(name, ArgsErrorKind::Malformed);
            decoded.push(tree::Pair {
                name: decode_text(name).map_err(malformed)?,
                value: decode_text(value).map_err(malformed)?.into_owned(),
            });
        }
        tree::plant(decoded).map(Self::from_branch)
    }

    /// Decodes a JSON object; an empty text is no parameters.
    pub fn from_json(text: &[u8]) -> Result<Self, ArgsError> {
        if text.is_empty() {
            return Ok(Self::from_branch(Branch::default()));
        }
        match json::read(text, &Path::ROOT)? {
            Some(Node::Branch(branch)) => Ok(Self::from_branch(branch)),
            Some(Node::Text(_)) | None => Err(ArgsError::new("", ArgsErrorKind::NotJson)),
        }
    }

    fn from_branch(branch: Branch) -> Self {
        Self { root: Node::Branch(branch) }
    }

    /// Decodes the parameters to a structure.
    pub fn decode<T: FromArg>(&self) -> Result<T, ArgsError> {
        T::from_arg(&self.root, &Path::ROOT)
    }

    /// Decodes one parameter of the top level, such as `DryRun`.
    pub fn get<T: FromArg>(&self, name: &'static str) -> Result<T, ArgsError> {
        self.root.branch(&Path::ROOT)?.field(&[name], &Path::ROOT)
    }

    /// The text of one parameter of the top level; `None` when it is absent or no single value.
    pub fn text(&self, name: &str) -> Option<&str> {
        let node = self.root.branch(&Path::ROOT).ok()?.get(name)?;
        node.value(&Path::ROOT).ok()
    }

    /// The text of the parameter with this full name, such as `Placement.Zone` or `Tags.0.Key`; `None` when it is absent or no
    /// single value.
    pub fn text_at(&self, name: &str) -> Option<&str> {
        let mut node = &self.root;
        for step in name.split('.') {
            node = node.branch(&Path::ROOT).ok()?.get(step)?;
        }
        node.value(&Path::ROOT).ok()
    }

    /// The parameters that nothing has read so far, without those of the top level that
    /// `besides` names (in any case), such as a signature's.
    pub fn unknown(&self, besides: &[&str]) -> Vec<String> {
        let mut unread = Vec::new();
        self.root.collect_unread(&Path::ROOT, &mut unread);
        unread.retain(|name| !besides.iter().any(|known| known.eq_ignore_ascii_case(name)));
        unread
    }
}

/// Decodes `%20` and `+`; fails on what is not UTF-8.
fn decode_text(text: &str) -> Result<Cow<'_, str>, ()> {
    match decode_bytes(text) {
        Cow::Borrowed(bytes) => std::str::from_utf8(bytes).map(Cow::Borrowed).map_err(|_| ()),
        Cow::Owned(bytes) => String::from_utf8(bytes).map(Cow::Owned).map_err(|_| ()),
    }
}

/// What a parameter's value is, for generated documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Any text.
    Text,
    /// One of a closed list of words.
    Word(&'static [&'static str]),
    /// A number.
    Number,
    /// `true` or `false`.
    Boolean,
    /// A moment in ISO 8601.
    Time,
    /// Bytes in base64.
    Base64,
    /// JSON text.
    Json,
    /// Values with commas in between.
    CommaList,
    /// Numbered items.
    List,
    /// Members of any name.
    Map,
    /// Named members.
    Structure,
}

/// One parameter that a structure understands, for generated documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parameter {
    /// The name in the vendor's documents; empty for a structure whose members lie beside the rest.
    pub name: &'static str,
    /// Further names that are taken.
    pub aliases: &'static [&'static str],
    /// Whether absence is an error.
    pub required: bool,
    /// What the value is.
    pub shape: Shape,
    /// The members, when it is a structure or a list of structures.
    pub members: &'static [Parameter],
}

/// Lists full names as the vendors write them, such as `DataDisk.N.Size`.
pub fn parameter_names(parameters: &[Parameter]) -> Vec<String> {
    let mut names = Vec::new();
    collect_names(parameters, "", &mut names);
    names
}

fn collect_names(parameters: &[Parameter], prefix: &str, names: &mut Vec<String>) {
    for parameter in parameters {
        let mut name = format!("{prefix}{}", parameter.name);
        if parameter.shape == Shape::List {
            name.push_str(".N");
        }
        let is_flattened = parameter.name.is_empty();
        if is_flattened {
            collect_names(parameter.members, prefix, names);
        } else if parameter.members.is_empty() {
            names.push(name);
        } else {
            collect_names(parameter.members, &format!("{name}."), names);
        }
    }
}
