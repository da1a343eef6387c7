//! From nodes of the tree to Rust types: the trait, its implementations for plain types, and the
//! wrappers for values that hold more than their text.
//!
//! Structures derive [`FromArg`]. Nothing here knows an action or a vendor.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use jiff::Timestamp;
use secrecy::SecretString;

use super::{ArgsError, ArgsErrorKind, Node, Parameter, Path, Shape, json};
use crate::time;

/// A type that one parameter, or a structure of parameters, decodes to.
pub trait FromArg: Sized {
    /// What the value is, for generated documents.
    const SHAPE: Shape;
    /// The members, when it is a structure (or a list of structures).
    const PARAMETERS: &'static [Parameter] = &[];
    /// Whether absence is an error.
    const REQUIRED: bool = true;
    /// Whether an empty text is a value of this type rather than absence.
    const TAKES_EMPTY: bool = false;

    /// Decodes a node; errors name `path`.
    fn from_arg(node: &Node, path: &Path<'_>) -> Result<Self, ArgsError>;

    /// What an absent parameter means: an error, unless the type says otherwise.
    fn from_absent(path: &Path<'_>) -> Result<Self, ArgsError> {
        Err(ArgsError::new(path, ArgsErrorKind::Missing))
    }
}

impl FromArg for String {
    const SHAPE: Shape = Shape::Text;
    const TAKES_EMPTY: bool = true;

    fn from_arg(node: &Node, path: &Path<'_>) -> Result<Self, ArgsError> {
        node.value(path).map(str::to_owned)
    }
}

/// A text that must not be shown, such as a password.
impl FromArg for SecretString {
    const SHAPE: Shape = Shape::Text;
    const TAKES_EMPTY: bool = true;

    fn from_arg(node: &Node, path: &Path<'_>) -> Result<Self, ArgsError> {
        node.value(path).map(SecretString::from)
    }
}

/// `true` and `false` in any case (Alibaba's Python SDK sends `True`), or `1` and `0`.
impl FromArg for bool {
    const SHAPE: Shape = Shape::Boolean;

    fn from_arg(node: &Node, path: &Path<'_>) -> Result<Self, ArgsError> {
        let value = node.value(path)?;
        if value == "1" || value.eq_ignore_ascii_case("true") {
            Ok(true)
        } else if value == "0" || value.eq_ignore_ascii_case("false") {
            Ok(false)
        } else {
            Err(ArgsError::with_value(path, ArgsErrorKind::NotABoolean, value))
        }
    }
}

macro_rules! whole_numbers {
    ($($number:ty),*) => {$(
        impl FromArg for $number {
            const SHAPE: Shape = Shape::Number;

            fn from_arg(node: &Node, path: &Path<'_>) -> Result<Self, ArgsError> {
                let value = node.value(path)?;
                let (min, max) = (<$number>::MIN as i128, <$number>::MAX as i128);
                let kind = match value.parse::<i128>() {
                    Ok(number) => match <$number>::try_from(number) {
                        Ok(number) => return Ok(number),
                        Err(_) => ArgsErrorKind::OutOfRange { min, max },
                    },
                    Err(_) if is_whole(value) => ArgsErrorKind::OutOfRange { min, max },
                    Err(_) => ArgsErrorKind::NotANumber,
                };
                Err(ArgsError::with_value(path, kind, value))
            }
        }
    )*};
}

whole_numbers!(u8, u16, u32, u64, usize, i8, i16, i32, i64, isize);

/// Whether a text is a whole number, however long.
fn is_whole(text: &str) -> bool {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// A finite decimal number.
impl FromArg for f64 {
    const SHAPE: Shape = Shape::Number;

    fn from_arg(node: &Node, path: &Path<'_>) -> Result<Self, ArgsError> {
        let value = node.value(path)?;
        match value.parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(number),
            Ok(_) | Err(_) => Err(ArgsError::with_value(path, ArgsErrorKind::NotANumber, value)),
        }
    }
}

/// Any form of [`time::parse`].
impl FromArg for Timestamp {
    const SHAPE: Shape = Shape::Time;

    fn from_arg(node: &Node, path: &Path<'_>) -> Result<Self, ArgsError> {
        let value = node.value(path)?;
        time::parse(value).ok_or_else(|| ArgsError::with_value(path, ArgsErrorKind::NotATimestamp, value))
    }
}

macro_rules! parsed_texts {
    ($($text:ty),*) => {$(
        impl FromArg for $text {
            const SHAPE: Shape = Shape::Text;

            fn from_arg(node: &Node, path: &Path<'_>) -> Result<Self, ArgsError> {
                parse_text(node, path)
            }
        }
    )*};
}

parsed_texts!(IpAddr, Ipv4Addr, Ipv6Addr);

/// Decodes a value through its `FromStr`; `Malformed` when that refuses it.
///
/// Serves `#[arg(with = wire::parse_text)]` for types of other crates.
pub fn parse_text<T: FromStr>(node: &Node, path: &Path<'_>) -> Result<T, ArgsError> {
    let value = node.value(path)?;
    value.parse().map_err(|_| ArgsError::with_value(path, ArgsErrorKind::Malformed, value))
}

/// Absence, or an empty text where the type has no use for one, is `None`.
impl<T: FromArg> FromArg for Option<T> {
    const SHAPE: Shape = T::SHAPE;
    const PARAMETERS: &'static [Parameter] = T::PARAMETERS;
    const REQUIRED: bool = false;
    const TAKES_EMPTY: bool = true;

