//! Who signed a request, in which of the clouds' schemes, and whether the signature holds.
//!
//! ```text
//! identify(request) -> Claim: scheme, access key, time, nonce      (no secret needed)
//! claim.verify(secret, now): fresh? signed with this secret? body as signed?
//! ```
//!
//! One file a scheme. It does not look up keys, remember nonces over restarts or know vendors' error
//! codes: those are the caller's.

mod acs3;
mod alibaba_rpc;
mod authorization;
mod canonical;
mod keys;
mod nonces;
mod sigv2;
mod sigv4;
mod tc3;
mod tencent_form;
mod verify;

use base64::Engine;
use jiff::{SignedDuration, Timestamp};

pub use keys::SigningKeys;
pub use nonces::{Nonces, Novelty};

use crate::request::Request;
use verify::Proof;

/// How far the clock of an AWS client may be off, either way, when the signature has no expiry.
///
/// EC2's `RequestExpired`: "more than 15 minutes after the date stamp on the request", or "more than
/// 15 minutes in the future" (EC2 API reference, error codes).
pub const AWS_SKEW: SignedDuration = SignedDuration::from_mins(15);

/// The longest life of a presigned AWS request: 7 days (`X-Amz-Expires` <= 604800).
pub const AWS_PRESIGNED_LONGEST: SignedDuration = SignedDuration::from_hours(7 * 24);

/// How far the clock of an Alibaba client may be off, either way: `InvalidTimeStamp.Expired` after 15
/// minutes.
pub const ALIBABA_SKEW: SignedDuration = SignedDuration::from_mins(15);

/// How far the clock of a Tencent client may be off, either way: `AuthFailure.SignatureExpire` after
/// 5 minutes.
pub const TENCENT_SKEW: SignedDuration = SignedDuration::from_mins(5);

/// Bytes of a nonce: SDKs send UUIDs and hashes, and each is remembered for a while.
const MAX_NONCE_BYTES: usize = 128;

/// A way of signing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// AWS Signature Version 4 in the `Authorization` header.
    AwsV4,
    /// AWS Signature Version 4 in the query string.
    AwsV4Presigned,
    /// AWS Signature Version 2 in the parameters.
    AwsV2,
    /// Alibaba's RPC signature 1.0 in the parameters.
    AlibabaRpc,
    /// Alibaba's `ACS3-HMAC-SHA256` in the `Authorization` header.
    AlibabaV3,
    /// Tencent's `TC3-HMAC-SHA256` in the `Authorization` header.
    TencentV3,
    /// Tencent's `HmacSHA1` or `HmacSHA256` in the parameters.
    TencentForm,
}

/// Whose dialect a request is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cloud {
    /// Amazon Web Services.
    Aws,
    /// Alibaba Cloud.
    Alibaba,
    /// Tencent Cloud.
    Tencent,
}

impl Scheme {
    /// Whose scheme it is.
    pub fn cloud(self) -> Cloud {
        match self {
            Scheme::AwsV4 | Scheme::AwsV4Presigned | Scheme::AwsV2 => Cloud::Aws,
            Scheme::AlibabaRpc | Scheme::AlibabaV3 => Cloud::Alibaba,
            Scheme::TencentV3 | Scheme::TencentForm => Cloud::Tencent,
        }
    }

    /// The parameters that belong to the signature rather than to the action, for
    /// [`Args::unknown`](crate::Args::unknown).
    pub fn parameters(self) -> &'static [&'static str] {
        match self {
            Scheme::AwsV4 | Scheme::AlibabaV3 | Scheme::TencentV3 => &[],
            Scheme::AwsV4Presigned => sigv4::QUERY_PARAMETERS,
            Scheme::AwsV2 => sigv2::PARAMETERS,
            Scheme::AlibabaRpc => alibaba_rpc::PARAMETERS,
            Scheme::TencentForm => tencent_form::PARAMETERS,
        }
    }
}

