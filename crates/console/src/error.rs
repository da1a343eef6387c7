//! Refusals and their codes: one table from what is wrong to HTTP status, code and words.

use model::Error;
use wire::{Reply, SignatureError};

use crate::problem::Wording;

/// Seconds after which whoever sent too many requests may try again: a bucket fills every second.
const RETRY_AFTER: &str = "1";
/// How a request is to be signed, for whoever did not.
const CHALLENGE: &str = "AWS4-HMAC-SHA256";

/// Why a call is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// Its signature cannot be accepted.
    Signature(SignatureError),
    /// It is signed with an access key that does not exist or is turned off.
    UnknownKey,
    /// It was sent before.
    Replayed,
    /// It comes with a session token that is none of this cloud's, or not that of its key.
    SessionToken,
    /// It comes with a session token whose time is over.
    SessionExpired,
    /// There is nothing at its path.
    Path,
    /// What is at its path takes other methods.
    Method {
        /// Those, with commas.
        allowed: String,
    },
    /// Its body does not say that it is JSON.
    MediaType,
    /// Its body cannot be read.
    Body {
        /// The member, such as `volumes[0].size_gib`; empty when the body as a whole is meant.
        at: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A parameter of its query is not one of the route's.
    UnknownParameter {
        /// Its name.
        name: String,
    },
    /// A parameter of its query cannot be read.
    Parameter {
        /// Its name.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The rules of the cloud forbid it.
    Cloud(Error),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Refusal {
        Refusal::Cloud(error)
    }
}

impl Refusal {
    /// Refuses a member of the body, or the body as a whole when it is empty.
    pub fn member(at: &str, reason: impl Into<String>) -> Refusal {
        Refusal::Body { at: at.to_owned(), reason: reason.into() }
    }
}

/// The answer to a call that is refused.
pub fn refuse(refusal: &Refusal, request_id: &str) -> Reply {
    wording(refusal).reply(request_id)
}

fn wording(refusal: &Refusal) -> Wording {
    match refusal {
        Refusal::Signature(error) => signature(error),
        Refusal::UnknownKey => unauthenticated("unknown_access_key", "the access key does not exist or is not active"),
        Refusal::Replayed => unauthenticated("replayed", "the request was sent before"),
        Refusal::SessionToken => unauthenticated("invalid_session_token", "the session token is not valid"),
        Refusal::SessionExpired => unauthenticated("session_expired", "the session token has expired"),
        Refusal::Path => Wording::of(404, "no_such_path", "there is nothing at this path"),
        Refusal::Method { allowed } => {
            Wording::of(405, "method_not_allowed", format!("this path takes {allowed}")).with("allow", allowed.clone())
        }
        Refusal::MediaType => Wording::of(415, "unsupported_media_type", "the body must be of the type application/json"),
        Refusal::Body { at, reason } if at.is_empty() => Wording::of(400, "malformed_body", format!("the body cannot be read: {reason}")),
        Refusal::Body { at, reason } => Wording::of(400, "invalid_member", format!("{at}: {reason}")),
        Refusal::UnknownParameter { name } => {
            Wording::of(400, "unknown_parameter", format!("the parameter '{name}' is not one of this path's"))
        }
        Refusal::Parameter { name, reason } => Wording::of(400, "invalid_parameter", format!("the parameter '{name}' {reason}")),
        Refusal::Cloud(error) => cloud(error),
    }
}

fn unauthenticated(code: &'static str, detail: impl Into<String>) -> Wording {
    Wording::of(401, code, detail).with("www-authenticate", CHALLENGE)
}

fn signature(error: &SignatureError) -> Wording {
    let detail = error.to_string();
    match error {
        SignatureError::Missing => unauthenticated("unsigned", detail),
        SignatureError::UnknownAlgorithm { .. }
        | SignatureError::Incomplete { .. }
        | SignatureError::Malformed { .. }
        | SignatureError::BadTimestamp { .. }
        | SignatureError::NotSigned { .. } => unauthenticated("malformed_signature", detail),
        SignatureError::Expired { .. } | SignatureError::NotYetValid { .. } => unauthenticated("signature_expired", detail),
        SignatureError::Mismatch { .. } | SignatureError::BodyTampered { .. } => unauthenticated("signature_mismatch", detail),
    }
}

fn cloud(error: &Error) -> Wording {
    let detail = error.to_string();
    let (status, code) = match error {
        Error::NotFound { .. } => (404, "not_found"),
        Error::MalformedId { .. } => (400, "malformed_id"),
        Error::Duplicate { .. } => (409, "already_exists"),
        Error::IncorrectState { .. } => (409, "incorrect_state"),
        Error::InUse { .. } => (409, "in_use"),
        Error::Protected { .. } => (409, "protected"),
        Error::QuotaExceeded { .. } => (409, "quota_exceeded"),
        Error::LimitReached { .. } => (409, "limit_reached"),
        Error::TooManyRequests { .. } => return Wording::of(429, "too_many_requests", detail).with("retry-after", RETRY_AFTER),
        Error::NoCapacity { .. } => (503, "no_capacity"),
        Error::NoPlaceInGroup { .. } => (503, "no_place_in_group"),
        Error::NoReservedCapacity { .. } => (409, "no_reserved_capacity"),
        Error::NoDiskRoom { .. } => (503, "no_disk_room"),
        Error::ZoneMismatch { .. } => (400, "zone_mismatch"),
        Error::TooManyVolumes { .. } => (409, "too_many_volumes"),
        Error::NoFreeAddress { .. } => (409, "no_free_address"),
        Error::MissingParameter { name } => {
            return Wording::of(400, "missing_member", format!("{} is required", member(name)));
        }
        Error::InvalidParameter { name, reason } => return Wording::of(400, "invalid_member", format!("{}: {reason}", member(name))),
        Error::InvalidCombination { .. } => (400, "invalid_combination"),
        Error::ClientTokenReused => {
            return Wording::of(409, "idempotency_key_reused", "the Idempotency-Key was used before with another body");
        }
        Error::InvalidMfaCode => (403, "invalid_mfa_code"),
        Error::Unauthorized { .. } => (403, "unauthorized"),
        // A handler that tries out and does not keep is answered without a body before this table is asked.
        Error::DryRun => (409, "dry_run"),
        Error::Unsupported { .. } => (400, "unsupported"),
        Error::Internal => (500, "internal"),
        Error::Unavailable => return Wording::of(503, "unavailable", detail).with("retry-after", RETRY_AFTER),
    };
    Wording::of(status, code, detail)
}

/// What a parameter is called here of which the control plane tells by its canonical name.
fn member(canonical: &'static str) -> &'static str {
    match canonical {
        "ClientToken" => "Idempotency-Key",
        "Description" => "description",
        "DiskName" => "volumes.name",
        "DeviceIndex" => "interfaces.index",
        "HttpPutResponseHopLimit" => "metadata.hop_limit",
        "InstanceName" => "name",
        "HostName" => "hostname",
        "InstanceType" => "type",
        "ImageId" => "image",
        "MaxCount" => "count",
        "Password" => "password",
        "PrivateIpAddress" => "private_ip",
        "SecurityGroupId" => "security_groups",
        "Tag" | "Tag.Key" | "Tag.Value" => "tags",
        "VolumeSize" => "size_gib",
        other => other,
    }
}
