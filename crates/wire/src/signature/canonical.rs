//! The pieces that canonical requests of all vendors are made of.

use std::borrow::Cow;

use sha2::{Digest, Sha256};

use crate::request::{Request, decode_bytes};

/// Appends bytes percent-encoded as RFC 3986 says: all but letters, digits and `-._~`.
pub(super) fn push_encoded(out: &mut String, bytes: &[u8]) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for &byte in bytes {
        if is_unreserved(byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push(char::from(HEX[usize::from(byte >> 4)]));
            out.push(char::from(HEX[usize::from(byte & 15)]));
        }
    }
}

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// By what a canonical query is sorted.
#[derive(Clone, Copy)]
pub(super) enum SortBy {
    /// The names as encoded (AWS).
    Encoded,
    /// The names as meant (Alibaba).
    Decoded,
}

/// Makes `a=1&b=2` of raw pairs: each decoded, encoded again the one way, sorted by name and value.
///
/// What clients send and what they sign differ (`+` and `%20`); only the meaning is common.
pub(super) fn query<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>, sort: SortBy) -> String {
    let mut total = 0;
    let mut encoded: Vec<_> = pairs
        .map(|(name, value)| {
            total += name.len() + value.len() + 2;
            (name, recode(name), recode(value))
        })
        .collect();
    match sort {
        SortBy::Encoded => encoded.sort_by(|a, b| (&a.1, &a.2).cmp(&(&b.1, &b.2))),
        SortBy::Decoded => encoded.sort_by_cached_key(|(name, _, value)| (decode_bytes(name).into_owned(), value.clone().into_owned())),
    }
    let mut out = String::with_capacity(total);
    for (_, name, value) in encoded {
        if !out.is_empty() {
            out.push('&');
        }
        out.push_str(&name);
        out.push('=');
        out.push_str(&value);
    }
    out
}

/// Decodes and encodes again; what needs neither is borrowed.
fn recode(text: &str) -> Cow<'_, str> {
    if text.bytes().all(is_unreserved) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    push_encoded(&mut out, &decode_bytes(text));
    Cow::Owned(out)
}

/// Appends the canonical lines of the headers named in `signed` (`a;b`), `host` as given.
///
/// Values are trimmed and their runs of spaces made one, as AWS' rule says; Alibaba's and Tencent's
/// clients send nothing that this changes.
pub(super) fn push_headers(out: &mut String, request: &Request, signed: &str, host: &str) {
    for name in signed.split(';') {
        let name = name.to_ascii_lowercase();
        out.push_str(&name);
        out.push(':');
        if name == "host" {
            push_trimmed(out, host);
        } else {
            for (at, value) in request.headers_named(&name).enumerate() {
                if at > 0 {
                    out.push(',');
                }
                push_trimmed(out, value);
            }
        }
        out.push('\n');
    }
}

fn push_trimmed(out: &mut String, value: &str) {
    for (at, word) in value.split_ascii_whitespace().enumerate() {
        if at > 0 {
            out.push(' ');
        }
        out.push_str(word);
    }
}

/// SHA-256 in lower-case hexadecimal.
pub(super) fn sha256_hex(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// The non-empty first header of this name.
pub(super) fn filled_header<'a>(request: &'a Request, name: &str) -> Option<&'a str> {
    request.header(name).map(str::trim).filter(|value| !value.is_empty())
}

/// The hosts that a client may have signed, the likeliest first: as sent, in lower case, and without
/// port (AWS' and Tencent's SDKs differ) and scheme (Tencent's CLI sends `Host: http://...`).
pub(super) fn hosts(request: &Request) -> Vec<String> {
    let sent = request.header("host").unwrap_or("").trim();
    let lower = sent.to_ascii_lowercase();
    let bare = lower.split_once("://").map_or(lower.as_str(), |(_, host)| host);
    let portless = match bare.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => bare,
    };
    let mut hosts = vec![sent.to_owned()];
    for host in [lower.as_str(), bare, portless] {
        if !hosts.iter().any(|known| known == host) {
            hosts.push(host.to_owned());
        }
    }
    hosts
}
