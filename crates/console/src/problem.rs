//! How a refusal looks: a problem of RFC 9457, with a code that does not change and the request's id.

use schemars::JsonSchema;
use serde::Serialize;
use wire::{Data, Reply};

/// The media type of problems (RFC 9457, section 3).
const MEDIA_TYPE: &str = "application/problem+json";
/// Characters of a detail; what a client sent may be a megabyte, and nobody reads that back.
const DETAIL_MAX: usize = 1_000;

/// A refusal.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Problem<'a> {
    /// Always `about:blank`: the code says what it is.
    #[serde(rename = "type")]
    kind: &'static str,
    /// The status in words.
    title: &'static str,
    /// The HTTP status.
    status: u16,
    /// What is wrong, in one word that does not change.
    code: &'static str,
    /// What is wrong, for people.
    detail: &'a str,
    /// The request's id, by which the operator finds it in the log.
    request_id: &'a str,
}

/// What the client is told.
pub(crate) struct Wording {
    pub status: u16,
    pub code: &'static str,
    pub detail: String,
    /// Further headers.
    pub headers: Vec<(&'static str, String)>,
}

impl Wording {
    /// One without headers of its own.
    pub fn of(status: u16, code: &'static str, detail: impl Into<String>) -> Wording {
        Wording { status, code, detail: detail.into(), headers: vec![] }
    }

    /// The same with a header.
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Wording {
        self.headers.push((name, value.into()));
        self
    }

    /// The reply.
    pub fn reply(mut self, request_id: &str) -> Reply {
        if let Some((end, _)) = self.detail.char_indices().nth(DETAIL_MAX) {
            self.detail.truncate(end);
        }
        let Wording { status, code, detail, headers } = self;
        let problem = Problem { kind: "about:blank", title: title(status), status, code, detail: &detail, request_id };
        let body = serde_json::to_string(&problem).expect("texts and a number can be written as JSON");
        Reply { status, content_type: MEDIA_TYPE, body, data: Some(Data { headers, bytes: None }) }
    }
}

/// The words of a status (RFC 9110, section 15).
fn title(status: u16) -> &'static str {
    match status {
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        409 => "Conflict",
        415 => "Unsupported Media Type",
        429 => "Too Many Requests",
        503 => "Service Unavailable",
        _ => "Internal Server Error",
    }
}
