//! AWS Signature Version 2, in the parameters of query string or form.
//!
//! Old and still spoken by libcloud and other clients of EC2-like clouds.

use super::canonical::{self, SortBy, hosts};
use super::verify::{Code, Hash, Proof, earlier, window};
use super::{AWS_SKEW, Claim, Scheme, SignatureError};
use crate::request::Request;
use crate::time;

/// What the scheme adds to the parameters.
pub(super) const PARAMETERS: &[&str] =
    &["AWSAccessKeyId", "Expires", "SecurityToken", "Signature", "SignatureMethod", "SignatureVersion", "Timestamp"];

/// Reads a request that carries `AWSAccessKeyId`.
pub(super) fn identify(request: &Request) -> Result<Claim, SignatureError> {
    let scheme = Scheme::AwsV2;
    let filled = |name: &str| request.parameter(name).filter(|value| !value.is_empty());
    let find = |part: &'static str| filled(part).ok_or(SignatureError::Incomplete { scheme, part });
    let access_key = find("AWSAccessKeyId")?.into_owned();
    let signature = find("Signature")?;
    if find("SignatureVersion")? != "2" {
        let part = "SignatureVersion";
        return Err(SignatureError::Malformed { scheme, part });
    }
    let hash = match find("SignatureMethod")?.as_ref() {
        "HmacSHA256" => Hash::Sha256,
        "HmacSHA1" => Hash::Sha1,
        other => {
            let cloud = scheme.cloud();
            let name = super::shown(other);
            return Err(SignatureError::UnknownAlgorithm { cloud, name });
        }
    };
    let read = |text: &str| time::parse(text).ok_or(SignatureError::BadTimestamp { scheme });
    let (time, valid_from, valid_until) = match (filled("Timestamp"), filled("Expires")) {
        (Some(text), _) => {
            let time = read(&text)?;
            let (from, until) = window(time, AWS_SKEW);
            (time, from, until)
        }
        (None, Some(text)) => {
            let until = read(&text)?;
            (until, earlier(until, super::AWS_PRESIGNED_LONGEST), until)
        }
        (None, None) => {
            let part = "Timestamp";
            return Err(SignatureError::Incomplete { scheme, part });
        }
    };
    Ok(Claim {
        scheme,
        access_key,
        scope: None,
        session_token: filled("SecurityToken").map(|token| token.into_owned()),
        time,
        nonce: None,
        proof: Proof {
            valid_from,
            valid_until,
            code: Code::Plain(hash),
            strings: strings_to_sign(request),
            signature: super::from_base64(&signature),
            body_is_as_signed: super::body_is_parameters(request),
        },
    })
}

fn strings_to_sign(request: &Request) -> Vec<String> {
    let pairs = request.raw_query_pairs().chain(request.raw_form_pairs());
    let pairs = pairs.filter(|(name, _)| *name != "Signature");
    let query = canonical::query(pairs, SortBy::Decoded);
    let (method, path) = (request.method(), request.path());
    hosts(request).iter().map(|host| format!("{method}\n{host}\n{path}\n{query}")).collect()
}