    fn from_arg(node: &Node, path: &Path<'_>) -> Result<Self, ArgsError> {
        if node.is_empty_text() && !T::TAKES_EMPTY {
            node.mark_read();
            return Ok(None);
        }
        T::from_arg(node, path).map(Some)
    }

    fn from_absent(_: &Path<'_>) -> Result<Self, ArgsError> {
        Ok(None)
    }
}

/// Numbered items, in the order of their numbers; absence is an empty list.
impl<T: FromArg> FromArg for Vec<T> {
    const SHAPE: Shape = Shape::List;
    const PARAMETERS: &'static [Parameter] = T::PARAMETERS;
    const REQUIRED: bool = false;
    const TAKES_EMPTY: bool = true;

    fn from_arg(node: &Node, path: &Path<'_>) -> Result<Self, ArgsError> {
        let items = node.list(path)?.into_iter();
        items.map(|(index, item)| T::from_arg(item, &path.index(index))).collect()
    }

    fn from_absent(_: &Path<'_>) -> Result<Self, ArgsError> {
        Ok(Vec::new())
    }
}

/// Members of any name; absence is an empty map.
impl<T: FromArg> FromArg for BTreeMap<String, T> {
    const SHAPE: Shape = Shape::Map;
    const PARAMETERS: &'static [Parameter] = T::PARAMETERS;
    const REQUIRED: bool = false;

    fn from_arg(node: &Node, path: &Path<'_>) -> Result<Self, ArgsError> {
        let members = node.branch(path)?.entries();
        members.map(|(name, member)| Ok((name.to_owned(), T::from_arg(member, &path.name(name))?))).collect()
    }

    fn from_absent(_: &Path<'_>) -> Result<Self, ArgsError> {
        Ok(BTreeMap::new())
    }
}

/// Bytes sent as base64, such as user data; line breaks and missing padding are forgiven.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Base64(pub Vec<u8>);

/// Standard alphabet; padding as the client likes, because shells and SDKs differ.
const LENIENT_BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent).with_decode_allow_trailing_bits(true),
);

impl FromArg for Base64 {
    const SHAPE: Shape = Shape::Base64;
    const TAKES_EMPTY: bool = true;

    fn from_arg(node: &Node, path: &Path<'_>) -> Result<Self, ArgsError> {
        let mut value = node.value(path)?.as_bytes().to_vec();
        value.retain(|byte| !byte.is_ascii_whitespace());
        let bytes = LENIENT_BASE64.decode(&value);
        bytes.map(Base64).map_err(|_| ArgsError::new(path, ArgsErrorKind::NotBase64))
    }
}

/// A value whose text is JSON, such as ECS' `InstanceIds=["i-1"]`.
///
/// The same members given as parameters of their own (`InstanceIds.1=i-1`) are taken too.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Json<T>(pub T);

/// A list sent as JSON text; absence is an empty list.
pub type JsonList<T> = Json<Vec<T>>;

impl<T> std::ops::Deref for JsonList<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<T: FromArg> FromArg for Json<T> {
    const SHAPE: Shape = Shape::Json;
    const PARAMETERS: &'static [Parameter] = T::PARAMETERS;
    const REQUIRED: bool = T::REQUIRED;

    fn from_arg(node: &Node, path: &Path<'_>) -> Result<Self, ArgsError> {
        if let Node::Branch(_) = node {
            return T::from_arg(node, path).map(Json);
        }
        match node.value(path)? {
            "" => T::from_absent(path).map(Json),
            text => match json::read(text.as_bytes(), path)? {
                Some(Node::Text(_)) => Err(ArgsError::new(path, ArgsErrorKind::NotJson)),
                Some(tree) => T::from_arg(&tree, path).map(Json),
                None => T::from_absent(path).map(Json),
            },
        }
    }

    fn from_absent(path: &Path<'_>) -> Result<Self, ArgsError> {
        T::from_absent(path).map(Json)
    }
}

/// Values in one text with commas in between, such as `Status=Available,Creating`; absence is an
/// empty list.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CommaList<T>(pub Vec<T>);

impl<T: FromArg> FromArg for CommaList<T> {
    const SHAPE: Shape = Shape::CommaList;
    const REQUIRED: bool = false;

    fn from_arg(node: &Node, path: &Path<'_>) -> Result<Self, ArgsError> {
        let value = node.value(path)?;
        let pieces = value.split(',').map(str::trim).filter(|piece| !piece.is_empty());
        if pieces.clone().nth(crate::limits::MAX_LIST).is_some() {
            let max = crate::limits::MAX_LIST;
            return Err(ArgsError::new(path, ArgsErrorKind::TooMany { max }));
        }
        let items = pieces.map(|piece| T::from_arg(&Node::text(piece), path));
        items.collect::<Result<_, _>>().map(CommaList)
    }

    fn from_absent(_: &Path<'_>) -> Result<Self, ArgsError> {
        Ok(CommaList(Vec::new()))
    }
}