/// Why a signature is refused, precise enough for each vendor's own code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// The request is not signed in any way known here.
    #[error("the request is not signed")]
    Missing,
    /// It is signed by an algorithm that is not served.
    #[error("the signature's algorithm {name} is not served")]
    UnknownAlgorithm {
        /// Whose algorithm it looks like.
        cloud: Cloud,
        /// The algorithm as the client named it.
        name: String,
    },
    /// Something that the scheme needs is absent.
    #[error("the signature lacks {part}")]
    Incomplete {
        /// The scheme recognised.
        scheme: Scheme,
        /// What is absent, in the scheme's own word.
        part: &'static str,
    },
    /// Something of the signature cannot be read.
    #[error("the signature's {part} is malformed")]
    Malformed {
        /// The scheme recognised.
        scheme: Scheme,
        /// What cannot be read, in the scheme's own word.
        part: &'static str,
    },
    /// The time of signing cannot be read.
    #[error("the signature's time is malformed")]
    BadTimestamp {
        /// The scheme recognised.
        scheme: Scheme,
    },
    /// A header that decides what the request means is not covered by the signature.
    #[error("the header {header} is not signed")]
    NotSigned {
        /// The scheme recognised.
        scheme: Scheme,
        /// The header's name.
        header: &'static str,
    },
    /// It was signed too long ago.
    #[error("the signature expired at {at}")]
    Expired {
        /// The scheme used.
        scheme: Scheme,
        /// The last moment at which it was good.
        at: Timestamp,
    },
    /// It is signed for a time that has not come.
    #[error("the signature is not valid before {from}")]
    NotYetValid {
        /// The scheme used.
        scheme: Scheme,
        /// The first moment at which it will be good.
        from: Timestamp,
    },
    /// The signature was not made with this secret over this request.
    #[error("the signature does not match")]
    Mismatch {
        /// The scheme used.
        scheme: Scheme,
    },
    /// The body is not the one whose hash was signed.
    #[error("the body is not the one that was signed")]
    BodyTampered {
        /// The scheme used.
        scheme: Scheme,
    },
}

impl SignatureError {
    /// Whose words the answer should be in; `None` when the request gives no sign of it.
    pub fn cloud(&self) -> Option<Cloud> {
        match self {
            SignatureError::Missing => None,
            SignatureError::UnknownAlgorithm { cloud, .. } => Some(*cloud),
            SignatureError::Incomplete { scheme, .. }
            | SignatureError::Malformed { scheme, .. }
            | SignatureError::BadTimestamp { scheme }
            | SignatureError::NotSigned { scheme, .. }
            | SignatureError::Expired { scheme, .. }
            | SignatureError::NotYetValid { scheme, .. }
            | SignatureError::Mismatch { scheme }
            | SignatureError::BodyTampered { scheme } => Some(scheme.cloud()),
        }
    }
}

/// What a signature's key is bound to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Scope {
    /// The day as the scheme writes it, `20261120` or `2026-11-20`.
    pub date: String,
    /// The region; Tencent's scope has none.
    pub region: Option<String>,
    /// The service, such as `ec2`. Tencent's Node SDK puts the first label of the host here, so for
    /// Tencent it is no more than a hint.
    pub service: String,
}

/// Who says to have signed a request, and everything needed to find out whether that is true.
#[derive(Clone)]
pub struct Claim {
    /// The way of signing, which tells the dialect.
    pub scheme: Scheme,
    /// The id of the access key.
    pub access_key: String,
    /// What the key is bound to; `None` for schemes without.
    pub scope: Option<Scope>,
    /// The session token of temporary credentials.
    pub session_token: Option<String>,
    /// When it was signed.
    pub time: Timestamp,
    /// The number used once, where the scheme has one; see [`Nonces`].
    pub nonce: Option<String>,
    proof: Proof,
}

impl Claim {
    /// The last moment at which the signature is good: how long its nonce must be remembered.
    pub fn valid_until(&self) -> Timestamp {
        self.proof.valid_until
    }
}

