//! AWS Signature Version 4, in the `Authorization` header or in the query string (presigned).
//!
//! Source: "Create a signed AWS API request" in the IAM user guide; what clients sign beyond it was
//! seen in their requests. The path is encoded once more than sent, as for all services but S3.

use jiff::{SignedDuration, Timestamp};

use super::authorization::{Authorization, check_signed_headers, require_signed};
use super::canonical::{self, SortBy, filled_header, push_encoded, push_headers, sha256_hex};
use super::verify::{Code, Proof, earlier, later, window};
use super::{AWS_PRESIGNED_LONGEST, AWS_SKEW, Claim, Scheme, Scope, SignatureError};
use crate::request::Request;
use crate::time;

/// What a presigned request adds to the query string.
pub(super) const QUERY_PARAMETERS: &[&str] = &[
    "X-Amz-Algorithm",
    "X-Amz-Credential",
    "X-Amz-Date",
    "X-Amz-Expires",
    "X-Amz-SignedHeaders",
    "X-Amz-Signature",
    "X-Amz-Security-Token",
];

/// Headers that decide what a request means, so that they must be signed where they are present.
const MUST_BE_SIGNED: &[&str] = &["host", "x-amz-date", "x-amz-target", "x-amz-security-token", "x-amz-content-sha256", "idempotency-key"];

/// Services with actions whose body need not be signed (`v4-unsigned-body` in AWS' models: blocks of
/// snapshots).
const UNSIGNED_BODY_SERVICES: &[&str] = &["ebs"];

/// Reads what stands behind `AWS4-HMAC-SHA256`.
pub(super) fn identify(request: &Request, rest: &str) -> Result<Claim, SignatureError> {
    let scheme = Scheme::AwsV4;
    let authorization = Authorization::parse(scheme, rest)?;
    let signed = authorization.signed_headers;
    require_signed(scheme, request, signed, MUST_BE_SIGNED)?;
    let (access_key, scope) = split_credential(scheme, authorization.credential)?;
    let time = header_time(request)?;
    check_date(scheme, &scope, time)?;
    let (body_hash, body_is_as_signed) = body_hash(request, &scope.service);
    let query = canonical::query(request.raw_query_pairs(), SortBy::Encoded);
    let string = string_to_sign(request, &query, signed, &body_hash, (time, &scope));
    let (valid_from, valid_until) = window(time, AWS_SKEW);
    Ok(Claim {
        scheme,
        access_key,
        session_token: filled_header(request, "x-amz-security-token").map(str::to_owned),
        time,
        nonce: None,
        proof: Proof {
            valid_from,
            valid_until,
            code: Code::AwsDerived,
            strings: vec![string],
            signature: hex::decode(authorization.signature).unwrap_or_default(),
            body_is_as_signed,
        },
        scope: Some(scope),
    })
}

/// Reads a request that carries its signature in the query string.
pub(super) fn identify_presigned(request: &Request) -> Result<Claim, SignatureError> {
    let scheme = Scheme::AwsV4Presigned;
    let find = |part: &'static str| {
        let value = query_value(request, part).filter(|value| !value.is_empty());
        value.ok_or(SignatureError::Incomplete { scheme, part })
    };
    let algorithm = find("X-Amz-Algorithm")?;
    if algorithm != "AWS4-HMAC-SHA256" {
        let cloud = scheme.cloud();
        let name = super::shown(&algorithm);
        return Err(SignatureError::UnknownAlgorithm { cloud, name });
    }
    let (access_key, scope) = split_credential(scheme, &find("X-Amz-Credential")?)?;
    let signed = find("X-Amz-SignedHeaders")?;
    check_signed_headers(scheme, &signed)?;
    require_signed(scheme, request, &signed, &["host", "x-amz-target", "idempotency-key"])?;
    let time = basic_time(&find("X-Amz-Date")?).ok_or(SignatureError::BadTimestamp { scheme })?;
    check_date(scheme, &scope, time)?;
    let life = lifetime(&find("X-Amz-Expires")?)?;
    let (body_hash, body_is_as_signed) = body_hash(request, &scope.service);
    let pairs = request.raw_query_pairs();
    let pairs = pairs.filter(|(name, _)| *name != "X-Amz-Signature");
    let query = canonical::query(pairs, SortBy::Encoded);
    let string = string_to_sign(request, &query, &signed, &body_hash, (time, &scope));
    let token = query_value(request, "X-Amz-Security-Token");
    Ok(Claim {
        scheme,
        access_key,
        session_token: token.filter(|token| !token.is_empty()),
        time,
        nonce: None,
        proof: Proof {
            valid_from: earlier(time, AWS_SKEW),
            valid_until: later(time, life),
            code: Code::AwsDerived,
            strings: vec![string],
            signature: hex::decode(find("X-Amz-Signature")?).unwrap_or_default(),
            body_is_as_signed,
        },
        scope: Some(scope),
    })
}

