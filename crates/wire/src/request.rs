//! One request as it came over the line, cut into the pieces that signatures and arguments need.
//!
//! Everything stays raw here, because signatures are made over what was sent. It knows no HTTP
//! library, no vendor and no connection: the listener fills a `Request` and hands it on.

use std::borrow::Cow;

use bytes::Bytes;
use percent_encoding::percent_decode_str;

use crate::limits;

/// Why the pieces do not make a request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// The body is longer than [`limits::MAX_BODY_BYTES`].
    #[error("the body is longer than {max} bytes")]
    BodyTooLong {
        /// The limit in bytes.
        max: usize,
    },
    /// There are more headers than [`limits::MAX_HEADERS`].
    #[error("there are more than {max} headers")]
    TooManyHeaders {
        /// The limit.
        max: usize,
    },
    /// The target is neither a path (`/?Action=...`) nor an absolute `http://` or `https://` URL.
    #[error("the request target is neither a path nor an absolute URL")]
    Target,
}

/// One HTTP request, body included, independent of the library that read it.
#[derive(Clone)]
pub struct Request {
    method: String,
    target: String,
    path_start: usize,
    path_end: usize,
    headers: Vec<(String, String)>,
    body: Bytes,
}

impl Request {
    /// Takes a request apart.
    ///
    /// `target` is the request line's middle, in origin form or in absolute form (Alibaba's Go SDK
    /// sends the latter through a proxy). Header names may have any case; several headers of one
    /// name may be given. Fails when a limit is passed or the target has neither form.
    pub fn new(
        method: impl Into<String>,
        target: impl Into<String>,
        headers: impl IntoIterator<Item = (String, String)>,
        body: Bytes,
    ) -> Result<Self, RequestError> {
        if body.len() > limits::MAX_BODY_BYTES {
            return Err(RequestError::BodyTooLong { max: limits::MAX_BODY_BYTES });
        }
        let mut kept = Vec::new();
        for (mut name, value) in headers {
            if kept.len() == limits::MAX_HEADERS {
                return Err(RequestError::TooManyHeaders { max: limits::MAX_HEADERS });
            }
            name.make_ascii_lowercase();
            kept.push((name, value));
        }
        let target = target.into();
        let (path_start, path_end) = path_of(&target).ok_or(RequestError::Target)?;
        Ok(Self { method: method.into(), target, path_start, path_end, headers: kept, body })
    }

    /// The method as sent, such as `POST`.
    pub fn method(&self) -> &str {
        &self.method
    }

    /// The target as sent.
    pub fn target(&self) -> &str {
        &self.target
    }

    /// The path as sent, still percent-encoded; `/` when the target has none.
    pub fn path(&self) -> &str {
        match &self.target[self.path_start..self.path_end] {
            "" => "/",
            path => path,
        }
    }

    /// The query string as sent, without `?`; empty when there is none.
    pub fn raw_query(&self) -> &str {
        let query = self.target[self.path_end..].strip_prefix('?').unwrap_or("");
        query.split('#').next().unwrap_or("")
    }

    /// The first header of this lower-case name, as sent.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers_named(name).next()
    }

    /// Every header of this lower-case name, in the order sent.
    pub fn headers_named<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        self.headers.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The body's bytes.
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// The media type of the body, lower case and without parameters; empty when not given.
    pub fn media_type(&self) -> String {
        let value = self.header("content-type").unwrap_or("");
        let media = value.split(';').next().unwrap_or("");
        media.trim().to_ascii_lowercase()
    }

    /// The query string's pairs as sent, still percent-encoded.
    pub fn raw_query_pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        raw_pairs(self.raw_query())
    }

    /// The form body's pairs as sent, still percent-encoded; none when the body is not a form or
    /// not UTF-8.
    pub fn raw_form_pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        raw_pairs(self.form_text().unwrap_or(""))
    }

    /// The pairs of query string and form, decoded, in that order.
    ///
    /// Bytes that are not UTF-8 become U+FFFD: enough to find a name, not to trust a value.
    pub fn pairs(&self) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
        self.raw_query_pairs().chain(self.raw_form_pairs()).map(|(name, value)| (decode_lossy(name), decode_lossy(value)))
    }

    /// The decoded value of the first parameter of exactly this name, in query string or form.
    pub fn parameter(&self, name: &str) -> Option<Cow<'_, str>> {
        self.pairs().find(|(key, _)| key == name).map(|(_, value)| value)
    }

    /// The body as text when it says that it is a form; `None` when it is not or is not UTF-8.
    pub(crate) fn form_text(&self) -> Option<&str> {
        if self.media_type() == "application/x-www-form-urlencoded" { std::str::from_utf8(&self.body).ok() } else { None }
    }
}

