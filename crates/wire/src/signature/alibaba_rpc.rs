//! Alibaba's RPC signature 1.0, in the parameters of query string and form.
//!
//! The string is `METHOD&%2F&` and the canonical query encoded a second time; the key is the secret
//! and `&`. Source: "Request syntax and signature method V2 for RPC-style API operations" in Alibaba
//! Cloud's documents, and the SDKs' requests.

use super::canonical::{self, SortBy, push_encoded};
use super::verify::{Code, Hash, Proof, window};
use super::{ALIBABA_SKEW, Claim, MAX_NONCE_BYTES, Scheme, SignatureError};
use crate::request::Request;
use crate::time;

/// What the scheme adds to the parameters.
pub(super) const PARAMETERS: &[&str] =
    &["AccessKeyId", "SecurityToken", "Signature", "SignatureMethod", "SignatureNonce", "SignatureType", "SignatureVersion", "Timestamp"];

/// Reads a request that carries `AccessKeyId`.
pub(super) fn identify(request: &Request) -> Result<Claim, SignatureError> {
    let scheme = Scheme::AlibabaRpc;
    let filled = |name: &str| request.parameter(name).filter(|value| !value.is_empty());
    let find = |part: &'static str| filled(part).ok_or(SignatureError::Incomplete { scheme, part });
    let hash = match find("SignatureMethod")?.as_ref() {
        "HMAC-SHA1" => Hash::Sha1,
        "HMAC-SHA256" => Hash::Sha256,
        other => {
            let cloud = scheme.cloud();
            let name = super::shown(other);
            return Err(SignatureError::UnknownAlgorithm { cloud, name });
        }
    };
    if find("SignatureVersion")? != "1.0" {
        let part = "SignatureVersion";
        return Err(SignatureError::Malformed { scheme, part });
    }
    let nonce = find("SignatureNonce")?.into_owned();
    if nonce.len() > MAX_NONCE_BYTES {
        let part = "SignatureNonce";
        return Err(SignatureError::Malformed { scheme, part });
    }
    let time = find("Timestamp")?;
    let time = time::parse(&time).ok_or(SignatureError::BadTimestamp { scheme })?;
    let (valid_from, valid_until) = window(time, ALIBABA_SKEW);
    Ok(Claim {
        scheme,
        access_key: find("AccessKeyId")?.into_owned(),
        scope: None,
        session_token: filled("SecurityToken").map(|token| token.into_owned()),
        time,
        nonce: Some(nonce),
        proof: Proof {
            valid_from,
            valid_until,
            code: Code::Ampersand(hash),
            strings: vec![string_to_sign(request)],
            signature: super::from_base64(&find("Signature")?),
            body_is_as_signed: super::body_is_parameters(request),
        },
    })
}

fn string_to_sign(request: &Request) -> String {
    let pairs = request.raw_query_pairs().chain(request.raw_form_pairs());
    let pairs = pairs.filter(|(name, _)| *name != "Signature");
    let query = canonical::query(pairs, SortBy::Decoded);
    let mut string = String::with_capacity(query.len() * 3 / 2 + 16);
    string.push_str(request.method());
    string.push_str("&%2F&");
    push_encoded(&mut string, query.as_bytes());
    string
}
