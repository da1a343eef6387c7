//! Tencent's `TC3-HMAC-SHA256`, in the `Authorization` header.
//!
//! Its SDKs sign content type and host only, and disagree on what the host is; the action is not
//! signed at all where they leave it out. The service in the scope only derives the key: the Node SDK
//! takes it from the first label of whatever host it is given.

use jiff::Timestamp;

use super::authorization::{Authorization, require_signed};
use super::canonical::{filled_header, hosts, push_headers, sha256_hex};
use super::verify::{Code, Proof, window};
use super::{Claim, Scheme, Scope, SignatureError, TENCENT_SKEW};
use crate::request::Request;

/// Reads what stands behind `TC3-HMAC-SHA256`.
pub(super) fn identify(request: &Request, rest: &str) -> Result<Claim, SignatureError> {
    let scheme = Scheme::TencentV3;
    let authorization = Authorization::parse(scheme, rest)?;
    let signed = authorization.signed_headers;
    require_signed(scheme, request, signed, &["content-type", "host"])?;
    let (access_key, scope) = split_credential(authorization.credential)?;
    let part = "X-TC-Timestamp";
    let stamp = filled_header(request, "x-tc-timestamp");
    let stamp = stamp.ok_or(SignatureError::Incomplete { scheme, part })?;
    let time = epoch(stamp).ok_or(SignatureError::BadTimestamp { scheme })?;
    if scope.date != time.strftime("%Y-%m-%d").to_string() {
        let part = "Credential";
        return Err(SignatureError::Malformed { scheme, part });
    }
    let (valid_from, valid_until) = window(time, TENCENT_SKEW);
    Ok(Claim {
        scheme,
        access_key,
        session_token: filled_header(request, "x-tc-token").map(str::to_owned),
        time,
        nonce: None,
        proof: Proof {
            valid_from,
            valid_until,
            code: Code::TencentDerived,
            strings: strings_to_sign(request, signed, stamp, &scope),
            signature: hex::decode(authorization.signature).unwrap_or_default(),
            body_is_as_signed: true,
        },
        scope: Some(scope),
    })
}

/// Reads whole seconds since 1970.
pub(super) fn epoch(text: &str) -> Option<Timestamp> {
    Timestamp::from_second(text.parse().ok()?).ok()
}

/// Cuts `ID/2026-11-20/cvm/tc3_request`.
fn split_credential(text: &str) -> Result<(String, Scope), SignatureError> {
    let pieces: Vec<&str> = text.split('/').collect();
    match pieces.as_slice() {
        [access_key, date, service, "tc3_request"] if !access_key.is_empty() => {
            Ok(((*access_key).to_owned(), Scope { date: (*date).to_owned(), region: None, service: (*service).to_owned() }))
        }
        _ => Err(SignatureError::Malformed { scheme: Scheme::TencentV3, part: "Credential" }),
    }
}

fn strings_to_sign(request: &Request, signed: &str, stamp: &str, scope: &Scope) -> Vec<String> {
    let body_hash = match request.header("x-tc-content-sha256") {
        Some("UNSIGNED-PAYLOAD") => sha256_hex(b"UNSIGNED-PAYLOAD"),
        Some(_) | None => sha256_hex(request.body()),
    };
    let canonical = |host: &str| {
        let mut out = String::with_capacity(512);
        for line in [request.method(), request.path(), request.raw_query()] {
            out.push_str(line);
            out.push('\n');
        }
        push_headers(&mut out, request, signed, host);
        out.push('\n');
        out.push_str(signed);
        out.push('\n');
        out.push_str(&body_hash);
        out
    };
    let Scope { date, service, .. } = scope;
    hosts(request)
        .iter()
        .map(|host| {
            let hash = sha256_hex(canonical(host).as_bytes());
            format!("TC3-HMAC-SHA256\n{stamp}\n{date}/{service}/tc3_request\n{hash}")
        })
        .collect()
}
