//! Tencent's older signatures `HmacSHA1` and `HmacSHA256`, in the parameters of query string or form.
//!
//! The string is method, host, path and the sorted parameters, none of it encoded.

use super::canonical::hosts;
use super::verify::{Code, Hash, Proof, window};
use super::{Claim, MAX_NONCE_BYTES, Scheme, SignatureError, TENCENT_SKEW};
use crate::request::Request;

/// What the scheme adds to the parameters.
pub(super) const PARAMETERS: &[&str] =
    &["Language", "Nonce", "RequestClient", "SecretId", "Signature", "SignatureMethod", "Timestamp", "Token"];

/// Reads a request that carries `SecretId` and `Signature`.
pub(super) fn identify(request: &Request) -> Result<Claim, SignatureError> {
    let scheme = Scheme::TencentForm;
    let filled = |name: &str| request.parameter(name).filter(|value| !value.is_empty());
    let find = |part: &'static str| filled(part).ok_or(SignatureError::Incomplete { scheme, part });
    let hash = match filled("SignatureMethod").as_deref() {
        Some("HmacSHA256") => Hash::Sha256,
        Some("HmacSHA1") | None => Hash::Sha1,
        Some(other) => {
            let cloud = scheme.cloud();
            let name = super::shown(other);
            return Err(SignatureError::UnknownAlgorithm { cloud, name });
        }
    };
    let nonce = find("Nonce")?.into_owned();
    if nonce.len() > MAX_NONCE_BYTES {
        let part = "Nonce";
        return Err(SignatureError::Malformed { scheme, part });
    }
    let signature = super::from_base64(&find("Signature")?);
    let time = super::tc3::epoch(&find("Timestamp")?);
    let time = time.ok_or(SignatureError::BadTimestamp { scheme })?;
    let (valid_from, valid_until) = window(time, TENCENT_SKEW);
    Ok(Claim {
        scheme,
        access_key: find("SecretId")?.into_owned(),
        scope: None,
        session_token: filled("Token").map(|token| token.into_owned()),
        time,
        // The Node SDK draws its nonces from 65,536, so two requests may well have the same: what counts once is the whole request.
        nonce: Some(format!("{nonce} {}", hex::encode(&signature))),
        proof: Proof {
            valid_from,
            valid_until,
            code: Code::Plain(hash),
            strings: strings_to_sign(request),
            signature,
            body_is_as_signed: super::body_is_parameters(request),
        },
    })
}

fn strings_to_sign(request: &Request) -> Vec<String> {
    let mut pairs: Vec<_> = request.pairs().filter(|(name, _)| name != "Signature").collect();
    pairs.sort();
    let pairs: Vec<_> = pairs.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let parameters = pairs.join("&");
    let (method, path) = (request.method(), request.path());
    hosts(request).iter().map(|host| format!("{method}{host}{path}?{parameters}")).collect()
}