fn query_value(request: &Request, name: &str) -> Option<String> {
    let value = request.raw_query_pairs().find(|(key, _)| *key == name)?.1;
    let bytes = crate::request::decode_bytes(value);
    String::from_utf8(bytes.into_owned()).ok()
}

fn lifetime(text: &str) -> Result<SignedDuration, SignatureError> {
    let malformed = SignatureError::Malformed { scheme: Scheme::AwsV4Presigned, part: "X-Amz-Expires" };
    let seconds: u32 = text.parse().map_err(|_| malformed.clone())?;
    let life = SignedDuration::from_secs(i64::from(seconds));
    if seconds == 0 || life > AWS_PRESIGNED_LONGEST {
        return Err(malformed);
    }
    Ok(life)
}

/// Cuts `AK/20261120/region/service/aws4_request`.
fn split_credential(scheme: Scheme, text: &str) -> Result<(String, Scope), SignatureError> {
    let part = "Credential";
    let pieces: Vec<&str> = text.split('/').collect();
    match pieces.as_slice() {
        [access_key, date, region, service, "aws4_request"] if !access_key.is_empty() => Ok((
            (*access_key).to_owned(),
            Scope { date: (*date).to_owned(), region: Some((*region).to_owned()), service: (*service).to_owned() },
        )),
        _ => Err(SignatureError::Malformed { scheme, part }),
    }
}

/// The time of signing: `X-Amz-Date`, else `Date`.
fn header_time(request: &Request) -> Result<Timestamp, SignatureError> {
    let scheme = Scheme::AwsV4;
    let time = match (request.header("x-amz-date"), request.header("date")) {
        (Some(text), _) => basic_time(text),
        (None, Some(text)) => basic_time(text).or_else(|| http_time(text)),
        (None, None) => {
            let part = "X-Amz-Date";
            return Err(SignatureError::Incomplete { scheme, part });
        }
    };
    time.ok_or(SignatureError::BadTimestamp { scheme })
}

/// Reads `20261120T232000Z`, the one form that signatures take.
fn basic_time(text: &str) -> Option<Timestamp> {
    let is_basic = text.len() == 16 && text.as_bytes()[8] == b'T' && text.ends_with('Z');
    is_basic.then(|| time::parse(text)).flatten()
}

/// Reads `Fri, 20 Nov 2026 23:20:00 GMT`.
fn http_time(text: &str) -> Option<Timestamp> {
    let zoned = jiff::fmt::rfc2822::parse(text).ok()?;
    Some(zoned.timestamp())
}

/// The scope's day must be the day of signing, or a key derived for one day would live longer.
fn check_date(scheme: Scheme, scope: &Scope, time: Timestamp) -> Result<(), SignatureError> {
    if scope.date == time.strftime("%Y%m%d").to_string() {
        return Ok(());
    }
    let part = "Credential";
    Err(SignatureError::Malformed { scheme, part })
}

/// The hash that was signed for the body, and whether the body has it.
fn body_hash(request: &Request, service: &str) -> (String, bool) {
    match request.header("x-amz-content-sha256") {
        Some("UNSIGNED-PAYLOAD") => ("UNSIGNED-PAYLOAD".to_owned(), UNSIGNED_BODY_SERVICES.contains(&service)),
        Some(said) => {
            let is_so = said.eq_ignore_ascii_case(&sha256_hex(request.body()));
            (said.to_owned(), is_so)
        }
        None => (sha256_hex(request.body()), true),
    }
}

fn string_to_sign(request: &Request, query: &str, signed: &str, body_hash: &str, (time, scope): (Timestamp, &Scope)) -> String {
    let mut canonical = String::with_capacity(512);
    canonical.push_str(request.method());
    canonical.push('\n');
    push_path(&mut canonical, request.path());
    canonical.push('\n');
    canonical.push_str(query);
    canonical.push('\n');
    let host = request.header("host").unwrap_or("");
    push_headers(&mut canonical, request, signed, host);
    canonical.push('\n');
    canonical.push_str(signed);
    canonical.push('\n');
    canonical.push_str(body_hash);
    let region = scope.region.as_deref().unwrap_or("");
    format!(
        "AWS4-HMAC-SHA256\n{}\n{}/{region}/{}/aws4_request\n{}",
        time.strftime("%Y%m%dT%H%M%SZ"),
        scope.date,
        scope.service,
        sha256_hex(canonical.as_bytes()),
    )
}

/// Appends a path with `.`, `..` and empty steps resolved and each step encoded once more.
fn push_path(out: &mut String, path: &str) {
    let mut steps: Vec<&str> = Vec::new();
    for step in path.split('/') {
        match step {
            "" | "." => {}
            ".." => {
                steps.pop();
            }
            step => steps.push(step),
        }
    }
    for step in &steps {
        out.push('/');
        push_encoded(out, step.as_bytes());
    }
    if steps.is_empty() || path.ends_with('/') {
        out.push('/');
    }
}