/// Shows a request without its body, query and authorization: those may hold passwords.
impl std::fmt::Debug for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Request")
            .field("method", &self.method)
            .field("path", &self.path())
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// Cuts `a=1&b&c=2` into pairs; a name without `=` has an empty value, empty pieces are skipped.
pub fn raw_pairs(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.split('&').filter(|pair| !pair.is_empty()).map(|pair| pair.split_once('=').unwrap_or((pair, "")))
}

/// Decodes `%20` and `+` to the bytes meant; a stray `%` stands for itself.
pub fn decode_bytes(text: &str) -> Cow<'_, [u8]> {
    if text.contains('+') {
        let spaced = text.replace('+', " ");
        Cow::Owned(percent_decode_str(&spaced).collect())
    } else {
        percent_decode_str(text).into()
    }
}

fn decode_lossy(text: &str) -> Cow<'_, str> {
    match decode_bytes(text) {
        Cow::Borrowed(bytes) => String::from_utf8_lossy(bytes),
        Cow::Owned(bytes) => Cow::Owned(String::from_utf8_lossy(&bytes).into_owned()),
    }
}

/// Finds where the path of a target begins and ends.
fn path_of(target: &str) -> Option<(usize, usize)> {
    let start = if target.starts_with('/') {
        0
    } else {
        let scheme = ["http://", "https://"].into_iter().find(|scheme| has_prefix_ignoring_case(target, scheme))?;
        let authority = &target[scheme.len()..];
        scheme.len() + authority.find(['/', '?', '#']).unwrap_or(authority.len())
    };
    let end = target[start..].find(['?', '#']).map(|at| start + at);
    Some((start, end.unwrap_or(target.len())))
}

fn has_prefix_ignoring_case(text: &str, prefix: &str) -> bool {
    text.as_bytes().get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(target: &str) -> Request {
        Request::new("GET", target, [], Bytes::new()).expect("the target is well formed")
    }

    #[test]
    fn a_target_is_cut_into_path_and_query() {
        for (target, path, query) in [
            ("/", "/", ""),
            ("/?a=1", "/", "a=1"),
            ("/a%20b?x=/?#f", "/a%20b", "x=/?"),
            ("http://h.example:80/?a=1", "/", "a=1"),
            ("HTTPS://h.example", "/", ""),
            ("http://h.example?a=1", "/", "a=1"),
            ("http://h.example/p/q", "/p/q", ""),
        ] {
            let request = request(target);
            assert_eq!((request.path(), request.raw_query()), (path, query), "{target}");
        }
        for target in ["", "*", "h.example:443", "ftp://h/"] {
            let refused = Request::new("GET", target, [], Bytes::new());
            assert_eq!(refused.err(), Some(RequestError::Target), "{target}");
        }
    }

    #[test]
    fn plus_and_percent_twenty_are_both_a_space() {
        let request = request("/?a=x+y&b=x%20y&c=x%2By&d=50%&e");
        let pairs: Vec<_> = request.pairs().map(|(k, v)| format!("{k}={v}")).collect();
        assert_eq!(pairs, ["a=x y", "b=x y", "c=x+y", "d=50%", "e="]);
    }

    #[test]
    fn only_a_form_body_gives_pairs() {
        for (media, expected) in [
            ("application/x-www-form-urlencoded; charset=utf-8", Some("1")),
            ("Application/X-WWW-Form-Urlencoded", Some("1")),
            ("application/json", None),
        ] {
            let headers = [("Content-Type".to_owned(), media.to_owned())];
            let request = Request::new("POST", "/", headers, Bytes::from_static(b"a=1")).unwrap();
            assert_eq!(request.parameter("a").as_deref(), expected, "{media}");
        }
    }

    #[test]
    fn limits_are_held() {
        let long = Bytes::from(vec![0; limits::MAX_BODY_BYTES + 1]);
        let refused = Request::new("POST", "/", [], long).unwrap_err();
        assert!(matches!(refused, RequestError::BodyTooLong { .. }));
        let many = (0..=limits::MAX_HEADERS).map(|n| (format!("h{n}"), String::new()));
        let refused = Request::new("POST", "/", many, Bytes::new()).unwrap_err();
        assert!(matches!(refused, RequestError::TooManyHeaders { .. }));
    }

    #[test]
    fn a_request_shown_for_debugging_keeps_its_secrets() {
        let headers = [("Authorization".to_owned(), "hidden-a".to_owned())];
        let body = Bytes::from_static(b"Password=hidden-b");
        let request = Request::new("POST", "/?Password=hidden-c", headers, body).unwrap();
        assert!(!format!("{request:?}").contains("hidden"));
    }
}