/// Shows neither the token nor what was signed: the latter holds every parameter, passwords too.
impl std::fmt::Debug for Claim {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Claim")
            .field("scheme", &self.scheme)
            .field("access_key", &self.access_key)
            .field("scope", &self.scope)
            .field("time", &self.time)
            .field("nonce", &self.nonce)
            .finish_non_exhaustive()
    }
}

/// Finds out how a request is signed and by whom, without any secret.
///
/// The rule follows from what the clouds' clients were seen to send: the `Authorization` header first
/// (Alibaba's old SDK sends `x-acs-` headers with parameters that are signed the old way), then the
/// parameters of query string and form.
pub fn identify(request: &Request) -> Result<Claim, SignatureError> {
    if let Some(authorization) = request.header("authorization") {
        let authorization = authorization.trim();
        let (algorithm, rest) = authorization.split_once(char::is_whitespace).unwrap_or((authorization, ""));
        match algorithm {
            "AWS4-HMAC-SHA256" => return sigv4::identify(request, rest),
            "ACS3-HMAC-SHA256" => return acs3::identify(request, rest),
            "TC3-HMAC-SHA256" => return tc3::identify(request, rest),
            other => {
                if let Some(cloud) = cloud_of_algorithm(other) {
                    let name = shown(other);
                    return Err(SignatureError::UnknownAlgorithm { cloud, name });
                }
            }
        }
    }
    identify_parameters(request)
}

fn identify_parameters(request: &Request) -> Result<Claim, SignatureError> {
    let names = ["X-Amz-Algorithm", "AWSAccessKeyId", "SecretId", "AccessKeyId", "Signature"];
    let mut seen = [false; 5];
    for (name, _) in request.pairs() {
        if let Some(at) = names.iter().position(|known| name == *known) {
            seen[at] = true;
        }
    }
    match seen {
        [true, ..] => sigv4::identify_presigned(request),
        [_, true, ..] => sigv2::identify(request),
        [_, _, true, _, true] => tencent_form::identify(request),
        [_, _, _, true, _] => alibaba_rpc::identify(request),
        _ => Err(SignatureError::Missing),
    }
}

/// Tells whose dialect an unsigned or oddly signed request is in, by the marks that only one vendor's
/// clients leave; so that even that refusal can be read by the client.
pub fn guess_cloud(request: &Request) -> Option<Cloud> {
    let has_header = |name: &str| request.header(name).is_some();
    if has_header("x-tc-action") || has_header("x-tc-version") {
        return Some(Cloud::Tencent);
    }
    if has_header("x-acs-action") || has_header("x-acs-version") {
        return Some(Cloud::Alibaba);
    }
    if has_header("x-amz-target") || has_header("x-amz-date") {
        return Some(Cloud::Aws);
    }
    request.pairs().find_map(|(name, value)| match name.as_ref() {
        "SecretId" => Some(Cloud::Tencent),
        "SignatureNonce" | "AccessKeyId" | "Format" => Some(Cloud::Alibaba),
        "AWSAccessKeyId" | "X-Amz-Algorithm" => Some(Cloud::Aws),
        "Version" if value == "2016-11-15" => Some(Cloud::Aws),
        "Version" if value == "2014-05-26" => Some(Cloud::Alibaba),
        _ => None,
    })
}

fn cloud_of_algorithm(name: &str) -> Option<Cloud> {
    if name.starts_with("AWS") {
        Some(Cloud::Aws)
    } else if name.starts_with("ACS") {
        Some(Cloud::Alibaba)
    } else if name.starts_with("TC") {
        Some(Cloud::Tencent)
    } else {
        None
    }
}

/// Whether the body holds nothing but parameters: the schemes that sign parameters sign no other body.
fn body_is_parameters(request: &Request) -> bool {
    request.body().is_empty() || request.form_text().is_some()
}

/// Decodes a signature in base64; nothing, which matches nothing, when it is not base64.
fn from_base64(text: &str) -> Vec<u8> {
    base64::engine::general_purpose::STANDARD.decode(text).unwrap_or_default()
}

/// As much of a client's word as an error repeats.
fn shown(text: &str) -> String {
    text.chars().take(crate::SHOWN_CHARS).collect()
}
