//! Alibaba's `ACS3-HMAC-SHA256`, in the `Authorization` header.
//!
//! Shaped like AWS' version 4 without scope: the key is the secret itself. Source: "V3 request body
//! and signature" in Alibaba Cloud's documents, and the SDKs' requests.

use super::authorization::{Authorization, require_signed};
use super::canonical::{self, SortBy, filled_header, push_headers, sha256_hex};
use super::verify::{Code, Hash, Proof, window};
use super::{ALIBABA_SKEW, Claim, MAX_NONCE_BYTES, Scheme, SignatureError};
use crate::request::Request;
use crate::time;

/// Headers that decide what a request means, so that they must be signed where they are present.
const MUST_BE_SIGNED: &[&str] =
    &["host", "x-acs-action", "x-acs-version", "x-acs-date", "x-acs-signature-nonce", "x-acs-content-sha256", "x-acs-security-token"];

/// Reads what stands behind `ACS3-HMAC-SHA256`.
pub(super) fn identify(request: &Request, rest: &str) -> Result<Claim, SignatureError> {
    let scheme = Scheme::AlibabaV3;
    let authorization = Authorization::parse(scheme, rest)?;
    require_signed(scheme, request, authorization.signed_headers, MUST_BE_SIGNED)?;
    let find = |part: &'static str| filled_header(request, part).ok_or(SignatureError::Incomplete { scheme, part });
    let time = time::parse(find("x-acs-date")?).ok_or(SignatureError::BadTimestamp { scheme })?;
    let nonce = find("x-acs-signature-nonce")?;
    if nonce.len() > MAX_NONCE_BYTES {
        let part = "x-acs-signature-nonce";
        return Err(SignatureError::Malformed { scheme, part });
    }
    let said_hash = find("x-acs-content-sha256")?;
    let (valid_from, valid_until) = window(time, ALIBABA_SKEW);
    Ok(Claim {
        scheme,
        access_key: authorization.credential.to_owned(),
        scope: None,
        session_token: filled_header(request, "x-acs-security-token").map(str::to_owned),
        time,
        nonce: Some(nonce.to_owned()),
        proof: Proof {
            valid_from,
            valid_until,
            code: Code::Plain(Hash::Sha256),
            strings: vec![string_to_sign(request, authorization.signed_headers, said_hash)],
            signature: hex::decode(authorization.signature).unwrap_or_default(),
            body_is_as_signed: said_hash.eq_ignore_ascii_case(&sha256_hex(request.body())),
        },
    })
}

fn string_to_sign(request: &Request, signed: &str, body_hash: &str) -> String {
    let mut canonical = String::with_capacity(1024);
    canonical.push_str(request.method());
    canonical.push('\n');
    canonical.push_str(request.path());
    canonical.push('\n');
    canonical.push_str(&canonical::query(request.raw_query_pairs(), SortBy::Decoded));
    canonical.push('\n');
    let host = request.header("host").unwrap_or("");
    push_headers(&mut canonical, request, signed, host);
    canonical.push('\n');
    canonical.push_str(signed);
    canonical.push('\n');
    canonical.push_str(body_hash);
    format!("ACS3-HMAC-SHA256\n{}", sha256_hex(canonical.as_bytes()))
}
